"""Files from mirrors that fail, onto disks that are full or closed, by processes that are killed.

Always the same must hold: who asks gets the published content or a sentence that says why not, and the cache holds
nothing, or the published content.
"""

import contextlib
import hashlib
import io
import os
import random
import tempfile
from pathlib import Path
from unittest import mock

from minigrad.datasets import File, files

from ..faulty_server import FaultyServer, refused_address
from . import Row
from .disks import full_disk, unprivileged
from .killing import ended, killed, program, started

CONTENT, LARGE = (random.Random(0).randbytes(size) for size in (2**16, 2**20))
FAULTS = {  # path: what the reason says
    "status/403": "403", "status/404": "404", "status/410": "410", "status/429": "429", "status/500": "500",
    "status/503": "503", "loop": "redirects", "to_a_file": "file:///", "nowhere": "Invalid",
    "wrong": "found sha256", "empty": "found sha256", "short": "found sha256", "bomb": "found sha256",
    "endless": "and more arrived", "cut": "ChunkedEncodingError", "reset": "ChunkedEncodingError|ConnectionError",
    "garbage": "ConnectionError|found sha256", "encoded": "ContentDecodingError", "silent": "ReadTimeout|TimeoutError",
    "dribble": "TimeoutError", "slow": "TimeoutError", "headers_without_end": "ConnectionError|TimeoutError",
}  # fmt: skip
ENDLESS = {"silent", "dribble", "slow", "headers_without_end"}  # given up for want of patience alone


def published(*mirrors, content=CONTENT):
    return File("names.txt", hashlib.sha256(content).hexdigest(), mirrors)


