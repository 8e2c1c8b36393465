"""nn.functional: values, dtypes, both derivatives, random draws and errors equal PyTorch's."""

import importlib
import math
import runpy
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from memory import only_on_the_cpu
from parity import assert_same, derivatives, error_of, numbers, stored_results

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.autograd import parameters_of
from minigrad.nn.functional import activation
from minigrad.ops.elementwise import relu_vjp

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_functional.py"))
CASES, ACTIVATIONS = made_by["cases"](), made_by["ACTIVATIONS"]
ROUGH = {
    "celu": 1e-7,
    "hardsigmoid": 1e-7,
}  # where torch computes a constant in float32, also for float64 tensors


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "functional.npz") as file:
        return dict(file)


def tolerance(name):
    return {"relative": ROUGH[name], "absolute": ROUGH[name]} if name in ROUGH else {}


# ------------------------------------------------------------------------------------- values and derivatives


@only_on_the_cpu
@pytest.mark.parametrize(
    "function, most",
    [(activation.gelu_vjp, 1.5), (activation.gelu_by_tanh_vjp, 1.5), (activation.gelu_.rule.forward, 1.5), (relu_vjp, 1.1)],
)
def test_activations_of_many_numbers_take_little_memory_beside_their_result(function, most):
    """In blocks they give the same to the bit as all at once; arrays in another order of memory are no exception."""
    arrays = np.random.default_rng(0).standard_normal((2, 3, 4 * activation.BLOCK + 7), np.float32)
    arrays = arrays[: len(parameters_of(function))]
    tracemalloc.start()
    try:
        result = function(*arrays)
        assert tracemalloc.get_traced_memory()[1] < most * result.nbytes
    finally:
        tracemalloc.stop()
    columns = [x.T.copy() for x in arrays]
    assert np.array_equal(result, function(*(x.T for x in columns)))


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives_are_those_stored_from_torch(name, stored):
    function, arrays = CASES[name]
    assert_same(derivatives(mg, function, arrays), stored_results(stored, name), **tolerance(name))


def test_values_and_derivatives_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name, (function, arrays) in CASES.items():
        arrays = [a * 0.9 + 0.01 for a in arrays]
        assert_same(
            derivatives(mg, function, arrays), derivatives(torch, function, arrays), **tolerance(name)
        )


def test_float32_and_float16_results_are_near_those_of_torch():
    torch = pytest.importorskip("torch")
    for dtype, relative in (("float32", 2e-5), ("float16", 0.02)):
        for name in CASES if dtype == "float32" else ACTIVATIONS:
            function, arrays = CASES[name]
            arrays = [np.clip(a, -10, 10).astype(dtype) for a in arrays]
            with warnings.catch_warnings():  # NumPy says where a float16 is too small for its digits
                warnings.simplefilter("ignore", RuntimeWarning)
                ours = derivatives(mg, function, arrays)[: 1 + len(arrays)]
            assert_same(ours, derivatives(torch, function, arrays)[: 1 + len(arrays)], relative, relative)


LARGE = {"cross_entropy large", "cross_entropy of many rows", "bce_with_logits"}  # numbers too large for differences
CUT = {
    "embedding padding",
    "embedding by frequency",
    "embedding limited",
}  # gradients that are not meant to be derivatives


@pytest.mark.parametrize("name", [name for name in CASES if name not in LARGE | CUT])
def test_derivatives_are_those_of_differences(name):
    function, arrays = CASES[name]
    arrays = (made_by["SMOOTH"],) if name in ACTIVATIONS else arrays
    check_gradients(lambda *tensors: function(mg, *tensors), *arrays, float32=name != "softmax dtype")


