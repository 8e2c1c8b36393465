"""Figures of diagnostics: what is drawn where, whether it can be read, and what becomes of odd values."""

import math

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.lines import Line2D

import minigrad as mg
from minigrad.diagnostics import curves, plots, sources
from minigrad.diagnostics.plots import (
    dashboard,
    plot_activations,
    plot_gradients,
    plot_histograms,
    plot_loss,
    plot_means_and_stds,
    plot_near_zero,
    plot_saturated_units,
    plot_saturation,
    plot_updates,
    plot_weight_gradients,
)
from minigrad.diagnostics.record import Record
from minigrad.diagnostics.style import background, contrast, depth_colours, luminance, style

plt.switch_backend("agg")

OF_RECORD = [plot_activations, plot_gradients, plot_weight_gradients, plot_histograms, plot_means_and_stds, plot_near_zero,
             plot_saturation, plot_updates, plot_loss, dashboard]  # fmt: skip
EDGES = np.linspace(-2, 2, 21)


@pytest.fixture(autouse=True)
def tidy():
    """No plot may change the global settings, and none leaves figures to the next test."""
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


def made_up(layers=3, steps=7, kind="Tanh", shape=(20, 25)):
    """A record of made-up numbers, different in every layer and at every step: `kind` layers between linear ones."""
    rng, record = np.random.default_rng(0), Record(classes=27)
    for step in range(steps):
        seen, weights = {}, {}
        for i in range(layers):
            activation = np.tanh(rng.normal(size=500) * (0.5 + i / layers))
            gradient = rng.normal(size=500) * 0.01
            seen[f"{2 * i}"] = {"kind": "Linear", "edges": EDGES, "mean": 5.0, "std": 50.0, "activation": activation * 50}
            seen[f"{2 * i + 1}"] = {
                "kind": kind, "edges": EDGES, "shape": shape, "activation": activation, "gradient": gradient,
                "mean": activation.mean(), "std": activation.std(), "near_zero": 0.1 + 0.01 * i,
                "saturated": 0.2 + 0.01 * step if kind == "Tanh" else math.nan, "dead": 0.05,
                "gradient_mean": gradient.mean(), "gradient_std": gradient.std(),
                "counts": np.histogram(activation, EDGES)[0],
            }  # fmt: skip
            weights[f"{2 * i}.weight"] = {"shape": (25, 20), "gradient": gradient, "grad_data": 0.0123,
                                          "update_data": -2.5 - 0.1 * i + 0.01 * step}  # fmt: skip
            weights[f"{2 * i}.bias"] = {"shape": (25,), "gradient": gradient[:25], "grad_data": 0.5, "update_data": -1.0}
        record.append(step, 3.3 - 0.1 * step, seen, weights)
    return record


def curves_of(ax):
    """The lines that show data: neither crosses nor the dashed line of a level."""
    return [line for line in ax.lines if line.get_linestyle() in ("-", ":") and len(line.get_xdata()) != 2]


def title_of(ax):
    return ax.get_title(loc="left")


def words_of(figure):
    return [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]


def box(figure, artist):
    return artist.get_window_extent(figure.canvas.get_renderer())


# ---- style ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", ["#FFFFFF", "#15181C", "#808080", "#000000"])
@pytest.mark.parametrize("count", [1, 2, 6, 20])
def test_colours_follow_depth(count, paper):
    colours = depth_colours(count, paper)
    light = [luminance(colour) for colour in colours]
    assert len(set(colours)) == count and light == sorted(light)
    assert all(contrast(colour, paper) >= 2.1 for colour in colours)


def test_contrast_is_that_of_wcag():
    assert contrast("white", "black") == contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.005)  # the well-known near miss of 4.5


def test_style_is_a_context():
    before = mpl.rcParams["figure.facecolor"]
    with style("dark"):
        assert luminance(mpl.rcParams["figure.facecolor"]) < 0.02
        with pytest.raises(KeyError), style("light"):
            raise KeyError
        assert luminance(mpl.rcParams["figure.facecolor"]) < 0.02
    assert mpl.rcParams["figure.facecolor"] == before
    with pytest.raises(ValueError, match="'light' or 'dark', got 'sepia'"), style("sepia"):
        pass


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("plot", [plot_activations, dashboard])
def test_text_stands_out_and_is_large_enough(plot, name):
    figure = plot(made_up(), style=name)
    figure.canvas.draw()
    assert (luminance(figure.get_facecolor()) < 0.1) == (name == "dark")
    assert words_of(figure)
    for text in words_of(figure):
        assert contrast(text.get_color(), figure.get_facecolor()) > 7, text
        assert text.get_fontsize() >= 10 or "mathdefault" in text.get_text(), text


