"""How much memory a training step takes at its peak: every way of every workload, in a process of its own."""

import pickle
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace

from benchmarks import memory, scaling
from benchmarks.child import last_line
from benchmarks.memory import peak_megabytes
from benchmarks.workload import WORKLOADS, compiled

PACKAGES = ("minigrad", "numpy", "torch")  # what compiles takes more memory to compile than to train
TARGETS = {"torch": 1.0, "limit": 1.3}  # the largest ratios wanted of minigrad
COMPILED = {"limit": 1.1}  # and of what it has compiled
LEAST = 1.0  # megabytes that something must take to be a yardstick: pages of code and the kernel's counting blur less

CHILD = """
import pickle, sys
import benchmarks.families
from benchmarks.footprint import rise
print(rise(*pickle.load(sys.stdin.buffer)))
"""


def rise(name, label, problem):
    """`memory.rise` of a way; a network of one layer trains before."""
    way = WORKLOADS[name].ways[label]
    first = next(other.build for other in scaling.WAYS.values() if other.package == way.package)
    first = compiled(first) if label.endswith("compiled") else first
    return memory.rise(partial(first, scaling.problem(32, 32, 1)), partial(way.build, problem))


def of_workload(name):
    """`rise` of the ways of a workload, in megabytes, with its ratios to PyTorch's and the limit's where those are large.

    The data set is one minibatch, so that copies of it do not count.
    """
    workload = WORKLOADS[name]
    problem = workload.problem()
    few = {key: getattr(problem, key)[: problem.batch] for key in ("inputs", "targets")}
    problem = SimpleNamespace(**{**vars(problem), **few, "examples": problem.batch})
    megabytes = {}
    for label, way in workload.ways.items():
        if way.package in PACKAGES and find_spec(way.package):
            try:
                megabytes[label] = float(last_line(CHILD, given=pickle.dumps((name, label, problem))))
            except RuntimeError as error:
                raise RuntimeError(f"memory of {name}: {label!r} failed: {error}") from error
    record = {}
    for label, value in megabytes.items():
        others = {"torch": megabytes.get(workload.ways[label].rival), "limit": megabytes.get("limit")}
        ratios = {other: value / least for other, least in others.items() if least is not None and least >= LEAST}
        record[label] = {"megabytes": value, **{f"ratio_to_{other}": ratios.get(other) for other in others}}
    return record


def run(names):
    """The memory of the workloads named; none where the system does not tell how much a process holds."""
    if peak_megabytes() is None:
        print("memory: the system does not tell how much a process holds, so it is left out")
        return {}
    return {name: of_workload(name) for name in names}
