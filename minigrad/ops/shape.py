"""Shapes: the same numbers under another arrangement. All are views of one memory where its order allows."""

import math
import operator

from ..autograd import Variable, view, wrap
from ..backend import expanded, kind_of, xp
from .layout import images_last, own_order
from .operands import raw_of, sum_to

# ----------------------------------------------------------------------------------------- dimensions and sizes


def dim_of(dim, ndim, operation):
    """One dimension as an index >= 0; -1 is the last."""
    if dim.__class__ is not int:
        dim = integer(dim, operation)
    size = ndim or 1  # a 0-d tensor counts as one of a single dimension
    if not -size <= dim < size:
        raise IndexError(
            f"{operation}: Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})"
        )
    return dim + size if dim < 0 else dim


def integer(value, operation):
    """The value as an int, or a TypeError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{operation}(): expected an int, got {value!r}")
    return operator.index(value)


def dims_of(dim, ndim, operation):
    """The dimensions of a `dim` argument (None or (): all; an int; several) as a sorted tuple of ints >= 0."""
    if dim.__class__ is int:
        dim = dim_of(dim, ndim, operation)
        return (dim,) if ndim else ()
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return dims_of(integer(dim, operation), ndim, operation)
    dims = sorted([dim_of(d, ndim, operation) for d in dim])
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"{operation}: dim appears multiple times in the list of dims, got {tuple(dim)}")
    return tuple(dims) if ndim and dims else tuple(range(ndim))


def sizes_of(sizes, operation):
    """The sizes of `f(2, 3)` or `f((2, 3))` as a tuple of ints."""
    if len(sizes) == 1 and not isinstance(sizes[0], (int, str)) and hasattr(sizes[0], "__iter__"):
        sizes = sizes[0]
    try:
        return tuple(map(operator.index, sizes))
    except TypeError as error:
        raise TypeError(f"{operation}(): expected ints, got {list(sizes)}") from error


# ------------------------------------------------------------------------------------------------------- reshaping


@view
def reshape_(x, size):
    return x.reshape(size)


reshape_.vjp(lambda g, shape: reshape_(g, shape))


def reshape(input, *sizes, shape=None):
    """The same elements in another shape; one size may be -1. A view where memory order allows, else a copy."""
    size = sizes if shape is None else (shape,)
    if len(size) == 1 and size[0].__class__ is not int:
        size = sizes_of(size, "reshape")
    elif not size:
        raise TypeError("reshape(): expected the shape, got nothing")
    try:
        for n in size:
            if n < -1:
                raise RuntimeError(f"reshape: invalid shape dimension {n}, got shape {list(size)}")
    except TypeError as error:
        raise TypeError(f"reshape(): expected ints, got {list(size)}") from error
    if images_last(input.array):
        input = own_order(input)
    try:
        return reshape_(input, size)  # the array library works out what -1 stands for
    except (ValueError, TypeError) as error:
        raise misfit(sizes_of(size, "reshape"), input.array) from error


def misfit(size, array):
    """torch's error for a size that the elements do not fit."""
    if size.count(-1) > 1:
        return RuntimeError(f"reshape: only one dimension can be inferred, got shape {list(size)}")
    if -1 in size and 0 in size and not array.size:
        return RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 "
            "can be any value and is ambiguous"
        )
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {array.size} and shape {array.shape}")


def view_as_shape(input, *shape):
    """The same memory in another shape, or as another dtype: `view(2, -1)` or `view(dtype)`.

    RuntimeError where that would need a copy (for a shape: use reshape). A change of dtype reads the bytes anew, so it
    has no gradient; the last dimension must be contiguous and grows or shrinks with the size of an element.
    """
    if not shape:
        raise TypeError("view(): expected sizes or a dtype, got nothing")
    if isinstance(shape[0], xp.dtype):
        if len(shape) > 1:
            raise TypeError(f"view(): expected sizes or one dtype, got {shape}")
        return view_as_dtype(input, *shape)
    y = reshape(input, *shape)
    if y.origin is None and input.origin is None and images_last(input.array):  # an order that torch's user never sees
        input.array = xp.ascontiguousarray(input.array)
        y = reshape(input, *shape)
    if y.origin is None and y.array.size:
        raise RuntimeError(
            f"view size {y.array.shape} is not compatible with input tensor's size {input.array.shape} and strides: "
            "it would need a copy. Use .reshape(...) instead."
        )
    return y


def view_as_dtype(input, dtype):
    try:
        y = wrap(input.array.view(dtype))
    except (ValueError, TypeError) as error:
        raise RuntimeError(
            f"view: a tensor of {input.array.dtype} and shape {input.array.shape} cannot be seen as {dtype}: the last "
            "dimension must be contiguous and its bytes a multiple of the new element's"
        ) from error
    y.version = input.version
    return y


def view_as(input, other):
    """`view` in the shape of another tensor."""
    return view_as_shape(input, raw_of(other, "view_as").shape)


def ravel(input):
    """The elements as one dimension."""
    return reshape(input, -1)


