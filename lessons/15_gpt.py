# %% [markdown]
# # A small transformer: letters that choose what to look at
#
# All networks so far treat the letters before the next one by their *place*. The tree of lesson 14 joins
# the first letter with the second, the third with the fourth, whatever they are. But what matters depends
# on what is there: after a `q` nearly nothing else counts, and in the middle of a long name it may be the
# letter it began with.
#
# In this lesson each letter decides by itself how much it takes from every letter before it. That is called
# **self-attention**. We begin with a plain average, make it a weighted one, and let the weights be computed
# from the letters. Around it we build, one piece at a time, a **transformer**, the kind of network that
# large language models are; the name GPT stands for generative pre-trained transformer. Ours is about a
# million times smaller. It invents names, and then learns from a text, which may be one of your own.
#
# From earlier lessons you need the embedding (9), the softmax and the loss (8), layer norm (6), skip
# connections (14), and modules and optimisers (3).

# %%
import math
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, VERMILLION, Lesson, block_means

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("15_gpt", seed=1337)
steps = lesson.steps(full=2_000, quick=40)
TEXT = os.environ.get("MINIGRAD_TEXT")  # or write here the path of a plain-text file, such as "letters.txt"
print(f"training runs of {steps} steps and one of {5 * steps // 2}, seed {lesson.seed}, text: {TEXT or 'the one below'}")

# %% [markdown]
# ## 1. One row for each name
#
# Until now a name of seven letters was cut into eight examples, each with a context of its own. That
# repeats a lot of work. Here a name is *one* row. In the row X stand the dot and the letters, in the row Y
# the symbol that follows each of them. At every place the network shall guess that symbol from all the
# places up to there.
#
# Rows must be equally long, so short names are filled up, X with dots and Y with -1, which says: nothing to
# guess here. `cross_entropy` leaves such places out with `ignore_index=-1`.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size, T = len(vocabulary), 1 + max(map(len, words))


def rows(words):
    """Inputs and targets, each of shape (names, T)."""
    X, Y = mg.zeros(len(words), T).long(), mg.zeros(len(words), T).long() - 1
    for i, word in enumerate(words):
        codes = mg.tensor(vocabulary.encode(word + "."))
        X[i, 1 : len(codes)] = codes[:-1]
        Y[i, : len(codes)] = codes
    return X, Y


X, Y = rows(["emma"])
print("X:", X[0].tolist(), "\nY:", Y[0].tolist())

# %% [markdown]
# The places with something to guess are exactly the examples of the earlier lessons, so losses can be
# compared.

# %%
(Xtr, Ytr), (Xdev, Ydev), (_, Ytest) = (rows(part) for part in datasets.split(words, seed=42))
examples = [(targets >= 0).sum().item() for targets in (Ytr, Ydev, Ytest)]
lesson.compare("names.split", "symbols to guess in train, dev, test", [182625, 22655, 22866], examples, "%d")
print(f"rows of {T}: train {tuple(Xtr.shape)}, dev {tuple(Xdev.shape)}")

# %% [markdown]
# ## 2. The past as an average
#
# What should a place know of the places before it? The simplest answer is their mean. Take made-up numbers:
# B names of T places with C numbers each. The new value at place t is the mean of the old ones at places 0
# to t. What comes later must not be looked at: it is what is to be guessed. In two loops:


# %%
def average_by_loops(x):
    """At every place the mean of the values up to there."""
    B, T, _ = x.shape
    out = mg.zeros(*x.shape)
    for b in range(B):
        for t in range(T):
            out[b, t] = x[b, : t + 1].mean(0)
    return out


x = mg.randn((4, 8, 2), generator=mg.Generator().manual_seed(lesson.seed))
by_loops = average_by_loops(x)
print("first column of x:       ", " ".join(f"{value:5.2f}" for value in x[0, :, 0].tolist()))
print("its mean up to each place:", " ".join(f"{value:5.2f}" for value in by_loops[0, :, 0].tolist()))

# %% [markdown]
# A mean is a sum with weights, and sums with weights are a matrix product. Row t of the matrix says what
# place t takes from each place: 1/(t + 1) from those up to t, nothing from the others. The matrix is
# **triangular**.

# %%
lower = mg.tril(mg.ones(8, 8))
weights = lower / lower.sum(1, keepdim=True)
by_matrix = weights @ x  # (8, 8) @ (4, 8, 2): the same for every name
assert mg.allclose(by_matrix, by_loops, atol=1e-6)
for row in weights[:4].tolist():
    print(" ".join(f"{value:.2f}" for value in row))

