"""Lessons as lists of cells: reading them, and running one so that each cell keeps what it printed.

`python lessons/cells.py RECORD LESSON [options]` runs a lesson and leaves a record of it in the file RECORD;
`record` does that in a process of its own and returns the record:

    name, title, options    which lesson, its first heading, and the options it was given
    outputs                 what each code cell printed, in order; shorter than the lesson if a cell failed
    error                   the traceback of the cell that failed, or None
    seconds                 how long it took
    verdicts                how many rows of `Lesson.compare` had which verdict
    cover                   the file name of the figure that stands for the lesson, or None
"""

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Cell(NamedTuple):
    """One cell of a percent script: its kind, its text, and the line of the file at which the text starts."""

    kind: str  # "markdown" or "code"
    text: str
    line: int


def lessons():
    """The paths of all lessons, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def read(path):
    """The cells of the lesson at `path`; the text of a markdown cell comes without its comment signs."""
    cells, kind, lines, start = [], None, [], 1
    source = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate([*source, "# %%"], 1):
        if not line.startswith("# %%"):
            lines.append(line)
            continue
        if kind == "markdown":
            lines = [re.sub("^# ?", "", prose) for prose in lines]
        if kind:
            cells.append(Cell(kind, "\n".join(lines).rstrip(), start))
        kind, lines, start = "markdown" if "[markdown]" in line else "code", [], number + 1
    return cells


def title(path):
    """The lesson's first heading."""
    with path.open(encoding="utf-8") as lines:
        return next((line[4:].strip() for line in lines if line.startswith("# # ")), path.stem)


def tally(verdicts):
    """A line about the published figures of a run: those that agree, to the digit or nearly, and the others."""
    counts = Counter()
    for verdict, count in verdicts.items():
        counts["reproduced" if verdict == "equal" or verdict.startswith("within") else verdict] += count
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def run(path, options):
    """Runs the lesson at `path` cell by cell, as `python LESSON options` would run it, and returns its record."""
    path = Path(path).resolve()
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main  # where pickle and dataclasses look for what the lesson defines
    sys.argv = [str(path), *options]
    sys.path[0] = str(path.parent)
    start, outputs, error = time.perf_counter(), [], None
    for cell in read(path):
        if cell.kind == "code" and error is None:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                try:
                    # Blank lines before it give the cell the line numbers that it has in the file.
                    exec(compile("\n" * (cell.line - 1) + cell.text, path, "exec"), vars(main))
                except (Exception, SystemExit):
                    kind, raised, frames = sys.exc_info()
                    error = "".join(traceback.format_exception(kind, raised, frames.tb_next))
            outputs.append(printed.getvalue())
    lesson = vars(main).get("lesson")
    return {
        "name": path.stem,
        "title": title(path),
        "options": options,
        "outputs": outputs,
        "error": error,
        "seconds": time.perf_counter() - start,
        "verdicts": Counter(row.verdict for row in getattr(lesson, "rows", [])),
        "cover": getattr(lesson, "cover", None),
    }


def record(path, options):
    """Runs the lesson at `path` in a process of its own and returns its record."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "record.json"
        command = [sys.executable, str(HERE / "cells.py"), str(file), str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if file.exists():
            return json.loads(file.read_text(encoding="utf-8"))
    failure = f"ended with status {done.returncode}\n{done.stderr}"
    return {"name": path.stem, "title": title(path), "options": options, "outputs": [], "error": failure,
            "seconds": 0.0, "verdicts": {}, "cover": None}  # fmt: skip


if __name__ == "__main__":
    destination, script, *given = sys.argv[1:]
    Path(destination).write_text(json.dumps(run(script, given)), encoding="utf-8")
