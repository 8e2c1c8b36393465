"""What a model is made of: the shapes, parameters, floating-point operations and memory of one forward pass.

FLOPs are those of a forward pass in evaluation mode, of all samples together. Every addition, multiplication,
comparison and elementary function (exp, tanh, erf, ...) of numbers counts 1, so a multiply-add counts 2; signs and
copies are free. For each kind of layer:

- Linear: 2 * inputs for every output, and 1 for its bias.
- Conv: 2 * (channels / groups) * kernel for every output, and 1 for its bias; padding counts as if it were numbers.
- ConvTranspose: 2 * (out channels / groups) * kernel for every input, and 1 for the bias of every output.
- BatchNorm, InstanceNorm, RunningBatchNorm: 2 a value by running statistics (a scale and a shift), else as LayerNorm.
- LayerNorm, GroupNorm: 5 a value (the mean, the difference from it, the mean square, the division), 1 for the weight
  and 1 for the bias; RMSNorm: 3 a value (it has no mean) and 1 for the weight.
- Activations: a fixed count for every output, see OPERATIONS; softmax and its kin 5 (maximum, difference, exp, sum,
  division).
- Pooling: the size of the window for every output; adaptive pooling: 1 for every input.
- Attention (L queries, S keys, E features): projections as Linear; 2 * L * S * E for the scores and as many for the
  averages, L * E for the scale, and the softmax. Its output layer is a Linear, with a row of its own.
- Recurrent layers, a step: 2 * gates * hidden * (inputs + hidden) for the products, 1 for each bias, and for every
  hidden unit 2 (RNN), 19 (LSTM) or 15 (GRU); cells are one step.
- Transformer layers: 1 a value for each residual sum, and the activation (relu 1, gelu 5); their parts have own rows.
- Embedding, Dropout, padding, reshaping: none.

What a model's own forward computes between its layers is not seen. Leaves of other kinds are listed as not counted.
"""

import functools
import inspect
import math
from dataclasses import dataclass, field

from .. import nn
from ..autograd import Variable
from ..backend import NUMBERS, xp
from ..creation import ones, zeros
from ..nn import conv, norm, pooling, recurrent
from ..nn import functional as F
from ..nn.module import Module
from .passes import traceless
from .tables import table

__all__ = ["summary"]

# ------------------------------------------------------------------------------ FLOPs of one call, by the kind of layer

OPERATIONS = {  # for every value of the output
    nn.ReLU: 1, nn.Threshold: 1, nn.LeakyReLU: 2, nn.PReLU: 2, nn.ReLU6: 2, nn.Hardtanh: 2, nn.Hardsigmoid: 4,
    nn.Hardswish: 5, nn.Tanh: 1, nn.Tanhshrink: 2, nn.Sigmoid: 3, nn.LogSigmoid: 3, nn.SiLU: 4, nn.GLU: 4, nn.Softsign: 3,
    nn.Softplus: 5, nn.Mish: 5, nn.ELU: 4, nn.CELU: 5, nn.SELU: 5, nn.Softmax: 5, nn.LogSoftmax: 5, nn.Softmin: 5,
}  # fmt: skip
UNITS = {  # of a recurrent layer: for every hidden unit and step, beside the products and biases
    nn.RNN: 2, nn.LSTM: 19, nn.GRU: 15, nn.RNNCell: 2, nn.LSTMCell: 19, nn.GRUCell: 15,
}  # fmt: skip
FREE = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.Embedding, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Unfold,
    nn.PixelShuffle, nn.PixelUnshuffle, nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d,
    nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReplicationPad1d, nn.ReplicationPad2d, nn.CircularPad1d, nn.CircularPad2d,
)  # fmt: skip


def size(tensor):
    return tensor.array.size


def of_linear(layer, inputs, y):
    return size(y) * (2 * layer.in_features + (layer.bias is not None))


