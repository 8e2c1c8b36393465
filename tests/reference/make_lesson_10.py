"""Trains lesson 10's six networks in PyTorch for 2000 steps and stores every 20th loss in lesson_10.npz.

Run as `python tests/reference/make_lesson_10.py` with PyTorch installed. Two lists of names are used: the one
that ships with minigrad, and makemore's names.txt, for which $MINIGRAD_DATA must name the folder.
"""

import hashlib
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from minigrad import datasets

SEED, STEPS, EVERY = 2147483647, 2000, 20
HERE = Path(__file__).resolve().parent
KAIMING = (5 / 3) / 30**0.5
STAGES = {  # scales of W1, b1 (None: there is none), W2, b2; and whether there is batch normalisation
    "naive": (1, 1, 1, 1, False),
    "small logits": (1, 1, 0.01, 0, False),
    "unsaturated": (0.2, 0.01, 0.01, 0, False),
    "Kaiming": (KAIMING, 0.01, 0.01, 0, False),
    "batch norm": (KAIMING, 0.01, 0.01, 0, True),
    "batch norm, no b1": (KAIMING, None, 0.01, 0, True),
}


def training_set(words):
    """Contexts of three letters and the letter after each, for the first 80 % of the shuffled words."""
    index = {letter: i + 1 for i, letter in enumerate(sorted(set("".join(words))))} | {".": 0}
    words = list(words)
    random.Random(42).shuffle(words)
    padded = ["..." + word + "." for word in words[: int(0.8 * len(words))]]
    X = [[index[c] for c in word[i : i + 3]] for word in padded for i in range(len(word) - 3)]
    Y = [index[word[i + 3]] for word in padded for i in range(len(word) - 3)]
    return torch.tensor(X), torch.tensor(Y), len(index)


def losses(X, Y, size, scale_W1, scale_b1, scale_W2, scale_b2, normalised):
    """The loss of every step, at learning rate 0.1 in the first half and 0.01 in the second."""
    g = torch.Generator().manual_seed(SEED)
    C = torch.randn((size, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g) * scale_W1
    b1 = torch.zeros(200) if scale_b1 is None else torch.randn(200, generator=g) * scale_b1
    W2 = torch.randn((200, size), generator=g) * scale_W2
    b2 = torch.randn(size, generator=g) * scale_b2
    gain, bias = torch.ones(200), torch.zeros(200)
    parameters = [C, W1, b1, W2, b2, gain, bias]
    for p in parameters:
        p.requires_grad = True
    values = []
    for step in range(STEPS):
        ix = torch.randint(0, len(X), (32,), generator=g)
        h = C[X[ix]].view(32, -1) @ W1 + b1
        if normalised:
            h = gain * (h - h.mean(0)) / h.std(0) + bias
        loss = F.cross_entropy(torch.tanh(h) @ W2 + b2, Y[ix])
        for p, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
        ):
            if gradient is not None and not (p is b1 and scale_b1 is None):
                p.data -= (0.1 if step < STEPS // 2 else 0.01) * gradient
        values.append(loss.item())
    return values


if __name__ == "__main__":
    torch.set_num_threads(1)
    shipped = (
        (Path(datasets.__file__).parent / "data" / "given_names.txt").read_text(encoding="utf-8").splitlines()
    )
    stored = {}
    for data, words in (("shipped", shipped), ("names", datasets.names(stand_in=False))):
        stored[f"{data}/sha256"] = np.array(hashlib.sha256("\n".join(words).encode()).hexdigest())
        for name, scales in STAGES.items():
            stored[f"{data}/{name}"] = np.array(losses(*training_set(words), *scales))[::EVERY]
            print(data, name, stored[f"{data}/{name}"][[0, -1]])
    np.savez_compressed(HERE / "lesson_10.npz", **stored)