def test_without_a_style_the_settings_of_the_user_decide():
    assert luminance(plot_loss([3, 2, 1]).get_facecolor()) == pytest.approx(1)
    with plt.style.context("dark_background"):
        figure = plot_loss([3, 2, 1])
    assert luminance(figure.get_facecolor()) < 0.1


def test_axes_that_are_given_keep_their_look():
    with plt.style.context("dark_background"):
        figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    assert plot_activations(made_up(), ax=right) is figure
    assert not left.lines and len(curves_of(right)) == 3
    assert luminance(right.title.get_color()) > 0.7 and luminance(right.get_legend().get_texts()[0].get_color()) > 0.7
    with pytest.raises(ValueError, match="plot_activations: style='dark' is for a new figure"):
        plot_activations(made_up(), ax=right, style="dark")
    with pytest.raises(ValueError, match="expected matplotlib Axes to draw on, 2 in number, got Axes"):
        plot_means_and_stds(made_up(), axes=left)
    with pytest.raises(ValueError, match="1 in number, got Figure"):
        plot_loss(made_up(), ax=figure)


def test_axes_in_a_part_of_a_figure():
    with style("dark"):
        figure = plt.figure()
        ax = figure.subfigures(1, 2)[1].subplots()
    ax.set_facecolor("none")
    assert background(ax) == to_rgb(figure.get_facecolor())
    assert plot_loss([1, 2], ax=ax) is figure


@pytest.mark.parametrize("plot", OF_RECORD)
def test_a_plot_that_fails_leaves_no_figure(plot):
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=plot.__name__):
        plot(Record())
    assert plt.get_fignums() == before


def test_a_drawing_that_fails_leaves_no_figure(monkeypatch):
    monkeypatch.setattr(curves, "depth_key", None)
    before = plt.get_fignums()
    with pytest.raises(TypeError, match="not callable"):
        plot_near_zero(made_up())
    assert plt.get_fignums() == before


# ---- keys and legibility ----------------------------------------------------------------------------------------


def maps(record):
    """White dots for every second unit of as many layers as the record has, and one that is white throughout."""
    white = np.arange(320).reshape(8, 40) % 2
    white[:, 4] = 1
    return plot_saturated_units(dict.fromkeys(record.layers, white))


@pytest.mark.parametrize(
    ("plot", "layers"),
    [(plot, layers) for plot in (plot_activations, plot_weight_gradients, plot_means_and_stds, plot_saturation, plot_updates)
     for layers in (1, 8, 20)] + [(plot_histograms, 8), (maps, 8), (dashboard, 8), (dashboard, 20)],
)  # fmt: skip
def test_nothing_covers_data_or_other_words(plot, layers):
    figure = plot(made_up(layers))
    figure.canvas.draw()
    data = [box(figure, ax).padded(-1) for ax in figure.axes]
    for ax in figure.axes:
        words = [text for text in ax.get_children() if isinstance(text, mpl.text.Text) and text.get_text()]
        words += [axis.label for axis in (ax.xaxis, ax.yaxis) if axis.label.get_text()]
        places = [box(figure, artist) for artist in (*words, ax.get_legend()) if artist]
        for i, place in enumerate(places):
            assert not any(place.overlaps(area) for area in data)
            assert not any(place.overlaps(other) for other in places[:i])
            assert figure.bbox.padded(1).x0 <= place.x0 and place.x1 <= figure.bbox.padded(1).x1
        for axis in (ax.xaxis, ax.yaxis):
            ticks = [box(figure, text) for text in axis.get_ticklabels() if text.get_text()]
            assert not any(a.overlaps(b) for a, b in zip(ticks, ticks[1:]))


def test_few_layers_have_a_legend_and_many_a_colour_bar():
    few, many = plot_near_zero(made_up(8)), plot_near_zero(made_up(20))
    assert [text.get_text() for text in few.axes[0].get_legend().get_texts()] == [f"{2 * i + 1} Tanh" for i in range(8)]
    assert few.axes[0].get_legend().get_title().get_text() == "layer" and len(few.axes) == 1
    assert many.axes[0].get_legend() is None
    bar = many.axes[1]
    names = [text.get_text() for text in bar.get_yticklabels()]
    assert 5 <= len(names) <= 10 and names[0] == "1 Tanh" and names[-1] == "39 Tanh" and title_of(bar) == "layer"
    assert bar.yaxis_inverted()
    assert [line.get_color() for line in curves_of(many.axes[0])] == depth_colours(20)


