"""Convolution over two or more spatial dimensions, as products of weights with lowered images.

The sum of g * conv(x, w) is linear in the images x, in the weights w and in the output gradient g. The three primitives
are its derivatives: the convolution, its transpose (the gradient of the images) and the gradient of the weights. Each
is differentiated by the other two, as often as one likes.

To everybody else images are (N, C, *space). Inside they are (groups, rows, channels, *space, N), and the images come
last in memory too, results included: whatever is copied is then copied in runs of many numbers. A block of images is
lowered: for every row of pixels and every kernel position along the other dimensions, the pixels that this position
meets become a row of a matrix. The window of a row of the output is a run of rows of that matrix, and the windows of
neighbours overlap in it, so that the copy is only kernel / stride of one dimension times as large as the images.
"""

import functools
import itertools
import math
from typing import NamedTuple

from ..autograd import primitive
from ..backend import strided, xp
from ..cpu import in_parallel
from .reduce import sum_

IMAGES = 128  # in a block
BLOCK_BYTES = 1 << 21  # of a lowered block, at most: it should stay in the cache
BATCH_LAST = 16  # from this many images on they come last in memory


class Geometry(NamedTuple):
    """How a kernel slides: at kernel position k, output o meets the pixel stride * o + dilation * k - padding.

    Each is a tuple with a number for every spatial dimension. Pixels outside of the image count as zeros.
    """

    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int


# ------------------------------------------------------------------------------------------------- the primitives


@primitive
def conv_(x, w, b, geometry, size):
    """x (N, C, *space), w (out, C / groups, *kernel), b (out) or None -> (N, out, *size)."""
    y = images(len(x), len(w), size, x.dtype)
    weights = w.reshape(geometry.groups, -1, *w.shape[1:])
    start = tuple(-p for p in geometry.padding)
    correlate(x, [(weights, start[0], y)], b, start[1:], geometry.stride, geometry.dilation)
    return y


@primitive
def conv_transpose_(x, w, b, geometry, size):
    """x (N, out, *space), w (out, C / groups, *kernel), b (C) or None -> (N, C, *size), where conv_ takes size to space.

    For the pixels of one phase (every stride-th) this is a convolution with some of the kernel positions.
    """
    weights = w.reshape(geometry.groups, -1, *w.shape[1:]).swapaxes(1, 2)
    y = images(len(x), w.shape[1] * geometry.groups, size, x.dtype)
    rows, *others = itertools.starmap(phases, zip(size, w.shape[2:], *geometry[:3]))
    for other in itertools.product(*others):
        filters = []
        for row in rows:
            places, taps, start, step = zip(row, *other)
            filters.append((weights[(..., *xp.ix_(*taps))], start[0], y[(..., *places)]))
        together = [filters] if step[0] == 1 else [[one] for one in filters]  # they can share what is lowered
        for several in together:
            correlate(x, several, b, start[1:], (1,) * len(size), step)
    return y


@primitive
def conv_weight_(d, x, kernel, geometry):
    """d (N, out, *size), x (N, C, *space) -> (out, C / groups, *kernel): the gradient of w where d is that of conv_."""
    groups, channels = geometry.groups, x.shape[1] // geometry.groups
    start = tuple(-p for p in geometry.padding)
    windows = Windows(x, groups, kernel, start, geometry.stride, geometry.dilation, d.shape[2:])
    d = inside(d, groups)

    def work(blocks):
        memory, parts = {}, []
        for block in blocks:
            chosen, first, stop = block
            lowered = windows.lower(block, memory)
            matrix = windows.matrices(d[:, first:stop, ..., chosen])
            if not windows.direct(matrix):
                matrix = xp.ascontiguousarray(matrix).reshape(*matrix.shape[: windows.outer + 2], -1)
            factor = windows.of(lowered, 0, kernel[0], stop - first).swapaxes(-1, -2)
            parts.append((matrix @ factor).sum(tuple(range(1, windows.outer + 1))))
        return parts

    total = xp.zeros((groups, d.shape[2], math.prod(kernel) * channels), d.dtype)
    for part in itertools.chain.from_iterable(in_parallel(work, windows.blocks())):
        total += part
    w = total.reshape(-1, *kernel, channels)
    return w.transpose(0, w.ndim - 1, *range(1, w.ndim - 1))


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


# --------------------------------------------------------------------------------------------------- on raw arrays


