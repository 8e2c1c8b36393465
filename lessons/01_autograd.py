# %% [markdown]
# # Autograd: how a network finds out which way to move
#
# A neural network is a long calculation with many adjustable numbers in it, its **parameters**. At the end
# of the calculation stands one number that says how wrong the result was, the **loss**. To train the
# network is to adjust the parameters until the loss is small.
#
# But which of them should go up, which down, and how far? A small network has thousands, and trying each
# of them takes far too long. There is a better way: one walk backwards through the calculation answers the
# question for all parameters at once. In this lesson we do that walk by hand, then build the machine that
# does it, in some forty lines, and then train a network with it.
#
# You need to know a little Python, and what the slope of a curve is. No more.

# %%
import math
import time
from itertools import count

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, VERMILLION, Lesson
from matplotlib.colors import LinearSegmentedColormap

import minigrad as mg
from minigrad.diagnostics import draw_graph

lesson = Lesson("01_autograd")
steps = lesson.steps(full=150, quick=40)
print(f"one network, trained for {steps} steps; generator seed {lesson.seed}")

# %% [markdown]
# ## 1. What a slope is good for
#
# Take a calculation with a single adjustable number w, and pretend that its result is a loss. We stand at
# w = 3 and would like the loss to be smaller. So we ask: if I move w by a very small amount h, by how much
# does the loss move?


# %%
def f(w):
    """A loss with one parameter."""
    return 0.5 * w * w - w + 1


for h in (1.0, 0.1, 0.01, 0.001, 0.0001):
    print(f"h = {h:<7} loss moves by {f(3 + h) - f(3):.8f}, which is {(f(3 + h) - f(3)) / h:.5f} times h")

# %% [markdown]
# The last column settles at 2. This number is the **derivative** of the loss with respect to w, at the
# place where we stand: the loss moves twice as fast as w. In a picture it is the slope of the curve.
#
# It answers both of our questions. It is positive, so a larger w means a larger loss: w should go *down*.
# And it is not near zero, so moving is worth while. Move w a little against its derivative, look again,
# and repeat. That is **gradient descent**, and all training in this course is done that way. How far to
# move is set by a factor, the **learning rate**.

# %%
w, path = 3.0, []
for _ in range(8):
    path.append(w)
    h = 1e-6
    w -= 0.5 * (f(w + h) - f(w)) / h  # the learning rate is 0.5
print("w moves along:", " ".join(f"{w:.3f}" for w in path))
assert abs(w - 1) < 0.02, "the curve is lowest at w = 1"

# %%
grid = [i / 20 - 1 for i in range(101)]
figure, axis = plt.subplots(figsize=(8, 4.2))
axis.plot(grid, [f(w) for w in grid], color=BLUE, label="loss")
axis.plot([1.8, 4], [f(3) + 2 * (w - 3) for w in (1.8, 4)], color=VERMILLION, label="slope 2 at w = 3")
axis.plot(path, [f(w) for w in path], "o--", color=BLACK, linewidth=1, label="each step goes against the slope")
axis.set(title="gradient descent with one parameter", xlabel="w", ylabel="loss")
axis.legend(loc="upper center")
lesson.save(figure, "1_slope")

# %% [markdown]
# ## 2. One neuron
#
# Now something that deserves the name of a network, though barely. A **neuron** takes some inputs,
# multiplies each with a **weight** of its own, adds everything up together with one more number, the
# **bias**, and squeezes the sum into the range from -1 to 1 with the function tanh. Ours has two inputs.
#
# The inputs x are given, and so is the output that we would like to see, the **target** t. The weights w
# and the bias b are the parameters. As loss we take the squared distance between output and target.
#
# We write the calculation with a name for each step. That looks clumsy, and is the whole trick.


# %%
def neuron_loss(w1, w2, b, x1=2.0, x2=-1.0, t=1.0):
    """Every number on the way from the parameters to the loss, by name."""
    p1 = w1 * x1
    p2 = w2 * x2
    n = p1 + p2 + b
    y = math.tanh(n)
    L = (y - t) ** 2
    return {"w1": w1, "x1": x1, "w2": w2, "x2": x2, "b": b, "t": t, "p1": p1, "p2": p2, "n": n, "y": y, "L": L}


