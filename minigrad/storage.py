"""The memory under a tensor: one row of numbers, whatever shape and strides its views give it."""

from .backend import address, item, root_of, tolist, xp
from .device import device_of


class TypedStorage:
    """The memory that a tensor and its views share, element by element in the order of addresses.

    Reading and writing go to the memory itself: autograd does not notice a write.
    """

    def __init__(self, flat):
        self.flat = flat  # a 1-D array

    dtype = property(lambda self: self.flat.dtype)
    device = property(lambda self: device_of(self.flat))

    def size(self):
        """How many elements there are, also as `len`."""
        return len(self.flat)

    __len__ = size

    def nbytes(self):
        """The size in bytes."""
        return self.flat.nbytes

    def element_size(self):
        """Bytes of one element."""
        return self.flat.itemsize

    def data_ptr(self):
        """The address of the first element."""
        return address(self.flat)

    def tolist(self):
        """The elements as Python numbers."""
        return tolist(self.flat)

    def __iter__(self):
        return iter(self.tolist())

    def __getitem__(self, index):
        return type(self)(self.flat[index]) if isinstance(index, slice) else item(self.flat[index])

    def __setitem__(self, index, value):
        self.flat[index] = value

    def untyped(self):
        """The same memory as bytes."""
        return UntypedStorage(self.flat.view(xp.uint8))

    def kind(self):
        return f"dtype=minigrad.{self.dtype}, device={self.device}"

    def __repr__(self):
        rows = "\n ".join(map(str, self.tolist()))
        return f" {rows}\n[minigrad.storage.{type(self).__name__}({self.kind()}) of size {len(self)}]"


class UntypedStorage(TypedStorage):
    """The memory under a tensor as bytes."""

    def kind(self):
        return f"device={self.device}"


def storage_of(array):
    """The memory that an array is a view of."""
    array = root_of(array)
    reach = sum((n - 1) * stride for n, stride in zip(array.shape, array.strides)) // array.itemsize
    size = reach + 1 if array.size else 0
    return TypedStorage(xp.lib.stride_tricks.as_strided(array, (size,), (array.itemsize,)))