def images(n, channels, size, dtype):
    """Memory for n images, in the order that suits their number."""
    if n < BATCH_LAST:
        return xp.empty((n, channels, *size), dtype)
    y = xp.empty((channels, *size, n), dtype)
    return y.transpose(y.ndim - 1, *range(y.ndim - 1))


def inside(x, groups):
    """(N, C, rows, *space) as (groups, rows, C / groups, *space, N)."""
    x = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return x.transpose(1, 3, 2, *range(4, x.ndim), 0)


def correlate(x, filters, bias, start, stride, dilation):
    """Fill the y of every filter (weights, first row, y) with its products with the windows of x.

    Weights are (groups, out, in, *kernel). The window of output o begins at pixel stride * o + start, along rows at
    stride * o + first row.
    """
    for w, _, y in filters:
        if not w.size:
            y[...] = 0 if bias is None else bias.reshape(-1, *(1,) * (y.ndim - 2))
    filters = [f for f in filters if f[0].size]
    if not filters:
        return
    groups = filters[0][0].shape[0]
    top = min(first for _, first, _ in filters)
    kernel = (max(first - top + w.shape[3] for w, first, _ in filters), *filters[0][0].shape[4:])
    rows = max(y.shape[2] for _, _, y in filters)
    windows = Windows(x, groups, kernel, (top, *start), stride, dilation, (rows, *filters[0][2].shape[3:]))
    layers = []
    for w, first, y in filters:
        matrix = w.transpose(0, 1, *range(3, w.ndim), 2).reshape(groups, *(1,) * windows.outer, w.shape[1], -1)
        layers.append((matrix, first - top, w.shape[3], inside(y, groups)))
    if bias is not None:
        bias = bias.reshape(groups, *(1,) * windows.outer, -1, *(1,) * (len(kernel) - windows.outer + 1))

    def work(blocks):
        memory = {}
        for block in blocks:
            chosen, first, stop = block
            lowered = windows.lower(block, memory)
            for weights, offset, height, y in layers:
                count = min(stop, y.shape[1]) - first
                if count > 0:
                    y = windows.matrices(y[:, first : first + count, ..., chosen])
                    factor = windows.of(lowered, offset, height, count)
                    if windows.direct(y):
                        xp.matmul(weights, factor, out=y)
                    else:
                        y[...] = xp.matmul(weights, factor).reshape(y.shape)
                    if bias is not None:
                        xp.add(y, bias, out=y)

    in_parallel(work, windows.blocks())


