"""x[index]: views by slices and numbers, copies by index tensors; and the primitives behind every kind of picking."""

import functools
import math
import operator

from ..autograd import Variable, primitive, view
from ..backend import Array, asarray, on_gpu, scatter_add, xp
from .elementwise import boolean, int64, sum_to

int32, uint8 = map(xp.dtype, ("int32", "uint8"))
ALL = slice(None)
ONE_HOT_ROWS = 512  # up to this many rows, a one-hot matrix product adds up gradients faster than scatter_add
FEW = 1000  # more gradients than that are added faster by their position in memory, though it has to be worked out


# ------------------------------------------------------------------------------------------------------- primitives


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
    """Zeros of `size` with g added at the index."""
    x = xp.zeros(size, g.dtype)
    if g.size <= FEW or len(index) < len(size) or any(isinstance(i, slice) for i in index):
        scatter_add(x, index, g)
    else:
        position = xp.ravel_multi_index(index, size, mode="wrap")
        scatter_add(x.reshape(-1), position.reshape(-1), g.reshape(-1))
    return x


gather_.vjp(lambda g, index, shape: ungather(g, index, shape))
ungather.vjp(lambda g, index: gather_(g, index))


@primitive
def pick_(x, index):
    """`gather_` where no element is picked twice, so that its gradient can be written instead of added."""
    return x[index]


pick_.vjp(lambda g, index, shape: unslice(g, index, shape))


@primitive(undo_broadcast=sum_to)
def put(x, value, index):
    """A copy of x with x[index] = value."""
    x = x.copy()
    x[index] = value
    return x


@primitive
def without(g, index):
    return put(g, 0.0, index)


put.vjps(x=lambda g, index: without(g, index), value=lambda g, index: gather_(g, index))
without.vjp(lambda g, index: without(g, index))


# ---------------------------------------------------------------------------------------------------------- reading


def getitem(x, index):
    """x[index] as torch understands it: numbers, slices, None and ... give views; index tensors and lists copy."""
    masked = False
    if isinstance(index, Variable):
        if index.array.dtype is int64 and index.array.ndim and x.array.ndim:
            return rows(x, in_range(index.array, x.array.shape[0], 0) if on_gpu else index.array)
        masked = index.array.dtype == boolean
    else:
        plain = simple(index if index.__class__ is tuple else (index,))
        if plain is not None:
            try:
                return slice_(x, plain)
            except IndexError:
                pass  # `parse` says what is wrong
    basic, advanced = parse(index, x.array.shape)
    if basic is not None:
        x = slice_(x, basic)
    if advanced is None:
        return x
    if len(advanced) == 1:
        return rows(x, advanced[0])
    return pick_(x, advanced) if masked else gather_(x, advanced)


def simple(index):
    """The index for the array library where it holds only ints, None, ... and slices without a step, else None."""
    end = (...,)  # so that even an index of every dimension gives a view, not a number
    for i in index:
        kind = i.__class__
        if kind is int or kind is slice and i.step is None or i is None:
            continue
        if i is not ...:
            return None
        end = ()
    return (*index, *end)


def in_range(index, size, dim):
    """The index array, or torch's error: CuPy would wrap what is out of range."""
    if on_gpu and index.size and not ((index.min() >= -size) & (index.max() < size)):  # one wait for the device
        lowest, highest = int(index.min()), int(index.max())
        wrong = highest if highest >= size else lowest
        raise IndexError(f"index {wrong} is out of bounds for dimension {dim} with size {size}")
    return index


def parse(index, shape):
    """An index as two that follow one another: slices and numbers (a view), then index arrays; None for one not there.

    NumPy would let a number take part in the broadcasting of index arrays, which moves dimensions; torch does not.
    """
    entries = filled_in([entry(i) for i in as_tuple(index)], shape)
    basic, advanced, dim = [], [], 0
    for i in entries:
        if isinstance(i, Array) and i.dtype == boolean:
            if i.shape != shape[dim : dim + i.ndim]:
                raise IndexError(
                    f"The shape of the mask {list(i.shape)} at index {dim} does not match the shape of the indexed "
                    f"tensor {list(shape)}"
                )
            basic.extend([ALL] * i.ndim or [None])  # a mask without dimensions is one over a new dimension of size 1
            advanced.extend(xp.nonzero(i if i.ndim else i.reshape(1)))
            dim += i.ndim
            continue
        if isinstance(i, Array):
            advanced.append(in_range(i, shape[dim], dim))
        elif isinstance(i, int):
            if not -shape[dim] <= i < shape[dim]:
                raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {shape[dim]}")
        else:
            advanced.append(ALL)
        basic.append(ALL if isinstance(i, Array) else i)
        dim += i is not None
    while advanced and not isinstance(advanced[-1], Array):
        advanced.pop()
    trivial = advanced and all(isinstance(i, slice) and i == ALL for i in basic)
    return None if trivial else (*basic, ...), tuple(advanced) or None


def as_tuple(index):
    """The entries of an index; a list that holds more than numbers counts as a tuple, as in torch."""
    if isinstance(index, tuple):
        return index
    parts = (Variable, Array, list, tuple, range, slice)
    if isinstance(index, list) and len(index) < 32 and any(isinstance(i, parts) or i in (None, ...) for i in index):
        return tuple(index)
    return (index,)


def filled_in(entries, shape):
    """The entries with slices in place of `...` and of the dimensions that they leave out."""
    masks = [i for i in entries if isinstance(i, Array) and i.dtype == boolean]
    others = [i for i in entries if i is not None and i is not ...]
    used = len(others) - len(masks) + sum(mask.ndim for mask in masks)
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: got {used}")
    dots = [n for n, i in enumerate(entries) if i is ...] or [len(entries)]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    return [*entries[: dots[0]], *[ALL] * (len(shape) - used), *entries[dots[0] + 1 :]]


def entry(i):
    """One entry of an index as an int, slice, None, ... or an array of integers or booleans."""
    if isinstance(i, Variable):
        i = i.array
    if i is None or i is ...:
        return i
    if isinstance(i, slice):
        i = slice(*(None if n is None else operator.index(n) for n in (i.start, i.stop, i.step)))
        if i.step is not None and i.step <= 0:
            raise ValueError(f"slice step must be positive, got {i.step}")
        return i
    if isinstance(i, range):
        return xp.arange(i.start, i.stop, i.step)
    if isinstance(i, (list, tuple)):
        try:
            i = asarray([int(n) if isinstance(n, Variable) else n for n in i])
        except ValueError:
            raise ValueError(f"expected sequences of equal length in an index, got {i!r}") from None
        i = i if i.size else i.astype(int64)
    elif isinstance(i, bool) or hasattr(i, "__array__"):  # of NumPy, also where arrays live on a GPU
        i = asarray(i)
    if isinstance(i, Array):
        i = i.astype(boolean) if i.dtype == uint8 else i  # torch's older masks
        if not i.ndim and i.dtype.kind == "i":
            return int(i)
        if i.dtype not in (boolean, int64, int32):
            raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {i.dtype}")
        return i
    if hasattr(i, "__index__"):
        return operator.index(i)
    raise IndexError(f"expected numbers, slices, None, ..., lists or integer or bool tensors as indices, got {i!r}")


def along(indices, dim):
    """Index arrays that pick `indices` along one dimension and every position of the others."""
    shape = indices.shape
    at = [xp.arange(n).reshape((1,) * i + (n,) + (1,) * (len(shape) - i - 1)) for i, n in enumerate(shape)]
    at[dim] = indices
    return tuple(at)
