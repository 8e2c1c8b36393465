# %% [markdown]
# # Activations and gradients: what a network needs before its first step
#
# In this lesson one small network is trained six times. Its shape never changes: three letters go in, a
# guess about the fourth comes out. What changes is only *how large* the numbers inside it are when
# training begins. That alone takes the loss on unseen names from 2.17 to 2.10; no letter more is shown to
# it, and nothing is added to it but, towards the end, the 400 numbers of batch normalisation.
#
# Each part follows the same road: something looks wrong, we draw it, we give it a name, we repair it, and
# we measure what the repair was worth. Wherever a figure has been published for the same experiment, the
# lesson prints it above ours. Both come from the same stream of random numbers, so they should agree: to
# the digit, or, after 200000 steps in which roundings add up, to within 0.0001.
#
# You need to know what a tensor is and what `backward()` does. Three words come up all the time:
#
# - the **logits** are the numbers the last layer puts out, one per possible letter, before they are
#   turned into probabilities;
# - a **pre-activation** is what a layer computes just before its nonlinear function (`x @ W + b`);
# - an **activation** is what comes out of that function (here `tanh`).

# %%
import time

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson, block_means
from matplotlib.ticker import NullLocator

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets
from minigrad.nn.init import calculate_gain

lesson = Lesson("10_activations_and_gradients")
FULL = 200_000
steps = lesson.steps(full=FULL, quick=2_000)
print(f"six training runs of {steps} steps each, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. The network and its data
#
# The data are a list of given names. A name such as `emma` gives one example per letter, with a dot for
# "nothing here yet" and for "the name ends": `...` is followed by `e`, `..e` by `m`, `.em` by `m`, `emm`
# by `a`, `mma` by `.`. The words are shuffled and split: 80 % to train on, 10 % (the **dev** set) to
# compare models with, and 10 % set aside as a test that this lesson never touches.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
train_words, dev_words, test_words = datasets.split(words, seed=42)
Xtr, Ytr = datasets.contexts(train_words, vocabulary, block_size=3)
Xdev, Ydev = datasets.contexts(dev_words, vocabulary, block_size=3)
examples = [Ytr.shape[0], Ydev.shape[0], datasets.contexts(test_words, vocabulary, block_size=3)[1].shape[0]]

for context, letter in zip(Xtr[:5].tolist(), Ytr[:5].tolist(), strict=True):
    print(vocabulary.decode(context), "->", vocabulary.decode([letter]))
lesson.compare("names.count", "names in the list", 32033, len(words), "%d")
lesson.compare("names.split", "examples in train, dev, test", [182625, 22655, 22866], examples, "%d")

# %% [markdown]
# The network looks up ten numbers for each of the three letters (the table `C`, an **embedding**), lays
# the thirty numbers side by side, and sends them through one hidden layer of 200 tanh units and one
# output layer of 27 logits.
#
# Every weight starts as a random number from the normal distribution with mean zero and standard
# deviation one. That is the obvious thing to write, and we will see what it does. The four `scale`
# arguments are the repairs to come; as they stand they change nothing. The generator is handed back,
# because the choice of training examples continues its stream.


# %%
def initialise(scale_W1=1.0, scale_b1=1.0, scale_W2=1.0, scale_b2=1.0):
    """The parameters of the network, always drawn in this order, and the generator that drew them."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((len(vocabulary), 10), generator=g)
    W1 = mg.randn((3 * 10, 200), generator=g) * scale_W1
    b1 = mg.randn(200, generator=g) * scale_b1
    W2 = mg.randn((200, len(vocabulary)), generator=g) * scale_W2
    b2 = mg.randn(len(vocabulary), generator=g) * scale_b2
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


parameters, g = initialise()
lesson.compare("mlp.params", "parameters", 11897, sum(p.nelement() for p in parameters), "%d")


# %%
def hidden(X, parameters):
    """Pre-activations and activations of the hidden layer, both of shape (N, 200)."""
    C, W1, b1, _, _ = parameters
    embedded = C[X]  # (N, 3, 10)
    hpre = embedded.view(X.shape[0], -1) @ W1 + b1
    return hpre, mg.tanh(hpre)


def forward(X, parameters):
    """Logits of shape (N, 27) for contexts X of shape (N, 3)."""
    W2, b2 = parameters[3:]
    _, h = hidden(X, parameters)
    return h @ W2 + b2


print("logits for the first two examples:", tuple(forward(Xtr[:2], parameters).shape))

# %% [markdown]
# ## 2. A first loss that can be predicted
#
# Before training, the network knows nothing. What should its loss be? The loss of one example is minus
# the logarithm of the probability that the model gave to the right letter. A model that knows nothing has
# no reason to prefer any letter, so each of the 27 should get probability 1/27, and the loss should be
# -ln(1/27) = ln 27. If all logits are equal, that is exactly what comes out.

# %%
expected = -mg.log(mg.tensor(1 / len(vocabulary))).item()
indifferent = F.cross_entropy(mg.zeros(1, len(vocabulary)), mg.tensor([5])).item()
print(f"expected -ln(1/{len(vocabulary)}) = {expected:.4f}; with all logits equal {indifferent:.4f}")
assert abs(expected - indifferent) < 1e-5

# %% [markdown]
# Now the loss that we really get. As in training, 32 examples are drawn at random (a **minibatch**).


# %%
def first_batch(g):
    """The minibatch of training step 0: the first thing drawn after the parameters."""
    ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
    return Xtr[ix], Ytr[ix]


parameters, g = initialise()
Xb, Yb = first_batch(g)
naive_logits = forward(Xb, parameters)
naive_loss = F.cross_entropy(naive_logits, Yb).item()
lesson.compare("mlp.naive.step0", "loss at step 0, all weights N(0, 1)", 27.8817, naive_loss, "%.4f")
print(f"that is {naive_loss - expected:.1f} above the {expected:.4f} of a model that merely knows nothing")

# %% [markdown]
# This network is worse than ignorant: it is *sure*, and mostly wrong. Its logits show why. Some are far
# above the others, and the softmax, which raises e to the power of each logit, turns a lead of ten into a
# factor of 22000. So nearly all of the probability goes to one letter, and rarely to the right one.

# %%
print("logits of one example:", " ".join(f"{v:.0f}" for v in naive_logits[1].tolist()))
print(f"standard deviation of all logits: {naive_logits.std().item():.2f}")
confidence = F.softmax(naive_logits, dim=1).max(1).values.mean().item()
right = (naive_logits.argmax(1) == Yb).sum().item()
print(f"first guess right {right} times in {len(Yb)}, yet held with probability {confidence:.2f} on average")

# %% [markdown]
# ### The same with four letters
#
# A smaller case makes it plain. There are four classes, and the third is right. To have no preference
# costs ln 4 = 1.386. To be sure and right costs almost nothing. To be sure and wrong costs about as much
# as the logit is large, and there is no limit to that. A network that starts at random is wrong three
# times out of four, so on average strong opinions lose.

# %%
cases = {"no preference": [0, 0, 0, 0], "sure and right": [0, 0, 5, 0], "mildly wrong": [0, 1, 0, 0],
         "sure and wrong": [0, 8, 0, 0]}  # fmt: skip
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True)
for axis, (name, row) in zip(axes, cases.items(), strict=True):
    logits = mg.tensor([row]).float()
    loss = F.cross_entropy(logits, mg.tensor([2])).item()
    axis.bar(list("abcd"), F.softmax(logits, dim=1)[0].tolist(), color=[SKY, SKY, BLUE, SKY])
    axis.set(title=f"{name}\nlogits {row}\nloss {loss:.3f}", xlabel="class (c is right)", ylim=(0, 1))
    print(f"{name:<15} loss {loss:.3f}")
axes[0].set_ylabel("probability")
lesson.save(figure, "1_four_classes")

# %% [markdown]
# And with random logits: the larger their standard deviation, the larger the average loss. Only small
# logits, whatever their exact values, give the loss of ignorance.

# %%
g = mg.Generator().manual_seed(lesson.seed)
normal = mg.randn((10_000, 4), generator=g)
for scale in (0.0, 0.1, 1.0, 10.0, 100.0):
    loss = F.cross_entropy(normal * scale, mg.zeros(10_000).long() + 2).item()
    print(f"random logits of standard deviation {scale:5.1f}: average loss {loss:7.3f}")

# %% [markdown]
# ### What such a start costs
#
# Now train. The loop is written once and serves all six runs. Each step draws 32 examples, computes their
# loss, asks for the gradient of every parameter, and moves each parameter a little against its gradient.
# The step size (the **learning rate**) is 0.1 in the first half and 0.01 in the second.
#
# `mg.compile` writes down, during the first steps, which operations on arrays a step is made of, and from then on
# repeats just those. The numbers are the same to the bit; only the clock would notice if the line were missing.


# %%
def train(forward, parameters, g, label):
    """Trains the parameters in place and returns the loss of every step."""

    @mg.compile
    def update(lr):
        ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
        loss = F.cross_entropy(forward(Xtr[ix], parameters), Ytr[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -lr * p.grad
        return loss

    start, losses, rates = time.perf_counter(), [], (mg.tensor(0.1), mg.tensor(0.01))
    for step in lesson.progress(steps, label):
        losses.append(update(rates[step >= steps // 2]).item())
    print(f"{label}: {len(losses)} steps in {time.perf_counter() - start:.0f} s, first loss {losses[0]:.4f}")
    return losses


# %% [markdown]
# A single minibatch says little about how good the network is, so the final verdict is taken over all
# examples.


# %%
@mg.no_grad()
def evaluate(forward, parameters):
    """The loss over the whole train set and over the whole dev set, 10000 examples at a time."""
    means = []
    for X, Y in ((Xtr, Ytr), (Xdev, Ydev)):
        pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
        total = sum(F.cross_entropy(forward(x, parameters), y, reduction="sum").item() for x, y in pieces)
        means.append(total / Y.shape[0])
    return means


print("before training, train and dev loss: {:.4f} {:.4f}".format(*evaluate(forward, parameters)))

# %%
losses, final = {}, {}
AFTER = "train and dev loss after training"

parameters, g = initialise()
run = losses["naive"] = train(forward, parameters, g, "naive")
end = final["naive"] = evaluate(forward, parameters)
lesson.compare("mlp.naive.final", AFTER, [2.1241, 2.1655], end, "%.4f", 0.02, complete=len(run) == FULL)

# %% [markdown]
# The loss of a single minibatch jumps about, so curves are drawn as averages over blocks of steps. Their
# shape has a name: the **hockey stick**. A steep blade at the left, where the loss falls from 28 to about
# 3, then a long flat shaft.
#
# The blade looks like quick learning, but little about names is learned there. The network mostly finds
# out that its logits are too large, and shrinks them until it is merely ignorant.


# %%
def steps_until(losses, level, window=50):
    """The first step at which the mean of the last `window` losses is below `level`; None if there is none."""
    below = (s for s in range(window, len(losses) + 1) if sum(losses[s - window : s]) / window < level)
    return next(below, None)


wasted = steps_until(losses["naive"], expected)
never = f"not reached in {len(losses['naive'])} steps"
print(f"steps until the average loss is below the {expected:.4f} of ignorance: {wasted or never}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
axes[0].plot(*block_means(losses["naive"], 2000), color=VERMILLION)
axes[0].locator_params(axis="x", nbins=5)
axes[1].plot(*block_means(losses["naive"][:1000], 100), color=VERMILLION)
for axis, title in zip(axes, ("the whole run: a hockey stick", "its first 1000 steps"), strict=True):
    axis.axhline(expected, color=BLACK, linestyle="--", linewidth=1.2, label="knowing nothing")
    axis.set(title=title, xlabel="training step", ylabel="loss (nats)", ylim=(0, None))
    axis.legend(loc="upper right")
lesson.save(figure, "2_hockey_stick")

# %% [markdown]
# ### The repair: small logits
#
# The logits are `h @ W2 + b2`. To make them small at the start, make `W2` small and `b2` zero. One
# hundredth is small enough.
#
# Why not set `W2` to zero as well, and have the expected loss exactly? Because the gradient reaches the
# hidden layer *through* `W2`. With zeros there, the first step teaches the hidden layer nothing. Small
# but random is the safe choice.

# %%
parameters, g = initialise(scale_W2=0.01, scale_b2=0.0)
logits = forward(first_batch(g)[0], parameters)
print(f"standard deviation of the logits: {logits.std().item():.3f}, before {naive_logits.std().item():.3f}")

parameters, g = initialise(scale_W2=0.01, scale_b2=0.0)
run = losses["small logits"] = train(forward, parameters, g, "small logits")
end = final["small logits"] = evaluate(forward, parameters)
lesson.compare("mlp.small_logits.step0", "loss at step 0, W2 * 0.01 and b2 * 0", 3.3221, run[0], "%.4f")
published = [2.0695891, 2.1310749]
lesson.compare("mlp.small_logits.final", AFTER, published, end, "%.7f", 2e-4, complete=len(run) == FULL)

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
for name, colour in (("naive", VERMILLION), ("small logits", ORANGE)):
    axes[0].plot(*block_means(losses[name][:1000], 100), color=colour, label=name)
    axes[1].plot(*block_means(losses[name], 100), color=colour, label=name)
axes[0].set(title="the first 1000 steps: the blade is gone", xlabel="training step", ylabel="loss (nats)")
axes[1].set(title="the whole run, enlarged", xlabel="training step", ylabel="loss (nats)", ylim=(1.9, 3.0))
axes[1].locator_params(axis="x", nbins=5)
for axis in axes:
    axis.legend(loc="upper right")
lesson.save(figure, "3_small_logits")
gain_dev = final["naive"][1] - final["small logits"][1]
print(f"dev loss {final['naive'][1]:.4f} -> {final['small logits'][1]:.4f}: better by {gain_dev:.4f}")

# %% [markdown]
# The final loss is better too. The steps that were spent on shrinking logits now go into learning about
# names.
#
# ## 3. Saturated tanh
#
# The output layer is in order: the loss starts where it should. The hidden layer is not, and the loss
# does not show it. So look at the hidden layer itself, for the first minibatch: 32 examples times 200
# units make 6400 numbers. On the left is what goes into the tanh, on the right what comes out.


# %%
def saturation(h):
    """Percentage of activations with |h| > 0.99."""
    return 100 * (h.abs() > 0.99).float().mean().item()


def passing(h):
    """Share of the gradient that tanh passes on, on average."""
    return (1 - h**2).mean().item()


parameters, g = initialise(scale_W2=0.01, scale_b2=0.0)
Xb, Yb = first_batch(g)
hpre, h = hidden(Xb, parameters)
print(f"pre-activations lie between {hpre.min().item():.1f} and {hpre.max().item():.1f}")
print(f"activations beyond 0.99 or -0.99: {saturation(h):.1f} %")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4))
axes[0].hist(hpre.flatten().tolist(), bins=50, color=VERMILLION)
axes[0].set(title=f"pre-activations: std {hpre.std().item():.2f}", xlabel="value", ylabel="count")
axes[1].hist(h.flatten().tolist(), bins=50, color=VERMILLION)
axes[1].set(title="activations: tanh of the same numbers", xlabel="value", ylabel="count")
lesson.save(figure, "4_saturated_histograms")

# %% [markdown]
# Most activations sit at +1 or -1, because the pre-activations are far wider than the range in which tanh
# bends. Such an activation is called **saturated**.
#
# Why is that bad? Think of the way back. The derivative of y = tanh(x) is 1 - y². When a gradient g
# arrives from above, `g * (1 - y * y)` is passed on below. At y = 0 all of it passes. At y = 0.99 two
# hundredths of it pass. At y = 1 nothing does: the unit is so far out that moving its input no longer
# changes its output, so nothing below is told how to improve.

# %%
x = mg.linspace(-5, 5, 201)
figure, axis = plt.subplots(figsize=(8, 4))
axis.plot(x.tolist(), mg.tanh(x).tolist(), color=BLUE, label="y = tanh(x)")
axis.plot(x.tolist(), (1 - mg.tanh(x) ** 2).tolist(), color=VERMILLION, label="1 - y²: what passes")
axis.axvspan(-5, -2.65, color=BLACK, alpha=0.08, linewidth=0)
axis.axvspan(2.65, 5, color=BLACK, alpha=0.08, linewidth=0, label="|y| > 0.99: saturated")
axis.set(title="tanh lets gradients through only in the middle", xlabel="x", ylabel="y", ylim=(-1.1, 1.75))
axis.legend(loc="upper left")
lesson.save(figure, "5_tanh_and_its_derivative")
for value in (0.0, 1.0, 2.0, 3.0, 5.0):
    y = mg.tanh(mg.tensor(value)).item()
    print(f"x = {value}: y = {y:.4f}, share of the gradient that passes {1 - y * y:.4f}")

# %% [markdown]
# Now draw the whole layer as a picture: one row per example, one column per unit, white where |h| > 0.99.
# A white dot is an example from which that unit learns next to nothing.
#
# The thing to look for is a column that is white from top to bottom. That unit is saturated for every
# example, so none of them can move its weights: it is **dead**. A unit can be born dead, or be killed in
# training when one step is too large; after that it rarely comes back. Tanh is not alone in this. A
# sigmoid is flat on both sides, a ReLU is flat below zero.


# %%
def white_dots(axis, h):
    """Draws |h| > 0.99 in white: examples down, units across."""
    axis.imshow((h.abs() > 0.99).tolist(), cmap="gray", aspect="auto", interpolation="nearest")
    axis.set(title=f"white: |h| > 0.99 ({saturation(h):.1f} %)", xlabel="hidden unit", ylabel="example")


def dead_units(h):
    """How many columns are saturated in every row."""
    return (h.abs() > 0.99).all(0).sum().item()


figure, axis = plt.subplots(figsize=(12, 3.4))
white_dots(axis, h)
lesson.save(figure, "6_white_dots")
print(f"dead units: {dead_units(h)} of {h.shape[1]}; share of the gradient that passes {passing(h):.3f}")

# %% [markdown]
# More than half of the picture is white, but no column is white all the way down, so no unit is dead.
# That depends on the scale. Multiply `W1` by smaller and larger numbers and count again. Meanwhile
# measure the gradient on both sides of the tanh: above it, as it arrives at `h`, and below it, as it
# leaves for `W1`.

# %%
for scale in (0.05, 0.2, 1.0, 5.0, 25.0):
    parameters, g = initialise(scale_W1=scale, scale_b1=0.01, scale_W2=0.01, scale_b2=0.0)
    Xb, Yb = first_batch(g)
    hpre, h = hidden(Xb, parameters)
    for values in (hpre, h):
        values.retain_grad()
    F.cross_entropy(h @ parameters[3] + parameters[4], Yb).backward()
    share = (hpre.grad.std() / h.grad.std()).item()
    print(f"W1 * {scale:<5} std of hpre {hpre.std().item():6.2f}, saturated {saturation(h):4.1f} %, ", end="")
    print(f"dead in this batch {dead_units(h):3}, gradient below/above tanh {share:.2f}")

# %% [markdown]
# ### The repair: smaller pre-activations
#
# The pre-activations are too wide, so scale down `W1`. The table suggests 0.2, which makes their standard
# deviation about 1. The bias `b1` gets 0.01: not quite zero, so that the units differ a little from the
# start.
#
# Do not go further than that. At 0.05 nothing is saturated, but then all inputs fall on the straight
# middle part of tanh, and a layer that computes a straight line adds nothing to the layers around it.

# %%
parameters, g = initialise(scale_W1=0.2, scale_b1=0.01, scale_W2=0.01, scale_b2=0.0)
hpre, h = hidden(first_batch(g)[0], parameters)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=[1, 1, 2])
axes[0].hist(hpre.flatten().tolist(), bins=50, color=SKY)
axes[0].set(title=f"pre-activations: std {hpre.std().item():.2f}", xlabel="value", ylabel="count")
axes[1].hist(h.flatten().tolist(), bins=50, color=SKY)
axes[1].set(title=f"activations: std {h.std().item():.2f}", xlabel="value", ylabel="count")
white_dots(axes[2], h)
lesson.save(figure, "7_unsaturated")
print(f"beyond 0.99 or -0.99: {saturation(h):.1f} %; share of the gradient that passes {passing(h):.3f}")

# %%
parameters, g = initialise(scale_W1=0.2, scale_b1=0.01, scale_W2=0.01, scale_b2=0.0)
run = losses["unsaturated"] = train(forward, parameters, g, "unsaturated")
end = final["unsaturated"] = evaluate(forward, parameters)
lesson.compare("mlp.unsaturated.step0", "loss at step 0, W1 * 0.2 and b1 * 0.01", 3.3135, run[0], "%.4f")
published = [2.0355966, 2.1026785]
lesson.compare("mlp.unsaturated.final", AFTER, published, end, "%.7f", 1e-4, complete=len(run) == FULL)

# %% [markdown]
# Nearly as much again as the first repair. And notice how forgiving the network was: with three fifths of
# its activations saturated it still trained, only to a worse place. One hidden layer survives a bad
# start. In a deep stack every layer hands its fault on to the next, forward and backward, until nothing
# trains at all. That is why the rest of the lesson is about getting the scale right without trial and
# error.
#
# ## 4. Where the scale comes from
#
# We found 0.2 by trying. For a layer of another size we would have to try again. What is the rule?
#
# Take inputs x with standard deviation 1 and weights with standard deviation 1. Each output is a sum of n
# products, where n is the number of inputs (the **fan-in**). The variance of one product is 1, and
# variances of independent terms add, so the variance of the sum is n and its standard deviation is √n.
# With n = 10 the outputs are √10 = 3.16 times as wide as the inputs. Divide the weights by √n, and the
# width stays.

# %%
g = mg.Generator().manual_seed(lesson.seed)
x, W = mg.randn((1000, 10), generator=g), mg.randn((10, 200), generator=g)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharex=True, sharey=True)
panels = {"x": (x, BLACK), "x @ W": (x @ W, VERMILLION), "x @ (W / sqrt(10))": (x @ (W / 10**0.5), BLUE)}
for axis, (name, (values, colour)) in zip(axes, panels.items(), strict=True):
    axis.hist(values.flatten().tolist(), bins=60, range=(-12, 12), density=True, color=colour)
    axis.set(title=f"{name}\nmean {values.mean().item():.2f}, std {values.std().item():.2f}", xlabel="value")
    print(f"{name:<18} mean {values.mean().item():6.3f}  std {values.std().item():.3f}")
axes[0].set_ylabel("density")
lesson.save(figure, "8_scale_of_a_product")
assert abs((x @ W).std().item() - 10**0.5) < 0.2

# %% [markdown]
# That is the rule for a layer on its own. Between two layers stands the tanh, and tanh squeezes: its
# outputs are always narrower than its inputs. Stack ten such layers with weights of standard deviation
# 1/√n, and the signal shrinks on its way. So each layer has to push back a little, by a factor called the
# **gain**. For tanh the usual gain is 5/3. Smaller, and the signal fades; larger, and the layers
# saturate.


# %%
def stack(gain, depth=10, width=200):
    """Standard deviation and saturated percentage after each of `depth` tanh layers."""
    g = mg.Generator().manual_seed(lesson.seed)
    h, rows = mg.randn((1000, width), generator=g), []
    for _ in range(depth):
        h = mg.tanh(h @ (mg.randn((width, width), generator=g) * gain / width**0.5))
        rows.append((h.std().item(), saturation(h)))
    return rows


stacks = {gain: stack(gain) for gain in (0.5, 1.0, 5 / 3, 3.0)}
for gain, rows in stacks.items():
    widths = " ".join(f"{rows[i][0]:.3f}" for i in (0, 1, 4, 9))
    print(f"gain {gain:.2f}: std after layers 1, 2, 5, 10: {widths}; saturated after 10: {rows[9][1]:.1f} %")
assert 0.6 < stacks[5 / 3][9][0] < 0.7

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharex=True)
for (gain, rows), colour, marker in zip(stacks.items(), (SKY, BLUE, GREEN, VERMILLION), "vso^", strict=True):
    name = "gain 5/3" if gain == 5 / 3 else f"gain {gain:g}"
    for axis, values in zip(axes, zip(*rows, strict=True), strict=True):
        axis.plot(range(1, 11), values, marker=marker, color=colour, label=name)
axes[0].set(title="width of the activations", xlabel="tanh layer", ylabel="standard deviation", ylim=(0, 1))
axes[1].set(title="saturated activations", xlabel="tanh layer", ylabel="|h| > 0.99 (%)", xticks=range(1, 11))
axes[1].legend(loc="center right")
lesson.save(figure, "9_gain")
lesson.compare("init.gain.tanh", "the library's gain for tanh", 5 / 3, calculate_gain("tanh"), "%.6f")

# %% [markdown]
# With gain 1 the width is still falling after ten layers. With 5/3 it settles, at about two thirds, and
# only one or two activations in a hundred saturate. With 3 it settles too, but three in ten are
# saturated.
#
# Weights drawn with standard deviation **gain / √fan-in** are named after Kaiming He, who worked it out
# with his colleagues for ReLU layers in 2015. (A ReLU throws away half of its input, so its gain is √2.)
# The same paper does the sum for gradients on their way back and finds that one of the two is enough.
#
# Our hidden layer has a fan-in of 30, so `W1` gets (5/3)/√30 = 0.304. Our guess of 0.2 was of the right
# size.

# %%
kaiming = (5 / 3) / (10 * 3) ** 0.5
print(f"(5/3) / sqrt(30) = {kaiming:.4f}")
parameters, g = initialise(scale_W1=kaiming, scale_b1=0.01, scale_W2=0.01, scale_b2=0.0)
run = losses["Kaiming"] = train(forward, parameters, g, "Kaiming")
end = final["Kaiming"] = evaluate(forward, parameters)
lesson.compare("mlp.kaiming.step0", "loss at step 0, W1 * (5/3) / sqrt(30)", 3.3179, run[0], "%.4f")

# %%
EVERY = "loss of every 10000th minibatch"
published = [3.3179, 2.1910, 2.3270, 2.5396, 1.9468, 2.3331, 2.3852, 2.1173, 2.3159, 2.2010,
             1.8591, 2.0881, 1.9389, 2.3913, 2.0949, 2.1458, 1.7824, 1.7249, 1.9752, 1.8614]  # fmt: skip
complete = len(run) == FULL
lesson.compare("mlp.kaiming.every10000", EVERY, published, run[::10_000], "%.4f", 2e-4, complete)
lesson.compare("mlp.kaiming.final", AFTER, [2.0376644, 2.1069896], end, "%.7f", 1e-4, complete)

# %% [markdown]
# Nearly as good as the number that we found by hand, and this time without trying.
#
# ## 5. Batch normalisation
#
# Kaiming's rule sets the scale once, before the first step. It needs to know every layer's fan-in and
# nonlinearity, and once training starts the weights move and the rule no longer holds. In 2015 Sergey
# Ioffe and Christian Szegedy proposed something almost too simple. You want pre-activations with mean 0
# and standard deviation 1? Then make them so: in every step subtract the mean, divide by the standard
# deviation. Both are plain arithmetic, so gradients pass through them like through anything else. As mean
# and standard deviation serve those of the minibatch, taken for each unit on its own. This is **batch
# normalisation**.

# %%
parameters, g = initialise(scale_W2=0.01, scale_b2=0.0)  # W1 as bad as it was: N(0, 1)
hpre, _ = hidden(first_batch(g)[0], parameters)
normalised = (hpre - hpre.mean(0, keepdim=True)) / hpre.std(0, keepdim=True)
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8))
for axis, values, colour in ((axes[0], hpre, VERMILLION), (axes[1], normalised, GREEN)):
    mean, std = values[:, :40].mean(0).tolist(), values[:, :40].std(0).tolist()
    axis.errorbar(range(40), mean, yerr=std, fmt="o", color=colour, capsize=2)
    axis.set(xlabel="hidden unit (the first 40)", ylabel="mean ± std over the batch", ylim=(-13, 13))
axes[0].set_title("before normalisation")
axes[1].set_title("after normalisation")
lesson.save(figure, "10_normalise")
off_mean = normalised.mean(0).abs().max().item()
off_std = (normalised.std(0) - 1).abs().max().item()
print(f"largest |mean| of a unit {off_mean:.1e}, largest |std - 1| {off_std:.1e}")
assert off_mean < 1e-5 and off_std < 1e-5

# %% [markdown]
# That is what we want *at the start*. Later the network should be free to make a unit wider, narrower or
# shifted if that lowers the loss. So every unit gets two more parameters: a **gain** to multiply with,
# which starts at 1, and a **bias** to add, which starts at 0. The first forward pass is normalised
# exactly; from then on the gradient decides.
#
# The function below can also be told which mean and standard deviation to use. Why that is needed comes
# up in a moment, and so does `running`.

# %%
running = {"mean": mg.zeros(1, 200), "std": mg.ones(1, 200)}


def batch_norm(hpre, gain, bias, statistics=None):
    """Normalises every unit by the batch, or by the (mean, std) given; then gain and bias."""
    if statistics is None:
        statistics = hpre.mean(0, keepdim=True), hpre.std(0, keepdim=True)
        with mg.no_grad():  # bookkeeping, no part of the loss
            running["mean"] = 0.999 * running["mean"] + 0.001 * statistics[0]
            running["std"] = 0.999 * running["std"] + 0.001 * statistics[1]
    mean, std = statistics
    return gain * (hpre - mean) / std + bias


one_batch = batch_norm(hpre, mg.ones(1, 200), mg.zeros(1, 200))
assert (one_batch - normalised).abs().max().item() < 1e-5
print(f"saturated after tanh: {saturation(mg.tanh(one_batch)):.1f} %")


# %%
def with_batch_norm(X, parameters, statistics=None):
    """Logits of the network with batch normalisation before its tanh."""
    C, W1, b1, W2, b2, gain, bias = parameters
    hpre = C[X].view(X.shape[0], -1) @ W1 + b1
    h = mg.tanh(batch_norm(hpre, gain, bias, statistics))
    return h @ W2 + b2


def add_gain_and_bias(parameters):
    """The same parameters and batch normalisation's two per unit; starts the running statistics afresh."""
    running["mean"], running["std"] = mg.zeros(1, 200), mg.ones(1, 200)
    return parameters + [mg.ones((1, 200), requires_grad=True), mg.zeros((1, 200), requires_grad=True)]


parameters, g = initialise(scale_W1=kaiming, scale_b1=0.01, scale_W2=0.01, scale_b2=0.0)
parameters = add_gain_and_bias(parameters)
print("parameters:", sum(p.nelement() for p in parameters))

# %%
losses["batch norm"] = train(with_batch_norm, parameters, g, "batch norm")
running_bn = (running["mean"], running["std"])  # kept now: `running` moves on with every batch we look at
lesson.compare("bn.step0", "loss at step 0, batch norm", 3.3147, losses["batch norm"][0], "%.4f")

# %% [markdown]
# ### What batch norm costs
#
# Something odd has happened. Until now every example had its own answer. Now the mean and the standard
# deviation are taken over the minibatch, so the logits of an example depend on the 31 others that it
# happens to be drawn with. Here is the first example of the train set in 500 different batches, and the
# probability that each gives to the right letter.

# %%
g = mg.Generator().manual_seed(lesson.seed)
jitter = []
with mg.no_grad():
    for _ in range(500):
        ix = mg.randint(0, Xtr.shape[0], (31,), generator=g)
        logits = with_batch_norm(mg.cat([Xtr[:1], Xtr[ix]]), parameters)
        jitter.append(F.softmax(logits, dim=1)[0, Ytr[0].item()].item())
print(f"probability of the right letter: between {min(jitter):.3f} and {max(jitter):.3f}")

# %% [markdown]
# In training this noise does some good: an example never looks quite the same twice, so the network
# cannot learn it by heart. But it is a nuisance the moment the network is to be used. A single name has
# no minibatch to be normalised with, and nobody wants answers that depend on who else is asking.
#
# The first way out is to **calibrate**: when training is over, measure each unit's mean and standard
# deviation once over the *whole* training set, and use these fixed numbers from then on.


# %%
@mg.no_grad()
def calibrate(parameters):
    """Mean and standard deviation of every pre-activation over the whole training set."""
    C, W1, b1 = parameters[:3]
    hpre = C[Xtr].view(Xtr.shape[0], -1) @ W1 + b1
    return hpre.mean(0, keepdim=True), hpre.std(0, keepdim=True)


calibrated = calibrate(parameters)
end = final["batch norm"] = evaluate(lambda X, p: with_batch_norm(X, p, calibrated), parameters)
complete = len(losses["batch norm"]) == FULL
what = "train and dev loss, calibrated statistics"
lesson.compare("bn.final", what, [2.0668902, 2.1049016], end, "%.7f", 1e-4, complete)

# %%
with mg.no_grad():
    fixed = F.softmax(with_batch_norm(Xtr[:1], parameters, calibrated), dim=1)[0, Ytr[0].item()].item()
figure, axis = plt.subplots(figsize=(8, 4))
axis.hist(jitter, bins=40, color=GREEN, label="normalised by the batch it came in")
axis.axvline(fixed, color=BLACK, linestyle="--", label="with calibrated statistics")
axis.set(title="one example in 500 batches", xlabel="probability given to the right letter", ylabel="batches")
axis.legend(loc="upper right")
lesson.save(figure, "11_one_example_in_many_batches")
print(f"with calibrated statistics it is always {fixed:.3f}")

# %% [markdown]
# Calibrating is a second stage that is easily forgotten. The other way out is to do it on the side during
# training. Keep a **running** mean and a running standard deviation, and after each minibatch move them a
# thousandth of the way towards those of the batch: `running = 0.999 * running + 0.001 * batch`. That is
# what `batch_norm` above did. A single batch of 32 says little about the whole set, which is why it may
# move them so little; the average reaches back about a thousand steps. (Libraries usually let a batch
# move them by a tenth: right for large batches, too lively for small ones.)

# %%
end = evaluate(lambda X, p: with_batch_norm(X, p, running_bn), parameters)
final["batch norm, running"] = end
what = "train and dev loss, running statistics"
lesson.compare("bn.final_running", what, [2.0665920, 2.1050572], end, "%.7f", 1e-4, complete)

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6))
for axis, ours, exact, name in zip(axes, running_bn, calibrated, ("mean", "standard deviation"), strict=True):
    axis.axline((exact.mean().item(),) * 2, slope=1, color=BLACK, linewidth=1)
    axis.scatter(exact[0].tolist(), ours[0].tolist(), s=18, color=GREEN)
    axis.set(title=f"{name} of the 200 units", xlabel="over the whole training set", ylabel="running")
    print(f"{name}: largest difference {(ours - exact).abs().max().item():.3f}")
