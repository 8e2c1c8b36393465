"""The figure of batch norm on five points: its numbers against `functional.batch_norm`, its sliders, its stills."""

import gc

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.figure import Figure
from matplotlib.widgets import Slider

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.diagnostics import animate
from minigrad.diagnostics.animate import batch_norm_steps, between

plt.switch_backend("agg")
POINTS = (-1.0, 0.5, 2.0, 3.5, 7.0)


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def expected(points, gamma, beta, eps=1e-5):
    """The four steps, the last by the library's own batch norm."""
    x = mg.tensor(points, dtype=mg.float64).unsqueeze(1)
    weight, bias = (mg.tensor([value], dtype=mg.float64) for value in (gamma, beta))
    scaled = F.batch_norm(x, None, None, None, None, True, eps=eps)
    steps = [x, x - x.mean(), scaled, F.batch_norm(x, None, None, weight, bias, True, eps=eps)]
    return [step.squeeze(1).numpy() for step in steps]


def shown(axis):
    """Where the points of a number line are, its mean, and the ends of its band."""
    [dots] = axis.collections
    [band] = axis.patches
    mean = axis.lines[-1].get_xdata()[0]
    return np.asarray(dots.get_offsets())[:, 0], mean, (band.get_x(), band.get_x() + band.get_width())


def assert_shows(axis, values):
    values = np.asarray(values)
    dots, mean, band = shown(axis)
    np.testing.assert_allclose(dots, values, atol=1e-12)
    np.testing.assert_allclose(mean, values.mean(), atol=1e-12)
    np.testing.assert_allclose(band, (values.mean() - values.std(), values.mean() + values.std()), atol=1e-12)
    text = axis.texts[2].get_text().replace("-0.00", "0.00")
    assert text == f"mean {values.mean():.2f}, standard deviation {values.std():.2f}".replace("-0.00", "0.00")
    low, high = axis.get_xlim()
    assert low < values.min() and values.max() < high


def assert_legible(figure):
    """No two texts overlap, and all lie in the figure."""
    figure.canvas.draw()
    texts = [t for axis in figure.axes for t in axis.texts if t.get_text()] + [figure._suptitle]
    extents = [t.get_window_extent() for t in texts]
    for i, a in enumerate(extents):
        assert 0 <= a.x0 and a.x1 <= figure.bbox.width and 0 <= a.y0 and a.y1 <= figure.bbox.height
        assert not any(a.overlaps(b) for b in extents[:i])


@pytest.mark.parametrize(("points", "gamma", "beta", "eps"), [
    (POINTS, 1.5, -1.0, 1e-5), ((1.0, 2.0, 3.0, 4.0, 500.0), 0.0, 2.0, 1e-5), ((5.0,) * 5, 1.0, 0.0, 1e-3),
])  # fmt: skip
def test_the_steps_are_those_of_batch_norm(points, gamma, beta, eps):
    for ours, theirs in zip(batch_norm_steps(points, gamma, beta, eps), expected(points, gamma, beta, eps), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_between_steps_points_are_on_their_way():
    steps = [[0.0, 1.0], [2.0, 5.0], [4.0, 4.0]]
    assert [between(steps, at) for at in (0, 0.25, 1, 1.5, 2)] == [[0, 1], [0.5, 2], [2, 5], [3, 4.5], [4, 4]]


@pytest.mark.parametrize(("points", "gamma", "beta"), [(POINTS, 1.5, -1.0), ((5.0,) * 5, 1.0, 0.5)])
def test_stills(points, gamma, beta):
    figure = animate(points, gamma, beta)  # no window here
    assert isinstance(figure, Figure) and len(figure.axes) == 4 and not hasattr(figure, "sliders")
    for axis, values in zip(figure.axes, expected(points, gamma, beta), strict=True):
        assert_shows(axis, values)
    assert [axis.texts[0].get_text() for axis in figure.axes] == [
        "the batch", "minus its mean", "over its standard deviation", "times gamma, plus beta"
    ]  # fmt: skip
    assert f"gamma {gamma:.2f} and beta {beta:.2f}" in figure._suptitle.get_text()
    assert len(figure.artists) == 3 * 5
    assert_legible(figure)


def test_sliders_move_the_points():
    figure = animate(interactive=True)
    assert list(figure.sliders) == ["step", "last point", "gamma", "beta"]
    assert all(isinstance(slider, Slider) for slider in figure.sliders.values())
    line = figure.axes[0]
    assert_shows(line, POINTS)
    assert_legible(figure)
    figure.sliders["step"].set_val(2)
    assert_shows(line, expected(POINTS, 1.5, -1.0)[2])
    assert "sqrt" in line.texts[1].get_text()
    figure.sliders["step"].set_val(3)
    figure.sliders["gamma"].set_val(2.5)
    figure.sliders["beta"].set_val(0.5)
    assert_shows(line, expected(POINTS, 2.5, 0.5)[3])
    assert "gamma 2.50 and beta 0.50" in figure._suptitle.get_text()
    figure.sliders["last point"].set_val(-4.0)
    moved = (*POINTS[:-1], -4.0)
    assert_shows(line, expected(moved, 2.5, 0.5)[3])
    figure.sliders["step"].set_val(0.5)
    raw, centred, *_ = expected(moved, 2.5, 0.5)
    assert_shows(line, (raw + centred) / 2)
    assert_legible(figure)


def test_every_place_of_every_slider_stays_on_the_axis():
    figure = animate(interactive=True, gamma=4.0, beta=-5.0)
    low, high = figure.axes[0].get_xlim()
    sliders = figure.sliders
    for step in (0, 3):
        sliders["step"].set_val(step)
        for name in ("last point", "gamma", "beta"):
            for value in (sliders[name].valmin, sliders[name].valmax):
                sliders[name].set_val(value)
                dots, *_ = shown(figure.axes[0])
                assert low <= dots.min() and dots.max() <= high


def test_a_mouse_moves_a_slider():
    figure = animate(interactive=True)
    gc.collect()  # the sliders live as long as the figure
    figure.canvas.draw()
    axis = figure.sliders["step"].ax
    x, y = axis.transAxes.transform((1.0, 0.5))
    for kind in ("button_press_event", "button_release_event"):
        figure.canvas.callbacks.process(kind, MouseEvent(kind, figure.canvas, x - 1, y, MouseButton.LEFT))
    assert figure.sliders["step"].val == pytest.approx(3, abs=0.02)
    np.testing.assert_allclose(shown(figure.axes[0])[0], expected(POINTS, 1.5, -1.0)[3], atol=0.02)


def test_points_can_be_a_tensor():
    figure = animate(mg.tensor(POINTS))
    assert_shows(figure.axes[0], POINTS)


@pytest.mark.parametrize("points", [(1.0, 2.0), (1.0, 2.0, 3.0, 4.0, float("nan"))])
def test_other_points_are_refused(points):
    with pytest.raises(ValueError, match="expected five finite points, got"):
        animate(points)
    assert plt.get_fignums() == []


def test_no_other_figure_is_left_open():
    animate()
    assert len(plt.get_fignums()) == 1
