"""Recording: what one call of a function does to arrays, as a flat list of calls that can be made again.

While a `Recorder` is at work, the library computes with `Traced` arrays: real arrays, so that the call has its results,
around which every call of the array library is noted down with the memory that it wrote to. Nothing in the engine asks
whether that is so: the names by which its files reach the array library are exchanged for the time of a recording, and
`Tensor.array` hands out Traced arrays. Afterwards everything is as it was, and an eager call costs what it did.

What is noted is a call without arguments (a `partial` on raw arrays): its inputs are the very arrays that it read, its
output goes to an array that is written anew at every replay. So views cost nothing in a replay, as they stay valid; and
memory is shared by results whose lifetimes do not meet, as it was in the recorded call.

What no list of calls can repeat is a *problem*: the recorded call goes on and has its result, but is not replayed.
"""

import hashlib
import signal
import threading
from functools import partial

from ..autograd import Leaf
from ..backend import Array, address, error_actions, on_gpu, raise_errors, root_of, to_numpy, xp
from ..cpu import give_back_freed_memory
from . import traced
from .arena import Arena
from .calls import (
    KEYWORD_ONLY,
    LARGE,
    NEVER_FAILING,
    STABLE,
    Draw,
    bits_of,
    check,
    hand_over,
    must_fail,
    operands,
    refill,
    refill_all,
    with_output,
    written,
)
from .exchange import exchange
from .surroundings import parameters_of
from .traced import UFUNC, Memory, Traced, is_view, plain, slot

CHANGES_ARGUMENT = "it changes its argument, or memory that this shares with others"
PYTHON_VALUES = bool, int, float, complex, str


class CtrlC:
    """Lets Ctrl-C wait while what a recording exchanges is half exchanged, so that all of it is put back.

    Between `start` and `stop` it is met as usual where `open` is set, but not on the way into the functions `shut`.
    """

    def __init__(self, *shut):
        self.shut, self.open, self.waiting, self.usual = [f.__code__ for f in shut], False, False, None

    def start(self):
        usual = signal.getsignal(signal.SIGINT)
        if callable(usual) and threading.current_thread() is threading.main_thread():  # no other thread hears of it
            self.usual = usual
            signal.signal(signal.SIGINT, self.handle)

    def handle(self, number, frame):
        if not self.open or frame is not None and frame.f_code in self.shut:
            self.waiting = True
            return
        try:
            self.usual(number, frame)
        finally:  # which may have set another handler for the next time
            if (now := signal.getsignal(signal.SIGINT)) != self.handle:
                self.usual = now
                signal.signal(signal.SIGINT, self.handle)

    def stop(self):
        usual, waiting, self.usual, self.waiting = self.usual, self.waiting, None, False
        if usual is not None:
            signal.signal(signal.SIGINT, usual)
            if waiting and callable(usual):
                usual(signal.SIGINT, None)


