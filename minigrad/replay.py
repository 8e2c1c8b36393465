"""`compile`: a function of tensors that is recorded once and then replayed as a flat list of array operations."""

import contextlib
import dis
import functools
import gc
import operator
import sys
import types
import warnings
import weakref

import numpy as np

from . import autograd, random, recording
from .autograd import Leaf, RemovableHandle, Variable, mode, tick, wrap
from .backend import NUMBERS, Array, xp
from .nn.module import Module
from .optim.lr_scheduler import LRScheduler
from .optim.optimizer import Optimizer
from .recording import MISSING, SCALARS, Changed, Recorder, described, slot

ATTEMPTS = 4  # recordings to find two that agree
KINDS = 8  # recordings that one function keeps
MANY = 4096  # entries of a list beyond which only their number is compared
REGISTRIES = "_parameters _buffers _modules _forward_pre_hooks _forward_hooks _backward_pre_hooks _backward_hooks".split()
UNSEEN = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__"}
contents = operator.attrgetter("cell_contents")
get_array, get_node = slot.__get__, Variable.node.__get__


# ---------------------------------------------------------------------------------------- what a function can see

watched_changes = 0  # how often an attribute of any module was set, or any hook came or went


def watch(owner, name):
    method = vars(owner)[name]

    @functools.wraps(method)
    def call(*args, **kwargs):
        global watched_changes
        watched_changes += 1
        return method(*args, **kwargs)

    setattr(owner, name, call)


@functools.cache
def begin_to_watch():
    """Count changes of modules and hooks, from the first use of `compile` on: so a replay need not look at each."""
    for owner, names in ((Module, ("__setattr__", "__delattr__", "_register")), (RemovableHandle, ("__init__", "remove"))):
        for name in names:
            watch(owner, name)


class Holder:
    """Something that holds values under names, as they were when it was looked at."""

    def __init__(self, path, owner, names, read, write):
        self.path, self.key, self.names, self.read, self.write = path, (id(owner), names), names, read, write
        self.values = read()

    def differences(self):
        """(name, value then, value now) of what has changed."""
        values = self.read()
        if len(values) != len(self.values):
            yield "", f"{len(self.values)} entries", f"{len(values)} entries"
        elif not all(map(operator.is_, values, self.values)):
            for name, old, new in zip(self.names, self.values, values):
                if not same(old, new):
                    yield name, old, new


def same(old, new):
    if old is new:
        return True
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(same, old, new))
    return old.__class__ is new.__class__ and isinstance(old, (*SCALARS, np.generic, np.dtype, slice)) and old == new


