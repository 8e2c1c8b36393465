"""Operations on one element at a time."""

import builtins
import math

from ..autograd import Variable, primitive, wrap
from ..backend import (
    NUMBERS,
    Array,
    item,
    kind_of,
    nonzero,
    on_gpu,
    overflow_expected,
    rectified,
    relu_gradient,
    select,
    tanh_gradient,
    xp,
)
from ..kernels import fused
from .comparison import isfinite, isnan
from .operands import as_dtype, binary, boolean, broadcasting, fitting, operand, raw_of, result_type, sum_to, unary

# ------------------------------------------------------------------------------------------------------- arithmetic


@binary
def add_(a, b):
    return a + b


add_.vjps(a=lambda g: g, b=lambda g: g)


@binary(bools=False)
def sub_(a, b):
    return a - b


sub_.vjps(a=lambda g: g, b=lambda g: -g)


def scaled(input, other, alpha, operation):
    """alpha * other as `add` and `sub` take it, in the dtype of their result."""
    dtype = result_type(operand(input, operation), operand(other, operation))
    if isinstance(alpha, float) and dtype.kind != "f":
        raise RuntimeError(f"{operation}: alpha must not be a floating point number where the result is {dtype}")
    return as_dtype(mul(as_dtype(other, dtype), alpha), dtype)


def add(input, other, *, alpha=1):
    """input + alpha * other."""
    return add_(input, other if alpha == 1 else scaled(input, other, alpha, "add"))


def sub(input, other, *, alpha=1):
    """input - alpha * other."""
    return sub_(input, other if alpha == 1 else scaled(input, other, alpha, "sub"))


@binary
def mul(a, b):
    """a * b."""
    return a * b


mul.vjps(a=lambda g, b: g * b, b=lambda g, a: g * a)


@binary(floating=True)
def div_(a, b):
    return a / b


div_.vjps(a=lambda g, b: g / b, b=lambda g, a, b: sum_to(g * a, b.shape) / b / -b)


def check_divisible(a, b, operation):
    """Refuse what has no quotient: booleans, and integers divided by zero."""
    if a.dtype.kind == "b":
        raise NotImplementedError(f"{operation}: not defined for bool")
    if a.dtype.kind != "f" and a.size and item((b == 0).any()):
        raise RuntimeError(f"ZeroDivisionError: {operation} of integers by zero")


@fused("T a, T b", "T y", """
    T m = fmod(a, b), d = (a - m) / b - (m != 0 && (m < 0) != (b < 0));
    y = b == 0 ? a / b : rint(d);
""")
def floored(a, b):
    """The quotient of floats rounded down, from what is left of a exactly: of CuPy, 1 // 0.1 would be 10."""
    if not on_gpu:
        return xp.floor_divide(a, b)
    m = xp.fmod(a, b)
    d = (a - m) / b - ((m != 0) & ((m < 0) != (b < 0)))
    return xp.where(xp.equal(b, 0), a / b, xp.rint(d))


@fused("T a, T b", "T y", "T m = fmod(a, b); y = m != 0 && (m < 0) != (b < 0) ? m + b : m")
def modulo(a, b):
    """The remainder of floats; of CuPy it is what rounding left of the product, and NaN where b is infinite."""
    if not on_gpu:
        return xp.remainder(a, b)
    m = xp.fmod(a, b)
    return xp.where((m != 0) & ((m < 0) != (b < 0)), m + b, m)


@binary
def floor_divide(a, b):
    """The quotient rounded down; RuntimeError for integers divided by zero."""
    check_divisible(a, b, "floor_divide")
    return floored(a, b) if a.dtype.kind == "f" else xp.floor_divide(a, b)


@binary
def trunc_divide(a, b):
    check_divisible(a, b, "div")
    return xp.trunc(a / b) if a.dtype.kind == "f" else (a - xp.fmod(a, b)) // b


for division in (floor_divide, trunc_divide):
    division.vjps(a=lambda g: zeros_of(g), b=lambda g: zeros_of(g))

DIVISIONS = {None: div_, "floor": floor_divide, "trunc": trunc_divide}


