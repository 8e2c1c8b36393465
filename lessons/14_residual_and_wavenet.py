# %% [markdown]
# # Deeper: a tree over letters, and shortcuts for gradients
#
# A network has two ways to grow: wider or deeper. This lesson grows deeper, twice, and each time something
# goes wrong that no error message reports.
#
# The first half takes the names again and looks back at eight letters instead of three. Eight letters
# squeezed through one layer all at once are too much at once, so we merge them two by two, in a tree. There
# batch norm meets a kind of tensor that it was not written for, and is quietly wrong.
#
# The second half stacks twenty layers to read digits. Stacked plainly, a network trains worse the deeper it
# is, even with batch norm. A plus sign in the right place repairs it.
#
# From earlier lessons you need the embedding and the train and dev sets (9), batch norm and its running
# statistics (10 and 11), convolutions (5), and modules and optimisers (3).

# %%
import math
import time

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson, block_means

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("14_residual_and_wavenet", seed=42)
steps = lesson.steps(full=40_000, quick=500)
digit_steps = min(500, lesson.steps(full=500, quick=25))
print(f"names: five training runs of {steps} steps; digits: six of {digit_steps}; seed {lesson.seed}")

# %% [markdown]
# ## 1. A longer look back
#
# Three letters are little. What follows `ari` depends on what came before it: `m`, `ch`, or nothing at all.
# So let the context be eight symbols long. Few names are longer, so nearly always the network sees all that
# there is.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
train_words, dev_words, test_words = datasets.split(words, seed=42)
data = {}
for back in (3, 8):
    parts = [datasets.contexts(part, vocabulary, block_size=back) for part in (train_words, dev_words)]
    data[back] = dict(zip(("train", "dev"), parts, strict=True))
for context, letter in zip(*(t[:7].tolist() for t in data[8]["train"]), strict=True):
    print(vocabulary.decode(context), "->", vocabulary.decode([letter]))
long = sum(len(word) > 8 for word in words) / len(words)
print(f"{100 * long:.1f} % of the names have more than eight letters")

# %% [markdown]
# The number of examples is the same for every length of context: one per letter, and one per end of a name.

# %%
test = datasets.contexts(test_words, vocabulary, block_size=8)
examples = [len(Y) for _, Y in (*data[8].values(), test)]
lesson.compare("names.split", "examples in train, dev, test", [182625, 22655, 22866], examples, "%d")
assert examples[:2] == [len(Y) for _, Y in data[3].values()]

# %% [markdown]
# The layers come from the library now, except for two that we write. The first is batch norm, just as in
# lesson 11: the mean and the variance of every unit over the batch, which is axis 0, and running ones for
# evaluation. Only one thing is new. The axes over which it averages are asked for in a method of their own,
# `axes`, because we shall have to change them.


