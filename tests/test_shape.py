"""Shapes, joining and cutting: PyTorch's values, derivatives, dtypes, strides and errors; views share memory."""

import runpy

import numpy as np
import pytest
from families import REFERENCE, Family
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from memory import share_memory

import minigrad as mg
from minigrad.backend import xp

VIEWS = runpy.run_path(str(REFERENCE / "make_shape.py"))["VIEWS"]


class TestShape(Family):
    family = "shape"


# ----------------------------------------------------------------------------------------------------------- views


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_both_ways(name):
    function, shape = VIEWS[name]
    x = mg.from_numpy(np.arange(np.prod(shape), dtype="float32").reshape(shape))
    view = function(mg, x)
    if view.numel() == 0:
        return
    assert share_memory(view, x)
    if name != "expand":
        view.fill_(-1)
        assert (x == -1).sum() == view.numel()
    x.fill_(7)
    assert (view == 7).all()


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "expand"])
def test_a_view_taken_before_a_change_follows_it(name):
    """The history of a view is that of the changed base, whichever of them was changed."""
    function, shape = VIEWS[name]
    leaf = mg.ones(shape, dtype=mg.float64, requires_grad=True)
    base = leaf * 1
    first, second = function(mg, base), function(mg, base)
    base.mul_(3)
    second.mul_(2)
    np.testing.assert_array_equal(first.detach().numpy(), np.full(first.shape, 6.0))
    first.sum().backward()
    assert leaf.grad.sum().item() == pytest.approx(6 * first.numel())


def test_copies_share_nothing():
    x = mg.arange(6.0).reshape(2, 3)
    copies = [
        x.repeat(1, 1), x.repeat(3, 1, 1), x.tile(1), x.flip(()), x.roll(0), x.roll(0, 1), x.rot90(0), x.rot90(4),
        x.clone(),
        x.tril(5), x.repeat_interleave(1, 0), mg.cat([x]), mg.stack([x]), mg.diag(x), x.diag_embed(),
        x.t().contiguous(),
        x[:1].repeat(4, 1),
    ]  # fmt: skip
    for copy in copies:
        assert not share_memory(copy, x)
        copy.zero_()
    assert x.sum().item() == 15


def test_a_reshape_shares_memory_where_it_can():
    x = mg.arange(6.0).reshape(2, 3)
    assert share_memory(x.reshape(6), x)
    assert not share_memory(x.t().reshape(6), x)
    assert share_memory(x.expand(1, 2, 3), x)
    x.expand(1, 2, 3).zero_()  # nothing is stretched, so it can be written to
    assert x.sum().item() == 0
    with pytest.raises(RuntimeError, match="single memory location"):
        x.expand(2, 2, 3).add_(1)


IN_ORDER = {
    "softmax": lambda m, x: m.softmax(x, -1),
    "log_softmax": lambda m, x: m.nn.functional.log_softmax(x, 1),
    "logsumexp": lambda m, x: m.logsumexp(x, 0),
    "sum": lambda m, x: x.sum(1),
    "mean": lambda m, x: x.mean(-1, keepdim=True),
    "std": lambda m, x: x.std(0),
    "amax": lambda m, x: m.amax(x, 0),
    "prod": lambda m, x: x.prod(1),
    "cumsum": lambda m, x: x.cumsum(0),
    "cumprod": lambda m, x: x.cumprod(-1),
    "cat": lambda m, x: m.cat([x, x], 1),
    "stack": lambda m, x: m.stack([x, x], -1),
    "pad": lambda m, x: m.nn.functional.pad(x, (1, 2)),
    "roll": lambda m, x: m.roll(x, 1, 0),
    "triu": lambda m, x: m.triu(x),
}


@pytest.mark.parametrize("name", IN_ORDER)
@pytest.mark.parametrize("dims", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_results_of_turned_tensors_can_be_viewed(name, dims):
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    turned, plain = mg.tensor(x).permute(*dims), mg.tensor(np.ascontiguousarray(x.transpose(dims)))
    y = IN_ORDER[name](mg, turned)
    np.testing.assert_allclose(y.view(-1).numpy(), IN_ORDER[name](mg, plain).numpy().reshape(-1), rtol=1e-12, atol=1e-15)


def test_a_view_as_another_dtype_shares_memory_and_has_no_history():
    x = mg.zeros(3, requires_grad=True)
    bits = x.view(mg.int32)
    assert not bits.requires_grad
    bits[0] = 0x3F800000
    assert x.tolist() == [1, 0, 0]
    y = x * 2
    z = y * y
    y.view(mg.int32).zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


# --------------------------------------------------------------------------------------------- cutting and joining


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 2), st.data())
def test_pieces_put_together_are_the_whole(lengths, dim, data):
    shape = data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=3))
    shape[dim] = sum(lengths)
    x = mg.arange(float(np.prod(shape))).reshape(shape).requires_grad_()
    pieces = x.split(lengths, dim)
    assert [piece.shape[dim] for piece in pieces] == lengths
    assert mg.cat(pieces, dim).tolist() == x.tolist()
    used = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    total = sum((pieces[i] * (i + 1)).sum() for i in used)
    (gradient,) = mg.autograd.grad(total, x)
    expected = np.concatenate([np.full(n, used.count(i) * (i + 1)) for i, n in enumerate(lengths)])
    np.testing.assert_array_equal(
        np.moveaxis(gradient.numpy(), dim, -1), np.broadcast_to(expected, [*np.delete(shape, dim), sum(lengths)])
    )


