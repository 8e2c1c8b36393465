# %% [markdown]
# # Two backends: the same script on a CPU and on a GPU
#
# Every network of these lessons also runs on a GPU, and not one line of it has to change: an environment
# variable does it. This lesson shows how that works, what can go wrong, and *when it pays*, for a GPU makes
# a small network slower, not faster.
#
# A few words first.
#
# - A **GPU** (graphics processing unit) is a second computer inside the computer, with its own memory and
#   thousands of small arithmetic units that all do the same thing to different numbers.
# - The **host** is the ordinary processor (the CPU), which runs Python; the **device** is the GPU, which
#   does what the host tells it to.
# - A **kernel** is one small program that the device runs over a whole array, such as "add these two". To
#   **launch** a kernel is to hand it over to the device.
# - A **backend** is the library that holds the arrays and computes with them: NumPy on the CPU, or CuPy,
#   which speaks NumPy's language, on a GPU made by NVIDIA.
#
# Most computers have no such GPU. Then the lesson says so once, measures everything on NumPy, and replaces
# the measurements of the GPU by a calculation, which is marked as one wherever it appears.

# %%
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import backend

lesson = Lesson("16_two_backends")
steps = lesson.steps(full=300, quick=60)
print(f"minigrad computes on {backend.name} here; the training script takes {steps} steps")

# %% [markdown]
# `backend.use` is the function by which minigrad itself gets its array library. We ask it for both. Without
# a GPU it raises an error, and the list of libraries has only one entry.

# %%
libraries = {"numpy": backend.use("numpy")}
try:
    libraries["cupy"] = backend.use("cupy")
    print("GPU found:", libraries["cupy"].cuda.runtime.getDeviceProperties(0)["name"].decode())
except (ImportError, RuntimeError) as error:
    print("note: no GPU here, so nothing below was measured on one:", str(error).partition(";")[0])
cupy = libraries.get("cupy")
assert libraries["numpy"] is np

# %% [markdown]
# ## 1. `xp`: the library as a variable
#
# A network layer written for NumPy says `np.maximum(x @ w + b, 0)`. The name of the library stands in the
# middle of the formula, and to change it we would have to rewrite every line. So do not name it: let a
# *variable* hold the library. By custom it is called **`xp`**. A Python module is a value like any other, and
# can be passed to a function.


# %%
def layer(xp, x, w, b):
    """A linear layer and a ReLU, by whichever array library `xp` is; x (N, in), w (in, out), b (out)."""
    return xp.maximum(x @ w + b, 0)


def arrays(xp, *shapes):
    """Arrays of normal random numbers: always drawn on the host, so that every library gets the same ones."""
    stream = np.random.default_rng(lesson.seed)
    return [xp.asarray(stream.standard_normal(shape, dtype=np.float32)) for shape in shapes]


for name, xp in libraries.items():
    y = layer(xp, *arrays(xp, (64, 30), (30, 200), 200))
    print(f"{name}: {type(y).__module__}.{type(y).__name__} of shape {y.shape}, its mean is {float(y.mean()):.6f}")

# %% [markdown]
# Nothing in `layer` knows what an array is. The operators `@` and `+` are asked of the arrays themselves, and
# everything that has a name is looked up in `xp`. To see how little is needed, here is a third "library". It
# is NumPy with a counter: each operation that its arrays take part in is counted, whether written as an
# operator or as a name. We will need the count later, because on a GPU each of these is a kernel to launch.


# %%
class Counted(np.ndarray):
    """A NumPy array that counts the operations done with it and with what comes of it."""

    operations = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        Counted.operations += 1
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out:
            getattr(ufunc, method)(*plain, out=tuple(x.view(np.ndarray) for x in out), **options)
            return out[0]
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(Counted)


def count(function, *inputs):
    """How many operations on arrays a function does."""
    before = Counted.operations
    function(np, *(x.view(Counted) for x in inputs))
    return Counted.operations - before


in_a_layer = count(layer, *arrays(np, (64, 30), (30, 200), 200))
print("operations in a layer:", in_a_layer, "(a product, a sum, a maximum)")
assert in_a_layer == 3

# %% [markdown]
# ## 2. One script
#
# In minigrad, `xp` is chosen once, when it is imported: the environment variable `MINIGRAD_BACKEND` says
# `numpy` or `cupy`, and all its files take `xp` from `minigrad/backend.py`. One process therefore has one
# backend. To see both we run a script twice, each time in a process of its own.
#
# The script trains a small network. First the network, and one step of training:

# %%
NETWORK = """
import sys, time
import minigrad as mg

width, steps, seed = map(int, sys.argv[1:])
mg.manual_seed(seed)
model = mg.nn.Sequential(mg.nn.Linear(30, width), mg.nn.Tanh(), mg.nn.Linear(width, 27))
optimizer = mg.optim.SGD(model.parameters(), lr=0.5)
x, y = mg.randn(32, 30), mg.randint(0, 27, (32,))

def step():
    loss = mg.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
"""
print("does it say which library computes?", "cupy" in NETWORK or "numpy" in NETWORK)