def test_gradients_stay_finite_where_terms_overflow():
    x = mg.tensor([-1e4, -200.0, 0.0, 200.0, 1e4], dtype=mg.float64, requires_grad=True)
    zeros = mg.zeros_like(x)
    for y in (
        F.logsigmoid(x), F.softplus(x), F.elu(x), F.selu(x), F.gelu(x), F.silu(x), F.mish(x), F.sigmoid(x),
        F.binary_cross_entropy_with_logits(x, zeros, reduction="none"), F.cross_entropy(x, mg.tensor(0)),
        F.log_softmax(x, 0),
    ):  # fmt: skip
        assert mg.isfinite(y).all()
        (gradient,) = mg.autograd.grad(y.sum(), x)
        assert mg.isfinite(gradient).all()
    p = mg.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, mg.tensor([0.25, 0.5]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [25, 50])  # the logarithms end at -100
    assert mg.isfinite(mg.autograd.grad(loss.sum(), p)[0]).all()


PIECEWISE = {
    "leaky_relu": lambda m, F, x: F.leaky_relu(x, 0.1),
    "hardtanh": lambda m, F, x: F.hardtanh(x),
    "relu6": lambda m, F, x: F.relu6(x),
    "hardsigmoid": lambda m, F, x: F.hardsigmoid(x),
    "hardswish": lambda m, F, x: F.hardswish(x),
    "threshold": lambda m, F, x: F.threshold(x, 0.5, 2.0),
    "elu": lambda m, F, x: F.elu(x),
    "celu": lambda m, F, x: F.celu(x),
    "prelu": lambda m, F, x: F.prelu(x, m.tensor([0.1])),
    "softplus": lambda m, F, x: F.softplus(x),
    "clamp": lambda m, F, x: m.clamp(x, -1, 1),
    "maximum": lambda m, F, x: m.maximum(x, m.tensor(0.5)),
    "max": lambda m, F, x: m.max(x),
    "max of windows": lambda m, F, x: F.max_pool1d(x.reshape(1, 1, -1), 2),
    "where": lambda m, F, x: m.where(x > 0, x, m.tensor(0.0)),
}


@pytest.mark.parametrize("name", PIECEWISE)
def test_a_gradient_that_is_not_finite_stays_on_its_side(name):
    torch, function = pytest.importorskip("torch"), PIECEWISE[name]
    for values in (SIDES[:-1], SIDES):
        for g in (1.0, float("inf"), float("nan")):
            gradients = []
            for m, F_ in ((mg, F), (torch, torch.nn.functional)):
                x = m.tensor(values, requires_grad=True)
                y = function(m, F_, x)
                y.backward(m.ones_like(y) * g)
                gradients.append(x.grad.numpy())
            np.testing.assert_allclose(*gradients, rtol=1e-6)


SIDES = [-7.0, -3.0, -1.4, -1.0, -0.3, 0.0, 0.5, 0.7, 1.0, 1.5, 3.0, 7.0, 6.0, float("nan")]


def test_an_infinite_gradient_ends_where_a_slope_is_0():
    x = mg.tensor([-7.0, 0.5, 7.0], requires_grad=True)
    for function, expected in (
        (F.hardtanh, [0, math.inf, 0]), (F.hardsigmoid, [0, math.inf, 0]), (F.hardswish, [0, math.inf, math.inf]),
        (F.leaky_relu, [math.inf] * 3), (F.elu, [math.inf] * 3), (mg.max, [0, 0, math.inf]),
    ):  # fmt: skip
        y = function(x)
        (gradient,) = mg.autograd.grad(y, x, mg.ones_like(y) * math.inf)
        assert gradient.tolist() == expected


@pytest.mark.parametrize("n", [1, 3000])
def test_threshold_keeps_nan(n):
    x = mg.full((n,), math.nan, requires_grad=True)
    y = F.threshold(x, 0.5, -2.0)
    y.sum().backward()
    assert y.isnan().all() and (x.grad == 1).all()


def test_softplus_of_halves_ends_at_no_range():
    x = mg.tensor([-3.0, 11.5, 15.0, 25.0, float("inf")], dtype=mg.float16, requires_grad=True)
    y = F.softplus(x)
    np.testing.assert_allclose(y.tolist(), [0.0486, 11.5, 15, 25, np.inf], rtol=1e-3)
    (gradient,) = mg.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(gradient.tolist(), [0.04743, 1, 1, 1, 1], rtol=1e-3)
    above = F.softplus(mg.tensor([0.6, 1.5]), threshold=1.0)
    np.testing.assert_allclose(above.tolist(), [np.log1p(np.exp(0.6)), 1.5], rtol=1e-6)


