"""The small GPT with every trick; everything but attention works on rows, one for every character of the minibatch."""

import numpy as np

from benchmarks.limit.parts import CrossEntropy, Embedding, Parameters
from benchmarks.workload import in_phases, numpy_draw

EPS = np.float32(1e-5)
SLOPE, CUBE = (2 / np.pi) ** 0.5, 0.044715  # of GELU's tanh


def empty(*shape):
    return np.empty(shape, np.float32)


class Linear:
    """x @ weight.T + bias, with buffers for its output and the gradient of its input."""

    def __init__(self, rows, values, gradients):
        (self.weight, self.bias), (self.dweight, self.dbias) = values, gradients
        outputs, inputs = self.weight.shape
        self.output, self.dinput, self.ones = empty(rows, outputs), empty(rows, inputs), np.ones(rows, np.float32)

    def forward(self, x):
        self.input = x
        np.dot(x, self.weight.T, self.output)
        self.output += self.bias
        return self.output

    def backward(self, g):
        np.dot(g.T, self.input, self.dweight)
        np.dot(self.ones, g, self.dbias)
        return np.dot(g, self.weight, self.dinput)


class LayerNorm:
    """Layer norm of rows; its backward pass overwrites the gradient that it is given."""

    def __init__(self, rows, values, gradients):
        (self.gain, self.bias), (self.dgain, self.dbias) = values, gradients
        width = len(self.gain)
        self.normalised, self.output, self.inverse = empty(rows, width), empty(rows, width), empty(rows, 1)
        self.ones, self.share = np.ones(rows, np.float32), np.float32(1 / width)
        self.means = np.full((width, 1), self.share)

    def forward(self, x):
        centred, inverse = self.normalised, self.inverse
        np.subtract(x, x.dot(self.means), centred)
        np.vecdot(centred, centred, out=inverse[:, 0])
        inverse *= self.share
        inverse += EPS
        np.sqrt(inverse, inverse)
        np.divide(1, inverse, inverse)
        centred *= inverse
        np.multiply(self.normalised, self.gain, self.output)
        self.output += self.bias
        return self.output

    def backward(self, g):
        np.dot(self.ones, g, self.dbias)
        np.multiply(g, self.normalised, self.output)
        np.dot(self.ones, self.output, self.dgain)
        g *= self.gain
        self.normalised *= np.vecdot(g, self.normalised)[:, None] * self.share
        g -= g.dot(self.means)
        g -= self.normalised
        g *= self.inverse
        return g


