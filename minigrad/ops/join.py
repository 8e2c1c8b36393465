"""Joining tensors, cutting one into pieces, and repeating or turning it round."""

from itertools import accumulate

from ..autograd import Variable, primitive, view, wrap
from ..backend import item, tolist, xp
from .elementwise import copied
from .gather import index_select
from .index import slice_
from .layout import in_order
from .operands import as_dtype, result_type
from .shape import dim_of, dims_of, integer, listed, reshape_, sizes_of, transpose

# ---------------------------------------------------------------------------------------------------------- joining


@primitive
def cat_(dim, stops, *tensors):
    return in_order(xp.concatenate(tensors, dim))


@cat_.vjp
def cat_vjp(g, dim, stops, needs):
    front, starts = (slice(None),) * dim, (0, *stops)
    return [None, None, *(g[(*front, slice(a, b))] if need else None for a, b, need in zip(starts, stops, needs[2:]))]


@primitive
def stack_(dim, *tensors):
    return in_order(xp.stack(tensors, dim))


@stack_.vjp
def stack_vjp(g, dim, needs):
    front = (slice(None),) * dim
    return [None, *(g[(*front, i)] if need else None for i, need in enumerate(needs[1:]))]


def of_one_dtype(tensors):
    """The tensors in their common dtype."""
    dtype = tensors[0].array.dtype
    if all(x.array.dtype is dtype for x in tensors):
        return tensors
    dtype = result_type(*tensors)
    return [as_dtype(x, dtype) for x in tensors]


def sequence(tensors, operation):
    """A non-empty sequence of Tensors as a list."""
    if isinstance(tensors, Variable):
        raise TypeError(f"{operation}(): argument 'tensors' must be a sequence of Tensors, not a Tensor")
    tensors = listed(tensors, operation)
    if not tensors:
        raise (ValueError if operation == "cat" else RuntimeError)(f"{operation}(): expected a non-empty list of Tensors")
    return tensors


def cat(tensors, dim=0, *, axis=None):
    """The tensors one after the other along `dim` (NumPy's `axis`); their other sizes must be equal.

    Tensors of several dtypes are promoted to one. 1-D tensors without elements are left out.
    """
    tensors = of_one_dtype(sequence(tensors, "cat"))
    tensors = [x for x in tensors if x.array.shape != (0,)] or tensors[:1]
    shape = tensors[0].array.shape
    if not shape:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = dim_of(dim if axis is None else axis, len(shape), "cat")
    try:
        return cat_(dim, tuple(accumulate([x.array.shape[dim] for x in tensors])), *tensors)
    except (ValueError, IndexError) as error:
        shapes = [x.array.shape for x in tensors]
        raise RuntimeError(f"cat: expected shapes that differ in dimension {dim} alone, got {shapes}") from error


def stack(tensors, dim=0, *, axis=None):
    """The tensors, all of one shape, along a new dimension."""
    tensors = listed(tensors, "stack")
    shapes = {x.array.shape for x in tensors}
    if len(shapes) != 1:
        got = f"got {sorted(shapes)}" if shapes else "got none"
        raise RuntimeError(f"stack expects a non-empty list of tensors of equal size; {got}")
    tensors = of_one_dtype(tensors)
    return stack_(dim_of(dim if axis is None else axis, tensors[0].array.ndim + 1, "stack"), *tensors)


def hstack(tensors):
    """The tensors side by side: along dimension 1, vectors and numbers along dimension 0."""
    tensors = [x if x.array.ndim else reshape_(x, (1,)) for x in sequence(tensors, "hstack")]
    return cat(tensors, 0 if tensors[0].array.ndim == 1 else 1)


def vstack(tensors):
    """The tensors one below the other, along dimension 0; vectors and numbers count as rows."""
    tensors = sequence(tensors, "vstack")
    return cat([x if x.array.ndim > 1 else reshape_(x, (1, x.array.size)) for x in tensors])


# ---------------------------------------------------------------------------------------------------------- cutting


class Pieces(dict):
    """The gradients of pieces of one tensor, by number: what they send to their `whole_` instead of padded arrays.

    Only pieces send to that node, so the backward walk needs no more of this than a shape and a sum.
    """

    __slots__ = ("shape",)

    def __init__(self, number, g, shape):
        self[number] = g
        self.shape = shape

    def __add__(self, other):
        self.update(other)
        return self

    __iadd__ = __add__


