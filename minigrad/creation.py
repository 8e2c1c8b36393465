"""New tensors: from data, from a rule, from the random stream."""

import functools
import math
import operator

import numpy as np

from . import random
from .autograd import Variable, wrap
from .backend import NUMBERS, asarray, canonical, copied, item, to_numpy, xp
from .device import check_device
from .ops import inplace, operands
from .ops.operands import as_dtype, fitting, float32, float64, int64, mismatch, promoted, result_type
from .ops.shape import integer
from .tensor import DTYPES, Tensor


def dtype_of(dtype, operation):
    """The NumPy dtype of a `dtype` argument, where minigrad has it."""
    dtype = operands.dtype_of(dtype, operation)
    if dtype not in DTYPES or not dtype.isnative:
        expected = ", ".join(map(str, DTYPES))
        raise TypeError(f"{operation}(): dtype {dtype} is not supported; expected one of {expected}")
    return dtype


def size_of(sizes, operation):
    """The sizes of `f(2, 3)` or `f((2, 3))` as a tuple of ints >= 0."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        (sizes,) = sizes
    try:
        size = tuple(map(operator.index, sizes))
    except TypeError as error:
        raise TypeError(f"{operation}(): expected the size as a tuple of ints, got {sizes!r}") from error
    if min(size, default=0) < 0:
        raise RuntimeError(f"{operation}: Trying to create tensor with negative dimension in size {list(size)}")
    if math.prod([n for n in size if n]) >= 2**59:  # in bytes, more than a machine can address
        raise RuntimeError(f"{operation}: Storage size calculation overflowed with sizes={list(size)}")
    return size


def given_size(sizes, size, operation):
    """The size of `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`."""
    if not sizes and size is None:
        raise TypeError(f"{operation}() missing the size: {operation}(2, 3) or {operation}((2, 3))")
    return size_of(sizes if size is None else (size,), operation)


def made(array, requires_grad=False):
    """A new tensor around an array."""
    tensor = wrap(array)
    return tensor.requires_grad_() if requires_grad else tensor


def number(x, operation):
    """A Python number from one, or from a Tensor or NumPy scalar of one element."""
    x = x.item() if isinstance(x, (Variable, np.generic)) else x
    if x.__class__ not in NUMBERS:
        raise TypeError(f"{operation}(): expected a number, got {type(x).__name__}")
    return x


# -------------------------------------------------------------------------------------------------------- from data


def tensor(data, *, dtype=None, device=None, requires_grad=False):
    """A tensor with a copy of the data: a number, nested sequences, a NumPy array or a Tensor.

    Python floats take the default dtype, float32, integers int64; arrays and their elements keep their dtype.
    """
    check_device(device, "tensor")
    dtype = None if dtype is None else dtype_of(dtype, "tensor")
    if isinstance(data, Variable):
        data = data.array
    elif not isinstance(data, (np.ndarray, np.generic, xp.ndarray)):
        data = from_python(data, dtype)
    dtype = dtype_of(data.dtype, "tensor") if dtype is None else dtype
    return made(canonical(copied(data, dtype)), requires_grad)


def from_python(data, dtype):
    """A number or nested sequences as a NumPy array, of the dtype that torch infers unless `dtype` says another."""
    kinds, inferred = kinds_in(data), None
    if not kinds <= NUMBERS.keys() and all(issubclass(kind, (*NUMBERS, Variable, np.generic, np.ndarray)) for kind in kinds):
        dtypes = (NUMBERS[x.__class__] if x.__class__ in NUMBERS else x.dtype for x in leaves(data))
        data, inferred = items(data), functools.reduce(promoted, dtypes)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"tensor(): expected sequences of equal length at every level, got {data!r:.60}") from error
    if array.dtype.kind not in "biuf" or array.dtype == xp.uint64:
        first = next(leaves(data), data)
        first = next((x for x in leaves(data) if not isinstance(x, (bool, int, float, np.generic, np.ndarray))), first)
        if isinstance(first, int):
            raise ValueError(f"tensor(): an integer of {data!r:.60} does not fit into int64")
        error = TypeError if isinstance(first, str) else RuntimeError
        raise error(f"tensor(): expected numbers, could not infer the dtype of {type(first).__name__}")
    if dtype is None:
        inferred = inferred or (NUMBERS[float] if array.dtype == float64 or not array.size else array.dtype)
        return array.astype(inferred, copy=False)
    if array.dtype.kind in "iuf" and dtype.kind in "iu" and array.size:
        for extreme in (array.max(), array.min()):
            fitting(extreme.item(), dtype, "tensor")
    return array


def kinds_in(data):
    """The classes of what nested sequences hold."""
    if not isinstance(data, (list, tuple)):
        return {int if isinstance(data, range) else data.__class__}
    kinds = {*map(type, data)}
    return kinds if kinds.isdisjoint((list, tuple, range)) else set().union(*map(kinds_in, data))


def leaves(data):
    """What nested sequences hold, one after the other."""
    if not isinstance(data, (list, tuple)):
        yield data
    else:
        for x in data:
            yield from leaves(x)


def items(data):
    """Nested sequences with the Tensors in them, of one element each, as numbers."""
    if isinstance(data, Variable):
        if data.array.size != 1:
            shape = data.array.shape
            raise ValueError(f"only one element tensors can be converted to Python scalars, got shape {shape}")
        return item(data.array)
    return [items(x) for x in data] if isinstance(data, (list, tuple)) else data


def from_numpy(array):
    """A tensor that shares the memory of a NumPy array (on a GPU: a copy)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy(): expected np.ndarray, got {type(array).__name__}")
    dtype_of(array.dtype, "from_numpy")
    return wrap(asarray(canonical(array)))


