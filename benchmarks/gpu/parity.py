"""`python -m benchmarks.gpu.parity FAMILY FILE`: what one family of operations gives on this process's array library.

Run once with MINIGRAD_BACKEND=numpy and once with cupy, it leaves two files for `compare`. The cases are those by which
the tests compare minigrad with PyTorch: values, first and second derivatives, the state that layers and optimisers end
with, in float64 and in float32.
"""

import json
import runpy
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[2] / "tests"
TABLES = "conv", "index", "linalg", "norm", "pooling", "reduce", "shape"  # in the form that tests/families.py describes
PRECISIONS = "float64", "float32"
FAMILIES = (*TABLES, "elementwise", "functional", "modules", "attention", "recurrent", "optim")

RELATIVE, ABSOLUTE = 1e-10, 1e-11  # of float64: what the comparisons with PyTorch allow
ROUNDING, TIMES = 16 * float(np.finfo(np.float32).eps), 4  # of float32, see `allowance`
DRAWN = "attention", "recurrent", "optim"  # families whose numbers in float32 are others than those in float64


def cases(family):
    """{precision: {name: function that gives arrays}} of one family."""
    import minigrad as mg

    sys.path.insert(0, str(TESTS))
    from families import values
    from parity import derivatives

    made = runpy.run_path(str(TESTS / "reference" / f"make_{family}.py"))
    found = {precision: {} for precision in PRECISIONS}
    if family == "optim":
        found["float32"] = {name: partial(trajectory, made["run"], mg, name) for name in made["CASES"]}
        return found
    if family in TABLES:  # values are those of every dtype
        differentiable = made["DERIVATIVES"]
        found["float64"] = {f"{name}, values": lambda f=f: values(mg, f(mg)) for name, f in made["VALUES"].items()}
    else:
        differentiable = made.get({"attention": "products"}.get(family, "cases"), dict)()
    for precision, by_name in found.items():
        dtype = getattr(mg, precision)
        if family == "modules":
            for name, (make, arrays) in made["MODULES"].items():
                cast = lambda nn, m, make=make, dtype=dtype: make(nn, m).to(dtype)
                by_name[name] = partial(second, made["run"], mg, cast, arrays)
        elif family in ("attention", "recurrent"):
            layers = made["layers"]() if family == "attention" else differentiable
            by_name |= {name: partial(second, made["run"], mg, *case, precision) for name, case in layers.items()}
        if family not in ("modules", "recurrent"):
            own = made.get("derivatives", derivatives)
            for name, (function, arrays) in differentiable.items():
                by_name[name] = partial(own, mg, function, [np.asarray(a, precision) for a in arrays])
    return found


def second(run, *args):
    """The arrays that a make script's `run` returns beside the module."""
    return run(*args)[1]


def trajectory(run, library, case):
    """Where an optimiser took the parameters, and the state that it ends with."""
    steps, state = run(library, case)
    return [steps, *(state[name] for name in sorted(state))]


def results(family):
    """{precision: {case: its arrays, or the name of the error it raises}}."""
    import minigrad as mg

    warnings.simplefilter("ignore")
    found = {precision: {} for precision in PRECISIONS}
    for precision, by_name in cases(family).items():
        for name, case in by_name.items():
            mg.manual_seed(0)
            try:
                with np.errstate(all="ignore"):
                    found[precision][name] = [np.asarray(array) for array in case()]
            except Exception as error:  # it has to be the same one on either library
                found[precision][name] = f"{type(error).__name__}: {error}"
    return found


def save(path, found):
    """Write what `results` found, without pickles: a text that says what is where, and arrays by number."""
    arrays, contents = [], {}
    for precision, by_case in found.items():
        contents[precision] = {}
        for name, result in by_case.items():
            contents[precision][name] = result if isinstance(result, str) else [len(arrays), len(arrays) + len(result)]
            arrays += [] if isinstance(result, str) else result
    np.savez(path, json.dumps(contents), *arrays)


def load(path):
    """What `save` wrote."""
    with np.load(path) as file:
        arrays = [file[f"arr_{number}"] for number in range(len(file.files))]
    contents = json.loads(str(arrays.pop(0)))
    return {
        precision: {name: place if isinstance(place, str) else arrays[slice(*place)] for name, place in by_case.items()}
        for precision, by_case in contents.items()
    }


def allowance(ours, precise, elementwise):
    """How far float32 results of two libraries may lie apart: a few roundings, and a few times NumPy's own error.

    `ours`: NumPy's result in float32; `precise`: in float64, or None where that is the result for other numbers, and four
    times as many roundings are allowed. `elementwise`: no number has to do with the others; else the largest counts.
    """
    own = 0 if precise is None else np.abs(ours - precise)
    if elementwise:
        return ROUNDING * np.maximum(np.abs(ours), 1) + TIMES * own
    rounding = ROUNDING * np.abs(ours).max(initial=0)
    return rounding + TIMES * (rounding if precise is None else own.max(initial=0))


def ratio(ours, theirs, precise, strict, elementwise=False):
    """The largest difference of two arrays as a part of what is allowed; infinite where they are not alike.

    `strict`: float64 is held to `RELATIVE` and `ABSOLUTE`. For the rest see `allowance`.
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    if ours.dtype.kind != "f":
        return 0.0 if np.array_equal(ours, theirs) else np.inf
    a, b = (x.astype(np.float64) for x in (ours, theirs))
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    precise = precise[finite] if precise is not None and precise.shape == a.shape else None
    a, b = a[finite], b[finite]
    if strict and ours.dtype == np.float64:
        allowed = RELATIVE * np.abs(a) + ABSOLUTE * (1 + np.abs(a).max(initial=0))
    else:
        allowed = allowance(a, precise, elementwise) + np.finfo(ours.dtype).eps * np.abs(a) + np.finfo(np.float32).tiny
    return float((np.abs(a - b) / allowed).max(initial=0))


def compare(family, ours, theirs):
    """{precision: {"cases": how many, "worst": the largest ratio, "failures": the names of those above 1}}.

    `ours`: what `results` found by NumPy, `theirs` by CuPy. A case that does not go with a precision, so that both raise,
    is not counted; the type of the error has to be the same.
    """
    record = {}
    for precision, by_name in ours.items():
        worst, failures, count = 0.0, [], 0
        for name, result in by_name.items():
            other, precise = theirs[precision][name], ours["float64"].get(name)
            if isinstance(result, str) or isinstance(other, str):
                kinds = [x.partition(":")[0] if isinstance(x, str) else "" for x in (result, other)]
                error = 0.0 if kinds[0] == kinds[1] else np.inf
            elif len(result) != len(other):
                error = np.inf
            else:
                comparable = family not in DRAWN and isinstance(precise, list) and len(precise) == len(result)
                precise = precise if precision == "float32" and comparable else [None] * len(result)
                count += 1
                how = precision == "float64", family == "elementwise"
                error = max((ratio(*arrays, *how) for arrays in zip(result, other, precise)), default=0.0)
            worst = max(worst, error)
            failures += [name] if error > 1 else []
        record[precision] = {"cases": count, "worst": worst, "failures": failures}
    return record


if __name__ == "__main__":
    save(sys.argv[2], results(sys.argv[1]))
