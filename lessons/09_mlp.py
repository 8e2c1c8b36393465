# %% [markdown]
# # An MLP for names: letters as points, and three of them to look back at
#
# A table of counts that looks back one letter is soon at its limit, and it cannot simply be made larger:
# each further letter to look back at makes it 27 times as large. This lesson replaces the table by a
# network. The idea, of Yoshua Bengio and colleagues in 2003, is to give every letter a place in a space, as
# a short list of numbers that are learned, and to compute the next letter from the places of the last
# three. Letters that behave alike come to lie close together, and whatever is learned about the one then
# holds for the other, also in combinations that never occurred.
#
# Around the network we meet the daily work of training one: splitting the data, minibatches, the search for
# a learning rate, and the question that never goes away: is the network too small, or has it learned its
# examples by heart?
#
# A network of this kind, layers of weights with a nonlinear function in between, is called a **multilayer
# perceptron** (MLP). From lesson 8 you need the dot that starts and ends a name, the softmax, and the loss:
# the average negative log likelihood, in nats.

# %%
import time
from collections import Counter

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, Lesson, place_labels

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets

lesson = Lesson("09_mlp")
FULL = 100_000
steps = lesson.steps(full=FULL, quick=1_000)
print(f"training runs of {steps} steps, some of twice as many, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. The data, in three parts
#
# The words are shuffled and split in three. The **train** set, 80 %, is what a model learns from. The
# **dev** set (development), 10 %, is for decisions: how large, how fast, when to stop. A loss on the train
# set cannot decide these, since a model that had simply stored all its examples would win. The **test**
# set, 10 %, is for the last figure of all. Each look at it that leads to a change uses it up a little,
# because then the change was chosen to please it.

# %%
words = datasets.names()
lesson.note_stand_in(words.stand_in, "names")
lesson.compare("names.count", "names in the list", 32033, len(words), "%d")
vocabulary = datasets.Vocabulary(words)
size = len(vocabulary)
train_words, dev_words, test_words = datasets.split(words, seed=42)
for name, part in (("train", train_words), ("dev", dev_words), ("test", test_words)):
    print(f"{name:<6}{len(part):>6} names: {', '.join(part[:5])}, ...")

# %% [markdown]
# Split by *names*, not by examples. The letters of one name would otherwise end up on both sides, and the
# dev set would contain the other half of names that were learned.
#
# ## 2. Why not a larger table?
#
# A table can be given more to look back at. Its row is then a **context**: the last one, two, three or more
# symbols. Count which letter follows each context in the train names, add k counts to everything so that
# nothing has probability 0, and take the loss on the dev names. To be fair to every table, each gets the k
# that suits it best.


# %%
def count_model(back):
    """Contexts seen in training, the share of dev contexts never seen, and the best dev loss of a table."""
    x, y = datasets.contexts(train_words, vocabulary, back)
    contexts = Counter(map(tuple, x.tolist()))
    pairs = Counter((*context, letter) for context, letter in zip(x.tolist(), y.tolist(), strict=True))
    x, y = datasets.contexts(dev_words, vocabulary, back)
    n = mg.tensor([contexts[tuple(context)] for context in x.tolist()]).double()
    hits = mg.tensor([pairs[*context, letter] for context, letter in zip(x.tolist(), y.tolist(), strict=True)]).double()
    ks = [10 ** (e / 4) for e in range(-10, 3)]
    losses = [-((hits + k) / (n + size * k)).log().mean().item() for k in ks]
    return len(contexts), (n == 0).float().mean().item(), min(losses)


tables = {back: count_model(back) for back in range(1, 7)}
for back, (seen, unseen, loss) in tables.items():
    print(f"look back {back}: {seen:>6} contexts seen of {size**back:>9}, ", end="")
    print(f"{100 * unseen:4.1f} % of the dev contexts are new, dev loss {loss:.4f}")

# %% [markdown]
# Up to three letters a longer memory helps. From then on it hurts: the table has never seen a good part of
# the contexts it is asked about, and knows nothing about those. For the table `mari` and `mary` are two
# rows with nothing in common, as different as `mari` and `xqzz`.
#
# ## 3. Contexts of three
#
# So keep three letters, but look at them in another way. First the examples. Slide a window over each name:
# the three symbols before, and the letter that follows. The window starts as three dots.


# %%
def windows(word, back=3):
    """The (context, letter) pairs of a word, as text."""
    context, found = "." * back, []
    for letter in word + ".":
        found.append((context, letter))
        context = context[1:] + letter  # drop the oldest, append the newest
    return found


X, Y = datasets.contexts(["emma"], vocabulary, block_size=3)
for (context, letter), x, y in zip(windows("emma"), X.tolist(), Y.tolist(), strict=True):
    print(f"{context} -> {letter}   as indices {x} -> {y}")
    assert vocabulary.decode(x) == context and vocabulary.decode(y) == letter

# %% [markdown]
# The library's `contexts` does the same for the whole list.

# %%
Xtr, Ytr = datasets.contexts(train_words, vocabulary, block_size=3)
Xdev, Ydev = datasets.contexts(dev_words, vocabulary, block_size=3)
Xte, Yte = datasets.contexts(test_words, vocabulary, block_size=3)
examples = [Ytr.shape[0], Ydev.shape[0], Yte.shape[0]]
lesson.compare("names.split", "examples in train, dev, test", [182625, 22655, 22866], examples, "%d")

# %% [markdown]
# ## 4. Letters as points
#
# The **embedding** is a table C with one row per symbol. Row i is the point that stands for symbol i. To
# begin with we let it have two coordinates, so that we can draw it later, and put the 27 points down at
# random.
#
# Looking up is indexing: `C[X]` replaces each index in X, of shape (N, 3), by its row, and the result has
# shape (N, 3, 2). It is the same as multiplying one-hot vectors by C, without the multiplications by zero.
# So an embedding is a linear layer after all, the first one of the network, and it is trained like any
# other.

# %%
g = mg.Generator().manual_seed(lesson.seed)
C = mg.randn((size, 2), generator=g)
X = Xtr[:4]
embedded = C[X]
onehot = F.one_hot(X, num_classes=size).float()  # (4, 3, 27)
assert (embedded == onehot @ C).all()
assert (embedded == F.embedding(X, C)).all()  # the library's name for it
print(f"indices {tuple(X.shape)} -> points {tuple(embedded.shape)}; one-hot they are {tuple(onehot.shape)}")

# %% [markdown]
# The hidden layer wants one row of numbers per example: the three points side by side. `view` reads the
# same memory under another shape, so nothing is copied. (Joining the three columns with `cat` gives the
# same numbers, but makes a new tensor.)

# %%
side_by_side = embedded.view(-1, 6)
joined = mg.cat([embedded[:, 0], embedded[:, 1], embedded[:, 2]], dim=1)
assert (side_by_side == joined).all()
print(f"{tuple(embedded.shape)} -> {tuple(side_by_side.shape)}")
print("view shares its memory:", side_by_side.data_ptr() == embedded.data_ptr())
print("cat shares its memory: ", joined.data_ptr() == embedded.data_ptr())

# %% [markdown]
# ## 5. The network
#
# Then comes a hidden layer of 100 tanh units, and a layer of 27 logits:
#
# $$ h = \tanh(e W_1 + b_1), \qquad \text{logits} = h W_2 + b_2 $$


# %%
def initialise(width, hidden, back=3, scale=1.0):
    """Random parameters for points of `width` coordinates and `hidden` units; and the generator."""
    g = mg.Generator().manual_seed(lesson.seed)
    C = mg.randn((size, width), generator=g)
    W1 = mg.randn((back * width, hidden), generator=g) * scale
    b1 = mg.randn(hidden, generator=g) * scale
    W2 = mg.randn((hidden, size), generator=g) * scale
    b2 = mg.randn(size, generator=g) * scale
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    return parameters, g


print("points, first layer, its bias, second layer, its bias:", *(tuple(p.shape) for p in initialise(2, 100)[0]))


# %%
def forward(X, parameters):
    """Logits of shape (N, 27) for contexts X of shape (N, 3)."""
    C, W1, b1, W2, b2 = parameters
    h = mg.tanh(C[X].view(X.shape[0], -1) @ W1 + b1)
    return h @ W2 + b2


def count_parameters(parameters):
    """How many numbers the network consists of."""
    return sum(p.nelement() for p in parameters)


parameters, g = initialise(width=2, hidden=100)
print(f"logits {tuple(forward(Xtr[:32], parameters).shape)}; {count_parameters(parameters)} parameters in all")
print(f"a table that looks back three letters has {size**4} numbers")

# %% [markdown]
# The loss is that of lesson 8: turn logits into probabilities, take the one of the right letter, then minus
# its logarithm, averaged. The library has it as one operation, `cross_entropy`. It is faster, and it is
# safe where the plain formula is not: e to the power of 100 is more than float32 can hold, and infinity
# divided by infinity is not a number. Subtracting the largest logit from all of them leaves the
# probabilities as they are and takes care of that.


# %%
def by_hand(logits, Y):
    """Cross-entropy as its formula reads."""
    counts = logits.exp()
    probabilities = counts / counts.sum(1, keepdim=True)
    return -probabilities[mg.arange(Y.shape[0]), Y].log().mean()


logits = forward(Xtr[:32], parameters).detach()
library = F.cross_entropy(logits, Ytr[:32])
print(f"32 examples: by hand {by_hand(logits, Ytr[:32]).item():.4f}, library {library.item():.4f}")
for largest in (80.0, 85.0, 90.0):
    logits, target = mg.tensor([[largest - 1, 0.0, largest]]), mg.tensor([0])
    ours, library = by_hand(logits, target).item(), F.cross_entropy(logits, target).item()
    print(f"largest logit {largest:.0f}: by hand {ours:.4f}, library {library:.4f}")

# %% [markdown]
# ### Can it learn at all?
#
# Before training on everything, try the network on a single handful: 32 examples. It has a hundred
# parameters for each of them, so it should learn them by heart. If it cannot, something is broken, and that
# is better found now.

# %%
parameters, g = initialise(width=2, hidden=100)
Xfew, Yfew = Xtr[:32], Ytr[:32]
for step in range(1000):
    loss = F.cross_entropy(forward(Xfew, parameters), Yfew)
    for p in parameters:
        p.grad = None
    loss.backward()
    for p in parameters:
        p.data += -0.1 * p.grad
    if step in (0, 10, 100, 999):
        print(f"step {step:>3}: loss {loss.item():.4f}")
guesses = forward(Xfew, parameters).argmax(1)
print(f"right: {(guesses == Yfew).sum().item()} of 32")

# %% [markdown]
# It falls fast, and then stops well above zero. The rest cannot be learned. Several names start in this
# handful, all with the context `...`, and with different letters. The best that any model can do there is
# to give each of them its share. How much loss that leaves can be computed: it is that of the shares
# themselves.

# %%
seen = {}
for context, letter in zip(Xfew.tolist(), Yfew.tolist(), strict=True):
    seen.setdefault(vocabulary.decode(context), []).append(vocabulary.decode([letter]))
floor = 0.0
for context, letters in seen.items():
    shares = mg.tensor([letters.count(letter) / len(letters) for letter in letters])
    floor += -shares.log().sum().item() / 32
    if len(set(letters)) > 1:
        print(f"after {context} came", ", ".join(letters))
print(f"no model can have a loss below {floor:.4f} on these; the network has {loss.item():.4f}")
assert loss.item() > floor - 1e-4

# %% [markdown]
# ## 6. Minibatches
#
# Now all the train examples. One step on all of them takes long, and most of the work is wasted: to know
# roughly which way is down, one need not ask everyone. So each step asks only a few examples, drawn at
# random, a **minibatch**. The gradient it gives is that of the whole set plus noise.
#
# How good a direction is it? Compare with the direction of the full gradient. The **cosine** of the angle
# between them is 1 if they agree, 0 if they have nothing to do with each other.


# %%
def gradient(X, Y, parameters):
    """The gradient of the loss for all parameters, as one long row."""
    for p in parameters:
        p.grad = None
    F.cross_entropy(forward(X, parameters), Y).backward()
    return mg.cat([p.grad.flatten() for p in parameters])


parameters, g = initialise(width=2, hidden=100)
full = gradient(Xtr, Ytr, parameters)
for batch in (1, 8, 32, 128, 1024, Ytr.shape[0]):
    trials = 100 if batch < 2000 else 1
    cosine, start = 0.0, time.perf_counter()
    for _ in range(trials):
        ix = mg.randint(0, Ytr.shape[0], (batch,), generator=g)
        few = gradient(Xtr[ix], Ytr[ix], parameters)
        cosine += ((few @ full) / (few.norm() * full.norm())).item() / trials
    milliseconds = (time.perf_counter() - start) / trials * 1000
    print(f"{batch:>6} examples: cosine {cosine:.2f}, {milliseconds:7.2f} ms a step")

# %% [markdown]
# Thirty-two examples already point most of the way, at about a thousandth of the time. It is better to take
# many rough steps than a few exact ones.
#
# ## 7. How fast?
#
# The **learning rate** is the factor before the gradient. Too small, and nothing moves. Too large, and each
# step overshoots. In between lie several powers of ten, so the search is done on a logarithmic scale. A
# neat way: start with a tiny rate and make it a little larger with every step. As long as the loss falls,
# faster and faster, the rate is too small. When it begins to jump and rise, it is too large.

# %%
exponents = mg.linspace(-3, 0.5, 1000).tolist()
parameters, g = initialise(width=2, hidden=100)
rates, search = [10**e for e in exponents], []
for rate in rates:
    ix = mg.randint(0, Ytr.shape[0], (32,), generator=g)
    loss = F.cross_entropy(forward(Xtr[ix], parameters), Ytr[ix])
    for p in parameters:
        p.grad = None
    loss.backward()
    for p in parameters:
        p.data += -rate * p.grad
    search.append(loss.item())
neighbours = [search[max(0, i - 25) : i + 25] for i in range(1000)]
smooth = [sum(losses) / len(losses) for losses in neighbours]
best_rate = rates[smooth.index(min(smooth))]
print(f"smallest loss, averaged over 50 steps, at a rate of {best_rate:.2f}")

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
axis.plot(rates, search, ".", color=SKY, markersize=4, label="loss of one minibatch")
axis.plot(rates, smooth, color=BLUE, label="mean over 50 steps")
axis.axvline(0.1, color=BLACK, linestyle="--", linewidth=1.2, label="our choice: 0.1")
axis.set(xscale="log", xlabel="learning rate", ylabel="loss (nats)", ylim=(0, 30))
axis.set_title("1000 steps, each with a slightly larger learning rate")
axis.legend(loc="upper right")
lesson.save(figure, "1_learning_rate")
print(f"mean loss around a rate of 0.001: {smooth[0]:.1f}, 0.1: {smooth[571]:.1f}, 3: {smooth[-1]:.1f}")

# %% [markdown]
# The valley is wide. We take 0.1, well before the rise. One more habit: near the end the steps should
# become smaller. A large step cannot settle in the bottom of a valley, it leaps from wall to wall. So the
# second half of every run goes at a tenth of the rate, 0.01. This is **learning-rate decay**.
#
# ## 8. Training
#
# The loop draws a minibatch, computes the gradient, and steps, over and over. Every now and then it can
# write down the loss on the whole train set and on the dev set, which is slow and so not done at every
# step.


# %%
@mg.no_grad()
def evaluate(X, Y, parameters):
    """The loss over all of X, 10000 examples at a time."""
    pieces = zip(X.split(10_000), Y.split(10_000), strict=True)
    return sum(F.cross_entropy(forward(x, parameters), y, reduction="sum").item() for x, y in pieces) / Y.shape[0]


parameters, g = initialise(width=2, hidden=100)
print(f"before training: dev loss {evaluate(Xdev, Ydev, parameters):.4f}")


# %%
def train(parameters, g, X, Y, label, steps=steps, watch=0):
    """Trains in place; returns the step, train and dev loss at `watch` moments spread over the run."""
    start, history = time.perf_counter(), []
    for step in lesson.progress(steps, label):
        if watch and step % max(1, steps // watch) == 0:
            history.append((step, evaluate(X, Y, parameters), evaluate(Xdev, Ydev, parameters)))
        ix = mg.randint(0, X.shape[0], (32,), generator=g)
        loss = F.cross_entropy(forward(X[ix], parameters), Y[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        rate = 0.1 if step < steps // 2 else 0.01
        for p in parameters:
            p.data += -rate * p.grad
    print(f"{label}: {count_parameters(parameters)} parameters, {time.perf_counter() - start:.0f} s")
    return history


# %%
runs = {}
small, g = initialise(width=2, hidden=100)
train(small, g, Xtr, Ytr, "2 coordinates, 100 units")
runs["2 coordinates, 100 units"] = evaluate(Xtr, Ytr, small), evaluate(Xdev, Ydev, small)
print("train loss {:.4f}, dev loss {:.4f}".format(*runs["2 coordinates, 100 units"]))
print(f"best table that looks back three letters: dev loss {tables[3][2]:.4f}")

# %% [markdown]
# The table is better. It may have 150 times as many numbers, but that is not what we hoped for. Keep this
# in mind; first a look at what has been learned.
#
# ## 9. What the letters became
#
# The 27 points were placed at random. Training has moved them. Here they are.

# %%
start = initialise(width=2, hidden=100)[0][0].tolist()
end = small[0].tolist()
figure, axes = plt.subplots(1, 2, figsize=(12, 6))
for axis, points, title in zip(axes, (start, end), ("before training", "after training"), strict=True):
    symbols = [vocabulary.itos[index] for index in range(len(points))]
    colours = [VERMILLION if symbol in "aeiou" else YELLOW if symbol == "." else SKY for symbol in symbols]
    axis.scatter(*zip(*points, strict=True), s=0)  # for the limits
    axis.set(title=title, xlabel="first coordinate", ylabel="second coordinate")
    axis.grid(color="0.9")
    axis.set_axisbelow(True)
    labels = [(x, y, symbol, colour) for (x, y), symbol, colour in zip(points, symbols, colours, strict=True)]
    place_labels(axis, labels, circles=True)
lesson.save(figure, "2_embedding", cover=True)


# %%
def spread(points, symbols):
    """Mean distance between the points of these symbols."""
    chosen = mg.tensor([points[vocabulary.stoi[s]] for s in symbols])
    return (chosen.unsqueeze(0) - chosen.unsqueeze(1)).norm(dim=2).sum().item() / (len(symbols) * (len(symbols) - 1))


for name, points in (("before", start), ("after", end)):
    every = spread(points, list(vocabulary.stoi))
    print(f"{name} training: mean distance of two vowels {spread(points, 'aeiou'):.2f}, of any two symbols {every:.2f}")

# %% [markdown]
# Nobody told the network what a vowel is. It found that a, e, i, o and u are followed by similar letters,
# so it is cheap to treat them alike, and to be treated alike they had to come close together. The dot,
# after which everything is different, keeps away from the rest. (Not everything here has a meaning. A
# letter that started far out, like l, may just have stayed there.)
#
# ## 10. Too small or too large?
#
# Look at the two losses above. They are nearly equal: on names that it has never seen, the network is as
# good as on those it learned from. That sounds good, and in a way it is bad news. The network has not even
# learned its own examples well. It is too small for what there is to learn; it **underfits**. More
# parameters should help.
#
# But where? First give the hidden layer three times as many units. Then, instead, give the letters more
# room: ten coordinates. This larger network is also trained for twice as long.

# %%
for name, width, hidden, times in (("2 coordinates, 300 units", 2, 300, 1), ("10 coordinates, 200 units", 10, 200, 2)):
    parameters, g = initialise(width, hidden)
    train(parameters, g, Xtr, Ytr, name, times * steps)
    runs[name] = evaluate(Xtr, Ytr, parameters), evaluate(Xdev, Ydev, parameters)
    print("train loss {:.4f}, dev loss {:.4f}".format(*runs[name]))
best = parameters

# %% [markdown]
# Three times the units bring little. All that they get to see is three points in a plane, and two numbers
# are a narrow gate for all there is to say about a letter. With ten the gate opens. And for the first time
# the train loss lies visibly below the dev loss: the network begins to know things about its own examples
# that do not hold for others.
#
# ### By heart
#
# Where that leads is best seen with few examples. Train the same large network on only 1000 names, and
# watch both losses as it goes. (All weights of this run start at a tenth of their size, so that the curves
# begin low enough to be seen in one picture.)

# %%
Xfew, Yfew = datasets.contexts(train_words[:1000], vocabulary, block_size=3)
parameters, g = initialise(10, 200, scale=0.1)
length = max(1, 2 * steps // 5)
history = train(parameters, g, Xfew, Yfew, "1000 names", length, watch=40)
moments, train_losses, dev_losses = zip(*history, strict=True)
runs["the same, 1000 names"] = evaluate(Xfew, Yfew, parameters), evaluate(Xdev, Ydev, parameters)
turn = dev_losses.index(min(dev_losses))
print("after training: train loss {:.4f}, dev loss {:.4f}".format(*runs["the same, 1000 names"]))
print(f"smallest dev loss {dev_losses[turn]:.4f}, at step {moments[turn]} of {length}")

# %%
figure, axis = plt.subplots(figsize=(9, 4.2))
axis.plot(moments, train_losses, color=SKY, label="train: the 1000 names")
axis.plot(moments, dev_losses, color=PURPLE, label="dev: names never seen")
axis.plot(moments[turn], dev_losses[turn], "o", color=PURPLE, label="the moment to stop")
axis.set(xlabel="training step", ylabel="loss (nats)", title="10 coordinates, 200 units, 1000 names")
axis.legend(loc="center right")
lesson.save(figure, "3_overfitting")
gaps = [runs[name][1] - runs[name][0] for name in ("10 coordinates, 200 units", "the same, 1000 names")]
print("dev loss above train loss: {:.2f} nats with all train names, {:.2f} with 1000".format(*gaps))

# %% [markdown]
# At first both losses fall together. Then the train loss goes on falling, while the dev loss turns and
# rises. From there on the network **overfits**: it pays for each example learned by heart with something
# that held in general. With 182625 examples for 12000 parameters that danger is small; with 7000 examples
# it is not. (The second fall, in the middle, is the learning rate's.)
#
# So the two losses together say what is wrong. Both high and nearly equal: the model is too small, or
# trained too short. Train low and dev high: it is too large for its data, or trained too long. And what
# helps against the one makes the other worse.
#
# ### The tables again
#
# A table of counts can be judged in the same way. The one that looks back one letter underfits; those that
# look back five or six have learned their names by heart. Three letters are where a table is at its best,
# and there it is better than our networks, at 45 times as many numbers as the largest of them. But a
# network need not stop there. With five letters to look back at its first layer grows from 30 to 50 inputs.
# That is all. Train it.

# %%
X5, Y5 = datasets.contexts(train_words, vocabulary, block_size=5)
X5dev, Y5dev = datasets.contexts(dev_words, vocabulary, block_size=5)
parameters, g = initialise(10, 200, back=5)
name = "10, 200, looking back 5"
train(parameters, g, X5, Y5, name, 2 * steps)
runs[name] = evaluate(X5, Y5, parameters), evaluate(X5dev, Y5dev, parameters)
print(f"{'':<28}{'train':>8}{'dev':>8}{'gap':>8}")
for name, (on_train, on_dev) in runs.items():
    print(f"{name:<28}{on_train:8.4f}{on_dev:8.4f}{on_dev - on_train:8.4f}")
print(f"tables that look back 3 and 5: dev loss {tables[3][2]:.4f} and {tables[5][2]:.4f}")

# %%
figure, axis = plt.subplots(figsize=(12, 4.4))
lengths = list(tables)
axis.plot(lengths, [tables[back][2] for back in lengths], "o-", color=ORANGE, label="tables of counts, each with its best k")
points = [(3, "2 coordinates, 100 units"), (3, "2 coordinates, 300 units"), (3, "10 coordinates, 200 units")]
for (back, name), colour, marker in zip(points, (SKY, BLUE, GREEN), "sD^", strict=True):
    axis.plot(back, runs[name][1], marker, color=colour, markersize=9, label=f"network, {name}")
axis.plot(5, runs["10, 200, looking back 5"][1], "^", color=GREEN, markersize=9)
axis.set(xlabel="letters to look back at", ylabel="dev loss (nats)", title="tables and networks")
figure.legend(loc="outside right center")
lesson.save(figure, "4_tables_and_networks")
assert steps < FULL or runs["10, 200, looking back 5"][1] < tables[5][2]

# %% [markdown]
# Where most of the table's rows are empty, the network still has something to say, because each of its
# numbers serves many contexts at once.
#
# But look at where it stands: *above* the network with three letters. That cannot be the fault of the two
# further letters: the network could learn to ignore them. Something holds these networks back, and it is
# neither their size nor the time that they are given. There was a hint. Before training, the dev loss stood
# far above the 3.30 nats of knowing nothing. A network that has learned nothing should not be so sure of
# itself. Lesson 10 takes this up, and brings the network with three letters, its shape unchanged, down to
# the 2.10 of the table.
#
# ## 11. The last figure, and some names
#
# All choices were made with the dev set. Now, once, the test set, for the network that looks back three
# letters and has ten coordinates.

# %%
test_loss = evaluate(Xte, Yte, best)
print(f"test loss {test_loss:.4f}, dev loss {runs['10 coordinates, 200 units'][1]:.4f}")
seen, unseen = set(train_words), set(test_words)
repeated = len(seen & unseen) / len(unseen)
print(f"{100 * repeated:.0f} % of the test names are in the train set as well")

# %% [markdown]
# That last line is a flaw of the list, not of the model: some names occur in it more than once, and chance
# puts the copies on both sides. It flatters every model a little, and most of all those that learn by
# heart. Always look for it in data of your own.
#
# And what does the network invent? It starts with three dots, draws a letter by the probabilities that it
# computes, moves the window on, and ends when it draws a dot.


# %%
@mg.no_grad()
def sample(parameters, g):
    """One invented name."""
    context, letters = [0, 0, 0], []
    while not letters or letters[-1] != 0:
        probabilities = F.softmax(forward(mg.tensor([context]), parameters), dim=1)
        letters.append(mg.multinomial(probabilities, num_samples=1, generator=g).item())
        context = context[1:] + letters[-1:]
    return vocabulary.decode(letters[:-1])


g = mg.Generator().manual_seed(lesson.seed + 10)
names = [sample(best, g) for _ in range(20)]
print("invented:", ", ".join(names))
known = set(words)
print(f"{sum(name in known for name in names)} of them are in the list")

# %% [markdown]
# ## What to keep
#
# - **An embedding** is a table of learned points, one per symbol. What behaves alike comes to lie close
#   together, so the network has something to say about contexts that it has never seen.
# - **Train, dev and test** answer three questions: what to learn, what to choose, what to claim.
# - **A minibatch** gives a rough gradient at a fraction of the price. Many rough steps beat few exact ones.
# - **Search the learning rate on a logarithmic scale**, and let it fall towards the end.
# - **Compare train and dev loss.** Equal and high: too small. Far apart: learned by heart.
# - **Keep a simple model at hand.** Without the tables we would not know that three letters should give
#   2.10.
#
# ## Exercises
#
# 1. *A longer memory.* Let the network look back 1, 2, 3, 5 and 8 letters, with all its weights a tenth as
#    large at the start (`scale=0.1`). Where does it stop to gain, and how does that compare with the
#    tables?
# 2. *Is the embedding needed?* Keep the points where they were put at random and train only the rest. How
#    much is lost with two coordinates, how much with ten?
# 3. *Against learning by heart.* With 1000 names the network overfits. Add a penalty on the weights, or
#    stop at the right moment. Which helps more, and how many more names would be worth as much?
#
# Answers run in `answers/09_mlp.py`.

# %%
lesson.summary()
