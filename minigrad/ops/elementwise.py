"""Operations on one element at a time, with broadcasting and torch's type promotion."""

import math

from .. import autograd
from ..autograd import differentiable, mode, new, primitive, record, Rule, Variable, Version, wrap
from ..backend import RAW, Array, asarray, column_sums, constant, xp

float32, float64, int64, boolean = map(xp.dtype, ("float32", "float64", "int64", "bool"))
NUMBERS = {float: float32, int: int64, bool: boolean}  # the dtype that torch gives a Python number
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
            x = x.array if isinstance(x, Variable) else x
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


def as_dtype(x, dtype):
    """The operand (a Tensor, a raw array or a number) in the given dtype, itself where it has that already."""
    if x.__class__ in NUMBERS:
        return constant(x, dtype)
    return x if x.dtype == dtype else cast(x, dtype, x.dtype)


def operand(x, operation):
    """A number or Tensor as an elementwise operation takes it, or a TypeError."""
    if isinstance(x, (Variable, *NUMBERS, RAW)):
        return x
    if isinstance(x, xp.bool_ | xp.number):
        return x.item()
    raise TypeError(f"{operation}(): expected a Tensor or a number, got {type(x).__name__}")


@primitive
def sum_to(x, size):
    """Undo broadcasting: the sum over every dimension that `size` lacks or has as 1."""
    if x.ndim == 2 and x.shape[1] == size[-1:][0] and math.prod(size) == size[-1]:
        return column_sums(x).reshape(size)
    extra = x.ndim - len(size)
    dims = tuple(i for i in range(x.ndim) if i < extra or size[i - extra] == 1 != x.shape[i])
    return x.sum(dims).reshape(size)


@primitive
def broadcast_to(x, size):
    return xp.broadcast_to(x, size)


sum_to.vjp(lambda g, shape: broadcast_to(g, shape))
broadcast_to.vjp(lambda g, shape: sum_to(g, shape))


# --------------------------------------------------------------------------------- the lean forms of `primitive`


def unary(forward=None, *, floating=False):
    """A primitive of one operand and no option; integers become float32 first where `floating`."""
    if forward is None:
        return lambda function: unary(function, floating=floating)
    rule = Rule(forward)

    def call(input):
        if not isinstance(input, Variable):
            return forward(operand(input, rule.name))
        if floating and input.array.dtype is not float32 and input.array.dtype.kind != "f":
            input = cast(input, float32, input.array.dtype)
        x, node = input.array, input.node if input.origin is None else input.current_node()
        output = new(autograd.Tensor)
        y = forward(x)
        output.array = y = y if y.__class__ is Array else asarray(y)
        output.version, output.origin, output.node = Version(), None, None
        if node is not None and rule.vjps and mode.enabled:
            record(rule, output, (input,), (x,), (node,), ONE)
        return output

    return differentiable(rule, call)


ONE = (True,)


def binary(forward=None, *, floating=False):
    """A primitive of two operands, Tensors or numbers, that broadcast; integers become float32 where `floating`."""
    if forward is None:
        return lambda function: binary(function, floating=floating)
    rule = Rule(forward, undo_broadcast=sum_to)

    def call(input, other):
        a, b, p, q = input, other, None, None
        left, right = isinstance(a, Variable), isinstance(b, Variable)
        if left:
            a, p = a.array, a.node if a.origin is None else a.current_node()
        if right:
            b, q = b.array, b.node if b.origin is None else b.current_node()
        if not left and not right:
            return forward(a, b)
        if left and not right and b.__class__ in NUMBERS and a.dtype.kind == "f":
            b = constant(b, a.dtype)
        elif right and not left and a.__class__ in NUMBERS and b.dtype.kind == "f":
            a = constant(a, b.dtype)
        elif a.__class__ is not b.__class__ or a.dtype is not b.dtype or floating and a.dtype.kind != "f":
            dtype = result_type(operand(input, rule.name), operand(other, rule.name))
            dtype = float32 if floating and dtype.kind != "f" else dtype
            input, other = as_dtype(input, dtype), as_dtype(other, dtype)
            a, p = (input.array, input.current_node()) if left else (input, None)
            b, q = (other.array, other.current_node()) if right else (other, None)
        output = new(autograd.Tensor)
        try:
            y = forward(a, b)
        except ValueError as error:
            raise mismatch(rule.name, a, b) from error
        output.array = y = y if y.__class__ is Array else asarray(y)
        output.version, output.origin, output.node = Version(), None, None
        if (p is not None or q is not None) and rule.vjps and mode.enabled:
            record(rule, output, (input, other), (a, b), (p, q), (p is not None, q is not None))
        return output

    return differentiable(rule, call)


