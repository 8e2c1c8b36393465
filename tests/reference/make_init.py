"""Draws with PyTorch what `tests/test_init.py` compares with: `python make_init.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `init.npz` next to this file.
"""

from pathlib import Path

import numpy as np

FILLS = {  # functions of nn.init and a tensor
    "uniform_": lambda init, w: init.uniform_(w),
    "uniform_ between": lambda init, w: init.uniform_(w, -0.3, 0.7),
    "normal_": lambda init, w: init.normal_(w),
    "normal_ of": lambda init, w: init.normal_(w, mean=2.0, std=0.1),
    "trunc_normal_": lambda init, w: init.trunc_normal_(w),
    "trunc_normal_ narrow": lambda init, w: init.trunc_normal_(w, mean=0.5, std=2.0, a=-0.1, b=0.4),
    "trunc_normal_ wide": lambda init, w: init.trunc_normal_(w, std=0.02),
    "trunc_normal_ middle": lambda init, w: init.trunc_normal_(w, a=-0.5, b=0.5),
    "trunc_normal_ one side": lambda init, w: init.trunc_normal_(w, mean=-1.0, std=0.5, a=0.0, b=1.0),
    "constant_": lambda init, w: init.constant_(w, 0.3),
    "ones_": lambda init, w: init.ones_(w),
    "zeros_": lambda init, w: init.zeros_(w),
    "xavier_uniform_": lambda init, w: init.xavier_uniform_(w),
    "xavier_uniform_ gain": lambda init, w: init.xavier_uniform_(w, gain=init.calculate_gain("relu")),
    "xavier_normal_": lambda init, w: init.xavier_normal_(w, 5 / 3),
    "kaiming_uniform_": lambda init, w: init.kaiming_uniform_(w),
    "kaiming_uniform_ slope": lambda init, w: init.kaiming_uniform_(w, a=5**0.5),
    "kaiming_uniform_ out": lambda init, w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="tanh"),
    "kaiming_normal_": lambda init, w: init.kaiming_normal_(w),
    "kaiming_normal_ relu": lambda init, w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "orthogonal_": lambda init, w: init.orthogonal_(w),
    "orthogonal_ gain": lambda init, w: init.orthogonal_(w, gain=1.5),
}
MATRICES = {
    "eye_": lambda init, w: init.eye_(w),
    "sparse_": lambda init, w: init.sparse_(w, sparsity=0.3),
}
KERNELS = {
    "dirac_": lambda init, w: init.dirac_(w),
    "dirac_ groups": lambda init, w: init.dirac_(w, 2),
}
SHAPES = {"wide": (3, 5), "tall": (30, 7), "kernel": (4, 3, 3, 5)}
GAINS = [
    (name, None)
    for name in ("linear", "conv2d", "conv_transpose1d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
]
GAINS += [("leaky_relu", 0.2), ("leaky_relu", 3), ("leaky_relu", 5**0.5)]


def cases():
    """Name: (function of nn.init and a tensor, shape of the tensor, dtype)."""
    found = {}
    for where, shape in SHAPES.items():
        functions = FILLS | (KERNELS if where == "kernel" else MATRICES)
        for name, function in functions.items():
            for dtype in ("float32", "float64"):
                found[f"{name} {where} {dtype}"] = function, shape, dtype
    return found


def drawn(m, function, shape, dtype):
    """The numbers of the tensor, filled after a fixed seed, and the next draw of the stream."""
    m.manual_seed(3)
    w = m.zeros(*shape, dtype=getattr(m, dtype))
    assert function(m.nn.init, w) is w
    return np.append(w.numpy(), m.rand(1).numpy())


def main():
    import torch

    arrays = {"gains": np.array([torch.nn.init.calculate_gain(*gain) for gain in GAINS])}
    for name, case in cases().items():
        arrays[name] = drawn(torch, *case)
    np.savez_compressed(Path(__file__).with_name("init.npz"), **arrays)


if __name__ == "__main__":
    main()
