"""Schedules: how the learning rate of each parameter group changes from epoch to epoch, under torch's names.

`step()` is called after the optimiser's own, once an epoch (or once a batch: an epoch is what lies between
two calls). Most schedules multiply the present learning rate by a factor and do not compute it anew, so that
several of them can act on one optimiser and a change made by hand lasts.
"""

import math
import types
from bisect import bisect_right
from collections import Counter

from .. import states
from ..guard import warn
from .optimizer import Optimizer


class LRScheduler:
    """Sets `group["lr"]` of every group of `optimizer` to what `get_lr` of the subclass returns.

    `last_epoch`: -1 to begin, with the present learning rates as `base_lrs`; or the epoch after which to go
    on, where the groups have an "initial_lr" already.
    """

    unsaved: tuple[str, ...] = ("optimizer",)  # attributes that are not part of the state

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"last_epoch={last_epoch} needs an 'initial_lr', param_groups[{i}] has none")
        self.optimizer, self.last_epoch = optimizer, last_epoch
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        if type(optimizer).step is Optimizer.step:  # another step does not say that it was called
            optimizer.__dict__.setdefault("stepped", False)
        self.begin()

    def begin(self):
        """Set the learning rates of the first epoch."""
        self._step_count, self._is_initial = 0, True
        self.step()
        self._is_initial = False

    def restart(self):
        """Begin again from the base learning rates."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = lr
        self.last_epoch = -1
        self.begin()

    def step(self):
        """Go on to the next epoch."""
        if self._step_count == 1 and not getattr(self.optimizer, "stepped", True):
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: in this order the first "
                "learning rate of the schedule is skipped. Call them in the opposite order."
            )  # fmt: skip
        self._step_count += 1
        self.last_epoch += 1
        self.assign(self.get_lr())

    def assign(self, lrs):
        for group, lr in zip(self.optimizer.param_groups, lrs):
            group["lr"] = lr
        self._last_lr = self.current()

    def current(self):
        return [group["lr"] for group in self.optimizer.param_groups]

    def scaled(self, factor):
        return [lr * factor for lr in self.current()]

    def get_lr(self):
        raise NotImplementedError(f"{type(self).__name__} is missing the required get_lr() function")

    def get_last_lr(self):
        """The learning rate of each group, as the last step set it."""
        return self._last_lr

    def state_dict(self):
        """Every attribute but the optimiser."""
        return {name: value for name, value in self.__dict__.items() if name not in self.unsaved}

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict`. Load the optimiser's after making this schedule, as making it sets learning rates."""
        self.check_state(state_dict)
        self.__dict__.update({name: value for name, value in state_dict.items() if name not in self.unsaved})

    def check_state(self, state_dict):
        """Refuse a state with a value of another kind than this has; what is missing or new does no harm."""
        name = type(self).__name__
        if not isinstance(state_dict, dict):
            raise TypeError(f"load_state_dict: expected a dict for {name}, got {type(state_dict).__name__}")
        for key, own in self.__dict__.items():
            if key in state_dict and key not in self.unsaved:
                states.like(name, key, state_dict[key], own)
                if key in ("last_epoch", "_step_count"):
                    states.expect(name, key, state_dict[key], states.is_whole(state_dict[key]), "a whole number")


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def for_each_group(name, optimizer, value):
    """A list of one value for each group."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(values) != groups:
        raise ValueError(f"{name}: expected a value for each of {groups} parameter groups, got {len(values)}")
    return values


# ------------------------------------------------------------------------------------- multiplied by a factor


class LambdaLR(LRScheduler):
    """The base learning rate times lr_lambda(epoch); one function, or a list of one for each group.

    The state holds the attributes of callable objects, but no functions.
    """

    unsaved = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        check_optimizer(optimizer)
        self.lr_lambdas = for_each_group("lr_lambda", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr * function(self.last_epoch) for lr, function in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self):
        plain = types.FunctionType
        saved = [None if isinstance(f, plain) else f.__dict__.copy() for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": saved}

    def check_state(self, state_dict):
        super().check_state(state_dict)
        name, own = type(self).__name__, self.state_dict()["lr_lambdas"]
        saved = states.entry(name, state_dict, "lr_lambdas")
        states.like(name, "lr_lambdas", saved, [None] * len(own))
        for i, (value, attributes) in enumerate(zip(saved, own)):
            wanted = "None, as for a function" if attributes is None else "the attributes of an object"
            states.expect(name, f"lr_lambdas[{i}]", value, isinstance(value, type(attributes)), wanted)

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if attributes is not None:
                function.__dict__.update(attributes)


class StepLR(LRScheduler):
    """Times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self.scaled(self.gamma) if due else self.current()


