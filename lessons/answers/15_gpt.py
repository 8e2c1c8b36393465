# %% [markdown]
# # Answers to the exercises of lesson 15, a small transformer

# %%
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLUE, GREEN, ORANGE, SKY, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim

lesson = Lesson("15_gpt_answers", seed=1337)
steps = lesson.steps(full=2_000, quick=30)
print(f"three models of {steps} steps each")

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size, T = len(vocabulary), 1 + max(map(len, words))


def rows(words):
    """The lesson's inputs and targets, each of shape (names, T)."""
    X, Y = mg.zeros(len(words), T).long(), mg.zeros(len(words), T).long() - 1
    for i, word in enumerate(words):
        codes = mg.tensor(vocabulary.encode(word + "."))
        X[i, 1 : len(codes)] = codes[:-1]
        Y[i, : len(codes)] = codes
    return X, Y


(Xtr, Ytr), (Xdev, Ydev), _ = (rows(part) for part in datasets.split(words, seed=42))
print(f"train {tuple(Xtr.shape)}, dev {tuple(Xdev.shape)}")

# %% [markdown]
# ## 1. Tell the places otherwise
#
# The lesson's model with a choice of what is added for the place: a learned embedding, waves, or nothing.
# The waves are those of the first transformer (Vaswani and others, 2017): for place p the numbers 2i and 2i
# + 1 are
#
# $$ \sin\left(p \,/\, 10000^{2i/C}\right), \qquad \cos\left(p \,/\, 10000^{2i/C}\right) . $$
#
# The first pair turns fast, the last hardly moves: a clock with many hands.


# %%
def waves(length, width):
    """Sines and cosines, of shape (length, width), of wavelengths from 2π to 20000π places."""
    rates = 10_000 ** (-mg.arange(0, width, 2) / width)
    angles = mg.arange(length).unsqueeze(1) * rates
    return mg.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


figure, axis = plt.subplots(figsize=(9, 3.4))
image = axis.imshow(waves(T, 32).tolist(), cmap="RdBu", aspect="auto")
axis.set(xlabel="number", ylabel="place", yticks=range(0, T, 3), title="what is added at each place")
figure.colorbar(image)
lesson.save(figure, "1_waves")
near, far = (waves(T, 32)[0] @ waves(T, 32)[p] for p in (1, 8))
print(f"dot product of place 0 with place 1 {near.item():.1f}, with place 8 {far.item():.1f}")


# %%
class Block(nn.Module):
    """Attention between the places, then an MLP at each place."""

    def __init__(self, width, heads, length):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.register_buffer("future", mg.triu(mg.ones(length, length), diagonal=1) == 1)

    def forward(self, x):
        h, mask = self.norm1(x), self.future[: x.shape[1], : x.shape[1]]
        x = x + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


print("parameters of a block:", sum(p.numel() for p in Block(32, 4, T).parameters()))


