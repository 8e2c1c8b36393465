"""Checks of gradients pass what is right and catch what is wrong, as PyTorch's do; Jacobians and Hessians."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import functional, gradcheck, gradgradcheck, primitive
from minigrad.backend import xp
from minigrad.gradcheck import GradcheckError

MODES = pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])


def leaf(*shape, dtype=mg.float64):
    return mg.randn(shape, dtype=dtype).requires_grad_()


def cubed(vjp):
    """x ** 3 with a vjp of one's own."""

    @primitive
    def cube(x):
        return x**3

    cube.vjp(vjp)
    return cube


right = cubed(lambda g, x: g * 3 * x * x)
WRONG = {
    "factor": cubed(lambda g, x: g * 2.99 * x * x),
    "sign": cubed(lambda g, x: -g * 3 * x * x),
    "one entry": cubed(lambda g, x: g * 3 * x * x * (xp.arange(x.size).reshape(x.shape) != 1)),
    "transposed": cubed(lambda g, x: g * 3 * (x * x).T.reshape(x.shape)),
    "zero": cubed(lambda g, x: g * 0.0),
    "nan": cubed(lambda g, x: g * float("nan")),
}


# -------------------------------------------------------------------------------------------- right gradients


@MODES
@pytest.mark.parametrize("function, shapes", [
    (right, [(2, 3)]), (mg.tanh, [()]), (lambda x: x, [(2,)]), (lambda x: x.T[::2], [(2, 3)]),
    (lambda a, b: a @ b, [(2, 3), (3, 2)]), (lambda a, b: (a * b, a.sum()), [(2, 3), (3,)]),
    (lambda a, b: [a.exp(), b.detach() * 2, b > 0, b.argmax()], [(3,), (3,)]),
    (lambda a, b: a * 2, [(2,), (3,)]), (lambda a: a[:0], [(3,)]), (lambda a, b: b * 2, [(0, 2), (2,)]),
    (lambda x, w, b: mg.nn.functional.linear(x, w, b).relu(), [(4, 3), (2, 3), (2,)]),
])  # fmt: skip
def test_right_gradients_pass(function, shapes, fast_mode):
    inputs = [leaf(*shape) for shape in shapes]
    before = [x.tolist() for x in inputs]
    assert gradcheck(function, inputs, fast_mode=fast_mode) is True
    assert gradgradcheck(function, inputs, fast_mode=fast_mode) is True
    assert [x.tolist() for x in inputs] == before
    assert all(x.grad is None for x in inputs)


def test_inputs_that_need_no_gradient_are_passed_on():
    target, x = mg.tensor([0, 2]), leaf(2, 3)
    assert gradcheck(mg.nn.functional.cross_entropy, (x, target))
    assert gradcheck(lambda x, exponent, name: x**exponent, (x, 3, "name"))
    assert gradgradcheck(mg.nn.functional.cross_entropy, (x, target))


def test_outputs_that_are_not_floating_may_change():
    x = leaf(3)
    assert gradcheck(lambda x: (x * 1e9).long(), x)
    assert gradcheck(lambda x: ((x * 1e9).long(), x * 2), x)


def test_parameters_may_come_through_the_closure():
    model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.Tanh(), mg.nn.Linear(4, 2)).double()
    assert gradcheck(lambda x, *parameters: model(x), (leaf(5, 3), *model.parameters()))
    broken = mg.nn.Linear(3, 2).double()
    with pytest.raises(GradcheckError):
        gradcheck(
            lambda x, *parameters: broken(x) * 2 - broken(x).detach(), (leaf(5, 3), *broken.parameters())
        )


def test_inputs_may_be_results():
    x = leaf(3)
    assert gradcheck(mg.exp, x * 2)


def test_large_inputs_in_fast_mode():
    assert gradcheck(lambda x: (x @ x).tanh(), leaf(60, 60) * 0.1, fast_mode=True)


def test_the_random_stream_stays_where_it_is():
    state = np.array(mg.get_rng_state())
    x = mg.tensor([0.5, 2.0], dtype=mg.float64, requires_grad=True)
    gradcheck(mg.exp, x, fast_mode=True), gradgradcheck(mg.exp, x)
    np.testing.assert_array_equal(np.array(mg.get_rng_state()), state)


# -------------------------------------------------------------------------------------------- wrong gradients


