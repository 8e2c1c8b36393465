"""Random numbers drawn on the GPU: nothing crosses the bus, but they are others than the host's.

The source is Philox4x32-10 (Salmon, Moraes, Dror and Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011), which
makes four words of 32 bits from a counter and a seed. The i-th value of a stream comes from counter i alone: values do not
depend on the GPU, nor on the shapes in which they are drawn. A draw is one kernel; where kernels are switched off, the
same is written in array operations, `words` and `FORMULAS`.
"""

import functools
import math

import numpy as np

from . import random
from .backend import item, positions, waited, xp
from .device import check_device, here
from .kernels import ENABLED, Kernel
from .random import Generator, _float_dtype, _integer_limits

MULTIPLIERS, INCREMENTS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
ROUNDS, LOW = 10, 0xFFFFFFFF
TWO_PI = 2 * math.pi
STATE = np.dtype([("seed", "<u8"), ("offset", "<u8")])  # as PyTorch keeps that of its generators on a GPU

# ------------------------------------------------------------------------------------------------- in array operations


def words(seed, counters):
    """The four words of each counter, a uint64 array; words are uint64 arrays below 2 ** 32."""
    high, low = xp.zeros_like(counters), counters
    c = [low & np.uint64(LOW), low >> np.uint64(32), high, high]
    key = [seed & LOW, seed >> 32]
    for _ in range(ROUNDS):
        a, b = c[0] * np.uint64(MULTIPLIERS[0]), c[2] * np.uint64(MULTIPLIERS[1])
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]), b & np.uint64(LOW),
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]), a & np.uint64(LOW),
        ]  # fmt: skip
        key = [(k + increment) & LOW for k, increment in zip(key, INCREMENTS)]
    return c


def wide(high, low):
    """Two words as one of 64 bits."""
    return high << np.uint64(32) | low


def unit(c, dtype):
    """Uniform values in [0, 1): the high 24 bits of a word times 2^-24, for float64 53 of two words."""
    if dtype == np.float32:
        return (c[0] >> np.uint64(8)).astype("float32") * np.float32(2**-24)
    return (wide(c[0], c[1]) >> np.uint64(11)).astype("float64") * 2.0**-53


def inside(c, dtype):
    """Uniform values in (0, 1), never an end: the middles of 2^23 intervals by a word, for float64 of 2^52 by two."""
    if dtype == np.float32:
        return ((c[0] >> np.uint64(9)).astype("float32") + np.float32(0.5)) * np.float32(2**-23)
    return ((wide(c[0], c[1]) >> np.uint64(12)).astype("float64") + 0.5) * 2.0**-52


def angle(c, dtype):
    """Uniform values in [0, 2 pi)."""
    if dtype == np.float32:
        return (c[1] >> np.uint64(8)).astype("float32") * np.float32(2**-24) * np.float32(TWO_PI)
    return (wide(c[2], c[3]) >> np.uint64(11)).astype("float64") * 2.0**-53 * TWO_PI


def normal(c, dtype):
    """Normal values by Box and Muller's transform."""
    return xp.sqrt(xp.log(inside(c, dtype)) * dtype.type(-2)) * xp.cos(angle(c, dtype))


def exponential(c, dtype):
    """Exponential values of rate 1."""
    return -xp.log(inside(c, dtype))


# ------------------------------------------------------------------------------------------------------- as one kernel

SOURCE = f"""
struct Words {{ unsigned int c[4]; }};

__device__ Words words(unsigned long long seed, unsigned long long counter)
{{
    unsigned int c[4] = {{(unsigned int)counter, (unsigned int)(counter >> 32), 0, 0}};
    unsigned int k[2] = {{(unsigned int)seed, (unsigned int)(seed >> 32)}};
    for (int round = 0; round < {ROUNDS}; round++) {{
        unsigned long long a = {MULTIPLIERS[0]}ULL * c[0], b = {MULTIPLIERS[1]}ULL * c[2];
        c[0] = (unsigned int)(b >> 32) ^ c[1] ^ k[0];
        c[1] = (unsigned int)b;
        c[2] = (unsigned int)(a >> 32) ^ c[3] ^ k[1];
        c[3] = (unsigned int)a;
        k[0] += {INCREMENTS[0]}u;
        k[1] += {INCREMENTS[1]}u;
    }}
    return {{{{c[0], c[1], c[2], c[3]}}}};
}}

__device__ unsigned long long wide(Words w) {{ return (unsigned long long)w.c[0] << 32 | w.c[1]; }}
__device__ unsigned long long second(Words w) {{ return (unsigned long long)w.c[2] << 32 | w.c[3]; }}

template <class F> struct In {{  // float64
    static __device__ F unit(Words w) {{ return (wide(w) >> 11) * {2.0**-53!r}; }}
    static __device__ F inside(Words w) {{ return ((wide(w) >> 12) + 0.5) * {2.0**-52!r}; }}
    static __device__ F angle(Words w) {{ return (second(w) >> 11) * {2.0**-53!r} * {TWO_PI!r}; }}
}};

template <> struct In<float> {{
    static __device__ float unit(Words w) {{ return (w.c[0] >> 8) * {2.0**-24!r}f; }}
    static __device__ float inside(Words w) {{ return ((w.c[0] >> 9) + 0.5f) * {2.0**-23!r}f; }}
    static __device__ float angle(Words w) {{ return (w.c[1] >> 8) * {2.0**-24!r}f * {TWO_PI!r}f; }}
}};

extern "C" __global__ void NAME(long long n, unsigned long long seed, unsigned long long offset, A a, B b, T *y)
{{
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= n) return;
    Words w = words(seed, offset + i);
    y[i] = VALUE;
}}
"""


