"""What a benchmark is made of; a family of workloads is one file that calls `register`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Trainer(NamedTuple):
    """One way's training loop, ready to run."""

    draw: Callable[[], Any]  # the indices of a random minibatch, in the way's own type
    step: Callable[[Any], Any]  # fetches that minibatch, runs forward, backward, update; gives the loss
    indices: Callable[[Any], Any]  # a NumPy array of indices in the way's own type


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


@dataclass(frozen=True)
class Workload:
    """A network and its data. `problem()` makes what every way starts from; a way never changes it."""

    title: str
    problem: Callable[[], Any]  # has .examples and .batch, both counts
    ways: dict[str, Way]
    targets: dict[str, float]  # the largest ratio wanted of a minigrad way to "torch" and to "numpy"


WORKLOADS: dict[str, Workload] = {}


def register(name, workload):
    """Add a workload under the name that selects it on the command line."""
    if name in WORKLOADS:
        raise ValueError(f"register: there is already a workload named {name!r}")
    WORKLOADS[name] = workload
