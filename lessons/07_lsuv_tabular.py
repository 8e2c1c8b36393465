# %% [markdown]
# # Starting values that are measured: layer-sequential unit variance
#
# A network of ten hidden layers is to learn from a table: numbers and words in columns, as they come out of
# a spreadsheet. It trains for 70 epochs, and nothing happens. The loss stands where it stood at the start.
# In this lesson we find out why by looking into the layers while it trains, and cure it without touching
# the network, the data or the optimiser: only the first weights are changed.
#
# Lesson 02 derived how large first weights should be from a formula. A formula has to assume what the
# inputs look like. Here the assumption fails, and the way out is not to calculate the right scale but to
# *measure* it, one layer after the other, with a batch of the real data.
#
# You need to know the `Learner` with its callbacks (lesson 04) and hooks (lesson 05). Three words come up all
# the time:
#
# - the **pre-activation** is what a linear layer puts out, the **activation** is what the ReLU makes of it;
# - the **standard deviation** (std) of some numbers says how far they typically lie from their mean;
# - an **epoch** is one pass through the training data.

# %%
import csv
import itertools
import math
import tempfile
from collections import OrderedDict
from pathlib import Path

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, diagnostics, nn, optim
from minigrad.nn import init
from minigrad.train import Learner, Metrics, OneCycle, Recorder, accuracy
from minigrad.utils.data import DataLoader

lesson = Lesson("07_lsuv_tabular")
FULL = 70
epochs = lesson.steps(full=FULL, quick=4)
print(f"training runs of {epochs} epochs each, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. A table
#
# The data are advertisements for second-hand bicycles, ten thousand of them, made up by a program that
# comes with the library. Each has columns of words (brand, frame, use, motor) and of numbers (age, distance
# ridden, cost of repairs, weight, photos, price). To be found out is the column `sold`: within a week,
# within a month, or later. The library keeps a fifth of the rows for validation.

# %%
table = datasets.tabular()
print(f"{len(table.train)} rows to train on, {len(table.validation)} to validate with; target {table.target.name}")
for name, column in table.columns.items():
    first = ", ".join(str(value) for value in column.values[:4])
    print(f"  {name:<9} {column.kind:<9} {first}")
print(f"  {table.target.name:<9} {table.target.kind:<9} {', '.join(table.target.values[:4])}")
assert [column.kind for column in table.columns.values()].count("category") == 4

# %% [markdown]
# Real tables look different from images. Two words describe what is unusual about these numbers. A column
# is **skewed** if it reaches much farther to one side than to the other: there are many cheap bicycles and
# a few very expensive ones. It has **heavy tails** if values very far from the rest are rare but do occur:
# most repairs cost less than 50, one costs 40 times as much. Skewness is also a number, the mean of the
# cubed distances from the mean, measured in standard deviations,
#
# $$ \text{skewness} = \text{mean of } \left( \frac{x - \text{mean}}{\text{std}} \right)^3 $$
#
# which is 0 for the normal distribution, as the distances on both sides cancel.


# %%
def standardised(column):
    """Distances from the training rows' mean in their standard deviations, for all rows."""
    return mg.tensor((column.values - column.mean) / column.std)


UNITS = {"age": "years", "distance": "km", "repairs": "euros", "weight": "kg", "photos": "number", "price": "euros"}
numbers = {name: column for name, column in table.columns.items() if column.kind == "number"}
skewness = {name: (standardised(column) ** 3).mean().item() for name, column in numbers.items()}
for name, column in numbers.items():
    largest = standardised(column).max().item()
    print(f"{name:<9} skewness {skewness[name]:6.2f}, the largest value is {largest:5.1f} stds above the mean")
assert skewness["price"] > 2 > skewness["weight"]

# %%
figure, axes = plt.subplots(2, 5, figsize=(13, 5))
for axis, (name, column) in zip(axes.flat, numbers.items(), strict=False):
    axis.hist(column.values, bins=32, color=BLUE)
    axis.set(title=f"{name}\nskewness {skewness[name]:.1f}", yscale="log", xlabel=UNITS[name])
for axis, name in zip(axes.flat[6:], ("brand", "frame", "use", "motor"), strict=True):
    values = table.columns[name].values
    words = table.columns[name].categories
    axis.barh(words, [values.count(word) for word in words], color=ORANGE)
    axis.set_title(name)
for axis in axes[:, 0]:
    axis.set_ylabel("rows (log scale)")
for axis in axes[1, 1:]:
    axis.set_xlabel("rows")
lesson.save(figure, "1_columns")
print("classes:", {word: table.target.values.count(word) for word in table.target.categories})

# %% [markdown]
# A network takes numbers only, so the library prepares the columns. Numbers are normalised by the mean and
# std of the *training* rows, as lesson 02 did with images. A word becomes several columns, one for each word
# that occurs: a 1 where the word is the row's, 0 in the others (**one-hot**). So ten columns become 21.

# %%
x, y = table.train[:1]
print("a row becomes", [round(value, 2) for value in x[0].tolist()])
print("features:", ", ".join(table.features))
print("its target:", y.tolist(), "of", table.target.categories)
column_stds = table.train.features.std(0)
print(f"std of the features: from {column_stds.min().item():.2f} to {column_stds.max().item():.2f}")
assert len(table.features) == x.shape[1] == 21

# %% [markdown]
# ### A table of your own
#
# `datasets.tabular("file.csv", target="column")` does the same with a CSV file: a first line with the names
# of the columns, and a line for each row. To see it work, write the bicycles to such a file and read them
# back. The result is the same, number by number. A file with something wrong in it is refused, and the
# message says where.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "bicycles.csv"
    rows = zip(*(column.values for column in (*table.columns.values(), table.target)), strict=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*table.columns, table.target.name], *rows])
    again = datasets.tabular(path, target="sold")
    path.write_text(path.read_text().replace("aluminium,city,no,", "aluminium,city,no,about ", 1))
    try:
        datasets.tabular(path, target="sold")
        raise AssertionError("a word among numbers should be refused")
    except ValueError as error:
        print(str(error).replace(folder, "..."))
