"""Losses: how far predictions are from targets, as one number ("mean", "sum") or one an element ("none")."""

import functools
import math

from ...autograd import Variable, primitive, relying, wrap
from ...backend import Fault, constant, item, kind_of, on_gpu, within, xp
from ...guard import warn
from ...kernels import ENABLED, fusible
from ...ops.cross_entropy import cross_entropy_, cross_entropy_on_device
from ...ops.elementwise import abs, clamp_, exp, log, log1p, masked_fill, sigmoid, square
from ...ops.index import along, check_range, gather_
from ...ops.operands import as_dtype, int64, operand, result_type
from ...ops.reduce import log_softmax, mean, sum
from ...ops.shape import reshape_
from .activation import floating, logsigmoid


def reduced(losses, reduction, operation):
    """The losses as they are ("none"), their sum or their mean."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"{operation}: {reduction} is not a valid value for reduction")


# ------------------------------------------------------------------------------------------------- regression


def difference(input, target, operation):
    """input - target, with torch's warning where their shapes differ."""
    for name, x in (("input", input), ("target", target)):
        if not isinstance(x, Variable):
            raise TypeError(f"{operation}(): expected {name} to be a Tensor, got {kind_of(x)}")
    if input.array.shape != target.array.shape:
        warn(
            f"{operation}: Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. Please ensure "
            "they have the same size."
        )
    return floating(input - target, operation)


def mse_loss(input, target, *, reduction="mean"):
    """The squared differences of floating tensors of one shape (others broadcast, with a warning); by default the mean."""
    return reduced(square(difference(input, target, "mse_loss")), reduction, "mse_loss")


def l1_loss(input, target, *, reduction="mean"):
    """The absolute differences of floating tensors of one shape (others broadcast, with a warning); by default the mean."""
    return reduced(abs(difference(input, target, "l1_loss")), reduction, "l1_loss")


@primitive
def huber_(x, delta):
    size = xp.abs(x)
    within_delta = xp.minimum(size, delta)
    return within_delta * (size - within_delta * 0.5)


huber_.vjp(lambda g, x, delta: g * clamp_(x, -delta, delta))


def huber_loss(input, target, reduction="mean", delta=1.0):
    """Half the square of the difference d where |d| <= delta, else delta * (|d| - delta / 2).

    Source: Huber, 1964.
    """
    if operand(delta, "huber_loss") <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    return reduced(huber_(difference(input, target, "huber_loss"), delta), reduction, "huber_loss")


def smooth_l1_loss(input, target, *, reduction="mean", beta=1.0):
    """The Huber loss of delta = beta, divided by beta; for beta = 0 the absolute difference."""
    if operand(beta, "smooth_l1_loss") < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    x = difference(input, target, "smooth_l1_loss")
    return reduced(huber_(x, beta) / beta if beta else abs(x), reduction, "smooth_l1_loss")


# ------------------------------------------------------------------------------------------- classes by index


