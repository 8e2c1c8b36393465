"""Computes with PyTorch what `tests/test_elementwise.py` compares with: `python make_elementwise.py`.

Every case is a function of a library, `torch` or `minigrad`, and its tensors. Made with PyTorch 2.13.0 on an x86
processor; writes `elementwise.npz` next to this file.
"""

from pathlib import Path

import numpy as np

INF, NAN = float("inf"), float("nan")
POINTS = np.array([-INF, -2.5, -1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 30.0, INF, NAN])
A, B = map(np.array, zip(*[(a, b) for a in POINTS[::2] for b in POINTS[1::2]], *[(x, x) for x in POINTS]))
DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()

UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac log log10 log1p log2 neg reciprocal relu round "
    "rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc nan_to_num isnan isinf isfinite logical_not"
).split()
BINARY = (
    "add sub mul div pow atan2 fmod remainder hypot maximum minimum fmax fmin eq ne lt le gt ge logical_and "
    "logical_or logical_xor isclose"
).split()
NUMBERS = {  # functions of one tensor
    "add a number": lambda m, a: 2 + a,
    "subtract from a number": lambda m, a: 2.5 - a,
    "multiply a number": lambda m, a: 3 * a,
    "divide a number": lambda m, a: 2 / a,
    "divide by a number": lambda m, a: a / 3,
    "divide by zero": lambda m, a: a / 0,
    "divide a number, whole": lambda m, a: 7 // a.detach(),
    "divide by a number, whole": lambda m, a: a.detach() // 2,
    "remainder of a number": lambda m, a: 7 % a.detach(),
    "remainder by a number": lambda m, a: a % 1.5,
    "power of zero": lambda m, a: 0**a,
    "power of a number": lambda m, a: 2**a,
    **{f"power {n}": lambda m, a, n=n: a**n for n in (-2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4)},
    "round to decimals": lambda m, a: m.round(a * 1.2345, decimals=2),
    "round to tens": lambda m, a: m.round(a * 12.345, decimals=-1),
    "clamp": lambda m, a: m.clamp(a, -0.5, 1),
    "clamp below": lambda m, a: m.clamp_min(a, -0.5),
    "clamp above": lambda m, a: m.clamp_max(a, 1),
    "clamp to an empty range": lambda m, a: a.clamp(1, -0.5),
    "clamp to not a number": lambda m, a: a.clamp(NAN),
    "nan_to_num with values": lambda m, a: m.nan_to_num(a, nan=2.0, posinf=3.0, neginf=-3.0),
    "add with alpha": lambda m, a: m.add(a, 3, alpha=2),
    "compare with a number": lambda m, a: (a > 0.5) & (a != 1) | (1.5 <= a),
    "masked_fill": lambda m, a: m.masked_fill(a, a > 0.5, 7),
    "where number": lambda m, a: m.where(a > 0.5, a, 1),
}
SEVERAL = {  # functions of two tensors
    "sub with alpha": lambda m, a, b: m.sub(a, b, alpha=0.5),
    "floor_divide": lambda m, a, b: m.floor_divide(a.detach(), b.detach()),  # torch has no derivative
    "div floor": lambda m, a, b: m.div(a, b, rounding_mode="floor"),
    "div trunc": lambda m, a, b: m.div(a, b, rounding_mode="trunc"),
    "clamp with tensors": lambda m, a, b: m.clamp(a, b, b + 1),
    "clamp with tensors in disorder": lambda m, a, b: m.clamp(a, max=b, min=-b),
    "clamp below a tensor": lambda m, a, b: m.clamp(a, b),
    "clamp above a tensor": lambda m, a, b: m.clamp(a, max=b),
    "where": lambda m, a, b: m.where(a > b, a, b),
    "addcmul": lambda m, a, b: m.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda m, a, b: m.addcdiv(a, a, b * b + 1, value=2),
    "lerp": lambda m, a, b: m.lerp(a, b, 0.25),
    "lerp far": lambda m, a, b: m.lerp(a, b, 1.25),
    "lerp with a tensor": lambda m, a, b: m.lerp(a, b, a * b),
    "isclose with nan": lambda m, a, b: m.isclose(a, b * 1.001, rtol=0.01, equal_nan=True),
    "masked_fill of a tensor": lambda m, a, b: m.masked_fill(a, a > b, b[0]),
}


