"""The chain of elementwise operations over buffers; constants are arrays, which saves NumPy a conversion each time.

Two buffers take turns, as NumPy needs three times as long for one element when the result overwrites an operand.
"""

import numpy as np

from benchmarks.workload import in_phases, numpy_draw


def chain(problem):
    """Multiply, add, ReLU, subtract, again and again; all that is kept is where ReLU let a number through."""
    x = problem.parameters[0].copy()
    scale, up, down, zero = (np.full_like(x, c) for c in (*problem.constants, 0))
    a, b = np.empty_like(x), np.empty_like(x)
    slopes = [np.empty_like(x) for _ in range(problem.rounds)]
    backwards = slopes[::-1]
    start, share = np.float32(1 / x.size), np.float32(problem.learning_rate)
    multiply, add, subtract, maximum, sign = np.multiply, np.add, np.subtract, np.maximum, np.sign

    def phases(_):
        a[...] = x
        for slope in slopes:
            multiply(a, scale, b)
            add(b, up, a)
            maximum(a, zero, out=b)
            sign(b, slope)  # 0 or 1, and no conversion from booleans later
            subtract(b, down, a)
        yield a.mean()

        a[...] = start
        for slope in backwards:
            multiply(a, slope, b)
            multiply(b, scale, a)
        yield

        multiply(a, share, b)
        subtract(x, b, x)

    return in_phases(numpy_draw(problem), phases, np.asarray)
