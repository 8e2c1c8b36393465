# %% [markdown]
# # Callbacks: a training loop that never has to change
#
# The training loop of a network has a dozen lines, and everybody wants something else from it: a progress
# bar, a picture of the loss, a learning rate that falls towards the end, a stop when nothing improves any
# more. If every wish becomes a few lines in the middle of the loop, it is soon a thicket that nobody dares
# to touch.
#
# There is a way out. The loop says *when* something happens ("a batch begins", "the loss is known"), and
# hands over control for a moment. *What* is done then is written elsewhere, in small objects that can be
# plugged in and left out. They are named **callbacks**. In this lesson we meet them on a calculation
# without any network, build a training loop around them, hold it against the library's, and then use them:
# to record, to average, to schedule the learning rate, to search for a good one, and to stop in time.
#
# You need to know the training loop: data loader, loss, `backward()`, optimiser, training and validation.

# %%
import math
from functools import partial

import matplotlib.pyplot as plt
from common import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad import train as library
from minigrad.utils.data import DataLoader, TensorDataset

lesson = Lesson("04_callbacks")
FULL = 391
steps = lesson.steps(full=FULL, quick=60)
print(f"{steps} training steps an epoch, generator seed {lesson.seed}")

# %% [markdown]
# ## 1. Something to call back
#
# Here is a calculation that takes a while. Throw darts at a square, each at a random place. Those that land
# inside the circle that just fits into the square are a share of π/4 of all. So four times the share of
# hits is an estimate of π, and it becomes better with every round of darts.


# %%
def hits_of(darts, g):
    """How many of so many darts land inside the circle of radius 1."""
    places = mg.rand((darts, 2), generator=g) * 2 - 1  # from -1 to 1
    return (places.square().sum(1) < 1).sum().item()


def estimate_pi(rounds, darts=1000):
    """Throws so many darts in each round; returns the estimate of π after the last."""
    g = mg.Generator().manual_seed(lesson.seed)
    hits = 0
    for _ in range(rounds):
        hits += hits_of(darts, g)
    return 4 * hits / (rounds * darts)


print(f"estimate after 100 rounds {estimate_pi(100):.4f}, π = {math.pi:.4f}")
assert abs(estimate_pi(100) - math.pi) < 0.05

# %% [markdown]
# While it runs, nothing is seen. We could put a `print` into the loop. But the next person wants a progress
# bar, a third one nothing at all, and the function is in a library where none of them can change it.
#
# So let the caller say what to do after each round, by handing over a *function*. The loop calls it back:
# hence the name.


# %%
def estimate_pi_calling(rounds, after_round=None, darts=1000):
    """As `estimate_pi`; calls after_round(number of the round, estimate so far)."""
    g = mg.Generator().manual_seed(lesson.seed)
    hits = 0
    for i in range(1, rounds + 1):
        hits += hits_of(darts, g)
        if after_round is not None:
            after_round(i, 4 * hits / (i * darts))
    return 4 * hits / (rounds * darts)


def show(i, estimate):
    """A callback."""
    print(f"round {i}: {estimate:.4f}")


result = estimate_pi_calling(4, show)
assert result == estimate_pi(4), "to watch a calculation must not change it"

# %% [markdown]
# Note the difference between `show` and `show()`. The second calls the function at once; the first is the
# function itself, a thing that can be handed on like a number. Where it is needed only once it does not
# even need a name:

# %%
estimates = []
estimate_pi_calling(200, lambda i, estimate: estimates.append(estimate))
print(f"{len(estimates)} estimates were collected, from {estimates[0]:.3f} to {estimates[-1]:.3f}")
assert len(estimates) == 200

# %% [markdown]
# ### A callback with something to remember
#
# Now suppose that the text before each number is to be ours to choose. The loop calls its callback with two
# arguments, and will not pass on a third. There are three ways to make a function of two arguments out of a
# function of three.
#
# A **closure** is a function made inside another one. It keeps access to the variables that were there when
# it was made.


# %%
def make_show(text):
    """A callback that begins each line with this text."""

    def show(i, estimate):
        print(f"{text} {i}: {estimate:.4f}")  # `text` is found in the function around this one

    return show


estimate_pi_calling(2, make_show("darts thrown, round"))
make_show("called by hand, round")(7, 3.0)

# %% [markdown]
# `functools.partial` does the same to a function that exists already: it fixes some of the arguments, and
# what comes out takes the others.


# %%
def show_with(text, i, estimate):
    """Three arguments, one too many for a callback."""
    print(f"{text} {i}: {estimate:.4f}")


estimate_pi_calling(2, partial(show_with, "a partial function, round"))

# %% [markdown]
# The third is an object that can be called. If a class has the method `__call__`, its objects can be used
# as if they were functions. They are the best choice when something has to be remembered *from one call to
# the next*, because what they remember is in plain view, and still there when the calculation is over.


# %%
class LargestJump:
    """Remembers the largest change of the estimate from one round to the next."""

    def __init__(self):
        self.last, self.jump, self.at = None, 0.0, None

    def __call__(self, i, estimate):
        if self.last is not None and abs(estimate - self.last) > self.jump:
            self.jump, self.at = abs(estimate - self.last), i
        self.last = estimate


watcher = LargestJump()
estimate_pi_calling(200, watcher)
print(f"the largest jump was {watcher.jump:.4f}, in round {watcher.at}")
assert watcher.jump == max(abs(b - a) for a, b in zip(estimates, estimates[1:], strict=False))