def of_conv(layer, inputs, y):
    return size(y) * (2 * size(layer.weight) // layer.out_channels + (layer.bias is not None))


def of_conv_transpose(layer, inputs, y):
    biases = 0 if layer.bias is None else size(y)
    return size(inputs[0]) * 2 * size(layer.weight) // layer.in_channels + biases


def of_norm(layer, inputs, y, count=5):
    return size(y) * (count + sum(getattr(layer, name, None) is not None for name in ("weight", "bias")))


def of_batch_norm(layer, inputs, y):
    return size(y) * 2 if layer.running_mean is not None else of_norm(layer, inputs, y)


def of_gelu(layer, inputs, y):
    return size(y) * (5 if layer.approximate == "none" else 9)


def of_general_relu(layer, inputs, y):
    return size(y) * (1 + sum(option is not None for option in (layer.leak, layer.sub, layer.maxv)))


def of_pool(layer, inputs, y, dims):
    return size(y) * math.prod(conv.several(layer.kernel_size, dims))


def of_adaptive_pool(layer, inputs, y):
    return size(inputs[0])


def of_attention(layer, inputs, y):
    queries, keys = ((x.shape[0], math.prod(x.shape[1:-1])) for x in inputs[:2])
    if layer.batch_first and inputs[0].ndim == 3:
        queries, keys = queries[::-1], keys[::-1]
    (queries, samples), (keys, _), features = queries, keys, layer.embed_dim
    bias = layer.in_proj_bias is not None
    flops = queries * features * (2 * features + bias) + keys * features * 2 * (layer.kdim + layer.vdim + bias)
    keys += (layer.bias_k is not None) + layer.add_zero_attn
    return samples * (flops + queries * (features + keys * (4 * features + 5 * layer.num_heads)))


def of_step(layer, width):
    """Of one step of one sample, with so many inputs."""
    rows = layer.gates * layer.hidden_size
    return rows * 2 * (width + layer.hidden_size + layer.bias) + layer.hidden_size * lookup(UNITS, layer)


def of_sequence(layer, inputs, y):
    directions = len(layer.directions)
    widths = [layer.input_size, *[layer.hidden_size * directions] * (layer.num_layers - 1)]
    return math.prod(inputs[0].shape[:-1]) * directions * sum(of_step(layer, width) for width in widths)


def of_cell(layer, inputs, y):
    return math.prod(inputs[0].shape[:-1]) * of_step(layer, layer.input_size)


def of_transformer_layer(layer, inputs, y, residuals):
    hidden = size(y) // layer.linear1.in_features * layer.linear1.out_features
    return size(y) * residuals + hidden * {F.relu: 1, F.gelu: 5}.get(layer.activation, 0)


FLOPS = {
    nn.Linear: of_linear, conv.Conv: of_conv, conv.ConvTranspose: of_conv_transpose,
    norm.BatchNorm: of_batch_norm, norm.InstanceNorm: of_batch_norm, nn.RunningBatchNorm: of_batch_norm,
    nn.LayerNorm: of_norm, nn.GroupNorm: of_norm, nn.RMSNorm: functools.partial(of_norm, count=3),
    nn.GELU: of_gelu, nn.GeneralReLU: of_general_relu,
    nn.MaxPool1d: functools.partial(of_pool, dims=1), nn.MaxPool2d: functools.partial(of_pool, dims=2),
    nn.AvgPool1d: functools.partial(of_pool, dims=1), nn.AvgPool2d: functools.partial(of_pool, dims=2),
    pooling.AdaptiveAvgPool: of_adaptive_pool, pooling.AdaptiveMaxPool: of_adaptive_pool,
    nn.MultiheadAttention: of_attention, recurrent.Sequence: of_sequence, recurrent.Cell: of_cell,
    nn.TransformerEncoderLayer: functools.partial(of_transformer_layer, residuals=2),
    nn.TransformerDecoderLayer: functools.partial(of_transformer_layer, residuals=3),
    **{kind: lambda layer, inputs, y, count=count: size(y) * count for kind, count in OPERATIONS.items()},
    **{kind: lambda layer, inputs, y: 0 for kind in FREE},
}  # fmt: skip


def lookup(counts, layer):
    """The entry for the nearest class of the layer; None for a layer with a forward of its own."""
    for kind in type(layer).__mro__:
        if kind in counts and type(layer).forward is kind.forward:
            return counts[kind]


# --------------------------------------------------------------------------------------------------------- the summary


@dataclass
class Layer:
    """A line of the summary. Parameters are the layer's own, or with all below it where `depth` ended there.

    `output`: its shape at the last call, a tuple of shapes for several, None for what was not called. `flops` and
    `activation_bytes` (new memory of its outputs) are of all calls together.
    """

    name: str
    kind: str
    output: tuple | None = None
    calls: int = 0
    parameters: int = 0
    trainable: int = 0
    flops: int = 0
    activation_bytes: int = 0


@dataclass
class Summary:
    """The layers and the sums over them; prints as a table. `uncounted`: the leaves whose FLOPs are not known."""

    layers: list
    parameter_bytes: int
    buffer_bytes: int
    input_bytes: int
    uncounted: list = field(default_factory=list)

    parameters = property(lambda self: sum(layer.parameters for layer in self.layers))
    trainable = property(lambda self: sum(layer.trainable for layer in self.layers))
    flops = property(lambda self: sum(layer.flops for layer in self.layers))
    activation_bytes = property(lambda self: sum(layer.activation_bytes for layer in self.layers))

    @property
    def bytes(self):
        """Parameters, buffers, input and activations."""
        return self.parameter_bytes + self.buffer_bytes + self.input_bytes + self.activation_bytes

    def __str__(self):
        header = ["layer", "kind", "output", "parameters", "trainable", "FLOPs", "activations"]
        rows = [
            [layer.name, layer.kind, described(layer), f"{layer.parameters:,}", f"{layer.trainable:,}",
             f"{layer.flops:,}", in_units(layer.activation_bytes)]
            for layer in self.layers
        ]  # fmt: skip
        rows.append(["total", "", "", f"{self.parameters:,}", f"{self.trainable:,}", f"{self.flops:,}",
                     in_units(self.activation_bytes)])  # fmt: skip
        lines = table(header, rows, left=3).split("\n")
        lines.insert(-1, lines[1])
        parts = {"parameters": self.parameter_bytes, "buffers": self.buffer_bytes, "input": self.input_bytes,
                 "activations": self.activation_bytes}  # fmt: skip
        parts = " + ".join(f"{in_units(count)} {what}" for what, count in parts.items() if count)
        lines.append(f"memory: {in_units(self.bytes)}" + (f" = {parts}" if parts else ""))
        if self.uncounted:
            lines.append(f"FLOPs not counted: {', '.join(self.uncounted)}")
        return "\n".join(lines)


def described(layer):
    """The output of a layer as the table shows it: "-" where the pass got none."""
    if layer.output is None:
        return "-"
    several = bool(layer.output) and isinstance(layer.output[0], tuple)
    text = f"{layer.output[0]}, ..." if several else str(layer.output)
    return text if layer.calls < 2 else f"{text} x {layer.calls}"


def in_units(count):
    """A number of bytes, in the unit that leaves one to four digits before the point."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def summary(model, input, *, depth=None, dtype=None, flops=None):
    """What `model` is made of, layer by layer, as one forward pass in evaluation mode shows it.

    `input`: a Tensor, or a shape with the batch in it, or a tuple or list of several of these. A shape stands for ones of
    `dtype` (by default that of the parameters), or zeros where that is an integer, as an Embedding takes. `depth`: how
    many levels of names to list; what is deeper is added to the level above. `flops`: {class: function(layer, inputs,
    output)} for kinds of your own, FLOPs of one call; the module's text says how the others are counted.

    A parameter counts where it comes first; memory that a layer shares with its input counts once. The model is left
    as it was: modes, buffers, parameters, hooks and the random stream.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected model to be a Module, got {type(model).__name__}")
    if depth is not None and depth < 0:
        raise ValueError(f"summary: expected a depth of 0 or more, got {depth}")
    inputs = inputs_of(model, input, dtype)
    counts = FLOPS | (flops or {})
    layers = rows_of(model)
    seen = {tensor.version for tensor in [*inputs, *model.parameters(), *model.buffers()]}
    uncounted = {}

    def note(module, args, kwargs, output):
        row, outputs = layers[module], list(tensors_in(output))
        row.calls += 1
        row.output = shape_of(output)
        for tensor in outputs:
            if tensor.version not in seen:
                seen.add(tensor.version)
                row.activation_bytes += tensor.array.nbytes
        count = lookup(counts, module)
        if count is not None and outputs:
            arguments = inspect.signature(module.forward).bind(*args, **kwargs).args  # in order, also those by keyword
            row.flops += count(module, arguments, outputs[0])
        elif count is None and not module._modules:
            uncounted[row.name] = row.kind

    handles = [module.register_forward_hook(note, with_kwargs=True) for module in layers]
    try:
        with traceless(model, model.parameters()):
            model.eval()
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return Summary(
        folded(list(layers.values()), depth),
        parameter_bytes=sum(p.array.nbytes for p in model.parameters()),
        buffer_bytes=sum(b.array.nbytes for b in model.buffers()),
        input_bytes=sum(x.array.nbytes for x in inputs),
        uncounted=[f"{name} ({kind})" for name, kind in uncounted.items()],
    )


def rows_of(model):
    """A row for every module, with the parameters that come first in it."""
    layers, seen = {}, set()
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if p not in seen]
        seen.update(own)
        trainable = sum(size(p) for p in own if p.requires_grad)
        layers[module] = Layer(name or "(model)", type(module).__name__, parameters=sum(map(size, own)), trainable=trainable)
    return layers


