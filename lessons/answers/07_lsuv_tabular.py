# %% [markdown]
# # Answers to the exercises of lesson 07, layer-sequential unit variance

# %%
import csv
import itertools
import math
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, GREEN, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, diagnostics, nn, optim
from minigrad.train import Learner, Metrics, OneCycle, Recorder, accuracy
from minigrad.utils.data import DataLoader

print("minigrad", mg.__version__)

# %%
lesson = Lesson("07_lsuv_tabular_answers")
epochs = lesson.steps(full=20, quick=1)
table = datasets.tabular()
print(f"training runs of {epochs} epochs on {len(table.train)} rows")


# %%
def new_model(depth=10, width=40):
    """The lesson's network with its default start."""
    mg.manual_seed(lesson.seed)
    sizes = [len(table.features), *[width] * depth]
    layers = [part for n, m in itertools.pairwise(sizes) for part in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 3))


print("parameters:", sum(p.numel() for p in new_model().parameters()))


# %%
def train(model, rows=table, lr=0.05, epochs=epochs, adam=False):
    """Fits the model; returns the mean training loss of every epoch, and the metrics of the last."""
    generator = mg.Generator().manual_seed(lesson.seed)
    loaders = DataLoader(rows.train, 64, shuffle=True, generator=generator), DataLoader(rows.validation, 1000)
    parameters = model.parameters()
    optimizer = optim.Adam(parameters, lr) if adam else optim.SGD(parameters, lr, momentum=0.9)
    recorder = Recorder()
    learner = Learner(model, loaders, F.cross_entropy, optimizer, [recorder, Metrics(accuracy), OneCycle(lr)])
    learner.fit(epochs)
    return [row["train_loss"] for row in recorder.metrics], recorder.metrics[-1]


print(f"first loss with the default start {train(new_model(), epochs=1)[0][0]:.4f}")


# %%
def started(depth=10, **options):
    """A model after LSUV."""
    model = new_model(depth)
    result = diagnostics.lsuv_(model, table.train.features[:512], **options)
    return model, result


print("std of the outputs after LSUV:", " ".join(f"{layer.std:.3f}" for layer in started()[1].layers))

# %% [markdown]
# ## 1. How deep before it stalls?

# %%
depths = (2, 4, 6, 8, 10)
curves = {"default": [], "default, Adam": [], "LSUV": []}
for depth in depths:
    curves["default"].append(train(new_model(depth))[0])
    curves["default, Adam"].append(train(new_model(depth), lr=0.001, adam=True)[0])
    curves["LSUV"].append(train(started(depth)[0])[0])
