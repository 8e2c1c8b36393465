"""Whether a loaded state is of the kind that an object saves; one error names the object, the key, and both kinds."""

import math
from collections import Counter

from .autograd import Variable
from .backend import xp

NUMBERS = int, float, xp.generic


def shown(value):
    """A value of a state in a few words."""
    if isinstance(value, Variable):
        return f"a Tensor of shape {tuple(value.shape)} and {value.dtype}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"{value!r:.40}"


def refuse(owner, key, value, wanted):
    raise ValueError(f"load_state_dict: {owner}: expected {key} to be {wanted}, got {shown(value)}")


def entry(owner, state, key):
    """What a state has under a key that it must have."""
    if not isinstance(state, dict):
        raise TypeError(f"load_state_dict: {owner}: expected a dict, got {shown(state)}")
    if key not in state:
        raise KeyError(f"load_state_dict: {owner}: expected {key!r}, got only {list(state)}")
    return state[key]


def is_number(value):
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def is_whole(value):
    return (is_number(value) or isinstance(value, Variable)) and math.isfinite(value) and int(value) == value


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def expect(owner, key, value, right, wanted):
    """The value, where it is right."""
    if not right:
        refuse(owner, key, value, wanted)
    return value


def tensor(owner, key, value, shape, kinds="f"):
    """The value, which must be a Tensor of this shape (None: any size there) and of these kinds of dtype."""
    fits = isinstance(value, Variable) and value.ndim == len(shape) and value.dtype.kind in kinds
    if not fits or any(n not in (None, m) for n, m in zip(shape, value.shape)):
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        refuse(owner, key, value, f"a {'floating ' if kinds == 'f' else ''}Tensor of shape ({sizes})")
    return value


def like(owner, key, value, own):
    """Refuse a value that is of another kind than the object's own, or of another length."""
    if isinstance(own, bool):
        expect(owner, key, value, isinstance(value, bool), "True or False")
    elif isinstance(own, (NUMBERS, Variable)):
        single = isinstance(value, Variable) and value.numel() == 1
        expect(owner, key, value, is_number(value) or single, "a number")
    elif isinstance(own, str):
        expect(owner, key, value, isinstance(value, str), "text")
    elif isinstance(own, (list, tuple)):
        fits = isinstance(value, (list, tuple)) and len(value) == len(own)
        expect(owner, key, value, fits, f"a list of length {len(own)}")
        for i, (a, b) in enumerate(zip(value, own)):
            like(owner, f"{key}[{i}]", a, b)
    elif isinstance(own, dict):
        expect(owner, key, value, isinstance(value, dict), "a dict")
        if isinstance(own, Counter):
            fits = all(is_number(a) and is_count(b) for a, b in value.items())
            expect(owner, key, value, fits, "a dict of counts")
            return
        expect(owner, key, value, not own or value.keys() == own.keys(), f"a dict with {list(own)}")
        for name, inner in own.items():
            like(owner, f"{key}[{name!r}]", value[name], inner)
