"""Files of `save`: killed on the way, damaged, forged, on full disks; and fits that go on from them."""

import contextlib
import copy
import functools
import io
import itertools
import json
import math
import os
import pickle
import random
import sys
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import serialization
from minigrad.train import Checkpoint, EarlyStopping, Metrics, Recorder, accuracy

from ..training import problem
from . import Row
from .disks import full_disk, unprivileged
from .killing import killed, program

SMALL = {"w": mg.arange(3.0), "step": 7, "state": {0: (mg.ones(2, dtype=mg.float64), b"x", None)}}


def bytes_of(obj):
    stream = io.BytesIO()
    mg.save(obj, stream)
    return stream.getvalue()


def refused(data):
    """Whether `load` says that it cannot read these bytes."""
    try:
        mg.load(io.BytesIO(data))
    except ValueError as error:
        assert str(error).startswith("load: cannot read the BytesIO: "), error
        return True
    return False


# ----------------------------------------------------------------------------------------------------- damaged files


def check_every_byte(values):
    """A file with one byte changed, for every byte and so many other values of it."""
    data, count = bytes_of(SMALL), 0
    for place, change in itertools.product(range(len(data)), range(1, values + 1)):
        damaged = bytearray(data)
        damaged[place] ^= change * 37 % 256  # 37 is odd, so 255 changes are all others
        assert refused(bytes(damaged)), f"byte {place} of {len(data)} was changed by {change * 37 % 256}, and nobody saw it"
        count += 1
    return count


def check_damage(times):
    """The checkpoint of a fit cut, lengthened, with blocks of zeros, of noise, or moved."""
    chance = random.Random(0)
    data = bytes_of(problem([Recorder()]).state_dict())
    for _ in range(times):
        start, length = chance.randrange(len(data)), 2 ** chance.randrange(12)
        block, rest = data[start : start + length], data[start + length :]
        ways = [b"", bytes(len(block)), chance.randbytes(len(block)), block * 2, block[::-1], rest[:length]]
        damaged = data[:start] + chance.choice(ways) + rest
        assert damaged == data or refused(damaged), (start, length)
    return times


