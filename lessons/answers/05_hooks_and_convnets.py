# %% [markdown]
# # Answers to the exercises of lesson 05, hooks and convolutions

# %%
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, ORANGE, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad.diagnostics import Hooks
from minigrad.nn import init
from minigrad.train import Learner
from minigrad.utils.data import DataLoader, TensorDataset

lesson = Lesson("05_hooks_and_convnets_answers")
steps = lesson.steps(full=50, quick=10)
print(f"networks are trained for {steps} steps")

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train, y_train = digits.train.images[: 512 * steps], digits.train.labels[: 512 * steps]
print("training images", tuple(x_train.shape))

# %% [markdown]
# ## 1. A convolution is a linear layer
#
# Whatever a linear map does, its matrix is found by feeding it one unit vector after the other: image
# number i is black but for a 1 in pixel i, and its output is column i. All 36 images make one batch.

# %%
g = mg.Generator().manual_seed(lesson.seed)
kernel = mg.randn((1, 1, 3, 3), generator=g)
matrix = F.conv2d(mg.eye(36).view(36, 1, 6, 6), kernel, padding=1).view(36, 36).T
image = mg.randn((1, 1, 6, 6), generator=g)
by_matrix = (matrix @ image.view(36)).view(1, 1, 6, 6)
print(f"largest difference {(by_matrix - F.conv2d(image, kernel, padding=1)).abs().max().item():.0e}")
assert mg.allclose(by_matrix, F.conv2d(image, kernel, padding=1), atol=1e-5)

# %%
entries = [value for row in matrix.tolist() for value in row if value != 0]
figure, axis = plt.subplots(figsize=(5.4, 4.6))
picture = axis.imshow(matrix.tolist(), cmap="RdBu_r", vmin=-2.5, vmax=2.5)
figure.colorbar(picture, ax=axis)
axis.set(title="a 3 x 3 convolution as a matrix", xlabel="input pixel", ylabel="output pixel")
lesson.save(figure, "1_matrix")
print(f"{len(entries)} of {36 * 36} entries are not zero, and they have {len(set(entries))} values")
assert len(set(entries)) == 9 and len(entries) == (6 * 3 - 2) ** 2

# %% [markdown]
# Nine values, each in a diagonal of its own: the weights are *shared*. The zeros say that a pixel has
# nothing to do with those far away. In one direction each of 6 places meets 3 pixels, less the 2 that lie
# in the padding: 16, and squared 256.
#
# ## 2. The way back
#
# A backward hook gets the gradients of the module's inputs and of its output. The second are what comes
# down from the layers above.


