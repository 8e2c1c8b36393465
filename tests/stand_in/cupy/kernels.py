"""Kernels written in CUDA C, executed by the host: what RawKernel and ElementwiseKernel are without a GPU.

g++ compiles a kernel together with the few names of CUDA that `PRELUDE` defines. Blocks run one after another. The threads
of a block take turns: each runs up to the next `__syncthreads()`, in an order that is drawn anew (the same in every run), so
that a barrier that is missing shows. It is an error when some threads of a block wait and others have left the kernel.

What a GPU accepts in silence and then computes nonsense from is an error here: a pointer to numbers of another dtype
than the array has, a number of another size than the parameter, too few arguments, too large a block.
"""

import ctypes
import functools
import hashlib
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from . import bare, device_array, ndarray, refusal, traffic

COMPILER = shutil.which("g++")
if COMPILER is None:  # the library then computes as it does without kernels
    os.environ["MINIGRAD_FUSED"] = "0"
    print("the stand-in for CuPy finds no g++, which kernels need: MINIGRAD_FUSED=0", file=sys.stderr)
CACHE = Path(__file__).parent / "__pycache__"  # of compiled kernels, beside Python's own
FLAGS = ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-fvisibility=hidden",
         "-fno-gnu-unique", "-ffp-contract=off", "-U_FORTIFY_SOURCE"]  # fmt: skip
# of numbers: the names that C has for them, and those by which C++ calls them at run time
C_TYPES = {
    "float32": "float", "float64": "double", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int", "uint64": "unsigned long long",
    "bool": "bool",
}  # fmt: skip
LETTERS = {letter: np.dtype(name) for letter, name in zip("fdasixhtjyb", C_TYPES)}
LETTERS |= {"l": np.dtype("int64"), "m": np.dtype("uint64"), "c": np.dtype("int8")}

