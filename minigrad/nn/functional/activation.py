"""Activations: each forward with its derivative, then the function that users call.

Where a derivative changes at a kink, it is torch's on either side and at the kink itself. It chooses between gradients
instead of multiplying them by masks, so that an infinite one stays where it belongs.
"""

import functools
import math

from ...autograd import Variable, primitive
from ...backend import Array, constant, kind_of, on_gpu, select, xp
from ...guard import warn
from ...kernels import fused
from ...ops import reduce
from ...ops.elementwise import abs, copied, exp, sigmoid, square, tanh, where_
from ...ops.elementwise import relu as relu_
from ...ops.inplace import store
from ...ops.join import split
from ...ops.operands import operand, sum_to, unary
from ...ops.shape import dim_of, reshape_
from ...ops.special import erf


def tensor_of(input, operation):
    """The input, or an error where it is no Tensor."""
    if isinstance(input, Variable):
        return input
    raise TypeError(f"{operation}(): expected input to be a Tensor, got {kind_of(input)}")


def floating(input, operation):
    """The input, or an error where it is no Tensor of a floating dtype."""
    tensor_of(input, operation)
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{operation}: expected an input of a floating dtype, got {input.array.dtype}")
    return input


def activation(primitive_, input, inplace, *options):
    """The primitive of the input; `inplace` writes it over the input, of which backward then keeps a copy."""
    for value in options:
        operand(value, primitive_.__name__)
    return store(input, primitive_(copied(input), *options)) if inplace else primitive_(input, *options)


# ------------------------------------------------------------------------------------------- piecewise linear


def relu(input, inplace=False):
    """max(x, 0)."""
    return activation(relu_, input, inplace)


@primitive
def leaky_relu_(x, slope):
    scaled = x * constant(slope, x.dtype)
    return xp.maximum(x, scaled) if slope <= 1 else xp.minimum(x, scaled)


