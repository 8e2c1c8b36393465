"""Every name of the array library in the source is one that CuPy has, with the arguments that are given to it.

CuPy itself says so: it is imported, which needs no GPU. Where it is not installed these tests are skipped.
"""

import ast
import inspect
import re
from functools import cache, reduce
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad
from minigrad import Tensor
from minigrad.backend import structure

cupy = pytest.importorskip("cupy")
pytestmark = pytest.mark.skipif(hasattr(cupy, "traffic"), reason="CuPy itself is not in this environment")
ROOT = Path(minigrad.__file__).parent
# arrays are there before they become tensors, or after; elsewhere methods are those of Tensors and of anything else
RAW = ["backend.py", "autograd.py", "kernels.py", "philox.py", "ops/*.py", "optim/*.py", "nn/functional/*.py"]
NUMPY_ALONE = {"ctypes"}  # of which NumPy's arrays are asked, and CuPy's are not


@cache
def trees():
    return {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text()) for file in sorted(ROOT.rglob("*.py"))}


def nodes(kind, files=None):
    """(place, node) of one kind of expression, in all files or those that match the patterns."""
    for name, tree in trees().items():
        if files is None or any(map(Path(name).match, files)):
            yield from ((f"{name}:{node.lineno}", node) for node in ast.walk(tree) if isinstance(node, kind))


def path_of(node):
    """["linalg", "norm"] for the expression `xp.linalg.norm`; None for others."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return parts if isinstance(node, ast.Name) and node.id == "xp" and parts else None


def found(path):
    """What CuPy has there; AttributeError where it has nothing."""
    return reduce(getattr, path, cupy)


def parameters(function):
    """The names of the parameters of a function, and whether it takes any other; None where it does not tell.

    What is compiled from Cython has them in the first line of its documentation; an elementwise function has those of all.
    """
    if isinstance(function, cupy.ufunc):
        return {"out", "dtype", "casting"}, False
    if isinstance(function, type):
        function = function.__init__
    try:
        known = inspect.signature(function).parameters
    except (ValueError, TypeError):
        line = re.search(r"\((.*?)\)(?: ->|$)", (function.__doc__ or "").split("\n")[0])
        if line is None:
            return None
        names = {part.split("=")[0].split()[-1] for part in line[1].split(", ") if part not in ("", "*", "/")}
        return {name.strip("*") for name in names}, any(name.startswith("**") for name in names)
    return set(known), any(p.kind is p.VAR_KEYWORD for p in known.values())


def test_names():
    used = {tuple(path): place for place, node in nodes(ast.Attribute) if (path := path_of(node))}
    assert len(used) > 80
    missing = {}
    for path, place in used.items():
        try:
            found(path)
        except AttributeError:
            missing[".".join(path)] = place
    assert missing == {}


def test_arguments_of_functions():
    wrong, looked_at = {}, 0
    for place, call in nodes(ast.Call):
        path = path_of(call.func)
        if path and (known := parameters(found(path))):
            looked_at += 1
            names = {keyword.arg for keyword in call.keywords} - {None}
            if not known[1] and not names <= known[0]:
                wrong[place] = ".".join(path), sorted(names - known[0])
    assert looked_at > 200
    assert wrong == {}


def test_methods_and_their_arguments():
    """What NumPy's arrays have and CuPy's or Tensors have not is no method of raw arrays."""
    wrong, looked_at = {}, 0
    for place, node in nodes(ast.Attribute, RAW):
        if path_of(node) or isinstance(node.value, ast.Name) and node.value.id in ("np", "math", "builtins"):
            continue
        if hasattr(np.ndarray, node.attr) and node.attr not in NUMPY_ALONE:
            looked_at += 1
            if not hasattr(cupy.ndarray, node.attr):
                wrong[place] = node.attr
    for place, call in nodes(ast.Call, RAW):
        if not isinstance(call.func, ast.Attribute) or path_of(call.func) or not hasattr(np.ndarray, call.func.attr):
            continue
        if call.func.attr.startswith("__"):  # of a class that is derived from
            continue
        names = {keyword.arg for keyword in call.keywords} - {None}
        method = getattr(cupy.ndarray, call.func.attr, None)
        known = parameters(method) if method else None
        ours = getattr(Tensor, call.func.attr, None)
        if known and not names <= known[0] and not (ours and names <= set(inspect.signature(ours).parameters)):
            wrong[place] = call.func.attr, sorted(names - known[0])
    assert looked_at > 200
    assert wrong == {}


@pytest.mark.parametrize("argument", [7, True, 0.5, np.float32(1), np.int32(1), structure([1, 2, 3], 480)])
def test_arguments_of_kernels(argument):
    """CuPy takes arguments apart before it asks for a launch, which is what fails where there is no GPU, or no kernel."""
    function = cupy.cuda.function.Function
    no_kernel, no_stream = function.__new__(function), SimpleNamespace(ptr=0)
    with pytest.raises((cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)):
        no_kernel((1,), (1,), (argument,), stream=no_stream)
    with pytest.raises(TypeError, match="size one"):
        no_kernel((1,), (1,), (argument, np.zeros(2)), stream=no_stream)


@pytest.mark.parametrize(("source", "wrong"), [
    ("xp.no_such(x)", "names"), ("xp.linalg.no_such(x)", "names"), ("xp.sum(x, where=y)", "functions"),
    ("xp.exp(x, where=y)", "functions"), ("x.max(initial=0)", "methods"),
    ("x.setflags()", "methods"),
    ("xp.sum(x, axis=0, keepdims=True)", None), ("x.sum(axis=0, keepdims=True)", None), ("xp.exp(x, out=y)", None),
])  # fmt: skip
def test_what_these_tests_find(source, wrong, monkeypatch):
    plenty = "\n".join(["xp.sum(x.sum())"] * 300)
    names = "\n".join(f"xp.{name}" for name in dir(cupy) if name.isidentifier() and not name.startswith("_"))
    monkeypatch.setitem(globals(), "trees", lambda: {"backend.py": ast.parse(f"{plenty}\n{names}\n{source}")})
    for name, check in (
        ("names", test_names), ("functions", test_arguments_of_functions), ("methods", test_methods_and_their_arguments),
    ):  # fmt: skip
        if name == wrong:
            with pytest.raises((AssertionError, AttributeError)):
                check()
        elif wrong is None or name != "functions":
            check()
