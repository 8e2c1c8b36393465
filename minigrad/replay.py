"""`compile`: a function of tensors that is recorded, and then replayed as a flat list of array operations."""

import contextlib
import functools
import gc
import operator
import sys
import threading
import types
import warnings
import weakref

from . import autograd, recording, surroundings
from .autograd import Leaf, Node, Variable, mode, tick, wrap
from .backend import NUMBERS, Array, unwarned, xp
from .recording import Recorder, described, layout, slot
from .surroundings import SCALARS, Places, Surroundings, state_of

ATTEMPTS = 4  # recordings to find two that agree
KINDS = 8  # kinds of arguments, and recordings for each, that a function keeps
GRADIENT = "a gradient", "there", "not"
NOTHING = contextlib.nullcontext()
get_array, get_node, get_gradient = slot.__get__, Variable.node.__get__, Node.grad.__get__


def compile(function):
    """The function, recorded at its first calls and from then on replayed: the same results to the bit, in less time.

    `function`: typically a step of training: forward, backward and update, with the draw of its minibatch; also as a
    decorator. Recorded are the calls of the array library, in order and with the memory that they wrote to, which is
    written anew at every call; a replay makes them again, without the function, tensors or a graph. As they are run the
    steps of optimisers and schedules, and draws from the random stream. The first call is recorded, and compared with
    the second: what is replayed has been the same twice.

    Compared before each replay: the kind of the arguments (of tensors shape, dtype and order in memory; of numbers and
    other objects which one it is) and everything that the function can reach through closures, globals, attributes and
    lists: numbers, switches, which tensors there are and whether they require grad, modules' modes and hooks. While it
    runs: values that left the tensors (`item()`, `bool()`, indices). Where one of these is another, a warning says so
    once, and the call is made as it is and recorded for the next; a replay that had begun is taken back first.

    Differences from a call as it is: the tensors returned are new and have no history, so `backward` belongs inside.
    What does not concern tensors, such as `print`, happens only when a call is recorded. A number as argument has a
    recording for each value, for at most 8: one that changes, such as a learning rate, belongs in a 0-d tensor. Threads
    may call it at the same time: one of them replays, or is recorded, and the others call the function as it is.

    Called as it is at every call, with a warning that names the reason, is a function that changes numbers or lists
    that it can reach, keeps tensors somewhere, reads tensors from elsewhere (an iterator) or NumPy arrays, hands
    numbers to NumPy (`numpy()`), decides by values that differ from call to call, or after an optimiser's step, seeds
    the random stream or draws from another, or does other things at every call. What no recording can notice: files, the
    clock, and changes inside of lists and NumPy arrays with more than 4096 entries.
    """
    return Compiled(function)


# ---------------------------------------------------------------------------------------------------- arguments


def kind_of(x):
    """What a recording is for: arrays of this layout, these numbers, these objects."""
    if isinstance(x, Variable):
        array = x.array
        return (array.shape, array.strides, array.dtype) if x.node is None else id(x)
    if x.__class__ in (tuple, list):
        return (x.__class__, *map(kind_of, x))
    if x.__class__ is dict:
        return (dict, *((name, kind_of(y)) for name, y in x.items()))
    return x.__class__, repr(x) if isinstance(x, SCALARS) else id(x)  # 0.0 is not -0.0


def mapped(function, x, kind=Variable):
    """The same nested tuples, lists and dicts with `function` of every Tensor, or object of another kind."""
    if isinstance(x, kind):
        return function(x)
    if x.__class__ in (tuple, list):
        return x.__class__([mapped(function, y, kind) for y in x])
    if isinstance(x, tuple) and hasattr(x, "_make"):  # a named tuple, as `max` returns
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


def alike(then, now):
    """Whether a tensor can stand where another was recorded that the function replaces."""
    return isinstance(now, Variable) and now.node is None and layout(get_array(now)) == layout(then)


def hooks_of(node):
    return None if node is None or node.hooks is None else (tuple(node.hooks.functions.values()), node.hooks.retain)


# --------------------------------------------------------------------------------------------------- a recording


def split(pairs):
    """The first and the second of each pair, as two lists."""
    return [first for first, _ in pairs], [second for _, second in pairs]


class Carried:
    """A tensor that the function replaces: the one there is read at every call, and another put in its place.

    It is found at a `place`, or without one it is the array of the tensor that is replaced. `before`: the array that the
    calls read; `after`: the one that they write.
    """

    def __init__(self, key, place, tensor):
        self.key, self.place, self.tensor, self.before, self.after = key, place, tensor, None, None

    def array(self):
        return get_array(self.tensor if self.place is None else self.place.read())

    def put(self, array, tensors):
        """Put an array there; `tensors` are those already made around arrays, by id."""
        if self.place is None:
            self.tensor.array = array
        else:
            self.place.write(tensors.setdefault(id(array), wrap(array)))


