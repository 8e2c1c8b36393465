"""Sums, moments and softmax: operations over dimensions, and what others of their kind share."""

import builtins
import functools
import math

from ..autograd import primitive, wrap
from ..backend import (
    NUMBERS,
    any_true,
    constant,
    maxima,
    on_gpu,
    overflow_expected,
    product_total,
    range_watched,
    row_sums,
    total,
    xp,
)  # fmt: skip
from ..kernels import REDUCE, Kernel, by_kernel
from .elementwise import exp
from .layout import in_order
from .operands import as_dtype, boolean, broadcast_to, dtype_of, float16, float32, float64, int64
from .shape import dim_of, dims_of, reshape_

# ---------------------------------------------------------------------------------------------- shapes and arguments


@functools.lru_cache(1024)
def kept(shape, dims):
    """The shape with size 1 at the reduced dimensions."""
    return tuple([1 if i in dims else n for i, n in enumerate(shape)])


@functools.lru_cache(1024)
def dropped(shape, dims):
    return tuple([n for i, n in enumerate(shape) if i not in dims])


def shaped(y, shape, dims, keepdim):
    """What was reduced over `dims` of that shape without them, or where `keepdim` with size 1 there."""
    size = kept(shape, dims) if keepdim else dropped(shape, dims)
    return in_order(y if y.shape == size else y.reshape(size))


def restored(g, shape, dims):
    """The gradient of a reduction with size 1 at the reduced dimensions again."""
    return g if g.ndim == len(shape) else g.reshape(kept(shape, dims))


@functools.lru_cache(1024)
def count(shape, dims):
    return math.prod([shape[d] for d in dims])


def renamed(dim, keepdim, names, operation):
    """`dim` and `keepdim`, or NumPy's names for them, `axis` and `keepdims`."""
    for name in names:
        if name not in ("axis", "keepdims"):
            raise TypeError(f"{operation}() got an unexpected keyword argument {name!r}")
    return names.get("axis", dim), names.get("keepdims", keepdim)


def floating(input, operation, dtype=None):
    """The input as `dtype`, or as it is where its dtype is floating; else torch's error."""
    dtype = input.array.dtype if dtype is None else dtype_of(dtype, operation)
    if dtype.kind != "f":
        raise RuntimeError(f"{operation}(): expected a floating point dtype, got {dtype}; it can be given as `dtype`")
    return input if input.array.dtype is dtype else as_dtype(input, dtype)


def summable(input, dtype):
    """Whether a sum may be made in the dtype of the input, with no other asked for: in float32 or float64."""
    own = input.array.dtype
    return dtype is None and (own is float32 or own is float64)


def accumulated(primitive_, input, dtype, *options):
    """A sum or product of the input as `dtype`, by default as its own where that is floating, else as int64.

    Integers are added up in int64, and float16, as in torch, in float32: in between, its range could be too small.
    """
    own = input.array.dtype
    dtype = dtype_of(dtype or (own if own.kind == "f" else int64), primitive_.__name__)
    inner = int64 if dtype.kind != "f" else float32 if dtype is float16 else dtype
    return as_dtype(primitive_(as_dtype(as_dtype(input, dtype), inner), *options), dtype)


# ------------------------------------------------------------------------------------------------ sums and moments


@primitive
def sum_(x, dims, keepdim):
    return shaped(total(x, dims), x.shape, dims, keepdim)


sum_.vjp(lambda g, dims, shape: broadcast_to(restored(g, shape, dims), shape))


def sum(input, dim=None, keepdim=False, *, dtype=None, **names):
    """The sum over `dim` (None: all); of integers and booleans in int64. `axis` and `keepdims` are NumPy's names."""
    if names:
        dim, keepdim = renamed(dim, keepdim, names, "sum")
    dims = dims_of(dim, input.array.ndim, "sum")
    return sum_(input, dims, keepdim) if summable(input, dtype) else accumulated(sum_, input, dtype, dims, keepdim)


