"""`python -m benchmarks.gpu.steps FILE`: training steps of minigrad on CuPy beside PyTorch's on the same GPU.

Both run in turns in this one process, timed by events on the stream that they compute on. PyTorch keeps its defaults:
matrix products in float32, convolutions in TF32 where the GPU has it; CuPy computes in float32 throughout. FILE, a JSON, is
written anew after every workload, so that what was measured is there if time runs out.
"""

import argparse
import statistics
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import images, mnist_mlp, names_deep, names_mlp, transformer
from benchmarks.report import number, write_json
from benchmarks.timing import device_turn, measure, ratio, spread
from benchmarks.workload import Workload

LAUNCH_BOUND, LARGE = {"torch": 1.0}, {"torch": 1.3}  # the largest ratio wanted to PyTorch's step
CHECK_STEPS, TOLERANCE, TF32 = 5, 1e-4, 1e-2  # how far the losses of the first steps may lie apart, relatively
PROFILED = 5  # steps
GPT = {"layers": 6, "width": 384, "heads": 6, "batch": 64, "length": 256}

WORKLOADS = {
    "names MLP": Workload("batch 32", partial(names_mlp.problem, False), names_mlp.ways(False), LAUNCH_BOUND),
    "names MLP, batch norm": Workload("batch 32", partial(names_mlp.problem, True), names_mlp.ways(True), LAUNCH_BOUND),
    "deep batch-norm net": Workload("six layers, batch 32", names_deep.problem, names_deep.WAYS, LAUNCH_BOUND),
    "MNIST MLP, 512": Workload("batch 512", partial(mnist_mlp.problem, 512), mnist_mlp.WAYS, LAUNCH_BOUND),
    "MNIST MLP, 8192": Workload("batch 8192", partial(mnist_mlp.problem, 8192), mnist_mlp.WAYS, LARGE),
    "conv net, 512": Workload("batch 512", partial(images.problem, False, 512), images.WAYS, LARGE),
    "conv net, 4096": Workload("batch 4096", partial(images.problem, False, 4096), images.WAYS, LARGE),
    "transformer": Workload(
        "6 layers of 384, 6 heads, batch 64, context 256", partial(transformer.problem, **GPT), transformer.WAYS, LARGE
    ),
}
CONVOLUTIONS = {name for name in WORKLOADS if name.startswith("conv")}


# ------------------------------------------------------------------------------------------------------- the two clocks


class CupyClock:
    """Events on the stream that CuPy computes on."""

    def __init__(self):
        import cupy

        self.cuda = cupy.cuda

    def mark(self):
        """An event that happens when the stream has come to it."""
        event = self.cuda.Event()
        event.record(self.cuda.get_current_stream())
        return event

    def seconds(self, start, stop):
        """The time between two events; waits for the second."""
        stop.synchronize()
        return self.cuda.get_elapsed_time(start, stop) / 1e3


class TorchClock:
    """Events on the stream that PyTorch computes on."""

    def __init__(self):
        import torch

        self.cuda = torch.cuda

    def mark(self):
        """An event that happens when the stream has come to it."""
        event = self.cuda.Event(enable_timing=True)
        event.record(self.cuda.current_stream())
        return event

    def seconds(self, start, stop):
        """The time between two events; waits for the second."""
        stop.synchronize()
        return start.elapsed_time(stop) / 1e3


def without_torch():
    """Why PyTorch takes no part, in a sentence, or None where it does."""
    if find_spec("torch") is None:
        return "PyTorch is not installed: its columns are empty"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU: its columns are empty"
    return None


def precision_of_torch():
    """How PyTorch multiplies matrices by default, in a sentence."""
    import torch

    words = {True: "TF32", False: "float32"}
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return f"PyTorch's defaults: matrix products in {words[products]}, convolutions in {words[convolutions]}"


# ------------------------------------------------------------------------------------------------------- one workload


