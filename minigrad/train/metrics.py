"""Averages over an epoch."""

import math

from .. import states
from ..autograd import Variable, no_grad, wrap
from ..backend import xp
from .callback import Callback
from .series import Series


def accuracy(prediction, target, dim=1):
    """The share of predictions whose largest entry along `dim` is at the index that the target names; a 0-d tensor.

    prediction: (N, C, ...) with the C classes along `dim`; target: integers of the same shape without that dimension.
    """
    for x in (prediction, target):
        if not isinstance(x, Variable):
            raise TypeError(f"accuracy: expected Tensors, got {type(x).__name__}")
    if not -prediction.ndim <= dim < prediction.ndim:
        raise ValueError(f"accuracy: expected classes along dim {dim}, got predictions of shape {tuple(prediction.shape)}")
    shape = list(prediction.shape)
    del shape[dim]
    if tuple(target.shape) != tuple(shape):
        raise ValueError(
            f"accuracy: expected a target of shape {tuple(shape)} for predictions of shape {tuple(prediction.shape)} with "
            f"classes along dim {dim}, got {tuple(target.shape)}"
        )
    return wrap(xp.mean(prediction.array.argmax(dim) == target.array, dtype="float32"))


class Metrics(Callback):
    """Averages the loss, and functions of (prediction, target), over each pass; a batch counts by its size.

    Metrics(accuracy, top5=function): each is called under the name of the function or the keyword. After the passes
    `learner.metrics` holds {"train_loss": ..., "validation_loss": ..., "validation_accuracy": ...}, floats.
    `train`: compute the functions in training as well, where they cost time in every batch; without validation data
    they are computed there in any case. The loss function is taken to return a mean over the batch.
    """

    order = 10

    def __init__(self, *functions, train=False, **named):
        self.functions, self.train = {}, train
        for name, function in [*((getattr(f, "__name__", type(f).__name__), f) for f in functions), *named.items()]:
            if not callable(function):
                raise TypeError(f"Metrics: expected functions of (prediction, target), got {name}={function!r}")
            if name in self.functions or name == "loss":
                raise ValueError(f"Metrics: {name!r} is the name of another metric; name it: Metrics(name=function)")
            self.functions[name] = function
        self.series, self.weights, self.values = {}, [], {}

    def before_fit(self, learner):
        for other in learner.active:
            shared = set(other.functions) & set(self.functions) if isinstance(other, Metrics) else ()
            twice = sorted(name for name in shared if other.functions[name] is not self.functions[name])
            if twice:
                raise ValueError(f"Metrics: two of them have functions named {', '.join(twice)}; name one otherwise")
        self.values = learner.metrics  # which all Metrics of a fit fill

    def before_epoch(self, learner):
        self.values.clear()

    def before_train(self, learner):
        named = self.functions if self.train or learner.data.validation is None else {}
        self.series, self.weights = {name: Series() for name in ("loss", *named)}, []

    def before_validate(self, learner):
        self.series, self.weights = {name: Series() for name in ("loss", *self.functions)}, []

    def after_loss(self, learner):
        for name, series in self.series.items():
            if name == "loss":
                series.append(learner.loss)
            else:
                with no_grad():
                    value = self.functions[name](learner.prediction, learner.y)
                    if value is None:
                        raise TypeError(f"Metrics: expected {name}(prediction, target) to return a number, got None")
                    series.append(learner.parallel.mean(value))
        self.weights.append(learner.samples)

    def after_train(self, learner):
        self.publish("train")

    def after_validate(self, learner):
        self.publish("validation")

    def publish(self, part):
        if self.weights:
            for name, series in self.series.items():
                products = [value * weight for value, weight in zip(series.tolist(), self.weights)]
                self.values[f"{part}_{name}"] = math.fsum(products) / sum(self.weights)

    def state_dict(self):
        series = {name: list(series.tolist()) for name, series in self.series.items()}
        return {"series": series, "weights": list(self.weights), "values": dict(self.values)}

    def load_state_dict(self, state_dict):
        series, weights, values = (states.entry("Metrics", state_dict, key) for key in ("series", "weights", "values"))
        states.expect("Metrics", "weights", weights, isinstance(weights, list), "a list")
        states.expect("Metrics", "weights", weights, all(map(states.is_count, weights)), "a list of sizes of batches")
        for key, numbers in (("series", series), ("values", values)):
            states.expect("Metrics", key, numbers, isinstance(numbers, dict), "a dict")
        for name, numbers in series.items():
            fits = isinstance(numbers, list) and len(numbers) == len(weights) and all(map(states.is_number, numbers))
            states.expect("Metrics", f"series[{name!r}]", numbers, fits, f"a list of {len(weights)} numbers")
            known = name == "loss" or name in self.functions
            states.expect("Metrics", "series", series, known, f"those of {['loss', *self.functions]}")
        for name, value in values.items():
            fits = isinstance(name, str) and states.is_number(value)
            states.expect("Metrics", f"values[{name!r}]", value, fits, "a number")
        self.series = {name: Series(numbers) for name, numbers in series.items()}
        self.weights = list(weights)
        self.values.update(values)


def size(target):
    """How many samples there are in a batch with this target."""
    if isinstance(target, Variable):
        return target.shape[0] if target.ndim else 1
    return len(target)


def length(loader):
    """How many batches a loader gives; None where it does not know, which it may say only when it is asked."""
    try:
        return len(loader)
    except TypeError:
        return None
