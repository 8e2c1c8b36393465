"""The helper that lessons share: verdicts, lengths of runs, interruptions, and figures that are written whole."""

import builtins
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import DATA, LESSONS, PUBLISHED, Row, Run, check_row, environment

LISTED = DATA.parent / "reference" / "figures.json"


@pytest.mark.skipif(not LISTED.exists(), reason="no list of figures beside MINIGRAD_DATA")
def test_the_published_figures_are_those_of_the_list():
    rows = json.loads(LISTED.read_text(encoding="utf-8"))["figures"]
    kept = ("value", "format", "tol")
    assert PUBLISHED == {row["id"]: {key: row[key] for key in kept if key in row} for row in rows}


@pytest.fixture
def common(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(LESSONS))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.delitem(sys.modules, "common", raising=False)
    import common

    monkeypatch.setattr(common, "HERE", tmp_path)  # figures go below it
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back after `Lesson` has set its own
    yield common
    sys.modules.pop("common")


def lesson_with(common, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["lesson.py", *options])
    return common.Lesson("some_lesson", seed=1)


@pytest.mark.parametrize(
    ("options", "stand_in", "arguments", "verdict"),
    [
        ((), False, (3.3147, 3.31472, "%.4f"), "equal"),
        ((), False, (3.3147, 3.31478, "%.4f"), "DIFFERS"),
        ((), False, ([1.0, 2.0], [1.0, 2.01], "%.4f", 0.02), "within 0.02"),
        ((), False, ([1.0, 2.0], [1.0, 2.03], "%.4f", 0.02), "DIFFERS"),
        ((), False, ([1.0, 2.0], [1.0], "%.4f", 0.02), "DIFFERS"),
        ((), False, (1.0, float("nan"), "%.4f", 0.02), "DIFFERS"),
        ((), False, (1.0, 1.0, "%.4f", None, False), "needs the full run"),
        ((), True, (1.0, 2.0, "%.4f"), "other data"),
        (("--seed", "2"), False, (1.0, 2.0, "%.4f"), "other seed"),
        (("--seed", "2"), False, (1.0, 1.0, "%.4f"), "equal"),
    ],
)
def test_verdicts(common, monkeypatch, capsys, options, stand_in, arguments, verdict):
    lesson = lesson_with(common, monkeypatch, *options)
    lesson.note_stand_in(stand_in, "names")
    lesson.compare("some.figure", "what it is", *arguments)
    lesson.summary()
    printed = capsys.readouterr().out
    assert lesson.rows[0].verdict == verdict
    assert printed.count(verdict) == 3  # below the row, in the table, in the count
    assert printed.count("stand-in") == stand_in


def test_a_table_is_compared_row_by_row(common, monkeypatch, capsys):
    lesson = lesson_with(common, monkeypatch)
    published = [[-0.02, 0.75, 20.25], [-0.0, 0.69, 8.38]]
    lesson.compare("deep.act", "mean, std, saturated", published, [[-0.021, 0.75, 20.25], [-0.001, 0.69, 8.38]], "%.2f")
    lesson.compare("deep.act2", "the same", published, [[-0.021, 0.75, 20.25], [-0.001, 0.69, 8.39]], "%.2f")
    rows = "-0.02 0.75 20.25\n             -0.00 0.69 8.38"
    assert f"  published  {rows}\n  here       {rows}   equal\n" in capsys.readouterr().out
    assert [row.verdict for row in lesson.rows] == ["equal", "DIFFERS"]
    assert lesson.rows[0].published == [-0.02, 0.75, 20.25, -0.0, 0.69, 8.38]
    result = Run("", {row[0]: Row(*row[1:]) for row in lesson.rows}, {}, [])
    with pytest.raises(AssertionError, match="is not printed"):
        check_row(result, "deep.act", {"value": published, "format": "%.2f"})


