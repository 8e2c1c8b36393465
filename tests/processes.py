"""What tests/test_parallel.py runs in several processes: `mpiexec -n 2 python tests/processes.py NAME FOLDER [ARGUMENTS]`.

Every function here is a program; what it returns goes to FOLDER/NAME.RANK.json.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import train
from minigrad.train import communicator
from minigrad.train.communicator import world
from minigrad.utils.data import DataLoader, IterableDataset, TensorDataset


def problem(dtype=mg.float32, dropout=0.0, seed=1, count=21):
    mg.manual_seed(seed)
    x = mg.randn(count, 4, dtype=dtype)
    y = (x[:, 0] * x[:, 1] > 0).long()
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2)).to(dtype)
    return model, TensorDataset(x, y)


def numbers(tensors):
    return [x.tolist() for x in tensors]


# ------------------------------------------------------------------------------------------------------ a plain loop


class Stream(IterableDataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return (self.dataset[i] for i in mg.randperm(len(self.dataset)).tolist())


def loaders(dataset):
    """Batches of 8, 8 and 5 samples."""
    return {
        "shuffled": DataLoader(dataset, 8, shuffle=True),
        "ahead of time": DataLoader(dataset, 8, shuffle=True, num_workers=2),
        "stream": DataLoader(Stream(dataset), 8),
        "list": [dataset[8 * i : 8 * i + 8] for i in range(3)],
    }


def loop(folder, kind, dtype):
    model, dataset = problem(mg.float64 if dtype == "float64" else mg.float32)
    parallel = train.DataParallel(model)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    losses, sizes = [], []
    for _ in range(3):
        for x, y in parallel.shares(loaders(dataset)[kind]):
            loss = F.cross_entropy(parallel(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(parallel.mean(loss).item())
            sizes.append(len(x))
    return {"losses": losses, "sizes": sizes, "parameters": numbers(model.parameters())}


# -------------------------------------------------------------------------------------------------- one thing at a time


def drawn_indices():
    model, dataset = problem()
    parallel = train.DataParallel(model)
    mg.manual_seed(parallel.rank)
    whole = mg.randint(0, len(dataset), (7,))
    return {"whole": whole.tolist(), "share": parallel.share(whole).tolist()}


def different_starts():
    model, _ = problem(seed=world().rank)
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(world().rank + 1)
    train.DataParallel(nn.Sequential(model, norm))
    return numbers(model.parameters()) + numbers(norm.buffers())


class Branches(nn.Module):
    """One parameter that all use, one that process 0 uses, one that nobody uses, one that is frozen."""

    def __init__(self):
        super().__init__()
        self.all, self.some, self.none, self.frozen = (nn.Parameter(mg.tensor(float(i))) for i in range(1, 5))
        self.frozen.requires_grad_(False)

    def forward(self, x, some):
        named = {"y": x * self.all * self.frozen, "label": "a"}
        return (named, x * self.some if some else None, x)


def branches():
    model = Branches()
    parallel = train.DataParallel(model)
    (named, y, _) = parallel(mg.tensor(parallel.rank + 1.0), parallel.rank == 0)
    (named["y"] if y is None else named["y"] + y).backward()
    return {name: p.grad if p.grad is None else p.grad.item() for name, p in model.named_parameters()}


def two_outputs():
    """One backward through two calls averages once, and further gradients come on top."""
    model = nn.Linear(1, 1, bias=False)
    parallel, averages = train.DataParallel(model), []
    average = parallel.average_gradients
    parallel.average_gradients = lambda: averages.append(average())
    for _ in range(2):
        x = mg.tensor([[parallel.rank + 1.0]])
        (parallel(x) + parallel(2 * x)).sum().backward()
    return {"gradient": model.weight.grad.item(), "averages": len(averages)}


def too_few_samples():
    model, dataset = problem(mg.float64)
    parallel = train.DataParallel(model)
    losses = []
    for x, y in parallel.shares(DataLoader(dataset, 1)):
        loss = F.cross_entropy(parallel(x), y) * (1 if parallel.size == 1 or parallel.counts[0] else float("nan"))
        loss.backward()
        losses.append(parallel.mean(loss).item())
    return {"losses": losses, "gradients": numbers(p.grad for p in model.parameters())}


def half():
    model = nn.Linear(3, 1).half()
    parallel = train.DataParallel(model)
    parallel.share(mg.arange(3))  # thirds of 7 do not add up to 7 in half precision
    parallel(mg.full((1, 3), 7.0, dtype=mg.float16)).sum().backward()
    return [model.weight.grad.tolist(), str(model.weight.grad.dtype)]


def norms(*broadcast):
    model = nn.BatchNorm1d(3)
    parallel = train.DataParallel(model, *broadcast)
    parallel(mg.randn(8, 3) + parallel.rank)
    return {"training": numbers(model.buffers())}


def own_norms():
    return norms(False)


def dropped():
    parallel = train.DataParallel(nn.Dropout(0.5))
    found = []
    for _ in range(2):
        parallel.share(mg.arange(4))
        found.append(parallel(mg.ones(40)).tolist())
    return found


PIECES = (drawn_indices, different_starts, branches, two_outputs, too_few_samples, half, norms, own_norms, dropped)


def pieces(folder):
    found = {}
    for piece in PIECES:
        mg.manual_seed(5)
        found[piece.__name__] = piece()
    return found


# ---------------------------------------------------------------------------------------------------- with a Learner


class Trouble(train.Callback):
    """In the third of six epochs, something happens to the last process."""

    def __init__(self, kind):
        self.kind = kind

    def after_predict(self, learner):
        if self.now(learner) and self.kind == "fail in a batch":
            raise ValueError("it is broken")

    def after_batch(self, learner):
        if not self.now(learner):
            return
        if self.kind == "fail":
            raise ValueError("it is broken")
        if self.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if self.kind == "skip":
            raise train.CancelEpoch

    def now(self, learner):
        last = learner.parallel.rank == learner.parallel.size - 1
        return last and learner.training and (learner.epoch, learner.done) == (2, 1)


class Slow(train.Callback):
    def after_batch(self, learner):
        if learner.parallel.rank == 0 and learner.step == 6:  # in the second epoch
            print("started", flush=True)
        time.sleep(0.02)


def fit(folder, name, kind="none", dropout="0.0"):
    model, dataset = problem(mg.float64, float(dropout), count=29)
    recorder, path = train.Recorder(), folder / name
    callbacks = [recorder, train.Metrics(train.accuracy), train.OneCycle(0.05), train.ProgressBar(), train.Checkpoint(path)]
    data = DataLoader(dataset, 8, shuffle=True), DataLoader(dataset, 6)
    optimizer = mg.optim.Adam(model.parameters(), lr=0.1)
    learner = train.Learner(train.DataParallel(model), data, F.cross_entropy, optimizer, callbacks)
    if kind == "resume":
        learner.resume(path / "last.safetensors")
    elif kind == "slowly":
        learner.fit(1000, [Slow()])
    else:
        learner.fit(6, [Trouble(kind)])
    learner.save(folder / f"{name}.{learner.parallel.rank}")
    rows = [{key: value for key, value in row.items() if key != "epoch"} for row in recorder.metrics]
    return {"losses": recorder.losses, "lrs": recorder.lrs, "metrics": rows, "parameters": numbers(model.parameters())}


# ------------------------------------------------------------------------------------------------------- misuse, errors


def fails(folder, rank):
    model, dataset = problem()
    parallel = train.DataParallel(model)
    for x, _ in parallel.shares(DataLoader(dataset, 4)):
        if parallel.rank == int(rank):
            raise ValueError("it is broken")
        parallel(x).sum().backward()


def fails_early(folder):
    train.local_rank()
    if os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
        raise ValueError("it is broken")
    train.DataParallel(nn.Linear(2, 2))


def deserts(folder):
    communicator.PATIENCE = 0.5
    train.DataParallel(nn.Linear(2, 2))
    if world().rank == 0:
        time.sleep(1000)
    raise ValueError("it is broken")


def ends_early(folder):
    model, _ = problem()
    parallel = train.DataParallel(model)
    if parallel.rank == 0:
        parallel(mg.randn(2, 4)).sum().backward()


def differs(folder):
    parallel = train.DataParallel(nn.BatchNorm1d(4))
    if parallel.rank == 0:
        parallel.mean(mg.tensor(1.0))
    else:
        parallel(mg.randn(3, 4))


def other_models(folder):
    train.DataParallel(nn.Linear(2, 3 + world().rank))


def compiles(folder):
    model, dataset = problem()
    parallel = train.DataParallel(model)
    mg.compile(lambda x: parallel(x).sum().backward())(dataset[:4][0])


def nccl(folder, *arguments):
    """`loop` where each process seems to have a GPU of its own."""
    import cupy

    cupy.Device.pci_bus_id = f"0000:{train.local_rank()}"
    sys.modules["cupy.cuda.nccl"] = SimpleNamespace(available=True)
    found = loop(folder, *arguments)
    return {**found, "by nccl": world().nccl is not None, "norms": norms()}


def nccl_alone(folder):
    """What one process says to NCCL by itself, in numbers that stay as they are."""
    from mpi4py import MPI

    if "stand_in" in mg.backend.xp.__file__:
        sys.modules["cupy.cuda.nccl"] = SimpleNamespace(available=True)
    if not mg.backend.has_nccl():
        return None
    alone, found = communicator.MPICommunicator(MPI, MPI.COMM_WORLD), []
    alone.join_gpus()
    for dtype in (mg.float32, mg.float64, mg.int64, mg.bool):
        x = mg.arange(5).to(dtype)
        if x.is_floating_point():
            alone.all_reduce(x.array)
        alone.broadcast(x.array)
        found.append(x.tolist())
    return found


def shared_gpu(folder):
    import cupy

    cupy.cuda.runtime.getDeviceCount = lambda: 2
    train.DataParallel(nn.Linear(2, 2))


if __name__ == "__main__":
    name, folder, *arguments = sys.argv[1:]
    found = globals()[name](Path(folder), *arguments)
    (Path(folder) / f"{name}.{world().rank}.json").write_text(json.dumps(found))
