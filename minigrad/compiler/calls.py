"""What a replay consists of: calls without arguments that write where the recorded ones wrote, and compare."""

from functools import partial

from ..backend import Array, asarray, constant, on_gpu, xp
from .traced import UFUNC, Traced

LARGE = 1 << 16  # bytes; rows beyond this are picked without the copy that NumPy makes to check indices first
COPIES = {"copy", "astype", "array", "asarray", "ascontiguousarray"}
REDUCTIONS = "sum mean max min prod all any argmax argmin cumsum cumprod clip concatenate stack".split()
# functions that return shapes which do not depend on values, beside those that write to an output
STABLE = {"where", "conv_weight_", "norm", "tile", "roll", "flip", "vecdot", "__pow__", "triu", "tril", "sort", "argsort"}
STABLE |= {"take", "reduce", "dot", "launch", *COPIES, *REDUCTIONS}
NEVER_FAILING = STABLE - {"take", "launch"}  # where they have not failed once: only the numbers change
KEYWORD_ONLY = "maximum", "minimum"  # of which NumPy will not take an output by position any more


class Changed(Exception):
    """A replay met a value that would have led the recorded call another way."""


def refill(out, function, args, kwargs):
    """Call a function that has no form with an output array, and copy its result to where it was before."""
    y = function(*args, **kwargs)
    if y.shape != out.shape or y.dtype != out.dtype:
        raise Changed(f"{function.__name__} gave {y.dtype} of shape {y.shape} instead of {out.dtype} of {out.shape}")
    xp.copyto(out, y)


def refill_all(outs, function, args, kwargs):
    """The same for a function that returns several arrays."""
    for out, y in zip(outs, function(*args, **kwargs), strict=True):
        refill(out, lambda y=y: y, (), {})


def written():
    """Stands for what the call before it wrote beside the arrays that it returned."""


def check(function, args, kwargs, expected):
    """Compare a value that left the arrays, and may have decided what came after it, with what it was."""
    value = function(*args, **kwargs)
    if value is not expected and repr(value) != repr(expected):  # which tells 0.0 from -0.0, and finds NaN equal
        raise Changed(f"{function.__name__} gave {value} instead of {expected}")


def must_fail(call, kind):
    """Make a call that failed, and whose error led another way: it has to fail again."""
    try:
        call()
    except kind:
        return
    raise Changed(f"{call.func.__name__} gave a result instead of a {kind.__name__}")


def bits_of(array):
    """The numbers of an array as unsigned integers of the same bits."""
    return array.view(f"u{array.itemsize}")


def take_wrapped(x, index, out):
    """Rows of x as `x.take(index, 0)` picks them, checked beforehand."""
    if index.size and xp.maximum.reduce(bits_of(index), None) >= len(x):  # as such, negative ones are large
        x.take(index, 0)  # which says what is wrong, if anything is
    x.take(index, 0, out, "wrap")


class Draw:
    """A call for numbers that are drawn anew at every replay; `last` is kept for a replay that has to be taken back."""

    def __init__(self, function, args, kwargs, out):
        self.function, self.args, self.kwargs, self.out = function, args, kwargs, out

    def __call__(self):
        self.last = self.function(*self.args, **self.kwargs)
        self.out[...] = asarray(self.last)


def hand_over(gradients):
    """Let the leaves have their gradients, for those who look for them there."""
    for leaf, g in gradients:
        leaf.grad = g


def operands(raw, out):
    """Small numbers beside arrays of one dtype as 0-d arrays of it, which NumPy need not convert at every call."""
    dtypes = {x.dtype for x in raw if isinstance(x, Array)} | ({out.dtype} if out.__class__ is Traced else set())
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if on_gpu or dtype is None or dtype.kind not in "fi":
        return raw
    fitting = (int, float) if dtype.kind == "f" else (int,)
    return tuple([constant(x, dtype) if x.__class__ in fitting and abs(x) < 128 else x for x in raw])


def with_output(function, args, kwargs, out):
    """The call of a function with its result in `out`, or None where there is no such form."""
    name, receiver = function.__name__, getattr(function, "__self__", None)
    if isinstance(function, UFUNC) and name not in KEYWORD_ONLY:
        return partial(function, *args, out, **kwargs)
    if name in COPIES:
        return partial(xp.copyto, out, receiver if isinstance(receiver, Array) else args[0], "unsafe")
    if name == "reshape" and isinstance(receiver, Array):
        return partial(xp.copyto, out.reshape(receiver.shape), receiver)
    if name == "dot":
        return partial(function, *args, out, **kwargs)
    if name == "take" and not kwargs:
        index, axis = args if len(args) == 2 else (*args, None)
        large = axis == 0 and out.nbytes > LARGE
        return partial(take_wrapped, receiver, index, out) if large else partial(function, index, axis, out)
    if name == "reduce" or name in REDUCTIONS or name in KEYWORD_ONLY:
        return partial(function, *args, **kwargs, out=out)
    return None