# %% [markdown]
# ### A callback that interferes
#
# So far our callbacks only watched. To take part they must be able to do two more things: to *stop* the
# calculation, and to *change* it.
#
# To change it they need to get at its variables. So make the calculation an object, with its variables as
# attributes, and hand over the whole object instead of two chosen numbers. To stop it, a callback could
# return True. But how if the loop is in a function in a function? Python has a way to leave any number of
# them at once, an **exception**: `raise` leaves everything up to the next matching `except`.
#
# And while we are at it: one moment to call back is too few. Let there be two, before and after each round,
# and let the callback be an object that has a method for each moment that it cares for.


# %%
class Enough(Exception):
    """Raised by a callback that wants the throwing to end."""


def ignore(calculation):
    """What is called where a callback has no method for a moment."""


def inner():
    """Raises from within; what called it does not go on."""
    raise Enough


try:
    print("never printed", inner())
except Enough:
    print("the exception left the function, and the line that had called it")


# %%
class Darts:
    """Estimates π; `callback` may have methods before_round and after_round, which get this object."""

    def __init__(self, callback, darts=1000):
        self.callback, self.darts, self.hits, self.thrown = callback, darts, 0, 0
        self.g = mg.Generator().manual_seed(lesson.seed)

    def tell(self, moment):
        getattr(self.callback, moment, ignore)(self)

    def throw(self, rounds):
        for _ in range(rounds):
            self.tell("before_round")
            self.hits += hits_of(self.darts, self.g)
            self.thrown += self.darts
            self.estimate = 4 * self.hits / self.thrown
            self.tell("after_round")


darts = Darts(callback=None)  # None has neither of the two methods
darts.throw(100)
print(f"without a callback {darts.estimate:.4f}, as before {estimate_pi(100):.4f}")
assert darts.estimate == estimate_pi(100)


# %%
class DoubleUntilSure:
    """Doubles the darts from round to round, and stops when two estimates agree to within `tolerance`."""

    def __init__(self, tolerance):
        self.tolerance, self.last = tolerance, math.inf

    def before_round(self, darts):
        darts.darts *= 2  # changes the calculation

    def after_round(self, darts):
        if abs(darts.estimate - self.last) < self.tolerance:
            raise Enough  # stops it
        self.last = darts.estimate


darts = Darts(DoubleUntilSure(1e-3), darts=500)
try:
    darts.throw(12)
except Enough:
    print(f"stopped after {darts.thrown} darts, with the estimate {darts.estimate:.4f}")

# %% [markdown]
# Not a line of `throw` knows of doubling or tolerances. Everything that this lesson does to a training loop
# is done in this way.
#
# ## 2. The loop, and what it is told
#
# Now the real thing: MNIST's handwritten digits as rows of 784 numbers, a network with one hidden layer,
# and **epochs** (passes over the training set) of batches of 128. After each epoch the validation set is
# gone through, without learning.

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train, y_train = digits.train.images.view(-1, 784)[: 128 * steps], digits.train.labels[: 128 * steps]
x_valid, y_valid = digits.validation.images.view(-1, 784), digits.validation.labels
print("training", tuple(x_train.shape), "validation", tuple(x_valid.shape))


# %%
def loaders(count=None, batch_size=128):
    """A training loader over the first `count` images, in random order, and one for validation."""
    g = mg.Generator().manual_seed(lesson.seed)
    train_set = TensorDataset(x_train[:count], y_train[:count])
    train_loader = DataLoader(train_set, batch_size, shuffle=True, generator=g)
    return train_loader, DataLoader(TensorDataset(x_valid, y_valid), 2000)


def new_model():
    """784 -> 50 -> 10, always with the same weights."""
    mg.manual_seed(lesson.seed)
    return nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


print("batches to train with", len(loaders()[0]), "and to validate with", len(loaders()[1]))

# %% [markdown]
# This is the loop as one writes it without callbacks. Mark the places where somebody may wish to do
# something: at the start and the end of everything, of an epoch, of the training and the validation part,
# of a batch; and within a batch when the prediction is there, the loss, the gradients, and when the step
# has been made.


# %%
def fit_by_hand(epochs, model, data, optimizer):
    """The plain loop; returns the training losses."""
    losses = []
    for _ in range(epochs):
        for x, y in data[0]:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return losses


model = new_model()
by_hand = fit_by_hand(1, model, loaders(), optim.SGD(model.parameters(), lr=0.1))
print(f"loss of the first step {by_hand[0]:.4f}, of the last {by_hand[-1]:.4f}")

# %% [markdown]
# We turn it into an object, the **learner**, that holds what belongs together (model, data, loss function,
# optimiser, callbacks), and everything about the present batch (`x`, `y`, `prediction`, `loss`). Each of
# the moments becomes an **event** with a name. For an event the learner goes through its callbacks and
# calls the method of that name, if there is one.
#
# A callback is an object with such methods. It also has a number, its `order`: of two callbacks, the one
# with the lower order hears of an event first. This matters. A callback that prints averages must come
# after the one that computes them.


# %%
class OurCallback:
    """Methods named after events are called with the learner."""

    order = 0


class Cancel(Exception):
    """Leaves a part of the fit."""


class OurCancelBatch(Cancel):
    """Goes on with the next batch."""


class OurCancelEpoch(Cancel):
    """Goes on with the next epoch."""


class OurCancelFit(Cancel):
    """Ends the fit."""


