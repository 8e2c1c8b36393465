"""Settings of the whole suite; being here also puts this folder on the path, for `from gradients import ...`."""

import itertools
import os
import random

import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault("MINIGRAD_LAUNCH_BLOCKING", "1")  # on a GPU, errors come from the line that is at fault

import minigrad as mg  # noqa: E402

settings.register_profile("suite", max_examples=25, deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in a random order")


def pytest_collection_modifyitems(config, items):
    """No test may rely on another: `--shuffle` draws an order from a seed, the same in every process."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        chance = random.Random(seed)
        files = [list(tests) for _, tests in itertools.groupby(items, key=lambda item: item.path)]
        for tests in files:
            chance.shuffle(tests)
        chance.shuffle(files)
        items[:] = itertools.chain.from_iterable(files)


@pytest.fixture(autouse=True)
def one_seed():
    """Every test starts from the same random stream and leaves the mode of recording as it was."""
    mg.manual_seed(0)
    np.random.seed(0)
    yield
    assert mg.is_grad_enabled(), "a test left recording switched off"
