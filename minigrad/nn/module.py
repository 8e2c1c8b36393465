"""`Module`: layers as objects that know their parameters, buffers and parts."""

import weakref
from collections import namedtuple
from collections.abc import Mapping, MutableMapping

from ..autograd import RemovableHandle, Version, new
from ..guard import explain
from ..tensor import Tensor, float16, float32, float64
from .hooks import BackwardHooks


class IncompatibleKeys(namedtuple("IncompatibleKeys", "missing_keys unexpected_keys")):
    """What `load_state_dict` could not match."""

    def __repr__(self):
        return super().__repr__() if any(self) else "<All keys matched successfully>"


class Parameter(Tensor):
    """A tensor that a Module registers when it becomes an attribute; shares the memory of `data`."""

    __slots__ = ()

    def __new__(cls, data=None, requires_grad=True):
        if data is not None and not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__}")
        self = new(cls)
        self.array = (Tensor() if data is None else data).array
        self.node, self.version, self.origin = None, Version(), None
        return self.requires_grad_(requires_grad)

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo):
        """A copy without the gradient, as in torch."""
        return type(self)(self.detach().clone(), self.requires_grad)


class Registry(dict):
    """Parts of a module by name, which are its attributes as well: what is written or deleted here is so there.

    It knows the module by a weak reference, so that modules are freed as soon as nobody holds them.
    """

    __slots__ = ("module",)

    def __init__(self, module, parts=()):
        super().__init__(parts)
        self.module = weakref.ref(module)

    def __setitem__(self, name, part):
        super().__setitem__(name, part)
        vars(self.module())[name] = part

    def pop(self, name, *default):
        if name in self:
            vars(self.module()).pop(name, None)
        return super().pop(name, *default)

    __delitem__, update, setdefault = pop, MutableMapping.update, MutableMapping.setdefault  # by way of the above

    def __reduce__(self):
        """Saved as a plain dict: the module that is loaded makes it a registry again."""
        return dict, (dict(self),)


REGISTRIES = "_parameters", "_buffers", "_modules"
HOOKS = "_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"


