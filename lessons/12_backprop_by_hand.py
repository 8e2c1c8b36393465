# %% [markdown]
# # Backpropagation by hand: every gradient of a network with batch normalisation
#
# So far `loss.backward()` has done the work. In this lesson we do it ourselves, for the network of lesson
# 10: an embedding, a layer with batch normalisation and tanh, a layer of logits, and the cross-entropy.
# Every number between the letters and the loss gets its gradient by a line that we write, and every line
# is compared with what the engine says.
#
# Why bother, when the engine is right? Because `backward()` is a **leaky abstraction**: you can use it
# without knowing what it does, but not repair it. Saturated units, useless biases, gradients that explode
# or vanish: none of them raises an error, and each is plain to see once you know which numbers are
# multiplied on the way back. At the end we throw the engine away and train with our own gradients.
#
# What you need from before: the **gradient** of a number with respect to the loss says by how much the
# loss changes when that number is moved a little, per unit moved. And the chain rule of lesson 1: a
# gradient that arrives is multiplied by the local derivative and handed on.

# %%
import time

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("12_backprop_by_hand")
steps = lesson.steps(full=200_000, quick=1_000)
print(f"one training run of {steps} steps with gradients by hand, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. Six rules
#
# A forward pass is a chain of small operations, and only a handful of kinds occur. Each has a rule for
# the way back. We write `d_x` for the gradient of the loss with respect to x, and always compute it from
# the gradient of whatever x was made into.
#
# To check a rule we need a judge that knows nothing of rules. That is **nudging**: move one number a
# little up, then a little down, and see how the loss differs. It is slow, one number at a time, and never
# wrong by more than rounding.


# %%
def nudge(loss_of, values, amount=1e-6):
    """The gradient of `loss_of(values)` by moving each number of `values` (float64) up and down."""
    gradient = mg.zeros(values.nelement(), dtype=mg.float64)
    for i in range(values.nelement()):
        moved = []
        for sign in (1, -1):
            copy = values.detach().clone()
            copy.view(-1)[i] += sign * amount
            moved.append(loss_of(copy).item())
        gradient[i] = (moved[0] - moved[1]) / (2 * amount)
    return gradient.view(*values.shape)


x = mg.tensor([1.0, -2.0, 3.0]).double()
print("by the formula 2 x:", (2 * x).tolist(), " by nudging:", nudge(lambda x: (x**2).sum(), x).tolist())


# %%
def agree(ours, theirs, tolerance=1e-7):
    """Largest difference of two gradients, which must be small and their shapes the same."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    difference = (ours - theirs).abs().max().item()
    assert difference < tolerance, difference
    return difference


formula, nudged = 2 * x, nudge(lambda x: (x**2).sum(), x)
print(f"largest difference {agree(formula, nudged):.0e}")

# %% [markdown]
# **Rule 1: the gradient of a value has the shape of the value.** Each number in it has its own answer to
# "what if this one moved?" When a line of ours gives another shape, it is wrong, and often the shape
# alone tells what is missing.
#
# **Rule 2: elementwise operations multiply by the local derivative.** If `y = exp(x)`, then `d_x = d_y *
# exp(x)`; if `y = a * b`, then `d_a = d_y * b` and `d_b = d_y * a`.
#
# In the checks below, `weights` plays the part of everything that comes after. With `loss = (weights *
# y).sum()`, the gradient that arrives at y is `d_y = weights`.

# %%
g = mg.Generator().manual_seed(lesson.seed)
a, b, weights = (mg.randn((3, 4), generator=g).double() for _ in range(3))
d_y = weights
d_a, d_b = d_y * b, d_y * a
print(f"y = a * b: largest difference {agree(d_a, nudge(lambda a: (weights * (a * b)).sum(), a)):.0e}", end="")
print(f" and {agree(d_b, nudge(lambda b: (weights * (a * b)).sum(), b)):.0e}")
d_a = d_y * mg.exp(a)
print(f"y = exp(a): largest difference {agree(d_a, nudge(lambda a: (weights * mg.exp(a)).sum(), a)):.0e}")

# %% [markdown]
# **Rule 3: what is used twice gets the sum of both gradients.** If x goes into y and also into z, moving
# x moves the loss through both, and the two changes add. Forgetting one of them is the most common error
# in gradients written by hand.

# %%
d_y, d_z = weights, 2 * weights  # of y = a * a and z = tanh(a), which enter the loss as y + 2 z
through_y, through_z = d_y * 2 * a, d_z * (1 - mg.tanh(a) ** 2)
judge = nudge(lambda a: (weights * (a * a + 2 * mg.tanh(a))).sum(), a)
print(f"both paths: largest difference {agree(through_y + through_z, judge):.0e}")
print(f"only the first: largest difference {(through_y - judge).abs().max().item():.1f}")

# %% [markdown]
# **Rule 4: a copy going forward is a sum going back, and a sum is a copy.** Adding a row `b` of 4 numbers
# to a table of 3 x 4 uses every number of `b` three times (this is what **broadcasting** does). By rule 3
# its gradient is the sum over the three. The other way round, when three rows are added up into one, each
# of them moves the sum by as much as itself: all three get a copy of the sum's gradient.

# %%
row = b[:1]
d_row = weights.sum(0, keepdim=True)  # copied down forward, so added up back
print(f"a + row: largest difference {agree(d_row, nudge(lambda r: (weights * (a + r)).sum(), row)):.0e}")
d_a = mg.ones(3, 1) * weights[:1]  # added up forward, so copied down back
judge = nudge(lambda a: (weights[:1] * a.sum(0, keepdim=True)).sum(), a)
print(f"a.sum(0): largest difference {agree(d_a, judge):.0e}")

# %% [markdown]
# **Rule 5: matrix products.** Let `y = a @ w` with a of shape (3, 4) and w of shape (4, 2). Write out one
# number:
#
#     y[i, j] = a[i, 0] w[0, j] + a[i, 1] w[1, j] + a[i, 2] w[2, j] + a[i, 3] w[3, j]
#
# The entry `a[i, k]` occurs in `y[i, j]` for every j, each time multiplied by `w[k, j]`. By rules 2 and
# 3:
#
#     d_a[i, k] = sum over j of d_y[i, j] w[k, j]        that is   d_a = d_y @ w.T
#     d_w[k, j] = sum over i of a[i, k] d_y[i, j]        that is   d_w = a.T @ d_y
#
# Nobody has to remember this. `d_a` must have the shape (3, 4), it must be made of `d_y` (3, 2) and `w`
# (4, 2), and there is only one way of multiplying these two that gives it.

# %%
w, d_y = mg.randn((4, 2), generator=g).double(), mg.randn((3, 2), generator=g).double()
d_a, d_w = d_y @ w.T, a.T @ d_y
print(f"d_a: largest difference {agree(d_a, nudge(lambda a: (d_y * (a @ w)).sum(), a)):.0e}")
print(f"d_w: largest difference {agree(d_w, nudge(lambda w: (d_y * (a @ w)).sum(), w)):.0e}")

# %% [markdown]
# **Rule 6: choosing.** If only some numbers are picked, only they get a gradient, and all others get
# zero. One that is picked twice gets both (rule 3 again). So the gradients are put back to where the
# numbers came from, and added up there.

# %%
picked = [2, 0, 2]  # rows of a; the third is used twice, the second not at all
d_a = mg.zeros(3, 4, dtype=mg.float64)
for place, origin in enumerate(picked):
    d_a[origin] += weights[place]
print(f"a[[2, 0, 2]]: largest difference {agree(d_a, nudge(lambda a: (weights * a[picked]).sum(), a)):.0e}")
assert d_a[1].abs().max().item() == 0

# %% [markdown]
# ## 2. The forward pass in small pieces
#
# The data are those of lesson 10: three letters of a name, and the letter that comes next. So is the
# network, with 200 hidden units. Only the start is different. Batch norm's gain and bias do not begin at
# exactly 1 and 0, the other biases are a tenth of a normal number each, and so is `W2`, not a hundredth.
# These are deliberately awkward values: with a gain of 1, a line that forgets to multiply by the gain would
# still be right, and we would not notice.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
train_words, dev_words, test_words = datasets.split(words, seed=42)
Xtr, Ytr = datasets.contexts(train_words, vocabulary, block_size=3)
Xdev, Ydev = datasets.contexts(dev_words, vocabulary, block_size=3)
examples = [Ytr.shape[0], Ydev.shape[0], datasets.contexts(test_words, vocabulary, block_size=3)[1].shape[0]]
lesson.compare("names.count", "names in the list", 32033, len(words), "%d")
lesson.compare("names.split", "examples in train, dev, test", [182625, 22655, 22866], examples, "%d")


# %%
def initialise():
    """The parameters of the network, by name, and the generator that drew them."""
    g = mg.Generator().manual_seed(lesson.seed)
    parameters = {
        "C": mg.randn((len(vocabulary), 10), generator=g),
        "W1": mg.randn((30, 200), generator=g) * (5 / 3) / 30**0.5,
        "b1": mg.randn(200, generator=g) * 0.1,
        "W2": mg.randn((200, len(vocabulary)), generator=g) * 0.1,
        "b2": mg.randn(len(vocabulary), generator=g) * 0.1,
        "gain": mg.randn((1, 200), generator=g) * 0.1 + 1.0,
        "bias": mg.randn((1, 200), generator=g) * 0.1,
    }
    for p in parameters.values():
        p.requires_grad = True
    return parameters, g


parameters, g = initialise()
C, W1, b1, W2, b2, gain, bias = parameters.values()
print("parameters:", sum(p.nelement() for p in parameters.values()))

# %% [markdown]
# Now the forward pass, one operation to a line, so that every number in between has a name. First the
# hidden layer as far as `z`, which is what batch norm will work on.

# %%
n = 32
ix = mg.randint(0, Xtr.shape[0], (n,), generator=g)
Xb, Yb = Xtr[ix], Ytr[ix]
embedded = C[Xb]
x = embedded.view(n, 30)
z = x @ W1 + b1
shapes = {"C": C, "embedded": embedded, "x": x, "z": z}
print(", ".join(f"{name} {tuple(value.shape)}" for name, value in shapes.items()))

# %% [markdown]
# Batch normalisation, unit by unit (that is, column by column): subtract the mean, divide by the standard
# deviation, then gain and bias. The variance is a sum of squares over n - 1 (**Bessel's correction**: the
# deviations are taken from the mean of the very same numbers, which makes them a little too small, and n
# - 1 instead of n makes up for it). A small number, epsilon, keeps the root away from zero.

# %%
mean = z.sum(0, keepdim=True) / n
deviation = z - mean
squares = deviation**2
variance = squares.sum(0, keepdim=True) / (n - 1)
inverse_std = (variance + 1e-5) ** -0.5
normalised = deviation * inverse_std
hpre = gain * normalised + bias
h = mg.tanh(hpre)
logits = h @ W2 + b2
print(f"normalised: std of a unit between {normalised.std(0).min().item():.5f} ", end="")
print(f"and {normalised.std(0).max().item():.5f}; logits {tuple(logits.shape)}")

# %% [markdown]
# And the cross-entropy. The largest logit of each example is subtracted first: it changes no probability,
# because it cancels in the fraction, and it keeps exp() from overflowing.

# %%
largest = logits.max(1, keepdim=True).values
shifted = logits - largest
exponentials = mg.exp(shifted)
totals = exponentials.sum(1, keepdim=True)
inverse_totals = totals**-1
probabilities = exponentials * inverse_totals
log_probabilities = mg.log(probabilities)
loss = -log_probabilities[range(n), Yb].mean()
print(f"loss {loss.item():.4f}, by the library {F.cross_entropy(logits, Yb).item():.4f}")
assert abs(loss.item() - F.cross_entropy(logits, Yb).item()) < 1e-5

# %% [markdown]
# Then the engine's answers, to compare with. It normally drops the gradients of intermediate values as
# soon as they are used; `retain_grad` asks it to keep them.

# %%
values = dict(parameters, embedded=embedded, x=x, z=z, mean=mean, deviation=deviation, squares=squares,
              variance=variance, inverse_std=inverse_std, normalised=normalised, hpre=hpre, h=h, logits=logits,
              largest=largest, shifted=shifted, exponentials=exponentials, totals=totals,
              inverse_totals=inverse_totals, probabilities=probabilities, log_probabilities=log_probabilities,
              loss=loss)  # fmt: skip
for value in values.values():
    value.retain_grad()
loss.backward()
judged = {name: value.grad for name, value in values.items()}
print(f"{len(values)} gradients; that of the loss itself is {judged['loss'].item():.0f}")

# %% [markdown]
# Here is the whole chain as a picture. Values that are used twice are orange: by rule 3 their gradients
# will be sums. Below each name stands its shape. The way back runs against the arrows. (Weights and
# biases are left out.)

# %%
place = {"C": (0, 3), "embedded": (1.8, 3), "x": (3.6, 3), "z": (5, 3), "mean": (6.3, 4.1), "deviation": (7.6, 3),
         "squares": (7.6, 1.7), "variance": (9.1, 1.7), "inverse_std": (10.8, 1.7), "normalised": (10.8, 3),
         "hpre": (12.6, 3), "h": (14.1, 3), "logits": (15.6, 3), "largest": (14.2, 1.5), "shifted": (15.6, 0),
         "exponentials": (12.8, 0), "totals": (11.6, -1.3), "inverse_totals": (9.4, -1.3),
         "probabilities": (8.2, 0), "log_probabilities": (4.6, 0), "loss": (1.4, 0)}  # fmt: skip
edges = """C-embedded embedded-x x-z z-mean z-deviation mean-deviation deviation-squares
    squares-variance variance-inverse_std inverse_std-normalised deviation-normalised normalised-hpre hpre-h
    h-logits logits-largest logits-shifted largest-shifted shifted-exponentials exponentials-totals
    totals-inverse_totals inverse_totals-probabilities exponentials-probabilities
    probabilities-log_probabilities log_probabilities-loss"""
edges = [edge.split("-") for edge in edges.split()]
sources = [source for source, _ in edges]
twice = {name for name in sources if sources.count(name) == 2}
print("used twice:", ", ".join(name for name in place if name in twice))
assert twice == {"z", "deviation", "logits", "exponentials"}

# %%
figure, axis = plt.subplots(figsize=(12, 4.6))
boxes = {}
for name, (across, up) in place.items():
    shape = " x ".join(map(str, values[name].shape)) or "one number"
    box = {"boxstyle": "round", "facecolor": ORANGE if name in twice else "white", "edgecolor": "0.6"}
    label = f"{name.replace('_', ' ')}\n{shape}"
    boxes[name] = axis.text(across, up, label, ha="center", va="center", fontsize=9, bbox=box)
for source, target in edges:
    ends = {"patchA": boxes[source].get_bbox_patch(), "patchB": boxes[target].get_bbox_patch()}
    style = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=place[target], xytext=place[source], arrowprops=style | ends)
axis.set(xlim=(-0.8, 16.4), ylim=(-1.8, 4.6))
axis.axis("off")
lesson.save(figure, "1_forward_pass")

# %% [markdown]
# ## 3. The way back, line by line
#
# Each gradient that we write is held against the engine's in three ways. *Exact* means equal to the last
# bit, which happens when we do the same operations in the same order. *Approximate* means equal but for
# rounding, and that is what matters. Last comes the largest difference of all numbers in it, and how
# large the gradient itself is.

# %%
results = {}


def check(**gradients):
    """Prints how each gradient compares with the engine's, and insists that they agree."""
    for name, ours in gradients.items():
        theirs = judged[name]
        assert ours.shape == theirs.shape, f"{name}: expected shape {theirs.shape}, got {ours.shape}"
        exact, difference = bool((ours == theirs).all()), (ours - theirs).abs().max().item()
        results[name] = exact, difference, theirs.abs().max().item()
        print(f"{name:<18}{tuple(ours.shape)!s:<13} exact: {exact!s:<5} | approximate: ", end="")
        approximate = mg.allclose(ours, theirs, rtol=1e-4, atol=1e-8)
        print(f"{approximate!s:<5} | largest difference {difference:.1e}, gradient {results[name][2]:.1e}")
        assert approximate, name


check(loss=mg.tensor(1.0))  # moving the loss by an amount moves the loss by that amount

# %% [markdown]
# **From the loss to the probabilities.** The loss picks one log-probability per example and takes minus
# the mean. So the picked ones get -1/n each and the others nothing (rule 6). The logarithm multiplies by
# its local derivative 1/p: the smaller the probability given to the right letter, the louder the
# complaint.

# %%
with mg.no_grad():
    d_log_probabilities = mg.zeros(n, len(vocabulary))
    d_log_probabilities[range(n), Yb] = -1.0 / n
    d_probabilities = d_log_probabilities / probabilities
check(log_probabilities=d_log_probabilities, probabilities=d_probabilities)

# %% [markdown]
# **Through the fraction.** `probabilities = exponentials * inverse_totals`, but these have shapes (32,
# 27) and (32, 1): each inverse total is copied along its row. So its gradient is a sum along the row
# (rule 4). The total itself was a sum of the row, so its gradient is copied back to every exponential.
# There it meets the gradient that came directly: exponentials are used twice (rule 3).

# %%
with mg.no_grad():
    d_inverse_totals = (d_probabilities * exponentials).sum(1, keepdim=True)
    d_totals = d_inverse_totals * -(totals**-2)  # the derivative of 1 / t is -1 / t²
    d_exponentials = d_probabilities * inverse_totals + d_totals
    d_shifted = d_exponentials * exponentials  # the derivative of exp is exp
check(inverse_totals=d_inverse_totals, totals=d_totals, exponentials=d_exponentials, shifted=d_shifted)

# %% [markdown]
# **To the logits.** `shifted = logits - largest`: the logits get the gradient as it is, the largest one
# gets minus the sum of its row. `max` is a kind of choosing, so what arrives at `largest` goes back to
# the one logit that was the largest.
#
# We said that subtracting the largest logit changes no probability. If so, moving `largest` cannot move
# the loss, and its gradient must be zero. It is, except for rounding.

# %%
with mg.no_grad():
    d_largest = -d_shifted.sum(1, keepdim=True)
    d_logits = d_shifted + F.one_hot(logits.argmax(1), len(vocabulary)) * d_largest
check(largest=d_largest, logits=d_logits)
assert d_largest.abs().max().item() < 1e-7

# %% [markdown]
# **The second layer** is a matrix product (rule 5) and a bias that is copied to every example (rule 4).

# %%
with mg.no_grad():
    d_h = d_logits @ W2.T
    d_W2 = h.T @ d_logits
    d_b2 = d_logits.sum(0)
check(h=d_h, W2=d_W2, b2=d_b2)

# %% [markdown]
# **Tanh, then batch norm's gain and bias.** The factor 1 - h² is the one that saturated units make zero.
# Gain and bias are rows copied to 32 examples, so theirs are sums.

# %%
with mg.no_grad():
    d_hpre = d_h * (1 - h**2)
    d_gain = (d_hpre * normalised).sum(0, keepdim=True)
    d_bias = d_hpre.sum(0, keepdim=True)
    d_normalised = d_hpre * gain
check(hpre=d_hpre, gain=d_gain, bias=d_bias, normalised=d_normalised)

# %% [markdown]
# **Through the normalisation.** Look at the picture again: `deviation` goes straight into `normalised`,
# and also, by way of its squares, into the standard deviation that it is divided by. And `z` goes
# straight into `deviation`, and also into the mean. Two forks, two sums.

# %%
with mg.no_grad():
    d_inverse_std = (d_normalised * deviation).sum(0, keepdim=True)
    d_variance = d_inverse_std * -0.5 * (variance + 1e-5) ** -1.5
    d_squares = mg.ones(n, 1) * d_variance / (n - 1)  # a sum forward, so a copy back
    d_deviation = d_normalised * inverse_std + d_squares * 2 * deviation
    d_mean = -d_deviation.sum(0, keepdim=True)
    d_z = d_deviation + mg.ones(n, 1) * d_mean / n
check(inverse_std=d_inverse_std, variance=d_variance, squares=d_squares, deviation=d_deviation, mean=d_mean, z=d_z)

# %% [markdown]
# **The first layer and the embedding.** Another matrix product; a change of shape, undone by changing the
# shape back; and a choice of rows of `C` (rule 6). Every position of every context adds its gradient to
# the row of its letter. The loop says it plainly; `index_add` does the same in one call.

# %%
with mg.no_grad():
    d_x, d_W1, d_b1 = d_z @ W1.T, x.T @ d_z, d_z.sum(0)
    d_embedded = d_x.view(n, 3, 10)
    d_C = mg.zeros(len(vocabulary), 10)
    for example in range(n):
        for position in range(3):
            d_C[Xb[example, position].item()] += d_embedded[example, position]
    at_once = mg.zeros(len(vocabulary), 10).index_add(0, Xb.view(-1), d_embedded.view(-1, 10))
check(x=d_x, W1=d_W1, b1=d_b1, embedded=d_embedded, C=d_C)
assert mg.allclose(d_C, at_once, atol=1e-7)

# %% [markdown]
# That is all of them. There is one oddity in the list: the gradient of `b1` is about ten million times
# smaller than those around it. Lesson 10 called `b1` useless, because batch norm subtracts whatever it
# adds. Here is the proof; section 5 shows which term is responsible.
#
# The picture shows how large each gradient is, from the loss at the left to the letters at the right.
# Most lie between a hundredth and one; that of `probabilities` is the largest, because of the 1/p. The
# two in red should be zero. What is left of them is rounding: float32 keeps 24 bits, one part in 17
# million.

# %%
line_by_line = dict(results)
assert set(line_by_line) == set(values)
sizes = {name.replace("_", " "): size for name, (_, _, size) in line_by_line.items()}
should_be_zero = ("largest", "b1")
figure, axis = plt.subplots(figsize=(12, 4.2))
colours = [VERMILLION if name in should_be_zero else BLUE for name in sizes]
axis.bar(range(len(sizes)), list(sizes.values()), color=colours)
axis.axhline(2**-24, color=BLACK, linestyle="--", linewidth=1.2, label="2⁻²⁴: one rounding near 1")
axis.set(yscale="log", ylim=(1e-9, 100), ylabel="largest |gradient|", title="the gradients on the way back")
axis.set_xticks(range(len(sizes)), list(sizes), rotation=60, ha="right", rotation_mode="anchor", fontsize=10)
axis.legend(loc="upper right")
lesson.save(figure, "2_sizes_of_the_gradients")
equal = sum(exact for exact, *_ in line_by_line.values())
print(f"exact: {equal} of {len(line_by_line)}, approximate: all of them")

# %% [markdown]
# Two pieces of code that agree can still be wrong together. So let the judge from section 1 have the last
# word, for twenty numbers of `W1`: it knows nothing about rules.


# %%
def loss_of_W1(changed):
    """The loss in float64 with some other first weights."""
    z = C.detach().double()[Xb].view(n, 30) @ changed + b1.detach().double()
    hpre = gain.detach() * (z - z.mean(0)) / (z.var(0) + 1e-5) ** 0.5 + bias.detach()
    return F.cross_entropy(mg.tanh(hpre) @ W2.detach().double() + b2.detach().double(), Yb)


W1_double = W1.detach().double()
nudged = []
for unit in range(20):
    column = mg.zeros(30, 200, dtype=mg.float64)
    column[0, unit] = 1e-5
    nudged.append((loss_of_W1(W1_double + column) - loss_of_W1(W1_double - column)).item() / 2e-5)
difference = max(abs(a - b) for a, b in zip(nudged, d_W1[0, :20].tolist(), strict=True))
print(f"d_W1 by nudging 20 weights: largest difference {difference:.1e} of {max(map(abs, nudged)):.1e}")
assert difference < 1e-7

# %% [markdown]
# ## 4. Cross-entropy in one step
#
# From the loss to the logits we went through seven values. On paper most of it cancels. For one example
# with logits l and right letter y:
#
#     loss = -log(exp(l[y]) / total) = log(total) - l[y]      where total = sum over k of exp(l[k])
#
# Now move `l[j]`. The total changes by `exp(l[j])`, so its logarithm changes by `exp(l[j]) / total`,
# which is the probability `p[j]`. And if j happens to be y, the second term subtracts 1:
#
#     d loss / d l[j] = p[j] - (1 if j is y, else 0)
#
# That is the whole derivative: *the probabilities, minus one at the right letter*. With n examples, each
# counts 1/n.

# %%
with mg.no_grad():
    in_one_step = F.softmax(logits, dim=1)
    in_one_step[range(n), Yb] -= 1
    in_one_step /= n
check(logits=in_one_step)
print(f"each row sums to zero: at most {in_one_step.sum(1).abs().max().item():.1e} away from it")

# %% [markdown]
# It has a meaning, too. Think of a force on every logit. Each wrong letter is pushed down by as much
# probability as it was wrongly given, and the right letter is pulled up by exactly the sum of it, so that
# the forces balance. Where the network is sure and right, hardly any force is left. This one is not
# trained yet and is sure of nothing, so nearly every right letter is pulled with force 1, and the others
# share the pushing. At the right is the example that it got most wrong.

# %%
forces = (-in_one_step * n).tolist()
row = F.softmax(logits, dim=1)[range(n), Yb].argmin().item()
figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=[1, 1.2])
image = axes[0].imshow(forces, cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
axes[0].set(title="-d_logits * n: blue is pulled up, red pushed down", xlabel="letter", ylabel="example")
figure.colorbar(image, ax=axes[0])
letters = [vocabulary.decode([i]) for i in range(len(vocabulary))]
axes[1].bar(letters, forces[row], color=[BLUE if force > 0 else VERMILLION for force in forces[row]])
right, context = letters[Yb[row].item()], vocabulary.decode(Xb[row])
axes[1].set(title=f"example {row}: '{context}' should give '{right}'", xlabel="letter", ylabel="force")
axes[1].axhline(0, color=BLACK, linewidth=1)
axes[0].set_xticks(range(0, len(letters), 2), letters[::2])
lesson.save(figure, "3_forces_on_the_logits", cover=True)
print(f"example {row} gives '{right}' the probability {probabilities[row, Yb[row]].item():.4f}")

# %% [markdown]
# ## 5. Batch norm in one step
#
# From `normalised` back to `z` we went through five values. Take one unit, so that there are 32 numbers
# z[i], their mean m and variance v, the inverse standard deviation s = (v + ε)^(-1/2), and y[i] = s (z[i]
# - m). The gradient g[i] arrives at y[i]. How does the loss change with z[i]? In three ways: directly,
# through m and through v.
#
# *Through v.* Every y[k] depends on it: ds/dv = -s³/2, so dy[k]/dv = (z[k] - m) (-s³/2) = -y[k] s²/2, and
#
#     d_v = -(s²/2) sum(g y)
#
# *Through m.* Every y[k] falls by s when m rises by 1. (The variance depends on m as well, but its
# derivative is a multiple of the sum of all deviations from the mean, and that is zero.) So
#
#     d_m = -s sum(g)
#
# *Together.* dm/dz[i] = 1/n and dv/dz[i] = 2 (z[i] - m)/(n - 1) = 2 y[i]/(s (n - 1)). Add the three:
#
#     d_z[i] = s g[i]  -  s sum(g)/n  -  s y[i] sum(g y)/(n - 1)
#            = s ( g[i] - mean(g) - y[i] sum(g y)/(n - 1) )

# %%
with mg.no_grad():
    g_y = (d_normalised * normalised).sum(0, keepdim=True) / (n - 1)
    in_one_step = inverse_std * (d_normalised - d_normalised.mean(0, keepdim=True) - normalised * g_y)
check(z=in_one_step)

# %% [markdown]
# This formula also has a meaning. It takes the gradient and subtracts a constant and a multiple of y. That
# is what one does to fit a straight line: with y of mean zero and variance one,
#
#     mean(g) + y sum(g y)/(n - 1)
#
# *is* the line that comes nearest to the points (y[i], g[i]). What batch norm lets through, up to the
# factor s, is what the line leaves over, the **residual**.

# %%
unit = (g_y.abs() / d_normalised.std(0)).argmax().item()  # the one with the steepest line
y, arriving = normalised[:, unit].detach(), d_normalised[:, unit]
intercept, slope = arriving.mean().item(), g_y[0, unit].item()
left_over = in_one_step[:, unit] / inverse_std[0, unit].detach()
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4), sharex=True, sharey=True)
ends = [y.min().item(), y.max().item()]
axes[0].plot(ends, [intercept + slope * end for end in ends], color=VERMILLION, label="mean(g) + slope * y")
axes[0].scatter(y.tolist(), arriving.tolist(), color=BLUE, s=40)
axes[0].set(title="arriving at the normalised values", xlabel="y", ylabel=f"gradient of unit {unit}")
axes[0].legend(loc="upper left")
axes[1].axhline(0, color=VERMILLION)
axes[1].scatter(y.tolist(), left_over.tolist(), color=GREEN, s=40)
axes[1].set(title="passed on to z, divided by s", xlabel="y")
lesson.save(figure, "4_batch_norm_leaves_the_residual")
print(f"unit {unit}: mean {intercept:.4f} and slope {slope:.4f} are taken away")

