# %% [markdown]
# # The training loop, from three nested loops to a trained digit classifier
#
# A program that trains a network fits on one line: for every batch compute the loss, ask for its gradient,
# move the weights a little, repeat. In a library that line is made of parts with names: loss function,
# module, optimiser, data loader. This lesson builds each part by hand, from nothing but tensors and
# `backward()`, then holds it against the library's part of the same name, and from then on uses the
# library's. At the end a network of two layers reads handwritten digits and is right more than 95 times in
# a hundred.
#
# You need to know what a tensor, a gradient and a linear layer are, what a ReLU does, and that weights
# start as random numbers of the right size.

# %%
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad.utils.data import DataLoader, RandomSampler, TensorDataset

lesson = Lesson("03_training_loop")
FULL = 782
steps = lesson.steps(full=FULL, quick=200)
print(f"{steps} training steps in every pass over the data, generator seed {lesson.seed}")

# %% [markdown]
# The data are MNIST's handwritten digits, as in the lesson on initialization: every image a row of 784
# numbers, normalised with the mean and standard deviation of the training set, every **label** the digit
# shown. A step will take 64 images, so 782 steps see all 50000. The 10000 images of the validation set are
# only looked at to judge.

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
batch_size = 64
kept = slice(batch_size * steps)
x_train, y_train = digits.train.images.view(-1, 784)[kept], digits.train.labels[kept]
x_valid, y_valid = digits.validation.images.view(-1, 784), digits.validation.labels
print("training", tuple(x_train.shape), "labels", tuple(y_train.shape), "validation", tuple(x_valid.shape))
print("the first labels:", *y_train[:12].tolist())
here = [digits.train.mean, digits.train.std]
lesson.compare("mnist.stats", "mean and std of the training images", [0.1304, 0.3073], here, "%.4f")

# %% [markdown]
# ## 1. The matrix product, three times
#
# Nearly all of a network's time goes into one operation, `x @ w`. Entry (i, j) of the product of an n x m
# and an m x p matrix is a sum along row i of the first and column j of the second:
#
# $$ c_{ij} = \sum_{k=1}^{m} a_{ik} \, b_{kj} $$
#
# The first version says just that, with three loops.


# %%
def product_by_loops(a, b):
    """The product of two matrices given as lists of rows."""
    c = [[0.0] * len(b[0]) for _ in a]
    for i in range(len(a)):
        for j in range(len(b[0])):
            for k in range(len(b)):
                c[i][j] += a[i][k] * b[k][j]
    return c


g = mg.Generator().manual_seed(lesson.seed)
a, b = x_train[:5], mg.randn((784, 10), generator=g)
by_loops = mg.tensor(product_by_loops(a.tolist(), b.tolist()))
difference = (by_loops - a @ b).abs().max().item()
print(f"5 images, 10 outputs: {tuple(by_loops.shape)}, largest difference from a @ b {difference:.0e}")
assert mg.allclose(by_loops, a @ b, atol=1e-3)

# %% [markdown]
# It is right, and slow: Python looks up every single number. The second version hands whole rows to the
# library. For that it needs **broadcasting**, the rule by which tensors of different shapes are combined.
#
# Write the two shapes below each other, aligned at the *right*. Each pair of sizes must be equal, or one of
# them must be 1 or missing; then that tensor is repeated along this dimension, without being copied.
# Indexing with `None` puts in a dimension of size 1 where it is needed.

# %%
column, row = mg.tensor([1.0, 2.0, 3.0])[:, None], mg.tensor([10.0, 20.0])
print("shape", tuple(column.shape), "times shape", tuple(row.shape), "is shape", tuple((column * row).shape))
print((column * row).tolist())
assert (column * row).tolist() == [[10, 20], [20, 40], [30, 60]]

# %% [markdown]
# An image is a row of 784 numbers. As a column, 784 x 1, it can be multiplied with all of b, 784 x 10:
# number k of the image meets row k of b, ten times. Sum over k and the image's ten outputs are there. One
# loop is left.


# %%
def product_by_broadcasting(a, b):
    """The product of two matrices, a row of the first at a time."""
    return mg.stack([(row[:, None] * b).sum(0) for row in a])


assert mg.allclose(product_by_broadcasting(a, b), a @ b, atol=1e-3)
print("shapes in the loop:", tuple(a[0][:, None].shape), "*", tuple(b.shape), "->", tuple((a[0][:, None] * b).shape))

# %% [markdown]
# The third version is `a @ b`. Behind it stands a **BLAS**, a library of basic linear algebra on which
# generations of programmers have worked. It cuts the matrices into blocks that fit into the fastest memory,
# and lets the processor do many multiplications in one instruction and on several cores.
#
# How fast is each? They get as many images as they can do in a moment, and we count multiplications per
# second.


