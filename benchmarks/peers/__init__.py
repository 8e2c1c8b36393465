"""The same workloads in other libraries; each is optional, and is imported only when its way is built."""

from functools import partial
from importlib import import_module

from benchmarks.workload import Way

NOTES = {
    "jax": "the whole step is compiled into one function, so it has no phases, and sits out the chains, which would melt",
    "tinygrad": "the whole step is captured by TinyJit; the smallest networks only, as it compiles for long",
    "autograd": "traces NumPy again at every step; it has no convolution made for speed",
    "dezero": "its last release mixes float64 into derivatives under NumPy 2; layers that it has, convolutions apart",
    "micrograd": "works on single numbers, so it takes part in the chain on one element alone",
}


class Unavailable(Exception):
    """A library is installed, but cannot work here; the message says why."""


def build(library, family, problem):
    """The trainer that `benchmarks/peers/LIBRARY.py` makes for a family of workloads.

    Raises Unavailable where the library cannot work on this machine, or is of a version that has other names.
    """
    try:
        return import_module(f"benchmarks.peers.{library}").trainer(family, problem)
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"{library} does not fit: {error}") from error


def ways(family, rival, *libraries):
    """A way for each of the libraries, named after it."""
    return {library: Way(partial(build, library, family), library, rival) for library in libraries}
