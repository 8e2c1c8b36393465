"""nn.init: the values that PyTorch draws from the same seed, and how far into the stream they reach."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest
from parity import error_of

import minigrad as mg
from minigrad.nn import init

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_init.py"))
CASES, drawn = made_by["cases"](), made_by["drawn"]
ROUNDED = {"float32": 2e-6, "float64": 1e-13}  # of the QR decomposition


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "init.npz") as file:
        return dict(file)


def assert_drawn(ours, theirs, name, dtype):
    assert ours.dtype == theirs.dtype == dtype
    np.testing.assert_allclose(ours, theirs, 0, ROUNDED[dtype] if name.startswith("orthogonal_") else 0)
    assert ours[-1] == theirs[-1]  # the next draw of the stream


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_stored_from_torch(name, stored):
    assert_drawn(drawn(mg, *CASES[name]), stored[name], name, CASES[name][2])


def test_values_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name, (function, shape, dtype) in CASES.items():
        shape = (shape[0] * 2, *shape[1:])
        assert_drawn(drawn(mg, function, shape, dtype), drawn(torch, function, shape, dtype), name, dtype)


def test_gains(stored):
    ours = [init.calculate_gain(*gain) for gain in made_by["GAINS"]]
    np.testing.assert_array_equal(ours, stored["gains"])


@pytest.mark.parametrize(
    "name", "uniform_ normal_ trunc_normal_ xavier_uniform_ kaiming_normal_ orthogonal_".split()
)
def test_a_generator_of_its_own(name):
    filled = [getattr(init, name)(mg.zeros(6, 4), generator=mg.Generator().manual_seed(8)) for _ in range(2)]
    assert (filled[0] == filled[1]).all()
    mg.manual_seed(8)
    assert (getattr(init, name)(mg.zeros(6, 4)) == filled[0]).all()


def test_parameters_are_filled_without_a_record():
    w = mg.zeros(4, 6, requires_grad=True)
    for function, shape, _ in CASES.values():
        if len(shape) == 2:
            assert function(init, w) is w
            assert w.requires_grad and w.is_leaf


def test_rows_or_columns_are_orthonormal():
    for shape in ((5, 3), (3, 5), (4, 4), (6, 2, 2, 2)):
        w = init.orthogonal_(mg.zeros(*shape, dtype=mg.float64), gain=2).numpy().reshape(shape[0], -1)
        product = w @ w.T if shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-13)


def test_standard_deviations():
    w = mg.zeros(400, 500)
    for function, expected in (
        (lambda: init.xavier_normal_(w), (2 / 900) ** 0.5),
        (lambda: init.xavier_uniform_(w), (2 / 900) ** 0.5),
        (lambda: init.kaiming_normal_(w, nonlinearity="relu"), (2 / 500) ** 0.5),
        (lambda: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="linear"), (1 / 400) ** 0.5),
    ):
        assert abs(function().std().item() / expected - 1) < 0.01


def test_nothing_to_draw():
    w = mg.zeros(0, 3)
    with pytest.warns(UserWarning, match="zero-element"):
        assert init.kaiming_normal_(w) is w
    with pytest.warns(UserWarning, match="zero-element"):
        assert init.kaiming_uniform_(w) is w
    assert init.orthogonal_(w) is w
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(mg.zeros(3), mean=4.5)


ERRORS = {
    "unknown gain": lambda m: m.nn.init.calculate_gain("x"),
    "gain of a bool": lambda m: m.nn.init.calculate_gain("leaky_relu", True),
    "gain of a string": lambda m: m.nn.init.calculate_gain("leaky_relu", "x"),
    "fan of a vector": lambda m: m.nn.init.xavier_normal_(m.zeros(3)),
    "kaiming of a vector": lambda m: m.nn.init.kaiming_normal_(m.zeros(3)),
    "fan mode": lambda m: m.nn.init.kaiming_normal_(m.zeros(3, 3), mode="x"),
    "orthogonal_ vector": lambda m: m.nn.init.orthogonal_(m.zeros(3)),
    "eye_ vector": lambda m: m.nn.init.eye_(m.zeros(3)),
    "dirac_ matrix": lambda m: m.nn.init.dirac_(m.zeros(3, 3)),
    "dirac_ groups": lambda m: m.nn.init.dirac_(m.zeros(3, 3, 3), groups=2),
    "sparse_ vector": lambda m: m.nn.init.sparse_(m.zeros(3), 0.1),
    "normal_ negative": lambda m: m.nn.init.normal_(m.zeros(3), std=-1.0),
    "uniform_ reversed": lambda m: m.nn.init.uniform_(m.zeros(3), 1.0, 0.0),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_torchs_types(name):
    with pytest.raises((ValueError, RuntimeError)) as caught:
        ERRORS[name](mg)
    if importlib.util.find_spec("torch"):
        import torch

        assert caught.type is error_of(ERRORS[name], torch)
