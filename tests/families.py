"""What the tests of the families of operations share: the same lines run by torch and by minigrad, from a make script.

A script `reference/make_<family>.py` has three tables of functions that take the library first, `torch` or `minigrad`:
DERIVATIVES, name: (function of tensors, float64 arrays); VALUES, name: function; and ERRORS, name: function that raises.
What torch gives for them is stored in `reference/<family>.npz`.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from parity import array_of, assert_same, derivatives, error_of, stored_results

import minigrad as mg

REFERENCE = Path(__file__).parent / "reference"


def values(m, outputs):
    """The outputs as arrays: Tensors of any dtype, sizes and numbers, in sequences of sequences."""
    if isinstance(outputs, tuple | list) and outputs and not isinstance(outputs, m.Size):
        return [array for output in outputs for array in values(m, output)]
    return [array_of(outputs) if isinstance(outputs, m.Tensor) else np.array(outputs)]


def store(family, derivatives_of, values_of, errors_of):
    """Run the tables of a make script by torch and save what it gives."""
    import torch

    arrays = {}
    for name, (function, inputs) in derivatives_of.items():
        arrays |= {f"derivatives {name}/{i}": y for i, y in enumerate(derivatives(torch, function, inputs))}
    for name, function in values_of.items():
        arrays |= {f"values {name}/{i}": y for i, y in enumerate(values(torch, function(torch)))}
    for name, function in errors_of.items():
        error = error_of(function, torch)
        assert error is not None, f"{name}: torch raises no error"
        arrays[f"errors {name}"] = np.array(error.__name__)
    np.savez_compressed(REFERENCE / f"{family}.npz", **arrays)


class Family:
    """The tests of one family; a subclass says which, and which cases have no second derivative to compare with.

    `kinks`: cases at points where there is no derivative, so that differences cannot find one. `singular`: cases where
    torch's second derivative is NaN.
    """

    family, kinks, singular = None, (), ()

    def pytest_generate_tests(self, metafunc):
        tables = runpy.run_path(str(REFERENCE / f"make_{self.family}.py"))
        for argument, table in (("case", "DERIVATIVES"), ("smooth", "DERIVATIVES"), ("value", "VALUES"), ("error", "ERRORS")):
            if argument in metafunc.fixturenames:
                names = [name for name in tables[table] if argument != "smooth" or name not in self.kinks]
                metafunc.parametrize(argument, [(name, tables[table][name]) for name in names], ids=names)

    @pytest.fixture(scope="class")
    def stored(self):
        with np.load(REFERENCE / f"{self.family}.npz") as file:
            return dict(file)

    def compare(self, name, ours, theirs):
        if name in self.singular:
            theirs = theirs[: len(theirs) // 2]
        assert_same(ours, theirs)

    def test_derivatives_are_those_stored_from_torch(self, case, stored):
        name, (function, arrays) = case
        with np.errstate(all="ignore"):
            self.compare(name, derivatives(mg, function, arrays), stored_results(stored, f"derivatives {name}"))

    def test_derivatives_are_those_of_torch(self, case):
        torch = pytest.importorskip("torch")
        name, (function, arrays) = case
        arrays = [np.asarray(a) * 0.75 for a in arrays]
        with np.errstate(all="ignore"):
            self.compare(name, derivatives(mg, function, arrays), derivatives(torch, function, arrays))

    def test_derivatives_are_those_of_differences(self, smooth):
        _, (function, arrays) = smooth
        check_gradients(lambda *tensors: function(mg, *tensors), *arrays)

    def test_values_are_those_stored_from_torch(self, value, stored):
        name, function = value
        with np.errstate(all="ignore"):
            assert_same(values(mg, function(mg)), stored_results(stored, f"values {name}"), 1e-6, 1e-6)

    def test_values_are_those_of_torch(self, value):
        torch = pytest.importorskip("torch")
        with np.errstate(all="ignore"):
            assert_same(values(mg, value[1](mg)), values(torch, value[1](torch)), 1e-6, 1e-6)

    def test_errors_are_those_stored_from_torch(self, error, stored):
        name, function = error
        raised = error_of(function, mg)
        assert raised is not None and raised.__name__ == str(stored[f"errors {name}"])
