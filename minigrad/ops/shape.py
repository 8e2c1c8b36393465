"""Shapes: the same numbers under another arrangement, joined, or cut apart. All but cat are views where they can be."""

import math
import operator

from ..autograd import Variable, primitive, view
from ..backend import expanded, xp
from .elementwise import as_dtype, result_type, sum_to


def dim_of(dim, ndim, operation):
    """One dimension as an index >= 0; -1 is the last."""
    size = max(ndim, 1)
    if not isinstance(dim, int):
        raise TypeError(f"{operation}(): expected dim to be an int, got {dim!r}")
    if not -size <= dim < size:
        raise IndexError(
            f"{operation}: Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})"
        )
    return dim % size


def sizes_of(sizes):
    """The sizes of `f(2, 3)` or `f((2, 3))` as a tuple of ints."""
    if len(sizes) == 1 and not isinstance(sizes[0], int) and hasattr(sizes[0], "__iter__"):
        sizes = sizes[0]
    return tuple(map(operator.index, sizes))


@view
def reshape_(x, size):
    return x.reshape(size)


reshape_.vjp(lambda g, shape: reshape_(g, shape))


def reshape(input, *shape):
    """The same elements in another shape; one size may be -1. A view where memory order allows, else a copy."""
    size = shape if len(shape) > 1 and shape[0].__class__ is int else sizes_of(shape)
    try:
        return reshape_(input, size)
    except (TypeError, ValueError) as error:
        raise misfit(sizes_of(size), input.array.shape) from error


def misfit(size, shape):
    """torch's error for a shape that does not hold the same number of elements."""
    rest = math.prod(n for n in size if n != -1)
    if rest == 0 and size.count(-1) == 1:
        return RuntimeError(
            f"cannot reshape tensor of {math.prod(shape)} elements into shape {list(size)} because the unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {math.prod(shape)}, which has shape {shape}")


def view_as_shape(input, *shape):
    """The same memory in another shape; RuntimeError where that would need a copy (use reshape)."""
    y = reshape(input, *shape)
    if y.origin is None and y.array.size:
        raise RuntimeError(
            f"view size {y.array.shape} is not compatible with input tensor's size {input.array.shape} and strides: it "
            "would need a copy. Use .reshape(...) instead."
        )
    return y


@view
def permute_(x, dims):
    return x.transpose(dims)


def inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


permute_.vjp(lambda g, dims: permute_(g, inverse(dims)))


def permute(input, *dims):
    """The dimensions in the order `dims`."""
    dims, ndim = sizes_of(dims), input.array.ndim
    order = tuple(dim_of(d, ndim, "permute") for d in dims)
    if sorted(order) != list(range(ndim)):
        raise RuntimeError(f"permute(): expected each of the {ndim} dimensions once, got dims {dims}")
    return permute_(input, order)


def transpose(input, dim0, dim1):
    """Two dimensions exchanged."""
    ndim = input.array.ndim
    order = list(range(ndim))
    dim0, dim1 = dim_of(dim0, ndim, "transpose"), dim_of(dim1, ndim, "transpose")
    if ndim:
        order[dim0], order[dim1] = dim1, dim0
    return permute_(input, tuple(order))


def t(input):
    """The transposed matrix; a tensor of fewer dimensions as it is."""
    if input.array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.array.ndim}D")
    return permute_(input, tuple(reversed(range(input.array.ndim))))


def squeeze(input, dim=None):
    """Without the dimensions of size 1: all of them, or those of `dim` (an int or a tuple) that have it."""
    shape = input.array.shape
    if dim is None:
        drop = range(len(shape))
    else:
        drop = [dim_of(d, len(shape), "squeeze") for d in ((dim,) if isinstance(dim, int) else dim)]
    return reshape_(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in drop))


def unsqueeze(input, dim):
    """With a new dimension of size 1 at `dim`."""
    shape = input.array.shape
    dim = dim_of(dim, len(shape) + 1, "unsqueeze")
    return reshape_(input, (*shape[:dim], 1, *shape[dim:]))


