"""A small GPT over characters: two layers of causal attention and feed-forward, layer norm before each."""

from importlib import import_module

import numpy as np

from benchmarks import peers, text
from benchmarks.limit import transformer as limit
from benchmarks.workload import Workload, in_phases, numpy_draw, register, starting_point, train_modules, ways_of_layers

LAYERS, WIDTH, HEADS, HIDDEN = 2, 64, 4, 256
BATCH, LEARNING_RATE, EPS = 32, 0.1, 1e-5
PER_LAYER = 12  # parameters: norm, query-key-value, projection, norm, up, down; each a weight and a bias


def problem(layers=LAYERS, width=WIDTH, heads=HEADS, batch=BATCH, length=text.LENGTH):
    """Windows of text, and initial parameters in the order and shapes of torch's modules.

    The ways in NumPy are written for the sizes above.
    """
    inputs, targets = text.windows(length)
    hidden = HIDDEN // WIDTH * width
    rng = np.random.default_rng(0)

    def linear(outputs, ins):
        return [rng.uniform(-1, 1, (outputs, ins)) / ins**0.5, rng.uniform(-1, 1, outputs) / ins**0.5]

    def norm():
        return [np.ones(width), np.zeros(width)]

    parameters = [rng.standard_normal((rows, width)) * 0.5 for rows in (text.VOCABULARY, length)]
    for _ in range(layers):
        parameters += [*norm(), *linear(3 * width, width), *linear(width, width)]
        parameters += [*norm(), *linear(hidden, width), *linear(width, hidden)]
    parameters += [*norm(), *linear(text.VOCABULARY, width)]
    sizes = {"layers": layers, "width": width, "heads": heads, "hidden": hidden, "length": length}
    return starting_point(inputs, targets, parameters, batch, LEARNING_RATE, **sizes)


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    library = import_module(package)
    nn, F = import_module(package + ".nn"), import_module(package + ".nn.functional")
    width = problem.width

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.query_key_value = nn.Linear(width, 3 * width)
            self.projection = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.up = nn.Linear(width, problem.hidden)
            self.down = nn.Linear(problem.hidden, width)

        def forward(self, x):
            B, T, C = x.shape
            parts = self.query_key_value(self.norm1(x)).split(width, dim=2)
            q, k, v = (part.view(B, T, problem.heads, C // problem.heads).transpose(1, 2) for part in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.projection(y.transpose(1, 2).reshape(B, T, C))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(text.VOCABULARY, width)
            self.positions = nn.Embedding(problem.length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(problem.layers)])
            self.norm = nn.LayerNorm(width)
            self.output = nn.Linear(width, text.VOCABULARY)

        def forward(self, indices):
            x = self.tokens(indices) + self.positions(library.arange(problem.length, device=problem.device))
            return self.output(self.norm(self.blocks(x)))

    def loss(logits, targets):
        return F.cross_entropy(logits.view(-1, text.VOCABULARY), targets.view(-1))

    return train_modules(package, problem, GPT(), problem.parameters, loss)


# --------------------------------------------------------------------------------------- written out in NumPy


def linear_backward(g, x, W):
    """Gradients of x @ W.T + b with respect to x, W and b."""
    flat = g.reshape(-1, g.shape[-1])
    return g @ W, flat.T @ x.reshape(-1, x.shape[-1]), flat.sum(0)


def layer_norm(x, gain, bias):
    """The output, and what backward needs."""
    centred = x - x.mean(-1, keepdims=True)
    std = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(EPS))
    normalised = centred / std
    return normalised * gain + bias, (normalised, std)


def layer_norm_backward(g, gain, kept):
    """Gradients with respect to x, gain and bias."""
    normalised, std = kept
    dnormalised = g * gain
    parallel = (dnormalised * normalised).mean(-1, keepdims=True)
    dx = (dnormalised - dnormalised.mean(-1, keepdims=True) - normalised * parallel) / std
    return dx, (g * normalised).sum((0, 1)), g.sum((0, 1))


def heads_of(x):
    """(B, T, WIDTH) -> (B, HEADS, T, WIDTH / HEADS)."""
    return x.reshape(*x.shape[:2], HEADS, -1).transpose(0, 2, 1, 3)


def side_by_side(x):
    """The transpose of `heads_of`."""
    return x.transpose(0, 2, 1, 3).reshape(len(x), x.shape[2], -1)


SLOPE, CUBE = (2 / np.pi) ** 0.5, 0.044715  # GELU(x) = x / 2 * (1 + tanh(SLOPE * (x + CUBE * x^3)))


