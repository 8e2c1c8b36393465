"""Order: sorting, the largest k, the median, distinct values, and places in a sorted sequence."""

from collections import namedtuple

from .. import backend
from ..autograd import Variable, primitive, wrap
from ..backend import item, on_gpu, xp
from .elementwise import copied
from .extreme import not_empty, picked_along, shared
from .index import int32
from .operands import boolean, int64
from .reduce import renamed
from .shape import dim_of, integer

Sorted, TopK, Median = (namedtuple(name, "values indices") for name in ("sort", "topk", "median"))


# ---------------------------------------------------------------------------------------------------------- sorting


def order(array, dim, descending):
    """The indices that sort along `dim`: equal values keep their order, NaN counts as the largest."""
    if not descending:
        return xp.argsort(array, axis=dim, kind="stable")
    backwards = xp.flip(xp.argsort(xp.flip(array, dim), axis=dim, kind="stable"), dim)
    return array.shape[dim] - 1 - backwards


def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that sort along `dim`, int64; always stable."""
    dim = dim_of(dim, input.array.ndim, "argsort")
    return wrap(order(input.array, dim, descending) if input.array.ndim else xp.zeros((), int64))


def sort(input, dim=-1, descending=False, stable=False):
    """The values in order along `dim`, and their indices, named (values, indices); stable, NaN as the largest."""
    indices = argsort(input, dim, descending)
    if not input.array.ndim:
        return Sorted(copied(input), indices)
    return Sorted(*picked_along(input, indices.array, dim_of(dim, input.array.ndim, "sort"), True))


def topk(input, k, dim=-1, largest=True, sorted=True):
    """The `k` largest (or smallest) values along `dim`, in order, and their indices, named (values, indices)."""
    k, dim = integer(k, "topk"), dim_of(dim, input.array.ndim, "topk")
    n = input.array.shape[dim] if input.array.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: selected index k out of range: got {k} for a dimension of size {n}")
    if not input.array.ndim:
        return TopK(*sort(input))
    front = (slice(None),) * dim
    if k in (0, n) or on_gpu:  # CuPy's `argpartition` loses NaN, and sorts the whole where many are to be in front
        indices = order(input.array, dim, largest)[(*front, slice(k))]
    else:
        cut = n - k if largest else k - 1
        ends = slice(cut, None) if largest else slice(k)
        found = xp.sort(xp.argpartition(input.array, cut, dim)[(*front, ends)], dim)  # in the order they stand in
        ranks = order(xp.take_along_axis(input.array, found, dim), dim, largest)
        indices = xp.take_along_axis(found, ranks, dim)
    return TopK(*picked_along(input, indices, dim, True))


@primitive
def median_(x):
    ordered = xp.sort(x.reshape(-1))
    return ordered[-1] if item(ordered[-1] != ordered[-1]) else ordered[(x.size - 1) // 2]


median_.vjp(lambda g, y, x, shape: shared(g, y, x, tuple(range(len(shape))), shape))


def median(input, dim=None, keepdim=False, **names):
    """The middle value of all, or along `dim` named (values, indices); of an even number, the lower one.

    NaN where there is any; of no elements at all NaN, too.
    """
    if names:
        dim, keepdim = renamed(dim, keepdim, names, "median")
    if input.array.dtype == boolean:
        raise RuntimeError("median(): does not support bool input")
    if dim is None:
        return median_(input) if input.array.size else wrap(xp.full((), xp.nan, input.array.dtype))
    dim = dim_of(dim, input.array.ndim, "median")
    if not input.array.ndim:
        return Median(copied(input), wrap(xp.zeros((), int64)))
    not_empty(input, (dim,), "median", IndexError)
    array, n = input.array, input.array.shape[dim]
    nans = (array != array).sum(dim, keepdims=True)
    position = xp.where(nans > 0, n - nans, (n - 1) // 2)
    return Median(*picked_along(input, xp.take_along_axis(order(array, dim, False), position, dim), dim, keepdim))


# ----------------------------------------------------------------------------------- distinct values, and searching


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct values (or slices along `dim`) in order; every NaN is one.

    With `return_inverse`, where each element is found among them, with `return_counts`, how many there are of each: a
    tuple.
    """
    array = input.array
    dim = None if dim is None else dim_of(dim, array.ndim, "unique")
    values, inverse, counts = backend.unique(array, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = inverse.reshape(array.shape if dim is None else -1)
    wanted = (values, True), (inverse, return_inverse), (counts, return_counts)
    results = tuple(wrap(result) for result, want in wanted if want)
    return results if len(results) > 1 else results[0]


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each value of `input` (a Tensor or a number) would go in a sorted sequence, int64 of the shape of `input`.

    Before equal values, or behind them where `right` or `side="right"`. The sequence is 1-D, or has rows of its own for
    every row of `input`. `sorter`: the indices that sort a sequence that is not.
    """
    if side not in (None, "left", "right") or side == "left" and right:
        raise RuntimeError(f"searchsorted(): expected side 'left' or 'right', got {side!r} and right={right}")
    side = "right" if right else side or "left"
    sequence, values = sorted_sequence.array, input.array if isinstance(input, Variable) else xp.asarray(input)
    if not sequence.ndim or sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension or have the dimensions of the input but the last, "
            f"got shapes {sequence.shape} and {values.shape}"
        )
    if sorter is not None:
        sequence = xp.take_along_axis(sequence, sorter.array, -1)
    if sequence.ndim == 1:
        found = xp.asarray(xp.searchsorted(sequence, values, side))
    else:
        above, values = sequence[..., None, :], values[..., :, None]
        above = above > values if side == "right" else above >= values
        found = (~above).sum(-1)
    return wrap(found.astype(int32 if out_int32 else int64))


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """`searchsorted` with the arguments the other way round, for 1-D boundaries."""
    if boundaries.array.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, got {boundaries.array.ndim}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