class MultiStepLR(LRScheduler):
    """Times `gamma` at each epoch of `milestones`."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.milestones = Counter(self.milestones)  # which comes out of a file as a dict

    def get_lr(self):
        times = self.milestones.get(self.last_epoch)
        return self.scaled(self.gamma**times) if times else self.current()


class ExponentialLR(LRScheduler):
    """Times `gamma` every epoch."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return self.current() if self._is_initial else self.scaled(self.gamma)


class ConstantLR(LRScheduler):
    """Times `factor` for the first `total_iters` epochs."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, last_epoch=-1):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor expected to be in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch == 0:
            return self.scaled(self.factor)
        return self.scaled(1 / self.factor) if self.last_epoch == self.total_iters else self.current()


class LinearLR(LRScheduler):
    """Times a factor that goes from `start_factor` to `end_factor` in `total_iters` equal steps."""

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor expected to be in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor expected to be in [0, 1], got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch == 0:
            return self.scaled(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.current()
        rise = self.end_factor - self.start_factor
        return self.scaled(1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))


class PolynomialLR(LRScheduler):
    """Times (1 - epoch / total_iters) ** power, down to 0 at epoch `total_iters`."""

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        epoch, total = self.last_epoch, self.total_iters
        if self._is_initial or epoch > total:
            return self.current()
        return self.scaled(((1 - epoch / total) / (1 - (epoch - 1) / total)) ** self.power)


# ----------------------------------------------------------------------------------------- cosines and cycles


class CosineAnnealingLR(LRScheduler):
    """Down along half a cosine from the base learning rate to `eta_min` in `T_max` epochs, then up again.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        epoch, T, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self.current()
        if (epoch - 1 - T) % (2 * T) == 0:  # up from the bottom, where the ratio below would divide by zero
            up = (1 - math.cos(math.pi / T)) / 2
            return [lr + (base - low) * up for lr, base in zip(self.current(), self.base_lrs)]
        ratio = (1 + math.cos(math.pi * epoch / T)) / (1 + math.cos(math.pi * (epoch - 1) / T))
        return [ratio * (lr - low) + low for lr in self.current()]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down along half a cosine to `eta_min` in `T_0` epochs, then again from the top, `T_mult` times as long.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Expected positive integer {name}, but got {value}")
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        fall = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * fall / 2 for base in self.base_lrs]

    def step(self, epoch=None):
        """Go on to the next epoch, or to `epoch`, which may lie between two: epoch + batch / batches."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        else:
            self.T_cur, self.T_i = epoch, self.T_0
        while self.T_cur >= self.T_i:  # several times where the schedule goes on at a given last_epoch
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self.assign(self.get_lr())


def anneal_cos(start, end, pct):
    return end + (start - end) / 2 * (math.cos(math.pi * pct) + 1)


def anneal_linear(start, end, pct):
    return start + (end - start) * pct


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to `max_lr`, then down to 1 / final_div_factor of the first, once a batch.

    The way up takes the fraction `pct_start` of all batches, `total_steps` or epochs * steps_per_epoch of
    them. `three_phase` goes down as fast as up, then to the end. `anneal_strategy`: "cos" or "linear".
    `cycle_momentum` moves momentum, or the first beta, from `max_momentum` to `base_momentum` and back.
    Source: Smith and Topin, Super-convergence: very fast training of neural networks using large learning
    rates, 2018.
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
                 anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95,
                 div_factor=25.0, final_div_factor=1e4, three_phase=False, last_epoch=-1):  # fmt: skip
        check_optimizer(optimizer)
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: expected either total_steps or both epochs and steps_per_epoch")
        counts = {"total_steps": total_steps}
        if total_steps is None:
            counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        for name, count in counts.items():
            if not isinstance(count, int) or count <= 0:
                raise ValueError(f"Expected positive integer {name}, but got {count}")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', instead got {anneal_strategy!r}")
        self.total_steps = math.prod(counts.values())
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, cycle_momentum
        top = pct_start * self.total_steps - 1
        phases = [(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            phases.append((2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            phases.append((self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            phases.append((self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        names = "end_step", "start_lr", "end_lr", "start_momentum", "end_momentum"
        self._schedule_phases = [dict(zip(names, phase)) for phase in phases]
        max_lrs = for_each_group("max_lr", optimizer, max_lr)
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError("OneCycleLR: cycle_momentum=True needs an optimizer with momentum or betas")
            self.use_beta1 = "betas" in optimizer.defaults
            max_momentums = for_each_group("max_momentum", optimizer, max_momentum)
            base_momentums = for_each_group("base_momentum", optimizer, base_momentum)
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = max_lrs[i] / div_factor
                group["max_lr"] = max_lrs[i]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = max_momentums[i], base_momentums[i]
        super().__init__(optimizer, last_epoch)

    def check_state(self, state_dict):
        super().check_state(state_dict)
        for key in ("cycle_momentum", "use_beta1"):
            own, value = getattr(self, key, None), state_dict.get(key, getattr(self, key, None))
            states.expect("OneCycleLR", key, value, value == own, f"{own}, which this optimizer needs")
        for i, (phase, own) in enumerate(zip(state_dict.get("_schedule_phases", []), self._schedule_phases)):
            same = {**phase, "end_step": None} == {**own, "end_step": None}
            states.expect("OneCycleLR", f"_schedule_phases[{i}]", phase, same, "one from and to the same settings")

    def get_lr(self):
        step, start = self.last_epoch, 0.0
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: Tried to step {step} times, of {self.total_steps} in total")
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if step <= end or phase is self._schedule_phases[-1]:
                break
            start = end
        pct = (step - start) / (end - start) if end > start else 1.0
        anneal = anneal_cos if self._anneal_func_type == "cos" else anneal_linear
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                momentum = anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], pct)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        groups = self.optimizer.param_groups
        return [anneal(group[phase["start_lr"]], group[phase["end_lr"]], pct) for group in groups]


# ------------------------------------------------------------------------------------- by others, by the loss


class SequentialLR(LRScheduler):
    """One schedule after the other: schedules[i] from epoch milestones[i - 1] on, begun anew."""

    unsaved = ("optimizer", "_schedulers")

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "SequentialLR expects at least one schedule and one milestone fewer than schedules, got "
                f"{len(schedulers)} schedules and {len(milestones)} milestones"
            )
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, (ReduceLROnPlateau, SequentialLR)):
                raise ValueError(f"SequentialLR does not support {type(scheduler).__name__}, got at {i}")
            if getattr(scheduler, "optimizer", None) is not optimizer:
                raise ValueError(f"SequentialLR expects schedules of its optimizer, not so at {i}")
        self.optimizer, self._schedulers, self._milestones = optimizer, schedulers, milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in schedulers:
            scheduler.last_epoch -= 1  # none of them has begun yet
        first = schedulers[bisect_right(milestones, 0)]
        first.begin()
        self._last_lr = first.get_last_lr()

    def step(self):
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            self._schedulers[i].restart()
        else:
            self._schedulers[i].step()
        self._last_lr = self._schedulers[i].get_last_lr()

    def state_dict(self):
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def check_state(self, state_dict):
        super().check_state(state_dict)
        saved = states.entry(type(self).__name__, state_dict, "_schedulers")
        states.like(type(self).__name__, "_schedulers", saved, [{}] * len(self._schedulers))
        for scheduler, state in zip(self._schedulers, saved):
            scheduler.check_state(state)

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for scheduler, saved in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(saved)


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` when the `metrics` given to `step` did not get better for more than `patience` epochs.

    Better: smaller (`mode` "min") or larger ("max") than the best so far by `threshold`, a fraction of that
    (`threshold_mode` "rel") or an amount ("abs"). After a change, `cooldown` epochs are not counted. A
    learning rate stays at least `min_lr`, a number or a list of one for each group, and changes by more than
    `eps` only.
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel",
                 cooldown=0, min_lr=0, eps=1e-8):  # fmt: skip
        check_optimizer(optimizer)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor should be < 1.0, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode should be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode should be 'rel' or 'abs', got {threshold_mode!r}")
        self.optimizer, self.factor = optimizer, factor
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.min_lrs = for_each_group("min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.cooldown_counter = self.num_bad_epochs = 0
        self._last_lr = self.current()

    def step(self, metrics):
        """Go on to the next epoch, after which the loss (or another number or 0-d tensor) was `metrics`."""
        metrics = float(metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self.is_better(metrics):
            self.best, self.num_bad_epochs = metrics, 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.current()

    def is_better(self, metrics):
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * metrics < sign * self.best * (1 - sign * self.threshold)
        return sign * metrics < sign * self.best - self.threshold

    def reduce(self):
        min_lr = self.min_lrs if self.default_min_lr is None else self.default_min_lr
        self.min_lrs = for_each_group("min_lrs", self.optimizer, min_lr)  # groups may have been added
        for group, min_lr in zip(self.optimizer.param_groups, self.min_lrs):
            lr = max(group["lr"] * self.factor, min_lr)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