PRELUDE = r"""
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <typeinfo>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __constant__ static
#define __restrict__
#define __launch_bounds__(...)

struct uint3 { unsigned int x, y, z; };
struct dim3 { unsigned int x = 1, y = 1, z = 1; };
static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

// CUDA's functions of two numbers prefer the one that is not NaN; those of integers are as everywhere
template <class A, class B> inline auto min(A a, B b) {
    if constexpr (std::is_floating_point_v<A> || std::is_floating_point_v<B>) return fmin(a, b);
    else return a < b ? (std::common_type_t<A, B>)a : (std::common_type_t<A, B>)b;
}
template <class A, class B> inline auto max(A a, B b) {
    if constexpr (std::is_floating_point_v<A> || std::is_floating_point_v<B>) return fmax(a, b);
    else return a > b ? (std::common_type_t<A, B>)a : (std::common_type_t<A, B>)b;
}
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
template <class T> inline T __ldg(const T *at) { return *at; }

// threads take turns and blocks follow each other, so these need no care
template <class T> inline T atomicAdd(T *at, T value) { T old = *at; *at = old + value; return old; }
template <class T> inline T atomicMax(T *at, T value) { T old = *at; *at = max(old, value); return old; }
template <class T> inline T atomicMin(T *at, T value) { T old = *at; *at = min(old, value); return old; }
template <class T> inline T atomicExch(T *at, T value) { T old = *at; *at = value; return old; }
template <class T> inline T atomicCAS(T *at, T wanted, T value) {
    T old = *at;
    if (old == wanted) *at = value;
    return old;
}
inline void __threadfence() {}

namespace stand_in {

enum State { READY, WAITING, DONE };
struct Fiber { jmp_buf place; State state; uint3 index; };
const size_t STACK = 1 << 16;
Fiber fibers[1024];
int order[1024];
unsigned int chance;
Fiber *current;
jmp_buf scheduler;
ucontext_t start, back;
char *stacks, *dynamic_memory;
void (*body)(void *);
void *body_argument;

void pause(State state) {
    current->state = state;
    if (!_setjmp(current->place)) _longjmp(scheduler, 1);
}

void fiber_main() {
    for (;;) {
        body(body_argument);
        pause(DONE);
    }
}

void resume(Fiber *fiber) {
    current = fiber;
    threadIdx = fiber->index;
    if (!_setjmp(scheduler)) _longjmp(fiber->place, 1);
}

void enter(Fiber *fiber, char *stack) {  // the first time; each starts by waiting, so that it has a place to go on from
    current = fiber;
    getcontext(&start);
    start.uc_stack.ss_sp = stack;
    start.uc_stack.ss_size = STACK;
    start.uc_link = &back;
    makecontext(&start, (void (*)())(void (*)(void)) + [] {
        pause(READY);
        fiber_main();
    }, 0);
    if (!_setjmp(scheduler)) setcontext(&start);
}

// 0, or 1 where some threads of a block wait and others have left
int run_block(int threads, bool barriers) {
    int i = 0;
    for (unsigned int z = 0; z < blockDim.z; z++)
        for (unsigned int y = 0; y < blockDim.y; y++)
            for (unsigned int x = 0; x < blockDim.x; x++) {
                order[i] = i;
                fibers[i++].index = {x, y, z};
            }
    if (!barriers) {
        for (i = 0; i < threads; i++) {
            threadIdx = fibers[i].index;
            body(body_argument);
        }
        return 0;
    }
    static int entered = 0;
    if (!stacks) stacks = (char *)malloc(sizeof fibers / sizeof *fibers * STACK);
    for (; entered < threads; entered++) enter(fibers + entered, stacks + entered * STACK);
    for (;;) {
        int waiting = 0;
        for (i = threads; i; i--) {
            chance = chance * 1103515245 + 12345;
            int k = (chance >> 8) % i, picked = order[k];
            order[k] = order[i - 1];
            order[i - 1] = picked;
            resume(fibers + picked);
            waiting += current->state == WAITING;
        }
        if (!waiting) return 0;
        if (waiting < threads) {
            entered = 0;  // what they left behind is not to be gone on with
            return 1;
        }
    }
}

template <class... A, size_t... I> void apply(void (*kernel)(A...), void **values, std::index_sequence<I...>) {
    kernel(*(std::remove_cv_t<A> *)values[I]...);
}

template <class... A>
int launch(void (*kernel)(A...), const unsigned int *sizes, long long shared, bool barriers, void **values) {
    struct Call { void (*kernel)(A...); void **values; } call = {kernel, values};
    body = [](void *argument) {
        Call *call = (Call *)argument;
        apply(call->kernel, call->values, std::index_sequence_for<A...>());
    };
    body_argument = &call;
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    dynamic_memory = (char *)malloc(shared + 1);
    chance = 0;
    int failed = 0;
    for (unsigned int z = 0; z < gridDim.z && !failed; z++)
        for (unsigned int y = 0; y < gridDim.y && !failed; y++)
            for (unsigned int x = 0; x < gridDim.x && !failed; x++) {
                blockIdx = {x, y, z};
                memset(dynamic_memory, 0xff, shared);  // NaN
                failed = run_block(blockDim.x * blockDim.y * blockDim.z, barriers);
            }
    free(dynamic_memory);
    return failed;
}

// a word for each parameter: "P" and what it points to, the type of a number, or "V" and the size of a structure
template <class A> const char *word() {
    using Target = std::remove_cv_t<std::remove_pointer_t<A>>;
    static char structure[20];
    if constexpr (std::is_void_v<Target>) return "v";
    else if constexpr (std::is_class_v<Target>) return sprintf(structure, "V%zu", sizeof(Target)), structure;
    else return typeid(Target).name();
}
template <class... A> void describe(void (*)(A...), char *words) {
    *words = 0;
    ((strcat(words, std::is_pointer_v<A> ? " P" : " "), strcat(words, word<std::remove_cv_t<A>>())), ...);
}

}
#define __syncthreads() stand_in::pause(stand_in::WAITING)
"""
ENTRANCE = r"""
#pragma GCC visibility push(default)
extern "C" int run(const unsigned int *sizes, long long shared, bool barriers, void **values) {
    return stand_in::launch(KERNEL, sizes, shared, barriers, values);
}
extern "C" void describe(char *words) { stand_in::describe(KERNEL, words); }
"""


