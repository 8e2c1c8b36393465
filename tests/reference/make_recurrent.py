"""Computes with PyTorch what `tests/test_recurrent.py` compares with: `python make_recurrent.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `recurrent.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity import array_of, described, numbers  # noqa: E402  (found on the path of the line above)

LAYERS = ("RNN", "LSTM", "GRU")
OPTIONS = {  # options of the layer, shape of the input, whether starting states are given
    "plain": ({}, (5, 2, 3), False),
    "with states": ({}, (5, 2, 3), True),
    "one step": ({}, (1, 2, 3), True),
    "batch first": ({"batch_first": True}, (2, 5, 3), True),
    "without a batch": ({"batch_first": True}, (5, 3), False),
    "without a batch, with states": ({}, (5, 3), True),
    "without bias": ({"bias": False}, (5, 2, 3), False),
    "two layers": ({"num_layers": 2}, (5, 2, 3), True),
    "both directions": ({"bidirectional": True}, (5, 2, 3), True),
    "everything": (
        {"num_layers": 3, "bidirectional": True, "dropout": 0.4, "batch_first": True, "bias": False}, (2, 5, 3), True
    ),
    "empty batch": ({}, (5, 0, 3), False),
    "wide": ({"num_layers": 2, "dropout": 0.1, "bidirectional": True}, (9, 4, 3), False),
}  # fmt: skip


def cases():
    """Name: (name of the layer, its options, shape of the input, whether states are given)."""
    found = {f"{layer} {name}": (layer, *case) for name, case in OPTIONS.items() for layer in LAYERS}
    found["RNN relu"] = (
        "RNN",
        {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True},
        (5, 2, 3),
        True,
    )
    for layer in LAYERS:
        for name, shape, given in (
            ("", (2, 3), True),
            (" of zeros", (2, 3), False),
            (" without a batch", (3,), True),
        ):
            found[f"{layer}Cell{name}"] = f"{layer}Cell", {}, shape, given
        found[f"{layer}Cell without bias"] = f"{layer}Cell", {"bias": False}, (2, 3), True
    found["RNNCell relu"] = "RNNCell", {"nonlinearity": "relu"}, (2, 3), True
    return found


def run(m, layer, options, shape, given, dtype="float64"):
    """The module; outputs, states, and the gradients of inputs, states and weights."""
    m.manual_seed(4)
    module = getattr(m.nn, layer)(3, 4, **options, dtype=getattr(m, dtype))
    x = m.tensor(numbers(*shape), dtype=getattr(m, dtype), requires_grad=True)
    inputs, arguments = [x], [x]
    if given:
        batch = (
            shape[:-1]
            if "Cell" in layer
            else (shape[0 if options.get("batch_first") else 1],)
            if len(shape) == 3
            else ()
        )
        size = (*batch, 4)
        if "Cell" not in layer:
            size = (options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1), *size)
        states = [
            m.tensor(numbers(*size, seed=i), dtype=x.dtype, requires_grad=True)
            for i in range(1 + ("LSTM" in layer))
        ]
        inputs += states
        arguments.append(tuple(states) if len(states) > 1 else states[0])
    m.manual_seed(5)
    results = module(*arguments)
    flat = []
    for result in results if isinstance(results, tuple) else (results,):
        flat += result if isinstance(result, tuple) else (result,)
    loss = sum((y * y.detach().cos() + y * y * y).sum() for y in flat)
    gradients = m.autograd.grad(loss, [*inputs, *module.parameters()])
    return module, [array_of(t) for t in (*flat, *gradients)]


def main():
    import torch

    arrays = {}
    for name, case in cases().items():
        module, results = run(torch, *case)
        state = [array_of(tensor) for tensor in module.state_dict().values()]
        shapes, arrays[f"{name}/numbers"] = described(state + results)
        arrays[f"{name}/text"] = np.array([str(module), " ".join(module.state_dict()), shapes])
    np.savez_compressed(Path(__file__).with_name("recurrent.npz"), **arrays)


if __name__ == "__main__":
    main()
