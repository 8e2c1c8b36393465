"""Recurrent layers and cells: initial values, outputs, states, gradients and errors equal PyTorch's."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same, described, error_of, numbers, same_state

import minigrad as mg
from minigrad import nn
from minigrad.nn.functional import recurrent

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_recurrent.py"))
CASES, run = made_by["cases"](), made_by["run"]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "recurrent.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_layers_are_those_stored_from_torch(name, stored):
    module, results = run(mg, *CASES[name])
    state = [tensor.numpy() for tensor in module.state_dict().values()]
    shapes, ours = described(state + results)
    assert [str(module), " ".join(module.state_dict()), shapes] == stored[f"{name}/text"].tolist()
    theirs, initial = stored[f"{name}/numbers"], sum(array.size for array in state)
    np.testing.assert_array_equal(ours[:initial], theirs[:initial])
    np.testing.assert_allclose(ours[initial:], theirs[initial:], 1e-9, 1e-10)


def test_layers_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name, (layer, options, shape, states) in CASES.items():
        options = options | {"dropout": 0.2} if options.get("num_layers", 1) > 1 else options
        for dtype, tolerance in (("float64", 1e-9), ("float32", 1e-4)):
            ours, results = run(mg, layer, options, shape, states, dtype)
            theirs, expected = run(torch, layer, options, shape, states, dtype)
            same_state(ours, theirs)
            assert len(results) == len(expected), name
            assert_same(results, expected, tolerance, tolerance)


def test_state_goes_both_ways():
    torch = pytest.importorskip("torch")
    for layer, options, _, _ in CASES.values():
        ours, theirs = getattr(nn, layer)(3, 4, **options), getattr(torch.nn, layer)(3, 4, **options)
        ours.load_state_dict({name: mg.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
        same_state(ours, theirs)
        ours = getattr(nn, layer)(3, 4, **options)
        theirs.load_state_dict(
            {name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()}
        )
        same_state(ours, theirs)


# ------------------------------------------------------------------------------------------------ derivatives

SCANS = {  # a primitive, its plain form, the options, the shapes of its tensors for 3 steps, batch 2, 2 units
    "rnn": (recurrent.rnn_, recurrent.rnn_steps, ("tanh",), [(3, 2, 2), (2, 2), (2, 2)]),
    "rnn relu": (recurrent.rnn_, recurrent.rnn_steps, ("relu",), [(3, 2, 2), (2, 2), (2, 2)]),
    "lstm": (recurrent.lstm_, recurrent.lstm_steps, (), [(3, 2, 8), (2, 2), (2, 2), (8, 2)]),
    "gru": (recurrent.gru_, recurrent.gru_steps, (), [(3, 2, 6), (2, 2), (6, 2), (6,)]),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SCANS)
def test_derivatives_are_those_of_differences(name, reverse):
    primitive, steps, options, shapes = SCANS[name]
    arrays = [numbers(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_gradients(lambda *tensors: primitive(*tensors, *options, reverse), *arrays)
    tensors = [mg.tensor(a) for a in arrays]
    plain, fused = steps(*tensors, *options, reverse), primitive(*tensors, *options, reverse)
    np.testing.assert_allclose(fused.numpy(), plain.numpy(), 1e-12, 1e-13)


def test_derivatives_without_biases():
    arrays = [numbers(2, 2, 6), numbers(2, 2), numbers(6, 2)]
    check_gradients(lambda x, h, w: recurrent.gru_(x, h, w, None, False), *arrays)


def test_second_derivatives_call_no_hooks_of_inputs():
    calls = []
    tensors = [mg.tensor(numbers(*shape), requires_grad=True) for shape in SCANS["lstm"][3]]
    for tensor in tensors:
        tensor.register_hook(lambda g: calls.append(g))
    (gradient,) = mg.autograd.grad(recurrent.lstm_(*tensors, False).sum(), tensors[:1], create_graph=True)
    assert len(calls) == 1
    gradient.sum().backward()
    assert len(calls) == 5


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_at_every_step(layer):
    whole, cell = getattr(nn, layer)(3, 4), getattr(nn, layer + "Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in whole.state_dict().items()})
    x, states = mg.randn(6, 2, 3), None
    outputs = []
    for step in x:
        states = cell(step, states)
        outputs.append(states[0] if layer == "LSTM" else states)
    y, last = whole(x)
    np.testing.assert_allclose(y.detach().numpy(), mg.stack(outputs).detach().numpy(), 1e-5, 1e-6)
    last = last if layer == "LSTM" else (last,)
    for ours, theirs in zip(last, states if layer == "LSTM" else (states,)):
        np.testing.assert_allclose(ours[0].detach().numpy(), theirs.detach().numpy(), 1e-5, 1e-6)


@given(
    st.sampled_from(["RNN", "LSTM", "GRU"]), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2), st.booleans(),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_shapes(layer, length, batch, layers, both, batch_first, with_batch):
    module = getattr(nn, layer)(3, 4, layers, bidirectional=both, batch_first=batch_first)
    steps = (length,) if not with_batch else (batch, length) if batch_first else (length, batch)
    y, states = module(mg.zeros(*steps, 3))
    assert y.shape == (*steps, 4 * (1 + both))
    states = states if layer == "LSTM" else (states,)
    for state in states:
        assert state.shape == (layers * (1 + both), *((batch,) if with_batch else ()), 4)
        assert state.dtype == mg.float32
    again, _ = module(mg.zeros(*steps, 3), states if layer == "LSTM" else states[0])
    assert again.shape == y.shape


def test_dropout_acts_in_training_only():
    module = nn.LSTM(3, 4, 2, dropout=0.5)
    x = mg.randn(5, 2, 3)
    assert not mg.allclose(module(x)[0], module(x)[0])
    module.eval()
    assert mg.allclose(module(x)[0], module(x)[0])
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.GRU(3, 4, dropout=0.5)


# ----------------------------------------------------------------------------------------------------- errors


def states(m, layer, *shape, dtype=None):
    zeros = m.zeros(*shape, dtype=dtype)
    return (zeros, m.zeros(*shape)) if "LSTM" in layer else zeros


ERRORS = {
    "dimensions": lambda m, layer: getattr(m.nn, layer)(3, 4)(m.zeros(2, 2, 2, 3)),
    "features": lambda m, layer: getattr(m.nn, layer)(3, 4)(m.zeros(5, 4)),
    "states": lambda m, layer: getattr(m.nn, layer)(3, 4)(m.zeros(2, 3), states(m, layer, 2, 5)),
    "states of another dtype": lambda m, layer: getattr(m.nn, layer)(3, 4)(
        m.zeros(2, 3), states(m, layer, *(2 if "Cell" in layer else 1, 4), dtype=m.float64)
    ),
}
LAYER_ERRORS = {
    "dtype": lambda m, layer: getattr(m.nn, layer)(3, 4)(m.zeros(5, 2, 3, dtype=m.float64)),
    "no steps": lambda m, layer: getattr(m.nn, layer)(3, 4)(m.zeros(0, 2, 3)),
    "states without a batch": lambda m, layer: getattr(m.nn, layer)(3, 4)(
        m.zeros(5, 2, 3), states(m, layer, 1, 4)
    ),
    "states with a batch": lambda m, layer: getattr(m.nn, layer)(3, 4)(
        m.zeros(5, 3), states(m, layer, 1, 1, 4)
    ),
    "input_size": lambda m, layer: getattr(m.nn, layer)(0, 4),
    "hidden_size": lambda m, layer: getattr(m.nn, layer)(3, 4.0),
    "num_layers": lambda m, layer: getattr(m.nn, layer)(3, 4, 0),
    "dropout": lambda m, layer: getattr(m.nn, layer)(3, 4, 2, dropout=1.5),
}


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"])
def test_errors_are_of_torchs_types(layer):
    for call in (ERRORS if "Cell" in layer else ERRORS | LAYER_ERRORS).values():
        with pytest.raises(Exception) as caught:
            call(mg, layer)
        assert str(caught.value)
        if importlib.util.find_spec("torch"):
            import torch

            assert caught.type is error_of(call, torch, layer)


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"])
def test_states_of_another_dtype_are_named(layer):
    with pytest.raises(RuntimeError, match=layer + r": hidden.* must have the same dtype, but got float64 and float32"):
        ERRORS["states of another dtype"](mg, layer)


def test_what_is_not_supported_is_an_error():
    with pytest.raises(TypeError, match="proj_size"):
        nn.LSTM(3, 4, proj_size=2)
    for make in (lambda: nn.RNN(3, 4, nonlinearity="x"), lambda: nn.RNNCell(3, 4, nonlinearity="x")):
        with pytest.raises(ValueError, match="Unknown nonlinearity"):
            make()
    with pytest.raises(RuntimeError, match="expected 2 states"):
        nn.LSTM(3, 4)(mg.zeros(5, 2, 3), mg.zeros(1, 2, 4))
