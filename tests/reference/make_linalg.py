"""Computes with PyTorch what `tests/test_linalg.py` compares with: `python make_linalg.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `linalg.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

INF = float("inf")
A, B, ROWS, COLUMNS = numbers(3, 4), numbers(4, 2), numbers(4), numbers(3)
BATCH, OTHER = numbers(2, 3, 4), numbers(2, 4, 2)
SOME_ZEROS = np.array([[0.0, 1.5, -2.0], [0.0, 0.0, 0.0], [0.5, 0.0, 3.0]])

# ------------------------------------------------------------------------------------------- values and derivatives

PRODUCTS = {  # shapes of the operands of @
    "matrices": ((3, 4), (4, 2)), "matrix and vector": ((3, 4), (4,)), "vector and matrix": ((3,), (3, 4)),
    "vectors": ((4,), (4,)), "batches": ((2, 3, 4), (2, 4, 2)), "batch and matrix": ((2, 3, 4), (4, 2)),
    "matrix and batch": ((3, 4), (2, 4, 2)), "batch and vector": ((2, 3, 4), (4,)),
    "vector and batch": ((3,), (2, 3, 4)),
    "batches that broadcast": ((2, 1, 2, 3), (3, 3, 2)), "one in a batch": ((1, 2, 3), (3, 3, 2)),
    "row and column": ((1, 4), (4, 1)), "column and row": ((4, 1), (1, 3)), "no rows": ((0, 3), (3, 2)),
    "nothing to add": ((3, 0), (0, 2)), "no batch": ((0, 2, 3), (3, 2)),
    "four dimensions": ((2, 2, 1, 3), (2, 2, 3, 2)),
}  # fmt: skip
DERIVATIVES = {
    f"matmul of {name}": (lambda m, a, b: a @ b, tuple(numbers(*shape, seed=i) for i, shape in enumerate(shapes)))
    for name, shapes in PRODUCTS.items()
}
EQUATIONS = {
    "ij,jk->ik": (A, B), "ij,jk": (A, B), "ij,jk->ki": (A, B), "ij,kj->ik": (A, numbers(2, 4)), "ij->ji": (A,),
    "ba": (A,),
    "ij->j": (A,), "ij->": (A,), "ij,ij->": (A, A * 2), "ij,ij->i": (A, A * 2), "ij,ij->ij": (A, A * 2),
    "i,j->ji": (COLUMNS, ROWS),
    "ii->i": (A[:, :3],), "ii": (A[:, :3],), "iij->ij": (numbers(2, 2, 3),), "iij,j->i": (numbers(3, 3, 4), ROWS),
    "iii->i": (numbers(3, 3, 3),), "ij,jk,kl->il": (A, B, B.T), "ij,ij,ij->j": (A, A + 1, A - 1),
    "i,i,i->": (ROWS, ROWS + 1, ROWS),
    "bij,bjk->bik": (BATCH, OTHER), "bij,bj->bi": (BATCH, BATCH[:, 0]), "bij,kj->bik": (BATCH, numbers(2, 4)),
    "bhqd,bhkd->bhqk": (BATCH[None], BATCH[None] + 1), "bi,bj->ij": (A, A + 1), "ij,kl->": (A, B), "ij,kl->ik": (A, B),
    "...ij,...jk->...ik": (BATCH, B), "...ij,jk": (BATCH, B), "i...->...": (BATCH,), "...->...": (BATCH,),
    "i...": (BATCH,),
    "...i,...i->...": (BATCH, BATCH[0]), "b...,b...->...": (BATCH, BATCH + 1), "...,i...->...": (BATCH[0], BATCH),
    "i...->": (BATCH,), "...ii->...i": (numbers(2, 3, 3),), "ij->j...": (A,), "ij->...j": (A,),
    "i j , j k -> i k": (A, B), "ij,jk->ik with 1": (A, numbers(1, 2)), "i,->i": (ROWS, np.array(1.5)),
    ",->": (np.array(2.0), np.array(0.5)),
    "Ba->aB": (A,), "ij,jk->ik of nothing": (np.zeros((3, 0)), np.zeros((0, 2))), "aB,Bc": (A, B),
}  # fmt: skip
for equation, operands in EQUATIONS.items():
    text = equation.partition(" with")[0].partition(" of")[0]
    DERIVATIVES[f"einsum {equation}"] = (lambda m, *xs, text=text: m.einsum(text, *xs)), operands
for p in (0.5, 1, 1.5, 2, 3, -1, INF, -INF):
    DERIVATIVES[f"norm {p}"] = (lambda m, x, p=p: x.norm(p, 1)), (A,)
    DERIVATIVES[f"norm {p} with zeros"] = (lambda m, x, p=p: x.norm(p, dim=0, keepdim=True)), (SOME_ZEROS,)
    DERIVATIVES[f"vector_norm {p}"] = (lambda m, x, p=p: m.linalg.vector_norm(x, p, (0, 2), True)), (BATCH,)
for order in ("fro", 1, -1, INF, -INF):
    DERIVATIVES[f"matrix_norm {order}"] = (lambda m, x, o=order: m.linalg.matrix_norm(x, o)), (BATCH,)
    DERIVATIVES[f"matrix_norm {order}, other dims"] = (
        (lambda m, x, o=order: m.linalg.matrix_norm(x, o, (2, 0), keepdim=True)), (BATCH,)
    )  # fmt: skip
    DERIVATIVES[f"linalg.norm {order}"] = (lambda m, x, o=order: m.linalg.norm(x, o)), (A,)
DERIVATIVES |= {
    "mm": (lambda m, a, b: m.mm(a, b), (A, B)),
    "bmm": (lambda m, a, b: a.bmm(b), (BATCH, OTHER)),
    "mv": (lambda m, a, b: a.mv(b), (A, ROWS)),
    "dot": (lambda m, a, b: m.dot(a, b), (ROWS, ROWS + 1)),
    "inner": (lambda m, a, b: m.inner(a, b), (BATCH, A)),
    "inner with a number": (lambda m, a, b: a.inner(b), (A, np.array(1.5))),
    "inner of vectors": (lambda m, a, b: a.inner(b), (ROWS, ROWS + 1)),
    "outer": (lambda m, a, b: m.outer(a, b), (ROWS, COLUMNS)),
    "addmm": (lambda m, c, a, b: m.addmm(c, a, b), (numbers(3, 2), A, B)),
    "addmm scaled": (lambda m, c, a, b: c.addmm(a, b, beta=0.5, alpha=-2), (numbers(2), A, B)),
    "addmm without input": (lambda m, c, a, b: m.addmm(c, a, b, beta=0), (numbers(1, 1), A, B)),
    "baddbmm": (lambda m, c, a, b: m.baddbmm(c, a, b, beta=2, alpha=0.5), (numbers(3, 1), BATCH, OTHER)),
    "addmv": (lambda m, c, a, b: m.addmv(c, a, b, alpha=3), (COLUMNS, A, ROWS)),
    "product with itself": (lambda m, a: a @ a.T @ a, (A,)),
    "einsum of numbers": (lambda m, a, b: m.einsum(a, [0, 1], b, [1, 2], [2, 0]), (A, B)),
    "einsum of numbers and dots": (lambda m, a, b: m.einsum(a, [..., 1], b, [..., 1], [...]), (BATCH, A)),
    "einsum of numbers, no result": (lambda m, a, b: m.einsum(a, [0, 1], b, [2, 1]), (A, numbers(2, 4))),
    "einsum of a list": (lambda m, a, b: m.einsum("ij,jk->ik", [a, b]), (A, B)),
    "norm of all": (lambda m, x: x.norm(), (BATCH,)),
    "norm fro": (lambda m, x: m.norm(x, "fro", dim=(0, 1)), (BATCH,)),
    "norm of zeros": (lambda m, x: m.norm(x), (np.zeros((2, 2)),)),
    "norm of nothing": (lambda m, x: x.norm(dim=0), (np.zeros((0, 3)),)),
    "linalg.norm of all": (lambda m, x: m.linalg.norm(x), (BATCH,)),
    "linalg.norm dim": (lambda m, x: m.linalg.norm(x, 3, dim=1, keepdim=True), (BATCH,)),
    "linalg.norm dims": (lambda m, x: m.linalg.norm(x, 1, dim=(0, 2)), (BATCH,)),
    "linalg.norm of a vector": (lambda m, x: m.linalg.norm(x, INF), (ROWS,)),
    "linalg.norm two dims": (lambda m, x: m.linalg.norm(x, dim=(0, 1)), (BATCH,)),
}

# --------------------------------------------------------------------------- values that have no derivative, and dtypes

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8".split()


def counting(m, *shape, dtype="int64"):
    return m.arange(int(np.prod(shape))).reshape(shape).to(getattr(m, dtype))


def of_dtypes(function):
    return lambda m: [function(m, counting(m, 2, 3, dtype=dtype)) for dtype in DTYPES]


VALUES = {
    "matmul dtypes": of_dtypes(lambda m, x: (x @ x.T, x @ x[0], x[None] @ x.T)),
    "products dtypes": of_dtypes(lambda m, x: (m.dot(x[0], x[1]), m.outer(x[0], x[1]), m.inner(x, x), m.mv(x, x[1]))),
    "outer of two dtypes": lambda m: m.outer(m.tensor([1.0, 2]), m.tensor([1, 2, 3])),
    "einsum dtypes": of_dtypes(
        lambda m, x: (m.einsum("ij,kj->ik", x, x), m.einsum("ij->ji", x), m.einsum("ij,ij->ij", x, x))
    ),
    "addmm dtypes": of_dtypes(lambda m, x: m.addmm(x[:, :1], x, x.T, beta=2, alpha=3)),
    "addmm of nan": lambda m: m.addmm(
        m.tensor([[float("nan")]]), counting(m, 2, 3).float(), counting(m, 3, 2).float(), beta=0
    ),
    "float16 does not overflow": lambda m: (m.full((2, 64), 60.0).half() @ m.full((64, 2), 60.0).half()) / 8,
    "norm 0": lambda m: [m.tensor(SOME_ZEROS).norm(0), m.tensor(SOME_ZEROS).norm(0, dim=1, keepdim=True)],
    "norm as": lambda m: [
        m.tensor([3.0, 4.0]).norm(dtype=m.float64),
        m.linalg.norm(m.tensor([3.0, 4.0]), dtype=m.float64),
    ],
    "norm p None": lambda m: m.tensor([3.0, 4.0]).norm(None),
}

# ---------------------------------------------------------------------------------------------------------- errors


def x(m):
    return m.zeros(2, 3, 4)


def matrix(m):
    return m.zeros(2, 3)


ERRORS = {
    "matmul sizes": lambda m: matrix(m) @ matrix(m),
    "matmul vector sizes": lambda m: matrix(m) @ m.zeros(2),
    "matmul number": lambda m: m.tensor(1.0) @ matrix(m),
    "matmul dtypes": lambda m: matrix(m) @ matrix(m).T.long(),
    "matmul vectors of dtypes": lambda m: m.zeros(3) @ m.zeros(3).double(),
    "matmul booleans": lambda m: m.ones(2, 2).bool() @ m.ones(2, 2).bool(),
    "matmul batches": lambda m: x(m) @ m.zeros(3, 4, 2),
    "matmul batch sizes": lambda m: x(m) @ x(m),
    "matmul a list": lambda m: m.matmul(matrix(m), [1.0]),
    "mm batches": lambda m: m.mm(x(m), matrix(m)),
    "mm a vector": lambda m: m.mm(matrix(m), m.zeros(3)),
    "bmm a matrix": lambda m: m.bmm(matrix(m), x(m)),
    "bmm batches": lambda m: m.bmm(x(m), m.zeros(3, 4, 2)),
    "mv matrices": lambda m: m.mv(matrix(m), matrix(m)),
    "mv sizes": lambda m: m.mv(matrix(m), m.zeros(2)),
    "dot sizes": lambda m: m.dot(m.zeros(2), m.zeros(3)),
    "dot matrices": lambda m: m.dot(matrix(m), matrix(m)),
    "dot dtypes": lambda m: m.dot(m.zeros(2), m.zeros(2).long()),
    "inner sizes": lambda m: m.inner(x(m), matrix(m)),
    "outer matrices": lambda m: m.outer(matrix(m), matrix(m)),
    "addmm sizes": lambda m: m.addmm(m.zeros(3), matrix(m), matrix(m).T),
    "addmm matrices": lambda m: m.addmm(m.zeros(1), matrix(m), matrix(m)),
    "addmm dtypes": lambda m: m.addmm(m.zeros(1).long(), matrix(m), matrix(m).T),
    "addmv sizes": lambda m: m.addmv(m.zeros(1), matrix(m), m.zeros(2)),
    "norm of integers": lambda m: m.arange(3).norm(),
    "norm name": lambda m: x(m).norm("abc"),
    "norm nuc of three dimensions": lambda m: x(m).norm("nuc"),
    "vector_norm name": lambda m: m.linalg.vector_norm(matrix(m), "fro"),
    "vector_norm of nothing": lambda m: m.linalg.vector_norm(m.zeros(0), INF),
    "matrix_norm of a vector": lambda m: m.linalg.matrix_norm(m.zeros(3)),
    "matrix_norm order": lambda m: m.linalg.matrix_norm(matrix(m), 0),
    "linalg.norm order of three dimensions": lambda m: m.linalg.norm(x(m), 3),
    "linalg.norm three dims": lambda m: m.linalg.norm(x(m), dim=(0, 1, 2)),
    "linalg.norm fro of a vector": lambda m: m.linalg.norm(x(m), "fro", dim=0),
    "linalg.norm order of a matrix": lambda m: m.linalg.norm(matrix(m), 3),
    "einsum sizes": lambda m: m.einsum("ij,jk->ik", matrix(m), matrix(m)),
    "einsum rank": lambda m: m.einsum("ij", x(m)),
    "einsum unknown output": lambda m: m.einsum("ij->k", matrix(m)),
    "einsum output twice": lambda m: m.einsum("ij->ii", matrix(m)),
    "einsum too few": lambda m: m.einsum("ij,jk", matrix(m)),
    "einsum too many": lambda m: m.einsum("ij", matrix(m), matrix(m)),
    "einsum a digit": lambda m: m.einsum("i1", matrix(m)),
    "einsum dots twice": lambda m: m.einsum("......", matrix(m)),
    "einsum two dots": lambda m: m.einsum("..i", matrix(m)),
    "einsum two arrows": lambda m: m.einsum("ij->->j", matrix(m)),
    "einsum diagonal": lambda m: m.einsum("ii->i", matrix(m)),
    "einsum dtypes": lambda m: m.einsum("ij,jk->ik", matrix(m).long(), matrix(m).T),
    "einsum broadcast": lambda m: m.einsum("...i,...i->...", matrix(m), m.zeros(5, 3)),
    "einsum number too large": lambda m: m.einsum(matrix(m), [0, 99], [0]),
    "einsum too many letters": lambda m: m.einsum("ijk", matrix(m)),
}

if __name__ == "__main__":
    store("linalg", DERIVATIVES, VALUES, ERRORS)
