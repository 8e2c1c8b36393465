"""Makemore's deep character network: six layers of linear and batch norm, with tanh between them."""

from importlib import import_module
from itertools import pairwise

import numpy as np

from benchmarks import peers
from benchmarks.limit import names as limit
from benchmarks.names_mlp import BLOCK, EMBEDDING, VOCABULARY, examples
from benchmarks.workload import Workload, in_phases, numpy_draw, register, starting_point, train_modules, ways_of_layers

WIDTHS = (BLOCK * EMBEDDING, 100, 100, 100, 100, 100, VOCABULARY)
BATCH, LEARNING_RATE = 32, 0.1
MOMENTUM, EPS = 0.1, 1e-5  # of batch norm


def problem():
    """The training examples; the table, then for every layer its weight (in, out), gain and bias."""
    inputs, targets = examples()
    rng = np.random.default_rng(0)
    parameters = [rng.standard_normal((VOCABULARY, EMBEDDING))]
    for number, (ins, outs) in enumerate(pairwise(WIDTHS), 1):
        last = number == len(WIDTHS) - 1  # less confident, as the course has it
        weight = rng.standard_normal((ins, outs)) * (5 / 3) / ins**0.5
        parameters += [weight, np.full(outs, 0.1 if last else 1.0), np.zeros(outs)]
    return starting_point(inputs, targets, parameters, BATCH, LEARNING_RATE, block=BLOCK)


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn = import_module(package + ".nn")
    layers = [nn.Embedding(VOCABULARY, EMBEDDING), nn.Flatten()]
    for ins, outs in pairwise(WIDTHS):
        layers += [nn.Linear(ins, outs, bias=False), nn.BatchNorm1d(outs), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    parameters = [problem.parameters[0]]
    for number, parameter in enumerate(problem.parameters[1:]):
        parameters.append(parameter.T if number % 3 == 0 else parameter)
    return train_modules(package, problem, model, parameters)


def by_hand(problem):
    """Forward and backward written out in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    C, *rest = parameters
    layers = [tuple(rest[first : first + 3]) for first in range(0, len(rest), 3)]
    running = [(np.zeros(width, np.float32), np.ones(width, np.float32)) for width in WIDTHS[1:]]
    rows = np.arange(BATCH)

    def phases(indices):
        Xb, Yb = X[indices], Y[indices]
        h, kept = C[Xb].reshape(BATCH, -1), []
        for number, (W, gain, bias) in enumerate(layers):
            x, h = h, h @ W
            mean, variance = h.mean(0), h.var(0)
            running_mean, running_variance = running[number]
            running_mean += MOMENTUM * (mean - running_mean)
            running_variance += MOMENTUM * (variance * BATCH / (BATCH - 1) - running_variance)
            std = np.sqrt(variance + EPS)
            normalised = (h - mean) / std
            h = gain * normalised + bias
            if number < len(layers) - 1:
                h = np.tanh(h)
            kept.append((x, normalised, std, h))
        shifted = h - h.max(1, keepdims=True)
        exponentials = np.exp(shifted)
        totals = exponentials.sum(1, keepdims=True)
        yield (np.log(totals[:, 0]) - shifted[rows, Yb]).mean()

        dh = exponentials / totals
        dh[rows, Yb] -= 1
        dh /= BATCH
        gradients = []
        for number in reversed(range(len(layers))):
            W, gain, bias = layers[number]
            x, normalised, std, h = kept[number]
            if number < len(layers) - 1:
                dh = (1 - h * h) * dh
            dgain, dbias = (dh * normalised).sum(0), dh.sum(0)
            dh = (dh - dbias / BATCH - normalised * dgain / BATCH) * (gain / std)
            gradients = [x.T @ dh, dgain, dbias, *gradients]
            dh = dh @ W.T
        dC = np.zeros_like(C)
        np.add.at(dC, Xb, dh.reshape(BATCH, BLOCK, EMBEDDING))
        yield

        for parameter, gradient in zip(parameters, [dC, *gradients], strict=True):
            parameter -= LEARNING_RATE * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    **ways_of_layers(modules, by_hand, limit.deep),
    **peers.ways("names_deep", "torch modules", "jax", "autograd", "dezero"),
}
TITLE = "embedding 27 x 10, six layers of 100 with batch norm, tanh, batch 32, SGD"
register("names-deep", Workload(TITLE, problem, WAYS, {"torch": 0.5, "limit": 1.3, "compiled": 1.15}))