class Undone(Exception):
    """A replay was taken back; `args[0]`: the random numbers that it had drawn."""


class Recording:
    """A list of calls, what must be as it was for them to be right, and where their results go.

    `inputs`: the arrays that stand for tensor arguments. `gradients`: [(leaf node, its gradient before, whether the
    numbers of that were read, its gradient after, whether the calls make that)]. `copies`: whether gradients are handed
    out as copies, because somebody keeps them.
    """

    def __init__(self, recorder, before, inputs, carried, gradients, result, copies):
        self.before, self.inputs, self.carried = before, inputs, carried
        self.same, self.gradients = split([(node, g) for node, g, was_read, _, _ in gradients if was_read])
        self.others, self.absent = split([(node, g is None) for node, g, was_read, _, _ in gradients if not was_read])
        self.result, self.copies, self.errors = result, copies, recorder.errors
        self.replaced = {c.key: c for c in carried}
        self.places = Places(before.places, before.containers)
        self.watched, self.changes = Places(before.watched, before.watched_containers), surroundings.changes
        changing = {id(c.before) for c in carried} | {id(get_array(c.tensor)) for c in carried}
        self.tensors = [x for x in before.tensors.values() if id(get_array(x)) not in changing]
        self.arrays, self.nodes = [*map(get_array, self.tensors)], [*map(get_node, self.tensors)]
        self.hooks = [*map(hooks_of, self.nodes)]
        self.made = [g for _, _, _, g, made in gradients if made]
        self.new_gradients = [(node, g, made) for node, before, _, g, made in gradients
                              if g is not before or node in recorder.handed]  # fmt: skip
        self.mode = mode.enabled, NUMBERS[float]
        last = max(recorder.guards, default=-1)
        places = [i for i, call in enumerate(recorder.calls) if call is not None]
        self.calls = [recorder.calls[i] for i in places]
        self.safe = sum(i <= last for i in places)  # so many calls can be taken back
        self.saved = [(x, x.copy()) for x in {id(x): x for i, x in recorder.writes if i < last}.values()]
        self.draws = [(sum(j <= i for j in places), draw) for i, draw in recorder.draws]
        versions = {id(x.version) for x in before.tensors.values()}
        self.versions = [(version, n) for version, n in recorder.versions.values() if id(version) in versions]

    def allowed(self, place, now):
        carried = self.replaced.get(place.key)
        return carried is not None and alike(carried.before, now)

    def difference(self):
        """(what, then, now) of something that is not as it was when this was recorded, or None."""
        if (found := self.places.difference(self.allowed)) is not None:
            return found
        if self.changes != surroundings.changes:
            if (found := self.watched.difference(self.allowed)) is not None:
                return found
            if self.hooks != [*map(hooks_of, self.nodes)]:
                return "hooks of tensors", "what they were", "others"
            self.changes = surroundings.changes
        if not all(map(operator.is_, map(get_array, self.tensors), self.arrays)):
            return "the memory of a tensor", "one array", "another"
        if not all(map(operator.is_, map(get_node, self.tensors), self.nodes)):
            return "requires_grad or the history of a tensor", "what it was", "another"
        if self.mode != (mode.enabled, NUMBERS[float]):
            return "grad mode or default dtype", self.mode, (mode.enabled, NUMBERS[float])
        for carried in self.carried:
            if carried.place is None and layout(carried.array()) != layout(carried.before):
                return "the layout of a tensor", "one", "another"
        if not all(map(operator.is_, map(get_gradient, self.same), self.gradients)):
            return GRADIENT
        return GRADIENT if [g is None for g in map(get_gradient, self.others)] != self.absent else None

    def owners(self):
        """How many hold each gradient that the calls write, and its array."""
        return [*map(sys.getrefcount, self.made), *map(sys.getrefcount, map(get_array, self.made))]

    def is_kept(self):
        """Whether somebody keeps a gradient of the call before, which a replay would overwrite."""
        return not self.copies and any(map(operator.gt, self.owners(), self.held))

    def replay(self, tensors):
        """Make the calls; raises Undone, with everything as before, where a value leads another way."""
        for array, tensor in zip(self.inputs, tensors):
            xp.copyto(array, tensor.array)
        for carried in self.carried:
            xp.copyto(carried.before, carried.array())
        for array, copy in self.saved:
            xp.copyto(copy, array)
        calls = iter(self.calls)
        try:
            with unwarned() if self.errors else NOTHING:
                for call in calls:
                    call()
        except Exception as error:
            done = len(self.calls) - operator.length_hint(calls)
            if done > self.safe:
                raise
            for array, copy in self.saved:
                xp.copyto(array, copy)
            raise Undone([draw.last for place, draw in self.draws if place <= done]) from error
        if self.versions:
            now = autograd.newest_change = tick()
            for version, n in self.versions:
                version.changed, version.count = now, version.count + n
        return self.hand_out()

    def hand_out(self):
        """Put the results of the calls where the function puts them, and return what it returns."""
        for node, g, made in self.new_gradients:
            node.grad = wrap(get_array(g).copy()) if made and self.copies else g
        if self.carried:
            copies, tensors = {id(c.after): c.after.copy(order="K") for c in self.carried}, {}
            for carried in self.carried:
                carried.put(copies[id(carried.after)], tensors)
            self.places.note()
        return mapped(lambda array: wrap(array.copy(order="K")), self.result, Array)


