"""micrograd: an engine for single numbers, so it takes part in the chain on one element."""

import sys

import numpy as np

from benchmarks.workload import in_phases, numpy_draw


def trainer(family, problem):
    """The chain on one number; micrograd walks the graph by recursion, which a thousand operations exceed by default."""
    from micrograd.engine import Value

    sys.setrecursionlimit(max(sys.getrecursionlimit(), 40 * problem.rounds))
    start = Value(float(problem.parameters[0][0]))
    scale, up, down = problem.constants

    def phases(_):
        x = start
        for _ in range(problem.rounds):
            x = (x * scale + up).relu() - down
        yield np.float64(x.data)

        start.grad = 0
        x.backward()
        yield

        start.data -= problem.learning_rate * start.grad

    return in_phases(numpy_draw(problem), phases, np.asarray)
