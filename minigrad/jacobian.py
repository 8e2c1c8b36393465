"""Whole Jacobians and Hessians, and products with them: `torch.autograd.functional`.

Every function here takes `func`, a function of one tensor or several, and `inputs`, a tensor or a tuple;
results come in the structure of `inputs` and of what `func` returns. They are constants, unless
`create_graph` asks for results that can be differentiated themselves.
"""

from .autograd import Variable, as_tuple, enable_grad, grad, wrap
from .backend import xp
from .creation import ones_like, zeros_like
from .ops.join import stack
from .ops.shape import reshape


def as_given(results, like):
    """The results as a tuple where `like` is several, else the only one."""
    return tuple(results) if isinstance(like, (tuple, list)) else results[0]


def inputs_of(inputs, create_graph):
    """Tensors with the values of the inputs whose gradients can be asked for."""
    return [x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in as_tuple(inputs)]


def gradients(ys, xs, gs, create_graph):
    """The gradients of the outputs along `gs`, zeros for inputs that they do not depend on."""
    pairs = [(y, g) for y, g in zip(ys, gs) if y.requires_grad]
    if not pairs:
        return [zeros_like(x) for x in xs]
    ys, gs = zip(*pairs)
    return grad(ys, xs, gs, retain_graph=True, create_graph=create_graph, materialize_grads=True)


def vector(v, like, operation):
    """The vector of a product, checked against the tensors that it goes with; of one element by default 1."""
    if v is None:
        if len(like) > 1 or like[0].numel() != 1:
            raise RuntimeError(f"{operation}: the vector v can only be None where it goes with a single element")
        return [ones_like(like[0])]
    v = as_tuple(v)
    if [x.shape for x in v] != [x.shape for x in like]:
        raise RuntimeError(f"{operation}: expected v of shapes {[x.shape for x in like]}, got {[x.shape for x in v]}")
    return v


def constant(results, create_graph):
    return results if create_graph else [x.detach() for x in results]


@enable_grad()
def jacobian(func, inputs, create_graph=False):
    """The derivative of every output element with respect to every input element: shape (*output, *input)."""
    xs = inputs_of(inputs, create_graph)
    outputs, rows = func(*xs), []
    for y in as_tuple(outputs):
        if not isinstance(y, Variable):
            raise TypeError(f"jacobian: expected func to return Tensors, got {type(y).__name__}")
        units = (wrap(unit.reshape(y.shape)) for unit in xp.eye(y.numel(), dtype=y.dtype))
        columns = [gradients([y], xs, [unit], create_graph) for unit in units]
        parts = [stacked([c[j] for c in columns], (*y.shape, *x.shape), x) for j, x in enumerate(xs)]
        rows.append(as_given(parts, inputs))
    return as_given(rows, outputs)


def stacked(parts, shape, x):
    return reshape(stack(parts), shape) if parts else wrap(xp.zeros(shape, x.dtype))


def gradient_of(func, operation):
    """The gradient of a function of one output element, as a function."""

    def gradient(*xs):
        y = func(*xs)
        if not isinstance(y, Variable) or y.numel() != 1:
            got = f"shape {y.shape}" if isinstance(y, Variable) else type(y).__name__
            raise RuntimeError(f"{operation}: expected func to return a Tensor with a single element, got {got}")
        return tuple(gradients([y], xs, [ones_like(y)], True))

    return gradient


def hessian(func, inputs, create_graph=False):
    """The second derivatives of a function of one output element: shape (*input, *input)."""
    rows = jacobian(gradient_of(func, "hessian"), as_tuple(inputs), create_graph)
    return as_given([as_given(row, inputs) for row in rows], inputs)


@enable_grad()
def vjp(func, inputs, v=None, create_graph=False):
    """(outputs, v' J): one backward; v has the shapes of the outputs."""
    xs = inputs_of(inputs, create_graph)
    outputs = func(*xs)
    ys = as_tuple(outputs)
    products = gradients(ys, xs, vector(v, ys, "vjp"), create_graph)
    return as_given(constant(ys, create_graph), outputs), as_given(products, inputs)


@enable_grad()
def jvp(func, inputs, v=None, create_graph=False):
    """(outputs, J v): v has the shapes of the inputs.

    v' J is linear in v, and its derivative along u is J u: two backwards give a product from the other side.
    """
    xs = inputs_of(inputs, create_graph)
    outputs = func(*xs)
    ys = as_tuple(outputs)
    gs = [zeros_like(y).requires_grad_() for y in ys]
    products = gradients(gradients(ys, xs, gs, True), gs, vector(v, xs, "jvp"), create_graph)
    return as_given(constant(ys, create_graph), outputs), as_given(products, outputs)


@enable_grad()
def vhp(func, inputs, v=None, create_graph=False):
    """(output, v' H) of a function of one output element: the gradient's gradient along v."""
    output = func(*as_tuple(inputs))
    _, products = vjp(gradient_of(func, "vhp"), as_tuple(inputs), vector(v, as_tuple(inputs), "vhp"), create_graph)
    return constant([output], create_graph)[0], as_given(products, inputs)


hvp = vhp  # a Hessian is symmetric
