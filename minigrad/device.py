"""Where tensors live: on the CPU, or on a GPU when `MINIGRAD_BACKEND=cupy`; one place for a whole process."""

from .backend import on_gpu, xp

TYPES = ("cpu", "cuda")


class device:
    """A place: `device("cuda")`, `device("cuda:1")` or `device("cuda", 1)`; `str` gives "cuda:1" again.

    As in torch it equals no string: compare its `type`.
    """

    def __init__(self, type, index=None):
        name, colon, number = str(type).partition(":")
        if name not in TYPES:
            raise RuntimeError(f"device: expected {' or '.join(TYPES)} at the start of its name, got {type!r}")
        if colon:
            if not number.isdecimal() or index is not None:
                raise RuntimeError(f"device: expected one index, as in 'cuda:1', got {type!r}, {index!r}")
            index = int(number)
        self._place = name, index

    type = property(lambda self: self._place[0])
    index = property(lambda self: self._place[1])

    def __eq__(self, other):
        return isinstance(other, device) and self._place == other._place

    def __hash__(self):
        return hash(self._place)

    def __repr__(self):
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU = device("cpu")


def device_of(array):
    """The device that holds a raw array."""
    return device("cuda", array.device.id) if on_gpu else CPU


def here():
    """The device on which this process computes."""
    return device("cuda", xp.cuda.runtime.getDevice()) if on_gpu else CPU


def check_device(wanted, operation):
    """Refuse a device, or its name, other than the one where this process computes; None is any."""
    if wanted is not None:
        ours, place = here(), device(wanted)
        if place.type != ours.type or place.index not in (None, ours.index or 0):
            raise RuntimeError(
                f"{operation}: this process computes on {str(ours)!r}, got device {str(place)!r}; "
                "MINIGRAD_BACKEND chooses between CPU and GPU, cuda.set_device between GPUs"
            )
