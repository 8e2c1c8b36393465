"""Normalisation: PyTorch's values, derivatives, states and errors; what torch has not; sums over channels."""

import copy
import math
import runpy

import numpy as np
import pytest
from families import REFERENCE, Family
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same, derivatives, error_of, numbers

import minigrad as mg
from minigrad import nn
from minigrad.backend import product_total, total
from minigrad.nn import functional as F

MODULES = runpy.run_path(str(REFERENCE / "make_norm.py"))["MODULES"]


class TestNorm(Family):
    family = "norm"
    kinks = [*MODULES, "BatchNorm2d never trained"]  # their buffers are results without a gradient


def batch_last(x):
    """A copy with the strides of (C, *space, N)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)


# ----------------------------------------------------------------------------- any shape and option, beside torch


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


# ------------------------------------------------------------------------------------------- memory and accuracy


@pytest.mark.parametrize("norm", ["batch_norm", "group_norm", "instance_norm"])
@pytest.mark.parametrize("layout", [np.array, batch_last, lambda x: x[::-1, :, ::-1]])
def test_memory_order_changes_nothing_and_is_kept(norm, layout):
    images, incoming = numbers(9, 4, 3, 5), numbers(9, 4, 3, 5, seed=1)
    scale, shift = numbers(4), numbers(4, seed=1)

    def gradients(x, g):
        x, w, b = mg.from_numpy(x).requires_grad_(), *(mg.tensor(v, requires_grad=True) for v in (scale, shift))
        function = {
            "batch_norm": lambda: F.batch_norm(x, None, None, w, b, True),
            "group_norm": lambda: F.group_norm(x, 2, w, b),
            "instance_norm": lambda: F.instance_norm(x, weight=w, bias=b),
        }[norm]
        y = function()
        y.backward(mg.from_numpy(g))
        return y.detach().numpy(), x.grad.numpy(), w.grad.numpy(), b.grad.numpy()

    expected = gradients(images, incoming)
    for x, g in ((layout(images), incoming), (images, layout(incoming)), (layout(images), layout(incoming))):
        if layout is not np.array and layout is not batch_last:
            x, g = (np.ascontiguousarray(a)[::-1, :, ::-1] if a.strides[0] < 0 else a for a in (x, g))
        results = gradients(x, g)
        if x is images or layout in (np.array, batch_last):
            for a, b in zip(results, expected):
                np.testing.assert_allclose(a, b, 1e-11, 1e-12)
        assert results[0].flags.c_contiguous == x.flags.c_contiguous  # what follows is as fast as what came before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    shape=st.lists(st.integers(0, 5), min_size=2, max_size=5), last=st.booleans(), other=st.booleans(), seed=st.integers(0, 9)
)
def test_totals_of_channels(dtype, shape, last, other, seed):
    x, y = (numbers(*shape, seed=seed + i).astype(dtype) for i in (0, 1))
    x, y = batch_last(x) if last else x, batch_last(y) if other else y
    dims = tuple(i for i in range(len(shape)) if i != 1)
    for ours, expected in ((total(x, dims), x), (product_total(x, y, dims), x.astype("float64") * y)):
        assert ours.dtype == dtype
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(ours, expected.sum(dims, keepdims=True), tolerance, 10 * tolerance)


def test_totals_of_whole_numbers():
    x = np.full((2, 3, 4, 5), 200, np.uint8)
    assert total(x, (0, 2, 3)).reshape(-1).tolist() == [8000] * 3


@pytest.mark.parametrize("layout", [np.array, batch_last])
def test_a_large_mean_costs_no_accuracy(layout):
    generator = np.random.default_rng(0)
    x = layout(generator.standard_normal((64, 3, 8, 8)) + [[[1000.0]], [[-300.0]], [[0.0]]]).astype("float32")
    exact = F.batch_norm(mg.tensor(x).double(), None, None, training=True).numpy()
    for norm in (nn.BatchNorm2d(3), nn.RunningBatchNorm(3)):
        np.testing.assert_allclose(norm(mg.tensor(x)).detach().numpy(), exact, atol=2e-3)
        np.testing.assert_allclose(norm.running_var.numpy(), [1, 1, 1], atol=0.05)


# ------------------------------------------------------------------------------------------- running batch norm


def by_sums(batches, weight, bias, momentum, eps):
    """Running batch norm as it is defined: sums that run along, and what they say of each batch."""
    sums = squares = count = samples = 0
    for x in batches:
        dims = tuple(i for i in range(x.ndim) if i != 1)
        m = 1 - (1 - momentum) / math.sqrt(max(len(x) - 1, 1))
        if samples:
            sums, squares = sums.detach(), squares.detach()
        sums = (1 - m) * sums + m * x.sum(dims, keepdim=True)
        squares = (1 - m) * squares + m * (x * x).sum(dims, keepdim=True)
        count = (1 - m) * count + m * (x.numel() / x.shape[1])
        samples += len(x)
        mean = sums / count
        var = squares / count - mean * mean
        var = var.clamp_min(0.01) if samples < 20 else var
        size = mean.shape
        yield (x - mean) / (var + eps).sqrt() * weight.reshape(size) + bias.reshape(size), mean, var


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (1, 3, 16, 2), (32, 5)])
@pytest.mark.parametrize("space", [(), (3,), (2, 3)])
def test_running_batch_norm_is_that_of_sums(sizes, space):
    if space == () and sizes[0] == 1:
        sizes = sizes[1:]
    layer = nn.RunningBatchNorm(3, momentum=0.2, eps=1e-3, dtype=mg.float64)
    layer.weight.data.copy_(mg.tensor(numbers(3)))
    layer.bias.data.copy_(mg.tensor(numbers(3, seed=1)))
    arrays = [numbers(n, 3, *space, seed=i) * 0.1 * (i + 1) + i for i, n in enumerate(sizes)]
    for ours, theirs in zip(arrays, by_sums([mg.tensor(a, requires_grad=True) for a in arrays], layer.weight, layer.bias, 0.2, 1e-3)):
        x = mg.tensor(ours, requires_grad=True)
        y, (expected, mean, var) = layer(x), theirs
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), 1e-9, 1e-9)
        incoming = mg.tensor(numbers(*y.shape, seed=5))
        np.testing.assert_allclose(layer.running_mean.numpy(), mean.detach().numpy().reshape(-1), 1e-12)
        g, *parameters = mg.autograd.grad(y, [x, layer.weight, layer.bias], incoming)
        assert g.shape == x.shape and len(parameters) == 2
    assert layer.num_samples_tracked.item() == sum(sizes)
    x = mg.tensor(arrays[0])
    size = (1, 3, *(1,) * len(space))
    expected = (x - mean.reshape(size)) / (var.reshape(size) + 1e-3).sqrt()
    expected = expected * layer.weight.reshape(size) + layer.bias.reshape(size)
    np.testing.assert_allclose(layer.eval()(x).detach().numpy(), expected.detach().numpy(), 1e-9, 1e-9)
