# %% [markdown]
# # Answers to the exercises of lesson 10, activations and gradients

# %%
import math
import sys
from pathlib import Path
from statistics import NormalDist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, ORANGE, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("10_activations_and_gradients_answers")
steps = lesson.steps(full=20_000, quick=300)
print(f"every network is trained for {steps} steps")

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
train_words, dev_words, _ = datasets.split(words, seed=42)
Xtr, Ytr = datasets.contexts(train_words, vocabulary, block_size=3)
Xdev, Ydev = datasets.contexts(dev_words, vocabulary, block_size=3)
print(f"{Xtr.shape[0]} examples to train on, {Xdev.shape[0]} to compare with")

# %% [markdown]
# ## 1. Predict the first loss
#
# The loss of one example is `log(sum(exp(logits))) - logits[target]`. The target knows nothing of the
# random logits, so its own logit is 0 on average, and the first term is all that is left.
#
# *Small s.* The average of n values exp(z) is about exp(s²/2), the mean of the log-normal distribution, a
# little less because the logarithm of an average over only n values is meant. To second order the loss is
# ln n + (s²/2)(1 - 1/n).
#
# *Large s.* The largest logit swamps the sum, so the loss is the mean of the largest of n normal numbers,
# times s. A good approximation to that mean is the value below which a normal number lies with
# probability (n - 0.375) / (n + 0.25), a formula of Gunnar Blom's.


# %%
def small_s(n, s):
    """First loss for n symbols when the logits have a small standard deviation s."""
    return math.log(n) + s * s / 2 * (1 - 1 / n)


def large_s(n, s):
    """First loss for n symbols when the logits have a large standard deviation s."""
    return s * NormalDist().inv_cdf((n - 0.375) / (n + 0.25))


def measured(n, s, examples=2000):
    """Mean loss of normal logits of standard deviation s."""
    g = mg.Generator().manual_seed(lesson.seed)
    logits = mg.randn((examples, n), generator=g) * s
    return F.cross_entropy(logits, mg.randint(0, n, (examples,), generator=g)).item()


for n in (27, 46, 1000):
    for s in (0.1, 0.5, 10.0, 100.0):
        prediction = small_s(n, s) if s < 1 else large_s(n, s)
        print(f"{n:5} symbols, s = {s:5}: predicted {prediction:7.2f}, measured {measured(n, s):7.2f}")
        assert abs(prediction - measured(n, s)) < 0.06 * prediction

# %% [markdown]
# Between the two the curve bends from one formula into the other. For the lesson's naive network, s
# follows from its shape: a logit is a sum of 200 products of an activation (mean square m) and a weight,
# and a bias, so s² = 200 m + 1.

# %%
scales = [10 ** (k / 8) for k in range(-12, 17)]
figure, axis = plt.subplots(figsize=(8, 4.5))
for n, colour in ((27, BLUE), (1000, VERMILLION)):
    axis.plot(scales, [measured(n, s) for s in scales], color=colour, label=f"measured, {n} symbols")
    axis.plot(scales, [small_s(n, s) if s < 1.5 else None for s in scales], "k--", linewidth=1)
    axis.plot(scales, [large_s(n, s) if s > 1.5 else None for s in scales], "k:", linewidth=1)
axis.set(xscale="log", yscale="log", xlabel="standard deviation of the logits", ylabel="first loss (nats)")
axis.set_title("dashed: the formula for small logits, dotted: for large ones")
axis.legend(loc="upper left")
lesson.save(figure, "1_first_loss")


# %%
def initialise(scale_W1, scale_b1, scale_W2, scale_b2):
    """The lesson's parameters and generator."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((len(vocabulary), 10), generator=g)
    W1 = mg.randn((30, 200), generator=g) * scale_W1
    b1 = mg.randn(200, generator=g) * scale_b1
    W2 = mg.randn((200, len(vocabulary)), generator=g) * scale_W2
    b2 = mg.randn(len(vocabulary), generator=g) * scale_b2
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


parameters, _ = initialise(1, 1, 1, 1)
print(sum(p.nelement() for p in parameters), "parameters")


# %%
def before_activation(X, parameters):
    """Pre-activations of the hidden layer, of shape (N, 200)."""
    C, W1, b1 = parameters[:3]
    return C[X].view(X.shape[0], -1) @ W1 + b1


h = mg.tanh(before_activation(Xdev, parameters)).detach()
s = math.sqrt(200 * (h * h).mean().item() + 1)
loss = F.cross_entropy(h @ parameters[3] + parameters[4], Ydev).item()
prediction = large_s(len(vocabulary), s)
print(f"naive network: s = {s:.1f}, predicted loss {prediction:.1f}, over the dev set {loss:.1f}")

# %% [markdown]
# The prediction is close, but not exact: the 27 columns of one particular `W2` are all the randomness
# there is, and the examples share them.
#
# ## 2. ReLU instead of tanh
#
# A ReLU sets the negative half of its input to zero. For inputs that are symmetric about zero, that
# halves the mean square, so the weights need a variance twice as large: the gain is √2.


# %%
def mean_squares(gain, depth=10, width=200):
    """Mean square of the activations after each of `depth` ReLU layers."""
    g = mg.Generator().manual_seed(lesson.seed)
    h, values = mg.randn((1000, width), generator=g), []
    for _ in range(depth):
        h = F.relu(h @ (mg.randn((width, width), generator=g) * (gain / width**0.5)))
        values.append((h * h).mean().item())
    return values


for name, gain in (("1", 1.0), ("sqrt 2", 2**0.5), ("2", 2.0)):
    values = mean_squares(gain)
    print(f"gain {name:<6} mean square after layers 1, 5, 10:", *(f"{values[i]:9.4f}" for i in (0, 4, 9)))
assert 0.2 < mean_squares(2**0.5)[9] < 5


# %%
def train(logits_of, parameters, g, lr):
    """Trains in place at a constant learning rate; returns the loss over the dev set."""
    for _ in lesson.progress(steps, "training"):
        ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
        loss = F.cross_entropy(logits_of(Xtr[ix], parameters), Ytr[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -lr * p.grad
    with mg.no_grad():
        return F.cross_entropy(logits_of(Xdev, parameters), Ydev).item()


# %%
def relu_network(X, parameters):
    """Logits of the lesson's network with a ReLU."""
    return F.relu(before_activation(X, parameters)) @ parameters[3] + parameters[4]


