"""Elementwise operations: values, dtypes and both derivatives equal PyTorch's and central differences."""

import math
import operator
import runpy
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import minigrad as mg

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_elementwise.py"))
CASES, PROMOTING = made_by["cases"](), made_by["PROMOTING"]
DTYPES = [getattr(mg, name) for name in made_by["DTYPES"]]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "elementwise.npz") as file:
        return dict(file)


# ------------------------------------------------------------------------------------------- values as PyTorch's


def assert_same(ours, theirs, inputs):
    """Outputs and first derivatives are equal, NaN and infinity included; so are second ones where PyTorch has any.

    PyTorch's second derivative is NaN at some singular points (`0 ** 1`, `atan2(0, 0)`) where the limit exists.
    """
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        known = ~np.isnan(b) if i > inputs else ...
        np.testing.assert_allclose(a[known], b[known], 1e-12, 1e-13, err_msg=f"result {i}")


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives_are_those_stored_from_torch(name, stored):
    function, arrays = CASES[name]
    with np.errstate(all="ignore"):
        ours = made_by["derivatives"](mg, function, arrays)
    assert_same(ours, [stored[f"{name}/{i}"] for i in range(len(ours))], len(arrays))


def test_values_and_derivatives_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for function, arrays in CASES.values():
        arrays = [np.sort(a)[::-1] * 0.9 for a in arrays]
        with np.errstate(all="ignore"):
            ours = made_by["derivatives"](mg, function, arrays)
        assert_same(ours, made_by["derivatives"](torch, function, arrays), len(arrays))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_small_floats_stay_small_and_near_float64(name, dtype, stored):
    function, arrays = CASES[name]
    points = (np.abs(np.stack(arrays)) <= 3).all(0) & (stored[f"{name}/0"] < 1e4)
    arrays = [a[points].astype(dtype) for a in arrays]
    with np.errstate(all="ignore"):
        result = function(mg, *map(mg.tensor, arrays))
        expected = function(mg, *(mg.tensor(a.astype(np.float64)) for a in arrays)).numpy()
    if result.is_floating_point():
        assert result.dtype == dtype
        expected = expected.astype(dtype)
    np.testing.assert_allclose(result.numpy(), expected, 4e-6 if dtype == "float32" else 0.01, 4e-7)


def test_erf_and_erfc_to_units_in_the_last_place():
    points = np.concatenate([np.geomspace(1e-300, 0.4, 40), np.linspace(0.4, 5, 300), np.linspace(5, 30, 100)])
    points = np.concatenate([points, -points, [0.0, -0.0, np.inf, -np.inf]])
    for ours, exact in ((mg.erf, math.erf), (mg.erfc, math.erfc)):
        for dtype, ulps in ((np.float64, 6), (np.float32, 5), (np.float16, 1)):
            x = points.astype(dtype)
            expected = np.array([exact(v) for v in x.astype(np.float64)])
            if dtype is np.float64:
                normal = (expected == 0) | (np.abs(expected) > 1e-290)  # below, math.erfc itself loses digits
                x, expected = x[normal], expected[normal]
            unit = np.spacing(np.abs(expected.astype(dtype))).astype(np.float64)
            error = np.abs(ours(mg.tensor(x)).numpy().astype(np.float64) - expected)
            assert (error <= ulps * unit).all()
    assert math.copysign(1, mg.erf(mg.tensor(-0.0)).item()) == -1


# ------------------------------------------------------------------------------------- derivatives by differences

