"""Normalisation layers."""

import operator

from ..creation import empty, ones, tensor, zeros
from ..guard import warn
from . import functional as F
from . import init
from .module import Module, Parameter


class Normalization(Module):
    """What the layers here have in common: a weight that starts at 1 and a bias that starts at 0, where they are wanted."""

    def add_parameters(self, shape, weight, bias, device, dtype):
        """Register both with that shape; None where one is not wanted."""
        for name, wanted in (("weight", weight), ("bias", bias)):
            values = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self):
        """Back to the starting values: weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class BatchNorm(Normalization):
    """Every channel normalised over the batch, then times weight plus bias (C); subclasses check the shape.

    `momentum` is the share of the newest batch in the running statistics, None for their plain average. With
    `track_running_stats=False` the batch's own statistics are used in evaluation as well. Source: Ioffe and
    Szegedy, 2015.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        size = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", zeros(num_features, **size) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features, **size) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", tensor(0, device=device) if track_running_stats else None)
        self.add_parameters(num_features, affine, affine and bias, device, dtype)

    def reset_running_stats(self):
        """Forget the batches seen so far."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Back to the starting values: weight 1, bias 0, no batch seen."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input):
        self.check_input(input)
        momentum, mean, var = self.momentum, self.running_mean, self.running_var
        if self.training and mean is not None:
            self.num_batches_tracked.array += 1
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(input, mean, var, self.weight, self.bias, self.training or mean is None, momentum, self.eps)

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """`BatchNorm` of (N, C) or (N, C, L)."""

    def check_input(self, input):
        if input.array.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.array.ndim}D input)")


class BatchNorm2d(BatchNorm):
    """`BatchNorm` of (N, C, H, W)."""

    def check_input(self, input):
        if input.array.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.array.ndim}D input)")


class InstanceNorm(BatchNorm):
    """Every channel of every sample normalised, then times weight plus bias (C) if `affine`.

    By its own statistics, in evaluation too; but with `track_running_stats` evaluation is by running averages
    of them, over samples and batches. A subclass says how many dimensions a sample has. Source: Ulyanov et
    al., 2016.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        ndim, n = input.array.ndim, self.sample_dims
        if ndim not in (n, n + 1):
            raise ValueError(f"expected {n}D or {n + 1}D input (got {ndim}D input)")
        if ndim == n:
            return self.normalised(input.unsqueeze(0)).squeeze(0)
        return self.normalised(input)

    def normalised(self, input):
        channels = input.array.shape[1]
        if channels != self.num_features:
            text = f"{type(self).__name__}: expected num_features={self.num_features} channels, got {channels}"
            if self.affine:
                raise ValueError(text)
            warn(f"{text}; num_features is not used because affine=False")
        mean, momentum = self.running_mean, 0.0 if self.momentum is None else self.momentum
        return F.instance_norm(
            input,
            mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or mean is None,
            momentum,
            self.eps,
        )


class InstanceNorm1d(InstanceNorm):
    """`InstanceNorm` of (N, C, L) or (C, L)."""

    sample_dims = 2


class InstanceNorm2d(InstanceNorm):
    """`InstanceNorm` of (N, C, H, W) or (C, H, W)."""

    sample_dims = 3


class GroupNorm(Normalization):
    """The channels in `num_groups` groups, each normalised in each sample, then times weight plus bias (C).

    Source: Wu and He, 2018.
    """

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True
    ):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.add_parameters(num_channels, affine, affine and bias, device, dtype)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def sizes(normalized_shape):
    """One size, or several, as a tuple of ints."""
    several = normalized_shape if hasattr(normalized_shape, "__iter__") else (normalized_shape,)
    return tuple(map(operator.index, several))


class LayerNorm(Normalization):
    """The last dimensions, `normalized_shape`, to mean 0 and variance 1, then times weight plus bias.

    Source: Ba et al., 2016.
    """

    def __init__(
        self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None
    ):
        super().__init__()
        self.normalized_shape = sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.add_parameters(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Normalization):
    """The last dimensions, `normalized_shape`, divided by their root mean square, then times weight.

    eps=None: the epsilon of the input's dtype. Source: Zhang and Sennrich, 2019.
    """

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.add_parameters(self.normalized_shape, elementwise_affine, False, device, dtype)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
