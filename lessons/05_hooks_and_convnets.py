# %% [markdown]
# # Hooks and convolutions: looking into a network that sees
#
# A training loop shows one number, the loss. It goes down, and everyone is content. But a loss can go down
# while half of the network is dead, and a network can be about to collapse while its loss still looks
# harmless. To know, one has to look at what the layers put out, while they learn.
#
# In this lesson we build a network for images out of **convolutions**, after computing a convolution in
# three ways. Then we look inside of it, in every step of its training: first with our bare hands, then with
# **hooks**, small functions that a layer calls when it has done its work. The picture is alarming. We
# repair what it shows, twice, and measure what each repair was worth.
#
# You need to know the training loop with callbacks, and why weights start with the standard deviation gain
# / √fan-in (Kaiming's rule).

# %%
import itertools
import os
import time
from functools import partial

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad.diagnostics import Hooks, dead, near_zero, plot_histograms, summary
from minigrad.nn import init
from minigrad.train import Learner, Metrics, OneCycle, ProgressBar, Recorder, accuracy
from minigrad.utils.data import DataLoader, TensorDataset

lesson = Lesson("05_hooks_and_convnets")
FULL = 98
steps = lesson.steps(full=FULL, quick=12)
print(f"{steps} training steps an epoch, generator seed {lesson.seed}")

# %% [markdown]
# The data are MNIST's handwritten digits. So far every image was a row of 784 numbers, and the network did
# not know which pixels are neighbours. Now an image keeps its shape: 1 x 28 x 28, where the 1 is the number
# of **channels** (a colour image would have three). A batch has 512 images; 98 batches are the whole
# training set.

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train, y_train = digits.train.images[: 512 * steps], digits.train.labels[: 512 * steps]
judged = 2000 if lesson.quick else 10_000  # images to validate with
x_valid, y_valid = digits.validation.images[:judged], digits.validation.labels[:judged]
print("training", tuple(x_train.shape), "validation", tuple(x_valid.shape))

# %% [markdown]
# ## 1. What a convolution is
#
# A linear layer gives every output its own weight for every pixel. Two things about images are wasted in
# this way. What belongs together is *near* together: an edge is known from a few neighbouring pixels. And
# an edge is an edge *wherever* it is: what has been learned about one corner should hold in the others.
#
# A **convolution** uses both facts. It has a small square of weights, the **kernel**. The kernel is laid
# over a part of the image, each weight is multiplied with the pixel below it, the products are added up:
# that is one output. Then it moves on. Every place is looked at with the *same* weights.
#
# Here is a kernel of 3 x 3, positive above and negative below. Where the image is bright above and dark
# below, that is at the lower edge of a stroke, the sum is large.

# %%
image = x_valid[(y_valid == 7).nonzero()[0, 0].item(), 0]  # (28, 28), the first 7
lower_edge = mg.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])


def response(image, kernel):
    """The kernel laid over every place of the image where it fits."""
    size, places = len(kernel), range(len(image) - len(kernel) + 1)
    return [[(image[i : i + size, j : j + size] * kernel).sum().item() for j in places] for i in places]


edges = response(image, lower_edge)
print(f"image 28 x 28, kernel 3 x 3, output {len(edges)} x {len(edges[0])}")
assert len(edges) == 26

# %%
kernels = {"lower edge": lower_edge, "upper edge": -lower_edge, "right edge": lower_edge.T, "left edge": -lower_edge.T}
figure, axes = plt.subplots(1, 5, figsize=(12, 3))
axes[0].imshow(image.tolist(), cmap="gray")
axes[0].set_title("image")
for axis, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    axis.imshow(response(image, kernel), cmap="RdBu_r", vmin=-9, vmax=9)
    axis.set_title(name)
    inset = axis.inset_axes([0.02, 0.02, 0.2, 0.2])
    inset.imshow(kernel.tolist(), cmap="RdBu_r", vmin=-2, vmax=2)
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set_visible(True)
for axis in axes:
    axis.set_axis_off()
lesson.save(figure, "1_edges")
print(f"largest response to a lower edge {max(map(max, edges)):.2f}")

# %% [markdown]
# Red is a large response, blue a negative one; the kernel is shown in the corner. Nobody has to choose
# kernels: in a network they are the weights, and are learned.
#
# A layer of a network is more general in four ways.
#
# - It has several kernels, one for each channel of its *output*.
# - Each kernel has a square for each channel of the *input*, and adds up over all of them.
# - A margin of zeros is put around the image, the **padding** p, so that the kernel also fits at the rim.
# - The kernel may move by more than one pixel at a time, the **stride** s. With s = 2 the output has half
#   the height and width.
#
# With kernels w, a bias b for each output channel o, input channels c and places u, v in the kernel:
#
# $$ y_{o,i,j} = b_o + \sum_c \sum_u \sum_v w_{o,c,u,v} \, x_{c,\; si+u-p,\; sj+v-p} $$
#
# An image of n pixels and a kernel of k give ⌊(n + 2p - k) / s⌋ + 1 outputs in each direction (⌊ ⌋: rounded
# down).