def test_integers_where_torch_takes_them():
    x = mg.arange(-2, 3)
    assert F.relu(x).tolist() == [0, 0, 0, 1, 2]
    assert F.hardtanh(x).tolist() == [-1, -1, 0, 1, 1]
    assert F.relu6(x).dtype == mg.int64
    assert F.softsign(x).dtype == F.tanhshrink(x).dtype == F.tanh(x).dtype == mg.float32


@pytest.mark.parametrize(
    "name", "relu leaky_relu elu selu celu silu mish hardtanh relu6 hardsigmoid hardswish".split()
)
def test_inplace_writes_over_the_input(name):
    function = getattr(F, name)
    x = mg.tensor(made_by["SMOOTH"], requires_grad=True)
    (expected,) = mg.autograd.grad(function(x).sum(), x)
    y = x * 1
    assert function(y, inplace=True) is y
    np.testing.assert_array_equal(y.detach().numpy(), function(x).detach().numpy())
    np.testing.assert_array_equal(mg.autograd.grad(y.sum(), x)[0].numpy(), expected.numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        function(x, inplace=True)


# ---------------------------------------------------------------------------------------------------- dropout


def test_dropout_draws_the_zeros_of_torch(stored):
    ours = made_by["dropped"](mg)
    for i, y in enumerate(ours):
        np.testing.assert_array_equal(y.numpy(), stored[f"dropout/{i}"], f"result {i}")
        assert y.numpy().dtype == stored[f"dropout/{i}"].dtype


def test_dropout_passes_gradients_where_it_passed_values():
    x = mg.ones(100, requires_grad=True)
    y = F.dropout(x, 0.3)
    (gradient,) = mg.autograd.grad(y.sum(), x)
    np.testing.assert_array_equal(gradient.numpy(), y.detach().numpy())
    z = mg.ones(100)
    assert F.dropout(z, 0.9, inplace=True) is z
    assert 70 < (z == 0).sum() < 100
    assert F.dropout(x, 0.5, training=False) is x


# ------------------------------------------------------------------------------------------ options at random


@st.composite
def classification(draw):
    """Logits, indices and options of cross_entropy, of any shape that it takes."""
    classes = draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["one", "rows", "more"]))
    rest = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))) if kind == "more" else ()
    shape = (classes,) if kind == "one" else (draw(st.integers(1, 4)), classes, *rest)
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    logits = generator.standard_normal(shape)
    targets = generator.integers(0, classes, () if kind == "one" else (shape[0], *rest))
    options = {
        "ignore_index": draw(st.sampled_from([-100, 0, -1])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
    }
    weight = generator.uniform(0.5, 2, classes) if draw(st.booleans()) else None
    return logits, targets, weight, options


@given(classification())
def test_cross_entropy_is_its_definition(case):
    logits, targets, weight, options = case
    smoothing, ignored = options["label_smoothing"], options["ignore_index"]
    axis = min(logits.ndim - 1, 1)
    rows = np.moveaxis(logits, axis, -1).reshape(-1, logits.shape[axis])
    w = np.ones(rows.shape[1]) if weight is None else weight
    losses, total = [], 0
    for row, target in zip(rows, targets.reshape(-1)):
        log_p = row - np.log(np.exp(row).sum())
        shares = (1 - smoothing) * (np.arange(len(row)) == target) + smoothing / len(row)
        losses.append(0 if target == ignored else -(w * shares * log_p).sum())
        total += 0 if target == ignored else w[target]
    if options["reduction"] == "mean":
        expected = sum(losses) / total if total else math.nan
    else:
        expected = sum(losses) if options["reduction"] == "sum" else np.reshape(losses, targets.shape)
    tensor = None if weight is None else mg.tensor(weight)
    ours = F.cross_entropy(mg.tensor(logits), mg.tensor(targets), tensor, **options)
    np.testing.assert_allclose(ours.numpy(), expected, 1e-10, 1e-12)


@given(classification())
def test_cross_entropy_is_that_of_torch(case):
    torch = pytest.importorskip("torch")
    logits, targets, weight, options = case

    def loss(m, x):
        tensor = None if weight is None else m.tensor(weight)
        return m.nn.functional.cross_entropy(x, m.tensor(targets), tensor, **options)

    assert_same(derivatives(mg, loss, [logits])[:2], derivatives(torch, loss, [logits])[:2])


@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 3), st.booleans())
def test_softmax_of_any_shape(shape, dim, negative):
    if dim >= max(len(shape), 1):
        dim = 0
    x = mg.tensor(np.random.default_rng(0).standard_normal(shape))
    d = dim - max(len(shape), 1) if negative else dim
    p = F.softmax(x, d)
    assert p.shape == x.shape
    np.testing.assert_allclose(F.log_softmax(x, d).numpy(), np.log(p.numpy()), 1e-10, 1e-12)
    np.testing.assert_allclose(F.softmin(-x, d).numpy(), p.numpy())
    if shape and x.numel():
        np.testing.assert_allclose(p.sum(d).numpy(), 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 4), st.booleans(), st.booleans())
