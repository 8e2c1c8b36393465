"""The random stream equals PyTorch's: stored draws always, PyTorch itself where it is installed."""

import copy
import pickle
import runpy
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import random as stream
from minigrad.random import Generator

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_random.py"))
by_torch, excerpt = made_by["by_torch"], made_by["excerpt"]


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "random.npz") as file:
        return dict(file)


def draw(generator, method, arguments):
    return getattr(generator, method)(**arguments)


def assert_same(ours, theirs, size, mean=0.0):
    """Integers and draws of fewer than 16 floats are equal; others within 3 units in the last place.

    Where the mean is larger than the value, units in the last place of the mean: the value is then what is
    left of a difference.
    """
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if ours.dtype.kind != "f" or size < 16:
        np.testing.assert_array_equal(ours, theirs)
    else:
        unit = np.spacing(np.maximum(np.abs(theirs), abs(ours.dtype.type(mean))))
        assert (np.abs(ours - theirs) <= 3 * unit).all()


# ------------------------------------------------------------------------------------------------------------
# Stored draws of PyTorch
# ------------------------------------------------------------------------------------------------------------


def test_stored_draws_one_after_the_other(stored):
    generator = Generator().manual_seed(made_by["SEED"])
    for i, (method, arguments) in enumerate(made_by["make_calls"]()):
        values = draw(generator, method, arguments)
        assert values.flags.c_contiguous
        theirs = stored[f"call{i}"]
        try:
            assert_same(excerpt(values), theirs, values.size, arguments.get("mean", 0.0))
            if values.dtype == np.float32:  # made of operations that are rounded exactly
                np.testing.assert_array_equal(excerpt(values), theirs)
        except AssertionError as error:
            raise AssertionError(f"call {i}: {method} of {arguments}") from error
    np.testing.assert_array_equal(generator.get_state(), stored["state"])


@pytest.mark.parametrize("seed", made_by["SEEDS"])
def test_stored_seeds(seed, stored):
    generator = Generator().manual_seed(seed)
    assert generator.initial_seed() == seed % 2**64
    np.testing.assert_array_equal(generator.randn((19,)), stored[f"seed{seed}"])


def test_stored_checksum_of_many_normal_values(stored):
    assert zlib.crc32(Generator().manual_seed(made_by["SEED"]).randn((200000,))) == stored["checksum"]


@pytest.mark.parametrize("name", ["state", "fresh_state"])
def test_stored_state_is_taken_up(name, stored):
    generator = Generator()
    generator.set_state(stored[name])
    assert generator.initial_seed() == made_by["SEED"]
    np.testing.assert_array_equal(generator.get_state(), stored[name])


def test_state_of_a_fresh_seed(stored):
    generator = Generator().manual_seed(made_by["SEED"])
    generator.rand((0,))
    np.testing.assert_array_equal(generator.get_state(), stored["fresh_state"])


# ------------------------------------------------------------------------------------------------------------
# Seeds and states
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [0, 1, 31, 623, 624, 625, 1248, 9983, 9984, 9985, 30000])
def test_state_round_trip(words):
    generator = Generator().manual_seed(7)
    generator.randint(0, 2, (words,))
    state = generator.get_state()
    assert state.shape == (5056,)
    expected = generator.randint(0, 2**20, (2000,))
    other = Generator()
    other.set_state(state)
    np.testing.assert_array_equal(other.get_state(), state)
    np.testing.assert_array_equal(other.randint(0, 2**20, (2000,)), expected)


@pytest.mark.parametrize("split", [1, 32, 100, 1247, 1248, 1249, 5000])
def test_words_do_not_depend_on_how_they_are_asked_for(split):
    whole = Generator().manual_seed(3).randint(0, 2**28 - 1, (25000,))
    generator = Generator().manual_seed(3)
    parts = [generator.randint(0, 2**28 - 1, (split,)) for _ in range(0, 25000, split)]
    np.testing.assert_array_equal(np.concatenate(parts)[:25000], whole)


