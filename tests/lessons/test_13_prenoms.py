"""Lesson 13 runs from any folder, prints the published figures, and repeats lesson 10's findings in French."""

import pytest
from running import (
    PUBLISHED,
    check_cells,
    check_figures,
    check_published,
    needs_names,
    needs_prenoms,
    offline,
    published_data,
    run,
)

NAME = "13_prenoms"
KEEP = ["losses", "final", "first", "names", "LESSON_10", "expected"]


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in lists of names, so figures will differ") == 1
    assert stand_in.rows["prenoms.split"].verdict == "other data"
    assert "DIFFERS" not in stand_in.output
    assert len(stand_in.kept["names"]) == 20


def test_repaired_starts_begin_near_the_loss_of_knowing_nothing(stand_in):
    losses, expected = stand_in.kept["losses"], stand_in.kept["expected"]
    assert losses["naive"][0] > 15
    assert all(abs(losses[name][0] - expected) < 0.1 for name in losses if name != "naive")


def test_figures_are_where_the_output_says(stand_in):
    check_figures(stand_in, count=6)


def test_english_losses_are_those_of_lesson_10(stand_in):
    ids = {"naive": "mlp.naive.final", "small logits": "mlp.small_logits.final", "Kaiming": "mlp.kaiming.final",
           "batch norm": "bn.final_running"}  # fmt: skip
    for name, row in ids.items():
        assert stand_in.kept["LESSON_10"][name] == pytest.approx(PUBLISHED[row]["value"], abs=6e-5), name


@needs_prenoms
@needs_names
def test_quick_run_prints_the_published_figures(real):
    assert len(check_published(real, ["prenoms."])) == 2
    assert real.kept["first"]["French"] == pytest.approx(28.4082, abs=1e-3)
    assert real.kept["first"]["English"] == pytest.approx(PUBLISHED["mlp.naive.step0"]["value"], abs=1e-3)


@pytest.mark.slow
@needs_prenoms
@needs_names
def test_full_run_repeats_the_order_of_lesson_10(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    check_published(result, ["prenoms."])
    dev = {name: losses[1] for name, losses in result.kept["final"].items()}
    assert dev["naive"] > dev["small logits"] > max(dev["Kaiming"], dev["batch norm"])
    assert dev["Kaiming"] == pytest.approx(2.0835, abs=5e-3)


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "40", "--seed", "7", keep=KEEP)
    assert {len(losses) for losses in result.kept["losses"].values()} == {40}
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert "names recognised" in result.output
    check_figures(result, count=2)


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