# ------------------------------------------------------------------------------------------------------- compile


class Kind:
    """What is known of calls with one kind of arguments."""

    def __init__(self):
        self.recordings, self.traces, self.carried, self.settings, self.plan, self.words = [], [], {}, [], None, {}
        self.failures, self.detours, self.refused = 0, 0, None

    def refuse(self, problem):
        """Give up at the second problem: the first call of a function may be special."""
        self.failures += 1
        if self.failures > 1:
            self.refused = problem


class Compiled:
    """A function whose calls are recorded and replayed; see `compile`."""

    def __init__(self, function):
        surroundings.count_changes()
        functools.update_wrapper(self, function, updated=())
        self.function, self.kinds, self.warned, self.busy = function, {}, set(), threading.Lock()
        self.copies = False  # whether gradients are handed out as copies

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args, **kwargs):
        if not self.busy.acquire(blocking=False):  # inside of itself, or in another thread: its arrays are in use
            return self.as_it_is(args, kwargs)
        try:
            return self.call(args, kwargs)
        finally:
            self.busy.release()

    def as_it_is(self, args, kwargs):
        return mapped(detached, self.function(*args, **kwargs))

    def call(self, args, kwargs):
        if recording.at_work_here():  # this is part of what is recorded
            return self.as_it_is(args, kwargs)
        kind, drawn, cause = (kind_of(args), kind_of(kwargs) if kwargs else None), (), None
        known = self.kinds.get(kind) or self.another(kind)
        for found in known.recordings:
            changed = found.difference()
            if changed is None and not found.is_kept():
                try:
                    return found.replay(args if found.flat else inputs_in((args, kwargs)))
                except Undone as undone:
                    drawn, cause = undone.args[0], undone.__cause__
                    if drawn:  # which the call has to use
                        break
                    continue
            if changed is None:
                known.recordings.remove(found)
                self.copies = True
                break
            if changed is not GRADIENT:
                self.warn("anew", f"{in_words(changed)}: it is recorded anew")
        if len(known.recordings) >= KINDS:
            known.refused = f"what it sees changes: {KINDS} recordings were made"
        if known.refused:
            self.warn("refused", f"{known.refused}; it is called as it is, not compiled")
            with Recorder(drawn) if drawn else NOTHING:
                return self.as_it_is(args, kwargs)
        if recording.recorder is not None and not drawn:  # of another thread: there can be one only
            return self.as_it_is(args, kwargs)
        result = self.record(known, args, kwargs, drawn)
        if cause is not None:
            self.detour(known, cause)
        return result

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
        """A replay has met another value than the recorded call."""
        known.detours += 1
        self.warn("anew", f"what it does depends on values ({cause}): it is recorded anew")
        if known.detours > KINDS:
            known.refused = f"what it does depends on values ({cause})"

    def warn(self, about, text):
        """Say once that something is recorded anew, and once that something is not compiled."""
        if about not in self.warned:
            self.warned.add(about)
            warnings.warn(f"compile({getattr(self, '__name__', self.function)}): {text}", stacklevel=3)

    def record(self, known, args, kwargs, drawn):
        """Call the function and note down what it does; keep that once two recordings agree."""
        given, private, tensors = inputs_in((args, kwargs)), {}, {}
        inputs = [x.array.copy(order="K") for x in given] if known.traces else [x.array for x in given]
        if known.traces:  # the calls read what nobody else has; the first call shows whether it writes to its arguments
            own = iter([wrap(array) for array in inputs])
            args, kwargs = mapped(lambda x: next(own) if x.node is None else x, (args, kwargs))
        for carried in known.carried.values():
            array = carried.array()
            carried.before = private.setdefault(id(array), (array.copy(order="K"), array))[0]
        for carried in known.carried.values():
            carried.put(carried.before, tensors)
        roots = ("", self.function), ("argument ", args), ("argument ", kwargs)
        before = Surroundings(*roots, settings=known.settings)
        leaves = {x.node: x.node.grad for x in before.tensors.values() if isinstance(x.node, Leaf)}
        with Recorder(drawn, known.plan, known.words) as recorder:
            result = mapped(detached, self.function(*args, **kwargs))
            recorder.trace.append(recorder.aside(described, mapped(get_array, result)))
        made = {id(x) for x in recorder.survivors}
        gradients = [(node, g, id(g) in recorder.read, node.grad, id(node.grad) in made and node.grad is not g)
                     for node, g in leaves.items()]  # fmt: skip
        carried, problem = consequences(recorder, before, gradients, result, made)
        for x, array in zip(given, inputs):
            if any(xp.may_share_memory(array, written) for _, written in recorder.writes):
                problem = problem or f"it changes its argument, {shown(x)}, in place"
                if x.array is not array:
                    xp.copyto(x.array, array)
        known.settings, known.plan = [*recorder.settings.values()], recorder.plan
        if problem:
            known.refuse(problem)
        elif recorder.trace in known.traces and carried.keys() == known.carried.keys():
            for key, place in carried.items():
                place.before, place.after = known.carried[key].before, place.array()
            outcome = mapped(lambda x: get_array(x) if id(x) in made else x, result)
            found = Recording(recorder, before, inputs, [*carried.values()], gradients, outcome, self.copies)
            found.flat = len(inputs) == len(args) and not kwargs and all(isinstance(x, Variable) for x in args)
            known.recordings.append(found)
            known.carried = carried
            del recorder, result, outcome, before, leaves, gradients
            result = found.hand_out()
            found.held = found.owners()
        else:
            known.carried, known.traces = carried, [*known.traces[1 - ATTEMPTS :], recorder.trace]
            if len(known.traces) == ATTEMPTS:
                known.refused = f"it does something else at every call: {disagreement(*known.traces[-2:])}"
        return result