def test_legend_names_the_colours_of_the_curves():
    ax = plot_updates(made_up(5)).axes[0]
    handles = [h for h in ax.get_legend().legend_handles if isinstance(h, Line2D)]
    assert [h.get_color() for h in handles] == [line.get_color() for line in curves_of(ax)] == depth_colours(5)


def test_names_may_be_numbers_or_hidden():
    labels = plot_near_zero({0: [0.1], "_body": [0.2]}).axes[0].get_legend().get_texts()
    assert [label.get_text().strip() for label in labels] == ["0", "_body"]


def test_key_can_be_left_out():
    assert plot_near_zero(made_up(3), key=False).axes[0].get_legend() is None


# ---- choosing ---------------------------------------------------------------------------------------------------


def shown_names(figure):
    return [text.get_text().split("\n")[0] for text in figure.axes[0].get_legend().get_texts()]


def test_layers_are_chosen_by_name_kind_or_pattern():
    record = made_up(3)
    assert shown_names(plot_near_zero(record)) == ["1 Tanh", "3 Tanh", "5 Tanh"]
    assert shown_names(plot_activations(record, layers="Linear")) == ["0 Linear", "2 Linear", "4 Linear"]
    assert shown_names(plot_activations(record, layers=["3", "4 Lin*"])) == ["3 Tanh", "4 Linear"]
    assert len(shown_names(plot_activations(record, layers="*"))) == 6
    assert shown_names(plot_updates(record)) == ["0.weight", "2.weight", "4.weight"]
    assert shown_names(plot_updates(record, parameters="*.bias")) == ["0.bias", "2.bias", "4.bias"]
    assert shown_names(plot_near_zero({"a[0]": [0.1], "b": [0.2]}, layers="a[0]")) == ["a[0]"]
    with pytest.raises(ValueError, match=r"plot_near_zero: layers=\['Relu'\] matches none of these: 0 Linear, 1 Tanh"):
        plot_near_zero(record, layers="Relu")


def test_classes_of_the_users_own_count_as_nonlinear():
    assert shown_names(plot_activations(made_up(2, kind="GeneralRelu"))) == ["1 GeneralRelu", "3 GeneralRelu"]


def test_a_record_of_linear_layers_alone_shows_them():
    record = made_up(2)
    record.layers = {name: layer for name, layer in record.layers.items() if layer.kind == "Linear"}
    assert shown_names(plot_activations(record)) == ["0 Linear", "2 Linear"]


# ---- distributions ----------------------------------------------------------------------------------------------


def test_density_is_that_of_the_values():
    values = np.random.default_rng(0).normal(size=20_000)
    (line,) = plot_activations({"h": mg.tensor(values)}).axes[0].lines
    x, density = line.get_data()
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.02)
    inner = abs(x) < 2
    np.testing.assert_allclose(density[inner], np.exp(-(x[inner] ** 2) / 2) / math.sqrt(2 * math.pi), atol=0.06)


def test_key_tells_mean_std_and_saturation():
    h = mg.tensor([[-0.99, 0.5], [0.98, 0.51]], requires_grad=True)
    label = plot_activations({"layer 1": h}).axes[0].get_legend().get_texts()[0].get_text()
    assert label == "layer 1\nmean +0.25, std 0.86, saturated 50.0 %"
    assert "saturated" not in plot_activations(h * 3).axes[0].get_legend().get_texts()[0].get_text()
    record = made_up(1, steps=3)
    record.layers["1"].mean[-1], record.layers["1"].std[-1] = -0.0123, 0.654  # of all values, not of those kept
    figure = plot_activations(record)
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "1 Tanh\nmean -0.012, std 0.65, saturated 22.0 %"
    assert title_of(figure.axes[0]) == "Activations at step 2"


def test_axes_are_named():
    ax = plot_gradients({"h": np.arange(100.0)}).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gradient", "density")
    assert title_of(ax) == "Gradients of the activations"


def test_many_zeros_are_left_out_and_said():
    values = np.maximum(np.random.default_rng(0).normal(size=10_000), 0)
    ax = plot_activations({"relu": values}).axes[0]
    x, density = ax.lines[0].get_data()
    assert np.trapezoid(density, x) == pytest.approx(0.5, abs=0.03)  # the other half is zero
    assert ax.get_xlabel() == "activation, zeros left out"
    assert f"zero {100 * (values == 0).mean():.1f} %" in ax.get_legend().get_texts()[0].get_text()


