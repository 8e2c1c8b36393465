"""Recurrences: what happens at one time step, and the same over all steps as a single primitive.

Each `*_steps` says in plain operations what is computed; each primitive computes it for a whole sequence on
raw arrays, several times faster, and falls back on the plain form where the gradient itself is to be
differentiated. The inputs' products with their weights, of all time steps at once, are made before; only the
hidden state's product is left.
"""

from ...autograd import Variable, grad, primitive
from ...backend import xp
from ...ops.elementwise import relu, sigmoid, tanh
from ...ops.join import chunk, stack
from ...ops.linalg import matmul


def by_steps(steps, g, tensors, options, needs):
    """The gradients of a recurrence through its plain form, for a backward that is differentiated again."""
    inputs = [x if x is None else x.reshape(x.shape) for x in tensors]  # nodes of their own, to stop at
    outputs = steps(*inputs, *options)
    wanted = [x for x, need in zip(inputs, needs) if need]
    found = iter(grad(outputs, wanted, g, create_graph=True))
    return [next(found) if need else None for need in needs]


def times(length, reverse):
    return range(length - 1, -1, -1) if reverse else range(length)


def weight_gradient(g, first, h, reverse):
    """The gradient of a weight (out, in) that was multiplied with the hidden states.

    `g` (T, N, out) is the gradient of the products; the states were `first` (N, in) and then all but the last
    of h (T, N, in).
    """
    later, earlier, start = (g[:-1], h[1:], g[-1]) if reverse else (g[1:], h[:-1], g[0])
    return later.reshape(-1, g.shape[-1]).T.dot(earlier.reshape(-1, h.shape[-1])) + start.T.dot(first)


# ---------------------------------------------------------------------------------------------- plain (Elman)


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
            h = xp.tanh(h, out=y[t])
        else:
            h = xp.maximum(h, 0, out=y[t])
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
    dw = weight_gradient(slope, h, y, reverse) if needs[2] else None
    return slope, dh, dw, None, None


# ------------------------------------------------------------------------------------------------------- LSTM


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
    length, size, dtype = len(x), h.shape[1], x.dtype
    y, gates = xp.empty((length + 1, *h.shape), dtype), xp.empty(x.shape, dtype)
    cells, tanh_cells = xp.empty((length, *h.shape), dtype), xp.empty((length, *h.shape), dtype)
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: one call of tanh serves all four gates
    scale = xp.full(4 * size, 0.5, dtype)
    scale[2 * size : 3 * size] = 1
    shift, transposed = 1 - scale, w.T
    for t in times(length, reverse):
        a = gates[t]
        h.dot(transposed, a)
        a += x[t]
        a *= scale
        xp.tanh(a, a)
        a *= scale
        a += shift
        c = a[:, size : 2 * size] * c
        c += a[:, :size] * a[:, 2 * size : 3 * size]
        cells[t] = c
        h = xp.multiply(xp.tanh(c, tanh_cells[t]), a[:, 3 * size :], y[t])
    y[length] = c
    return y, gates, cells, tanh_cells


@lstm_.vjp
def lstm_vjp(g, y, x, h, c, w, reverse, gates, cells, tanh_cells, needs):
    if gates is None:
        return by_steps(lstm_steps, g, (x, h, c, w), (reverse,), needs[:4]) + [None]
    length, size = len(x), h.shape[1]
    dx, slope = xp.empty(gates.shape, gates.dtype), xp.empty(gates.shape[1:], gates.dtype)
    is_tanh = xp.zeros(4 * size, gates.dtype)
    is_tanh[2 * size : 3 * size] = 1
    dh, dc = 0, g[length]
    for t in times(length, not reverse):
        a, d, tanh_c, first = gates[t], dx[t], tanh_cells[t], t == (length - 1 if reverse else 0)
        i, f, n, o = (a[:, k * size : (k + 1) * size] for k in range(4))
        dh = g[t] + dh
        through = tanh_c * tanh_c
        xp.subtract(1, through, through)
        through *= o
        through *= dh
        dc = dc + through
        xp.multiply(dc, n, d[:, :size])
        xp.multiply(dc, c if first else cells[t + 1 if reverse else t - 1], d[:, size : 2 * size])
        xp.multiply(dc, i, d[:, 2 * size : 3 * size])
        xp.multiply(dh, tanh_c, d[:, 3 * size :])
        xp.subtract(1, a, slope)  # the slope of sigmoid: (1 - a) * a; of tanh: (1 - a) * (a + 1)
        d *= slope
        xp.add(a, is_tanh, slope)
        d *= slope
        dh, dc = d.dot(w), dc * f
    dw = weight_gradient(dx, h, y[:length], reverse) if needs[3] else None
    return dx, dh, dc, dw, None


# -------------------------------------------------------------------------------------------------------- GRU


def gru_steps(x, h, w, b, reverse):
    """The gated recurrent unit for every t; x (T, N, 3H), h (N, H), w (3H, H), b (3H) or None -> (T, N, H).

    Source: Cho et al., 2014; the reset gate acts on the product, as in torch.
    """
    outputs = [None] * x.shape[0]
    for t in times(x.shape[0], reverse):
        product = matmul(h, w.t()) if b is None else matmul(h, w.t()) + b
        (r, z, n), (hr, hz, hn) = (chunk(x[t], 3, 1), chunk(product, 3, 1))  # reset gate, update gate, new values
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
    dx, da = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)  # of x[t] and of h @ w.T + b
    dh = 0
    for t in times(length, not reverse):
        rz, n, d, first = gates[t], news[t], dx[t], t == (length - 1 if reverse else 0)
        z = rz[:, size:]
        dh = g[t] + dh
        dn = xp.multiply(1 - z, 1 - n * n, d[:, 2 * size :])
        dn *= dh
        xp.multiply(dn, products[t], d[:, :size])
        xp.subtract(h if first else y[t + 1 if reverse else t - 1], n, d[:, size : 2 * size])
        d[:, size : 2 * size] *= dh
        d[:, : 2 * size] *= rz
        d[:, : 2 * size] *= 1 - rz
        da[t] = d
        da[t, :, 2 * size :] *= rz[:, :size]
        dh *= z
        dh += da[t].dot(w)
    dw = weight_gradient(da, h, y, reverse) if needs[2] else None
    return dx, dh, dw, da.sum((0, 1)) if needs[3] else None, None