values = neuron_loss(w1=0.5, w2=1.5, b=1.0)
print(", ".join(f"{name} = {value:.4f}" for name, value in values.items()))

# %% [markdown]
# Such a calculation is best seen as a picture. Each box is a number, and an arrow leads from each number
# to those that are computed from it. This is a **graph** (boxes and arrows, nothing to do with the graph
# of a function), and calculating from left to right is called the **forward** pass.

# %%
PLACES = {"w1": (0, 4), "x1": (0, 3), "w2": (0, 2), "x2": (0, 1), "b": (1, 0.3), "p1": (1, 3.5), "p2": (1, 1.5),
          "n": (2, 2), "y": (3, 2), "t": (3, 0.5), "L": (4, 2)}  # fmt: skip
ARROWS = [("w1", "p1"), ("x1", "p1"), ("w2", "p2"), ("x2", "p2"), ("p1", "n"), ("p2", "n"), ("b", "n"), ("n", "y"),
          ("y", "L"), ("t", "L")]  # fmt: skip
FORMULAS = {"p1": "p1 = w1 · x1", "p2": "p2 = w2 · x2", "n": "n = p1 + p2 + b", "y": "y = tanh(n)", "L": "L = (y - t)²"}
CENTRED = {"ha": "center", "va": "center"}
print(f"{len(PLACES)} numbers, {len(FORMULAS)} of them computed, {len(ARROWS)} arrows")


# %%
def draw(title, values, gradients=()):
    """The graph of the neuron: values in the boxes and, where given, gradients below them."""
    (figure, axis), boxes = plt.subplots(figsize=(12, 5.6)), {}
    for name, (x, y) in PLACES.items():
        colour = "#DCEBF5" if name in FORMULAS else "#FBF0DA" if name in ("w1", "w2", "b") else "#EEEEEE"
        box = {"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": "0.45"}
        text = axis.text(x, y, f"{FORMULAS.get(name, name)}\n{values[name]:.4f}", bbox=box, **CENTRED)
        boxes[name] = text.get_bbox_patch()
        if name in gradients:
            axis.text(x, y - 0.44, f"{gradients[name]:+.4f}", color=VERMILLION, weight="bold", **CENTRED)
    for start, end in ARROWS:
        arrow = {"arrowstyle": "-|>", "color": "0.45", "patchA": boxes[start], "patchB": boxes[end]}
        axis.annotate("", PLACES[end], PLACES[start], arrowprops=arrow)
    axis.set(title=title, xlim=(-0.4, 4.5), ylim=(-0.4, 4.5))
    axis.axis("off")
    return figure


lesson.save(draw("forward: inputs in grey, parameters in yellow, results in blue", values), "2_forward")

# %% [markdown]
# ## 3. The chain rule
#
# How fast does the loss L move when the weight w1 moves? There is a chain of numbers between them: w1
# moves p1, p1 moves n, n moves y, y moves L.
#
# Think of a train of gear wheels. If the second wheel turns three times as fast as the first, and the
# third twice as fast as the second, then the third turns six times as fast as the first. Speeds along a
# chain *multiply*. The same holds for derivatives, and it is called the **chain rule**:
#
# $$\frac{dL}{dw_1} = \frac{dL}{dy} \cdot \frac{dy}{dn} \cdot \frac{dn}{dp_1} \cdot \frac{dp_1}{dw_1}$$
#
# The fraction dL/dy reads "how fast L moves when y moves". Each factor belongs to a single step of the
# calculation, and needs only the numbers at that step; call it the step's **local slope**. There are few
# kinds of steps, so there are few local slopes to know:
#
# - a sum, n = p1 + p2 + b: moving one term moves the sum just as far. The local slope is 1.
# - a product, p1 = w1 · x1: moving w1 by h moves the product by h · x1. The local slope is *the other*
#   factor, x1.
# - y = tanh(n): the local slope is 1 - y².
# - a square, L = (y - t)²: the local slope is 2(y - t).
#
# Check the two that are not obvious, with a small h as above.

# %%
h, n, y, t = 1e-6, values["n"], values["y"], values["t"]
rows = {
    "tanh": ((math.tanh(n + h) - math.tanh(n)) / h, 1 - y * y),
    "square": (((y + h - t) ** 2 - (y - t) ** 2) / h, 2 * (y - t)),
}
for name, (tried, formula) in rows.items():
    print(f"local slope of the {name}: tried {tried:.6f}, by the formula {formula:.6f}")
    assert abs(tried - formula) < 1e-5

