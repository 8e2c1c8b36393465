"""A stand-in for CuPy on machines without a GPU: arrays in host memory that refuse what CuPy's refuse.

With this folder on PYTHONPATH, `MINIGRAD_BACKEND=cupy` finds it under CuPy's name. It keeps to the rules of CuPy 14 that
code for both libraries breaks most easily:
- only `asnumpy`, `get`, `item` and `tolist` bring numbers to the host; NumPy converts no array, and no operation takes
  one of the host beside one of the device;
- an array is not an index: Python cannot ask for its number by `__index__`;
- reductions and `x[0]` return 0-d arrays, never scalars, and an index of numbers and slices always gives a view;
- indices that are out of range wrap around without an error;
- a block that is assigned to another is copied as it lies, and garbled where they overlap;
- results are in C order; only what is told to copy an order keeps it;
- `argmax` and `argmin` count in C's long long, a dtype that equals int64 but is another object;
- `add.at` and its relatives know few dtypes, int64 is none of them;
- every array can be written to, and no arithmetic warns;
- `floor_divide` and `remainder` of floats round a quotient that is rounded already, and so miss what NumPy finds;
- each thread begins with GPU 0, whichever the others have chosen;
- `unique` along an axis compares slices two by two, waits for each answer, and cannot compare booleans;
- a function, a method or an argument that CuPy lacks is missing: what there is stands in the lists below, but for
  `argpartition`, which loses NaN.

`traffic` counts what would cross the bus, how often the host would wait for the device, and the calls that give the device
something to compute: "launches", of which a kernel or a ufunc makes one and some other functions make several.

`kernels.py` runs kernels that are written in CUDA C.
"""

import collections
import contextlib
import ctypes
import inspect
import math
import threading
import time
import types

import numpy as np

__version__ = "14 (stand-in)"
traffic = collections.Counter()  # "to device", "to host", "waits", "launches"

