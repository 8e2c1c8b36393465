# %% [markdown]
# # Answers to the exercises of lesson 12, backpropagation by hand

# %%
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("12_backprop_by_hand_answers")
steps = lesson.steps(full=10_000, quick=500)
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
# ## 1. All weights zero
#
# Walk back through the network with every parameter at zero. The hidden layer puts out h = 0. So
#
# - `d_b2 = d_logits.sum(0)` is not zero: **b2 trains**;
# - `d_W2 = h.T @ d_logits` is zero, because h is;
# - `d_h = d_logits @ W2.T` is zero, because W2 is, and with it everything further back: W1, b1 and C.
#
# After the first step b2 has moved, but h and W2 are still zero, so the second step finds the same thing,
# and so does every other. A sum of products trains only if one of the two factors is not zero, and here
# each waits for the other.
#
# A network of which only b2 trains gives the same probabilities whatever the context. The best it can do
# is to learn how often each letter occurs, so its loss falls to the entropy of the letters, which we can
# compute from counts alone: minus the sum of p log p.

# %%
counts = mg.bincount(Ytr, minlength=len(vocabulary)).double()
p = counts / counts.sum()
entropy = -(p * mg.log(p)).sum().item()
print(f"knowing nothing {mg.log(mg.tensor(float(len(vocabulary)))).item():.4f}, knowing the letters {entropy:.4f}")


# %%
def initialise(**constants):
    """Lesson 10's repaired network, but the parameters named have one constant value."""
    g = mg.Generator().manual_seed(lesson.seed)
    parameters = {
        "C": mg.randn((len(vocabulary), 10), generator=g),
        "W1": mg.randn((30, 200), generator=g) * (5 / 3) / 30**0.5,
        "b1": mg.randn(200, generator=g) * 0.01,
        "W2": mg.randn((200, len(vocabulary)), generator=g) * 0.01,
        "b2": mg.randn(len(vocabulary), generator=g) * 0,
    }
    for name, value in constants.items():
        parameters[name] = mg.zeros_like(parameters[name]) + value
    for p in parameters.values():
        p.requires_grad = True
    return parameters, g


print("parameters:", sum(p.nelement() for p in initialise()[0].values()))


# %%
def forward(X, parameters):
    """Logits."""
    C, W1, b1, W2, b2 = parameters.values()
    return mg.tanh(C[X].view(X.shape[0], -1) @ W1 + b1) @ W2 + b2


print(f"first loss: {F.cross_entropy(forward(Xdev, initialise()[0]), Ydev).item():.4f}")


# %%
def train(label, **constants):
    """Trains such a network and prints which parameters move; returns them, the losses and what has moved."""
    parameters, g = initialise(**constants)
    leaves, losses = list(parameters.values()), []
    start = {name: p.detach().clone() for name, p in parameters.items()}
    for step in lesson.progress(steps, label):
        ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
        loss = F.cross_entropy(forward(Xtr[ix], parameters), Ytr[ix])
        for p, gradient in zip(leaves, mg.autograd.grad(loss, leaves), strict=True):
            p.data += -0.1 * gradient
        losses.append(loss.item())
        if step < 3 or step == steps - 1:
            moved = [name for name, p in parameters.items() if (p - start[name]).abs().max().item() > 1e-6]
            print(f"{label:<22} after step {step + 1:>5}: {', '.join(moved)}")
    return parameters, losses, moved


# %%
cases = {
    "all zero": {"C": 0, "W1": 0, "b1": 0, "W2": 0, "b2": 0},
    "W2 zero": {"W2": 0},
    "W1 and b1 zero": {"W1": 0, "b1": 0},
    "W1, b1, W2 constant": {"W1": 0.1, "b1": 0.1, "W2": 0.1},
    "random": {},
}
runs = {name: train(name, **constants) for name, constants in cases.items()}
assert runs["all zero"][2] == ["b2"]
assert steps < 3 or all(len(moved) == 5 for name, (*_, moved) in runs.items() if name != "all zero")

# %% [markdown]
# One zero is not fatal. With W2 zero, the first step moves W2 and b2; from the second on, everything.
# With W1 zero h is zero, so in the first step W2 waits, while the gradient gets through W2 to W1. (But
# not through W1 to C, which moves a step later.)
#
# Constant weights are another matter. In the first step only W2 and b2 move: every row of W2 is constant,
# so `d_h` is that constant times the sum of a row of `d_logits`, and the lesson found that this sum is
# zero. Later all parameters move. But all 200 hidden units start equal, compute the same and get the same
# gradient, so they stay equal, and the network is one unit wide. Random numbers are there to make the
# units differ.
#
# That holds for exact arithmetic. A computer's matrix product may add up some columns in another order
# than others, which rounds differently, and training makes such differences in the last digit grow. So
# after a few hundred steps there may be a handful of different units instead of one.

