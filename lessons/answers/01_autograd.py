# %% [markdown]
# # Answers to the exercises of lesson 1, autograd

# %%
import math
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson

lesson = Lesson("01_autograd_answers")
depth = lesson.steps(full=20, quick=20)
print(f"a row of {depth} neurons")

# %% [markdown]
# The lesson's engine, as it was.


# %%
class Value:
    """A number that remembers its parents, and the local slope with respect to each."""

    made = count()

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes
        self.number = next(Value.made)  # parents always have smaller numbers


def wrap(x):
    """x itself if it is a Value; a plain number as a Value without parents."""
    return x if isinstance(x, Value) else Value(x)


print("a number:", wrap(2.0).data)


# %%
def add(a, b):
    b = wrap(b)
    return Value(a.data + b.data, (a, b), (1.0, 1.0))


def multiply(a, b):
    b = wrap(b)
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def tanh(a):
    y = math.tanh(a.data)
    return Value(y, (a,), (1 - y * y,))


Value.__add__, Value.__mul__, Value.tanh = add, multiply, tanh
print("2 * 3 + 1 =", (Value(2.0) * 3.0 + 1.0).data)


# %%
def youngest_first(end):
    """Every value that `end` was computed from, and itself: users always before what they use."""
    reached, waiting = {end}, [end]
    while waiting:
        new = [parent for parent in waiting.pop().parents if parent not in reached]
        reached.update(new)
        waiting += new
    return sorted(reached, key=lambda value: value.number, reverse=True)


def backward(end):
    """Adds to the grad of every value that `end` was computed from how fast `end` moves with it."""
    end.grad = 1.0
    for value in youngest_first(end):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad


print("found from 2 * 3 + 1:", len(youngest_first(Value(2.0) * 3.0 + 1.0)), "numbers")

# %%
Value.backward = backward
a = Value(3.0)
(a * a + a).backward()
print("gradient of a * a + a at 3:", a.grad)
assert a.grad == 7

# %% [markdown]
# ## 1. tanh from its pieces
#
# The local slope of exp is exp itself. A quotient a / b moves by 1 / b for each step of a, and by -a / b²
# for each step of b.


# %%
def exp(a):
    y = math.exp(a.data)
    return Value(y, (a,), (y,))


def divide(a, b):
    b = wrap(b)
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))


Value.exp, Value.__truediv__ = exp, divide


def tanh_from_pieces(x):
    e = (x * 2.0).exp()
    return (e + -1.0) / (e + 1.0)


for number in (-2.0, 0.5, 3.0):
    whole, pieces = Value(number), Value(number)
    whole.tanh().backward()
    tanh_from_pieces(pieces).backward()
    print(f"at {number:4}: gradient in one operation {whole.grad:.12f}, from pieces {pieces.grad:.12f}")
    assert abs(whole.grad - pieces.grad) < 1e-12

# %% [markdown]
# Two boxes of the graph use `e`, and both add to its gradient. At x = 400, e⁸⁰⁰ is larger than the largest
# number that a computer's float can hold, though the answer is a plain 1.

# %%
try:
    tanh_from_pieces(Value(400.0))
    raise AssertionError("e to the 800 fits into no float")
except OverflowError as error:
    print("from pieces:", error)
print("in one operation:", Value(400.0).tanh().data)

# %% [markdown]
# `math.tanh` knows a better formula for large x. That is the reason why libraries offer operations such as
# tanh, log-softmax or cross-entropy in one piece, although they could be put together: they can choose
# their arithmetic, forward and backward. (And one box is cheaper than five.)
#
# ## 2. A long chain
#
# The gradient of the first input is a product of two numbers for each neuron: the weight w, and the slope
# of tanh at that place, which is never above 1.


# %%
def chain(w, squeeze=True):
    """The gradients of all numbers in a row of neurons with weight w, from the first input to the output."""
    numbers = [Value(0.5)]
    for _ in range(depth):
        product = numbers[-1] * w
        numbers.append(product.tanh() if squeeze else product)
    numbers[-1].backward()
    return [number.grad for number in numbers]


for w in (0.5, 1.0, 2.0, 4.0):
    print(f"w = {w}: gradient of the first input {chain(w)[0]:.1e}, without tanh {chain(w, squeeze=False)[0]:.1e}")
