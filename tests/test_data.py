"""Data are read in PyTorch's order: stored orders always, PyTorch itself where it is installed."""

import collections
import inspect
import runpy
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.backend import xp
from minigrad.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_data.py"))
everything = made_by["everything"]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "data.npz") as file:
        return dict(file)


class Squares(Dataset):
    """Sample i is (i, i * i, str(i)); counts what was read."""

    def __init__(self, size=10):
        self.size, self.read = size, []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.read.append(index)
        return index, float(index * index), str(index)


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))


def plain(value):
    """Tensors as (dtype, nested lists), containers with their type."""
    if hasattr(value, "numpy"):
        array = value.numpy()
        return str(array.dtype), array.tolist()
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(entry) for entry in value]
    return value


# -------------------------------------------------------------------------------------------------- the order


@pytest.mark.parametrize("num_workers", [0, 2])
def test_stored_orders(num_workers, stored):
    found = everything(mg, num_workers=num_workers)
    assert found.keys() == stored.keys()
    for name, values in stored.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_orders_equal_torch():
    torch = pytest.importorskip("torch")
    expected = everything(torch)
    for name, values in everything(mg).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_without_replacement_every_index_comes_once():
    generator = mg.Generator().manual_seed(3)
    assert sorted(RandomSampler(range(50), generator=generator)) == list(range(50))
    assert sorted(SubsetRandomSampler([5, 7, 9], generator)) == [5, 7, 9]
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, False, generator)) == [0, 1, 2]
    assert set(WeightedRandomSampler([0.0, 1.0, 0.0, 1.0], 100, generator=generator)) == {1, 3}


def test_samplers_draw_when_they_are_iterated():
    mg.manual_seed(0)
    samplers = [RandomSampler(range(9)), WeightedRandomSampler([1.0, 2.0], 5), SubsetRandomSampler(range(4))]
    iterators = [iter(sampler) for sampler in samplers]
    iterators.append(iter(BatchSampler(samplers[0], 2, False)))
    mg.manual_seed(0)
    expected = mg.rand(1).item()
    mg.manual_seed(0)
    assert mg.rand(1).item() == expected
    for iterator in iterators:
        mg.manual_seed(0)
        next(iterator)
        assert mg.rand(1).item() != expected


@pytest.mark.parametrize(
    "create, error, message",
    [
        (lambda: RandomSampler([]), ValueError, "num_samples=0"),
        (lambda: RandomSampler([1], num_samples=1.5), ValueError, "num_samples=1.5"),
        (lambda: RandomSampler([1], replacement=1), TypeError, "replacement=1"),
        (lambda: WeightedRandomSampler([1.0], True), ValueError, "num_samples=True"),
        (lambda: WeightedRandomSampler([1.0], 1, 0), ValueError, "replacement=0"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, r"1d sequence, got shape \(1, 1\)"),
        (lambda: BatchSampler([1], 0, False), ValueError, "batch_size=0"),
        (lambda: BatchSampler([1], True, False), ValueError, "batch_size=True"),
        (lambda: BatchSampler([1], 1, 0), ValueError, "drop_last=0"),
        (lambda: iter(Sampler()), NotImplementedError, "__iter__"),
    ],
)
def test_samplers_refuse(create, error, message):
    with pytest.raises(error, match=message):
        create()


# -------------------------------------------------------------------------------------------------- data sets


def test_tensor_dataset():
    x, y = mg.arange(6).reshape(3, 2), mg.tensor([1.0, 2.0, 3.0])
    dataset = TensorDataset(x, y)
    assert len(dataset) == 3
    assert plain(dataset[1]) == ("tuple", [("int64", [2, 3]), ("float32", 2.0)])
    assert plain(dataset[-1]) == plain(dataset[2])
    assert plain(dataset[1:]) == ("tuple", [("int64", [[2, 3], [4, 5]]), ("float32", [2.0, 3.0])])
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors, got \[3, 2\] samples"):
        TensorDataset(x, y[:2])


