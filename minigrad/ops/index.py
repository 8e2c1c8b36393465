"""x[index]: views by slices and numbers, copies by index tensors; and the primitives behind every kind of picking."""

import functools
import math
import operator

from ..autograd import Variable, primitive, relying, view
from ..backend import (
    REFUSES,
    Array,
    Fault,
    asarray,
    constant,
    launched,
    nonzero,
    note,
    on_gpu,
    scatter_add,
    surely_finite,
    within,
    xp,
)
from ..kernels import ENABLED, LARGEST, Kernel, fusible, launch
from .operands import boolean, int64, sum_to

int32, uint8 = map(xp.dtype, ("int32", "uint8"))
ALL = slice(None)
ONE_HOT_ROWS = 512  # up to this many rows, a one-hot matrix product adds up gradients faster than scatter_add
SCANNED, BLOCKS = 1 << 24, 1 << 12  # where each of so many blocks at most reads all indices, that many reads in total
FEW = 1000  # more gradients than that are added faster by their position in memory, though it has to be worked out


# ----------------------------------------------------------------------------------------------- indices in range


@functools.cache
def beyond(dim):
    """The fault of an index along a dimension."""
    return Fault(IndexError, f"index {{value}} is out of bounds for dimension {dim} with size {{size}}", from_end=True)


def check_range(index, size, fault, late=True):
    """Raise the fault where a value of an index array is not in [0, size), or in [-size, size) if it may be negative.

    On a GPU the answer is not waited for: a kernel notes the fault, and it is raised later. Who writes by the index, and
    must not write to a wrong place, wants it at once: not `late`.
    """
    low = fault.low(size)
    if late and ENABLED and 0 < index.size < LARGEST and readable(index):
        launch(check_kernel, index, low, size, fault)
    elif not within(index.reshape(-1) - low if low else index.reshape(-1), size - low):
        raise fault.error(int(index[(index < low) | (index >= size)][0]), size)


def readable(index):
    """Whether kernels read an index array of this dtype."""
    return index.dtype == int64 or index.dtype == int32


CHECK = Kernel("check", REFUSES + r"""
extern "C" __global__ void check(const I *index, long long n, long long low, long long size, unsigned long long noted,
                                 long long fault)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) refuses(index[i], low, size, noted, fault);
}
""")  # fmt: skip


def check_kernel(index, low, size, fault):
    """Note the fault where a value of the index is not in [low, size)."""
    index = xp.ascontiguousarray(index)
    CHECK.each(index.size, (index, index.size, low, size, note()[1], fault.number), I=index.dtype.name)
    launched()


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
def rows(x, index, fault):
    """x[index] for one array of row numbers; `fault` is the error where one of them is out of range."""
    if ENABLED and x.size and x.flags.c_contiguous and 0 < index.size * x.size // len(x) < LARGEST and readable(index):
        return launch(rows_kernel, x, index, fault)
    if on_gpu or not fault.from_end:  # NumPy itself refuses what `take` cannot find
        check_range(index, len(x), fault)
    return x.take(index, 0)


@primitive
def add_rows(g, index, size):
    """Zeros of `size` with row g[i] added at each index[i]; an index that is negative counts from the end."""
    index = index.reshape(-1)
    g = g.reshape(len(index), -1) if len(index) else g.reshape(0, math.prod(size[1:]))
    if fusible(g) and readable(index):
        return launch(add_rows_kernel, g, index, size)
    if size[0] <= ONE_HOT_ROWS and g.dtype.kind == "f" and surely_finite(g):  # infinities would make NaN of other rows
        x = one_hot(index, size[0], g.dtype).T.dot(g)
    else:
        x = xp.zeros((size[0], g.shape[1]), g.dtype)
        scatter_add(x, index, g)
    return x if len(size) == 2 else x.reshape(size)  # not a view of itself, which a leaf would copy


rows.vjp(lambda g, index, shape: add_rows(g, index, shape))
add_rows.vjp(lambda g, index: rows(g, index, beyond(0)))


WORDS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}  # by the size of a number
TAKE = Kernel("take", REFUSES + r"""
extern "C" __global__ void take(const void *x, const I *index, int n, int columns, long long low, long long size,
                                unsigned long long noted, long long fault, void *y)
{
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n) return;
    long long i = index[t / columns];
    bool refused = refuses(i, low, size, noted, fault);
    long long from = (i < 0 ? i + size : i) * columns + t % columns;
    ((W *)y)[t] = refused ? (W)~(W)0 : ((const W *)x)[from];  // all bits set are NaN, or -1
}
""")  # fmt: skip