class CompileException(Exception):
    """What the compiler has against a source."""


@functools.cache
def compiled(source, options=()):
    """The library that g++ makes of a source, from the cache where it was made before."""
    if COMPILER is None:
        raise RuntimeError("the stand-in for CuPy needs g++ to run kernels")
    flags = [*FLAGS, *(option for option in options if option.startswith("-D"))]
    path = CACHE / f"kernel-{hashlib.sha256(repr((source, flags)).encode()).hexdigest()[:32]}.so"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")  # two processes may want the same kernel at once
        done = subprocess.run([COMPILER, *flags, "-x", "c++", "-", "-o", unfinished], input=source, text=True,
                              capture_output=True)  # fmt: skip
        if done.returncode:
            raise CompileException(done.stderr)
        unfinished.replace(path)
    return ctypes.PyDLL(path)  # which keeps Python's lock: a library has one set of threads


class RawKernel:
    """A kernel with a signature of its own; it sees the memory of arrays alone, not their strides."""

    def __init__(self, code, name, options=(), backend="nvrtc", translate_cucomplex=False, *,
                 enable_cooperative_groups=False, jitify=False):  # fmt: skip
        for value, kind in ((code, str), (name, str), (options, tuple)):
            if not isinstance(value, kind):
                raise TypeError(f"RawKernel: expected {kind.__name__}, got {type(value).__name__}")
        self.code, self.name, self.options, self.backend = code, name, options, backend
        self.library = None

    def compile(self, log_stream=None):
        """Compile now what the first call would."""
        if self.library is None:
            code = DYNAMIC.sub(r"\1 *\2 = (\1 *)stand_in::dynamic_memory;", self.code)
            library = compiled("\n".join((PRELUDE, code, f"#define KERNEL {self.name}", ENTRANCE)), self.options)
            words = np.zeros(4096, np.uint8)  # every array type that ctypes makes is a reference cycle
            library.describe(ctypes.c_void_p(words.ctypes.data))
            words = words.tobytes().rstrip(b"\0").decode().split()
            self.parameters = [(word[0] == "P", dtype_of(word.lstrip("P"))) for word in words]
            self.library = library

    def __call__(self, grid, block, args, *, shared_mem=0):
        self.compile()
        grid, block = triple(grid, (2**31 - 1, 65535, 65535), "grid"), triple(block, (1024, 1024, 64), "block")
        if math.prod(block) > 1024 or shared_mem > 48 << 10:
            raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: a block of {block} with {shared_mem} bytes of shared memory")
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name} has {len(self.parameters)} parameters, got {len(args)} arguments")
        values = [self.value(i, x, *parameter) for i, (x, parameter) in enumerate(zip(args, self.parameters))]
        addresses = np.array([value.ctypes.data for value in values], np.uintp)
        sizes = np.array((*grid, *block), np.uint32)
        traffic["launches"] += 1
        barriers = ctypes.c_bool("__syncthreads" in self.code)
        at_sizes, at_addresses = (ctypes.c_void_p(array.ctypes.data) for array in (sizes, addresses))
        if self.library.run(at_sizes, ctypes.c_longlong(shared_mem), barriers, at_addresses):
            raise RuntimeError(f"{self.name}: some threads of a block wait at __syncthreads() while others have left")

    def value(self, i, x, is_pointer, dtype):
        """What is handed over for argument i, in memory of its own: an address or a number."""
        where = f"{self.name}, argument {i}: the kernel has a {'pointer to ' * is_pointer}{dtype}, got"
        if isinstance(x, ndarray):
            if not is_pointer or dtype is not None and x.dtype != dtype:
                raise TypeError(f"{where} an array of {x.dtype}")
            return np.array(x.host.ctypes.data if x.size else 0, np.uint64)
        if is_pointer and x.__class__ is int and x == 0:  # no array; as a number it has the size of an address
            return np.zeros(1, np.uint64)
        if isinstance(x, np.ndarray) and x.size != 1:
            raise TypeError(
                f"You are trying to pass a numpy.ndarray of shape {x.shape} as a kernel parameter. Only numpy.ndarrays of "
                "size one can be passed by value. If you meant to pass a pointer to __global__ memory, you need to pass a "
                "cupy.ndarray instead."
            )
        if not isinstance(x, (bool, int, float, np.ndarray, np.generic)):
            raise refusal(x)
        value = np.array(x)
        if is_pointer or value.dtype != dtype:
            raise TypeError(f"{where} a number of {value.dtype}")
        return value


