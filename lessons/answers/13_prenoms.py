# %% [markdown]
# # Answers to the exercises of lesson 13, prénoms

# %%
import math
import sys
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("13_prenoms_answers")
steps = lesson.steps(full=30_000, quick=300)
print(f"every network is trained for {steps} steps")


# %%
class Language:
    """A list of names, its symbols, and its examples."""

    def __init__(self, words, vocabulary=None):
        self.words, self.vocabulary = words, vocabulary or datasets.Vocabulary(words)
        self.size = len(self.vocabulary)
        self.parts = datasets.split(words, seed=42)
        self.train, self.dev, _ = (datasets.contexts(part, self.vocabulary, 3) for part in self.parts)


prenoms, names = datasets.prenoms(), datasets.names()
lesson.note_stand_in(prenoms.stand_in or names.stand_in, "lists of names")
french = Language(prenoms)
print(f"{french.train[1].shape[0]} examples to train on, {french.size} symbols")


# %%
def initialise(language):
    """The lesson's parameters and generator, with Kaiming's scale and small logits."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((language.size, 10), generator=g)
    W1 = mg.randn((30, 200), generator=g) * (5 / 3 / math.sqrt(30))
    b1 = mg.randn(200, generator=g) * 0.01
    W2 = mg.randn((200, language.size), generator=g) * 0.01
    b2 = mg.zeros(language.size)
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


def forward(X, parameters):
    """Logits of shape (N, symbols)."""
    C, W1, b1, W2, b2 = parameters
    return mg.tanh(C[X].view(X.shape[0], -1) @ W1 + b1) @ W2 + b2


print(f"{sum(p.nelement() for p in initialise(french)[0])} parameters")


# %%
@mg.no_grad()
def evaluate(X, Y, parameters):
    """The loss over all of X."""
    pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
    return sum(F.cross_entropy(forward(x, parameters), y, reduction="sum").item() for x, y in pieces) / Y.shape[0]


print(f"before training: dev loss {evaluate(*french.dev, initialise(french)[0]):.4f}, ", end="")
print(f"ln {french.size} = {math.log(french.size):.4f}")


# %%
def train(language, parameters, g, label, moments=()):
    """Trains in place; returns the dev loss before each of these steps."""
    X, Y = language.train
    dev_losses = []
    for step in lesson.progress(steps, label):
        if step in moments:
            dev_losses.append(evaluate(*language.dev, parameters))
        ix = mg.randint(0, X.shape[0], (32,), generator=g)
        loss = F.cross_entropy(forward(X[ix], parameters), Y[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -(0.1 if step < steps // 2 else 0.01) * p.grad
    return dev_losses


# %% [markdown]
# ## 1. An even better first loss
#
# When `W2` is small, the logits are `b2`, whatever the context. The softmax of the logarithms of the
# frequencies is the frequencies. So set `b2` to those logarithms.

# %%
counts = mg.bincount(french.train[1], minlength=french.size).double()
shares = counts.clamp(min=0.5) / counts.sum()  # a symbol that occurs only in other sets: half a count
frequencies = -(shares * shares.log()).sum().item()
moments = sorted({m for m in (0, 10, 30, 100, 300, 1000, 3000, 10_000, 20_000) if m < steps})
curves = {}
for name in ("zero", "logarithms of frequencies"):
    parameters, g = initialise(french)
    if name != "zero":
        parameters[4].data = shares.log().float()
    curves[name] = train(french, parameters, g, name, moments)
    print(f"b2 = {name}: dev loss", ", ".join(f"{v:.3f} at {m}" for m, v in zip(moments, curves[name], strict=True)))
print(f"loss of the frequencies {frequencies:.3f}")
assert abs(curves["logarithms of frequencies"][0] - frequencies) < 0.1

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for (name, curve), colour in zip(curves.items(), (ORANGE, GREEN), strict=True):
    axis.plot([max(1, m) for m in moments], curve, "o-", color=colour, label=f"b2 = {name}")
axis.axhline(frequencies, color=BLACK, linestyle="--", linewidth=1.2, label="loss of the frequencies")
axis.set(xscale="log", xlabel="training step (the first point: step 0)", ylabel="dev loss (nats)")
axis.set_title("two first biases")
axis.legend(loc="upper right")
lesson.save(figure, "1_first_bias")
gains = [a - b for a, b in zip(*curves.values(), strict=True)]
print("gained at these steps:", ", ".join(f"{gain:.3f}" for gain in gains))

# %% [markdown]
# At the start it is worth almost a nat, after a thousand steps next to nothing: 46 biases are learned
# quickly. It pays where steps are dear, or where classes are so uneven that the first steps would be spent
# on nothing else.
#
# ## 2. Without accents
#
# Unicode can take a letter apart into the bare letter and its accent, which is then dropped. Only Æ has to
# be spelled out.


# %%
def bare(word):
    """The word in capital letters without accents."""
    apart = unicodedata.normalize("NFD", word.upper().replace("Æ", "AE"))
    return "".join(symbol for symbol in apart if not unicodedata.combining(symbol))


plain = Language([bare(word) for word in prenoms])
print(f"{plain.size} symbols: {''.join(plain.vocabulary.itos.values())}")
print(f"{len(set(plain.words))} different names of {len(plain.words)}")

# %% [markdown]
# Some names differ only in their accents, so without them the list repeats itself, and a dev name may stand
# in the train set. We judge both spellings by the dev names that are new in either.

# %%
known = set(plain.parts[0])
new = [word for word in french.parts[1] if bare(word) not in known]
results = {}
for name, language, asked in (("with accents", french, new), ("without", plain, [bare(word) for word in new])):
    parameters, g = initialise(language)
    train(language, parameters, g, name)
    X, Y = datasets.contexts(asked, language.vocabulary, 3)
    loss = evaluate(X, Y, parameters)
    results[name] = loss * Y.shape[0] / len(asked)
    print(f"{name:<13} {loss:.4f} nats a symbol, {results[name]:.3f} nats a name")
print(f"difference: {results['with accents'] - results['without']:.3f} nats a name")

# %% [markdown]
# The loss per symbol is lower, and that is no merit: the text has become easier, because something was
# thrown away. Had Æ been common, even the number of symbols would have changed, and a loss *per symbol*
# would be divided by something else. What can be compared is the loss for the whole of a name, that is, how
# surprising the same list is under two spellings. Their difference is what the accents cost to say: knowing
# the bare name, so many nats are needed on average to put the accents right.
#
# ## 3. Which language is it?
#
# Both lists in bare capitals, and one vocabulary for both. Names that stand in both lists are left out of
# the question, and so are those that a network was trained on.

# %%
lists = {"French": [bare(word) for word in prenoms], "English": [bare(word) for word in names]}
shared = datasets.Vocabulary(lists["French"] + lists["English"])
languages = {name: Language(words, shared) for name, words in lists.items()}
judges = {}
for name, language in languages.items():
    judges[name], g = initialise(language)
    train(language, judges[name], g, name)
    print(f"{name}: dev loss {evaluate(*language.dev, judges[name]):.4f} nats a symbol")


# %%
@mg.no_grad()
def surprise(word, parameters):
    """The negative log likelihood of a whole word."""
    X, Y = datasets.contexts([word], shared, 3)
    return F.cross_entropy(forward(X, parameters), Y, reduction="sum").item()


both = set(lists["French"]) & set(lists["English"])
margins = {}
for name, language in languages.items():
    asked = sorted(set(language.parts[1]) - both - set(language.parts[0]))
    margins[name] = [(surprise(w, judges["English"]) - surprise(w, judges["French"]), w) for w in asked]
    right = sum((margin > 0) == (name == "French") for margin, _ in margins[name])
    print(f"{name}: {right} of {len(asked)} names recognised, {100 * right / len(asked):.1f} %")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for (name, pairs), colour in zip(margins.items(), (BLUE, ORANGE), strict=True):
    axis.hist([margin for margin, _ in pairs], bins=60, range=(-10, 12), color=colour, alpha=0.6, label=name)
axis.axvline(0, color=BLACK, linewidth=1)
axis.set(xlabel="surprise of the English network minus that of the French one (nats)", ylabel="names")
axis.legend(loc="upper right")
lesson.save(figure, "2_which_language")
for name, pairs in margins.items():
    ordered = [word for _, word in sorted(pairs, reverse=name == "French")]
    print(f"{name}: surest {', '.join(ordered[:6])}; most mistaken {', '.join(ordered[-6:])}")

# %% [markdown]
# Far better than tossing a coin, and far from perfect, for good reasons: three letters at a time say
# little, and people carry their names across borders. The hyphen gives many a French name away. No network
# was told what a language is; each only learned to be surprised.
