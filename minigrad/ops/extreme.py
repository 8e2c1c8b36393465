"""Largest and smallest elements, and where they are."""

from collections import namedtuple

from ..autograd import Variable, primitive, relying, wrap
from ..backend import positions, xp
from .comparison import isnan
from .elementwise import copied, maximum, minimum, where_
from .index import along, pick_
from .layout import in_order
from .operands import boolean, cast, int64
from .reduce import count, dropped, renamed, restored
from .shape import dim_of, dims_of, reshape_


def shared(g, y, x, dims, shape):
    """The gradient of a reduction that gives one of its values: all elements equal to it share it, NaN as well."""
    y = restored(y, shape, dims)
    ties = (x == y) | isnan(x)  # where an element is NaN, so is the value
    counted = cast(ties, g.dtype, boolean).sum(axis=dims, keepdims=True)
    return where_(restored(g, shape, dims) / counted, 0.0, ties)


def extreme(function, name):
    def forward(x, dims, keepdim):
        return in_order(function(x, axis=dims, keepdims=keepdim))

    forward.__name__ = name
    reduced = primitive(forward)
    reduced.vjp(shared)

    def reduction(input, dim=None, keepdim=False, **names):
        if names:
            dim, keepdim = renamed(dim, keepdim, names, name)
        dims = dims_of(dim, input.array.ndim, name)
        not_empty(input, dims, name, RuntimeError if dim in (None, ()) else IndexError)
        return reduced(input, dims, keepdim)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"The {name[1:]}imum over `dim` (None: all); equal values share the gradient."
    return reduction


def not_empty(input, dims, name, kind):
    """An error where there is nothing to take an extreme of."""
    shape = input.array.shape
    if 0 in shape and not count(shape, dims):
        raise kind(f"{name}(): Expected reduction dim {list(dims)} to have non-zero size, got shape {list(shape)}")


amax, amin = extreme(xp.max, "amax"), extreme(xp.min, "amin")


def aminmax(input, *, dim=None, keepdim=False):
    """The minimum and the maximum over `dim` (an int; None: all), named (min, max)."""
    kind = RuntimeError if dim is None else IndexError
    not_empty(input, dims_of(dim, input.array.ndim, "aminmax"), "aminmax", kind)
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


MinMax = namedtuple("aminmax", "min max")


def arg_extreme(function, name):
    def position(input, dim=None, keepdim=False, **names):
        if names:
            dim, keepdim = renamed(dim, keepdim, names, name)
        array = input.array
        if array.dtype == boolean:
            raise RuntimeError(f"{name}(): does not support bool input")
        not_empty(input, dims_of(dim, array.ndim, name), name, IndexError)
        if dim is None or not array.ndim:
            found = positions(function(array))
            return wrap(found.reshape((1,) * array.ndim) if keepdim else found)
        return wrap(positions(function(array, axis=dim_of(dim, array.ndim, name), keepdims=keepdim)))

    position.__name__ = position.__qualname__ = name
    position.__doc__ = f"The index of the {name[3:]}imum along `dim`, int64; in the flattened tensor where None."
    return position


argmax, argmin = arg_extreme(xp.argmax, "argmax"), arg_extreme(xp.argmin, "argmin")


def extreme_along(whole, function, pairwise, name):
    result = namedtuple(name, "values indices")

    def reduction(input, dim=None, keepdim=False, **names):
        if isinstance(dim, Variable):
            return pairwise(input, dim)
        if names:
            dim, keepdim = renamed(dim, keepdim, names, name)
        if dim is None:
            not_empty(input, range(input.array.ndim), name, RuntimeError)
            return whole(input)
        dim = dim_of(dim, input.array.ndim, name)
        if not input.array.ndim:
            return result(copied(input), wrap(xp.zeros((), int64)))
        not_empty(input, (dim,), name, IndexError)
        found = positions(function(input.array, axis=dim, keepdims=True))
        return result(*picked_along(input, found, dim, keepdim))

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"The {name}imum of all, or with a `dim` named (values, indices); of two tensors, elementwise."
    return reduction


def picked_along(input, indices, dim, keepdim):
    """The values at index arrays of size 1 along `dim`, and the indices, both as Tensors."""
    values, shape = pick_(input, along(indices, dim)), dropped(indices.shape, (dim,))
    found = wrap(indices if keepdim else indices.reshape(shape))
    values = relying(values, found)  # which the caller gets, and may change
    return values if keepdim else reshape_(values, shape), found


max = extreme_along(amax, xp.argmax, maximum, "max")
min = extreme_along(amin, xp.argmin, minimum, "min")
