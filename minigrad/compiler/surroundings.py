"""What a function can see besides its arguments: closures, globals, attributes, lists, and all that these hold.

A recording of a function is right for as long as what it read is what it was. Tensors are read where they are, but
numbers, switches and other objects decide while the function runs, and a replay does not run it. So every place that the
function could have read is written down with its value, and compared before each replay.
"""

import dis
import functools
import io
import itertools
import operator
import random
import sys
import types
from array import array
from collections import defaultdict, deque

import numpy as np

from ..autograd import RemovableHandle, Variable
from ..backend import xp
from ..nn.module import Module
from ..optim.lr_scheduler import LRScheduler
from ..optim.optimizer import Optimizer
from ..random import Generator

SCALARS = bool, int, float, complex, str, bytes, xp.generic, xp.dtype, slice, type(None)
MANY = 4096  # entries of a list beyond which only their number is compared
CONTAINERS = tuple, list, deque, set, frozenset, np.ndarray, array, bytearray, dict, types.MappingProxyType
STREAMS = random.Random, np.random.RandomState, np.random.Generator  # Python's, NumPy's old ones and its new ones
# what of a container is compared beside its entries, which are places of their own
MEASURES = {
    (dict, types.MappingProxyType): (tuple, "the keys of"),
    (set, frozenset): (frozenset, "the entries of"),
    (list, deque): (len, "the number of entries of"),
    (np.ndarray, array): (operator.methodcaller("tobytes"), "the numbers in"),
    bytearray: (bytes, "the numbers in"),
}
REGISTRIES = "_parameters _buffers _modules _forward_pre_hooks _forward_hooks _backward_pre_hooks _backward_hooks".split()
OF_CLASSES = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__abstractmethods__"}
# modules of the standard library whose objects hold what a user puts there
OWN_STATE = "types", "argparse", "functools", "collections", "queue"
contents = operator.attrgetter("cell_contents")

# how the value at a place is read, for many at a time: a map over owners and names
READ = {
    "cell": lambda owners, names: map(contents, owners),
    "entry": functools.partial(map, dict.get),
    "item": functools.partial(map, operator.getitem),
    "attribute": functools.partial(map, getattr),
}
WRITE = {
    "cell": lambda owner, name, value: setattr(owner, "cell_contents", value),
    "entry": operator.setitem,
    "item": operator.setitem,
    "attribute": setattr,
}

changes = 0  # how often an attribute of any module was set, or any hook came or went


def counted(method):
    @functools.wraps(method)
    def call(*args, **kwargs):
        global changes
        changes += 1
        return method(*args, **kwargs)

    return call


@functools.cache
def count_changes():
    """Count changes of modules and of hooks from now on, so that nobody need look for them in each."""
    for owner, names in ((Module, ("__setattr__", "__delattr__", "_register")), (RemovableHandle, ("__init__", "remove"))):
        for name in names:
            setattr(owner, name, counted(vars(owner)[name]))


class Place:
    """Where the function found a value: a cell of a closure, an entry of a dict, an item of a list, an attribute."""

    __slots__ = ("path", "kind", "owner", "name", "value")

    def __init__(self, path, kind, owner, name, value):
        self.path, self.kind, self.owner, self.name, self.value = path, kind, owner, name, value

    @property
    def key(self):
        return id(self.owner), self.name

    def read(self):
        try:
            return next(READ[self.kind]([self.owner], [self.name]))
        except (LookupError, AttributeError, ValueError):
            return None

    def write(self, value):
        WRITE[self.kind](self.owner, self.name, value)
        self.value = value


class Places:
    """Many places, compared at once; and containers, of which keys or size are."""

    def __init__(self, places, containers=()):
        kinds = defaultdict(list)
        for place in places:
            kinds[place.kind].append(place)
        self.places = [*itertools.chain.from_iterable(kinds.values())]
        self.readers = [(READ[kind], [p.owner for p in some], [p.name for p in some]) for kind, some in kinds.items()]
        self.containers = containers
        self.contents = [content for _, _, _, content in containers]
        self.note()

    def note(self):
        """Take the values that the places now have written down as those to expect."""
        self.values = [place.value for place in self.places]

    def measured(self):
        return [measure(container) for _, container, measure, _ in self.containers]

    def difference(self, allowed):
        """(path, value then, value now) of something that has changed; `allowed(place, now)` may let a place pass."""
        try:
            now = itertools.chain.from_iterable([read(owners, names) for read, owners, names in self.readers])
            if all(map(operator.is_, now, self.values)) and self.measured() == self.contents:
                return None
        except (LookupError, AttributeError, ValueError):
            pass
        for (path, _, _, then), now in zip(self.containers, self.measured()):
            if now != then:
                return path, then, now
        for place in self.places:
            now = place.read()
            if not same(place.value, now) and not allowed(place, now):
                return place.path, place.value, now
            if not isinstance(now, Variable):
                place.value = now
        self.note()
        return None


def same(then, now):
    """Whether a value is the same object, or an equal one of a kind that cannot change."""
    if then is now:
        return True
    if then.__class__ is tuple and now.__class__ is tuple:
        return len(then) == len(now) and all(map(same, then, now))
    return then.__class__ is now.__class__ and isinstance(then, SCALARS) and repr(then) == repr(now)  # 0.0 is not -0.0


