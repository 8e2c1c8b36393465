# %% [markdown]
# # Answers to the exercises of lesson 04, callbacks

# %%
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import matplotlib.pyplot as plt
from common import BLACK, GREEN, VERMILLION, Lesson

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import datasets, nn, optim
from minigrad.train import Callback, CancelBatch, EarlyStopping, Learner, Metrics, Recorder, accuracy
from minigrad.utils.data import DataLoader, TensorDataset

lesson = Lesson("04_callbacks_answers")
epochs = lesson.steps(full=40, quick=12)
print(f"{epochs} epochs of few images, generator seed {lesson.seed}")

# %%
digits = datasets.mnist(dtype=mg.float32, normalize=True)
lesson.note_stand_in(digits.train.stand_in, "digits")
x_train, y_train = digits.train.images.view(-1, 784), digits.train.labels
x_valid, y_valid = digits.validation.images.view(-1, 784), digits.validation.labels


def learner(count, batch_size, callbacks=(), lr=0.1):
    """A learner for the lesson's network, with so many training images."""
    mg.manual_seed(lesson.seed)
    model = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    g = mg.Generator().manual_seed(lesson.seed)
    train_loader = DataLoader(TensorDataset(x_train[:count], y_train[:count]), batch_size, shuffle=True, generator=g)
    data = train_loader, DataLoader(TensorDataset(x_valid, y_valid), 2000)
    return Learner(model, data, F.cross_entropy, optim.SGD(model.parameters(), lr=lr), callbacks)


print("steps of an epoch with 2000 images:", learner(2000, 50).batches)

# %% [markdown]
# ## 1. Images that move
#
# Every image gets a shift of its own. Its pixel at (i, j) comes from (i + down, j + right); a margin of
# background around the image makes sure that there is such a pixel. Only in training: the validation images
# are what we want to know about.


# %%
class Shift(Callback):
    """Moves each training image by up to `most` pixels in each direction."""

    def __init__(self, most=2):
        self.most, self.g = most, mg.Generator().manual_seed(lesson.seed)

    def before_batch(self, learner):
        if learner.training:
            images = learner.x.view(-1, 28, 28)
            margin = F.pad(images, (self.most,) * 4, value=images.min().item())
            down, right = mg.randint(0, 2 * self.most + 1, (2, len(images), 1, 1), generator=self.g)
            rows, columns = mg.arange(28)[:, None] + down, mg.arange(28) + right
            learner.x = margin[mg.arange(len(images))[:, None, None], rows, columns].view(-1, 784)


assert not hasattr(Shift, "after_batch"), "only what goes in is changed"

# %%
moved = learner(8, 8)
moved.x, moved.training = x_train[:8], True
Shift().before_batch(moved)
figure, axes = plt.subplots(2, 8, figsize=(11, 3))
for row, images in zip(axes, (x_train[:8], moved.x), strict=True):
    for axis, image in zip(row, images, strict=True):
        axis.imshow(image.view(28, 28).tolist(), cmap="gray")
        axis.set_axis_off()
lesson.save(figure, "1_shifted")
assert moved.x.shape == (8, 784)

# %%
curves = {}
for name, callbacks in (("as they are", []), ("shifted", [Shift()])):
    recorder = Recorder()
    learner(2000, 50, [Metrics(accuracy), recorder, *callbacks]).fit(epochs)
    curves[name] = [[row[key] for row in recorder.metrics] for key in ("train_loss", "validation_loss")]
    last = recorder.metrics[-1]
    print(f"{name:<12} training loss {last['train_loss']:.4f}, validation loss {last['validation_loss']:.4f}, ", end="")
    print(f"accuracy {last['validation_accuracy']:.4f}")
assert curves["shifted"][0][-1] > curves["as they are"][0][-1]

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for (name, both), colour in zip(curves.items(), (VERMILLION, GREEN), strict=True):
    for axis, values in zip(axes, both, strict=True):
        axis.plot(range(1, epochs + 1), values, color=colour, label=name)