@contextlib.contextmanager
def fresh_cache(patience=5.0):
    """A cache of its own, with no memory of failures; stderr as text."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        environment = {"MINIGRAD_CACHE": folder, "MINIGRAD_DATA": "", "MINIGRAD_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
        stack.enter_context(mock.patch.dict(os.environ, environment))
        stack.enter_context(mock.patch.object(files, "failures", {}))
        stack.enter_context(mock.patch.object(files, "STALL_SECONDS", patience))
        stack.enter_context(mock.patch.object(files, "LARGEST", 2**22))
        yield Path(folder), stack.enter_context(contextlib.redirect_stderr(io.StringIO()))


def check_cache(folder, kept=None):
    """The cache holds the content, or nothing; `kept` says which where it is known."""
    found = [path.name for path in folder.iterdir()]
    assert found == ["names.txt"] if kept else not found if kept is False else set(found) <= {"names.txt"}, found
    if found:
        assert (folder / "names.txt").read_bytes() == CONTENT


def check_refusal(*addresses, says=(), patience=5.0):
    """No mirror has it: the reason names each, and nothing is left."""
    with fresh_cache(patience) as (folder, _):
        try:
            files.find(published(*addresses))
        except FileNotFoundError as error:
            for part in says:
                assert any(alternative in str(error) for alternative in part.split("|")), (part, error)
        else:
            raise AssertionError(f"{addresses}: content that nobody sent whole")
        check_cache(folder, kept=False)


def check_next_mirror(bad, good, patience):
    """The first mirror fails and the second does not."""
    with fresh_cache(patience) as (folder, stderr):
        assert files.find(published(bad, good)) == CONTENT, bad
        check_cache(folder, kept=True)
        assert stderr.getvalue() == "", stderr.getvalue()


def check_faults():
    """Every way to fail, alone and before a good mirror; how many there are."""
    with FaultyServer(CONTENT) as server, FaultyServer(CONTENT) as other:
        for fault, says in FAULTS.items():
            patience = 0.7 if fault in ENDLESS else 5.0
            check_refusal(server.address(fault), says=[says], patience=patience)
            check_next_mirror(server.address(fault), other.address("good"), patience)
        check_refusal(refused_address(), says=["ConnectionError"])
        check_next_mirror(refused_address(), other.address("good"), 5.0)
        check_refusal(*map(server.address, FAULTS), refused_address(), patience=0.7)
    return len(FAULTS) + 1


def check_cuts(step):
    """The connection ends after every `step` bytes: with a length, without, and within a chunk."""
    count = 0
    with FaultyServer(CONTENT) as server:
        for size in range(0, len(CONTENT), step):
            for way in ("cut", "short", "chunked"):
                check_refusal(server.address(f"{way}/{size}"), says=["found sha256|ChunkedEncodingError"])
                count += 1
    return count


# ----------------------------------------------------------------------------------------- disks that do not take it


def check_full_disk(step):
    """The disk ends after every `step` bytes: the content comes, a notice says why it is not kept, nothing is left."""
    sizes = range(0, len(CONTENT), step)
    with FaultyServer(CONTENT) as server:
        for size in sizes:
            with fresh_cache() as (folder, stderr):
                with full_disk(size):
                    assert files.find(published(server.address("good"))) == CONTENT
                assert "cannot keep names.txt for the next time: [Errno 27] File too large" in stderr.getvalue()
                check_cache(folder, kept=False)
    return len(sizes)


def check_closed_folders():
    """Caches that cannot be written, or not even looked into, or not be at all; how many there are."""

    def closed(mode):
        def prepare(folder):
            folder.chmod(mode)
            return folder

        return prepare

    def below_a_file(folder):
        (folder / "file").write_text("no folder")
        return folder / "file" / "cache"

    def no_file_in_its_place(folder):
        (folder / "names.txt").mkdir()
        return folder

    ways = [closed(0o555), closed(0), below_a_file, no_file_in_its_place, lambda folder: folder / ("x" * 300)]
    with FaultyServer(CONTENT) as server:
        for way in ways:
            with fresh_cache() as (folder, stderr):
                files.find(published(server.address("good")))  # what is imported on the way, is
                (folder / "names.txt").unlink()
                before = way(folder)
                with mock.patch.dict(os.environ, {"MINIGRAD_CACHE": str(before)}), unprivileged():
                    assert files.find(published(server.address("good"))) == CONTENT
                assert "cannot keep names.txt for the next time: [Errno" in stderr.getvalue(), stderr.getvalue()
                folder.chmod(0o700)
                assert not [path for path in folder.rglob("*") if path.is_file() and path.name != "file"]
    return len(ways)


# ------------------------------------------------------------------------------------------- processes beside each other


def fetch_and_be_killed(address, folder, kills):
    """Fetch in processes that are killed at random moments; after each, the next run must find all in order."""
    folder = Path(folder)
    target = folder / "names.txt"

    def work():
        target.unlink(missing_ok=True)
        assert files.find(published(address, content=LARGE)) == LARGE

    def check():
        litter = [path for path in folder.iterdir() if path != target]
        assert not target.exists() or target.read_bytes() == LARGE
        assert files.find(published(address, content=LARGE)) == LARGE  # the next run
        for path in litter:
            path.unlink()
        return "while it was written" if litter else "before or after"

    return killed(work, check, kills)


def fetch_together(address, count):
    """Fetch in several processes at once."""
    children = [started(lambda: files.find(published(address))) for _ in range(count)]
    return sum([ended(child) for child in children])


def check_kills(kills):
    with FaultyServer(LARGE) as server, fresh_cache() as (folder, _):
        return program(fetch_and_be_killed, server.address("good"), str(folder), kills)


def check_together(count):
    with FaultyServer(CONTENT) as server, fresh_cache() as (folder, _):
        assert program(fetch_together, server.address("good"), count) == count
        check_cache(folder, kept=True)
    return count


def rows(full):
    faults, cuts = check_faults(), check_cuts(2**10 if full else 2**13)
    kills = check_kills(200 if full else 20)
    return [
        Row("ways of a mirror to fail, alone and before a good one", faults, "told, and the next mirror asked"),
        Row("downloads cut short", cuts, "told, nothing kept"),
        Row("full disks", check_full_disk(2**10 if full else 2**13), "content given, notice printed, nothing kept"),
        Row("caches that cannot be written", check_closed_folders(), "content given, notice printed"),
        Row("processes that fetch at once", check_together(16 if full else 4), "all have it, the cache is whole"),
        Row("processes killed while they fetch", kills[0], f"the next run succeeds: {kills[1]}"),
    ]
