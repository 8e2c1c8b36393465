"""The random stream that the GPU draws: Philox's own numbers, the kernel beside array operations, and what draws from it."""

import copy
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, nn, philox, random
from minigrad.backend import on_gpu, to_numpy

gpu = pytest.mark.skipif(not on_gpu, reason="draws on a GPU")
xp = backend.xp


@pytest.fixture
def on_device():
    mg.cuda.draw_on_device()
    yield philox.default_generator(mg.device("cuda", 0))
    mg.cuda.draw_on_device(False)


def words_of(seed, counter):
    return [int(word[0]) for word in map(to_numpy, philox.words(seed, backend.asarray(np.array([counter], np.uint64))))]


# --------------------------------------------------------------------------------------------------------- the words


def in_python(counter, key):
    """Philox4x32-10 on Python's integers: four words and a key of two, as the paper writes it."""
    for _ in range(10):
        first, second = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [second >> 32 ^ counter[1] ^ key[0], second % 2**32, first >> 32 ^ counter[3] ^ key[1], first % 2**32]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


def test_words_are_those_of_the_authors():
    """The first two rows and the last of the known answers that come with the paper's code (Random123)."""
    assert words_of(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert in_python([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert in_python([2**32 - 1] * 4, [2**32 - 1] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]
    assert in_python(*pi) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize("seed", [1, 2**32 + 5, 2**64 - 1])
@pytest.mark.parametrize("counter", [0, 7, 2**32 - 1, 2**40 + 3, 2**64 - 1])
def test_words_are_those_of_the_plain_algorithm(seed, counter):
    assert words_of(seed, counter) == in_python([counter % 2**32, counter >> 32, 0, 0], [seed % 2**32, seed >> 32])


def test_without_a_gpu_there_is_none():
    if on_gpu:
        assert mg.Generator("cuda").device == mg.device("cuda", 0)
        return
    for call in (
        lambda: mg.Generator("cuda"), lambda: mg.Generator(device="cuda:0"), mg.cuda.draw_on_device, mg.cuda.get_rng_state,
        mg.cuda.initial_seed, lambda: mg.cuda.set_rng_state(np.zeros(16, np.uint8)),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="this process computes on .*MINIGRAD_BACKEND"):
            call()
    mg.cuda.draw_on_device(False)
    assert random.source is random.default_generator


# --------------------------------------------------------------------------------------------------------- the values


DRAWS = [
    ("rand", ()), ("uniform", (-2.0, 3.0)), ("normal", (0.0, 1.0)), ("normal", (5.0, 0.1)), ("exponential", (2.0,)),
    ("bernoulli", (0.3,)), ("dropout_mask", (0.2,)), ("randint", (-5, 12)), ("randint", (-(2**63), 2**63 - 1)),
]  # fmt: skip


@gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("method", "arguments"), DRAWS)
def test_the_kernel_gives_what_array_operations_give(method, arguments, dtype, monkeypatch):
    if not philox.ENABLED:
        pytest.skip("kernels are switched off")
    dtype = np.dtype("int64" if method == "randint" else dtype)
    results = []
    for fused in (True, False):
        monkeypatch.setattr(philox, "ENABLED", fused)
        generator = mg.Generator("cuda").manual_seed(2**40 + 1)
        generator.rand((3,))
        results.append(to_numpy(getattr(generator, method)(*arguments, (50, 7), dtype)))
    a, b = results
    assert a.dtype == b.dtype == dtype and a.shape == b.shape == (50, 7)
    rounding = 0 if dtype.kind == "i" else 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(a, b, rounding, rounding)
    assert np.unique(a).size > 300 or method in ("bernoulli", "dropout_mask", "randint")


@gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_spread_as_they_should_be(dtype):
    """Mean and variance within five standard errors; shares likewise."""
    n, generator = 200_000, mg.Generator("cuda").manual_seed(3)
    unit = to_numpy(generator.rand((n,), np.dtype(dtype))).astype(float)
    normal = to_numpy(generator.randn((n,), np.dtype(dtype))).astype(float)
    waits = to_numpy(generator.exponential(2.0, (n,), np.dtype(dtype))).astype(float)
    assert unit.min() >= 0 and unit.max() < 1 and abs(unit.mean() - 0.5) < 5 * math.sqrt(1 / 12 / n)
    assert np.abs(np.histogram(unit, 20)[0] - n / 20).max() < 5 * math.sqrt(n / 20)
    assert abs(normal.mean()) < 5 / math.sqrt(n) and abs(normal.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((normal**4).mean() - 3) < 5 * math.sqrt(96 / n) and abs(np.mean(normal[1:] * normal[:-1])) < 5 / math.sqrt(n)
    assert waits.min() > 0 and abs(waits.mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
    for p in (0.1, 0.5, 0.9):
        kept = to_numpy(generator.dropout_mask(p, (n,), np.dtype(dtype)))
        assert set(np.unique(kept)) == {0, kept.dtype.type(1 / (1 - p))}
        assert abs((kept == 0).mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    counts = np.bincount(to_numpy(generator.randint(0, 7, (n,))), minlength=7)
    assert len(counts) == 7 and np.abs(counts - n / 7).max() < 5 * math.sqrt(n / 7)


@gpu
def test_a_value_depends_on_its_place_in_the_stream_alone():
    one, many = (mg.Generator("cuda").manual_seed(9) for _ in range(2))
    whole = mg.randn(30, generator=one).tolist()
    parts = [x for shape in ((2, 5), (4,), (), (15,)) for x in mg.randn(shape, generator=many).reshape(-1).tolist()]
    assert parts == whole
    assert mg.randn(3, generator=one).tolist() == mg.randn(3, generator=many).tolist()
    assert mg.randn(30, generator=mg.Generator("cuda").manual_seed(10)).tolist() != whole


@gpu
def test_permutations_and_samples():
    generator = mg.Generator("cuda").manual_seed(1)
    order = mg.randperm(1000, generator=generator)
    assert order.dtype is mg.int64 and sorted(order.tolist()) == list(range(1000)) != order.tolist()
    weights = mg.tensor([[0.0, 1.0, 3.0, 0.0], [4.0, 0.0, 0.0, 0.0]])
    for replacement in (True, False):
        for row in range(2):
            with pytest.raises(RuntimeError, match="cannot sample n_sample"):
                mg.multinomial(weights[row], 5 if not replacement else 0, replacement, generator=generator)
    one = mg.multinomial(weights, 1, generator=generator)
    assert one.shape == (2, 1) and one.dtype is mg.int64 and one[0].item() in (1, 2) and one[1].item() == 0
    many = mg.multinomial(weights, 20000, True, generator=generator).numpy()
    assert many.dtype == np.int64 and set(many[1]) == {0} and set(many[0]) == {1, 2}
    assert abs((many[0] == 2).mean() - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 20000)
    assert set(mg.multinomial(weights[0], 2, generator=generator).tolist()) == {1, 2}
    with pytest.raises(RuntimeError, match="inf.*nan.*element < 0"):
        mg.multinomial(mg.tensor([1.0, -1.0]), 1, generator=generator)
    shares = mg.bernoulli(mg.full((1000,), 0.25), generator=generator)
    assert shares.dtype is mg.float32 and 180 < shares.sum().item() < 320
    with pytest.raises(RuntimeError, match="bernoulli expects p"):
        mg.bernoulli(mg.tensor([1.5]), generator=generator)


@gpu
@pytest.mark.parametrize("call", [
    lambda g: mg.rand(2, generator=g, dtype=mg.int64), lambda g: mg.randint(3, 3, (2,), generator=g),
    lambda g: mg.randint(0, 300, (2,), generator=g, dtype=mg.uint8), lambda g: mg.normal(0, -1, (2,), generator=g),
    lambda g: mg.zeros(2).uniform_(2, 1, generator=g), lambda g: mg.zeros(2).exponential_(0, generator=g),
    lambda g: mg.zeros(2).bernoulli_(1.5, generator=g), lambda g: mg.randperm(-1, generator=g), lambda g: g.manual_seed("a"),
    lambda g: g.manual_seed(2**64), lambda g: g.set_state(np.zeros(5056, np.uint8)), lambda g: g.set_state(np.zeros(16)),
])  # fmt: skip
def test_errors_are_those_of_the_host(call):
    raised = []
    for place in ("cpu", "cuda"):
        with pytest.raises(Exception) as error:
            call(mg.Generator(place))
        raised.append(error.type)
    if "set_state" not in str(error.traceback[-1]):
        assert raised[0] is raised[1] and raised[0] in (RuntimeError, TypeError, ValueError)


# ---------------------------------------------------------------------------------------------------------- the state


@gpu
def test_states_can_be_kept_copied_and_pickled():
    generator = mg.Generator("cuda").manual_seed(-3)
    assert generator.initial_seed() == 2**64 - 3
    mg.rand(5, generator=generator)
    state = generator.get_state()
    others = [generator.clone_state(), copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), mg.Generator("cuda")]
    others[-1].set_state(state)
    expected = mg.rand(4, generator=generator).tolist()
    assert state.dtype == np.uint8 and state.view(np.uint64).tolist() == [2**64 - 3, 5]
    for other in others:
        assert type(other) is philox.DeviceGenerator and mg.rand(4, generator=other).tolist() == expected


@gpu
def test_the_default_stream_of_the_device_is_seeded_with_that_of_the_host(on_device):
    host = random.default_generator.get_state()
    mg.manual_seed(5)
    a, state = mg.randn(3).tolist(), mg.cuda.get_rng_state()
    assert mg.cuda.initial_seed() == 5
    mg.manual_seed(5)
    assert mg.randn(3).tolist() == a
    mg.cuda.set_rng_state(state)
    b = mg.randn(3).tolist()
    mg.cuda.manual_seed(5)
    assert mg.randn(3).tolist() == a != b
    mg.cuda.draw_on_device(False)
    mg.manual_seed(5)
    assert mg.randn(3).tolist() != a  # the host's numbers, as ever
    random.default_generator.set_state(host)


@gpu
def test_a_fit_goes_on_from_a_checkpoint(on_device, tmp_path):
    """With dropout from the device's stream; a learner that draws on the host refuses the checkpoint."""
    from minigrad.train import Learner

    def learner():
        mg.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        x, y = mg.randn(16, 4), mg.randint(0, 2, (16,))
        data = mg.utils.data.DataLoader(mg.utils.data.TensorDataset(x, y), 4, shuffle=True), None
        return Learner(model, data, nn.functional.cross_entropy, mg.optim.SGD(model.parameters(), lr=0.1))

    whole = learner()
    whole.fit(2)
    half = learner()
    half.fit(1)
    half.save(tmp_path / "half.mg")
    other = learner()
    mg.manual_seed(77)
    other.load(tmp_path / "half.mg")
    other.fit(1)
    for ours, theirs in zip(other.model.parameters(), whole.model.parameters()):
        assert ours.tolist() == theirs.tolist()
    mg.cuda.draw_on_device(False)
    with pytest.raises(ValueError, match="random streams .*'cuda', 'default'.*the learner has .*'default'"):
        learner().load(tmp_path / "half.mg")


@gpu
def test_a_look_at_a_model_leaves_the_stream_alone(on_device):
    from minigrad.diagnostics import summary

    state = mg.cuda.get_rng_state().tolist()
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)).train()
    before = mg.cuda.get_rng_state().tolist()
    str(summary(model, mg.ones(2, 4)))
    assert mg.cuda.get_rng_state().tolist() == before != state


# ------------------------------------------------------------------------------------------------- what draws from it


@gpu
def test_dropout_weights_and_noise_draw_on_the_device(on_device):
    calls = [
        lambda: nn.functional.dropout(mg.ones(40, 3)), lambda: nn.functional.dropout2d(mg.ones(4, 3, 2, 2)),
        lambda: nn.functional.dropout(mg.ones(4, 3).T), lambda: nn.Linear(3, 4).weight, lambda: mg.randn_like(mg.ones(3)),
        lambda: mg.empty(5).uniform_(-1, 1), lambda: mg.normal(mg.zeros(3), 2.0),
        lambda: nn.init.orthogonal_(mg.empty(3, 3)),
        lambda: mg.empty(5).bernoulli_(0.5), lambda: mg.empty(5).exponential_(), lambda: mg.randint(0, 9, (5,)),
    ]  # fmt: skip
    host = random.default_generator.get_state().tolist()
    for call in calls:
        before = mg.cuda.get_rng_state().tolist()
        call()
        assert mg.cuda.get_rng_state().tolist() != before
    assert random.default_generator.get_state().tolist() == host


@gpu
def test_samplers_go_on_drawing_on_the_host(on_device):
    from minigrad.utils.data import DataLoader, SubsetRandomSampler, WeightedRandomSampler, random_split

    before = mg.cuda.get_rng_state().tolist()
    results = []
    for _ in range(2):
        mg.manual_seed(4)
        results.append([
            [batch.tolist() for batch in DataLoader(mg.arange(9), 4, shuffle=True)], list(SubsetRandomSampler(range(9))),
            list(WeightedRandomSampler([1.0, 2.0, 3.0], 8)), [part.indices for part in random_split(range(9), [4, 5])],
        ])  # fmt: skip
        mg.cuda.draw_on_device(False)
    assert results[0] == results[1]
    assert mg.cuda.get_rng_state().tolist()[8:] == before[8:]


@gpu
def test_a_compiled_step_draws_anew(on_device):
    model = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))
    x = mg.ones(4, 6)

    def step():
        return model(x + mg.randn(4, 6)).sum().detach()

    mg.manual_seed(3)
    expected = [step().item() for _ in range(6)]
    mg.manual_seed(3)
    compiled = mg.compile(step)
    assert [compiled().item() for _ in range(6)] == expected and len(set(expected)) == 6
    assert len(next(iter(compiled.kinds.values())).recordings) == 1


TRAFFIC = """
import io, cupy
import minigrad as mg
from minigrad import nn
mg.cuda.draw_on_device()
net = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, 4))
optimizer = mg.optim.SGD(net.parameters(), lr=0.1)
x = mg.randn(32, 8)
def step():
    loss = (net(x + 0.1 * mg.randn_like(x)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
step()
with cupy.counting() as on:
    step()
mg.cuda.draw_on_device(False)
step()
with cupy.counting() as off:
    step()
print([[c[name] for name in ("to device", "to host", "waits")] for c in (on, off)])
"""


def test_a_step_with_dropout_and_noise_sends_nothing():
    folder = Path(__file__).parent / "stand_in"
    paths = os.pathsep.join(map(str, (folder, folder.parent.parent)))
    environment = {**os.environ, "MINIGRAD_BACKEND": "cupy", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", TRAFFIC], env=environment, capture_output=True, text=True)
    assert done.stdout == "[[0, 0, 0], [2, 0, 0]]\n", done.stderr