@given(st.integers(0, 9), st.integers(1, 5))
def test_cuts_are_those_of_numpy_or_even(length, n):
    x = mg.arange(length)
    sizes = [len(piece) for piece in x.chunk(n)]
    size = -(-length // n)
    assert sizes == ([min(size, length - i) for i in range(0, length, size)] if length else [0] * n)
    for ours, theirs in zip(x.tensor_split(n), np.array_split(np.arange(length), n), strict=True):
        assert ours.tolist() == theirs.tolist()


def test_gradients_of_pieces_need_one_array_of_the_whole(monkeypatch):
    """The backward of T steps over a sequence makes one array of its size, not T."""
    x, made = mg.ones(50, 200, requires_grad=True), []
    total = sum(row.sum() for row in x.unbind())
    zeros, concatenate = xp.zeros, xp.concatenate
    monkeypatch.setattr(xp, "zeros", lambda *args: made.append(args) or zeros(*args))
    monkeypatch.setattr(xp, "concatenate", lambda *args: made.append(args) or concatenate(*args))
    total.backward()
    assert len(made) == 1
    assert (x.grad == 1).all()


def test_pieces_after_a_change_of_the_whole():
    leaf = mg.arange(4.0, requires_grad=True)
    whole = leaf * 1
    first, second = whole.chunk(2)
    before = first * 10
    whole.mul_(leaf.detach() + 2)
    (before.sum() + (first * second).sum()).backward()
    # before: 10 each; after: (2 a)(4 c) + (3 b)(5 d)
    assert leaf.grad.tolist() == [10 + 8 * 2, 10 + 15 * 3, 8 * 0, 15 * 1]


# ------------------------------------------------------------------------------------------------------- any shape


@st.composite
def reshapes(draw):
    """A shape and another one of as many elements, perhaps with -1."""
    factors = draw(st.lists(st.sampled_from([1, 2, 3, 5]), max_size=4))
    sizes = []
    for part in range(draw(st.integers(1, 4))):
        sizes.append(1)
        for factor in factors:
            sizes[-1] *= factor if draw(st.integers(0, 3)) == part else 1
    left = int(np.prod(factors)) // int(np.prod(sizes)) if int(np.prod(factors)) % int(np.prod(sizes)) == 0 else None
    sizes = [*sizes, left] if left is not None else list(factors)
    if sizes and draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return tuple(factors), tuple(sizes)


@given(reshapes(), st.booleans())
def test_any_reshape(shapes, transposed):
    shape, size = shapes
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    array = array.T if transposed else array
    x = mg.from_numpy(array)
    np.testing.assert_array_equal(x.reshape(size).numpy(), array.reshape(size))
    try:
        assert share_memory(x.view(size), x)
    except RuntimeError:
        assert not share_memory(x.reshape(size), x)


@given(array_shapes(max_dims=4, max_side=3, min_side=0), st.data())
def test_any_order_of_dimensions(shape, data):
    array = np.arange(np.prod(shape)).reshape(shape)
    x, ndim = mg.from_numpy(array), len(shape)
    order = data.draw(st.permutations(range(ndim)))
    negative = [d - ndim if data.draw(st.booleans()) else d for d in order]
    np.testing.assert_array_equal(x.permute(negative).numpy(), array.transpose(order))
    a, b = data.draw(st.integers(-ndim, ndim - 1)), data.draw(st.integers(-ndim, ndim - 1))
    np.testing.assert_array_equal(x.transpose(a, b).numpy(), array.swapaxes(a, b))
    np.testing.assert_array_equal(x.movedim(a, b).numpy(), np.moveaxis(array, a, b))
    np.testing.assert_array_equal(x.movedim(order[:2], order[-2:]).numpy(), np.moveaxis(array, order[:2], order[-2:]))
    np.testing.assert_array_equal(x.flip(a).numpy(), np.flip(array, a))
    shift = data.draw(st.integers(-7, 7))
    np.testing.assert_array_equal(x.roll((shift, 1), (a, b)).numpy(), np.roll(array, (shift, 1), (a, b)))
    if ndim > 1 and a % ndim != b % ndim:
        np.testing.assert_array_equal(x.rot90(shift, (a, b)).numpy(), np.rot90(array, shift, (a, b)))
        np.testing.assert_array_equal(x.diagonal(shift, a, b).numpy(), np.diagonal(array, shift, a, b))


@given(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), st.data())
def test_any_repetition(shape, data):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    x = mg.from_numpy(array)
    repeats = data.draw(st.lists(st.integers(0, 3), min_size=max(len(shape), 1), max_size=4))
    np.testing.assert_array_equal(x.repeat(*repeats).numpy(), np.tile(array, repeats))
    some = repeats[: data.draw(st.integers(1, len(repeats)))]
    np.testing.assert_array_equal(x.tile(some).numpy(), np.tile(array, some))
    np.testing.assert_array_equal(x.repeat_interleave(repeats[0]).numpy(), np.repeat(array, repeats[0]))
    if shape:
        counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=shape[-1], max_size=shape[-1])), int)
        np.testing.assert_array_equal(x.repeat_interleave(mg.tensor(counts), -1).numpy(), np.repeat(array, counts, -1))


@settings(max_examples=10)
@given(array_shapes(min_dims=2, max_dims=3, max_side=3), st.integers(-3, 3), st.data())
def test_derivatives_of_any_arrangement(shape, n, data):
    order = data.draw(st.permutations(range(len(shape))))
    array = np.random.uniform(-1, 1, shape)
    check_gradients(lambda x: (x.permute(order).reshape(-1), x.diagonal(n), x.tril(n), x.roll(n, -1), x.rot90(n)), array)
    check_gradients(
        lambda x: (mg.stack([x, x.flip(0)], n % 3), *x.chunk(2), *x.unbind(1), x.repeat(abs(n), 2, *shape[:-2])), array
    )