def test_subset_and_concatenation():
    dataset = Squares(4) + Subset(Squares(9), [7, 5]) + Squares(2)
    assert isinstance(dataset, ConcatDataset) and len(dataset) == 8
    assert [dataset[i][0] for i in range(8)] == [0, 1, 2, 3, 7, 5, 0, 1]
    assert [dataset[i][0] for i in (-1, -4, -8)] == [1, 7, 0]
    with pytest.raises(IndexError, match="got index 8 of 8 samples"):
        dataset[8]
    with pytest.raises(ValueError, match="got index -9 of 8 samples"):
        dataset[-9]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Stream(3)])
    assert plain(Subset(TensorDataset(mg.arange(5)), [4, 2, 0])[[0, 2]]) == ("tuple", [("int64", [4, 0])])
    with pytest.raises(NotImplementedError, match="Dataset is missing the required __getitem__"):
        Dataset()[0]


def test_datasets_have_a_type_of_sample():
    class Typed(Dataset[tuple[mg.Tensor, int]]):
        pass

    assert issubclass(Typed, Dataset)


@pytest.mark.parametrize("size, lengths, sizes", [(10, [0.33, 0.33, 0.34], [4, 3, 3]), (7, [3, 4], [3, 4])])
def test_random_split(size, lengths, sizes):
    parts = random_split(range(size), lengths, mg.Generator().manual_seed(1))
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(size))


def test_random_split_refuses():
    with pytest.raises(ValueError, match=r"lengths of sum 5, got \[2, 2\]"):
        random_split(range(5), [2, 2])
    with pytest.raises(ValueError, match="fractions between 0 and 1"):
        random_split(range(5), [1.5, -0.5])
    with pytest.warns(UserWarning, match="empty data set"):
        assert len(random_split(range(1), [0.5, 0.5])[1]) == 0


# ---------------------------------------------------------------------------------------------------- batches

Point = collections.namedtuple("Point", "x y")


def collections_of(tensor):
    """Lists of samples, with `tensor` to make tensors of."""
    return {
        "tensors": [tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]])],
        "scalars": [tensor(1), tensor(2)],
        "arrays": [np.ones(3, np.float32), np.zeros(3, np.float32)],
        "integer arrays": [np.arange(2), np.arange(2)],
        "array scalars": [np.float32(1.5), np.float32(2.5)],
        "doubles": [np.float64(1.5), np.float64(2.5)],
        "short": [np.int16(3)],
        "truth": [np.bool_(True), np.bool_(False)],
        "ints": [1, 2, 3],
        "floats": [1.0, 2.5],
        "bools": [True, False],
        "text": ["a", "b"],
        "bytes": [b"a", b"b"],
        "tuples": [(tensor([1.0]), 3, "a"), (tensor([2.0]), 4, "b")],
        "lists": [[1, [2.0, 3]], [4, [5.0, 6]]],
        "dicts": [{"x": 1, "y": {"z": np.ones(2)}}, {"x": 2, "y": {"z": np.zeros(2)}}],
        "ordered": [collections.OrderedDict(a=1, b="x"), collections.OrderedDict(a=2, b="y")],
        "default": [collections.defaultdict(int, a=1), collections.defaultdict(int, a=2)],
        "points": [Point(1, 2.0), Point(3, 4.0)],
    }


def test_default_collate_by_hand():
    batch = default_collate([(mg.tensor([1.0]), 3, {"a": 2.5}), (mg.tensor([2.0]), 4, {"a": 3.5})])
    expected = [("float32", [[1.0], [2.0]]), ("int64", [3, 4]), ("dict", {"a": ("float64", [2.5, 3.5])})]
    assert plain(batch) == ("list", expected)
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert plain(default_collate([Point(1, 2), Point(3, 4)])) == (
        "Point",
        [("int64", [1, 3]), ("int64", [2, 4])],
    )


@pytest.mark.parametrize("kind", collections_of(mg.tensor))
def test_default_collate_and_convert_equal_torch(kind):
    torch = pytest.importorskip("torch")
    ours, theirs = collections_of(mg.tensor)[kind], collections_of(torch.tensor)[kind]
    assert plain(default_collate(ours)) == plain(torch.utils.data.default_collate(theirs))
    assert plain(default_convert(ours)) == plain(torch.utils.data.default_convert(theirs))


