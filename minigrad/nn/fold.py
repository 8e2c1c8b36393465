"""Batch norms as parts of the layers before them, where a model no longer learns."""

import copy
import itertools
from collections import Counter

from ..autograd import Variable, no_grad
from ..backend import xp
from ..creation import randn
from ..random import Generator
from .container import Sequential
from .conv import Conv1d, Conv2d, Conv3d
from .extras import RunningBatchNorm
from .linear import Identity, Linear
from .module import Parameter
from .norm import BatchNorm1d, BatchNorm2d

NORMS, LAYERS = (BatchNorm1d, BatchNorm2d, RunningBatchNorm), (Linear, Conv1d, Conv2d, Conv3d)


@no_grad
def fold_batchnorm(model, *inputs):
    """A copy of the model for inference, whose batch norms are part of the Linear or Conv layers before them.

    (W x + b - mean) / std * weight + bias is W' x + b' with other numbers; Identity takes the place of the
    norm. Within Sequentials it is known which layer comes before. For a model with a forward of its own,
    `inputs` to call it with show that, and its results are compared. RuntimeError where a norm cannot be
    folded or results differ. Without `inputs`, a Linear before a norm is taken to get (N, features): of
    (N, C, features) the norm's channels are C, not the Linear's outputs, and only `inputs` can show that.
    """
    folded = copy.deepcopy(model).eval()
    if inputs:
        before, times, expected = watch(folded, inputs)
    else:
        before, times = in_sequentials(folded)
    for name, norm in list(folded.named_modules()):
        if isinstance(norm, NORMS):
            layer = before.get(norm)
            check_foldable(name, norm, layer, times)
            if not inputs:
                inputs_of_layer = example(layer)
                expected = norm(layer(inputs_of_layer))
            fold(norm, layer)
            if not inputs:
                compare(layer(inputs_of_layer), expected, name)
            parent, _, own = name.rpartition(".")
            folded.get_submodule(parent).add_module(own, Identity())
    if inputs:
        compare(folded(*inputs), expected, "the model")
    return folded


def watch(model, inputs):
    """Call the model: by module, which one made its input and how often it was called; and the results."""
    makers, before, times = {}, {}, Counter()

    def hook(module, args, output):
        times[module] += 1
        before[module] = makers.get(id(args[0]), (None,))[0] if args else None
        makers.setdefault(id(output), (module, output))  # first by the layer, then by those that contain it

    handles = [module.register_forward_hook(hook) for module in model.modules()]
    expected = model(*inputs)
    for handle in handles:
        handle.remove()
    return before, times, expected


def in_sequentials(model):
    """By module, which one comes before it in a Sequential, and how often it stands in the model."""
    before, times = {}, Counter(module for _, module in model.named_modules(remove_duplicate=False))
    for module in model.modules():
        if isinstance(module, Sequential):
            for first, second in itertools.pairwise(leaves(module)):
                before.setdefault(second, first)
    return before, times


def leaves(sequential):
    for module in sequential:
        yield from leaves(module) if isinstance(module, Sequential) else [module]


def check_foldable(name, norm, layer, times):
    if layer is None:
        reason = "no layer is known to come before it; outside of a Sequential, pass inputs of the model"
    elif not isinstance(layer, LAYERS):
        reason = f"expected it right after a Linear or Conv layer, got {layer}"
    elif times[layer] > 1 or times[norm] > 1:
        reason = f"expected it and {layer} to be used once, got {times[norm]} and {times[layer]} times"
    elif norm.running_mean is None:
        reason = "it has no running statistics (track_running_stats=False)"
    elif len(norm.running_mean) != len(layer.weight):
        reason = f"expected as many features as {layer} has outputs, got {norm.num_features}"
    else:
        return
    raise RuntimeError(f"fold_batchnorm: {name} ({type(norm).__name__}): {reason}")


def fold(norm, layer):
    """Give the layer the weight and bias that make the norm superfluous."""
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias
    layer.weight = Parameter(layer.weight * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1)))
    layer.bias = Parameter(bias)


def example(layer):
    """An input for a layer: two samples, from a stream of their own."""
    if isinstance(layer, Linear):
        size = 2, layer.in_features
    else:
        size = 2, layer.in_channels, *(d * (k - 1) + 2 for k, d in zip(layer.kernel_size, layer.dilation))
    return randn(size, generator=Generator().manual_seed(0), dtype=layer.weight.dtype)


def compare(results, expected, name):
    """Refuse results, one Tensor or a sequence of them, that differ by more than rounding."""
    for a, b in zip(*(r if isinstance(r, tuple | list) else (r,) for r in (results, expected))):
        if isinstance(b, Variable) and b.array.size:
            difference = (a - b).abs().max().item()
            if not difference <= 1000 * float(xp.finfo(b.dtype).eps) * max(1, b.abs().max().item()):
                raise RuntimeError(
                    f"fold_batchnorm: {name}: expected equal results, but they differ by {difference:.3g}; "
                    "is the output of a layer before a batch norm also used elsewhere?"
                )
