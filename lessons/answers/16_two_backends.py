# %% [markdown]
# # Answers to the exercises of lesson 16, two backends

# %%
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
import numpy as np
from common import BLUE, ORANGE, Lesson

lesson = Lesson("16_two_backends_answers")
repeats = lesson.steps(full=200, quick=20)
print(f"everything is timed {repeats} times, and the fastest counts")

# %% [markdown]
# ## 1. A GPU that refuses
#
# An array of the device holds its numbers where nobody else looks, here in `host`. NumPy converts whatever has
# a method `__array__`, so that is where to refuse. `__array_ufunc__ = None` tells NumPy's own operators to leave
# the work to our class, and there the second refusal stands.


# %%
class DeviceArray:
    """Numbers that NumPy must not touch; only what the exercise needs."""

    __array_ufunc__ = None

    def __init__(self, host):
        self.host = host

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion to a NumPy array; ask for it by asnumpy")

    def __mul__(self, other):
        if isinstance(other, np.ndarray):
            raise TypeError("an array of the host meets an array of the device")
        return DeviceArray(self.host * (other.host if isinstance(other, DeviceArray) else other))

    def __getitem__(self, index):
        return DeviceArray(np.asarray(self.host[index]))

    def __len__(self):
        return len(self.host)

    def tolist(self):
        return self.host.tolist()


print("three numbers on the device:", DeviceArray(np.arange(3.0)).tolist())


# %%
class Device:
    """The library of these arrays, with the names that the exercise needs."""

    ndarray = DeviceArray

    @staticmethod
    def sqrt(x):
        return DeviceArray(np.sqrt(x.host))

    @staticmethod
    def ones(shape):
        return DeviceArray(np.ones(shape))


print("the root of 4 on the device:", Device.sqrt(DeviceArray(np.array([4.0]))).tolist())

# %%
LINES = {
    "np.sqrt(x)": lambda xp, x: np.sqrt(x),
    "x * np.ones(3)": lambda xp, x: x * np.ones(3),
    "list(x)": lambda xp, x: np.array(list(x)),
    "xp.sqrt(x)": lambda xp, x: xp.sqrt(x),
    "x * xp.ones(3)": lambda xp, x: x * xp.ones(3),
    "x.tolist()": lambda xp, x: np.array(x.tolist()),
}
works = {}
for line, function in LINES.items():
    function(np, np.arange(3.0))  # all of them run on NumPy
    try:
        function(Device, DeviceArray(np.arange(3.0)))
        works[line], verdict = True, "runs on both"
    except TypeError as error:
        works[line], verdict = False, f"{type(error).__name__}: {error}"
    print(f"{line:<16}{verdict}")
assert list(works.values()) == [False, False, False, True, True, True]

# %% [markdown]
# None of the three runs, and each is repaired by a few letters. `list(x)` itself goes through: it gives a list of
# 0-d arrays of the device, and whoever then wants to draw them fails, somewhere else. On a GPU it would also be
# slow: one small array made for every number. `x.tolist()` fetches them all at once.
#
# ## 2. The crossover moves
#
# The step of the lesson, on NumPy, for several sizes of batch, and beside it the lesson's model, with its
# assumptions: 34 launches of 15 (or 5) microseconds, 3 (or 30) million million operations and 200 (or 2000)
# thousand million bytes per second. These are assumptions, not measurements.


# %%
def training_step(x, target, w1, b1, w2, b2):
    """One step of SGD in place, for a network with one hidden layer of tanh; x (N, in), target (N, C) one-hot."""
    h = np.tanh(x @ w1 + b1)
    logits = h @ w2 + b2
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(1)
    g = (p / total[:, None] - target) / len(x)
    g1 = (g @ w2.T) * (1 - h * h)
    for w, gradient in ((w1, x.T @ g1), (b1, g1.sum(0)), (w2, h.T @ g), (b2, g.sum(0))):
        w -= 20 / len(b1) * gradient
    return (np.log(total) - (logits * target).sum(1)).mean()


print("works with", training_step.__code__.co_argcount, "arrays")


