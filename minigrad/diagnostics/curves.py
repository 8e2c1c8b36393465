"""What changes while a network trains: one curve per layer or parameter. `plots` says what these functions share."""

import math

import matplotlib as mpl
import numpy as np

from .sources import NothingToDraw, curves, is_plain, is_record, layers_of, parameters_of
from .style import background, depth_colours, depth_key, drawing, new_axes, number_steps, root

WIDE = 1000  # how many times the median a value may be before its axis becomes logarithmic


def plot_means_and_stds(source, *, of="activations", layers=None, steps=None, key=True, axes=None, style=None):
    """The mean and the standard deviation of each layer's activations, or `of` its "gradients", over time.

    `source`: a Record, or a dict of name to a pair (means, stds) of lists, whose `steps` are 0, 1, ... by default.
    `axes`: two.
    """
    operation = "plot_means_and_stds"
    attributes = {"activations": ("mean", "std"), "gradients": ("gradient_mean", "gradient_std")}.get(of)
    if attributes is None:
        raise ValueError(f"{operation}: expected of='activations' or 'gradients', got {of!r}")
    entries = layers_of(operation, source, layers)
    lines = []
    for i, attribute in enumerate(attributes):
        part = entries if is_record(source) else {name: _pair(operation, name, v)[i] for name, v in entries.items()}
        lines.append(curves(operation, source, part, steps, attribute))
    with drawing(operation, axes, style, lambda: new_axes(1, 2, 11), 2) as axes:
        for ax, (steps, values), name in zip(axes, lines, ("Mean", "Standard deviation")):
            colours = _draw(ax, steps, values)
            ax.set(title=f"{name} of {of}", ylabel=name.lower())
            _fit_scale(ax, values)
        if key:
            depth_key(axes, list(values), colours, "layer")
        return root(axes[0])


def plot_near_zero(source, *, layers=None, steps=None, key=True, ax=None, style=None):
    """The share of activations near zero of each layer over time: a layer full of them does little.

    `source`: a Record, or a dict of name to shares, from 0 to 1, whose `steps` are 0, 1, ... by default.
    """
    entries = layers_of("plot_near_zero", source, layers)
    steps, shares = curves("plot_near_zero", source, entries, steps, "near_zero")
    with drawing("plot_near_zero", ax, style, new_axes) as (ax,):
        _draw_shares(ax, steps, {"-": shares}, key)
        ax.set(title="Activations near zero", ylabel="share of activations (%)")
        return root(ax)


def plot_saturation(source, *, layers=None, steps=None, key=True, ax=None, style=None):
    """The share of saturated activations of each layer over time, solid, and that of dead units, dotted.

    `source`: a Record, or a dict of name to shares, from 0 to 1, of saturated activations, or to a pair of lists,
    (saturated, dead); `steps` are 0, 1, ... by default.
    """
    operation = "plot_saturation"
    entries = layers_of(operation, source, layers)
    if is_record(source):
        saturated, dead = entries, entries
    elif all(isinstance(value, tuple) for value in entries.values()):
        saturated, dead = ({name: _pair(operation, name, pair)[i] for name, pair in entries.items()} for i in (0, 1))
    else:
        saturated, dead = entries, None
    kinds = {}
    for linestyle, part, attribute in (("-", saturated, "saturated"), (":", dead, "dead")):
        if part is not None:
            at, kinds[linestyle] = curves(operation, source, part, steps, attribute, needed=False)
    if all(np.isnan(y).all() for shares in kinds.values() for y in shares.values()):
        raise NothingToDraw(f"{operation}: nothing was recorded under `saturated` and `dead`")
    with drawing(operation, ax, style, new_axes) as (ax,):
        _draw_shares(ax, at, kinds, key)
        ax.set(title="Saturated activations" + (" (solid)\nand dead units (dotted)" if dead else ""), ylabel="share (%)")
        return root(ax)


def plot_updates(source, *, parameters=None, steps=None, key=True, ax=None, style=None):
    """How large each parameter's updates are beside the parameter, as a power of ten, over time.

    A healthy network keeps near -3, the dashed line: every step changes a parameter by about a thousandth. `source`: a
    Record, or a dict of name to log10(std of update / std of values); `steps` are 0, 1, ... by default.
    """
    entries = parameters_of("plot_updates", source, parameters)
    steps, ratios = curves("plot_updates", source, entries, steps, "update_data")
    with drawing("plot_updates", ax, style, new_axes) as (ax,):
        colours = _draw(ax, steps, ratios)
        _dashed(ax, -3)
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, -3.5), max(high, -2.5))
        ax.set(title="Updates beside their parameters\n(dashed: −3, a thousandth per step)", ylabel="log10 of update:data")
        if key:
            depth_key([ax], list(ratios), colours, "parameter")
        return root(ax)