def div(input, other, *, rounding_mode=None):
    """input / other; the quotient rounded down with `rounding_mode="floor"`, towards zero with "trunc"."""
    if rounding_mode not in DIVISIONS:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}")
    return DIVISIONS[rounding_mode](input, other)


@binary
def remainder(a, b):
    """a - floor(a / b) * b, which has the sign of the divisor; RuntimeError for integers divided by zero."""
    check_divisible(a, b, "remainder")
    return modulo(a, b) if a.dtype.kind == "f" else xp.remainder(a, b)


@binary
def fmod(a, b):
    """a - trunc(a / b) * b, which has the sign of the dividend; RuntimeError for integers divided by zero."""
    check_divisible(a, b, "fmod")
    return xp.fmod(a, b)


remainder.vjps(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
fmod.vjps(a=lambda g: g, b=lambda g, a, b: -g * trunc_divide(a, b))


@binary
def maximum(a, b):
    """The larger of a and b, NaN where either is NaN; equal values share the gradient."""
    return xp.maximum(a, b)


@binary
def minimum(a, b):
    """The smaller of a and b, NaN where either is NaN; equal values share the gradient."""
    return xp.minimum(a, b)


def shared(g, a, b):
    """What the larger of two gets, `a`: equal values share the gradient, and beside a NaN it all goes to both."""
    return where_(0.0, where_(g * 0.5, g, a == b), a < b)


maximum.vjps(a=lambda g, a, b: shared(g, a, b), b=lambda g, a, b: shared(g, b, a))
minimum.vjps(a=lambda g, a, b: shared(g, b, a), b=lambda g, a, b: shared(g, a, b))


@binary
def fmax(a, b):
    """The larger of a and b, or the one that is not NaN; of equal values a has the gradient."""
    return xp.fmax(a, b)


@binary
def fmin(a, b):
    """The smaller of a and b, or the one that is not NaN; of equal values a has the gradient."""
    return xp.fmin(a, b)


fmax.vjps(a=lambda g, a, b: where_(g, 0.0, (a >= b) | isnan(b)), b=lambda g, a, b: where_(0.0, g, (a >= b) | isnan(b)))
fmin.vjps(a=lambda g, a, b: where_(g, 0.0, (a <= b) | isnan(b)), b=lambda g, a, b: where_(0.0, g, (a <= b) | isnan(b)))


@unary
def neg(x):
    """-x."""
    return -x


neg.vjp(lambda g: -g)


@unary
def abs(x):
    """|x|, with gradient 0 at 0."""
    if x.dtype is boolean:
        raise NotImplementedError("abs: not defined for bool")
    return xp.abs(x)


abs.vjp(lambda g, x: g * sign(x))


@unary
def sign(x):
    """-1, 0 or 1; 0 for NaN."""
    return (x > 0).astype(x.dtype) - (x < 0)  # of NaN: 0


@unary
def zeros_of(x):
    return xp.zeros_like(x)


for constant_pieces in (sign, zeros_of):
    constant_pieces.vjp(lambda g: zeros_of(g))


def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2."""
    product = mul(tensor1, tensor2)
    return add_(input, product if value == 1 else mul(product, value))


def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2."""
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise RuntimeError("addcdiv: Integer division is not supported; make tensor1 or tensor2 floating")
    quotient = div_(tensor1, tensor2)
    return add_(input, quotient if value == 1 else mul(quotient, value))


@primitive(undo_broadcast=sum_to)
def lerp_(a, b, weight):
    return xp.where(xp.abs(weight) < 0.5, a + weight * (b - a), b - (b - a) * (1 - weight))


lerp_.vjps(a=lambda g, weight: g * (1 - weight), b=lambda g, weight: g * weight, weight=lambda g, a, b: g * (b - a))


def lerp(input, end, weight):
    """input + weight * (end - input): from `input` at weight 0 to `end` at weight 1; all of one floating dtype."""
    dtype = input.array.dtype
    if dtype.kind != "f":
        raise NotImplementedError(f"lerp: not defined for {dtype}")
    for name, x in (("end", end), ("weight", weight)):
        if x.__class__ not in NUMBERS and x.dtype != dtype and (x.ndim or x.dtype.kind != "f"):
            raise RuntimeError(f"lerp: expected dtype {dtype} for `{name}` but got dtype {x.dtype}")
    return broadcasting(lerp_, input, as_dtype(end, dtype), as_dtype(weight, dtype))


# ----------------------------------------------------------------------------------------------- powers and roots


@binary
def pow_(a, b):
    if a.dtype.kind == "b":
        raise NotImplementedError("pow: not defined for bool")
    if a.dtype.kind != "f" and item((b < 0).any()):
        raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    return xp.power(a, b)


pow_.vjps(
    a=lambda g, a, b: where_(0.0, g * (b * pow_(a, b - 1)), b == 0),
    b=lambda g, y, a, b: where_(0.0, g * (y * log(a)), (a == 0) & (b >= 0)),
)

POWERS = {2: lambda x: x * x, 3: lambda x: x * x * x, 0.5: lambda x: xp.sqrt(x), -0.5: lambda x: 1 / xp.sqrt(x)}


@primitive
def power_of_number(x, exponent):
    quick = POWERS.get(exponent)
    return x**exponent if quick is None else quick(x)


@power_of_number.vjp
def power_of_number_vjp(g, x, exponent):
    if exponent == 2:
        return g * x * 2.0
    return zeros_of(g) if exponent == 0 else g * (power_of_number(x, exponent - 1) * exponent)


def pow(input, exponent):
    """`input ** exponent`, elementwise; an exponent that is a number is quicker than one that is a Tensor."""
    if exponent.__class__ in NUMBERS and isinstance(input, Variable):
        kind = input.array.dtype.kind
        if kind in "iu" and exponent.__class__ is int and exponent < 0:
            raise RuntimeError(f"pow: Integers to negative integer powers are not allowed. Got {exponent}")
        if kind == "f" or exponent.__class__ is int and kind != "b" and exponent >= 0:
            return power_of_number(input, exponent)
    return pow_(input, exponent)


@unary(floating=True)
def sqrt(x):
    """The square root; NaN below 0."""
    return xp.sqrt(x)


sqrt.vjp(lambda g, y: g / (y * 2))


@unary(floating=True)
def rsqrt(x):
    """1 / sqrt(x)."""
    return 1 / xp.sqrt(x)


rsqrt.vjp(lambda g, y: g * y * y * y * -0.5)


@unary
def square(x):
    """x * x."""
    return x * x


square.vjp(lambda g, x: g * x * 2)


@unary(floating=True)
def reciprocal(x):
    """1 / x."""
    return 1 / x


reciprocal.vjp(lambda g, y: -g * y * y)


@binary
def hypot(a, b):
    """sqrt(a^2 + b^2), without overflow on the way."""
    if a.dtype.kind != "f":
        raise NotImplementedError(f"hypot: not defined for {a.dtype}")
    return xp.hypot(a, b)


hypot.vjps(a=lambda g, y, a: g * (a / y), b=lambda g, y, b: g * (b / y))


# --------------------------------------------------------------------------------------- exponentials and logarithms


@unary(floating=True)
def exp(x):
    """e^x."""
    return xp.exp(x)


exp.vjp(lambda g, y: g * y)


@unary(floating=True)
def expm1(x):
    """e^x - 1, exact for small x."""
    return xp.expm1(x)


expm1.vjp(lambda g, y: g * (y + 1))


@unary(floating=True)
def log(x):
    """The natural logarithm; -inf at 0, NaN below."""
    return xp.log(x)


log.vjp(lambda g, x: g / x)


@unary(floating=True)
def log2(x):
    """The logarithm to base 2."""
    return xp.log2(x)


log2.vjp(lambda g, x: g / (x * math.log(2)))


@unary(floating=True)
def log10(x):
    """The logarithm to base 10."""
    return xp.log10(x)


log10.vjp(lambda g, x: g / (x * math.log(10)))


@unary(floating=True)
def log1p(x):
    """log(1 + x), exact for small x."""
    return xp.log1p(x)


log1p.vjp(lambda g, x: g / (x + 1))


@unary(floating=True)
@fused("T x", "T y", "y = 1 / (1 + exp(-x))")
def sigmoid(x):
    """1 / (1 + e^-x)."""
    with overflow_expected():
        return 1 / (1 + xp.exp(-x))


@sigmoid.vjp
@fused("T g, T y", "T x", "x = g * y * (1 - y)")
def sigmoid_vjp(g, y):
    return g * y * (1 - y)


# ---------------------------------------------------------------------------- trigonometric and hyperbolic functions


@unary(floating=True)
def sin(x):
    """The sine of an angle in radians."""
    return xp.sin(x)


sin.vjp(lambda g, x: g * cos(x))


@unary(floating=True)
def cos(x):
    """The cosine of an angle in radians."""
    return xp.cos(x)


cos.vjp(lambda g, x: -g * sin(x))


@unary(floating=True)
def tan(x):
    """The tangent of an angle in radians."""
    return xp.tan(x)


tan.vjp(lambda g, y: g * (1 + y * y))


@unary(floating=True)
def asin(x):
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside of [-1, 1]."""
    return xp.arcsin(x)


asin.vjp(lambda g, x: g * rsqrt(1 - x * x))


@unary(floating=True)
def acos(x):
    """The angle in [0, pi] whose cosine is x; NaN outside of [-1, 1]."""
    return xp.arccos(x)


acos.vjp(lambda g, x: -g * rsqrt(1 - x * x))


@unary(floating=True)
def atan(x):
    """The angle in (-pi/2, pi/2) whose tangent is x."""
    return xp.arctan(x)


atan.vjp(lambda g, x: g / (x * x + 1))


@binary(floating=True)
def atan2(a, b):
    """The angle of the point with x = b and y = a, in [-pi, pi]; its gradient at the origin is 0."""
    return xp.arctan2(a, b)


def squared_radius(a, b):
    return a * a + b * b + ((a == 0) & (b == 0))  # 1 at the origin, where the gradient is 0


atan2.vjps(a=lambda g, a, b: g * (b / squared_radius(a, b)), b=lambda g, a, b: g * (-a / squared_radius(a, b)))


@unary(floating=True)
def sinh(x):
    """The hyperbolic sine."""
    return xp.sinh(x)


sinh.vjp(lambda g, x: g * cosh(x))


@unary(floating=True)
def cosh(x):
    """The hyperbolic cosine."""
    return xp.cosh(x)


cosh.vjp(lambda g, x: g * sinh(x))


@unary(floating=True)
def tanh(x):
    """The hyperbolic tangent, sinh(x) / cosh(x)."""
    return xp.tanh(x)


@tanh.vjp
@fused("T g, T y", "T x", "x = g * (1 - y * y)")
def tanh_vjp(g, y):
    return tanh_gradient(g, y) if y.__class__ is Array and y.ndim else g * (1 - y * y)


# ------------------------------------------------------------------------------------ rounding, limits, selection


def whole(function, x):
    """A rounding function of an array; integers are what they are."""
    if x.dtype.kind == "b":
        raise NotImplementedError(f"{function.__name__}: not defined for bool")
    return function(x) if x.dtype.kind == "f" else x.copy()


@unary
def floor(x):
    """x rounded down."""
    return whole(xp.floor, x)


@unary
def ceil(x):
    """x rounded up."""
    return whole(xp.ceil, x)


@unary
def trunc(x):
    """x rounded towards zero."""
    return whole(xp.trunc, x)


@unary
def round_(x):
    return whole(xp.rint, x)


for step in (floor, ceil, trunc, round_):
    step.vjp(lambda g: zeros_of(g))


def round(input, *, decimals=0):
    """The nearest whole number, of two the even one; or the nearest with `decimals` digits after the point."""
    if decimals.__class__ is not int:
        raise TypeError(f"round(): expected decimals to be an int, got {decimals!r}")
    if decimals == 0:
        return round_(input)
    if input.dtype.kind != "f":
        raise NotImplementedError(f"round: not defined for {input.dtype} with decimals")
    scale = 10.0 ** builtins.abs(decimals)
    return div_(round_(mul(input, scale)), scale) if decimals > 0 else mul(round_(div_(input, scale)), scale)


@unary
def frac(x):
    """What follows the point, with the sign of x."""
    if x.dtype.kind != "f":
        raise NotImplementedError(f"frac: not defined for {x.dtype}")
    return x - xp.trunc(x)


frac.vjp(lambda g: g)


@unary
def relu(x):
    """max(x, 0), with gradient 0 at 0; NaN stays NaN."""
    if x.dtype is boolean:
        raise RuntimeError("relu: Boolean inputs not supported for relu")
    return rectified(x)


@relu.vjp
@fused("T g, T y", "T x", "x = y != 0 ? g : (T)0")
def relu_vjp(g, y):
    if isinstance(y, Variable):
        return where_(g, 0.0, y != 0) + zeros_of(y)  # a constant of the input, but one with a gradient: 0, as in torch
    return relu_gradient(g, y)


@primitive(undo_broadcast=sum_to)
def clamp_(x, low, high):
    return xp.clip(x, low, high)


def inside(x, low, high):
    if low is None or high is None:
        return x >= low if high is None else x <= high
    return (x >= low) & (x <= high)


clamp_.vjps(
    x=lambda g, x, low, high: where_(g, 0.0, inside(x, low, high)),
    low=lambda g, x, low, high: where_(g, 0.0, x < low if high is None else (x < low) & (low < high)),
    high=lambda g, x, low, high: where_(g, 0.0, x > high if low is None else (x > high) | (low > high)),
)


def clamp(input, min=None, max=None):
    """The values limited to [min, max]; either bound may be None, a number, or a Tensor."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    dtype = result_type(*(operand(x, "clamp") for x in (input, min, max) if x is not None))
    input, min, max = (x if x is None else as_dtype(x, dtype) for x in (input, min, max))
    return broadcasting(clamp_, input, min, max)


def clamp_min(input, min):
    """The values, or `min` where it is larger."""
    return clamp(input, min=min)


def clamp_max(input, max):
    """The values, or `max` where it is smaller."""
    return clamp(input, max=max)


@primitive
def nan_to_num_(x, nan, posinf, neginf):
    return xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num_.vjp(lambda g, x: g * isfinite(x))


def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """NaN, infinity and minus infinity replaced; the last two by default by the largest and least finite number."""
    raw_of(input, "nan_to_num")
    for value in (nan, posinf, neginf):
        if value is not None:
            operand(value, "nan_to_num")
    return nan_to_num_(input, 0.0 if nan is None else nan, posinf, neginf)


@primitive(undo_broadcast=sum_to)
def where_(a, b, condition):
    return select(condition, a, b)


where_.vjps(a=lambda g, condition: where_(g, 0.0, condition), b=lambda g, condition: where_(0.0, g, condition))


def where(condition, input=None, other=None):
    """`input` where the boolean `condition` holds, else `other`; all three broadcast.

    With a condition alone: the indices where it holds, a tuple of one int64 Tensor a dimension.
    """
    if not isinstance(condition, Variable):
        raise TypeError(f"where(): expected the condition to be a Tensor, got {kind_of(condition)}")
    if input is None and other is None:
        return tuple(wrap(index) for index in nonzero(condition.array))
    if condition.array.dtype != boolean:
        raise RuntimeError(f"where: expected condition to be a boolean tensor, got {condition.array.dtype}")
    dtype = result_type(operand(input, "where"), operand(other, "where"))
    return broadcasting(where_, as_dtype(input, dtype), as_dtype(other, dtype), condition)


def masked_fill(input, mask, value):
    """The input with `value` (a number or a 0-d Tensor) where the boolean `mask` holds; both broadcast."""
    if mask.array.dtype != boolean:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.array.dtype}")
    if isinstance(value, Variable) and value.array.ndim:
        shape = value.array.shape
        raise RuntimeError(f"masked_fill only supports a 0-dimensional value tensor, but got shape {shape}")
    value = fitting(operand(value, "masked_fill"), input.array.dtype, "masked_fill")
    return broadcasting(where_, as_dtype(value, input.array.dtype), input, mask)


# ---------------------------------------------------------------------------------------------------------- copies


@unary
def copied(x):
    return x.copy(order="C" if 0 in x.strides else "K")  # an expanded one becomes what it looks like


@unary
def contiguous_copy(x):
    return x.copy()


copied.vjp(lambda g: g)
contiguous_copy.vjp(lambda g: g)
