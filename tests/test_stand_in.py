"""The stand-in for CuPy: it keeps the rules that its docstring names, and counts what a training step costs."""

import copy
import importlib.util
import inspect
import json
import operator
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "stand_in"


def loaded():
    """The stand-in under a name of its own, whatever library the process computes with."""
    spec = importlib.util.spec_from_file_location("stand_in", FOLDER / "cupy" / "__init__.py")
    module = sys.modules["stand_in"] = importlib.util.module_from_spec(spec)  # where its parts look for it
    spec.loader.exec_module(module)
    return module


xp = loaded()


def traffic_of(call, *args):
    """What a call sends and waits for; launches are counted apart."""
    with xp.counting() as during:
        call(*args)
    del during["launches"]
    return dict(during)


# ------------------------------------------------------------------------------------------------------------ its rules


@pytest.mark.parametrize("call", [
    np.asarray, np.array, lambda x: np.ones(2) + x, lambda x: x + np.ones(2), lambda x: x == np.ones(2),
    lambda x: x.__iadd__(np.ones(2)), lambda x: np.add(np.ones(2), x), lambda x: xp.add(x, np.ones(2)),
    lambda x: xp.add(x, x, np.ones(2)), lambda x: xp.where(x > 0, x, np.ones(2)), lambda x: np.concatenate([x, np.ones(2)]),
    lambda x: xp.stack([x, np.ones(2)]), lambda x: xp.array([x, np.ones(2)]), lambda x: xp.sum(np.ones(2)),
    lambda x: operator.setitem(x, slice(None), np.ones(2)), lambda x: operator.setitem(x, [0, 1], np.ones(2)),
    lambda x: operator.setitem(np.ones(2), slice(None), x), lambda x: x.take(np.array([0])), lambda x: x.dot(np.ones(2)),
    lambda x: x @ np.ones(2), lambda x: xp.exp([1.0]), lambda x: xp.add.at(x, xp.asarray([0]), np.ones(1)),
])  # fmt: skip
def test_arrays_of_the_host_do_not_mix_with_those_of_the_device(call):
    with pytest.raises(TypeError):
        call(xp.ones(2))


def test_an_array_of_the_host_is_no_index():
    with pytest.raises(IndexError):
        xp.ones(2)[np.array([0])]


def test_numbers_come_to_the_host_when_asked():
    x, number = xp.asarray([[1.0, 2.0]]), xp.asarray(3)
    assert isinstance(xp.asnumpy(x), np.ndarray) and isinstance(x.get(), np.ndarray)
    x.get()[:] = 5
    assert x.tolist() == [[1, 2]] and number.item() == int(number) == float(number) == 3 and bool(number)
    with pytest.raises(TypeError):
        operator.index(number)
    with pytest.raises(TypeError):
        hash(number)


def test_traffic_is_counted():
    x, mask = xp.ones((3, 3)), xp.ones(3) > 0
    one = {"to host": 1, "waits": 1}
    for ask in (x.get, x.tolist, x[0, 0].item, lambda: bool(x[0, 0]), lambda: repr(x), lambda: xp.asnumpy(x)):
        assert traffic_of(ask) == one
    for send in (lambda: xp.asarray([1, 2]), lambda: xp.array(np.ones(3)), lambda: x[[0, 1]]):
        assert traffic_of(send) == {"to device": 1}
    for look in (lambda: x[mask], lambda: xp.nonzero(x), lambda: xp.where(mask), lambda: xp.unique(x), mask.nonzero):
        assert traffic_of(look) == {"waits": 1}
    assert traffic_of(xp.bincount, xp.zeros(3, "int64")) == {"waits": 2}
    assert traffic_of(xp.cuda.Device().synchronize) == {"waits": 1}
    for stay in (
        lambda: xp.exp(x) @ x + 1, lambda: x.sum() * 2, lambda: xp.where(mask, x, 0.0), lambda: xp.asarray(2.0),
        lambda: x[:, 1], lambda: x.take(xp.arange(2), 0), lambda: operator.setitem(x, 0, 1.0), lambda: copy.deepcopy(x),
    ):  # fmt: skip
        assert traffic_of(stay) == {}


