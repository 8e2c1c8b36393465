"""What `import` costs in a new process: time, and memory at most."""

import json
import statistics
from importlib.util import find_spec

from benchmarks.child import last_line
from benchmarks.timing import ratio, spread

PACKAGES = ("numpy", "minigrad", "torch", "jax", "tinygrad", "autograd", "dezero", "micrograd")
MODULES = {"micrograd": "micrograd.engine"}  # where the package itself is empty

CHILD = """
import importlib, json, sys, time
start = time.perf_counter()
importlib.import_module(sys.argv[1])
seconds = time.perf_counter() - start
from benchmarks.memory import peak_megabytes
print(json.dumps([seconds, peak_megabytes()]))
"""


def import_once(package):
    """Seconds and megabytes of one import in a new process; RuntimeError with what it raised if it fails."""
    return json.loads(last_line(CHILD, MODULES.get(package, package)))


def run(rounds, packages=PACKAGES):
    """The cost of importing each installed package; the packages take turns. A first import fills the disk cache and
    writes bytecode, as installing does."""
    repeats = max(2, min(10, rounds // 10))
    measured = {}
    for package in packages:
        if find_spec(package) is not None:
            try:
                import_once(package)
            except RuntimeError as error:
                print(f"startup: import {package} fails, so it is left out: {error}")
            else:
                measured[package] = []
    for _ in range(repeats):
        for package, costs in measured.items():
            costs.append(import_once(package))
    seconds = {package: [seconds for seconds, _ in costs] for package, costs in measured.items()}
    return {
        package: {
            "milliseconds": 1e3 * statistics.median(seconds[package]),
            "spread": spread(seconds[package]),
            "ratio_to_torch": ratio(seconds, package, "torch"),
            "megabytes": None if costs[0][1] is None else statistics.median(megabytes for _, megabytes in costs),
        }
        for package, costs in measured.items()
    }
