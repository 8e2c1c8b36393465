"""Files from which a fit can go on."""

from pathlib import Path

from .stopping import Monitor


class Checkpoint(Monitor):
    """Writes `last.safetensors` into a folder after every epoch, and `best.safetensors` after the best so far.

    Each holds the whole state of the learner (see Learner.state_dict), for `learner.resume` and `learner.load`, in the
    format of `minigrad.save`: no code, and never half a file. `every`: epochs between two writings of the last. A fit
    that ends in the middle of an epoch, as by Ctrl-C, writes it as well. `monitor`, `mode`: see Monitor. Their paths:
    `last_path` and `best_path`.
    """

    order = 50  # when every other callback has seen the epoch

    def __init__(self, folder, monitor=None, mode="min", every=1):
        super().__init__(monitor, mode)
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"Checkpoint: expected every to be a positive number of epochs, got {every!r}")
        self.folder, self.every = Path(folder), every
        self.last_path, self.best_path = self.folder / "last.safetensors", self.folder / "best.safetensors"
        self.written = None  # the position that the last file holds

    def before_fit(self, learner):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written = None

    def after_epoch(self, learner):
        if not learner.cut_off:
            if self.improved(learner):
                learner.save(self.best_path)
            if (learner.epoch + 1) % self.every == 0:
                self.write(learner)

    def after_fit(self, learner):
        if learner.position() != self.written:
            self.write(learner)

    def write(self, learner):
        learner.save(self.last_path)
        self.written = learner.position()
