"""Computes with PyTorch what `tests/test_functional.py` compares with: `python make_functional.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `functional.npz` next to this file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity import derivatives, numbers  # noqa: E402  (found on the path of the line above)

KINKS = np.array([-120.0, -30.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 19.0, 21.0, 120.0])
SMOOTH = np.array([-4.1, -2.3, -0.7, 0.4, 1.7, 2.6, 4.2, 7.3])

ACTIVATIONS = {
    "relu": lambda F, x: F.relu(x),
    "leaky_relu": lambda F, x: F.leaky_relu(x),
    "leaky_relu steep": lambda F, x: F.leaky_relu(x, 1.5),
    "leaky_relu falling": lambda F, x: F.leaky_relu(x, negative_slope=-0.2),
    "elu": lambda F, x: F.elu(x),
    "elu alpha": lambda F, x: F.elu(x, alpha=0.7),
    "selu": lambda F, x: F.selu(x),
    "celu": lambda F, x: F.celu(x, alpha=1.3),
    "gelu": lambda F, x: F.gelu(x),
    "gelu tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, x: F.silu(x),
    "mish": lambda F, x: F.mish(x),
    "softplus": lambda F, x: F.softplus(x),
    "softplus options": lambda F, x: F.softplus(x, beta=2.0, threshold=7.0),
    "softsign": lambda F, x: F.softsign(x),
    "logsigmoid": lambda F, x: F.logsigmoid(x),
    "hardtanh": lambda F, x: F.hardtanh(x),
    "hardtanh bounds": lambda F, x: F.hardtanh(x, min_val=-0.6, max_val=2.5),
    "relu6": lambda F, x: F.relu6(x),
    "hardsigmoid": lambda F, x: F.hardsigmoid(x),
    "hardswish": lambda F, x: F.hardswish(x),
    "tanhshrink": lambda F, x: F.tanhshrink(x),
    "threshold": lambda F, x: F.threshold(x, 0.3, -5.0),
    "sigmoid": lambda F, x: F.sigmoid(x),
    "tanh": lambda F, x: F.tanh(x),
    "softmax": lambda F, x: F.softmax(x, dim=0),
    "log_softmax": lambda F, x: F.log_softmax(x, dim=-1),
    "softmin": lambda F, x: F.softmin(x, dim=0),
}
X = numbers(4, 6)
IMAGE = numbers(2, 3, 2, 2)
P = numbers(4, 3, low=0.05, high=0.95)  # probabilities
Q = numbers(4, 3, seed=1, low=0.05, high=0.95)
DISTRIBUTION = P / P.sum(1, keepdims=True)
CLASSES = [2, 0, 5, 2]


def weight(m, like):
    """Class weights (6) in the dtype of a tensor."""
    return m.tensor([0.5, 2.0, 1.0, 0.25, 1.5, 3.0], dtype=like.dtype)


def limited_embedding(m, F, w):
    """The picked rows of a table whose rows are first limited to norm 1, and the table afterwards."""
    w = w.detach().clone()
    return F.embedding(m.tensor([0, 1, 1]), w, max_norm=1.0, norm_type=3.0), w


CASES = {  # functions of the library, its nn.functional and the tensors; the arrays of these
    "prelu": (lambda m, F, x, w: F.prelu(x, w), (X, [0.25])),
    "prelu channels": (lambda m, F, x, w: F.prelu(x, w), (IMAGE, [0.25, -0.5, 2.0])),
    "prelu vector": (lambda m, F, x, w: F.prelu(x, w), (SMOOTH, [0.25])),
    "glu": (lambda m, F, x: F.glu(x), (X,)),
    "glu dim": (lambda m, F, x: F.glu(x, dim=0), (X,)),
    "softmax dtype": (lambda m, F, x: F.softmax(x, 1, dtype=m.float64), (X,)),
    "cross_entropy": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES)), (X,)),
    "cross_entropy large": (lambda m, F, x: F.cross_entropy(x * 300, m.tensor(CLASSES)), (X,)),
    "cross_entropy of many rows": (
        lambda m, F, x: F.cross_entropy(x * 40, m.tensor([0, 1, 1, 0, 1])), (numbers(5, 2),)
    ),
    "cross_entropy sum": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), reduction="sum"), (X,)),
    "cross_entropy none": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), reduction="none"), (X,)),
    "cross_entropy weight": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), weight(m, x)), (X,)),
    "cross_entropy ignore": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), ignore_index=2), (X,)),
    "cross_entropy default ignore": (lambda m, F, x: F.cross_entropy(x, m.tensor([2, -100, 5, 2])), (X,)),
    "cross_entropy smoothing": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), label_smoothing=0.1), (X,)),
    "cross_entropy all options": (
        lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES), weight(m, x), ignore_index=5, label_smoothing=0.3),
        (X,),
    ),
    "cross_entropy all options none": (
        lambda m, F, x: F.cross_entropy(
            x, m.tensor(CLASSES), weight(m, x), ignore_index=5, label_smoothing=0.3, reduction="none"
        ),
        (X,),
    ),
    "cross_entropy one row": (lambda m, F, x: F.cross_entropy(x, m.tensor(4)), (X[0],)),
    "cross_entropy image": (
        lambda m, F, x: F.cross_entropy(x, m.tensor([[[0, 1], [2, 0]], [[1, 1], [-100, 2]]]), label_smoothing=0.2),
        (IMAGE,),
    ),
    "cross_entropy image none": (
        lambda m, F, x: F.cross_entropy(x, m.tensor([[[0, 1], [2, 0]], [[1, 1], [-100, 2]]]), reduction="none"),
        (IMAGE,),
    ),
    "cross_entropy probabilities": (lambda m, F, x, y: F.cross_entropy(x, y), (numbers(4, 3), DISTRIBUTION)),
    "cross_entropy probabilities sum": (
        lambda m, F, x, y: F.cross_entropy(x, y, weight(m, x)[:3], reduction="sum", label_smoothing=0.2),
        (numbers(4, 3), DISTRIBUTION),
    ),
    "cross_entropy probabilities image": (
        lambda m, F, x, y: F.cross_entropy(x, y, weight(m, x)[:3], reduction="none"),
        (IMAGE, numbers(2, 3, 2, 2, low=0)),
    ),
    "nll_loss": (lambda m, F, x: F.nll_loss(x, m.tensor(CLASSES)), (X,)),
    "nll_loss weight": (lambda m, F, x: F.nll_loss(x, m.tensor(CLASSES), weight(m, x), reduction="sum"), (X,)),
    "nll_loss one row": (lambda m, F, x: F.nll_loss(x, m.tensor(3), reduction="none"), (X[0],)),
    "nll_loss image": (
        lambda m, F, x: F.nll_loss(x, m.tensor([[[0, 1], [2, 0]], [[1, 1], [1, 2]]]), weight(m, x)[:3], ignore_index=1),
        (IMAGE,),
    ),
    "mse_loss": (lambda m, F, x, y: F.mse_loss(x, y), (P, Q)),
    "mse_loss none": (lambda m, F, x, y: F.mse_loss(x, y, reduction="none"), (P, Q)),
    "l1_loss": (lambda m, F, x, y: F.l1_loss(x, y, reduction="sum"), (P, Q)),
    "smooth_l1_loss": (lambda m, F, x, y: F.smooth_l1_loss(x, y), (X, -X)),
    "smooth_l1_loss beta": (lambda m, F, x, y: F.smooth_l1_loss(x, y, beta=0.3, reduction="none"), (P, Q)),
    "smooth_l1_loss without beta": (lambda m, F, x, y: F.smooth_l1_loss(x, y, beta=0.0), (P, Q)),
    "huber_loss": (lambda m, F, x, y: F.huber_loss(x, y), (X, -X)),
    "huber_loss delta": (lambda m, F, x, y: F.huber_loss(x, y, reduction="sum", delta=0.3), (P, Q)),
    "binary_cross_entropy": (lambda m, F, x, y: F.binary_cross_entropy(x, y), (P, Q)),
    "binary_cross_entropy weight": (
        lambda m, F, x, y: F.binary_cross_entropy(x, y, weight(m, x)[:3], reduction="none"),
        (P, Q),
    ),
    "bce_with_logits": (lambda m, F, x, y: F.binary_cross_entropy_with_logits(x * 50, y), (X[:, :3], P)),
    "bce_with_logits options": (
        lambda m, F, x, y: F.binary_cross_entropy_with_logits(
            x, y, weight(m, x)[:3], reduction="sum", pos_weight=weight(m, x)[3:]
        ),
        (X[:, :3], P),
    ),
    "kl_div": (lambda m, F, x, y: F.kl_div(x, y, reduction="batchmean"), (X[:, :3], DISTRIBUTION)),
    "kl_div sum": (lambda m, F, x, y: F.kl_div(x, y, reduction="sum"), (X[:, :3], DISTRIBUTION)),
    "kl_div log": (
        lambda m, F, x, y: F.kl_div(x, y, reduction="none", log_target=True), (X[:, :3], np.log(DISTRIBUTION))
    ),
    "linear": (lambda m, F, x, w, b: F.linear(x, w, b), (X, numbers(5, 6), numbers(5))),
    "linear without bias": (lambda m, F, x, w: F.linear(x, w), (X, numbers(5, 6))),
    "linear of a vector": (lambda m, F, x, w, b: F.linear(x, w, b), (X[0], numbers(5, 6), numbers(5))),
    "linear of a batch": (lambda m, F, x, w, b: F.linear(x, w, b), (numbers(2, 3, 6), numbers(5, 6), numbers(5))),
    "linear to one": (lambda m, F, x, w: F.linear(x, w), (X, numbers(6))),
    "embedding": (lambda m, F, w: F.embedding(m.tensor([[0, 3], [3, 1]]), w), (numbers(5, 2),)),
    "embedding padding": (lambda m, F, w: F.embedding(m.tensor([0, 3, 4, 3]), w, padding_idx=-2), (numbers(5, 2),)),
    "embedding by frequency": (
        lambda m, F, w: F.embedding(m.tensor([[0, 3, 3], [3, 1, 0]]), w, padding_idx=1, scale_grad_by_freq=True),
        (numbers(5, 2),),
    ),
    "embedding limited": (limited_embedding, (numbers(3, 4),)),
    "one_hot": (lambda m, F, x: F.one_hot(m.tensor([[0, 2], [1, 1]])), (X,)),
    "one_hot classes": (lambda m, F, x: F.one_hot(m.tensor([3, 0]), num_classes=6), (X,)),
    "normalize": (lambda m, F, x: F.normalize(x), (X,)),
    "normalize p": (lambda m, F, x: F.normalize(x, p=3.0, dim=0), (X,)),
    "normalize zeros": (lambda m, F, x: F.normalize(x * 0 + 1e-14), (X,)),
    "cosine_similarity": (lambda m, F, x, y: F.cosine_similarity(x, y), (P, Q)),
    "cosine_similarity broadcast": (lambda m, F, x, y: F.cosine_similarity(x, y, dim=0), (P, Q[:, :1])),
    "pairwise_distance": (lambda m, F, x, y: F.pairwise_distance(x, y), (P, Q)),
    "pairwise_distance p": (lambda m, F, x, y: F.pairwise_distance(x, y, p=1.0, keepdim=True), (P, Q)),
    "layer_norm": (lambda m, F, x, w, b: F.layer_norm(x, (6,), w, b), (X, numbers(6), numbers(6, seed=1))),
    "layer_norm plain": (lambda m, F, x: F.layer_norm(x, [2, 2], eps=0.1), (IMAGE,)),
    "layer_norm weight only": (lambda m, F, x, w: F.layer_norm(x, (2, 2), w), (IMAGE, numbers(2, 2))),
    "layer_norm of one": (lambda m, F, x, w, b: F.layer_norm(x, (6,), w, b), (X[0], numbers(6), numbers(6, seed=1))),
    "batch_norm": (
        lambda m, F, x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        (numbers(4, 3), numbers(3), numbers(3, seed=1)),
    ),
    "batch_norm image": (
        lambda m, F, x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1),
        (IMAGE, numbers(3), numbers(3, seed=1)),
    ),
    "batch_norm plain": (lambda m, F, x: F.batch_norm(x, None, None, training=True), (numbers(4, 3),)),
    "batch_norm bias only": (
        lambda m, F, x, b: F.batch_norm(x, None, None, None, b, training=True), (numbers(4, 3), numbers(3))
    ),
    "batch_norm evaluation": (
        lambda m, F, x, w, b: F.batch_norm(x, weight(m, x)[:3] - 1, weight(m, x)[3:], w, b),
        (IMAGE, numbers(3), numbers(3, seed=1)),
    ),
}  # fmt: skip


def cases():
    """Name: (function of a library and its tensors, NumPy arrays for them)."""
    found = {}
    for name, function in ACTIVATIONS.items():
        found[name] = (lambda m, x, function=function: function(m.nn.functional, x), (KINKS,))
    for name, (function, arrays) in CASES.items():
        call = lambda m, *tensors, function=function: function(m, m.nn.functional, *tensors)  # noqa: E731 (binds `function`)
        found[name] = call, tuple(map(np.array, arrays))
    return found


def dropped(m):
    """Dropout after one seed, for several functions and probabilities."""
    F, x = m.nn.functional, m.ones(3, 8, 5)
    m.manual_seed(5)
    results = [
        F.dropout(x),
        F.dropout(x, 0.1),
        F.dropout(x.double(), 0.7),
        F.dropout(x, 0.0),
        F.dropout(x, 1.0),
    ]
    results += [
        F.dropout1d(x),
        F.dropout1d(x[0], 0.3),
        F.dropout2d(x[..., None], 0.4),
        F.dropout(x, training=False),
    ]
    return [*results, F.dropout(x.transpose(0, 1)), F.dropout(x.permute(2, 0, 1), 0.2), m.rand(2)]


def main():
    import torch

    arrays = {}
    for name, (function, inputs) in cases().items():
        for i, array in enumerate(derivatives(torch, function, inputs)):
            arrays[f"{name}/{i}"] = array
    for i, array in enumerate(dropped(torch)):
        arrays[f"dropout/{i}"] = array.numpy()
    np.savez_compressed(Path(__file__).with_name("functional.npz"), **arrays)


if __name__ == "__main__":
    main()
