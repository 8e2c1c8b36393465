"""Layers that torch does not have."""

import math

from ..creation import ones, tensor, zeros
from . import functional as F
from .functional.normalization import affine, channels, check
from .module import Module, Parameter


class GeneralReLU(Module):
    """ReLU with a slope `leak` below zero, less `sub`, and at most `maxv`; each may be None.

    Subtracting about 0.4 gives activations a mean near 0. Source: Howard, fast.ai part 2, 2019.
    """

    def __init__(self, leak=None, sub=None, maxv=None):
        super().__init__()
        self.leak, self.sub, self.maxv = leak, sub, maxv

    def forward(self, input):
        y = F.relu(input) if self.leak is None else F.leaky_relu(input, self.leak)
        y = y if self.sub is None else y - self.sub
        return y if self.maxv is None else y.clamp_max(self.maxv)

    def extra_repr(self):
        return f"leak={self.leak}, sub={self.sub}, maxv={self.maxv}"


class RunningBatchNorm(Module):
    """Batch norm of (N, C, ...) by running statistics, in training too: for batches too small for their own.

    The statistics are those of running sums of x, of its square, and of ones (so that nothing stands for what
    came before the first batch). A batch of N samples has the share 1 - (1 - momentum) / sqrt(N - 1) in these
    sums, and gradients flow through it. They are held as their mean and variance, since a difference of sums
    loses digits. As long as there are fewer than 20 samples, the variance counts as 0.01 at least. Source:
    Howard, fast.ai part 2, 2019.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, device=None, dtype=None):
        super().__init__()
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        size = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(ones(num_features, **size)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features, **size)) if affine else None)
        self.register_buffer("running_mean", zeros(num_features, **size))
        self.register_buffer("running_var", ones(num_features, **size))
        self.register_buffer("running_count", zeros((), **size))  # of the values of one channel
        self.register_buffer("num_samples_tracked", tensor(0, device=device))

    def forward(self, input):
        x = input.array
        if x.ndim < 2:
            raise ValueError(f"RunningBatchNorm: expected (N, C) or (N, C, ...), got shape {x.shape}")
        check(x, "RunningBatchNorm", weight=self.weight, running_mean=self.running_mean)
        mean, var = self.running_mean, self.running_var
        if self.training and x.size:
            mean, var = self.updated(input)
        if 0 < self.num_samples_tracked.item() < 20:
            var = var.clamp_min(0.01)
        scale = (var + self.eps).rsqrt()
        scale = scale if self.weight is None else scale * self.weight
        shift = scale * -mean
        return affine(input, scale, shift if self.bias is None else shift + self.bias)

    def updated(self, input):
        """The running mean and variance with this batch in them, as functions of it; buffers become these."""
        dims, _, n = channels(input.array.shape)
        samples = len(input.array)
        momentum = 1 - (1 - self.momentum) / math.sqrt(max(samples - 1, 1))
        count = (1 - momentum) * self.running_count.item() + momentum * n
        share = momentum * n / count
        change = input.mean(dims) - self.running_mean
        mean = self.running_mean + change * share
        var = self.running_var * (1 - share) + input.var(dims, correction=0) * share
        var = var + change * change * (share * (1 - share))
        self.running_mean.array[...], self.running_var.array[...] = mean.array, var.array
        self.running_count.array[...] = count
        self.num_samples_tracked.array += samples
        return mean, var

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
