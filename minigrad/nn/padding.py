"""Layers that put a border around images, and layers that change their size."""

from . import functional as F
from .conv import several
from .module import Module


class Pad(Module):
    """A border of `padding` elements on every side, or of (before, after) of each dimension, the last one first."""

    mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = several(padding, 2 * self.dims)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class ConstantPad(Pad):
    """A border of one value."""

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad):
    """A border of one value around (..., L)."""

    dims = 1


class ConstantPad2d(ConstantPad):
    """A border of one value around (..., H, W)."""

    dims = 2


class ZeroPad1d(Pad):
    """A border of zeros around (..., L)."""

    dims = 1


class ZeroPad2d(Pad):
    """A border of zeros around (..., H, W)."""

    dims = 2


class ReflectionPad1d(Pad):
    """A border that mirrors (N, C, L) or (C, L)."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(Pad):
    """A border that mirrors (N, C, H, W) or (C, H, W)."""

    dims, mode = 2, "reflect"


class ReplicationPad1d(Pad):
    """A border that repeats the outermost elements of (N, C, L) or (C, L)."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(Pad):
    """A border that repeats the outermost elements of (N, C, H, W) or (C, H, W)."""

    dims, mode = 2, "replicate"


class CircularPad1d(Pad):
    """A border that goes on at the other end of (N, C, L) or (C, L)."""

    dims, mode = 1, "circular"


class CircularPad2d(Pad):
    """A border that goes on at the other end of (N, C, H, W) or (C, H, W)."""

    dims, mode = 2, "circular"


class Upsample(Module):
    """`functional.interpolate`: (N, C, *space) at another size."""

    def __init__(
        self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None
    ):
        super().__init__()
        self.size = tuple(size) if hasattr(size, "__iter__") else size
        if hasattr(scale_factor, "__iter__"):
            self.scale_factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input):
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self):
        how = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{how}, mode={self.mode!r}"


class PixelShuffle(Module):
    """`functional.pixel_shuffle`: (..., C * r * r, H, W) -> (..., C, H * r, W * r)."""

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """`functional.pixel_unshuffle`: (..., C, H * r, W * r) -> (..., C * r * r, H, W)."""

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input):
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        return f"downscale_factor={self.downscale_factor}"