print("rows read back:", len(again.train) + len(again.validation))
assert mg.equal(again.train.features, table.train.features) and mg.equal(again.train.targets, table.train.targets)

# %% [markdown]
# ## 2. Ten hidden layers, and nothing happens
#
# The network: ten hidden layers of 40 units with a ReLU each, then three logits. The weights are those that
# the library gives to a linear layer if nobody asks for others.


# %%
def new_model(depth=10, width=40):
    """`depth` hidden layers as they come, always from the same random numbers."""
    mg.manual_seed(lesson.seed)
    sizes = [len(table.features), *[width] * depth]
    layers = {}
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        layers |= {f"linear{i}": nn.Linear(inputs, outputs), f"relu{i}": nn.ReLU()}
    return nn.Sequential(OrderedDict(layers, logits=nn.Linear(width, len(table.target.categories))))


model = new_model()
batch = table.train.features[:512]
start = F.cross_entropy(model(batch), table.train.targets[:512]).item()
print(f"parameters {sum(p.numel() for p in model.parameters())}")
print(f"first loss {start:.4f}; a model that knows nothing of three classes: ln 3 = {math.log(3):.4f}")
assert abs(start - math.log(3)) < 0.05

# %% [markdown]
# The first loss is right, so by the check of lesson 03 all is well. Now train: batches of 64, plain gradient
# descent with momentum, and the one-cycle schedule (the learning rate rises to 0.05 for the first 30 % of the
# way, then falls to almost 0; the momentum does the opposite). While the learner fits, `watch` records what
# the layers do:
#
# - `layers=nn.ReLU` filters by type: of 21 layers only the ten ReLUs are hooked;
# - `every=25`: one step in 25 is recorded, as looking costs time;
# - `span=(0, 10)` and `bins=40`: how histograms are counted, the same for every layer so that they can be
#   compared;
# - only training batches are recorded, which is the default. Validation batches come in one lump, are of
#   another size and belong to another state of the network. Between training batches they would appear as a
#   jagged line.


