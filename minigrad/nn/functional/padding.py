"""Borders around images and other tensors."""

from ...ops.pad import extend, extended, pad_
from ...ops.shape import sizes_of

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input, pad, mode="constant", value=None):
    """A border around the last dimensions: `pad` is (before, after) of the last one, of the one before it, ...

    Negative numbers cut off instead. "constant" fills with `value` (0). The others repeat what is there:
    "reflect" mirrors at the outermost elements, which stand once, "replicate" repeats those, "circular" goes
    on at the other end; they take one to three dimensions of an input with one or two more.
    """
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad(): expected pad as a tuple of ints, got {pad!r}")
    pad, shape = sizes_of((pad,), "pad"), input.array.shape
    dims = len(pad) // 2
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(pad)}")
    if dims > len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(pad)} and input of dimension {len(shape)}"
        )
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    before, after = ([0] * (len(shape) - dims) + list(reversed(side)) for side in (pad[0::2], pad[1::2]))
    for i, (n, b, a) in enumerate(zip(shape, before, after)):
        if n + b + a < 0 or mode in ("constant", "circular") and n + min(b, 0) + min(a, 0) < 0:
            raise RuntimeError(f"pad: padding ({b}, {a}) cuts off more than dimension {i} of input {list(shape)} has")
    if mode == "constant":
        return pad_(input, before, after, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not 1 <= dims <= 3 or len(shape) not in (dims + 1, dims + 2):
        raise NotImplementedError(
            f"pad: padding of {len(pad)} numbers in mode {mode!r} expects an input of {dims + 1} or {dims + 2} "
            f"dimensions, but got {len(shape)}"
        )
    for i in range(len(shape) - dims, len(shape)):
        n, b, a = shape[i], before[i], after[i]
        limit = {"reflect": n - 1, "circular": n + min(b, 0) + min(a, 0)}.get(mode, max(a, b))
        if n == 0 or max(a, b) > limit:
            raise RuntimeError(
                f"pad: in mode {mode!r}, padding should be at most {limit if n else 0} at dimension {i} of input "
                f"{list(shape)}, but got ({b}, {a})"
            )
        if a or b:
            input = extend(input, extended(n, b, a, mode), i, n)
    return input