def test_long_tails_are_cut_and_said():
    values = np.random.default_rng(0).normal(size=5_000)
    values[0] = 1e6
    ax = plot_gradients(values).axes[0]
    assert 2 < ax.get_xlim()[1] < 10 and "outermost 0.4 % not shown" in ax.get_xlabel()


def test_gaps_between_peaks_stay_gaps():
    values = np.concatenate([np.full(500, -1.0), np.full(500, 1.0)])
    x, density = plot_activations(values).axes[0].lines[0].get_data()
    assert density[0] == density[-1] > 0 and (density[1:-1] == 0).all()


def test_density_is_logarithmic_where_layers_differ_much():
    values = np.random.default_rng(0).normal(size=1000)
    ax = plot_gradients({"vanished": values * 1e-9, "lively": values}).axes[0]
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "density (log scale)"
    assert plot_gradients({"a": values, "b": values * 2}).axes[0].get_yscale() == "linear"
    assert plot_gradients(values, log=True).axes[0].get_yscale() == "log"


def test_values_that_are_not_finite_are_counted():
    values = np.array([0.1, 0.2, np.nan, np.inf, 0.4, -np.inf, 0.3, 0.25])
    ax = plot_activations({"h": values}).axes[0]
    assert ax.get_legend().get_texts()[0].get_text().endswith("mean +0.25, std 0.11, not finite 37.5 %")
    assert np.isfinite(ax.lines[0].get_ydata()).all()
    some = plot_activations({"fine": [0.1, 0.2], "gone": [math.nan]}).axes[0]
    assert len(some.lines) == 1 and "not finite 100.0 %" in some.get_legend().get_texts()[1].get_text()
    assert some.lines[0].get_color() == depth_colours(2)[0]
    with pytest.raises(ValueError, match="plot_activations: there are no finite values"):
        plot_activations({"gone": [math.nan]})


def test_ones_among_zeros():
    ax = plot_activations({"mask": [0.0] * 9 + [1.0] * 9, "tiny": [0.0, 5e-324] * 9}).axes[0]
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 1], [5e-324, 5e-324]]


@pytest.mark.parametrize("constant", [0.0, -1.0, 1e-30, 3e38])
def test_a_constant_layer_is_a_line_where_it_lies(constant):
    (line,) = plot_activations({"h": np.full(10, constant)}).axes[0].lines
    assert list(line.get_xdata()) == [constant, constant]
    low, high = line.axes.get_xlim()
    assert (constant - low) / (high - low) == pytest.approx(0.5)  # not under a spine


def test_constant_layers_lie_clear_of_the_spines():
    for constants in ([0, 1], [-1e-9, 0], [0, 5e-324]):
        ax = plot_activations({str(constant): np.full(9, constant) for constant in constants}).axes[0]
        low, high = ax.get_xlim()
        assert low < min(constants) - 0.1 * (high - low) and max(constants) + 0.1 * (high - low) < high


def test_a_single_value():
    assert plot_activations({"h": mg.tensor(0.5)}).axes[0].lines[0].get_xdata()[0] == 0.5


def test_weight_gradients_tell_shape_and_ratio():
    W = mg.randn(30, 20, requires_grad=True)
    (W**2).sum().backward()
    label = plot_weight_gradients({"W": W}).axes[0].get_legend().get_texts()[0].get_text()
    assert label == "W\n30×20, grad:data 2.0e+00"  # the gradient is 2 W
    pair = plot_weight_gradients({"W": (W.grad, W * 10)}).axes[0].get_legend().get_texts()[0].get_text()
    assert pair == "W\n30×20, grad:data 2.0e-01"
    alone = plot_weight_gradients({"W": W.grad}).axes[0].get_legend().get_texts()[0].get_text()
    assert alone == "W\n30×20"
    recorded = plot_weight_gradients(made_up(1)).axes[0].get_legend().get_texts()[0].get_text()
    assert recorded == "0.weight\n25×20, grad:data 1.2e-02"
    with pytest.raises(ValueError, match=r"'W' has no gradient; call backward\(\) first"):
        plot_weight_gradients({"W": mg.randn(2, requires_grad=True)})
    with pytest.raises(ValueError, match=r"'W' has gradients \(2,\) for values \(3,\)"):
        plot_weight_gradients({"W": (mg.zeros(2), mg.zeros(3))})


