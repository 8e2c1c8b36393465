"""Convolution over two or more spatial dimensions, as products of weights with lowered images.

The sum of g * conv(x, w) is linear in the images x, in the weights w and in the output gradient g. The three primitives
are its derivatives: the convolution, its transpose (the gradient of the images) and the gradient of the weights. Each
is differentiated by the other two, as often as one likes.

To everybody else images are (N, C, *space). Inside they are (groups, rows, channels, *space, N), and results of many
images have the images last in memory too: whatever is copied is then copied in runs of many numbers, and there is a
matrix for every pixel, whose columns are images. The images are lowered a block at a time: for every row of pixels and
every kernel position along the other dimensions, the pixels that this position meets become a line of a matrix. The
window of an output is a run of such lines, and the windows of rows that are neighbours overlap in memory, so that the
copy is only kernel / stride of one dimension times as large as the images.
"""

import functools
import itertools
import math
import threading
from typing import NamedTuple

from .. import cpu
from ..autograd import primitive
from ..backend import on_gpu, strided, xp
from .layout import ENOUGH, images
from .reduce import sum_

BLOCK_IMAGES = 64  # the least of them in a block, where there are more blocks than one
BLOCK_BYTES = 1 << (28 if on_gpu else 22)  # about as much is lowered at a time, so that it stays in the cache


class Geometry(NamedTuple):
    """How a kernel slides: at kernel position k, output o meets the pixel stride * o + dilation * k - padding.

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


# ------------------------------------------------------------------------------------------------- the primitives


@primitive
def conv_(x, w, b, geometry, size):
    """x (N, C, *space), w (out, C / groups, *kernel), b (out) or None -> (N, out, *size)."""
    stride, _, dilation, groups = geometry
    y = images(len(x), len(w), size, x.dtype)
    correlate(x, [(grouped(w, groups), geometry.start[0], y)], b, geometry.start[1:], stride, dilation)
    return y


@primitive
def conv_transpose_(x, w, b, geometry, size):
    """x (N, out, *space), w (out, C / groups, *kernel), b (C) or None -> (N, C, *size), where conv_ takes size to space.

    For the pixels of one phase, every stride-th, this is a convolution with some of the kernel positions.
    """
    weights = grouped(w, geometry.groups).swapaxes(1, 2)
    y = images(len(x), w.shape[1] * geometry.groups, size, x.dtype)
    rows, *others = itertools.starmap(phases, zip(size, w.shape[2:], *geometry[:3]))
    for other in itertools.product(*others):
        filters = []
        for row in rows:
            pixels, positions, start, step = zip(row, *other)
            filters.append((weights[(..., *positions)], start[0], y[(..., *pixels)]))
        together = [filters] if step[0] == 1 else [[one] for one in filters]  # they can share what is lowered
        for several in together:
            correlate(x, several, b, start[1:], (1,) * len(size), step)
    return y


@primitive
def conv_weight_(d, x, kernel, geometry):
    """d (N, out, *size), x (N, C, *space) -> (out, C / groups, *kernel): the gradient of w where d is that of conv_."""
    stride, _, dilation, groups = geometry
    blocks = blocks_of(
        x.shape, x.itemsize, groups, kernel, geometry.start, stride, dilation, d.shape[2:], cpu.threads
    )
    x, d = inside(x, groups), inside(d, groups)

    def work(blocks):
        parts = []
        for block in blocks:
            windows = block.windows(block.lower(x), 0, kernel[0], block.count)
            matrices = block.matrices(d)
            if not block.direct(matrices):
                matrices = xp.ascontiguousarray(matrices).reshape(*windows.shape[:-2], d.shape[2], -1)
            parts.append((matrices @ windows.swapaxes(-1, -2)).sum(tuple(range(1, windows.ndim - 2))))
        return parts

    w = xp.zeros((groups, d.shape[2], math.prod(kernel) * x.shape[2]), d.dtype)
    for part in itertools.chain.from_iterable(cpu.in_parallel(work, blocks)):
        w += part
    w = w.reshape(groups * d.shape[2], *kernel, x.shape[2])
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


# -------------------------------------------------------------------------------------------------- on raw arrays


def inside(x, groups):
    """(N, C, rows, *space) as (groups, rows, C / groups, *space, N)."""
    x = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return x.transpose(1, 3, 2, *range(4, x.ndim), 0)


def grouped(w, groups):
    """(out, C / groups, *kernel) as (groups, out / groups, C / groups, *kernel)."""
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def correlate(x, filters, bias, start, stride, dilation):
    """Fill the y of every filter (weights, first row, y) with the products of its weights and the windows of x.

    Weights are (groups, out, in, *kernel). The window of output o begins at pixel stride * o + start, along rows at
    stride * o + first row.
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
    size = (max(y.shape[2] for _, _, y in filters), *filters[0][2].shape[3:])
    blocks = blocks_of(
        x.shape, x.itemsize, groups, (height, *kernel), (top, *start), stride, dilation, size, cpu.threads
    )
    x, layers = inside(x, groups), []
    for w, first, y in filters:
        matrix = w.transpose(0, 1, *range(3, w.ndim), 2).reshape(groups, w.shape[1], -1)
        layers.append((matrix, first - top, w.shape[3], inside(y, groups)))

    def work(blocks):
        for block in blocks:
            lowered = block.lower(x)
            for w, offset, height, y in layers:
                y = block.matrices(y)
                if y.size:
                    windows = block.windows(lowered, offset, height, y.shape[-3 if block.by_pixel else 2])
                    w = w.reshape(groups, *(1,) * (windows.ndim - 3), *w.shape[1:])
                    if block.direct(y):
                        xp.matmul(w, windows, out=y)
                    else:
                        y[...] = xp.matmul(w, windows).reshape(y.shape)
                    if bias is not None:
                        xp.add(y, bias.reshape(*w.shape[:-1], *(1,) * (y.ndim - w.ndim + 1)), out=y)

    cpu.in_parallel(work, blocks)


