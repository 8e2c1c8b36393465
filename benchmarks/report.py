"""What a run leaves behind: tables for people, and a JSON file that a later run is compared with."""

import datetime
import json
import os
import platform
from importlib import import_module, metadata
from pathlib import Path

import numpy as np

from benchmarks.workload import PHASES
from minigrad import cpu
from minigrad.serialization import write_atomically

FORMAT = "minigrad benchmarks 2"
YARDSTICKS = ("torch", "numpy", "limit")  # what a way is compared with; "torch" is the way's rival
STARTUP_TARGET = 0.12  # of minigrad's import to PyTorch's


class ReportError(Exception):
    """A file that is no report of these benchmarks."""


def version_of(package):
    """The version of an installed package, or of one that runs from a checkout."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return import_module(package).__version__


def machine(threads, packages):
    """The processor, the versions and the date: what a timing means nothing without."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        model = named[0] if named else model
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.platform(),
        "allocator": allocator(),
        "versions": {
            "python": platform.python_version(),
            **{package: version_of(package) for package in sorted({*packages, "minigrad", "numpy"})},
            "blas": f"{blas['name']} {blas['version']}",
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def allocator():
    """What becomes of the memory that arrays free; on that, steps with large arrays depend by a factor of 1.5 or 2.

    minigrad tunes the allocator of the process that imports it. So PyTorch and NumPy run tuned here as well.
    """
    if platform.libc_ver()[0] != "glibc":
        return "the system's, untuned"
    chosen = [f"{name}={os.environ[name]}" for name in cpu.MALLOC_OPTIONS if name in os.environ]
    return f"glibc's with {' '.join(chosen)}" if chosen else "glibc's, told to keep freed memory, for every library alike"


def heading(facts):
    """The machine and the versions, in two lines."""
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    cores = f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} thread(s); {versions}"
    return f"{cores}\nallocator: {facts['allocator']}"