UFUNCS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or bitwise_xor ceil "
    "copysign cos cosh divide equal exp exp2 expm1 floor floor_divide fmax fmin fmod greater greater_equal hypot "
    "invert isfinite isinf isnan left_shift less less_equal log log10 log1p log2 logaddexp logical_and logical_not "
    "logical_or logical_xor maximum minimum multiply negative not_equal positive power reciprocal remainder "
    "right_shift rint sign signbit sin sinh sqrt square subtract tan tanh true_divide trunc"
).split()
FUNCTIONS = """
    all(a, axis=None, out=None, keepdims=False)
    allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
    any(a, axis=None, out=None, keepdims=False)
    arange(start, stop=None, step=1, dtype=None)
    argmax(a, axis=None, dtype=None, out=None, keepdims=False)
    argmin(a, axis=None, dtype=None, out=None, keepdims=False)
    argsort(a, axis=-1, kind=None)
    array_equal(a1, a2, equal_nan=False)
    ascontiguousarray(a, dtype=None)
    bincount(x, weights=None, minlength=None)
    broadcast_to(array, shape)
    clip(a, a_min, a_max, out=None)
    concatenate(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
    count_nonzero(a, axis=None)
    copyto(dst, src, casting='same_kind', where=None)
    cumprod(a, axis=None, dtype=None, out=None)
    cumsum(a, axis=None, dtype=None, out=None)
    diag(v, k=0)
    diagonal(a, offset=0, axis1=0, axis2=1)
    dot(a, b, out=None)
    einsum(*operands, **kwargs)
    empty(shape, dtype=float, order='C')
    empty_like(prototype, dtype=None, order='K', subok=None, shape=None)
    expand_dims(a, axis)
    eye(N, M=None, k=0, dtype=float, order='C')
    flip(a, axis=None)
    full(shape, fill_value, dtype=None, order='C')
    full_like(a, fill_value, dtype=None, order='K', subok=None, shape=None)
    isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)
    lexsort(keys)
    linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0)
    matmul(*args, axes=None, axis=None, keepdims=False, casting='same_kind', dtype=None, signature=None, order='K', out=None)
    max(a, axis=None, out=None, keepdims=False)
    may_share_memory(a, b, max_work=None)
    mean(a, axis=None, dtype=None, out=None, keepdims=False)
    min(a, axis=None, out=None, keepdims=False)
    moveaxis(a, source, destination)
    nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None)
    nonzero(a)
    ones(shape, dtype=float, order='C')
    ones_like(a, dtype=None, order='K', subok=None, shape=None)
    prod(a, axis=None, dtype=None, out=None, keepdims=False)
    ravel_multi_index(multi_index, dims, mode='wrap', order='C')
    repeat(a, repeats, axis=None)
    reshape(a, newshape, order='C')
    roll(a, shift, axis=None)
    searchsorted(a, v, side='left', sorter=None)
    shares_memory(a, b, max_work=None)
    sort(a, axis=-1, kind=None)
    squeeze(a, axis=None)
    stack(tup, axis=0, out=None, *, dtype=None, casting='same_kind')
    std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    sum(a, axis=None, dtype=None, out=None, keepdims=False)
    swapaxes(a, axis1, axis2)
    take(a, indices, axis=None, out=None)
    take_along_axis(a, indices, axis)
    tile(A, reps)
    transpose(a, axes=None)
    tril(m, k=0)
    triu(m, k=0)
    unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True)
    var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    where(condition, x=None, y=None)
    zeros(shape, dtype=float, order='C')
    zeros_like(a, dtype=None, order='K', subok=None, shape=None)
"""
LINALG = """
    inv(a)
    norm(x, ord=None, axis=None, keepdims=False)
    qr(a, mode='reduced')
    svd(a, full_matrices=True, compute_uv=True)
"""
METHODS = """
    all(axis=None, out=None, keepdims=False)
    any(axis=None, out=None, keepdims=False)
    argmax(axis=None, out=None, dtype=None, keepdims=False)
    argmin(axis=None, out=None, dtype=None, keepdims=False)
    argsort(axis=-1, kind=None)
    astype(dtype, order='K', casting=None, subok=None, copy=True)
    clip(min=None, max=None, out=None)
    copy(order='C')
    cumprod(axis=None, dtype=None, out=None)
    cumsum(axis=None, dtype=None, out=None)
    diagonal(offset=0, axis1=0, axis2=1)
    dot(b, out=None)
    fill(value)
    flatten(order='C')
    max(axis=None, out=None, keepdims=False)
    mean(axis=None, dtype=None, out=None, keepdims=False)
    min(axis=None, out=None, keepdims=False)
    nonzero()
    prod(axis=None, dtype=None, out=None, keepdims=None)
    ravel(order='C')
    repeat(repeats, axis=None)
    reshape(*shape, order='C')
    round(decimals=0, out=None)
    searchsorted(v, side='left', sorter=None)
    sort(axis=-1, kind=None)
    squeeze(axis=None)
    std(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    sum(axis=None, dtype=None, out=None, keepdims=False)
    swapaxes(axis1, axis2)
    take(indices, axis=None, out=None)
    trace(offset=0, axis1=0, axis2=1, dtype=None, out=None)
    transpose(*axes)
    var(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    view(dtype=None, type=None)
"""
SAME = (
    "dtype generic finfo iinfo promote_types result_type bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 "
    "uint32 uint64 nan inf pi newaxis"
).split()
OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift", "matmul": "matmul",
}  # fmt: skip
COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
SIGNS = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
KEEP_ORDER = {"array", "astype", "copy", "empty_like", "full_like", "ones_like", "zeros_like"}
WAITS = {"nonzero": 1, "unique": 1, "bincount": 2, "allclose": 1, "array_equal": 1}  # for how large the result is, say
SCATTERED = {  # the dtypes of `ufunc.at`
    "add": "int32 uint32 uint64 float16 float32 float64",
    "subtract": "int32 uint32",
    "maximum": "int32 uint32 uint64 float32 float64",
    "minimum": "int32 uint32 uint64 float32 float64",
}


@contextlib.contextmanager
def counting():
    """A Counter of what the block sends to the device and to the host, of its waits and of its launches."""
    before, during = traffic.copy(), collections.Counter()
    yield during
    during.update(traffic - before)


def refusal(value):
    return TypeError(f"Unsupported type {type(value)}")


# ------------------------------------------------------------------------------------------------------ what there is


class Data:
    """Where the memory of an array begins."""

    def __init__(self, address):
        self.ptr = address


class Flags:
    """What CuPy says of the order in memory; whether one may write is not asked."""

    def __init__(self, array):
        self.c_contiguous, self.f_contiguous = array.host.flags.c_contiguous, array.host.flags.f_contiguous
        self.owndata, self.fnc, self.forc = array.base is None, array.host.flags.fnc, array.host.flags.forc


