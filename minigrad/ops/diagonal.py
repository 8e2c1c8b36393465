"""Diagonals and triangles of matrices."""

from ..autograd import primitive, view
from ..backend import on_gpu, xp
from .elementwise import copied
from .layout import in_order
from .reduce import sum
from .shape import dim_of, integer

# -------------------------------------------------------------------------------------------------------- diagonals


@view
def diagonal_(x, offset, dim1, dim2):
    x = xp.moveaxis(x, (dim1, dim2), (-2, -1))[..., max(-offset, 0) :, max(offset, 0) :]
    n = min(x.shape[-2:])
    x = x[..., :n, :n]
    return x.diagonal(0, -2, -1) if on_gpu else xp.einsum("...ii->...i", x)  # NumPy's diagonal cannot be written to


@primitive
def undiagonal(g, offset, dim1, dim2, size):
    x = xp.zeros(size, g.dtype)
    diagonal_(x, offset, dim1, dim2)[...] = g
    return x


diagonal_.vjp(lambda g, offset, dim1, dim2, shape: undiagonal(g, offset, dim1, dim2, shape))
undiagonal.vjp(lambda g, offset, dim1, dim2: diagonal_(g, offset, dim1, dim2))


def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of the diagonal of two dimensions, as the last dimension; `offset` > 0 is above the main one."""
    ndim = input.array.ndim
    first, second = dim_of(dim1, ndim, "diagonal"), dim_of(dim2, ndim, "diagonal")
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diagonal_(input, offset, first, second)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Zeros with the last dimension of the input on the diagonal of two dimensions of the result, `dim1` and `dim2`."""
    shape, ndim = input.array.shape, input.array.ndim + 1
    first, second = dim_of(dim1, ndim, "diag_embed"), dim_of(dim2, ndim, "diag_embed")
    if not shape or first == second:
        raise RuntimeError(f"diag_embed: expected two dimensions and an input that has one, got {dim1}, {dim2}")
    size = list(shape[:-1])
    for d in sorted((first, second)):
        size.insert(d, shape[-1] + abs(offset))
    return undiagonal(input, offset, first, second, tuple(size))


def diag(input, diagonal=0):
    """The matrix with a vector on its diagonal, or a copy of the diagonal of a matrix."""
    diagonal = integer(diagonal, "diag")
    if input.array.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")
    if input.array.ndim == 1:
        return diag_embed(input, diagonal)
    return copied(diagonal_(input, diagonal, 0, 1))


def trace(input):
    """The sum of the main diagonal of a matrix."""
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return sum(diagonal_(input, 0, 0, 1))


# -------------------------------------------------------------------------------------------------------- triangles


def triangle(function, name, doc):
    def forward(x, diagonal):
        return in_order(function(x, diagonal))

    forward.__name__ = name
    kept = primitive(forward)
    kept.vjp(lambda g, diagonal: kept(g, diagonal))

    def half(input, diagonal=0):
        if input.array.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, got {input.array.ndim}")
        return kept(input, integer(diagonal, name))

    half.__name__ = half.__qualname__ = name
    half.__doc__ = doc
    return half


tril = triangle(xp.tril, "tril", "The matrices with zeros above the diagonal, or above the one `diagonal` places up.")
triu = triangle(xp.triu, "triu", "The matrices with zeros below the diagonal, or below the one `diagonal` places up.")
