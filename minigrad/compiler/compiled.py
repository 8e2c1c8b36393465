"""`compile`: a function of tensors that is recorded, and then replayed as a flat list of array operations."""

import copy
import functools
import gc
import threading
import types
import weakref

from ..autograd import Leaf, Variable
from ..guard import warn
from . import traced
from .arguments import detached, in_words, inputs_in, kind_of, mapped, objects_in, shown
from .recorder import CHANGES_ARGUMENT, Recorder, described
from .recording import GRADIENT, NOTHING, Carried, Recording, Undone, alike, get_array
from .surroundings import Places, Surroundings, count_changes, state_of
from .traced import slot

ATTEMPTS = 4  # recordings to find two that agree
KINDS = 8  # kinds of arguments, and recordings for each, that a function keeps


def compile(function):
    """The function, recorded at its first calls and from then on replayed: the same results to the bit, in less time.

    `function`: typically a step of training: forward, backward and update, with the draw of its minibatch; also as a
    decorator. The calls of the array library are recorded in order, with the memory that they wrote to, which every
    replay writes anew; a replay makes them again, without the function, tensors or a graph. The steps of optimisers and
    schedules, and draws from the random stream, are run as they are. The first call is recorded and compared with the
    second: what is replayed has been the same twice.

    Compared before each replay: the kind of the arguments (of tensors shape, dtype and order in memory; of numbers and
    other objects which one it is) and everything that the function can reach through closures, globals, attributes and
    lists: numbers, switches, which tensors there are and whether they require grad, modules' modes and hooks. While it
    runs: values that left the tensors (`item()`, `bool()`, indices). Where one of these is another, a warning says so
    once, and the call is made as it is and recorded for the next; a replay that had begun is taken back first.

    Differences from a call as it is: the tensors returned are new and have no history, so `backward` belongs inside.
    What does not concern tensors, such as `print`, happens only when a call is recorded. A number as argument has a
    recording for each value, for at most 8: one that changes, such as a learning rate, belongs in a 0-d tensor. Threads
    may call it at the same time: one of them replays, or is recorded, and the others call the function as it is.

    A function is called as it is at every call, with a warning that names the reason, where it changes numbers or lists
    that it can reach, keeps tensors somewhere, reads tensors from elsewhere (an iterator) or NumPy arrays, hands
    numbers to NumPy (`numpy()`), decides by values that differ from call to call, or after an optimiser's step, seeds
    the random stream or draws from another, leaves other history in a tensor, returns objects made in it that are no
    tensors, numbers, tuples, lists or dicts, changes an argument or memory that this shares, or does other things at
    every call.

    What no recording can notice: files, the clock, `threading.local`; changes inside of lists and NumPy arrays with more
    than 4096 entries; globals and attributes of classes that are defined later and hide others; what a function takes of
    a Python module that another one hands it; entries put by hand into a module's registries (`_forward_hooks`); whether
    an argument is a tensor that the function knows by another name; and `requires_grad` of gradients. Where a replay
    puts tensors that shared memory, each has its own.
    """
    return Compiled(function)


class Kind:
    """What is known of calls with one kind of arguments, of which `objects` are."""

    def __init__(self, objects=()):
        self.objects = objects
        self.recordings, self.traces, self.carried, self.settings, self.plan = [], [], {}, [], None
        self.failures, self.detours, self.refused = 0, 0, None

    def refuse(self, problem):
        """Give up at the second problem: the first call of a function may be special."""
        self.failures += 1
        if self.failures > 1:
            self.refused = problem

    def forget(self, problem):
        """Give up what was recorded, too: it is of no use, and has much memory."""
        self.refused = problem
        self.recordings.clear()


