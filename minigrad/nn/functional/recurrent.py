"""Recurrences: what happens at one time step, and the same over all steps as a single primitive.

Each `*_steps` says in plain operations what is computed; each primitive computes it for a whole sequence on raw arrays,
several times faster, and falls back on the plain form where the gradient itself is to be differentiated. The inputs'
products with their weights, of all time steps at once, are made before; only the hidden state's product is left.
"""

from ...autograd import Variable, grad, primitive
from ...backend import xp
from ...ops.elementwise import relu, sigmoid, tanh
from ...ops.linalg import matmul
from ...ops.shape import chunk, stack


def by_steps(steps, g, tensors, options, needs):
    """The gradients of a recurrence through its plain form, for a backward that is differentiated again."""
    inputs = [x if x is None else x.reshape(x.shape) for x in tensors]  # nodes of their own, to stop at
    outputs = steps(*inputs, *options)
    wanted = [x for x, need in zip(inputs, needs) if need]
    found = iter(grad(outputs, wanted, g, create_graph=True))
    return [next(found) if need else None for need in needs]


def times(length, reverse):
    return range(length - 1, -1, -1) if reverse else range(length)


def states(y, first, reverse):
    """The hidden state that each step started from, from those that the steps ended with."""
    return xp.concatenate((y[1:], first[None]) if reverse else (first[None], y[:-1]))


def weight_gradient(g, h):
    """The gradient of a weight (out, in) that multiplied h (T, N, in), from that of the products, g (T, N, out)."""
    return g.reshape(-1, g.shape[-1]).T.dot(h.reshape(-1, h.shape[-1]))


# ------------------------------------------------------------------------------------------------------ plain (Elman)


def rnn_steps(x, h, w, nonlinearity, reverse):
    """h = nonlinearity(x[t] + h @ w.T) for every t; x (T, N, H), h (N, H), w (H, H) -> (T, N, H)."""
    function, outputs = (tanh if nonlinearity == "tanh" else relu), [None] * x.shape[0]
    for t in times(x.shape[0], reverse):
        h = outputs[t] = function(x[t] + matmul(h, w.t()))
    return stack(outputs)


@primitive
def rnn_(x, h, w, nonlinearity, reverse):
    y, transposed = xp.empty(x.shape, x.dtype), w.T
    for t in times(len(x), reverse):
        h = h.dot(transposed)
        h += x[t]
        if nonlinearity == "tanh":
            h = xp.tanh(h, y[t])
        else:
            h = xp.maximum(h, 0, y[t])
    return y


@rnn_.vjp
def rnn_vjp(g, y, x, h, w, nonlinearity, reverse, needs):
    if isinstance(g, Variable):
        return by_steps(rnn_steps, g, (x, h, w), (nonlinearity, reverse), needs[:3]) + [None, None]
    slope = 1 - y * y if nonlinearity == "tanh" else (y > 0).astype(y.dtype)
    dh = 0
    for t in times(len(x), not reverse):
        dx = slope[t]
        dx *= g[t] + dh
        dh = dx.dot(w)
    dw = weight_gradient(slope, states(y, h, reverse)) if needs[2] else None
    return slope, dh, dw, None, None


# -------------------------------------------------------------------------------------------------------------- LSTM


def lstm_steps(x, h, c, w, reverse):
    """The LSTM for every t; x (T, N, 4H), h and c (N, H), w (4H, H) -> (T + 1, N, H): all h, then the last c.

    Source: Hochreiter and Schmidhuber, 1997; the forget gate of Gers et al., 2000.
    """
    outputs = [None] * x.shape[0]
    for t in times(x.shape[0], reverse):
        i, f, n, o = chunk(x[t] + matmul(h, w.t()), 4, 1)  # input gate, forget gate, new values, output gate
        c = sigmoid(f) * c + sigmoid(i) * tanh(n)
        h = outputs[t] = sigmoid(o) * tanh(c)
    return stack([*outputs, c])


@primitive(extras=("gates", "cells", "tanh_cells"))
def lstm_(x, h, c, w, reverse):
    length, size = len(x), h.shape[1]
    gates = xp.empty(x.shape, x.dtype)
    y = xp.empty((length + 1, *h.shape), x.dtype)
    cells, tanh_cells = xp.empty(y.shape, x.dtype), xp.empty((length, *h.shape), x.dtype)
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: one call of tanh serves all four gates
    half = xp.full(4 * size, 0.5, x.dtype)
    half[2 * size : 3 * size] = 1
    x, transposed, rest = x * half, w.T * half, 1 - half
    cells[length] = c
    for t in times(length, reverse):
        a = h.dot(transposed, gates[t])
        a += x[t]
        xp.tanh(a, a)
        a *= half
        a += rest
        new = xp.multiply(a[:, :size], a[:, 2 * size : 3 * size], cells[t])
        new += a[:, size : 2 * size] * c
        c = new
        h = xp.multiply(xp.tanh(c, tanh_cells[t]), a[:, 3 * size :], y[t])
    y[length] = c
    return y, gates, cells, tanh_cells