assert issubclass(OurCancelFit, Cancel)
print("a callback of order", OurCallback.order)

# %% [markdown]
# The parts of a fit lie inside each other: the fit consists of epochs, an epoch of a training and a
# validation pass, a pass of batches. All of them have the same form:
#
# - tell everybody that it begins (`before_...`),
# - do it,
# - tell everybody that it is over (`after_...`), *also if it was cut short*, so that whoever opened
#   something can close it.
#
# So this form is written once, as `phase`. (The class is written in pieces, each built on the one before,
# so that every piece fits into a cell.) It also knows which exception is meant for this part. One that is
# meant for a wider part goes on its way, through all the `after_` events between.


# %%
class Events:
    """Tells `self.callbacks` of events."""

    def event(self, name):
        for callback in sorted(self.callbacks, key=lambda callback: callback.order):
            getattr(callback, name, ignore)(self)


events = Events()
events.callbacks = [OurCallback()]
events.event("before_lunch")
print("nobody minds an event that nobody listens to")


# %%
class Phases(Events):
    """Runs the parts of a fit."""

    def phase(self, name, kind, body):
        """Runs `body` between two events; a cancellation of this kind ends it."""
        stopped = None
        try:
            self.event("before_" + name)
            body()
        except Cancel as exception:
            stopped = exception
        self.event("after_" + name)
        if stopped is not None and not isinstance(stopped, kind):
            raise stopped  # it was meant for a wider part


phases = Phases()
phases.callbacks = []
phases.phase("nap", OurCancelBatch, lambda: print("a phase in which nothing is done but this"))

# %% [markdown]
# What is left is the loop itself. `training` says which of the two passes is going on. (The empty tuple
# says that no cancellation is meant for a pass: there is one for a batch and one for an epoch, none for
# what lies between.)


# %%
class Epoch(Phases):
    """An epoch and its batches."""

    def run_epoch(self):
        self.training = True
        self.model.train()
        self.phase("train", (), partial(self.run_batches, self.train_loader))
        self.training = False
        self.model.eval()
        with mg.no_grad():
            self.phase("validate", (), partial(self.run_batches, self.valid_loader))

    def run_batches(self, loader):
        for x, y in loader:
            self.x, self.y = x, y
            self.phase("batch", OurCancelBatch, self.run_batch)


assert not hasattr(Epoch, "run_batch"), "the inner part is still missing"


# %%
class Batch(Epoch):
    """What is done with a batch."""

    def run_batch(self):
        self.prediction = self.model(self.x)
        self.event("after_predict")
        self.loss = self.loss_function(self.prediction, self.y)
        self.event("after_loss")
        if self.training:
            self.loss.backward()
            self.event("after_backward")
            self.optimizer.step()
            self.event("after_step")
            self.optimizer.zero_grad()


assert not hasattr(Batch, "fit"), "and now the outer part"


# %%
class OurLearner(Batch):
    """Trains a model, and tells the callbacks at each event."""

    def __init__(self, model, data, loss_function, optimizer, callbacks=()):
        self.model, self.loss_function, self.optimizer = model, loss_function, optimizer
        (self.train_loader, self.valid_loader), self.callbacks = data, callbacks

    def fit(self, epochs):
        self.epochs = epochs
        self.phase("fit", OurCancelFit, self.run_fit)

    def run_fit(self):
        for epoch in range(self.epochs):
            self.epoch = epoch
            self.phase("epoch", OurCancelEpoch, self.run_epoch)


print("a learner is built of", " <- ".join(kind.__name__ for kind in OurLearner.__mro__[:-1]))

# %% [markdown]
# That is the loop, once and for all: this lesson will not touch it again. The first callback to try it with
# writes down every event. (In a learner of two epochs with three batches each; more would fill the page.)

# %%
MOMENTS = ("before_fit", "before_epoch", "before_train", "before_validate", "before_batch", "after_predict",
           "after_loss", "after_backward", "after_step", "after_batch", "after_validate", "after_train", "after_epoch",
           "after_fit")  # fmt: skip


class Tracer(library.Callback):  # the library's Callback, so that its learner will take it, too
    """Writes down the name of every event."""

    def __init__(self):
        self.names = []


for moment in MOMENTS:
    setattr(Tracer, moment, lambda self, learner, moment=moment: self.names.append(moment))
assert MOMENTS == library.EVENTS, "the library's learner has the same events"


# %%
def small_learner(kind, *callbacks):
    """A learner of ours or the library's, with three batches to train with and one to validate with."""
    model = new_model()
    data = DataLoader(TensorDataset(x_train[:24], y_train[:24]), 8), DataLoader(TensorDataset(x_valid[:8], y_valid[:8]), 8)
    return kind(model, data, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1), callbacks)


tracer = Tracer()
small_learner(OurLearner, tracer).fit(2)
print(f"{len(tracer.names)} events; the first of them:", *tracer.names[:9])

# %%
LEVELS = {"fit": 0, "epoch": 1, "train": 2, "validate": 2, "batch": 3}
COLOURS = {"fit": "#E5E5E5", "epoch": "#F7E2B5", "train": "#BFE3F5", "validate": "#F3D3E3", "batch": "#FFFFFF"}
MARKS = {"after_predict": (SKY, "o"), "after_loss": (VERMILLION, "s"), "after_backward": (PURPLE, "^"),
         "after_step": (GREEN, "D")}  # fmt: skip
