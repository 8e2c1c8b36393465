"""Figures of the reports, in colours and markers that any kind of colour vision can tell apart."""

import io
from pathlib import Path

import matplotlib

matplotlib.use("agg")  # figures go to files, so no display is needed

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from benchmarks.workload import PHASES
from minigrad.serialization import write_atomically

# Okabe and Ito's colours; the marker tells apart what the colour does not
LOOK = {
    "minigrad": ("#0072B2", "o"),
    "compiled": ("#0072B2", "<"),
    "torch": ("#D55E00", "s"),
    "numpy": ("#000000", "D"),
    "limit": ("#7F7F7F", "|"),
    "jax": ("#009E73", "^"),
    "autograd": ("#CC79A7", "v"),
    "dezero": ("#E69F00", "P"),
    "tinygrad": ("#56B4E9", "X"),
    "micrograd": ("#B8A800", "*"),
}
NAMES = {
    "compiled": "minigrad, compiled",
    "torch": "PyTorch eager",
    "numpy": "NumPy by hand",
    "limit": "limit of NumPy",
    "jax": "JAX, compiled",
    "dezero": "DeZero",
}
SHADES = (1.0, 0.62, 0.3)  # of the colour of a way, by phase
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "savefig.dpi": 130,
}


def library(label):
    """The library of a way's label: "minigrad" for "minigrad tensors"; what is compiled counts as another."""
    return "compiled" if label.endswith("compiled") else label.split()[0]


def hollow(label):
    """The style of a way that is drawn as an outline, so that two ways of one library can be told apart."""
    return label.endswith("tensors")


def save(figure, path):
    """Write a figure to a PNG file, whole or not at all: a reader sees the old picture or the new one."""
    png = io.BytesIO()
    try:
        figure.savefig(png, format="png", bbox_inches="tight")
    finally:
        plt.close(figure)
    write_atomically(Path(path), png.getvalue())


def times(value, _=None):
    """A ratio as a label: "2x", "0.5x"."""
    return f"{value:g}x"


def legend_below(axes, **options):
    """A legend under the label of the x axis, as far from it in a figure of one row as in one of many."""
    place = axes.transAxes + ScaledTranslation(0, -0.55, axes.figure.dpi_scale_trans)  # inches
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=place, fontsize=9, **options)


def overview(report):
    """All workloads of a report: every way's time relative to PyTorch, the phases of three ways, the cost of imports."""
    workloads, startup = report["workloads"], report["startup"]
    rows = max(len(workloads), 1)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(13, 2.6 + 0.46 * rows + (2.2 if startup else 0)), layout="constrained")
        heights = (0.9 + 0.46 * rows, 2.2) if startup else (1,)
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=(1.15, 1))
        if workloads:
            draw_ratios(figure.add_subplot(grid[0, 0]), workloads)
            draw_phases(figure.add_subplot(grid[0, 1]), workloads)
        if startup:
            columns = (("milliseconds", "ms", "Import in a new process: time"), ("megabytes", "MB", "and memory at most"))
            for column, (key, unit, title) in enumerate(columns):
                draw_startup(figure.add_subplot(grid[-1, column]), startup, key, unit, title)
        figure.supxlabel(caption(report["machine"]), fontsize=8, color="#555555")
    return figure


