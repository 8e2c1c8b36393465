"""Changing values in place, with their history: `x += y`, `x[i] = y`, `x.zero_()`, through views as well."""

from ..autograd import Leaf, Variable, changed, mode, primitive, relying, tick, wrap
from ..backend import NUMBERS, Array, constant, on_gpu, root_of, xp
from .elementwise import add, div, mul, sub, zeros_of
from .index import index_tensors, parse, put, slice_
from .operands import CATEGORY, as_dtype, fitting, operand, sum_to


@primitive(undo_broadcast=sum_to)
def overwrite(x, value):
    return xp.broadcast_to(value, x.shape)


overwrite.vjps(x=lambda g: zeros_of(g), value=lambda g: g)


@primitive
def written(base, value, path):
    """The base of a view into which `value` has just been written; `path` leads from the base to the view."""
    return base


@primitive
def erased(g, path):
    positions = follow(xp.arange(g.size).reshape(g.shape), path)  # for a copy of g need not have the same views
    flat = xp.array(g, order="C").reshape(-1)
    flat[positions.reshape(-1)] = 0
    return flat.reshape(g.shape)


def follow(x, path):
    for view_, options in path:
        x = view_(x, *options)
    return x


written.vjps(base=lambda g, path: erased(g, path), value=lambda g, path: follow(g, path))
erased.vjp(lambda g, path: erased(g, path))


def store(tensor, result, same_everywhere=False):
    """Let `tensor` hold the value of `result`, in place and with its history; every view of its memory follows."""
    array, value = tensor.array, result.array
    if value.shape != array.shape:
        raise RuntimeError(f"output with shape {array.shape} doesn't match the broadcast shape {value.shape}")
    if CATEGORY[value.dtype.kind] > CATEGORY[array.dtype.kind]:
        raise RuntimeError(f"result type {value.dtype} can't be cast to the desired output type {array.dtype}")
    base, path = tensor, []
    while base.origin is not None:
        base, view, options, _ = base.origin
        path.append((view, options))
    tracked = mode.enabled and (base.node is not None or result.node is not None)
    if tracked and isinstance(base.node, Leaf):
        what = "a leaf Variable" if base is tensor else "a view of a leaf Variable"
        raise RuntimeError(f"{what} that requires grad is being used in an in-place operation.")
    if not same_everywhere:
        refuse_overlap(array)
    result = as_dtype(result, array.dtype)
    value = result.array
    if on_gpu and root_of(value) is root_of(array):  # which CuPy would copy block by block, over what it is yet to read
        value = value.copy()
    array[...] = value
    changed(tensor)
    if tracked:
        base.come_from(result.node if base is tensor else written(base, result, tuple(reversed(path))).node)
        base.version.rewired = tick()
    return tensor


def refuse_overlap(array):
    """An expanded tensor has several elements in one place: writing to one would change the others."""
    if array.size and any(stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


UFUNCS = {add: xp.add, sub: xp.subtract, mul: xp.multiply, div: xp.divide}


def in_place(operation):
    """The method that changes its tensor to `operation(tensor, ...)`."""
    ufunc = UFUNCS.get(operation)

    def method(self, *args, **kwargs):
        if ufunc is not None and self.origin is None and (self.node is None or not mode.enabled) and len(args) == 1:
            a, b = self.array, args[0]
            if isinstance(b, Variable):
                b = b.array if b.node is None and b.origin is None or not mode.enabled else None
            elif b.__class__ in NUMBERS and a.dtype.kind == "f":
                b = constant(b, a.dtype)
            same = b.__class__ is Array and b.dtype is a.dtype and (b.shape == a.shape or b.ndim == 0)
            if same and a.dtype.kind == "f" and not kwargs:
                ufunc(a, b, a)  # what an optimiser does at every step: nothing to record, no result to copy
                changed(self)
                return self
        before = self
        if mode.enabled and any(isinstance(x, Variable) and x.requires_grad for x in (self, *args, *kwargs.values())):
            before = wrap(self.array.copy(), self.current_node())  # the operation may keep it for backward
        return store(self, operation(before, *args, **kwargs))

    method.__name__ = method.__qualname__ = operation.__name__ + "_"
    method.__doc__ = f"`{operation.__name__}`, in place."
    return method


def copy_(self, src):
    """Copy the values of `src`, broadcast and cast, into this tensor."""
    src = as_dtype(operand(src, "copy_"), self.array.dtype)
    if not fits(src.shape, self.array.shape):
        raise RuntimeError(f"copy_: shape {tuple(src.shape)} does not broadcast to {self.array.shape}")
    return store(self, overwrite(self, src))


def fill_(self, value):
    """Set every element to `value`, a number or a 0-d tensor."""
    value = as_dtype(fitting(operand(value, "fill_"), self.array.dtype, "fill_"), self.array.dtype)
    if value.ndim:
        raise RuntimeError(f"fill_ only supports a 0-dimension value tensor but got shape {tuple(value.shape)}")
    return store(self, overwrite(self, value), same_everywhere=True)


def zero_(self):
    """Set every element to zero."""
    return fill_(self, 0)


def setitem(self, index, value):
    """`self[index] = value`: a number, or a Tensor that broadcasts to the selected shape."""
    value = operand(value, "setitem")
    if isinstance(value, Array):
        raise TypeError("setitem(): expected a Tensor or a number, got an array; make it a tensor first")
    value = as_dtype(fitting(value, self.array.dtype, "setitem"), self.array.dtype)
    basic, advanced = parse(index, self.array.shape)
    target = self if basic is None else slice_(self, basic)
    shape = target.array.shape if advanced is None else target.array[advanced].shape
    if isinstance(value, Variable):
        while value.array.ndim > len(shape) and value.array.shape[0] == 1:
            value = value[0]  # torch lets leading dimensions of size 1 go
        if not fits(value.array.shape, shape):
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.array.shape)} cannot be broadcast to indexing "
                f"result of shape {list(shape)}"
            )
    if advanced is None:
        store(target, overwrite(target, value))
    else:
        store(target, relying(put(target, value, advanced), *index_tensors(index)))


def fits(shape, size):
    """Whether `shape` broadcasts to `size`."""
    return len(shape) <= len(size) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(size)))
