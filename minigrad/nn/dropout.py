"""Dropout layers: they act in training, drawing from the default random stream."""

from . import functional as F
from .functional.dropout import check_probability
from .module import Module


class DropoutBase(Module):
    """What the dropout layers share: the probability p of a zero."""

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        check_probability(p, type(self).__name__)
        self.p, self.inplace = p, inplace

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(DropoutBase):
    """Zeros with probability p, the rest times 1 / (1 - p). Source: Srivastava et al., 2014."""

    def forward(self, input):
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(DropoutBase):
    """Dropout of whole channels of (N, C, L) or (C, L)."""

    def forward(self, input):
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(DropoutBase):
    """Dropout of whole channels of (N, C, H, W)."""

    def forward(self, input):
        return F.dropout2d(input, self.p, self.training, self.inplace)