def test_layer_norm_of_any_shape(shape, normalized, with_weight, with_bias):
    size = tuple(shape[-min(normalized, len(shape)) :])
    generator = np.random.default_rng(len(shape))
    x, w, b = (
        generator.standard_normal(shape),
        generator.standard_normal(size),
        generator.standard_normal(size),
    )
    axes = tuple(range(-len(size), 0))
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    expected = expected * (w if with_weight else 1) + (b if with_bias else 0)
    ours = F.layer_norm(
        mg.tensor(x), size, mg.tensor(w) if with_weight else None, mg.tensor(b) if with_bias else None
    )
    np.testing.assert_allclose(ours.numpy(), expected, 1e-9, 1e-11)


def test_layer_norm_keeps_nothing_that_its_output_shares():
    x = mg.tensor(numbers(3, 4), requires_grad=True)
    (expected,) = mg.autograd.grad((F.layer_norm(x, (4,)) * mg.tensor(numbers(3, 4, seed=1))).sum(), x)
    y = F.layer_norm(x, (4,))
    z = y * mg.tensor(numbers(3, 4, seed=1))
    y.detach().zero_()
    np.testing.assert_array_equal(mg.autograd.grad(z.sum(), x)[0].numpy(), expected.numpy())


def test_batch_norm_moves_the_running_statistics():
    x = numbers(5, 3, 2)
    for momentum in (0.1, 0.6):
        mean, var = mg.tensor([1.0, 2.0, 3.0], dtype=mg.float64), mg.tensor([0.5, 1.0, 2.0], dtype=mg.float64)
        before = mean.numpy().copy(), var.numpy().copy()
        F.batch_norm(mg.tensor(x), mean, var, training=True, momentum=momentum)
        expected = (1 - momentum) * before[0] + momentum * x.mean((0, 2))
        np.testing.assert_allclose(mean.numpy(), expected, 1e-12)
        expected = (1 - momentum) * before[1] + momentum * x.var((0, 2), ddof=1)
        np.testing.assert_allclose(var.numpy(), expected, 1e-12)
    y = F.batch_norm(mg.tensor(x), mean, var)
    expected = (x - mean.numpy()[:, None]) / np.sqrt(var.numpy()[:, None] + 1e-5)
    np.testing.assert_allclose(y.numpy(), expected, 1e-12)
    assert F.batch_norm(mg.zeros(0, 3), None, None, training=True).shape == (0, 3)


def test_max_norm_limits_only_the_picked_rows():
    w = mg.tensor(numbers(4, 3), requires_grad=True)
    before = w.detach().numpy().copy()
    F.embedding(mg.tensor([[2, 0], [2, 2]]), w, max_norm=0.5)
    after = w.detach().numpy()
    np.testing.assert_array_equal(after[[1, 3]], before[[1, 3]])
    np.testing.assert_allclose(np.linalg.norm(after[[0, 2]], axis=1), 0.5, 1e-5)


