"""The options that every lesson understands."""

import argparse
import os
from pathlib import Path


def folder(text):
    """The path of a folder to write to, which is made where there is none; an error of argparse's where that fails."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write to the folder {path}")
    return path


def positive(text):
    """A number of 1 or more; an error of argparse's where it is none."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")
    return number


def add_options(parser, seed=None, out=None):
    """Adds --quick, --steps, --seed, --out and --show, with these defaults for the seed and the folder."""
    option = parser.add_argument
    option("--quick", action="store_true", help="run every cell in seconds: training is cut short")
    option("--steps", type=positive, metavar="N", help="steps of every training run")
    option("--seed", type=int, default=seed, help="of the generator" + (" (default %(default)s)" if seed else ""))
    option("--out", type=folder, default=out, help="where a folder of figures is made")
    option("--show", action="store_true", help="open the figures in windows as well")


def as_arguments(options):
    """The command line that says what `options`, a parsed namespace, was told."""
    switches = [f"--{name}" for name in ("quick", "show") if getattr(options, name)]
    valued = [(name, getattr(options, name)) for name in ("steps", "seed", "out")]
    return switches + [word for name, value in valued if value is not None for word in (f"--{name}", str(value))]