class Current(threading.local):
    """The number of the GPU that a thread computes on: 0 until the thread itself chooses another."""

    id = 0


current = Current()


class Device:
    """A GPU; there is one, unless a test says that there are more."""

    pci_bus_id = "0000:00:00.0"

    def __init__(self, device=None):
        self.id = current.id if device is None else device
        if not 0 <= self.id < runtime.getDeviceCount():
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def use(self):
        """Make it the current one of this thread."""
        current.id = self.id

    def synchronize(self):
        """Wait for what it was given to do."""
        traffic["waits"] += 1


class Event:
    """A moment in the work of the device, which is never behind the host here."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.moment = None

    def record(self, stream=None):
        """It happens when the stream has come to it."""
        self.moment = time.perf_counter()

    def synchronize(self):
        """Wait for it."""
        traffic["waits"] += 1


def get_elapsed_time(start_event, end_event):
    """Milliseconds between two events."""
    return 1e3 * (end_event.moment - start_event.moment)


class CUDARuntimeError(RuntimeError):
    """What CUDA answers when it refuses."""


class MemoryPool:
    """Memory that was freed and is kept."""

    def free_all_blocks(self):
        """Give it back."""


class ndarray:
    """An array of the device: `host` is a NumPy array that nobody else may touch."""

    __slots__ = ("host", "base", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise TypeError("the stand-in makes arrays of new memory only")
        self.host, self.base = np.empty(shape, dtype, order=order), None

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    flags = property(Flags)
    data = property(lambda self: Data(self.host.ctypes.data))
    device = property(lambda self: Device())
    T = property(lambda self: view_of(self, self.host.T))
    mT = property(lambda self: view_of(self, self.host.mT))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """`np.exp(x)`, and the operators of NumPy's scalars."""
        if not all(isinstance(x, (ndarray, np.ndarray, np.generic, int, float, complex)) for x in inputs):
            return NotImplemented
        if ufunc.__name__ not in UFUNCS or method != "__call__":
            return NotImplemented
        return names[ufunc.__name__](*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(t, ndarray) for t in types) or function.__name__ not in names:
            return NotImplemented
        return names[function.__name__](*args, **kwargs)

    def get(self, stream=None, order="C", out=None, blocking=True):
        """A copy on the host."""
        traffic.update({"to host": 1, "waits": 1})
        return self.host.copy()

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return repr(self.get())

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __getitem__(self, index):
        index, copies = wrapped(index, self.shape)
        if copies:
            return launched(fresh(self.host[index]))
        return view_of(self, place_of(self.host, index))

    def __setitem__(self, index, value):
        index, copies = wrapped(index, self.shape)
        if not copies and not isinstance(value, (ndarray, np.generic, int, float)):
            raise refusal(value)
        traffic["launches"] += 1
        if not copies and isinstance(value, ndarray) and overlaps(place := place_of(self.host, index), value.host):
            steps = range(place.size)
            place, source = place.reshape(-1), value.host.reshape(-1)
            for i in steps if place.ctypes.data > source.ctypes.data else reversed(steps):
                place[i] = source[i]
            return
        self.host[index] = stored(value, self.dtype)

    def __dlpack__(self, **options):
        return self.host.__dlpack__()

    def __dlpack_device__(self):
        return (2, 0)  # CUDA, GPU 0


# ------------------------------------------------------------------------------------- between NumPy's arrays and these


class Memory:
    """The memory of an array as one that may be written to."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def device_array(host, base=None):
    array = object.__new__(ndarray)
    array.host, array.base = host if host.flags.writeable else np.asarray(Memory(host)), base
    return array


def view_of(source, host):
    """An array of the device around a view of the memory of another."""
    return device_array(host, source if source.base is None else source.base)


def fresh(result, order="C"):
    """What a call of NumPy returned, as CuPy would: arrays of the device, 0-d ones included."""
    if isinstance(result, (np.ndarray, np.generic)):
        return device_array(np.asarray(result, order=order))
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(fresh(part, order) for part in result))
    if isinstance(result, (list, tuple)):
        return type(result)(fresh(part, order) for part in result)
    return result


def launched(result):
    """The result, which took a launch where there was anything to compute; None: something was computed in place."""
    parts = result if isinstance(result, (list, tuple)) else [result]
    traffic["launches"] += result is None or any(isinstance(x, ndarray) and x.size > 0 for x in parts)
    return result


def bare(value):
    """What NumPy gets for an argument: the memory behind an array of the device; an array of the host is refused."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise refusal(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(bare, value))
    if isinstance(value, dict):
        return {key: bare(part) for key, part in value.items()}
    return value


