"""Activations as layers."""

from ..ops import elementwise
from .module import Module


class Tanh(Module):
    """tanh(x), elementwise."""

    def forward(self, input):
        return elementwise.tanh(input)


class ReLU(Module):
    """max(x, 0), elementwise."""

    def forward(self, input):
        return elementwise.relu(input)