# %%
def multiplications_per_second(product, a, b, repeats=5):
    """The fastest of some runs: what the machine can do when nothing disturbs it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        product(a, b)
        times.append(time.perf_counter() - start)
    return len(a) * len(b) * len(b[0]) / min(times)


speeds = {
    "three loops": multiplications_per_second(product_by_loops, a.tolist(), b.tolist()),
    "broadcasting": multiplications_per_second(product_by_broadcasting, x_train[:200], b),
    "BLAS": multiplications_per_second(lambda a, b: a @ b, x_train[:5000], b),
}
for name, speed in speeds.items():
    print(f"{name:<13} {speed / 1e6:10.0f} million per second, {speed / speeds['three loops']:7.0f} times the loops")

# %%
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.barh(list(speeds), list(speeds.values()), color=[VERMILLION, ORANGE, GREEN])
axis.set(xscale="log", xlabel="multiplications per second", title="the same product, three times", xlim=(1e6, None))
axis.invert_yaxis()
lesson.save(figure, "1_matrix_product")
assert speeds["BLAS"] > speeds["broadcasting"] > speeds["three loops"]

# %% [markdown]
# From here on, `@`.
#
# ## 2. A network and its loss
#
# The network: 784 inputs, a hidden layer of 50 ReLU units, ten outputs, one per digit. The weights start
# with Kaiming's rule, the biases at 0.


# %%
def initialise():
    """Weights and biases of both layers, always the same ones."""
    g = mg.Generator().manual_seed(lesson.seed)
    w1 = mg.randn((784, 50), generator=g) * math.sqrt(2 / 784)
    w2 = mg.randn((50, 10), generator=g) / math.sqrt(50)
    parameters = [w1, mg.zeros(50), w2, mg.zeros(10)]
    for p in parameters:
        p.requires_grad_()
    return parameters


def network(x, parameters):
    """Ten outputs for each image."""
    w1, b1, w2, b2 = parameters
    return F.relu(x @ w1 + b1) @ w2 + b2


parameters = initialise()
outputs = network(x_train[:64], parameters)
print("outputs", tuple(outputs.shape), "parameters", sum(p.numel() for p in parameters))

# %% [markdown]
# ### A first attempt: the mean squared error
#
# A **loss** is one number that says how wrong the outputs are, smaller being better. The simplest is the
# **mean squared error** (MSE), the mean of the squared differences between outputs and targets. To use it,
# let a single output of the network stand for the digit itself: it should be 7 for a seven.
#
# $$ \text{MSE} = \frac{1}{N} \sum_{i=1}^{N} (\text{output}_i - \text{target}_i)^2 $$
#
# There is a trap in it, and broadcasting has set it. Ten outputs of shape (64, 1) minus targets of shape
# (64): the shapes are aligned at the right, so the difference has the shape (64, 64), every output minus
# *every* target. No error is raised, and the mean is a number like any other, but of the wrong thing.


# %%
def mse(output, target):
    """The mean squared error of two tensors that must have the same shape."""
    assert output.shape == target.shape, f"mse: expected equal shapes, got {output.shape} and {target.shape}"
    return (output - target).square().mean()


single, target = outputs[:, :1], y_train[:64].float()
print("single - target has the shape", tuple((single - target).shape))
print(f"the wrong mean {(single - target).square().mean().item():.3f}, the right one {mse(single[:, 0], target).item():.3f}")
assert mg.allclose(mse(single[:, 0], target), F.mse_loss(single[:, 0], target))

# %% [markdown]
# But the deeper fault is this: digits are *names* here, not amounts. If the network takes a 7 for a 1, the
# MSE charges (7 - 1)² = 36; if it takes it for an 8, only 1. Both answers are equally wrong. And a network
# that hesitates between 3 and 9 does best to answer 6, which it does not believe at all.
#
# ### Softmax
#
# So ask for ten numbers that say how probable each digit is. They must be positive and add up to 1. The
# outputs of the network, called **logits**, are neither. The **softmax** makes them so: e to the power of
# each, divided by the sum.
#
# $$ p_j = \frac{e^{z_j}}{\sum_k e^{z_k}} $$


# %%
def softmax(z):
    """Probabilities from logits, row by row."""
    e = z.exp()
    return e / e.sum(1, keepdim=True)


z = mg.tensor([[1.0, 2.0, 5.0], [11.0, 12.0, 15.0]])
print("probabilities:", [[round(p, 4) for p in row] for row in softmax(z).tolist()])
assert mg.allclose(softmax(z), F.softmax(z, dim=1))

# %% [markdown]
# The two rows give the same probabilities. Adding a constant to all logits multiplies every e^z by the same
# factor, and that cancels. Only *differences* between logits count. Remember this; it is a convenience now
# and a fault at the end of the lesson.
#
# It is a convenience because e^z is a dangerous number: float32 ends at e^88. With a logit of 100 the
# formula divides infinity by infinity.

# %%
large = mg.tensor([[0.0, 60.0, 100.0]])
print("softmax of 0, 60, 100 by the formula:", softmax(large).tolist())
print("after subtracting the largest:       ", softmax(large - large.max()).tolist())
assert softmax(large).isnan().any() and not softmax(large - large.max()).isnan().any()

# %% [markdown]
# ### Logarithms: log-sum-exp and log-softmax
#
# We will need the *logarithm* of the probabilities. Taken after the softmax it fails at the other end:
# e^(-120) is 0 in float32, and its logarithm minus infinity. Take it on paper instead:
#
# $$ \ln p_j = z_j - \ln \sum_k e^{z_k} $$
#
# The last term is the **log-sum-exp**, and the largest logit m can be taken out of it:
#
# $$ \ln \sum_k e^{z_k} = m + \ln \sum_k e^{z_k - m} $$
#
# Now the largest power is e⁰ = 1, so nothing overflows, and the sum is at least 1, so the logarithm is
# safe.


# %%
def log_sum_exp(z):
    """The logarithm of the sum of e to the power of each, row by row, for logits of any size."""
    m = z.max(1, keepdim=True).values
    return m + (z - m).exp().sum(1, keepdim=True).log()


def log_softmax(z):
    """The logarithm of the softmax, row by row."""
    return z - log_sum_exp(z)


large = mg.tensor([[0.0, 60.0, 120.0]])
print("logarithm of the softmax:", softmax(large - large.max()).log().tolist())
print("log-softmax:             ", log_softmax(large).tolist())
assert mg.allclose(log_sum_exp(z), mg.logsumexp(z, 1, keepdim=True))
assert mg.allclose(log_softmax(large), F.log_softmax(large, dim=1))

# %% [markdown]
# ### Cross-entropy
#
# The target is a probability distribution too: 1 for the right digit and 0 for the nine others, a
# **one-hot** vector. The **cross-entropy** of target t and prediction p is
#
# $$ -\sum_j t_j \ln p_j $$
#
# Nine of the ten terms are 0. What is left is minus the logarithm of the probability given to the right
# digit, and to get it no one-hot vector is needed: it is picked out by its **index**.


# %%
def cross_entropy(logits, labels):
    """Mean of minus the log-probability of the right class."""
    log_probabilities = log_softmax(logits)
    return -log_probabilities[mg.arange(len(labels)), labels].mean()


labels = y_train[:64]
with_one_hot = -(F.one_hot(labels, 10) * log_softmax(outputs)).sum(1).mean()
loss = cross_entropy(outputs, labels)
print(f"by one-hot vectors {with_one_hot.item():.6f}, by index {loss.item():.6f}")
print(f"by the library {F.cross_entropy(outputs, labels).item():.6f}; knowing nothing, ln 10 = {math.log(10):.6f}")
assert mg.allclose(loss, F.cross_entropy(outputs, labels)) and mg.allclose(loss, with_one_hot)

# %% [markdown]
# A network that gives each digit 1/10 has the loss ln 10. Ours starts a little above: it has random
# opinions.
#
# The picture shows what the loss asks for. On the left the logits and probabilities of one image. On the
# right the loss of an example against the probability of the right digit: being sure and right costs
# nothing, being sure and wrong is charged without limit.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=[1.2, 1.2, 1.4])
for axis, values, colour in ((axes[0], outputs, SKY), (axes[1], F.softmax(outputs, 1), BLUE)):
    bars = axis.bar(range(10), values[0].tolist(), color=colour)
    bars[labels[0].item()].set_color(ORANGE)
    axis.set(xlabel="digit", xticks=range(10))
axes[0].set_title(f"logits of a {labels[0].item()} (orange)")
axes[1].set_title("softmax: probabilities")
p = mg.linspace(0.005, 1, 200)
axes[2].plot(p.tolist(), (-p.log()).tolist(), color=BLUE)
axes[2].plot([0.1], [math.log(10)], "o", color=BLACK, markersize=8)
axes[2].annotate("knowing nothing", (0.1, math.log(10)), xytext=(0.18, 2.6))
axes[2].set(title="loss of one example", xlabel="probability of the right digit", ylabel="-ln p")
lesson.save(figure, "2_cross_entropy")
print(f"probability of the right digit {F.softmax(outputs, 1)[0, labels[0]].item():.3f}")

# %% [markdown]
# ## 3. Gradients by hand
#
# The engine will compute the gradients. But do it once yourself, and the engine stops being magic. The
# network in steps:
#
# $$ a = xW_1 + b_1, \quad h = \max(a, 0), \quad z = hW_2 + b_2, \quad L = \text{cross-entropy}(z, y) $$
#
# Go backwards. *From the loss to the logits.* The loss of one example is $\ln \sum_k e^{z_k} - z_y$. The
# derivative of the log-sum-exp with respect to $z_j$ is $e^{z_j} / \sum_k e^{z_k}$, which is $p_j$; that of
# $z_y$ is 1 if j is the right digit. So, with the mean over N examples,
#
# $$ \frac{\partial L}{\partial z} = \frac{p - \text{one-hot}(y)}{N} $$
#
# It could not be simpler: the probability that each digit got, minus what it should have got.
#
# *Through a linear layer* z = hW + b. Entry $W_{kj}$ takes $h_{ik}$ to $z_{ij}$, in every example i, and
# the contributions add up: $\sum_i h_{ik} \, \partial L / \partial z_{ij}$, a matrix product. In the same
# way for the others:
#
# $$ \frac{\partial L}{\partial W} = h^T \frac{\partial L}{\partial z}, \quad
#    \frac{\partial L}{\partial b} = \sum_i \frac{\partial L}{\partial z_i}, \quad
#    \frac{\partial L}{\partial h} = \frac{\partial L}{\partial z} W^T $$
#
# To remember it, look at the shapes: a gradient has the shape of what it belongs to, and only one product
# fits.
#
# *Through the ReLU.* Where a was positive, the gradient passes; elsewhere it stops.


# %%
def gradients_by_hand(x, y, parameters):
    """The gradients of the loss with respect to the four parameters."""
    w1, b1, w2, b2 = parameters
    a = x @ w1 + b1
    h = F.relu(a)
    z = h @ w2 + b2
    dz = (F.softmax(z, dim=1) - F.one_hot(y, 10)) / len(y)  # (N, 10)
    dw2, db2 = h.T @ dz, dz.sum(0)  # (50, 10), (10)
    dh = dz @ w2.T  # (N, 50)
    da = dh * (a > 0)
    dw1, db1 = x.T @ da, da.sum(0)  # (784, 50), (50)
    return dw1, db1, dw2, db2


with mg.no_grad():
    by_hand = gradients_by_hand(x_train[:64], labels, parameters)
print("shapes:", *(tuple(gradient.shape) for gradient in by_hand))

# %%
loss.backward()
for name, p, ours in zip(("W1", "b1", "W2", "b2"), parameters, by_hand, strict=True):
    difference = (p.grad - ours).abs().max().item()
    print(f"{name}: largest gradient {p.grad.abs().max().item():.4f}, difference from the engine's {difference:.0e}")
    assert mg.allclose(p.grad, ours, atol=1e-6)

# %% [markdown]
# A third witness needs no calculus at all: nudge one weight up and down by a little, and see how the loss
# changes. (In float64, as the change is small.)


# %%
def nudged(amount, index=2, place=(7, 3)):
    """The loss with one weight moved by this amount."""
    moved = [p.detach().double() for p in parameters]
    moved[index][place] += amount
    return cross_entropy(network(x_train[:64].double(), moved), labels).item()


slope = (nudged(1e-4) - nudged(-1e-4)) / 2e-4
print(f"gradient of W2[7, 3]: nudged {slope:.7f}, by hand {by_hand[2][7, 3].item():.7f}")
assert abs(slope - by_hand[2][7, 3].item()) < 1e-5

# %% [markdown]
# ## 4. The loop
#
# Everything is there. One **step** takes 64 images (a **minibatch**), computes the loss, asks for the
# gradients, and moves every parameter a little against its gradient. How little is the **learning rate**. A
# pass over the whole training set is an **epoch**.
#
# Two lines deserve attention. `no_grad` says that the moving is not part of the calculation to be
# differentiated. And gradients are *added* to what `.grad` holds, so it must be emptied after each step.
# For progress we look at the **accuracy**, the share of images whose largest output is the right digit.


# %%
def accuracy(outputs, labels):
    """Share of rows whose largest entry is at the label."""
    return (outputs.argmax(1) == labels).float().mean().item()


def loss_and_accuracy(model):
    """Both over the whole validation set."""
    with mg.no_grad():
        outputs = model(x_valid)
        return F.cross_entropy(outputs, y_valid).item(), accuracy(outputs, y_valid)


lr = 0.1
parameters = initialise()
before = loss_and_accuracy(lambda x: network(x, parameters))
print(f"before training: loss {before[0]:.3f}, accuracy {before[1]:.3f}")

# %%
start = time.perf_counter()
for i in range(0, len(x_train), batch_size):
    x, y = x_train[i : i + batch_size], y_train[i : i + batch_size]
    loss = F.cross_entropy(network(x, parameters), y)
    loss.backward()
    with mg.no_grad():
        for p in parameters:
            p -= lr * p.grad
            p.grad.zero_()

after = loss_and_accuracy(lambda x: network(x, parameters))
print(f"after one epoch: loss {after[0]:.3f}, accuracy {after[1]:.3f}, in {time.perf_counter() - start:.2f} s")
assert after[0] < before[0] and after[1] > before[1]

# %% [markdown]
# That is all of it: a dozen lines, and digits are read. The rest of the lesson puts these lines into boxes
# with handles, so that they can be used for networks with a hundred layers. But first a question about the
# 64.
#
# ## 5. How far can a minibatch be trusted?
#
# A step does not see the loss over all images, only its mean over 64. How much does that mean vary? To
# answer, we need the **variance**: the mean of the squared distances from the mean. Multiplied out, it is
# something else that is easily computed, the mean of the squares minus the square of the mean.
#
# $$ \text{var}(t) = E[(t - E[t])^2] = E[t^2] - E[t]^2 $$
#
# Here E[...] is the mean. Take for t the losses of single images.

# %%
with mg.no_grad():
    t = F.cross_entropy(network(x_valid, parameters), y_valid, reduction="none")  # one loss per image
m = t.mean()
first_way, second_way = (t - m).square().mean(), t.square().mean() - m**2
print(f"mean loss {m.item():.4f}; variance {first_way.item():.4f} one way, {second_way.item():.4f} the other")
print(f"the library, dividing by n: {t.var(correction=0).item():.4f}; by n - 1: {t.var().item():.4f}")
assert mg.allclose(first_way, t.var(correction=0)) and mg.allclose(first_way, second_way, rtol=1e-3)

# %% [markdown]
# Two notes. Libraries usually divide by n - 1 instead of n. The mean was taken from the same numbers, so
# they lie a little closer to it than to the true mean; n - 1 makes up for that, and for large n it is no
# matter.
#
# And the second way, which needs only one pass over the data, is treacherous. If the mean is large, it is
# the small difference of two huge numbers, and in float32 nothing is left of it. Add 10000 to every loss:
# the variance should not change.

# %%
shifted = t + 10_000
first, second = (shifted - shifted.mean()).square().mean().item(), (shifted.square().mean() - shifted.mean() ** 2).item()
print(f"with 10000 added: {first:.4f} one way, {second:.4f} the other")
assert abs(first - first_way.item()) < 0.05

# %% [markdown]
# Now the minibatch. The variance of the mean of n independent numbers is their variance divided by n. So
# its standard deviation falls with the square *root* of n: four times as many images make the estimate only
# twice as good. Measured:

# %%
g = mg.Generator().manual_seed(lesson.seed)
sizes = [1, 4, 16, 64, 256, 1024]
measured, predicted = [], []
for n in sizes:
    means = t[mg.randint(0, len(t), (1000, n), generator=g)].mean(1)  # 1000 minibatches of n
    measured.append(means.std().item())
    predicted.append(t.std().item() / math.sqrt(n))
    print(f"batches of {n:>4}: loss {means.mean().item():.3f} ± {measured[-1]:.3f}, predicted ± {predicted[-1]:.3f}")

# %%
figure, axis = plt.subplots(figsize=(8, 4))
axis.plot(sizes, predicted, color=BLACK, linestyle="--", linewidth=1.5, label="std of one / √n")
axis.plot(sizes, measured, "o", color=BLUE, markersize=9, label="measured")
axis.set(xscale="log", yscale="log", xlabel="images in the minibatch n", ylabel="std of its loss", xticks=sizes)
axis.set_xticklabels(sizes)
axis.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
axis.minorticks_off()
axis.set_title("four times the work, half the noise")
axis.legend()
lesson.save(figure, "3_minibatches")
assert all(abs(a / b - 1) < 0.3 for a, b in zip(measured, predicted, strict=True))

# %% [markdown]
# That is why minibatches are small: many rough steps get further than a few exact ones.
#
# ### Two things at once: covariance and correlation
#
# Variance is about one number. Whether two numbers move *together* is measured by their **covariance**,
# which has the same two forms:
#
# $$ \text{cov}(x, y) = E[(x - E[x])(y - E[y])] = E[xy] - E[x]E[y] $$
#
# The covariance of a number with itself is its variance. Divided by both standard deviations it becomes the
# **correlation**, which lies between -1 and 1 and does not depend on units: 1 means that one is a rising
# straight line of the other, 0 that no straight line helps.


# %%
def covariance(x, y):
    """The mean of the products of the distances from the means."""
    return ((x - x.mean()) * (y - y.mean())).mean()


def correlation(x, y):
    """The covariance in units of the two standard deviations."""
    return covariance(x, y) / (covariance(x, x) * covariance(y, y)).sqrt()


pixels = x_valid.view(-1, 28, 28)
centre = pixels[:, 14, 14]
assert mg.allclose(covariance(centre, t), (centre * t).mean() - centre.mean() * t.mean(), atol=1e-4)
for name, other in (("right neighbour", pixels[:, 14, 15]), ("six to the right", pixels[:, 14, 20])):
    theirs = np.corrcoef(centre.tolist(), other.tolist())[0, 1]
    print(f"centre and {name:<17} correlation {correlation(centre, other).item():6.3f}, NumPy's {theirs:6.3f}")
    assert abs(correlation(centre, other).item() - theirs) < 1e-3

# %% [markdown]
# The same for the centre and *every* pixel at once. All that changes is which dimension the means run over;
# broadcasting does the rest. (Some pixels at the rim are always black. They do not vary, so the division
# would be 0/0; the small number prevents it.)

# %%
centred = x_valid - x_valid.mean(0)
covariances = (centred * centred[:, 14 * 28 + 14, None]).mean(0)  # (784)
variances = centred.square().mean(0)
correlations = covariances / ((variances * variances[14 * 28 + 14]).sqrt() + 1e-9)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=[1, 1.5])
picture = axes[0].imshow(correlations.view(28, 28).tolist(), cmap="RdBu_r", vmin=-1, vmax=1)
figure.colorbar(picture, ax=axes[0], shrink=0.85)
axes[0].set_title("correlation with the centre pixel")
axes[0].set_axis_off()
axes[1].plot(range(-14, 14), correlations.view(28, 28)[14].tolist(), color=BLUE, marker="o", markersize=4)
axes[1].axhline(0, color=BLACK, linewidth=1)
axes[1].set(title="along the middle row", xlabel="pixels to the right of the centre", ylabel="correlation")
lesson.save(figure, "4_correlation")
print(f"with itself {correlations[14 * 28 + 14].item():.3f}, smallest {correlations.min().item():.3f}")

# %% [markdown]
# Neighbours are red: where there is ink at the centre, there is ink beside it. The blue ring is where ink
# mostly is when the centre has none, as in a 0. So 784 pixels are far from 784 independent facts, and that
# is what makes images learnable.
#
# ## 6. From a list of parameters to a module
#
# Back to the loop. Its first weakness is the list `parameters`, which must be made by hand and passed
# around. With a hundred layers somebody will forget one, and the network will still train, only worse. An
# object should know its own parameters. Python has a hook for it: `__setattr__` is called whenever somebody
# writes `self.name = value`.


# %%
class OurModule:
    """Remembers the tensors and modules that are assigned to it."""

    def __init__(self):
        self.__dict__["members"] = {}  # past our own __setattr__

    def __setattr__(self, name, value):
        if isinstance(value, (mg.Tensor, OurModule)):
            self.members[name] = value
        super().__setattr__(name, value)

    def parameters(self):
        """All tensors, also those of the modules inside."""
        for member in self.members.values():
            yield from member.parameters() if isinstance(member, OurModule) else [member]

    def __call__(self, x):
        return self.forward(x)


assert list(OurModule().parameters()) == []
print("a module without members has no parameters")


# %%
class OurLinear(OurModule):
    """x @ w + b."""

    def __init__(self, w, b):
        super().__init__()
        self.w, self.b = w, b

    def forward(self, x):
        return x @ self.w + self.b


layer = OurLinear(mg.ones(3, 2), mg.zeros(2))
assert list(layer.members) == ["w", "b"]
print("members:", *layer.members, "output:", layer(mg.tensor([1.0, 2.0, 3.0])).tolist())


# %%
class OurNetwork(OurModule):
    """Two linear layers with a ReLU between them."""

    def __init__(self, w1, b1, w2, b2):
        super().__init__()
        self.first, self.second = OurLinear(w1, b1), OurLinear(w2, b2)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


parameters = initialise()
ours = OurNetwork(*parameters)
assert all(a is b for a, b in zip(ours.parameters(), parameters, strict=True))
print("parameters found:", *(tuple(p.shape) for p in ours.parameters()))

# %% [markdown]
# The library's `nn.Module` works like this, and `nn.Linear` is its linear layer. Two differences: what is
# to be trained is marked as an `nn.Parameter`, so that other tensors can be kept without being trained; and
# a linear layer keeps its weights with the outputs first, so ours have to be transposed when they are
# copied over.


# %%
class Network(nn.Module):
    """The same network with the library's parts."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(784, 50), nn.Linear(50, 10)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def copy_start(first, second):
    """Gives two linear layers the weights that `initialise` makes."""
    with mg.no_grad():
        for p, start in zip((first.weight, first.bias, second.weight, second.bias), initialise(), strict=True):
            p.copy_(start.T if start.ndim == 2 else start)


