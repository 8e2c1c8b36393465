"""`DataLoader`: batches of a data set, made by this thread or ahead of time by others."""

import itertools
import threading
from collections import deque
from typing import NamedTuple

from ...backend import same_gpu
from ...creation import tensor
from ...guard import warn
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Subset, TensorDataset, samples
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed


class DataLoader:
    """Iterates over a data set in batches, each time in a new order if it shuffles.

    Which samples: `sampler` gives their indices, by default in order or, under `shuffle`, by a RandomSampler;
    they are cut into lists of `batch_size` (the last is left out under `drop_last` if it is shorter), or
    `batch_sampler` gives the lists. batch_size=None: one sample at a time, not collated. An IterableDataset
    decides on its own order.

    How: `collate_fn` makes a batch of a list of samples. `num_workers` threads make up to `prefetch_factor`
    batches each ahead of time; they come in order, an error in one is raised here, and so is a RuntimeError
    where one is not there after `timeout` seconds. `worker_init_fn(i)` is called first in thread i. The
    threads share the data set and the default generator. `pin_memory=True` warns that it does nothing.

    Each iteration draws from `generator`, or the default one, what torch's draws: a seed, then the order.
    """

    made = False

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0,
                 collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, *,
                 generator=None, prefetch_factor=None):  # fmt: skip
        if not isinstance(num_workers, int):
            raise TypeError(f"DataLoader: expected num_workers to be an int, got {num_workers!r}")
        if num_workers < 0 or timeout < 0 or prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(
                f"DataLoader: num_workers={num_workers} and timeout={timeout} should be non-negative and "
                f"prefetch_factor={prefetch_factor} positive"
            )
        if num_workers == 0 and (timeout or prefetch_factor is not None):
            raise ValueError("DataLoader: timeout and prefetch_factor need num_workers > 0")
        if pin_memory:
            warn("DataLoader: pin_memory=True has no effect, memory is never pinned")
        self.iterable = isinstance(dataset, IterableDataset)
        if self.iterable:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ValueError("DataLoader: an IterableDataset excludes shuffle, sampler and batch_sampler")
            if num_workers:
                raise ValueError("DataLoader: an IterableDataset excludes num_workers, it cannot be shared")
            sampler = dataset  # gives samples instead of indices
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler excludes shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler, drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None excludes drop_last")
        if shuffle:
            sampler = RandomSampler(dataset, generator=generator)
        elif sampler is None:
            sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batched = batch_sampler is not None
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_collate if self.batched else default_convert)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.made = pin_memory, True

    def __setattr__(self, name, value):
        if self.made and name in ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last"):
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        super().__setattr__(name, value)

    def __len__(self):
        """How many batches; TypeError where the length of the data set or of the sampler is not known."""
        return len(self.batch_sampler if self.batched else self.sampler)

    def __iter__(self):
        indices = iter(self.batch_sampler if self.batched else self.sampler)
        seed = draw_seed(self.generator)
        if self.iterable:
            return map(self.collate_fn, indices)
        return self.ahead(indices, seed) if self.num_workers else map(self.fetch, indices)

    def fetch(self, index):
        """The batch of a list of indices; where nothing is batched, the sample of one."""
        if not self.batched:
            return self.collate_fn(self.dataset[index])
        batch = whole(self.dataset, index) if self.collate_fn is default_collate else None
        return self.collate_fn(samples(self.dataset, index)) if batch is None else batch

    def ahead(self, indices, seed):
        """An iterator over the batches that threads make ahead of time; the first of them at once."""
        numbers = itertools.count()

        def work(index):
            if get_worker_info() is None:  # the first task of this thread
                i = next(numbers)
                local.worker_info = WorkerInfo(i, self.num_workers, seed + i, self.dataset)
                if self.worker_init_fn is not None:
                    self.worker_init_fn(i)
            return self.fetch(index)

        from concurrent.futures import ThreadPoolExecutor  # only here: it takes a tenth of the import of NumPy

        pool = ThreadPoolExecutor(self.num_workers, initializer=same_gpu())
        first = itertools.islice(indices, self.num_workers * self.prefetch_factor)
        return self.in_order(pool, work, indices, deque([pool.submit(work, index) for index in first]))

    def in_order(self, pool, work, indices, pending):
        try:
            while pending:
                future = pending.popleft()
                try:
                    batch = future.result(self.timeout or None)
                except TimeoutError:
                    if future.done():  # raised by the data set itself
                        raise
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None
                pending.extend([pool.submit(work, index) for index in itertools.islice(indices, 1)])
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            future = None  # its error holds this frame: a cycle


def whole(dataset, indices):
    """What `default_collate` makes of these samples, by one indexing for all; None where that may differ.

    It is the same for a TensorDataset, and for a class, not its subclasses, that says `takes_batches = True`.
    """
    if type(dataset) is Subset:
        return whole(dataset.dataset, [dataset.indices[i] for i in indices])
    if type(dataset) is not TensorDataset and not vars(type(dataset)).get("takes_batches"):
        return None
    return list(dataset[tensor(indices)])


class WorkerInfo(NamedTuple):
    """Which of how many workers a thread is, the seed that torch would give it, and the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Dataset


local = threading.local()


def get_worker_info():
    """The WorkerInfo of the present thread; None outside of a worker."""
    return getattr(local, "worker_info", None)
