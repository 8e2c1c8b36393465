"""Kernels for a GPU: each equals the form that NumPy has, has right derivatives, and takes as few launches as it claims."""

import contextlib
import sys

import numpy as np
import pytest
from gradients import check_gradients

import minigrad as mg
from minigrad import kernels
from minigrad.backend import asarray, note, to_numpy, xp
from minigrad.nn import functional as F

if not kernels.ENABLED:
    pytest.skip("kernels run on a GPU, or on what stands in for it where g++ is installed", allow_module_level=True)
traffic = getattr(xp, "traffic", None)
counted = pytest.mark.skipif(traffic is None, reason="CuPy itself does not count launches")


@contextlib.contextmanager
def exchanged(*pairs):
    """Every name in the library that stands for a function stands for another one inside."""
    undo = []
    for module in [module for name, module in sys.modules.items() if name.startswith("minigrad.")]:
        for name, value in vars(module).items():
            for function, other in pairs:
                if value is function:
                    undo.append((module, name, value))
                    setattr(module, name, other)
    try:
        yield
    finally:
        for place in undo:
            setattr(*place)


def without_kernels():
    return exchanged((kernels.fusible, lambda *arrays: False))


@contextlib.contextmanager
def noting_kernels():
    """A list of the names of the kernels, or of functions that launch some, that are used inside."""
    used = []

    def launch(function, *args):
        used.append(getattr(function, "__name__", None) or function.name)
        return function(*args)

    with exchanged((kernels.launch, launch)):
        yield used


def values(rng, *shape):
    return rng.standard_normal(shape)


def normalised(x, weight, bias):
    """`batch_norm` with running statistics, which are results as well."""
    mean, var = mg.zeros(x.shape[1], dtype=x.dtype), mg.ones(x.shape[1], dtype=x.dtype)
    return F.batch_norm(x, mean, var, weight, bias, True, 0.3, 1e-4), mean, var


CLASSES, ONE_CLASS, MANY_CLASSES = mg.tensor([2, 0, -100, 1, 1, 4, 3]), mg.tensor([0] * 300), mg.tensor([999, 0, 500])
# name: (function of tensors, the shapes of these, the kernels of forward and backward)
CASES = {
    "tanh": (mg.tanh, [(33, 9)], ["tanh_vjp"]),
    "sigmoid": (mg.sigmoid, [(33, 9)], ["sigmoid", "sigmoid_vjp"]),
    "relu": (mg.relu, [(33, 9)], ["relu_vjp"]),
    "silu": (F.silu, [(33, 9)], ["silu", "silu_vjp"]),
    "gelu": (F.gelu, [(33, 9)], ["gelu", "gelu_vjp"]),
    "gelu tanh": (lambda x: F.gelu(x, "tanh"), [(33, 9)], ["gelu_by_tanh", "gelu_by_tanh_vjp"]),
    "gelu of a number": (F.gelu, [()], ["gelu", "gelu_vjp"]),
    "erf": (mg.erf, [(33, 9)], ["erf", "erf_vjp"]),
    "erfc": (mg.erfc, [(33, 9)], ["erfc", "erfc_vjp"]),
    "softmax": (lambda x: mg.softmax(x, 1), [(7, 33)], ["form", "form"]),
    "softmax of long rows": (lambda x: mg.softmax(x, -1), [(2, 3, 700)], ["form", "form"]),
    "softmax of columns": (lambda x: mg.softmax(x, 0), [(33, 2, 3)], ["form", "form"]),
    "log_softmax": (lambda x: mg.log_softmax(x, 1), [(7, 33, 2)], ["form", "form"]),
    "log_softmax of one": (lambda x: mg.log_softmax(x, 1), [(7, 1)], ["form", "form"]),
    "cross_entropy": (lambda x: F.cross_entropy(x, CLASSES), [(7, 5)], ["cross_entropy_kernel", "cross_entropy_gradient"]),
    "cross_entropy of one class": (
        lambda x: F.cross_entropy(x, ONE_CLASS), [(300, 1)], ["cross_entropy_kernel", "cross_entropy_gradient"]
    ),
    "cross_entropy of many classes": (
        lambda x: F.cross_entropy(x, MANY_CLASSES, ignore_index=0), [(3, 1000)],
        ["cross_entropy_kernel", "cross_entropy_gradient"],
    ),
    "batch_norm": (normalised, [(33, 9), (9,), (9,)], ["batch_norm_kernel", "batch_norm_gradient"]),
    "batch_norm of images": (normalised, [(5, 3, 7, 2), (3,), (3,)], ["batch_norm_kernel", "batch_norm_gradient"]),
    "batch_norm of many numbers": (normalised, [(11, 2, 1000), (2,), (2,)], ["batch_norm_kernel", "batch_norm_gradient"]),
    "batch_norm without parameters": (
        lambda x: F.batch_norm(x, None, None, training=True), [(6, 4, 5)], ["batch_norm_kernel", "batch_norm_gradient"]
    ),
    "instance_norm": (F.instance_norm, [(4, 3, 7)], ["batch_norm_kernel", "batch_norm_gradient"]),
    "group_norm": (lambda x: F.group_norm(x, 2), [(5, 6, 3)], ["batch_norm_kernel", "batch_norm_gradient"]),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (33,), w, b), [(7, 33), (33,), (33,)], ["layer_norm_kernel", "layer_norm_gradient"]
    ),
    "layer_norm of many rows": (
        lambda x, w: F.layer_norm(x, (2, 3), w), [(130, 9, 2, 3), (2, 3)], ["layer_norm_kernel", "layer_norm_gradient"]
    ),
    "layer_norm of long rows": (
        lambda x: F.layer_norm(x, (600,)), [(3, 600)], ["layer_norm_kernel", "layer_norm_gradient"]
    ),
}  # fmt: skip


