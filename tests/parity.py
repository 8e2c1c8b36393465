"""The same lines of code run by torch and by minigrad: what the comparisons of layers with PyTorch share.

A case is a function of a library, `torch` or `minigrad`, and its tensors; it returns a Tensor or a tuple of
them.
"""

import os

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for torch, where it is imported later: tensors here are small


def numbers(*shape, seed=0, low=-2.0, high=2.0):
    """Reproducible float64 numbers between two bounds."""
    return np.random.RandomState(seed + 7 * len(shape) + int(np.prod(shape))).uniform(low, high, shape)


def weights(shape):
    """Numbers of both signs that stand for an incoming gradient."""
    return (np.arange(np.prod(shape, dtype=int)) * 5 % 7 / 2 - 1.25).reshape(shape)


def tuple_of(outputs):
    return outputs if isinstance(outputs, tuple | list) else (outputs,)


def derivatives(m, function, arrays):
    """The outputs, the gradients of the inputs, and the gradients of these: zeros where nothing requires grad.

    Without the last where torch cannot compute them.
    """
    inputs = [m.tensor(a, requires_grad=True) for a in arrays]
    results = outputs = list(tuple_of(function(m, *inputs)))
    for order in (1, 2):
        outputs = [y for y in outputs if y.requires_grad]
        incoming = [m.tensor(weights(y.shape), dtype=y.dtype) for y in outputs]
        if outputs:
            try:
                outputs = m.autograd.grad(
                    outputs, inputs, incoming, create_graph=True, materialize_grads=True
                )
            except RuntimeError:
                if m.__name__ == "torch" and order == 2:
                    break
                raise
        else:
            outputs = [m.zeros_like(x) for x in inputs]
        results = results + list(outputs)
    # copies, as torch may stand for zeros with a tensor that has no memory
    return [array_of(m.empty(x.shape, dtype=x.dtype).copy_(x.detach())) for x in results]


def array_of(tensor):
    """A copy of the numbers of a tensor of either library."""
    return np.array(tensor.detach().tolist(), str(tensor.dtype).split(".")[-1]).reshape(tuple(tensor.shape))


def assert_same(ours, theirs, relative=1e-10, absolute=1e-11):
    """Assert that arrays have the same shapes, dtypes and values; there may be more of ours, second derivatives."""
    assert len(ours) >= len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        assert a.shape == b.shape, f"result {i}"
        assert a.dtype == b.dtype, f"result {i}"
        np.testing.assert_allclose(
            a, b, relative, absolute * (1 + np.abs(b[np.isfinite(b)]).max(initial=0)), err_msg=f"result {i}"
        )


def stored_results(file, name):
    """The arrays that a make script saved as name/0, name/1, ..."""
    results = []
    while f"{name}/{len(results)}" in file:
        results.append(file[f"{name}/{len(results)}"])
    return results


def described(arrays):
    """The shapes and dtypes of arrays as text, and all their numbers in one array: small to store, quick to compare."""
    return " ".join(f"{a.dtype}{list(a.shape)}" for a in arrays), np.concatenate(
        [np.zeros(0), *map(np.ravel, arrays)]
    )


def error_of(call, *args):
    """The exception that a call raises; RuntimeError for torch's NotImplementedError, which is one."""
    try:
        call(*args)
    except Exception as error:
        return RuntimeError if isinstance(error, NotImplementedError) else type(error)
    return None


def same_state(ours, theirs):
    """Assert that two modules have the same parameters and buffers: names, order, values."""
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(array_of(ours[name]), array_of(value), name)