@MODES
@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_caught(name, fast_mode):
    x = leaf(2, 3)
    with pytest.raises(
        GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0,\nnumerical:"
    ):
        gradcheck(WRONG[name], x, fast_mode=fast_mode)
    assert gradcheck(WRONG[name], x, fast_mode=fast_mode, raise_exception=False) is False


def test_the_message_shows_both_jacobians():
    x = mg.tensor([1.0, 2.0], dtype=mg.float64, requires_grad=True)
    with pytest.raises(GradcheckError) as error:
        gradcheck(WRONG["sign"], x)
    assert str(error.value) == (
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[ 3.0000,  0.0000],\n        [ 0.0000, 12.0000]], dtype=minigrad.float64)\n"
        "analytical:tensor([[ -3.,  -0.],\n        [ -0., -12.]], dtype=minigrad.float64)\n"
    )


@MODES
def test_the_message_names_output_and_input(fast_mode):
    def function(n, a, b):
        return a > 0, a.exp(), (a * 2).detach(), a * WRONG["factor"](b)

    with pytest.raises(GradcheckError, match="for output 1 with respect to input 1"):
        gradcheck(function, (3, leaf(2), leaf(2)), fast_mode=fast_mode)


@MODES
def test_a_wrong_second_derivative_is_caught(fast_mode):
    constant = cubed(lambda g, x: g * 3 * (x.detach() if isinstance(x, mg.Tensor) else x) * x)
    x = leaf(3)
    assert gradcheck(constant, x, fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="with respect to input 0"):
        gradgradcheck(constant, x, fast_mode=fast_mode)
    assert gradgradcheck(constant, x, raise_exception=False) is False


@MODES
def test_what_is_not_differentiable_must_be_constant(fast_mode):
    x = leaf(3)
    assert gradcheck(lambda x: (x > 0, x.detach() * 0), x, fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, x, fast_mode=fast_mode)


@MODES
def test_backward_must_give_the_same_twice(fast_mode):
    noise = np.random.default_rng(0)
    shaky = cubed(lambda g, x: g * 3 * x * x * (1 + 1e-6 * noise.standard_normal()))
    with pytest.raises(
        GradcheckError, match="Backward is not reentrant.*tolerance for nondeterminism was 0.0"
    ):
        gradcheck(shaky, leaf(3), fast_mode=fast_mode)
    assert gradcheck(shaky, leaf(3), nondet_tol=1e-3, fast_mode=fast_mode)


def test_gradients_of_another_dtype():
    other = cubed(lambda g, x: (g * 3 * x * x).astype("float32"))
    assert gradcheck(other, leaf(3))
    with pytest.raises(GradcheckError, match="Gradient has dtype mismatch: float32 for an input of float64"):
        gradcheck(other, leaf(3), check_grad_dtypes=True)


def test_gradients_that_do_not_depend_on_the_incoming_one():
    ones_only = cubed(lambda g, x: g * 3 * x * x + 1e-7)
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(ones_only, leaf(3))


def test_tolerances():
    x = mg.tensor([1.0], dtype=mg.float64, requires_grad=True)
    off = cubed(lambda g, x: g * (3 * x * x + 0.1))
    assert gradcheck(off, x, atol=0.11, rtol=0) and gradcheck(off, x, rtol=0.04, atol=0)
    assert not gradcheck(off, x, atol=0.09, rtol=0, raise_exception=False)
    assert not gradcheck(off, x, atol=0, rtol=0.03, raise_exception=False)
    even = cubed(lambda g, x: g * 3 * x * x + g.sum() * 0.1)  # every entry of the Jacobian is off by 0.1
    for fast_mode in (False, True):
        assert gradcheck(even, leaf(5), atol=0.11, rtol=0, fast_mode=fast_mode)
        assert not gradcheck(even, leaf(5), atol=0.09, rtol=0, fast_mode=fast_mode, raise_exception=False)
    kink = mg.tensor([1e-3], dtype=mg.float64, requires_grad=True)
    assert gradcheck(mg.abs, kink) and not gradcheck(mg.abs, kink, eps=1e-2, raise_exception=False)


# -------------------------------------------------------------------------------------------- wrong questions


def test_float32_is_warned_of():
    with pytest.warns(
        UserWarning, match="Input #1 requires gradient and is not a double precision floating point"
    ):
        gradcheck(lambda n, x: x * 2, (1, leaf(2, dtype=mg.float32)), eps=1e-2)


