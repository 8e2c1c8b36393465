"""Lesson 8 runs from any folder, prints the published losses, and its network arrives at the table of counts."""

import re

import pytest
from running import check_cells, check_figures, check_published, needs_names, offline, published_data, run

NAME = "08_bigrams"
KEEP = ["from_counts", "onehot_losses", "net_losses", "names", "same", "best_k", "curves"]


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in names, so figures will differ") == 1
    assert stand_in.rows["names.count"].verdict == "other data"
    assert "DIFFERS" not in stand_in.output
    assert "loss inf" in stand_in.output  # of a name with a pair that was never seen
    assert len(stand_in.kept["names"]) == 10


def test_network_descends_to_the_table_and_not_below(stand_in):
    losses, floor = stand_in.kept["net_losses"], stand_in.kept["from_counts"]
    assert len(losses) == 500
    assert all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))
    assert floor < losses[-1] < floor + 0.02


def test_smoothing_helps_unseen_names_only(stand_in):
    train, dev = stand_in.kept["curves"]["train"], stand_in.kept["curves"]["dev"]
    assert train == sorted(train)
    assert min(dev) < dev[0] - 0.02 and min(dev) < dev[-1] - 0.1


def test_figures_are_where_the_output_says(stand_in):
    table, *others = stand_in.figures
    assert table.name == "1_counts.png" and table.stat().st_size < 450_000  # it holds 600 words of text
    table.unlink()
    check_figures(stand_in._replace(figures=others), count=6)


@needs_names
def test_quick_run_prints_the_published_figures(real):
    assert check_published(real, ["names.count"]) == ["names.count"]
    assert real.rows["bigram.counts"].verdict == "within 0.0001"
    assert real.rows["bigram.smoothed"].verdict == "within 0.0003"
    # PyTorch's first losses of this descent, 3.7590 without a penalty, from the same random weights.
    assert real.kept["net_losses"][0] == pytest.approx(3.75895, abs=1e-4)
    assert real.kept["names"][:3] == ["cexze", "momasurailezitynn", "konimittain"]


@needs_names
def test_summing_carelessly_gives_the_published_digits(real):
    summed = re.search(r"summed in float32 one by one: (\S+)", real.output)
    assert float(summed[1]) == pytest.approx(2.4540942, abs=1e-6)


@pytest.mark.slow
@needs_names
def test_full_run_closes_the_gap(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    assert len(result.kept["net_losses"]) == 10_000
    assert result.kept["net_losses"][-1] == pytest.approx(result.kept["from_counts"], abs=2e-4)
    between = re.search(r"largest difference between the counts added and -c W: (\S+)", result.output)
    assert float(between[1]) < 1e-3
    assert result.kept["same"] == 8
    penalty, counts = (
        float(re.search(rf"smallest dev loss by {way}: +([\d.]+)", result.output)[1]) for way in ("penalty", "adding counts")
    )
    assert penalty == pytest.approx(counts, abs=0.01)


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "7", "--seed", "7", keep=KEEP)
    assert len(result.kept["net_losses"]) == len(result.kept["onehot_losses"]) == 7
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert re.search(r"forwards (\S+), backwards \1\n", result.output)
    check_figures(result, count=1)


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