def kernel(name, value, a="double", b="double"):
    """The kernel of a formula: what the words w of a counter give, and the C types of the numbers a and b."""
    parts = {"NAME": f"random_{name}", "VALUE": value, "A a": f"{a} a", "B b": f"{b} b"}
    source = SOURCE
    for part, text in parts.items():
        source = source.replace(part, text)
    return Kernel(parts["NAME"], source)


UNIFORM = kernel("uniform", "In<T>::unit(w) * T(b) + T(a)")
NORMAL = kernel("normal", "sqrt(log(In<T>::inside(w)) * T(-2)) * cos(In<T>::angle(w)) * T(b) + T(a)")
EXPONENTIAL = kernel("exponential", "-log(In<T>::inside(w)) * T(b)")
CHANCE = kernel("chance", "In<double>::unit(w) < a ? T(b) : T(0)")
INTEGER = kernel("integer", "(long long)(wide(w) % b) + a", "long long", "unsigned long long")
FORMULAS = {  # the same of arrays of words, the dtype of the result, and the two numbers
    UNIFORM: lambda c, dtype, a, b: unit(c, dtype) * dtype.type(b) + dtype.type(a),
    NORMAL: lambda c, dtype, a, b: normal(c, dtype) * dtype.type(b) + dtype.type(a),
    EXPONENTIAL: lambda c, dtype, a, b: exponential(c, dtype) * dtype.type(b),
    CHANCE: lambda c, dtype, a, b: (unit(c, np.dtype("float64")) < a).astype(dtype) * dtype.type(b),
    INTEGER: lambda c, dtype, a, b: (wide(c[0], c[1]) % b).view("int64") + a,
}

# ------------------------------------------------------------------------------------------------------- the generator


