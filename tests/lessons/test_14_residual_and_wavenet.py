"""Lesson 14 runs from any folder; the tree equals a convolution, and skips level the gradients of 20 layers."""

import re

import pytest
from running import check_cells, check_figures, check_published, needs_names, offline, published_data, run

NAME = "14_residual_and_wavenet"
KEEP = ["norms", "noise", "accuracies", "final", "invented", "predicted"]


def slope(norms):
    """Mean gradient of the first block's layers over that of the last block's."""
    return sum(norms[1:4]) / sum(norms[-4:-1])


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in names, so figures will differ") == 1
    assert stand_in.rows["names.split"].verdict == "other data"
    assert stand_in.rows["tree.params"].verdict == stand_in.rows["tree.large.params"].verdict == "equal"
    assert "DIFFERS" not in stand_in.output
    assert len(stand_in.kept["invented"]) == 20 and len(stand_in.kept["final"]) == 5


def test_batch_norm_over_one_axis_keeps_a_mean_for_each_place(stand_in):
    assert "running mean of the trained network: (1, 4, 68)" in stand_in.output
    assert re.search(r"dev loss better by \S+; running mean \(1, 1, 68\)", stand_in.output)
    by_place, together = stand_in.kept["noise"]
    assert 1.5 < by_place[3] / together < 2.5


def test_values_of_the_rare_place_are_blown_up(stand_in):
    printed = re.findall(r"^(BatchNorm\w*) +values beyond ±4 at the four places: \[(\d+),", stand_in.output, re.M)
    beyond = {name: int(count) for name, count in printed}
    assert beyond["BatchNorm"] > 10 * beyond["BatchNormFixed"]


def test_gradients_of_twenty_layers(stand_in):
    norms = stand_in.kept["norms"]
    assert {len(row) for row in norms.values()} == {20} and len(norms) == 4
    assert max(norms["plain, no batch norm"]) < 1e-6 < 1e-4 < min(norms["skips, no batch norm"])
    assert slope(norms["plain"]) > 2 * slope(norms["skips"]) > 2
    measured = float(re.search(r"predicted 1.211, measured (\S+) per layer", stand_in.output)[1])
    assert abs(measured - stand_in.kept["predicted"]) < 0.06


def test_figures_are_where_the_output_says(stand_in):
    check_figures(stand_in, count=6)


@needs_names
def test_quick_run_splits_the_names_as_published(real):
    assert check_published(real, ["names.split"]) == ["names.split"]
    assert "stand-in" not in real.output


@pytest.mark.slow
@needs_names
def test_full_run_shows_what_depth_costs_and_what_skips_repair(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    dev = {name: loss for name, (_, loss) in result.kept["final"].items()}
    assert dev["three letters, flat"] - dev["eight letters, flat"] > 0.05
    assert dev["tree, batch norm repaired"] < dev["tree, wrong batch norm"]
    assert dev["larger tree"] == min(dev.values()) < 2.03
    right = result.kept["accuracies"]
    assert right["plain, no batch norm"] < 0.2 and right["skips"] > 0.95
    assert right["plain, 38 layers"] < right["plain"] - 0.05
    assert right["skips, 38 layers"] > 0.95


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "9", "--seed", "7")
    assert "DIFFERS" not in result.output and "seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert "the gradient behind blocks 1 to 11 is the same" in result.output
    check_figures(result, count=2)


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