def caption(facts):
    """The machine, the date and the versions, for the foot of a figure."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return f"{facts['cpu']}, {facts['threads']} thread(s), {facts['date'][:10]}; {versions}"


def yardstick(workloads):
    """What all are drawn relative to: PyTorch where it ran, else NumPy by hand."""
    with_torch = any(way["ratio_to_torch"] is not None for record in workloads.values() for way in record["ways"].values())
    return "torch" if with_torch else "numpy"


def draw_ratios(axes, workloads):
    other = yardstick(workloads)
    seen = {}
    for row, record in enumerate(workloads.values()):
        for label, way in record["ways"].items():
            name = library(label)
            value = way[f"ratio_to_{other}"]
            if name == other or value is None:
                continue
            colour, marker = LOOK[name]
            fill = "none" if hollow(label) else colour
            size = {"limit": 14, "numpy": 10}.get(name, 7)
            style = {"color": colour, "marker": marker, "linestyle": "none", "markeredgewidth": 1.6}
            above = {"compiled": 5, "minigrad": 4}.get(name, 3)  # smaller than what they may cover
            axes.plot(value, row, **style, markerfacecolor=fill, markersize=size, zorder=above)
            seen[name] = Line2D([], [], **style, markersize=8, label=NAMES.get(name, name))
    axes.axvline(1, color=LOOK[other][0], linewidth=1.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(times))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(workloads)), workloads)
    axes.set_ylim(len(workloads) - 0.5, -0.5)
    axes.grid(True, axis="both", color="#DDDDDD", linewidth=0.6)
    axes.set_title(f"A training step, relative to {NAMES[other]} (the line; left is faster)")
    axes.set_xlabel("time per step, ratio to that in the same style")
    if any(hollow(label) for record in workloads.values() for label in record["ways"]):
        seen["hollow"] = Line2D([], [], color="#555555", marker="o", markerfacecolor="none", linestyle="none", markersize=8,
                                label="hollow: from tensors")  # fmt: skip
    legend_below(axes, handles=seen.values(), ncols=4, columnspacing=1.2, handletextpad=0.4)


def draw_phases(axes, workloads):
    """Stacked bars: the phases of minigrad, PyTorch and NumPy by hand, relative to the yardstick's whole step.

    Of a library that has ways from tensors and from layers it is that from tensors, as the plain NumPy loop is beside
    PyTorch's: bars of a row are parts of the same step.
    """
    other, height = yardstick(workloads), 0.26
    for row, record in enumerate(workloads.values()):
        ways = record["ways"]
        for offset, name in enumerate(("minigrad", "torch", "numpy")):
            label = next((label for label in ways if library(label) == name), None)
            if label is None or ways[label]["forward"] is None or ways[label][f"ratio_to_{other}"] is None:
                continue
            whole, left = ways[label][f"ratio_to_{other}"], 0
            total = sum(ways[label][phase] for phase in PHASES)
            for phase, shade in zip(PHASES, SHADES):
                width = whole * ways[label][phase] / total
                place = row + (offset - 1) * height
                axes.barh(place, width, height * 0.9, left, color=LOOK[name][0], alpha=shade, linewidth=0)
                left += width
    axes.set_yticks(range(len(workloads)), [""] * len(workloads))
    axes.set_ylim(len(workloads) - 0.5, -0.5)
    axes.axvline(1, color=LOOK[other][0], linewidth=0.8)
    axes.xaxis.set_major_formatter(FuncFormatter(times))
    axes.grid(True, axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title("Its phases, dark to pale: forward, backward, update")
    axes.set_xlabel(f"time per step, relative to {NAMES[other]}")
    handles = [plt.Rectangle((0, 0), 1, 1, color=LOOK[name][0]) for name in ("minigrad", "torch", "numpy")]
    legend_below(axes, handles=handles, labels=["minigrad", NAMES["torch"], NAMES["numpy"]], ncols=3)


def draw_startup(axes, startup, key, unit, title):
    packages = [package for package in startup if startup[package][key] is not None]
    values = [startup[package][key] for package in packages]
    bars = axes.barh(range(len(packages)), values, 0.6, color=[LOOK[package][0] for package in packages])
    axes.bar_label(bars, [f"{value:.0f} {unit}" for value in values], padding=4)
    axes.set_yticks(range(len(packages)), packages)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(title=title, xlabel=unit)


def curves(report):
    """The curves of `scaling`: a panel each, both axes logarithmic."""
    names = list(report["curves"])
    with plt.rc_context(STYLE):
        rows, columns = (len(names) + 1) // 2, min(len(names), 2)
        size = 5.5 * columns, 4.2 * rows + 0.4
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for axes, name in zip(grid.flat, names):
            draw_curve(axes, report["curves"][name])
        for axes in grid.flat[len(names) :]:
            axes.remove()
        figure.supxlabel(caption(report["machine"]), fontsize=8, color="#555555")
    return figure


def draw_curve(axes, curve):
    labels = {label: None for point in curve["points"] for label in point["ways"]}
    for label in labels:
        points = [(point["at"], point["ways"][label]["value"]) for point in curve["points"] if label in point["ways"]]
        name = library(label)
        colour, marker = LOOK[name]
        style = {"marker": marker, "color": colour, "markersize": 9 if marker == "|" else 5}
        axes.plot(*zip(*points), **style, linewidth=1.6, label=NAMES.get(name, name))
    axes.set_xscale("log", base=curve["base"])
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True, color="#DDDDDD", linewidth=0.6)
    axes.set(title=curve["title"], xlabel=curve["axis"], ylabel=curve["unit"])
    axes.legend(fontsize=9)


# what Python takes is the darkest; neighbours are told apart by lightness, too
SLICES = {
    "python": "#222222",
    "optimiser": "#882255",
    "checks": "#CC6677",
    "moving": "#DDCC77",
    "sums": "#44AA99",
    "elementwise": "#88CCEE",
    "products": "#4477AA",
}


def profile(report):
    """Stacked bars: the share of minigrad's steps that each kind of array calls and Python take."""
    workloads = report["workloads"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(11, 1.8 + 0.5 * len(workloads)), layout="constrained")
        for row, found in enumerate(workloads.values()):
            left, whole = 0, max(found["eager"], sum(found["arrays"].values()))  # noise can make the parts more than it
            for name in reversed(SLICES):
                took = found["python"]["eager"] if name == "python" else found["arrays"][name]
                share = max(took, 0) / whole
                axes.barh(row, share, 0.7, left, color=SLICES[name], label=name.capitalize() if row == 0 else None)
                left += share
            axes.text(1.01, row, f"{found['eager']:,.0f} µs", va="center", fontsize=9)
        axes.set_yticks(range(len(workloads)), workloads)
        axes.set(xlim=(0, 1), ylim=(len(workloads) - 0.5, -0.5), xlabel="share of a step as it is",
                 title="Where the time of a training step goes")  # fmt: skip
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
        legend_below(axes, ncols=7)
        figure.supxlabel(caption(report["machine"]), fontsize=8, color="#555555")
    return figure
