"""`python -m lessons`: lists the lessons, runs one or all, and turns them into notebooks or a gallery of pages."""

import argparse
import runpy
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

if not __package__:  # `python lessons`
    sys.exit("the lessons are started with `python -m lessons`, in the folder that holds `lessons`")

from . import cells
from .files import write
from .options import add_options, as_arguments, folder, positive

NEEDED = "pip install -e '.[lessons]'"


def main(arguments=None):
    """Does what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lessons", description=__doc__.partition(": ")[2])
    option = parser.add_argument
    option("names", nargs="*", metavar="LESSON", help="a number, a name, or a part of one that fits no other")
    option("--all", action="store_true", help="run every lesson and print a table")
    option("--jobs", type=positive, default=1, metavar="N", help="with several lessons, how many to run at a time (1)")
    option("--notebooks", type=folder, metavar="DIR", help="write the lessons as .ipynb files")
    option("--gallery", type=folder, metavar="DIR", help="run the lessons and write them as pages, with their figures")
    add_options(parser.add_argument_group("options of every lesson, passed on"))
    options = parser.parse_args(arguments)
    try:
        chosen = [find(name) for name in options.names]
    except LookupError as error:
        parser.error(error.args[0])
    if options.gallery and options.out:
        parser.error("--gallery keeps the figures in its own folder: leave out --out")
    passed_on = as_arguments(options)
    try:
        if options.notebooks:
            return notebooks(chosen or cells.lessons(), options.notebooks)
        if options.gallery:
            from . import gallery

            return gallery.make(chosen or cells.lessons(), options.gallery, passed_on)
    except ModuleNotFoundError as error:
        needs = "--notebooks" if options.notebooks else "--gallery"
        parser.exit(1, f"{parser.prog}: {needs} needs the package {error.name}: {NEEDED}\n")
    if options.all or len(chosen) > 1:
        return run_many(chosen or cells.lessons(), passed_on, options.jobs)
    if chosen:
        return run_one(chosen[0], passed_on)
    return list_lessons()


def find(word):
    """The lesson with this number, this name, or the only one with this part in its name."""
    paths = cells.lessons()
    exact = [path for path in paths if word == path.stem or (word.isdigit() and int(word) == int(path.stem[:2]))]
    found = exact or [path for path in paths if word.lower() in path.stem and not word.isdigit()]
    if len(found) == 1:
        return found[0]
    what = f"{word!r} fits {len(found)} lessons" if found else f"no lesson is called {word!r}"
    raise LookupError(f"{what}; there are {', '.join(path.stem for path in found or paths)}")


def list_lessons():
    """Prints a line for each lesson."""
    width = max(len(path.stem) for path in cells.lessons())
    for path in cells.lessons():
        print(f"{path.stem:<{width}}  {cells.title(path)}")
    return 0


def run_one(path, options):
    """Runs a lesson in this process, as `python LESSON` would."""
    sys.argv = [str(path), *options]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
    return 0


def run_many(paths, options, jobs=1):
    """Runs each lesson in a process of its own, `jobs` at a time, goes on after a failure, and prints a table."""
    print(f"{'lesson':<32}{'time':>8}   published figures")
    failed, started = [], time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(partial(cells.record, options=options), paths)  # in the order of the lessons
        for path in paths:
            print(f"{path.stem:<32}", end="", flush=True)
            result = next(results)
            print(f"{result['seconds']:6.1f} s   {'FAILED' if result['error'] else cells.tally(result['verdicts']) or '-'}")
            if result["error"]:
                failed.append(path.stem)
                print("".join(result["outputs"][-1:]) + result["error"], file=sys.stderr)
    print(f"{f'{len(paths)} lessons, {len(failed)} failed':<32}{time.perf_counter() - started:6.1f} s")
    return 1 if failed else 0


def notebooks(paths, folder):
    """Writes the lessons as notebooks into `folder`, with the modules that they import and the answers beside them."""
    import jupytext

    for path in paths:
        notebook = jupytext.read(path)
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook.metadata["kernelspec"] = kernel
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"  # the same file each time
        write(folder / f"{path.stem}.ipynb", jupytext.writes(notebook, fmt="ipynb"))
        print(f"notebook: {folder / path.stem}.ipynb")
    for name in ("common.py", "options.py", *(f"answers/{path.name}" for path in paths)):
        write(folder / name, (cells.HERE / name).read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
