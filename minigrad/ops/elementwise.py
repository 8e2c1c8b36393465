"""Operations on one element at a time, with broadcasting and torch's type promotion."""

import builtins
import functools
import itertools
import math
import operator

from .. import autograd
from ..autograd import Node, Rule, Variable, Version, mode, new, primitive, with_vjps, wrap
from ..backend import (
    NUMBERS,
    RAW,
    Array,
    asarray,
    column_sums,
    constant,
    expanded,
    item,
    kind_of,
    nonzero,
    overflow_expected,
    rectified,
    tanh_gradient,
    total,
    xp,
)
from ..kernels import fused

float32, float64, int64, boolean = map(xp.dtype, ("float32", "float64", "int64", "bool"))
CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2}


# ----------------------------------------------------------------------------------------- promotion and broadcasting


def promoted(a, b):
    """torch's common dtype of two dtypes: a floating one wins over any integer."""
    if CATEGORY[a.kind] != CATEGORY[b.kind]:
        return max(a, b, key=lambda dtype: CATEGORY[dtype.kind])
    return xp.promote_types(a, b)


def result_type(*operands):
    """The dtype of an elementwise result: tensors decide before 0-d tensors, those before Python numbers.

    An operand of lower rank counts only where its category (bool, integer, floating) is higher.
    """
    result = None
    ranks = [[], [], []]
    for x in operands:
        if x.__class__ in NUMBERS:
            ranks[2].append(NUMBERS[x.__class__])
        else:
            x = x.array if isinstance(x, Variable) else raw(x, "result_type")
            ranks[x.ndim == 0].append(x.dtype)
    for dtypes in ranks:
        if dtypes:
            dtype = dtypes[0]
            for other in dtypes[1:]:
                dtype = promoted(dtype, other)
            if result is None or CATEGORY[dtype.kind] > CATEGORY[result.kind]:
                result = dtype
    return result


@primitive
def cast(x, dtype, source):
    return x.astype(dtype)


cast.vjp(lambda g, dtype, source: cast(g, source, dtype))


def dtype_of(dtype, operation):
    """The dtype that a `dtype` argument means, or a TypeError."""
    try:
        return xp.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"{operation}(): expected a dtype, such as float32, got {dtype!r}") from error


def as_dtype(x, dtype):
    """The operand (a Tensor, a raw array or a number) in the given dtype, itself where it has that already."""
    if x.__class__ in NUMBERS:
        return constant(x, dtype)
    if x.dtype == dtype:
        return x
    if isinstance(x, Variable) and dtype.kind != "f":
        return wrap(x.array.astype(dtype))  # integers have no gradient
    return cast(x, dtype, x.dtype)


def raw(x, operation):
    """The raw array that a primitive called without a Tensor got, or a TypeError."""
    if isinstance(x, RAW):
        return x
    raise TypeError(f"{operation}(): expected a Tensor, got {kind_of(x)}")


def fitting(x, dtype, operation):
    """The operand, or torch's error where it is a number that an integer dtype cannot hold."""
    if x.__class__ in NUMBERS and dtype.kind in "iu":
        limits = xp.iinfo(dtype)
        if not math.isfinite(x) or not (limits.min or -limits.max - 1) <= x <= limits.max:
            raise RuntimeError(f"{operation}: value {x} cannot be converted to {dtype} without overflow")
    return x


def operand(x, operation):
    """A number or Tensor as an elementwise operation takes it, or a TypeError."""
    if isinstance(x, xp.generic):  # a NumPy scalar counts as a Python number
        return x.item()
    if isinstance(x, (Variable, *NUMBERS, RAW)):
        return x
    raise TypeError(f"{operation}(): expected a Tensor or a number, got {kind_of(x)}")