UNARY = {  # where to take the derivative: between these values, which keep away from kinks
    "abs": (0.1, 2), "acos": (-0.9, 0.9), "asin": (-0.9, 0.9), "atan": (-3, 3), "ceil": (0.1, 0.9), "cos": (-3, 3),
    "cosh": (-2, 2), "erf": (-3, 3), "erfc": (-3, 3), "exp": (-2, 2), "expm1": (-2, 2), "floor": (0.1, 0.9),
    "frac": (1.1, 1.9), "log": (0.2, 3), "log10": (0.2, 3), "log1p": (-0.7, 3), "log2": (0.2, 3),
    "nan_to_num": (-1, 1), "neg": (-1, 1), "reciprocal": (0.3, 2), "relu": (-2, -0.1), "round": (0.6, 1.4),
    "rsqrt": (0.3, 2), "sigmoid": (-4, 4), "sign": (0.1, 1),
    "sin": (-3, 3), "sinh": (-2, 2), "sqrt": (0.2, 3), "square": (-2, 2),
    "tan": (-1, 1), "tanh": (-2, 2), "trunc": (0.1, 0.9),
}  # fmt: skip
BINARY = {  # the same, for each operand
    "add": [(-2, 2), (-2, 2)], "sub": [(-2, 2), (-2, 2)], "mul": [(-2, 2), (-2, 2)], "div": [(-2, 2), (0.4, 2)],
    "pow": [(0.4, 2), (-2, 2)], "atan2": [(0.3, 2), (-2, 2)], "hypot": [(0.3, 2), (-2, 2)],
    "fmod": [(4.1, 5.9), (2, 2.01)], "remainder": [(-1.9, -0.1), (2, 2.1)],
    "maximum": [(1, 2), (0, 0.9)], "minimum": [(1, 2), (0, 0.9)],
    "fmax": [(0, 0.9), (1, 2)], "fmin": [(0, 0.9), (1, 2)], "floor_divide": [(4.1, 5.9), (2, 2.01)],
}  # fmt: skip
SEVERAL = {
    "lerp": (lambda a, b, w: mg.lerp(a, b, w), [(-2, 2), (-2, 2), (0.6, 2)]),
    "lerp near": (lambda a, b, w: mg.lerp(a, b, w), [(-2, 2), (-2, 2), (-0.4, 0.4)]),
    "addcmul": (lambda a, b, c: mg.addcmul(a, b, c, value=-0.5), [(-2, 2)] * 3),
    "addcdiv": (lambda a, b, c: mg.addcdiv(a, b, c, value=3), [(-2, 2), (-2, 2), (0.5, 1)]),
    "clamp": (lambda a, b, c: mg.clamp(a, b, c), [(-2, 2), (-1, -0.5), (0.5, 1)]),
    "clamp in disorder": (lambda a, b, c: mg.clamp(a, min=b, max=c), [(-2, 2), (0.5, 1), (-1, -0.5)]),
    "where": (lambda a, b, c: mg.where(c > 0, a, b), [(-2, 2), (-2, 2), (0.1, 1)]),
    "masked_fill": (lambda a, b, c: mg.masked_fill(a * b, c > 0, b.sum()), [(-2, 2), (-2, 2), (-1, -0.1)]),
    "round to decimals": (lambda a, b, c: mg.round(a, decimals=1) * b + c, [(0.06, 0.14), (-1, 1), (-1, 1)]),
}
SCALARS = {
    "2 + x": lambda x: 2 + x, "x + 2": lambda x: x + 2, "2 - x": lambda x: 2 - x, "x - 2": lambda x: x - 2,
    "3 * x": lambda x: 3 * x, "x * 3": lambda x: x * 3, "2 / x": lambda x: 2 / x, "x / 4": lambda x: x / 4,
    "x % 3": lambda x: x % 3, "3 % x": lambda x: 7 % x, "2 ** x": lambda x: 2**x, "True + x": lambda x: True + x,
    "x ** 3": lambda x: x**3, "x ** 4": lambda x: x**4, "x ** -1": lambda x: x**-1, "x ** -0.5": lambda x: x**-0.5,
    "x ** 0.5": lambda x: x**0.5, "x ** 1": lambda x: x**1, "x ** 0": lambda x: x**0, "-x": lambda x: -x,
    "abs(x)": abs, "add(alpha)": lambda x: mg.add(x, x, alpha=3), "sub(alpha)": lambda x: mg.sub(x, x * x, alpha=0.5),
    "NumPy's number": lambda x: x * np.float64(1.5) + np.int64(2), "clamp": lambda x: x.clamp(1.3, 1.6) * x,
    "lerp": lambda x: mg.lerp(x, x * x, 0.3), "masked_fill": lambda x: x.masked_fill(x > 1.5, 2) * x,
    "where": lambda x: mg.where(x > 1.5, x, 1.0) * mg.where(x > 1.5, 0, x),
    "clone": lambda x: x.clone() * x, "contiguous": lambda x: x.T.contiguous() * x.T,
}  # fmt: skip


