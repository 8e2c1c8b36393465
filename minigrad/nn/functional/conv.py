"""Convolutions and their transposes, and images as columns of patches."""

from ...autograd import Variable
from ...backend import kind_of
from ...ops.conv import Geometry, conv_, conv_transpose_
from ...ops.layout import ENOUGH, arranged
from ...ops.pool import Window, fold_, sliding, unfold_
from ...ops.shape import reshape_


def several(value, count, name):
    """An int, a list of one int or of `count` ints, as a tuple of `count`."""
    if not isinstance(value, (int, tuple, list)):
        raise TypeError(f"expected {name} to be an int or a tuple of {count} ints, got {value!r}")
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) not in (1, count) or not all(isinstance(n, int) for n in values):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {count} values to match the dimensions of "
            f"the operation, but got {name}={list(values)}"
        )
    return values * count if len(values) == 1 else values


def check(operation, input, weight, bias, dims, groups, channels, outputs):
    """What torch asks of the operands; `channels` of the input and `outputs` as the weight wants them."""
    for name, tensor in (("input", input), ("weight", weight), ("bias", bias)):
        if not isinstance(tensor, Variable) and (tensor is not None or name != "bias"):
            raise TypeError(f"{operation}(): argument '{name}' must be Tensor, not {kind_of(tensor)}")
    x, w = input.array, weight.array
    if w.ndim != dims + 2:
        raise RuntimeError(f"{operation}: expected a {dims + 2}D weight, but got weight of size: {list(w.shape)}")
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {operation}, but got input of "
            f"size: {list(x.shape)}"
        )
    dtypes = [x.dtype, w.dtype] if bias is None else [x.dtype, w.dtype, bias.array.dtype]
    if len(set(dtypes)) > 1:
        got = ", ".join(map(str, dtypes))
        raise RuntimeError(f"{operation}: expected input, weight and bias to have the same dtype, but got: {got}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] < groups or w.shape[0] % groups:
        wanted = f"be at least {groups}" if w.shape[0] < groups else f"be divisible by {groups}"
        raise RuntimeError(
            f"Given groups={groups}, expected weight to {wanted} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
        )
    if 0 in w.shape[2:]:
        raise RuntimeError(f"{operation}: expected a kernel of non-zero size, but got weight of size {list(w.shape)}")
    if x.shape[-dims - 1] != channels(w):
        raise RuntimeError(
            f"{operation}: Given groups={groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} "
            f"to have {channels(w)} channels, but got {x.shape[-dims - 1]} channels instead"
        )
    if bias is not None and bias.array.shape != (outputs(w),):
        raise RuntimeError(
            f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with {outputs(w)} "
            f"elements, but got bias of size {list(bias.array.shape)} instead"
        )
    if 0 in x.shape[-dims:]:
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}")


def steps(dims, stride, dilation):
    stride, dilation = several(stride, dims, "stride"), several(dilation, dims, "dilation")
    for name, values in (("stride", stride), ("dilation", dilation)):
        if min(values) <= 0:
            raise RuntimeError(f"non-positive {name} is not supported")
    return stride, dilation


def apply(function, input, weight, bias, geometry, size):
    """A primitive of batches of images of two dimensions or more, on what the user has."""
    x, w = input.array.shape, weight.array.shape
    unbatched = len(x) == len(size) + 1
    if len(size) > 1 and not unbatched:
        if x[0] >= ENOUGH and input.array.strides[0] != input.array.itemsize:
            input = arranged(input)  # once, not again for the gradient of the weights
        return function(input, weight, bias, geometry, size)
    channels, lines = x[-len(size) - 1], (1,) if len(size) == 1 else ()
    input = reshape_(input, (1 if unbatched else x[0], channels, *lines, *x[-len(size) :]))
    weight = reshape_(weight, (*w[:2], *lines, *w[2:]))
    if lines:
        stride, padding, dilation, groups = geometry
        geometry = Geometry((1, *stride), (0, *padding), (1, *dilation), groups)
    y = function(input, weight, bias, geometry, (*lines, *size))
    shape = y.array.shape
    return reshape_(y, (*(() if unbatched else shape[:1]), shape[1], *size))


