"""`Tensor`: torch's methods and operators, each a thin call into `ops`."""

import builtins
import copy
import math

from . import autograd, printing
from .autograd import Hooks, Leaf, RemovableHandle, Variable, Version, new, register, wrap
from .backend import COMPARABLE, NUMBERS, RAW, address, asarray, canonical, item, on_gpu, to_numpy, tolist, xp
from .device import check_device, device_of
from .device import device as Device
from .guard import guarded
from .ops import comparison as c
from .ops import (
    diagonal,
    extreme,
    gather,
    histograms,
    index,
    inplace,
    join,
    linalg,
    reduce,
    running,
    shape,
    sorting,
    special,
)
from .ops import elementwise as e
from .ops.inplace import in_place
from .ops.operands import as_dtype, dtype_of, raw_of
from .storage import storage_of

float16, float32, float64 = map(xp.dtype, ("float16", "float32", "float64"))
int8, int16, int32, int64, uint8 = map(xp.dtype, ("int8", "int16", "int32", "int64", "uint8"))
bool = xp.dtype("bool")
DTYPES = (float16, float32, float64, int8, int16, int32, int64, uint8, bool)
TYPES = dict(zip("Half Float Double Char Short Int Long Byte Bool".split(), DTYPES))  # torch's older names


class Size(tuple):
    """The shape of a tensor: a tuple with torch's `numel`, whose parts and sums are Sizes again."""

    __slots__ = ()

    def numel(self):
        return math.prod(self)

    def __getitem__(self, index):
        part = tuple.__getitem__(self, index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other):
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        return Size(other + tuple(self))

    def __repr__(self):
        return f"minigrad.Size({list(self)})"


