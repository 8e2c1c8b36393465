"""What is saved comes back, PyTorch reads it and is read, and nothing on disk is ever left half written."""

import collections
import copy
import io
import json
import math
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import serialization

REFERENCE = Path(__file__).parent / "reference"
weights = runpy.run_path(str(REFERENCE / "make_serialization.py"))["weights"]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "serialization.npz") as file:
        return {name: file[name].tobytes() for name in file}


def same(a, b):
    """Whether two objects have the same types, values, dtypes and order of keys."""
    if type(a) is not type(b):
        return False
    if isinstance(a, mg.Tensor):
        nan = a.dtype.kind == "f"
        return (
            a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a.numpy(), b.numpy(), equal_nan=nan)
        )
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(k, m) and same(a[k], b[m]) for k, m in zip(a, b, strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b) or (a, math.copysign(1, a)) == (b, math.copysign(1, b))
    return a == b


def through_memory(obj):
    stream = io.BytesIO()
    mg.save(obj, stream)
    stream.seek(0)
    return mg.load(stream)


def saved(obj):
    stream = io.BytesIO()
    mg.save(obj, stream)
    return stream.getvalue()


# --------------------------------------------------------------------------------------------- there and back

SHAPES = st.lists(st.integers(0, 3), max_size=3)
TENSORS = st.builds(
    lambda shape, dtype: mg.tensor(np.arange(math.prod(shape)).reshape(shape) - 1).to(dtype),
    SHAPES,
    st.sampled_from([mg.float16, mg.float32, mg.float64, mg.int8, mg.int32, mg.int64, mg.uint8, mg.bool]),
)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=9))
KEYS = st.one_of(PLAIN.filter(lambda key: key == key), st.tuples(st.integers(), st.text()))
OBJECTS = st.recursive(
    st.one_of(PLAIN, TENSORS),
    lambda parts: st.one_of(
        st.lists(parts, max_size=4),
        st.lists(parts, max_size=4).map(tuple),
        st.dictionaries(KEYS, parts, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(OBJECTS)
@example({"__metadata__": mg.ones(2), "__metadata___": mg.zeros(1), "": mg.ones(1)})
@example({"a.b": mg.ones(1), "a": {"b": mg.zeros(2)}})
@example({"\udc80": mg.ones(1), 1: mg.zeros(1), "1": mg.ones(2), (True,): 0})
@example([10**40, -(10**40), math.nan, -0.0, {"tensor": "x"}, {"dict": []}])
def test_objects_come_back(obj):
    assert same(through_memory(obj), obj)


def test_a_path_as_text_and_as_a_path(tmp_path):
    for path in (str(tmp_path / "a"), tmp_path / "b.safetensors"):
        mg.save({"w": mg.ones(2)}, path)
        assert mg.load(path)["w"].tolist() == [1, 1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b.safetensors"]


def test_tensors_that_are_views_come_back_in_order():
    x = mg.arange(12).reshape(3, 4)
    for view in (x.t(), x[:, 1:3], x[::2], x[1, 2], x.t()[1:]):
        assert same(through_memory(view), view)


def test_loaded_tensors_have_memory_of_their_own_and_are_leaves():
    w = mg.ones(3, requires_grad=True)
    state = {"encoder": w, "decoder": w}
    loaded = through_memory(state)
    loaded["encoder"].zero_()
    assert loaded["decoder"].tolist() == [1, 1, 1] == w.tolist()
    assert not loaded["encoder"].requires_grad and loaded["encoder"].numpy().flags.owndata
    loaded["decoder"].requires_grad_()
    loaded["decoder"].sum().backward()
    assert loaded["decoder"].grad.tolist() == [1, 1, 1]


def test_subclasses_come_back_as_what_they_are_made_of():
    Point = collections.namedtuple("Point", "x y")
    obj = [
        collections.OrderedDict(b=1, a=2),
        collections.Counter("aab"),
        Point(1, 2),
        np.float32(0.5),
        np.int64(3),
    ]
    assert same(through_memory(obj), [{"b": 1, "a": 2}, {"a": 2, "b": 1}, (1, 2), 0.5, 3])


def test_a_model_and_its_training_come_back(tmp_path):
    def trained(epochs, path=None):
        mg.manual_seed(1)
        model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.Tanh(), mg.nn.Linear(4, 1))
        optimizer = mg.optim.AdamW(model.parameters(), lr=0.1)
        scheduler = mg.optim.lr_scheduler.MultiStepLR(optimizer, [2, 2, 5])
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        if path is not None:
            checkpoint = mg.load(path)
            for name, part in parts.items():
                part.load_state_dict(checkpoint[name])
        for _ in epochs:
            optimizer.zero_grad()
            (model(mg.ones(2, 3)) ** 2).mean().backward()
            optimizer.step()
            scheduler.step()
        return {name: part.state_dict() for name, part in parts.items()}

    mg.save(trained(range(4)), tmp_path / "checkpoint")
    assert same(trained(range(4, 9), tmp_path / "checkpoint"), trained(range(9)))


# ------------------------------------------------------------------------------------ PyTorch and safetensors


def test_a_stored_file_of_torch_loads(stored):
    loaded = mg.load(io.BytesIO(stored["safetensors"]))
    expected = weights()
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        assert same(loaded[name], mg.tensor(array))


def test_torch_reads_a_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.BatchNorm1d(4))
    mg.save(model.state_dict(), tmp_path / "model")
    theirs = load_file(tmp_path / "model")
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    other.load_state_dict(theirs)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(theirs[name].numpy(), tensor.numpy())
    x = mg.randn(5, 3)
    expected = other.eval()(torch.tensor(x.numpy())).detach().numpy()
    np.testing.assert_allclose(model.eval()(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_weights_of_torch_load(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    save_file(theirs.state_dict(), tmp_path / "model")
    model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.BatchNorm1d(4))
    model.load_state_dict(mg.load(tmp_path / "model"))
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), tensor.numpy())


def test_torch_reads_the_tensors_of_a_nested_object(tmp_path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    mg.save({"epoch": 3, "state": {0: {"exp_avg": mg.ones(2)}}}, tmp_path / "file")
    theirs = load_file(tmp_path / "file")
    assert {name: tensor.tolist() for name, tensor in theirs.items()} == {"state.0.exp_avg": [1, 1]}


# ------------------------------------------------------------------------------------- files that are refused


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        mg.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "it is empty"),
        (b"abc", "no safetensors file"),
        (b"The quick brown fox jumps over the lazy dog.\n" * 9, "no safetensors file"),
        (b"\x0a\0\0\0\0\0\0\0[1,2,3,45]", "no safetensors file"),
        (bytes(200), "no safetensors file"),
        (b"\xff" * 200, "no safetensors file"),
    ],
)
def test_foreign_files(data, message, tmp_path):
    (tmp_path / "file").write_bytes(data)
    refused(tmp_path / "file", message)


