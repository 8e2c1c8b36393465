"""Adam and its kin: each weight moves by the mean of its gradients over the root of their mean square."""

from ..backend import constant, xp
from ..kernels import ENABLED
from . import together
from .optimizer import Optimizer, average, check


class Adam(Optimizer):
    """x -= lr * m / (sqrt(v) + eps), m and v the means of g and of g^2, corrected for their start at zero.

    `betas`: how much of m and of v a step keeps. `amsgrad`: divide by the largest v so far. `weight_decay`
    adds weight_decay * x to the gradient; `decoupled_weight_decay` shrinks x by the factor 1 - lr *
    weight_decay instead. State: "step", "exp_avg" (m), "exp_avg_sq" (v), "max_exp_avg_sq".
    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015; Reddi et al., On the convergence
    of Adam and beyond, 2018.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *,
                 maximize=False, decoupled_weight_decay=False):  # fmt: skip
        check(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip

    def remembered(self, group):
        return ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]

    def update(self, group):
        lr, decay, decoupled = float(group["lr"]), group["weight_decay"], group["decoupled_weight_decay"]
        names = self.remembered(group)
        left = together.adam(self, group, lr, names) if ENABLED else None
        for p, x, g in self.gradients(group, 0 if decoupled else decay, left):
            if decoupled and decay:
                x *= constant(1 - lr * decay, x.dtype)
            x -= scaled_mean(self.state[p] or self.start(p, *names), g, group, lr)


class AdamW(Adam):
    """Adam that shrinks the parameters by the factor 1 - lr * weight_decay and leaves the gradient alone.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class Lamb(Optimizer):
    """Adam's step plus weight_decay * x, scaled in each parameter to lr times its norm; for large batches.

    x -= lr * |x| / |u| * u, u = m / (sqrt(v) + eps) + weight_decay * x with Adam's corrected means; where |x|
    or |u| is zero, x -= lr * u. torch has no such optimiser. State: "step", "exp_avg" (m), "exp_avg_sq" (v).
    Source: You et al., Large batch optimization for deep learning: training BERT in 76 minutes, 2020,
    algorithm 2, its scaling function the identity.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0, *, maximize=False):
        check(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def remembered(self, group):
        return ["exp_avg", "exp_avg_sq"]

    def update(self, group):
        lr, decay = float(group["lr"]), group["weight_decay"]
        for p, x, g in self.gradients(group, 0):
            u = scaled_mean(self.state[p] or self.start(p, *self.remembered(group)), g, group, 1.0)
            if decay:
                u += x * constant(decay, x.dtype)
            size, length = norm(x), norm(u)  # arrays of one number: nothing waits for a GPU
            u *= xp.where(size > 0, size, length) / xp.where(length > 0, length, xp.ones_like(length))
            u *= constant(lr, x.dtype)
            x -= u


def scaled_mean(state, g, group, scale):
    """scale * m / (sqrt(v) + eps), in a new array, after one more step of the means in `state`.

    With 1 - beta^step as corrections of m and v: both are put into the scale and eps rather than the arrays.
    """
    beta1, beta2 = group["betas"]
    state["step"] += 1
    m, v = state["exp_avg"].array, state["exp_avg_sq"].array
    average(m, g, beta1)
    average(v, g * g, beta2)
    if group.get("amsgrad"):
        largest = state["max_exp_avg_sq"].array
        v = xp.maximum(largest, v, out=largest)
    correction1, correction2 = 1 - beta1 ** state["step"], (1 - beta2 ** state["step"]) ** 0.5
    y = xp.sqrt(v)
    y += constant(group["eps"] * correction2, m.dtype)
    y = m / y
    y *= constant(scale * correction2 / correction1, m.dtype)
    return y


def norm(x):
    x = x.reshape(-1)
    return xp.sqrt(x.dot(x))
