"""Normalisation: PyTorch's values, derivatives, states and errors; what torch has not; sums over channels."""

import copy
import itertools
import math
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from families import REFERENCE, Family
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same, derivatives, error_of, numbers

import minigrad as mg
from minigrad import datasets, nn
from minigrad.backend import asarray, on_gpu, product_total, to_numpy, total
from minigrad.nn import functional as F

MODULES = runpy.run_path(str(REFERENCE / "make_norm.py"))["MODULES"]


class TestNorm(Family):
    family = "norm"
    kinks = [*MODULES, "BatchNorm2d never trained"]  # their buffers are results without a gradient


def batch_last(x):
    """A copy with the strides of (C, *space, N)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)


# ------------------------------------------------------------------------- any shape and option, beside torch


@given(st.data())
def test_batch_and_instance_norm_are_those_of_torch(data):
    torch = pytest.importorskip("torch")
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5), "sizes")
    name = data.draw(st.sampled_from(["batch_norm", "instance_norm"]), "name")
    own = data.draw(st.booleans(), "by statistics of its own")
    has = {what: data.draw(st.booleans(), what) for what in ("weight", "bias", "running")}
    options = {"eps": data.draw(st.sampled_from([1e-5, 0.1]), "eps"), "momentum": 0.3}
    options["training" if name == "batch_norm" else "use_input_stats"] = own
    x, *vectors = numbers(*sizes), *(numbers(sizes[1], seed=seed) for seed in range(4))

    def call(m, x, weight, bias):
        mean, var = (m.tensor(v) if has["running"] else None for v in (vectors[2], vectors[3] ** 2 + 0.1))
        y = getattr(m.nn.functional, name)(
            x, mean, var, weight if has["weight"] else None, bias if has["bias"] else None, **options
        )
        return [y] if mean is None else [y, mean, var]

    arrays = [x, *vectors[:2]]
    raised = error_of(call, torch, *map(torch.tensor, arrays))
    if raised is not None:
        assert error_of(call, mg, *map(mg.tensor, arrays)) is raised
    else:
        assert_same(derivatives(mg, call, arrays), derivatives(torch, call, arrays), 1e-9, 1e-9)


@given(st.data())
def test_group_and_rms_norm_are_those_of_torch(data):
    torch = pytest.importorskip("torch")
    groups = data.draw(st.integers(1, 3), "groups")
    space = data.draw(st.lists(st.integers(1, 3), max_size=3), "space")
    shape = data.draw(st.integers(1, 3), "N"), groups * data.draw(st.integers(1, 3), "in a group"), *space
    last = data.draw(st.integers(1, len(shape) - 1), "normalised dimensions")
    options = data.draw(st.sampled_from([{}, {"eps": 0.1}]), "options")

    def group_norm(m, x, weight, bias):
        return m.nn.functional.group_norm(x, groups, weight, bias, **options)

    def rms_norm(m, x, weight):
        return m.nn.functional.rms_norm(x, shape[-last:], weight, **options)

    x, channel = numbers(*shape), numbers(shape[1], seed=1)
    for call, arrays in ((group_norm, [x, channel, channel - 1]), (rms_norm, [x, numbers(*shape[-last:])])):
        raised = error_of(call, torch, *map(torch.tensor, arrays))
        if raised is not None:
            assert error_of(call, mg, *map(mg.tensor, arrays)) is raised
        else:
            assert_same(derivatives(mg, call, arrays), derivatives(torch, call, arrays), 1e-9, 1e-9)


@pytest.mark.parametrize("name", MODULES)
def test_text_and_state_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = MODULES[name][0](nn), MODULES[name][0](torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: mg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    for ours_only in (ours.reset_parameters, getattr(ours, "reset_running_stats", list)):
        ours_only()
    for key, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[key].numpy(), value.numpy())


def test_text():
    assert repr(nn.BatchNorm2d(3, momentum=None)) == (
        "BatchNorm2d(3, eps=1e-05, momentum=None, affine=True, bias=True, track_running_stats=True)"
    )
    assert repr(nn.InstanceNorm1d(3)) == (
        "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)"
    )
    assert repr(nn.GroupNorm(3, 6)) == "GroupNorm(3, 6, eps=1e-05, affine=True, bias=True)"
    assert repr(nn.RMSNorm((3, 4), 0.1)) == "RMSNorm((3, 4), eps=0.1, elementwise_affine=True)"
    assert repr(nn.RunningBatchNorm(3)) == "RunningBatchNorm(3, eps=1e-05, momentum=0.1, affine=True)"
    assert repr(nn.GeneralReLU(0.1, maxv=6.0)) == "GeneralReLU(leak=0.1, sub=None, maxv=6.0)"


def test_wrong_number_of_channels_that_is_not_used_is_a_warning():
    with pytest.warns(UserWarning, match="InstanceNorm2d: expected num_features=3 channels, got 4"):
        y = nn.InstanceNorm2d(3)(mg.randn(2, 4, 5, 5))
    assert y.shape == (2, 4, 5, 5)
    with pytest.raises(ValueError, match="num_groups"):
        nn.GroupNorm(0, 3)


# ---------------------------------------------------------------------------------------- memory and accuracy


NORMS = {
    "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
    "batch_norm evaluation": lambda x, w, b: F.batch_norm(x, b.detach(), w.detach() ** 2, w, b),
    "instance_norm": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    "group_norm": lambda x, w, b: F.group_norm(x, 2, w, b),
    "running": lambda x, w, b: nn.RunningBatchNorm(4, dtype=mg.float64)(x) * w.reshape(4, 1, 1),
}


@pytest.mark.parametrize("name", NORMS)
def test_memory_order_changes_nothing_and_is_kept(name):
    images, incoming, scale, shift = (
        numbers(9, 4, 3, 5),
        numbers(9, 4, 3, 5, seed=1),
        numbers(4),
        numbers(4, seed=1),
    )

    def results(x, g):
        x, w, b = (mg.from_numpy(a).requires_grad_() for a in (x, scale, shift))
        y = NORMS[name](x, w, b)
        y.backward(mg.from_numpy(g))
        return [a.numpy() for a in (y.detach(), x.grad, w.grad, *(() if b.grad is None else (b.grad,)))]

    expected = results(images, incoming)
    for layout, other in ((batch_last, np.array), (np.array, batch_last), (batch_last, batch_last)):
        x = layout(images)
        found = results(x, other(incoming))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, 1e-11, 1e-12)
        if not on_gpu:  # CuPy's results are in C order
            assert found[0].strides == x.strides  # so that what follows is as fast as what came before
            assert found[1].strides == x.strides or layout is not other


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    shape=st.lists(st.integers(0, 5), min_size=2, max_size=5),
    last=st.booleans(),
    other=st.booleans(),
    seed=st.integers(0, 9),
)
def test_totals_of_channels(dtype, shape, last, other, seed):
    x, y = (numbers(*shape, seed=seed + i).astype(dtype) for i in (0, 1))
    x, y = batch_last(x) if last else x, batch_last(y) if other else y
    dims = tuple(i for i in range(len(shape)) if i != 1)
    a, b = asarray(x), asarray(y)
    for ours, expected in ((total(a, dims), x), (product_total(a, b, dims), x.astype("float64") * y)):
        assert ours.dtype == dtype
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        sums = expected.sum(dims, keepdims=True)
        np.testing.assert_allclose(np.broadcast_to(to_numpy(ours), sums.shape), sums, tolerance, 10 * tolerance)


def test_totals_of_whole_numbers():
    x = asarray(np.full((2, 3, 4, 5), 200, np.uint8))
    assert total(x, (0, 2, 3)).reshape(-1).tolist() == [8000] * 3


@pytest.mark.parametrize("layout", [np.array, batch_last])
def test_a_large_mean_costs_no_accuracy(layout):
    generator = np.random.default_rng(0)
    x = layout(generator.standard_normal((64, 3, 8, 8)) + [[[1000.0]], [[-300.0]], [[0.0]]]).astype("float32")
    exact = F.batch_norm(mg.tensor(x).double(), None, None, training=True).numpy()
    for norm in (nn.BatchNorm2d(3, momentum=1.0), nn.RunningBatchNorm(3)):
        np.testing.assert_allclose(norm(mg.tensor(x)).detach().numpy(), exact, atol=5e-4)
        np.testing.assert_allclose(norm.running_var.numpy(), x.astype("float64").var((0, 2, 3)), 5e-4)


HALVES = {  # name: a function of x, weight and bias
    "layer_norm": lambda m, x, *wb: m.nn.functional.layer_norm(x, (4,), *wb),
    "layer_norm 3-D": lambda m, x, *wb: m.nn.functional.layer_norm(x.reshape(2, 2, 4), (4,), *wb),
    "rms_norm": lambda m, x, w, b: m.nn.functional.rms_norm(x, (4,), w),
    "batch_norm": lambda m, x, *wb: m.nn.functional.batch_norm(x, None, None, *wb, True),
    "batch_norm in evaluation": lambda m, x, *wb: m.nn.functional.batch_norm(
        x, *(m.tensor(np.array(v, str(x.dtype)[-7:])) for v in ([300, 1, 2, 3], [6e4, 4e4, 2, 0.1])), *wb
    ),
    "group_norm": lambda m, x, *wb: m.nn.functional.group_norm(x, 2, *wb),
    "instance_norm": lambda m, x, *wb: m.nn.functional.instance_norm(x.reshape(1, 4, 4), None, None, *wb),
}
HALF = [[300, -300, 100, -100], [1, 2, 3, 4.5], [1e-3, 2e-3, 3e-3, 0], [4e4, 6e4, 1, 2]], [1, 2, 3, -1], [4, 3, 2, 1]


@pytest.mark.parametrize("name", HALVES)
def test_halves_are_normalised_in_float32(name):
    def results(dtype):
        tensors = [mg.tensor(np.array(values, "float16"), requires_grad=True) for values in HALF]
        y = HALVES[name](mg, *(x.to(dtype) for x in tensors)).half()
        y.backward(mg.arange(y.numel()).reshape(y.shape).half())
        return [y, *(x.grad for x in tensors if x.grad is not None)]

    halves, wide = results(mg.float16), results(mg.float32)
    assert halves[0].any() and len(halves) == len(wide)
    for a, b in zip(halves, wide):
        assert a.dtype == mg.float16
        np.testing.assert_array_equal(to_numpy(a.detach().array), to_numpy(b.detach().array))


@pytest.mark.parametrize("name", HALVES)
def test_normalised_halves_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (HALVES[name](m, *(m.tensor(np.array(v, "float16")) for v in HALF)) for m in (mg, torch))
    np.testing.assert_allclose(to_numpy(ours.array).astype(float), theirs.double().numpy(), rtol=0.005, atol=0.002)


def test_running_statistics_of_halves():
    mean, var = mg.zeros(1, dtype=mg.float16), mg.ones(1, dtype=mg.float16)
    F.batch_norm(mg.tensor([[300.0], [-100.0]], dtype=mg.float16), mean, var, training=True, momentum=0.5)
    assert (mean.item(), var.item()) == (50, 40000) and mean.dtype == var.dtype == mg.float16


def test_results_are_new_tensors():
    x = mg.zeros(0, 3, 2)
    for y in (
        F.batch_norm(x, None, None, training=True),
        F.instance_norm(x),
        F.group_norm(x, 3),
        F.rms_norm(x, (2,)),
    ):
        assert y is not x and y.array is not x.array


def test_groups_of_empty_images():
    layer = nn.GroupNorm(2, 4)
    layer(mg.zeros(2, 4, 0, 3)).sum().backward()  # torch's gradient of the weight is NaN
    assert layer.weight.grad.tolist() == layer.bias.grad.tolist() == [0, 0, 0, 0]


def test_running_statistics_may_be_views():
    """Every second number of a tensor: what lies between is left alone."""
    x, mean, var = mg.tensor(numbers(5, 3)), mg.zeros(6, dtype=mg.float64), mg.ones(6, dtype=mg.float64)
    whole = mg.zeros(3, dtype=mg.float64), mg.ones(3, dtype=mg.float64)
    expected = F.batch_norm(x, *whole, training=True)
    np.testing.assert_allclose(F.batch_norm(x, mean[::2], var[::2], training=True).numpy(), expected.numpy())
    for view, alone, between in ((mean, whole[0], 0), (var, whole[1], 1)):
        np.testing.assert_allclose(view[::2].numpy(), alone.numpy())
        assert view[1::2].tolist() == [between] * 3


# ----------------------------------------------------------------------------------------- running batch norm


class BySums:
    """Running batch norm as it is defined: sums that run along, and what they say at each batch."""

    def __init__(self, weight, bias, momentum, eps):
        self.weight, self.bias, self.momentum, self.eps = weight, bias, momentum, eps
        self.sums, self.squares, self.count, self.samples = mg.zeros(()), mg.zeros(()), 0, 0

    def __call__(self, x):
        dims, size = tuple(i for i in range(x.ndim) if i != 1), (1, -1, *(1,) * (x.ndim - 2))
        rest = (1 - self.momentum) / math.sqrt(max(len(x) - 1, 1))
        self.sums = self.sums.detach() * rest + x.sum(dims) * (1 - rest)
        self.squares = self.squares.detach() * rest + (x * x).sum(dims) * (1 - rest)
        self.count = self.count * rest + x.numel() / x.shape[1] * (1 - rest)
        self.samples += len(x)
        self.running_mean = self.sums / self.count
        self.running_var = self.squares / self.count - self.running_mean**2
        return self.normalised(x, size)

    def normalised(self, x, size):
        var = self.running_var.clamp_min(0.01) if self.samples < 20 else self.running_var
        x = (x - self.running_mean.reshape(size)) / (var + self.eps).sqrt().reshape(size)
        return x * self.weight.reshape(size) + self.bias.reshape(size)


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (3, 1, 16, 2), (32, 5)])
@pytest.mark.parametrize("space", [(), (3,), (2, 3)])
def test_running_batch_norm_is_that_of_sums(sizes, space):
    ours = nn.RunningBatchNorm(3, momentum=0.2, eps=1e-3, dtype=mg.float64)
    for parameter, seed in ((ours.weight, 1), (ours.bias, 2)):
        parameter.data.copy_(mg.tensor(numbers(3, seed=seed)))
    theirs = BySums(ours.weight, ours.bias, 0.2, 1e-3)
    for i, n in enumerate(sizes):
        x = numbers(n, 3, *space, seed=i) + i
        x[:, 0] = (x[:, 0] - i) * 0.05  # of a variance that is too small to be believed at first
        x = mg.tensor(x, requires_grad=True)
        incoming = mg.tensor(numbers(n, 3, *space, seed=9))
        for layer in (ours, theirs):
            y = layer(x)
            gradients = mg.autograd.grad(y, [x, ours.weight, ours.bias], incoming)
            results = [y.detach(), *gradients, layer.running_mean.detach(), layer.running_var.detach()]
            if layer is ours:
                expected = results
        for a, b in zip(results, expected):
            np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-9, 1e-9)
    assert ours.num_samples_tracked.item() == sum(sizes)
    expected = theirs.normalised(x, (1, -1, *(1,) * len(space)))
    np.testing.assert_allclose(ours.eval()(x).detach().numpy(), expected.detach().numpy(), 1e-9, 1e-9)


def test_first_batch_counts_alone():
    x = mg.randn(32, 3, 4, 4) * 3 + 2
    running, batch = nn.RunningBatchNorm(3)(x), nn.BatchNorm2d(3)(x)
    np.testing.assert_allclose(running.detach().numpy(), batch.detach().numpy(), 1e-5, 1e-5)


def test_running_batch_norm_gradients():
    before = mg.tensor(numbers(6, 3, 2))

    def function(x, weight, bias):
        layer = nn.RunningBatchNorm(3, dtype=mg.float64)
        layer(before.to(x.dtype)) if x.dtype == mg.float64 else layer.float()
        layer.weight.requires_grad_(False)
        size = 1, 3, 1
        return layer(x) * weight.reshape(size) + bias.reshape(size)

    check_gradients(function, numbers(3, 3, 2, seed=1), numbers(3), numbers(3, seed=1), float32=False)


def test_running_batch_norm_in_evaluation_and_on_nothing():
    layer = nn.RunningBatchNorm(3, affine=False)
    assert [*layer.parameters()] == []
    x = mg.randn(4, 3)
    np.testing.assert_allclose(layer.eval()(x).numpy(), x.numpy() / math.sqrt(1 + 1e-5), 1e-6)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    assert list(state) == ["running_mean", "running_var", "running_count", "num_samples_tracked"]
    for shape in ((0, 3), (0, 3, 4, 4), (2, 3, 0)):
        assert layer.train()(mg.zeros(*shape)).shape == shape
    layer.eval()(x)
    for name, value in layer.state_dict().items():
        assert mg.equal(value, state[name]), name
    layer.train()(x)
    twin = nn.RunningBatchNorm(3, affine=False)
    twin.load_state_dict(layer.state_dict())
    assert mg.equal(layer(x), twin(x))


@pytest.mark.parametrize(
    "x", [mg.zeros(3), mg.zeros(2, 4), mg.zeros(2, 3, dtype=mg.float64), mg.zeros(2, 3, dtype=mg.int64)]
)
def test_running_batch_norm_errors(x):
    with pytest.raises((ValueError, RuntimeError), match="RunningBatchNorm: .* (got|expected)"):
        nn.RunningBatchNorm(3)(x)


# ----------------------------------------------------------------------------------------------- general ReLU


@pytest.mark.parametrize("leak", [None, 0.0, 0.1])
@pytest.mark.parametrize("sub", [None, 0.4])
@pytest.mark.parametrize("maxv", [None, 1.0])
def test_general_relu(leak, sub, maxv):
    x = numbers(5, 7)
    expected = np.where(x > 0, x, x * (leak or 0)) - (sub or 0)
    expected = expected if maxv is None else np.minimum(expected, maxv)
    layer = nn.GeneralReLU(leak, sub, maxv)
    np.testing.assert_allclose(layer(mg.tensor(x)).numpy(), expected, 1e-12, 1e-12)
    check_gradients(layer, x)


# ---------------------------------------------------------------------------------------------------- folding


def trained(*layers):
    """A Sequential whose norms have seen batches and have parameters that matter."""
    for layer in layers:
        if isinstance(getattr(layer, "running_mean", None), mg.Tensor):
            layer.running_mean.copy_(mg.randn(layer.num_features))
            layer.running_var.copy_(mg.rand(layer.num_features) + 0.1)
            for parameter in layer.parameters():
                parameter.data.copy_(mg.randn(layer.num_features))
    return nn.Sequential(*layers)


def assert_folded(model, x, folded):
    assert not folded.training and not any(isinstance(m, nn.norm.BatchNorm) for m in folded.modules())
    expected = model.eval()(x).detach().numpy()
    result = folded(x).detach().numpy()
    np.testing.assert_allclose(result, expected, 1e-4, 1e-5 * (1 + np.abs(expected).max()))
    assert result.dtype == expected.dtype


CHAINS = {
    "rows": (
        lambda: [nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2)],
        (5, 4),
    ),
    "images": (lambda: [nn.Conv2d(2, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()], (2, 2, 7, 7)),
    "groups": (lambda: [nn.Conv2d(4, 6, 3, 1, 1, groups=2), nn.BatchNorm2d(6, affine=False)], (2, 4, 5, 5)),
    "sequences": (lambda: [nn.Conv1d(2, 3, 3, dilation=2), nn.BatchNorm1d(3, bias=False)], (2, 2, 9)),
    "running": (lambda: [nn.Conv2d(1, 3, 3), nn.RunningBatchNorm(3)], (2, 1, 5, 5)),
    "nested": (
        lambda: [nn.Sequential(nn.Sequential(nn.Linear(4, 3))), nn.Sequential(nn.BatchNorm1d(3))],
        (2, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CHAINS)
def test_fold(name, dtype):
    make, shape = CHAINS[name]
    layers = make()
    trained(*(module for layer in layers for module in layer.modules()))
    model, x = nn.Sequential(*layers).to(getattr(mg, dtype)), mg.randn(*shape, dtype=getattr(mg, dtype))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    generator_state = mg.get_rng_state()
    for inputs in ((), (x,)):
        folded = nn.fold_batchnorm(model, *inputs)
        assert model.training
        assert_folded(copy.deepcopy(model), x, folded)
        for (key, value), before in zip(model.state_dict().items(), state.values(), strict=True):
            assert mg.equal(value, before), key
    np.testing.assert_array_equal(generator_state, mg.get_rng_state())


class Net(nn.Module):
    """A model with a forward of its own, whose parts stand in another order."""

    def __init__(self, skip=False):
        super().__init__()
        self.norm2, self.norm1 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        trained(self.norm1, self.norm2)
        self.skip = skip

    def forward(self, x, factor=1):
        x = self.norm1(self.conv1(x)).relu()
        y = self.conv2(x)
        return self.norm2(y) + (y if self.skip else x) * factor, factor


def test_fold_a_model_with_a_forward_of_its_own():
    model, x = Net(), mg.randn(2, 1, 4, 4)
    folded = nn.fold_batchnorm(model, x, 2)
    assert isinstance(folded, Net) and isinstance(folded.norm1, nn.Identity)
    expected, _ = model.eval()(x, 2)
    np.testing.assert_allclose(folded(x, 2)[0].detach().numpy(), expected.detach().numpy(), 1e-4, 1e-4)
    assert not folded.conv1._forward_hooks and not model.conv1._forward_hooks
    with pytest.raises(RuntimeError, match="norm2 .BatchNorm2d.: no layer is known .* pass inputs"):
        nn.fold_batchnorm(model)
    with pytest.raises(
        RuntimeError, match="the model: expected equal results, but they differ by .* used elsewhere"
    ):
        nn.fold_batchnorm(Net(skip=True), x)


def shared():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.BatchNorm1d(3), layer)


REFUSED = {
    "after ReLU": (lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3)), (2, 4), "got ReLU"),
    "first": (lambda: nn.Sequential(nn.BatchNorm1d(3)), (2, 3), "no layer is known"),
    "alone": (lambda: nn.BatchNorm1d(3), (2, 3), "no layer is known"),
    "without statistics": (
        lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False)),
        (2, 3),
        "no running statistics",
    ),
    "shared": (shared, (2, 3), "used once, got 1 and 2 times"),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(1, 2, 3), nn.BatchNorm2d(2)),
        (2, 1, 3, 3),
        "got ConvTranspose2d",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_folded_is_an_error(name):
    make, shape, message = REFUSED[name]
    for inputs in ((), (mg.randn(*shape),)):
        with pytest.raises(RuntimeError, match=f"fold_batchnorm: .*{message}"):
            nn.fold_batchnorm(make(), *inputs)


def test_fold_refuses_another_number_of_features():
    with pytest.raises(RuntimeError, match="1 .BatchNorm1d.: expected as many features .* got 4"):
        nn.fold_batchnorm(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(4)))


def test_fold_sees_by_inputs_that_a_norm_has_other_channels_than_the_outputs_before_it():
    model, x = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)), mg.randn(50, 5, 4) * 3 + 1
    model(x)
    with pytest.raises(RuntimeError, match="expected equal results, but they differ"):
        nn.fold_batchnorm(model, x)


def test_fold_without_norms_is_a_copy():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    folded = nn.fold_batchnorm(model)
    assert folded is not model and repr(folded) == repr(model) and not folded.training


# --------------------------------------------------------------------------------------------- what it is for


@pytest.mark.slow
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.RunningBatchNorm])
def test_three_epochs(norm):
    """A convolutional net learns MNIST, its norms behind ReLU; lesson 06 has the batches of two."""
    if not (Path(os.environ.get("MINIGRAD_DATA", "")) / "mnist").is_dir():
        pytest.skip("MINIGRAD_DATA has no mnist")
    train, validation, _ = datasets.mnist(dtype="float32", normalize=True)
    layers = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise((1, 8, 16, 32, 32))):
        kernel_size = 3 if i else 5
        convolution = nn.Conv2d(inputs, outputs, kernel_size, 2, kernel_size // 2, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        layers += [convolution, nn.ReLU(), norm(outputs)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    optimizer = mg.optim.SGD(model.parameters(), 0.4)
    for _ in range(3):
        for index in mg.randperm(len(train)).split(512):
            x, y = train[index]
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    with mg.no_grad():
        right = model.eval()(validation.images).argmax(1) == validation.labels
    assert right.double().mean().item() > 0.97
