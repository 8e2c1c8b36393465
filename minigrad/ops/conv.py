"""Convolution over two or more spatial dimensions, as products of weights with the windows of lowered images.

The sum of g * conv(x, w) is linear in the images x, in the weights w and in the output gradient g. The three
primitives are its derivatives: the convolution, its transpose (the gradient of the images) and the gradient
of the weights. Each is differentiated by the other two, as often as one likes.
"""

import functools
import itertools
import math
from typing import NamedTuple

from .. import cpu
from ..autograd import primitive
from ..backend import constant, on_gpu, xp
from ..kernels import Kernel, fusible, launch
from .index import int32
from .layout import images
from .lowering import blocks_of, inside
from .reduce import sum_

SEVERAL = 8  # blocks of images from which on they are lowered and multiplied in threads of their own


class Geometry(NamedTuple):
    """How a kernel slides: at its position k, output o meets the pixel stride * o + dilation * k - padding.

    Each is a tuple with a number for every spatial dimension. Pixels outside of the image count as zeros.
    """

    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int

    @property
    def start(self):
        """The pixel that the first kernel position meets at the first output."""
        return tuple([-p for p in self.padding])


@primitive
def conv_(x, w, b, geometry, size):
    """x (N, C, *space), w (out, C / groups, *kernel), b (out) or None -> (N, out, *size)."""
    if lowerable(x, w, size):
        return launch(conv_by_columns, x, w, b, geometry, size)
    y = images(len(x), len(w), size, x.dtype)
    first, *start = geometry.start
    correlate(x, [(grouped(w, geometry.groups), first, y)], b, start, geometry.stride, geometry.dilation)
    return y


@primitive
def conv_transpose_(x, w, b, geometry, size):
    """x (N, out, *space), w (out, C / groups, *kernel), b (C) or None -> (N, C, *size); conv_ takes it back.

    For the pixels of one phase, every stride-th, this is a convolution with some of the kernel positions.
    """
    if lowerable(x, w, size):
        return launch(conv_transpose_by_columns, x, w, b, geometry, size)
    w = grouped(w, geometry.groups).swapaxes(1, 2)
    y = images(len(x), w.shape[0] * w.shape[1], size, x.dtype)
    rows, *others = itertools.starmap(phases, zip(size, w.shape[3:], *geometry[:3]))
    for other in itertools.product(*others):
        filters = []
        for row in rows:
            pixels, positions, start, step = zip(row, *other)
            filters.append((w[(..., *positions)], start[0], y[(..., *pixels)]))
        together = [filters] if step[0] == 1 else [[one] for one in filters]  # they can share what is lowered
        for several in together:
            correlate(x, several, b, start[1:], (1,) * len(size), step)
    return y


@primitive
def conv_weight_(d, x, kernel, geometry):
    """The gradient of the w of conv_ (out, C / groups, *kernel), given x and the gradient d of its output."""
    if lowerable(x, d, kernel):
        return launch(conv_weight_by_columns, d, x, kernel, geometry)
    groups = geometry.groups
    moves = kernel, geometry.start, geometry.stride, geometry.dilation, d.shape[2:]
    blocks = blocks_of(x.shape, x.itemsize, groups, *moves)
    x, d = inside(x, groups), inside(d, groups)
    w = xp.zeros((groups, d.shape[2], math.prod(kernel) * x.shape[2]), d.dtype)

    def work(blocks):
        parts = []
        for block in blocks:
            lines, outputs = block.lower(x), block.outputs_of(d)
            windows = block.windows(lines, 0, kernel[0], outputs.shape[lines.ndim - 3])
            matrices = block.matrices(outputs)
            if matrices is None:
                matrices = block.matrices(xp.ascontiguousarray(outputs))
            parts.append((matrices @ windows.swapaxes(-1, -2)).sum(tuple(range(1, windows.ndim - 2))))
        return parts

    for part in itertools.chain.from_iterable(in_threads(work, blocks)):
        w += part
    w = w.reshape(w.shape[0] * w.shape[1], *kernel, x.shape[2])
    return xp.ascontiguousarray(xp.moveaxis(w, -1, 1))


def space(shape):
    return tuple(shape[2:])


def channel_sums(g):
    return sum_(g, (0, *range(2, g.ndim)), False)


conv_.vjps(
    x=lambda g, w, geometry, shape: conv_transpose_(g, w, None, geometry, space(shape)),
    w=lambda g, x, w, geometry: conv_weight_(g, x, space(w.shape), geometry),
    b=channel_sums,
)
conv_transpose_.vjps(
    x=lambda g, w, geometry, shape: conv_(g, w, None, geometry, space(shape)),
    w=lambda g, x, w, geometry: conv_weight_(x, g, space(w.shape), geometry),
    b=channel_sums,
)
conv_weight_.vjps(
    d=lambda g, x, geometry, shape: conv_(x, g, None, geometry, space(shape)),
    x=lambda g, d, x, geometry: conv_transpose_(d, g, None, geometry, space(x.shape)),
)