def between(generator, limits, shape):
    return generator.uniform(*limits, shape)


@st.composite
def shapes(draw, operands):
    """Shapes that broadcast with one another: 0-d, odd, with sizes 0 and 1."""
    kinds = mutually_broadcastable_shapes(num_shapes=operands, max_dims=3, max_side=3, min_side=0)
    return draw(kinds).input_shapes


def check(function, limits, drawn):
    generator = np.random.default_rng(len(drawn) + sum(map(sum, drawn)))
    check_gradients(function, *(between(generator, lim, shape) for lim, shape in zip(limits, drawn)))


@pytest.mark.parametrize("name", UNARY)
def test_unary_gradients(name):
    for shape in ((), (3,), (2, 0), (2, 1, 3)):
        check(getattr(mg, name), [UNARY[name]], [shape])


@pytest.mark.parametrize("name", SCALARS)
def test_gradients_with_python_numbers(name):
    check(SCALARS[name], [(1.1, 1.9)], [(2, 3)])


@pytest.mark.parametrize("name", BINARY)
def test_binary_gradients(name):
    for drawn in ([(), ()], [(3,), (3,)], [(2, 1), (3,)], [(), (2, 2)], [(2, 0), (1, 1)], [(1, 3), (2, 1, 1)]):
        check(getattr(mg, name), BINARY[name], drawn)


@pytest.mark.parametrize("name", SEVERAL)
def test_gradients_of_three(name):
    function, limits = SEVERAL[name]
    check(function, limits, [(2, 1), (3,), ()])
    check(function, limits, [(), (2, 2), (2, 1)])


@given(shapes(3))
def test_gradients_broadcast(drawn):
    def function(a, b, c):
        return (a * b - c) / (b * b + 1) + mg.maximum(a, b + 3) * c.exp()

    check(function, [(-1, 1)] * 3, drawn)


@given(shapes(2))
def test_values_broadcast(drawn):
    a, b = (np.random.default_rng(1).standard_normal(shape) for shape in drawn)
    for ours, numpys in ((mg.sub, np.subtract), (mg.maximum, np.maximum), (mg.lt, np.less), (mg.atan2, np.arctan2)):
        result = ours(mg.tensor(a), mg.tensor(b))
        np.testing.assert_array_equal(result.numpy(), numpys(a, b))
    mask = mg.tensor(a) > 0
    np.testing.assert_array_equal(mg.where(mask, mg.tensor(b), 5).numpy(), np.where(a > 0, b, 5))


def test_square_of_one_tensor_counts_both_uses():
    x = mg.tensor([1.0, -2.0], requires_grad=True)
    (x * x + x / x - (x - x)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, -4])


# ----------------------------------------------------------------------------------------------------- promotion


@pytest.mark.parametrize("name", PROMOTING)
def test_promotion_is_that_stored_from_torch(name, stored):
    np.testing.assert_array_equal(made_by["promotions"](mg, name), stored[f"promotion/{name}"])