def losses(problem, trainer):
    """The losses of a few steps on minibatches that are the same for every way."""
    rng = np.random.default_rng(1)
    minibatches = [rng.integers(0, problem.examples, problem.batch) for _ in range(CHECK_STEPS)]
    return [trainer.step(trainer.indices(minibatch)).item() for minibatch in minibatches]


def crossings(trainer):
    """What a step sends over the bus and how often the host waits, as counted by minigrad: {"to device": ..., ...}."""
    from minigrad import cuda

    with cuda.counting() as counted:
        for _ in range(PROFILED):
            trainer.step(trainer.draw())
    return {name: counted[name] / PROFILED for name in ("to device", "to host", "waits")}


def kernels(trainer):
    """How many kernels a step of either library runs on the device, as PyTorch's profiler sees them; None: it sees none."""
    import torch

    device = torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[device]) as profile:
        for _ in range(PROFILED):
            trainer.step(trainer.draw())
        torch.cuda.synchronize()
    on_device = [event.name for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in on_device) / PROFILED or None


def run_workload(name, rounds, with_torch):
    """Check and time one workload on the device; {"title", "target", "ways": {label: its figures}}."""
    workload = WORKLOADS[name]
    problem = workload.problem()
    problem.device = "cuda"
    packages = ("minigrad", "torch") if with_torch else ("minigrad",)
    labels = [label for label, way in workload.ways.items() if way.package in packages]
    trainers = {label: workload.ways[label].build(problem) for label in labels}
    first = {label: losses(problem, trainer) for label, trainer in trainers.items()}
    clocks = {label: TorchClock() if workload.ways[label].package == "torch" else CupyClock() for label in labels}
    turns = measure({label: (trainers[label], clocks[label]) for label in labels}, rounds, device_turn)
    seconds = {label: [on_device for on_device, _ in turns[label]] for label in labels}
    record = {"title": workload.title, "target": workload.targets["torch"], "ways": {}}
    for label, trainer in trainers.items():
        way = workload.ways[label]
        result = {
            "device": 1e6 * statistics.median(seconds[label]),
            "host": 1e6 * statistics.median(host for _, host in turns[label]),
            "noise": spread(seconds[label]),
            "ratio": ratio(seconds, label, way.rival),
            "kernels": kernels(trainer) if with_torch else None,
        }
        if way.package == "minigrad":
            if way.rival in first:
                apart = max(abs(a - b) / abs(b) for a, b in zip(first[label], first[way.rival]))
                result["apart"], result["allowed"] = apart, TF32 if name in CONVOLUTIONS else TOLERANCE
            result |= crossings(trainer)
        record["ways"][label] = result
    return record


def passed(record):
    """Whether every way of a workload took the steps that its rival took."""
    return all(way.get("apart", 0) <= way.get("allowed", 0) for way in record["ways"].values())


COLUMNS = (
    "workload", "way", "device us/step", "noise", "host us/step", "/ torch", "target", "kernels", "to device", "to host",
    "waits", "losses apart",
)  # fmt: skip


def rows(workloads):
    """The cells of the table, one row for each way."""
    for name, record in workloads.items():
        for label, way in record["ways"].items():
            ours = label.startswith("minigrad")
            yield [
                name, label, f"{way['device']:.1f}", f"{way['noise']:.0%}", f"{way['host']:.1f}",
                number(way["ratio"], ".2f"), f"<= {record['target']}" if ours else "", number(way["kernels"], ".0f"),
                *(number(way.get(count), ".1f") for count in ("to device", "to host", "waits")),
                number(way.get("apart"), ".0e") + (" (too far)" if way.get("apart", 0) > way.get("allowed", 0) else ""),
            ]  # fmt: skip


def main():
    """Time the workloads named, or all, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.steps", description=__doc__)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=40, help="turns that every way gets (40)")
    arguments = parser.parse_args()
    reason = without_torch()
    report = {"notes": [reason or precision_of_torch()], "workloads": {}}
    for name in arguments.workloads or WORKLOADS:
        report["workloads"][name] = run_workload(name, arguments.rounds, not reason)
        write_json(arguments.file, report)


if __name__ == "__main__":
    main()