# %%
class Transformer(nn.Module):
    """Logits at every place; `places` is "learned", "waves" or "none"."""

    def __init__(self, places="learned", length=T, width=32, heads=4, blocks=4):
        super().__init__()
        self.letters = nn.Embedding(size, width)
        table = {"learned": mg.randn, "waves": waves, "none": mg.zeros}[places](length, width)
        self.places = nn.Parameter(table, requires_grad=places == "learned")
        self.blocks = nn.ModuleList(Block(width, heads, length) for _ in range(blocks))
        self.logits = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))

    def forward(self, X):
        x = self.letters(X) + self.places[: X.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.logits(x)


print("logits:", tuple(Transformer("waves")(Xtr[:3]).shape))


# %%
def loss_of(model, X, Y):
    """Cross-entropy over all places with something to guess."""
    return F.cross_entropy(model(X).flatten(0, 1), Y.flatten(), ignore_index=-1)


print(f"before training {loss_of(Transformer(), Xdev[:500], Ydev[:500]).item():.4f}")


# %%
def train(model, label, lr=2e-3):
    """Trains in place as in the lesson; returns the loss over the dev set."""
    g = mg.Generator().manual_seed(lesson.seed)
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for step in lesson.progress(steps, label):
        optimizer.param_groups[0]["lr"] = lr * min(1, (step + 1) / 100) * (1 - step / steps)
        ix = mg.randint(0, len(Xtr), (32,), generator=g)
        loss = loss_of(model, Xtr[ix], Ytr[ix])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with mg.no_grad():
        dev_loss = loss_of(model, Xdev, Ydev).item()
    print(f"places {label:<8} dev loss {dev_loss:.4f}")
    return dev_loss


# %%
models, dev_losses = {}, {}
for places in ("learned", "waves", "none"):
    mg.manual_seed(lesson.seed)
    models[places] = Transformer(places)
    dev_losses[places] = train(models[places], places)
print(f"without places the loss is higher by {dev_losses['none'] - dev_losses['learned']:.4f}")

# %% [markdown]
# Waves do as well as the learned table, with nothing to learn. And without either, hardly anything is lost!
# In the lesson, with a single block, the places were worth more. So the model must find out about order by
# itself. The mask is what makes it possible: place t takes a mean of t + 1 values, and one of them is that
# of the dot at the beginning. If a head looks at all places alike, the share of the dot in what it gets is
# 1/(t + 1), and that number is the place, in another form. The blocks above can use it.

# %%
is_dot = (Xdev[:1] == 0).float()
is_dot[:, 1:] = 0  # only the first
equal = F.scaled_dot_product_attention(mg.zeros(1, T, 1), mg.zeros(1, T, 1), is_dot.unsqueeze(2), is_causal=True)
print("share of the first dot at each place:", " ".join(f"{value:.2f}" for value in equal[0, :, 0].tolist()))
assert mg.allclose(equal[0, :, 0], 1 / mg.arange(1, T + 1))

# %% [markdown]
# ## 2. Warmer and colder
#
# All names of one temperature are drawn side by side, one symbol for each in every step. A name ends with
# its first dot.


# %%
@mg.no_grad()
def draw_names(model, count, temperature):
    """This many invented names, the logits divided by the temperature."""
    g = mg.Generator().manual_seed(lesson.seed)
    X = mg.zeros(count, 1).long()
    for _ in range(T - 1):
        probabilities = F.softmax(model(X)[:, -1] / temperature, dim=1)
        X = mg.cat([X, mg.multinomial(probabilities, num_samples=1, generator=g)], dim=1)
    return [vocabulary.decode(row).partition(".")[0] for row in X[:, 1:].tolist()]


print("a few:", ", ".join(draw_names(models["learned"], 8, 1.0)))

# %%
known, drawn = set(words), {}
for temperature in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
    names = [name for name in draw_names(models["learned"], 400, temperature) if 0 < len(name) < T - 1]
    with mg.no_grad():
        own_loss = loss_of(models["learned"], *rows(names)).item()
    real, different = sum(name in known for name in names) / len(names), len(set(names)) / len(names)
    drawn[temperature] = real, different, own_loss
    print(f"temperature {temperature:<4}: in the list {real:.2f}, different {different:.2f}, loss {own_loss:.2f}: ", end="")
    print(", ".join(names[:6]))
assert drawn[0.25][2] < drawn[2.0][2]

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4))
known_share, different, own_losses = zip(*drawn.values(), strict=True)
axes[0].plot(list(drawn), known_share, "o-", color=GREEN, label="in the list of names")
axes[0].plot(list(drawn), different, "s-", color=BLUE, label="different from each other")
axes[0].set(xlabel="temperature", ylabel="share", ylim=(0, 1.05), title="400 invented names")
axes[0].legend(loc="center right")
axes[1].plot(list(drawn), own_losses, "o-", color=ORANGE, label="invented names")
axes[1].axhline(dev_losses["learned"], color=SKY, linestyle="--", label="dev names")
axes[1].set(xlabel="temperature", ylabel="mean loss (nats)", title="how surprising they are to the model")
axes[1].legend(loc="lower right")
lesson.save(figure, "2_temperature")
print(f"dev names {dev_losses['learned']:.2f}, invented at temperature 1 {drawn[1.0][2]:.2f}")