def place_of(host, index):
    """The view of NumPy's array that an index of numbers and slices names."""
    end = () if any(part is Ellipsis for part in index) else (...,)
    return host[(*index, *end)]


def overlaps(place, source):
    """Whether CuPy copies one array to the other as a block of bytes, though they have some of them in common."""
    alike = place.shape == source.shape and place.strides == source.strides and place.dtype == source.dtype
    return alike and place.flags.c_contiguous and place.size > 0 and np.may_share_memory(place, source)


def stored(value, dtype):
    """A value to write, cast without a check."""
    value = bare(value)
    return value.astype(dtype) if isinstance(value, np.ndarray) else value


def wrapped(index, shape):
    """An index with its arrays of integers brought into range, and whether it copies."""
    parts = list(index) if isinstance(index, tuple) else [index]
    for i, part in enumerate(parts):
        if isinstance(part, np.ndarray):
            raise IndexError(f"Unsupported type {type(part)}")
        if isinstance(part, list):
            parts[i] = array(part, np.int64 if not part else None)
        elif isinstance(part, (bool, np.bool_)):
            parts[i] = fresh(np.asarray(part))
    used = sum(part.ndim if is_mask(part) else part is not None and part is not Ellipsis for part in parts)
    dim = 0
    for i, part in enumerate(parts):
        if isinstance(part, ndarray):
            traffic["waits"] += is_mask(part)
            if not is_mask(part) and dim < len(shape) and shape[dim]:
                if part.dtype.kind not in "iu":
                    raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype})")
                parts[i] = part.host % shape[dim]
            else:
                parts[i] = part.host
        dim += len(shape) - used if part is Ellipsis else part.ndim if is_mask(part) else part is not None
    return tuple(parts), any(isinstance(part, np.ndarray) for part in parts)


def is_mask(part):
    return isinstance(part, ndarray) and part.dtype.kind == "b"


# -------------------------------------------------------------------------------------------------- functions of arrays


class ufunc:
    """An elementwise function."""

    def __init__(self, function):
        self.function, self.nin, self.__name__ = function, function.nin, f"cupy_{function.__name__}"

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        if not self.nin <= len(args) <= self.nin + 1:
            raise TypeError(f"Wrong number of arguments for {self.__name__!r}: {len(args)}")
        inputs, out = args[: self.nin], args[self.nin] if len(args) > self.nin else out
        out = out[0] if isinstance(out, tuple) else out
        for x in inputs:
            if not isinstance(x, (ndarray, np.generic, int, float, complex)):
                raise refusal(x)
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        if out is not None and out.shape != np.broadcast_shapes(*(np.shape(bare(x)) for x in inputs), out.shape):
            raise ValueError("Out shape is mismatched")
        with np.errstate(all="ignore"):
            result = self.function(*map(bare, inputs), out=bare(out), dtype=dtype, casting=casting)
            if self.function in DIVISIONS and result.dtype.kind == "f":
                a, b = (np.asarray(bare(x), result.dtype) for x in inputs)
                result = DIVISIONS[self.function](a, b)
                if out is not None:
                    out.host[...] = result
        return launched(fresh(result) if out is None else out)

    def at(self, a, indices, b=None):
        """Unbuffered in-place operation, every repeated index counted."""
        if self.function.__name__ not in SCATTERED:
            raise NotImplementedError(f"`{self.__name__}.at` is not supported yet")
        known, (index, copies) = SCATTERED[self.function.__name__].split(), wrapped(indices, a.shape)
        if copies and a.dtype not in known and not any(part.dtype == bool for part in index if isinstance(part, np.ndarray)):
            raise TypeError(f"{self.__name__}.at only supports {', '.join(known)}, got {a.dtype}")
        with np.errstate(all="ignore"):
            self.function.at(a.host, index, stored(b, a.dtype))
        traffic["launches"] += 1

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        if self.function not in (np.add, np.multiply):
            raise NotImplementedError(f"`{self.__name__}.reduce` is not supported yet")
        return (array.sum if self.function is np.add else array.prod)(axis, dtype, out, keepdims)


