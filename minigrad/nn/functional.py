"""Layers without state: functions of tensors, under torch's names."""

import math

from .. import random
from ..autograd import Variable, mode, wrap
from ..backend import asarray, constant, total, within, xp
from ..ops.elementwise import as_dtype, int64, relu, sigmoid, tanh
from ..ops.fused import batch_norm_, cross_entropy_, linear_
from ..ops.index import along, gather_, identity, rows
from ..ops.linalg import matmul
from ..ops.reduce import log_softmax, mean, softmax, sum
from ..ops.shape import reshape_

__all__ = [
    "batch_norm", "cross_entropy", "embedding", "linear", "log_softmax", "mse_loss", "nll_loss", "one_hot", "relu",
    "sigmoid", "softmax", "tanh",
]  # fmt: skip


def linear(input, weight, bias=None):
    """input (..., in) @ weight (out, in) transposed + bias (out) -> (..., out)."""
    x, w = input.array, weight.array
    if w.ndim != 2 or x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise RuntimeError(f"linear: mat1 and mat2 shapes cannot be multiplied, got input {x.shape} and weight {w.shape}")
    if x.dtype != w.dtype:
        raise RuntimeError(f"linear: expected input and weight to have the same dtype, but got: {x.dtype} != {w.dtype}")
    if x.ndim == 2:
        return linear_(input, weight, bias)
    y = linear_(reshape_(input, (math.prod(x.shape[:-1]), x.shape[-1])), weight, bias)
    return reshape_(y, (*x.shape[:-1], w.shape[0]))


def embedding(input, weight):
    """The rows of `weight` (rows, features) at the int64 indices `input` of any shape -> (*input shape, features)."""
    index, size = input.array, weight.array.shape
    if index.dtype.kind != "i":
        raise RuntimeError(f"embedding: expected indices of an integer dtype, got {index.dtype}")
    if not within(index.reshape(-1), size[0]):
        raise IndexError(f"embedding: index out of range in self: expected 0 <= index < {size[0]}")
    return rows(weight, index)


def one_hot(tensor, num_classes=-1):
    """int64 vectors with a 1 at the position that `tensor` gives: (*shape) -> (*shape, num_classes)."""
    index = tensor.array
    if index.dtype != int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type int64, got {index.dtype}")
    classes = (int(index.max()) + 1 if index.size else 0) if num_classes == -1 else num_classes
    if classes <= 0:
        raise RuntimeError(f"one_hot: expected a positive number of classes for an empty tensor, got {num_classes}")
    if not within(index.reshape(-1), classes):
        raise RuntimeError(f"one_hot: Class values must be non-negative and smaller than num_classes {classes}")
    return wrap(identity(classes, int64).take(index, 0))


# ----------------------------------------------------------------------------------------------------------- losses


