"""Convolutional layers, their transposes, and patches as columns."""

import math

from ..creation import empty
from . import functional as F
from . import init
from .module import Module, Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def several(value, count):
    """A number as a tuple of `count`; a sequence as a tuple."""
    return tuple(value) if hasattr(value, "__iter__") else (value,) * count


class Convolution(Module):
    """What the layers with weights share; a subclass gives the number of dimensions and the function.

    `weight` and `bias` (out) start uniform in +-1/sqrt(n), where n is how many numbers one output sees,
    as torch draws them.
    """

    transposed = False

    def __init__(
        self, in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
        padding_mode, device, dtype,
    ):  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = in_channels, out_channels, groups, padding_mode
        self.kernel_size, self.stride = several(kernel_size, self.dims), several(stride, self.dims)
        self.padding = padding if isinstance(padding, str) else several(padding, self.dims)
        self.dilation, self.output_padding = several(dilation, self.dims), several(output_padding, self.dims)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {PADDING_MODES}, but got padding_mode={padding_mode!r}")
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((*channels, *self.kernel_size), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the starting values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # the slope that makes the bound 1/sqrt(fan_in)
        fan_in = init.fans(self.weight)[0]
        if self.bias is not None and fan_in:
            init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self):
        default = {"padding": 0, "dilation": 1, "output_padding": 0}
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [
            f"{name}={getattr(self, name)}"
            for name, n in default.items()
            if getattr(self, name) != (n,) * len(self.kernel_size)
        ]
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        parts += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(parts)


class Conv(Convolution):
    """A convolution; `weight` is (out, in / groups, *kernel)."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input):
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self.border(), mode=self.padding_mode), 0
        return self.function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def border(self):
        """The padding as `pad` wants it: before and after, from the last dimension on."""
        border = []
        for dim in reversed(range(self.dims)):
            before = after = 0
            if self.padding == "same":
                both = self.dilation[dim] * (self.kernel_size[dim] - 1)
                before, after = both // 2, both - both // 2
            elif self.padding != "valid":
                before = after = self.padding[dim]
            border += [before, after]
        return border


class Conv1d(Conv):
    """`functional.conv1d` with weights of its own: (N, in, L) or (in, L) -> (N, out, L')."""

    dims, function = 1, staticmethod(F.conv1d)


class Conv2d(Conv):
    """`functional.conv2d` with weights of its own: (N, in, H, W) or (in, H, W) -> (N, out, H', W').

    `padding_mode` says what surrounds the image: "zeros", "reflect", "replicate" or "circular" (see
    `functional.pad`).
    """

    dims, function = 2, staticmethod(F.conv2d)


class Conv3d(Conv):
    """`functional.conv3d` with weights of its own: (N, in, D, H, W) -> (N, out, D', H', W')."""

    dims, function = 3, staticmethod(F.conv3d)


class ConvTranspose(Convolution):
    """A transposed convolution; `weight` is (in, out / groups, *kernel)."""

    transposed = True

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1, padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        if isinstance(padding, str):
            raise TypeError(f"{type(self).__name__}: expected padding to be an int or a tuple of ints, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self.padding_for(tuple(output_size), input.array.shape)
        return self.function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def padding_for(self, output_size, shape):
        """The output padding that gives this output size, with or without batch and channels."""
        if len(output_size) == len(shape):
            output_size = output_size[-self.dims :]
        if len(output_size) != self.dims:
            raise ValueError(
                f"{type(self).__name__}: for {len(shape)}D input, output_size must have {self.dims} or {len(shape)} "
                f"elements (got {len(output_size)})"
            )
        options = zip(shape[-self.dims :], self.stride, self.padding, self.dilation, self.kernel_size)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in options]
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        if any(not a <= n <= b for a, n, b in zip(least, output_size, most)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to {most} (for an "
                f"input of {shape[-self.dims :]})"
            )
        return tuple(n - a for n, a in zip(output_size, least))


class ConvTranspose1d(ConvTranspose):
    """`functional.conv_transpose1d` with weights of its own: (N, in, L) or (in, L) -> (N, out, L')."""

    dims, function = 1, staticmethod(F.conv_transpose1d)


class ConvTranspose2d(ConvTranspose):
    """`functional.conv_transpose2d` with weights of its own: (N, in, H, W) or (in, H, W) -> (N, out, H', W').

    A call may name the `output_size` that it wants among those that a convolution of this stride takes to (H,
    W).
    """

    dims, function = 2, staticmethod(F.conv_transpose2d)


class ConvTranspose3d(ConvTranspose):
    """`functional.conv_transpose3d` with weights of its own: (N, in, D, H, W) -> (N, out, D', H', W')."""

    dims, function = 3, staticmethod(F.conv_transpose3d)


class Unfold(Module):
    """`functional.unfold`: the patches of images as columns."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """`functional.fold`: columns of patches summed into images."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
