"""The character model with every trick.

There are only as many inputs as characters, so what the embedding and the input weights make of each stands in a table, and
its gradient sums over all the places where that character stood. One call of tanh serves all four gates, as sigmoid(x) =
tanh(x / 2) / 2 + 1 / 2; the halving is done once, in the weights.
"""

import numpy as np

from benchmarks.limit.parts import CrossEntropy, Embedding, Parameters
from benchmarks.workload import in_phases, numpy_draw


def empty(*shape):
    return np.empty(shape, np.float32)


def character_model(problem):
    """Embedding, LSTM, output layer; the buffers have time first."""
    parameters = Parameters(problem.parameters, problem.learning_rate)
    C, W_ih, W_hh, b_ih, b_hh, W, b = parameters.values
    dC, dW_ih, dW_hh, db_ih, db_hh, dW, db = parameters.gradients
    length, batch = problem.inputs.shape[1], problem.batch
    characters, size, gates = len(C), W_hh.shape[1], len(W_hh)
    rows = length * batch

    table, dtable = empty(characters, gates), empty(characters, gates)
    embedding, loss = Embedding(table, dtable, rows), CrossEntropy(rows, characters)
    activations = embedding.output.reshape(length, batch, gates)
    scale = np.full(gates, 0.5, np.float32)  # the new values go through tanh itself, the three gates through sigmoid
    new = slice(2 * size, 3 * size)
    scale[new] = 1
    shift = 1 - scale
    weights, product = empty(size, gates), empty(batch, gates)
    h, c, tanh_c = (np.zeros((length + 1, batch, size), np.float32) for _ in range(3))  # h[t + 1] comes after step t
    logits, dhs, ones = empty(rows, characters), empty(length, batch, size), np.ones(rows, np.float32)
    dgates, slopes = empty(length, batch, gates), empty(length, batch, gates)
    through, dh, dc, part = (empty(batch, size) for _ in range(4))
    columns = [slice(number * size, (number + 1) * size) for number in range(4)]
    per_step = [tuple(activations[t][:, column] for column in columns) for t in range(length)]
    dper_step = [tuple(dgates[t][:, column] for column in columns) for t in range(length)]

    def phases(indices):
        np.dot(C, W_ih.T, table)
        np.add(table, b_ih + b_hh, table)
        np.multiply(table, scale, table)
        np.multiply(W_hh.T, scale, weights)
        embedding.forward(problem.inputs.take(indices, 0).T)
        for t in range(length):
            a, (i, f, n, o) = activations[t], per_step[t]
            np.add(a, np.dot(h[t], weights, product), a)
            np.tanh(a, a)
            np.multiply(a, scale, a)
            np.add(a, shift, a)
            np.multiply(f, c[t], c[t + 1])
            np.multiply(i, n, part)
            np.add(c[t + 1], part, c[t + 1])
            np.multiply(np.tanh(c[t + 1], tanh_c[t + 1]), o, h[t + 1])
        outputs = h[1:].reshape(rows, size)
        np.dot(outputs, W.T, logits)
        np.add(logits, b, logits)
        yield loss.forward(logits, problem.targets.take(indices, 0).T.reshape(-1))

        dlogits = loss.backward()
        np.dot(dlogits.T, outputs, dW)
        np.dot(ones, dlogits, db)
        np.dot(dlogits, W, dhs.reshape(rows, size))
        np.subtract(1, activations, slopes)  # of sigmoid: (1 - a) * a; of tanh: (1 - a) * (1 + a)
        activations[:, :, new] += 1
        np.multiply(slopes, activations, slopes)
        activations[:, :, new] -= 1
        dh[...] = dc[...] = 0
        for t in reversed(range(length)):
            (i, f, n, o), (di, df, dn, do), tanh = per_step[t], dper_step[t], tanh_c[t + 1]
            np.add(dh, dhs[t], dh)
            np.multiply(dh, tanh, do)
            np.multiply(tanh, tanh, through)
            np.subtract(1, through, through)
            np.multiply(through, o, through)
            np.multiply(through, dh, through)
            np.add(dc, through, dc)
            np.multiply(dc, n, di)
            np.multiply(dc, c[t], df)
            np.multiply(dc, i, dn)
            np.multiply(dgates[t], slopes[t], dgates[t])
            np.multiply(dc, f, dc)
            np.dot(dgates[t], W_hh, dh)
        np.dot(dgates.reshape(rows, gates).T, h[:-1].reshape(rows, size), dW_hh)
        embedding.backward(dgates)
        np.dot(dtable, W_ih, dC)
        np.dot(dtable.T, C, dW_ih)
        np.dot(ones[:characters], dtable, db_ih)
        db_hh[...] = db_ih
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
