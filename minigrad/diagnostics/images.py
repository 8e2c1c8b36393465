"""Images of layers: their histograms over time, and which units are saturated. `plots` says what these share."""

import math

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from .sources import NothingToDraw, host, is_record, layers_of, steps_of
from .style import drawing, new_axes, number_steps, root


def plot_histograms(source, *, layers=None, edges=None, steps=None, axes=None, style=None):
    """Histograms of each layer over time as images: a column per step, brightness for the count on a log scale.

    `source`: a Record, or a dict of name to counts of shape (steps, bins) with the bins' `edges` (bins + 1 of them, by
    default 0, 1, ...); `steps` are 0, 1, ... by default. `axes`: one per layer.
    """
    operation = "plot_histograms"
    if is_record(source) and edges is not None:
        raise ValueError(f"{operation}: edges= is for plain values; a Record has its own")
    shown = {}
    for name, layer in layers_of(operation, source, layers).items():
        counts = host(layer.histogram if is_record(source) else layer)
        if counts.ndim != 2 or not counts.size:
            raise NothingToDraw(f"{operation}: expected counts of shape (steps, bins) for {name!r}, got {counts.shape}")
        limits = layer.edges if is_record(source) else edges
        limits = np.arange(counts.shape[1] + 1.0) if limits is None else host(limits)
        if limits.shape != (counts.shape[1] + 1,):
            raise ValueError(f"{operation}: expected {counts.shape[1] + 1} edges for {name!r}, got shape {limits.shape}")
        shown[name] = counts, limits, steps_of(operation, source, steps, len(counts))
    if not any(counts.any() for counts, _, _ in shown.values()):
        raise NothingToDraw(f"{operation}: all counts are zero")
    most = max(2, *(counts.max() for counts, _, _ in shown.values()))
    colours = mpl.colormaps["viridis"].with_extremes(bad=mpl.colormaps["viridis"](0.0))  # where there is no value
    ranges = {name: _used(counts, limits) for name, (counts, limits, _) in shown.items()}
    if len({tuple(limits) for _, limits, _ in shown.values()}) == 1:  # the same bins: layers can be compared
        ranges = dict.fromkeys(shown, (min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())))
    columns = min(len(shown), math.ceil(math.sqrt(1.2 * len(shown))))
    with drawing(operation, axes, style, lambda: _grid(len(shown), columns, 2.6, 2.3), len(shown)) as axes:
        for ax, (name, (counts, limits, steps)) in zip(axes, shown.items()):
            image = ax.pcolorfast(_borders(steps), limits, counts.T, norm=LogNorm(1, most), cmap=colours)
            ax.set(title=name, xlabel="training step", ylim=ranges[name])
            number_steps(ax, steps, 3)
        _label_first_column(axes, "activation")
        axes[0].figure.colorbar(image, ax=axes, label="values per bin (log scale)", aspect=30, pad=0.02)
        return root(axes[0])


def plot_saturated_units(source, *, layers=None, threshold=0.99, axes=None, style=None):
    """A map of |h| > threshold: units across, examples down, white where an activation is saturated.

    A column that is white from top to bottom is a unit that no example can teach: a triangle points at it. `source`:
    activations of shape (N, ...), or a dict of name to such, or a Record that keeps all values of its last step (see
    `samples` of `watch`). `axes`: one per layer.
    """
    operation = "plot_saturated_units"
    maps = {}
    for name, layer in layers_of(operation, source, layers).items():
        values = _whole(operation, name, layer) if is_record(source) else host(layer)
        if values.ndim < 2 or not values.size:
            raise ValueError(f"{operation}: expected activations of shape (N, ...) for {name!r}, got {values.shape}")
        maps[name] = np.abs(values.reshape(len(values), -1)) > threshold
    columns = 1 if len(maps) <= 3 else 2 if len(maps) <= 8 else 3
    with drawing(operation, axes, style, lambda: _grid(len(maps), columns, 12 / columns, 2.4), len(maps)) as axes:
        for ax, (name, white) in zip(axes, maps.items()):
            _draw_map(ax, white, threshold, name)
        _label_first_column(axes, "example")
        return root(axes[0])


def _whole(operation, name, layer):
    """What a layer put out in the last recorded step, in its shape."""
    kept, shape = host(layer.activation), layer.shape
    if shape is None or kept.size != math.prod(shape):
        raise NothingToDraw(f"{operation}: the record keeps {kept.size} values of {name!r}, not all of the last batch; "
                            "give its activations, or `watch` a larger `samples`")  # fmt: skip
    return kept.reshape(shape)


def _draw_map(ax, white, threshold, name):
    fine = "nearest" if max(white.shape) <= 600 else "auto"  # a larger map is averaged over the pixels that there are
    ax.imshow(white, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation=fine)
    lines = [] if name == "values" else [name]
    lines.append(f"white: |h| > {threshold:g} ({100 * white.mean():.1f} %)")
    always = np.flatnonzero(white.all(0))
    if len(always):
        colour = mpl.rcParams["axes.prop_cycle"].by_key()["color"][3]
        ax.plot(always, np.full(len(always), 1.03), "v", color=colour, markersize=6, transform=ax.get_xaxis_transform(),
                clip_on=False)  # fmt: skip
        lines.append(f"▼ {len(always)} of {white.shape[1]} units always")
    ax.set_title("\n".join(lines), pad=12 if len(always) else None)
    ax.set_xlabel("unit")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _label_first_column(axes, label):
    """The label of the y axis, for those axes alone that have no other of these at their left."""
    places = [ax.get_subplotspec() for ax in axes]
    first = min((place.colspan.start for place in places if place), default=None)
    for ax, place in zip(axes, places):
        ax.set_ylabel(label if place is None or place.colspan.start == first else "")


def _grid(count, columns, width, height):
    """`count` axes in rows of `columns`, each about `width` by `height` inches; what the last row lacks is left out."""
    rows = math.ceil(count / columns)
    axes = new_axes(rows, columns, max(7, 1.4 + width * columns), max(3.4, 0.6 + height * rows), squeeze=False).ravel()
    for ax in axes[count:]:
        ax.remove()
    return axes[:count]


def _used(counts, limits):
    """From where to where there are values; everywhere, if there are none."""
    bins = np.flatnonzero(counts.any(0))
    return (limits[bins[0]], limits[bins[-1] + 1]) if len(bins) else (limits[0], limits[-1])


def _borders(steps):
    """Where the column of each step begins and ends: half-way to its neighbours."""
    middles = (steps[1:] + steps[:-1]) / 2
    first, last = (middles[0] - steps[0], steps[-1] - middles[-1]) if len(middles) else (0.5, 0.5)
    return np.concatenate([[steps[0] - first], middles, [steps[-1] + last]])
