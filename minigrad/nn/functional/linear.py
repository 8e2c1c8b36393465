"""Linear maps, and the rows of a table: functions of weights."""

import math

from ...autograd import changed, primitive, relying, wrap
from ...backend import Fault, counts, item, unique, xp
from ...ops.elementwise import add
from ...ops.index import add_rows, check_range, rows
from ...ops.index import one_hot as one_hot_rows
from ...ops.linalg import linear_, matmul, vector_norm
from ...ops.operands import int64
from ...ops.shape import integer, reshape_


def linear(input, weight, bias=None):
    """input (..., in) @ weight (out, in) transposed + bias (out) -> (..., out)."""
    x, w = input.array, weight.array
    if w.ndim != 2:
        y = matmul(input, weight if w.ndim < 2 else weight.t())
        return y if bias is None else add(y, bias)
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise RuntimeError(f"linear: mat1 and mat2 shapes cannot be multiplied, got input {x.shape} and weight {w.shape}")
    if x.dtype != w.dtype or bias is not None and bias.array.dtype != w.dtype:
        got = [str(t.dtype) for t in (x, w, *([] if bias is None else [bias]))]
        raise RuntimeError(f"linear: expected input, weight and bias to have the same dtype, but got: {', '.join(got)}")
    if bias is not None and bias.array.shape != w.shape[:1] and bias.array.shape not in ((), (1,)):
        raise RuntimeError(f"linear: expected a bias of shape {w.shape[:1]}, got {bias.array.shape}")
    if x.ndim == 2:
        return linear_(input, weight, bias)
    y = linear_(reshape_(input, (math.prod(x.shape[:-1]), x.shape[-1])), weight, bias)
    return reshape_(y, (*x.shape[:-1], w.shape[0]))


@primitive
def scaled_rows(x, index, scale):
    """x[index], where the gradient of each picked row counts `scale` times."""
    return x.take(index, 0)


scaled_rows.vjp(lambda g, index, scale, shape: add_rows(g * scale, index, shape))


NOT_IN_TABLE = Fault(IndexError, "embedding: index out of range in self: expected 0 <= index < {size}, got {value}")
NOT_A_CLASS = Fault(
    RuntimeError,
    "one_hot: Class values must be non-negative and smaller than num_classes {size}, got {value}",
)


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False):
    """The rows of `weight` (rows, features) at the integers `input` of any shape -> (*input shape, features).

    `padding_idx`: a row that gets no gradient. `max_norm`: first scale the picked rows of `weight`, in place,
    to at most this `norm_type`-norm. `scale_grad_by_freq`: divide the gradient of a row by how often it was
    picked.
    """
    index, w = input.array, weight.array
    if index.dtype != int64 and index.dtype != xp.int32:
        raise RuntimeError(f"embedding: expected indices of dtype int64 or int32, got {index.dtype}")
    if w.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got shape {w.shape}")
    if max_norm is not None:
        check_range(index, w.shape[0], NOT_IN_TABLE, late=False)  # before rows are scaled
        limit_rows(weight, index, max_norm, norm_type)
    if padding_idx is None and not scale_grad_by_freq:
        return relying(rows(weight, index, NOT_IN_TABLE), input)
    check_range(index, w.shape[0], NOT_IN_TABLE)
    scale = xp.ones(index.shape, w.dtype)
    if scale_grad_by_freq:
        scale /= counts(index.reshape(-1), minlength=1)[index]
    if padding_idx is not None:
        scale *= index != padding(padding_idx, w.shape[0])
    return relying(scaled_rows(weight, index, scale[..., None]), input)


def padding(index, size):
    """The padding index as one that counts from 0."""
    if not -size <= index < size:
        raise AssertionError(f"Padding_idx must be within num_embeddings, got {index} and {size}")
    return index % size


def limit_rows(weight, index, max_norm, norm_type):
    used = unique(index)
    picked = weight.array[used]
    norms = vector_norm(wrap(picked), norm_type, 1, True).array
    weight.array[used] = xp.where(norms > max_norm, picked * (max_norm / (norms + 1e-7)), picked)
    changed(weight)


def one_hot(tensor, num_classes=-1):
    """int64 vectors with a 1 at the position that `tensor` (int64) gives: (*shape) -> (*shape, num_classes).

    By default as many classes as the largest position needs.
    """
    index = tensor.array
    if index.dtype != int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type int64, got {index.dtype}")
    classes = (item(index.max()) + 1 if index.size else 0) if num_classes == -1 else integer(num_classes, "one_hot")
    if classes <= 0 and not index.size:
        raise RuntimeError("one_hot: Can not infer total number of classes from empty tensor.")
    check_range(index, max(classes, 0), NOT_A_CLASS)
    return wrap(one_hot_rows(index.reshape(-1), classes, int64).reshape(*index.shape, classes))
