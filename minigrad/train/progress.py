"""How far the fit is, on the screen."""

import sys
import time

from tqdm import tqdm

from .callback import Callback
from .metrics import Metrics, length


class ProgressBar(Callback):
    """A bar for each pass over a loader, with the loss as it is now, and a line with the metrics of each epoch.

    Where `file` (by default the standard output) is no terminal there are no bars, and the lines are a plain table.
    """

    order = 30
    requires = (Metrics,)
    rests_in_search = True
    interval = 0.1  # seconds between two looks at the loss, each of which waits for a GPU

    def __init__(self, file=None):
        if file is not None and not hasattr(file, "write"):
            raise TypeError(f"ProgressBar: expected a file to write to, got {type(file).__name__}")
        self.file, self.bar, self.columns, self.due = file, None, None, 0.0

    def before_fit(self, learner):
        self.output = self.file or sys.stdout
        self.columns, self.silent = None, learner.parallel.rank > 0
        self.live = self.output.isatty() and not self.silent

    def before_epoch(self, learner):
        self.started = time.perf_counter()

    def before_train(self, learner):
        self.open(learner, "train", learner.data.train)

    def before_validate(self, learner):
        self.open(learner, "validate", learner.data.validation)

    def open(self, learner, stage, loader):
        if self.live:
            total = length(loader)
            label = f"epoch {learner.epoch + 1}/{learner.epochs} {stage}"
            self.bar = tqdm(total=total, desc=label, file=self.output, leave=False, dynamic_ncols=True)

    def after_batch(self, learner):
        if self.bar is not None:
            if learner.loss is not None and time.perf_counter() >= self.due:
                self.bar.set_postfix_str(f"loss {float(learner.loss):.4f}", refresh=False)
                self.due = time.perf_counter() + self.interval
            self.bar.update(learner.done + 1 - self.bar.n)  # a resumed pass begins in the middle

    def after_train(self, learner):
        self.close(learner)

    def after_validate(self, learner):
        self.close(learner)

    def after_epoch(self, learner):
        if learner.cut_off or self.silent:
            return
        cells = {"epoch": str(learner.epoch + 1)}
        cells |= {name: f"{value:.4f}" for name, value in learner.metrics.items()}
        cells["time"] = f"{time.perf_counter() - self.started:.1f} s"
        if self.columns is None or set(cells) - set(self.columns):
            self.columns = {name: max(len(name), 8) for name in cells}
            self.write("  ".join(name.replace("_", " ").rjust(width) for name, width in self.columns.items()))
        self.write("  ".join(cells.get(name, "").rjust(width) for name, width in self.columns.items()))

    def write(self, line):
        if self.live:
            tqdm.write(line, file=self.output)
        else:
            print(line, file=self.output, flush=True)

    def close(self, learner):
        if self.bar is not None:
            self.bar.close()
            self.bar = None
