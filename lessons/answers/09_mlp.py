# %% [markdown]
# # Answers to the exercises of lesson 9, an MLP for names

# %%
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("09_mlp_answers")
steps = lesson.steps(full=30_000, quick=200)
print(f"every network is trained for {steps} steps")

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
train_words, dev_words, _ = datasets.split(words, seed=42)
examples = {back: datasets.contexts(train_words, vocabulary, back) for back in (1, 2, 3, 5, 8)}
unseen = {back: datasets.contexts(dev_words, vocabulary, back) for back in examples}
print(f"{examples[3][0].shape[0]} examples to train on, {unseen[3][0].shape[0]} to compare with")


# %%
def initialise(width, hidden, back=3, scale=1.0):
    """The lesson's parameters and generator."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((size, width), generator=g)
    shapes = (back * width, hidden), (hidden,), (hidden, size), (size,)
    parameters = [C] + [mg.randn(shape, generator=g) * scale for shape in shapes]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


def forward(X, parameters):
    """Logits of shape (N, 27) for contexts X of shape (N, back)."""
    C, W1, b1, W2, b2 = parameters
    return mg.tanh(C[X].view(X.shape[0], -1) @ W1 + b1) @ W2 + b2


print(f"parameters when looking back 8: {sum(p.nelement() for p in initialise(10, 200, 8)[0])}")


# %%
@mg.no_grad()
def evaluate(X, Y, parameters):
    """The loss over all of X."""
    pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
    return sum(F.cross_entropy(forward(x, parameters), y, reduction="sum").item() for x, y in pieces) / Y.shape[0]


print(f"before training: dev loss {evaluate(*unseen[3], initialise(10, 200, 3, 0.1)[0]):.4f}")


# %%
def train(parameters, g, X, Y, label, frozen=(), penalty=0.0, watch=0):
    """Trains in place, without the frozen parameters; returns dev losses at `watch` moments."""
    moving = [p for i, p in enumerate(parameters) if i not in frozen]
    dev_losses = []
    for step in lesson.progress(steps, label):
        if watch and step % max(1, steps // watch) == 0:
            dev_losses.append((evaluate(*unseen[3], parameters), step))
        ix = mg.randint(0, X.shape[0], (32,), generator=g)
        loss = F.cross_entropy(forward(X[ix], parameters), Y[ix])
        for p in moving:
            p.grad = None
        loss.backward()
        rate = 0.1 if step < steps // 2 else 0.01
        for p in moving:
            p.data += -rate * (p.grad + penalty * p.data)  # the gradient of penalty / 2 times p * p
    return dev_losses


# %% [markdown]
# ## 1. A longer memory
#
# The tables of the lesson, with k = 0.1 added counts, beside networks of 10 coordinates and 200 units.


# %%
def table_loss(back, k=0.1):
    """Dev loss of a table of counts."""
    X, Y = (t.tolist() for t in examples[back])
    contexts = Counter(map(tuple, X))
    pairs = Counter((*context, letter) for context, letter in zip(X, Y, strict=True))
    X, Y = (t.tolist() for t in unseen[back])
    hits = mg.tensor([pairs[*context, letter] for context, letter in zip(X, Y, strict=True)]).double()
    chances = mg.tensor([contexts[tuple(context)] for context in X]).double()
    return -((hits + k) / (chances + size * k)).log().mean().item()


tables, networks = {}, {}
for back in examples:
    parameters, g = initialise(10, 200, back, scale=0.1)
    train(parameters, g, *examples[back], f"looking back {back}")
    tables[back], networks[back] = table_loss(back), evaluate(*unseen[back], parameters)
    print(f"looking back {back}: dev loss of the table {tables[back]:.4f}, of the network {networks[back]:.4f}")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for name, losses, colour, marker in (("tables", tables, ORANGE, "o"), ("networks", networks, GREEN, "^")):
    axis.plot(list(losses), list(losses.values()), color=colour, marker=marker, label=name)
axis.set(xlabel="letters to look back at", ylabel="dev loss (nats)", title=f"networks trained for {steps} steps")
axis.legend(loc="upper left")
lesson.save(figure, "1_memory")
print(f"best table {min(tables.values()):.4f}, best network {min(networks.values()):.4f}")
assert steps < 100 or networks[8] < tables[8]

# %% [markdown]
# With one letter both are nearly the same, as lesson 8 showed. Up to three the table is ahead; it needs no
# training, and its rows are full. Then it turns, and the network does not. The fourth and the fifth letter
# are worth several hundredths of a nat to it, and the three after them still one. With these smaller starting
# weights, and after a short training, it has gone below every table.
#
# ## 2. Is the embedding needed?
#
# Freeze C, train the rest.

# %%
for width in (2, 10):
    losses = {}
    for name, frozen in (("moving", ()), ("frozen", (0,))):
        parameters, g = initialise(width, 200, scale=0.1)
        train(parameters, g, *examples[3], f"{width} coordinates, {name}", frozen)
        losses[name] = evaluate(*unseen[3], parameters)
    print(f"{width:>2} coordinates: dev loss {losses['moving']:.4f} with moving points, {losses['frozen']:.4f} with frozen")

# %% [markdown]
# In a plane, 27 random points are badly placed: letters that have nothing in common are neighbours, and a
# hidden layer of smooth functions cannot take them apart well. In ten dimensions random points are all far
# from one another, almost like one-hot vectors, so the hidden layer can find each letter by itself. Even
# there it pays to let them move.
#
# ## 3. Against learning by heart
#
# The network of the lesson on 1000 names, watched 30 times as it learns. For a penalty of p times half the
# square of every parameter, p is added to the gradient for each unit of the parameter.

# %%
few = datasets.contexts(train_words[:1000], vocabulary, 3)
results = {}
for penalty in (0.0, 0.001, 0.003, 0.01, 0.03):
    parameters, g = initialise(10, 200, scale=0.1)
    curve = train(parameters, g, *few, f"penalty {penalty}", penalty=penalty, watch=30)
    results[penalty] = curve, evaluate(*unseen[3], parameters)
    (lowest, moment), last = min(curve), results[penalty][1]
    print(f"penalty {penalty:<5}: dev loss at the end {last:.4f}; lowest {lowest:.4f} at step {moment}")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2))
for (penalty, (curve, _)), colour in zip(results.items(), (BLACK, SKY, BLUE, GREEN, PURPLE), strict=True):
    axis.plot([step for _, step in curve], [loss for loss, _ in curve], color=colour, label=f"penalty {penalty}")
axis.set(xlabel="training step", ylabel="dev loss (nats)", title="1000 names", ylim=(2.25, 3.2))
axis.legend(loc="upper right", ncols=2)
lesson.save(figure, "2_penalties")
stopped, penalised = min(results[0.0][0])[0], min(last for _, last in results.values())
print(f"stopping in time {stopped:.4f}, best penalty {penalised:.4f}, neither {results[0.0][1]:.4f}")

# %% [markdown]
# Either cures most of it. The penalty does more, and need not be stopped at the right moment. What would
# more names have done? Train with neither on more of them, and see where the dev loss falls below.

# %%
for count in (1000, 2000, 4000, 8000):
    parameters, g = initialise(10, 200, scale=0.1)
    more = datasets.contexts(train_words[:count], vocabulary, 3)
    train(parameters, g, *more, f"{count} names")
    print(f"{count} names: dev loss {evaluate(*unseen[3], parameters):.4f}")

# %% [markdown]
# Twice as many names are worth about as much as the right penalty, and four times as many more than any
# penalty. Data are the best regularisation, where they can be had.
