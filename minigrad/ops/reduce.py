"""Sums, means, extremes and softmax: operations along dimensions."""

import builtins
import functools
import math
from collections import namedtuple

import numpy as np

from ..autograd import Variable, primitive, wrap
from ..backend import asarray, constant, to_numpy, total, xp
from .elementwise import as_dtype, boolean, broadcast_to, cast, exp, float32, int64, log, maximum, minimum, sum_to
from .index import along, gather_
from .shape import dim_of, reshape_


def dims_of(dim, ndim, operation):
    """The dimensions of a `dim` argument (None or (): all; an int; several) as a sorted tuple of ints >= 0."""
    if dim is None or not isinstance(dim, int) and len(dim) == 0:
        return tuple(range(ndim))
    dims = sorted(dim_of(d, ndim, operation) for d in ((dim,) if isinstance(dim, int) else dim))
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"{operation}: dim {dim} appears multiple times in the list of dims")
    return tuple(dims) if ndim else ()


@functools.lru_cache(1024)
def kept(shape, dims):
    """The shape with size 1 at the reduced dimensions."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


@functools.lru_cache(1024)
def dropped(shape, dims):
    return tuple(n for i, n in enumerate(shape) if i not in dims)


@functools.lru_cache(1024)
def count(shape, dims):
    return math.prod(shape[d] for d in dims)


def floating(input, operation, dtype=None):
    """The input as `dtype`, or as it is where its dtype is floating; else torch's error."""
    if dtype is not None:
        return as_dtype(input, dtype)
    if input.array.dtype.kind != "f":
        raise RuntimeError(
            f"{operation}(): could not infer output dtype. Input dtype must be a floating point dtype. "
            f"Got: {input.array.dtype}"
        )
    return input


# ------------------------------------------------------------------------------------------------ sums and moments


@primitive
def sum_(x, dims, keepdim):
    y = total(x, dims)
    return y if keepdim else y.reshape(dropped(x.shape, dims))


sum_.vjp(lambda g, dims, shape: broadcast_to(g.reshape(kept(shape, dims)), shape))


def sum(input, dim=None, keepdim=False, *, axis=None, keepdims=False, dtype=None):
    """The sum over `dim` (None: all); of integers and booleans in int64. `axis` and `keepdims` are NumPy's names."""
    kind = input.array.dtype.kind
    input = as_dtype(input, dtype or int64) if dtype is not None or kind in "bi" else input
    dims = dims_of(axis if dim is None else dim, input.array.ndim, "sum")
    return sum_(input, dims, keepdim or keepdims)


@primitive
def mean_(x, dims, keepdim):
    y = total(x, dims)
    y = y / constant(count(x.shape, dims), x.dtype)
    return y if keepdim else y.reshape(dropped(x.shape, dims))


mean_.vjp(lambda g, dims, shape: broadcast_to(g.reshape(kept(shape, dims)) * (1 / count(shape, dims)), shape))


