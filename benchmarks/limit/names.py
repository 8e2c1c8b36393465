"""The character networks over names with every trick: the MLP, the MLP with batch norm, the deep one."""

import numpy as np

from benchmarks.limit.parts import BatchNorm, CrossEntropy, Embedding, Parameters, tanh_backward
from benchmarks.workload import in_phases, numpy_draw


def mlp(problem):
    """Embedding, tanh layer, output layer."""
    parameters = Parameters(problem.parameters, problem.learning_rate)
    C, W1, b1, W2, b2 = parameters.values
    dC, dW1, db1, dW2, db2 = parameters.gradients
    rows, width = problem.batch, len(b1)
    embedding, loss = Embedding(C, dC, rows * problem.block), CrossEntropy(rows, len(b2))
    x, dx, ones = embedding.output.reshape(rows, -1), np.empty((rows, len(W1)), np.float32), np.ones(rows, np.float32)
    h, dh = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    logits = np.empty((rows, len(b2)), np.float32)

    def phases(indices):
        embedding.forward(problem.inputs.take(indices, 0))
        np.dot(x, W1, h)
        np.add(h, b1, h)
        np.tanh(h, h)
        np.dot(h, W2, logits)
        np.add(logits, b2, logits)
        yield loss.forward(logits, problem.targets.take(indices))

        dlogits = loss.backward()
        np.dot(h.T, dlogits, dW2)
        np.dot(ones, dlogits, db2)
        np.dot(dlogits, W2.T, dh)
        tanh_backward(h, dh)
        np.dot(x.T, dh, dW1)
        np.dot(ones, dh, db1)
        np.dot(dh, W1.T, dx)
        embedding.backward(dx)
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)


def mlp_batch_norm(problem):
    """The same with makemore's batch norm in front of tanh."""
    parameters = Parameters(problem.parameters, problem.learning_rate)
    C, W1, gain, bias, W2, b2 = parameters.values
    dC, dW1, dgain, dbias, dW2, db2 = parameters.gradients
    rows, width = problem.batch, gain.size
    embedding, loss = Embedding(C, dC, rows * problem.block), CrossEntropy(rows, len(b2))
    norm = BatchNorm(gain, bias, dgain, dbias, rows, sample=True, momentum=0.001)
    x, dx, ones = embedding.output.reshape(rows, -1), np.empty((rows, len(W1)), np.float32), np.ones(rows, np.float32)
    hpre, dh = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    logits = np.empty((rows, len(b2)), np.float32)

    def phases(indices):
        embedding.forward(problem.inputs.take(indices, 0))
        np.dot(x, W1, hpre)
        h = norm.forward(hpre)
        np.tanh(h, h)
        np.dot(h, W2, logits)
        np.add(logits, b2, logits)
        yield loss.forward(logits, problem.targets.take(indices))

        dlogits = loss.backward()
        np.dot(h.T, dlogits, dW2)
        np.dot(ones, dlogits, db2)
        np.dot(dlogits, W2.T, dh)
        norm.backward(tanh_backward(h, dh))
        np.dot(x.T, dh, dW1)
        np.dot(dh, W1.T, dx)
        embedding.backward(dx)
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)


def deep(problem):
    """Embedding, then layers of linear, batch norm and tanh; no tanh after the last."""
    parameters = Parameters(problem.parameters, problem.learning_rate)
    C, *layers = parameters.values
    dC, *dlayers = parameters.gradients
    weights, dweights = layers[::3], dlayers[::3]
    rows = problem.batch
    norms = [
        BatchNorm(gain, bias, dgain, dbias, rows, sample=False, momentum=0.1, eps=1e-5)
        for gain, bias, dgain, dbias in zip(layers[1::3], layers[2::3], dlayers[1::3], dlayers[2::3])
    ]
    embedding, loss = Embedding(C, dC, rows * problem.block), CrossEntropy(rows, weights[-1].shape[1])
    outputs = [np.empty((rows, W.shape[1]), np.float32) for W in weights]
    dinputs = [np.empty((rows, len(W)), np.float32) for W in weights]

    def phases(indices):
        embedding.forward(problem.inputs.take(indices, 0))
        h, inputs = embedding.output.reshape(rows, -1), []
        for number, (W, norm, output) in enumerate(zip(weights, norms, outputs)):
            inputs.append(h)
            np.dot(h, W, output)
            h = norm.forward(output)
            if number < len(weights) - 1:
                np.tanh(h, h)
        yield loss.forward(h, problem.targets.take(indices))

        dh = loss.backward()
        for number in reversed(range(len(weights))):
            if number < len(weights) - 1:
                tanh_backward(norms[number].output, dh)
            norms[number].backward(dh)
            np.dot(inputs[number].T, dh, dweights[number])
            dh = np.dot(dh, weights[number].T, dinputs[number])
        embedding.backward(dh)
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