def test_a_record_without_gradients_says_so():
    record = made_up(2)
    for part in (*record.layers.values(), *record.parameters.values()):
        part.gradient = None
    with pytest.raises(ValueError, match="plot_gradients: there are no values to draw"):
        plot_gradients(record)
    with pytest.raises(ValueError, match="plot_weight_gradients: there are no values to draw"):
        plot_weight_gradients(record)


# ---- over time --------------------------------------------------------------------------------------------------


def test_means_and_stds_are_those_recorded():
    record = made_up(3)
    left, right = plot_means_and_stds(record).axes
    for i, name in enumerate("135"):
        np.testing.assert_array_equal(left.lines[i].get_data(), [record.steps, record.layers[name].mean])
        np.testing.assert_array_equal(right.lines[i].get_data(), [record.steps, record.layers[name].std])
    assert (title_of(left), left.get_ylabel()) == ("Mean of activations", "mean")
    assert (right.get_xlabel(), right.get_ylabel()) == ("training step", "standard deviation")
    gradients = plot_means_and_stds(record, of="gradients").axes
    np.testing.assert_array_equal(gradients[1].lines[0].get_ydata(), record.layers["1"].gradient_std)
    with pytest.raises(ValueError, match="of='activations' or 'gradients', got 'weights'"):
        plot_means_and_stds(record, of="weights")


def test_plain_means_and_stds():
    left, right = plot_means_and_stds({"a": ([1, 2], [3, 4])}, steps=[10, 20]).axes
    np.testing.assert_array_equal(left.lines[0].get_data(), [[10, 20], [1, 2]])
    np.testing.assert_array_equal(right.lines[0].get_data(), [[10, 20], [3, 4]])
    with pytest.raises(ValueError, match="expected a pair of lists for 'a', got 3"):
        plot_means_and_stds({"a": (1, 2, 3)})


def test_an_exploding_layer_makes_the_scale_logarithmic():
    growing, calm = [10.0**i for i in range(9)], [1.0] * 9
    left, right = plot_means_and_stds({"a": ([-x for x in growing], growing), "b": (calm, calm)}).axes
    assert (left.get_yscale(), right.get_yscale()) == ("symlog", "log")
    assert right.get_ylabel() == "standard deviation (log scale)"


@pytest.mark.parametrize("means", [
    [-0.1, -0.2, 0.3, 1e3, 1e10, 1e21], [-1e21, 1e-9, 1e-3, 1e-3, 1e21], [0.0, -1.0, 1.0, 2e3],
])  # fmt: skip
def test_labels_of_a_scale_that_is_linear_around_zero_keep_apart(means):
    figure = plot_means_and_stds({"a": (means, [1.0] * len(means))})
    figure.canvas.draw()
    ax = figure.axes[0]
    low, high = ax.get_ylim()
    labels = [text for text in ax.get_yticklabels() if text.get_text() and low <= text.get_position()[1] <= high]
    places = sorted((box(figure, text) for text in labels), key=lambda place: place.y0)
    assert ax.get_yscale() == "symlog" and len(places) >= 3
    assert not any(a.overlaps(b) for a, b in zip(places, places[1:]))


def test_long_runs_are_smoothed_over_the_recorded_points():
    values = np.random.default_rng(0).normal(size=500)
    pale, bold = plot_means_and_stds({"a": (values, abs(values))}).axes[0].lines
    np.testing.assert_array_equal(pale.get_ydata(), values)
    assert pale.get_alpha() < 0.5 and bold.get_alpha() is None and pale.get_color() == bold.get_color()
    assert bold.get_xdata()[0] == pytest.approx(4.5) and bold.get_ydata()[0] == pytest.approx(values[:10].mean())
    assert bold.axes.get_xlabel() == "training step (bold: mean of 10 points)"


def test_shares_are_percentages_from_zero():
    ax = plot_near_zero(made_up(3)).axes[0]
    assert ax.get_ylabel() == "share of activations (%)" and ax.get_ylim() == pytest.approx((0, 12.6))
    np.testing.assert_allclose(ax.lines[2].get_ydata(), 12)
    assert plot_near_zero({"a": [1.0, 1.0]}).axes[0].get_ylim() == (0, 102)
    assert plot_near_zero({"a": [0.0, 0.0]}).axes[0].get_ylim()[1] > 0