def as_tensor(data, dtype=None, device=None):
    """The data as a tensor, sharing memory where it can."""
    check_device(device, "as_tensor")
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    elif not isinstance(data, Variable):
        return tensor(data, dtype=dtype)
    return data if dtype is None else as_dtype(data, dtype_of(dtype, "as_tensor"))


# ------------------------------------------------------------------------------------------------------ from a rule


def filled(operation, doc):
    def create(*sizes, size=None, dtype=None, device=None, requires_grad=False):
        check_device(device, operation)
        dtype = NUMBERS[float] if dtype is None else dtype_of(dtype, operation)
        return made(getattr(xp, operation)(given_size(sizes, size, operation), dtype), requires_grad)

    create.__name__ = create.__qualname__ = operation
    create.__doc__ = doc
    return create


zeros = filled("zeros", "A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`.")
ones = filled("ones", "A tensor of ones.")
empty = filled("empty", "A tensor of uninitialised memory.")


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of `size` filled with one number; of that number's dtype by default."""
    check_device(device, "full")
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): expected the size as a tuple of ints, got {size!r}")
    value = number(fill_value, "full")
    dtype = result_type(fill_value) if dtype is None else dtype_of(dtype, "full")
    return made(xp.full(size_of((size,), "full"), fitting(value, dtype, "full"), dtype), requires_grad)


def like(create):
    def create_like(input, *, dtype=None, device=None, requires_grad=False):
        dtype = input.array.dtype if dtype is None else dtype
        return create(input.array.shape, dtype=dtype, device=device, requires_grad=requires_grad)

    create_like.__name__ = create_like.__qualname__ = create.__name__ + "_like"
    create_like.__doc__ = f"`{create.__name__}` with the shape and dtype of `input`."
    return create_like


