"""Starting values for parameters, from PyTorch's random stream; each function fills and returns a tensor."""

import math

from ..autograd import no_grad, wrap
from ..backend import xp
from ..creation import empty_like, randn, randperm
from ..guard import guarded, warn
from ..ops.elementwise import where

PLAIN = "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"
GAINS = {**dict.fromkeys(PLAIN, 1.0), "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def calculate_gain(nonlinearity, param=None):
    """The factor by which a nonlinearity wants its input's standard deviation larger.

    `param` is the negative slope of leaky_relu (0.01 by default): sqrt(2 / (1 + slope^2)).
    """
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"calculate_gain: negative_slope {param} is not a valid number")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: Unsupported nonlinearity {nonlinearity}, expected one of {sorted(GAINS)}")
    return GAINS[nonlinearity]


def fans(tensor):
    """(fan_in, fan_out) of a weight of shape (out, in, *kernel)."""
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError(f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


# ----------------------------------------------------------------------------------------------- fixed values


@no_grad()
def constant_(tensor, val):
    """One value everywhere."""
    return tensor.fill_(val)


def zeros_(tensor):
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor):
    """Ones."""
    return constant_(tensor, 1.0)


@no_grad()
def eye_(tensor):
    """The identity matrix: a Linear that passes on as many inputs as it has outputs."""
    if tensor.array.ndim != 2:
        raise ValueError(f"eye_: Only tensors with 2 dimensions are supported, got shape {tensor.array.shape}")
    tensor.zero_()
    tensor[range(min(tensor.array.shape)), range(min(tensor.array.shape))] = 1
    return tensor


@no_grad()
def dirac_(tensor, groups=1):
    """A convolution that passes on its channels: 1 in the middle of the kernel of each channel to itself."""
    shape = tensor.array.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got shape {shape}")
    if shape[0] % groups:
        raise ValueError(f"dirac_: dim 0 must be divisible by groups, got shape {shape} and groups {groups}")
    tensor.zero_()
    middle, size = [n // 2 for n in shape[2:]], shape[0] // groups
    for group in range(groups):
        for channel in range(min(size, shape[1])):
            tensor[(group * size + channel, channel, *middle)] = 1
    return tensor


# ---------------------------------------------------------------------------------------------- random values


@no_grad()
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform values from [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal values."""
    return tensor.normal_(mean, std, generator=generator)


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform with standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio, 2010.
    """
    bound = math.sqrt(3) * (gain * math.sqrt(2 / sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with standard deviation gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def nothing_to_draw(tensor):
    """Whether a tensor has no elements, of which it warns."""
    empty = 0 in tensor.array.shape
    if empty:
        warn("Initializing zero-element tensors is a no-op")
    return empty


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform with standard deviation gain / sqrt(fan); `a` is leaky_relu's slope.

    Source: He et al., 2015.
    """
    if nothing_to_draw(tensor):
        return tensor
    bound = math.sqrt(3) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with standard deviation gain / sqrt(fan); `a` is leaky_relu's slope. Source: He et al., 2015."""
    if nothing_to_draw(tensor):
        return tensor
    return normal_(tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor, gain=1, generator=None):
    """A matrix (the first dimension by all others) with orthonormal rows or columns, times gain.

    Source: Saxe et al., 2014.
    """
    if tensor.array.ndim < 2:
        raise ValueError(f"orthogonal_: Only tensors with 2 or more dimensions are supported, got {tensor.array.shape}")
    if not tensor.array.size:
        return tensor
    rows = tensor.array.shape[0]
    drawn = randn(rows, tensor.array.size // rows, generator=generator, dtype=tensor.array.dtype).array
    q, r = xp.linalg.qr(drawn.T if rows < drawn.shape[1] else drawn)
    q = q * xp.sign(xp.diag(r))  # the one decomposition whose r has a positive diagonal: then q is uniform
    q = q.T if rows < drawn.shape[1] else q
    return tensor.copy_(wrap((q * gain).reshape(tensor.array.shape)))


@no_grad()
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal values from [a, b] only: what falls outside is drawn again.

    Where less than 0.3 of the distribution lies inside, uniform candidates are accepted in proportion to its
    density.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.")
    share = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    if share > 0.3:
        tensor.normal_(mean, std, generator=generator)
        while (outside := (tensor < a) | (tensor > b)).any():
            tensor.copy_(where(outside, empty_like(tensor).normal_(mean, std, generator=generator), tensor))
        return tensor
    nearest = max(a, min(mean, b))
    pending = None
    while pending is None or pending.any():
        candidates = empty_like(tensor).uniform_(a, b, generator=generator)
        tensor.copy_(candidates if pending is None else where(pending, candidates, tensor))
        log_density = ((candidates - mean) / std) ** 2 * -0.5 + 0.5 * ((nearest - mean) / std) ** 2
        rejected = empty_like(tensor).uniform_(generator=generator).log() > log_density
        pending = rejected if pending is None else pending & rejected
    return tensor


@no_grad()
def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal values, with the share `sparsity` of every column zero. Source: Martens, 2010."""
    if tensor.array.ndim != 2:
        raise ValueError(f"sparse_: Only tensors with 2 dimensions are supported, got shape {tensor.array.shape}")
    rows, columns = tensor.array.shape
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        zeros = randperm(rows)[: math.ceil(sparsity * rows)]  # from the default stream, as in torch
        tensor[zeros, column] = 0
    return tensor


for name in [name for name in globals() if name.endswith("_") and not name.startswith("_")]:
    globals()[name] = guarded(globals()[name])