class Module:
    """A layer or a model: parameters, buffers and submodules under the names they were assigned to.

    A subclass calls `super().__init__()`, assigns its parts as attributes, and defines `forward`. The parts
    are plain attributes; `_parameters`, `_buffers` and `_modules` list those that were registered, by name.
    """

    def __init__(self):
        attributes = self.__dict__
        attributes.update(training=True, _non_persistent_buffers_set=set())
        attributes.update((name, Registry(self)) for name in REGISTRIES)
        attributes.update((name, {}) for name in HOOKS)

    def __setstate__(self, state):
        """Take the attributes that a pickle or a copy has; the registries become this module's."""
        self.__dict__.update((k, Registry(self, value) if k in REGISTRIES else value) for k, value in state.items())

    def __copy__(self):
        """A module with the same parts and hooks in registries of its own: what one is given later, the other is not."""
        own, copied = (*HOOKS, "_non_persistent_buffers_set"), object.__new__(type(self))
        copied.__setstate__({name: value.copy() if name in own else value for name, value in vars(self).items()})
        return copied

    def forward(self, *args, **kwargs):
        """What the layer computes; a subclass defines it, a call of the module runs it between the hooks."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs):
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            return self._call_with_hooks(args, kwargs)
        try:
            return self.forward(*args, **kwargs)
        except AttributeError as error:
            explain(error, type(self).__name__)
            raise

    # ------------------------------------------------------------------------------------------- registration

    def __setattr__(self, name, value):
        attributes = self.__dict__
        if "_parameters" not in attributes:
            if isinstance(value, (Parameter, Module)):
                kind = "parameters" if isinstance(value, Parameter) else "module"
                raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        elif isinstance(value, Parameter):
            self._register(self._parameters, name, value)
        elif name in self._parameters:
            self._reassign(self._parameters, name, value, (), "parameter", "nn.Parameter")
        elif isinstance(value, Module):
            self._register(self._modules, name, value)
        elif name in self._modules:
            self._reassign(self._modules, name, value, (), "child module", "nn.Module")
        elif name in self._buffers:
            self._reassign(self._buffers, name, value, Tensor, "buffer", "Tensor")
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        object.__delattr__(self, name)
        self._register(None, name, None)

    def _register(self, registry, name, value):
        """List a part in one registry (or in none) and in no other; one that was there keeps its place."""
        for other in (self._parameters, self._buffers, self._modules):
            if other is not registry:
                other.pop(name, None)
        self._non_persistent_buffers_set.discard(name)
        if registry is not None:
            registry[name] = value

    def _reassign(self, registry, name, value, accepted, role, wanted):
        """Give a registered name another value of its own kind, or None."""
        if value is not None and not isinstance(value, accepted):
            raise TypeError(f"cannot assign '{type(value).__name__}' as {role} '{name}' ({wanted} or None expected)")
        registry[name] = value

    def _add_part(self, registry, name, value, accepted, role):
        """`_register` for a name that is given as a string, with torch's checks."""
        if not isinstance(name, str):
            raise TypeError(f"{role} name should be a string. Got {type(name).__name__}")
        if hasattr(self, name) and name not in registry:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{role} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{role} name can\'t be empty string ""')
        if value is not None and not isinstance(value, accepted):
            raise TypeError(f"{name}: {type(value).__name__} is not a {accepted.__name__}: a {role} must be one, or None")
        self._register(registry, name, value)

    def register_parameter(self, name, param):
        """Register a Parameter, or None for one that this layer could have."""
        self._add_part(self._parameters, name, param, Parameter, "parameter")

    def register_buffer(self, name, tensor, persistent=True):
        """Register a tensor that is state but no parameter; in `state_dict` where `persistent`."""
        self._add_part(self._buffers, name, tensor, Tensor, "buffer")
        if not persistent:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        """Register a submodule (or None) under a name that need not be an identifier."""
        self._add_part(self._modules, name, module, Module, "module")

    register_module = add_module

    # -------------------------------------------------------------------------------------------- enumeration

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
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self):
        """(name, module) of the direct parts, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """The direct parts, each once."""
        for _, module in self.named_children():
            yield module

    def _named_tensors(self, registry, prefix, recurse, remove_duplicate):
        seen = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, tensor in getattr(module, registry).items():
                if tensor is not None and tensor not in seen:
                    if remove_duplicate:
                        seen.add(tensor)
                    yield f"{path}.{name}" if path else name, tensor

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """(name, parameter) of this module and all below it; a shared parameter once."""
        return self._named_tensors("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        """The parameters of this module and all below it, each once."""
        for _, parameter in self.named_parameters("", recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """(name, buffer) of this module and all below it; a shared buffer once."""
        return self._named_tensors("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """The buffers of this module and all below it, each once."""
        for _, buffer in self.named_buffers("", recurse):
            yield buffer

    def get_submodule(self, target):
        """The module at a dotted path such as "net.0", "" for this one; else an AttributeError."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def _get_tensor(self, target, registry, kind):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in getattr(module, registry):
            raise AttributeError(f"`{name}` is not {kind}")
        return getattr(module, name)

    def get_parameter(self, target):
        """The parameter at a dotted path; AttributeError where there is none."""
        return self._get_tensor(target, "_parameters", "an nn.Parameter")

    def get_buffer(self, target):
        """The buffer at a dotted path; AttributeError where there is none."""
        return self._get_tensor(target, "_buffers", "a buffer")

    # --------------------------------------------------------------------------------- mode, gradients, dtype

    def train(self, mode=True):
        """Training mode (or evaluation) here and below: batch norm and dropout act by it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Evaluation mode here and below."""
        return self.train(False)

    def apply(self, fn):
        """Call `fn` with every module below this one, then with this one; returns this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

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

    def _convert(self, function):
        """Give every parameter, gradient and buffer new numbers, `function` of the old; the objects stay."""
        for tensor in [*self.parameters(), *self.buffers()]:
            grad = tensor.grad
            tensor.data = function(tensor.detach())
            if grad is not None:
                tensor.grad = function(grad)
        return self

    def to(self, *args, **kwargs):
        """Every floating parameter and buffer in another dtype, or on another device; see `Tensor.to`."""

        def moved(tensor):
            result = tensor.to(*args, **kwargs)
            if not result.is_floating_point() and tensor.is_floating_point():
                raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={result.dtype}")
            return result if tensor.is_floating_point() else tensor

        return self._convert(moved)

    def type(self, dst_type):
        """Every parameter and buffer in another dtype, integers as well."""
        return self._convert(lambda tensor: tensor.to(dst_type))

    def float(self):
        return self.to(dtype=float32)

    def double(self):
        return self.to(dtype=float64)

    def half(self):
        return self.to(dtype=float16)

    def cpu(self):
        """The module itself: like a tensor's `cpu`, it stays where this process computes."""
        return self

    def cuda(self):
        return self.to(device="cuda")

    # -------------------------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args)` before every forward; what it returns, if not None, are the arguments.

        `with_kwargs`: call `hook(module, args, kwargs)`, which may return (args, kwargs). `prepend`: before
        the others.
        """
        return add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args, output)` after every forward; what it returns, if not None, is the output.

        `with_kwargs`: call `hook(module, args, kwargs, output)`. `prepend`: before the others.
        """
        return add_hook(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` before the module's backward; what it returns, if any, counts.

        `grad_output` is a tuple, one gradient for every output.
        """
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Both are tuples, None where there is no gradient; what the hook returns, if anything, replaces
        `grad_input`. Only positional Tensor arguments count as inputs, only a Tensor or the Tensors of a
        tuple as outputs.
        """
        return add_hook(self._backward_hooks, hook, prepend)

    def _call_with_hooks(self, args, kwargs):
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is not None and with_kwargs:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), got "
                        f"{changed}."
                    )
                args, kwargs = changed
            elif changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        backward = None
        if self._backward_hooks or self._backward_pre_hooks:
            backward = BackwardHooks(self, list(self._backward_hooks.values()), list(self._backward_pre_hooks.values()))
            args = backward.watch_inputs(args)
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if changed is None else changed
        return output if backward is None else backward.watch_outputs(output)

    # -------------------------------------------------------------------------------------------------- state

    def _named_state(self):
        """(name, tensor) of what `state_dict` saves, module by module: parameters, then buffers.

        After them, ("..._extra_state", module) of a module with more state than tensors.
        """
        for path, module in self.named_modules(remove_duplicate=False):
            start = f"{path}." if path else ""
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and name not in module._non_persistent_buffers_set:
                    yield start + name, tensor
            if hasattr(module, "get_extra_state") or hasattr(module, "set_extra_state"):
                yield f"{start}_extra_state", module

    def state_dict(self, *, prefix="", keep_vars=False):
        """{name: tensor} of all parameters and persistent buffers.

        The tensors share memory with the module; with `keep_vars` they are the parameters themselves. A module that
        has more to save defines `get_extra_state()` and `set_extra_state(state)`, and its name here is `_extra_state`.
        """
        state = {}
        for name, part in self._named_state():
            if isinstance(part, Module):
                state[prefix + name] = part.get_extra_state()
            else:
                state[prefix + name] = part if keep_vars else part.detach()
        return state

    def load_state_dict(self, state_dict, strict=True):
        """Copy the values of a `state_dict` into this module; nothing is changed if anything does not fit.

        Returns named (missing_keys, unexpected_keys); with `strict` either is a RuntimeError.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        own = dict(self._named_state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        for what, names in (("Missing", missing), ("Unexpected", unexpected)):
            if strict and names:
                problems.append(f"{what} key(s) in state_dict: " + ", ".join(f'"{name}"' for name in names) + ". ")
        modules = {name: own.pop(name) for name, part in list(own.items()) if isinstance(part, Module)}
        for name, tensor in own.items():
            value = state_dict.get(name, tensor)
            if not isinstance(value, Tensor):
                problems.append(f'While copying the parameter named "{name}", expected a Tensor, received {type(value)}.')
            elif value.shape != tensor.shape:
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {value.shape} from checkpoint, "
                    f"the shape in current model is {tensor.shape}."
                )
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        for name, tensor in own.items():
            if name in state_dict:
                tensor.detach().copy_(state_dict[name].detach())
        for name, module in modules.items():
            if name in state_dict:
                module.set_extra_state(state_dict[name])
        return IncompatibleKeys(missing, unexpected)

    # --------------------------------------------------------------------------------------------------- text

    def extra_repr(self):
        """What stands in the parentheses of the printed layer."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        parts = [f"({name}): {module!r}" for name, module in self._modules.items()]
        return bracketed(type(self).__name__, extra.split("\n") if extra else [], parts)


def bracketed(name, extra, parts):
    """torch's layout: `Name(extra)` on one line, or every part on lines of its own, indented by two."""
    if not parts and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return f"{name}(" + "".join("\n  " + part.replace("\n", "\n  ") for part in [*extra, *parts]) + "\n)"


def add_hook(hooks, hook, prepend):
    handle = RemovableHandle(hooks, hook)
    if prepend:
        for key in list(hooks)[:-1]:
            hooks[key] = hooks.pop(key)
    return handle
