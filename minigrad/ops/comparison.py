"""Comparisons, logic on booleans, and operations on the bits of integers."""

import operator

from ..autograd import wrap
from ..backend import item, xp
from .operands import binary, float64, mismatch, operand, raw_of, unary, undefined


@binary
def eq(a, b):
    """Whether a == b."""
    return a == b


@binary
def ne(a, b):
    """Whether a != b."""
    return a != b


@binary
def lt(a, b):
    """Whether a < b."""
    return a < b


@binary
def le(a, b):
    """Whether a <= b."""
    return a <= b


@binary
def gt(a, b):
    """Whether a > b."""
    return a > b


@binary
def ge(a, b):
    """Whether a >= b."""
    return a >= b


@binary
def bitwise_and(a, b):
    """The bits that both have, of integers or booleans."""
    return a & b


@binary
def bitwise_or(a, b):
    """The bits that either has, of integers or booleans."""
    return a | b


@binary
def bitwise_xor(a, b):
    """The bits that one of the two has, of integers or booleans."""
    return a ^ b


@unary
def bitwise_not(x):
    """The bits turned over, of integers; of booleans their opposite."""
    return ~x


def shifts(function, name, towards):
    """A shift of integers, where NumPy would make integers of booleans."""

    def shift(a, b):
        if a.dtype.kind == "b":
            raise undefined(name, a)
        return function(a, b)

    shift.__name__, shift.__doc__ = name, f"The bits of integers a, b places further {towards}."
    return binary(shift)


bitwise_left_shift = shifts(operator.lshift, "bitwise_left_shift", "left")
bitwise_right_shift = shifts(operator.rshift, "bitwise_right_shift", "right")


@unary
def logical_not(x):
    """Whether x is 0."""
    return xp.logical_not(x)


@binary
def logical_and(a, b):
    """Whether neither is 0."""
    return xp.logical_and(a, b)


@binary
def logical_or(a, b):
    """Whether one or both are not 0."""
    return xp.logical_or(a, b)


@binary
def logical_xor(a, b):
    """Whether one of the two is 0, and not the other."""
    return xp.logical_xor(a, b)


@unary
def isnan(x):
    """Whether x is NaN."""
    return xp.isnan(x)


@unary
def isfinite(x):
    """Whether x is neither infinite nor NaN."""
    return xp.isfinite(x)


@unary
def isinf(x):
    """Whether x is infinite, of either sign."""
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
    return bool(item(isclose(input, other, rtol, atol, equal_nan).array.all()))


def equal(input, other):
    """Whether two tensors have the same shape and equal elements: a Python bool."""
    a, b = raw_of(input, "equal"), raw_of(other, "equal")
    return a.shape == b.shape and bool(item((a == b).all()))