def outcome(function, arrays, seed=1):
    """Outputs and gradients, as NumPy arrays."""
    tensors = [mg.autograd.wrap(array).requires_grad_() for array in arrays]
    results = function(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    g = np.random.default_rng(seed).standard_normal(results[0].shape).astype(results[0].dtype)
    results[0].backward(mg.tensor(g))
    return [to_numpy(x.array) for x in (*results, *(tensor.grad for tensor in tensors))]


def assert_equal_to_plain(function, arrays, kernels_used=None):
    with noting_kernels() as used:
        found = outcome(function, arrays)
    with without_kernels():
        expected = outcome(function, arrays)
    if kernels_used is not None:
        assert [name.removeprefix("minigrad_") for name in used] == kernels_used
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        largest = np.abs(y[np.isfinite(y)]).max(initial=1e-3)
        tolerance = {"float16": 3e-3, "float32": 4e-6, "float64": 1e-13}[y.dtype.name]
        np.testing.assert_allclose(x, y, tolerance, tolerance * largest)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_equals_the_plain_form(name, dtype):
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    assert_equal_to_plain(function, [asarray(values(rng, *shape).astype(dtype)) for shape in shapes], used)


@pytest.mark.parametrize("name", CASES)
def test_other_orders_of_memory(name):
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [asarray(values(rng, *(2 * n for n in shape)).astype("float32")) for shape in shapes]
    assert_equal_to_plain(function, [x[tuple(slice(None, None, 2) for _ in x.shape)] for x in arrays], used)
    arrays = [asarray(values(rng, *shape[::-1]).astype("float32")) for shape in shapes]
    assert_equal_to_plain(function, [x.T for x in arrays], used)
    if shapes[0]:
        arrays = [asarray(values(rng, *shape[1:], shape[0]).astype("float32")) for shape in shapes]
        arrays = [x.transpose(x.ndim - 1, *range(x.ndim - 1)) for x in arrays]
        assert_equal_to_plain(function, arrays, used)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40, 0.0, -0.0])
def test_special_numbers(name, special):
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [values(rng, *shape).astype("float32") for shape in shapes]
    for x in arrays:
        x[rng.random(x.shape) < 0.1] = special
    arrays[0].flat[0] = special
    assert_equal_to_plain(function, [asarray(x) for x in arrays], used)


@pytest.mark.parametrize("name", CASES)
def test_empty_arrays(name):
    function, shapes, used = CASES[name]
    if "cross_entropy" in name or not shapes[0]:
        pytest.skip("targets have a number of their own" if shapes[0] else "a number is not empty")
    arrays = [xp.empty((0, *shapes[0][1:]), "float32"), *(xp.ones(shape, "float32") for shape in shapes[1:])]
    assert_equal_to_plain(function, arrays, [])


