# %% [markdown]
# # Bigrams: a language model that is a table of counts
#
# A **language model** says how likely each next letter is, given the letters so far. This lesson builds the
# smallest one that deserves the name: it looks back a single letter. We build it twice. First by counting,
# which needs no training at all. Then as a network of one layer that starts from random numbers and knows
# nothing of counts. Both end at the same table, and seeing why is the point: what a network learns by
# descending its loss is, here, something that we could have written down.
#
# On the way come the tools that every later lesson uses: probabilities as rows of a table, drawing from
# them, the one number that says how good a model is, and what to do about things that were never seen.
#
# The experiment is a well-known one. Where a figure of it has been published, the lesson prints it above
# ours.
#
# You need to know what a tensor is, that `backward()` computes gradients, and that stepping against the
# gradient makes a loss smaller.

# %%
import math

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("08_bigrams")
steps = lesson.steps(full=10_000, quick=500)
print(f"training runs of up to {steps} steps, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. Names, and the pairs in them
#
# The data are a list of given names in lower case.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
lengths = [len(word) for word in words]
print("the first ten:", ", ".join(words[:10]))
print(f"shortest {min(lengths)} letters, longest {max(lengths)}, mean {sum(lengths) / len(words):.2f}")
lesson.compare("names.count", "names in the list", 32033, len(words), "%d")

# %% [markdown]
# What does the name `emma` tell a model that looks back one letter? That m may follow e, that m may follow
# m, that a may follow m. And two things more: that a name may begin with e and may end after a. So that
# these count as well, a dot is put in front of every name and another behind it. `emma` then says five
# things, one per pair of neighbours. Such a pair is called a **bigram**.


# %%
def pairs(word):
    """The bigrams of a word between its two dots."""
    dotted = ["."] + list(word) + ["."]
    return list(zip(dotted, dotted[1:], strict=False))  # the second list is one shorter


print("emma:", " ".join(a + b for a, b in pairs("emma")))
assert len(pairs("emma")) == len("emma") + 1

# %% [markdown]
# Count them over the whole list.

# %%
counts = {}
for word in words:
    for pair in pairs(word):
        counts[pair] = counts.get(pair, 0) + 1

ranked = sorted(counts, key=counts.get, reverse=True)
print("most frequent:", ", ".join(f"{a}{b} {counts[a, b]}" for a, b in ranked[:8]))
print(f"{sum(counts.values())} bigrams in all; {len(counts)} different ones of {27 * 27} that could be")

# %% [markdown]
# A dictionary is awkward to compute with. A table is better: one row per first symbol, one column per
# second. For that the symbols need numbers. The dot gets 0, a gets 1, and so on up to z with 26. The
# library's `Vocabulary` keeps this numbering, and `datasets.contexts` with a block size of one turns the
# words into two tensors: the first symbols X of all bigrams and the second symbols Y.

# %%
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
N = mg.zeros((size, size), dtype=mg.int64)
for (a, b), count in counts.items():
    N[vocabulary.stoi[a], vocabulary.stoi[b]] = count

X, Y = datasets.contexts(words, vocabulary, block_size=1)
X = X[:, 0]  # (N, 1) -> (N,): one symbol to look back at
library = mg.bincount(X * size + Y, minlength=size * size).view(size, size)
assert (N == library).all()
print(f"our loop and the library count alike: a table of {tuple(N.shape)} from {X.shape[0]} bigrams")

# %% [markdown]
# Here is the whole model in one picture. The row is the letter that we have, the column is the letter that
# follows, the number is how often that happened. Darker is more often. The first row says how names begin;
# the first column says how they end.


# %%
def draw_table(axis, values):
    """A 27 x 27 table in blue, large values dark; the square root keeps the rare ones visible."""
    axis.imshow(values.double().sqrt().tolist(), cmap="Blues")
    symbols = [vocabulary.itos[i] for i in range(size)]
    axis.set(xticks=range(size), xticklabels=symbols, yticks=range(size), yticklabels=symbols)
    axis.tick_params(length=0, labeltop=True)
    axis.spines[:].set_visible(False)


figure, axis = plt.subplots(figsize=(11.5, 11.5))
draw_table(axis, N)
middle = N.max().item() / 4  # where the square root is half of its largest value
for row, column in mg.argwhere(N > 0).tolist():
    pair, count = vocabulary.decode([row, column]), N[row, column].item()
    colour = "white" if count > middle else BLACK
    axis.text(column, row, f"{pair}\n{count}", ha="center", va="center", fontsize=6, color=colour)
axis.set(xlabel="second symbol", ylabel="first symbol", title="how often each bigram occurs (empty: never)")
lesson.save(figure, "1_counts", cover=True)

# %% [markdown]
# ## 2. From counts to probabilities
#
# Which letter follows q? Row q of the table answers in counts. Divide the row by its sum, and the numbers
# become **probabilities**: none negative, and together 1.
#
# $$ P_{ij} = \frac{N_{ij}}{\sum_k N_{ik}} $$
#
# That has to be done for all 27 rows, and it is a good place for an accident. `N.sum(1)` has shape (27,),
# one sum per row. But when a (27, 27) table is divided by something of shape (27,), that something is laid
# along the *last* dimension: it is treated as one row, and column j is divided by the sum of row j. Nothing
# fails and nothing is printed. With `keepdim=True` the sums have shape (27, 1), one column, and every row
# is divided by its own sum.

# %%
counted = N.double()
wrong = counted / counted.sum(1)
P = counted / counted.sum(1, keepdim=True)
print("sums of the first four rows without keepdim:", " ".join(f"{v:.3f}" for v in wrong.sum(1)[:4].tolist()))
print("sums of the first four rows with keepdim:   ", " ".join(f"{v:.3f}" for v in P.sum(1)[:4].tolist()))
assert (P.sum(1) - 1).abs().max().item() < 1e-12
q = P[vocabulary.stoi["q"]]
best = q.argmax().item()
print(f"after q comes {vocabulary.itos[best]} with probability {q[best].item():.3f}")

# %% [markdown]
# ## 3. Drawing names
#
# A table of probabilities can be run forward. Stand on the dot, draw a letter by the probabilities of its
# row, move to that letter's row, draw again, and stop when the dot is drawn. That is called **sampling**.
#
# How does one draw an index with given probabilities when all there is are uniform random numbers between 0
# and 1? Lay the probabilities end to end on a stick of length 1, and throw a dart at it. The piece that the
# dart hits is the draw, because a piece is hit as often as it is long. Where the pieces end is a running
# sum.


# %%
def draw(p, darts):
    """For each dart in [0, 1), the index of the piece of the stick that it hits."""
    ends = mg.cumsum(p, 0)
    hits = (darts.unsqueeze(1) >= ends).sum(1)  # how many pieces end before the dart
    return hits.clamp(max=p.shape[0] - 1)  # rounding may leave the last end a little below 1


g = mg.Generator().manual_seed(lesson.seed)
p = P[0]
shares = {
    "our draw": draw(p, mg.rand(20_000, generator=g)),
    "multinomial": mg.multinomial(p, 20_000, replacement=True, generator=g),
}
for name, drawn in shares.items():
    share = shares[name] = mg.bincount(drawn, minlength=size) / 20_000
    print(f"{name:<12} largest difference from the probabilities: {(share - p).abs().max().item():.4f}")
    assert (share - p).abs().max().item() < 0.02

# %%
figure, axis = plt.subplots(figsize=(11, 3.8))
letters = [vocabulary.itos[i] for i in range(size)]
axis.bar(letters, p.tolist(), color=SKY, label="probability of the first letter")
for (name, share), marker, colour in zip(shares.items(), "ox", (BLUE, BLACK), strict=True):
    axis.plot(letters, share.tolist(), marker, color=colour, label=f"share of 20000 draws: {name}")
axis.set(title="drawing by the first row of the table", xlabel="letter", ylabel="share")
axis.legend(loc="upper right")
lesson.save(figure, "2_drawing")

# %% [markdown]
# The library's `multinomial` does the same. With it, a name is a short loop.


# %%
def sample(P, g):
    """One name, drawn from the table P of probabilities."""
    indices = [0]
    while len(indices) == 1 or indices[-1] != 0:
        indices.append(mg.multinomial(P[indices[-1]], 1, generator=g).item())
    return vocabulary.decode(indices[1:-1])


uniform = mg.ones((size, size), dtype=mg.float64) / size
g = mg.Generator().manual_seed(lesson.seed)
names = [sample(P, g) for _ in range(10)]
print("by the table:         ", ", ".join(names))
print("all letters as likely:", ", ".join(sample(uniform, g) for _ in range(4)))

# %% [markdown]
# The names by the table are bad, but look at the others. The table knows that vowels and consonants take
# turns and which letters end a name. What it cannot know is how far the name has come: it has forgotten
# everything but the last letter.
#
# ## 4. How good is it? One number
#
# To compare models we need a single figure. Look at what the model thought of letters that really came. For
# the pairs of `emma`, the probabilities in the table are these.

# %%
for a, b in pairs("emma"):
    probability = P[vocabulary.stoi[a], vocabulary.stoi[b]].item()
    print(f"{a}{b}: probability {probability:.4f}, its logarithm {math.log(probability):8.4f}")
likely = P[X, Y]  # for every bigram in the list, the probability that the table gives it
print(f"mean over all {X.shape[0]} bigrams: {likely.mean().item():.4f}; with no knowledge {1 / size:.4f}")

# %% [markdown]
# A good model gives high probabilities to what really happened. The probability of *all* that happened, the
# whole list as it is, is the product of these numbers. It is called the **likelihood** of the data. The
# best table is the one that makes it largest.
#
# As a number it is useless. A product of many factors below 1 is soon smaller than a computer can hold.

# %%
product, factors = mg.tensor(1.0), 0
while product.item() > 0:
    product = product * likely[factors].float()
    factors += 1
print(f"the product in float32 is exactly 0 after {factors} of {X.shape[0]} factors")
assert factors < 100

# %% [markdown]
# The logarithm helps. The logarithm of a product is the sum of the logarithms, and because the logarithm
# rises wherever its argument does, whatever makes the one largest makes the other largest. This sum is the
# **log likelihood**. Two touches more, all for convenience. Logarithms of probabilities are negative, so
# turn the sign: then small is good, as a **loss** should be. Divide by the number of bigrams, so that lists
# of different length can be compared. The result is the average **negative log likelihood**:
#
# $$ \text{loss} = -\frac{1}{n} \sum_{t=1}^{n} \ln P_{x_t\, y_t} $$
#
# It is measured in **nats**; a probability of 1/2 costs 0.69 of them, a probability of 1 costs nothing.


# %%
def loss_of(P, X, Y):
    """The average negative log likelihood of the bigrams (X, Y) by a table of probabilities."""
    return -P[X, Y].log().mean().item()


log_likelihood = P[X, Y].log().sum().item()
from_counts = loss_of(P, X, Y)
print(f"log likelihood {log_likelihood:.1f}; divided by {X.shape[0]} and with its sign turned {from_counts:.7f}")
lesson.compare("bigram.counts", "loss of the table of counts", 2.4540942, from_counts, "%.7f", 1e-4)

# %% [markdown]
# Ours differs from the published figure in the fourth decimal, and there is a reason. That one was summed
# in float32, one logarithm after the other. When the sum has come to half a million, float32 can only hold
# multiples of 1/32 there, so each new term, about 2.5, is rounded by up to 1/64. The same bigram is always
# rounded the same way, so these small errors do not cancel. Ours is summed in float64. Let us make the same
# mistake.

# %%
terms = (N.float() / N.float().sum(1, keepdim=True))[X, Y].log()
careless = -terms.numpy().cumsum()[-1] / X.shape[0]  # NumPy's running sum adds one after the other, in float32
careful = -terms.double().mean().item()
print(f"summed in float32 one by one: {careless:.7f}")
print(f"summed in float64:            {careful:.7f}")

# %% [markdown]
# Is 2.454 good? A scale helps. Knowing nothing means to give each of the 27 symbols the probability 1/27,
# which costs ln 27. Knowing only how frequent each symbol is, whatever comes before it, is the next step.
# Then comes our table.

# %%
frequencies = (counted.sum(0) / counted.sum()).expand(size, size)
ladder = {
    "knowing nothing": loss_of(uniform, X, Y),
    "frequencies of letters": loss_of(frequencies, X, Y),
    "bigrams": from_counts,
}
for name, loss in ladder.items():
    print(f"{name:<24} loss {loss:.4f} nats: as unsure as between {math.exp(loss):.1f} equally likely letters")
assert ladder["knowing nothing"] > ladder["frequencies of letters"] > ladder["bigrams"]

# %% [markdown]
# ## 5. What was never seen
#
# Which loss does the table give to a name of your own?


# %%
def loss_of_word(P, word):
    """The average negative log likelihood of one word."""
    indices = vocabulary.encode("." + word + ".")
    return loss_of(P, mg.tensor(indices[:-1]), mg.tensor(indices[1:]))


for word in ("maria", "andrejq", "zqx"):
    print(f"{word:<8} loss {loss_of_word(P, word):.3f}")

# %% [markdown]
# A single pair that is not in the list, such as j before q, has probability 0. The logarithm of 0 is minus
# infinity, and no other letter of the name can make up for that. The table does not say "this is rare". It
# says "this cannot be", and it has no right to: the list is finite, and a pair that is missing may just be
# a rare one.
#
# To see how often this happens, hold some names back. We shuffle the list, count in 80 % of it (the
# **train** set), and judge by 10 % of which the table has seen nothing (the **dev** set, for development;
# the last 10 % are for later lessons).


# %%
def count(words):
    """The table of counts of the bigrams in `words`."""
    x, y = datasets.contexts(words, vocabulary, block_size=1)
    return mg.bincount(x[:, 0] * size + y, minlength=size * size).view(size, size).double()


train_words, dev_words, _ = datasets.split(words, seed=42)
x, Ydev = datasets.contexts(dev_words, vocabulary, block_size=1)
Xdev = x[:, 0]
for length in (100, 300, 1000, len(train_words)):
    unseen = (count(train_words[:length])[Xdev, Ydev] == 0).sum().item()
    print(f"counted in {length:>5} names: {unseen:>4} of {Ydev.shape[0]} dev bigrams were never seen")

# %% [markdown]
# With the whole train set only a handful are missing (and one is enough for an infinite loss). With fewer
# names to count in, more are. So the trouble is a lack of data, and to see it well we count in only 300
# names from here on.
#
# The repair is called **smoothing**: pretend that every pair was seen k times more than it was. Then
# nothing has probability 0. The larger k, the more alike all the probabilities become; with a huge k the
# counts drown, and every letter is as likely as any other.
#
# $$ P_{ij} = \frac{N_{ij} + k}{\sum_l (N_{il} + k)} $$


# %%
def smoothed(N, k):
    """Probabilities from counts, each raised by k."""
    return (N + k) / (N + k).sum(1, keepdim=True)


few_words = train_words[:300]
N_few = count(few_words)
x, Yfew = datasets.contexts(few_words, vocabulary, block_size=1)
sets = {"train": (x[:, 0], Yfew), "dev": (Xdev, Ydev)}
ks = [10 ** (e / 4) for e in range(-12, 13)]
curves = {name: [loss_of(smoothed(N_few, k), *pairs) for k in ks] for name, pairs in sets.items()}
best_k = ks[curves["dev"].index(min(curves["dev"]))]
for k in (0.001, 0.1, 1.0, 10.0, 1000.0):
    losses = [loss_of(smoothed(N_few, k), *pairs) for pairs in sets.values()]
    print("k = {:<8g} train {:.4f}  dev {:.4f}".format(k, *losses))
print(f"smallest dev loss {min(curves['dev']):.4f}, at k = {best_k:.2f}")

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
for (name, curve), colour in zip(curves.items(), (SKY, PURPLE), strict=True):
    axis.plot(ks, curve, color=colour, label=f"{name}, counted in 300 names")
N_train = count(train_words)
all_names = [loss_of(smoothed(N_train, k), Xdev, Ydev) for k in ks]
axis.plot(ks, all_names, color=GREEN, label=f"dev, counted in {len(train_words)} names")
axis.axhline(ladder["knowing nothing"], color=BLACK, linestyle="--", linewidth=1.2, label="knowing nothing")
axis.plot(best_k, min(curves["dev"]), "o", color=PURPLE, label=f"best for 300 names: k = {best_k:.2g}")
axis.set(xscale="log", xlabel="counts added to every pair", ylabel="loss (nats)", title="smoothing", ylim=(2.2, 3.9))
axis.legend(loc="upper center", ncols=2)
lesson.save(figure, "3_smoothing")
print(f"counted in all train names: best dev loss {min(all_names):.4f}, with k = 1 {all_names[ks.index(1)]:.4f}")

# %% [markdown]
# On the train set any smoothing makes the loss worse: no table fits the counts better than the counts. On
# the dev set the loss has a valley. At its left the table believes too firmly in the little that it saw, at
# its right in nothing at all. Where the bottom lies has to be measured on names that were held back; the
# train set would always say k = 0.
#
# With 25000 names there are so many counts that it hardly matters: k = 1 is as good as any. The published
# experiment added 1 to the counts of the whole list. (Again summed in float32, hence the difference.)

# %%
P_one = smoothed(counted, 1)
what = "loss of the table with one count added"
lesson.compare("bigram.smoothed", what, 2.4543562, loss_of(P_one, X, Y), "%.7f", 3e-4)
for word in ("maria", "andrejq", "zqx"):
    print(f"{word:<8} loss {loss_of_word(P_one, word):.3f}")

# %% [markdown]
# ## 6. The same model as a network
#
# Now forget the counts. Take a layer of 27 x 27 random weights W, show it a first symbol, and let it guess
# the second.
#
# A layer multiplies by numbers, so what number is the letter e? Its index 5 will not do: that would say
# that e is five times a. So each symbol becomes a row of 27 zeros with a single 1 in its own place, a
# **one-hot** vector.

# %%
indices = mg.tensor(vocabulary.encode(".emma"))
by_hand = mg.zeros(5, size)
for row, index in enumerate(indices.tolist()):
    by_hand[row, index] = 1.0
assert (by_hand == F.one_hot(indices, num_classes=size).float()).all()
figure, axis = plt.subplots(figsize=(11, 2.6))
axis.imshow(by_hand.tolist(), cmap="Blues")
axis.set(xticks=range(size), xticklabels=letters, yticks=range(5), yticklabels=list(".emma"))
axis.set_title("the first symbols of emma's bigrams, one-hot")
lesson.save(figure, "4_one_hot")
print(f"shape {tuple(by_hand.shape)}, a single 1 in each row: {by_hand.sum(1).tolist()}")

# %% [markdown]
# What does `onehot @ W` give? Every weight is multiplied by 0, except those of one row, so the product *is*
# that row. The layer looks up row i of W, just as the table of counts looked up row i of P.
#
# Its 27 numbers can be of any sign, so they are no probabilities. But they can play the part of *logarithms
# of counts*. Such numbers are called **logits**. Raise e to their power, and all are positive, like counts.
# Divide by the sum, and they are probabilities. These two steps together are the **softmax**:
#
# $$ P_{ij} = \frac{e^{W_{ij}}}{\sum_k e^{W_{ik}}} $$


# %%
def random_weights():
    """A layer of 27 x 27 weights, normally distributed."""
    g = mg.Generator().manual_seed(lesson.seed)
    return mg.randn((size, size), generator=g, requires_grad=True)


W = random_weights()
onehot = F.one_hot(X, num_classes=size).float()  # (N, 27)
logits = onehot @ W
assert (logits == W[X]).all()  # the product looks rows up
pretended = logits.exp()
probabilities = pretended / pretended.sum(1, keepdim=True)
assert (probabilities - F.softmax(logits, dim=1)).abs().max().item() < 1e-6
loss = -probabilities[mg.arange(Y.shape[0]), Y].log().mean()
library = F.cross_entropy(logits, Y)
print(f"loss of random weights {loss.item():.4f}, by the library's cross_entropy {library.item():.4f}")
assert abs(loss.item() - library.item()) < 1e-5

# %% [markdown]
# The loss is the same as before, the average negative log likelihood; for probabilities from a softmax it
# goes by the name of **cross-entropy**. Everything from W to the loss is made of operations that have
# gradients. So descend. The learning rate of 50 looks wild, but the loss is a mean over all bigrams, and
# each of the 729 weights has only a small share in it.


# %%
def descend(loss_of_weights, steps, label, lr=50.0):
    """Gradient descent from random weights; returns the weights and the loss of every step."""
    W, losses = random_weights(), []
    for _ in lesson.progress(steps, label):
        loss = loss_of_weights(W)
        W.grad = None
        loss.backward()
        W.data += -lr * W.grad
        losses.append(loss.item())
    return W, losses


few = min(steps, 20 if lesson.quick else 100)
W_onehot, onehot_losses = descend(lambda W: F.cross_entropy(onehot @ W, Y), few, "one-hot")
for step in sorted({0, min(9, few - 1), few - 1}):
    print(f"step {step:>3}: loss {onehot_losses[step]:.4f}")
print(f"the table of counts: {from_counts:.4f}")

# %% [markdown]
# It goes where the counts are. Why? Take the gradient of cross-entropy: a single bigram pushes the logit of
# the letter that came with $P - 1$, and the logit of every other letter with its $P$. Add this up over all
# bigrams. With $n_i$ bigrams that begin with symbol i, out of n in all, it is
#
# $$ \frac{\partial\, \text{loss}}{\partial W_{ij}} = \frac{n_i P_{ij} - N_{ij}}{n} $$
#
# Both terms are counts. $n_i P_{ij}$ is how many pairs ij the network *expects* among its $n_i$ chances;
# $N_{ij}$ is how many there *are*. Where it expects too many, the weight goes down; where it expects too
# few, up. It comes to rest when both agree everywhere, and that is exactly $P_{ij} = N_{ij} / n_i$. The
# descent searches for the table of counts.

# %%
W = random_weights()
F.cross_entropy(onehot @ W, Y).backward()
P_net = F.softmax(W.detach(), dim=1).double()
n_i = counted.sum(1, keepdim=True)
formula = (n_i * P_net - counted) / counted.sum()
difference = (formula - W.grad).abs().max().item()
print(f"largest gradient {W.grad.abs().max().item():.4f}; largest difference from the formula {difference:.1e}")
assert difference < 1e-6

# %% [markdown]
# The formula also says that the 228146 rows of one-hots are a waste: the loss depends on the bigrams only
# through the 729 counts. Weigh the logarithm of each probability by how often its pair occurs, and the loss
# is the same at a fraction of the cost. So we can afford to walk for longer.


# %%
def counted_loss(N):
    """The same loss as a function of the weights, from the counts N of all pairs."""
    weights = (N / N.sum()).float()
    return lambda W: -(weights * F.log_softmax(W, dim=1)).sum()


assert abs(counted_loss(counted)(W).item() - F.cross_entropy(onehot @ W, Y).item()) < 1e-5
W, net_losses = descend(counted_loss(counted), steps, "counts as weights")
apart = max(abs(a - b) for a, b in zip(onehot_losses, net_losses, strict=False))
print(f"largest difference of the two runs over {few} steps: {apart:.1e}")
assert apart < 1e-4
for step in [s for s in (0, 10, 100, 1000, 10_000) if s < steps] + [steps - 1]:
    print(f"step {step:>5}: loss {net_losses[step]:.5f}, above the counts by {net_losses[step] - from_counts:.5f}")

# %% [markdown]
# The published network stops at about 2.46, next to the 2.454 of its table. Walking on shows that this is
# no coincidence: the gap keeps shrinking. It never quite closes, because a pair that never occurs should
# get probability 0, and for that its weight would have to reach minus infinity.

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.6))
gap = [loss - from_counts for loss in net_losses]
axes[0].plot(range(1, len(gap) + 1), gap, color=BLUE)
axes[0].set(xscale="log", yscale="log", xlabel="training step", ylabel="loss above that of the counts (nats)")
axes[0].set_title("the network approaches the table of counts")
P_net = F.softmax(W.detach(), dim=1).double()
axes[1].axline((1e-4, 1e-4), slope=1, color=BLACK, linewidth=1)
axes[1].plot(P.flatten().tolist(), P_net.flatten().tolist(), ".", color=BLUE, markersize=4)
axes[1].set(xscale="log", yscale="log", xlim=(1e-5, 1), ylim=(1e-5, 1), title="the probabilities of 729 pairs")
axes[1].set(xlabel="by counting", ylabel="by descending")
lesson.save(figure, "5_network_and_counts")
print(f"largest difference of two probabilities: {(P_net - P).abs().max().item():.4f}")

