"""What README shows runs as it stands."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_program_learns_and_can_be_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, printed = {}, [io.StringIO(), io.StringIO()]
    for block, output in zip(BLOCKS, printed, strict=False):
        with contextlib.redirect_stdout(output):
            exec(block, names)
    assert float(printed[0].getvalue()) < 0.2
    assert "finding" in printed[1].getvalue() or "nothing wrong" in printed[1].getvalue()
    assert (tmp_path / "dashboard.png").read_bytes().startswith(b"\x89PNG")


def test_the_step_that_is_compiled_learns_and_is_replayed():
    names, printed = {}, io.StringIO()
    (compiled,) = [block for block in BLOCKS if "mg.compile" in block]
    with contextlib.redirect_stdout(printed):
        exec(BLOCKS[0], names)
        exec(compiled, names)
    assert float(printed.getvalue().split()[-1]) < 0.2
    assert len(next(iter(names["step"].kinds.values())).recordings) == 1


def test_the_operation_shown_is_the_one_in_the_library():
    shown = BLOCKS[2].split("  #")[0].strip()
    source = (Path(__file__).parents[1] / "minigrad" / "ops" / "elementwise.py").read_text()
    assert shown in source


def test_the_test_command_is_marked_for_continuous_integration():
    assert re.search(r"<!-- test command -->\n```sh\n.*pytest.*\n```", README)


def test_every_file_that_is_named_exists():
    for name in re.findall(r"`((?:minigrad|lessons|tests)/[\w./]+)`", README) + re.findall(r"\]\(([\w./]+)\)", README):
        assert (Path(__file__).parents[1] / name).exists() or name == "lessons/17_my_lesson.py", name
