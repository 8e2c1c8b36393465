"""How values are distributed: one curve per layer or parameter. `plots` says what these functions share.

A curve leaves out what would flatten it: many exact zeros, whose share the key gives, and the ends of long tails. The
label of the x axis says so. Where curves differ too much in height for one scale, density is logarithmic.
"""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..autograd import Variable
from .sources import NO_VALUES, NothingToDraw, distribution, host, is_record, layers_of, parameters_of
from .style import background, depth_colours, depth_key, drawing, new_axes, root

TAILS = 0.002, 0.998  # quantiles: where tails are long, the graph ends here
MANY_ZEROS = 0.1  # a share of values that are exactly zero
STEEP = 40  # how many times its mean a density may be before its axis becomes logarithmic


def plot_activations(source, *, layers=None, threshold=0.97, log=None, key=True, ax=None, style=None):
    """How the activations of each layer are distributed, with their mean, std and saturated share in the key.

    `source`: a Record (its last step), a dict of name to values, or the values of one layer. `threshold`: plain values
    beyond it count as saturated where all lie in [-1, 1], as those of tanh do; a Record brings its own share. `log`:
    whether density is on a logarithmic scale, by default where the curves are too steep for another.
    """
    shown = {}
    for name, layer in layers_of("plot_activations", source, layers).items():
        if is_record(source):
            shown[name] = distribution(layer.activation, _words(layer.mean, layer.std, layer.saturated))
            continue
        values = distribution(layer).values
        tanh_like = values.size and threshold < np.abs(values).max() <= 1
        share = (np.abs(values) > threshold).mean() if tanh_like else math.nan
        shown[name] = distribution(layer, _words([values.mean()], [_std(values)], [share]) if values.size else "")
    title = f"Activations{_at_last_step(source)}"
    return _plot("plot_activations", shown, title, "activation", log, key and "layer", ax, style)


def plot_gradients(source, *, layers=None, log=None, key=True, ax=None, style=None):
    """How the gradients of the loss by the activations of each layer are distributed; arguments of `plot_activations`."""
    shown = {}
    for name, layer in layers_of("plot_gradients", source, layers).items():
        if is_record(source):
            shown[name] = distribution(layer.gradient, _words(layer.gradient_mean, layer.gradient_std))
        else:
            values = distribution(layer).values
            shown[name] = distribution(layer, _words([values.mean()], [_std(values)]) if values.size else "")
    title = f"Gradients of the activations{_at_last_step(source)}"
    return _plot("plot_gradients", shown, title, "gradient", log, key and "layer", ax, style)


def plot_weight_gradients(source, *, parameters=None, log=None, key=True, ax=None, style=None):
    """How the gradients of each parameter are distributed, with grad:data, the std of gradients over that of values.

    `source`: a Record (its last step), or a dict of name to a tensor with `.grad`, such as
    `dict(model.named_parameters())`, to a pair (gradients, values), or to gradients alone.
    """
    shown = {}
    for name, entry in parameters_of("plot_weight_gradients", source, parameters).items():
        if is_record(source):
            gradients, shape, ratios = entry.gradient, entry.shape, entry.grad_data
        else:
            gradients, values = _gradients_and_values(name, entry)
            spread = 0.0 if values is None else _std(values[np.isfinite(values)])
            shape, ratios = gradients.shape, [_std(gradients[np.isfinite(gradients)]) / spread] if spread > 0 else []
        words = "×".join(map(str, shape)) or "one number"
        if len(ratios) and math.isfinite(ratios[-1]):
            words += f", grad:data {ratios[-1]:.1e}"
        shown[name] = distribution(gradients, words)
    title = f"Gradients of the parameters{_at_last_step(source)}"
    return _plot("plot_weight_gradients", shown, title, "gradient", log, key and "parameter", ax, style)


