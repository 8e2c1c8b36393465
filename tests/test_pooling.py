"""Pooling, padding and resampling: PyTorch's values, indices, both derivatives, text and errors."""

import runpy

import numpy as np
import pytest
from families import REFERENCE, Family
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity import assert_same, derivatives, numbers

import minigrad as mg
from minigrad.nn import functional as F

LAYERS = runpy.run_path(str(REFERENCE / "make_pooling.py"))["LAYERS"]


class TestPooling(Family):
    family = "pooling"


@pytest.mark.parametrize("name", LAYERS)
def test_text(name):
    make, text = LAYERS[name]
    assert repr(make(mg.nn)) == text


@pytest.mark.parametrize("name", LAYERS)
def test_text_is_that_of_torch(name):
    torch = pytest.importorskip("torch")
    make, text = LAYERS[name]
    assert repr(make(torch.nn)) == text


# ------------------------------------------------------------------------------------------------ any options


@st.composite
def poolings(draw):
    """(images, options) of max_pool2d with at least one place for the window in which it meets the image."""
    small = st.integers(1, 3)
    kernel, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    space = [draw(st.integers(d * (k - 1) + 1, d * (k - 1) + 6)) for k, d in zip(kernel, dilation)]
    x = numbers(draw(st.sampled_from([1, 2, 18])), 2, *space, seed=draw(st.integers(0, 5)))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    return x, options, dilation


@settings(max_examples=40)
@given(poolings(), st.booleans())
def test_any_maximum_is_that_of_torch(pooling, ties):
    torch = pytest.importorskip("torch")
    x, options, dilation = pooling
    x = np.round(x) if ties else x

    def function(m, x):
        return m.nn.functional.max_pool2d(x, dilation=dilation, return_indices=True, **options)

    assert_same(
        derivatives(mg, lambda m, x: function(m, x)[0], [x]),
        derivatives(torch, lambda m, x: function(m, x)[0], [x]),
    )
    np.testing.assert_array_equal(
        function(mg, mg.tensor(x))[1].numpy(), function(torch, torch.tensor(x))[1].numpy()
    )


@settings(max_examples=40)
@given(poolings(), st.booleans(), st.sampled_from([None, 3, -2]))
def test_any_mean_is_that_of_torch(pooling, count_include_pad, divisor_override):
    torch = pytest.importorskip("torch")
    x, options, _ = pooling
    options = options | {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    case = (lambda m, x: m.nn.functional.avg_pool2d(x, **options)), [x]
    assert_same(derivatives(mg, *case), derivatives(torch, *case))


@settings(max_examples=40)
@given(st.tuples(*[st.integers(1, 7)] * 4), st.sampled_from(["avg", "max"]), st.sampled_from([2, 17]))
def test_any_even_parts_are_those_of_torch(sizes, kind, n):
    torch = pytest.importorskip("torch")
    x = numbers(n, 2, *sizes[:2])
    case = (lambda m, x: getattr(m.nn.functional, f"adaptive_{kind}_pool2d")(x, sizes[2:])), [x]
    assert_same(derivatives(mg, *case), derivatives(torch, *case))


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(1, 7)] * 4), st.sampled_from(["nearest", "bilinear"]), st.sampled_from([None, True, False]),
    st.booleans(), st.sampled_from([2, 17]),
)  # fmt: skip
def test_any_size_is_that_of_torch(sizes, mode, align_corners, as_factor, n):
    torch = pytest.importorskip("torch")
    options = {"mode": mode, "align_corners": align_corners if mode == "bilinear" else None}
    if as_factor:
        options["scale_factor"] = tuple((m + 0.3) / n for n, m in zip(sizes, sizes[2:]))
    else:
        options["size"] = sizes[2:]
    x = numbers(n, 2, *sizes[:2])
    case = (lambda m, x: m.nn.functional.interpolate(x, **options)), [x]
    assert_same(derivatives(mg, *case), derivatives(torch, *case))


