"""The memory of this process; imports next to nothing itself."""

import contextlib
import gc
import sys


def held_megabytes():
    """What this process holds now, from which its peak is counted anew; None where the system does not tell.

    Freed memory goes back before, or what comes next would be made there and seem to take none. A system that cannot
    forget a peak, any but Linux, gives the highest so far.
    """
    from minigrad.cpu import give_back_freed_memory

    gc.collect()
    give_back_freed_memory()
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
    return peak_megabytes()


def rise(*builds):
    """By how many megabytes the peak of this process rises when a trainer is built and trains for three steps.

    `builds` make trainers. Those before the last train before, so that what a library sets up at its first step does not
    count. None where the system does not tell.
    """
    for build in builds:
        before = held_megabytes()
        trainer = build()
        for _ in range(3):
            trainer.step(trainer.draw())
    return None if before is None else peak_megabytes() - before


def peak_megabytes():
    """The most memory that this process has held so far, in millions of bytes, or None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource  # its figure would include the parent's on Linux
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