leaky_relu_.vjp(lambda g, x, slope: where_(g, g * slope, x > 0))


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where it is positive, else negative_slope * x."""
    return activation(leaky_relu_, floating(input, "leaky_relu"), inplace, negative_slope)


@primitive(undo_broadcast=sum_to)
def prelu_(x, w):
    return xp.maximum(x, 0) + xp.minimum(x, 0) * w


prelu_.vjps(x=lambda g, x, w: where_(g, g * w, x > 0), w=lambda g, x: where_(0.0, g * x, x > 0))


def prelu(input, weight):
    """x where it is positive, else weight * x; weight has one element, or one a channel (dimension 1).

    Source: He et al., 2015.
    """
    x, w = floating(input, "prelu").array, weight.array
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim > 1 or w.size not in (1, channels):
        raise RuntimeError(
            f"prelu: expected a weight of 1 element or of the {channels} channels of input {x.shape}, got "
            f"shape {w.shape}"
        )
    if w.dtype != x.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {x.dtype} and {w.dtype}")
    return prelu_(input, reshape_(weight, (w.size, *(1,) * (x.ndim - 2)) if x.ndim > 1 else ()))


@primitive
def threshold_(x, threshold, value):
    return select(x <= threshold, constant(value, x.dtype), x)  # NaN stays


threshold_.vjp(lambda g, x, threshold: where_(0.0, g, x <= threshold))


def threshold(input, threshold, value, inplace=False):
    """x where it is above the threshold, else `value`."""
    return activation(threshold_, tensor_of(input, "threshold"), inplace, threshold, value)


@primitive
def hardtanh_(x, low, high):
    return xp.clip(x, low, high)


hardtanh_.vjp(lambda g, x, low, high: where_(0.0, g, (x <= low) | (x >= high)))


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    if input.array.dtype.kind == "b":
        raise RuntimeError("hardtanh: Bool inputs not supported for hardtanh")
    if input.array.dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    return activation(hardtanh_, input, inplace, min_val, max_val)


def relu6(input, inplace=False):
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


@primitive
def hardsigmoid_(x):
    return xp.clip(x + 3, 0, 6) / 6


hardsigmoid_.vjp(lambda g, x: where_(g * (1 / 6), 0.0, (x > -3) & (x < 3)))


def hardsigmoid(input, inplace=False):
    """(x + 3) / 6 limited to [0, 1]."""
    return activation(hardsigmoid_, floating(input, "hardsigmoid"), inplace)


@primitive
def hardswish_(x):
    return x * xp.clip(x + 3, 0, 6) / 6


hardswish_.vjp(lambda g, x: where_(0.0, where_(g * (x * (1 / 3) + 0.5), g, x < 3), x <= -3))


def hardswish(input, inplace=False):
    """x * hardsigmoid(x). Source: Howard et al., 2019."""
    return activation(hardswish_, floating(input, "hardswish"), inplace)


# ----------------------------------------------------------------------------------------- exponential linear


@primitive
def elu_(x, alpha, scale, inner):
    """scale * x where it is positive, else scale * alpha * (exp(inner * x) - 1)."""
    return (xp.maximum(x, 0) + xp.expm1(xp.minimum(x, 0) * inner) * alpha) * scale


@elu_.vjp
def elu_vjp(g, x, alpha, scale, inner):
    return where_(g * (scale * alpha * inner) * exp(relu_(-x) * -inner), g * scale, x <= 0)


def elu(input, alpha=1.0, inplace=False):
    """x where it is positive, else alpha * (exp(x) - 1). Source: Clevert et al., 2016."""
    return activation(elu_, floating(input, "elu"), inplace, alpha, 1.0, 1.0)


def selu(input, inplace=False):
    """scale * elu(x, alpha), such that mean 0 and variance 1 are kept. Source: Klambauer et al., 2017."""
    return activation(elu_, floating(input, "selu"), inplace, 1.6732632423543772, 1.0507009873554805, 1.0)


def celu(input, alpha=1.0, inplace=False):
    """x where it is positive, else alpha * (exp(x / alpha) - 1). Source: Barron, 2017."""
    if alpha == 0:
        raise RuntimeError("celu: alpha cannot be 0 for CELU")
    return activation(elu_, floating(input, "celu"), inplace, alpha, 1.0, 1 / alpha)


# ------------------------------------------------------------------------------------- sigmoids and their kin


@primitive
def softplus_(x, beta, threshold):
    scaled = x * beta
    return select(scaled > threshold, x, (xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / beta)


@softplus_.vjp
def softplus_vjp(g, x, beta, threshold):
    scaled = x * beta
    return where_(g, g * sigmoid(scaled), scaled > threshold)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold."""
    return activation(softplus_, floating(input, "softplus"), False, beta, threshold)


@unary(floating=True)
def logsigmoid(x):
    """log(sigmoid(x)), without its underflow."""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


logsigmoid.vjp(lambda g, x: g * sigmoid(-x))


@unary(floating=True)
def softsign(x):
    """x / (1 + |x|)."""
    return x / (xp.abs(x) + 1)


softsign.vjp(lambda g, x: g / square(abs(x) + 1))


@unary(floating=True)
def tanhshrink(x):
    """x - tanh(x)."""
    return x - xp.tanh(x)


tanhshrink.vjp(lambda g, x: g * square(tanh(x)))


@primitive
@fused("T x", "T y", "y = x * (1 / (1 + exp(-x)))")
def silu_(x):
    return x * sigmoid(x)


@silu_.vjp
@fused("T g, T x", "T y", "T s = 1 / (1 + exp(-x)); y = g * s * (x * (1 - s) + 1)")
def silu_vjp(g, x):
    s = sigmoid(x)
    return g * s * (x * (1 - s) + 1)


def silu(input, inplace=False):
    """x * sigmoid(x), also called swish. Source: Elfwing et al., 2017."""
    return activation(silu_, floating(input, "silu"), inplace)


@primitive
def mish_(x):
    return x * xp.tanh(softplus_(x, 1.0, 20.0))


@mish_.vjp
def mish_vjp(g, x):
    t = tanh(softplus_(x, 1.0, 20.0))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def mish(input, inplace=False):
    """x * tanh(softplus(x)). Source: Misra, 2019."""
    return activation(mish_, floating(input, "mish"), inplace)


ROOT_HALF, DENSITY = math.sqrt(0.5), math.sqrt(0.5 / math.pi)  # the normal density at 0
TANH_SCALE, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715  # erf(x / sqrt(2)) is about tanh(scale * (x + cube * x^3))
TANH_OF = f"(x + x * x * x * (T){TANH_CUBE}) * (T){TANH_SCALE}"


