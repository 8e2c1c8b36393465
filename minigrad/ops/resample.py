"""Images of another size: every dimension in turn mapped by a matrix, most of whose entries are zero."""

import functools
import math

from ..autograd import primitive
from ..backend import asarray, xp


@primitive
def along(x, matrix, dim):
    """A raw matrix (m, n) times x along one dimension of size n, which then has size m."""
    if (
        x.strides[0] == x.itemsize and dim > 0 and len(x) > 1
    ):  # images last in memory, where the result has them too
        return xp.moveaxis(along(xp.moveaxis(x, 0, -1), matrix, dim - 1), -1, 0)
    before, n, after = x.shape[:dim], x.shape[dim], x.shape[dim + 1 :]
    y = matrix @ x.reshape(math.prod(before), n, math.prod(after))
    return y.reshape(*before, len(matrix), *after)


along.vjp(lambda g, matrix, dim: along(g, matrix.T, dim))


@primitive
def pick(x, index, dim):
    """The elements `index` (a raw array) along one dimension."""
    if x.strides[0] == x.itemsize and dim > 0 and len(x) > 1:
        return xp.moveaxis(xp.moveaxis(x, 0, -1).take(index, dim - 1), -1, 0)
    return x.take(index, dim)


@pick.vjp
def pick_vjp(g, index, dim, shape):
    return along(g, xp.eye(shape[dim], dtype=g.dtype).take(index, 1), dim)


def matrix_of(rows, n, dtype):
    """A matrix with n columns from a list of {column: entry}, a dict for each row."""
    matrix = [[row.get(i, 0.0) for i in range(n)] for row in rows]
    return asarray(matrix, dtype).reshape(len(rows), n)


@functools.lru_cache(64)
def averaging(n, m, dtype):
    """The matrix of means over m even parts of n elements, overlapping where m is no divisor of n."""
    rows = []
    for i in range(m):
        part = range(i * n // m, -(-(i + 1) * n // m))
        rows.append(dict.fromkeys(part, 1 / len(part)))
    return matrix_of(rows, n, dtype)


@functools.lru_cache(64)
def blending(n, m, scale, align_corners, dtype):
    """The matrix that interpolates linearly between n elements at m points, `scale` apart.

    Elements stand in the middle of cells; with `align_corners` at their corners, so that both ends meet.
    """
    rows = []
    for i in range(m):
        at = scale * i if align_corners else max(scale * (i + 0.5) - 0.5, 0.0)
        low = min(int(at), n - 1)
        high = min(low + 1, n - 1)
        share = min(max(at - low, 0.0), 1.0)
        row = {low: 1 - share}
        row[high] = row.get(high, 0.0) + share
        rows.append(row)
    return matrix_of(rows, n, dtype)


@functools.lru_cache(64)
def nearest(n, m, scale, dtype):
    """For each of m cells, `scale` wide, the one among n in which it begins; in the arithmetic of `dtype`."""
    return xp.minimum((xp.arange(m, dtype=dtype) * dtype.type(scale)).astype("int64"), n - 1)