def rows_kernel(x, index, fault):
    """`rows` in one launch; a row that is not there is NaN."""
    n, columns, y = len(x), x.size // len(x), xp.empty((*index.shape, *x.shape[1:]), x.dtype)
    sizes = constant(y.size, int32), constant(columns, int32)
    args = x, xp.ascontiguousarray(index), *sizes, fault.low(n), n, note()[1], fault.number, y
    TAKE.each(y.size, args, I=index.dtype.name, W=WORDS[x.itemsize])
    launched()
    return y


# a block for 32 columns of one row of x: each of its 32 lines of threads adds up every 32nd row of g, in order, and the
# first line adds up their sums, in order
ADD_ROWS = Kernel("add_rows", r"""
extern "C" __global__ void add_rows(const T *g, const I *index, long long n, long long size, long long columns, T *x)
{
    __shared__ T sums[32][33];
    long long tiles = (columns + 31) / 32, row = blockIdx.x / tiles, column = blockIdx.x % tiles * 32 + threadIdx.x;
    T sum = 0;
    for (long long i = threadIdx.y; i < n; i += 32)
        if ((index[i] == row || index[i] + size == row) && column < columns) sum += g[i * columns + column];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || column >= columns) return;
    for (int line = 1; line < 32; line++) sum += sums[line][threadIdx.x];
    x[row * columns + column] = sum;
}
""")  # fmt: skip
# a thread for each column of g and each place in the sorted index, at work where a row of x begins there
ADD_SORTED_ROWS = Kernel("add_sorted_rows", r"""
extern "C" __global__ void add_sorted_rows(const T *g, const I *index, const long long *order, long long n,
                                           long long columns, T *x)
{
    long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x, place = t / columns, column = t % columns;
    if (place >= n) return;
    long long row = index[order[place]];
    if (place > 0 && index[order[place - 1]] == row) return;
    T sum = 0;
    for (; place < n && index[order[place]] == row; place++) sum += g[order[place] * columns + column];
    x[row * columns + column] = sum;
}
""")  # fmt: skip


def add_rows_kernel(g, index, size):
    """`add_rows` with every sum in a fixed order, so that it comes out the same each time, unlike sums by atomics.

    In one launch where rows are few: each is then looked for through all indices, which is more work than sorting them.
    """
    g, index, columns = xp.ascontiguousarray(g), xp.ascontiguousarray(index), g.shape[1]
    types = {"T": g.dtype.name, "I": index.dtype.name}
    blocks = size[0] * -(-columns // 32)
    if blocks <= BLOCKS and blocks * len(index) <= SCANNED:
        x = xp.empty(size, g.dtype)
        ADD_ROWS((blocks,), (32, 32), (g, index, len(index), size[0], columns, x), **types)
        return x
    x, index = xp.zeros(size, g.dtype), index % size[0]
    order = index.argsort().astype(int64)
    ADD_SORTED_ROWS.each(g.size, (g, index, order, len(index), columns, x), **types)
    return x


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


def picked(x, index):
    """x[index] for a tuple with index arrays in it, in the order of its indices, which NumPy's own is not."""
    *front, last = index
    if x.size and all(i.__class__ is slice for i in front):  # of nothing, `take` takes any index
        return x.take(last, len(front))
    return xp.ascontiguousarray(x[index])


@primitive
def gather_(x, index):
    """x[index] for a tuple with index arrays in it."""
    return picked(x, index)


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
    return picked(x, index)


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
            return relying(rows(x, index.array, beyond(0)), index)
        masked = index.array.dtype == boolean
    else:
        plain = simple(index if index.__class__ is tuple else (index,))
        if plain is not None:
            try:
                return slice_(x, plain)
            except IndexError:
                pass  # `parse` says what is wrong
    basic, advanced = parse(index, x.array.shape, late=True)
    if basic is not None:
        x = slice_(x, basic)
    if advanced is None:
        return x
    y = rows(x, advanced[0], beyond(0)) if len(advanced) == 1 else (pick_ if masked else gather_)(x, advanced)
    return y if y.node is None else relying(y, *index_tensors(index))


def index_tensors(index):
    """The index tensors in an index; a mask is not kept."""
    return [i for i in as_tuple(index) if isinstance(i, Variable) and i.array.dtype in (int64, int32)]


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


def in_range(index, size, dim, late=False):
    """The index array, its range checked as by `check_range` on a GPU; NumPy refuses what it does not find."""
    if on_gpu:
        check_range(index, size, beyond(dim), late)
    return index


def parse(index, shape, late=False):
    """An index as two that follow one another: slices and numbers (a view), then index arrays; None for one not there.

    `late`: see `check_range`.
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
            advanced.extend(nonzero(i if i.ndim else i.reshape(1)))
            dim += i.ndim
            continue
        if isinstance(i, Array):
            advanced.append(in_range(i, shape[dim], dim, late))
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
