"""torch's way to speak of a GPU without its make; see `cuda`."""

from .cuda import current_device as current_device_index
from .cuda import device_count, is_available, set_device, synchronize
from .device import device

set_device_index = set_device


def current_accelerator():
    """The kind of device that computes in place of the CPU, as a `device`, or None."""
    return device("cuda") if is_available() else None