# %% [markdown]
# Now a third way to the same numbers, which looks like a detour. Begin with a **score** for each pair of
# places, here all zero. Set the scores of forbidden pairs to minus infinity. Then turn each row into
# weights by a softmax. As e to the power of minus infinity is 0, and e to the power of 0 is 1, each row
# ends up with equal weights on what is allowed. Setting the scores to minus infinity is called **masking**.

# %%
future = lower == 0
scores = mg.zeros(8, 8).masked_fill(future, -math.inf)
by_softmax = F.softmax(scores, dim=1) @ x
assert mg.allclose(by_softmax, by_loops, atol=1e-6)
for name, function in (("loops", lambda: average_by_loops(x)), ("softmax", lambda: F.softmax(scores, dim=1) @ x)):
    start = time.perf_counter()
    for _ in range(20):
        function()
    print(f"{name}: {1e6 * (time.perf_counter() - start) / 20:.0f} microseconds")

# %% [markdown]
# The detour is the point. The scores were all zero, so everybody got the same. Put other numbers there, and
# the softmax makes a weighted mean of them, whatever they are. So the question is: which scores?
#
# ## 3. Scores from the letters
#
# Let every place send out two vectors of d numbers. One is its **query**: what am I looking for? The other
# is its **key**: what do I contain? The score of a pair is the dot product of the query of the one with the
# key of the other: large where the two agree. What is passed on is a third vector, the **value**. All three
# are computed from x by matrices that are learned:
#
# $$ Q = x W_Q, \quad K = x W_K, \quad V = x W_V, \qquad
# \text{attention}(Q, K, V) = \text{softmax}\left(\frac{Q K^\top}{\sqrt{d}} + \text{mask}\right) V $$


# %%
def attention(q, k, v):
    """Queries, keys and values (..., T, d): for each place a mean of the values up to it, and the weights used."""
    T, d = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(d)  # (..., T, T)
    future = mg.tril(mg.ones(T, T)) == 0
    weights = F.softmax(scores.masked_fill(future, -math.inf), dim=-1)
    return weights @ v, weights


g = mg.Generator().manual_seed(lesson.seed)
x = mg.randn((4, 8, 32), generator=g)
W_Q, W_K, W_V = (mg.randn((32, 16), generator=g) / 32**0.5 for _ in range(3))
out, weights = attention(x @ W_Q, x @ W_K, x @ W_V)
print(f"{tuple(x.shape)} -> {tuple(out.shape)}; the weights of each place add up to", end=" ")
print(f"{weights.sum(-1).min().item():.4f} ... {weights.sum(-1).max().item():.4f}")
assert mg.equal(out[:, 0], (x @ W_V)[:, 0])  # the first place has only itself to look at

# %% [markdown]
# Why divide by √d? For the reason that lesson 10 gave for weights. A dot product adds up d products of
# variance 1, so its standard deviation is √d. With large scores the softmax puts nearly everything on a
# single place, at the start of training on an arbitrary one, and passes hardly any gradient to the others.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
for axis, d in zip(axes, (1, 16, 256), strict=True):
    q, k = mg.randn((1000, d), generator=g), mg.randn((8, d), generator=g)
    products = q @ k.T
    for scores, colour, shift, name in ((products, VERMILLION, -0.2, "q k"), (products / d**0.5, GREEN, 0.2, "q k / √d")):
        sorted_weights = F.softmax(scores, dim=1).sort(dim=1, descending=True).values.mean(0).tolist()
        axis.bar([i + 1 + shift for i in range(8)], sorted_weights, width=0.4, color=colour, label=name)
    axis.set(title=f"d = {d}: q k has std {products.std().item():.1f}", xlabel="places, largest weight first", ylim=(0, 1))
    print(f"d = {d}: mean largest weight {F.softmax(products, dim=1).amax(1).mean().item():.2f}", end="")
    print(f", after division {F.softmax(products / d**0.5, dim=1).amax(1).mean().item():.2f}")
axes[0].set_ylabel("mean weight")
axes[0].legend(loc="upper right")
lesson.save(figure, "1_why_divide")

# %% [markdown]
# Two things are easily overlooked. First, attention is *between* places only; each name of the batch is on
# its own. Second, there is no notion of order in it. The last place takes a weighted mean, and a mean does
# not care in which order its terms come. Shuffle the places before the last, and the last gets the same:

