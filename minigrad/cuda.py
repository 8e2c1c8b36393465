"""torch's questions and orders to the GPU, which takes part only under `MINIGRAD_BACKEND=cupy`."""

from .backend import on_gpu, raise_noted, xp
from .device import device


def is_available():
    """Whether the tensors of this process live on a GPU, which MINIGRAD_BACKEND decides, not the machine."""
    return on_gpu


def device_count():
    """How many GPUs there are to choose from; 0 on the CPU."""
    return xp.cuda.runtime.getDeviceCount() if on_gpu else 0


def needed(operation):
    if not on_gpu:
        raise RuntimeError(
            f"cuda.{operation}: this process computes on the CPU; MINIGRAD_BACKEND=cupy chooses a GPU"
        )


def index_of(place, operation):
    """The number of a GPU given by it, as a device, by name, or as None for the current one."""
    needed(operation)
    if isinstance(place, int):
        return place
    index = None if place is None else device(place).index
    return current_device() if index is None else index


def current_device():
    """The number of the GPU on which new tensors are made."""
    needed("current_device")
    return xp.cuda.runtime.getDevice()


def set_device(device):
    """Make new tensors on another GPU."""
    index = index_of(device, "set_device")
    xp.cuda.Device(index).use()


def get_device_name(device=None):
    """What the maker calls a GPU."""
    index = index_of(device, "get_device_name")
    return xp.cuda.runtime.getDeviceProperties(index)["name"].decode()


def synchronize(device=None):
    """Wait until a GPU has done all that it was given to do; a timing needs it before the clock is read.

    IndexError and other errors that kernels have met meanwhile are raised here.
    """
    index = index_of(device, "synchronize")
    xp.cuda.Device(index).synchronize()
    raise_noted()


def empty_cache():
    """Give memory that no tensor uses back to the GPU; on the CPU there is no cache."""
    if on_gpu:
        xp.get_default_memory_pool().free_all_blocks()


def manual_seed(seed):
    """Nothing: there is one random stream on either backend, which `minigrad.manual_seed` seeds."""
    int(seed)


manual_seed_all = manual_seed