model = Network()
copy_start(model.first, model.second)
print(model)
assert mg.allclose(model(x_valid[:100]), ours(x_valid[:100]), atol=1e-5)

# %% [markdown]
# If a network is just one layer after the other, even the `forward` can be written once and for all: take
# the layers as a list, and send x through each. That is `Sequential`.


# %%
class OurSequential(nn.Module):
    """One module after the other."""

    def __init__(self, *layers):
        super().__init__()
        self.count = len(layers)
        for i, layer in enumerate(layers):
            setattr(self, f"layer{i}", layer)  # assigned to the module, so that it is found

    def forward(self, x):
        for i in range(self.count):
            x = getattr(self, f"layer{i}")(x)
        return x


layers = [model.first, nn.ReLU(), model.second]
by_us, by_library = OurSequential(*layers), nn.Sequential(*layers)
print("number of parameters:", sum(p.numel() for p in by_us.parameters()))
assert mg.equal(by_us(x_valid[:100]), by_library(x_valid[:100]))
assert len(list(by_us.parameters())) == len(list(by_library.parameters())) == 4


# %%
def new_model():
    """The network of this lesson, as the library's Sequential, with the usual start."""
    model = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    copy_start(model[0], model[2])
    return model


print(new_model())

# %% [markdown]
# ## 7. From the update to an optimiser
#
# The second weakness is the update in the middle of the loop. There are many ways to use a gradient, and
# one would like to change them without touching the loop. So the update gets an object of its own, an
# **optimiser**, with two methods: `step` moves the parameters, `zero_grad` empties their gradients. The one
# that we have used is called **SGD**, stochastic gradient descent: stochastic, because the minibatch is a
# random part of the data.


