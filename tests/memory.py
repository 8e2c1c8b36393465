"""Questions about the memory under tensors, asked of the library that holds it."""

import pytest

from minigrad.backend import on_gpu, xp

only_on_the_cpu = pytest.mark.skipif(on_gpu, reason="asks for memory that NumPy and a tensor share: the GPU has its own")


def share_memory(x, y):
    """Whether an element of one tensor is an element of the other."""
    return bool(xp.shares_memory(x.array, y.array))