# %% [markdown]
# So the two models are one. Why then bother with networks? Because the table cannot grow. With two letters
# to look back at it has 729 rows, with ten letters 206 million million. A network can be given more letters
# without a row for each combination, and the descent stays the same.
#
# ## 7. Regularisation is smoothing
#
# What is smoothing, for a network that has no counts? Think of weights that are all zero. Then all logits
# are equal and so are all probabilities, as with a huge k. So pull the weights towards zero, a little: add
# to the loss a penalty on their size,
#
# $$ \text{loss} + \lambda \cdot \frac{1}{729} \sum_{ij} W_{ij}^2 . $$
#
# Adding something to the loss to keep a model modest is called **regularisation**; this kind is also known
# as **weight decay**. Does it do what smoothing does? Where the descent comes to rest, the gradient is
# zero, so
#
# $$ n_i P_{ij} = N_{ij} - c\, W_{ij} \quad\text{with}\quad c = \frac{2 \lambda n}{729} . $$
#
# Read it slowly. The network expects the counts that were seen *plus* $-c\, W_{ij}$. A rare pair has a
# negative weight, so it is given counts that it never had; a frequent pair has a positive weight and loses
# some. The penalty adds counts.


# %%
def regularised(N, strength):
    """The loss from counts, with a penalty on the mean square of the weights."""
    data = counted_loss(N)
    return lambda W: data(W) + strength * (W**2).mean()