DIVISIONS = {np.floor_divide: lambda a, b: np.floor(a / b), np.remainder: lambda a, b: a - np.floor(a / b) * b}  # of floats


def signatures(text):
    """The names and signatures of a list above."""
    for line in text.strip().splitlines():
        name, _, parameters = line.strip().partition("(")
        yield name, inspect.signature(eval(f"lambda {parameters[:-1]}: None"))


def caller(name, compute, signature, is_method=False):
    """The function or method that checks its arguments, counts its waits, and computes with NumPy."""

    def call(*args, **kwargs):
        signature.bind(*args[is_method:], **kwargs)
        traffic["waits"] += WAITS.get(name, 0)
        given = [x for x in (*args, *kwargs.values()) if isinstance(x, ndarray)]
        args, kwargs = bare(args), bare(kwargs)
        with np.errstate(all="ignore"):
            result = (special.get(name) or compute)(*args, **kwargs)
        if isinstance(kwargs.get("out"), np.ndarray):
            return launched(next(x for x in given if x.host is kwargs["out"]))
        if isinstance(result, np.ndarray):
            for x in given:
                if result is x.host:
                    return x
                if result.base is not None and (np.may_share_memory(result, x.host) or not result.size):
                    return view_of(x, result)
        result = fresh(result, "K" if name in KEEP_ORDER else "C")
        return result if name in {"empty", "empty_like"} else launched(result)

    call.__name__ = name
    return call


def long_long(function):
    return lambda a, *args, **kwargs: function(a, *args, **kwargs).astype(np.longlong)


def take_(a, indices, axis=None, out=None):
    if not isinstance(indices, (np.ndarray, int, np.integer)):
        indices = np.asarray(indices, int)
    if not a.size:  # where NumPy wraps without end
        before, after = ((), ()) if axis is None else (a.shape[: axis % a.ndim], a.shape[axis % a.ndim + 1 :])
        if math.prod(shape := before + np.shape(indices) + after):
            raise IndexError("cannot do a non-empty take from an empty axes.")
        return np.empty(shape, a.dtype)
    return np.take(a, indices, axis, out, "wrap")


def take_along_axis_(a, indices, axis):
    size = a.size if axis is None else a.shape[axis]
    return np.take_along_axis(a, indices % size if size else indices, axis)


def ravel_multi_index_(multi_index, dims, mode="wrap", order="C"):
    return np.ravel_multi_index(multi_index, dims, mode, order)


def where_(condition, x=None, y=None):
    condition = condition.astype(bool)  # so a number is refused
    if x is None:
        traffic["waits"] += 1
        return np.nonzero(condition)
    return np.where(condition, x, y)


def astype_(x, dtype, order="K", casting=None, subok=None, copy=True):
    if casting is not None or subok is not None:
        raise TypeError("casting and subok are not supported yet")
    return x.astype(dtype, order, copy=copy)


def bincount_(x, weights=None, minlength=None):
    if not x.size:
        raise ValueError("zero-size array to reduction operation cupy_max which has no identity")
    return np.bincount(x, weights, minlength or 0)


def repeat_(x, repeats, axis=None):
    if isinstance(repeats, np.ndarray):
        raise ValueError("cupy.ndaray cannot be specified as `repeats` argument.")
    return np.repeat(x, repeats, axis)


def unique_(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True):
    if axis is not None:
        if ar.dtype.kind == "b":
            raise TypeError("cupy boolean subtract, the `-` operator, is deprecated")
        traffic["waits"] += 2 * ar.shape[axis] * ar.shape[axis].bit_length()
    return np.unique(ar, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)


def searchsorted_(a, v, side="left", sorter=None):
    if not isinstance(v, (np.ndarray, int, float, complex)):
        raise NotImplementedError("Only python scalars or ndarrays are supported for v")
    return np.searchsorted(a, v, side, sorter)


special = {"argmax": long_long(np.argmax), "argmin": long_long(np.argmin)}
for f in bincount_, take_, take_along_axis_, ravel_multi_index_, where_, astype_, repeat_, unique_, searchsorted_:
    special[f.__name__.strip("_")] = f


def operator(name, function):
    def call(self, *others):
        for other in others:
            if isinstance(other, np.ndarray):
                raise refusal(other)
            if not isinstance(other, (ndarray, np.generic, int, float, complex)):
                return NotImplemented
        return function(self, *others)

    call.__name__ = name
    return call


