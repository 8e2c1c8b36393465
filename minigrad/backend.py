"""The array library: NumPy, or CuPy when `MINIGRAD_BACKEND=cupy`.

This file alone says which library holds the numbers. Everything above it writes `xp.tanh(x)` and runs on both;
whatever NumPy and CuPy do differently has a function here.
"""

import collections
import contextlib
import functools
import importlib
import math
import os
import struct
import warnings

import numpy as np

# what to install where a package is missing, by the CUDA version that the driver speaks
CUPY_PACKAGES = "cupy-cuda12x or cupy-cuda13x (the extras cuda12 and cuda13)"


def use(name):
    """Import the array library called `name` ("numpy" or "cupy") and return it.

    Errors: ValueError for another name, ImportError where CuPy is not installed, RuntimeError where no GPU answers.
    """
    if name == "numpy":
        return np
    if name != "cupy":
        raise ValueError(f"MINIGRAD_BACKEND: expected 'numpy' or 'cupy', got {name!r}")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise ImportError(f"MINIGRAD_BACKEND=cupy: CuPy is not installed; install {CUPY_PACKAGES}") from error
    if not cupy.is_available():
        raise RuntimeError("MINIGRAD_BACKEND=cupy: CuPy is installed but finds no CUDA GPU; check the NVIDIA driver, "
                           f"and that the package fits its CUDA version: {CUPY_PACKAGES}")  # fmt: skip
    return cupy


name = os.environ.get("MINIGRAD_BACKEND", "numpy")
xp = use(name)
on_gpu = xp is not np
# the logarithm of 0 is -inf without a word, as in torch; whoever calls NumPy from elsewhere is still warned
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minigrad\.")
Array = xp.ndarray
RAW = Array, np.generic  # what a raw value can be: NumPy's reductions return scalars, as `constant` does for CuPy
COMPARABLE = *RAW, np.ndarray  # an array of the host beside one of the GPU is an error, and not just another object
# the dtype that torch gives a Python number; that of a float, the default dtype, can be set
NUMBERS = {float: np.dtype("float32"), int: np.dtype("int64"), bool: np.dtype("bool")}


crossings = collections.Counter()  # between host and GPU: arrays sent "to device" and "to host", and "waits" of the host


def asarray(value, dtype=None):
    """The value as an array of the active library; a host array is moved to the GPU, never the other way."""
    if on_gpu:
        sent(value)
    return xp.asarray(value, dtype)


def kind_of(x):
    """What something is that should be a Tensor, for an error; of a NumPy array beside a GPU also where it is."""
    if on_gpu and isinstance(x, np.ndarray):
        here = f"cuda:{xp.cuda.runtime.getDevice()}"
        return f"ndarray, which is on the host, while tensors are on {here}: minigrad.tensor(array) moves it there"
    return type(x).__name__


def copied(value, dtype=None):
    """The same, but always in new memory, in C order."""
    if on_gpu:
        sent(value)
    return xp.array(value, dtype=dtype, copy=True, order="C")


def sent(value):
    """Count what goes to the GPU where it comes from the host; a single number travels with the call of a kernel."""
    if isinstance(value, (np.ndarray, list, tuple)) and np.ndim(value) and np.size(value):
        crossings["to device"] += 1


def waited(fetched=0):
    """To be called where the host has waited for the GPU: counts that, and raises what kernels have noted meanwhile.

    `fetched`: how many arrays or numbers came to the host.
    """
    crossings["waits"] += 1
    crossings["to host"] += fetched
    raise_noted()


def to_numpy(array):
    """The array on the host: itself under NumPy, a copy under CuPy, which waits and raises what kernels have noted."""
    if not on_gpu:
        return np.asarray(array)
    array = xp.asnumpy(array)
    waited(fetched=1)
    return array


def item(array):
    """The one element of an array as a Python number; under CuPy see `to_numpy`."""
    value = array.item()
    if on_gpu and not isinstance(array, np.generic):
        waited(fetched=1)
    return value


