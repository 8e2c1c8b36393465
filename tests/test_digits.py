"""Drawn digits: the curves, the pen, the same digits for the same seed, and how hard it is to read them."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, nn
from minigrad.datasets.strokes import HEIGHT, PIECE, SHAPES, SIDE, curve, ink, pen
from minigrad.nn import functional as F

WAYS = [way for shape in SHAPES for way in shape]


# --------------------------------------------------------------------------------------------- curves and pen


@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_curve(count):
    points = np.random.default_rng(count).standard_normal((count, 2))
    at_points = curve(count, np.arange(count))
    np.testing.assert_allclose(at_points, np.eye(count), atol=1e-12)
    t = np.linspace(0, count - 1, 1001)
    np.testing.assert_allclose(curve(count, t).sum(1), 1, 1e-12)
    np.testing.assert_allclose(curve(count, t) @ np.arange(count), t, atol=1e-12)  # even points, even curve
    velocity = np.diff(curve(count, t) @ points, axis=0) * 1000 / (count - 1)
    assert np.abs(np.diff(velocity, axis=0)).max() < 0.15  # and no corner in between
    middle = np.arange(1, count - 1)
    step = 1e-6
    slope = (curve(count, middle + step) - curve(count, middle - step)) @ points / (2 * step)
    np.testing.assert_allclose(slope, (points[2:] - points[:-2]) / 2, atol=1e-5)  # by Catmull and Rom


@pytest.mark.parametrize("shape", WAYS)
def test_pen_divides_strokes_into_equal_pieces(shape):
    controls, middles, steps = pen(shape)
    assert len(middles) == len(steps) and controls.shape == (sum(map(len, shape)), 2)
    np.testing.assert_allclose(middles.sum(1), 1, 1e-5)
    np.testing.assert_allclose(steps.sum(1), 0, atol=1e-5)
    lengths = np.hypot(*(steps @ controls).T)
    assert lengths.max() <= PIECE / 100 * 1.01 and lengths.min() > 0.6 * PIECE / 100
    ends = sum(np.subtract(stroke[-1], stroke[0]) for stroke in shape) / 100
    np.testing.assert_allclose((steps @ controls).sum(0), ends, atol=1e-5)


def test_ink_against_a_loop():
    generator = np.random.default_rng(0)
    middles = generator.uniform(5, 20, (2, 6, 2)).astype(np.float32)
    steps = generator.uniform(-1, 1, (2, 6, 2)).astype(np.float32)
    offsets, radius = generator.uniform(12, 16, (2, 2)), np.array([0.8, 1.3])
    images = ink(middles, steps, offsets, radius)
    assert images.shape == (2, SIDE, SIDE) and images.dtype == np.uint8
    for image, middle, step, offset, r in zip(images, middles, steps, offsets, radius):
        places = middle + offset - (middle.max(0) + middle.min(0)) / 2
        for y in range(SIDE):
            for x in range(SIDE):
                squares = ((places - [x, y]) ** 2).sum(1)
                amount = np.hypot(*step.T) / (r * math.sqrt(2 * math.pi))
                expected = 255 * (1.7 * (amount * np.exp(-squares / (2 * r * r))).sum() - 0.25)
                assert abs(image[y, x] - min(max(expected, 0.5), 255)) <= 1


def test_a_straight_stroke_is_even():
    y = np.linspace(4, 23, 20, dtype=np.float32)
    middles = np.stack([np.full_like(y, 13), y], -1)[None]
    steps = np.broadcast_to(np.float32([0, 1]), (1, 20, 2))
    image = ink(middles, steps, np.array([[13, 13.5]]), np.array([1.0]))[0]
    assert image[8:20, 13].min() == 255  # full along the middle
    assert np.ptp(image[8:20], axis=0).max() <= 2
    profile = 255 * np.clip(1.7 * np.exp(-0.5 * (np.arange(SIDE) - 13.0) ** 2) - 0.25, 0, 1)
    np.testing.assert_allclose(image[13], profile, atol=2)


# -------------------------------------------------------------------------------------------------- data sets


def test_same_seed_same_digits():
    first, again, other = (datasets.digits((60, 5, 5), seed=seed) for seed in (3, 3, 4))
    for a, b, c in zip(first, again, other):
        assert mg.equal(a.images, b.images) and mg.equal(a.labels, b.labels)
        assert not mg.equal(a.images, c.images)
    state = mg.get_rng_state()
    datasets.digits((5, 5, 5))
    np.testing.assert_array_equal(state, mg.get_rng_state())  # draws from a stream of their own


def test_parts():
    train, validation, test = datasets.digits((2000, 300, 200))
    assert [len(part) for part in (train, validation, test)] == [2000, 300, 200]
    assert train.images.shape == (2000, 1, SIDE, SIDE) and train.images.dtype == mg.uint8
    assert train.labels.dtype == mg.int64 and train.stand_in
    counts = np.bincount(train.labels.numpy())
    assert len(counts) == 10 and counts.min() > 150 and counts.max() < 250
    images = train.images.numpy()[:, 0]
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000
    assert (images.max((1, 2)) > 200).all()
    share = (images > 128).mean((1, 2))
    assert share.min() > 0.015 and share.max() < 0.4
    assert (images[:, [0, -1]] == 0).mean() > 0.98 and (images[:, :, [0, -1]] == 0).mean() > 0.98
    high, wide = ((images > 64).any(axis).sum(-1) for axis in (2, 1))
    assert abs(np.median(high) - HEIGHT) <= 3 and np.median(wide) < np.median(high)


@pytest.mark.parametrize("sizes", [(3, 0, 2), (0, 0, 0), (0, 1, 0)])
def test_small_sizes(sizes):
    parts = datasets.digits(sizes, dtype="float32")
    assert [part.images.shape for part in parts] == [(n, 1, SIDE, SIDE) for n in sizes]


def test_errors():
    for sizes in ((10, 10), (10, -1, 3), ()):
        with pytest.raises(ValueError, match="digits: expected sizes of the train, validation, test sets"):
            datasets.digits(sizes)
    with pytest.raises(ValueError, match="expected training images"):
        datasets.digits((0, 3, 3), normalize=True)


# ------------------------------------------------------------------------------------------------- difficulty


@pytest.fixture
def one_thread():
    """Where other processes want the cores too, threads that wait for each other take ten times as long."""
    threads = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(threads)


def accuracy(model, part):
    with mg.no_grad():
        x, y = part[:]
        return (model(x).argmax(1) == y).float().mean().item()


def fit(model, train, epochs, batch_size, learning_rate):
    optimizer = mg.optim.SGD(model.parameters(), learning_rate, momentum=0.9)
    for _ in range(epochs):
        for index in mg.randperm(len(train)).split(batch_size):
            x, y = train[index]
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()


def linear_model():
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 10))


def convolutional_net():
    def block(inputs, outputs, kernel_size):
        convolution = nn.Conv2d(inputs, outputs, kernel_size, 2, kernel_size // 2, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    sizes = (1, 8, 5), (8, 16, 3), (16, 32, 3), (32, 32, 3)
    return nn.Sequential(
        *(layer for size in sizes for layer in block(*size)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def test_a_linear_model_is_not_enough():
    train, _, test = datasets.digits((10000, 0, 3000), dtype="float32", normalize=True)
    model = linear_model()
    fit(model, train, epochs=4, batch_size=64, learning_rate=0.01)
    assert 0.8 < accuracy(model, test) < 0.95


def test_a_small_convolutional_net_is(one_thread):
    train, _, test = datasets.digits((8000, 0, 2000), dtype="float32", normalize=True)
    model = convolutional_net()
    fit(model, train, epochs=3, batch_size=64, learning_rate=0.05)
    assert accuracy(model.eval(), test) > 0.97


@pytest.mark.slow
def test_all_digits(one_thread):
    train, _, test = datasets.digits(dtype="float32", normalize=True)
    model = linear_model()
    fit(model, train, epochs=10, batch_size=64, learning_rate=0.01)
    assert 0.85 < accuracy(model, test) < 0.97
    model = convolutional_net()
    fit(model, train, epochs=3, batch_size=512, learning_rate=0.1)
    assert accuracy(model.eval(), test) > 0.98