# %%
class OurSGD:
    """Moves parameters against their gradients."""

    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr

    @mg.no_grad()
    def step(self):
        for p in self.parameters:
            p -= self.lr * p.grad

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


one = mg.tensor([5.0], requires_grad=True)
(3 * one).sum().backward()
OurSGD([one], lr=0.1).step()
print("5 - 0.1 * 3 =", one.item())
assert abs(one.item() - 4.7) < 1e-6

# %% [markdown]
# The loop of section 4 now knows neither the parameters nor the rule by which they move. Here it makes a
# hundred steps with our optimiser, and a hundred with the library's.


# %%
def train_by_slices(model, optimiser, batches=100):
    """The loop of section 4; returns the last loss."""
    for i in range(0, min(len(x_train), batches * batch_size), batch_size):
        loss = F.cross_entropy(model(x_train[i : i + batch_size]), y_train[i : i + batch_size])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return loss.item()


with_ours, with_library = new_model(), new_model()
our_loss = train_by_slices(with_ours, OurSGD(with_ours.parameters(), lr))
library_loss = train_by_slices(with_library, optim.SGD(with_library.parameters(), lr=lr))
print(f"loss after a hundred steps: our optimiser {our_loss:.6f}, the library's {library_loss:.6f}")
difference = (with_ours[0].weight - with_library[0].weight).abs().max().item()
print(f"largest difference between two weights: {difference:.0e}")
assert difference < 1e-4

