"""Layers, losses and what they are made of, under torch's names."""

from . import functional, init
from .activation import ReLU, Tanh
from .container import Sequential
from .linear import Flatten, Linear
from .module import Module, Parameter
from .norm import BatchNorm1d
from .sparse import Embedding