class DeviceGenerator(Generator, on="cuda"):
    """`Generator("cuda")`: what a `Generator` draws, but on the GPU, as arrays there, and from another stream.

    Its state is a seed and how many values were drawn.
    """

    def __init__(self, device="cuda"):
        check_device(device, "Generator")
        self.device = here()
        self.manual_seed(67280421310721)

    def manual_seed(self, seed):
        """Restart the stream at an integer in [-2^63, 2^64), taken modulo 2^64; returns the generator."""
        self._seed, self._offset = self._checked(seed), 0
        return self

    def get_state(self):
        """The state as PyTorch serialises that of a generator on a GPU: an array of 16 uint8, on the host."""
        return np.array([(self._seed, self._offset)], STATE).view(np.uint8)

    def set_state(self, state):
        """Continue from a state of `get_state`."""
        self._seed, self._offset = map(int, self._unpacked(state, STATE))

    def __reduce__(self):
        return Generator, ("cuda",), self.get_state()

    __setstate__ = set_state

    def _draw(self, kernel, shape, dtype, a=0.0, b=1.0):
        """Values of one of the kernels, or of its formula."""
        size = math.prod(shape)
        start, self._offset = self._offset, (self._offset + size) % 2**64
        y = xp.empty(shape, dtype)
        if not size:
            return y
        if ENABLED:
            kernel.each(size, (size, np.uint64(self._seed), np.uint64(start), a, b, y), T=y.dtype)
        else:
            counters = xp.arange(size, dtype="uint64") + np.uint64(start)
            y.reshape(-1)[...] = FORMULAS[kernel](words(self._seed, counters), y.dtype, a, b)
        return y

    # Draws, with the arguments and the errors of Generator's ----------------------------------------------------------

    def rand(self, shape, dtype=np.float32):
        """Uniform on [0, 1)."""
        return self._draw(UNIFORM, shape, _float_dtype("rand", dtype))

    def uniform(self, low, high, shape, dtype=np.float32):
        """Uniform on [low, high)."""
        dtype = self._bounded(low, high, dtype)
        values = self._draw(UNIFORM, shape, dtype, float(low), float(dtype.type(high) - dtype.type(low)))
        return xp.where(values == dtype.type(high), dtype.type(low), values)  # rounding may have reached the bound

    def normal(self, mean, std, shape, dtype=np.float32, contiguous=True):
        """Normal values of the given mean and standard deviation; however the target lies in memory."""
        dtype = _float_dtype("normal_", dtype)
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        return self._draw(NORMAL, shape, dtype, float(mean), float(std))

    def exponential(self, rate, shape, dtype=np.float32):
        """Exponential values of the given rate."""
        dtype = _float_dtype("exponential_", dtype)
        if not rate > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
        return self._draw(EXPONENTIAL, shape, dtype, 0.0, 1 / rate)

    def bernoulli(self, p, shape=(), dtype=np.float32):
        """1 with probability p, else 0; an array p, on the GPU, is looked at, for which the host waits."""
        if not isinstance(p, xp.ndarray):
            if not 0 <= p <= 1:
                raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
            return self._draw(CHANCE, shape, np.float32, float(p)).astype(dtype, copy=False)
        if not item(((p >= 0) & (p <= 1)).all()):
            raise RuntimeError(f"bernoulli expects p to be in [0, 1], but got {p.min()} to {p.max()}")
        p = xp.broadcast_to(p, shape) if shape else p
        return (self.rand(p.shape, _float_dtype("bernoulli", p.dtype)) < p).astype(dtype)

    def dropout_mask(self, p, shape, dtype=np.float32):
        """What `dropout` multiplies by: 0 with probability p, else 1 / (1 - p)."""
        dtype = _float_dtype("dropout", dtype)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if p in (0, 1):
            return xp.full(shape, 1 - p, dtype)
        return self._draw(CHANCE, shape, dtype, 1.0 - p, 1 / (1 - p))

    def randint(self, low, high, shape, dtype=np.int64):
        """Integers in [low, high): 64 bits modulo (high - low), plus low."""
        self._limited(low, high, dtype)
        return self._draw(INTEGER, shape, np.int64, np.int64(low), np.uint64(high - low)).astype(dtype, copy=False)

    def randperm(self, n, dtype=np.int64):
        """A permutation of 0 .. n - 1: the order of n draws of 63 bits."""
        largest = _integer_limits(dtype)[1] + 1
        if not 0 <= n <= largest:
            raise RuntimeError(f"randperm: n must be from 0 to {largest} for {np.dtype(dtype)}, but got {n}")
        return self.randint(0, 2**63 - 1, (n,)).argsort().astype(dtype, copy=False)

    def multinomial(self, probabilities, num_samples, replacement=False):
        """Indices drawn with the given weights, which are looked at, for which the host waits; see `Generator`."""
        p = self._weights(probabilities, num_samples, replacement)
        waited(fetched=1)  # for the answers to two questions about them
        waited(fetched=1)
        if num_samples == 1:
            return positions((p / self.exponential(1.0, p.shape, p.dtype)).argmax(-1, keepdims=True))
        if not replacement:
            return (-p / self.exponential(1.0, p.shape, p.dtype)).argsort(-1)[..., :num_samples].copy()
        cumulative = xp.cumsum(p.reshape(-1, p.shape[-1]), axis=-1, dtype="float64")
        rows = xp.arange(len(cumulative), dtype="float64").reshape(-1, 1)  # one row after the other is one sorted list
        edges = (cumulative / cumulative[:, -1:] + rows).reshape(-1)
        drawn = self.rand((len(rows), num_samples), np.float64) + rows
        found = xp.searchsorted(edges, drawn.reshape(-1), side="right").reshape(drawn.shape)
        found = found - (rows * p.shape[-1]).astype("int64")
        return xp.minimum(found, p.shape[-1] - 1).reshape(*p.shape[:-1], num_samples).astype("int64")


@functools.cache
def default_generator(place):
    """The default generator of a GPU, which must be the current one; it starts from the seed of the host's."""
    generator = DeviceGenerator(place).manual_seed(random.initial_seed())
    random.followers.append(generator)
    return generator