@lstm_.vjp
def lstm_vjp(g, y, x, h, c, w, reverse, gates, cells, tanh_cells, needs):
    if gates is None:
        return by_steps(lstm_steps, g, (x, h, c, w), (reverse,), needs[:4]) + [None]
    length, size = len(x), h.shape[1]
    before = states(cells[:length], c, reverse)
    i, f, n, o = (gates[:, :, k * size : (k + 1) * size] for k in range(4))
    dx = xp.empty(gates.shape, gates.dtype)  # first d c / d gate (d h / d gate for o), of all steps at once
    di, df, dn, do = (dx[:, :, k * size : (k + 1) * size] for k in range(4))
    di[...] = n * i * (1 - i)
    df[...] = before * f * (1 - f)
    dn[...] = i * (1 - n * n)
    do[...] = tanh_cells * o * (1 - o)
    through = o * (1 - tanh_cells * tanh_cells)  # d h / d c
    dh, dc = 0, g[length]
    by_gate = dx.reshape(*dx.shape[:2], 4, size)
    for t in times(length, not reverse):
        dh = dh + g[t]
        dc = dc + dh * through[t]
        by_gate[t, :, :3] *= dc[:, None]
        by_gate[t, :, 3] *= dh
        dh, dc = dx[t].dot(w), dc * f[t]
    dw = weight_gradient(dx, states(y[:length], h, reverse)) if needs[3] else None
    return dx, dh, dc, dw, None


# --------------------------------------------------------------------------------------------------------------- GRU


def gru_steps(x, h, w, b, reverse):
    """The gated recurrent unit for every t; x (T, N, 3H), h (N, H), w (3H, H), b (3H) or None -> (T, N, H).

    Source: Cho et al., 2014; the reset gate acts on the product, as in torch.
    """
    outputs = [None] * x.shape[0]
    for t in times(x.shape[0], reverse):
        product = matmul(h, w.t()) if b is None else matmul(h, w.t()) + b
        (r, z, n), (hr, hz, hn) = chunk(x[t], 3, 1), chunk(product, 3, 1)  # reset gate, update gate, new values
        z = sigmoid(z + hz)
        h = outputs[t] = (1 - z) * tanh(n + sigmoid(r + hr) * hn) + z * h
    return stack(outputs)


@primitive(extras=("gates", "news", "products"))
def gru_(x, h, w, b, reverse):
    length, size = len(x), h.shape[1]
    y, news, products = (xp.empty((length, *h.shape), x.dtype) for _ in range(3))
    gates, transposed = xp.empty((length, len(h), 2 * size), x.dtype), w.T
    for t in times(length, reverse):
        a = h.dot(transposed)
        if b is not None:
            a += b
        products[t] = a[:, 2 * size :]
        rz = xp.add(a[:, : 2 * size], x[t, :, : 2 * size], gates[t])
        rz *= 0.5  # sigmoid by tanh, as above
        xp.tanh(rz, rz)
        rz *= 0.5
        rz += 0.5
        n = xp.multiply(rz[:, :size], products[t], news[t])
        n += x[t, :, 2 * size :]
        xp.tanh(n, n)
        kept = h - n
        kept *= rz[:, size:]
        h = xp.add(n, kept, y[t])
    return y, gates, news, products


@gru_.vjp
def gru_vjp(g, y, x, h, w, b, reverse, gates, news, products, needs):
    if gates is None:
        return by_steps(gru_steps, g, (x, h, w, b), (reverse,), needs[:4]) + [None]
    length, size = len(x), h.shape[1]
    before = states(y, h, reverse)
    r, z = gates[:, :, :size], gates[:, :, size:]
    dn = (1 - z) * (1 - news * news)
    dz = (before - news) * z * (1 - z)
    dr = dn * products * r * (1 - r)
    dx = xp.concatenate((dr, dz, dn), 2)  # d h / d gate, of all steps at once
    da = xp.concatenate((dr, dz, dn * r), 2)  # the same for what the hidden state was multiplied to
    dx_by_gate, da_by_gate = (d.reshape(*d.shape[:2], 3, size) for d in (dx, da))
    dh = 0
    for t in times(length, not reverse):
        dh = dh + g[t]
        dx_by_gate[t] *= dh[:, None]
        da_by_gate[t] *= dh[:, None]
        dh = da[t].dot(w) + dh * z[t]
    dw = weight_gradient(da, before) if needs[2] else None
    return dx, dh, dw, da.sum((0, 1)) if needs[3] else None, None