# %% [markdown]
# Then the loop. It prints five of the losses and the time that a step took. Only two lines know that there are
# GPUs, and they are there for the sake of the clock (section 4). The first step is not timed, since on a GPU it
# also compiles the kernels.

# %%
LOOP = """
losses = [step()]
started = time.perf_counter()
losses += [step() for _ in range(steps)]
if mg.cuda.is_available():
    mg.cuda.synchronize()
seconds = (time.perf_counter() - started) / steps
print(*(loss.item() for loss in losses[:: max(1, steps // 4)]), seconds)
"""
print("lines that know of GPUs:", sum("cuda" in line for line in LOOP.splitlines()), "of", len(LOOP.split("\n")) - 2)

# %% [markdown]
# `run` starts a Python of its own with the variable set, and hands it a script. It also tells that Python where
# minigrad is.

# %%
home = str(Path(mg.__file__).parents[1])
paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])


def run(script, name, *arguments):
    """Runs a script with this backend in a process of its own; returns what it printed, and its errors."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    variables = os.environ | {"MINIGRAD_BACKEND": name, "PYTHONPATH": paths}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr.strip()


print(run("from minigrad import backend; print('a process of its own computes on', backend.name)", "numpy")[0])


# %%
def train(name, width, steps):
    """The five losses that the script prints, and the seconds that a step took."""
    output, errors = run(NETWORK + LOOP, name, width, steps, lesson.seed)
    assert output, errors
    *losses, seconds = map(float, output.split())
    return losses, seconds


runs = {name: train(name, 200, steps) for name in libraries}
for name, (losses, seconds) in runs.items():
    print(f"MINIGRAD_BACKEND={name:<6}", *(f"{loss:.5f}" for loss in losses), f" {1e6 * seconds:.0f} µs per step")
    assert np.allclose(losses, runs["numpy"][0], rtol=1e-3) and losses[-1] < losses[0]

# %% [markdown]
# With a GPU, two rows stand there, and they agree, because minigrad draws its random numbers on the host
# whatever the backend: weights, data and batches are the same. Only the last digits may differ. The reason is
# that a sum of rounded numbers depends on the order of the additions, and a thousand arithmetic units do not
# add in the order of one. That needs no GPU to be seen. Here are the same numbers, added in three orders.

# %%
(numbers,) = arrays(np, 100_000)
orders = {"as they come": numbers, "sorted": np.sort(numbers), "in 100 columns": numbers.reshape(-1, 100).sum(0)}
totals = {name: float(np.cumsum(values)[-1]) for name, values in orders.items()}
for name, total in totals.items():
    print(f"{name:<15} {total:.4f}")
assert max(totals.values()) - min(totals.values()) < 1e-4 * abs(numbers).sum()

# %% [markdown]
# ### Where CuPy is missing
#
# Someone will set the variable on a computer without CuPy. What should happen? To go on quietly with NumPy
# would be the worst answer: the training runs, only it takes a hundred times as long as hoped, and nobody
# knows why. minigrad stops with a sentence that says what to do. The line `sys.modules["cupy"] = None` makes
# Python behave as if CuPy were not installed, so this shows the same on every computer.

# %%
output, errors = run("import sys; sys.modules['cupy'] = None; import minigrad", "cupy")
print(errors.splitlines()[-1])
assert not output and "CuPy is not installed; install" in errors

output, errors = run("import minigrad", "abacus")
print(errors.splitlines()[-1])
assert "expected 'numpy' or 'cupy'" in errors

# %% [markdown]
# ## 3. What differs
#
# CuPy speaks NumPy's language with an accent. Each of the following differences has a reason, and the reason
# is nearly always the same: **the device works behind the host's back**, and an answer that Python needs at
# once would force the host to wait for it.
#
# The small experiments below run on every library that is here. Beside them stands what CuPy's documentation
# says; where there is a GPU, the two are compared.


# %%
def attempt(function):
    """What a function returns, or the name of the error that it raises."""
    try:
        return function()
    except (TypeError, IndexError) as error:
        return type(error).__name__


print("an index that is out of range:", attempt(lambda: np.arange(3)[3]))


# %%
def differences(xp):
    """What one library answers to the same five questions."""
    x, host = xp.arange(3), np.ones(3)
    total = alias = x.sum()
    total += 1
    return {
        "a sum is an array": isinstance(x.sum(), xp.ndarray),
        "s += 1 also changes its other name": int(alias) == 4,
        "x[[3]], one past the end, is": attempt(lambda: int(x[[3]][0])),
        "np.asarray(x) is": attempt(lambda: type(np.asarray(x)).__name__),
        "x + (a NumPy array) is": attempt(lambda: type(x + host).__name__),
    }


print(*differences(np), sep="; ")

# %%
DOCUMENTED = dict(zip(differences(np), [True, True, 0, "TypeError", "TypeError"], strict=True))
differences_here = {name: differences(xp) for name, xp in libraries.items()}
print(f"{'':<36}{'numpy here':<14}{'cupy documented':<18}" + "cupy here" * ("cupy" in libraries))
for question, documented in DOCUMENTED.items():
    here = differences_here["cupy"][question] if cupy else ""
    print(f"{question:<36}{differences_here['numpy'][question]!s:<14}{documented!s:<18}{here}")
    assert not cupy or here == documented

# %% [markdown]
# **0-d results.** The sum of a NumPy array is a *scalar*, a kind of number. The sum of a CuPy array is still an
# array, of dimension zero (**0-d**), which lives on the device. A number would have to be fetched, and for
# that the host would have to wait until the sum is done. Two traps follow. `isinstance(s, xp.ndarray)` is
# false under NumPy and true under CuPy. And `s += 1` makes a new number under NumPy, but changes the array
# in place under CuPy, also for everyone else who holds it. NumPy has 0-d arrays too, so the second trap can be
# watched:

# %%
scalar = first_loss = np.float32(2.5)
scalar += 1
array = first_loss_too = np.array(2.5, dtype=np.float32)
array += 1
print(f"with a scalar, the other name still says {first_loss}; with a 0-d array it says {first_loss_too}")
assert first_loss == 2.5 and first_loss_too == 3.5

# %% [markdown]
# **Wrapped indices.** NumPy refuses an index that is too large. For an array of indices CuPy does not look: it
# would have to wait for the answer before it could raise an error. Instead the index *wraps around*, as on a
# clock: index 3 of an array of three is index 0 again. A network with a wrong label then trains without a
# murmur, on nonsense. NumPy does the same when told to. minigrad refuses such labels and indices on either
# backend. On a GPU it does not wait for that: its kernels note what they refuse, and the error is raised when
# the host next waits for the device anyway, here in `.item()`.

# %%
letters = np.array(list("abc"))
print("wrapped:", *np.take(letters, [2, 3, 4, 5], mode="wrap"))
try:
    F.cross_entropy(mg.zeros(2, 3), mg.tensor([0, 3])).item()
except (IndexError, RuntimeError) as error:
    print(f"a label 3 of three classes: {type(error).__name__}: {error}")
else:
    raise AssertionError("a label that is out of range went through")

# %% [markdown]
# **No implicit conversion.** Where NumPy is given a list or anything else like an array, it converts it and goes
# on. Between host and device a conversion is a copy through a narrow cable, the *bus*, and CuPy wants you to
# ask for it: `cupy.asarray(x)` to the device, `cupy.asnumpy(x)` back. In particular Matplotlib cannot draw a
# device array. In these lessons figures get `.tolist()`, which is right on both backends.
#
# **Scalar conversion.** `.item()`, `float(x)`, `if x > 0:` and `print(x)` all need a number *now*. Each makes the
# host wait for everything that was launched before. One `loss.item()` in each step is a habit that costs
# nothing on a CPU. In the other direction, a Python number is cheap for a GPU: it travels along with the
# launch. For NumPy it is the other way around, as it makes an array of the number first.
#
# The next cell has the stopwatch for the rest of the lesson. What its calls of `wait` are for, the next section
# tells.


# %%
def wait():
    """Waits until the GPU, where there is one, has done all its work."""
    if cupy:
        cupy.cuda.Device().synchronize()


def seconds_for(function, calls):
    """How long so many calls take, from an empty queue to an empty queue."""
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    wait()
    return time.perf_counter() - start


print(f"a thousand calls that do nothing: {1e6 * seconds_for(lambda: None, 1000):.0f} µs")


# %%
def best(function, repeats=3 if lesson.quick else 9, least=0.01):
    """Seconds that a call takes: the fastest of several runs, for other programs can only slow one down."""
    calls, elapsed = 1, 0.0
    function()  # the first call finds memory, and on a GPU compiles
    while elapsed < least:  # so many calls that the clock is fine enough
        calls = int(calls * min(100, 2 * least / elapsed)) if elapsed else 1
        elapsed = min(seconds_for(function, calls) for _ in range(repeats))
    return elapsed / calls


row = np.ones(100, dtype=np.float32)
half = np.array(0.5, dtype=np.float32)
with_number, with_array = best(lambda: row * 0.5), best(lambda: row * half)
print(f"NumPy, 100 numbers: times 0.5 {1e6 * with_number:.2f} µs, times a 0-d array {1e6 * with_array:.2f} µs")

# %% [markdown]
# ## 4. Synchronisation, or how to measure nothing
#
# To launch a kernel is to put an order into a *queue*. The call returns at once, long before the work is done,
# and Python goes on to the next line. That is called **asynchronous**. It is good: while the device computes,
# the host prepares the next order. But a clock read right after the call has measured how long it takes to
# write an order. To **synchronise** is to wait until the queue is empty.
#
# A queue can be had without a GPU: one thread that works off its orders in turn. Here it plays the device and
# multiplies matrices. The main thread plays the host.

# %%
(square,) = arrays(np, (700, 700))


def order():
    """What the device does: a matrix product; returns when it began and when it ended."""
    began = time.perf_counter()
    square @ square
    return began, time.perf_counter()


with ThreadPoolExecutor(max_workers=1) as device:
    device.submit(order).result()
    start = time.perf_counter()
    orders = [(device.submit(order), time.perf_counter()) for _ in range(8)]
    read_at_once = time.perf_counter() - start
    orders[-1][0].result()
    synchronised = time.perf_counter() - start
print(f"clock read at once: {1e3 * read_at_once:.2f} ms; after waiting: {1e3 * synchronised:.1f} ms")
assert read_at_once < synchronised

# %%
figure, axis = plt.subplots(figsize=(9, 3))
for job, handed_over in orders:
    began, ended = (1e3 * (moment - start) for moment in job.result())
    axis.broken_barh([(began, ended - began)], (0, 0.6), color=SKY, edgecolor="white")
    axis.plot(1e3 * (handed_over - start), 1.3, "|", color=BLUE, markersize=16)
axis.text(1e3 * read_at_once, 1.3, f"  eight orders in {1e3 * read_at_once:.2f} ms", color=BLUE, va="center")
for seconds, text, colour in ((read_at_once, "wrong", VERMILLION), (synchronised, "right", GREEN)):
    axis.axvline(1e3 * seconds, color=colour, linestyle="--")
    axis.text(1e3 * seconds, 1.75, f" clock read here: {text} ", color=colour, ha="left" if text == "wrong" else "right")
axis.set(yticks=[0.3, 1.3], yticklabels=["device works", "host orders"], ylim=(-0.2, 2.1), xlabel="milliseconds")
axis.set_title("eight orders and their execution", pad=12)
lesson.save(figure, "1_queue")

# %% [markdown]
# The wrong clock shows a speed that no device has. With a real GPU the line to write before each reading of the
# clock is `mg.cuda.synchronize()`, or `cupy.cuda.Device().synchronize()`; `wait`, above, does so, and `best`
# calls `wait`. `loss.item()` synchronises too. If the kernel in the queue fails, its error also comes up only
# there, at a line that has nothing to do with it.
#
# ## 5. How large must a layer be?
#
# What does an operation cost? Two things: a fixed price for asking, and a price per number.
#
# - The fixed price (**overhead**) is what Python and the library need to look at the arguments, find memory for
#   the result and start. On a GPU the launch comes on top.
# - The price per number is what the arithmetic takes, or the way to and from memory, whichever is longer. The
#   number of multiplications and additions per second is called **throughput**, that of bytes per second
#   **bandwidth**.
#
# A GPU asks more for the first and much less for the second. So there is a size at which the two are equally
# fast: the **crossover**. First the measurement. The layer has as many outputs as inputs, its **width**, and is
# given 256 examples at a time.

# %%
EXAMPLES = 256
widths = [2**k for k in range(2, 11 if lesson.quick else 13)]
measured = {name: [] for name in libraries}
for width in widths:
    shapes = (EXAMPLES, width), (width, width), width
    for name, xp in libraries.items():
        inputs = arrays(xp, *shapes)
        measured[name].append(best(lambda xp=xp, inputs=inputs: layer(xp, *inputs)))
    print(f"width {width:4}:", ", ".join(f"{name} {1e6 * times[-1]:9.1f} µs" for name, times in measured.items()))
assert measured["numpy"][-1] > 10 * measured["numpy"][0]

# %% [markdown]
# From width 8 to width 16 there are four times as many multiplications, but the time is far from four times as
# long: most of it is overhead. At the end, twice the width does take about four times as long. The NumPy times
# contain everything that a **model** of them needs:
#
# time = operations · overhead + arithmetic / throughput
#
# The overhead follows from arrays so small that there is nothing to compute, and the throughput from the
# widest layer. Between the two, the model has to predict.


# %%
def arithmetic(width):
    """Multiplications and additions in a layer's product for EXAMPLES rows."""
    return 2 * EXAMPLES * width**2