def consequences(recorder, before, gradients, result, made):
    """The tensors that a call replaced, by key, and what it did that cannot be replayed, or None."""
    carried, problems = {}, [recorder.problem] if recorder.problem else []
    if before.iterator is not None:
        problems.append(f"it uses an iterator, {before.iterator}, of which nobody can tell what comes next")
    if any(state_of(stream) != state for stream, state in before.streams.values()):
        problems.append("it draws random numbers that are not minigrad's")

    def replaced(place, now):
        then = place.value
        if isinstance(then, Variable) and id(now) in made and alike(get_array(then), now):
            carried[place.key] = Carried(place.key, place, now)
            return True
        return False

    for places in Places(before.places, before.containers), Places(before.watched, before.watched_containers):
        if (found := places.difference(replaced)) is not None:
            problems.append(f"a call of it has an effect that a replay would not have: {in_words(found)}")
    for tensor in recorder.survivors:
        if id(tensor) in recorder.read:
            carried[id(tensor), None] = Carried((id(tensor), None), None, tensor)
    reached = before.tensors.keys() | {id(g) for _, g, _, _, _ in gradients}
    for i, (tensor, _) in recorder.read.items():
        if i not in reached:
            problems.append(f"it reads {shown(tensor)} that it has not from its arguments, closure, globals or the objects "
                            "there, so that a replay could not tell whether there is another")  # fmt: skip
    if any(was_read and g is not old for _, old, was_read, g, _ in gradients):
        problems.append("it uses a gradient of the call before and replaces it")
    if recorder.opaque and max(recorder.guards, default=-1) > recorder.opaque[0]:
        problems.append("values decide what it does after an optimiser's step, which could not be taken back")
    expected = {id(g) for _, _, _, g, _ in gradients} | {id(c.tensor) for c in carried.values()}
    expected |= {id(g) for g in recorder.handed.values()}
    mapped(lambda x: expected.add(id(x)), result)
    kept = [weakref.ref(x) for x in recorder.survivors if id(x) not in expected]
    recorder.survivors.clear()
    if kept:
        tensor = None  # which would keep itself
        gc.collect()
        for tensor in [tensor for ref in kept if (tensor := ref()) is not None]:
            problems.append(f"something keeps {shown(tensor)} that was made in it, where no replay could put another")
    return carried, problems[0] if problems else None


def disagreement(one, other):
    """Where two recordings differ."""
    if one[:-1] == other[:-1]:
        return "it returns other numbers; return tensors instead, and take the numbers out of those"
    for a, b in zip(one, other):
        if a != b:
            return f"{a} and then {b}"[:300]
    return f"{len(one)} operations, then {len(other)}"
