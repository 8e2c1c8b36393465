"""Gradients checked against central differences, in float64: what every test of a derivative calls."""

import numpy as np

import minigrad as mg
from minigrad.autograd import wrap
from minigrad.backend import xp

STEP = 1e-4  # of the differences; their error is of the order STEP ** 4, that of rounding 1e-16 / STEP
SMALL = 24  # up to this many elements of inputs and of outputs, every entry of the Jacobian is checked


def check_gradients(function, *arrays, order=2, float32=True):
    """Assert that the derivatives of `function` at `arrays` are right, up to `order`.

    `function` takes one Tensor for every array and returns a Tensor or a sequence of them; outputs that are not
    floating (indices, masks) are left out. It must be deterministic and take as arguments, not from its closure,
    whatever floating tensors it computes with. `arrays` are anything that NumPy turns into float64; they should keep
    1e-3 away from kinks (0 for `abs`, equal values for `max`): no derivative is there to compare with. Sizes of 0 are
    welcome.

    For every order:
    - the gradient along a random direction equals the central difference of fourth order along it, and for small inputs
      so does every entry of the Jacobian (the second order also differentiates with respect to the incoming gradient);
    - `backward`, `grad` and `grad(create_graph=True)` agree, have the shape and dtype of the inputs, and change neither
      inputs nor incoming gradients;
    - an input that alone requires grad gets the same gradient as together with the others;
    - inputs in other memory orders (reversed, strided, Fortran) give the same outputs and gradients.

    With `float32`, float32 inputs must also give float32 outputs and gradients, near those of float64.
    """
    arrays = [np.array(a, np.float64) for a in arrays]
    generator = np.random.default_rng(0)
    cotangents = [generator.standard_normal(y.shape) for y in evaluate(function, arrays)]
    check_agreement(function, arrays, cotangents)
    check_memory_orders(function, arrays, cotangents)
    if float32:
        check_float32(function, arrays, cotangents)
    check_differences(function, arrays, cotangents, generator)
    if order > 1:

        def backward(*tensors):
            inputs, incoming = tensors[: len(arrays)], tensors[len(arrays) :]
            inputs = [x if x.requires_grad else x.detach().requires_grad_() for x in inputs]
            return gradients(function, inputs, incoming, create_graph=True)

        check_gradients(backward, *arrays, *cotangents, order=order - 1, float32=float32)


def floating(outputs):
    """The outputs that have a derivative, as a list."""
    outputs = [outputs] if isinstance(outputs, mg.Tensor) else outputs
    return [y for y in outputs if y.is_floating_point()]


def evaluate(function, arrays):
    """The outputs as NumPy arrays."""
    return [np.array(y.detach().numpy()) for y in floating(function(*map(mg.tensor, arrays)))]


def gradients(function, inputs, cotangents, create_graph=False, targets=None):
    """The gradients of the inputs (or `targets`), Tensors, given those of the outputs."""
    targets = inputs if targets is None else targets
    pairs = [(y, v) for y, v in zip(floating(function(*inputs)), cotangents) if y.requires_grad]
    if not pairs:  # constant, as the second derivative of something linear
        return [mg.zeros_like(x) for x in targets]
    return mg.autograd.grad(
        [y for y, _ in pairs], targets, [v for _, v in pairs], create_graph=create_graph, materialize_grads=True
    )


def leaves(arrays):
    """Tensors that require grad, of the arrays."""
    return [mg.from_numpy(a).requires_grad_() for a in arrays]


def assert_close(actual, expected, what, relative=1e-12):
    actual = [a.detach().numpy() if isinstance(a, mg.Tensor) else a for a in actual]
    for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
        scale = 1 + np.abs(b).max(initial=0)
        np.testing.assert_allclose(a, b, relative, relative * scale, err_msg=f"{what}, number {i}")


def check_agreement(function, arrays, cotangents):
    tensors, outer = leaves([a.copy() for a in arrays]), [mg.tensor(v) for v in cotangents]
    results = gradients(function, tensors, outer)
    for x, g in zip(tensors, results, strict=True):
        assert g.shape == x.shape, f"a gradient has shape {g.shape}, its input {x.shape}"
        assert g.dtype == x.dtype, f"a gradient is {g.dtype}, its input {x.dtype}"
        assert not g.requires_grad
    expected = [np.array(g.numpy()) for g in results]
    assert_close(gradients(function, tensors, outer, create_graph=True), expected, "gradient under create_graph")
    for i, g in enumerate(expected):
        alone = [mg.tensor(a) for a in arrays]
        alone[i].requires_grad_()
        assert_close(gradients(function, alone, outer, targets=[alone[i]]), [g], f"gradient of input {i} alone")
    pairs = [(y, v) for y, v in zip(floating(function(*tensors)), outer) if y.requires_grad]
    if pairs:
        mg.autograd.backward([y for y, _ in pairs], [v for _, v in pairs])
        through = [np.zeros_like(a) if x.grad is None else x.grad.numpy() for a, x in zip(arrays, tensors)]
        assert_close(through, expected, "gradient by backward")
    for before, after in zip([*arrays, *cotangents], [*tensors, *outer]):
        after = after.detach().numpy()
        np.testing.assert_array_equal(after, before, "an input or incoming gradient was changed in place")