def dtype_of(word):
    """The dtype of what `describe` calls so; None for void."""
    return np.dtype(word) if word[0] == "V" else LETTERS.get(word)


DYNAMIC = re.compile(r"extern\s+__shared__\s+(\w[\w ]*?)\s*(\w+)\[\];")


def triple(sizes, largest, what):
    sizes = (*sizes, *(1,) * (3 - len(sizes)))
    if len(sizes) != 3 or not all(1 <= n <= limit for n, limit in zip(sizes, largest)):
        raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: a {what} of {sizes}")
    return sizes


class RawModule:
    """The kernels of one source, by name."""

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", translate_cucomplex=False,
                 enable_cooperative_groups=False, name_expressions=None, jitify=None):  # fmt: skip
        if path is not None or name_expressions is not None:
            raise TypeError("the stand-in compiles source without templates only")
        self.code, self.options = code, options

    def get_function(self, name):
        """The kernel that the source calls so."""
        return RawKernel(self.code, name, self.options)


class Parameter:
    """One of "float32 x", "T x" and "raw T x": `dtype` is None for a placeholder, whose letter is `kind`."""

    def __init__(self, text):
        *raw, self.kind, self.name = text.split()
        if raw not in ([], ["raw"]) or not self.name.isidentifier():
            raise ValueError(f"Invalid parameter: {text!r}")
        if self.name in ("i", "n") or self.name.startswith("_"):
            raise ValueError(f"Can't use {self.name!r} as a parameter name: i, n and what begins with _ have a meaning")
        self.is_raw = bool(raw)
        self.dtype = None if len(self.kind) == 1 and self.kind.isupper() else np.dtype(self.kind)


def parameters(text):
    return [Parameter(part) for part in text.split(",") if part.strip()]