plateaus = {}
for name, losses in curves.items():
    plateaus[name] = [sum(loss > 0.95 * math.log(3) for loss in run) for run in losses]
    print(f"{name:<14} epochs on the plateau with {depths} hidden layers: {plateaus[name]}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), sharex=True, sharey=True)
for axis, (name, losses) in zip(axes, curves.items(), strict=True):
    for i, (depth, run) in enumerate(zip(depths, losses, strict=True)):
        axis.plot(range(1, epochs + 1), run, "o-", markersize=3, color=plt.cm.viridis(i / 5), label=f"{depth} layers")
    axis.axhline(math.log(3), color=BLACK, linestyle="--", linewidth=1)
    axis.set(title=name, xlabel="epoch")
axes[0].set(ylabel="training loss", ylim=(0, 1.25))
axes[2].legend()
lesson.save(figure, "1_depth")
assert plateaus["default"][-1] >= plateaus["LSUV"][-1]

# %% [markdown]
# With two layers the default start is as good as any. Each further layer makes the plateau longer, until it
# outlasts the training: what reaches the first layer shrinks by a factor in every layer, and the time that it
# takes to grow out of it rises as fast. After LSUV depth costs nothing.
#
# Adam gets over it, because it divides each gradient by its usual size. A gradient of a millionth moves a
# weight by as much as one of size 1, namely by about the learning rate. So the optimiser repairs the scale of
# the *gradients*, and the weights grow until that of the *activations* is right, too. (The two or three epochs
# that it takes with any depth are those in which the cycle's learning rate is still small.)
#
# ## 2. Where to measure

# %%
variants = {
    "at the output": {},
    "at the output, mean 0": {"mean": True},
    "behind the ReLU": {"pairs": True},
}
ends = {}
for name, options in variants.items():
    model, result = started(**options)
    with mg.no_grad():
        hidden = [model[: 2 * i](table.train.features[:512]) for i in (1, 5, 10)]
    print(f"{name}: weights of layer 5 have std {model[8].weight.std().item():.3f}; ReLUs 1, 5, 10 have", end=" ")
    print("mean", " ".join(f"{h.mean().item():.2f}" for h in hidden), end=", ")
    print("std", " ".join(f"{h.std().item():.2f}" for h in hidden))
    losses, ends[name] = train(model)
    print(f"    loss {losses[0]:.3f} -> {losses[-1]:.3f}, validation accuracy {ends[name]['validation_accuracy']:.3f}")
    assert all(abs(layer.std - 1) < 1e-3 for layer in result.layers)

# %%
try:
    started(pairs=True, mean=True)
    raise AssertionError("a ReLU's output of mean 0 would have to be 0 everywhere")
except RuntimeError as error:
    print(error)

# %% [markdown]
# Measured behind the ReLU the weights become larger: of a normal distribution of std 1 the ReLU lets 0.58
# through, and that shall be 1. It makes hardly any difference, as every layer has the same scale in both
# cases, and that is what matters. With the means moved to 0 each layer's outputs are centred, and each ReLU
# lets about half of them pass.
#
# Behind a ReLU a mean of 0 cannot be had. Nothing there is negative, so a mean near 0 with a std of 1 would take
# a few huge values among nothing but zeros: for a mean of 0.001 one value in a million. The library tries, gives
# up after 50 rescalings, restores the weights and says what it got. (For an activation that has negative
# values, as the general ReLU of lesson 05, it can be done.)
#
# ## 3. Tame the tails

# %%
skewed = [name for name, column in table.columns.items() if column.kind == "number" and name != "weight"]
values = {name: column.values for name, column in table.columns.items()}
values |= {name: [math.log1p(value) for value in values[name]] for name in skewed}
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "logarithms.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*values, "sold"])
        writer.writerows(zip(*values.values(), table.target.values, strict=True))
    logs = datasets.tabular(path, target="sold")
print("columns replaced by their logarithms:", ", ".join(skewed))
assert mg.equal(logs.train.targets, table.train.targets)  # the same rows in the same order


# %%
def skewness(column):
    """The mean of the cubed distances from the mean, in stds."""
    return (((column.values - column.mean) / column.std) ** 3).mean()


for name in skewed:
    pair = skewness(table.columns[name]), skewness(logs.columns[name])
    print(f"{name:<9} skewness {pair[0]:6.2f} -> {pair[1]:5.2f}")
    assert abs(pair[1]) < abs(pair[0])

# %%
warnings.filterwarnings("ignore", "overflow|invalid value", RuntimeWarning)  # a rate that is too large does that
rates = (0.025, 0.05, 0.1, 0.2, 0.4)
tamed = {"as it is": [], "logarithms": []}
for (name, row), rows in zip(tamed.items(), (table, logs), strict=True):
    for lr in rates:
        model = new_model()
        mg.manual_seed(lesson.seed)
        diagnostics.lsuv_(model, rows.train.features[:512])
        _, end = train(model, rows, lr)
        row.append(end["validation_accuracy"])
    print(f"{name:<11}" + "  ".join(f"rate {lr}: {value:.3f}" for lr, value in zip(rates, row, strict=True)))

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for (name, row), colour, marker in zip(tamed.items(), (VERMILLION, GREEN), "os", strict=True):
    axis.plot(rates, row, color=colour, marker=marker, label=name)
axis.set(xscale="log", xlabel="largest learning rate of the cycle", ylabel="validation accuracy", xticks=rates)
axis.set_xticks([], minor=True)
axis.xaxis.set_major_formatter("{x:g}")
axis.legend()
lesson.save(figure, "2_logarithms")
print(f"best accuracy: {max(tamed['as it is']):.3f} as it is, {max(tamed['logarithms']):.3f} with logarithms")

# %% [markdown]
# The logarithms take the skewness away, and the accuracy rises by about two points. A rare expensive bicycle is
# no longer a point far outside, where the network has seen nothing else; and whether a price is fair is a
# matter of *ratios*, which logarithms turn into differences, and these are what a linear layer computes. The
# largest rate that works stays where it was: what limits it are the ten layers, not the columns.