class Scratch(threading.local):
    """Memory that every thread keeps for what it lowers."""

    memory = xp.empty(0, "uint8")

    def empty(self, shape, dtype):
        size = math.prod(shape) * dtype.itemsize
        if self.memory.size < size:
            self.memory = xp.empty(size, "uint8")
        return self.memory[:size].view(dtype).reshape(shape)


scratch = Scratch()


class Block(NamedTuple):
    """Some images and rows of the output, and how to lower what the kernel meets there.

    By pixel, there is a matrix for each pixel of the output and its columns are images; else, where images are few,
    there is one for each row of each image and its columns are the pixels of that row.
    """

    by_pixel: bool
    images: slice
    rows: slice  # of the output
    shape: tuple  # what is lowered, as it lies in memory
    order: tuple  # its dimensions as (groups, rows, *kernel, channels, *size, images), without rows in kernel and size
    lines: int  # lowered for each row: kernel positions times channels
    step: int  # rows from one window to the next
    copies: list  # [(place among the lowered, where it comes from)]
    zeros: list  # places

    count = property(lambda self: self.rows.stop - self.rows.start)

    def lower(self, x):
        """What is lowered of images from `inside`, as (groups, *matrices, rows, lines, columns)."""
        x = x[..., self.images]
        if self.by_pixel and x.strides[-1] != x.itemsize:
            x = xp.ascontiguousarray(x)
        lowered = scratch.empty(self.shape, x.dtype)
        parts = lowered.transpose(self.order)
        for place in self.zeros:
            parts[place] = 0
        for place, source in self.copies:
            parts[place] = x[source]
        before = self.order[1]
        return lowered.reshape(*self.shape[: before + 1], self.lines, -1)

    def windows(self, lowered, offset, height, count):
        """The windows of `count` rows as matrices: `height` rows each, the first at `offset`."""
        *outer, _, lines, columns = lowered.shape
        *strides, row, line, item = lowered.strides
        shape = *outer, count, height * lines, columns
        return strided(lowered, shape, (*strides, self.step * row, line, item), offset * row)

    def matrices(self, y):
        """This block of outputs from `inside` as matrices: (groups, *size, rows, channels, images) by pixel.

        Else (groups, images, rows, channels, *size), where size is one dimension or more.
        """
        y = y[:, self.rows, ..., self.images]
        last = y.ndim - 1
        if self.by_pixel:
            return y.transpose(0, *range(3, last), 1, 2, last)
        return y.transpose(0, last, 1, 2, *range(3, last))

    def direct(self, y):
        """Whether matrices can be read and written where they are."""
        return y.strides[-1] == y.itemsize and (self.by_pixel or y.ndim == 5)


