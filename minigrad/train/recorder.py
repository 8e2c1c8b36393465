"""What happened in a fit, step by step and epoch by epoch."""

import math

from .. import states
from ..autograd import wrap
from ..backend import asarray
from .callback import Callback
from .metrics import Metrics
from .plots import BLUE, COLOURS, VERMILLION, axes_of, smoothed
from .series import Series


class Recorder(Callback):
    """Records the training loss of every step, the learning rates it was made with, and the metrics of every epoch.

    `losses`: floats. `lrs`: for each step a tuple of the learning rate of each group. `metrics`: for each epoch
    {"epoch": 1, 2, ..., "steps": how many were recorded by its end, **learner.metrics}; an epoch that was cut off by the
    end of the fit is not in it. Further fits are recorded behind the first.
    """

    order = 20
    requires = (Metrics,)
    rests_in_search = True

    def __init__(self):
        self.series, self.lrs, self.metrics = Series(), [], []

    @property
    def losses(self):
        return self.series.tolist()

    def after_loss(self, learner):
        if learner.training:
            self.lrs.append(tuple([float(group["lr"]) for group in learner.optimizer.param_groups]))
            self.series.append(learner.loss)

    def close(self, learner):
        del self.lrs[len(self.series) :]  # a KeyboardInterrupt may have come between the two

    def after_epoch(self, learner):
        if not learner.cut_off:
            row = {"epoch": len(self.metrics) + 1, "steps": len(self.series), **learner.metrics}
            self.metrics.append(row)

    def state_dict(self):
        losses, lrs = (wrap(asarray(values, "float64")) for values in (self.losses, self.lrs))
        return {"losses": losses, "lrs": lrs, "metrics": [dict(row) for row in self.metrics]}

    def load_state_dict(self, state_dict):
        losses, lrs, metrics = (states.entry("Recorder", state_dict, key) for key in ("losses", "lrs", "metrics"))
        states.tensor("Recorder", "losses", losses, (None,))
        states.tensor("Recorder", "lrs", lrs, (len(losses), None) if len(losses) else (0,))
        states.expect("Recorder", "metrics", metrics, isinstance(metrics, list), "a list of dicts")
        for i, row in enumerate(metrics):
            fits = isinstance(row, dict) and all(isinstance(k, str) and states.is_number(v) for k, v in row.items())
            states.expect("Recorder", f"metrics[{i}]", row, fits, "a dict of numbers")
            for key in ("epoch", "steps"):
                value = states.entry(f"Recorder.metrics[{i}]", row, key)
                states.expect("Recorder", f"metrics[{i}][{key!r}]", value, states.is_count(value), "a count")
        self.series = Series(losses.tolist())
        self.lrs = [tuple(rates) for rates in lrs.tolist()]
        self.metrics = [dict(row) for row in metrics]

    # -------------------------------------------------------------------------------------------------- figures

    def plot_loss(self, skip=0, smooth=0.0, ax=None):
        """The loss over the steps, and that of validation at the end of each epoch, as a matplotlib Figure.

        `skip`: how many steps to leave out at the start. `smooth`: how much of a running mean of the loss each step keeps,
        from 0 to below 1; the single losses then stand pale behind it. `ax`: axes to draw in.
        """
        losses = self.losses
        check_skip("plot_loss", skip, losses)
        # a running mean of what is finite: one nan would leave nothing of what follows
        means = iter(smoothed([loss for loss in losses if math.isfinite(loss)], smooth))
        means = [next(means) if math.isfinite(loss) else loss for loss in losses]
        ax = axes_of(ax, title="Loss", ylabel="loss")
        steps = range(skip + 1, len(losses) + 1)
        if smooth:
            ax.plot(steps, losses[skip:], color=BLUE, alpha=0.25, linewidth=1)
        curves = [(steps, means[skip:], {"color": BLUE, "linewidth": 1.5 if smooth else 0.8, "label": "training"})]
        if rows := [row for row in self.metrics if "validation_loss" in row and row["steps"] > skip]:
            look = {"color": VERMILLION, "marker": "o", "markersize": 4, "markevery": None, "label": "validation"}
            curves.append(([row["steps"] for row in rows], [row["validation_loss"] for row in rows], look))
        draw_over_steps(ax, curves)
        ax.legend(frameon=False)
        return ax.figure

    def plot_lr(self, skip=0, ax=None):
        """The learning rate of each group over the steps, as a matplotlib Figure; `skip` and `ax` as for `plot_loss`."""
        check_skip("plot_lr", skip, self.lrs)
        ax = axes_of(ax, title="Learning rate", ylabel="learning rate")
        groups, curves, steps = list(zip(*self.lrs[skip:])), [], range(skip + 1, len(self.lrs) + 1)
        for i, curve in enumerate(dict.fromkeys(groups)):  # groups with equal rates are one curve
            members = [str(group) for group, rates in enumerate(groups) if rates == curve]
            name = f"group {members[0]}" if len(members) == 1 else f"groups {', '.join(members)}"
            curves.append((steps, curve, {"color": COLOURS[i % len(COLOURS)], "label": name}))
        draw_over_steps(ax, curves)
        if len(groups) > 1:
            ax.legend(frameon=False)
        return ax.figure


def draw_over_steps(ax, curves):
    """Draw (steps, values, look) of each curve, of which the first is the longest."""
    from ..diagnostics.curves import draw_curve, name_steps  # matplotlib: see axes_of

    for steps, values, look in curves:
        draw_curve(ax, steps, values, **look)
    name_steps(ax, curves[0][0], [values for _, values, _ in curves], "step")


def check_skip(name, skip, values):
    if not values:
        raise ValueError(f"{name}: nothing has been recorded yet")
    if not 0 <= skip < len(values):
        raise ValueError(f"{name}: expected to skip from 0 to {len(values) - 1} of {len(values)} steps, got {skip}")
