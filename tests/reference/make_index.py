"""Computes with PyTorch what `tests/test_index.py` compares with: `python make_index.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `index.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

X, MATRIX, LINE, NUMBER = numbers(2, 3, 4), numbers(3, 4), numbers(5), np.array(0.7)
ALL, DOTS = slice(None), ...


class Index:
    """x[Index()[...]]: an index written once; T(...) and M(...) in it stand for index tensors and masks."""

    def __getitem__(self, index):
        return index


I = Index()  # noqa: N816 (a word of one letter, as an index is written often)


class T:
    """An index tensor of a library that is not known yet."""

    def __init__(self, data, dtype="int64"):
        self.data, self.dtype = data, dtype

    def of(self, m):
        return m.tensor(self.data, dtype=getattr(m, self.dtype))


def made(m, index):
    """The index with tensors of the library in it."""
    if isinstance(index, T):
        return index.of(m)
    if isinstance(index, slice):
        return slice(*(made(m, n) for n in (index.start, index.stop, index.step)))
    if isinstance(index, tuple | list):
        return type(index)(made(m, i) for i in index)
    return index


MASK, WIDE, TALL = (
    T([[True, False, True], [False, False, True]], "bool"),
    T([True, False, True], "bool"),
    T([False, True], "bool"),
)
INDICES = {
    "int": I[1], "negative int": I[-1], "ints": I[1, -1, 2], "int inside": I[:, 2], "int behind": I[..., 3],
    "int Tensor": I[T(1)], "int Tensors": I[T(1), T([0, 2])],
    "int8 Tensor of one": I[T(1, "int8")],
    "numpy int": I[np.int64(1), np.int32(2)],
    "slices": I[:1, 1:, ::2], "slices past the ends": I[-9:9, 5:, 1:0], "slices of Tensors": I[T(0) : T(1)],
    "None": I[None], "Nones": I[None, 0, None, ..., None], "dots": I[...], "nothing": I[()],
    "dots and slices": I[..., 1:3], "slices, dots, None": I[0:1, ..., None, 1:],
    "Tensor": I[T([1, 0, 1])], "Tensor of rank 2": I[T([[1, 0], [-1, 1]])], "Tensor of int32": I[T([1, 0], "int32")],
    "Tensor without elements": I[T([])], "Tensor second": I[:, T([2, 0, 0])], "Tensor last": I[..., T([[3], [0]])],
    "two Tensors": I[T([0, 1, 0]), T([1, -1, 1])], "three Tensors": I[T([0, 1]), T([1, 1]), T([3, 0])],
    "Tensors that broadcast": I[T([[0], [1]]), T([0, 2, 2])], "Tensors behind": I[:, T([0, 1]), T([1, 1])],
    "Tensors apart": I[T([0, 1, 1]), :, T([1, 3, 3])], "Tensors round an int": I[T([0, 1]), 0, T([1, 2])],
    "int and a Tensor apart": I[0, :, T([1, 1])], "int behind a Tensor": I[:, T([0, 1]), 0],
    "Tensor and int": I[T([1, 0]), 1],
    "Tensors round None": I[T([0, 1]), None, T([1, 2])], "None before a Tensor": I[None, T([1, 0])],
    "slice and Tensor": I[1:, T([2, 0])], "Tensor and slice": I[T([1, 1]), 1:, ::2],
    "step and Tensor": I[:, ::2, T([0, 0])],
    "range": I[range(2)], "range and Tensor": I[range(2), T([2, 2])], "range with steps": I[:, range(2, -1, -2)],
    "list": I[[1, 0, 0]], "lists": I[[0, 1], [2, 2]], "list second": I[:, [0, -1]],
    "list of lists": I[[[0, 1], [1, 1]]],
    "nested list second": I[:, [[0, 1], [1, 2]]], "tuple in a tuple": I[((0, 1),)], "list of no elements": I[[]],
    "list of Tensors": I[[T(0), T(1)]], "list of slices": I[[slice(0, 1), 1]], "list with None": I[[None, 0]],
    "numpy array": I[np.array([1, 0, 1])], "numpy mask": I[np.array([True, False])],
    "mask": I[TALL], "mask of two dimensions": I[MASK], "mask second": I[:, WIDE],
    "mask and a Tensor": I[MASK, T([0, 1, 3])],
    "masks": I[TALL, WIDE], "mask and int": I[1, WIDE], "mask and slice": I[TALL, 1:], "list mask": I[[True, False]],
    "mask of all": I[T([[[True, False, True, True]] * 3] * 2, "bool")], "mask of none": I[T([False, False], "bool")],
    "True": I[True], "False": I[False], "True Tensor": I[T(True, "bool")], "True inside": I[:, True],
    "byte mask": I[T([0, 1], "uint8")],
}  # fmt: skip
NUMBER_INDICES = {
    "number by nothing": I[()],
    "number by None": I[None],
    "number by dots": I[...],
    "number by True": I[T(True, "bool")],
}


def read(index):
    return lambda m, x: x[made(m, index)]


def assign(index):
    """Values of the selected shape, and then a number, written in place."""

    def assigned(m, x, v):
        y = x * 1
        y[made(m, index)] = x[made(m, index)] * v
        z = x * 1
        z[made(m, index)] = v
        return y, z

    return assigned


DERIVATIVES = {name: (read(index), (X,)) for name, index in INDICES.items()}
DERIVATIVES |= {name: (read(index), (NUMBER,)) for name, index in NUMBER_INDICES.items()}
UNASSIGNED = {  # which of several values stays is not said, and torch no longer takes bytes
    name
    for name in INDICES
    if name in ("Tensor", "Tensor of rank 2", "Tensor second", "two Tensors", "Tensors that broadcast", "Tensors apart")
    or name
    in ("int and a Tensor apart", "Tensor and slice", "step and Tensor", "list", "nested list second", "numpy array")
    or name in ("list of lists", "lists", "byte mask")
}
for name in sorted(set(INDICES) - UNASSIGNED):
    DERIVATIVES[f"{name} assigned"] = assign(INDICES[name]), (X, NUMBER)

# ------------------------------------------------------------------------------------------------ gather and scatter


def at(m, *rows):
    return m.tensor(rows)


DERIVATIVES |= {
    "index_select": (lambda m, x: x.index_select(0, m.tensor([1, 0, 1])), (X,)),
    "index_select last": (lambda m, x: m.index_select(x, -1, m.tensor([3, 3], dtype=m.int32)), (X,)),
    "index_select of a number": (lambda m, x: x.index_select(0, m.tensor([0])), (NUMBER,)),
    "index_select by a number": (lambda m, x: x.index_select(1, m.tensor(2)), (X,)),
    "gather": (lambda m, x: x.gather(1, at(m, [0, 0, 3], [1, 1, 2])), (MATRIX,)),
    "gather one": (lambda m, x: m.gather(x, -1, at(m, [2], [0], [3])), (MATRIX,)),
    "gather 0": (lambda m, x: x.gather(0, at(m, [0, 2, 2, 1])), (MATRIX,)),
    "gather of three dimensions": (lambda m, x: x.gather(1, m.tensor([[[2, 0], [2, 1]]])), (X,)),
    "gather of a number": (lambda m, x: (x.gather(0, m.tensor(0)), x.gather(0, m.tensor([0, 0]))), (NUMBER,)),
    "gather nothing": (lambda m, x: x.gather(1, m.zeros(3, 0).long()), (MATRIX,)),
    "gather much": (lambda m, x: x.gather(0, m.arange(1500)[:, None] % 3), (MATRIX,)),
    "take": (lambda m, x: x.take(m.tensor([0, -1, 5, 5])), (MATRIX,)),
    "take a matrix": (lambda m, x: m.take(x, at(m, [11, 0], [3, 3])), (MATRIX,)),
    "take_along_dim": (lambda m, x: x.take_along_dim(at(m, [0, 1, 1]), 1), (MATRIX,)),
    "take_along_dim of a row": (lambda m, x: m.take_along_dim(x, at(m, [0], [3], [-1]), dim=1), (MATRIX[:1],)),
    "take_along_dim of all": (lambda m, x: x.take_along_dim(m.tensor([0, 7])), (MATRIX,)),
    "masked_select": (lambda m, x: x.masked_select(m.tensor([True, False, True, True])), (MATRIX,)),
    "masked_select of a row": (lambda m, x: m.masked_select(x, m.tensor([[True], [False], [True]])), (LINE,)),
    "scatter": (lambda m, x, s: x.scatter(1, at(m, [0, 1], [3, 2]), s), (MATRIX, numbers(2, 2))),
    "scatter 0": (lambda m, x, s: m.scatter(x, 0, at(m, [2, 0, 1, 1]), s), (MATRIX, numbers(1, 4))),
    "scatter a number": (lambda m, x: x.scatter(-1, at(m, [0, 1], [3, 2]), 1.5), (MATRIX,)),
    "scatter a value": (lambda m, x: x.scatter(1, at(m, [0, 1], [3, 2]), value=2), (MATRIX,)),
    "scatter into a number": (lambda m, x, s: x.scatter(0, m.tensor([0]), s), (NUMBER, numbers(1))),
    "scatter in place": (lambda m, x, s: (x * 1).scatter_(1, at(m, [0, 1], [3, 2]), s), (MATRIX, numbers(2, 2))),
    "scatter_add": (lambda m, x, s: x.scatter_add(1, at(m, [0, 0], [3, 2]), s), (MATRIX, numbers(2, 2))),
    "scatter_add in place": (lambda m, x, s: (x * 1).scatter_add_(0, at(m, [0, 0, 2, 1]), s), (MATRIX, numbers(1, 4))),
    "scatter_add to a number": (lambda m, x, s: x.scatter_add(0, m.tensor([0, 0]), s), (NUMBER, numbers(2))),
    "scatter_add much": (
        lambda m, x, s: x.scatter_add(0, (m.arange(1500) * 7 % 3)[:, None].expand(1500, 4), s),
        (MATRIX, numbers(1500, 4))
    ),
    "index_add": (lambda m, x, s: x.index_add(1, m.tensor([0, 0, 2]), s, alpha=2.5), (MATRIX, numbers(3, 3))),
    "index_add 0": (lambda m, x, s: m.index_add(x, 0, m.tensor([2, 0, 2, 2]), s), (MATRIX, numbers(4, 4))),
    "index_add in place": (lambda m, x, s: (x * 1).index_add_(0, m.tensor([1]), s), (MATRIX, numbers(1, 4))),
    "index_copy": (lambda m, x, s: x.index_copy(1, m.tensor([3, 0]), s), (MATRIX, numbers(3, 2))),
    "index_copy in place": (lambda m, x, s: (x * 1).index_copy_(0, m.tensor([2]), s), (MATRIX, numbers(1, 4))),
    "index_fill": (lambda m, x: x.index_fill(1, m.tensor([0, -1, 0]), 2.5), (MATRIX,)),
    "index_fill by a tensor": (lambda m, x, v: m.index_fill(x, 0, m.tensor([1, 1, 2]), v), (MATRIX, NUMBER)),
    "index_fill in place": (lambda m, x: (x * 1).index_fill_(0, m.tensor(1), 3), (MATRIX,)),
    "masked_fill": (lambda m, x: x.masked_fill(m.tensor([True, False, False, True]), -1.0), (MATRIX,)),
    "where": (lambda m, x, y: m.where(m.tensor([[True], [False], [True]]), x, y), (MATRIX, numbers(4))),
    "rows of a table": (lambda m, x: x[m.arange(40).reshape(8, 5) % 3], (MATRIX,)),
    "log-probabilities of targets": (lambda m, x: x.log_softmax(1)[range(3), m.tensor([1, 0, 3])].mean(), (MATRIX,)),
}  # fmt: skip

# --------------------------------------------------------------------------- values that have no derivative, and dtypes

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()


def counting(m, *shape, dtype="int64"):
    return m.arange(int(np.prod(shape))).reshape(shape).to(getattr(m, dtype))


def of_dtypes(function):
    return lambda m: [function(m, counting(m, 2, 3, dtype=dtype)) for dtype in DTYPES]


VALUES = {
    "read dtypes": of_dtypes(
        lambda m, x: (x[1], x[:, 1:], x[[1, 1]], x[m.tensor([0, 1]), 1], x[m.tensor([True, False])])
    ),
    "gather dtypes": of_dtypes(
        lambda m, x: (x.gather(1, at(m, [0, 2])), x.take(m.tensor([3])), x.index_select(1, m.tensor([0])))
    ),
    "scatter dtypes": of_dtypes(lambda m, x: (x.scatter(1, at(m, [0, 2]), x[:, :2]), x.scatter(0, at(m, [1]), 1))),
    "scatter_add dtypes": lambda m: [
        x.scatter_add(1, at(m, [0, 0]), x[1:, :2]) for x in (counting(m, 2, 3, dtype=d) for d in DTYPES[1:-1])
    ],
    "index dtypes": of_dtypes(lambda m, x: (x.index_copy(0, m.tensor([1]), x[:1]), x.index_fill(1, m.tensor([0]), 1))),
    "index_add dtypes": lambda m: [
        x.index_add(0, m.tensor([1, 1]), x) for x in (counting(m, 2, 3, dtype=d) for d in DTYPES[1:-1])
    ],
    "nonzero": of_dtypes(lambda m, x: (x.nonzero(), m.argwhere(x), x.nonzero(as_tuple=True), m.where(x > 2))),
    "nonzero of a number": lambda m: [
        m.tensor(1.0).nonzero(),
        m.tensor(0).nonzero(),
        m.argwhere(m.tensor(2)),
        m.tensor(1.0).nonzero(as_tuple=True),
    ],
    "nonzero of nothing": lambda m: [m.zeros(0, 3).nonzero(), m.zeros(2).nonzero(as_tuple=True)],
    "masked_select dtypes": of_dtypes(lambda m, x: x.masked_select(counting(m, 2, 3) % 2 == 0)),
}

# ---------------------------------------------------------------------------------------------------------- errors


def x(m):
    return m.zeros(2, 3, 4)


def matrix(m):
    return m.zeros(2, 3)


def of(index):
    return lambda m: x(m)[made(m, index)]


ERRORS = {
    "int too large": of(I[2]),
    "int too small": of(I[:, -4]),
    "int beside None": of(I[None, 2]),
    "int Tensor too large": of(I[T(2)]),
    "too many": of(I[0, 0, 0, 0]),
    "too many slices": of(I[:, :, :, :]),
    "too many Tensors": of(I[T([0]), T([0]), T([0]), T([0])]),
    "Tensor too large": of(I[T([2])]),
    "Tensor too small": of(I[T([-3])]),
    "Tensor second too large": of(I[:, T([0, 3])]),
    "Tensors do not broadcast": of(I[T([0, 1]), T([0, 1, 2])]),
    "mask and Tensor do not broadcast": of(I[MASK, T([0, 1])]),
    "mask of another size": of(I[T([True, False, True], "bool")]),
    "mask of too many dimensions": of(I[T([[[[True]]]], "bool")]),
    "float": of(I[1.0]),
    "float Tensor": of(I[T([1.0], "float32")]),
    "int8 Tensor": of(I[T([1], "int8")]),
    "step backwards": of(I[::-1]),
    "step of 0": of(I[::0]),
    "slice of floats": of(I[0:1.5]),
    "number by an int": lambda m: m.tensor(3.0)[0],
    "number by a slice": lambda m: m.tensor(3.0)[:],
    "number by an int Tensor": lambda m: m.tensor(3.0)[m.tensor(0)],
    "index_select too large": lambda m: x(m).index_select(0, m.tensor([2])),
    "index_select negative": lambda m: x(m).index_select(0, m.tensor([-1])),
    "index_select by a matrix": lambda m: x(m).index_select(0, m.tensor([[0]])),
    "index_select by floats": lambda m: x(m).index_select(0, m.tensor([0.0])),
    "index_select dim": lambda m: x(m).index_select(3, m.tensor([0])),
    "index_select of a number, twice": lambda m: m.tensor(3.0).index_select(0, m.tensor([0, 0])),
    "gather too large": lambda m: matrix(m).gather(1, m.tensor([[0, 3]])),
    "gather negative": lambda m: matrix(m).gather(1, m.tensor([[0, -1]])),
    "gather rank": lambda m: matrix(m).gather(1, m.tensor([0])),
    "gather larger": lambda m: matrix(m).gather(1, m.tensor([[0], [0], [0]])),
    "gather by floats": lambda m: matrix(m).gather(1, m.tensor([[0.0]])),
    "gather by a list": lambda m: matrix(m).gather(1, [[0]]),
    "gather dim": lambda m: matrix(m).gather(2, m.tensor([[0]])),
    "take too large": lambda m: matrix(m).take(m.tensor([6])),
    "take by floats": lambda m: matrix(m).take(m.tensor([0.0])),
    "take_along_dim rank": lambda m: matrix(m).take_along_dim(m.tensor([0]), 1),
    "scatter too large": lambda m: matrix(m).scatter(1, m.tensor([[0, 3]]), 9.0),
    "scatter larger than src": lambda m: matrix(m).scatter(1, m.tensor([[0, 1]]), m.ones(1, 1)),
    "scatter another dtype": lambda m: matrix(m).scatter(1, m.tensor([[0]]), m.tensor([[1]])),
    "scatter rank of src": lambda m: matrix(m).scatter(1, m.tensor([[0, 1]]), m.tensor(5.0)),
    "scatter nothing": lambda m: matrix(m).scatter(1, m.tensor([[0]])),
    "scatter_add a number": lambda m: matrix(m).scatter_add(1, m.tensor([[0]]), 5.0),
    "scatter_add larger than src": lambda m: matrix(m).scatter_add(1, m.tensor([[0, 0]]), m.ones(1, 1)),
    "scatter_add rank": lambda m: matrix(m).scatter_add(1, m.tensor([0]), m.ones(1, 1)),
    "scatter_add larger": lambda m: matrix(m).scatter_add(1, m.tensor([[0], [0], [0]]), m.ones(3, 1)),
    "scatter_ to a leaf": lambda m: m.zeros(2, 3, requires_grad=True).scatter_(1, m.tensor([[0]]), 1.0),
    "index_add counts": lambda m: matrix(m).index_add(0, m.tensor([0, 0]), m.ones(3, 3)),
    "index_add sizes": lambda m: matrix(m).index_add(0, m.tensor([0, 0]), m.ones(2, 2)),
    "index_add too large": lambda m: matrix(m).index_add(0, m.tensor([0, 2]), m.ones(2, 3)),
    "index_add dtypes": lambda m: matrix(m).index_add(0, m.tensor([0]), m.ones(1, 3).long()),
    "index_fill too large": lambda m: matrix(m).index_fill(0, m.tensor([2]), 5.0),
    "index_fill by a vector": lambda m: matrix(m).index_fill(0, m.tensor(0), m.tensor([5.0])),
    "masked_select by integers": lambda m: matrix(m).masked_select(m.tensor([1, 0, 1])),
    "masked_select sizes": lambda m: matrix(m).masked_select(m.tensor([True, False])),
}

if __name__ == "__main__":
    store("index", DERIVATIVES, VALUES, ERRORS)
