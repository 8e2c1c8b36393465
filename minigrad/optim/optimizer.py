"""What all optimisers share: groups of parameters with their settings, and a state for each parameter."""

from ..autograd import Variable


class Optimizer:
    """Parameters in groups, each group a dict with its own settings.

    `params`: tensors, or dicts with "params" and settings that differ from `defaults`.
    """

    def __init__(self, params, defaults):
        if isinstance(params, Variable):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, got a Tensor")
        self.defaults, self.state, self.param_groups = defaults, {}, []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add a dict with "params" and the settings in which it differs from the defaults."""
        params = param_group["params"]
        params = [params] if isinstance(params, Variable) else list(params)
        known = {p for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Variable):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if p in known:
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of every parameter, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad = p.grad.detach().zero_()
