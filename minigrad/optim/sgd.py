"""Stochastic gradient descent."""

from ..autograd import changed, enable_grad
from ..backend import constant
from .optimizer import Optimizer


class SGD(Optimizer):
    """p -= lr * g, with momentum v = momentum * v + (1 - dampening) * g, Nesterov's variant and L2 weight decay.

    Source: Sutskever et al., 2013, in torch's form: the first step's v is g itself.
    """

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False
    ):
        for name, value in (("learning rate", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"Invalid {name} value: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize,
        })  # fmt: skip

    def step(self, closure=None):
        """Update every parameter that has a gradient; `closure`, if given, computes the loss anew and returns it."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr = -group["lr"] if not group["maximize"] else group["lr"]
            momentum, decay = group["momentum"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = p.grad.array
                if decay:
                    g = g + p.array * (-decay if group["maximize"] else decay)
                if momentum:
                    v = self.state.get(p)
                    if v is None:
                        v = self.state[p] = g.copy()
                    else:
                        v *= momentum
                        v += g * (1 - group["dampening"])
                    g = g + v * momentum if group["nesterov"] else v
                p.array += g * constant(lr, p.array.dtype)
                changed(p)
        return loss
