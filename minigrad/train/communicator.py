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

import numpy as np

from .. import cuda
from ..backend import asarray, on_gpu, to_numpy, xp
from ..recording import active
from .callback import CancelFit

OPERATIONS = "leave", "all_reduce", "broadcast", "pass", "share", "batch", "gradients", "model"
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
    """One of several processes over MPI; arrays of a GPU take the way through host memory.

    Before numbers are exchanged all processes *meet*: each says what it is about to do. So a process that failed or ended is
    noticed by the others, and so are two that do different things, where MPI would wait without end.
    """

    def __init__(self, mpi, world):
        self.mpi, self.world, self.rank, self.size = mpi, world, world.rank, world.size
        self.local_rank = world.Split_type(mpi.COMM_TYPE_SHARED).rank
        self.said, self.heard = np.zeros(5, np.int64), np.zeros((self.size, 5), np.int64)
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
        self.said[:] = WORKING, OPERATIONS.index(operation), size, note, self.wish
        self.hear()
        if self.heard[:, 0].any():
            self.lose(self.farewell())
        if (self.heard[:, 1:3] != self.said[1:3]).any():
            doing = [f"process {i} is at {OPERATIONS[row[1]]!r} of {row[2]}" for i, row in enumerate(self.heard)]
            self.lose("processes must do the same, but " + ", ".join(doing))
        self.interrupted |= bool(self.heard[:, 4].any())
        return self.heard[:, 3]

    def hear(self, patience=float("inf")):
        """Exchange what each process says, within so many seconds; whether all have come."""
        self.meeting, start = True, time.monotonic()
        request = self.world.Iallgather(self.said, self.heard)
        while not request.Test():  # unlike MPI's own wait, this one can be interrupted
            waited = time.monotonic() - start
            if waited > patience:
                return False
            if waited > RESTLESS:
                time.sleep(0)
        self.meeting = False
        return True

    def lose(self, reason):
        self.lost = ProcessLost(f"DataParallel: {reason}")
        raise self.lost

    def farewell(self):
        """Why a process said that it is leaving, in words; those of the error where one failed."""
        states = self.heard[:, 0].tolist()
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
        self.said[:] = FAILED if self.error else ENDED, 0, 0, 0, 0
        if self.meeting or not self.hear(PATIENCE if self.error else float("inf")):
            self.world.Abort(1)
        if FAILED in self.heard[:, 0]:
            self.farewell()

    # ---------------------------------------------------------------------------------------------- to exchange

    def all_reduce(self, array):
        """Replace a contiguous array by its sum over all processes, the same to the bit in each."""
        self.meet("all_reduce", array.size)
        self.add(array)

    def broadcast(self, array):
        """Replace a contiguous array by that of process 0."""
        self.meet("broadcast", array.size)
        self.copy(array)

    def barrier(self):
        """Wait for all processes."""
        self.meet("batch")

    def scatter(self, parts):
        """This process's entry of the list of objects that process 0 has; the others give None."""
        self.meet("share")
        return self.world.scatter(parts)

    def object(self, value):
        self.meet("share")
        return self.world.bcast(value)

    def add(self, array):
        host = to_numpy(array)
        self.world.Allreduce(self.mpi.IN_PLACE, host)
        if on_gpu:
            array[...] = asarray(host)

    def copy(self, array):
        host = to_numpy(array)
        self.world.Bcast(host.view(np.uint8))
        if on_gpu:
            array[...] = asarray(host)


class NCCLCommunicator(MPICommunicator):
    """The same with arrays that go from GPU to GPU by NCCL; MPI carries the few numbers of a meeting."""

    def __init__(self, mpi, world):
        super().__init__(mpi, world)
        from cupyx.distributed import init_process_group

        self.nccl = init_process_group(self.size, self.rank, use_mpi=True)

    def add(self, array):
        self.nccl.all_reduce(array, array)

    def copy(self, array):
        self.nccl.broadcast(array.view("uint8"))


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
        install = "minigrad[mpi]" if isinstance(error, ImportError) else "one, such as the package mpich"
        raise ImportError(f"DataParallel: {missing}, but {started} processes were started; install {install}") from error
    if MPI.COMM_WORLD.size == 1 and started > 1:
        raise RuntimeError(
            f"DataParallel: {started} processes were started, but mpi4py sees this one alone; use the mpiexec of the MPI "
            f"that mpi4py loads: {MPI.Get_library_version().splitlines()[0].strip()}"
        )
    return MPI if MPI.COMM_WORLD.size > 1 else None


@functools.cache
def world():
    """The Communicator of this process."""
    library = mpi()
    if library is None:
        return Communicator()
    kind = NCCLCommunicator if on_gpu and own_gpus(library.COMM_WORLD) else MPICommunicator
    return kind(library, library.COMM_WORLD)


def own_gpus(world):
    """Whether every process computes on a GPU of its own, and NCCL is there.

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
    return len(set(places)) == len(places) and xp.cuda.nccl.available


def local_rank():
    """The number of this process among those on its machine; 0 where it works alone. `cuda.set_device` takes it."""
    library = mpi()
    return 0 if library is None else library.COMM_WORLD.Split_type(library.COMM_TYPE_SHARED).rank