def test_reductions_and_elements_are_arrays():
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    row = x[0]
    for y in (x.sum(), x.max(), x[0, 0], xp.mean(x), x.any(), x.argmax(), row.dot(row), xp.linalg.norm(x), next(iter(row))):
        assert isinstance(y, xp.ndarray) and y.shape == ()
    y = x[1, 1]
    y += 5
    x[0][0] = 7
    x.T[0, 1] = 8
    assert x.tolist() == [[7, 2], [8, 9]]


def test_indices_wrap_around():
    x, far = xp.arange(5), xp.asarray([7, -1, -6])
    for y in (x[far], x.take(far), xp.take_along_axis(x, far, 0)):
        assert y.tolist() == [2, 4, 4]
    assert xp.ravel_multi_index((far, xp.zeros(3, int)), (5, 2)).tolist() == [4, 8, 8]
    x[far] = 9
    assert x.tolist() == [0, 1, 9, 3, 9]
    xp.add.at(y := xp.zeros(5, "float32"), far, xp.ones(3))
    assert y.tolist() == [0, 0, 1, 0, 2]
    with pytest.raises(IndexError):
        x[5]
    with pytest.raises(IndexError):
        x[xp.ones(1)]


def test_results_are_in_c_order():
    x = xp.array(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert x.flags.f_contiguous and not x.flags.c_contiguous
    for y in (x * 2, xp.exp(x), -x, x + x, xp.where(x > 0, x, x), x.copy(), xp.clip(x, 0, 1), x.sum(0, keepdims=True)):
        assert y.flags.c_contiguous
    for y in (xp.array(x), x.astype("float32"), xp.zeros_like(x), x.copy("K"), x[:]):
        assert y.flags.f_contiguous
    strided = np.arange(12.0)[::2]
    assert xp.asarray(strided).strides == (8,) and xp.asarray(strided).tolist() == strided.tolist()


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_are_long_longs(name):
    dtype = getattr(xp.ones(3), name)().dtype
    assert dtype == np.dtype("int64") and dtype is not np.dtype("int64")
    assert getattr(xp, name)(xp.ones(3)).view("int64").dtype is np.dtype("int64")


def test_few_dtypes_are_added_to_one_place():
    for dtype in ("int8", "int16", "int64", "uint8", "bool"):
        with pytest.raises(TypeError, match="only supports"):
            xp.add.at(xp.zeros(2, dtype), xp.asarray([0]), 1)
    for dtype in ("int32", "uint64", "float16", "float32", "float64"):
        xp.add.at(x := xp.zeros(2, dtype), xp.asarray([0, 0]), 1)
        assert x.tolist() == [2, 0]
    for function in (xp.multiply.at, xp.maximum.reduce):
        with pytest.raises(NotImplementedError):
            function(xp.ones(2), xp.asarray([0]))


def test_every_array_can_be_written_to_and_none_warns():
    read_only = np.ones(3)
    read_only.flags.writeable = False
    for x in (
        xp.asarray(read_only), xp.broadcast_to(xp.ones(1), 3), xp.ones((3, 3)).diagonal(), xp.diag(xp.ones((3, 3))),
        xp.lib.stride_tricks.as_strided(xp.broadcast_to(xp.ones(1), 3), (3,), (0,)),
    ):  # fmt: skip
        x[...] = 2
        assert x.tolist() == [2, 2, 2]
    assert not hasattr(x.flags, "writeable")
    x = xp.asarray([0.0, -1.0, 1e308])
    assert np.isnan(xp.log(x).tolist()[1]) and (x * 10).tolist()[2] == (1 / x).tolist()[0] == np.inf
    assert (xp.arange(3) // 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("call", [
    lambda x: xp.sum(x, initial=0), lambda x: x.max(where=x > 0), lambda x: x.take(xp.arange(2), mode="clip"),
    lambda x: x.astype("float32", casting="safe"), lambda x: xp.exp(x, where=x > 0), lambda x: xp.where(True, x, x),
    lambda x: xp.array(x, like=x), lambda x: x.sum(0, None, None, False, 0), lambda x: xp.stack([x], axis=0, order="C"),
    lambda x: xp.ones(2, like=x), lambda x: x.item(0),
])  # fmt: skip
def test_arguments_that_cupy_lacks_are_refused(call):
    with pytest.raises((TypeError, AttributeError)):
        call(xp.ones(2))


