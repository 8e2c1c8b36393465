"""Lesson 04 runs from any folder, and its learner does what the library's does; its answers run."""

import re

import pytest
from running import check_cells, check_figures, needs_mnist, offline, published_data, run

from minigrad.train import EVENTS

NAME = "04_callbacks"
KEEP = ["traces", "runs", "by_hand", "train_losses", "valid_losses", "stopped", "tried", "suggestion", "steps"]


def test_quick_run_with_drawn_digits(stand_in):
    assert stand_in.output.count("note: these are the stand-in digits, so figures will differ") == 1
    assert "60 training steps an epoch" in stand_in.output
    check_figures(stand_in, count=7)


def test_events_come_in_the_order_of_a_fit(stand_in):
    batch = ["before_batch", "after_predict", "after_loss", "after_backward", "after_step", "after_batch"]
    judged = [event for event in batch if event not in ("after_backward", "after_step")]
    train = ["before_train", *batch * 3, "after_train"]
    epoch = ["before_epoch", *train, "before_validate", *judged, "after_validate", "after_epoch"]
    assert stand_in.kept["traces"]["nothing"] == ["before_fit", *epoch * 2, "after_fit"]
    assert set(stand_in.kept["traces"]["nothing"]) == set(EVENTS)


@pytest.mark.parametrize(
    ("exception", "predictions", "epochs"), [("OurCancelBatch", 8, 2), ("OurCancelEpoch", 6, 2), ("OurCancelFit", 2, 1)]
)
def test_whatever_is_cancelled_every_part_that_began_ends(stand_in, exception, predictions, epochs):
    names = stand_in.kept["traces"][exception]
    assert names.count("after_predict") == predictions and names.count("after_epoch") == epochs
    for part in ("fit", "epoch", "train", "validate", "batch"):
        assert names.count(f"before_{part}") == names.count(f"after_{part}")


def test_both_learners_train_as_the_plain_loop(stand_in):
    runs, by_hand = stand_in.kept["runs"], stand_in.kept["by_hand"]
    assert len(by_hand) == 60 and by_hand[-1] < by_hand[0] / 2
    assert list(runs.values()) == [by_hand, by_hand]


def test_the_suggested_rate_is_no_hundredth_and_no_thirtyfold_of_a_good_one(stand_in):
    losses = {float(factor): loss for factor, (loss, _) in stand_in.kept["tried"].items()}
    assert 0.001 < stand_in.kept["suggestion"] < 1
    assert losses[1] < losses[0.01] and losses[1] < losses[30]


def test_early_stopping_ends_three_epochs_after_the_best(stand_in):
    losses, stopped = stand_in.kept["valid_losses"], stand_in.kept["stopped"]
    end = len(stopped["EarlyStopping"])
    assert stopped["OurEarlyStopping"] == stopped["EarlyStopping"] == losses[:end]
    assert min(losses[:end]) == losses[end - 4] and end < len(losses) == 40


@pytest.mark.slow
@needs_mnist
def test_full_run_gains_by_its_schedule(tmp_path):
    result = run(NAME, tmp_path, published_data())
    assert "stand-in" not in result.output
    table = dict(re.findall(r"^(\S.*\S)  +validation loss [\d.]+, accuracy ([\d.]+)$", result.output, re.M))
    accuracies = {name: float(value) for name, value in table.items()}
    assert accuracies["one cycle up to 0.4"] > 0.97 > accuracies["constant 0.1"] > 0.95


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "20", "--seed", "7", keep=["steps"])
    assert result.kept["steps"] == 20
    assert "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick", keep=["difference", "now", "losses"])
    check_figures(result, count=3)
    assert result.kept["difference"] < 1e-5
    assert result.kept["now"] == pytest.approx(min(result.kept["losses"]), abs=1e-4)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
