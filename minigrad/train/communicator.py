"""What processes that train together can do: add up arrays, copy those of the first, and notice when one is lost.

mpiexec starts the processes, knows when one was killed, and then ends the others. MPI (mpi4py) carries what lies in host
memory; arrays of GPUs go by NCCL (cupyx.distributed), from device to device, where every process has a GPU of its own.
"""

import atexit
import functools
import os
import platform
import sys
import time
from array import array as buffer

from .. import cuda
from ..backend import asarray, gpus_joined, has_nccl, on_gpu, to_numpy, xp
from ..compiler.traced import active
from .callback import CancelFit

OPERATIONS = "leave", "gpus", "all_reduce", "broadcast", "pass", "share", "batch", "gradients", "model"
WORKING, ENDED, FAILED = range(3)  # what a process can say of itself when all meet
SIZES = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"  # where launchers tell a process how many they started
RESTLESS = 0.001  # seconds of waiting without a pause, as a pause takes longer than a message
PATIENCE = 30.0  # seconds in which a process that failed waits for the others, so that they can save what they have


class ProcessLost(CancelFit, RuntimeError):
    """Another process ended, or does something else: they can no longer train together.

    In a fit it has the effect of a CancelFit, so that checkpoints are written, and is raised when that is over.
    """


class Communicator:
    """One process that works alone: it has every sum already.

    `rank`: the number of this process, among `size`. `local_rank`: its number on this machine. `interrupted`: whether all
    have heard that one has called `interrupt`. `lost`: the ProcessLost after which there is nothing in common any more.
    """

    rank, size, local_rank, lost, interrupted = 0, 1, 0, None, False

    def interrupt(self):
        """Wish for an end of the work: all processes hear of it when they meet next."""
        self.interrupted = True

    def reset(self):
        """Forget the wish."""
        self.interrupted = False

    def object(self, value):
        """The object that process 0 has."""
        return value


class MPICommunicator(Communicator):
    """One of several processes over MPI; arrays of a GPU go by NCCL, or through host memory until `join_gpus` is called.

    Before numbers are exchanged all processes *meet*: each says what it is about to do. So a process that failed or ended is
    noticed by the others, and so are two that do different things, where MPI would wait without end.
    """

    def __init__(self, mpi, world):
        self.mpi, self.world, self.rank, self.size, self.nccl = mpi, world, world.rank, world.size, None
        self.local_rank = world.Split_type(mpi.COMM_TYPE_SHARED).rank
        self.said, self.heard = buffer("q", [0] * 5), buffer("q", [0] * 5 * self.size)
        self.wish, self.meeting, self.error = False, False, ""
        atexit.register(self.leave)
        sys.excepthook = functools.partial(self.fail, sys.excepthook)

    def interrupt(self):
        self.wish = True

    def reset(self):
        self.wish = self.interrupted = False

    # --------------------------------------------------------------------------------------------------- to meet

    def meet(self, operation, size=0, note=0):
        """Wait until all processes are about to do the same; returns what number each has noted down.

        ProcessLost where one is not: it failed, it has ended, or it does something else or of another size.
        """
        if self.lost is not None:
            raise ProcessLost(str(self.lost))
        if active() is not None:
            raise RuntimeError("DataParallel: what processes exchange cannot be replayed; compile what is in between")
        number = OPERATIONS.index(operation)
        self.said[:] = buffer("q", (WORKING, number, size, note, self.wish))
        self.hear()
        states, numbers, sizes, notes, wishes = (self.heard[i::5].tolist() for i in range(5))
        if any(states):
            self.lose(self.farewell(states))
        if numbers.count(number) < self.size or sizes.count(size) < self.size:
            doing = [f"process {i} is at {OPERATIONS[n]!r} of {size}" for i, (n, size) in enumerate(zip(numbers, sizes))]
            self.lose("processes must do the same, but " + ", ".join(doing))
        self.interrupted = self.interrupted or any(wishes)
        return notes

    def hear(self, patience=float("inf")):
        """Exchange what each process says; after so many seconds it remains a `meeting` to which not all have come."""
        self.meeting, start = True, time.monotonic()
        request = self.world.Iallgather(self.said, self.heard)
        while not request.Test():  # unlike MPI's own wait, this one can be interrupted
            waited = time.monotonic() - start
            if waited > patience:
                return
            if waited > RESTLESS:
                time.sleep(0)
        self.meeting = False

    def lose(self, reason):
        self.lost = ProcessLost(f"DataParallel: {reason}")
        raise self.lost

    def farewell(self, states):
        """Why a process said that it is leaving, in words; those of the error where one failed."""
        if FAILED in states:
            return self.world.bcast(f"process {self.rank} failed: {self.error}", states.index(FAILED))
        return f"process {states.index(ENDED)} has ended, while others have work to do together with it"

    def fail(self, hook, kind, error, traceback):
        """`sys.excepthook`: remember an error that ends this process, to be told to the others."""
        self.error = f"{kind.__name__}: {error}"
        hook(kind, error, traceback)

    def leave(self):
        """At the end of the process, meet the others once more; where they do not come to hear of an error, end them."""
        if self.lost is not None:
            return
        if not self.meeting:  # else it was interrupted while the others wait for something else
            self.said[0] = FAILED if self.error else ENDED
            self.hear(PATIENCE if self.error else float("inf"))
        if self.meeting:
            self.world.Abort(1)
        states = self.heard[::5].tolist()
        if FAILED in states:
            self.farewell(states)

    # ---------------------------------------------------------------------------------------------- to exchange

    def all_reduce(self, array):
        """Replace a contiguous array by its sum over all processes, the same to the bit in each."""
        self.meet("all_reduce", array.size)
        self.add(array)

    def broadcast(self, array):
        """Replace a contiguous array by that of process 0."""
        self.meet("broadcast", array.size)
        self.copy(array)

    def scatter(self, parts):
        """This process's entry of the list of objects that process 0 has; the others give None."""
        self.meet("share")
        return self.world.scatter(parts)

    def object(self, value):
        self.meet("share")
        return self.world.bcast(value)

    def join_gpus(self):
        """From now on arrays go from GPU to GPU; all processes call it."""
        self.nccl = gpus_joined(self.size, self.rank)

    def add(self, array):
        if self.nccl is not None:
            self.nccl.all_reduce(array, array)
            return
        host = to_numpy(array)
        self.world.Allreduce(self.mpi.IN_PLACE, host)
        if on_gpu:
            array[...] = asarray(host)

    def copy(self, array):
        if self.nccl is not None:
            self.nccl.broadcast(array.view("uint8"))  # which holds bools as well
            return
        host = to_numpy(array)
        self.world.Bcast(host.view("uint8"))
        if on_gpu:
            array[...] = asarray(host)


