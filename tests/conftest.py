"""Settings of the whole suite; being here also puts this folder on the path, for `from gradients import ...`."""

import inspect
import itertools
import os
import random
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background may have it ignored
os.environ.setdefault("MINIGRAD_LAUNCH_BLOCKING", "1")  # on a GPU, errors come from the line that is at fault

import minigrad as mg  # noqa: E402

settings.register_profile("suite", max_examples=25, deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in a random order")
    parser.addoption("--skipped-to", type=Path, metavar="FILE", help="write down which tests were skipped")
    parser.addoption("--skipped-in", type=Path, metavar="FILE", help="run those, and tests that ask what is installed")


def pytest_configure(config):
    config.option.loadscopereorder = False  # by workers: lessons, which take long, come first as they are collected
    if config.getoption("--skipped-to") and not hasattr(config, "workerinput"):  # workers report to the first process
        config.pluginmanager.register(Skipped(config.getoption("--skipped-to")))


class Skipped:
    """Writes down which tests, or whole files, were skipped."""

    def __init__(self, path):
        self.path, self.names = path, set()

    def pytest_collectreport(self, report):
        self.pytest_runtest_logreport(report)

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            self.names.add(report.nodeid)

    def pytest_sessionfinish(self):
        self.path.write_text("\n".join(sorted(self.names)))


def depends(item, skipped):
    """Whether a test may do more where more is installed: it was skipped, or it asks."""
    asks = r"importorskip|find_spec|has_torch|installed\("
    was_skipped = not skipped.isdisjoint((item.nodeid, item.nodeid.partition("::")[0]))
    return was_skipped or re.search(asks, inspect.getsource(item.function))


def pytest_collection_modifyitems(config, items):
    """No test may rely on another: `--shuffle` draws an order from a seed, the same in every process."""
    if config.getoption("--skipped-in"):
        skipped = set(config.getoption("--skipped-in").read_text().splitlines())
        chosen = [item for item in items if depends(item, skipped)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen
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
