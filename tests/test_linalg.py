"""Products of matrices, Einstein's summation and norms: PyTorch's values, derivatives, dtypes and errors."""

import numpy as np
import pytest
from families import Family
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import minigrad as mg


class TestLinalg(Family):
    family = "linalg"
    kinks = [f"norm {p} with zeros" for p in (0.5, 1, 1.5, 2, 3, -1, np.inf, -np.inf)] + ["norm of zeros"]
    singular = [f"norm {p} with zeros" for p in (0.5, 1.5, 2, -1)] + ["norm of zeros"]


# ------------------------------------------------------------------------------------------------- any two shapes


def numbers(shape):
    return np.random.uniform(-1, 1, shape)


@given(mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3, min_side=0))
def test_products_of_any_shapes(shapes):
    a, b = (numbers(shape) for shape in shapes.input_shapes)
    for x, y in ((a, b), (np.asfortranarray(a), b[..., ::-1, :] if b.ndim > 1 else b)):
        product = mg.from_numpy(x) @ mg.from_numpy(y)
        np.testing.assert_allclose(product.numpy(), x @ y, 1e-13, 1e-13)


@settings(max_examples=10)
@given(mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=2))
def test_derivatives_of_products_of_any_shapes(shapes):
    check_gradients(lambda a, b: a @ b, *(numbers(shape) for shape in shapes.input_shapes))


# ------------------------------------------------------------------------------------------ Einstein's summation


@st.composite
def equations(draw):
    """An equation and operands for it: letters repeated within and between operands, dots, sizes of 1."""
    letters, sizes = "abcde", {i: draw(st.integers(1, 3)) for i in "abcde"}
    dots = draw(st.lists(st.integers(1, 2), max_size=2))
    words, operands = [], []
    for _ in range(draw(st.integers(1, 3))):
        word = draw(st.lists(st.sampled_from(letters), max_size=3))
        shape, place = [sizes[i] for i in word], draw(st.none() | st.integers(0, len(word)))
        if len(set(word)) == len(word) and word and draw(st.integers(0, 4)) == 0:
            shape[0] = 1
        if place is not None:
            covered = dots[draw(st.integers(0, len(dots))) :]
            word.insert(place, "...")
            shape[place:place] = [n if draw(st.booleans()) else 1 for n in covered]
        words.append("".join(word))
        operands.append(numbers(shape))
    used = sorted(set("".join(words)) - {"."})
    equation = ",".join(words)
    if draw(st.booleans()):
        output = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        if any("..." in word for word in words):
            output.insert(draw(st.integers(0, len(output))), "...")
        equation += "->" + "".join(output)
    return equation, operands


def expected_of(equation, operands):
    """By NumPy, which wants every size of a letter to be the same."""
    sizes = {}
    for word, x in zip(equation.partition("->")[0].split(","), operands):
        for i, n in named_sizes(word, x.shape):
            sizes[i] = max(n, sizes.get(i, 1))
    words = equation.partition("->")[0].split(",")
    full = [
        np.broadcast_to(x, [sizes[i] if i else n for i, n in named_sizes(word, x.shape)]) for word, x in zip(words, operands)
    ]
    return np.einsum(equation, *full)


def named_sizes(word, shape):
    """(letter, size) of every dimension; None for the letter of one that dots cover."""
    before, dots, after = word.partition("...")
    names = [*before, *[None] * (len(shape) - len(before) - len(after)), *after]
    return list(zip(names, shape))


@settings(max_examples=100)
@given(equations())
def test_any_equation(case):
    equation, operands = case
    ours = mg.einsum(equation, *map(mg.tensor, operands))
    np.testing.assert_allclose(ours.numpy(), expected_of(equation, operands), 1e-12, 1e-12)


@settings(max_examples=10)
@given(equations())
def test_derivatives_of_any_equation(case):
    equation, operands = case
    check_gradients(lambda *xs: mg.einsum(equation, *xs), *operands)


# ----------------------------------------------------------------------------------------------------------- norms


@given(st.sampled_from([0, 0.5, 1, 1.5, 2, 3, np.inf, -np.inf]), st.none() | st.integers(-2, 1), st.booleans())
def test_norms_are_those_of_numpy(p, dim, keepdim):
    array = numbers((3, 4))
    ours = mg.tensor(array).norm(p, dim, keepdim)
    theirs = np.linalg.norm(array if dim is not None else array.ravel(), p, 0 if dim is None else dim)
    np.testing.assert_allclose(ours.numpy().ravel(), np.ravel(theirs), 1e-12)
    assert ours.ndim == (2 if keepdim else 0 if dim is None else 1)


def test_orders_that_need_singular_values_say_so():
    for order in (2, -2, "nuc"):
        with pytest.raises(RuntimeError, match=f"Order {order} not supported"):
            mg.linalg.norm(mg.zeros(2, 3), order)


def test_products_of_batches_lie_in_the_order_of_their_indices():
    x = mg.randn(3, 2, 4, 5)
    images = mg.nn.functional.conv2d(mg.randn(9, 1, 4, 4), mg.randn(2, 1, 3, 3), padding=1)
    for a in (x.transpose(0, 1), x.permute(2, 0, 1, 3), images):
        y = a @ a.mT
        expected = a.numpy() @ a.mT.numpy()
        np.testing.assert_allclose(y.view(-1, y.shape[-1]).numpy(), expected.reshape(-1, y.shape[-1]), 1e-4, 1e-5)