# %%
def train(model):
    """Fits the model for `epochs` epochs; returns the Recorder of the losses, and the Record of the ReLUs."""
    generator = mg.Generator().manual_seed(lesson.seed)
    loaders = DataLoader(table.train, 64, shuffle=True, generator=generator), DataLoader(table.validation, 1000)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    recorder = Recorder()
    learner = Learner(model, loaders, F.cross_entropy, optimizer, [recorder, Metrics(accuracy), OneCycle(0.05)])
    with diagnostics.watch(model, optimizer, layers=nn.ReLU, every=25, span=(0, 10), bins=40) as record:
        learner.fit(epochs)
    return recorder, record


runs = {"default": train(model)}
recorder, record = runs["default"]
end = recorder.metrics[-1]
print(f"{len(recorder.losses)} steps; validation loss {end['validation_loss']:.4f}, ", end="")
print(f"accuracy {end['validation_accuracy']:.3f}")
assert len(record.layers) == 10 and {layer.kind for layer in record.layers.values()} == {"ReLU"}


# %%
def epoch_losses(recorder):
    """The mean training loss of every epoch."""
    per_epoch = len(recorder.losses) // epochs
    return [sum(recorder.losses[i : i + per_epoch]) / per_epoch for i in range(0, epochs * per_epoch, per_epoch)]


figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
axes[0].plot(range(1, epochs + 1), epoch_losses(recorder), color=VERMILLION, marker="o", markersize=3)
axes[0].axhline(math.log(3), color=BLACK, linestyle="--", linewidth=1)
axes[0].set(title="default start", xlabel="epoch", ylabel="training loss", ylim=(0, 1.3))
axes[0].annotate("ln 3: knowing nothing", (1, math.log(3)), xytext=(0, 6), textcoords="offset points")
axes[1].plot([rates[0] for rates in recorder.lrs], color=BLUE)
axes[1].set(title="one cycle", xlabel="step", ylabel="learning rate")
for axis in axes:
    axis.locator_params(axis="x", integer=True)
lesson.save(figure, "2_plateau")
print(f"training loss of the first and the last epoch: {epoch_losses(recorder)[0]:.4f}, {epoch_losses(recorder)[-1]:.4f}")

# %% [markdown]
# A stretch of training in which the loss does not move is called a **plateau**. This one is as long as the
# whole training. The learning rate has been through all values up to 0.05, so it is not that. The network
# says of every bicycle that each class has a third, and is stuck there.
#
# ## 3. What goes on inside
#
# First by hand: what does each layer do to a batch? We hook by type again, with a function of our own. For
# each ReLU it takes the mean and the std of all values, and one thing more: how much of this comes from the
# *rows*. That is the std of each unit over the rows of the batch, averaged over units. If it is 0, then every
# bicycle looks the same to the layer.


# %%
def measure(hook, module, inputs, output):
    """Keeps the mean, the std, and the std over the rows of what a layer puts out."""
    for name, value in (("mean", output.mean()), ("std", output.std()), ("over rows", output.std(0).mean())):
        hook.stats[name].append(value.item())


untrained = new_model()
with diagnostics.Hooks(untrained, measure, layers=nn.ReLU) as hooks:
    untrained(batch)
    untrained.eval()(table.validation.features)  # the hooks look away: this is no training
    seen = [{name: values[0] for name, values in hook.stats.items()} for hook in hooks]
    assert all(len(values) == 1 for hook in hooks for values in hook.stats.values())