# %% [markdown]
# Now the walk. Start at the loss and go backwards, against the arrows. At every number write down how fast
# *the loss* moves when this number moves. That is the **gradient** of the number: what the number after it
# has, times the local slope between the two. Nothing is computed twice, because w1, w2 and b share the way
# from L back to n. This is the **backward** pass, or **backpropagation**.

# %%
gradients = {"L": 1.0}  # the loss moves just as fast as itself
gradients["y"] = gradients["L"] * 2 * (values["y"] - values["t"])
gradients["n"] = gradients["y"] * (1 - values["y"] ** 2)
gradients["p1"] = gradients["p2"] = gradients["b"] = gradients["n"] * 1.0
gradients["w1"] = gradients["p1"] * values["x1"]
gradients["w2"] = gradients["p2"] * values["x2"]
for name, gradient in gradients.items():
    print(f"gradient of {name:<2} {gradient:8.4f}")

# %%
title = "backward: how fast the loss moves when each number moves, in red"
lesson.save(draw(title, values, gradients), "3_backward", cover=True)

# %% [markdown]
# Read the red numbers. The output is too low (0.46 where 1 is wanted), so the gradient of y is negative:
# *raising* y lowers the loss. The sum hands the gradient of n on to its three terms unchanged. The
# gradient of w1 is twice that of b, because its input is 2. The gradient of w2 has the opposite sign,
# because its input is negative.
#
# So a step of gradient descent will raise w1 and b, and lower w2. Does that help?

# %%
w1, w2, b = (values[name] - 0.1 * gradients[name] for name in ("w1", "w2", "b"))
after = neuron_loss(w1, w2, b)
print(f"w1 {w1:.4f}, w2 {w2:.4f}, b {b:.4f}: output {values['y']:.4f} -> {after['y']:.4f}, ", end="")
print(f"loss {values['L']:.4f} -> {after['L']:.4f}")
assert after["L"] < values["L"]

# %% [markdown]
# ## 4. Three ways to the same number
#
# The walk needed no insight, only care: at each step, look up a rule. That is work for a machine. The
# library's machine is used like this: say which numbers are parameters, calculate, and call `backward()`
# on the loss. The gradients are then found in `.grad`.

# %%
w1, w2, b = (mg.tensor(value, dtype=mg.float64, requires_grad=True) for value in (0.5, 1.5, 1.0))
loss = (mg.tanh(w1 * 2.0 + w2 * -1.0 + b) - 1.0) ** 2
loss.backward(retain_graph=True)  # without this, the graph is thrown away once it has been walked
engine = {"w1": w1.grad.item(), "w2": w2.grad.item(), "b": b.grad.item()}
print({name: round(gradient, 6) for name, gradient in engine.items()})
assert all(abs(engine[name] - gradients[name]) < 1e-12 for name in engine)

# %% [markdown]
# To know where to walk, the library kept a graph while it calculated, and it can draw it, for any
# calculation. The round boxes are the operations, two to our one in places, and not every result is shown.
# But the numbers in the square boxes are those that we know.

# %%
graph = draw_graph(loss, parameters={"w1": w1, "w2": w2, "b": b})
figure = graph.figure()
lesson.save(figure, "4_drawn_by_the_library")
print(f"{len(graph.boxes)} boxes, {len(graph.edges)} arrows")

# %% [markdown]
# The third way asks no rule at all: move a parameter and see what the loss does, as in the first section.
# These are **finite differences**. Better than to compare "here" with "a bit further" is to compare "a bit
# further" with "a bit back", and divide by the distance 2h. The two errors of this **central** difference,
# one from either side, mostly cancel.


# %%
def central(name, h=1e-5):
    """The gradient of the neuron's loss for one parameter, by a central difference."""
    parameters = {"w1": 0.5, "w2": 1.5, "b": 1.0}
    above, below = (neuron_loss(**parameters | {name: parameters[name] + step}) for step in (h, -h))
    return (above["L"] - below["L"]) / (2 * h)