# %% [markdown]
# So a gradient that has come through batch norm always has two sums that are zero. The first, over d_z:
# no force is left that would shift all 32 numbers together, since batch norm would take the shift away
# again. That is why the gradient of `b1`, which is exactly this sum, is zero.
#
# The second, over d_z times y: no force is left that would stretch them, since batch norm would undo that
# as well. So the gradient with respect to a column of `W1` is at right angles to the column itself: a
# small step along it turns the column and hardly changes its length. (If anything it becomes longer, as
# the long side of a right triangle is.)

# %%
shift = d_z.sum(0).abs().max().item()
stretch = (d_z * normalised).sum(0).abs().max().item()
size = d_z.abs().sum(0).max().item()
cosine = F.cosine_similarity(W1.detach(), d_W1, dim=0).abs().max().item()
print(f"sum of d_z {shift:.0e}, sum of d_z * y {stretch:.0e}, sum of |d_z| {size:.0e}")
print(f"largest cosine between a column of W1 and its gradient: {cosine:.0e}")
assert max(shift, stretch) < 1e-4 * size and cosine < 1e-3

# %% [markdown]
# ## 6. Is it worth it?
#
# One line instead of several is shorter. Is it also faster? We time both, for each of the two cases,
# against the engine working its way through the small pieces. Each time is the smallest of several tries,
# because anything else that the computer does can only make a run slower.


