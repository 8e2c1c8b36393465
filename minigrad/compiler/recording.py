"""A recording: a list of calls, what must be as it was for them to be right, and where their results go."""

import contextlib
import operator
import sys

from .. import autograd
from ..autograd import Variable, mode, tick, wrap
from ..backend import NUMBERS, Array, root_of, unwarned
from . import surroundings
from .arguments import mapped
from .calls import hand_over
from .surroundings import Places
from .traced import layout, slot

GRADIENT = "a gradient", "there", "not"
MEMORY = "the memory of a tensor", "one array", "another"
HELD = MEMORY, ("requires_grad or the history of a tensor", "what it was", "another"), GRADIENT
NOTHING = contextlib.nullcontext()
get_array = slot.__get__


def alike(then, now):
    """Whether a tensor can stand where another was recorded that the function replaces."""
    return isinstance(now, Variable) and now.node is None and layout(get_array(now)) == layout(then)


def hooks_of(node):
    return None if node is None or node.hooks is None else (tuple(node.hooks.functions.values()), node.hooks.retain)


def pattern(tensors):
    """Where each of them stands first."""
    ids = [*map(id, tensors)]
    return [*map(ids.index, ids)]


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

    `inputs`: the arrays that stand for the tensors `given` as arguments. `gradients`: [(leaf node, its gradient before,
    whether the numbers of that were read, its gradient after, whether the calls make that)]. `copies`: whether gradients
    are handed out as copies, because somebody keeps them.
    """

    def __init__(self, recorder, before, given, inputs, carried, gradients, result, copies):
        self.inputs, self.carried, self.pattern = inputs, carried, pattern(given)
        stepped = [get_array(x) for x in before.tensors.values() if id(x) in recorder.stepped]
        self.written = {id(root_of(array)) for array in (*stepped, *[array for _, array in recorder.writes])}
        self.same = [node for node, _, was_read, _, _ in gradients if was_read]
        self.others, self.absent = split([(node, g is None) for node, g, was_read, _, _ in gradients if not was_read])
        self.result, self.copies, self.errors = result, copies, recorder.errors
        self.replaced = {c.key: c for c in carried}
        self.places = Places(before.places, before.containers)
        self.watched, self.changes = Places(before.watched, before.watched_containers), surroundings.changes
        changing = {id(c.before) for c in carried} | {id(get_array(c.tensor)) for c in carried}
        self.reached = [*before.tensors.values()]
        used = [g for _, g, was_read, _, _ in gradients if was_read and g is not None]
        self.tensors = [x for x in (*self.reached, *used) if id(get_array(x)) not in changing]
        self.nodes = [x.node for x in self.reached]
        self.held, self.hooks = self.holdings(), [*map(hooks_of, self.nodes)]
        self.leaves, self.made = split([(node, g) for node, _, _, g, made in gradients if made])
        self.intact = [*self.made, *map(get_array, self.made)]
        self.new_gradients = [(node, g) for node, before, _, g, _ in gradients if g is not before or node in recorder.handed]
        self.mode = mode.enabled, NUMBERS[float]
        last = max([recorder.fallible, *recorder.guards])
        places = [i for i, call in enumerate(recorder.calls) if call is not None]
        self.calls = [recorder.calls[i] for i in places]
        self.safe = sum(i <= last for i in places)  # so many calls can be taken back
        self.saved = [(x, x.copy()) for x in {id(x): x for i, x in recorder.writes if i <= last}.values()]
        self.draws = [(sum(j <= i for j in places), draw) for i, draw in recorder.draws]
        versions = {id(x.version) for x in before.tensors.values()}
        self.versions = [(version, n) for version, n in recorder.versions.values() if id(version) in versions]

    def fits(self, given):
        """Whether arguments are one another where they were, and lie in no memory that the calls write."""
        if len(given) > 1 and pattern(given) != self.pattern:
            return False
        for x in given:
            array = x.array
            if id(array if array.base is None else root_of(array)) in self.written:
                return False
        return True

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
        if not all(map(operator.is_, now := self.holdings(), self.held)):
            first = next(i for i, (x, then) in enumerate(zip(now, self.held)) if x is not then)
            return HELD[(first >= len(self.tensors)) + (first >= len(self.tensors) + len(self.reached))]
        if self.mode != (mode.enabled, NUMBERS[float]):
            return "grad mode or default dtype", self.mode, (mode.enabled, NUMBERS[float])
        for carried in self.carried:
            if carried.place is None and layout(carried.array()) != layout(carried.before):
                return "the layout of a tensor", "one", "another"
        return GRADIENT if [node.grad is None for node in self.others] != self.absent else None

    def holdings(self):
        """What the tensors that the function can reach hold: arrays, nodes, and those gradients that it reads."""
        return [*[x.array for x in self.tensors], *[x.node for x in self.reached], *[node.grad for node in self.same]]

    def owners(self):
        """How many hold each gradient that the calls write, and its array."""
        return [*map(sys.getrefcount, self.intact)]

    def is_kept(self):
        """Whether somebody keeps a gradient of the call before, or its array, which a replay would overwrite."""
        if self.copies:
            return False
        owners, now = self.owners(), [*[node.grad for node in self.leaves], *[g.array for g in self.made]]
        if owners == self.owned and all(map(operator.is_, now, self.intact)):
            return False
        gone = [*map(operator.is_not, now, self.intact)]  # gradients from leaves, which own them no more, and arrays
        return any(gone[len(self.made) :]) or any(map(operator.gt, map(operator.add, owners, gone), self.owned))

    def replay(self, tensors):
        """Make the calls; raises Undone, with everything as before, where a value leads another way."""
        for array, tensor in zip(self.inputs, tensors):
            array[...] = tensor.array  # in a third of the time of `copyto`
        for carried in self.carried:
            carried.before[...] = carried.array()
        for array, copy in self.saved:
            copy[...] = array
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
                array[...] = copy
            raise Undone([draw.last for place, draw in self.draws if place <= done]) from error
        if self.versions:
            now = autograd.newest_change = tick()
            for version, n in self.versions:
                version.changed, version.count = now, version.count + n
        return self.hand_out()

    def hand_out(self):
        """Put the results of the calls where the function puts them, and return what it returns."""
        hand_over(self.new_gradients)
        if self.copies:
            hand_over([(node, wrap(get_array(g).copy())) for node, g in zip(self.leaves, self.made)])
        if self.carried:
            copies, tensors = {id(c.after): c.after.copy(order="K") for c in self.carried}, {}
            for carried in self.carried:
                carried.put(copies[id(carried.after)], tensors)
            self.places.note()
        return mapped(lambda array: wrap(array.copy(order="K")), self.result, Array)