@functools.lru_cache(512)
def blocks_of(shape, itemsize, groups, kernel, start, stride, dilation, size, threads):
    """The blocks of a convolution of images of this shape."""
    n, channels, *space = shape
    channels, by_pixel = channels // groups, n >= ENOUGH
    overlap = dilation[0] == 1 and stride[0] <= kernel[0]
    step = stride[0] if overlap else kernel[0]
    lines = math.prod(kernel[1:]) * channels
    everything = groups * step * lines * math.prod(size) * n * itemsize
    if not everything:
        return []
    parts = max(-(-everything // BLOCK_BYTES), threads if everything > BLOCK_BYTES // 16 else 1)
    portions = split(n, min(parts, n // BLOCK_IMAGES) if by_pixel else 1)
    blocks = []
    for chosen in portions:
        for rows in split(size[0], -(-parts // len(portions))):
            count, images = rows.stop - rows.start, chosen.stop - chosen.start
            height, m = step * (count - 1) + kernel[0], len(size) - 1
            if by_pixel:
                memory = (groups, *size[1:], height, *kernel[1:], channels, images)
                order = (0, m + 1, *range(m + 2, 2 * m + 3), *range(1, m + 1), 2 * m + 3)
            else:
                memory = (groups, images, height, *kernel[1:], channels, *size[1:])
                order = (0, *range(2, 2 * m + 4), 1)
            top = start[0] + rows.start * stride[0]
            copies, zeros = moves(
                tuple(space), kernel, (top, *start[1:]), stride, dilation, (count, *size[1:]), overlap
            )
            blocks.append(Block(by_pixel, chosen, rows, memory, order, lines, step, copies, zeros))
    return blocks


def split(total, parts):
    """About as many slices of range(total) of the same size."""
    size = -(-total // max(parts, 1)) or 1
    return [slice(i, min(i + size, total)) for i in range(0, total, size)]


def moves(space, kernel, start, stride, dilation, size, overlap):
    """How images are lowered: [(place among the lowered, where in the images)] to copy, and the places of zeros.

    Places index (groups, rows, *kernel, channels, *size, images), sources (groups, rows, channels, *space, images).
    """
    every = slice(None)
    if overlap:  # each row once
        bands = [(0, 1, start[0], 1, stride[0] * (size[0] - 1) + kernel[0])]
    else:  # each row for every window that it is in
        bands = [(k, kernel[0], start[0] + dilation[0] * k, stride[0], size[0]) for k in range(kernel[0])]
    copies, zeros = [], []
    for at, apart, first, step, count in bands:
        low, high = span(first, step, count, space[0])
        rows = slice(at + apart * low, at + apart * high, apart)
        source_rows = slice(first + step * low, first + step * high, step)
        zeros += [
            (every, slice(at + apart * a, at + apart * b, apart))
            for a, b in ((0, low), (high, count))
            if a < b
        ]
        for position in itertools.product(*map(range, kernel[1:])) if low < high else ():
            places, sources = [], []
            for k, begin, s, d, outputs, pixels in zip(
                position, start[1:], stride[1:], dilation[1:], size[1:], space[1:]
            ):
                a, b = span(begin + d * k, s, outputs, pixels)
                margins = [
                    (every, rows, *position, every, *[every] * len(places), slice(*m))
                    for m in ((0, a), (b, outputs))
                ]
                zeros += [m for m in margins if m[-1].start < m[-1].stop]
                places.append(slice(a, b))
                sources.append(slice(begin + d * k + s * a, begin + d * k + s * b, s))
            if all(p.start < p.stop for p in places):
                copies.append(
                    ((every, rows, *position, every, *places), (every, source_rows, every, *sources))
                )
    return copies, zeros


def span(start, step, count, length):
    """The range of the o in range(count) for which start + step * o is in range(length)."""
    low = min(max(-(start // step), 0), count)
    return low, min(max(-((start - length) // step), low), count)


@functools.lru_cache(512)
def phases(size, kernel, stride, padding, dilation):
    """The phases of the transpose along one dimension: (pixels, kernel positions, start and step of their convolution)."""
    found, apart = [], stride // math.gcd(dilation, stride)
    for first in range(min(stride, size)):
        positions = [k for k in reversed(range(kernel)) if (first + padding - dilation * k) % stride == 0]
        start = (first + padding - dilation * positions[0]) // stride if positions else 0
        taken = slice(positions[0], None, -apart) if positions else slice(0, 0)
        found.append((slice(first, None, stride), taken, start, dilation // math.gcd(dilation, stride)))
    return found