def tolist(array):
    """The array as nested lists of Python numbers, a number where it has no dimensions; under CuPy see `to_numpy`."""
    values = array.tolist()
    if on_gpu:
        waited(fetched=1)
    return values


def nonzero(array):
    """NumPy's `nonzero`; on a GPU the host waits for how many there are."""
    found = xp.nonzero(array)
    if on_gpu:
        waited()
    return found


def unique(array, **options):
    """NumPy's `unique`; on a GPU the host waits for how many there are."""
    if on_gpu and options.get("axis") is not None:
        return distinct_slices(array, options["axis"])
    found = xp.unique(array, **options)
    if on_gpu:
        waited()
    return found


def distinct_slices(array, axis):
    """What `unique` finds along an axis, with the inverse and the counts; CuPy's compares slices on the host, two by two."""
    slices = xp.moveaxis(array, axis, 0)
    n = len(slices)
    rows = slices.reshape(n, math.prod(slices.shape[1:]))
    order = xp.lexsort(rows.T[::-1]) if rows.size else xp.arange(n)
    ordered = rows.take(order, 0)
    begins = xp.ones(n, bool)  # where another slice than the one before stands
    begins[1:] = (ordered[1:] != ordered[:-1]).any(1)
    first = nonzero(begins)[0]
    inverse = xp.empty(n, "int64")
    inverse[order] = xp.cumsum(begins) - 1
    ends = xp.concatenate((first[1:], xp.full(min(n, 1), n)))
    return xp.moveaxis(slices.take(order.take(first), 0), 0, axis), inverse, ends - first


_constants = collections.defaultdict(dict)  # by dtype, then by number


def constant(value, dtype):
    """A Python number as an operand for arrays of `dtype`.

    NumPy converts a Python float anew at every call, which costs three times the multiplication of a small array: a
    0-d array of the right dtype is kept instead. For CuPy it is a scalar, which goes to a kernel by value.
    """
    try:
        return _constants[dtype][value]
    except KeyError:
        known = _constants[dtype]
    if not value:  # 0.0 and -0.0 would be the same key
        return zero(dtype, math.copysign(1, value))
    with np.errstate(all="ignore"):  # a number that does not fit wraps around or is infinite, as torch has it
        array = np.array(value).astype(dtype)
    if len(known) >= 1024:
        known.clear()
    known[value] = array = array[()] if on_gpu else array
    return array


@functools.lru_cache(64)
def zero(dtype, sign=1):
    """0, or with a negative `sign` -0, as `constant` makes it."""
    array = np.array(math.copysign(0, sign)).astype(dtype)
    return array[()] if on_gpu else array


def overflow_expected():
    """A context in which a power may overflow to infinity; NumPy would warn, CuPy never does."""
    return contextlib.nullcontext() if on_gpu else np.errstate(over="ignore")


def unwarned():
    """A context in which numbers become infinite and NaN without NumPy's warnings; CuPy has none."""
    return contextlib.nullcontext() if on_gpu else np.errstate(all="ignore")


def range_watched():
    """A context in which a result outside of the range of its dtype raises FloatingPointError.

    On a GPU nobody can say, so it is raised at once, and the way that is careful is taken always.
    """
    if on_gpu:
        raise FloatingPointError
    return np.errstate(over="raise", under="raise")


def any_true(x):
    """Whether any value is not 0; False on a GPU, which is not asked, as the host would have to wait for it."""
    return not on_gpu and bool(np.count_nonzero(x))


def any_zero(x):
    """Whether any value is 0; False on a GPU as well."""
    return not on_gpu and bool(np.count_nonzero(x) < x.size)


def surely_finite(x):
    """Whether the sum of all squares is finite, and so every value; True on a GPU, which is not asked either."""
    if on_gpu:
        return True
    x = x.ravel(order="K")
    return math.isfinite(x.dot(x))