# %%
shuffled = x[:, [3, 0, 6, 2, 5, 1, 4, 7]]
again, _ = attention(shuffled @ W_Q, shuffled @ W_K, shuffled @ W_V)
print(f"last place, shuffled or not: largest difference {(again[:, 7] - out[:, 7]).abs().max().item():.1e}")
assert mg.allclose(again[:, 7], out[:, 7], atol=1e-5)

# %% [markdown]
# So to attention `aidn` and `dian` would be the same. If order is to count, it must be written into x: to
# the embedding of each letter we add an embedding of its place, learned like the other. We shall see what
# it is worth.
#
# ### Several heads
#
# One set of weights means that a place can ask one question at a time. A vowel three places back, and the
# first letter of the name? For that it takes two. So split the numbers in parts, called **heads**, let each
# do attention on its own, put the results side by side, and mix them by one more matrix. The costs stay the
# same.


# %%
def several_heads(x, W, b, W_out, b_out, heads):
    """Attention by several heads; W holds the matrices for queries, keys and values one below the other."""
    q, k, v = (x @ W.T + b).chunk(3, dim=-1)  # each (B, T, C)
    width = q.shape[-1] // heads
    parts = [attention(*head)[0] for head in zip(q.split(width, -1), k.split(width, -1), v.split(width, -1), strict=True)]
    return mg.cat(parts, dim=-1) @ W_out.T + b_out


mg.manual_seed(lesson.seed)
C, heads = 32, 4
W, b = mg.randn(3 * C, C) / C**0.5, mg.randn(3 * C)
W_out, b_out = mg.randn(C, C) / C**0.5, mg.randn(C)
ours = several_heads(x, W, b, W_out, b_out, heads)
print(f"{heads} heads of {C // heads} numbers: {tuple(x.shape)} -> {tuple(ours.shape)}")

# %% [markdown]
# ### The library's
#
# The library has both. `F.scaled_dot_product_attention` is our `attention`, computed in one go; with
# `is_causal=True` it masks the future. `nn.MultiheadAttention` is our `several_heads`, as a layer with its
# own weights. It wants to be told what *not* to look at: `True` in its mask means forbidden. Give it our
# weights and compare.

# %%
library = nn.MultiheadAttention(C, heads, batch_first=True)
with mg.no_grad():
    library.in_proj_weight.copy_(W)
    library.in_proj_bias.copy_(b)
    library.out_proj.weight.copy_(W_out)
    library.out_proj.bias.copy_(b_out)
theirs, _ = library(x, x, x, attn_mask=future, need_weights=False)
q, k, v = x @ W_Q, x @ W_K, x @ W_V
differences = (
    (attention(q, k, v)[0] - F.scaled_dot_product_attention(q, k, v, is_causal=True)).abs().max().item(),
    (ours - theirs).abs().max().item(),
)
print("largest differences, one head {:.1e}, several heads {:.1e}".format(*differences))
assert max(differences) < 1e-4

# %% [markdown]
# The gradients agree as well. From here on we use the library's.

# %%
gradients = []
for function in (lambda x: attention(x, x, x)[0], lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)):
    leaf = x.clone().requires_grad_()
    (function(leaf) ** 2).sum().backward()
    gradients.append(leaf.grad)
print(f"largest difference of the gradients: {(gradients[0] - gradients[1]).abs().max().item():.1e}")
assert mg.allclose(*gradients, rtol=1e-4, atol=1e-4)

# %% [markdown]
# ## 4. The block
#
# Attention only passes things around: what arrives is a mean of values, and no nonlinear function has been
# applied to these. Something has to be *made* of them. So behind attention comes a small MLP with one
# hidden layer, applied at each place on its own. Attention is where places talk, the MLP where each thinks
# about what it heard. The two together are a **block**, and a transformer is a stack of blocks.
#
# First attention, as a layer that brings its mask along. Which pairs are masked is no parameter but belongs
# to the layer, so it is a buffer, as the running statistics of batch norm were.


# %%
class Look(nn.Module):
    """Attention of every place to those up to it."""

    def __init__(self, width, heads, length):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.register_buffer("future", mg.triu(mg.ones(length, length), diagonal=1) == 1)

    def forward(self, x, need_weights=False):
        mask = self.future[: x.shape[1], : x.shape[1]]
        return self.attention(x, x, x, attn_mask=mask, need_weights=need_weights, average_attn_weights=False)


out, weights = Look(32, 4, T)(mg.randn(5, T, 32), need_weights=True)
print(f"output {tuple(out.shape)}, weights of the four heads {tuple(weights.shape)}")

