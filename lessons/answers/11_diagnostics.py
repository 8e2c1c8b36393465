# %% [markdown]
# # Answers to the exercises of lesson 11, diagnostics

# %%
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, diagnostics, nn, optim

lesson = Lesson("11_diagnostics_answers")
plt.rc("savefig", dpi=80)
steps = lesson.steps(full=3_001, quick=101)
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
# ## 1. ReLU
#
# A ReLU sets half of its inputs to zero, and with them half of the mean square, so the gain that makes up
# for it is √2, as in exercise 2 of lesson 10. Going back, half of the gradients are set to zero, which
# the same √2 makes up for. This time the network is made of the library's layers.


# %%
def network(activation, gain, g):
    """The lesson's network with another nonlinear function; weights of standard deviation gain / √fan-in."""
    sizes = [30, 100, 100, 100, 100, 100, len(vocabulary)]
    layers = [nn.Embedding(len(vocabulary), 10), nn.Flatten()]
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(fan_in, fan_out), activation()]
        nn.init.normal_(layers[-2].weight, std=gain / fan_in**0.5, generator=g)
        nn.init.zeros_(layers[-2].bias)
    nn.init.normal_(layers[0].weight, generator=g)
    with mg.no_grad():
        layers[-2].weight *= 0.1
    return nn.Sequential(*layers[:-1])


g = mg.Generator().manual_seed(lesson.seed)
print(network(nn.ReLU, 2**0.5, g))


# %%
def examine(activation, gain, lr=0.1):
    """Trains under watch; returns the records of step 0 and of the whole run."""
    g = mg.Generator().manual_seed(lesson.seed)
    model = network(activation, gain, g)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    with (diagnostics.watch(model, optimizer, every=steps, classes=len(vocabulary)) as first,
          diagnostics.watch(model, optimizer, every=20, classes=len(vocabulary)) as record):  # fmt: skip
        for _ in lesson.progress(steps, f"gain {gain:.2f}"):
            ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
            loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            first.step(loss)
            record.step(loss)
    return first, record


