"""What a training step sends over the bus, and how often its host waits: nothing but the indices of its minibatch.

In processes of their own on the stand-in for CuPy, which sees every transfer and every wait, the training steps of the
lessons run and are counted, once by the stand-in and once by `minigrad.cuda.counting`, which is there on a real GPU too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg

FOLDER = Path(__file__).parent / "stand_in"

SETUP = """
import json
import sys
import cupy
import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

mg.manual_seed(1)
if sys.argv[1] == "device":
    mg.cuda.draw_on_device()


class Text(nn.Module):  # (N, T) characters to N classes, by what is between an embedding and a linear layer
    def __init__(self, middle):
        super().__init__()
        self.table, self.middle, self.last = nn.Embedding(9, 8), middle, nn.Linear(8, 5)

    def forward(self, x):
        y = self.middle(self.table(x))
        return self.last((y[0] if isinstance(y, tuple) else y)[:, -1])


def convolutions(norm):
    layers = []
    for ins, outs in ((1, 4), (4, 8)):
        layers += [nn.Conv2d(ins, outs, 3, 2, 1), *([nn.BatchNorm2d(outs)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def deep():
    layers = [nn.Embedding(9, 4), nn.Flatten()]
    for ins in (12, 10, 10):
        layers += [nn.Linear(ins, 10, bias=False), nn.BatchNorm1d(10), nn.Tanh()]
    return nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(10, 5))


images, words, labels = mg.randn(100, 1, 12, 12), mg.randint(0, 9, (100, 3)), mg.randint(0, 5, (100,))
MODELS = {
    "convolutions": (lambda: convolutions(False), images), "with batch norm": (lambda: convolutions(True), images),
    "deep batch norm and dropout": (deep, words),
    "LSTM": (lambda: Text(nn.LSTM(8, 8, batch_first=True)), words), "GRU": (lambda: Text(nn.GRU(8, 8, 2)), words),
    "transformer": (lambda: Text(nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)), words),
}
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1), "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p), "AdamW": lambda p: optim.AdamW(p, amsgrad=True), "RMSprop": lambda p: optim.RMSprop(p),
}


def counted(call):
    for _ in range(3):  # what the first calls make and keep does not count
        with cupy.counting() as all_there_is, mg.cuda.counting() as ours:
            call()
    return [{name: c[name] for name in ("to device", "to host", "waits")} for c in (all_there_is, ours)]


found = {}
"""
REPORT = "print(json.dumps(found))"

STEPS = """
def step_of(model, inputs, optimizer, clip):
    def step():
        i = mg.randint(0, 100, (16,))
        loss = F.cross_entropy(model(inputs[i]), labels[i])
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return step

for name, (make, inputs) in MODELS.items():
    for kind in ("SGD", "Adam"):
        model = make()
        step = step_of(model, inputs, OPTIMIZERS[kind](model.parameters()), clip=kind == "Adam")
        found[f"{name}, {kind}"] = counted(step)
for kind, make in OPTIMIZERS.items():
    model = deep()
    found[f"{kind} with dropout"] = counted(step_of(model, words, make(model.parameters()), clip=False))
"""

BY_HAND = """
C, W1, gain, bias, W2 = parameters = [
    mg.randn(*size, requires_grad=True) for size in ((9, 4), (12, 16), (1, 16), (1, 16), (16, 5))
]
mean, var = mg.zeros(1, 16), mg.ones(1, 16)

def forward(i):
    global mean, var
    h = C[words[i]].view(16, -1) @ W1
    with mg.no_grad():
        mean, var = 0.99 * mean + 0.01 * h.mean(0, keepdim=True), 0.99 * var + 0.01 * h.var(0, keepdim=True)
    h = gain * (h - h.mean(0, keepdim=True)) / h.std(0, keepdim=True) + bias
    return mg.tanh(h), mg.tanh(h) @ W2

def names():  # lessons 9 and 10
    i = mg.randint(0, 100, (16,))
    loss = F.cross_entropy(forward(i)[1], labels[i])
    for p in parameters:
        p.grad = None
    loss.backward()
    for p in parameters:
        p.data += -0.1 * p.grad

def backward_by_hand():  # lesson 12
    i, rows = mg.randint(0, 100, (16,)), mg.arange(16)
    with mg.no_grad():
        h, logits = forward(i)
        dlogits = F.softmax(logits, 1)
        dlogits[rows, labels[i]] -= 1
        dlogits /= 16
        dW2, dh = h.T @ dlogits, dlogits @ W2.T
        dC = mg.zeros_like(C)
        dC.index_add_(0, words[i].view(-1), (((1 - h**2) * dh) @ W1.T).view(-1, 4))
        C.sub_(0.1 * dC)
        W2.sub_(0.1 * dW2)

found["tensor expressions"] = counted(names)
found["backward by hand"] = counted(backward_by_hand)
compiled = mg.compile(names)
found["compiled"] = counted(compiled)
assert len(next(iter(compiled.kinds.values())).recordings) == 1
"""

LEARNER = """
from minigrad.train import GradientClip, Learner, Metrics, OneCycle, ParamScheduler, Recorder, accuracy
from minigrad.utils.data import DataLoader, TensorDataset