# %% [markdown]
# Then the block. Its switches are for the experiments that follow: without MLP, without skip connections,
# without layer norm. Layer norm stands *before* attention and before the MLP, and the skip goes around
# both, so that the path past all blocks stays clear. **Dropout** is explained in section 7; for now its
# share is 0 and it does nothing.


# %%
class Block(nn.Module):
    """Attention between the places, then an MLP at each place."""

    def __init__(self, width, heads, length, mlp=True, skip=True, norm=True, dropout=0.0):
        super().__init__()
        inner = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.look, self.mlp = Look(width, heads, length), inner if mlp else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norm else nn.Identity() for _ in range(2))
        self.dropout, self.skip = nn.Dropout(dropout), skip

    def forward(self, x):
        y = self.dropout(self.look(self.norms[0](x))[0])
        x = x + y if self.skip else y
        if self.mlp is not None:
            y = self.dropout(self.mlp(self.norms[1](x)))
            x = x + y if self.skip else y
        return x


print(f"parameters of a block: {sum(p.numel() for p in Block(32, 4, T).parameters())}")

# %% [markdown]
# And the transformer: embeddings, blocks, one more layer norm, and a linear layer that makes the logits.


# %%
class Transformer(nn.Module):
    """Logits (B, T, symbols) of what follows at each place of (B, T) codes; T is at most `length`."""

    def __init__(self, symbols, length, width=32, heads=4, blocks=4, places=True, norm=True, dropout=0.0, **switches):
        super().__init__()
        self.length, self.dropout = length, nn.Dropout(dropout)
        self.letters = nn.Embedding(symbols, width)
        self.places = nn.Embedding(length, width) if places else None
        stack = (Block(width, heads, length, norm=norm, dropout=dropout, **switches) for _ in range(blocks))
        self.blocks = nn.Sequential(*stack)
        self.logits = nn.Sequential(nn.LayerNorm(width) if norm else nn.Identity(), nn.Linear(width, symbols))

    def embed(self, X):
        return self.letters(X) if self.places is None else self.letters(X) + self.places(mg.arange(X.shape[1]))

    def forward(self, X):
        return self.logits(self.blocks(self.dropout(self.embed(X))))


mg.manual_seed(lesson.seed)
model = Transformer(size, T)
print(f"{tuple(Xtr[:5].shape)} -> {tuple(model(Xtr[:5]).shape)}, {sum(p.numel() for p in model.parameters())} parameters")

# %% [markdown]
# One thing must be checked in every such model: that no place can see the future. Change the last letters
# of a row, and the logits before them must not move.

# %%
changed = Xtr[:5].clone()
changed[:, 4:] = 7
moved = (model(changed) - model(Xtr[:5])).abs().amax((0, 2))
print("largest change of the logits at each place:", " ".join(f"{value:.1f}" for value in moved[:8].tolist()))
assert moved[:4].max().item() == 0 < moved[4].item()

# %% [markdown]
# ## 5. Piece by piece
#
# Now train, from the simplest model to the whole, and let each piece show what it is worth. A step takes 32
# names. The optimiser is **AdamW**, Adam with weight decay: it divides each parameter's step by the recent
# size of that parameter's gradient, so that all move at a similar pace, and it pulls all of them a little
# towards zero. Transformers train badly with plain SGD. The learning rate climbs to its full value in the
# first hundred steps, and then falls to zero in a straight line.


# %%
def loss_of(model, X, Y):
    """Cross-entropy over all places with something to guess."""
    return F.cross_entropy(model(X).flatten(0, 1), Y.flatten(), ignore_index=-1)


@mg.no_grad()
def evaluate(model, X, Y):
    """The loss over all rows, 500 at a time, in evaluation mode."""
    model.eval()
    pieces = [(loss_of(model, x, y).item(), (y >= 0).sum().item()) for x, y in zip(X.split(500), Y.split(500), strict=True)]
    model.train()
    return sum(loss * count for loss, count in pieces) / sum(count for _, count in pieces)


few = Xtr[:2500], Ytr[:2500]  # enough for the train loss
print(f"before training: train {evaluate(model, *few):.3f}, dev {evaluate(model, Xdev, Ydev):.3f}")


