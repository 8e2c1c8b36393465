"""Traced arrays: real arrays, so that a recorded call has its results, around which every call is noted down."""

import threading
import weakref
from functools import partial, partialmethod

from .. import backend
from ..autograd import Variable
from ..backend import Array, xp

TO_NUMPY = "numbers of a tensor leave for NumPy, by numpy() or print, and nobody sees what happens to them there"
UFUNC = type(xp.add)
slot = Variable.array  # where a tensor keeps its array
recorder = None  # the one at work


def at_work_here():
    """Whether this thread is being recorded."""
    return recorder is not None and recorder.thread == threading.get_ident()


def active():
    """The recorder at work, if it is this thread's and not looking away."""
    return recorder if recorder is not None and not recorder.paused and recorder.thread == threading.get_ident() else None


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


def is_view(array, x):
    """Whether an array lies in the memory of a traced one; one without elements does by its base alone."""
    if array.size:
        return xp.may_share_memory(array, x.memory.array)
    return array.base is (x.raw if x.raw.base is None else x.raw.base)


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

    def __dlpack__(self, **options):
        if active() is not None:
            recorder.note(TO_NUMPY)
        return self.raw.__dlpack__(**options)

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
    if kind is slice:
        return slice(*[plain(bound, found) for bound in (x.start, x.stop, x.step)])
    if found is not None and isinstance(x, Variable):  # one number is a size, or a bound of a slice
        return x.item() if x.numel() == 1 else plain(x.array, found)
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