# %%
class BatchNorm(nn.Module):
    """Normalises each unit over the examples of a batch; then times a gain, plus a bias."""

    def __init__(self, size, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.gain, self.bias = nn.Parameter(mg.ones(size)), nn.Parameter(mg.zeros(size))
        self.register_buffer("mean", mg.zeros(size))
        self.register_buffer("variance", mg.ones(size))

    def axes(self, x):
        return 0

    def forward(self, x):
        mean, variance = self.mean, self.variance
        if self.training:
            variance, mean = mg.var_mean(x, self.axes(x), keepdim=True)
            self.mean = self.mean + self.momentum * (mean.detach() - self.mean)
            self.variance = self.variance + self.momentum * (variance.detach() - self.variance)
        return self.gain * (x - mean) / (variance + 1e-5).sqrt() + self.bias


print("parameters:", len(list(BatchNorm(5).parameters())), "buffers:", len(list(BatchNorm(5).buffers())))

# %%
x = mg.randn((32, 5), generator=mg.Generator().manual_seed(lesson.seed)) * 7 + 3
print("std of each unit:", " ".join(f"{std:.3f}" for std in BatchNorm(5)(x).std(0).tolist()))

# %% [markdown]
# The network of the last lessons is then a list of layers: an embedding, everything side by side, a hidden
# layer with batch norm and tanh, and the logits. `nn.Flatten` lays the numbers of an example side by side.
#
# The library's layers draw their weights from its own generator, uniformly between ±1/√fan-in. That is a
# good width for the logits: small, so that the first loss is near ln 27 = 3.30. `mg.manual_seed` sets that
# generator.


# %%
def flat(back, width=10, hidden=200):
    """All letters of the context at once into one hidden layer."""
    mg.manual_seed(lesson.seed)
    first = nn.Linear(back * width, hidden, bias=False)  # batch norm has the bias
    layers = [first, BatchNorm(hidden), nn.Tanh(), nn.Linear(hidden, size)]
    return nn.Sequential(nn.Embedding(size, width), nn.Flatten(), *layers)


def count(model):
    """How many numbers training can change."""
    return sum(p.numel() for p in model.parameters())


for back in (3, 8):
    X, Y = data[back]["train"]
    print(f"context of {back}: {count(flat(back))} parameters,", end=" ")
    print(f"first loss {F.cross_entropy(flat(back)(X[:1000]), Y[:1000]).item():.4f}")

# %% [markdown]
# One loop trains all networks of this half: 32 examples a step, learning rate 0.1, and 0.01 in the last
# quarter. The same seed gives every network the same minibatches.


# %%
def train(model, back, label):
    """Trains in place; returns the loss of every step."""
    g = mg.Generator().manual_seed(lesson.seed)
    X, Y = data[back]["train"]
    optimizer, losses, start = optim.SGD(model.parameters(), lr=0.1), [], time.perf_counter()
    for step in lesson.progress(steps, label):
        optimizer.param_groups[0]["lr"] = 0.1 if step < 0.75 * steps else 0.01
        ix = mg.randint(0, len(Y), (32,), generator=g)
        loss = F.cross_entropy(model(X[ix]), Y[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"{label}: {count(model)} parameters, {len(losses)} steps in {time.perf_counter() - start:.0f} s")
    return losses


# %%
@mg.no_grad()
def evaluate(model, back):
    """Train and dev loss in evaluation mode; the train loss over every fourth example."""
    model.eval()
    (X, Y), dev = data[back]["train"], data[back]["dev"]
    found = []
    for x, y in ((X[::4], Y[::4]), dev):
        pieces = zip(x.split(4_000), y.split(4_000), strict=True)
        found.append(sum(F.cross_entropy(model(a), b, reduction="sum").item() for a, b in pieces) / len(y))
    model.train()
    return found


print("before training, train and dev loss: {:.4f} {:.4f}".format(*evaluate(flat(3), 3)))

# %%
models, losses, final = {}, {}, {}


def run(name, model, back=8):
    """Trains a network and keeps what there is to know about it under its name."""
    models[name], losses[name] = model, train(model, back, name)
    final[name] = evaluate(model, back)
    print("  train loss {:.4f}, dev loss {:.4f}".format(*final[name]))


run("three letters, flat", flat(3), back=3)
run("eight letters, flat", flat(8))
gained = final["three letters, flat"][1] - final["eight letters, flat"][1]
print(f"dev loss better by {gained:.4f}")

# %% [markdown]
# A longer memory helps: by about as much as all that lesson 10 did to the start of training together.
#
# ## 2. Two at a time
#
# But look at how those eight letters are treated. The first layer multiplies all 80 numbers by one matrix,
# and a single tanh later the answer is read off. All that letters can mean together, as pairs, as
# syllables, as a whole name, has to be found in one step.
#
# The idea of **WaveNet**, a network made for sound by Aäron van den Oord and others in 2016, is to go
# slowly. First join neighbours, two letters each, and make something of each pair. Then join neighbouring
# pairs, then the fours. It is a tree, with one layer for each of its levels:

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.6))
for axis, groups, title in zip(axes, ((8,), (2, 2, 2)), ("flat: all at once", "pairwise: a tree"), strict=True):
    places = [float(i) for i in range(8)]
    for x, symbol in zip(places, "..charli", strict=True):
        axis.text(x, -0.22, symbol, ha="center", va="top", fontsize=14, family="monospace")
    axis.plot(places, [0] * 8, "o", color=SKY, markersize=13)
    for level, group in enumerate(groups, start=1):
        top = level if len(groups) > 1 else 3
        parents = [sum(places[i : i + group]) / group for i in range(0, len(places), group)]
        for i, x in enumerate(places):
            axis.plot([x, parents[i // group]], [level - 1, top], color="0.6", linewidth=1.5, zorder=0)
        axis.plot(parents, [top] * len(parents), "o", color=BLUE, markersize=17)
        places = parents
    axis.set(title=title, ylim=(-0.6, 3.4), xlim=(-0.6, 7.6))
    axis.set_axis_off()
lesson.save(figure, "1_tree")
print("levels:", len((2, 2, 2)), "in the tree, 1 in the flat network")

# %% [markdown]
# In a tensor of shape (examples, places, numbers) a pair is two neighbouring places. To lay their numbers
# side by side takes no copying and no arithmetic, only another view: (32, 8, 10) becomes (32, 4, 20). We
# call the layer `FlattenConsecutive`. When only one place is left, that axis has no more use and goes.


# %%
class FlattenConsecutive(nn.Module):
    """(N, T, C) -> (N, T / n, n C): the numbers of n neighbouring places side by side; (N, n C) if one is left."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        N, T, C = x.shape
        x = x.view(N, T // self.n, self.n * C)
        return x.squeeze(1) if x.shape[1] == 1 else x


e = mg.arange(2 * 8 * 10).view(2, 8, 10)
pairs = FlattenConsecutive(2)(e)
assert mg.equal(pairs, mg.cat([e[:, 0::2], e[:, 1::2]], dim=2))  # even places, and beside them the odd ones
assert mg.equal(FlattenConsecutive(8)(e), e.flatten(1))
print(f"two at a time: {tuple(e.shape)} -> {tuple(pairs.shape)}; all eight: {tuple(FlattenConsecutive(8)(e).shape)}")

# %% [markdown]
# And the layer that follows? A linear layer multiplies the *last* axis and leaves all others alone. So
# `nn.Linear(20, 68)` turns (32, 4, 20) into (32, 4, 68): the same matrix for all four pairs of all
# examples. What it learns about a pair of letters, it knows wherever in the name they stand.
#
# Here is the tree. With 68 units in each layer it has about as many parameters as the flat network, so that
# depth is compared with depth and not with size.


# %%
def tree(norm, width=10, hidden=68, groups=(2, 2, 2)):
    """Neighbours are joined in each layer, as many at a time as `groups` says."""
    mg.manual_seed(lesson.seed)
    layers, inputs = [nn.Embedding(size, width)], width
    for group in groups:
        joined = nn.Linear(group * inputs, hidden, bias=False)
        layers += [FlattenConsecutive(group), joined, norm(hidden), nn.Tanh()]
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(hidden, size))


x = data[8]["train"][0][:32]
for layer in tree(BatchNorm):
    x = layer(x)
    print(f"{type(layer).__name__:<20} {tuple(x.shape)}")
lesson.compare("tree.params", "parameters of the tree", 22397, count(tree(BatchNorm)), "%d")

# %%
run("tree, wrong batch norm", tree(BatchNorm))
difference = final["tree, wrong batch norm"][1] - final["eight letters, flat"][1]
print(f"dev loss of the tree minus that of the flat network: {difference:+.4f}")

# %% [markdown]
# Nothing fails, and nothing is gained either. The name of the run gives it away: something is wrong in
# there.
#
# ## 3. Batch norm over two axes
#
# Every unit of the first layer now has 32 × 4 values: one for each example and each pair. Which mean should
# be taken? The unit is one unit, with one set of weights, so there should be one mean over all 128 of its
# values. But our layer averages over axis 0, the examples, as it always did. Ask it for its running mean.

# %%
wrong = models["tree, wrong batch norm"][3]
print("running mean of the trained network:", tuple(wrong.mean.shape))
assert wrong.mean.shape == (1, 4, 68)

# %% [markdown]
# Four means for each of the 68 units, one per place, each taken over 32 numbers. Broadcasting took care
# that all shapes fit, and so hid the fault. That is why it pays to look at shapes even when nothing
# complains.
#
# What does it do? Three things.
#
# **The statistics are noisier.** The mean of n independent numbers of standard deviation σ misses the true
# mean by σ/√n. From 32 instead of 128 numbers it should be √4 = 2 times as noisy. Take 200 minibatches, and
# see how much the mean of a unit varies from one to the next.

# %%
g = mg.Generator().manual_seed(lesson.seed)
X = data[8]["train"][0]
model = tree(BatchNorm)
by_place, together = [], []
with mg.no_grad():
    for _ in range(200):
        z = model[2](model[1](model[0](X[mg.randint(0, len(X), (32,), generator=g)])))  # before batch norm
        by_place.append(z.mean(0))
        together.append(z.mean((0, 1)))
noise = mg.stack(by_place).std(0).mean(1).tolist(), mg.stack(together).std(0).mean().item()
print("noise of the mean over axis 0, at the four places:", " ".join(f"{v:.3f}" for v in noise[0]))
print(f"noise of the mean over axes 0 and 1: {noise[1]:.3f}")
assert min(noise[0][1:]) > noise[1]

# %% [markdown]
# Twice as noisy at the last places, where there are mostly letters, as expected. Towards the first place the
# noise becomes less, for a strange reason: there it is nearly always the pair `..`, so little varies. That leads
# to the second point.
#
# **Rare things are blown up.** Where a unit hardly varies, its standard deviation is tiny, and dividing by
# it makes large what was small. Suppose that 31 examples of a batch have `..` at the first place and one
# has letters. Then for that one example *every* unit is 31/√32 = 5.5 standard deviations from the mean,
# whatever the letters are: after the tanh there are only +1 and -1, and what the letters were can hardly be
# told. So count, place by place, the values that lie more than four standard deviations out, with the layer
# as it is and with one that takes its mean over both axes.


# %%
class BatchNormFixed(BatchNorm):
    """The same over all axes but the last: one mean and one variance for each unit."""

    def axes(self, x):
        return 0 if x.ndim == 2 else (0, 1)


normalised = {BatchNorm: [], BatchNormFixed: []}
with mg.no_grad():
    for norm, batches in normalised.items():
        layer, g = norm(68), mg.Generator().manual_seed(lesson.seed)
        for _ in range(200):
            ix = mg.randint(0, len(X), (32,), generator=g)
            batches.append(layer(model[2](model[1](model[0](X[ix])))))
        normalised[norm] = mg.stack(batches)  # (200, 32, 4, 68)
        beyond = (normalised[norm].abs() > 4).sum((0, 1, 3)).tolist()
        print(f"{norm.__name__:<15} values beyond ±4 at the four places: {beyond}")
print(f"largest of BatchNorm's: {normalised[BatchNorm].max().item():.3f}; 31 / √32 = {31 / 32**0.5:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
axes[0].bar(range(4), noise[0], color=VERMILLION, label="mean over axis 0")
axes[0].axhline(noise[1], color=GREEN, label="mean over axes 0 and 1")
axes[0].set(title="noise of the mean", xlabel="place of the pair", ylabel="standard deviation", xticks=range(4))
axes[0].set_ylim(0, 1.4 * max(noise[0]))
for norm, label, colour in ((BatchNorm, "over axis 0", VERMILLION), (BatchNormFixed, "over axes 0 and 1", GREEN)):
    first_place = normalised[norm][:, :, 0].flatten().tolist()
    axes[1].hist(first_place, bins=60, range=(-6, 6), color=colour, alpha=0.6, label=label)
axes[1].set(title="normalised values at the first place", xlabel="value", ylabel="count", yscale="log")
for axis in axes:
    axis.legend(loc="upper right")
axes[1].set_ylim(top=2e7)
lesson.save(figure, "2_batch_norm_bug")
print(f"noise, axis 0 over both axes, at the last place: {noise[0][3] / noise[1]:.2f}")

# %% [markdown]
# **Places are treated differently.** In the context `anananan` the four pairs are the same, and so is what
# the linear layer makes of them. The layer behind it should not be able to tell them apart. With the wrong
# statistics it can:

# %%
anan = mg.tensor([vocabulary.encode("anananan")])
with mg.no_grad():
    for norm in (BatchNorm, BatchNormFixed):
        layer = norm(68)
        z = model[2](model[1](model[0](X[:5000])))
        layer(z)  # one look at many examples, so that the running statistics know the data
        layer.eval()
        pairs = layer(model[2](model[1](model[0](anan))))[0]
        spread = (pairs - pairs.mean(0)).abs().max().item()
        print(f"{norm.__name__:<15} running mean {tuple(layer.mean.shape)}: the four 'an' differ by up to {spread:.3f}")
assert spread < 1e-6

# %% [markdown]
# The repair is the line in `BatchNormFixed`: take the mean over axes (0, 1). The library's `nn.BatchNorm1d`
# does the same, but it expects the units on axis 1, (examples, units, places), as images have their
# channels. So to compare the two, and to use it, swap two axes before and after.

# %%
z = mg.randn((32, 4, 68), generator=mg.Generator().manual_seed(lesson.seed)) * 3 + 1
library = nn.BatchNorm1d(68)(z.transpose(1, 2)).transpose(1, 2)
ours = BatchNormFixed(68)(z) * (128 / 127) ** 0.5  # ours divides by n - 1 in the variance, the library's by n
print(f"largest difference from the library's: {(ours - library).abs().max().item():.1e}")
assert (ours - library).abs().max().item() < 1e-4

# %%
run("tree, batch norm repaired", tree(BatchNormFixed))
gained = final["tree, wrong batch norm"][1] - final["tree, batch norm repaired"][1]
print(f"dev loss better by {gained:.4f}; running mean {tuple(models['tree, batch norm repaired'][3].mean.shape)}")

# %% [markdown]
# And now that it works, make it larger: 24 numbers for each letter, 128 units in each layer.

# %%
larger = tree(BatchNormFixed, width=24, hidden=128)
lesson.compare("tree.large.params", "parameters of the larger tree", 76579, count(larger), "%d")
run("larger tree", larger)

# %% [markdown]
# The same five networks have been trained and published before, with other random numbers and for 200000
# steps. Ours take fewer by default (`--steps 200000` runs as many), so the numbers on the right show where
# it leads.

# %%
published = [(2.058, 2.105), (1.918, 2.027), (1.941, 2.029), (1.912, 2.022), (1.769, 1.993)]
print(f"{f'after {steps} steps':<28}{'parameters':>10}{'train':>9}{'dev':>9}   published, 200000 steps")
for (name, (on_train, on_dev)), there in zip(final.items(), published, strict=True):
    print(f"{name:<28}{count(models[name]):>10}{on_train:9.4f}{on_dev:9.4f}   {there[0]:8.3f}{there[1]:8.3f}")

# %%
figure, axis = plt.subplots(figsize=(10, 4.6))
for (name, values), colour in zip(losses.items(), (BLACK, ORANGE, VERMILLION, GREEN, BLUE), strict=True):
    axis.plot(*block_means(values, 30), color=colour, label=f"{name}: dev loss {final[name][1]:.3f}")
axis.set(xlabel="training step", ylabel="loss of the minibatches (nats)", title="context, tree, batch norm, size")
axis.legend(loc="upper right")
lesson.save(figure, "3_names")
print(f"best on the dev set: {min(final, key=lambda name: final[name][1])}")

# %% [markdown]
# The step from three letters to eight is the large one. The bug cost a hundredth or two: it was no
# catastrophe, and that is just what makes such bugs last. A network learns around what we do to it.
# (Differences of less than about 0.005 mean nothing here; another seed may turn them round.)
#
# And the tree? Once repaired, it is about as good as the flat network of its size, and no better. Its
# advantage is that it can grow: twice the context costs it one more level, where a flat first layer would
# double. And more units, at last, bring the loss down clearly.
#
# ## 4. The tree is a convolution
#
# What has this to do with WaveNet, whose paper speaks of convolutions? Take the first level of the tree:
# the same matrix goes over each pair of neighbours. A small matrix that is moved along the input is what
# lesson 5 called a convolution, here along a line of letters: width 2, and each time 2 places further
# (stride 2).

# %%
model = models["tree, batch norm repaired"]
embedded = model[0](data[8]["dev"][0][:32])  # (32, 8, 10)
weight = model[2].weight.view(68, 2, 10).transpose(1, 2)  # (outputs, inputs, places), as a convolution keeps it
convolved = F.conv1d(embedded.transpose(1, 2), weight, stride=2).transpose(1, 2)
linear = model[2](model[1](embedded))
print(f"tree {tuple(linear.shape)}, convolution {tuple(convolved.shape)}, ", end="")
print(f"largest difference {(linear - convolved).abs().max().item():.1e}")
assert mg.allclose(linear, convolved, atol=1e-5)

# %% [markdown]
# The gain comes with a whole name. To ask what follows each of its letters, the tree is computed once per
# letter, each time on a window moved on by one. Neighbouring windows share most of their pairs, which are
# computed again and again. A convolution with stride 1 computes each pair once. On the next level a pair of
# pairs is two *places* apart, on the third four: the holes between them are called **dilation**, and the
# convolution dilated. The trained network gives the same logits either way.


# %%
@mg.no_grad()
def all_at_once(model, text):
    """Logits (1, letters + 1, 27) after each symbol of eight dots and the text, by dilated convolutions."""
    x = model[0](mg.tensor([vocabulary.encode("." * 8 + text)])).transpose(1, 2)
    for level in range(3):
        linear, norm = model[4 * level + 2], model[4 * level + 3]
        weight = linear.weight.view(linear.out_features, 2, -1).transpose(1, 2)
        x = F.conv1d(x, weight, dilation=2**level)
        x = mg.tanh(norm(x.transpose(1, 2))).transpose(1, 2)
    return model[-1](x.transpose(1, 2))


model.eval()
X, Y = datasets.contexts(["anastasia"], vocabulary, block_size=8)
at_once, windows = all_at_once(model, "anastasia")[0], model(X).detach()
print(f"{len(Y)} windows {tuple(windows.shape)}, all at once {tuple(at_once.shape)}")
assert mg.allclose(at_once, windows, atol=1e-4)
print(f"loss of 'anastasia': {F.cross_entropy(at_once, Y).item():.4f}")

# %% [markdown]
# ### Samples
#
# Names from the larger tree, letter by letter, until the dot that ends them.


# %%
@mg.no_grad()
def sample(model, g):
    """One invented name."""
    context, letters = [0] * 8, []
    while not letters or letters[-1] != 0:
        probabilities = F.softmax(model(mg.tensor([context])), dim=1)
        letters.append(mg.multinomial(probabilities, num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return vocabulary.decode(letters[:-1])


models["larger tree"].eval()
g = mg.Generator().manual_seed(lesson.seed)
invented = [sample(models["larger tree"], g) for _ in range(20)]
print("invented:", ", ".join(invented))
known = set(words)
print(f"{sum(name in known for name in invented)} of them are in the list")

# %% [markdown]
# ## 5. Twenty layers
#
# Three levels are not deep. Now for twenty layers. The task is an easy one, so that depth is the only
# difficulty: digits that the library draws by itself, 28 x 28 pixels.

# %%
digits = datasets.digits((5000, 1000, 0), seed=0, dtype=mg.float32, normalize=True)
images, labels = digits.train.images, digits.train.labels
figure, axes = plt.subplots(1, 12, figsize=(12, 1.4))
for axis, image, label in zip(axes, images, labels, strict=False):
    axis.imshow(image[0].tolist(), cmap="gray")
    axis.set_title(label.item())
    axis.set_axis_off()
lesson.save(figure, "4_digits")
print(f"train {tuple(images.shape)}, validation {tuple(digits.validation.images.shape)}")

# %% [markdown]
# The layers come in **bottleneck blocks** of three convolutions:
#
# 1. 1 x 1, from 16 channels down to 8: no neighbours are looked at, each pixel's channels are only mixed;
# 2. 3 x 3, on 8 channels: the part that looks around, done where there are few channels and it is cheap;
# 3. 1 x 1, from 8 channels back up to 16.
#
# Behind every convolution comes batch norm, so none has a bias, and then a ReLU. Six such blocks are 18
# layers. One convolution before them makes 16 channels of the image, in patches of 4 x 4 pixels. A linear
# layer behind them, on the mean of each channel, makes the ten logits. That is twenty layers with weights.
#
# The argument `skip` is for later. Here it is switched off, and without it `forward` is a plain stack.


# %%
class Bottleneck(nn.Module):
    """Three convolutions, down to few channels and up again; with `skip` the input is added to the result."""

    def __init__(self, channels=16, inner=8, skip=True, norm=nn.BatchNorm2d):
        super().__init__()
        self.skip = skip
        down = [nn.Conv2d(channels, inner, 1, bias=False), norm(inner), nn.ReLU()]
        around = [nn.Conv2d(inner, inner, 3, padding=1, bias=False), norm(inner), nn.ReLU()]
        up = [nn.Conv2d(inner, channels, 1, bias=False), norm(channels)]
        self.body = nn.Sequential(*down, *around, *up)

    def forward(self, x):
        y = self.body(x)
        return F.relu(x + y) if self.skip else F.relu(y)


x = mg.randn(2, 16, 7, 7)
print(f"a block turns {tuple(x.shape)} into {tuple(Bottleneck()(x).shape)} with {count(Bottleneck())} parameters")
print(f"one 3 x 3 convolution on all 16 channels has {count(nn.Conv2d(16, 16, 3, bias=False))}")


# %%
def network(skip, norm=nn.BatchNorm2d, blocks=6):
    """A convolution, bottleneck blocks, and a linear layer: 3 * blocks + 2 layers with weights."""
    mg.manual_seed(lesson.seed)
    stem = [nn.Conv2d(1, 16, 4, stride=4, bias=False), norm(16), nn.ReLU()]
    body = [Bottleneck(skip=skip, norm=norm) for _ in range(blocks)]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def weights(model):
    """The weights of all layers that have them, in order, without batch norm's gains."""
    return [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


plain, residual = network(skip=False), network(skip=True)
assert len(weights(plain)) == len(weights(residual)) == 20
assert all(mg.equal(a, b) for a, b in zip(plain.parameters(), residual.parameters(), strict=True))
print(f"{len(weights(plain))} layers, {count(plain)} parameters, with or without skips")

# %% [markdown]
# Before training, look at the gradient of each layer's weights, as in lesson 11, but now by its **norm**,
# the root of the sum of its squares. To see what batch norm does, measure the plain stack with and without
# it.


# %%
def gradient_norms(model):
    """The norm of the gradient of each layer's weights, for the first 256 images."""
    model.zero_grad()
    F.cross_entropy(model(images[:256]), labels[:256]).backward()
    found = [weight.grad.norm().item() for weight in weights(model)]
    model.zero_grad()
    return found


def nothing(channels):
    """Takes the place of batch norm and leaves everything as it is."""
    return nn.Identity()


norms = {"plain, no batch norm": gradient_norms(network(False, nothing)), "plain": gradient_norms(plain)}
for name, row in norms.items():
    print(f"{name}:", " ".join(f"{value:.0e}" for value in row))

# %% [markdown]
# Without batch norm the gradients are a billionth of what one would expect: the signal has faded to nothing
# on its way forward, and the gradient fades with it. Such a network does not train. With batch norm the
# signal keeps its width, and the gradient is large enough everywhere. So everything is fine?
#
# Not quite. Read the second row from the right, the direction in which gradients travel: they *grow*. From
# block to block the same layer's gradient gets larger by the same factor. Batch norm fixes the widths on
# the way forward only. For wide layers with ReLU, Greg Yang and others computed in 2019 what that costs on
# the way back:
#
# $$ \sqrt{\frac{\pi}{\pi - 1}} = 1.21 \quad \text{per layer} . $$


# %%
def growth(norms):
    """Mean factor per layer by which the gradient grows on its way back through the blocks."""
    first, last = norms[1:4], norms[-4:-1]  # the three layers of the first block, and of the last
    blocks = (len(norms) - 2) // 3
    ratio = 1.0
    for a, b in zip(first, last, strict=True):
        ratio *= (a / b) ** (1 / 3)
    return ratio ** (1 / (3 * (blocks - 1)))


predicted = math.sqrt(math.pi / (math.pi - 1))
print(f"predicted {predicted:.3f}, measured {growth(norms['plain']):.3f} per layer;", end=" ")
print(f"over 20 layers {growth(norms['plain']) ** 20:.0f}, over 50 layers {growth(norms['plain']) ** 50:.0f}")

# %% [markdown]
# A learning rate that suits the last layers is too large for the first, and the other way round.
#
# ## 6. The skip
#
# The repair was found by Kaiming He and others in 2015 and is one plus sign. Let a block compute not its
# output, but what is to be *added* to its input, the **residual**:
#
# $$ y = x + f(x) $$
#
# The x that goes around the block is a **skip connection**. A block with nothing to say can now leave f at
# zero and do no harm. And for the way back: when the gradient g arrives at y, then at x arrives
#
# $$ g_x = g + \text{(what comes back through } f\text{)} . $$
#
# Addition hands the gradient on to both of its inputs, so g arrives untouched, whatever f does. Check it on
# one block.

# %%
mg.manual_seed(lesson.seed)
f = Bottleneck().body
x = mg.randn(4, 16, 7, 7, requires_grad=True)
g = mg.randn(4, 16, 7, 7)
(g_x,) = mg.autograd.grad(x + f(x), x, g)
(through_f,) = mg.autograd.grad(f(x), x, g)
print(f"|g| = {g.norm().item():.2f}, |g through f| = {through_f.norm().item():.2f}, |g at x| = {g_x.norm().item():.2f}")
assert mg.allclose(g_x, g + through_f, atol=1e-5)

# %% [markdown]
# Through a stack of blocks there is then one path past all of them, on which nothing shrinks or grows. (Our
# blocks have a ReLU behind the plus sign, as those of 2015 had. It lets through what is positive, so the
# path is not perfectly clear, but nearly.)
#
# Now the same measurement with skips, with and without batch norm: all four in one figure.

# %%
norms["skips, no batch norm"] = gradient_norms(network(True, nothing))
norms["skips"] = gradient_norms(residual)
styles = {"plain, no batch norm": (SKY, "v"), "skips, no batch norm": (PURPLE, "s"), "plain": (VERMILLION, "o"),
          "skips": (GREEN, "D")}  # fmt: skip
figure, axis = plt.subplots(figsize=(11, 5))
for name, (colour, marker) in styles.items():
    axis.plot(range(1, 21), norms[name], color=colour, marker=marker, label=name)
axis.set(yscale="log", xticks=range(1, 21), xlabel="layer (1 is next to the image)", ylabel="norm of the weights' gradient")
axis.set_title("20 layers before training")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "5_gradient_norms", cover=True)
for name in styles:
    print(f"{name:<22} first layer {norms[name][0]:.1e}, largest / smallest of layers 2 to 19: ", end="")
    print(f"{max(norms[name][1:-1]) / min(norms[name][1:-1]):.0f}")

# %% [markdown]
# The zigzag belongs to the blocks: their three convolutions have different shapes. What counts is the
# trend. Without skips and batch norm all is lost. Skips alone bring back six orders of magnitude. Batch
# norm alone leaves the slope. With both the slope is about half as steep. And it depends on the depth: the
# further along the sum x + f(x) + ..., the less one more term matters to it. So with twice as many blocks
# each layer adds even less, while the plain stack goes on with its 1.2 per layer.

# %%
for name in ("plain", "skips"):
    twice = growth(gradient_norms(network(name == "skips", blocks=12)))
    print(f"{name}: the gradient grows by {growth(norms[name]):.3f} per layer, with 38 layers by {twice:.3f}")
assert growth(norms["skips"]) < growth(norms["plain"])

# %% [markdown]
# ## 7. Does it train?
#
# Each network gets the same images in the same order. The optimiser is SGD with **momentum** 0.9: each step
# keeps nine tenths of the previous one and adds the new gradient, which evens out the noise of the
# minibatches. The learning rate falls from 0.05 to zero in a straight line. Two networks more are twice as
# deep: twelve blocks, 38 layers.


# %%
@mg.no_grad()
def accuracy(model):
    """Share of the validation digits that are read rightly."""
    model.eval()
    logits = model(digits.validation.images)
    return (logits.argmax(1) == digits.validation.labels).float().mean().item()


print(f"before training: {accuracy(network(skip=True)):.3f} of the digits right")


# %%
def train_digits(model, label, lr=0.05):
    """Trains in place; returns the loss of every step."""
    g, found = mg.Generator().manual_seed(lesson.seed), []
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for step in lesson.progress(digit_steps, label):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / digit_steps)
        ix = mg.randint(0, len(labels), (64,), generator=g)
        loss = F.cross_entropy(model(images[ix]), labels[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    print(f"{label:<22} last losses {sum(found[-25:]) / len(found[-25:]):.3f}", end=", ")
    return found


# %%
digit_losses, accuracies = {}, {}
candidates = {
    "plain, no batch norm": network(False, nothing), "skips, no batch norm": network(True, nothing),
    "plain": network(False), "skips": network(True),
    "plain, 38 layers": network(False, blocks=12), "skips, 38 layers": network(True, blocks=12),
}  # fmt: skip
for name, model in candidates.items():
    digit_losses[name] = train_digits(model, name)
    accuracies[name] = accuracy(model)
    print(f"right {accuracies[name]:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4), sharey=True)
for name, values in digit_losses.items():
    axis = axes[1] if "38" in name else axes[0]
    colour = styles[name.removesuffix(", 38 layers")][0]
    axis.plot(*block_means(values, 25), color=colour, label=f"{name}: {100 * accuracies[name]:.1f} %")
for axis, title in zip(axes, ("20 layers", "38 layers, with batch norm"), strict=True):
    axis.set(title=title, xlabel="training step", ylim=(0, 4.2), yticks=[0, 1, 2])
    axis.legend(loc="upper right", title="validation digits read rightly")
axes[0].set_ylabel("loss (nats)")
lesson.save(figure, "6_digits_training")
best = max(accuracies, key=accuracies.get)
print(f"best: {best}, {accuracies[best]:.3f}")

# %% [markdown]
# At 20 layers the plain network with batch norm still trains, only more slowly. At 38 layers it falls
# behind: it is worse than the same network with 20 layers, and not because it overfits, for its *training*
# loss is worse too. It could do whatever the smaller one does, if its other layers did nothing, but it does
# not find that. With skips, doing nothing is the easiest thing to find, and depth costs nothing.
#
# Do trained networks keep what they had at the start? Measure the gradients once more.

# %%
growths = {name: growth(row) for name, row in norms.items()}
for name in ("plain", "skips", "plain, 38 layers", "skips, 38 layers"):
    fresh = network(skip="skips" in name, blocks=12 if "38" in name else 6)
    candidates[name].train()
    growths[name], after = growth(gradient_norms(fresh)), growth(gradient_norms(candidates[name]))
    print(f"{name:<18} growth of the gradient per layer {growths[name]:.3f} before training, {after:.3f} after")

# %% [markdown]
# They do not. Training takes most of the slope away where it was steep, even in the plain networks. So it is a
# trouble of the start: it slows down the first steps, and the plain 38 layers do not get far in 500 of them.
#
# ## 8. The log

# %%
print(f"{'names':<28}{'train':>9}{'dev':>9}")
for name, (on_train, on_dev) in final.items():
    print(f"{name:<28}{on_train:9.4f}{on_dev:9.4f}")
print(f"\n{'digits':<28}{'right':>9}{'growth of the gradient per layer before training':>52}")
for name, right in accuracies.items():
    print(f"{name:<28}{right:9.3f}{growths[name]:52.3f}")

# %% [markdown]
# ## What to keep
#
# - **A longer context** was worth as much as all care about the start of training.
# - **Merge slowly.** Neighbours first, then pairs of neighbours: a tree has the same weights for every
#   place, and it is the same thing as a dilated convolution.
# - **Broadcasting hides faults.** Batch norm over axis 0 of a three-dimensional tensor ran, trained, and
#   was wrong. Its statistics were noisier, and each place had its own. Look at shapes even when nothing
#   fails.
# - **A skip connection** hands the gradient on untouched. Batch norm keeps the signal in order going
#   forward, skips keep the gradient in order going back, and deep networks need both.
#
# ## Exercises
#
# 1. *Other trees.* Eight letters can be joined in groups of (8), (4, 2), (2, 4) and (2, 2, 2). Choose
#    hidden sizes that give about the same number of parameters, and compare. Then try sixteen letters in
#    four levels: is it worth it?
# 2. *Once or letter by letter.* Join the dev names to one long text, a dot between two. Compute the logits
#    after each of its symbols by windows and by dilated convolutions. Are they the same? How much faster
#    should it be, and how much is it?
# 3. *Begin with nothing.* Set the gain of the last batch norm of every block to zero, so that each block
#    starts as the identity. What becomes of the gradients of the 38 layers, and of the training, with and
#    without skips?
#
# Answers run in `answers/14_residual_and_wavenet.py`.

# %%
lesson.summary()
