"""Lesson 9 runs from any folder, splits the names as published, and shows under- and overfitting."""

import re

import pytest
from running import check_cells, check_figures, check_published, needs_names, offline, published_data, run

NAME = "09_mlp"
KEEP = ["runs", "floor", "tables", "search", "best_rate", "names", "turn", "moments"]


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in names, so figures will differ") == 1
    assert stand_in.rows["names.count"].verdict == "other data"
    assert stand_in.rows["names.split"].verdict == "other data"
    assert "DIFFERS" not in stand_in.output
    assert len(stand_in.kept["names"]) == 20


def test_the_plain_formula_overflows_and_the_library_does_not(stand_in):
    printed = re.findall(r"largest logit (\d+): by hand (\S+), library (\S+)", stand_in.output)
    assert printed == [("80", "1.3133", "1.3133"), ("85", "1.3133", "1.3133"), ("90", "nan", "1.3133")]


def test_learning_rate_search_has_a_valley(stand_in):
    assert 0.03 < stand_in.kept["best_rate"] < 1
    search = stand_in.kept["search"]
    assert min(sum(search[i : i + 50]) for i in range(0, 950, 50)) < 0.5 * min(sum(search[:50]), sum(search[-50:]))


def test_tables_fail_when_they_look_back_far(stand_in):
    losses = {int(back): loss for back, (_, _, loss) in stand_in.kept["tables"].items()}
    assert losses[3] < losses[1] and losses[3] < losses[6]


def test_figures_are_where_the_output_says(stand_in):
    check_figures(stand_in, count=4)


@needs_names
def test_quick_run_prints_the_published_figures(real):
    assert len(check_published(real, ["names."])) == 2
    assert "stand-in" not in real.output
    assert real.kept["floor"] == pytest.approx(0.2515, abs=1e-4)


@pytest.mark.slow
@needs_names
def test_full_run_underfits_and_overfits(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    runs, tables = result.kept["runs"], result.kept["tables"]
    small, large, few = (runs[f"{name}"] for name in (
        "2 coordinates, 100 units", "10 coordinates, 200 units", "the same, 1000 names"))  # fmt: skip
    assert abs(small[1] - small[0]) < 0.01 < large[1] - large[0] < 0.1
    assert few[1] - few[0] > 1 and result.kept["moments"][result.kept["turn"]] < 10_000
    # The run that lesson 10 starts with: 200000 steps from the same weights and minibatches.
    assert large == pytest.approx([2.1241, 2.1655], abs=0.02)
    assert runs["10, 200, looking back 5"][1] < tables["5"][2]


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "7", "--seed", "7")
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert "stopping in time" in result.output
    check_figures(result, count=2)


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