def test_targets_of_uint8_are_indices():
    x = mg.tensor(numbers(2, 3))
    assert F.nll_loss(x, mg.tensor([1, 2], dtype=mg.uint8)) == F.nll_loss(x, mg.tensor([1, 2]))


def test_a_mean_of_nothing_is_nan():
    for reduction, expected in (("mean", math.nan), ("sum", 0)):
        x = mg.tensor(numbers(3, 4))
        targets = mg.full((3,), -100)
        np.testing.assert_equal(F.cross_entropy(x, targets, reduction=reduction).item(), expected)
        np.testing.assert_equal(F.cross_entropy(x[:0], targets[:0], reduction=reduction).item(), expected)


def test_an_ignored_target_costs_nothing_even_where_a_class_is_impossible():
    x = mg.tensor([[-math.inf, 1.0, 2.0], [0.5, 1.0, 2.0]], requires_grad=True)
    loss = F.cross_entropy(x, mg.tensor([-100, 1]), reduction="sum")
    np.testing.assert_allclose(loss.item(), F.cross_entropy(x[1:].detach(), mg.tensor([1])).item(), 1e-6)
    (gradient,) = mg.autograd.grad(loss, x)
    assert gradient[0].tolist() == [0, 0, 0]


def test_logits_and_targets_of_two_dtypes():
    x, y = mg.tensor(numbers(3), dtype=mg.float32, requires_grad=True), mg.tensor(numbers(3, low=0, high=1))
    loss = F.binary_cross_entropy_with_logits(x, y)
    assert loss.dtype == mg.float64 and mg.autograd.grad(loss, x)[0].dtype == mg.float32


def test_warnings_of_torch():
    x = mg.zeros(2, 3)
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(x, mg.zeros(3))
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(x, x)
    with pytest.warns(UserWarning, match="Implicit dimension"):
        assert (F.softmax(x) == F.softmax(x, 1)).all()
    with pytest.warns(UserWarning, match="deprecated"):
        F.dropout2d(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.mse_loss(x, mg.zeros(3)), lambda x: nn.L1Loss()(x, mg.zeros(3)), lambda x: F.kl_div(x, x),
        lambda x: nn.KLDivLoss()(x, x), F.softmax, F.softmin, nn.LogSoftmax(), nn.Sequential(nn.Sequential(nn.Softmax())),
        F.dropout2d, nn.Dropout2d(), nn.InstanceNorm1d(5), nn.Sequential(nn.InstanceNorm1d(5)),
        lambda x: nn.init.kaiming_uniform_(x[:0]), lambda x: nn.init.kaiming_normal_(x[:0]),
        lambda x: nn.init.trunc_normal_(x, mean=9.0), lambda x: nn.GRU(3, 4, dropout=0.5),
        lambda x: mg.optim.SGD([x, x]), lambda x: mg.optim.Adam([x, x]),
        lambda x: mg.utils.data.DataLoader([x], pin_memory=True), lambda x: mg.utils.data.random_split([x], [0.5, 0.5]),
        lambda x: mg.autograd.gradcheck(mg.neg, x.requires_grad_(), raise_exception=False),
        lambda x, called=[]: [mg.neg(x) for x in map(mg.compile(lambda x: called.append(1) or x * 2), [x] * 4)],
    ],
)  # fmt: skip
def test_warnings_point_at_the_line_that_called_the_library(call):
    with pytest.warns(UserWarning) as caught:
        call(mg.zeros(2, 3))
    assert [warning.filename for warning in caught] == [__file__]


# ----------------------------------------------------------------------------------------------------- errors

