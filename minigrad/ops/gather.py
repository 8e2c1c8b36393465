"""Elements picked, replaced or added to by index tensors: gather, scatter and their relatives."""

import functools

from .. import backend
from ..autograd import Variable, relying, wrap
from ..backend import NUMBERS, Fault, kind_of, xp
from .index import ALL, along, beyond, check_range, gather_, in_range, int32, int64, pick_, put, rows, slice_, ungather
from .operands import as_dtype, boolean
from .shape import broadcast_tensors, dim_of, expand_, reshape_

# ------------------------------------------------------------------------------------------------------- arguments


def integers(index, operation):
    """The array of an index tensor of int64 or int32, or an error."""
    if not isinstance(index, Variable):
        raise TypeError(f"{operation}(): expected index to be a Tensor, got {kind_of(index)}")
    if index.array.dtype not in (int64, int32):
        raise RuntimeError(f"{operation}(): expected dtype int32 or int64 for index, got {index.array.dtype}")
    return index.array


@functools.cache
def fault_of(operation, kind):
    """The fault of an index that an operation is given."""
    return Fault(kind, f"{operation}: index out of range: expected 0 <= index < {{size}}, got {{value}}")


def checked(index, size, operation, kind=RuntimeError, late=False):
    """The index array, its values in [0, size), or an error; see `check_range`."""
    check_range(index, size, fault_of(operation, kind), late)
    return index


def lifted(x):
    """A 0-d tensor as one of a single element."""
    return x if x.array.ndim else reshape_(x, (1,))


def lowered(y, like):
    """Without the dimension that `lifted` gave a 0-d tensor."""
    return y if like.array.ndim else reshape_(y, ())


def slices_at(input, dim, index, operation):
    """For a 1-D index along one dimension: that dimension and the index array."""
    index, dim = integers(index, operation), dim_of(dim, input.array.ndim, operation)
    if index.ndim > 1:
        raise IndexError(f"{operation}(): Index is supposed to be a vector, got shape {index.shape}")
    if not input.array.ndim and index.size != 1:
        raise RuntimeError(f"{operation}(): Index to scalar can have only 1 value, got {index.size} value(s)")
    return dim, index.reshape(-1)


def elements_at(input, dim, index, operation, late=False):
    """For an index of the input's rank, shorter than it at most: index arrays of the elements that it names."""
    shape, index = lifted(input).array.shape, lifted(wrap(integers(index, operation))).array
    dim = dim_of(dim, input.array.ndim, operation)
    if index.ndim != len(shape):
        raise RuntimeError(f"{operation}: expected an index of {len(shape)} dimensions, as the input, got {index.ndim}")
    if any(n > m for d, (n, m) in enumerate(zip(index.shape, shape)) if d != dim):
        raise RuntimeError(
            f"{operation}: expected index {list(index.shape)} to be no larger than the input {list(shape)} apart from "
            f"dimension {dim}"
        )
    return dim, along(checked(index, shape[dim], operation, late=late), dim)


def part_of(src, index, operation):
    """The part of `src` that an index tensor has places for."""
    shape, size = lifted(src).array.shape, lifted(index).array.shape
    if len(size) != len(shape) or any(n > m for n, m in zip(size, shape)):
        raise RuntimeError(f"{operation}: expected index {list(size)} to be no larger than src {list(shape)}")
    return slice_(lifted(src), tuple(slice(n) for n in size))


def same_dtype(input, src, operation):
    if input.array.dtype != src.array.dtype:
        raise RuntimeError(f"{operation}: expected one dtype, got {input.array.dtype} and {src.array.dtype}")


# ---------------------------------------------------------------------------------------------------------- picking


def index_select(input, dim, index):
    """The slices of `input` at the positions of a 1-D `index` along `dim`."""
    dim, at = slices_at(input, dim, index, "index_select")
    x = lifted(input)
    if dim == 0:
        return lowered(relying(rows(x, at, fault_of("index_select", IndexError)), index), input)
    at = checked(at, x.array.shape[dim], "index_select", IndexError, late=True)
    return relying(gather_(x, (*(ALL,) * dim, at)), index)


def gather(input, dim, index):
    """y[i][j] = input[index[i][j]][j] for dim 0, input[i][index[i][j]] for dim 1, and so on.

    `index` (int64 or int32) has the input's rank and may be shorter in the other dimensions; y has its shape.
    """
    dim, at = elements_at(input, dim, index, "gather", late=True)
    pick = pick_ if at[dim].shape[dim] == 1 else gather_
    return lowered(relying(pick(lifted(input), at), index), index)


def take(input, index):
    """The elements of the flattened input at `index`, in the shape of `index`; negative ones count from the end."""
    at, size = integers(index, "take"), input.array.size
    return relying(rows(reshape_(input, (size,)), at, beyond(0)), index)