tiny = arrays(np, (1, 1), (1, 1), 1)
overhead = best(lambda: layer(np, *tiny)) / in_a_layer
throughput = arithmetic(widths[-1]) / measured["numpy"][-1]
print(f"NumPy here: overhead {1e6 * overhead:.2f} µs, throughput {throughput / 1e9:.0f} thousand million per second")
for width, seconds in zip(widths, measured["numpy"], strict=True):
    predicted = in_a_layer * overhead + arithmetic(width) / throughput
    print(f"width {width:4}: predicted {1e6 * predicted:9.1f} µs, measured {1e6 * seconds:9.1f} µs")

# %% [markdown]
# Small layers are slower than predicted, up to twice, since the model leaves out the sum and the maximum, which
# spend their time on memory. But the shape is right. Now the same model for a GPU. What it needs is not
# measured here but **assumed**, and in order not to be fooled by one guess we make two, for a modest device and
# for a fast one:
#
# - an operation costs the host 15 or 5 microseconds, most of it spent in Python and CuPy;
# - throughput is 3 or 30 million million operations per second (real products of matrices rarely reach the
#   number in the brochure);
# - bandwidth is 200 or 2000 thousand million bytes per second;
# - the arrays are already on the device, and nobody waits for a result: the host writes orders while the device
#   works, so the slower of the two decides.