# %%
def milliseconds(function, tries=7, repeats=20):
    """The shortest time of one call."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        times.append((time.perf_counter() - start) / repeats * 1000)
    return min(times)


print(f"a call that does nothing: {milliseconds(lambda: None):.5f} ms")


# %%
def loss_in_pieces(logits):
    """Section 2's cross-entropy, operation by operation."""
    shifted = logits - logits.max(1, keepdim=True).values
    exponentials = mg.exp(shifted)
    return -mg.log(exponentials * exponentials.sum(1, keepdim=True) ** -1)[range(n), Yb].mean()


def normalise_in_pieces(z):
    """Section 2's normalisation, operation by operation."""
    deviation = z - z.sum(0, keepdim=True) / n
    return deviation * ((deviation**2).sum(0, keepdim=True) / (n - 1) + 1e-5) ** -0.5


leaf_logits, leaf_z = (value.detach().requires_grad_() for value in (logits, z))
print(f"in pieces: loss {loss_in_pieces(leaf_logits).item():.4f}, ", end="")
print(f"normalised std {normalise_in_pieces(leaf_z).std().item():.4f}")


# %%
@mg.no_grad()
def loss_at_once():
    """Loss and gradient of the logits."""
    p = F.softmax(leaf_logits, dim=1)
    loss = -mg.log(p[range(n), Yb]).mean()
    p[range(n), Yb] -= 1
    return loss, p / n