class Attention:
    """Causal attention within each window, on rows of queries, keys and values side by side."""

    def __init__(self, batch, length, width, heads):
        apart = (batch, length, 3, heads, width // heads)
        self.apart, self.scale = apart, np.float32((width // heads) ** -0.5)
        self.weights, self.dweights = empty(batch, heads, length, length), empty(batch, heads, length, length)
        self.hidden = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        self.ones = np.ones((length, 1), np.float32)
        self.output, self.dinput = empty(batch * length, width), empty(batch * length, 3 * width)
        self.heads_of_output = self.split_heads(self.output)
        self.dq, self.dk, self.dv = self.split_parts(self.dinput)

    def split_parts(self, rows):
        """Views of queries, keys and values: (batch, heads, length, width / heads) each."""
        return rows.reshape(self.apart).transpose(2, 0, 3, 1, 4)

    def split_heads(self, rows):
        batch, length, _, heads, width = self.apart
        return rows.reshape(batch, length, heads, width).transpose(0, 2, 1, 3)

    def forward(self, rows):
        self.q, self.k, self.v = self.split_parts(rows)
        self.q *= self.scale
        weights = np.matmul(self.q, self.k.swapaxes(2, 3), out=self.weights)
        weights += self.hidden
        weights -= weights.max(3, keepdims=True)
        np.exp(weights, weights)
        weights /= np.matmul(weights, self.ones)
        np.matmul(weights, self.v, out=self.heads_of_output)
        return self.output

    def backward(self, g):
        g, weights, dscores = self.split_heads(g), self.weights, self.dweights
        np.matmul(weights.swapaxes(2, 3), g, out=self.dv)
        np.matmul(g, self.v.swapaxes(2, 3), out=dscores)
        dscores -= np.vecdot(dscores, weights)[..., None]
        dscores *= weights
        np.matmul(dscores, self.k, out=self.dq)
        self.dq *= self.scale
        np.matmul(dscores.swapaxes(2, 3), self.q, out=self.dk)
        return self.dinput


class GELU:
    """x * s with s = (1 + tanh(SLOPE * (x + CUBE * x^3))) / 2; its backward pass overwrites the gradient given."""

    def __init__(self, rows, width):
        self.s, self.output, self.slope = (empty(rows, width) for _ in range(3))

    def forward(self, x):
        self.x, s = x, self.s
        np.multiply(x, x, s)
        s *= SLOPE * CUBE
        s += SLOPE
        s *= x
        np.tanh(s, s)
        s *= 0.5
        s += 0.5
        return np.multiply(x, s, self.output)

    def backward(self, g):
        """The slope is s + 2 * x * s * (1 - s) * SLOPE * (1 + 3 * CUBE * x^2)."""
        slope, x, s = self.slope, self.x, self.s
        np.multiply(x, x, slope)
        slope *= 6 * SLOPE * CUBE
        slope += 2 * SLOPE
        slope *= self.output
        np.subtract(1, s, self.output)
        slope *= self.output
        slope += s
        g *= slope
        return g


class Block:
    """One layer: attention and feed-forward, each added to what came in, in place."""

    def __init__(self, problem, values, gradients):
        batch, length = problem.batch, problem.inputs.shape[1]
        rows, width, hidden = batch * length, len(values[0]), len(values[8])
        kinds = LayerNorm, Linear, Linear, LayerNorm, Linear, Linear
        pairs = [slice(first, first + 2) for first in range(0, 12, 2)]
        made = (kind(rows, values[pair], gradients[pair]) for kind, pair in zip(kinds, pairs))
        self.norm1, self.query_key_value, self.projection, self.norm2, self.up, self.down = made
        self.attention, self.gelu = Attention(batch, length, width, problem.heads), GELU(rows, hidden)

    def forward(self, x):
        x += self.projection.forward(self.attention.forward(self.query_key_value.forward(self.norm1.forward(x))))
        x += self.down.forward(self.gelu.forward(self.up.forward(self.norm2.forward(x))))

    def backward(self, g):
        g += self.norm2.backward(self.up.backward(self.gelu.backward(self.down.backward(g))))
        dattention = self.attention.backward(self.projection.backward(g))
        g += self.norm1.backward(self.query_key_value.backward(dattention))


def gpt(problem):
    """Embeddings, the layers, a last layer norm and the output layer."""
    parameters = Parameters(problem.parameters, problem.learning_rate)
    tokens, positions, *values = parameters.values
    dtokens, dpositions, *gradients = parameters.gradients
    length, batch = problem.inputs.shape[1], problem.batch
    rows, width = batch * length, tokens.shape[1]
    embedding, loss = Embedding(tokens, dtokens, rows), CrossEntropy(rows, len(tokens))
    blocks = [Block(problem, values[i : i + 12], gradients[i : i + 12]) for i in range(0, len(values) - 4, 12)]
    norm, output = LayerNorm(rows, values[-4:-2], gradients[-4:-2]), Linear(rows, values[-2:], gradients[-2:])
    ones = np.ones(batch, np.float32)

    def phases(indices):
        x = embedding.forward(problem.inputs.take(indices, 0))
        by_position = x.reshape(batch, length, width)
        by_position += positions
        for block in blocks:
            block.forward(x)
        yield loss.forward(output.forward(norm.forward(x)), problem.targets.take(indices, 0).reshape(-1))

        g = norm.backward(output.backward(loss.backward()))
        for block in reversed(blocks):
            block.backward(g)
        embedding.backward(g)
        np.dot(ones, g.reshape(batch, -1), dpositions.reshape(-1))
        yield

        parameters.update()

    return in_phases(numpy_draw(problem), phases, np.asarray)
