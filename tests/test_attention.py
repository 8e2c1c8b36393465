"""Attention and transformer layers: values, gradients, initial weights and dropout equal PyTorch's."""

import copy
import importlib.util
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same, derivatives, described, error_of, numbers, same_state, stored_results

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_attention.py"))
PRODUCTS, LAYERS, run = made_by["products"](), made_by["layers"](), made_by["run"]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "attention.npz") as file:
        return dict(file)


# ----------------------------------------------------------------------------------------------- the function


@pytest.mark.parametrize("name", PRODUCTS)
def test_attention_is_that_stored_from_torch(name, stored):
    function, arrays = PRODUCTS[name]
    assert_same(derivatives(mg, function, arrays), stored_results(stored, name))


def test_attention_is_that_of_torch():
    torch = pytest.importorskip("torch")
    for function, arrays in PRODUCTS.values():
        arrays = [a * 1.1 for a in arrays]
        assert_same(derivatives(mg, function, arrays), derivatives(torch, function, arrays))


@pytest.mark.parametrize("name", PRODUCTS)
def test_derivatives_are_those_of_differences(name):
    function, arrays = PRODUCTS[name]
    check_gradients(lambda *tensors: function(mg, *tensors), *arrays)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 2**16 - 1))
def test_attention_is_an_average_of_values(length, keys, size, causal, bits):
    generator = np.random.default_rng(bits)
    q, k, v = (generator.standard_normal((n, size)) for n in (length, keys, keys))
    allowed = generator.random((length, keys)) < 0.6
    if causal:
        allowed = np.tri(length, keys, dtype=bool)
    expected = np.zeros((length, size))
    for i in range(length):
        seen = [j for j in range(keys) if allowed[i, j]]
        shares = np.array([math.exp(q[i] @ k[j] / math.sqrt(size)) for j in seen])
        for share, j in zip(shares / shares.sum() if seen else (), seen):
            expected[i] += share * v[j]
    q, k, v = map(mg.tensor, (q, k, v))
    mask = None if causal else mg.tensor(allowed)
    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    np.testing.assert_allclose(y.numpy(), expected, 1e-9, 1e-12)


def test_dropout_of_the_weights():
    q = mg.tensor(numbers(2, 3, 4))
    mg.manual_seed(1)
    y = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    mg.manual_seed(1)
    weights = F.dropout(F.softmax(q @ q.mT / 2, -1), 0.5)
    np.testing.assert_allclose(y.numpy(), (weights @ q).numpy(), 1e-12)


def test_a_row_without_keys_has_finite_gradients():
    q = mg.tensor(numbers(2, 3, 4), requires_grad=True)
    mask = mg.tensor([[True, False, True], [False, False, False], [True, True, True]])
    y = F.scaled_dot_product_attention(q, q, q, mask)
    assert (y[:, 1] == 0).all()
    (gradient,) = mg.autograd.grad(y.sum(), q)
    assert mg.isfinite(gradient).all()


# ------------------------------------------------------------------------------------------------- the layers


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_stored_from_torch(name, stored):
    layer, results = run(mg, *LAYERS[name])
    state = [tensor.numpy() for tensor in layer.state_dict().values()]
    shapes, ours = described(state + results)
    assert [str(layer), " ".join(layer.state_dict()), shapes] == stored[f"{name}/text"].tolist()
    theirs, initial = stored[f"{name}/numbers"], sum(array.size for array in state)
    np.testing.assert_array_equal(ours[:initial], theirs[:initial])
    np.testing.assert_allclose(ours[initial:], theirs[initial:], 1e-8, 1e-9)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # of a way to compute that only torch has
def test_layers_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for make, shapes, training, masks in LAYERS.values():
        for dtype, tolerance in (("float64", 1e-8), ("float32", 1e-3)):
            ours, results = run(mg, make, shapes, training, masks, dtype)
            theirs, expected = run(torch, make, shapes, training, masks, dtype)
            same_state(ours, theirs)
            assert len(results) == len(expected)
            assert_same(results, expected, tolerance, tolerance / 10)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # of a way to compute that only torch has
