"""Einstein's summation: sums of products, written by naming the dimensions."""

import math
import re
import string

from ..autograd import Variable
from .diagonal import diagonal_
from .linalg import matmul
from .reduce import sum
from .shape import expand_, listed, permute_, reshape_

LETTERS = string.ascii_uppercase + string.ascii_lowercase


def einsum(equation, *operands):
    """Products of the operands, summed over the dimensions that the result does not name: `einsum("ij,jk->ik", a, b)`.

    Every letter names a dimension; one that an operand repeats stands for its diagonal. "..." are dimensions without
    a name, aligned on the right. Sizes of 1 broadcast. Without "->", the result has what "..." covers and then the
    letters that appear once, in alphabetical order. Also `einsum(a, [0, 1], b, [1, 2], [0, 2])`, with numbers for
    letters. Operands are multiplied from left to right, each time by one batched matrix product.
    """
    if not isinstance(equation, str):
        if not isinstance(equation, Variable):
            raise TypeError(f"einsum(): expected the equation as text, got {type(equation).__name__}")
        equation, operands = spelled(equation, *operands)
    operands = listed(operands, "einsum")
    if len({x.array.dtype for x in operands}) > 1:
        raise RuntimeError(f"einsum(): expected operands of one dtype, got {[x.array.dtype for x in operands]}")
    named, output = parsed(equation, [x.array.ndim for x in operands])
    sizes = sizes_of_labels(named, operands)
    (x, labels), *rest = [distinct(x, labels, sizes) for x, labels in zip(operands, named)]
    later = [{*output}.union(*(labels for _, labels in rest[i:])) for i in range(len(rest) + 1)]
    for (y, others), needed in zip(rest, later[1:]):
        x, labels = contracted(x, labels, y, others, needed)
    x, labels = summed(x, labels, output)
    return permute_(x, tuple(labels.index(i) for i in output))


# ------------------------------------------------------------------------------------------------- the equation


def spelled(*arguments):
    """The equation of the form that gives each operand a list of numbers, and the operands."""
    operands, lists = list(arguments[: len(arguments) // 2 * 2 : 2]), list(arguments[1::2])
    if len(arguments) % 2:
        lists.append(arguments[-1])
    if not all(i is ... or 0 <= i < len(LETTERS) for numbers in lists for i in numbers):
        raise ValueError(f"einsum(): expected subscripts from 0 to {len(LETTERS) - 1} or ..., got {lists}")
    words = ["".join("..." if i is ... else LETTERS[i] for i in numbers) for numbers in lists]
    equation = ",".join(words[: len(operands)])
    return equation + "->" + words[-1] if len(arguments) % 2 else equation, operands


def parsed(equation, ranks):
    """The labels of every operand's dimensions, and of the result's: letters, and negative numbers for "..."."""
    if re.search(r"- +>|\. +\.", equation):
        raise RuntimeError(f"einsum(): expected no space within '->' and '...', got {equation!r}")
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise RuntimeError(f"einsum(): {equation!r} names {len(terms)} operands, but {len(ranks)} were provided")
    for word in [*terms, right]:
        letters = word.replace("...", "", 1)
        if not all(i in LETTERS for i in letters):
            raise RuntimeError(f"einsum(): expected letters and one '...' at most, got {word!r} in {equation!r}")
    named = [labelled(word, rank - len(word.replace("...", ""))) for word, rank in zip(terms, ranks)]
    for labels, word, rank in zip(named, terms, ranks):
        if len(labels) != rank:
            raise RuntimeError(f"einsum(): {word!r} does not match the number of dimensions of its operand, {rank}")
    unnamed = range(min((i for labels in named for i in labels if isinstance(i, int)), default=0), 0)
    if arrow:
        output = labelled(right, len(unnamed))
    else:
        letters = sorted(i for i in left if i in LETTERS)
        output = [*unnamed, *(i for i in letters if letters.count(i) == 1)]
    if len({*output}) < len(output) or not {*output} <= {i for labels in named for i in labels}:
        raise RuntimeError(f"einsum(): the output must name dimensions of the operands, each once, in {equation!r}")
    return named, output


def labelled(word, unnamed):
    """The labels of a word whose "..." covers as many dimensions as are `unnamed`; the last one is -1."""
    before, dots, after = word.partition("...")
    return [*before, *(range(-unnamed, 0) if dots else ()), *after]


def sizes_of_labels(named, operands):
    """The size of every label; 1 broadcasts."""
    sizes = {}
    for labels, x in zip(named, operands):
        for i, n in zip(labels, x.array.shape):
            if sizes.setdefault(i, n) == 1:
                sizes[i] = n
            if n not in (1, sizes[i]):
                raise RuntimeError(f"einsum(): {i!r} has size {n}, which does not broadcast with {sizes[i]}")
    return sizes


# --------------------------------------------------------------------------------------------------- contractions


def distinct(x, labels, sizes):
    """The operand with every label once: diagonals taken; and with the full size of each."""
    labels = list(labels)
    for i in [i for n, i in enumerate(labels) if i in labels[:n]]:
        first = labels.index(i)
        second = labels.index(i, first + 1)
        if x.array.shape[first] != x.array.shape[second]:
            raise RuntimeError(f"einsum(): {i!r} is repeated but the sizes don't match, got shape {x.array.shape}")
        x = diagonal_(x, 0, first, second)
        labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], i]
    size = tuple(sizes[i] for i in labels)
    return x if size == x.array.shape else expand_(x, size), labels


def summed(x, labels, needed):
    """The sum over the labels that nothing needs any more."""
    dims = [d for d, i in enumerate(labels) if i not in needed]
    return (sum(x, dims) if dims else x), [i for i in labels if i in needed]


def contracted(x, labels, y, others, needed):
    """The product of two operands, summed over the labels that nothing later needs, as one batched matrix product."""
    x, labels = summed(x, labels, {*others} | needed)
    y, others = summed(y, others, {*labels} | needed)
    batch = [i for i in labels if i in others and i in needed]
    inner = [i for i in labels if i in others and i not in needed]
    rows, columns = [i for i in labels if i not in others], [i for i in others if i not in labels]
    x, (b, r, k) = grouped(x, labels, (batch, rows, inner))
    y, (b, k, c) = grouped(y, others, (batch, inner, columns))
    product = matmul(x, y) if inner else x * y  # (b, r, 1) times (b, 1, c)
    return reshape_(product, (*b, *r, *c)), batch + rows + columns


def grouped(x, labels, groups):
    """The dimensions in three groups, each made one but for a first one that is empty; and the sizes in every group."""
    sizes = [[x.array.shape[labels.index(i)] for i in group] for group in groups]
    x = permute_(x, tuple(labels.index(i) for group in groups for i in group))
    return reshape_(x, tuple(math.prod(n) for n in sizes[not groups[0] :])), sizes