class ElementwiseKernel:
    """A few lines of CUDA C for each element of arrays that broadcast."""

    def __init__(self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble="", no_return=False,
                 return_tuple=False, *, options=(), loop_prep="", after_loop=""):  # fmt: skip
        if not name.isidentifier():
            raise ValueError(f"Invalid kernel name: {name!r}")
        self.in_params, self.out_params = parameters(in_params), parameters(out_params)
        self.params = self.in_params + self.out_params
        self.nin, self.nout, self.nargs = len(self.in_params), len(self.out_params), len(self.params)
        self.operation, self.name, self.preamble, self.options = operation, name, preamble, options
        self.no_return, self.return_tuple, self.loop_prep, self.after_loop = no_return, return_tuple, loop_prep, after_loop
        self.kernels = {}  # by the dtypes of the parameters

    def __call__(self, *args, size=None, block_size=128, stream=None):
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {self.nin} or {self.nargs} (with outputs), "
                f"but given {len(args)}."
            )
        for x in args:
            if not isinstance(x, (ndarray, bool, int, float, np.generic)):
                raise refusal(x)
        dtypes = self.dtypes(args)
        shape, all_raw = (), True
        for parameter, x in zip(self.params, args):
            if not parameter.is_raw:
                shape, all_raw = np.broadcast_shapes(shape, np.shape(bare(x))), False
        if all_raw and size is None:
            raise ValueError("Loop size is undecided.")
        if not all_raw and size is not None:
            raise ValueError("Specified 'size' can be used only if all of the ndarray are 'raw'.")
        shape = (size,) if all_raw else shape
        outs = list(args[self.nin :]) or [ndarray(shape, dtype) for dtype in dtypes[self.nin :]]
        for parameter, out in zip(self.out_params, outs):
            if not isinstance(out, ndarray):
                raise TypeError("Output arguments type must be cupy.ndarray")
            if not parameter.is_raw and out.shape != shape:
                raise ValueError("Out shape is mismatched")
        if math.prod(shape):
            self.run([*args[: self.nin], *outs], dtypes, shape)
        if self.no_return:
            return None
        return outs[0] if self.nout == 1 and not self.return_tuple else tuple(outs)

    def dtypes(self, args):
        """The dtype of each parameter; arrays decide what a placeholder stands for, and numbers follow."""
        known = {}
        for parameter, x in zip(self.params, args):
            if isinstance(x, ndarray):
                dtype = known.setdefault(parameter.kind, x.dtype) if parameter.dtype is None else parameter.dtype
                if dtype != x.dtype:
                    raise TypeError(f"Type is mismatched. {parameter.name} {x.dtype} {dtype} {parameter.kind}")
        for parameter in self.params:
            if parameter.dtype is None and parameter.kind not in known:
                raise ValueError(f"Unknown type placeholder: {parameter.kind}")
        return [known[parameter.kind] if parameter.dtype is None else parameter.dtype for parameter in self.params]

    def run(self, args, dtypes, shape):
        """The kernel on arrays that are contiguous and of one size, copied where they are not."""
        values = []
        for parameter, x, dtype in zip(self.params, args, dtypes):
            x = np.asarray(bare(x)).astype(dtype, copy=False)
            values.append(np.ascontiguousarray(x if parameter.is_raw else np.broadcast_to(x, shape)))
        kernel = self.kernels.get(tuple(dtypes))
        if kernel is None:
            kernel = self.kernels[tuple(dtypes)] = RawKernel(self.source(dtypes), self.name, self.options)
        kernel((1,), (1,), (math.prod(shape), *map(device_array, values), *(value.size for value in values)))
        for out, value in zip(args[self.nin :], values[self.nin :]):
            if not np.may_share_memory(out.host, value):
                out.host[...] = value

    def source(self, dtypes):
        """The kernel in C for these dtypes."""
        types = {parameter.kind: C_TYPES[dtype.name] for parameter, dtype in zip(self.params, dtypes)}
        arguments, before, inside = [], [], []
        for k, parameter in enumerate(self.params):
            name, kind = parameter.name, "const " * (k < self.nin) + types[parameter.kind]
            arguments.append(f"{kind} *_{name}")
            if parameter.is_raw:
                before.append(f"_Raw<{kind}> {name} = {{_{name}, _{name}_size}};")
            else:
                inside.append(f"{kind} &{name} = _{name}[i];")
        arguments += [f"long long _{parameter.name}_size" for parameter in self.params]
        return "\n".join([
            RAW, *(f"typedef {c_type} {kind};" for kind, c_type in types.items() if len(kind) == 1), self.preamble,
            f'extern "C" __global__ void {self.name}(long long n, {", ".join(arguments)}) {{', *before, self.loop_prep,
            "for (long long i = 0; i < n; i++) {", *inside, self.operation, ";", "}", self.after_loop, "}",
        ])  # fmt: skip


RAW = """
template <class T> struct _Raw {
    T *_at;
    long long _size;
    __device__ T &operator[](long long i) const { return _at[i]; }
    __device__ long long size() const { return _size; }
};
"""