# %%
def inputs(examples, width):
    """Inputs, one-hot targets and parameters."""
    stream = np.random.default_rng(lesson.seed)
    shapes = (examples, 30), (30, width), width, (width, 27), 27
    x, w1, b1, w2, b2 = (stream.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, np.eye(27, dtype=np.float32)[np.arange(examples) % 27], w1 / 6, b1, w2 / width**0.5, b2


given = inputs(32, 200)
print("losses of the first steps:", " ".join(f"{training_step(*given):.3f}" for _ in range(4)))


# %%
def fastest(function, *arguments, seconds=0.5):
    """The fastest of `repeats` calls, or of as many as `seconds` have room for."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < repeats and time.perf_counter() < end):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def model(examples, width, launch, throughput, bandwidth):
    """Seconds of a step on a GPU, calculated."""
    work = 5 * 2 * examples * 30 * width / throughput
    return max(34 * launch, work + 4 * (20 * examples * width + 6 * 57 * width) / bandwidth)


GPUS = {"modest": (15e-6, 3e12, 200e9), "fast": (5e-6, 30e12, 2000e9)}
for examples in (32, 128, 512, 2048):
    here = fastest(training_step, *inputs(examples, 200))
    there = ", ".join(f"a {name} GPU {1e6 * model(examples, 200, *gpu):5.0f} µs" for name, gpu in GPUS.items())
    print(f"{examples:5} examples: NumPy {1e6 * here:7.0f} µs, by the model {there}")

# %% [markdown]
# And the crossover in hidden units for each size of batch: the narrowest layer, of those tried, at which the
# model is faster.

# %%
widths = [int(12.5 * 2**k) for k in range(11)]
batches = [16, 64, 256, 1024]
crossovers = {name: [] for name in GPUS}
for examples in batches:
    here = [fastest(training_step, *inputs(examples, width), seconds=0.02 if lesson.quick else 0.5) for width in widths]
    for name, gpu in GPUS.items():
        faster = [w for w, seconds in zip(widths, here, strict=True) if model(examples, w, *gpu) < seconds]
        crossovers[name].append(min(faster, default=float("nan")))
    print(f"{examples:5} examples: from", " or ".join(f"{row[-1]} ({name})" for name, row in crossovers.items()), "units")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for (name, row), colour in zip(crossovers.items(), (ORANGE, BLUE), strict=True):
    axis.plot(batches, row, "o-", color=colour, label=f"a {name} GPU, by the model")
axis.set(xscale="log", yscale="log", xlabel="examples in a batch", ylabel="hidden units at the crossover")
axis.set_xticks(batches, [str(size) for size in batches])
axis.minorticks_off()
axis.legend()
lesson.save(figure, "1_crossover")

# %% [markdown]
# The larger the batch, the earlier a GPU pays. Roughly, the product of the two sizes has to reach a certain
# value, as it is the work that has to be worth the launches.
#
# ## 3. Many small parameters
#
# Adam's twelve operations, called 40 times on 250 numbers, or once on 10000. The 40 parameters are views of the
# long array, so the network does not notice.


# %%
def adam(w, g, m, v):
    """The lesson's step of Adam, in place."""
    m *= 0.9
    m += 0.1 * g
    v *= 0.999
    v += 0.001 * (g * g)
    w -= 0.001 * m / (np.sqrt(v) + 1e-8)


def one_by_one(pieces):
    """A step for each of the parameters."""
    for piece in pieces:
        adam(*piece)


one_by_one([[np.ones(3) for _ in range(4)] for _ in range(40)])
print("40 parameters updated")


# %%
def state():
    """Weights, gradients and the two averages, 10000 of each."""
    stream = np.random.default_rng(lesson.seed)
    return [stream.standard_normal(10_000, dtype=np.float32) for _ in range(3)] + [np.ones(10_000, np.float32)]


separate, together = state(), state()
pieces = list(zip(*(array.reshape(40, 250) for array in separate), strict=True))
one_by_one(pieces)
adam(*together)
assert all((a == b).all() for a, b in zip(separate, together, strict=True))
print("the same weights either way")

# %%
slow, quick = fastest(one_by_one, pieces), fastest(adam, *together)
print(f"NumPy: {1e6 * slow:.0f} µs one by one, {1e6 * quick:.0f} µs as one array: {slow / quick:.1f} times as fast")
launch = GPUS["modest"][0]
print(f"a modest GPU by the model: {1e6 * 40 * 12 * launch:.0f} µs and {1e6 * 12 * launch:.0f} µs: 40 times as fast")
assert quick < slow

# %% [markdown]
# NumPy gains much, since 250 numbers take less time than to ask for them. The GPU gains the whole factor of 40:
# at these sizes it does nothing but wait for orders. That is why optimisers for GPUs gather up their parameters.