# %% [markdown]
# ## 8. From slices to a data loader
#
# The third weakness is `x_train[i : i + batch_size]`. It wants all data as one tensor in memory, keeps
# images and labels in step by hand, and always takes them in the same order. Three objects share that work.
#
# - A **Dataset** knows how many samples there are and gives sample number i: here an image and its label.
# - A **Sampler** says in which order they are taken.
# - A **DataLoader** asks the sampler for 64 indices, the data set for their samples, and packs these into
#   one batch. The packing is called **collating**.


# %%
class OurDataset:
    """Pairs of an image and its label."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


train_set = OurDataset(x_train, y_train)
image, label = train_set[0]
print(f"{len(train_set)} samples; the first has the shape {tuple(image.shape)} and the label {label.item()}")

# %% [markdown]
# Why should the order be random? Look at it from the other end: if the data were sorted, the network would
# see only zeros for a while, then only ones, and each time forget what it learned before (exercise 1). With
# a new order in each epoch no two minibatches are the same.


# %%
class OurSampler:
    """All indices of a data set, in their order or in a random one."""

    def __init__(self, count, shuffle, generator=None):
        self.count, self.shuffle, self.generator = count, shuffle, generator

    def __iter__(self):
        yield from mg.randperm(self.count, generator=self.generator).tolist() if self.shuffle else range(self.count)


def collate(samples):
    """A list of (image, label) as one tensor of images and one of labels."""
    images, labels = zip(*samples, strict=True)
    return mg.stack(images), mg.stack(labels)


g = mg.Generator().manual_seed(lesson.seed)
print("in order:", *itertools.islice(OurSampler(1000, shuffle=False), 6))
print("shuffled:", *itertools.islice(OurSampler(1000, shuffle=True, generator=g), 6))
assert sorted(OurSampler(1000, shuffle=True, generator=g)) == list(range(1000))


# %%
class OurDataLoader:
    """Batches of a data set in the order of a sampler."""

    def __init__(self, dataset, batch_size, sampler):
        self.dataset, self.batch_size, self.sampler = dataset, batch_size, sampler

    def __iter__(self):
        indices = iter(self.sampler)
        while chosen := list(itertools.islice(indices, self.batch_size)):
            yield collate([self.dataset[i] for i in chosen])


def seeded():
    """A generator in its first state."""
    return mg.Generator().manual_seed(lesson.seed)


def our_loader():
    """The training set in random order, from the generator's first state."""
    return OurDataLoader(train_set, batch_size, OurSampler(len(train_set), shuffle=True, generator=seeded()))


