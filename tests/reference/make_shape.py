"""Computes with PyTorch what `tests/test_shape.py` compares with: `python make_shape.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `shape.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

X, MATRIX, LINE, NUMBER = numbers(2, 3, 4), numbers(3, 4), numbers(5), np.array(0.7)
COLUMN, NONE = numbers(3, 1), np.zeros((0, 3))

# ------------------------------------------------------------------------------------------- views of one tensor

VIEWS = {  # name: (function of a tensor that gives a view, shape)
    "view": (lambda m, x: x.view(4, -1), (2, 3, 4)),
    "view of a tuple": (lambda m, x: x.view((6, 4)), (2, 3, 4)),
    "view as a number": (lambda m, x: x.view(()), (1, 1)),
    "view of no elements": (lambda m, x: x.view(3, -1, 3), (0, 3)),
    "view of slices": (lambda m, x: x[:, 1:].view(2, 8), (2, 3, 4)),
    "view_as": (lambda m, x: x.view_as(m.zeros(8, 3)), (2, 3, 4)),
    "reshape": (lambda m, x: m.reshape(x, (3, 8)), (2, 3, 4)),
    "reshape by name": (lambda m, x: x.reshape(shape=(-1,)), (2, 3, 4)),
    "ravel": (lambda m, x: x.ravel(), (2, 3, 4)),
    "flatten": (lambda m, x: x.flatten(1), (2, 3, 4)),
    "flatten ends": (lambda m, x: m.flatten(x, start_dim=-3, end_dim=-2), (2, 3, 4)),
    "flatten a number": (lambda m, x: x.flatten(), ()),
    "unflatten": (lambda m, x: x.unflatten(-1, (2, -1)), (2, 3, 4)),
    "unflatten by function": (lambda m, x: m.unflatten(x, 1, [3, 1]), (2, 3, 4)),
    "squeeze": (lambda m, x: x.squeeze(), (1, 3, 1)),
    "squeeze dim": (lambda m, x: x.squeeze(-1), (1, 3, 1)),
    "squeeze dims": (lambda m, x: m.squeeze(x, (0, 1)), (1, 3, 1)),
    "squeeze a number": (lambda m, x: x.squeeze(0), ()),
    "unsqueeze": (lambda m, x: x.unsqueeze(1), (2, 3)),
    "unsqueeze last": (lambda m, x: m.unsqueeze(x, -1), ()),
    "transpose": (lambda m, x: x.transpose(0, -1), (2, 3, 4)),
    "transpose a number": (lambda m, x: x.transpose(0, -1), ()),
    "swapaxes": (lambda m, x: x.swapaxes(0, 1), (2, 3, 4)),
    "swapdims": (lambda m, x: m.swapdims(x, 0, 1), (2, 3, 4)),
    "permute": (lambda m, x: x.permute(2, 0, -2), (2, 3, 4)),
    "permute by name": (lambda m, x: m.permute(x, dims=(1, 2, 0)), (2, 3, 4)),
    "movedim": (lambda m, x: x.movedim(0, 2), (2, 3, 4)),
    "movedim several": (lambda m, x: m.movedim(x, (0, 1), (-1, 0)), (2, 3, 4)),
    "moveaxis": (lambda m, x: x.moveaxis(-1, 0), (2, 3, 4)),
    "t": (lambda m, x: x.t(), (2, 3)),
    "t of a vector": (lambda m, x: m.t(x), (3,)),
    "T": (lambda m, x: x.T, (2, 3)),
    "mT": (lambda m, x: x.mT, (2, 3, 4)),
    "expand": (lambda m, x: x.expand(2, -1, 1), (3, 1)),
    "diagonal": (lambda m, x: x.diagonal(), (3, 4)),
    "diagonal above": (lambda m, x: m.diagonal(x, 1, 0, 2), (2, 3, 4)),
    "diagonal below": (lambda m, x: x.diagonal(offset=-1, dim1=-1, dim2=0), (2, 3, 4)),
    "diagonal outside": (lambda m, x: x.diagonal(7), (2, 3)),
    "split": (lambda m, x: x.split(2, 1)[1], (2, 3, 4)),
    "chunk": (lambda m, x: x.chunk(2, dim=-1)[0], (2, 3, 4)),
    "unbind": (lambda m, x: x.unbind(1)[2], (2, 3, 4)),
    "tensor_split": (lambda m, x: x.tensor_split((1, 2), 2)[1], (2, 3, 4)),
    "slices": (lambda m, x: x[:, 1:, ::2], (2, 3, 4)),
    "view of a view": (lambda m, x: x.transpose(0, 2)[1:].mT.unsqueeze(0), (2, 3, 4)),
}  # fmt: skip
SHARED = ("split", "chunk", "unbind", "tensor_split")  # torch lets only views that stand alone be written to
STRETCHED = ("expand",)


def written(function):
    """A view of a tensor changed in place, the tensor used before and after, and another view of it."""

    def through(m, x):
        base = (x * 2).contiguous()
        before = base * 1
        view = function(m, base)
        view.mul_(3)
        view += 1
        return base, before, view * base.sum(), base.flatten()

    return through


DERIVATIVES = {}
for name, (function, shape) in VIEWS.items():
    DERIVATIVES[name] = (lambda m, x, function=function: function(m, x.contiguous())), (numbers(*shape),)
    if name not in SHARED + STRETCHED:
        DERIVATIVES[f"{name} written to"] = written(function), (numbers(*shape),)

# --------------------------------------------------------------------------- copies, joining, cutting, repeating

DERIVATIVES |= {
    "view then contiguous": (lambda m, x: x.transpose(0, 1).contiguous().view(-1), (MATRIX,)),
    "reshape of a transposed": (lambda m, x: x.transpose(0, 1).reshape(2, 6), (MATRIX,)),
    "clone": (lambda m, x: x.t().clone(), (MATRIX,)),
    "expand_as": (lambda m, x: x.expand_as(m.zeros(2, 3, 4)), (COLUMN,)),
    "expand to none": (lambda m, x: x.expand(0, 3, 2), (COLUMN,)),
    "expand a number": (lambda m, x: x.expand(2, 3), (NUMBER,)),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (2, 3, 4)), (COLUMN,)),
    "broadcast_tensors": (lambda m, x, y: m.broadcast_tensors(x, y), (COLUMN, numbers(2, 1, 4))),
    "meshgrid": (lambda m, x, y: m.meshgrid(x, y, indexing="ij"), (LINE, numbers(2))),
    "meshgrid of three, xy": (lambda m, *xs: m.meshgrid(*xs, indexing="xy"), (LINE, numbers(2), NUMBER)),
    "diag of a vector": (lambda m, x: x.diag(-1), (LINE,)),
    "diag of a matrix": (lambda m, x: m.diag(x, 1), (MATRIX,)),
    "diag_embed": (lambda m, x: m.diag_embed(x, 1, 0, 2), (MATRIX,)),
    "diag_embed last": (lambda m, x: x.diag_embed(), (MATRIX,)),
    "trace": (lambda m, x: x.trace(), (MATRIX,)),
    "tril": (lambda m, x: x.tril(), (X,)),
    "tril above": (lambda m, x: m.tril(x, 1), (MATRIX,)),
    "triu below": (lambda m, x: x.triu(diagonal=-1), (MATRIX,)),
    "tril in place": (lambda m, x: (x * 1).tril_(-1), (MATRIX,)),
    "cat": (lambda m, x, y: m.cat([x, y, x], 1), (MATRIX, numbers(3, 2))),
    "cat along the last": (lambda m, x, y: m.cat((x, y), dim=-2), (MATRIX, numbers(1, 4))),
    "cat numpy's name": (lambda m, x: m.cat([x, x], axis=1), (MATRIX,)),
    "cat and one of no elements": (lambda m, x, y: m.cat([x, y]), (MATRIX, np.zeros((0, 4)))),
    "cat and a vector of no elements": (lambda m, x: m.cat([x, m.zeros(0)], 1), (MATRIX,)),
    "concat": (lambda m, x: m.concat([x[1:], x]), (MATRIX,)),
    "stack": (lambda m, x, y: m.stack([x, y], 1), (MATRIX, MATRIX + 1)),
    "stack last": (lambda m, x: m.stack((x, x, x * 2), dim=-1), (MATRIX,)),
    "stack numbers": (lambda m, x: m.stack([x, x * x]), (NUMBER,)),
    "hstack": (lambda m, x, y: m.hstack([x, y]), (MATRIX, numbers(3, 1))),
    "hstack of vectors": (lambda m, x, y: m.hstack((x, y)), (LINE, NUMBER)),
    "vstack": (lambda m, x, y: m.vstack([x, y]), (MATRIX, numbers(4))),
    "vstack of numbers": (lambda m, x: m.vstack([x, x]), (NUMBER,)),
    "split all": (lambda m, x: x.split(3, 2), (X,)),
    "split used in part": (lambda m, x: (x.split([1, 0, 2], 1)[2], x.split(2)[0] * 2), (X,)),
    "split of nothing": (lambda m, x: x.split(2), (NONE,)),
    "chunk all": (lambda m, x: m.chunk(x, 3, 2), (X,)),
    "chunk of nothing": (lambda m, x: x.chunk(2), (NONE,)),
    "chunk products": (lambda m, x: (lambda a, b: a * b.tanh() + x[:, :2])(*x.chunk(2, 1)), (MATRIX,)),
    "tensor_split all": (lambda m, x: m.tensor_split(x, 3, -1), (X,)),
    "tensor_split overlapping": (lambda m, x: x.tensor_split((3, 1), 2), (X,)),
    "tensor_split from the end": (lambda m, x: x.tensor_split((-1, 9), 1), (X,)),
    "unbind all": (lambda m, x: x.unbind(-1), (X,)),
    "unbind in part": (lambda m, x: [row * row for row in m.unbind(x)[1:]], (MATRIX,)),
    "iterate": (lambda m, x: [row.sum() * row for row in x], (MATRIX,)),
    "repeat": (lambda m, x: x.repeat(2, 1, 3), (MATRIX,)),
    "repeat once": (lambda m, x: x.repeat(1, 1), (MATRIX,)),
    "repeat never": (lambda m, x: x.repeat(0, 2), (MATRIX,)),
    "repeat a number": (lambda m, x: x.repeat(3), (NUMBER,)),
    "tile": (lambda m, x: x.tile(2), (MATRIX,)),
    "tile by name": (lambda m, x: m.tile(x, dims=(2, 1, 2)), (MATRIX,)),
    "repeat_interleave": (lambda m, x: x.repeat_interleave(2), (MATRIX,)),
    "repeat_interleave dim": (
        lambda m, x: m.repeat_interleave(x, m.tensor([1, 0, 2]), dim=0, output_size=3), (MATRIX,)
    ),
    "repeat_interleave as often": (lambda m, x: x.repeat_interleave(m.tensor([2]), dim=-1), (MATRIX,)),
    "flip": (lambda m, x: x.flip(0, -1), (X,)),
    "flip by name": (lambda m, x: m.flip(x, dims=[1]), (X,)),
    "flip nothing": (lambda m, x: x.flip(()), (X,)),
    "roll": (lambda m, x: x.roll(1), (MATRIX,)),
    "roll dims": (lambda m, x: m.roll(x, (1, -2), dims=(0, 1)), (MATRIX,)),
    "roll far": (lambda m, x: x.roll(-7, 1), (MATRIX,)),
    "rot90": (lambda m, x: [x.rot90(k) for k in (0, 1, 2, 3, 5)], (MATRIX,)),
    "rot90 back": (lambda m, x: m.rot90(x, -1, (2, 0)), (X,)),
}  # fmt: skip

# --------------------------------------------------------------------------- values that have no derivative, and dtypes

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()


def counting(m, *shape, dtype="int64"):
    return m.arange(int(np.prod(shape))).reshape(shape).to(getattr(m, dtype))


def joined(m, join):
    """Two dtypes at a time."""
    return [join([counting(m, 2, 3, dtype=a), counting(m, 2, 3, dtype=b)]) for a in DTYPES for b in DTYPES]


VALUES = {
    "cat dtypes": lambda m: joined(m, m.cat),
    "stack dtypes": lambda m: joined(m, m.stack),
    "cat of nothing": lambda m: [m.cat([m.tensor([]), m.tensor([])]), m.cat([m.zeros(0, 3), m.zeros(0, 3)], 1)],
    "dtypes": lambda m: [
        f(counting(m, 3, 3, dtype=d))
        for d in DTYPES
        for f in (m.tril, m.triu, m.diag, m.ravel, lambda x: x.flip(0), lambda x: x.roll(1), lambda x: x.repeat(2, 1))
    ],
    "trace dtypes": lambda m: [m.trace(counting(m, 3, 3, dtype=d)) for d in DTYPES[1:-1]],
    "view as another dtype": lambda m: [
        m.tensor([[1.5, -2.0], [0.0, 1e30]]).view(getattr(m, d))
        for d in ("int32", "int16", "uint8", "float64", "float32")
    ],
    "view as bytes and back": lambda m: counting(m, 2, 3, dtype="int32").view(m.uint8).view(m.int32),
    "repeat_interleave indices": lambda m: m.repeat_interleave(m.tensor([1, 2, 0, 3])),
    "unbind of nothing": lambda m: [len(m.zeros(0, 3).unbind()), len(m.zeros(3, 0).unbind())],
    "chunk fewer": lambda m: [len(m.zeros(6).chunk(4)), len(m.zeros(0, 2).chunk(3)), len(m.zeros(2).chunk(9))],
    "split of nothing": lambda m: [m.zeros(0).split(2), m.zeros(0).split(0), m.zeros(2).split([0, 2, 0])],
    "T of more": lambda m: counting(m, 2, 2).T,
    "strides": lambda m: [
        m.zeros(2, 3, 4).transpose(0, 2).stride(), m.zeros(2, 3).t().stride(0), m.zeros(4, 1).expand(4, 3).stride(),
        m.zeros(2, 3, 4).flatten(1).stride(), m.zeros(3, 3).diagonal().stride(),
    ],
    "contiguous": lambda m: [m.zeros(2, 3).t().is_contiguous(), m.zeros(2, 3).t().contiguous().is_contiguous()],
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- errors


def x(m):
    return m.zeros(2, 3, 4)


def matrix(m):
    return m.zeros(2, 3)


ERRORS = {
    "view of a wrong size": lambda m: x(m).view(-1, 30),
    "view with two unknown": lambda m: x(m).view(-1, -1),
    "view with a negative size": lambda m: x(m).view(-2, 3),
    "view does not fit": lambda m: x(m).view(5, 5),
    "view ambiguous": lambda m: m.zeros(0, 3).view(-1, 0),
    "view without sizes": lambda m: x(m).view(),
    "view of floats": lambda m: x(m).view(2.0, 12),
    "view needs a copy": lambda m: x(m).transpose(0, 1).view(-1),
    "view dtype not contiguous": lambda m: x(m).transpose(0, 2).view(m.float64),
    "view dtype does not divide": lambda m: matrix(m).view(m.float64),
    "view_as": lambda m: x(m).view_as(m.zeros(5)),
    "reshape does not fit": lambda m: x(m).reshape(5, 5),
    "reshape with a negative size": lambda m: x(m).reshape(-3, -8),
    "unflatten does not divide": lambda m: x(m).unflatten(-1, (3, -1)),
    "unflatten does not fit": lambda m: x(m).unflatten(-1, (3, 2)),
    "unflatten into nothing": lambda m: x(m).unflatten(-1, ()),
    "flatten ends": lambda m: x(m).flatten(1, 0),
    "flatten dim": lambda m: x(m).flatten(1, 5),
    "squeeze dim": lambda m: x(m).squeeze(3),
    "squeeze dim of a number": lambda m: m.tensor(1.0).squeeze(1),
    "squeeze dim twice": lambda m: x(m).squeeze((0, 0)),
    "unsqueeze dim": lambda m: x(m).unsqueeze(4),
    "unsqueeze dim of a number": lambda m: m.tensor(1.0).unsqueeze(1),
    "t of three dimensions": lambda m: x(m).t(),
    "mT of a vector": lambda m: m.zeros(3).mT,
    "transpose dim": lambda m: x(m).transpose(0, 3),
    "permute too few": lambda m: x(m).permute(0, 1),
    "permute twice": lambda m: x(m).permute(0, 0, 1),
    "permute dim": lambda m: x(m).permute(0, 1, 3),
    "movedim counts": lambda m: x(m).movedim((0, 1), (2,)),
    "movedim twice": lambda m: x(m).movedim((0, 0), (1, 2)),
    "movedim dim": lambda m: x(m).movedim(0, 3),
    "expand a new dim by -1": lambda m: matrix(m).expand(-1, 2, 3),
    "expand what is not 1": lambda m: matrix(m).expand(3, 3),
    "expand to fewer": lambda m: matrix(m).expand(3),
    "expand negative": lambda m: matrix(m).expand(-2, 3),
    "broadcast_tensors": lambda m: m.broadcast_tensors(matrix(m), m.zeros(4)),
    "meshgrid of a matrix": lambda m: m.meshgrid(matrix(m), indexing="ij"),
    "meshgrid indexing": lambda m: m.meshgrid(m.zeros(1), m.zeros(1), indexing="ab"),
    "meshgrid dtypes": lambda m: m.meshgrid(m.zeros(1), m.arange(1), indexing="ij"),
    "diag of three dimensions": lambda m: m.diag(x(m)),
    "diagonal of one dim": lambda m: x(m).diagonal(0, 1, 1),
    "diagonal dim": lambda m: x(m).diagonal(0, 1, 3),
    "diag_embed of one dim": lambda m: m.diag_embed(matrix(m), 0, 1, 1),
    "trace of three dimensions": lambda m: m.trace(x(m)),
    "tril of a vector": lambda m: m.zeros(3).tril(),
    "cat of none": lambda m: m.cat([]),
    "cat of one tensor": lambda m: m.cat(matrix(m)),
    "cat of numbers": lambda m: m.cat([m.tensor(1.0), m.tensor(2.0)]),
    "cat of ranks": lambda m: m.cat([matrix(m), x(m)]),
    "cat of sizes": lambda m: m.cat([matrix(m), m.zeros(2, 2)]),
    "cat with a number": lambda m: m.cat([matrix(m), 2]),
    "cat dim": lambda m: m.cat([matrix(m), matrix(m)], 2),
    "stack of none": lambda m: m.stack([]),
    "stack of sizes": lambda m: m.stack([matrix(m), x(m)]),
    "stack with a number": lambda m: m.stack([matrix(m), 2]),
    "stack dim": lambda m: m.stack([matrix(m)], 3),
    "split by 0": lambda m: x(m).split(0),
    "split negative": lambda m: x(m).split(-1),
    "split sizes": lambda m: x(m).split([1, 1], 1),
    "split negative size": lambda m: x(m).split([4, -1], 1),
    "split a number": lambda m: m.tensor(1.0).split(1),
    "split dim": lambda m: x(m).split(1, 3),
    "chunk 0": lambda m: x(m).chunk(0),
    "chunk a number": lambda m: m.tensor(1.0).chunk(1),
    "chunk by a float": lambda m: x(m).chunk(2.0),
    "tensor_split 0": lambda m: x(m).tensor_split(0),
    "tensor_split a number": lambda m: m.tensor(1.0).tensor_split(1),
    "unbind a number": lambda m: m.tensor(1.0).unbind(),
    "unbind dim": lambda m: x(m).unbind(3),
    "repeat too few": lambda m: matrix(m).repeat(2),
    "repeat negative": lambda m: matrix(m).repeat(-1, 2),
    "repeat_interleave counts": lambda m: matrix(m).repeat_interleave(m.tensor([1, 2, 0]), dim=0),
    "repeat_interleave negative": lambda m: matrix(m).repeat_interleave(-1, dim=1),
    "repeat_interleave floats": lambda m: matrix(m).repeat_interleave(m.tensor([1.0, 2, 0]), dim=1),
    "repeat_interleave size": lambda m: matrix(m).repeat_interleave(2, dim=1, output_size=5),
    "flip without dims": lambda m: matrix(m).flip(),
    "flip twice": lambda m: matrix(m).flip(0, 0),
    "flip dim": lambda m: matrix(m).flip(2),
    "roll without dims": lambda m: matrix(m).roll((1, 2)),
    "roll counts": lambda m: matrix(m).roll((1, 2), 0),
    "rot90 in one dim": lambda m: matrix(m).rot90(1, (0, 0)),
    "rot90 dims": lambda m: matrix(m).rot90(1, (0,)),
    "rot90 of a vector": lambda m: m.zeros(3).rot90(),
}

if __name__ == "__main__":
    store("shape", DERIVATIVES, VALUES, ERRORS)
