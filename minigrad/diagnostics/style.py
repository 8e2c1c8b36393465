"""How the figures of `plots` look: a light and a dark style, colours that follow depth, keys that cover no data.

`with style("dark"):` changes matplotlib's settings inside the block and nowhere else. Colours run through matplotlib's
"plasma" map, whose lightness rises steadily, so that they keep their order for every kind of colour vision and in print.
"""

from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex, to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

SHARED = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "figure.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.titlecolor": "auto",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": mpl.cycler(color=["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"]),
    "legend.frameon": False,
    "legend.labelcolor": "None",
    "lines.linewidth": 1.6,
    "image.cmap": "viridis",
}


def _inks(ink, paper):
    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return dict.fromkeys(names, ink) | {"figure.facecolor": paper, "axes.facecolor": paper}


STYLES = {
    "light": SHARED | _inks("#1A1A1A", "#FFFFFF"),
    "dark": SHARED | _inks("#E8E8E8", "#15181C") | {
        "axes.prop_cycle": mpl.cycler(color=["#56B4E9", "#E69F00", "#2FC79E", "#F28E5C", "#CC79A7", "#F0E442"]),
    },
}  # fmt: skip

MOST_IN_LEGEND = 8  # with more curves, a colour bar of depth takes the place of the legend
MOST_TICKS = 10  # names beside a colour bar
LEAST_CONTRAST = {"light": 2.1, "dark": 3.0}  # of a curve with its background; the usual orange on white has 2.2


@contextmanager
def style(name="light"):
    """Figures that are made inside the block are "light" (for paper) or "dark" (for a dark room).

    Matplotlib's global settings are as before when the block ends. ValueError for another name.
    """
    if name not in STYLES:
        raise ValueError(f"style: expected {' or '.join(map(repr, STYLES))}, got {name!r}")
    with mpl.rc_context(STYLES[name]):
        yield


def luminance(colour):
    """The relative luminance of a colour, from 0 (black) to 1 (white), as WCAG 2 defines it."""
    c = np.array(to_rgb(colour))
    return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    """The contrast ratio of two colours, from 1 to 21, as WCAG 2 defines it."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def background(axis):
    """The colour that curves on an axis are seen against: that of the first thing behind it that is not transparent."""
    place = axis
    while to_rgba(place.get_facecolor())[3] < 0.5 and place is not place.figure:
        place = place.figure
    colour = place.get_facecolor()
    return to_rgb(colour) if to_rgba(colour)[3] >= 0.5 else (1.0, 1.0, 1.0)


def is_dark(colour):
    """Whether white stands out from a colour more than black does."""
    return contrast(colour, "white") > contrast(colour, "black")


def depth_colours(count, paper="white"):
    """`count` colours from the first layer to the last, ever lighter, none too close to the colour of the paper."""
    shades = mpl.colormaps["plasma"](np.linspace(0, 1, 256))
    dark = is_dark(paper)
    seen = [i for i, shade in enumerate(shades) if (luminance(shade[:3]) > luminance(paper)) == dark
            and contrast(shade[:3], paper) >= LEAST_CONTRAST["dark" if dark else "light"]]  # fmt: skip
    # a single layer takes a colour from the middle: the ends are nearly black, or the palest
    places = np.linspace(seen[0], seen[-1], count) if count > 1 else [(seen[0] + seen[-1]) / 2]
    return [to_hex(shades[round(place)]) for place in places]


@contextmanager
def drawing(operation, given, name, make, count=1):
    """Yields the axes to draw on, with a style in force: those given, or those that `make()` makes in style `name`.

    Without a name a new figure is as light or dark as the user's own settings. Given axes keep their own look, so a
    name for them as well is a ValueError, and so are more or fewer than `count`. A figure made here is closed again if
    drawing on it fails.
    """
    if given is None:
        with style(name or ("dark" if is_dark(mpl.rcParams["figure.facecolor"]) else "light")):
            axes = np.atleast_1d(make()).ravel().tolist()
            try:
                yield axes
            except BaseException:
                plt.close(root(axes[0]))
                raise
        return
    if name is not None:
        raise ValueError(f"{operation}: style={name!r} is for a new figure; make yours inside `with style({name!r}):`")
    axes = np.atleast_1d(given).ravel().tolist()
    if len(axes) != count or not all(isinstance(axis, mpl.axes.Axes) for axis in axes):
        kinds = ", ".join(type(axis).__name__ for axis in axes)
        raise ValueError(f"{operation}: expected matplotlib Axes to draw on, {count} in number, got {kinds or 'none'}")
    with style("dark" if is_dark(background(axes[0])) else "light"):
        yield axes


def new_axes(rows=1, columns=1, width=9.0, height=4.2, **options):
    """Axes in a figure of their own, whose size is in inches."""
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)[1]


def root(axis):
    """The whole figure that an axis belongs to, perhaps as a part of a part."""
    place = axis.figure
    while place.figure is not None and place.figure is not place:
        place = place.figure
    return place


def number_steps(axis, steps, most):
    """Ticks at whole training steps, about `most` of them."""
    if len(steps) == 1:
        axis.set_xticks(steps)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(most, integer=True))


def depth_key(axes, names, colours, title, details=None):
    """Says at the right of the last of the axes which colour is which: a legend, or for many names a colour bar of depth.

    `details` are put under the names in a legend; a colour bar names at most ten.
    """
    if len(names) <= MOST_IN_LEGEND:
        labels = [f"{name}\n{detail}" if detail else name for name, detail in zip(names, details or [""] * len(names))]
        labels = [f" {label}" if label.startswith("_") else label for label in labels]  # matplotlib hides those
        handles = [Line2D([], [], color=colour, linewidth=3) for colour in colours]
        return axes[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, title=title,
                               alignment="left", handlelength=1.2)  # fmt: skip
    shown = list(range(0, len(names), -(-len(names) // MOST_TICKS)))
    shown[-1] = len(names) - 1
    mapping = mpl.cm.ScalarMappable(BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)), ListedColormap(colours))
    bar = axes[-1].figure.colorbar(mapping, ax=axes, ticks=shown, aspect=30, pad=0.02)
    bar.ax.set_yticklabels([names[i] for i in shown])
    bar.ax.tick_params(which="both", length=0)
    bar.minorticks_off()
    bar.ax.invert_yaxis()  # read from the input, at the top, to the output
    bar.ax.set_title(title, fontsize=mpl.rcParams["legend.fontsize"])
    return bar