@mg.no_grad()
def normalise_at_once():
    """Normalised values and the gradient of z."""
    variance, mean = mg.var_mean(leaf_z, 0, keepdim=True)
    s = (variance + 1e-5) ** -0.5
    y = (leaf_z - mean) * s
    return y, s * (d_normalised - d_normalised.mean(0) - y * ((d_normalised * y).sum(0) / (n - 1)))


assert mg.allclose(loss_at_once()[1], d_logits, atol=1e-7)
assert mg.allclose(normalise_at_once()[1], d_z, atol=1e-7)
print("both give the gradients from above")

# %%
cases = {"cross-entropy": (lambda: loss_in_pieces(leaf_logits).backward(),
                           lambda: F.cross_entropy(leaf_logits, Yb).backward(), loss_at_once),
         "batch norm": (lambda: normalise_in_pieces(leaf_z).backward(d_normalised),
                        lambda: F.batch_norm(leaf_z, None, None, training=True).backward(d_normalised),
                        normalise_at_once)}  # fmt: skip
ways = ("engine, in pieces", "engine, the library's function", "by hand, in one step")
timings = {name: [milliseconds(function) for function in functions] for name, functions in cases.items()}
for name, row in timings.items():
    print(f"{name:<14}" + ", ".join(f"{way} {ms:.3f} ms" for way, ms in zip(ways, row, strict=True)))
