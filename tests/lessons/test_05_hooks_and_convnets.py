"""Lesson 05 runs from any folder, reads digits with a convolutional network and looks into it; its answers run."""

import pytest
from running import check_cells, check_figures, check_published, needs_mnist, offline, published_data, run

NAME = "05_hooks_and_convnets"
KEEP = ["count", "speeds", "default_stats", "histograms", "rates", "final_accuracy", "steps", "BINS"]


def test_quick_run_with_drawn_digits(stand_in):
    assert stand_in.output.count("note: these are the stand-in digits, so figures will differ") == 1
    assert stand_in.rows["cnn.valid_acc"].verdict == "needs the full run"
    assert stand_in.kept["count"] == 15594
    check_figures(stand_in, count=12)


def test_a_matrix_product_is_faster_than_loops(stand_in):
    for loops, product, library in stand_in.kept["speeds"].values():
        assert loops > 20 * product and loops > 20 * library


def test_every_training_step_is_watched_and_no_other(stand_in):
    runs, steps = stand_in.kept["histograms"], stand_in.kept["steps"]
    assert list(runs) == ["as they come", "Kaiming", "general ReLU"]
    for layers in runs.values():
        assert len(layers) == 4
        for stats in layers:
            assert all(len(stats[what]) == 3 * steps for what in ("mean", "std", "counts", "near zero"))
            assert all(len(row) == stand_in.kept["BINS"] and sum(row) > 0 for row in stats["counts"])
    assert [layer["std"] for layer in runs["as they come"]] == [layer["std"] for layer in stand_in.kept["default_stats"]]


def test_the_start_decides_how_wide_the_layers_are(stand_in):
    first = {name: [layer["std"][0] for layer in layers] for name, layers in stand_in.kept["histograms"].items()}
    default = first["as they come"]
    assert all(upper < 0.7 * lower for lower, upper in zip(default, default[1:], strict=False))
    assert first["Kaiming"][3] > 5 * default[3] and first["general ReLU"][3] > 5 * default[3]
    assert first["Kaiming"][3] > 0.5 * first["Kaiming"][0]


def test_general_relu_leaves_nothing_at_zero(stand_in):
    shares = {name: layers[3]["near zero"][-1] for name, layers in stand_in.kept["histograms"].items()}
    assert shares["general ReLU"] < 0.02 < 0.3 < min(shares["as they come"], shares["Kaiming"])


def test_eight_epochs_read_digits(stand_in):
    assert stand_in.kept["final_accuracy"] > 0.85


@pytest.mark.slow
@needs_mnist
def test_published_figures(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=["rates", "final_accuracy"])
    assert check_published(result, ["cnn."]) == ["cnn.valid_acc"]
    assert result.kept["final_accuracy"] > 0.975
    rates = result.kept["rates"]
    assert rates["general ReLU"][1] > rates["Kaiming"][1] > rates["as they come"][1]
    assert "stand-in" not in result.output


@needs_mnist
def test_quick_run_with_published_data(tmp_path):
    result = run(NAME, tmp_path, published_data(), "--quick")
    assert check_published(result, ["cnn."], unfinished=["cnn.valid_acc"]) == ["cnn.valid_acc"]


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--quick", "--steps", "4", "--seed", "7", keep=["steps"])
    assert result.kept["steps"] == 4
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick", keep=["gradients", "sub", "gain"])
    check_figures(result, count=2)
    first = {name: [layer[0] for layer in layers] for name, layers in result.kept["gradients"].items()}
    assert first["as they come"][3] > 10 * first["as they come"][0]
    assert first["Kaiming"][0] > 2 * first["as they come"][0]
    assert result.kept["sub"] == pytest.approx(0.359, abs=1e-3) and result.kept["gain"] == pytest.approx(1.6306, abs=1e-3)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
