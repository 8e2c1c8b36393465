"""Products of matrices and vectors, and norms."""

import math

from ..autograd import Variable, primitive
from ..backend import Array, kind_of, total, xp
from .elementwise import abs, sign
from .extreme import amax, amin, not_empty
from .layout import in_order
from .operands import as_dtype, binary, float32, sum_to
from .reduce import dropped, float16, floating, restored, shaped, sum
from .shape import dim_of, dims_of, expand, permute_, reshape_

# -------------------------------------------------------------------------------------------------------- products


def different_dtypes(input, other):
    raise RuntimeError(f"matmul: expected both operands to have one dtype, but got: {input.dtype} and {other.dtype}")


@binary(prepare=different_dtypes)
def mm_(a, b):
    return a.dot(b)


def product(a, b):
    """`mm_` without its checks for what vjps mostly meet: two raw arrays."""
    return a.dot(b) if a.__class__ is Array and b.__class__ is Array else mm_(a, b)


mm_.vjps(a=lambda g, b: product(g, b.T), b=lambda g, a: product(a.T, g))


@primitive(undo_broadcast=sum_to)
def linear_(x, w, b):
    """x (N, in) times w (out, in) transposed, plus b (out) or None."""
    y = x.dot(w.T)
    if b is not None:
        y += b
    return y


linear_.vjps(x=lambda g, w: product(g, w), w=lambda g, x: product(g.T, x), b=lambda g: g)


@primitive(undo_broadcast=sum_to)
def batched(a, b):
    return in_order(a @ b)


batched.vjps(a=lambda g, b: g @ b.swapaxes(-1, -2), b=lambda g, a: a.swapaxes(-1, -2) @ g)


def matmul(input, other):
    """The matrix product, as `@`: of vectors a dot product; of higher ranks, matrix by matrix of the broadcast batches.

    Shapes (..., n, k) and (..., k, m) give (..., n, m); a 1-D operand counts as a row or column that the result drops.
    """
    for x in (input, other):
        if not isinstance(x, Variable):
            raise TypeError(f"matmul(): expected Tensors, got {kind_of(x)}")
    a, b, dtype = input.array.shape, other.array.shape, input.array.dtype
    if len(a) == len(b) == 2 and a[1] == b[0] and dtype.itemsize >= 4:
        return mm_(input, other)
    if not a or not b:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise RuntimeError(f"matmul: mat1 and mat2 shapes cannot be multiplied, got {a} and {b}")
    if dtype is not other.array.dtype:
        different_dtypes(input, other)
    if dtype.kind == "b":
        raise RuntimeError("matmul: not defined for bool")
    if dtype is float16:
        return as_dtype(matmul(as_dtype(input, float32), as_dtype(other, float32)), float16)
    left = input if len(a) > 1 else reshape_(input, (1, *a))
    right = other if len(b) > 1 else reshape_(other, (*b, 1))
    if len(b) <= 2:  # one matrix on the right: a single product instead of one a batch
        y = mm_(reshape_(left, (math.prod(a[:-1]), a[-1])) if len(a) > 2 else left, right)
        return reshape_(y, (*a[:-1], *b[1:]))
    try:
        y = batched(left, right)
    except ValueError as error:
        raise RuntimeError(f"matmul: batch dimensions do not broadcast, got shapes {a} and {b}") from error
    shape = y.array.shape
    return y if len(a) > 1 else reshape_(y, (*shape[:-2], shape[-1]))


def ranked(input, other, ranks, operation):
    """`matmul` of operands of the given ranks alone, and of one batch size."""
    a, b = input.array.shape, other.array.shape
    if (len(a), len(b)) != ranks or len(a) == 3 and a[0] != b[0]:
        batches = " and one batch size" if ranks == (3, 3) else ""
        raise RuntimeError(f"{operation}: expected {ranks[0]}-D and {ranks[1]}-D tensors{batches}, got {a} and {b}")
    return matmul(input, other)


def mm(input, mat2):
    """The product of two matrices (n, k) and (k, m)."""
    return ranked(input, mat2, (2, 2), "mm")


def bmm(input, mat2):
    """The products of the matrices of two batches: (B, n, k) and (B, k, m) give (B, n, m)."""
    return ranked(input, mat2, (3, 3), "bmm")


def mv(input, vec):
    """The product of a matrix (n, k) and a vector (k)."""
    return ranked(input, vec, (2, 1), "mv")


def dot(input, tensor):
    """The sum of the products of two vectors of one length."""
    return ranked(input, tensor, (1, 1), "dot")


