"""JAX: the whole step is one compiled function, as its users write it, so its phases cannot be told apart."""

import os
from functools import partial

import numpy as np

from benchmarks.peers import losses
from benchmarks.workload import Trainer, numpy_draw


def images(np, parameters, x, y, problem):
    """Convolutions of stride 2 with ReLU, with or without batch norm; the mean over pixels; a linear layer."""
    from jax import lax

    *convolutions, W, b = parameters
    per_layer = len(convolutions) // len(problem.layers)
    h, statistics = x, []
    for number, (_, _, _, padding) in enumerate(problem.layers):
        weight, *rest = convolutions[number * per_layer : (number + 1) * per_layer]
        h = lax.conv_general_dilated(h, weight, (2, 2), [(padding, padding)] * 2)
        if problem.batch_norm:
            mean, variance = h.mean((0, 2, 3)), h.var((0, 2, 3))
            count = h.size / h.shape[1]
            statistics += [mean, variance * (count / (count - 1))]
            gain, bias, mean, variance = (vector[:, None, None] for vector in (*rest, mean, variance))
            h = gain * (h - mean) / np.sqrt(variance + losses.EPS) + bias
        else:
            h = h + rest[0][:, None, None]
        h = np.maximum(h, 0)
    return losses.cross_entropy(np, h.mean((2, 3)) @ W.T + b, y), statistics


def lstm(np, parameters, x, y, problem):
    """The loss of `losses.lstm` with its loop as a `lax.scan`, which compiles to far less than the loop unrolled."""
    from jax import lax

    C, W_ih, W_hh, b_ih, b_hh, W, b = parameters
    products = (C[x] @ W_ih.T + b_ih + b_hh).transpose(1, 0, 2)

    def one_character(states, product):
        h, c = states
        i, f, n, o = np.split(product + h @ W_hh.T, 4, 1)
        c = losses.sigmoid(np, f) * c + losses.sigmoid(np, i) * np.tanh(n)
        h = losses.sigmoid(np, o) * np.tanh(c)
        return (h, c), h

    start = np.zeros((len(x), W_hh.shape[1]), W.dtype)
    hs = lax.scan(one_character, (start, start), products)[1].transpose(1, 0, 2)
    return losses.cross_entropy(np, (hs @ W.T + b).reshape(y.size, -1), y.reshape(-1)), []


OWN = {"images": images, "lstm": lstm}


def trainer(family, problem):
    """The losses of `losses`, compiled with their gradients and the update; parameters are updated in place."""
    os.environ["JAX_PLATFORMS"] = "cpu"  # where the others run; read when JAX is imported
    import jax
    import jax.numpy as jnp

    loss_of = OWN.get(family) or getattr(losses, family)
    value_and_grad, momentum = jax.value_and_grad(partial(loss_of, jnp), has_aux=True), losses.momentum(family)

    @partial(jax.jit, donate_argnums=(0, 1))
    def train(parameters, running, inputs, targets, indices):
        (loss, moments), gradients = value_and_grad(parameters, inputs[indices], targets[indices], problem)
        updated = [p - problem.learning_rate * g for p, g in zip(parameters, gradients)]
        return loss, updated, losses.moved(running, moments, momentum)

    parameters = [jnp.array(parameter) for parameter in problem.parameters]
    running = losses.fresh(jnp, family, problem)
    inputs, targets = jnp.array(problem.inputs), jnp.array(problem.targets, jnp.int32)

    def step(indices):
        nonlocal parameters, running
        loss, parameters, running = train(parameters, running, inputs, targets, indices)
        return loss

    return Trainer(numpy_draw(problem), step, np.asarray)