@given(st.integers(1, 3), st.integers(1, 9), st.floats(0.5, 3.5).map(lambda factor: round(factor, 1)))
def test_any_factor_of_the_nearest_is_that_of_torch(dims, n, factor):
    torch = pytest.importorskip("torch")
    assume(int(n * factor))
    x, factors = numbers(2, 1, *(2,) * (dims - 1), n), (1.0,) * (dims - 1) + (factor,)
    ours, theirs = (m.nn.functional.interpolate(m.tensor(x), scale_factor=factors) for m in (mg, torch))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())  # torch's gradients are at times not those of its values


def test_a_factor_counts_where_the_size_stays_or_doubles_but_for_images():
    def enlarged(factor, dims):
        x = mg.tensor([0.0, 1.0]).reshape(*(1,) * (dims + 1), 2)
        return F.interpolate(x, scale_factor=(1.0,) * (dims - 1) + (factor,)).flatten().tolist()

    assert enlarged(2.3, 1) == enlarged(2.3, 3) == [0, 0, 0, 1] and enlarged(2.3, 2) == [0, 0, 1, 1]
    assert enlarged(1.2, 1) == enlarged(1.2, 3) == [0, 0] and enlarged(1.2, 2) == [0, 1]


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(-2, 3)] * 4), st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    st.sampled_from([(2, 2, 5, 6), (17, 1, 4, 4), (2, 4, 5)]),
)  # fmt: skip
def test_any_padding_is_that_of_torch(pad, mode, shape):
    torch = pytest.importorskip("torch")
    for n, before, after in zip(shape[:-3:-1], pad[::2], pad[1::2]):
        assume(
            mode != "circular" or max(before, after) <= n + min(before, 0) + min(after, 0)
        )  # else torch's is undefined
    case = (lambda m, x: m.nn.functional.pad(x, pad, mode)), [numbers(*shape)]
    assert_same(derivatives(mg, *case), derivatives(torch, *case))


# ------------------------------------------------------------------------------------------------- properties


def test_a_maximum_that_needs_no_gradient_keeps_nothing():
    x = mg.randn(2, 3, 8, 8)
    with mg.no_grad():
        y = F.max_pool2d(x.requires_grad_(), 2)
    assert y.grad_fn is None and not y.requires_grad
    np.testing.assert_array_equal(y.numpy(), F.max_pool2d(x, 2).detach().numpy())


def test_large_windows_have_more_positions_than_a_byte():
    x = numbers(1, 1, 20, 20)
    x[0, 0, 19, 18] = 9
    y, index = F.max_pool2d(mg.tensor(x, requires_grad=True), 20, return_indices=True)
    assert index.item() == 19 * 20 + 18
    x = mg.tensor(x, requires_grad=True)
    F.max_pool2d(x, 20).backward(mg.ones(1, 1, 1, 1, dtype=mg.float64))
    assert x.grad[0, 0, 19, 18].item() == 1 and x.grad.sum().item() == 1


def test_shuffling_pixels_back_restores_them():
    x = mg.randn(2, 12, 3, 4)
    np.testing.assert_array_equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).numpy(), x.numpy())


@pytest.mark.parametrize("divided", [1, 2])
def test_means_of_halves_are_not_limited_by_the_range_of_their_sum(divided):
    x = mg.full((1, 1, 64, 64), 100.0, dtype=mg.float16, requires_grad=True)
    for y in (
        F.avg_pool2d(x, 64 // divided), F.avg_pool2d(x, 64 // divided, padding=1, count_include_pad=False),
        F.avg_pool2d(x, 64 // divided, divisor_override=(64 // divided) ** 2), F.adaptive_avg_pool2d(x, divided),
        F.adaptive_avg_pool2d(x, 3 * divided),
    ):  # fmt: skip
        assert y.dtype == mg.float16 and set(y.flatten().tolist()) == {100.0}
        (gradient,) = mg.autograd.grad(y.sum(), x)
        assert gradient.dtype == mg.float16 and gradient.sum().item() == pytest.approx(y.numel(), rel=2e-3)


def test_float32_stays_float32():
    x = mg.randn(3, 2, 7, 7)
    for y in (
        F.max_pool2d(x, 2), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), F.adaptive_avg_pool2d(x, 3),
        F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 2), F.pad(x, (1, 1)), F.interpolate(x, size=3),
        F.interpolate(x, size=3, mode="bilinear"),
    ):  # fmt: skip
        assert y.dtype == mg.float32
