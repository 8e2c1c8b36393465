"""What the figures of this package share."""

from itertools import accumulate

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, "#CC79A7", "#56B4E9")


def axes_of(ax, **labels):
    """The axes to draw in, those given or those of a new figure, with their labels."""
    if ax is None:
        import matplotlib.pyplot as plt  # takes longer to import than the whole library

        ax = plt.figure(figsize=(7, 4), layout="constrained").add_subplot()
    elif not hasattr(ax, "plot"):
        raise TypeError(f"expected matplotlib Axes to draw in, got {type(ax).__name__}")
    ax.set(**labels)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    return ax


def smoothed(values, smooth):
    """The running mean m = smooth * m + (1 - smooth) * value, corrected for its start at zero; needs 0 <= smooth < 1."""
    if not 0 <= smooth < 1:
        raise ValueError(f"expected smooth to be in [0, 1), got {smooth}")
    means = list(accumulate(values, lambda mean, value: smooth * mean + (1 - smooth) * value, initial=0.0))[1:]
    return [mean / (1 - smooth ** (i + 1)) for i, mean in enumerate(means)]
