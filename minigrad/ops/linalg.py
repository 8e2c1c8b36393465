"""Matrix products."""

from ..autograd import Variable, primitive
from ..backend import Array
from .elementwise import binary, sum_to
from .shape import reshape_


def same_dtype(input, other):
    raise RuntimeError(f"matmul: expected both operands to have one dtype, but got: {input.dtype} != {other.dtype}")


@binary(prepare=same_dtype)
def mm_(a, b):
    return a.dot(b)


def product(a, b):
    """`mm_` without its checks for what vjps mostly meet: two raw arrays."""
    return a.dot(b) if a.__class__ is Array and b.__class__ is Array else mm_(a, b)


mm_.vjps(a=lambda g, b: product(g, b.T), b=lambda g, a: product(a.T, g))


@primitive(undo_broadcast=sum_to)
def batched(a, b):
    return a @ b


batched.vjps(a=lambda g, b: g @ b.swapaxes(-1, -2), b=lambda g, a: a.swapaxes(-1, -2) @ g)


def matmul(input, other):
    """The matrix product, as `@`: of vectors a dot product; of higher ranks matrix by matrix, batch dimensions broadcast.

    Shapes (..., n, k) and (..., k, m) give (..., n, m); a 1-D operand counts as a row or column that the result drops.
    """
    if isinstance(input, Variable) and isinstance(other, Variable) and input.array.ndim == 2 == other.array.ndim:
        if input.array.shape[1] == other.array.shape[0]:
            return mm_(input, other)
    for x in (input, other):
        if not isinstance(x, Variable):
            raise TypeError(f"matmul(): expected Tensors, got {type(x).__name__}")
    a, b = input.array.shape, other.array.shape
    if not a or not b:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are {}D and {}D".format(len(a), len(b)))
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(
            f"matmul: expected m1 and m2 to have the same dtype, but got: {input.array.dtype} != {other.array.dtype}"
        )
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise RuntimeError(f"matmul: mat1 and mat2 shapes cannot be multiplied, got {a} and {b}")
    if len(a) == len(b) == 2:
        return mm_(input, other)
    left = input if len(a) > 1 else reshape_(input, (1, *a))
    right = other if len(b) > 1 else reshape_(other, (*b, 1))
    if len(b) <= 2:  # one matrix on the right: a single product instead of one a batch
        y = mm_(reshape_(left, (-1, a[-1])) if len(a) > 2 else left, right)
        return reshape_(y, (*a[:-1], *b[1:]))
    try:
        y = batched(left, right)
    except ValueError as error:
        raise RuntimeError(f"matmul: batch dimensions do not broadcast, got shapes {a} and {b}") from error
    shape = y.array.shape
    if len(a) == 1:
        shape = (*shape[:-2], shape[-1])
    return y if len(a) > 1 else reshape_(y, shape)
