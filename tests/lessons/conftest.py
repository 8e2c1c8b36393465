"""Two short runs of the lesson that a test file is about, each made once.

The file says which lesson, `NAME`, and which of its variables it asks for, `KEEP`.
"""

import pytest
from running import offline, published_data, run


def quick_run(request, folder, environment):
    return run(request.module.NAME, folder, environment, "--quick", keep=getattr(request.module, "KEEP", ()))


@pytest.fixture(scope="module")
def stand_in(request, tmp_path_factory):
    """The run without a network and without data."""
    folder = tmp_path_factory.mktemp("stand_in")
    return quick_run(request, folder, offline(folder))


@pytest.fixture(scope="module")
def real(request, tmp_path_factory):
    """The run with the published data."""
    return quick_run(request, tmp_path_factory.mktemp("real"), published_data())
