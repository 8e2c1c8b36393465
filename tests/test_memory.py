"""Nothing is left over: of training steps, of fits that are watched or fail, of errors."""

import contextlib

import pytest

from minigrad.backend import on_gpu
from tests.reliability import memory

only_on_the_cpu = pytest.mark.skipif(on_gpu, reason="counts what NumPy and Python take; CuPy keeps a pool of its own")


def test_a_leak_a_cycle_and_an_open_file_are_noticed(tmp_path):
    def leaking():
        kept = []
        return lambda: kept.extend([object() for _ in range(20)])  # far more than what tests before may still free

    def cyclic():
        return lambda: [].append(cycle())

    def cycle():
        found = []
        found.append(found)

    def opening():
        return lambda: files.append(stack.enter_context((tmp_path / "file").open("w")))

    files = []
    for make, count, what in ((leaking, 4000, "blocks"), (cyclic, 10, "reference cycles"), (opening, 10, "open files")):
        with contextlib.ExitStack() as stack, pytest.raises(AssertionError, match=what):
            memory.growth(make, count).check("test")


@only_on_the_cpu
@pytest.mark.parametrize("name", memory.MODELS)
def test_training_steps_leave_nothing(name):
    memory.growth(memory.MODELS[name], 200).check(name)


@pytest.mark.slow
@only_on_the_cpu
@pytest.mark.parametrize("name", memory.MODELS)
def test_thousands_of_training_steps_leave_nothing(name):
    memory.growth(memory.MODELS[name], 3000).check(name)


@only_on_the_cpu
@pytest.mark.parametrize("name", memory.FITS)
def test_fits_leave_nothing(name):
    memory.fits(8, memory.FITS[name]).check(name)


def test_wrong_calls_leave_no_cycle():
    assert memory.wrong_calls() > 1000