ERRORS = {
    "relu of a number": lambda m, F: F.leaky_relu(3.0),
    "elu of integers": lambda m, F: F.elu(m.tensor([1])),
    "gelu of integers": lambda m, F: F.gelu(m.tensor([1])),
    "gelu approximate": lambda m, F: F.gelu(m.zeros(2), approximate="x"),
    "celu alpha": lambda m, F: F.celu(m.zeros(2), alpha=0.0),
    "softmax of integers": lambda m, F: F.softmax(m.tensor([1]), 0),
    "softmax dim": lambda m, F: F.softmax(m.zeros(2), 1),
    "hardtanh bounds": lambda m, F: F.hardtanh(m.zeros(2), 1.0, -1.0),
    "glu odd": lambda m, F: F.glu(m.zeros(3)),
    "glu of a scalar": lambda m, F: F.glu(m.tensor(1.0)),
    "prelu channels": lambda m, F: F.prelu(m.zeros(2, 4), m.zeros(3)),
    "prelu dtype": lambda m, F: F.prelu(m.zeros(2, 3), m.zeros(3).double()),
    "dropout p": lambda m, F: F.dropout(m.zeros(2), 1.5),
    "dropout1d dimensions": lambda m, F: F.dropout1d(m.zeros(2)),
    "cross_entropy rows": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.tensor([0, 1])),
    "cross_entropy index": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.tensor([0, 1, 4])),
    "cross_entropy negative index": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.tensor([0, -1, 1])),
    "cross_entropy int32": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.tensor([0, 1, 1], dtype=m.int32)),
    "cross_entropy float shape": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.zeros(3)),
    "cross_entropy of integers": lambda m, F: F.cross_entropy(m.zeros(3, 4).long(), m.tensor([0, 1, 1])),
    "cross_entropy ignored class": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.zeros(3, 4), ignore_index=0),
    "cross_entropy weight": lambda m, F: F.cross_entropy(m.zeros(3, 4), m.tensor([0, 1, 1]), m.zeros(3)),
    "cross_entropy weight dtype": lambda m, F: F.cross_entropy(
        m.zeros(3, 4), m.tensor([0, 1, 1]), m.zeros(4).double()
    ),
    "cross_entropy reduction": lambda m, F: F.cross_entropy(
        m.zeros(3, 4), m.tensor([0, 1, 1]), reduction="x"
    ),
    "cross_entropy smoothing": lambda m, F: F.cross_entropy(
        m.zeros(3, 4), m.tensor([0, 1, 1]), label_smoothing=2.0
    ),
    "nll_loss of a scalar": lambda m, F: F.nll_loss(m.tensor(1.0), m.tensor(0)),
    "nll_loss of one row": lambda m, F: F.nll_loss(m.zeros(4), m.tensor([0, 1])),
    "nll_loss rows": lambda m, F: F.nll_loss(m.zeros(3, 4), m.tensor([[0, 1, 2]])),
    "nll_loss further": lambda m, F: F.nll_loss(m.zeros(3, 4, 2), m.tensor([0, 1, 1])),
    "mse_loss reduction": lambda m, F: F.mse_loss(m.zeros(3), m.zeros(3), reduction="x"),
    "mse_loss of integers": lambda m, F: F.mse_loss(m.tensor([1]), m.tensor([2])),
    "smooth_l1_loss beta": lambda m, F: F.smooth_l1_loss(m.zeros(3), m.zeros(3), beta=-1.0),
    "huber_loss delta": lambda m, F: F.huber_loss(m.zeros(3), m.zeros(3), delta=0.0),
    "binary_cross_entropy range": lambda m, F: F.binary_cross_entropy(m.ones(3) * 2, m.zeros(3)),
    "binary_cross_entropy target range": lambda m, F: F.binary_cross_entropy(m.ones(3), m.ones(3) * 2),
    "binary_cross_entropy nan": lambda m, F: F.binary_cross_entropy(m.ones(3) * math.nan, m.ones(3)),
    "binary_cross_entropy shape": lambda m, F: F.binary_cross_entropy(m.ones(3, 2), m.ones(3)),
    "binary_cross_entropy dtype": lambda m, F: F.binary_cross_entropy(m.ones(3), m.ones(3).double()),
    "binary_cross_entropy of integers": lambda m, F: F.binary_cross_entropy(m.ones(3), m.tensor([1, 1, 1])),
    "bce_with_logits shape": lambda m, F: F.binary_cross_entropy_with_logits(m.ones(3, 2), m.ones(3)),
    "linear sizes": lambda m, F: F.linear(m.zeros(3, 4), m.zeros(4, 3)),
    "linear dtype": lambda m, F: F.linear(m.zeros(3, 4), m.zeros(2, 4).double()),
    "linear bias": lambda m, F: F.linear(m.zeros(3, 4), m.zeros(2, 4), m.zeros(3)),
    "linear bias dtype": lambda m, F: F.linear(m.zeros(3, 4), m.zeros(2, 4), m.zeros(2).double()),
    "linear of a scalar": lambda m, F: F.linear(m.tensor(1.0), m.zeros(2, 4)),
    "embedding index": lambda m, F: F.embedding(m.tensor([0, 3]), m.zeros(3, 2)),
    "embedding negative index": lambda m, F: F.embedding(m.tensor([-1]), m.zeros(3, 2)),
    "embedding of floats": lambda m, F: F.embedding(m.zeros(2), m.zeros(3, 2)),
    "embedding int16": lambda m, F: F.embedding(m.tensor([0], dtype=m.int16), m.zeros(3, 2)),
    "embedding weight": lambda m, F: F.embedding(m.tensor([0]), m.zeros(3)),
    "embedding padding": lambda m, F: F.embedding(m.tensor([0]), m.zeros(3, 2), padding_idx=3),
    "one_hot of floats": lambda m, F: F.one_hot(m.zeros(2)),
    "one_hot negative": lambda m, F: F.one_hot(m.tensor([0, -1])),
    "one_hot too few": lambda m, F: F.one_hot(m.tensor([0, 3]), 2),
    "one_hot none": lambda m, F: F.one_hot(m.tensor([0]), 0),
    "one_hot empty": lambda m, F: F.one_hot(m.zeros(0).long()),
    "layer_norm shape": lambda m, F: F.layer_norm(m.zeros(3, 4), (3,)),
    "layer_norm weight": lambda m, F: F.layer_norm(m.zeros(3, 4), (4,), m.zeros(3)),
    "layer_norm dtype": lambda m, F: F.layer_norm(m.zeros(3, 4), (4,), m.zeros(4).double()),
    "layer_norm of nothing": lambda m, F: F.layer_norm(m.zeros(3, 4), ()),
    "layer_norm of an int": lambda m, F: F.layer_norm(m.zeros(3, 4), 4),
    "layer_norm of integers": lambda m, F: F.layer_norm(m.zeros(3, 4).long(), (4,)),
    "batch_norm one value": lambda m, F: F.batch_norm(m.zeros(1, 4), None, None, training=True),
    "batch_norm dimensions": lambda m, F: F.batch_norm(m.zeros(3), None, None, training=True),
    "batch_norm evaluation": lambda m, F: F.batch_norm(m.zeros(3, 4), None, None),
    "batch_norm mean": lambda m, F: F.batch_norm(m.zeros(3, 4), m.zeros(3), m.zeros(3)),
    "batch_norm weight": lambda m, F: F.batch_norm(m.zeros(3, 4), m.zeros(4), m.zeros(4), m.zeros(3)),
    "batch_norm dtype": lambda m, F: F.batch_norm(m.zeros(3, 4).double(), m.zeros(4), m.zeros(4)),
    "batch_norm of integers": lambda m, F: F.batch_norm(m.zeros(3, 4).long(), m.zeros(4), m.zeros(4)),
    "cosine_similarity shapes": lambda m, F: F.cosine_similarity(m.zeros(3, 4), m.zeros(3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_torchs_types(name):
    with pytest.raises(Exception) as caught:
        ERRORS[name](mg, F)
    assert str(caught.value)
    if importlib.util.find_spec("torch"):
        import torch

        assert caught.type is error_of(ERRORS[name], torch, torch.nn.functional)