# %%
class Assumed(NamedTuple):
    """A GPU as the model sees it: seconds per launch, operations per second, bytes per second."""

    launch: float
    throughput: float
    bandwidth: float

    def seconds(self, launches, arithmetic, numbers):
        """The model's time for this many launches, operations, and float32 numbers read or written."""
        return max(launches * self.launch, arithmetic / self.throughput + 4 * numbers / self.bandwidth)


GPUS = {"a modest GPU": Assumed(15e-6, 3e12, 200e9), "a fast GPU": Assumed(5e-6, 30e12, 2000e9)}


def traffic(width):
    """Numbers that the three kernels of a layer read and write; each reads all its inputs."""
    return width * width + width + 6 * EXAMPLES * width


for name, gpu in GPUS.items():
    times = [gpu.seconds(in_a_layer, arithmetic(width), traffic(width)) for width in widths]
    print(f"model of {name}:", " ".join(f"{1e6 * seconds:.0f}" for seconds in times), "µs")


# %%
def crossover(sizes, cpu, gpu):
    """The size from which the second row of times is below the first; between two sizes, on a line in logarithms."""
    ratios = np.log(np.array(gpu) / np.array(cpu))
    for i in range(1, len(sizes)):
        if ratios[i] <= 0 < ratios[i - 1]:
            share = ratios[i - 1] / (ratios[i - 1] - ratios[i])
            return sizes[i - 1] * (sizes[i] / sizes[i - 1]) ** share
    return sizes[0] if ratios[0] <= 0 else float("inf")