BLOCK = 1 << 16  # numbers


def in_blocks(function):
    """An elementwise function of arrays of one shape, computed for some numbers at a time where these are many.

    What it makes on the way stays small then: without that, a gradient of gelu needs five times the memory of its result.
    """

    @functools.wraps(function)
    def call(*arrays):
        x = arrays[0]
        if on_gpu or x.__class__ is not Array or x.size <= BLOCK or not all(a.flags.c_contiguous for a in arrays):
            return function(*arrays)
        y, flat = xp.empty_like(x), [a.reshape(-1) for a in arrays]
        blocks = y.reshape(-1)
        for first in range(0, x.size, BLOCK):
            blocks[first : first + BLOCK] = function(*[a[first : first + BLOCK] for a in flat])
        return y

    return call


@primitive
@fused("T x", "T y", f"y = x * (erf(x * (T){ROOT_HALF}) + 1) * (T)0.5")
@in_blocks
def gelu_(x):
    return x * (erf(x * ROOT_HALF) + 1) * 0.5


@gelu_.vjp
@fused("T g, T x", "T y", f"y = g * ((erf(x * (T){ROOT_HALF}) + 1) * (T)0.5 + x * exp(x * x * (T)-0.5) * (T){DENSITY})")
@in_blocks
def gelu_vjp(g, x):
    return g * ((erf(x * ROOT_HALF) + 1) * 0.5 + x * exp(x * x * -0.5) * DENSITY)


@primitive
@fused("T x", "T y", f"y = x * (tanh({TANH_OF}) + 1) * (T)0.5")
def gelu_by_tanh(x):
    return x * (xp.tanh((x + x * x * x * TANH_CUBE) * TANH_SCALE) + 1) * 0.5


@gelu_by_tanh.vjp
@fused(
    "T g, T x", "T y",
    f"T t = tanh({TANH_OF}); "
    f"y = g * (t + 1 + x * (1 - t * t) * (x * x * (T){3 * TANH_CUBE} + 1) * (T){TANH_SCALE}) * (T)0.5",
)  # fmt: skip
@in_blocks
def gelu_by_tanh_vjp(g, x):
    t = tanh((x + x * x * x * TANH_CUBE) * TANH_SCALE)
    return g * (t + 1 + x * (1 - t * t) * (x * x * (3 * TANH_CUBE) + 1) * TANH_SCALE) * 0.5


def gelu(input, approximate="none"):
    """x times the normal distribution function of x, exactly or with "tanh" in place of erf.

    Source: Hendrycks and Gimpel, 2016.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")
    return (gelu_ if approximate == "none" else gelu_by_tanh)(floating(input, "gelu"))


def glu(input, dim=-1):
    """a * sigmoid(b), where a and b are the halves of the input along `dim`. Source: Dauphin et al., 2017."""
    shape = floating(input, "glu").array.shape
    size = shape[dim_of(dim, len(shape), "glu")] if shape else 1
    if size % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} of input {shape} is size {size}")
    a, b = split(input, size // 2, dim)
    return a * sigmoid(b)


# ---------------------------------------------------------------------------------------------------- softmax


def implicit_dim(input, dim, operation):
    """The dimension that torch takes, with a warning, where none is given."""
    if dim is not None:
        return dim
    warn(f"Implicit dimension choice for {operation} has been deprecated. Change the call to include dim=X as an argument.")
    return 0 if input.array.ndim in (0, 1, 3) else 1


def softmax(input, dim=None, *, dtype=None):
    """exp(x) / sum(exp(x)) along `dim`: probabilities. `dtype`: convert the input first."""
    return reduce.softmax(input, implicit_dim(input, dim, "softmax"), dtype=dtype)


def log_softmax(input, dim=None, *, dtype=None):
    """The logarithm of softmax along `dim`, without its underflow. `dtype`: convert the input first."""
    return reduce.log_softmax(input, implicit_dim(input, dim, "log_softmax"), dtype=dtype)


def softmin(input, dim=None, *, dtype=None):
    """softmax(-x) along `dim`. `dtype`: convert the input first."""
    return reduce.softmax(-tensor_of(input, "softmin"), implicit_dim(input, dim, "softmin"), dtype=dtype)