figure, axis = plt.subplots(figsize=(10, 3.6))
for i, (way, colour) in enumerate(zip(ways, (VERMILLION, SKY, GREEN), strict=True)):
    places, lengths = [k + 0.26 * (i - 1) for k in range(2)], [row[i] for row in timings.values()]
    axis.barh(places, lengths, height=0.24, color=colour, label=way)
axis.set(yticks=range(2), yticklabels=timings, xlabel="milliseconds, forward and back", title=f"{n} examples")
axis.invert_yaxis()
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "5_timings")

# %% [markdown]
# Most of the gain is not arithmetic. For tables this small, what costs is the number of operations: each
# must be called, must allocate its result and must be written down for the way back. That is why
# libraries have `cross_entropy` and `batch_norm` as single functions, with the derivative that we have
# just found inside. (One difference: the library's batch norm, like PyTorch's, divides by the root of the
# variance with n below the line. Ours has n - 1, as in lesson 10. The work is the same.)
#
# ## 7. Training without the engine
#
# Now the whole network, forward and back, with nothing between the tensors and us: `no_grad` tells the
# engine to write nothing down.


# %%
def forward(X, parameters, statistics=None):
    """What the way back needs: inputs, inverse std, normalised values, activations, probabilities."""
    C, W1, b1, W2, b2, gain, bias = parameters.values()
    x = C[X].view(X.shape[0], -1)
    z = x @ W1 + b1
    variance, mean = statistics or mg.var_mean(z, 0, keepdim=True)
    inverse_std = (variance + 1e-5) ** -0.5
    normalised = (z - mean) * inverse_std
    h = mg.tanh(gain * normalised + bias)
    return x, inverse_std, normalised, h, F.softmax(h @ W2 + b2, dim=1)