# %%
def train(model, X, Y, label, steps, batch=32, lr=2e-3, watch=None):
    """Trains in place; returns the loss of every step. `watch` is called at ten moments with the step."""
    g = mg.Generator().manual_seed(lesson.seed)
    optimizer, losses, start = optim.AdamW(model.parameters(), lr=lr), [], time.perf_counter()
    for step in lesson.progress(steps, label):
        optimizer.param_groups[0]["lr"] = lr * min(1, (step + 1) / 100) * (1 - step / steps)
        ix = mg.randint(0, len(X), (batch,), generator=g)
        loss = loss_of(model, X[ix], Y[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if watch and (step + 1) % max(1, steps // 10) == 0:
            watch(step + 1)
    count = sum(p.numel() for p in model.parameters())
    print(f"{label}: {count} parameters, {len(losses)} steps in {time.perf_counter() - start:.0f} s")
    return losses


# %%
losses, final = {}, {}


def run(name, steps=steps, scale=1.0, **choices):
    """Builds, trains and measures a model of names; `scale` multiplies the weights of the `nn.Linear`s."""
    mg.manual_seed(lesson.seed)
    model = Transformer(size, T, **choices)
    with mg.no_grad():
        for layer in model.blocks.modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= scale
    losses[name] = train(model, Xtr, Ytr, name, steps)
    final[name] = evaluate(model, *few), evaluate(model, Xdev, Ydev)
    print("  train loss {:.4f}, dev loss {:.4f}".format(*final[name]))
    return model


# %%
bare = {"places": False, "mlp": False, "skip": False, "norm": False, "blocks": 1}
run("letter alone", **(bare | {"blocks": 0}))
run("one head", **(bare | {"heads": 1}))
run("places", **(bare | {"heads": 1, "places": True}))
run("four heads", **(bare | {"places": True}))
run("MLP", places=True, skip=False, norm=False, blocks=1)
print(f"all pieces together: dev loss better by {final['letter alone'][1] - final['MLP'][1]:.4f}")

# %% [markdown]
# Without any block a place knows only its own letter. That is the bigram model of lesson 8, and it comes
# near its loss. Then each piece brings something: the first head the most, the other three heads nearly as
# much again, the places and the MLP about a third of that. Now stack four such blocks.

# %%
run("four blocks", skip=False, norm=False)
run("skips", norm=False)
print(f"dev loss of four blocks without skips {final['four blocks'][1]:.3f}, with {final['skips'][1]:.3f}")

# %% [markdown]
# Lesson 14 once more: stacked plainly, four blocks are worse than one. With skips they are far better.
#
# And layer norm? It takes each place's numbers, subtracts their mean and divides by their standard
# deviation. (Batch norm would do the same for each number over all places and names. Here names have
# different lengths, and the filled-up places would be counted in.)

# %%
run("layer norm")
print(f"dev loss without {final['skips'][1]:.4f}, with layer norm {final['layer norm'][1]:.4f}")

# %% [markdown]
# Nothing gained! That should not surprise readers of lesson 10. The library's layers start with weights of
# a sensible size, four blocks are not many, and a good start needs no repair. What a norm is for shows when
# the start is bad. Multiply by 3 the weights of all linear layers in the blocks but the one that makes the
# queries, keys and values.

# %%
short = max(1, steps // 5)
run("weights * 3", short, scale=3.0, norm=False)
run("weights * 3, layer norm", short, scale=3.0)
print("first losses {:.1f} and {:.1f}".format(*(losses[name][0] for name in ("weights * 3", "weights * 3, layer norm"))))
assert losses["weights * 3"][0] > 10 > losses["weights * 3, layer norm"][0]

# %% [markdown]
# Without layer norm every block makes its output several times as wide as its input, and four of them make
# logits in the hundreds. With it each block sees numbers of the same width, whatever came before. The
# deeper the network, the less can be left to a good start.

# %%
chosen = (("letter alone", BLACK), ("MLP", ORANGE), ("four blocks", VERMILLION), ("skips", GREEN), ("layer norm", BLUE))
curves = {name: block_means(losses[name], 40) for name, _ in chosen}
settled = [loss for _, means in curves.values() for loss in means[len(means) // 10 :]]  # the start would take all the room
print("ten means:", " ".join(f"{value:.2f}" for value in block_means(losses["skips"], 10)[1]))

# %%
ladder = ["letter alone", "one head", "places", "four heads", "MLP", "four blocks", "skips", "layer norm"]
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4), width_ratios=[1, 1.1])
axes[0].plot([final[name][1] for name in ladder], ladder, "o", color=BLUE, markersize=10)
for i, name in enumerate(ladder):
    axes[0].text(final[name][1], i, f"   {final[name][1]:.3f}", va="center")
axes[0].set(xlabel="dev loss (nats)", title=f"one piece more each, {steps} steps")
axes[0].margins(x=0.2)
axes[0].grid(axis="y", color="0.9")
axes[0].invert_yaxis()
for name, colour in chosen:
    axes[1].plot(*curves[name], color=colour, label=name)
axes[1].set(ylim=(min(settled) - 0.05, max(settled) + 0.05), title="training")
axes[1].set(xlabel="training step", ylabel="loss of the minibatches (nats)")
axes[1].legend(loc="upper right")
lesson.save(figure, "2_piece_by_piece")
print("best:", min(ladder, key=lambda name: final[name][1]))

# %% [markdown]
# ## 6. Names
#
# Now the whole thing, twice as wide, and trained for longer.

# %%
model = run("the whole, wider", 5 * steps // 2, width=64)
earlier = {"lesson 8, bigrams": 2.45, "lesson 10, MLP, three letters": 2.10, "lesson 14, tree, eight letters": 2.01}
for name, loss in earlier.items():
    print(f"{name:<32} dev loss about {loss:.2f} after its full run")
print(f"{'this transformer, all letters':<32} dev loss {final['the whole, wider'][1]:.4f} after {5 * steps // 2} steps")

# %% [markdown]
# What do the heads look at? Here are the weights of the four heads of the first block for one name: row by
# row, where each place looks. They were not told to do anything, and not every head can be given a meaning.
# But after a full run one of them looks nearly always at the letter before, which attention had to find
# out: the place embedding is all that tells it which one that is.

# %%
name = ".anastasia"
model.eval()
with mg.no_grad():
    first = model.blocks[0]
    _, weights = first.look(first.norms[0](model.embed(mg.tensor([vocabulary.encode(name)]))), need_weights=True)
for head in range(4):
    itself, before = (weights[0, head].diagonal(offset).mean().item() for offset in (0, -1))
    print(f"head {head + 1}: mean weight of the symbol itself {itself:.2f}, of the one before {before:.2f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 3.6))
for head, axis in enumerate(axes):
    axis.imshow(weights[0, head].tolist(), cmap="Blues", vmin=0, vmax=1)
    axis.set(title=f"head {head + 1}", xticks=range(len(name)), yticks=range(len(name)))
    axis.set_xticklabels(name)
    axis.set_yticklabels(name)
    axis.tick_params(length=0)
    axis.set_xlabel("looked at")
axes[0].set_ylabel("looking")
lesson.save(figure, "3_heads", cover=True)

# %% [markdown]
# And names. A row is begun with the dot, and each letter drawn is put behind it. The model always looks at
# all that it has written so far, up to the length it was made for.


# %%
@mg.no_grad()
def generate(model, start, count, g, stop=None):
    """The codes in `start` and up to `count` more, drawn one after the other; ends after the code `stop`."""
    codes = list(start)
    for _ in range(count):
        logits = model(mg.tensor([codes[-model.length :]]))[:, -1]
        codes.append(mg.multinomial(F.softmax(logits, dim=1), num_samples=1, generator=g).item())
        if codes[-1] == stop:
            break
    return codes


g = mg.Generator().manual_seed(lesson.seed)
names = [vocabulary.decode(generate(model, [0], T, g, stop=0)).strip(".") for _ in range(20)]
print("invented:", ", ".join(names))
known = set(words)
print(f"{sum(name in known for name in names)} of them are in the list")

# %% [markdown]
# ## 7. A text
#
# Nothing in the model knows that it deals with names. Give it any text, and it learns to continue that. To
# use one of yours, set `TEXT` at the top of the lesson, or the environment variable `MINIGRAD_TEXT`, to the
# path of a plain-text file. A few hundred thousand characters are better than a few thousand. Without one,
# it gets this tale:

# %%
TALE = """\
The keeper of the lighthouse could not sleep. By night she kept the lamp, and by day she kept the book, and in the
book she wrote the weather, the tide and the ships. In the evening of the first day she wrote: the wind is in the
west, the tide is high, no ship has passed. In the evening of the second day she wrote: the wind is in the south,
the tide is low, one ship has passed. On the third day the fog came in from the sea, and there was nothing to write.
The fog came over the rocks and over the stairs. It came to the door and it came to the window, and in the end it
came to the lamp. Then the keeper heard a voice in the fog. Who is there, said the keeper. It is the sea, said the
voice. What does the sea want of me, said the keeper. I want to know what is in the book, said the voice, for you
have written of me every day, and I have never read a word of it. So the keeper took the book to the window and
read to the sea. She read of the wind and of the weather. She read of the tide that was high and of the tide that
was low. She read of all the ships that had passed, and the sea was still and heard her to the end. It is a good
book, said the sea, but there is one thing that is not in it. What is not in it, said the keeper. You have written
where the wind was, said the sea, and where the ships were, and how high I stood on the rocks. You have not written
who kept the lamp. The keeper was silent for a long time, and the fog stood at the window, and the sea was still."""
print(len(TALE), "characters")

# %%
TALE += """
Nobody will ask who kept the lamp, said the keeper. They will ask for the weather, for the tide and for the ships.
I have asked, said the sea. Then the keeper took the pen, and at the end of the page, under the weather and under
the tide, she wrote her name. Read it to me, said the sea, and she read her name to the sea. Now there is
everything in the book, said the sea, and the fog went away from the lamp. It went away from the window and it went
away from the door. It went down the stairs and over the rocks, and it went out to the sea. In the morning the
keeper saw a ship, and the ship was so near to the rocks that she could hear the men. Who kept the lamp in the fog,
said the men. It was I who kept the lamp, said the keeper, and she told them her name, and they wrote it in the
book of the ship. From that day on she could sleep. By night she kept the lamp, and by day she kept the book, and
in the morning, when the lamp was out, she went to the window and slept, and the sea was still. In the evening of
the last day she wrote: the wind is in the east, the tide is high, all ships have passed. And under it she wrote
her name. The book is still there. Whoever comes to the lighthouse may read in it of the weather, of the tide and
of the ships, and at the end of every page there is a name. When the fog comes in from the sea, the keeper of today
takes the book to the window and reads. It is a good book, says the sea, and it is still, and hears it to the end."""
text = Path(TEXT).read_text(encoding="utf-8") if TEXT else TALE
print(f"{len(text)} characters, {len(set(text))} different ones")

# %% [markdown]
# A text is one long row, so an example is any piece of 32 characters, with the same piece one place later
# as its targets. The first nine tenths are for training; the last tenth is kept for validation, as a whole:
# pieces of it that were mixed in with the others would overlap with them.

# %%
LENGTH = 32
characters = sorted(set(text))
code = {character: i for i, character in enumerate(characters)}
codes = mg.tensor([code[character] for character in text])
cut = int(0.9 * len(codes))
if len(codes) - cut <= LENGTH:
    raise ValueError(f"{TEXT}: expected at least {10 * (LENGTH + 1)} characters, got {len(text)}")


def pieces(codes, most=20_000):
    """Inputs and targets (N, 32): a piece from every place of the text on, or from at most so many."""
    every = max(1, (len(codes) - LENGTH) // most)
    index = mg.arange(0, len(codes) - LENGTH, every).unsqueeze(1) + mg.arange(LENGTH)
    return codes[index], codes[index + 1]


train_pieces, validation_pieces = pieces(codes[:cut]), pieces(codes[cut:])
judged = [tuple(t[:: max(1, len(t) // 100)] for t in part) for part in (train_pieces, validation_pieces)]
print(f"{len(train_pieces[0])} pieces to train on, {len(validation_pieces[0])} to validate with")

# %% [markdown]
# Our tale is very short: three thousand characters for a model with fifty times as many parameters. What
# will happen, lesson 9 has shown: it will learn the text by heart.


# %%
def learn_text(label, dropout):
    """Trains a model of the text; returns it and its train and validation losses at ten moments."""
    mg.manual_seed(lesson.seed)
    model = Transformer(len(characters), LENGTH, width=64, blocks=3, dropout=dropout)
    history = []

    def watch(step):
        history.append((step, *(evaluate(model, *part) for part in judged)))

    watch(0)
    train(model, *train_pieces, label, max(1, steps // 2), batch=16, watch=watch)
    return model, history


by_heart, without = learn_text("text, no dropout", dropout=0.0)
print(f"knowing nothing {math.log(len(characters)):.2f}")
print("step, train, validation:", ", ".join(f"{step} {a:.2f} {b:.2f}" for step, a, b in without[::2]))

# %% [markdown]
# The train loss goes on falling while the validation loss has turned. A smaller network would help, or more
# text. Here is a third way, by Geoffrey Hinton and others, of 2012. **Dropout**: in each training step set
# a random share p of the numbers to zero, others each time, and multiply the rest by 1/(1 - p), so that the
# mean stays. A unit cannot rely on any one of its inputs any more, so learning by heart, which needs many
# details to come together, gets harder than learning what holds in general. In evaluation mode nothing is
# dropped.

# %%
dropout, ones = nn.Dropout(0.3), mg.ones(10_000)
mg.manual_seed(lesson.seed)
dropped = dropout(ones)
zero = (dropped == 0).float().mean().item()
print(f"training: {zero:.3f} are zero, the others {dropped.max().item():.3f}, mean {dropped.mean().item():.3f}")
dropout.eval()
assert mg.equal(dropout(ones), ones)

# %% [markdown]
# In a block it stands where attention and MLP hand over their results, and once behind the embedding.

# %%
general, with_dropout = learn_text("text, dropout 0.3", dropout=0.3)
figure, axis = plt.subplots(figsize=(9, 4.4))
for history, colour, name in ((without, VERMILLION, "no dropout"), (with_dropout, GREEN, "dropout 0.3")):
    moments, on_train, on_validation = zip(*history, strict=True)
    axis.plot(moments, on_validation, "o-", color=colour, label=f"{name}, validation")
    axis.plot(moments, on_train, "--", color=colour, label=f"{name}, train")
axis.set(xlabel="training step", ylabel="loss (nats)", title="a short text", ylim=(0, None))
axis.locator_params(axis="x", integer=True)
axis.legend(loc="best")
lesson.save(figure, "4_dropout")
for name, history in (("without", without), ("with", with_dropout)):
    print(f"{name} dropout: smallest validation loss {min(row[2] for row in history):.3f}, at the end {history[-1][2]:.3f}")

# %% [markdown]
# With dropout the validation loss does not turn, and the train loss stays nearer to it. Be careful what to
# conclude, though: stopping the first run in time, at its lowest point, would have been as good. Dropout
# does not make a short text longer. It only takes away the need to know the right moment.
#
# And what do they write? Both go on from the same beginning.

# %%
samples, beginning = {}, text[cut - LENGTH : cut]
print("after:", repr(beginning))
for name, model in (("no dropout", by_heart), ("dropout 0.3", general)):
    model.eval()
    g = mg.Generator().manual_seed(lesson.seed)
    written = generate(model, [code[character] for character in beginning], 240, g)[LENGTH:]
    samples[name] = "".join(characters[i] for i in written)
    print(f"\n{name}:\n{samples[name]}")

# %% [markdown]
# Is that invention, or quotation? Look for the longest stretch of each sample that stands word for word in
# the text.


# %%
def longest_quotation(sample, text):
    """The longest part of the sample that is also part of the text."""
    best = ""
    for start in range(len(sample)):
        while sample[start : start + len(best) + 1] in text and start + len(best) < len(sample):
            best = sample[start : start + len(best) + 1]
    return best


quoted = {name: longest_quotation(sample, text) for name, sample in samples.items()}
for name, quotation in quoted.items():
    print(f"{name}: {len(quotation)} characters: {quotation!r}")

# %% [markdown]
# ## 8. The log

# %%
print(f"{'names':<28}{'train':>9}{'dev':>9}")
for name, (on_train, on_dev) in final.items():
    print(f"{name:<28}{on_train:9.4f}{on_dev:9.4f}")
print(f"\n{'text':<28}{'train':>9}{'validation':>12}")
for name, history in (("no dropout", without), ("dropout 0.3", with_dropout)):
    print(f"{name:<28}{history[-1][1]:9.4f}{history[-1][2]:12.4f}")

# %% [markdown]
# ## What to keep
#
# - **Attention is a weighted mean**, and the weights are computed from what is there: a softmax over the
#   products of queries and keys. The mask keeps the future out.
# - **It knows no order.** Places must be written into the numbers.
# - **A block** lets the places talk (attention) and then think (MLP). Skips make a stack of blocks
#   trainable, layer norm makes it robust against a bad start, dropout makes it learn less by heart.
# - **Each piece can be measured.** Some are worth nothing in a small model; it is good to know which.
#
# ## Exercises
#
# 1. *Tell the places otherwise.* Replace the learned embedding of places by fixed sines and cosines of
#    different wavelengths. Then remove it altogether from the model with four blocks. How much is lost, and
#    how can a model without it still know something about order?
# 2. *Warmer and colder.* Divide the logits by a temperature before the softmax. What do names look like at
#    0.5, 1 and 2? How many of them are real names, and how does the mean loss of the invented names, by the
#    model itself, change?
# 3. *Nothing twice.* In `generate` the whole row goes through the network for every new letter. Keep the
#    keys and values of the places that are already done, compute only the new place, and check that the
#    logits are the same. How much faster is it for 16 and for 256 places?
#
# Answers run in `answers/15_gpt.py`.

# %%
lesson.summary()
