"""What elementwise operations take: torch's type promotion, broadcasting, primitives of one and of two operands."""

import functools
import itertools
import math

from .. import autograd
from ..autograd import Node, Rule, Variable, Version, mode, new, primitive, with_vjps, wrap
from ..backend import NUMBERS, RAW, Array, asarray, column_sums, constant, expanded, kind_of, total, xp

float16, float32, float64, int64, boolean = map(xp.dtype, ("float16", "float32", "float64", "int64", "bool"))
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


def widened(dtype, *tensors):
    """The tensors in a dtype, None where there is none."""
    return [x if x is None else as_dtype(x, dtype) for x in tensors]


def beyond_halves(*tensors):
    """The tensors themselves, those of float16 in float32, as sums and squares of halves soon leave their range."""
    return widened(float32, *tensors) if tensors[0].array.dtype is float16 else tensors


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


def raw_of(x, operation):
    if isinstance(x, Variable):
        return x.array
    raise TypeError(f"{operation}(): expected a Tensor, got {kind_of(x)}")


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
        if isinstance(other, Variable):
            b, q = other.array, other.node if other.origin is None else other.current_node()
            if isinstance(input, Variable):
                a, p = input.array, input.node if input.origin is None else input.current_node()
                alike = a.dtype is b.dtype
            else:
                p, alike = None, input.__class__ in NUMBERS and b.dtype.kind == "f"
                a = constant(input, b.dtype) if alike else input
        elif isinstance(input, Variable):
            a, p = input.array, input.node if input.origin is None else input.current_node()
            q, alike = None, other.__class__ in NUMBERS and a.dtype.kind == "f"
            b = constant(other, a.dtype) if alike else other
        elif isinstance(input, RAW) or isinstance(other, RAW):
            return forward(input, other)
        else:
            raise TypeError(f"{rule.name}(): expected a Tensor, got {kind_of(input)} and {kind_of(other)}")
        if not alike or floating and a.dtype.kind != "f":
            input, other = prepare(input, other)
            a, p = (input.array, input.current_node()) if isinstance(input, Variable) else (input, None)
            b, q = (other.array, other.current_node()) if isinstance(other, Variable) else (other, None)
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
            kept = versions = ()
            if keep_y or keep_a or keep_b:
                kept = y if keep_y else None, a if keep_a else None, b if keep_b else None
                versions = (
                    version if keep_y else None,
                    input.version if keep_a and isinstance(input, Variable) else None,
                    other.version if keep_b and isinstance(other, Variable) else None,
                )
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