class Windows:
    """The windows of images x under a sliding kernel as matrices, for a block of images and output rows at a time.

    The columns of a matrix are either the images of the block, and there is a matrix for every pixel of the output, or,
    where images are few, the pixels of a row, and there is a matrix for every image and row.
    """

    def __init__(self, x, groups, kernel, start, stride, dilation, size):
        self.images, self.kernel, self.size = inside(x, groups), tuple(kernel), tuple(size)
        self.start, self.stride, self.dilation = tuple(start), tuple(stride), tuple(dilation)
        self.by_pixel = len(x) >= BATCH_LAST
        self.overlap = dilation[0] == 1 and stride[0] <= kernel[0]
        self.step = stride[0] if self.overlap else kernel[0]  # lowered rows from one window to the next
        self.outer = len(size) if self.by_pixel else 2  # dimensions over which there is a matrix each, but for groups

    def blocks(self):
        """(slice of images, first row, row after the last) of every block."""
        n, rows, found = self.images.shape[-1], self.size[0], []
        row = math.prod(self.kernel[1:]) * self.images.shape[0] * self.images.shape[2] * math.prod(self.size[1:])
        row *= min(n, IMAGES) * self.images.itemsize * self.step
        height = max(min(rows, BLOCK_BYTES // max(row, 1)), 1)
        for i in range(0, n, IMAGES):
            for first in range(0, rows, height):
                found.append((slice(i, min(i + IMAGES, n)), first, min(first + height, rows)))
        return found

    def matrices(self, x):
        """(groups, rows, channels, *size, images) with the dimensions of which there is a matrix each in front."""
        last = x.ndim - 1
        if self.by_pixel:
            return x.transpose(0, *range(3, last), 1, 2, last)
        return x.transpose(0, last, 1, 2, *range(3, last))

    def direct(self, y):
        """Whether matrices can be read and written where they are."""
        return y.strides[-1] == y.itemsize and y.ndim == self.outer + 3

    def lower(self, block, memory):
        """The pixels that each kernel position but those of rows meets: (groups, *outer but rows, rows, lines, columns)."""
        chosen, first, stop = block
        count = stop - first
        height, n, last = self.step * (count - 1) + self.kernel[0], chosen.stop - chosen.start, len(self.kernel) * 2
        x = self.images[..., chosen]
        groups, space, channels = x.shape[0], (x.shape[1], *x.shape[3:-1]), x.shape[2]
        lines, kernel, size = math.prod(self.kernel[1:]) * channels, self.kernel[1:], self.size[1:]
        if self.by_pixel:
            shape, matrix = (groups, *size, height, *kernel, channels, n), (groups, *size, height, lines, n)
            m = len(size)
            order = (0, m + 1, *range(m + 2, 2 * m + 3), *range(1, m + 1), 2 * m + 3)
        else:
            shape, matrix = (groups, n, height, *kernel, channels, *size), (groups, n, height, lines, math.prod(size))
            order = (0, *range(2, len(shape)), 1)
        wanted = math.prod(shape)
        flat = memory.get("lowered")
        if flat is None or flat.size < wanted:
            flat = memory["lowered"] = xp.empty(wanted, x.dtype)
        flat = flat[:wanted]
        lowered = flat.reshape(shape).transpose(order)
        if self.by_pixel and x.strides[-1] != x.itemsize:
            x = xp.ascontiguousarray(x)
        start = (self.start[0] + first * self.stride[0], *self.start[1:])
        copies, zeros = moves(space, self.kernel, start, self.stride, self.dilation, (count, *size), self.overlap)
        for place in zeros:
            lowered[place] = 0
        for place, source in copies:
            lowered[place] = x[source]
        return flat.reshape(matrix)

    def of(self, lowered, offset, height, count):
        """The windows of `count` rows of the output as matrices: `height` lowered rows each, the first at `offset`."""
        *outer, _, lines, columns = lowered.shape
        *strides, row, line, item = lowered.strides
        return strided(
            lowered, (*outer, count, height * lines, columns), (*strides, self.step * row, line, item), offset * row
        )


@functools.lru_cache(1024)
def moves(space, kernel, start, stride, dilation, size, overlap):
    """How images are lowered: [(place among the lowered, where in the images)] to copy, and the places of zeros.

    Places index (groups, rows, *kernel, channels, *size, images), sources (groups, rows, channels, *space, images).
    """
    every = slice(None)
    if overlap:  # each row once
        bands = [(1, 0, start[0], 1, stride[0] * (size[0] - 1) + kernel[0])]
    else:  # each row once for every window that it is in
        bands = [(kernel[0], k, start[0] + dilation[0] * k, stride[0], size[0]) for k in range(kernel[0])]
    copies, zeros = [], []
    for each, at, begin, step, count in bands:
        low, high = span(begin, step, count, space[0])
        zeros += [(every, slice(at + each * a, at + each * b, each)) for a, b in ((0, low), (high, count)) if a < b]
        if low == high:
            continue
        rows = slice(at + each * low, at + each * high, each)
        source_rows = slice(begin + step * low, begin + step * high, step)
        for position in itertools.product(*map(range, kernel[1:])):
            places, sources = [], []
            for k, begin_, step_, apart, count_, length in zip(position, start[1:], stride[1:], dilation[1:], size[1:], space[1:]):
                first = begin_ + apart * k
                a, b = span(first, step_, count_, length)
                before = (every,) * len(places)
                zeros += [
                    (every, rows, *position, every, *before, slice(*margin)) for margin in ((0, a), (b, count_)) if margin[0] < margin[1]
                ]
                places.append(slice(a, b))
                sources.append(slice(first + step_ * a, first + step_ * b, step_))
            if all(p.start < p.stop for p in places):
                copies.append(((every, rows, *position, every, *places), (every, source_rows, every, *sources)))
    return copies, zeros


def span(start, step, count, length):
    """The range of the o in range(count) for which start + step * o is in range(length)."""
    low = min(max(-(start // step), 0), count)
    return low, min(max(-((start - length) // step), low), count)


@functools.lru_cache(1024)
def phases(size, kernel, stride, padding, dilation):
    """Of the transpose along one dimension: (pixels, kernel positions, start, step) of the convolution in each phase."""
    found = []
    for first in range(min(stride, size)):
        taps = [k for k in reversed(range(kernel)) if (first + padding - dilation * k) % stride == 0]
        start = (first + padding - dilation * taps[0]) // stride if taps else 0
        found.append((slice(first, None, stride), taps, start, dilation // math.gcd(dilation, stride)))
    return found