def test_a_state_keeps_the_waiting_normal_value_and_a_seed_forgets_it():
    generator = Generator().manual_seed(11)
    first, second = generator.randn((2,), np.float64)
    generator.manual_seed(11)
    assert generator.randn((1,), np.float64) == first
    state = generator.get_state()
    assert generator.randn((0,), np.float64).size == 0
    assert generator.randn((1,), np.float64) == second
    generator.set_state(state)
    assert generator.randn((1,), np.float64) == second
    generator.set_state(state)
    assert generator.manual_seed(11).randn((1,), np.float64) == first


def test_copies_draw_the_same():
    generator = Generator().manual_seed(5)
    generator.randn((3,))
    copies = [generator.clone_state(), copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    expected = generator.randn((20,))
    for other in copies:
        np.testing.assert_array_equal(other.randn((20,)), expected)


def test_default_generator():
    assert stream.manual_seed(23) is stream.default_generator
    assert stream.initial_seed() == 23
    state = stream.get_rng_state()
    expected = stream.default_generator.rand((5,))
    stream.set_rng_state(state)
    np.testing.assert_array_equal(stream.default_generator.rand((5,)), expected)
    first = stream.seed()
    assert stream.initial_seed() == first != stream.seed()
    np.testing.assert_array_equal(Generator().rand((5,)), Generator().manual_seed(67280421310721).rand((5,)))


def test_threads_share_a_generator_without_losing_or_repeating_a_word():
    generator = Generator().manual_seed(9)
    drawn = [[] for _ in range(4)]

    def work(mine):
        for _ in range(300):
            mine.append(generator.randint(0, 2**28 - 1, (997,)))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in drawn]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    expected = Generator().manual_seed(9).randint(0, 2**28 - 1, (4 * 300 * 997,)).reshape(-1, 997)
    blocks = {block.tobytes() for mine in drawn for block in mine}
    assert blocks == {block.tobytes() for block in expected}


# ------------------------------------------------------------------------------------------------------------
# Draws
# ------------------------------------------------------------------------------------------------------------


def test_draws_do_not_share_memory():
    generator = Generator().manual_seed(1)
    for method, arguments in (("randint", {"low": 0, "high": 2**28 - 1}), ("rand", {})):
        values = draw(generator, method, {"shape": (8,), **arguments})
        kept = values.copy()
        generator.randint(0, 5, (20000,))
        np.testing.assert_array_equal(values, kept)
        before = generator.get_state()
        values[:] = 0
        np.testing.assert_array_equal(generator.get_state(), before)


def swap_one_by_one(words, n):
    entries = list(range(n))
    for i in range(n - 1):
        j = i + int(words[i]) % (n - i)
        entries[i], entries[j] = entries[j], entries[i]
    return entries


@pytest.mark.parametrize("n", [2, 3, 5, 16, 1000, 30011])
def test_randperm_does_the_swaps_of_fisher_and_yates(n):
    for seed in range(5):
        words = np.random.RandomState(seed).randint(0, 2**32, n, dtype=np.uint32)
        assert Generator().manual_seed(seed).randperm(n).tolist() == swap_one_by_one(words, n)


def test_dropout_of_none_and_of_all_draws_nothing():
    generator = Generator().manual_seed(2)
    before = generator.get_state()
    assert (generator.dropout_mask(0, (5,)) == 1).all()
    assert (generator.dropout_mask(1.0, (5,)) == 0).all()
    np.testing.assert_array_equal(generator.get_state(), before)


def test_uniform_never_returns_its_upper_bound():
    low, high = 1.0, float(np.nextafter(np.float32(1), np.float32(2)))
    assert (Generator().manual_seed(0).uniform(low, high, (1000,)) == low).all()
    assert (Generator().uniform(2.5, 2.5, (3,)) == 2.5).all()


def test_weight_zero_is_drawn_last():
    weights = np.array([0, 3, 0, 1, 2], np.float32)
    generator = Generator().manual_seed(4)
    for _ in range(50):
        drawn = generator.multinomial(weights, 5).tolist()
        assert sorted(drawn[:3]) == [1, 3, 4]
        assert drawn[3:] == [0, 2]
        assert set(generator.multinomial(weights, 20, replacement=True).tolist()) <= {1, 3, 4}