class Surroundings:
    """The tensors and Python values that a function reaches: closures, globals, attributes, lists, all that these hold.

    `watched` are the holders whose changes are counted, see `begin_to_watch`. `settings`: optimisers whose settings the
    function reads; of others, only the parameters count.
    """

    def __init__(self, *roots, settings=()):
        self.holders, self.watched, self.tensors, self.seen, self.stack = [], [], {}, {}, list(roots)
        for optimizer in settings:
            for group in optimizer.param_groups:
                self.entries("a setting ", group, tuple(name for name in group if name != "params"))
        while self.stack:
            self.visit(*self.stack.pop())

    def hold(self, path, owner, names, read, write=None, watched=False):
        holder = Holder(path, owner, names, read, write)
        (self.watched if watched else self.holders).append(holder)
        self.stack += [(f"{path}{name}", value) for name, value in zip(names, holder.values)]

    def entries(self, path, owner, names=None, watched=False):
        """Those of a mapping: all, or those of some names."""
        if names is None:
            self.hold(path, owner, tuple(owner), lambda: tuple(owner.values()), owner.__setitem__, watched)
        else:
            absent = [MISSING] * len(names)
            self.hold(path, owner, names, lambda: tuple(map(owner.get, names, absent)), getattr(owner, "__setitem__", None))

    def visit(self, path, x):
        if id(x) in self.seen or x is None or isinstance(x, (*SCALARS, np.generic, np.dtype, random.Generator, LRScheduler)):
            return
        self.seen[id(x)] = x
        if isinstance(x, Variable):
            self.tensors[id(x)] = x
        elif isinstance(x, (list, tuple)):
            self.items(path, x)
        elif isinstance(x, dict):
            self.entries(f"{path} ", x)
        elif isinstance(x, functools.partial):
            self.stack += [(path, x.func), (path, x.args), (path, x.keywords)]
        elif isinstance(x, types.MethodType):
            self.stack += [(path, x.__self__), (path, x.__func__)]
        elif isinstance(x, Optimizer):
            self.stack += [(path, p) for group in x.param_groups for p in group["params"]]
        elif isinstance(x, types.FunctionType):
            if not is_library(x.__module__):
                self.function(path, x)
        elif isinstance(x, Module):
            for name in REGISTRIES:
                self.seen[id(vars(x)[name])] = x
                self.entries(f"{path}.", vars(x)[name], watched=True)
            self.entries(f"{path}.", vars(x), watched=True)
            self.classes(type(x))
        elif not isinstance(x, (type, types.ModuleType)) and hasattr(x, "__dict__"):
            if type(x).__module__.startswith("minigrad.") or not is_library(type(x).__module__):
                self.entries(f"{path}.", vars(x))
                self.classes(type(x))

    def items(self, path, x):
        if len(x) > MANY:
            self.hold(path, x, (" has",), lambda: (len(x),))
        else:
            write = None if isinstance(x, tuple) else lambda name, value: x.__setitem__(int(name[1:-1]), value)
            self.hold(path, x, tuple([f"[{i}]" for i in range(len(x))]), lambda: tuple(x), write)

    def classes(self, cls):
        """What the methods of classes that are not the library's see, and their own values."""
        for base in cls.__mro__:
            if not is_library(base.__module__) and id(base) not in self.seen:
                self.seen[id(base)] = base
                self.entries(f"{base.__name__}.", vars(base), tuple(name for name in vars(base) if name not in UNSEEN))

    def function(self, path, x):
        filled = [(name, cell) for name, cell in zip(x.__code__.co_freevars, x.__closure__ or ()) if not is_empty(cell)]
        if filled:
            cells = dict(filled)
            write = lambda name, value: setattr(cells[name], "cell_contents", value)  # noqa: E731
            self.hold("", x, tuple(cells), lambda: tuple(map(contents, cells.values())), write)
        names, attributes = names_in(x.__code__)
        names = tuple(sorted(names & x.__globals__.keys()))
        self.entries("", x.__globals__, names)
        for name in names:
            module = x.__globals__[name]
            if isinstance(module, types.ModuleType) and not is_library(module.__name__):
                self.entries(f"{name}.", vars(module), tuple(sorted(attributes & vars(module).keys())))
        self.stack += [(path, x.__defaults__), (path, x.__kwdefaults__)]


@functools.cache
def is_library(name):
    """Whether a module has no state that a training step of the user's would depend on."""
    top = (name or "").partition(".")[0]
    return top in ("minigrad", "numpy", "cupy", "builtins") or top in sys.stdlib_module_names and top != "__main__"


def is_empty(cell):
    try:
        cell.cell_contents
    except ValueError:
        return True
    return False


