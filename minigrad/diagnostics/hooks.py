"""Hooks that look into a running network, and always let go of it: `Hook` on one module, `Hooks` on many."""

from collections import defaultdict
from fnmatch import fnmatchcase

from ..autograd import no_grad
from ..nn.module import Module


class Hook:
    """Calls `function(hook, module, input, output)` after every forward of a module, until removed.

    `input` is the tuple of arguments. With `backward`, calls `function(hook, module, grad_input, grad_output)`, two
    tuples, when the gradients of the module's inputs are known. The function looks on: nothing in it is recorded for
    backward and what it returns is ignored. What it finds out may stand in `hook.stats`, a dict that begins every value
    as a list: `hook.stats["mean"].append(output.mean().item())`. In training only, unless `training_only=False`.
    """

    def __init__(self, module, function, *, backward=False, training_only=True, name=""):
        if not isinstance(module, Module):
            raise TypeError(f"Hook: expected a Module, got {type(module).__name__}")
        if not callable(function):
            raise TypeError(f"Hook: expected a function of (hook, module, input, output), got {type(function).__name__}")
        self.module, self.function, self.name = module, function, name
        self.training_only, self.stats = training_only, defaultdict(list)
        register = module.register_full_backward_hook if backward else module.register_forward_hook
        self.handle = register(self.call)

    def call(self, module, input, output):
        if self.training_only and not module.training:
            return
        with no_grad():
            self.function(self, module, input, output)

    def remove(self):
        """Let go of the module; once more does nothing."""
        self.handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()

    def __repr__(self):
        return f"Hook({self.name or type(self.module).__name__}: {', '.join(self.stats) or 'nothing yet'})"


class Hooks:
    """A `Hook` on each of the chosen modules of a model, in its order; leaves with the `with` block.

    `model`: a Module, or a list of modules that are taken as they are. `layers`: which of its parts, see `select`; None
    for its direct children. Indexed by number, slice or name: `hooks[0].stats`, `hooks["conv1"]`. The other arguments
    are those of Hook. Source of the idea: Howard, fast.ai part 2, 2019.
    """

    def __init__(self, model, function, layers=None, *, backward=False, training_only=True):
        if isinstance(model, Module):
            chosen = dict(model.named_children()) if layers is None else select(model, layers, "Hooks")
        else:
            chosen = listed(model, layers)
        if not callable(function):
            raise TypeError(f"Hooks: expected a function of (hook, module, input, output), got {type(function).__name__}")
        self.hooks = [
            Hook(module, function, backward=backward, training_only=training_only, name=name)
            for name, module in chosen.items()
        ]

    def __getitem__(self, index):
        if not isinstance(index, str):
            return self.hooks[index]
        for hook in self.hooks:
            if hook.name == index:
                return hook
        raise KeyError(f"Hooks: no hook on {index!r}, only on {', '.join(hook.name for hook in self.hooks)}")

    def __iter__(self):
        return iter(self.hooks)

    def __len__(self):
        return len(self.hooks)

    def remove(self):
        """Let go of every module."""
        for hook in self.hooks:
            hook.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()

    def __repr__(self):
        return "Hooks(" + "".join(f"\n  {hook!r}" for hook in self.hooks) + "\n)"


def listed(modules, layers):
    """{number: module} of a list of modules."""
    modules = list(modules) if isinstance(modules, (list, tuple)) else None
    if not modules or not all(isinstance(module, Module) for module in modules):
        raise TypeError("Hooks: expected a Module or a list of Modules")
    if layers is not None:
        raise TypeError("Hooks: layers= chooses among the parts of one Module; a list of modules is taken as it is")
    return {str(i): module for i, module in enumerate(modules)}


def select(model, layers, operation):
    """{name: module} of the parts of a model that are chosen, each once, in its own order.

    `layers`: a class or a tuple of them, a pattern of names (as of files: "*.conv?", "" for the model itself) or a list
    of patterns, a list of the modules themselves, or a function of a module that says whether to take it. ValueError
    where there are none.
    """
    if not isinstance(model, Module):
        raise TypeError(f"{operation}: expected a Module, got {type(model).__name__}")
    fits = chooser(layers, operation)
    chosen = {name: module for name, module in model.named_modules() if fits(name, module)}
    if not chosen:
        there = ", ".join(f"{name} {type(module).__name__}" for name, module in model.named_modules() if name)
        raise ValueError(f"{operation}: layers={layers!r} chooses none of the model's parts: {there or 'it has none'}")
    return chosen


def chooser(layers, operation):
    """What `layers` means, as a function of a module's name and the module."""
    if isinstance(layers, (str, type, Module)):
        layers = (layers,)
    if isinstance(layers, (list, tuple)):
        if layers and all(isinstance(layer, type) for layer in layers):
            return lambda name, module: isinstance(module, tuple(layers))
        if layers and all(isinstance(layer, str) for layer in layers):
            return lambda name, module: any(fnmatchcase(name, pattern) for pattern in layers)
        if layers and all(isinstance(layer, Module) for layer in layers):
            return lambda name, module: module in layers
    elif callable(layers):
        return lambda name, module: layers(module)
    raise TypeError(
        f"{operation}: layers should be a class, a pattern of names, modules, a list of one of these kinds, or a function "
        f"of a module, got {layers!r}"
    )