def mismatch(operation, a, b):
    """torch's error for shapes that do not broadcast."""
    for i in range(1, min(a.ndim, b.ndim) + 1):
        if a.shape[-i] != b.shape[-i] and 1 not in (a.shape[-i], b.shape[-i]):
            return RuntimeError(
                f"{operation}: The size of tensor a ({a.shape[-i]}) must match the size of tensor b ({b.shape[-i]}) at "
                f"non-singleton dimension {max(a.ndim, b.ndim) - i}; got shapes {a.shape} and {b.shape}"
            )
    return RuntimeError(f"{operation}: got shapes {a.shape} and {b.shape}")


# ------------------------------------------------------------------------------------------------------- arithmetic


@binary
def add(a, b):
    return a + b


add.vjps(a=lambda g: g, b=lambda g: g)


@binary
def sub(a, b):
    return a - b


sub.vjps(a=lambda g: g, b=lambda g: -g)


@binary
def mul(a, b):
    return a * b


mul.vjps(a=lambda g, b: g * b, b=lambda g, a: g * a)


@binary(floating=True)
def div(a, b):
    return a / b


div.vjps(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b)


@binary
def floor_divide(a, b):
    return xp.floor_divide(a, b)


@binary
def remainder(a, b):
    return xp.remainder(a, b)


remainder.vjps(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))


@binary
def maximum(a, b):
    return xp.maximum(a, b)


@binary
def minimum(a, b):
    return xp.minimum(a, b)


def larger(g, a, b):
    return g * (a > b) + g * (a == b) * 0.5  # equal values share the gradient


maximum.vjps(a=lambda g, a, b: larger(g, a, b), b=lambda g, a, b: larger(g, b, a))
minimum.vjps(a=lambda g, a, b: larger(g, b, a), b=lambda g, a, b: larger(g, a, b))


@binary
def power(a, b):
    return xp.power(a, b)


power.vjps(
    a=lambda g, a, b: g * where(b == 0, 0.0, b * power(a, b - 1)),
    b=lambda g, y, a, b: g * where((a == 0) & (b >= 0), 0.0, y * log(a)),
)


@primitive
def power_of_number(x, exponent):
    return x * x if exponent == 2 else x**exponent


power_of_number.vjp(
    lambda g, x, exponent: g * 0.0 if exponent == 0 else g * x * 2.0 if exponent == 2 else g * exponent * x ** (exponent - 1)
)


def pow(input, exponent):
    """`input ** exponent`, elementwise; an exponent that is a number is quicker than one that is a Tensor."""
    if exponent.__class__ in NUMBERS and isinstance(input, Variable):
        kind = input.array.dtype.kind
        if kind == "f" or exponent.__class__ is int and kind != "b" and exponent >= 0:
            return power_of_number(input, exponent)
        if kind != "f" and exponent.__class__ is int and exponent < 0:
            raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    return power(input, exponent)


@unary
def neg(x):
    return -x


neg.vjp(lambda g: -g)


@unary
def abs(x):
    return xp.abs(x)


abs.vjp(lambda g, x: g * sign(x))


@unary
def sign(x):
    return xp.sign(x)


sign.vjp(lambda g: g * 0.0)


# ------------------------------------------------------------------------------- exponentials, roots, trigonometry


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


@unary(floating=True)
def sin(x):
    return xp.sin(x)


sin.vjp(lambda g, x: g * cos(x))


