"""A small convolutional network over MNIST, without and with batch norm."""

from functools import lru_cache, partial
from importlib import import_module

import numpy as np

from benchmarks import peers
from benchmarks.limit import images as limit
from benchmarks.workload import Workload, in_phases, numpy_draw, register, starting_point, train_modules, ways_of_layers

LAYERS = ((1, 8, 5, 2), (8, 16, 3, 1), (16, 32, 3, 1), (32, 32, 3, 1))  # in, out, kernel, padding; stride 2
SIDE, CLASSES, STRIDE = 28, 10, 2
BATCH = 512
MOMENTUM, EPS = 0.1, 1e-5  # of batch norm


@lru_cache(1)
def training_images():
    """The training set, normalised."""
    from minigrad import datasets

    return datasets.mnist(dtype=np.float32, normalize=True).train


def problem(batch_norm, batch=BATCH):
    """The training images and initial parameters: Kaiming's for convolutions, zero biases."""
    train = training_images()
    rng = np.random.default_rng(0)
    parameters = []
    for inputs, outputs, kernel, _ in LAYERS:
        parameters.append(
            rng.standard_normal((outputs, inputs, kernel, kernel)) * (2 / (inputs * kernel**2)) ** 0.5
        )
        parameters += [np.ones(outputs), np.zeros(outputs)] if batch_norm else [np.zeros(outputs)]
    features = LAYERS[-1][1]
    parameters += [rng.uniform(-1, 1, (CLASSES, features)) / features**0.5, np.zeros(CLASSES)]
    inputs, targets, learning_rate = train.images.numpy(), train.labels.numpy(), 0.1 if batch_norm else 0.4
    return starting_point(inputs, targets, parameters, batch, learning_rate, layers=LAYERS, batch_norm=batch_norm)


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn = import_module(package + ".nn")
    layers = []
    for inputs, outputs, kernel, padding in LAYERS:
        layers.append(nn.Conv2d(inputs, outputs, kernel, STRIDE, padding, bias=not problem.batch_norm))
        layers += [nn.BatchNorm2d(outputs)] if problem.batch_norm else []
        layers.append(nn.ReLU())
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(LAYERS[-1][1], CLASSES))
    return train_modules(package, problem, model, problem.parameters)


# --------------------------------------------------------------------------------------- written out in NumPy


def columns(x, kernel, padding):
    """Every patch that the kernel sees as a column: (N, C, H, W) -> (C * kernel * kernel, N * H' * W')."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    patches = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::STRIDE, ::STRIDE]
    return patches.transpose(1, 4, 5, 0, 2, 3).reshape(-1, len(x) * patches.shape[2] * patches.shape[3])


def images_of(dcolumns, shape, kernel, padding):
    """The transpose of `columns`: every entry added to the pixel that it came from."""
    n, channels, side, _ = shape
    dx = np.zeros((n, channels, side + 2 * padding, side + 2 * padding), np.float32)
    out = (side + 2 * padding - kernel) // STRIDE + 1
    patches = dcolumns.reshape(channels, kernel, kernel, n, out, out).transpose(3, 0, 1, 2, 4, 5)
    for i in range(kernel):
        for j in range(kernel):
            dx[:, :, i : i + STRIDE * out : STRIDE, j : j + STRIDE * out : STRIDE] += patches[:, :, i, j]
    return dx[:, :, padding : padding + side, padding : padding + side]


def by_hand(problem):
    """Forward and backward as they stand in textbooks, in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    *convolutions, W, b = parameters
    per_layer = len(convolutions) // len(LAYERS)
    running = [(np.zeros(outputs, np.float32), np.ones(outputs, np.float32)) for _, outputs, _, _ in LAYERS]
    rows, everywhere = np.arange(problem.batch), (0, 2, 3)

    def phases(indices):
        h, kept = X[indices], []
        for number, (_, outputs, kernel, padding) in enumerate(LAYERS):
            weight, *rest = convolutions[number * per_layer : (number + 1) * per_layer]
            cols, shape = columns(h, kernel, padding), h.shape
            side = (shape[2] + 2 * padding - kernel) // STRIDE + 1
            h = (weight.reshape(outputs, -1) @ cols).reshape(outputs, problem.batch, side, side).transpose(1, 0, 2, 3)
            normalised = std = None
            if problem.batch_norm:
                gain, bias = rest
                mean, variance = h.mean(everywhere), h.var(everywhere)
                for value, moment in zip(running[number], (mean, variance * h.size / (h.size - outputs))):
                    value *= 1 - MOMENTUM
                    value += MOMENTUM * moment
                std = np.sqrt(variance + EPS)
                normalised = (h - mean[:, None, None]) / std[:, None, None]
                h = normalised * gain[:, None, None] + bias[:, None, None]
            else:
                h = h + rest[0][:, None, None]
            h = np.maximum(h, 0)
            kept.append((cols, shape, weight, rest, normalised, std, h))
        pooled = h.mean((2, 3))
        logits = pooled @ W.T + b
        shifted = logits - logits.max(1, keepdims=True)
        exponentials = np.exp(shifted)
        totals = exponentials.sum(1, keepdims=True)
        labels = Y[indices]
        yield (np.log(totals[:, 0]) - shifted[rows, labels]).mean()

        dlogits = exponentials / totals
        dlogits[rows, labels] -= 1
        dlogits /= problem.batch
        gradients = [dlogits.T @ pooled, dlogits.sum(0)]
        dh = (dlogits @ W)[:, :, None, None] / (h.shape[2] * h.shape[3]) * np.ones_like(h)
        for number in reversed(range(len(LAYERS))):
            cols, shape, weight, rest, normalised, std, h = kept[number]
            _, outputs, kernel, padding = LAYERS[number]
            dh = dh * (h > 0)
            dbias = dh.sum(everywhere)
            drest = [dbias]
            if problem.batch_norm:
                dgain = (dh * normalised).sum(everywhere)
                drest = [dgain, dbias]
                count = dh.size / outputs
                dh = dh - (dbias / count)[:, None, None] - normalised * (dgain / count)[:, None, None]
                dh = dh * (rest[0] / std)[:, None, None]
            flat = dh.transpose(1, 0, 2, 3).reshape(outputs, -1)
            gradients = [(flat @ cols.T).reshape(weight.shape), *drest, *gradients]
            if number:
                dh = images_of(weight.reshape(outputs, -1).T @ flat, shape, kernel, padding)
        yield

        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= problem.learning_rate * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    **ways_of_layers(modules, by_hand, limit.network),
    **peers.ways("images", "torch modules", "jax"),
}
TITLE = "MNIST, four convolutions of stride 2, batch 512, SGD"
ON_ONE, ON_TWO = {"torch": 0.95, "limit": 1.2, "compiled": 1.05}, {"torch": 1.0, "limit": 1.3, "compiled": 1.1}
register("images", Workload(TITLE, partial(problem, False), WAYS, ON_ONE, ON_TWO))
WITH_NORM = {**ON_ONE, "torch": 0.85, "limit": 1.1}, {**ON_TWO, "limit": 1.2}
register("images-bn", Workload(TITLE + ", batch norm", partial(problem, True), WAYS, *WITH_NORM))
