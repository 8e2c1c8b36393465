"""Lists of words by name, and the way from words to training examples."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np

from ..creation import tensor
from ..tensor import Tensor
from .files import File, find, notice

NAMES = File(
    "names.txt",
    "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ("https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",),
)
PRENOMS = File(
    "prenoms.txt",
    "4a499ef16d322577c8a07a89af0c0cf8668fd2711a57bca88e925425ed6223d1",
    ("https://raw.githubusercontent.com/SimonThomine/CoursDeepLearning/main/fr/05_NLP/prenoms.txt",),
)


class Words(list[str]):
    """A list of words; `stand_in` is True when they are minigrad's own instead of the published ones."""

    def __init__(self, words: Iterable[str], stand_in: bool):
        super().__init__(words)
        self.stand_in = stand_in


def names(download: bool = True, stand_in: bool = True) -> Words:
    """The 32033 given names of makemore's names.txt, lower case a to z.

    `download=False` forbids the network, `stand_in=False` the list that ships with minigrad. Raises
    `FileNotFoundError` when no permitted place has them, `ValueError` for a wrong file in `$MINIGRAD_DATA`.
    """
    return read_words(NAMES, "given_names.txt", download, stand_in)


def prenoms(download: bool = True, stand_in: bool = True) -> Words:
    """The 30000 French given names of prenoms.txt, upper case with accents; otherwise as `names`."""
    return read_words(PRENOMS, "prenoms_courants.txt", download, stand_in)


def read_words(file: File, shipped: str, download: bool, stand_in: bool) -> Words:
    try:
        return Words(find(file, download).decode("utf-8").splitlines(), stand_in=False)
    except FileNotFoundError as error:
        if not stand_in:
            raise
        words = (Path(__file__).parent / "data" / shipped).read_text(encoding="utf-8").splitlines()
        notice(f"USING A STAND-IN of {len(words)} words, so figures differ from the published ones ({error})")
        return Words(words, stand_in=True)


class Vocabulary:
    """The characters of `words`, numbered in sorted order from 1; 0 is ".", the start and the end of a word.

    `stoi` maps a character to its index and `itos` an index to its character; `len` counts the "." too.
    """

    def __init__(self, words: Iterable[str]):
        characters = sorted(set(chain.from_iterable(words)))
        if "." in characters:
            raise ValueError('Vocabulary: expected words without ".", which marks their start and end')
        self.itos = dict(enumerate([".", *characters]))
        self.stoi = {character: index for index, character in self.itos.items()}

    def __len__(self) -> int:
        return len(self.itos)

    def encode(self, text: str) -> list[int]:
        """The index of each character of `text`, words and their ends; an unknown one raises `ValueError`."""
        try:
            return [self.stoi[character] for character in text]
        except KeyError as error:
            word = next(word for word in text.split(".") if error.args[0] in word)
            known = "".join(self.stoi)
            raise ValueError(f"Vocabulary.encode: expected only {known!r}, got {error} in {word!r}") from None

    def decode(self, indices) -> str:
        """The text of an index, or of a list, array or Tensor of them; a wrong one raises `ValueError`."""
        if hasattr(indices, "tolist"):
            indices = indices.tolist()
        try:
            return "".join(self.itos[i] for i in ([indices] if isinstance(indices, int) else indices))
        except (KeyError, TypeError):
            expected = f"an index or a sequence of indices from 0 to {len(self) - 1}"
            raise ValueError(f"Vocabulary.decode: expected {expected}, got {indices!r}") from None


def split(
    words: Iterable[str], seed: int = 42, fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> tuple[list[str], list[str], list[str]]:
    """Shuffle a copy of `words` and cut it into training, development and test words, as makemore does.

    Raises `ValueError` unless `fractions` are three numbers, none negative, that sum to 1.
    """
    if len(fractions) != 3 or not all(f >= 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"split: expected three fractions, none negative, of sum 1, got {tuple(fractions)}")
    words = list(words)
    Random(seed).shuffle(words)
    ends = fractions[0] * len(words), (fractions[0] + fractions[1]) * len(words)
    first, second = (int(round(end, 6)) for end in ends)  # rounded since 0.7 * 90 is a little less than 63
    return words[:first], words[first:second], words[second:]


def contexts(words: Iterable[str], vocabulary: Vocabulary, block_size: int = 3) -> tuple[Tensor, Tensor]:
    """Training examples: each character of `words`, or "." after the last, given the `block_size` before it.

    Returns the contexts, of shape (N, block_size) with 0 before a word's first character, and the targets, of
    shape (N,), both int64. A character that is not in `vocabulary` raises `ValueError`.
    """
    if not isinstance(vocabulary, Vocabulary):
        raise TypeError(f"contexts: expected a Vocabulary, got {type(vocabulary).__name__}")
    if block_size < 1:
        raise ValueError(f"contexts: expected block_size >= 1, got {block_size}")
    ended = [word + "." for word in words]
    Y = np.array(vocabulary.encode("".join(ended)), dtype=np.int64)
    lengths = np.array([len(word) for word in ended], dtype=np.int64)
    place = np.arange(len(Y)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # of a character in its word
    X = np.zeros((len(Y), block_size), dtype=np.int64)
    for back in range(1, block_size + 1):
        X[back:, -back] = np.where(place[back:] >= back, Y[:-back], 0)
    return tensor(X), tensor(Y)
