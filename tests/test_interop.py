"""Tensors among others: Python's protocols, NumPy, matplotlib, DLPack, copies, pickles, memory, devices."""

import copy
import operator
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from memory import only_on_the_cpu

import minigrad as mg
from minigrad.backend import on_gpu
from minigrad.utils import dlpack

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def outcome(call, *args):
    """What a call gives, of either library, or the type of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = call(*args)
    except Exception as error:
        return RuntimeError if isinstance(error, NotImplementedError) else type(error)
    return result.tolist() if hasattr(result, "tolist") else result


def leaf(*values):
    return mg.tensor([float(value) for value in values], requires_grad=True)


# --------------------------------------------------------------------------------------------- NumPy's arrays


@given(arrays)
def test_arrays_become_tensors_and_come_back(array):
    tensor = mg.from_numpy(array)
    assert tensor.dtype == array.dtype and tensor.shape == array.shape
    assert (tensor.numpy() is array) is not on_gpu
    np.testing.assert_array_equal(np.asarray(tensor), array)
    np.testing.assert_array_equal(np.array(tensor.tolist(), array.dtype).reshape(array.shape), array)


@only_on_the_cpu
def test_memory_is_shared_both_ways():
    array = np.zeros((2, 3), np.float32)
    tensor = mg.from_numpy(array)
    array[0, 1] = 5
    tensor[1] = 7
    tensor.numpy()[0, 0] = 3
    assert tensor.tolist() == array.tolist() == [[3, 5, 0], [7, 7, 7]]


def test_views_keep_their_strides():
    array = np.arange(12.0).reshape(3, 4)
    for view in (array.T, array[::2], array[:, 1], array[::-1]):
        tensor = mg.from_numpy(view)
        assert np.shares_memory(tensor.numpy(), array) is not on_gpu
        assert tensor.tolist() == view.tolist()
        assert (tensor * 2).tolist() == (view * 2).tolist()


def test_a_tensor_that_requires_grad_does_not_become_an_array():
    x = leaf(1, 2)
    for call in (x.numpy, lambda: np.asarray(x), lambda: np.exp(x), lambda: (x * 2).numpy()):
        with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
            call()
    assert (x.numpy(force=True) is x.array) is not on_gpu
    assert x.numpy(force=True).tolist() == [1, 2]
    assert (x * 2).numpy(force=True).tolist() == [2, 4]


@only_on_the_cpu
def test_numpy_says_whether_to_copy():
    x = mg.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.array)
    assert np.shares_memory(np.array(x, copy=False), x.array)
    assert not np.shares_memory(np.array(x), x.array)
    assert not np.shares_memory(np.asarray(x, copy=True), x.array)


@pytest.mark.skipif(not on_gpu, reason="the GPU's memory is no NumPy array")
def test_numpy_gets_copies_from_a_gpu():
    x = mg.tensor([1.0, 2.0])
    for array in (np.asarray(x), np.array(x), np.asarray(x, copy=True), x.numpy()):
        array += 1
    assert x.tolist() == [1, 2]
    with pytest.raises(ValueError, match="a Tensor of float32 on cuda:0 .* without a copy"):
        np.array(x, copy=False)


def test_numpy_says_which_dtype():
    x = mg.tensor([1.0, 2.0])
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.asarray(x, np.int64).tolist() == [1, 2]
    with pytest.raises(ValueError, match="a Tensor of float32 .* without a copy"):
        np.array(x, np.float64, copy=False)


@pytest.mark.parametrize(
    "array, got",
    [(np.array(["a"]), "<U1"), (np.ones(2, complex), "complex128"), (np.array([{}]), "object"),
     (np.ones(2, ">f4"), ">f4"), (np.ones(2, np.uint32), "uint32"), (np.zeros(1, "M8[D]"), "datetime64")],
)  # fmt: skip
def test_dtypes_that_no_tensor_has(array, got):
    with pytest.raises(TypeError, match=f"from_numpy.*{got}.*not supported"):
        mg.from_numpy(array)


@pytest.mark.parametrize("value", [3, [1.0], np.float32(3), None])
def test_from_numpy_takes_arrays_only(value):
    with pytest.raises(
        TypeError, match=f"expected np.ndarray.*got {type(value).__name__}|expected np.ndarray"
    ):
        mg.from_numpy(value)


@pytest.mark.parametrize("make", [mg.from_numpy, mg.tensor, mg.as_tensor])
def test_arrays_from_a_pickle_compute_as_any_other(make):
    x = make(
        pickle.loads(pickle.dumps(np.ones((2, 2), np.float32)))
    )  # its dtype equals float32 but is another object
    assert (x @ mg.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
    assert make(np.ones(2, np.longlong)).dtype is mg.int64


@only_on_the_cpu
def test_a_read_only_array_stays_so():
    array = np.ones(3)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        mg.from_numpy(array).add_(1)


# ------------------------------------------------------------------------------------------ NumPy's functions


UFUNCS = [np.exp, np.negative, np.sqrt, np.isfinite, np.sign, np.floor]
OPERATORS = [getattr(operator, name) for name in "add sub mul truediv pow lt eq ne".split()]
SCALARS = [
    np.float64(2.5),
    np.float32(2.5),
    np.float16(2.5),
    np.int64(3),
    np.int32(-3),
    np.uint8(3),
    np.bool_(True),
]


@pytest.mark.parametrize("ufunc", UFUNCS)
def test_a_ufunc_of_a_tensor_is_a_tensor(ufunc):
    x = mg.tensor([[0.5, 2.0], [4.0, 0.0]])
    y = ufunc(x)
    assert isinstance(y, mg.Tensor)
    np.testing.assert_array_equal(y.numpy(), ufunc(x.numpy()))
    assert y.dtype == ufunc(x.numpy()).dtype
    assert type(y.array) is type(x.array)


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: s.dtype.name)
@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_numpy_scalars_count_as_python_numbers(function, scalar, torch):
    def described(*operands):
        y = function(*operands)
        return str(y.dtype).removeprefix("torch."), type(y).__name__, [round(x, 5) for x in y.tolist()]

    for dtype in ("float32", "float64", "int64"):
        ours, theirs = (m.tensor([1, 2, 3], dtype=getattr(m, dtype)) for m in (mg, torch))
        assert outcome(described, ours, scalar) == outcome(described, theirs, scalar.item())
        assert outcome(described, scalar, ours) == outcome(described, scalar.item(), theirs)


@pytest.mark.skipif(not on_gpu, reason="on the CPU it counts as a tensor")
@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_an_array_of_the_host_beside_a_tensor_of_the_gpu_is_an_error(function):
    array, x = np.ones(3), mg.ones(3)
    for operands in (array, x), (x, array):
        with pytest.raises(TypeError, match="expected a Tensor or a number, got ndarray"):
            function(*operands)


@pytest.mark.skipif(on_gpu, reason="on the GPU it is an error")
@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_an_array_beside_a_tensor_counts_as_a_tensor(function):
    array, x = np.array([[1.0, 2.0, 3.0]]), mg.tensor([2.0, 0.5, 3.0])
    for y, expected in (
        (function(array, x), function(mg.from_numpy(array), x)),
        (function(x, array), function(x, mg.from_numpy(array))),
    ):
        assert isinstance(y, mg.Tensor)
        assert y.dtype == expected.dtype and y.tolist() == expected.tolist()


def test_gradients_flow_past_arrays_and_scalars():
    x, array = leaf(1, 2), np.array([3.0, 4.0], np.float32)
    ((mg.tensor(array) if on_gpu else array) * x * np.float64(2)).sum().backward()
    assert x.grad.tolist() == [6, 8] and x.grad.dtype == mg.float32


def test_numpy_functions_that_take_sequences():
    x = mg.arange(6.0).reshape(2, 3)
    assert np.concatenate([x, x]).shape == (4, 3)
    assert np.stack(list(x)).tolist() == x.tolist()
    assert np.allclose(x, x.numpy())
    np.testing.assert_array_equal(x, x.numpy())
    assert np.array([mg.tensor(1.5), mg.tensor(2.5)]).tolist() == [1.5, 2.5]


# ----------------------------------------------------------------------------------------- Python's protocols


VALUES = [3, 0, -2, 1.7, 0.0, True, False, [], [5], [[2.5]], [1, 2], [[1.0, 2.0], [3.0, 4.0]], float("nan")]
PROTOCOLS = {
    "item": lambda x: x.item(), "tolist": lambda x: x.tolist(), "bool": bool, "int": int, "float": float,
    "complex": complex, "index": operator.index, "len": len, "iterate": lambda x: [y.tolist() for y in x],
    "range": lambda x: list(range(x)), "list index": lambda x: "abcdef"[x], "contains": lambda x: 2 in x,
    "contains text": lambda x: "a" in x, "not": operator.not_, "unpack": lambda x: complex(*x),
    "star": lambda x: [y.tolist() for y in [*x]], "reversed": lambda x: [y.tolist() for y in reversed(x)],
    "sum": sum, "max": max, "sorted": sorted, "format": lambda x: f"{x:.2f}", "plain format": "{}".format,
    "percent": lambda x: operator.mod("%.1f", x), "hash": lambda x: hash(x) == hash(x),
    "round": lambda x: round(x, 1), "iter, then next": lambda x: next(iter(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_do_what_they_do_to_torch_tensors(name, torch):
    for value in VALUES:
        ours, theirs = (outcome(PROTOCOLS[name], m.tensor(value)) for m in (mg, torch))
        assert repr(ours) == repr(theirs), f"of {value}"


def test_numbers_come_out_as_python_numbers():
    assert type(mg.tensor(2.5).item()) is type(float(mg.tensor(2))) is float
    assert type(mg.tensor(2).item()) is type(int(mg.tensor(2.5))) is int
    assert type(mg.tensor(True).item()) is type(bool(mg.tensor(2.0))) is bool
    assert [type(x) for x in mg.tensor([1, 2]).tolist()] == [int, int]
    assert mg.tensor(0.1).item() == float(np.float32(0.1))
    assert (mg.zeros(2, 3).nelement(), mg.zeros(2, 3).numel(), mg.zeros(2, 3).ndim) == (6, 6, 2)


def test_what_python_asks_of_one_element():
    x = mg.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        x.item()
    with pytest.raises(
        ValueError, match=r"only one element tensors can be converted to Python scalars, got .*2"
    ):
        float(x)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(x)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with no values is ambiguous"):
        bool(mg.tensor([]))
    with pytest.raises(
        TypeError, match="only integer tensors of a single element can be converted to an index"
    ):
        range(mg.tensor(1.0))
    with pytest.raises(TypeError, match="len.* of a 0-d tensor"):
        len(mg.tensor(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(mg.tensor(1.0))
    with pytest.raises(RuntimeError, match="only a Tensor or a number can be in a Tensor, got str"):
        assert "a" in x


def test_iterating_gives_views_with_history():
    x = leaf(1, 2, 3)
    a, b, c = x
    (a * b + c).backward()
    assert x.grad.tolist() == [2, 1, 1]
    for row in (y := mg.zeros(2, 2)):
        row += 1
    assert y.tolist() == [[1, 1], [1, 1]]


# ------------------------------------------------------------------------------------------------- matplotlib


def test_matplotlib_draws_tensors():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x, image = mg.linspace(-1, 1, 50), mg.randn(8, 9)
    figure, axes = plt.subplots(2, 3)
    try:
        (line,) = axes[0, 0].plot(x, x.tanh())
        np.testing.assert_array_equal(line.get_ydata(), x.tanh().numpy())
        counts, edges, _ = axes[0, 1].hist(x, 10)
        np.testing.assert_array_equal(counts, np.histogram(x.numpy(), 10)[0])
        assert len(axes[0, 1].hist(image, 10)[0]) == 9  # a column each, as for arrays
        np.testing.assert_array_equal(axes[0, 2].imshow(image).get_array(), image.numpy())
        points = axes[1, 0].scatter(x, x**2, c=x).get_offsets()
        np.testing.assert_array_equal(points, np.stack([x.numpy(), (x**2).numpy()], 1))
        axes[1, 1].bar(mg.arange(3), mg.tensor([1.0, 2.0, 3.0]))
        axes[1, 2].axvline(mg.tensor(0.5))
        axes[1, 2].set_xlim(x[0], x[-1])
        axes[1, 2].fill_between(x, x - 1, x + 1)
        figure.canvas.draw()
    finally:
        plt.close(figure)


# ----------------------------------------------------------------------------------------------------- DLPack


@only_on_the_cpu
def test_dlpack_shares_memory_with_numpy():
    x = mg.arange(6.0).reshape(2, 3)
    array = np.from_dlpack(x.T)
    array[0, 1] = 9
    assert x.tolist() == [[0, 1, 2], [9, 4, 5]]
    y = mg.from_dlpack(array)
    y[0, 0] = 7
    assert x[0, 0] == 7 and y.stride() == (1, 3)


def test_dlpack_shares_memory_with_a_tensor():
    x = mg.arange(6.0).reshape(2, 3)
    y = mg.from_dlpack(x.T)
    y[0, 1] = 9
    assert x.tolist() == [[0, 1, 2], [9, 4, 5]]
    assert y.data_ptr() == x.data_ptr() and y.stride() == (1, 3)


@only_on_the_cpu
def test_dlpack_takes_a_capsule_once():
    x = mg.arange(6).reshape(2, 3)
    capsule = dlpack.to_dlpack(x)
    y = dlpack.from_dlpack(capsule)
    x[0, 1] = 7
    assert y.tolist() == [[0, 7, 2], [3, 4, 5]]
    with pytest.raises((BufferError, ValueError)):
        dlpack.from_dlpack(capsule)


@only_on_the_cpu
def test_dlpack_shares_memory_with_torch(torch):
    x = mg.arange(6.0).reshape(2, 3)
    there = torch.from_dlpack(x)
    there[0, 0] = 7
    back = dlpack.from_dlpack(there.T)
    back[2, 1] = 8
    assert x.tolist() == [[7, 1, 2], [3, 4, 8]] == there.tolist()
    assert torch.utils.dlpack.from_dlpack(dlpack.to_dlpack(x)).tolist() == x.tolist()
    assert dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(there)).tolist() == x.tolist()
    assert x.__dlpack_device__() == tuple(map(int, there.__dlpack_device__()))


@only_on_the_cpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_keeps_every_dtype(dtype, torch):
    x = mg.tensor([0, 1], dtype=getattr(mg, dtype))
    assert str(torch.from_dlpack(x).dtype) == f"torch.{dtype}"
    assert mg.from_dlpack(torch.from_dlpack(x)).dtype is x.dtype


@only_on_the_cpu
def test_dlpack_of_numbers_and_of_nothing(torch):
    assert mg.from_dlpack(torch.tensor(2.5)).item() == 2.5
    assert mg.from_dlpack(torch.zeros(0, 3)).shape == (0, 3)


def test_dlpack_refuses_history_and_strangers():
    with pytest.raises(BufferError, match="Can't export tensors that require gradient"):
        np.from_dlpack(leaf(1))
    with pytest.raises(TypeError, match="from_dlpack: expected an array or tensor with __dlpack__, got list"):
        mg.from_dlpack([1.0])
    with pytest.raises(TypeError, match="CPU arrays" if on_gpu else "complex64 is not supported"):
        mg.from_dlpack(np.ones(2, np.complex64))


# -------------------------------------------------------------------------------------- memory under a tensor


def test_views_lie_in_the_memory_of_their_base():
    x = mg.arange(12.0).reshape(3, 4)
    views = x[1], x[:, 2:], x.T, x.view(2, 6), x[1:][0], x.detach(), x.data, x.expand(2, 3, 4)
    for view in views:
        assert view.storage().data_ptr() == x.data_ptr()
        assert view.storage().tolist() == list(range(12))
        first = view.data_ptr() - x.data_ptr()
        assert view.storage_offset() * 4 == first
        assert x.storage()[view.storage_offset()] == view.reshape(-1)[0]
    assert x.clone().storage().data_ptr() != x.data_ptr() != mg.clone(x).data_ptr()
    assert x.reshape(12).data_ptr() == x.data_ptr() != x.T.reshape(12).data_ptr()


def test_a_stride_steps_through_the_storage():
    x = mg.arange(24).reshape(2, 3, 4).permute(2, 0, 1)[1:]
    memory, (a, b, c) = x.storage(), x.stride()
    for (i, j, k), value in np.ndenumerate(x.numpy()):
        assert memory[x.storage_offset() + i * a + j * b + k * c] == value


def test_the_storage_of_memory_in_other_orders():
    x = mg.from_numpy(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert x.storage().tolist() == [0, 3, 1, 4, 2, 5]


@only_on_the_cpu
def test_the_storage_of_what_numpy_made():
    assert mg.from_numpy(np.arange(5)[1::2]).storage().tolist() == [0, 1, 2, 3, 4]
    assert mg.from_numpy(np.frombuffer(b"\1\2\3", np.uint8)).storage().tolist() == [1, 2, 3]
    assert mg.from_numpy(np.ndarray((2,), np.uint8, b"\1\2\3\4", 0, (2,))).storage().tolist() == [1, 2, 3]


def test_writing_to_the_storage_writes_to_the_tensor():
    x = mg.zeros(2, 2)
    x.storage()[3] = 5
    x.T.untyped_storage()[0:4][3] = 64
    assert x.tolist() == [[2, 0], [0, 5]]


def test_what_a_storage_says_of_itself(torch):
    for m in (mg, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = m.arange(6, dtype=m.int32).reshape(2, 3)[1]
            typed, untyped = x.storage(), x.untyped_storage()
            storages = typed, untyped, m.zeros(0).storage()
            facts = [[s.size(), len(s), s.nbytes(), s.element_size(), list(s), s.tolist()] for s in storages]
            texts = [repr(s).replace("torch.", "minigrad.").replace(f"device={x.device}", "device=cpu") for s in storages]
        assert typed.data_ptr() == untyped.data_ptr()
        if m is mg:
            ours = facts, texts
    assert ours == (facts, texts)
    summary = "[minigrad.storage.TypedStorage(dtype=minigrad.int32, device=cpu) of size 6]"
    assert texts[0].split("\n") == [" 0", " 1", " 2", " 3", " 4", " 5", summary]


# ----------------------------------------------------------------------------------------- copies and pickles


def every_copy(x):
    return {"copy": copy.copy(x), "deepcopy": copy.deepcopy(x), "pickle": pickle.loads(pickle.dumps(x))}


@pytest.mark.parametrize("make", [
    lambda: mg.tensor([1.5, 2.5]), lambda: mg.arange(3), lambda: mg.tensor(True), lambda: mg.zeros(0, 2),
    lambda: mg.arange(6.0).reshape(2, 3).T, lambda: leaf(1, 2), lambda: mg.nn.Parameter(mg.ones(2)),
    lambda: mg.nn.Parameter(mg.ones(2).double(), requires_grad=False),
])  # fmt: skip
def test_copies_are_like_the_original(make):
    x = make()
    for name, y in every_copy(x).items():
        assert type(y) is type(x) and y is not x
        assert y.dtype is x.dtype and y.requires_grad is x.requires_grad and y.is_leaf
        assert y.tolist() == x.tolist() and y.shape == x.shape
        assert (y.numel() and y.data_ptr() == x.data_ptr()) == (name == "copy" and x.numel() > 0)


def test_a_copy_shares_memory_and_versions():
    x = mg.ones(2)
    y = copy.copy(x)
    y += 1
    assert x.tolist() == [2, 2] and x._version == y._version == 1


def test_copies_are_outside_of_the_graph():
    x = leaf(1, 2)
    y = x * 2
    for z in (copy.copy(y), pickle.loads(pickle.dumps(y))):
        assert z.is_leaf and z.requires_grad
        (z * 3).sum().backward()
        assert z.grad.tolist() == [3, 3] and x.grad is None
    with pytest.raises(
        RuntimeError, match="Only Tensors created explicitly by the user support the deepcopy protocol"
    ):
        copy.deepcopy(y)


def test_gradients_of_copies():
    x, p = leaf(1, 2), mg.nn.Parameter(mg.ones(2))
    (x * p).sum().backward()
    assert [name for name, y in every_copy(x).items() if y.grad is not None] == ["deepcopy"]
    assert all(y.grad is None for y in every_copy(p).values())  # as in torch
    y = copy.deepcopy(x)
    y.grad += 1
    assert x.grad.tolist() == [1, 1]
    x.requires_grad_(False)
    assert [name for name, y in every_copy(x).items() if y.grad is not None] == ["deepcopy"]
    assert copy.deepcopy(x).grad.data_ptr() != x.grad.data_ptr()


def test_attributes_of_one_s_own_are_copied():
    x = mg.ones(2)
    x.label = ["a"]
    for name, y in every_copy(x).items():
        assert y.label == ["a"] and (y.label is x.label) == (name == "copy")


def test_one_tensor_in_two_places_stays_one():
    x = leaf(1, 2)
    for both in (copy.deepcopy([x, x]), pickle.loads(pickle.dumps([x, x]))):
        assert both[0] is both[1]


def test_a_copied_model_trains_by_itself():
    model = mg.nn.Sequential(mg.nn.Linear(2, 3), mg.nn.BatchNorm1d(3), mg.nn.Tanh())
    model(mg.randn(4, 2)).sum().backward()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with mg.no_grad():
            for p in other.parameters():
                p += 1
        assert [p.grad for p in other.parameters()] == [None] * 4
        for (name, a), b in zip(model.state_dict().items(), other.state_dict().values()):
            assert a.data_ptr() != b.data_ptr(), name
        assert mg.allclose(other[0].weight, model[0].weight + 1)


def test_a_pickled_tensor_computes_as_any_other():
    x = pickle.loads(pickle.dumps(mg.ones(2, 2)))
    assert (x @ mg.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
    x[0, 0] = 5
    assert x.tolist() == [[5, 1], [1, 1]]


# ----------------------------------------------------------------------------------------- dtypes and devices


TYPES = dict(zip(DTYPES, "Half Float Double Char Short Int Long Byte Bool".split()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_older_names_of_types(dtype):
    x = mg.ones(2, dtype=getattr(mg, dtype))
    assert x.type() == f"minigrad.{'cuda.' * on_gpu}{TYPES[dtype]}Tensor"
    assert mg.zeros(2).type(x.type()).dtype is x.dtype
    assert mg.zeros(2).type(x.dtype).dtype is x.dtype


def test_limits_of_dtypes(torch):
    for dtype in DTYPES[:-1]:
        name = "finfo" if dtype.startswith("float") else "iinfo"
        ours, theirs = (getattr(m, name)(getattr(m, dtype)) for m in (mg, torch))
        assert ours._asdict() == {field: getattr(theirs, field) for field in ours._fields}
    assert mg.finfo().eps == torch.finfo().eps
    with pytest.raises(TypeError, match="finfo.*int64.*iinfo"):
        mg.finfo(mg.int64)
    with pytest.raises(TypeError, match="iinfo.*float32.*finfo"):
        mg.iinfo(mg.float32)


def test_questions_about_arguments():
    x = mg.zeros(2, 3)
    assert (mg.is_tensor(x), mg.is_tensor(mg.nn.Parameter(x)), mg.is_tensor(x.array)) == (True, True, False)
    assert (mg.is_floating_point(x), mg.is_floating_point(x.long()), mg.numel(x)) == (True, False, 6)
    for function in (mg.is_floating_point, mg.numel):
        with pytest.raises(
            TypeError, match=rf"{function.__name__}\(\): argument 'input' must be Tensor, not list"
        ):
            function([1.0])


DEFAULTS = {
    "tensor": lambda m: m.tensor(1.5), "empty list": lambda m: m.tensor([]), "zeros": lambda m: m.zeros(2),
    "arange": lambda m: m.arange(2.0), "linspace": lambda m: m.linspace(0, 1, 3), "eye": lambda m: m.eye(2),
    "full": lambda m: m.full((2,), 1.5), "randn": lambda m: m.randn(2), "rand": lambda m: m.rand(2),
    "normal": lambda m: m.normal(0.0, 1.0, (2,)), "Tensor": lambda m: m.Tensor([1, 2]),
    "empty": lambda m: m.Tensor(2), "sigmoid of truths": lambda m: m.tensor([True]).sigmoid(),
    "divide integers": lambda m: m.arange(3) / 2, "integers times number": lambda m: m.arange(3) * 2.5,
    "exp of integers": lambda m: m.arange(3).exp(), "logsumexp": lambda m: m.arange(3).logsumexp(0),
    "Linear": lambda m: m.nn.Linear(2, 2).weight, "BatchNorm1d": lambda m: m.nn.BatchNorm1d(2).running_mean,
    "integers": lambda m: m.tensor(1), "float32 times number": lambda m: m.zeros(2, dtype=m.float32) * 2.5,
    "float()": lambda m: m.zeros(2).float(), "ones_like": lambda m: m.ones_like(m.zeros(2, dtype=m.float32)),
    "where": lambda m: m.where(m.tensor([True]), 1.5, 2.5),
}  # fmt: skip


@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("name", DEFAULTS)
def test_what_follows_the_default_dtype(name, default, torch):
    dtypes = []
    for m in (mg, torch):
        before = m.get_default_dtype()
        try:
            m.set_default_dtype(getattr(m, default))
            assert m.get_default_dtype() == getattr(m, default)
            dtypes.append(str(DEFAULTS[name](m).dtype).removeprefix("torch."))
        finally:
            m.set_default_dtype(before)
    assert dtypes[0] == dtypes[1]


@pytest.mark.parametrize("dtype", ["int64", "bool", "longdouble", "complex64"])
def test_the_default_dtype_is_a_floating_one(dtype):
    with pytest.raises(TypeError, match="only floating-point types are supported as the default type, got"):
        mg.set_default_dtype(dtype)
    assert mg.get_default_dtype() is mg.float32


def test_devices_as_torch_describes_them(torch):
    for arguments in (("cpu",), ("cuda",), ("cuda:1",), ("cuda", 1), ("cpu:0",), ("cuda:12",)):
        ours, theirs = mg.device(*arguments), torch.device(*arguments)
        assert (repr(ours), str(ours), ours.type, ours.index) == (
            repr(theirs),
            str(theirs),
            theirs.type,
            theirs.index,
        )
    assert mg.device("cuda:1") == mg.device("cuda", 1) == mg.device(mg.device("cuda:1")) != mg.device("cuda")
    assert mg.device("cpu") != "cpu" and torch.device("cpu") != "cpu"
    assert len({mg.device("cpu"), mg.device("cpu"), mg.device("cuda")}) == 2
    assert "on %s" % mg.device("cuda:1") == f"on {mg.device('cuda', 1)}"  # noqa: UP031


@pytest.mark.parametrize("name", ["tpu", "", 0, "cuda:x", "cuda:", "cuda:-1", None])
def test_devices_that_there_are_not(name):
    with pytest.raises(RuntimeError, match="device: expected"):
        mg.device(name)
    with pytest.raises(RuntimeError, match="device: expected one index"):
        mg.device("cuda:1", 1)


@pytest.mark.skipif(mg.cuda.is_available(), reason="says what a process without a GPU answers")
def test_a_process_on_the_cpu():
    x = mg.ones(2)
    assert x.device == mg.device("cpu") and not x.is_cuda
    for place in ("cpu", mg.device("cpu"), "cpu:0"):
        assert x.to(place) is x
        assert mg.zeros(2, device=place).device.type == "cpu"
    assert x.cpu() is x and x.to(x.device, mg.float64).dtype is mg.float64
    for place in ("cuda", "cuda:0", mg.device("cuda"), "cpu:1"):
        with pytest.raises(
            RuntimeError, match=r"to: this process computes on 'cpu', got device .*MINIGRAD_BACKEND"
        ):
            x.to(place)
    with pytest.raises(RuntimeError, match="device: expected cpu or cuda"):
        x.to("tpu")
    assert (mg.cuda.is_available(), mg.cuda.device_count()) == (False, 0)
    assert (mg.accelerator.is_available(), mg.accelerator.current_accelerator()) == (False, None)
    assert mg.accelerator.device_count() == 0
    for call in ("synchronize", "current_device", "get_device_name"):
        with pytest.raises(
            RuntimeError, match=f"cuda.{call}: this process computes on the CPU; MINIGRAD_BACKEND=cupy"
        ):
            getattr(mg.cuda, call)()
    with pytest.raises(RuntimeError, match="cuda.set_device: this process computes on the CPU"):
        mg.cuda.set_device(0)
    mg.cuda.empty_cache()


def test_seeding_the_gpu_leaves_the_stream_alone():
    state = np.array(mg.get_rng_state())
    mg.cuda.manual_seed_all(1), mg.cuda.manual_seed(1)
    np.testing.assert_array_equal(np.array(mg.get_rng_state()), state)


def test_sizes_are_tuples_that_stay_sizes(torch):
    for m in (mg, torch):
        size = m.zeros(2, 3).shape
        sizes = size, size[:1], size + (4,), (4,) + size, size[1:] + size
        texts = [str(s).replace("torch", "minigrad") for s in sizes]
        assert size == (2, 3) and hash(size) == hash((2, 3)) and size[-1] == 3 and size.numel() == 6
        if m is mg:
            expected = texts
    assert texts == expected
    assert texts[2] == "minigrad.Size([2, 3, 4])"


# ------------------------------------------------------------------------------------------------------- on a GPU

gpu = pytest.mark.skipif(not on_gpu, reason="says what a process on a GPU answers")


@gpu
def test_a_process_on_the_gpu():
    x, layer = mg.ones(2), mg.nn.Linear(2, 2)
    assert x.device == mg.device("cuda", 0) and x.is_cuda
    for place in ("cuda", "cuda:0", mg.device("cuda"), x.device):
        assert x.to(place) is x and mg.zeros(2, device=place).device == x.device and layer.to(place) is layer
    assert x.cuda() is x and x.to("cuda", mg.float64).dtype is mg.float64
    # on the way to NumPy, to which `numpy` alone brings numbers
    assert x.cpu() is x and x.to("cpu") is x and layer.cpu() is layer and layer.to("cpu") is layer
    assert x.to("cpu").numpy().tolist() == x.cpu().numpy().tolist() == [1, 1]
    assert x.to("cpu", mg.int64).dtype is mg.int64
    for call in (lambda: x.to("cuda:1"), lambda: mg.zeros(2, device="cpu"), lambda: mg.tensor(1, device="cpu:0")):
        with pytest.raises(RuntimeError, match="this process computes on 'cuda:0', got device '(cuda:1|cpu|cpu:0)'"):
            call()


@gpu
def test_arrays_of_the_library_are_tensors_at_once():
    from minigrad.backend import asarray, xp

    array = asarray(np.arange(3.0))
    x = mg.as_tensor(array), mg.tensor(array), mg.from_dlpack(array)
    assert all(y.tolist() == [0, 1, 2] and y.dtype is mg.float64 for y in x)
    assert (x[0] + array).tolist() == (array + x[0]).tolist() == [0, 2, 4]
    with mg.cuda.counting() as counted:
        mg.tensor(array), mg.as_tensor(array), mg.as_tensor(x[0]), x[0] + array
    assert not counted and isinstance(x[1].array, xp.ndarray)


@gpu
@pytest.mark.parametrize("call", [
    lambda x, a: x + a, lambda x, a: a * x, lambda x, a: x @ a, lambda x, a: mg.cat([x, a]),
    lambda x, a: mg.where(x > 0, x, a), lambda x, a: x == a, lambda x, a: x.copy_(a),
    lambda x, a: x.__setitem__(slice(2), a[:2]),
    lambda x, a: mg.exp(a), lambda x, a: mg.nn.functional.mse_loss(x, a), lambda x, a: mg.nn.Linear(3, 2)(a),
    lambda x, a: mg.gather(x, 0, a.astype(int)),
    lambda x, a: mg.nn.functional.cross_entropy(x[None], a.astype(int)[:1]), lambda x, a: mg.einsum("i,i->", x, a),
    lambda x, a: mg.nn.functional.gelu(a), lambda x, a: mg.nn.functional.conv1d(a[None, None], x[None, None]),
])  # fmt: skip
def test_mixing_host_and_gpu_says_which_operand_is_where(call):
    match = r"ndarray, which is on the host, while tensors are on cuda:0: minigrad.tensor\(array\) moves it there"
    with pytest.raises(TypeError, match=match):
        call(mg.ones(3), np.ones(3, np.float32))


@gpu
def test_pictures_bring_numbers_to_the_host_and_send_none_back():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    x = mg.arange(4)
    with mg.cuda.counting() as counted:
        (line,) = axes.plot(x, x * x)
        axes.imshow(x.reshape(2, 2))
        axes.hist(x)
    assert line.get_ydata().tolist() == [0, 1, 4, 9] and counted["to device"] == 0 < counted["to host"]