@register
class Tensor(Variable):
    """An array of numbers of one dtype, and where it came from.

    `Tensor(2, 3)` is uninitialised memory and `Tensor([1, 2])` a copy, both of the default dtype, as in
    torch; `tensor(...)` infers.
    """

    __slots__ = ()

    def __new__(cls, *data):
        if len(data) == 1 and isinstance(data[0], Size):
            (data,) = data
        if len(data) == 1 and not isinstance(data[0], int):
            values = asarray(data[0].array if isinstance(data[0], Variable) else data[0])
            if values.dtype.kind not in "biuf":
                raise TypeError(f"Tensor: expected sizes or numbers, got {data[0]!r:.60}")
            array = values.astype(NUMBERS[float])
        else:
            sizes = shape.sizes_of(data, "Tensor") or (0,)
            if min(sizes) < 0:
                raise RuntimeError(f"Tensor: Trying to create tensor with negative dimension in size {list(sizes)}")
            array = xp.empty(sizes, NUMBERS[float])
        self = new(cls)
        self.array, self.node, self.version, self.origin = array, None, Version(), None
        return self

    # ---------------------------------------------------------------------------------------------- what it is

    @property
    def shape(self):
        return Size(self.array.shape)

    def size(self, dim=None):
        """The shape, or one of its sizes."""
        return self.shape if dim is None else self.array.shape[shape.dim_of(dim, self.array.ndim, "size")]

    def stride(self, dim=None):
        """Elements to step in memory from one index to the next, of every dimension or of one."""
        strides = tuple(n // self.array.itemsize for n in self.array.strides)
        return strides if dim is None else strides[shape.dim_of(dim, len(strides), "stride")]

    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)
    itemsize = property(lambda self: self.array.itemsize)
    is_leaf = property(lambda self: self.current_node() is None or isinstance(self.node, Leaf))
    grad_fn = property(lambda self: None if self.is_leaf else self.current_node())
    device = property(lambda self: device_of(self.array))
    is_cuda = property(lambda self: on_gpu)
    _version = property(lambda self: self.version.count)
    T = property(lambda self: shape.permute_(self, tuple(reversed(range(self.array.ndim)))))
    mT = property(lambda self: shape.mT(self))

    def dim(self):
        return self.array.ndim

    def numel(self):
        """How many elements it has."""
        return self.array.size

    nelement = numel

    def element_size(self):
        """Bytes of one element."""
        return self.array.itemsize

    def data_ptr(self):
        """The address of the first element: equal for two tensors that begin at one place of one memory."""
        return address(self.array) if self.array.size else 0

    def storage(self):
        """The memory that this tensor is a view of, as one row of elements; see `storage.TypedStorage`."""
        return storage_of(self.array)

    def untyped_storage(self):
        """The memory that this tensor is a view of, as bytes."""
        return self.storage().untyped()

    def storage_offset(self):
        """How many elements of the memory come before the first one of this tensor."""
        return (self.data_ptr() - self.storage().data_ptr()) // self.array.itemsize if self.array.size else 0

    def is_contiguous(self):
        """Whether memory holds the elements in the order of their indices."""
        return self.array.flags.c_contiguous

    def is_floating_point(self):
        return self.array.dtype.kind == "f"

    # ----------------------------------------------------------------------------------------------- autograd

    @property
    def requires_grad(self):
        return self.current_node() is not None

    @requires_grad.setter
    def requires_grad(self, value):
        if not isinstance(value, builtins.bool):
            raise RuntimeError(f"requires_grad must be a bool, got {type(value).__name__}")
        if not self.is_leaf:
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                    "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
        elif value and self.node is None:
            if self.array.dtype.kind != "f":
                raise RuntimeError(f"only Tensors of floating point dtype can require gradients, got {self.array.dtype}")
            self.node = Leaf(self.array.shape)
            self.node.grad = self.__dict__.pop("_grad", None)
        elif not value and self.node is not None:
            self.leave_graph()

    def requires_grad_(self, requires_grad=True):
        """Ask for gradients of this leaf, or no longer; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self):
        return self.__dict__.get("_grad") if self.node is None else self.node.grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Variable):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
            if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"assigned grad has data of shape {value.array.shape} and dtype {value.array.dtype}, "
                    f"expected {self.array.shape} and {self.array.dtype}"
                )
        if self.node is None:
            self._grad = value
        else:
            self.node.grad = value

    @grad.deleter
    def grad(self):
        self.grad = None

    @property
    def data(self):
        """The same memory outside of the graph; changes made through it are not noticed by backward."""
        tensor = new(Tensor)  # not `wrap`: every parameter passes here at every step of a plain training loop
        tensor.array, tensor.node, tensor.version, tensor.origin = self.array, None, Version(), None
        return tensor

    @data.setter
    def data(self, value):
        if not isinstance(value, Variable):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self.array = value.array
        if self.node is not None:
            self.node.shape = value.array.shape

    def detach(self):
        """The same memory outside of the graph; an in-place change of either is noticed by backward."""
        tensor = wrap(self.array)
        tensor.version = self.version
        return tensor

    def detach_(self):
        """Forget the history, in place."""
        if self.origin is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if isinstance(self.node, Leaf):
            self.leave_graph()
        self.node = None
        return self

    def leave_graph(self):
        """Be a leaf without a gradient to come: graphs that were made with it no longer add to its `.grad`."""
        self._grad, self.node.grad, self.node = self.node.grad, None, None

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Add the gradient of this tensor with respect to every leaf to its `.grad`; see `autograd.backward`."""
        autograd.backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)

    def hooks(self):
        node = self.current_node()
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if node.hooks is None:
            node.hooks = Hooks()
        return node.hooks

    def register_hook(self, hook):
        """Call `hook(grad)` when the gradient of this tensor is known; what it returns, if anything, replaces that."""
        return RemovableHandle(self.hooks().functions, hook)

    def retain_grad(self):
        """Keep the gradient of this non-leaf in `.grad`."""
        if self.current_node() is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            self.hooks().retain = True

    retains_grad = property(lambda self: not self.is_leaf and self.node.hooks is not None and self.node.hooks.retain)

    # ------------------------------------------------------------------------------------- to and from Python

    def item(self):
        """The one element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return item(self.array)

    def tolist(self):
        """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
        return tolist(self.array)

    def numpy(self, *, force=False):
        """The elements as a NumPy array, which shares the memory on the CPU.

        RuntimeError where the tensor requires grad, since autograd would not see what NumPy does; `force`
        detaches it.
        """
        if not force and self.current_node() is not None:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return to_numpy(self.array)

    to_numpy = numpy  # what matplotlib looks for

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if copy is False and (on_gpu or dtype is not None and array.dtype != dtype):
            got = f"{array.dtype} on {self.device}"
            raise ValueError(f"a Tensor of {got} cannot become a NumPy array without a copy")
        return array.astype(dtype or array.dtype, copy=copy is True)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return wrap(array)  # what `np.exp(tensor)` returns

    def __dlpack__(self, **options):
        if self.current_node() is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __len__(self):
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self):
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(join.unbind(self))

    def __bool__(self):
        if self.array.size != 1:
            problem = "more than one value" if self.array.size else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {problem} is ambiguous")
        return item(self.array) != 0

    def __float__(self):
        return float(self.single())

    def __int__(self):
        return int(self.single())

    def single(self):
        if self.array.size != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, got {self.shape}")
        return item(self.array)

    def __index__(self):
        if self.array.size != 1 or self.array.dtype.kind not in "biu":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(item(self.array))

    def __contains__(self, element):
        if not isinstance(element, (Variable, *NUMBERS, RAW)):
            got = type(element).__name__
            raise RuntimeError(f"in: only a Tensor or a number can be in a Tensor, got {got}")
        return (self == element).any().item()

    __repr__ = printing.text_of

    def __format__(self, spec):
        """A 0-d tensor formats as its number, a Parameter only where there is a format to follow."""
        if not self.array.ndim and (spec or type(self) is Tensor):
            return format(item(self.array), spec)
        return object.__format__(self, spec)

    def attributes(self):
        """What the user has attached to this tensor."""
        return {name: value for name, value in self.__dict__.items() if name != "_grad"}

    def __reduce__(self):
        return remade, (type(self), to_numpy(self.array), self.requires_grad, self.attributes())

    def __copy__(self):
        tensor = remade(type(self), self.array, self.requires_grad, self.attributes())
        tensor.version = self.version
        return tensor

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user support the deepcopy protocol at the moment")
        tensor = memo[id(self)] = remade(type(self), self.array.copy(), self.requires_grad, {})
        tensor.__dict__.update(copy.deepcopy(self.attributes(), memo))
        if self.grad is not None:
            tensor.grad = self.grad.__deepcopy__(memo)
        return tensor

    # ----------------------------------------------------------------------------------------- dtype and copies

    def clone(self):
        """A copy in memory of its own, with history."""
        return e.copied(self)

    def contiguous(self):
        """The tensor itself where memory is in order, else a copy that is."""
        return self if self.is_contiguous() else e.contiguous_copy(self)

    def to(self, *args, dtype=None, device=None, copy=False, non_blocking=False):
        """The tensor with another dtype: `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(other)`.

        The one device is that of the array library, so nothing moves, and `non_blocking` has nothing to wait for. On a GPU
        "cpu" is what `cpu` is: the tensor itself, ready for `numpy`.
        """
        for a in args:
            if isinstance(a, Variable):
                dtype = a.array.dtype
            elif isinstance(a, (str, Device)):
                device = a
            else:
                dtype = a
        if not (on_gpu and device is not None and Device(device).type == "cpu"):
            check_device(device, "to")
        y = self if dtype is None else as_dtype(self, dtype_of(dtype, "to"))
        return y.clone() if copy and y is self else y

    def type(self, dtype=None):
        """The tensor in another dtype, also by a name such as "minigrad.FloatTensor"; without one, that name."""
        place = "minigrad.cuda." if on_gpu else "minigrad."
        names = {f"{place}{kind}Tensor": dtype for kind, dtype in TYPES.items()}
        if dtype is None:
            return next(name for name, own in names.items() if own == self.dtype)
        if isinstance(dtype, str) and dtype not in names:
            raise ValueError(f"type: invalid type: {dtype!r}, expected one of {', '.join(names)}")
        return self.to(names.get(dtype, dtype))

    def float(self):
        return self.to(float32)

    def double(self):
        return self.to(float64)

    def half(self):
        return self.to(float16)

    def long(self):
        return self.to(int64)

    def int(self):
        return self.to(int32)

    def bool(self):
        return self.to(bool)

    def cpu(self):
        """The tensor itself: it stays where this process computes; `numpy` brings its numbers to the host."""
        return self

    def cuda(self):
        return self.to("cuda")

    def type_as(self, other):
        """The tensor in the dtype of another."""
        return as_dtype(self, raw_of(other, "type_as").dtype)

    # ---------------------------------------------------------------------------------------------- operators

    __hash__ = object.__hash__  # by identity: `==` compares elements
    __array_priority__ = 1000  # NumPy leaves `array * tensor` to the Tensor

    __add__ = __radd__ = e.add_
    __sub__, __mul__, __rmul__, __truediv__ = e.sub_, e.mul, e.mul, e.div_
    __floordiv__, __mod__, __pow__, __matmul__ = e.floor_divide, e.remainder, e.pow, linalg.matmul
    __neg__, __abs__, __invert__ = e.neg, e.abs, c.bitwise_not
    __and__ = __rand__ = c.bitwise_and
    __or__ = __ror__ = c.bitwise_or
    __xor__ = __rxor__ = c.bitwise_xor
    __lshift__, __rshift__ = c.bitwise_left_shift, c.bitwise_right_shift
    __lt__, __le__, __gt__, __ge__ = c.lt, c.le, c.gt, c.ge

    def __rsub__(self, other):
        return e.sub_(other, self)

    def __rtruediv__(self, other):
        return e.div_(other, self)

    def __rfloordiv__(self, other):
        return e.floor_divide(other, self)

    def __rmod__(self, other):
        return e.remainder(other, self)

    def __rpow__(self, other):
        return e.pow_(other, self)

    def __rmatmul__(self, other):
        return linalg.matmul(other, self)

    def __pos__(self):
        return self

    def __rlshift__(self, other):
        return c.bitwise_left_shift(other, self)

    def __rrshift__(self, other):
        return c.bitwise_right_shift(other, self)

    def __eq__(self, other):
        return c.eq(self, other) if isinstance(other, (Variable, *NUMBERS, *COMPARABLE)) else NotImplemented

    def __ne__(self, other):
        return c.ne(self, other) if isinstance(other, (Variable, *NUMBERS, *COMPARABLE)) else NotImplemented

    __getitem__, __setitem__ = index.getitem, inplace.setitem
    __iadd__, __isub__, __imul__, __itruediv__ = map(in_place, (e.add, e.sub, e.mul, e.div))
    __ifloordiv__, __imod__, __ipow__ = map(in_place, (e.floor_divide, e.remainder, e.pow))
    __iand__, __ior__, __ixor__ = map(in_place, (c.bitwise_and, c.bitwise_or, c.bitwise_xor))


