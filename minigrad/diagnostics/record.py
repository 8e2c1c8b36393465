"""`Record`: what `watch` keeps of a training run. Only host data: Python floats and NumPy arrays, on every backend."""

import math

import numpy as np

from .tables import table

nan = math.nan


class Series:
    """Lists under the names in `series`, one value for every step that the Record keeps; nan where none was seen."""

    series = ()

    def __init__(self, missed=0):
        for name in self.series:
            setattr(self, name, [nan] * missed)

    def append(self, values):
        """Add a step: a dict with some of the series' values, and with new values of other attributes."""
        values = dict(values)
        for name in self.series:
            getattr(self, name).append(values.pop(name, nan))
        vars(self).update(values)

    def keep(self, places):
        """Forget every step but those at these places."""
        for name in self.series:
            values = getattr(self, name)
            setattr(self, name, [values[i] for i in places])


class LayerRecord(Series):
    """What one layer put out over the steps, all its calls of a step together, and the gradients of that.

    `kind`: the name of its class. `mean`, `std` (unbiased), `near_zero` (share of values), `gini`, `gradient_mean`,
    `gradient_std`: lists, aligned with `record.steps`. `saturated`: share of the values where an activation with limits
    (tanh, sigmoid and the like) is flat, nan for other kinds. `dead`: share of the units that were never active in the
    last steps. Shares are from 0 to 1, and nan where not all values of the step were finite. `examples`: how many there
    were, the first size of the output. `edges`: (bins + 1,) limits of the histogram's bins; what lies outside of them is
    counted in the outer bins. Of the last recorded step: `shape` of the output, and `activation` and `gradient`, 1-D
    NumPy arrays of its values and of their gradients, evenly thinned to a bounded number (`gradient` is empty where there
    was none).
    """

    series = ("mean", "std", "saturated", "dead", "near_zero", "gini", "gradient_mean", "gradient_std", "examples")

    def __init__(self, kind, edges, missed=0):
        super().__init__(missed)
        self.kind, self.edges, self.shape = kind, np.asarray(edges, float), None
        self.activation, self.gradient = np.zeros(0), np.zeros(0)
        self.counts = [self.no_counts()] * missed  # one row for every step; see `histogram`

    def no_counts(self):
        return np.zeros(len(self.edges) - 1, int)

    def append(self, values):
        values = dict(values)
        self.counts.append(np.asarray(values.pop("counts", self.no_counts())))
        super().append(values)

    def keep(self, places):
        super().keep(places)
        self.counts = [self.counts[i] for i in places]

    @property
    def histogram(self):
        """(steps, bins) counts of the output's values, thinned as `activation` is; zeros where none were seen."""
        return np.array(self.counts, int).reshape(len(self.counts), len(self.edges) - 1)


class ParameterRecord(Series):
    """What became of one parameter over the steps.

    `shape`. Lists, aligned with `record.steps`: `mean` and `std` of its values, their `gini`, `gradient_mean` and
    `gradient_std`, `grad_data` (std of the gradient / std of the values) and `update_data` (log10 of: std of the change
    that the step made / std of the values before it). Of the last recorded step: `gradient`, a 1-D NumPy array of its
    values, evenly thinned to a bounded number, empty where there was none.
    """

    series = ("mean", "std", "gini", "gradient_mean", "gradient_std", "grad_data", "update_data")

    def __init__(self, shape, missed=0):
        super().__init__(missed)
        self.shape, self.gradient = tuple(shape), np.zeros(0)


