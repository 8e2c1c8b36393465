"""Input chosen by coverage, for the targets of reliability/fuzz.py: `python -m tests.fuzz`, with the options of libFuzzer.

Needs atheris (`pip install -e '.[dev]'`). Without `-runs=` or `-max_total_time=` it goes on until an input fails, which it
writes to a file; given as an argument, the file alone is run.
"""

import sys

import atheris

with atheris.instrument_imports(include=["minigrad"]):
    from .reliability.fuzz import TARGETS, Choices


def one(data):
    choices = Choices(data)
    choices.of(list(TARGETS.values()))(choices)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
