"""Computes with PyTorch what `tests/test_reduce.py` compares with: `python make_reduce.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `reduce.npz` next to this file.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

INF, NAN = float("inf"), float("nan")
X, MATRIX = numbers(4, 2, 3), numbers(3, 4)
TIES = np.array([[1.0, 3.0, 3.0, -2.0], [2.0, 2.0, 2.0, 2.0], [5.0, -1.0, 0.0, 5.0]])
ZEROS = np.where(np.eye(3, 4) + np.eye(3, 4, 2) + np.eye(3, 4, -1) > 0, 0.0, MATRIX)
CONSTANT, ONE = np.full((3, 2), 2.0), numbers(1, 3)
ODD = np.array([0.5, NAN, -INF, 2.0, INF, NAN])

# ------------------------------------------------------------------------------------------- values and derivatives

WAYS = {  # name: the arguments of a reduction over any dimensions
    "all": {"dim": None}, "dim 0": {"dim": 0}, "last, kept": {"dim": -1, "keepdim": True}, "two": {"dim": (2, 0)},
    "list, kept": {"dim": [-3, 1], "keepdim": True}, "none of many": {"dim": ()},
}  # fmt: skip
ONE_DIM = {"0": {"dim": 0}, "1, kept": {"dim": 1, "keepdim": True}, "last": {"dim": -1}}


def call(name, **options):
    return lambda m, x: getattr(x, name)(**options)


DERIVATIVES = {}
REFUSED = {"logsumexp": ("all", "none of many"), "var": ("none of many",), "std": ("none of many",)}  # by torch
for name in ("sum", "mean", "var", "std", "amax", "amin", "logsumexp"):
    for way in [way for way in WAYS if way not in REFUSED.get(name, ())]:
        DERIVATIVES[f"{name} {way}"] = call(name, **WAYS[way]), (X,)
for name in ("prod", "cumsum", "cumprod", "max", "min", "median", "softmax", "log_softmax"):
    for way, options in ONE_DIM.items():
        if not (name in ("cumsum", "cumprod", "softmax", "log_softmax") and "keepdim" in options):
            DERIVATIVES[f"{name} {way}"] = call(name, **options), (X,)
for name in (
    "sum",
    "mean",
    "amax",
    "prod",
    "max",
    "min",
    "median",
    "cumsum",
    "cumprod",
    "logsumexp",
    "softmax",
    "log_softmax",
):
    dim = {} if name in ("sum", "mean", "amax") else {"dim": -1}
    DERIVATIVES[f"{name} of a number"] = call(name, **dim), (np.array(1.5),)
for name in ("sum", "mean", "var", "std", "amax", "amin", "max", "min", "prod", "median"):
    DERIVATIVES[f"{name} of all"] = call(name), (MATRIX,)
    DERIVATIVES[f"{name} of one"] = call(name), (np.array([[0.7]]),)
for name in ("sum", "mean", "cumsum", "softmax", "logsumexp", "amin", "max", "prod", "var", "std", "median"):
    DERIVATIVES[f"{name} of rows without any"] = call(name, dim=1), (np.zeros((0, 3)),)
for name in ("sum", "mean", "prod"):
    DERIVATIVES[f"{name} of nothing"] = call(name), (np.zeros((0, 3)),)
for name in ("sum", "cumsum", "cumprod", "softmax", "logsumexp", "prod"):
    DERIVATIVES[f"{name} along nothing"] = call(name, dim=0), (np.zeros((0, 3)),)
for name in ("amax", "amin", "max", "min", "median"):
    DERIVATIVES[f"{name} ties of all"] = call(name), (TIES,)
    DERIVATIVES[f"{name} ties"] = call(name, dim=1), (TIES if name != "median" else TIES[:1],)
for name in ("var", "std"):
    DERIVATIVES[f"{name} biased"] = call(name, dim=1, unbiased=False), (X,)
    DERIVATIVES[f"{name} corrected"] = call(name, dim=(0, 1), correction=2.5, keepdim=True), (X,)
    DERIVATIVES[f"{name} older order"] = (lambda m, x, name=name: getattr(x, name)(1, False, True)), (X,)
    DERIVATIVES[f"{name} older order of all"] = (lambda m, x, name=name: getattr(x, name)(False)), (X,)
    DERIVATIVES[f"{name} of a constant"] = call(name, dim=0), (CONSTANT,)
    DERIVATIVES[f"{name} and mean"] = (
        (lambda m, x, name=name: getattr(m, f"{name}_mean")(x, (0, 2), keepdim=True)),
        (X,),
    )
DERIVATIVES |= {
    "sum numpy's names": (lambda m, x: x.sum(axis=1, keepdims=True), (X,)),
    "mean numpy's names": (lambda m, x: m.mean(x, axis=(0, 1)), (X,)),
    "prod with zeros": (call("prod", dim=1), (ZEROS,)),
    "prod with zeros of all": (call("prod"), (np.array([2.0, 0.0, 3.0, -1.5]),)),
    "cumprod with zeros": (call("cumprod", dim=1), (ZEROS,)),
    "cumprod with zeros 0": (call("cumprod", dim=0), (ZEROS,)),
    "cumprod long": (call("cumprod", dim=0), (np.where(np.arange(13) == 6, 0.0, numbers(13)),)),
    "aminmax": (lambda m, x: x.aminmax(), (X,)),
    "aminmax dim": (lambda m, x: m.aminmax(x, dim=1, keepdim=True), (X,)),
    "max of two": (lambda m, x: m.max(x, x.flip(0)), (X,)),
    "logsumexp large": (call("logsumexp", dim=0), (np.array([1000.0, 1000.5, 990.0, -1000.0]),)),
    "softmax large": (call("softmax", dim=0), (np.array([1000.0, 1000.5, 990.0, -1000.0]),)),
    "softmax masked": (call("softmax", dim=0), (np.array([-INF, 1.0, 2.0, -INF]),)),
    "log_softmax masked": (lambda m, x: x.log_softmax(0)[1:3], (np.array([-INF, 1.0, 2.0, -INF]),)),
    "logsumexp masked": (call("logsumexp", dim=0), (np.array([-INF, 1.0, 2.0, -INF]),)),
    "max of all odd": (call("max"), (ODD,)),
    "median of all odd": (call("median"), (ODD,)),
    "sort": (call("sort"), (X,)),
    "sort descending": (call("sort", dim=1, descending=True), (X,)),
    "sort a number": (call("sort"), (np.array(2.0),)),
    "topk": (lambda m, x: x.topk(2), (X,)),
    "topk smallest": (lambda m, x: m.topk(x, 1, dim=0, largest=False), (X,)),
}

# --------------------------------------------------------------------------- values that have no derivative, and dtypes

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 bool".split()


def small(m, dtype, *shape):
    """Small integers of one dtype, in no order."""
    n = int(np.prod(shape))
    return (
        m.tensor((np.arange(n) * 5 % 7 - (0 if dtype == "uint8" else 2)).tolist()).reshape(shape).to(getattr(m, dtype))
    )


def odd(m, *rest):
    return m.tensor([*ODD.tolist(), *rest])


def of_dtypes(function, without=()):
    return lambda m: [function(m, small(m, dtype, 3, 4)) for dtype in DTYPES if dtype not in without]


def floats(function):
    return of_dtypes(function, [dtype for dtype in DTYPES if not dtype.startswith("float")])


VALUES = {}
for name in (
    "sum",
    "prod",
    "amax",
    "amin",
    "all",
    "any",
    "count_nonzero",
    "cumsum",
    "cumprod",
    "sort",
    "argsort",
    "unique",
):
    options = {"cumsum": {"dim": 0}, "cumprod": {"dim": 1}, "argsort": {"stable": True}, "sort": {"stable": True}}.get(
        name, {}
    )
    VALUES[f"{name} dtypes"] = of_dtypes(lambda m, x, name=name, options=options: getattr(x, name)(**options))
for name in ("argmax", "argmin", "median"):
    VALUES[f"{name} dtypes"] = of_dtypes(lambda m, x, name=name: getattr(x, name)(), ["bool"])
for name in ("mean", "var", "std", "softmax", "log_softmax", "norm"):
    options = {"dim": 1} if "softmax" in name else {}
    VALUES[f"{name} dtypes"] = floats(lambda m, x, name=name, options=options: getattr(x, name)(**options))
for name in (
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "aminmax",
    "median",
    "sum",
    "cumsum",
    "isnan",
    "unique",
    "all",
):
    options = {"dim": 0} if name == "cumsum" else {}
    VALUES[f"{name} odd"] = lambda m, name=name, options=options: getattr(odd(m), name)(**options)
for name in ("max", "min", "median", "sort", "argmax", "argmin"):
    VALUES[f"{name} odd dim"] = lambda m, name=name: getattr(odd(m).reshape(2, 3), name)(dim=0)
VALUES |= {
    "sum as": lambda m: [small(m, d, 3, 4).sum(0, dtype=getattr(m, e)) for d in DTYPES for e in DTYPES],
    "prod as": lambda m: [small(m, "int8", 3, 4).prod(0, dtype=getattr(m, e)) for e in DTYPES[:-1]],
    "mean as": lambda m: [small(m, d, 3, 4).mean(0, dtype=m.float64) for d in DTYPES],
    "cumsum as": lambda m: [small(m, d, 3, 4).cumsum(0, dtype=m.int16) for d in DTYPES],
    "softmax as": lambda m: [small(m, d, 3, 4).softmax(0, dtype=m.float64) for d in DTYPES],
    "logsumexp dtypes": of_dtypes(lambda m, x: x.logsumexp(0)),
    "float16 does not overflow": lambda m: [
        f(m.full((100, 4), 1000.0, dtype=m.float16) + m.arange(4).half())
        for f in (m.mean, m.std, lambda x: x.var(0), lambda x: x.norm(dim=0) / 8, lambda x: x.softmax(0))
    ],
    "logsumexp odd": lambda m: [
        m.tensor(x).logsumexp(0) for x in ([-INF, -INF], [INF, 1.0], [INF, -INF], [NAN, 1.0], [-INF, 0.5])
    ],
    "var with few": lambda m: [
        m.tensor([1.0, 2.0]).var(correction=2), m.tensor([1.0, 1.0]).var(correction=3), m.tensor([1.0]).std(),
        m.tensor([]).var(), m.zeros(0, 3).std(0), m.zeros(3, 0).var(0), m.tensor(3.0).std(),
    ],
    "any over": lambda m: [
        f(small(m, "int64", 2, 3, 4), **options)
        for f in (m.any, m.all)
        for options in ({"dim": (0, 2)}, {"dim": 1, "keepdim": True}, {"dim": -1}, {"dim": None})
    ],
    "any of nothing": lambda m: [m.zeros(0, 3).any(), m.zeros(0, 3).all(), m.zeros(0, 3).all(0), m.zeros(0, 3).any(1)],
    "count_nonzero over": lambda m: [m.count_nonzero(small(m, "int8", 2, 3, 4), dim) for dim in (None, 0, (0, -1), ())],
    "argmax over": lambda m: [
        m.argmax(x, **options)
        for x in (small(m, "float32", 2, 3, 4), small(m, "int16", 2, 3, 4), m.zeros(2, 3))
        for options in ({}, {"dim": 1}, {"dim": -1, "keepdim": True}, {"keepdim": True})
    ],
    "argmin of a number": lambda m: [
        m.tensor(2.0).argmin(), m.tensor(2.0).argmin(0), m.tensor(2.0).argmin(-1, keepdim=True)
    ],
    "argmax of rows without any": lambda m: m.zeros(0, 3).argmax(1),
    "max named": lambda m: [m.zeros(2, 3).max(1).values, m.zeros(2, 3).min(dim=0, keepdim=True).indices],
    "aminmax named": lambda m: [m.arange(3).aminmax().min, m.arange(3).aminmax(dim=0).max],
    "sort named": lambda m: [m.tensor([3, 1, 2]).sort().values, m.tensor([3, 1, 2]).sort(descending=True).indices],
    "sort keeps the order of ties": lambda m: [
        f(m.tensor([1.0, 0.0, 1.0, -0.0, 1.0, 0.0]), dim=0, descending=d, stable=True)
        for d in (False, True) for f in (m.sort, m.argsort)
    ],
    "sort odd descending": lambda m: odd(m).sort(descending=True, stable=True),
    "topk of dtypes": lambda m: [m.tensor([3, 9, 7, 1], dtype=getattr(m, d)).topk(3) for d in DTYPES[:-1]],
    "topk of none and of a number": lambda m: [
        m.arange(3).topk(0), m.tensor(4.0).topk(1), m.tensor(4.0).topk(0).values
    ],
    "topk odd": lambda m: odd(m).topk(3).values,
    "median even": lambda m: [
        m.tensor([4, 2, 3, 1]).median(), m.tensor([[4.0, 2, 3, 1], [5, 6, 8, 7]]).median(1, True)
    ],
    "median of nothing": lambda m: [m.zeros(0, 3).median(), m.zeros(0, 3).median(1)],
    "unique": lambda m: [
        m.tensor([3, 1, 2, 1]).unique(return_inverse=True, return_counts=True), m.tensor([[2, 1], [1, 3]]).unique(),
        m.unique(m.tensor([[3, 1], [2, 1], [3, 1]]), return_inverse=True), m.tensor(3).unique(return_inverse=True),
        m.tensor([[3, 1], [2, 1], [3, 1]]).unique(dim=0, return_inverse=True, return_counts=True),
        m.unique(m.tensor([[3, 1, 3], [2, 1, 2]]), dim=-1), m.tensor([]).unique(),
    ],
    "searchsorted": lambda m: [
        m.searchsorted(m.tensor([1.0, 2, 2, 3]), m.tensor([[0.0, 2, 4, NAN], [1, 3, 2.5, -INF]]), **options)
        for options in ({}, {"right": True}, {"side": "right"}, {"side": "left"}, {"out_int32": True})
    ],
    "searchsorted rows": lambda m: [
        m.searchsorted(m.tensor([[1.0, 2], [3, 4]]), m.tensor([[2.0, 3, NAN], [4, 3, 2]]), right=right)
        for right in (False, True)
    ],
    "searchsorted with a sorter": lambda m: (
        m.searchsorted(m.tensor([3.0, 1, 2]), m.tensor([2.0]), sorter=m.tensor([1, 2, 0]))
    ),
    "searchsorted a number": lambda m: [
        m.searchsorted(m.tensor([1, 2, 2, 3]), 2), m.bucketize(1.5, m.tensor([1.0, 2]))
    ],
    "bucketize": lambda m: m.bucketize(m.tensor([[1, 5], [9, 3]]), m.tensor([1, 3, 5]), right=True, out_int32=True),
    "bincount": lambda m: [
        m.bincount(m.tensor([1, 1, 3])), m.tensor([1, 1, 3]).bincount(minlength=6),
        m.tensor([], dtype=m.int64).bincount(),
        m.bincount(m.tensor([1, 1, 3]), m.tensor([0.5, 1, 2])), m.bincount(m.tensor([1, 1, 3]), m.tensor([1, 2, 3])),
        m.bincount(m.tensor([1, 2], dtype=m.uint8)), m.bincount(m.tensor([0, 4]), m.tensor([0.5, 1]).double(), 2),
    ],
}  # fmt: skip

# -------------------------------------------------------------------------------------------------- histograms


def on_edges(m, dtype, bins, low, high):
    """Values between and exactly on the edges of bins, in one dtype."""
    edges = np.linspace(low, high, bins + 1)
    values = np.concatenate([edges, numbers(50, low=low - 0.1, high=high + 0.1), edges + 1e-6, [NAN, INF, -INF]])
    return m.tensor(values.astype(dtype))


RANGES = ((7, -1.0, 1.0), (10, 0.0, 1.0), (50, -0.3, 0.7), (3, -1e-3, 2.0), (1, -2.0, 2.0), (13, 5.0, 5.5))


def finite(m, x):
    return x[m.isfinite(x)]


VALUES |= {
    "histc on edges": lambda m: [m.histc(on_edges(m, d, *r), *r) for r in RANGES for d in ("float32", "float64")],
    "histc of the extremes": lambda m: [
        m.histc(m.tensor(x), 4) for x in ([1.0, 2, 2, 3], [1.0, 1], [], [-0.5], [1e8, 1e8], [[1.0, 5], [2, 2]])
    ],
    "histc options": lambda m: [
        m.tensor([1.0, 2, 3]).histc(3, 2, 2),
        m.histc(m.tensor([1.0, 9]), bins=2, min=0, max=2),
    ],
    "histogram on edges": lambda m: [
        m.histogram(on_edges(m, "float32", *r), r[0], range=r[1:], density=density)
        for r in RANGES
        for density in (False, True)
    ],
    "histogram of the extremes": lambda m: [
        m.histogram(m.tensor(x), n) for x in ([1.0, 2, 2, 3], [1.0, 1], [], [[1.0, 5], [2, 2]]) for n in (1, 4, 33)
    ],
    "histogram given edges": lambda m: [
        m.histogram(m.tensor([0.0, 1, 2, 3, 4, 6.5, 7, 9]), m.tensor([0.0, 3, 3.5, 7]), **options)
        for options in ({}, {"density": True}, {"weight": m.arange(8).float()})
    ],
    "histogram weights": lambda m: m.histogram(
        m.arange(12.0).reshape(3, 4), bins=4, range=(0.0, 10.0), weight=m.arange(12.0).reshape(3, 4) / 8, density=True
    ),
    "histogram named": lambda m: [m.histogram(m.arange(5.0), 2).hist, m.histogram(m.arange(5.0), 2).bin_edges],
}

# ---------------------------------------------------------------------------------------------------------- errors

X3 = partial(small, dtype="float32")


def x(m):
    return m.zeros(2, 3, 4)


def empty(m):
    return m.zeros(0, 3)


ERRORS = {
    "dim out of range": lambda m: x(m).sum(3),
    "negative dim out of range": lambda m: x(m).mean((0, -4)),
    "dim of a number": lambda m: m.tensor(3.0).sum(1),
    "dim twice": lambda m: x(m).sum((0, -3)),
    "dim not an int": lambda m: x(m).sum(0.5),
    "dim a bool": lambda m: x(m).sum(True),
    "dim a string": lambda m: x(m).amax("a"),
    "unknown argument": lambda m: x(m).sum(dims=0),
    "mean of integers": lambda m: m.arange(3).mean(),
    "mean as integers": lambda m: x(m).mean(dtype=m.int64),
    "var of integers": lambda m: m.arange(3).var(),
    "std of booleans": lambda m: m.tensor([True]).std(),
    "correction twice": lambda m: x(m).var(0, correction=1, unbiased=False),
    "softmax without dim": lambda m: x(m).softmax(),
    "softmax of integers": lambda m: m.arange(3).softmax(0),
    "softmax dim None": lambda m: x(m).softmax(None),
    "log_softmax dim": lambda m: x(m).log_softmax(5),
    "logsumexp without dim": lambda m: x(m).logsumexp(),
    "cumsum without dim": lambda m: x(m).cumsum(),
    "cumprod dim": lambda m: x(m).cumprod(3),
    "prod of two dims": lambda m: x(m).prod((0, 1)),
    "max of two dims": lambda m: x(m).max((0, 1)),
    "max dim": lambda m: x(m).max(5),
    "argmax of two dims": lambda m: x(m).argmax((0, 1)),
    "argmax of booleans": lambda m: m.tensor([True]).argmax(),
    "median of booleans": lambda m: m.tensor([True]).median(),
    "amax of nothing": lambda m: empty(m).amax(),
    "amax along nothing": lambda m: empty(m).amax(0),
    "max of nothing": lambda m: empty(m).max(),
    "min along nothing": lambda m: empty(m).min(0),
    "argmax of nothing": lambda m: empty(m).argmax(),
    "argmin along nothing": lambda m: empty(m).argmin(0),
    "aminmax of nothing": lambda m: empty(m).aminmax(),
    "aminmax along nothing": lambda m: empty(m).aminmax(dim=0),
    "median along nothing": lambda m: empty(m).median(0),
    "topk too many": lambda m: x(m).topk(5),
    "topk negative": lambda m: x(m).topk(-1),
    "topk not an int": lambda m: x(m).topk(2.0),
    "sort dim": lambda m: x(m).sort(3),
    "unique dim": lambda m: x(m).unique(dim=3),
    "histc without bins": lambda m: m.histc(x(m), 0),
    "histc of integers": lambda m: m.histc(m.arange(3)),
    "histc disordered": lambda m: m.histc(x(m), 4, 3, 1),
    "histc not finite": lambda m: m.histc(m.tensor([1.0, NAN]), 4),
    "histogram infinite": lambda m: m.histogram(m.tensor([1.0, INF]), 4),
    "histogram without bins": lambda m: m.histogram(x(m), bins=0),
    "histogram of integers": lambda m: m.histogram(m.arange(3), 4),
    "histogram disordered": lambda m: m.histogram(x(m), 4, range=(5.0, 3.0)),
    "histogram one edge": lambda m: m.histogram(x(m), m.tensor([0.0])),
    "histogram edges of another dtype": lambda m: m.histogram(x(m), m.tensor([0.0, 1.0]).double()),
    "histogram weights": lambda m: m.histogram(x(m), 4, weight=m.ones(3)),
    "histogram bins in a list": lambda m: m.histogram(x(m), [4]),
    "bincount negative": lambda m: m.bincount(m.tensor([1, -1])),
    "bincount of floats": lambda m: m.bincount(m.tensor([1.0])),
    "bincount of a matrix": lambda m: m.bincount(m.tensor([[1, 3]])),
    "bincount weights": lambda m: m.bincount(m.tensor([1, 2]), m.tensor([1.0])),
    "searchsorted sides": lambda m: m.searchsorted(m.arange(3), m.arange(2), side="left", right=True),
    "searchsorted rows": lambda m: m.searchsorted(m.zeros(2, 2), m.zeros(2)),
    "searchsorted in a number": lambda m: m.searchsorted(m.tensor(1), m.tensor([2])),
    "bucketize rows": lambda m: m.bucketize(m.zeros(2), m.zeros(2, 2)),
}

if __name__ == "__main__":
    store("reduce", DERIVATIVES, VALUES, ERRORS)