# ------------------------------------------------------------------------------- on a GPU, of two dimensions

COLUMNS_BYTES = 1 << 28  # about as much is lowered at a time


def lowerable(x, other, size):
    """Whether kernels can lower the images x to columns, and `other` is of their dtype; none of them is empty."""
    return fusible(x, other) and len(size) == 2 and other.size and 0 not in size


GEOMETRY = """int channels, int rows, int columns, int kernel_rows, int kernel_columns, int size_rows, int size_columns,
    int step_rows, int step_columns, int before_rows, int before_columns, int apart_rows, int apart_columns"""
# a thread for every channel and output, and so for a column of what is lowered to one channel
TO_COLUMNS = Kernel("to_columns", r"""
extern "C" __global__ void to_columns(const T *x, int n, long long image_stride, long long channel_stride,
    long long row_stride, long long column_stride, GEOMETRY, T *y)
{
    int t = blockIdx.x * blockDim.x + threadIdx.x, outputs = n * size_rows * size_columns;
    int channel = t / outputs, output = t % outputs;
    if (channel >= channels) return;
    int row = output / size_columns % size_rows * step_rows - before_rows;
    int column = output % size_columns * step_columns - before_columns;
    x += output / (size_rows * size_columns) * image_stride + channel * channel_stride;
    y += (long long)channel * kernel_rows * kernel_columns * outputs + output;
    for (int i = 0; i < kernel_rows; i++)
        for (int j = 0; j < kernel_columns; j++, y += outputs) {
            int r = row + i * apart_rows, c = column + j * apart_columns;
            *y = 0 <= r && r < rows && 0 <= c && c < columns ? x[r * row_stride + c * column_stride] : (T)0;
        }
}
""".replace("GEOMETRY", GEOMETRY))  # fmt: skip
# a thread for every pixel, which adds up in order what its place in each window has
FROM_COLUMNS = Kernel("from_columns", r"""
extern "C" __global__ void from_columns(const T *x, int n, GEOMETRY, T *y)
{
    int t = blockIdx.x * blockDim.x + threadIdx.x, size = size_rows * size_columns;
    if (t >= n * channels * rows * columns) return;
    int column = t % columns + before_columns, row = t / columns % rows + before_rows;
    long long channel = t / (columns * rows) % channels, image = t / (columns * rows) / channels;
    x += channel * kernel_rows * kernel_columns * n * size + image * size;
    T sum = 0;
    for (int i = 0; i < kernel_rows; i++) {
        int r = row - i * apart_rows, down = r / step_rows;
        bool met = r >= 0 && r == down * step_rows && down < size_rows;
        for (int j = 0; j < kernel_columns; j++, x += n * size) {
            int c = column - j * apart_columns, across = c / step_columns;
            if (met && c >= 0 && c == across * step_columns && across < size_columns) sum += x[down * size_columns + across];
        }
    }
    y[t] = sum;
}
""".replace("GEOMETRY", GEOMETRY))  # fmt: skip


@functools.lru_cache(256)
def numbers(*values):
    """Integers as the kernels take them, of 32 bits, which divide faster than 64 do."""
    return [constant(value, int32) for value in itertools.chain(*values)]


