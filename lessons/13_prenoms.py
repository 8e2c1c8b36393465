# %% [markdown]
# # Prénoms: the same study in another language
#
# What we found out about a network of names, we found out with one list. Was it about networks, or about
# that list? The way to know is to do it again with other data. Here are 30000 French given names in capital
# letters, with accents, hyphens and apostrophes: 46 symbols instead of 27.
#
# Nothing about the network changes but the number of symbols. So this lesson is also a test of what lesson
# 10 is worth: before each step we *predict* what will come out, by its rules, and then measure. At the end
# both languages stand in one table.

# %%
import math
import time
from collections import Counter
from statistics import NormalDist

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, Lesson, block_means, place_labels

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn
from minigrad.nn.init import calculate_gain

lesson = Lesson("13_prenoms")
FULL = 200_000
steps = lesson.steps(full=FULL, quick=1_500)
print(f"four training runs of {steps} steps each, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. The names
#
# They stand beside the names of lesson 10, which were given in the United States and come from all over the
# world; for short we call them English. Everything is prepared as there: a dot before and after each name,
# three symbols to look back at, 80 % of the names to train on, 10 % to compare with (dev), 10 % set aside.


# %%
class Language:
    """A list of names, its symbols, and its examples."""

    def __init__(self, words):
        self.words, self.vocabulary = words, datasets.Vocabulary(words)
        self.size = len(self.vocabulary)
        self.parts = datasets.split(words, seed=42)
        self.train, self.dev, self.test = (datasets.contexts(part, self.vocabulary, 3) for part in self.parts)


french, english = Language(datasets.prenoms()), Language(datasets.names())
lesson.note_stand_in(french.words.stand_in or english.words.stand_in, "lists of names")
examples = [len(Y) for _, Y in (french.train, french.dev, french.test)]
lesson.compare("prenoms.split", "examples in train, dev, test", [180834, 22852, 22639], examples, "%d")
for name, language in (("French", french), ("English", english)):
    print(f"{name}: {len(language.words)} names, {language.size} symbols: {''.join(language.vocabulary.itos.values())}")
    print("  such as", ", ".join(language.parts[0][:8]))

# %% [markdown]
# Nearly twice as many symbols. But are they used? Count them.


# %%
def symbol_counts(language):
    """How often each symbol is the one to predict, the dot included, most frequent first."""
    counts = Counter(language.train[1].tolist())
    return [(language.vocabulary.itos[i], count) for i, count in counts.most_common()]


figure, axes = plt.subplots(2, 1, figsize=(11, 6), sharey=True)
for axis, name, language, colour in ((axes[0], "French", french, BLUE), (axes[1], "English", english, ORANGE)):
    symbols, counts = zip(*symbol_counts(language), strict=True)
    axis.bar(symbols, counts, color=colour)
    axis.set(yscale="log", title=f"{name}: {language.size} symbols", ylabel="count in the train set")
    axis.margins(x=0.01)
lesson.save(figure, "1_symbols")
rare = [symbol for symbol, count in symbol_counts(french) if count < 100]
print(f"{len(rare)} French symbols occur less than 100 times: {' '.join(rare)}")

# %% [markdown]
# The scale is logarithmic. A dozen French symbols are hardly ever seen: a model can learn little about
# them, and little is lost if it does not. So in how many equally likely symbols would there be as much
# choice? The loss of a model that knows nothing but these frequencies says it: e to the power of that loss.

# %%
ladder = {}
for name, language in (("French", french), ("English", english)):
    counts = mg.tensor([count for _, count in symbol_counts(language)]).double()
    shares = counts / counts.sum()
    ladder[name] = math.log(language.size), -(shares * shares.log()).sum().item()
    nothing, frequencies = ladder[name]
    print(f"{name:<8} knowing nothing {nothing:.4f}, knowing the frequencies {frequencies:.4f}: ", end="")
    print(f"like {math.exp(frequencies):.1f} equally likely symbols")

# %% [markdown]
# In spite of its 46 symbols, French is hardly less predictable than English by that measure.
#
# One more thing must be known before two losses are compared: are the dev names really new? If a name
# stands in the list twice, one copy may land in the train set and the other in the dev set.

# %%
for name, language in (("French", french), ("English", english)):
    known = set(language.parts[0])
    repeated = sum(word in known for word in language.parts[1]) / len(language.parts[1])
    print(f"{name:<8} {len(set(language.words))} different names of {len(language.words)}; ", end="")
    print(f"{100 * repeated:.1f} % of the dev names stand in the train set too")

# %% [markdown]
# So the English dev loss is a little flattered, the French one is not. We will remember that.
#
# ## 2. The first loss
#
# **Prediction 1.** A network that knows nothing gives each symbol 1/46, which costs -ln(1/46) = ln 46.

# %%
expected = -math.log(1 / french.size)
lesson.compare("prenoms.expected", "-ln(1/46), the loss of knowing nothing", 3.83, expected, "%.2f")
indifferent = F.cross_entropy(mg.zeros(1, french.size), mg.tensor([5])).item()
print(f"with {french.size} equal logits: {indifferent:.4f}")
assert abs(indifferent - math.log(french.size)) < 1e-5

# %% [markdown]
# **Prediction 2.** With all weights drawn from N(0, 1) it will be far more. How much? A logit is a sum over
# 200 hidden units: an activation times a weight of variance 1, and a bias of variance 1. With m for the
# mean square of the activations, the variances add up to
#
# $$ s^2 = 200\, m + 1 . $$
#
# With such wide logits the softmax gives nearly everything to the largest. The loss is then about the
# largest of the n logits minus that of the right symbol, which is 0 on average. And the largest of n normal
# numbers lies, by Gunnar Blom's formula, about at the value below which a normal number falls with
# probability (n - 0.375) / (n + 0.25).


# %%
def initialise(language, scale_W1=1.0, scale_b1=1.0, scale_W2=1.0, scale_b2=1.0, hidden=200, seed=None):
    """The parameters of lesson 10's network for a language's symbols, and the generator that drew them."""
    g = mg.Generator().manual_seed(lesson.seed if seed is None else seed)
    C = mg.randn((language.size, 10), generator=g)
    W1 = mg.randn((3 * 10, hidden), generator=g) * scale_W1
    b1 = mg.randn(hidden, generator=g) * scale_b1
    W2 = mg.randn((hidden, language.size), generator=g) * scale_W2
    b2 = mg.randn(language.size, generator=g) * scale_b2
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


for name, language in (("French", french), ("English", english)):
    count = sum(p.nelement() for p in initialise(language)[0])
    print(f"{name:<8} {count} parameters")


# %%
def preactivations(X, parameters):
    """What goes into the tanh, of shape (N, 200)."""
    C, W1, b1 = parameters[:3]
    return C[X].view(X.shape[0], -1) @ W1 + b1


def forward(X, parameters, norm=None):
    """Logits of shape (N, symbols) for contexts X of shape (N, 3); `norm` may come before the tanh."""
    hpre = preactivations(X, parameters)
    h = mg.tanh(norm(hpre) if norm else hpre)
    return h @ parameters[3] + parameters[4]


def minibatch(language, g):
    """32 examples drawn from the train set; the first ones are the first thing drawn after the parameters."""
    X, Y = language.train
    ix = mg.randint(0, X.shape[0], (32,), generator=g)
    return X[ix], Y[ix]


logits = forward(french.train[0][:2], initialise(french)[0])
print("logits of two examples:", tuple(logits.shape))


# %%
def largest_of(n):
    """About the expected largest of n normal numbers."""
    return NormalDist().inv_cdf((n - 0.375) / (n + 0.25))


first = {}
for name, language in (("French", french), ("English", english)):
    parameters, g = initialise(language)
    X, Y = minibatch(language, g)
    m = (mg.tanh(preactivations(X, parameters)) ** 2).mean().item()
    predicted = math.sqrt(200 * m + 1) * largest_of(language.size)
    first[name] = F.cross_entropy(forward(X, parameters), Y).item()
    print(f"{name:<8} mean square {m:.3f}, predicted {predicted:.1f}, measured {first[name]:.4f}")

# %% [markdown]
# The measured figures come from one draw of weights and one minibatch, so they miss the prediction by a nat
# or two. And the published study of these names met a first loss of about 22, far from our 28. Is that a
# contradiction? It drew other weights. So see what *any* draw gives: a hundred seeds for each language, and
# for French also half as many hidden units, which make smaller logits.

# %%
draws = {}
for title, language, hidden in (("French", french, 100), ("French", french, 200), ("English", english, 200)):
    run = draws[title, hidden] = []
    for seed in range(100):
        parameters, g = initialise(language, hidden=hidden, seed=seed)
        X, Y = minibatch(language, g)
        run.append(F.cross_entropy(forward(X, parameters), Y).item())
    predicted = math.sqrt(0.85 * hidden + 1) * largest_of(language.size)
    print(f"{title:<8} {hidden} hidden units: predicted {predicted:.1f}, ", end="")
    print(f"first loss {sum(run) / 100:.1f} on average, between {min(run):.1f} and {max(run):.1f}")

# %%
figure, axis = plt.subplots(figsize=(9, 4))
for hidden, colour in ((100, SKY), (200, BLUE)):
    label = f"{hidden} hidden units, 100 seeds"
    axis.hist(draws["French", hidden], bins=20, range=(14, 40), color=colour, alpha=0.7, label=label)
axis.axvline(22, color=VERMILLION, label="published: about 22")
axis.axvline(first["French"], color=BLACK, label=f"ours: {first['French']:.1f}")
axis.axvline(expected, color=BLACK, linestyle="--", linewidth=1.2, label=f"knowing nothing: {expected:.2f}")
axis.set(xlabel="first loss (nats)", ylabel="seeds", title="the first loss depends on the draw", xlim=(0, 52))
axis.legend(loc="upper right")
lesson.save(figure, "2_first_losses")
below = {hidden: sum(loss < 22.5 for loss in draws["French", hidden]) for hidden in (100, 200)}
print(f"French below 22.5: {below[200]} of 100 seeds with 200 units, {below[100]} with 100")

# %% [markdown]
# On average the prediction holds in all three cases. More symbols do make the first loss larger, by three
# nats, as their largest logit is larger. And 22 is at the lower edge of what 200 units give, and an
# ordinary value for 100. Either way the finding is the same: five times too much or more.
#
# ## 3. Four starts
#
# Now train, from four different starts, as lesson 10 did:
#
# - **naive**: all weights N(0, 1);
# - **small logits**: `W2` a hundredth, `b2` zero, so that the first loss is that of knowing nothing;
# - **Kaiming**: also `W1` scaled by gain / √fan-in = (5/3) / √30, so that the tanh is not saturated, and
#   `b1` a hundredth;
# - **batch norm**: the same, with the pre-activations normalised in every step.
#
# For the last one we now take the library's layer. `BatchNorm1d` holds the gain and the bias, called weight
# and bias, and the running statistics, and it knows by `train()` and `eval()` which of the two to use. Its
# momentum says how far a batch may move them: 0.001, as before. First check it against lesson 10's formula.

# %%
kaiming = calculate_gain("tanh") / math.sqrt(30)
parameters, g = initialise(french, kaiming, 0.01, 0.01, 0.0)
X, Y = minibatch(french, g)
hpre = preactivations(X, parameters)
by_hand = (hpre - hpre.mean(0, keepdim=True)) / hpre.std(0, keepdim=True)
library = nn.BatchNorm1d(200, momentum=0.001)(hpre)
rescaled = library * math.sqrt(31 / 32)  # lesson 10 divided by 31 in the variance, the layer divides by 32
print(f"gain / sqrt(fan-in) = {kaiming:.4f}; largest difference {(by_hand - rescaled).abs().max().item():.1e}")
assert (by_hand - rescaled).abs().max().item() < 1e-3

# %% [markdown]
# **Prediction 3.** How many activations are saturated depends on the inputs of the tanh, 30 numbers per
# example, and not on how many symbols there are to choose from. So the share should be as in lesson 10:
# more than half of them at the naive start, few with Kaiming's scale.


# %%
SCALES = {
    "naive": (1.0, 1.0, 1.0, 1.0),
    "small logits": (1.0, 1.0, 0.01, 0.0),
    "Kaiming": (kaiming, 0.01, 0.01, 0.0),
    "batch norm": (kaiming, 0.01, 0.01, 0.0),
}


def start_of(language, name):
    """Parameters, generator and batch norm layer (or the identity) of one of the four starts."""
    parameters, g = initialise(language, *SCALES[name])
    return parameters, g, nn.BatchNorm1d(200, momentum=0.001) if name == "batch norm" else nn.Identity()


print("norm layers:", ", ".join(type(start_of(french, name)[2]).__name__ for name in SCALES))

# %%
at_start = {}
for title, language in (("French", french), ("English", english)):
    for name in SCALES:
        parameters, g, norm = start_of(language, name)
        X, Y = minibatch(language, g)
        loss = F.cross_entropy(forward(X, parameters, norm), Y).item()
        h = mg.tanh(norm(preactivations(X, parameters)))
        saturated = 100 * (h.abs() > 0.99).float().mean().item()
        at_start[title, name] = loss, saturated, (1 - h**2).mean().item(), h.detach()
        print(f"{title:<8} {name:<13} first loss {loss:7.4f}, saturated {saturated:4.1f} %, ", end="")
        print(f"share of the gradient that passes {at_start[title, name][2]:.3f}")
assert at_start["French", "small logits"][0] < expected + 0.1

# %%
figure, axes = plt.subplots(2, 3, figsize=(12, 5), sharey="row", sharex="row")
for (top, bottom), name in zip(axes.T, ("naive", "Kaiming", "batch norm"), strict=True):
    _, saturated, _, h = at_start["French", name]
    top.hist(h.flatten().tolist(), bins=40, range=(-1, 1), color=VERMILLION if name == "naive" else GREEN)
    top.set(title=f"{name}: {saturated:.1f} % saturated", xlabel="activation h")
    bottom.imshow((h.abs() > 0.99).tolist(), cmap="gray", aspect="auto", interpolation="nearest")
    bottom.set(xlabel="hidden unit")
axes[0, 0].set_ylabel("count")
axes[1, 0].set_ylabel("example\n(white: |h| > 0.99)")
lesson.save(figure, "3_saturation")
dead = (at_start["French", "naive"][3].abs() > 0.99).all(0).sum().item()
print(f"dead units at the naive start, saturated for all 32 examples: {dead}")

# %% [markdown]
# As predicted: the shares are those of the other language to within two in a hundred. And only the first
# loss of the repaired starts knows the number of symbols: it is close to ln 46 there and to ln 27 here.
#
# ## 4. Training
#
# The loop is the usual one: 32 examples a step, learning rate 0.1 in the first half and 0.01 in the second.


# %%
@mg.no_grad()
def evaluate(X, Y, parameters, norm):
    """The loss over all of X, 10000 examples at a time."""
    pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
    total = sum(F.cross_entropy(forward(x, parameters, norm), y, reduction="sum").item() for x, y in pieces)
    return total / Y.shape[0]


print(f"before training, Kaiming: dev loss {evaluate(*french.dev, *start_of(french, 'Kaiming')[::2]):.4f}")


# %%
def train(language, name):
    """Trains one of the four starts; returns its parameters, its norm layer and the loss of every step."""
    parameters, g, norm = start_of(language, name)
    everything, losses, begin = parameters + list(norm.parameters()), [], time.perf_counter()
    for step in lesson.progress(steps, name):
        X, Y = minibatch(language, g)
        loss = F.cross_entropy(forward(X, parameters, norm), Y)
        for p in everything:
            p.grad = None
        loss.backward()
        rate = 0.1 if step < steps // 2 else 0.01
        for p in everything:
            p.data += -rate * p.grad
        losses.append(loss.item())
    print(f"{name}: {len(losses)} steps in {time.perf_counter() - begin:.0f} s, first loss {losses[0]:.4f}")
    return parameters, norm.eval(), losses


# %%
models, losses, final = {}, {}, {}
for name in SCALES:
    *models[name], losses[name] = train(french, name)
    final[name] = evaluate(*french.train, *models[name]), evaluate(*french.dev, *models[name])
    print("  train loss {:.4f}, dev loss {:.4f}".format(*final[name]))

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4))
for (name, run), colour in zip(losses.items(), (VERMILLION, ORANGE, BLUE, GREEN), strict=True):
    axes[0].plot(*block_means(run[:1000], 100), color=colour, label=name)
    axes[1].plot(*block_means(run, 100), color=colour, label=name)