@mg.no_grad()
def dead_units(parameters):
    """Hidden units that are zero for every example of the training set."""
    return (before_activation(Xtr, parameters) <= 0).all(0).sum().item()


print("dead units of the naive network:", dead_units(parameters))

# %% [markdown]
# Three trials: all weights N(0, 1); the right scale for `W1` only; the right scale for both layers.

# %%
kaiming = 2**0.5 / 30**0.5
trials = {
    "all weights N(0, 1), lr 0.1": ((1, 1, 1, 1), 0.1),
    "gain sqrt 2, large logits, lr 0.3": ((kaiming, 0.01, 1, 1), 0.3),
    "gain sqrt 2, small logits, lr 0.3": ((kaiming, 0.01, 0.01, 0), 0.3),
}
for name, (scales, lr) in trials.items():
    parameters, g = initialise(*scales)
    before = dead_units(parameters)
    loss = train(relu_network, parameters, g, lr)
    print(f"{name:<34} dead units {before} -> {dead_units(parameters):3} of 200, dev loss {loss:.4f}")

# %% [markdown]
# No unit is born dead here. They die in training, when large steps push a unit's weights so far that it
# is negative for every context in the set. Large steps come from large gradients, and those from a large
# `W2`. The loss does not tell: it falls in every trial. With the right scale for both layers no unit
# dies.
#
# ## 3. What batch norm forgives
#
# Batch norm divides by the standard deviation, so the scale of `W1` cancels in the forward pass, whatever
# it is. It does not cancel in the *step*: the gradient with respect to `W1` becomes smaller as `W1`
# becomes larger. A network with large weights therefore moves slowly, but it does not saturate.


# %%
def plain(X, parameters):
    """Logits of the lesson's network with tanh."""
    return mg.tanh(before_activation(X, parameters)) @ parameters[3] + parameters[4]


def batch_norm(X, parameters):
    """The same with batch normalisation, by the statistics of the examples given."""
    hpre = before_activation(X, parameters)
    normalised = (hpre - hpre.mean(0, keepdim=True)) / hpre.std(0, keepdim=True)
    return mg.tanh(parameters[5] * normalised + parameters[6]) @ parameters[3] + parameters[4]


results = {}
for name, network in (("plain", plain), ("batch norm", batch_norm)):
    for scale in (0.03, 0.3, 3.0, 30.0):
        parameters, g = initialise(scale, 0.01, 0.01, 0)
        if network is batch_norm:
            parameters += [mg.ones((1, 200), requires_grad=True), mg.zeros((1, 200), requires_grad=True)]
        results[name, scale] = train(network, parameters, g, lr=0.1)
        print(f"{name:<10} W1 * {scale:<5} dev loss {results[name, scale]:.4f}")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for name, colour, marker in (("plain", ORANGE, "s"), ("batch norm", GREEN, "o")):
    points = [(scale, loss) for (which, scale), loss in results.items() if which == name]
    axis.plot(*zip(*points, strict=True), color=colour, marker=marker, label=name)
axis.set(xscale="log", xlabel="scale of W1 at the start", ylabel="dev loss (nats)")
axis.set_title(f"after {steps} steps")
axis.legend(loc="upper left")
lesson.save(figure, "2_what_batch_norm_forgives")
worst = {which: max(loss for (name, _), loss in results.items() if name == which) for which, _ in results}
print(f"worst dev loss: plain {worst['plain']:.4f}, batch norm {worst['batch norm']:.4f}")
assert worst["batch norm"] < worst["plain"]