# %%
def output_size(n, k, stride, padding):
    """Outputs along a side of n pixels, with a kernel of k."""
    return (n + 2 * padding - k) // stride + 1


for n, k in ((28, 5), (14, 3), (7, 3), (4, 3)):
    print(f"side {n:>2}, kernel {k}, stride 2, padding {k // 2}: {output_size(n, k, 2, k // 2)}")
    by_library = F.conv2d(mg.zeros(1, 1, n, n), mg.zeros(1, 1, k, k), stride=2, padding=k // 2)
    assert by_library.shape[-1] == output_size(n, k, 2, k // 2)

# %% [markdown]
# ## 2. Three ways to compute it
#
# First exactly as the formula says: a loop for each letter. (On plain Python lists, because to pick single
# numbers out of a tensor would take even longer.)


# %%
def by_loops(image, w, b, stride, padding):
    """One image (C, H, W), kernels w (O, C, k, k) and biases b (O), to nested lists (O, H', W')."""
    k, channels = w.shape[2], range(w.shape[1])
    places = range(output_size(image.shape[1], k, stride, padding))
    x, w, b = F.pad(image, (padding,) * 4).tolist(), w.tolist(), b.tolist()
    y = [[[bias for _ in places] for _ in places] for bias in b]
    for o, i, j in itertools.product(range(len(b)), places, places):
        for c, u, v in itertools.product(channels, range(k), range(k)):
            y[o][i][j] += w[o][c][u][v] * x[c][stride * i + u][stride * j + v]
    return y


mg.manual_seed(lesson.seed)
layer = nn.Conv2d(1, 8, 5, stride=2, padding=2)
w, b = layer.weight.detach(), layer.bias.detach()
slow = mg.tensor(by_loops(x_valid[0], w, b, stride=2, padding=2))
print("kernels", tuple(w.shape), "output of one image", tuple(slow.shape))

# %% [markdown]
# The second way finds a matrix product in it. For *one* place of the kernel the sum over c, u, v is the
# product of a row of 25 weights with the 25 pixels below it. So write the pixels below each place as a
# column of a matrix: 25 rows, and 14 · 14 = 196 columns. To write them down in this way is called
# **unfolding**. A pixel appears in several columns, so this costs memory. But afterwards all places and all
# kernels are done by a single matrix product: (8 x 25) @ (25 x 196).


# %%
def our_unfold(x, k, stride, padding):
    """Images (N, C, H, W) to columns (N, C * k * k, places)."""
    x = F.pad(x, (padding,) * 4)
    reach = x.shape[2] - k + 1
    slices = [x[:, :, u : u + reach : stride, v : v + reach : stride] for u in range(k) for v in range(k)]
    return mg.stack(slices, dim=2).reshape(len(x), x.shape[1] * k * k, -1)


def by_matrix_product(x, w, b, stride, padding):
    """Images (N, C, H, W) to (N, O, H', W')."""
    columns = our_unfold(x, w.shape[2], stride, padding)
    size = output_size(x.shape[2], w.shape[2], stride, padding)
    return (w.view(len(w), -1) @ columns + b[:, None]).view(len(x), len(w), size, size)


columns = our_unfold(x_valid[:4], 5, 2, 2)
print("columns of four images", tuple(columns.shape))
assert mg.equal(columns, F.unfold(x_valid[:4], 5, padding=2, stride=2)), "as the library's unfold"

# %% [markdown]
# The third way is the library's `F.conv2d`. It unfolds as well, but only as much at a time as fits into the
# processor's fast memory. All three must agree:

# %%
for name, y in (("loops", slow), ("matrix product", by_matrix_product(x_valid[:1], w, b, 2, 2)[0])):
    difference = (y - F.conv2d(x_valid[:1], w, b, stride=2, padding=2)[0]).abs().max().item()
    print(f"{name:<15} largest difference from the library's {difference:.0e}")
    assert difference < 1e-5

# %% [markdown]
# Timed for the first two layers of the network to come. The loops get one image, the others 512, and we
# divide by the number of images.


# %%
def seconds_per_image(function, images, repeats=3):
    """The best of some trials."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(images)
        if mg.cuda.is_available():
            mg.cuda.synchronize()  # a GPU works on while Python has gone ahead
        times.append((time.perf_counter() - start) / len(images))
    return min(times)


@mg.no_grad()
def three_times(layer, x):
    """Seconds per image of each of the three ways."""
    how = {"w": layer.weight, "b": layer.bias, "stride": 2, "padding": layer.padding[0]}
    loops = seconds_per_image(lambda images: by_loops(images[0], **how), x[:1])
    return loops, seconds_per_image(lambda images: by_matrix_product(images, **how), x), seconds_per_image(layer, x)


assert seconds_per_image(len, [0]) < 1

# %%
images, second = x_valid[:512], nn.Conv2d(8, 16, 3, stride=2, padding=1)
speeds = {"1 -> 8": three_times(layer, images), "8 -> 16": three_times(second, layer(images).detach())}
print(f"{'µs per image':<14}{'loops':>10}{'matrix product':>17}{'library':>10}")
for name, values in speeds.items():
    print(f"{name:<14}{values[0] * 1e6:10.0f}{values[1] * 1e6:17.1f}{values[2] * 1e6:10.1f}")

# %% [markdown]
# ## 3. A network of convolutions
#
# Four convolutions with stride 2 make the image smaller and smaller, 28, 14, 7, 4, 2 pixels wide, and the
# number of channels larger: 1, 8, 16, 32, 32. So from layer to layer there is less "where" and more "what".
# At the end the four places that are left are averaged, and a linear layer makes ten outputs of the 32
# averages.
#
# The first kernel is 5 x 5, the others are 3 x 3. Why? With 3 x 3 the first layer would make 8 numbers out
# of 9 pixels, which is hardly a summary.
#
# One piece is missing. The average has the shape N x 32 x 1 x 1, and a linear layer wants N x 32. A module
# that does this is quickly written (and the library has it as `nn.Flatten`).


# %%
class Flatten(nn.Module):
    """(N, ...) to (N, everything else)."""

    def forward(self, x):
        return x.view(len(x), -1)


print("flattened:", tuple(Flatten()(mg.zeros(512, 32, 1, 1)).shape))


# %%
def conv(channels_in, channels_out, size=3, activation=nn.ReLU):
    """A convolution that halves height and width, and the function after it."""
    layer = nn.Conv2d(channels_in, channels_out, size, stride=2, padding=size // 2)
    return nn.Sequential(layer, activation())


def conv_net(activation=nn.ReLU):
    """1 -> 8 -> 16 -> 32 -> 32 channels, always with the same weights."""
    mg.manual_seed(lesson.seed)
    convolutions = [conv(1, 8, 5, activation), conv(8, 16, activation=activation), conv(16, 32, activation=activation),
                    conv(32, 32, activation=activation)]  # fmt: skip
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), Flatten(), nn.Linear(32, 10))


model = conv_net()
print(model)

# %% [markdown]
# How many parameters is that? A convolution has out · in · k · k weights and a bias for each output. Note
# where they are: not where the numbers are many, in the large first images, but at the end.

# %%
for name, p in model.named_parameters():
    print(f"{name:<12}{str(tuple(p.shape)):<18}{p.numel():>6}")
count = sum(p.numel() for p in model.parameters())
print(f"together {count}; a linear layer from 784 to the first 8 x 14 x 14 alone would have {784 * 8 * 196 + 8 * 196}")
assert count == (8 * 25 + 8) + (16 * 8 * 9 + 16) + (32 * 16 * 9 + 32) + (32 * 32 * 9 + 32) + (32 * 10 + 10)

# %% [markdown]
# The library's `summary` sends something through the network, and can tell more: the shape of each output,
# and how much is calculated (**FLOPs**, floating-point operations, of which a multiplication and an
# addition are one each) and kept in memory. Of a layer of our own we must say how much it calculates: here
# nothing.

# %%
table = summary(model, (512, 1, 28, 28), flops={Flatten: lambda layer, inputs, output: 0})
print(table)
assert table.parameters == count

# %% [markdown]
# ### The same script on a GPU
#
# Nothing in this lesson says where the numbers are. The library decides that once, when it is imported, by
# an environment variable: `numpy`, which is the default, or `cupy`, which does the same on a graphics
# processor. So the whole lesson, not a letter changed, runs there with
#
#     MINIGRAD_BACKEND=cupy python lessons/05_hooks_and_convnets.py
#
# if the machine has such a processor, and CuPy is installed.

# %%
print(f"MINIGRAD_BACKEND={os.environ.get('MINIGRAD_BACKEND', 'numpy')}: the weights are on", model[0][0].weight.device)

# %% [markdown]
# ## 4. Looking inside, by hand
#
# Now train. The learning rate of 0.4 is bold; we shall see why one would want that. `fit` makes a learner
# and lets it run, with whatever callbacks we give it.


# %%
def loaders(count=None, validation_batch=2000):
    """The first `count` training images in random order, and the validation images."""
    g = mg.Generator().manual_seed(lesson.seed)
    train_loader = DataLoader(TensorDataset(x_train[:count], y_train[:count]), 512, shuffle=True, generator=g)
    return train_loader, DataLoader(TensorDataset(x_valid, y_valid), validation_batch)


def fit(model, epochs, callbacks=(), lr=0.4, data=None):
    """Trains the model, and returns the learner."""
    optimizer = optim.SGD(model.parameters(), lr=lr)
    learner = Learner(model, data or loaders(), F.cross_entropy, optimizer, [Metrics(accuracy), *callbacks])
    learner.fit(epochs)
    return learner


first = fit(conv_net(), 1, [ProgressBar()])
print(f"after one epoch {100 * first.metrics['validation_accuracy']:.1f} % are right")

# %% [markdown]
# That is a poor result for a first epoch; the network of two linear layers was better. Why? The loss does
# not say. So let the model keep, for each of its four convolutions, the mean and the standard deviation of
# what they put out, every time that it is called. The simplest way is to write a `forward` that does it.


# %%
class Watched(nn.Module):
    """Layers one after the other; remembers mean and std of what the first four put out."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.means, self.stds = ([[] for _ in range(4)] for _ in range(2))

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < 4:
                self.means[i].append(x.mean().item())
                self.stds[i].append(x.std().item())
        return x


by_hand = Watched(conv_net())
by_hand(x_valid[:512])
print("std of the four layers before training:", " ".join(f"{stds[0]:.3f}" for stds in by_hand.stds))

# %% [markdown]
# Watch it for three very short epochs, a third of the training images each. The picture shows the standard
# deviations of every call.

# %%
third = max(1, steps // 3)  # steps of an epoch
by_hand = Watched(conv_net())
learner = fit(by_hand, 3, data=loaders(512 * third, validation_batch=512))
in_validation = len(learner.data.validation)
calls = len(by_hand.stds[0])
print(f"{calls} calls, but only {3 * third} steps: the others are batches of validation")
assert calls == 3 * (third + in_validation)

# %%
DEPTH = (BLUE, ORANGE, GREEN, VERMILLION)


def plot_layers(axis, curves, title, ylabel):
    """One curve for each of the four layers."""
    for i, (values, colour) in enumerate(zip(curves, DEPTH, strict=True), start=1):
        axis.plot(values, color=colour, label=f"layer {i}", linewidth=1.5)
    axis.set(title=title, xlabel="call" if "call" in title else "step", ylabel=ylabel)
    axis.locator_params(axis="x", integer=True)


figure, axis = plt.subplots(figsize=(11, 3.8))
plot_layers(axis, by_hand.stds, "std of the activations, every call: a picture that misleads", "std")
for epoch in range(3):
    end = (epoch + 1) * (third + in_validation) - 0.5
    axis.axvspan(end - in_validation, end, color="0.9", zorder=0, label="validation" if epoch == 2 else None)
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "2_misleading")

# %% [markdown]
# Read without the grey bars, this seems to say: the network learns for a while, then for twenty steps
# nothing happens at all, then something does. Why would training rest at regular intervals? It does not. In
# the grey parts there were no steps; the same weights were shown twenty batches of validation images. Had
# these images been easier or harder, or had a layer behaved differently in validation, there would be jumps
# as well, and even more to puzzle about.
#
# Hence the rule: *what is watched over time is watched in training only*. A module knows which it is:
# `training` is True after `model.train()`, False after `model.eval()`.
#
# ## 5. Hooks
#
# The second fault of our method: a model must be rewritten in order to be watched. What if it is somebody
# else's, or has its layers not in a row but in a tree? But every module is *called* in the same way, and
# `nn.Module` offers to call a function of ours each time that a module has put something out. Such a
# function is a **hook**; it is a callback, of a module instead of a training loop. It gets the module, its
# inputs, and its output.
#
# Registering a hook returns a handle, with which it can be removed. That must not be forgotten: a hook that
# stays goes on collecting for ever.

# %%
model, seen = conv_net(), []


def remember(number, module, inputs, output):
    """A hook, but for its first argument."""
    seen.append((number, output.std().item()))


handles = [module.register_forward_hook(partial(remember, i)) for i, module in enumerate(model) if i < 4]
model(x_valid[:512])
print("seen:", ", ".join(f"layer {i + 1} {std:.3f}" for i, std in seen))
for handle in handles:
    handle.remove()
model(x_valid[:512])
print(f"without the hooks nothing more is seen: {len(seen)} numbers")
assert len(seen) == 4

# %% [markdown]
# What a hook finds out should be kept with the hook, not in a list somewhere. So make an object of it: it
# registers itself, has a place for its findings, and can be removed. It calls a function that is told what
# to keep. And it looks on in training only.


# %%
class OurHook:
    """Calls function(hook, module, inputs, output) when the module has been called in training."""

    def __init__(self, module, function):
        self.function, self.means, self.stds = function, [], []
        self.handle = module.register_forward_hook(self.call)

    def call(self, module, inputs, output):
        if module.training:
            self.function(self, module, inputs, output)


def keep_mean_and_std(hook, module, inputs, output):
    """What our hooks shall do."""
    hook.means.append(output.mean().item())
    hook.stds.append(output.std().item())


assert not hasattr(OurHook, "stats"), "ours keep two lists; the library's keep any number, in `stats`"

# %%
hook = OurHook(model[0], keep_mean_and_std)
model(x_valid[:512])
model.eval()
model(x_valid[:512])
hook.handle.remove()
print(f"called twice, once in training: {len(hook.stds)} std kept, {hook.stds[0]:.3f}")
assert len(hook.stds) == 1

# %% [markdown]
# ### A context manager that cleans up
#
# And how do we make sure that hooks are removed, even if the training stops with an error in between?
# Python has a statement for this. After `with something:`, Python calls `something.__enter__()`, runs the
# block, and then calls `something.__exit__()`, *however the block ended*. Files are closed in this way. An
# object with these two methods is a **context manager**.


# %%
class OurHooks:
    """A hook on each of the modules, as long as its `with` block lasts."""

    def __init__(self, modules, function):
        self.modules, self.function = modules, function

    def __enter__(self):
        self.hooks = [OurHook(module, self.function) for module in self.modules]
        return self.hooks

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.handle.remove()


with OurHooks(list(model)[:4], keep_mean_and_std) as hooks:
    print(f"{len(hooks)} hooks are there now, and gone after this block")

# %%
try:
    with OurHooks(list(model.train())[:4], keep_mean_and_std) as hooks:
        model(x_valid[:512])
        model("not an image")
except (TypeError, AttributeError) as error:
    print(f"{type(error).__name__}, as it should be")
model(x_valid[:512])
print("values kept by each hook:", *(len(hook.stds) for hook in hooks))
assert all(len(hook.stds) == 1 for hook in hooks)

# %% [markdown]
# The three short epochs again, on the unchanged model, with our hooks and with the library's, which are
# called `Hooks` and keep their findings in a dictionary of lists, `stats`. Both should see what the
# rewritten model saw, less the batches of validation.


# %%
def mean_and_std(hook, module, inputs, output):
    """What the library's hooks shall do."""
    hook.stats["mean"].append(output.mean().item())
    hook.stats["std"].append(output.std().item())


model = conv_net()
with OurHooks(list(model)[:4], keep_mean_and_std) as ours, Hooks(list(model)[:4], mean_and_std) as theirs:
    fit(model, 3, data=loaders(512 * third, validation_batch=512))
for i in range(4):
    in_training = [std for call, std in enumerate(by_hand.stds[i]) if call % (third + in_validation) < third]
    assert ours[i].stds == theirs[i].stats["std"] == in_training
    print(f"layer {i + 1}: {len(ours[i].stds)} steps, last std {ours[i].stds[-1]:.4f}")

# %% [markdown]
# ## 6. Rise and crash
#
# Now we can look at the whole training of the network that did so badly: three epochs, means and standard
# deviations of the four layers, on the left the first ten steps, on the right all.


# %%
def watched_fit(model, epochs, function, callbacks=(), **options):
    """Trains the model with the library's hooks on its four convolutions; returns the learner and the hooks' stats."""
    with Hooks(list(model)[:4], function) as hooks:
        learner = fit(model, epochs, callbacks, **options)
    return learner, [hook.stats for hook in hooks]


tried, stats = watched_fit(conv_net(), 1, mean_and_std, data=loaders(1024))
print(f"{tried.step} steps, and {len(stats[0]['std'])} standard deviations of layer 1")


# %%
def plot_first_and_all(stats, title, name):
    """Means and stds of the first ten steps and of all."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 4.4), width_ratios=[1, 2], sharex="col")
    for row, what in zip(axes, ("mean", "std"), strict=True):
        plot_layers(row[0], [layer[what][:10] for layer in stats], "the first ten steps", what)
        plot_layers(row[1], [layer[what] for layer in stats], title, "")
    for axis in axes[0]:
        axis.set_xlabel("")
    for axis in axes[1]:
        axis.set_title("")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside right center")
    lesson.save(figure, name)


assert len(DEPTH) == 4

# %%
recorder = Recorder()
default, default_stats = watched_fit(conv_net(), 3, mean_and_std, [recorder])
print("std at the start:", " ".join(f"{layer['std'][0]:.3f}" for layer in default_stats))
print("std at its largest:", " ".join(f"{max(layer['std']):.3f}" for layer in default_stats))

# %%
plot_first_and_all(default_stats, "the layers as they come, all steps", "3_rise_and_crash")
print("accuracy after each epoch:", " ".join(f"{row['validation_accuracy']:.4f}" for row in recorder.metrics))

# %% [markdown]
# Look at the first ten steps. Each layer's numbers are less than half as wide as those of the layer before;
# the last has a standard deviation of 0.03. That is nearly nothing: whatever the image, the output is about
# the same. And hardly anything changes in ten steps.
#
# Then the right side. The standard deviations grow, faster and faster, *exponentially*, for each layer
# multiplies what the others have gained. Then the whole thing **crashes**: within a step all of it is back
# near zero, and the climb starts again. And again, several times.
#
# Why is that bad, if it learns in the end? First, most of an epoch was lost. Second, a crash throws weights
# far off, and a unit whose ReLU gives 0 for every image gets no gradient any more: the network goes on with
# what is left. Third, it was luck. With twice the learning rate, this network does not recover:

# %%
faster = fit(conv_net(), 3, lr=0.8)
print(f"learning rate 0.8, three epochs: accuracy {faster.metrics['validation_accuracy']:.4f}")

# %% [markdown]
# ### The first repair: Kaiming
#
# The start is too small. A layer of the library begins with the gain 1/√3 where a ReLU needs √2. So begin
# with Kaiming's rule. The fan-in of a convolution is what is added up for one output: channels in, times
# k².


# %%
def kaiming_(model, leak=0.0):
    """Starts the convolutions with Kaiming's rule, for a ReLU with this slope below zero."""
    for layer in list(model)[:4]:
        init.kaiming_normal_(layer[0].weight, a=leak)
        init.zeros_(layer[0].bias)
    return model


for layer in list(kaiming_(conv_net()))[:4]:
    weight = layer[0].weight
    fan_in = weight[0].numel()
    print(f"fan-in {fan_in:>3}: std of the weights {weight.std().item():.4f}, √(2 / fan-in) = {(2 / fan_in) ** 0.5:.4f}")
    assert abs(weight.std().item() / (2 / fan_in) ** 0.5 - 1) < 0.15

# %%
recorder = Recorder()
kaiming, kaiming_stats = watched_fit(kaiming_(conv_net()), 3, mean_and_std, [recorder, ProgressBar()])
what, here = "accuracy after three epochs, Kaiming", kaiming.metrics["validation_accuracy"]
lesson.compare("cnn.valid_acc", what, 0.954, here, "%.3f", tolerance=0.02, complete=steps == FULL)
print("std at the start:", " ".join(f"{layer['std'][0]:.3f}" for layer in kaiming_stats))
plot_first_and_all(kaiming_stats, "Kaiming, all steps", "4_kaiming")

# %% [markdown]
# The first ten steps are another world: all four layers are about equally wide, and they move at once.
# After a single epoch the network is where the other one was after nearly two. But in the first fifty steps
# there are still crashes, though fewer. So something else must be wrong.
#
# ## 7. Histograms over time
#
# Mean and standard deviation are two numbers. What do the activations look like *altogether*? In each step
# count how many of them lie between 0 and 0.25, 0.25 and 0.5, and so on: a **histogram**. Lay the
# histograms of all steps side by side, each as a column of pixels, brighter where the count is larger, and
# you have an image of how a layer changes. (The brightness is the logarithm of the count, or everything but
# the largest would be dark.)


# %%
BINS, LOW, HIGH = 40, -2.0, 8.0


def histogram(hook, module, inputs, output):
    """Keeps mean, std, a histogram, and the share of values near zero."""
    mean_and_std(hook, module, inputs, output)
    hook.stats["counts"].append(mg.histc(output, BINS, LOW, HIGH).tolist())
    hook.stats["near zero"].append((output.abs() < 0.01).float().mean().item())


model = conv_net()
with Hooks(list(model)[:4], histogram) as hooks:
    out = model[0](x_valid[:512])
stats = hooks[0].stats
print(f"{sum(stats['counts'][0]):.0f} of {out.numel()} values, {100 * stats['near zero'][0]:.1f} % near zero")
assert abs(stats["near zero"][0] - near_zero(out)) < 1e-6, "as the library's near_zero"

# %%
histograms, trained = {}, {}
for name, model in (("as they come", conv_net()), ("Kaiming", kaiming_(conv_net()))):
    trained[name], histograms[name] = model, watched_fit(model, 3, histogram)[1]
    print(f"{name:<13} {len(histograms[name][0]['counts'])} histograms of {BINS} bins for each layer")
last = mg.tensor(histograms["as they come"][3]["counts"])  # (steps, bins) of the last layer
figure, axis = plt.subplots(figsize=(9, 3.6))
extent = (0, len(last), LOW, HIGH)
image = axis.imshow(last.T.log1p().tolist(), origin="lower", aspect="auto", extent=extent, interpolation="none")
axis.set(title="histograms of layer 4 over time, the layers as they come", xlabel="step", ylabel="activation")
figure.colorbar(image, label="log(1 + count)")
lesson.save(figure, "5_histograms_by_hand")

# %% [markdown]
# The bright line is at zero. Above it the activations spread like a flame that is put out again and again:
# each dark wedge begins with a crash. The library draws all layers with `plot_histograms`. The upper row is
# the default start, the lower one Kaiming's.


# %%
def plot_rows(chosen, name, cover=False):
    """A row of four histogram images for each of these runs."""
    figure, rows = plt.subplots(len(chosen), 4, figsize=(11, 2.3 * len(chosen)), squeeze=False)
    edges = mg.linspace(LOW, HIGH, BINS + 1).tolist()
    for row, run in zip(rows, chosen, strict=True):
        counts = {f"{run}: layer {i + 1}": layer["counts"] for i, layer in enumerate(histograms[run])}
        plot_histograms(counts, edges=edges, axes=row)
    lesson.save(figure, name, cover=cover)


plot_rows(["as they come", "Kaiming"], "6_histograms")

# %% [markdown]
# What one would like to see is a smooth band that soon settles. What we see are wedges, most of all in the
# first row, and in all of them a bright line at zero. How much of it all is that line? The share of
# activations *near zero*, here closer than 0.01, over time:

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8), sharey=True)
for axis, (name, stats) in zip(axes, histograms.items(), strict=True):
    plot_layers(axis, [[100 * share for share in layer["near zero"]] for layer in stats], name, "near zero (%)")
    print(f"{name:<13} near zero at the end (%):", " ".join(f"{100 * layer['near zero'][-1]:.0f}" for layer in stats))
    axis.set_ylim(0, 100)