axes[0].axhline(expected, color=BLACK, linestyle="--", linewidth=1.2, label="knowing nothing")
axes[0].set(title="the first 1000 steps", xlabel="training step", ylabel="loss (nats)", ylim=(0, None))
axes[1].set(title="the whole run", xlabel="training step", ylim=(min(final[n][0] for n in final) - 0.2, 3.2))
axes[0].legend(loc="upper right")
axes[1].locator_params(axis="x", nbins=5)
lesson.save(figure, "4_training")
run = losses["naive"]
wasted = next((i for i in range(50, len(run) + 1) if sum(run[i - 50 : i]) / 50 < expected), None)
print(f"steps until the naive run comes down to knowing nothing: {wasted or f'not reached in {len(run)} steps'}")

# %% [markdown]
# ## 5. Both languages in one table
#
# The English losses after training are those that lesson 10 prints after its full run; the first losses and
# the saturation were measured above. The last column sets the dev loss in relation to what the symbol
# frequencies alone give: how much of that uncertainty is left?

# %%
LESSON_10 = {"naive": (2.1241, 2.1655), "small logits": (2.0696, 2.1311), "Kaiming": (2.0377, 2.1070),
             "batch norm": (2.0666, 2.1051)}  # fmt: skip
print(f"{'':<22}{'first loss':>10}{'saturated':>11}{'train':>9}{'dev':>9}{'gap':>9}{'left':>8}")
for title, results in (("French", final), ("English", LESSON_10)):
    for name, (on_train, on_dev) in results.items():
        loss, saturated, _, _ = at_start[title, name]
        left = 100 * on_dev / ladder[title][1]
        print(f"{title:<9}{name:<13}{loss:10.4f}{saturated:9.1f} %{on_train:9.4f}{on_dev:9.4f}", end="")
        print(f"{on_dev - on_train:9.4f}{left:6.1f} %")
