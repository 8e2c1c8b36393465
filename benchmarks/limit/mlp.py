"""A deep tanh MLP with every trick; its weights are (in, out)."""

import numpy as np

from benchmarks.limit.parts import CrossEntropy, Parameters, tanh_backward
from benchmarks.workload import in_phases, numpy_draw


def deep(problem):
    """Linear layers with tanh between them."""
    parameters = Parameters([np.ascontiguousarray(array.T) for array in problem.parameters], problem.learning_rate)
    weights, biases = parameters.values[::2], parameters.values[1::2]
    dweights, dbiases = parameters.gradients[::2], parameters.gradients[1::2]
    rows, last = problem.batch, len(weights) - 1
    loss, ones = CrossEntropy(rows, len(biases[-1])), np.ones(rows, np.float32)
    outputs = [np.empty((rows, len(bias)), np.float32) for bias in biases]
    turns = [np.empty((rows, len(weights[0])), np.float32) for _ in range(2)]  # gradients of inputs, all of one width
    x = np.empty((rows, len(weights[0])), np.float32)

    def phases(indices):
        h = problem.inputs.take(indices, 0, x, "clip")
        for number, (weight, bias, output) in enumerate(zip(weights, biases, outputs)):
            h = np.matmul(h, weight, output)
            np.add(h, bias, h)
            if number < last:
                np.tanh(h, h)
        yield loss.forward(h, problem.targets.take(indices))

        dh = loss.backward()
        for number in range(last, -1, -1):
            np.matmul(ones, dh, dbiases[number])
            if number == 0:
                np.matmul(x.T, dh, dweights[0])
                break
            h = outputs[number - 1]
            np.matmul(h.T, dh, dweights[number])
            dh = np.matmul(dh, weights[number].T, turns[number % 2])
            tanh_backward(h, dh)
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
