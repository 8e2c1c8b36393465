"""What `import` costs in a new process: time, and memory at most."""

import json
import os
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.timing import ratio, spread

PACKAGES = ("numpy", "minigrad", "torch", "jax", "tinygrad", "autograd", "dezero", "micrograd")
MODULES = {"micrograd": "micrograd.engine"}  # where the package itself is empty
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
    """Seconds and megabytes of one import in a new process; RuntimeError with what it raised if it fails."""
    command = [sys.executable, "-c", CHILD, MODULES.get(package, package)]
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=compiled)
    if finished.returncode:
        lines = finished.stderr.strip().splitlines()
        raise RuntimeError(next((line for line in lines if line.partition(":")[0].endswith("Error")), lines[-1]))
    return json.loads(finished.stdout.splitlines()[-1])


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