@pytest.mark.parametrize("name", CASES)
def test_half_precision_has_the_plain_form(name):
    """It is computed in float32 where sums would leave the range of float16, as everywhere."""
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    in_float32 = name.startswith("cross_entropy") or any(kind in name for kind in ("softmax", "norm"))
    arrays = [asarray(values(rng, *shape).astype("float16")) for shape in shapes]
    assert_equal_to_plain(function, arrays, None if in_float32 else [])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if np.prod(case[1][0], dtype=int) < 1000])
def test_derivatives(name):
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [values(rng, *shape) for shape in shapes]
    check_gradients(lambda *tensors: function(*tensors)[0] if function is normalised else function(*tensors), *arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", [0.0, 1e3, 1e5])
def test_nearly_constant_numbers_keep_their_spread(dtype, level):
    """Mean and variance of numbers far from zero are those of float64, within what the numbers themselves can tell."""
    x = (level + np.random.default_rng(0).standard_normal((4000, 3))).astype(dtype)
    exact = x.astype(np.longdouble) - x.astype(np.longdouble).mean(0)
    exact = (exact / np.sqrt((exact**2).mean(0) + 1e-5)).astype("float64")
    for shape in (x.shape, (10, 3, 400), (2, 3, 2000)):
        shaped = np.moveaxis(x.reshape(shape[0], -1, 3), 2, 1).reshape(shape)
        y = F.batch_norm(mg.tensor(shaped), None, None, training=True)
        wanted = np.moveaxis(exact.reshape(shape[0], -1, 3), 2, 1).reshape(shape)
        np.testing.assert_allclose(y.numpy(force=True), wanted, 0, 2e-6 if dtype == "float32" else 1e-10)


def test_targets_out_of_range_are_noted_and_raised_late():
    x = mg.tensor(np.ones((3, 4), "float32"))
    for wrong in (4, -1, 1 << 40):
        with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds for 4 classes"):
            F.cross_entropy(x, mg.tensor([0, wrong, 1])).item()
        assert not note()[0][0]
    assert np.isnan(F.cross_entropy(x, mg.tensor([-100] * 3)).item())


# ------------------------------------------------------------------------------------------------------------- launches


def launches(call):
    before = traffic["launches"]
    call()
    return traffic["launches"] - before


@counted
@pytest.mark.parametrize("name", CASES)
def test_launches_are_few(name):
    """One for a forward and one for a backward; two where there is a sum of sums, or rows have to be copied together."""
    function, shapes, used = CASES[name]
    rng = np.random.default_rng(0)
    tensors = [mg.tensor(values(rng, *shape).astype("float32"), requires_grad=True) for shape in shapes]
    make = launches(lambda: normalised(*tensors)) if function is normalised else launches(lambda: function(*tensors))
    y = function(*tensors)
    y = y[0] if isinstance(y, tuple) else y
    g = mg.ones_like(y)
    back = launches(lambda: mg.autograd.grad(y, tensors, g))
    of_statistics, of_results = 2 * (function is normalised), len(tensors)  # what is filled and copied beside
    more = {"batch_norm of many numbers": (1, 1), "softmax of columns": (2, 3), "log_softmax": (2, 3)}.get(name, (0, 0))
    assert make - of_statistics == 1 + more[0] + name.startswith("cross_entropy")
    assert back - of_results == 1 + more[1] + ("layer_norm" in name)


# ---------------------------------------------------------------------------------------------------------- compiled


@pytest.mark.filterwarnings("ignore:compile:UserWarning")
def test_a_replay_that_is_given_up_leaves_running_statistics_as_they_were():
    """A kernel's result is replayed, and so is what it writes beside that; the value after it decides the way."""
    found = []
    for compiled in (False, True):
        norm = mg.nn.BatchNorm1d(3)

        def step(x, norm=norm):
            y = norm(x)
            return y * 2 if y.flatten()[0].item() > 0 else y

        step = mg.compile(step) if compiled else step
        results = [step(mg.tensor(values(np.random.default_rng(i), 8, 3).astype("float32"))) for i in range(12)]
        found.append([x.numpy(force=True) for x in (*results, norm.running_mean, norm.running_var)])
    for x, y in zip(*found, strict=True):
        np.testing.assert_array_equal(x, y)