def inputs_of(model, input, dtype):
    """The arguments for the model, as Tensors."""
    if isinstance(input, Variable) or is_shape(input):
        input = (input,)
    if not isinstance(input, (tuple, list)) or not input:
        raise TypeError(f"summary: expected input to be a Tensor, a shape, or a tuple of these, got {input!r}")
    floating = [p.dtype for p in model.parameters() if p.is_floating_point()]
    dtype = xp.dtype(dtype if dtype is not None else floating[0] if floating else NUMBERS[float])
    tensors = []
    for x in input:
        if is_shape(x):
            x = (ones if dtype.kind == "f" else zeros)(x, dtype=dtype)
        elif not isinstance(x, Variable):
            raise TypeError(f"summary: expected every input to be a Tensor or a shape, got {x!r}")
        tensors.append(x)
    return tensors


def is_shape(value):
    return isinstance(value, (tuple, list)) and bool(value) and all(isinstance(n, int) and n >= 0 for n in value)


def tensors_in(output):
    """The Tensors of an output that may be a tuple, a list or a dict of more."""
    if isinstance(output, Variable):
        yield output
    elif isinstance(output, (tuple, list, dict)):
        for part in output.values() if isinstance(output, dict) else output:
            yield from tensors_in(part)


def shape_of(output):
    """The shape of the one Tensor of an output, a tuple of the shapes of several, or None."""
    shapes = [tuple(tensor.shape) for tensor in tensors_in(output)]
    return shapes[0] if len(shapes) == 1 else tuple(shapes) or None


def folded(layers, depth):
    """The rows down to a depth; the numbers of deeper ones are added to that of the last level above them."""
    kept = []
    for layer in layers:
        level = 0 if layer is layers[0] else layer.name.count(".") + 1
        if depth is None or level <= depth:
            kept.append(layer)
        else:
            for count in ("parameters", "trainable", "flops", "activation_bytes"):
                setattr(kept[-1], count, getattr(kept[-1], count) + getattr(layer, count))
    return kept