def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from `start_dim` to `end_dim` as one."""
    shape = input.array.shape
    start, end = dim_of(start_dim, len(shape), "flatten"), dim_of(end_dim, len(shape), "flatten")
    if start > end:
        raise RuntimeError(f"flatten() has invalid args: start_dim {start_dim} cannot come after end_dim {end_dim}")
    return reshape_(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@view
def expand_(x, size):
    return expanded(x, size)


expand_.vjp(lambda g, shape: sum_to(g, shape))


def broadcast_to(input, size):
    """`expand` under NumPy's name."""
    return expand(input, size)


def expand(input, *sizes):
    """Dimensions of size 1 repeated to `sizes` without copying; -1 keeps a size, new dimensions go in front."""
    sizes, shape = sizes_of(sizes), input.array.shape
    extra = len(sizes) - len(shape)
    size = tuple(shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(sizes))
    if extra < 0 or any(n < 0 or i >= extra and shape[i - extra] not in (1, n) for i, n in enumerate(size)):
        raise RuntimeError(f"expand: the requested sizes {list(sizes)} do not fit a tensor of shape {list(shape)}")
    return expand_(input, size)


# ------------------------------------------------------------------------------------------- joining and splitting


@primitive
def cat_(dim, stops, *tensors):
    return xp.concatenate(tensors, dim)


@cat_.vjp
def cat_vjp(g, dim, stops, needs):
    front = (slice(None),) * dim
    starts = (0, *stops)
    return [None, None, *(g[(*front, slice(a, b))] if need else None for a, b, need in zip(starts, stops, needs[2:]))]


def cat(tensors, dim=0):
    """The tensors one after the other along `dim`; their other sizes must be equal."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    for x in tensors:
        if not isinstance(x, Variable):
            raise TypeError(f"cat(): expected a sequence of Tensors, got an element of type {type(x).__name__}")
    dtype = result_type(*tensors)
    tensors = [as_dtype(x, dtype) for x in tensors if x.array.shape != (0,)] or tensors  # torch ignores 1-D empty ones
    shapes = [x.array.shape for x in tensors]
    if not shapes[0]:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = dim_of(dim, len(shapes[0]), "cat")
    for shape in shapes:
        if len(shape) != len(shapes[0]) or shape[:dim] + shape[dim + 1 :] != shapes[0][:dim] + shapes[0][dim + 1 :]:
            raise RuntimeError(f"cat: Sizes of tensors must match except in dimension {dim}; got shapes {shapes[0]} and {shape}")
    stops, stop = [], 0
    for shape in shapes:
        stop += shape[dim]
        stops.append(stop)
    return cat_(dim, tuple(stops), *tensors)


def stack(tensors, dim=0):
    """The tensors, all of one shape, along a new dimension."""
    tensors = list(tensors)
    shapes = {x.array.shape for x in tensors}
    if len(shapes) != 1:
        got = f"got {sorted(shapes)}" if shapes else "got none"
        raise RuntimeError(f"stack expects a non-empty list of tensors of equal size; {got}")
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def split(tensor, split_size_or_sections, dim=0):
    """Views of `split_size` each along `dim` (the last may be smaller), or of the sizes in a list."""
    dim = dim_of(dim, tensor.array.ndim, "split")
    length, sections = tensor.array.shape[dim], split_size_or_sections
    if isinstance(sections, int):
        if sections <= 0:
            raise RuntimeError(f"split expects split_size be positive, but got split_size={sections}")
        sections = [min(sections, length - i) for i in range(0, length, sections)] or [0]
    elif sum(sections) != length or min(sections, default=0) < 0:
        raise RuntimeError(f"split_with_sizes expects split_sizes to sum to {length} (the size of dim {dim}), got {sections}")
    front, parts, start = (slice(None),) * dim, [], 0
    for size in sections:
        parts.append(tensor[(*front, slice(start, start + size))])
        start += size
    return tuple(parts)


def chunk(input, chunks, dim=0):
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""
    if not isinstance(chunks, int) or chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    length = input.array.shape[dim_of(dim, input.array.ndim, "chunk")]
    return split(input, max(-(-length // chunks), 1), dim)


def unbind(input, dim=0):
    """The slices along `dim`, as a tuple of views of one dimension less."""
    dim = dim_of(dim, input.array.ndim, "unbind")
    front = (slice(None),) * dim
    return tuple(input[(*front, i)] for i in range(input.array.shape[dim]))