class Surroundings:
    """The places that a function reaches from some roots, [(path, object)], and the tensors at them, by id.

    `watched` are places in modules, whose changes are counted. Of an optimiser only the parameters count, as its methods
    run at every replay, and the `settings` that the function reads itself, [(optimiser or schedule, attribute)].
    """

    def __init__(self, *roots, settings=()):
        self.places, self.containers, self.watched, self.watched_containers = [], [], [], []
        self.tensors, self.seen, self.known = {}, {}, set()  # and the classes that are known
        self.stack = [*roots, ("random", random._inst), ("numpy.random", np.random.get_state.__self__)]
        self.streams = {}  # other random numbers than the library's
        self.iterator = self.stepping = None  # the path to an iterator, and to what stands for an optimiser's step
        for owner, name in settings:
            if name != "param_groups":
                self.entries(f"{type(owner).__name__}.", vars(owner), [name])
            for group in vars(owner)[name] if name == "param_groups" else ():
                self.entries("a setting ", group, [name for name in group if name != "params"])
        self.given = {}
        self.look()

    def look(self):
        while self.stack:
            self.visit(*self.stack.pop())

    def call_with(self, given, args, kwargs):
        """Go on to arguments; returns whether none of the tensors `given` for their numbers was reached before."""
        self.given = {id(x): x for x in given}
        alone = self.tensors.keys().isdisjoint(self.given)
        self.seen.update(self.given)
        for x in self.given.values():
            if vars(x):
                self.entries("an argument's ", vars(x))
        self.stack += [("argument ", x) for x in (*args, *kwargs.values())]
        self.look()
        return alone

    def add(self, path, kind, owner, name, value, watched=False):
        (self.watched if watched else self.places).append(Place(path, kind, owner, name, value))
        self.stack.append((path, value))

    def entries(self, path, owner, names=None, watched=False):
        """Entries of a dict, by default all."""
        if names is None:
            self.container(path, owner, watched)
        for name in owner if names is None else names:
            self.add(f"{path}{name}", "entry", owner, name, owner[name], watched)

    def container(self, path, x, watched=False):
        measure, words = next(value for kinds, value in MEASURES.items() if isinstance(x, kinds))
        if measure is tuple and not all(isinstance(key, SCALARS) for key in x):
            measure = identities  # tensors are not compared as other keys are
        (self.watched_containers if watched else self.containers).append((f"{words} {path.strip()}", x, measure, measure(x)))

    def visit(self, path, x):
        if id(x) in self.seen or isinstance(x, (*SCALARS, Generator, LRScheduler)):
            return
        self.seen[id(x)] = x
        if isinstance(x, Variable):
            self.tensors[id(x)] = x
            self.entries(f"{path}.", vars(x), [name for name in vars(x) if name != "_grad"])
            if x.node is None and x.array.dtype.kind == "f":  # where a gradient from before it was frozen is kept
                self.add(f"{path}.grad", "entry", vars(x), "_grad", vars(x).get("_grad"))
            elif x.node is not None and x.node.hooks is not None:
                self.stack += [(f"a hook of {path}", function) for function in x.node.hooks.functions.values()]
        elif isinstance(x, STREAMS):
            self.streams[id(x)] = x, state_of(x)
        elif hasattr(type(x), "__next__") and not isinstance(x, io.IOBase):
            self.iterator = path
        elif isinstance(x, CONTAINERS):
            self.members(path, x)
            if not is_library(type(x).__module__):
                self.attributes(path, x)
        elif isinstance(x, types.MethodType):
            self.stack += [(path, x.__self__), (path, x.__func__)]
        elif isinstance(x, types.BuiltinMethodType):  # such as the `get` of a dict
            self.stack.append((path, x.__self__))
        elif isinstance(x, types.FunctionType):
            self.function(path, x)
        elif isinstance(x, functools._lru_cache_wrapper) or type(x).__name__ == "Compiled" and hasattr(x, "__wrapped__"):
            self.stack.append((path, x.__wrapped__))
        elif isinstance(x, functools.partial):
            self.stack += [(path, x.func), (path, x.args), (path, x.keywords)]
        elif isinstance(x, Optimizer):
            groups = vars(x)["param_groups"]
            for i, group in enumerate(groups):
                self.places += Place(path, "item", groups, i, group), Place(path, "entry", group, "params", group["params"])
            for some in (groups, *[group["params"] for group in groups]):
                self.containers.append((f"the parameters of {path}", some, identities, identities(some)))
            self.stack += [(path, p) for p in parameters_of(x)]
            self.add(f"{path}.step", "entry", vars(x), "step", vars(x).get("step"))
            self.stepping = f"{path}.step" if "step" in vars(x) else self.stepping
        elif isinstance(x, Module):
            for registry in [vars(x), *(vars(x)[name] for name in REGISTRIES)]:
                self.seen[id(registry)] = registry
                self.entries(f"{path}.", registry, watched=True)
            self.seen[id(x._non_persistent_buffers_set)] = x  # of interest to files alone
            self.classes(type(x))
        elif isinstance(x, type):
            self.classes(x)
        elif not isinstance(x, types.ModuleType):
            module = type(x).__module__
            if not is_library(module) or module in OWN_STATE or module.startswith("minigrad."):
                self.attributes(path, x)

    def members(self, path, x):
        """What a container holds."""
        if isinstance(x, tuple):
            self.stack += [(f"{path}[{i}]", value) for i, value in enumerate(x)]
        elif isinstance(x, dict):
            self.entries(f"{path} ", x)
        elif isinstance(x, np.ndarray):
            if x.size <= MANY:
                self.container(path, x)
        else:
            self.container(path, x)
            entries = x if len(x) <= MANY and not isinstance(x, (array, bytearray)) else ()
            if isinstance(x, (set, frozenset)):
                self.stack += [(f"an entry of {path}", value) for value in entries]
                return
            for name, value in x.items() if isinstance(x, types.MappingProxyType) else enumerate(entries):
                self.add(f"{path}[{name}]", "item", x, name, value)

    def attributes(self, path, x):
        """What an object and its class hold."""
        for base in type(x).__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name.startswith("__") and not name.endswith("__"):  # which the class calls by another name
                    name = f"_{base.__name__.lstrip('_')}{name}"
                if hasattr(x, name):
                    self.add(f"{path}.{name}", "attribute", x, name, getattr(x, name))
        if hasattr(x, "__dict__"):
            self.entries(f"{path}.", vars(x))
        self.classes(type(x))

    def function(self, path, x):
        """The closure of a function of the user's, the globals that it names, and its defaults."""
        of_library = is_library(x.__globals__.get("__name__"))
        if of_library and is_library(x.__module__):
            return
        names, attributes, imported = names_in(x.__code__)
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or ()):
            if not is_empty(cell):
                self.add(name, "cell", cell, name, cell.cell_contents)
                self.module(name, cell.cell_contents, attributes)
        if of_library:  # one that wraps the user's
            self.stack += [(path, x.__defaults__), (path, x.__kwdefaults__)]
            return
        self.add(f"{path}.__defaults__", "attribute", x, "__defaults__", x.__defaults__)
        self.stack.append((path, x.__kwdefaults__))
        self.entries(f"{path}.", vars(x), [*vars(x)])
        for name in imported & sys.modules.keys():
            self.module(name, sys.modules[name], attributes)
        for name in sorted(names & x.__globals__.keys()):
            self.add(name, "entry", x.__globals__, name, x.__globals__[name])
            self.module(name, x.__globals__[name], attributes)

    def module(self, path, x, attributes):
        """What a function can take from a module of the user's that uses these names of attributes."""
        if isinstance(x, types.ModuleType) and not is_library(x.__name__) and (id(x), id(attributes)) not in self.seen:
            self.seen[id(x), id(attributes)] = x
            names = sorted(attributes & vars(x).keys())
            self.entries(f"{path}.", vars(x), names)
            for name in names:
                self.module(f"{path}.{name}", vars(x)[name], attributes)

    def classes(self, cls):
        """What classes of the user's hold, and what their methods see."""
        for base in cls.__mro__:
            if not is_library(base.__module__) and base not in self.known:
                self.known.add(base)
                for name, value in vars(base).items():
                    if isinstance(value, (classmethod, staticmethod)):
                        self.stack.append((f"{base.__name__}.{name}", value.__func__))
                    elif isinstance(value, property):
                        self.stack.append((f"{base.__name__}.{name}", value.fget))
                    elif name not in OF_CLASSES and not isinstance(value, types.MemberDescriptorType):
                        value = getattr(base, name, value)  # which in an `Enum` is another
                        self.add(f"{base.__name__}.{name}", "attribute", base, name, value)


