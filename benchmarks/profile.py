"""Where the time of a training step goes: what its array calls take, kind by kind, and what is left to Python.

A compiled step is a list of array calls; each of them is timed where it stands in that list. What the step takes as it is
beside them is Python, with the memory that it asks for where the compiled one has its own. How that divides among the
parts of the library is told by the bytecodes that a step executes, which do not depend on the machine.
"""

import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

import benchmarks.families  # noqa: F401  (it registers their workloads)
import minigrad
from benchmarks.report import heading, machine, write_json
from benchmarks.workload import WORKLOADS

FORMAT = "minigrad profile 1"
KINDS = {
    "products": ("dot", "matmul", "vecdot", "correlate", "conv_weight"),  # of matrices, by BLAS; column sums are such, too
    "moving": ("take", "take_wrapped", "copyto", "__setitem__", "stack", "concatenate"),
    "sums": ("reduce", "sum", "mean"),  # and largest values
    "checks": ("check", "raise_errors", "hand_over"),  # of indices and values, on which the next call depends
    "optimiser": ("step",),
}
COLUMNS = "products", "elementwise", "sums", "moving", "optimiser", "checks"
LIBRARY = Path(minigrad.__file__).parent
PARTS = {"autograd.py": "autograd", "ops": "operations", "backend.py": "operations", "nn": "layers", "optim": "optimiser"}
BYTECODES = "autograd", "operations", "tensors", "layers", "optimiser", "NumPy's", "own lines"


def kind_of(call):
    """The column that a recorded call belongs to."""
    function = call.func if isinstance(call, partial) else call
    if getattr(function, "__name__", "") == "refill":  # of a function that has no form with an output array
        function = call.args[1]
    name = getattr(function, "__name__", type(function).__name__)
    return next((kind for kind, names in KINDS.items() if name in names), "elementwise")


def recorded(trainer):
    """What a compiled trainer's step is once it has run often enough: its array calls, and the arrays of its arguments."""
    for _ in range(4):
        trainer.step(trainer.draw())
    found = next(found for kind in trainer.step.kinds.values() for found in kind.recordings)
    return found.calls, found.inputs


def draw(trainer, inputs):
    """Put the indices of another minibatch where the recorded calls read them."""
    indices = trainer.draw()
    for array in inputs:
        array[...] = indices.numpy()


def microseconds(function):
    """How long a call takes, once another has filled the caches."""
    function()
    start = time.perf_counter()
    function()
    return 1e6 * (time.perf_counter() - start)


def time_steps(eager, compiled, rounds):
    """Microseconds of an eager step and of a compiled one, and [(array call of that, its microseconds)]; they take turns.

    Medians over the quieter half of the rounds, each call on another minibatch. What reading the clock adds to each of the
    array calls is known from replays without.
    """
    (calls, inputs), clock = recorded(compiled), time.perf_counter
    stamps = [0.0] * (len(calls) + 1)

    def replay():
        draw(compiled, inputs)
        for call in calls:
            call()

    def replay_with_stamps():
        draw(compiled, inputs)
        stamps[0] = clock()
        for number, call in enumerate(calls, 1):
            call()
            stamps[number] = clock()

    turns = []
    for _ in range(rounds):
        steps = [microseconds(lambda way=way: way.step(way.draw())) for way in (eager, compiled)]
        whole = microseconds(replay) - microseconds(lambda: draw(compiled, inputs))
        replay_with_stamps()
        turns.append((*steps, whole, 1e6 * np.diff(stamps)))
    quiet = sorted(turns, key=lambda turn: sum(turn[:3]) + turn[3].sum())[: (rounds + 1) // 2]
    eager, compiled, whole, each = zip(*quiet, strict=True)
    each = np.median(each, axis=0)
    each -= (each.sum() - median(whole)) / len(calls)
    return median(eager), median(compiled), list(zip(calls, each, strict=True))


def part_of(filename):
    """The part of the library, or beside it, that a file belongs to."""
    path = Path(filename)
    if path.is_relative_to(LIBRARY):
        return PARTS.get(path.relative_to(LIBRARY).parts[0], "tensors")
    return "NumPy's" if path.is_relative_to(Path(np.__file__).parent) else "own lines"


def count_bytecodes(trainer):
    """How many bytecodes of each part a step executes."""
    counted, indices = Counter(), trainer.draw()

    def look(frame, event, _):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            counted[frame.f_code.co_filename] += 1
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        trainer.step(indices)
    finally:
        sys.settrace(before)
    parts = Counter()
    for filename, count in counted.items():
        parts[part_of(filename)] += count
    return parts


def profile(name, rounds):
    """Microseconds of a step of one workload by what takes them, and its bytecodes by part."""
    workload = WORKLOADS[name]
    problem, labels = workload.problem(), [label for label in workload.ways if label.startswith("minigrad")]
    compiled = next(label for label in labels if label.endswith("compiled"))
    trainers = [workload.ways[label].build(problem) for label in (labels[0], compiled)]
    eager, replayed, calls = time_steps(*trainers, rounds)
    arrays = dict.fromkeys(COLUMNS, 0.0)
    for call, took in calls:
        arrays[kind_of(call)] += float(took)
    in_arrays = sum(arrays.values())
    bytecodes = count_bytecodes(trainers[0])
    return {
        "title": workload.title,
        "eager": eager,
        "compiled": replayed,
        "calls": len(calls),
        "arrays": arrays,
        "python": {"eager": eager - in_arrays, "compiled": replayed - in_arrays},
        "bytecodes": {part: bytecodes[part] for part in BYTECODES},
    }


def line_of(name, cells, widths):
    return f"  {name:16}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def run(names, rounds, threads, json_path=None, plot_path=None):
    """Profile workloads by name and print two tables; write them to a JSON file and draw them if paths are given."""
    facts = machine(threads, ())
    print(heading(facts))
    report = {"format": FORMAT, "machine": facts, "rounds": rounds, "workloads": {}}
    print("\nmicroseconds of a step: what its array calls take, and Python besides")
    heads, widths = ("eager", "compiled", *COLUMNS, "Python", "if compiled"), (10, 10, 10, 13, 8, 8, 11, 8, 10, 13)
    print(line_of("", heads, widths))
    for name in names:
        found = report["workloads"][name] = profile(name, rounds)
        values = found["eager"], found["compiled"], *found["arrays"].values(), *found["python"].values()
        print(line_of(name, [f"{value:.1f}" for value in values], widths), flush=True)
    print("\nbytecodes of a step, and the array calls of the compiled one")
    heads, widths = ("all", *BYTECODES, "array calls"), (10, 10, 12, 9, 8, 11, 9, 11, 13)
    print(line_of("", heads, widths))
    for name, found in report["workloads"].items():
        counts = found["bytecodes"].values()
        print(line_of(name, [str(count) for count in (sum(counts), *counts, found["calls"])], widths))
    if json_path:
        write_json(json_path, report)
    if plot_path:
        from benchmarks import plot  # only now: matplotlib takes a while to import

        plot.save(plot.profile(report), plot_path)
