# %% [markdown]
# # Answers to the exercises of lesson 02, initialization

# %%
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.nn import init

lesson = Lesson("02_initialization_answers")
products = lesson.steps(full=300, quick=100)
print(f"chains of {products} products")

# %% [markdown]
# ## 1. A gain for any function
#
# Inputs have the mean square 1. A layer with weights of standard deviation gain/√n makes pre-activations of
# variance gain². If the function, fed with N(0, 1), returns numbers of mean square q, then for the ReLU and
# its kin, where f(c·z) = c·f(z), the activations have the mean square gain² · q. So gain = 1/√q.


# %%
def gain_of(function, draws=200_000):
    """1 / the root of the mean square that the function makes of N(0, 1)."""
    z = mg.randn(draws, generator=mg.Generator().manual_seed(lesson.seed))
    return 1 / function(z).square().mean().sqrt().item()


functions = {
    "ReLU": F.relu,
    "leaky, 0.1": lambda z: F.leaky_relu(z, 0.1),
    "|x|": mg.abs,
    "GELU": F.gelu,
    "tanh": mg.tanh,
    "sigmoid": mg.sigmoid,
}
gains = {name: gain_of(function) for name, function in functions.items()}
print("  ".join(f"{name} {gain:.3f}" for name, gain in gains.items()))
assert abs(gains["ReLU"] - init.calculate_gain("relu")) < 0.01
assert abs(gains["leaky, 0.1"] - init.calculate_gain("leaky_relu", 0.1)) < 0.01

# %% [markdown]
# For tanh the experiment says 1.59 and the library 5/3 = 1.67. They answer different questions: 1.59 keeps
# the mean square at 1 for one layer whose input has mean square 1; but what tanh puts out never gets that
# wide.


# %%
def stack(function, gain, depth=30, n=300):
    """Mean square of the pre-activations of each layer, divided by gain squared: that of the inputs of the layer."""
    g = mg.Generator().manual_seed(lesson.seed)
    h, squares = mg.randn((100, n), generator=g), []
    for _ in range(depth):
        z = h @ (mg.randn((n, n), generator=g) * gain / math.sqrt(n))
        squares.append(z.square().mean().item() / gain**2)
        h = function(z)
    return squares


stacks = {name: stack(function, gains[name]) for name, function in functions.items()}
for name, squares in stacks.items():
    print(f"{name:<11} mean square of the input of layers 1, 2, 5, 30:", *(f"{squares[i]:8.3g}" for i in (0, 1, 4, 29)))

# %%
figure, axis = plt.subplots(figsize=(9, 4.4))
colours = (BLUE, SKY, GREEN, VERMILLION, PURPLE, ORANGE)
for (name, squares), colour, marker in zip(stacks.items(), colours, "ovs^Dp", strict=True):
    axis.plot(range(1, 31), squares, color=colour, marker=marker, markevery=4, label=f"{name}, gain {gains[name]:.2f}")
axis.set(yscale="log", xlabel="layer", ylabel="mean square of its input", title="each with its own gain")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "1_gains")

# %% [markdown]
# ReLU, leaky ReLU and |x| keep the scale roughly: whatever scale they get, they pass on. (They drift,
# because 300 numbers are an experiment with chance in it.) GELU does not, for it is no straight line on
# either side. A little less than 1 comes in, it flattens that more than it should, and from then on less
# and less comes through; a little more, and it grows. Its gain holds at one point only, from which it runs
# away. With tanh it is the other way round: a narrow input is passed on almost whole, a wide one is cut, so
# wherever it starts, it returns to one scale. Sigmoid is steady too, but for a bad reason: its outputs lie
# around 1/2 whatever comes in.

# %%
for start in (0.5, 1.0, 2.0):
    z = mg.randn(200_000, generator=mg.Generator().manual_seed(lesson.seed)) * gains["GELU"] * start
    y = mg.randn(200_000, generator=mg.Generator().manual_seed(lesson.seed)) * gains["tanh"] * start
    print(f"input of std {start}: after GELU {F.gelu(z).square().mean().sqrt().item() / start:.3f} times as wide, ", end="")
    print(f"after tanh {mg.tanh(y).square().mean().sqrt().item() / start:.3f}")

# %% [markdown]
# ## 2. Orthogonal matrices
#
# A random matrix of standard deviation 1/√n keeps the length of a vector only on average. Each product
# multiplies the mean square by a random factor with mean 1 and variance of about 2/n. The logarithms of
# these factors add up, and so does what chance does to them.


