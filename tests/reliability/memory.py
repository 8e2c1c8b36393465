"""Memory, cycles and open files over many steps: of the models of the lessons, and of fits that are watched or fail."""

import contextlib
import gc
import io
import math
import os
import sys
import tempfile
from typing import NamedTuple

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import autograd, backend, diagnostics, optim
from minigrad.train import (
    EVENTS,
    BatchTransform,
    Callback,
    CancelEpoch,
    CancelFit,
    Checkpoint,
    DetectAnomaly,
    EarlyStopping,
    GradientClip,
    Learner,
    LRFinder,
    Metrics,
    OneCycle,
    ProgressBar,
    Recorder,
    accuracy,
)  # fmt: skip
from minigrad.utils.data import DataLoader, TensorDataset

from .. import test_bad_input
from . import Row

BATCH, LETTERS = 4, 27
BLOCKS = 200  # of Python's allocator, and kilobytes of the process, that may come and go without being a leak
KILOBYTES = 512


# ------------------------------------------------------------------------------------------------------- what is left


class Growth(NamedTuple):
    """What the second half of the steps added, and what only the garbage collector could free after all of them."""

    blocks: int  # of Python's allocator
    kilobytes: int  # of resident memory; 0 where the system does not say
    files: int  # open ones
    cycles: list  # objects

    def check(self, name):
        held = [f"{type(x).__module__}.{type(x).__name__}" for x in self.cycles[:20]]
        assert not self.cycles, f"{name}: {len(self.cycles)} objects in reference cycles: {held}"
        assert self.files <= 0, f"{name}: {self.files} open files more"
        assert self.blocks <= BLOCKS, f"{name}: {self.blocks} blocks more after the second half of the steps"
        assert self.kilobytes <= KILOBYTES, f"{name}: {self.kilobytes} kB more after the second half of the steps"
        return self