with mg.no_grad():
    p = forward(Xb, parameters)[-1]
print(f"loss {-mg.log(p[range(n), Yb]).mean().item():.4f}, as before {loss.item():.4f}")


# %%
def backward(X, Y, parameters, kept):
    """The gradient of every parameter, by name, in the order of the parameters."""
    C, W1, b1, W2, b2, gain, bias = parameters.values()
    x, inverse_std, normalised, h, d_logits = kept
    n = X.shape[0]
    d_logits[range(n), Y] -= 1  # in place: these are the probabilities, which are not needed any more
    d_logits /= n
    d_hpre = d_logits @ W2.T * (1 - h * h)
    d_y = d_hpre * gain
    d_z = inverse_std * (d_y - d_y.mean(0) - normalised * ((d_y * normalised).sum(0) / (n - 1)))
    d_C = mg.zeros_like(C).index_add_(0, X.view(-1), (d_z @ W1.T).view(-1, C.shape[1]))
    return {"C": d_C, "W1": x.T @ d_z, "b1": d_z.sum(0), "W2": h.T @ d_logits, "b2": d_logits.sum(0),
            "gain": (d_hpre * normalised).sum(0, keepdim=True), "bias": d_hpre.sum(0, keepdim=True)}  # fmt: skip


with mg.no_grad():
    check(**backward(Xb, Yb, parameters, forward(Xb, parameters)))

