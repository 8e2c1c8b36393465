"""Data sets: where files are looked for, what every kind of failure leaves behind, and words into examples.

Nothing here leaves the machine: the mirrors are a server on 127.0.0.1 that fails in the ways networks do.
"""

import errno
import gc
import gzip
import hashlib
import io
import math
import os
import random
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from faulty_server import CONTENT, FaultyServer, refused_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigrad import datasets, tensor
from minigrad.datasets import File, Vocabulary, contexts, files, split
from minigrad.datasets import words as module

PUBLISHED = os.environ.get("MINIGRAD_DATA", "")  # before the fixtures below hide it
WORDS = CONTENT.decode().split()


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server():
    with FaultyServer() as server:
        yield server


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The directory that $MINIGRAD_DATA names."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("MINIGRAD_DATA", str(path))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache directory, not there yet, with neither $MINIGRAD_DATA nor memory of earlier failures."""
    path = tmp_path / "caches" / "minigrad"
    monkeypatch.setenv("MINIGRAD_CACHE", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    monkeypatch.delenv("MINIGRAD_OFFLINE", raising=False)
    monkeypatch.setattr(files, "failures", {})
    receive = files.receive

    def patiently(address):
        """However busy the machine is, a server that answers is waited for, and one that never will is not."""
        stalls = "/silent" in address or "/dribble" in address
        monkeypatch.setattr(files, "STALL_SECONDS", 0.3 if stalls else 60.0)
        return receive(address)

    monkeypatch.setattr(files, "receive", patiently)
    return path


@pytest.fixture
def publish(monkeypatch):
    """Make the data of `names()` be CONTENT at the given addresses."""

    def publish(*mirrors, content=CONTENT):
        file = File("names.txt", digest(content), mirrors)
        monkeypatch.setattr(module, "NAMES", file)
        return file

    return publish


def files_below(path):
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())


# ---- where a file is looked for ----


def test_data_directory_comes_first_then_cache_then_network(cache, data, server, publish, capsys):
    publish(server.address("good"))
    assert datasets.names() == WORDS
    assert server.asked == ["good"]
    assert (cache / "names.txt").read_bytes() == CONTENT

    assert datasets.names() == WORDS
    assert server.asked == ["good"], "the cached file must be used"

    (data / "names.txt").write_bytes(CONTENT)
    (cache / "names.txt").write_bytes(b"never read")
    words = datasets.names()
    assert words == WORDS and not words.stand_in
    assert capsys.readouterr().err == ""


def test_user_cache_directory_is_the_default(cache, publish, monkeypatch):
    import pooch

    monkeypatch.delenv("MINIGRAD_CACHE")
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache.parent / f"user-{project}")
    publish()
    with pytest.raises(FileNotFoundError, match="user-minigrad.names.txt does not exist"):
        datasets.names(stand_in=False)


def test_line_ends_may_be_windows_ones(cache, data, publish):
    content = b"anna\r\nbob\r\n"
    publish(content=content)
    (data / "names.txt").write_bytes(content)
    assert datasets.names() == ["anna", "bob"]


def test_corrupt_file_in_data_directory_is_an_error(cache, data, server, publish):
    publish(server.address("good"))
    (data / "names.txt").write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError) as caught:
        datasets.names()
    for part in (str(data / "names.txt"), digest(CONTENT), digest(CONTENT[:-1])):
        assert part in str(caught.value)
    assert server.asked == []


def test_corrupt_cached_file_is_replaced(cache, server, publish, capsys):
    publish(server.address("good"))
    cache.mkdir(parents=True)
    (cache / "names.txt").write_bytes(b"half a fi")
    assert datasets.names() == WORDS
    assert (cache / "names.txt").read_bytes() == CONTENT
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(cache / "names.txt") in message and digest(b"half a fi") in message


