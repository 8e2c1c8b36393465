"""Batch norm and layer norm as single primitives, several times as fast as their parts."""

import math

from ..autograd import primitive
from ..backend import any_zero, column_sums, constant, product_total, row_sums, total, xp
from ..kernels import REDUCE, Kernel, by_kernel
from .elementwise import rsqrt
from .operands import float32
from .reduce import count, deviations, mean_, sum_, var_


def or_none(x):
    """A parameter as a kernel takes it, which may be missing."""
    return 0 if x is None else xp.ascontiguousarray(x)


def inverse_root(var, eps):
    """1 / sqrt(var + eps); FloatingPointError where sums or squares of float32 became infinite on the way to `var`."""
    dtype = var.dtype
    inverse = constant(1, dtype) / xp.sqrt(var + constant(eps, dtype))
    if dtype is float32 and any_zero(inverse):
        raise FloatingPointError
    return inverse


# ----------------------------------------------------------------------------------------------------------- batch norm


PLACE = "(k / (int)inner * outer + k % (int)inner)"  # of number k of a channel, from its first
# Statistics of a channel come from shares of its numbers, one for each block: mean and sum of squares, as double so that
# joining them loses nothing. Where one block is enough for a channel, a single launch does both stages.
BATCH_NORM = Kernel("batch_norm", REDUCE + r"""
extern "C" __global__ void batch_norm(const T *x, const T *weight, const T *bias, T *y, T *statistics, T *running_mean,
    T *running_var, double momentum, double eps, long long inner, long long outer, long long channel, double *shares,
    long long count, long long stages)
{   // a block for each channel and share
    long long c = blockIdx.x, channels = gridDim.x;
    int first = count * blockIdx.y / gridDim.y, end = count * (blockIdx.y + 1) / gridDim.y, n = end - first;
    int start = first + threadIdx.x;
    x += c * channel;
    y += c * channel;
    shares += 2 * c * gridDim.y;
    if (stages & 1) {
        T sum = 0, rest = 0, squares = 0;
        for (int k = start; k < end; k += blockDim.x) sum += x[AT(k)];
        T mean = block_sum(sum) / n;
        for (int k = start; k < end; k += blockDim.x) {
            T d = x[AT(k)] - mean;
            rest += d;
            squares += d * d;
        }
        rest = block_sum(rest);  // what rounding has left of the mean
        squares = block_sum(squares);
        if (threadIdx.x == 0) {
            double more = (double)rest / n, about = squares - rest * more;
            shares[2 * blockIdx.y] = more == more ? mean + more : mean;
            shares[2 * blockIdx.y + 1] = about < 0 ? 0 : about;
        }
        __syncthreads();
    }
    if (stages & 2) {
        double mean = 0, squares = 0;
        for (int s = 0; s < gridDim.y; s++) mean += shares[2 * s] * (count * (s + 1) / gridDim.y - count * s / gridDim.y);
        mean /= count;
        for (int s = 0; s < gridDim.y; s++) {
            double d = shares[2 * s] - mean;
            squares += shares[2 * s + 1] + d * d * (count * (s + 1) / gridDim.y - count * s / gridDim.y);
        }
        T high = mean, low = mean - high, inverse = 1 / sqrt((T)(squares / count) + (T)eps);
        if (threadIdx.x == 0 && blockIdx.y == 0) {
            statistics[c] = high;
            statistics[channels + c] = low;
            statistics[2 * channels + c] = inverse;
            T old = 1 - momentum, add = momentum;
            if (running_mean) running_mean[c] = running_mean[c] * old + high * add;
            if (running_var) running_var[c] = running_var[c] * old + (T)(squares / (count - 1)) * add;
        }
        T scale = weight ? inverse * weight[c] : inverse, shift = bias ? bias[c] : 0;
        for (int k = start; k < end; k += blockDim.x) y[AT(k)] = (x[AT(k)] - high - low) * scale + shift;
    }
}
""".replace("AT(k)", PLACE))  # fmt: skip
BATCH_NORM_GRADIENT = Kernel("batch_norm_gradient", REDUCE + r"""
extern "C" __global__ void batch_norm_gradient(const T *g, const T *x, const T *weight, const T *statistics, T *y,
    T *for_weight, T *for_bias, long long inner, long long outer, long long channel, double *shares, long long count,
    long long stages)
{   // a block for each channel and share
    long long c = blockIdx.x, channels = gridDim.x;
    int end = count * (blockIdx.y + 1) / gridDim.y, start = count * blockIdx.y / gridDim.y + threadIdx.x;
    T high = statistics[c], low = statistics[channels + c], inverse = statistics[2 * channels + c];
    g += c * channel;
    x += c * channel;
    y += c * channel;
    shares += 2 * c * gridDim.y;
    if (stages & 1) {
        T along = 0, level = 0;
        for (int k = start; k < end; k += blockDim.x) {
            along += g[AT(k)] * (x[AT(k)] - high - low);
            level += g[AT(k)];
        }
        along = block_sum(along);
        level = block_sum(level);
        if (threadIdx.x == 0) {
            shares[2 * blockIdx.y] = along;
            shares[2 * blockIdx.y + 1] = level;
        }
        __syncthreads();
    }
    if (stages & 2) {
        double along = 0, level = 0;
        for (int s = 0; s < gridDim.y; s++) {
            along += shares[2 * s];
            level += shares[2 * s + 1];
        }
        T sum = (T)along * inverse, mean = level / count;
        if (threadIdx.x == 0 && blockIdx.y == 0) {
            for_weight[c] = sum;
            for_bias[c] = level;
        }
        T scale = weight ? inverse * weight[c] : inverse, slope = sum * inverse / count;
        for (int k = start; k < end; k += blockDim.x)
            y[AT(k)] = (g[AT(k)] - ((x[AT(k)] - high - low) * slope + mean)) * scale;
    }
}
""".replace("AT(k)", PLACE))  # fmt: skip
SHARE, BLOCKS = 4096, 1024  # numbers of a channel that one block reads, as long as there are no more blocks than that