def resident():
    """Kilobytes of the process that are in memory."""
    if not os.path.exists("/proc/self/statm"):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def measure(cycles):
    """Blocks, kilobytes and open files, when what only the collector frees has been moved into `cycles`."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()  # empties Python's own lists of free objects too
    gc.set_debug(0)
    cycles += gc.garbage
    gc.garbage.clear()
    backend._constants.clear()  # bounded, but the rates of an optimiser may be new ones at every step
    return sys.getallocatedblocks(), resident(), open_files()


def growth(make, steps):
    """The Growth over `steps` calls of what `make()` returns, the garbage collector switched off meanwhile."""
    gc.collect()
    gc.freeze()  # what is there already need not be looked through again
    gc.disable()
    cycles = []
    try:
        step = make()
        for _ in range(steps - steps // 2):
            step()
        before = measure(cycles)
        for _ in range(steps // 2):
            step()
        after = measure(cycles)
        del step  # the model and its optimiser as well are to go without the collector
        measure(cycles)
    finally:
        gc.enable()
        gc.unfreeze()
    return Growth(*(b - a for a, b in zip(before, after, strict=True)), cycles)


# ----------------------------------------------------------------------------------------- the models of the lessons


def training(model, x, y, loss=F.cross_entropy, optimizer=None, schedule=None, clip=None):
    """A function that takes one training step."""
    optimizer = optim.SGD(model.parameters(), lr=0.01) if optimizer is None else optimizer(model.parameters())
    schedule = None if schedule is None else schedule(optimizer)

    def step():
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        return value.item()

    return step


def descent(parameters, loss, lr=0.01):
    """The same for parameters that stand alone, changed as the first lessons do it."""
    for p in parameters:
        p.requires_grad_()

    def step():
        value = loss()
        for p in parameters:
            p.grad = None
        value.backward()
        for p in parameters:
            p.data += -lr * p.grad
        return value.item()

    return step


def momentum(parameters):
    return optim.SGD(parameters, lr=0.01, momentum=0.9)


def letters(back):
    return mg.randint(0, LETTERS, (BATCH, back)), mg.randint(0, LETTERS, (BATCH,))


def images(side=28):
    return mg.randn(BATCH, 1, side, side), mg.randint(0, 10, (BATCH,))


def two_moons():
    layers = [mg.randn(n, m + 1, dtype=mg.float64) for m, n in ((2, 8), (8, 8), (8, 1))]
    x, y = mg.randn(BATCH, 2, dtype=mg.float64), mg.randn(BATCH, dtype=mg.float64)

    def loss():
        h = x
        for w in layers:
            h = mg.tanh(h @ w[:, :-1].T + w[:, -1])
        return ((h[:, 0] - y) ** 2).mean()

    return descent(layers, loss)


def convolutions(norm=None, activation=nn.ReLU, channels=(8, 16, 32, 32)):
    layers = []
    for i, o in zip((1, *channels), channels, strict=False):
        layers += [nn.Conv2d(i, o, 5 if i == 1 else 3, stride=2, padding=2 if i == 1 else 1), activation()]
        layers += [] if norm is None else [norm(o)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], 10))


def digit_as_a_number():
    x, y = images()
    model = nn.Sequential(nn.Conv2d(1, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 1, 3, 2, 1))
    return training(model, x, y.float(), lambda output, y: F.mse_loss(output.mean((1, 2, 3)), y))


def perceptron():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    return training(model, *images())


def convnet():
    return training(convolutions(activation=lambda: nn.GeneralReLU(0.1, 0.4)), *images(), optimizer=momentum)


def normalised_convnet():
    def line(optimizer):
        return optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

    return training(convolutions(nn.BatchNorm2d), *images(), schedule=line)


class RowReader(nn.Module):
    def __init__(self, side, units=16):
        super().__init__()
        self.units, self.norm, self.output = units, nn.BatchNorm1d(units), nn.Linear(units, 10)
        self.from_row, self.from_state = nn.Linear(side, units), nn.Linear(units, units, bias=False)
        nn.init.orthogonal_(self.from_state.weight)

    def forward(self, x):
        h = mg.zeros(len(x), self.units)
        for row in x[:, 0].unbind(1):
            h = mg.tanh(self.norm(self.from_row(row) + self.from_state(h)))
        return self.output(h)


def row_reader():
    return training(RowReader(7), *images(7), optimizer=momentum, clip=1.0)


def deep():
    layers = [layer for n in (21, *[40] * 9) for layer in (nn.Linear(n, 40), nn.ReLU())]
    x, y = mg.randn(BATCH, 21), mg.randint(0, 3, (BATCH,))
    return training(nn.Sequential(*layers, nn.Linear(40, 3)), x, y, optimizer=momentum)


def bigrams():
    w = mg.randn(LETTERS, LETTERS)
    x, y = letters(1)
    onehot = F.one_hot(x[:, 0], LETTERS).float()

    def loss():
        counts = (onehot @ w).exp()
        p = counts / counts.sum(1, keepdim=True)
        return -p[mg.arange(BATCH), y].log().mean() + 0.01 * (w**2).mean()

    return descent([w], loss)


def names(normalised):
    x, y = letters(3)
    table, w1, b1, w2, b2 = mg.randn(LETTERS, 10), mg.randn(30, 50), mg.randn(50), mg.randn(50, LETTERS), mg.randn(LETTERS)
    gain, bias = mg.ones(1, 50), mg.zeros(1, 50)

    def loss():
        h = table[x].view(BATCH, -1) @ w1 + b1
        if normalised:
            h = gain * (h - h.mean(0, keepdim=True)) / h.std(0, keepdim=True) + bias
        return F.cross_entropy(mg.tanh(h) @ w2 + b2, y)

    return descent([table, w1, b1, w2, b2] + [gain, bias] * normalised, loss)


def watched_names():
    hidden = [nn.Linear(30, 50), nn.BatchNorm1d(50), nn.Tanh()]
    model = nn.Sequential(nn.Embedding(LETTERS, 10), nn.Flatten(), *hidden, nn.Linear(50, LETTERS))
    x, y = letters(3)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    record = diagnostics.watch(model, optimizer, every=10, limit=10)

    def step():
        with record:
            for _ in range(2):
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                record.step(loss)

    return step


class Joined(nn.Module):
    def forward(self, x):
        N, T, C = x.shape
        return x.view(N, T // 2, 2 * C).squeeze(1)


def tree():
    layers = [nn.Embedding(LETTERS, 10)]
    for width in (20, 32, 32):
        layers += [Joined(), nn.Linear(width, 16, bias=False), nn.LayerNorm(16), nn.Tanh()]
    return training(nn.Sequential(*layers, nn.Linear(16, LETTERS)), *letters(8))


class Bottleneck(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        down = [nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()]
        up = [nn.Conv2d(inner, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
        self.body = nn.Sequential(*down, *up)

    def forward(self, x):
        return F.relu(x + self.body(x))


def residual():
    layers = [nn.Conv2d(1, 8, 4, stride=4, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Bottleneck(8, 4)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)]
    return training(nn.Sequential(*layers), *images(), optimizer=momentum)


class Transformer(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.letters, self.places = nn.Embedding(LETTERS, width), nn.Embedding(8, width)
        self.look = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width), nn.Dropout(0.1))
        self.norms, self.logits = nn.ModuleList(nn.LayerNorm(width) for _ in range(2)), nn.Linear(width, LETTERS)
        self.register_buffer("future", mg.triu(mg.ones(8, 8), diagonal=1) == 1)

    def forward(self, x):
        h = self.letters(x) + self.places(mg.arange(8))
        y = self.norms[0](h)
        h = h + self.look(y, y, y, attn_mask=self.future, need_weights=False)[0]
        return self.logits(h + self.mlp(self.norms[1](h)))


def transformer():
    x = mg.randint(0, LETTERS, (BATCH, 8))
    return training(Transformer(), x, x, lambda y, x: F.cross_entropy(y.flatten(0, 1), x.flatten()), optim.AdamW)


def two_backends():
    model = nn.Sequential(nn.Linear(30, 64), nn.Tanh(), nn.Linear(64, LETTERS))
    return training(model, mg.randn(BATCH, 30), mg.randint(0, LETTERS, (BATCH,)))


MODELS = {
    "01": two_moons, "02": digit_as_a_number, "03, 04": perceptron, "05": convnet, "06, convolutions": normalised_convnet,
    "06, rows": row_reader, "07": deep, "08": bigrams, "09": lambda: names(False), "10, 12, 13": lambda: names(True),
    "11, watched": watched_names, "14, tree": tree, "14, residual": residual, "15": transformer, "16": two_backends,
}  # fmt: skip


# ------------------------------------------------------------------------------ fits that are watched, and that fail


class Fault(Exception):
    """What goes wrong in these fits."""


def fail(*arguments):
    raise Fault


class Failing(TensorDataset):
    def __getitem__(self, index):
        raise Fault


class Raising(Callback):
    """Raises an error in the event of a name."""

    def __init__(self, event, error=Fault):
        setattr(self, event, self.fail)
        self.error = error

    def fail(self, learner):
        raise self.error


def fit(folder, prepare=lambda learner: None, dataset=TensorDataset, workers=0, more=()):
    """A new learner's fit with every callback, a record of it and hooks; a Fault ends it and is forgotten."""
    x = mg.randn(16, 4)
    data = dataset(x, (x[:, 0] > 0).long())
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
    loaders = DataLoader(data, 8, shuffle=True, num_workers=workers), [data.tensors]
    callbacks = [
        Recorder(), Metrics(accuracy, train=True), OneCycle(0.05), EarlyStopping(), Checkpoint(folder), GradientClip(1.0),
        BatchTransform(lambda x, y: (x + 0, y)), ProgressBar(io.StringIO()), *more,
    ]  # fmt: skip
    learner = Learner(model, loaders, F.cross_entropy, optim.AdamW(model.parameters(), lr=0.01), callbacks)
    prepare(learner)
    with contextlib.suppress(Fault, FloatingPointError), contextlib.ExitStack() as stack:
        stack.enter_context(diagnostics.watch(model, learner.optimizer, every=1))
        for backward in (False, True):
            stack.enter_context(diagnostics.Hooks(model, noted, backward=backward))
        learner.fit(1)


