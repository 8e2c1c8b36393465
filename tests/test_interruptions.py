"""Ctrl-C at random times leaves a recorder whose lists agree and a checkpoint from which the fit can be resumed."""

import pytest
from training import problem

from minigrad.train import Recorder
from minigrad.train.series import Series
from tests.reliability import interruptions


def test_fits_that_are_interrupted_at_random_times_can_be_resumed():
    assert [one["of"] for one in interruptions.run(2)] == [120, 120]


@pytest.mark.slow
def test_many_fits_that_are_interrupted_at_random_times_can_be_resumed():
    found = interruptions.run(20, seed=2)
    assert sum(one["resumed"] for one in found) > 10
    assert sum(0 < one["steps"] < one["of"] for one in found) > 5


@pytest.mark.parametrize("late", [False, True])
def test_an_interruption_between_a_loss_and_its_learning_rate_leaves_lists_of_one_length(late):
    class Interrupting(Series):
        def append(self, value):
            if late:
                super().append(value)
            raise KeyboardInterrupt

    recorder = Recorder()
    recorder.series = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        problem([recorder]).fit(1)
    assert len(recorder.lrs) == len(recorder.losses) == late