x, y = next(iter(our_loader()))
print("a batch:", tuple(x.shape), tuple(y.shape))

# %% [markdown]
# And the library's: `TensorDataset`, `RandomSampler`, `DataLoader`. (`DataLoader(..., shuffle=True)` makes
# the sampler by itself.) With the same generator they give the same batches in the same order; the
# library's is faster, because it takes the 64 rows of a tensor at one go.

# %%
library_set = TensorDataset(x_train, y_train)
train_loader = DataLoader(library_set, batch_size, sampler=RandomSampler(library_set, generator=seeded()))
for (x1, y1), (x2, y2) in itertools.islice(zip(our_loader(), train_loader, strict=True), 5):
    assert mg.equal(x1, x2) and mg.equal(y1, y2)
for name, loader in (("ours", our_loader()), ("the library's", train_loader)):
    start = time.perf_counter()
    count = sum(len(y) for _, y in loader)
    print(f"{name}: {count} samples in {time.perf_counter() - start:.2f} s")

# %% [markdown]
# ## 9. Training and validation
#
# With these parts the loop reads like its description. One thing is added: after every epoch the
# **validation set** is gone through, without gradients and without learning. The loss on the training
# images says how well the network knows *these* images; only images that it has not learned from show what
# it knows about digits.
#
# Details that go wrong easily:
#
# - `model.train()` and `model.eval()` tell the layers which of the two is going on. Ours behave alike in
#   both, but some layers do not, and a loop should not have to know which.
# - Nothing is kept for a backward pass here, so validation batches can be larger.
# - The last batch may be smaller. The loss of an epoch is therefore not the mean of the batches' means;
#   each must be weighted with its size.


# %%
def run_epoch(model, loader, loss_of, optimiser=None):
    """Mean loss and accuracy over a loader; with an optimiser the model learns on the way."""
    total, right, count = 0.0, 0.0, 0
    for x, y in loader:
        outputs = model(x)
        loss = loss_of(outputs, y)
        if optimiser is not None:
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
        total += loss.item() * len(y)
        right += accuracy(outputs, y) * len(y)
        count += len(y)
    return total / count, right / count


assert accuracy(mg.tensor([[0.1, 0.9], [0.8, 0.2]]), mg.tensor([1, 1])) == 0.5

# %%
valid_set = TensorDataset(x_valid, y_valid)
valid_loader = DataLoader(valid_set, 3000)
with mg.no_grad():
    by_batches = run_epoch(new_model(), valid_loader, F.cross_entropy)