@pytest.mark.parametrize(
    "name, message",
    [
        ("torch", "a zip archive, perhaps of torch.save"),
        ("pickle", "a pickle"),
        ("bfloat16", "'w' is of BF16, not of F16"),
    ],
)
def test_files_of_others(name, message, stored, tmp_path):
    (tmp_path / "file").write_bytes(stored[name])
    refused(tmp_path / "file", message)


def test_no_pickle_is_ever_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    import pickle

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "file").write_bytes(pickle.dumps(Bomb(), protocol))
        refused(tmp_path / "file", "cannot read")
    assert not (tmp_path / "exploded").exists()


CHECKPOINT = {
    "state": {0: {"m": mg.arange(4.0), "step": mg.tensor(3.0)}},
    "groups": [{"lr": 0.1, "betas": (0.9, 0.99)}],
}


def test_every_truncation_is_noticed():
    data = saved(CHECKPOINT)
    for size in range(len(data)):
        with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
            mg.load(io.BytesIO(data[:size]))
    with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
        mg.load(io.BytesIO(data + b"\0"))


@pytest.mark.parametrize("flip", [1, 2, 16, 32, 128, 255])
def test_every_damaged_byte_is_noticed(flip):
    data = saved(CHECKPOINT)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= flip
        with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
            mg.load(io.BytesIO(bytes(damaged)))


@pytest.mark.parametrize(
    "right, wrong", [(b"F32", b"I32"), (b"[2,3]", b"[3,2]"), (b'"w":', b'"v":'), (b"1.5", b"2.5")]
)
def test_a_header_that_was_changed_is_noticed(right, wrong):
    data = saved({"w": mg.ones(2, 3), "rate": 1.5})
    assert data.count(right) == 1
    with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
        mg.load(io.BytesIO(data.replace(right, wrong)))


@pytest.mark.parametrize(
    "structure",
    [
        "",
        "{",
        '{"tensor": "other"}',
        '{"tensor": ["w"]}',
        '{"dict": [[[1], 2]]}',
        '{"dict": [1]}',
        '{"tuple": 3}',
        '{"float": "x"}',
        '{"bytes": 1}',
        '{"a": 1, "b": 2}',
        "{}",
        "[" * 100_000,
    ],
)
def test_forged_structures(structure):
    arrays = {"w": np.ones(2, np.float32)}
    metadata = {serialization.STRUCTURE: structure, serialization.DIGEST: serialization.BLANK}
    data = serialization.sealed(serialization.safetensors.numpy.save(arrays, metadata))
    with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
        mg.load(io.BytesIO(data))


