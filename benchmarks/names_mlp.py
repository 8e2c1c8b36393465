"""The character network of Bengio et al. (2003) over names, as in makemore, without and with batch norm."""

from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np

from benchmarks.workload import Trainer, Way, Workload, register

VOCABULARY, EMBEDDING, BLOCK, HIDDEN = 27, 10, 3, 200
BATCH, LEARNING_RATE, SEED = 32, 0.1, 2147483647


def problem(batch_norm):
    """The training examples, and initial parameters in makemore's order; linear weights are (in, out)."""
    from minigrad import datasets

    words = datasets.names()
    training_words = datasets.split(words)[0]
    inputs, targets = datasets.contexts(training_words, datasets.Vocabulary(words), block_size=BLOCK)
    rng = np.random.default_rng(0)
    fan_in = BLOCK * EMBEDDING
    parameters = [
        rng.standard_normal((VOCABULARY, EMBEDDING)),
        rng.standard_normal((fan_in, HIDDEN)) * (5 / 3) / fan_in**0.5,
        *([np.ones((1, HIDDEN)), np.zeros((1, HIDDEN))] if batch_norm else [np.zeros(HIDDEN)]),
        rng.standard_normal((HIDDEN, VOCABULARY)) * 0.01,
        np.zeros(VOCABULARY),
    ]
    return SimpleNamespace(
        inputs=inputs.numpy(),
        targets=targets.numpy(),
        parameters=[parameter.astype(np.float32) for parameter in parameters],
        examples=len(inputs),
        batch=BATCH,
        batch_norm=batch_norm,
    )


def trainer(library, problem, step):
    """A `Trainer` around `step` whose minibatches come from the library's own random stream."""
    generator = library.Generator().manual_seed(SEED)
    draw = partial(library.randint, 0, problem.examples, (BATCH,), generator=generator)
    return Trainer(draw, step, library.tensor)


def tensors(package, problem):
    """The course's own lines: tensor expressions, in minigrad or PyTorch by the name of the package."""
    library, F = import_module(package), import_module(package + ".nn.functional")
    X, Y = library.tensor(problem.inputs), library.tensor(problem.targets)
    parameters = [library.tensor(parameter, requires_grad=True) for parameter in problem.parameters]
    C, W1, *middle, W2, b2 = parameters
    running_mean, running_std = library.zeros((1, HIDDEN)), library.ones((1, HIDDEN))

    def step(indices):
        nonlocal running_mean, running_std
        Xb, Yb = X[indices], Y[indices]
        emb = C[Xb]
        hpre = emb.view(-1, BLOCK * EMBEDDING) @ W1
        if problem.batch_norm:
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
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -LEARNING_RATE * p.grad
        return loss

    return trainer(library, problem, step)


def modules(package, problem):
    """The same network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    library, F = import_module(package), import_module(package + ".nn.functional")
    nn, optim = import_module(package + ".nn"), import_module(package + ".optim")
    X, Y = library.tensor(problem.inputs), library.tensor(problem.targets)
    model = nn.Sequential(
        nn.Embedding(VOCABULARY, EMBEDDING),
        nn.Flatten(),
        nn.Linear(BLOCK * EMBEDDING, HIDDEN, bias=not problem.batch_norm),
        *([nn.BatchNorm1d(HIDDEN, momentum=0.001)] if problem.batch_norm else []),
        nn.Tanh(),
        nn.Linear(HIDDEN, VOCABULARY),
    )
    C, W1, *middle, W2, b2 = problem.parameters
    initial = [C, W1.T, *(vector.reshape(-1) for vector in middle), W2.T, b2]
    for parameter, values in zip(model.parameters(), initial, strict=True):
        parameter.data = library.tensor(values)
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step(indices):
        loss = F.cross_entropy(model(X[indices]), Y[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return trainer(library, problem, step)


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

    def step(indices):
        nonlocal running_mean, running_std
        Xb, Yb = X[indices], Y[indices]

        # forward
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
        loss = (np.log(totals[:, 0]) - shifted[rows, Yb]).mean()

        # backward
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

        # update
        for parameter, gradient in zip(parameters, [dC, dW1, *dmiddle, dW2, db2], strict=True):
            parameter -= LEARNING_RATE * gradient
        return loss

    draw = partial(np.random.default_rng(SEED).integers, 0, problem.examples, BATCH)
    return Trainer(draw, step, np.asarray)


def ways(batch_norm):
    """The five ways; layers with a `BatchNorm1d` follow its formula, so they have their own oracle."""
    oracle = partial(by_hand, correction=0, eps=1e-5) if batch_norm else None
    return {
        "minigrad tensors": Way(partial(tensors, "minigrad"), "minigrad", "torch tensors"),
        "minigrad modules": Way(partial(modules, "minigrad"), "minigrad", "torch modules", oracle),
        "numpy": Way(by_hand, "numpy", "torch tensors"),
        "torch tensors": Way(partial(tensors, "torch"), "torch", "torch tensors"),
        "torch modules": Way(partial(modules, "torch"), "torch", "torch modules", oracle),
    }


TARGETS = {"torch": 0.5, "numpy": 1.5}
TITLE = "embedding 27 x 10, block 3, tanh 200, batch 32, SGD"
register("names-mlp", Workload(TITLE, partial(problem, False), ways(False), TARGETS))
register("names-mlp-bn", Workload(TITLE + ", batch norm", partial(problem, True), ways(True), TARGETS))
