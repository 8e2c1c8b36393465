"""`save` and `load`: tensors, and numbers, text and containers around them, in files that cannot run code.

A file is in the safetensors format: a JSON header that says where each tensor lies, then their bytes. The
tensors of a state dict keep their names, so that `safetensors.torch.load_file` reads it, and what
`safetensors.torch.save_file` wrote loads here. The header's metadata holds the rest: how the object is put
together (see `encode`), and the sha256 of the whole file, taken with zeros for its own digits, so that no
byte can change unnoticed. A file without them, as others write it, is checked for its form alone.
"""

import base64
import hashlib
import json
import math
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import safetensors.numpy

from .autograd import Variable, wrap
from .backend import asarray, to_numpy
from .device import check_device
from .tensor import DTYPES

DIGEST, STRUCTURE = "minigrad.sha256", "minigrad.structure"  # names in the metadata
BLANK = "0" * 64  # what stands for the digest while it is taken
LITTER = ".minigrad-{}.tmp"  # names of files while they are written
LITTER_SECONDS = 3600.0  # after so long, nobody is writing them any more
DTYPE_NAMES = {"F16": "float16", "F32": "float32", "F64": "float64", "BOOL": "bool", "U8": "uint8"}
DTYPE_NAMES |= {f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
FOREIGN = {
    b"PK\3\4": "it is a zip archive, perhaps of torch.save; convert it with safetensors.torch.save_file",
    b"\x80": "it is a pickle, which could run code; convert it with safetensors.torch.save_file",
}


def save(obj, f):
    """Write a tensor, or dicts, lists and tuples of tensors, numbers, text, bytes and None to a path or file.

    A path holds the whole new file afterwards, or still what it held before. Tensors keep value and dtype,
    not whether they require grad; one that stands in several places is written, and comes back, as several.
    Subclasses of dict, list and tuple come back as those, NumPy's numbers as Python's. TypeError for anything
    else, such as a Module: save its `state_dict()`.
    """
    arrays = {}
    try:
        structure = json.dumps(encode(obj, (), arrays), allow_nan=False)
    except RecursionError:
        raise ValueError("save: the object is nested too deeply, or contains itself") from None
    data = sealed(safetensors.numpy.save(arrays, {STRUCTURE: structure, DIGEST: BLANK}))
    if hasattr(f, "write"):
        if f.write(data) not in (len(data), None):  # a raw file on a full disk says so by the number alone
            raise OSError(f"save: {f} did not take all {len(data)} bytes")
        return
    write_atomically(destination(f, "save"), data)


def load(f, map_location=None, *, weights_only=True):
    """Read what `save` or `safetensors.torch.save_file` wrote, from a path or a binary file.

    ValueError, which names the file and what is wrong with it, for anything else, such as a file of
    `torch.save`. `map_location`: the device of this process, or None. `weights_only`: True, since a file
    holds nothing else.
    """
    check_device(map_location, "load")
    if not weights_only:
        raise ValueError("load: expected weights_only=True, for a file holds no code; got False")
    if hasattr(f, "read"):
        data, name = f.read(), getattr(f, "name", f"the {type(f).__name__}")
    else:
        data, name = Path(os.fspath(f)).read_bytes(), os.fspath(f)
    if not isinstance(data, bytes):
        raise TypeError(f"load: expected a file opened in binary mode, got {type(data).__name__} from {name}")
    try:
        return read(data)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"load: cannot read {name}: {error}") from None


def read(data):
    """The object in the bytes of a file."""
    if not data:
        raise ValueError("it is empty")
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        own = data[8:9] == b"{"  # where the header begins, whatever its length looks like
        kinds = [kind for start, kind in FOREIGN.items() if data.startswith(start) and not own]
        raise ValueError(kinds[0] if kinds else f"it is damaged, or no safetensors file ({error})") from None
    arrays = {}
    for name, entry in sorted(entries):
        if entry["dtype"] not in DTYPE_NAMES:
            raise ValueError(f"its tensor {name!r} is of {entry['dtype']}, not of {', '.join(DTYPE_NAMES)}")
        if entry["dtype"] == "BOOL" and entry["data"].strip(b"\0\1"):
            raise ValueError(f"its tensor {name!r} of BOOL has bytes other than 0 and 1")
        arrays[name] = np.frombuffer(entry["data"], DTYPE_NAMES[entry["dtype"]]).reshape(entry["shape"])
    header, end = header_of(data)
    metadata = header.get("__metadata__") or {}
    if STRUCTURE not in metadata and DIGEST not in metadata:  # written by others
        return {name: decode({"tensor": name}, arrays) for name in list(arrays)}
    found = metadata.get(DIGEST, "")
    if found != digest(data[:end].replace(found.encode(), BLANK.encode(), 1), memoryview(data)[end:]):
        raise ValueError("it is damaged: what it holds does not have its sha256")
    return decode(json.loads(metadata.get(STRUCTURE, "")), arrays)


