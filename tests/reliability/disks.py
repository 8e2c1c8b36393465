"""Disks and folders that do not take what is written."""

import contextlib
import os
import resource


@contextlib.contextmanager
def full_disk(size):
    """No file may grow beyond `size` bytes: the system ends a write there, as on a disk without space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def unprivileged():
    """Root may write everywhere, so be nobody."""
    if root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