@pytest.mark.parametrize(
    "entry, data, message",
    [
        ({"dtype": "BOOL", "shape": [2]}, b"\1\2", "'w' of BOOL has bytes other than 0 and 1"),
        ({"dtype": "F32", "shape": [0, 2**62, 2**62]}, b"", "cannot read"),
        ({"dtype": "F32", "shape": [2**40]}, b"1234", "no safetensors file"),
        ({"dtype": "F32", "shape": [1] * 70}, b"1234", "cannot read"),
        ({"dtype": "F32", "shape": [-1]}, b"1234", "no safetensors file"),
    ],
)
def test_forged_tensors(entry, data, message):
    header = json.dumps({"w": {**entry, "data_offsets": [0, len(data)]}}).encode()
    with pytest.raises(ValueError, match=message):
        mg.load(io.BytesIO(len(header).to_bytes(8, "little") + header + data))


def test_a_tensor_is_taken_once():
    """Else a file of a few kilobytes could ask for any memory."""
    array = np.ones(2, np.float32)
    metadata = {serialization.STRUCTURE: '[{"tensor": "w"}, {"tensor": "w"}]', serialization.DIGEST: serialization.BLANK}
    data = serialization.sealed(serialization.safetensors.numpy.save({"w": array}, metadata))
    with pytest.raises(ValueError, match="load: cannot read the BytesIO"):
        mg.load(io.BytesIO(data))


def test_a_raw_file_that_takes_a_part_only():
    class Small(io.RawIOBase):
        def write(self, data):
            return 100

    with pytest.raises(OSError, match="save: .* did not take all [0-9]+ bytes"):
        mg.save([mg.ones(100)], Small())


def test_equal_objects_make_equal_files():
    files = [io.BytesIO() for _ in range(5)]
    for file in files:
        mg.save({"w": mg.ones(2, 3), "steps": 7, "name": "a"}, file)
    assert len({file.getvalue() for file in files}) == 1


def test_a_missing_file_and_wrong_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        mg.load(tmp_path / "nothing")
    mg.save(mg.ones(1), tmp_path / "file")
    here, elsewhere = ("cuda", "cpu") if mg.cuda.is_available() else ("cpu", "cuda")
    assert mg.load(tmp_path / "file", map_location=here, weights_only=True).tolist() == [1]
    with pytest.raises(RuntimeError, match=f"load: this process computes on '{here}.*, got device '{elsewhere}'"):
        mg.load(tmp_path / "file", map_location=elsewhere)
    with pytest.raises(ValueError, match="weights_only=True"):
        mg.load(tmp_path / "file", weights_only=False)
    with (
        open(tmp_path / "file", encoding="latin-1") as text,
        pytest.raises(TypeError, match="binary mode, got str"),
    ):
        mg.load(text)
    with open(tmp_path / "file", "rb") as binary:
        assert mg.load(binary).tolist() == [1]


# ----------------------------------------------------------------------------------------------- the old file


@pytest.mark.parametrize(
    "obj, message",
    [
        (mg.nn.Linear(2, 2), "object of type Linear .at the top.*state_dict"),
        ({"a": [1, {"b": object()}]}, r"object of type object .at \['a'\]\[1\]\['b'\]"),
        (np.ones(2), "type ndarray"),
        ({1, 2}, "type set"),
        ({mg.ones(1): 1}, "type Tensor"),
        (1j, "type complex"),
    ],
)
def test_objects_that_cannot_be_saved(obj, message, tmp_path):
    path = tmp_path / "file"
    mg.save([1], path)
    with pytest.raises(TypeError, match=message):
        mg.save(obj, path)
    assert mg.load(path) == [1]
    assert os.listdir(tmp_path) == ["file"]


def test_an_object_that_contains_itself():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        mg.save(loop, io.BytesIO())


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_other(step, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    mg.save({"w": mg.ones(2)}, path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise error

    class Full(io.FileIO):
        def write(self, data):
            super().write(data[:7])
            raise error

    if step == "write":
        monkeypatch.setattr(
            serialization, "open", lambda path, mode: Full(path, mode.replace("b", "")), raising=False
        )
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        mg.save({"w": mg.zeros(1000)}, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


def test_a_new_file_appears_whole(tmp_path, monkeypatch):
    """At the moment of the rename the new content is complete and on disk, in the same directory."""
    path, synced, moved = tmp_path / "file", [], []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), fsync(fd)))

    def watch(source, target):
        assert Path(source).parent == tmp_path and Path(target) == path
        moved.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    mg.save([mg.arange(100)], path)
    assert moved == [path.read_bytes()] and synced == [len(moved[0])]


def test_the_new_file_has_ordinary_permissions_and_links_stay(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    mg.save([1], tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    (tmp_path / "link").symlink_to(tmp_path / "file")
    mg.save([2], tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and mg.load(tmp_path / "file") == [2]


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .*nowhere does not exist"):
        mg.save([1], tmp_path / "nowhere" / "file")
    with pytest.raises(OSError):
        mg.save([1], tmp_path)
    assert os.listdir(tmp_path) == []


def test_saving_does_not_change_what_is_saved():
    obj = copy.deepcopy(CHECKPOINT)
    saved(obj)
    assert same(obj, CHECKPOINT)
