"""The character network of Bengio et al. (2003) over names, as in makemore, without and with batch norm."""

from functools import lru_cache, partial
from importlib import import_module

import numpy as np

from benchmarks import peers
from benchmarks.limit import names as limit
from benchmarks.workload import (
    Way,
    Workload,
    compiled,
    in_phases,
    library_draw,
    numpy_draw,
    register,
    starting_point,
    train_modules,
)

VOCABULARY, EMBEDDING, BLOCK, HIDDEN = 27, 10, 3, 200
BATCH, LEARNING_RATE = 32, 0.1


@lru_cache(1)
def examples():
    """Contexts of three characters and the character after each, from the training names."""
    from minigrad import datasets

    words = datasets.names()
    training_words = datasets.split(words)[0]
    inputs, targets = datasets.contexts(training_words, datasets.Vocabulary(words), block_size=BLOCK)
    return inputs.numpy(), targets.numpy()


def problem(batch_norm):
    """The training examples, and initial parameters in makemore's order; linear weights are (in, out)."""
    inputs, targets = examples()
    rng = np.random.default_rng(0)
    fan_in = BLOCK * EMBEDDING
    parameters = [
        rng.standard_normal((VOCABULARY, EMBEDDING)),
        rng.standard_normal((fan_in, HIDDEN)) * (5 / 3) / fan_in**0.5,
        *([np.ones((1, HIDDEN)), np.zeros((1, HIDDEN))] if batch_norm else [np.zeros(HIDDEN)]),
        rng.standard_normal((HIDDEN, VOCABULARY)) * 0.01,
        np.zeros(VOCABULARY),
    ]
    return starting_point(inputs, targets, parameters, BATCH, LEARNING_RATE, block=BLOCK, batch_norm=batch_norm)


def tensors(package, problem):
    """The course's own lines: tensor expressions, in minigrad or PyTorch by the name of the package."""
    library, F = import_module(package), import_module(package + ".nn.functional")
    tensor = partial(library.tensor, device=problem.device)
    X, Y = tensor(problem.inputs), tensor(problem.targets)
    parameters = [tensor(parameter, requires_grad=True) for parameter in problem.parameters]
    C, W1, *middle, W2, b2 = parameters
    running_mean, running_std = tensor(np.zeros((1, HIDDEN), np.float32)), tensor(np.ones((1, HIDDEN), np.float32))
    batch_norm = problem.batch_norm

    def phases(indices):
        nonlocal running_mean, running_std
        Xb, Yb = X[indices], Y[indices]
        emb = C[Xb]
        hpre = emb.view(-1, BLOCK * EMBEDDING) @ W1
        if batch_norm:
            gain, bias = middle
            mean = hpre.mean(0, keepdim=True)
            std = hpre.std(0, keepdim=True)
            with library.no_grad():
                running_mean = 0.999 * running_mean + 0.001 * mean
                running_std = 0.999 * running_std + 0.001 * std
            hpre = gain * (hpre - mean) / std + bias
        else:
            (b1,) = middle
            hpre = hpre + b1
        h = library.tanh(hpre)
        logits = h @ W2 + b2
        loss = F.cross_entropy(logits, Yb)
        yield loss

        for p in parameters:
            p.grad = None
        loss.backward()
        yield

        for p in parameters:
            p.data += -LEARNING_RATE * p.grad

    return in_phases(library_draw(library, problem), phases, tensor)