@unary(floating=True)
def cos(x):
    return xp.cos(x)


cos.vjp(lambda g, x: -g * sin(x))


@unary(floating=True)
def tanh(x):
    return xp.tanh(x)


tanh.vjp(lambda g, y: g * (1 - y * y))


@unary(floating=True)
def sigmoid(x):
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))  # neither power can overflow


sigmoid.vjp(lambda g, y: g * y * (1 - y))


@unary
def relu(x):
    return xp.maximum(x, 0)


relu.vjp(lambda g, y: g * (y > 0))


# ------------------------------------------------------------------------------------ rounding, limits, selection


@unary
def floor(x):
    return xp.floor(x)


@unary
def ceil(x):
    return xp.ceil(x)


@unary
def round(x):
    return xp.round(x)


@unary
def trunc(x):
    return xp.trunc(x)


for step in (floor, ceil, round, trunc):
    step.vjp(lambda g: g * 0.0)


@primitive
def clamp_(x, low, high):
    return xp.clip(x, low, high)


def inside(x, low, high):
    if low is None or high is None:
        return x >= low if high is None else x <= high
    return (x >= low) & (x <= high)


clamp_.vjp(lambda g, x, low, high: g * inside(x, low, high))


def clamp(input, min=None, max=None):
    """The values limited to [min, max]; either bound may be None, a number, or a Tensor."""
    if min is None and max is None:
        raise ValueError("clamp(): At least one of 'min' or 'max' must not be None")
    if isinstance(min, Variable) or isinstance(max, Variable):
        input = input if min is None else maximum(input, min)
        return input if max is None else minimum(input, max)
    dtype = result_type(*(x for x in (input, min, max) if x is not None))
    return clamp_(as_dtype(input, dtype), min, max)


def clamp_min(input, min):
    """The values, or `min` where it is larger."""
    return clamp(input, min=min)


def clamp_max(input, max):
    """The values, or `max` where it is smaller."""
    return clamp(input, max=max)


@primitive(undo_broadcast=sum_to)
def where_(a, b, condition):
    return xp.where(condition, a, b)


where_.vjps(a=lambda g, condition: where_(g, 0.0, condition), b=lambda g, condition: where_(0.0, g, condition))


def where(condition, input=None, other=None):
    """`input` where the boolean `condition` holds, else `other`; all three broadcast.

    With a condition alone: the indices where it holds, a tuple of one int64 Tensor a dimension.
    """
    if input is None and other is None:
        return tuple(wrap(index) for index in xp.nonzero(condition.array))
    if isinstance(condition, Variable) and condition.array.dtype != boolean:
        raise RuntimeError(f"where: expected condition to be a boolean tensor, got {condition.array.dtype}")
    if any(isinstance(x, Variable) for x in (condition, input, other)):
        dtype = result_type(operand(input, "where"), operand(other, "where"))
        input, other = as_dtype(input, dtype), as_dtype(other, dtype)
    return where_(input, other, condition)


def masked_fill(input, mask, value):
    """The input with `value` (a number or a 0-d Tensor) where the boolean `mask` holds; both broadcast."""
    if mask.dtype != boolean:
        raise RuntimeError(f"masked_fill: expected a boolean mask, got {mask.dtype}")
    value = value if isinstance(value, Variable) else constant(value, input.array.dtype)
    return where_(as_dtype(value, input.dtype), input, mask)


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


@unary
def logical_not(x):
    return xp.logical_not(x)


@binary
def logical_and(a, b):
    return xp.logical_and(a, b)


@binary
def logical_or(a, b):
    return xp.logical_or(a, b)


@unary
def isnan(x):
    return xp.isnan(x)


@unary
def isfinite(x):
    return xp.isfinite(x)


@unary
def isinf(x):
    return xp.isinf(x)


# ---------------------------------------------------------------------------------------------------------- copies


@unary
def copied(x):
    return x.copy(order="K")


@unary
def contiguous_copy(x):
    return x.copy()


copied.vjp(lambda g: g)
contiguous_copy.vjp(lambda g: g)
