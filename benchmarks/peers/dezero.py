"""DeZero, the framework of the book "Deep Learning from Scratch 3".

It makes a float64 array of a Python number, which NumPy 2 then computes in. Networks here hand it float32 numbers;
in its own derivatives it goes on in float64.
"""

from contextlib import contextmanager

import numpy as np

from benchmarks.peers import losses
from benchmarks.workload import in_phases, numpy_draw


@contextmanager
def old_names():
    """`np.int` for as long as DeZero is imported: its last release names it, and NumPy has dropped it since."""
    np.int = int
    try:
        yield
    finally:
        del np.int


def names_mlp(F, parameters, running, x, y, problem):
    C, W1, *middle, W2, b2 = parameters
    h = F.matmul(F.reshape(F.get_item(C, x), (len(x), -1)), W1)
    if problem.batch_norm:
        gain, bias = middle
        mean = F.sum(h, 0, keepdims=True) * np.float32(1 / len(x))
        centred = h - mean
        std = (F.sum(centred * centred, 0, keepdims=True) * np.float32(1 / (len(x) - 1))) ** 0.5
        running[:] = losses.moved(running, (mean.data, std.data), losses.momentum("names_mlp"))
        h = gain * centred / std + bias
    else:
        h = h + middle[0]
    return F.softmax_cross_entropy(F.linear(F.tanh(h), W2, b2), y)


def names_deep(F, parameters, running, x, y, problem):
    C, *rest = parameters
    h = F.reshape(F.get_item(C, x), (len(x), -1))
    for first in range(0, len(rest), 3):
        W, gain, bias = rest[first : first + 3]
        layer = first // 3
        averages, decay = running[2 * layer : 2 * layer + 2], 1 - losses.momentum("names_deep")
        h = F.batch_nrom(F.matmul(h, W), gain, bias, *averages, decay, losses.EPS)
        if first + 3 < len(rest):
            h = F.tanh(h)
    return F.softmax_cross_entropy(h, y)


def mnist_mlp(F, parameters, running, x, y, problem):
    W1, b1, W2, b2 = parameters
    return F.softmax_cross_entropy(F.linear(F.relu(F.linear(x, W1, b1)), W2, b2), y)


def chain(F, parameters, running, x, y, problem):
    (h,) = parameters
    scale, up, down = map(np.float32, problem.constants)
    for _ in range(problem.rounds):
        h = F.relu(h * scale + up) - down
    return F.sum(h) * np.float32(1 / h.size)


LOSSES = {"names_mlp": names_mlp, "names_deep": names_deep, "mnist_mlp": mnist_mlp, "chain": chain}


def trainer(family, problem):
    """A closure over DeZero's variables; its weights are (in, out)."""
    with old_names():
        import dezero
        import dezero.functions as F

    transposed = family == "mnist_mlp"
    arrays = [np.array(array.T if transposed else array, order="C") for array in problem.parameters]
    parameters = [dezero.Parameter(array) for array in arrays]
    running = losses.fresh(np, family, problem)

    def phases(indices):
        loss = LOSSES[family](F, parameters, running, problem.inputs[indices], problem.targets[indices], problem)
        yield loss.data

        for parameter in parameters:
            parameter.cleargrad()
        loss.backward()
        yield

        for parameter in parameters:
            parameter.data -= np.float32(problem.learning_rate) * parameter.grad.data

    return in_phases(numpy_draw(problem), phases, np.asarray)
