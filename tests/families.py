"""What the tests of the families of operations share: the same lines run by torch and by minigrad, from a make script.

A script `reference/make_<family>.py` has three tables of functions that take the library first, `torch` or
`minigrad`: DERIVATIVES, name: (function of tensors, float64 arrays); VALUES, name: function; and ERRORS, name:
function that raises. What torch gives for them is stored in `reference/<family>.npz`.
"""

import functools
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from parity import array_of, assert_same, derivatives, error_of

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

    results = {f"derivatives {name}": derivatives(torch, *case) for name, case in derivatives_of.items()}
    results |= {f"values {name}": values(torch, function(torch)) for name, function in values_of.items()}
    errors = {name: error_of(function, torch) for name, function in errors_of.items()}
    assert None not in errors.values(), f"torch raises nothing: {errors}"
    errors = {name: error.__name__ for name, error in errors.items()}
    contents = {name: [(y.dtype.name, y.shape) for y in arrays] for name, arrays in results.items()}
    numbers = np.concatenate([np.ravel(y).astype(np.float64) for arrays in results.values() for y in arrays])
    text = np.array(json.dumps({"errors": errors, "contents": contents}))
    np.savez_compressed(REFERENCE / f"{family}.npz", text=text, numbers=numbers)


@functools.cache
def stored(family):
    """What `store` saved: a dict of lists of arrays, and a dict of the names of errors."""
    with np.load(REFERENCE / f"{family}.npz") as file:
        text, numbers = json.loads(str(file["text"])), file["numbers"]
    results, start = {}, 0
    for name, arrays in text["contents"].items():
        results[name] = []
        for dtype, shape in arrays:
            size = int(np.prod(shape))
            results[name].append(numbers[start : start + size].astype(dtype).reshape(shape))
            start += size
    return results, text["errors"]


def assert_near(ours, theirs):
    """Assert that arrays of any dtype are equal but for rounding."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        rounding = 4 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
        assert_same([a], [b], rounding, rounding)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of too few degrees of freedom
class Family:
    """The tests of one family; a subclass says which, and which cases have no second derivative to compare with.

    `kinks`: cases at points where there is no derivative, so that differences cannot find one. `singular`: cases where
    torch's second derivative is NaN.
    """

    family, kinks, singular = None, (), ()

    def pytest_generate_tests(self, metafunc):
        tables = runpy.run_path(str(REFERENCE / f"make_{self.family}.py"))
        for argument, table in (
            ("case", "DERIVATIVES"),
            ("smooth", "DERIVATIVES"),
            ("value", "VALUES"),
            ("error", "ERRORS"),
        ):
            if argument in metafunc.fixturenames:
                names = [name for name in tables[table] if argument != "smooth" or name not in self.kinks]
                metafunc.parametrize(argument, [(name, tables[table][name]) for name in names], ids=names)

    def compare(self, name, inputs, ours, theirs):
        assert_same(ours, theirs[: len(theirs) - inputs] if name in self.singular else theirs)

    def test_derivatives_are_those_stored_from_torch(self, case):
        name, (function, arrays) = case
        with np.errstate(all="ignore"):
            self.compare(name, len(arrays), derivatives(mg, function, arrays), stored(self.family)[0][f"derivatives {name}"])

    def test_derivatives_are_those_of_torch(self, case):
        torch = pytest.importorskip("torch")
        name, (function, arrays) = case
        arrays = [np.asarray(a) * 0.75 for a in arrays]
        with np.errstate(all="ignore"):
            self.compare(name, len(arrays), derivatives(mg, function, arrays), derivatives(torch, function, arrays))

    def test_derivatives_are_those_of_differences(self, smooth):
        _, (function, arrays) = smooth
        check_gradients(lambda *tensors: function(mg, *tensors), *arrays)

    def test_values_are_those_stored_from_torch(self, value):
        name, function = value
        with np.errstate(all="ignore"):
            assert_near(values(mg, function(mg)), stored(self.family)[0][f"values {name}"])

    def test_values_are_those_of_torch(self, value):
        torch = pytest.importorskip("torch")
        with np.errstate(all="ignore"):
            assert_near(values(mg, value[1](mg)), values(torch, value[1](torch)))

    def test_errors_are_those_stored_from_torch(self, error):
        name, function = error
        raised = error_of(function, mg)
        assert raised is not None and raised.__name__ == stored(self.family)[1][name]