def header_of(data):
    """The header of a file as a dict, and where it ends."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), end


def sealed(data):
    """The same file with its digest, and with sorted metadata, so that equal objects make equal files."""
    header, end = header_of(data)
    header = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}  # the digest comes first
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the bytes of the tensors begin at a multiple of eight
    head, body = len(text).to_bytes(8, "little") + text, memoryview(data)[end:]
    return b"".join((head.replace(BLANK.encode(), digest(head, body).encode(), 1), body))


def digest(head, body):
    """The sha256 of a file in two parts."""
    state = hashlib.sha256(head)
    state.update(body)
    return state.hexdigest()


# ---------------------------------------------------------------------------------- objects as JSON, and back


def encode(value, path, arrays):
    """What stands in JSON for the value at `path`; its tensors go into `arrays`, None where none may be.

    None, bools, text, integers, finite floats and lists stand for themselves, everything else in an object of
    one entry: {"tensor": its name}, {"dict": [[key, value], ...]}, {"tuple": [...]}, {"float": "nan"},
    {"bytes": in base 64}.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Variable) and arrays is not None:
        return {"tensor": put(arrays, path, value.array)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        items = value.items()
        return {"dict": [[encode(k, (*path, k), None), encode(v, (*path, k), arrays)] for k, v in items]}
    if isinstance(value, (list, tuple)):
        entries = [encode(entry, (*path, i), arrays) for i, entry in enumerate(value)]
        return {"tuple": entries} if isinstance(value, tuple) else entries
    raise TypeError(
        f"save: cannot save an object of type {type(value).__name__} (at {place(path)}); expected tensors, "
        "numbers, text, bytes and None, and dicts, lists and tuples of them, such as a state_dict()"
    )


def decode(value, arrays):
    """The value that JSON of `encode` stands for."""
    if isinstance(value, list):
        return [decode(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return wrap(asarray(arrays.pop(content).copy()))  # once: a small file cannot ask for a large memory
    if kind == "dict":
        return {decode(key, {}): decode(entry, arrays) for key, entry in content}
    if kind == "tuple":
        return tuple(decode(content, arrays))
    return float(content) if kind == "float" else base64.b64decode(content)


def place(path):
    return "the top" if not path else "".join(f"[{key!r}]" for key in path)


def put(arrays, path, array):
    """Put an array on the host under a name made of its path, and return the name."""
    if array.dtype not in DTYPES:
        raise TypeError(f"save: cannot save a Tensor of {array.dtype} (at {place(path)})")
    unique = ".".join(map(str, path)).encode(errors="replace").decode() or "tensor"
    while unique in arrays or unique == "__metadata__":  # the one name that the format keeps for itself
        unique += "_"
    arrays[unique] = np.asarray(to_numpy(array), order="C")
    return unique


# --------------------------------------------------------------------------------------------------- the file


def destination(f, operation):
    """The path of a file to write, the one that a link leads to, or torch's error where its folder is missing."""
    path = Path(os.fspath(f)).resolve()
    if not path.parent.is_dir():
        raise RuntimeError(f"{operation}: Parent directory {path.parent} does not exist.")
    return path


def write_atomically(path, data):
    """Let the file at `path` hold `data`: written beside it under another name, then renamed.

    What a killed process left of such a file goes with the first write an hour later.
    """
    for old in path.parent.glob(LITTER.format("*")):
        with suppress(OSError):  # another process may be faster
            if time.time() - old.stat().st_mtime > LITTER_SECONDS:
                old.unlink()
    temporary = path.parent / LITTER.format(os.urandom(8).hex())
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
