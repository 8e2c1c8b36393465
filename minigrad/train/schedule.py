"""Hyper-parameters as functions of where the fit stands, from 0 at its first batch to 1 at its last."""

import math
from bisect import bisect_right
from itertools import accumulate

from .callback import Callback

# ---------------------------------------------------------------------------------------------------- schedules


def linear(start, end):
    """In a straight line: t -> start * (1 - t) + end * t."""
    check_numbers("linear", start, end)
    return lambda t: start * (1 - t) + end * t


def cosine(start, end):
    """Along half a wave of the cosine, flat at both ends. Source: Loshchilov and Hutter, SGDR, 2017."""
    check_numbers("cosine", start, end)
    line = linear(start, end)
    return lambda t: line((1 - math.cos(math.pi * t)) / 2)


def exponential(start, end):
    """By the same factor at every step: t -> start * (end / start) ** t."""
    check_numbers("exponential", start, end)
    if not start * end > 0:
        raise ValueError(f"exponential: expected two numbers of one sign, neither of them 0, got {start} and {end}")
    return lambda t: start ** (1 - t) * end**t if start > 0 else -(abs(start) ** (1 - t)) * abs(end) ** t


def polynomial(start, end, power):
    """t -> end + (start - end) * (1 - t) ** power: steep first and flat at the end where the power is above 1."""
    check_numbers("polynomial", start, end, power)
    if power <= 0:
        raise ValueError(f"polynomial: expected a positive power, got {power}")
    line = linear(end, start)
    return lambda t: line((1 - t) ** power)


def combine(shares, schedules):
    """One schedule after another, each for its share of the way: combine([0.3, 0.7], [cosine(0.1, 1), cosine(1, 0)])."""
    shares, schedules = list(shares), list(schedules)
    if len(shares) != len(schedules) or not shares:
        raise ValueError(f"combine: expected a share for each schedule, got {len(shares)} for {len(schedules)}")
    if not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1):
        raise ValueError(f"combine: expected positive shares that sum to 1, got {shares}")
    for schedule in schedules:
        if not callable(schedule):
            raise TypeError(f"combine: expected schedules, functions of t, got {type(schedule).__name__}")
    starts = [0.0, *accumulate(shares[:-1])]

    def combined(t):
        i = bisect_right(starts, t) - 1
        return schedules[i](min(1.0, (t - starts[i]) / shares[i]))

    return combined


def check_numbers(name, *values):
    for value in values:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise TypeError(f"{name}: expected finite numbers, got {value!r}")


# ---------------------------------------------------------------------------------------------------- callbacks


class ParamScheduler(Callback):
    """Before every training batch, sets a hyper-parameter of the optimiser to what a schedule gives at that place.

    `name`: that of a setting in the optimiser's groups, such as "lr" or "weight_decay"; "momentum" means the first of
    the `betas` where there are such. `schedule`: a function of t from 0 to 1, or a list of one for each group.
    """

    def __init__(self, name, schedule):
        several = isinstance(schedule, (list, tuple))
        for function in schedule if several else [schedule]:
            if not callable(function):
                raise TypeError(f"ParamScheduler: expected a schedule, a function of t, got {type(function).__name__}")
        self.name, self.schedule = name, list(schedule) if several else schedule

    def before_fit(self, learner):
        groups = learner.optimizer.param_groups
        if isinstance(self.schedule, list) and len(self.schedule) != len(groups):
            raise ValueError(f"{type(self).__name__}: got {len(self.schedule)} schedules for {len(groups)} parameter groups")
        for group in groups:
            if self.name not in group and not (self.name == "momentum" and "betas" in group):
                known = ", ".join(sorted(name for name in group if name != "params"))
                raise ValueError(
                    f"{type(self).__name__}: {type(learner.optimizer).__name__} has no setting {self.name!r}, only {known}"
                )
        total_steps(learner)

    def before_batch(self, learner):
        if learner.training:
            t, groups = learner.progress, learner.optimizer.param_groups
            schedules = self.schedule if isinstance(self.schedule, list) else [self.schedule] * len(groups)
            for group, schedule in zip(groups, schedules):
                set_parameter(group, self.name, schedule(t))


def total_steps(learner):
    """How many training batches the fit has; TypeError where the loader has no length."""
    if learner.batches is None:
        loader = type(learner.data.train).__name__
        raise TypeError(f"a schedule has to know how long the fit is, but the training {loader} has no length")
    return learner.epochs * learner.batches


def set_parameter(group, name, value):
    """Set a hyper-parameter of a group; "momentum" is the first of the betas where there are such."""
    if name == "momentum" and "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group[name] = value


class OneCycle(Callback):
    """One cycle of learning rate and momentum over the fit, both along cosines, as torch's OneCycleLR.

    The learning rate rises from max_lr / div_factor to `max_lr`, for a share `pct_start` of the steps, and falls to its
    first value / final_div_factor; the momentum (the first of the betas) goes from `max_momentum` to `base_momentum` and
    back, unless `cycle_momentum` is False. `max_lr`: a number, or a list of one for each group.
    Source: Smith and Topin, Super-convergence, 2018.
    """

    def __init__(self, max_lr, pct_start=0.3, cycle_momentum=True, base_momentum=0.85, max_momentum=0.95,
                 div_factor=25.0, final_div_factor=1e4):  # fmt: skip
        check_numbers("OneCycle", *(max_lr if isinstance(max_lr, (list, tuple)) else [max_lr]))
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycle: expected pct_start between 0 and 1, got {pct_start}")
        if not (div_factor > 0 and final_div_factor > 0):
            raise ValueError(
                f"OneCycle: expected positive factors, got div_factor={div_factor}, final_div_factor={final_div_factor}"
            )
        self.max_lr, self.pct_start, self.cycle_momentum = max_lr, pct_start, cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self.parts = []

    def before_fit(self, learner):
        steps, groups = total_steps(learner), learner.optimizer.param_groups
        # the top is reached at step pct_start * steps - 1, counted from 0, and need not be a whole step
        rise = (self.pct_start * steps - 1) / max(1, steps - 1)
        tops = self.max_lr if isinstance(self.max_lr, (list, tuple)) else [self.max_lr] * len(groups)
        starts = [top / self.div_factor for top in tops]
        rates = [self.cycle(rise, start, top, start / self.final_div_factor) for start, top in zip(starts, tops)]
        self.parts = [ParamScheduler("lr", rates)]
        if self.cycle_momentum:
            cycle = self.cycle(rise, self.max_momentum, self.base_momentum, self.max_momentum)
            self.parts.append(ParamScheduler("momentum", cycle))
        for part in self.parts:
            part.before_fit(learner)

    def cycle(self, rise, start, top, end):
        if rise <= 0:
            return cosine(top, end)
        return cosine(start, top) if rise >= 1 else combine([rise, 1 - rise], [cosine(start, top), cosine(top, end)])

    def before_batch(self, learner):
        for part in self.parts:
            part.before_batch(learner)