axes[1].set_ylabel("")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "7_near_zero")

# %% [markdown]
# About half is what one would expect: a ReLU turns the negative half into zeros. But in the last layers it
# becomes two thirds and three quarters. And see when: the shares jump up with each crash, and in the last two
# layers they stay up. Zeros pass no gradient on, so most of these layers does not learn from most of the images.
#
# Some channels may even be **dead**: zero in every place of every image. No gradient reaches their weights
# any more.

# %%
for name, model in trained.items():
    with mg.no_grad():
        shares = [dead(model[: i + 1](x_valid[:2000])) for i in range(4)]
    print(f"{name:<13} dead channels (%):", " ".join(f"{100 * share:.0f}" for share in shares))

# %% [markdown]
# A dead channel can come back only by accident, when the layers below it change. And the loss does not say
# that it is missing.
#
# ## 8. The second repair: a general ReLU
#
# What a ReLU does is simple enough to be changed. Three changes answer three complaints:
#
# - Negative inputs give zeros and pass no gradient: let them through with a small slope, the **leak**.
# - Its output is never negative, so its mean is above zero, and the next layer gets a push in one
#   direction: **subtract** a constant, about 0.4.
# - A few very large numbers make a crash: **cap** them, at 6 say.
#
# $$ f(x) = \min\bigl(\max(x, 0) + \text{leak} \cdot \min(x, 0) - \text{sub}, \; \text{cap}\bigr) $$