assert crossover([1, 100], [1, 4], [2, 2]) == 10
modelled = {n: [gpu.seconds(in_a_layer, arithmetic(w), traffic(w)) for w in widths] for n, gpu in GPUS.items()}
for name, times in modelled.items():
    print(f"by the model, {name} overtakes NumPy at width {crossover(widths, measured['numpy'], times):.0f}")
if cupy:
    print(f"measured: {crossover(widths, measured['numpy'], measured['cupy']):.0f}")


# %%
def draw(axis, sizes, measured, modelled):
    """Measured times as lines with dots, and between the two modelled ones a band."""
    for (name, times), colour in zip(measured.items(), (BLUE, VERMILLION), strict=False):
        axis.plot(sizes, [1e3 * t for t in times], "o-", color=colour, label=f"{name}, measured")
    slow, fast = ([1e3 * t for t in times] for times in modelled.values())
    axis.fill_between(sizes, fast, slow, color=ORANGE, alpha=0.35, label="a GPU, by the model", linewidth=0)
    axis.set(xscale="log", yscale="log", ylabel="milliseconds")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.legend(loc="upper left")


figure, axis = plt.subplots(figsize=(8, 4.6))
draw(axis, widths, measured, modelled)
axis.set(title=f"a layer for {EXAMPLES} examples", xlabel="width of the layer")
lesson.save(figure, "2_layer_sizes", cover=True)

# %% [markdown]
# To the left of the crossover the GPU's time is a flat line: it waits for orders. There it makes no difference
# whether the layer has 8 units or 64, and a GPU ten times as fast would not be faster by a microsecond. What
# helps there is to send fewer orders.
#
# ## 6. What fusing gains
#
# To **fuse** operations is to do several in one kernel. Take the update of the optimiser Adam, which keeps two
# running averages for each weight w: one of its gradient g, called m, and one of g², called v.


# %%
def adam(xp, w, g, m, v):
    """One step of Adam (without its correction of the first steps), all four arrays changed in place but g."""
    m *= 0.9
    m += 0.1 * g
    v *= 0.999
    v += 0.001 * (g * g)
    w -= 0.001 * m / (xp.sqrt(v) + 1e-8)


in_adam = count(adam, *arrays(np, 10, 10, 10), np.ones(10, np.float32))
print("operations in a step of Adam:", in_adam)
assert in_adam == 12

