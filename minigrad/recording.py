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

import contextlib
import functools
import signal
import sys
import threading
import weakref
from functools import partial, partialmethod

from . import arena, autograd, backend, cpu, kernels, random
from .autograd import Leaf, Variable
from .backend import Array, asarray, error_actions, on_gpu, raise_errors, xp
from .ops import conv, inplace
from .optim.lr_scheduler import LRScheduler
from .optim.optimizer import Optimizer

SCALARS = bool, int, float, complex, str
LARGE = 1 << 16  # bytes; rows beyond this are picked without the copy that NumPy makes to check indices first
COPIES = {"copy", "astype", "array", "asarray", "ascontiguousarray"}
REDUCTIONS = "sum mean max min prod all any argmax argmin cumsum cumprod clip concatenate stack".split()
DRAWS = "rand uniform randn normal exponential bernoulli dropout_mask randint randperm multinomial".split()
SEEDING = "manual_seed", "seed", "set_state"
# functions that return shapes which do not depend on values, beside those that write to an output
STABLE = {"where", "conv_weight_", "norm", "tile", "roll", "flip", "vecdot", "__pow__", "triu", "tril", "sort", "argsort"}
STABLE |= {"take", "reduce", "dot", "launch", *COPIES, *REDUCTIONS}
KEYWORD_ONLY = "maximum", "minimum"  # of which NumPy will not take an output by position any more
TO_NUMPY = "numbers of a tensor leave for NumPy, by numpy() or print, and nobody sees what happens to them there"
SEEDS = "it sets the state of the random stream"
MISSING = object()
slot = Variable.array  # where a tensor keeps its array
recorder = None  # the one at work
one_at_a_time = threading.Lock()  # held by the recorder at work, as what it exchanges is there for all threads


def at_work_here():
    """Whether this thread is being recorded."""
    return recorder is not None and recorder.thread == threading.get_ident()


def active():
    """The recorder at work, if it is this thread's and not looking away."""
    return recorder if recorder is not None and not recorder.paused and recorder.thread == threading.get_ident() else None


class Changed(Exception):
    """A replay met a value that would have led the recorded call another way."""


# ------------------------------------------------------------------------------------------- calls of a replay


def refill(out, function, args, kwargs):
    """Call a function that has no form with an output array, and copy its result to where it was before."""
    y = function(*args, **kwargs)
    if y.shape != out.shape or y.dtype != out.dtype:
        raise Changed(f"{function.__name__} gave {y.dtype} of shape {y.shape} instead of {out.dtype} of {out.shape}")
    xp.copyto(out, y)


def refill_all(outs, function, args, kwargs):
    """The same for a function that returns several arrays."""
    for out, y in zip(outs, function(*args, **kwargs), strict=True):
        refill(out, lambda y=y: y, (), {})


def written():
    """Stands for what the call before it wrote beside the arrays that it returned."""


def check(function, args, kwargs, expected):
    """Compare a value that left the arrays, and may have decided what came after it, with what it was."""
    value = function(*args, **kwargs)
    if value is not expected and repr(value) != repr(expected):  # which tells 0.0 from -0.0, and finds NaN equal
        raise Changed(f"{function.__name__} gave {value} instead of {expected}")


def must_fail(call, kind):
    """Make a call that failed, and whose error led another way: it has to fail again."""
    try:
        call()
    except kind:
        return
    raise Changed(f"{call.func.__name__} gave a result instead of a {kind.__name__}")


def take_wrapped(x, index, out):
    """Rows of x as `x.take(index, 0)` picks them, checked beforehand."""
    if index.size and not (-len(x) <= index.min() and index.max() < len(x)):
        x.take(index, 0)  # which says what is wrong
    x.take(index, 0, out, "wrap")


class Draw:
    """A call for numbers that are drawn anew at every replay; `last` is kept for a replay that has to be taken back."""

    def __init__(self, function, args, kwargs, out):
        self.function, self.args, self.kwargs, self.out = function, args, kwargs, out

    def __call__(self):
        self.last = self.function(*self.args, **self.kwargs)
        self.out[...] = asarray(self.last)


# -------------------------------------------------------------------------------------------------- traced arrays