def portions(n, channels, kernel, size, itemsize):
    """Slices of n images, as many at a time as are worth about COLUMNS_BYTES once lowered."""
    one = channels * math.prod(kernel) * math.prod(size) * itemsize
    step = max(1, COLUMNS_BYTES // one)
    return [slice(first, min(first + step, n)) for first in range(0, n, step)]


def to_columns(x, kernel, geometry, size):
    """x (N, C, H, W) in any order of memory -> (groups, C / groups * kernel, N * size)."""
    n, channels, *space = x.shape
    y = xp.empty((geometry.groups, channels // geometry.groups * math.prod(kernel), n * math.prod(size)), x.dtype)
    strides = [stride // x.itemsize for stride in x.strides]
    args = x, constant(n, int32), *strides, *numbers((channels, *space), tuple(kernel), tuple(size), *geometry[:3]), y
    TO_COLUMNS.each(channels * n * math.prod(size), args, T=x.dtype)
    return y


def from_columns(x, y, kernel, geometry, size):
    """The transpose of `to_columns`: fill y (N, C, H, W), contiguous."""
    args = x, constant(len(y), int32), *numbers(y.shape[1:], tuple(kernel), tuple(size), *geometry[:3]), y
    FROM_COLUMNS.each(y.size, args, T=x.dtype)


def by_channel(x, groups):
    """x (N, C, *size) -> (groups, C / groups, N * size), its own memory where N is 1."""
    return x.swapaxes(0, 1).reshape(groups, x.shape[1] // groups, -1)


def product(a, b):
    """Products of the matrices of each group; CuPy's `dot` takes a transposed matrix as it is, its `@` of several copies."""
    return a[0].dot(b[0])[None] if len(a) == 1 else a @ b


def conv_by_columns(x, w, b, geometry, size):
    """`conv_` as one product of matrices for each group."""
    y, matrices = xp.empty((len(x), len(w), *size), x.dtype), w.reshape(geometry.groups, len(w) // geometry.groups, -1)
    for some in portions(*x.shape[:2], w.shape[2:], size, x.itemsize):
        z = product(matrices, to_columns(x[some], w.shape[2:], geometry, size))
        z = z.reshape(len(w), -1, *size).swapaxes(0, 1)
        if b is None:
            y[some] = z
        else:
            xp.add(z, b.reshape(-1, 1, 1), y[some])
    return y


def conv_transpose_by_columns(x, w, b, geometry, size):
    """`conv_transpose_`: each column is what a window of the result gets."""
    matrices = w.reshape(geometry.groups, len(w) // geometry.groups, -1).swapaxes(1, 2)
    y = xp.empty((len(x), w.shape[1] * geometry.groups, *size), x.dtype)
    for some in portions(*y.shape[:2], w.shape[2:], x.shape[2:], x.itemsize):
        z = product(matrices, by_channel(x[some], geometry.groups))
        from_columns(z, y[some], w.shape[2:], geometry, x.shape[2:])
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y


def conv_weight_by_columns(d, x, kernel, geometry):
    """`conv_weight_`: the sum over portions of products of output gradients with the lowered images."""
    w = None
    for some in portions(*x.shape[:2], kernel, d.shape[2:], x.itemsize):
        lowered = to_columns(x[some], kernel, geometry, d.shape[2:])
        part = product(by_channel(d[some], geometry.groups), lowered.swapaxes(1, 2))
        w = part if w is None else xp.add(w, part, w)
    return w.reshape(d.shape[1], -1, *kernel)


# ---------------------------------------------------------------------------------------------- on raw arrays


def grouped(w, groups):
    """(out, C / groups, *kernel) as (groups, out / groups, C / groups, *kernel)."""
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def in_threads(work, blocks):
    """The results of `work` on shares of the blocks: many blocks in as many threads, a few leave those to BLAS.

    To wake a thread takes as long as a small product, and threads that only wait for the next product are quicker there.
    """
    return [work(blocks)] if on_gpu or len(blocks) < SEVERAL else cpu.in_parallel(work, blocks)


def correlate(x, filters, bias, start, stride, dilation):
    """Fill the y of each filter (weights, first row, y) with the products of its weights and the windows of x.

    Weights are (groups, out, in, *kernel). The window of output o begins at pixel stride * o + start, along
    rows at stride * o + first row. The filters differ in their kernel along rows alone, by which stride and
    dilation are 1 if there are several.
    """
    for w, _, y in filters:
        if not w.size:
            y[...] = 0 if bias is None else bias.reshape(-1, *(1,) * (y.ndim - 2))
    filters = [f for f in filters if f[0].size]
    if not filters:
        return
    groups, _, _, _, *kernel = filters[0][0].shape
    top = min(first for _, first, _ in filters)
    height = max(first - top + w.shape[3] for w, first, _ in filters)
    size = max(y.shape[2] for _, _, y in filters), *filters[0][2].shape[3:]
    moves = (height, *kernel), (top, *start), stride, dilation, size
    blocks = blocks_of(x.shape, x.itemsize, groups, *moves)
    x, layers = inside(x, groups), []
    for w, first, y in filters:
        matrix = w.transpose(0, 1, *range(3, w.ndim), 2).reshape(groups, w.shape[1], -1)
        layers.append((matrix, first - top, w.shape[3], inside(y, groups)))

    def work(blocks):
        for block in blocks:
            lines = block.lower(x)
            for w, offset, height, y in layers:
                outputs = block.outputs_of(y)
                windows = block.windows(lines, offset, height, outputs.shape[lines.ndim - 3])
                w = w.reshape(groups, *(1,) * (windows.ndim - 3), *w.shape[1:])
                matrices = block.matrices(outputs)
                if matrices is None:
                    outputs[...] = (w @ windows).reshape(outputs.shape)
                else:
                    xp.matmul(w, windows, out=matrices)
                if bias is not None:
                    xp.add(outputs, bias.reshape(*w.shape[:-1], *(1,) * (outputs.ndim - w.ndim + 1)), out=outputs)

    in_threads(work, blocks)


@functools.lru_cache(512)
def phases(size, kernel, stride, padding, dilation):
    """The phases of the transpose along a dimension: (pixels, kernel positions, start and step of the windows)."""
    found, apart = [], stride // math.gcd(dilation, stride)
    for first in range(min(stride, size)):
        positions = [k for k in reversed(range(kernel)) if (first + padding - dilation * k) % stride == 0]
        start = (first + padding - dilation * positions[0]) // stride if positions else 0
        taken = slice(positions[0], None, -apart) if positions else slice(0, 0)
        found.append((slice(first, None, stride), taken, start, dilation // math.gcd(dilation, stride)))
    return found