class Recorder:
    """Notes down what happens inside a `with` block; `drawn` are random numbers to hand out first, in order.

    `plan`: of the Arena of an earlier recording; without one, no calls are kept, as they would keep their arrays.
    `before`: the trace of an earlier recording, whose words this one shares where they are the same. `arguments`: the
    array that stands for each argument, and that of the caller, which may be the same.

    `calls`: the list. `trace`: the same in words that can be compared. `read`: {id: (tensor, array)} of the tensors from
    before whose numbers were used. `made`: tensors that got an array here. `guards`, `writes`, `draws`: places in the
    list of calls that may raise Changed, of calls that write to memory from before, and of draws. `fallible`: the last
    place before an optimiser's step where other numbers may raise an error. `stepped`: ids of parameters that step.
    """

    def __init__(self, drawn=(), plan=None, before=(), arguments=()):
        self.arena, self.before, self.arguments = Arena(plan), before, arguments
        self.calls, self.trace, self.guards, self.writes, self.draws = [], [], [], [], []
        self.drawn, self.read, self.made = list(drawn), {}, {}
        self.outer, self.memories, self.fallible, self.stepped = {}, 0, -1, set()
        self.paused, self.problem, self.raising, self.opaque, self.handed = False, None, [], [], {}
        self.versions, self.settings, self.errors, self.errors_before = {}, {}, False, error_actions()
        self.thread, self.ctrl_c = threading.get_ident(), CtrlC(Recorder.__exit__, Memory.__del__)

    def say(self, words):
        """Add to the trace."""
        place = len(self.trace)
        known = self.before[place] if place < len(self.before) else None
        self.trace.append(known if known == words else words)

    def note(self, problem):
        """Remember the first thing that cannot be replayed."""
        self.problem = self.problem or problem

    def __enter__(self):
        self.ctrl_c.start()
        self.exchange = exchange()
        try:
            self.exchange.__enter__()
        except BaseException:
            self.ctrl_c.stop()
            raise
        traced.recorder, self.ctrl_c.open = self, True
        return self

    def __exit__(self, *exception):
        self.ctrl_c.open = False
        traced.recorder, self.plan = None, self.arena.plan()
        self.exchange.__exit__(None, None, None)
        self.survivors = [tensor for tensor in (ref() for ref in self.made.values()) if tensor is not None]
        for tensor in self.survivors:
            array = slot.__get__(tensor)
            if array.__class__ is Traced:
                slot.__set__(tensor, array.raw)
        self.ctrl_c.stop()

    def aside(self, function, *args, **kwargs):
        """Call a function without noting down what it does."""
        self.paused = True
        try:
            return function(*args, **kwargs)
        finally:
            self.paused = False

    # ------------------------------------------------------------------------------------------------- arrays

    def memory(self, array, **kind):
        self.memories += 1
        return Memory(array, self.memories, **kind)

    def from_outside(self, tensor, array):
        """The traced array of a tensor that was there before."""
        self.read[id(tensor)] = tensor, array
        root = root_of(array)
        memory = self.outer.get(id(root))
        if memory is None:
            memory = self.outer[id(root)] = self.memory(root, outer=True)
        return memory.holding(array)

    def constant(self, array):
        """An array that is the same at every call; it is filled anew where the call writes to it."""
        memory = self.memory(array, constant=True)
        memory.initial = len(self.calls), array.copy() if bits_of(array).any() else 0
        self.calls.append(None)
        return Traced(array, memory)

    # -------------------------------------------------------------------------------------------------- calls

    def add(self, call, writes=(), guard=False):
        for memory in writes:
            if memory.constant and not memory.written:
                place, values = memory.initial
                self.calls[place] = partial(xp.copyto, memory.array, values)
            memory.written, memory.constant = True, False
            if memory.outer:
                self.writes.append((len(self.calls), memory.array))
                self.spread(memory.array)
        if guard:
            self.guards.append(len(self.calls))
        self.calls.append(call if self.arena.planned else None)

    def spread(self, written):
        """Note that arguments, or memory that they lie in, were written; all that share it have the same numbers again."""
        own = [pair for pair in self.arguments if xp.may_share_memory(pair[0], written)]
        if not own and not any(xp.may_share_memory(given, written) for _, given in self.arguments):
            return
        self.note(CHANGES_ARGUMENT)
        for array, given in own:
            xp.copyto(given, array)
        for array, given in self.arguments:
            xp.copyto(array, given)

    def call(self, function, args, kwargs, receiver=None, writes=None):
        """Call a function with traced arrays among its arguments, and note it down."""
        inputs = [] if receiver is None else [receiver]
        raw, options = plain(args, inputs), plain(kwargs, inputs)
        name = function.__name__
        self.say(name + self.aside(described, (receiver, args, kwargs)))
        self.follow_errors()
        out = kwargs.get("out")
        if isinstance(function, UFUNC):
            if len(args) > function.nin:
                out, raw = args[function.nin], raw[: function.nin]
            raw = self.aside(operands, raw, out)
        elif name == "dot" and len(args) > (receiver is None) + 1:
            out = args[-1]
        out = out[0] if out.__class__ is tuple else out
        options.pop("out", None)
        if out is not None and isinstance(function, UFUNC) and name not in KEYWORD_ONLY:
            raw = (*raw, plain(out))
        elif out is not None and name != "dot":
            options["out"] = plain(out)
        redo = partial(function, *raw, **options)
        if not self.opaque and (self.raising or not isinstance(function, UFUNC) and name not in NEVER_FAILING):
            self.fallible = len(self.calls)
        try:
            result = self.aside(redo)
        except Exception as error:
            self.add(partial(must_fail, redo, type(error)), guard=True)
            raise
        if out is not None:
            if out.__class__ is Traced:
                self.add(redo, [out.memory])
            else:
                self.note(traced.TO_NUMPY)
            return out
        if result is None:
            self.add(redo, [x.memory for x in (inputs[:1] if writes is None else writes)])
            return None
        result = self.bound(result, inputs, function, raw, options)
        if writes:  # beside what it returned
            self.add(written, [x.memory for x in writes])
        return result

    def bound(self, result, inputs, function, raw, options):
        """The result of a call as the recorded function gets it."""
        if isinstance(result, xp.generic):
            result = xp.asarray(result)
        folded = all(x.memory.constant for x in inputs)
        if isinstance(result, Array):
            for x in inputs:
                if result is x.raw:
                    return x
                if is_view(result, x):
                    return x.memory.holding(result)
            if function.__name__.startswith("empty"):
                return self.result_like(result)
            if folded:
                return self.constant(result)
            return self.computed(result, function, raw, options)
        if isinstance(result, tuple) and any(isinstance(x, Array) for x in result):
            outs = [Traced(x, self.memory(x)) for x in result]
            self.add(partial(refill_all, result, function, raw, options), guard=True)
            return tuple(outs)
        if isinstance(result, (*PYTHON_VALUES, list, tuple)) and not folded:
            self.add(partial(check, function, raw, options, result), guard=True)
        return result

    def computed(self, result, function, raw, options):
        """A fresh result in a buffer: the form of the function with an output, if it gives the same bits there."""
        traced = self.result_like(result)
        out, call = traced.raw, partial(refill, traced.raw, function, raw, options)
        form = None if on_gpu else with_output(function, raw, options, out)
        if form is not None and self.arena.planned:
            expected = digest(result)
            release(result)
            try:
                self.aside(form)
                call = form if digest(out) == expected else call
            except Exception:  # whatever it does not like, there is the other way
                pass
            if call is not form:
                self.aside(call)
        elif out is not result:
            xp.copyto(out, result)
        self.add(call, guard=form is None and not isinstance(function, UFUNC) and function.__name__ not in STABLE)
        return traced

    def result_like(self, array):
        """A traced array that a replay writes to, laid out like that one."""
        out, number = self.arena.take(array)
        return Traced(out, self.memory(out, give_back=partial(self.arena.give, number)))

    def follow_errors(self):
        """Note down where floating-point errors begin, or cease, to raise."""
        actions = self.aside(error_actions)
        self.errors |= actions != self.errors_before
        raising = [kind for kind, action in actions.items() if action == "raise"]
        if raising != self.raising:
            self.raising = raising
            self.add(partial(raise_errors, *raising), guard=True)

    def draw(self, method, generator, *args, **kwargs):
        """Random numbers, drawn anew at every replay."""
        self.say(method.__name__ + self.aside(described, (args, kwargs)))
        raw, options, place = plain(args, []), plain(kwargs, []), len(self.calls)
        numbers = self.drawn.pop(0) if self.drawn else self.aside(method, generator, *raw, **options)
        out = xp.array(numbers)
        draw = Draw(partial(method, generator), raw, options, out)
        draw.last = numbers
        self.draws.append((place, draw))
        self.add(draw)
        return Traced(out, self.memory(out))

    def as_it_is(self, method, owner, *args, **kwargs):
        """A method that changes state of Python's, such as an optimiser's step: called itself at every replay."""
        self.say(f"{method.__qualname__}({id(owner)})")
        if args or kwargs:
            self.note(f"{method.__qualname__} has arguments")
        self.opaque.append(len(self.calls))
        parameters = parameters_of(owner)
        self.stepped.update(map(id, parameters))
        self.handed.update(gradients := self.gradients(parameters))
        self.add(partial(hand_over, gradients))
        self.add(partial(method, owner))
        result = self.aside(method, owner, *args, **kwargs)
        for p in parameters:
            self.spread(slot.__get__(p))
        return result

    def gradients(self, parameters):
        """[(leaf, gradient)] of the leaves that were used or step, where the gradient was made here or is none."""
        tensors = [*(tensor for tensor, _ in self.read.values()), *parameters]
        leaves = {tensor.node: tensor.node.grad for tensor in tensors if isinstance(tensor.node, Leaf)}
        return [(leaf, g) for leaf, g in leaves.items() if g is None or id(g) in self.made]


def digest(array):
    """A number that arrays of one layout share where they are equal to the bit."""
    return hashlib.blake2b(array.ravel("K").view("u1")).digest()


def release(array):
    """Free the memory of a large array that nobody will read any more, though somebody may still hold it.

    Together with its copy it could be more than a training step ever needs at once.
    """
    if array.base is None and array.flags.forc and array.nbytes > LARGE:
        array.resize(0, refcheck=False)
        give_back_freed_memory()


def described(x):
    """An argument in words that are equal where two recordings did the same."""
    if x.__class__ is Traced:
        start = address(x.raw) - address(x.memory.array) if x.raw.size else 0
        words = f"array {x.memory.number} from {start}: {x.raw.dtype} {x.raw.shape}"
        if not x.raw.flags.c_contiguous:
            words += f" {x.raw.strides}"
        return f"{words} {hash(to_numpy(x.raw).tobytes())}" if x.memory.constant else words
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(described, x))})"
    if x.__class__ is dict:
        return f"{{{', '.join(f'{key}: {described(y)}' for key, y in x.items())}}}"
    return repr(x)
