"""Every name that course code uses exists under torch's path, and some test uses it."""

import pytest
from surface import names, resolve, users


@pytest.mark.parametrize(("module", "name"), names())
def test_the_name_exists_and_is_tested(module, name):
    resolve(module, name)
    assert users(name)