def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from `start_dim` to `end_dim` as one."""
    shape = input.array.shape
    start, end = dim_of(start_dim, len(shape), "flatten"), dim_of(end_dim, len(shape), "flatten")
    if start > end:
        raise RuntimeError(f"flatten() has invalid args: start_dim {start_dim} cannot come after end_dim {end_dim}")
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input, dim, sizes):
    """The dimension `dim` as several, of the given `sizes`; one may be -1."""
    shape = input.array.shape
    if isinstance(sizes, int):
        raise TypeError(f"unflatten(): expected sizes as a tuple of ints, got {sizes!r}")
    dim, sizes = dim_of(dim, len(shape), "unflatten"), sizes_of((sizes,), "unflatten")
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    rest = math.prod([n for n in sizes if n != -1])
    if shape and sizes.count(-1) == 1 and rest:
        sizes = tuple(shape[dim] // rest if n == -1 else n for n in sizes)
    if not shape or min(sizes) < 0 or math.prod(sizes) != shape[dim]:
        raise RuntimeError(f"unflatten: sizes {list(sizes)} don't multiply up to dim {dim} of shape {list(shape)}")
    return reshape_(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))


def squeeze(input, dim=None):
    """Without the dimensions of size 1: all of them, or those of `dim` (an int or a tuple) that have it."""
    shape = input.array.shape
    drop = () if dim == () else dims_of(dim, len(shape), "squeeze")
    return reshape_(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in drop))


def unsqueeze(input, dim):
    """With a new dimension of size 1 at `dim`."""
    shape = input.array.shape
    dim = dim_of(dim, len(shape) + 1, "unsqueeze")
    return reshape_(input, (*shape[:dim], 1, *shape[dim:]))


# ------------------------------------------------------------------------------------------------ dimensions moved


@view
def permute_(x, dims):
    return x.transpose(dims)


def inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


permute_.vjp(lambda g, dims: permute_(g, inverse(dims)))


def permute(input, *order, dims=None):
    """The dimensions in the order `dims`."""
    dims, ndim = sizes_of(order if dims is None else (dims,), "permute"), input.array.ndim
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


def swapaxes(input, axis0, axis1):
    """`transpose` under NumPy's name."""
    return transpose(input, axis0, axis1)


def movedim(input, source, destination):
    """The dimensions `source` (an int or a tuple) moved to `destination`; the others keep their order."""
    ndim = input.array.ndim
    source, destination = (
        [dim_of(d, ndim, "movedim") for d in (dims if isinstance(dims, (tuple, list)) else (dims,))]
        for dims in (source, destination)
    )
    if len(source) != len(destination) or len(set(source)) < len(source) or len(set(destination)) < len(destination):
        raise RuntimeError(f"movedim: expected as many sources as destinations, each once: {source} and {destination}")
    if not ndim:
        return permute_(input, ())
    order = [d for d in range(ndim) if d not in source]
    for to, d in sorted(zip(destination, source)):
        order.insert(to, d)
    return permute_(input, tuple(order))


def t(input):
    """The transposed matrix; a tensor of fewer dimensions as it is."""
    if input.array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.array.ndim}D")
    return permute_(input, (1, 0) if input.array.ndim == 2 else tuple(range(input.array.ndim)))


def mT(input):
    """The transposed matrices of the last two dimensions."""
    if input.array.ndim == 1:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return transpose(input, -2, -1) if input.array.ndim else permute_(input, ())


# -------------------------------------------------------------------------------------------------------- expanding


@view
def expand_(x, size):
    return expanded(x, size)


expand_.vjp(lambda g, shape: sum_to(g, shape))


def expand(input, *sizes):
    """Dimensions of size 1 repeated to `sizes` without copying; -1 keeps a size, new dimensions go in front."""
    sizes, shape = sizes_of(sizes, "expand"), input.array.shape
    extra = len(sizes) - len(shape)
    size = tuple(shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(sizes))
    if extra < 0 or any(n < 0 or i >= extra and shape[i - extra] not in (1, n) for i, n in enumerate(size)):
        raise RuntimeError(f"expand: the requested sizes {list(sizes)} do not fit a tensor of shape {list(shape)}")
    return expand_(input, size)


def expand_as(input, other):
    """`expand` to the shape of another tensor."""
    return expand(input, raw_of(other, "expand_as").shape)


def broadcast_to(input, size):
    """`expand` under NumPy's name."""
    return expand(input, size)


def broadcast_tensors(*tensors):
    """The tensors, all expanded to the shape that an elementwise operation on them would have."""
    tensors = listed(tensors, "broadcast_tensors")
    try:
        size = xp.broadcast(*(x.array for x in tensors)).shape
    except ValueError as error:
        shapes = [x.array.shape for x in tensors]
        raise RuntimeError(f"broadcast_tensors: expected sizes that match or are 1, got shapes {shapes}") from error
    return tuple(expand_(x, size) for x in tensors)


def listed(tensors, operation):
    """The Tensors of `f(a, b)` or `f([a, b])` as a list."""
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"{operation}(): expected a sequence of Tensors, got {type(tensors).__name__}")
    tensors = list(tensors)
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    for i, x in enumerate(tensors):
        if not isinstance(x, Variable):
            raise TypeError(f"{operation}(): expected Tensor as element {i}, but got {kind_of(x)}")
    return list(tensors)


def meshgrid(*tensors, indexing="ij"):
    """Coordinates of a grid: of n vectors, n views of n dimensions; `indexing="xy"` swaps the first two dimensions."""
    tensors = listed(tensors, "meshgrid")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if len({x.array.dtype for x in tensors}) > 1:
        raise RuntimeError(f"meshgrid: expected tensors of one dtype, got {[x.array.dtype for x in tensors]}")
    if any(x.array.ndim > 1 for x in tensors):
        raise RuntimeError(f"meshgrid: expected 0-d or 1-d tensors, got shapes {[x.array.shape for x in tensors]}")
    n, size = len(tensors), tuple(x.array.size for x in tensors)
    grids = [expand_(reshape_(x, (1,) * i + (x.array.size,) + (1,) * (n - i - 1)), size) for i, x in enumerate(tensors)]
    return tuple(transpose(x, 0, 1) if indexing == "xy" and n > 1 else x for x in grids)