def divided(y, n):
    """y / n, and where n is 0 what a floating division would give, without its warning."""
    return y / constant(n, y.dtype) if n else xp.where(y > 0, math.inf, math.nan).astype(y.dtype)


@primitive
def mean_(x, dims, keepdim):
    return shaped(divided(total(x, dims), count(x.shape, dims)), x.shape, dims, keepdim)


@mean_.vjp
def mean_vjp(g, dims, shape):
    return broadcast_to(restored(g, shape, dims) * (1 / (count(shape, dims) or math.nan)), shape)


def mean(input, dim=None, keepdim=False, *, dtype=None, **names):
    """The mean over `dim` (None: all) of a floating tensor."""
    if names:
        dim, keepdim = renamed(dim, keepdim, names, "mean")
    dims = dims_of(dim, input.array.ndim, "mean")
    if summable(input, dtype):
        return mean_(input, dims, keepdim)
    return accumulated(mean_, floating(input, "mean", dtype), dtype, dims, keepdim)


def deviations(x, dims, n):
    """The mean of n values over `dims`, the differences from it and the sum of their squares, shaped as by `total`.

    Where numbers are far from zero beside their spread, the rounding of their mean shows in the differences, so its
    rest is subtracted as well. A GPU is not asked whether they are, as that would mean to wait for it.
    """
    mean = divided(total(x, dims), n)
    centred = x - mean
    squares = product_total(centred, centred, dims)
    if on_gpu or any_true(mean * mean * constant(1e-5 * n, x.dtype) > squares):
        centred -= divided(total(centred, dims), n)
        squares = product_total(centred, centred, dims)
    return mean, centred, squares


def spread(x, dims, divisor, keepdim):
    """The sum of squared differences from the mean over the divisor, and those differences."""
    _, centred, squares = deviations(x, dims, count(x.shape, dims))
    return shaped(divided(squares, divisor), x.shape, dims, keepdim), centred


def widened(x, dims, divisor, keepdim):
    """`spread`, of float32 in float64 where sums or squares leave the range of float32."""
    if x.dtype is not float32:
        return spread(x, dims, divisor, keepdim)
    try:
        with range_watched():
            return spread(x, dims, divisor, keepdim)
    except FloatingPointError:
        return spread(x.astype(float64), dims, divisor, keepdim)


@primitive(extras=("centred",))
def var_(x, dims, divisor, keepdim):
    y, centred = widened(x, dims, divisor, keepdim)
    with overflow_expected():
        return y.astype(x.dtype, copy=False), centred.astype(x.dtype, copy=False)


@var_.vjp
def var_vjp(g, x, dims, divisor, shape, centred):
    centred = x - mean_(x, dims, True) if centred is None else centred
    return restored(g, shape, dims) * (2 / (divisor or math.nan)) * centred


@primitive(extras=("centred",))
def std_(x, dims, divisor, keepdim):
    y, centred = widened(x, dims, divisor, keepdim)  # squares leave the range of float32 long before their root does
    return xp.sqrt(y).astype(x.dtype, copy=False), centred.astype(x.dtype, copy=False)


@std_.vjp
def std_vjp(g, y, x, dims, divisor, shape, centred):
    g = g / (y * (divisor or math.nan) + (y == 0))
    if centred is None:
        g, centred = g * (y != 0), x - mean_(x, dims, True)
    return restored(g, shape, dims) * centred  # of a constant: 0, as in torch