def channels(x, dims):
    """The array in an order that the kernels read; how many channels it has, the size of each, and PLACE's numbers.

    `dims`: all but the second, where (N, C, *space) has C channels; or those after it, where it has N * C of them.
    """
    n, c, *space = x.shape
    length = math.prod(space)
    if dims[0] == 0 and not x.flags.c_contiguous and x.transpose(*range(1, x.ndim), 0).flags.c_contiguous:
        return x, c, n * length, n * length, 0, n * length  # images last
    x = xp.ascontiguousarray(x)
    if dims[0] == 0:
        return x, c, n * length, length, c * length, length
    return x, n * c, length, length, 0, length


def in_stages(kernel, c, count, args, dtype):
    """Launch a kernel of c channels of that size, each whole by one block or in shares by several."""
    shares = max(min(-(-count // SHARE), BLOCKS // c), 1)
    memory = xp.empty(2 * c * shares, "float64")
    for stages in (3,) if shares == 1 else (1, 2):
        kernel.rows((c, shares), -(-count // shares), (*args, memory, count, stages), T=dtype)


def batch_norm_kernel(x, weight, bias, running_mean, running_var, momentum, dims, eps):
    x, c, count, *places = channels(x, dims)
    y, statistics = xp.empty_like(x), xp.empty((3, c), x.dtype)
    running = [0 if given is None else xp.ascontiguousarray(given, x.dtype) for given in (running_mean, running_var)]
    args = x, or_none(weight), or_none(bias), y, statistics, *running, float(momentum), float(eps), *places
    in_stages(BATCH_NORM, c, count, args, x.dtype)
    for given, moved in zip((running_mean, running_var), running):
        if given is not None and moved is not given:
            given[...] = moved
    return y, statistics


batch_norm_kernel.writes = 3, 4


def batch_norm_gradient(g, x, weight, dims, eps, statistics, needs):
    x, c, count, *places = channels(x, dims)
    if g.strides != x.strides:
        g, given = xp.empty_like(x), g
        g[...] = given
    y, for_weight, for_bias = xp.empty_like(x), xp.empty(c, x.dtype), xp.empty(c, x.dtype)
    args = g, x, or_none(weight), statistics, y, for_weight, for_bias, *places
    in_stages(BATCH_NORM_GRADIENT, c, count, args, x.dtype)
    return y, for_weight, for_bias


def flat(x):
    """The array in one dimension, itself if it has no other."""
    return x if x.ndim == 1 else x.reshape(-1)


def like(x, other):
    """The array in the shape of another."""
    return x if x.ndim == other.ndim else x.reshape(other.shape)


def move(running, value, momentum):
    """Let a running statistic go the share `momentum` of the way to this batch's value."""
    running *= constant(1 - momentum, running.dtype)
    running += flat(value) * constant(momentum, running.dtype)


@primitive(extras=("statistics",))
@by_kernel(batch_norm_kernel)
def batch_norm_(x, weight, bias, running_mean, running_var, momentum, dims, eps):
    """x to mean 0 and variance 1 over `dims`, times weight plus bias; moves raw running statistics by `momentum`.

    Any of the four may be None. FloatingPointError, with nothing moved: float32 cannot hold a variance. Source: Ioffe and
    Szegedy, 2015.
    """
    n = count(x.shape, dims)
    mean, centred, squares = deviations(x, dims, n)
    inverse = inverse_root(squares / constant(n, x.dtype), eps)
    y = centred * (inverse if weight is None else inverse * like(weight, inverse))
    if bias is not None:
        y += like(bias, inverse)
    if running_mean is not None:
        move(running_mean, mean, momentum)
    if running_var is not None:
        move(running_var, squares / constant(n - 1, x.dtype), momentum)
    return y, (centred, inverse)


@batch_norm_.vjp
@by_kernel(batch_norm_gradient)
def batch_norm_vjp(g, x, weight, dims, eps, statistics, needs):
    n = count(x.shape, dims)
    if statistics is None:  # the gradient itself will be differentiated: its parts must be functions of x
        inverse = rsqrt(var_(x, dims, n, True) + eps)
        centred = x - mean_(x, dims, True)
        along, level = sum_(g * centred, dims, True) * inverse, sum_(g, dims, True)
        scale = inverse if weight is None else inverse * weight.reshape(inverse.shape)
        x = (g - (centred * (along * inverse) + level) * (1 / n)) * scale
        return x, along.reshape(-1), level.reshape(-1)
    centred, inverse = statistics
    along, level, x = product_total(g, centred, dims), total(g, dims), None
    along *= inverse
    if needs[0]:
        share = constant(1 / n, g.dtype)
        x = centred * (along * inverse * share)
        x += level * share
        xp.subtract(g, x, x)
        x *= inverse if weight is None else inverse * like(weight, inverse)
    return x, flat(along), flat(level)


# ----------------------------------------------------------------------------------------------------------- layer norm

LAYER_NORM = Kernel("layer_norm", REDUCE + r"""
extern "C" __global__ void layer_norm(const T *x, const T *weight, const T *bias, T *y, T *normalised, T *inverse,
                                      long long n, double eps)
{   // a block for each row
    x += blockIdx.x * n;
    y += blockIdx.x * n;
    normalised += blockIdx.x * n;
    T sum = 0, squares = 0;
    for (int k = threadIdx.x; k < n; k += blockDim.x) sum += x[k];
    T mean = block_sum(sum) / n;
    for (int k = threadIdx.x; k < n; k += blockDim.x) squares += (x[k] - mean) * (x[k] - mean);
    T scale = 1 / sqrt(block_sum(squares) / n + (T)eps);
    for (int k = threadIdx.x; k < n; k += blockDim.x) {
        T z = normalised[k] = (x[k] - mean) * scale;
        if (weight) z *= weight[k];
        y[k] = bias ? z + bias[k] : z;
    }
    if (threadIdx.x == 0) inverse[blockIdx.x] = scale;
}
""")  # fmt: skip
LAYER_NORM_GRADIENT = Kernel("layer_norm_gradient", REDUCE + r"""
extern "C" __global__ void layer_norm_gradient(const T *g, const T *weight, const T *normalised, const T *inverse, T *x,
                                               T *shares, long long rows, long long n)
{   // a block for every so many rows, and its share of the gradients of weight and bias: (blocks, 2, n)
    T *for_weight = shares + 2 * n * blockIdx.x, *for_bias = for_weight + n;
    for (int k = threadIdx.x; k < n; k += blockDim.x) for_weight[k] = for_bias[k] = 0;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        T along = 0, level = 0;
        for (int k = threadIdx.x; k < n; k += blockDim.x) {
            T z = normalised[row * n + k], gz = g[row * n + k];
            for_weight[k] += gz * z;
            for_bias[k] += gz;
            if (weight) gz *= weight[k];
            along += gz * z;
            level += gz;
        }
        along = block_sum(along) / n;
        level = block_sum(level) / n;
        for (int k = threadIdx.x; k < n; k += blockDim.x) {
            T gz = weight ? g[row * n + k] * weight[k] : g[row * n + k];
            x[row * n + k] = (gz - (normalised[row * n + k] * along + level)) * inverse[row];
        }
    }
}
""")  # fmt: skip
SHARES_TOTAL = Kernel("shares_total", REDUCE + r"""
extern "C" __global__ void shares_total(const T *shares, T *for_weight, T *for_bias, long long blocks, long long n)
{   // a block for each of 2 n columns
    T sum = 0;
    for (int b = threadIdx.x; b < blocks; b += blockDim.x) sum += shares[2 * n * b + blockIdx.x];
    sum = block_sum(sum);
    if (threadIdx.x == 0) (blockIdx.x < n ? for_weight : for_bias - n)[blockIdx.x] = sum;
}
""")  # fmt: skip


def layer_norm_kernel(x, weight, bias, eps):
    (rows, n), dtype, x = x.shape, x.dtype, xp.ascontiguousarray(x)
    y, normalised, inverse = xp.empty((rows, n), dtype), xp.empty((rows, n), dtype), xp.empty((rows, 1), dtype)
    LAYER_NORM.rows((rows,), n, (x, or_none(weight), or_none(bias), y, normalised, inverse, n, float(eps)), T=dtype)
    return y, normalised, inverse


def layer_norm_gradient(g, x, weight, eps, normalised, inverse, needs):
    (rows, n), dtype, blocks = g.shape, g.dtype, min(len(g), BLOCKS // 2)
    x, shares = xp.empty((rows, n), dtype), xp.empty((blocks, 2, n), dtype)
    args = xp.ascontiguousarray(g), or_none(weight), normalised, inverse, x, shares, rows, n
    LAYER_NORM_GRADIENT.rows((blocks,), n, args, T=dtype)
    for_weight, for_bias = xp.empty(n, dtype), xp.empty(n, dtype)
    SHARES_TOTAL.rows((2 * n,), blocks, (shares, for_weight, for_bias, blocks, n), T=dtype)
    return x, for_weight, for_bias


@primitive(extras=("normalised", "inverse"))
@by_kernel(layer_norm_kernel)
def layer_norm_(x, weight, bias, eps):
    """Each row of x (N, F) to mean 0 and variance 1, times weight plus bias (F), which may be None.

    FloatingPointError: float32 cannot hold a variance. Source: Ba et al., 2016.
    """
    n = constant(x.shape[1], x.dtype)
    normalised = x - row_sums(x) / n
    inverse = inverse_root(row_sums(normalised * normalised) / n, eps)
    normalised *= inverse
    y = normalised.copy() if weight is None else normalised * weight  # never the array that is kept for backward
    if bias is not None:
        y += bias
    return y, normalised, inverse


@layer_norm_.vjp
@by_kernel(layer_norm_gradient)
def layer_norm_vjp(g, x, weight, eps, normalised, inverse, needs):
    if normalised is None:  # the gradient itself will be differentiated: its parts must be functions of x
        inverse = rsqrt(var_(x, (1,), x.shape[1], True) + eps)
        normalised = (x - mean_(x, (1,), True)) * inverse
        scaled = g if weight is None else g * weight
        x = (scaled - mean_(scaled, (1,), True) - normalised * mean_(scaled * normalised, (1,), True)) * inverse
        return [x, sum_(g * normalised, (0,), False), sum_(g, (0,), False), None]
    product, for_bias = g * normalised, column_sums(g)
    for_weight = column_sums(product)
    if needs[0]:
        if weight is not None:
            g = g * weight
            product *= weight
        n = constant(x.shape[1], x.dtype)
        along, level = row_sums(product) / n, row_sums(g) / n
        xp.multiply(normalised, along, product)
        product += level
        xp.subtract(g, product, product)
        product *= inverse
    return [product, for_weight, for_bias, None]
