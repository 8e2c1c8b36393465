"""The seam to the array library: its choice, its errors, and what it does differently for speed."""

import importlib.util
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend

ROOT = Path(backend.__file__).parent


def imported_with(choice):
    """What `import minigrad` prints at the end, in a process of its own that has MINIGRAD_BACKEND=choice."""
    environment = {**os.environ, "MINIGRAD_BACKEND": choice, "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run([sys.executable, "-c", "import minigrad"], env=environment, capture_output=True, text=True)
    return done.stderr.strip().rpartition("\n")[2]


def test_numpy_is_the_default():
    assert backend.use("numpy") is np
    if os.environ.get("MINIGRAD_BACKEND", "numpy") == "numpy":
        assert backend.xp is np


def test_an_unknown_library_is_one_sentence():
    assert imported_with("jax") == "ValueError: MINIGRAD_BACKEND: expected 'numpy' or 'cupy', got 'jax'"


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy, or what stands in for it, is installed")
def test_a_missing_cupy_is_one_sentence():
    message = imported_with("cupy")
    assert message.startswith("ImportError: MINIGRAD_BACKEND=cupy: CuPy is not installed; install cupy-cuda12x or ")
    assert "cupy-cuda12x" in message and "cupy-cuda13x" in message


def test_a_missing_gpu_is_one_sentence(monkeypatch):
    cupy = types.ModuleType("cupy")
    cupy.is_available = lambda: False
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(RuntimeError, match="finds no CUDA GPU; check the NVIDIA driver"):
        backend.use("cupy")


def test_infinities_come_without_a_warning_from_here_alone():
    code = "import minigrad as mg, numpy as np; print(mg.log(mg.zeros(1)) / mg.zeros(1)); np.log(np.zeros(1))"
    environment = {**os.environ, "MINIGRAD_BACKEND": "numpy", "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "tensor([-inf])\n"
    assert done.stderr.count("RuntimeWarning") == 1


def test_a_gpu_that_answers_is_used(monkeypatch):
    cupy = types.ModuleType("cupy")
    cupy.is_available = lambda: True
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert backend.use("cupy") is cupy


def test_no_other_file_names_the_array_library():
    """NumPy elsewhere is for what lives on the host: random streams, files, printing, pictures, plans, a user's arrays."""
    host = {"backend.py", "random.py", "philox.py", "creation.py", "printing.py", "serialization.py", "cpu.py",
            "surroundings.py", "arena.py"}  # fmt: skip
    for file in ROOT.rglob("*.py"):
        text = file.read_text()
        assert "import cupy" not in text, file
        if file.name not in host and not {"utils", "datasets", "diagnostics"} & set(file.parts):
            assert not re.search(r"^\s*(import numpy|from numpy)", text, re.MULTILINE), file


@pytest.mark.parametrize("value", [0.1, -0.0, 0.0, 3, True, float("inf"), 1e300])
@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")])
def test_constants_are_the_number_in_the_dtype(value, dtype):
    with np.errstate(over="ignore"):
        expected = dtype.type(value)
    for _ in range(2):  # made, then kept
        array = backend.constant(value, dtype)
        assert array.dtype == dtype and array.shape == ()
        assert array == expected and np.signbit(array) == np.signbit(value)


def test_constants_and_ones_do_not_pile_up():
    for i in range(10000):
        backend.constant(i + 0.5, np.dtype("float32"))
    for n in range(1, 200):
        backend.column_sums(backend.xp.ones((n, 1), "float32"))
    assert len(backend._constants[backend.xp.dtype("float32")]) <= 1024 and backend.ones.cache_info().currsize <= 64


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_select_is_where_to_the_bit(dtype):
    rng, n = np.random.default_rng(0), backend.MANY_CHOICES // 16
    x, y = ((rng.standard_normal((n, 128)) * 9).astype(dtype) for _ in range(2))
    if dtype != "int64":
        x[::5], x[1::5], y[2::5], y[3::5] = np.nan, np.inf, -0.0, -np.inf
    mask = rng.random((n, 128)) < 0.4
    for condition, a, b in (
        (mask, x, y), (mask.T, x.T, y.T), (mask[:, ::2].repeat(2, 1), x, y[:1]), (mask, x[:, :1], y), (mask, x[0], y[:, :1]),
        (mask, 0.0, y), (mask, x, -0.0), (mask[:, None].repeat(3, 1), x[:1, None], y[:, None]), (mask, 1, 0),
        (mask, x, y.astype("float64")),
    ):  # fmt: skip
        expected = np.where(condition, a, b)
        chosen = backend.select(*[x if np.isscalar(x) else backend.asarray(x) for x in (condition, a, b)])
        chosen = backend.to_numpy(chosen)
        assert chosen.dtype == expected.dtype and chosen.tobytes() == expected.tobytes()


@pytest.mark.skipif(backend.on_gpu, reason="a GPU has no branches to predict")
def test_a_minibatch_of_choices_is_made_by_bits(monkeypatch):
    """NumPy's `where` takes five times as long for signs that nothing predicts."""
    x = mg.randn(32, 200, requires_grad=True)
    monkeypatch.delattr(np, "where")
    mg.nn.functional.leaky_relu(x).sum().backward()
    mg.relu(x[:2]).sum().backward()
    mg.where(x.detach() > 0, x, 2.0).sum().backward()


def test_the_short_ways_equal_the_plain_ones():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 7)), np.tanh(rng.standard_normal((5, 7)))
    row = x[:1].copy()
    a, b, first = map(backend.asarray, (x, y, row))
    for ours, expected in (
        (backend.column_sums(a), x.sum(0)), (backend.row_sums(a), x.sum(1, keepdims=True)),
        (backend.row_maxima(a), x.max(1, keepdims=True)), (backend.rectified(a), np.maximum(x, 0)),
        (backend.total(a, (0,)), x.sum(0)), (backend.total(a, (0, 1)), x.sum(keepdims=True)),
        (backend.product_total(a, b, (0,)), (x * y).sum(0)),
        (backend.tanh_gradient(a, b), x * (1 - y * y)), (backend.expanded(a.T, (7, 5)), x.T),
        *((backend.expanded(first, shape), np.broadcast_to(row, shape)) for shape in ((4, 7), (1, 7))),
    ):  # fmt: skip
        np.testing.assert_allclose(backend.to_numpy(ours), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int32", "int64"])
def test_what_is_added_to_one_place_adds_up(dtype):
    x, index, values = np.array([100, 0, 7], dtype), np.array([0, 2, 0, 0]), np.array([100, 1, 100, 3], dtype)
    expected = x.copy()
    np.add.at(expected, index, values)  # small integers wrap around
    ours = backend.asarray(x.copy())
    backend.scatter_add(ours, backend.asarray(index), backend.asarray(values))
    assert ours.dtype == dtype
    np.testing.assert_array_equal(backend.to_numpy(ours), expected)


def test_indices_are_of_the_one_int64():
    """The engine compares dtypes with `is`; CuPy's argmax counts in another int64 than NumPy's."""
    x = mg.tensor([[1.0, 3.0, 2.0]])
    for indices in (
        x.argmax(), x.argmin(1), x.argmax(1, keepdim=True), x.max(1).indices, x.min(0, keepdim=True).indices, x.nonzero(),
        x.sort().indices, x.argsort(), x.topk(2).indices, x.median(1).indices, x.unique(return_inverse=True)[1],
        mg.searchsorted(x[0], x), mg.bincount(mg.tensor([1, 2])), (x > 1).sum(), mg.arange(3), mg.where(x > 1)[0],
    ):  # fmt: skip
        assert indices.dtype is mg.int64


def test_counting_nothing():
    nothing = backend.xp.zeros(0, "int64")
    assert backend.counts(nothing, minlength=2).tolist() == [0, 0]
    assert backend.counts(nothing, backend.xp.zeros(0, "float32"), 1).dtype == "float64"
    assert backend.counts(backend.xp.asarray([1, 1]), minlength=4).tolist() == [0, 2, 0, 0]


@pytest.mark.parametrize(("index", "size", "answer"), [
    ([0, 2, 1], 3, True), ([3], 3, False), ([-1], 3, False), ([], 3, True), ([0, 2**60], 3, False),
])  # fmt: skip
def test_within(index, size, answer):
    assert backend.within(backend.asarray(np.array(index, np.int64)), size) is answer