print(f"{'':<4}{'by hand':>16}{'by the engine':>16}{'by differences':>16}")
for name in engine:
    print(f"{name:<4}{gradients[name]:16.10f}{engine[name]:16.10f}{central(name):16.10f}")
    assert abs(central(name) - engine[name]) < 1e-9

# %% [markdown]
# They agree to nine digits. Why not more, and why not a smaller h? Two errors work against each other. A
# large h is too coarse, because the curve bends between the two points. With a small h, the two losses
# agree in nearly all of their digits; their difference keeps only the last few, and those are rounded.

# %%
sizes = [10 ** (-k / 4) for k in range(2, 57)]
losses_at = [neuron_loss(0.5 + h, 1.5, 1.0)["L"] for h in sizes]
one_sided = [abs((L - values["L"]) / h - gradients["w1"]) for L, h in zip(losses_at, sizes, strict=True)]
two_sided = [abs(central("w1", h) - gradients["w1"]) for h in sizes]
figure, axis = plt.subplots(figsize=(8, 4.2))
axis.plot(sizes, one_sided, color=ORANGE, label="one-sided difference")
axis.plot(sizes, two_sided, color=BLUE, label="central difference")
axis.set(title="finite differences: too coarse on the right, too few digits on the left", xscale="log", yscale="log")
axis.set(xlabel="h", ylabel="error of the gradient of w1")
axis.legend(loc="upper left")
lesson.save(figure, "5_differences")
print(f"smallest error: one-sided {min(one_sided):.0e}, central {min(two_sided):.0e}")

# %% [markdown]
# So finite differences are no way to train: they are inexact, and every parameter costs two more forward
# passes. But they know no rules, so they cannot share a mistake with the engine. That makes them the test
# of every derivative that anyone writes, and this library checks each of its own that way.
#
# ## 5. Why gradients add up
#
# In our neuron every number was used once. What if a number is used twice? Take y = a · a + a, at a = 3.
# There are three ways from a to y: through the first factor, through the second factor, and through the
# term at the end. When a moves, it moves y along all three *at the same time*, so their effects **add
# up**: 3 + 3 + 1 = 7.

# %%
a = mg.tensor(3.0, requires_grad=True)
(a * a + a).backward()
tried = ((3.001 * 3.001 + 3.001) - (2.999 * 2.999 + 2.999)) / 0.002
print(f"gradient of a: engine {a.grad.item():.4f}, by a difference {tried:.4f}")
assert a.grad.item() == 7

# %% [markdown]
# An engine must therefore *add* to a gradient whenever one arrives. One that overwrites it keeps only the
# way that it walked last, here 1 or 3, and the fault does not show: nothing fails, the training is just
# worse than it should be.
#
# The same rule holds from one `backward()` to the next. If you call it for two losses, the gradients of
# both are added, which is the gradient of their sum. That is useful: a batch that is too large for the
# memory can be done in pieces. But it also means that gradients must be cleared before each step of
# training. To forget that is the most common mistake there is.

# %%
a = mg.tensor(3.0, requires_grad=True)
seen = []
for _ in range(3):
    (a * a).backward()
    seen.append(a.grad.item())
print("gradient of a after each of three backward passes, never cleared:", seen)
a.grad = None
(a * a).backward()
print("cleared first:", a.grad.item())
assert seen == [6, 12, 18] and a.grad == 6

# %% [markdown]
# ## 6. An engine of our own
#
# Now the machine. It needs numbers that *remember* how they were made. When such a number is computed, it
# notes which numbers it was computed from, its **parents**, and the local slope with respect to each.
# Nothing else is needed for the walk back, and now is the time to note it, since a local slope depends on
# the numbers at hand.


# %%
class Value:
    """A number that remembers its parents, and the local slope with respect to each."""

    made = count()

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes
        self.number = next(Value.made)  # parents always have smaller numbers

    def __repr__(self):
        return f"Value({self.data:.4f}, grad={self.grad:.4f})"


print(Value(2.0))

# %% [markdown]
# Each operation makes a new `Value`, and here are the rules from section 3, each a single line. Python
# calls a method named `__add__` wherever it meets a `+`. It is enough to have the sum, the product, tanh
# and powers; a difference is the sum with -1 times the other.


# %%
def wrap(x):
    """x itself if it is a Value; a plain number as a Value without parents."""
    return x if isinstance(x, Value) else Value(x)