class Record:
    """Statistics of a training run, at evenly spaced steps, never more than `limit` of them.

    `steps`: the numbers of the steps kept, 0 the first, all multiples of `every`. When there are more than `limit`, or
    than one less if that is odd, every second is forgotten, the newest never, and `every` doubles. `losses`: aligned with
    `steps`, nan where none was given. `layers`: {name: LayerRecord} in the order of the forward pass. `parameters`: {name:
    ParameterRecord}. `classes`: the n of the loss -ln(1/n) that a guess at random has, or None. `model`: the model it is
    about, or None. `failed`: the first recorded step whose loss was given and not finite, or None. `passed_over`:
    whether a watched layer ran and was not recorded, since that was not in training.
    """

    def __init__(self, every=1, limit=1000, classes=None, model=None):
        for name, value, least in (("every", every, 1), ("limit", limit, 2), ("classes", classes, 2)):
            if name == "classes" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"record: {name} should be a whole number of at least {least}, got {value!r}")
        self.every, self.limit, self.classes, self.model = every, limit, classes, model
        self.steps, self.losses, self.layers, self.parameters, self.failed = [], [], {}, {}, None
        self.passed_over = False

    def append(self, step, loss=nan, layers=None, parameters=None):
        """Add what was seen at a step: the values of layers and parameters, a dict for each name.

        The dict of a new layer has its "kind" and "edges", that of a new parameter its "shape"; otherwise keys are the
        attributes of LayerRecord (with "counts", a row of the histogram) and of ParameterRecord.
        """
        if self.steps and step <= self.steps[-1]:
            raise ValueError(f"record: steps should come in order, got {step} after {self.steps[-1]}")
        seen = len(self.steps)
        layers, parameters = layers or {}, parameters or {}
        for name, values in layers.items():
            if name not in self.layers:
                self.layers[name] = LayerRecord(values["kind"], values["edges"], seen)
        for name, values in parameters.items():
            if name not in self.parameters:
                self.parameters[name] = ParameterRecord(values["shape"], seen)
        self.steps.append(step)
        self.losses.append(loss)
        for records, values in ((self.layers, layers), (self.parameters, parameters)):
            for name, record in records.items():
                record.append(values.get(name, {}))
        while len(self.steps) > self.limit // 2 * 2:  # of an odd number, the newest is one that stays
            self.thin()

    @property
    def missing(self):
        """Where there are no layers, what to do about it."""
        if self.passed_over:
            return "they ran in eval mode or under no_grad: call model.train(), or watch with training_only=False"
        return "run a training step inside `watch`"

    def thin(self):
        """Forget every second step."""
        self.every *= 2
        places = [i for i, step in enumerate(self.steps) if step % self.every == 0]
        self.steps, self.losses = [[values[i] for i in places] for values in (self.steps, self.losses)]
        for record in (*self.layers.values(), *self.parameters.values()):
            record.keep(places)

    def __str__(self):
        """Tables of the last step: layers forward and backward, then parameters."""
        if not self.steps:
            return "nothing recorded yet"
        loss = "" if math.isnan(self.losses[-1]) else f", loss {self.losses[-1]:.4f}"
        parts = [f"step {self.steps[-1]}{loss}"]
        if self.layers:
            header = ("layer", "kind", "mean", "std", "saturated", "dead", "gradient mean", "gradient std")
            rows = [
                (name, a.kind, f"{a.mean[-1]:+.2f}", f"{a.std[-1]:.2f}", percent(a.saturated[-1]), percent(a.dead[-1]),
                 f"{a.gradient_mean[-1]:+.6f}", f"{a.gradient_std[-1]:.6e}")
                for name, a in self.layers.items()
            ]  # fmt: skip
            parts.append(table(header, rows, left=2))
        if self.parameters:
            header = ("parameter", "shape", "mean", "std", "gradient mean", "gradient std", "grad:data", "log10 update:data")
            rows = [
                (name, p.shape, f"{p.mean[-1]:+.6f}", f"{p.std[-1]:.6f}", f"{p.gradient_mean[-1]:+.6f}",
                 f"{p.gradient_std[-1]:.6e}", f"{p.grad_data[-1]:.6e}", f"{p.update_data[-1]:.2f}")
                for name, p in self.parameters.items()
            ]  # fmt: skip
            parts.append(table(header, rows, left=2))
        return "\n\n".join(parts)


def percent(share):
    """A share as text: 0.0369 is "3.69%", nan is "-"."""
    return "-" if share != share else f"{share:.2%}"
