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
from ..backend import on_gpu, xp
from .layout import images
from .lowering import blocks_of, inside
from .reduce import sum_


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
    y = images(len(x), len(w), size, x.dtype)
    first, *start = geometry.start
    correlate(x, [(grouped(w, geometry.groups), first, y)], b, start, geometry.stride, geometry.dilation)
    return y


@primitive
def conv_transpose_(x, w, b, geometry, size):
    """x (N, out, *space), w (out, C / groups, *kernel), b (C) or None -> (N, C, *size); conv_ takes it back.

    For the pixels of one phase, every stride-th, this is a convolution with some of the kernel positions.
    """
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
    groups = geometry.groups
    blocks = lowered(x, groups, kernel, geometry.start, geometry.stride, geometry.dilation, d.shape[2:])
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


# ---------------------------------------------------------------------------------------------- on raw arrays


def grouped(w, groups):
    """(out, C / groups, *kernel) as (groups, out / groups, C / groups, *kernel)."""
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def in_threads(work, blocks):
    """The results of `work` on shares of the blocks, at the same time where a CPU computes."""
    return [work(blocks)] if on_gpu else cpu.in_parallel(work, blocks)


def lowered(x, groups, kernel, start, stride, dilation, size):
    """The blocks in which images are lowered."""
    threads = 1 if on_gpu else cpu.threads
    return blocks_of(x.shape, x.itemsize, groups, kernel, start, stride, dilation, size, threads)


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
    blocks = lowered(x, groups, (height, *kernel), (top, *start), stride, dilation, size)
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
