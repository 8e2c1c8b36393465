"""`python -m benchmarks.gpu`: everything there is to see of minigrad on this machine's GPU, in 8 minutes or `--minutes`.

It times training steps beside PyTorch on the same device, compares every family of operations and modules with NumPy,
runs lesson 16 and the tests, and writes one page with the hardware and the versions. Each of these runs in processes of
its own, for which MINIGRAD_BACKEND is set; a part that runs out of its time is stopped and says so. The first run on a
machine takes longer: CuPy compiles each kernel when it is first used, and keeps it for the next.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

os.environ["MINIGRAD_BACKEND"] = "numpy"  # of this process, which computes nothing: a GPU that is missing ends it politely

from benchmarks.gpu import parity, steps  # noqa: E402  (they import minigrad)
from benchmarks.report import machine  # noqa: E402  (as above)
from minigrad.backend import use  # noqa: E402  (as above)
from minigrad.serialization import write_atomically  # noqa: E402  (as above)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "benchmarks" / "results" / "gpu.md"
MINUTES = 8
TOTAL, STEPS, PARITY, LESSON = 460, 150, 90, 60  # seconds of these minutes; the tests get what is left of the total
WORKERS = min(8, os.cpu_count() or 1)  # beyond that, processes wait for the one GPU
SHOWN = 20  # failures


# ------------------------------------------------------------------------------------------------------ other processes


def run(command, backend, seconds):
    """Run Python with arguments, on a backend, for so long at most; its exit status (None: stopped) and its output."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"MINIGRAD_BACKEND": backend, "PYTHONPATH": paths, "MPLBACKEND": "Agg"}
    environment.pop("MINIGRAD_LAUNCH_BLOCKING", None)  # which makes every launch wait
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, env=environment, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # pytest then says how far it came
        with contextlib.suppress(subprocess.TimeoutExpired):
            return None, process.communicate(timeout=15)[0]
        return None, ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def ending(status, output):
    """How a process ended, in a few words."""
    if status is None:
        return "stopped, out of time"
    last = output.strip().rpartition("\n")[2]
    return "done" if status == 0 else f"failed: {last or f'exit status {status}'}"


# ------------------------------------------------------------------------------------------------------------ the parts


class Page:
    """What is found, as lines of Markdown, and whether something failed."""

    def __init__(self):
        self.facts, self.sections, self.failed = {}, [], False

    def fact(self, name, text, failed=False):
        """A row of the first table."""
        self.facts[name] = text
        self.failed |= failed
        print(f"{name}: {text}", flush=True)

    def section(self, title, *paragraphs):
        """A heading with what stands below it."""
        self.sections += [f"## {title}", *filter(None, paragraphs)]

    def text(self, heading):
        """The whole page."""
        facts = table(("", ""), self.facts.items())
        return "\n\n".join(["# minigrad on a GPU", heading, facts, *self.sections]) + "\n"


def table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)