print("parts of a fit:", ", ".join(LEVELS), "- events within a batch:", ", ".join(MARKS))


# %%
def draw_fit(axis, names):
    """A box from each before_ to its after_, inside of each other, and marks for the events of a batch."""
    opened = {}
    for at, name in enumerate(names):
        moment, _, part = name.partition("_")
        if name in MARKS:
            axis.plot(at, 3.5, MARKS[name][1], color=MARKS[name][0], markersize=6, zorder=9)
        elif moment == "before":
            opened[part] = at
        else:
            start, low = opened.pop(part), LEVELS[part]
            box = {"facecolor": COLOURS[part], "edgecolor": "0.4", "zorder": low}
            axis.add_patch(plt.Rectangle((start, low), at - start, 4 - low, **box))
            axis.text(start + 0.3, low + 0.5, "" if low == 3 else part, va="center", fontsize=11, zorder=9)
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(4, 0), yticks=[])
    axis.spines[["left"]].set_visible(False)


assert set(LEVELS) == set(COLOURS)

# %%
figure, axis = plt.subplots(figsize=(12, 3.4))
draw_fit(axis, tracer.names)
axis.set(title="a fit of two epochs: every box begins with its before_ event and ends with its after_ event")
axis.set_xlabel("number of the event")
for name, (colour, marker) in MARKS.items():
    axis.plot([], [], marker, color=colour, label=name)
axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4)
lesson.save(figure, "1_events", cover=True)
assert tracer.names.count("after_backward") == 6 and tracer.names.count("after_loss") == 8

# %% [markdown]
# The white boxes are batches. Those of the training passes have four events within; those of the validation
# passes two, as there is nothing to learn from them.
#
# ### Held against the library
#
# The library's loop is `minigrad.train.Learner`. It is longer than ours, as it checks its arguments, can be
# interrupted and can go on from a file. But it should do the same. First, the same events in the same
# order:

# %%
of_library = Tracer()
small_learner(library.Learner, of_library).fit(2)
print(f"ours {len(tracer.names)} events, the library's {len(of_library.names)}")
assert tracer.names == of_library.names

# %% [markdown]
# Second, the same training: equal losses in every step, to the last bit, also equal to those of the plain
# loop above. The callback that writes them down is three lines long.


# %%
class Losses(library.Callback):
    """Writes down the loss of every training step."""

    def __init__(self):
        self.values = []

    def after_step(self, learner):
        self.values.append(learner.loss.item())


runs = {}
for name, kind in (("our learner", OurLearner), ("the library's", library.Learner)):
    model, losses = new_model(), Losses()
    kind(model, loaders(), F.cross_entropy, optim.SGD(model.parameters(), lr=0.1), [losses]).fit(1)
    runs[name] = losses.values
    print(f"{name:<14} {len(losses.values)} steps, last loss {losses.values[-1]:.6f}")
print(f"the plain loop {len(by_hand)} steps, last loss {by_hand[-1]:.6f}")
assert runs["our learner"] == runs["the library's"] == by_hand

# %% [markdown]
# ## 3. Cancelling
#
# A callback can cut a part of the fit short by raising one of three exceptions: for the batch, the epoch or
# the fit. In the picture: it jumps to the right end of the innermost box of that kind. All `after_` events
# on the way still come.
#
# The callback below raises an exception the n-th time that a certain event comes.


# %%
class CancelAt(library.Callback):
    """Raises the exception at the n-th event of this name."""

    def __init__(self, moment, n, exception):
        self.left, self.exception = n, exception
        setattr(self, moment, self.count)

    def count(self, learner):
        self.left -= 1
        if self.left == 0:
            raise self.exception


traces = {"nothing": tracer.names}
for exception in (OurCancelBatch, OurCancelEpoch, OurCancelFit):
    tracer = Tracer()
    small_learner(OurLearner, tracer, CancelAt("after_predict", 2, exception)).fit(2)
    traces[exception.__name__] = names = tracer.names
    predictions, done, epochs = (names.count("after_" + what) for what in ("predict", "step", "epoch"))
    print(f"{exception.__name__:<15} {predictions} predictions, {done} steps; told that they are over: {epochs} epochs")
    assert names[-1] == "after_fit"

# %%
figure, axes = plt.subplots(4, 1, figsize=(12, 6.4), sharex=True)
for axis, (name, names) in zip(axes, traces.items(), strict=True):
    draw_fit(axis, names)
    axis.set_xlim(-0.5, 57.5)
    axis.set_title(f"cancelled in the second prediction by {name}" if name != "nothing" else "nothing cancelled", loc="left")
axes[-1].set_xlabel("number of the event")
lesson.save(figure, "2_cancelled")
assert len(traces["nothing"]) > len(traces["OurCancelBatch"]) > len(traces["OurCancelEpoch"]) > len(traces["OurCancelFit"])

# %% [markdown]
# Cancelling a batch skips its loss and its step. Cancelling an epoch skips what is left of it, validation
# included. Cancelling the fit ends everything. Does the library do the same? Try all three exceptions in
# every event of a batch.

# %%
pairs = [(OurCancelBatch, library.CancelBatch), (OurCancelEpoch, library.CancelEpoch), (OurCancelFit, library.CancelFit)]
compared = 0
for moment in ("before_batch", *MARKS):
    for ours, theirs in pairs:
        ours_seen, theirs_seen = Tracer(), Tracer()
        small_learner(OurLearner, ours_seen, CancelAt(moment, 2, ours)).fit(2)
        small_learner(library.Learner, theirs_seen, CancelAt(moment, 2, theirs)).fit(2)
        assert ours_seen.names == theirs_seen.names
        compared += 1
