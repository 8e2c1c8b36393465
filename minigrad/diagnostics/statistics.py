"""Numbers that tell how a network is doing. Each is a plain function of tensors, arrays or lists, and returns a float.

Shares are from 0 to 1. A statistic of no values is nan, as is the std of a single one.
"""

import functools
import math

import numpy as np

from ..autograd import Variable
from ..backend import Array, asarray, item, to_numpy


def numbers(x, operation):
    """The values of a tensor, array, list or number as a floating array of the active library."""
    try:
        array = x.array if isinstance(x, Variable) else x if isinstance(x, Array) else asarray(x)
    except (TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind not in "fiub":
        raise TypeError(f"{operation}: expected a tensor, an array or a list of numbers, got {type(x).__name__}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 2:
        return array
    return array.astype("float32" if array.dtype.kind == "f" else "float64")  # float16 would overflow in sums


def share(mask):
    """The share of the values of a mask that are true."""
    return count(mask) / mask.size if mask.size else math.nan


def count(mask):
    """How many of the values of a mask are true."""
    return item(mask.sum())


def moments(x):
    """(number of values, their mean, the sum of their squared distances from it) of an array."""
    n = x.size
    if not n:
        return 0, math.nan, 0.0
    x = x.reshape(-1)
    mean = item(x.sum()) / n
    x = x - mean
    return n, mean, item(x.dot(x))


def merged(one, other):
    """`moments` of two sets of values together. Source: Chan et al., 1979."""
    (n, mean, squares), (m, other_mean, other_squares) = one, other
    if not n or not m:
        return one if n else other
    change = other_mean - mean
    return n + m, mean + change * m / (n + m), squares + other_squares + change * change * n * m / (n + m)


def std_of(n, squares):
    """The unbiased standard deviation of n values with this sum of squares."""
    return math.sqrt(squares / (n - 1)) if n > 1 else math.nan


@np.errstate(all="ignore")  # exploded values are no error here: they are what one looks for
def std(x):
    """The unbiased standard deviation, as torch's `std`."""
    n, _, squares = moments(numbers(x, "std"))
    return std_of(n, squares)


def saturated(x, threshold=0.97, low=-1.0, high=1.0):
    """The share of values in the flat ends of an activation between `low` and `high`; for tanh, where |x| > threshold."""
    return share(flat_ends(numbers(x, "saturated"), threshold, low, high))


def flat_ends(x, threshold, low, high):
    """The mask of `saturated`."""
    if not low < high:
        raise ValueError(f"saturated: low should be less than high, got {low} and {high}")
    if (low, high) != (-1.0, 1.0):
        x = (x - (low + high) / 2) * (2 / (high - low))
    return abs(x) > threshold


def near_zero(x, threshold=0.01):
    """The share of values with |x| < threshold."""
    return share(abs(numbers(x, "near_zero")) < threshold)


def dead(x, threshold=None, dim=1):
    """The share of units, indices of dimension `dim`, that are never active: for no example, at no place.

    A unit of a ReLU is active where it is above zero. With a `threshold`, x is an activation from -1 to 1, such as tanh,
    and a unit active where |x| <= threshold, so that a gradient passes.
    """
    x = numbers(x, "dead")
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(f"dead: expected units in dimension {dim}, got shape {tuple(x.shape)}")
    return share(~ever(x > 0 if threshold is None else abs(x) <= threshold, dim))


def ever(mask, dim):
    """For each index of a dimension, whether the mask is true anywhere."""
    dim %= mask.ndim
    return mask if mask.ndim == 1 else mask.any(tuple(i for i in range(mask.ndim) if i != dim))


@np.errstate(all="ignore")
def gini(x):
    """The Gini coefficient of |x|: 0 where all are equally large, near 1 where few hold it all; 0 where all are zero.

    sum_i (2i - n - 1) |x|_i / (n sum |x|), |x|_i in ascending order. Source: Gini, Variabilita e mutabilita, 1912.
    """
    return concentration(numbers(x, "gini"))


def concentration(x):
    """`gini` of an array, worked out on the host."""
    x = abs(to_numpy(x)).reshape(-1)
    n = x.size
    if not n:
        return math.nan
    x.sort()
    largest = float(x[-1])
    if largest == 0:
        return 0.0
    x /= largest  # so that sums do not overflow
    return item(x.dot(ranks(n, x.dtype))) / (n * item(x.sum()))


@functools.lru_cache(16)
def ranks(n, dtype):
    """2i - n - 1 for i from 1 to n."""
    return np.arange(1 - n, n, 2, dtype=dtype)


def grad_data_ratio(gradient, data):
    """std of the gradient / std of the parameter: how large gradients are beside what they change."""
    return quotient(std(gradient), std(data))


def update_data_ratio(update, data):
    """log10 of (std of an update / std of the parameter it is made to); about -3 where training goes well.

    The update of plain gradient descent is lr * gradient. Source: Karpathy, Neural networks: zero to hero, part 4, 2022.
    """
    return log10(quotient(std(update), std(data)))


def quotient(a, b):
    """a / b as IEEE has it: infinite or nan where b is zero."""
    if b:
        return a / b
    return math.inf if a > 0 else math.nan


def log10(x):
    """log10 as IEEE has it: -infinity of zero."""
    return -math.inf if x == 0 else math.log10(x)


def sample(x, limit):
    """At most `limit` of an array's values, flat: every k-th, k without a divisor in common with their number.

    So every index of every dimension takes its turn, where a k such as the width of a layer would show one unit only.
    """
    x = x.reshape(-1)
    if x.size <= limit:
        return x
    step = -(-x.size // limit)
    while math.gcd(step, x.size) > 1:
        step += 1
    return x[::step]
