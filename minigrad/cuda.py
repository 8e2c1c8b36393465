"""torch's questions and orders to the GPU, which takes part only under `MINIGRAD_BACKEND=cupy`."""

import collections
import contextlib

from . import philox, random
from .backend import crossings, on_gpu, waited, xp
from .device import device as Device
from .device import here


def is_available():
    """Whether the tensors of this process live on a GPU, which MINIGRAD_BACKEND decides, not the machine."""
    return on_gpu


def device_count():
    """How many GPUs there are to choose from; 0 on the CPU."""
    return xp.cuda.runtime.getDeviceCount() if on_gpu else 0


def needed(operation):
    if not on_gpu:
        raise RuntimeError(f"cuda.{operation}: this process computes on the CPU; MINIGRAD_BACKEND=cupy chooses a GPU")


def index_of(place, operation):
    """The number of a GPU given by it, as a device, by name, or as None for the current one."""
    needed(operation)
    if isinstance(place, int):
        return place
    index = None if place is None else Device(place).index
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
    waited()


@contextlib.contextmanager
def counting():
    """A Counter of what the block sends over the bus, arrays "to device" and "to host", and of the host's "waits".

    Each stalls a training step that is otherwise launched ahead of the GPU. It counts what tensors and the library do;
    calls of CuPy that a program makes itself are not seen. On the CPU all are 0.
    """
    before, during = crossings.copy(), collections.Counter()
    try:
        yield during
    finally:
        during.update(crossings - before)


def empty_cache():
    """Give memory that no tensor uses back to the GPU; on the CPU there is no cache."""
    if on_gpu:
        xp.get_default_memory_pool().free_all_blocks()


# ------------------------------------------------------------------------------- random numbers that the GPU draws


def draw_on_device(enabled=True):
    """From now on, draw where no `generator` is given (dropout, starting weights, noise) on the GPU; False: on the host.

    On the host, as at first, every figure is that of the CPU, and each draw sends its numbers over the bus. On the GPU
    nothing is sent; `minigrad.manual_seed` makes the numbers the same in every run, but they are others. Data loaders and
    samplers, whose indices the host needs, go on drawing there. RuntimeError where there is no GPU.
    """
    if enabled:
        needed("draw_on_device")
    random.source = philox.default_generator(here()) if enabled else random.default_generator


def manual_seed(seed):
    """Restart the stream that is drawn on the GPU, see `draw_on_device`; `minigrad.manual_seed` does so as well."""
    seed = int(seed)
    if on_gpu:
        philox.default_generator(here()).manual_seed(seed)


manual_seed_all = manual_seed


def initial_seed():
    """The seed that the stream on the GPU was last started from."""
    needed("initial_seed")
    return philox.default_generator(here()).initial_seed()


def get_rng_state(device=None):
    """The state of the stream that is drawn on a GPU: 16 numbers of uint8, on the host."""
    index = index_of(device, "get_rng_state")
    return philox.default_generator(Device("cuda", index)).get_state()


def set_rng_state(new_state, device=None):
    """Continue the stream that is drawn on a GPU from a state of `get_rng_state`."""
    index = index_of(device, "set_rng_state")
    philox.default_generator(Device("cuda", index)).set_state(new_state)