print(f"{compared} kinds of cancellation, each with the same events in both")

# %% [markdown]
# From here on we use the library's learner. All that we shall write are callbacks; each is a few lines
# long, and the library has a more careful one with the same task, which we hold beside it.
#
# A first use of cancelling: before a long training, see whether a few batches get through without an error.


# %%
def learner(callbacks=(), lr=0.1, count=None, batch_size=128):
    """The library's learner for the lesson's network, with `count` images to train with."""
    model = new_model()
    optimizer = optim.SGD(model.parameters(), lr=lr)
    return library.Learner(model, loaders(count, batch_size), F.cross_entropy, optimizer, callbacks)


class FewBatches(library.Callback):
    """Goes through so many batches of an epoch, and leaves out the others."""

    def __init__(self, count):
        self.count = count

    def before_batch(self, learner):
        if learner.done == self.count:  # batches that are over
            raise library.CancelEpoch


trial = learner([FewBatches(3)])
trial.fit(2)
print(f"{trial.step} steps in 2 epochs")
assert trial.step == 2 * min(3, steps)

# %% [markdown]
# (It leaves out validation, too. To try that as well, the callback would have to cancel one *batch* after
# the other instead.)
#
# ## 4. Recording and averaging
#
# The most wanted callback of all records what happens. `after_loss` is the moment; but that event comes in
# validation as well, so look at `learner.training`. The learning rate is noted, too: soon it will change.


# %%
class OurRecorder(library.Callback):
    """The loss and the learning rate of every training step."""

    def __init__(self):
        self.losses, self.rates = [], []

    def after_loss(self, learner):
        if learner.training:
            self.losses.append(learner.loss.item())
            self.rates.append(learner.optimizer.param_groups[0]["lr"])


ours, recorder = OurRecorder(), library.Recorder()
learner([ours, recorder]).fit(1)
print(f"ours: {len(ours.losses)} losses, last {ours.losses[-1]:.4f}; the library's: {recorder.losses[-1]:.4f}")
assert ours.losses == recorder.losses and ours.rates == [rates[0] for rates in recorder.lrs]

# %% [markdown]
# To judge a whole epoch we need averages. There is a catch. The last batch is usually smaller than the
# others, so the mean over the set is not the mean of the batches' means; each has to be weighted with its
# size $n_b$:
#
# $$ \bar v = \frac{\sum_b n_b v_b}{\sum_b n_b} $$
#
# The class below keeps the two sums, for a loss or for any other function of prediction and target, such as
# the **accuracy** (the share of right answers).


# %%
class WeightedMean:
    """A mean of values with weights."""

    def __init__(self):
        self.total = self.weight = 0

    def add(self, value, weight):
        self.total, self.weight = self.total + value * weight, self.weight + weight

    @property
    def value(self):
        return self.total / self.weight


mean = WeightedMean()
for value, weight in ((1.0, 3), (5.0, 1)):
    mean.add(value, weight)
print("three times 1 and once 5 have the mean", mean.value)
assert mean.value == 2


# %%
class OurMetrics(library.Callback):
    """After each epoch `learner.averages` holds the loss of both passes and the accuracy in validation."""

    def before_epoch(self, learner):
        self.means = {name: WeightedMean() for name in ("train_loss", "validation_loss", "validation_accuracy")}

    def after_loss(self, learner):
        n = len(learner.y)
        self.means["train_loss" if learner.training else "validation_loss"].add(learner.loss.item(), n)
        if not learner.training:
            self.means["validation_accuracy"].add(library.accuracy(learner.prediction, learner.y).item(), n)

    def after_epoch(self, learner):
        learner.averages = {name: mean.value for name, mean in self.means.items()}


averaged = learner([OurMetrics(), library.Metrics(library.accuracy)])
averaged.fit(1)
for name, value in averaged.averages.items():
    print(f"{name:<20} ours {value:.6f}, the library's {averaged.metrics[name]:.6f}")
    assert abs(value - averaged.metrics[name]) < 1e-6

# %% [markdown]
# Is it right? The validation set fits into memory, so compute the loss over all of it at once, and see.

# %%
with mg.no_grad():
    at_once = F.cross_entropy(averaged.model(x_valid), y_valid).item()
print(f"validation loss over all images at once {at_once:.6f}, by batches {averaged.averages['validation_loss']:.6f}")
assert abs(at_once - averaged.averages["validation_loss"]) < 1e-5

# %% [markdown]
# And the callback that everybody sees: the progress of the fit. It takes the averages from `Metrics`, so it
# has to come after it at `after_epoch`. Who makes sure of that? Each class has its `order`, and also says
# what it `requires`; if that is missing, the learner adds it.


# %%
class Report(library.Callback):
    """Prints a line after each epoch."""

    order = 30
    requires = (library.Metrics,)

    def after_epoch(self, learner):
        values = ", ".join(f"{name} {value:.4f}" for name, value in learner.metrics.items())
        print(f"epoch {learner.epoch + 1} of {learner.epochs}: {values}")


reported = learner([Report()])
reported.fit(2)
print("in order:", ", ".join(f"{type(callback).__name__} ({callback.order})" for callback in reported.active))

