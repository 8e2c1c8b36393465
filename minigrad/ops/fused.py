"""Layers as single primitives, where `benchmarks` showed them faster than their parts."""

import functools

from ..autograd import primitive
from ..backend import column_sums, constant, product_total, row_maxima, row_sums, total, xp
from .elementwise import rsqrt, sum_to
from .index import one_hot
from .linalg import mm_
from .reduce import count, mean_, softmax_, sum_, var_


@primitive(undo_broadcast=sum_to)
def linear_(x, w, b):
    """x (N, in) times w (out, in) transposed, plus b (out) or None."""
    y = x.dot(w.T)
    if b is not None:
        y += b
    return y


linear_.vjps(x=lambda g, w: mm_(g, w), w=lambda g, x: mm_(g.T, x), b=lambda g: g)


@primitive(extras=("p",))
def cross_entropy_(x, target):
    """The mean over rows of -log softmax(x)[target]; x (N, C), target (N,) in range."""
    n, c = x.shape
    x = x - row_maxima(x)
    p = xp.exp(x)
    s = row_sums(p)
    losses = xp.log(s) - x.reshape(-1).take(row_starts(n, c) + target).reshape(n, 1)
    p /= s
    return column_sums(losses).reshape(()) / constant(n, x.dtype), p


@cross_entropy_.vjp
def cross_entropy_vjp(g, x, target, p):
    n, c = x.shape
    onehot = one_hot(target, c, x.dtype)
    if p is None:
        return (softmax_(x, 1) - onehot) * (g * (1 / n))
    return xp.multiply(xp.subtract(p, onehot, onehot), g * constant(1 / n, x.dtype), onehot)


@functools.lru_cache(64)
def row_starts(n, c):
    """Where each row of an (n, c) array begins in memory."""
    return xp.arange(0, n * c, c)


@primitive(extras=("inverse",))
def batch_norm_(x, weight, bias, centred, var, dims, eps):
    """x to mean 0 and variance 1 over `dims`, times weight plus bias, which may be None.

    `centred` is x less its mean over `dims`, `var` the mean square of that, with size 1 there.
    Source: Ioffe and Szegedy, 2015.
    """
    inverse = 1 / xp.sqrt(var + constant(eps, x.dtype))
    y = centred * (inverse if weight is None else inverse * weight.reshape(var.shape))
    if bias is not None:
        y += bias.reshape(var.shape)
    return y, inverse


@batch_norm_.vjp
def batch_norm_vjp(g, x, weight, centred, dims, eps, inverse, needs):
    n, differentiable = count(x.shape, dims), inverse is None
    if differentiable:  # the gradient itself will be differentiated: its parts must be functions of x
        inverse = rsqrt(var_(x, dims, n, True) + eps)
        centred = x - mean_(x, dims, True)
        along, bias = sum_(g * centred, dims, True) * inverse, sum_(g, dims, True)
    else:
        along, bias = product_total(g, centred, dims) * inverse, total(g, dims)
    if needs[0]:
        scale = inverse if weight is None else inverse * weight.reshape(inverse.shape)
        slope, level = along * inverse * (1 / n), bias * (1 / n)
        if differentiable:
            x = (g - (centred * slope + level)) * scale
        else:
            x = centred * slope
            x += level
            x = xp.subtract(g, x, x)
            x *= scale
    return [x if needs[0] else None, along.reshape(-1), bias.reshape(-1), None, None, None, None]


@primitive(extras=("normalised", "inverse"))
def layer_norm_(x, weight, bias, eps):
    """Each row of x (N, F) to mean 0 and variance 1, times weight plus bias (F), which may be None.

    Source: Ba et al., 2016.
    """
    n = constant(x.shape[1], x.dtype)
    normalised = x - row_sums(x) / n
    inverse = 1 / xp.sqrt(row_sums(normalised * normalised) / n + constant(eps, x.dtype))
    normalised *= inverse
    y = normalised.copy() if weight is None else normalised * weight  # never the array that is kept for backward
    if bias is not None:
        y += bias
    return y, normalised, inverse


@layer_norm_.vjp
def layer_norm_vjp(g, x, weight, eps, normalised, inverse, needs):
    if normalised is None:  # the gradient itself will be differentiated: its parts must be functions of x
        inverse = rsqrt(var_(x, (1,), x.shape[1], True) + eps)
        normalised = (x - mean_(x, (1,), True)) * inverse
        scaled = g if weight is None else g * weight
        x = (scaled - mean_(scaled, (1,), True) - normalised * mean_(scaled * normalised, (1,), True)) * inverse
        return [x, sum_(g * normalised, (0,), False), sum_(g, (0,), False), None]
    product, for_bias = g * normalised, column_sums(g)
    for_weight = column_sums(product)
    if needs[0]:
        if weight is not None:
            g = g * weight
            product *= weight
        n = constant(x.shape[1], x.dtype)
        along, level = row_sums(product) / n, row_sums(g) / n
        xp.multiply(normalised, along, product)
        product += level
        xp.subtract(g, product, product)
        product *= inverse
    return [product, for_weight, for_bias, None]