for depth, stats in enumerate(seen, start=1):
    print(f"layer {depth:>2}: mean {stats['mean']:.4f}  std {stats['std']:.4f}  over rows {stats['over rows']:.5f}")
assert seen[-1]["over rows"] < 0.01 * seen[0]["over rows"]

# %% [markdown]
# The mean and std look small but steady from the fourth layer on, so one might not worry. The last column
# tells the truth: what the rows contribute falls by a factor of two to four in every layer, and what is left
# after ten is mere biases, the same for every row. The default weights are too small for ReLU layers (lesson
# 02, section 8), and ten layers multiply the fault. The three logits hardly depend on the bicycle.
#
# The way back is as bad. The gradient is multiplied by the same small weights, from the last layer down.

# %%
F.cross_entropy(untrained(batch), table.train.targets[:512]).backward()
linears = [module for module in untrained if isinstance(module, nn.Linear)]
gradients = [linear.weight.grad.std().item() for linear in linears]
for depth, gradient in enumerate(gradients, start=1):
    print(f"layer {depth:>2}: std of the weights' gradient {gradient:.1e}")
print(f"the last is {gradients[-1] / gradients[0]:.0f} times the first")
assert gradients[0] < gradients[-1] / 10

# %% [markdown]
# Does it recover in training? Here is what `watch` recorded: the mean and the std of the activations of four
# of the layers, step by step. (The thick lines are averages over a few recorded steps.)

# %%
names = list(record.layers)
some = [names[i] for i in (0, 3, 6, 9)]
figure = diagnostics.plot_means_and_stds(record, layers=some)
lesson.save(figure, "3_default_means_and_stds")
last = list(record.layers.values())[-1]
print(f"std of layer 10: {last.std[0]:.4f} at the first recorded step, {last.std[-1]:.4f} at the last")

# %% [markdown]
# ### Histograms, and two numbers taken from them
#
# A mean and a std say little about a skewed heap of numbers, so look at the whole distribution. Each column
# of such an image is the histogram of one recorded step: 40 bins from 0 at the bottom to 10 at the top,
# bright where there are many values. (What is empty in all of them at the top is left out.) A healthy layer fills
# a band.

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 3.4))
lesson.save(diagnostics.plot_histograms(record, layers=some, axes=axes), "4_default_histograms")
counts = record.layers[names[-1]].histogram
print(f"layer 10: {counts.shape[0]} histograms of {counts.shape[1]} bins")
assert counts.shape[1] == 40


# %% [markdown]
# From the fourth layer on everything is in the lowest one or two bins. This can be made a number, the **share
# in the lowest bins**: how much of a histogram lies in the lowest two of the 40 bins, here below 0.5. For a
# ReLU half or a little more is normal, as that many values are exactly 0. With 100 % the layer is all but shut.


# %%
def lowest_share(layer, bins=2):
    """For every recorded step the share of a layer's values in the lowest bins."""
    return (layer.histogram[:, :bins].sum(1) / layer.histogram.sum(1)).tolist()


for name, layer in record.layers.items():
    shares = lowest_share(layer)
    print(f"{name:<7} share in the lowest two bins {shares[0]:6.1%} at first, {shares[-1]:6.1%} at last")

# %% [markdown]
# The second number is the **Gini coefficient**. Economists use it for incomes: 0 if all have the same, near
# 1 if one has all. Here the "incomes" are the sizes of activations, or of weights. With the n sizes sorted
# from small to large,
#
# $$ G = \frac{\sum_{i=1}^{n} (2i - n - 1)\, |x|_{i}}{n \sum_{i=1}^{n} |x|_{i}} $$
#
# For activations it tells whether rows and units differ (a ReLU layer fed with normal numbers has about
# 0.7, since half of the values are 0 and the others unequal). For weights it tells whether a few have
# grown at the expense of the others: uniform weights start at 1/3, normal ones at 0.41.