# %% [markdown]
# They agree, though no longer to the last bit. Is the difference rounding, or a small mistake? The
# question has a simple answer: do the same in float64, which rounds 2²⁹ times more finely. Rounding
# differences shrink by about that factor. A mistake would stay as large as it is.

# %%
double = {name: p.detach().double().requires_grad_() for name, p in parameters.items()}
*_, p = forward(Xb, double)
(-mg.log(p[range(n), Yb]).mean()).backward()
with mg.no_grad():
    by_hand = backward(Xb, Yb, double, forward(Xb, double))
for name, ours in by_hand.items():
    in_float64 = (ours - double[name].grad).abs().max().item()
    print(f"{name:<5} largest difference in float32 {results[name][1]:.1e}, in float64 {in_float64:.1e}")
    assert in_float64 < 1e-15


# %%
def train(gradients_of, label, length):
    """Trains fresh parameters by these gradients; returns the parameters and the loss of every step."""
    parameters, g = initialise()
    start, losses = time.perf_counter(), []
    for step in lesson.progress(length, label):
        ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
        loss, gradients = gradients_of(Xtr[ix], Ytr[ix], parameters)
        lr = 0.1 if step < steps // 2 else 0.01
        for name, p in parameters.items():
            p.data += -lr * gradients[name]
        losses.append(loss)
    seconds = time.perf_counter() - start
    print(f"{label}: {seconds / len(losses) * 1000:.2f} ms a step, first loss {losses[0]:.4f}")
    return parameters, losses


# %%
@mg.no_grad()
def by_hand(X, Y, parameters):
    """Loss and gradients without the engine."""
    kept = forward(X, parameters)
    loss = -mg.log(kept[-1][range(X.shape[0]), Y]).mean().item()
    return loss, backward(X, Y, parameters, kept)


def by_engine(X, Y, parameters):
    """The same by `backward()`."""
    C, W1, b1, W2, b2, gain, bias = parameters.values()
    z = C[X].view(X.shape[0], -1) @ W1 + b1
    variance, mean = mg.var_mean(z, 0, keepdim=True)
    h = mg.tanh(gain * ((z - mean) * (variance + 1e-5) ** -0.5) + bias)
    loss = F.cross_entropy(h @ W2 + b2, Y)
    gradients = mg.autograd.grad(loss, list(parameters.values()))
    return loss.item(), dict(zip(parameters, gradients, strict=True))


