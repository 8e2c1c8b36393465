"""What is done to batches before they are used, and to gradients before the step."""

import math

from ..nn.utils import clip_grad_norm_, clip_grad_value_
from .callback import Callback


class BatchTransform(Callback):
    """Before a batch is used, replaces its input and target by what `function(x, y)` returns.

    `train`, `validate`: in which passes.
    """

    order = -50

    def __init__(self, function, train=True, validate=True):
        if not callable(function):
            raise TypeError(f"BatchTransform: expected a function of (x, y), got {type(function).__name__}")
        if not (train or validate):
            raise ValueError("BatchTransform: expected train=True or validate=True, or it would never act")
        self.function, self.train, self.validate = function, train, validate

    def before_batch(self, learner):
        if self.train if learner.training else self.validate:
            changed = self.function(learner.x, learner.y)
            if not isinstance(changed, (tuple, list)) or len(changed) != 2:
                raise TypeError(f"BatchTransform: expected the function to return (x, y), got {type(changed).__name__}")
            learner.x, learner.y = changed


class GradientClip(Callback):
    """Before every step, scales the gradients to a norm of at most `norm`, or clips each element to [-value, value].

    `norm_type`: the p of the p-norm. `last_norm`: the norm before the last step, a 0-d tensor (None with `value`).
    """

    order = -10

    def __init__(self, norm=None, *, value=None, norm_type=2.0):
        if (norm is None) == (value is None):
            raise ValueError(f"GradientClip: expected either norm or value, got norm={norm} and value={value}")
        limit = value if norm is None else norm
        if not limit > 0 or math.isinf(limit):
            raise ValueError(f"GradientClip: expected a positive limit, got {limit}")
        self.norm, self.value, self.norm_type, self.last_norm = norm, value, norm_type, None

    def after_backward(self, learner):
        if self.norm is None:
            clip_grad_value_(learner.model.parameters(), self.value)
        else:
            self.last_norm = clip_grad_norm_(learner.model.parameters(), self.norm, self.norm_type)
