"""Layers over indices."""

from ..creation import empty
from . import functional as F
from . import init
from .module import Module, Parameter


class Embedding(Module):
    """A row of `weight` (num_embeddings, embedding_dim), which starts N(0, 1), for every int64 index."""

    def __init__(self, num_embeddings, embedding_dim, device=None, dtype=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the starting values anew."""
        init.normal_(self.weight)

    def forward(self, input):
        return F.embedding(input, self.weight)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"