def remade(cls, array, requires_grad, attributes):
    """A leaf around an array: what a tensor becomes when it is copied or comes out of a pickle."""
    tensor = new(cls)
    tensor.array, tensor.node = canonical(asarray(array)), None
    tensor.version, tensor.origin = Version(), None
    tensor.__dict__.update(attributes)
    return tensor.requires_grad_(requires_grad)


# torch's methods whose first parameter is the tensor are the functions themselves
METHODS = {
    c: "allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq equal ge gt "
    "isclose isfinite isinf isnan le logical_and logical_not logical_or logical_xor lt ne",
    e: "abs acos add addcdiv addcmul asin atan atan2 ceil clamp clamp_max clamp_min cos cosh div exp expm1 floor "
    "floor_divide fmax fmin fmod frac hypot lerp log log10 log1p log2 masked_fill maximum minimum mul nan_to_num neg "
    "pow reciprocal relu remainder round rsqrt sigmoid sign sin sinh sqrt square sub tan tanh trunc",
    special: "erf erfc",
    diagonal: "diag diag_embed diagonal trace tril triu",
    extreme: "amax amin aminmax argmax argmin max min",
    gather: "argwhere gather index_add index_copy index_fill index_select masked_select nonzero scatter scatter_add take "
    "take_along_dim",
    histograms: "bincount histc histogram",
    join: "chunk flip repeat repeat_interleave roll rot90 split tensor_split tile unbind",
    linalg: "addmm addmv baddbmm bmm dot inner matmul mm mv norm outer",
    reduce: "all any count_nonzero log_softmax logsumexp mean softmax std sum var",
    running: "cumprod cumsum prod",
    shape: "broadcast_to expand expand_as flatten movedim permute ravel reshape squeeze swapaxes t "
    "transpose unflatten unsqueeze view_as",
    sorting: "argsort median sort topk unique",
    inplace: "copy_ fill_ zero_",
}
for module, names in METHODS.items():
    for name in names.split():
        method = getattr(module, name)
        setattr(Tensor, name, guarded(method) if module in (gather, linalg) else method)  # those take more Tensors
for module in (c, e, special):
    for name in METHODS[module].split():
        if name not in "allclose equal fmax fmin isclose isfinite isinf isnan maximum minimum".split():
            setattr(Tensor, name + "_", in_place(getattr(module, name)))
for name in "index_add index_copy index_fill scatter scatter_add".split():
    setattr(Tensor, name + "_", in_place(getattr(gather, name)))
for name in ("tril", "triu"):
    setattr(Tensor, name + "_", in_place(getattr(diagonal, name)))
Tensor.view, Tensor.where = shape.view_as_shape, lambda self, condition, other: e.where(condition, self, other)
Tensor.moveaxis, Tensor.swapdims = shape.movedim, shape.swapaxes
Tensor.true_divide, Tensor.multiply, Tensor.subtract = e.div, e.mul, e.sub
