"""minigrad: a deep-learning framework to read, with PyTorch's words and PyTorch's numbers."""

from . import accelerator, autograd, cuda, gradcheck, jacobian, linalg, nn, optim, random, utils
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .creation import (
    arange, as_tensor, bernoulli, empty, empty_like, eye, from_numpy, full, full_like, linspace, logspace,
    multinomial, normal, ones, ones_like, rand, rand_like, randint, randint_like, randn, randn_like, randperm, tensor,
    zeros, zeros_like,
)  # fmt: skip
from .device import device
from .dtypes import finfo, get_default_dtype, iinfo, is_floating_point, is_tensor, numel, set_default_dtype
from .guard import guard
from .ops.comparison import (
    allclose, bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, eq, equal,
    ge, gt, isclose, isfinite, isinf, isnan, le, logical_and, logical_not, logical_or, logical_xor, lt, ne,
)  # fmt: skip
from .ops.elementwise import (
    abs, acos, add, addcdiv, addcmul, asin, atan, atan2, ceil, clamp, clamp_max, clamp_min, cos, cosh, div, exp,
    expm1, floor, floor_divide, fmax, fmin, fmod, frac, hypot, lerp, log, log1p, log2, log10, masked_fill, maximum,
    minimum, mul, nan_to_num, neg, pow, reciprocal, relu, remainder, round, rsqrt, sigmoid, sign, sin, sinh, sqrt,
    square, sub, tan, tanh, trunc, where,
)  # fmt: skip
from .ops.special import erf, erfc
from .ops.operands import result_type
from .ops.diagonal import diag, diag_embed, diagonal, trace, tril, triu
from .ops.einsum import einsum
from .ops.extreme import amax, amin, aminmax, argmax, argmin, max, min
from .ops.gather import (
    argwhere, gather, index_add, index_copy, index_fill, index_select, masked_select, nonzero, scatter, scatter_add,
    take, take_along_dim,
)  # fmt: skip
from .ops.histograms import bincount, histc, histogram
from .ops.join import (
    cat, chunk, flip, hstack, repeat_interleave, roll, rot90, split, stack, tensor_split, tile, unbind, vstack,
)  # fmt: skip
from .ops.linalg import addmm, addmv, baddbmm, bmm, dot, inner, matmul, mm, mv, norm, outer
from .ops.reduce import (
    all, any, count_nonzero, log_softmax, logsumexp, mean, softmax, std, std_mean, sum, var, var_mean,
)  # fmt: skip
from .ops.running import cumprod, cumsum, prod
from .ops.shape import (
    broadcast_tensors, broadcast_to, flatten, meshgrid, movedim, permute, ravel, reshape, squeeze, swapaxes, t,
    transpose, unflatten, unsqueeze,
)  # fmt: skip
from .ops.sorting import argsort, bucketize, median, searchsorted, sort, topk, unique
from .printing import set_printoptions
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .tensor import (
    Size, Tensor, bool, float16, float32, float64, int8, int16, int32, int64, uint8,
)  # fmt: skip
from .cpu import get_num_threads, set_num_threads
from .utils.dlpack import from_dlpack

clone, concat, concatenate = Tensor.clone, cat, cat
moveaxis, swapdims = movedim, swapaxes
float, double, half, long, int, short = float32, float64, float16, int64, int32, int16
# torch has these under `autograd`, whose file cannot hold them: they use tensors, which are built on it
guard(globals(), ("minigrad.creation", "minigrad.ops"))
vars(autograd).update(gradcheck=gradcheck.gradcheck, gradgradcheck=gradcheck.gradgradcheck, functional=jacobian)
__version__ = "0.1.0"

# imported where they are first asked for, since many programs never do: what they stand on would double the time of an
# import, or take ten times as long where it is matplotlib
LATER = {"compile": "compiler", "load": "serialization", "save": "serialization"}
PACKAGES = "datasets", "diagnostics", "train"
__all__ = [name for name in (*globals(), *LATER) if not name.startswith("_")]


def __getattr__(name):
    from importlib import import_module  # here, so that nobody finds it in this package

    if name in PACKAGES:
        return import_module(f".{name}", __name__)  # which sets the attribute
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{LATER[name]}", __name__), name)
    return value


def __dir__():
    return [*globals(), *LATER, *PACKAGES]