@view
def whole_(x, dim, lengths):
    return x


@whole_.vjp
def whole_vjp(g, dim, lengths, shape):
    parts, before, after = [], shape[:dim], shape[dim + 1 :]
    for number, length in enumerate(lengths):
        part = g.get(number)
        if part is None:
            part = xp.zeros((*before, length, *after), next(iter(g.values())).dtype)
        parts.append(part if part.ndim == len(shape) else part.reshape((*before, length, *after)))
    return cat_(dim, tuple(accumulate(lengths)), *parts)


@view
def piece_(whole, number, index):
    return whole[index]


piece_.vjp(lambda g, number, shape: Pieces(number, g, shape))


def pieces(input, dim, lengths):
    """Views of the given lengths one after the other along `dim`; a backward puts their gradients together once."""
    whole, front = whole_(input, dim, lengths), (slice(None),) * dim
    stops = enumerate(accumulate(lengths))
    return tuple([piece_(whole, i, (*front, slice(stop - lengths[i], stop))) for i, stop in stops])


def cut_dim(input, dim, operation):
    if not input.array.ndim:
        raise RuntimeError(f"{operation} expects at least a 1-dimensional tensor")
    return dim_of(dim, input.array.ndim, operation)


def split(tensor, split_size_or_sections, dim=0):
    """Views of `split_size` each along `dim` (the last may be smaller), or of the sizes in a list."""
    sections, dim = split_size_or_sections, cut_dim(tensor, dim, "split")
    length = tensor.array.shape[dim]
    if isinstance(sections, (tuple, list)):
        lengths = tuple(integer(n, "split") for n in sections)
        if sum(lengths) != length or min(lengths, default=0) < 0:
            raise RuntimeError(f"split: expected sizes >= 0 with the sum {length}, as dim {dim} has, got {lengths}")
        return pieces(tensor, dim, lengths)
    size = integer(sections, "split")
    if size < 0 or size == 0 < length:
        raise RuntimeError(f"split: expected a positive size for a dimension of size {length}, got {size}")
    return pieces(tensor, dim, tuple(min(size, length - i) for i in range(0, length, size or 1)) or (0,))