axes[0].set(title="training loss", xlabel="epoch", yscale="log")
axes[1].set(title="validation loss", xlabel="epoch")
axes[0].legend()
lesson.save(figure, "2_shifted_images")
lowest = {name: min(both[1]) for name, both in curves.items()}
print("lowest validation loss:", ", ".join(f"{name} {value:.4f}" for name, value in lowest.items()))

# %% [markdown]
# The training loss is higher, as an image is hardly ever seen twice in the same place and cannot be learned
# by heart. The validation loss needs longer to fall, for the task is harder; but it does not rise again,
# and it ends lower.
#
# ## 2. A batch in four parts
#
# `CancelBatch` in `after_backward` leaves out the step *and* the `zero_grad` after it, so that the next
# gradients are added to those that are there. The gradient of a mean over 128 images is the *mean* of the
# four gradients, so each loss has to be divided by four.


# %%
class Accumulate(Callback):
    """Makes a step with the gradients of `parts` batches."""

    def __init__(self, parts):
        self.parts, self.count = parts, 0

    def after_loss(self, learner):
        if learner.training:
            learner.loss = learner.loss / self.parts

    def after_backward(self, learner):
        self.count += 1
        if self.count % self.parts:
            raise CancelBatch


assert Accumulate(4).parts == 4

# %%
in_parts, at_once = learner(2560, 32, [Accumulate(4)]), learner(2560, 128)
for one in (in_parts, at_once):
    one.fit(1)
pairs = zip(in_parts.model.parameters(), at_once.model.parameters(), strict=True)
difference = max((a - b).abs().max().item() for a, b in pairs)
print(f"{in_parts.step} and {at_once.step} steps, largest difference of the weights {difference:.0e}")
assert in_parts.step == at_once.step == 20 and difference < 1e-5

# %% [markdown]
# The difference is rounding: four sums of 32 are not added in the same order as one of 128. And 2560 is a
# multiple of 128. Otherwise what is left at the end of the epoch would have to be counted, too.
#
# ## 3. Keep the best
#
# The weights must be *copied*: the state of a model shares its memory with the model, so that without the
# `clone` the best ones would go on learning. `after_fit` also comes if early stopping has ended the fit.


# %%
class KeepBest(Callback):
    """Puts back the weights of the epoch with the lowest validation loss when the fit is over."""

    order = 15  # after Metrics
    requires = (Metrics,)

    def before_fit(self, learner):
        self.lowest, self.weights = float("inf"), None

    def after_epoch(self, learner):
        if learner.metrics["validation_loss"] < self.lowest:
            self.lowest = learner.metrics["validation_loss"]
            self.weights = {name: value.clone() for name, value in learner.model.state_dict().items()}

    def after_fit(self, learner):
        learner.model.load_state_dict(self.weights)


assert KeepBest.order < EarlyStopping.order

# %%
recorder, keeper = Recorder(), KeepBest()
kept = learner(1000, 50, [recorder, keeper, EarlyStopping(patience=3)], lr=0.2)
kept.fit(epochs)
losses = [row["validation_loss"] for row in recorder.metrics]
print(f"{len(losses)} epochs, validation loss lowest {min(losses):.4f}, last {losses[-1]:.4f}")

# %%
with mg.no_grad():
    now = F.cross_entropy(kept.model(x_valid), y_valid).item()
print(f"validation loss of the model that we have now {now:.4f}")
figure, axis = plt.subplots(figsize=(8, 3.8))
axis.plot(range(1, len(losses) + 1), losses, "o-", color=VERMILLION, label="after each epoch")
axis.axhline(now, color=BLACK, linestyle="--", linewidth=1, label="of the weights put back")
axis.set(title="early stopping that keeps the best", xlabel="epoch", ylabel="validation loss")
axis.legend()
lesson.save(figure, "3_keep_best")
assert abs(now - min(losses)) < 1e-4