if steps < FULL:
    print(f"(French after {steps} steps, English after {FULL}: only the full run compares them)")
assert steps < 100 or all(dev < losses["naive"][0] for _, dev in final.values())

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
for results, name, colour, marker in ((final, "French", BLUE, "o"), (LESSON_10, "English (lesson 10)", ORANGE, "s")):
    axis.plot(list(results), [dev for _, dev in results.values()], marker, color=colour, markersize=9, label=f"{name}, dev")
    axis.plot(list(results), [train for train, _ in results.values()], marker, color=colour, markersize=9,
              fillstyle="none", label=f"{name}, train")  # fmt: skip
title = f"after {steps} steps" if steps == FULL else f"French after {steps} steps, English after {FULL}"
axis.set(ylabel="loss (nats)", title=title)
axis.margins(x=0.1)
axis.grid(axis="y", color="0.9")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "5_two_languages", cover=True)
for title, results in (("French", final), ("English", LESSON_10)):
    print(f"{title}: Kaiming's scale gains {results['naive'][1] - results['Kaiming'][1]:.3f} nats on the dev set")

# %% [markdown]
# In both languages the naive start is the worst, repairing the logits gains some, and repairing the hidden
# layer gains more; even the sizes of the steps are alike. Kaiming's scale and batch norm lie close together
# in both, and which is ahead differs. What lesson 10 found was about the network.
#
# French names come out as a little *easier*: in spite of 19 more symbols, and with no repeated names to
# flatter the loss, less of the uncertainty is left.
#
# ## 6. What becomes of rare symbols?
#
# One thing is new: symbols that hardly ever occur. Every symbol has a row in the embedding, and the row
# moves only when the symbol stands in a context. How far did each row travel from where it was put at
# random?

