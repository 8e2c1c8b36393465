"""Normalisation: values to mean 0 and variance 1, over the batch, the pixels of an image, or features."""

import functools
import math

from ...autograd import wrap
from ...backend import constant, xp
from ...ops.elementwise import rsqrt, square
from ...ops.normalization import batch_norm_, layer_norm_, move
from ...ops.operands import as_dtype, beyond_halves, float32, float64, widened
from ...ops.reduce import deviations, mean_
from ...ops.shape import integer, reshape_, sizes_of


@functools.lru_cache(256)
def channels(shape):
    """Of (N, C, ...): all dimensions but that of C, the shape with 1 at those, the values in a channel."""
    dims = tuple(i for i in range(len(shape)) if i != 1)
    size = tuple(n if i == 1 else 1 for i, n in enumerate(shape))
    return dims, size, math.prod(shape[d] for d in dims)


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Every channel of (N, C) or (N, C, ...) to mean 0 and variance 1, then times weight plus bias (C).

    In training by the batch's own statistics, which also move the running ones by `momentum` (the variance
    unbiased); else by the running ones. Source: Ioffe and Szegedy, 2015.
    """
    x = input.array
    if x.ndim < 2:
        raise IndexError(f"batch_norm: expected an input of 2 dimensions or more, got shape {x.shape}")
    check(x, "batch_norm", weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    dims, _, n = channels(x.shape)
    if not training:
        return by_running(input, running_mean, running_var, weight, bias, eps, "batch_norm")
    if n == 1:
        raise ValueError(f"batch_norm: Expected more than 1 value per channel when training, got input size {x.shape}")
    if n == 0:
        return affine(input, weight, bias)
    mean = None if running_mean is None else running_mean.array
    var = None if running_var is None else running_var.array
    return as_dtype(normalised(*beyond_halves(input, weight, bias), mean, var, momentum, dims, eps), x.dtype)


def normalised(input, weight, bias, mean, var, momentum, dims, eps):
    """The input normalised over `dims`, as `batch_norm_` says; in float64 where squares leave the range of float32."""
    try:
        return batch_norm_(input, weight, bias, mean, var, momentum, dims, eps)
    except FloatingPointError:
        wide = batch_norm_(*widened(float64, input, weight, bias), mean, var, momentum, dims, eps)
        return as_dtype(wide, float32)


def check(x, operation, **parameters):
    """Refuse an input that is not floating, and parameters without one number of its dtype per channel."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"{operation}: expected an input of a floating dtype, got {x.dtype}")
    size, dtype = x.shape[1:2], x.dtype
    for name, value in parameters.items():
        if value is not None and (value.array.shape != size or value.array.dtype is not dtype):
            raise RuntimeError(
                f"{operation}: {name} should contain {size[0]} elements of {dtype}, got shape "
                f"{value.array.shape} of {value.array.dtype}"
            )


def by_running(input, mean, var, weight, bias, eps, operation):
    """Normalised by statistics that are constants, which is a multiplication and an addition."""
    if mean is None or var is None:
        raise RuntimeError(f"{operation}: running_mean and running_var must be defined in evaluation mode")
    own = input.array.dtype
    input, mean, var, weight, bias = beyond_halves(input, mean, var, weight, bias)
    scale = wrap(1 / xp.sqrt(var.array + constant(eps, var.array.dtype)))
    scale = scale if weight is None else scale * weight
    shift = scale * -mean
    return as_dtype(affine(input, scale, shift if bias is None else shift + bias), own)