def test_saturation_is_solid_and_dead_dotted():
    ax = plot_saturation(made_up(2, steps=3)).axes[0]
    solid, dotted = ([line for line in ax.lines if line.get_linestyle() == kind] for kind in ("-", ":"))
    np.testing.assert_allclose(solid[0].get_ydata(), [20, 21, 22])
    np.testing.assert_allclose(dotted[1].get_ydata(), [5, 5, 5])
    assert [a.get_color() for a in solid] == [b.get_color() for b in dotted] == depth_colours(2)
    assert "(solid)" in title_of(ax) and "(dotted)" in title_of(ax)
    plain = plot_saturation({"a": [0.5, 0.4]}).axes[0]
    assert len(plain.lines) == 1 and "dead" not in title_of(plain)
    pair = plot_saturation({"a": ([0.5, 0.4], [0.1, 0.2])}).axes[0]
    np.testing.assert_allclose([line.get_ydata() for line in pair.lines], [[50, 40], [10, 20]])


def test_layers_that_cannot_saturate_show_dead_units_alone():
    ax = plot_saturation(made_up(2, kind="ReLU")).axes[0]
    assert [line.get_linestyle() for line in ax.lines] == [":", ":"] and ax.get_xlabel() == "training step"


def test_updates_and_the_line_at_minus_three():
    ax = plot_updates(made_up(3)).axes[0]
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_ydata()) == [-3, -3] and dashed.get_zorder() >= max(line.get_zorder() for line in curves_of(ax))
    np.testing.assert_allclose(curves_of(ax)[1].get_ydata(), -2.6 + 0.01 * np.arange(7))
    assert ax.get_ylim()[0] < -3 < ax.get_ylim()[1] and ax.get_ylabel() == "log10 of update:data"
    assert "dashed: −3" in title_of(ax)
    for level in (-9.0, 4.0):
        low, high = plot_updates({"W": [level, level]}).axes[0].get_ylim()
        assert low < min(level, -3) and high > max(level, -3)


def test_a_record_without_updates_says_so():
    record = made_up(2)
    for parameter in record.parameters.values():
        parameter.update_data = [math.nan] * 7
    with pytest.raises(ValueError, match="plot_updates: nothing was recorded under `update_data`"):
        plot_updates(record)


def test_loss_and_that_of_knowing_nothing():
    ax = plot_loss(made_up(1)).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 3.3 - 0.1 * np.arange(7))
    assert ax.lines[1].get_linestyle() == "--" and ax.lines[1].get_ydata()[0] == pytest.approx(math.log(27))
    assert "−ln(1/27) = 3.30" in title_of(ax) and ax.get_ylabel() == "loss (nats)"
    plain = plot_loss([mg.tensor(2.0), mg.tensor(1.0)], steps=[5, 6]).axes[0]
    np.testing.assert_array_equal(plain.lines[0].get_data(), [[5, 6], [2, 1]])
    assert len(plain.lines) == 1 and plain.get_ylabel() == "loss"
    assert plot_loss(mg.tensor([2.0, 1.0]), classes=10).axes[0].lines[1].get_ydata()[0] == pytest.approx(math.log(10))
    with pytest.raises(TypeError, match="plot_loss: expected a Record or a list of losses, got dict"):
        plot_loss({"a": [1.0]})
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        plot_loss([1.0], classes=1)


def test_a_loss_that_was_never_given():
    record = made_up(1)
    record.losses = [math.nan] * 7
    with pytest.raises(ValueError, match="plot_loss: nothing was recorded under `losses`"):
        plot_loss(record)


def test_values_that_are_not_finite_are_crosses_at_the_edge():
    ax = plot_loss([2.0, math.inf, 1.5, math.nan, -math.inf, 1.0]).axes[0]
    curve, top, bottom = ax.lines
    np.testing.assert_array_equal(np.isnan(curve.get_ydata()), [False, True, False, True, True, False])
    assert top.get_marker() == "x" and list(top.get_xdata()) == [1, 3] and set(top.get_ydata()) == {0.98}
    assert list(bottom.get_xdata()) == [4] and set(bottom.get_ydata()) == {0.02}
    assert "×: nan or infinite" in ax.get_xlabel()
    assert curve.get_markevery() == [True, False, True, False, False, True]  # points without neighbours would not be seen


@pytest.mark.parametrize("plot", [plot_loss, dashboard])
def test_one_step_is_enough(plot):
    figure = plot(made_up(2, steps=1))
    figure.canvas.draw()
    if plot is plot_loss:
        assert figure.axes[0].lines[0].get_markevery() == [True] and list(figure.axes[0].get_xticks()) == [0]