# %%
class OurGeneralReLU(nn.Module):
    """A ReLU that leaks, is lowered, and has a largest value."""

    def __init__(self, leak, sub, cap):
        super().__init__()
        self.leak, self.sub, self.cap = leak, sub, cap

    def forward(self, x):
        return (x.clamp(min=0) + self.leak * x.clamp(max=0) - self.sub).clamp(max=self.cap)


x = mg.linspace(-4, 8, 241)
ours, theirs = OurGeneralReLU(0.1, 0.4, 6.0), nn.GeneralReLU(leak=0.1, sub=0.4, maxv=6.0)
print("at -4, 0 and 8:", [round(value, 4) for value in ours(mg.tensor([-4.0, 0.0, 8.0])).tolist()])
assert mg.allclose(ours(x), theirs(x), atol=1e-6)

# %%
normal = mg.randn(100_000, generator=mg.Generator().manual_seed(lesson.seed))
figure, axis = plt.subplots(figsize=(6, 3.6))
for name, function, colour, style in (("ReLU", F.relu, SKY, "--"), ("general ReLU", ours, VERMILLION, "-")):
    axis.plot(x.tolist(), function(x).tolist(), style, color=colour, label=name)
    print(f"{name:<13} of N(0, 1): mean {function(normal).mean().item():6.3f}, std {function(normal).std().item():.3f}")