@pytest.mark.parametrize(
    "batch, error, message",
    [
        ([None], TypeError, "found NoneType"),
        ([np.array(["a"])], TypeError, "found ndarray of <U1"),
        ([[1], [2, 3]], RuntimeError, r"equal size, got sizes \[1, 2\]"),
        ([np.zeros(2), np.zeros(3)], RuntimeError, r"equal shape, got shapes \[\(2,\), \(3,\)\]"),
        ([mg.zeros(2), mg.zeros(3)], RuntimeError, "equal size"),
    ],
)
def test_default_collate_refuses(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)


def test_collated_arrays_are_copies():
    array = np.zeros(2)
    batch = default_collate([array])
    array += 1
    assert batch.tolist() == [[0, 0]]


# ------------------------------------------------------------------------------------------------- the loader

ROWS = mg.arange(120).reshape(40, 3)


def dataset_of(kind, size):
    if kind == "tensors":
        return TensorDataset(ROWS[:size], mg.arange(size))
    if kind == "subset":
        return Subset(TensorDataset(ROWS, mg.arange(40)), list(range(39, 39 - size, -1)))
    return Squares(size)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(["tensors", "subset", "squares"]),
    size=st.integers(1, 23),
    batch_size=st.one_of(st.none(), st.integers(1, 30)),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    num_workers=st.integers(0, 3),
    prefetch_factor=st.integers(1, 3),
    seed=st.integers(0, 2**40),
)
def test_a_loader_is_its_samplers_batches_collated(
    kind, size, batch_size, shuffle, drop_last, num_workers, prefetch_factor, seed
):
    dataset = dataset_of(kind, size)
    drop_last = drop_last and batch_size is not None
    options = {"prefetch_factor": prefetch_factor} if num_workers else {}
    loader = DataLoader(
        dataset, batch_size, shuffle, drop_last=drop_last, num_workers=num_workers,
        generator=mg.Generator().manual_seed(seed), **options
    )  # fmt: skip
    generator = mg.Generator().manual_seed(seed)
    for _ in range(2):
        generator.rand((1,), np.float64)  # the seed that each iteration draws
        order = list(RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset))
        if batch_size is None:
            expected = [default_convert(dataset[i]) for i in order]
        else:
            cuts = range(0, size - batch_size + 1 if drop_last else size, batch_size)
            expected = [default_collate([dataset[i] for i in order[cut : cut + batch_size]]) for cut in cuts]
        batches = list(loader)
        assert len(loader) == len(batches) == len(expected)
        assert [plain(batch) for batch in batches] == [plain(batch) for batch in expected]


def test_tensors_are_fetched_by_one_index_and_others_one_by_one():
    class Watched(TensorDataset):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    seen = []
    tensors = mg.arange(6), mg.arange(6) * 10
    fast = list(DataLoader(TensorDataset(*tensors), 4))
    slow = list(DataLoader(Watched(*tensors), 4))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert [plain(batch) for batch in fast] == [plain(batch) for batch in slow]
    own = list(DataLoader(TensorDataset(*tensors), 4, collate_fn=lambda samples: samples))
    assert [len(batch) for batch in own] == [4, 2] and plain(own[1][1]) == (
        "tuple",
        [("int64", 5), ("int64", 50)],
    )


def test_batches_are_copies_and_differentiable():
    x = mg.ones(4, 2, requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), 3):
        batch.sum().backward()
    assert x.grad.tolist() == [[1, 1]] * 4
    (batch,) = next(iter(DataLoader(TensorDataset(x.detach()), 2)))
    batch.zero_()
    assert x.detach().sum().item() == 8


def test_a_dataset_may_give_many_samples_at_once():
    class Many(Squares):
        def __getitems__(self, indices):
            self.read.append(indices)
            return [(i, 0.0, "") for i in indices]

    dataset = Many(5)
    first = next(iter(DataLoader(dataset, 3)))
    assert dataset.read == [[0, 1, 2]] and first[0].tolist() == [0, 1, 2]
    assert next(iter(DataLoader(Subset(dataset, [4, 2]), 3)))[0].tolist() == [4, 2]