parameters, _ = initialise()
print("loss at step 0 by hand and by the engine:", by_hand(Xb, Yb, parameters)[0], by_engine(Xb, Yb, parameters)[0])

# %%
short = min(steps, 2_000)
_, engine_losses = train(by_engine, "engine", short)
parameters, losses = train(by_hand, "by hand", steps)

# %% [markdown]
# A step by hand takes no less time than the engine's. The arithmetic is the same, and what the engine spends
# on writing things down it saves on the way back: its rules work on bare arrays, while each of our lines
# makes tensors and checks what it gets.
#
# Both runs saw the same examples, so step for step their losses should be the same: at the right as a
# line and as dots, for the first hundred steps.

# %%
apart = [abs(a - b) for a, b in zip(losses, engine_losses, strict=False)]  # as far as both go
figure, axes = plt.subplots(1, 2, figsize=(12, 4))
block = max(1, len(losses) // 100)
means = [sum(losses[i : i + block]) / block for i in range(0, len(losses) - block + 1, block)]
axes[0].plot([(i + 0.5) * block for i in range(len(means))], means, color=GREEN)
axes[0].set(title=f"gradients by hand, means of {block} steps", xlabel="training step", ylabel="loss (nats)")
axes[0].locator_params(axis="x", nbins=5)
axes[1].plot(engine_losses[:100], color=SKY, linewidth=4, label="engine")
axes[1].plot(losses[:100], ".", color=BLACK, label="by hand")
axes[1].set(title="the first hundred steps", xlabel="training step")
axes[1].legend(loc="upper right")
lesson.save(figure, "6_training")
print(f"largest difference in 100 steps {max(apart[:100]):.1e}, in {len(apart)} steps {max(apart):.1e}")
assert max(apart[:100]) < 1e-4

# %% [markdown]
# How good is the network? As in lesson 10 we calibrate: mean and variance of every unit are measured once
# over the whole training set and used from then on.


# %%
@mg.no_grad()
def calibrate(parameters):
    """Variance and mean of every unit of z over the whole training set."""
    z = parameters["C"][Xtr].view(Xtr.shape[0], -1) @ parameters["W1"] + parameters["b1"]
    return mg.var_mean(z, 0, keepdim=True)


@mg.no_grad()
def evaluate(X, Y):
    """The loss over all examples of a set, 10000 at a time."""
    total = 0.0
    for x, y in zip(X.split(10_000), Y.split(10_000), strict=True):
        total -= mg.log(forward(x, parameters, statistics)[-1][range(len(y)), y]).sum().item()
    return total / len(Y)


statistics = calibrate(parameters)
final = evaluate(Xtr, Ytr), evaluate(Xdev, Ydev)
print(f"after {len(losses)} steps: train loss {final[0]:.4f}, dev loss {final[1]:.4f}")
assert steps < 100 or final[1] < losses[0]


# %%
@mg.no_grad()
def sample(g):
    """One invented name."""
    letters, context = [], [0, 0, 0]
    while not letters or letters[-1] != 0:
        p = forward(mg.tensor([context]), parameters, statistics)[-1]
        letters.append(mg.multinomial(p, num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return vocabulary.decode(letters[:-1])


g = mg.Generator().manual_seed(lesson.seed + 10)
names = [sample(g) for _ in range(20)]
print("invented:", ", ".join(names))
assert len(names) == 20

# %% [markdown]
# After the full run that is the quality of lesson 10's network with batch norm (train 2.07, dev 2.11 or a
# little less), and no `backward()` was called for it.
#
# ## What to keep
#
# - **Six rules** are enough for any network: the shape of the value, the local derivative, a sum where paths
#   meet, copies and sums as mirror images, the two products of a matrix product, and putting back what was
#   chosen.
# - **Check a gradient** against nudging, in float64. Rounding shrinks there; mistakes do not.
# - **Cross-entropy's gradient** is the probabilities minus one at the right class, divided by n.
# - **Batch norm's gradient** is the residual of a straight line: whatever would only shift or stretch a unit
#   is taken out.
#
# ## Exercises
#
# 1. *All weights zero.* Set every parameter of a network without batch norm to zero and train. Which
#    parameters change, which never do, and why? To which loss does it fall, and can you tell beforehand? Then
#    set only `W2` to zero, then only `W1`, and then all weights to the same number, not zero.
# 2. *Fold batch norm away.* With fixed statistics, `gain * (x @ W1 + b1 - mean) / std + bias` is a linear
#    layer. Find its weights and its bias, check that the outputs are the same, and measure how much faster
#    the folded network is. Then let `nn.fold_batchnorm` do it.
# 3. *Layer norm by hand.* Layer norm takes mean and variance along a row instead of a column, with n in place
#    of n - 1. Derive its gradient in one step and compare it with the engine's. Which two sums are zero now?
#
# Answers run in `answers/12_backprop_by_hand.py`.

# %%
print(f"{'':<34}{'exact':<10}largest difference")
for name in ("log_probabilities", "logits", "h", "hpre", "z", "W1", "C"):
    exact, difference, _ = line_by_line[name]
    print(f"line by line: {name:<20}{exact!s:<10}{difference:.1e}")
for name in ("W2", "W1", "C"):
    print(f"in one step:  {name:<20}{results[name][0]!s:<10}{results[name][1]:.1e}")
print(f"train and dev loss with gradients by hand: {final[0]:.4f} {final[1]:.4f}")
lesson.summary()
