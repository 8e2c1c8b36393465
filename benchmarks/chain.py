"""A chain of a thousand elementwise operations on small arrays: what an engine costs for each of them."""

from functools import partial
from importlib import import_module

import numpy as np

from benchmarks import peers
from benchmarks.limit import chain as limit
from benchmarks.workload import Way, Workload, compiled, in_phases, library_draw, numpy_draw, register, starting_point

ROUNDS = 250  # of four operations
CONSTANTS = SCALE, UP, DOWN = 1.0001, 0.0002, 0.0001
LEARNING_RATE = 0.02


def problem(size):
    """The numbers that the chain starts from and that training lowers; ReLU stops some of them."""
    x = np.linspace(1, -0.5, size, dtype=np.float32)
    nothing = np.zeros(1), np.zeros(1, np.int64)  # a minibatch for ways that fetch one whatever they train
    return starting_point(*nothing, [x], 1, LEARNING_RATE * size, constants=CONSTANTS, rounds=ROUNDS)


def tensors(package, problem):
    """The chain as a user writes it, in minigrad or PyTorch by the name of the package."""
    library = import_module(package)
    start = library.tensor(problem.parameters[0], requires_grad=True)

    def phases(_):
        x = start
        for _ in range(ROUNDS):
            x = (x * SCALE + UP).relu() - DOWN
        loss = x.mean()
        yield loss

        start.grad = None
        loss.backward()
        yield

        start.data -= problem.learning_rate * start.grad

    return in_phases(library_draw(library, problem), phases, library.tensor)


def by_hand(problem):
    """Forward and backward written out in plain NumPy."""
    start = problem.parameters[0].copy()

    def phases(_):
        x, active = start, []
        for _ in range(ROUNDS):
            x = x * SCALE + UP
            active.append(x > 0)
            x = np.maximum(x, 0) - DOWN
        yield x.mean()

        gradient = np.full_like(x, 1 / x.size)
        for mask in reversed(active):
            gradient = gradient * mask * SCALE
        yield

        np.subtract(start, problem.learning_rate * gradient, out=start)

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    "minigrad tensors": Way(partial(tensors, "minigrad"), "minigrad", "torch tensors"),
    "minigrad compiled": Way(compiled(partial(tensors, "minigrad")), "minigrad", "torch tensors"),
    "numpy": Way(by_hand, "numpy", "torch tensors"),
    "limit": Way(limit.chain, "numpy", "torch tensors"),
    "torch tensors": Way(partial(tensors, "torch"), "torch", "torch tensors"),
    **peers.ways("chain", "torch tensors", "autograd", "dezero"),  # JAX would merge the operations
}
ONE = {"torch": 0.34, "limit": 4.4, "compiled": 1.5}
for size, noun, targets in ((1, "element", ONE), (1000, "elements", {"torch": 0.5})):
    title = f"1000 elementwise operations on {size} {noun}, SGD"
    scalar = peers.ways("chain", "torch tensors", "micrograd") if size == 1 else {}
    register(f"chain-{size}", Workload(title, partial(problem, size), {**WAYS, **scalar}, targets))