# ------------------------------------------------------------------------------------------------------ hostile files


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def with_header(header, body=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + body


def with_structure(structure, **arrays):
    """A file whose digest is right, whatever its structure."""
    text = structure if isinstance(structure, str) else json.dumps(structure)
    arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    metadata = {serialization.STRUCTURE: text, serialization.DIGEST: serialization.BLANK}
    return serialization.sealed(serialization.safetensors.numpy.save(arrays, metadata))


def tensor(start, stop, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def hostile_files():
    """{name: bytes}: none may load."""
    deep = 100_000
    files = {f"pickle of protocol {protocol}": pickle.dumps(Bomb(), protocol) for protocol in range(6)}
    for size in (0, 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1):
        files[f"header of {size} bytes"] = with_header({"w": tensor(0, 4, [1])}, b"1234", size)
    headers = {
        "overlapping tensors": {"v": tensor(0, 8, [2]), "w": tensor(4, 12, [2])},
        "a hole": {"v": tensor(0, 4, [1]), "w": tensor(8, 12, [1])},
        "twice the same bytes": {"v": tensor(0, 12, [3]), "w": tensor(0, 12, [3])},
        "beyond the end": {"w": tensor(0, 4000, [1000])}, "before the start": {"w": tensor(-4, 8, [3])},
        "stop before start": {"w": tensor(12, 0, [3])}, "offsets of 2**64": {"w": tensor(2**64 - 12, 2**64, [3])},
        "a shape too large": {"w": tensor(0, 12, [2**40])}, "a shape that overflows": {"w": tensor(0, 12, [2**62, 4, 3])},
        "a negative shape": {"w": tensor(0, 12, [-3])}, "a shape of floats": {"w": tensor(0, 12, [3.0])},
        "an empty tensor without bounds": {"v": tensor(0, 0, [0, 2**63, 2**63]), "w": tensor(0, 12, [3])},
        "65 dimensions": {"w": tensor(0, 12, [3] + [1] * 64)}, "no shape": {"w": {"dtype": "F32", "data_offsets": [0, 12]}},
        "an object": {"w": tensor(0, 12, [3], "O")}, "a code": {"w": tensor(0, 12, [3], "exec")},
        "a list": [tensor(0, 12, [3])], "a number": 3, "null": None, "metadata of numbers": {"__metadata__": {"a": 1}},
        "metadata of lists": {"__metadata__": [], "w": tensor(0, 12, [3])},
        "a bool of 7": {"w": tensor(0, 12, [12], "BOOL")},
    }  # fmt: skip
    files |= {name: with_header(header, b"\7" * 12) for name, header in headers.items()}
    files["deep header"] = with_header(b'{"w":' + b"[" * deep + b"]" * deep + b"}")
    files["header in UTF-16"] = with_header(json.dumps({"w": tensor(0, 4, [1])}).encode("utf-16"), b"1234")
    files["header with a zero byte"] = with_header(b'{"w\0":' + json.dumps(tensor(0, 4, [1])).encode() + b"}", b"1234")
    w = {"tensor": "w"}
    structures = {
        "nothing": "", "no JSON": "import os", "deep lists": "[" * deep + "]" * deep,
        "deep objects": '{"tuple":[' * deep + "]}" * deep, "a tensor twice": [w, w], "a tensor of no name": {"tensor": "x"},
        "a tensor of many names": {"tensor": [1, 2]}, "a class": {"object": "os.system", "args": ["true"]},
        "two kinds": {"tensor": "w", "tuple": []}, "no kind": {}, "a key that is a list": {"dict": [[[1], 2]]},
        "a key that is a dict": {"dict": [[{"dict": []}, 2]]}, "a key that is a tensor": {"dict": [[w, 2]]},
        "no pairs": {"dict": [[1, 2, 3]]},
        "a dict of a number": {"dict": 3}, "text as a tuple of numbers": {"tuple": 5}, "a float of text": {"float": "1e"},
        "a float of a large number": {"float": 10**400}, "bytes of a number": {"bytes": 3}, "no base 64": {"bytes": "a"},
        "an integer without end": "9" * deep, "a lone surrogate as name": {"tensor": "\udc80"},
    }  # fmt: skip
    files |= {f"structure: {name}": with_structure(structure, w=[1, 2, 3]) for name, structure in structures.items()}
    return files


def paths():
    """Names of tensors that look like places to write to."""
    return ["../../escaped", "/tmp/escaped", "C:\\escaped", "~/escaped", "a\0b", "con", ".", "x" * 5000, "$HOME/escaped"]


events = None  # of the interpreter, such as opening a file or compiling code, while somebody watches


def audit(event, arguments):
    if events is not None:
        events.append((event, arguments))


@functools.cache
def installed():
    sys.addaudithook(audit)  # which nothing can undo


@contextlib.contextmanager
def watched():
    """What the interpreter did within the block, apart from computing."""
    global events
    installed()
    events = found = []
    try:
        yield found
    finally:
        events = None


def check_hostile():
    """Files made to do harm are refused; meanwhile no file is opened, no code run, no large memory taken."""
    mg.load(io.BytesIO(bytes_of(SMALL)))  # what is imported on the way, is
    with watched() as done:
        Path(os.devnull).read_bytes()
    assert [event for event, _ in done] == ["open"], done
    files = hostile_files()
    for name, data in files.items():
        tracemalloc.start()
        with watched() as done:
            assert refused(data), name
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not done, (name, done)
        assert peak < 2**20 + 100 * len(data), (name, peak)
    for name in paths():
        data = bytes_of({name: mg.ones(2)})
        with watched() as done:
            assert list(mg.load(io.BytesIO(data))) == [name]
        assert not done, (name, done)
    return len(files) + len(paths())


# -------------------------------------------------------------------------------------------------------- forged states

WRONG = (None, True, 7, -1, 0.5, math.nan, "x", b"x", [], [1, "y"], {}, {"x": 1}, mg.ones(3), mg.ones(()), mg.zeros(2, 5))
REFUSALS = ValueError, TypeError, KeyError, RuntimeError


def forged(state):
    """Copies of a state in which one value, at any depth, is another, missing or added; with words for where."""

    def places(value, path):
        if isinstance(value, dict):
            keys = list(value)
        elif isinstance(value, (list, tuple)):
            keys = range(len(value))
        else:
            return
        yield value, None, path
        for key in keys:
            yield value, key, (*path, key)
            yield from places(value[key], (*path, key))

    def changed(path, change):
        if not path:
            return change(state)
        copied, steps = copy.deepcopy(state), list(path)
        inner = [copied]
        for step in steps:
            inner.append(inner[-1][step])
        value = change(inner.pop())
        while inner:
            container, step = inner.pop(), steps.pop()
            if isinstance(container, tuple):
                value = (*container[:step], value, *container[step + 1 :])
            else:
                container[step] = value
                value = container
        return value

    def without(key):
        return lambda container: (
            {k: v for k, v in container.items() if k != key} if isinstance(container, dict)
            else type(container)([v for i, v in enumerate(container) if i != key])
        )  # fmt: skip

    def with_more(container):
        return {**container, "more": 1} if isinstance(container, dict) else type(container)([*container, 1])

    for _, key, path in places(state, ()):
        if key is None:
            yield (*path, "with one more"), changed(path, with_more)
            continue
        yield (*path, "missing"), changed(path[:-1], without(key))
        for wrong in WRONG:
            yield (*path, wrong), changed(path, lambda _, wrong=wrong: wrong)


def stepped(optimizer):
    """An optimiser that has a state."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = mg.ones_like(p)
    optimizer.step()
    return optimizer


def parameters():
    return [mg.ones(2, 3, requires_grad=True), mg.zeros(4, requires_grad=True)]


def trained():
    """A learner after a fit, with a callback of every kind that has a state."""
    learner = problem([Recorder(), Metrics(accuracy), EarlyStopping()], mg.optim.Adam)
    learner.fit(1)
    return learner


def stateful():
    """{name: (an object, how it is used after a state was loaded)}"""
    optim, sgd = mg.optim, stepped(mg.optim.SGD(parameters(), lr=0.1, momentum=0.9))
    schedules = optim.lr_scheduler
    objects = {
        "BatchNorm1d": (mg.nn.BatchNorm1d(3), lambda m: m(mg.ones(4, 3))),
        "Generator": (mg.Generator().manual_seed(3), lambda g: mg.rand(3, generator=g)),
        **{cls.__name__: (stepped(cls(parameters())), stepped) for cls in
           (optim.Adam, optim.AdamW, optim.Lamb, optim.RMSprop, optim.Adagrad, optim.Adadelta)},
        "SGD": (sgd, stepped), "Adam, amsgrad": (stepped(optim.Adam(parameters(), amsgrad=True)), stepped),
        "RMSprop, centered": (stepped(optim.RMSprop(parameters(), momentum=0.9, centered=True)), stepped),
    }  # fmt: skip
    for make in (
        lambda o: schedules.StepLR(o, 2), lambda o: schedules.MultiStepLR(o, [1, 3]),
        lambda o: schedules.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda o: schedules.ExponentialLR(o, 0.9), lambda o: schedules.CosineAnnealingLR(o, 5),
        lambda o: schedules.OneCycleLR(o, 0.1, total_steps=10),
        lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 2), schedules.ExponentialLR(o, 0.9)], [2]),
    ):  # fmt: skip
        schedule = make(stepped(optim.SGD(parameters(), lr=0.1, momentum=0.9)))
        objects[type(schedule).__name__] = schedule, lambda s: s.step()
    plateau = schedules.ReduceLROnPlateau(stepped(optim.SGD(parameters(), lr=0.1)))
    objects["ReduceLROnPlateau"] = plateau, lambda s: s.step(1.0)
    learner = trained()
    for callback in learner.callbacks:
        objects[type(callback).__name__] = callback, lambda callback: callback.state_dict()
    objects["Learner"] = learner, lambda learner: learner.state_dict()
    return objects


def kept(thing):
    """Everything that a thing would save, as bytes; schedules have functions, which no file takes."""
    if isinstance(thing, mg.Generator):
        return thing.get_state().tobytes()
    return repr(plain(thing.state_dict()))


def plain(value):
    if isinstance(value, mg.Tensor):
        return value.dtype.name, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(x) for key, x in value.items()}
    return [plain(x) for x in value] if isinstance(value, (list, tuple)) else value


def check_forged():
    """Load every forgery of every state: one error that says load_state_dict or what did not fit, and nothing changed; or
    a state that the object can go on from. Returns how many there were, and how many were refused."""
    count = refusals = 0
    for name, (thing, use) in stateful().items():
        generator = isinstance(thing, mg.Generator)
        load = thing.set_state if generator else thing.load_state_dict
        state = copy.deepcopy(mg.tensor(thing.get_state()) if generator else thing.state_dict())
        cases = [((repr(x),), x) for x in WRONG] if generator else [*forged(state), *(((repr(x),), x) for x in WRONG)]
        for where, forgery in cases:
            before, count = kept(thing), count + 1
            try:
                load(forgery)
            except REFUSALS as error:
                refusals += 1
                assert len(str(error)) > 20, f"{name}, {where}: {error!r}"
                assert kept(thing) == before, f"{name}, {where}: refused, but changed: {error!r}"
                continue
            except Exception as error:
                raise AssertionError(f"{name}, {where}: {error!r}") from error
            try:
                with warnings.catch_warnings(action="ignore"):  # of numbers that nobody would choose
                    use(thing)
            except ValueError as error:
                assert name in str(error), f"{name}, {where}: taken over, and of no use: {error!r}"
            except Exception as error:
                raise AssertionError(f"{name}, {where}: taken over, and of no use: {error!r}") from error
            load(state.numpy() if generator else copy.deepcopy(state))
    return count, refusals


# ------------------------------------------------------------------------------------------- disks, and killed processes


def check_full_disk(step):
    """The disk ends after every `step` bytes of a new file: an error, the old file as it was, and no other."""
    with tempfile.TemporaryDirectory() as folder:
        path, large = Path(folder) / "file", mg.ones(2**14)
        mg.save(SMALL, path)
        before, sizes = path.read_bytes(), range(0, len(bytes_of(large)), step)
        for size in sizes:
            with full_disk(size):
                check_error(OSError, lambda: mg.save(large, path))
            assert path.read_bytes() == before and os.listdir(folder) == ["file"]
        os.chmod(folder, 0o555)
        with unprivileged():
            check_error(PermissionError, lambda: mg.save(large, path))
        assert path.read_bytes() == before and os.listdir(folder) == ["file"]
    return len(sizes) + 1


def check_error(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def state_of(version):
    return {"version": version, "weights": mg.full((2**19,), float(version))}


def save_and_be_killed(folder, kills):
    """Save one version after another until killed; each time the last or a later one must load."""
    path, last = Path(folder) / "file", 0
    mg.save(state_of(last), path)

    def work():
        for version in range(last + 1, last + 4):
            mg.save(state_of(version), path)

    def check():
        nonlocal last
        state = mg.load(path)
        assert state["version"] >= last and bool((state["weights"] == float(state["version"])).all())
        last = state["version"]
        litter = [other for other in path.parent.iterdir() if other != path]
        for other in litter:
            other.unlink()
        return "while the file was written" if litter else "before or after"

    return killed(work, check, kills)


def learner(folder):
    return problem([Recorder(), Checkpoint(folder)])


def fit_and_be_killed(folder, kills, epochs=4):
    """Fit, or go on with a fit, until killed; at its end the checkpoint must be that of a fit which nobody killed."""
    straight, folder = Path(folder) / "straight", Path(folder) / "killed"
    one = learner(straight)
    mg.manual_seed(5)
    one.fit(epochs)
    expected, path = (straight / "last.safetensors").read_bytes(), folder / "last.safetensors"

    def work():
        other = learner(folder)
        mg.manual_seed(5)
        if path.exists():
            other.resume(path)
        else:
            other.fit(epochs)

    def check():
        if not path.exists():
            return "before the first checkpoint"
        if mg.load(path)["epoch"] < epochs:
            return "between checkpoints"
        assert path.read_bytes() == expected
        path.unlink()
        return "at the end"

    return killed(work, check, kills)


def check_kills(function, kills):
    with tempfile.TemporaryDirectory() as folder:
        return program(function, folder, kills)


def rows(full):
    saves, fits = (check_kills(function, 200 if full else 20) for function in (save_and_be_killed, fit_and_be_killed))
    forgeries, refusals = check_forged()
    return [
        Row("files with one byte changed", check_every_byte(255 if full else 5), "refused, wherever it is"),
        Row("files with a block lost, moved or overwritten", check_damage(20000 if full else 1000), "refused"),
        Row("hostile files", check_hostile(), "no code run, no file opened, no memory filled"),
        Row("states with one value of another kind", forgeries, f"{refusals} refused with one error, nothing changed"),
        Row("full disks and a closed folder", check_full_disk(2**10 if full else 2**13), "error, the old file as it was"),
        Row("processes killed while they save", saves[0], f"the last file loads: {saves[1]}"),
        Row("fits killed and resumed", fits[0], f"end with the bytes of one that ran through: {fits[1]}"),
    ]