def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over `dim` (None: all) of a floating tensor."""
    input = floating(input, "mean", dtype)
    return mean_(input, dims_of(dim, input.array.ndim, "mean"), keepdim)


def centre(x, dims):
    return x - total(x, dims) / constant(count(x.shape, dims), x.dtype)


@primitive(extras=("centred",))
def var_(x, dims, divisor, keepdim):
    centred = centre(x, dims)
    y = total(centred * centred, dims) / constant(divisor, x.dtype)
    return y if keepdim else y.reshape(dropped(x.shape, dims)), centred


@var_.vjp
def var_vjp(g, x, dims, divisor, shape, centred):
    centred = x - mean_(x, dims, True) if centred is None else centred
    return g.reshape(kept(shape, dims)) * (2 / divisor) * centred


@primitive(extras=("centred",))
def std_(x, dims, divisor, keepdim):
    centred = centre(x, dims)
    y = xp.sqrt(total(centred * centred, dims) / constant(divisor, x.dtype))
    return y if keepdim else y.reshape(dropped(x.shape, dims)), centred


@std_.vjp
def std_vjp(g, y, x, dims, divisor, shape, centred):
    centred = x - mean_(x, dims, True) if centred is None else centred
    return (g / (y * divisor + (y == 0))).reshape(kept(shape, dims)) * centred  # of a constant: 0, as in torch


def moment(primitive_, input, dim, unbiased, correction, keepdim):
    if isinstance(dim, bool):  # var(unbiased), the older order of arguments
        dim, unbiased = None, dim
    correction = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    name = primitive_.__name__
    dims = dims_of(dim, floating(input, name).array.ndim, name)
    divisor = builtins.max(count(input.array.shape, dims) - correction, 0)
    return primitive_(input, dims, divisor or math.nan, keepdim)


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance over `dim` (None: all), divided by n - correction; by default 1 (Bessel's correction)."""
    return moment(var_, input, dim, unbiased, correction, keepdim)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation over `dim` (None: all), the root of `var`."""
    return moment(std_, input, dim, unbiased, correction, keepdim)


# ------------------------------------------------------------------------------------------------------- extremes


def extreme(function, name):
    @primitive
    def reduced(x, dims, keepdim):
        return function(x, axis=dims, keepdims=keepdim)

    @reduced.vjp
    def reduced_vjp(g, y, x, dims, shape):
        ties = cast(x == y.reshape(kept(shape, dims)), g.dtype, boolean)  # several equal extremes share the gradient
        return g.reshape(kept(shape, dims)) / ties.sum(axis=dims, keepdims=True) * ties

    def reduction(input, dim=None, keepdim=False):
        dims = dims_of(dim, input.array.ndim, name)
        if input.array.size == 0 and builtins.any(input.array.shape[d] == 0 for d in dims):
            raise IndexError(f"{name}(): Expected reduction dim to have non-zero size; got shape {input.array.shape}")
        return reduced(input, dims, keepdim)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"The {name[1:]}imum over `dim` (None: all); equal values share the gradient."
    return reduction


amax, amin = extreme(xp.max, "amax"), extreme(xp.min, "amin")


def arg_extreme(function, name):
    def position(input, dim=None, keepdim=False):
        array = input.array
        if array.size == 0 and (dim is None or array.shape[dim_of(dim, array.ndim, name)] == 0):
            raise IndexError(f"{name}(): Expected reduction dim to have non-zero size; got shape {array.shape}")
        if dim is None:
            found = function(array)
            return wrap(found.reshape((1,) * array.ndim) if keepdim else found)
        if array.ndim == 0:
            dim_of(dim, 0, name)
            return wrap(xp.zeros((), int64))
        dim = dim_of(dim, array.ndim, name)
        found = function(array, axis=dim)
        return wrap(xp.expand_dims(found, dim) if keepdim else found)

    position.__name__ = position.__qualname__ = name
    position.__doc__ = f"The index of the {name[3:]}imum along `dim`, int64; of the flattened tensor where `dim` is None."
    return position


argmax, argmin = arg_extreme(xp.argmax, "argmax"), arg_extreme(xp.argmin, "argmin")


def extreme_along(whole, position, pairwise, name):
    result = namedtuple(name, "values indices")

    def reduction(input, dim=None, keepdim=False):
        if isinstance(dim, Variable):
            return pairwise(input, dim)
        if dim is None:
            return whole(input)
        indices = position(input, dim, True)
        if input.array.ndim == 0:
            return result(reshape_(input, ()), indices)
        values = gather_(input, along(indices.array, dim_of(dim, input.array.ndim, name)))
        if not keepdim:
            shape = dropped(values.array.shape, (dim % input.array.ndim,))
            values, indices = reshape_(values, shape), reshape_(indices, shape)
        return result(values, indices)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"The {name}imum of all, or with a `dim` named (values, indices); of two tensors, elementwise."
    return reduction


max = extreme_along(amax, argmax, maximum, "max")
min = extreme_along(amin, argmin, minimum, "min")


def logical(function, name):
    def reduction(input, dim=None, keepdim=False):
        dims = dims_of(dim, input.array.ndim, name)
        return wrap(function(input.array.astype(boolean), axis=dims, keepdims=keepdim))

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"Whether {name} of the elements over `dim` (None: of all of them) is true."
    return reduction


all, any = logical(xp.all, "all"), logical(xp.any, "any")


# --------------------------------------------------------------------------------------------------- softmax and co.


@primitive
def softmax_(x, dim):
    y = xp.exp(x - x.max(dim, keepdims=True))
    return y / y.sum(dim, keepdims=True)


softmax_.vjp(lambda g, y, dim: y * (g - (g * y).sum(axis=dim, keepdims=True)))


@primitive
def log_softmax_(x, dim):
    x = x - x.max(dim, keepdims=True)
    return x - xp.log(xp.exp(x).sum(dim, keepdims=True))


log_softmax_.vjp(lambda g, y, dim: g - exp(y) * g.sum(axis=dim, keepdims=True))


def along_dim(primitive_, name, doc):
    def function(input, dim, *, dtype=None):
        if dtype is None and input.array.dtype.kind != "f":
            raise RuntimeError(f'"{name}" not implemented for {input.array.dtype}; pass a floating dtype')
        input = input if dtype is None else as_dtype(input, dtype)
        dim = dim_of(dim, input.array.ndim, name)
        if input.array.ndim == 0:
            return reshape_(primitive_(reshape_(input, (1,)), 0), ())
        if input.array.shape[dim] == 0:
            return input * 1
        return primitive_(input, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


softmax = along_dim(softmax_, "softmax", "exp(x) / sum(exp(x)) along `dim`: probabilities.")
log_softmax = along_dim(log_softmax_, "log_softmax", "The logarithm of softmax along `dim`, without its underflow.")


@primitive
def logsumexp_(x, dims, keepdim):
    m = x.max(dims, keepdims=True)
    m = xp.where(xp.isfinite(m), m, 0).astype(x.dtype)
    y = xp.log(total(xp.exp(x - m), dims)) + m
    return y if keepdim else y.reshape(dropped(x.shape, dims))


@logsumexp_.vjp
def logsumexp_vjp(g, y, x, dims, shape):
    return g.reshape(kept(shape, dims)) * exp(x - y.reshape(kept(shape, dims)))


def logsumexp(input, dim, keepdim=False):
    """log(sum(exp(x))) over `dim`, without overflow."""
    input = as_dtype(input, float32) if input.array.dtype.kind != "f" else input
    return logsumexp_(input, dims_of(dim, input.array.ndim, "logsumexp"), keepdim)


# ------------------------------------------------------------------------------------------------------ histograms


def histogram(input, bins=100, *, range=None, weight=None, density=False):
    """Counts of the values in `bins` bins of equal width, or between the given edges: named (hist, bin_edges).

    `range`: the outermost edges, by default the smallest and largest value. `density`: divide by the total and the bin
    width, so that the area is 1. `weight` counts each value that much. A value on the last edge is in the last bin.
    """
    values = to_numpy(floating(input, "histogram").array).reshape(-1)
    edges = to_numpy(bins.array) if isinstance(bins, Variable) else bins
    weights = None if weight is None else to_numpy(weight.array).reshape(-1)
    span = range
    if isinstance(bins, int):
        low, high = range or ((values.min(), values.max()) if values.size else (0, 1))
        span = (low, high) if low != high else (low - 1, high + 1)
    hist, edges = np.histogram(values, edges, span, density, weights)
    return Histogram(wrap(asarray(hist.astype(values.dtype))), wrap(asarray(edges.astype(values.dtype))))


Histogram = namedtuple("histogram", "hist bin_edges")


def histc(input, bins=100, min=0, max=0):
    """Counts in `bins` bins of equal width between `min` and `max`; where those are equal, between the extremes."""
    array = floating(input, "histc").array
    low, high = (array.min().item(), array.max().item()) if min == max and array.size else (min, max)
    values = input.reshape(-1)
    return histogram(values, bins, range=(low, high) if low != high else (low - 1, high + 1)).hist