print("loss and accuracy before training: {:.4f} {:.4f}".format(*by_batches))
assert abs(by_batches[0] - before[0]) < 1e-4  # as over the whole set at once, though the last batch is smaller


# %%
def fit(epochs, model, optimiser, train_loader, valid_loader):
    """Trains, and returns (training loss, training accuracy, validation loss, validation accuracy) of each epoch."""
    history = []
    for _ in lesson.progress(epochs, "epochs"):
        model.train()
        trained = run_epoch(model, train_loader, F.cross_entropy, optimiser)
        model.eval()
        with mg.no_grad():
            history.append((*trained, *run_epoch(model, valid_loader, F.cross_entropy)))
    return history


model = new_model()
start = time.perf_counter()
history = fit(8, model, optim.SGD(model.parameters(), lr=lr), train_loader, valid_loader)
final_accuracy = history[-1][3]
for epoch, row in enumerate(history, start=1):
    print("epoch {}: training loss {:.4f} accuracy {:.4f}, validation {:.4f} {:.4f}".format(epoch, *row))
print(f"validation accuracy {final_accuracy:.4f} after {time.perf_counter() - start:.1f} s")
assert final_accuracy > 0.95 or steps < FULL

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharex=True)
epochs = range(1, len(history) + 1)
train_loss, train_accuracy, valid_loss, valid_accuracy = zip(*history, strict=True)
pairs = ((train_loss, valid_loss, "loss"), (train_accuracy, valid_accuracy, "accuracy"))
for axis, (trained, validated, what) in zip(axes, pairs, strict=True):
    axis.plot(epochs, trained, color=SKY, marker="o", label="training")
    axis.plot(epochs, validated, color=PURPLE, marker="D", label="validation")
    axis.set(title=what, xlabel="epoch", xticks=epochs)
axes[1].axhline(0.95, color=BLACK, linestyle="--", linewidth=1)
axes[0].set_ylim(0, None)
axes[0].legend()
lesson.save(figure, "5_training_and_validation")
best = min(range(len(history)), key=lambda i: valid_loss[i])
print(f"lowest validation loss in epoch {best + 1}; the training loss falls on to {train_loss[-1]:.4f}")

# %% [markdown]
# The training loss keeps falling; the validation loss soon does not. From there on the network learns its
# 50000 images by heart rather than learning about digits. This is **overfitting**, and without a validation
# set nobody would notice.
#
# (At the start the validation numbers are the better ones. That is no miracle: the training numbers are
# taken *during* the epoch, when the network was still worse.)
#
# Which images does it get wrong?

# %%
with mg.no_grad():
    probabilities = F.softmax(model(x_valid), dim=1)
guesses = probabilities.argmax(1)
wrong = (guesses != y_valid).nonzero()[:, 0]
surest = wrong[probabilities[wrong].max(1).values.argsort(descending=True)][:12].tolist()
figure, axes = plt.subplots(2, 6, figsize=(10, 4))
for axis, i in zip(axes.flat, surest, strict=False):
    axis.imshow(x_valid[i].view(28, 28).tolist(), cmap="gray")
    axis.set_title(f"{y_valid[i].item()}, guess {guesses[i].item()}", fontsize=11)
for axis in axes.flat:
    axis.set_axis_off()
lesson.save(figure, "6_mistakes")
least = probabilities[surest].max(1).values.min().item()
print(f"{len(wrong)} mistakes in {len(y_valid)}; of the guesses shown the network was at least {least:.3f} sure")

# %% [markdown]
# ## 10. When softmax is the wrong choice
#
# Softmax answers the question: *which one* of the ten is it? Its probabilities add up to 1, whatever the
# image shows. That is right if every image shows exactly one digit. But suppose that there may be none, or
# two. Here are such images: a blank one, a single digit, and two digits in one image, one moved to the
# left, one to the right.

# %%
blank = x_valid.min().item()  # what black became by normalising


def compose(x, y, g):
    """Images with no, one or two of the given digits, and targets (N, 10) with a 1 for each digit shown."""
    count = mg.randint(0, 3, (len(x), 1), generator=g)
    other = mg.randperm(len(x), generator=g)
    images = x.view(-1, 28, 28)
    left, right = images.roll(-4, 2).reshape(-1, 784), images.roll(4, 2).reshape(-1, 784)[other]
    one = mg.where(count == 1, x, mg.maximum(left, right))
    first, second = F.one_hot(y, 10), F.one_hot(y[other], 10)
    targets = (first * (count >= 1) + second * (count == 2)).clamp(max=1).float()
    return mg.where(count == 0, mg.full_like(x, blank), one), targets, count[:, 0]


x_mixed, targets, shown = compose(x_valid, y_valid, mg.Generator().manual_seed(lesson.seed))
print("images with 0, 1, 2 digits:", mg.bincount(shown).tolist())
print("target of an image with two:", targets[shown == 2][0].tolist())

# %%
with mg.no_grad():
    by_softmax = F.softmax(model(x_mixed), dim=1)
for n in range(3):
    rows = by_softmax[shown == n]
    print(f"{n} digits: the probabilities add up to {rows.sum(1).mean().item():.2f}, ", end="")
    print(f"the largest is {rows.max(1).values.mean().item():.2f} on average")
print(f"the blank image is a {by_softmax[shown == 0][0].argmax().item()}, it says")

# %% [markdown]
# The network cannot say "none", and it cannot say "both". It is not that it does not know: a logit could be
# low for all ten digits, or high for two. But softmax looks only at the differences between logits, as
# section 2 showed, and with that "none of them" is lost. And any probability for one digit has to be taken
# from another. Training on such images would not help: ten numbers that add up to 1 cannot all be 0, nor
# can two of them be 1.
#
# The right question here is ten questions, each with yes or no: is there a 0? is there a 1? ... Each logit
# on its own becomes a probability by the **sigmoid**:
#
# $$ \sigma(z) = \frac{1}{1 + e^{-z}} $$
#
# and the loss is the **binary cross-entropy**, minus the logarithm of the probability given to the right
# one of two answers, averaged over all questions:
#
# $$ -\left( t \ln p + (1 - t) \ln (1 - p) \right) $$
#
# Again the logarithm should be taken on paper. With p = σ(z) the term is ln(1 + e^z) - tz, and in a form
# that is safe for large z of either sign:
#
# $$ \max(z, 0) - t z + \ln\left(1 + e^{-|z|}\right) $$