def chunk(input, chunks, dim=0):
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""
    dim, chunks = cut_dim(input, dim, "chunk"), integer(chunks, "chunk")
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    length = input.array.shape[dim]
    size = -(-length // chunks)
    return split(input, size, dim) if length else pieces(input, dim, (0,) * chunks)


def tensor_split(input, indices_or_sections, dim=0):
    """Views along `dim`: a number of sections whose sizes differ by at most 1, or cut at every index of a list."""
    cuts, dim = indices_or_sections, cut_dim(input, dim, "tensor_split")
    length = input.array.shape[dim]
    if isinstance(cuts, Variable):
        cuts = tolist(cuts.array)
    if isinstance(cuts, (tuple, list)):  # in any order, so the pieces may overlap
        front, stops = (slice(None),) * dim, [*(integer(n, "tensor_split") for n in cuts), length]
        return tuple(slice_(input, (*front, slice(a, b))) for a, b in zip([0, *stops], stops))
    n = integer(cuts, "tensor_split")
    if n < 1:
        raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {n}")
    return pieces(input, dim, tuple(length // n + (i < length % n) for i in range(n)))


def unbind(input, dim=0):
    """The slices along `dim`, as a tuple of views of one dimension less."""
    shape = input.array.shape
    if not shape:
        raise IndexError("unbind: expected at least one dimension, got a 0-d tensor")
    dim = dim_of(dim, len(shape), "unbind")
    whole, front = whole_(input, dim, (1,) * shape[dim]), (slice(None),) * dim
    return tuple(piece_(whole, i, (*front, i, ...)) for i in range(shape[dim]))


# ------------------------------------------------------------------------------------------ repeating and turning


@primitive
def repeat_(x, repeats):
    return xp.tile(x, repeats)


@repeat_.vjp
def repeat_vjp(g, repeats, shape):
    full = (1,) * (len(repeats) - len(shape)) + shape
    copies = g.reshape(tuple(n for pair in zip(repeats, full) for n in pair))
    return copies.sum(axis=tuple(range(0, 2 * len(full), 2))).reshape(shape)


def repeat(input, *repeats):
    """Copies of the tensor side by side, `repeats[i]` along dimension i; more numbers add dimensions in front."""
    repeats, ndim = sizes_of(repeats, "repeat"), input.array.ndim
    if len(repeats) < ndim or min(repeats, default=0) < 0:
        raise RuntimeError(f"repeat: expected {ndim} or more numbers >= 0, got {list(repeats)}")
    return repeat_(input, repeats) if repeats else copied(input)


def tile(input, *repeats, dims=None):
    """`repeat` where fewer numbers than dimensions count for the last ones."""
    repeats = sizes_of(repeats if dims is None else (dims,), "tile")
    return repeat(input, (1,) * (input.array.ndim - len(repeats)) + repeats)


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Every slice along `dim` (None: every element), `repeats` times one after the other: an int or a Tensor.

    `repeat_interleave(repeats)` gives the index of every copy: 0 repeats[0] times, then 1 and so on. `output_size`,
    where given, must be the resulting size.
    """
    name = "repeat_interleave"
    if repeats is None:
        return repeat_interleave(wrap(xp.arange(input.array.size)), input, output_size=output_size)
    if dim is None or not input.array.ndim:
        input, dim = reshape_(input, (input.array.size,)), 0
    dim = dim_of(dim, input.array.ndim, name)
    size = input.array.shape[dim]
    counts = repeats.array if isinstance(repeats, Variable) else xp.full(size, integer(repeats, name))
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or counts.size not in (1, size):
        raise RuntimeError(
            f"{name}: expected an int or integers for each of the {size} slices, got {counts.dtype} {counts.shape}"
        )
    if counts.size and item(counts.min()) < 0:
        raise RuntimeError(f"{name}: repeats must be non-negative, got {item(counts.min())}")
    stops = xp.cumsum(xp.broadcast_to(counts.reshape(-1), (size,)))
    total = item(stops[-1]) if size else 0
    if output_size not in (None, total):
        raise RuntimeError(f"{name}: Invalid output_size, expected {total} but got {output_size}")
    return index_select(input, dim, wrap(xp.searchsorted(stops, xp.arange(total), side="right")))


@primitive
def flip_(x, dims):
    return xp.flip(x, dims).copy()


flip_.vjp(lambda g, dims: flip_(g, dims))


def flip(input, *order, dims=None):
    """A copy with the order of the elements reversed along each of `dims`."""
    if not order and dims is None:
        raise TypeError("flip(): expected dims, got none")
    dims = sizes_of(order if dims is None else (dims,), "flip")
    return flip_(input, dims_of(dims, input.array.ndim, "flip") if dims else ())


@primitive
def roll_(x, shifts, dims):
    return in_order(xp.roll(x, shifts, dims))


roll_.vjp(lambda g, shifts, dims: roll_(g, tuple(-n for n in shifts), dims))


def roll(input, shifts, dims=None):
    """The elements moved by `shifts` along `dims`, round the end; of the flattened tensor where `dims` is None."""
    shifts = sizes_of((shifts,), "roll")
    if dims is None and len(shifts) == 1:
        return reshape_(roll_(reshape_(input, (input.array.size,)), shifts, (0,)), input.array.shape)
    dims = () if dims is None else tuple(dim_of(d, input.array.ndim, "roll") for d in sizes_of((dims,), "roll"))
    if len(shifts) != len(dims) or not shifts:
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims: {len(dims)}")
    return roll_(input, shifts, dims)


def rot90(input, k=1, dims=(0, 1)):
    """A copy turned `k` times by 90 degrees in the plane of `dims`, from the first towards the second."""
    ndim = input.array.ndim
    if len(dims) != 2 or ndim < 2:
        raise RuntimeError(f"rot90: expected 2 dims of a tensor that has 2 or more, got {dims} of {ndim}")
    k, (first, second) = integer(k, "rot90"), (dim_of(d, ndim, "rot90") for d in dims)
    if first == second:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got {dims}")
    turned = flip_(input, ((), (second,), (first, second), (first,))[k % 4])
    return transpose(turned, first, second) if k % 2 else turned
