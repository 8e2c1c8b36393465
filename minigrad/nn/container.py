"""Modules made of modules, and lists and dicts of parameters."""

import operator
from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping

from ..autograd import Variable
from .module import Module, Parameter, bracketed


def place_of(index, container):
    """An index into a container, counted from 0; IndexError where it is out of range."""
    place = operator.index(index)
    if not -len(container) <= place < len(container):
        raise IndexError(f"index {place} is out of range for a {type(container).__name__} of {len(container)}")
    return place % len(container)


class Numbered(Module):
    """What Sequential and ModuleList share: modules named "0", "1", ... that are reached like list items."""

    def name_at(self, index):
        return list(self._modules)[place_of(index, self)]

    def renumber(self, modules):
        """Let these modules, in this order and named "0", "1", ..., be the only ones."""
        for name in list(self._modules):
            delattr(self, name)
        self.extend(modules)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self.name_at(index)]

    def __setitem__(self, index, module):
        self.add_module(self.name_at(index), module)

    def __delitem__(self, index):
        modules = list(self)
        del modules[index]
        self.renumber(modules)

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __iadd__(self, modules):
        return self.extend(modules)

    def append(self, module):
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        """Add modules at the end; returns the container."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index, module):
        """Add a module before the one at `index`, at an end where none is there; returns the container."""
        modules = list(self)
        modules.insert(index, module)
        self.renumber(modules)
        return self

    def pop(self, key=-1):
        """Remove the module at an index, or those of a slice, and return them."""
        module = self[key]
        del self[key]
        return module


class Sequential(Numbered):
    """Modules applied one after the other: `Sequential(a, b)`, or an OrderedDict of names and modules."""

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping) and not isinstance(args[0], Module):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def insert(self, index, module):
        """Add a module before the one at `index`, an IndexError where that is out of range; returns the container."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index} for a {type(self).__name__} of {len(self)}")
        return super().insert(index, module)

    def __add__(self, other):
        self.check_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other):
        self.check_sequential(other)
        return self.extend(other)

    def check_sequential(self, other):
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")

    def __mul__(self, other):
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return Sequential(*list(self) * other)

    __rmul__ = __mul__


class ModuleList(Numbered):
    """A list of modules; it has no forward."""

    def __init__(self, modules=None):
        super().__init__()
        self.extend(() if modules is None else modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def __repr__(self):
        blocks = []  # [first index, last index, text]: neighbours that print the same stand in one line
        for i, text in enumerate(map(repr, self)):
            if blocks and blocks[-1][2] == text:
                blocks[-1][1] = i
            else:
                blocks.append([i, i, text])
        parts = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in blocks
        ]
        return bracketed(type(self).__name__, [], parts)


class Named(Module, MutableMapping):
    """What ModuleDict and ParameterDict share: the methods of a dict over parts of a module."""

    __eq__, __hash__ = object.__eq__, object.__hash__  # a module is equal to itself only

    def __init__(self, items=None):
        super().__init__()
        if items is not None:
            self.update(items)

    def __delitem__(self, key):
        self[key]  # a KeyError where there is none
        delattr(self, key)

    def __reversed__(self):
        return reversed(list(self))

    def popitem(self):
        """Remove the last part and return (its name, the part); KeyError where there is none."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError(f"popitem(): the {type(self).__name__} is empty")


class ModuleDict(Named):
    """A dict of modules, by names; it has no forward."""

    def __init__(self, modules=None):
        super().__init__(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)


def described(value):
    """A parameter in a line of text."""
    size = "x".join(map(str, value.shape))
    return f"Parameter containing: [{value.dtype} of size {size}]"


def as_parameter(value, container):
    if not isinstance(value, Variable):
        raise TypeError(f"{container}: expected Tensors or Parameters, got {type(value).__name__}")
    return value if isinstance(value, Parameter) else Parameter(value)


class ParameterList(Module):
    """A list of parameters; Tensors become Parameters."""

    def __init__(self, values=None):
        super().__init__()
        self.extend(() if values is None else values)

    def __getitem__(self, index):
        values = list(self)
        return type(self)(values[index]) if isinstance(index, slice) else values[place_of(index, self)]

    def __setitem__(self, index, value):
        self.register_parameter(str(place_of(index, self)), as_parameter(value, "ParameterList"))

    def __len__(self):
        return len(self._parameters)

    def __iter__(self):
        return iter(self._parameters.values())

    def __iadd__(self, values):
        return self.extend(values)

    def append(self, value):
        """Add a parameter at the end; returns the list."""
        self.register_parameter(str(len(self)), as_parameter(value, "ParameterList"))
        return self

    def extend(self, values):
        """Add parameters at the end; returns the list."""
        if not isinstance(values, Iterable) or isinstance(values, Variable):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self):
        return "\n".join(f"  ({i}): {described(value)}" for i, value in enumerate(self))


class ParameterDict(Named):
    """A dict of parameters, by names; Tensors become Parameters, a plain dict is taken in sorted order."""

    def __init__(self, parameters=None):
        super().__init__(parameters)

    def __getitem__(self, key):
        return self._parameters[key]

    def __setitem__(self, key, value):
        self.register_parameter(key, as_parameter(value, "ParameterDict"))

    def __len__(self):
        return len(self._parameters)

    def __iter__(self):
        return iter(self._parameters)

    def __or__(self, other):
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other):
        return other.copy() | dict(self)

    def __ior__(self, other):
        self.update(other)
        return self

    def update(self, parameters):
        """Take in parameters from a mapping or from (name, parameter) pairs; returns None, as a dict does."""
        if isinstance(parameters, Mapping) and not isinstance(parameters, (OrderedDict, ParameterDict)):
            parameters = sorted(parameters.items())
        super().update(parameters)

    def setdefault(self, key, default=None):
        """The parameter of that name, which is made of `default` where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self):
        """A dict of its own with the same parameters."""
        return ParameterDict(self)

    @staticmethod
    def fromkeys(keys, default=None):
        """A new dict with one parameter, or Tensor to make parameters of, under each of the names."""
        return ParameterDict((key, default) for key in keys)

    def extra_repr(self):
        return "\n".join(f"  ({key}): {described(value)}" for key, value in self.items())
