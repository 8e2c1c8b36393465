"""Images lowered: the windows of a sliding kernel as matrices that overlap in memory.

Of a block of images, for every row of pixels and every kernel position along the other dimensions, the pixels which
that position meets are copied to a line of a matrix. The window of an output is then a run of lines, its rows of
pixels one after the other. Outputs in neighbouring rows have rows of pixels in common, and so have their runs. So the
copy is only kernel / stride times as large as the images, of one dimension and not of two.

There is a matrix for every row of the output, and its columns are the pixels of that row in every image. Where images
are many, there is one for every pixel, and its columns are images; where they are few and therefore come first in
memory, there is one for every row of every image.
"""

import functools
import itertools
import math
import threading
from typing import NamedTuple

from ..backend import on_gpu, strided, xp
from .layout import ENOUGH

MANY = 128  # images for a matrix of their own for every pixel
BLOCK_BYTES = 1 << (28 if on_gpu else 22)  # about as much is lowered at a time, so that it stays in the cache
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

    images: slice
    rows: slice
    images_last: bool  # in memory
    outer: int  # of how many dimensions, other than groups and rows, there is a matrix for each index
    outputs: tuple  # takes (groups, rows, channels, *size, images) to (groups, *outer, rows, channels, *columns)
    shape: tuple  # of what is lowered, in the order of memory
    parts: tuple  # takes that to (groups, rows, *kernel, channels, *size, images), where rows are neither's part
    lines: int  # for each row of pixels
    step: int  # rows of pixels from one window to the next
    copies: list  # [(place among the parts, source among the images)]
    zeros: list  # places of pixels outside of the images

    def lower(self, x):
        """Images from `inside` as (groups, *outer, rows, lines, columns), until the thread's next call."""
        x = x[..., self.images]
        if self.images_last and x.strides[-1] != x.itemsize:
            x = xp.ascontiguousarray(x)
        lowered = scratch.empty(self.shape, x.dtype)
        parts = lowered.transpose(self.parts)
        for place in self.zeros:
            parts[place] = 0
        for place, source in self.copies:
            parts[place] = x[source]
        return lowered.reshape(*self.shape[: self.outer + 2], self.lines, -1)

    def windows(self, lowered, offset, height, count):
        """`count` windows of `height` rows, the first `offset` down: (groups, *outer, count, lines, columns)."""
        *outer, _, lines, columns = lowered.shape
        *strides, row, line, item = lowered.strides
        shape = *outer, count, height * lines, columns
        return strided(lowered, shape, (*strides, self.step * row, line, item), offset * row)

    def outputs_of(self, y):
        """The block's part of outputs from `inside`: (groups, *outer, rows, channels, *columns)."""
        return y[:, self.rows, ..., self.images].transpose(self.outputs)

    def matrices(self, outputs):
        """Outputs with one dimension of columns; None where these do not lie one after another in memory."""
        step, first = outputs.itemsize, self.outer + 3
        for size, stride in zip(reversed(outputs.shape[first:]), reversed(outputs.strides[first:])):
            if stride != step and size > 1:
                return None
            step *= size
        return outputs.reshape(*outputs.shape[:first], step // outputs.itemsize)


@functools.lru_cache(512)
def blocks_of(shape, itemsize, groups, kernel, start, stride, dilation, size):
    """The blocks for images of a shape (N, C, *space); output o meets the pixel stride * o + dilation * k + start."""
    n, channels, *space = shape
    channels, dims = channels // groups, len(size) - 1
    overlap = dilation[0] == 1 and stride[0] <= kernel[0]
    step = stride[0] if overlap else kernel[0]
    lines = math.prod(kernel[1:]) * channels
    everything = groups * step * lines * math.prod(size) * n * itemsize
    if not everything:
        return []
    count = -(-everything // BLOCK_BYTES)
    portions = split(n, min(count, n // (MANY // 2)) if n >= MANY else 1)
    last = [*range(dims + 1)]  # the dimensions (*size, images)
    outer = last[-1:] if n < ENOUGH else last[:-1] if n >= MANY else []
    columns = [dim for dim in last if dim not in outer]
    outputs = 0, *(3 + dim for dim in outer), 1, 2, *(3 + dim for dim in columns)
    memory = 0, *(dims + 3 + dim for dim in outer), *range(1, dims + 3), *(dims + 3 + dim for dim in columns)
    parts = tuple(sorted(range(len(memory)), key=memory.__getitem__))
    blocks = []
    for images, rows in itertools.product(portions, split(size[0], -(-count // len(portions)))):
        part, begin = (rows.stop - rows.start, *size[1:]), (start[0] + rows.start * stride[0], *start[1:])
        height = step * (part[0] - 1) + kernel[0]
        sizes = groups, height, *kernel[1:], channels, *size[1:], images.stop - images.start
        copies, zeros = moves(space, kernel, begin, stride, dilation, part, overlap)
        shape = tuple(sizes[dim] for dim in memory)
        blocks.append(Block(images, rows, n >= ENOUGH, len(outer), outputs, shape, parts, lines, step, copies, zeros))
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