def hardware(page, cupy):
    """The GPU, its driver, the processor, and the versions of everything."""
    runtime = cupy.cuda.runtime
    gpu = runtime.getDeviceProperties(0)
    memory, capability = gpu["totalGlobalMem"] / 2**30, f"{gpu['major']}.{gpu['minor']}"
    page.fact("GPU", f"{gpu['name'].decode()}, {memory:.0f} GiB, compute capability {capability}")
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True) if shutil.which(query[0]) else None
    driver = found.stdout.split() if found and not found.returncode else []
    versions = [f"{v // 1000}.{v % 1000 // 10}" for v in (runtime.driverGetVersion(), runtime.runtimeGetVersion())]
    number = driver[0] if driver else "of unknown version"
    page.fact("driver", f"{number}, for CUDA up to {versions[0]}; runtime {versions[1]}")
    facts = machine(os.cpu_count(), ["cupy", *filter(find_spec, ["torch"])])
    page.fact("processor", f"{facts['cpu']}, {facts['cores']} cores")
    page.fact("versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    page.fact("date", facts["date"])


def training_steps(page, folder, seconds, quick):
    """The times of training steps beside PyTorch's."""
    file = folder / "steps.json"
    chosen = [list(steps.WORKLOADS)[0], "--rounds", 3] if quick else []
    status, output = run(["-m", "benchmarks.gpu.steps", file, *chosen], "cupy", seconds)
    report = json.loads(file.read_text()) if file.exists() else {"notes": [], "workloads": {}}
    measured = report["workloads"]
    alike = all(map(steps.passed, measured.values()))
    wanted = 1 if quick else len(steps.WORKLOADS)
    words = f"{len(measured)} of {wanted} workloads, {ending(status, output)}" + ("" if alike else "; losses differ")
    page.fact("training steps", words, status != 0 or not alike)
    page.section(
        "Training steps",
        "Medians of turns in one process, by events on the device; the host's time is what it takes to hand a step over. "
        "Minibatches are drawn on the device. Kernels are those of a step, counted by PyTorch's profiler; arrays sent over "
        "the bus and waits of the host are those that minigrad counts. " + " ".join(note + "." for note in report["notes"]),
        table(steps.COLUMNS, steps.rows(measured)),
    )


def comparison(page, folder, seconds, quick):
    """Every family of operations and modules, NumPy beside CuPy."""
    families = ("norm",) if quick else parity.FAMILIES
    deadline = time.monotonic() + seconds

    def found(job):
        family, backend = job
        file = folder / f"{family}.{backend}.npz"
        left = max(1, deadline - time.monotonic())
        status, output = run(["-m", "benchmarks.gpu.parity", family, file], backend, left)
        return None if status == 0 else ending(status, output)

    jobs = [(family, backend) for family in families for backend in ("cupy", "numpy")]
    with ThreadPoolExecutor(WORKERS) as pool:
        endings = dict(zip(jobs, pool.map(found, jobs)))
    lines, failed, cases = [], [], 0
    for family in families:
        problem = endings[family, "numpy"] or endings[family, "cupy"]
        if problem:
            lines.append([family, *["-"] * 4, problem])
            failed.append(family)
            continue
        ours, theirs = (parity.load(folder / f"{family}.{backend}.npz") for backend in ("numpy", "cupy"))
        record = parity.compare(family, ours, theirs)
        wrong = [f"{name} ({precision})" for precision, result in record.items() for name in result["failures"]]
        counts = [(result["cases"], f"{result['worst']:.2g}") for result in record.values()]
        lines.append([family, *counts[0], *counts[1], "; ".join(wrong[:SHOWN]) or "none"])
        failed += [family] if wrong else []
        cases += sum(result["cases"] for result in record.values())
    outcome = f"failed: {', '.join(failed)}" if failed else "all alike"
    page.fact("NumPy beside CuPy", f"{cases} cases, {outcome}", bool(failed))
    columns = "family", "cases in float64", "worst", "cases in float32", "worst", "failed"
    page.section(
        "NumPy beside CuPy",
        "Values, first and second derivatives. Worst: the largest difference as a part of what is allowed, which is "
        f"{parity.RELATIVE:.0e} in float64, and in float32 {parity.ROUNDING:.1e} of the largest number and {parity.TIMES} "
        "times NumPy's own rounding error.",
        table(columns, lines),
    )


def lesson(page, folder, seconds, quick):
    """Lesson 16, which measures NumPy and CuPy side by side."""
    started = time.monotonic()
    chosen = ["lessons/16_two_backends.py", "--out", folder / "lesson", *(["--quick"] if quick else [])]
    status, output = run(chosen, "cupy", seconds)
    page.fact("lesson 16", f"{ending(status, output)}, {time.monotonic() - started:.0f} s", status != 0)
    said = [line for line in output.splitlines() if "cupy" in line.lower()]
    page.section("Lesson 16", "```\n" + "\n".join(said) + "\n```" if said else "")


def tests(page, folder, seconds, quick):
    """The tests, as many as there is time for."""
    if not all(map(find_spec, ("pytest", "xdist", "hypothesis"))):
        page.fact("tests under CuPy", "skipped: pip install -e '.[test]'", True)
        return
    files = [ROOT / "tests" / "test_backend.py"] if quick else sorted((ROOT / "tests").glob("test_*.py"))
    workers = 1 if quick else WORKERS
    command = ["-m", "pytest", "-n", workers, "-p", "no:cacheprovider", "-rfE", *files]
    status, output = run(command, "cupy", seconds)
    counts = re.findall(r"^(?:=+ )?((?:\d+ \w+,? ?)+in [\d.]+s)", output, re.MULTILINE)
    said = f"{counts[-1] if counts else 'no summary'}, {workers} at a time" + "; stopped, out of time" * (status is None)
    page.fact("tests under CuPy", said, bool(status) or not counts)
    broken = [line.partition(" - ")[0] for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if broken:
        more = [f"and {len(broken) - SHOWN} more"] * (len(broken) > SHOWN)
        page.section("Tests that failed", "```\n" + "\n".join(broken[:SHOWN] + more) + "\n```")


def main():
    """Run all parts, write the page, and end with status 1 if something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of each part")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long it may take ({MINUTES})")
    parser.add_argument("--out", metavar="FILE", type=Path, default=PAGE, help="the page (benchmarks/results/gpu.md)")
    arguments = parser.parse_args()
    if not arguments.minutes > 0:
        parser.error(f"--minutes wants a number above 0, got {arguments.minutes:g}")
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"there is no folder for {arguments.out}")
    try:
        cupy = use("cupy")
    except (ImportError, RuntimeError) as error:
        sys.exit(f"python -m benchmarks.gpu: {error}".replace("MINIGRAD_BACKEND=cupy: ", ""))
    started, page, stretch = time.monotonic(), Page(), arguments.minutes / MINUTES
    hardware(page, cupy)
    with tempfile.TemporaryDirectory() as folder:
        for part, seconds in ((training_steps, STEPS), (comparison, PARITY), (lesson, LESSON), (tests, TOTAL)):
            left = TOTAL * stretch - (time.monotonic() - started)
            part(page, Path(folder), min(seconds * stretch, left), arguments.quick)
    command = "python -m benchmarks.gpu" + " --quick" * arguments.quick
    heading = f"`{command}`, which took {time.monotonic() - started:.0f} s."
    write_atomically(arguments.out, page.text(heading).encode())
    print(f"written to {arguments.out}")
    sys.exit(page.failed)


if __name__ == "__main__":
    main()
