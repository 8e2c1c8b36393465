"""HIPS autograd: functions of NumPy arrays, differentiated by tracing."""

from functools import partial

import numpy

from benchmarks.peers import losses
from benchmarks.workload import in_phases, numpy_draw


def trainer(family, problem):
    """The losses of `losses` for `autograd.numpy`."""
    import autograd.numpy as np
    from autograd.core import make_vjp
    from autograd.tracer import getval

    loss_of, momentum = partial(getattr(losses, family), np), losses.momentum(family)
    parameters = [parameter.copy() for parameter in problem.parameters]
    running = losses.fresh(numpy, family, problem)

    def phases(indices):
        x, y = problem.inputs[indices], problem.targets[indices]

        def traced(parameters):
            loss, moments = loss_of(parameters, x, y, problem)
            running[:] = losses.moved(running, map(getval, moments), momentum)
            return loss

        backward, loss = make_vjp(traced, parameters)
        yield loss

        gradients = backward(numpy.float32(1))
        yield

        for parameter, gradient in zip(parameters, gradients):
            parameter -= numpy.float32(problem.learning_rate) * gradient

    return in_phases(numpy_draw(problem), phases, numpy.asarray)
