"""torch's names for a GPU of any maker; see `cuda`."""

from . import cuda
from .device import device

is_available, device_count, synchronize = cuda.is_available, cuda.device_count, cuda.synchronize
current_device_index, set_device_index = cuda.current_device, cuda.set_device


def current_accelerator():
    """The kind of device that computes in place of the CPU, as a `device`, or None."""
    return device("cuda") if is_available() else None
