"""Attention as a layer, with several heads at once."""

import math

from ..autograd import wrap
from ..backend import xp
from ..creation import empty, zeros
from ..ops.join import cat, chunk
from ..ops.linalg import matmul
from ..ops.operands import boolean
from ..ops.shape import expand, reshape, transpose, unsqueeze
from . import functional as F
from . import init
from .functional.attention import attention_weights
from .linear import Linear
from .module import Module, Parameter


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that torch prints for the output of attention."""


class MultiheadAttention(Module):
    """Attention in `num_heads` parts of the features: a query takes an average of values, weighted by keys.

    Queries (L, N, embed_dim), keys (S, N, kdim) and values (S, N, vdim), or with N first where `batch_first`,
    or without N. `dropout` acts on the weights in training. `add_bias_kv` appends a learned key and value,
    `add_zero_attn` a key and a value of zeros. Source: Vaswani et al., 2017.
    """

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
        vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(f"embed_dim and num_heads must be greater than 0, got {embed_dim=} and {num_heads=} instead")
        if embed_dim % num_heads:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        together = self.kdim == embed_dim == self.vdim
        for name, size, wanted in (
            ("q_proj_weight", (embed_dim, embed_dim), not together),
            ("k_proj_weight", (embed_dim, self.kdim), not together),
            ("v_proj_weight", (embed_dim, self.vdim), not together),
            ("in_proj_weight", (3 * embed_dim, embed_dim), together),
            ("in_proj_bias", (3 * embed_dim,), bias),
        ):
            self.register_parameter(name, Parameter(empty(size, device=device, dtype=dtype)) if wanted else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            parameter = Parameter(empty(1, 1, embed_dim, device=device, dtype=dtype)) if add_bias_kv else None
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the starting values of the weights that are not the output's anew."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
        average_attn_weights=True, is_causal=False,
    ):  # fmt: skip
        """(output of the queries' shape, weights); these averaged over heads, (N, L, S), or (N, heads, L, S).

        `key_padding_mask` (N, S) and `attn_mask`, (L, S) or (N * heads, L, S): boolean, True where a key must
        not be looked at, or floating, to be added to the scores. `need_weights=False` returns None for the
        weights. `is_causal` says that `attn_mask` is the causal mask, which must be given all the same.
        """
        if is_causal and attn_mask is None:
            raise RuntimeError("MultiheadAttention: Need attn_mask if specifying the is_causal hint.")
        batched = query.array.ndim == 3
        if query.ndim not in (2, 3) or query.ndim != key.ndim or key.ndim != value.ndim:
            raise AssertionError(
                "MultiheadAttention: query, key and value should be unbatched 2D or batched 3D tensors, got "
                f"shapes {tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
            )
        if not batched and key_padding_mask is not None:
            key_padding_mask = unsqueeze(key_padding_mask, 0)
        q = self.batch_second(query)
        k = q if key is query else self.batch_second(key)
        v = k if value is key else self.batch_second(value)
        q, k, v = self.projected(q, k, v)
        length, batch, _ = q.shape
        mask = self.merged_mask(attn_mask, key_padding_mask, length, k.shape[0], batch, q.dtype)
        k, v, added = self.with_extra_keys(k, v)
        if mask is not None and added:
            mask = cat([mask, zeros(*mask.shape[:-1], added, dtype=mask.dtype)], -1)
        q, k, v = (self.split_heads(x) for x in (q, k, v))
        if need_weights:
            weights = attention_weights(matmul(q * math.sqrt(1 / self.head_dim), transpose(k, -2, -1)), mask)
            weights = F.dropout(weights, self.dropout, self.training)
            output = matmul(weights, v)
        else:
            weights = None
            output = F.scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        output = output.permute(2, 0, 1, 3)  # (L, N, heads, head_dim)
        output = self.out_proj(reshape(output, length, batch, self.embed_dim))
        if need_weights and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return output[:, 0], None if weights is None else weights[0]
        return transpose(output, 0, 1) if self.batch_first else output, weights

    def batch_second(self, x):
        """(L, N, features) from any of the layouts that the layer takes."""
        return unsqueeze(x, 1) if x.ndim == 2 else transpose(x, 0, 1) if self.batch_first else x

    def projected(self, query, key, value):
        """The three inputs times their weights; in one product where all are the same tensor."""
        if query.shape[-1] != self.embed_dim or key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"MultiheadAttention: was expecting embedding dimension of {self.embed_dim} and as many keys "
                f"as values, got query {tuple(query.shape)}, key {tuple(key.shape)} and value "
                f"{tuple(value.shape)}"
            )
        if query is key is value and self.in_proj_weight is not None:
            return chunk(F.linear(query, self.in_proj_weight, self.in_proj_bias), 3, -1)
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        weights = weights if self.in_proj_weight is None else chunk(self.in_proj_weight, 3)
        biases = (None,) * 3 if self.in_proj_bias is None else chunk(self.in_proj_bias, 3)
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def with_extra_keys(self, k, v):
        """Keys and values (S, N, embed_dim) with the learned and the zero one, and how many that adds."""
        size = (1, *k.shape[1:])
        keys, values = [k], [v]
        if self.bias_k is not None:
            keys.append(expand(self.bias_k, size))
            values.append(expand(self.bias_v, size))
        if self.add_zero_attn:
            keys.append(zeros(size, dtype=k.dtype))
            values.append(zeros(size, dtype=v.dtype))
        return (cat(keys), cat(values), len(keys) - 1) if len(keys) > 1 else (k, v, 0)

    def split_heads(self, x):
        """(L, N, embed_dim) -> (N, heads, L, head_dim)."""
        return reshape(x, *x.shape[:2], self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def merged_mask(self, attn_mask, key_padding_mask, length, keys, batch, dtype):
        """Both masks as one floating Tensor that broadcasts to (N, heads, L, S), or None."""
        mask = None
        if attn_mask is not None:
            if attn_mask.shape not in ((length, keys), (batch * self.num_heads, length, keys)):
                raise RuntimeError(
                    f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should "
                    f"be {(length, keys)} or {(batch * self.num_heads, length, keys)}."
                )
            mask = floating_mask(attn_mask, dtype)
            mask = reshape(mask, batch, self.num_heads, length, keys) if mask.ndim == 3 else mask
        if key_padding_mask is not None:
            if key_padding_mask.shape != (batch, keys):
                raise AssertionError(
                    f"expecting key_padding_mask shape of {(batch, keys)}, but got "
                    f"{tuple(key_padding_mask.shape)}"
                )
            padding = reshape(floating_mask(key_padding_mask, dtype), batch, 1, 1, keys)
            mask = padding if mask is None else mask + padding
        return mask


def floating_mask(mask, dtype):
    """A mask to be added to scores: a boolean one gives -inf where it is True."""
    if mask.dtype == boolean:
        return wrap(xp.where(mask.array, -math.inf, 0).astype(dtype))
    if mask.dtype.kind != "f":
        raise AssertionError(f"only bool and floating types of masks are supported, got {mask.dtype}")
    return mask