# %% [markdown]
# The library's `ProgressBar` does this, and on a terminal it shows a bar that moves, with the loss as it is
# now. Together with the recorder it is what one wants nearly always.

# %%
recorder = library.Recorder()
watched = learner([library.Metrics(library.accuracy), recorder, library.ProgressBar()])
watched.fit(4)
figure, axis = plt.subplots(figsize=(9, 4))
recorder.plot_loss(smooth=0.95, ax=axis)
axis.set_title("a recorder's picture: pale the loss of each step, solid its running mean")
lesson.save(figure, "3_recorder")
assert len(recorder.losses) == 4 * len(watched.data.train)

# %% [markdown]
# ## 5. Schedules
#
# Which learning rate is right depends on *when*. At the start the weights are random, gradients are large,
# and long steps do damage. Then long steps are just what is wanted, to get on. And towards the end, when
# the network stands in the right valley and only jumps from one slope to the other, short steps let it sink
# to the bottom.
#
# So let the learning rate be a function of the place t in the fit, from 0 at the first batch to 1 at the
# last. Such a function is a **schedule**. We want many of them, with different beginnings and ends; so we
# write functions that make functions, the closures of section 1.
#
# $$ \text{linear: } a (1 - t) + b t \qquad \text{exponential: } a \left( \tfrac{b}{a} \right)^t \qquad
#    \text{cosine: } b + \tfrac{1}{2} (a - b) (1 + \cos \pi t) $$
#
# From a to b the first goes in a straight line; the second is multiplied by the same factor in every step;
# the third begins and ends gently, as half a wave of the cosine does.


# %%
def linear(a, b):
    return lambda t: a * (1 - t) + b * t


def exponential(a, b):
    return lambda t: a * (b / a) ** t


def cosine(a, b):
    return lambda t: b + (a - b) * (1 + math.cos(math.pi * t)) / 2


halfway = {}
for ours, theirs in ((linear, library.linear), (exponential, library.exponential), (cosine, library.cosine)):
    halfway[ours.__name__] = ours(1.0, 0.1)(0.5)
    assert all(abs(ours(1.0, 0.1)(k / 50) - theirs(1.0, 0.1)(k / 50)) < 1e-12 for k in range(51))
print("half-way from 1 to 0.1:", {name: round(value, 4) for name, value in halfway.items()})

# %% [markdown]
# Schedules can be put one behind the other, each with its share of the way. The most useful combination is
# **one cycle**: up in the first 30 % of the fit, down in the remaining 70 %, both along a cosine.


# %%
def combine(shares, schedules):
    """One schedule after the other; `shares` says how much of the way belongs to each."""

    def combined(t):
        start = 0.0
        for share, schedule in zip(shares, schedules, strict=True):
            if t < start + share:
                return schedule((t - start) / share)
            start += share
        return schedules[-1](1.0)

    return combined


up_and_down = combine([0.3, 0.7], [cosine(0.1, 1.0), cosine(1.0, 0.01)])
of_library = library.combine([0.3, 0.7], [library.cosine(0.1, 1.0), library.cosine(1.0, 0.01)])
print("at 0, 15, 30, 65 and 100 %:", " ".join(f"{up_and_down(t):.3f}" for t in (0, 0.15, 0.3, 0.65, 1)))
assert all(abs(up_and_down(k / 200) - of_library(k / 200)) < 1e-12 for k in range(201))

# %%
ts = [k / 200 for k in range(201)]
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for schedule, colour, style in ((linear, BLUE, "-"), (exponential, ORANGE, "--"), (cosine, GREEN, "-.")):
    axes[0].plot(ts, [schedule(1.0, 0.1)(t) for t in ts], style, color=colour, label=schedule.__name__)
axes[0].set(title="three ways from 1 to 0.1", xlabel="place t in the fit", ylabel="learning rate")
axes[0].legend()
axes[1].plot(ts, [up_and_down(t) for t in ts], color=VERMILLION)
axes[1].axvline(0.3, color=BLACK, linestyle=":", linewidth=1)
axes[1].set(title="one cycle: two cosines, 30 % and 70 %", xlabel="place t in the fit")
lesson.save(figure, "4_schedules")
print(f"largest rate {max(map(up_and_down, ts)):.2f}, at t = {max(ts, key=up_and_down):.2f}")

# %% [markdown]
# The callback that applies a schedule sets the learning rate before each training batch. The optimiser
# keeps it in `param_groups`, a list of dictionaries: parameters can be divided into groups, and every group
# has its own learning rate. Where the fit stands is known to the learner as `progress`.


# %%
class OurScheduler(library.Callback):
    """Sets a number of the optimiser, such as "lr", to what the schedule says."""

    def __init__(self, name, schedule):
        self.name, self.schedule = name, schedule

    def before_batch(self, learner):
        if learner.training:
            for group in learner.optimizer.param_groups:
                group[self.name] = self.schedule(learner.progress)


ours, theirs = library.Recorder(), library.Recorder()
learner([OurScheduler("lr", up_and_down), ours]).fit(1)
learner([library.ParamScheduler("lr", up_and_down), theirs]).fit(1)
print(f"first rate {ours.lrs[0][0]:.3f}, largest {max(ours.lrs)[0]:.3f}, last {ours.lrs[-1][0]:.3f}")
assert ours.lrs == theirs.lrs and ours.losses == theirs.losses