def error_actions():
    """What happens at each kind of floating-point error, as NumPy names it; CuPy has none."""
    return {} if on_gpu else np.geterr()


def raise_errors(*kinds):
    """Raise these kinds of floating-point errors from now on, and meet the others in silence."""
    np.seterr(**{"all": "ignore", **dict.fromkeys(kinds, "raise")})


def scatter_add(array, index, values):
    """`array[index] += values` in place, every repeated index counted."""
    if on_gpu and array.dtype.kind != "f":  # CuPy adds few kinds of integers, but uint64 modulo 2 ** 64: so do the others
        wide = array.astype("uint64")
        xp.add.at(wide, index, values.astype("uint64"))
        array[...] = wide
    else:
        xp.add.at(array, index, values)


def counts(index, weights=None, minlength=0):
    """NumPy's `bincount`; CuPy's has no answer where there is nothing to count."""
    if index.size:
        found = xp.bincount(index, weights, minlength)
        if on_gpu:  # for the smallest and the largest
            waited()
            waited()
        return found
    return xp.zeros(minlength, "int64" if weights is None else "float64")


def positions(found):
    """What `argmax` and `argmin` found, as int64: CuPy counts in a dtype that equals it but is another object."""
    return found.view(np.dtype("int64")) if on_gpu else found


def within(index, size):
    """Whether every value of a flat int64 array is in [0, size); on a GPU the answer waits for the device."""
    if on_gpu:
        return not index.size or bool(item((index.min() >= 0) & (index.max() < size)))
    try:  # two calls that check as they go cost a quarter of min and max
        _places(size).take(index)  # refuses what is too large, but counts negative numbers from the end
        np.bincount(index)  # refuses negative numbers
    except (IndexError, ValueError):
        return False
    return True


@functools.lru_cache(64)
def _places(size):
    return np.zeros(size, bool)


def rectified(x):
    """max(x, 0); NumPy's maximum with a number takes three times as long as its clip where arrays are large."""
    if on_gpu or x.size < 3000 or x.dtype.kind != "f":
        return xp.maximum(x, 0)
    return x.clip(zero(x.dtype), constant(np.inf, x.dtype))


def tanh_gradient(g, y):
    """g * (1 - y * y) in one new array."""
    t = y * y
    xp.subtract(constant(1, y.dtype), t, t)
    return xp.multiply(g, t, t)


BITS = {np.dtype(f"f{size}"): np.dtype(f"u{size}") for size in (2, 4, 8)}  # integers as large as the floats


def select(condition, a, b):
    """`where(condition, a, b)` of arrays or numbers, by bits where there are many: NumPy's takes up to ten times as long."""
    if on_gpu or condition.size < MANY_CHOICES:
        return xp.where(condition, a, b)
    dtype, *others = {x.dtype for x in (a, b) if x.__class__ not in NUMBERS} or {None}
    if others or dtype not in BITS:
        return xp.where(condition, a, b)
    x, y = [(constant(x, dtype) if x.__class__ in NUMBERS else x).view(BITS[dtype]) for x in (a, b)]
    x = x ^ y
    chosen = xp.multiply(x, condition, x if x.shape == condition.shape else None)
    chosen ^= y
    return chosen.view(dtype)


MANY_CHOICES = 256


def relu_gradient(g, y):
    """g where y is not 0, so that NaN passes it on, and else 0: its bits times 1 or 0, as 0 times infinity is NaN."""
    dtype = y.dtype
    bits = BITS[dtype]
    if y.size < 3000:
        if y.size < MANY_CHOICES and y.__class__ is np.ndarray:  # views cost as much, and where they are recorded nothing
            return np.where(y, g, zero(dtype))
        return (g.view(bits) * (y != zero(dtype))).view(dtype)
    x = xp.empty_like(y)  # without an array for the mask
    ones_and_zeros = xp.not_equal(y, zero(dtype), x.view(bits))
    xp.multiply(ones_and_zeros, g.view(bits), ones_and_zeros)
    return x