# %%
before = start_of(french, "Kaiming")[0][0].detach()
travelled = (models["Kaiming"][0][0].detach() - before).norm(dim=1)
occurrences = mg.bincount(french.train[0].flatten(), minlength=french.size)
figure, axis = plt.subplots(figsize=(9, 4.6))
labels = []
for index, symbol in french.vocabulary.itos.items():
    x, y = max(1, occurrences[index].item()), travelled[index].item()
    symbol = {".": "dot", "-": "hyphen", "'": "apostrophe"}.get(symbol, symbol)
    labels.append((x, y, symbol, BLUE if symbol.isascii() else VERMILLION))
axis.set(xscale="log", xlim=(0.7, 1e6), ylim=(-0.1, travelled.max().item() * 1.1))
axis.set(xlabel="how often the symbol stands in a context", ylabel="distance travelled")
axis.set_title("rows of the embedding (red: letters with an accent)")
place_labels(axis, labels)
lesson.save(figure, "6_rare_symbols")
groups = [("less than 100", occurrences < 100), ("100 or more", occurrences >= 100)]
for name, chosen in groups:
    print(f"symbols in {name} contexts: {chosen.sum().item()}, mean distance {travelled[chosen].mean().item():.2f}")

# %% [markdown]
# The rare ones stay near the place where chance put them. To the network an Ÿ is a random point, and what
# it says after one is little more than a guess. (The most frequent travel less again, perhaps because they
# stand in so many different contexts that pull them to all sides.)
#
# And when a rare symbol is the one to be predicted? Take the dev loss apart by the symbol that was to be
# predicted.

