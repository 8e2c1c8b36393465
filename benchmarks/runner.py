"""Checks that all ways of a workload train alike, then has them timed and writes the report."""

import statistics
from importlib.util import find_spec

import numpy as np

import benchmarks.families  # noqa: F401  (it registers their workloads)
from benchmarks import footprint, startup
from benchmarks.peers import NOTES, Unavailable
from benchmarks.report import (
    FORMAT,
    YARDSTICKS,
    footprint_table,
    heading,
    machine,
    startup_table,
    table,
    write_json,
)
from benchmarks.timing import measure, ratio, ratios, spread
from benchmarks.workload import PHASES, WORKLOADS

CHECK_STEPS, TOLERANCE = 20, 1e-4


def check(name, workload, problem, trainers, steps=None):
    """Train every way from the same weights on the same minibatches; the losses must be the oracle's.

    Raises RuntimeError with the two losses where a way differs by more than `TOLERANCE`, relatively.
    `steps`: how many to take, `CHECK_STEPS` by default.
    """
    rng = np.random.default_rng(1)
    minibatches = [rng.integers(0, problem.examples, problem.batch) for _ in range(steps or CHECK_STEPS)]
    losses, wanted_of = {}, {}
    for label, trainer in trainers.items():
        build = workload.ways[label].oracle or workload.ways["numpy"].build
        if build not in wanted_of:
            oracle = build(problem)
            wanted_of[build] = [oracle.step(indices).item() for indices in minibatches]
        for number, (indices, wanted) in enumerate(zip(minibatches, wanted_of[build]), 1):
            loss = trainer.step(trainer.indices(indices)).item()
            if not abs(loss - wanted) <= TOLERANCE * abs(wanted):
                where = f"{name}, step {number}"
                raise RuntimeError(f"{where}: the loss of {label!r} is {loss}, wanted {wanted}")
        losses[label] = loss
    return losses


def run_workload(name, rounds, missing=(), threads=1):
    """Check and time one workload; returns its record for the report.

    Packages in `missing` are skipped silently. Few rounds go with a check of fewer steps, five at least.
    `threads`: how many every library was told to use.
    """
    workload = WORKLOADS[name]
    problem = workload.problem()
    trainers = {}
    for label, way in workload.ways.items():
        if way.package in missing:
            continue
        if find_spec(way.package) is None:
            print(f"{name}: {way.package} is not installed, {label!r} is skipped")
        else:
            try:
                trainers[label] = way.build(problem)
            except Unavailable as error:
                print(f"{name}: {label!r} is skipped: {error}")
    losses = check(name, workload, problem, trainers, min(CHECK_STEPS, max(5, rounds // 2)))
    turns = measure(trainers, rounds)
    seconds = {label: [total for total, _ in turns[label]] for label in trainers}
    targets = {1: workload.targets, 2: workload.targets_of_two}.get(threads, {})
    record = {"title": workload.title, "targets": targets, "ways": {}}
    for label in trainers:
        phases = [phases for _, phases in turns[label] if phases]
        middle = 1e6 * statistics.median(seconds[label])
        result = {"microseconds": middle, "spread": spread(seconds[label])}
        for number, phase in enumerate(PHASES):  # its share of a step, so that the phases add up to about the whole
            shares = [times[number] / sum(times) for times in phases]
            result[phase] = middle * statistics.median(shares) if shares else None
        for yardstick in YARDSTICKS:
            other = workload.ways[label].rival if yardstick == "torch" else yardstick
            result[f"ratio_to_{yardstick}"] = ratio(seconds, label, other)
            result[f"spread_to_{yardstick}"] = spread(ratios(seconds, label, other)) if other in seconds else None
        result["loss_after_check"] = losses[label]
        record["ways"][label] = result
    return record


def run(names, rounds, threads, json_path=None, plot_path=None):
    """Run workloads by name and print a table for each; write everything to a JSON file and draw it if paths are given.

    The name "startup" stands for the cost of imports, "memory" for that of the workloads named, or of all. The JSON is
    written anew after each name, so that what was measured is there if a later one is interrupted.
    """
    packages = {way.package for name in names if name in WORKLOADS for way in WORKLOADS[name].ways.values()}
    missing = sorted(package for package in packages if find_spec(package) is None)
    beside = {"startup": startup.PACKAGES, "memory": footprint.PACKAGES}  # what else is measured
    measured = packages.union(*(beside[name] for name in names if name in beside))
    facts = machine(threads, filter(find_spec, measured))
    print(heading(facts))
    for package in sorted(packages):
        if package in missing:
            print(f"{package} is not installed: its rows are left out")
        elif package in NOTES:
            print(f"{package}: {NOTES[package]}")
    report = {"format": FORMAT, "machine": facts, "rounds": rounds, "workloads": {}, "startup": {}, "memory": {}}
    for name in names:
        if name == "startup":
            report["startup"] = startup.run(rounds)
            print("\n" + startup_table(report["startup"]), flush=True)
        elif name == "memory":
            report["memory"] = footprint.run([name for name in names if name in WORKLOADS] or WORKLOADS)
            print("\n" + footprint_table(report["memory"], footprint.TARGETS, footprint.COMPILED), flush=True)
        else:
            report["workloads"][name] = run_workload(name, rounds, missing, threads)
            print("\n" + table(name, report["workloads"][name]), flush=True)
        if json_path:
            write_json(json_path, report)
    if plot_path:
        from benchmarks import plot  # only now: matplotlib takes a while to import

        plot.save(plot.overview(report), plot_path)
