"""What a compiled function is called with and returns: tensors in nested tuples, lists and dicts."""

from ..autograd import Variable
from .surroundings import SCALARS


def kind_of(x):
    """What a recording is for: arrays of this layout, these numbers, these objects."""
    if x.__class__ is tuple or x.__class__ is list:
        return (x.__class__, *map(kind_of, x))
    if isinstance(x, Variable):
        array = x.array
        return (x.__class__, array.shape, array.strides, array.dtype) if x.node is None and not x.__dict__ else id(x)
    if x.__class__ is dict:
        return (dict, *((name, kind_of(y)) for name, y in x.items()))
    if is_named(x):
        return (x.__class__, *map(kind_of, x))
    return x.__class__, repr(x) if isinstance(x, SCALARS) else id(x)  # 0.0 is not -0.0


def is_named(x):
    return isinstance(x, tuple) and hasattr(x, "_make")  # a named tuple, as `max` returns


def objects_in(x):
    """The objects that `kind_of` knows by their id: for as long as they are there, no other can have it."""
    if x.__class__ in (tuple, list, dict) or is_named(x):
        return [found for y in (x.values() if x.__class__ is dict else x) for found in objects_in(y)]
    return [] if isinstance(x, SCALARS) or isinstance(x, Variable) and x.node is None and not vars(x) else [x]


def mapped(function, x, kind=Variable):
    """The same nested tuples, lists and dicts with `function` of every Tensor, or object of another kind."""
    if isinstance(x, kind):
        return function(x)
    if x.__class__ in (tuple, list):
        return x.__class__([mapped(function, y, kind) for y in x])
    if is_named(x):
        return x._make([mapped(function, y, kind) for y in x])
    if x.__class__ is dict:
        return {name: mapped(function, y, kind) for name, y in x.items()}
    return x


def inputs_in(x):
    """The tensors among arguments that stand for their numbers: those that require no gradient."""
    found = []
    mapped(lambda tensor: found.append(tensor) if tensor.node is None else None, x)
    return found


def detached(tensor):
    return tensor.detach()


def shown(x):
    if isinstance(x, Variable):
        return f"a tensor of shape {tuple(x.shape)} and {x.dtype}"
    return f"{x!r:.60}"


def in_words(difference):
    path, then, now = difference
    return f"{path} changed from {shown(then)} to {shown(now)}"
