"""Sums and products up to each element, and the product of all."""

from ..autograd import primitive
from ..backend import xp
from .join import cat_, flip_
from .layout import in_order
from .operands import float32, float64
from .reduce import accumulated, renamed, restored, summable
from .shape import dim_of, reshape_


@primitive
def cumsum_(x, dim):
    y = x.cumsum(dim, dtype=float64).astype(x.dtype) if x.dtype is float32 else x.cumsum(dim)  # errors would add up
    return in_order(y)


cumsum_.vjp(lambda g, dim: flip_(cumsum_(flip_(g, (dim,)), dim), (dim,)))


@primitive
def cumprod_(x, dim):
    return in_order(x.cumprod(dim))


def preceding(y, dim):
    """From running products, the product of all elements before each one."""
    n = y.shape[dim]
    head = min(n, 1)  # what stands first has nothing before it: 1
    ones = xp.ones((*y.shape[:dim], head, *y.shape[dim + 1 :]), y.dtype)
    return cat_(dim, (head, n), ones, y[(slice(None),) * dim + (slice(n - head),)])


@cumprod_.vjp
def cumprod_vjp(g, y, x, dim):
    """g times the products before each element and those after it, up to every later output: right where some are 0.

    s[k] = g[k] + x[k + 1] * s[k + 1] adds up the latter; it is found by doubling the distance that it covers.
    """
    front, n, reach = (slice(None),) * dim, x.shape[dim], 1
    s, factor = g, x[(*front, slice(1, None))]  # factor[k]: the product of x[k + 1] to x[k + reach]
    while reach < n:
        near, far, end = slice(n - reach), slice(reach, None), slice(n - reach, None)
        s = cat_(dim, (n - reach, n), s[(*front, near)] + factor * s[(*front, far)], s[(*front, end)])
        factor = factor[(*front, slice(max(n - 2 * reach, 0)))] * factor[(*front, far)]
        reach *= 2
    return preceding(y, dim) * s


def running(primitive_, name, doc):
    def function(input, dim, *, dtype=None):
        dim = dim_of(dim, input.array.ndim, name)
        if not input.array.ndim:
            return reshape_(function(reshape_(input, (1,)), 0, dtype=dtype), ())
        return primitive_(input, dim) if summable(input, dtype) else accumulated(primitive_, input, dtype, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


cumsum = running(cumsum_, "cumsum", "The sums of all elements up to each one along `dim`; of integers in int64.")
cumprod = running(cumprod_, "cumprod", "The products of all elements up to each one along `dim`; of integers in int64.")


@primitive
def prod_(x, dim, keepdim):
    return in_order(x.prod(dim, keepdims=keepdim))


@prod_.vjp
def prod_vjp(g, x, dim, shape):
    after = flip_(preceding(cumprod_(flip_(x, (dim,)), dim), dim), (dim,))
    return restored(g, shape, (dim,)) * (preceding(cumprod_(x, dim), dim) * after)  # no division: elements may be 0


def prod(input, dim=None, keepdim=False, *, dtype=None, **names):
    """The product along `dim` (an int; None: of all elements); of integers in int64."""
    if names:
        dim, keepdim = renamed(dim, keepdim, names, "prod")
    if dim is None or not input.array.ndim:
        dim_of(dim or 0, input.array.ndim, "prod")
        input, dim, keepdim = reshape_(input, (input.array.size,)), 0, False
    dim = dim_of(dim, input.array.ndim, "prod")
    return prod_(input, dim, keepdim) if summable(input, dtype) else accumulated(prod_, input, dtype, dim, keepdim)