def add(a, b):
    b = wrap(b)
    return Value(a.data + b.data, (a, b), (1.0, 1.0))


def multiply(a, b):
    b = wrap(b)
    return Value(a.data * b.data, (a, b), (b.data, a.data))


print(add(Value(2.0), 3.0), multiply(Value(2.0), 3.0))


# %%
def tanh(a):
    y = math.tanh(a.data)
    return Value(y, (a,), (1 - y * y,))


def power(a, exponent):
    return Value(a.data**exponent, (a,), (exponent * a.data ** (exponent - 1),))


Value.__add__ = Value.__radd__ = add
Value.__mul__ = Value.__rmul__ = multiply
Value.__pow__, Value.tanh = power, tanh
Value.__neg__ = lambda a: a * -1.0
Value.__sub__ = lambda a, b: a + -b
Value.__rsub__ = lambda a, b: -a + b
print((2.0 - Value(0.5) * 3.0) ** 2, Value(0.5).tanh())

# %% [markdown]
# Last, the walk. A number may pass its gradient on only when it is complete, that is, when everything
# computed from it has added its share. How can we be sure of that? A number is always made *after* its
# parents. So go through all numbers from the youngest to the oldest: then each comes after all of its
# users.


# %%
def backward(end):
    """Adds to the grad of every value that `end` was computed from how fast `end` moves with it."""
    reached, waiting = {end}, [end]
    while waiting:
        new = [parent for parent in waiting.pop().parents if parent not in reached]
        reached.update(new)
        waiting += new
    end.grad = 1.0
    for value in sorted(reached, key=lambda value: value.number, reverse=True):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad  # the chain rule multiplies, several ways add up


Value.backward = backward
a = Value(3.0)
(a * a + a).backward()
print(a)
assert a.grad == 7

# %% [markdown]
# That is all of it. Give it our neuron, and it finds what we found by hand.

# %%
ours = {"w1": Value(0.5), "w2": Value(1.5), "b": Value(1.0)}
loss = ((ours["w1"] * 2.0 + ours["w2"] * -1.0 + ours["b"]).tanh() - 1.0) ** 2
loss.backward()
for name, value in ours.items():
    print(f"{name:<2} by hand {gradients[name]:.10f}, by our engine {value.grad:.10f}")
    assert abs(value.grad - gradients[name]) < 1e-12

# %% [markdown]
# One example proves little. So let chance write the calculations: 200 random ones, each of 30 operations
# on numbers that are used many times over, done by our engine and by the library's.


# %%
def random_calculation(values, g):
    """Combines the values by 30 random operations; works for Values and for tensors."""
    values = list(values)
    for kind, i, j in mg.randint(0, 1_000_000, (30, 3), generator=g).tolist():
        a, b = values[i % len(values)], values[j % len(values)]
        values.append((a + b, a * b, a - b, a.tanh(), (a * 0.5) ** 2)[kind % 5].tanh())
    return sum(values[1:], values[0])


worst, g = 0.0, mg.Generator().manual_seed(lesson.seed)
for seed in range(200):
    numbers = mg.randn(4, generator=g, dtype=mg.float64)
    mine, theirs = [Value(x) for x in numbers.tolist()], [x.clone().requires_grad_() for x in numbers]
    for leaves in (mine, theirs):
        random_calculation(leaves, mg.Generator().manual_seed(seed)).backward()
    worst = max([worst, *(abs(a.grad - b.grad.item()) for a, b in zip(mine, theirs, strict=True))])
print(f"largest difference between the two engines: {worst:.0e}")
assert worst < 1e-9

# %% [markdown]
# ## 7. A network for two moons
#
# What can an engine do that knows sums, products and tanh? Anything that a neural network does. Here is a
# task that no straight line can solve: points in the shape of two crescents that reach into each other, to
# be told apart. The wanted output is 1 for one moon and -1 for the other.