strength = 0.03
W, _ = descend(regularised(N_few, strength), steps, "regularised")
W = W.detach().double()
P_net, n_i = F.softmax(W, dim=1), N_few.sum(1, keepdim=True)
added = n_i * P_net - N_few  # what the network expects beyond what was seen
c = 2 * strength * N_few.sum().item() / size**2
distance = (added - -c * W).abs().max().item()
print(f"c = {c:.3f}: counts added from {added.min().item():.2f} to {added.max().item():.2f}")
print(f"largest difference between the counts added and -c W: {distance:.5f}")
unseen = added[N_few == 0].mean().item()
print(f"a pair that was never seen gets {unseen:.2f} counts on average")

# %% [markdown]
# And smoothing with k? It turns an expected count of $N_{ij}$ into $n_i (N_{ij} + k) / (n_i + 27 k)$. The
# difference can be written as $k\,(1 - 27 P_{ij})$, with the smoothed probability: k for a pair with hardly
# any, nothing for a pair as likely as 1/27, and a loss for the frequent ones. Here are both, for the k that
# gives unseen pairs as many counts on average.


# %%
def added_by(k):
    """The counts that smoothing by k adds to each pair, row sums unchanged."""
    return n_i * smoothed(N_few, k) - N_few


k = min((j / 1000 for j in range(1, 1000)), key=lambda k: abs(added_by(k)[N_few == 0].mean().item() - unseen))
P_k = smoothed(N_few, k)
assert (added_by(k) - k * (1 - size * P_k)).abs().max().item() < 1e-9
losses = [loss_of(table, Xdev, Ydev) for table in (P_net, P_k, smoothed(N_few, 1e-3))]
print(f"k = {k:.3f}: unseen pairs get {added_by(k)[N_few == 0].mean().item():.2f} counts on average")
print("dev loss: penalty {:.4f}, counts added {:.4f}; with next to none of either {:.4f}".format(*losses))

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.8))
for name, table, counts_added, colour in (
    (f"adding {k:.2f} counts", P_k, added_by(k), ORANGE),
    (f"penalty {strength}", P_net, added, GREEN),
):
    axes[0].plot(table.flatten().tolist(), counts_added.flatten().tolist(), ".", color=colour, label=name)
