"""Indexing, gathering and scattering: PyTorch's values, derivatives, dtypes and errors."""

import runpy

import numpy as np
import pytest
from families import REFERENCE, Family
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from memory import share_memory
from parity import error_of

import minigrad as mg

made_by = runpy.run_path(str(REFERENCE / "make_index.py"))
made, T = made_by["made"], made_by["T"]


class TestIndex(Family):
    family = "index"


# ---------------------------------------------------------------------------------------------------- any index


@st.composite
def entries(draw, size, invalid=False):
    """An entry of an index for one dimension of the given size."""
    low, high = (-size - 1, size) if invalid else (-size, size - 1)
    some = st.lists(st.integers(low, high), max_size=3) if size or invalid else st.just([])
    kind = draw(st.sampled_from(["int", "slice", "slice", "tensor", "matrix", "list", "range", "mask", "number"]))
    if kind in ("int", "number") and low <= high:
        n = draw(st.integers(low, high))
        return n if kind == "int" else T(n)
    if kind in ("tensor", "matrix"):
        rows = draw(some)
        return T(rows or [], "int64") if kind == "tensor" or not rows else T([rows, rows[::-1]])
    if kind == "list":
        return draw(some)
    if kind == "range":
        return range(draw(st.integers(0, size)))
    if kind == "mask":
        return T(draw(st.lists(st.booleans(), min_size=size, max_size=size)), "bool")
    ends = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(ends), draw(ends), draw(st.none() | st.integers(1, 3)))


@st.composite
def indices(draw, invalid=False):
    """A shape and an index into it of every kind of entry; not all of them broadcast."""
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    given_dims = draw(st.integers(0, len(shape)))
    first = draw(st.integers(0, given_dims))  # behind this many entries, dots may leave dimensions out
    used = [*range(first), *range(len(shape) - given_dims + first, len(shape))]
    index = [draw(entries(shape[d], invalid)) for d in used]
    if given_dims < len(shape) and (first < given_dims or draw(st.booleans())):
        index.insert(first, ...)
    for _ in range(draw(st.integers(0, 2))):
        index.insert(draw(st.integers(0, len(index))), None)
    return shape, tuple(index) if len(index) != 1 or draw(st.booleans()) else index[0]


def copies(entry):
    """Whether an entry of an index makes a copy, not a view."""
    return isinstance(entry, list | range) or isinstance(entry, T) and not isinstance(entry.data, int)


