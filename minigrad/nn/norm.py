"""Normalisation layers."""

import operator

from ..creation import empty, ones, tensor, zeros
from . import functional as F
from . import init
from .module import Module, Parameter


class BatchNorm(Module):
    """Every channel normalised over the batch, then times weight plus bias (C); a subclass checks the input's shape.

    `momentum` is the share of the newest batch in the running statistics, None for their plain average. With
    `track_running_stats=False` the batch's own statistics are used in evaluation as well. Source: Ioffe and Szegedy, 2015.
    """

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        size = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(ones(num_features, **size)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features, **size)) if affine and bias else None)
        self.register_buffer("running_mean", zeros(num_features, **size) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features, **size) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", tensor(0, device=device) if track_running_stats else None)

    def reset_running_stats(self):
        """Forget the batches seen so far."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Back to the starting values: weight 1, bias 0, no batch seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        self.check_input(input)
        momentum, mean, var = self.momentum, self.running_mean, self.running_var
        if self.training and mean is not None:
            self.num_batches_tracked.array += 1
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(
            input, mean, var, self.weight, self.bias, self.training or mean is None, momentum, self.eps
        )

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


class LayerNorm(Module):
    """The last dimensions, of sizes `normalized_shape`, normalised to mean 0 and variance 1, then times weight plus bias.

    Source: Ba et al., 2016.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        sizes = normalized_shape if hasattr(normalized_shape, "__iter__") else (normalized_shape,)
        self.normalized_shape = tuple(map(operator.index, sizes))
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            values = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, values)
        self.reset_parameters()

    def reset_parameters(self):
        """Back to the starting values: weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
