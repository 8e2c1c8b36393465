"""What all optimisers share: parameters in groups, a state for each parameter, and the loop over both."""

from collections import defaultdict
from copy import deepcopy

from .. import states
from ..autograd import Variable, changed, enable_grad, wrap
from ..backend import NUMBERS, constant, xp
from ..guard import warn


class Optimizer:
    """Parameters in groups, each group a dict with its own settings; a subclass says how a group is updated.

    `params`: tensors, (name, tensor) pairs, or dicts with "params" and settings other than the `defaults`.
    `state[p]`: what is remembered of parameter p, a dict of tensors of its shape and the number of its steps.
    """

    starts_with_state = False  # whether every parameter has a state before the first step

    def __init__(self, params, defaults):
        if isinstance(params, Variable):
            raise TypeError(
                f"{type(self).__name__}: params should be an iterable of Tensors or dicts, got a Tensor of "
                f"shape {tuple(params.shape)}"
            )
        self.defaults, self.state, self.param_groups = defaults, defaultdict(dict), []
        if not hasattr(params, "__iter__"):
            raise TypeError(f"{type(self).__name__}: params should be an iterable of Tensors or dicts, got {params!r}")
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add a copy of a dict with "params" and the settings in which it differs from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        if "params" not in param_group:
            raise KeyError(f"param_group must have 'params', but has only {sorted(param_group)}")
        params = param_group["params"]
        if not hasattr(params, "__iter__"):
            raise TypeError(f"optimizer can only optimize Tensors, but got a {type(params).__name__}")
        if isinstance(params, set):
            raise TypeError("optimizer parameters need a fixed order, which a set has not; use a list")
        params = [params] if isinstance(params, Variable) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        if names and len(names) != len(params):
            raise ValueError(f"optimizer params should all have names or none, got {len(names)} names")
        if any(bool(names) != ("param_names" in group) for group in self.param_groups):
            raise ValueError("optimizer param groups should all have names or none")
        known = {p for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Variable):
                raise TypeError(f"optimizer can only optimize Tensors, but got a {type(p).__name__}")
            if not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
            if p in known:
                raise ValueError("some parameters appear in more than one parameter group")
        if len(set(params)) < len(params):
            warn("optimizer contains a parameter group with duplicate parameters")
        self.param_groups.append({**self.defaults, **param_group, "params": params})
        if names:
            self.param_groups[-1]["param_names"] = names

    def zero_grad(self, set_to_none=True):
        """Forget the gradient of every parameter, or set it to zero in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                    continue
                if p.grad.requires_grad:  # made by backward(create_graph=True)
                    p.grad = p.grad.detach()
                p.grad.zero_()

    # --------------------------------------------------------------------------------------- the step

    def step(self, closure=None):
        """Update what has a gradient; `closure`, if given, computes the loss anew, and that is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.update(group)
        self.stepped = True  # a schedule asks for it
        return loss

    def update(self, group):
        raise NotImplementedError(f"{type(self).__name__} is missing the required update(group) function")

    def gradients(self, group, weight_decay, params=None):
        """(parameter, its array x, its gradient g) where there is one; the caller changes x in place, not g.

        g is negated for a group that maximises, and has the derivative of weight_decay / 2 * x^2 added. `params`: those
        of the group that are left to update, by default all.
        """
        params = group["params"] if params is None else params
        found = [(p, p.array, grad.array) for p in params if (grad := p.grad) is not None]
        changed(*[p for p, _, _ in found])
        if group["maximize"]:
            found = ((p, x, -g) for p, x, g in found)
        if weight_decay:
            found = ((p, x, g + x * constant(weight_decay, x.dtype)) for p, x, g in found)
        return found

    def remembered(self, group):
        """Names of the tensors that a state has, beside the number of its "step"; none where a state may be empty."""
        return []

    def start(self, p, *names):
        """A fresh state of parameter p: no steps yet, and zeros of its shape under each name."""
        state = self.state[p]
        state["step"] = 0
        for name in names:
            state[name] = wrap(xp.zeros_like(p.array))
        return state

    # -------------------------------------------------------------------------------------- the state

    def state_dict(self):
        """{"state": {index: state}, "param_groups": groups}: parameters by number, in order.

        The tensors share memory with the optimiser's; "step" is a 0-d float32 tensor, as in torch.
        """
        indices = {}
        for group in self.param_groups:
            for p in group["params"]:
                indices.setdefault(p, len(indices))
        groups = [{**group, "params": [indices[p] for p in group["params"]]} for group in self.param_groups]
        state = {}
        for p, values in self.state.items():
            state[indices[p]] = saved = values.copy()
            if "step" in values:
                saved["step"] = wrap(xp.full((), values["step"], "float32"))
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a copy of a `state_dict`, state and settings; nothing changes where it does not fit."""
        if not isinstance(state_dict, dict) or not all(isinstance(state_dict.get(k, []), t) for k, t in PARTS.items()):
            raise TypeError(f"load_state_dict: expected a dict with 'state' and 'param_groups', got {state_dict!r:.60}")
        for name in PARTS:
            if name not in state_dict:
                raise KeyError(f"load_state_dict: expected 'state' and 'param_groups', got {list(state_dict)}")
        name = type(self).__name__
        for i, group in enumerate(state_dict["param_groups"]):
            numbers = states.entry(f"{name}.param_groups[{i}]", group, "params")
            fits = isinstance(numbers, (list, tuple)) and all(map(states.is_count, numbers))
            states.expect(name, f"param_groups[{i}]['params']", numbers, fits, "a list of numbers of parameters")
            for key, own in self.defaults.items():
                value = group.get(key, own)
                states.like(name, f"param_groups[{i}][{key!r}]", value, own)
                if key != "dampening" and not isinstance(own, bool):
                    check(**{key: value})
        groups = deepcopy(state_dict["param_groups"])
        sizes, expected = ([len(g["params"]) for g in those] for those in (groups, self.param_groups))
        if sizes != expected:
            raise ValueError(f"loaded state dict has groups of {sizes} parameters, optimizer of {expected}")
        params, needed = {}, {}
        for group, own in zip(groups, self.param_groups):
            params.update(zip(group["params"], own["params"]))
            needed.update(dict.fromkeys(own["params"], self.remembered({**self.defaults, **group})))
            group["params"] = own["params"]
            if "param_names" in own:
                group.setdefault("param_names", own["param_names"])
        state = defaultdict(dict)
        for i, values in dict(state_dict["state"]).items():
            if i not in params:
                raise ValueError(f"loaded state dict has a state of parameter {i}, but no group has it")
            p, owner = params[i], f"{name}.state[{i}]"
            states.expect(name, f"state[{i}]", values, isinstance(values, dict), "a dict")
            for key in ["step", *needed[p]] if values and needed[p] else []:
                states.entry(owner, values, key)
            state[p] = {key: own_copy(owner, key, value, p, needed[p]) for key, value in values.items()}
        if self.starts_with_state and not all(state.get(p) for p in needed):
            raise ValueError(f"load_state_dict: {name}: expected a state of {len(needed)} parameters, got {len(state)}")
        self.state = state
        self.param_groups = [{**self.defaults, **group} for group in groups]

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([*lines, ")"])


PARTS = {"param_groups": (list, tuple), "state": (dict, list)}  # what a state_dict holds


def own_copy(owner, name, value, p, needed):
    """A value of a loaded state as the optimiser of parameter p keeps it."""
    if name == "step":
        states.like(owner, name, value, 0)
        states.expect(owner, name, value, states.is_whole(value) and value >= 0, "a number of steps")
        return int(value)
    if name in needed or name == "momentum_buffer" and value is not None:
        states.expect(owner, name, value, isinstance(value, Variable) and value.dtype.kind == "f", "a floating Tensor")
    if not isinstance(value, Variable):
        return value
    if value.array.shape != p.array.shape:
        shapes = f"{tuple(value.shape)} for a parameter of {tuple(p.shape)}"
        raise ValueError(f"loaded state dict has a {name} of shape {shapes}")
    return wrap(value.array.astype(p.array.dtype))


def average(mean, x, decay):
    """Move a running mean towards x in place: decay * mean + (1 - decay) * x."""
    mean *= constant(decay, mean.dtype)
    mean += x * constant(1 - decay, mean.dtype)


LABELS = {"lr": "learning rate", "eps": "epsilon value"}


def check(**settings):
    """Refuse what is no number or negative, and betas outside of [0, 1); lr may be a Tensor of one."""
    for name, value in settings.items():
        betas = name == "betas"
        if betas and not (isinstance(value, (tuple, list)) and len(value) == 2):
            raise TypeError(f"betas: expected two numbers, got {value!r}")
        for i, number in enumerate(value if betas else (value,)):
            label = f"beta parameter at index {i}" if betas else LABELS.get(name, f"{name} value")
            if isinstance(number, Variable) and (name != "lr" or number.numel() != 1):
                error = ValueError if name == "lr" else TypeError  # as torch has it
                raise error(f"{label}: expected a number, got a Tensor of shape {tuple(number.shape)}")
            if not isinstance(number, (Variable, *NUMBERS, xp.generic)):
                raise TypeError(f"{label}: expected a number, got {number!r}")
            if not 0 <= number or betas and not number < 1:
                raise ValueError(f"Invalid {label}: {number}")