# ------------------------------------------------------------------------------------------------- to and from the host


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """A copy on the host of an array of the device; other things become NumPy arrays."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """An array of the device with the values of another, of an array of the host, or of nested lists."""
    if isinstance(obj, ndarray):
        host = np.array(obj.host, dtype, copy=copy or None, order=order)
        return obj if host is obj.host else launched(device_array(host))
    if order in "KA":
        order = "F" if isinstance(obj, np.ndarray) and obj.flags.fnc else "C"
    host = np.array(nested(obj), dtype, order=order)
    if holds_no(ndarray, obj) and host.ndim and host.size:  # one number travels with the call of the kernel
        traffic["to device"] += 1
    return device_array(host)


def nested(value):
    """Nested lists of the arrays of one kind as NumPy joins them."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, (list, tuple)):
        if not holds_no(ndarray, value) and not all(isinstance(part, (ndarray, list, tuple)) for part in value):
            raise TypeError("only arrays of the device join those of the device")
        return [nested(part) for part in value]
    return value


def holds_no(kind, value):
    if isinstance(value, (list, tuple)):
        return all(holds_no(kind, part) for part in value)
    return not isinstance(value, kind)


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    """The array itself where it is one of the device with that dtype."""
    return array(a, dtype, bool(copy), order or "K")


def from_dlpack(array, *, device=None, copy=None):
    """An array on the memory of another array of the device."""
    if array.__dlpack_device__()[0] != 2:
        raise TypeError("CPU arrays cannot be directly imported to CuPy.")
    array = getattr(array, "array", array)  # nobody else here has memory on the device
    return view_of(array, array.host[...])


def as_strided(x, shape=None, strides=None):
    return view_of(x, np.lib.stride_tricks.as_strided(x.host, shape, strides))


class broadcast:
    """The shape that arrays have together."""

    def __init__(self, *arrays):
        self.shape = np.broadcast_shapes(*(array.shape for array in arrays))


def is_available():
    """There is a GPU, as far as anyone can tell."""
    return True


def get_default_memory_pool():
    return MemoryPool()


def alloc_pinned_memory(size):
    """Memory of the host that the device can reach by its address, `ptr`."""
    address = property(ctypes.addressof)
    return type("PinnedMemoryPointer", (ctypes.c_char * size,), {"ptr": address})()


# ------------------------------------------------------------------------------------------------------- the whole of it

names = {name: ufunc(getattr(np, name)) for name in UFUNCS}  # by `__getattr__`, for `any` and `max` are Python's own here
names |= {name: caller(name, getattr(np, name), signature) for name, signature in signatures(FUNCTIONS)}
names |= {name: getattr(np, name) for name in SAME}
for name, signature in signatures(METHODS):
    setattr(ndarray, name, caller(name, getattr(np.ndarray, name), signature, is_method=True))
for name, function in {**OPERATORS, **COMPARISONS, **SIGNS}.items():
    setattr(ndarray, f"__{name}__", operator(name, names[function]))
for name, function in OPERATORS.items():
    backwards = lambda x, y, function=names[function]: function(y, x)
    in_place = lambda x, y, function=names[function]: function(x, y, x)
    setattr(ndarray, f"__r{name}__", operator(name, backwards))
    setattr(ndarray, f"__i{name}__", operator(name, in_place))
del ndarray.__imatmul__

lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=as_strided))
linalg = types.SimpleNamespace(
    **{name: caller(name, getattr(np.linalg, name), signature) for name, signature in signatures(LINALG)}
)
runtime = types.SimpleNamespace(
    getDevice=lambda: current.id,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"stand-in", "totalGlobalMem": 1 << 30, "major": 0, "minor": 0},
    driverGetVersion=lambda: 12080,
    runtimeGetVersion=lambda: 12080,
    CUDARuntimeError=CUDARuntimeError,
)
cuda = types.SimpleNamespace(
    runtime=runtime, Device=Device, Event=Event, alloc_pinned_memory=alloc_pinned_memory,
    get_current_stream=lambda device_id=-1: None, get_elapsed_time=get_elapsed_time,
)  # fmt: skip


# here, because it needs what stands above
from .kernels import ElementwiseKernel, RawKernel, RawModule  # noqa: E402, F401


def __getattr__(name):
    if name not in names:
        raise AttributeError(f"the stand-in for CuPy has no {name!r}; if CuPy has it, list it with its signature")
    return names[name]
