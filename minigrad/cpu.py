"""What makes array operations fast on a CPU: threads inside of one operation, and memory kept for reuse."""

import ctypes
import os
import platform
import threading

import numpy as np


def allowed_cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_wanted():
    """The number of threads that the environment asks of BLAS libraries, at most one for each core."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value):
            return min(int(value), allowed_cores())
    return allowed_cores()


def blas_functions():
    """OpenBLAS's functions that get and set its number of threads, or None where NumPy uses another library.

    The names depend on how it was built: NumPy's wheels bring a copy with a prefix and a suffix.
    """
    try:
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # finds what that links to as well
    except (AttributeError, OSError):
        return None
    for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "")):
        get, set_ = (f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set"))
        if hasattr(library, get):
            return getattr(library, get), getattr(library, set_)
    return None


blas = blas_functions()
threads = threads_wanted()
pool = None
lock = threading.Lock()  # of what follows and of the pool
splitting, blas_threads = 0, 1  # operations that are in several threads now, and what BLAS used before the first of them


def get_num_threads():
    """How many threads an operation may use."""
    return threads


def set_num_threads(n):
    """Let an operation use n threads, the BLAS library included."""
    global threads, pool, blas_threads
    if not isinstance(n, int) or isinstance(n, bool):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n <= 0:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {n}")
    with lock:
        threads, blas_threads = n, n
        former, pool = pool, None
        if blas is not None and not splitting:
            blas[1](n)
    if former is not None:
        former.shutdown()


def in_parallel(work, items):
    """work(some of the items) in every thread: the list of results, in the order of the items.

    NumPy lets other threads run during its longer calls. While several do, each uses BLAS without threads of
    its own. That holds for the whole process: a product that another thread of the program computes
    meanwhile may be rounded otherwise than alone.
    """
    shares = min(threads, len(items))
    if shares < 2:
        return [work(items)]
    from concurrent.futures import wait  # only here: it takes a tenth of the import of NumPy

    bounds = [len(items) * i // shares for i in range(shares + 1)]
    parts = [items[a:b] for a, b in zip(bounds, bounds[1:])]
    others = start(work, parts[1:])
    try:
        try:
            result = work(parts[0])
        finally:
            wait(others)
        return [result, *(other.result() for other in others)]
    finally:
        finish()
        others = None  # the error of one holds this frame: a cycle


def start(work, parts):
    """The futures of work(part) for each part, from now on without threads of BLAS; to be followed by `finish`."""
    global pool, splitting, blas_threads
    from concurrent.futures import ThreadPoolExecutor

    with lock:
        if pool is None:
            pool = ThreadPoolExecutor(max(threads - 1, 1), "minigrad")
        if not splitting and blas is not None:
            blas_threads = blas[0]()
            blas[1](1)
        splitting += 1
        return [pool.submit(work, part) for part in parts]


def finish():
    """The last of several operations that ends gives BLAS its threads back."""
    global splitting
    with lock:
        splitting -= 1
        if not splitting and blas is not None:
            blas[1](blas_threads)


def forget_pool():
    """Start threads anew: those of a parent process do not live on in its fork."""
    global pool, lock, splitting
    pool, lock, splitting = None, threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pool)


def keep_freed_memory():
    """Ask glibc to keep what arrays free for the next ones instead of giving it back to the system.

    Memory that the system hands out anew is cleared page by page, which takes as long as several operations
    on it; a training step frees and takes the same memory again and again. Larger blocks than activations are
    (128 MB, or the 32 MB that older versions allow) are still given back. Does nothing with another C
    library, or where the environment already sets such options.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in MALLOC_OPTIONS):
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 27) or libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)
    libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def give_back_freed_memory():
    """Give back to the system what `keep_freed_memory` has kept so far; what is kept later stays."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
MALLOC_OPTIONS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")
keep_freed_memory()
