"""Constructors: values, dtypes and errors are PyTorch's."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.backend import on_gpu

HERE, ELSEWHERE = ("cuda:0", "cpu") if on_gpu else ("cpu", "cuda:0")

# ------------------------------------------------------------------------------------- results without randomness


def f(m):
    return m.tensor([1.0, 2.0])


def i(m):
    return m.tensor([1, 2])


RESULTS = [  # (function of a library, dtype, values)
    (lambda m: m.tensor(1), "int64", 1),
    (lambda m: m.tensor(1.5), "float32", 1.5),
    (lambda m: m.tensor(True), "bool", True),
    (lambda m: m.tensor([1, 2.5]), "float32", [1, 2.5]),
    (lambda m: m.tensor([True, 2]), "int64", [1, 2]),
    (lambda m: m.tensor([[1, 2], (3, 4)]), "int64", [[1, 2], [3, 4]]),
    (lambda m: m.tensor([]), "float32", []),
    (lambda m: m.tensor([[], []]), "float32", [[], []]),
    (lambda m: m.tensor(range(3)), "int64", [0, 1, 2]),
    (lambda m: m.tensor([m.tensor(1.0), m.tensor(2.0)]), "float32", [1, 2]),
    (lambda m: m.tensor([m.tensor(1), 2.5]), "float32", [1, 2.5]),
    (lambda m: m.tensor([[m.tensor(1)], [m.tensor([2])]]), "int64", [[1], [2]]),
    (lambda m: m.tensor(np.float64(1.5)), "float64", 1.5),
    (lambda m: m.tensor([np.float64(1.5)]), "float64", [1.5]),
    (lambda m: m.tensor([np.int32(1)]), "int32", [1]),
    (lambda m: m.tensor(np.arange(3, dtype=np.int16)), "int16", [0, 1, 2]),
    (lambda m: m.tensor([np.ones(2, np.float16)] * 2), "float16", [[1, 1], [1, 1]]),
    (lambda m: m.tensor(np.ones((3, 2)).T[::-1].copy()), "float64", [[1] * 3] * 2),
    (lambda m: m.tensor([1, 2], dtype=m.float64), "float64", [1, 2]),
    (lambda m: m.tensor([1.7, -1.7], dtype=m.int64), "int64", [1, -1]),
    (lambda m: m.tensor([1.7, 0], dtype=m.bool), "bool", [True, False]),
    (lambda m: m.tensor(2**62), "int64", 2**62),
    (lambda m: m.tensor(-1, dtype=m.uint8), "uint8", 255),
    (lambda m: f(m).clone(), "float32", [1, 2]),
    (lambda m: m.as_tensor([1, 2]), "int64", [1, 2]),
    (lambda m: m.as_tensor(1.5), "float32", 1.5),
    (lambda m: m.as_tensor(f(m), dtype=m.float64), "float64", [1, 2]),
    (lambda m: m.as_tensor(np.ones(2)), "float64", [1, 1]),
    (lambda m: m.zeros(2, 3), "float32", [[0] * 3] * 2),
    (lambda m: m.zeros((2, 3), dtype=m.int64), "int64", [[0] * 3] * 2),
    (lambda m: m.zeros([2]), "float32", [0, 0]),
    (lambda m: m.zeros(()), "float32", 0),
    (lambda m: m.zeros(0), "float32", []),
    (lambda m: m.zeros(np.int64(2)), "float32", [0, 0]),
    (lambda m: m.zeros(f(m).shape), "float32", [0, 0]),
    (lambda m: m.zeros(size=(1, 2), dtype=None), "float32", [[0, 0]]),
    (lambda m: m.zeros(2, device=m.zeros(1).device), "float32", [0, 0]),
    (lambda m: m.ones(2, dtype=m.bool), "bool", [True, True]),
    (lambda m: m.full((2,), 1), "int64", [1, 1]),
    (lambda m: m.full((2,), 1.0), "float32", [1, 1]),
    (lambda m: m.full((2,), True), "bool", [True, True]),
    (lambda m: m.full((1, 2), m.tensor(3.0)), "float32", [[3, 3]]),
    (lambda m: m.full((2,), 1.5, dtype=m.int64), "int64", [1, 1]),
    (lambda m: m.full_like(i(m), 3.5), "int64", [3, 3]),
    (lambda m: m.full_like(f(m), 3, dtype=m.float64), "float64", [3, 3]),
    (lambda m: m.zeros_like(i(m)), "int64", [0, 0]),
    (lambda m: m.ones_like(f(m), dtype=m.int8), "int8", [1, 1]),
    (lambda m: m.arange(4), "int64", [0, 1, 2, 3]),
    (lambda m: m.arange(4.0), "float32", [0, 1, 2, 3]),
    (lambda m: m.arange(1, 6, 2), "int64", [1, 3, 5]),
    (lambda m: m.arange(5, 1, -2), "int64", [5, 3]),
    (lambda m: m.arange(1, 2.5), "float32", [1, 2]),
    (lambda m: m.arange(1, 1), "int64", []),
    (lambda m: m.arange(end=3), "int64", [0, 1, 2]),
    (lambda m: m.arange(m.tensor(3)), "int64", [0, 1, 2]),
    (lambda m: m.arange(True), "int64", [0]),
    (lambda m: m.arange(3, dtype=m.float64), "float64", [0, 1, 2]),
    (lambda m: m.arange(0.5, 5, dtype=m.int64), "int64", [0, 1, 2, 3, 4]),
    (lambda m: m.arange(2**62, 2**62 + 2), "int64", [2**62, 2**62 + 1]),
    (lambda m: m.arange(2.5, dtype=m.int64), "int64", [0, 1]),
    (lambda m: m.arange(-0.5, 3, 1.5, dtype=m.int64), "int64", [0, 1, 2]),
    (lambda m: m.arange(2.5, dtype=m.int32), "int32", [0, 1, 2]),
    (lambda m: m.linspace(0, 1, 5), "float32", [0, 0.25, 0.5, 0.75, 1]),
    (lambda m: m.linspace(3, -4, 1), "float32", [3]),
    (lambda m: m.linspace(3, 4, 0), "float32", []),
    (lambda m: m.linspace(0, 10, 4, dtype=m.int64), "int64", [0, 3, 6, 10]),
    (lambda m: m.linspace(m.tensor(0.0), m.tensor(1.0), 3), "float32", [0, 0.5, 1]),
    (lambda m: m.logspace(0, 2, 3), "float32", [1, 10, 100]),
    (lambda m: m.logspace(0, 3, 4, base=2), "float32", [1, 2, 4, 8]),
    (lambda m: m.eye(2), "float32", [[1, 0], [0, 1]]),
    (lambda m: m.eye(1, 3, dtype=m.int64), "int64", [[1, 0, 0]]),
    (lambda m: m.eye(0), "float32", []),
    (lambda m: f(m).new_tensor([1, 2]), "float32", [1, 2]),
    (lambda m: i(m).new_tensor([1.5, 2]), "int64", [1, 2]),
    (lambda m: f(m).new_tensor([1], dtype=m.int32), "int32", [1]),
    (lambda m: i(m).new_zeros(1, 2), "int64", [[0, 0]]),
    (lambda m: i(m).new_ones((2,), dtype=m.float32), "float32", [1, 1]),
    (lambda m: i(m).new_full((2,), 3.5), "int64", [3, 3]),
    (lambda m: m.Tensor([[1, 2]]), "float32", [[1, 2]]),
]


def test_results():
    for number, (function, dtype, values) in enumerate(RESULTS):
        result = function(mg)
        assert str(result.dtype) == dtype, number
        assert result.tolist() == values, number
        assert result.is_leaf
        assert not result.requires_grad


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy")
def test_torch_gives_the_same_results():
    torch = pytest.importorskip("torch")
    for number, (function, dtype, values) in enumerate(RESULTS):
        result = function(torch)
        assert str(result.dtype) == f"torch.{dtype}", number
        assert result.tolist() == values, number


def test_linspace_and_arange_round_as_torch():
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    for steps in (2, 3, 8, 17, 1000):
        start, end = generator.uniform(-10, 10, 2).tolist()
        ours, theirs = (m.linspace(start, end, steps).numpy() for m in (mg, torch))
        np.testing.assert_array_equal(ours, theirs)
        ours, theirs = (m.arange(start, start + steps * 0.1, 0.1).numpy() for m in (mg, torch))
        np.testing.assert_allclose(ours, theirs, 2e-7, 2e-6)  # PyTorch's rounding depends on the processor


# --------------------------------------------------------------------------------------------------- memory, graph


def test_tensor_copies_and_the_others_share():
    array = np.zeros((2, 3), np.float32)
    copy, shared, same = mg.tensor(array), mg.from_numpy(array), mg.as_tensor(array)
    array[0, 0] = 5
    assert copy[0, 0].item() == 0
    assert shared[0, 0].item() == same[0, 0].item() == (0 if on_gpu else 5)  # the GPU has memory of its own
    shared[1] = 7
    assert array[1].tolist() == ([0, 0, 0] if on_gpu else [7, 7, 7])


def test_a_tensor_is_copied_by_tensor_alone():
    array = np.arange(6.0).reshape(2, 3)
    x = mg.from_numpy(array)
    assert mg.as_tensor(x) is x
    assert mg.as_tensor(array, dtype=mg.float32)[1, 0].item() == 3
    assert mg.tensor(array.T).is_contiguous()
    assert mg.tensor(x).array is not x.array


def test_requires_grad_makes_leaves():
    made = [
        mg.tensor([1.0], requires_grad=True), mg.zeros(2, requires_grad=True), mg.full((2,), 1.0, requires_grad=True),
        mg.randn(2, requires_grad=True), mg.ones_like(mg.ones(2), requires_grad=True), mg.eye(2, requires_grad=True),
        mg.linspace(0, 1, 2, requires_grad=True), mg.arange(2.0, requires_grad=True),
        mg.ones(2).new_zeros(2, requires_grad=True), mg.normal(0.0, 1.0, (2,), requires_grad=True),
    ]  # fmt: skip
    for x in made:
        assert x.requires_grad
        assert x.is_leaf
        (x * x).sum().backward()
        assert x.grad.tolist() == (2 * x).tolist()


# --------------------------------------------------------------------------------------------------- random values

RANDOM = [
    lambda m: m.rand(20), lambda m: m.rand((2, 3), dtype=m.float64), lambda m: m.randn(4, 5),
    lambda m: m.randn(size=(3,)), lambda m: m.randint(10, (7,)), lambda m: m.randint(-3, 5, (2, 2)),
    lambda m: m.randint(low=2, high=5, size=(3,)),
    lambda m: m.randint(0, 5, (3,), dtype=m.float32), lambda m: m.randperm(9),
    lambda m: m.randperm(5, dtype=m.float32),
    lambda m: m.rand_like(f(m)), lambda m: m.randn_like(f(m), dtype=m.float64), lambda m: m.randint_like(f(m), 3, 9),
    lambda m: m.normal(1.0, 2.0, (5,)), lambda m: m.normal(f(m), 0.5), lambda m: m.normal(2.0, f(m)),
    lambda m: m.normal(f(m), f(m).reshape(2, 1)), lambda m: m.normal(f(m)), lambda m: m.bernoulli(f(m) / 3),
    lambda m: m.normal(f(m), f(m).double()), lambda m: m.normal(m.tensor(1.0).double(), f(m)),
    lambda m: m.bernoulli(f(m), p=0.3), lambda m: m.multinomial(f(m), 2), lambda m: m.multinomial(f(m), 5, True),
    lambda m: m.empty(3, 2).normal_(1, 2), lambda m: m.empty(5).uniform_(-1, 1), lambda m: m.empty(5).uniform_(to=3),
    lambda m: m.empty(5).bernoulli_(0.4), lambda m: m.zeros(2, dtype=m.int64).bernoulli_(f(m) / 2),
    lambda m: m.empty(5).exponential_(2), lambda m: (f(m) / 3).bernoulli(), lambda m: (f(m) / 3).multinomial(1),
    lambda m: m.randn(2, generator=m.Generator().manual_seed(4)),
]  # fmt: skip


def test_random_values_are_torchs():
    torch = pytest.importorskip("torch")
    for m in (mg, torch):
        m.manual_seed(3)
    for number, function in enumerate(RANDOM):
        ours, theirs = function(mg), function(torch)
        assert str(theirs.dtype) == f"torch.{ours.dtype}", number
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), 1e-6, 1e-7, err_msg=str(number))


def test_random_values_follow_the_seed():
    results = []
    for _ in range(2):
        mg.manual_seed(3)
        results.append([function(mg).tolist() for function in RANDOM])
    assert results[0] == results[1]
    assert results[0][0] != results[0][2]


def test_normal_is_a_constant_for_the_graph():
    mean = mg.zeros(2, requires_grad=True)
    assert not mg.normal(mean, 1.0).requires_grad


# --------------------------------------------------------------------------------------------------------- errors

ERRORS = [
    (lambda m: m.tensor([[1, 2], [3]]), ValueError, "length"),
    (lambda m: m.tensor("a"), TypeError, "str"),
    (lambda m: m.tensor(None), RuntimeError, "infer.* dtype of NoneType"),
    (lambda m: m.tensor([None]), RuntimeError, "infer.* dtype of NoneType"),
    (lambda m: m.tensor({1, 2}), RuntimeError, "infer.* dtype of set"),
    (lambda m: m.tensor([f(m), f(m)]), ValueError, "only one element tensors can be converted"),
    (lambda m: m.tensor(2**64), ValueError, "fit into int64|Overflow"),
    (lambda m: m.tensor(2**63), (ValueError, RuntimeError), "fit into int64|[Oo]verflow"),
    (lambda m: m.tensor([300], dtype=m.uint8), RuntimeError, "without overflow"),
    (lambda m: m.tensor([1, 2], requires_grad=True), RuntimeError, "(?i)only Tensors of floating point"),
    (lambda m: m.tensor([1], m.float32), TypeError, "positional"),
    (lambda m: m.from_numpy([1]), TypeError, "expected np.ndarray"),
    (lambda m: m.from_numpy(np.array(["a"])), TypeError, None),
    (lambda m: m.zeros(), TypeError, "missing"),
    (lambda m: m.zeros(2.0), TypeError, "tuple of ints"),
    (lambda m: m.zeros(2, "a"), TypeError, "tuple of ints"),
    (lambda m: m.zeros(-1), RuntimeError, "negative"),
    (lambda m: m.zeros_like([1]), TypeError, "zeros_like.*list"),
    (lambda m: m.full(2, 1), TypeError, "tuple of ints"),
    (lambda m: m.full((2,), "a"), TypeError, "str"),
    (lambda m: m.ones(2).new_full(2, 1), TypeError, "tuple of ints"),
    (lambda m: m.arange(5, 1), RuntimeError, "inconsistent with step sign"),
    (lambda m: m.arange(-3), RuntimeError, "inconsistent with step sign"),
    (lambda m: m.arange(0, 5, 0), RuntimeError, "step must be nonzero"),
    (lambda m: m.arange(0, 5, 0.5, dtype=m.int64), (RuntimeError, ValueError), "step must be nonzero"),
    (lambda m: m.arange(0, float("inf")), RuntimeError, "unsupported range"),
    (lambda m: m.arange("a"), TypeError, "str"),
    (lambda m: m.linspace(0, 1, -1), RuntimeError, "number of steps must be non-negative"),
    (lambda m: m.linspace(0, 1, 2.5), TypeError, None),
    (lambda m: m.linspace(0, 1), TypeError, None),
    (lambda m: m.eye(-1), RuntimeError, "negative|greater or equal to 0"),
    (lambda m: m.eye(2.0), TypeError, "int"),
    (lambda m: m.randn(-1), RuntimeError, "negative dimension"),
    (lambda m: m.randn("a"), TypeError, "tuple of ints"),
    (lambda m: m.randn(2, dtype=m.int64), (TypeError, NotImplementedError), "int64|Long"),
    (lambda m: m.randint(5, 1, (2,)), RuntimeError, "to be less than 'to'"),
    (lambda m: m.randint(0, 5, 2), TypeError, None),
    (lambda m: m.randperm(-1), RuntimeError, None),
    (lambda m: m.normal(0.0, 1.0), TypeError, "normal"),
    (lambda m: m.normal(f(m), -f(m)), RuntimeError, "std >= 0"),
    (lambda m: m.normal(0.0, -1.0, (2,)), RuntimeError, "std >= 0"),
    (lambda m: m.normal(f(m), m.ones(3)), RuntimeError, "size of tensor a"),
    (lambda m: m.normal(i(m), 1.0), NotImplementedError, "int64|Long"),
    (lambda m: m.normal(1.0, i(m)), NotImplementedError, "int64|Long"),
    (lambda m: m.zeros(2).bernoulli_(m.zeros(3)), RuntimeError, "shape|size"),
    (lambda m: m.bernoulli(f(m)), RuntimeError, "p"),
    (lambda m: m.multinomial(f(m), 3), RuntimeError, "without replacement"),
    (lambda m: m.zeros(2).uniform_(2, 1), RuntimeError, "uniform_ expects"),
    (lambda m: m.zeros(2).normal_(0, -1), RuntimeError, "std >= 0"),
    (lambda m: m.zeros(2, device="meteor"), RuntimeError, "meteor"),
    (lambda m: m.randn(2, generator=3), TypeError, "Generator|generator"),
]


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_misuse_is_refused(function, error, message):
    with pytest.raises(error, match=message):
        function(mg)


def test_torch_refuses_the_same():
    torch = pytest.importorskip("torch")
    for function, error, message in ERRORS:
        with pytest.raises(error, match=message):
            function(torch)


@pytest.mark.parametrize("create", "tensor zeros rand randint arange eye full randperm normal".split())
def test_another_device_is_refused(create):
    arguments = {"randint": (3, (2,)), "full": ((2,), 1), "normal": (0.0, 1.0, (2,))}.get(create, (2,))
    assert getattr(mg, create)(*arguments, device=HERE).device == mg.device(HERE)
    with pytest.raises(RuntimeError, match=rf"{create}: this process computes on '{HERE}', got device '{ELSEWHERE}'"):
        getattr(mg, create)(*arguments, device=ELSEWHERE)


def test_unsupported_dtypes_are_refused():
    for make in (
        lambda: mg.zeros(2, dtype=complex), lambda: mg.tensor(np.ones(2, np.uint16)),
        lambda: mg.arange(3, dtype="U1"), lambda: mg.from_numpy(np.ones(2, ">f4")),
        lambda: mg.tensor([1.0], dtype="complex64"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="is not supported; expected one of float16, float32"):
            make()


@pytest.mark.parametrize(
    "data, dtype",
    [
        (lambda: [mg.tensor(0.1, dtype=mg.float64)], mg.float64),
        (lambda: [np.float32(1), 2.0], mg.float32),
        (lambda: [2, np.float64(1)], mg.float64),
        (lambda: [mg.tensor(1, dtype=mg.int32)], mg.int32),
        (lambda: [[mg.tensor(1.0), 2], [3, 4]], mg.float32),
        (lambda: [1, mg.tensor(2.5)], mg.float32),
        (lambda: [np.array([1.0]), np.array([2.0])], mg.float64),
        (lambda: [[1, 2.0], [True, 4]], mg.float32),
        (lambda: [range(3), range(3)], mg.int64),
    ],
)
def test_numbers_of_several_dtypes_take_what_holds_them_all(data, dtype):
    """torch's rule; numbers of Python count as the default dtype, int64 and bool."""
    x = mg.tensor(data())
    assert x.dtype == dtype and np.allclose(x.numpy(), np.array([np.asarray(row) for row in data()], float), atol=0)


def test_sizes_from_a_shape_and_integers_below_a_bound():
    assert mg.Tensor(mg.ones(2, 3).shape).shape == (2, 3)
    assert 0 <= mg.randint(high=3, size=(20,)).min() and mg.randint(high=1, size=(4,)).tolist() == [0] * 4
    x = mg.ones(2, requires_grad=True)
    x.sum().backward()
    del x.grad
    assert x.grad is None
