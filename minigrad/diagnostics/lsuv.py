"""Layer-sequential unit variance: starting values that are measured instead of derived.

A formula such as Kaiming's knows the nonlinearity; LSUV asks a batch. Layer after layer, from the input on, the weights
are divided by the standard deviation that the layer's output has, until it is 1. Source: Mishkin and Matas, 2015.
"""

import math
import warnings
from dataclasses import dataclass

from ..autograd import Variable, no_grad
from ..backend import item, xp
from ..nn import activation, init
from ..nn.attention import MultiheadAttention
from ..nn.conv import Convolution
from ..nn.dropout import DropoutBase
from ..nn.extras import GeneralReLU
from ..nn.linear import Linear
from ..nn.module import Module
from ..nn.recurrent import Sequence
from .passes import traceless
from .statistics import merged, std_of
from .tables import table

__all__ = ["lsuv_"]

LAYERS = Linear, Convolution
RANDOM = DropoutBase, MultiheadAttention, Sequence  # what `training` gives a dropout of its own
ACTIVATIONS = GeneralReLU, *(x for x in vars(activation).values() if getattr(x, "__module__", "") == activation.__name__)


@dataclass
class Moments:
    """Mean and standard deviation (with n - 1, as `Tensor.std`) of what a module gave out, all its calls together."""

    calls: int = 0
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # the sum of squared distances from the mean

    def add(self, array):
        """Count the values of one more call."""
        n = array.size
        call = n, item(array.mean(dtype=xp.float64)), item(array.var(dtype=xp.float64)) * n
        self.count, self.mean, self.squares = merged((self.count, self.mean, self.squares), call)
        self.calls += 1

    @property
    def std(self):
        return std_of(self.count, self.squares)


@dataclass
class Scaled:
    """What `lsuv_` did to one layer: the moments of its output, or of its activation's, before and after."""

    name: str
    kind: str
    measured: str  # the name of the module that was measured
    rescalings: int
    mean_before: float
    std_before: float
    mean: float
    std: float


@dataclass
class Result:
    """The layers in the order of the forward pass; prints as a table."""

    layers: list

    def __str__(self):
        header = ["layer", "kind", "measured at", "mean before", "std before", "mean after", "std after", "rescaled"]
        rows = []
        for s in self.layers:
            numbers = [f"{value:.4g}" for value in (s.mean_before, s.std_before)]
            numbers += [f"{value:.4f}" for value in (s.mean, s.std)]
            rows.append([s.name, s.kind, "its output" if s.measured == s.name else s.measured, *numbers, s.rescalings])
        return table(header, rows, left=3)


def lsuv_(model, batch, *, layers=None, pairs=False, orthonormal=True, mean=False, tolerance=1e-3, limit=50):
    """Scale the weights of `model` until the output of every layer for `batch` has standard deviation 1.

    `batch`: the model's input, or a tuple of its arguments. `layers`: which to treat; every Linear and convolution by
    default. `pairs`: False measures the output of the layer itself; True that of the activation which is called next, if
    one is; a dict {layer: module} says where to measure. `orthonormal`: first draw orthonormal weights, as the source
    does, and set biases to zero. `mean`: also shift the biases until means are 0. `tolerance`: how far from 1 (and 0) is
    near enough. `limit`: of the rescalings of one layer. Biases are scaled along with the weights.

    Dropout is off while measuring, and batch norms normalise by the batch, whatever the mode of the model. Modes, hooks,
    buffers and the random stream (but for the orthonormal draws) are left as they were; so are the weights after an
    error. ValueError for no layer, or layers that the batch does not reach; RuntimeError for an output that is not
    finite, that is constant (all units dead), or that does not come near 1. Source: Mishkin and Matas, 2015.
    """
    if not isinstance(model, Module):
        raise TypeError(f"lsuv_: expected model to be a Module, got {type(model).__name__}")
    arguments = batch if isinstance(batch, tuple) else (batch,)
    names = {module: name or type(module).__name__ for name, module in model.named_modules()}
    wanted = [m for m in names if isinstance(m, LAYERS)] if layers is None else list(layers)
    check(wanted, names, mean)
    parameters = [p for layer in wanted for p in (layer.weight, layer.bias) if p is not None]
    before = [p.array.copy() for p in parameters]
    try:
        return scaled(model, arguments, names, wanted, pairs, orthonormal, mean, tolerance, limit)
    except BaseException:
        for p, values in zip(parameters, before):
            p.array[...] = values
        raise