@pytest.mark.parametrize("plot", [plot_near_zero, plot_updates, plot_saturation])
def test_curves_refuse_what_does_not_fit(plot):
    name = plot.__name__
    with pytest.raises(ValueError, match=f"{name}: 'b' has 1 values where the others have 2"):
        plot({"a": [1, 2], "b": [1]})
    with pytest.raises(ValueError, match=f"{name}: expected one number per step for 'a', got values of shape"):
        plot({"a": [[1, 2], [3, 4]]})
    with pytest.raises(ValueError, match=f"{name}: expected 2 steps"):
        plot({"a": [1, 2]}, steps=[1, 2, 3])
    with pytest.raises(ValueError, match="steps= is for plain values"):
        plot(made_up(), steps=[1])
    with pytest.raises(TypeError, match="expected a Record, or values in a dict by name, got str"):
        plot("record")
    with pytest.raises(ValueError, match="the dict is empty"):
        plot({})
    with pytest.raises(ValueError, match="there are no steps"):
        plot({"a": []})


# ---- images -----------------------------------------------------------------------------------------------------


def test_histograms_show_the_counts():
    record = made_up(3)
    axes = plot_histograms(record).axes
    for ax, name in zip(axes, "135"):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), record.layers[name].histogram.T)
        assert isinstance(image.norm, LogNorm) and image.norm.vmin == 1
        assert image.norm.vmax == max(layer.histogram.max() for layer in record.layers.values())
        assert image.get_extent() == (-0.5, 6.5, -2, 2)
        assert ax.get_ylim() == pytest.approx((-1, 1)) and title_of(ax) == f"{name} Tanh"
    assert len(axes) == 4 and axes[3].get_ylabel() == "values per bin (log scale)"


def test_plain_histograms_with_uneven_bins():
    counts = [mg.tensor([0.0, 3.0, 1.0]), mg.tensor([0.0, 2.0, 5.0])]
    ax = plot_histograms({"a": counts}, edges=[0, 1, 10, 100], steps=[0, 10]).axes[0]
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), [[0, 0], [3, 2], [1, 5]])
    assert ax.get_ylim() == (1, 100) and ax.get_xlim() == (-5, 15)
    assert len(plot_histograms({str(i): counts for i in range(5)}).axes) == 6  # five and a colour bar, no empty place
    with pytest.raises(ValueError, match="plot_histograms: expected 4 edges for 'a', got shape"):
        plot_histograms({"a": counts}, edges=[0, 1])
    with pytest.raises(ValueError, match=r"expected counts of shape \(steps, bins\) for 'a', got \(3,\)"):
        plot_histograms({"a": [1, 2, 3]})
    with pytest.raises(ValueError, match="all counts are zero"):
        plot_histograms({"a": [[0, 0]]})
    with pytest.raises(ValueError, match="edges= is for plain values"):
        plot_histograms(made_up(), edges=[1])


def test_histograms_share_a_range_where_they_share_bins():
    record = made_up(2)
    record.layers["1"].edges = EDGES * 10
    (ax, other) = plot_histograms(record).axes[:2]
    assert ax.get_ylim() == pytest.approx((-10, 10)) and other.get_ylim() == pytest.approx((-1, 1))
    same = plot_histograms({"a": [[1, 1, 0]], "b": [[0, 1, 1]], "none": [[0, 0, 0]]}, edges=[0, 1, 2, 3]).axes[:3]
    assert [ax.get_ylim() for ax in same] == [(0, 3)] * 3


def test_white_dots():
    h = mg.tensor([[1.0, 0.5, -1.0], [1.0, -0.995, 0.2]])
    ax = plot_saturated_units(h).axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[True, False, True], [True, True, False]])
    assert (ax.images[0].cmap(1.0)[:3], ax.images[0].cmap(0.0)[:3]) == ((1, 1, 1), (0, 0, 0))
    assert title_of(ax) == "white: |h| > 0.99 (66.7 %)\n▼ 1 of 3 units always"
    assert list(ax.lines[0].get_xdata()) == [0] and ax.lines[0].get_marker() == "v"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit", "example")
    lower = plot_saturated_units({"layer 2": h}, threshold=0.4).axes[0]
    assert title_of(lower).startswith("layer 2\nwhite: |h| > 0.4 (83.3 %)")


