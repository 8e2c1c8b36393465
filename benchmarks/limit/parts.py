"""What the hand-written loops share; every part owns its buffers, and overwrites what it is given where it says so."""

import numpy as np


class Parameters:
    """Parameters and their gradients as views of two flat vectors, in the order given."""

    def __init__(self, arrays, learning_rate):
        self.flat = np.concatenate([array.ravel() for array in arrays])
        self.flat_gradient = np.zeros_like(self.flat)
        self.learning_rate = np.float32(learning_rate)
        bounds = np.cumsum([array.size for array in arrays])[:-1]
        shapes = [array.shape for array in arrays]
        self.values, self.gradients = (
            [part.reshape(shape) for part, shape in zip(np.split(flat, bounds), shapes)]
            for flat in (self.flat, self.flat_gradient)
        )

    def update(self):
        """One step of SGD; overwrites the gradients."""
        self.flat_gradient *= self.learning_rate
        self.flat -= self.flat_gradient


class Embedding:
    """Rows of a table by index, and the table's gradient as one product with one-hot rows."""

    def __init__(self, table, gradient, count):
        self.table, self.gradient = table, gradient
        self.identity = np.eye(len(table), dtype=np.float32)
        self.one_hot = np.empty((count, len(table)), np.float32)
        self.output = np.empty((count, table.shape[1]), np.float32)

    def forward(self, indices):
        self.indices = indices.reshape(-1)
        return self.table.take(self.indices, 0, self.output, "clip")  # "clip" writes to `out` without a copy between

    def backward(self, doutput):
        self.identity.take(self.indices, 0, self.one_hot, "clip")
        np.dot(self.one_hot.T, doutput.reshape(self.output.shape), self.gradient)


class CrossEntropy:
    """The mean cross entropy of rows of logits, which it overwrites, with its gradient."""

    def __init__(self, rows, classes):
        self.probabilities = np.empty((rows, classes), np.float32)
        self.largest, self.totals = np.empty((rows, 1), np.float32), np.empty((rows, 1), np.float32)
        self.ones, self.identity = np.ones((classes, 1), np.float32), np.eye(classes, dtype=np.float32)
        self.starts, self.share = np.arange(rows) * classes, np.float32(1 / rows)

    def forward(self, logits, targets):
        self.targets = targets
        np.maximum.reduce(logits, 1, None, self.largest, True)
        logits -= self.largest
        np.exp(logits, self.probabilities)
        np.dot(self.probabilities, self.ones, self.totals)
        likelihood = np.add.reduce(logits.reshape(-1).take(self.starts + targets))
        return (np.add.reduce(np.log(self.totals), None) - likelihood) * self.share

    def backward(self):
        dlogits = self.probabilities
        dlogits /= self.totals
        dlogits -= self.identity.take(self.targets, 0)
        dlogits *= self.share
        return dlogits


class BatchNorm:
    """Batch norm of rows, which it overwrites, with makemore's formula (`sample`) or that of `BatchNorm1d`.

    Makemore divides by the sample's standard deviation and keeps a running one; `BatchNorm1d` divides by the
    population's, kept away from zero, and keeps a running variance of the sample.
    """

    def __init__(self, gain, bias, dgain, dbias, rows, sample, momentum, eps=0.0):
        self.gain, self.bias, self.dgain, self.dbias = (a.reshape(-1) for a in (gain, bias, dgain, dbias))
        width = self.gain.size
        self.count, self.sample = rows - 1 if sample else rows, sample
        self.ones, self.means = np.ones(rows, np.float32), np.full(rows, 1 / rows, np.float32)
        self.averages = np.full(rows, 1 / self.count, np.float32)
        self.unbiased = np.float32(rows / (rows - 1))
        self.momentum, self.eps = np.float32(momentum), np.float32(eps)
        self.running_mean, self.running_spread = np.zeros(width, np.float32), np.ones(width, np.float32)
        self.output, self.scratch = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)

    def forward(self, x):
        mean = self.means.dot(x)
        x -= mean
        np.multiply(x, x, self.scratch)
        variance = self.averages.dot(self.scratch)
        std = np.sqrt(variance + self.eps)
        self.inverse = 1 / std
        x *= self.inverse
        self.normalised = x
        self.running_mean += self.momentum * (mean - self.running_mean)
        spread = std if self.sample else variance * self.unbiased
        self.running_spread += self.momentum * (spread - self.running_spread)
        np.multiply(x, self.gain, self.output)
        self.output += self.bias
        return self.output

    def backward(self, dy):
        """The gradient of what was normalised, in place of the gradient of the output."""
        self.ones.dot(dy, self.dbias)
        np.multiply(dy, self.normalised, self.scratch)
        self.ones.dot(self.scratch, self.dgain)
        x = self.normalised
        x *= self.dgain * np.float32(1 / self.count)
        x += self.dbias * np.float32(1 / len(x))
        dy -= x
        dy *= self.gain * self.inverse
        return dy


def tanh_backward(h, dh):
    """dh * (1 - h * h) in place of dh; overwrites h."""
    h *= h
    h *= dh
    dh -= h
    return dh
