"""What a benchmark is made of; a family of workloads is one file that calls `register`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SEED = 2147483647  # of the minibatches that are drawn while the clock runs
PHASES = ("forward", "backward", "update")


class Trainer(NamedTuple):
    """One way's training loop, ready to run."""

    draw: Callable[[], Any]  # the indices of a random minibatch, in the way's own type
    step: Callable[[Any], Any]  # fetches that minibatch, runs forward, backward, update; gives the loss
    indices: Callable[[Any], Any]  # a NumPy array of indices in the way's own type
    phases: Callable[[Any], Iterator] | None = None  # the same step, stopping after each phase, as in `in_phases`


def starting_point(inputs, targets, parameters, batch, learning_rate, **more):
    """What every way of a workload starts from: arrays of examples, float32 parameters, settings.

    `device`: where minigrad and PyTorch keep their tensors, by name; None is where they do so by themselves.
    """
    return SimpleNamespace(
        device=None,
        inputs=inputs,
        targets=targets,
        parameters=[parameter.astype(np.float32) for parameter in parameters],
        examples=len(inputs),
        batch=batch,
        learning_rate=learning_rate,
        **more,
    )


def in_phases(draw, phases, indices):
    """A `Trainer` whose step is written as a generator.

    It yields the loss after the forward pass, which fetches the minibatch as well, then once more after the backward
    pass, and ends with the update. So the phases share their local variables, and can be timed apart.
    """

    def step(indices):
        loss, _ = phases(indices)
        return loss

    return Trainer(draw, step, indices, phases)


def numpy_draw(problem):
    """Draws the indices of minibatches from NumPy's own random stream."""
    return partial(np.random.default_rng(SEED).integers, 0, problem.examples, problem.batch)


def library_draw(library, problem):
    """Draws the indices of minibatches from the random stream of minigrad or PyTorch, on the problem's device."""
    place = {"device": problem.device} if problem.device else {}
    generator = library.Generator(**place).manual_seed(SEED)
    return partial(library.randint, 0, problem.examples, (problem.batch,), generator=generator, **place)


def train_modules(package, problem, model, parameters, loss=None):
    """A `Trainer` of a model made of layers, in minigrad or PyTorch by the name of the package.

    `parameters`: the arrays that `model.parameters()` start from. `loss(logits, targets)`: cross entropy by default.
    """
    library, optim = import_module(package), import_module(package + ".optim")
    loss = loss or import_module(package + ".nn.functional").cross_entropy
    tensor = partial(library.tensor, device=problem.device)
    shared = tensor if problem.device else library.from_numpy  # what a footprint counts is not a copy of the data
    inputs, targets = shared(problem.inputs), shared(problem.targets)
    if problem.device:
        model.to(problem.device)
    for parameter, values in zip(model.parameters(), parameters, strict=True):
        parameter.data = tensor(values)
    optimizer = optim.SGD(model.parameters(), lr=problem.learning_rate)

    def phases(indices):
        value = loss(model(inputs[indices]), targets[indices])
        yield value
        optimizer.zero_grad()
        value.backward()
        yield
        optimizer.step()

    return in_phases(library_draw(library, problem), phases, tensor)


def compiled(build):
    """A way of minigrad with its step recorded and replayed by `minigrad.compile`; it has no phases."""

    def build_compiled(problem):
        trainer = build(problem)
        return trainer._replace(step=import_module("minigrad").compile(trainer.step), phases=None)

    return build_compiled


@dataclass(frozen=True)
class Way:
    """One implementation of a workload: `build(problem)` gives a `Trainer`, `package` is what it imports.

    `rival` names the PyTorch way written in the same style. `oracle` builds the plain NumPy trainer
    that must print the same losses, the workload's "numpy" way unless given.
    """

    build: Callable[[Any], Trainer]
    package: str
    rival: str
    oracle: Callable[[Any], Trainer] | None = None


def ways_of_layers(modules, by_hand, limit):
    """The ways of a network made of layers; `modules(package, problem)` builds it in minigrad or PyTorch."""
    ours, theirs = partial(modules, "minigrad"), partial(modules, "torch")
    return {
        "minigrad modules": Way(ours, "minigrad", "torch modules"),
        "minigrad compiled": Way(compiled(ours), "minigrad", "torch modules"),
        "numpy": Way(by_hand, "numpy", "torch modules"),
        "limit": Way(limit, "numpy", "torch modules"),
        "torch modules": Way(theirs, "torch", "torch modules"),
    }


@dataclass(frozen=True)
class Workload:
    """A network and its data. `problem()` makes what every way starts from; a way never changes it."""

    title: str
    problem: Callable[[], Any]  # has .examples and .batch, both counts
    ways: dict[str, Way]
    targets: dict[str, float]  # largest ratios wanted at one thread: to "torch", to "limit", of "compiled" to the limit
    targets_of_two: dict[str, float] = field(default_factory=dict)  # the same at two threads


WORKLOADS: dict[str, Workload] = {}


def register(name, workload):
    """Add a workload under the name that selects it on the command line."""
    if name in WORKLOADS:
        raise ValueError(f"register: there is already a workload named {name!r}")
    WORKLOADS[name] = workload