def plot_loss(source, *, classes=None, steps=None, ax=None, style=None):
    """The loss over time, with -ln(1/n) marked: the loss of a model that gives each of n classes the same probability.

    `source`: a Record, which may know its `classes`, or a list of losses, whose `steps` are 0, 1, ... by default.
    """
    if not (is_record(source) or is_plain(source)):
        raise TypeError(f"plot_loss: expected a Record or a list of losses, got {type(source).__name__}")
    if classes is None and is_record(source):
        classes = source.classes
    if classes is not None and classes < 2:
        raise ValueError(f"plot_loss: expected at least 2 classes, got {classes}")
    steps, lines = curves("plot_loss", source, {"loss": source}, steps, "losses")
    with drawing("plot_loss", ax, style, new_axes) as (ax,):
        colour = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
        _draw(ax, steps, lines, [colour])
        title = "Loss"
        if classes is not None:
            _dashed(ax, math.log(classes))
            title += f"\n(dashed: −ln(1/{classes}) = {math.log(classes):.2f}, knowing nothing)"
        ax.set(title=title, ylabel="loss" if classes is None else "loss (nats)")
        _fit_scale(ax, lines)
        return root(ax)


def _pair(operation, name, values):
    if len(values) != 2:
        raise ValueError(f"{operation}: expected a pair of lists for {name!r}, got {len(values)}")
    return values


def _draw(ax, steps, lines, colours=None, linestyle="-"):
    """One curve per name, and crosses at the edge of the graph where values are not finite; returns the colours.

    From a hundred points on a curve is pale, and its running mean is drawn over it.
    """
    colours = colours or depth_colours(len(lines), background(ax))
    window = len(steps) // 50
    smooth = window > 1
    for values, colour in zip(lines.values(), colours):
        look = {"alpha": 0.3, "linewidth": 0.9} if smooth else {"linewidth": 1.6}
        draw_curve(ax, steps, values, linestyle=linestyle, color=colour, **look)
        if smooth:
            mean, known = np.full(window, 1 / window), np.where(np.isfinite(values), values, np.nan)
            ax.plot(np.convolve(steps, mean, "valid"), np.convolve(known, mean, "valid"), linestyle, color=colour)
    name_steps(ax, steps, lines.values(), "training step", [f"bold: mean of {window} points"] if smooth else [])
    return colours


def draw_curve(ax, steps, values, **look):
    """A line, a point where it would not be seen, and crosses at the edge of the graph where values are not finite."""
    steps, values = np.asarray(steps), np.asarray(values)
    finite = np.isfinite(values)
    padded = np.pad(finite, 1)
    alone = finite & ~padded[:-2] & ~padded[2:]
    points = {"marker": "o", "markersize": 5, "markevery": alone.tolist()} if alone.any() else {}
    (line,) = ax.plot(steps, np.where(finite, values, np.nan), **{"zorder": 1.5} | points | look)
    for where, height in ((~finite & (values != -np.inf), 0.98), (values == -np.inf, 0.02)):
        if where.any():
            ax.plot(steps[where], np.full(where.sum(), height), "x", color=line.get_color(), markersize=5,
                    transform=ax.get_xaxis_transform())  # fmt: skip


def name_steps(ax, steps, lines, label, notes=()):
    """Ticks at whole steps, and a label that says what the crosses of `draw_curve` are."""
    notes = [*notes, *([] if all(np.isfinite(values).all() for values in lines) else ["×: nan or infinite"])]
    ax.set_xlabel(f"{label} ({', '.join(notes)})" if notes else label)
    number_steps(ax, steps, 6)


def _draw_shares(ax, steps, kinds, key):
    """Shares as percentages, from 0 to what is needed; `kinds`: line style -> name -> shares."""
    names = list(kinds["-"])
    colours = depth_colours(len(names), background(ax))
    for linestyle, shares in kinds.items():
        known = [i for i, name in enumerate(names) if not np.isnan(shares[name]).all()]  # a ReLU cannot saturate
        percent = {names[i]: 100 * shares[names[i]] for i in known}
        _draw(ax, steps, percent, [colours[i] for i in known], linestyle=linestyle)
    highest = max(np.max(100 * v, initial=1, where=np.isfinite(v)) for lines in kinds.values() for v in lines.values())
    ax.set_ylim(0, min(1.05 * highest, 102))
    if key:
        depth_key([ax], names, colours, "layer")


def _dashed(ax, height):
    ax.axhline(height, color=mpl.rcParams["text.color"], linestyle="--", linewidth=1.4)


def _fit_scale(ax, lines):
    """A logarithmic scale where a few values are so large that they would flatten all others."""
    sizes = np.abs(values := np.concatenate([*lines.values()]))
    known = np.isfinite(values) & (values != 0)
    if not known.any() or sizes[known].max() <= WIDE * (middle := np.median(sizes[known])):
        return
    if values[known].min() > 0:
        ax.set_yscale("log")
    else:
        # linear to a hair above a power of ten, which is then the first tick, and so high that its label is clear of 0
        linear = 10.0 ** (math.ceil(math.log10(middle)) + 1e-9)
        ax.set_yscale("symlog", linthresh=linear, linscale=max(1.0, math.log10(sizes[known].max() / linear) / 4))
        ax.yaxis.get_major_locator().set_params(numticks=6)
    ax.set_ylabel(f"{ax.get_ylabel()} (log scale)")
