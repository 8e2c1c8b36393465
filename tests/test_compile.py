"""`compile`: replays give what calls give, to the bit; what cannot be replayed is called as it is, and that is said."""

import array
import collections
import contextlib
import contextvars
import copy
import gc
import importlib
import itertools
import pickle
import random
import re
import signal
import sys
import threading
import time
import tracemalloc
import types
import warnings
from collections import Counter
from runpy import run_path

import numpy as np
import pytest
from families import REFERENCE

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import autograd, backend, cpu
from minigrad.backend import on_gpu
from minigrad.compiler import Compiled, exchange, recorder, traced
from minigrad.compiler.arena import Arena
from minigrad.compiler.recording import Recording
from minigrad.diagnostics import watch
from tests.reliability import threads

VOCABULARY = 11


@pytest.fixture(autouse=True)
def counts(monkeypatch):
    """How often a function was recorded and replayed; and whatever happens, everything is as it was afterwards."""
    found = Counter()

    def counted(owner, name):
        method = getattr(owner, name)

        def call(*args):
            result = method(*args)
            found[name] += 1
            return result

        monkeypatch.setattr(owner, name, call)

    counted(Recording, "replay")
    counted(Compiled, "record")
    before = [autograd.Variable.array, mg.Generator.randint, mg.optim.Optimizer.step, mg.ops.elementwise.xp, backend.Array]
    yield found
    now = [autograd.Variable.array, mg.Generator.randint, mg.optim.Optimizer.step, mg.ops.elementwise.xp, backend.Array]
    assert now == before and traced.recorder is None and "__getattribute__" not in vars(mg.optim.Optimizer)


@contextlib.contextmanager
def warned(match=None):
    """Collects warnings: one must match, or there must be none."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        texts = []
        yield texts
    texts += [str(warning.message) for warning in found]
    assert any(re.search(match, text) for text in texts) if match else not texts, texts


def bits(x):
    """Tensors as what can be compared to the bit."""
    if isinstance(x, mg.Tensor):
        return str(x.dtype), tuple(x.shape), x.numpy(force=True).tobytes()
    return [bits(y) for y in x] if isinstance(x, (list, tuple)) else x


def course_of(make, arguments, compiled):
    """Results, state, gradients and random stream after calling what `make()` returns with each of the arguments."""
    mg.manual_seed(3)
    step, state = make()
    run = mg.compile(step) if compiled else step
    results = [bits(run(*some)) for some in arguments]
    return results, bits(state()), bits([x.grad for x in state()]), mg.get_rng_state().tobytes()


def check(make, arguments=((),) * 50):
    assert course_of(make, arguments, True) == course_of(make, arguments, False)


def check_course(run, match=None):
    """`run(wrapper)` returns the same with `compile` as wrapper as with none; what is warned of then must match."""
    found = []
    for wrapper in (lambda function: function, mg.compile):
        mg.manual_seed(0)
        with warned(match if wrapper is mg.compile else None):
            found.append(run(wrapper))
    assert found[1] == found[0]


# ------------------------------------------------------------------------------------------------ training alike


def by_expressions(batch_norm=False, update="data"):
    """The character network in tensor expressions, with the course's own update, or others that users write."""

    def make():
        X, Y = mg.randint(0, VOCABULARY, (200, 3)), mg.randint(0, VOCABULARY, (200,))
        C, W1, W2 = mg.randn(VOCABULARY, 4), mg.randn(12, 30) * 0.3, mg.randn(30, VOCABULARY) * 0.1
        gain, b1, b2 = mg.ones(1, 30), mg.zeros(1, 30), mg.zeros(VOCABULARY)
        parameters = [C, W1, gain, b1, W2, b2]
        running_mean, running_std = mg.zeros(1, 30), mg.ones(1, 30)
        for p in parameters:
            p.requires_grad = True

        def step():
            nonlocal running_mean, running_std
            ix = mg.randint(0, len(X), (16,))
            h = C[X[ix]].view(-1, 12) @ W1
            if batch_norm:
                mean, std = h.mean(0, keepdim=True), h.std(0, keepdim=True)
                with mg.no_grad():
                    running_mean = 0.9 * running_mean + 0.1 * mean
                    running_std = 0.9 * running_std + 0.1 * std
                h = (h - mean) / std
            loss = F.cross_entropy(mg.tanh(gain * h + b1) @ W2 + b2, Y[ix])
            for p in parameters:
                p.grad = None
            loss.backward()
            for p in parameters:
                if update == "data":
                    p.data += -0.1 * p.grad
                elif update == "replaced":
                    p.data = p.data - 0.1 * p.grad
                else:
                    with mg.no_grad():
                        p -= 0.1 * p.grad
            return loss

        return step, lambda: [*parameters, running_mean, running_std]

    return make


def by_modules(model, example, classes, optimizer=lambda p: mg.optim.SGD(p, lr=0.1, momentum=0.9), clip=False, batch=16):
    """A model of layers with an optimiser; `example()` is the data."""

    def make():
        X, net = example(), model()
        Y = mg.randint(0, classes, (len(X),) if X.ndim != 2 or not isinstance(net, Sequence) else tuple(X.shape))
        optim = optimizer(net.parameters())

        def step():
            ix = mg.randint(0, len(X), (batch,))
            loss = F.cross_entropy(net(X[ix]).reshape(-1, classes), Y[ix].reshape(-1))
            optim.zero_grad()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optim.step()
            return loss

        return step, lambda: [*net.parameters(), *net.buffers()]

    return make


class Sequence(nn.Module):
    """A model with an output for every character."""


class LSTM(Sequence):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.output = nn.Linear(16, VOCABULARY)

    def forward(self, x):
        return self.output(self.lstm(self.embedding(x))[0])