def take_along_dim(input, indices, dim=None):
    """The elements along `dim` at `indices`, which broadcasts with the input elsewhere.

    Where `dim` is None: the elements of the flattened input at the flattened indices.
    """
    if dim is None:
        return take(input, reshape_(indices, (indices.array.size,)))
    at, shape = integers(indices, "take_along_dim"), input.array.shape
    dim = dim_of(dim, len(shape), "take_along_dim")
    if at.ndim != len(shape):
        raise RuntimeError(f"take_along_dim: expected input and indices of one rank, got shapes {shape} and {at.shape}")
    size = [max(n, m) if min(n, m) else 0 for n, m in zip(shape, at.shape)]
    sizes = [(*size[:dim], n, *size[dim + 1 :]) for n in (shape[dim], at.shape[dim])]
    try:
        x, at = expand_(input, sizes[0]), xp.broadcast_to(in_range(at, shape[dim], dim, late=True), sizes[1])
    except ValueError as error:
        raise RuntimeError(f"take_along_dim: {shape} and {at.shape} do not broadcast apart from dim {dim}") from error
    return relying(gather_(x, along(at, dim)), indices)


def masked_select(input, mask):
    """The elements where the boolean `mask` holds, as one dimension; both broadcast."""
    if mask.array.dtype != boolean:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.array.dtype}")
    x, mask = broadcast_tensors(lifted(input), mask)
    return pick_(x, backend.nonzero(mask.array))


def nonzero(input, *, as_tuple=False):
    """The indices of the elements that are not zero: int64 (n, rank), or with `as_tuple` one vector a dimension."""
    if as_tuple:
        return tuple(wrap(index) for index in backend.nonzero(lifted(input).array))
    return argwhere(input)


def argwhere(input):
    """The indices of the elements that are not zero, one row for each: int64 (n, rank)."""
    found = backend.nonzero(lifted(input).array)
    return wrap(xp.stack(found, 1)[:, : input.array.ndim])


# ------------------------------------------------------------------------------------------- replacing and adding


def scatter(input, dim, index, src=None, *, value=None):
    """A copy of the input with y[index[i][j]][j] = src[i][j] for dim 0, and so on; or with a number there.

    `index` has the input's rank, may be shorter, and `src` is at least as long. Where an element is named twice, one of
    its values counts.
    """
    dim, at = elements_at(input, dim, index, "scatter")
    src = value if src is None else src
    if isinstance(src, Variable):
        same_dtype(input, src, "scatter")
        src = part_of(src, index, "scatter")
    elif src.__class__ not in NUMBERS:
        raise TypeError(f"scatter(): expected src to be a Tensor or value a number, got {src!r}")
    return lowered(relying(put(lifted(input), src, at), index), input)


def scatter_add(input, dim, index, src):
    """A copy of the input with src[i][j] added to y[index[i][j]][j] for dim 0, and so on; every repetition counts."""
    dim, at = elements_at(input, dim, index, "scatter_add")
    if not isinstance(src, Variable):
        raise TypeError(f"scatter_add(): expected src to be a Tensor, got {kind_of(src)}")
    same_dtype(input, src, "scatter_add")
    added = relying(ungather(part_of(src, index, "scatter_add"), at, lifted(input).array.shape), index)
    return input + lowered(added, input)


def source_for(input, dim, index, source, operation):
    """For `index_add` and `index_copy`: where the slices of `source` go, and source itself."""
    dim, at = slices_at(input, dim, index, operation)
    same_dtype(input, source, operation)
    shape = lifted(input).array.shape
    expected = (*shape[:dim], at.size, *shape[dim + 1 :])
    if lifted(source).array.shape != expected:
        raise RuntimeError(f"{operation}: expected source of shape {list(expected)}, got {list(source.array.shape)}")
    kind = IndexError if operation == "index_copy" else RuntimeError
    return (*(ALL,) * dim, checked(at, shape[dim], operation, kind)), lifted(source)


def index_add(input, dim, index, source, *, alpha=1):
    """A copy of the input with `alpha` times the slices of `source` added to those at `index` along `dim`."""
    at, source = source_for(input, dim, index, source, "index_add")
    added = relying(ungather(source if alpha == 1 else source * alpha, at, lifted(input).array.shape), index)
    return input + lowered(added, input)


def index_copy(input, dim, index, source):
    """A copy of the input with the slices of `source` in place of those at `index` along `dim`."""
    at, source = source_for(input, dim, index, source, "index_copy")
    return lowered(relying(put(lifted(input), source, at), index), input)


NOT_FILLED = Fault(IndexError, "index_fill: expected {low} <= index < {size}, got {value}", from_end=True)


def index_fill(input, dim, index, value):
    """A copy of the input with a number, or a 0-d Tensor, in all slices at `index` along `dim`."""
    dim, at = slices_at(input, dim, index, "index_fill")
    if isinstance(value, Variable):
        if value.array.ndim:
            raise RuntimeError(f"index_fill: expected a number or a 0-d value, got shape {value.array.shape}")
        value = as_dtype(value, input.array.dtype)
    elif value.__class__ not in NUMBERS:
        raise TypeError(f"index_fill(): expected value to be a number or a 0-d Tensor, got {value!r}")
    x = lifted(input)
    n = x.array.shape[dim]
    check_range(at, n, NOT_FILLED, late=False)
    at = backend.unique(at % n)  # what is named twice is filled once
    return lowered(put(x, value, (*(ALL,) * dim, at)), input)