def block(x, parameters):
    """One layer, and what its backward pass needs."""
    g1, b1, W_qkv, b_qkv, W_p, b_p, g2, b2, W_up, b_up, W_down, b_down = parameters
    normal1, kept1 = layer_norm(x, g1, b1)
    q, k, v = (heads_of(part) for part in np.split(normal1 @ W_qkv.T + b_qkv, 3, 2))
    scores = q @ k.transpose(0, 1, 3, 2) / np.float32((WIDTH / HEADS) ** 0.5)
    scores[:, :, ~np.tri(text.LENGTH, dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    y = side_by_side(weights @ v)
    x = x + y @ W_p.T + b_p
    normal2, kept2 = layer_norm(x, g2, b2)
    u = normal2 @ W_up.T + b_up
    tanh = np.tanh(SLOPE * (u + CUBE * u * u * u))
    h = 0.5 * u * (1 + tanh)
    return x + h @ W_down.T + b_down, (normal1, kept1, q, k, v, weights, y, normal2, kept2, u, tanh, h)


def block_backward(g, parameters, kept):
    """Gradients with respect to x and to each parameter."""
    g1, b1, W_qkv, b_qkv, W_p, b_p, g2, b2, W_up, b_up, W_down, b_down = parameters
    normal1, kept1, q, k, v, weights, y, normal2, kept2, u, tanh, h = kept
    dh, dW_down, db_down = linear_backward(g, h, W_down)
    du = dh * (0.5 * (1 + tanh) + 0.5 * u * (1 - tanh * tanh) * SLOPE * (1 + 3 * CUBE * u * u))
    dnormal2, dW_up, db_up = linear_backward(du, normal2, W_up)
    dx, dg2, db2 = layer_norm_backward(dnormal2, g2, kept2)
    g = g + dx
    dy, dW_p, db_p = linear_backward(g, y, W_p)
    dy = heads_of(dy)
    dv = weights.transpose(0, 1, 3, 2) @ dy
    dweights = dy @ v.transpose(0, 1, 3, 2)
    dscores = weights * (dweights - (dweights * weights).sum(-1, keepdims=True))
    dscores /= np.float32((WIDTH / HEADS) ** 0.5)
    dq, dk = dscores @ k, dscores.transpose(0, 1, 3, 2) @ q
    dqkv = np.concatenate([side_by_side(part) for part in (dq, dk, dv)], 2)
    dnormal1, dW_qkv, db_qkv = linear_backward(dqkv, normal1, W_qkv)
    dx, dg1, db1 = layer_norm_backward(dnormal1, g1, kept1)
    return g + dx, [dg1, db1, dW_qkv, db_qkv, dW_p, db_p, dg2, db2, dW_up, db_up, dW_down, db_down]


def by_hand(problem):
    """Forward and backward written out in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    tokens, positions, *rest, gain, bias, W, b = parameters
    layers = [rest[first : first + PER_LAYER] for first in range(0, len(rest), PER_LAYER)]

    def phases(indices):
        Xb, Yb = X[indices], Y[indices]
        x, kept = tokens[Xb] + positions, []
        for layer in layers:
            x, needed = block(x, layer)
            kept.append(needed)
        normal, kept_normal = layer_norm(x, gain, bias)
        loss, dlogits = text.cross_entropy(normal @ W.T + b, Yb)
        yield loss

        dnormal, dW, db = linear_backward(dlogits, normal, W)
        dx, dgain, dbias = layer_norm_backward(dnormal, gain, kept_normal)
        gradients = [dgain, dbias, dW, db]
        for layer, needed in zip(reversed(layers), reversed(kept)):
            dx, dlayer = block_backward(dx, layer, needed)
            gradients = [*dlayer, *gradients]
        dtokens = np.zeros_like(tokens)
        np.add.at(dtokens, Xb, dx)
        yield

        for parameter, gradient in zip(parameters, [dtokens, dx.sum(0), *gradients], strict=True):
            parameter -= LEARNING_RATE * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    **ways_of_layers(modules, by_hand, limit.gpt),
    **peers.ways("transformer", "torch modules", "jax", "autograd"),
}
TITLE = f"GPT, {LAYERS} layers of {WIDTH}, {HEADS} heads, context {text.LENGTH}, batch {BATCH}, SGD"
register("transformer", Workload(TITLE, problem, WAYS, {"torch": 0.8, "compiled": 1.15}))