@pytest.mark.parametrize("name", ["vecdot", "errstate", "nditer", "save", "memmap", "no_such_function"])
def test_functions_that_cupy_lacks_are_missing(name):
    with pytest.raises(AttributeError, match=name):
        getattr(xp, name)


def test_views_and_copies():
    x = xp.arange(6).reshape(2, 3)
    for y in (x.T, x[1], x[:, 1:], x.reshape(-1), x.view("uint64"), x.squeeze(), xp.flip(x), x[None], xp.moveaxis(x, 0, 1)):
        assert xp.shares_memory(x, y) and y.base is not None and not y.flags.owndata
    for y in (x.T.reshape(-1), x[[0]], x[x > 2], x.copy(), x + 0, x.take(xp.arange(1), 0), x.astype("int64"), xp.array(x)):
        assert not xp.shares_memory(x, y) and y.base is None
    assert xp.asarray(x) is x and x.astype("int64", copy=False) is x and xp.ascontiguousarray(x) is x
    assert xp.multiply(x, 2, x) is x and xp.clip(x, 1, 2, out=x) is x
    z = x
    z += 1
    assert z is x


# --------------------------------------------------------------------------------------------------- kernels in CUDA C


def launches_of(call, *args):
    with xp.counting() as during:
        call(*args)
    return during["launches"]


def test_launches_are_counted():
    x, index = xp.ones((3, 4)), xp.arange(2)
    for once in (
        lambda: x + 1, lambda: xp.exp(x, x), lambda: x.sum(), lambda: x @ x.T, lambda: x.copy(), lambda: x[index],
        lambda: operator.setitem(x, 0, 1.0), lambda: xp.copyto(x, x), lambda: x.T.reshape(-1), lambda: xp.zeros(3),
        lambda: xp.add.at(x, index, 1.0), lambda: xp.array(x),
    ):  # fmt: skip
        assert launches_of(once) == 1
    for never in (lambda: x.T[1:].swapaxes(0, 1), lambda: xp.empty(3), lambda: xp.empty((0, 2)) + 1, lambda: xp.asarray(x)):
        assert launches_of(never) == 0


TOTALS = """
extern "C" __global__ void totals(const float *x, float *y, long long n, double scale) {
    __shared__ float part[64];
    float sum = 0;
    for (long long k = threadIdx.x; k < n; k += blockDim.x) sum += x[blockIdx.x * n + k];
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) y[blockIdx.x] = part[0] * (float)scale;
}
"""
with_compiler = pytest.mark.skipif(xp.kernels.COMPILER is None, reason="kernels run on the host where g++ is installed")


@with_compiler
def test_the_threads_of_a_block_meet_at_barriers():
    x, y = xp.asarray(np.arange(300, dtype="float32").reshape(3, 100)), xp.empty(3, "float32")
    for threads in (1, 32, 64):
        y.fill(0)
        assert launches_of(xp.RawKernel(TOTALS, "totals"), (3,), (threads,), (x, y, 100, 2.0)) == 1
        assert y.tolist() == (2 * x.host.sum(1)).tolist()
    dynamic = TOTALS.replace("__shared__ float part[64]", "extern __shared__ float part[]")
    xp.RawModule(code=dynamic).get_function("totals")((3,), (64,), (x, y, 100, 1.0), shared_mem=256)
    assert y.tolist() == x.host.sum(1).tolist()
    hasty = xp.RawKernel(TOTALS.replace("        __syncthreads();\n", ""), "totals")
    hasty((3,), (64,), (x, y, 100, 1.0))
    assert (y.host != x.host.sum(1)).all()


