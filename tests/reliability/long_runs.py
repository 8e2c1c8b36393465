"""Lesson 10 from its first cell to its last, under `tracemalloc` and with Ctrl-C at random times in every training run.

The lesson runs twice, in a process each: as it is, and with its `train` called for a section of the steps at a time, as a
reader would who cannot leave the computer on. After each section the parameters, the generator, the running statistics and
the losses so far are saved. A first Ctrl-C ends a section early, a second one may come in the middle of a step or of a save;
then the run goes on from the last file. Both are to end with the same losses and the same figures.
"""

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

import minigrad as mg

from . import Row

ROOT = Path(__file__).resolve().parent.parent.parent
LESSON = ROOT / "lessons" / "10_activations_and_gradients.py"
KILOBYTES = 64  # that may come and go between sections


# ------------------------------------------------------------------------------------------------- what is interrupted


def serve(folder, steps, section):
    """Run the lesson's cells, in sections where there are any, and leave what came out in a file."""
    sys.path.insert(0, str(LESSON.parent))
    from cells import read

    sys.argv = [str(LESSON), "--out", str(folder), *(["--steps", str(steps)] if steps else [])]
    names, found = {"__name__": "__main__", "__file__": str(LESSON)}, {}
    for cell in read(LESSON):
        if cell.kind == "code":
            exec(compile("\n" * (cell.line - 1) + cell.text, LESSON, "exec"), names)
            if section and "def train(" in cell.text:
                names["train"] = interruptible(names, section, folder, found)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    losses = {label: np.array(values).tobytes().hex() for label, values in names["losses"].items()}
    result = {"losses": losses, "rows": [list(row) for row in names["lesson"].rows], "found": found}
    (folder / "result.json").write_text(json.dumps(result))


def from_step(progress, start, section, steps, label):
    """The lesson's own steps, for a section from `start` on."""
    return (start + i for i in progress(min(section, steps - start), label))


heard = []  # not empty while Ctrl-C is to be heard


def interrupt(number, frame):
    """Raise KeyboardInterrupt, once."""
    if heard:
        heard.clear()
        raise KeyboardInterrupt


def interruptible(names, section, folder, found):
    """The lesson's `train`, which may be interrupted; what each run met goes to `found`."""
    train, lesson = names["train"], names["lesson"]
    steps, progress = names["steps"], lesson.progress
    signal.signal(signal.SIGINT, interrupt)
    tracemalloc.start()

    def in_sections(forward, parameters, g, label):
        path, losses = folder / f"{label}.safetensors", np.full(steps, np.nan)
        met = found[label] = {"early": 0, "abrupt": 0, "sizes": []}
        done = 0
        save(path, names, parameters, g, losses[:done])
        while done < steps:
            lesson.progress = functools.partial(from_step, progress, done, section)
            try:
                heard.append(True)
                more = train(forward, parameters, g, label)
                losses[done : done + len(more)] = more
                save(path, names, parameters, g, losses[: done + len(more)])
                heard.clear()
                met["early"] += len(more) < min(section, steps - done)
            except KeyboardInterrupt:
                met["abrupt"] += 1
            before, done, more = done, restored(path, names, parameters, g, losses), None
            assert before <= done, f"{label}: the checkpoint fell back from {before} to {done} steps"
            met["sizes"].append(tracemalloc.get_traced_memory()[0])
        return losses.tolist()

    return in_sections


def save(path, names, parameters, g, losses):
    state = {"parameters": parameters, "stream": mg.tensor(g.get_state()), "losses": mg.tensor(losses)}
    mg.save(state | {"running": names.get("running", {})}, path)


def restored(path, names, parameters, g, losses):
    """Put everything back to how it was saved; how many steps had been done, with the same losses."""
    state = mg.load(path)
    with mg.no_grad():
        for p, value in zip(parameters, state["parameters"], strict=True):
            p.copy_(value)
            p.grad = None
    g.set_state(state["stream"].numpy())
    names.get("running", {}).update(state["running"])
    saved = state["losses"].numpy()
    assert saved.tobytes() == losses[: len(saved)].tobytes(), f"{path.stem}: other losses are in the checkpoint"
    return len(saved)


# ------------------------------------------------------------------------------------------------------ who interrupts


def started(folder, steps, section):
    """A process that runs the lesson and, as far as it does not ask otherwise, ignores Ctrl-C."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "tests.reliability.long_runs", str(folder), str(steps), str(section)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL,
        stderr=(folder / "errors").open("w"), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip


def interrupted(process, seconds, times, chance):
    """Send Ctrl-C about every so many seconds, so many times, of which every third is twice."""
    for i in range(times):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 2 * seconds))
            return
        for _ in range(1 + (i % 3 == 2)):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() * 0.001)


def run(steps, section, seconds, times, seed=1):
    """Run the lesson both ways, one of them `interrupted`; what its training runs met."""
    results = []
    with tempfile.TemporaryDirectory() as straight, tempfile.TemporaryDirectory() as broken:
        folders = Path(straight), Path(broken)
        processes = started(folders[0], steps, 0), started(folders[1], steps, section)
        interrupted(processes[1], seconds, times, random.Random(seed))
        for process, folder in zip(processes, folders, strict=True):
            assert process.wait() == 0, (folder / "errors").read_text()[-6000:]
            results.append(json.loads((folder / "result.json").read_text()))
    for what in ("losses", "rows"):
        assert results[0][what] == results[1][what], f"the {what} of interrupted runs differ from those of others"
    return results[1]


def growth(sizes):
    """Kilobytes that the largest sample of the second half is above the largest of the first."""
    half = len(sizes) // 2
    return (max(sizes[half:]) - max(sizes[:half])) // 1024


def rows(full):
    # no number of steps: as many as the lesson takes, which are 200000
    result = run(0, 5_000, 4.0, 300) if full else run(400, 100, 0.7, 20)
    runs = result["found"].values()
    most = max(growth(met["sizes"]) for met in runs)
    assert most <= KILOBYTES or not full, f"{most} kB more traced in the second half of a run"
    early, abrupt = (sum(met[kind] for met in runs) for kind in ("early", "abrupt"))
    agree = sum(row[4] == "equal" or row[4].startswith("within") for row in result["rows"])
    steps = sum(len(losses) // 16 for losses in result["losses"].values())
    return [
        Row(f"steps of lesson 10's {len(runs)} runs, interrupted", steps, "the losses and figures of runs that were not"),
        Row("Ctrl-C that ended a section early, at random times", early, "losses whole, checkpoint loads, run goes on"),
        Row("Ctrl-C twice, within a step or a save", abrupt, "the last checkpoint loads, run goes on"),
        Row("samples of traced memory", sum(len(met["sizes"]) for met in runs), f"{most} kB more at most in a second half"),
        Row("published figures after all that", agree, f"reproduced, of {len(result['rows'])} that are compared"),
    ]


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
