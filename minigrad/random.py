"""PyTorch's CPU random stream with NumPy alone: the same seed gives the same numbers.

The source of everything is the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded as by its
reference `init_genrand(seed)`. One output is a *word* of 32 bits; a 64-bit draw is two words, the high half
first. Each method says how it turns words into values. Draws are made on the host, as NumPy arrays.

Where PyTorch rounds once for a multiply and an add (a fused multiply-add), so does this file: the values
equal those of PyTorch's code for AVX2 bit for bit.
"""

import math
import operator
import os
import threading

import numpy as np

from .device import device as Device

_BUFFER = 16 * 624  # words fetched at a time, in whole rounds of the twister
_CHUNK = 16384  # values worked on at a time, so that temporaries stay in the cache
_BLOCK = 16  # PyTorch fills 16 normal values or more in blocks of 16, fewer one after the other

# ------------------------------------------------------------------------------------------------------------
# Arithmetic, rounded where PyTorch rounds
# ------------------------------------------------------------------------------------------------------------


def _float32(*values):
    return np.array(values, np.float32).tolist()


# Coefficients of the Cephes library (Moshier), highest power first.
_LOG = _float32(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1)
_LOG += _float32(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
_COS = _float32(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _float32(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_LN2 = _float32(0.693359375, -2.12194440e-4)  # ln 2 in two parts
_HALF_PI = _float32(1.5703125, 4.837512969970703e-4, 7.549789948768648e-8)  # pi / 2 in three parts
_FOUR_OVER_PI, _TWO_PI = _float32(4 / math.pi, 2 * math.pi)
_SQRT_HALF = 0x3F3504F3  # sqrt(1/2), as the bits of a float32


def _fused(a, b, c):
    """a * b + c for an array and two numbers, in float64 and rounded once.

    A product of float32 values is exact in float64. For float64 the rounding errors of the product (Dekker,
    1971: halves of 26 bits) and of the sum (Knuth) are found exactly and added to the result.
    """
    if a.dtype == np.float32:
        return a.astype(np.float64) * b + c
    product = a * b
    a_high = a * 134217729.0 - (a * 134217729.0 - a)
    b_high = b * 134217729.0 - (b * 134217729.0 - b)
    a_low, b_low = a - a_high, b - b_high
    product_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    added = total - product
    return total + ((product - (total - added)) + (c - added) + product_error)


def _polynomial(coefficients, x):
    """Horner's rule in float32 at x, float32 values in a float64 array; each step is fused."""
    y = coefficients[0]
    for coefficient in coefficients[1:]:
        y = (y * x + coefficient).astype(np.float32)
    return y


def _log_float32(u):
    """Natural logarithm of u = 2^e m with sqrt(1/2) <= m < sqrt(2), by a polynomial in x = m - 1."""
    bits = u.view(np.int32) - _SQRT_HALF
    e = (bits >> 23).astype(np.float32)
    x = ((bits & 0x7FFFFF) + _SQRT_HALF).view(np.float32) - 1
    z = x * x
    y = _polynomial(_LOG, x.astype(np.float64)) * x
    y = (y * z.astype(np.float64) + e * _LN2[1]).astype(np.float32) - z * 0.5
    return (x + y) + e * _LN2[0]


def _sin_cos_float32(angle):
    """Sine and cosine of angles in [0, 2 pi]: x is what the angle is beyond the nearest quarter turn."""
    quarter = ((angle * _FOUR_OVER_PI).astype(np.int32) + 1) >> 1
    quarters = quarter.astype(np.float32)
    x = angle - quarters * _HALF_PI[0] - quarters * _HALF_PI[1]
    x = (x - quarters.astype(np.float64) * _HALF_PI[2]).astype(np.float32)
    z = x * x
    z64 = z.astype(np.float64)
    cos = (_polynomial(_COS, z64) * z * z64 - z * 0.5).astype(np.float32) + 1
    sin = (_polynomial(_SIN, z64) * z * x.astype(np.float64) + x).astype(np.float32)
    odd = (quarter & 1).astype(bool)
    sin, cos = np.where(odd, cos, sin), np.where(odd, sin, cos)
    return sin * (1 - (quarter & 2)).astype(np.float32), cos * (1 - ((quarter + 1) & 2)).astype(np.float32)


def _box_muller(u, mean, std):
    """Normal values from uniforms: in blocks of 16, eight radii and eight angles (Box and Muller, 1958)."""
    blocks = u.reshape(-1, 2, 8)
    if u.dtype == np.float32:
        mean, std = _float32(mean, std)
        radius = np.sqrt(_log_float32(1 - blocks[:, 0]) * -2)
        sin, cos = _sin_cos_float32(blocks[:, 1] * _TWO_PI)
    else:
        radius = np.sqrt(-2 * _by_c_library(math.log, 1 - blocks[:, 0]))
        angle = 2 * math.pi * blocks[:, 1]
        sin, cos = np.sin(angle), np.cos(angle)
    return _fused(np.stack((radius * cos, radius * sin), axis=1), std, mean).reshape(-1)


def _by_c_library(function, x):
    """A function of `math` over a float64 array: NumPy's own logarithms differ from PyTorch's by an ulp."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def _float_dtype(operation, dtype):
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"{operation}: expected dtype float32 or float64, but got {dtype}")
    return dtype


def _integer_limits(dtype):
    """The smallest and largest integers between which the dtype, and int64, hold every integer."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind == "f":
        digits = np.finfo(dtype).nmant + 1
        return -(2**digits), 2**digits
    return int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), 2**63 - 1)


# ------------------------------------------------------------------------------------------------------------
# The generator
# ------------------------------------------------------------------------------------------------------------

# PyTorch's serialised generator, 5056 bytes; unnamed bytes are zero.
_STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "next_normal", "has_next_normal"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", 624), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040],
        "itemsize": 5056,
    }
)