def test_samplers_of_ones_own():
    batches = list(DataLoader(Squares(), batch_size=2, sampler=[9, 8, 7]))
    assert [batch[2] for batch in batches] == [("9", "8"), ("7",)]
    loader = DataLoader(Squares(), batch_sampler=[[1, 2], [3]])
    assert [batch[0].tolist() for batch in loader] == [[1, 2], [3]] and len(loader) == 2
    loader = DataLoader(TensorDataset(mg.arange(5)), sampler=iter([2]))
    with pytest.raises(TypeError):
        len(loader)


def test_iterable_datasets():
    assert [batch.tolist() for batch in DataLoader(Stream(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tolist() for batch in DataLoader(Stream(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), None)) == [0, 1, 2]
    loader = DataLoader(Stream(3), 2)
    assert [len(list(loader)), len(list(loader))] == [2, 2]
    with pytest.raises(TypeError):
        len(loader)

    class Sized(Stream):
        def __len__(self):
            return self.size

    assert len(DataLoader(Sized(5), 2)) == 3
    assert len(DataLoader(Sized(5), 2, drop_last=True)) == 2
    assert len(DataLoader(Sized(5), None)) == 5


def test_an_iterable_dataset_draws_a_seed_as_in_torch():
    torch = pytest.importorskip("torch")

    class TheirStream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(3))

    draws = []
    for library, stream in ((mg, Stream(3)), (torch, TheirStream())):
        library.manual_seed(4)
        list(library.utils.data.DataLoader(stream, batch_size=2))
        draws.append(library.randint(0, 10**6, (2,)).tolist())
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_workers": -1}, "num_workers=-1"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": 1}, "need num_workers > 0"),
        ({"prefetch_factor": 2}, "need num_workers > 0"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"shuffle": True, "sampler": [1]}, "sampler excludes shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler excludes"),
        ({"batch_sampler": [[1]], "shuffle": True}, "batch_sampler excludes"),
        ({"batch_sampler": [[1]], "sampler": [1]}, "batch_sampler excludes"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None excludes drop_last"),
        ({"dataset": Stream(3), "shuffle": True}, "IterableDataset excludes shuffle"),
        ({"dataset": Stream(3), "sampler": [0]}, "IterableDataset excludes"),
        ({"dataset": Stream(3), "batch_sampler": [[0]]}, "IterableDataset excludes"),
        ({"dataset": Stream(3), "num_workers": 2}, "IterableDataset excludes num_workers"),
        ({"dataset": [], "shuffle": True}, "num_samples=0"),
    ],
)
def test_the_loader_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(**{"dataset": Squares(), **options})


@pytest.mark.parametrize(
    "option", ["multiprocessing_context", "persistent_workers", "pin_memory_device", "in_order"]
)
def test_options_without_meaning_are_refused(option):
    with pytest.raises(TypeError, match=option):
        DataLoader(Squares(), **{option: 1})


def test_order_of_parameters_is_torchs():
    torch = pytest.importorskip("torch")
    ours = inspect.signature(DataLoader).parameters
    theirs = inspect.signature(torch.utils.data.DataLoader).parameters
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]
    assert {n: p.default for n, p in ours.items()} == {n: theirs[n].default for n in ours}


def test_pinned_memory_is_not_ignored_silently():
    with pytest.warns(UserWarning, match="pin_memory=True has no effect"):
        loader = DataLoader(Squares(), pin_memory=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(loader)) == 10


@pytest.mark.parametrize("name", ["dataset", "batch_size", "sampler", "batch_sampler", "drop_last"])
def test_what_has_been_settled_cannot_be_set(name):
    loader = DataLoader(Squares())
    with pytest.raises(ValueError, match=f"{name} attribute should not be set"):
        setattr(loader, name, 3)


# ------------------------------------------------------------------------------------------------ the threads


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


def test_batches_come_in_order_whoever_is_first():
    class Uneven(Squares):
        def __getitem__(self, index):
            time.sleep(0.004 if index % 4 == 0 else 0)
            return index

    batches = [batch.tolist() for batch in DataLoader(Uneven(30), 2, num_workers=4)]
    assert batches == [[i, i + 1] for i in range(0, 30, 2)]


