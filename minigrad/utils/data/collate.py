"""From a list of samples to one batch."""

import copy
from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from ...autograd import Variable
from ...creation import as_tensor, tensor
from ...ops.join import stack
from ...tensor import float64


def default_collate(batch):
    """The samples of a list as one: tensors, arrays and numbers stacked along a new first dimension.

    Numbers become tensors: float64 of Python floats, int64 of integers. Dicts, lists, tuples (which become
    lists) and named tuples stay, each of their entries collated; text stays a list. TypeError for anything
    else.
    """
    sample = batch[0]
    if isinstance(sample, Variable):
        return stack(batch)
    if isinstance(sample, np.ndarray) and sample.dtype.kind in "biuf":
        if any(array.shape != sample.shape for array in batch):
            shapes = sorted({array.shape for array in batch})
            raise RuntimeError(f"default_collate: expected arrays of equal shape, got shapes {shapes}")
        return as_tensor(np.stack(batch))
    if isinstance(sample, np.generic) and sample.dtype.kind in "biuf":
        return tensor(np.array(batch))
    if isinstance(sample, (int, float)):
        return tensor(batch, dtype=float64 if isinstance(sample, float) else None)
    if isinstance(sample, (str, bytes)):
        return batch
    if isinstance(sample, Mapping):
        return like(sample, {key: default_collate([mapping[key] for mapping in batch]) for key in sample})
    if isinstance(sample, Sequence):
        if any(len(sequence) != len(sample) for sequence in batch):
            raise RuntimeError(
                "default_collate: each element in list of batch should be of equal size, got sizes "
                f"{sorted({len(sequence) for sequence in batch})}"
            )
        entries = [default_collate(entry) for entry in zip(*batch)]
        return type(sample)(*entries) if hasattr(sample, "_fields") else entries
    found = type(sample).__name__ + (f" of {sample.dtype}" if hasattr(sample, "dtype") else "")
    raise TypeError(f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {found}")


def default_convert(data):
    """A sample with the NumPy arrays and numbers in it as tensors, and everything else as it is."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "biuf":
        return tensor(data) if isinstance(data, np.generic) else as_tensor(data)
    if isinstance(data, Mapping):
        return like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        entries = [default_convert(entry) for entry in data]
        return type(data)(*entries) if hasattr(data, "_fields") else entries
    return data


def like(mapping, entries):
    """The entries as a mapping of the same kind where that can be changed, else as a dict."""
    if isinstance(mapping, MutableMapping):
        mapping = copy.copy(mapping)
        mapping.update(entries)
        return mapping
    return entries
