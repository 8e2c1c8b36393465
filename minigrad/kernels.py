"""Kernels in CUDA C: how the library launches them on a GPU. Each stands beside the NumPy form of its operation.

A kernel replaces a chain of calls of CuPy by one launch, for float32 and float64. It is compiled at its first launch, for
the dtypes that it meets. `MINIGRAD_FUSED=0` in the environment turns kernels off; the operations are then computed on the
GPU by the form that NumPy has. Under NumPy nothing here is called.
"""

import functools
import os

from .backend import Array, on_gpu, xp

ENABLED = on_gpu and os.environ.get("MINIGRAD_FUSED", "1") != "0"
FLOATS = {xp.dtype("float32"), xp.dtype("float64")}
C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long", "uint8": "unsigned char"}
OPTIONS = ("-fmad=false",)  # products and sums are rounded apart, as they are by NumPy
THREADS = 256  # of a block, at most
LARGEST = (1 << 31) - 1024  # elements of an array; kernels count in 32 bits, which divide much faster than 64 do


def fusible(x, *others):
    """Whether kernels are in use and have a form for the raw arrays: of one dtype, float32 or float64, and not empty."""
    dtype = x.dtype
    return ENABLED and dtype in FLOATS and 0 < x.size < LARGEST and all(y.dtype == dtype for y in others)


def launch(function, *args):
    """function(*args), new arrays that a kernel computes from raw ones; a recording notes it down as one call.

    Arguments that it writes to are named by their places in its attribute `writes`.
    """
    return function(*args)


class Kernel:
    """A kernel with a signature of its own, whose source leaves types open, such as T: see `cupy.RawKernel`.

    It sees contiguous memory alone. Of Python's numbers, int is `long long` there and float is `double`; 0 may stand for a
    missing array.
    """

    def __init__(self, name, source):
        self.name, self.source = name, source
        self.variant = functools.cache(self.variant)

    def code(self, types):
        """The source for ((letter, dtype or C type), ...)."""
        return "".join([f"#define {letter} {C_TYPES.get(str(kind), kind)}\n" for letter, kind in types]) + self.source

    def variant(self, types):
        return xp.RawKernel(self.code(types), self.name, OPTIONS)

    def __call__(self, grid, block, args, **types):
        self.variant(tuple(types.items()))(grid, block, args)

    def each(self, n, args, **types):
        """With a thread for each of n numbers."""
        self(((n + THREADS - 1) // THREADS,), (THREADS,), args, **types)

    def rows(self, grid, size, args, **types):
        """With blocks that each go through `size` numbers, of as many threads as suit that: a power of 2."""
        self(grid, (min(max(1 << (size - 1).bit_length(), 32), THREADS),), args, **types)


def by_kernel(form):
    """Decorator: on a GPU, `form` computes this function of raw arrays in place of the lines below.

    It does so where `fusible` accepts the first argument; otherwise, under `create_graph=True` for instance, the lines run.
    """

    def decorate(plain):
        @functools.wraps(plain)
        def chosen(x, *others):
            if x.__class__ is Array and fusible(x):
                return launch(form, x, *others)
            return plain(x, *others)

        return chosen if ENABLED else plain

    return decorate


def fused(inputs, output, operation):
    """Decorator: on a GPU, one kernel computes this elementwise function of raw arrays in place of the lines below.

    `inputs`, `output` and `operation` are those of `cupy.ElementwiseKernel`, where T is the dtype of the first argument.
    """

    def decorate(plain):
        if not ENABLED:
            return plain
        name = f"minigrad_{plain.__name__.strip('_')}"  # C has an erf of its own
        kernel = xp.ElementwiseKernel(inputs, output, operation, name, options=OPTIONS)
        return by_kernel(kernel)(plain)

    return decorate


# for sources: what all threads of a block have, of which there are a power of 2; to be called by every one of them
REDUCE = f"""
__device__ T block_sum(T value)
{{
    __shared__ T part[{THREADS}];
    __syncthreads();  // the result of the call before was read
    part[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half; half /= 2) {{
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }}
    __syncthreads();
    return part[0];
}}

__device__ T block_max(T value)  // of numbers; NaN counts only where there is nothing else
{{
    __shared__ T part[{THREADS}];
    __syncthreads();
    part[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half; half /= 2) {{
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] = max(part[threadIdx.x], part[threadIdx.x + half]);
    }}
    __syncthreads();
    return part[0];
}}
"""