def test_threads_work_ahead_but_not_without_end():
    dataset = Squares(100)
    iterator = iter(DataLoader(dataset, num_workers=2, prefetch_factor=3))
    wait_until(lambda: len(dataset.read) == 6)
    time.sleep(0.02)
    assert sorted(dataset.read) == [0, 1, 2, 3, 4, 5]
    next(iterator)
    wait_until(lambda: len(dataset.read) == 7)


def test_an_error_in_a_thread_is_raised_in_order():
    class Broken(Squares):
        def __getitem__(self, index):
            if index == 5:
                raise KeyError("sample 5")
            return index

    seen = []
    with pytest.raises(KeyError, match="sample 5"):
        for batch in DataLoader(Broken(), num_workers=3):
            seen.append(batch.item())
    assert seen == [0, 1, 2, 3, 4]


def test_a_timeout():
    class Slow(Squares):
        def __getitem__(self, index):
            release.wait(60)
            return index

    release = threading.Event()
    iterator = iter(DataLoader(Slow(), num_workers=1, timeout=0.02))
    with pytest.raises(RuntimeError, match="timed out after 0.02 seconds"):
        next(iterator)
    release.set()

    class Raises(Squares):
        def __getitem__(self, index):
            raise TimeoutError("of the data set")

    with pytest.raises(TimeoutError, match="of the data set"):
        list(DataLoader(Raises(), num_workers=1, timeout=5))


def test_threads_end_with_their_iterator():
    before = threading.active_count()
    for _ in zip(range(2), DataLoader(Squares(), num_workers=3), strict=False):
        pass
    unused = iter(DataLoader(Squares(), num_workers=3))
    del unused
    wait_until(lambda: threading.active_count() <= before)


def test_batches_that_nobody_waits_for_are_not_made():
    class Waits(Squares):
        def __getitem__(self, index):
            assert index == 0 or release.wait(5)
            return super().__getitem__(index)

    dataset, release, before = Waits(60), threading.Event(), threading.active_count()
    iterator = iter(DataLoader(dataset, num_workers=1, prefetch_factor=50))
    next(iterator)
    del iterator
    release.set()
    wait_until(lambda: threading.active_count() <= before)
    assert len(dataset.read) <= 2


def test_threads_know_who_they_are():
    class Who(Squares):
        def __getitem__(self, index):
            barrier.wait(5)
            info = get_worker_info()
            return info.id, info.num_workers, info.seed - info.id, info.dataset is self

    barrier, started = threading.Barrier(2), []
    loader = DataLoader(
        Who(4), None, num_workers=2, worker_init_fn=started.append, generator=mg.Generator().manual_seed(1)
    )
    samples = list(loader)
    assert sorted(started) == [0, 1] == sorted({sample[0] for sample in samples})
    assert {sample[1:] for sample in map(tuple, samples)} == {(2, samples[0][2], True)}
    assert get_worker_info() is None


def test_the_seed_of_a_worker_is_torchs():
    torch = pytest.importorskip("torch")
    seed = torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(1)).item()

    class Seed(Squares):
        def __getitem__(self, index):
            return get_worker_info().seed

    assert list(DataLoader(Seed(1), None, num_workers=1, generator=mg.Generator().manual_seed(1))) == [seed]


def test_an_error_at_the_start_of_a_thread_is_raised():
    def refuse(worker):
        raise OSError(f"worker {worker}")

    with pytest.raises(OSError, match="worker 0"):
        list(DataLoader(Squares(), num_workers=1, worker_init_fn=refuse))


@pytest.mark.skipif(not hasattr(xp, "counting"), reason="needs a second GPU, which the stand-in for CuPy can pretend to be")
def test_workers_compute_on_the_gpu_of_the_thread_that_reads(monkeypatch):
    class Places(Squares):
        def __getitem__(self, index):
            return mg.cuda.current_device()

    monkeypatch.setattr(xp.cuda.runtime, "getDeviceCount", lambda: 2)
    try:
        for device in (1, 0):
            mg.cuda.set_device(device)
            for num_workers in (0, 3):
                assert [batch.tolist() for batch in DataLoader(Places(6), 2, num_workers=num_workers)] == [[device] * 2] * 3
    finally:
        mg.cuda.set_device(0)