weights = np.array([0.5, 0.5])
MISUSE = [
    (lambda g: g.manual_seed(1.5), RuntimeError, "expected a long, but got float"),
    (lambda g: g.manual_seed(True), RuntimeError, "expected a long, but got bool"),
    (lambda g: g.manual_seed(2**64), ValueError, "18446744073709551616"),
    (lambda g: g.manual_seed(-(2**63) - 1), ValueError, "-9223372036854775809"),
    (lambda g: g.set_state(np.zeros(5056)), TypeError, "uint8"),
    (lambda g: g.set_state(np.zeros(5000, np.uint8)), RuntimeError, "5056 bytes, but got 5000"),
    (lambda g: g.set_state(np.zeros(5056, np.uint8)), RuntimeError, "invalid mt19937 state"),
    (lambda g: Generator("mars"), RuntimeError, "mars"),
    (lambda g: g.rand((2,), np.int64), TypeError, "rand: .* got int64"),
    (lambda g: g.randn((2,), np.float16), TypeError, "normal_: .* got float16"),
    (lambda g: g.normal(0, -1, (0,)), RuntimeError, r"std >= 0.0, but found std -1$"),
    (lambda g: g.normal(0, float("nan"), (20,)), RuntimeError, "std nan"),
    (lambda g: g.uniform(1, 0.5, (2,)), RuntimeError, r"\[from, to\) range.*from=1, to=0.5"),
    (lambda g: g.uniform(0, 1e39, (2,)), RuntimeError, "finite in float32"),
    (lambda g: g.uniform(-3e38, 3e38, (2,)), RuntimeError, "finite in float32"),
    (lambda g: g.exponential(0, (2,)), RuntimeError, "lambda > 0.0, but found lambda=0"),
    (lambda g: g.bernoulli(1.5, (2,)), RuntimeError, r"\[0, 1\], but got p=1.5"),
    (lambda g: g.bernoulli(np.array([0.5, -0.1])), RuntimeError, r"\[0, 1\], but got -0.1"),
    (lambda g: g.bernoulli(np.array([0, 1])), TypeError, "int64"),
    (lambda g: g.dropout_mask(-0.1, (2,)), ValueError, "between 0 and 1, but got -0.1"),
    (lambda g: g.randint(5, 5, (2,)), RuntimeError, "5 >= 5"),
    (lambda g: g.randint(0, 257, (2,), np.uint8), RuntimeError, "out of bounds for uint8"),
    (lambda g: g.randint(-1, 3, (2,), np.uint8), RuntimeError, "out of bounds for uint8"),
    (lambda g: g.randint(0, 3, (2,), bool), RuntimeError, "out of bounds for bool"),
    (lambda g: g.randint(0, 2**63, (2,)), RuntimeError, "out of bounds for int64"),
    (lambda g: g.randint(0, 2**24 + 2, (2,), np.float32), RuntimeError, "out of bounds for float32"),
    (lambda g: g.randperm(-1), RuntimeError, "but got -1"),
    (lambda g: g.randperm(257, np.uint8), RuntimeError, "256 for uint8, but got 257"),
    (lambda g: g.randperm(214748364), RuntimeError, "but got 214748364"),
    (lambda g: g.multinomial(weights, 3), RuntimeError, "without replacement, got 3 of 2"),
    (lambda g: g.multinomial(weights, 0), RuntimeError, "n_sample <= 0"),
    (lambda g: g.multinomial(np.array([1, 1]), 1), RuntimeError, "int64"),
    (lambda g: g.multinomial(np.ones((1, 1, 1)), 1), RuntimeError, "1 or 2 dim"),
    (lambda g: g.multinomial(np.array([0.5, -0.5]), 1), RuntimeError, "element < 0"),
    (lambda g: g.multinomial(np.array([0.5, np.nan]), 2, True), RuntimeError, "`nan`"),
    (lambda g: g.multinomial(np.array([0.5, np.inf]), 1), RuntimeError, "`inf`"),
    (lambda g: g.multinomial(np.zeros((2, 3)), 1), RuntimeError, "sum of probabilities <= 0"),
]


