"""tinygrad on the CPU: the step is captured by `TinyJit`, as its users write it, so its phases cannot be told apart.

Its kernels come from clang, or from its own assembler for x86 processors where there is no clang.
"""

import os
import platform
import shutil

import numpy as np

from benchmarks.peers import Unavailable, losses
from benchmarks.workload import Trainer, numpy_draw


def names_mlp(parameters, x, y, problem):
    C, W1, *middle, W2, b2 = parameters
    h, moments = C[x].reshape(x.shape[0], -1) @ W1, []
    if problem.batch_norm:
        gain, bias = middle
        moments = [h.mean(0, keepdim=True), h.std(0, keepdim=True)]
        h = gain * (h - moments[0]) / moments[1] + bias
    else:
        h = h + middle[0]
    return (h.tanh() @ W2 + b2).sparse_categorical_crossentropy(y), moments


def mnist_mlp(parameters, x, y, problem):
    W1, b1, W2, b2 = parameters
    return (x.linear(W1.T, b1).relu().linear(W2.T, b2)).sparse_categorical_crossentropy(y), []


LOSSES = {"names_mlp": names_mlp, "mnist_mlp": mnist_mlp}


def trainer(family, problem):
    """Tensors and `TinyJit`; `Unavailable` where nothing makes kernels for this processor."""
    clang = shutil.which(os.environ.get("CC", "clang")) is not None
    if not clang and platform.machine() not in ("x86_64", "AMD64"):
        raise Unavailable(f"tinygrad makes its kernels for {platform.machine()} with clang, which is not installed")
    os.environ["DEV"] = "CPU" if clang else "CPU:X86"  # read when tinygrad is imported
    from tinygrad import Tensor, TinyJit

    parameters = [Tensor(parameter).realize() for parameter in problem.parameters]
    inputs, targets = Tensor(problem.inputs).realize(), Tensor(problem.targets.astype(np.int32)).realize()
    momentum, running = losses.momentum(family), [Tensor(array).realize() for array in losses.fresh(np, family, problem)]


    @TinyJit
    def train(indices):
        loss, moments = LOSSES[family](parameters, inputs[indices], targets[indices], problem)
        updated = [p - problem.learning_rate * g for p, g in zip(parameters, loss.gradient(*parameters))]
        following = updated + losses.moved(running, moments, momentum)
        return loss.realize(*(old.assign(new) for old, new in zip(parameters + running, following)))

    def step(indices):
        return train(Tensor(indices.astype(np.int32)).realize())

    return Trainer(numpy_draw(problem), step, np.asarray)