def expanded(x, shape):
    """`broadcast_to`, but writable; NumPy's own is not, and takes ten times as long as the view that it makes."""
    if on_gpu:
        return xp.broadcast_to(x, shape)
    if not x.flags.c_contiguous or x.ndim != len(shape):
        y = xp.broadcast_to(x, shape)
        y.flags.writeable = x.flags.writeable
        return y
    return np.ndarray(shape, x.dtype, x, 0, [0 if n == 1 else s for n, s in zip(x.shape, x.strides)])


@functools.lru_cache(64)
def ones(n, dtype):
    return xp.ones(n, dtype)


def column_sums(x):
    """Sums of a 2-D array over its rows; a product with ones is three times faster than `sum(0)` when it is small."""
    n = len(x)
    if n > MANY_ROWS and not on_gpu:  # in blocks, whose rounding errors do not add up
        return column_sums(np.stack([column_sums(x[i : i + MANY_ROWS]) for i in range(0, n, MANY_ROWS)]))
    return ones(n, x.dtype).dot(x)


MANY_ROWS = 4096


def row_sums(x):
    """Sums of a 2-D array along its rows, shape (N, 1)."""
    return x.dot(ones(x.shape[1], x.dtype)).reshape(-1, 1)


def row_maxima(x):
    """The largest value of each row of a 2-D array, shape (N, 1); NumPy is slow along short rows, quick down columns."""
    if on_gpu:
        return x.max(1, keepdims=True)
    if len(x) > x.shape[1]:
        return np.maximum.reduce(x.T.copy(), 0).reshape(-1, 1)
    return np.maximum.reduce(x, 1, keepdims=True)  # the ufunc skips a wrapper


def maxima(x, dim):
    """The largest values over one dimension, which stays with size 1."""
    if x.ndim == 2 and dim == 1:
        return row_maxima(x)
    return x.max(dim, keepdims=True) if on_gpu else np.maximum.reduce(x, dim, keepdims=True)


def total(x, dims):
    """Sums over a tuple of dimensions, in a shape that broadcasts against x: size 1 there, of columns just (C,)."""
    if dims == (0,) and x.ndim == 2 and x.dtype.kind == "f":
        return column_sums(x)
    if on_gpu:
        return x.sum(dims, keepdims=True)
    if dims == ALL_BUT_CHANNELS.get(x.ndim) and x.dtype.kind == "f":  # a sixth of the time that `reduce` needs
        lines = channel_lines(x)
        sums = row_sums(lines.reshape(math.prod(lines.shape[:3]), lines.shape[3])).reshape(lines.shape[:3])
        return sums.sum((0, 2)).reshape(1, -1, *(1,) * (x.ndim - 2))
    return np.add.reduce(x, dims, keepdims=True)


ALL_BUT_CHANNELS = {3: (0, 2), 4: (0, 2, 3), 5: (0, 2, 3, 4)}  # of (N, C, *space), by the number of dimensions


def channel_lines(x):
    """(N, C, *space) as (A, C, B, L), lines of L numbers that are neighbours in memory: over images, or over space."""
    n, c, *space = x.shape
    last = x.transpose(*range(1, x.ndim), 0)
    if last.flags.c_contiguous:
        return last.reshape(1, c, math.prod(space), n)
    return x.reshape(n, c, 1, math.prod(space))


def product_total(x, y, dims):
    """The total of x * y, which for channels of images is never formed."""
    if on_gpu or dims != ALL_BUT_CHANNELS.get(x.ndim) or x.strides != y.strides:
        return total(x * y, dims)
    return np.vecdot(channel_lines(x), channel_lines(y)).sum((0, 2)).reshape(1, -1, *(1,) * (x.ndim - 2))


def has_nccl():
    """Whether CuPy finds NCCL, which sends arrays from GPU to GPU; where it does not, it warns and says what to install."""
    return importlib.import_module("cupy.cuda.nccl").available