def test_state_goes_both_ways():
    torch = pytest.importorskip("torch")
    for make, _, _, _ in LAYERS.values():
        ours, theirs = make(nn, mg.float32), make(torch.nn, torch.float32)
        ours.load_state_dict({name: mg.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
        same_state(ours, theirs)
        ours = make(nn, mg.float32)
        theirs.load_state_dict(
            {name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()}
        )
        same_state(ours, theirs)


def with_parameters(layer, names, tensors):
    """The layer with these tensors in place of its parameters."""
    for name, tensor in zip(names, tensors):
        owner, _, attribute = name.rpartition(".")
        vars(layer.get_submodule(owner))[attribute] = tensor
    return layer


@pytest.mark.parametrize(
    "options", [{}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 2, "vdim": 2}]
)
def test_derivatives_of_heads(options):
    layer = nn.MultiheadAttention(2, 2, dtype=mg.float64, **options)
    names = [name for name, _ in layer.named_parameters()]
    mask = mg.tensor([[False, True, False], [False, False, True]])

    def function(q, k, v, *parameters):
        return with_parameters(layer, names, parameters)(q, k, v, attn_mask=mask)

    parameters = [p.detach().numpy() for p in layer.parameters()]
    check_gradients(function, numbers(2, 2, 2), numbers(3, 2, 2), numbers(3, 2, 2, seed=1), *parameters)


@pytest.mark.parametrize("norm_first", [False, True])
def test_derivatives_of_an_encoder_layer(norm_first):
    layer = nn.TransformerEncoderLayer(2, 1, 3, 0.0, "gelu", norm_first=norm_first, dtype=mg.float64)
    layer = with_parameters(layer, [], [])
    names = [name for name, _ in layer.named_parameters()]
    for norm in (layer.norm1, layer.norm2):  # two features are always at -1 and 1: let eps count
        norm.eps = 1.0
    parameters = [p.detach().numpy() for p in layer.parameters()]
    check_gradients(
        lambda x, *tensors: with_parameters(layer, names, tensors)(x), numbers(3, 1, 2), *parameters
    )


def test_encoder_layers_are_copies():
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    encoder = nn.TransformerEncoder(layer, 3)
    assert len({id(part) for part in (layer, *encoder.layers)}) == 4
    for part in encoder.layers:
        same_state(part, layer)
    assert len(list(encoder.parameters())) == 3 * len(list(layer.parameters()))
    twin = copy.deepcopy(encoder.eval())
    x = mg.randn(5, 1, 4)
    np.testing.assert_array_equal(twin(x).detach().numpy(), encoder(x).detach().numpy())


# ----------------------------------------------------------------------------------------------------- errors


def attend(m, *arrays, **options):
    return m.nn.functional.scaled_dot_product_attention(*map(m.tensor, arrays), **options)


def heads(m, *shapes, size=4, **masks):
    return m.nn.MultiheadAttention(size, 2)(*(m.zeros(*shape) for shape in shapes), **masks)


X = numbers(3, 4)
ERRORS = {
    "sizes": lambda m: attend(m, X, numbers(3, 5), X),
    "dimensions": lambda m: attend(m, X[0], X, X),
    "causal with a mask": lambda m: attend(m, X, X, X, attn_mask=m.zeros(3, 3).double(), is_causal=True),
    "mask dtype": lambda m: attend(m, X, X, X, attn_mask=m.zeros(3, 3).long()),
    "embed_dim": lambda m: m.nn.MultiheadAttention(0, 1),
    "num_heads": lambda m: m.nn.MultiheadAttention(4, 3),
    "features": lambda m: heads(m, (3, 2, 6), (3, 2, 6), (3, 2, 6)),
    "as many keys as values": lambda m: heads(m, (3, 2, 4), (3, 2, 4), (5, 2, 4)),
    "batches": lambda m: heads(m, (2, 3, 2, 4), (3, 2, 4), (3, 2, 4)),
    "with and without a batch": lambda m: heads(m, (3, 4), (3, 2, 4), (3, 2, 4)),
    "mask shape": lambda m: heads(m, (3, 2, 4), (3, 2, 4), (3, 2, 4), attn_mask=m.zeros(3, 4)),
    "mask of each shape": lambda m: heads(m, (3, 2, 4), (3, 2, 4), (3, 2, 4), attn_mask=m.zeros(3, 3, 3)),
    "padding shape": lambda m: heads(
        m, (3, 2, 4), (3, 2, 4), (3, 2, 4), key_padding_mask=m.zeros(2, 4).bool()
    ),
    "mask of integers": lambda m: heads(m, (3, 2, 4), (3, 2, 4), (3, 2, 4), attn_mask=m.zeros(3, 3).long()),
    "causal without a mask": lambda m: heads(m, (3, 2, 4), (3, 2, 4), (3, 2, 4), is_causal=True),
    "activation": lambda m: m.nn.TransformerEncoderLayer(4, 2, activation="x"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_torchs_types(name):
    with pytest.raises(Exception) as caught:
        ERRORS[name](mg)
    assert str(caught.value)
    if importlib.util.find_spec("torch"):
        import torch

        assert caught.type is error_of(ERRORS[name], torch)
