"""Questions about dtypes, which are NumPy's, and about tensors as arguments."""

from collections import namedtuple

from .autograd import Variable
from .backend import NUMBERS, xp
from .ops.operands import dtype_of

FloatInfo = namedtuple("FloatInfo", "bits eps max min tiny smallest_normal resolution dtype")
IntInfo = namedtuple("IntInfo", "bits max min dtype")


def get_default_dtype():
    """The dtype of tensors made from Python floats, and of those made without a `dtype`."""
    return NUMBERS[float]


def set_default_dtype(d):
    """Make float32 (as it is at first), float64 or float16 the default dtype."""
    dtype = dtype_of(d, "set_default_dtype")
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(f"set_default_dtype: only floating-point types are supported as the default type, got {dtype}")
    NUMBERS[float] = dtype


def finfo(dtype=None):
    """The limits of a floating dtype (None: the default dtype) as Python numbers: `finfo(float32).eps`."""
    dtype = get_default_dtype() if dtype is None else dtype_of(dtype, "finfo")
    if dtype.kind != "f":
        raise TypeError(f"finfo: expected a floating dtype, got {dtype}; use iinfo for integers")
    info = xp.finfo(dtype)
    limits = map(float, (info.eps, info.max, info.min, info.tiny, info.smallest_normal))
    return FloatInfo(info.bits, *limits, 10.0**-info.precision, dtype.name)


def iinfo(dtype):
    """The limits of an integer dtype: `iinfo(int64).max`."""
    dtype = dtype_of(dtype, "iinfo")
    if dtype.kind not in "iu":
        raise TypeError(f"iinfo: expected an integer dtype, got {dtype}; use finfo for floating ones")
    info = xp.iinfo(dtype)
    return IntInfo(info.bits, int(info.max), int(info.min), dtype.name)


def is_tensor(obj):
    """Whether the object is a Tensor."""
    return isinstance(obj, Variable)


def checked(input, operation):
    if not isinstance(input, Variable):
        raise TypeError(f"{operation}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input


def is_floating_point(input):
    """Whether the dtype of a Tensor is float16, float32 or float64."""
    return checked(input, "is_floating_point").array.dtype.kind == "f"


def numel(input):
    """How many elements a Tensor has."""
    return checked(input, "numel").array.size