def test_something_must_require_grad():
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(mg.exp, mg.ones(3))


def test_elements_must_not_share_memory():
    x = mg.ones(1, dtype=mg.float64).expand(3).detach().requires_grad_()
    with pytest.raises(RuntimeError, match="0th input has a dimension with stride 0.*contiguous"):
        gradcheck(mg.exp, x)


def test_shapes_must_not_depend_on_values():
    x = mg.tensor([0.0, 1.0], dtype=mg.float64, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="outputs with the same shape when inputs are perturbed by eps 1e-06"
    ):
        gradcheck(lambda x: x[x > 0], x)
    assert x.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["check_batched_grad", "check_forward_ad", "check_undefined_grad", "masked"])
def test_what_is_not_supported_is_not_accepted(name):
    with pytest.raises(TypeError, match=name):
        gradcheck(mg.exp, leaf(2), **{name: True})


@MODES
def test_torch_agrees_on_right_and_wrong(fast_mode):
    torch = pytest.importorskip("torch")

    def verdicts(m):
        x = m.tensor([[0.5, -1.5, 2.0]], dtype=m.float64, requires_grad=True)
        y = m.tensor([[1.0], [2.0]], dtype=m.float64, requires_grad=True)
        functions = [
            lambda x, y: (x * y).tanh(), lambda x, y: x.detach() * y, lambda x, y: x * y.detach() + y,
            lambda x, y: (x.exp(), y.round()), lambda x, y: x.detach().round(), lambda x, y: (x**2).detach(),
            lambda x, y: x * (x.detach() - 1), lambda x, y: x.abs() + y,
        ]  # fmt: skip
        options = {"raise_exception": False, "fast_mode": fast_mode}
        first = [m.autograd.gradcheck(f, (x, y), **options) for f in functions]
        return first, [m.autograd.gradgradcheck(f, (x, y), **options) for f in functions[:4]]

    assert verdicts(mg) == verdicts(torch)


# ------------------------------------------------------------------------------------- Jacobians and Hessians


def point():
    return mg.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], dtype=mg.float64)


def test_a_jacobian_has_the_shape_of_output_then_input():
    a = point()
    j = functional.jacobian(lambda x: x.sum(1).exp(), a)
    expected = np.zeros((2, 2, 3))
    expected[0, 0], expected[1, 1] = np.exp(1.5), np.exp(1.0)
    np.testing.assert_allclose(j.numpy(), expected, 1e-12)
    assert not a.requires_grad and not j.requires_grad


def test_the_jacobian_of_a_product_is_its_matrix():
    w, x = point(), mg.tensor([1.0, 2.0, 3.0], dtype=mg.float64)
    by_w, by_x = functional.jacobian(lambda w, x: w @ x, (w, x))
    np.testing.assert_array_equal(by_x.numpy(), w.numpy())
    np.testing.assert_array_equal(by_w.numpy(), np.einsum("ik,j->ikj", np.eye(2), x.numpy()))


def test_a_hessian_is_the_jacobian_of_the_gradient():
    a = point()
    h = functional.hessian(lambda x: (x**3).sum() + x[0, 0] * x[1, 2], a).numpy().reshape(6, 6)
    expected = np.diag(6 * a.numpy().ravel())
    expected[0, 5] = expected[5, 0] = 1
    np.testing.assert_allclose(h, expected, 1e-12)
    (aa, ab), (ba, bb) = functional.hessian(lambda a, b: (a * a * b).sum(), (a, a))
    assert aa.shape == ab.shape == ba.shape == bb.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(ab.numpy().reshape(6, 6), np.diag(2 * a.numpy().ravel()), 1e-12)
    np.testing.assert_array_equal(bb.numpy(), 0)


def test_products_agree_with_the_whole():
    a, rng = point(), np.random.default_rng(0)

    def function(x):
        return (x @ x.T).tanh()

    u, v = mg.tensor(rng.standard_normal((2, 3))), mg.tensor(rng.standard_normal((2, 2)))
    j = functional.jacobian(function, a).numpy()
    for product, vector, axes in (
        (functional.vjp, v, ([0, 1], [0, 1])),
        (functional.jvp, u, ([2, 3], [0, 1])),
    ):
        output, result = product(function, a, vector)
        np.testing.assert_array_equal(output.numpy(), function(a).numpy())
        np.testing.assert_allclose(result.numpy(), np.tensordot(j, vector.numpy(), axes), 1e-10)
    h = functional.hessian(lambda x: function(x).sum(), a).numpy()
    for product in (functional.vhp, functional.hvp):
        output, result = product(lambda x: function(x).sum(), a, u)
        np.testing.assert_allclose(result.numpy(), np.tensordot(h, u.numpy(), 2), 1e-10)


