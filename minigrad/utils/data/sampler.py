"""Samplers: the order in which a data set is read. Each draws when it is iterated, as torch's do."""

from itertools import islice
from typing import Generic, TypeVar

from ... import random
from ...creation import as_tensor, generator_of, operand
from ...tensor import float64

Index = TypeVar("Index", covariant=True)


class Sampler(Generic[Index]):
    """Indices of a data set in some order: a subclass defines `__iter__`, and `__len__` where it is known."""

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} is missing the required __iter__ function")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices in random order, drawn as `randperm`; with `replacement`, independent ones, as `randint`.

    `num_samples`: how many, by default as many as there are samples; without replacement, one permutation
    follows on another. Without a `generator`, each iteration draws a seed from the default generator for one
    of its own.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement, self._num_samples = data_source, replacement, num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        check_count("num_samples", self.num_samples)

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        n = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = random.Generator().manual_seed(draw_seed())
        generator = host_generator(generator, "randint" if self.replacement else "randperm")
        if self.replacement:
            for start in range(0, self.num_samples, 32):  # torch draws 32 at a time
                yield from generator.randint(0, n, (min(32, self.num_samples - start),)).tolist()
            return
        for _ in range(self.num_samples // n):
            yield from generator.randperm(n).tolist()
        yield from generator.randperm(n).tolist()[: self.num_samples % n]

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in host_generator(self.generator, "randperm").randperm(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices drawn with the given weights, which need not sum to 1; see `multinomial`."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        check_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence, got shape {tuple(self.weights.shape)}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        generator = host_generator(self.generator, "multinomial")
        yield from generator.multinomial(operand(self.weights, generator), self.num_samples, self.replacement).tolist()

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of a sampler; under `drop_last`, a shorter last one is left out."""

    def __init__(self, sampler, batch_size, drop_last):
        check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        return (len(self.sampler) + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size


def check_count(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def host_generator(generator, operation):
    """A generator for indices, which the host reads: the default one is the host's, whatever `cuda.draw_on_device` says."""
    return random.default_generator if generator is None else generator_of(generator, operation)


def draw_seed(generator=None):
    """A seed in [0, 2^63), from the default generator unless another is given."""
    generator = host_generator(generator, "draw_seed")
    return int(generator.randint(-(2**63), 2**63 - 1, (1,))[0]) % 2**63  # takes a whole 64-bit draw
