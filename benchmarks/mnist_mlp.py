"""The first network of every course: MNIST through one hidden layer of 50 ReLU units, at two batch sizes."""

from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np

from benchmarks import images, peers
from benchmarks.limit import mnist_mlp as limit
from benchmarks.workload import Way, Workload, compiled, in_phases, numpy_draw, register, train_modules

PIXELS, HIDDEN, CLASSES = 28 * 28, 50, 10
LEARNING_RATE = 0.1


def problem(batch):
    """The training images as rows, and initial parameters as torch draws those of linear layers."""
    train = images.training_images()
    rng = np.random.default_rng(0)
    parameters = []
    for inputs, outputs in ((PIXELS, HIDDEN), (HIDDEN, CLASSES)):
        parameters += [rng.uniform(-1, 1, shape) / inputs**0.5 for shape in ((outputs, inputs), (outputs,))]
    return SimpleNamespace(
        inputs=train.images.numpy().reshape(-1, PIXELS),
        targets=train.labels.numpy(),
        parameters=[parameter.astype(np.float32) for parameter in parameters],
        examples=len(train),
        batch=batch,
        learning_rate=LEARNING_RATE,
    )


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn = import_module(package + ".nn")
    model = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    return train_modules(package, problem, model, problem.parameters)


def by_hand(problem):
    """Forward and backward written out in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]

    def phases(indices):
        W1, b1, W2, b2 = parameters
        x, y = X[indices], Y[indices]
        h = np.maximum(x @ W1.T + b1, 0)
        logits = h @ W2.T + b2
        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(1, keepdims=True)
        everyone = np.arange(len(y))
        yield -np.log(p[everyone, y]).mean()

        p[everyone, y] -= 1
        dlogits = p / np.float32(len(y))
        dh = (dlogits @ W2) * (h > 0)
        gradients = dh.T @ x, dh.sum(0), dlogits.T @ h, dlogits.sum(0)
        yield

        for parameter, gradient in zip(parameters, gradients):
            parameter -= np.float32(LEARNING_RATE) * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    "minigrad modules": Way(partial(modules, "minigrad"), "minigrad", "torch modules"),
    "minigrad compiled": Way(compiled(partial(modules, "minigrad")), "minigrad", "torch modules"),
    "numpy": Way(by_hand, "numpy", "torch modules"),
    "limit": Way(limit.mlp, "numpy", "torch modules"),
    "torch modules": Way(partial(modules, "torch"), "torch", "torch modules"),
    **peers.ways("mnist_mlp", "torch modules", "jax", "autograd", "dezero", "tinygrad"),
}
for batch, targets in ((64, {"torch": 0.5, "limit": 1.1}), (512, {"torch": 0.6, "limit": 1.02})):
    title = f"MNIST 784-50-10, ReLU, batch {batch}, SGD"
    register(f"mnist-mlp-{batch}", Workload(title, partial(problem, batch), WAYS, targets))
