"""Pooling: what windows that slide over images hold, taken together or taken apart."""

import functools
import itertools
import math
from typing import NamedTuple

from ..autograd import primitive
from ..backend import constant, select, xp
from ..kernels import Kernel, fusible, launch
from .layout import images
from .lowering import span


class Window(NamedTuple):
    """A window that slides: at position k, output o meets the pixel stride * o + dilation * k - padding.

    Each is a tuple with a number for every spatial dimension. Pixels outside of the image do not count.
    """

    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple


def sliding(space, kernel, stride, padding, dilation, ceil_mode=False):
    """How many places a kernel has along each dimension.

    With `ceil_mode` the last one may reach beyond the image, but begins in it or in the padding before it.
    """
    sizes = []
    for n, k, s, p, d in zip(space, kernel, stride, padding, dilation):
        free = n + 2 * p - d * (k - 1) - 1
        size = (-(-free // s) if ceil_mode else free // s) + 1
        sizes.append(size - (ceil_mode and (size - 1) * s >= n + p))
    return tuple(sizes)


@functools.lru_cache(256)
def meetings(space, window, size):
    """For each window position: (its number, the outputs for which it is in the image, the pixels that these meet)."""
    found = []
    for number, position in enumerate(itertools.product(*map(range, window.kernel))):
        dims = zip(position, space, *window[1:], size)
        outputs, pixels = zip(*(span(d * k - p, s, count, n) for k, n, s, p, d, count in dims))
        if all(o.start < o.stop for o in outputs):
            found.append((number, (..., *outputs), (..., *pixels)))
    return found


@functools.lru_cache(256)
def first_inside(window, size):
    """The number of the first position of each window that lies inside of the image."""
    first = xp.zeros(size, "int64")
    for dim, (k, s, p, d, count) in enumerate(zip(*window, size)):
        position = xp.maximum(-((s * xp.arange(count) - p) // d), 0)
        first = first * k + position.reshape(-1, *(1,) * (len(size) - dim - 1))
    return first


# ------------------------------------------------------------------------------------------- sums and choices


@primitive
def collect(x, winner, window, size):
    """The sum of each window of x, or of the one pixel in it whose position's number is `winner`."""
    if poolable(x, size):
        return launch(collect_kernel, x, winner, window, size)
    y = xp.zeros_like(x, shape=(*x.shape[: -len(size)], *size))
    for number, outputs, pixels in meetings(x.shape[-len(size) :], window, size):
        y[outputs] += x[pixels] if winner is None else select(winner[outputs] == number, x[pixels], 0)
    return y


@primitive
def spread(g, winner, window, size):
    """The transpose of `collect`: each number of g added to the pixels of its window, or to the winner's."""
    if poolable(g, size):
        return launch(spread_kernel, g, winner, window, size)
    x = xp.zeros_like(g, shape=(*g.shape[: -len(size)], *size))
    for number, outputs, pixels in meetings(tuple(size), window, g.shape[-len(size) :]):
        x[pixels] += g[outputs] if winner is None else select(winner[outputs] == number, g[outputs], 0)
    return x


def space_of(shape, window):
    return tuple(shape[-len(window.kernel) :])


collect.vjp(lambda g, winner, window, shape: spread(g, winner, window, space_of(shape, window)))
spread.vjp(lambda g, winner, window, shape: collect(g, winner, window, space_of(shape, window)))


def winner_dtype(window):
    """What holds the number of any position of a window."""
    return "uint8" if math.prod(window.kernel) <= 256 else "int32"


def maxima(x, window, size, with_winner):
    """The largest number of each window of a raw array, and the number of its position: the winner, or None.

    Of equal numbers the first wins; NaN wins over every number.
    """
    if poolable(x, size):
        return launch(maxima_kernel, x, window, size, with_winner)
    shape = (*x.shape[: -len(size)], *size)
    lowest = -math.inf if x.dtype.kind == "f" else xp.iinfo(x.dtype).min
    y, winner = xp.full_like(x, lowest, shape=shape), None
    if with_winner:
        winner = xp.empty_like(x, winner_dtype(window), shape=shape)
        winner[...] = first_inside(window, size)
    for number, outputs, pixels in meetings(x.shape[-len(size) :], window, size):
        pixel, best = x[pixels], y[outputs]
        if with_winner:
            wins = (pixel > best) | (pixel != pixel)
            leader = winner[outputs]
            xp.maximum(leader, xp.multiply(wins, number, dtype=leader.dtype), out=leader)  # numbers only rise
        xp.maximum(best, pixel, out=best)
    return y, winner


@primitive
def chosen(x, found, winner, window):
    """The pixels `found` of x that won their windows, as `maxima` found them."""
    return found


chosen.vjp(lambda g, winner, window, shape: spread(g, winner, window, space_of(shape, window)))


def places(winner, window, size, space):
    """Where the winners lie: the index of the pixel in the flattened image, int64."""
    index, stride = 0, 1
    rest = winner.astype("int64")
    for dim in reversed(range(len(size))):
        k, s, p, d = (values[dim] for values in window)
        o = xp.arange(size[dim]).reshape(-1, *(1,) * (len(size) - dim - 1))
        index = index + (s * o + d * (rest % k) - p) * stride
        rest, stride = rest // k, stride * space[dim]
    return index


# ------------------------------------------------------------------------------- on a GPU, of two dimensions


def poolable(x, size):
    """Whether kernels pool windows of x."""
    return fusible(x) and len(size) == 2 and 0 not in size


WINDOW = """int n, int rows, int columns, int kernel_rows, int kernel_columns, int step_rows, int step_columns,
    int before_rows, int before_columns, int apart_rows, int apart_columns, int size_rows, int size_columns"""
# a thread for each window, which begins at (row, column) of its image
EACH_WINDOW = """
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n * size_rows * size_columns) return;
    int row = t / size_columns % size_rows * step_rows - before_rows;
    int column = t % size_columns * step_columns - before_columns;
    x += t / (size_rows * size_columns) * rows * columns;
"""
MAXIMA = Kernel("maxima", r"""
extern "C" __global__ void maxima(const T *x, WINDOW, T lowest, T *y, W *winner)
{
EACH_WINDOW
    int i = row < 0 ? (apart_rows - 1 - row) / apart_rows : 0;  // of the first position inside
    int first = column < 0 ? (apart_columns - 1 - column) / apart_columns : 0, found = i * kernel_columns + first;
    T best = lowest;
    for (; i < kernel_rows && row + i * apart_rows < rows; i++)
        for (int j = first; j < kernel_columns && column + j * apart_columns < columns; j++) {
            T value = x[(row + i * apart_rows) * columns + column + j * apart_columns];
            if (value > best || value != value) {
                best = value;
                found = i * kernel_columns + j;
            }
        }
    y[t] = best;
    if (winner) winner[t] = found;
}
""".replace("EACH_WINDOW", EACH_WINDOW).replace("WINDOW", WINDOW))  # fmt: skip
COLLECT = Kernel("collect", r"""
extern "C" __global__ void collect(const T *x, const W *winner, WINDOW, T *y)
{
EACH_WINDOW
    T sum = 0;
    for (int i = 0; i < kernel_rows; i++)
        for (int j = 0; j < kernel_columns; j++) {
            int r = row + i * apart_rows, c = column + j * apart_columns;
            if (r < 0 || r >= rows || c < 0 || c >= columns) continue;
            if (!winner || winner[t] == i * kernel_columns + j) sum += x[r * columns + c];
        }
    y[t] = sum;
}
""".replace("EACH_WINDOW", EACH_WINDOW).replace("WINDOW", WINDOW))  # fmt: skip
# a thread for each pixel, which adds up in order what its place in each window has
SPREAD = Kernel("spread", r"""
extern "C" __global__ void spread(const T *g, const W *winner, WINDOW, T *x)
{
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n * rows * columns) return;
    int row = t / columns % rows + before_rows, column = t % columns + before_columns;
    int image = t / (rows * columns) * size_rows * size_columns;
    T sum = 0;
    for (int i = 0; i < kernel_rows; i++) {
        int r = row - i * apart_rows, down = r / step_rows;
        if (r < 0 || r != down * step_rows || down >= size_rows) continue;
        for (int j = 0; j < kernel_columns; j++) {
            int c = column - j * apart_columns, across = c / step_columns;
            if (c < 0 || c != across * step_columns || across >= size_columns) continue;
            int output = image + down * size_columns + across;
            if (!winner || winner[output] == i * kernel_columns + j) sum += g[output];
        }
    }
    x[t] = sum;
}
""".replace("WINDOW", WINDOW))  # fmt: skip


@functools.lru_cache(256)
def numbers(images, window, size):
    """What kernels are told of images of a shape, and of the windows at `size` places in them."""
    values = math.prod(images[:-2]), *images[-2:], *itertools.chain(*window), *size
    return [constant(value, xp.dtype("int32")) for value in values]


def maxima_kernel(x, window, size, with_winner):
    """`maxima` in one launch."""
    small = winner_dtype(window)
    y = xp.empty((*x.shape[:-2], *size), x.dtype)
    winner = xp.empty(y.shape, small) if with_winner else 0
    args = xp.ascontiguousarray(x), *numbers(x.shape, window, tuple(size)), constant(-math.inf, x.dtype), y, winner
    MAXIMA.each(y.size, args, T=x.dtype, W=small)
    return y, winner if with_winner else None


def collect_kernel(x, winner, window, size):
    """`collect` in one launch."""
    y = xp.empty((*x.shape[:-2], *size), x.dtype)
    args = xp.ascontiguousarray(x), 0 if winner is None else winner, *numbers(x.shape, window, tuple(size)), y
    COLLECT.each(y.size, args, T=x.dtype, W=winner_dtype(window))
    return y


def spread_kernel(g, winner, window, size):
    """`spread` in one launch."""
    x = xp.empty((*g.shape[:-2], *size), g.dtype)
    args = xp.ascontiguousarray(g), 0 if winner is None else winner, *numbers(x.shape, window, g.shape[-2:]), x
    SPREAD.each(x.size, args, T=g.dtype, W=winner_dtype(window))
    return x


# ----------------------------------------------------------------------------------------- means of the whole


@primitive
def overall_mean(x, dims):
    """The mean of each channel of each image, over its last `dims` dimensions, which stay with size 1."""
    return x.mean(tuple(range(-dims, 0)), keepdims=True)


@primitive
def even(g, size):
    """Each number of g (..., 1, 1) in equal shares to the pixels of an image of `size`."""
    shape = g.shape[: -len(size)]
    x = images(shape[0], shape[1], size, g.dtype) if len(shape) == 2 else xp.empty((*shape, *size), g.dtype)
    x[...] = g * constant(1 / math.prod(size), g.dtype)
    return x


overall_mean.vjp(lambda g, dims, shape: even(g, tuple(shape[-dims:])))
even.vjp(lambda g, size: overall_mean(g, len(size)))


# ----------------------------------------------------------------------------------------- patches as columns


@primitive
def unfold_(x, window, size):
    """x (N, C, *space) -> (N, C, *kernel, *size): what each position of the window meets."""
    y = xp.zeros((*x.shape[:2], math.prod(window.kernel), *size), x.dtype)
    for number, outputs, pixels in meetings(x.shape[2:], window, size):
        y[:, :, number][outputs] = x[pixels]
    return y.reshape(*x.shape[:2], *window.kernel, *size)


@primitive
def fold_(x, window, size):
    """The transpose of `unfold_`: x (N, C, *kernel, *places) -> (N, C, *size)."""
    y = xp.zeros((*x.shape[:2], *size), x.dtype)
    x = x.reshape(*x.shape[:2], math.prod(window.kernel), *x.shape[2 + len(size) :])
    for number, outputs, pixels in meetings(tuple(size), window, x.shape[3:]):
        y[pixels] += x[:, :, number][outputs]
    return y


unfold_.vjp(lambda g, window, shape: fold_(g, window, tuple(shape[2:])))
fold_.vjp(lambda g, window, size, shape: unfold_(g, window, tuple(shape[2 + len(size) :])))