# %%
def chain(matrix, seed, n=64):
    """Standard deviation after each product, relative to the start."""
    g = mg.Generator().manual_seed(seed)
    x = mg.randn(n, generator=g)
    start, widths = x.norm().item(), []
    for _ in range(products):
        x = matrix(n, g) @ x
        widths.append(x.norm().item() / start)
    return widths


kinds = {
    "random, 1/√n": lambda n, g: mg.randn((n, n), generator=g) / math.sqrt(n),
    "orthogonal": lambda n, g: init.orthogonal_(mg.empty(n, n), generator=g),
}
chains = {name: [chain(matrix, seed) for seed in range(10)] for name, matrix in kinds.items()}
for name, runs in chains.items():
    print(f"{name:<13} after {products} products:", " ".join(f"{run[-1]:.3f}" for run in runs))
assert all(abs(run[-1] - 1) < 1e-3 for run in chains["orthogonal"])

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for name, colour in (("random, 1/√n", ORANGE), ("orthogonal", BLUE)):
    for i, run in enumerate(chains[name]):
        axis.plot(range(0, products, 3), run[::3], color=colour, linewidth=1.2, label=None if i else name)
axis.set(yscale="log", xlabel="products", ylabel="std, relative to the start")
axis.legend(loc="lower left")
lesson.save(figure, "2_orthogonal")
ends = sorted(chain(kinds["random, 1/√n"], seed)[-1] for seed in range(51))
print(f"of 51 random chains, the one in the middle ends at {ends[25]:.3f}; 9 in 10 between {ends[2]:.3f} and {ends[48]:.3f}")
print(f"predicted for the middle: exp(-products / 2n) = {math.exp(-products / 128):.3f}")

# %% [markdown]
# The random chains stray by factors of ten and more, mostly downwards. The mean of the *logarithm* of a
# factor is less than the logarithm of its mean: about -1/n for the mean square, half of it for the standard
# deviation. That gives exp(-products/2n) for a typical chain. Orthogonal matrices turn and reflect, and no
# length is ever changed.
#
# ## 3. Adding instead of replacing
#
# A layer that adds, x + f(x), keeps what it got and puts something on top. With Kaiming's rule f(x) has the
# same mean square as x. It is 0 on average, independent of x, so the mean squares add: each layer doubles.


# %%
def residual(scale, depth, n=256):
    """Mean square of x after `depth` layers x + scale * relu(x @ w1) @ w2, relative to the start."""
    g = mg.Generator().manual_seed(lesson.seed)
    x = mg.randn((50, n), generator=g)
    start = x.square().mean().item()
    for _ in range(depth):
        w1 = mg.randn((n, n), generator=g) * math.sqrt(2 / n)
        w2 = mg.randn((n, n), generator=g) / math.sqrt(n)
        x = x + scale * F.relu(x @ w1) @ w2
    return x.square().mean().item() / start


for depth in (1, 5, 10, 50):
    print(f"{depth:>3} layers, scale 1: mean square x {residual(1.0, depth):.3g}, 2^{depth} is {2.0**depth:.3g}")

# %% [markdown]
# With a factor s in front of f each layer multiplies by 1 + s². For L layers to stay below e, take s =
# 1/√L: (1 + 1/L)^L grows towards e = 2.718 and never reaches it.

# %%
depths = (1, 2, 5, 10, 20, 50)
measured = [residual(1 / math.sqrt(depth), depth) for depth in depths]
for depth, value in zip(depths, measured, strict=True):
    print(f"{depth:>3} layers, scale 1/√{depth}: mean square x {value:.3f}, expected {(1 + 1 / depth) ** depth:.3f}")
assert all(abs(value - (1 + 1 / depth) ** depth) < 0.5 for depth, value in zip(depths, measured, strict=True))

# %%
figure, axis = plt.subplots(figsize=(8, 4))
axis.plot(depths, measured, color=GREEN, marker="o", label="measured")
axis.plot(depths, [(1 + 1 / depth) ** depth for depth in depths], color=BLACK, linestyle="--", label="(1 + 1/L)^L")
axis.axhline(math.e, color=VERMILLION, linewidth=1, label="e")
axis.set(xlabel="layers L", ylabel="growth of the mean square", ylim=(0, 3.2), title="x + f(x)/√L")
axis.legend(loc="lower right")
lesson.save(figure, "3_residual")
print(f"largest {max(measured):.3f}")
