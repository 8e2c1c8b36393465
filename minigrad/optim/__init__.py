"""Optimisers, under torch's names."""

from .sgd import SGD
