"""Stochastic gradient descent."""

from ..autograd import wrap
from ..backend import constant
from ..kernels import ENABLED
from . import together
from .optimizer import Optimizer, check


class SGD(Optimizer):
    """x -= lr * g, where g is the gradient, or with `momentum` v = momentum * v + (1 - dampening) * g.

    The first v is the gradient itself. Nesterov's variant looks one step ahead: x -= lr * (g + momentum * v).
    `weight_decay` adds weight_decay * x to the gradient; `maximize` climbs. State: "momentum_buffer" (v).
    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013; there v
    holds the factor lr, here and in torch it does not.
    """

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *,
                 maximize=False):  # fmt: skip
        check(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        })  # fmt: skip

    def update(self, group):
        lr, momentum = float(group["lr"]), group["momentum"]
        left = together.sgd(self, group, lr) if ENABLED else None
        for p, x, g in self.gradients(group, group["weight_decay"], left):
            if momentum:
                state = self.state[p]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = wrap(g.copy())
                    v = state["momentum_buffer"].array
                else:
                    v = state["momentum_buffer"].array
                    v *= constant(momentum, x.dtype)
                    v += g * constant(1 - group["dampening"], x.dtype)
                g = g + v * constant(momentum, x.dtype) if group["nesterov"] else v
            x -= g * constant(lr, x.dtype)
