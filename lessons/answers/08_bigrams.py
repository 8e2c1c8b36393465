# %% [markdown]
# # Answers to the exercises of lesson 8, bigrams

# %%
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, ORANGE, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("08_bigrams_answers")
steps = lesson.steps(full=50, quick=5)
print(f"every way of taking a step is timed over {steps} steps")

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
train_words, dev_words, _ = datasets.split(words, seed=42)
print(f"{len(train_words)} names to count in, {len(dev_words)} to compare with")

# %% [markdown]
# ## 1. Look back two letters
#
# Two symbols a and b together name one of 729 rows: number 27 a + b. With that, trigrams are counted like
# bigrams, and the functions below serve any number of letters to look back at.


# %%
def rows_and_targets(words, back):
    """For each letter: which row of the table its context of `back` symbols is, and the letter."""
    X, Y = datasets.contexts(words, vocabulary, block_size=back)
    row = X[:, 0]
    for place in range(1, back):
        row = row * size + X[:, place]
    return row, Y


def count(words, back):
    """The table of counts, one row per context."""
    row, Y = rows_and_targets(words, back)
    return mg.bincount(row * size + Y, minlength=size ** (back + 1)).view(size**back, size).double()


def loss(N, k, words, back):
    """Average negative log likelihood of the words by the counts N, each raised by k."""
    row, Y = rows_and_targets(words, back)
    return -((N[row, Y] + k) / (N.sum(1)[row] + k * size)).log().mean().item()


print("pairs like", ", ".join(vocabulary.decode([i // size, i % size]) for i in (1, 40, 400)), "name rows")

# %%
ks = [10 ** (e / 4) for e in range(-12, 13)]
curves = {}
for back in (1, 2):
    N = count(train_words, back)
    curves[back] = [loss(N, k, dev_words, back) for k in ks]
    best = ks[curves[back].index(min(curves[back]))]
    seen = (N.sum(1) > 0).sum().item()
    print(f"look back {back}: {seen} of {size**back} rows occur, {N.sum().item() / seen:.0f} counts in each on average")
    losses = loss(N, best, train_words, back), min(curves[back])
    print("  best k {:.2f}: train loss {:.4f}, dev loss {:.4f}".format(best, *losses))
assert min(curves[2]) < min(curves[1])

# %% [markdown]
# A second letter is worth almost a quarter of a nat. But the same number of letters is now spread over so
# many more rows that most hold little. Next to few counts, an added one weighs more, so the best k is
# smaller, and leaving it out or overdoing it costs more: the valley has walls. Looking back three letters
# would make this worse once again.

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
for back, colour in ((1, ORANGE), (2, BLUE)):
    axis.plot(ks, curves[back], color=colour, label=f"look back {back}")
axis.set(xscale="log", xlabel="counts added to every entry", ylabel="dev loss (nats)", title="bigrams and trigrams")
axis.legend(loc="upper left")
lesson.save(figure, "1_trigrams")
print(f"from k = 0.001 to k = 1 the dev loss moves by {abs(curves[1][0] - curves[1][12]):.4f} for bigrams, ", end="")
print(f"by {abs(curves[2][0] - curves[2][12]):.4f} for trigrams")

# %% [markdown]
# ## 2. Backwards
#
# The loss is the same, to the last digit that rounding leaves. It is the sum over all pairs of the
# logarithm of $N_{ij} / n_i$. Backwards the pair ij becomes ji, the counts $N_{ij}$ stay what they were,
# and the divisor is now how often the pair's *last* symbol occurs as the last of a pair. But every symbol
# is the first of one pair and the last of another: the letters because they stand between two neighbours,
# the dots because each name has one in front and one behind. So both divisors run over the same counts the
# same number of times, and the sums are equal.

# %%
forwards = count(words, 1)
backwards = count([word[::-1] for word in words], 1)
assert (backwards == forwards.T).all()
assert (forwards.sum(0) == forwards.sum(1)).all()
there = loss(forwards, 0, words, 1)
back = loss(backwards, 0, [word[::-1] for word in words], 1)
print(f"forwards {there:.10f}, backwards {back:.10f}")
assert abs(there - back) < 1e-9
smooth = loss(forwards, 1, words, 1) - loss(backwards, 1, [word[::-1] for word in words], 1)
print(f"with one count added the two differ by {abs(smooth):.1e}")

# %% [markdown]
# So a bigram model has no sense of direction, and neither has the probability of a whole name: it is the
# same read from either end. Smoothing changes nothing about that: it adds the same to both tables.

# %%
P_there, P_back = forwards / forwards.sum(1, keepdim=True), backwards / backwards.sum(1, keepdim=True)
for word in words[:3]:
    symbols = vocabulary.encode("." + word + ".")
    probability = mg.stack([P_there[a, b] for a, b in zip(symbols, symbols[1:], strict=False)]).prod().item()
    symbols.reverse()
    reverse = mg.stack([P_back[a, b] for a, b in zip(symbols, symbols[1:], strict=False)]).prod().item()
    print(f"{word:<10} forwards {probability:.4e}, backwards {reverse:.4e}")
    assert abs(probability - reverse) < 1e-9 * probability

# %% [markdown]
# ## 3. No one-hots
#
# `onehot @ W` computes 27 products for every number that it looks up, and 26 of them are zero. Indexing
# reads the row. The gradient of indexing adds each example's gradient to the row that it came from; the
# product with the transposed one-hots does the same with zeros in between.

# %%
X, Y = datasets.contexts(words, vocabulary, block_size=1)
X = X[:, 0]
onehot = F.one_hot(X, num_classes=size).float()
W = mg.randn((size, size), generator=mg.Generator().manual_seed(lesson.seed), requires_grad=True)
gradients = {}
for name, logits_of in (("one-hot", lambda: onehot @ W), ("indexed", lambda: W[X])):
    start = time.perf_counter()
    for _ in lesson.progress(steps, name):
        W.grad = None
        F.cross_entropy(logits_of(), Y).backward()
    gradients[name] = W.grad
    print(f"{name}: {(time.perf_counter() - start) / steps * 1000:.1f} ms a step")
difference = (gradients["one-hot"] - gradients["indexed"]).abs().max().item()
print(f"largest difference of the gradients {difference:.1e}, largest gradient {W.grad.abs().max().item():.1e}")
assert difference < 1e-6

# %% [markdown]
# The gradients agree. The gain in time is modest with 27 symbols, since the softmax of both costs the same.
# It grows with the number of symbols: a vocabulary of 50000 would make the one-hots of this list a table of
# 45 GB, and the indices would stay what they are.
