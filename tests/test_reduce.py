"""Reductions, running sums, extremes, sorting and histograms: PyTorch's values, derivatives, dtypes and errors."""

import numpy as np
import pytest
from families import Family
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minigrad as mg
from minigrad.backend import on_gpu

FLOATS, INTEGERS = ["float32", "float64"], ["int8", "int16", "int32", "int64", "uint8"]


class TestReduce(Family):
    family = "reduce"
    kinks = [f"{name} ties{which}" for name in ("amax", "amin", "max", "min", "median") for which in ("", " of all")]
    kinks += ["std of a constant", "mean of nothing", "logsumexp along nothing", "max of all odd", "median of all odd"]
    kinks += ["var of one", "std of one"]
    singular = ["var of one", "std of one"]


# ------------------------------------------------------------------------------------ any shape, dtype and dimensions


def elements_of(dtype):
    if dtype == "bool":
        return st.booleans()
    if dtype.startswith("float"):
        return st.integers(-40, 40).map(lambda n: n / 8)  # sums of these are exact
    return st.integers(0 if dtype == "uint8" else -9, 9)


@st.composite
def inputs(draw, dtypes=(*FLOATS, *INTEGERS, "bool"), min_dims=0, min_side=0):
    """A NumPy array of any dtype, and what stands in memory in another order."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(array_shapes(min_dims=min_dims, max_dims=3, min_side=min_side, max_side=4))
    array = draw(arrays(dtype, shape, elements=elements_of(dtype)))
    return draw(st.sampled_from([array, array.T, array[::-1] if array.ndim else array, np.asfortranarray(array)]))


def dims(ndim):
    """One dimension, several, or all of them, from either end."""
    one = st.integers(-ndim, ndim - 1)
    return st.none() | one | st.lists(one, unique_by=lambda d: d % ndim).map(tuple) if ndim else st.none()


def axes(dim, ndim):
    return tuple(range(ndim)) if dim in (None, ()) else dim


@given(inputs(min_dims=1), st.data())
def test_distinct_slices_are_those_of_numpy(array, data):
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    if not array.size and array.shape[dim]:  # which NumPy refuses
        return
    ours = mg.unique(mg.from_numpy(array), return_inverse=True, return_counts=True, dim=dim)
    for y, expected in zip(ours, np.unique(array, False, True, True, dim)):
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y.numpy(), expected)


@pytest.mark.parametrize("n", [6, 300])
def test_the_largest_k_count_nan_as_the_largest(n):
    array = np.random.default_rng(n).permutation(n).astype("float32")
    array[[1, 4]] = np.nan
    values, indices = mg.tensor(array).topk(4)
    np.testing.assert_array_equal(values.numpy(), [np.nan, np.nan, *np.sort(array[array == array])[:-3:-1]])
    np.testing.assert_array_equal(array[indices.numpy()], values.numpy())
    np.testing.assert_array_equal(mg.tensor(array).topk(3, largest=False).values.numpy(), np.sort(array)[:3])


@given(inputs(), st.data(), st.booleans())
def test_sums_and_truth_over_any_dimensions(array, data, keepdim):
    dim = data.draw(dims(array.ndim))
    x, axis = mg.from_numpy(array), axes(dim, array.ndim)
    total = x.sum(dim, keepdim)
    assert total.dtype == (array.dtype if array.dtype.kind == "f" else np.int64)
    np.testing.assert_array_equal(
        total.numpy(), array.sum(axis, np.int64 if array.dtype.kind != "f" else None, keepdims=keepdim)
    )
    for ours, theirs in ((x.any, array.any), (x.all, array.all)):
        truth = ours(dim, keepdim)
        assert truth.dtype == (np.uint8 if array.dtype == np.uint8 else bool)
        np.testing.assert_array_equal(truth.numpy(), theirs(axis, keepdims=keepdim))
    np.testing.assert_array_equal(x.count_nonzero(dim).numpy(), np.count_nonzero(array, axis))


@given(inputs(min_side=1), st.data(), st.booleans())
def test_extremes_over_any_dimensions(array, data, keepdim):
    dim = data.draw(dims(array.ndim))
    x, axis = mg.from_numpy(array), axes(dim, array.ndim)
    for ours, theirs in ((x.amax, array.max), (x.amin, array.min)):
        extreme = ours(dim, keepdim)
        assert extreme.dtype == array.dtype
        np.testing.assert_array_equal(extreme.numpy(), theirs(axis, keepdims=keepdim))
    if isinstance(dim, int):
        for ours, arg, theirs, place in (
            (x.max, x.argmax, array.max, array.argmax),
            (x.min, x.argmin, array.min, array.argmin),
        ):
            values, indices = ours(dim, keepdim)
            np.testing.assert_array_equal(values.numpy(), theirs(dim, keepdims=keepdim))
            np.testing.assert_array_equal(indices.numpy(), place(dim, keepdims=keepdim))
            if array.dtype != bool:
                np.testing.assert_array_equal(arg(dim, keepdim).numpy(), indices.numpy())


@given(inputs(FLOATS, min_side=1), st.data(), st.booleans(), st.integers(0, 1))
def test_moments_over_any_dimensions(array, data, keepdim, correction):
    dim = data.draw(dims(array.ndim))
    x, axis = mg.from_numpy(array), axes(dim, array.ndim)
    near = {"rtol": 1e-5, "atol": 1e-5} if array.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    mean = x.mean(dim, keepdim)
    assert mean.dtype == array.dtype
    np.testing.assert_allclose(mean.numpy(), array.mean(axis, keepdims=keepdim), **near)
    n = array.size // mean.numel()
    expected = array.var(axis, keepdims=keepdim, ddof=correction) if n > correction else np.full(mean.shape, np.nan)
    var, same_mean = mg.var_mean(x, dim, correction=correction, keepdim=keepdim)
    assert var.dtype == array.dtype
    np.testing.assert_allclose(var.numpy(), expected, **near)
    np.testing.assert_array_equal(same_mean.numpy(), mean.numpy())
    np.testing.assert_allclose(x.std(dim, correction=correction, keepdim=keepdim).numpy(), np.sqrt(expected), **near)


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e19, 1e36])
def test_a_std_whose_square_leaves_the_range_of_float32(scale):
    x = mg.tensor([[1.0, 2.0, 4.0], [-3.0, 0.5, 9.0]], dtype=mg.float64)
    scaled = (x * scale).float()
    np.testing.assert_allclose(scaled.std(1).numpy() / scale, x.std(1).numpy(), rtol=1e-6)
    near, far = x.clone().requires_grad_(), scaled.requires_grad_()
    near.std(1).sum().backward()
    far.std(1).sum().backward()
    np.testing.assert_allclose(far.grad.numpy(), near.grad.numpy(), rtol=1e-5, atol=1e-7)


@settings(max_examples=10)
@given(
    arrays("float64", array_shapes(max_dims=3, max_side=4), elements=st.integers(-40, 40).map(lambda n: n / 8)),
    st.data(),
)
def test_derivatives_over_any_dimensions(array, data):
    dim, keepdim = data.draw(dims(array.ndim)), data.draw(st.booleans())
    every = axes(dim, array.ndim)
    check_gradients(lambda x: (x.sum(dim, keepdim), x.mean(dim, keepdim), x.logsumexp(every, keepdim)), array)
    check_gradients(lambda x: x.var(dim, keepdim=keepdim, correction=0), array)


# -------------------------------------------------------------------------------------------------------- running


@given(inputs(min_dims=1), st.data())
def test_running_sums_and_products(array, data):
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    x, dtype = mg.from_numpy(array), array.dtype if array.dtype.kind == "f" else np.int64
    sums, products = x.cumsum(dim), x.cumprod(dim)
    assert sums.dtype == products.dtype == dtype
    np.testing.assert_array_equal(sums.numpy(), array.cumsum(dim, dtype))
    np.testing.assert_allclose(products.numpy(), array.cumprod(dim, dtype), 1e-6)
    np.testing.assert_allclose(x.prod(dim).numpy(), array.prod(dim, dtype), 1e-6)


@settings(max_examples=10)
@given(arrays("float64", array_shapes(max_dims=2, max_side=6), elements=st.sampled_from([-1.5, -0.5, 0.0, 0.75, 1.25, 2.0])))
def test_derivatives_of_products_with_any_zeros(array):
    check_gradients(lambda x: (x.cumprod(0), x.prod(-1)), array)


# -------------------------------------------------------------------------------------------------------- sorting


@given(inputs(min_dims=1), st.data(), st.booleans())
def test_sorting_is_stable_in_both_directions(array, data, descending):
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    x = mg.from_numpy(array)
    values, indices = x.sort(dim, descending)
    keys = array if not descending else -array.astype(np.int64) if array.dtype.kind != "f" else -array
    np.testing.assert_array_equal(indices.numpy(), keys.argsort(dim, kind="stable"))
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(array, indices.numpy(), dim))
    np.testing.assert_array_equal(x.argsort(dim, descending).numpy(), indices.numpy())
    k = data.draw(st.integers(0, array.shape[dim]))
    top = x.topk(k, dim, largest=descending)
    np.testing.assert_array_equal(top.values.numpy(), values.numpy().take(range(k), dim))
    if array.shape[dim] and array.dtype != bool:
        middle = x.median(dim)
        np.testing.assert_array_equal(middle.values.numpy(), np.sort(array, dim).take((array.shape[dim] - 1) // 2, dim))
        at = np.expand_dims(middle.indices.numpy(), dim)
        np.testing.assert_array_equal(np.take_along_axis(array, at, dim).squeeze(dim), middle.values.numpy())


WITH_INDICES = [
    lambda x: x.sort(0), lambda x: x.topk(2, 0), lambda x: x.topk(3, 0), lambda x: x.median(0), lambda x: x.max(0),
    lambda x: x.min(0, keepdim=True), lambda x: x.median(0, True),
]  # fmt: skip


@pytest.mark.parametrize("pick", WITH_INDICES)
def test_a_backward_by_returned_indices_that_have_changed_since_is_an_error(pick):
    """The gradient would go elsewhere than the values came from."""
    x = mg.tensor([3.0, 1.0, 2.0], requires_grad=True)
    values, indices = pick(x)
    values.sum().backward(retain_graph=True)
    indices.fill_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


@pytest.mark.parametrize("name", ["sort", "median", "max", "min", "topk"])
def test_what_is_picked_of_a_number_is_a_copy(name):
    x = mg.tensor(2.0, requires_grad=True)
    y = x * 1
    values, _ = getattr(y, name)(1 if name == "topk" else 0)
    y.fill_(7)
    assert values == 2
    values.backward()
    assert x.grad == 1


@given(inputs())
def test_distinct_values_put_together_again(array):
    values, inverse, counts = mg.from_numpy(array).unique(return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy(), np.unique(array))
    np.testing.assert_array_equal(values[inverse].numpy(), array)
    assert counts.sum() == array.size


@given(inputs(FLOATS, min_dims=1), inputs(FLOATS), st.booleans())
def test_places_in_a_sorted_sequence(sequence, array, right):
    sequence = np.sort(sequence.reshape(-1)).astype(array.dtype)
    found = mg.searchsorted(mg.from_numpy(sequence), mg.from_numpy(array), right=right)
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(sequence, array, "right" if right else "left"))
    rows = mg.searchsorted(
        mg.from_numpy(np.stack([sequence] * 2)), mg.from_numpy(np.stack([array.ravel()] * 2)), right=right
    )
    np.testing.assert_array_equal(rows[1].numpy(), found.reshape(-1).numpy())


# ------------------------------------------------------------------------------------------------------ histograms


@given(st.integers(1, 70), st.integers(-6400, 6400), st.floats(2**-5, 100, width=32), st.sampled_from(FLOATS))
def test_histograms_of_any_range_are_those_of_torch(bins, low, width, dtype):
    torch = pytest.importorskip("torch")
    low, high = float(np.float32(low / 63)), float(np.float32(low / 63 + width))
    edges = np.linspace(low, high, bins + 1)
    values = np.concatenate([edges, np.random.uniform(low - 1, high + 1, 100), np.nextafter(edges, np.inf)]).astype(dtype)
    ours = mg.histogram(mg.tensor(values), bins, range=(low, high))
    theirs = torch.histogram(torch.tensor(values), bins, range=(low, high))
    rounding = 0 if dtype == "float32" else 4e-16
    np.testing.assert_allclose(ours.bin_edges.numpy(), theirs.bin_edges.numpy(), rounding, rounding * 100)
    if dtype == "float32":
        np.testing.assert_array_equal(ours.hist.numpy(), theirs.hist.numpy())
    inside = mg.histc(mg.tensor(values), bins, low, high)
    np.testing.assert_array_equal(inside.numpy(), torch.histc(torch.tensor(values), bins, low, high).numpy())


@given(inputs(FLOATS), st.integers(1, 9))
def test_histograms_count_every_value_once(array, bins):
    x = mg.from_numpy(array)
    for counts in (x.histc(bins), x.histogram(bins).hist):
        assert counts.dtype == array.dtype
        assert counts.sum() == array.size
    density = x.histogram(bins, density=True)
    if array.size:
        assert (density.hist * (density.bin_edges[1:] - density.bin_edges[:-1])).sum().item() == pytest.approx(1, abs=1e-5)


# --------------------------------------------------------------------------------------------------------- softmax


@given(inputs(FLOATS, min_dims=1, min_side=1), st.data())
def test_softmax_is_a_distribution_whatever_is_added(array, data):
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    x = mg.from_numpy(array)
    p = x.softmax(dim)
    assert p.dtype == array.dtype
    np.testing.assert_allclose(p.sum(dim).numpy(), 1, 1e-6)
    np.testing.assert_allclose((x + 10000).softmax(dim).numpy(), p.numpy(), 2e-3)
    np.testing.assert_allclose(x.log_softmax(dim).numpy(), p.log().numpy(), 1e-5, 1e-5)
    np.testing.assert_allclose((x - x.logsumexp(dim, keepdim=True)).exp().numpy(), p.numpy(), 1e-5, 1e-6)


@pytest.mark.parametrize("largest", [-90.0, -16.0, -0.5, 0.0, 30.0, 64.0, 64.5, 1000.0])
def test_softmax_is_exact_wherever_the_largest_value_lies(largest):
    x = np.float64(largest) - np.arange(0, 87, 0.5)  # exact in float32
    exact = np.exp(x - largest) / np.exp(x - largest).sum()
    result = mg.softmax(mg.tensor(x, dtype=mg.float32), 0).numpy()
    assert (np.abs(result - exact) <= 4 * np.spacing(exact.astype("float32"))).all()


def test_an_input_that_others_see_is_left_alone():
    array = np.array([[3.0, 1.0, 2.0]])
    x = mg.from_numpy(array)
    for function in (
        mg.sort,
        mg.median,
        mg.unique,
        mg.argsort,
        lambda x: x.softmax(1),
        lambda x: x.cumsum(1),
        mg.histogram,
    ):
        function(x)
    np.testing.assert_array_equal(array, [[3, 1, 2]])


def test_sums_of_many_rows_lose_nothing():
    x = np.random.default_rng(0).random((200_000, 3), np.float32)
    exact = x.astype(np.float64)
    assert on_gpu or np.abs(mg.tensor(x).sum(0).numpy() / exact.sum(0) - 1).max() < 1e-6  # a GPU has sums of its own
    assert np.abs(mg.tensor(x).cumsum(0).numpy() / exact.cumsum(0) - 1).max() < 1.2e-7
