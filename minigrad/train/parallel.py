"""`DataParallel`: several processes train copies of one model, each on its part of every batch."""

import copy
import zlib
from collections import deque

from ..autograd import Variable, changed, mode, primitive, tick, wrap
from ..backend import constant, xp
from ..creation import zeros
from ..nn.module import Module
from ..random import default_generator
from ..utils.data import DataLoader
from .communicator import world


class DataParallel(Module):
    """Trains a model in all processes that `mpiexec -n 4 python script.py` starts; alone in a script started without it.

    Every process runs the same script and builds the same model, which takes over parameters and buffers of process 0. Each
    then computes on its part of every batch (see `shares` and `share`), and `backward` through an output of this module
    ends by averaging the gradients, each process weighted by the size of its part: all have the gradients, to rounding, of
    one process with the whole batch, and the same to the bit. Without parts, every process counts the same, as in torch's
    DistributedDataParallel. `loss.backward()` averages; `autograd.grad` and `backward(inputs=...)` do not.

    `rank`: the number of this process, from 0 to `size` - 1. `module`: the model; save its `state_dict`, in process 0.

    Whatever depends on the other samples of a batch sees those of one part: batch norm's statistics, as in torch. Its
    running ones are process 0's; with broadcast_buffers=False each keeps its own. Random numbers: the order of the data is
    drawn by process 0, as if it were alone. With each batch, the default generator of every other process is seeded anew,
    from the state of that of process 0 and its rank: so dropout differs among processes, and is the same in every run.

    Make it early: of an error before that, such as data missing on one machine, the others do not hear, and they wait.
    RuntimeError (ProcessLost) in all others when a process fails, ends early or does something else than they; a fit then
    writes its checkpoints before it is raised. When one is killed, mpiexec ends all at once.

    The engines: mpi4py, which every launcher and cluster knows and one `pip install` brings, on the CPU and between
    machines; NCCL through CuPy's own cupyx.distributed among GPUs. Gradients are added up in one array per dtype.
    """

    def __init__(self, module, broadcast_buffers=True, communicator=None):
        if not isinstance(module, Module):
            raise TypeError(f"DataParallel: expected an nn.Module, got {type(module).__name__}")
        super().__init__()
        self.module, self.broadcast_buffers = module, broadcast_buffers
        self.communicator = world() if communicator is None else communicator
        self.rank, self.size = self.communicator.rank, self.communicator.size
        self.counts = None  # (in this process's part, in the whole batch)
        if self.size > 1:
            named = [*module.named_parameters(), *module.named_buffers()]
            form = str([(name, tuple(tensor.shape), tensor.dtype.name) for name, tensor in named])
            if len(set(self.communicator.meet("model", note=zlib.crc32(form.encode())))) > 1:
                raise RuntimeError("DataParallel: the processes made models whose parameters or buffers differ")
            self.broadcast(tensor for _, tensor in named)

    def extra_repr(self):
        return f"rank={self.rank}, size={self.size}"

    # ------------------------------------------------------------------------------------ forward and backward

    def forward(self, *args, **kwargs):
        """What the model makes of its arguments."""
        output = self.module(*args, **kwargs)
        if self.size == 1:
            return output
        if self.broadcast_buffers and self.module.training:
            self.broadcast(self.module.buffers())
        return self.followed(output, self.last_leaf()) if mode.enabled else output

    def last_leaf(self):
        """A leaf whose turn in a backward walk comes after those of all others, and which averages then."""
        leaf = zeros((), requires_grad=True)
        leaf.node.number = -tick()  # the walk goes from large numbers to small ones
        leaf.register_hook(self.average_once)
        return leaf

    def followed(self, output, leaf):
        """The output, its tensors descending from the leaf as well."""
        if isinstance(output, Variable):
            if output.requires_grad:
                version, output = output.version, followed_by(output, leaf)
                output.version = version  # the same memory
            return output
        if isinstance(output, dict):
            return type(output)({name: self.followed(part, leaf) for name, part in output.items()})
        if isinstance(output, (tuple, list)):
            parts = [self.followed(part, leaf) for part in output]
            return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
        if output is None or isinstance(output, (int, float, str)):
            return output
        raise TypeError(
            "DataParallel: expected a model that returns tensors, alone or in tuples, lists and dicts, got "
            f"{type(output).__name__}"
        )

    def average_once(self, g):
        """Average at the end of a walk, also of one that comes from several outputs."""
        if self not in mode.notes:
            mode.notes[self] = True
            self.average_gradients()

    def average_gradients(self):
        """Make every gradient the mean over the whole batch; one that is there in some processes only is zero elsewhere."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        there = [p.grad is not None for p in parameters]
        notes = self.communicator.meet("gradients", len(parameters), zlib.crc32(bytes(there)))
        if len(set(notes)) > 1:
            counts = xp.asarray(there, "float32")
            self.communicator.all_reduce(counts)
            there = counts.tolist()
        parameters = [p for p, some in zip(parameters, there) if some]
        for group, dtype in by_dtype(parameters):
            flat = joined([xp.zeros_like(p.array) if p.grad is None else p.grad.array for p in group], dtype)
            self.weigh(flat)
            self.communicator.all_reduce(flat)
            for p, part in parts(group, flat):
                if p.grad is None:
                    p.grad = wrap(part.astype(p.dtype))
                else:
                    p.grad.array[...] = part
                    changed(p.grad)

    def weigh(self, array):
        """Multiply by this process's part of the batch; what was computed without samples counts nothing, even NaN."""
        own, together = self.counts or (1, self.size)
        if own:
            array *= constant(own / together, array.dtype)
        else:
            array[...] = 0

    def broadcast(self, tensors):
        """Replace the numbers of tensors by those that process 0 has."""
        for group, dtype in by_dtype(tensors, same=True):
            flat = joined([x.array for x in group], dtype)
            self.communicator.broadcast(flat)
            if self.rank:
                for x, part in parts(group, flat):
                    x.array[...] = part
                    changed(x)

    def mean(self, value):
        """The mean over the whole batch of which `value`, a tensor of one number, is the mean over this process's part.

        The same to the bit in every process. It stands for `value` in backward.
        """
        if self.size == 1:
            return value
        if not isinstance(value, Variable) or value.array.size != 1:
            raise TypeError(f"DataParallel.mean: expected a tensor of one number, got {value!r}")
        total = value.array.reshape(1).astype(wide(value.dtype))
        self.weigh(total)
        self.communicator.all_reduce(total)
        return replaced_by(value, total.reshape(value.array.shape).astype(value.dtype))

    # ------------------------------------------------------------------------------------------- parts of batches

    def shares(self, loader):
        """An iterable over this process's parts of the batches of a loader, all processes' parts together being the batch.

        Of a DataLoader with a map-style data set each process reads its own samples, which process 0 names. Of any other
        loader, process 0 reads whole batches, of one tensor or several in a tuple, and hands out their rows. Where
        a batch has fewer samples than there are processes, some get one that counts nothing.
        """
        return loader if self.size == 1 else Shares(self, loader)

    def share(self, *tensors):
        """This process's rows of tensors of one length that process 0 has, which together are a batch."""
        if self.size > 1:
            tensors = self.begin(*self.deal(tensors if self.rank == 0 else None))
        return tensors[0] if len(tensors) == 1 else tensors

    def deal(self, batch):
        """(this process's part, its size, that of the batch); None as the batch is the end. Process 0 alone has one."""
        hands = [None] * self.size
        if self.rank == 0 and batch is not None:
            count = length(batch)
            for rank in range(self.size):
                start, stop = (count * r // self.size for r in (rank, rank + 1))
                some = (start, stop) if stop > start else (0, 1)
                hands[rank] = rows(batch, *some), stop - start, count
        return self.communicator.scatter(hands if self.rank == 0 else None)

    def begin(self, part, own, together):
        """Go on to a batch: what follows is weighted by its parts, and draws the random numbers that belong to it."""
        self.counts = own, together
        state = zlib.crc32(default_generator.get_state()) if self.rank == 0 else 0
        notes = self.communicator.meet("batch", note=state)
        if self.rank:
            default_generator.manual_seed(zlib.crc32(self.rank.to_bytes(8), notes[0]))
        return part


class Shares:
    """One process's parts of the batches of a loader; see `DataParallel.shares`."""

    def __init__(self, parallel, loader):
        self.parallel, self.loader = parallel, loader

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        if not isinstance(self.loader, DataLoader) or self.loader.iterable or not self.loader.batched:
            for dealt in dealing(self.parallel, self.loader):
                yield self.parallel.begin(*dealt)
            return
        sizes, own = deque(), copy.copy(self.loader)
        vars(own)["batch_sampler"] = Named(self.parallel, self.loader.batch_sampler, sizes)
        for batch in own:
            yield self.parallel.begin(batch, *sizes.popleft())


class Named:
    """A batch sampler: the indices that process 0 names to this one. It notes the sizes of their parts and batches."""

    def __init__(self, parallel, sampler, sizes):
        self.parallel, self.sampler, self.sizes = parallel, sampler, sizes

    def __iter__(self):
        return map(self.noted, dealing(self.parallel, self.sampler))

    def noted(self, dealt):
        indices, *sizes = dealt
        self.sizes.append(sizes)
        return indices


def dealing(parallel, source):
    """An iterator over what `deal` makes of the batches of `source`, which process 0 alone reads."""
    parallel.communicator.meet("pass")  # so a process that left out the rest of the last one is noticed
    batches = iter(source) if parallel.rank == 0 else iter(())  # at once: it may draw random numbers
    return iter(lambda: parallel.deal(next(batches, None)), None)


def length(batch):
    """How many samples a batch has: a list of indices, a tensor, or several in a tuple or list."""
    if isinstance(batch, Variable):
        batch = [batch]
    if not any(isinstance(x, Variable) for x in batch):
        return len(batch)
    lengths = {x.shape[0] if isinstance(x, Variable) and x.ndim else None for x in batch}
    if len(lengths) > 1 or None in lengths:
        found = [tuple(x.shape) if isinstance(x, Variable) else type(x).__name__ for x in batch]
        raise TypeError(f"DataParallel: expected batches of tensors of one length, got {found}")
    return lengths.pop()


def rows(batch, start, stop):
    if not isinstance(batch, Variable) and isinstance(batch[0], Variable):
        return tuple(x[start:stop] for x in batch)
    return batch[start:stop]


# ---------------------------------------------------------------------------------------------- arrays and tensors


@primitive
def followed_by(x, leaf):
    """x, descending from the leaf as well."""
    return x


followed_by.vjps(x=lambda g: g, leaf=lambda g: xp.zeros((), "float32"))


@primitive
def replaced_by(x, array):
    """The array, in the place of x."""
    return array


replaced_by.vjp(lambda g: g)


def wide(dtype):
    """The dtype in which numbers are added up: halves are rounded once, at the end."""
    return "float64" if dtype == "float64" else "float32"


def by_dtype(tensors, same=False):
    """[(tensors, dtype in which they travel)]: their own where they stay the `same`, else one wide enough for sums."""
    groups = {}
    for x in tensors:
        groups.setdefault(x.dtype.name if same else wide(x.dtype), []).append(x)
    return [(group, dtype) for dtype, group in groups.items()]


def joined(arrays, dtype):
    """The numbers of all arrays in a new one."""
    return xp.concatenate([array.reshape(-1).astype(dtype, copy=False) for array in arrays])


def parts(tensors, flat):
    """(tensor, its part of a joined array, in its shape)"""
    start = 0
    for x in tensors:
        yield x, flat[start : start + x.array.size].reshape(x.array.shape)
        start += x.array.size