def _fresh_seed():
    return int.from_bytes(os.urandom(8), "little")


class Generator:
    """PyTorch's CPU generator: seeds, states and draws are those of `torch.Generator`.

    Each draw takes a shape (a tuple) and a NumPy dtype and returns a new contiguous array on the host, filled
    in row-major order. Threads may share a generator. Misuse raises the type of error that PyTorch raises.

    `Generator("cuda")` is one that draws on the GPU, see `philox.DeviceGenerator`.
    """

    _kinds = {}  # of generators, by the type of device

    def __init_subclass__(cls, on):
        Generator._kinds[on] = cls

    def __new__(cls, device="cpu"):
        return super().__new__(cls._kinds.get(Device(device).type, cls))

    def __init__(self, device="cpu"):
        self.device = Device("cpu")
        self._lock = threading.RLock()
        self.manual_seed(67280421310721)  # PyTorch's default seed

    # Seed and state -----------------------------------------------------------------------------------------

    def manual_seed(self, seed):
        """Restart the stream at an integer in [-2^63, 2^64), taken modulo 2^64; returns the generator.

        The twister sees the low 32 bits only, as in PyTorch.
        """
        seed = self._checked(seed)
        with self._lock:
            self._made = None
            self._restart(seed, untouched=True, next_normal=None)
        return self

    @staticmethod
    def _checked(seed):
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = operator.index(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed expected a seed in [-2^63, 2^64), but got {seed}")
        return seed % 2**64

    @property
    def _twister(self):
        """NumPy's twister, made where it is first needed: its import would take as long as all of this library's."""
        if self._made is None:
            self._made = np.random.MT19937(0)
            np.random.RandomState(self._made).seed(self._seed % 2**32)
        return self._made

    def seed(self):
        """Restart the stream at a seed from the operating system and return that seed."""
        return self.manual_seed(_fresh_seed()).initial_seed()

    def initial_seed(self):
        """The seed that the stream was last started from."""
        return self._seed

    def get_state(self):
        """The state as PyTorch serialises it: an array of 5056 uint8."""
        with self._lock:
            twister = self._twister
            if self._buffer.size:  # the twister has run ahead: replay what was handed out
                twister = np.random.MT19937(0)
                twister.state = self._buffer_start
                twister.random_raw(self._position, output=False)
            key, position = twister.state["state"]["key"], twister.state["state"]["pos"]
            state = np.zeros(1, _STATE)
            state["seed"], state["seeded"], state["key"] = self._seed, 1, key
            state["left"], state["next"] = 625 - position, 0 if self._untouched else position
            if self._next_normal is not None:
                state["next_normal"], state["has_next_normal"] = self._next_normal, 1
        return state.view(np.uint8)

    def set_state(self, state):
        """Continue from a state of `get_state`, PyTorch's or this one's."""
        state = self._unpacked(state, _STATE)
        left, position = int(state["left"]), int(state["next"])
        untouched = (left, position) == (1, 0)
        if state["seeded"] != 1 or not 1 <= left <= 624 or (position != 625 - left and not untouched):
            raise RuntimeError("set_state: invalid mt19937 state")
        words = {"key": state["key"].astype(np.uint32), "pos": 625 - left}
        with self._lock:
            self._twister.state = {"bit_generator": "MT19937", "state": words}
            next_normal = float(state["next_normal"]) if state["has_next_normal"] else None
            self._restart(int(state["seed"]), untouched, next_normal)

    @staticmethod
    def _unpacked(state, layout):
        """The fields of a state that `get_state` returned, or the error for what cannot be one."""
        state = np.asarray(state)
        if state.dtype != np.uint8:
            raise TypeError(f"set_state: expected an array of uint8, but got {state.dtype}")
        if state.size != layout.itemsize:
            raise RuntimeError(f"set_state: expected {layout.itemsize} bytes, but got {state.size}")
        return np.frombuffer(state.tobytes(), layout)[0]

    def clone_state(self):
        """A new generator in the same state."""
        clone = Generator(self.device)
        clone.set_state(self.get_state())
        return clone

    def __reduce__(self):
        return Generator, (), self.get_state()

    __setstate__ = set_state

    def _restart(self, seed, untouched, next_normal):
        self._seed, self._untouched, self._next_normal = seed, untouched, next_normal
        self._buffer, self._position, self._buffer_start = np.empty(0, np.int64), 0, None

    def _words(self, count):
        """The next `count` words as int64, possibly a view of the buffer: never write to it. The caller has the lock."""
        start = self._position
        stop = start + count
        if stop <= self._buffer.size:
            self._position = stop
            return self._buffer[start:stop]
        rest = self._buffer[start:]
        missing = count - rest.size
        if missing > _BUFFER // 8:  # large draws go past the buffer
            fresh = self._twister.random_raw(missing).view(np.int64)
            self._buffer, self._position = self._buffer[:0], 0
        else:
            self._buffer_start = self._twister.state
            self._buffer, self._position = self._twister.random_raw(_BUFFER).view(np.int64), missing
            fresh = self._buffer[:missing]
        self._untouched = False
        return np.concatenate((rest, fresh)) if rest.size else fresh

    # Real numbers -------------------------------------------------------------------------------------------

    def rand(self, shape, dtype=np.float32):
        """Uniform on [0, 1): the low 24 bits of a word times 2^-24; for float64 the low 53 of two words."""
        values = np.empty(shape, _float_dtype("rand", dtype))
        flat = values.reshape(-1)
        with self._lock:
            for start in range(0, flat.size, _CHUNK):
                part = flat[start : start + _CHUNK]
                if flat.itemsize == 4:
                    part[:] = (self._words(part.size) & 0xFFFFFF) * 2.0**-24
                else:
                    words = self._words(2 * part.size)
                    part[:] = ((words[0::2] & 0x1FFFFF) << 32 | words[1::2]) * 2.0**-53
        return values

    def uniform(self, low, high, shape, dtype=np.float32):
        """Uniform on [low, high): `rand` times (high - low) plus low, as `Tensor.uniform_` draws it."""
        dtype = self._bounded(low, high, dtype)
        low, high = dtype.type(low), dtype.type(high)
        values = self.rand(shape, dtype)
        flat = values.reshape(-1)
        for start in range(0, flat.size, _CHUNK):
            part = flat[start : start + _CHUNK]
            part[:] = _fused(part, float(high - low), float(low))
            part[part == high] = low  # rounding may have reached the bound
        return values

    @staticmethod
    def _bounded(low, high, dtype):
        dtype = _float_dtype("uniform_", dtype)
        largest = float(np.finfo(dtype).max)
        if not (-largest <= low <= high <= largest and high - low <= largest):
            raise RuntimeError(
                "uniform_ expects to return a [from, to) range, with from, to and to - from "
                f"finite in {dtype}, but found from={low:g}, to={high:g}"
            )
        return dtype

    def randn(self, shape, dtype=np.float32):
        """Normal values of mean 0 and standard deviation 1, see `normal`."""
        return self.normal(0.0, 1.0, shape, dtype)

    def normal(self, mean, std, shape, dtype=np.float32, contiguous=True):
        """Normal values of the given mean and standard deviation, by Box and Muller's transform.

        With 16 values or more: all are first drawn as by `rand`, then transformed in blocks of 16; if the
        size is no multiple of 16, the last 16 values are drawn anew. With fewer, or for a target that is not
        contiguous in memory (which PyTorch fills in memory order): pair after pair in float64, and the second
        value of a pair may wait for the next such draw.
        """
        dtype = _float_dtype("normal_", dtype)
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        size = math.prod(shape)
        tail = size % _BLOCK
        with self._lock:
            if size < _BLOCK or not contiguous:
                values = _fused(np.array(self._normal_pairs(size), np.float64), float(std), float(mean))
                return values.astype(dtype).reshape(shape)
            values = self.rand((size,), dtype)
            if tail:
                values = np.concatenate((values[:-tail], self.rand((_BLOCK,), dtype)))
        for start in range(0, values.size, _CHUNK):
            part = values[start : start + _CHUNK]
            part[:] = _box_muller(part, mean, std)
        if tail:
            values = np.concatenate((values[: size - _BLOCK], values[-_BLOCK:]))
        return values.reshape(shape)

    def _normal_pairs(self, count):
        values = []
        if self._next_normal is not None:
            values, self._next_normal = [self._next_normal], None
        unit = self.rand(((count - len(values) + 1) // 2 * 2,), np.float64).tolist()
        for u1, u2 in zip(unit[0::2], unit[1::2], strict=True):
            radius, angle = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
            values += (radius * math.cos(angle), radius * math.sin(angle))
        if len(values) > count:
            self._next_normal = values.pop()
        return values

    def exponential(self, rate, shape, dtype=np.float32):
        """Exponential values of the given rate: -log(1 - u) / rate, u a float64 uniform for either dtype."""
        dtype = _float_dtype("exponential_", dtype)
        if not rate > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
        unit = self.rand(shape, np.float64)
        log = np.log1p(-unit) if dtype == np.float32 else _by_c_library(math.log1p, -unit)
        return np.asarray(-1.0 / rate * log, dtype)

    # Zeros and ones -----------------------------------------------------------------------------------------

    def bernoulli(self, p, shape=(), dtype=np.float32):
        """1 with probability p, else 0: whether a uniform is below p.

        A number p draws float64 uniforms, as `Tensor.bernoulli_(p)`. An array p, broadcast to `shape` unless
        that is (), draws uniforms of its own dtype, as `torch.bernoulli(p)`.
        """
        if not isinstance(p, np.ndarray):
            if not 0 <= p <= 1:
                raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
            return np.asarray(self.rand(shape, np.float64) < p, dtype)
        if not ((p >= 0) & (p <= 1)).all():
            raise RuntimeError(f"bernoulli expects p to be in [0, 1], but got {p.min()} to {p.max()}")
        p = np.broadcast_to(p, shape) if shape else p
        return np.asarray(self.rand(p.shape, _float_dtype("bernoulli", p.dtype)) < p, dtype)

    def dropout_mask(self, p, shape, dtype=np.float32):
        """What `dropout` multiplies by: 0 with probability p, else 1 / (1 - p).

        Drawn as `bernoulli(1 - p)`, but for p = 0 and p = 1 nothing is drawn.
        """
        dtype = _float_dtype("dropout", dtype)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if p in (0, 1):
            return np.full(shape, 1 - p, dtype)
        return np.asarray(self.bernoulli(1 - p, shape, dtype) / dtype.type(1 - p))

    # Integers -----------------------------------------------------------------------------------------------

    def randint(self, low, high, shape, dtype=np.int64):
        """Integers in [low, high), for any dtype that holds them all: a word modulo (high - low), plus low.

        Where high - low is 2^28 or more, a 64-bit draw takes the place of the word.
        """
        self._limited(low, high, dtype)
        count = math.prod(shape)
        many = high - low >= 2**28
        with self._lock:
            words = self._words(2 * count if many else count)
        if not many:
            values = words % (high - low)
        else:
            words = words.astype(np.uint64)
            values = ((words[0::2] << np.uint64(32) | words[1::2]) % np.uint64(high - low)).view(np.int64)
        if low:
            values += low
        if dtype != np.int64:
            values = values.astype(dtype)
        return values if len(shape) == 1 else values.reshape(shape)

    @staticmethod
    def _limited(low, high, dtype):
        if dtype != np.int64 or not -(2**63) <= low < high < 2**63:
            if low >= high:
                raise RuntimeError(f"random_ expects 'from' to be less than 'to', got {low} >= {high}")
            smallest, largest = _integer_limits(dtype)
            if low < smallest or high > min(largest + 1, 2**63 - 1):
                raise RuntimeError(f"random_: from={low}, to={high} is out of bounds for {np.dtype(dtype)}")

    def randperm(self, n, dtype=np.int64):
        """A permutation of 0 .. n - 1: step i swaps entries i and i + word % (n - i) (Fisher and Yates).

        From n = 214748364 on PyTorch draws by another rule; that is refused.
        """
        largest = min(_integer_limits(dtype)[1] + 1, 2**32 // 20 - 1)
        if not 0 <= n <= largest:
            raise RuntimeError(f"randperm: n must be from 0 to {largest} for {np.dtype(dtype)}, but got {n}")
        # All swaps at once. What step i puts at entry i stood at `chosen[i]`. The last step k < i that chose
        # that entry put it there, from entry k; there it had come from the last step that chose k; and so on.
        step = np.arange(n)
        chosen = step.copy()
        with self._lock:
            words = self._words(max(n - 1, 0))
        chosen[:-1] += words % np.arange(n, 1, -1)
        moving = np.flatnonzero(chosen != step)
        origin, further = None, step.copy()
        further[chosen[moving]] = moving  # where several steps choose one entry, the last stays
        while origin is None or not np.array_equal(origin, further):
            origin, further = further, further[further]
        visits = np.sort(chosen * n + step)  # by chosen entry, then by step
        entry = visits // max(n, 1)
        visits -= entry * n
        again = np.flatnonzero(entry[1:] == entry[:-1])
        chosen[visits[again + 1]] = origin[visits[again]]
        return chosen.astype(dtype, copy=False)

    def multinomial(self, probabilities, num_samples, replacement=False):
        """Indices drawn with the given weights: float32 or float64, (categories,) or (rows, categories).

        Returns int64 of shape (num_samples,) or (rows, num_samples). Weights need not sum to 1. One sample,
        or several without replacement: those of the largest p / e, where e = `exponential(1)` in the weights'
        dtype; equal ones, such as several of weight 0, in order (in PyTorch in no given order). Several with
        replacement: a float64 uniform each, looked up in the cumulative sum.
        """
        p = self._weights(probabilities, num_samples, replacement)
        if num_samples == 1:
            return (p / self.exponential(1.0, p.shape, p.dtype)).argmax(-1, keepdims=True)
        if not replacement:
            order = np.argsort(-p / self.exponential(1.0, p.shape, p.dtype), axis=-1, kind="stable")
            return order[..., :num_samples].copy()
        cumulative = np.cumsum(p, axis=-1, dtype=p.dtype)
        cumulative /= cumulative[..., -1:]
        unit = self.rand((*p.shape[:-1], num_samples), np.float64)
        if p.ndim == 1:
            return cumulative.searchsorted(unit)
        rows = [row.searchsorted(u) for row, u in zip(cumulative, unit, strict=True)]
        return np.array(rows, np.int64).reshape(unit.shape)

    @staticmethod
    def _weights(p, num_samples, replacement):
        if p.dtype not in (np.float32, np.float64):
            raise RuntimeError(f"multinomial only supports float32 and float64 for input, got: {p.dtype}")
        if p.ndim not in (1, 2):
            raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got shape {p.shape}")
        if num_samples <= 0:
            raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
        if not replacement and num_samples > p.shape[-1]:
            raise RuntimeError(
                "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement, "
                f"got {num_samples} of {p.shape[-1]}"
            )
        if p.shape[-1] > 2**24:
            raise RuntimeError(f"multinomial: number of categories cannot exceed 2^24, got {p.shape[-1]}")
        if not ((p >= 0) & (p < math.inf)).all():
            raise RuntimeError("multinomial: probability tensor contains either `inf`, `nan` or element < 0")
        if (p.sum(-1) == 0).any():
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        return p


# ------------------------------------------------------------------------------------------------------------
# The default generator: it starts from a seed of the operating system
# ------------------------------------------------------------------------------------------------------------

default_generator = Generator()
source = default_generator  # what is drawn from where no generator is given, see `cuda.draw_on_device`
followers = []  # the default generators of GPUs, which are seeded as the default one is
initial_seed = default_generator.initial_seed
get_rng_state = default_generator.get_state
set_rng_state = default_generator.set_state
default_generator.seed()


def manual_seed(seed):
    """Restart the default streams at `seed`, see `Generator.manual_seed`; returns the default generator."""
    for generator in followers:
        generator.manual_seed(int(seed))
    return default_generator.manual_seed(int(seed))


def seed():
    """Restart the default streams at a seed from the operating system and return that seed."""
    return manual_seed(_fresh_seed()).initial_seed()