def cases():
    """Name: (function of a library and its tensors, NumPy arrays for them)."""
    found = {name: (lambda m, a, name=name: getattr(m, name)(a), (POINTS,)) for name in UNARY}
    found |= {name: (function, (POINTS,)) for name, function in NUMBERS.items()}
    found |= {name: (lambda m, a, b, name=name: getattr(m, name)(a, b), (A, B)) for name in BINARY}
    return found | {name: (function, (A, B)) for name, function in SEVERAL.items()}


def weights(shape):
    """Numbers of both signs that stand for an incoming gradient."""
    return (np.arange(np.prod(shape, dtype=int)) * 5 % 7 / 2 - 1.25).reshape(shape)


def derivatives(m, function, arrays):
    """[output, its gradients, the gradients of these]: zeros where nothing requires grad."""
    inputs = [m.tensor(a, requires_grad=True) for a in arrays]
    results = outputs = [function(m, *inputs)]
    for _ in range(2):
        outputs = [y for y in outputs if y.requires_grad]
        incoming = [m.tensor(weights(y.shape)) for y in outputs]
        options = {"create_graph": True, "materialize_grads": True}
        outputs = m.autograd.grad(outputs, inputs, incoming, **options) if outputs else map(m.zeros_like, inputs)
        outputs = list(outputs)
        results = results + outputs
    # a copy, as torch may stand for zeros with a tensor that has no memory
    return [m.empty(x.shape, dtype=x.dtype).copy_(x.detach()).numpy() for x in results]


def operands():
    """What type promotion depends on: (kind, dtype) of an operand; the kinds are a tensor, a 0-d tensor, a number."""
    return [(kind, dtype) for kind in ("tensor", "0-d") for dtype in DTYPES] + [
        ("number", dtype) for dtype in ("bool", "int64", "float64")
    ]


def make_operand(m, kind, dtype):
    if kind == "number":
        return {"bool": True, "int64": 1, "float64": 1.0}[dtype]
    return m.ones((2,) if kind == "tensor" else (), dtype=getattr(m, dtype))


PROMOTING = {
    "result_type": lambda m, a, b: m.result_type(a, b),
    "mul": lambda m, a, b: (a * b).dtype,
    "div": lambda m, a, b: (a / b).dtype,
    "pow": lambda m, a, b: (a ** (1 if b is True else b)).dtype,
    "remainder": lambda m, a, b: (a % b).dtype,
    "where": lambda m, a, b: m.where(m.tensor([True, False]), a, b).dtype,
}


def promotions(m, name):
    """The dtype of an operation for every pair of operands, as an index into DTYPES; -1 for an error."""
    table = []
    for a in operands():
        for b in operands():
            if a[0] == b[0] == "number":
                continue
            try:
                dtype = PROMOTING[name](m, make_operand(m, *a), make_operand(m, *b))
                table.append(DTYPES.index(str(dtype).split(".")[-1]))
            except RuntimeError:
                table.append(-1)
    return np.array(table, np.int8)


def main():
    import torch

    arrays = {}
    for name, (function, inputs) in cases().items():
        for i, array in enumerate(derivatives(torch, function, inputs)):
            arrays[f"{name}/{i}"] = array
    for name in PROMOTING:
        arrays[f"promotion/{name}"] = promotions(torch, name)
    np.savez_compressed(Path(__file__).with_name("elementwise.npz"), **arrays)


if __name__ == "__main__":
    main()