def memory_orders(a):
    """Tensors of the same values in other strides: transposed, reversed, strided."""
    a, flipped = xp.asarray(a), (..., *[slice(None, None, -1)] * a.ndim)
    arrays = xp.array(a.T, order="C").T, xp.array(a[flipped], order="C")[flipped], xp.stack([a, a], axis=-1)[..., 0]
    return [wrap(array) for array in arrays]


def check_memory_orders(function, arrays, cotangents):
    outputs = evaluate(function, arrays)
    expected = gradients(function, leaves(arrays), [mg.from_numpy(v) for v in cotangents])
    expected = [np.array(g.numpy()) for g in expected]
    for i in range(3):
        inputs = [memory_orders(a)[i] for a in arrays]
        assert_close(floating(function(*inputs)), outputs, "output of inputs that are not contiguous")
        inputs = [x.requires_grad_() for x in inputs]
        results = gradients(function, inputs, [memory_orders(v)[i] for v in cotangents])
        assert_close(results, expected, "gradient of inputs that are not contiguous")


def check_float32(function, arrays, cotangents):
    expected = gradients(function, leaves(arrays), [mg.from_numpy(v) for v in cotangents])
    expected = [np.array(g.numpy()) for g in expected]
    inputs, outer = leaves([a.astype(np.float32) for a in arrays]), [mg.tensor(v, dtype=mg.float32) for v in cotangents]
    for y in floating(function(*inputs)):
        assert y.dtype == mg.float32, f"the output of float32 inputs is {y.dtype}"
    for create_graph in (False, True):
        results = gradients(function, inputs, outer, create_graph)
        for g in results:
            assert g.dtype == mg.float32, f"a gradient of float32 inputs is {g.dtype}"
        assert_close(results, expected, "gradient in float32", 1e-3)


def difference(function, arrays, directions):
    """The derivatives of the outputs along the directions, with an error of the order STEP ** 4."""

    def at(t):
        return evaluate(function, [a + t * d for a, d in zip(arrays, directions)])

    near = zip(at(STEP), at(-STEP))
    far = zip(at(2 * STEP), at(-2 * STEP))
    return [(8 * (a - b) - (c - d)) / (12 * STEP) for (a, b), (c, d) in zip(near, far, strict=True)]


def flat(arrays):
    return np.concatenate([np.zeros(0), *[np.ravel(a) for a in arrays]])


def check_differences(function, arrays, cotangents, generator):
    tensors = leaves(arrays)
    directions = [generator.standard_normal(a.shape) for a in arrays]
    numeric = flat(cotangents) @ flat(difference(function, arrays, directions))
    results = gradients(function, tensors, [mg.from_numpy(v) for v in cotangents])
    analytic = flat([g.numpy() for g in results]) @ flat(directions)
    scale = 1 + np.abs(flat(cotangents) * flat(evaluate(function, arrays))).sum()
    np.testing.assert_allclose(analytic, numeric, 1e-7, 1e-9 * scale, err_msg="gradient along a random direction")
    n, m = sum(a.size for a in arrays), sum(v.size for v in cotangents)
    if 0 < n <= SMALL and m <= SMALL:
        inputs, outputs = np.eye(n), np.eye(m)
        numeric = [flat(difference(function, arrays, unflat(direction, arrays))) for direction in inputs]
        analytic = [
            flat([g.numpy() for g in gradients(function, tensors, [mg.tensor(v) for v in unflat(row, cotangents)])])
            for row in outputs
        ]
        numeric = np.reshape(numeric, (n, m)).T
        analytic = np.reshape(analytic, (m, n))
        np.testing.assert_allclose(analytic, numeric, 1e-7, 1e-9 * scale, err_msg="Jacobian, a row for each output")


def unflat(vector, arrays):
    """The inverse of `flat`, in the shapes of the arrays."""
    stops = np.cumsum([a.size for a in arrays])[:-1]
    return [part.reshape(a.shape).copy() for part, a in zip(np.split(vector, stops), arrays)]