# %%
def conv_net(activation=nn.ReLU):
    """The lesson's network."""
    mg.manual_seed(lesson.seed)
    channels = [1, 8, 16, 32, 32]
    layers = [
        nn.Sequential(nn.Conv2d(i, o, size, stride=2, padding=size // 2), activation())
        for i, o, size in zip(channels, channels[1:], [5, 3, 3, 3], strict=False)
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def start_(model, gain):
    """Weights of the convolutions with the std gain / √fan-in, biases 0."""
    for layer in list(model)[:4]:
        init.normal_(layer[0].weight, std=gain / math.sqrt(layer[0].weight[0].numel()))
        init.zeros_(layer[0].bias)
    return model


print(f"std of the last kernels with gain √2: {start_(conv_net(), math.sqrt(2))[3][0].weight.std().item():.4f}")


# %%
def fit(model):
    """The given number of steps with batches of 512."""
    g = mg.Generator().manual_seed(lesson.seed)
    loader = DataLoader(TensorDataset(x_train, y_train), 512, shuffle=True, generator=g)
    Learner(model, (loader, None), F.cross_entropy, optim.SGD(model.parameters(), lr=0.4)).fit(1)


def gradient_std(hook, module, grad_input, grad_output):
    """The std of the gradient at the module's output."""
    hook.stats["std"].append(grad_output[0].std().item())


gradients = {}
for name, model in (("as they come", conv_net()), ("Kaiming", start_(conv_net(), math.sqrt(2)))):
    with Hooks(list(model)[:4], gradient_std, backward=True) as hooks:
        fit(model)
    gradients[name] = [hook.stats["std"] for hook in hooks]
    print(f"{name:<13} gradients of layers 1 to 4 in step 0:", " ".join(f"{stds[0]:.1e}" for stds in gradients[name]))
assert gradients["as they come"][0][0] < 0.5 * gradients["Kaiming"][0][0]

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
for axis, (name, layers) in zip(axes, gradients.items(), strict=True):
    for i, (stds, colour) in enumerate(zip(layers, (BLUE, ORANGE, GREEN, VERMILLION), strict=True), start=1):
        axis.plot(stds, color=colour, label=f"layer {i}")
    axis.set(title=name, xlabel="step", yscale="log")
axes[0].set_ylabel("std of the gradient")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "2_gradients")
fall = {name: layers[3][0] / layers[0][0] for name, layers in gradients.items()}
print("from layer 4 to layer 1 they become smaller by:", {name: f"{factor:.0f}" for name, factor in fall.items()})

# %% [markdown]
# On the way back each layer makes the gradient smaller. A part of that is harmless: in the lower layers
# there are more outputs, which share the effect. But with the layers as they come every step costs a factor
# more, and the first layer hears the least. The crashes are seen here as well, as high gradients followed
# by low ones.
#
# ## 3. Which constant?
#
# For z from N(0, 1) the mean of max(z, 0) is 1/√(2π), and that of min(z, 0) is as much below zero. With a
# leak a
#
# $$ E[f] = \frac{1 - a}{\sqrt{2\pi}}, \qquad E[f^2] = \frac{1 + a^2}{2} $$
#
# So (1 - a)/√(2π) must be subtracted. Then the mean is zero and the mean square that is left is the
# variance, E[f²] - E[f]². The gain is one over its root.


# %%
def constants(a):
    """What to subtract, and the gain of the weights, for a leak a."""
    mean = (1 - a) / math.sqrt(2 * math.pi)
    return mean, 1 / math.sqrt((1 + a * a) / 2 - mean**2)


z = mg.randn(1_000_000, generator=mg.Generator().manual_seed(lesson.seed))
for a in (0.0, 0.1, 0.3):
    y = F.leaky_relu(z, a)
    sub, gain = constants(a)
    mean, needed = y.mean().item(), 1 / y.std().item()
    print(f"leak {a}: subtract {sub:.4f}, measured {mean:.4f}; gain {gain:.4f}, measured {needed:.4f}")
    assert abs(sub - mean) < 0.005 and abs(gain - needed) < 0.01

# %%
sub, gain = constants(0.1)
activation = nn.GeneralReLU(leak=0.1, sub=sub)
z = mg.randn((1000, 256), generator=g)
for layer in range(1, 11):
    h = activation(z)
    z = h @ (mg.randn((256, 256), generator=g) * gain / math.sqrt(256))
    if layer in (1, 2, 5, 10):
        print(f"wide layer {layer:>2}: mean of f(z) {h.mean().item():6.3f}, std of the next z {z.std().item():.3f}")
assert 0.5 < z.std().item() < 2

# %%
starts = {
    "subtract 0.4, Kaiming": (0.4, math.sqrt(2 / (1 + 0.1**2))),
    f"subtract {sub:.3f}, gain {gain:.3f}": (sub, gain),
}
for name, (constant, factor) in starts.items():
    h = x_train[:512]
    model = start_(conv_net(lambda constant=constant: nn.GeneralReLU(leak=0.1, sub=constant, maxv=6.0)), factor)
    with mg.no_grad():
        outputs = [h := layer(h) for layer in list(model)[:4]]
    print(f"{name:<27} means", " ".join(f"{y.mean().item():6.3f}" for y in outputs), end="; ")
    print("stds", " ".join(f"{y.std().item():.3f}" for y in outputs))

# %% [markdown]
# In the wide layers everything stays as it was calculated. In the network the stds keep better than with
# the lesson's numbers, and behind the first layer the means are nearer to zero, but neither is perfect:
# neighbouring pixels are alike, the zeros of the padding are no N(0, 1), and a layer with eight channels is a
# small sample. The formula is for the first guess. Measuring the layers one after the other, and correcting
# each, is a better answer.
