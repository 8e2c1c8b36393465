"""The checks behind `python -m tests.reliability`, with small counts; the full counts are slow."""

import os
import time

import pytest

pytest.importorskip("resource")  # limits of the system, forks and signals: not on Windows

import minigrad as mg
from minigrad.serialization import LITTER
from tests.reliability import checkpoints, downloads, fuzz

# --------------------------------------------------------------------------------------------------------- downloads


def test_mirrors_that_fail():
    assert downloads.check_faults() > 20


def test_downloads_cut_short():
    assert downloads.check_cuts(2**13) == 24


def test_full_disks_and_closed_folders():
    assert downloads.check_full_disk(2**13) == 8
    assert downloads.check_closed_folders() == 5


def test_processes_that_fetch_at_once():
    assert downloads.check_together(3) == 3


def test_fetches_that_are_killed():
    downloads.check_kills(10)


@pytest.mark.slow
def test_fetches_that_are_killed_and_cut_at_every_kilobyte():
    assert downloads.check_cuts(2**10) == 192
    assert downloads.check_full_disk(2**10) == 64
    downloads.check_kills(200)


def test_what_a_killed_process_left_goes_with_a_write_an_hour_later(tmp_path):
    old, new, other = tmp_path / LITTER.format("old"), tmp_path / LITTER.format("new"), tmp_path / ".other.tmp"
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (time.time() - 4000, time.time() - 4000))
    mg.save([1], tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == sorted([new.name, other.name, "file"])


# ------------------------------------------------------------------------------------------------------- checkpoints


def test_damaged_files():
    checkpoints.check_every_byte(2)
    checkpoints.check_damage(300)


def test_hostile_files():
    assert checkpoints.check_hostile() > 60


def test_forged_states():
    count, refusals = checkpoints.check_forged()
    assert count > refusals > 2000


def test_disks_that_do_not_take_a_checkpoint():
    assert checkpoints.check_full_disk(2**13) == 10


def test_saves_and_fits_that_are_killed():
    checkpoints.check_kills(checkpoints.save_and_be_killed, 20)
    checkpoints.check_kills(checkpoints.fit_and_be_killed, 10)


@pytest.mark.slow
def test_every_byte_and_many_kills():
    checkpoints.check_every_byte(255)
    checkpoints.check_damage(20000)
    checkpoints.check_kills(checkpoints.save_and_be_killed, 200)
    checkpoints.check_kills(checkpoints.fit_and_be_killed, 200)


# -------------------------------------------------------------------------------------------------------- random input


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_random_input(target):
    refused = fuzz.check(target, 300)
    assert 30 < refused < 290  # both sides are met


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_much_random_input(target):
    fuzz.check(target, 10000, seed=1)


@pytest.mark.slow
def test_input_chosen_by_coverage():
    pytest.importorskip("atheris")
    assert fuzz.by_coverage(5000) >= 5000