def moment(primitive_, input, dim, unbiased, keepdim, correction, names):
    name = primitive_.__name__
    if names:
        dim, keepdim = renamed(dim, keepdim, names, name)
    if dim.__class__ is bool:  # var(unbiased), the older order of arguments
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    elif unbiased is not None:
        raise TypeError(f"{name}(): expected correction or unbiased, got both")
    elif correction.__class__ not in NUMBERS:
        raise TypeError(f"{name}(): expected correction to be a number, got {correction!r}")
    shape = input.array.shape
    dims = dims_of(dim, len(shape), name)
    divisor = builtins.max(count(shape, dims) - correction, 0)
    if summable(input, None):
        return primitive_(input, dims, divisor, keepdim)
    return accumulated(primitive_, floating(input, name), None, dims, divisor, keepdim)


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, **names):
    """The variance over `dim` (None: all), divided by n - correction; by default 1 (Bessel's correction)."""
    return moment(var_, input, dim, unbiased, keepdim, correction, names)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, **names):
    """The standard deviation over `dim` (None: all), the root of `var`."""
    return moment(std_, input, dim, unbiased, keepdim, correction, names)


def with_mean(moment_, name):
    def function(input, dim=None, unbiased=None, keepdim=False, *, correction=None, **names):
        y = moment_(input, dim, unbiased, keepdim, correction=correction, **names)
        dim, keepdim = renamed(None if isinstance(dim, bool) else dim, keepdim, names, name)
        return y, mean(input, dim, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name[:3]}` and `mean`, as a tuple."
    return function


var_mean, std_mean = with_mean(var, "var_mean"), with_mean(std, "std_mean")


# ---------------------------------------------------------------------------------------------- truth and counting


def logical(name):
    def reduction(input, dim=None, keepdim=False, **names):
        if names:
            dim, keepdim = renamed(dim, keepdim, names, name)
        dims, dtype = dims_of(dim, input.array.ndim, name), input.array.dtype
        truth = getattr(xp, name)(input.array.astype(boolean), axis=dims, keepdims=keepdim)
        return wrap(truth.astype(dtype) if dtype == xp.uint8 else truth)  # torch's older masks stay what they are

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"Whether {name} of the elements over `dim` (None: of the whole tensor) are true."
    return reduction


all, any = logical("all"), logical("any")


def count_nonzero(input, dim=None):
    """How many elements over `dim` (None: all) are not zero, int64."""
    dims = dims_of(dim, input.array.ndim, "count_nonzero")
    return wrap((input.array != 0).sum(dims, dtype=int64))


# --------------------------------------------------------------------------------------------------- softmax and co.


SOFTMAX = Kernel("softmax", REDUCE + r"""
extern "C" __global__ void softmax(const T *x, T *y, long long n, long long logarithm)
{   // a block for each row
    x += blockIdx.x * n;
    y += blockIdx.x * n;
    T largest = x[0], sum = 0;
    for (int k = threadIdx.x; k < n; k += blockDim.x) largest = max(largest, x[k]);
    largest = block_max(largest);
    T shift = !logarithm && largest >= 0 && largest <= 64 ? 0 : largest;
    for (int k = threadIdx.x; k < n; k += blockDim.x) sum += exp(x[k] - shift);
    sum = block_sum(sum);
    for (int k = threadIdx.x; k < n; k += blockDim.x) {
        T d = x[k] - shift;
        y[k] = logarithm ? d - log(sum) : exp(d) / sum;
    }
}
""")  # fmt: skip
SOFTMAX_GRADIENT = Kernel("softmax_gradient", REDUCE + r"""
extern "C" __global__ void softmax_gradient(const T *g, const T *y, T *x, long long n, long long logarithm)
{   // a block for each row
    g += blockIdx.x * n;
    x += blockIdx.x * n;
    y += blockIdx.x * n;
    T sum = 0;
    for (int k = threadIdx.x; k < n; k += blockDim.x) sum += logarithm ? g[k] : g[k] * y[k];
    sum = block_sum(sum);
    for (int k = threadIdx.x; k < n; k += blockDim.x) x[k] = logarithm ? g[k] - exp(y[k]) * sum : y[k] * (g[k] - sum);
}
""")  # fmt: skip


def by_rows(kernel, logarithm):
    """What a kernel of rows computes from arrays (first) and a dimension (last), along that dimension."""

    def form(*args):
        *arrays, dim = args
        arrays = [xp.ascontiguousarray(x.swapaxes(dim, -1)) for x in arrays]
        out, n = xp.empty_like(arrays[0]), arrays[0].shape[-1]
        kernel.rows((out.size // n,), n, (*arrays, out, n, logarithm), T=out.dtype)
        return out if dim == out.ndim - 1 else xp.ascontiguousarray(out.swapaxes(dim, -1))

    return form


def shift(largest):
    """What to subtract before exp to keep it in its range: 0 where the largest value is in [0, 64], else that value.

    Of all errors in a softmax the rounding of x - max is the largest, and x - 0 is not rounded.
    """
    outside = xp.abs(largest - constant(32, largest.dtype)) > constant(32, largest.dtype)
    return largest * outside


@primitive
@by_kernel(by_rows(SOFTMAX, 0))
def softmax_(x, dim):
    y = x - shift(maxima(x, dim))
    xp.exp(y, y)
    y /= row_sums(y) if x.ndim == 2 and dim == 1 else total(y, (dim,))
    return in_order(y)


@softmax_.vjp
@by_kernel(by_rows(SOFTMAX_GRADIENT, 0))
def softmax_vjp(g, y, dim):
    return y * (g - sum_(g * y, (dim,), True))


@primitive
@by_kernel(by_rows(SOFTMAX, 1))
def log_softmax_(x, dim):
    y = x - x.max(dim, keepdims=True)
    y -= xp.log(total(xp.exp(y), (dim,)))
    return in_order(y)


@log_softmax_.vjp
@by_kernel(by_rows(SOFTMAX_GRADIENT, 1))
def log_softmax_vjp(g, y, dim):
    return g - exp(y) * sum_(g, (dim,), True)


def along_dim(primitive_, name, doc):
    def function(input, dim, *, dtype=None):
        shape, dim = input.array.shape, dim_of(dim, input.array.ndim, name)
        if not summable(input, dtype):
            input = floating(input, name, dtype)
        if not shape:
            return sum(function(reshape_(input, (1,)), 0), 0)
        if not shape[dim]:
            return input * 1
        return primitive_(input, dim) if summable(input, None) else accumulated(primitive_, input, None, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


softmax = along_dim(softmax_, "softmax", "exp(x) / sum(exp(x)) along `dim`: probabilities.")
log_softmax = along_dim(log_softmax_, "log_softmax", "The logarithm of softmax along `dim`, without its underflow.")


@primitive
def logsumexp_(x, dims, keepdim):
    largest = x.max(dims, keepdims=True)
    finite = xp.where(xp.isfinite(largest), largest, 0).astype(x.dtype)
    s = total(xp.exp(x - finite), dims)
    y = xp.log(s + (s == 0)) + largest.reshape(s.shape)  # where all are -inf, so is the largest
    return shaped(y, x.shape, dims, keepdim)


@logsumexp_.vjp
def logsumexp_vjp(g, y, x, dims, shape):
    return restored(g, shape, dims) * exp(x - restored(y, shape, dims))


def logsumexp(input, dim=None, keepdim=False, **names):
    """log(sum(exp(x))) over `dim`, without overflow; of nothing, -inf. Integers take the default dtype."""
    if names:
        dim, keepdim = renamed(dim, keepdim, names, "logsumexp")
    if dim is None:
        raise TypeError("logsumexp() missing the dimension or dimensions: logsumexp(x, 1)")
    input = as_dtype(input, NUMBERS[float]) if input.array.dtype.kind != "f" else input
    dims = dims_of(dim, input.array.ndim, "logsumexp")
    if not count(input.array.shape, dims):
        return sum_(input, dims, keepdim) - math.inf
    if summable(input, None):
        return logsumexp_(input, dims, keepdim)
    return accumulated(logsumexp_, input, None, dims, keepdim)
