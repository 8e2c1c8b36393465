"""A learning rate to start from."""

import math

from .callback import Callback, CancelEpoch, CancelFit
from .plots import BLUE, VERMILLION, axes_of, smoothed


class LRFinder(Callback):
    """Trains with a learning rate that grows by the same factor at every step, and watches the loss.

    finder = LRFinder(); learning_rate = finder.find(learner); finder.plot()

    The rate goes from `start` to `end` in `steps` steps; the search ends earlier when the loss is nan, infinite or more
    than `divergence` times its best. Afterwards weights, buffers, optimiser and random streams are as they were before.
    `smooth`: how much of a running mean of the loss each step keeps.

    `rates`, `losses`: of every step. `suggestion`: the rate at which the loss falls most steeply over the logarithm of the
    rate on the way to its lowest running mean, by lines of least squares through a fifth of the losses each; None where it
    never falls.
    Source: Smith, Cyclical learning rates for training neural networks, 2017.
    """

    order = 60
    searches = True

    def __init__(self, start=1e-6, end=10.0, steps=100, divergence=4.0, smooth=0.9):
        if not 0 < start < end:
            raise ValueError(f"LRFinder: expected 0 < start < end, got {start} and {end}")
        if not isinstance(steps, int) or steps < 3:
            raise ValueError(f"LRFinder: expected at least 3 steps, got {steps!r}")
        if not divergence > 1 or not 0 <= smooth < 1:
            raise ValueError(
                f"LRFinder: expected divergence > 1 and smooth in [0, 1), got divergence={divergence} and smooth={smooth}"
            )
        self.start, self.end, self.steps, self.divergence, self.smooth = start, end, steps, divergence, smooth
        self.rates, self.losses, self.before = [], [], None

    def find(self, learner):
        """Search with this learner and return the suggestion."""
        before, metrics = learner.snapshot(), learner.metrics
        try:
            learner.fit(self.steps, callbacks=[self])  # an epoch has at least one batch
        finally:
            learner.load_state_dict(before)
            learner.metrics = metrics
        return self.suggestion

    def before_fit(self, learner):
        self.rates, self.losses = [], []
        self.modes = [(module, module.training) for module in learner.model.modules()]
        self.before = learner.snapshot()

    def before_batch(self, learner):
        rate = self.start * (self.end / self.start) ** (len(self.rates) / (self.steps - 1))
        self.rates.append(rate)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate

    def after_loss(self, learner):
        self.losses.append(float(learner.loss))
        means = smoothed(self.losses, self.smooth)
        if not means[-1] <= self.divergence * min(means) or len(means) == self.steps:  # nan is not <= anything
            raise CancelFit

    def before_validate(self, learner):
        raise CancelEpoch

    def close(self, learner):
        if self.before is not None:
            learner.load_state_dict(self.before)
            for module, training in self.modes:
                module.training = training
            self.before = None

    # ------------------------------------------------------------------------------------------------ the answer

    def curve(self):
        """(rates, smoothed losses), without a last loss that is not finite."""
        count = len(self.losses) - (bool(self.losses) and not math.isfinite(self.losses[-1]))
        return self.rates[:count], smoothed(self.losses[:count], self.smooth)

    @property
    def suggestion(self):
        rates, losses = self.rates, [loss for loss in self.losses if math.isfinite(loss)]
        reach, means = max(1, len(losses) // 10), smoothed(losses, self.smooth)
        lowest = means.index(min(means)) if means else 0  # behind it, training falls apart, and may fall back
        best, steepest = None, -1e-9 * max(map(abs, losses), default=0.0)  # more than rounding
        for i in range(reach, min(len(losses) - reach, lowest + 1)):
            window = range(-reach, reach + 1)
            slope = sum(k * losses[i + k] for k in window) / sum(k * k for k in window)
            if slope < steepest:
                best, steepest = rates[i], slope
        return best

    def plot(self, ax=None):
        """The smoothed loss over the learning rate, on a logarithmic axis, as a matplotlib Figure; `ax`: where to draw."""
        rates, losses = self.curve()
        if not losses:
            why = "nothing has been found yet; call find(learner) first"
            if self.rates:
                loss = f"was {self.losses[0]}" if self.losses else "never came"
                why = f"the search ended at its first step: the loss {loss}, at the learning rate {self.rates[0]:g}"
            raise ValueError(f"LRFinder.plot: {why}")
        ax = axes_of(ax, title="Learning-rate search", xlabel="learning rate", ylabel="loss", xscale="log")
        ax.plot(rates, self.losses[: len(losses)], color=BLUE, alpha=0.25, linewidth=1)
        ax.plot(rates, losses, color=BLUE, label="smoothed loss")
        if self.suggestion is not None:
            ax.axvline(self.suggestion, color=VERMILLION, linestyle="--", label=f"suggestion {self.suggestion:.2g}")
        low, high = min(losses), max(losses)
        high = min(high, max(1.5 * losses[0], low + (losses[0] - low) / 0.8))  # or divergence leaves nothing of the dip
        if high > low:
            ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        ax.legend(frameon=False)
        return ax.figure