assert depth < 20 or max(chain(w)[0] for w in (0.5, 1.0, 2.0, 4.0)) < 0.2
assert math.isclose(chain(2.0, squeeze=False)[0], 2.0**depth)

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharex=True, sharey=True)
for axis, squeeze, title in zip(axes, (True, False), ("with tanh", "without tanh"), strict=True):
    for w, colour in zip((0.5, 1.0, 2.0, 4.0), (SKY, BLUE, GREEN, VERMILLION), strict=True):
        axis.plot(range(depth + 1), chain(w, squeeze), "o-", color=colour, markersize=4, label=f"w = {w:g}")
    axis.set(title=title, xlabel="number in the row: 0 is the first input", yscale="log", xticks=range(0, depth + 1, 5))
axes[0].set_ylabel("gradient")
axes[1].legend(loc="lower right")
lesson.save(figure, "1_long_chain")

# %% [markdown]
# Read the picture from right to left, the way the gradient travels. With w = 0.5 each neuron halves it.
# With w = 4 the weights would raise it, but the numbers sit so far out that tanh is flat, and the slope
# there, about 0.001, outweighs the 4. With w = 1 the numbers themselves shrink slowly towards zero, where
# tanh has slope 1, so a tenth is left after 20 neurons: the best of the four. Without tanh only w = 1
# keeps the gradient as it is; otherwise each neuron multiplies it by w, and 20 of them make 10⁻⁶ or 10¹²
# of it. To keep this product near 1 is what deep networks need in order to learn, and lessons 2, 6, 7 and
# 10 tell how it is done.
#
# ## 3. The slope of a slope
#
# A gradient is computed by products and sums, so it can be a `Value` as well, if its local slopes are. Two
# changes do it: keep the slopes as `Value`s, and start the walk with `Value(1.0)`. A slope must be built
# out of the numbers themselves (b, not b.data), or it would be a constant to the second walk. And for tanh
# that means to build it out of the result, which exists only after the `Value` is made.


# %%
class Twice(Value):
    """A number whose gradient is again such a number, with parents."""

    def __add__(a, b):
        b = b if isinstance(b, Twice) else Twice(b)
        return Twice(a.data + b.data, (a, b), lambda y: (Twice(1.0), Twice(1.0)))

    def __mul__(a, b):
        b = b if isinstance(b, Twice) else Twice(b)
        return Twice(a.data * b.data, (a, b), lambda y: (b, a))

    def tanh(a):
        return Twice(math.tanh(a.data), (a,), lambda y: (y * y * -1.0 + 1.0,))


print((Twice(2.0) * 3.0 + 1.0).data, Twice(0.5).tanh().data)

# %% [markdown]
# The slopes are functions of the result now, asked for in the walk. The walk also has to begin with clean
# gradients, because the first one has left its own in place; so it returns them instead of storing them.


# %%
def gradient(end, of):
    """How fast `end` moves with `of`, as a number that can itself be walked back from."""
    gradients = {end: Twice(1.0)}
    for value in youngest_first(end):
        for parent, slope in zip(value.parents, value.slopes(value) if value.parents else (), strict=True):
            share = slope * gradients[value]
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    return gradients[of]


a = Twice(3.0)
first = gradient(a * a * a, of=a)
second = gradient(first, of=a)
third = gradient(second, of=a)
print(f"a * a * a at 3: {first.data}, {second.data}, {third.data}; by the rules 3a² = 27, 6a = 18, 6")
assert (first.data, second.data, third.data) == (27, 18, 6)

# %%
x = Twice(0.5)
y = math.tanh(0.5)
second = gradient(gradient(x.tanh(), of=x), of=x).data
h = 1e-4
tried = (math.tanh(0.5 + h) - 2 * math.tanh(0.5) + math.tanh(0.5 - h)) / h**2
print(f"second derivative of tanh: {second:.8f}, formula {-2 * y * (1 - y * y):.8f}, by differences {tried:.8f}")
assert abs(second + 2 * y * (1 - y * y)) < 1e-12

# %% [markdown]
# The library does the same when it is asked to with `create_graph=True`: its local slopes are written so
# that they work on raw numbers, for speed, and on tensors, for a second walk.

# %%
grid = [i / 25 - 3 for i in range(151)]
figure, axis = plt.subplots(figsize=(8, 4.2))
curves = {"tanh": [], "its slope": [], "the slope of its slope": []}
for place in grid:
    x = Twice(place)
    slope = gradient(x.tanh(), of=x)
    for curve, number in zip(curves.values(), (x.tanh(), slope, gradient(slope, of=x)), strict=True):
        curve.append(number.data)
for (name, curve), colour in zip(curves.items(), (BLUE, VERMILLION, ORANGE), strict=True):
    axis.plot(grid, curve, color=colour, label=name)
axis.set(title="differentiated by the engine, twice", xlabel="x", ylabel="y")
axis.legend(loc="upper left")
lesson.save(figure, "2_slope_of_a_slope")
