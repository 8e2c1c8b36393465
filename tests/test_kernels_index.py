"""Kernels that take rows by index and add gradients to them, and what becomes of an index that is out of range."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, kernels, optim
from minigrad.nn import functional as F
from minigrad.ops import index as indexing

if not kernels.ENABLED:
    pytest.skip("kernels are in use on a GPU only, or on what stands in for one", allow_module_level=True)

from minigrad.backend import xp

FAULT = indexing.beyond(0)


def launches_of(call, *args):
    """What a call returns, and how many launches it took; the stand-in counts them."""
    if not hasattr(xp, "counting"):
        pytest.skip("CuPy does not count launches")
    with xp.counting() as during:
        result = call(*args)
    return result, during


@pytest.fixture
def late(monkeypatch):
    """As it is by default: nobody waits for a launch."""
    monkeypatch.setattr(backend, "LAUNCH_BLOCKING", False)
    yield
    backend.note()[0][0] = 0


# -------------------------------------------------------------------------------------------------- taking and adding


@pytest.mark.parametrize("index_dtype", ["int64", "int32"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "int8", "bool"])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (7, 33), (3, 2, 4)])
def test_rows_are_those_of_numpy(shape, dtype, index_dtype, late):
    rng = np.random.default_rng(0)
    x = rng.integers(-50, 50, shape).astype(dtype)
    for index in (rng.integers(-len(x), len(x), size).astype(index_dtype) for size in ((1,), (300,), (4, 5), (0,), ())):
        for order in (index, index.T, np.repeat(index, 2, -1)[..., ::2] if index.ndim else index):
            ours = backend.asarray(order) if order.flags.c_contiguous else backend.asarray(order.T.copy()).T
            y, during = launches_of(indexing.rows, backend.asarray(x), ours, FAULT)
            assert y.dtype == dtype
            np.testing.assert_array_equal(backend.to_numpy(y), x[order])
            assert not during["waits"] and during["launches"] <= 1 + (not ours.flags.c_contiguous)


def test_rows_of_a_table_that_is_not_contiguous(late):
    table = np.arange(12.0).reshape(3, 4)
    x = backend.asarray(table.T.copy()).T
    assert backend.to_numpy(indexing.rows(x, backend.asarray([2, -3]), FAULT)).tolist() == table[[2, 0]].tolist()


@pytest.fixture(params=["scanned", "sorted"])
def way(request, monkeypatch):
    monkeypatch.setattr(indexing, "SCANNED", indexing.SCANNED if request.param == "scanned" else 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "n"), [
    ((27, 10), 96), ((3,), 1), ((65, 33), 500), ((2, 3, 5), 70), ((40, 1), 33), ((1, 64), 9),
])  # fmt: skip
def test_rows_that_are_added_add_up(way, size, n, dtype):
    rng = np.random.default_rng(n)
    index = rng.integers(-size[0], size[0], n)
    for g in (rng.integers(-9, 9, (n, *size[1:])).astype(dtype), rng.standard_normal((n, *size[1:])).astype(dtype)):
        expected = np.zeros(size, "float64")
        np.add.at(expected, index, g.astype("float64"))
        ours = indexing.add_rows(backend.asarray(g), backend.asarray(index), size)
        relative, absolute = (1e-10, 1e-12) if dtype == "float64" else (1e-5, 1e-5)
        assert ours.shape == size and ours.dtype == dtype
        np.testing.assert_allclose(backend.to_numpy(ours), expected, relative, absolute)
        again = indexing.add_rows(backend.asarray(g), backend.asarray(index), size)
        assert (backend.to_numpy(again) == backend.to_numpy(ours)).all()


def test_many_gradients_of_few_rows(way):
    """More than one round of the 32 lines of a block, and every row of one index."""
    g = np.arange(4000.0).reshape(1000, 4)
    for index in (np.zeros(1000, int), np.arange(1000) % 3, np.full(1000, -1)):
        expected = np.zeros((3, 4))
        np.add.at(expected, index, g)
        ours = indexing.add_rows(backend.asarray(g), backend.asarray(index), (3, 4))
        assert (backend.to_numpy(ours) == expected).all()


def test_rows_from_a_gradient_that_is_not_contiguous(way):
    g = backend.asarray(np.arange(6.0).reshape(2, 3)).T
    ours = indexing.add_rows(g, backend.asarray([0, 1, 0, 5, 5, 5])[:3], (2, 2))
    assert backend.to_numpy(ours).tolist() == [[2, 8], [1, 4]]


def test_nan_stays_in_its_row(way):
    g = backend.asarray(np.array([[np.nan, 1.0], [2.0, np.inf], [3.0, 4.0]]))
    ours = indexing.add_rows(g, backend.asarray([1, 1, 2]), (4, 2))
    np.testing.assert_array_equal(backend.to_numpy(ours), [[0, 0], [np.nan, np.inf], [3, 4], [0, 0]])


def test_the_gradient_of_an_embedding_is_one_launch():
    rng = np.random.default_rng(0)
    g, index = backend.asarray(rng.standard_normal((96, 10)).astype("float32")), backend.asarray(rng.integers(0, 27, 96))
    assert launches_of(indexing.add_rows, g, index, (27, 10))[1] == {"launches": 1}


def test_the_second_derivative_of_an_embedding():
    table, index = mg.randn(4, 3, dtype=mg.float64, requires_grad=True), mg.tensor([[0, 3], [3, -1]])
    assert mg.autograd.gradcheck(lambda w: w[index].tanh(), table)
    assert mg.autograd.gradgradcheck(lambda w: w[index].tanh(), table)


# -------------------------------------------------------------------------------------------------------- out of range

X = mg.arange(12.0).reshape(4, 3)
BEYOND = "index {} is out of bounds for dimension {} with size {}"
OUT = "{}: index out of range: expected 0 <= index < {}, got {}"
TABLE = "embedding: index out of range in self: expected 0 <= index < 4, got {}"
READS = [
    (lambda: X[mg.tensor([1, 4])], IndexError, BEYOND.format(4, 0, 4)),
    (lambda: X[mg.tensor([1, -5])], IndexError, BEYOND.format(-5, 0, 4)),
    (lambda: X[:, mg.tensor([0, 3])], IndexError, BEYOND.format(3, 1, 3)),
    (lambda: X[[0, 9]], IndexError, BEYOND.format(9, 0, 4)),
    (lambda: X[mg.tensor([0, 1]), mg.tensor([0, 7])], IndexError, BEYOND.format(7, 1, 3)),
    (lambda: X.index_select(0, mg.tensor([-1])), IndexError, OUT.format("index_select", 4, -1)),
    (lambda: X.index_select(1, mg.tensor([3])), IndexError, OUT.format("index_select", 3, 3)),
    (lambda: X.gather(1, mg.tensor([[0, 1, 0], [2, 4, 2]])), RuntimeError, OUT.format("gather", 3, 4)),
    (lambda: X.take(mg.tensor([12])), IndexError, BEYOND.format(12, 0, 12)),
    (lambda: mg.take_along_dim(X, mg.tensor([[5, 0, 0]]), 0), IndexError, BEYOND.format(5, 0, 4)),
    (lambda: F.embedding(mg.tensor([[1, -2]]), X), IndexError, TABLE.format(-2)),
    (lambda: F.embedding(mg.tensor([4]), X, padding_idx=0), IndexError, TABLE.format(4)),
    (lambda: F.one_hot(mg.tensor([3]), 3), RuntimeError, "one_hot: Class values .* smaller than num_classes 3, got 3"),
    (lambda: F.cross_entropy(X, mg.tensor([0, 1, 2, 3])), IndexError, "cross_entropy: Target 3 is out of bounds for 3"),
]
WRITES = [
    (lambda x: x.__setitem__(mg.tensor([0, 4]), 1.0), IndexError, BEYOND.format(4, 0, 4)),
    (lambda x: x.__setitem__((mg.tensor([0]), mg.tensor([3])), 1.0), IndexError, BEYOND.format(3, 1, 3)),
    (lambda x: x.scatter_(0, mg.tensor([[4]]), 1.0), RuntimeError, OUT.format("scatter", 4, 4)),
    (lambda x: x.index_add_(0, mg.tensor([-1]), mg.ones(1, 3)), RuntimeError, OUT.format("index_add", 4, -1)),
    (lambda x: x.index_copy_(0, mg.tensor([4]), mg.ones(1, 3)), IndexError, OUT.format("index_copy", 4, 4)),
    (lambda x: x.index_fill_(0, mg.tensor([4]), 1.0), IndexError, "index_fill: expected -4 <= index < 4, got 4"),
]


@pytest.mark.parametrize(("read", "kind", "message"), READS)
def test_an_index_out_of_range_is_an_error_when_the_host_waits_anyway(late, read, kind, message):
    y, during = launches_of(read)
    assert not during["waits"] and not during["to host"]
    with pytest.raises(kind, match=message):
        y.tolist()
    y.tolist()  # said once


@pytest.mark.parametrize(("read", "kind", "message"), READS)
def test_or_at_once_where_launches_are_waited_for(monkeypatch, read, kind, message):
    monkeypatch.setattr(backend, "LAUNCH_BLOCKING", True)
    with pytest.raises(kind, match=message):
        read()


@pytest.mark.parametrize(("write", "kind", "message"), WRITES)
def test_writing_by_an_index_out_of_range_is_an_error_at_once_and_changes_nothing(late, write, kind, message):
    x = mg.zeros(4, 3)
    with pytest.raises(kind, match=message):
        write(x)
    assert x.tolist() == mg.zeros(4, 3).tolist()


@pytest.mark.parametrize("wait", [
    lambda x: x.sum().item(), lambda x: x.tolist(), lambda x: x.numpy(), repr, str, lambda x: float(x[0, 0]),
    lambda x: bool(x[0, 0] > 0), lambda x: int(x[0, 0]), lambda x: f"{x[0, 0]:.2f}", lambda x: x.storage().tolist(),
    lambda x: mg.cuda.synchronize(),
])  # fmt: skip
def test_every_way_of_waiting_tells(late, wait):
    x = mg.ones(2, 2)
    mg.arange(3)[mg.tensor([3])]
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        wait(x)


def test_the_first_of_several_is_told_and_nothing_is_left(late):
    mg.arange(3)[mg.tensor([5])]
    mg.arange(4)[mg.tensor([6, 7])]
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 3"):
        mg.cuda.synchronize()
    mg.cuda.synchronize()


def test_what_is_not_there_is_nan_and_gets_no_gradient(late):
    w = mg.ones(3, 2, requires_grad=True)
    y = w[mg.tensor([2, 3, -1])]
    y.backward(mg.ones(3, 2))
    with pytest.raises(IndexError):
        mg.cuda.synchronize()
    np.testing.assert_array_equal(y.detach().numpy(), [[1, 1], [np.nan, np.nan], [1, 1]])
    assert w.grad.tolist() == [[0, 0], [0, 0], [2, 2]]


def test_the_loss_of_what_is_no_class_is_nan(late):
    loss = F.cross_entropy(X, mg.tensor([0, 3, -100, 1]))
    with pytest.raises(IndexError):
        mg.cuda.synchronize()
    assert np.isnan(loss.item())


# ---------------------------------------------------------------------------------------------------- a step of training


class NamesMLP:
    """The next of 27 letters from the three before it: embedding, hidden layer, cross-entropy, gradient descent."""

    def __init__(self, **options):
        shapes = (27, 10), (30, 200), (200,), (200, 27), (27,)
        self.parameters = [mg.randn(*shape, requires_grad=True) for shape in shapes]
        self.optimizer = optim.SGD(self.parameters, lr=0.1, **options)

    def step(self, letters, targets):
        C, W1, b1, W2, b2 = self.parameters
        hidden = mg.tanh(C[letters].view(-1, 30) @ W1 + b1)
        loss = F.cross_entropy(hidden @ W2 + b2, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


X_HOST, Y_HOST = np.random.default_rng(0).integers(0, 27, (500, 3)), np.random.default_rng(1).integers(0, 27, 500)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "weight_decay": 0.1}])
def test_a_step_of_training_fetches_its_batch_and_waits_for_nothing(late, options):
    model, order = NamesMLP(**options), mg.randperm(500)
    letters, targets = mg.tensor(X_HOST), mg.tensor(Y_HOST)

    def on_the_device(k):  # in an order drawn for the epoch
        at = order[k : k + 32]
        return model.step(letters[at], targets[at])

    def drawn(k):
        at = mg.randint(0, 500, (32,))
        return model.step(letters[at], targets[at])

    def on_the_host(k):
        return model.step(mg.tensor(X_HOST[k : k + 32]), mg.tensor(Y_HOST[k : k + 32]))

    for step, sent in ((on_the_device, 0), (drawn, 1), (on_the_host, 2)):
        step(0)  # what the first step makes and keeps does not count
        loss, during = launches_of(step, 32)
        assert not during["waits"] and not during["to host"] and during["to device"] == sent
        assert during["launches"] <= 21  # 10 forward, 10 backward, 1 for all parameters
        assert loss.item() > 0


def test_a_wrong_letter_in_training_is_told_when_the_loss_is_read(late):
    model = NamesMLP()
    loss = model.step(mg.tensor([[0, 1, 2]]), mg.tensor([27]))
    with pytest.raises(IndexError, match="cross_entropy: Target 27 is out of bounds for 27"):
        loss.item()
    loss = model.step(mg.tensor([[0, 27, 2]]), mg.tensor([3]))
    with pytest.raises(IndexError, match=BEYOND.format(27, 0, 27)):
        print(loss)