@pytest.mark.parametrize(("misuse", "error", "message"), MISUSE)
def test_misuse_is_refused_before_anything_is_drawn(misuse, error, message):
    generator = Generator().manual_seed(6)
    before = generator.get_state()
    with pytest.raises(error, match=message):
        misuse(generator)
    np.testing.assert_array_equal(generator.get_state(), before)


# ------------------------------------------------------------------------------------------------------------
# PyTorch itself
# ------------------------------------------------------------------------------------------------------------

SIZES = st.sampled_from([0, 1, 2, 8, 15, 16, 17, 31, 32, 33, 624, 1000, 10007, 16385]) | st.integers(0, 700)
FLOATS = st.sampled_from(["float32", "float64"])
NUMBERS = st.floats(-8, 8, width=32)
POSITIVE = st.floats(0.125, 8, width=32)
UNIT = st.floats(0, 1)


@st.composite
def calls(pick):
    method = pick(st.sampled_from(sorted({method for method, _ in made_by["make_calls"]()})))
    if method == "randperm":
        return method, {"n": pick(SIZES)}
    if method == "multinomial":
        random = np.random.default_rng(pick(st.integers(0, 2**32)))
        shape = pick(st.sampled_from([(1,), (2,), (27,), (1, 5), (3, 27), (2, 300)]))
        p, replacement = random.random(shape).astype(pick(FLOATS)) * 3, pick(st.booleans())
        num_samples = pick(st.integers(1, 50 if replacement else shape[-1]))
        return method, {"probabilities": p, "num_samples": num_samples, "replacement": replacement}
    if method == "randint":
        low = pick(st.integers(-(2**62), 2**62) | st.integers(-10, 10))
        span = pick(st.integers(1, 2**62) | st.integers(1, 100) | st.integers(2**28 - 2, 2**28 + 2))
        return method, {"low": low, "high": low + span, "shape": (pick(SIZES),)}
    arguments = {"shape": (pick(SIZES),), "dtype": pick(FLOATS)}
    if method == "normal":
        arguments |= {"mean": pick(NUMBERS), "std": pick(POSITIVE), "contiguous": pick(st.booleans())}
    if method == "uniform":
        low = pick(NUMBERS)
        arguments |= {"low": low, "high": low + pick(POSITIVE)}
    if method == "exponential":
        arguments |= {"rate": pick(POSITIVE)}
    if method in ("bernoulli", "dropout_mask"):
        arguments |= {"p": pick(UNIT)}
    if method == "bernoulli" and pick(st.booleans()):
        random = np.random.default_rng(pick(st.integers(0, 2**32)))
        arguments |= {"p": random.random(arguments["shape"]).astype(arguments["dtype"])}
    return method, arguments


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=st.integers(-(2**63), 2**64 - 1), sequence=st.lists(calls(), min_size=1, max_size=8))
def test_interleaved_draws_equal_those_of_torch(seed, sequence):
    torch = pytest.importorskip("torch")
    ours, theirs = Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    for method, arguments in sequence:
        values = draw(ours, method, arguments)
        assert_same(values, by_torch(theirs, method, arguments), values.size, arguments.get("mean", 0.0))
        np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())


def test_states_are_exchanged_with_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = Generator(), torch.Generator().manual_seed(77)
    for method, arguments in made_by["make_calls"]():
        ours.set_state(theirs.get_state().numpy())
        values = draw(ours, method, arguments)
        assert_same(values, by_torch(theirs, method, arguments), values.size, arguments.get("mean", 0.0))
        theirs = torch.Generator().set_state(torch.from_numpy(ours.get_state()))


def test_many_seeds_of_large_normal_draws_equal_those_of_torch():
    torch = pytest.importorskip("torch")
    for seed in range(20):
        theirs = torch.randn(100003, generator=torch.Generator().manual_seed(seed)).numpy()
        assert_same(Generator().manual_seed(seed).randn((100003,)), theirs, 100003)
