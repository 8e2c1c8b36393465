# %% [markdown]
# # Answers to the exercises of lesson 03, the training loop

# %%
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("03_training_loop_answers")
steps = lesson.steps(full=782, quick=100)
print(f"epochs of {steps} steps of 64 images")

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train, y_train = digits.train.images.view(-1, 784)[: 64 * steps], digits.train.labels[: 64 * steps]
x_valid, y_valid = digits.validation.images.view(-1, 784), digits.validation.labels
print("training", tuple(x_train.shape), "validation", tuple(x_valid.shape))


# %%
def new_model():
    """The lesson's network with the library's start."""
    mg.manual_seed(lesson.seed)
    return nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


def loss_and_accuracy(model):
    """Both over the validation set."""
    with mg.no_grad():
        outputs = model(x_valid)
    return F.cross_entropy(outputs, y_valid).item(), (outputs.argmax(1) == y_valid).float().mean().item()


print("before training: loss {:.3f}, accuracy {:.3f}".format(*loss_and_accuracy(new_model())))

# %% [markdown]
# ## 1. Sorted data
#
# `order` says in which order the training images come.


# %%
def train(model, optimizer, order):
    """One epoch; returns the training losses, and the steps and validation accuracies of every 50th step."""
    losses, measured = [], []
    for step, chosen in enumerate(order.split(64)):
        if step % 50 == 0:
            measured.append((step, loss_and_accuracy(model)[1]))
        loss = F.cross_entropy(model(x_train[chosen]), y_train[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, measured


model = new_model()
two_losses, _ = train(model, optim.SGD(model.parameters(), lr=0.1), mg.arange(min(128, len(x_train))))
print("the first two losses:", " ".join(f"{loss:.3f}" for loss in two_losses))

# %%
shuffled_order = mg.randperm(len(x_train), generator=mg.Generator().manual_seed(lesson.seed))
runs = {}
for name, order in (("sorted", y_train.argsort()), ("shuffled", shuffled_order)):
    model = new_model()
    losses, measured = train(model, optim.SGD(model.parameters(), lr=0.1), order)
    runs[name] = (losses, measured, loss_and_accuracy(model)[1])
    mean = sum(losses[-100:]) / len(losses[-100:])
    print(f"{name:<9} mean training loss at the end {mean:.4f}, validation accuracy {runs[name][2]:.3f}")
assert steps < 100 or runs["sorted"][2] < runs["shuffled"][2]

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4))
for (name, (losses, measured, _)), colour in zip(runs.items(), (VERMILLION, GREEN), strict=True):
    axes[0].plot([max(loss, 1e-4) for loss in losses], color=colour, linewidth=1, label=name)
    axes[1].plot(*zip(*measured, strict=True), color=colour, marker="o", label=name)
axes[0].set(title="training loss", xlabel="step", yscale="log")
axes[1].set(title="validation accuracy", xlabel="step", ylim=(0, 1))
axes[1].axhline(0.1, color=BLACK, linestyle="--", linewidth=1)
axes[1].legend(loc="center left")
lesson.save(figure, "1_sorted")
print("sorted, validation accuracy every 50 steps:", " ".join(f"{value:.2f}" for _, value in runs["sorted"][1]))

# %% [markdown]
# Sorted, the training loss is nearly always tiny: after a few steps among the zeros "it is a 0" is always
# right, and the biases of the last layer are all that is needed to say so. At each change of digit it jumps
# up and falls again. The validation accuracy stays near 0.1, which is what "always the same digit" gets, or
# a little above right after a change, when two digits are still possible. A minibatch of zeros is not a
# random sample of the data: its gradient says nothing about the other nine digits. That is the reason for
# shuffling.
#
# ## 2. Momentum


# %%
class Momentum:
    """Moves each parameter with a velocity that gathers up its gradients."""

    def __init__(self, parameters, lr, momentum=0.9):
        self.parameters, self.lr, self.momentum = list(parameters), lr, momentum
        self.velocities = [mg.zeros_like(p) for p in self.parameters]

    @mg.no_grad()
    def step(self):
        for p, v in zip(self.parameters, self.velocities, strict=True):
            v *= self.momentum
            v += p.grad
            p -= self.lr * v

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


