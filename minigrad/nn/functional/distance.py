"""Lengths of vectors, and how near two of them are."""

from ...ops.elementwise import clamp_min
from ...ops.linalg import norm
from ...ops.reduce import sum
from ...ops.shape import broadcast_tensors, expand_as


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """The input divided by its p-norm along `dim`, or by eps where that is smaller."""
    return input / expand_as(clamp_min(norm(input, p, dim, True), eps), input)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between vectors along `dim`, of shapes that broadcast; lengths below eps count as eps."""
    x1, x2 = broadcast_tensors(x1, x2)
    return sum(normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps), dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps over the last dimension."""
    return norm(x1 - x2 + eps, p, -1, keepdim)
