"""Lesson 07 runs from any folder, LSUV brings every layer to standard deviation 1, and its answers run."""

import math

import pytest
from running import check_cells, check_figures, check_published, offline, run

NAME = "07_lsuv_tabular"
KEPT = ["epochs", "plateau", "table_of", "over_rows", "skewness", "stds", "seen"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    return run(NAME, folder, offline(folder), "--quick", keep=KEPT)


def test_quick_run(quick):
    assert check_published(quick, ["lsuv."]) == ["lsuv.std"]
    assert "line 17, column 'age': expected a finite number" in quick.output
    assert "validation loss nan" not in quick.output
    check_figures(quick, count=9)


def test_every_layer_has_standard_deviation_1_after_lsuv(quick):
    table = quick.kept["table_of"]
    assert list(table) == ["default", "Kaiming uniform", "Kaiming normal", "LSUV", "LSUV, no orthonormal"]
    for name, layers in table.items():
        near = [abs(std - 1) < 1e-3 for _, std in layers]
        assert len(near) == 11 and all(near) == ("LSUV" in name), name
    stds = quick.kept["stds"]
    assert {name: [std for _, std in table[name]] for name in stds} == stds


def test_default_start_is_the_same_for_every_row_and_stays_on_the_plateau(quick):
    assert quick.kept["over_rows"]["default"] < 1e-3 < quick.kept["over_rows"]["LSUV"]
    assert quick.kept["plateau"]["default"] == quick.kept["epochs"] == 4
    assert all(length <= 2 for name, length in quick.kept["plateau"].items() if name != "default")


@pytest.mark.slow
def test_full_run_compares_the_starts(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), keep=["plateau", "ends"])
    check_published(result, ["lsuv."])
    assert result.kept["plateau"].pop("default") == 70 and max(result.kept["plateau"].values()) <= 2
    ends = result.kept["ends"]
    assert ends["default"]["validation_loss"] == pytest.approx(math.log(3), abs=0.01)
    assert min(end["validation_accuracy"] for name, end in ends.items() if name != "default") > 0.85


def test_another_seed_or_number_of_epochs_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "2", "--seed", "7")
    assert "DIFFERS" not in result.output and "2 epochs each, generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick", keep=["plateaus", "skewed"])
    assert result.kept["skewed"] == ["age", "distance", "repairs", "photos", "price"]
    assert "after 50 rescalings" in result.output
    check_figures(result, count=2)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
