"""How a step grows with the width, the batch and the depth of a tanh MLP, and its memory with the depth."""

import json
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from statistics import median

import numpy as np

from benchmarks import memory, runner
from benchmarks.child import last_line
from benchmarks.limit import mlp as limit
from benchmarks.report import heading, machine, number, write_json
from benchmarks.timing import measure, spread
from benchmarks.workload import Way, Workload, in_phases, numpy_draw, starting_point, train_modules

FORMAT = "minigrad scaling 1"
CLASSES, LEARNING_RATE = 10, 0.01
CHECK_STEPS = 3


def problem(width, batch, depth):
    """Random inputs and targets, and `depth` layers of weights (out, in) and biases, the last to `CLASSES`."""
    rng = np.random.default_rng(0)
    examples, parameters = max(batch, 256), []
    for ins, outs in pairwise([width] * depth + [CLASSES]):
        parameters += [rng.standard_normal((outs, ins), np.float32) * np.float32(ins**-0.5), np.zeros(outs, np.float32)]
    inputs, targets = rng.standard_normal((examples, width), np.float32), rng.integers(0, CLASSES, examples)
    return starting_point(inputs, targets, parameters, batch, LEARNING_RATE)


def modules(package, problem):
    """The network from layers and an optimiser, in minigrad or PyTorch by the name of the package."""
    nn = import_module(package + ".nn")
    layers = []
    for weight in problem.parameters[::2]:
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.Tanh()]
    return train_modules(package, problem, nn.Sequential(*layers[:-1]), problem.parameters)


def by_hand(problem):
    """Forward and backward written out in plain NumPy."""
    X, Y = problem.inputs, problem.targets
    parameters = [parameter.copy() for parameter in problem.parameters]
    layers = list(zip(parameters[::2], parameters[1::2]))
    everyone = np.arange(problem.batch)

    def phases(indices):
        h, y, inputs = X[indices], Y[indices], []
        for W, b in layers:
            inputs.append(h)
            z = h @ W.T + b
            h = np.tanh(z) if len(inputs) < len(layers) else z
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        yield -np.log(p[everyone, y]).mean()

        p[everyone, y] -= 1
        g, gradients = p / np.float32(len(y)), []
        for (W, _), h in zip(reversed(layers), reversed(inputs)):
            gradients += [g.sum(0), g.T @ h]
            if len(gradients) < len(parameters):
                g = (g @ W) * (1 - h * h)
        yield

        for parameter, gradient in zip(parameters, reversed(gradients)):
            parameter -= np.float32(LEARNING_RATE) * gradient

    return in_phases(numpy_draw(problem), phases, np.asarray)


WAYS = {
    "minigrad modules": Way(partial(modules, "minigrad"), "minigrad", "torch modules"),
    "numpy": Way(by_hand, "numpy", "torch modules"),
    "limit": Way(limit.deep, "numpy", "torch modules"),
    "torch modules": Way(partial(modules, "torch"), "torch", "torch modules"),
}


@dataclass(frozen=True)
class Curve:
    """One size that grows while the others stand still."""

    size: str  # "width", "batch" or "depth"
    values: tuple[int, ...]
    fixed: dict[str, int]
    base: int  # of the logarithmic axis
    axis: str
    unit: str = "ms per step"

    @property
    def title(self):
        """What stands still."""
        kept = ", ".join(f"{name} {value}" for name, value in self.fixed.items())
        return f"{'Memory' if self.unit.startswith('MB') else 'A step'} against {self.size} ({kept})"


DEPTHS = (1, 3, 10, 30, 100, 300, 1000)
CURVES = {
    "width": Curve("width", tuple(2**n for n in range(5, 13)), {"batch": 32, "depth": 3}, 2, "width of a layer, units"),
    "batch": Curve("batch", tuple(2**n for n in range(14)), {"width": 64, "depth": 3}, 2, "examples in a batch"),
    "depth": Curve("depth", DEPTHS, {"width": 32, "batch": 32}, 10, "layers"),
    "memory": Curve("depth", DEPTHS[2:], {"width": 64, "batch": 512}, 10, "layers", "MB more at the peak, three steps"),
}


def installed():
    """The ways whose package is there."""
    return {label: way for label, way in WAYS.items() if find_spec(way.package)}


def time_point(name, sizes, rounds):
    """Milliseconds per step of every way at one point, after a check that all train alike."""
    workload = Workload(name, partial(problem, **sizes), installed(), {})
    data = workload.problem()
    trainers = {label: way.build(data) for label, way in workload.ways.items()}
    runner.check(f"{name} {sizes}", workload, data, trainers, CHECK_STEPS)
    seconds = {label: [total for total, _ in turns] for label, turns in measure(trainers, rounds).items()}
    return {label: {"value": 1e3 * median(times), "spread": spread(times)} for label, times in seconds.items()}


def rise(label, sizes):
    """`memory.rise` of a way; a network of one layer trains before."""
    problems = problem(**{**sizes, "depth": 1}), problem(**sizes)
    return memory.rise(*[partial(WAYS[label].build, each) for each in problems])


def memory_point(name, sizes, rounds):
    """`rise` of every way, each in a process of its own; ways whose memory the system does not tell are left out."""
    point = {}
    for label in installed():
        code = f"from benchmarks.scaling import rise; print(__import__('json').dumps(rise({label!r}, {sizes!r})))"
        try:
            megabytes = json.loads(last_line(code))
        except RuntimeError as error:
            raise RuntimeError(f"{name} {sizes}: {label!r} failed: {error}") from error
        if megabytes is not None:
            point[label] = {"value": megabytes, "spread": None}
    return point


def run_curve(name, rounds, every=1):
    """Time or weigh every way at every point, or at every `every`-th from the largest; prints a line for each."""
    curve = CURVES[name]
    record = {"title": curve.title, "axis": curve.axis, "unit": curve.unit, "base": curve.base, "points": []}
    labels = installed()
    print(f"\n{name}: {curve.title}, {curve.unit}\n  {curve.size:>8}" + "".join(f"{label:>20}" for label in labels))
    for value in curve.values[:: -every][::-1]:
        point = memory_point if name == "memory" else time_point
        ways = point(name, {**curve.fixed, curve.size: value}, rounds)
        record["points"].append({"at": value, "ways": ways})
        cells = (f"{number(ways.get(label, {}).get('value'), '.3f'):>20}" for label in labels)
        print(f"  {value:8}" + "".join(cells), flush=True)
    return record


def run(names, rounds, every, threads, json_path=None, plot_path=None):
    """Run curves by name and print them; write them to a JSON file, after each of them, and draw them if paths are given."""
    missing = sorted({way.package for way in WAYS.values()} - {way.package for way in installed().values()})
    for package in missing:
        print(f"{package} is not installed: its column is left out")
    facts = machine(threads, {way.package for way in installed().values()})
    print(heading(facts))
    report = {"format": FORMAT, "machine": facts, "rounds": rounds, "curves": {}}
    for name in names:
        report["curves"][name] = run_curve(name, rounds, every)
        if json_path:
            write_json(json_path, report)
    if plot_path:
        from benchmarks import plot  # only now: matplotlib takes a while to import

        plot.save(plot.curves(report), plot_path)
