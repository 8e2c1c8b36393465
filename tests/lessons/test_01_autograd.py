"""Lesson 1: by hand, by the library, by the lesson's own engine and by differences, the gradients are the same."""

import math
import re

import pytest
from running import LESSONS, check_cells, check_figures, offline, run

NAME = "01_autograd"
KEEP = ["gradients", "engine", "worst", "losses", "fast_losses", "timings", "path", "correct", "points"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    return run(NAME, folder, offline(folder), "--quick", keep=KEEP)


def test_the_gradients_are_those_of_the_formula(quick):
    n = 0.5 * 2.0 + 1.5 * -1.0 + 1.0
    y = math.tanh(n)
    slope = 2 * (y - 1.0) * (1 - y * y)
    expected = {"w1": 2.0 * slope, "w2": -1.0 * slope, "b": slope}
    for name, gradient in expected.items():
        assert quick.kept["gradients"][name] == pytest.approx(gradient, rel=1e-12)
        assert quick.kept["engine"][name] == pytest.approx(gradient, rel=1e-12)
    log = quick.output.rpartition("gradient of w1 by hand")[2].splitlines()
    assert [line.split()[-1] for line in log[:3]] == [f"{expected['w1']:.10f}"] * 3
    assert float(log[3].split()[-1]) == pytest.approx(expected["w1"], abs=1e-8)


def test_both_engines_agree_and_train_alike(quick):
    assert quick.kept["worst"] < 1e-9
    losses, fast = quick.kept["losses"], quick.kept["fast_losses"]
    assert len(losses) == len(fast) == 40
    assert losses[:20] == pytest.approx(fast[:20], abs=1e-9)
    assert losses[-1] < 0.5 * losses[0]


def test_gradient_descent_halves_the_distance_each_time(quick):
    assert quick.kept["path"] == pytest.approx([1 + 2 / 2**k for k in range(8)], abs=1e-5)


def test_tensors_are_faster(quick):
    assert quick.kept["timings"]["tensors"][-1] * 10 < quick.kept["timings"]["numbers"][-1]


def test_the_engine_is_as_small_as_the_lesson_says():
    text = (LESSONS / f"{NAME}.py").read_text(encoding="utf-8")
    engine = text[text.index("class Value") : text.index("a = Value(3.0)")]
    lines = [line for line in engine.splitlines() if line.strip() and not line.startswith(("#", "print"))]
    assert 35 <= len(lines) <= 45 and "some forty lines" in text


def test_figures_are_where_the_output_says(quick):
    check_figures(quick, count=7)


@pytest.mark.parametrize("options", [["--steps", "1", "--seed", "3"], ["--steps", "6"]])
def test_any_length_and_seed(tmp_path, options):
    result = run(NAME, tmp_path, offline(tmp_path), "--quick", *options, keep=["losses"])
    assert len(result.kept["losses"]) == int(options[1])


@pytest.mark.slow
def test_full_run_separates_the_moons(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), keep=KEEP)
    assert result.kept["correct"] >= 98 and result.kept["points"] == 100
    assert result.kept["timings"]["tensors"][-1] * 1000 < result.kept["timings"]["numbers"][-1]


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    check_figures(result, count=2)
    derivatives = re.search(r"second derivative of tanh: (\S+), formula (\S+),", result.output)
    assert derivatives[1] == derivatives[2] == f"{-2 * math.tanh(0.5) * (1 - math.tanh(0.5) ** 2):.8f}"


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