axis.set(xlabel="x", ylabel="f(x)", title="leak 0.1, subtract 0.4, cap 6")
axis.axhline(0, color=BLACK, linewidth=0.8)
axis.legend()
lesson.save(figure, "8_general_relu")

# %% [markdown]
# The mean is now near zero. For the weights, Kaiming's rule has a form for the leaky ReLU, with its slope
# `a`. Everything else stays as it was.

# %%
general_relu = partial(nn.GeneralReLU, leak=0.1, sub=0.4, maxv=6.0)
recorder = Recorder()
model = kaiming_(conv_net(general_relu), leak=0.1)
general, histograms["general ReLU"] = watched_fit(model, 3, histogram, [recorder, ProgressBar()])
plot_first_and_all(histograms["general ReLU"], "general ReLU, all steps", "9_general_relu_stats")
print("std at the start:", " ".join(f"{layer['std'][0]:.3f}" for layer in histograms["general ReLU"]))

# %%
plot_rows(["as they come", "general ReLU"], "10_histograms_compared", cover=True)
for name, stats in histograms.items():
    print(f"{name:<13} near zero at the end (%):", " ".join(f"{100 * layer['near zero'][-1]:5.1f}" for layer in stats))
assert histograms["general ReLU"][3]["near zero"][-1] < histograms["Kaiming"][3]["near zero"][-1]