def _gradients_and_values(name, entry):
    if isinstance(entry, tuple):
        gradients, values = map(host, entry)
        if gradients.shape != values.shape:
            raise ValueError(f"plot_weight_gradients: {name!r} has gradients {gradients.shape} for values {values.shape}")
        return gradients, values
    if isinstance(entry, Variable) and entry.requires_grad:
        if entry.grad is None:
            raise ValueError(f"plot_weight_gradients: {name!r} has no gradient; call backward() first")
        return host(entry.grad), host(entry)
    return host(entry), None


def _plot(operation, shown, title, xlabel, log, key, ax, style):
    if not any(values.size for values, _ in shown.values()):
        finite = "" if all(detail == NO_VALUES for _, detail in shown.values()) else "finite "
        raise NothingToDraw(f"{operation}: there are no {finite}values to draw")
    with drawing(operation, ax, style, new_axes) as (ax,):
        colours = depth_colours(len(shown), background(ax))
        peak, zeros_left_out = 0, False
        for (values, _), colour in zip(shown.values(), colours):
            if not values.size:
                continue
            total, zeros = values.size, values == 0
            if MANY_ZEROS < zeros.mean() < 1:  # as ReLU makes them: a spike that would flatten the rest
                values, zeros_left_out = values[~zeros], True
            low, high = values.min(), values.max()
            if high - low <= max(1e-7 * max(abs(low), abs(high)), 1e-300):  # constant: there is no density, only a place
                ax.axvline(low, color=colour)
                continue
            counts, edges = _histogram(values)
            density = counts / (total * np.diff(edges))
            ax.plot((edges[1:] + edges[:-1]) / 2, density, color=colour)
            peak = max(peak, density.max())
        ends = np.array([np.quantile(values, (0, *TAILS, 1)) for values, _ in shown.values() if values.size])
        lowest, low, high, highest = *ends[:, :2].min(0), *ends[:, 2:].max(0)
        notes = ["zeros left out"] if zeros_left_out else []
        if highest - lowest > 2 * (high - low) > 0:
            ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
            notes.append(f"outermost {100 * 2 * TAILS[0]:g} % not shown")
        elif not peak:  # constants alone, which no axis makes room for
            room = max((highest - lowest or abs(lowest) or 1.0) / 2, 1e-300)
            ax.set_xlim(lowest - room, highest + room)
        if log is None:
            log = peak * np.ptp(ax.get_xlim()) > STEEP
        if log:
            ax.set_yscale("log", nonpositive="mask")
        else:
            ax.set_ylim(bottom=0)
        ax.set(title=title, xlabel=", ".join([xlabel, *notes]), ylabel="density (log scale)" if log else "density")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.ticklabel_format(axis="x", scilimits=(-2, 4))
        if key:
            depth_key([ax], list(shown), colours, key, [detail for _, detail in shown.values()])
        return root(ax)


def _histogram(values):
    """Counts and edges, with bins half as wide as Freedman and Diaconis (1981) advise, joined where they hold little."""
    low, high = np.quantile(values, [0.25, 0.75])
    width = (high - low) / math.cbrt(values.size)
    wanted = np.ptp(values) / width if width > 0 else 0
    counts, edges = np.histogram(values, int(np.clip(wanted, min(30, values.size), 200)))
    least = min(10, values.size // 100)
    sums, borders, held, start = [], [edges[0]], 0, 0
    for i, count in enumerate([*counts.tolist(), math.inf]):  # infinity closes what is open at the end
        if i > start and (held >= least or count >= least):
            sums.append(held)
            borders.append(edges[i])
            held, start = 0, i
        held += count
    return np.array(sums), np.array(borders)


def _std(values):
    return values.std(ddof=1) if values.size > 1 else math.nan


def _words(means, stds, saturated=()):
    """The last of each list in words."""
    if not len(means):
        return ""
    words = f"mean {means[-1]:+.2g}, std {stds[-1]:.2g}"
    return f"{words}, saturated {100 * saturated[-1]:.1f} %" if len(saturated) and saturated[-1] >= 0 else words


def _at_last_step(source):
    return f" at step {source.steps[-1]}" if is_record(source) and len(source.steps) else ""
