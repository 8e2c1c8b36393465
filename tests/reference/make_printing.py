"""Prints with PyTorch what `tests/test_printing.py` compares with: `python make_printing.py`.

A case is a function of a library, `torch` or `minigrad`, that returns what is printed; some have print
options. Made with PyTorch 2.13.0; writes `printing.json`, the lines of every text by name, next to this file.
"""

import json
import math
from pathlib import Path

import numpy as np

INF, NAN = math.inf, math.nan


def wave(*shape, scale=1.0, digits=None):
    """Numbers of both signs, the same everywhere."""
    x = np.sin(12.9898 * np.arange(math.prod(shape))).reshape(shape) * scale
    return x if digits is None else x.round(digits)


def single(m, *shape, **rule):
    return m.from_numpy(wave(*shape, **rule).astype(np.float32))


def leaf(m, *shape, **rule):
    return single(m, *shape, **rule).requires_grad_()


def at_every_width(m, tensor):
    """Texts with two notes behind the numbers; sooner or later each of them goes to a line of its own."""
    texts = []
    for width in range(15, 65):
        m.set_printoptions(edgeitems=0, linewidth=width)
        texts.append(str(tensor))
    return "\n".join(texts)


CASES = {
    "number": lambda m: m.tensor(3.14159),
    "whole number": lambda m: m.tensor(3.0),
    "negative zero": lambda m: m.tensor([-0.0, 0.0]),
    "integer": lambda m: m.tensor(-7),
    "truth": lambda m: m.tensor(True),
    "small number": lambda m: m.tensor(0.00012),
    "tiny number": lambda m: m.tensor(0.000012),
    "large number": lambda m: m.tensor(123456789.0),
    "number below 1e8": lambda m: m.tensor([12345678.5, 3e7], dtype=m.float64),
    "1e8": lambda m: m.tensor([1e8, 5e7]),
    "huge number": lambda m: m.tensor(1e30),
    "not a number": lambda m: m.tensor(NAN),
    "vector": lambda m: m.tensor([0.5, -1.25, 3.0]),
    "whole vector": lambda m: m.tensor([1.0, -20.0, 300.0]),
    "three decades": lambda m: m.tensor([1.0, 1000.0, 0.5]),
    "more than three decades": lambda m: m.tensor([1.0, 1001.5, 0.5]),
    "whole, more than three decades": lambda m: m.tensor([1.0, 10000.0]),
    "whole and infinite": lambda m: m.tensor([1.0, INF, -INF, NAN]),
    "infinite and not a number": lambda m: m.tensor([INF, NAN, -INF]),
    "numbers and infinite": lambda m: m.tensor([0.5, INF, -INF, NAN, 0.0]),
    "scientific and infinite": lambda m: m.tensor([1e-6, INF, -INF, NAN, 0.0]),
    "zeros": lambda m: m.zeros(2, 3),
    "integers": lambda m: m.tensor([[1, -20, 300], [4, 5, 6]]),
    "truths": lambda m: m.tensor([[True, False], [False, True]]),
    "bytes": lambda m: m.tensor([1, 255], dtype=m.uint8),
    "int32": lambda m: m.tensor([1, -2], dtype=m.int32),
    "float64": lambda m: m.tensor([1.5, 2.5], dtype=m.float64),
    "float16": lambda m: m.tensor([1.5, 2.001], dtype=m.float16),
    "empty": lambda m: m.tensor([]),
    "empty matrix": lambda m: m.zeros(0, 3),
    "empty integers": lambda m: m.zeros(2, 0, dtype=m.int64),
    "empty truths": lambda m: m.zeros(0, dtype=m.bool),
    "empty doubles": lambda m: m.zeros(3, 0, 2, dtype=m.float64),
    "matrix": lambda m: single(m, 3, 4),
    "matrix of large numbers": lambda m: single(m, 3, 4, scale=1e6),
    "matrix of whole numbers": lambda m: single(m, 3, 4, scale=90, digits=0),
    "long vector": lambda m: single(m, 50),
    "long vector of integers": lambda m: m.arange(100),
    "rows longer than a line": lambda m: single(m, 3, 27),
    "three dimensions": lambda m: single(m, 2, 3, 4),
    "four dimensions": lambda m: single(m, 2, 2, 2, 3),
    "six dimensions": lambda m: single(m, 1, 2, 1, 2, 1, 2),
    "five dimensions of size 1": lambda m: single(m, 1, 1, 1, 1, 1),
    "transposed": lambda m: single(m, 3, 4).T,
    "1000 numbers": lambda m: m.arange(1000) % 10,
    "1001 numbers": lambda m: m.arange(1001) % 10,
    "summary of integers": lambda m: m.arange(100000).view(100, 1000),
    "summary of a matrix": lambda m: single(m, 100, 27),
    "summary of few rows": lambda m: single(m, 3, 500),
    "summary of few columns": lambda m: single(m, 500, 3),
    "summary of images": lambda m: single(m, 20, 2, 28, 28),
    "summary that hides a large number": lambda m: (
        single(m, 2000) + m.tensor([*[0.0] * 1000, 1e9, *[0.0] * 999])
    ),
    "summary of truths": lambda m: m.arange(2000) % 3 == 0,
    "leaf": lambda m: leaf(m, 3),
    "leaf, float64": lambda m: leaf(m, 3).double().detach().requires_grad_(),
    "leaf of many rows": lambda m: leaf(m, 4, 3),
    "leaf, no room on the line": lambda m: leaf(m, 7),
    "empty leaf": lambda m: m.zeros(0, requires_grad=True),
    "result": lambda m: leaf(m, 3) * 2,
    "result, float64": lambda m: leaf(m, 2).double() * 2,
    "loss": lambda m: (leaf(m, 3, 4) ** 2).mean(),
    "result, no room on the line": lambda m: leaf(m, 7).tanh(),
    "summary of a result": lambda m: leaf(m, 2000).tanh(),
    "parameter": lambda m: m.nn.Parameter(single(m, 2, 3)),
    "frozen parameter": lambda m: m.nn.Parameter(single(m, 3), requires_grad=False),
    "in a list": lambda m: [m.tensor(1), m.tensor([1.5])],
    "in a dict": lambda m: {"weight": single(m, 2, 2)},
    "shape": lambda m: m.zeros(2, 3).shape,
    "shape of a number": lambda m: m.tensor(1).shape,
    "named result": lambda m: m.tensor([[3.0, 5.0, 4.0]]).max(1).values,
    "notes at every width": lambda m: at_every_width(m, leaf(m, 5)),
    "storage": lambda m: m.arange(3.0).untyped_storage(),
}
OPTIONS = {
    "2 digits": (lambda m: single(m, 3), {"precision": 2}),
    "no digits": (lambda m: single(m, 3, scale=100), {"precision": 0}),
    "10 digits": (lambda m: m.tensor([1.0 / 3, 2.0], dtype=m.float64), {"precision": 10}),
    "scientific": (lambda m: single(m, 2, 3), {"sci_mode": True}),
    "never scientific": (lambda m: m.tensor([1e-6, 1.0, 1e6]), {"sci_mode": False}),
    "scientific, whole": (lambda m: m.tensor([1.0, 2.0]), {"sci_mode": True}),
    "scientific, zeros": (lambda m: m.zeros(2), {"sci_mode": True}),
    "narrow": (lambda m: leaf(m, 2, 9), {"linewidth": 40}),
    "wide": (lambda m: leaf(m, 2, 27), {"linewidth": 200}),
    "narrower than a number": (lambda m: leaf(m, 3), {"linewidth": 5}),
    "low threshold": (lambda m: m.arange(20), {"threshold": 10}),
    "one item at the edges": (lambda m: m.arange(100).view(10, 10), {"threshold": 10, "edgeitems": 1}),
    "nothing at the edges": (lambda m: m.arange(100).view(10, 10), {"threshold": 10, "edgeitems": 0}),
    "nothing at the edges of a vector": (lambda m: single(m, 100), {"threshold": 10, "edgeitems": 0}),
    "short profile": (lambda m: single(m, 50, 50), {"profile": "short"}),
    "full profile": (lambda m: m.arange(1001) % 10, {"profile": "full"}),
    "profile, then digits": (lambda m: single(m, 50, 50), {"profile": "short", "precision": 3}),
}


def printed(m, name):
    """What `print` shows of a case."""
    make, options = OPTIONS[name] if name in OPTIONS else (CASES[name], {})
    m.set_printoptions(**options)
    try:
        return str(make(m)).replace("torch.", "minigrad.")
    finally:
        m.set_printoptions(profile="default")


if __name__ == "__main__":
    import torch

    texts = {name: printed(torch, name).split("\n") for name in (*CASES, *OPTIONS)}
    Path(__file__).with_name("printing.json").write_text(json.dumps(texts, indent=1) + "\n")
