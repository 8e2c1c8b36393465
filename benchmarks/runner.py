"""Checks that all ways of a workload train alike, then times them in turns, in one process."""

import datetime
import gc
import json
import os
import platform
import statistics
import time
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from benchmarks import images, mnist_mlp, names_mlp  # noqa: F401  (they register their workloads)
from benchmarks.workload import WORKLOADS

CHECK_STEPS, TOLERANCE = 20, 1e-4
TURN_SECONDS = 0.01  # short, so that a disturbance spoils few turns and the median throws them out


def check(name, workload, problem, trainers):
    """Train every way from the same weights on the same minibatches; the losses must be the oracle's.

    Raises RuntimeError with the two losses where a way differs by more than `TOLERANCE`, relatively.
    """
    rng = np.random.default_rng(1)
    minibatches = [rng.integers(0, problem.examples, problem.batch) for _ in range(CHECK_STEPS)]
    losses = {}
    for label, trainer in trainers.items():
        oracle = (workload.ways[label].oracle or workload.ways["numpy"].build)(problem)
        for number, indices in enumerate(minibatches, 1):
            loss, wanted = trainer.step(trainer.indices(indices)).item(), oracle.step(indices).item()
            if not abs(loss - wanted) <= TOLERANCE * abs(wanted):
                where = f"{name}, step {number}"
                raise RuntimeError(f"{where}: the loss of {label!r} is {loss}, wanted {wanted}")
        losses[label] = loss
    return losses


def turn(trainer, steps):
    """Seconds per step over some steps; reading the last loss waits for a device that runs behind."""
    start = time.perf_counter()
    for _ in range(steps):
        loss = trainer.step(trainer.draw())
    loss.item()
    return (time.perf_counter() - start) / steps


def measure(trainers, rounds):
    """Seconds per step of every way in each of the quiet rounds; the ways take turns within a round.

    Other work on the machine only ever adds time, so the slower half of the rounds is left out.
    """
    gc.collect()
    gc.freeze()  # so that collections during one way's turn do not walk what another library imported
    steps = {label: max(1, round(TURN_SECONDS / turn(trainer, 20))) for label, trainer in trainers.items()}
    measured = [[turn(trainer, steps[label]) for label, trainer in trainers.items()] for _ in range(rounds)]
    gc.unfreeze()
    quiet = sorted(measured, key=sum)[: (rounds + 1) // 2]
    return dict(zip(trainers, zip(*quiet, strict=True), strict=True))


def ratio(seconds, label, other):
    """Median over the rounds of one way's time to another's in the same round; None where it did not run."""
    if other not in seconds:
        return None
    return statistics.median(a / b for a, b in zip(seconds[label], seconds[other], strict=True))


def run_workload(name, rounds):
    """Check and time one workload; returns its record for the report."""
    workload = WORKLOADS[name]
    problem = workload.problem()
    trainers = {}
    for label, way in workload.ways.items():
        if find_spec(way.package) is None:
            print(f"{name}: {way.package} is not installed, {label!r} is skipped")
        else:
            trainers[label] = way.build(problem)
    losses = check(name, workload, problem, trainers)
    seconds = measure(trainers, rounds)
    record = {"title": workload.title, "targets": workload.targets, "ways": {}}
    for label, way in workload.ways.items():
        if label in trainers:
            record["ways"][label] = {
                "microseconds": 1e6 * statistics.median(seconds[label]),
                "ratio_to_torch": ratio(seconds, label, way.rival),
                "ratio_to_numpy": ratio(seconds, label, "numpy"),
                "loss_after_check": losses[label],
            }
    return record


def machine(threads):
    """The processor, the versions and the date: what a timing means nothing without."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        model = named[0] if named else model
    versions = {"python": platform.python_version()}
    for package in sorted({way.package for workload in WORKLOADS.values() for way in workload.ways.values()}):
        if find_spec(package):
            versions[package] = import_module(package).__version__
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    versions["blas"] = f"{blas['name']} {blas['version']}"
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.platform(),
        "versions": versions,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def table(name, record):
    """The record of one workload as lines of text, ratios beside their targets."""
    lines = [f"{name}: {record['title']}", f"  {'':20}{'us/step':>9}{'/ torch':>10}{'/ numpy':>17}"]
    for label, way in record["ways"].items():
        cells = [f"  {label:20}{way['microseconds']:9.1f}"]
        for other, target in record["targets"].items():
            value = way[f"ratio_to_{other}"]
            wanted = f" (<= {target})" if label.startswith("minigrad") and value is not None else ""
            cells.append(f"{'-' if value is None else f'{value:.2f}':>7}{wanted:10}")
        lines.append("".join(cells).rstrip())
    return "\n".join(lines)


def write_json(path, report):
    """Write the report beside its place, then move it there: a reader sees the old file or the new one."""
    unfinished = f"{path}.{os.getpid()}.unfinished"
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise


def run(names, rounds, threads, json_path=None):
    """Run workloads by name, print a table for each, and write everything to `json_path` if given."""
    facts = machine(threads)
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    print(f"{facts['cpu']}, {facts['cores']} cores, {threads} thread(s); {versions}")
    report = {"machine": facts, "rounds": rounds, "workloads": {}}
    for name in names:
        report["workloads"][name] = run_workload(name, rounds)
        print("\n" + table(name, report["workloads"][name]), flush=True)
    if json_path:
        write_json(json_path, report)
