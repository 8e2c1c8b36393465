"""Draws with PyTorch's CPU generator what `tests/test_random.py` compares with: `python make_random.py`.

Made with PyTorch 2.13.0 on an x86 processor with AVX2; writes `random.npz` next to this file.
"""

import zlib
from pathlib import Path

import numpy as np

SEED = 1337
SEEDS = (0, 1, 42, 2147483647, -1, -(2**63), 2**32 + 5, 2**64 - 1)


def sizes(method, shapes, **arguments):
    return [(method, {"shape": shape, **arguments}) for shape in shapes]


def make_calls():
    """(method, arguments) of `minigrad.random.Generator`, to be drawn one after the other from one stream."""
    calls = []
    for dtype in ("float32", "float64"):
        calls += sizes("rand", [(0,), (1,), (2, 4), (33,), (16385,)], dtype=dtype)
        calls += sizes("randn", [(0,), (1,), (2,), (3, 5), (16,), (17,), (4, 8), (100,), (624,)], dtype=dtype)
        calls += sizes("randn", [(16383,), (16384,), (20007,), (7,)], dtype=dtype)
        calls += sizes("normal", [(5,), (1000,)], mean=0.25, std=1.75, dtype=dtype)
        calls += sizes("normal", [(3, 7)], mean=-1.5, std=0.3, dtype=dtype, contiguous=False)
        calls += sizes("uniform", [(7,), (31,), (10007,)], low=-0.3, high=1.1, dtype=dtype)
        calls += sizes("exponential", [(9,), (100,)], rate=1.5, dtype=dtype)
        calls += sizes("bernoulli", [(15,), (100,)], p=0.3, dtype=dtype)
        calls += sizes("dropout_mask", [(8,), (10, 10)], p=0.15, dtype=dtype)
        calls.append(("bernoulli", {"p": np.linspace(0, 1, 60, dtype=dtype), "dtype": dtype}))
        weights = (np.arange(54, dtype=dtype).reshape(2, 27) * 7 % 11 + 1) / 10
        for p in (weights[0], weights):
            for num_samples, replacement in ((1, False), (1, True), (20, True), (20, False)):
                arguments = {"probabilities": p, "num_samples": num_samples, "replacement": replacement}
                calls.append(("multinomial", arguments))
    ranges = [(0, 27), (-5, 182625), (0, 2**28 - 1), (0, 2**28), (-(2**40), 2**40), (-(2**63), 2**63 - 1)]
    for low, high in ranges:
        calls += sizes("randint", [(1,), (4, 8)], low=low, high=high)
    calls += sizes("randint", [(40,)], low=0, high=256, dtype="uint8")
    calls += sizes("randint", [(40,)], low=-3, high=4, dtype="float32")
    calls += sizes("randint", [(10007,)], low=0, high=60000)
    calls += [("randperm", {"n": n}) for n in (0, 1, 2, 8, 17, 100, 10007)]
    calls += [("randperm", {"n": 30, "dtype": "uint8"})]
    return calls + sizes("rand", [(4,)])


def by_torch(generator, method, arguments):
    """The same draw by PyTorch, from a `torch.Generator`, as an array."""
    import torch

    arguments = dict(arguments)
    default = "int64" if method in ("randint", "randperm") else "float32"
    dtype = getattr(torch, arguments.pop("dtype", default))
    empty = torch.empty(arguments.pop("shape", ()), dtype=dtype)
    if method in ("rand", "randn"):
        result = getattr(torch, method)(empty.shape, dtype=dtype, generator=generator)
    elif method == "randint":
        result = torch.randint(**arguments, size=empty.shape, dtype=dtype, generator=generator)
    elif method == "randperm":
        result = torch.randperm(**arguments, dtype=dtype, generator=generator)
    elif method == "normal" and not arguments.pop("contiguous", True):
        strided = torch.empty(*empty.shape, 2, dtype=dtype)[..., 0]
        result = strided.normal_(**arguments, generator=generator)
    elif method == "exponential":
        result = empty.exponential_(arguments["rate"], generator=generator)
    elif method == "uniform":
        result = empty.uniform_(arguments["low"], arguments["high"], generator=generator)
    elif method == "bernoulli" and isinstance(arguments["p"], np.ndarray):
        result = torch.bernoulli(torch.from_numpy(arguments["p"]), generator=generator)
    elif method == "dropout_mask":  # draws from the default generator only
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            result = torch.nn.functional.dropout(torch.ones_like(empty), arguments["p"], training=True)
            generator.set_state(torch.get_rng_state())
    elif method == "multinomial":
        weights = torch.from_numpy(arguments.pop("probabilities"))
        result = torch.multinomial(weights, **arguments, generator=generator)
    else:
        result = getattr(empty, method + "_")(**arguments, generator=generator)
    return result.numpy()


def excerpt(values):
    """Both ends of a long array: what went wrong before shows at the end."""
    return values if values.size <= 100 else np.concatenate((values[:20], values[-20:]))


def main():
    import torch

    generator = torch.Generator().manual_seed(SEED)
    stored = {f"call{i}": excerpt(by_torch(generator, *call)) for i, call in enumerate(make_calls())}
    stored["state"] = generator.get_state().numpy()
    stored["fresh_state"] = generator.manual_seed(SEED).get_state().numpy()
    stored["checksum"] = zlib.crc32(torch.randn(200000, generator=generator).numpy())
    for seed in SEEDS:
        stored[f"seed{seed}"] = torch.randn(19, generator=generator.manual_seed(seed)).numpy()
    np.savez_compressed(Path(__file__).with_name("random.npz"), **stored)


if __name__ == "__main__":
    main()
