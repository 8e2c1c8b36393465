"""The benchmark runner: its check finds a wrong gradient, and a short run leaves a complete report."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from benchmarks import images, runner
from benchmarks.workload import WORKLOADS, register
from minigrad.datasets import Images

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("MINIGRAD_OFFLINE", "1")


@pytest.fixture(params=["names-mlp", "names-mlp-bn"])
def workload(request):
    return WORKLOADS[request.param]


def trainers_of(workload, problem, *labels):
    return {label: workload.ways[label].build(problem) for label in labels}


def test_minigrad_and_numpy_train_alike(workload):
    problem = workload.problem()
    trainers = trainers_of(workload, problem, "minigrad tensors", "minigrad modules", "numpy")
    losses = runner.check("names", workload, problem, trainers)
    assert losses["minigrad tensors"] == pytest.approx(losses["numpy"], rel=runner.TOLERANCE)
    assert losses["numpy"] < np.log(27)  # training has started: a guess costs log 27


def test_torch_trains_alike(workload):
    pytest.importorskip("torch")
    problem = workload.problem()
    runner.check("names", workload, problem, trainers_of(workload, problem, "torch tensors", "torch modules"))


def test_check_finds_a_wrong_update(workload):
    problem = workload.problem()
    right = workload.ways["numpy"].build(problem)

    def wrong_step(indices):
        right.step(indices)
        return right.step(indices)  # one update too many

    with pytest.raises(RuntimeError, match=r"names, step 1: the loss of 'numpy' is"):
        runner.check("names", workload, problem, {"numpy": right._replace(step=wrong_step)})


def test_a_problem_is_left_as_it_was(workload):
    problem = workload.problem()
    before = [parameter.copy() for parameter in problem.parameters]
    for trainer in trainers_of(workload, problem, "minigrad tensors", "minigrad modules", "numpy").values():
        trainer.step(trainer.draw())
    for parameter, old in zip(problem.parameters, before, strict=True):
        np.testing.assert_array_equal(parameter, old)


@pytest.mark.parametrize("name", ["images", "images-bn", "mnist-mlp-64"])
def test_networks_of_images_train_alike(name, monkeypatch):
    generator = np.random.default_rng(0)
    pixels = generator.standard_normal((600, 1, 28, 28)).astype(np.float32)
    few = Images(mg.tensor(pixels), mg.tensor(generator.integers(0, 10, 600)))
    monkeypatch.setattr(images, "training_images", lambda: few)
    monkeypatch.setattr(runner, "CHECK_STEPS", 3)
    workload = WORKLOADS[name]
    problem = workload.problem()
    labels = [label for label, way in workload.ways.items() if importlib.util.find_spec(way.package)]
    assert {"minigrad modules", "numpy"} <= set(labels)
    runner.check(name, workload, problem, trainers_of(workload, problem, *labels))


def test_ratio_is_taken_round_by_round():
    seconds = {"a": [1.0, 10.0, 3.0], "b": [2.0, 20.0, 1.0]}
    assert runner.ratio(seconds, "a", "b") == 0.5
    assert runner.ratio(seconds, "a", "absent") is None


def test_register_refuses_a_name_twice():
    with pytest.raises(ValueError, match="already a workload named 'names-mlp'"):
        register("names-mlp", WORKLOADS["names-mlp"])


def test_a_missing_package_is_skipped_with_a_line(capsys, monkeypatch):
    workload = WORKLOADS["names-mlp"]
    numpy_way = workload.ways["numpy"]
    ways = {"numpy": numpy_way, "other": replace(numpy_way, package="no_such_package")}
    monkeypatch.setitem(WORKLOADS, "names-mlp", replace(workload, ways=ways))
    record = runner.run_workload("names-mlp", rounds=1)
    assert list(record["ways"]) == ["numpy"]
    assert record["ways"]["numpy"]["ratio_to_torch"] is None
    assert "no_such_package is not installed, 'other' is skipped" in capsys.readouterr().out
    assert "-" in runner.table("names-mlp", record)


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    runner.write_json(path, {"rounds": 1})
    with pytest.raises(TypeError):
        runner.write_json(path, {"rounds": object()})
    assert json.loads(path.read_text()) == {"rounds": 1}
    assert os.listdir(tmp_path) == ["report.json"]


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_quick_run_writes_a_complete_report(tmp_path):
    path = tmp_path / "report.json"
    names = [name for name in WORKLOADS if name.startswith("names")]  # the others take longer
    finished = run(*names, "--quick", "--rounds", "2", "--json", str(path))
    assert finished.returncode == 0, finished.stderr
    report = json.loads(path.read_text())
    assert report["rounds"] == 2 and report["machine"]["threads"] == 1
    assert {"python", "numpy", "minigrad", "blas"} <= set(report["machine"]["versions"])
    assert list(report["workloads"]) == names
    for name, record in report["workloads"].items():
        ways = WORKLOADS[name].ways
        assert {label for label in ways if ways[label].package != "torch"} <= set(record["ways"])
        assert all(way["microseconds"] > 0 for way in record["ways"].values())
        assert record["ways"]["numpy"]["ratio_to_numpy"] == 1
        assert name in finished.stdout


def test_one_workload_is_selected_by_name(tmp_path):
    path = tmp_path / "report.json"
    finished = run("names-mlp-bn", "--rounds", "1", "--json", str(path))
    assert finished.returncode == 0, finished.stderr
    assert list(json.loads(path.read_text())["workloads"]) == ["names-mlp-bn"]


@pytest.mark.parametrize("arguments", [["names-rnn"], ["--rounds", "0"], ["--threads", "0"]])
def test_wrong_arguments_are_refused(arguments):
    finished = run(*arguments)
    assert finished.returncode == 2 and "error:" in finished.stderr