# %% [markdown]
# Cold, the model takes what is most likely: ordinary names, many of them real, and the same ones over and
# over. Hot, all are different and few can be pronounced. At temperature 1 its own names surprise it about
# as much as real ones do. That is what it was trained for: to give names the probabilities that they have.
#
# ## 3. Nothing twice
#
# The mask has a consequence: what a place computes does not depend on what comes later. So when a letter is
# added, the keys and values of all earlier places stay as they are. Keep them, compute query, key and value
# of the new place only, and let its query look at all keys kept. The weights are those of the library's
# layer.


# %%
def attend(layer, h, place, kept):
    """What the new place h, of shape (C), gets from itself and all places before; adds its key and value to `kept`."""
    q, k, v = F.linear(h, layer.in_proj_weight, layer.in_proj_bias).view(3, layer.num_heads, layer.head_dim)
    kept[0, :, place], kept[1, :, place] = k, v
    keys, values = kept[:, :, : place + 1]  # each (heads, places, d)
    weights = F.softmax(keys @ q.unsqueeze(2) / math.sqrt(layer.head_dim), dim=1)  # (heads, places, 1)
    return layer.out_proj((weights * values).sum(1).flatten())


with mg.no_grad():
    first = attend(models["learned"].blocks[0].attention, mg.zeros(32), 0, mg.zeros(2, 4, T, 8))
print(f"the first place gets {tuple(first.shape)} from itself")


# %%
@mg.no_grad()
def next_logits(model, code, place, memory):
    """The logits after one more symbol; `memory` holds keys and values of each block."""
    x = model.letters.weight[code] + model.places[place]
    for block, kept in zip(model.blocks, memory, strict=True):
        x = x + attend(block.attention, block.norm1(x), place, kept)
        x = x + block.mlp(block.norm2(x))
    return model.logits(x)


def new_memory(length, blocks=4, heads=4, width=32):
    """Room for the keys and values of every block."""
    return mg.zeros(blocks, 2, heads, length, width // heads)


codes, memory = [0, *vocabulary.encode("anastasia")], new_memory(T)
one_by_one = mg.stack([next_logits(models["learned"], code, place, memory) for place, code in enumerate(codes)])
with mg.no_grad():
    at_once = models["learned"](mg.tensor([codes]))[0]
print(f"largest difference of the logits: {(one_by_one - at_once).abs().max().item():.1e}")
assert mg.allclose(one_by_one, at_once, atol=1e-4)


# %%
@mg.no_grad()
def seconds(length, keep):
    """How long it takes to go through a row of this length letter by letter."""
    mg.manual_seed(lesson.seed)
    model, codes = Transformer(length=length), mg.randint(0, size, (length,)).tolist()
    memory, start = new_memory(length), time.perf_counter()
    for place in range(length):
        if keep:
            next_logits(model, codes[place], place, memory)
        else:
            model(mg.tensor([codes[: place + 1]]))
    return time.perf_counter() - start


for length in (16, 64, 256):
    again, kept = seconds(length, keep=False), seconds(length, keep=True)
    print(f"{length} places: all again {1000 * again:.0f} ms, kept {1000 * kept:.0f} ms, {again / kept:.1f} times faster")
assert again > kept

# %% [markdown]
# For 16 places little is gained: the arithmetic is so little that the number of calls decides, and that is
# the same. For 256 places it is worth it, and the longer the row, the more. This memory is called the **KV
# cache**, and every large language model that answers somebody keeps one.
