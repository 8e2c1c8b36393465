# %% [markdown]
# # Answers to the exercises of lesson 14, residual networks and WaveNet

# %%
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("14_residual_and_wavenet_answers", seed=42)
steps = lesson.steps(full=15_000, quick=100)
digit_steps = min(300, lesson.steps(full=300, quick=10))
print(f"names: {steps} steps a network, digits: {digit_steps}")

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
train_words, dev_words, _ = datasets.split(words, seed=42)
data = {back: [datasets.contexts(part, vocabulary, back) for part in (train_words, dev_words)] for back in (8, 16)}
print(f"{len(data[8][0][1])} examples to train on, {len(data[8][1][1])} to compare with")

# %% [markdown]
# ## 1. Other trees
#
# The lesson's layers, with the library's batch norm. A group of n letters makes a layer of n times as many
# inputs, so the fewer the levels, the more units each can have.


# %%
class Joined(nn.Module):
    """n neighbouring places side by side, a linear layer, batch norm over examples and places, tanh."""

    def __init__(self, n, inputs, outputs):
        super().__init__()
        self.n, self.linear, self.norm = n, nn.Linear(n * inputs, outputs, bias=False), nn.BatchNorm1d(outputs)

    def forward(self, x):
        N, T, C = x.shape
        x = self.linear(x.view(N, T // self.n, self.n * C))
        return mg.tanh(self.norm(x.transpose(1, 2)).transpose(1, 2))


print("a level:", tuple(Joined(2, 10, 68)(mg.zeros(32, 8, 10)).shape))


# %%
def tree(groups, hidden, width=10):
    """A network that joins letters in these groups."""
    mg.manual_seed(lesson.seed)
    sizes = [width] + [hidden] * len(groups)
    layers = [Joined(*shape) for shape in zip(groups, sizes, sizes[1:], strict=False)]
    return nn.Sequential(nn.Embedding(size, width), *layers, nn.Flatten(), nn.Linear(hidden, size))


def count(model):
    """How many parameters a network has."""
    return sum(p.numel() for p in model.parameters())


print("parameters of the lesson's tree:", count(tree((2, 2, 2), 68)))

# %% [markdown]
# For each grouping, the number of units that comes nearest to the same number of parameters.


# %%
def fitting(groups, wanted=22_397):
    """The hidden size with which the tree has about `wanted` parameters."""
    return min(range(20, 260), key=lambda hidden: abs(count(tree(groups, hidden)) - wanted))


trees = {groups: fitting(groups) for groups in ((8,), (4, 2), (2, 4), (2, 2, 2), (2, 2, 2, 2))}
for groups, hidden in trees.items():
    print(f"{groups!s:<13} {math.prod(groups):>2} letters, {hidden:>3} units, {count(tree(groups, hidden))} parameters")


# %%
def train(model, back):
    """Trains in place as in the lesson; returns the dev loss."""
    (X, Y), (Xdev, Ydev) = data[back]
    g, optimizer = mg.Generator().manual_seed(lesson.seed), optim.SGD(model.parameters(), lr=0.1)
    for step in lesson.progress(steps, f"{back} letters"):
        optimizer.param_groups[0]["lr"] = 0.1 if step < 0.75 * steps else 0.01
        ix = mg.randint(0, len(Y), (32,), generator=g)
        loss = F.cross_entropy(model(X[ix]), Y[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with mg.no_grad():
        logits = mg.cat([model(x) for x in Xdev.split(4000)])
    print(f"dev loss after {steps} steps {F.cross_entropy(logits, Ydev).item():.4f}", end="; ")
    return F.cross_entropy(logits, Ydev).item()


# %%
dev_losses, models = {}, {}
for groups, hidden in trees.items():
    models[groups] = tree(groups, hidden)
    dev_losses[groups] = train(models[groups], math.prod(groups))
    print(f"groups {groups}")

# %%
figure, axis = plt.subplots(figsize=(8, 3.6))
axis.plot(list(dev_losses.values()), [str(groups) for groups in trees], "o", color=BLUE, markersize=10)
for i, loss in enumerate(dev_losses.values()):
    axis.text(loss, i, f"   {loss:.3f}", va="center")
axis.set(xlabel="dev loss (nats)", title=f"about 22400 parameters each, {steps} steps")
axis.margins(x=0.2, y=0.15)
axis.grid(axis="y", color="0.9")
axis.invert_yaxis()
lesson.save(figure, "1_trees")
spread = max(dev_losses.values()) - min(dev_losses.values())
print(f"between the best and the worst: {spread:.4f}")

# %% [markdown]
# With the same number of parameters the groupings are close together. Sixteen letters bring nothing: only
# few names are longer than eight, and the fourth level takes parameters from the others.
#
# ## 2. Once or letter by letter
#
# The text, and after each of its symbols but the first seven the logits: once by a window of eight symbols
# for each, and once with every pair, four and eight computed only once. A convolution with two places and a
# dilation of d multiplies the symbol at one place by one half of the matrix, and the symbol d places
# further by the other.

# %%
codes = mg.tensor(vocabulary.encode(".".join(dev_words)))
print(f"{len(codes)} symbols, {len(codes) - 7} windows")


# %%
@mg.no_grad()
def by_windows(model):
    """The logits by one window of eight for each symbol, 2000 at a time."""
    index = mg.arange(len(codes) - 7).unsqueeze(1) + mg.arange(8)
    return mg.cat([model(codes[part]) for part in index.split(2000)])


@mg.no_grad()
def by_convolution(model):
    """The same, each pair, four and eight computed once; 2000 symbols at a time, and seven more to begin with."""
    outputs = []
    for start in range(0, len(codes) - 7, 2000):
        x = model[0](codes[start : start + 2007])
        for d, layer in zip((1, 2, 4), model[1:4], strict=True):
            x = mg.tanh(layer.norm(layer.linear(mg.cat([x[:-d], x[d:]], dim=1))))
        outputs.append(model[-1](x))
    return mg.cat(outputs)


print("logits:", tuple(by_convolution(models[2, 2, 2]).shape))


# %%
model, times = models[2, 2, 2], {}
for function in (by_windows, by_convolution):
    start = time.perf_counter()
    for _ in range(3):
        function(model)
    times[function.__name__] = (time.perf_counter() - start) / 3
    print(f"{function.__name__:<15} {1000 * times[function.__name__]:.0f} ms")
difference = (by_windows(model) - by_convolution(model)).abs().max().item()
print(f"{times['by_windows'] / times['by_convolution']:.1f} times faster, largest difference {difference:.1e}")
assert difference < 1e-3

# %% [markdown]
# By windows each symbol costs 4 + 2 + 1 = 7 joinings, by convolution one for each level, 3. So 7/3 = 2.3
# times faster would be the most. The logits cost the same either way, and laying neighbours side by side is
# now a copy and no longer a view, so a part of it is lost. Sharing helps the more, the longer the context
# is: for 1024 symbols it is 1023 joinings against 10.

# %% [markdown]
# ## 3. Begin with nothing
#
# With a last gain of zero, f(x) = 0 in every block. With skips, y = relu(x + 0) = x, since x comes out of a
# ReLU already: the network starts as one convolution and one linear layer, and the gradient passes through
# 36 layers without any change. Without skips, y = relu(0) = 0: nothing passes at all, in either direction.


# %%
class Bottleneck(nn.Module):
    """The lesson's block; `gain` is that of its last batch norm at the start."""

    def __init__(self, skip, gain):
        super().__init__()
        self.skip = skip
        down = [nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        around = [nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        self.body = nn.Sequential(*down, *around, nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16))
        nn.init.constant_(self.body[-1].weight, gain)

    def forward(self, x):
        return F.relu(x + self.body(x)) if self.skip else F.relu(self.body(x))


x = F.relu(mg.randn(2, 16, 7, 7))
print("a block with gain 0 changes its input by", (Bottleneck(True, 0.0)(x) - x).abs().max().item())


# %%
def network(skip, gain, blocks=12):
    """The lesson's network of 38 layers."""
    mg.manual_seed(lesson.seed)
    stem = [nn.Conv2d(1, 16, 4, stride=4, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    body = [Bottleneck(skip, gain) for _ in range(blocks)]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


print(f"{sum(isinstance(m, nn.Conv2d | nn.Linear) for m in network(True, 0).modules())} layers")

# %%
digits = datasets.digits((5000, 1000, 0), seed=0, dtype=mg.float32, normalize=True)
images, labels = digits.train.images, digits.train.labels


def gradients_between(model):
    """The norm of the gradient that arrives at the output of each block."""
    outputs, x = [], model[:3](images[:256])
    for block in model[3:-3]:
        x = block(x)
        x.retain_grad()
        outputs.append(x)
    F.cross_entropy(model[-3:](x), labels[:256]).backward()
    return [y.grad.norm().item() for y in outputs]


choices = {f"{name}, gain {gain}": (name == "skips", gain) for name in ("skips", "plain") for gain in (1, 0)}
arriving = {name: gradients_between(network(*choice)) for name, choice in choices.items()}
for name, row in arriving.items():
    print(f"{name}: after block 1 {row[0]:.2e}, after block 6 {row[5]:.2e}, after block 12 {row[-1]:.2e}")


# %%
def train_digits(model, lr=0.05):
    """Trains in place; returns the losses and the share of validation digits read rightly."""
    g, found = mg.Generator().manual_seed(lesson.seed), []
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for step in lesson.progress(digit_steps, "digits"):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / digit_steps)
        ix = mg.randint(0, len(labels), (64,), generator=g)
        loss = F.cross_entropy(model(images[ix]), labels[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    model.eval()
    with mg.no_grad():
        right = model(digits.validation.images).argmax(1) == digits.validation.labels
    print(f"loss of the last steps {sum(found[-20:]) / len(found[-20:]):.3f}", end="; ")
    return found, right.float().mean().item()


# %%
trained = {}
for name, choice in choices.items():
    trained[name] = train_digits(network(*choice))
    print(f"right {trained[name][1]:.3f}; {name}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
for (name, (losses, _)), colour in zip(trained.items(), (GREEN, BLUE, VERMILLION, SKY), strict=True):
    smooth = [sum(losses[max(0, i - 10) : i + 1]) / len(losses[max(0, i - 10) : i + 1]) for i in range(len(losses))]
    axes[0].plot(range(1, 13), [value or None for value in arriving[name]], "o-", color=colour, label=name)
    axes[1].plot(smooth, color=colour, label=name)
axes[0].set(yscale="log", xlabel="block", ylabel="norm of the gradient", title="behind each block (plain, gain 0: none)")
axes[1].set(xlabel="training step", ylabel="loss (nats)", title="38 layers", ylim=(0, None))
axes[0].legend(loc="upper right")
lesson.save(figure, "2_begin_with_nothing")
assert math.isclose(arriving["skips, gain 0"][0], arriving["skips, gain 0"][-2], rel_tol=1e-4)
print("skips, gain 0: the gradient behind blocks 1 to 11 is the same")

# %% [markdown]
# With skips and gain 0 the gradient is the same behind every block but the last, whose ReLU holds back what
# belongs to zeros. A perfect start, then? It trains, but here more slowly than with gain 1. In the first
# step the convolutions in the blocks get no gradient at all, only the gains do, and until these have grown
# the network is hardly more than two layers. A level gradient is not everything: it must also have
# something to teach. (In networks of hundreds of layers, where gain 1 makes the first steps too wild, the
# careful start pays.) Without skips gain 0 is the worst start there is: every image gets the same answer,
# and nothing moves.