lesson.save(figure, "12_running_statistics")

# %% [markdown]
# Both ways give nearly the same numbers. The running standard deviations lie a little below the line,
# because that of 32 examples is, on average, slightly smaller than that of all of them.
#
# One more detail. If a unit had the same value for every example of a batch, its standard deviation would
# be 0 and the division would fail. Libraries therefore add a small number, **epsilon**, to the variance.
# We left it out to keep the arithmetic bare; with 32 random examples it makes no difference here.
#
# ## 6. The useless bias
#
# Look once more at `hpre = ... @ W1 + b1` and at what comes next: the mean is subtracted. Whatever `b1`
# adds to a unit, it adds to every example alike, so it is part of the mean and is taken away again. `b1`
# has no effect at all, and so its gradient is zero, apart from rounding. Compare it with the gradient of
# batch norm's own bias, which took over its work.

# %%
Xb, Yb = first_batch(mg.Generator().manual_seed(lesson.seed))
for p in parameters:
    p.grad = None
F.cross_entropy(with_batch_norm(Xb, parameters), Yb).backward()
useless, useful = (parameters[i].grad.abs().max().item() for i in (2, 6))
print(f"largest |gradient| of b1: {useless:.1e}; of batch norm's bias: {useful:.1e}")
assert useless < 1e-6

