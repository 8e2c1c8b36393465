"""Pooling: the largest or the mean of each window of an image, or of each of a number of even parts."""

import itertools
import math

from ...autograd import mode, wrap
from ...backend import asarray, xp
from ...ops.index import along as index_along
from ...ops.index import gather_
from ...ops.operands import as_dtype, beyond_halves
from ...ops.pool import Window, chosen, collect, maxima, overall_mean, places, sliding
from ...ops.resample import along, averaging
from ...ops.shape import integer, reshape_
from .conv import several


def check_input(operation, input, dims, kinds):
    shape = input.array.shape
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1 :]:
        raise RuntimeError(
            f"{operation}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch "
            f"size for input, but got: {list(shape)}"
        )
    if input.array.dtype.kind not in kinds:
        raise NotImplementedError(f'"{operation}" not implemented for {input.array.dtype}')


def window_of(operation, dims, kernel_size, stride, padding, dilation):
    """The checked options of a pooling operation; the stride is the kernel's size where it is not given."""
    if stride is None or not isinstance(stride, int) and len(stride) == 0:
        stride = kernel_size
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    kernel, stride, padding, dilation = (several(value, dims, name) for name, value in given.items())
    for name, values in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(values) <= 0:
            raise RuntimeError(f"{operation}: {name} must be greater than zero, but got {name}={values}")
    if min(padding) < 0:
        raise RuntimeError(f"{operation}: pad must be non-negative, but got pad: {min(padding)}")
    for k, p in zip(kernel, padding):
        if p > k // 2:
            raise RuntimeError(
                f"{operation}: pad should be at most half of kernel size, but got pad={p} and kernel_size={k}"
            )
    return Window(kernel, stride, padding, dilation)


def places_of(operation, shape, window, ceil_mode):
    """How many places the window has along each dimension, at least one."""
    dims = len(window.kernel)
    size = sliding(shape[-dims:], *window, ceil_mode)
    if min(size) < 1:
        given, result = ("x".join(map(str, sizes)) for sizes in (shape[-dims - 1 :], (shape[-dims - 1], *size)))
        raise RuntimeError(
            f"{operation}: Given input size: ({given}). Calculated output size: ({result}). Output size is too "
            "small"
        )
    return size


# ------------------------------------------------------------------------------------------------ the largest