# %%
points = 30 if lesson.quick else 100
g = mg.Generator().manual_seed(lesson.seed)
angle = math.pi * mg.rand(points, generator=g, dtype=mg.float64)
upper = mg.arange(points) % 2 == 0
x1 = mg.where(upper, mg.cos(angle), 1 - mg.cos(angle)) - 0.5
x2 = mg.where(upper, mg.sin(angle), 0.5 - mg.sin(angle)) - 0.25
X = mg.stack([x1, x2], dim=1) + 0.1 * mg.randn((points, 2), generator=g, dtype=mg.float64)
Y = mg.where(upper, 1.0, -1.0).double()
print(f"{points} points, {upper.sum().item()} of them in the upper moon; the first: {X[0].tolist()}")

# %% [markdown]
# A **layer** is a row of neurons that all see the same inputs; their outputs are the inputs of the next
# layer. Ours has layers of 8, 8 and 1 neurons. A network of such layers is called a **multilayer
# perceptron**. The weights start at random: if they were all equal, all neurons of a layer would do the
# same for ever. Dividing by the square root of the number of inputs keeps the sums in the range where tanh
# bends; lessons 2 and 10 are about that.


# %%
def start(kind):
    """The weights of each layer, one row per neuron, the bias last; always the same numbers."""
    g = mg.Generator().manual_seed(lesson.seed)
    shapes = [(8, 3), (8, 9), (1, 9)]
    layers = [mg.randn(shape, generator=g, dtype=mg.float64) / shape[1] ** 0.5 for shape in shapes]
    return [kind(layer) for layer in layers]


def as_values(layer):
    return [[Value(w) for w in neuron] for neuron in layer.tolist()]


layers = start(as_values)
parameters = [w for layer in layers for neuron in layer for w in neuron]
print(f"{len(parameters)} parameters; the first neuron: {layers[0][0]}")
assert len(parameters) == 8 * 3 + 8 * 9 + 9


# %%
def neuron(weights, inputs):
    """tanh of the weighted sum of the inputs and the bias."""
    total = weights[-1]
    for w, x in zip(weights[:-1], inputs, strict=True):
        total = total + w * x
    return total.tanh()


def network(layers, inputs):
    """The output of the last neuron."""
    for layer in layers:
        inputs = [neuron(weights, inputs) for weights in layer]
    return inputs[0]


def mean_loss(layers):
    """The mean squared distance between output and target, over all points."""
    errors = [(network(layers, x) - y) ** 2 for x, y in zip(X.tolist(), Y.tolist(), strict=True)]
    return sum(errors[1:], errors[0]) * (1 / points)


print(f"output for the first point {network(layers, X[0].tolist()).data:.3f}, loss {mean_loss(layers).data:.4f}")

# %% [markdown]
# Before training, see what the backward pass saves. We get the gradients of all 105 parameters by one walk
# back. Then those of every tenth parameter by central differences, which need two forward passes *each*.
# In a network of a million parameters that would be two million forward passes, for one step of training.
# The forward pass and the walk back together take no longer than two or three forward passes, however many
# parameters there are.

# %%
before = time.process_time()
mean_loss(layers).backward()
walk_seconds = time.process_time() - before
before, differences, tenth = time.process_time(), [], parameters[::10]
for p in tenth:
    p.data += 1e-5
    above = mean_loss(layers).data
    p.data -= 2e-5
    differences.append((above - mean_loss(layers).data) / 2e-5)
    p.data += 1e-5
difference_seconds = (time.process_time() - before) * len(parameters) / len(tenth)
off = max(abs(p.grad - d) for p, d in zip(tenth, differences, strict=True))
print(f"one walk {walk_seconds:.2f} s, differences for all {difference_seconds:.1f} s; at most {off:.0e} apart")
assert off < 1e-8

# %% [markdown]
# Training is the loop from section 1: clear the gradients, calculate the loss, walk back, and move every
# parameter against its gradient.


# %%
def outputs_on_grid(layers, side=41):
    """The network's output on a square grid around the moons, as rows."""
    ticks = [3.6 * i / (side - 1) - 1.8 for i in range(side)]
    return [[network(layers, (x, y)).data for x in ticks] for y in ticks]


