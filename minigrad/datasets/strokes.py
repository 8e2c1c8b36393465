"""Digits drawn by the program itself: what stands in for MNIST where that cannot be had.

A digit is a few strokes, each a curve through control points (Catmull and Rom, 1974). Points on such a curve
are weighted sums of its control points, so that every hand's own digit, whose control points are moved a
little, scaled, slanted, turned and shifted, costs one small matrix product. The pen has a Gaussian tip: what
it leaves on a pixel is a product of a function of x and one of y, and all the ink of a digit another matrix
product.
"""

import math

import numpy as np

from ..ops.operands import int64
from ..random import Generator
from .images import Splits, splits

SIDE = 28  # pixels
HEIGHT = 19  # of an average digit, in pixels
PIECE = 5  # length of a piece of stroke, in percent of the height: the pen moves on by about a pixel
GROUP = 256  # images drawn at once, so that temporaries stay in the cache

# for every digit the ways to draw it, each a list of strokes; (x, y) in percent of the height, y downwards
SHAPES = [
    [  # 0
        [
            [(5, -48), (-18, -44), (-33, -15), (-30, 25), (-8, 48), (18, 43), (33, 12),
             (29, -24), (10, -46), (-8, -47)],
        ],
    ],
    [  # 1
        [[(6, -50), (1, 0), (-4, 50)]],
        [[(-20, -28), (-4, -38), (7, -50)], [(7, -50), (3, 0), (0, 50)]],
        [[(-16, -30), (5, -50)], [(5, -50), (3, 0), (1, 50)], [(-20, 50), (0, 49), (20, 50)]],
    ],
    [  # 2
        [
            [(-28, -25), (-15, -46), (12, -47), (26, -26), (13, 2), (-12, 28), (-32, 48)],
            [(-32, 48), (0, 45), (33, 46)],
        ],
        [
            [(-26, -30), (-8, -49), (18, -42), (22, -14), (0, 20), (-26, 44), (-33, 30),
             (-15, 30), (8, 45), (34, 42)],
        ],
    ],
    [  # 3
        [
            [(-27, -40), (-4, -50), (20, -40), (20, -16), (-6, -3)],
            [(-6, -3), (22, 8), (27, 31), (4, 50), (-30, 40)],
        ],
        [
            [(-26, -47), (2, -48), (25, -46)], [(25, -46), (8, -26), (-5, -8)],
            [(-5, -8), (22, 4), (26, 31), (2, 50), (-29, 39)],
        ],
    ],
    [  # 4
        [[(-20, -48), (-26, -20), (-30, 8)], [(-30, 8), (0, 8), (36, 5)], [(16, -42), (13, 0), (8, 50)]],
        [[(14, -50), (-10, -20), (-34, 14)], [(-34, 14), (0, 14), (36, 13)], [(14, -50), (12, 0), (10, 50)]],
    ],
    [  # 5
        [
            [(28, -48), (4, -48), (-20, -47)], [(-20, -47), (-22, -28), (-25, -8)],
            [(-25, -8), (2, -15), (26, 4), (25, 34), (-2, 50), (-30, 41)],
        ],
        [
            [(-18, -46), (-20, -28), (-24, -6)],
            [(-24, -6), (4, -12), (24, 8), (20, 38), (-6, 49), (-28, 40)], [(-18, -46), (6, -44), (32, -50)],
        ],
    ],
    [  # 6
        [[(20, -50), (-8, -26), (-27, 10), (-20, 42), (6, 49), (26, 30), (18, 8), (-6, 6), (-25, 26)]],
        [[(4, -50), (-14, -20), (-22, 15), (-14, 42), (6, 49), (22, 32), (15, 12), (-4, 14), (-19, 32)]],
    ],
    [  # 7
        [[(-32, -42), (0, -45), (32, -46)], [(32, -46), (10, -4), (-8, 50)]],
        [[(-30, -44), (0, -44), (30, -46)], [(30, -46), (11, -2), (-4, 50)], [(-16, 3), (6, 1), (30, 0)]],
        [[(-32, -28), (-28, -45), (0, -44), (32, -46)], [(32, -46), (14, -10), (4, 50)]],
    ],
    [  # 8
        [
            [(24, -36), (2, -50), (-20, -36), (-14, -13), (10, 4), (24, 27), (2, 50),
             (-23, 29), (-11, 4), (13, -14), (24, -34)],
        ],
        [
            [(0, -50), (-20, -38), (-16, -12), (2, -4), (18, -14), (20, -38), (0, -50)],
            [(2, -4), (-22, 10), (-24, 36), (0, 50), (24, 36), (22, 10), (2, -4)],
        ],
    ],
    [  # 9
        [[(24, -30), (2, -50), (-23, -30), (-13, -6), (10, -8), (24, -30)], [(24, -30), (20, 10), (10, 50)]],
        [
            [(25, -34), (2, -50), (-24, -28), (-14, -5), (10, -8), (25, -34)],
            [(25, -34), (25, 14), (6, 47), (-22, 42)],
        ],
    ],
]  # fmt: skip


