"""`python -m lessons`: the list, the choice of lessons, the table, the notebooks, and the gallery in a real browser."""

import functools
import http.server
import importlib
import json
import re
import shutil
import subprocess
import sys
import threading
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from running import LESSONS, ROOT, offline

cells = importlib.import_module("lessons.cells")
command = importlib.import_module("lessons.__main__")

SMALL = '''# %% [markdown]
# # A small lesson: it stands in for a long one
#
# ## Prose with `code`
#
# One formula inline, $y = x^2$, and one on its own:
#
# $$\\\\frac{\\\\partial L}{\\\\partial w} = \\\\sum_i x_i$$
#
# | a | b |
# |---|---|
# | 1 | 2 |

# %%
import sys

from common import Lesson, plt

lesson = Lesson("NAME")
print("before <the> figure, " + "a very long line " * 20)
figure, axes = plt.subplots(figsize=(12, 4))
axes.plot([1, 2, 3])
lesson.save(figure, "1_a_line")
print("after the figure")

# %%
lesson.compare("some.figure", "what it is", 1.0, 1.0, "%.1f")
print("on stderr", file=sys.stderr)
if lesson.steps(full=10, quick=5) == 3:
    raise ValueError("three steps are too few")
'''


def put_small_lessons(folder, monkeypatch):
    """Two small lessons in the place of the real ones."""
    folder.mkdir()
    for name in ("common.py", "options.py", "cells.py", "gallery.css"):
        shutil.copy(LESSONS / name, folder)
    for name in ("01_one", "12_two"):
        (folder / f"{name}.py").write_text(SMALL.replace("NAME", name).replace("\\\\", "\\"), encoding="utf-8")
    monkeypatch.setattr(cells, "HERE", folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


@pytest.fixture
def small_lessons(tmp_path, monkeypatch):
    return put_small_lessons(tmp_path / "lessons", monkeypatch)


def test_every_lesson_is_listed_with_its_title():
    done = subprocess.run([sys.executable, "-m", "lessons"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [path.stem for path in sorted(LESSONS.glob("[0-9]*.py"))]
    assert all(len(line.split(maxsplit=1)[1]) > 15 for line in lines)


@pytest.mark.parametrize("word", ["12", "12_two", "two", "TWO"])
def test_a_lesson_is_found_by_number_name_or_part(small_lessons, word):
    assert command.find(word).stem == "12_two"


@pytest.mark.parametrize(("word", "complaint"), [("o", "fits 2 lessons"), ("2", "no lesson"), ("three", "no lesson")])
def test_an_unclear_name_is_an_error_that_lists_the_names(small_lessons, capsys, word, complaint):
    with pytest.raises(SystemExit, match="2"):
        command.main([word])
    assert complaint in (printed := capsys.readouterr().err) and "12_two" in printed


def test_options_are_passed_on(tmp_path):
    arguments = [sys.executable, "-m", "lessons", "--seed", "7", "activations", "--steps", "3", "--out", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, env=offline(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "of 3 steps each, generator seed 7" in done.stdout
    assert (tmp_path / "10_activations_and_gradients" / "1_four_classes.png").exists()


def test_the_table_goes_on_after_a_failure(small_lessons, tmp_path, capsys):
    broken = small_lessons / "05_broken.py"
    broken.write_text("# %% [markdown]\n# # Broken\n\n# %%\nprint('so far')\n1 / 0\n", encoding="utf-8")
    assert command.main(["--all", "--quick", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    table = [line.split() for line in printed.out.splitlines()]
    assert [row[0] for row in table] == ["lesson", "01_one", "05_broken", "12_two", "3"]
    assert [row[-1] for row in table[1:4]] == ["reproduced", "FAILED", "reproduced"]
    assert "line 6, in <module>\n    1 / 0" in printed.err and "so far" in printed.err
    broken.unlink()
    assert command.main(["--all", "--quick", "--out", str(tmp_path)]) == 0


def test_lessons_run_at_the_same_time(small_lessons, tmp_path, capsys):
    """Each of two waits until the other has started; the table is in their order."""
    for name, own, other in (("05_a", "a", "b"), ("06_b", "b", "a")):
        mine, theirs = (repr(str(tmp_path / part)) for part in (own, other))
        wait = f"while not os.path.exists({theirs}):\n    assert time.monotonic() < end, 'alone'\n    time.sleep(0.01)\n"
        lines = f"import os, time\nend = time.monotonic() + 20\nopen({mine}, 'w').close()\n{wait}"
        (small_lessons / f"{name}.py").write_text(f"# %% [markdown]\n# # {name}\n\n# %%\n{lines}", encoding="utf-8")
    assert command.main(["05", "06", "--jobs", "2"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["lesson", "05_a", "06_b", "2"]
    with pytest.raises(SystemExit, match="2"):
        command.main(["--all", "--jobs", "0"])
    assert "--jobs: expected a whole number of 1 or more, got '0'" in capsys.readouterr().err


def test_a_lesson_that_kills_its_process_has_failed(small_lessons):
    deadly = small_lessons / "05_deadly.py"
    deadly.write_text("# %%\nimport os\nos._exit(3)\n", encoding="utf-8")
    assert "ended with status 3" in cells.record(deadly, [])["error"]


def test_cells_keep_what_they_printed(small_lessons, tmp_path):
    record = cells.record(small_lessons / "01_one.py", ["--out", str(tmp_path)])
    assert record["error"] is None and len(record["outputs"]) == 2
    assert re.search("^before .*\nfigure: .*1_a_line.png\nafter the figure\n$", record["outputs"][0])
    assert record["outputs"][1].endswith("equal\non stderr\n")
    assert record["verdicts"] == {"equal": 1} and record["cover"] == "1_a_line.png"


def test_tally():
    verdicts = {"equal": 3, "within 0.02": 2, "needs the full run": 1}
    assert cells.tally(verdicts) == "5 reproduced, 1 needs the full run"


def test_every_lesson_is_made_of_cells():
    for path in [*cells.lessons(), *(LESSONS / "answers").glob("[0-9]*.py")]:
        source = path.read_text(encoding="utf-8").splitlines()
        found = cells.read(path)
        assert found[0].kind == "markdown" and found[0].text.startswith("# ")
        for cell in found:
            lines = source[cell.line - 1 :][: len(cell.text.splitlines())]
            assert [re.sub("^# ?", "", line) if cell.kind == "markdown" else line for line in lines] == (
                cell.text.splitlines()
            )


def test_notebooks(tmp_path, capsys):
    jupytext = pytest.importorskip("jupytext")
    assert command.main(["--notebooks", str(tmp_path)]) == 0
    for path in cells.lessons():
        notebook = jupytext.read(tmp_path / f"{path.stem}.ipynb")
        assert [cell.cell_type for cell in notebook.cells] == [cell.kind for cell in cells.read(path)]
        assert [cell.source.rstrip() for cell in notebook.cells] == [cell.text for cell in cells.read(path)]
    others = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    assert others == {"common.py", "options.py", *(f"answers/{path.name}" for path in cells.lessons())}
    answers = [sys.executable, "answers/08_bigrams.py", "--quick"]
    environment = offline(tmp_path) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(answers, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("option", "package"), [("--notebooks", "jupytext"), ("--gallery", "latex2mathml")])
def test_a_missing_package_is_named_in_one_line(tmp_path, monkeypatch, capsys, option, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.converter", None)
    monkeypatch.delitem(sys.modules, "lessons.gallery", raising=False)
    monkeypatch.delattr("lessons.gallery", raising=False)
    with pytest.raises(SystemExit, match="1"):
        command.main([option, str(tmp_path / "made")])
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert f"{option} needs the package {package}" in complaint and "pip install -e '.[lessons]'" in complaint


def test_the_folder_is_no_script():
    done = subprocess.run([sys.executable, str(cells.HERE)], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("the lessons are started with `python -m lessons`")
    assert done.stderr.count("\n") == 1


# ---- the gallery ----


@pytest.fixture(scope="module")
def made_gallery(tmp_path_factory):
    pytest.importorskip("latex2mathml")
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as monkeypatch:
        put_small_lessons(folder / "lessons", monkeypatch)
        assert command.main(["--gallery", str(folder / "pages"), "--quick"]) == 0
    return folder / "pages"


@pytest.fixture
def gallery(made_gallery, small_lessons, tmp_path):
    return shutil.copytree(made_gallery, tmp_path / "pages")


def test_outputs_and_figures_stand_under_their_cells(gallery):
    page = (gallery / "12_two.html").read_text(encoding="utf-8")
    order = ["A small lesson: it stands in", "<math", 'display="block"', "<table>", "before &lt;the&gt; figure",
             'src="figures/12_two/1_a_line.png"', ">after the figure</pre>",
             "some.figure: what it is", "equal\non stderr"]  # fmt: skip
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "run with --quick" in page and "published figures: 1 reproduced" in page
    assert (gallery / "figures" / "12_two" / "1_a_line.png").read_bytes().startswith(b"\x89PNG")
    assert not re.search(r"(?:src|href)=\"(?:https?:|//|/|file:)", page)
    assert not [path for path in gallery.rglob("*") if path.name.startswith(".")]


def test_a_lesson_that_fails_keeps_its_earlier_page(gallery, capsys):
    before = {path: path.read_bytes() for path in gallery.rglob("*") if path.is_file()}
    assert command.main(["one", "--gallery", str(gallery), "--steps", "3"]) == 1
    assert "three steps are too few" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in gallery.rglob("*") if path.is_file()} == before


def test_one_lesson_made_anew_leaves_the_others(gallery):
    two = json.loads((gallery / "records" / "12_two.json").read_text())
    assert command.main(["one", "--gallery", str(gallery)]) == 0
    assert json.loads((gallery / "records" / "12_two.json").read_text()) == two
    index = (gallery / "index.html").read_text(encoding="utf-8")
    assert 'href="01_one.html"' in index and 'href="12_two.html"' in index
    assert "full run" in (gallery / "01_one.html").read_text(encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def address(gallery):
    """The gallery on the loopback interface, so that every request a page makes has an answer to look at."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=gallery))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on the path")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 900)])
def test_pages_in_a_browser(address, browser, width, height, scheme):
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    complaints, pages, seen = [], ["index.html"], set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on("request", lambda asked: seen.add(asked.url))
    while pages:
        name = pages.pop()
        page.goto(address + name, wait_until="load")
        page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)"), name
        assert page.evaluate("document.images.length") > 0
        hrefs = page.eval_on_selector_all("a", "links => links.map(link => link.getAttribute('href'))")
        for target, anchor in (urldefrag(urljoin(address + name, href)) for href in hrefs):
            assert target.startswith(address), target
            assert page.request.get(target).ok, target
            assert not anchor or page.locator(f"[id='{unquote(anchor)}']").count() == 1, anchor
            if target.endswith(".html") and target not in seen:
                pages.append(target.removeprefix(address))
                seen.add(target)
    assert {url.removeprefix(address) for url in seen} >= {"index.html", "01_one.html", "12_two.html", "gallery.css"}
    assert all(url.startswith((address, "data:")) for url in seen), seen
    assert not complaints
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    # A long printed line scrolls inside its own box.
    page.goto(address + "01_one.html")
    inside = "box => [box.scrollWidth > box.clientWidth, getComputedStyle(box).overflowX]"
    assert page.locator(".output").first.evaluate(inside) == [True, "auto"]
