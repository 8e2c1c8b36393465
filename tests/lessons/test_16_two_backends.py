"""Lesson 16 runs with and without a GPU, calls calculated times calculated, and trains as PyTorch does."""

import re
import subprocess
import sys

import pytest
from running import check_cells, check_figures, environment, offline, run

NAME = "16_two_backends"
KEEP = ["runs", "widths", "measured", "modelled", "sizes", "update_times", "modelled_updates", "hidden", "step_times"]
KEEP += ["step_models", "in_a_layer", "in_adam", "launches", "differences_here", "DOCUMENTED", "NETWORK", "LOOP", "steps"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    return run(NAME, folder, offline(folder), "--quick", keep=KEEP)


def test_quick_run_says_whether_there_is_a_gpu(quick):
    missing = "cupy" not in quick.kept["runs"]
    assert quick.output.count("note: no GPU here, so nothing below was measured on one") == missing
    assert ("no GPU here: the lines with the word model are calculated, not measured" in quick.output) == missing
    assert ("cupy" in quick.kept["measured"]) != missing
    check_figures(quick, count=5)


def test_a_missing_library_ends_in_one_sentence(quick):
    assert re.search("^ImportError: MINIGRAD_BACKEND=cupy: CuPy is not installed; install cupy-cuda12x", quick.output, re.M)
    assert "ValueError: MINIGRAD_BACKEND: expected 'numpy' or 'cupy', got 'abacus'" in quick.output


def test_the_differences_are_those_documented(quick):
    answers = quick.kept["differences_here"]
    assert list(answers["numpy"].values()) == [False, False, "IndexError", "ndarray", "ndarray"]
    assert "cupy" not in answers or answers["cupy"] == quick.kept["DOCUMENTED"]
    assert re.search(r"label 3 of three classes: \w+Error: cross_entropy", quick.output)


def test_the_script_trains_as_pytorch_does(quick, tmp_path):
    pytest.importorskip("torch")
    script = (quick.kept["NETWORK"] + quick.kept["LOOP"]).replace("import minigrad as mg", "import torch as mg")
    arguments = ["200", str(quick.kept["steps"]), "2147483647"]
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    *losses, _ = map(float, done.stdout.split())
    assert len(losses) == 5
    for ours, _ in quick.kept["runs"].values():
        assert ours == pytest.approx(losses, rel=1e-3)


def test_operations_are_counted(quick):
    assert quick.kept["in_a_layer"] == 3 and quick.kept["in_adam"] == 12
    # tanh network 5, softmax and loss 10, its gradient 3, the hidden layer's 4, parameters 4 gradients and 2 updates each
    assert quick.kept["launches"] == 34


def test_the_model_is_what_the_lesson_says_that_it_assumes(quick):
    kept = quick.kept
    for models, launches in ((kept["modelled"], 3), (kept["step_models"], 34)):
        for times, launch in zip(models.values(), (15e-6, 5e-6), strict=True):
            assert times[0] == pytest.approx(launches * launch)  # small arrays: nothing but launches
            assert times == sorted(times)
    width = kept["widths"][-1]
    numbers = width**2 + width + 6 * 256 * width
    expected = 2 * 256 * width**2 / 3e12 + 4 * numbers / 200e9
    assert kept["modelled"]["a modest GPU"][-1] == pytest.approx(expected)
    apart, fused = kept["modelled_updates"].values()
    assert apart[0] / fused[0] == pytest.approx(12) and 4 <= apart[-1] / fused[-1] <= 12


def test_crossovers_lie_where_the_times_cross(quick):
    """NumPy is the faster one at the last size below a crossover and the slower one at the first above it."""
    kept = quick.kept
    layers = kept["widths"], kept["measured"]["numpy"], kept["modelled"]
    step = kept["hidden"], kept["step_times"]["numpy"], kept["step_models"]
    for sizes, numpy_times, models, what in ((*layers, "width"), (*step, "")):
        pattern = rf"\(model\) +{what} ?([\d.]+|inf)" + ("" if what else " hidden units")
        found = [float(size) for size in re.findall(pattern, quick.output)]
        assert len(found) == 2
        for crossover, times in zip(found, models.values(), strict=True):
            faster = [numpy < gpu for numpy, gpu in zip(numpy_times, times, strict=True)]
            below = [i for i, size in enumerate(sizes) if size <= crossover - 1]
            above = [i for i, size in enumerate(sizes) if size >= crossover + 1]
            assert not below or faster[below[-1]]
            assert not above or not faster[above[0]]


def test_times_are_measured_for_every_size(quick):
    kept = quick.kept
    for sizes, rows in (
        (kept["widths"], kept["measured"]),
        (kept["sizes"], kept["update_times"]),
        (kept["hidden"], kept["step_times"]),
    ):
        assert all(len(times) == len(sizes) and min(times) > 0 for times in rows.values())


@pytest.mark.slow
def test_full_run(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), keep=["widths", "sizes", "hidden"])
    assert [result.kept[name][-1] for name in ("widths", "sizes", "hidden")] == [4096, 4**12, 51200]
    assert "Warning" not in result.output
    check_figures(result, count=5)


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--quick", "--steps", "8", "--seed", "7", keep=["runs"])
    assert all(len(losses) == 5 for losses, _ in result.kept["runs"].values())


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert result.output.count("runs on both") == 3 and result.output.count("TypeError: ") == 3
    assert "the same weights either way" in result.output
    check_figures(result, count=1)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
