"""Published files: found on disk or downloaded, and verified.

A file is looked for in `$MINIGRAD_DATA`, then in the cache (`$MINIGRAD_CACHE`, or else the user's cache
directory), then downloaded into the cache; `MINIGRAD_OFFLINE=1` skips the network. Wherever it came from, its
content must have the published sha256. A gzipped file may also lie there decompressed, without the .gz.
"""

import gzip
import hashlib
import io
import os
import sys
import threading
import zlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ..serialization import write_atomically


class File(NamedTuple):
    """A published file; `sha256` is that of its content, after decompression where it is gzipped."""

    name: str
    sha256: str
    mirrors: tuple[str, ...]


STALL_SECONDS, STALL_BYTES = 5.0, 8192  # a mirror that sends less in this time is given up
LARGEST = 2**28  # bytes of a file, received or decompressed: no mirror fills the memory
failures: dict[str, str] = {}  # addresses and hosts that failed in this process, with the reason


def find(file: File, download: bool = True) -> bytes:
    """The verified, decompressed content of `file`, from the first place that has it.

    Raises `ValueError` when the copy in `$MINIGRAD_DATA` is not the published file, and `FileNotFoundError`,
    which lists what was tried, when no place has it.
    """
    tried = []
    if directory := os.environ.get("MINIGRAD_DATA"):
        path = place(directory, file)
        if path.exists():
            return verify(file, path.read_bytes(), str(path))
        tried.append(f"{path} does not exist")
    else:
        tried.append("MINIGRAD_DATA is not set")

    import pooch  # here and below: who has the data need not wait for this import

    path = place(os.environ.get("MINIGRAD_CACHE") or pooch.os_cache("minigrad"), file)
    try:
        return verify(file, path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        tried.append(f"{path} does not exist")
    except (OSError, ValueError) as error:  # the cache is minigrad's own: the next download replaces the file
        notice(f"cannot use the cached file: {error}")
        tried.append(f"{path} is unusable")

    if not download:
        tried.append("downloading is off (download=False)")
    elif os.environ.get("MINIGRAD_OFFLINE", "0") not in ("", "0"):
        tried.append("downloading is off (MINIGRAD_OFFLINE)")
    elif content := fetch(file, path, tried):
        return content
    raise FileNotFoundError(f"no {file.name}: {'; '.join(tried)}")


def place(directory: str | Path, file: File) -> Path:
    """Where `file` is in `directory` or would be: by its own name or, if only that is there, decompressed."""
    path = Path(directory).expanduser() / file.name
    plain = path.with_name(path.name.removesuffix(".gz"))
    return plain if os.path.exists(plain) and not os.path.exists(path) else path


def verify(file: File, data: bytes, source: str) -> bytes:
    """Return `data`, decompressed if gzipped; raise `ValueError` unless that is the content of `file`."""
    try:
        content = gzip.open(io.BytesIO(data)).read(LARGEST) if data.startswith(b"\x1f\x8b") else data
        found = f"sha256 {hashlib.sha256(content).hexdigest()}"
    except (EOFError, OSError, zlib.error) as error:
        found = f"damaged gzip data ({error})"
    if found != f"sha256 {file.sha256}":
        raise ValueError(f"{source}: expected sha256 {file.sha256}, found {found} in {len(data)} bytes")
    return content


def fetch(file: File, path: Path, tried: list[str]) -> bytes | None:
    """Download `file` from the first good mirror, keep it at `path`, and return its content.

    Returns None after adding to `tried` why each mirror failed. What failed once in this process is not asked
    again, so that a script that reads many files without a network waits once.
    """
    from requests import HTTPError, TooManyRedirects

    for address in file.mirrors:
        host = urlsplit(address).netloc
        if address not in failures and host not in failures:
            try:
                data = receive(address)
                content = verify(file, data, address)
                store(data, path)
                return content
            except (HTTPError, TooManyRedirects, ValueError) as error:  # the host answers, but not with this file
                failures[address] = str(error)
            except OSError as error:
                failures[host] = f"no download from {host} ({type(error).__name__})"
        tried.append(failures.get(address) or failures[host])
    return None


def receive(address: str) -> bytes:
    """Return the bytes at `address`; raise `TimeoutError` where fewer than `STALL_BYTES` arrive in `STALL_SECONDS`.

    A thread does the waiting: a socket's timeout does not cover the look-up of the host's name, and starts
    anew for each of the host's addresses and for each byte.
    """
    import pooch

    received = Bounded()
    opened, errors = [], []
    hooks = {"response": lambda response, **_: opened.append(response)}
    download = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=STALL_SECONDS, hooks=hooks)

    def work() -> None:
        try:
            download(address, received, None)
        except Exception as error:
            errors.append(error)
        for response in opened:  # pooch leaves their sockets to the garbage collector
            response.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with received:  # closing it ends a thread that is given up, at its next write
        size = 0
        thread.join(STALL_SECONDS)
        while thread.is_alive():
            if received.tell() < size + STALL_BYTES:
                raise TimeoutError(f"{address}: {received.tell() - size} bytes arrived in {STALL_SECONDS} seconds")
            size = received.tell()
            thread.join(STALL_SECONDS)
        if errors:
            raise errors[0]
        return received.getvalue()


class Bounded(io.BytesIO):
    """A file in memory that takes no more than about `LARGEST` bytes."""

    def write(self, data):
        if self.tell() > LARGEST:
            raise ValueError(f"expected at most {LARGEST} bytes, and more arrived")
        return super().write(data)


def store(data: bytes, path: Path) -> None:
    """Write `data` to `path` whole or not at all; where that is not possible, print a notice and go on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        notice(f"cannot keep {path.name} for the next time: {error}")


def notice(message: str) -> None:
    """Print one line on stderr: unlike a warning it is not filtered out, nor shown only the first time."""
    print(f"minigrad: {message}", file=sys.stderr)