def epoch_of(batches):
    net = deep()
    data = DataLoader(TensorDataset(words[: 10 * batches], labels[: 10 * batches]), 10, shuffle=True), None
    callbacks = [Recorder(), GradientClip(1.0), Metrics(accuracy=accuracy)]
    learner = Learner(net, data, F.cross_entropy, optim.Adam(net.parameters()), callbacks)
    return lambda: learner.fit(1)

found["few"], found["many"] = counted(epoch_of(3)), counted(epoch_of(10))
"""


def run(script, *arguments):
    """What a script found, in a process of its own on the stand-in."""
    paths = f"{FOLDER}{os.pathsep}{FOLDER.parent.parent}"
    environment = {**os.environ, "MINIGRAD_BACKEND": "cupy", "PYTHONPATH": paths, "MINIGRAD_LAUNCH_BLOCKING": "0"}
    command = [sys.executable, "-c", SETUP + script + REPORT, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


DRAWS = {"dropout": 1, "transformer": 4}  # masks that a model draws, beside the indices of the minibatch


@pytest.mark.parametrize("script", [STEPS, BY_HAND], ids=["modules", "by hand"])
@pytest.mark.parametrize("drawn_on", ["host", "device"])
def test_a_training_step_fetches_the_indices_of_its_minibatch_and_nothing_else(script, drawn_on):
    found = run(script, drawn_on)
    for name, (all_there_is, ours) in found.items():
        assert ours == all_there_is, name
        # who writes by indices waits to hear that they are in range, once for each of three
        looks = 3 if name == "backward by hand" else 0
        masks = sum(count for word, count in DRAWS.items() if word in name)
        sent = 1 + masks if drawn_on == "host" else 0
        assert tuple(ours.values()) == (sent, looks, looks), name


def test_an_epoch_of_the_learner():
    """The host waits as often for many batches as for few; a batch sends its indices, and its dropout mask."""
    found = run(LEARNER, "host")
    for all_there_is, ours in found.values():
        assert ours == all_there_is
    (few, _), (many, _) = found["few"], found["many"]
    assert many["waits"] == few["waits"] and many["to host"] == few["to host"]
    assert many["to device"] - few["to device"] == 2 * 7  # batches more


def test_counting_sees_what_crosses():
    expected = {
        "tensor": (1, 0, 0), "number": (0, 0, 0), "item": (0, 1, 1), "list": (0, 1, 1), "numpy": (0, 1, 1),
        "print": (0, 1, 1), "from_numpy": (1, 0, 0), "mask": (0, 0, 1), "nonzero": (0, 0, 1), "unique": (0, 0, 1),
        "rows": (0, 0, 1), "if": (0, 1, 1), "equal": (0, 1, 1), "synchronize": (0, 0, 1), "bincount": (0, 1, 3),
        "cpu": (0, 0, 0), "plot": (0, 1, 1), "index": (1, 0, 0), "histc": (0, 0, 3), "histogram": (0, 2, 5),
        "bernoulli": (0, 1, 1), "multinomial": (0, 2, 2), "clip": (0, 1, 1),
    }  # fmt: skip
    script = """
import numpy as np
x, half, g = mg.arange(6), mg.full((6,), 0.5, requires_grad=True), mg.Generator("cuda")
half.grad = half.detach() * 1
array = np.ones(3)
for name, call in {
    "tensor": lambda: mg.tensor([1, 2]), "number": lambda: mg.tensor(1), "item": lambda: x[0].item(),
    "list": lambda: x.tolist(), "numpy": lambda: x.numpy(), "print": lambda: repr(mg.ones(2, dtype=mg.bool)),
    "from_numpy": lambda: mg.from_numpy(array),
    "mask": lambda: x[x > 2], "nonzero": lambda: x.nonzero(), "unique": lambda: x.unique(), "if": lambda: bool(x[0] > 1),
    "rows": lambda: x.reshape(3, 2).unique(dim=0),
    "equal": lambda: mg.equal(x, x), "synchronize": mg.cuda.synchronize, "bincount": lambda: mg.bincount(x),
    "cpu": lambda: x.cpu(), "plot": lambda: np.asarray(x), "index": lambda: x[[1, 2]],
    "histc": lambda: mg.histc(x.float(), 3, 0, 5), "histogram": lambda: mg.histogram(x.float(), 3),
    "bernoulli": lambda: mg.bernoulli(half, generator=g), "multinomial": lambda: mg.multinomial(half, 2, generator=g),
    "clip": lambda: nn.utils.clip_grad_norm_(half, 1.0, error_if_nonfinite=True),
}.items():
    found[name] = counted(call)
"""
    found = run(script, "host")
    for name, (all_there_is, ours) in found.items():
        assert ours == all_there_is, name
        assert tuple(ours.values()) == expected[name], name
    assert set(found) == set(expected)


@pytest.mark.skipif(mg.cuda.is_available(), reason="says what a process without a GPU answers")
def test_on_the_cpu_nothing_crosses():
    with mg.cuda.counting() as counted:
        mg.tensor([1.0, 2.0]).numpy()
    assert not counted
