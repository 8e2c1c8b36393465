"""Numbers that are collected where they are computed and brought to the host together."""

from ..autograd import Variable
from ..backend import asarray, to_numpy, xp


class Series:
    """A list of numbers. Appending one that lies on a GPU does not wait for it; reading the list does."""

    capacity = 1000  # at most so many numbers lie on the device

    def __init__(self, values=()):
        self.values, self.waiting = [float(value) for value in values], []

    def append(self, value):
        """Add a number, or a Tensor of one."""
        if isinstance(value, Variable):
            if value.array.size != 1:
                raise ValueError(f"expected a tensor of one number to record, got shape {tuple(value.shape)}")
            value = value.array.reshape(())  # the number alone, not what it was computed from
        self.waiting.append(value)
        if len(self.waiting) >= self.capacity:
            self.tolist()

    def tolist(self):
        """All numbers as floats; the list itself, not a copy."""
        if self.waiting:
            arrays = [asarray(value, "float64") for value in self.waiting]
            self.values += to_numpy(xp.stack(arrays)).tolist()
            self.waiting = []
        return self.values

    def __len__(self):
        return len(self.values) + len(self.waiting)
