"""The MNIST MLP with every trick; its weights are kept as (in, out)."""

import numpy as np

from benchmarks.limit.parts import CrossEntropy, Parameters
from benchmarks.workload import in_phases, numpy_draw


def mlp(problem):
    """One hidden layer of ReLU units."""
    parameters = Parameters([np.ascontiguousarray(array.T) for array in problem.parameters], problem.learning_rate)
    W1, b1, W2, b2 = parameters.values
    dW1, db1, dW2, db2 = parameters.gradients
    rows, width = problem.batch, len(b1)
    loss, ones = CrossEntropy(rows, len(b2)), np.ones(rows, np.float32)
    x = np.empty((rows, len(W1)), np.float32)
    h, dh = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    zeros, active = np.zeros((rows, width), np.float32), np.empty((rows, width), bool)
    logits = np.empty((rows, len(b2)), np.float32)

    def phases(indices):
        problem.inputs.take(indices, 0, x, "clip")
        np.matmul(x, W1, h)
        np.add(h, b1, h)
        np.maximum(h, zeros, out=h)  # an array of zeros: a scalar one takes three times as long
        np.matmul(h, W2, logits)
        np.add(logits, b2, logits)
        yield loss.forward(logits, problem.targets.take(indices))

        dlogits = loss.backward()
        np.matmul(h.T, dlogits, dW2)
        np.matmul(ones, dlogits, db2)
        np.matmul(dlogits, W2.T, dh)
        np.greater(h, zeros, active)
        np.multiply(dh, active, dh)
        np.matmul(x.T, dh, dW1)
        np.matmul(ones, dh, db1)
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
