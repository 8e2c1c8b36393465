"""Reads data in PyTorch's order for `tests/test_data.py` to compare with.

`python make_data.py`, made with PyTorch 2.13.0, writes `data.npz` next to this file.
Everything but `main` works with minigrad too.
"""

from pathlib import Path

import numpy as np

SIZE = 23
SAMPLERS = {
    "sequential": lambda d, generator: d.SequentialSampler(range(SIZE)),
    "random": lambda d, generator: d.RandomSampler(range(SIZE), generator=generator),
    "random_more": lambda d, generator: d.RandomSampler(range(SIZE), num_samples=60, generator=generator),
    "random_fewer": lambda d, generator: d.RandomSampler(range(SIZE), num_samples=9, generator=generator),
    "random_replacement": lambda d, generator: d.RandomSampler(range(SIZE), True, 75, generator=generator),
    "subset": lambda d, generator: d.SubsetRandomSampler([3, 1, 4, 15, 9, 2, 6, 5], generator),
    "weighted": lambda d, generator: d.WeightedRandomSampler([0.1, 3, 0.2, 5, 0, 1], 40, generator=generator),
    "weighted_once": lambda d, generator: d.WeightedRandomSampler(list(range(1, 12)), 7, False, generator),
}
LOADERS = {
    "ordered": {"batch_size": 5},
    "shuffled": {"batch_size": 5, "shuffle": True},
    "dropped": {"batch_size": 4, "shuffle": True, "drop_last": True},
    "single": {"batch_size": None, "shuffle": True},
}


def generators(library, seed):
    """None, which means the default generator, and a generator of its own."""
    return {"default": None, "own": library.Generator().manual_seed(seed)}


def order(library, case, generator):
    """Two passes over a sampler, and after each a draw from the default generator: one list of integers."""
    sampler, values = SAMPLERS[case](library.utils.data, generator), []
    for _ in range(2):
        values += [*sampler, len(sampler), *library.randint(0, 1000, (3,)).tolist()]
    return values


def batches(library, case, generator, **options):
    """Three epochs of a loader, its batches apart by -1, and after each a draw from the default generator."""
    data = library.utils.data
    dataset, values = data.TensorDataset(library.arange(SIZE), library.arange(SIZE) * 2), []
    loader = data.DataLoader(dataset, **LOADERS[case], generator=generator, **options)
    for _ in range(3):
        for x, y in loader:
            values += [*x.reshape(-1).tolist(), *y.reshape(-1).tolist(), -1]
        values += [len(loader), *library.randint(0, 1000, (3,)).tolist()]
    return values


def splits(library, generator):
    """The indices of a split by lengths and of one by fractions, then of a shuffled loader over a part."""
    data, values = library.utils.data, []
    options = {} if generator is None else {"generator": generator}
    for lengths in ([10, 13], [0.5, 0.3, 0.2]):
        for part in data.random_split(range(SIZE), lengths, **options):
            values += [*part.indices, -1]
    return values + [int(i) for batch in data.DataLoader(part, 3, shuffle=True) for i in batch]


def everything(library, **options):
    """{name: integers} of all cases; `options` go to the loaders."""
    found = {}
    for kind in ("default", "own"):
        for case in SAMPLERS:
            library.manual_seed(11)
            found[f"sampler.{case}.{kind}"] = order(library, case, generators(library, 5)[kind])
        for case in LOADERS:
            library.manual_seed(12)
            found[f"loader.{case}.{kind}"] = batches(library, case, generators(library, 6)[kind], **options)
        library.manual_seed(13)
        found[f"splits.{kind}"] = splits(library, generators(library, 7)[kind])
    return {name: np.array(values, np.int64) for name, values in found.items()}


def main():
    import torch

    np.savez_compressed(Path(__file__).with_name("data.npz"), **everything(torch))


if __name__ == "__main__":
    main()