# %%
dev, kinds = {}, {}
for name, (parameters, _, _) in runs.items():
    W1 = parameters["W1"].detach()
    with mg.no_grad():
        dev[name] = F.cross_entropy(forward(Xdev, parameters), Ydev).item()
    kinds[name] = len({tuple(round(weight, 2) for weight in unit) for unit in W1.T.tolist()})
    print(f"{name:<22} different hidden units: {kinds[name]:3} of 200, dev loss {dev[name]:.4f}")
print(f"the entropy of the letters was {entropy:.4f}")
assert steps < 100 or dev["all zero"] > entropy - 0.05 and dev["W1, b1, W2 constant"] > dev["random"]
assert kinds["all zero"] == 1 and kinds["W1, b1, W2 constant"] < 20 and kinds["random"] == 200

# %%
figure, axis = plt.subplots(figsize=(10, 4.6))
block = max(1, steps // 50)
for (name, (_, losses, _)), colour in zip(runs.items(), (VERMILLION, ORANGE, SKY, PURPLE, GREEN), strict=True):
    means = [sum(losses[i : i + block]) / block for i in range(0, len(losses) - block + 1, block)]
    style = "--" if name == "random" else "-"  # it lies on top of another
    axis.plot([(i + 0.5) * block for i in range(len(means))], means, style, color=colour, label=name)
axis.axhline(entropy, color=BLACK, linestyle="--", linewidth=1.2, label="entropy of the letters")
axis.set(title=f"means of {block} steps", xlabel="training step", ylabel="loss (nats)")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "1_constant_starts")

# %% [markdown]
# ## 2. Fold batch norm away
#
# Write s for 1/√(variance + ε). With fixed statistics,
#
#     gain * ((x @ W + b) - mean) * s + bias  =  x @ (W * (gain * s))  +  (b - mean) * gain * s + bias
#
# so every column of W is multiplied by its unit's `gain * s`, and the new bias is the rest. The network
# below is the lesson's, made of the library's modules. `nn.Linear` keeps its weight as (outputs, inputs),
# so columns become rows.

# %%
mg.manual_seed(lesson.seed)
g = mg.Generator().manual_seed(lesson.seed)
model = nn.Sequential(nn.Embedding(len(vocabulary), 10), nn.Flatten(), nn.Linear(30, 200), nn.BatchNorm1d(200),
                      nn.Tanh(), nn.Linear(200, len(vocabulary)))  # fmt: skip
optimizer = optim.SGD(model.parameters(), lr=0.1)
for _ in lesson.progress(steps, "with batch norm"):
    ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
    loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
with mg.no_grad():
    expected = model(Xdev)
print(f"dev loss {F.cross_entropy(expected, Ydev).item():.4f}")

# %%
with mg.no_grad():
    linear, norm = model[2], model[3]
    scale = norm.weight * (norm.running_var + norm.eps) ** -0.5
    folded = nn.Sequential(model[0], model[1], nn.Linear(30, 200), model[4], model[5])
    folded[2].weight.data = linear.weight * scale[:, None]
    folded[2].bias.data = (linear.bias - norm.running_mean) * scale + norm.bias
    by_hand = (folded(Xdev) - expected).abs().max().item()
    library = nn.fold_batchnorm(model)
    by_library = (library(Xdev) - expected).abs().max().item()
print(f"logits up to {expected.abs().max().item():.1f}; largest difference folded by hand {by_hand:.1e}, ", end="")
print(f"by the library {by_library:.1e}")
assert max(by_hand, by_library) < 1e-4


