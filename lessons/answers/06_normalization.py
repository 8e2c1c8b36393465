# %% [markdown]
# # Answers to the exercises of lesson 06, normalization

# %%
import copy
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, ORANGE, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad.nn import init

lesson = Lesson("06_normalization_answers")
steps = lesson.steps(full=98, quick=8)
images = 16_000 if steps >= 98 else 128
print(f"epochs of {steps} steps with batches of 512; {images} images in small batches")

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_valid, y_valid = digits.validation.images[:2000], digits.validation.labels[:2000]


def new_model(norm, before=False, bias=False, channels=(8, 16, 32, 32)):
    """The lesson's network; the norm before or behind the ReLU."""
    mg.manual_seed(lesson.seed)
    layers = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise((1, *channels))):
        size = 3 if i else 5
        layers.append(nn.Conv2d(inputs, outputs, size, stride=2, padding=size // 2, bias=bias))
        init.kaiming_normal_(layers[-1].weight)
        layers += [norm(outputs), nn.ReLU()] if before else [nn.ReLU(), norm(outputs)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], 10))


print("parameters:", sum(p.numel() for p in new_model(nn.BatchNorm2d).parameters()))


# %%
def train(model, steps, batch_size=512, lr=0.4):
    """Takes so many steps at a rate that falls to a tenth."""
    optimizer = optim.SGD(model.parameters(), lr)
    line = optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - 0.9 * step / steps)
    order = mg.randperm(len(digits.train), generator=mg.Generator().manual_seed(lesson.seed)).split(batch_size)
    for index in order[:steps]:
        x, y = digits.train[index]
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
        line.step()
    return model


@mg.no_grad()
def accuracy(model):
    """The share of validation images that the model gets right, in the mode that it is in."""
    return (model(x_valid).argmax(1) == y_valid).float().mean().item()


print(f"before training {accuracy(new_model(nn.BatchNorm2d).eval()):.3f}")

# %% [markdown]
# ## 1. Before or behind?

# %%
orders = {"behind the ReLU": {}, "before the ReLU": {"before": True}, "before, with biases": {"before": True, "bias": True}}
for name, options in orders.items():
    row = [accuracy(train(new_model(nn.BatchNorm2d, **options), steps, lr=lr).eval()) for lr in (0.1, 0.4, 1.0)]
    print(f"{name:<20} learning rates 0.1, 0.4, 1.0:", " ".join(f"{value:.4f}" for value in row))

# %%
model = new_model(nn.BatchNorm2d, before=True, bias=True)
x, y = digits.train[:512]
F.cross_entropy(model(x), y).backward()
before = model[0].bias.grad.abs().max().item()
model = new_model(nn.BatchNorm2d, bias=True)
F.cross_entropy(model(x), y).backward()
behind = model[0].bias.grad.abs().max().item()
print(f"largest gradient of the first convolution's bias: norm before the ReLU {before:.1e}, behind it {behind:.1e}")
assert before < 1e-5 < behind

# %% [markdown]
# Both work. Before the ReLU the bias is part of the mean and is taken away with it: its gradient is 0 but for
# rounding, so it can be left out without any loss. Behind the ReLU it does something (it moves the place where
# the ReLU cuts), and leaving it out takes a freedom away. The next norm's adder gives it back one layer
# later, and in practice nobody misses it.
#
# ## 2. How small may a batch be?
#
# The same number of images for every size, so smaller batches take more steps; the learning rate is kept in
# proportion to the square root of the size.

# %%
sizes = (2, 4, 8, 16, 32, 64)
norms = {"batch norm": nn.BatchNorm2d, "running batch norm": nn.RunningBatchNorm,
         "group norm": lambda c: nn.GroupNorm(c // 4, c)}  # fmt: skip
accuracies = {}
for name, norm in norms.items():
    accuracies[name] = []
    for size in sizes:
        model = new_model(norm, channels=(8, 16, 32, 64, 64))  # the last has one place left
        train(model, images // size, size, lr=0.05 * size**0.5)
        accuracies[name].append(accuracy(model.eval()))
    print(f"{name:<19}", "  ".join(f"{size}: {value:.3f}" for size, value in zip(sizes, accuracies[name], strict=True)))

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for (name, row), colour, marker in zip(accuracies.items(), (VERMILLION, GREEN, BLUE), "ovs", strict=True):
    axis.plot(sizes, row, color=colour, marker=marker, label=name)
axis.set(xscale="log", xlabel="images per batch", ylabel="validation accuracy", xticks=sizes, ylim=(0, 1))
axis.set_xticks([], minor=True)
axis.xaxis.set_major_formatter("{x:g}")
axis.legend(loc="lower right")
lesson.save(figure, "1_batch_sizes")
assert images < 16_000 or accuracies["batch norm"][0] < accuracies["running batch norm"][0]

# %% [markdown]
# Batch norm fails with 2 and suffers a little with 4; from about 8 images on it is as good as any. The others do
# not fail at any size.
#
# ## 3. Statistics that come too late
#
# Running statistics start at mean 0 and variance 1. After k batches their share of this start is 0.9 to the
# power of k; for k = 20 it is 12 %. Worse, they are an average of the past, and in the first steps the past is
# another network.

# %%
model = train(new_model(nn.BatchNorm2d), min(20, steps), lr=1.0)
taken = model[2].num_batches_tracked.item()
in_training = accuracy(copy.deepcopy(model))  # a copy, as this moves its running statistics
ends = {"in training mode": in_training, "in evaluation": accuracy(model.eval())}
print(f"after {taken} steps the start has still a share of {0.9**taken:.2f} in the running statistics")


# %%
@mg.no_grad()
def debiased(model):
    """A copy whose running statistics have the start taken out of them."""
    model = copy.deepcopy(model)
    for norm in model:
        if isinstance(norm, nn.BatchNorm2d):
            rest = 0.9 ** norm.num_batches_tracked.item()
            norm.running_mean.div_(1 - rest)
            norm.running_var.sub_(rest).div_(1 - rest)
    return model.eval()


ends["debiased"] = accuracy(debiased(model))
print(f"debiased: accuracy {ends['debiased']:.3f}")


# %%
@mg.no_grad()
def measured_anew(model, batches=10):
    """A copy whose statistics are plain averages over some training batches; its weights are the same."""
    model = copy.deepcopy(model).train()
    for norm in model:
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    for i in range(batches):
        model(digits.train[512 * i : 512 * (i + 1)][0])
    return model.eval()


ends["measured anew"] = accuracy(measured_anew(model))
for name, value in ends.items():
    print(f"{name:<17} accuracy {value:.3f}")

# %%
figure, axis = plt.subplots(figsize=(8, 2.8))
axis.barh(list(ends), list(ends.values()), color=[ORANGE, VERMILLION, BLUE, GREEN])
axis.set(xlabel="validation accuracy", xlim=(0, 1), title=f"the same weights after {taken} steps")
axis.invert_yaxis()
lesson.save(figure, "2_late_statistics")
assert steps < 20 or abs(ends["measured anew"] - ends["in training mode"]) < 0.05

# %% [markdown]
# The weights are the same in all four, so the statistics alone are to blame. Debiasing takes out the start,
# but not the age of what is in the average. Measured anew, from the network as it is now, the statistics are as
# good as those of a batch. In a long training the weights hardly move at the end and nothing of this matters; in
# a short one, or with a momentum too small, a network can look far worse than it is.