# %%
X, Y = french.dev
with mg.no_grad():
    each = F.cross_entropy(forward(X, *models["Kaiming"]), Y, reduction="none")
frequency = mg.bincount(french.train[1], minlength=french.size)[Y]
shares = {}
for name, low, high in (("under 100", 0, 100), ("100 to 1000", 100, 1000), ("over 1000", 1000, 10**9)):
    chosen = (frequency >= low) & (frequency < high)
    count = chosen.sum().item()
    shares[name] = each[chosen].sum().item() / each.sum().item() if count else 0.0
    mean = each[chosen].mean().item() if count else float("nan")
    share = 100 * shares[name]
    print(f"symbols seen {name:<12} {count:>6} dev examples, mean loss {mean:5.2f}, {share:5.1f} % of the total")

# %% [markdown]
# A rare symbol is expensive when it comes, far above the 3.83 nats of knowing nothing. And that is right: a
# model that is to be good on average has to call rare things rare. It pays dearly each time, and so seldom
# that the total hardly notices.
#
# ## 7. New names
#
# Let the network with batch norm invent some. In evaluation mode it needs no minibatch.


# %%
@mg.no_grad()
def sample(g):
    """One invented name."""
    context, letters = [0, 0, 0], []
    while not letters or letters[-1] != 0:
        logits = forward(mg.tensor([context]), *models["batch norm"])
        letters.append(mg.multinomial(F.softmax(logits, dim=1), num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return french.vocabulary.decode(letters[:-1])


g = mg.Generator().manual_seed(lesson.seed + 10)
names = [sample(g) for _ in range(20)]
print("invented:", ", ".join(names))
known = set(french.words)
print(f"{sum(name in known for name in names)} of them are in the list")

# %% [markdown]
# ## What to keep
#
# - **Repeat a finding with other data** before you believe that it is about the method.
# - **Predict, then measure.** The first loss, its size when all is naive, the share of saturated units: all
#   three followed from the shapes alone, and the number of symbols enters only where it must.
# - **A loss has no meaning without its scale.** Knowing nothing costs ln n, but symbols that are never used
#   make n look larger than it is; the loss of the frequencies is the better yardstick. Look for repeated
#   names, too.
# - **What is rarely seen is hardly learned.** Its embedding stays near where chance put it.
#
# ## Exercises
#
# 1. *An even better first loss.* With small logits training starts at ln 46 = 3.83. Choose `b2` so that it
#    starts at the loss of the symbol frequencies instead. What is that worth after 100, 1000 and 20000
#    steps?
# 2. *Without accents.* Strip the accents, which leaves 29 symbols. Why can the losses per symbol not simply
#    be compared, and what can?
# 3. *Which language is it?* Train one network on each list, both in the same letters. Let the one that
#    finds a new name less surprising say which list it is from. How often is that right?
#
# Answers run in `answers/13_prenoms.py`.

# %%
lesson.summary()
