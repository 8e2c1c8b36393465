"""Settings of the whole suite; being here also puts this folder on the path, for `from gradients import ...`."""

import numpy as np
import pytest
from hypothesis import settings

import minigrad as mg

settings.register_profile("suite", max_examples=25, deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def one_seed():
    """Every test starts from the same random stream and leaves the mode of recording as it was."""
    mg.manual_seed(0)
    np.random.seed(0)
    yield
    assert mg.is_grad_enabled(), "a test left recording switched off"