# %% [markdown]
# Twelve operations: twelve times the overhead. And there is a second cost. Each operation reads its arrays from
# memory and writes its result back, although the next one needs it at once. Arithmetic this simple is faster
# than memory, so for large arrays the time is spent in carrying numbers to and fro. Fused, each number would be
# fetched once, go through all twelve operations, and be stored once.
#
# NumPy cannot fuse. But it can be made to keep the numbers near by: a processor has a small fast memory, the
# **cache**. Call the *same function* on 32768 numbers at a time, and what one operation writes is still in the
# cache when the next one reads it.


# %%
def in_blocks(xp, *parameters, size=32768):
    """A step of Adam, `size` numbers at a time."""
    for i in range(0, len(parameters[0]), size):
        adam(xp, *(array[i : i + size] for array in parameters))


def states(xp, n):
    """Weights, gradients and the two averages for n weights."""
    w, g, m = arrays(xp, n, n, n)
    return w, g, m, xp.ones(n, xp.float32)


whole, pieces = states(np, 100_000), states(np, 100_000)
adam(np, *whole)
in_blocks(np, *pieces)
assert all((a == b).all() for a, b in zip(whole, pieces, strict=True))
print("whole or in blocks: the same numbers, to the last bit")

# %% [markdown]
# On a GPU one can fuse for good. CuPy takes the inside of the loop as a line of C and makes one kernel of it.
# This cell only does so where there is a GPU; there, it also compares the results.

# %%
updates = {"numpy": adam, "numpy, in blocks": in_blocks}
if cupy:
    fused = cupy.ElementwiseKernel(
        "float32 g",
        "float32 w, float32 m, float32 v",
        "m = 0.9f * m + 0.1f * g; v = 0.999f * v + 0.001f * g * g; w -= 0.001f * m / (sqrtf(v) + 1e-8f);",
        "adam",
    )
    updates |= {"cupy": adam, "cupy, fused": lambda xp, w, g, m, v: fused(g, w, m, v)}
    on_device = states(cupy, 100_000)
    updates["cupy, fused"](cupy, *on_device)
    assert all(np.allclose(cupy.asnumpy(a), b, atol=1e-5) for a, b in zip(on_device, whole, strict=True))
print("to be timed:", "; ".join(updates))

# %%
sizes = [4**k for k in range(4, 12 if lesson.quick else 13)]
update_times = {name: [] for name in updates}
for size in sizes:
    for name, update in updates.items():
        xp = libraries[name.partition(",")[0]]
        arguments = states(xp, size)
        seconds = best(lambda u=update, xp=xp, a=arguments: u(xp, *a))
        update_times[name].append(seconds / size)
    row = ", ".join(f"{name} {1e9 * times[-1]:6.2f}" for name, times in update_times.items())
    print(f"{size:9} weights, nanoseconds per weight: {row}")

# %%
modelled_updates = {
    f"a fast GPU, {label} (model)": [GPUS["a fast GPU"].seconds(launches, 0, numbers * n) / n for n in sizes]
    for label, launches, numbers in (("12 kernels", 12, 28), ("fused", 1, 7))
}
figure, axis = plt.subplots(figsize=(9, 4.6))
for (name, times), colour in zip(update_times.items(), (BLUE, SKY, VERMILLION, BLACK), strict=False):
    axis.plot(sizes, [1e9 * t for t in times], "o-", color=colour, label=f"{name} (measured)")
for (name, times), colour in zip(modelled_updates.items(), (ORANGE, GREEN), strict=True):
    axis.plot(sizes, [1e9 * t for t in times], "--", color=colour, label=name)
axis.set(xscale="log", yscale="log", xlabel="weights", ylabel="nanoseconds per weight", title="a step of Adam")
axis.minorticks_off()
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "3_fusing")
in_cache = update_times["numpy"][-1] / update_times["numpy, in blocks"][-1]
print(f"with {sizes[-1]} weights, blocks make NumPy {in_cache:.1f} times as fast")
if cupy:
    print(f"fused, CuPy is {update_times['cupy'][-1] / update_times['cupy, fused'][-1]:.1f} times as fast")

# %% [markdown]
# The two measured curves show the two costs. On the left all the time is overhead, and blocks change nothing:
# there is only one. On the right, where the arrays outgrow the cache, each operation waits for memory, unless
# the blocks keep its numbers near by.
#
# The two dashed curves are the model, and show the same for a GPU. Fusing is worth twelve times on the left
# (one launch for twelve) and four times on the right, because the twelve kernels read and write 28 numbers for
# each weight, and the fused one reads 4 and writes 3.
#
# ### Fused operations in minigrad
#
# An operation of a network has a third cost: it leaves a node in the graph, for the way back. So minigrad has
# single operations for what is used all the time. They know the derivative of the whole, which is often
# simpler than that of the parts: for the cross-entropy it is softmax minus one-hot. Here are two of them beside
# the parts that say the same.