def check(wanted, names, mean):
    """Refuse layers that cannot be treated."""
    if not wanted:
        raise ValueError("lsuv_: the model has no layer to scale: no Linear and no convolution")
    for layer in wanted:
        if not isinstance(layer, LAYERS) or layer not in names:
            raise ValueError(f"lsuv_: expected layers to be Linear or convolutions of the model, got {layer!r}")
    owners = {layer.weight: layer for layer in wanted}
    for layer in wanted:
        if owners[layer.weight] is not layer:
            raise ValueError(
                f"lsuv_: {names[layer]!r} and {names[owners[layer.weight]]!r} share their weights, which cannot be scaled "
                "for both; choose one of them by layers=[...]"
            )
    without = [repr(names[layer]) for layer in wanted if layer.bias is None]
    if mean and without:
        raise ValueError(f"lsuv_: mean=True shifts biases, but there is none in {', '.join(without)}")


def scaled(model, arguments, names, wanted, pairs, orthonormal, mean, tolerance, limit):
    order, first = measure(model, arguments, list(names))
    missing = [repr(names[layer]) for layer in wanted if layer not in first]
    if missing:
        raise ValueError(f"lsuv_: the batch does not reach {', '.join(missing)}")
    wanted = sorted(wanted, key=order.index)
    places = {layer: place_of(layer, order, names, pairs) for layer in wanted}
    if orthonormal:
        for layer in wanted:
            init.orthogonal_(layer.weight)
            if layer.bias is not None:
                init.zeros_(layer.bias)

    def near(moments):
        return abs(moments.std - 1) < tolerance and (not mean or abs(moments.mean) < tolerance)

    rescalings = dict.fromkeys(wanted, 0)
    for layer, place in places.items():
        while not near(moments := measured(model, arguments, place, names)):
            if rescalings[layer] == limit:
                raise RuntimeError(
                    f"lsuv_: {described(place, names)} still has mean {moments.mean:.4g} and standard deviation "
                    f"{moments.std:.4g} after {limit} rescalings of {names[layer]!r}: a bounded activation or a "
                    "normalisation between the two may keep it there"
                )
            rescale(layer, moments, mean)
            rescalings[layer] += 1
    _, last = measure(model, arguments, list(places.values()))
    for place in places.values():
        if not near(last[place]):
            raise RuntimeError(
                f"lsuv_: {described(place, names)} had come near, but has standard deviation {last[place].std:.4g} after "
                "the later layers were scaled: do they share weights with earlier parts of the model?"
            )
    return Result([
        Scaled(names[layer], type(layer).__name__, names[place], rescalings[layer],
               first[place].mean, first[place].std, last[place].mean, last[place].std)
        for layer, place in places.items()
    ])  # fmt: skip


def place_of(layer, order, names, pairs):
    """The module whose output is to be measured."""
    if pairs is True:
        following = next((m for m in order[order.index(layer) + 1 :] if not m._modules), None)
        return following if isinstance(following, ACTIVATIONS) else layer
    place = pairs.get(layer, layer) if pairs else layer
    if place not in names or place not in order:
        raise ValueError(f"lsuv_: expected pairs to lead to modules that the batch reaches, got {place!r}")
    return place


def measure(model, arguments, modules):
    """The modules in the order of their first outputs, and the moments of each."""
    found = {}

    def note(module, inputs, output):
        if isinstance(output, Variable) and output.array.dtype.kind == "f" and output.array.size:
            found.setdefault(module, Moments()).add(output.array)

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        with traceless(model, ()), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            model.train()  # what overflows is seen in the moments
            for module in model.modules():
                if isinstance(module, RANDOM):
                    module.training = False
            model(*arguments)
    finally:
        for handle in handles:
            handle.remove()
    return list(found), found


def measured(model, arguments, place, names):
    """The moments of one module, or an error where no scale could make them right."""
    moments = measure(model, arguments, [place])[1][place]
    if moments.count < 2:
        raise RuntimeError(f"lsuv_: {described(place, names)} is a single number; the batch is too small")
    if not math.isfinite(moments.mean + moments.std):
        raise RuntimeError(f"lsuv_: {described(place, names)} has NaN or infinite values; is the batch finite?")
    if moments.std == 0:
        raise RuntimeError(
            f"lsuv_: {described(place, names)} is {moments.mean:g} everywhere, which no scale changes: all its units are "
            "dead for this batch, or its weights or inputs are zero"
        )
    return moments


def described(module, names):
    return f"the output of {names[module]!r} ({type(module).__name__})"


@no_grad()
def rescale(layer, moments, mean):
    """Divide by the standard deviation; its n-th root for a layer that is applied n times in a row."""
    std = moments.std ** (1 / moments.calls)
    if mean:
        layer.bias.sub_(moments.mean)
    if layer.bias is not None:
        layer.bias.div_(std)
    layer.weight.div_(std)
