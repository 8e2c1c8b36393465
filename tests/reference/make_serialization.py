"""Writes weights with PyTorch for `tests/test_serialization.py` to read.

`python make_serialization.py`, made with PyTorch 2.13.0 and safetensors 0.8.0, writes `serialization.npz`
next to this file: the bytes of two files by safetensors.torch.save, of one by torch.save, and of a pickle.
"""

import io
import pickle
from pathlib import Path

import numpy as np


def weights():
    """{name: array} of every dtype, without and with elements."""
    arrays = {name: np.arange(-3, 3).reshape(2, 3).astype(name) for name in ("float16", "float32", "float64")}
    arrays |= {
        name: np.arange(4).astype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "bool")
    }
    return arrays | {"layer.weight": np.full((), 2.5, np.float32), "empty": np.zeros((0, 4), np.float32)}


def main():
    import safetensors.torch
    import torch

    state = {name: torch.from_numpy(array) for name, array in weights().items()}
    stream = io.BytesIO()
    torch.save(state, stream)
    files = {
        "safetensors": safetensors.torch.save(state, {"format": "pt"}),
        "bfloat16": safetensors.torch.save({"w": torch.ones(3, dtype=torch.bfloat16)}),
        "torch": stream.getvalue(),
        "pickle": pickle.dumps({"w": [1.0, 2.0]}),
    }
    stored = {name: np.frombuffer(data, np.uint8) for name, data in files.items()}
    np.savez_compressed(Path(__file__).with_name("serialization.npz"), **stored)


if __name__ == "__main__":
    main()
