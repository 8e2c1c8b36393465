"""The benchmark runner: its check finds a wrong gradient, and a short run leaves a complete report."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from benchmarks import child, footprint, images, peers, plot, profile, report, runner, scaling, startup, watching
from benchmarks.compare import compare
from benchmarks.memory import held_megabytes, peak_megabytes
from benchmarks.peers import NOTES
from benchmarks.workload import WORKLOADS, register
from minigrad import cpu
from minigrad.backend import on_gpu
from minigrad.datasets import Images

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("MINIGRAD_OFFLINE", "1")


@pytest.fixture(params=["names-mlp", "names-mlp-bn"])
def workload(request):
    return WORKLOADS[request.param]


def installed(package):
    return find_spec(package) is not None


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


@pytest.fixture
def few_images(monkeypatch):
    generator = np.random.default_rng(0)
    pixels = generator.standard_normal((600, 1, 28, 28)).astype(np.float32)
    few = Images(mg.tensor(pixels), mg.tensor(generator.integers(0, 10, 600)))
    monkeypatch.setattr(images, "training_images", lambda: few)


@pytest.mark.parametrize("name", WORKLOADS)
def test_minigrad_torch_and_the_limit_train_alike(name, few_images):
    workload = WORKLOADS[name]
    problem = workload.problem()
    labels = [label for label, way in workload.ways.items() if label not in NOTES and installed(way.package)]
    assert {"numpy", "limit"} <= set(labels) and any(label.startswith("minigrad") for label in labels)
    runner.check(name, workload, problem, trainers_of(workload, problem, *labels), steps=3)


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


def test_a_library_that_does_not_fit_is_skipped_with_its_reason(capsys, monkeypatch):
    workload = WORKLOADS["names-mlp"]

    def trainer(family, problem):
        raise AttributeError("module has no attribute 'old_name'")

    monkeypatch.setitem(sys.modules, "benchmarks.peers.other", SimpleNamespace(trainer=trainer))
    ways = {"numpy": workload.ways["numpy"], **peers.ways("names_mlp", "torch tensors", "other")}
    ways["other"] = replace(ways["other"], package="numpy")
    monkeypatch.setitem(WORKLOADS, "names-mlp", replace(workload, ways=ways))
    assert list(runner.run_workload("names-mlp", rounds=1)["ways"]) == ["numpy"]
    assert "'other' is skipped: other does not fit: module has no attribute 'old_name'" in capsys.readouterr().out


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
    written = json.loads(path.read_text())
    assert written["rounds"] == 2 and written["machine"]["threads"] == 1
    assert {"python", "numpy", "minigrad", "blas"} <= set(written["machine"]["versions"])
    assert list(written["workloads"]) == names
    for name, record in written["workloads"].items():
        ways = WORKLOADS[name].ways
        assert set(record["ways"]) == {label for label in ways if installed(ways[label].package)}
        assert all(way["microseconds"] > 0 for way in record["ways"].values())
        assert record["ways"]["numpy"]["ratio_to_numpy"] == 1
        assert name in finished.stdout


def test_one_workload_is_selected_by_name(tmp_path):
    path = tmp_path / "report.json"
    finished = run("names-mlp-bn", "--rounds", "1", "--json", str(path))
    assert finished.returncode == 0, finished.stderr
    assert list(json.loads(path.read_text())["workloads"]) == ["names-mlp-bn"]


def test_the_allocator_is_named(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    for name in cpu.MALLOC_OPTIONS:
        monkeypatch.delenv(name, raising=False)
    assert "keep freed memory" in report.heading(report.machine(1, ()))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert report.heading(report.machine(1, ())).endswith("glibc's with MALLOC_TRIM_THRESHOLD_=131072")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert report.machine(1, ())["allocator"] == "the system's, untuned"


def test_imports_are_timed_and_one_that_fails_is_left_out(capsys, monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text("import math\nmath.old_name\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)
    costs = startup.run(1, ("numpy", "minigrad", "broken"))
    assert list(costs) == ["numpy", "minigrad"]
    assert "import broken fails, so it is left out: AttributeError: module 'math'" in capsys.readouterr().out
    assert costs["minigrad"]["milliseconds"] > 10 and costs["minigrad"]["ratio_to_torch"] is None
    against_torch = {"minigrad": {**costs["minigrad"], "ratio_to_torch": 0.5}}
    assert "0.50 (<= 0.12)" in report.startup_table(against_torch)


def test_a_process_that_the_system_ends_is_told_of(monkeypatch):
    monkeypatch.setattr(footprint, "CHILD", "import os; os.abort()")
    if os.name == "posix":
        with pytest.raises(RuntimeError, match="memory of chain-1: 'minigrad tensors' failed: exit status -6"):
            footprint.of_workload("chain-1")
    assert child.last_line("import sys; print(1); print(sys.argv[1:], sys.stdin.read())", "a", given=b"b") == "['a'] b"


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system cannot forget a peak")
def test_a_peak_is_counted_anew():
    before = held_megabytes()
    block = np.ones(30_000_000, "u1")
    del block
    assert peak_megabytes() > before + 25
    assert held_megabytes() < before + 20


def test_the_memory_of_a_step(monkeypatch):
    workload = WORKLOADS["lstm"]
    ways = {label: workload.ways[label] for label in ("minigrad modules", "limit")}
    monkeypatch.setitem(WORKLOADS, "lstm", replace(workload, ways=ways))
    if footprint.peak_megabytes() is None:
        pytest.skip("the system does not tell how much memory a process holds")
    memory = footprint.run(["lstm"])["lstm"]
    gates = 32 * 32 * 4 * 128 * 4 / 2**20  # batch, steps, gates, units, bytes: both keep them for the backward pass
    assert all(gates < way["megabytes"] < 20 * gates for way in memory.values())
    quotient = memory["minigrad modules"]["megabytes"] / memory["limit"]["megabytes"]
    assert memory["minigrad modules"]["ratio_to_limit"] == quotient
    assert memory["minigrad modules"]["ratio_to_torch"] is None
    table = report.footprint_table({"lstm": memory}, footprint.TARGETS, footprint.COMPILED)
    assert f"{quotient:.2f} (<= 1.3)" in table and "(<= 1.1)" not in table


@pytest.mark.skipif(on_gpu, reason="calls of NumPy are timed")
def test_a_profile_divides_a_step(capsys, tmp_path):
    path, picture = tmp_path / "profile.json", tmp_path / "profile.png"
    profile.run(["names-deep"], 20, 1, path, picture)  # enough for what else the machine does to fall into half of them
    found = json.loads(path.read_text())["workloads"]["names-deep"]
    for way in ("eager", "compiled"):
        assert sum(found["arrays"].values()) + found["python"][way] == pytest.approx(found[way])
    assert set(found["arrays"]) == set(profile.COLUMNS) and found["arrays"]["products"] > found["arrays"]["sums"] > 0
    assert found["python"]["eager"] > found["python"]["compiled"]
    assert min(found["bytecodes"].values()) > 0 and found["bytecodes"]["layers"] > found["bytecodes"]["own lines"]
    assert str(sum(found["bytecodes"].values())) in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(on_gpu, reason="calls of NumPy are timed")
def test_every_array_call_has_its_kind():
    workload = WORKLOADS["names-mlp"]
    trainer = workload.ways["minigrad compiled"].build(workload.problem())
    kinds = [*map(profile.kind_of, profile.recorded(trainer)[0])]
    assert kinds[:3] == ["moving"] * 3 and kinds[3] == "products" and kinds[4:6] == ["elementwise"] * 2
    assert kinds.count("checks") == 2 and "optimiser" not in kinds


def test_a_curve_has_every_way_at_every_point(capsys):
    curve = scaling.run_curve("width", 1, every=5)
    assert [point["at"] for point in curve["points"]] == [128, 4096]
    for point in curve["points"]:
        assert set(point["ways"]) == set(scaling.installed())
        assert all(way["value"] > 0 for way in point["ways"].values())
    assert "width" in capsys.readouterr().out


def test_the_cost_of_watching(capsys, monkeypatch):
    monkeypatch.setattr(watching, "STEPS", 3)
    monkeypatch.setattr(watching, "ROUNDS", 2)
    watching.main()
    found = re.fullmatch(r"watched / plain: ([\d.]+) \(median of 2 rounds of 3 steps\)\n", capsys.readouterr().out)
    assert float(found[1]) > 0


def test_targets_are_those_of_so_many_threads(monkeypatch):
    workload = WORKLOADS["names-mlp"]
    ways = {label: workload.ways[label] for label in ("minigrad tensors", "minigrad compiled", "numpy", "limit")}
    monkeypatch.setitem(WORKLOADS, "names-mlp", replace(workload, ways=ways, targets_of_two={"limit": 1.9}))
    for threads, counts in ((1, [1, 1, 0]), (2, [0, 0, 1]), (3, [0, 0, 0])):
        told = runner.table("names-mlp", runner.run_workload("names-mlp", 1, threads=threads))
        assert [told.count(f"(<= {target})") for target in (1.7, 1.15, 1.9)] == counts  # no line but minigrad's


def way(microseconds, **more):
    ratios = {f"{what}_to_{other}": None for what in ("ratio", "spread") for other in ("torch", "numpy", "limit")}
    return {"microseconds": microseconds, "spread": 0.02, "forward": 1.0, "backward": None, "update": 0.5, **ratios, **more}


def memory(**ways):
    return {"net": {name: {"megabytes": mb, "ratio_to_torch": None, "ratio_to_limit": 1.5} for name, mb in ways.items()}}


def a_report(**parts):
    known = {"format": report.FORMAT, "machine": report.machine(1, ()), "rounds": 40}
    return {**known, **{name: parts.get(name, {}) for name in ("workloads", "memory", "startup")}}


def test_two_reports_are_compared(tmp_path):
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")

    def record(title="a net", **ways):
        return {"title": title, "targets": {}, "ways": ways}

    longest = {"minigrad compiled": way(50.0)}
    before = {"net": record(ours=way(100.0), torch=way(200.0), gone=way(1.0), **longest), "other": record()}
    imports = {"numpy": {"milliseconds": 40.0, "spread": 0.1, "megabytes": 25.0, "ratio_to_torch": None}}
    report.write_json(old, a_report(workloads=before, memory=memory(ours=10.0, limit=0.0), startup=imports))
    ratios = {"ratio_to_numpy": 0.5, "spread_to_numpy": 0.1}
    after = {"net": record("a wide net", ours=way(120.0, **ratios), torch=way(203.0), **longest)}
    report.write_json(new, a_report(workloads=after, memory=memory(ours=5.0, limit=0.0)))
    lines = [line.split() for line in compare(old, new).splitlines()]
    assert ["ours", "100.0", "120.0", "+20.0%*", "2%", "2%"] in lines  # beyond the noise of both
    assert ["torch", "200.0", "203.0", "+1.5%", "2%", "2%"] in lines  # within it
    assert ["gone", "gone"] in lines and ["only", "in", f"{old}:", "other"] in lines
    assert f"only in {old}: startup".split() in lines and "net: a net / now a wide net".split() in lines
    ends = {line.index("%") for line in compare(old, new).splitlines() if line.startswith(("  ours", "  mini", "  torch"))}
    assert len(ends) == 1  # a long label moves no column
    assert ["ours", "10.0", "5.0", "-50.0%"] in lines and ["limit", "0.0", "0.0"] in lines
    finished = run("compare", old, new)
    assert finished.returncode == 0 and finished.stdout == compare(old, new) + "\n"


@pytest.mark.parametrize("content, reason", [
    ("{", "damaged, or no JSON"), ([], "not a report of these benchmarks"),
    ({"format": report.FORMAT, "rounds": 1}, "the report lacks 'machine'"),
    ({"net": {"title": "a net", "targets": {}, "ways": {"ours": way("1")}}}, "is '1'"),
    ({"net": {"title": "a net", "targets": {}, "ways": {"ours": way(1, ratio_to_numpy=2)}}}, "'spread_to_numpy' of net"),
    ({"memory": {"net": []}}, "memory, net should hold"),
    pytest.param("[" * 10**5, "damaged, or no JSON", id="nested"),
    pytest.param('{"rounds": 1' + "0" * 5000 + "}", "damaged, or no JSON", id="long number"),
])  # fmt: skip
def test_what_is_no_report_is_refused(tmp_path, content, reason):
    path = tmp_path / "report.json"
    if isinstance(content, dict) and "rounds" not in content:
        content = a_report(**content) if "memory" in content else a_report(workloads=content)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    finished = run("compare", str(path), str(path))
    assert finished.returncode == 1 and f"error: {path}: " in finished.stderr and reason in finished.stderr


def test_a_report_is_drawn_whatever_it_holds(tmp_path):
    ratio = {"ratio_to_torch": 0.5, "backward": 2.0}
    ways = {"minigrad tensors": way(80.0, **ratio, forward=7.0), "minigrad modules": way(60.0, **ratio), "numpy": way(9.0)}
    net = {"title": "a net", "targets": {}, "ways": ways}
    cost = {"milliseconds": 40.0, "spread": 0.1, "megabytes": 25.0, "ratio_to_torch": None}
    for parts in ({"net": net}, {}), ({}, {"numpy": cost}), ({"net": net, "other": net}, {"numpy": cost, "torch": cost}):
        plot.save(plot.overview(a_report(workloads=parts[0], startup=parts[1])), tmp_path / "overview.png")
    points = [{"at": at, "ways": {"numpy": {"value": at / 2, "spread": 0.1}}} for at in (1, 10)]
    curve = {"title": "A step", "axis": "layers", "unit": "ms", "base": 10, "points": points}
    for names in ("a", "abc"):
        figure = plot.curves({"machine": report.machine(1, ()), "curves": dict.fromkeys(names, curve)})
        assert len(figure.axes) == len(names)
        plot.save(figure, tmp_path / "curves.png")
    assert (tmp_path / "overview.png").read_bytes()[:4] == (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_phases_are_those_of_one_style():
    ratio = {"ratio_to_torch": 0.5, "ratio_to_numpy": 1.0, "backward": 2.0}
    ways = {f"{library} {style}": way(1.0, **ratio, forward=forward) for library in ("minigrad", "torch")
            for style, forward in (("tensors", 7.5), ("modules", 2.5))}  # fmt: skip
    figure = plot.overview(a_report(workloads={"net": {"title": "", "targets": {}, "ways": ways}}))
    bars = [bar.get_width() for bar in figure.axes[1].patches]
    plot.plt.close(figure)
    assert bars[:3] == bars[3:] == pytest.approx([0.375, 0.1, 0.025])  # NumPy by hand is relative to the tensors of PyTorch


def test_an_interrupted_run_leaves_what_it_measured(monkeypatch, tmp_path):
    def interrupt(names):
        raise KeyboardInterrupt

    path = tmp_path / "report.json"
    monkeypatch.setattr(footprint, "run", interrupt)
    monkeypatch.setattr(startup, "run", lambda rounds: {})
    with pytest.raises(KeyboardInterrupt):
        runner.run(["chain-1", "startup", "memory"], 1, 1, path)
    written = report.read_json(path)
    assert list(written["workloads"]) == ["chain-1"] and written["memory"] == {}


def test_versions_are_those_of_everything_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(footprint, "run", lambda names: {})
    monkeypatch.setattr(footprint, "PACKAGES", ("minigrad", "pytest", "no_such_package"))
    runner.run(["memory"], 1, 1, tmp_path / "report.json")
    versions = report.read_json(tmp_path / "report.json")["machine"]["versions"]
    assert versions["pytest"] == pytest.__version__ and "no_such_package" not in versions


@pytest.mark.parametrize("arguments", [
    ["names-rnn"], ["--rounds", "0"], ["--threads", "0"], ["--plot", "steps.jpg"], ["--json", "none/a.json"],
    ["profile", "names-rnn"], ["scaling", "height"], ["--json", "tests"], ["memory", "--plot", "memory.png"],
])  # fmt: skip
def test_wrong_arguments_are_refused(arguments):
    finished = run(*arguments)
    assert finished.returncode == 2 and "error:" in finished.stderr


# ------------------------------------------------------------------------------------------- other libraries


PEERS = [(name, label) for name, workload in WORKLOADS.items() for label in workload.ways if label in NOTES]


@pytest.mark.parametrize("name, peer", PEERS)
def test_a_peer_trains_alike(name, peer, few_images):
    if not installed(peer):
        pytest.skip(f"{peer} is not installed")
    workload = WORKLOADS[name]
    problem = workload.problem()
    ours = next(label for label in workload.ways if label.startswith("minigrad"))
    trainers = trainers_of(workload, problem, ours, peer)
    indices = np.random.default_rng(2).integers(0, problem.examples, problem.batch)
    wanted, loss = (trainer.step(trainer.indices(indices)).item() for trainer in trainers.values())
    # a few roundings of float32; micrograd computes in float64, so it lacks those of a thousand operations
    assert loss == pytest.approx(wanted, rel=2e-5 if peer == "micrograd" else 1e-6)
    runner.check(name, workload, problem, trainers_of(workload, problem, peer), steps=4)
    for parameter, old in zip(problem.parameters, workload.problem().parameters, strict=True):
        np.testing.assert_array_equal(parameter, old)  # or other ways would start from what this one has learned