def affine(input, weight, bias):
    """Every channel of (N, C, ...) times weight plus bias (C), which may be None."""
    size = channels(input.array.shape)[1]
    y = input if weight is None else input * reshape_(weight, size)
    y = y if bias is None else y + reshape_(bias, size)
    return input * 1 if y is input else y


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
                  momentum=0.1, eps=1e-5):  # fmt: skip
    """Every channel of every sample of (N, C, ...) to mean 0 and variance 1, then times weight plus bias (C).

    By its own statistics, whose averages over the samples move the running ones by `momentum`; or by the
    running ones where not `use_input_stats`. Source: Ulyanov et al., 2016.
    """
    x = input.array
    if (running_mean is None) != (running_var is None):
        raise ValueError("instance_norm: running_mean and running_var must either both be None or neither")
    if x.ndim < 2:
        raise IndexError(f"instance_norm: expected an input of 2 dimensions or more, got shape {x.shape}")
    check(x, "instance_norm", weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not use_input_stats:
        return by_running(input, running_mean, running_var, weight, bias, eps, "instance_norm")
    dims, n = tuple(range(2, x.ndim)), math.prod(x.shape[2:])
    if n == 1:
        raise ValueError(f"instance_norm: Expected more than 1 spatial element when training, got input size {x.shape}")
    if x.size == 0:
        return affine(input, weight, bias)
    if running_mean is not None:
        mean, _, squares = deviations(x.astype(float64), dims, n)
        move(running_mean.array, mean.mean(0), momentum)
        move(running_var.array, squares.mean(0) / (n - 1), momentum)
    input, weight, bias = beyond_halves(input, weight, bias)
    y = normalised(input, None, None, None, None, 0.0, dims, eps)
    return as_dtype(y if weight is None and bias is None else affine(y, weight, bias), x.dtype)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """The channels of (N, C, ...) in `num_groups` groups, each sample's group to mean 0 and variance 1.

    Then every channel times weight plus bias (C). Source: Wu and He, 2018.
    """
    x = input.array
    if x.ndim < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input but received {x.ndim}")
    n, c, *space = x.shape
    num_groups = integer(num_groups, "group_norm")
    if num_groups < 1 or c % num_groups:
        raise RuntimeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {list(x.shape)} and num_groups={num_groups}"
        )
    check(x, "group_norm", weight=weight, bias=bias)
    if x.size == num_groups:  # one value for every group of the only sample
        raise ValueError(
            f"group_norm: Expected more than 1 value per channel when training, got input size "
            f"{list(x.shape)} and num_groups={num_groups}"
        )
    if x.size == 0:
        return affine(input, weight, bias)
    input, weight, bias = beyond_halves(input, weight, bias)
    groups = reshape_(input, (n, num_groups, c // num_groups, *space))
    dims = tuple(range(2, groups.array.ndim))
    y = reshape_(normalised(groups, None, None, None, None, 0.0, dims, eps), x.shape)
    return as_dtype(y if weight is None and bias is None else affine(y, weight, bias), x.dtype)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """The last dimensions, `normalized_shape`, divided by their root mean square, then times weight.

    `eps` is added to the mean square; None: the epsilon of the dtype, for float16 that of float32. Source: Zhang
    and Sennrich, 2019.
    """
    x, normalized = input.array, sizes_of(listed(normalized_shape, "rms_norm"), "rms_norm")
    check_normalized(x, normalized, "rms_norm", weight=weight)
    if x.size == 0:
        return input * 1 if weight is None else input * weight
    dims = tuple(range(x.ndim - len(normalized), x.ndim))
    input, weight = beyond_halves(input, weight)
    eps = float(xp.finfo(input.array.dtype).eps) if eps is None else eps
    y = input * rsqrt(mean_(square(input), dims, True) + eps)
    return as_dtype(y if weight is None else y * weight, x.dtype)


def listed(normalized_shape, operation):
    """The sizes, which torch takes in a sequence alone."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"{operation}(): expected normalized_shape as a tuple of ints, got {normalized_shape!r}")
    return normalized_shape


def check_normalized(x, normalized, operation, **parameters):
    """Refuse an input that does not end in the normalised dimensions, and parameters that do not fit it."""
    if not normalized:
        raise RuntimeError(f"{operation}: Expected normalized_shape to be at least 1-dimensional, got ()")
    if x.shape[-len(normalized) :] != normalized:
        raise RuntimeError(
            f"{operation}: Given normalized_shape={list(normalized)}, expected input with shape [*, "
            f"{', '.join(map(str, normalized))}], but got input of size {list(x.shape)}"
        )
    if x.dtype.kind != "f":
        raise RuntimeError(f"{operation}: expected an input of a floating dtype, got {x.dtype}")
    for name, value in parameters.items():
        if value is not None and (value.array.shape != normalized or value.array.dtype != x.dtype):
            raise RuntimeError(
                f"{operation}: Expected {name} to be of same shape as normalized_shape and of {x.dtype}, but "
                f"got shape {value.array.shape} of {value.array.dtype}, normalized_shape = {list(normalized)}"
            )


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """The last dimensions, `normalized_shape`, to mean 0 and variance 1, then times weight plus bias.

    `weight` and `bias` are of shape `normalized_shape`. Source: Ba et al., 2016.
    """
    x, normalized = input.array, sizes_of(listed(normalized_shape, "layer_norm"), "layer_norm")
    check_normalized(x, normalized, "layer_norm", weight=weight, bias=bias)
    rows, weight, bias = beyond_halves(input, weight, bias)
    if len(normalized) > 1 or x.ndim != 2:
        features = (math.prod(normalized),)
        weight = None if weight is None else reshape_(weight, features)
        bias = None if bias is None else reshape_(bias, features)
        rows = reshape_(rows, (math.prod(x.shape[: -len(normalized)]), *features))
    try:
        y = layer_norm_(rows, weight, bias, eps)
    except FloatingPointError:  # the variance of a row leaves the range of float32
        y = as_dtype(layer_norm_(*widened(float64, rows, weight, bias), eps), float32)
    return as_dtype(y if y.array.shape == x.shape else reshape_(y, x.shape), x.dtype)
