"""`watch`: one line that records how every layer and parameter of a model fares while it is trained."""

import functools
import math
from collections.abc import Mapping

import numpy as np

from ..autograd import Variable, is_grad_enabled
from ..backend import to_numpy
from . import statistics
from .hooks import select
from .kinds import floor_of, limits_of, unit_dim, units_last, worth_watching
from .record import Record, nan
from .statistics import concentration, count, ever, flat_ends, log10, moments, numbers, quotient, sample, share, std_of


def watch(model, optimizer=None, *, layers=None, every=100, limit=1000, classes=None, bins=40, span=None, samples=10000,
          window=20, saturation=0.97, zero=0.01, training_only=True):  # fmt: skip
    """A Record of the training that is done inside its `with` block; it stays when the block ends, the hooks go.

        with watch(model, optimizer, classes=27) as record:
            for x, y in loader:
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                record.step(loss)
        print(record)
        print(health(record))

    A step ends when the optimizer steps; `record.step(loss)` after it adds the loss. Without an optimizer the step ends
    at `record.step(loss)`, to be called after the update and before gradients are zeroed. `layers`: which parts of the
    model, see `hooks.select`; by default activations, norms, linear, conv and recurrent layers and modules of one's own,
    those that have no parts themselves. Of an output that is a tuple, list or dict, its first tensor counts.

    Every `every`-th step is recorded, from the first on, and at most `limit` are kept, evenly spaced (see Record), so
    that memory stays bounded; steps between cost nothing but a count. Histograms have `bins` over `span`, by default the
    limits of the activation or twice the range of the first batch. They and Gini coefficients are those of at most
    `samples` values, all other statistics are exact. A unit is dead that was inactive in the last `window` recorded
    steps. `saturation` and `zero`: the thresholds of `statistics.saturated` and `near_zero`. `classes`: see Record.
    Only what runs in training mode and is recorded for backward counts, unless `training_only` is False.
    """
    return Watch(model, optimizer, layers, every, limit, classes, bins, span, samples, window, saturation, zero,
                 training_only)  # fmt: skip


