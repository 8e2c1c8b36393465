"""Characters for the sequence models: the training names as one text, in windows of 32 characters."""

from functools import lru_cache

import numpy as np

VOCABULARY, LENGTH, STRIDE = 27, 32, 8


@lru_cache(1)
def windows(length=LENGTH):
    """Windows of text as indices, (count, length), and the character after each of theirs; "." is 0 and ends a name."""
    from minigrad import datasets

    text = ".".join(["", *datasets.split(datasets.names())[0], ""])
    indices = np.maximum(np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - (ord("a") - 1), 0)
    both = np.lib.stride_tricks.sliding_window_view(indices, length + 1)[::STRIDE]
    return np.ascontiguousarray(both[:, :-1]), np.ascontiguousarray(both[:, 1:])


def cross_entropy(logits, targets):
    """In plain NumPy, of logits (..., VOCABULARY) that it overwrites: the mean loss, and its gradient."""
    flat, labels = logits.reshape(-1, VOCABULARY), targets.reshape(-1)
    everyone = np.arange(len(labels))
    flat -= flat.max(1, keepdims=True)
    probabilities = np.exp(flat)
    totals = probabilities.sum(1, keepdims=True)
    loss = (np.log(totals[:, 0]) - flat[everyone, labels]).mean()
    probabilities /= totals
    probabilities[everyone, labels] -= 1
    return loss, (probabilities / np.float32(len(labels))).reshape(logits.shape)
