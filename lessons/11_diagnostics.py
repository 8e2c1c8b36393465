# %% [markdown]
# # Diagnostics: reading a deep network like a patient's chart
#
# Lesson 10 repaired a network with one hidden layer. Its faults were few, and one look at the hidden
# layer found them. Now the network gets five hidden layers. A fault in one of them changes what all
# others receive, forward and back, and the loss tells as little as before.
#
# So we need a routine: a few numbers and four pictures that are looked at every time, as a doctor first
# takes temperature and pulse. In this lesson we build that routine, learn on a healthy network what it
# should show, and then change the network in fourteen ways, most of which make it ill, to see the symptoms.
#
# Words from lesson 10 that are used throughout: an **activation** is what comes out of a layer's
# nonlinear function; a tanh activation near 1 or -1 is **saturated** and passes no gradient; **fan-in**
# is how many inputs a unit adds up; the **gain** is the factor by which weights are made larger than
# 1/√fan-in.

# %%
import math
import textwrap
from collections import namedtuple
from statistics import median

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, diagnostics, nn, optim

lesson = Lesson("11_diagnostics")
FULL = 1_001
steps = lesson.steps(full=FULL, quick=101)
print(f"fifteen networks, {steps} training steps each, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. One layer, forward and back
#
# Before a stack of layers, a single product: `c = b @ a`, where b is a table of 1000 x 1000 weights and a
# holds 1000 inputs, all from the normal distribution with standard deviation 1. Lesson 10 found what
# happens forward. Each number in c is a sum of n products of variance 1, so
#
#     std(c) = √n std(b) std(a) = √1000 = 31.6
#
# What happens on the way back? Let the loss be a sum of all c with random factors of standard deviation
# 1; these factors are the gradient that arrives at c. From there it goes to a and to b. Moving `a[k]`
# moves every c, the i-th by `b[i, k]`, so its gradient is a sum over a whole column of b, again of n
# terms. But `b[i, k]` enters only one product, so its gradient is a single term:
#
#     a.grad = b.T @ c.grad       std √n std(b) std(c.grad) = 31.6
#     b.grad = c.grad @ a.T       std std(c.grad) std(a) = 1

# %%
n = 1000
g = mg.Generator().manual_seed(lesson.seed)
a = mg.randn((n, 1), requires_grad=True, generator=g)
b = mg.randn((n, n), requires_grad=True, generator=g)
c = b @ a
c.retain_grad()  # or the engine forgets the gradient of what is not a parameter
(mg.randn(n, generator=g) @ c).backward()
stds = [t.std().item() for t in (a, b, c, c.grad, a.grad, b.grad)]
published = [0.9875972, 1.0006722, 31.0124168, 0.9782556, 30.8818302, 0.9666602]
lesson.compare("stats.linear", "std of a, b, c, c.grad, a.grad, b.grad", published, stds, "%.7f", 2e-5)

# %% [markdown]
# So the backward pass through a layer is a product with the same weights. If they make the signal 31
# times wider going forward, they make the gradient 31 times wider going back (for a square table;
# otherwise fan-in and fan-out differ). The same repair serves both: divide the weights by √n.
#
# That was a layer on its own. Now put batch norm behind it and see what the scale of the weights still
# does.


# %%
def linear_and_batch_norm(scale, normalise):
    """Standard deviations of a, b, c and their gradients when the weights b are scaled; and of the output."""
    g = mg.Generator().manual_seed(lesson.seed)
    a = mg.randn((n, 1), requires_grad=True, generator=g)
    b = (mg.randn((n, n), generator=g) * scale).requires_grad_()
    c = b @ a
    c.retain_grad()
    out = (c - c.mean()) / (c.var() + 1e-5) ** 0.5 if normalise else c
    (mg.randn(n, generator=g) @ out).backward()
    return [t.std().item() for t in (a, b, c, out, c.grad, a.grad, b.grad)]


print(f"{'':<26}" + "".join(f"{name:>10}" for name in ("a", "b", "c", "out", "c.grad", "a.grad", "b.grad")))
for normalise in (False, True):
    for scale in (0.01, 1 / n**0.5, 1.0, 10.0):
        row = "".join(f"{std:10.4f}" for std in linear_and_batch_norm(scale, normalise))
        print(f"{'with' if normalise else 'without':>7} norm, b * {scale:<7.4f}{row}")

# %% [markdown]
# Without batch norm a factor of 1000 in the weights is a factor of 1000 in the output and in the gradient
# of a. With it the output is always 1 wide, and so the gradient of a: batch norm divides by the width of
# c, on the way forward and on the way back. The scale that went in comes out of neither end.
#
# It is not gone, though. Look at the last column: the gradient of the *weights* is now inversely
# proportional to their scale. Large weights get small gradients, so they learn slowly. Keep this in mind;
# it comes up again below.

# %%
norms = {normalise: [linear_and_batch_norm(10**k, normalise) for k in (-2, -1, 0, 1)] for normalise in (False, True)}
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharex=True, sharey=True)
for axis, (normalise, rows) in zip(axes, norms.items(), strict=True):
    for column, name, colour, width in ((3, "output", SKY, 9), (5, "gradient of a", BLUE, 3),
                                        (6, "gradient of the weights", VERMILLION, 3)):  # fmt: skip
        values = [row[column] for row in rows]
        axis.plot([0.01, 0.1, 1, 10], values, color=colour, marker="o", linewidth=width, label=name)
    axis.set(title="Linear and batch norm" if normalise else "Linear alone", xscale="log", yscale="log")
    axis.set(xlabel="std of the weights")