class Watch(Record):
    """The Record of `watch` while it is being written."""

    def __init__(self, model, optimizer, layers, every, limit, classes, bins, span, samples, window, saturation, zero,
                 training_only):  # fmt: skip
        super().__init__(every, limit, classes, model)
        for name, value in (("bins", bins), ("samples", samples), ("window", window)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"watch: {name} should be a whole number of at least 1, got {value!r}")
        if span is not None and not (isinstance(span, (tuple, list)) and len(span) == 2 and span[0] < span[1]):
            raise ValueError(f"watch: span should be two numbers, the lower first, got {span!r}")
        if optimizer is not None and not callable(getattr(optimizer, "step", None)):
            raise TypeError(f"watch: expected an optimizer with a method step(), got {type(optimizer).__name__}")
        chosen = select(model, worth_watching if layers is None else layers, "watch")
        last = units_last(model)
        self.watched = {
            module: Layer(module, name or type(module).__name__, last[module], bins, span, samples, window, saturation, zero)
            for name, module in chosen.items()
        }
        self.optimizer, self.samples, self.training_only = optimizer, samples, training_only
        self.taken, self.active = 0, False  # steps that have ended; whether inside the `with` block
        self.handles, self.before, self.order = [], {}, {}

    # -------------------------------------------------------------------------------- the with block and its steps

    def __enter__(self):
        if self.active:
            raise RuntimeError("watch: this record is being written already")
        self.active = True
        if self.optimizer is not None:
            self.stepping = self.stepper(self.optimizer.step)
            vars(self.stepping).update(replaced=vars(self.optimizer).get("step"), over=False)
            self.optimizer.step = self.stepping
        self.begin()
        return self

    def __exit__(self, *exception):
        self.active = False
        self.detach()
        if self.optimizer is not None:
            vars(self.stepping).update(over=True)
            step = vars(self.optimizer).get("step")
            while getattr(step, "over", False):  # of several watches, whose blocks may end in any order
                step = step.replaced
            if step is None:
                vars(self.optimizer).pop("step", None)
            else:
                self.optimizer.step = step
        self.stepping = None  # it holds this record: a cycle

    def stepper(self, step):
        """The optimizer's step, after which a step of the record ends."""

        @functools.wraps(step)
        def stepping(*args, **kwargs):
            if not self.active:
                return step(*args, **kwargs)
            if self.handles:
                self.copy_parameters()
            loss = step(*args, **kwargs)
            self.end(loss)
            return loss

        return stepping

    def step(self, loss=None):
        """End a step; or, where an optimizer does that, add the loss of the step that has ended. A Tensor or a number."""
        if not self.active:
            raise RuntimeError("watch: record.step() belongs inside the `with` block")
        if self.optimizer is None:
            self.end(loss)
        elif not self.taken:
            raise RuntimeError("watch: call record.step(loss) after optimizer.step()")
        else:
            self.note(loss, self.taken - 1)

    def begin(self):
        """Get ready for the next step, if it is to be recorded."""
        if self.taken % self.every:
            return
        self.order = {}
        for module in self.watched:
            self.handles.append(module.register_forward_hook(self.see))
        if self.optimizer is None:
            self.copy_parameters()

    def end(self, loss):
        """A step has ended: record it, if it was to be."""
        if self.handles:
            with np.errstate(all="ignore"):
                layers = {layer.name: layer.values() for layer in self.order}
                parameters = dict(self.parameter_values())
            self.append(self.taken, nan, layers, parameters)
            self.detach()
            self.note(loss, self.taken)
        self.taken += 1
        self.begin()

    def note(self, loss, step):
        """Write down the loss of a step, if that is the last one recorded."""
        if loss is None or not self.steps or self.steps[-1] != step:
            return
        self.losses[-1] = loss = number(loss)
        if self.failed is None and not math.isfinite(loss):
            self.failed = step

    def detach(self):
        for handle in self.handles:
            handle.remove()
        self.handles, self.before, self.order = [], {}, {}

    # --------------------------------------------------------------------------------------------- what is seen

    def see(self, module, args, output):
        """The forward hook of every watched layer."""
        if self.training_only and not (module.training and is_grad_enabled()):
            self.passed_over = True
            return
        output = first_tensor(output)
        if output is None or not output.array.size:
            return
        layer, step = self.watched[module], self.taken
        if layer not in self.order:
            self.order[layer] = True
            layer.start()
        with np.errstate(all="ignore"):
            layer.see(output.array)
        if output.requires_grad:

            def see_gradient(g):
                if self.active and self.handles and self.taken == step:
                    with np.errstate(all="ignore"):
                        layer.gradient.add(g.array, self.samples)

            output.register_hook(see_gradient)

    def copy_parameters(self):
        self.before = {name: (p, p.array.copy()) for name, p in self.model.named_parameters() if p.requires_grad}

    def parameter_values(self):
        """(name, values for the ParameterRecord) of the parameters, as they were before the step."""
        for name, (p, before) in self.before.items():
            if before.shape != p.array.shape or not before.size:
                continue
            data = numbers(before, "watch")
            n, mean, squares = moments(data)
            spread = std_of(n, squares)
            n, _, squares = moments(numbers(p.array, "watch") - data)
            values = {
                "shape": before.shape, "mean": mean, "std": spread, "gini": concentration(sample(data, self.samples)),
                "update_data": log10(quotient(std_of(n, squares), spread)),
            }  # fmt: skip
            if p.grad is not None:
                gradient = numbers(p.grad.array, "watch")
                n, values["gradient_mean"], squares = moments(gradient)
                values["gradient_std"] = std_of(n, squares)
                values["grad_data"] = quotient(values["gradient_std"], spread)
                values["gradient"] = to_numpy(sample(gradient, self.samples).copy())
            yield name, values


