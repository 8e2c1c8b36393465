"""Kernels that lower images to columns and back, and pool them: what the forms without kernels compute."""

import itertools

import numpy as np
import pytest
from plainly import without_kernels

import minigrad as mg
from minigrad import kernels
from minigrad.backend import to_numpy, xp
from minigrad.nn import functional as F
from minigrad.ops import conv, pool

if not kernels.ENABLED:
    pytest.skip("kernels are in use on a GPU only, or on what stands in for one", allow_module_level=True)

CLOSE = {mg.float32: {"rtol": 2e-5, "atol": 2e-5}, mg.float64: {"rtol": 1e-10, "atol": 1e-12}}
# images, weights (of the transposed convolution: with the first two swapped), options
CONVOLUTIONS = [
    ((3, 2, 5, 7), (4, 2, 3, 3), {}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((10, 3, 9, 4), (5, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    ((2, 6, 8, 8), (6, 2, 3, 5), {"groups": 3, "padding": 2, "stride": 3}),
    ((2, 4, 6, 6), (8, 1, 1, 1), {"groups": 4, "stride": 2}),
    ((9, 2, 4, 5), (3, 2, 4, 5), {}),
    ((4, 1, 28, 28), (8, 1, 5, 5), {"stride": 2, "padding": 2}),
    ((2, 2, 3, 3), (2, 2, 3, 3), {"padding": 4, "dilation": 3}),
]
TRANSPOSED = [
    ((3, 4, 5, 3), (4, 2, 3, 3), {}),
    ((2, 4, 3, 4), (4, 3, 3, 2), {"stride": (3, 2), "padding": (1, 0), "output_padding": (2, 1)}),
    ((2, 6, 4, 4), (6, 2, 3, 3), {"groups": 3, "dilation": 2, "padding": 1}),
    ((1, 2, 3, 3), (2, 1, 1, 1), {"stride": 4}),
]
CASES = [(F.conv2d, *case) for case in CONVOLUTIONS] + [(F.conv_transpose2d, *case) for case in TRANSPOSED]


def draw(shape, dtype, transposed=False):
    values = np.random.default_rng(sum(shape)).standard_normal(shape[::-1] if transposed else shape)
    x = mg.tensor(values, dtype=dtype)
    return x.permute(*reversed(range(x.ndim))) if transposed else x


def results(function, shapes, dtype, bias, transposed=False, **options):
    """The value, and the gradients of all inputs."""
    x, w = (draw(shape, dtype, transposed).requires_grad_() for shape in shapes)
    out = shapes[1][0] if function is F.conv2d else shapes[1][1] * options.get("groups", 1)
    b = draw((out,), dtype).requires_grad_() if bias else None
    y = function(x, w, b, **options)
    y.backward(draw(tuple(y.shape), dtype, transposed))
    return [to_numpy(t.array) for t in (y.detach(), x.grad, w.grad, *([b.grad] if bias else []))]


def assert_alike(ours, plain, dtype):
    for y, expected in zip(ours, plain, strict=True):
        assert y.dtype == expected.dtype == dtype
        np.testing.assert_allclose(y, expected, **CLOSE[dtype])


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize(("function", "x", "w", "options"), CASES)
def test_convolutions_are_those_without_kernels(function, x, w, options, dtype):
    for bias, transposed in itertools.product((False, True), repeat=2):
        ours = results(function, (x, w), dtype, bias, transposed, **options)
        with without_kernels():
            plain = results(function, (x, w), dtype, bias, transposed, **options)
        assert_alike(ours, plain, dtype)


def test_images_are_lowered_in_portions(monkeypatch):
    for function, x, w, options in CASES:
        whole = results(function, (x, w), mg.float64, True, **options)
        with monkeypatch.context() as patch:
            for size in (1, 20000):
                patch.setattr(conv, "COLUMNS_BYTES", size)
                assert_alike(results(function, (x, w), mg.float64, True, **options), whole, mg.float64)


def test_nan_goes_where_a_window_meets_it():
    x = mg.zeros(1, 1, 5, 5)
    x[0, 0, 2, 3] = np.nan
    y = F.conv2d(x, mg.ones(1, 1, 2, 2))
    expected = np.zeros((4, 4), bool)
    expected[1:3, 2:4] = True
    np.testing.assert_array_equal(np.isnan(y[0, 0].numpy()), expected)


@pytest.mark.parametrize("shape", [(0, 2, 5, 5), (2, 0, 5, 5)])
def test_no_images_and_no_channels(shape):
    w = mg.ones(3, shape[1], 2, 2, requires_grad=True)
    x = mg.ones(*shape, requires_grad=True)
    y = F.conv2d(x, w, mg.ones(3))
    y.sum().backward()
    assert y.shape == (shape[0], 3, 4, 4) and (y == 1).all() and w.grad.shape == w.shape and x.grad.shape == shape


def test_lines_and_volumes():
    """Convolutions of one dimension have one row, those of three have no kernel."""
    for function, shapes in ((F.conv1d, ((3, 2, 9), (4, 2, 3))), (F.conv3d, ((2, 2, 3, 4, 5), (3, 2, 2, 2, 2)))):
        x, w = (draw(shape, mg.float64).requires_grad_() for shape in shapes)

        def both(function=function, x=x, w=w):
            x.grad = w.grad = None
            y = function(x, w, padding=1)
            (y * y).sum().backward()
            return [to_numpy(t.array) for t in (y.detach(), x.grad, w.grad)]

        ours = both()
        with without_kernels():
            assert_alike(ours, both(), mg.float64)


@pytest.mark.parametrize(("function", "x", "w", "options"), [CASES[2], CASES[3], CASES[9], CASES[10]])
def test_derivatives_of_both_orders(function, x, w, options):
    inputs = [draw((2, *x[1:]), mg.float64).requires_grad_(), draw(w, mg.float64).requires_grad_()]
    assert mg.autograd.gradcheck(lambda x, w: function(x, w, **options), inputs, fast_mode=True)
    assert mg.autograd.gradgradcheck(lambda x, w: function(x, w, **options), inputs, fast_mode=True)


# --------------------------------------------------------------------------------------------------------- pooling

POOLS = [
    ((2, 3, 6, 7), {"kernel_size": 2}),
    ((1, 1, 1, 1), {"kernel_size": 1}),
    ((3, 2, 9, 5), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1)}),
    ((4, 7, 7), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((2, 2, 20, 20), {"kernel_size": 17, "stride": 1, "padding": 8}),
]
DILATED = [
    ((2, 1, 12, 14), {"kernel_size": 5, "stride": 1, "dilation": (2, 3), "padding": 2}),
    ((2, 1, 9, 9), {"kernel_size": (3, 2), "dilation": (2, 3), "padding": 1}),
    ((2, 1, 6, 6), {"kernel_size": 2, "stride": 5, "dilation": 4, "padding": 1, "ceil_mode": True}),
]


def images_of(shape, dtype, kind):
    rng = np.random.default_rng(3)
    values = rng.standard_normal(shape)
    if kind == "ties":
        values = rng.integers(0, 2, shape) * 1.0
    if kind == "not finite":
        values = rng.choice([np.nan, np.inf, -np.inf, 1.0], shape)
    if kind == "transposed":
        return mg.tensor(values.swapaxes(-1, -2), dtype=dtype).transpose(-1, -2)
    return mg.tensor(values, dtype=dtype)


def pooled(function, x, options):
    x = x.detach().requires_grad_()
    y = function(x, **options)
    y, *rest = y if isinstance(y, tuple) else (y,)
    y.backward(mg.arange(float(y.numel()), dtype=x.dtype).reshape(*y.shape) + 1)
    return [to_numpy(t.array) for t in (y.detach(), x.grad, *rest)]


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize("kind", ["usual", "ties", "not finite", "transposed"])
@pytest.mark.parametrize(("shape", "options"), POOLS + DILATED)
def test_the_largest_of_windows_to_the_bit(shape, options, kind, dtype):
    x = images_of(shape, dtype, kind)
    ours = pooled(F.max_pool2d, x, {**options, "return_indices": True})
    with without_kernels():
        plain = pooled(F.max_pool2d, x, {**options, "return_indices": True})
        alone = F.max_pool2d(x, **options).numpy()
    for y, expected in zip(ours, plain, strict=True):
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(F.max_pool2d(x, **options).numpy(), alone)  # without a winner


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize("kind", ["usual", "transposed"])
@pytest.mark.parametrize(("shape", "options"), POOLS)
def test_means_of_windows(shape, options, kind, dtype):
    x = images_of(shape, dtype, kind)
    ours = pooled(F.avg_pool2d, x, options)
    with without_kernels():
        assert_alike(ours, pooled(F.avg_pool2d, x, options), dtype)


def test_derivatives_of_pooling_of_both_orders():
    x = images_of((1, 2, 5, 5), mg.float64, "usual").requires_grad_()
    for largest_or_mean in (F.max_pool2d, F.avg_pool2d):
        function = lambda x, pooling=largest_or_mean: pooling(x, 3, 2, 1).tanh()
        assert mg.autograd.gradcheck(function, x) and mg.autograd.gradgradcheck(function, x)


# -------------------------------------------------------------------------------------------------------- launches


def launches(call):
    if not hasattr(xp, "counting"):
        pytest.skip("CuPy does not count launches")
    with xp.counting() as during:
        result = call()
    assert not during["waits"] and not during["to device"] and not during["to host"]
    return result, during["launches"]


def test_a_convolution_is_a_kernel_a_product_and_the_bias():
    x, w, b = (draw(shape, mg.float32) for shape in ((8, 3, 12, 12), (4, 3, 3, 3), (4,)))
    geometry = conv.Geometry((2, 2), (1, 1), (1, 1), 1)
    y, count = launches(lambda: F.conv2d(x, w, b, stride=2, padding=1))
    assert count == 3
    g = y.array  # its gradients: by channels, a product, a kernel
    assert launches(lambda: conv.conv_transpose_(g, w.array, None, geometry, (12, 12)))[1] == 3
    assert launches(lambda: conv.conv_weight_(g, x.array, (3, 3), geometry))[1] == 3


def test_pooling_is_one_launch_each_way():
    x, window = draw((8, 3, 12, 12), mg.float32).array, pool.Window((3, 3), (2, 2), (1, 1), (1, 1))
    (y, winner), count = launches(lambda: pool.maxima(x, window, (6, 6), True))
    assert count == 1
    for chosen in (winner, None):
        assert launches(lambda chosen=chosen: pool.spread(y, chosen, window, (12, 12)))[1] == 1
        assert launches(lambda chosen=chosen: pool.collect(x, chosen, window, (6, 6)))[1] == 1
