"""Decisions by a number that should get better from epoch to epoch."""

import math

from .. import states
from .callback import Callback, CancelFit
from .metrics import Metrics


class Monitor(Callback):
    """Watches a metric: is it better than ever before?

    `monitor`: its name in `learner.metrics`, by default the loss of validation, or of training where nothing is
    validated. `mode`: "min" or "max", which values are better. `best`: the best value so far, None before there is one.
    """

    requires = (Metrics,)
    rests_in_search = True

    def __init__(self, monitor=None, mode="min", min_delta=0.0):
        if mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: expected mode 'min' or 'max', got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"{type(self).__name__}: expected min_delta >= 0, got {min_delta}")
        self.monitor, self.mode, self.min_delta, self.best = monitor, mode, min_delta, None

    def improved(self, learner):
        """Whether the epoch that is over is the best so far, by more than `min_delta`; then `best` is its value."""
        default = "train_loss" if learner.data.validation is None else "validation_loss"
        name = self.monitor or default
        if name not in learner.metrics:
            if learner.cancelled is not None:  # before the metric could be computed
                return False
            raise ValueError(f"{type(self).__name__}: there is no metric {name!r}, only {sorted(learner.metrics)}")
        value = learner.metrics[name]
        if self.best is None:
            better = not math.isnan(value)
        else:  # false for nan
            better = (value - self.best if self.mode == "max" else self.best - value) > self.min_delta
        if better:
            self.best = value
        return better

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state_dict):
        name, best = type(self).__name__, states.entry(type(self).__name__, state_dict, "best")
        self.best = states.expect(name, "best", best, best is None or states.is_number(best), "a number or None")


class EarlyStopping(Monitor):
    """Ends the fit when a metric has not got better for `patience` epochs in a row; see Monitor for the rest."""

    order = 40

    def __init__(self, monitor=None, patience=3, mode="min", min_delta=0.0):
        super().__init__(monitor, mode, min_delta)
        if not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: expected a patience of at least 1 epoch, got {patience!r}")
        self.patience, self.waited = patience, 0

    def before_fit(self, learner):
        self.best, self.waited = None, 0

    def before_epoch(self, learner):
        self.stop_if_due()  # a fit that is resumed may have come to its end already

    def after_epoch(self, learner):
        if not learner.cut_off:
            self.waited = 0 if self.improved(learner) else self.waited + 1
            self.stop_if_due()

    def stop_if_due(self):
        if self.waited >= self.patience:
            raise CancelFit

    def state_dict(self):
        return {**super().state_dict(), "waited": self.waited}

    def load_state_dict(self, state_dict):
        waited = states.entry("EarlyStopping", state_dict, "waited")
        states.expect("EarlyStopping", "waited", waited, states.is_count(waited), "a number of epochs")
        super().load_state_dict(state_dict)
        self.waited = waited