class Layer:
    """A watched layer: what its calls of the present step put out, all taken together."""

    def __init__(self, module, name, units_last, bins, span, samples, window, saturation, zero):
        self.name, self.kind, self.units_last = name, type(module).__name__, units_last
        self.limits, self.floor = limits_of(module), floor_of(module)
        self.bins, self.span, self.edges, self.samples = bins, span or self.limits, None, samples
        self.window, self.saturation, self.zero = window, saturation, zero
        self.seen, self.last_active = 0, None  # recorded steps so far; for each unit, the last in which it was active

    def start(self):
        """A new step."""
        self.output, self.gradient = Pool(), Pool()
        self.examples = self.flat = self.small = 0  # how many examples there are, and values that are so
        self.finite = True  # whether all values are
        self.seen += 1

    def see(self, array):
        self.shape = array.shape
        self.examples += len(array) if array.ndim else 1
        x = numbers(array, "watch")
        self.output.add(x, self.samples)
        if not math.isfinite(self.output.mean):  # also where a sum of large values overflows
            self.finite = self.finite and count(abs(x) < math.inf) == x.size
        self.small += count(abs(x) < self.zero)
        if self.limits:
            flat = flat_ends(x, self.saturation, *self.limits)
            self.flat += count(flat)
            active = ~flat
        else:
            active = x != 0 if self.floor is None else ~(x <= self.floor)  # nan is no sign of a unit that is dead
        if x.ndim:
            active = to_numpy(ever(active, unit_dim(x.ndim, self.units_last)))
            if self.last_active is None or len(self.last_active) != len(active):
                self.last_active = np.full(len(active), self.seen - 1)
            self.last_active[active] = self.seen

    def values(self):
        """The values of the step for the LayerRecord."""
        output, total = self.output, self.output.count
        activation = output.sample(self.samples)
        if self.span is None:
            self.span = span_of(activation)
        if self.edges is None:
            self.edges = np.linspace(*self.span, self.bins + 1)
        values = {
            "kind": self.kind, "edges": self.edges, "shape": self.shape, "examples": self.examples,
            "mean": output.mean, "std": output.std, "near_zero": self.small / total if self.finite else nan,
            "gini": concentration(activation), "saturated": self.flat / total if self.limits and self.finite else nan,
            "counts": histogram(activation, self.bins, self.span),
            "activation": activation, "gradient": self.gradient.sample(self.samples),
        }  # fmt: skip
        if self.last_active is not None and self.finite:
            values["dead"] = share(self.seen - self.last_active >= min(self.window, self.seen))
        if self.gradient.count:
            values.update(gradient_mean=self.gradient.mean, gradient_std=self.gradient.std)
        return values


class Pool:
    """Values that arrive in several arrays: their number, mean, spread and a sample. Source: Chan et al., 1979."""

    def __init__(self):
        self.count, self.mean, self.squares, self.samples = 0, 0.0, 0.0, []

    def add(self, array, limit):
        x = numbers(array, "watch")
        if not x.size:
            return
        self.count, self.mean, self.squares = statistics.merged((self.count, self.mean, self.squares), moments(x))
        self.samples.append(to_numpy(sample(x, limit).copy()))  # the array may change or be large

    @property
    def std(self):
        return std_of(self.count, self.squares)

    def sample(self, limit):
        """At most `limit` of all values, on the host."""
        if len(self.samples) == 1:
            return self.samples[0]
        return sample(np.concatenate(self.samples), limit).copy() if self.samples else np.zeros(0)


def span_of(x):
    """Limits for the histograms of a layer whose first values are these: twice as wide, from zero if none is less."""
    largest = np.abs(x[np.isfinite(x)]).max(initial=0.0)
    high = 2 * float(largest) or 1.0
    return 0.0 if (x >= 0).all() else -high, high


def histogram(x, bins, span):
    """(bins,) counts of values on the host; those outside of the span are in the outer bins, nan in none."""
    low, high = span
    places = (x[x == x] - low) / (high - low) * bins
    return np.bincount(np.clip(places, 0, bins - 1, out=places).astype(np.intp), minlength=bins)


def first_tensor(output):
    """The first tensor in a module's output, or None."""
    if isinstance(output, Variable):
        return output
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return next((found for part in output if (found := first_tensor(part)) is not None), None)
    return None


def number(loss):
    """A loss as a Python float."""
    if isinstance(loss, Variable):
        loss = loss.item()
    if not isinstance(loss, (int, float, np.number)):
        raise TypeError(f"watch: expected a loss of one number, got {type(loss).__name__}")
    return float(loss)
