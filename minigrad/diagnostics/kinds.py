"""What the diagnostics know of the kinds of layers: which to look at, where an activation is flat, what a unit is."""

from .. import nn
from ..nn import activation
from ..nn.conv import Convolution
from ..nn.norm import BatchNorm
from ..nn.recurrent import Recurrent

NORMS = (BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.RunningBatchNorm)
CHANNELS_FIRST = (Convolution, BatchNorm, nn.GroupNorm, nn.RunningBatchNorm)  # (N, C, ...)
CHANNELS_LAST = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention, Recurrent)  # (..., C)

LIMITS = {"Tanh": (-1.0, 1.0), "Softsign": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
RECTIFIERS = {"ReLU", "ReLU6", "GELU", "SiLU", "Hardswish", "Mish"}
# names of what is applied to values one by one
ACTIVATIONS = {name for name, value in vars(nn).items() if getattr(value, "__module__", "") == activation.__name__}
ACTIVATIONS = ACTIVATIONS - {"GLU", "Softmax", "LogSoftmax", "Softmin"} | {"GeneralReLU"}


def goes_flat(kind):
    """Whether this is the name of a class of activations with a flat part, which is where units die."""
    return kind in LIMITS or kind in RECTIFIERS or kind in ("Hardtanh", "GeneralReLU")


def names_of(module):
    """The names of a module's class and of those it derives from: a class of the user's own is known by its name."""
    return [cls.__name__ for cls in type(module).__mro__]


def worth_watching(module):
    """Whether a module has no parts and computes: an activation, norm, linear, conv or recurrent layer, or one's own."""
    own = not type(module).__module__.startswith(nn.__name__ + ".")
    computes = isinstance(module, (nn.Linear, Convolution, Recurrent, nn.GeneralReLU, *NORMS))
    return not module._modules and (own or computes or type(module).__module__ == activation.__name__)


def limits_of(module):
    """(low, high) of an activation that is flat near both, else None."""
    for name in names_of(module):
        if name == "Hardtanh":
            return getattr(module, "min_val", -1.0), getattr(module, "max_val", 1.0)
        if name in LIMITS:
            return LIMITS[name]
    return None


def floor_of(module):
    """The value below which a unit is off, for an activation like ReLU, else None."""
    names = names_of(module)
    if "GeneralReLU" in names:
        return None if getattr(module, "leak", None) else -(getattr(module, "sub", None) or 0.0)
    return 0.0 if RECTIFIERS.intersection(names) else None


def units_last(model):
    """{module: whether its units are the last dimension of (N, ..., C), rather than the second}, None if not known.

    What a module does not say itself, it takes from the one before it.
    """
    last, found = None, {}
    for module in model.modules():
        if isinstance(module, CHANNELS_FIRST):
            last = False
        elif isinstance(module, CHANNELS_LAST):
            last = True
        found[module] = last
    return found


def unit_dim(ndim, last):
    """The dimension of the units in an output with `ndim` dimensions."""
    if ndim <= 2:
        return ndim - 1
    return ndim - 1 if last or last is None and ndim == 3 else 1