# %%
def cross_entropy_parts(x, y):
    """The cross-entropy of logits x (N, C) and labels y (N), spelled out."""
    shifted = x - x.max(1, keepdim=True).values
    logarithms = shifted - shifted.exp().sum(1, keepdim=True).log()
    return -logarithms[mg.arange(len(y)), y].mean()


mg.manual_seed(lesson.seed)
x, y = mg.randn(32, 27), mg.randint(0, 27, (32,))
print("cross-entropy:", cross_entropy_parts(x, y).item(), F.cross_entropy(x, y).item())
assert mg.allclose(cross_entropy_parts(x, y), F.cross_entropy(x, y), atol=1e-6)


# %%
def batch_norm_parts(x, gain, bias):
    """Columns of x (N, F) to mean 0 and variance 1, times gain, plus bias, spelled out."""
    centred = x - x.mean(0, keepdim=True)
    variance = (centred * centred).mean(0, keepdim=True)
    return gain * centred / (variance + 1e-5).sqrt() + bias


def batch_norm_fused(x, gain, bias):
    """The same by the library."""
    return F.batch_norm(x, None, None, gain, bias, training=True)


gain, bias = mg.ones(27), mg.zeros(27)
assert mg.allclose(batch_norm_parts(x, gain, bias), batch_norm_fused(x, gain, bias), atol=1e-5)
values = [function(x, gain, bias).max().item() for function in (batch_norm_parts, batch_norm_fused)]
print("batch norm, largest value:", *values)


# %%
def forward_and_backward(function, x, *others):
    """A function that computes the operation and all its gradients."""
    weights = mg.randn(x.shape[-1])

    def call():
        x.grad = None
        y = function(x, *others)
        (y if y.ndim == 0 else y @ weights).sum().backward()

    return call


x.requires_grad = True
forward_and_backward(F.cross_entropy, x, y)()
print("gradients of shape", tuple(x.grad.shape))

# %%
pairs, gains = {"cross-entropy": {}, "batch norm": {}}, {}
print(f"forward and backward, on {backend.name}:")
for shape in ((32, 27), (32, 200), (1024, 1000)):
    x, y = mg.randn(*shape, requires_grad=True), mg.randint(0, shape[1], shape[:1])
    gain, bias = mg.ones(shape[1], requires_grad=True), mg.zeros(shape[1], requires_grad=True)
    for name, parts, fused_one, others in (
        ("cross-entropy", cross_entropy_parts, F.cross_entropy, (y,)),
        ("batch norm", batch_norm_parts, batch_norm_fused, (gain, bias)),
    ):
        pair = pairs[name][shape] = [best(forward_and_backward(f, x, *others)) for f in (parts, fused_one)]
        gains[name, shape] = pair[0] / pair[1]
        print(f"{name:<14}{shape!s:<13} parts {1e6 * pair[0]:9.1f} µs, fused {1e6 * pair[1]:9.1f} µs")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
for axis, (name, times) in zip(axes, pairs.items(), strict=True):
    for shift, label, colour in ((0, "parts", ORANGE), (1, "fused", GREEN)):
        heights = [pair[shift] / pair[0] for pair in times.values()]
        bars = axis.bar([i + 0.38 * shift for i in range(len(times))], heights, 0.36, color=colour, label=label)
        labels = [f"{1e3 * pair[shift]:.2g} ms" for pair in times.values()]
        axis.bar_label(bars, labels, fontsize=9)
    axis.set_xticks([i + 0.19 for i in range(len(times))], [f"{n} × {c}" for n, c in times])
    axis.set(title=f"{name}, forward and backward", xlabel="examples × columns")
axes[0].set_ylabel("time, parts = 1")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "4_fused_in_minigrad")

# %% [markdown]
# ## 7. Is it worth it for my network?
#
# Now everything together, for the network of section 2: a whole training step for 32 examples, as its hidden
# layer grows. We write it on plain arrays, with gradients by hand as in lesson 12, so that both libraries can run
# it here and its operations can be counted.


# %%
def training_step(xp, x, target, w1, b1, w2, b2):
    """One step of SGD, in place; x (N, in), target (N, C) one-hot. Returns the loss, on the device."""
    h = xp.tanh(x @ w1 + b1)
    logits = h @ w2 + b2
    logits -= logits.max(1, keepdims=True)
    p = xp.exp(logits)
    total = p.sum(1)
    loss = (xp.log(total) - (logits * target).sum(1)).mean()
    g = (p / total[:, None] - target) / len(x)
    g1 = (g @ w2.T) * (1 - h * h)
    for w, gradient in ((w1, x.T @ g1), (b1, g1.sum(0)), (w2, h.T @ g), (b2, g.sum(0))):
        w -= 20 / len(b1) * gradient  # wide layers need small steps
    return loss


print("works with", training_step.__code__.co_argcount - 1, "arrays")