def nll_loss(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood: -input[i, target[i]] for log-probabilities (N, C), (C) or (N, C, d1, ...).

    `target`: int64 (or uint8) of the shape without C. `weight` (C) scales each class, and the mean divides by
    the sum of weights; targets of `ignore_index` do not count.
    """
    y = indices(floating(input, "nll_loss").array, target.array, ignore_index, "nll_loss")
    return negative_likelihood(input, *y, weight, reduction, 0.0, "nll_loss")


def cross_entropy(input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """-log softmax(input)[target] for logits (N, C), (C) or (N, C, d1, ...).

    `target`: class indices, int64 of the shape without C, or probabilities of the input's shape. `weight` (C)
    scales each class, targets of `ignore_index` do not count; `label_smoothing` mixes targets with the
    uniform distribution.
    """
    x, y = input.array, target.array
    if (
        ENABLED and weight is None and reduction == "mean" and not label_smoothing and x.ndim == 2 and y.dtype is int64
        and y.shape == x.shape[:1] and fusible(x)
    ):  # fmt: skip
        return relying(cross_entropy_on_device(input, y, ignore_index, not_a_class("cross_entropy").number), target)
    if (
        weight is None and reduction == "mean" and not label_smoothing and ignore_index < 0 and x.ndim == 2
        and y.dtype is int64 and y.shape == x.shape[:1] and y.size and x.dtype.kind == "f"
        and within(y, x.shape[1])
    ):  # fmt: skip
        return relying(cross_entropy_(input, y), target)
    if not 0 <= operand(label_smoothing, "cross_entropy") <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = min(x.ndim - 1, 1)
    log_p = log_softmax(floating(input, "cross_entropy"), dim)
    if y.dtype.kind != "f" or y.shape != x.shape or x.ndim == 0:
        y = indices(x, y, ignore_index, "cross_entropy")
        return negative_likelihood(log_p, *y, weight, reduction, label_smoothing, "cross_entropy")
    if ignore_index >= 0:
        raise RuntimeError(
            f"cross_entropy: ignore_index is not supported for floating point target, got ignore_index={ignore_index}"
        )
    target = target * (1 - label_smoothing) + label_smoothing / x.shape[dim]
    losses = log_p * target
    if weight is not None:
        losses = losses * per_class(weight, x, dim, "cross_entropy")
    return reduced(-sum(losses, dim), reduction, "cross_entropy")


@functools.cache
def not_a_class(operation):
    """The fault of a target that is none of the classes."""
    return Fault(IndexError, f"{operation}: Target {{value}} is out of bounds for {{size}} classes")


def indices(x, y, ignore_index, operation):
    """The targets as int64 in the shape of x without its classes, 0 where ignored; and whether each counts."""
    if x.ndim == 0:
        raise ValueError(f"{operation}: Expected 1 or more dimensions (got 0)")
    if y.dtype not in (int64, xp.uint8):
        raise RuntimeError(f"{operation}: expected target dtype to be int64 or uint8, but got {y.dtype}")
    if x.ndim == 1 and y.size != 1:
        raise ValueError(f"{operation}: For 1D input, 1D target must have size 1, but got shape {y.shape}")
    if x.ndim > 1 and x.shape[:1] != y.shape[:1]:
        raise ValueError(
            f"{operation}: Expected input batch_size to match target batch_size, got input {x.shape} and "
            f"target {y.shape}"
        )
    if x.ndim > 1 and x.shape[2:] != y.shape[1:]:
        raise RuntimeError(f"{operation}: Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(y.shape)}")
    y = y.reshape(()) if x.ndim == 1 else y
    counted = y != ignore_index
    y = xp.where(counted, y, 0).astype(int64)
    classes = x.shape[min(x.ndim - 1, 1)]
    check_range(y, classes, not_a_class(operation))
    return y, counted


def per_class(weight, x, dim, operation):
    """Weights (C) as a constant that broadcasts to x."""
    if weight.array.shape != (x.shape[dim],) or weight.array.dtype != x.dtype:
        raise RuntimeError(
            f"{operation}: weight tensor should be defined either for all {x.shape[dim]} classes or no "
            f"classes, in {x.dtype}, but got a tensor of shape {weight.array.shape} and {weight.array.dtype}"
        )
    return reshape_(weight.detach(), tuple(-1 if i == dim else 1 for i in range(x.ndim)))


def negative_likelihood(log_p, y, counted, weight, reduction, label_smoothing, operation):
    """The losses of log-probabilities for targets from `indices`, reduced; the mean is over the weights."""
    x = log_p.array
    dim = min(x.ndim - 1, 1)
    if weight is not None:
        log_p = log_p * per_class(weight, x, dim, operation)
    losses = reshape_(gather_(log_p, along(xp.expand_dims(y, dim), dim)), y.shape)
    if label_smoothing:
        losses = losses * (1 - label_smoothing) + sum(log_p, dim) * (label_smoothing / x.shape[dim])
    losses = -losses if not on_gpu and counted.all() else -masked_fill(losses, wrap(~counted), 0.0)
    if reduction != "mean":
        return reduced(losses, reduction, operation)
    share = counted if weight is None else weight.array.take(y) * counted
    divisor = share.sum()
    return sum(losses) / wrap(divisor.astype(x.dtype)) if item(divisor) else sum(losses) * math.nan


# ----------------------------------------------------------------------------------- probabilities as targets


@primitive
def binary_cross_entropy_(x, target):
    zero, one, lowest = x == 0, x == 1, constant(-100, x.dtype)
    log_x = xp.where(zero, lowest, xp.maximum(xp.log(x + zero), lowest))
    log_rest = xp.where(one, lowest, xp.maximum(xp.log1p(-x * ~one), lowest))
    return -(target * log_x + (1 - target) * log_rest)


binary_cross_entropy_.vjps(
    x=lambda g, x, target: g * (x - target) / clamp_(x * (1 - x), 1e-12, None),
    target=lambda g, x: g * (log1p(-x) - log(x)),
)


def same_shape(input, target, operation):
    floating(input, operation), floating(target, operation)
    if input.array.shape != target.array.shape:
        raise ValueError(f"{operation}: Target size ({target.shape}) must be the same as input size ({input.shape})")


def binary_cross_entropy(input, target, weight=None, *, reduction="mean"):
    """-(y log x + (1 - y) log(1 - x)) for probabilities x and targets y; the logarithms not below -100.

    `weight` scales the losses and broadcasts.
    """
    same_shape(input, target, "binary_cross_entropy")
    for name, x in (("input", input.array), ("target", target.array)):
        if not item(((x >= 0) & (x <= 1)).all()):
            raise RuntimeError(f"binary_cross_entropy: all elements of {name} should be between 0 and 1")
    if input.array.dtype != target.array.dtype:
        raise RuntimeError(f"binary_cross_entropy: Found dtype {target.array.dtype} but expected {input.array.dtype}")
    losses = binary_cross_entropy_(input, target)
    return reduced(losses if weight is None else losses * weight, reduction, "binary_cross_entropy")


@primitive
def logits_(x, target):
    return xp.maximum(x, 0) - x * target + xp.log1p(xp.exp(-xp.abs(x)))


logits_.vjps(x=lambda g, x, target: g * (sigmoid(x) - target), target=lambda g, x: -g * x)


def binary_cross_entropy_with_logits(input, target, weight=None, *, reduction="mean", pos_weight=None):
    """`binary_cross_entropy` of sigmoid(input), without its overflow.

    `weight` scales the losses, `pos_weight` the part of y = 1 in each; both broadcast.
    """
    same_shape(input, target, "binary_cross_entropy_with_logits")
    if pos_weight is None:
        dtype = result_type(input, target)
        losses = logits_(as_dtype(input, dtype), as_dtype(target, dtype))
    else:
        losses = (1 - target) * input - ((pos_weight - 1) * target + 1) * logsigmoid(input)
    return reduced(losses if weight is None else losses * weight, reduction, "binary_cross_entropy_with_logits")


@primitive
def negative_entropy_(p):
    """p log p, 0 where p is 0."""
    return p * xp.log(p + (p == 0))


negative_entropy_.vjp(lambda g, p: g * (log(p + (p == 0)) + 1))


def kl_div(input, target, *, reduction="mean", log_target=False):
    """The Kullback-Leibler divergence: target * (log target - input) for log-probabilities `input`.

    `log_target`: the targets are log-probabilities as well. "batchmean" divides the sum by the batch size, as
    the definition does; "mean" by the number of elements. Source: Kullback and Leibler, 1951.
    """
    floating(input, "kl_div"), floating(target, "kl_div")
    losses = exp(target) * (target - input) if log_target else negative_entropy_(target) - target * input
    if reduction == "batchmean":
        return sum(losses) / input.array.shape[0] if input.array.ndim else sum(losses)
    if reduction == "mean":
        warn(
            "kl_div: reduction 'mean' divides the total loss by both the batch size and the support size; "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
        )
    return reduced(losses, reduction, "kl_div")
