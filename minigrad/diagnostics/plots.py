"""Figures of what happens inside a network while it trains, from a `Record` or from plain values.

    with watch(model, optimizer, classes=27) as record:
        ...                                   # the usual loop
    dashboard(record)                         # everything in one figure
    plot_activations(record, layers="Tanh")   # or one graph at a time
    plot_activations({"layer 1": h1, "layer 2": h2})
    plot_saturated_units(h)

Every function returns the matplotlib Figure. It draws on `ax` or `axes` where they are given, and otherwise makes a figure
in `style` "light" or "dark", by default whichever fits the user's own settings. Keys stand beside the graph: a figure of
your own needs `layout="constrained"` to leave room for them, or `key=False`. Colours follow depth, dark at the input.

`layers` and `parameters` choose by name or kind, with `*` for any text: `layers="Tanh"`, `layers=["0", "3"]`,
`parameters="*.weight"`; by default they are the nonlinear layers and the weight matrices of a record, where it has any.
Values may be tensors on a GPU. Those that are not finite are left out and counted in the key, or marked by crosses.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from .curves import plot_loss, plot_means_and_stds, plot_near_zero, plot_saturation, plot_updates
from .distributions import plot_activations, plot_gradients, plot_weight_gradients
from .images import plot_histograms, plot_saturated_units
from .sources import NothingToDraw, is_record, layers_of, parameters_of
from .style import background, depth_colours, depth_key, drawing, root

__all__ = [
    "plot_activations", "plot_gradients", "plot_weight_gradients", "plot_histograms", "plot_means_and_stds",
    "plot_near_zero", "plot_saturation", "plot_saturated_units", "plot_updates", "plot_loss", "dashboard",
]  # fmt: skip

MOST_IMAGES = 6  # in a row of the dashboard
AROUND_ZERO = "Tanh", "Hardtanh", "Softsign"  # kinds that are saturated where |h| is near 1


def dashboard(record, *, layers=None, parameters=None, style=None):
    """All graphs of a Record in one figure, with images of six layers at most, spread over the depth.

    The last row, which units are saturated, is there for layers of tanh and its like. A graph for which nothing was
    recorded says so in its place. ValueError for a record without a step or a layer.
    """
    if not is_record(record):
        raise TypeError(f"dashboard: expected a Record, got {type(record).__name__}")
    if not len(record.steps):
        raise NothingToDraw("dashboard: the record holds no step; run a training step inside `watch`")
    chosen = layers_of("dashboard", record, layers)
    names = list(chosen)
    some = [names[i] for i in sorted({round(i) for i in np.linspace(0, len(names) - 1, MOST_IMAGES)})]
    bounded = [name for name in some if chosen[name].kind in AROUND_ZERO]
    of_layers, of_parameters = {"layers": layers, "key": False}, {"parameters": parameters, "key": False}
    with drawing("dashboard", None, style, lambda: _panels(len(some), len(bounded))) as axes:
        graphs = [  # each with the titles that its axes have where there is nothing to draw
            (plot_loss, {}, ["Loss"]), (plot_updates, of_parameters, ["Updates beside their parameters"]),
            (plot_weight_gradients, of_parameters, ["Gradients of the parameters"]),
            (plot_activations, of_layers, ["Activations"]), (plot_gradients, of_layers, ["Gradients of the activations"]),
            (plot_near_zero, of_layers, ["Activations near zero"]),
            (plot_means_and_stds, of_layers, ["Mean of activations", "Standard deviation of activations"]),
            (plot_saturation, of_layers, ["Saturated activations and dead units"]),
            (plot_histograms, {"layers": some}, some), (plot_saturated_units, {"layers": bounded}, bounded),
        ]  # fmt: skip
        places = [*axes[:6], axes[6:8], axes[8], axes[9 : 9 + len(some)], axes[9 + len(some) :]]
        for (plot, options, titles), place in zip(graphs if bounded else graphs[:-1], places):
            one = isinstance(place, Axes)
            try:
                plot(record, **options, **({"ax": place} if one else {"axes": place}))
            except NothingToDraw as reason:
                for ax, title in zip([place] if one else place, titles):
                    ax.text(0.5, 0.5, textwrap.fill(str(reason), 30), transform=ax.transAxes, ha="center", va="center")
                    ax.set(title=title, xticks=[], yticks=[])
        paper = background(axes[0])
        try:
            weights = list(parameters_of("dashboard", record, parameters))
            depth_key(axes[:3], weights, depth_colours(len(weights), paper), "parameter")
        except NothingToDraw:  # said in the graphs
            pass
        depth_key(axes[3:6], names, depth_colours(len(names), paper), "layer")
        figure = root(axes[0])
        figure.suptitle(f"Steps {record.steps[0]} to {record.steps[-1]}")
        return figure


def _panels(histograms, maps):
    """Nine axes in three rows, and rows of as many histograms and maps as are asked for."""
    rows = 4 + bool(maps)
    figure = plt.figure(figsize=(15, 3.3 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 3, height_ratios=[1, 1, 1, 0.8, 0.8][:rows])
    nine = [figure.add_subplot(grid[i, j]) for i in range(3) for j in range(3)]
    strips = [grid[3 + i, :].subgridspec(1, count) for i, count in enumerate((histograms, maps)) if count]
    return nine + [figure.add_subplot(cell) for strip in strips for cell in strip]