# %%
def step_inputs(width):
    """Inputs, one-hot targets and the four parameters, on the host."""
    x, w1, b1, w2, b2 = arrays(np, (32, 30), (30, width), width, (width, 27), 27)
    return x, np.eye(27, dtype=np.float32)[np.arange(32) % 27], w1 / 6, b1, w2 / width**0.5, b2


launches = count(training_step, *step_inputs(200))
inputs = step_inputs(200)
first, *_, last = (float(training_step(np, *inputs)) for _ in range(20))
print(f"{launches} operations in a step; the loss falls from {first:.3f} to {last:.3f} in 20 steps")
assert last < first

# %% [markdown]
# The model needs the amount of work too. There are five products of matrices, each with 2 · 32 · 30 · width
# operations or a little less, and about ten elementwise passes over the hidden layer, besides the weights.

# %%
hidden = [50 * 4**k for k in range(5 if lesson.quick else 6)]
step_times = {name: [] for name in libraries}
for width in hidden:
    for name, xp in libraries.items():
        inputs = [xp.asarray(array) for array in step_inputs(width)]
        step_times[name].append(best(lambda xp=xp, inputs=inputs: training_step(xp, *inputs)))
    print(f"{width:6} hidden units:", ", ".join(f"{name} {1e6 * t[-1]:8.0f} µs" for name, t in step_times.items()))
ours, plain = runs["numpy"][1], step_times["numpy"][1]
print(f"with 200, minigrad's own step took {1e6 * (ours - plain):.0f} µs more than this one")

# %% [markdown]
# minigrad's step takes longer, because it also builds the graph, walks back through it and calls an optimiser.
# That is Python's work, which the host has to do on either backend.

# %%
step_models = {
    name: [gpu.seconds(launches, 5 * 2 * 32 * 30 * width, 20 * 32 * width + 6 * 57 * width) for width in hidden]
    for name, gpu in GPUS.items()
}
for name, times in step_models.items():
    print(f"model of {name}:", " ".join(f"{1e6 * seconds:.0f}" for seconds in times), "µs")

# %%
figure, axis = plt.subplots(figsize=(8, 4.6))
draw(axis, hidden, step_times, step_models)
axis.set(title="a training step for 32 examples", xlabel="hidden units")
lesson.save(figure, "5_training_step")
step_crossovers = [crossover(hidden, step_times["numpy"], times) for times in step_models.values()]
for name, width in zip(step_models, step_crossovers, strict=True):
    print(f"by the model, {name} overtakes NumPy at {width:.0f} hidden units")

# %% [markdown]
# The network of lesson 10 has 200 hidden units, and by the model lies to the left of the crossover: 32 names do not
# keep thousands of arithmetic units busy for as long as it takes to write the next order. A larger network, a
# larger batch, or images instead of letters change that.
#
# ## The log

# %%
if not cupy:
    print("no GPU here: the lines with the word model are calculated, not measured")
for name, times in modelled.items():
    print(f"a layer: crossover with {name + ' (model)':<24} width {crossover(widths, measured['numpy'], times):.0f}")
for name, width in zip(step_models, step_crossovers, strict=True):
    print(f"a training step: crossover with {name + ' (model)':<24} {width:.0f} hidden units")
print(f"a step of Adam in blocks, {sizes[-1]} weights: NumPy {in_cache:.1f} times as fast")
for (name, shape), gain in gains.items():
    print(f"fused {name:<14} {shape!s:<13} {gain:.1f} times as fast as its parts")

# %% [markdown]
# ## What to keep
#
# - **`xp` is a variable that holds the library.** Ask arrays for operators and `xp` for names, and the same lines
#   run on both.
# - Where the backends differ, the reason is nearly always that **the host does not want to wait**: 0-d arrays
#   instead of numbers, indices that wrap around, no conversion that was not asked for.
# - **Synchronise before you read the clock**, and otherwise as rarely as you can.
# - Time = operations · overhead + work / speed. A GPU is worth it **to the right of the crossover**. Measure where
#   that is before you buy one.
# - **Fusing** saves overhead for small arrays and trips to memory for large ones, on either device.
#
# ## Exercises
#
# 1. *A GPU that refuses.* Write a class of arrays that behaves like CuPy's in two points: it raises a `TypeError`
#    when NumPy wants to convert it, and when it meets a NumPy array. Find with it which of these three lines run
#    on both backends, and repair the others: `np.sqrt(x)`, `x * np.ones(3)`, `list(x)` for a plot.
# 2. *The crossover moves.* By the model, how many examples must a batch have before a GPU trains the network with
#    200 hidden units faster than NumPy does? Draw the crossover in hidden units against the size of the batch.
# 3. *Many small parameters.* A network has 40 parameters of 250 numbers each. Update them with Adam one by one, and
#    then as one array of 10000 of which the 40 are views. What is gained on NumPy, and by the model on a GPU?
#
# Answers run in `answers/16_two_backends.py`.