class Compiled:
    """A function whose calls are recorded and replayed; see `compile`."""

    def __init__(self, function):
        count_changes()
        functools.update_wrapper(self, function, updated=())
        self.function, self.kinds, self.warned, self.busy = function, {}, set(), threading.Lock()
        self.copies = False  # whether gradients are handed out as copies

    def __reduce__(self):
        return compile, (self.function,)  # a copy knows nothing yet

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args, **kwargs):
        if not self.busy.acquire(False):  # inside of itself, or in another thread: its arrays are in use
            return self.as_it_is(args, kwargs)
        try:
            return self.call(args, kwargs)
        finally:
            self.busy.release()

    def as_it_is(self, args, kwargs):
        return mapped(detached, self.function(*args, **kwargs))

    def call(self, args, kwargs):
        if traced.at_work_here():  # this is part of what is recorded
            return self.as_it_is(args, kwargs)
        kind, drawn, cause = (kind_of(args), kind_of(kwargs) if kwargs else None), (), None
        known = self.kinds.get(kind) or self.another(kind, objects_in((args, kwargs)))
        for found in known.recordings:
            changed, given = found.difference(), args if found.flat else inputs_in((args, kwargs))
            if given and not found.fits(given):
                continue
            if changed is None and not found.is_kept():
                try:
                    return found.replay(given)
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
            known.forget(f"what it sees changes: {KINDS} recordings were made")
        if known.refused:
            self.warn("refused", f"{known.refused}; it is called as it is, not compiled")
            with Recorder(drawn) if drawn else NOTHING:
                return self.as_it_is(args, kwargs)
        if traced.recorder is not None and not drawn:  # of another thread: there can be one only
            return self.as_it_is(args, kwargs)
        result = self.record(known, args, kwargs, drawn)
        if cause is not None:
            self.detour(known, cause)
        return result

    def another(self, kind, objects):
        """Begin with arguments of another kind."""
        if len(self.kinds) >= KINDS:
            known = Kind()
            known.refused = (f"it was called in more than {KINDS} ways; another number or object as argument is another "
                             "way: pass numbers that change as tensors")  # fmt: skip
            return known
        known = Kind(objects)
        if self.kinds:
            self.warn("anew", "shapes, dtypes or arguments differ from those recorded: it is recorded anew for these")
        self.kinds[kind] = known
        return known

    def detour(self, known, cause):
        """A replay has met another value than the recorded call."""
        known.detours += 1
        self.warn("anew", f"what it does depends on values ({cause}): it is recorded anew")
        if known.detours > KINDS:
            known.forget(f"what it does depends on values ({cause})")

    def warn(self, about, text):
        """Say once that something is recorded anew, and once that something is not compiled."""
        if about not in self.warned:
            self.warned.add(about)
            warn(f"compile({getattr(self, '__name__', self.function)}): {text}")

    def record(self, known, args, kwargs, drawn):
        """Call the function and note down what it does; keep that once two recordings agree."""
        given, private, tensors = inputs_in((args, kwargs)), {}, {}
        known.carried = {key: copy.copy(carried) for key, carried in known.carried.items()}  # a recording may have those
        for carried in known.carried.values():
            array = carried.array()
            carried.before = private.setdefault(id(array), (array.copy(order="K"), array))[0]
        for carried in known.carried.values():
            carried.put(carried.before, tensors)
        before = Surroundings(("", self.function), settings=known.settings)
        alone = before.call_with(given, args, kwargs)
        nodes = [(x, x.node) for x in before.tensors.values()]
        leaves = {x.node: x.node.grad for x in before.tensors.values() if isinstance(x.node, Leaf)}
        arrays = {id(x): x.array for x in given}
        own = {i: array.copy(order="K") if known.traces and alone else array for i, array in arrays.items()}
        inputs, pairs = [own[id(x)] for x in given], [(own[i], array) for i, array in arrays.items()]
        try:
            for x in given:  # the calls read arrays that nobody else has
                slot.__set__(x, own[id(x)])
            with Recorder(drawn, known.plan, known.traces[-1] if known.traces else (), pairs) as recorder:
                result = mapped(detached, self.function(*args, **kwargs))
                recorder.say(recorder.aside(described, mapped(get_array, result)))
        finally:
            for x in given:
                if get_array(x) is own[id(x)]:
                    slot.__set__(x, arrays[id(x)])
                else:
                    recorder.note(CHANGES_ARGUMENT)
        made = {id(x) for x in recorder.survivors}
        gradients = [(node, g, id(g) in recorder.read, node.grad, id(node.grad) in made and node.grad is not g)
                     for node, g in leaves.items()]  # fmt: skip
        carried, problem = consequences(recorder, before, gradients, result, made)
        if any(x.node is not node for x, node in nodes):
            problem = problem or "it leaves another history, or requires_grad, in a tensor that it can reach"
        if not alone:
            problem = problem or "it is given a tensor that it can reach by itself, too"
        if any(x.node is not None for x in given):
            problem = problem or CHANGES_ARGUMENT
        known.settings, known.plan = [*recorder.settings.values()], recorder.plan
        if problem:
            known.refuse(problem)
        elif recorder.trace in known.traces and carried.keys() == known.carried.keys():
            for key, place in carried.items():
                place.before, place.after = known.carried[key].before, place.array()
            outcome = mapped(lambda x: get_array(x) if id(x) in made else x, result)
            found = Recording(recorder, before, given, inputs, [*carried.values()], gradients, outcome, self.copies)
            found.flat = len(inputs) == len(args) and not kwargs and all(isinstance(x, Variable) for x in args)
            known.recordings.append(found)
            known.carried = carried
            del recorder, result, outcome, before, leaves, gradients
            result = found.hand_out()
            found.owned = found.owners()
        else:
            known.carried, known.traces = carried, [*known.traces[1 - ATTEMPTS :], recorder.trace]
            if len(known.traces) == ATTEMPTS:
                known.forget(f"it does something else at every call: {disagreement(*known.traces[-2:])}")
        return result


def consequences(recorder, before, gradients, result, made):
    """The tensors that a call replaced, by key, and what it did that cannot be replayed, or None."""
    carried, problems = {}, [recorder.problem] if recorder.problem else []
    if before.iterator is not None:
        problems.append(f"it uses an iterator, {before.iterator}, of which nobody can tell what comes next")
    if before.stepping is not None:
        problems.append(f"something else stands in the place of {before.stepping}, of which a replay would not know")
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
    reached = before.tensors.keys() | before.given.keys() | {id(g) for _, g, _, _, _ in gradients}
    for i, (tensor, _) in recorder.read.items():
        if i not in reached:
            problems.append(f"it reads {shown(tensor)} that it has not from its arguments, closure, globals or the objects "
                            "there, so that a replay could not tell whether there is another")  # fmt: skip
    if any(was_read and g is not old for _, old, was_read, g, _ in gradients):
        problems.append("it uses a gradient of the call before and replaces it")
    if recorder.opaque and max(recorder.guards, default=-1) > recorder.opaque[0]:
        problems.append("values decide what it does after an optimiser's step, which could not be taken back")
    if any(c.place is None and id(c.tensor) in recorder.stepped for c in carried.values()):
        problems.append("it gives a parameter of an optimiser that steps another array")
    for x in objects_in(result):
        if not isinstance(x, (Variable, tuple, type)) and id(x) not in before.seen:
            problems.append(f"it returns {shown(x)}, which would be one and the same at every replay")
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