def test_white_dots_of_images_and_of_several_layers():
    assert plot_saturated_units(mg.zeros(4, 2, 3, 5)).axes[0].images[0].get_array().shape == (4, 30)
    figure, axes = plt.subplots(1, 2)
    assert plot_saturated_units({"a": mg.zeros(2, 3), "b": mg.ones(2, 3)}, axes=axes) is figure
    assert [ax.images[0].get_array().sum() for ax in axes] == [0, 6]
    assert [ax.get_ylabel() for ax in axes] == ["example", ""]
    plot_saturated_units(mg.zeros(2, 3), axes=axes[1])
    assert axes[1].get_ylabel() == "example"
    assert len(plot_saturated_units({str(i): mg.zeros(2, 3) for i in range(7)}).axes) == 7
    with pytest.raises(ValueError, match=r"activations of shape \(N, ...\) for 'values', got \(3,\)"):
        plot_saturated_units(mg.zeros(3))


def test_white_dots_of_a_record_that_keeps_the_batch():
    record = made_up(2)
    activation = record.layers["3"].activation
    with pytest.raises(ValueError, match="the record keeps 500 values of '1 Tanh', not all of the last batch"):
        plot_saturated_units(made_up(2, shape=(32, 200)))
    shown = plot_saturated_units(record, threshold=0.9, layers="3").axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, (abs(activation) > 0.9).reshape(20, 25))


# ---- all in one -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "images", "kind"), [(1, 1, "Tanh"), (4, 4, "ReLU"), (20, 6, "Tanh")])
def test_dashboard_holds_every_graph(layers, images, kind):
    figure = dashboard(made_up(layers, kind=kind))
    titles = [title_of(ax).split("\n")[0] for ax in figure.axes[:9]]
    assert titles == [
        "Loss", "Updates beside their parameters", "Gradients of the parameters at step 6", "Activations at step 6",
        "Gradients of the activations at step 6", "Activations near zero", "Mean of activations",
        "Standard deviation of activations", "Saturated activations (solid)",
    ]  # fmt: skip
    assert sum(bool(ax.images) for ax in figure.axes) == images * (1 + (kind == "Tanh"))
    assert [title_of(ax) for ax in figure.axes[9 : 9 + images]][-1] == f"{2 * layers - 1} {kind}"
    assert len(curves_of(figure.axes[6])) == layers
    keys = [ax.get_legend().get_title().get_text() for ax in figure.axes if ax.get_legend()]
    keys += [title_of(ax) for ax in figure.axes if title_of(ax) in ("layer", "parameter")]
    assert sorted(keys) == ["layer", "parameter"]


def test_dashboard_says_what_is_missing():
    record = made_up(2)
    record.losses, record.parameters = [math.nan] * 7, {}
    loss, updates = dashboard(record).axes[:2]
    assert "nothing was\nrecorded" in loss.texts[0].get_text() and not loss.lines
    assert "there are no" in updates.texts[0].get_text()
    assert (title_of(loss), title_of(updates)) == ("Loss", "Updates beside their parameters")
    record = made_up(2)
    for layer in record.layers.values():
        layer.gradient = np.zeros(0)
        layer.mean = layer.std = [math.nan] * 7
    axes = dashboard(record).axes
    assert axes[4].texts[0].get_text().replace("\n", " ") == "plot_gradients: there are no values to draw"
    assert title_of(axes[4]) == "Gradients of the activations"
    assert [title_of(ax) for ax in axes[6:8]] == ["Mean of activations", "Standard deviation of activations"]
    with pytest.raises(ValueError, match="dashboard: the record holds no step"):
        dashboard(Record())
    with pytest.raises(TypeError, match="dashboard: expected a Record, got dict"):
        dashboard({})


# ---- where the numbers lie --------------------------------------------------------------------------------------


class FarArray:
    """Like an array on a GPU: it gives its numbers only when asked by `to_numpy`."""

    def __init__(self, values):
        self.values = np.asarray(values, np.float32)

    def __array__(self, *arguments, **options):
        raise TypeError("implicit conversion")


def test_arrays_on_another_device_are_brought_to_the_host(monkeypatch):
    monkeypatch.setattr(sources, "Array", FarArray)
    monkeypatch.setattr(sources, "to_numpy", lambda array: array.values)
    (line,) = plot_loss([FarArray(2.0), FarArray(1.0)]).axes[0].lines
    assert list(line.get_ydata()) == [2, 1]
    assert plot_saturated_units({"h": FarArray([[1, 0]])}).axes[0].images[0].get_array().tolist() == [[True, False]]
    assert len(plot_activations({"h": FarArray([0.1, 0.2])}).axes[0].lines) == 1


def test_names_are_those_announced():
    assert plots.__all__ == [name for name in plots.__all__ if callable(getattr(plots, name))]
    assert {plot.__name__ for plot in OF_RECORD} | {"plot_saturated_units"} == set(plots.__all__)