def number(value, form):
    """A number for a table, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def table(name, record):
    """The record of one workload as lines of text, ratios beside their targets."""
    columns = "".join(f"{column:>10}" for column in ("us/step", "noise", *PHASES, "/ torch"))
    lines = [f"{name}: {record['title']}", f"  {'':18}{columns}{'/ numpy':>17}{'/ limit':>17}"]
    eager = record["targets"]
    compiled = {"limit": eager.get("compiled")}
    for label, way in record["ways"].items():
        wanted_of = {} if not label.startswith("minigrad") else compiled if label.endswith("compiled") else eager
        cells = [f"{way['microseconds']:.1f}", f"{way['spread']:.0%}", *(number(way[phase], ".1f") for phase in PHASES)]
        line = f"  {label:18}" + "".join(f"{cell:>10}" for cell in cells)
        for yardstick in YARDSTICKS:
            value, target = way[f"ratio_to_{yardstick}"], wanted_of.get(yardstick)
            wanted = f" (<= {target})" if target and value is not None else ""
            line += f"{number(value, '.2f'):>7}{wanted:10}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def startup_table(packages):
    """What imports cost, as lines of text."""
    lines = [
        "startup: import in a new process, with what that imports in turn",
        f"  {'':18}{'ms':>10}{'noise':>10}{'MB at most':>12}{'ms / torch':>12}",
    ]
    for package, cost in packages.items():
        cells = f"{cost['milliseconds']:10.1f}{cost['spread']:>10.0%}{number(cost['megabytes'], '.1f'):>12}"
        wanted = f" (<= {STARTUP_TARGET})" if package == "minigrad" and cost["ratio_to_torch"] is not None else ""
        lines.append(f"  {package:18}{cells}{number(cost['ratio_to_torch'], '.2f'):>12}{wanted}")
    return "\n".join(lines)


def footprint_table(workloads, targets, compiled):
    """The memory of training steps as lines of text, ratios beside their targets."""
    lines = ["memory: how far a network and three steps of training raise the peak, on one minibatch as the data set"]
    lines.append(f"  {'':34}{'MB':>10}{'/ torch':>10}{'/ limit':>18}")
    for name, ways in workloads.items():
        for label, way in ways.items():
            line = f"  {name:16}{label:18}{way['megabytes']:>10.1f}{'':3}"
            wanted_of = {} if not label.startswith("minigrad") else compiled if label.endswith("compiled") else targets
            for other in targets:
                value = way[f"ratio_to_{other}"]
                wanted = f" (<= {wanted_of[other]})" if other in wanted_of and value is not None else ""
                line += f"{number(value, '.2f'):>7}{wanted:11}"
            lines.append(line.rstrip())
    return "\n".join(lines)


def write_json(path, report):
    """Write the report whole or not at all: a reader sees the old file or the new one."""
    write_atomically(Path(path), json.dumps(report, indent=2).encode())


# --------------------------------------------------------------------------------------------- reading it back


NUMBER, OPTIONAL = (int, float), (int, float, type(None))
RATIOS = {f"{what}_to_{yardstick}": OPTIONAL for what in ("ratio", "spread") for yardstick in YARDSTICKS}
WAY = {"microseconds": NUMBER, "spread": NUMBER, **dict.fromkeys(PHASES, OPTIONAL), **RATIOS}
PACKAGE = {"milliseconds": NUMBER, "spread": NUMBER, "megabytes": OPTIONAL, "ratio_to_torch": OPTIONAL}
FOOTPRINT = {"megabytes": NUMBER, "ratio_to_torch": OPTIONAL, "ratio_to_limit": OPTIONAL}
MACHINE = {"cpu": str, "cores": OPTIONAL, "threads": int, "system": str, "allocator": str, "versions": dict, "date": str}


def read_json(path):
    """A report that `write_json` wrote.

    Raises ReportError with the path and the reason where there is no file, it is no JSON (a copy that broke off, say),
    no report of these benchmarks, or one that lacks something.
    """
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"{path}: not a text file: {error}") from error
    except (ValueError, RecursionError) as error:  # also of a number or a nesting that Python refuses
        raise ReportError(f"{path}: damaged, or no JSON: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        found = report.get("format") if isinstance(report, dict) else None
        raise ReportError(f"{path}: not a report of these benchmarks: expected format {FORMAT!r}, found {found!r}")
    shape = {"machine": dict, "rounds": int, "workloads": dict, "startup": dict, "memory": dict}
    demand(path, "the report", report, shape)
    demand(path, "machine", report["machine"], MACHINE)
    for name, record in report["workloads"].items():
        demand(path, name, record, {"title": str, "targets": dict, "ways": dict})
        for label, way in record["ways"].items():
            place = f"{name}, {label}"
            demand(path, place, way, WAY)
            compared = [yardstick for yardstick in YARDSTICKS if way[f"ratio_to_{yardstick}"] is not None]
            demand(path, place, way, {f"spread_to_{yardstick}": NUMBER for yardstick in compared})
    for package, cost in report["startup"].items():
        demand(path, f"startup, {package}", cost, PACKAGE)
    for name, ways in report["memory"].items():
        demand(path, f"memory, {name}", ways, {})
        for label, way in ways.items():
            demand(path, f"memory, {name}, {label}", way, FOOTPRINT)
    return report


def demand(path, place, value, shape):
    """ReportError unless `value` is a dict with every key of `shape`, of the type it names."""
    if not isinstance(value, dict):
        raise ReportError(f"{path}: damaged: {place} should hold names and values, but is {value!r}")
    for key, kind in shape.items():
        if key not in value:
            raise ReportError(f"{path}: damaged: {place} lacks {key!r}")
        if not isinstance(value[key], kind) or isinstance(value[key], bool):
            raise ReportError(f"{path}: damaged: {key!r} of {place} is {value[key]!r}")
