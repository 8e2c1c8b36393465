"""Linear layers and the reshaping that leads to them."""

import math

from ..creation import empty
from ..ops.shape import flatten, unflatten
from . import functional as F
from . import init
from .module import Module, Parameter


class Identity(Module):
    """The input as it is. Takes any arguments, those of the layer in whose place it stands, and ignores them."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    """y = x @ weight.T + bias: (..., in_features) -> (..., out_features).

    `weight` (out, in) and `bias` (out) start uniform in +-1/sqrt(in_features), as torch draws them.
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the starting values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # the slope that makes the bound 1/sqrt(fan_in)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim` as one; by default all but the batch."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension as several, of the sizes `unflattened_size` (one may be -1)."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        sizes = isinstance(unflattened_size, (tuple, list)) and all(isinstance(n, int) for n in unflattened_size)
        if not isinstance(dim, int) or not sizes:
            raise TypeError(
                f"unflattened_size must be a tuple of ints and dim an int, got {unflattened_size!r} "
                f"and {dim!r}"
            )
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input):
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