FUNCTIONS = {
    "jacobian": lambda f, a, b: f.jacobian(lambda x: x.softmax(1), a),
    "of several outputs": lambda f, a, b: f.jacobian(lambda x: (x.sum(), x * 2, x.detach()), a),
    "of several inputs": lambda f, a, b: f.jacobian(lambda x, y: x * y, (a, b)),
    "of several of both": lambda f, a, b: f.jacobian(lambda x, y: (x * y, y.exp()), (a, b)),
    "hessian": lambda f, a, b: f.hessian(lambda x: x.exp().sum() * x[0, 0], a),
    "hessian, several": lambda f, a, b: f.hessian(lambda x, y: (x * y.exp()).sum(), (a, b)),
    "hessian of a line": lambda f, a, b: f.hessian(lambda x, y: x.sum() + y.sum(), (a, b)),
    "vjp": lambda f, a, b: f.vjp(lambda x, y: (x * y, x.sum()), (a, b), (a, b.sum())),
    "vjp of a number": lambda f, a, b: f.vjp(lambda x: x.exp().sum(), a),
    "jvp": lambda f, a, b: f.jvp(lambda x, y: (x * y, x.sum()), (a, b), (b, a)),
    "jvp of a line": lambda f, a, b: f.jvp(lambda x: x * 2, a, b),
    "vhp": lambda f, a, b: f.vhp(lambda x, y: (x * y.exp()).sum(), (a, b), (b, a)),
    "hvp": lambda f, a, b: f.hvp(lambda x: (x**3).sum(), a, b),
}


def flat(results):
    return [y for x in results for y in flat(x)] if isinstance(results, tuple) else [results]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (
        FUNCTIONS[name](m.autograd.functional, m.tensor(point().numpy()), m.tensor(point().exp().numpy()))
        for m in (mg, torch)
    )
    shape = lambda results: tuple(map(shape, results)) if isinstance(results, tuple) else tuple(results.shape)
    assert shape(ours) == shape(theirs)
    for a, b in zip(flat(ours), flat(theirs)):
        assert a.requires_grad is b.requires_grad is False
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-10, 1e-12)


@pytest.mark.parametrize("function", [
    lambda x: functional.jacobian(lambda x: x.exp(), x, create_graph=True),
    lambda x: functional.hessian(lambda x: (x**4).sum(), x, create_graph=True),
    lambda x: functional.vjp(lambda x: x.tanh(), x, mg.ones(2).double(), create_graph=True),
    lambda x: functional.jvp(lambda x: x.tanh(), x, mg.ones(2).double(), create_graph=True),
    lambda x: functional.vhp(lambda x: x.exp().sum(), x, mg.ones(2).double(), create_graph=True),
])  # fmt: skip
def test_results_can_be_differentiated(function):
    assert gradcheck(function, leaf(2))
    assert gradgradcheck(function, leaf(2))


def test_jacobians_work_without_grad_mode():
    with mg.no_grad():
        assert functional.jacobian(lambda x: x * 2, mg.ones(2)).tolist() == [[2, 0], [0, 2]]


def test_an_output_without_elements():
    assert functional.jacobian(lambda x: x[:0], mg.ones(2, 3)).shape == (0, 3, 2, 3)


def test_errors_name_the_function():
    x = mg.ones(2, 3)
    with pytest.raises(
        RuntimeError, match=r"hessian: expected func to return .* a single element, got shape .*2, 3"
    ):
        functional.hessian(lambda x: x * 2, x)
    with pytest.raises(
        RuntimeError, match="vjp: the vector v can only be None where it goes with a single element"
    ):
        functional.vjp(lambda x: x * 2, x)
    with pytest.raises(RuntimeError, match=r"jvp: expected v of shapes .*2, 3.*, got .*3, 2"):
        functional.jvp(lambda x: x * 2, x, x.T)
    with pytest.raises(TypeError, match="jacobian: expected func to return Tensors, got float"):
        functional.jacobian(lambda x: 1.0, x)