pictures, losses, before = {0: outputs_on_grid(layers)}, [], time.perf_counter()
for step in lesson.progress(steps, "two moons"):
    for p in parameters:
        p.grad = 0.0
    loss = mean_loss(layers)
    loss.backward()
    for p in parameters:
        p.data -= 0.5 * p.grad
    losses.append(loss.data)
    if step + 1 == max(1, steps // 5):
        pictures[step + 1] = outputs_on_grid(layers)
print(f"{len(losses)} steps in {time.perf_counter() - before:.1f} s: loss {losses[0]:.4f} -> {losses[-1]:.4f}")

# %%
pictures[len(losses)] = outputs_on_grid(layers)
outputs = [network(layers, x).data for x in X.tolist()]
correct = sum(output * y > 0 for output, y in zip(outputs, Y.tolist(), strict=True))
print(f"on the right side: {correct} of {points} points")
assert lesson.seed != lesson.default_seed or len(losses) < 150 or correct >= 0.98 * points

# %% [markdown]
# The picture shows what the network says about every place, not only about the points. Blue means "upper
# moon", orange "lower moon". The black line, where the output is zero, is the **decision boundary**: at
# first nearly straight, then bent, in the end winding its way between the moons. No one told it how.

# %%
figure, axes = plt.subplots(1, len(pictures), figsize=(12, 4.4), sharex=True, sharey=True)
colours = [BLUE if y > 0 else ORANGE for y in Y.tolist()]
shades = LinearSegmentedColormap.from_list("moons", ["#F6C978", "white", "#8FC1E3"])
for axis, (step, rows) in zip(axes, pictures.items(), strict=True):
    axis.imshow(rows, extent=(-1.8, 1.8) * 2, origin="lower", cmap=shades, vmin=-1, vmax=1, interpolation="bilinear")
    axis.contour(rows, levels=[0], extent=(-1.8, 1.8) * 2, colors=BLACK, linewidths=1.5)
    axis.scatter(*X.T.tolist(), c=colours, s=22, edgecolors="white", linewidths=0.6)
    axis.set(title=f"after {step} steps", xlabel="x1")
axes[0].set_ylabel("x2")
lesson.save(figure, "6_two_moons")

# %% [markdown]
# ## 8. The same network, vectorised
#
# Our engine is right, but slow. For each of its additions Python makes an object, notes two parents and
# looks up a method, and only then adds two numbers, which is the one thing that we wanted.
#
# The way out is to let one step of the graph hold *many* numbers. A layer does the same for every neuron
# and every point: multiply, add, tanh. So put all points into one table X, all weights of a layer into one
# table W, and do the layer in three steps: a matrix product, a sum, a tanh. Python is then asked to do
# three things, not thousands, and the loops run inside of compiled code. To write a calculation so is to
# **vectorise** it, and tables of numbers that remember how they were made are what libraries call
# **tensors**.


# %%
def as_tensor(layer):
    return layer.requires_grad_()


def network_of_tensors(layers, X):
    """The network for all points at once: X has a row per point, each layer a row per neuron."""
    for W in layers:
        X = mg.tanh(X @ W[:, :-1].T + W[:, -1])
    return X[:, 0]


layers = start(as_tensor)
first = network_of_tensors(layers, X)[0].item()
print(f"output for the first point {first:.3f}; the layers' tables:", ", ".join(f"{tuple(W.shape)}" for W in layers))

# %%
fast_losses, before = [], time.perf_counter()
for _ in range(len(losses)):
    loss = ((network_of_tensors(layers, X) - Y) ** 2).mean()
    for W in layers:
        W.grad = None
    loss.backward()
    for W in layers:
        W.data -= 0.5 * W.grad
    fast_losses.append(loss.item())
apart = max(abs(a - b) for a, b in zip(losses[:20], fast_losses, strict=False))
print(f"{len(losses)} steps in {time.perf_counter() - before:.3f} s; the first losses at most {apart:.0e} apart")
assert apart < 1e-9

# %% [markdown]
# The losses are the same, step by step, apart from rounding. It is the same calculation. How much faster
# is it? That depends on how many numbers each step of the graph holds, so measure one training step for
# several numbers of points.


# %%
def time_step(network, layers, X, Y):
    """Seconds of the processor's time for one forward and backward pass: the best of three."""
    best = math.inf
    for _ in range(3):
        before = time.process_time()
        network(layers, X, Y).backward()
        best = min(best, time.process_time() - before)
    return best


def scalar_step(layers, X, Y):
    errors = [(network(layers, x) - y) ** 2 for x, y in zip(X, Y, strict=True)]
    return sum(errors[1:], errors[0]) * (1 / len(Y))


def tensor_step(layers, X, Y):
    return ((network_of_tensors(layers, X) - Y) ** 2).mean()


print(f"one point, our engine: {1000 * time_step(scalar_step, start(as_values), X[:1].tolist(), [1.0]):.2f} ms")

# %%
timings = {"numbers": [], "tensors": []}
counts = [1, 10, 100] if lesson.quick else [1, 10, 100, 1000]
for n in counts:
    Xn, Yn = mg.zeros((n, 2), dtype=mg.float64), mg.ones(n, dtype=mg.float64)
    timings["numbers"].append(time_step(scalar_step, start(as_values), Xn.tolist(), Yn.tolist()))
    timings["tensors"].append(time_step(tensor_step, start(as_tensor), Xn, Yn))
    slow, fast = timings["numbers"][-1], timings["tensors"][-1]
    print(f"{n:5} points: numbers {1e3 * slow:9.2f} ms, tensors {1e3 * fast:6.2f} ms, {slow / fast:6.0f} times faster")
assert timings["tensors"][-1] * 10 < timings["numbers"][-1]

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for (name, times), colour, marker in zip(timings.items(), (VERMILLION, GREEN), "so", strict=True):
    axis.plot(counts, [1e3 * s for s in times], color=colour, marker=marker, label=f"an engine for {name}")
axis.set(title="one step of training", xlabel="points", ylabel="milliseconds", xscale="log", yscale="log")
axis.legend(loc="upper left")
lesson.save(figure, "7_speed")
print(f"10 times the points cost tensors {timings['tensors'][1] / timings['tensors'][0]:.1f} times as much")

# %% [markdown]
# With numbers, ten times the points take ten times as long, or longer. With tensors they cost next to
# nothing, until the tables are so large that the arithmetic itself takes longer than telling Python about
# it. For the rest of the course we use tensors. Yet there is nothing in the library's engine that you have
# not seen here: numbers that remember their parents, a local slope for each operation, and a walk from the
# youngest to the oldest. It is in `minigrad/autograd.py`.
#
# ## 9. The log

# %%
print(f"{'gradient of w1 by hand':<42}{gradients['w1']:.10f}")
print(f"{'by the library':<42}{engine['w1']:.10f}")
print(f"{'by our engine':<42}{ours['w1'].grad:.10f}")
print(f"{'by a central difference':<42}{central('w1'):.10f}")
print(f"{'the two engines on 200 calculations':<42}at most {worst:.0e} apart")
print(f"{'105 gradients: one walk, differences':<42}{walk_seconds:.2f} s, {difference_seconds:.2f} s")
print(f"{'two moons after ' + str(len(losses)) + ' steps':<42}loss {losses[-1]:.4f}, {correct} of {points} right")
ratio = timings["numbers"][-1] / timings["tensors"][-1]
print(f"{'tensors instead of numbers, ' + str(counts[-1]) + ' points':<42}{ratio:.0f} times faster")

# %% [markdown]
# ## What to keep
#
# - The **gradient** of a number says how fast the loss moves when that number moves. To lower the loss, move
#   against it.
# - **Along a chain, local slopes multiply. Where several ways meet, they add.** That is all the mathematics
#   there is to backpropagation.
# - One walk back gives the gradients of *all* parameters, for about the price of calculating the loss.
# - Gradients are added to what is there. **Clear them** before each step.
# - **Finite differences** are too slow and too coarse for training, and just right for checking.
#
# ## Exercises
#
# 1. *tanh from its pieces.* Give the engine `exp` and division. Build tanh from them,
#    tanh(x) = (e²ˣ - 1) / (e²ˣ + 1), and compare its value and its gradient with those of the single
#    operation. What happens at x = 400, and why does the single operation not have that problem?
# 2. *A long chain.* Put 20 neurons in a row, each with one input, one weight w and no bias. How large is the
#    gradient of the first input for w = 0.5, 1, 2 and 4? Draw the gradient of each number in the row. Where
#    does it get lost, and what about a row without tanh?
# 3. *The slope of a slope.* Change the engine so that the gradients are themselves `Value`s, with parents.
#    Then walk back twice, and check the second derivative of tanh, and that of a · a · a.
#
# Answers run in `answers/01_autograd.py`.