# %%
def gini(x):
    """The Gini coefficient of the sizes of x."""
    sizes = x.abs().flatten().sort().values
    n = len(sizes)
    return ((2 * mg.arange(1, n + 1) - n - 1) * sizes).sum().item() / (n * sizes.sum().item())


g = mg.Generator().manual_seed(lesson.seed)
z = mg.randn(10_000, generator=g)
examples = {"all equal": mg.ones(100), "one has all": mg.eye(100)[0], "normal": z, "ReLU of normal": z.relu()}
examples["uniform"] = mg.rand(10_000, generator=g)
for name, values in examples.items():
    print(f"{name:<15} {gini(values):.3f}, by the library {diagnostics.gini(values):.3f}")
    assert abs(gini(values) - diagnostics.gini(values)) < 1e-4

# %% [markdown]
# Both over time, and the Gini coefficients of the weights beside them; one line for each layer, dark for the
# first, light for the last.


# %%
def plot_concentration(record, title):
    """Share in the lowest bins, and Gini coefficients of activations and of weights over time, by layer."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8))
    weights = [parameter for parameter in record.parameters.values() if len(parameter.shape) == 2][:10]
    for i, (layer, weight) in enumerate(zip(record.layers.values(), weights, strict=True)):
        colour = plt.cm.viridis(i / 10)
        series = (lowest_share(layer), layer.gini, weight.gini)
        for axis, values in zip(axes, series, strict=True):
            axis.plot(record.steps, values, color=colour, linewidth=1.4, label=f"layer {i + 1}")
    for axis, what in zip(axes, ("share in the lowest bins", "Gini of activations", "Gini of weights"), strict=True):
        axis.set(title=what, xlabel="step", ylim=(0, 1.03))
    axes[2].legend(ncols=2, fontsize=9, loc="upper right")
    figure.suptitle(title)
    return figure


lesson.save(plot_concentration(record, "default start"), "5_default_concentration")
print(f"Gini of the weights, first and last step: {record.parameters['linear1.weight'].gini[0]:.3f}, ", end="")
print(f"{record.parameters['linear1.weight'].gini[-1]:.3f}")

# %% [markdown]
# The weights hardly move: 1/3 at the start and 1/3 at the end, in a training of 70 epochs.
#
# ## 4. Formulas
#
# Lesson 02 has the remedy: Kaiming's rule, weights of std √(2/n), either uniform or normal. Biases become 0.
# What do the layers put out then? We look at the pre-activations of all eleven linear layers from here on,
# which is where the rule makes its promise: that the scale stays.


# %%
def kaiming(fill):
    """A model whose weights are filled by one of the library's functions, and whose biases are 0."""
    model = new_model()
    for module in model:
        if isinstance(module, nn.Linear):
            fill(module.weight, nonlinearity="relu")
            init.zeros_(module.bias)
    return model


@mg.no_grad()
def moments(model, x=batch):
    """(mean, std) of what each linear layer puts out."""
    found = []
    for module in model:
        x = module(x)
        if isinstance(module, nn.Linear):
            found.append((x.mean().item(), x.std().item()))
    return found


print("logits, default start: mean {:.4f}, std {:.4f}".format(*moments(new_model())[-1]))

# %%
starts = {
    "default": new_model(),
    "Kaiming uniform": kaiming(init.kaiming_uniform_),
    "Kaiming normal": kaiming(init.kaiming_normal_),
}
stds = {name: [std for _, std in moments(model)] for name, model in starts.items()}
for name, values in stds.items():
    print(f"{name:<16}" + "".join(f"{value:7.3f}" for value in values))
assert min(stds["Kaiming normal"]) > 2 * min(stds["default"])

# %% [markdown]
# Much better: no layer is shut any more. But not what was promised. Kaiming's rule keeps the mean square of
# *inputs that are independent numbers of mean square 1*, *on average* over all random draws. These inputs
# are otherwise: 15 of the 21 features are words, one-hot columns with a mean square far below 1, and a few
# rows have numbers that are 20 stds away. And a layer of 40 units is an average over few. Each layer passes on
# what chance made of it: here are five other draws of the same rule.

