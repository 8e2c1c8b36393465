"""`python -m benchmarks.gpu`: it runs from end to end on the stand-in for CuPy, and what it compares can fail."""

import copy
import importlib.util
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import names_mlp, transformer
from benchmarks.gpu import parity, steps
from benchmarks.timing import device_turn, measure
from benchmarks.workload import Trainer
from minigrad.backend import on_gpu

ROOT = Path(__file__).parents[1]
STAND_IN = ROOT / "tests" / "stand_in"
in_processes = pytest.mark.skipif(on_gpu, reason="starts processes with backends of their own, whatever this one has")


def command(*arguments, **variables):
    """The whole command, in a process, with other environment variables."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
    return subprocess.run([sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)], cwd=ROOT, env=environment,
                          capture_output=True, text=True, timeout=300)  # fmt: skip


@in_processes
@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_without_a_gpu_it_ends_with_one_sentence(tmp_path, backend):
    done = command("--out", tmp_path / "gpu.md", MINIGRAD_BACKEND=backend)
    assert done.returncode == 1 and not done.stdout and not list(tmp_path.iterdir())
    assert done.stderr.startswith("python -m benchmarks.gpu: CuPy is not installed; install cupy-cuda12x or ")
    assert done.stderr.count("\n") == 1


@in_processes
def test_a_folder_that_is_missing_is_said_before_any_work(tmp_path):
    done = command("--out", tmp_path / "missing" / "gpu.md", PYTHONPATH=str(STAND_IN))
    assert done.returncode == 2 and "there is no folder for" in done.stderr and not done.stdout


@in_processes
def test_no_time_at_all_is_refused(tmp_path):
    done = command("--minutes", "0", "--out", tmp_path / "gpu.md", PYTHONPATH=str(STAND_IN))
    assert done.returncode == 2 and "--minutes wants a number above 0, got 0" in done.stderr and not done.stdout


def test_minutes_stretch_every_part(whole, monkeypatch, tmp_path):
    given, names = [], ("training_steps", "comparison", "lesson", "tests")
    for name in names:
        monkeypatch.setattr(whole, name, lambda page, folder, seconds, quick: given.append(seconds))
    monkeypatch.setattr(whole, "hardware", lambda page, cupy: None)
    monkeypatch.setattr(whole, "use", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--minutes", "24", "--out", str(tmp_path / "gpu.md")])
    with pytest.raises(SystemExit):
        whole.main()
    assert given[:3] == [3 * whole.STEPS, 3 * whole.PARITY, 3 * whole.LESSON] and given[3] > 3 * whole.TOTAL - 60


@in_processes
def test_the_whole_command_on_the_stand_in(tmp_path):
    page = tmp_path / "gpu.md"
    done = command("--quick", "--out", page, PYTHONPATH=str(STAND_IN), MINIGRAD_OFFLINE="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [page]
    text = page.read_text()
    table = text.partition("| --- | --- |\n")[2].partition("\n\n")[0]
    facts = dict(line.strip("| ").split(" | ") for line in table.splitlines())
    assert facts["GPU"] == "stand-in, 1 GiB, compute capability 0.0" and "runtime 12.8" in facts["driver"]
    assert {"python", "cupy", "numpy", "minigrad"} <= {word.split()[0] for word in facts["versions"].split(", ")}
    assert facts["training steps"] == "1 of 1 workloads, done"
    assert facts["NumPy beside CuPy"] == "67 cases, all alike"
    assert facts["lesson 16"].startswith("done, ")
    assert " passed" in facts["tests under CuPy"] and "failed" not in facts["tests under CuPy"]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| names MLP | minigrad")]
    assert [row[1] for row in rows] == [label for label in names_mlp.ways(False) if label.startswith("minigrad")]
    for row in rows:
        assert float(row[2]) > 0 and float(row[4]) > 0 and row[6] == "<= 1.0"
        assert row[8:11] == ["0.0"] * 3  # a step sends nothing, and nobody waits
    assert "MINIGRAD_BACKEND=cupy" in text and "minigrad computes on cupy here" in text
    if importlib.util.find_spec("torch") is None:
        assert "PyTorch is not installed: its columns are empty." in text


# ------------------------------------------------------------------------------------------------- other processes


@pytest.fixture
def whole(monkeypatch):
    """The module of the command; to import it sets MINIGRAD_BACKEND."""
    monkeypatch.setenv("MINIGRAD_BACKEND", os.environ.get("MINIGRAD_BACKEND", "numpy"))
    from benchmarks.gpu import __main__ as module

    return module


@in_processes
def test_a_part_that_takes_too_long_is_stopped(whole):
    """It may say how far it came, as pytest does; its children are stopped as well."""
    script = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("started", child.pid, flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("so far", flush=True)
"""
    started = time.monotonic()
    status, output = whole.run(["-c", script], "numpy", 1.5)
    assert status is None and "so far" in output and time.monotonic() - started < 20
    assert whole.ending(status, output) == "stopped, out of time"
    child = int(output.split()[1])
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child goes on")