class Block(nn.Module):
    def __init__(self, width=16, dropout=0.1):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        layers = nn.Linear(width, 32), nn.GELU(approximate="tanh"), nn.Linear(32, width), nn.Dropout(dropout)
        self.mlp = nn.Sequential(*layers)
        self.dropout = dropout

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (part.view(B, T, 2, C // 2).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(C, dim=2))
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        x = x + self.projection(y.transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.norm2(x))


class GPT(Sequence):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, 16), nn.Embedding(6, 16)
        self.blocks, self.output = nn.Sequential(Block(), Block()), nn.Linear(16, VOCABULARY)

    def forward(self, x):
        return self.output(self.blocks(self.tokens(x) + self.positions(mg.arange(6))))


def characters():
    return mg.randint(0, VOCABULARY, (100, 6))


def pictures():
    return mg.randn(60, 1, 12, 12)


def mlp():
    return nn.Sequential(
        nn.Embedding(VOCABULARY, 4), nn.Flatten(), nn.Linear(24, 20, bias=False), nn.BatchNorm1d(20), nn.Tanh(),
        nn.Linear(20, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.2), nn.Linear(20, 5),
    )  # fmt: skip


def conv():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


TRAINING = {
    "expressions": by_expressions(),
    "expressions with batch norm": by_expressions(True),
    "parameters that are replaced": by_expressions(update="replaced"),
    "parameters changed without a graph": by_expressions(True, update="in place"),
    "modules, momentum": by_modules(mlp, characters, 5),
    "modules, Adam": by_modules(mlp, characters, 5, lambda p: mg.optim.Adam(p, lr=0.01)),
    "images, few": by_modules(conv, pictures, 5, batch=4),
    "images, many": by_modules(conv, pictures, 5),
    "LSTM": by_modules(LSTM, characters, VOCABULARY),
    "transformer": by_modules(GPT, characters, VOCABULARY, lambda p: mg.optim.AdamW(p, lr=0.01), clip=True),
}


@pytest.mark.parametrize("name", TRAINING)
def test_training_is_the_same_to_the_bit(name, counts):
    check(TRAINING[name])
    assert counts["replay"] >= 46


def test_convolutions_in_threads_are_the_same_to_the_bit(counts):
    with threads.operations_in(2), threads.small_blocks(1 << 10):
        check(by_modules(conv, lambda: mg.randn(60, 1, 20, 20), 5))  # whose rows of outputs make 10 blocks
        assert on_gpu or cpu.pool is not None
    assert counts["replay"] >= 46


def with_gradients(function, tensors):
    """What an operation gives, and the gradients of a function of that."""
    inputs = [x.detach().requires_grad_() for x in tensors]
    outputs = function(mg, *inputs)
    outputs = [y for y in (outputs if isinstance(outputs, (list, tuple)) else [outputs]) if isinstance(y, mg.Tensor)]
    losses = [(y * (y.detach() * 0.3 + 1.7)).sum() for y in outputs if y.requires_grad]
    return outputs, mg.autograd.grad(losses, inputs, allow_unused=True) if losses else ()


FAMILIES = [path for path in sorted(REFERENCE.glob("make_*.py")) if "\nDERIVATIVES" in path.read_text()]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_operations_are_the_same_to_the_bit(family, counts):
    """All that the tests of families compare with PyTorch: operations alone, where few are not replayed."""
    table = run_path(str(family))["DERIVATIVES"]
    with np.errstate(all="ignore"):
        for name, (function, arrays) in table.items():
            compiled = mg.compile(lambda *tensors, function=function: with_gradients(function, tensors))
            for scale in (1, 1, 1, 0.75):
                tensors = [mg.tensor(np.asarray(array) * scale, dtype=mg.float64) for array in arrays]
                mg.manual_seed(0)
                expected = bits(with_gradients(function, tensors))
                mg.manual_seed(0)
                assert bits(compiled(*tensors)) == expected, name
    assert counts["replay"] > len(table) // 2


def test_replays_are_quicker():
    step, _ = by_expressions()()
    compiled = mg.compile(step)
    times = {step: [], compiled: []}
    for f in [step, compiled] * 100:
        start = time.thread_time()  # which does not count what else the machine does
        f()
        times[f].append(time.thread_time() - start)
    assert on_gpu or np.median(times[compiled]) < 0.8 * np.median(times[step])


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="no other thread hears of Ctrl-C")
@pytest.mark.parametrize("module, name", [(exchange, "replacements"), (recorder, "exchange")])
def test_ctrl_c_waits_until_what_is_exchanged_is_put_back(monkeypatch, module, name):
    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        return real(*args)

    real, before = getattr(module, name), signal.getsignal(signal.SIGINT)
    step, _ = by_expressions()()
    names = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("minigrad.ops.")}
    monkeypatch.setattr(module, name, interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            mg.compile(step)()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert traced.recorder is None
    assert all(vars(sys.modules[name])[key] is value for name, held in names.items() for key, value in held.items())


def alive():
    return sum(issubclass(type(x), (autograd.Variable, autograd.Node)) for x in gc.get_objects())


def test_memory_stays_flat(counts):
    step, _ = by_modules(mlp, characters, 5)()
    compiled = mg.compile(step)
    for _ in range(5):
        compiled()
    gc.collect()
    before = alive()
    (found,) = next(iter(compiled.kinds.values())).recordings
    size = len(found.calls)
    for _ in range(1000):
        compiled()
    gc.collect()
    assert alive() <= before
    assert counts["replay"] >= 1000 and len(found.calls) == size


def test_memory_is_shared_by_results_that_do_not_meet():
    def chain(x):
        for _ in range(100):
            x = x * 1.5
        return x

    compiled, x = mg.compile(chain), mg.ones(1000)
    for _ in range(3):
        compiled(x)
    (found,) = next(iter(compiled.kinds.values())).recordings
    assert len(found.calls) == 100 and len({backend.address(call.args[0 if on_gpu else -1]) for call in found.calls}) <= 3


@pytest.mark.skipif(on_gpu, reason="the memory of a GPU is not traced")
def test_a_replay_takes_hardly_more_memory_than_a_call():
    def peaks(wrapper):
        """Megabytes at most in use in each of some calls."""
        layers = [nn.Sequential(nn.Linear(200, 200), nn.BatchNorm1d(200), nn.Tanh()) for _ in range(8)]
        net, x = nn.Sequential(*layers), mg.randn(500, 200)
        optim = mg.optim.SGD(net.parameters(), lr=0.1)

        def step():
            optim.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optim.step()
            return loss

        run, found = wrapper(step), []
        tracemalloc.start()
        for _ in range(4):
            tracemalloc.reset_peak()
            run()
            found.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        return found

    called, compiled = peaks(lambda step: step), peaks(mg.compile)
    assert max(called) > 10 and max(compiled) < 1.5 * max(called) and compiled[-1] < 1.3 * max(called), (called, compiled)


def use_of_arena(arena, seed):
    """Takes results of random sizes and gives some back; no two in use may share memory. The bytes in use at most."""
    draw, used, most = random.Random(seed), [], 0
    for _ in range(400):
        shape = [draw.randrange(40) for _ in range(draw.randrange(1, 3))]
        array, number = arena.take(backend.xp.empty(shape, "float32", order=draw.choice("CF")))
        assert array.shape == tuple(shape) and not any(backend.xp.may_share_memory(array, other) for other, _ in used)
        used.append((array, number))
        most = max(most, sum(-(-array.nbytes // 64) * 64 for array, _ in used))
        while len(used) > draw.randrange(1, 20):
            arena.give(used.pop(draw.randrange(len(used)))[1])
    return most, {number for _, number in used}


def test_no_two_results_in_use_share_memory():
    first = Arena()
    most, outliving = use_of_arena(first, 0)
    places, size = plan = first.plan()
    assert not outliving & places.keys() and size < 1.2 * most
    again, other = Arena(plan), Arena(plan)
    use_of_arena(again, 0)
    assert again.plan() == plan
    use_of_arena(other, 1)  # other calls than planned


# --------------------------------------------------------------------------------------------------- arguments


def scaled_sum(x, y, factor=1.0):
    return {"sum": (x * factor).sum(), "both": [x + y, y]}


def test_arguments_of_other_kinds_are_recorded_anew(counts):
    compiled = mg.compile(scaled_sum)
    kinds = [(3, mg.float32, 1.0), (5, mg.float32, 1.0), (3, mg.int64, 1), (3, mg.float64, 1), (3, mg.float64, 2)]
    for size, dtype, factor in kinds:
        with warned("recorded anew") if size == 5 else warned():
            for _ in range(4):
                x, y = mg.randn(size).to(dtype), mg.randn(size).to(dtype)
                assert plain(compiled(x, y, factor=factor)) == plain(scaled_sum(x, y, factor=factor))
    assert counts == {"record": 10, "replay": 10}


def plain(result):
    return bits([result["sum"], *result["both"]])


def test_the_order_of_memory_counts(counts):
    compiled = mg.compile(lambda x: x.reshape(-1) * 2)
    x = mg.arange(6).reshape(2, 3)
    with warned("shapes, dtypes or arguments differ"):
        for y in [x, x.t().contiguous().t()] * 4:
            assert compiled(y).tolist() == [0, 2, 4, 6, 8, 10]
    assert counts["replay"] == 4


def test_a_smaller_last_batch(counts):
    def make():
        net = mlp()
        optim = mg.optim.SGD(net.parameters(), lr=0.1)

        def step(x, y):
            optim.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optim.step()
            return loss

        return step, lambda: [*net.parameters(), *net.buffers()]

    mg.manual_seed(1)
    X, Y = characters(), mg.randint(0, 5, (100,))
    batches = [(X[i : i + 16], Y[i : i + 16]) for _ in range(6) for i in range(0, 100, 16)]
    with warned("recorded anew"):
        check(make, batches)
    assert counts["replay"] >= 34


def test_too_many_numbers_as_arguments():
    compiled, x = mg.compile(lambda x, n: x * n), mg.ones(3)
    with warned("pass numbers that change as tensors"):
        for n in range(20):
            assert compiled(x, n).tolist() == [n] * 3
    compiled = mg.compile(lambda x, n: x * n)
    for n in range(20):
        assert compiled(x, mg.tensor(float(n))).tolist() == [n] * 3
    assert len(compiled.kinds) == 1


def test_arguments_are_left_as_they_are(counts):
    compiled = mg.compile(lambda x: x * 2 + 1)
    inputs = [mg.randn(4) for _ in range(5)]
    copies = [x.clone() for x in inputs]
    outputs = [compiled(x) for x in inputs]
    assert bits(inputs) == bits(copies) and counts["replay"] == 3
    assert bits(outputs) == bits([x * 2 + 1 for x in inputs])


class Batch:
    def __init__(self, x, factor):
        self.x, self.factor = x, factor


NamedBatch = collections.namedtuple("NamedBatch", "x factor")


def test_objects_as_arguments_are_not_taken_for_others():
    def run(wrapper):
        found = []
        for _ in range(10):  # whether an id is used again is a matter of chance
            step = wrapper(lambda batch: batch.x * batch.factor)
            found += [step(Batch(mg.full((1,), float(i)), 1.0)).item() for i in range(16)]
        return found

    check_course(run, "more than 8 ways; another number or object")


def test_named_tuples_are_arguments_as_tuples_are(counts):
    def run(wrapper):
        step = wrapper(lambda batch: batch.x * batch.factor)
        return [step(NamedBatch(mg.full((1,), float(i)), i // 5)).item() for i in range(15)]

    check_course(run, "arguments differ")
    assert counts == {"record": 6, "replay": 9}


# ------------------------------------------------------------------------------------------------ what is compared


def linear_step(model, optim, x, y, **settings):
    options = types.SimpleNamespace(**settings)

    def step():
        optim.zero_grad()
        loss = ((model(x) - y) ** 2).mean() * options.factor
        loss.backward()
        optim.step()
        return loss

    return step, options


def changing(change, at=(10, 20)):
    """Training in which `change(number of the change, everything)` comes between two calls."""

    def make():
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optim = mg.optim.SGD(model.parameters(), lr=0.1)
        step, options = linear_step(model, optim, mg.randn(8, 3), mg.randn(8, 1), factor=2.0)
        everything = types.SimpleNamespace(model=model, optim=optim, options=options, step=step)
        called = itertools.count()

        def run():
            number = next(called)
            if number in at:
                change(at.index(number), everything)
            return everything.run()

        return run, lambda: [*model.parameters(), *model.buffers()], everything

    return make


def check_changing(change, expected=None):
    """Compare with the course without `compile`; the warning, where there is one, names what `expected` says."""
    found = []
    for compiled in (False, True):
        mg.manual_seed(3)
        run, state, everything = changing(change)()
        everything.run = mg.compile(everything.step) if compiled else everything.step
        with warned(expected) if compiled and expected else warned():
            results = [bits(run()) for _ in range(30)]
        found.append((results, bits(state()), bits([x.grad for x in state()]), mg.get_rng_state().tobytes()))
    assert found[0] == found[1]


def hooked(i, e):
    if i == 0:
        e.handle = e.model[0].register_forward_hook(lambda module, args, output: output * 3)
    else:
        e.handle.remove()


def hooked_tensor(i, e):
    e.handle = e.handle.remove() if i else e.model[0].weight.register_hook(lambda g: g * 0.5)


def emptied(i, e):
    e.optim.zero_grad(set_to_none=not i)


@pytest.mark.parametrize("change, expected", [
    (lambda i, e: e.model.train(i == 1), "training changed from True to False"),
    (lambda i, e: setattr(e.options, "factor", 3.0 - i), "factor changed from 2.0 to 3.0"),
    (lambda i, e: setattr(e.model[1], "p", 0.5), "p changed from 0.3 to 0.5"),
    (lambda i, e: setattr(e.model[0].weight, "data", e.model[0].weight.data * 2), "the memory of a tensor changed"),
    (lambda i, e: e.model[0].weight.requires_grad_(i == 1), "requires_grad"),
    (lambda i, e: setattr(e.model[0], "weight", nn.Parameter(mg.ones(4, 3) * 0.1)), "weight changed"),
    (hooked, "the keys of model.0"),
    (hooked_tensor, "hooks of tensors changed"),
    (emptied, None),
    (lambda i, e: e.optim.param_groups[0].update(lr=0.01), None),
    (lambda i, e: e.model[0].weight.data.mul_(0.5), None),
    (lambda i, e: mg.set_default_dtype(mg.float64 if i == 0 else mg.float32), "default dtype"),
], ids=range(12))  # fmt: skip
def test_changes_between_calls_count(change, expected):
    check_changing(change, expected)


FACTOR = 1.0


def by_global(x):
    return x * FACTOR


class Scale:
    factor = 1.0

    def __call__(self, x):
        return x * self.factor


def test_changes_of_globals_lists_defaults_and_classes(monkeypatch):
    x, scales, scale = mg.arange(3) + 0.0, [1.0], Scale()
    functions = [by_global, lambda x: x * scales[0], scale, lambda x: scale(x) + by_global(x)]
    for function in functions:
        compiled = mg.compile(function)
        for factor in (1.0, 2.0, 1.0):
            monkeypatch.setattr("test_compile.FACTOR", factor)
            monkeypatch.setattr(Scale, "factor", factor)
            scales[0] = factor
            with warned("changed from 1.0 to 2.0") if factor == 2.0 else warned():
                for _ in range(4):
                    assert bits(compiled(x)) == bits(function(x))
        monkeypatch.undo()


inner = types.ModuleType("of_the_user.inner")
outer = types.ModuleType("of_the_user")
outer.inner = inner


def in_keys(found, factor):
    found.clear()
    found[factor] = None


def in_members(found, factor):
    found.clear()
    found.add(factor)


def in_order(found, factor):
    found["a"] = found.pop("a") if factor == 2.0 else found["a"]


class Slotted:
    __slots__ = "factor"


class Mangled:
    __slots__ = ("__factor",)

    def read(self):
        return self.__factor

    def write(self, factor):
        self.__factor = factor


class Attributed(dict):
    pass


class Space:
    factor = 1.0


def by_default(x, factor=1.0):
    return x * factor


def by_attribute(x):
    return x * by_attribute.factor


BOUND, SPACE = {}, Slotted()


def imported():
    import of_the_user

    return of_the_user.inner.factor


def reader_of(module):
    return lambda found: module.factor


def in_dict(found, factor):
    found["factor"] = factor


def in_object(found, factor):
    found.factor = factor


def in_defaults(function, factor):
    function.__defaults__ = (factor,)


HOLDERS = {  # what holds a factor, how a function reads it, how it is set
    "keys": ({}, lambda found: sum(found), in_keys),
    "members": (set(), lambda found: sum(found), in_members),
    "order": ({"a": 1.0, "b": 2.0}, lambda found: next(iter(found.values())), in_order),
    "user dict": (collections.UserDict(), lambda found: found[0], lambda found, factor: found.update({0: factor})),
    "chain": (collections.ChainMap(), lambda found: found[0], lambda found, factor: found.update({0: factor})),
    "module": (outer, lambda found: outer.inner.factor, lambda found, factor: setattr(inner, "factor", factor)),
    "array": (array.array("d", [0]), lambda found: found[0], lambda found, factor: found.__setitem__(0, factor)),
    "bytes": (bytearray([0]), lambda found: found[0], lambda found, factor: found.__setitem__(0, int(factor))),
    "NumPy": (np.zeros(2), lambda found: found[0].item(), lambda found, factor: found.__setitem__(0, factor)),
    "class": (Space, lambda found: Space.factor, in_object),
    "made of a class": (Space, lambda found: Space().factor, in_object),
    "attribute of a function": (by_attribute, lambda found: by_attribute(1.0), in_object),
    "default": (by_default, lambda found: by_default(1.0), in_defaults),
    "module of a closure": (inner, reader_of(inner), in_object),
    "imported": (inner, lambda found: imported(), in_object),
    "slot": (Slotted(), lambda found: found.factor, in_object),
    "slot of another name": (Mangled(), lambda found: found.read(), Mangled.write),
    "attribute of a dict": (Attributed(), lambda found: found.factor, in_object),
    "bound": (BOUND.get, lambda found: found("factor"), lambda found, factor: in_dict(BOUND, factor)),
    "proxy": (types.MappingProxyType(BOUND), lambda found: found["factor"], lambda found, factor: in_dict(BOUND, factor)),
    "member of a set": ({SPACE}, lambda found: [*found][0].factor, lambda found, factor: in_object(SPACE, factor)),
    "number of NumPy": (np.array(0), lambda found: int(found), lambda found, factor: found.fill(factor)),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_numbers_are_compared_wherever_they_are(name, counts, monkeypatch):
    found, read, write = HOLDERS[name]

    def function(x):
        return x * read(found)

    monkeypatch.setitem(sys.modules, "of_the_user", outer)
    compiled, x = mg.compile(function), mg.arange(3) + 1.0
    for factor in (1.0, 2.0):
        write(found, factor)
        with warned("changed from") if factor == 2.0 else warned():
            for _ in range(4):
                assert bits(compiled(x)) == bits(function(x))
    assert counts == {"record": 4, "replay": 4}


def test_zeros_of_either_sign_and_slices():
    zero = 0.0
    by_closure, by_argument = mg.compile(lambda x: x * zero), mg.compile(lambda x, factor: x * factor)
    by_value, by_slice = mg.compile(lambda x, y: x * y.item()), mg.compile(lambda x, at: x[at] * 1)
    x = mg.ones(3)
    with warned("changed from 0.0 to -0.0"):
        for zero in (0.0, 0.0, 0.0, -0.0, -0.0, -0.0):
            expected = bits(x * zero)
            assert bits(by_closure(x)) == bits(by_argument(x, zero)) == bits(by_value(x, mg.tensor(zero))) == expected
    with warned("arguments differ"):
        for at in [slice(1, 3), slice(0, 2)] * 4:
            assert bits(by_slice(mg.arange(3), at)) == bits(mg.arange(3)[at])


def test_gradients_add_up_over_calls(counts):
    def make():
        w, x = mg.randn(3, requires_grad=True), mg.randn(4, 3)

        def step():
            loss = (x * w).tanh().sum()
            loss.backward()
            ((x * w) ** 2).sum().backward()
            return loss

        return step, lambda: [w]

    check(make)
    assert counts["replay"] >= 44


def test_a_gradient_that_somebody_keeps_is_not_overwritten(counts):
    def kept(keep, compiled):
        mg.manual_seed(2)
        w, x = mg.randn(3, 3, requires_grad=True), mg.randn(4, 3)

        def step():
            w.grad = None
            (x @ w).tanh().sum().backward()
            w.data -= 0.1 * w.grad

        run, found = mg.compile(step) if compiled else step, []
        for _ in range(10):
            run()
            found.append(keep(w.grad))
        return [x.tolist() for x in found]

    for keep in (lambda g: g, lambda g: g[0], lambda g: g.numpy(), lambda g: g.detach()):
        assert kept(keep, True) == kept(keep, False)
    assert counts["replay"] >= 4 * 6


@pytest.mark.parametrize("cleared", [False, True])
@pytest.mark.parametrize("kept", [lambda g: g, lambda g: g.detach()])
def test_gradients_that_the_caller_takes_away(kept, cleared):
    def run(wrapper):
        w, found = mg.ones(1, requires_grad=True), []
        step = wrapper(lambda x: (w * x).sum().backward())
        for i in range(6):
            step(mg.full((1,), float(i)))
            found.append(kept(w.grad))
            if cleared:
                w.grad = None
            else:
                w.grad.data = w.grad.data * 0.5
        return [g.item() for g in found]

    check_course(run, None if cleared else "the memory of a tensor changed")


def test_gradients_that_the_caller_changes():
    def run(wrapper):
        w, found = mg.ones(1, requires_grad=True), []

        def step(x):
            w.grad = None
            (w * x).sum().backward()

        step = wrapper(step)
        for i in range(6):
            step(mg.full((1,), float(i)))
            found.append(w.grad.item())
            w.grad.data = w.grad.data * 0.5
        return found

    check_course(run)


def test_two_functions_with_one_optimiser():
    def run(wrapper):
        heads, found = [mg.ones(1, requires_grad=True) for _ in range(2)], []
        optim = mg.optim.SGD(heads, lr=0.1)

        def training(head):
            def step(x):
                optim.zero_grad()
                (head * x).sum().backward()
                optim.step()

            return step

        steps = [wrapper(training(head)) for head in heads]
        for i in range(10):
            steps[i % 2](mg.ones(1))
            found.append([head.item() for head in heads])
        return found

    check_course(run)


def test_parameters_that_an_optimiser_gets_later():
    def run(wrapper):
        a, b, found = mg.ones(1, requires_grad=True), mg.ones(1, requires_grad=True), []
        optim = mg.optim.SGD([a], lr=0.1)

        def step(x):
            optim.zero_grad()
            (a * x + b).sum().backward()
            optim.step()

        step = wrapper(step)
        for i in range(12):
            if i == 4:
                optim.add_param_group({"params": [b]})
            if i == 8:
                optim.param_groups.pop()
            step(mg.ones(1))
            found.append((a.item(), b.item()))
        return found

    check_course(run, "the parameters of optim changed")


def test_parameters_that_are_frozen_again_and_again():
    def run(wrapper):
        a, b, found = mg.ones(1, requires_grad=True), mg.ones(1, requires_grad=True), []
        optim = mg.optim.SGD([a, b], lr=0.1)

        def step(x):
            optim.zero_grad()
            (a * x + b).sum().backward()
            optim.step()

        step = wrapper(step)
        for i in range(16):
            b.requires_grad_(i // 4 % 2 == 0)
            step(mg.ones(1))
            found.append((a.item(), b.item(), bits(b.grad)))
        return found

    check_course(run, "requires_grad")


def test_what_a_hook_of_a_tensor_reads():
    def run(wrapper):
        w, factors = mg.ones(1, requires_grad=True), [1.0]
        w.register_hook(lambda g: g * factors[0])

        def step(x):
            w.grad = None
            (w * x).sum().backward()
            return w.grad * 1

        step, found = wrapper(step), []
        for factors[0] in (1.0, 2.0):
            found += [step(mg.ones(1)).item() for _ in range(4)]
        return found

    check_course(run, "changed from 1.0 to 2.0")


class Counted(mg.optim.SGD):
    def update(self, group):
        self.updates = getattr(self, "updates", 0) + 1
        super().update(group)


@pytest.mark.parametrize("read, match", [
    (lambda w, optim, schedule: optim.state[w]["step"], "step changed from"),
    (lambda w, optim, schedule: schedule.last_epoch, "last_epoch changed from"),
    (lambda w, optim, schedule: schedule.get_last_lr()[0], "last_lr changed from"),
    (lambda w, optim, schedule: optim.updates, "updates changed from"),
])  # fmt: skip
def test_what_the_function_reads_of_optimisers_and_schedules(read, match):
    def run(wrapper):
        w = mg.ones(1, requires_grad=True)
        optim = Counted([w], lr=0.1) if "updates" in match else mg.optim.Adam([w], lr=0.1)
        schedule = mg.optim.lr_scheduler.StepLR(optim, 1, 0.5)

        def step(x):
            optim.zero_grad()
            (w * x).sum().backward()
            optim.step()
            schedule.step()
            return x * read(w, optim, schedule)

        step = wrapper(step)
        return [step(mg.ones(1)).item() for _ in range(8)]

    check_course(run, match)


def test_keys_that_are_tensors():
    def run(wrapper):
        parameters, rates = [mg.ones(2)], {}
        step, found = wrapper(lambda: parameters[0] * rates[parameters[0]]), []
        for rate in (0.5, 0.25):
            parameters[0] = mg.ones(2)
            rates.clear()
            rates[parameters[0]] = rate
            found += [step().tolist() for _ in range(4)]
        return found

    check_course(run, "the keys of rates changed")


def test_a_hook_on_a_parameter_whose_array_is_replaced():
    def run(wrapper):
        w, found = mg.ones(1, requires_grad=True), []

        def step(x):
            (w * x).sum().backward()
            w.data = w.data - 0.1 * w.grad
            w.grad = None

        step = wrapper(step)
        for i in range(8):
            if i == 4:
                w.register_hook(lambda g: g * 0)
            step(mg.ones(1))
            found.append(w.item())
        return found

    check_course(run, "hooks of tensors changed")


def test_state_that_is_replaced_outlives_another_recording():
    def by_switch(wrapper):
        total, options, found = mg.zeros(1), types.SimpleNamespace(train=True), []

        def step(x):
            nonlocal total
            total = total + x if options.train else total + 0
            return total * 1

        step = wrapper(step)
        for i in range(16):
            options.train = i // 4 % 2 == 0
            found.append(step(mg.ones(1)).item())
        return found

    def by_error(wrapper):
        w, found = mg.ones(1, requires_grad=True), []

        def step(x):
            w.grad = None
            (w * x).sum().backward()
            w.data = w.data - 0.1 * w.grad
            if x.sum() > 5:
                raise ValueError

        step = wrapper(step)
        for x in (1, 1, 1, 1, 9, 1, 1, 1):
            with contextlib.suppress(ValueError):
                step(mg.full((1,), float(x)))
            found.append(w.item())
        return found

    check_course(by_switch, "train changed from True to False")
    check_course(by_error)


# ------------------------------------------------------------------------------------------- values that decide


def test_values_that_decide_are_checked(counts):
    def make():
        w = mg.ones(3, requires_grad=True)
        count = mg.zeros(1)

        def step(x):
            count.add_(1)
            noise = mg.randn(3)
            y = (w * x + noise).sum()
            if y > 0:
                y = y * 2
            w.grad = None
            y.backward()
            w.data -= 0.01 * w.grad
            return y

        return step, lambda: [w, count]

    mg.manual_seed(0)
    arguments = [(mg.randn(3),) for _ in range(6)] * 8
    with warned("depends on values"):
        check(make, arguments)


def test_numbers_taken_out_of_tensors():
    compiled = mg.compile(lambda x: x.sum().item())
    with warned("return tensors instead"):
        for i in range(10):
            assert compiled(mg.full((3,), float(i))) == 3.0 * i
    compiled = mg.compile(lambda x: x * float(x.sum()))
    with warned("depends on values"):
        for i in [1, 1] + 20 * [2, 3]:
            assert compiled(mg.full((3,), float(i))).tolist() == [3.0 * i * i] * 3
    compiled = mg.compile(lambda x: x.numpy().sum())
    with warned(r"leave for NumPy"):
        for i in range(10):
            assert compiled(mg.full((3,), float(i))) == 3.0 * i


def test_errors_that_lead_another_way(counts):
    """The variance of numbers whose squares leave the range of float32 is found in float64."""
    small, large = mg.arange(4) + 0.0, (mg.arange(4) + 0.0) * 1e20
    for first, second in ((small, large), (large, small)):
        compiled = mg.compile(lambda x: x.std())
        with warned(None if on_gpu else "depends on values"):
            for x in [first] * 4 + [second] * 4 + [first, second] * 4:
                assert bits(compiled(x)) == bits(x.std())
    assert counts["record"] <= 8 and counts["replay"] >= 24


def test_gradients_that_others_made():
    """What an optimiser finds in a parameter that the function does not use, or does not change, is what is there."""
    def make():
        used, unused = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
        optim = mg.optim.SGD([used, unused], lr=0.1)

        def step():
            used.grad = None
            (used * 2 + unused.detach()).sum().backward()
            optim.step()
            return used.sum()

        def run(i):
            unused.grad = mg.full((2,), float(i))
            return compiled()

        compiled = mg.compile(step) if make.compiled else step
        return run, lambda: [used, unused]

    found = []
    for make.compiled in (False, True):
        run, state = make()
        found.append(([bits(run(i)) for i in range(8)], bits(state()), bits([x.grad for x in state()])))
    assert found[0] == found[1]


def test_shapes_that_depend_on_values():
    compiled = mg.compile(lambda x: x[x > 0].sum())
    xs = [mg.tensor([1.0, -1.0, float(i)]) for i in (1, 2, 3, -4, 5, 6)]
    with warned("instead of"):
        assert [compiled(x).item() for x in xs] == [2, 3, 4, 1, 6, 7]


def test_random_numbers_of_a_replay_that_is_taken_back_are_used_again():
    def make():
        def step(limit):
            x = mg.rand(3)
            if x[0] > limit:
                x = x + mg.rand(3)
            return x

        return step, list

    with warned("depends on values"):
        check(make, [(mg.tensor(limit),) for limit in (2.0, 2.0, 2.0, -1.0, 2.0, 0.5, 0.5, 0.5)])


@pytest.mark.parametrize("pick", [lambda table, ix: F.embedding(ix, table), lambda table, ix: table[ix]])
@pytest.mark.parametrize("width", [2, 20000])  # rows that are picked in two ways
def test_errors_are_those_of_the_call_and_leave_what_it_leaves(pick, width):
    def course(compiled):
        mg.manual_seed(0)
        table, seen = mg.randn(5, width), mg.zeros(1)

        def step(ix):
            seen.add_(1)
            return pick(table, ix).sum()

        def outcome(ix):
            try:
                return bits(run(ix))
            except IndexError as error:
                return str(error)

        run = mg.compile(step) if compiled else step
        return [outcome(mg.tensor([i])) for i in (1, 2, 3, 7, 4, -9, 0, 0)], seen.item()

    assert course(True) == course(False)


def test_errors_that_the_function_expects():
    def run(wrapper):
        table, seen = mg.arange(5) + 0.0, mg.zeros(1)

        def guarded(i):
            seen.add_(1)
            try:
                return table[i]
            except IndexError:
                return mg.zeros(1)

        guarded = wrapper(guarded)
        return [guarded(mg.tensor([i])).tolist() for i in (1, 2, 3, 7, 4, 9)], seen.item()

    check_course(run, "depends on values")


def test_state_that_is_replaced_before_an_error():
    def run(wrapper):
        table, seen = mg.arange(5) + 0.0, mg.zeros(1)

        def step(i):
            nonlocal seen
            seen = seen + 1
            return table[i]

        step = wrapper(step)
        for i in (1, 2, 3, 7, 4):
            with contextlib.suppress(IndexError):
                step(mg.tensor([i]))
        return seen.item()

    check_course(run)


def test_sizes_and_bounds_in_tensors():
    x, sizes = mg.arange(6), [*map(mg.tensor, (2, 2, 2, 3, 3))]
    for function in (lambda n: x[:n], lambda n: x.view(n, -1), lambda n: x[1:][n : n + 1]):
        check_course(lambda wrapper, function=function: bits([*map(wrapper(function), sizes)]), "depends on values")


# --------------------------------------------------------------------------------------- what cannot be replayed


def refused(function, match, calls=6, *arguments):
    """Call with and without `compile`: the same results, and a warning that says why it is not compiled."""
    compiled = mg.compile(function)
    with warned(match) as found:
        results = [compiled(*arguments) for _ in range(calls)]
    assert sum("not compiled" in text for text in found) == 1
    assert not any(kind.recordings for kind in compiled.kinds.values())
    return results


def test_functions_that_change_numbers_they_can_reach():
    count, log, options = 0, [], types.SimpleNamespace(steps=0)

    def counting():
        nonlocal count
        count += 1
        return mg.ones(1) * count

    assert [x.item() for x in refused(counting, "count changed from 1 to 2")] == [1, 2, 3, 4, 5, 6]

    def logging():
        log.append(1)
        return mg.ones(1) * len(log)

    assert [x.item() for x in refused(logging, "the number of entries of log changed from 1 to 2")] == [1, 2, 3, 4, 5, 6]

    def attribute():
        options.steps += 1
        return mg.ones(1) * options.steps

    assert [x.item() for x in refused(attribute, "options.steps")] == [1, 2, 3, 4, 5, 6]


def test_functions_that_keep_tensors():
    kept = {}

    def keeping(x):
        y = x * 2
        kept["y"] = y + 1
        return y

    compiled = mg.compile(keeping)
    for i in range(5):  # what is put in a place that it can reach is put there at every replay
        compiled(mg.full((2,), float(i)))
        assert kept["y"].tolist() == [2.0 * i + 1] * 2
    hidden = contextvars.ContextVar("hidden")
    hide = hidden.set

    def hiding(x):
        y = x * 2
        hide(y)
        return x

    refused(hiding, "something keeps a tensor", 6, mg.ones(2))
    hidden = set()
    hide = hidden.add
    refused(hiding, "the entries of hide changed", 6, mg.ones(2))
    assert len(hidden) == 6


def test_functions_that_read_from_elsewhere():
    batches = iter([mg.full((2,), float(i)) for i in range(6)])

    def iterating():
        return next(batches) * 2

    assert [x.tolist()[0] for x in refused(iterating, "uses an iterator, batches")] == [0, 2, 4, 6, 8, 10]
    following = iter([mg.full((2,), float(i)) for i in range(6)]).__next__
    assert [x.tolist()[0] for x in refused(lambda: following() * 2, "reads a tensor of shape")] == [0, 2, 4, 6, 8, 10]
    array = np.zeros(2)
    refused(lambda: mg.tensor(array) + 1, "NumPy array")
    clock = iter(range(100)).__next__
    results = refused(lambda: mg.ones(1) * float(clock()), "something else at every call")
    assert [x.item() for x in results] == [0, 1, 2, 3, 4, 5]


def to_numpy_in_place(x):
    total = np.zeros(2)
    total[:] += x.numpy()
    return x * total.sum().item()


@pytest.mark.skipif(on_gpu, reason="nothing leaves a GPU without being asked to")
@pytest.mark.parametrize("function", [
    lambda x: np.exp(x), lambda x: x * np.asarray(x).sum().item(), lambda x: mg.from_numpy(x.numpy()) * 1,
    to_numpy_in_place,
    lambda x: x * float(f"{x.numpy().mean():.2f}"), lambda x: pickle.loads(pickle.dumps(x)) * 1,
    lambda x: x * x.storage()[0], lambda x: x * x.untyped_storage().tolist()[3],
    lambda x: x * np.from_dlpack(x).sum().item(),
], ids=range(9))  # fmt: skip
def test_numbers_that_leave_for_numpy(function):
    inputs = [mg.full((2,), float(i)) for i in (1, 1, 1, 2, 3)]
    check_course(lambda wrapper: bits([*map(wrapper(function), inputs)]), "NumPy")


def test_numbers_that_come_back_by_dlpack(counts):
    compiled = mg.compile(lambda x: mg.from_dlpack(x) * 2)
    assert [compiled(mg.full((2,), float(i))).tolist() for i in range(4)] == [[2.0 * i] * 2 for i in range(4)]


def test_parameters_that_are_replaced_after_a_step():
    def run(wrapper):
        w, found = mg.ones(1, requires_grad=True), []
        optim = mg.optim.SGD([w], lr=0.1)

        def step(x):
            optim.zero_grad()
            (w * x).sum().backward()
            optim.step()
            w.data = w.data.clamp(-0.75, 0.75)

        step = wrapper(step)
        for _ in range(6):
            step(mg.ones(1))
            found.append(w.item())
        return found

    check_course(run, "gives a parameter of an optimiser that steps another array")


@pytest.mark.parametrize("steps_before", [0, 5])
def test_steps_that_are_watched(steps_before):
    """`watch` puts a function in the place of the optimiser's step, which a replay would not call."""

    def run(how):
        mg.manual_seed(0)
        model, x, y = mg.nn.Linear(4, 3), mg.randn(16, 4), mg.randint(0, 3, (16,))
        optimizer = mg.optim.SGD(model.parameters(), 0.1)

        def step():
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = how(step)
        losses = [step().item() for _ in range(steps_before)]
        with watch(model, optimizer, every=5) as record:
            for _ in range(20):
                record.step(step())
        losses += [step().item() for _ in range(5)]
        return losses, record.steps, record.losses

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(mg.compile) == run(lambda step: step)
    assert run(lambda step: step)[1] == [0, 5, 10, 15]


def test_other_random_numbers():
    own, theirs = random.Random(0), np.random.default_rng(0)
    refused(lambda x: x * (1 if random.random() < 2 else 2), "random numbers", 6, mg.ones(1))
    refused(lambda x: x * (1 if own.random() < 2 else 2), "random numbers", 6, mg.ones(1))
    refused(lambda x: x * (1 if theirs.random() < 2 else 2), "random numbers", 6, mg.ones(1))
    old = np.random.RandomState(0)
    refused(lambda x: x * (1 if old.rand() < 2 else 2), "random numbers", 6, mg.ones(1))
    refused(lambda x: x * (1 if np.random.rand() < 2 else 2), "random numbers", 6, mg.ones(1))
    refused(lambda: (mg.manual_seed(1), mg.rand(2))[1], "state of the random stream")
    unknown = random.SystemRandom()
    refused(lambda x: x * (1 if unknown.random() < 2 else 2), "random numbers", 6, mg.ones(1))


def test_states_of_the_random_stream_that_are_read_and_set():
    def run(wrapper):
        def step(x):
            state = mg.get_rng_state()
            y = x * mg.rand(1)
            mg.set_rng_state(state)
            return y

        step = wrapper(step)
        found = [step(mg.ones(1)).item() for _ in range(5)]
        mg.rand(1)
        return [*found, step(mg.ones(1)).item(), mg.get_rng_state().tolist()]

    check_course(run, "state of the random stream")


def test_results_that_replays_would_share():
    def numbers(x):
        yield x * 2
        yield x * 3

    assert [len([*found]) for found in refused(numbers, "it returns <generator", 6, mg.ones(1))] == [2] * 6
    found = refused(lambda x: (x * 1, [{1}]), "it returns {1}", 6, mg.ones(1))
    assert len({id(members) for _, (members,) in found}) == 6


def test_history_that_is_left_in_a_tensor():
    def run(wrapper):
        w, h = mg.ones(1, requires_grad=True), mg.zeros(1)

        def step(x):
            h.detach_()
            h.copy_(w * x)

        step, found = wrapper(step), []
        for _ in range(5):
            step(mg.ones(1))
            h.sum().backward()
            found.append(w.grad.item())
        return found

    check_course(run, "leaves another history")


def test_arguments_that_are_changed_in_place():
    x = mg.zeros(2)
    refused(lambda x: x.add_(1), "changes its argument", 6, x)
    assert x.tolist() == [6, 6]
    compiled, late = mg.compile(lambda x, y: x.add_(1) if y > 0 else x + 0), mg.zeros(2)
    with warned("depends on values"):
        for i in range(10):
            compiled(late, mg.tensor(i - 4.5))
    assert late.tolist() == [5, 5]


def test_arguments_that_share_memory_with_what_is_changed():
    def by_step(wrapper):
        w = mg.ones(1, requires_grad=True)
        optim = mg.optim.SGD([w], lr=0.1)

        def step(x):
            optim.zero_grad()
            w.sum().backward()
            optim.step()
            return x * 1

        step = wrapper(step)
        return [step(mg.ones(1) if i < 3 else w.data).item() for i in range(6)]

    def by_state(wrapper, number):
        W = mg.zeros(2, 1)

        def step(x):
            W.add_(1)
            return x * 1

        step = wrapper(step)
        return [step(mg.zeros(1) if i < number else W[0]).item() for i in range(6)]

    def by_argument(wrapper):
        def step(x, y):
            if x.sum() > 0:
                x.add_(1)
            return y * 1

        step, x, y = wrapper(step), mg.zeros(2) - 1, mg.zeros(2) + 1
        return [step(z, z[0]).item() for z in (x, x, x, y, y, y)]

    check_course(by_step, "changes its argument")
    for number in (0, 1, 3):
        check_course(lambda wrapper, number=number: by_state(wrapper, number), "changes its argument")
    check_course(by_argument, "depends on values")


def test_what_the_function_does_to_its_arguments():
    def run(wrapper):
        def step(log, x, replaced, failing):
            if x.sum() > 0:
                log.append(x.sum().item())
                x.add_(1)
                replaced.data = replaced * 2
            if failing.sum() > 0:
                x.add_(1)
                raise ValueError
            return x * 1

        step, found = wrapper(step), []
        for sign in (-1, -1, -1, 1, 1, 1):
            arguments = [], mg.full((2,), sign), mg.ones(1), mg.zeros(1) if sign < 0 else mg.ones(1)
            with contextlib.suppress(ValueError):
                step(*arguments)
            found.append((arguments[0], bits(arguments[1:])))
        return found

    check_course(run)
    asking = lambda x: x.requires_grad_().sum() * 1
    check_course(lambda wrapper: [wrapper(asking)(x).item() for x in (mg.ones(1),) * 6])
    xs = [mg.ones(1) for _ in range(4)]
    compiled = mg.compile(asking)
    with warned("changes its argument"):
        for x in xs:
            compiled(x)
    assert all(x.requires_grad for x in xs)


def test_which_tensors_arguments_are(counts):
    x, y, d = mg.ones(1), nn.Parameter(mg.ones(1), requires_grad=False), mg.ones(1)
    attributed = [mg.ones(1) for _ in range(2)]
    attributed[0].scale, attributed[1].scale = 2.0, 3.0

    def run(wrapper):
        functions = [lambda a, b: a * b * (2 if a is b else 3), lambda a, b: a * (2 if isinstance(b, nn.Parameter) else 3)]
        by_class, by_attribute = [wrapper(function) for function in functions], wrapper(lambda x: x * x.scale)
        found = [f(*some).item() for f in by_class for some in [(x, x), (x, y), (d, d), (d, x)] * 4]
        return found + [by_attribute(some).item() for some in attributed * 4]

    check_course(run, "differ from those recorded")
    assert counts["replay"] > 10
    check_course(lambda wrapper: [wrapper(lambda x: x * (2 if x is d else 3))(d).item() for _ in range(3)])
    same = mg.compile(lambda x: x * (2 if x is d else 3))
    with warned("can reach by itself"):
        assert [same(d).item() for _ in range(4)] == [2] * 4


def test_state_in_containers_and_slots():
    log, slotted = collections.deque(maxlen=3), Slotted()
    slotted.factor = 1.0
    refused(lambda x: (log.append(1), x * 1)[1], "entries of log", 6, mg.ones(1))
    compiled = mg.compile(lambda x: x * slotted.factor)
    for slotted.factor in (1.0, 2.0):
        with warned("factor changed from 1.0 to 2.0") if slotted.factor == 2 else warned():
            assert [compiled(mg.ones(1)).item() for _ in range(4)] == [slotted.factor] * 4


def test_values_that_decide_after_an_update():
    w = mg.ones(2, requires_grad=True)
    optim = mg.optim.SGD([w], lr=0.1)

    def step():
        loss = (w * w).sum()
        optim.zero_grad()
        loss.backward()
        optim.step()
        return loss * 2 if w.sum() > 0 else loss

    refused(step, "after an optimiser's step")


def test_schedules_and_settings_that_the_function_reads(counts):
    def make(read):
        def make():
            w = mg.ones(2, requires_grad=True)
            optim = mg.optim.SGD([w], lr=0.1)
            schedule = mg.optim.lr_scheduler.StepLR(optim, 10, 0.5)

            def step():
                loss = (w * w).sum()
                optim.zero_grad()
                loss.backward()
                optim.step()
                if read:
                    w.data *= 1 - 0.1 * optim.param_groups[0]["lr"]
                schedule.step()
                return loss

            return step, lambda: [w]

        return make

    check(make(False))
    assert counts["replay"] >= 46
    with warned("lr changed from 0.1 to 0.05"):
        check(make(True))


def test_gradients_that_are_cleared_after_the_update(counts):
    def make():
        net = mlp()
        optim, X = mg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), characters()

        def step():
            loss = net(X[mg.randint(0, len(X), (16,))]).square().mean()
            loss.backward()
            optim.step()
            optim.zero_grad()
            return loss

        return step, lambda: [*net.parameters(), *net.buffers()]

    check(make)
    assert counts["replay"] >= 46


# --------------------------------------------------------------------------------------------------------- threads


def in_threads(*functions):
    """What functions return that run at the same time."""
    found = [None] * len(functions)

    def work(i):
        found[i] = functions[i]()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_do_not_disturb_each_other():
    def course(number, wrapper):
        generator = mg.Generator().manual_seed(number)
        w = mg.randn(5, 5, generator=generator).requires_grad_()

        def step():
            w.grad = None
            loss = (mg.randn(4, 5, generator=generator) @ w).tanh().sum()
            loss.backward()
            w.data -= 0.01 * w.grad
            return loss

        run = wrapper(step)
        return bits([run() for _ in range(40)]), bits(w)

    def use_of_one(number):
        return bits([shared(x) for x in inputs[number]])

    functions = [lambda number=number: course(number, mg.compile) for number in range(4)]
    assert in_threads(*functions) == [course(number, lambda step: step) for number in range(4)]
    inputs = [[mg.randn(30, 30) for _ in range(50)] for _ in range(4)]
    shared = mg.compile(lambda x: (x * 2 + 1).tanh() @ x)
    expected = [bits([(x * 2 + 1).tanh() @ x for x in some]) for some in inputs]
    assert in_threads(*(lambda number=number: use_of_one(number) for number in range(4))) == expected


def test_a_thread_computes_while_another_is_recorded(counts):
    begun, done = threading.Event(), threading.Event()

    def slow(x):
        begun.set()
        done.wait(10)
        return x * 2

    def meanwhile():
        begun.wait(10)
        w = mg.arange(6).reshape(2, 3).float().requires_grad_()
        y = w[mg.tensor([1, 0, 1]), 1:] * mg.compile(lambda x: x + 1)(mg.ones(3, 2))
        y[y > 3] = 0
        y.sum().backward()
        done.set()
        return y.tolist(), w.grad.tolist()

    done.set(), begun.set()
    expected = meanwhile()
    done.clear(), begun.clear(), counts.clear()
    found = in_threads(lambda: mg.compile(slow)(mg.ones(2)).tolist(), meanwhile)
    assert found == [[2, 2], expected]
    assert counts["record"] == 1


# ------------------------------------------------------------------------------------------------------- the rest


def test_views_without_elements_are_views():
    def function(x, value):
        x, value = x.detach().requires_grad_(), value.detach().requires_grad_()
        y = x * 1
        y[5:] = value
        return mg.autograd.grad(y.sum(), [x, value])

    compiled = mg.compile(function)
    for _ in range(4):
        assert bits(compiled(mg.ones(3), mg.tensor(1.0))) == bits(function(mg.ones(3), mg.tensor(1.0)))


def test_named_tuples_are_replayed(counts):
    compiled = mg.compile(lambda x: x.max(1))
    for _ in range(4):
        x = mg.randn(3, 4)
        found = compiled(x)
        assert bits(found.values) == bits(x.max(1).values) and bits(found.indices) == bits(x.max(1).indices)
    assert counts["replay"] == 2


def test_an_interruption_leaves_the_library_as_it_was(monkeypatch):
    def interrupted(modules):
        yield from plainly(modules)[:10]
        raise KeyboardInterrupt

    plainly = exchange.replacements
    monkeypatch.setattr(exchange, "replacements", interrupted)
    compiled = mg.compile(lambda x: x * 2)
    with pytest.raises(KeyboardInterrupt):
        compiled(mg.ones(1))
    monkeypatch.setattr(exchange, "replacements", plainly)
    assert [compiled(mg.ones(1)).item() for _ in range(4)] == [2] * 4


def test_what_is_imported_in_a_recording_is_as_at_other_times(monkeypatch):
    monkeypatch.setattr(mg.ops, "resample", mg.ops.resample)
    monkeypatch.delitem(sys.modules, "minigrad.ops.resample")

    def importing(x):
        importlib.import_module("minigrad.ops.resample")
        return x * 2

    mg.compile(importing)(mg.ones(2))
    assert sys.modules["minigrad.ops.resample"].xp is backend.xp


def test_versions_are_counted():
    x = mg.ones(3)

    def step():
        x.add_(1)
        return x.sum()

    compiled = mg.compile(step)
    for i in range(5):
        compiled()
        assert x._version == i + 1
    w = mg.ones(3, requires_grad=True)
    y = (w * x).sum()
    compiled()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_results_are_new_tensors_without_history(counts):
    w = mg.ones(3, requires_grad=True)
    compiled = mg.compile(lambda x: (x * w, w, (x + 1).t()))
    x = mg.arange(6).reshape(2, 3) + 0.0
    results = [compiled(x) for _ in range(4)]
    assert counts["replay"] == 2
    for product, _, other in results:
        assert not product.requires_grad and bits(product) == bits(x * w.detach()) and bits(other) == bits((x + 1).t())
    results[-1][0].zero_()
    assert bits(results[-2][0]) == bits(x)


def test_as_a_decorator_of_a_function_and_around_a_module():
    @mg.compile
    def double(x):
        """Twice."""
        return x * 2

    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    assert [double(mg.ones(2)).tolist() for _ in range(4)] == [[2, 2]] * 4
    net = mlp().eval()
    compiled, x = mg.compile(net), characters()[:4]
    with mg.no_grad():
        assert [bits(compiled(x)) for _ in range(4)] == [bits(net(x))] * 4


class Trainer:
    def __init__(self, factor):
        self.factor = factor

    @mg.compile
    def step(self, x):
        return x * self.factor


def test_as_a_decorator_of_a_method(counts):
    with warned("arguments differ"):
        for trainer in (Trainer(2), Trainer(3)):
            assert [trainer.step(mg.ones(1)).item() for _ in range(5)] == [trainer.factor] * 5
    assert counts == {"record": 4, "replay": 6}


def test_one_compiled_function_inside_another(counts):
    inner = mg.compile(lambda x: x * 2)
    outer = mg.compile(lambda x: inner(x) + 1)
    assert [outer(mg.ones(1) * i).item() for i in range(5)] == [1, 3, 5, 7, 9]
    assert counts == {"record": 2, "replay": 3}
    w = mg.ones(1, requires_grad=True)
    asking = lambda: mg.ones(1) * inner(w).requires_grad
    assert [f().item() for f in (asking, mg.compile(asking)) for _ in range(4)] == [0] * 8


def test_a_copy_is_compiled_for_itself(counts):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = mg.compile(lambda x: x * 2)

    net = copy.deepcopy(Net())
    assert [net.act(mg.ones(1)).item() for _ in range(4)] == [2] * 4 and counts["replay"] == 2


def test_recordings_are_given_up_where_they_are_of_no_use():
    options = types.SimpleNamespace(factor=0)

    def step(x):
        return x * options.factor

    compiled = mg.compile(step)
    with warned("something else at every call"):
        for i in range(30):
            options.factor = i // 3
            assert compiled(mg.ones(1)).item() == i // 3
    assert not any(kind.recordings for kind in compiled.kinds.values())


def test_the_first_call_may_be_special(counts):
    cache = {}

    def step(x):
        if "scale" not in cache:
            cache["scale"] = 3.0
        return x * cache["scale"]

    compiled = mg.compile(step)
    assert [compiled(mg.ones(1)).item() for _ in range(6)] == [3] * 6
    assert counts == {"record": 3, "replay": 3}