# %%
@mg.no_grad()
def microseconds(models, X):
    """The shortest time of one call of each model; they take turns, so that both meet the same weather."""
    best, repeats = [float("inf")] * len(models), max(1, 500 // len(X))
    for _ in range(25):
        for k, model in enumerate(models):
            start = time.perf_counter()
            for _ in range(repeats):
                model(X)
            best[k] = min(best[k], (time.perf_counter() - start) / repeats * 1e6)
    return best


sizes = (1, 32, 1000)
timings = [microseconds((model, folded), Xdev[:size]) for size in sizes]
for size, (before, after) in zip(sizes, timings, strict=True):
    print(f"batch of {size:>4}: with batch norm {before:6.1f} µs, folded {after:6.1f} µs: ", end="")
    print(f"{before / after:.2f} times as fast")

# %%
shares = [after / before for before, after in timings]
figure, axis = plt.subplots(figsize=(8, 3.6))
bars = axis.barh([f"batch of {size}" for size in sizes], shares, color=GREEN)
axis.bar_label(bars, [f" {share:.2f}" for share in shares])
axis.axvline(1, color=BLACK, linestyle="--", linewidth=1.2, label="with batch norm")
axis.set(title="time of the folded network", xlabel="as a share of the time with batch norm", xlim=(0, 1.4))
axis.invert_yaxis()
axis.legend(loc="lower right")
lesson.save(figure, "2_folded")

# %% [markdown]
# The outputs agree, but for rounding, and the folded network is faster. For one example the gain is a
# handful of calls that are no longer made; for many it is the passes over a table of 200 numbers an
# example.
#
# Folding is for use only. To train on, a network needs its batch norm.
#
# ## 3. Layer norm by hand
#
# Take one row z[j], j = 1 ... n, with mean m, variance v = mean((z - m)²), s = (v + ε)^(-1/2) and y[j] =
# s (z[j] - m). The derivation is that of batch norm with n below the line instead of n - 1: dv/dz[j] is 2
# (z[j] - m)/n. So
#
#     d_z[j] = s ( g[j] - mean(g) - y[j] mean(g y) )
#
# and the means run along the row. What g is here: the gradient that arrives at y, after the gain.


# %%
def layer_norm_backward(z, d_out, gain, eps=1e-5):
    """The gradients of z, gain and bias of layer norm over the last axis of a table."""
    s = (z.var(1, unbiased=False, keepdim=True) + eps) ** -0.5
    y = (z - z.mean(1, keepdim=True)) * s
    g = d_out * gain
    d_z = s * (g - g.mean(1, keepdim=True) - y * (g * y).mean(1, keepdim=True))
    return d_z, (d_out * y).sum(0), d_out.sum(0), y


row = mg.tensor([[1.0, 2.0, 6.0]])
print("a row of three:", layer_norm_backward(row, mg.tensor([[1.0, 0.0, 0.0]]), mg.ones(3))[0].tolist())

# %%
g = mg.Generator().manual_seed(lesson.seed)
z, d_out = (mg.randn((32, 200), generator=g).double() for _ in range(2))
gain, bias = mg.randn(200, generator=g).double(), mg.randn(200, generator=g).double()
for leaf in (z, gain, bias):
    leaf.requires_grad = True
F.layer_norm(z, (200,), gain, bias).backward(d_out)
with mg.no_grad():
    *ours, y = layer_norm_backward(z, d_out, gain)
for name, leaf, gradient in zip(("z", "gain", "bias"), (z, gain, bias), ours, strict=True):
    print(f"d_{name:<5} largest difference {(gradient - leaf.grad).abs().max().item():.1e}")
    assert mg.allclose(gradient, leaf.grad, rtol=1e-10)

# %% [markdown]
# The two sums that vanish are now those along a *row*: nothing is left that would shift or stretch all
# units of one example together. Down a column, over the examples, nothing vanishes, so a bias before
# layer norm is not useless. It moves the units of an example against each other, and only a bias that is
# the same for all units would be taken away.

# %%
d_z = ours[0]
along = d_z.sum(1).abs().max().item(), (d_z * y).sum(1).abs().max().item()
down = d_z.sum(0).abs().max().item()
print(f"along a row: sum {along[0]:.0e}, sum times y {along[1]:.0e}; down a column: sum {down:.1f}")
assert along[0] < 1e-10 and along[1] < 1e-2 and down > 1
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8))
for axis, dim, name in ((axes[0], 1, "one example, over its units"), (axes[1], 0, "one unit, over the examples")):
    shares = (d_z.sum(dim).abs() / d_z.abs().sum(dim)).tolist()
    axis.plot(shares, ".", color=BLUE)
    axis.set(title=name, xlabel=("unit", "example")[dim], ylabel="|sum of d_z| / sum of |d_z|", ylim=(-0.02, 0.8))
lesson.save(figure, "3_sums_of_layer_norm")
