"""A character model with one LSTM layer: embedding, LSTM over 32 characters, output layer."""

from importlib import import_module

import numpy as np

from benchmarks import peers, text
from benchmarks.limit import lstm as limit
from benchmarks.workload import Workload, in_phases, numpy_draw, register, starting_point, train_modules, ways_of_layers

EMBEDDING, HIDDEN = 16, 128
BATCH, LEARNING_RATE = 32, 0.5


def problem():
    """Windows of text, and initial parameters in the order and shapes of torch's modules."""
    inputs, targets = text.windows()
    rng = np.random.default_rng(0)
    gates, bound = 4 * HIDDEN, HIDDEN**-0.5
    parameters = [rng.standard_normal((text.VOCABULARY, EMBEDDING))]
    shapes = (gates, EMBEDDING), (gates, HIDDEN), (gates,), (gates,), (text.VOCABULARY, HIDDEN), (text.VOCABULARY,)
    parameters += [rng.uniform(-bound, bound, shape) for shape in shapes]
    return starting_point(inputs, targets, parameters, BATCH, LEARNING_RATE)


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn, F = import_module(package + ".nn"), import_module(package + ".nn.functional")

    class CharacterModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(text.VOCABULARY, EMBEDDING)
            self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
            self.output = nn.Linear(HIDDEN, text.VOCABULARY)

        def forward(self, indices):
            return self.output(self.lstm(self.embedding(indices))[0])

    def loss(logits, targets):
        return F.cross_entropy(logits.view(-1, text.VOCABULARY), targets.view(-1))

    return train_modules(package, problem, CharacterModel(), problem.parameters, loss)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(problem):
    """Forward and backward through time written out in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    C, W_ih, W_hh, b_ih, b_hh, W, b = parameters

    def phases(indices):
        Xb, Yb = X[indices], Y[indices]
        x = C[Xb]  # (B, T, EMBEDDING)
        h = c = np.zeros((len(Xb), HIDDEN), np.float32)
        hs, kept = [], []
        for t in range(text.LENGTH):
            gates = x[:, t] @ W_ih.T + b_ih + h @ W_hh.T + b_hh
            i, f, n, o = np.split(gates, 4, 1)
            i, f, n, o = sigmoid(i), sigmoid(f), np.tanh(n), sigmoid(o)
            c_before, h_before = c, h
            c = f * c + i * n
            tanh_c = np.tanh(c)
            h = o * tanh_c
            hs.append(h)
            kept.append((i, f, n, o, c_before, h_before, tanh_c))
        hs = np.stack(hs, 1)
        loss, dlogits = text.cross_entropy(hs @ W.T + b, Yb)
        yield loss

        dW = np.tensordot(dlogits, hs, ((0, 1), (0, 1)))
        dhs = dlogits @ W
        dW_hh, dgates = np.zeros_like(W_hh), np.empty((*Xb.shape, 4 * HIDDEN), np.float32)
        dh = dc = 0
        for t in reversed(range(text.LENGTH)):
            i, f, n, o, c_before, h_before, tanh_c = kept[t]
            dh = dhs[:, t] + dh
            dc = dc + dh * o * (1 - tanh_c * tanh_c)
            di, df = dc * n * i * (1 - i), dc * c_before * f * (1 - f)
            dn, do = dc * i * (1 - n * n), dh * tanh_c * o * (1 - o)
            dgates[:, t] = np.concatenate([di, df, dn, do], 1)
            dW_hh += dgates[:, t].T @ h_before
            dh, dc = dgates[:, t] @ W_hh, dc * f
        dW_ih = np.tensordot(dgates, x, ((0, 1), (0, 1)))
        db = dgates.sum((0, 1))
        dC = np.zeros_like(C)
        np.add.at(dC, Xb, dgates @ W_ih)
        yield

        for parameter, gradient in zip(parameters, [dC, dW_ih, dW_hh, db, db, dW, dlogits.sum((0, 1))], strict=True):
            parameter -= LEARNING_RATE * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    **ways_of_layers(modules, by_hand, limit.character_model),
    **peers.ways("lstm", "torch modules", "jax", "autograd"),
}
TITLE = f"characters, LSTM of {HIDDEN}, {text.LENGTH} steps, batch {BATCH}, SGD"
register("lstm", Workload(TITLE, problem, WAYS, {"torch": 0.8, "compiled": 1.15}))
