"""Threads that train at once: each gets what it gets alone, and no draw from a shared generator is lost or doubled."""

import sys
import threading
import timeit
from contextlib import contextmanager

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import cpu, optim
from minigrad.backend import on_gpu
from minigrad.ops import lowering

from . import Row

COUNT = 4


@contextmanager
def operations_in(threads):
    """Let an operation use so many threads itself."""
    before = mg.get_num_threads()
    mg.set_num_threads(threads)
    try:
        yield
    finally:
        mg.set_num_threads(before)


@contextmanager
def small_blocks(size=1 << 14):
    """Let convolutions of a few images have so many blocks that they use several threads themselves."""
    before, lowering.BLOCK_BYTES = lowering.BLOCK_BYTES, size
    lowering.blocks_of.cache_clear()
    try:
        yield
    finally:
        lowering.BLOCK_BYTES = before
        lowering.blocks_of.cache_clear()


@contextmanager
def switching(seconds=1e-6):
    """Let Python hand over from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(works):
    """The results of functions that are called in a thread each, all at the same time; the first of their errors."""
    results, errors, barrier = [None] * len(works), [], threading.Barrier(len(works))

    def run(i, work):
        try:
            barrier.wait()
            results[i] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i, work)) for i, work in enumerate(works)]
    with switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return results


# ------------------------------------------------------------------------------------------------------------ models


def convolutional(generator):
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(4, 8, 3), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return model, mg.randn(64, 1, 28, 28, generator=generator), mg.randint(0, 10, (64,), generator=generator)


def recurrent(generator):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.output = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 10)

        def forward(self, x):
            return self.output(self.rnn(x)[0][:, -1])

    return Last(), mg.randn(8, 5, 6, generator=generator), mg.randint(0, 10, (8,), generator=generator)


def embedded(generator):
    layers = [nn.Embedding(27, 10), nn.Flatten(), nn.Linear(30, 50), nn.BatchNorm1d(50), nn.Tanh(), nn.Linear(50, 27)]
    x, y = (mg.randint(0, 27, shape, generator=generator) for shape in ((8, 3), (8,)))
    return nn.Sequential(*layers), x, y


def wide(generator):
    """Layers large enough for NumPy to let other threads run meanwhile."""
    layers = [nn.Flatten(), nn.Linear(784, 200), nn.LayerNorm(200), nn.GELU(), nn.Linear(200, 10)]
    return nn.Sequential(*layers), mg.randn(64, 784, generator=generator), mg.randint(0, 10, (64,), generator=generator)


KINDS = [convolutional, recurrent, embedded, wide]


def trained(kind, seed, steps):
    """Every loss, and the bytes of all parameters and buffers after so many steps, by a generator of its own."""
    generator = mg.Generator().manual_seed(seed)
    model, x, y = kind(generator)
    with mg.no_grad():
        for p in model.parameters():
            nn.init.normal_(p, 0.0, 0.1, generator=generator)
    optimizer, found = optim.AdamW(model.parameters(), lr=0.01), []
    for step in range(steps):
        mask = mg.bernoulli(mg.full(x.shape, 0.9), generator=generator)
        loss = F.cross_entropy(model(x * mask if x.is_floating_point() else x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            with mg.no_grad():
                assert not model(x).requires_grad
        assert mg.is_grad_enabled()
        found.append(loss.item())
    return found, [value.numpy().tobytes() for value in model.state_dict().values()]


def models(steps):
    """Train a model of each kind, then COUNT of each, all at once and one after the other: the same; how many."""
    works = [[(kind, seed) for seed, kind in enumerate(KINDS)]]
    works += [[(kind, seed) for seed in range(COUNT)] for kind in KINDS]
    with operations_in(1):  # the rounding of a product depends on the threads of BLAS, which belong to the whole process
        for several in works:
            alone = [trained(kind, seed, steps) for kind, seed in several]
            together = at_once([lambda kind=kind, seed=seed: trained(kind, seed, steps) for kind, seed in several])
            for (kind, seed), a, b in zip(several, alone, together, strict=True):
                assert a == b, f"the {kind.__name__} model with seed {seed} differs when others train in other threads"
    return sum(map(len, works))


def split(steps):
    """The same for convolutions that use several threads themselves, to within rounding; how many."""
    with operations_in(2), small_blocks():
        alone = [trained(convolutional, seed, steps)[0] for seed in range(COUNT)]
        together = at_once([lambda seed=seed: trained(convolutional, seed, steps)[0] for seed in range(COUNT)])
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4)
        assert on_gpu or cpu.pool is not None, "no convolution used threads of its own"
        assert cpu.blas is None or cpu.blas[0]() == 2, "BLAS did not get its threads back"
    return COUNT


def shared(steps, size=100_000):
    """COUNT threads send gradients to one leaf, large enough for NumPy to let others run; how many arrived."""
    leaf = mg.zeros(size, requires_grad=True)

    def work():
        for _ in range(steps):
            (leaf * 1.0).sum().backward()

    at_once([work] * COUNT)
    assert (leaf.grad == COUNT * steps).all(), f"of {COUNT * steps} gradients {leaf.grad.min().item():.0f} arrived"
    return COUNT * steps


# ------------------------------------------------------------------------------------------------------ random draws

DRAWS = {  # each takes the same number of random words whenever it is called
    "rand": lambda: mg.rand(5),
    "randn": lambda: mg.randn(2),
    "randn, in blocks": lambda: mg.randn(20),
    "randint": lambda: mg.randint(0, 1000, (7,)),
    "randperm": lambda: mg.randperm(9),
    "bernoulli": lambda: mg.bernoulli(mg.full((6,), 0.5)),
    "dropout": lambda: F.dropout(mg.ones(40), 0.5),
    "multinomial": lambda: mg.multinomial(mg.arange(1.0, 9.0), 1),
}


def draws(count):
    """COUNT threads draw from the default generator: together what one draws alone, in another order; how many draws."""
    for name, draw in DRAWS.items():
        mg.manual_seed(5)
        alone = sorted(draw().tolist() for _ in range(COUNT * count))
        mg.manual_seed(5)
        together = at_once([lambda draw=draw: [draw().tolist() for _ in range(count)]] * COUNT)
        assert sorted(sum(together, [])) == alone, f"{name}: threads do not draw what one draws alone"
    return COUNT * count * len(DRAWS)


def states(count):
    """What a state holds that is read while others draw is a place between two draws; how many were read."""
    mg.manual_seed(5)
    places = {mg.get_rng_state().tobytes(): i for i in range(3 * count + 1) if i == 0 or mg.rand(5) is not None}
    mg.manual_seed(5)
    read = lambda: [mg.get_rng_state().tobytes() for _ in range(count)]  # noqa: E731
    found, *_ = at_once([read, *[lambda: [mg.rand(5) for _ in range(count)]] * 3])
    assert [places.get(state, -1) for state in found] == sorted(places.get(state, -1) for state in found)
    assert all(state in places for state in found), "a state was read in the middle of a draw"
    return count


def lock_cost():
    """Microseconds that the generator's lock takes in a draw, which enters it twice at most."""
    lock, best = mg.random.default_generator._lock, []
    for body in ("lock\n", "with lock:\n  with lock: pass"):
        best.append(min(timeit.repeat(body, number=10_000, repeat=20, globals={"lock": lock})) / 10_000)
    return 1e6 * (best[1] - best[0])


def rows(full):
    steps = 60 if full else 5
    trained, convolutions = models(steps), split(steps)
    cost = lock_cost()
    assert cost < 0.3, f"the lock of a generator takes {cost:.2f} µs of a draw"
    what = f"none lost or doubled; their lock takes {cost:.2f} µs"
    return [
        Row("models trained in 4 threads at a time", trained, f"{steps} steps each: to the bit as alone"),
        Row("convolutional models that use threads themselves", convolutions, "to within rounding as alone"),
        Row("gradients of 4 threads for one leaf", shared(200 if full else 20), "all arrived"),
        Row("draws of 4 threads from the default generator", draws(2000 if full else 50), what),
        Row("states read while threads draw", states(2000 if full else 50), "each between two draws"),
    ]
