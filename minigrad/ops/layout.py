"""The order of memory of many images: the images last.

Convolutions and pooling copy runs of numbers that lie next to each other. Where images come first in memory,
as in the order of their dimensions, these runs are parts of rows of an image, and short; where they come
last, the same pixel of every image is one run. The results of convolutions of many images are in that order,
elementwise operations keep it, and no shape tells of it: images are (N, C, *space). On a GPU they do not keep it, and
the kernels that lower images have no use for it: there images come first.
"""

import math

from ..autograd import primitive, view
from ..backend import xp
from ..kernels import ENABLED

ENOUGH = math.inf if ENABLED else 8  # images for runs that are worth it


def images(n, channels, size, dtype):
    """Memory for n images, in the order that suits their number."""
    if n < ENOUGH:
        return xp.empty((n, channels, *size), dtype)
    y = xp.empty((channels, *size, n), dtype)
    return y.transpose(y.ndim - 1, *range(y.ndim - 1))


def images_last(x):
    """Whether an array has the order of memory that `images` gives to many of them."""
    return (
        x.ndim > 2
        and len(x) >= ENOUGH
        and x.strides[0] == x.itemsize
        and x.transpose(*range(1, x.ndim), 0).flags.c_contiguous
    )


def in_order(y):
    """The array in the order of its indices, as torch has sums, softmax, joined tensors; images that come last stay so."""
    return y if y.flags.c_contiguous or images_last(y) else xp.ascontiguousarray(y)


@primitive
def arranged(x):
    """The images in the order of memory that suits their number."""
    if len(x) < ENOUGH or images_last(x):
        return x
    y = images(len(x), x.shape[1], x.shape[2:], x.dtype)
    step = 16 if x.strides[0] % 4096 == 0 else len(x)  # more lines so far apart would share one place in the cache
    for i in range(0, len(x), step):
        y[i : i + step] = x[i : i + step]
    return y


@view
def own_order(x):
    """Images as they are; their gradient comes back in the order of memory that suits their number."""
    return x


arranged.vjp(lambda g: g)
own_order.vjp(lambda g: arranged(g))