print("velocities:", *(tuple(v.shape) for v in Momentum(new_model().parameters(), lr=0.1).velocities))

# %%
ours, theirs = new_model(), new_model()
some = shuffled_order[: 64 * 50]
train(ours, Momentum(ours.parameters(), lr=0.01), some)
train(theirs, optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9), some)
difference = max((a - b).abs().max().item() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
print(f"after 50 steps the largest difference between our weights and the library's is {difference:.0e}")
assert difference < 1e-4

# %% [markdown]
# A gradient that stays the same is added up with the factors 1, 0.9, 0.81, ...: ten times itself in the
# end. So momentum 0.9 with lr is comparable with plain SGD with 10 lr, and that is how the runs below are
# paired.

# %%
results = {}
for lr in (0.001, 0.01, 0.03, 0.1):
    for name, momentum, rate in (("plain", 0.0, 10 * lr), ("momentum", 0.9, lr)):
        model = new_model()
        train(model, optim.SGD(model.parameters(), lr=rate, momentum=momentum), shuffled_order)
        results[name, lr] = loss_and_accuracy(model)
    print(f"lr {lr:<5} with momentum: loss {{:.4f}} accuracy {{:.4f}}".format(*results["momentum", lr]), end="   ")
    print(f"lr {10 * lr:<4} without: loss {{:.4f}} accuracy {{:.4f}}".format(*results["plain", lr]))

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for name, colour, marker in (("plain", ORANGE, "s"), ("momentum", BLUE, "o")):
    points = [(10 * lr, loss) for (which, lr), (loss, _) in results.items() if which == name]
    axis.plot(*zip(*points, strict=True), color=colour, marker=marker, label=name)
axis.set(xscale="log", xlabel="learning rate, times 10 for momentum", ylabel="validation loss after one epoch")
axis.set_ylim(0, min(max(loss for loss, _ in results.values()) * 1.1, 2.5))
axis.legend()
lesson.save(figure, "2_momentum")
assert all(math.isfinite(results["plain", lr][0]) for lr in (0.001, 0.01))

# %% [markdown]
# Paired like this the two are alike where the rate is small. Where it is large both overshoot, but momentum
# bears it better: no single gradient moves a parameter further than a tenth of what plain SGD makes of it,
# and what is noise in one minibatch is partly undone by the next.
#
# ## 3. A batch in four parts
#
# The loss of the batch is the mean over 256 images: the sum of the four parts' sums, divided by 256. Each
# part's loss is a mean over its own n images. To make its contribution sum/256, multiply it by n/256: for
# four equal parts, divide by 4. With n/256 it is also right when a part is smaller; with 4 it is not.


# %%
def gradients(parts, weight):
    """The gradients added up over parts of a batch, each part's loss times its weight."""
    model = new_model()
    total = sum(len(part) for part in parts)
    for part in parts:
        loss = F.cross_entropy(model(x_train[part]), y_train[part])
        (loss * weight(len(part), total, len(parts))).backward()  # .grad is not emptied in between
    return [p.grad for p in model.parameters()]


whole = gradients([shuffled_order[:256]], lambda size, total, parts: 1)
print("largest gradient of each parameter:", " ".join(f"{g.abs().max().item():.3f}" for g in whole))


# %%
def by_count(size, total, parts):
    return 1 / parts


def by_size(size, total, parts):
    return size / total


def largest_difference(first, second):
    return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))


for count in (256, 200):
    batch = shuffled_order[:count]
    whole = gradients([batch], by_size)
    for name, weight in (("1/4", by_count), ("n / size of the batch", by_size)):
        print(f"{count} images in parts of at most 64, each loss times {name}: ", end="")
        print(f"largest difference {largest_difference(gradients(batch.split(64), weight), whole):.1e}")
assert largest_difference(gradients(batch.split(64), by_size), whole) < 1e-6
