"""Computes with PyTorch what `tests/test_attention.py` compares with: `python make_attention.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `attention.npz` next to this file.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity import array_of, derivatives, described, numbers, tuple_of  # noqa: E402  (found on the path of the line above)

Q, K, V = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 6, seed=2)
MASK = np.arange(15).reshape(3, 5) % 4 != 1
PRODUCTS = {  # functions of the library and query, key, value
    "plain": lambda m, F, q, k, v: F.scaled_dot_product_attention(q, k, v),
    "scale": lambda m, F, q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.3),
    "causal": lambda m, F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "bool mask": lambda m, F, q, k, v: F.scaled_dot_product_attention(q, k, v, m.tensor(MASK)),
    "blind query": lambda m, F, q, k, v: F.scaled_dot_product_attention(
        q, k, v, m.tensor(MASK * [[1], [0], [1]] > 0)
    ),
    "float mask": lambda m, F, q, k, v: F.scaled_dot_product_attention(q, k, v, q @ k.mT * 0.1),
    "heads": lambda m, F, q, k, v: F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0],
    "one": lambda m, F, q, k, v: F.scaled_dot_product_attention(q[0], k[0], v[0]),
}


def products():
    """Name: (function of a library and its tensors, NumPy arrays for them)."""
    return {
        name: (lambda m, q, k, v, function=function: function(m, m.nn.functional, q, k, v), (Q, K, V))
        for name, function in PRODUCTS.items()
    }


def layers():
    """Name: (function of nn and a dtype that makes the layer; shapes of its inputs; functions that make its masks)."""
    found = {}

    def add(name, make, shapes, training=True, **masks):
        found[name] = make, shapes, training, masks

    self_attention = [(4, 2, 8)]
    for training, need_weights in itertools.product((True, False), (True, False)):
        add(
            f"heads, training {training}, weights {need_weights}",
            lambda nn, dtype: nn.MultiheadAttention(8, 2, dropout=0.3, dtype=dtype),
            self_attention, training, need_weights=lambda m, need_weights=need_weights: need_weights,
        )  # fmt: skip
    add(
        "heads, causal and padded", lambda nn, dtype: nn.MultiheadAttention(8, 4, batch_first=True, dtype=dtype),
        [(2, 4, 8)],
        attn_mask=lambda m: m.ones(4, 4, dtype=m.bool).triu(1), average_attn_weights=lambda m: False,
        key_padding_mask=lambda m: m.tensor([[False, False, True, True], [False] * 4]),
    )  # fmt: skip
    add(
        "heads, a mask for each", lambda nn, dtype: nn.MultiheadAttention(8, 2, bias=False, dtype=dtype), [(4, 2, 8)],
        attn_mask=lambda m: m.tensor(numbers(4, 4, 4)), key_padding_mask=lambda m: m.tensor(numbers(2, 4)),
    )  # fmt: skip
    add(
        "heads, other keys",
        lambda nn, dtype: nn.MultiheadAttention(8, 2, dtype=dtype),
        [(3, 2, 8), (5, 2, 8)],
    )
    add(
        "heads, three inputs",
        lambda nn, dtype: nn.MultiheadAttention(8, 2, dtype=dtype),
        [(3, 2, 8), (5, 2, 8), (5, 2, 8)],
    )
    add(
        "heads, other sizes", lambda nn, dtype: nn.MultiheadAttention(8, 2, kdim=3, vdim=5, dropout=0.2, dtype=dtype),
        [(3, 2, 8), (5, 2, 3), (5, 2, 5)],
    )  # fmt: skip
    add(
        "heads, extra keys",
        lambda nn, dtype: nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, dtype=dtype),
        [(4, 2, 8)], attn_mask=lambda m: m.ones(4, 4, dtype=m.bool).triu(1),
        key_padding_mask=lambda m: m.tensor([[False, False, True, True], [False] * 4]),
    )  # fmt: skip
    add(
        "heads, no batch",
        lambda nn, dtype: nn.MultiheadAttention(8, 2, batch_first=True, dtype=dtype),
        [(4, 8)],
    )
    add(
        "heads, no batch, padded", lambda nn, dtype: nn.MultiheadAttention(8, 2, dtype=dtype), [(4, 8)],
        key_padding_mask=lambda m: m.tensor([False, False, True, False]),
        attn_mask=lambda m: m.tensor(numbers(2, 4, 4)) > 1.5,
    )  # fmt: skip
    for batch_first, norm_first in itertools.product((True, False), (True, False)):
        options = {"dim_feedforward": 6, "dropout": 0.2, "batch_first": batch_first, "norm_first": norm_first}
        options["bias"] = norm_first
        add(
            f"encoder layer, batch first {batch_first}, norm first {norm_first}",
            lambda nn, dtype, options=options: nn.TransformerEncoderLayer(
                8, 2, activation="gelu", dtype=dtype, **options
            ),
            [(4, 2, 8)],
        )
        add(
            f"decoder layer, batch first {batch_first}, norm first {norm_first}",
            lambda nn, dtype, options=options: nn.TransformerDecoderLayer(8, 2, dtype=dtype, **options),
            [(4, 2, 8), (4, 2, 8)],
        )
    add(
        "encoder",
        lambda nn, dtype: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 6, 0.1, nn.functional.silu, batch_first=True, dtype=dtype), 2,
            nn.LayerNorm(8, dtype=dtype),
        ),
        [(2, 4, 8)], mask=lambda m: m.ones(4, 4, dtype=m.bool).triu(1), is_causal=lambda m: True,
        src_key_padding_mask=lambda m: m.tensor([[False, False, True, True], [False] * 4]),
    )  # fmt: skip
    add(
        "decoder", lambda nn, dtype: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 6, 0.0, dtype=dtype), 2),
        [(3, 2, 8), (4, 2, 8)], training=False, tgt_mask=lambda m: m.ones(3, 3, dtype=m.bool).triu(1),
        memory_key_padding_mask=lambda m: m.tensor([[False, False, True, True], [False] * 4]),
    )  # fmt: skip
    return found


def run(m, make, shapes, training, masks, dtype="float64"):
    """The layer; its outputs and the gradients of inputs and parameters."""
    m.manual_seed(6)
    layer = make(m.nn, getattr(m, dtype)).train(training)
    inputs = [
        m.tensor(numbers(*s, seed=i), dtype=getattr(m, dtype), requires_grad=True)
        for i, s in enumerate(shapes)
    ]
    arguments = inputs
    if type(layer).__name__ == "MultiheadAttention":  # the last of what is given is also all that is not
        arguments = inputs + inputs[-1:] * (3 - len(inputs))
    masks = {name: mask(m) for name, mask in masks.items()}
    masks = {
        name: mask.to(getattr(m, dtype))
        if hasattr(mask, "is_floating_point") and mask.is_floating_point()
        else mask
        for name, mask in masks.items()
    }
    m.manual_seed(7)
    outputs = [y for y in tuple_of(layer(*arguments, **masks)) if y is not None]
    loss = sum((y * y.detach().cos() + y * y * y).sum() for y in outputs)
    gradients = m.autograd.grad(loss, [*inputs, *layer.parameters()])
    return layer, [array_of(t) for t in (*outputs, *gradients)]


def main():
    import torch

    arrays = {}
    for name, (function, inputs) in products().items():
        for i, array in enumerate(derivatives(torch, function, inputs)):
            arrays[f"{name}/{i}"] = array
    for name, case in layers().items():
        layer, results = run(torch, *case)
        state = [array_of(tensor) for tensor in layer.state_dict().values()]
        shapes, arrays[f"{name}/numbers"] = described(state + results)
        arrays[f"{name}/text"] = np.array([str(layer), " ".join(layer.state_dict()), shapes])
    np.savez_compressed(Path(__file__).with_name("attention.npz"), **arrays)


if __name__ == "__main__":
    main()