# %% [markdown]
# A parameter that does nothing is more than waste. It is a trap. Suppose that you calibrate before adding
# `b1`, but evaluate after adding it. In training the two cancel, so nothing seems wrong; with fixed
# statistics they no longer do, and every unit is off by its `b1`. The loss moves only in the fifth
# decimal, so nobody notices. The published figures above come from exactly this slip: it gives their
# calibrated losses to six decimals, while ours, measured consistently, differ by 0.00006.

# %%
b1 = parameters[2].detach()
off_by_b1 = (calibrated[0] - b1, calibrated[1])
slipped = evaluate(lambda X, p: with_batch_norm(X, p, off_by_b1), parameters)
print("train and dev loss, calibrated and evaluated alike:  {:.7f}  {:.7f}".format(*final["batch norm"]))
print("train and dev loss, calibrated before b1 was added:  {:.7f}  {:.7f}".format(*slipped))

# %% [markdown]
# So leave it out: a layer that is followed by batch normalisation has no bias of its own. This run draws
# no `b1`. The 200 random numbers that it would have used now go into `W2`, which is why the first loss is
# not quite the one from above.


# %%
def initialise_without_b1():
    """As `initialise` with Kaiming's scale, but with no b1 drawn; and batch norm's gain and bias."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((len(vocabulary), 10), generator=g)
    W1 = mg.randn((3 * 10, 200), generator=g) * kaiming
    W2 = mg.randn((200, len(vocabulary)), generator=g) * 0.01
    b2 = mg.randn(len(vocabulary), generator=g) * 0.0
    for p in (C, W1, W2, b2):
        p.requires_grad = True
    return add_gain_and_bias([C, W1, W2, b2]), g


parameters, g = initialise_without_b1()
count = sum(p.nelement() for p in parameters)
lesson.compare("bn.nobias.params", "parameters without b1", 12097, count, "%d")


# %%
def without_b1(X, parameters, statistics=None):
    """Logits of the network with batch normalisation, its first layer without a bias."""
    C, W1, W2, b2, gain, bias = parameters
    hpre = C[X].view(X.shape[0], -1) @ W1
    h = mg.tanh(batch_norm(hpre, gain, bias, statistics))
    return h @ W2 + b2


run = losses["batch norm, no b1"] = train(without_b1, parameters, g, "batch norm, no b1")
statistics = (running["mean"], running["std"])
end = evaluate(lambda X, p: without_b1(X, p, statistics), parameters)
final["batch norm, no b1"] = end

# %%
published = [3.3239, 2.0322, 2.5675, 2.0125, 2.2446, 1.8897, 2.0785, 2.3681, 2.2918, 2.0238,
             2.3673, 2.3132, 1.6414, 1.9311, 2.2231, 2.0027, 2.0997, 2.4949, 2.0199, 2.1707]  # fmt: skip
complete = len(run) == FULL
lesson.compare("bn.nobias.every10000", EVERY, published, run[::10_000], "%.4f", complete=complete)
what = "train and dev loss, running statistics"
lesson.compare("bn.nobias.final", what, [2.0674148, 2.1056838], end, "%.7f", 2e-5, complete)

# %% [markdown]
# The same quality with 200 parameters fewer. What of batch norm's loss compared with Kaiming's? They are
# about equal, and that is no surprise: with one hidden layer a careful start was already enough. Batch
# norm earns its place in deep networks, where no formula for the first step holds for long, and because
# it forgives a bad start (exercise 3).
#
# ## 7. The log
#
# Here is everything in one picture. From left to right the repairs follow each other. From top to bottom:
# the activations of the hidden layer before training, the map of saturated ones, and the first thousand
# losses.


# %%
def at_step_0(scale_W1, normalise=False):
    """Activations of the hidden layer for the minibatch of step 0."""
    parameters, g = initialise(scale_W1, 1.0 if scale_W1 == 1 else 0.01)
    hpre, h = hidden(first_batch(g)[0], parameters)
    return mg.tanh((hpre - hpre.mean(0)) / hpre.std(0)) if normalise else h


stages = {
    "naive": (at_step_0(1.0), VERMILLION),
    "small logits": (at_step_0(1.0), ORANGE),
    "Kaiming": (at_step_0(kaiming), BLUE),
    "batch norm": (at_step_0(kaiming, normalise=True), GREEN),
}
for name, (h, _) in stages.items():
    print(f"{name:<13} first loss {losses[name][0]:7.4f}, saturated {saturation(h):4.1f} %, ", end="")
    print(f"dead {dead_units(h)}, share of the gradient that passes {passing(h):.3f}")

# %%
figure, axes = plt.subplots(3, 4, figsize=(12, 7.2), sharex="row", sharey="row", height_ratios=[1, 1.1, 1.2])
for (top, middle, bottom), (name, (h, colour)) in zip(axes.T, stages.items(), strict=True):
    top.hist(h.flatten().tolist(), bins=40, range=(-1, 1), color=colour)
    top.set_title(f"{name}\nfirst loss {losses[name][0]:.2f}", fontweight="bold")
    top.set_xlabel("activation h")
    white_dots(middle, h)
    bottom.plot(*block_means(losses["naive"][:1000], 100), color="0.8")
    bottom.plot(*block_means(losses[name][:1000], 100), color=colour)
    bottom.axhline(expected, color=BLACK, linestyle="--", linewidth=1.2)
    bottom.set(xlabel="training step", yscale="log", ylim=(2, 30), yticks=[2, 3, 5, 10, 20])
for axis, label in zip(axes[:, 0], ("count", "example", "loss (nats)"), strict=True):
    axis.set_ylabel(label)
for axis in axes[1, 1:]:
    axis.set_ylabel("")
axes[2, 0].yaxis.set(major_formatter="{x:.0f}", minor_locator=NullLocator())
across = axes[2, 0].get_yaxis_transform()  # the middle of the picture, however few the steps
axes[2, 0].text(0.5, 2.4, f"knowing nothing: {expected:.2f}", ha="center", transform=across)
lesson.save(figure, "13_four_stages", cover=True)

# %% [markdown]
# And the losses after training, on the examples the network was trained with (train) and on those it has
# never seen (dev). Lower is better. The dev loss is the one that counts.

# %%
published = [row.published for row in lesson.rows if "final" in row.name]
print(f"{'':<22}{'published:':>11} {'train':>8}{'dev':>8}{'here:':>9} {'train':>8}{'dev':>8}")
for (name, here), there in zip(final.items(), published, strict=True):
    print(f"{name:<33} {there[0]:8.4f}{there[1]:8.4f}{here[0]:18.4f}{here[1]:8.4f}")
assert all(dev_loss < losses["naive"][0] for _, dev_loss in final.values())

# %%
figure, axis = plt.subplots(figsize=(10, 4.2))
for column, name, colour, marker in ((0, "train", SKY, "o"), (1, "dev", PURPLE, "D")):
    here = [pair[column] for pair in final.values()]
    axis.scatter(here, list(final), color=colour, s=80, marker=marker, label=name)
there = [(loss, name) for name, pair in zip(final, published, strict=True) for loss in pair]
axis.scatter(*zip(*there, strict=True), color=BLACK, s=200, marker="|", label="published")
axis.set(title=f"loss after {steps} steps", xlabel="loss (nats)")
axis.grid(axis="y", color="0.9")
axis.set_axisbelow(True)
axis.invert_yaxis()
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "14_log")

# %% [markdown]
# What has the network learned? Let it invent names. It starts from three dots, draws a letter according
# to the probabilities it gives, moves the window on by one, and repeats until it draws the dot that ends
# a name. This works for one name at a time only because of the running statistics.


# %%
@mg.no_grad()
def sample(g):
    """One invented name, drawn from the last model."""
    letters, context = [], [0, 0, 0]
    while not letters or letters[-1] != 0:
        logits = without_b1(mg.tensor([context]), parameters, statistics)
        letters.append(mg.multinomial(F.softmax(logits, dim=1), num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return vocabulary.decode(letters[:-1])


g = mg.Generator().manual_seed(lesson.seed + 10)
names = [sample(g) for _ in range(20)]
print("invented:", ", ".join(names))
assert len(names) == 20

# %% [markdown]
# ## What to keep
#
# - **Know the loss to expect** before the first step, and compare. A first loss that is far too high
#   means that the last layer is too loud: make its weights small.
# - **Look at the activations**, not only at the loss. Saturated units pass no gradient. The loss may not
#   show it.
# - **The scale has a formula**: gain / √fan-in keeps a signal as wide as it was, with 5/3 for tanh and √2
#   for ReLU.
# - **Batch normalisation** makes the scale right in every step instead of only before the first. It
#   couples the examples of a batch, needs fixed statistics for use, and makes the bias before it useless.
#
# ## Exercises
#
# 1. *Predict the first loss.* The naive network started at 27.88 and the repaired one at 3.32. Find a
#    formula for the first loss from the standard deviation s of the logits alone, for small s and for
#    large s. Check it for vocabularies of 27, 46 and 1000 symbols.
# 2. *ReLU instead of tanh.* Which gain keeps the mean square of the activations through ten ReLU layers?
#    Put a ReLU into our network, scale `W1` for it, and count its dead units (zero for every example)
#    before and after training. When do they appear?
# 3. *What batch norm forgives.* Train with `W1` of scale 0.03, 0.3, 3 and 30, with and without batch
#    norm. How much does the loss after training depend on the scale?
#
# Answers run in `answers/10_activations_and_gradients.py`.

# %%
lesson.summary()
