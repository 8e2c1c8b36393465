"""Dropout: random zeros in training, drawn as torch draws them on the CPU, or on the GPU by `cuda.draw_on_device`."""

from ... import random
from ...autograd import wrap
from ...backend import asarray
from ...guard import warn
from ...ops.inplace import store
from ...ops.layout import arranged, images_last
from .activation import floating


def memory_order(array):
    """The dimensions of an array, from the widest steps in memory to the narrowest."""
    return sorted(range(array.ndim), key=lambda i: -abs(array.strides[i]))


def dropout(input, p=0.5, training=True, inplace=False):
    """Zeros with probability p, the rest times 1 / (1 - p), where `training`; else the input.

    Source: Srivastava et al., 2014.
    """
    x = floating(input, "dropout").array
    check_probability(p, "dropout")
    if not training or p == 0:
        return input
    if images_last(x):
        mask = arranged(asarray(random.source.dropout_mask(p, x.shape, x.dtype)))
    elif x.flags.c_contiguous:
        mask = random.source.dropout_mask(p, x.shape, x.dtype)
    else:  # the zeros are drawn in the order of memory
        order = memory_order(x)
        mask = random.source.dropout_mask(p, tuple(x.shape[i] for i in order), x.dtype)
        mask = mask.transpose(sorted(range(x.ndim), key=order.__getitem__))
    return masked(input, mask, inplace)


def masked(input, mask, inplace):
    y = input * wrap(mask)
    return store(input, y) if inplace else y


def check_probability(p, operation):
    if not isinstance(p, (int, float)):
        raise TypeError(f"{operation}(): expected the probability as a number, got {p!r}")
    if not 0 <= p <= 1:
        raise ValueError(f"{operation}: dropout probability has to be between 0 and 1, but got {p}")


def channel_dropout(operation, input, p, training, inplace):
    """Dropout of whole channels: one draw for each of the first two dimensions (N, C) of the input."""
    x = floating(input, operation).array
    if not training or p == 0:
        return input
    mask = random.source.dropout_mask(p, (*x.shape[:2], *[1] * (x.ndim - 2)), x.dtype)
    return masked(input, mask, inplace)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    check_probability(p, "dropout1d")
    if input.array.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.array.ndim}D input.")
    if input.array.ndim == 3:
        return channel_dropout("dropout1d", input, p, training, inplace)
    y = channel_dropout("dropout1d", input[None], p, training, False)[0]
    return store(input, y) if inplace else y


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, H, W); of (N, C) or (N, C, L), with torch's warning, as well."""
    check_probability(p, "dropout2d")
    ndim = input.array.ndim
    if ndim < 2:
        raise RuntimeError(f"dropout2d: Feature dropout requires at least 2 dimensions in the input, got {ndim}")
    if ndim != 4:
        instead = "dropout1d, which treats it as (N, C, L)," if ndim == 3 else "dropout"
        warn(f"dropout2d: Received a {ndim}-D input to dropout2d, which is deprecated. Please use {instead} instead.")
    return channel_dropout("dropout2d", input, p, training, inplace)