axes[0].axhline(0, color=BLACK, linewidth=1)
axes[0].set(xscale="log", xlabel="probability of the pair in the model", ylabel="counts added")
axes[0].set_title("what each adds to a pair's count")
axes[0].legend(loc="lower left")
axes[1].axline((1e-3, 1e-3), slope=1, color=BLACK, linewidth=1)
axes[1].plot(P_k.flatten().tolist(), P_net.flatten().tolist(), ".", color=GREEN, markersize=4)
axes[1].set(xscale="log", yscale="log", title="the probabilities of 729 pairs", xlim=(5e-4, 1), ylim=(5e-4, 1))
axes[1].set(xlabel=f"{k:.2f} counts added", ylabel=f"penalty {strength}")
lesson.save(figure, "6_counts_added")

# %% [markdown]
# Not the same curve, but the same act: rare pairs are raised, frequent ones lowered. What is each worth on
# names never seen? Try a range of both.

# %%
strengths = [10 ** (e / 2) for e in range(-8, 3)]
penalised = {"train": [], "dev": []}
for strength in strengths:
    W, _ = descend(regularised(N_few, strength), max(1, steps // 2), f"penalty {strength:.2g}")
    table = F.softmax(W.detach(), dim=1).double()
    for name, curve in penalised.items():
        curve.append(loss_of(table, *sets[name]))
best = strengths[penalised["dev"].index(min(penalised["dev"]))]
print(f"smallest dev loss by adding counts:  {min(curves['dev']):.4f}, at k = {best_k:.2f}")
print(f"smallest dev loss by penalty:        {min(penalised['dev']):.4f}, at a strength of {best:.2g}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharey=True)
for axis, settings, family in ((axes[0], ks, curves), (axes[1], strengths, penalised)):
    for (name, curve), colour in zip(family.items(), (SKY, PURPLE), strict=True):
        axis.plot(settings, curve, color=colour, label=name)
    axis.axhline(ladder["knowing nothing"], color=BLACK, linestyle="--", linewidth=1.2, label="knowing nothing")
    axis.set(xscale="log")
axes[0].set(title="adding counts", xlabel="counts added to every pair", ylabel="loss (nats)")
axes[1].set(title="penalty on the weights", xlabel="strength of the penalty")
axes[0].legend(loc="lower right")
lesson.save(figure, "7_two_ways_to_smooth")

# %% [markdown]
# Is there a penalty that does *exactly* what adding counts does? Yes. Added counts are k extra bigrams of
# every kind, so they add to the loss what such bigrams cost: $-\frac{k}{n} \sum_{ij} \ln P_{ij}$. A network
# with that penalty must come to rest at the smoothed table. It does. And now the target is no longer
# infinitely far away, so it gets there.

# %%
k, n = 1.0, counted.sum().item()
data = counted_loss(counted)
W, _ = descend(lambda W: data(W) - k / n * F.log_softmax(W, dim=1).sum(), steps, "counts as a penalty")
P_net, P_k = F.softmax(W.detach(), dim=1).double(), smoothed(counted, k)
print(f"loss: network {loss_of(P_net, X, Y):.6f}, table with one count added {loss_of(P_k, X, Y):.6f}")
print(f"largest difference of two probabilities: {(P_net - P_k).abs().max().item():.1e}")

# %% [markdown]
# Last, the names that the network draws, next to those of the smoothed table. They are drawn with the same
# random numbers, so if the models are the same, so are the names.

# %%
drawn = {}
for name, table in (("table", P_k), ("network", P_net)):
    g = mg.Generator().manual_seed(lesson.seed)
    drawn[name] = [sample(table, g) for _ in range(8)]
    print(f"{name:<8}", ", ".join(drawn[name]))
same = sum(a == b for a, b in zip(drawn["table"], drawn["network"], strict=True))
print(f"{same} of 8 names are the same")

# %% [markdown]
# ## What to keep
#
# - **A model of the next letter is a table of probabilities**, one row per situation. Sampling walks
#   through it.
# - **The loss is the average negative log likelihood**: how surprised the model is, per letter, by what
#   really came. Compare it with ln 27, the loss of knowing nothing.
# - **Gradient descent on this loss counts.** The gradient is what the model expects minus what there is.
# - **Never seen is not impossible.** Adding counts, or pulling weights to zero, keeps every door open a
#   little; how much is decided on data held back.
#
# ## Exercises
#
# 1. *Look back two letters.* Count trigrams: 729 rows of 27. What are the losses on the train and dev sets,
#    which k is best now, and why does the choice matter more?
# 2. *Backwards.* Turn every name round and count again. Predict first: is the loss larger, smaller, or the
#    same? Why?
# 3. *No one-hots.* Replace `onehot @ W` by `W[X]`. Are the gradients the same, and how much time does a
#    step take?
#
# Answers run in `answers/08_bigrams.py`.

# %%
lesson.summary()
