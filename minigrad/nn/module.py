"""`Module`: layers as objects that know their parameters, buffers and parts."""

from collections import namedtuple

from ..autograd import RemovableHandle, Variable, Version, new
from ..tensor import Tensor


IncompatibleKeys = namedtuple("IncompatibleKeys", "missing_keys unexpected_keys")


class Parameter(Tensor):
    """A tensor that a Module registers as its own when it is assigned as an attribute; shares the memory of `data`."""

    __slots__ = ()

    def __new__(cls, data=None, requires_grad=True):
        self = new(cls)
        self.array = (Tensor() if data is None else data).array
        self.node, self.version, self.origin = None, Version(), None
        return self.requires_grad_(requires_grad)

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class Module:
    """A layer or a model: parameters, buffers and submodules under the names they were assigned to, in that order.

    A subclass calls `super().__init__()`, assigns its parts as attributes, and defines `forward`.
    """

    training = True

    def __init__(self):
        self.__dict__.update(
            _parameters={}, _buffers={}, _modules={}, _unsaved=set(), _forward_hooks={}, _forward_pre_hooks={}
        )

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs):
        for hook in list(self._forward_pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    # ---------------------------------------------------------------------------------------------- registration

    def __setattr__(self, name, value):
        registries = self.__dict__
        if "_parameters" not in registries:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"cannot assign {name} before Module.__init__() call")
            return object.__setattr__(self, name, value)
        kind = Parameter if isinstance(value, Parameter) else Module if isinstance(value, Module) else None
        for registry, accepted, noun in (
            ("_parameters", Parameter, "parameter"), ("_modules", Module, "child module"), ("_buffers", Tensor, "buffer")
        ):  # fmt: skip
            held = registries[registry]
            if kind is accepted:
                for other in (self.__dict__, self._parameters, self._modules, self._buffers):
                    other.pop(name, None) if other is not held else None
                held[name] = value
                return
            if name in held:
                if value is not None and not isinstance(value, accepted):
                    raise TypeError(
                        f"cannot assign '{type(value).__name__}' object to {noun} '{name}' "
                        f"({accepted.__name__} or None required)"
                    )
                held[name] = value
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        for registry in ("_parameters", "_buffers", "_modules"):
            held = self.__dict__.get(registry, {})
            if name in held:
                return held[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name):
        for registry in (self._parameters, self._buffers, self._modules):
            if name in registry:
                del registry[name]
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def register_parameter(self, name, param):
        """Register a Parameter, or None for one that this layer could have."""
        self.check_name(name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{type(param).__name__}' object to parameter '{name}' (Parameter or None required)")
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Register a tensor that is state but no parameter; one that is not `persistent` is not in `state_dict`."""
        self.check_name(name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (Tensor or None required)")
        self._buffers[name] = tensor
        if not persistent:
            self._unsaved.add(name)

    def add_module(self, name, module):
        """Register a submodule under a name that need not be an identifier."""
        self.check_name(name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    register_module = add_module

    def check_name(self, name):
        if not isinstance(name, str) or "." in name or name == "":
            raise KeyError(f"names of parts are non-empty strings without '.', got {name!r}")
        registries = {**self._parameters, **self._buffers, **self._modules}
        if hasattr(self, name) and name not in registries:
            raise KeyError(f"attribute '{name}' already exists")

    # ----------------------------------------------------------------------------------------------- enumeration

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """(name, module) of this module, under `prefix`, and of all below it; each module once."""
        memo = set() if memo is None else memo
        if self not in memo:
            if remove_duplicate:
                memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self):
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self):
        """(name, module) of the direct parts."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """The direct parts."""
        for _, module in self.named_children():
            yield module

    def named_members(self, registry, prefix, recurse):
        seen = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, registry).items():
                if tensor is not None and tensor not in seen:
                    seen.add(tensor)
                    yield f"{path}.{name}" if path else name, tensor

    def named_parameters(self, prefix="", recurse=True):
        """(name, parameter) of this module and all below it; a shared parameter once."""
        return self.named_members("_parameters", prefix, recurse)

    def parameters(self, recurse=True):
        """The parameters of this module and all below it."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True):
        """(name, buffer) of this module and all below it."""
        return self.named_members("_buffers", prefix, recurse)

    def buffers(self, recurse=True):
        """The buffers of this module and all below it."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # ------------------------------------------------------------------------------------------- mode and gradients

    def train(self, mode=True):
        """Training mode (or evaluation) here and below: batch norm and dropout act by it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Ask for gradients of every parameter, or for none."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of every parameter, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach().zero_()

    def apply(self, fn):
        """Call `fn` with every module below this one, then with this one; returns this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, *args, **kwargs):
        """Every floating parameter and buffer in another dtype, or on another device; see `Tensor.to`."""
        for tensor in [*self.parameters(), *self.buffers()]:
            moved = tensor.detach().to(*args, **kwargs)
            if moved.array.dtype == tensor.array.dtype or tensor.is_floating_point():
                tensor.data = moved
            if tensor.grad is not None:
                tensor.grad = tensor.grad.to(*args, **kwargs)
        return self

    def float(self):
        return self.to("float32")

    def double(self):
        return self.to("float64")

    def cpu(self):
        return self.to("cpu")

    def cuda(self):
        return self.to("cuda")

    # ------------------------------------------------------------------------------------------------------ hooks

    def register_forward_hook(self, hook):
        """Call `hook(module, args, output)` after every forward; what it returns, if anything, replaces the output."""
        return RemovableHandle(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook):
        """Call `hook(module, args)` before every forward; what it returns, if anything, replaces the arguments."""
        return RemovableHandle(self._forward_pre_hooks, hook)

    # ------------------------------------------------------------------------------------------------------ state

    def named_state(self, prefix=""):
        """(name, tensor) of what `state_dict` saves, module by module: parameters, then buffers."""
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=False):
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and name not in module._unsaved:
                    yield f"{path}.{name}" if path else name, tensor

    def state_dict(self, *, prefix=""):
        """{name: tensor} of all parameters and persistent buffers; the tensors share memory with the module."""
        return {prefix + name: tensor.detach() for name, tensor in self.named_state()}

    def load_state_dict(self, state_dict, strict=True):
        """Copy the values of a `state_dict` into this module; nothing is changed if anything does not fit.

        Returns named (missing_keys, unexpected_keys); with `strict` either is a RuntimeError.
        """
        own = dict(self.named_state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}.")
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}.")
        for name, tensor in own.items():
            value = state_dict.get(name)
            if value is not None and not isinstance(value, Variable):
                problems.append(f"While copying {name}: expected a Tensor, got {type(value).__name__}.")
            elif value is not None and value.array.shape != tensor.array.shape:
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {value.shape} from checkpoint, the shape in "
                    f"current model is {tensor.shape}."
                )
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        for name, tensor in own.items():
            if name in state_dict:
                tensor.detach().copy_(state_dict[name].detach())
        return IncompatibleKeys(missing, unexpected)

    # ------------------------------------------------------------------------------------------------------- text

    def extra_repr(self):
        """What stands in the parentheses of the printed layer."""
        return ""

    def __repr__(self):
        lines = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}(" + "".join(f"\n  {line}" for line in [extra] * bool(extra) + lines) + "\n)"
