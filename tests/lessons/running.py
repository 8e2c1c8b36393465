"""What the tests of the lessons share: running one in a process of its own, and checking what it printed.

    result = run("08_bigrams", folder, offline(folder), "--quick", keep=["losses"])
    assert result.rows["names.count"].verdict == "other data"
    check_published(result, ["names.", "bigram."], unfinished=["bigram.final"])
    check_figures(result, count=6)

A name such as "answers/08_bigrams" runs the answers to the exercises.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ROOT / "lessons"
DATA = Path(os.environ.get("MINIGRAD_DATA", "missing"))
PUBLISHED = json.loads((ROOT / "tests" / "reference" / "published_figures.json").read_text(encoding="utf-8"))

needs_names = pytest.mark.skipif(not (DATA / "names.txt").exists(), reason="MINIGRAD_DATA has no names.txt")
needs_mnist = pytest.mark.skipif(not (DATA / "mnist").exists(), reason="MINIGRAD_DATA has no mnist")
needs_prenoms = pytest.mark.skipif(not (DATA / "prenoms.txt").exists(), reason="MINIGRAD_DATA has no prenoms.txt")

# Runs a lesson as `python lesson.py` would and leaves what it computed in a file.
DRIVER = """
import json, runpy, sys
lesson, result, keep, *sys.argv[1:] = sys.argv[1:]
sys.path[0] = lesson.rpartition("/")[0]
names = runpy.run_path(lesson, run_name="__main__")
rows = [list(row) for row in names["lesson"].rows]
with open(result, "w") as file:
    json.dump({"rows": rows, "kept": {name: names[name] for name in json.loads(keep)}}, file)
"""


class Row(NamedTuple):
    """One row that `Lesson.compare` printed; the two columns are flat lists of floats."""

    published: list[float]
    here: list[float]
    form: str
    verdict: str


class Run(NamedTuple):
    """A finished lesson: what it printed, its rows by name, the variables asked for, and its figures."""

    output: str
    rows: dict[str, Row]
    kept: dict[str, object]
    figures: list[Path]


def environment(**variables):
    """This process's environment with one thread, none of its MINIGRAD_ settings but the backend, and `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MINIGRAD_", "MPL"))}
    backend = {"MINIGRAD_BACKEND": os.environ.get("MINIGRAD_BACKEND", "numpy")}
    given = {name: str(value) for name, value in variables.items()}
    return kept | backend | {"OPENBLAS_NUM_THREADS": "1"} | given


def offline(folder):
    """An environment in which only the data that ship with minigrad can be found."""
    return environment(MINIGRAD_OFFLINE=1, MINIGRAD_CACHE=Path(folder) / "cache")


def published_data():
    """An environment with the published data in MINIGRAD_DATA; a test that uses it is marked `needs_...`."""
    return environment(MINIGRAD_DATA=DATA)


def run(name, folder, environment, *options, keep=()):
    """Run lessons/NAME.py with these options in `folder`, figures below it, and fail if the lesson fails.

    `keep` names variables of the lesson's that JSON can hold, to be found in the result's `kept`.
    """
    lesson = (LESSONS / f"{name}.py").as_posix()
    arguments = [lesson, "result.json", json.dumps(list(keep)), "--out", "figures", *options]
    command = [sys.executable, "-c", DRIVER, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr}"
    result = json.loads((folder / "result.json").read_text())
    names = [row[0] for row in result["rows"]]
    assert len(names) == len(set(names)), f"{name}: two rows share a name"
    figures = [Path(path) for path in re.findall("^figure: (.+)$", done.stdout, re.M)]
    return Run(done.stdout, {row[0]: Row(*row[1:]) for row in result["rows"]}, result["kept"], figures)


def check_published(result, prefixes, unfinished=()):
    """Every published figure whose id starts so is printed above ours, with the verdict that the numbers deserve.

    Ours must be equal as printed where the list has a format, and near enough where it has a tolerance; those in
    `unfinished` belong to full-length runs and must be marked as such. Returns the ids checked.
    """
    ids = [name for name in PUBLISHED if name.startswith(tuple(prefixes))]
    assert ids, f"no published figure starts with any of {prefixes}"
    for name in ids:
        assert name in result.rows, f"{name} is not compared"
        check_row(result, name, PUBLISHED[name], unfinished)
    return ids


def check_row(result, name, figure, unfinished=()):
    """`check_published` for one figure of the list."""
    published, here, form, verdict = result.rows[name]
    assert published == pytest.approx(flat(figure["value"]), rel=1e-12, abs=0), name
    numbers = r"([-\d.einfa \n]+)"
    printed = rf"^{re.escape(name)}: .*\n  published {numbers}\n  here {numbers}   ([a-zA-Z].*)$"
    block = re.search(printed, result.output, re.M)
    assert block, f"{name} is not printed"
    assert block[1].split() == [form % value for value in published], name
    assert block[2].split() == [form % value for value in here], name
    assert block[3] == verdict, name
    if name in unfinished:
        assert verdict == "needs the full run", name
    elif "format" in figure:
        asked = [[figure["format"] % value for value in column] for column in (published, here)]
        assert asked[0] == asked[1], name
        assert verdict == "equal", name
    elif "tol" in figure:
        assert len(published) == len(here), name
        assert max(abs(a - b) for a, b in zip(published, here, strict=True)) <= figure["tol"], name
        assert verdict in ("equal", f"within {figure['tol']:g}"), name


def flat(value):
    """A number or nested lists of numbers as one list of floats."""
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [float(value)]


def check_figures(result, count):
    """The run printed the paths of `count` figures, and all are whole PNGs of a modest size."""
    assert len(result.figures) == len(set(result.figures)) == count
    assert sorted(result.figures) == sorted(result.figures[0].parent.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in result.figures)
    large = {path.name: path.stat().st_size for path in result.figures if path.stat().st_size > 150_000}
    assert not large, f"figures above 150000 bytes: {large}"


def check_cells(name, shows=()):
    """Every code cell is short and ends in something to see; `shows` are more patterns that count as that."""
    text = (LESSONS / f"{name}.py").read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # "), "a lesson starts with its title"
    cells = re.split(r"^# %%", text, flags=re.M)[1:]
    code = [cell.strip() for cell in cells if not cell.startswith(" [markdown]")]
    seen = re.compile("|".join([r"print\(", r"assert ", r"lesson\.", *shows]))
    for cell in code:
        lines = [line for line in cell.splitlines() if line.strip()]
        assert len(lines) <= 18, f"a cell of {len(lines)} lines:\n{cell}"
        assert seen.search(cell), f"a cell that shows nothing:\n{cell}"


def sha256(lines):
    """Of these lines of text: which data a stored result belongs to."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
