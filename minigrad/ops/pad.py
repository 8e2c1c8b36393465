"""Padding: images with a border around them, or without their own."""

from ..autograd import primitive
from ..backend import xp
from .layout import in_order


@primitive
def pad_(x, before, after, value):
    """x with `before` and `after` more elements of `value` along each dimension; fewer where that is negative."""
    y = xp.full_like(x, value, shape=[n + b + a for n, b, a in zip(x.shape, before, after)])
    inner = tuple(slice(max(b, 0), y.shape[i] - max(a, 0)) for i, (b, a) in enumerate(zip(before, after)))
    kept = tuple(slice(max(-b, 0), x.shape[i] - max(-a, 0)) for i, (b, a) in enumerate(zip(before, after)))
    y[inner] = x[kept]
    return in_order(y)


pad_.vjp(lambda g, before, after: pad_(g, [-b for b in before], [-a for a in after], 0))


def extended(n, before, after, mode):
    """For each element along an extended dimension the index of the one among n that it repeats.

    Source: the borders of torch's `reflect`, `replicate` and `circular` modes.
    """
    if mode == "circular":
        own = range(max(-before, 0), n - max(-after, 0))
        return [own[i % len(own)] for i in range(-max(before, 0), len(own) + max(after, 0))]
    wanted = range(-before, n + after)
    if mode == "replicate":
        return [min(max(i, 0), n - 1) for i in wanted]
    return [n - 1 - abs(n - 1 - abs(i)) for i in wanted]


def runs(index):
    """The list of indices as runs that rise or fall by 1: [(place, source)], both slices."""
    found, at = [], 0
    while at < len(index):
        first, stop, step = index[at], at + 1, 1
        if stop < len(index) and abs(index[stop] - first) == 1:
            step = index[stop] - first
            while stop < len(index) and index[stop] - index[stop - 1] == step:
                stop += 1
        last = first + step * (stop - at)
        found.append((slice(at, stop), slice(first, last if last >= 0 else None, step)))
        at = stop
    return found


@primitive
def extend(x, index, dim, n):
    """x with the elements `index` (a list) along one dimension, whose size is n."""
    y, front = xp.empty_like(x, shape=(*x.shape[:dim], len(index), *x.shape[dim + 1 :])), (slice(None),) * dim
    for place, source in runs(index):
        y[(*front, place)] = x[(*front, source)]
    return y


@primitive
def shorten(g, index, dim, n):
    """The transpose of `extend`: each element added to the one that it repeats."""
    x, front = xp.zeros_like(g, shape=(*g.shape[:dim], n, *g.shape[dim + 1 :])), (slice(None),) * dim
    for place, source in runs(index):
        x[(*front, source)] += g[(*front, place)]
    return x


extend.vjp(lambda g, index, dim, n: shorten(g, index, dim, n))
shorten.vjp(lambda g, index, dim, n: extend(g, index, dim, n))
