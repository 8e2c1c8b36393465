"""How hard the library was tried, in figures: `python -m tests.reliability` prints them, `--quick` in about a minute.

A part is a module of this folder with a function `rows(full)`, which runs checks, briefly or at full length, and returns a
`Row` for each kind; what does not hold raises AssertionError. The tests of pytest call the same checks with small counts.
"""

import importlib
from typing import NamedTuple

PARTS = "bad_input rounding stateful memory threads interruptions long_runs downloads checkpoints fuzz".split()


class Row(NamedTuple):
    what: str
    count: int
    result: str


def run(part, full):
    """The rows of a part; one that says why, where it fails or lacks what it compares with."""
    import pytest

    try:
        return importlib.import_module(f"{__name__}.{part}").rows(full)
    except pytest.skip.Exception as reason:
        return [Row("skipped", 0, str(reason))]
    except AssertionError as error:
        return [Row("FAILED", 1, " ".join(str(error).split()) or "an assertion without a message")]