zeros_like, ones_like, empty_like = like(zeros), like(ones), like(empty)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False):
    """`full` with the shape and dtype of `input`."""
    dtype = input.array.dtype if dtype is None else dtype
    return full(input.array.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def arange(start=0, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """start, start + step, ... below `end`; `arange(end)` starts at 0.

    int64, or the default dtype where an argument is a float. Where int64 is asked for, floats count without their fractions.
    """
    check_device(device, "arange")
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (number(x, "arange") for x in (start, end, step))
    dtype = None if dtype is None else dtype_of(dtype, "arange")
    if not (math.isfinite(start) and math.isfinite(end)) or math.isnan(step):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end} in steps of {step}")
    if dtype == int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: upper bound and lower bound inconsistent with step sign, got {start}, {end}, {step}")
    whole = not any(isinstance(x, float) for x in (start, end, step))
    if dtype is None:
        dtype = int64 if whole else NUMBERS[float]
    count = -((start - end) // step) if whole else (end - start) / step
    if not count < 2**59:
        raise RuntimeError(f"arange: invalid size, possible overflow? got {start}, {end}, {step}")
    count = math.ceil(count)
    if dtype.kind in "iu":
        start, step = int(start), int(step)
    return made((xp.arange(count) * step + start).astype(dtype, copy=False), requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False):
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    check_device(device, "linspace")
    dtype = NUMBERS[float] if dtype is None else dtype_of(dtype, "linspace")
    return made(spaced(start, end, steps, dtype, "linspace"), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False):
    """`base` to the powers `linspace(start, end, steps)`."""
    check_device(device, "logspace")
    dtype = NUMBERS[float] if dtype is None else dtype_of(dtype, "logspace")
    return made((number(base, "logspace") ** spaced(start, end, steps, float64, "logspace")).astype(dtype), requires_grad)


def spaced(start, end, steps, dtype, operation):
    """The values of `linspace`, counted from the nearer end and rounded as torch does."""
    start, end, steps = number(start, operation), number(end, operation), integer(steps, operation)
    if steps < 0:
        raise RuntimeError(f"{operation}: number of steps must be non-negative, got {steps}")
    rounded = (dtype if dtype.kind == "f" else float32).type
    start, end = rounded(start), rounded(end)
    start, end, step = float(start), float(end), float((end - start) / rounded(max(steps - 1, 1)))
    i = xp.arange(steps)
    return xp.where(i < (steps // 2 or 1), start + step * i, end - step * (steps - 1 - i)).astype(dtype)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False):
    """The (n, m) matrix with ones on its diagonal."""
    check_device(device, "eye")
    n, m = size_of((n, n if m is None else m), "eye")
    return made(xp.eye(n, m, dtype=NUMBERS[float] if dtype is None else dtype_of(dtype, "eye")), requires_grad)


# ------------------------------------------------------------------------------------------- from the random stream


def generator_of(generator, operation):
    if generator is None:
        return random.source
    if not isinstance(generator, random.Generator):
        raise TypeError(f"{operation}: expected a Generator, got {type(generator).__name__}")
    return generator


def operand(x, generator):
    """What a generator takes for a Tensor: its array, brought to the host unless the generator is on the GPU."""
    return to_numpy(x.array) if generator.device.type == "cpu" else x.array


def drawn(method, doc):
    def create(*sizes, size=None, generator=None, dtype=None, device=None, requires_grad=False):
        check_device(device, method)
        draw = getattr(generator_of(generator, method), method)
        return made(draw(given_size(sizes, size, method), NUMBERS[float] if dtype is None else dtype), requires_grad)

    create.__name__ = create.__qualname__ = method
    create.__doc__ = doc
    return create


randn = drawn("randn", "Normal values of mean 0 and standard deviation 1.")
rand = drawn("rand", "Uniform values from [0, 1).")
randn_like, rand_like = like(randn), like(rand)


def randint(low=0, high=None, size=None, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Uniform integers from [low, high): `randint(low, high, size)` or `randint(high, size)`."""
    if isinstance(high, (tuple, list)):
        high, size = None, high
    if high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint(): expected size to be a tuple of ints, got {size!r}")
    check_device(device, "randint")
    dtype = int64 if dtype is None else dtype_of(dtype, "randint")
    low, high = integer(low, "randint"), integer(high, "randint")
    draw = generator_of(generator, "randint").randint
    return made(draw(low, high, size_of((size,), "randint"), dtype), requires_grad)


def randint_like(input, low, high=None, *, dtype=None, device=None, requires_grad=False):
    """`randint` with the shape and dtype of `input`."""
    dtype = input.array.dtype if dtype is None else dtype
    return randint(low, high, input.array.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False):
    """The integers from 0 to n - 1 in random order."""
    check_device(device, "randperm")
    dtype = int64 if dtype is None else dtype_of(dtype, "randperm")
    return made(generator_of(generator, "randperm").randperm(integer(n, "randperm"), dtype), requires_grad)


def normal(mean, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Normal values; `mean` and `std` are numbers with a `size`, or one or both Tensors, elementwise."""
    check_device(device, "normal")
    generator = generator_of(generator, "normal")
    if not isinstance(mean, Variable) and not isinstance(std, Variable):
        if size is None:
            raise TypeError("normal(): expected a size where mean and std are numbers")
        dtype = NUMBERS[float] if dtype is None else dtype
        mean, std = number(mean, "normal"), number(std, "normal")
        return made(generator.normal(mean, std, size_of((size,), "normal"), dtype), requires_grad)
    dtype = (mean if isinstance(mean, Variable) else std).array.dtype
    if dtype.kind != "f":
        raise NotImplementedError(f"normal: not defined for {dtype}")
    mean, std = (operand(x, generator) if isinstance(x, Variable) else np.asarray(x)[()] for x in (mean, std))
    if item((std < 0).any()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    try:
        shape = np.broadcast_shapes(mean.shape, std.shape)
    except ValueError as error:
        raise mismatch("normal", mean, std) from error
    return made((generator.randn(shape, dtype) * std + mean).astype(dtype), requires_grad)


def bernoulli(input, p=None, *, generator=None):
    """1 with the probability that each element gives, or with `p`; else 0."""
    generator = generator_of(generator, "bernoulli")
    values = operand(input, generator)
    return made(generator.bernoulli(values if p is None else p, values.shape, values.dtype))


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Indices drawn with the (unnormalised) probabilities of each row: (n,) or (rows, n) of int64."""
    generator = generator_of(generator, "multinomial")
    return made(generator.multinomial(operand(input, generator), integer(num_samples, "multinomial"), replacement))


# ---------------------------------------------------------------------- the random stream, into a tensor's memory


def in_place(draw, doc):
    """The method that fills its tensor with what `draw(generator, array, ...)` returns."""

    def method(self, *args, generator=None, **kwargs):
        values = draw(generator_of(generator, name), self.array, *args, **kwargs)
        return inplace.store(self, inplace.overwrite(self, wrap(asarray(values))))

    name = method.__name__ = method.__qualname__ = draw.__name__
    method.__doc__ = doc
    return method


def normal_(generator, array, mean=0.0, std=1.0):
    return generator.normal(mean, std, array.shape, array.dtype, array.flags.c_contiguous)


def uniform_(generator, array, low=0.0, to=1.0):
    return generator.uniform(low, to, array.shape, array.dtype)


def bernoulli_(generator, array, p=0.5):
    if isinstance(p, Variable):
        if not inplace.fits(p.array.shape, array.shape):
            raise RuntimeError(f"bernoulli_: shape {p.array.shape} of p does not broadcast to {array.shape}")
        p = operand(p, generator)
    return generator.bernoulli(p, array.shape, array.dtype)


def exponential_(generator, array, lambd=1.0):
    return generator.exponential(lambd, array.shape, array.dtype)


Tensor.normal_ = in_place(normal_, "Fill with normal values: `normal_(mean=0, std=1)`.")
Tensor.uniform_ = in_place(uniform_, "Fill with uniform values: `uniform_(0, to=1)`.")
Tensor.bernoulli_ = in_place(bernoulli_, "Fill with 1 at probability `p` (a number or a Tensor), else 0.")
Tensor.exponential_ = in_place(exponential_, "Fill with exponential values of rate `lambd`.")
Tensor.multinomial, Tensor.bernoulli = multinomial, bernoulli


# --------------------------------------------------------------------------------- with the dtype of another tensor


def of_this_dtype(create, name):
    def method(self, *args, dtype=None, **kwargs):
        return create(*args, dtype=self.array.dtype if dtype is None else dtype, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{create.__name__}`, by default of this tensor's dtype."
    return method


for create in (tensor, zeros, ones, empty, full):
    name = "new_" + create.__name__
    setattr(Tensor, name, of_this_dtype(create, name))