def convolution(operation, dims, input, weight, bias, stride, padding, dilation, groups):
    check(operation, input, weight, bias, dims, groups, lambda w: w.shape[1] * groups, lambda w: w.shape[0])
    stride, dilation = steps(dims, stride, dilation)
    space, kernel = input.array.shape[-dims:], weight.array.shape[2:]
    if padding == "same":
        if max(stride) > 1:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        padding, size = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel)), space  # one more behind where it is odd
    elif isinstance(padding, str) and padding != "valid":
        raise RuntimeError(f"Invalid padding string: {padding!r}")
    else:
        padding = several(0 if padding == "valid" else padding, dims, "padding")
        if min(padding) < 0:
            raise RuntimeError("negative padding is not supported")
        size = sliding(space, kernel, stride, padding, dilation)
        if min(size) <= 0:
            padded = " x ".join(str(n + 2 * p) for n, p in zip(space, padding))
            reach = " x ".join(str(d * (k - 1) + 1) for d, k in zip(dilation, kernel))
            raise RuntimeError(
                f"{operation}: Calculated padded input size per channel: ({padded}). Kernel size: ({reach}). "
                "Kernel size can't be greater than actual input size"
            )
    return apply(conv_, input, weight, bias, Geometry(stride, padding, dilation, groups), size)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input (N, C, L) or (C, L), weight (out, C / groups, k), bias (out) -> (N, out, L'); see `conv2d`."""
    return convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input (N, C, H, W) or (C, H, W), weight (out, C / groups, kh, kw), bias (out) -> (N, out, H', W').

    Every output is the sum over channels and kernel positions of weight times the pixel there, plus bias;
    pixels `stride` apart meet the kernel's origin, its positions are `dilation` apart, and `padding` zeros
    surround the image: a number, one for each dimension, "valid" (0) or "same" (as many as keep the size).
    Each of the `groups` of output channels sees its own group of input channels.
    """
    return convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input (N, C, D, H, W), weight (out, C / groups, kd, kh, kw) -> (N, out, D', H', W'); see `conv2d`."""
    return convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def transposed(operation, dims, input, weight, bias, stride, padding, output_padding, groups, dilation):
    check(operation, input, weight, bias, dims, groups, lambda w: w.shape[0], lambda w: w.shape[1] * groups)
    stride, dilation = steps(dims, stride, dilation)
    padding, extra = several(padding, dims, "padding"), several(output_padding, dims, "output_padding")
    for name, values in (("padding", padding), ("output_padding", extra)):
        if min(values) < 0:
            raise RuntimeError(f"negative {name} is not supported")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError(
            f"{operation}: output padding must be smaller than either stride or dilation, but got "
            f"output_padding {extra}, stride {stride}, dilation {dilation}"
        )
    space, kernel = input.array.shape[-dims:], weight.array.shape[2:]
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(space, stride, padding, dilation, kernel, extra)
    )
    if min(size) <= 0:
        raise RuntimeError(
            f"{operation}: Given input size per channel: {space}. Calculated output size per channel: {size}. "
            "Output size is too small"
        )
    return apply(conv_transpose_, input, weight, bias, Geometry(stride, padding, dilation, groups), size)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """input (N, C, L) or (C, L), weight (C, out / groups, k) -> (N, out, L'); see `conv_transpose2d`."""
    return transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """input (N, C, H, W) or (C, H, W), weight (C, out / groups, kh, kw), bias (out) -> (N, out, H', W').

    The transpose, as a linear map, of `conv2d` with the same weight and options, plus bias: every pixel adds
    its multiple of the kernel to the output. `output_padding` chooses among the sizes that `conv2d` takes to
    that of input.
    """
    return transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """input (N, C, D, H, W), weight (C, out / groups, *kernel) -> (N, out, D', H', W'); see `conv_transpose2d`."""
    return transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


# ----------------------------------------------------------------------------------------- patches as columns


def patches(operation, kernel_size, stride, padding, dilation):
    """The options of `unfold` and `fold`, two numbers each."""
    sizes = []
    for name, value in (
        ("kernel_size", kernel_size),
        ("stride", stride),
        ("padding", padding),
        ("dilation", dilation),
    ):
        sizes.append(several(value, 2, name))
        if min(sizes[-1]) < (name != "padding"):
            wanted = "non-negative" if name == "padding" else "greater than zero"
            raise RuntimeError(f"{operation}: {name} should be {wanted}, but got {name}={sizes[-1]}")
    return sizes


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The patches that a kernel slides over, as columns: (N, C, H, W) or (C, H, W) -> (N, C * kh * kw, patches)."""
    kernel, stride, padding, dilation = patches("unfold", kernel_size, stride, padding, dilation)
    shape = input.array.shape
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    size = sliding(shape[-2:], kernel, stride, padding, dilation)
    if min(size) <= 0:
        raise RuntimeError(
            f"unfold: Given input with spatial size {shape[-2:]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {size}, but its components "
            "must be at least one."
        )
    batch, channels = shape[:-3], shape[-3]
    y = unfold_(reshape_(input, (*(batch or (1,)), *shape[-3:])), Window(kernel, stride, padding, dilation), size)
    return reshape_(y, (*batch, channels * kernel[0] * kernel[1], size[0] * size[1]))


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns of patches summed into images: (N, C * kh * kw, patches) -> (N, C, *output_size).

    The transpose of `unfold` as a linear map.
    """
    kernel, stride, padding, dilation = patches("fold", kernel_size, stride, padding, dilation)
    space, shape = several(output_size, 2, "output_size"), input.array.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "fold: Expected 2D or 3D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    area = kernel[0] * kernel[1]
    if shape[-2] % area:
        raise RuntimeError(
            f"fold: Expected size of input's dimension {len(shape) - 2} to be divisible by the product of "
            f"kernel_size, but got {shape[-2]} and kernel_size={kernel}."
        )
    size = sliding(space, kernel, stride, padding, dilation)
    if min(size) <= 0 or size[0] * size[1] != shape[-1]:
        raise RuntimeError(
            f"fold: Given output_size={space}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected {size[0]} * {size[1]} sliding blocks, but got {shape[-1]}."
        )
    batch, channels = shape[:-2], shape[-2] // area
    y = fold_(
        reshape_(input, (*(batch or (1,)), channels, *kernel, *size)),
        Window(kernel, stride, padding, dilation),
        space,
    )
    return reshape_(y, (*batch, channels, *space))