# %%
runs = {gain: examine(nn.ReLU, gain) for gain in (0.5, 1.0, 2**0.5, 2.5)}
for gain, (first, record) in runs.items():
    relus = [layer for layer in first.layers.values() if layer.kind == "ReLU"]
    width = relus[-1].std[0] / relus[0].std[0]
    growth = relus[0].gradient_std[0] / relus[-1].gradient_std[0]
    dead = [layer.dead[-1] for layer in record.layers.values() if layer.kind == "ReLU"]
    found = ", ".join(f.what for f in diagnostics.health(record).findings) or "nothing wrong found"
    print(f"gain {gain:.2f}: width last/first {width:6.3f}, gradient first/last {growth:6.3f}, ", end="")
    print(f"dead at the end {100 * sum(dead) / len(dead):.0f} %: {found}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharex=True)
for (gain, (first, _)), colour in zip(runs.items(), (SKY, BLUE, GREEN, VERMILLION), strict=True):
    relus = [layer for layer in first.layers.values() if layer.kind == "ReLU"]
    axes[0].plot(range(1, 6), [layer.std[0] for layer in relus], "o-", color=colour, label=f"gain {gain:.2f}")
    axes[1].plot(range(1, 6), [layer.gradient_std[0] for layer in relus], "o-", color=colour)
axes[0].set(title="width of the activations", yscale="log", xlabel="ReLU layer", xticks=range(1, 6))
axes[1].set(title="width of their gradients", yscale="log", xlabel="ReLU layer")
axes[0].legend(loc="lower left")
lesson.save(figure, "1_relu")
relus = [layer for layer in runs[2**0.5][0].layers.values() if layer.kind == "ReLU"]
assert 0.5 < relus[-1].std[0] / relus[0].std[0] < 2

# %% [markdown]
# With √2 the lines are level in both pictures. Below, both fade; above, both grow; and unlike tanh, ReLU
# does not pull back, so every step away from √2 counts five times.
#
# ## 2. Deeper
#
# One pass forward and back is enough, with random inputs and a random gradient at the top.


# %%
def growth(depth, gain, batch_norm=False, width=100):
    """Std of the gradient at the first of `depth` tanh layers over that at the last."""
    g = mg.Generator().manual_seed(lesson.seed)
    h, outputs = mg.randn((64, width), generator=g), []
    for _ in range(depth):
        h = h @ (mg.randn((width, width), generator=g) * gain / width**0.5).requires_grad_()
        h = mg.tanh((h - h.mean(0)) / h.std(0) if batch_norm else h)
        h.retain_grad()
        outputs.append(h)
    (h * mg.randn((64, width), generator=g)).sum().backward()
    return (outputs[0].grad.std() / outputs[-1].grad.std()).item()


for depth in (5, 20, 50):
    row = " ".join(f"{growth(depth, gain):10.3g}" for gain in (1.0, 1.2, 5 / 3, 2.0))
    print(f"{depth:2} layers, gains 1, 1.2, 5/3, 2: {row}; with batch norm {growth(depth, 1.0, True):.3g}")

# %%
gains = [0.8 + 0.1 * k for k in range(18)]
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
best = {}
for axis, batch_norm in zip(axes, (False, True), strict=True):
    for depth, colour in ((5, SKY), (20, BLUE), (50, VERMILLION)):
        values = [growth(depth, gain, batch_norm) for gain in gains]
        axis.plot(gains, values, color=colour, label=f"{depth} layers")
        best[depth, batch_norm] = min(zip(values, gains, strict=True), key=lambda pair: max(pair[0], 1 / pair[0]))
    axis.axhline(1, color=BLACK, linestyle="--", linewidth=1.2)
    axis.set(title="with batch norm" if batch_norm else "without", xlabel="gain", yscale="log")
axes[0].set_ylabel("gradient at the first / at the last layer")
axes[0].legend(loc="upper left")
lesson.save(figure, "2_deeper")
for depth in (5, 20, 50):
    value, gain = best[depth, False]
    print(f"{depth:2} layers: nearest to 1 with gain {gain:.1f}, where the gradient changes {value:.2f}-fold")

# %% [markdown]
# Without batch norm the curves cross 1 at gains between 1.1 and 1.3, and the deeper the network, the
# steeper: a factor of 1.1 in a layer is a factor of 100 in fifty. With gain 5/3 the activations keep
# their width, but the gradients grow. No gain keeps both, and for fifty layers one would choose a smaller
# one than 5/3.
#
# With batch norm the gain does not matter at all, and the lines are level. But they are not at 1: for
# fifty layers the gradient grows too, by the same factor for every gain. Batch norm alone does not make
# depth free.
#
# ## 3. A learning rate for every layer
#
# The first update of a table of weights is its learning rate times its gradient, so update:data starts at
# lr * grad:data. For 0.001 the learning rate has to be 0.001 / grad:data. One batch is enough to measure
# that.


# %%
def initialise():
    """The lesson's tanh network with all hidden weights N(0, 1): a gain of √fan-in."""
    g = mg.Generator().manual_seed(lesson.seed)
    model = network(nn.Tanh, 1.0, g)
    with mg.no_grad():
        for layer in list(model)[:-1]:
            if isinstance(layer, nn.Linear):
                layer.weight *= layer.in_features**0.5
    return model, g


model, g = initialise()
ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
F.cross_entropy(model(Xtr[ix]), Ytr[ix]).backward()
rates = {}
for name, p in model.named_parameters():
    if p.ndim == 2:
        rates[name] = 0.001 / diagnostics.grad_data_ratio(p.grad, p)
        print(f"{name:<12} grad:data {0.001 / rates[name]:.4f}, so learning rate {rates[name]:.4f}")


# %%
def compare(label, rate_of):
    """Trains with a learning rate for each parameter; returns the record, and the loss over the dev set."""
    model, g = initialise()
    groups = [{"params": [p], "lr": rate_of(name)} for name, p in model.named_parameters()]
    optimizer = optim.SGD(groups, lr=0.1)
    with diagnostics.watch(model, optimizer, every=50, classes=len(vocabulary)) as record:
        for _ in lesson.progress(steps, label):
            ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
            loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            record.step(loss)
    with mg.no_grad():
        return record, F.cross_entropy(model(Xdev), Ydev).item()


print("dev loss after no training:", f"{F.cross_entropy(initialise()[0](Xdev), Ydev).item():.4f}")


# %%
def own_rate(name):
    """The rate that brings a table's first update to a thousandth; biases go with their weights."""
    return rates[name.replace("bias", "weight")]


last = list(rates)[-1].split(".")[0]
trials = {
    "0.1 for all": lambda name: 0.1,
    "one for each": own_rate,
    "one for each, but 0.1 for the last": lambda name: 0.1 if name.startswith(last) else own_rate(name),
}
trained = {label: compare(label, rate_of) for label, rate_of in trials.items()}
for label, (_, loss) in trained.items():
    print(f"{label:<36} dev loss after {steps} steps {loss:.4f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), sharey=True)
for axis, (label, (record, loss)) in zip(axes, trained.items(), strict=True):
    diagnostics.plot_updates(record, ax=axis, key=axis is axes[-1])
    axis.set_title(f"{label}\ndev loss {loss:.3f}", loc="left")
    axis.set(xlabel="training step", ylabel="log10 of update:data" if axis is axes[0] else "")
lesson.save(figure, "3_learning_rates")
own = trained["one for each"][0]
starts = [p.update_data[0] for name, p in own.parameters.items() if name in rates]
assert all(abs(start + 3) < 0.01 for start in starts)
print("update:data of the first step:", " ".join(f"{start:.2f}" for start in starts))

# %% [markdown]
# All updates are at -3 in the second picture, as planned, and yet the loss is no better than with 0.1 for
# all. The plan was too obedient. The last layer is small on purpose, only for the sake of the first loss,
# and has to grow. A thousandth of something small at each step lets it starve. Leave it its 0.1, and the
# loss is clearly better than with one rate for all.
#
# It is still far from that of the healthy network. Learning rates mend the updates, but most units are
# saturated, and remain so. The scale of the weights is better mended where it is wrong: before the first
# step.
