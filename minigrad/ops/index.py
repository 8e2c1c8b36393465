"""Indexing: views by slices and numbers, copies by index tensors."""

import functools
import math
import operator

from ..autograd import Variable, primitive, view
from ..backend import Array, asarray, on_gpu, scatter_add, xp
from .elementwise import boolean, int64

ONE_HOT_ROWS = 512  # up to this many rows, a one-hot matrix product adds up gradients faster than scatter_add


# ---------------------------------------------------------------------------------------------------------- reading


@view
def slice_(x, index):
    return x[index]


@primitive
def unslice(g, index, size):
    x = xp.zeros(size, g.dtype)
    x[index] = g
    return x


slice_.vjp(lambda g, index, shape: unslice(g, index, shape))
unslice.vjp(lambda g, index: slice_(g, index))


@primitive
def rows(x, index):
    """x[index] for one array of row numbers, each in range."""
    return x.take(index, 0)


@primitive
def add_rows(g, index, size):
    """Zeros of `size` with row g[i] added at each index[i]."""
    index = index.reshape(-1)
    g = g.reshape(len(index), -1) if len(index) else g.reshape(0, math.prod(size[1:]))
    if size[0] <= ONE_HOT_ROWS and g.dtype.kind == "f":
        return one_hot(index, size[0], g.dtype).T.dot(g).reshape(size)
    x = xp.zeros((size[0], g.shape[1]), g.dtype)
    scatter_add(x, index, g)
    return x.reshape(size)


rows.vjp(lambda g, index, shape: add_rows(g, index, shape))
add_rows.vjp(lambda g, index: rows(g, index))

def one_hot(index, n, dtype):
    """A row of n zeros with a one at `index`, for each of a flat array of indices in range."""
    if n <= ONE_HOT_ROWS:
        return identity(n, dtype).take(index, 0)
    rows = xp.zeros((len(index), n), dtype)
    rows[xp.arange(len(index)), index] = 1
    return rows


@functools.lru_cache(64)
def identity(n, dtype):
    return xp.eye(n, dtype=dtype)


@primitive
def gather_(x, index):
    """x[index] for a tuple with index arrays in it."""
    return x[index]


@primitive
def ungather(g, index, size):
    x = xp.zeros(size, g.dtype)
    scatter_add(x, index, g)
    return x


gather_.vjp(lambda g, index, shape: ungather(g, index, shape))
ungather.vjp(lambda g, index: gather_(g, index))


def getitem(x, index):
    """x[index] as torch understands it: numbers, slices, None and ... give views; index tensors and lists copy."""
    if isinstance(index, Variable) and index.array.dtype is int64 and index.array.ndim and x.array.ndim:
        return rows(x, in_range(index.array, x.array.shape[0], 0) if on_gpu else index.array)
    basic, advanced = parse(index, x.array.shape)
    if basic is not None:
        x = slice_(x, basic)
    return x if advanced is None else gather_(x, advanced)


def in_range(index, size, dim):
    """The index array, or torch's error: CuPy would wrap what is out of range."""
    if on_gpu and index.size and not (-size <= int(index.min()) and int(index.max()) < size):
        raise IndexError(f"index out of range in dimension {dim} with size {size}: from {index.min()} to {index.max()}")
    return index


def parse(index, shape):
    """An index as two that follow one another: slices and numbers (a view), then index arrays; None for a part not there.

    NumPy would let a number take part in the broadcasting of index arrays, which moves dimensions; torch does not.
    """
    entries = [entry(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum(i.ndim if isinstance(i, Array) and i.dtype == boolean else i is not None and i is not ... for i in entries)
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: got {used}")
    dots = [position for position, i in enumerate(entries) if i is ...]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = dots[0] if dots else len(entries)
    entries[at : at + 1] = [slice(None)] * (len(shape) - used)
    basic, advanced, dim = [], [], 0
    for i in entries:
        if i is None:
            basic.append(None)
            advanced.append(slice(None))
        elif isinstance(i, Array):
            taken = i.ndim if i.dtype == boolean else 1
            if i.dtype == boolean and i.shape != shape[dim : dim + taken]:
                raise IndexError(
                    f"The shape of the mask {list(i.shape)} at index {dim} does not match the shape of the indexed tensor "
                    f"{list(shape)}"
                )
            basic.extend([slice(None)] * taken)
            advanced.append(i if i.dtype == boolean else in_range(i, shape[dim], dim))
            dim += taken
        else:
            if isinstance(i, slice):
                advanced.append(slice(None))
            elif not -shape[dim] <= i < shape[dim]:
                raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {shape[dim]}")
            basic.append(i)
            dim += 1
    has_arrays = any(isinstance(i, Array) for i in advanced)
    trivial = has_arrays and all(isinstance(i, slice) and i == slice(None) for i in basic)
    return None if trivial else (*basic, ...), tuple(advanced) if has_arrays else None


def entry(i):
    """One entry of an index as an int, slice, None, ... or an array of int64 or bool."""
    if isinstance(i, Variable):
        i = i.array
        if i.dtype.kind not in "bi":
            raise IndexError(f"tensors used as indices must be integer or bool tensors, got {i.dtype}")
        return int(i) if i.ndim == 0 and i.dtype != boolean else i
    if isinstance(i, slice):
        i = slice(*(None if n is None else operator.index(n) for n in (i.start, i.stop, i.step)))
        if i.step is not None and i.step <= 0:
            raise ValueError("slice step must be positive")
        return i
    if i is None or i is ...:
        return i
    if isinstance(i, bool):
        return asarray(i)
    if hasattr(i, "__index__") and not getattr(i, "ndim", 0):
        return operator.index(i)
    if isinstance(i, (list, tuple, range, Array)):
        array = asarray([int(n) if isinstance(n, Variable) else n for n in i] if isinstance(i, (list, tuple)) else i)
        array = array.astype(int64) if array.size == 0 else array
        if array.dtype.kind in "bi":
            return array
    raise IndexError(f"expected numbers, slices, None, ..., lists or integer or bool tensors as indices, got {i!r}")


def along(indices, dim):
    """Index arrays that pick `indices` along one dimension and every position of the others."""
    shape = indices.shape
    at = [xp.arange(n).reshape((1,) * i + (n,) + (1,) * (len(shape) - i - 1)) for i, n in enumerate(shape)]
    at[dim] = indices
    return tuple(at)
