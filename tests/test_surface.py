"""Every name that course code uses exists under torch's path, and some test uses it; what an import brings along."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from surface import names, resolve, users

import minigrad as mg

# what takes long to import: minigrad needs none of these before it is asked for what stands on them
HEAVY = {
    "matplotlib", "tqdm", "pooch", "safetensors", "requests", "numpy.random", "inspect", "dis", "concurrent.futures", "json",
    "minigrad.datasets", "minigrad.diagnostics", "minigrad.train", "minigrad.compiler", "minigrad.serialization",
}  # fmt: skip
USES_LATER = """
import sys
import types
import minigrad as mg
assert not HEAVY & sys.modules.keys(), sorted(HEAVY & sys.modules.keys())
assert {"compile", "save", "train", "nn", "tensor"} <= {*dir(mg)}
assert mg.train.Learner is sys.modules["minigrad.train"].Learner
assert mg.diagnostics.watch and mg.datasets.digits and mg.nn.functional.relu and mg.utils.data.DataLoader
assert mg.save is sys.modules["minigrad.serialization"].save and mg.compile is mg.compile
"""


@pytest.mark.parametrize(("module", "name"), names())
def test_the_name_exists_and_is_tested(module, name):
    resolve(module, name)
    assert users(name)


def test_every_function_of_the_package_says_what_it_does():
    for module in (mg, mg.nn.functional, mg.linalg):
        functions = [(name, x) for name, x in vars(module).items() if isinstance(x, types.FunctionType) and name[0] != "_"]
        assert functions and not [name for name, function in functions if not function.__doc__]


def run(program):
    """What a program prints in a new process, on NumPy."""
    environment = {**os.environ, "MINIGRAD_BACKEND": "numpy"}
    finished = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], env=environment,
                              capture_output=True, text=True)  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_an_import_loads_nothing_that_many_programs_do_not_need():
    """Of the set without what this version of NumPy loads itself."""
    heavy = {*run(f"import sys, numpy\nprint(*({HEAVY!r} - sys.modules.keys()))").split()}
    assert {"matplotlib", "safetensors", "minigrad.compiler"} <= heavy
    run(USES_LATER.replace("HEAVY", repr(heavy)))


def test_the_package_exports_what_it_imports_later():
    namespace = {}
    exec("from minigrad import *", namespace)
    assert namespace["compile"] is mg.compile and namespace["load"] is mg.load and namespace["relu"] is mg.relu
    assert "__version__" not in namespace and "import_module" not in namespace
    with pytest.raises(AttributeError, match="module 'minigrad' has no attribute 'no_such_name'"):
        mg.no_such_name  # noqa: B018
