"""Attention: averages of values, weighted by how well their keys fit a query."""

import functools
import math

from ... import random
from ...autograd import primitive, wrap
from ...backend import asarray, constant, item, row_maxima, row_sums, xp
from ...ops.inplace import fits
from ...ops.linalg import matmul
from ...ops.operands import boolean
from ...ops.reduce import softmax_, sum_
from ...ops.shape import transpose
from .activation import floating
from .dropout import check_probability, dropout


@functools.lru_cache(16)
def causal(length, keys, dtype):
    """What keeps a query from later keys when it is added to the scores: 0 and, above the diagonal, -inf."""
    return xp.triu(xp.full((length, keys), -math.inf, dtype), 1)


def additive(mask, dtype):
    """A mask as a Tensor to be added to scores, and which queries (None: all) it lets look at any key.

    It is floating, or boolean, True where a query may look at a key. Of a query that may look at none, every
    score stays.
    """
    array = mask.array
    if array.dtype == boolean:
        array = xp.where(array, 0, -math.inf).astype(dtype)
        mask = wrap(array)
    blind = (array == -math.inf).all(-1, keepdims=True)
    return (wrap(xp.where(blind, 0, array)), ~blind) if item(blind.any()) else (mask, None)


def attention_weights(scores, mask=None):
    """softmax(scores + mask) over the keys (last); a query that the mask keeps from every key gets zeros."""
    if mask is None:
        return softmax_(scores, scores.array.ndim - 1)
    mask, seeing = additive(mask, scores.array.dtype)
    weights = softmax_(scores + mask, scores.array.ndim - 1)
    return weights if seeing is None else weights * wrap(seeing)


@primitive(extras=("weights",))
def attention_(q, k, v, mask, keep, scale):
    """softmax(q @ k transposed * scale + mask) * keep @ v; mask and keep may be None."""
    weights = (q * constant(scale, q.dtype)) @ k.swapaxes(-1, -2)
    if mask is not None:
        weights += mask
    rows = weights.reshape(-1, weights.shape[-1])
    rows -= row_maxima(rows)
    xp.exp(rows, rows)
    rows /= row_sums(rows)
    return (weights if keep is None else weights * keep) @ v, weights


@attention_.vjp
def attention_vjp(g, y, q, k, v, mask, keep, scale, weights, needs):
    differentiable = weights is None
    if differentiable:  # the gradient itself will be differentiated: its parts must be functions of q and k
        scores = q @ k.swapaxes(-1, -2) * scale
        weights = softmax_(scores if mask is None else scores + mask, q.ndim - 1)
    kept = weights if keep is None else weights * keep
    slope = g @ v.swapaxes(-1, -2)
    slope = slope if keep is None else slope * keep
    level = sum_(g * y, (g.ndim - 1,), True)  # what each query's slopes add up to, weighted
    if differentiable:
        slope = (slope - level) * weights
    else:
        slope -= level
        slope *= weights
    dq, dk, dv = slope @ k * scale, slope.swapaxes(-1, -2) @ q * scale, kept.swapaxes(-1, -2) @ g
    return [dq, dk, dv, None, None, None]


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None
):
    """softmax(query @ key transposed * scale) @ value: (..., L, E), (..., S, E), (..., S, V) -> (..., L, V).

    `attn_mask` broadcasts to (..., L, S): boolean, True where a query may look at a key, or floating, added
    to the scores. `is_causal`: query i looks at keys 0 to i. `dropout_p`: dropout of the weights. `scale`: 1
    / sqrt(E) by default. Source: Vaswani et al., 2017.
    """
    operation = "scaled_dot_product_attention"
    q, k, v = floating(query, operation).array, key.array, value.array
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            f"{operation}: expected query, key and value of at least 2 dimensions, got shapes {q.shape}, "
            f"{k.shape} and {v.shape}"
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError(f"{operation}: Explicit attn_mask should not be set when is_causal=True")
    if attn_mask is not None and attn_mask.array.dtype not in (boolean, q.dtype):
        raise RuntimeError(f"{operation}: Expected attn_mask dtype to be bool or {q.dtype}, but got {attn_mask.array.dtype}")
    check_probability(dropout_p, operation)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    attn_mask = wrap(causal(q.shape[-2], k.shape[-2], q.dtype)) if is_causal else attn_mask
    if not fusable(q, k, v, attn_mask):
        weights = attention_weights(matmul(query * scale, transpose(key, -2, -1)), attn_mask)
        return matmul(dropout(weights, dropout_p), value)
    mask, seeing = (attn_mask, None) if is_causal or attn_mask is None else additive(attn_mask, q.dtype)
    keep = asarray(random.source.dropout_mask(dropout_p, (*q.shape[:-1], k.shape[-2]), q.dtype)) if dropout_p else None
    y = attention_(query, key, value, mask if mask is None else mask.array, keep, scale)
    return y if seeing is None else y * wrap(seeing)


def fusable(q, k, v, mask):
    """Whether the single primitive serves these arrays and this mask; the parts serve others, or raise."""
    scores = (*q.shape[:-1], k.shape[-2])
    if mask is not None and (mask.requires_grad or not fits(mask.array.shape, scores)):
        return False
    return (
        q.shape[:-2] == k.shape[:-2] == v.shape[:-2] and q.shape[-1] == k.shape[-1]
        and k.shape[-2] == v.shape[-2] and q.dtype == k.dtype == v.dtype
    )  # fmt: skip
