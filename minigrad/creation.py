"""New tensors: from data, from a rule, from the random stream."""

import math
import operator

import numpy as np

from . import random
from .autograd import Variable, wrap
from .backend import asarray, to_numpy, xp
from .ops import inplace
from .ops.elementwise import as_dtype, float32, int64, result_type
from .ops.shape import sizes_of
from .tensor import Tensor


def made(array, dtype=None, requires_grad=False):
    tensor = wrap(array if dtype is None else array.astype(dtype, copy=False))
    return tensor.requires_grad_() if requires_grad else tensor


# -------------------------------------------------------------------------------------------------------- from data


def tensor(data, *, dtype=None, device=None, requires_grad=False):
    """A tensor with a copy of the data: a number, nested sequences, a NumPy array or a Tensor.

    Python floats become float32, integers int64; arrays keep their dtype.
    """
    check_device(device, "tensor")
    if isinstance(data, Variable):
        array = data.array
    elif isinstance(data, (np.ndarray, np.generic, xp.ndarray)):
        array = asarray(data)
    else:
        array = np.asarray(plain(data))
        if array.dtype == object or array.dtype.kind not in "biuf":
            raise TypeError(f"tensor(): expected numbers, got {type(data).__name__} of {array.dtype}")
        array = asarray(array.astype(float32) if array.dtype == np.float64 and dtype is None else array)
        array = array.astype(float32) if array.size == 0 and dtype is None else array
    return made(xp.array(array, dtype=dtype, copy=True), None, requires_grad)


def plain(data):
    """Nested sequences with the Tensors in them as lists or numbers."""
    if isinstance(data, Variable):
        return data.tolist()
    if isinstance(data, (list, tuple)):
        try:
            return np.asarray([plain(x) for x in data])
        except ValueError as error:
            raise ValueError(f"tensor(): expected sequences of equal length at every level, got {data!r:.80}") from error
    return data


def from_numpy(array):
    """A tensor that shares the memory of a NumPy array (on a GPU: a copy)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return wrap(asarray(array))


def as_tensor(data, dtype=None, device=None):
    """The data as a tensor, sharing memory where it can."""
    check_device(device, "as_tensor")
    x = data if isinstance(data, Variable) else from_numpy(data) if isinstance(data, np.ndarray) else tensor(data, dtype=dtype)
    return x if dtype is None else as_dtype(x, xp.dtype(dtype))


def check_device(device, operation):
    if device is not None:
        Tensor.to(Tensor(0), device=device)


# ------------------------------------------------------------------------------------------------------ from a rule


def filled(function, operation):
    def create(*size, dtype=float32, device=None, requires_grad=False):
        check_device(device, operation)
        return made(function(size_of(size, operation), dtype or float32), None, requires_grad)

    create.__name__ = create.__qualname__ = operation
    return create


def size_of(size, operation):
    size = sizes_of(size)
    if min(size, default=0) < 0:
        raise RuntimeError(f"{operation}: Trying to create tensor with negative dimension in size {list(size)}")
    return size


zeros, ones, empty = filled(xp.zeros, "zeros"), filled(xp.ones, "ones"), filled(xp.empty, "empty")
zeros.__doc__ = "A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."
ones.__doc__ = "A tensor of ones."
empty.__doc__ = "A tensor of uninitialised memory."


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of `size` filled with one number; of that number's dtype by default."""
    check_device(device, "full")
    dtype = result_type(fill_value) if dtype is None else dtype
    fill_value = fill_value.item() if isinstance(fill_value, Variable) else fill_value
    return made(xp.full(size_of((size,), "full"), fill_value, dtype), None, requires_grad)


def like(create):
    def create_like(input, *, dtype=None, device=None, requires_grad=False):
        return create(input.array.shape, dtype=dtype or input.array.dtype, device=device, requires_grad=requires_grad)

    create_like.__name__ = create_like.__qualname__ = create.__name__ + "_like"
    create_like.__doc__ = f"`{create.__name__}` with the shape and dtype of `input`."
    return create_like


zeros_like, ones_like, empty_like = like(zeros), like(ones), like(empty)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False):
    """`full` with the shape and dtype of `input`."""
    return full(input.array.shape, fill_value, dtype=dtype or input.array.dtype, device=device, requires_grad=requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """start, start + step, ... below `end`; `arange(end)` starts at 0. int64, or float32 where an argument is a float."""
    check_device(device, "arange")
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, Variable) else x for x in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"arange: upper bound and lower bound inconsistent with step sign, got {start}, {end}, {step}")
    dtype = dtype or (int64 if all(isinstance(x, int) for x in (start, end, step)) else float32)
    count = math.ceil((end - start) / step)
    return made(xp.arange(count) * step + start, dtype, requires_grad)


def linspace(start, end, steps, *, dtype=float32, device=None, requires_grad=False):
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    check_device(device, "linspace")
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}")
    return made(xp.linspace(start, end, steps), dtype, requires_grad)


def eye(n, m=None, *, dtype=float32, device=None, requires_grad=False):
    """The (n, m) matrix with ones on its diagonal."""
    check_device(device, "eye")
    return made(xp.eye(n, m, dtype=dtype), None, requires_grad)


