"""One block of memory for the results of a list of calls that is made again and again."""

import itertools

import numpy as np

from ..backend import strided, xp
from ..cpu import give_back_freed_memory

ALIGNMENT = 64  # bytes at a multiple of which results begin, as a cache line does


class Arena:
    """Memory for results, shared by those whose lifetimes do not meet.

    The first recording of a function shares nothing: it is never replayed, and only finds the `plan` for the next, which
    makes the same calls: {number of a result: the byte of the block where it begins}. What outlives a recording has no
    place there and memory of its own; so has what would meet another, as the next recording made other calls.
    """

    def __init__(self, plan=None):
        self.places, size = plan or ({}, 0)
        self.planned = plan is not None
        if self.planned:
            give_back_freed_memory()  # of the recording before: its pieces would lie beside the one block of this one
        self.block = xp.empty(size, "u1")
        self.clock = itertools.count()
        self.lives = []  # [bytes, time of the first use, time of the last or None], by number
        self.used = {}  # {number: (first byte, last byte)} of those in the block now

    def take(self, like):
        """(array laid out like that one, perhaps itself where nothing is planned; its number to `give` back)."""
        number, new, size = len(self.lives), xp.empty_like(like), -(-like.nbytes // ALIGNMENT) * ALIGNMENT
        self.lives.append([size, next(self.clock), None])
        if not self.planned:
            return like if like.strides == new.strides else new, number
        start = self.places.get(number)
        stop = 0 if start is None else start + size
        if 0 < stop <= self.block.size and all(stop <= low or high <= start for low, high in self.used.values()):
            self.used[number] = start, stop
            new = strided(self.block[start:stop].view(like.dtype), like.shape, new.strides)
        return new, number

    def give(self, number):
        """Note that a result is not used any more."""
        self.lives[number][2] = next(self.clock)
        self.used.pop(number, None)

    def plan(self):
        """(places, bytes of the block): the largest first, each as low as those allow that live at the same time."""
        ended = [(number, *life) for number, life in enumerate(self.lives) if life[2] is not None and life[0]]
        ended.sort(key=lambda entry: -entry[1])
        births, deaths, starts, stops = np.zeros((4, len(ended)), np.int64)
        for i, (_, size, births[i], deaths[i]) in enumerate(ended):
            meet = np.flatnonzero((births[:i] < deaths[i]) & (deaths[:i] > births[i]))
            meet = meet[starts[meet].argsort()]
            reached = np.maximum.accumulate([0, *stops[meet]])  # behind each of them, and at the very beginning
            gaps = [*starts[meet], np.inf] - reached
            starts[i] = reached[np.argmax(gaps >= size)]
            stops[i] = starts[i] + size
        places = {number: int(start) for (number, *_), start in zip(ended, starts)}
        return places, int(stops.max(initial=0))
