"""Images lowered: the windows of a sliding kernel as matrices that overlap in memory.

Of a block of images, for every row of pixels and every kernel position along the other dimensions, the pixels
which that position meets are copied to a line of a matrix. The window of an output is then a run of lines,
its rows of pixels one after the other. Outputs in neighbouring rows have rows of pixels in common, and so
have their runs. So the copy is only kernel / stride times as large as the images, of one
dimension and not of two.

By pixel, there is a matrix for each pixel of the output and its columns are images. Where images are few,
there is one for each row of each image and its columns are the pixels of that row.
"""

import functools
import itertools
import math
import threading
from typing import NamedTuple

from ..backend import on_gpu, strided, xp
from .layout import ENOUGH

BLOCK_BYTES = 1 << (28 if on_gpu else 22)  # about as much is lowered at a time, so that it stays in the cache
BLOCK_IMAGES = 64  # the least in a block, if there are several
EVERY = slice(None)


def inside(x, groups):
    """(N, C, rows, *space) as (groups, rows, C / groups, *space, N), the order of dimensions in this file."""
    x = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return x.transpose(1, 3, 2, *range(4, x.ndim), 0)


def span(start, step, count, length):
    """The o in range(count) for which start + step * o is in range(length), and these numbers: two slices."""
    low = min(max(-(start // step), 0), count)
    high = min(max(-((start - length) // step), low), count)
    return slice(low, high), slice(start + step * low, start + step * high, step)


class Scratch(threading.local):
    """Memory that each thread keeps for what it lowers."""

    memory = xp.empty(0, "uint8")

    def empty(self, shape, dtype):
        if on_gpu:
            return xp.empty(shape, dtype)
        size = math.prod(shape) * dtype.itemsize
        if self.memory.size < size:
            self.memory = xp.empty(size, "uint8")
        return self.memory[:size].view(dtype).reshape(shape)


scratch = Scratch()


class Block(NamedTuple):
    """Some images, some rows of the output, and how the pixels that these meet are lowered."""

    by_pixel: bool
    images: slice
    rows: slice
    shape: tuple  # of what is lowered, in the order of memory
    order: tuple  # to (groups, rows, *kernel, channels, *size, images), where rows count in neither tuple
    lines: int  # for each row of pixels
    step: int  # rows of pixels from one window to the next
    copies: list  # [(place among the lowered, source among the images)]
    zeros: list  # places of pixels outside of the images

    def lower(self, x):
        """Images from `inside` as (groups, *matrices, rows, lines, columns), until the thread's next call."""
        x = x[..., self.images]
        if self.by_pixel and x.strides[-1] != x.itemsize:
            x = xp.ascontiguousarray(x)
        lowered = scratch.empty(self.shape, x.dtype)
        parts = lowered.transpose(self.order)
        for place in self.zeros:
            parts[place] = 0
        for place, source in self.copies:
            parts[place] = x[source]
        rows = self.order[1]
        return lowered.reshape(*self.shape[: rows + 1], self.lines, -1)

    def windows(self, lowered, offset, height, count):
        """`count` windows of `height` rows, the first `offset` down: (groups, *matrices, count, lines, columns)."""
        *outer, _, lines, columns = lowered.shape
        *strides, row, line, item = lowered.strides
        shape = *outer, count, height * lines, columns
        return strided(lowered, shape, (*strides, self.step * row, line, item), offset * row)

    def matrices(self, y):
        """Outputs from `inside` in the order of `windows`: by pixel (groups, *size, rows, channels, images).

        Else (groups, images, rows, channels, *size). They can be used in place where `direct`.
        """
        y = y[:, self.rows, ..., self.images]
        last = y.ndim - 1
        if self.by_pixel:
            return y.transpose(0, *range(3, last), 1, 2, last)
        return y.transpose(0, last, 1, 2, *range(3, last))

    def direct(self, matrices):
        """Whether these are matrices as a product can read and write them."""
        return matrices.strides[-1] == matrices.itemsize and (self.by_pixel or matrices.ndim == 5)


@functools.lru_cache(512)
def blocks_of(shape, itemsize, groups, kernel, start, stride, dilation, size, threads):
    """The blocks for images of a shape (N, C, *space); output o meets the pixel stride * o + dilation * k + start."""
    n, channels, *space = shape
    channels, by_pixel, dims = channels // groups, n >= ENOUGH, len(size) - 1
    overlap = dilation[0] == 1 and stride[0] <= kernel[0]
    step = stride[0] if overlap else kernel[0]
    lines = math.prod(kernel[1:]) * channels
    everything = groups * step * lines * math.prod(size) * n * itemsize
    if not everything:
        return []
    parts = max(-(-everything // BLOCK_BYTES), threads if everything > BLOCK_BYTES // 16 else 1)
    portions = split(n, min(parts, n // BLOCK_IMAGES) if by_pixel else 1)
    blocks = []
    for images, rows in itertools.product(portions, split(size[0], -(-parts // len(portions)))):
        count, height = rows.stop - rows.start, step * (rows.stop - rows.start - 1) + kernel[0]
        if by_pixel:
            memory = groups, *size[1:], height, *kernel[1:], channels, images.stop - images.start
            order = 0, *range(dims + 1, 2 * dims + 3), *range(1, dims + 1), 2 * dims + 3
        else:
            memory = groups, images.stop - images.start, height, *kernel[1:], channels, *size[1:]
            order = 0, *range(2, 2 * dims + 4), 1
        begin = start[0] + rows.start * stride[0], *start[1:]
        copies, zeros = moves(space, kernel, begin, stride, dilation, (count, *size[1:]), overlap)
        blocks.append(Block(by_pixel, images, rows, memory, order, lines, step, copies, zeros))
    return blocks


def split(total, parts):
    """range(total) in slices of the same size, about as many as wanted."""
    size = -(-total // max(parts, 1))
    return [slice(i, min(i + size, total)) for i in range(0, total, size)]


def moves(space, kernel, start, stride, dilation, size, overlap):
    """How images are lowered: [(place, source)] to copy, and the places of zeros.

    Places index (groups, rows, *kernel, channels, *size), sources (groups, rows, channels, *space).
    """
    if overlap:  # each row of pixels once: row r of the lowered is pixel row r + start
        bands = [(0, 1, start[0], 1, stride[0] * (size[0] - 1) + kernel[0])]
    else:  # each row once for every window that has it: row k of every window
        bands = [(k, kernel[0], start[0] + dilation[0] * k, stride[0], size[0]) for k in range(kernel[0])]
    copies, zeros = [], []
    for at, apart, first, step, count in bands:
        inner, pixel_rows = span(first, step, count, space[0])
        parts = inner, *outside(inner, count)
        rows, *margins = (slice(at + apart * part.start, at + apart * part.stop, apart) for part in parts)
        zeros += [(EVERY, margin) for margin in margins]
        for position in itertools.product(*map(range, kernel[1:])):
            place, outputs, pixels = (EVERY, rows, *position, EVERY), (), ()
            options = (values[1:] for values in (start, stride, dilation, size, space))
            for k, begin, s, d, many, length in zip(position, *options):
                met, where = span(begin + d * k, s, many, length)
                zeros += [(*place, *[EVERY] * len(outputs), margin) for margin in outside(met, many)]
                outputs, pixels = (*outputs, met), (*pixels, where)
            copies.append(((*place, *outputs), (EVERY, pixel_rows, EVERY, *pixels)))
    return copies, zeros


def outside(part, count):
    """What of range(count) comes before a slice and after it, if anything."""
    margins = slice(0, part.start), slice(part.stop, count)
    return [margin for margin in margins if margin.start < margin.stop]
