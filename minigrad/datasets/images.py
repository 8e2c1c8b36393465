"""Images with labels as data sets."""

from itertools import accumulate
from typing import NamedTuple

import numpy as np

from ..autograd import wrap
from ..creation import tensor
from ..tensor import float32, uint8
from ..utils.data import Dataset


class Images(Dataset):
    """Images and their labels: sample i is (image i, label i), and any other index of tensors takes a batch.

    `images`: (N, C, H, W), uint8, of which a sample or batch is a float32 copy divided by 256 and normalised;
    or floating, of which it is part as it is. `labels`: (N), int64. `mean` and `std`: what normalising takes
    from the images divided by 256, and then divides by; None where they are not normalised. `stand_in`:
    whether these are not the published images.
    """

    takes_batches = True  # a DataLoader need not index sample by sample

    def __init__(self, images, labels, mean=None, std=None, stand_in=False):
        if len(images) != len(labels):
            raise ValueError(f"Images: expected a label for every image, got {len(labels)} for {len(images)}")
        self.images, self.labels = images, labels
        self.mean, self.std, self.stand_in = mean, std, stand_in

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        images = self.images[index]
        return self.scaled(images, float32) if images.dtype == uint8 else images, self.labels[index]

    def __getitems__(self, indices):
        return list(zip(*self[indices]))

    def to(self, dtype):
        """The same images kept in a floating dtype, already divided by 256 and normalised."""
        if self.images.dtype == dtype:
            return self
        if np.dtype(dtype).kind != "f" or self.images.dtype != uint8:
            got = f"{dtype} for {self.images.dtype}"
            raise ValueError(f"Images.to: expected a floating dtype for images of uint8, got {got}")
        return Images(self.scaled(self.images, dtype), self.labels, self.mean, self.std, self.stand_in)

    def scaled(self, images, dtype):
        x = images.array.astype(dtype)
        x /= 256
        if self.mean is not None:
            x -= self.mean
            x /= self.std
        return wrap(x)

    def __repr__(self):
        size = "x".join(map(str, self.images.shape[1:]))
        kind = "stand-in images" if self.stand_in else "images"
        return f"<{len(self)} {kind} of {size}, {self.images.dtype}>"


class Splits(NamedTuple):
    """Images to learn from, to choose between models by, and to judge the chosen one by."""

    train: Images
    validation: Images
    test: Images


def splits(images, labels, sizes, dtype, normalize, stand_in):
    """Splits of the given sizes of images (N, H, W), uint8, and labels (N): NumPy arrays, in this order."""
    mean, std = moments(images[: sizes[0]]) if normalize else (None, None)
    parts = []
    for stop, size in zip(accumulate(sizes), sizes):
        part = slice(stop - size, stop)
        parts.append(Images(tensor(images[part, None]), tensor(labels[part]), mean, std, stand_in).to(dtype))
    return Splits(*parts)


def moments(images):
    """Mean and standard deviation of the pixels divided by 256; exact, from the counts of the 256 values."""
    if images.size == 0:
        raise ValueError("normalize: expected training images, to take their mean and std, got none")
    counts = sum(np.bincount(image.reshape(-1), minlength=256) for image in images)
    shares, values = counts / counts.sum(), np.arange(256) / 256
    mean = (shares * values).sum()
    return float(mean), float(np.sqrt((shares * (values - mean) ** 2).sum()))