@functools.cache
def names_in(code):
    """The names of the globals, and of the attributes, that a function and those inside it use."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}, {*code.co_names}
    for inner in (names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)):
        names[0].update(inner[0]), names[1].update(inner[1])
    return names


# ---------------------------------------------------------------------------------------------------- arguments


def kind_of(x):
    """What a recording is for: arrays of this layout, these numbers, these objects."""
    if isinstance(x, Variable):
        return ("tensor", x.array.shape, x.array.strides, x.array.dtype) if x.node is None else ("leaf", id(x))
    if isinstance(x, (tuple, list)):
        return (x.__class__, *map(kind_of, x))
    if isinstance(x, dict):
        return (dict, *((name, kind_of(y)) for name, y in x.items()))
    return (x.__class__, x if isinstance(x, SCALARS) or x is None else id(x))


def mapped(function, x):
    """The same nested tuples, lists and dicts with `function` of every Tensor."""
    if isinstance(x, Variable):
        return function(x)
    if x.__class__ in (tuple, list):
        return x.__class__([mapped(function, y) for y in x])
    if x.__class__ is dict:
        return {name: mapped(function, y) for name, y in x.items()}
    return x


def tensors_in(x):
    found = []
    mapped(found.append, x)
    return found


def shown(x):
    if isinstance(x, Variable):
        return f"a tensor of shape {tuple(x.shape)} and {x.dtype}"
    return x if isinstance(x, str) and " " in x else f"{x!r:.60}"


# --------------------------------------------------------------------------------------------------- a recording


class Carried:
    """A place whose tensor the function replaces: what stands there is read at every call, and replaced anew.

    The place is an entry of a `holder`, or without one the array of a tensor. `before` is the array that the calls read,
    `after` the one that they write.
    """

    def __init__(self, key, tensor, holder=None):
        self.key, self.tensor, self.holder = key, tensor, holder
        self.before = self.after = None

    def now(self):
        if self.holder is not None:
            self.tensor = dict(zip(self.holder.names, self.holder.read()))[self.key[1]]
        return self.tensor.array

    def put(self, array, tensors):
        """Put an array there; `tensors` are those already made around arrays, by id."""
        if self.holder is None:
            self.tensor.array = array
        else:
            self.holder.write(self.key[1], tensors.setdefault(id(array), wrap(array)))


class Recording:
    """A list of calls, what must be as it was for them to be right, and where their results go.

    `inputs`: the arrays that stand for tensor arguments. `gradients`: [(leaf node, its gradient before, whether the
    numbers of that were read, its gradient after, whether the calls make that)]. `copies`: whether gradients are handed
    out as copies.
    """

    def __init__(self, recorder, before, inputs, carried, gradients, result, copies):
        self.inputs, self.carried, self.gradients, self.result, self.copies = inputs, carried, gradients, result, copies
        self.replaced = {place.key for place in carried}
        self.holders, self.watched, self.changes = before.holders, before.watched, watched_changes
        self.mode = mode.enabled, NUMBERS[float]
        self.tensors = [x for i, x in before.tensors.items() if (i, None) not in self.replaced and not self.is_carried(x)]
        self.arrays, self.nodes = [*map(get_array, self.tensors)], [*map(get_node, self.tensors)]
        self.hooks = [hooks_of(node) for node in self.nodes]
        last = max(recorder.guards, default=-1)
        places = [i for i, call in enumerate(recorder.calls) if call is not None]
        self.calls = [recorder.calls[i] for i in places]
        self.safe = sum(i <= last for i in places)  # so many calls can be taken back
        self.saved = [(x, x.copy()) for x in {id(x): x for i, x in recorder.writes if i < last}.values()]
        self.draws = [(sum(j <= i for j in places), draw) for i, draw in recorder.draws]
        versions = {id(x.version) for x in before.tensors.values()}
        self.versions = [(version, n) for version, n in recorder.versions.values() if id(version) in versions]

    def is_carried(self, tensor):
        return any(place.before is get_array(tensor) for place in self.carried)

    def difference(self):
        """(what, then, now) of something that is not as it was when this was recorded, or None."""
        if self.mode != (mode.enabled, NUMBERS[float]):
            return "grad mode or default dtype", self.mode, (mode.enabled, NUMBERS[float])
        watched = self.changes != watched_changes
        for holder in [*self.holders, *self.watched] if watched else self.holders:
            for name, then, now in holder.differences():
                if (holder.key, name) not in self.replaced:
                    return holder.path + name, then, now
                if not alike(then, now):
                    return holder.path + name, then, now
        if watched:
            if self.hooks != [hooks_of(node) for node in self.nodes]:
                return "hooks of tensors", "those recorded", "others"
            self.changes = watched_changes
        if not all(map(operator.is_, map(get_array, self.tensors), self.arrays)):
            return "the memory of a tensor", "one array", "another"
        if not all(map(operator.is_, map(get_node, self.tensors), self.nodes)):
            return "requires_grad or the history of a tensor", "what it was", "another"
        for place in self.carried:
            if place.holder is None and recording.layout(place.now()) != recording.layout(place.before):
                return "the layout of a tensor", "one", "another"
        for node, before, was_read, _, _ in self.gradients:
            g = node.grad
            if g is not before if was_read else (g is None) is not (before is None):
                return GRADIENT
        return None

    def owners(self):
        """How many hold each gradient that the calls write, and its array."""
        return [(sys.getrefcount(g) - (node.grad is g), sys.getrefcount(get_array(g)))
                for node, _, _, g, made in self.gradients if made]  # fmt: skip

    def replay(self, tensors):
        """Make the calls; raises Undone, with everything as before, where a value leads another way."""
        for array, tensor in zip(self.inputs, tensors):
            xp.copyto(array, tensor.array)
        for place in self.carried:
            xp.copyto(place.before, place.now())
        for array, copy in self.saved:
            xp.copyto(copy, array)
        calls = iter(self.calls)
        try:
            with np.errstate(all="ignore"):
                for call in calls:
                    call()
        except Exception as error:
            done = len(self.calls) - operator.length_hint(calls)
            if done > self.safe:
                raise
            for array, copy in self.saved:
                xp.copyto(array, copy)
            raise Undone([draw.last for place, draw in self.draws if place <= done]) from error
        return self.hand_out()

    def hand_out(self, again=False):
        """Put the results of the calls where the function puts them, and return what it returns."""
        if self.versions and not again:
            now = autograd.newest_change = tick()
            for version, n in self.versions:
                version.changed, version.count = now, version.count + n
        for node, _, _, g, made in self.gradients:
            node.grad = wrap(get_array(g).copy()) if made and self.copies else g
        if self.carried:
            copies, tensors = {id(place.after): place.after.copy() for place in self.carried}, {}
            for place in self.carried:
                place.put(copies[id(place.after)], tensors)
        return rebuilt(self.result)


GRADIENT = "a gradient", "there", "not"


class Undone(Exception):
    """A replay was taken back; `args[0]`: the random numbers that it had drawn."""


def alike(then, now):
    """Whether a tensor that the function will replace can stand for the recorded one."""
    if not isinstance(now, Variable) or now.node is not None:
        return False
    return recording.layout(now.array) == recording.layout(then.array)


def hooks_of(node):
    return None if node is None or node.hooks is None else (tuple(node.hooks.functions.values()), node.hooks.retain)


def rebuilt(x):
    """The result of the function, its arrays copied to new tensors."""
    if isinstance(x, Array):
        return wrap(x.copy())
    if x.__class__ in (tuple, list):
        return x.__class__([rebuilt(y) for y in x])
    if x.__class__ is dict:
        return {name: rebuilt(y) for name, y in x.items()}
    return x


# ------------------------------------------------------------------------------------------------------- compile


class Kind:
    """What is known of calls with one kind of arguments."""

    def __init__(self):
        self.recordings, self.traces, self.carried, self.settings = [], [], {}, {}
        self.failures, self.detours, self.refused = 0, 0, None

    def refuse(self, problem):
        """Give up at the second problem: the first call of a function may be special."""
        self.failures += 1
        if self.failures > 1:
            self.refused = problem


class Compiled:
    """A function whose calls are recorded and replayed; see `compile`."""

    def __init__(self, function):
        begin_to_watch()
        functools.update_wrapper(self, function, updated=())
        self.function, self.kinds, self.warned = function, {}, set()
        self.copies = False  # whether gradients are handed out as copies

    def __call__(self, *args, **kwargs):
        if recording.active() is not None:
            return self.function(*args, **kwargs)
        kind, drawn = (kind_of(args), kind_of(kwargs)), ()
        known = self.kinds.get(kind) or self.another(kind)
        for found in known.recordings:
            changed = found.difference()
            if changed is None and (found.copies or found.owners() == found.held):
                try:
                    return found.replay(tensors_in((args, kwargs)) if found.inputs else ())
                except Undone as undone:
                    drawn = undone.args[0]
                    self.detour(known, undone.__cause__)
                    break
            if changed is None:  # somebody has kept a gradient, which a replay would overwrite
                known.recordings.remove(found)
                self.copies = True
                break
            if changed is not GRADIENT:
                self.warn("anew", "{} changed from {} to {}: it is recorded anew".format(changed[0], *map(shown, changed[1:])))
        if len(known.recordings) >= KINDS:
            known.refused = f"more than {KINDS} recordings were made because what it sees changed"
        if known.refused:
            self.warn("refused", f"{known.refused}; it is called as it is, not compiled")
            return self.eagerly(args, kwargs, drawn)
        return self.record(known, args, kwargs, drawn)

    def another(self, kind):
        """Begin with arguments of another kind."""
        known = Kind()
        if len(self.kinds) >= KINDS:
            known.refused = (f"it was called in more than {KINDS} ways; another number as argument is another way: pass "
                             "numbers that change as tensors")  # fmt: skip
            return known
        if self.kinds:
            self.warn("anew", "shapes, dtypes or arguments differ from those recorded: it is recorded anew for these")
        self.kinds[kind] = known
        return known

    def detour(self, known, cause):
        """What to do after a replay that met another value than the recorded call."""
        known.detours += 1
        if isinstance(cause, Changed):
            self.warn("anew", f"what it does depends on values ({cause}): it is recorded anew")
            if known.detours > KINDS:
                known.refused = f"what it does depends on values ({cause})"

    def warn(self, about, text):
        """Say once that something is recorded anew, and once that something is not compiled."""
        if about not in self.warned:
            self.warned.add(about)
            warnings.warn(f"compile: {getattr(self, '__name__', self.function)}: {text}", stacklevel=4)

    def eagerly(self, args, kwargs, drawn=()):
        """Call the function as it is; random numbers that a replay had drawn are used first."""
        with Recorder(drawn) if drawn else contextlib.nullcontext():
            return mapped(detached, self.function(*args, **kwargs))

    def record(self, known, args, kwargs, drawn):
        """Call the function and note down what it does; keep that once two recordings agree."""
        inputs, private, tensors = [], {}, {}

        def own(tensor):
            if tensor.node is None:
                inputs.append(tensor.array.copy(order="K"))
                tensor = wrap(inputs[-1])
            return tensor

        args, kwargs = mapped(own, args), mapped(own, kwargs)
        for place in known.carried.values():
            array = place.now()
            place.before = private[id(array)] = private[id(array)] if id(array) in private else array.copy(order="K")
        for place in known.carried.values():
            place.put(place.before, tensors)
        before = Surroundings(("", self.function), ("argument ", args), ("argument ", kwargs), settings=known.settings)
        leaves = {x.node: x.node.grad for x in before.tensors.values() if isinstance(x.node, Leaf)}
        with Recorder(drawn) as recorder:
            result = mapped(detached, self.function(*args, **kwargs))
            recorder.trace.append(described_result(result))
        made = {id(x) for x in recorder.survivors}
        gradients = [(node, g, id(g) in recorder.read, node.grad, id(node.grad) in made and node.grad is not g)
                     for node, g in leaves.items()]  # fmt: skip
        carried, problem = self.consequences(recorder, before, gradients, result, made)
        known.settings = [*recorder.settings.values()]
        if problem:
            known.refuse(problem)
        elif recorder.trace in known.traces and carried.keys() == known.carried.keys():
            for place in known.carried.values():
                place.after = place.now()
            outcome = mapped(lambda x: get_array(x) if id(x) in made else x, result)
            found = Recording(recorder, before, inputs, [*known.carried.values()], gradients, outcome, self.copies)
            known.recordings.append(found)
            del recorder, result, outcome, before, leaves, gradients
            result = found.hand_out(again=True)
            found.held = found.owners()
        else:
            known.traces = [*known.traces[1 - ATTEMPTS :], recorder.trace]
            if len(known.traces) == ATTEMPTS:
                known.refused = f"it does something else at every call: {disagreement(*known.traces[-2:])}"
            known.carried = carried
        return result

    def consequences(self, recorder, before, gradients, result, made):
        """The places whose tensors the call replaced, by key, and what it did that cannot be replayed, or None."""
        carried, problem = {}, recorder.problem
        for holder in [*before.holders, *before.watched]:
            for name, old, new in holder.differences():
                if isinstance(old, Variable) and isinstance(new, Variable) and id(new) in made and alike(old, new):
                    carried[holder.key, name] = Carried((holder.key, name), new, holder)
                else:
                    problem = problem or f"it changes {holder.path}{name} from {shown(old)} to {shown(new)}"
        for tensor in recorder.survivors:
            if id(tensor) in recorder.read:
                carried[id(tensor), None] = Carried((id(tensor), None), tensor)
        known = {id(g): g for _, g, _, _, _ in gradients} | before.tensors
        for i, (tensor, _) in recorder.read.items():
            if i not in known:
                problem = problem or (f"it reads {shown(tensor)} that it does not get from its arguments, closure, globals "
                                      "or the objects there, so that a replay could not tell whether it is another")  # fmt: skip
        for _, old, was_read, new, _ in gradients:
            if was_read and new is not old:
                problem = problem or "it uses a gradient of the call before and replaces it"
        if recorder.opaque and max(recorder.guards, default=-1) > recorder.opaque[0]:
            problem = problem or "values decide what it does after an optimiser's step, which could not be taken back"
        expected = {id(x) for x in [*tensors_in(result), *[g for _, _, _, g, _ in gradients]]}
        expected |= {id(place.tensor) for place in carried.values()}
        kept = [weakref.ref(x) for x in recorder.survivors if id(x) not in expected]
        if kept:
            recorder.survivors.clear()
            gc.collect()
            for tensor in filter(None, [ref() for ref in kept]):
                problem = problem or f"something keeps {shown(tensor)} that was made in it, where it cannot be replaced"
        recorder.survivors.clear()
        return carried, problem


def detached(tensor):
    return tensor.detach()


def described_result(x):
    """What the function returns, in words that are equal where two calls did the same."""
    if isinstance(x, Variable):
        return described(get_array(x))
    if x.__class__ in (tuple, list):
        return tuple(map(described_result, x))
    if x.__class__ is dict:
        return tuple((name, described_result(y)) for name, y in x.items())
    return described(x)


def disagreement(one, other):
    """Where two recordings differ."""
    for a, b in zip(one, other):
        if a != b:
            return f"{a} and then {b}"[:300]
    return f"{len(one)} operations, then {len(other)}"


def compile(function):
    """doc"""
    return Compiled(function)
