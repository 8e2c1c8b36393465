"""What every lesson shares: its options, its figures, its training loops, and its "published / here" rows."""

import argparse
import builtins
import importlib.util
import io
import math
import signal
import sys
import time
from collections import Counter, namedtuple
from pathlib import Path

import matplotlib.pyplot as plt
from options import add_options
from PIL import Image
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
if importlib.util.find_spec("minigrad") is None:  # a checkout that is not installed
    sys.path.insert(0, str(HERE.parent))

# In a notebook the arguments belong to the kernel, and figures are shown where they are made.
NOTEBOOK = hasattr(builtins, "__IPYTHON__")

plt.rc("figure", **{"constrained_layout.use": True})
plt.rc("savefig", dpi=110)
plt.rc("font", size=12)
plt.rc("axes", **{"titlesize": 12, "spines.top": False, "spines.right": False})
plt.rc("legend", frameon=False)
plt.rc("lines", linewidth=2)

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"


TWICE_WITHIN = 2.0  # seconds: Ctrl-C twice in a row, which leaves the lesson

Row = namedtuple("Row", "name published here form verdict")


class Lesson:
    """Reads the options of a lesson and keeps its figures together.

    lesson = Lesson("10_activations_and_gradients", seed=2147483647)
    steps = lesson.steps(full=200_000, quick=2_000)       # what --steps or --quick make of it
    for step in lesson.progress(steps, "training"): ...   # a bar on a terminal; Ctrl-C ends the loop cleanly
    lesson.save(figure, "1_hockey_stick")                 # a PNG in lessons/out/NAME/, or under --out
    lesson.compare("bn.step0", "loss at step 0", 3.3147, loss.item(), "%.4f")
    lesson.summary()
    """

    def __init__(self, name, seed=2147483647):
        parser = argparse.ArgumentParser(prog=name)
        add_options(parser, seed=seed, out=str(HERE / "out"))  # text, which argparse checks as it would a given one
        self.options = parser.parse_args([] if NOTEBOOK else None)
        self.quick, self.seed, self.default_seed = self.options.quick, self.options.seed, seed
        self.out = self.options.out.resolve() / name
        self.stand_in = False
        self.rows = []
        self.cover = None
        self.interrupted = -math.inf  # when Ctrl-C last ended a loop
        self.show = NOTEBOOK or self.options.show
        if not self.show:
            plt.switch_backend("agg")
        if not NOTEBOOK:
            sys.excepthook = _leave

    def steps(self, full, quick):
        """The length of a training run: `full`, unless --steps or --quick shorten it."""
        return self.options.steps or (quick if self.quick else full)

    def note_stand_in(self, stand_in, what):
        """Says once, in a line, that the lesson runs on other data than the published figures came from."""
        self.stand_in = stand_in
        if stand_in:
            print(f"note: these are the stand-in {what}, so figures will differ from the published ones")

    def progress(self, steps, label):
        """Yields 0 ... steps - 1; Ctrl-C ends the loop after the step in hand, a second one at once the lesson."""
        interrupted = []

        def stop(signum, frame):
            twice = time.monotonic() - self.interrupted < TWICE_WITHIN  # the first may have ended the loop before
            self.interrupted = time.monotonic()
            interrupted.append(True)
            signal.signal(signal.SIGINT, previous)
            if twice:
                raise KeyboardInterrupt

        previous = signal.getsignal(signal.SIGINT)  # known before `stop` may be called
        signal.signal(signal.SIGINT, stop)
        try:
            bar = tqdm(range(steps), desc=label, leave=False, disable=None)  # None: only on a terminal
            for step in bar:
                yield step
                if interrupted:
                    bar.close()
                    print(f"{label}: stopped after {step + 1} of {steps} steps (Ctrl-C twice in a row leaves the lesson)")
                    return
        finally:
            signal.signal(signal.SIGINT, previous)

    def save(self, figure, name, cover=False):
        """Writes the figure as NAME.png, whole or not at all, and prints where it is.

        The one saved with `cover=True`, or else the first, stands for the lesson in the gallery's index.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{name}.png"
        partial, drawn = path.with_suffix(".part"), io.BytesIO()
        try:
            figure.savefig(drawn, format="png")
            # A palette of 256 colours makes the file a third as large, and looks the same.
            palette = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            palette.save(partial, format="png", optimize=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        if cover or self.cover is None:
            self.cover = path.name
        print(f"figure: {path}")
        if self.show:
            plt.show()
        plt.close(figure)

    def compare(self, name, what, published, here, form, tolerance=None, complete=True):
        """Prints published numbers above ours: equal as printed by `form`, or at most `tolerance` apart.

        Each is a number, a list, or a list of lists, which is printed a line each; `complete` says whether the
        run that ours came from had its full length.
        """
        table = isinstance(published, (list, tuple)) and isinstance(published[0], (list, tuple))
        width = len(published[0]) if table else 10
        published, here = _numbers(published), _numbers(here)
        verdict = self._verdict(published, here, form, tolerance, complete)
        self.rows.append(Row(name, published, here, form, verdict))
        print(f"{name}: {what}\n  published  {_wrap(published, form, width)}")
        print(f"  here       {_wrap(here, form, width)}   {verdict}")

    def _verdict(self, published, here, form, tolerance, complete):
        if not complete:
            return "needs the full run"
        if len(here) == len(published):
            distance = max(abs(a - b) for a, b in zip(published, here, strict=True))
            if tolerance is None and [form % a for a in published] == [form % b for b in here]:
                return "equal"
            if tolerance is not None and distance <= tolerance:
                return f"within {tolerance:g}"
        if self.stand_in:
            return "other data"
        return "DIFFERS" if self.seed == self.default_seed else "other seed"

    def summary(self):
        """Prints every row of `compare` once more, as one table."""
        width = max([24, *(len(row.name) for row in self.rows)]) + 2
        print(f"\n{'figure':<{width}}{'published':<22}{'here':<22}verdict")
        for name, published, here, form, verdict in self.rows:
            cells = [_wrap(v, form) if len(v) <= 3 else f"{len(v)} values" for v in (published, here)]
            print(f"{name:<{width}}{cells[0]:<22}{cells[1]:<22}{verdict}")
        verdicts = Counter(row.verdict for row in self.rows)
        print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))


def block_means(losses, blocks):
    """Mean loss of each of `blocks` equal runs of steps, and the step in the middle of each; as two lists, steps first."""
    size = max(1, len(losses) // blocks)
    starts = range(0, len(losses) - size + 1, size)
    return [s + size / 2 for s in starts], [sum(losses[s : s + size]) / size for s in starts]


def place_labels(axis, labels, circles=False):
    """Writes each (x, y, text, colour) at its point, or near by with a line to it where it would cover another.

    The limits of the axis must be final. `circles`: the text stands in black in a circle of its colour.
    """
    axis.figure.draw_without_rendering()  # which settles where the points are
    to_points, height, placed = 72 / axis.figure.dpi, 18 if circles else 14, []
    shrink = 0 if circles else 6  # points by which a line keeps away from the text
    away = [(r * math.cos(a * math.pi / 4), r * math.sin(a * math.pi / 4)) for r in range(0, 200, 5) for a in range(8)]
    for x, y, text, colour in sorted(labels):
        place, reach = axis.transData.transform((x, y)) * to_points, max(height, 8 * len(text)) / 2
        for dx, dy in away:  # from near to far
            across, up = place[0] + dx, place[1] + dy
            if all(abs(across - a) >= reach + r or abs(up - b) >= height for a, b, r in placed):
                break
        placed.append((across, up, reach))
        line = {"arrowstyle": "-", "color": "0.4", "linewidth": 0.8, "shrinkA": shrink, "shrinkB": 0} if dx or dy else None
        circle = {"boxstyle": "circle,pad=0.15", "facecolor": colour, "edgecolor": "none"} if circles else None
        axis.annotate(text, (x, y), xytext=(dx, dy), textcoords="offset points", ha="center", va="center", bbox=circle,
                      color=BLACK if circles else colour, arrowprops=line)  # fmt: skip


def _leave(kind, error, trace):
    """Instead of a traceback, a line where Ctrl-C ended the lesson; the shell sees the status 130."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _numbers(value):
    return [number for part in value for number in _numbers(part)] if isinstance(value, (list, tuple)) else [float(value)]


def _wrap(values, form, width=10):
    words = [form % v if math.isfinite(v) else str(v) for v in values]
    return ("\n" + " " * 13).join(" ".join(words[i : i + width]) for i in range(0, len(words), width))