def gpus_joined(size, rank):
    """NCCL's communicator among the current GPUs of all processes of MPI."""
    return importlib.import_module("cupyx.distributed").init_process_group(size, rank, use_mpi=True)


def canonical(array):
    """The array, its dtype the very object that NumPy uses: the engine compares with `is`, unpickling makes equal ones."""
    dtype = np.dtype(array.dtype.name)
    return array if array.dtype is dtype else array.view(dtype)


def address(array):
    """Where the first element of an array lies in memory."""
    return array.data.ptr if on_gpu else array.ctypes.data


def strided(x, shape, strides, offset=0):
    """The memory of a contiguous array, from a byte offset on, as an array with other strides; not checked."""
    if on_gpu:
        return xp.lib.stride_tricks.as_strided(x.reshape(-1)[offset // x.itemsize :], shape, strides)
    return np.ndarray(shape, x.dtype, x, offset, strides)


def root_of(array):
    """The array that an array is a view of, or itself."""
    while isinstance(array.base, Array):
        array = array.base
    return array


def same_gpu():
    """What another thread is to call first to compute on this thread's GPU, as CUDA begins each with GPU 0; else None."""
    return xp.cuda.Device().use if on_gpu else None


# ------------------------------------------------------------------------------------------- what kernels refuse


class Fault:
    """An error that a kernel can only note down: by its number, with a value that is not in [low, size), and the size.

    The host raises it when it next waits for the device anyway; see `raise_noted`. `text` may name {value}, {low}
    and {size}; `from_end`: negative values, up to the size, count from the end, so low is -size and otherwise 0.
    """

    known = [None]  # by number; 0 is none

    def __init__(self, kind, text, from_end=False):
        self.kind, self.text, self.from_end, self.number = kind, text, from_end, len(self.known)
        self.known.append(self)

    def low(self, size):
        """The smallest value that is in range."""
        return -size if self.from_end else 0

    def error(self, value, size):
        """The error that says it."""
        return self.kind(self.text.format(value=value, low=self.low(size), size=size))


# for kernels, whose parameter `noted` is the number that `note` returns
REFUSES = """
__device__ bool refuses(long long value, long long low, long long size, unsigned long long noted, long long fault)
{   // whether a value is not in [low, size); the first thread that meets one writes it down
    if (low <= value && value < size) return false;
    unsigned long long *note = (unsigned long long *)noted;
    if (atomicCAS(note, 0ULL, (unsigned long long)fault) == 0) {
        note[1] = value;
        note[2] = size;
    }
    return true;
}
"""


@functools.cache
def note():
    """int64 (fault, value, size) that kernels write to and the host reads, and its address for them.

    It is memory of the host that the device can reach, so that looking at it is neither a transfer nor a wait.
    """
    memory = xp.cuda.alloc_pinned_memory(24)
    words = np.frombuffer(memory, np.int64, 3)
    words[:] = 0
    return words, np.uint64(memory.ptr)


def raise_noted():
    """Raise what a kernel has noted since the last time; to be called where the host has just waited for the device."""
    words = note()[0]
    if words[0]:
        number, value, size = words.tolist()
        words[0] = 0
        raise Fault.known[number].error(value, size)


def structure(words, size):
    """Unsigned numbers of 64 bits, filled up to `size` of them with the largest there is, as one argument of a kernel."""
    packed = struct.pack(f"{len(words)}Q", *words)
    return np.frombuffer(packed.ljust(8 * size, b"\xff"), f"V{8 * size}")


def launched():
    """To be called after the launch of a kernel that may note something: waits for it where MINIGRAD_LAUNCH_BLOCKING=1.

    An error then comes from the line that caused it, as with CUDA_LAUNCH_BLOCKING, and costs a wait for each launch.
    """
    if LAUNCH_BLOCKING:
        xp.cuda.Device().synchronize()
        waited()


LAUNCH_BLOCKING = os.environ.get("MINIGRAD_LAUNCH_BLOCKING", "0") == "1"
