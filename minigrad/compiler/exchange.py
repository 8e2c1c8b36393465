"""What is exchanged for the time of a recording: the names by which the library reaches arrays and the random stream."""

import contextlib
import functools
import sys
import threading
import weakref
from functools import partial

from .. import autograd, backend, kernels, random, storage
from ..autograd import Variable
from ..backend import Array, on_gpu, xp
from ..ops import conv, inplace
from ..optim.lr_scheduler import LRScheduler
from ..optim.optimizer import Optimizer
from .calls import Changed
from .traced import TO_NUMPY, Library, Traced, active, plain, slot

DRAWS = "rand uniform randn normal exponential bernoulli dropout_mask randint randperm multinomial".split()
STATES = "manual_seed", "seed", "initial_seed", "get_state", "set_state"
SEEDS = "it reads or sets the state of the random stream"
MISSING = object()
one_at_a_time = threading.Lock()  # held by the recorder at work, as what it exchanges is there for all threads


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
                known[id(x)] = Traced(x, active().memory(x, constant=True))
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


def leaving(function):
    """A function that hands an array out of the library: what happens to the numbers there is not seen."""

    @functools.wraps(function)
    def call(array):
        at_work = active()
        if at_work is None:
            return function(plain(array))
        at_work.note(TO_NUMPY)
        return at_work.aside(function, plain(array))

    return call


def noted_as(how, method):
    """A method that is noted down by the method `how` of the Recorder, while one is at work."""

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        at_work = active()
        return method(self, *args, **kwargs) if at_work is None else getattr(at_work, how)(method, self, *args, **kwargs)

    return call


def noticed(*tensors):
    """`autograd.changed`, counted for the tensors that were there before."""
    at_work = active()
    if at_work is not None:
        for version in (tensor.version for tensor in tensors):
            at_work.versions[id(version)] = version, at_work.versions.get(id(version), (version, 0))[1] + 1
    plainly_changed(*tensors)


def read_setting(owner, name):
    """An attribute of an optimiser or a schedule; who reads it outside of their steps may use it as a number."""
    at_work = active()
    if at_work is not None and name in object.__getattribute__(owner, "__dict__"):
        at_work.settings[id(owner), name] = owner, name
    return object.__getattribute__(owner, name)


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
        at_work = active()
        if at_work is not None:
            at_work.note(problem)
        return method(*args, **kwargs)

    return call


def with_subclasses(cls):
    return [cls, *(sub for direct in cls.__subclasses__() for sub in with_subclasses(direct))]


plainly_changed, plainly_forget = autograd.changed, Optimizer.zero_grad


def written_by_kernel(form, *args):
    return [args[i] for i in getattr(form, "writes", ()) if args[i] is not None]


def modules():
    """The modules of the library that compute with arrays, but for those that look on while they do."""
    return [module for name, module in list(sys.modules.items())
            if name.startswith("minigrad.") and not name.startswith(__package__) and module is not random]  # fmt: skip


def replacements(modules):
    """[(object, attribute, value for the time of a recording)]"""
    library, raw = Library(xp), (Traced, *backend.RAW)
    alone = backend.within, backend.any_true, backend.any_zero, backend.surely_finite, backend.expanded, backend.strided
    by_identity = {
        id(xp): library,
        id(Array): Traced,
        id(backend.RAW): raw,
        id(backend.constant): cached(backend.constant),
        id(autograd.changed): noticed,
        **{id(function): leaving(function) for function in (backend.to_numpy, storage.storage_of)},
        **{id(function): whole(function) for function in (*alone, conv.conv_weight_)},
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
                other = partial(noted_as("draw", value.__func__), value.__self__)
            if other is not None:
                found.append((module, name, other))
    for owner in with_subclasses(random.Generator):
        for name, method in vars(owner).items():
            if name in DRAWS:
                found.append((owner, name, noted_as("draw", method)))
            elif name in STATES:
                found.append((owner, name, noting(method, SEEDS)))
    found.append((random.Generator, "_twister", property(noting(random.Generator._twister.fget, SEEDS))))  # by any method
    if on_gpu:  # CuPy's own functions do not ask their arguments, and these are called directly: only for such arrays
        found.append((inplace, "Array", Changed))
    for owner in with_subclasses(Optimizer) + with_subclasses(LRScheduler):
        if "step" in vars(owner):
            found.append((owner, "step", noted_as("as_it_is", owner.step)))
    found += [(owner, "__getattribute__", read_setting) for owner in (Optimizer, LRScheduler)]
    return [*found, (Optimizer, "zero_grad", forgetting)]


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
