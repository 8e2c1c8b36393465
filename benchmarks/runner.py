"""Checks that all ways of a workload train alike, then times them in turns, in one process."""

import gc
import statistics
import time
from importlib.util import find_spec

import numpy as np

from benchmarks import chain, images, mnist_mlp, names_deep, names_mlp  # noqa: F401  (they register their workloads)
from benchmarks import startup
from benchmarks.report import FORMAT, heading, machine, startup_table, table, write_json
from benchmarks.workload import PHASES, WORKLOADS

CHECK_STEPS, TOLERANCE = 20, 1e-4
TURN_SECONDS = 0.01  # short, so that a disturbance spoils few turns and the median throws them out
YARDSTICKS = ("torch", "numpy", "limit")  # what a way is compared with; "torch" is the way's rival


def minibatches(problem):
    """The indices that every way is checked on."""
    rng = np.random.default_rng(1)
    return [rng.integers(0, problem.examples, problem.batch) for _ in range(CHECK_STEPS)]


def check(name, workload, problem, trainers):
    """Train every way from the same weights on the same minibatches; the losses must be the oracle's.

    Raises RuntimeError with the two losses where a way differs by more than `TOLERANCE`, relatively.
    """
    losses, wanted_of = {}, {}
    for label, trainer in trainers.items():
        build = workload.ways[label].oracle or workload.ways["numpy"].build
        if build not in wanted_of:
            oracle = build(problem)
            wanted_of[build] = [oracle.step(indices).item() for indices in minibatches(problem)]
        for number, (indices, wanted) in enumerate(zip(minibatches(problem), wanted_of[build]), 1):
            loss = trainer.step(trainer.indices(indices)).item()
            if not abs(loss - wanted) <= TOLERANCE * abs(wanted):
                where = f"{name}, step {number}"
                raise RuntimeError(f"{where}: the loss of {label!r} is {loss}, wanted {wanted}")
        losses[label] = loss
    return losses


def turn(trainer, steps):
    """Seconds per step over some steps, and those of each phase where the way has phases.

    Reading the last loss waits for a device that runs behind.
    """
    clock = time.perf_counter
    start = clock()
    if trainer.phases is None:
        for _ in range(steps):
            loss = trainer.step(trainer.draw())
        loss.item()
        return (clock() - start) / steps, None
    forward = backward = 0.0
    for _ in range(steps):
        begin = clock()
        phases = trainer.phases(trainer.draw())
        loss = next(phases)
        middle = clock()
        next(phases)
        end = clock()
        next(phases, None)
        forward, backward = forward + middle - begin, backward + end - middle
    loss.item()
    total = clock() - start
    return total / steps, (forward / steps, backward / steps, (total - forward - backward) / steps)


def measure(trainers, rounds):
    """What `turn` gives for every way in each of the quiet rounds; the ways take turns within a round.

    Other work on the machine only ever adds time, so the slower half of the rounds is left out.
    """
    gc.collect()
    gc.freeze()  # so that collections during one way's turn do not walk what another library imported
    steps = {}
    for label, trainer in trainers.items():
        once = turn(trainer, 1)[0]  # which also compiles, in libraries that do
        few = 20 if once < TURN_SECONDS else 1
        steps[label] = max(1, round(TURN_SECONDS / turn(trainer, few)[0]))
    measured = [[turn(trainer, steps[label]) for label, trainer in trainers.items()] for _ in range(rounds)]
    gc.unfreeze()
    quiet = sorted(measured, key=lambda turns: sum(total for total, _ in turns))[: (rounds + 1) // 2]
    return dict(zip(trainers, zip(*quiet, strict=True), strict=True))


def ratios(seconds, label, other):
    """One way's time to another's in the same round, for every round."""
    return [a / b for a, b in zip(seconds[label], seconds[other], strict=True)]


def ratio(seconds, label, other):
    """Median over the rounds of one way's time to another's in the same round; None where it did not run."""
    return statistics.median(ratios(seconds, label, other)) if other in seconds else None


def spread(values):
    """Half the range that the middle half of the values covers, relative to their median."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float((high - low) / (2 * middle))


def run_workload(name, rounds, missing=()):
    """Check and time one workload; returns its record for the report. Packages in `missing` are skipped silently."""
    workload = WORKLOADS[name]
    problem = workload.problem()
    trainers = {}
    for label, way in workload.ways.items():
        if way.package in missing:
            continue
        if find_spec(way.package) is None:
            print(f"{name}: {way.package} is not installed, {label!r} is skipped")
        else:
            trainers[label] = way.build(problem)
    losses = check(name, workload, problem, trainers)
    turns = measure(trainers, rounds)
    seconds = {label: [total for total, _ in turns[label]] for label in trainers}
    record = {"title": workload.title, "targets": workload.targets, "ways": {}}
    for label in trainers:
        phases = [phases for _, phases in turns[label] if phases]
        result = {"microseconds": 1e6 * statistics.median(seconds[label]), "spread": spread(seconds[label])}
        for number, phase in enumerate(PHASES):
            result[phase] = 1e6 * statistics.median(times[number] for times in phases) if phases else None
        for yardstick in YARDSTICKS:
            other = workload.ways[label].rival if yardstick == "torch" else yardstick
            result[f"ratio_to_{yardstick}"] = ratio(seconds, label, other)
            result[f"spread_to_{yardstick}"] = spread(ratios(seconds, label, other)) if other in seconds else None
        result["loss_after_check"] = losses[label]
        record["ways"][label] = result
    return record


def run(names, rounds, threads, json_path=None, plot_path=None):
    """Run workloads by name and print a table for each; write everything to a JSON file and draw it if paths are given.

    The name "startup" stands for the cost of imports.
    """
    packages = {way.package for name in names if name in WORKLOADS for way in WORKLOADS[name].ways.values()}
    missing = sorted(package for package in packages if find_spec(package) is None)
    for package in missing:
        print(f"{package} is not installed: its column is left out")
    facts = machine(threads, packages - set(missing))
    print(heading(facts))
    report = {"format": FORMAT, "machine": facts, "rounds": rounds, "workloads": {}, "startup": {}}
    for name in names:
        if name == "startup":
            report["startup"] = startup.run(rounds)
            print("\n" + startup_table(report["startup"]), flush=True)
        else:
            report["workloads"][name] = run_workload(name, rounds, missing)
            print("\n" + table(name, report["workloads"][name]), flush=True)
    if json_path:
        write_json(json_path, report)
    if plot_path:
        from benchmarks import plot  # only now: matplotlib takes a while to import

        plot.save(plot.overview(report), plot_path)
