"""Prints and computes with PyTorch what `tests/test_modules.py` compares with: `python make_modules.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `modules.npz` next to this file.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity import array_of, numbers, tuple_of  # noqa: E402  (found on the path of the line above)

X = numbers(4, 6)
SEQUENCE = numbers(3, 5, 4)
MODULES = {  # a function of nn (and the library) that makes the module; the arrays to call it with
    "Linear": (lambda nn, m: nn.Linear(6, 3), [X]),
    "Linear without bias": (lambda nn, m: nn.Linear(6, 3, bias=False), [X]),
    "Linear float64": (lambda nn, m: nn.Linear(6, 30, dtype=m.float64), [X]),
    "Identity": (lambda nn, m: nn.Identity(54, unused=True), [X]),
    "Flatten": (lambda nn, m: nn.Flatten(), [SEQUENCE]),
    "Flatten from": (lambda nn, m: nn.Flatten(0, 1), [SEQUENCE]),
    "Unflatten": (lambda nn, m: nn.Unflatten(1, (2, -1)), [X]),
    "Embedding": (lambda nn, m: nn.Embedding(10, 5), [np.array([[1, 9], [0, 1]])]),
    "Embedding padded": (lambda nn, m: nn.Embedding(10, 5, padding_idx=-9), [np.array([1, 9, 1, 2])]),
    "Embedding options": (
        lambda nn, m: nn.Embedding(10, 5, max_norm=1.5, norm_type=1.0, scale_grad_by_freq=True),
        [np.array([1, 9, 1, 2])],
    ),
    "BatchNorm1d": (lambda nn, m: nn.BatchNorm1d(6), [X]),
    "BatchNorm1d options": (lambda nn, m: nn.BatchNorm1d(5, 1e-3, momentum=None), [SEQUENCE]),
    "BatchNorm1d plain": (lambda nn, m: nn.BatchNorm1d(6, affine=False, track_running_stats=False), [X]),
    "BatchNorm1d without bias": (lambda nn, m: nn.BatchNorm1d(6, bias=False), [X]),
    "BatchNorm1d evaluation": (lambda nn, m: nn.BatchNorm1d(6).eval(), [X]),
    "LayerNorm": (lambda nn, m: nn.LayerNorm(4), [SEQUENCE]),
    "LayerNorm options": (lambda nn, m: nn.LayerNorm((5, 4), eps=0.1, bias=False), [SEQUENCE]),
    "LayerNorm plain": (lambda nn, m: nn.LayerNorm([4], elementwise_affine=False), [SEQUENCE]),
    "Dropout": (lambda nn, m: nn.Dropout(), [X]),
    "Dropout inplace": (lambda nn, m: nn.Sequential(nn.Identity(), nn.Dropout(0.2)), [X]),
    "Dropout1d": (lambda nn, m: nn.Dropout1d(0.3), [SEQUENCE]),
    "Dropout2d": (lambda nn, m: nn.Dropout2d(0.3), [SEQUENCE[None]]),
    "Dropout evaluation": (lambda nn, m: nn.Dropout().eval(), [X]),
    "Tanh": (lambda nn, m: nn.Tanh(), [X]),
    "Sigmoid": (lambda nn, m: nn.Sigmoid(), [X]),
    "ReLU": (lambda nn, m: nn.ReLU(), [X]),
    "ReLU inplace": (lambda nn, m: nn.Sequential(nn.Linear(6, 2), nn.ReLU(inplace=True)), [X]),
    "LeakyReLU": (lambda nn, m: nn.LeakyReLU(), [X]),
    "LeakyReLU slope": (lambda nn, m: nn.LeakyReLU(0.2), [X]),
    "PReLU": (lambda nn, m: nn.PReLU(), [X]),
    "PReLU channels": (lambda nn, m: nn.PReLU(6, init=0.1), [X]),
    "ReLU6": (lambda nn, m: nn.ReLU6(), [X * 5]),
    "Threshold": (lambda nn, m: nn.Threshold(0.5, 2), [X]),
    "Hardtanh": (lambda nn, m: nn.Hardtanh(), [X]),
    "Hardtanh bounds": (lambda nn, m: nn.Hardtanh(-0.5, 1.5), [X]),
    "Hardsigmoid": (lambda nn, m: nn.Hardsigmoid(), [X * 3]),
    "Hardswish": (lambda nn, m: nn.Hardswish(), [X * 3]),
    "ELU": (lambda nn, m: nn.ELU(0.5), [X]),
    "SELU": (lambda nn, m: nn.SELU(), [X]),
    "CELU": (lambda nn, m: nn.CELU(0.5), [X]),
    "GELU": (lambda nn, m: nn.GELU(), [X]),
    "GELU tanh": (lambda nn, m: nn.GELU(approximate="tanh"), [X]),
    "SiLU": (lambda nn, m: nn.SiLU(), [X]),
    "Mish": (lambda nn, m: nn.Mish(), [X]),
    "Softplus": (lambda nn, m: nn.Softplus(2.0, 1.5), [X]),
    "Softsign": (lambda nn, m: nn.Softsign(), [X]),
    "Tanhshrink": (lambda nn, m: nn.Tanhshrink(), [X]),
    "LogSigmoid": (lambda nn, m: nn.LogSigmoid(), [X]),
    "GLU": (lambda nn, m: nn.GLU(), [X]),
    "Softmax": (lambda nn, m: nn.Softmax(dim=1), [X]),
    "LogSoftmax": (lambda nn, m: nn.LogSoftmax(dim=-1), [X]),
    "Softmin": (lambda nn, m: nn.Softmin(dim=0), [X]),
    "CrossEntropyLoss": (lambda nn, m: nn.CrossEntropyLoss(), [X, np.array([0, 5, 2, 2])]),
    "CrossEntropyLoss options": (
        lambda nn, m: nn.CrossEntropyLoss(m.ones(6) * 2, ignore_index=5, reduction="sum", label_smoothing=0.1),
        [X, np.array([0, 5, 2, 2])],
    ),
    "NLLLoss": (lambda nn, m: nn.NLLLoss(m.arange(6.0), ignore_index=1), [X, np.array([1, 5, 2, 2])]),
    "MSELoss": (lambda nn, m: nn.MSELoss(reduction="none"), [X, X[::-1]]),
    "L1Loss": (lambda nn, m: nn.L1Loss(), [X, X[::-1]]),
    "SmoothL1Loss": (lambda nn, m: nn.SmoothL1Loss(beta=0.5), [X, X[::-1]]),
    "HuberLoss": (lambda nn, m: nn.HuberLoss("sum", 0.5), [X, X[::-1]]),
    "BCELoss": (lambda nn, m: nn.BCELoss(m.arange(6.0)), [X / 5 + 0.5, X[::-1] / 5 + 0.5]),
    "BCEWithLogitsLoss": (lambda nn, m: nn.BCEWithLogitsLoss(pos_weight=m.arange(6.0)), [X, X[::-1] / 5 + 0.5]),
    "KLDivLoss": (lambda nn, m: nn.KLDivLoss(reduction="batchmean", log_target=True), [X, X[::-1]]),
    "CosineSimilarity": (lambda nn, m: nn.CosineSimilarity(dim=0), [X, X[::-1]]),
    "PairwiseDistance": (lambda nn, m: nn.PairwiseDistance(p=3.0, keepdim=True), [X, X[::-1]]),
    "Sequential": (lambda nn, m: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2)), [X]),
    "Sequential named": (
        lambda nn, m: nn.Sequential(OrderedDict(first=nn.Linear(6, 5), norm=nn.LayerNorm(5), last=nn.ReLU())),
        [X],
    ),
    "Sequential nested": (
        lambda nn, m: nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.1)), nn.Sequential(), nn.PReLU()),
        [X],
    ),
}  # fmt: skip
CONTAINERS = {
    "ModuleList": lambda nn, m: nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)]),
    "ModuleList of blocks": lambda nn, m: nn.ModuleList(
        nn.Sequential(nn.Linear(2, 3), nn.Tanh()) for _ in range(3)
    ),
    "ModuleDict": lambda nn, m: nn.ModuleDict({"linear": nn.Linear(2, 2), "act": nn.ReLU()}),
    "ModuleDict of pairs": lambda nn, m: nn.ModuleDict([["b", nn.Linear(2, 1)], ["a", nn.Linear(1, 2)]]),
    "empty ModuleList": lambda nn, m: nn.ModuleList(),
    "ParameterList": lambda nn, m: nn.ParameterList([m.ones(2, 3), nn.Parameter(m.zeros(4))]),
    "ParameterDict": lambda nn, m: nn.ParameterDict(
        {"right": m.ones(2, 3), "left": nn.Parameter(m.zeros(4))}
    ),
}


def made(m, make):
    m.manual_seed(11)
    return make(m.nn, m)


def run(m, make, arrays):
    """The module, its outputs, the gradients of floating inputs and of parameters, and buffers after two calls."""
    module = made(m, make)
    dtype = next((p.dtype for p in module.parameters()), m.float32)
    inputs = [m.tensor(a.copy(), dtype=None if a.dtype.kind == "i" else dtype) for a in arrays]
    for x in inputs:
        if x.is_floating_point():
            x.requires_grad_()
    m.manual_seed(12)
    module(*inputs)
    outputs = tuple_of(module(*inputs))
    loss = sum((y * y.detach().cos()).sum() for y in outputs)
    if loss.requires_grad:
        loss.backward()
    gradients = [x.grad for x in (*inputs, *module.parameters()) if x.requires_grad]
    return module, [array_of(t) for t in (*outputs, *gradients, *module.buffers())]


def text(module):
    """What the library prints, without the names that contain its own."""
    printed = str(module)
    for name in ("torch.FloatTensor", "torch.float32"):
        printed = printed.replace(name, "float32")
    return printed


def main():
    import torch

    arrays = {}
    for name, case in MODULES.items():
        module, results = run(torch, *case)
        arrays[f"{name}/text"], arrays[f"{name}/keys"] = text(module), list(module.state_dict())
        for i, array in enumerate(results):
            arrays[f"{name}/{i}"] = array
        for i, tensor in enumerate(made(torch, case[0]).state_dict().values()):
            arrays[f"{name}/state {i}"] = tensor.numpy()
    for name, make in CONTAINERS.items():
        module = made(torch, make)
        arrays[f"{name}/text"], arrays[f"{name}/keys"] = text(module), list(module.state_dict())
    arrays = {
        name: np.array(array, str) if "keys" in name or "text" in name else array
        for name, array in arrays.items()
    }
    np.savez_compressed(Path(__file__).with_name("modules.npz"), **arrays)


if __name__ == "__main__":
    main()