def noted(hook, module, inputs, outputs):
    hook.stats["mean"].append(outputs[0].mean().item())


def in_forward(learner):
    learner.model[2].register_forward_hook(fail)


def in_backward(learner):
    learner.model[2].register_full_backward_hook(fail)


def in_recorded_backward(learner):
    in_backward(learner)
    weight = learner.model[0].weight

    def loss(y, target):
        return autograd.grad(F.cross_entropy(y, target), weight, create_graph=True)[0].square().sum()

    learner.loss_function = loss


def at_a_gradient(learner):
    learner.model[0].weight.register_hook(fail)


def found(learner):
    learner.model[0].weight.data.fill_(math.inf)


def searched(learner):
    LRFinder(steps=3).find(learner)


FITS = {
    "as it should be": {}, "with threads": {"workers": 2}, "after a search": {"prepare": searched},
    "an error in a forward hook": {"prepare": in_forward}, "in a backward hook": {"prepare": in_backward},
    "in a backward hook of a recorded backward": {"prepare": in_recorded_backward},
    "in the hook of a gradient": {"prepare": at_a_gradient}, "in a thread": {"dataset": Failing, "workers": 2},
    "in the data": {"dataset": Failing}, "an infinity": {"prepare": found, "more": [DetectAnomaly()]},
    "an epoch cancelled": {"more": [Raising("after_step", CancelEpoch)]},
    "a fit cancelled": {"more": [Raising("after_loss", CancelFit)]},
    **{f"an error in {event}": {"more": [Raising(event)]} for event in EVENTS},
}  # fmt: skip


def fits(count, options):
    """The Growth over so many fits with these options."""
    with tempfile.TemporaryDirectory() as folder:
        return growth(lambda: lambda: fit(folder, **options), count)


# -------------------------------------------------------------------------------------------------------- all of it


def model_steps(steps):
    """Check every model over so many steps; (how many steps, the largest growth of resident memory in kB)."""
    found = [growth(model, steps).check(name) for name, model in MODELS.items()]
    return len(found) * steps, max(one.kilobytes for one in found)


def all_fits(count):
    """The same for fits of every kind."""
    found = [fits(count, options).check(name) for name, options in FITS.items()]
    return len(found) * count, max(one.kilobytes for one in found)


def wrong_calls():
    """Calls with wrong arguments leave no cycle when their error has been dealt with; how many were tried."""
    calls = [row.values[1] for row in test_bad_input.rows()]
    calls = [call for call in calls if "_hook(" not in call]  # a function that the test itself hangs on a tensor it knows

    def make():
        return lambda: [test_bad_input.outcome("minigrad", call) and None for call in calls]

    growth(make, 2).check("errors")
    return len(calls)


def rows(full):
    (steps, most), (fitted, most_of_fits) = model_steps(10_000 if full else 200), all_fits(100 if full else 12)
    return [
        Row("training steps of models of the lessons", steps, f"no cycles, files or objects left; {most} kB at most"),
        Row("fits with every callback, watch, hooks and errors", fitted, f"the same; {most_of_fits} kB at most"),
        Row("calls with wrong arguments", wrong_calls(), "no cycles left"),
    ]
