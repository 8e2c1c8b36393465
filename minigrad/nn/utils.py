"""Gradients cut to size, and parameters as one vector, under torch's names."""

import math

from ..autograd import Variable, changed, wrap
from ..backend import item, overflow_expected, xp
from ..ops.join import cat
from ..ops.shape import listed, reshape


def with_gradients(parameters, operation):
    """The gradients that there are, of one parameter or of several."""
    parameters = [parameters] if isinstance(parameters, Variable) else parameters
    return [p.grad for p in listed(parameters, operation) if p.grad is not None]


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale the gradients of the parameters in place so that their norm as one vector is at most `max_norm`.

    Returns the norm before that, a 0-d tensor. `norm_type`: the p of the p-norm, math.inf or "inf" for the
    largest absolute value. With `error_if_nonfinite`, RuntimeError where the norm is nan or infinite.
    Source: Pascanu et al., On the difficulty of training recurrent neural networks, 2013.
    """
    gradients, order = with_gradients(parameters, "clip_grad_norm_"), float(norm_type)
    max_norm = float(max_norm)
    if not gradients:
        return wrap(xp.zeros((), "float32"))
    dtypes = [xp.promote_types(grad.array.dtype, "float32") for grad in gradients]  # squares leave the range of float16
    norms = [xp.linalg.norm(grad.array.reshape(-1).astype(d, copy=False), order) for grad, d in zip(gradients, dtypes)]
    total = xp.linalg.norm(xp.stack([xp.asarray(norm) for norm in norms]), order)
    if error_if_nonfinite and not math.isfinite(item(total)):
        raise RuntimeError(
            f"clip_grad_norm_: The total norm of order {order} for gradients from `parameters` is non-finite "
            f"({total}), so it cannot be clipped. Set error_if_nonfinite=False to scale by it anyway."
        )
    factor = xp.minimum(max_norm / (total + 1e-6), 1.0)
    for grad, dtype in zip(gradients, dtypes):
        grad.array *= factor.astype(dtype)
    changed(*gradients)
    with overflow_expected():
        return wrap(xp.asarray(total, xp.result_type(*(grad.array.dtype for grad in gradients))))


def clip_grad_value_(parameters, clip_value):
    """Clip every element of the gradients of the parameters to [-clip_value, clip_value], in place."""
    clip_value = float(clip_value)
    gradients = with_gradients(parameters, "clip_grad_value_")
    for grad in gradients:
        xp.clip(grad.array, -clip_value, clip_value, grad.array)
    changed(*gradients)


def parameters_to_vector(parameters):
    """All parameters, one after the other, as one vector; differentiable."""
    return cat([reshape(p, (-1,)) for p in listed(parameters, "parameters_to_vector")])


def vector_to_parameters(vec, parameters):
    """Let consecutive pieces of a vector be the new values of the parameters; they share its memory.

    ValueError, before anything is changed, where the vector does not have as many elements as all of them.
    """
    if not isinstance(vec, Variable):
        raise TypeError(f"vector_to_parameters: expected a Tensor, but got: {type(vec).__name__}")
    parameters = listed(parameters, "vector_to_parameters")
    sizes = [p.numel() for p in parameters]
    if vec.array.shape != (sum(sizes),):
        raise ValueError(f"vector_to_parameters: expected shape ({sum(sizes)},), got {tuple(vec.shape)}")
    start = 0
    for p, size in zip(parameters, sizes):
        p.data = wrap(vec.array[start : start + size].reshape(p.array.shape))
        start += size
