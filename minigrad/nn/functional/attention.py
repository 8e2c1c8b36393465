"""Attention: averages of values, weighted by how well their keys fit a query."""

import functools
import math

from ...autograd import wrap
from ...backend import xp
from ...ops.elementwise import boolean
from ...ops.linalg import matmul
from ...ops.reduce import softmax_
from ...ops.shape import transpose
from .activation import floating
from .dropout import dropout


@functools.lru_cache(16)
def causal(length, keys, dtype):
    """What keeps a query from later keys when it is added to the scores: 0 and, above the diagonal, -inf."""
    return xp.triu(xp.full((length, keys), -math.inf, dtype), 1)


def attention_weights(scores, attn_mask=None):
    """softmax(scores + mask) over the keys (last); a query that the mask keeps from every key gets zeros.

    `attn_mask` broadcasts to the scores: floating, to be added, or boolean, True where a query may look.
    """
    if attn_mask is None:
        return softmax_(scores, scores.array.ndim - 1)
    mask = attn_mask.array
    if mask.dtype == boolean:
        mask = xp.where(mask, 0, -math.inf).astype(scores.array.dtype)
        attn_mask = wrap(mask)
    blind = (mask == -math.inf).all(-1, keepdims=True)
    if not blind.any():
        return softmax_(scores + attn_mask, scores.array.ndim - 1)
    scores = scores + wrap(xp.where(blind, 0, mask))
    return softmax_(scores, scores.array.ndim - 1) * wrap(~blind)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None
):
    """softmax(query @ key transposed * scale) @ value: (..., L, E), (..., S, E), (..., S, V) -> (..., L, V).

    `attn_mask` broadcasts to (..., L, S): boolean, True where a query may look at a key, or floating, added
    to the scores. `is_causal`: query i looks at keys 0 to i. `dropout_p`: dropout of the weights. `scale`: 1
    / sqrt(E) by default. Source: Vaswani et al., 2017.
    """
    q, k = floating(query, "scaled_dot_product_attention").array, key.array
    if min(q.ndim, k.ndim, value.array.ndim) < 2:
        raise RuntimeError(
            "scaled_dot_product_attention: expected query, key and value of at least 2 dimensions, got "
            f"shapes {q.shape}, {k.shape} and {value.array.shape}"
        )
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        attn_mask = wrap(causal(q.shape[-2], k.shape[-2], q.dtype))
    elif attn_mask is not None and attn_mask.array.dtype not in (boolean, q.dtype):
        raise RuntimeError(
            f"scaled_dot_product_attention: Expected attn_mask dtype to be bool or {q.dtype}, but got "
            f"{attn_mask.array.dtype}"
        )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    weights = attention_weights(matmul(query * scale, transpose(key, -2, -1)), attn_mask)
    return matmul(dropout(weights, dropout_p), value)
