"""The MNIST database of handwritten digits (LeCun, Cortes and Burges), and the IDX format of its files."""

import math

import numpy as np

from .files import File, find, notice
from .images import splits
from .strokes import digits

SIZES = 50000, 10000, 10000
MIRRORS = "ossci-datasets.s3.amazonaws.com/mnist", "raw.githubusercontent.com/fgnt/mnist/master"


def published(name, sha256):
    return File(f"mnist/{name}.gz", sha256, tuple(f"https://{mirror}/{name}.gz" for mirror in MIRRORS))


IMAGES = (
    published("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    published("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
)
LABELS = (
    published("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    published("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)


def mnist(dtype=np.uint8, normalize=False, download=True, stand_in=True):
    """The MNIST digits as named (train, validation, test): 50000, 10000 and 10000 `Images` of 1 x 28 x 28.

    Validation is the last 10000 of the published training set. What is taken from them is floating, in [0, 1)
    after a division by 256; with `normalize`, less the mean of the training images and divided by their
    standard deviation. `dtype` says how they are kept: uint8 needs the least memory, a floating dtype the
    least time for a batch.

    `download=False` forbids the network, `stand_in=False` the `digits` that minigrad draws itself. Raises
    `FileNotFoundError` when no permitted place has them, `ValueError` for a wrong file in `$MINIGRAD_DATA`.
    """
    try:
        images = [read_idx(find(file, download), 3, file.name) for file in IMAGES]
        labels = [read_idx(find(file, download), 1, file.name) for file in LABELS]
    except FileNotFoundError as error:
        if not stand_in:
            raise
        kind = f"{sum(SIZES)} drawn digits"
        notice(f"USING A STAND-IN of {kind}, so figures differ from the published ones ({error})")
        return digits(SIZES, dtype=dtype, normalize=normalize)
    images, labels = np.concatenate(images), np.concatenate(labels).astype(np.int64)
    return splits(images, labels, SIZES, dtype, normalize, stand_in=False)


def read_idx(content, ndim, source):
    """The array of `ndim` dimensions in the content of an IDX file of unsigned bytes, whose memory it shares.

    The file begins with the bytes 0, 0, 8 (for unsigned bytes) and `ndim`, then the sizes, each as four bytes
    with the highest first. Raises `ValueError` where `source`, a name for the message, is not such a file.
    """
    magic = bytes([0, 0, 8, ndim])
    if content[:4] != magic:
        found = content[:4].hex(" ")
        raise ValueError(f"{source}: expected an IDX file that begins with {magic.hex(' ')}, got {found}")
    header = 4 + 4 * ndim
    shape = tuple(np.frombuffer(content[4:header].ljust(header - 4, b"\0"), ">u4").tolist())
    size = math.prod(shape)
    if len(content) != header + size:
        raise ValueError(f"{source}: expected {header} + {size} bytes for sizes {shape}, got {len(content)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