@with_compiler
def test_every_thread_has_its_place():
    source = """
    extern "C" __global__ void places(long long *y) {
        int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
        int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
        int threads = blockDim.x * blockDim.y * blockDim.z;
        atomicAdd(&y[block * threads + thread], (long long)thread);
    }
    """
    y = xp.zeros((2 * 3 * 2, 4 * 2 * 3), "int64")
    xp.RawKernel(source, "places")((2, 3, 2), (4, 2, 3), (y,))
    assert (y.host == np.arange(24)).all()


@with_compiler
def test_what_a_kernel_would_make_nonsense_of_is_refused():
    x, y = xp.ones((3, 100), "float32"), xp.empty(3, "float32")
    kernel = xp.RawKernel(TOTALS, "totals")
    for args in (
        (x, y, 100), (x, y, 100, 1), (x, y, np.int32(100), 1.0), (x, y, 100, np.float32(1)), (x.host, y, 100, 1.0),
        (x.astype("float64"), y, 100, 1.0), (x, None, "100", 1.0), (x, 5, 100, 1.0), (x, y, x, 1.0),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            kernel((3,), (64,), args)
    for grid, block in (((0,), (64,)), ((3,), (2048,)), ((3,), (64, 32)), ((1, 70000), (64,)), ((1, 1, 1, 1), (1,))):
        with pytest.raises(RuntimeError, match="INVALID_VALUE"):
            kernel(grid, block, (x, y, 100, 1.0))
    with pytest.raises(xp.kernels.CompileException, match="nonsense"):
        xp.RawKernel('extern "C" __global__ void f() { nonsense; }', "f")((1,), (1,), ())
    leaving = xp.RawKernel('extern "C" __global__ void f(int n) { if (threadIdx.x < n) __syncthreads(); }', "f")
    with pytest.raises(RuntimeError, match="others have left"):
        leaving((1,), (8,), (np.int32(4),))
    leaving((1,), (8,), (np.int32(8),))


@with_compiler
def test_elementwise_kernels_broadcast():
    operation = "x = g * y * weight[i % 2] * scale"
    kernel = xp.ElementwiseKernel("T g, T y, raw int64 weight, float64 scale", "T x", operation, "f")
    g, y = xp.asarray(np.arange(6.0, dtype="float32").reshape(2, 3)), xp.asarray(np.float32([[1], [2], [3]]))
    expected = g.host.T * y.host * np.array([[1, 5], [1, 5], [1, 5]]) * 2
    x = kernel(g.T, y, xp.asarray([1, 5]), 2)
    assert x.tolist() == expected.tolist() and x.dtype == "float32" and x.flags.c_contiguous
    out = xp.empty((2, 3), "float32").T
    assert kernel(g.T, y, xp.asarray([1, 5]), 2, out) is out and out.tolist() == expected.tolist()
    assert kernel(g[:0], y.T, xp.asarray([1, 5]), 2).shape == (0, 3)
    pair = xp.ElementwiseKernel("float64 x", "float64 a, float64 b", "a = x; b = -x", "pair")
    a, b = pair(xp.asarray([1.0, 2.0]))
    assert a.tolist() == [1, 2] and b.tolist() == [-1, -2]
    whole = xp.ElementwiseKernel("raw T x", "raw T y", "y[n - 1 - i] = x[i]", "backwards", no_return=True)
    assert whole(a, b, size=2) is None and b.tolist() == [2, 1]
    assert launches_of(pair, a) == 1 and launches_of(pair, a[:0]) == 0


@with_compiler
def test_elementwise_kernels_refuse():
    kernel = xp.ElementwiseKernel("T x, T y", "T z", "z = x + y", "sum_")
    x, single = xp.ones(3), xp.ones(3, "float32")
    for args in ((x,), (x, x, x, x), (x.host, x), (x, single), (x, x, single), (x, x, 1.0), (x, "1")):
        with pytest.raises(TypeError):
            kernel(*args)
    for args in ((1.0, 2.0), (x, x, xp.ones(2)), (x, xp.ones(2))):
        with pytest.raises(ValueError):
            kernel(*args)
    with pytest.raises(ValueError, match="size"):
        kernel(x, x, size=3)
    for parameters_ in ("T i", "T n", "T _x", "T", "const T x"):
        with pytest.raises(ValueError):
            xp.ElementwiseKernel(parameters_, "T y", "y = 0", "f")


def test_without_a_compiler_kernels_are_off():
    """The library then computes without them, and the stand-in says why."""
    program = "import cupy, os\nprint(os.environ['MINIGRAD_FUSED'])\ncupy.RawKernel('', 'f')((1,), (1,), ())"
    environment = {**os.environ, "PATH": "", "PYTHONPATH": str(FOLDER)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "0\n" and "MINIGRAD_FUSED=0" in done.stderr and "needs g++" in done.stderr


# ------------------------------------------------------------------------------------------------------------ CuPy's own


@pytest.fixture
def cupy():
    real = pytest.importorskip("cupy")
    if hasattr(real, "traffic"):
        pytest.skip("CuPy itself is not in this environment")
    return real


def parameters(function):
    """The names of a function's parameters, from its signature or from the first line of its documentation."""
    try:
        return [name for name in inspect.signature(function).parameters if name != "self"]
    except ValueError:
        line = re.search(r"\((.*?)\)(?: ->|$)", function.__doc__.split("\n")[0])[1]
        return [part.split("=")[0].split()[-1].strip("*") for part in line.split(", ") if part not in ("self", "*")]


@pytest.mark.parametrize("listed", ["FUNCTIONS", "LINALG", "METHODS"])
def test_what_is_listed_is_in_cupy_with_these_arguments(cupy, listed):
    place = {"FUNCTIONS": cupy, "LINALG": cupy.linalg, "METHODS": cupy.ndarray}[listed]
    ours = {name: list(signature.parameters) for name, signature in xp.signatures(getattr(xp, listed))}
    assert {name: parameters(getattr(place, name))[: len(known)] for name, known in ours.items()} == ours  # or with more


def test_other_names_are_in_cupy(cupy):
    for name in xp.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc), name
    for name in xp.SAME:
        assert hasattr(cupy, name), name
    for name in "array asarray asnumpy broadcast is_available get_default_memory_pool".split():
        if inspect.isfunction(getattr(xp, name)):
            assert parameters(getattr(xp, name)) == parameters(getattr(cupy, name)), name
        assert hasattr(cupy, name), name
    assert parameters(xp.lib.stride_tricks.as_strided) == parameters(cupy.lib.stride_tricks.as_strided)
    assert hasattr(cupy, "from_dlpack")
    for kind in ("RawKernel", "RawModule", "ElementwiseKernel"):
        theirs = parameters(getattr(cupy, kind))
        known = [name for name in parameters(getattr(xp, kind)) if name not in ("options", "loop_prep", "after_loop")]
        assert known == [name for name in theirs if name not in ("kwargs", "options")], kind
    for name in vars(xp.runtime):
        assert hasattr(cupy.cuda.runtime, name), name
    for name in vars(xp.cuda):
        assert hasattr(cupy.cuda, name), name
    for name in vars(xp.Event):
        assert hasattr(cupy.cuda.Event, name) or name.startswith("__"), name
    added = {"host"}
    assert {name for name in vars(xp.ndarray) if not name.startswith("__")} - added <= set(dir(cupy.ndarray))
    assert {"__index__", "__imatmul__"}.isdisjoint(dir(cupy.ndarray)) and "__imatmul__" not in vars(xp.ndarray)


def test_dtypes_of_results_are_those_of_cupy(cupy):
    """Of elementwise functions of two operands of one dtype; what NumPy refuses is not compared."""
    for name in xp.UFUNCS:
        function = getattr(cupy, name)
        for dtype in map(np.dtype, "?bhilBHILefd"):
            known = [types.split("->") for types in function.types]
            found = next((y for x, y in known if all(np.can_cast(dtype, c) for c in x)), None)
            try:
                ours = getattr(xp, name)(*[xp.ones(1, dtype)] * function.nin).dtype
            except TypeError:
                continue
            assert found is not None and ours == np.dtype(found), (name, dtype)


# ---------------------------------------------------------------------------------------------------- a step of training

STEP = """
import json
import cupy
import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.nn.functional import linear as lookup, loss as losses
from minigrad.ops import gather, index as indexing

images, labels = mg.randn(200, 12), mg.randint(0, 5, (200,))
net = nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5))
table = nn.Embedding(9, 4)
words = mg.randint(0, 9, (32, 3))
optimizers = {cls.__name__: cls(net.parameters(), lr=0.01) for cls in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop)}

def step(optimizer):
    i = mg.randint(0, 200, (32,))
    loss = F.cross_entropy(net(images[i]), labels[i])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

def traffic(call, *args):
    for _ in range(2):  # what the first call makes and keeps does not count
        with cupy.counting() as during:
            call(*args)
    return dict(during)

found = {name: traffic(step, optimizer) for name, optimizer in optimizers.items()}
found["reading by index"] = traffic(lambda i: images[i], mg.arange(32))
found["cross_entropy"] = traffic(F.cross_entropy, net(images), labels)
found["embedding"] = traffic(lambda: table(words).sum().backward())
found["evaluation"] = traffic(lambda: net.eval()(images).argmax(1).eq(labels).float().mean())
net.train()
for module in (lookup, losses, gather, indexing):
    for name in ("within", "in_range"):
        if hasattr(module, name):
            setattr(module, name, lambda index, *rest: index if len(rest) > 1 else True)
found["trusting"] = traffic(step, optimizers["SGD"])
print(json.dumps(found))
"""


def traffic_of_steps(**settings):
    environment = {**os.environ, "MINIGRAD_BACKEND": "cupy", "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parent.parent}"}
    environment |= {"MINIGRAD_LAUNCH_BLOCKING": "0", **settings}
    done = subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    return {name: counts.pop("launches") for name, counts in found.items()}, found


def test_a_step_of_training_stays_on_the_device():
    """The indices go to the device; without kernels, each look at indices for one that is out of range is a wait."""
    _, found = traffic_of_steps(MINIGRAD_FUSED="0")
    looks = {"to host": 1, "waits": 1}
    assert found.pop("trusting") == {"to device": 1}
    assert [found.pop(name) for name in ("reading by index", "cross_entropy", "embedding")] == [looks] * 3
    assert found.pop("evaluation") == {}
    for step in found.values():  # the images of a batch, its labels, and the labels once more as targets
        assert step == {"to device": 1, "to host": 3, "waits": 3}


@with_compiler
def test_with_kernels_a_step_waits_for_nothing_and_takes_few_launches():
    launches, found = traffic_of_steps(MINIGRAD_FUSED="1")
    without, _ = traffic_of_steps(MINIGRAD_FUSED="0")
    assert [found.pop(name) for name in ("reading by index", "cross_entropy", "embedding", "evaluation")] == [{}] * 4
    assert all(step == {"to device": 1} for step in found.values())
    assert launches["cross_entropy"] == 2 and launches["reading by index"] == 1
    assert max(launches[name] for name in ("SGD", "Adam", "AdamW")) <= 28 < min(without[name] for name in found) / 3