# %%
draws = []
for seed in range(5):
    mg.manual_seed(seed)
    layers = [nn.Linear(n, 40) for n in [21, *[40] * 9]]
    for layer in layers:
        init.kaiming_normal_(layer.weight, nonlinearity="relu")
        init.zeros_(layer.bias)
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    draws.append(moments(nn.Sequential(*parts))[-1][1])
print("std of layer 10 in five draws:", " ".join(f"{std:.2f}" for std in draws))
assert max(draws) > 1.3 * min(draws)

# %% [markdown]
# ## 5. Measuring instead
#
# If a layer's outputs are s times too wide, dividing its weights by s makes them right, whatever the reason
# for s. That is the whole idea of **layer-sequential unit variance** (LSUV), which Dmytro Mishkin and Jiri
# Matas published in 2015. *Sequential*, since a layer can be measured only when those before it are done:
#
# 1. Give every layer orthonormal weights, and biases of 0.
# 2. From the first layer to the last: send a batch through, take the std of the layer's outputs, divide the
#    weights by it, until the std is 1.
#
# **Orthonormal** means that the rows of the matrix (or its columns, whichever are fewer) have length 1 and
# are at right angles to each other. A square matrix of this kind turns its input but neither stretches nor
# squeezes it in any direction. A random matrix stretches some directions and all but flattens others, and a
# product of ten random matrices does so extremely.

# %%
mg.manual_seed(lesson.seed)
square = init.orthogonal_(mg.empty(40, 40))
random = mg.randn((40, 40)) / math.sqrt(40)
directions = F.normalize(mg.randn((40, 1000)), dim=0)  # a thousand random vectors of length 1
for name, matrix in (("orthonormal", square), ("random / sqrt(40)", random)):
    vectors = directions
    for times in range(1, 11):
        vectors = matrix @ vectors
        if times in (1, 10):
            lengths = vectors.norm(dim=0)
            print(f"{name:<18} applied {times:>2} times: lengths from {lengths.min().item():.3f} ", end="")
            print(f"to {lengths.max().item():.3f}")
assert mg.allclose(square @ square.T, mg.eye(40), atol=1e-5)

# %% [markdown]
# In the lesson's own words, in a dozen lines:


# %%
@mg.no_grad()
def our_lsuv(model, x, tolerance=1e-3):
    """Scales every linear layer of a Sequential until its output for x has standard deviation 1."""
    linears = [module for module in model if isinstance(module, nn.Linear)]
    for linear in linears:
        init.orthogonal_(linear.weight)
        init.zeros_(linear.bias)
    for module in model:
        if isinstance(module, nn.Linear):
            while abs((std := module(x).std().item()) - 1) > tolerance:
                module.weight /= std
        x = module(x)
    return model


by_hand = new_model()
mg.manual_seed(lesson.seed)
ours = moments(our_lsuv(by_hand, batch))
print("std of every layer:", " ".join(f"{std:.4f}" for _, std in ours))
assert all(abs(std - 1) < 1e-3 for _, std in ours)

# %% [markdown]
# The library's `lsuv_` does this for any model, with hooks instead of a loop over a `Sequential`. (It is
# careful about a few things: dropout is off while measuring, weights stay as they were after an error, a
# layer whose outputs are all 0 is reported.) The result prints as a table, before and after.

# %%
starts["LSUV"] = new_model()
mg.manual_seed(lesson.seed)
result = diagnostics.lsuv_(starts["LSUV"], batch)
print(result)
farthest = max((layer.std for layer in result.layers), key=lambda std: abs(std - 1))
lesson.compare("lsuv.std", "the std farthest from 1 of all layers after LSUV", 1.0, farthest, "%.4f", 1e-3)
pairs = zip(by_hand.parameters(), starts["LSUV"].parameters(), strict=True)
difference = max((a - b).abs().max().item() for a, b in pairs)
print(f"largest difference between a weight of ours and the library's: {difference:.0e}")
assert difference < 1e-3