# ------------------------------------------------------------------------------------------------ which one it is


@functools.cache
def mpi():
    """MPI's module where a launcher started several processes, else None.

    ImportError, RuntimeError: there are several, but no MPI through which they could find each other.
    """
    started = max(int(os.environ.get(name, "1")) for name in SIZES)
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the package is missing, or the library that it loads
        if started == 1:
            return None
        missing = "mpi4py is not installed" if isinstance(error, ImportError) else "mpi4py finds no MPI library"
        install = "mpi4py (the extra mpi)" if isinstance(error, ImportError) else "one, such as the package mpich"
        raise ImportError(f"DataParallel: {missing}, but {started} processes were started; install {install}") from error
    if MPI.COMM_WORLD.size == 1 and started > 1:
        raise RuntimeError(
            f"DataParallel: {started} processes were started, but mpi4py sees this one alone; use the mpiexec of the MPI "
            f"that mpi4py loads: {MPI.Get_library_version().splitlines()[0].strip()}"
        )
    return MPI if MPI.COMM_WORLD.size > 1 else None


@functools.cache
def together():
    """The Communicator of this process, before anything is known of GPUs. From then on the others hear of its errors."""
    library = mpi()
    return Communicator() if library is None else MPICommunicator(library, library.COMM_WORLD)


@functools.cache
def world():
    """The Communicator of this process, by way of NCCL where every process has that and a GPU of its own."""
    communicator = together()
    if on_gpu and communicator.size > 1:
        communicator.meet("gpus")
        if own_gpus(communicator.world):
            communicator.join_gpus()
    return communicator


def own_gpus(world):
    """Whether every process computes on a GPU of its own and has NCCL.

    RuntimeError where two share one although there is one for each.
    """
    machine = platform.node()
    places = world.allgather((machine, xp.cuda.Device().pci_bus_id))
    here = [place for place in places if place[0] == machine]
    if len(set(here)) < len(here) <= cuda.device_count():
        raise RuntimeError(
            f"DataParallel: {len(here)} processes share {len(set(here))} of {cuda.device_count()} GPUs; call "
            "cuda.set_device(train.local_rank()) before the model is made"
        )
    return len(set(places)) == len(places) and all(world.allgather(has_nccl()))


def local_rank():
    """The number of this process among those on its machine; 0 where it works alone. `cuda.set_device` takes it."""
    return together().local_rank
