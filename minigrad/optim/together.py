"""Steps of many parameters in one launch, on a GPU: the kernels compute what `update` computes one parameter after another.

The addresses of parameters, gradients and state go to the kernel as an argument, by value, as in PyTorch's
multi_tensor_apply: gradients lie elsewhere at every step, and a table in the memory of the GPU would have to be
sent there each time.
"""

from ..autograd import changed, wrap
from ..backend import constant, structure, xp
from ..kernels import THREADS, Kernel, fusible

ITEMS = 8 * THREADS  # numbers that a block works at
WORDS = 480  # of 8 bytes, for addresses; all arguments may have 4096 bytes


class ManyTensors(Kernel):
    """A kernel over many tensors at once: `operation` in C for number i of the arrays whose `names` it is given.

    `parameters`: in C, those that follow the arrays. All arrays of a tensor are contiguous and of its size.
    """

    def __init__(self, name, names, parameters, operation):
        arrays = names.split()
        self.width, self.capacity = len(arrays) + 2, WORDS // (len(arrays) + 2)
        pointers = "".join([f"    T *{array} = (T *)table.row[t][{k}];\n" for k, array in enumerate(arrays, 2)])
        super().__init__(name, f"""
struct Table {{ unsigned long long row[{self.capacity}][{self.width}]; }};  // first block, size and addresses
extern "C" __global__ void {name}(Table table, {parameters})
{{
    int t = 0;  // the last tensor that begins at this block or before
    for (int step = 256; step; step /= 2)
        if (t + step < {self.capacity} && table.row[t + step][0] <= blockIdx.x) t += step;
    long long start = (blockIdx.x - table.row[t][0]) * {ITEMS}, size = table.row[t][1];
    long long stop = start + {ITEMS} < size ? start + {ITEMS} : size;
{pointers}    for (long long i = start + threadIdx.x; i < stop; i += blockDim.x) {{{operation}    }}
}}
""")

    def __call__(self, tensors, *args):
        """Launch for [(array, ...)] of one dtype, an array for each name; names at the end may lack one."""
        dtype = tensors[0][0].dtype
        for first in range(0, len(tensors), self.capacity):
            words, blocks = [], 0
            for arrays in tensors[first : first + self.capacity]:
                addresses = [array.data.ptr for array in arrays]
                words += blocks, arrays[0].size, *addresses, *[0] * (self.width - 2 - len(arrays))
                blocks += -(-arrays[0].size // ITEMS)
            table = structure(words, self.width * self.capacity)  # no block comes after what it is filled up with
            super().__call__((blocks,), (THREADS,), (table, *args), T=dtype)


SGD = ManyTensors("sgd", "x g v", "T lr, T momentum, T share, T decay, bool started, bool nesterov, bool maximize", """
    T d = maximize ? -g[i] : g[i];
    if (decay) d += x[i] * decay;
    if (momentum) {
        v[i] = started ? v[i] * momentum + d * share : d;
        d = nesterov ? d + v[i] * momentum : v[i];
    }
    x[i] -= d * lr;
""")  # fmt: skip
NUMBERS = "T scale, T eps, T beta1, T share1, T beta2, T share2, T decay, T shrink, bool amsgrad, bool maximize"
ADAM = ManyTensors("adam", "x g m v largest", NUMBERS, """
    T d = maximize ? -g[i] : g[i];
    if (decay) d += x[i] * decay;
    x[i] *= shrink;
    m[i] = m[i] * beta1 + d * share1;
    v[i] = v[i] * beta2 + d * d * share2;
    T square = v[i];
    if (amsgrad) {
        if (square > largest[i] || square != square) largest[i] = square;
        square = largest[i];
    }
    x[i] -= m[i] / (sqrt(square) + eps) * scale;
""")  # fmt: skip


def ready(group, state_of):
    """What a kernel can update, as {(dtype, key): ([parameter], [(x, g, *state)])}, and the parameters that are left.

    `state_of(p)`: what parameters of one launch have in common, and the arrays of p's state. Left are those of other
    dtypes and orders of memory, and one that comes twice.
    """
    batches, left, known = {}, [], set()
    for p in group["params"]:
        if p.grad is None:
            continue
        x, g = p.array, p.grad.array
        if p in known or not x.flags.c_contiguous or not fusible(x, g):
            left.append(p)
            continue
        key, state = state_of(p)
        if not all(array.flags.c_contiguous for array in state):
            left.append(p)
            continue
        known.add(p)
        params, arrays = batches.setdefault((x.dtype, key), ([], []))
        params.append(p)
        arrays.append((x, g if g.flags.c_contiguous else xp.ascontiguousarray(g), *state))
    return batches, left


def sgd(optimizer, group, lr):
    """Update what the kernel can; returns the other parameters."""
    momentum = group["momentum"]

    def state_of(p):
        if not momentum:
            return False, ()
        state = optimizer.state[p]
        started = state.get("momentum_buffer") is not None
        if not started:
            state["momentum_buffer"] = wrap(xp.empty_like(p.array))
        return started, (state["momentum_buffer"].array,)

    batches, left = ready(group, state_of)
    for (dtype, started), (params, arrays) in batches.items():
        numbers = lr, momentum, 1 - group["dampening"], group["weight_decay"]
        SGD(arrays, *[constant(n, dtype) for n in numbers], started, group["nesterov"], group["maximize"])
        changed(*params)
    return left


def adam(optimizer, group, lr, names):
    """Update what the kernel can; returns the other parameters."""
    beta1, beta2 = group["betas"]
    decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]

    def state_of(p):
        state = optimizer.state[p] or optimizer.start(p, *names)
        return state["step"] + 1, [state[name].array for name in names]

    batches, left = ready(group, state_of)
    for (dtype, step), (params, arrays) in batches.items():
        correction1, correction2 = 1 - beta1**step, (1 - beta2**step) ** 0.5
        numbers = lr * correction2 / correction1, group["eps"] * correction2, beta1, 1 - beta1, beta2, 1 - beta2
        decays = (0, 1 - lr * decay) if decoupled else (decay, 1)
        ADAM(arrays, *[constant(n, dtype) for n in (*numbers, *decays)], group["amsgrad"], group["maximize"])
        for p in params:
            optimizer.state[p]["step"] = step
        changed(*params)
    return left
