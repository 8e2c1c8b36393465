"""Are gradients right? What backward computes, beside central differences: `torch.autograd.gradcheck`."""

from .autograd import Variable, as_tuple, grad, wrap
from .backend import asarray, xp
from .guard import warn
from .ops.operands import float64
from .random import Generator


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise where gradients are wrong."""


def gradcheck(
    func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
    check_grad_dtypes=False, fast_mode=False,
):  # fmt: skip
    """Whether the gradients of `func(*inputs)` agree with (f(x + eps) - f(x - eps)) / (2 eps).

    `inputs`: a tensor or several. Those that require grad are checked, and should be float64: differences of
    float32 numbers are mostly rounding error. `func` returns a tensor or several, of which those that require
    grad are checked; it must be deterministic, and the inputs should keep away from its kinks.

    Every entry of the Jacobian may differ by `atol + rtol * |numerical|`. `fast_mode` compares the Jacobian
    along one random direction of each input and output: a few evaluations instead of two per element.
    `nondet_tol`: by how much two runs of the same backward may differ. `check_grad_dtypes`: refuse a gradient
    of another dtype than its input. GradcheckError where something is wrong, False without `raise_exception`.
    """
    try:
        check(func, as_tuple(inputs), eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
    check_grad_dtypes=False, fast_mode=False,
):  # fmt: skip
    """`gradcheck` of the gradients themselves: of backward, as a function of `inputs` and `grad_outputs`.

    `grad_outputs`: the incoming gradients, by default random numbers between -1 and 1.
    """
    inputs = as_tuple(inputs)
    if grad_outputs is None:
        draw = Generator().uniform
        outputs = differentiable(as_tuple(func(*inputs)))
        drawn = [wrap(asarray(draw(-1, 1, y.shape, float64))) for y in outputs]
        grad_outputs = [g.to(y.dtype).requires_grad_() for g, y in zip(drawn, outputs)]
    grad_outputs = as_tuple(grad_outputs)

    def backward(*arguments):
        xs, gs = arguments[: len(inputs)], arguments[len(inputs) :]
        ys = differentiable(as_tuple(func(*xs)))
        found = grad(ys, differentiable(xs), gs, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    return gradcheck(
        backward, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode,
    )  # fmt: skip


def differentiable(values):
    """The tensors that require grad."""
    return [x for x in values if isinstance(x, Variable) and x.requires_grad]


def check(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode):
    """A GradcheckError where a gradient is wrong."""
    check_inputs(inputs)
    results, xs = as_tuple(func(*inputs)), differentiable(inputs)
    places = [i for i, y in enumerate(results) if y.requires_grad]
    ys = [results[i] for i in places]
    generator = Generator()  # the user's stream stays where it is
    u, v = ([random_direction(t, generator) if fast_mode else None for t in tensors] for tensors in (xs, ys))
    numerical = [differences(func, inputs, x, chosen, eps) for x, chosen in zip(xs, u)]
    if not ys:
        floating = [i for i, y in enumerate(results) if y.is_floating_point()]
        if any(row[i].any() for rows in numerical for row in rows for i in floating):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for i, y in enumerate(ys):
        analytical = gradients(y, xs, v[i], nondet_tol, check_grad_dtypes)
        for j, x in enumerate(xs):
            if x.numel() and y.numel():
                n = xp.stack([seen(row[places[i]], v[i]) for row in numerical[j]])
                a = xp.stack([seen(column[j], u[j]) for column in analytical], 1)
                allowed = atol * u[j].sum() * v[i].sum() if fast_mode else atol
                if not (abs(a - n) <= allowed + rtol * abs(n)).all():
                    note = "(along one random direction; all entries without fast_mode)\n" if fast_mode else ""
                    raise GradcheckError(
                        f"Jacobian mismatch for output {i} with respect to input {j},\n"
                        f"numerical:{wrap(n)}\nanalytical:{wrap(a)}\n{note}"
                    )
    for g in grad(ys, xs, [wrap(xp.zeros_like(y.array)) for y in ys], allow_unused=True):
        if g is not None and g.array.any():
            raise GradcheckError("backward not multiplied by grad_output")


def check_inputs(inputs):
    for i, x in enumerate(inputs):
        if isinstance(x, Variable) and x.requires_grad:
            if x.dtype != float64:
                warn(
                    f"Input #{i} requires gradient and is not a double precision floating point. This check "
                    "will likely fail if all the inputs are not of double precision floating point."
                )
            if x.numel() and any(stride == 0 and n > 1 for stride, n in zip(x.array.strides, x.array.shape)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0: its elements share memory and cannot be "
                    "changed one by one. Call .contiguous() on it before passing it to gradcheck."
                )
    if not differentiable(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )


# ------------------------------------------------------------------------------------------ the two Jacobians


def random_direction(tensor, generator):
    """A flat vector of length 1 for a tensor, of positive numbers so that errors do not cancel."""
    u = asarray(generator.rand(tensor.numel(), float64))
    return u / xp.sqrt(u.dot(u))


def directions(n, chosen):
    """Vectors of n elements to differentiate along: the chosen one, or every unit vector."""
    for i in range(n) if chosen is None else ():
        unit = xp.zeros(n)
        unit[i] = 1
        yield unit
    if chosen is not None:
        yield chosen


def seen(values, chosen):
    """Derivatives with respect to every element, or along a chosen direction."""
    return values if chosen is None else values.dot(chosen).reshape(1)


def differences(func, inputs, x, chosen, eps):
    """For every direction of x, the derivatives of all outputs, flat, by central differences."""

    def at(values):
        x.array[...] = values  # not another tensor: `func` may also use this one from its closure
        return [y.array.astype(float64).reshape(-1) for y in as_tuple(func(*inputs))]

    start, rows = x.array.copy(), []
    try:
        for u in directions(start.size, chosen):
            step = eps * u.reshape(start.shape)
            above, below = at(start + step), at(start - step)
            for a, b in zip(above, below):
                if a.shape != b.shape:
                    raise RuntimeError(
                        f"Expected `func` to return outputs with the same shape when inputs are perturbed by "
                        f"eps {eps}, but got {a.size} and {b.size} elements"
                    )
            rows.append([(a - b) / (2 * eps) for a, b in zip(above, below)])
    finally:
        x.array[...] = start
    return rows


def gradients(y, xs, chosen, nondet_tol, check_grad_dtypes):
    """For every direction of y, its gradients with respect to xs, flat, by backward."""
    columns = []
    for v in directions(y.numel(), chosen):
        g = wrap(v.reshape(y.shape).astype(y.dtype))
        first, again = (grad(y, xs, g, retain_graph=True, allow_unused=True) for _ in range(2))
        for x, a, b in zip(xs, first, again):
            if a is not None and check_grad_dtypes and a.dtype != x.dtype:
                raise GradcheckError(f"Gradient has dtype mismatch: {a.dtype} for an input of {x.dtype}")
            if a is not None and (abs(a.array - b.array) > nondet_tol).any():
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output "
                    "multiple times gives different values. "
                    f"The tolerance for nondeterminism was {nondet_tol}."
                )
        arrays = [xp.zeros(x.shape) if a is None else a.array for x, a in zip(xs, first)]
        columns.append([array.astype(float64).reshape(-1) for array in arrays])
    return columns
