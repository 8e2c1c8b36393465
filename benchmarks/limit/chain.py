"""The chain of elementwise operations over buffers; operands that are 0-d arrays save NumPy a conversion each."""

import numpy as np

from benchmarks import chain as settings
from benchmarks.workload import in_phases


def chain(problem):
    """Multiply, add, ReLU, subtract, again and again; only where ReLU let a number through is kept."""
    x = problem.x.copy()
    scale, up, down, zero = (np.array(c, np.float32) for c in (settings.SCALE, settings.UP, settings.DOWN, 0))
    y, gradient = np.empty_like(x), np.empty_like(x)
    masks = [np.empty(x.shape, bool) for _ in range(settings.ROUNDS)]
    backwards = masks[::-1]
    start, share = np.float32(1 / x.size), np.float32(problem.learning_rate)
    multiply, add, subtract, maximum, greater = np.multiply, np.add, np.subtract, np.maximum, np.greater

    def phases(_):
        y[...] = x
        for mask in masks:
            multiply(y, scale, y)
            add(y, up, y)
            greater(y, zero, mask)
            maximum(y, zero, y)
            subtract(y, down, y)
        yield y.mean()

        gradient[...] = start
        for mask in backwards:
            multiply(gradient, mask, gradient)
            multiply(gradient, scale, gradient)
        yield

        np.multiply(gradient, share, gradient)
        np.subtract(x, gradient, x)

    return in_phases(settings.draw, phases, settings.nothing)