@primitive
def sum_to(x, size):
    """Undo broadcasting: the sum over every dimension that `size` lacks or has as 1."""
    if x.ndim == 2 and x.dtype.kind == "f" and (size == x.shape[1:] or size == (1, x.shape[1])):
        sums = column_sums(x)
        return sums if len(size) == 1 else sums.reshape(size)
    extra = x.ndim - len(size)
    dims = tuple(i for i in range(x.ndim) if i < extra or size[i - extra] == 1 != x.shape[i])
    return total(x, dims).reshape(size)


@primitive
def broadcast_to(x, size):
    return expanded(x, size)


sum_to.vjp(lambda g, shape: broadcast_to(g, shape))
broadcast_to.vjp(lambda g, shape: sum_to(g, shape))


# ----------------------------------------------------------------------------------- primitives of one and two operands


def unary(forward=None, *, floating=False):
    """A primitive of one operand, and of its clear errors; integers take the default dtype first where `floating`."""
    if forward is None:
        return lambda function: unary(function, floating=floating)

    @functools.wraps(forward)
    def checked(x):
        if x.__class__ is not Array:
            raw(x, forward.__name__)
        try:
            return forward(x)
        except TypeError as error:
            raise undefined(forward.__name__, x) from error

    return primitive(checked, floating=floating)


def binary(forward=None, *, floating=False, bools=True, prepare=None):
    """A primitive of two operands, Tensors or numbers, that broadcast.

    Integers take the default dtype where `floating`. Without `bools`, a boolean operand is an error.
    `prepare(input, other)` returns operands of different dtypes with one dtype, by default torch's common one.
    """
    if forward is None:
        return lambda function: binary(function, floating=floating, bools=bools, prepare=prepare)
    rule = Rule(forward, undo_broadcast=sum_to)
    prepare = prepare or functools.partial(promote, rule.name, floating, bools)

    def call(input, other):
        left, right = isinstance(input, Variable), isinstance(other, Variable)
        a, b, p, q = input, other, None, None
        if left:
            a, p = input.array, input.node if input.origin is None else input.current_node()
        elif not right:
            return forward(a, b)
        if right:
            b, q = other.array, other.node if other.origin is None else other.current_node()
            if not left and a.__class__ in NUMBERS and b.dtype.kind == "f":
                a = constant(a, b.dtype)
        elif b.__class__ in NUMBERS and a.dtype.kind == "f":
            b = constant(b, a.dtype)
        if a.__class__ is not b.__class__ or a.dtype is not b.dtype or floating and a.dtype.kind != "f":
            input, other = prepare(input, other)
            a, p = (input.array, input.current_node()) if left else (input, None)
            b, q = (other.array, other.current_node()) if right else (other, None)
        try:
            y = forward(a, b)
        except ValueError as error:
            raise mismatch(rule.name, a, b) from error
        except TypeError as error:
            raise undefined(rule.name, a) from error
        output = new(autograd.Tensor)
        output.array = y = y if y.__class__ is Array else asarray(y)
        output.version = version = Version()
        output.origin = output.node = None
        if (p is not None or q is not None) and rule.differentiable and mode.enabled:
            wanted = p is not None, q is not None
            keep_y, keep_a, keep_b, _ = rule.plans.get(wanted) or rule.plan(wanted)
            if keep_y or keep_a or keep_b:
                kept = y if keep_y else None, a if keep_a else None, b if keep_b else None
                versions = (
                    version if keep_y else None,
                    input.version if keep_a and left else None,
                    other.version if keep_b and right else None,
                )
            else:
                kept = versions = ()
            output.node = Node(rule, (p, q), kept, versions, y.shape)
        return output

    return with_vjps(rule, call)


def promote(operation, floating, bools, input, other):
    """The two operands in torch's common dtype."""
    dtype = result_type(operand(input, operation), operand(other, operation))
    dtype = NUMBERS[float] if floating and dtype.kind != "f" else dtype
    for x in (input, other):
        if not bools and (x.__class__ is bool or x.__class__ not in NUMBERS and x.dtype == boolean):
            raise undefined(operation, x)
    return as_dtype(input, dtype), as_dtype(other, dtype)