def max_pool(operation, dims, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    check_input(operation, input, dims, "fiu")
    window = window_of(operation, dims, kernel_size, stride, padding, dilation)
    x = input.array
    size = places_of(operation, x.shape, window, ceil_mode)
    recorded = mode.enabled and input.current_node() is not None
    y, winner = maxima(x, window, size, recorded or return_indices)
    output = chosen(input, y, winner, window)
    return (output, wrap(places(winner, window, size, x.shape[-dims:]))) if return_indices else output


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest of each window: (N, C, L) or (C, L) -> (N, C, L'); see `max_pool2d`."""
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest of each window: (N, C, H, W) or (C, H, W) -> (N, C, H', W').

    Windows are `stride` apart, by default as far as they are wide; `padding` counts as minus infinity. With
    `ceil_mode`, the last window may reach beyond the image. `return_indices` adds where each was found: int64
    indices into the flattened (H, W).
    """
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# --------------------------------------------------------------------------------------------------- the mean


def divisors(space, window, size, count_include_pad):
    """How many elements each window counts, along each dimension."""
    counts = []
    for n, k, s, p, count in zip(space, *window[:3], size):
        starts = [s * o - p for o in range(count)]
        stops = [min(start + k, n + p) for start in starts]
        if count_include_pad:
            counts.append([stop - start for start, stop in zip(starts, stops)])
        else:
            counts.append([min(stop, n) - max(start, 0) for start, stop in zip(starts, stops)])
    return counts


def avg_pool(
    operation, dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    check_input(operation, input, dims, "f")
    window = window_of(operation, dims, kernel_size, stride, padding, 1)
    if divisor_override == 0:
        raise RuntimeError(f"{operation}: divisor must be not zero")
    x = input.array
    size = places_of(operation, x.shape, window, ceil_mode)
    (y,) = beyond_halves(input)
    sums = collect(y, None, window, size)
    if divisor_override is not None:
        return as_dtype(sums / divisor_override, x.dtype)
    counts = divisors(x.shape[-dims:], window, size, count_include_pad)
    if all(len(set(along_dim)) == 1 for along_dim in counts):
        return as_dtype(sums / math.prod(along_dim[0] for along_dim in counts), x.dtype)
    divisor = asarray(1, sums.dtype)
    for along_dim in counts:
        divisor = divisor[..., None] * asarray(along_dim, sums.dtype)
    return as_dtype(sums / wrap(divisor), x.dtype)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window: (N, C, L) or (C, L) -> (N, C, L'); see `avg_pool2d`."""
    return avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of each window: (N, C, H, W) or (C, H, W) -> (N, C, H', W').

    Windows are `stride` apart, by default as far as they are wide. The zeros of the `padding` are counted
    unless `count_include_pad` is False; `divisor_override` divides every sum by itself instead. With
    `ceil_mode`, the last window may reach beyond the image.
    """
    return avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ------------------------------------------------------------------------------------------------- even parts


def adaptive_size(operation, dims, input, output_size, none_allowed):
    """The number of parts along each dimension; None keeps that of the input."""
    shape = input.array.shape
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{operation}(): Expected {dims + 1}D or {dims + 2}D tensor, but got {list(shape)}")
    sizes = (output_size,) * dims if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(sizes) == 1:
        sizes *= dims
    if len(sizes) != dims:
        raise RuntimeError(f"{operation}: output_size must be {dims}, but got output_size={output_size}")
    if None in sizes and not none_allowed:
        raise TypeError(f"{operation}(): argument 'output_size' must be tuple of ints, not NoneType")
    for i, n in enumerate(shape[-dims - 1 :], len(shape) - dims - 1):
        if n == 0:
            raise RuntimeError(
                f"{operation}(): Expected input to have non-zero size for non-batch dimensions, but input has "
                f"sizes {list(shape)} with dimension {i} being empty"
            )
    sizes = tuple(n if m is None else integer(m, operation) for n, m in zip(shape[-dims:], sizes))
    if min(sizes) < 0:
        raise RuntimeError(
            f"{operation}: elements of output_size must be greater than or equal to 0 but received "
            f"{list(sizes)}"
        )
    try:  # before anything long is begun
        xp.empty((*shape[:-dims], *sizes), input.array.dtype)
    except (MemoryError, OverflowError, ValueError) as error:
        raise RuntimeError(f"{operation}: not enough memory for an output_size of {list(sizes)}") from error
    return sizes


def even_window(space, size):
    """The window that cuts the image into as many parts as wanted, or None where the parts overlap."""
    if 0 in size or any(n % m for n, m in zip(space, size)):
        return None
    kernel = tuple(n // m for n, m in zip(space, size))
    return Window(kernel, kernel, (0,) * len(size), (1,) * len(size))


def adaptive_avg_pool(operation, dims, input, output_size, none_allowed):
    size, x = adaptive_size(operation, dims, input, output_size, none_allowed), input.array
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"{operation}" not implemented for {x.dtype}')
    if size == (1,) * dims:
        return overall_mean(input, dims)
    window, (y,) = even_window(x.shape[-dims:], size), beyond_halves(input)
    if window is not None:
        return as_dtype(collect(y, None, window, size) / math.prod(window.kernel), x.dtype)
    for dim, m in zip(range(x.ndim - dims, x.ndim), size):
        y = along(y, averaging(x.shape[dim], m, y.dtype), dim)
    return as_dtype(y, x.dtype)


def adaptive_avg_pool1d(input, output_size):
    """The means of `output_size` even parts: (N, C, L) or (C, L) -> (N, C, output_size)."""
    return adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size, False)


def adaptive_avg_pool2d(input, output_size):
    """The means of even parts of each image: (N, C, H, W) or (C, H, W) -> (N, C, *output_size).

    `output_size` is a number for both dimensions or one for each, None for that of the input. Parts overlap
    by a pixel where it is no divisor of the input's size. `adaptive_avg_pool2d(x, 1)` is the mean of each
    channel.
    """
    return adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size, True)


def adaptive_max_pool(operation, dims, input, output_size, return_indices, none_allowed):
    size, x = adaptive_size(operation, dims, input, output_size, none_allowed), input.array
    space = x.shape[-dims:]
    window = even_window(space, size)
    if window is not None:
        return max_pool(operation, dims, input, *window, False, return_indices)
    index = xp.zeros((*x.shape[:-dims], math.prod(size)), "int64")
    bounds = [[(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(space, size)]
    for i, part in enumerate(itertools.product(*bounds)):
        block = x[(..., *(slice(a, b) for a, b in part))]
        winner = block.reshape(*x.shape[:-dims], math.prod(b - a for a, b in part)).argmax(-1)
        flat, stride = 0, 1
        for (a, b), n in zip(reversed(part), reversed(space)):
            flat = flat + (a + winner % (b - a)) * stride
            winner, stride = winner // (b - a), stride * n
        index[..., i] = flat
    flat = reshape_(input, (*x.shape[:-dims], math.prod(space)))
    shape = (*x.shape[:-dims], *size)
    output = reshape_(gather_(flat, index_along(index, x.ndim - dims)), shape)
    return (output, wrap(index.reshape(shape))) if return_indices else output


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The largest of each of `output_size` even parts: (N, C, L) or (C, L) -> (N, C, output_size)."""
    return adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices, False)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest of even parts of each image: (N, C, H, W) or (C, H, W) -> (N, C, *output_size).

    `output_size` as for `adaptive_avg_pool2d`, `return_indices` as for `max_pool2d`.
    """
    return adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices, True)
