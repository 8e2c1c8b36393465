"""The workloads as functions of their parameters, for libraries that differentiate functions of arrays.

`np` is the library's NumPy. loss(np, parameters, inputs, targets, problem) gives the loss of one minibatch, and the batch's
statistics that the running ones move to: of every batch norm its mean, then its deviation or variance.
"""

EPS = 1e-5
GELU_SLOPE, GELU_CUBE = (2 / 3.141592653589793) ** 0.5, 0.044715


def momentum(family):
    """How far a step moves running statistics to those of the batch."""
    return 0.001 if family == "names_mlp" else 0.1


def fresh(np, family, problem):
    """Running statistics before training, in the shapes of the gains: means are 0, deviations and variances 1."""
    gains = {"names_mlp": slice(2, 3), "names_deep": slice(2, None, 3), "images": slice(1, -2, 3)}
    if family not in gains or not getattr(problem, "batch_norm", True):
        return []
    return [np.full(gain.shape, value, gain.dtype) for gain in problem.parameters[gains[family]] for value in (0, 1)]


def moved(running, moments, momentum):
    """Running statistics after a batch with these moments."""
    return [old + momentum * (new - old) for old, new in zip(running, moments)]


def cross_entropy(np, logits, targets):
    """The mean over rows of (rows, classes)."""
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    likelihood = shifted[np.arange(len(targets)), targets]
    return np.mean(np.log(np.sum(np.exp(shifted), axis=1)) - likelihood)


def names_mlp(np, parameters, x, y, problem):
    """Embedding, tanh layer with makemore's batch norm or with a bias, output layer."""
    C, W1, *middle, W2, b2 = parameters
    h = C[x].reshape(len(x), -1) @ W1
    if problem.batch_norm:
        gain, bias = middle
        mean, std = h.mean(0, keepdims=True), h.std(0, keepdims=True, ddof=1)
        h = gain * (h - mean) / std + bias
        return cross_entropy(np, np.tanh(h) @ W2 + b2, y), [mean, std]
    (b1,) = middle
    return cross_entropy(np, np.tanh(h + b1) @ W2 + b2, y), []


def names_deep(np, parameters, x, y, problem):
    """Layers of linear, batch norm and tanh; no tanh after the last."""
    C, *rest = parameters
    h, statistics = C[x].reshape(len(x), -1), []
    for first in range(0, len(rest), 3):
        W, gain, bias = rest[first : first + 3]
        h = h @ W
        mean, variance = h.mean(0), h.var(0)
        statistics += [mean, variance * (len(x) / (len(x) - 1))]
        h = gain * (h - mean) / np.sqrt(variance + EPS) + bias
        if first + 3 < len(rest):
            h = np.tanh(h)
    return cross_entropy(np, h, y), statistics


def mnist_mlp(np, parameters, x, y, problem):
    """One hidden layer of ReLU units."""
    W1, b1, W2, b2 = parameters
    return cross_entropy(np, np.maximum(x @ W1.T + b1, 0) @ W2.T + b2, y), []


def lstm(np, parameters, x, y, problem):
    """Embedding, one LSTM layer unrolled over the characters, output layer."""
    C, W_ih, W_hh, b_ih, b_hh, W, b = parameters
    products = C[x] @ W_ih.T + b_ih + b_hh
    size = W_hh.shape[1]
    h = c = np.zeros((len(x), size), W.dtype)
    outputs = []
    for t in range(x.shape[1]):
        gates = products[:, t] + h @ W_hh.T
        i, f, n, o = (gates[:, k * size : (k + 1) * size] for k in range(4))
        c = sigmoid(np, f) * c + sigmoid(np, i) * np.tanh(n)
        h = sigmoid(np, o) * np.tanh(c)
        outputs.append(h)
    hs = np.stack(outputs, 1)
    return cross_entropy(np, (hs @ W.T + b).reshape(y.size, -1), y.reshape(-1)), []


def sigmoid(np, x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


def layer_norm(np, x, gain, bias):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + EPS) * gain + bias


def transformer(np, parameters, x, y, problem):
    """A GPT: layer norm and attention, layer norm and feed-forward, twice."""
    tokens, positions, *rest, gain, bias, W, b = parameters
    batch, length, width = *x.shape, tokens.shape[1]
    apart = batch, length, problem.heads, width // problem.heads
    hidden = np.triu(np.full((length, length), -1e9, W.dtype), 1)
    h = tokens[x] + positions
    for first in range(0, len(rest), 12):
        g1, b1, W_qkv, b_qkv, W_p, b_p, g2, b2, W_up, b_up, W_down, b_down = rest[first : first + 12]
        qkv = layer_norm(np, h, g1, b1) @ W_qkv.T + b_qkv
        parts = (qkv[:, :, k * width : (k + 1) * width] for k in range(3))
        q, k, v = (np.transpose(part.reshape(apart), (0, 2, 1, 3)) for part in parts)
        scores = q @ np.transpose(k, (0, 1, 3, 2)) * apart[3] ** -0.5 + hidden
        weights = np.exp(scores - np.max(scores, axis=3, keepdims=True))
        weights = weights / np.sum(weights, axis=3, keepdims=True)
        h = h + np.transpose(weights @ v, (0, 2, 1, 3)).reshape(batch, length, width) @ W_p.T + b_p
        u = layer_norm(np, h, g2, b2) @ W_up.T + b_up
        u = 0.5 * u * (1 + np.tanh(GELU_SLOPE * (u + GELU_CUBE * u * u * u)))
        h = h + u @ W_down.T + b_down
    logits = layer_norm(np, h, gain, bias) @ W.T + b
    return cross_entropy(np, logits.reshape(y.size, -1), y.reshape(-1)), []


def chain(np, parameters, x, y, problem):
    """The chain of elementwise operations, then the mean."""
    (h,) = parameters
    scale, up, down = problem.constants
    for _ in range(problem.rounds):
        h = np.maximum(h * scale + up, 0) - down
    return np.mean(h), []