def test_gzipped_file_is_verified_by_its_content(cache, server):
    file = File("digits/images.gz", digest(CONTENT), (server.address("gzip"),))
    assert datasets.find(file) == CONTENT
    assert gzip.decompress((cache / "digits" / "images.gz").read_bytes()) == CONTENT
    assert datasets.find(file) == CONTENT and server.asked == ["gzip"]


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damaged_gzip_is_an_error(cache, data, damage):
    packed = bytearray(gzip.compress(CONTENT))
    if damage == "truncated":
        packed = packed[: len(packed) // 2]
    else:
        packed[len(packed) // 2] ^= 255
    (data / "images.gz").write_bytes(packed)
    with pytest.raises(ValueError, match="images.gz.*expected sha256.*found (damaged gzip data|sha256)"):
        datasets.find(File("images.gz", digest(CONTENT), ()))


# ---- downloads that fail ----

FAULTS = {
    "refused": "no download from 127.0.0.1:[0-9]+ .ConnectionError",
    "missing": "404",
    "wrong": "expected sha256 .* found sha256",
    "cut": "no download from 127.0.0.1",
    "short": "expected sha256 .* found sha256",
    "silent": "no download from 127.0.0.1:[0-9]+ .*(Timeout|ConnectionError)",
    "dribble": "no download from 127.0.0.1:[0-9]+ .*TimeoutError",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failed_download_is_told_and_leaves_nothing(cache, server, publish, fault):
    publish(refused_address() if fault == "refused" else server.address(fault))
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError, match=FAULTS[fault]) as caught:
        datasets.names(stand_in=False)
    assert time.perf_counter() - start < 60  # given up, however busy the machine is
    assert "MINIGRAD_DATA is not set" in str(caught.value) and str(cache / "names.txt") in str(caught.value)
    assert files_below(cache.parent) == []
    del caught
    gc.collect()  # a socket left open becomes an error here


@pytest.mark.parametrize("fault", FAULTS)
def test_next_mirror_is_asked(cache, server, publish, capsys, fault):
    with FaultyServer() as second:  # another host: a silent one is not asked again
        publish(refused_address() if fault == "refused" else server.address(fault), second.address("good"))
        assert datasets.names() == WORDS
    assert files_below(cache.parent) == ["minigrad/names.txt"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fault", ["missing", "wrong", "cut", "silent"])
def test_a_failed_download_is_not_repeated(cache, server, publish, fault):
    publish(server.address(fault))
    for _ in range(3):
        assert datasets.names().stand_in
    assert server.asked == [fault]


def test_dead_host_is_not_asked_for_another_file(cache, server, publish, monkeypatch):
    publish(server.address("cut"))
    monkeypatch.setattr(module, "PRENOMS", File("prenoms.txt", digest(CONTENT), (server.address("good"),)))
    assert datasets.names().stand_in and datasets.prenoms().stand_in
    assert server.asked == ["cut"]


def test_host_that_lacks_one_file_is_asked_for_another(cache, server, publish, monkeypatch):
    publish(server.address("missing"))
    monkeypatch.setattr(module, "PRENOMS", File("prenoms.txt", digest(CONTENT), (server.address("good"),)))
    assert datasets.names().stand_in
    assert datasets.prenoms() == WORDS


def test_progress_bar_only_on_a_terminal(cache, server, publish, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    publish(server.address("good"))
    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert datasets.names() == WORDS
        assert ("100%" in stream.getvalue()) is shown
        (cache / "names.txt").unlink()


# ---- caches that cannot be written ----


def test_cache_below_a_file(cache, server, publish, capsys):
    publish(server.address("good"))
    cache.parent.write_text("a file where the directory should be")
    words = datasets.names()
    assert words == WORDS and not words.stand_in
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "cannot keep names.txt" in message


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), OSError(errno.EACCES, "denied")])
def test_failed_write_leaves_the_cache_as_it_was(cache, server, publish, monkeypatch, capsys, step, error):
    def fail(*arguments):
        raise error

    publish(server.address("good"))
    cache.mkdir(parents=True)
    (cache / "names.txt").write_bytes(b"old and wrong")
    monkeypatch.setattr(os, step, fail)
    assert datasets.names() == WORDS
    assert files_below(cache) == ["names.txt"] and (cache / "names.txt").read_bytes() == b"old and wrong"
    assert f"cannot keep names.txt for the next time: {error}" in capsys.readouterr().err


def test_interrupted_write_leaves_nothing(cache, server, publish, monkeypatch):
    def interrupt(path, target):
        assert files_below(cache) == [path.name], "the file must be written beside its place first"
        raise KeyboardInterrupt

    publish(server.address("good"))
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        datasets.names()
    assert files_below(cache) == []


# ---- the stand-ins ----


def test_stand_in_is_announced_in_one_line(cache, server, publish, monkeypatch, capsys):
    publish(server.address("good"))
    monkeypatch.setenv("MINIGRAD_OFFLINE", "1")
    words = datasets.names()
    assert words.stand_in and server.asked == []
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"STAND-IN of {len(words)} words" in message and "MINIGRAD_OFFLINE" in message
    monkeypatch.setenv("MINIGRAD_OFFLINE", "0")
    assert datasets.names() == WORDS


def test_download_and_stand_in_can_be_forbidden(cache, data, server, publish):
    publish(server.address("good"))
    assert datasets.names(download=False).stand_in
    with pytest.raises(FileNotFoundError) as caught:
        datasets.names(download=False, stand_in=False)
    for part in (str(data / "names.txt"), str(cache / "names.txt"), "download=False"):
        assert part in str(caught.value)
    assert server.asked == []


def test_stand_in_lists(cache):
    names = datasets.names(download=False)
    assert len(names) == len(set(names)) >= 1200
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")

    prenoms = datasets.prenoms(download=False)
    assert len(prenoms) == len(set(prenoms)) >= 300
    assert all(word == word.upper() and unicodedata.is_normalized("NFC", word) for word in prenoms)
    assert {"É", "È", "Ë", "Ï", "Ç", "-"} <= set("".join(prenoms))


def test_import_does_not_load_the_downloader():
    code = "import sys, minigrad.datasets; print(sorted({'pooch', 'requests'} & sys.modules.keys()))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


# ---- words into examples ----

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no error
words_of_letters = st.lists(st.text(alphabet="abzéŸ-' 😀", max_size=7), max_size=12)


def test_vocabulary():
    vocabulary = Vocabulary(["emma", "zoé"])
    assert len(vocabulary) == 7
    assert vocabulary.itos == {0: ".", 1: "a", 2: "e", 3: "m", 4: "o", 5: "z", 6: "é"}
    assert vocabulary.stoi == {character: index for index, character in vocabulary.itos.items()}
    assert vocabulary.encode("zoé.") == [5, 4, 6, 0]
    for indices in ([5, 4, 6, 0], (5, 4, 6, 0), np.array([5, 4, 6, 0]), tensor(np.array([5, 4, 6, 0]))):
        assert vocabulary.decode(indices) == "zoé."
    for index in (3, np.int64(3), tensor(np.array(3))):
        assert vocabulary.decode(index) == "m"
    assert vocabulary.decode([]) == ""


@unhurried
@given(words_of_letters)
def test_decode_undoes_encode(words):
    vocabulary = Vocabulary(words)
    for word in words:
        assert vocabulary.decode(vocabulary.encode(word)) == word


def test_vocabulary_errors():
    vocabulary = Vocabulary(["emma"])
    with pytest.raises(ValueError, match="'x' in 'max'"):
        vocabulary.encode("max")
    with pytest.raises(ValueError, match="'x' in 'max'"):
        contexts(["emma", "am", "max", "mea"], vocabulary)
    for wrong in (4, -1, [0, 4], [[1, 2], [3, 0]], [0.5], None):
        with pytest.raises(ValueError, match="from 0 to 3, got"):
            vocabulary.decode(wrong)
    with pytest.raises(ValueError, match='without "."'):
        Vocabulary(["em.ma"])


def contexts_by_loop(words, stoi, block_size):
    X, Y = [], []
    for word in words:
        context = [0] * block_size
        for character in word + ".":
            X.append(context)
            Y.append(stoi[character])
            context = context[1:] + [stoi[character]]
    return X, Y


@unhurried
@given(words_of_letters, st.integers(1, 9))
def test_contexts_against_a_loop(words, block_size):
    vocabulary = Vocabulary(words)
    X, Y = contexts(words, vocabulary, block_size)
    expected_X, expected_Y = contexts_by_loop(words, vocabulary.stoi, block_size)
    assert tuple(X.shape) == (len(expected_Y), block_size) and tuple(Y.shape) == (len(expected_Y),)
    assert (X.tolist(), Y.tolist()) == (expected_X, expected_Y)


def test_contexts_types_and_errors():
    vocabulary = Vocabulary(["ab"])
    for words in (["ab", "b"], [], (word for word in ["a"])):
        X, Y = contexts(words, vocabulary)
        assert X.dtype == Y.dtype == tensor(np.zeros(1, dtype=np.int64)).dtype
    with pytest.raises(ValueError, match="block_size >= 1, got 0"):
        contexts(["ab"], vocabulary, block_size=0)


def test_split_shuffles_a_copy_as_makemore_does():
    words = [str(i) for i in range(1037)]
    shuffled = list(words)
    random.seed(42)
    random.shuffle(shuffled)
    train, dev, test = split(words)
    assert train == shuffled[:829] and dev == shuffled[829:933] and test == shuffled[933:]
    assert words == [str(i) for i in range(1037)]
    assert split(words, seed=43) != (train, dev, test)


@pytest.mark.parametrize("train, dev", [(8, 1), (7, 2), (6, 3), (10, 0), (0, 0), (3, 4)])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 90, 1037])
def test_split_cuts_where_tenths_say(count, train, dev):
    words = [str(i) for i in range(count)]
    parts = split(words, fractions=(train / 10, dev / 10, (10 - train - dev) / 10))
    assert sorted(sum(parts, [])) == sorted(words)
    first, second = train * count // 10, (train + dev) * count // 10
    assert [len(part) for part in parts] == [first, second - first, count - second]


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.3, -0.1), (0.5, 0.1, 0.1), (math.nan, 0.5, 0.5)])
def test_split_refuses_other_fractions(fractions):
    with pytest.raises(ValueError, match="split: expected three fractions"):
        split(["a", "b"], fractions=fractions)


@pytest.mark.parametrize(
    "read, count, symbols, examples",
    [
        ("names", 32033, 27, [182625, 22655, 22866]),
        ("prenoms", 30000, 46, [180834, 22852, 22639]),
    ],
)
def test_published_figures(monkeypatch, read, count, symbols, examples):
    if not (Path(PUBLISHED) / f"{read}.txt").exists():
        pytest.skip(f"MINIGRAD_DATA has no {read}.txt")
    words = getattr(datasets, read)(download=False, stand_in=False)
    vocabulary = Vocabulary(words)
    assert len(words) == count and len(vocabulary) == symbols
    pairs = [contexts(part, vocabulary, block_size=3) for part in split(words)]
    assert [tuple(X.shape) for X, _ in pairs] == [(n, 3) for n in examples]
    X, Y = contexts(words, vocabulary)
    assert (X.tolist(), Y.tolist()) == contexts_by_loop(words, vocabulary.stoi, 3)
