"""Softmax and the mean negative log likelihood in one primitive, several times as fast as its parts."""

import functools

from ..autograd import primitive
from ..backend import REFUSES, column_sums, constant, launched, note, row_maxima, row_sums, xp
from ..kernels import REDUCE, Kernel, launch
from .index import one_hot
from .reduce import softmax_


@primitive(extras=("p",))
def cross_entropy_(x, target):
    """The mean over rows of -log softmax(x)[target]; x (N, C), target (N,) in range."""
    n, c = x.shape
    x = x - row_maxima(x)
    p = xp.exp(x)
    s = row_sums(p)
    losses = xp.log(s) - x.reshape(-1).take(row_starts(n, c) + target).reshape(n, 1)
    p /= s
    return column_sums(losses).reshape(()) / constant(n, x.dtype), p


@cross_entropy_.vjp
def cross_entropy_vjp(g, x, target, p):
    n, c = x.shape
    onehot = one_hot(target, c, x.dtype)
    if p is None:
        return (softmax_(x, 1) - onehot) * (g * (1 / n))
    return xp.multiply(xp.subtract(p, onehot, onehot), g * constant(1 / n, x.dtype), onehot)


@functools.lru_cache(64)
def row_starts(n, c):
    """Where each row of an (n, c) array begins in memory."""
    return xp.arange(0, n * c, c)


CROSS_ENTROPY = Kernel("cross_entropy", REFUSES + REDUCE + r"""
extern "C" __global__ void cross_entropy(const T *x, const long long *target, long long ignored, T *p, T *losses,
                                         long long classes, unsigned long long noted, long long fault)
{   // a block for each row
    long long row = blockIdx.x, wanted = target[row];
    x += row * classes;
    p += row * classes;
    T largest = x[0], sum = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) largest = max(largest, x[k]);
    largest = block_max(largest);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) sum += p[k] = exp(x[k] - largest);
    sum = block_sum(sum);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) p[k] /= sum;
    if (threadIdx.x > 0) return;
    bool refused = wanted != ignored && refuses(wanted, 0, classes, noted, fault);  // its loss is NaN
    losses[row] = wanted == ignored ? 0 : refused ? log((T)-1) : log(sum) - (x[wanted] - largest);
}
""")  # fmt: skip
MEAN_COUNTED = Kernel("mean_counted", REDUCE + r"""
extern "C" __global__ void mean_counted(const T *losses, const long long *target, long long ignored, T *mean, T *counted,
                                        long long n)
{   // one block
    T sum = 0, count = 0;
    for (int k = threadIdx.x; k < n; k += blockDim.x) {
        sum += losses[k];
        count += target[k] != ignored;
    }
    sum = block_sum(sum);
    count = block_sum(count);
    if (threadIdx.x == 0) {
        *mean = sum / count;
        *counted = count;
    }
}
""")  # fmt: skip
CROSS_ENTROPY_GRADIENT = Kernel("cross_entropy_gradient", r"""
extern "C" __global__ void cross_entropy_gradient(const T *g, const T *p, const long long *target, long long ignored,
                                                  const T *counted, T *x, long long size, long long classes)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    long long wanted = target[i / (int)classes];
    x[i] = wanted == ignored ? p[i] * 0 : (p[i] - (T)(wanted == i % (int)classes)) * (*g / *counted);
}
""")  # fmt: skip


def cross_entropy_kernel(x, target, ignored, fault):
    (n, c), dtype, target = x.shape, x.dtype, xp.ascontiguousarray(target)
    p, losses, mean, counted = xp.empty((n, c), dtype), xp.empty(n, dtype), xp.empty((), dtype), xp.empty((), dtype)
    args = xp.ascontiguousarray(x), target, ignored, p, losses, c, note()[1], fault
    CROSS_ENTROPY.rows((n,), c, args, T=dtype)
    launched()
    MEAN_COUNTED.rows((1,), n, (losses, target, ignored, mean, counted, n), T=dtype)
    return mean, p, counted


def cross_entropy_gradient(g, target, ignored, p, counted):
    x = xp.empty_like(p)
    args = g, p, xp.ascontiguousarray(target), ignored, counted, x, x.size, x.shape[1]
    CROSS_ENTROPY_GRADIENT.each(x.size, args, T=p.dtype)
    return x


@primitive(extras=("p", "counted"))
def cross_entropy_on_device(x, target, ignored, fault):
    """`cross_entropy_` by kernels; targets may also be `ignored`, others are noted as the `backend.Fault` of that number."""
    return launch(cross_entropy_kernel, x, target, ignored, fault)


@cross_entropy_on_device.vjp
def cross_entropy_on_device_vjp(g, x, target, ignored, p, counted):
    if p is None:
        counts = (target != ignored).astype(x.dtype)
        onehot = one_hot(xp.where(target == ignored, 0, target), x.shape[1], x.dtype)
        return (softmax_(x, 1) - onehot) * (g * (counts / xp.maximum(counts.sum(), 1)).reshape(-1, 1))
    return launch(cross_entropy_gradient, g, target, ignored, p, counted)
