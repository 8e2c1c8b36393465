"""The methods before Adam: a learning rate for each weight, from the squares of its past gradients."""

from ..autograd import wrap
from ..backend import constant, xp
from .optimizer import Optimizer, average, check


class Adagrad(Optimizer):
    """x -= lr / (1 + (step - 1) * lr_decay) * g / (sqrt(s) + eps), s the sum of g^2 over all steps.

    State: "step", "sum" (s, which starts at `initial_accumulator_value`).
    Source: Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    starts_with_state = True

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, *,
                 maximize=False):  # fmt: skip
        check(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        check(initial_accumulator_value=initial_accumulator_value)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        })  # fmt: skip

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            s = xp.full_like(p.array, group["initial_accumulator_value"])
            self.state[p] = {"step": 0, "sum": wrap(s)}

    def remembered(self, group):
        return ["sum"]

    def update(self, group):
        for p, x, g in self.gradients(group, group["weight_decay"]):
            state = self.state[p]
            lr = float(group["lr"]) / (1 + state["step"] * group["lr_decay"])
            state["step"] += 1
            s = state["sum"].array
            s += g * g
            y = xp.sqrt(s)
            y += constant(group["eps"], x.dtype)
            y = g / y
            y *= constant(lr, x.dtype)
            x -= y


class RMSprop(Optimizer):
    """x -= lr * r, r = g / (sqrt(v) + eps), v the running mean of g^2.

    With `momentum`, x -= lr * b, b = momentum * b + r. `alpha`: how much of v a step keeps. `centered`: v
    less the square of the running mean of g, which is the variance of g.
    State: "step", "square_avg" (v), "momentum_buffer" (b), "grad_avg".
    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012; centered: Graves, 2013.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, *,
                 maximize=False):  # fmt: skip
        check(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def remembered(self, group):
        return ["square_avg"] + ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]

    def update(self, group):
        lr, momentum = float(group["lr"]), group["momentum"]
        alpha, centered = group["alpha"], group["centered"]
        names = self.remembered(group)
        for p, x, g in self.gradients(group, group["weight_decay"]):
            state = self.state[p] or self.start(p, *names)
            state["step"] += 1
            v = state["square_avg"].array
            average(v, g * g, alpha)
            if centered:
                mean = state["grad_avg"].array
                average(mean, g, alpha)
                v = v - mean * mean
            y = xp.sqrt(v)
            y += constant(group["eps"], x.dtype)
            y = g / y
            if momentum > 0:
                b = state["momentum_buffer"].array
                b *= constant(momentum, x.dtype)
                b += y
                y = b
            x -= y * constant(lr, x.dtype)


class Adadelta(Optimizer):
    """x -= lr * d, d = g * sqrt(a + eps) / sqrt(v + eps), v and a the running means of g^2 and of d^2.

    d has the units of x, so that lr = 1 serves. `rho`: how much of v and a a step keeps.
    State: "step", "square_avg" (v), "acc_delta" (a).
    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, *, maximize=False):
        check(lr=lr, eps=eps, weight_decay=weight_decay, rho=rho)
        if rho > 1:
            raise ValueError(f"Invalid rho value: {rho}")
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def remembered(self, group):
        return ["square_avg", "acc_delta"]

    def update(self, group):
        lr, rho = float(group["lr"]), group["rho"]
        for p, x, g in self.gradients(group, group["weight_decay"]):
            state = self.state[p] or self.start(p, *self.remembered(group))
            state["step"] += 1
            v, a, eps = state["square_avg"].array, state["acc_delta"].array, constant(group["eps"], x.dtype)
            average(v, g * g, rho)
            d = xp.sqrt(a + eps)
            d /= xp.sqrt(v + eps)
            d *= g
            average(a, d * d, rho)
            x -= d * constant(lr, x.dtype)
