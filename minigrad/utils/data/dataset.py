"""Data sets: samples by index, or one after the other."""

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Generic, TypeVar

from ...autograd import Variable
from ...guard import warn
from .sampler import host_generator

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Samples by index: a subclass defines `__getitem__`, and `__len__` where their number is known.

    It may define `__getitems__(indices)` too, which returns a list of samples at once.
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} is missing the required __getitem__ function")

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample]):
    """Samples one after the other, such as from a stream: a subclass defines `__iter__`."""


class TensorDataset(Dataset):
    """Sample i is the tuple of the i-th entries of the tensors."""

    def __init__(self, *tensors):
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, Variable):
                raise TypeError(f"TensorDataset: expected Tensors, got {type(tensor).__name__} at {i}")
        if any(len(tensor) != len(tensors[0]) for tensor in tensors):
            sizes = [len(tensor) for tensor in tensors]
            raise AssertionError(f"TensorDataset: Size mismatch between tensors, got {sizes} samples")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self):
        return len(self.tensors[0])


class Subset(Dataset[Sample]):
    """The samples of a data set at the given indices."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices):
        return samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self):
        return len(self.indices)


def samples(dataset, indices):
    """The samples at several indices, as a list."""
    if hasattr(dataset, "__getitems__"):
        return dataset.__getitems__(indices)
    return [dataset[i] for i in indices]


class ConcatDataset(Dataset[Sample]):
    """The samples of several data sets, one set after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        if not hasattr(index, "__index__"):
            raise TypeError(f"ConcatDataset: expected an int as index, got {index!r}")
        if not -len(self) <= index < len(self):
            error = ValueError if index < 0 else IndexError
            raise error(f"ConcatDataset: got index {index} of {len(self)} samples")
        index %= len(self)
        place = bisect_right(self.cumulative_sizes, index)
        return self.datasets[place][index - (self.cumulative_sizes[place - 1] if place else 0)]


def random_split(dataset, lengths, generator=None):
    """Cut a data set into Subsets of the given lengths, or fractions that sum to 1, in random order.

    What the fractions leave over goes to the first Subsets, one sample each. Draws as `randperm`.
    """
    if not isinstance(lengths, (list, tuple)) or not all(isinstance(n, (int, float)) for n in lengths):
        raise TypeError(f"random_split: expected a list of lengths or fractions, got {lengths!r}")
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if not all(0 <= fraction <= 1 for fraction in lengths):
            raise ValueError(f"random_split: expected fractions between 0 and 1, got {list(lengths)}")
        lengths = [math.floor(len(dataset) * fraction) for fraction in lengths]
        for i in range(len(dataset) - sum(lengths)):
            lengths[i % len(lengths)] += 1
        if 0 in lengths:
            warn(f"random_split: got an empty data set, the lengths are {lengths}")
    if sum(lengths) != len(dataset) or min(lengths, default=0) < 0:
        raise ValueError(f"random_split: expected lengths of sum {len(dataset)}, got {list(lengths)}")
    indices = host_generator(generator, "random_split").randperm(len(dataset)).tolist()
    return [Subset(dataset, indices[end - length : end]) for end, length in zip(accumulate(lengths), lengths)]
