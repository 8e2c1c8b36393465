"""MNIST: its files read and refused, its parts as data sets, and what stands in for it."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets
from minigrad.datasets import Images, files, idx, read_idx
from minigrad.utils.data import DataLoader, Subset, random_split

PUBLISHED = os.environ.get("MINIGRAD_DATA", "")  # before the fixtures below hide it
SIZES = 7, 3, 4


def idx_content(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def arrays():
    """Images and labels of a set of ten and one of four, as the published files have them."""
    generator = np.random.default_rng(1)
    images = [generator.integers(0, 256, (n, 28, 28), np.uint8) for n in (10, 4)]
    return images, [generator.integers(0, 10, n, np.uint8) for n in (10, 4)]


@pytest.fixture
def contents(arrays, monkeypatch, tmp_path):
    """{name: content} of four small files that `mnist` takes for the published ones; none is anywhere yet."""
    contents = {}
    for which, group in zip(("IMAGES", "LABELS"), arrays):
        replaced = []
        for file, array in zip(getattr(idx, which), group):
            contents[file.name] = idx_content(array)
            replaced.append(file._replace(sha256=hashlib.sha256(contents[file.name]).hexdigest()))
        monkeypatch.setattr(idx, which, tuple(replaced))
    monkeypatch.setattr(idx, "SIZES", SIZES)
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINIGRAD_OFFLINE", "1")
    monkeypatch.setattr(files, "failures", {})
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    return contents


@pytest.fixture
def directory(contents, tmp_path):
    """Where the four files lie, gzipped."""
    for name, content in contents.items():
        (tmp_path / "data" / name).write_bytes(gzip.compress(content, 1))
    return tmp_path / "data"


# ------------------------------------------------------------------------------------------ parts and batches


def test_parts(directory, arrays):
    train, validation, test = parts = datasets.mnist()
    images, labels = np.concatenate(arrays[0]), np.concatenate(arrays[1])
    for part, rows in zip(parts, (slice(7), slice(7, 10), slice(10, 14))):
        assert part.images.dtype == mg.uint8 and part.labels.dtype == mg.int64
        np.testing.assert_array_equal(part.images.numpy(), images[rows, None])
        np.testing.assert_array_equal(part.labels.numpy(), labels[rows])
        assert not part.stand_in and part.mean is part.std is None
    assert (parts.train, parts.validation, parts.test) == (train, validation, test)
    assert repr(train) == "<7 images of 1x28x28, uint8>"


@pytest.mark.parametrize("normalize", [False, True])
def test_samples_and_batches(directory, arrays, normalize):
    for part, rows in zip(datasets.mnist(normalize=normalize), (slice(7), slice(7, 10), slice(10, 14))):
        expected = np.concatenate(arrays[0])[:, None] / 256
        if normalize:
            expected = (expected - expected[:7].mean()) / expected[:7].std()  # of the training images
        expected = expected[rows]
        image, label = part[2]
        assert image.shape == (1, 28, 28) and image.dtype == mg.float32 and label.shape == ()
        np.testing.assert_allclose(image.numpy(), expected[2], 1e-6, 1e-6)
        for index in (slice(None), slice(1, 3), [2, 0, 2], mg.tensor([1, 1]), part.labels > 4, -1):
            x, y = part[index]
            rows_ = index.numpy() if isinstance(index, mg.Tensor) else index
            assert x.dtype == mg.float32 and y.dtype == mg.int64
            np.testing.assert_allclose(x.numpy(), expected[rows_], 1e-6, 1e-6)
            np.testing.assert_array_equal(y.numpy(), part.labels.numpy()[rows_])
    with pytest.raises(IndexError):
        part[len(part)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_only_says_how_images_are_kept(directory, dtype):
    for kept, part in zip(datasets.mnist(dtype=dtype, normalize=True), datasets.mnist(normalize=True)):
        assert kept.images.dtype == kept[0][0].dtype == dtype
        np.testing.assert_allclose(kept[:][0].numpy(), part[:][0].numpy(), 1e-6, 1e-6)
        assert kept.to(dtype) is kept and (kept.mean, kept.std) == (part.mean, part.std)
        with pytest.raises(ValueError, match="floating dtype for images of uint8"):
            kept.to("uint8")
    with pytest.raises(ValueError, match="expected a floating dtype .* got int64"):
        datasets.mnist(dtype="int64")


def test_taking_a_batch_leaves_the_images_alone(directory):
    train = datasets.mnist(normalize=True).train
    before = train.images.numpy().copy()
    train[:][0].array[...] = 0
    np.testing.assert_array_equal(train.images.numpy(), before)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_in_a_loader(directory, dtype):
    train = datasets.mnist(dtype=dtype, normalize=True).train
    for dataset, rows in ((train, range(7)), (Subset(train, [5, 1, 3]), [5, 1, 3])):
        batches = list(DataLoader(dataset, batch_size=2))
        assert [len(y) for _, y in batches] == [2] * (len(dataset) // 2) + [1]
        x, y = (mg.cat([batch[i] for batch in batches]) for i in (0, 1))
        expected_x, expected_y = train[list(rows)]
        assert x.dtype == mg.float32 and y.dtype == mg.int64
        np.testing.assert_array_equal(x.numpy(), expected_x.numpy())
        np.testing.assert_array_equal(y.numpy(), expected_y.numpy())
    class Brighter(Images):
        def __getitem__(self, index):
            assert isinstance(index, (int, list)), "a subclass decides for itself what it takes"
            image, label = super().__getitem__(index)
            return image + 1, label

    brighter = Brighter(train.images, train.labels, train.mean, train.std)
    x, _ = next(iter(DataLoader(brighter, batch_size=3)))
    np.testing.assert_allclose(x.numpy(), train[:3][0].numpy() + 1, 1e-6)
    image, label = random_split(train, [4, 3])[0][0]
    assert image.shape == (1, 28, 28) and label.shape == ()


def test_images_need_labels():
    with pytest.raises(ValueError, match="got 2 for 3"):
        Images(mg.zeros(3, 1, 2, 2), mg.tensor([0, 1]))


# ------------------------------------------------------------------------------------------------------ files


def test_files_may_be_decompressed(directory, contents):
    expected = datasets.mnist().train.images.numpy()
    for name in contents:
        path = directory / name
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(datasets.mnist(stand_in=False).train.images.numpy(), expected)


@pytest.mark.parametrize("which", range(4))
def test_wrong_file_is_an_error(directory, contents, which):
    name = list(contents)[which]
    (directory / name).write_bytes(gzip.compress(contents[name][:-1] + bytes([contents[name][-1] ^ 1])))
    with pytest.raises(ValueError, match=f"{name}: expected sha256 .* found sha256"):
        datasets.mnist()


@pytest.mark.parametrize("which", range(4))
def test_missing_file_means_the_stand_in(directory, contents, which, capsys):
    name = list(contents)[which]
    (directory / name).unlink()
    parts = datasets.mnist(dtype="float32", normalize=True)
    assert [len(part) for part in parts] == [*SIZES] and all(part.stand_in for part in parts)
    assert parts.train.images.dtype == mg.float32 and parts.train.std > 0
    assert repr(parts.test) == "<4 stand-in images of 1x28x28, float32>"
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in ("USING A STAND-IN of 14 drawn digits", f"no {name}", "MINIGRAD_OFFLINE"):
        assert part in message
    with pytest.raises(FileNotFoundError, match=f"no {name}"):
        datasets.mnist(stand_in=False)


def test_downloads_into_the_cache(contents, tmp_path, monkeypatch):
    asked = []

    def receive(address):
        asked.append(address)
        assert address.startswith("https://ossci-datasets.s3.amazonaws.com/mnist/")  # the first mirror
        return gzip.compress(contents["mnist/" + address.rsplit("/", 1)[1]])

    monkeypatch.setattr(files, "receive", receive)
    monkeypatch.delenv("MINIGRAD_OFFLINE")
    assert datasets.mnist(download=False).train.stand_in and asked == []
    for _ in range(2):
        assert not datasets.mnist(stand_in=False).train.stand_in
    assert len(asked) == 4
    found = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "cache").as_posix() for path in found) == sorted(contents)


def test_second_mirror(contents, monkeypatch):
    def receive(address):
        if "amazonaws" in address:
            raise ConnectionError("no network")
        assert address.startswith("https://raw.githubusercontent.com/fgnt/mnist/master/")
        return gzip.compress(contents["mnist/" + address.rsplit("/", 1)[1]])

    monkeypatch.setattr(files, "receive", receive)
    monkeypatch.delenv("MINIGRAD_OFFLINE")
    assert not datasets.mnist(stand_in=False).train.stand_in


# --------------------------------------------------------------------------------------------- the IDX format


@pytest.mark.parametrize("shape", [(3,), (0,), (2, 3, 4), (0, 28, 28), (2, 1, 2, 1)])
def test_read_idx(shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    found = read_idx(idx_content(array), len(shape), "here")
    assert found.dtype == np.uint8 and found.shape == shape
    np.testing.assert_array_equal(found, array)


def test_read_idx_refuses_other_files():
    content = idx_content(np.zeros((2, 3, 4), np.uint8))
    for wrong, ndim, message in [
        (content, 1, "begins with 00 00 08 01, got 00 00 08 03"),
        (b"\0\0\x0d\x03" + content[4:], 3, "begins with 00 00 08 03, got 00 00 0d 03"),
        (b"\x1f\x8b", 3, "got 1f 8b"),
        (b"", 3, "begins with 00 00 08 03, got "),
        (content[:-1], 3, r"expected 16 \+ 24 bytes for sizes \(2, 3, 4\), got 39"),
        (content + b"\0", 3, r"expected 16 \+ 24 bytes .* got 41"),
        (content[:11], 3, r"expected 16 \+ 0 bytes .* got 11"),
        (content[:4], 3, r"expected 16 \+ 0 bytes .* got 4"),
    ]:
        with pytest.raises(ValueError, match=f"^here: .*{message}"):
            read_idx(wrong, ndim, "here")


# --------------------------------------------------------------------------------------------- the real thing


def test_published_figures():
    if not (Path(PUBLISHED) / "mnist").is_dir() or not PUBLISHED:
        pytest.skip("MINIGRAD_DATA has no mnist")
    parts = datasets.mnist(normalize=True, download=False, stand_in=False)
    assert [len(part) for part in parts] == [50000, 10000, 10000]
    assert [f"{value:.4f}" for value in (parts.train.mean, parts.train.std)] == ["0.1304", "0.3073"]
    train = mg.cat([parts.train.labels, parts.validation.labels])
    assert np.bincount(train.numpy()).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = np.bincount(parts.test.labels.numpy())
    assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    x, _ = parts.train[:5000]
    assert abs(x.mean().item()) < 0.01 and abs(x.std().item() - 1) < 0.01
