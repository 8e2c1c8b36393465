"""Pooling: what windows that slide over images hold, taken together or taken apart."""

import functools
import itertools
import math
from typing import NamedTuple

from ..autograd import primitive
from ..backend import constant, xp
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
    y = xp.zeros_like(x, shape=(*x.shape[: -len(size)], *size))
    for number, outputs, pixels in meetings(x.shape[-len(size) :], window, size):
        y[outputs] += x[pixels] if winner is None else x[pixels] * (winner[outputs] == number)
    return y


@primitive
def spread(g, winner, window, size):
    """The transpose of `collect`: each number of g added to the pixels of its window, or to the winner's."""
    x = xp.zeros_like(g, shape=(*g.shape[: -len(size)], *size))
    for number, outputs, pixels in meetings(tuple(size), window, g.shape[-len(size) :]):
        x[pixels] += g[outputs] if winner is None else g[outputs] * (winner[outputs] == number)
    return x


def space_of(shape, window):
    return tuple(shape[-len(window.kernel) :])


collect.vjp(lambda g, winner, window, shape: spread(g, winner, window, space_of(shape, window)))
spread.vjp(lambda g, winner, window, shape: collect(g, winner, window, space_of(shape, window)))


def maxima(x, window, size, with_winner):
    """The largest number of each window of a raw array, and the number of its position: the winner, or None.

    Of equal numbers the first wins; NaN wins over every number.
    """
    shape = (*x.shape[: -len(size)], *size)
    lowest = -math.inf if x.dtype.kind == "f" else xp.iinfo(x.dtype).min
    y, winner = xp.full_like(x, lowest, shape=shape), None
    if with_winner:
        small = "uint8" if math.prod(window.kernel) <= 256 else "int32"
        winner = xp.empty_like(x, small, shape=shape)
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