# %% [markdown]
# The orthonormal start can be left out: then whatever weights the layers have are scaled, and the biases
# with them. Here are all five starts in one table.

# %%
starts["LSUV, no orthonormal"] = new_model()
diagnostics.lsuv_(starts["LSUV, no orthonormal"], batch, orthonormal=False)
table_of = {name: moments(model) for name, model in starts.items()}
print(f"{'layer':<6}" + "".join(f"{name:>22}" for name in starts))
print(" " * 6 + "".join(f"{'mean':>13}{'std':>9}" for _ in starts))
for i, row in enumerate(zip(*table_of.values(), strict=True), start=1):
    print(f"{i:<6}" + "".join(f"{mean:13.3f}{std:9.4f}" for mean, std in row))
assert all(abs(std - 1) < 1e-3 for name in table_of if "LSUV" in name for _, std in table_of[name])

# %% [markdown]
# Do all rows look the same in the tenth layer? LSUV fixes the std of *all* outputs together. Had a layer the
# same output for every row, the units' differences alone could make up a std of 1. So measure again what
# comes from the rows.

# %%
with mg.no_grad():
    over_rows = {name: model[:-1](batch).std(0).mean().item() for name, model in starts.items()}
for name, value in over_rows.items():
    print(f"{name:<21} std of layer 10's activations over the rows {value:.4f}")
assert over_rows["LSUV"] > 100 * over_rows["default"]

# %% [markdown]
# With the default start nothing of a bicycle is left in layer 10. After LSUV there is as much as after
# Kaiming's rule, with or without the orthonormal start.
#
# ## 6. The same training again
#
# The same network, data, order of batches, optimiser and schedule; only the first weights differ.

# %%
for name in list(starts)[1:]:
    runs[name] = train(starts[name])
plateau, ends = {}, {}
for name, (recorder, _) in runs.items():
    means = epoch_losses(recorder)
    plateau[name] = next((i for i, loss in enumerate(means) if loss < 0.95 * math.log(3)), epochs)
    end = ends[name] = recorder.metrics[-1]
    print(f"{name:<21} epochs on the plateau {plateau[name]:>2}, training loss {means[-1]:.4f}, ", end="")
    print(f"validation loss {end['validation_loss']:.4f}, accuracy {end['validation_accuracy']:.3f}")
assert plateau["LSUV"] < plateau["default"]

# %%
colours = dict(zip(runs, (VERMILLION, ORANGE, PURPLE, GREEN, SKY), strict=True))
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4))
for name, (recorder, _) in runs.items():
    axes[0].plot(range(1, epochs + 1), epoch_losses(recorder), color=colours[name], label=name)
    accuracies = [row["validation_accuracy"] for row in recorder.metrics]
    axes[1].plot(range(1, epochs + 1), accuracies, color=colours[name], linewidth=1.5, label=name)
axes[0].axhline(math.log(3), color=BLACK, linestyle="--", linewidth=1)
axes[0].set(title="training loss", xlabel="epoch", ylim=(0, 1.3))
axes[1].set(title="validation accuracy", xlabel="epoch", ylim=(0.25, 1))
axes[1].legend(loc="center right")
for axis in axes:
    axis.locator_params(axis="x", integer=True)
lesson.save(figure, "6_compared", cover=True)
best = max(row["validation_accuracy"] for row in runs["LSUV"][0].metrics)
print(f"best validation accuracy after LSUV {best:.3f}")