@pytest.mark.parametrize(
    ("printed", "figure", "unfinished", "complaint"),
    [
        ("a.row: it\n  published  1.0\n  here       1.0   equal", {"value": 1.0, "format": "%.1f"}, (), None),
        ("a.row: it\n  published  1.0\n  here       1.0   equal", {"value": 1.0, "tol": 0.2}, (), None),
        ("a.row: it\n  published  1.0\n  here       1.1   within 0.2", {"value": 1.0, "tol": 0.2}, (), None),
        ("a.row: it\n  published  1.0\n  here       1.1   within 0.2", {"value": 1.0, "tol": 0.05}, (), "a.row"),
        ("a.row: it\n  published  1.0\n  here       1.1   equal", {"value": 1.0, "format": "%.1f"}, (), "a.row"),
        ("a.row: it\n  published  1.0\n  here       1.0   DIFFERS", {"value": 1.0, "format": "%.1f"}, (), "a.row"),
        ("a.row: it\n  published  2.0\n  here       2.0   equal", {"value": 1.0, "format": "%.1f"}, (), "a.row"),
        ("a.row: it\n  published  1.0\n  here       1.0   equal", {"value": 1.0}, ["a.row"], "a.row"),
        ("a.row: it\n  published  1.0\n  here       1.0   needs the full run", {"value": 1.0}, ["a.row"], None),
        ("a.row: it", {"value": 1.0}, (), "not printed"),
    ],
)
def test_what_the_tests_of_lessons_accept(printed, figure, unfinished, complaint):
    numbers = re.findall(r"(?:published|here) +(\S+)(?:   (.*))?", printed) or [("1.0", ""), ("1.0", "equal")]
    row = Row([float(numbers[0][0])], [float(numbers[1][0])], "%.1f", numbers[1][1])
    result = Run(printed, {"a.row": row}, {}, [])
    if complaint is None:
        check_row(result, "a.row", figure, unfinished)
    else:
        with pytest.raises(AssertionError, match=complaint):
            check_row(result, "a.row", figure, unfinished)


def test_lengths_of_runs(common, monkeypatch, capsys):
    assert lesson_with(common, monkeypatch).steps(full=200, quick=20) == 200
    assert lesson_with(common, monkeypatch, "--quick").steps(full=200, quick=20) == 20
    assert lesson_with(common, monkeypatch, "--quick", "--steps", "7").steps(full=200, quick=20) == 7
    for wrong in ("0", "-1", "many"):
        with pytest.raises(SystemExit, match="2"):
            lesson_with(common, monkeypatch, "--steps", wrong)
        assert f"--steps: expected a whole number of 1 or more, got '{wrong}'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_ends_a_lesson_before_it_begins(common, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        lesson_with(common, monkeypatch, "--out", str(tmp_path / "file" / "figures"))
    assert "--out: cannot make the folder" in capsys.readouterr().err
    (tmp_path / "out").write_text("")  # in the place of the default folder
    with pytest.raises(SystemExit, match="2"):
        lesson_with(common, monkeypatch)
    assert "--out: cannot make the folder" in capsys.readouterr().err


def test_a_notebook_keeps_its_own_arguments(common, monkeypatch):
    monkeypatch.setattr(common, "NOTEBOOK", True)
    lesson = lesson_with(common, monkeypatch, "-f", "kernel.json")
    assert lesson.steps(full=200, quick=20) == 200 and lesson.show
    assert not hasattr(builtins, "__IPYTHON__")  # which is how `common` tells


def test_interrupting_a_loop_ends_it_after_the_step_in_hand(common, monkeypatch, capsys):
    lesson = lesson_with(common, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    finished = []
    for step in lesson.progress(100, "training"):
        if step == 5:
            signal.raise_signal(signal.SIGINT)
        finished.append(step)
    assert finished == list(range(6))
    assert "training: stopped after 6 of 100 steps" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupting_twice_stops_at_once(common, monkeypatch):
    lesson = lesson_with(common, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        for _ in lesson.progress(100, "training"):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second interrupt was swallowed")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_in_the_next_loop_leaves_the_lesson_if_it_comes_soon(common, monkeypatch, capsys):
    lesson = lesson_with(common, monkeypatch)

    def interrupted_loop():
        return [signal.raise_signal(signal.SIGINT) for _ in lesson.progress(100, "training")]

    assert len(interrupted_loop()) == 1
    assert "Ctrl-C twice in a row leaves the lesson" in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        interrupted_loop()
    lesson.interrupted -= common.TWICE_WITHIN
    assert len(interrupted_loop()) == 1


def test_an_interrupted_lesson_ends_without_a_traceback(tmp_path):
    program = "import common, signal; common.Lesson('some_lesson'); signal.raise_signal(signal.SIGINT)"
    command = [sys.executable, "-c", program, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=LESSONS, env=environment(), capture_output=True, text=True)
    assert done.returncode in (-signal.SIGINT, 130), "which a shell shows as 130"
    assert done.stderr == "interrupted\n"


def test_a_figure_is_written_whole_or_not_at_all(common, monkeypatch, tmp_path):
    lesson = lesson_with(common, monkeypatch, "--out", str(tmp_path))
    figure, _ = common.plt.subplots()

    save = common.Image.Image.save

    def fail(image, target, **options):
        if not isinstance(target, Path):  # in memory
            return save(image, target, **options)
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(common.Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        lesson.save(figure, "1_figure")
    assert list(lesson.out.iterdir()) == []
    common.plt.close(figure)
