"""Optimisers and learning-rate schedules, under torch's names; `Lamb` is an addition."""

from . import lr_scheduler
from .adam import Adam, AdamW, Lamb
from .adaptive import Adadelta, Adagrad, RMSprop
from .optimizer import Optimizer
from .sgd import SGD