# %% [markdown]
# The plateau is gone: after one epoch the loss is on its way, and nine bicycles in ten are put in the right
# class. On this table Kaiming's rule does as well. That is no surprise: it missed the scale by a factor of
# two, the default start by a factor of ten, and by thousands in what tells one row from another.
# LSUV's merit is that it got there without a formula. It would have done the same for an activation that
# nobody has worked out a gain for, for inputs on any scale, or for layers connected in unusual ways.
#
# (The four runs that learn end with a training loss far below the validation loss: 15763 parameters learn 8000 rows by
# heart. To start well and not to overfit are two different matters.)
#
# Now the same pictures as before, after LSUV.

# %%
record = runs["LSUV"][1]
lesson.save(diagnostics.plot_means_and_stds(record, layers=some), "7_lsuv_means_and_stds")
layer = record.layers["relu10"]
print(f"std of layer 10: {layer.std[0]:.3f} at the first recorded step, {layer.std[-1]:.3f} at the last")

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 3.4))
lesson.save(diagnostics.plot_histograms(record, layers=some, axes=axes), "8_lsuv_histograms")
print("values beyond the lowest two bins, layer 10:", f"{1 - lowest_share(layer)[-1]:.1%}")

# %%
lesson.save(plot_concentration(record, "after LSUV"), "9_lsuv_concentration")
for name, (_, record) in runs.items():
    layer, weight = record.layers["relu10"], record.parameters["linear1.weight"]
    print(f"{name:<21} last step: lowest bins of layer 10 {lowest_share(layer)[-1]:6.1%}, ", end="")
    print(f"Gini of its activations {layer.gini[-1]:.3f}, of the weights of layer 1 {weight.gini[-1]:.3f}")

# %% [markdown]
# Bands where there was darkness. (What lies above 10 is counted in the highest bin: the bright line at the
# top.) The Gini coefficient of the activations rises while the network
# learns: a unit comes to respond to few bicycles, but strongly. That of the weights rises in the first layer
# only, from the 0.4 of normal numbers to nearly 0.5. There the inputs are columns, and the network finds out
# which of them matter. In the histogram of the first layer you can see the heavy tails: thin streaks reach up
# wherever a batch contained one of the extreme rows.
#
# ## What to keep
#
# - **A first loss that is right is not enough.** It can be right because the network says the same of
#   everything.
# - **A plateau from the first step on is a matter of scale.** Look at what the rows contribute to each layer,
#   at the share in the lowest bins, and at the gradient of the first layer.
# - **Record in training only**, and filter hooks by type, so that like is compared with like.
# - **A formula assumes, a measurement sees.** LSUV: orthonormal weights, then layer after layer divide by the
#   std of the output for a batch of real data. It costs a few forward passes, once.
# - **Columns are normalised by the training rows**; words become one column each.
#
# ## Exercises
#
# 1. *How deep before it stalls?* Train networks of 2, 4, 6, 8 and 10 hidden layers for 10 epochs, with the
#    default start and after LSUV. From which depth on is there a plateau? Does Adam (`optim.Adam`, learning
#    rate 0.001) get over it, and why?
# 2. *Where to measure.* `lsuv_` measures the output of the linear layer. With `pairs=True` it measures behind
#    the ReLU, and with `mean=True` it moves the biases, too, until the means are 0. Compare the tables and the
#    trainings of the variants. What would `mean=True` behind a ReLU ask for?
# 3. *Tame the tails.* Replace each skewed column by log(1 + value), written to a CSV file of your own. What
#    becomes of the skewness, of the validation accuracy, and of the largest learning rate that works?
#
# Answers run in `answers/07_lsuv_tabular.py`.

# %%
print(f"{'start':<21}{'plateau':>8}{'training':>10}{'validation':>12}{'accuracy':>10}")
for name, (recorder, _) in runs.items():
    end = recorder.metrics[-1]
    print(f"{name:<21}{plateau[name]:>8}{epoch_losses(recorder)[-1]:10.4f}{end['validation_loss']:12.4f}", end="")
    print(f"{end['validation_accuracy']:10.4f}")
lesson.summary()