# %% [markdown]
# No wedges: the bands widen in the first steps, and stay. Next to nothing is at zero, so all units have a
# say, and get gradients. (The bright line is now just below -0.4, where what was slightly negative comes
# out. The one at the top is the cap.)
#
# And the learning rate that was too much for the first network?

# %%
rates = {}
for name, start in (("as they come", conv_net), ("Kaiming", lambda: kaiming_(conv_net())),
                    ("general ReLU", lambda: kaiming_(conv_net(general_relu), leak=0.1))):  # fmt: skip
    rates[name] = [fit(start(), 1, lr=lr).metrics["validation_accuracy"] for lr in (0.1, 0.4, 0.8)]
    print(f"{name:<13} after one epoch with rates 0.1, 0.4, 0.8:", " ".join(f"{value:.3f}" for value in rates[name]))

# %% [markdown]
# That is what the repairs are good for. Each makes larger steps possible, and the same epoch goes further.
#
# ## 9. Eight epochs with one cycle
#
# Now train it properly: eight epochs, with the learning rate going up and down once, and the momentum down
# and up (`OneCycle`). The hooks watch once more.

# %%
recorder = Recorder()
model = kaiming_(conv_net(general_relu), leak=0.1)
callbacks = [recorder, OneCycle(max_lr=0.2), ProgressBar()]
final, final_stats = watched_fit(model, 8, mean_and_std, callbacks)
final_accuracy = final.metrics["validation_accuracy"]
print(f"after eight epochs {100 * final_accuracy:.2f} % of the validation images are right")

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
axes[0].plot([rates[0] for rates in recorder.lrs], color=BLACK)
axes[0].set(title="learning rate", xlabel="step")
plot_layers(axes[1], [layer["std"] for layer in final_stats], "std of the layers", "")
axes[1].legend(fontsize=10)
axes[2].plot(range(1, 9), [row["validation_accuracy"] for row in recorder.metrics], "o-", color=BLUE)
axes[2].set(title="validation accuracy", xlabel="epoch", xticks=range(1, 9))
lesson.save(figure, "11_one_cycle")
print("accuracy after each epoch:", " ".join(f"{row['validation_accuracy']:.4f}" for row in recorder.metrics))

