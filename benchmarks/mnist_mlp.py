"""The first network of every course: MNIST through one hidden layer of 50 ReLU units, at two batch sizes."""

from functools import partial
from importlib import import_module

import numpy as np

from benchmarks import images, peers
from benchmarks.limit import mnist_mlp as limit
from benchmarks.workload import Workload, in_phases, numpy_draw, register, starting_point, train_modules, ways_of_layers

PIXELS, HIDDEN, CLASSES = 28 * 28, 50, 10
LEARNING_RATE = 0.1


def problem(batch):
    """The training images as rows, and initial parameters as torch draws those of linear layers."""
    train = images.training_images()
    rng = np.random.default_rng(0)
    parameters = []
    for inputs, outputs in ((PIXELS, HIDDEN), (HIDDEN, CLASSES)):
        parameters += [rng.uniform(-1, 1, shape) / inputs**0.5 for shape in ((outputs, inputs), (outputs,))]
    inputs, targets = train.images.numpy().reshape(-1, PIXELS), train.labels.numpy()
    return starting_point(inputs, targets, parameters, batch, LEARNING_RATE)


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
    **ways_of_layers(modules, by_hand, limit.mlp),
    **peers.ways("mnist_mlp", "torch modules", "jax", "autograd", "dezero", "tinygrad"),
}
for batch, targets in ((64, {"torch": 0.5, "limit": 1.1}), (512, {"torch": 0.6, "limit": 1.02})):
    title = f"MNIST 784-50-10, ReLU, batch {batch}, SGD"
    register(f"mnist-mlp-{batch}", Workload(title, partial(problem, batch), WAYS, targets | {"compiled": 1.05}))