def parameters_of(optimizer):
    """The parameters that an optimiser steps; none of a schedule."""
    return [p for group in vars(optimizer).get("param_groups", ()) for p in group["params"]]


def identities(keys):
    return [*map(id, keys)]


def state_of(stream):
    if isinstance(stream, random.SystemRandom):
        return stream.getrandbits(64)  # it has none that could be compared
    if isinstance(stream, random.Random):
        return stream.getstate()
    return str(stream.get_state() if isinstance(stream, np.random.RandomState) else stream.bit_generator.state)


@functools.cache
def is_library(name):
    """Whether what a module defines has no state that a user's function would depend on."""
    top = (name or "").partition(".")[0]
    return top in ("minigrad", "numpy", "cupy") or top in sys.stdlib_module_names and top != "__main__"


def is_empty(cell):
    """Whether a variable of a closure has no value yet."""
    try:
        contents(cell)
    except ValueError:
        return True
    return False


@functools.cache
def names_in(code):
    """The names of the globals, of all attributes and of imported modules that a function and those inside it use."""
    used, imported = set(), set()
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            used.add(i.argval)
        elif i.opname == "IMPORT_NAME":
            imported.add(i.argval)
    found = used, {*code.co_names}, imported
    for inner in (names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)):
        for names, others in zip(found, inner):
            names.update(others)
    return found
