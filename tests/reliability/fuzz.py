"""Targets for random input: the parsers of indices and equations, broadcasting, and the readers of files.

A target takes a `Choices`, makes an input of it, and compares with NumPy; it returns whether the input was refused. What is
neither right nor refused by one of torch's errors, escapes as an exception. `python -m tests.fuzz` lets atheris choose.
"""

import importlib.util
import io
import json
import math
import random
import re
import subprocess
import sys
import warnings
from unittest import mock

import numpy as np

import minigrad as mg
from minigrad import serialization
from minigrad.datasets import Vocabulary, contexts, idx, tabular
from minigrad.datasets import names as words

from . import Row

ERRORS = (IndexError, RuntimeError, TypeError, ValueError)


class Choices:
    """Decisions made of bytes, one of each; zeros when they are used up."""

    def __init__(self, data):
        self.data = iter(data)

    def number(self, low, high):
        """An integer from `low` to `high`."""
        return low + next(self.data, 0) % (high - low + 1)

    def of(self, options):
        return options[self.number(0, len(options) - 1)]

    def several(self, make, most):
        return [make() for _ in range(self.number(0, most))]

    def rest(self):
        return bytes(self.data)


def attempt(call, *errors):
    """(the result, None) or (None, the error, where it is one of these)."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except errors as error:
            return None, error


def shape(choices, dims=4, most=3):
    return tuple(choices.several(lambda: choices.number(0, most), dims))


def ramp(shape):
    """Different numbers, and a Tensor of them that wants a gradient."""
    values = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
    return values, mg.tensor(values, requires_grad=True)


# ------------------------------------------------------------------------------------------------------------ indices


def entry(choices):
    """One entry of an index, for NumPy and for minigrad."""
    small = lambda: choices.number(-4, 3)  # noqa: E731
    kind = choices.of(["int", "slice", "none", "dots", "list", "array", "mask", "bool", "range", "odd"])
    if kind == "slice":
        i = slice(*(choices.of([None, small(), 2**70, -(2**70)]) for _ in range(2)), choices.of([None, 1, 2, -1, 0]))
    elif kind == "list":
        i = choices.several(small, 3)
    elif kind in ("array", "mask"):
        size = shape(choices, 2)
        values = np.array([small() for _ in range(math.prod(size))], np.int64).reshape(size)
        values = np.asarray(values > 0) if kind == "mask" else values
        return values, mg.tensor(values)
    elif kind == "odd":
        i = choices.of([2**40, -(2**70), 0.5, "a", b"b", 1j, [[0, 1], [1]], [None], [0.5], {}, float("nan"), object()])
    else:
        i = {"int": small(), "none": None, "dots": ..., "bool": choices.of([True, False])}.get(kind, range(small(), small()))
    return i, i


def comparable(index):
    """Whether NumPy and torch mean the same by an index.

    They differ about lists that stand for tuples, and, beside arrays, about single numbers, bools and dots for no dimension.
    """
    entries = index if isinstance(index, tuple) else (index,)
    arrays = any(isinstance(i, list) or np.ndim(i) for i in entries)
    ordinary = all(isinstance(i, (list, slice)) or np.ndim(i) or i is None or i is ... and not arrays for i in entries)
    return ordinary and not isinstance(index, list)


def check_index(choices):
    """Reading, its gradient, and writing by a random index."""
    values, x = ramp(shape(choices))
    entries = choices.several(lambda: entry(choices), 4)
    theirs, ours = (tuple(pair[side] for pair in entries) for side in (0, 1))
    if len(ours) == 1 and choices.number(0, 1):
        theirs, ours = theirs[0], ours[0]
    y, refused = attempt(lambda: x[ours], *ERRORS)
    written = mg.tensor(values)
    _, refused_too = attempt(lambda: written.__setitem__(ours, -1.0), *ERRORS)
    assert (refused is None) == (refused_too is None), (ours, refused, refused_too)
    if refused is not None:
        np.testing.assert_array_equal(written.numpy(), values)
        return True
    picked = y.detach().numpy()
    assert set(picked.flat) <= set(values.flat)
    np.testing.assert_array_equal(written.numpy(), np.where(np.isin(values, picked), -1.0, values))
    y.sum().backward()
    counts = dict(zip(*np.unique(picked, return_counts=True)))
    np.testing.assert_array_equal(x.grad.numpy().ravel(), [counts.get(value, 0) for value in values.flat])
    if comparable(theirs):
        np.testing.assert_array_equal(picked, values[theirs])
    return False


# ------------------------------------------------------------------------------------------------- einsum, broadcasting


def check_einsum(choices):
    """An equation, mostly of few letters, over operands of the ranks that it asks for, or others."""
    word = lambda most: "".join(choices.several(lambda: choices.of("abcA."), most))  # noqa: E731
    terms = [word(4) for _ in range(choices.number(1, 3))]  # with "." for "..."
    equation = ",".join(terms)
    if choices.number(0, 2):
        equation += "->" + word(3)
    equation = equation.replace(".", "...")
    if choices.number(0, 9) == 0:
        place = choices.number(0, len(equation))
        equation = equation[:place] + choices.of(["-", ">", ",", ".", "1", "é", " ", "->", "$"]) + equation[place:]
    sizes = {letter: choices.number(0, 3) for letter in "abcA"}
    operands = []
    for term in terms:
        size = [n for letter in term for n in ([sizes[letter]] if letter in sizes else shape(choices, 2))]
        operands.append(ramp(shape(choices) if choices.number(0, 9) == 0 else size))
    if choices.number(0, 19) == 0:
        operands.append(ramp((2,)))
    arrays, tensors = zip(*operands)
    y, refused = attempt(lambda: mg.einsum(equation, *tensors), *ERRORS)
    left, arrow, right = equation.partition("->")
    dots = "..." if arrow and "..." not in right else ""  # NumPy wants the dots in the result; then they are summed here
    expected, wrong = attempt(lambda: np.einsum(left + arrow + dots + right, *arrays), ValueError, TypeError)
    if dots and wrong is None:
        expected = expected.sum(tuple(range(expected.ndim - len(right.replace(" ", "")))))
    if refused is None and wrong is None:
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, err_msg=equation)
        y.sum().backward()
        assert all(x.grad.shape == x.shape for x in tensors)
    diagonals = "is repeated but the sizes" in str(refused)  # NumPy broadcasts there too
    assert (refused is None) == (wrong is None) or diagonals, (equation, [a.shape for a in arrays], refused, wrong)
    return refused is not None


def check_broadcasting(choices):
    """Operations of several tensors of random shapes; what they broadcast to, and gradients that go back."""
    shapes = [shape(choices) for _ in range(choices.number(2, 3))]
    tensors = [ramp(size)[1] for size in shapes]
    operation = choices.of(
        [
            lambda x, y, *z: sum(z, x * y), lambda x, y, *z: mg.where(y > 3, x, y) + sum(z),
            lambda x, y, *z: mg.maximum(x, y) - sum(z), lambda x, y, *z: sum(z, mg.addcmul(x, y, y)),
            lambda *xs: sum(mg.broadcast_tensors(*xs)),
        ]
    )  # fmt: skip
    y, refused = attempt(lambda: operation(*tensors), *ERRORS)
    expected, wrong = attempt(lambda: np.broadcast_shapes(*shapes), ValueError)
    assert (refused is None) == (wrong is None), (shapes, refused)
    if refused is not None:
        return True
    assert tuple(y.shape) == expected, (shapes, y.shape)
    y.sum().backward()
    assert all(x.grad.shape == x.shape for x in tensors)
    target, source = tensors[0].detach(), tensors[1].detach()
    fits = attempt(lambda: np.broadcast_shapes(*shapes[:2]), ValueError)[0] == shapes[0]
    for call in (lambda: target.add_(source), lambda: source.expand(target.shape)):
        assert (attempt(call, *ERRORS)[1] is None) == fits, shapes[:2]
    return False


# -------------------------------------------------------------------------------------------------------------- files


def mutated(choices, data):
    """Bytes with a few of them changed, lost, repeated or added."""
    data = bytearray(data)
    for _ in range(choices.number(0, 4)):
        place = min(choices.number(0, 255) * 256 + choices.number(0, 255), 2**15) % (len(data) + 1)
        way = choices.number(0, 5)
        if way == 0:
            del data[place : place + choices.number(1, 16)]
        elif way == 1:
            data[place:place] = data[place : place + choices.number(1, 16)]
        elif way == 2:
            data[place:place] = choices.of([b"\0", b"\xff" * 8, b"[", b'"', b"{}", b"9" * 20, b"-1", b"\n", b",", b"1e400"])
        elif data[place:]:
            data[place] = choices.number(0, 255)
    return bytes(data)


def check_idx(choices):
    """Images or labels; what is read has all the bytes."""
    size = shape(choices, 3)
    data = bytes([0, 0, 8, len(size)]) + b"".join(n.to_bytes(4, "big") for n in size) + bytes(range(math.prod(size)))
    data = mutated(choices, data) if choices.number(0, 3) else choices.rest()
    array, refused = attempt(lambda: idx.read_idx(data, len(size), "it"), ValueError)
    if refused is None:
        assert array.tobytes() == data[4 + 4 * len(size) :] and array.ndim == len(size)
    return refused is not None


def check_names(choices):
    """A list of words of any bytes: read, split into characters, and put together again."""
    data = mutated(choices, "anna\nzoé\n\nmarie-ève\n".encode()) if choices.number(0, 1) else choices.rest()
    with mock.patch.object(sys.modules[words.__module__], "find", lambda file, download: data):
        read, refused = attempt(lambda: words(), ValueError)
    if refused is None:
        vocabulary, refused = attempt(lambda: Vocabulary(read), ValueError)
    if refused is None:
        x, y = contexts(read, vocabulary, 2)
        assert vocabulary.decode(y) == "".join(word + "." for word in read) and tuple(x.shape) == (len(y), 2)
    return refused is not None


def check_table(choices):
    """A CSV file of any bytes; the features of what is read are finite."""
    data = mutated(choices, b"a,b,c\n1,x,2\n2,y,3\n3,x,4\n-4,y,5e0\n") if choices.number(0, 3) else choices.rest()
    opened = lambda path, **options: io.TextIOWrapper(io.BytesIO(data), **options)  # noqa: E731
    with mock.patch.object(sys.modules[tabular.__module__], "open", opened, create=True):
        table, refused = attempt(lambda: tabular("it", target=choices.of("abc")), ValueError)
    if refused is None:
        for rows in (table.train, table.validation):
            assert bool(rows.features.isfinite().all()) and bool(rows.targets.isfinite().all()), data
    return refused is not None


def saved(obj):
    stream = io.BytesIO()
    mg.save(obj, stream)
    return stream.getvalue()


def check_load(choices):
    """A file of `save` or of others, with changes, and mostly a digest that is right; what loads can be saved, and loads."""
    state = {"w": mg.arange(6.0).reshape(2, 3), "b": mg.tensor([True]), "n": [1, (2.5, None, "x"), b"y"], 3: mg.zeros(0, 2)}
    foreign = {"w": np.ones(2), "v": np.zeros((2, 0), np.int8)}
    data = choices.of([saved(state), serialization.safetensors.numpy.save(foreign)])
    data = mutated(choices, data) if choices.number(0, 7) else choices.rest()
    if choices.number(0, 3):
        resealed, _ = attempt(lambda: with_digest(data), ValueError, KeyError, TypeError, AttributeError, RecursionError)
        data = resealed or data
    loaded, refused = attempt(lambda: mg.load(io.BytesIO(data)), ValueError)
    if refused is None:
        again = saved(loaded)
        assert saved(mg.load(io.BytesIO(again))) == again
    else:
        assert str(refused).startswith("load: cannot read the BytesIO: "), refused
    return refused is not None


def with_digest(data):
    """The same file with the digest that it should have."""
    header, _ = serialization.header_of(data)
    found = header["__metadata__"][serialization.DIGEST]
    return serialization.sealed(data.replace(found.encode(), serialization.BLANK.encode(), 1))


def value(choices, depth=0):
    """A value of JSON that looks like those of `encode`."""
    kind = choices.number(0, 11 if depth < 4 else 5)
    inner = lambda: value(choices, depth + 1)  # noqa: E731
    if kind < 6:
        return choices.of([None, True, 0, -1.5, "w", "nan", "eA==", "\udc80", 10**30, [], {}, "tensor"])
    if kind == 6:
        return choices.several(inner, 3)
    if kind == 7:
        return {"dict": choices.several(lambda: [inner(), inner()], 3)}
    if kind == 8:
        return {choices.of(["tensor", "tuple", "dict", "float", "bytes", "object"]): inner()}
    return choices.of([{"tensor": "w"}, {"tuple": choices.several(inner, 3)}, {"float": "inf"}, {"bytes": "eA=="}])


def check_structure(choices):
    """A file of tensors with any structure and the right digest."""
    text = mutated(choices, json.dumps(value(choices)).encode()).decode(errors="ignore")
    metadata = {serialization.STRUCTURE: text, serialization.DIGEST: serialization.BLANK}
    data = serialization.sealed(serialization.safetensors.numpy.save({"w": np.ones((2, 3), np.float32)}, metadata))
    loaded, refused = attempt(lambda: mg.load(io.BytesIO(data)), ValueError)
    if refused is None:
        again = saved(loaded)
        assert saved(mg.load(io.BytesIO(again))) == again
    return refused is not None


TARGETS = {
    "indices": check_index, "einsum": check_einsum, "broadcasting": check_broadcasting, "IDX files": check_idx,
    "lists of names": check_names, "CSV files": check_table, "safetensors files": check_load, "structures": check_structure,
}  # fmt: skip


def check(target, count, seed=0):
    """Run a target on random bytes; how many inputs it refused."""
    chance, refused = random.Random(seed), 0
    for _ in range(count):
        data = chance.randbytes(chance.randrange(80))
        try:
            refused += TARGETS[target](Choices(data))
        except Exception as error:
            raise AssertionError(f"{target}: Choices({data!r}): {error!r}") from error
    return refused


def by_coverage(count):
    """Let atheris choose so many inputs; it ends with the first that fails. How many it ran."""
    command = [sys.executable, "-m", "tests.fuzz", f"-runs={count}", "-seed=1", "-verbosity=0", "-print_final_stats=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(re.search(r"number_of_executed_units: (\d+)", done.stderr)[1])


def rows(full):
    count = 20000 if full else 500
    found = [Row(f"random {target}", count, f"{check(target, count)} refused, the others right") for target in TARGETS]
    if full and importlib.util.find_spec("atheris"):
        found.append(Row("inputs chosen by coverage", by_coverage(100_000), "none fails"))
    return found