def reduced(losses, reduction, operation):
    """The losses as they are ("none"), their sum or their mean."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"{operation}: {reduction} is not a valid value for reduction")


def mse_loss(input, target, reduction="mean"):
    """The squared differences, of one shape."""
    difference = input - target
    return reduced(difference * difference, reduction, "mse_loss")


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood: -input[i, target[i]] for log-probabilities (N, C) or (C), or (N, C, d1, ...).

    `weight` (C) scales each class, and the mean divides by the sum of weights; targets of `ignore_index` do not count.
    """
    x, y = input.array, target.array
    dim = 0 if x.ndim == 1 else 1
    if y.dtype.kind != "i":
        raise RuntimeError(f"nll_loss: expected targets of an integer dtype, got {y.dtype}")
    if x.ndim == 0 or x.shape[:dim] + x.shape[dim + 1 :] != y.shape:
        raise ValueError(f"nll_loss: expected target of shape {x.shape[:dim] + x.shape[dim + 1 :]}, got {y.shape}")
    counted = y != ignore_index
    y = xp.where(counted, y, 0)
    if not within(y.reshape(-1), x.shape[dim]):
        raise IndexError(f"nll_loss: Target {int(y.max())} is out of bounds: expected 0 <= target < {x.shape[dim]}")
    picked = gather_(input, along(xp.expand_dims(y, dim), dim))
    losses = reshape_(picked, y.shape) * -1.0
    scale = counted.astype(x.dtype) if weight is None else weight.array.take(y) * counted
    losses = losses * wrap(scale)
    if reduction == "mean":
        return sum(losses) / wrap(scale.sum())
    return reduced(losses, reduction, "nll_loss")


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """-log softmax(input)[target] for logits (N, C), (C) or (N, C, d1, ...).

    `target`: class indices int64 of the shape without C, or probabilities of the input's shape. `weight` (C) scales each
    class, targets of `ignore_index` do not count; `label_smoothing` mixes targets with the uniform distribution.
    """
    x, y = input.array, target.array
    if (
        weight is None and reduction == "mean" and not label_smoothing
        and x.ndim == 2 and y.dtype is int64 and y.shape == x.shape[:1] and y.size and within(y, x.shape[1])
    ):  # fmt: skip
        return cross_entropy_(input, y)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 0 if x.ndim == 1 else 1
    log_p = log_softmax(input, dim)
    classes = x.shape[dim]
    if y.dtype.kind == "f":
        if y.shape != x.shape:
            raise RuntimeError(f"cross_entropy: expected probabilities of the input's shape {x.shape}, got {y.shape}")
        target = target * (1 - label_smoothing) + label_smoothing / classes
        losses = -log_p * target
        losses = sum(losses if weight is None else losses * along_classes(weight, x.ndim, dim), dim)
        rows_ = x.size // classes
        return sum(losses) / rows_ if reduction == "mean" else reduced(losses, reduction, "cross_entropy")
    hard = nll_loss(log_p, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    smooth = sum(-log_p if weight is None else -log_p * along_classes(weight, x.ndim, dim), dim)
    counted = y != ignore_index
    smooth = smooth * wrap(counted.astype(x.dtype))
    if reduction == "mean":
        scale = counted.sum() if weight is None else (weight.array.take(xp.where(counted, y, 0)) * counted).sum()
        smooth = sum(smooth) / wrap(asarray(scale, x.dtype))
    else:
        smooth = reduced(smooth, reduction, "cross_entropy")
    return hard * (1 - label_smoothing) + smooth * (label_smoothing / classes)


def along_classes(weight, ndim, dim):
    return reshape_(weight, tuple(-1 if i == dim else 1 for i in range(ndim)))


# ---------------------------------------------------------------------------------------------------- normalisation


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Every channel of (N, C) or (N, C, ...) normalised to mean 0 and variance 1, then times weight plus bias (C).

    In training by the batch's own statistics, which also move the running ones by `momentum` (the variance unbiased);
    else by the running ones. Source: Ioffe and Szegedy, 2015.
    """
    x = input.array
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected at least 2D input (got {x.ndim}D input)")
    dims = tuple(i for i in range(x.ndim) if i != 1)
    size = tuple(n if i == 1 else 1 for i, n in enumerate(x.shape))
    for name, value in (("weight", weight), ("bias", bias), ("running_mean", running_mean)):
        if value is not None and value.array.shape != (x.shape[1],):
            raise RuntimeError(f"batch_norm: {name} should contain {x.shape[1]} elements, got shape {value.array.shape}")
    weight = None if weight is None else reshape_(weight, size)
    bias = None if bias is None else reshape_(bias, size)
    n = x.size // max(x.shape[1], 1)
    if not training and running_mean is not None:
        inverse = 1 / xp.sqrt(running_var.array + eps).reshape(size)
        y = (input - wrap(running_mean.array.reshape(size))) * wrap(inverse)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias
    if n == 1 and training:
        raise ValueError(f"batch_norm: Expected more than 1 value per channel when training, got input size {x.shape}")
    mean = total(x, dims) / constant(n, x.dtype)
    var = x - mean
    var *= var
    var = total(var, dims) / constant(n, x.dtype)
    if training and running_mean is not None:
        for running, value in ((running_mean, mean), (running_var, var * (n / (n - 1)))):
            running.array *= 1 - momentum
            running.array += value.reshape(-1) * momentum
    return batch_norm_(input, weight, bias, mean, var, dims, eps)
