"""What `import` costs in a new process: time, and memory at most."""

import json
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.timing import spread

PACKAGES = ("numpy", "minigrad", "torch", "jax", "tinygrad", "autograd", "dezero", "micrograd")
ROOT = Path(__file__).parents[1]

CHILD = """
import importlib, json, sys, time
start = time.perf_counter()
importlib.import_module(sys.argv[1])
seconds = time.perf_counter() - start
from benchmarks.memory import peak_megabytes
print(json.dumps([seconds, peak_megabytes()]))
"""


def import_once(package):
    """Seconds and megabytes of one import in a new process; RuntimeError with the last line of its message if it fails."""
    finished = subprocess.run([sys.executable, "-c", CHILD, package], cwd=ROOT, capture_output=True, text=True)
    if finished.returncode:
        raise RuntimeError(finished.stderr.strip().splitlines()[-1])
    return json.loads(finished.stdout.splitlines()[-1])


def run(rounds, packages=PACKAGES):
    """The cost of importing each installed package; the packages take turns. A first import fills the disk cache."""
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
    return {
        package: {
            "milliseconds": 1e3 * statistics.median(seconds for seconds, _ in costs),
            "spread": spread([seconds for seconds, _ in costs]),
            "megabytes": None if costs[0][1] is None else statistics.median(megabytes for _, megabytes in costs),
        }
        for package, costs in measured.items()
    }