def modules(package, problem):
    """The same network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn = import_module(package + ".nn")
    model = nn.Sequential(
        nn.Embedding(VOCABULARY, EMBEDDING),
        nn.Flatten(),
        nn.Linear(BLOCK * EMBEDDING, HIDDEN, bias=not problem.batch_norm),
        *([nn.BatchNorm1d(HIDDEN, momentum=0.001)] if problem.batch_norm else []),
        nn.Tanh(),
        nn.Linear(HIDDEN, VOCABULARY),
    )
    C, W1, *middle, W2, b2 = problem.parameters
    parameters = [C, W1.T, *(vector.reshape(-1) for vector in middle), W2.T, b2]
    return train_modules(package, problem, model, parameters)


def by_hand(problem, correction=1, eps=0.0):
    """Forward and backward written out in plain NumPy.

    `correction` and `eps` choose between makemore's batch norm (the sample's standard deviation) and
    that of `BatchNorm1d` (0 and 1e-5: the population's variance, kept away from zero).
    """
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    C, W1, *middle, W2, b2 = parameters
    running_mean, running_std = np.zeros((1, HIDDEN), np.float32), np.ones((1, HIDDEN), np.float32)
    rows = np.arange(BATCH)

    def phases(indices):
        nonlocal running_mean, running_std
        Xb, Yb = X[indices], Y[indices]
        embedded = C[Xb].reshape(BATCH, BLOCK * EMBEDDING)
        hpre = embedded @ W1
        if problem.batch_norm:
            gain, bias = middle
            mean = hpre.mean(0, keepdims=True)
            centred = hpre - mean
            variance = (centred * centred).sum(0, keepdims=True) / (BATCH - correction)
            std = np.sqrt(variance + eps)
            normalised = centred / std
            running_mean = 0.999 * running_mean + 0.001 * mean
            running_std = 0.999 * running_std + 0.001 * std
            hpre = gain * normalised + bias
        else:
            (b1,) = middle
            hpre = hpre + b1
        h = np.tanh(hpre)
        logits = h @ W2 + b2
        shifted = logits - logits.max(1, keepdims=True)
        exponentials = np.exp(shifted)
        totals = exponentials.sum(1, keepdims=True)
        yield (np.log(totals[:, 0]) - shifted[rows, Yb]).mean()

        dlogits = exponentials / totals
        dlogits[rows, Yb] -= 1
        dlogits /= BATCH
        dW2 = h.T @ dlogits
        db2 = dlogits.sum(0)
        dhpre = (1 - h * h) * (dlogits @ W2.T)
        if problem.batch_norm:
            dmiddle = [(dhpre * normalised).sum(0, keepdims=True), dhpre.sum(0, keepdims=True)]
            dnormalised = dhpre * gain
            dvariance_part = (dnormalised * normalised).sum(0, keepdims=True) / (BATCH - correction)
            dhpre = (dnormalised - dnormalised.mean(0, keepdims=True) - normalised * dvariance_part) / std
        else:
            dmiddle = [dhpre.sum(0)]
        dW1 = embedded.T @ dhpre
        dembedded = dhpre @ W1.T
        dC = np.zeros_like(C)
        np.add.at(dC, Xb, dembedded.reshape(BATCH, BLOCK, EMBEDDING))
        yield

        for parameter, gradient in zip(parameters, [dC, dW1, *dmiddle, dW2, db2], strict=True):
            parameter -= LEARNING_RATE * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


def ways(batch_norm):
    """The ways; layers with a `BatchNorm1d` follow its formula, so they have their own oracle."""
    oracle = partial(by_hand, correction=0, eps=1e-5) if batch_norm else None
    return {
        "minigrad tensors": Way(partial(tensors, "minigrad"), "minigrad", "torch tensors"),
        "minigrad compiled": Way(compiled(partial(tensors, "minigrad")), "minigrad", "torch tensors"),
        "minigrad modules": Way(partial(modules, "minigrad"), "minigrad", "torch modules", oracle),
        "numpy": Way(by_hand, "numpy", "torch tensors"),
        "limit": Way(limit.mlp_batch_norm if batch_norm else limit.mlp, "numpy", "torch tensors"),
        "torch tensors": Way(partial(tensors, "torch"), "torch", "torch tensors"),
        "torch modules": Way(partial(modules, "torch"), "torch", "torch modules", oracle),
        **peers.ways("names_mlp", "torch tensors", "jax", "autograd", "dezero", "tinygrad"),
    }


TITLE = "embedding 27 x 10, block 3, tanh 200, batch 32, SGD"
register("names-mlp", Workload(TITLE, partial(problem, False), ways(False), {"torch": 0.45, "limit": 1.7, "compiled": 1.15}))
WITH_NORM = {"torch": 0.38, "limit": 1.6, "compiled": 1.15}
register("names-mlp-bn", Workload(TITLE + ", batch norm", partial(problem, True), ways(True), WITH_NORM))