def inner(input, other):
    """The sums of products over the last dimension of both: (..., k) and (*, k) give (..., *)."""
    a, b = input.array.shape, other.array.shape
    if not a or not b:
        return input * other
    if a[-1] != b[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes {a} and {b}")
    rows, columns = (reshape_(x, (math.prod(x.array.shape[:-1]), a[-1])) for x in (input, other))
    return reshape_(matmul(rows, permute_(columns, (1, 0))), (*a[:-1], *b[:-1]))


def outer(input, vec2):
    """The products of every element of a vector (n) with every one of another (m): (n, m)."""
    if input.array.ndim != 1 or vec2.array.ndim != 1:
        raise RuntimeError(f"outer: expected two 1-D tensors, got shapes {input.array.shape} and {vec2.array.shape}")
    return reshape_(input, (input.array.size, 1)) * vec2


def plus(input, y, beta, alpha, operation):
    """beta * input, broadcast, + alpha * y; where beta is 0 the input does not count, not even its NaN."""
    if input.array.dtype != y.array.dtype:
        raise RuntimeError(f"{operation}: expected operands of one dtype, got {input.array.dtype} and {y.array.dtype}")
    if y.array.dtype.kind != "f" and any(isinstance(n, float) for n in (alpha, beta)):
        raise RuntimeError(f"{operation}: expected integers alpha and beta for integer tensors, got {alpha} and {beta}")
    y = y if alpha == 1 else y * alpha
    input = expand(input, y.array.shape)
    return y if beta == 0 else (input if beta == 1 else input * beta) + y


def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2, for matrices (n, k) and (k, m) and an input that broadcasts to (n, m)."""
    return plus(input, mm(mat1, mat2), beta, alpha, "addmm")


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * batch1 @ batch2, for batches of matrices (B, n, k) and (B, k, m)."""
    return plus(input, bmm(batch1, batch2), beta, alpha, "baddbmm")


def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * mat @ vec, for a matrix (n, k) and a vector (k)."""
    return plus(input, mv(mat, vec), beta, alpha, "addmv")


# ----------------------------------------------------------------------------------------------------------- norms


@primitive
def norm_(x, p, dims, keepdim):
    y = xp.sqrt(total(x * x, dims)) if p == 2 else total(xp.abs(x) ** p, dims) ** (1 / p)
    return shaped(y, x.shape, dims, keepdim)


@norm_.vjp
def norm_vjp(g, y, x, p, dims, shape):
    """g * sign(x) * (|x| / y) ** (p - 1), and 0 where x or y is 0, as in torch."""
    g, y = restored(g, shape, dims), restored(y, shape, dims)
    g, ratio = g * (y != 0), x / (y + (y == 0))
    if p == 2:
        return g * ratio
    size = abs(ratio)
    return g * sign(x) * (size + (size == 0)) ** (p - 1)


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum of |x| ** ord) ** (1 / ord) over `dim` (None: all elements); `ord` is a number, infinite ones included.

    `inf` and `-inf`: the largest and smallest |x|; 0: how many elements are not 0. Gradients at 0 are 0.
    """
    if isinstance(ord, bool) or not isinstance(ord, (int, float)):
        raise TypeError(f"vector_norm(): expected ord to be a number, got {ord!r}")
    if x.array.dtype.kind != "f":
        raise RuntimeError(f"vector_norm: Expected a floating point tensor as input. Got {x.array.dtype}")
    x = floating(x, "vector_norm", dtype)
    if x.array.dtype is float16:
        return as_dtype(vector_norm(as_dtype(x, float32), ord, dim, keepdim), float16)
    dims = dims_of(dim, x.array.ndim, "vector_norm")
    if ord in (math.inf, -math.inf):
        not_empty(x, dims, "vector_norm", RuntimeError)
        return (amax if ord > 0 else amin)(abs(x), dims or None, keepdim)
    if ord == 0:
        return as_dtype(sum(x != 0, dims or None, keepdim), x.array.dtype)
    if ord == 1:
        return sum(abs(x), dims or None, keepdim)
    return norm_(x, ord, dims, keepdim)


def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm of all elements or over `dim`: `p` a number as in `vector_norm`, or "fro", the same as 2."""
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: Order {p} not supported: expected a number or 'fro'")
    return vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of the matrices in two dimensions `dim`.

    "fro": the root of the sum of squares; 1 and -1: the largest and smallest sum of absolute values of a column, inf
    and -inf: of a row. Orders that need singular values (2, -2, "nuc") are not supported.
    """
    ndim = A.array.ndim
    if ndim < 2 or not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"matrix_norm: expected at least 2 dimensions and a dim of 2, got {ndim} and {dim}")
    if ord == "fro":
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"matrix_norm: Order {ord} not supported: expected 'fro', 1, -1, inf or -inf")
    row, column = (dim_of(d, ndim, "matrix_norm") for d in dim)
    added, compared = (row, column) if ord in (1, -1) else (column, row)
    y = vector_norm(vector_norm(A, 1, added, True, dtype=dtype), math.copysign(math.inf, ord), compared, True)
    return y if keepdim else reshape_(y, dropped(y.array.shape, (row, column)))


def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """`torch.linalg.norm`: a matrix norm for two dimensions, else a vector norm; without an `ord`, of all elements."""
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None and (dims is None or len(dims) in (1, 2)):
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    rank = A.array.ndim if dims is None else len(dims)
    if rank not in (1, 2):
        raise RuntimeError(f"linalg.norm: expected an input or a dim of 1 or 2 dimensions, got {rank}")
    if rank == 1 and not isinstance(ord, str):
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