@in_processes
def test_children_get_their_backend(whole):
    status, output = whole.run(["-c", "import os; print(os.environ['MINIGRAD_BACKEND'])"], "abacus", 20)
    assert (status, output) == (0, "abacus\n") and whole.ending(status, output) == "done"
    status, output = whole.run(["-c", "raise ValueError('so')"], "numpy", 20)
    assert status == 1 and whole.ending(status, output) == "failed: ValueError: so"


def test_a_page(whole):
    page = whole.Page()
    page.fact("GPU", "one | other")
    page.section("Steps", "words", "", whole.table(("a", "b"), [[1, 2]]))
    assert not page.failed
    page.fact("tests", "2 failed", True)
    page.fact("lesson", "done")
    assert page.failed
    assert page.text("it took 3 s") == (
        "# minigrad on a GPU\n\nit took 3 s\n\n|  |  |\n| --- | --- |\n| GPU | one / other |\n| tests | 2 failed |\n"
        "| lesson | done |\n\n## Steps\n\nwords\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    )


# ------------------------------------------------------------------------------------------- NumPy beside CuPy


@pytest.fixture(scope="module")
def found():
    return parity.results("pooling")


def test_results_are_saved_whole(found, tmp_path):
    found["float64"]["raises"] = "ValueError: so"
    parity.save(tmp_path / "found.npz", found)
    loaded = parity.load(tmp_path / "found.npz")
    del found["float64"]["raises"]
    assert loaded["float64"].pop("raises") == "ValueError: so"
    assert [list(by_name) for by_name in loaded.values()] == [list(by_name) for by_name in found.values()]
    record = parity.compare("pooling", found, loaded)
    assert [result["worst"] for result in record.values()] == [0, 0] and not record["float64"]["failures"]
    assert record["float64"]["cases"] > 100


@pytest.mark.parametrize(("precision", "much", "little"), [("float64", 1e-9, 1e-12), ("float32", 1e-4, 1e-7)])
def test_a_difference_is_found(found, precision, much, little):
    name = next(name for name, arrays in found[precision].items() if arrays[0].size > 4 and arrays[0].dtype == precision)
    theirs = copy.deepcopy(found)
    array = theirs[precision][name][0]
    largest = np.abs(array).max()

    def record():
        return parity.compare("pooling", found, theirs)[precision]

    for size, failures in ((much, [name]), (little, [])):
        array[...] = found[precision][name][0]
        array.flat[1] += array.dtype.type(size * largest)
        assert record()["failures"] == failures and (record()["worst"] > 1) == bool(failures)
    for wrong in (np.nan, np.inf):
        array.flat[1] = wrong
        assert record() == {**record(), "worst": np.inf, "failures": [name]}
    for other in ([array.astype("float16")], [array[:-1]], [], "ValueError: so"):
        theirs[precision][name] = other
        assert record()["failures"] == [name]


def test_what_is_elementwise_is_held_to_its_own_size():
    """Beside a large number, a small one of another element must not go wrong unseen."""
    ours = np.array([1e10, 1.0], np.float32)
    theirs = np.array([1e10, 1.01], np.float32)
    assert parity.ratio(ours, theirs, ours, False, elementwise=False) < 1 < parity.ratio(ours, theirs, ours, False, True)
    found = {"float64": {}, "float32": {"exp": [ours]}}
    assert parity.compare("elementwise", found, {"float64": {}, "float32": {"exp": [theirs]}})["float32"]["failures"]


def test_integers_have_to_be_equal():
    a, b = np.array([1, 2]), np.array([1, 3])
    assert parity.ratio(a, a.copy(), None, True) == 0 and parity.ratio(a, b, None, True) == np.inf


def test_errors_have_to_be_of_one_type():
    ours = {"float64": {"a": "ValueError: x", "b": "ValueError: x"}, "float32": {}}
    theirs = {"float64": {"a": "ValueError: y", "b": "TypeError: x"}, "float32": {}}
    record = parity.compare("norm", ours, theirs)["float64"]
    assert record == {"cases": 0, "worst": np.inf, "failures": ["b"]}


def test_every_family_has_cases():
    counts = {family: {p: len(c) for p, c in parity.cases(family).items()} for family in parity.FAMILIES}
    assert all(count["float32"] for count in counts.values()), counts
    assert sum(sum(count.values()) for count in counts.values()) > 2000
    made = {path.stem.removeprefix("make_") for path in (ROOT / "tests" / "reference").glob("make_*.py")}
    others = {"data", "init", "lesson_10", "printing", "programs", "random", "schedulers", "serialization"}  # of no arrays
    assert made == {*parity.FAMILIES, *others}


# ------------------------------------------------------------------------------------------------- training steps


class Clock:
    """A device on which every step takes two seconds, and a host that does nothing."""

    def __init__(self):
        self.moment = 0

    def mark(self):
        return self.moment

    def seconds(self, start, stop):
        return stop - start


def test_steps_are_timed_by_the_clock_of_the_device():
    clock = Clock()

    def step(indices):
        clock.moment += 2

    trainer = Trainer(lambda: None, step, None)
    device, host = device_turn((trainer, clock), 3)
    assert device == 2 and 0 <= host < 0.1
    assert [device for device, _ in measure({"a": (trainer, clock)}, 4, device_turn)["a"]] == [2, 2]


def test_a_problem_says_where_its_tensors_are():
    problem = names_mlp.problem(False)
    assert problem.device is None
    problem.device = "cuda"
    build = partial(names_mlp.tensors, "minigrad")
    if on_gpu:
        trainer = build(problem)
        assert trainer.draw().device.type == "cuda" and np.isfinite(trainer.step(trainer.draw()).item())
    else:
        with pytest.raises(RuntimeError, match="this process computes on 'cpu', got device 'cuda'"):
            build(problem)


def test_the_transformer_of_another_size():
    problem = transformer.problem(layers=1, width=48, heads=3, batch=2, length=10)
    assert problem.inputs.shape[1] == 10 and problem.parameters[1].shape == (10, 48) and problem.hidden == 192
    trainer = transformer.modules("minigrad", problem)
    first = trainer.step(trainer.draw()).item()
    assert first == pytest.approx(np.log(27), abs=1)
    gpt = steps.WORKLOADS["transformer"].problem.keywords
    assert (gpt["layers"], gpt["width"]) == (6, 384)


def way(**changes):
    return {"device": 100.0, "host": 90.0, "noise": 0.01, "ratio": 0.5, "kernels": 40.0, "to device": 0.0, "to host": 0.0,
            "waits": 0.0, "apart": 1e-6, "allowed": 1e-4, **changes}  # fmt: skip


def test_the_table_of_steps():
    theirs = {"device": 200.0, "host": 190.0, "noise": 0.02, "ratio": 1.0, "kernels": 60.0}
    good = {"title": "x", "target": 1.0, "ways": {"minigrad tensors": way(), "torch tensors": theirs}}
    bad = {"title": "x", "target": 1.3, "ways": {"minigrad tensors": way(apart=0.5)}}
    assert steps.passed(good) and not steps.passed(bad)
    rows = list(steps.rows({"names": good, "other": bad}))
    assert all(len(row) == len(steps.COLUMNS) for row in rows)
    assert rows[0][2:] == ["100.0", "1%", "90.0", "0.50", "<= 1.0", "40", "0.0", "0.0", "0.0", "1e-06"]
    assert rows[1][5:] == ["1.00", "", "60", "-", "-", "-", "-"]
    assert rows[2][-1] == "5e-01 (too far)"


def test_the_workloads_and_their_targets():
    targets = {name: workload.targets["torch"] for name, workload in steps.WORKLOADS.items()}
    assert list(targets.values()) == [1.0] * 4 + [1.3] * 4
    assert {name.split(",")[0] for name in steps.CONVOLUTIONS} == {"conv net"}
    for workload in steps.WORKLOADS.values():
        assert all(way.rival in workload.ways for way in workload.ways.values() if way.package in ("minigrad", "torch"))