def mismatch(operation, *arrays):
    """torch's error for shapes that do not broadcast."""
    for a, b in itertools.combinations(arrays, 2):
        for i in range(1, min(a.ndim, b.ndim) + 1):
            if a.shape[-i] != b.shape[-i] and 1 not in (a.shape[-i], b.shape[-i]):
                return RuntimeError(
                    f"{operation}: The size of tensor a ({a.shape[-i]}) must match the size of tensor b "
                    f"({b.shape[-i]}) at non-singleton dimension {max(a.ndim, b.ndim) - i}; "
                    f"got shapes {a.shape} and {b.shape}"
                )
    return RuntimeError(f"{operation}: got shapes {', '.join(str(a.shape) for a in arrays)}")


def undefined(operation, x):
    """torch's error for a dtype that an operation does not take; what it says of masks is meant for `1 - mask`."""
    hint = "; to invert a mask, use `~` or logical_not" if operation in ("sub", "neg") else ""
    return NotImplementedError(f"{operation}: not defined for {getattr(x, 'dtype', type(x).__name__)}{hint}")


def broadcasting(function, *operands):
    """Call a primitive of several operands, some of which may be None."""
    try:
        return function(*operands)
    except ValueError as error:
        raise mismatch(function.__name__, *(x for x in operands if x is not None)) from error


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
    return a * b


mul.vjps(a=lambda g, b: g * b, b=lambda g, a: g * a)


@binary(floating=True)
def div_(a, b):
    return a / b


div_.vjps(a=lambda g, b: g / b, b=lambda g, a, b: sum_to(g * a, b.shape) / b / -b)


def divisors(a, b, operation):
    """Refuse what has no quotient: booleans, and integers divided by zero."""
    if a.dtype.kind == "b":
        raise NotImplementedError(f"{operation}: not defined for bool")
    if a.dtype.kind != "f" and item((b == 0).any()):
        raise RuntimeError(f"ZeroDivisionError: {operation} of integers by zero")


@binary
def floor_divide(a, b):
    divisors(a, b, "floor_divide")
    return xp.floor_divide(a, b)


@binary
def trunc_divide(a, b):
    divisors(a, b, "div")
    return xp.trunc(a / b) if a.dtype.kind == "f" else (a - xp.fmod(a, b)) // b


for division in (floor_divide, trunc_divide):
    division.vjps(a=lambda g: zeros_of(g), b=lambda g: zeros_of(g))

DIVISIONS = {None: div_, "floor": floor_divide, "trunc": trunc_divide}


def div(input, other, *, rounding_mode=None):
    """input / other; the quotient rounded down with `rounding_mode="floor"`, towards zero with "trunc"."""
    if rounding_mode not in DIVISIONS:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    return DIVISIONS[rounding_mode](input, other)


@binary
def remainder(a, b):
    divisors(a, b, "remainder")
    return xp.remainder(a, b)


@binary
def fmod(a, b):
    divisors(a, b, "fmod")
    return xp.fmod(a, b)