# ------------------------------------------------------------------------------------------- from the random stream


def generator_of(generator, operation):
    if generator is None:
        return random.default_generator
    if not isinstance(generator, random.Generator):
        raise TypeError(f"{operation}: expected a Generator, got {type(generator).__name__}")
    return generator


def randn(*size, generator=None, dtype=float32, device=None, requires_grad=False):
    """Normal values of mean 0 and standard deviation 1."""
    check_device(device, "randn")
    drawn = generator_of(generator, "randn").randn(size_of(size, "randn"), dtype or float32)
    return made(asarray(drawn), None, requires_grad)


def rand(*size, generator=None, dtype=float32, device=None, requires_grad=False):
    """Uniform values from [0, 1)."""
    check_device(device, "rand")
    drawn = generator_of(generator, "rand").rand(size_of(size, "rand"), dtype or float32)
    return made(asarray(drawn), None, requires_grad)


def randint(low, high=None, size=None, *, generator=None, dtype=int64, device=None, requires_grad=False):
    """Uniform integers from [low, high): `randint(low, high, size)` or `randint(high, size)`."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint(): expected size to be a tuple of ints, got {size!r}")
    generator = random.default_generator if generator is None else generator_of(generator, "randint")
    drawn = asarray(generator.randint(low, high, tuple(size), dtype or int64))
    check_device(device, "randint")
    return wrap(drawn) if not requires_grad else made(drawn, None, True)


def randperm(n, *, generator=None, dtype=int64, device=None, requires_grad=False):
    """The integers from 0 to n - 1 in random order."""
    check_device(device, "randperm")
    return made(asarray(generator_of(generator, "randperm").randperm(n, dtype)), None, requires_grad)


def randn_like(input, *, dtype=None, generator=None, requires_grad=False):
    """`randn` with the shape and dtype of `input`."""
    return randn(input.array.shape, generator=generator, dtype=dtype or input.array.dtype, requires_grad=requires_grad)


def rand_like(input, *, dtype=None, generator=None, requires_grad=False):
    """`rand` with the shape and dtype of `input`."""
    return rand(input.array.shape, generator=generator, dtype=dtype or input.array.dtype, requires_grad=requires_grad)


def normal(mean, std, size=None, *, generator=None, dtype=None, requires_grad=False):
    """Normal values; `mean` and `std` are numbers with a `size`, or Tensors, elementwise."""
    generator = generator_of(generator, "normal")
    if size is not None:
        return made(asarray(generator.normal(mean, std, size_of((size,), "normal"), dtype or float32)), None, requires_grad)
    if not isinstance(mean, Variable) and not isinstance(std, Variable):
        raise TypeError("normal(): expected a size where mean and std are numbers")
    shape = (mean + std).array.shape
    return randn(shape, generator=generator, dtype=result_type(mean, std)) * std + mean


def bernoulli(input, *, generator=None):
    """1 with the probability that each element gives, else 0."""
    p = to_numpy(input.array)
    return made(asarray(generator_of(generator, "bernoulli").bernoulli(p, p.shape, p.dtype)))


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Indices drawn with the (unnormalised) probabilities of each row: (n,) or (rows, n) of int64."""
    drawn = generator_of(generator, "multinomial").multinomial(to_numpy(input.array), num_samples, replacement)
    return made(asarray(drawn))


# ---------------------------------------------------------------------------- the random stream, into a tensor's memory


def drawn_in_place(name, doc):
    def method(self, *args, generator=None, **kwargs):
        draw = random_draws[name]
        values = draw(generator_of(generator, name), self.array, *args, **kwargs)
        return inplace.store(self, inplace.overwrite(self, wrap(asarray(values))))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


def draw_normal(generator, array, mean=0.0, std=1.0):
    return generator.normal(mean, std, array.shape, array.dtype, array.flags.c_contiguous)


def draw_uniform(generator, array, low=0.0, high=1.0):
    return generator.uniform(low, high, array.shape, array.dtype)


def draw_bernoulli(generator, array, p=0.5):
    p = to_numpy(p.array) if isinstance(p, Variable) else p
    return generator.bernoulli(p, array.shape, array.dtype)


def draw_exponential(generator, array, lambd=1.0):
    return generator.exponential(lambd, array.shape, array.dtype)


random_draws = {
    "normal_": draw_normal, "uniform_": draw_uniform, "bernoulli_": draw_bernoulli, "exponential_": draw_exponential
}  # fmt: skip
Tensor.normal_ = drawn_in_place("normal_", "Fill with normal values: `normal_(mean=0, std=1)`.")
Tensor.uniform_ = drawn_in_place("uniform_", "Fill with uniform values: `uniform_(from=0, to=1)`.")
Tensor.bernoulli_ = drawn_in_place("bernoulli_", "Fill with 1 at probability `p` (a number or a Tensor), else 0.")
Tensor.exponential_ = drawn_in_place("exponential_", "Fill with exponential values of rate `lambd`.")
Tensor.multinomial = multinomial
Tensor.bernoulli = bernoulli