@pytest.mark.parametrize("function", [mg.exp, mg.sqrt, mg.sigmoid, mg.reciprocal, mg.erf, mg.tan])
def test_integers_become_float32_where_the_result_is_real(function):
    for dtype in DTYPES:
        result = function(mg.ones(2, dtype=dtype))
        assert result.dtype == (dtype if dtype.kind == "f" else mg.float32)


@pytest.mark.parametrize("function", [mg.floor, mg.ceil, mg.trunc, mg.round, mg.neg, mg.abs, mg.square, mg.relu])
def test_integers_stay_integers_where_they_can(function):
    for dtype in (mg.int8, mg.int16, mg.int32, mg.int64, mg.uint8):
        x = mg.tensor([3, 1], dtype=dtype)
        result = function(x)
        assert result.dtype == dtype
        result[0] = 7
        assert x.tolist() == [3, 1]


def test_integer_arithmetic():
    names = {"mg": mg, "a": mg.tensor([7, -7, 7, -7]), "b": mg.tensor([2, 2, -2, -2])}
    expected = {
        "a // b": [3, -4, -4, 3], "a % b": [1, 1, -1, -1], "a / b": [3.5, -3.5, -3.5, 3.5], "a ** 2": [49] * 4,
        "mg.fmod(a, b)": [1, -1, 1, -1], "mg.div(a, b, rounding_mode='trunc')": [3, -3, -3, 3],
        "mg.div(a, b, rounding_mode='floor')": [3, -4, -4, 3], "20 // b": [10, 10, -10, -10],
        "20 % a": [6, -1, 6, -1], "2 ** mg.abs(b)": [4] * 4, "a & 3": [3, 1, 3, 1], "b | 1": [3, 3, -1, -1],
        "a ^ b": [5, -5, -7, 7], "~a": [-8, 6, -8, 6], "a << 1": [14, -14] * 2, "a >> 1": [3, -4, 3, -4],
        "mg.sign(b)": [1, 1, -1, -1], "mg.clamp(a, -3, 3)": [3, -3, 3, -3],
    }  # fmt: skip
    for expression, values in expected.items():
        result = eval(expression, names)
        assert result.tolist() == values, expression
        assert result.dtype == (mg.float32 if "/ b" in expression.replace("//", "") else mg.int64), expression


def test_logic_of_booleans():
    a, b = mg.tensor([True, True, False, False]), mg.tensor([True, False, True, False])
    assert (a & b).tolist() == mg.logical_and(a, b).tolist() == (a * b).tolist() == [True, False, False, False]
    assert (a | b).tolist() == mg.logical_or(a, b).tolist() == (a + b).tolist() == [True, True, True, False]
    assert (a ^ b).tolist() == mg.logical_xor(a, b).tolist() == (a != b).tolist() == [False, True, True, False]
    assert (~a).tolist() == mg.logical_not(a).tolist() == [False, False, True, True]
    assert mg.logical_and(mg.tensor([2, 0]), mg.tensor([0.5, 0.5])).tolist() == [True, False]


def test_closeness():
    a = mg.tensor([1.0, 2.0, math.inf, math.nan])
    assert mg.isclose(a, a + 1e-6).tolist() == [True, True, True, False]
    assert mg.isclose(a, a, equal_nan=True).all()
    assert not mg.allclose(a, a)
    assert mg.allclose(a, a, equal_nan=True)
    assert mg.allclose(mg.tensor([100]), mg.tensor([101]), rtol=0.01)
    assert not mg.allclose(mg.tensor([101]), mg.tensor([100]), rtol=0.0099)  # relative to the second
    assert mg.equal(a[:3], a[:3].double())
    assert not mg.equal(a[:3], a[:2])
    assert mg.equal(mg.zeros(0), mg.zeros(0)) is True


# --------------------------------------------------------------------------------------------------------- errors