# %%
def binary_cross_entropy(z, t):
    """The mean over all logits z and their targets t, 0 or 1."""
    return (z.clamp(min=0) - t * z + mg.log1p((-z.abs()).exp())).mean()


z, t = mg.tensor([-2.0, 0.5, 200.0]), mg.tensor([0.0, 1.0, 0.0])
p = mg.sigmoid(z)
print("sigmoid:", [round(value, 4) for value in p.tolist()])
print(f"by the formula with p {(-(t * p.log() + (1 - t) * (1 - p).log()).mean()).item():.4f}, ", end="")
print(f"from the logits {binary_cross_entropy(z, t).item():.4f}")
assert mg.allclose(binary_cross_entropy(z, t), F.binary_cross_entropy_with_logits(z, t))

# %% [markdown]
# The same network, trained with this loss on images with none, one or two digits. (A hundred hidden units
# now, as this is harder to see. And the learning rate is ten times as large: the mean is taken over ten
# questions per image, which makes every gradient ten times as small.)

# %%
g = mg.Generator().manual_seed(lesson.seed)
mg.manual_seed(lesson.seed)
several = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
optimiser = optim.SGD(several.parameters(), lr=1.0)
mean_losses = []
for _ in lesson.progress(10, "several digits"):
    x_several, t_several, _ = compose(x_train, y_train, g)  # other images in every epoch
    loader = DataLoader(TensorDataset(x_several, t_several), batch_size, shuffle=True, generator=g)
    losses = []
    for x, t in loader:
        loss = F.binary_cross_entropy_with_logits(several(x), t)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    mean_losses.append(sum(losses) / len(losses))
print("loss of every epoch:", " ".join(f"{value:.3f}" for value in mean_losses))

# %%
with mg.no_grad():
    by_sigmoid = mg.sigmoid(several(x_mixed))
for n in range(3):
    chosen = shown == n
    expected = targets[chosen].sum(1).mean().item()
    all_right = ((by_sigmoid[chosen] > 0.5) == (targets[chosen] > 0.5)).all(1).float().mean().item()
    print(f"{n} digits: the probabilities add up to {by_sigmoid[chosen].sum(1).mean().item():.2f} ", end="")
    print(f"(different digits shown: {expected:.2f}); all ten answers right {all_right:.3f}")

# %% [markdown]
# One image of each kind, and both networks' answers. (It is the one of the first twenty of its kind that
# the new network does best with.)

# %%
errors = (by_sigmoid - targets).abs().sum(1)
figure, axes = plt.subplots(3, 3, figsize=(10, 6.4), width_ratios=[0.8, 1.4, 1.4])
for (left, middle, right), n in zip(axes, range(3), strict=True):
    some = (shown == n).nonzero()[:20, 0]
    i = some[errors[some].argmin()].item()
    left.imshow(x_mixed[i].view(28, 28).tolist(), cmap="gray", vmin=blank, vmax=3)
    left.set_axis_off()
    for axis, values, colour in ((middle, by_softmax, BLUE), (right, by_sigmoid, GREEN)):
        axis.bar(range(10), values[i].tolist(), color=colour)
        axis.set(ylim=(0, 1.05), xticks=range(10))
axes[0, 1].set_title("softmax: which one?")
axes[0, 2].set_title("sigmoid: which of them?")
for axis in axes[2, 1:]:
    axis.set_xlabel("digit")
axes[1, 1].set_ylabel("probability")
lesson.save(figure, "7_none_one_two", cover=True)
assert by_sigmoid[shown == 0].sum(1).mean().item() < by_softmax[shown == 0].sum(1).mean().item()

# %% [markdown]
# The sum of the ten probabilities now follows the number of digits: about 0 for the blank image, 1 for one
# digit, 2 for two. (That two digits written over each other are often misread is another matter.) Choose by
# the question: *exactly one of several* is softmax and cross-entropy; *any number of several* is sigmoid
# and binary cross-entropy.
#
# ## What to keep
#
# - **Never loop over numbers** in Python: broadcast, or better find the matrix product in it. And look at
#   the shapes, for broadcasting raises no error when it does something else than you meant.
# - **Take logarithms on paper**: log-sum-exp with the largest taken out, losses from logits.
# - **The gradient of cross-entropy at the logits is p - one-hot**, and through a linear layer only one
#   product fits.
# - **Module, optimiser, data loader** are boxes around a few lines each, so that model, rule and data can
#   be changed one at a time.
# - **Judge by validation**, weight batches by their size, and stop believing the training loss.
#
# ## Exercises
#
# 1. *Sorted data.* Train for one epoch on images that are sorted by label, without shuffling, and record
#    the validation accuracy every 50 steps. What happens, and why? Then shuffle.
# 2. *Momentum.* Write an optimiser that keeps for each parameter a velocity v, with v = 0.9 v + gradient,
#    and moves the parameter by -lr v. Compare it with `optim.SGD(..., momentum=0.9)`, and with plain SGD.
#    With which learning rate?
# 3. *A batch in four parts.* A batch of 256 images does not fit in memory, but four of 64 do. Use the fact
#    that gradients are added up to make exactly the step of the 256. By what must the losses be divided,
#    and what if the last part is smaller?
#
# Answers run in `answers/03_training_loop.py`.

# %%
print(f"matrix product: BLAS {speeds['BLAS'] / speeds['three loops']:.0f} times as fast as three loops")
print(f"first loss {before[0]:.4f}, ln 10 = {math.log(10):.4f}; after one epoch by slices {after[0]:.4f}")
print(f"after {len(history)} epochs: validation loss {history[-1][2]:.4f}, accuracy {final_accuracy:.4f}")
print(f"several digits, binary cross-entropy: {mean_losses[0]:.4f} -> {mean_losses[-1]:.4f}")
lesson.summary()