axes[0].set_ylabel("standard deviation")
axes[0].legend(loc="upper left")
lesson.save(figure, "1_linear_and_batch_norm")
assert abs(norms[True][0][5] / norms[True][3][5] - 1) < 0.05

# %% [markdown]
# ## 2. A network made of layers
#
# The data are those of lesson 10: three letters of a name, and the letter that comes next.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
train_words, dev_words, _ = datasets.split(words, seed=42)
Xtr, Ytr = datasets.contexts(train_words, vocabulary, block_size=3)
Xdev, Ydev = datasets.contexts(dev_words, vocabulary, block_size=3)
print(f"{len(Xtr)} examples to train on, {len(Xdev)} to compare with, {len(vocabulary)} symbols")

# %% [markdown]
# Six layers written out by hand would be long, so we make building blocks, with the names that PyTorch
# and minigrad's own `nn` use. Each is an `nn.Module` as in lesson 3: it keeps its parameters and says
# what it does to a batch. We write our own because two things shall be as in the published figures: the
# weights are drawn from our generator, and kept as (inputs, outputs). They are divided by √fan-in from
# the start.


# %%
class Linear(nn.Module):
    """x @ weight + bias; the weight drawn from the normal distribution and divided by the root of the fan-in."""

    def __init__(self, fan_in, fan_out, generator, bias=True, scaled=True):
        super().__init__()
        weight = mg.randn((fan_in, fan_out), generator=generator)
        self.weight = nn.Parameter(weight / fan_in**0.5 if scaled else weight)
        self.bias = nn.Parameter(mg.zeros(fan_out)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Tanh(nn.Module):
    """tanh, one number at a time."""

    def forward(self, x):
        return mg.tanh(x)


print("parameters of Linear(30, 100):", [tuple(p.shape) for p in Linear(30, 100, mg.Generator()).parameters()])

# %% [markdown]
# Batch norm behaves in two ways, as lesson 10 showed. In training it normalises by the batch and moves
# the running statistics along; in use it normalises by the running statistics. `model.train()` and
# `model.eval()` switch every module's `training` from one to the other. The running statistics are not
# parameters, for no gradient trains them. They are **buffers**: kept with the module, and saved with it.
# Its gain and bias are called **gamma** and **beta** here, as in the paper, so that "gain" is left for
# the scale of the weights.


# %%
class BatchNorm1d(nn.Module):
    """Normalises each unit by its mean and variance over the batch, then multiplies by gamma and adds beta."""

    def __init__(self, size, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = nn.Parameter(mg.ones(size)), nn.Parameter(mg.zeros(size))
        self.register_buffer("mean", mg.zeros(1, size))
        self.register_buffer("variance", mg.ones(1, size))

    def forward(self, x):
        mean, variance = self.mean, self.variance
        if self.training:
            variance, mean = mg.var_mean(x, 0, keepdim=True)
            self.mean = self.mean.lerp(mean.detach(), self.momentum)
            self.variance = self.variance.lerp(variance.detach(), self.momentum)
        return self.gamma * ((x - mean) / mg.sqrt(variance + self.eps)) + self.beta


out = BatchNorm1d(5)(mg.randn((32, 5), generator=mg.Generator().manual_seed(1)) * 7 + 3)
print("std of each unit:", " ".join(f"{std:.3f}" for std in out.std(0).tolist()))


# %%
class Network(nn.Module):
    """An embedding of ten numbers a letter, side by side, and then one layer after the other."""

    def __init__(self, C, layers):
        super().__init__()
        self.C = nn.Parameter(C)
        self.layers = nn.Sequential(*layers)

    def forward(self, X):
        return self.layers(self.C[X].view(X.shape[0], -1))


print(Network(mg.zeros(27, 10), [Linear(30, 100, mg.Generator()), Tanh()]))

# %% [markdown]
# All fifteen networks of this lesson come from one function. Its arguments are what we shall turn the
# wrong way. The last layer is made quiet, a tenth of its width, because of the first loss (lesson 10);
# with batch norm that is done to the last gamma, since batch norm would undo it in the weights. All other
# weights are multiplied by the gain.


# %%
def network(gain=5 / 3, tanh=True, batch_norm=False, bias=True, scaled=True):
    """The six-layer network and the generator that drew it."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((len(vocabulary), 10), generator=g)
    sizes, layers = [30, 100, 100, 100, 100, 100, len(vocabulary)], []
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        layers.append(Linear(fan_in, fan_out, g, bias, scaled))
        layers += [BatchNorm1d(fan_out)] if batch_norm else []
        layers += [Tanh()] if tanh else []
    layers = layers[:-1] if tanh else layers  # no tanh after the logits
    last = layers[-1].gamma if batch_norm else layers[-1].weight
    with mg.no_grad():
        last *= 0.1
        for layer in layers[:-1]:
            if isinstance(layer, Linear):
                layer.weight *= gain
    return Network(C, layers), g


lesson.compare("deep.tanh.params", "parameters", 46497, sum(p.nelement() for p in network()[0].parameters()), "%d")

# %% [markdown]
# ## 3. The routine, on a healthy network
#
# One training step of the network with the gain that lesson 10 recommends, 5/3. We send a minibatch
# through the layers one by one and keep what each puts out, together with its gradient.

# %%
model, g = network(gain=5 / 3)
ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
x, outputs = model.C[Xtr[ix]].view(32, -1), []
for layer in model.layers:
    x = layer(x)
    x.retain_grad()
    outputs.append(x)
loss = F.cross_entropy(x, Ytr[ix])
loss.backward()
print(f"loss {loss.item():.4f}; knowing nothing costs {math.log(len(vocabulary)):.4f}")

# %% [markdown]
# **First reading: the activations.** For every tanh layer the mean, the standard deviation, and how many
# per cent are saturated. The limit is 0.97 this time: there 1 - y², the share of the gradient that
# passes, is down to 6 %. What we want to see is that *all layers look alike*: neither fading to zero from
# layer to layer, nor more and more saturated.


# %%
def print_activations(rows):
    """Prints the activation table; a row has the layer's number and kind, mean, std and saturated percentage."""
    for index, kind, mean, std, saturated in rows:
        print(f"layer {index} ({kind:>10}): mean {mean:+.2f}, std {std:.2f}, saturated: {saturated:.2f}%")


def by_hand(values):
    """Mean, standard deviation and saturated percentage of a tensor."""
    return values.mean().item(), values.std().item(), 100 * (values.abs() > 0.97).sum().item() / values.nelement()


tanh_layers = [i for i, layer in enumerate(model.layers) if isinstance(layer, Tanh)]
activations = [(i, "Tanh", *by_hand(outputs[i])) for i in tanh_layers]
print_activations(activations)

# %% [markdown]
# The same table has been published for this network.

# %%
ACTIVATIONS = "mean, std, per cent saturated of each layer"


def compare_activations(name, published, rows, complete=True):
    """Prints a published activation table above ours; zeros are shown without a sign."""
    here = [[round(value, 2) + 0.0 for value in row[2:]] for row in rows]
    lesson.compare(name, ACTIVATIONS, published, here, "%.2f", complete=complete)


published = [[-0.02, 0.75, 20.25], [0.0, 0.69, 8.38], [0.0, 0.67, 6.62], [-0.01, 0.66, 5.47], [-0.02, 0.66, 6.12]]
compare_activations("deep.tanh.gain5/3.act", published, activations)

# %% [markdown]
# The first layer is a little wider than the others, because its inputs (the embedding) are; then the
# width settles at 0.66 and about six per cent are saturated. That is what healthy looks like.
#
# **Second reading: the gradients.** The same for the gradient of the loss with respect to each layer's
# output. Here too all layers should look alike: a gradient that shrinks on its way back leaves the first
# layers untaught, one that grows throws them about. Read the table from below: that is the direction in
# which the gradient travels.


# %%
def print_gradients(rows):
    """Prints the gradient table; a row has the layer's number and kind, mean and std."""
    for index, kind, mean, std in rows:
        print(f"layer {index} ({kind:>10}): mean {mean:+f}, std {std:e}")


gradients = [(i, "Tanh", *by_hand(outputs[i].grad)[:2]) for i in tanh_layers]
print_gradients(gradients)
published = [0.0004205588, 0.0003991179, 0.000374302, 0.0003290473, 0.0003054035]
here = [std for *_, std in gradients]
lesson.compare("deep.tanh.gain5/3.grad", "std of each layer's gradient", published, here, "%.10f", 2e-9)

# %% [markdown]
# From the last layer to the first the gradient grows by 38 %. Fine, for five layers; for fifty, a factor
# of 1.08 a layer would make 50 of it.
#
# **Third reading: the gradients of the weights.** What matters about these is not their size but their
# size compared with the weights that they are to change, the **grad:data ratio**:
#
#     grad:data = std(p.grad) / std(p)
#
# Times the learning rate, it tells by which part of itself a parameter moves in one step of plain
# gradient descent. We print it for every table of weights (the embedding C comes first); biases, gammas
# and betas are few and start at 0 or 1, so the ratio says little about them.


# %%
def weight_rows(model):
    """Shape, mean and std of the gradient, and grad:data ratio, of each table of weights."""
    tables = [p for p in model.parameters() if p.ndim == 2]
    return [(tuple(p.shape), p.grad.mean().item(), p.grad.std().item(), (p.grad.std() / p.std()).item()) for p in tables]


def print_weights(rows):
    """Prints the table of weights and their gradients."""
    for shape, mean, std, ratio in rows:
        print(f"weight {shape!s:>11} | mean {mean:+f} | std {std:e} | grad:data ratio {ratio:e}")


before_the_step = weight_rows(model)
print_weights(before_the_step)

# %% [markdown]
# Now take the step, at learning rate 0.1, and divide again: the gradients are the same, the weights have
# moved. The published ratios are these. For six of the tables it makes no difference; for the last it
# does.

# %%
with mg.no_grad():
    for p in model.parameters():
        p -= 0.1 * p.grad
weights = weight_rows(model)
published = [0.00136409, 0.00387166, 0.006601988, 0.005893091, 0.005158124, 0.004415211, 2.328203]
here = [ratio for *_, ratio in weights]
lesson.compare("deep.tanh.gain5/3.weightgrad", "grad:data ratio after the step", published, here, "%.8f", 2e-6)
print(f"the last table before the step: {before_the_step[-1][-1]:.6f}")

# %% [markdown]
# The last table sticks out: its ratio is 500 times that of the others, because we made it a tenth as wide
# as it should be. In the first step the learning rate times 2.3 changes it by a quarter of itself. That
# passes when it has grown, after a few hundred steps, as we shall see.
#
# **Fourth reading: the updates.** The ratio above leaves out the learning rate (and an optimiser such as
# Adam makes something quite different of the gradient). So measure the change itself, in every step, as a
# power of ten:
#
#     update:data = log10(std(change of p) / std(p))
#
# A good value is about -3: each step changes a parameter by a thousandth of itself. Much less, and
# training takes for ever; much more, and it is not learning but stumbling. Here it is for the step we
# have just taken.

# %%
fresh, _ = network(gain=5 / 3)
for (name, old), new in zip(fresh.named_parameters(), model.parameters(), strict=True):
    if old.ndim == 2:
        ratio = ((new - old).std() / old.std()).log10().item()
        print(f"{name:<18} update:data {ratio:.2f}")
        assert abs(ratio - diagnostics.update_data_ratio(new - old, old)) < 1e-3

# %% [markdown]
# ### The library does it
#
# These readings are what `diagnostics.watch` takes. In a `with` block around the usual loop it hangs a
# hook on every layer, which looks at what comes out and at the gradient that comes back, and at each step
# of the optimizer it compares parameters before and after. At the end of the block the hooks are gone and
# the record stays. Does it find the same?

# %%
model, g = network(gain=5 / 3)
optimizer = optim.SGD(model.parameters(), lr=0.1)
with diagnostics.watch(model, optimizer, classes=len(vocabulary)) as record:
    ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
    loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    record.step(loss)
print(record)

# %%
for index, _, _, std, saturated in activations:
    layer = record.layers[f"layers.{index}"]
    assert math.isclose(layer.std[0], std, rel_tol=1e-5)
    assert math.isclose(100 * layer.saturated[0], saturated, rel_tol=1e-5)
for index, _, _, std in gradients:
    assert math.isclose(record.layers[f"layers.{index}"].gradient_std[0], std, rel_tol=1e-5)
tables = [p for p in record.parameters.values() if len(p.shape) == 2]
for p, (shape, _, _, ratio) in zip(tables, before_the_step, strict=True):
    assert p.shape == shape and math.isclose(p.grad_data[0], ratio, rel_tol=1e-5)
print("the library's readings are those taken by hand")

# %% [markdown]
# ### Four pictures and a verdict
#
# Numbers are exact, pictures are quick: one look tells whether the layers agree. So we train a network
# for a thousand steps with two records. One sees only the first step; of this we print the tables and
# draw three distributions: activations, their gradients, and the gradients of the weights. The other sees
# every twentieth step, and from it come the update:data ratios over time, with a line at -3.

# %%
Study = namedtuple("Study", "losses first record weights kind g")


def train(model, g, lr, label, kind="Tanh"):
    """Trains while both records watch; keeps all losses and the table of weights after the first step too."""
    optimizer, losses, weights = optim.SGD(model.parameters(), lr=lr), [], None
    watching = {"classes": len(vocabulary), "samples": 4000}
    with (diagnostics.watch(model, optimizer, every=steps, **watching) as first,
          diagnostics.watch(model, optimizer, every=20, **watching) as record):  # fmt: skip
        for _ in lesson.progress(steps, label):
            ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
            loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            first.step(loss)
            record.step(loss)
            weights = weights or weight_rows(model)
    return Study(losses, first, record, weights, kind, g)


# %%
def layers_of(record, kind):
    """Number and LayerRecord of all layers of one kind, but for the network's very last layer."""
    layers = [(int(name.split(".")[1]), layer) for name, layer in record.layers.items()]
    return [(index, layer) for index, layer in layers[:-1] if layer.kind == kind]


def activation_rows(record, kind):
    """The activation table of a record's last step."""
    return [(index, kind, layer.mean[-1], layer.std[-1], round(100 * diagnostics.saturated(layer.activation), 6))
            for index, layer in layers_of(record, kind)]  # fmt: skip


def gradient_rows(record, kind):
    """The gradient table of a record's last step."""
    return [(i, kind, layer.gradient_mean[-1], layer.gradient_std[-1]) for i, layer in layers_of(record, kind)]


run = train(*network(gain=5 / 3), lr=0.1, label="a first run")
print(f"steps recorded: {run.first.steps}, and {run.record.steps[:3]} ... {run.record.steps[-1]}")
assert activation_rows(run.first, "Tanh")[0][-1] == activations[0][-1]

# %% [markdown]
# At the end we ask `diagnostics.health`. It compares a record with a list of limits (for example: no
# layer more than 30 % saturated, no standard deviation changing more than tenfold from one end of the
# network to the other) and says in words what lies beyond them, where, and what to try. That is no
# oracle. It is the routine of this lesson, written down.


# %%
def draw(name, title, run):
    """The four pictures in one figure, under the headlines of the verdict; returns the verdict."""
    report = diagnostics.health(run.record)
    names = [f"layers.{index}" for index, _ in layers_of(run.first, run.kind)]
    figure, axes = plt.subplots(2, 2, figsize=(14, 7))
    diagnostics.plot_activations(run.first, layers=names, ax=axes[0, 0])
    diagnostics.plot_gradients(run.first, layers=names, ax=axes[0, 1])
    diagnostics.plot_weight_gradients(run.first, ax=axes[1, 0])
    diagnostics.plot_updates(run.record, ax=axes[1, 1])
    found = ", ".join(finding.what for finding in report.findings) or "nothing wrong found"
    figure.suptitle(textwrap.fill(f"{title}: {found}", 90), fontweight="bold")
    lesson.save(figure, name, cover=name.startswith("2_"))
    return report


print(diagnostics.health(run.record))

# %% [markdown]
# From here on all of it is one call. It takes the network's arguments, prints the three tables and the
# verdict, and draws the picture.

# %%
log = {}


def study(name, title, lr=0.1, **options):
    """Trains such a network, prints its tables at step 0, draws it, and prints the verdict."""
    kind = "Tanh" if options.get("tanh", True) else "Linear"
    log[title] = run = train(*network(**options), lr, title, kind)
    end = run.losses[-100:]
    print(f"{title}: first loss {run.losses[0]:.4f}, mean of the last {len(end)} {sum(end) / len(end):.4f}")
    print_activations(activation_rows(run.first, kind))
    print_gradients(gradient_rows(run.first, kind))
    print_weights(run.weights)
    print(draw(name, title, run))


study("2_tanh_gain_5_3", "tanh, gain 5/3", gain=5 / 3)

# %% [markdown]
# How to read the picture. The colours go with depth, dark at the input. *Top left*: the five curves lie
# on each other, with some saturation at the edges, most of it in the first. *Top right*: so do the
# gradients. *Bottom left*: the gradients of all tables of weights but one share the needle in the middle;
# the wide one is the last layer's. *Bottom right*: the updates of the hidden layers start at -3 and
# settle at -2.5, a little lively; those of the last layer start at -0.6, and even after a thousand steps
# they are ten times those of the others. That is the one thing to keep an eye on. Whether the verdict
# speaks of it depends on where its limits are drawn.

# %% [markdown]
# ## 4. Other gains
#
# **Gain 1.** That keeps the width of a *linear* layer. But tanh squeezes: whatever goes in, what comes
# out is narrower. So without a push the signal fades from layer to layer.

# %%
study("3_tanh_gain_1", "tanh, gain 1", gain=1)
published = [[-0.02, 0.62, 3.5], [0.0, 0.48, 0.03], [0.0, 0.41, 0.06], [0.0, 0.35, 0.0], [-0.02, 0.32, 0.0]]
compare_activations("deep.tanh.gain1.act", published, activation_rows(log["tanh, gain 1"].first, "Tanh"))

# %% [markdown]
# Top left, the curves stand apart, the brighter the narrower, and hardly anything is saturated. Read the
# gradients from below: they fade too, from 0.00031 to 0.00018. Over five layers that does little harm,
# and the verdict, whose limit is a factor of ten, is silent about it. After a hundred layers nothing
# would be left.
#
# One thing is the same as before: the gradient of layer 9. It comes through the last layer alone, and the
# gain does not touch that.
#
# **Gain 3.** Now the layers shout.

# %%
study("4_tanh_gain_3", "tanh, gain 3", gain=3)
rows = activation_rows(log["tanh, gain 3"].first, "Tanh")
assert all(saturated > 30 for *_, saturated in rows)

# %% [markdown]
# The width is the same in all layers, 0.84, so the std alone would find nothing wrong. The picture does:
# everything sits at the edges, and more than four in ten are saturated. A saturated unit passes no
# gradient. And yet the gradient does not fade on its way back, it *grows*, threefold. Most paths are
# blocked, but through the open ones it goes by way of weights that are too large.
#
# **Gain 0.5.** The other side.

# %%
study("5_tanh_gain_0_5", "tanh, gain 0.5", gain=0.5)
rows = activation_rows(log["tanh, gain 0.5"].first, "Tanh")
assert all(0.4 < below[3] / above[3] < 0.6 for above, below in zip(rows, rows[1:], strict=False))

# %% [markdown]
# Each layer halves the signal going forward, and each halves the gradient going back: such small numbers
# meet only the straight middle part of tanh, where it does nothing at all, so the gain is what counts.
# Nothing is saturated, which shows that little saturation is not health either.
#
# Between 1 and 3 lies a gain that is right, and the usual 5/3 is not far from it. It works because tanh
# pulls back: too wide a signal is squeezed more, too narrow a one less. So there is a width at which push
# and pull balance.
#
# ## 5. No tanh at all
#
# What if we leave the tanh out? Then nothing pulls back. A layer multiplies the width by its gain,
# forward by lesson 10's rule and backward by section 1's:
#
#     std of layer k, forward = gain^k,        backward = gain^(5 - k) times that of the last
#
# "Saturated" has no meaning here, since nothing bends, but we print the column all the same: it says how
# many numbers lie beyond 0.97.

# %%
study("6_linear_gain_5_3", "linear, gain 5/3", gain=5 / 3, tanh=False)

# %%
rows = activation_rows(log["linear, gain 5/3"].first, "Linear")
back = gradient_rows(log["linear, gain 5/3"].first, "Linear")
for k, (row, grad) in enumerate(zip(rows, back, strict=True), start=1):
    forward, backward = (5 / 3) ** k, back[-1][3] * (5 / 3) ** (5 - k)
    print(f"layer {k}: std {row[3]:6.2f}, expected {forward:6.2f}; gradient {grad[3]:.2e}, expected {backward:.2e}")
    assert abs(row[3] / forward - 1) < 0.2 and abs(grad[3] / backward - 1) < 0.2
losses = log["linear, gain 5/3"].losses
print("first losses:", " ".join(f"{loss:.4g}" for loss in losses[:8]))

# %% [markdown]
# The formula is right, and the training is a wreck: after a few steps the numbers overflow to infinity,
# and from then on everything is `nan`, "not a number" (the crosses at the bottom right). A tanh would
# have held the numbers between -1 and 1. Without it, larger outputs make larger gradients, which make
# larger weights.

# %%
study("7_linear_gain_0_5", "linear, gain 0.5", gain=0.5, tanh=False)

# %%
study("8_linear_gain_1", "linear, gain 1", gain=1, tanh=False)
published = [[-0.02, 0.99, 32.16], [-0.01, 0.98, 31.12], [0.0, 1.01, 31.16], [0.01, 0.97, 31.66],
             [-0.06, 0.99, 32.47]]  # fmt: skip
compare_activations("deep.linear.gain1.act", published, activation_rows(log["linear, gain 1"].first, "Linear"))

# %% [markdown]
# With gain 1 the linear stack is perfect: the same width everywhere, forward and back, to the second
# digit. Why then not use it? Because six linear layers are one. A product of products is a product, so
# whatever six tables do, a single one does as well. Depth buys something only if something bends in
# between.

# %%
model = log["linear, gain 1"].record.model
with mg.no_grad():
    weight, bias = mg.eye(30), mg.zeros(30)
    for layer in model.layers:
        weight, bias = weight @ layer.weight, bias @ layer.weight + layer.bias
    x = model.C[Xdev[:100]].view(100, 30)
    difference = (model.layers(x) - (x @ weight + bias)).abs().max().item()
print(f"six layers or one table of {tuple(weight.shape)}: largest difference in the logits {difference:.1e}")
assert difference < 1e-3

# %% [markdown]
# ## 6. Two more patients
#
# **Learning rate 0.001.** The network of section 3, healthy, but learning a hundred times too slowly. Its
# activations and gradients at step 0 are those of section 3, since the learning rate has played no part
# yet. Only the fourth reading can tell.

# %%
study("9_learning_rate_0_001", "tanh, learning rate 0.001", lr=0.001)
assert log["tanh, learning rate 0.001"].losses[0] == log["tanh, gain 5/3"].losses[0]

# %% [markdown]
# The updates of the hidden layers are at -5: each step moves the weights by a hundred-thousandth. In a
# thousand steps the loss has fallen from 3.30 to 3.09, where 0.1 brought it to 2.36. This is the way to
# *choose* a learning rate: bring these lines to -3.
#
# **Weights without fan-in.** Somebody forgot to divide by √fan-in, and all weights are N(0, 1), as in
# lesson 10's first network. For a layer with 100 inputs that amounts to a gain of 10.

# %%
study("10_no_fan_in", "tanh, no fan-in", gain=1, scaled=False)
rows = gradient_rows(log["tanh, no fan-in"].first, "Tanh")
print(f"from the last layer to the first the gradient grows {rows[0][3] / rows[-1][3]:.0f}-fold")

# %% [markdown]
# Five units in six are saturated and the gradient explodes on its way back. Bottom right, the lines no
# longer run together: the first layer moves thirty times as much as the last hidden one. No single
# learning rate is right for both. And the loss? It starts at a harmless 3.55 and falls. From the loss
# alone nobody would suspect a thing.
#
# ## 7. Batch normalisation
#
# Now a batch norm between every Linear and its tanh, and one after the last Linear.

# %%
study("11_batch_norm_gain_5_3", "batch norm, gain 5/3", batch_norm=True, gain=5 / 3)
run = log["batch norm, gain 5/3"]
count = sum(p.nelement() for p in run.record.model.parameters())
lesson.compare("deep.bn.params", "parameters with batch norm", 47551, count, "%d")
lesson.compare("deep.bn.gain5/3.step0", "loss at step 0", 3.287, run.losses[0], "%.4f")

# %% [markdown]
# The layers are alike to the second digit, two or three per cent are saturated, updates run together near
# -2.5 to -3, and the last layer, made quiet by its gamma instead of its weights, no longer sticks out.
# And so it stays, for batch norm acts in every step. Here is the table of the last step, which has been
# published for step 1000.

# %%
rows = activation_rows(run.record, "Tanh")
print(f"step {run.record.steps[-1]}:")
print_activations(rows)
published = [[0.0, 0.63, 2.62], [0.0, 0.64, 2.47], [0.0, 0.64, 2.16], [0.0, 0.65, 1.81], [0.0, 0.65, 1.78]]
compare_activations("deep.bn.gain5/3.act", published, rows, complete=len(run.losses) == FULL)

# %% [markdown]
# Compare that with the network without batch norm after its thousand steps: there the hidden layers are
# more saturated than they were at step 0.

# %%
print(f"without batch norm, step {log['tanh, gain 5/3'].record.steps[-1]}:")
print_activations(activation_rows(log["tanh, gain 5/3"].record, "Tanh"))

# %% [markdown]
# **The wrong gain, with batch norm: 0.2, then 5.** The gain multiplies what batch norm divides by again,
# so activations and gradients should not care.

# %%
study("12_batch_norm_gain_0_2", "batch norm, gain 0.2", batch_norm=True, gain=0.2)

# %%
study("13_batch_norm_gain_5", "batch norm, gain 5", batch_norm=True, gain=5)

# %% [markdown]
# They do not: both tables are those of gain 5/3. But look at the weights. Section 1 showed that with
# batch norm the gradient of the weights goes as 1/scale. The ratio to the weights themselves then goes as
# 1/scale², and so do the updates. That is the price, and only the fourth reading shows it.

# %%
for gain, title in ((0.2, "batch norm, gain 0.2"), (5 / 3, "batch norm, gain 5/3"), (5, "batch norm, gain 5")):
    ratios = [ratio for *_, ratio in log[title].weights[1:6]]
    print(f"{title:<22} grad:data of the hidden layers {ratios[0]:.6f} to {ratios[-1]:.6f}, ", end="")
    print(f"times gain² {ratios[0] * gain**2:.5f} to {ratios[-1] * gain**2:.5f}")

# %% [markdown]
# **Without fan-in, with batch norm.** The same again, with a factor of 10 in the hidden layers.

# %%
study("14_batch_norm_no_fan_in", "batch norm, no fan-in", batch_norm=True, gain=1, scaled=False)

# %% [markdown]
# Where the plain network had everything wrong, this one has healthy activations and healthy gradients.
# Only its updates are too small, a learning rate ten times as high would put that right. Batch norm does
# not make the scale of the weights unimportant. It turns a wrong scale, which can stop a network
# altogether, into a wrong learning rate, which is easily mended.
#
# **Learning rate 1.** Ten times what we used so far.

# %%
study("15_batch_norm_learning_rate_1", "batch norm, learning rate 1", lr=1.0, batch_norm=True)

# %% [markdown]
# It survives, and after a thousand steps its loss is lower than with 0.1. The updates start 1 higher on
# the scale of the last picture, as ten times the learning rate must make them. But while those of the
# slower network rise during training, these stay where they are. Something brakes, and section 1 names
# one brake: large steps make the weights larger, and larger weights get smaller gradients. Here is how
# the width of the hidden weights has changed, and where the updates began and ended.

# %%
for title in ("batch norm, gain 5/3", "batch norm, learning rate 1"):
    tables = [p for p in log[title].record.parameters.values() if len(p.shape) == 2][1:6]
    grown = " ".join(f"{p.std[-1] / p.std[0]:.2f}" for p in tables)
    began, ended = (median(p.update_data[step] for p in tables) for step in (0, -1))
    print(f"{title:<28} width grows by factors of {grown}; update:data from {began:.2f} to {ended:.2f}")

# %% [markdown]
# **Without biases.** A bias before batch norm is useless (lesson 10), so leave all of them out. The
# random numbers are the same, since biases start at zero.

# %%
study("16_batch_norm_no_biases", "batch norm, no biases", batch_norm=True, bias=False)
model, g = log["batch norm, no biases"].record.model, log["batch norm, no biases"].g
count = sum(p.nelement() for p in model.parameters())
lesson.compare("deep.bn.nobias.params", "parameters without biases", 47024, count, "%d")
pairs = zip(log["batch norm, no biases"].losses, run.losses, strict=True)
print(f"largest difference from the losses with biases: {max(abs(a - b) for a, b in pairs):.1e}")

# %% [markdown]
# `health` looks for useless biases, too, but only among layers that it knows: ours could do anything. Of
# minigrad's own it says:

# %%
known = nn.Sequential(nn.Linear(30, 100), nn.BatchNorm1d(100), nn.Tanh(), nn.Linear(100, 27))
report = diagnostics.health(known)
print(report)
assert any(finding.what == "useless bias" for finding in report.findings)

# %% [markdown]
# ## 8. Batch norm, slowly
#
# What batch norm does to a batch, on five points. `diagnostics.animate` makes the picture: with a window
# it has sliders for the step, for gamma and beta, and for the last point; pull that one far out and watch
# how the others crowd together, since it alone makes the standard deviation. (Run the lesson with
# `--show` for that.) Without a window it is a strip of stills.

# %%
points = [-1.0, 0.5, 2.0, 3.5, 7.0]
lesson.save(diagnostics.animate(points, gamma=1.5, beta=-1.0), "17_batch_norm_on_five_points")
x = mg.tensor(points)
normalised = (x - x.mean()) / (x.var(unbiased=False) + 1e-5) ** 0.5
print("normalised:", " ".join(f"{value:.2f}" for value in normalised.tolist()))
print("times 1.5, minus 1:", " ".join(f"{value:.2f}" for value in (1.5 * normalised - 1).tolist()))

# %% [markdown]
# ## 9. Evaluation mode, and names
#
# The network without biases passed its examination, so we train it to the end, and let it invent names.
# For that it has to change from training mode to evaluation mode: a single context has no batch to be
# normalised with. What happens if one forgets?

# %%
nothing_yet = mg.zeros(1, 3).long()  # the context of three dots
with mg.no_grad():
    for mode, switch in (("evaluation", model.eval), ("training", model.train), ("evaluation", model.eval)):
        switch()
        shares = F.softmax(model(nothing_yet), dim=1)[0, 1:4].tolist()
        print(f"{mode} mode: a, b, c come first with probability", " ".join(f"{share:.3f}" for share in shares))

# %% [markdown]
# In training mode the variance of a single number is zero divided by zero, which is `nan`. That is the
# lucky case, because it is noticed: with two contexts *something* would come out. And see what it left
# behind. The running statistics were moved towards `nan` and are `nan` for good, so evaluation mode is
# spoilt as well. We start the network afresh.

# %%
more = lesson.steps(full=20_000, quick=200)
model, g = network(batch_norm=True, bias=False)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for step in lesson.progress(more, "to the end"):
    ix = mg.randint(0, Xtr.shape[0], (32,), generator=g)
    loss = F.cross_entropy(model(Xtr[ix]), Ytr[ix])
    optimizer.zero_grad()
    loss.backward()
    optimizer.param_groups[0]["lr"] = 0.1 if step < 0.7 * more else 0.01
    optimizer.step()
print(f"{more} steps, loss of the last minibatch {loss.item():.4f}")


# %%
@mg.no_grad()
def evaluate(X, Y):
    """The loss over all examples, 10000 at a time."""
    pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
    return sum(F.cross_entropy(model(x), y, reduction="sum").item() for x, y in pieces) / len(Y)


model.eval()
final = evaluate(Xtr, Ytr), evaluate(Xdev, Ydev)
print(f"evaluation mode: train loss {final[0]:.4f}, dev loss {final[1]:.4f}")
assert steps < 100 or final[1] < math.log(len(vocabulary))


# %%
@mg.no_grad()
def sample(g):
    """One invented name."""
    letters, context = [], [0, 0, 0]
    while not letters or letters[-1] != 0:
        p = F.softmax(model(mg.tensor([context])), dim=1)
        letters.append(mg.multinomial(p, num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return vocabulary.decode(letters[:-1])


g = mg.Generator().manual_seed(lesson.seed + 10)
names = [sample(g) for _ in range(20)]
print("invented:", ", ".join(names))

# %% [markdown]
# ## 10. The log
#
# Everything once more, a line for each network: the width of the last tanh (or Linear) layer, how much of
# it is saturated, by which factor the gradient grows from the last layer to the first, the update:data
# ratio of the hidden weights (the median over layers and steps), and the mean loss of the last hundred
# steps.


# %%
def summarise(run):
    """The five numbers of a line."""
    rows, back = activation_rows(run.first, run.kind), gradient_rows(run.first, run.kind)
    tables = [p for p in run.record.parameters.values() if len(p.shape) == 2][1:6]
    updates = [value for p in tables for value in p.update_data if math.isfinite(value)]
    end = run.losses[-100:]
    return rows[-1][3], rows[-1][4], back[0][3] / back[-1][3], median(updates), sum(end) / len(end)


lines = {title: summarise(run) for title, run in log.items()}
print(f"{'':<28} {'width':>6} {'saturated':>10} {'gradient':>9} {'update:data':>12} {'loss':>8}")
for title, (width, saturated, growth, updates, end) in lines.items():
    print(f"{title:<28} {width:6.2f} {saturated:8.2f} % {growth:8.2f}x {updates:12.2f} {end:8.4f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 6), sharey=True)
panels = (("width of the last layer", 0, "log", 0.66), ("growth of the gradient", 2, "log", 1),
          ("update:data", 3, "linear", -3), ("loss at the end", 4, "linear", None))  # fmt: skip
colours = [GREEN if "batch" in title else ORANGE if "linear" in title else BLUE for title in lines]
for axis, (title, column, scale, good) in zip(axes, panels, strict=True):
    axis.scatter([line[column] for line in lines.values()], list(lines), color=colours, s=60, zorder=3)
    axis.set(title=title, xscale=scale)
    axis.grid(axis="y", color="0.9")
    if good is not None:
        axis.axvline(good, color=BLACK, linestyle="--", linewidth=1.2)
axes[0].invert_yaxis()
lesson.save(figure, "18_log")
normed = [line for title, line in lines.items() if "batch" in title]
spread = [max(line[k] for line in normed) / min(line[k] for line in normed) for k in (0, 2)]
print(f"with batch norm, widths differ by a factor of {spread[0]:.3f}, growths by {spread[1]:.3f}")

# %% [markdown]
# The green points are the message. With batch norm, the width and the growth of the gradient are the same
# for every gain. Only in the third column do they part.
#
# The last column warns against reading too much into any of this. (One network has no point there: its
# loss is `nan`.) The lowest loss after a thousand steps belongs to the plain tanh network with gain 5/3,
# not to one with batch norm. A network this shallow, started this carefully, needs no batch norm, and
# diagnostics say whether a network *can* learn, not how well it will.
#
# ## What to keep
#
# - **Four readings**: activations, their gradients, the gradients of the weights beside the weights, and the
#   updates beside the weights. For the first two, all layers should look alike. For the last, about -3.
# - **No single one is enough.** Gain 3 had the same width everywhere; gain 0.5 had no saturation; a learning rate
#   too low shows in the updates alone; and the loss showed none of it.
# - **The gain** works against the squeeze of the nonlinear function: 5/3 for tanh, and 1 if there is none, when
#   depth is worth nothing.
# - **Batch norm** makes activations and gradients independent of the weights' scale. What is left of that scale is
#   in the speed of learning.
#
# ## Exercises
#
# 1. *ReLU.* Put ReLU in place of tanh and look for the gain with which all layers have the same width, forward and
#    back. How many units are dead, and what does `health` say when the gain is wrong?
# 2. *Deeper.* Draw how much the gradient grows or fades from the last to the first of 5, 20 and 50 tanh layers,
#    against the gain. Which gain would you choose for 50? What does batch norm make of the curves?
# 3. *A learning rate for every layer.* Take the network without fan-in. Give every table of weights a learning rate of
#    its own, from its grad:data ratio, so that all updates start at -3. Does it train better than with 0.1 for all?
#
# Answers run in `answers/11_diagnostics.py`.

# %%
lesson.summary()