# %% [markdown]
# Is it worth it? Five epochs each, from the same start: a small constant rate, a large one, and schedules
# that reach the large one. The last is the library's `OneCycle`, which moves the momentum in the opposite
# direction at the same time. (**Momentum**: the step is taken along a running mean of the gradients. It
# adds up what they agree on, so a quarter of the rate is enough. While the rate is large there should be
# less of it.)

# %%
one_cycle = combine([0.3, 0.7], [cosine(0.04, 0.4), cosine(0.4, 0.0)])
trials = {
    "constant 0.1": (0.1, []),
    "constant 0.4": (0.4, []),
    "linear, 0.4 to 0": (0.4, [library.ParamScheduler("lr", linear(0.4, 0.0))]),
    "one cycle up to 0.4": (0.4, [library.ParamScheduler("lr", one_cycle)]),
    "OneCycle with momentum": (0.1, [library.OneCycle(max_lr=0.1)]),
}
print("trials:", "; ".join(trials))

# %%
scheduled = {}
for name, (lr, callbacks) in trials.items():
    recorder = library.Recorder()
    learner([library.Metrics(library.accuracy), recorder, *callbacks], lr=lr).fit(5)
    last = recorder.metrics[-1]
    scheduled[name] = (recorder, last["validation_loss"], last["validation_accuracy"])
    print(f"{name:<24} validation loss {last['validation_loss']:.4f}, accuracy {last['validation_accuracy']:.4f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
for (name, (recorder, _, _)), colour in zip(scheduled.items(), (SKY, ORANGE, PURPLE, GREEN, BLACK), strict=True):
    axes[0].plot([rates[0] for rates in recorder.lrs], color=colour)
    smooth = [sum(recorder.losses[max(0, i - 30) : i + 1]) / min(i + 1, 31) for i in range(len(recorder.losses))]
    axes[1].plot(smooth, color=colour, label=name, linewidth=1.5)
axes[0].set(title="learning rate", xlabel="step", ylabel="learning rate")
axes[1].set(title="training loss, mean over 31 steps", xlabel="step", yscale="log")
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
lesson.save(figure, "5_scheduled")
best = min(scheduled, key=lambda name: scheduled[name][1])
print(f"lowest validation loss: {best}")

# %% [markdown]
# Large constant steps learn fast and then stay where they are; small ones are still on their way. The
# schedules have both, and the gain is free: not a step more was made.
#
# ## 6. Finding a learning rate
#
# How large may the rate be? Trying out ten of them costs ten trainings. A short experiment gives a good
# first answer: train with a rate that begins tiny and grows by the same factor in every step, and watch the
# loss. While the rate is tiny nothing happens; then the loss falls, faster and faster; then the rate
# becomes too large and the loss explodes. At that point the callback ends the fit.


# %%
class OurFinder(library.Callback):
    """Trains with a rate that grows from `start` to `end` in `steps` steps, until the loss is four times its best."""

    def __init__(self, start=1e-4, end=10.0, steps=100):
        self.factor, self.start, self.steps = (end / start) ** (1 / (steps - 1)), start, steps
        self.rates, self.losses = [], []

    def before_batch(self, learner):
        self.rates.append(self.start * self.factor ** len(self.rates))
        learner.optimizer.param_groups[0]["lr"] = self.rates[-1]

    def after_loss(self, learner):
        self.losses.append(learner.loss.item())
        if len(self.losses) == self.steps or not self.losses[-1] <= 4 * min(self.losses):  # nan is not <= anything
            raise library.CancelFit


ours = OurFinder()
learner([ours]).fit(10)
print(f"the loss went from {ours.losses[0]:.2f} down to {min(ours.losses):.2f}; stopped at {ours.losses[-1]:.2f}, ", end="")
print(f"with the rate {ours.rates[-1]:.2f}")

# %% [markdown]
# The library's `LRFinder` works the same way, and takes care of three things more. It puts everything back
# as it was (a model that has been trained until it explodes is of no use). It smooths the losses. And it
# suggests a rate: the one at which the smoothed loss falls most steeply. At the *lowest* point the rate is
# already too large: there the loss has just stopped falling.

# %%
finder, found = library.LRFinder(start=1e-4), learner()
suggestion = finder.find(found)
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharex=True)
axes[0].plot(ours.rates, ours.losses, color=BLUE, linewidth=1.5)
axes[0].set(title="our callback: the loss of each step", xlabel="learning rate", ylabel="loss", xscale="log", ylim=(0, 4))
finder.plot(ax=axes[1])
axes[1].set_title("the library's: smoothed, with a suggestion")
lesson.save(figure, "6_finder")
print(f"suggestion {suggestion:.3f}; the lowest loss was at {ours.rates[ours.losses.index(min(ours.losses))]:.2f}")
assert mg.equal(found.model[0].weight, new_model()[0].weight), "the model is as it was"

# %% [markdown]
# Measure the advice: one epoch each with rates from a hundredth of the suggestion to thirty times as much.

# %%
tried = {}
for factor in (0.01, 0.1, 0.3, 1, 3, 10, 30):
    tested = learner([library.Metrics(library.accuracy)], lr=factor * suggestion)
    tested.fit(1)
    tried[factor] = (tested.metrics["validation_loss"], tested.metrics["validation_accuracy"])
    print(f"rate {factor * suggestion:7.4f} = {factor:>4} x suggestion: loss {tried[factor][0]:.4f}, ", end="")
    print(f"accuracy {tried[factor][1]:.4f}")
assert steps < FULL or lesson.seed != lesson.default_seed or tried[0.01][0] > tried[1][0]