remainder.vjps(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
fmod.vjps(a=lambda g: g, b=lambda g, a, b: -g * trunc_divide(a, b))


@binary
def maximum(a, b):
    return xp.maximum(a, b)


@binary
def minimum(a, b):
    return xp.minimum(a, b)


def shared(g, a, b):
    """What the larger of two gets, `a`: equal values share the gradient, and beside a NaN it all goes to both."""
    return where_(0.0, where_(g * 0.5, g, a == b), a < b)


maximum.vjps(a=lambda g, a, b: shared(g, a, b), b=lambda g, a, b: shared(g, b, a))
minimum.vjps(a=lambda g, a, b: shared(g, b, a), b=lambda g, a, b: shared(g, a, b))


@binary
def fmax(a, b):
    return xp.fmax(a, b)


@binary
def fmin(a, b):
    return xp.fmin(a, b)


fmax.vjps(
    a=lambda g, a, b: where_(g, 0.0, (a >= b) | isnan(b)), b=lambda g, a, b: where_(0.0, g, (a >= b) | isnan(b))
)
fmin.vjps(
    a=lambda g, a, b: where_(g, 0.0, (a <= b) | isnan(b)), b=lambda g, a, b: where_(0.0, g, (a <= b) | isnan(b))
)


@unary
def neg(x):
    return -x


neg.vjp(lambda g: -g)


@unary
def abs(x):
    if x.dtype is boolean:
        raise NotImplementedError("abs: not defined for bool")
    return xp.abs(x)


abs.vjp(lambda g, x: g * sign(x))


@unary
def sign(x):
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
def power(a, b):
    if a.dtype.kind == "b":
        raise NotImplementedError("pow: not defined for bool")
    if a.dtype.kind != "f" and item((b < 0).any()):
        raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    return xp.power(a, b)


power.vjps(
    a=lambda g, a, b: where_(0.0, g * (b * power(a, b - 1)), b == 0),
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
        if kind == "f" or exponent.__class__ is int and kind != "b" and exponent >= 0:
            return power_of_number(input, exponent)
    return power(input, exponent)


@unary(floating=True)
def sqrt(x):
    return xp.sqrt(x)


sqrt.vjp(lambda g, y: g / (y * 2))


@unary(floating=True)
def rsqrt(x):
    return 1 / xp.sqrt(x)


rsqrt.vjp(lambda g, y: g * y * y * y * -0.5)


@unary
def square(x):
    return x * x


square.vjp(lambda g, x: g * x * 2)


@unary(floating=True)
def reciprocal(x):
    return 1 / x


reciprocal.vjp(lambda g, y: -g * y * y)


@binary
def hypot(a, b):
    if a.dtype.kind != "f":
        raise NotImplementedError(f"hypot: not defined for {a.dtype}")
    return xp.hypot(a, b)


hypot.vjps(a=lambda g, y, a: g * (a / y), b=lambda g, y, b: g * (b / y))


# --------------------------------------------------------------------------------------- exponentials and logarithms


@unary(floating=True)
def exp(x):
    return xp.exp(x)


exp.vjp(lambda g, y: g * y)


@unary(floating=True)
def expm1(x):
    return xp.expm1(x)


expm1.vjp(lambda g, y: g * (y + 1))


@unary(floating=True)
def log(x):
    return xp.log(x)


log.vjp(lambda g, x: g / x)


@unary(floating=True)
def log2(x):
    return xp.log2(x)


log2.vjp(lambda g, x: g / (x * math.log(2)))


@unary(floating=True)
def log10(x):
    return xp.log10(x)


log10.vjp(lambda g, x: g / (x * math.log(10)))


@unary(floating=True)
def log1p(x):
    return xp.log1p(x)


log1p.vjp(lambda g, x: g / (x + 1))


@unary(floating=True)
@fused("T x", "T y", "y = 1 / (1 + exp(-x))")
def sigmoid(x):
    with overflow_expected():
        return 1 / (1 + xp.exp(-x))


@sigmoid.vjp
@fused("T g, T y", "T x", "x = g * y * (1 - y)")
def sigmoid_vjp(g, y):
    return g * y * (1 - y)


# ---------------------------------------------------------------------------- trigonometric and hyperbolic functions


@unary(floating=True)
def sin(x):
    return xp.sin(x)


sin.vjp(lambda g, x: g * cos(x))


@unary(floating=True)
def cos(x):
    return xp.cos(x)


cos.vjp(lambda g, x: -g * sin(x))


@unary(floating=True)
def tan(x):
    return xp.tan(x)


tan.vjp(lambda g, y: g * (1 + y * y))


@unary(floating=True)
def asin(x):
    return xp.arcsin(x)


asin.vjp(lambda g, x: g * rsqrt(1 - x * x))


@unary(floating=True)
def acos(x):
    return xp.arccos(x)


acos.vjp(lambda g, x: -g * rsqrt(1 - x * x))


@unary(floating=True)
def atan(x):
    return xp.arctan(x)


atan.vjp(lambda g, x: g / (x * x + 1))


@binary(floating=True)
def atan2(a, b):
    return xp.arctan2(a, b)


def squared_radius(a, b):
    return a * a + b * b + ((a == 0) & (b == 0))  # 1 at the origin, where the gradient is 0


atan2.vjps(a=lambda g, a, b: g * (b / squared_radius(a, b)), b=lambda g, a, b: g * (-a / squared_radius(a, b)))


@unary(floating=True)
def sinh(x):
    return xp.sinh(x)


sinh.vjp(lambda g, x: g * cosh(x))


@unary(floating=True)
def cosh(x):
    return xp.cosh(x)


cosh.vjp(lambda g, x: g * sinh(x))


@unary(floating=True)
def tanh(x):
    return xp.tanh(x)


@tanh.vjp
@fused("T g, T y", "T x", "x = g * (1 - y * y)")
def tanh_vjp(g, y):
    return tanh_gradient(g, y) if y.__class__ is Array and y.ndim else g * (1 - y * y)


# ------------------------------------------------------------------------------------------------ the error function

# float32: x * p(x^2) / q(x^2) fitted over |x| < 4 (largest error of the formula: 3e-8)
SINGLE = (
    (1.9791432e-06, 2.8457414e-04, 3.8990576e-03, 5.3149384e-02, 1.9395790e-01, 1.1283791),
    (3.7341310e-05, 1.1887308e-03, 1.5239109e-02, 1.1551429e-01, 5.0522320e-01, 1.0),
)
# float64: Cody, "Rational Chebyshev approximations for the error function", 1969: below 0.46875, below 4, beyond
NEAR = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
MIDDLE = (
    (2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
     881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725),
    (1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
     4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
)  # fmt: skip
FAR = (
    (1.63153871373020978e-2, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246, 1.60837851487422766e-2,
     6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346047, 0.527905102951428412, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def polynomial(x, coefficients):
    first, *rest, last = coefficients
    y = x * first
    for coefficient in rest:
        y += coefficient
        y *= x
    y += last
    return y


def quotient(x, coefficients):
    p, q = coefficients
    y = polynomial(x, p)
    y /= polynomial(x, q)
    return y


def erfc_tail(x):
    """erfc(x) for x from 0.46875 to 30."""
    far = xp.maximum(x, 4.0)
    inverse = 1 / (far * far)
    far = (1 / math.sqrt(math.pi) - inverse * quotient(inverse, FAR)) / far
    coarse = xp.trunc(x * 16) / 16  # its square is exact, which the square of x is not
    e = xp.exp(-coarse * coarse) * xp.exp((coarse - x) * (coarse + x))
    return e * xp.where(x < 4, quotient(x, MIDDLE), far)


@unary(floating=True)
@fused("T x", "T y", "y = erf(x)")
def erf(x):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x; accurate to 5 ulp."""
    if x.dtype != float64:
        single = xp.clip(x.astype(float32), -4.0, 4.0)
        return xp.clip(single * quotient(single * single, SINGLE), -1.0, 1.0).astype(x.dtype)
    x = xp.clip(x, -30.0, 30.0)
    near, size = x * quotient(x * x, NEAR), xp.abs(x)
    return xp.where(size < 0.46875, near, xp.copysign(1 - erfc_tail(size), x))


@unary(floating=True)
@fused("T x", "T y", "y = erfc(x)")
def erfc(x):
    """1 - erf(x), without the loss of digits for large x."""
    dtype, x = x.dtype, xp.clip(x.astype(float64), -30.0, 30.0)
    tail = erfc_tail(xp.abs(x))
    far = xp.where(x < 0, 2 - tail, tail)
    return xp.where(xp.abs(x) < 0.46875, 1 - x * quotient(x * x, NEAR), far).astype(dtype)


SLOPE = 2 / math.sqrt(math.pi)  # at 0


@erf.vjp
@fused("T g, T x", "T y", f"y = g * exp(-x * x) * (T){SLOPE}")
def erf_vjp(g, x):
    return g * exp(-x * x) * SLOPE


@erfc.vjp
@fused("T g, T x", "T y", f"y = g * exp(-x * x) * (T){-SLOPE}")
def erfc_vjp(g, x):
    return g * exp(-x * x) * -SLOPE


# ------------------------------------------------------------------------------------ rounding, limits, selection


def whole(function, x):
    """A rounding function of an array; integers are what they are."""
    if x.dtype.kind == "b":
        raise NotImplementedError(f"{function.__name__}: not defined for bool")
    return function(x) if x.dtype.kind == "f" else x.copy()


@unary
def floor(x):
    return whole(xp.floor, x)


@unary
def ceil(x):
    return whole(xp.ceil, x)


@unary
def trunc(x):
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
    if x.dtype is boolean:
        raise RuntimeError("relu: Boolean inputs not supported for relu")
    return rectified(x)


@relu.vjp
@fused("T g, T y", "T x", "x = g * (T)(y != 0)")
def relu_vjp(g, y):
    return g * (y != 0)  # so that NaN passes it on


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
    return xp.where(condition, a, b)


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


# ------------------------------------------------------------------------------------------ comparisons and logic


@binary
def eq(a, b):
    return a == b


@binary
def ne(a, b):
    return a != b


@binary
def lt(a, b):
    return a < b


@binary
def le(a, b):
    return a <= b


@binary
def gt(a, b):
    return a > b


@binary
def ge(a, b):
    return a >= b


@binary
def bitwise_and(a, b):
    return a & b


@binary
def bitwise_or(a, b):
    return a | b


@binary
def bitwise_xor(a, b):
    return a ^ b


@unary
def bitwise_not(x):
    return ~x


def shifts(function, name):
    """A shift of integers, where NumPy would make integers of booleans."""

    def shift(a, b):
        if a.dtype.kind == "b":
            raise undefined(name, a)
        return function(a, b)

    shift.__name__ = name
    return binary(shift)


bitwise_left_shift = shifts(operator.lshift, "bitwise_left_shift")
bitwise_right_shift = shifts(operator.rshift, "bitwise_right_shift")


@unary
def logical_not(x):
    return xp.logical_not(x)


@binary
def logical_and(a, b):
    return xp.logical_and(a, b)


@binary
def logical_or(a, b):
    return xp.logical_or(a, b)


@binary
def logical_xor(a, b):
    return xp.logical_xor(a, b)


@unary
def isnan(x):
    return xp.isnan(x)


@unary
def isfinite(x):
    return xp.isfinite(x)


@unary
def isinf(x):
    return xp.isinf(x)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |input - other| <= atol + rtol * |other|, elementwise; equal infinities are close."""
    a, b = raw_of(input, "isclose"), raw_of(other, "isclose")
    if a.dtype != b.dtype:
        raise RuntimeError(f"isclose: expected two tensors of one dtype, got {a.dtype} and {b.dtype}")
    if not (operand(rtol, "isclose") >= 0 and operand(atol, "isclose") >= 0):
        raise RuntimeError(f"isclose: rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}")
    if a.dtype.kind != "f":
        a, b = a.astype(float64), b.astype(float64)
    try:
        return wrap(xp.isclose(a, b, rtol, atol, equal_nan))
    except ValueError as error:
        raise mismatch("isclose", a, b) from error


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close, as `isclose` has it: a Python bool."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input, other):
    """Whether two tensors have the same shape and equal elements: a Python bool."""
    a, b = raw_of(input, "equal"), raw_of(other, "equal")
    return a.shape == b.shape and bool(item((a == b).all()))


def raw_of(x, operation):
    if isinstance(x, Variable):
        return x.array
    raise TypeError(f"{operation}(): expected a Tensor, got {kind_of(x)}")


# ---------------------------------------------------------------------------------------------------------- copies


@unary
def copied(x):
    return x.copy(order="K")


@unary
def contiguous_copy(x):
    return x.copy()


copied.vjp(lambda g: g)
contiguous_copy.vjp(lambda g: g)
