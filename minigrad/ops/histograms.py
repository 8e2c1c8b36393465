"""Counts of values: in bins of equal width, between edges, and of integers. They have no derivative."""

import math
from collections import namedtuple

from ..autograd import Variable, wrap
from ..backend import counts, item, nonzero, xp
from .operands import int64
from .reduce import floating
from .shape import integer

Histogram = namedtuple("histogram", "hist bin_edges")


def bounds(array, bins, low, high, operation):
    """The outermost edges: those given, or the extremes of the array where there are none."""
    if bins <= 0:
        raise RuntimeError(f"{operation}(): bins must be > 0, but got {bins}")
    if low is None:
        low, high = (item(array.min()), item(array.max())) if array.size else (0.0, 1.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{operation}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{operation}: max must be larger than min, got [{low}, {high}]")
    return float(low), float(high)


def histc(input, bins=100, min=0, max=0):
    """Counts in `bins` bins of equal width between `min` and `max`; where those are equal, between the extremes.

    The counts have the dtype of the input. What lies outside, and NaN, does not count; `max` itself is in the last bin.
    """
    values, bins = floating(input, "histc").array.reshape(-1), integer(bins, "histc")
    low, high = bounds(values, bins, *((None, None) if min == max else (min, max)), "histc")
    values = values[nonzero((values >= low) & (values <= high))]
    if low == high:  # the middle of a range around the only value
        position = xp.full(values.size, bins // 2)
    else:  # rounded step by step as in torch, which decides about values on an edge
        low, high, n = map(values.dtype.type, (low, high, bins))
        position = xp.minimum(((values - low) * n / (high - low)).astype(int64), bins - 1)
    return wrap(counts(position, minlength=bins).astype(values.dtype))


def histogram(input, bins=100, *, range=None, weight=None, density=False):
    """Counts of the values in `bins` bins of equal width, or between the given edges: named (hist, bin_edges).

    `range`: the outermost edges, by default the smallest and largest value. `weight` counts each value that much.
    `density`: divide by the total and the bin width, so that the area is 1. The last bin includes its upper edge.
    """
    values = floating(input, "histogram").array.reshape(-1)
    if isinstance(bins, Variable):
        edges, bins = given_edges(bins.array, values, range), bins.array.size - 1
    else:
        bins = integer(bins, "histogram")
        low, high = bounds(values, bins, *range or (None, None), "histogram")
        edges = equal_edges(*((low, high) if low < high else (low - 0.5, high + 0.5)), bins, values.dtype)
    inside = nonzero((values >= edges[0]) & (values <= edges[-1]))
    if weight is not None:
        if weight.array.shape != input.array.shape:
            raise RuntimeError(
                f"histogram: expected weight of the input's shape {input.array.shape}, got {weight.array.shape}"
            )
        weight = weight.array.reshape(-1)[inside]
    position = xp.minimum(xp.searchsorted(edges, values[inside], "right") - 1, bins - 1)
    hist = counts(position, weight, bins).astype(values.dtype)
    if density:
        hist = hist / (item(hist.sum()) or math.nan) / (edges[1:] - edges[:-1])
    return Histogram(wrap(hist), wrap(edges))


def equal_edges(low, high, bins, dtype):
    """Edges of bins of equal width, reckoned from both ends towards the middle and rounded once, as torch does."""
    low, high, n = dtype.type(low), dtype.type(high), xp.arange(bins + 1)
    step = float((high - low) / dtype.type(bins))
    return xp.where(n < (bins + 1) // 2, float(low) + step * n, float(high) - step * (bins - n)).astype(dtype)


def given_edges(edges, values, range):
    if edges.ndim != 1 or edges.size < 2 or edges.dtype != values.dtype:
        raise RuntimeError(
            f"histogram: expected 2 or more edges of the input's dtype {values.dtype}, got {edges.dtype} {edges.shape}"
        )
    if range is not None:
        raise TypeError("histogram(): expected a range or edges, got both")
    return edges.copy()


def bincount(input, weights=None, minlength=0):
    """How often each integer from 0 on occurs in a vector, int64; or the sums of its weights, in their dtype.

    The result is as long as the largest value needs, and `minlength` at least.
    """
    values = input.array
    if values.dtype.kind not in "iu" or values.ndim != 1 or values.size and item(values.min()) < 0:
        raise RuntimeError(f"bincount: expected a vector of integers >= 0, got {values.dtype} of shape {values.shape}")
    if integer(minlength, "bincount") < 0:
        raise RuntimeError(f"bincount: minlength should be >= 0, got {minlength}")
    if weights is None:
        return wrap(counts(values, minlength=minlength).astype(int64))
    weights = weights.array
    if weights.shape != values.shape:
        raise RuntimeError(f"bincount: weights should be 1-d and have the same length as input, got {weights.shape}")
    sums = counts(values, weights, minlength)
    return wrap(sums if weights.dtype.kind != "f" else sums.astype(weights.dtype))