def positions(shape):
    """Every element its own number."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


@settings(max_examples=150)
@given(indices() | indices(invalid=True))
def test_any_index_reads_what_torch_reads(case):
    torch = pytest.importorskip("torch")
    shape, index = case
    x, y = mg.tensor(positions(shape)), torch.tensor(positions(shape))
    expected, raised = error_of(lambda: y[made(torch, index)]), error_of(lambda: x[made(mg, index)])
    if expected is None and y[made(torch, index)].numel() == 0:
        assert raised in (None, IndexError)  # torch does not look at indices where there is nothing to read
    else:
        assert raised is expected
    if raised is not None:
        return
    picked = x[made(mg, index)]
    np.testing.assert_array_equal(picked.numpy(), y[made(torch, index)].numpy())
    view = not any(copies(i) for i in (index if isinstance(index, tuple) else (index,)))
    if picked.numel():
        assert share_memory(picked, x) == view


@settings(max_examples=75)
@given(indices())
def test_any_index_writes_and_differentiates_where_it_reads(case):
    """The derivative of x[index] counts how often each element is read; an assignment changes just these."""
    shape, index = case
    index = made(mg, index)
    try:
        read = mg.tensor(positions(shape))[index].numpy()
    except IndexError:  # index tensors that do not broadcast
        return
    counts = np.bincount(read.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    x = mg.zeros(shape, dtype=mg.float64, requires_grad=True)
    (gradient,) = mg.autograd.grad(x[index].sum(), x)
    np.testing.assert_array_equal(gradient.numpy(), counts)
    y = mg.zeros(shape)
    y[index] = 1.0
    np.testing.assert_array_equal(y.numpy(), counts > 0)
    z = mg.zeros(shape, dtype=mg.int64)
    z[index] = mg.tensor(read)
    np.testing.assert_array_equal(z.numpy(), np.where(counts > 0, positions(shape), 0))


@settings(max_examples=10)
@given(indices())
def test_derivatives_of_any_index(case):
    shape, index = case
    try:
        mg.zeros(shape)[made(mg, index)]
    except IndexError:
        return
    check_gradients(lambda x: x[made(mg, index)], np.random.uniform(-1, 1, shape))


# -------------------------------------------------------------------------------------------------- gather and scatter


@st.composite
def gathers(draw):
    """A shape, a dimension, and an index array of its rank, no larger in the others."""
    shape = draw(array_shapes(max_dims=3, max_side=4))
    dim = draw(st.integers(0, len(shape) - 1))
    size = [draw(st.integers(1, n)) for n in shape]
    size[dim] = draw(st.integers(0, 5))
    return (
        shape,
        dim - draw(st.sampled_from([0, len(shape)])),
        draw(arrays(np.int64, size, elements=st.integers(0, shape[dim] - 1))),
    )


@given(gathers())
def test_gather_and_scatter_by_their_definition(case):
    shape, dim, index = case
    values = np.random.uniform(-1, 1, shape)
    at = list(np.indices(index.shape))
    at[dim] = index
    gathered = mg.tensor(values).gather(dim, mg.tensor(index))
    np.testing.assert_array_equal(gathered.numpy(), values[tuple(at)])
    source = np.random.uniform(-1, 1, index.shape)
    expected = values.copy()
    np.add.at(expected, tuple(at), source)
    added = mg.tensor(values).scatter_add(dim, mg.tensor(index), mg.tensor(source))
    np.testing.assert_allclose(added.numpy(), expected, 1e-14, 1e-14)
    placed = mg.tensor(values).scatter(dim, mg.tensor(index), 9.0)
    expected = values.copy()
    expected[tuple(at)] = 9
    np.testing.assert_array_equal(placed.numpy(), expected)


@given(gathers())
def test_gather_undoes_sort(case):
    shape, dim, _ = case
    x = mg.tensor(np.random.uniform(-1, 1, shape))
    values, order = x.sort(dim)
    assert (x.gather(dim, order) == values).all()
    assert (mg.zeros_like(x).scatter(dim, order, values) == x).all()
    assert (x.take_along_dim(order, dim) == values).all()


@given(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), st.randoms(use_true_random=False))
def test_masks_and_their_indices(shape, random):
    array = np.array([random.random() for _ in range(int(np.prod(shape)))]).reshape(shape)
    mask = array > 0.5
    x, m = mg.tensor(array), mg.tensor(mask)
    selected = x.masked_select(m)
    np.testing.assert_array_equal(selected.numpy(), array[mask])
    np.testing.assert_array_equal(x[m].numpy(), array[mask])
    np.testing.assert_array_equal(m.nonzero().numpy(), np.argwhere(mask))
    if shape:
        np.testing.assert_array_equal(x[m.nonzero(as_tuple=True)].numpy(), array[mask])


def test_many_repeated_positions_add_up():
    """The ways to add gradients, for few and for many, by rows and by elements, are one."""
    for n, rows in ((50, 3), (5000, 3), (3000, 600)):
        i, j = np.arange(n) * 7 % rows, np.arange(n) * 5 % 4 - 4
        x = mg.zeros(rows, 4, requires_grad=True)
        weights = np.arange(n, dtype="float32") % 11
        by_elements, by_rows = mg.autograd.grad([(x[i, j] * mg.tensor(weights)).sum()], [x])[0], np.zeros((rows, 4))
        np.add.at(by_rows, (i, j), weights)
        np.testing.assert_array_equal(by_elements.numpy(), by_rows)
        expected = np.bincount(i, weights, rows)[:, None] * np.ones(4)
        for index in (mg.tensor(i), (mg.tensor(i), slice(None))):
            (gradient,) = mg.autograd.grad((x[index] * mg.tensor(weights)[:, None]).sum(), x)
            np.testing.assert_array_equal(gradient.numpy(), expected)


# --------------------------------------------------------------------------------------- index tensors that change


def zeros(*shape):
    return mg.zeros(*shape, dtype=mg.float64)


# of a leaf x (3, 3) and an index tensor i (2), what picks, puts or adds by it
BY_INDEX = {
    "x[i]": lambda x, i: x[i],
    "x[i, j]": lambda x, i: x[i, mg.tensor([1, 1])],
    "x[:, i]": lambda x, i: x[:, i],
    "take": lambda x, i: mg.take(x, i),
    "gather": lambda x, i: mg.gather(x, 1, i.view(1, 2)),
    "gather one": lambda x, i: mg.gather(x, 1, i[:1].view(1, 1)),
    "take_along_dim": lambda x, i: mg.take_along_dim(x, i.view(1, 2), 1),
    "index_select": lambda x, i: mg.index_select(x, 1, i),
    "embedding": lambda x, i: mg.nn.functional.embedding(i, x),
    "embedding with padding": lambda x, i: mg.nn.functional.embedding(i, x, padding_idx=1),
    "scatter": lambda x, i: zeros(3, 3).scatter(1, i.view(1, 2), x),
    "scatter_add": lambda x, i: zeros(3, 3).scatter_add(1, i.view(1, 2), x),
    "index_add": lambda x, i: zeros(3, 3).index_add(0, i, x[:2]),
    "index_copy": lambda x, i: zeros(3, 3).index_copy(0, i, x[:2]),
    "cross_entropy": lambda x, i: mg.nn.functional.cross_entropy(x[:2], i),
}


@pytest.mark.parametrize("name", BY_INDEX)
def test_a_backward_by_an_index_that_has_changed_since_is_an_error(name):
    """The gradient would go elsewhere than the values came from."""
    x, i = mg.arange(9, dtype=mg.float64).view(3, 3).requires_grad_(), mg.tensor([0, 1])
    y = BY_INDEX[name](x, i)
    y.sum().backward(retain_graph=True)
    i.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        mg.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("name", BY_INDEX)
def test_a_derivative_of_a_gradient_by_an_index_that_has_changed_since_is_an_error(name):
    x, i = mg.arange(9, dtype=mg.float64).view(3, 3).requires_grad_(), mg.tensor([0, 1])
    y = BY_INDEX[name](x, i)
    w = mg.ones_like(y).requires_grad_()
    (gradient,) = mg.autograd.grad(y, x, w, create_graph=True)
    mg.autograd.grad(gradient.sum(), w, retain_graph=True)
    i.fill_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        mg.autograd.grad(gradient.sum(), w)


def test_a_value_written_by_an_index_that_has_changed_since():
    x, i, y = mg.ones(2, requires_grad=True), mg.tensor([0, 1]), mg.zeros(3) * 1
    y[i] = x
    i[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_an_index_picked_is_not_bound_to_it_without_a_gradient():
    x, i, mask = mg.ones(3, requires_grad=True), mg.tensor([0, 1]), mg.tensor([True, False, True])
    picked, y = x.detach()[i], x[mask]
    i[0], mask[0] = 2, False
    (picked * x[i]).sum().backward()
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 2]  # of the mask as it was


@pytest.mark.parametrize("rows", [4, 600])
def test_infinite_gradients_stay_in_their_rows(rows):
    x = mg.ones(rows, 2, requires_grad=True)
    (x[mg.tensor([0, 1])] * mg.tensor([[float("inf")], [1.0]])).sum().backward()
    assert x.grad[:3].tolist() == [[float("inf")] * 2, [1, 1], [0, 0]]


def test_what_is_picked_lies_in_the_order_of_its_indices():
    x, i, j = mg.arange(24.0).view(2, 3, 4), mg.tensor([0, 1]), mg.tensor([1, -1])
    for y in (x[:, i], x[:, :, i], x[:, i, j], x[i, :, j], x.index_select(1, i), x[:, [True, False, True]]):
        assert y.is_contiguous() and y.view(-1).shape == (y.numel(),)
    assert mg.arange(4.0).expand(3, 4).clone().view(-1).tolist() == [0, 1, 2, 3] * 3
    for y in (x, x[:0]):
        with pytest.raises(IndexError):
            y[:, mg.tensor([3])]
