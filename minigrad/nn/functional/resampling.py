"""Images of another size."""

import math

from ...ops.resample import along, blending, nearest, pick
from ...ops.shape import permute_, reshape_

LINEAR = {"linear": 3, "bilinear": 4, "trilinear": 5}  # modes, and the dimensions of the input that they take


def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None
):
    """(N, C, *space) at another size: the nearest element, or linear interpolation along each dimension.

    `size` or `scale_factor` is a number for all dimensions of space or one for each. The linear modes are
    "linear" of one dimension, "bilinear" of two and "trilinear" of three; with `align_corners` the first and
    last elements stay where they are, else elements stand in the middle of cells that are scaled.
    `recompute_scale_factor` scales by the ratio of the rounded sizes, not by `scale_factor` itself.
    """
    shape = input.array.shape
    check_mode(mode, shape, align_corners)
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f"interpolate: not implemented for {input.array.dtype}")
    space = shape[2:]
    if (size is None) == (scale_factor is None):
        which = (
            "either size or scale_factor should be defined"
            if size is None
            else "only one of size or scale_factor should be defined"
        )
        raise ValueError(which)
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        size, factors = for_each(size, space, "size"), (None,) * len(space)
    else:
        factors = for_each(scale_factor, space, "scale_factor")
        size = tuple(math.floor(n * float(f)) for n, f in zip(space, factors))
        if recompute_scale_factor:
            factors = (None,) * len(space)
    if min(size) <= 0 or 0 in space:
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input {space} and output {size}")
    if not shape[1]:
        raise RuntimeError(f"interpolate: Non-empty data tensor expected but got a tensor with sizes {list(shape)}")
    dtype = input.array.dtype
    if mode == "nearest" and len(space) == 2:  # torch looks at the sizes of images before it looks at factors
        factors = [None if m in (n, 2 * n) else factor for n, m, factor in zip(space, size, factors)]
    for dim, (n, m, factor) in enumerate(zip(space, size, factors), 2):
        if m == n and (factor is None or mode != "nearest"):
            continue
        scale = n / m if factor is None else 1 / factor
        if mode == "nearest":
            input = pick(input, nearest(n, m, scale, dtype), dim)
        else:
            if align_corners:
                scale = (n - 1) / (m - 1) if m > 1 else 0.0
            input = along(input, blending(n, m, scale, bool(align_corners), dtype), dim)
    return input


def check_mode(mode, shape, align_corners):
    if mode not in ("nearest", *LINEAR) or len(shape) not in LINEAR.values():
        raise NotImplementedError(
            f"interpolate: Only 3D, 4D and 5D input Tensors supported (got {len(shape)}D) for the modes: "
            f"nearest | {' | '.join(LINEAR)} (got {mode})"
        )
    if mode == "nearest":
        if align_corners is not None:
            raise ValueError(f"align_corners option can only be set with the interpolating modes: {' | '.join(LINEAR)}")
    elif LINEAR[mode] != len(shape):
        raise NotImplementedError(f"Got {len(shape)}D input, but {mode} mode needs {LINEAR[mode]}D input")


def for_each(value, space, name):
    values = (value,) * len(space) if isinstance(value, int | float) else tuple(value)
    if len(values) != len(space):
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(space)} and {name} of {values}"
        )
    return values


def pixel_shuffle(input, upscale_factor):
    """Channels as finer pixels: (..., C * r * r, H, W) -> (..., C, H * r, W * r). Source: Shi et al., 2016."""
    shape, r = input.array.shape, upscale_factor
    if len(shape) < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{len(shape)} dimension(s)"
        )
    *batch, channels, h, w = shape
    if r <= 0 or channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    b = len(batch)
    y = reshape_(input, (*batch, channels // (r * r), r, r, h, w))
    y = permute_(y, (*range(b), b, b + 3, b + 1, b + 4, b + 2))
    return reshape_(y, (*batch, channels // (r * r), h * r, w * r))


def pixel_unshuffle(input, downscale_factor):
    """The inverse of `pixel_shuffle`: (..., C, H * r, W * r) -> (..., C * r * r, H, W)."""
    shape, r = input.array.shape, downscale_factor
    if len(shape) < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{len(shape)} dimension(s)"
        )
    *batch, channels, h, w = shape
    if r <= 0 or h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but input "
            f"{list(shape)} is not by {r}"
        )
    b = len(batch)
    y = reshape_(input, (*batch, channels, h // r, r, w // r, r))
    y = permute_(y, (*range(b), b, b + 2, b + 4, b + 1, b + 3))
    return reshape_(y, (*batch, channels * r * r, h // r, w // r))