# %% [markdown]
# The layers become wider while the learning rate rises, and then keep their width, without a crash. What
# has the network learned to look at? Here are the eight kernels of the first layer, after training.

# %%
figure, axes = plt.subplots(1, 8, figsize=(11, 1.7))
limit = model[0][0].weight.abs().max().item()
for axis, kernel in zip(axes, model[0][0].weight.detach(), strict=True):
    image = axis.imshow(kernel[0].tolist(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_axis_off()
figure.colorbar(image, ax=axes, label="weight")
lesson.save(figure, "12_kernels")
print("std of each kernel:", " ".join(f"{kernel.std().item():.2f}" for kernel in model[0][0].weight.detach()))

# %% [markdown]
# Most are hard to name. In some, red and blue lie on opposite sides, as in the edges of section 1; others
# look for a stroke or a corner. Nobody drew them.
#
# ## What to keep
#
# - **A convolution** is a linear layer that looks at a small window, with the same weights for every
#   window. As a matrix product of unfolded windows it is fast.
# - **Hooks** look into any model without changing it. Remove them, best by a `with` block.
# - **Watch in training only**, or the picture shows what never happened.
# - **Means, standard deviations and histograms over time** show what the loss hides: a start that is too
#   small, rises and crashes, layers full of zeros.
# - **Kaiming's rule and a better activation function** take the crashes away, and make large learning rates
#   possible.
#
# ## Exercises
#
# 1. *A convolution is a linear layer.* Write the 3 x 3 convolution of a 6 x 6 image (stride 1, padding 1)
#    as one matrix of 36 x 36, and check it. How many of its entries are not zero, and how many different
#    values are there? Draw it.
# 2. *The way back.* Use `Hooks(..., backward=True)` to record the standard deviation of the gradient at the
#    output of each layer over the first fifty steps, for the default start and for Kaiming's. Where do the
#    gradients become small?
# 3. *Which constant?* In a general ReLU with leak a, which constant must be subtracted so that N(0, 1)
#    comes out with mean 0? And which gain of the weights gives the next layer N(0, 1) again? Find both by
#    calculation and by experiment. Then use them in the network, and look at the first means and standard
#    deviations.
#
# Answers run in `answers/05_hooks_and_convnets.py`.

# %%
for name, stats in histograms.items():
    print(f"{name:<13} after one epoch {rates[name][1]:.4f}, near zero in layer 4 {100 * stats[3]['near zero'][-1]:.1f} %")
print(f"general ReLU, eight epochs with one cycle: {final_accuracy:.4f}")
lesson.summary()
