"""Lesson 06 runs from any folder, its norms are the library's, and running batch norm learns from batches of two."""

import pytest
from running import check_cells, check_figures, check_published, needs_mnist, offline, published_data, run

NAME = "06_normalization"
KEEP = ["steps", "large_steps", "results", "ablation", "gaps", "told", "stds", "modes"]


def test_quick_run_with_drawn_digits(stand_in):
    assert stand_in.output.count("note: these are the stand-in digits, so figures will differ") == 1
    assert stand_in.rows["runningbn.bs2"].verdict == "needs the full run"
    check_figures(stand_in, count=6)


def test_every_norm_is_in_the_ablation(stand_in):
    ablation = stand_in.kept["ablation"]
    assert len(ablation) == 8 and {len(row) for row in ablation.values()} == {3}
    assert max(ablation["instance"]) < 0.2 < max(ablation["batch"])


def test_layer_norm_cannot_see_strength(stand_in):
    told = stand_in.kept["told"]
    assert told["layer norm, scalars"] < 0.6 and told["batch norm"] > 0.8


def test_a_recurrent_norm_is_given_something_else_at_every_row(stand_in):
    stds = stand_in.kept["stds"]
    assert len(stds) == 28 and max(stds) > 3 * stds[0]


@needs_mnist
def test_quick_run_prints_the_published_figures(tmp_path):
    result = run(NAME, tmp_path, published_data(), "--quick")
    assert check_published(result, ["runningbn."], unfinished=["runningbn.bs2"]) == ["runningbn.bs2"]
    assert "stand-in" not in result.output


@pytest.mark.slow
@needs_mnist
def test_full_run_learns_from_batches_of_two(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    check_published(result, ["runningbn."])
    results, ablation = result.kept["results"], result.kept["ablation"]
    assert results["running batch norm"] >= 0.97 and results["batch norm"] < 0.6
    assert results["batch norm"] + 0.1 < results["batch norm, eps 0.1"]
    lost = {name: trained - evaluated for name, (trained, evaluated) in result.kept["modes"].items()}
    assert lost["batch norm"] > 0.1 and lost["layer norm"] < 0.05
    assert results["reader, layer norm"] > results["reader, batch norm"]
    assert max(ablation["batch"]) > 0.96 and max(ablation["batch"]) > max(ablation["none"]) > max(ablation["instance"])


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--quick", "--steps", "60", "--seed", "7", keep=["steps", "large_steps"])
    assert result.kept == {"steps": 60, "large_steps": 4}
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick", keep=["before", "behind", "accuracies"])
    assert result.kept["before"] < 1e-5 < result.kept["behind"]
    assert {len(row) for row in result.kept["accuracies"].values()} == {6}
    check_figures(result, count=2)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
