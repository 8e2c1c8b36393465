"""What batch norm does to five numbers, step by step: a figure to play with, or a strip of stills to print."""

import math

import matplotlib.pyplot as plt
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.patches import ConnectionPatch
from matplotlib.widgets import Slider

from ..autograd import Variable

__all__ = ["animate"]

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart
COLOURS = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
STEPS = (
    ("the batch", "$x$"),
    ("minus its mean", "$x - \\mu$"),
    ("over its standard deviation", "$\\hat{x} = (x - \\mu) / \\sqrt{\\sigma^2 + \\epsilon}$"),
    ("times gamma, plus beta", "$y = \\gamma\\,\\hat{x} + \\beta$"),
)


def batch_norm_steps(points, gamma=1.0, beta=0.0, eps=1e-5):
    """The numbers as they are, less their mean, over their standard deviation, and times gamma plus beta.

    Source: Ioffe and Szegedy, 2015.
    """
    mean = sum(points) / len(points)
    centred = [x - mean for x in points]
    scale = 1 / math.sqrt(sum(x * x for x in centred) / len(points) + eps)
    scaled = [x * scale for x in centred]
    return list(points), centred, scaled, [gamma * x + beta for x in scaled]


def between(steps, at):
    """The numbers on the way from one step to the next, at a place such as 1.5."""
    first = min(int(at), len(steps) - 2)
    share = at - first
    return [a + share * (b - a) for a, b in zip(steps[first], steps[first + 1])]


class NumberLine:
    """Five points on an axis, with their mean and a band of one standard deviation to either side."""

    def __init__(self, axis, limits):
        self.axis = axis
        axis.set(xlim=limits, ylim=(0, 1), yticks=[])
        axis.spines[["left", "top", "right"]].set_visible(False)
        axis.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
        self.band = axis.axvspan(0, 1, color="#56B4E9", alpha=0.22, linewidth=0, zorder=0)
        self.mean = axis.axvline(0, color="#0072B2", linewidth=1.4, zorder=1)
        self.dots = axis.scatter([0] * 5, [0.5] * 5, s=130, c=COLOURS, edgecolors="white", linewidths=1, zorder=4)
        kind = {"transform": axis.transAxes, "ha": "right", "va": "center"}
        self.texts = [axis.text(-0.04, y, "", size=size, **kind) for y, size in ((0.92, 12), (0.5, 13), (0.08, 10))]

    def show(self, values, words, formula):
        """Move everything to where these values belong, and say what they are."""
        mean = sum(values) / len(values)
        std = math.sqrt(sum((x - mean) ** 2 for x in values) / len(values))
        self.dots.set_offsets([(x, 0.5) for x in values])
        self.mean.set_xdata([mean, mean])
        self.band.set_x(mean - std)
        self.band.set_width(2 * std)
        facts = f"mean {round(mean, 2) + 0.0:.2f}, standard deviation {std:.2f}"  # + 0.0 makes -0.0 plain
        for text, line in zip(self.texts, (words, formula, facts)):
            text.set_text(line)


def animate(points=(-1.0, 0.5, 2.0, 3.5, 7.0), gamma=1.5, beta=-1.0, eps=1e-5, interactive=None):
    """A figure of the forward pass of batch norm on five points, one feature of a batch of five.

    Interactive, it has sliders for the step (between two steps the points are on their way), gamma, beta and the last
    point; `figure.sliders` holds them by name. Otherwise it shows the four steps below each other. `points`: five
    numbers, or a Tensor of them. `interactive`: by default, whether matplotlib has a window to show. Returns the Figure.
    """
    points = [float(x) for x in (points.tolist() if isinstance(points, Variable) else points)]
    if len(points) != 5 or not all(map(math.isfinite, points)):
        raise ValueError(f"animate: expected five finite points, got {points}")
    if interactive is None:
        figure = plt.figure(figsize=(10, 5.2), layout="none")
        interactive = type(figure.canvas.manager) is not FigureManagerBase
        plt.close(figure)
    return with_sliders(points, gamma, beta, eps) if interactive else stills(points, gamma, beta, eps)


def stills(points, gamma, beta, eps):
    """The four steps below each other, each point joined with itself."""
    steps = batch_norm_steps(points, gamma, beta, eps)
    everything = [x for values in steps for x in values]
    margin = 0.06 * (max(everything) - min(everything)) or 1.0
    limits = min(everything) - margin, max(everything) + margin
    figure, axes = plt.subplots(4, 1, figsize=(10, 6.4), sharex=True, layout="none")
    figure.subplots_adjust(left=0.34, right=0.97, top=0.9, bottom=0.07, hspace=0.35)
    figure.suptitle(title_of(gamma, beta), y=0.97)
    for axis, values, (words, formula) in zip(axes, steps, STEPS):
        NumberLine(axis, limits).show(values, words, formula)
        axis.tick_params(labelbottom=axis is axes[-1])  # the lines between the points would cross the others
    for upper, lower, above, below in zip(axes, axes[1:], steps, steps[1:]):
        for a, b, colour in zip(above, below, COLOURS):
            figure.add_artist(ConnectionPatch((a, 0.5), (b, 0.5), "data", "data", axesA=upper, axesB=lower, color=colour,
                                              linewidth=1, alpha=0.55, zorder=1))  # fmt: skip
    return figure


def title_of(gamma, beta):
    return f"Batch norm of five numbers, with gamma {gamma:.2f} and beta {beta:.2f}"


def with_sliders(points, gamma, beta, eps):
    """One axis, and what moves the points on it."""
    reach = max(abs(x) for x in points)
    ranges = {
        "step": (0.0, 3.0, 0.0),
        "last point": (points[-1] - 2 * reach - 1, points[-1] + reach + 1, points[-1]),
        "gamma": (min(0.0, gamma), max(3.0, gamma), gamma),
        "beta": (min(-3.0, beta), max(3.0, beta), beta),
    }
    largest = 2 * max(map(abs, ranges["gamma"][:2])) + max(map(abs, ranges["beta"][:2]))  # of five, |x| <= 2 in the end
    limits = min(-largest, *points, ranges["last point"][0]) - 1, max(largest, *points, ranges["last point"][1]) + 1
    figure = plt.figure(figsize=(10, 5.2), layout="none")
    line = NumberLine(figure.add_axes((0.34, 0.55, 0.63, 0.29)), limits)
    figure.sliders = {
        name: Slider(figure.add_axes((0.34, 0.36 - 0.09 * i, 0.55, 0.04)), name, low, high, valinit=value, initcolor="none")
        for i, (name, (low, high, value)) in enumerate(ranges.items())
    }

    def update(_=None):
        step, last, gamma, beta = (slider.val for slider in figure.sliders.values())
        line.show(between(batch_norm_steps([*points[:-1], last], gamma, beta, eps), step), *STEPS[math.floor(step + 0.5)])
        figure.suptitle(title_of(gamma, beta), y=0.95)
        figure.canvas.draw_idle()

    for slider in figure.sliders.values():
        slider.on_changed(update)
    update()
    return figure
