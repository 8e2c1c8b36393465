"""Normalisation: values to mean 0 and variance 1, over the batch or over the features."""

import functools
import math

from ...autograd import wrap
from ...backend import constant, total, xp
from ...ops.fused import batch_norm_, layer_norm_
from ...ops.shape import reshape_


@functools.lru_cache(256)
def channels(shape):
    """Of (N, C, ...): the dimensions but the channels', the shape with 1 at those, the values in each channel."""
    dims = tuple(i for i in range(len(shape)) if i != 1)
    size = tuple(n if i == 1 else 1 for i, n in enumerate(shape))
    return dims, size, math.prod(shape[d] for d in dims)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Every channel of (N, C) or (N, C, ...) normalised to mean 0 and variance 1, then times weight plus bias (C).

    In training by the batch's own statistics, which also move the running ones by `momentum` (the variance unbiased);
    else by the running ones. Source: Ioffe and Szegedy, 2015.
    """
    x = input.array
    if x.ndim < 2:
        raise IndexError(f"batch_norm: expected an input of 2 dimensions or more, got shape {x.shape}")
    if x.dtype.kind != "f":
        raise RuntimeError(f"batch_norm: expected an input of a floating dtype, got {x.dtype}")
    dims, size, n = channels(x.shape)
    for name, value in (("weight", weight), ("bias", bias), ("running_mean", running_mean), ("running_var", running_var)):
        if value is not None and (value.array.shape != x.shape[1:2] or value.array.dtype != x.dtype):
            raise RuntimeError(
                f"batch_norm: {name} should contain {x.shape[1]} elements of {x.dtype}, got shape {value.array.shape} of "
                f"{value.array.dtype}"
            )
    if not training:
        weight = None if weight is None else reshape_(weight, size)
        bias = None if bias is None else reshape_(bias, size)
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: running_mean and running_var must be defined in evaluation mode")
        inverse = 1 / xp.sqrt(running_var.array + constant(eps, x.dtype)).reshape(size)
        y = (input - wrap(running_mean.array.reshape(size))) * wrap(inverse)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias
    if n == 1:
        raise ValueError(f"batch_norm: Expected more than 1 value per channel when training, got input size {x.shape}")
    if n == 0:
        return input * 1
    mean = total(x, dims) / constant(n, x.dtype)
    var = x - mean
    var *= var
    var = total(var, dims) / constant(n, x.dtype)
    if running_mean is not None:
        move(running_mean, mean, momentum)
    if running_var is not None:
        move(running_var, var * constant(n / (n - 1), x.dtype), momentum)
    return batch_norm_(input, weight, bias, mean, var, dims, eps)


def move(running, value, momentum):
    """Let a running statistic go the share `momentum` of the way to the value of this batch."""
    array = running.array
    array *= constant(1 - momentum, array.dtype)
    array += value.reshape(-1) * constant(momentum, array.dtype)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """The last dimensions, of sizes `normalized_shape`, normalised to mean 0 and variance 1, then times weight plus bias.

    `weight` and `bias` are of shape `normalized_shape`. Source: Ba et al., 2016.
    """
    x, normalized = input.array, tuple(normalized_shape)
    if not normalized:
        raise RuntimeError("layer_norm: Expected normalized_shape to be at least 1-dimensional, got ()")
    if x.shape[-len(normalized) :] != normalized:
        raise RuntimeError(
            f"layer_norm: Given normalized_shape={list(normalized)}, expected input with shape [*, "
            f"{', '.join(map(str, normalized))}], but got input of size {list(x.shape)}"
        )
    if x.dtype.kind != "f":
        raise RuntimeError(f"layer_norm: expected an input of a floating dtype, got {x.dtype}")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and (value.array.shape != normalized or value.array.dtype != x.dtype):
            raise RuntimeError(
                f"layer_norm: Expected {name} to be of same shape as normalized_shape and of {x.dtype}, but got shape "
                f"{value.array.shape} of {value.array.dtype} and normalized_shape = {list(normalized)}"
            )
    if len(normalized) == 1 and x.ndim == 2:
        return layer_norm_(input, weight, bias, eps)
    features = (math.prod(normalized),)
    weight = None if weight is None else reshape_(weight, features)
    bias = None if bias is None else reshape_(bias, features)
    rows = reshape_(input, (math.prod(x.shape[: -len(normalized)]), *features))
    return reshape_(layer_norm_(rows, weight, bias, eps), x.shape)