def digits(sizes=(50000, 10000, 10000), seed=0, dtype=np.uint8, normalize=False):
    """Drawn digits in place of MNIST's, as many for training, validation and test as `sizes` says.

    The same seed draws the same digits. The other arguments and what is returned are those of `mnist`.
    """
    if len(sizes) != len(Splits._fields) or min(sizes) < 0:
        raise ValueError(f"digits: expected sizes of the {', '.join(Splits._fields)} sets, got {sizes}")
    images, labels = draw(sum(sizes), Generator().manual_seed(seed))
    return splits(images, labels, sizes, dtype, normalize, stand_in=True)


def draw(count, generator):
    """`count` random digits, as NumPy arrays: images (count, SIDE, SIDE), uint8, labels (count), int64."""
    labels = generator.randint(0, len(SHAPES), (count,), int64)
    ways = generator.randint(0, 6, (count,), int64)  # 6, since it is a multiple of 1, 2 and 3 ways
    pens = [[pen(strokes) for strokes in shapes] for shapes in SHAPES]
    jitter = generator.randn((count, max(len(p[0]) for shape in pens for p in shape), 2)) * np.float32(0.04)
    transforms, offsets, radius = placements(count, generator)
    images = np.empty((count, SIDE, SIDE), np.uint8)
    for label, shape in enumerate(pens):
        for way, (controls, middles, steps) in enumerate(shape):
            chosen = np.flatnonzero((labels == label) & (ways % len(shape) == way))
            for i in np.split(chosen, range(GROUP, len(chosen), GROUP)):
                hand = (controls + jitter[i, : len(controls)]) @ transforms[i]
                images[i] = ink(middles @ hand, steps @ hand, offsets[i], radius[i])
    return images, labels


def placements(count, generator):
    """For each image, in pixels: its digit's matrix, transposed, its centre, and the radius of its pen."""
    size, stretch, slant, turn = generator.randn((4, count))
    right, down, thickness = generator.rand((3, count))
    height = HEIGHT * np.clip(1 + 0.08 * size, 0.75, 1.2)
    width = height * np.clip(1 + 0.18 * stretch, 0.6, 1.4)
    slant = 0.1 + 0.2 * slant  # people write from left to right, and lean with it
    sin, cos = np.sin(0.12 * turn), np.cos(0.12 * turn)
    transposed = [[width * cos, width * sin], [-height * (slant * cos + sin), height * (cos - slant * sin)]]
    offsets = (SIDE - 1) / 2 + 5 * (np.stack([right, down], -1) - 0.5)
    return np.moveaxis(np.array(transposed), 2, 0), offsets, 0.75 + 0.65 * thickness


def pen(strokes):
    """The control points of a shape (K, 2), in heights, and two sets of weights (pieces, K) for them.

    The first weights give the middle of every piece of stroke, the others its end minus its beginning.
    """
    total, column = sum(map(len, strokes)), 0
    middles, steps = [], []
    for stroke in strokes:
        count = len(stroke)
        t = np.linspace(0, count - 1, 200)
        x, y = (curve(count, t) @ stroke).T
        length = np.append(0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
        pieces = math.ceil(length[-1] / PIECE)
        t = np.interp(np.linspace(0, length[-1], 2 * pieces + 1), length, t)  # ends and middles of pieces
        weights = np.zeros((len(t), total))
        weights[:, column : column + count] = curve(count, t)
        middles.append(weights[1::2])
        steps.append(np.diff(weights[::2], axis=0))
        column += count
    controls = np.concatenate(strokes) / 100
    return [array.astype(np.float32) for array in (controls, np.concatenate(middles), np.concatenate(steps))]


def curve(count, t):
    """Weights (len(t), count) of the control points, for a Catmull-Rom curve that is at point k at t = k."""
    start = np.minimum(t.astype(np.int64), count - 2)
    t = t - start
    basis = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]  # times 2
    points = np.pad(np.eye(count), ((1, 1), (0, 0)), "reflect", reflect_type="odd")  # one beyond each end
    return np.einsum("ji,ijk->ik", basis, points[start[:, None] + np.arange(4)]) / 2


def ink(middles, steps, offsets, radius):
    """Images of N digits (N, SIDE, SIDE), uint8, of pieces whose middles and steps are (N, pieces, 2) pixels.

    Each digit's box is centred at its offset; a long stroke has full brightness along its middle.
    """
    centre = (middles.max(1) + middles.min(1)) / 2
    places = middles + (offsets - centre)[:, None]
    radius = radius[:, None, None]
    distance = (places[..., None] - np.arange(SIDE, dtype=np.float32)) / radius[..., None]
    across = np.exp(distance * distance * np.float32(-0.5))  # (N, pieces, x or y, SIDE)
    amount = np.hypot(steps[..., :1], steps[..., 1:]) / (radius * math.sqrt(2 * math.pi))
    total = (across[:, :, 1] * amount).transpose(0, 2, 1) @ across[:, :, 0]
    return np.clip(255 * (1.7 * total - 0.25), 0, 255).astype(np.uint8)  # steeper than the pen's own edge