# %% [markdown]
# The suggestion is on the careful side: for a single epoch three times as much is better still. But ten
# times as much does harm, and a tenth of it wastes the epoch. So take it as a start: the right order of
# magnitude, for the price of a hundred steps.
#
# ## 7. Stopping in time
#
# How many epochs are enough? A network that is trained for too long learns its training images by heart:
# the training loss goes on falling while the validation loss rises (**overfitting**). It shows soonest when
# there are few images. So let a thousand be all that we have, and train for forty epochs.


# %%
few = {"count": 1000, "batch_size": 50, "lr": 0.2}
recorder = library.Recorder()
learner([library.Metrics(library.accuracy), recorder], **few).fit(40)
train_losses, valid_losses = ([row[f"{part}_loss"] for row in recorder.metrics] for part in ("train", "validation"))
lowest = min(range(40), key=lambda epoch: valid_losses[epoch])
print(f"lowest validation loss {valid_losses[lowest]:.4f} after epoch {lowest + 1}, at the end {valid_losses[-1]:.4f}")
print(f"training loss then {train_losses[lowest]:.4f}, at the end {train_losses[-1]:.4f}")
assert valid_losses[-1] > valid_losses[lowest] and train_losses[-1] < train_losses[lowest]

# %% [markdown]
# **Early stopping** looks at the validation loss after each epoch and ends the fit when it has not been
# lower than ever before for so many epochs in a row. That number is the **patience**. With a patience of 1
# the first accident would end the training: the validation loss does not fall evenly.


# %%
class OurEarlyStopping(library.Callback):
    """Ends the fit when the validation loss has not improved for `patience` epochs."""

    order = 40  # after Metrics
    requires = (library.Metrics,)

    def __init__(self, patience):
        self.patience, self.best, self.waited = patience, math.inf, 0

    def after_epoch(self, learner):
        self.waited += 1
        if learner.metrics["validation_loss"] < self.best:
            self.best, self.waited = learner.metrics["validation_loss"], 0
        if self.waited == self.patience:
            raise library.CancelFit


assert OurEarlyStopping(patience=3).waited == 0

# %%
stopped = {}
for kind in (OurEarlyStopping, library.EarlyStopping):
    short = library.Recorder()
    learner([short, kind(patience=3)], **few).fit(40)
    stopped[kind.__name__] = [row["validation_loss"] for row in short.metrics]
    losses = stopped[kind.__name__]
    print(f"{kind.__name__:<17} stopped after epoch {len(losses)}, validation loss {losses[-1]:.4f}")

# %%
end = len(stopped["EarlyStopping"])
assert stopped["OurEarlyStopping"] == stopped["EarlyStopping"] == valid_losses[:end]
figure, axis = plt.subplots(figsize=(9, 4.2))
epochs = range(1, 41)
axis.plot(epochs, train_losses, color=SKY, label="training")
axis.plot(epochs, valid_losses, color=PURPLE, linestyle=":", label="validation, if nobody stops")
axis.plot(epochs[:end], valid_losses[:end], color=PURPLE, label="validation")
axis.axvline(end, color=BLACK, linestyle="--", linewidth=1, label=f"stopped after epoch {end}")
axis.set(title="1000 training images: the loss of every epoch", xlabel="epoch", ylabel="loss", ylim=(0, 1))
axis.legend()
lesson.save(figure, "7_early_stopping")
print(f"{40 - end} of 40 epochs were saved")

# %% [markdown]
# Strictly, the weights that one wants are those of the *best* epoch, and the fit ended a few epochs later.
# Exercise 3 mends that.
#
# The library has more callbacks of this kind: `BatchTransform` changes batches before they are used,
# `GradientClip` limits gradients, `Checkpoint` saves the state so that a fit can go on after a power cut,
# `DetectAnomaly` says where the first nan came from. None of them needed a change of the loop.
#
# ## What to keep
#
# - **A callback** is something that a loop calls at agreed moments. A function is enough to watch; a
#   closure, a `partial` or an object with `__call__` remembers something; an object that gets the whole
#   calculation can change it.
# - **Exceptions** cut a part of the fit short, and every `after_` event still comes.
# - **Order matters** where one callback uses what another has computed.
# - **Weight averages** with the size of the batch.
# - **Schedule the learning rate**: up, then down to nearly zero. And search for it with a hundred steps
#   before a long training.
# - **Stop** when the validation loss has not fallen for a while.
#
# ## Exercises
#
# 1. *Images that move.* Write a callback that shifts every training image by up to two pixels in each
#    direction, other ones in each epoch. Train with 2000 images, with and without it. What happens to the
#    training loss, and what to the validation loss?
# 2. *A batch in four parts.* Four batches of 32 should make one step, exactly as one batch of 128 would.
#    Which exception, in which event, makes a learner leave out the step and keep the gradients? What has to
#    be done to the loss?
# 3. *Keep the best.* Write a callback that copies the weights whenever the validation loss is lower than
#    before, and puts the best ones back when the fit is over. Use it together with early stopping.
#
# Answers run in `answers/04_callbacks.py`.

# %%
print(f"events: ours and the library's are the same in {compared + 1} fits")
for name, (_, loss, share) in scheduled.items():
    print(f"{name:<24} validation loss {loss:.4f}, accuracy {share:.4f}")
print(f"learning-rate search: suggestion {suggestion:.3f}; early stopping: epoch {end} of 40")