class Memory:
    """The memory that a traced array and its views lie in.

    `outer`: it was there before the recording. `constant`: what it holds does not depend on anything outer or drawn.
    `give_back` is called when the last array in it is gone, so that a later result can lie there.
    """

    give_back = None  # also of one that Ctrl-C kept from being made

    def __init__(self, array, number, outer=False, constant=False, give_back=None):
        self.array, self.number, self.outer, self.constant, self.give_back = array, number, outer, constant, give_back
        self.written, self.initial = False, None
        self.traced = weakref.WeakValueDictionary()  # by id of the raw array

    def holding(self, raw):
        """The traced array of a raw one in this memory: one and the same, as the engine compares arrays with `is`."""
        traced = self.traced.get(id(raw))
        return Traced(raw, self) if traced is None else traced

    def __del__(self):
        if self.give_back is not None:
            self.give_back()


def layout(array):
    return array.shape, array.strides, array.dtype


class KindOfArray(type):
    """What threads beside the recording one hold are raw arrays, and arrays to them even while `Array` is Traced."""

    def __instancecheck__(cls, x):
        return x.__class__ is Traced or isinstance(x, Array)


class Traced(metaclass=KindOfArray):
    """An array whose use is noted down."""

    __slots__ = ("raw", "memory", "__weakref__")
    __array_priority__ = 500.0

    def __init__(self, raw, memory):
        self.raw, self.memory = raw, memory
        memory.traced[id(raw)] = self

    def __getattr__(self, name):
        value = getattr(self.raw, name)
        if callable(value):
            return partial(self.call, name)
        return self.memory.holding(value) if isinstance(value, Array) else value

    def call(self, name, *args, **kwargs):
        """The method of that name."""
        at_work, method = active(), getattr(self.raw, name)
        if at_work is None:
            return method(*plain(args), **plain(kwargs))
        return at_work.call(method, args, kwargs, self)

    @property
    def base(self):
        base = self.raw.base
        return base if base is None or not isinstance(base, Array) else self.memory.holding(base)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return Function(getattr(ufunc, method) if method != "__call__" else ufunc)(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return Function(function)(*args, **kwargs)

    def __array__(self, dtype=None, copy=None):
        if active() is not None:
            recorder.note(TO_NUMPY)
        return self.raw if dtype is None else self.raw.astype(dtype)

    def __getitem__(self, index):
        return self.call("__getitem__", index)

    def __setitem__(self, index, value):
        self.call("__setitem__", index, value)

    def __len__(self):
        return len(self.raw)

    def __iter__(self):
        return (self[i] for i in range(len(self.raw)))

    def __bool__(self):
        return self.call("__bool__")

    def __int__(self):
        return self.call("__int__")

    def __float__(self):
        return self.call("__float__")

    def __index__(self):
        return self.call("__index__")

    def __pow__(self, other):  # NumPy's operator has short ways for some numbers that its function has not
        return self.call("__pow__", other)


def operators(name, ufunc, in_place=True):
    """Give Traced the operator of that name: from the left, from the right, and in place."""
    function = Function(ufunc)

    def left(self, other):
        return NotImplemented if isinstance(other, Variable) else function(self, other)

    def right(self, other):
        return NotImplemented if isinstance(other, Variable) else function(other, self)

    setattr(Traced, f"__{name}__", left)
    if in_place:
        setattr(Traced, f"__r{name}__", right)
        setattr(Traced, f"__i{name}__", lambda self, other: function(self, other, out=self))


def plain(x, found=None):
    """The argument with raw arrays in place of traced ones, which are added to `found`."""
    kind = x.__class__
    if kind is Traced:
        if found is not None:
            found.append(x)
        return x.raw
    if kind is tuple or kind is list:
        return kind([plain(y, found) for y in x])
    if kind is dict:
        return {key: plain(y, found) for key, y in x.items()}
    if found is not None and isinstance(x, backend.COMPARABLE) and not isinstance(x, xp.generic):
        recorder.note("numbers come from a NumPy array, which may be another one at the next call: make it a tensor before")
    return x


class Function:
    """A function of the array library whose calls are noted down."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        at_work = active()
        return self.function(*plain(args), **plain(kwargs)) if at_work is None else at_work.call(self.function, args, kwargs)

    def __getattr__(self, name):  # such as `add.reduce`
        value = getattr(self.function, name)
        return Function(value) if callable(value) else value


class Library:
    """What stands for the array library, or a part of it, while a recorder is at work."""

    def __init__(self, library):
        self.library = library

    def __getattr__(self, name):
        value = getattr(self.library, name)
        if name == "linalg":
            return Library(value)
        return value if isinstance(value, type) or not callable(value) else Function(value)


UFUNC = type(xp.add)
for name, ufunc in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift",
}.items():  # fmt: skip
    operators(name, getattr(xp, ufunc))
for name, ufunc in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                    "ne": "not_equal"}.items():  # fmt: skip
    operators(name, getattr(xp, ufunc), in_place=False)
for name, ufunc in {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}.items():
    setattr(Traced, f"__{name}__", partialmethod(lambda self, function: function(self), Function(getattr(xp, ufunc))))
Traced.__hash__ = object.__hash__


# ---------------------------------------------------------------------------------------------------- the recorder


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
    `words`: of earlier recordings, for their traces to share.

    `calls`: the list. `trace`: the same in words that can be compared. `read`: {id: (tensor, array)} of the tensors from
    before whose numbers were used. `made`: tensors that got an array here. `guards`, `writes`, `draws`: places in the
    list of calls that may raise Changed, of calls that write to memory from before, and of draws.
    """

    def __init__(self, drawn=(), plan=None, words=None):
        self.arena, self.words = arena.Arena(plan), {} if words is None else words
        self.calls, self.trace, self.guards, self.writes, self.draws = [], [], [], [], []
        self.drawn, self.read, self.made = list(drawn), {}, {}
        self.outer, self.memories = {}, 0
        self.paused, self.problem, self.raising, self.opaque, self.handed = False, None, [], [], {}
        self.versions, self.settings, self.errors, self.errors_before = {}, {}, False, error_actions()
        self.thread, self.ctrl_c = threading.get_ident(), CtrlC(Recorder.__exit__, Memory.__del__)

    def same(self, words):
        """An equal object from before, so that what is said often is kept once."""
        return self.words.setdefault(words, words)

    def note(self, problem):
        """Remember the first thing that cannot be replayed."""
        self.problem = self.problem or problem

    def __enter__(self):
        global recorder
        if self.arena.planned:
            cpu.give_back_freed_memory()  # of the recording before: its pieces would lie beside the one block of this one
        self.ctrl_c.start()
        self.exchange = exchange()
        try:
            self.exchange.__enter__()
        except BaseException:
            self.ctrl_c.stop()
            raise
        recorder, self.ctrl_c.open = self, True
        return self

    def __exit__(self, *exception):
        global recorder
        self.ctrl_c.open = False
        recorder, self.plan = None, self.arena.plan()
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
        root = array
        while isinstance(root.base, Array):
            root = root.base
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
        if guard:
            self.guards.append(len(self.calls))
        self.calls.append(call if self.arena.planned else None)

    def call(self, function, args, kwargs, receiver=None, writes=None):
        """Call a function with traced arrays among its arguments, and note it down."""
        inputs = [] if receiver is None else [receiver]
        raw, options = plain(args, inputs), plain(kwargs, inputs)
        name = function.__name__
        self.trace.append((name, *self.aside(described, (receiver, args, kwargs))))
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
        try:
            result = self.aside(redo)
        except Exception as error:
            self.add(partial(must_fail, redo, type(error)), guard=True)
            raise
        if out is not None:
            self.add(redo, [out.memory])
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
        if isinstance(result, (*SCALARS, list, tuple)) and not folded:
            self.add(partial(check, function, raw, options, result), guard=True)
        return result

    def computed(self, result, function, raw, options):
        """A fresh result in a buffer: the form of the function with an output, if it gives the same bits there."""
        traced = self.result_like(result)
        out, call = traced.raw, partial(refill, traced.raw, function, raw, options)
        form = None if on_gpu else with_output(function, raw, options, out)
        if form is not None and self.arena.planned:
            try:
                self.aside(form)
                call = form if (bits_of(out) == bits_of(result)).all() else call
            except Exception:  # whatever it does not like, there is the other way
                pass
        if out is not result and call is not form:
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
        self.trace.append((method.__name__, *self.aside(described, (args, kwargs))))
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
        self.trace.append((method.__qualname__, id(owner)))
        if args or kwargs:
            self.note(f"{method.__qualname__} has arguments")
        self.opaque.append(len(self.calls))
        self.handed.update(gradients := self.gradients())
        self.add(partial(hand_over, gradients))
        self.add(partial(method, owner))
        return self.aside(method, owner, *args, **kwargs)

    def gradients(self):
        """[(leaf, gradient)] of the leaves that were used, where the gradient was made here or is none."""
        leaves = {tensor.node: tensor.node.grad for tensor, _ in self.read.values() if isinstance(tensor.node, Leaf)}
        return [(leaf, g) for leaf, g in leaves.items() if g is None or id(g) in self.made]


def hand_over(gradients):
    """Let the leaves have their gradients, for those who look for them there."""
    for leaf, g in gradients:
        leaf.grad = g


def bits_of(array):
    return array.view(f"u{array.itemsize}")


def operands(raw, out):
    """Small numbers beside arrays of one dtype as 0-d arrays of it, which NumPy need not convert at every call."""
    dtypes = {x.dtype for x in raw if isinstance(x, Array)} | ({out.dtype} if out.__class__ is Traced else set())
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if on_gpu or dtype is None or dtype.kind not in "fi":
        return raw
    fitting = (int, float) if dtype.kind == "f" else (int,)
    return tuple([backend_constant(x, dtype) if x.__class__ in fitting and abs(x) < 128 else x for x in raw])


def is_view(array, x):
    """Whether an array lies in the memory of a traced one; one without elements does by its base alone."""
    if array.size:
        return xp.may_share_memory(array, x.memory.array)
    return array.base is (x.raw if x.raw.base is None else x.raw.base)


def described(x):
    """An argument in words that are equal where two recordings did the same."""
    if x.__class__ is Traced:
        start = backend.address(x.raw) - backend.address(x.memory.array) if x.raw.size else 0
        values = hash(backend.to_numpy(x.raw).tobytes()) if x.memory.constant else None
        found = x.memory.number, start, recorder.same(layout(x.raw)), values
    elif isinstance(x, (tuple, list)):
        found = tuple(map(described, x))
    elif x.__class__ is dict:
        found = tuple((key, described(y)) for key, y in x.items())
    else:
        found = x.__class__, repr(x)
    return recorder.same(found)


def with_output(function, args, kwargs, out):
    """The call of a function with its result in `out`, or None where there is no such form."""
    name, receiver = function.__name__, getattr(function, "__self__", None)
    if isinstance(function, UFUNC) and name not in KEYWORD_ONLY:
        return partial(function, *args, out, **kwargs)
    if name in COPIES:
        return partial(xp.copyto, out, receiver if isinstance(receiver, Array) else args[0], "unsafe")
    if name == "reshape" and isinstance(receiver, Array):
        return partial(xp.copyto, out.reshape(receiver.shape), receiver)
    if name == "dot":
        return partial(function, *args, out, **kwargs)
    if name == "take" and not kwargs:
        index, axis = args if len(args) == 2 else (*args, None)
        large = axis == 0 and out.nbytes > LARGE
        return partial(take_wrapped, receiver, index, out) if large else partial(function, index, axis, out)
    if name == "reduce" or name in REDUCTIONS or name in KEYWORD_ONLY:
        return partial(function, *args, **kwargs, out=out)
    return None


# ------------------------------------------------------------------------------------------- what is exchanged


def read_array(tensor):
    array, at_work = slot.__get__(tensor), active()
    if at_work is None:
        return array.raw if array.__class__ is Traced else array
    return array if array.__class__ is Traced else at_work.from_outside(tensor, array)


def write_array(tensor, value):
    if value.__class__ is Traced:
        at_work = active()
        before = at_work.read.get(id(tensor)) if at_work is not None else None
        if at_work is None or before is not None and before[1] is value.raw:
            value = value.raw
        else:
            at_work.made[id(tensor)] = weakref.ref(tensor)
    slot.__set__(tensor, value)


def whole(function, writes=None):
    """A function of the library that is noted down as one call: it uses threads, or memory of its own."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        at_work = active()
        if at_work is None or any(isinstance(x, Variable) for x in args):
            return function(*args, **kwargs)
        return at_work.call(function, args, kwargs, writes=None if writes is None else writes(*args))

    return call


def cached(function):
    """A function that remembers what it returned for the same shapes and numbers: its arrays are constants."""
    known = {}

    def traced(x):
        if isinstance(x, Array):
            if id(x) not in known:
                known[id(x)] = Traced(x, recorder.memory(x, constant=True))
                known[id(x)].memory.initial = None, x
            return known[id(x)]
        return x

    @functools.wraps(function)
    def call(*args):
        at_work = active()
        if at_work is None:
            return function(*args)
        return traced(at_work.aside(function, *args))

    return call


def leaving(array):
    """`backend.to_numpy`: what happens to the numbers there is not seen."""
    if active() is not None:
        recorder.note(TO_NUMPY)
    return plainly_to_numpy(plain(array))


def noted_as(how, method):
    """A method that is noted down by a method of the Recorder's, `how`, while one is at work."""

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        at_work = active()
        return method(self, *args, **kwargs) if at_work is None else how(at_work, method, self, *args, **kwargs)

    return call


def noticed(*tensors):
    """`autograd.changed`, counted for the tensors that were there before."""
    at_work = active()
    if at_work is not None:
        for version in (tensor.version for tensor in tensors):
            at_work.versions[id(version)] = version, at_work.versions.get(id(version), (version, 0))[1] + 1
    plainly_changed(*tensors)


def read_groups(optimizer):
    """An optimiser's groups; who reads them outside of its methods may use their settings as numbers."""
    at_work = active()
    if at_work is not None:
        at_work.settings[id(optimizer)] = optimizer
    return vars(optimizer)["param_groups"]


def write_groups(optimizer, groups):
    vars(optimizer)["param_groups"] = groups


def forgetting(optimizer, set_to_none=True):
    """`Optimizer.zero_grad`, which uses no settings."""
    at_work = active()
    seen = None if at_work is None else dict(at_work.settings)
    plainly_forget(optimizer, set_to_none)
    if at_work is not None:
        at_work.settings = seen


def noting(method, problem):
    """A method that cannot be replayed."""

    @functools.wraps(method)
    def call(*args, **kwargs):
        if active() is not None:
            recorder.note(problem)
        return method(*args, **kwargs)

    return call


def with_subclasses(cls):
    return [cls, *(sub for direct in cls.__subclasses__() for sub in with_subclasses(direct))]


backend_constant, plainly_to_numpy = backend.constant, backend.to_numpy
plainly_changed, plainly_forget = autograd.changed, Optimizer.zero_grad


def written_by_kernel(form, *args):
    return [args[i] for i in getattr(form, "writes", ()) if args[i] is not None]


def modules():
    """The modules of the library that compute with arrays."""
    return [module for file, module in list(sys.modules.items())
            if file.startswith("minigrad.") and module not in (sys.modules[__name__], arena, random)]  # fmt: skip


def replacements(modules):
    """[(object, attribute, value for the time of a recording)]"""
    library, raw = Library(xp), (Traced, *backend.RAW)
    by_identity = {
        id(xp): library,
        id(Array): Traced,
        id(backend.RAW): raw,
        id(backend.constant): cached(backend.constant),
        id(autograd.changed): noticed,
        id(backend.to_numpy): leaving,
        **{id(f): whole(f) for f in (backend.within, backend.any_true, backend.any_zero, backend.expanded,
                                            backend.strided, conv.conv_weight_)},
        id(conv.correlate): whole(conv.correlate, lambda x, filters, *_: [y for _, _, y in filters]),
        id(kernels.launch): whole(kernels.launch, written_by_kernel),
    }
    found = [(Variable, "array", property(read_array, write_array))]
    for module in modules:
        for name, value in vars(module).items():
            other = by_identity.get(id(value))
            if other is None and isinstance(value, functools._lru_cache_wrapper):
                other = cached(value)
            elif other is None and isinstance(getattr(value, "__self__", None), random.Generator) and name in DRAWS:
                other = partial(noted_as(Recorder.draw, value.__func__), value.__self__)
            if other is not None:
                found.append((module, name, other))
    for owner in with_subclasses(random.Generator):
        for name, method in vars(owner).items():
            if name in DRAWS:
                found.append((owner, name, noted_as(Recorder.draw, method)))
            elif name in SEEDING:
                found.append((owner, name, noting(method, SEEDS)))
    if on_gpu:  # CuPy's own functions do not ask their arguments, and these are called directly: only for such arrays
        found.append((inplace, "Array", Changed))
    for owner in with_subclasses(Optimizer) + with_subclasses(LRScheduler):
        if "step" in vars(owner):
            found.append((owner, "step", noted_as(Recorder.as_it_is, owner.step)))
    found.append((LRScheduler, "get_last_lr", noting(LRScheduler.get_last_lr, "it asks a schedule for numbers")))
    found += [(Optimizer, "zero_grad", forgetting), (Optimizer, "param_groups", property(read_groups, write_groups))]
    return found


@contextlib.contextmanager
def exchange():
    """A context in which the library, in all threads, comes upon the replacements."""
    with one_at_a_time:
        before, undo = modules(), []
        try:
            for target, name, value in replacements(before):
                undo.append((target, name, vars(target).get(name, MISSING)))
                setattr(target, name, value)
            yield
        finally:
            own = {id(vars(target)[name]): value for target, name, value in undo if target in before}
            for module in set(modules()) - set(before):  # imported since, they have taken replacements for the library
                undo += [(module, name, own[id(x)]) for name, x in vars(module).items() if id(x) in own]
            for target, name, value in reversed(undo):
                if value is MISSING:
                    delattr(target, name)
                else:
                    setattr(target, name, value)