x, i, mask = mg.tensor([1.0, 2.0]), mg.tensor([1, 2]), mg.tensor([True, False])
ERRORS = [
    (lambda m, x, i, mask: x + "a", TypeError, "add"),
    (lambda m, x, i, mask: [1, 2] * x, TypeError, "mul"),
    (lambda m, x, i, mask: m.maximum(x, None), TypeError, "maximum"),
    (lambda m, x, i, mask: x < "a", TypeError, "lt"),
    (lambda m, x, i, mask: m.exp("a"), TypeError, "exp"),
    (lambda m, x, i, mask: m.exp(2.0), TypeError, "exp"),
    (lambda m, x, i, mask: m.floor([1.5]), TypeError, "floor"),
    (lambda m, x, i, mask: m.clamp(x, "a"), TypeError, "clamp"),
    (lambda m, x, i, mask: m.where(True, x, x), TypeError, "where"),
    (lambda m, x, i, mask: m.where(mask, x, "a"), TypeError, "where"),
    (lambda m, x, i, mask: m.equal(x, 1), TypeError, "equal"),
    (lambda m, x, i, mask: m.isclose(x, 1.0), TypeError, "isclose"),
    (lambda m, x, i, mask: m.ones(2, 3) + m.ones(4), RuntimeError, r"size of tensor a \(3\).*b \(4\).*dimension 1"),
    (lambda m, x, i, mask: m.ones(2, 3) > m.ones(4, 3), RuntimeError, r"a \(2\).*b \(4\).*dimension 0"),
    (lambda m, x, i, mask: m.where(mask, x, m.ones(3)), RuntimeError, r"where: The size of tensor"),
    (lambda m, x, i, mask: m.lerp(x, m.ones(3), 0.5), RuntimeError, "lerp: The size of tensor"),
    (lambda m, x, i, mask: m.clamp(x, m.ones(3)), RuntimeError, "clamp: The size of tensor"),
    (lambda m, x, i, mask: m.masked_fill(x, m.ones(3) > 0, 1), RuntimeError, "The size of tensor"),
    (lambda m, x, i, mask: m.isclose(x, m.ones(3)), RuntimeError, "isclose: The size of tensor"),
    (lambda m, x, i, mask: m.clamp(x), RuntimeError, "At least one of 'min' or 'max' must not be None"),
    (lambda m, x, i, mask: i // 0, RuntimeError, "ZeroDivisionError"),
    (lambda m, x, i, mask: i % m.tensor([1, 0]), RuntimeError, "ZeroDivisionError"),
    (lambda m, x, i, mask: m.fmod(i, 0), RuntimeError, "ZeroDivisionError"),
    (lambda m, x, i, mask: m.div(i, 0, rounding_mode="trunc"), RuntimeError, "ZeroDivisionError"),
    (lambda m, x, i, mask: m.div(x, 2, rounding_mode="up"), RuntimeError, "'trunc', or 'floor' but found 'up'"),
    (lambda m, x, i, mask: i**-1, RuntimeError, "Integers to negative integer powers are not allowed"),
    (lambda m, x, i, mask: mask - mask, RuntimeError, "sub: .*bool.*logical_not"),
    (lambda m, x, i, mask: 1 - mask, RuntimeError, "sub: .*bool.*logical_not"),
    (lambda m, x, i, mask: x - mask, RuntimeError, "sub: .*bool.*logical_not"),
    (lambda m, x, i, mask: -mask, RuntimeError, "neg: .*bool.*logical_not"),
    (lambda m, x, i, mask: mask // mask, RuntimeError, "floor_divide: .*bool"),
    (lambda m, x, i, mask: mask % mask, RuntimeError, "remainder: .*bool"),
    (lambda m, x, i, mask: mask**mask, RuntimeError, "pow: .*bool"),
    (lambda m, x, i, mask: m.floor(mask), RuntimeError, "floor: .*bool"),
    (lambda m, x, i, mask: m.frac(i), RuntimeError, "frac: .*int64"),
    (lambda m, x, i, mask: m.round(i, decimals=1), RuntimeError, "round: .*int64"),
    (lambda m, x, i, mask: m.lerp(i, i, 0.5), RuntimeError, "lerp: .*int64"),
    (lambda m, x, i, mask: m.lerp(x, x.double(), 0.5), RuntimeError, "float32 for `end` .*float64"),
    (lambda m, x, i, mask: m.lerp(x, x, i), RuntimeError, "float32 for `weight` .*int64"),
    (lambda m, x, i, mask: x & x, RuntimeError, "bitwise_and: .*float32"),
    (lambda m, x, i, mask: x << 1, RuntimeError, "bitwise_left_shift: .*float32"),
    (lambda m, x, i, mask: m.add(i, i, alpha=1.5), RuntimeError, "add: .*alpha.*int64"),
    (lambda m, x, i, mask: m.addcdiv(x, i, i), RuntimeError, "addcdiv: Integer division"),
    (lambda m, x, i, mask: m.isclose(x, x.double()), RuntimeError, "isclose: .*float32 and float64"),
    (lambda m, x, i, mask: m.isclose(x, x, rtol=-1), RuntimeError, "must be greater than or equal to zero"),
    (lambda m, x, i, mask: m.where(i, x, x), RuntimeError, "condition to be a boolean tensor"),
    (lambda m, x, i, mask: m.masked_fill(x, i, 1), RuntimeError, "only supports boolean masks"),
    (lambda m, x, i, mask: m.masked_fill(x, mask, x), RuntimeError, "only supports a 0-dimensional value"),
]


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_misuse_is_refused(function, error, message):
    with pytest.raises(error, match=message):
        function(mg, x, i, mask)


def test_no_numbers_may_be_divided_by_zero():
    none = mg.zeros(0, 3, dtype=mg.int64)
    for quotient in (none // 0, none % 0, mg.fmod(none, 0), mg.div(none, 0, rounding_mode="trunc")):
        assert quotient.shape == (0, 3) and quotient.dtype == mg.int64


def test_torch_refuses_the_same():
    torch = pytest.importorskip("torch")
    for function, error, _ in ERRORS:
        with pytest.raises(error):
            function(torch, *(torch.tensor(v.tolist()) for v in (x, i, mask)))


def test_comparison_with_something_else_is_pythons():
    assert (x == "a") is False
    assert (x != None) is True  # noqa: E711
    assert operator.eq(x, x).all()


def test_operators_from_the_right_and_signs():
    x = mg.tensor([1, 2])
    assert (+x is x, (1 << x).tolist(), (8 >> x).tolist()) == (True, [2, 4], [4, 2])
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed. Got -1"):
        x.to(mg.uint8) ** -1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, which says where numbers become NaN
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_quotients_of_floats_are_rounded_down_exactly(dtype):
    """1 // 0.1 is 9, as 0.1 is a little more than a tenth, though 1 / 0.1 is rounded to 10; and 5 % inf is 5."""
    inf, nan = math.inf, math.nan
    a = np.array([1, -1, 0.3, 5, -5, 5, -5, inf, nan, 2, -2, 0, 1e4, 6, 1e3], dtype)
    b = np.array([0.1, 0.1, 0.1, inf, inf, -inf, -inf, 2, 2, 0, 0, 3, 0.7, -4, 1e-2], dtype)
    for name in ("floor_divide", "remainder"):
        theirs, ours = getattr(np, name), getattr(mg, name)
        found = ours(mg.tensor(a), mg.tensor(b))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), theirs(a, b))
        np.testing.assert_array_equal(ours(mg.tensor(a), 1.0).numpy(), theirs(a, a[0]))
        np.testing.assert_array_equal(ours(1.0, mg.tensor(b)).numpy(), theirs(a[0], b))
    broadcast = mg.tensor(a).reshape(3, 5) // mg.tensor(b[:5])
    np.testing.assert_array_equal(broadcast.numpy(), a.reshape(3, 5) // b[:5])
