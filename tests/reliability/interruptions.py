"""Ctrl-C at random times in fits of lesson 10's five networks: the recorder and the checkpoint are usable each time.

A process of its own (`python -m tests.reliability.interruptions folder`) fits, under `tracemalloc`, a network for every
line that it reads; it says when it starts and, when it was interrupted, what it found.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.train import Checkpoint, Learner, Recorder
from minigrad.utils.data import DataLoader, TensorDataset

from ..training import bytes_of
from . import Row

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORKS = {  # scales of W1, b1, W2 and b2, and whether batch norm stands before the tanh
    "naive": (1.0, 1.0, 1.0, 1.0, False), "small logits": (1.0, 1.0, 0.01, 0.0, False),
    "small inputs": (0.2, 0.01, 0.01, 0.0, False), "Kaiming": (5 / 3 / 30**0.5, 0.01, 0.01, 0.0, False),
    "batch norm": (5 / 3 / 30**0.5, 0.0, 0.01, 0.0, True),
}  # fmt: skip
EPOCHS = 4


def network(scale_w1, scale_b1, scale_w2, scale_b2, normalised):
    hidden, output = nn.Linear(30, 200), nn.Linear(200, 27)
    with mg.no_grad():
        for p, scale in zip((*hidden.parameters(), *output.parameters()), (scale_w1, scale_b1, scale_w2, scale_b2)):
            nn.init.normal_(p).mul_(scale)
    layers = [hidden, nn.BatchNorm1d(200), nn.Tanh(), output] if normalised else [hidden, nn.Tanh(), output]
    return nn.Sequential(nn.Embedding(27, 10), nn.Flatten(), *layers)


def make(name, folder):
    """A learner, always from the same random numbers; and its recorder and checkpoint."""
    mg.manual_seed(10)
    data = TensorDataset(mg.randint(0, 27, (960, 3)), mg.randint(0, 27, (960,)))
    model = network(*NETWORKS[name])
    recorder, checkpoint = Recorder(), Checkpoint(folder)
    loaders = DataLoader(data, 32, shuffle=True), None
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    return Learner(model, loaders, F.cross_entropy, optimizer, [recorder, checkpoint]), recorder, checkpoint


# ----------------------------------------------------------------------------------------------- what is interrupted


def serve(folder):
    """Fit a network for every line of the input."""
    references, sizes = {}, []
    tracemalloc.start()
    for count, line in enumerate(sys.stdin):
        name = line.strip()
        if name not in references:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            learner, recorder, _ = make(name, Path(folder, name))
            start = time.perf_counter()
            learner.fit(EPOCHS)
            references[name] = bytes_of(learner), recorder.losses, time.perf_counter() - start
        learner, recorder, checkpoint = make(name, Path(folder, str(count)))
        say(references[name][2])
        interrupted(learner)
        done = check(name, learner, recorder, checkpoint, references[name])
        del learner, recorder, checkpoint
        sizes.append(tracemalloc.get_traced_memory()[0])
        say({**done, "bytes": sizes[-1]})


def say(what):
    print(json.dumps(what), flush=True)


def interrupted(learner):
    """Fit until Ctrl-C comes; from then on it is ignored."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        learner.fit(EPOCHS)
        if not learner.interrupted:
            time.sleep(30)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def check(name, learner, recorder, checkpoint, reference):
    """What was recorded is the beginning of an uninterrupted run, and a resumed fit ends as that does."""
    result, losses, _ = reference
    count = len(recorder.losses)
    assert len(recorder.lrs) == count, f"{count} losses and {len(recorder.lrs)} learning rates are recorded"
    assert recorder.losses == losses[:count], "the recorded losses differ from those of an uninterrupted run"
    assert all(row["steps"] <= count for row in recorder.metrics)
    resumed = checkpoint.last_path.exists()
    if resumed:
        again, recorder, _ = make(name, checkpoint.folder)
        mg.manual_seed(99)
        again.resume(checkpoint.last_path)
        assert bytes_of(again) == result, "a resumed fit ends with other numbers than an uninterrupted one"
        assert recorder.losses == losses and len(recorder.lrs) == len(losses)
    return {"steps": count, "of": len(losses), "resumed": resumed}


# ----------------------------------------------------------------------------------------------------- who interrupts


def run(count, seed=1):
    """Interrupt so many fits at random times, every third by two signals; what each found."""
    chance, found = random.Random(seed), []
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.interruptions", folder], cwd=ROOT, text=True,
            env=os.environ | {"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
        )  # fmt: skip
        with process:
            for i in range(count):
                process.stdin.write(list(NETWORKS)[i % len(NETWORKS)] + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if answer:
                    time.sleep(chance.random() * json.loads(answer))
                    for _ in range(1 + (i % 3 == 2)):
                        process.send_signal(signal.SIGINT)
                        time.sleep(chance.random() * 0.0005)
                    answer = process.stdout.readline()
                if not answer:
                    process.kill()
                    process.wait()
                    errors.seek(0)
                    raise AssertionError(f"interruption {i + 1}, seed {seed}: {errors.read()[-2000:]}")
                found.append(json.loads(answer))
            process.stdin.close()
    return found


def rows(full):
    found = run(100 if full else 5)
    half = found[len(found) // 2 :]
    growth = (half[-1]["bytes"] - half[0]["bytes"]) // 1024
    assert growth < 256, f"{growth} kB more traced after {len(found)} interrupted fits"
    resumed = sum(one["resumed"] for one in found)
    within = sum(0 < one["steps"] < one["of"] for one in found)
    return [
        Row("fits of lesson 10's networks, Ctrl-C at random times", len(found), f"{within} in the middle; recorder whole"),
        Row("of these, resumed from their checkpoint", resumed, "ended with the bytes of an uninterrupted run"),
        Row("kilobytes traced, more after the second half", growth, "under tracemalloc"),
    ]


if __name__ == "__main__":
    serve(sys.argv[1])
