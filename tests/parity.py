"""The same lines of code run by torch and by minigrad: what the comparisons of layers with PyTorch share.

A case is a function of a library, `torch` or `minigrad`, and its tensors; it returns a Tensor or a tuple of them.
"""

import numpy as np


def numbers(*shape, seed=0, low=-2.0, high=2.0):
    """Reproducible float64 numbers between two bounds."""
    return np.random.RandomState(seed + 7 * len(shape) + int(np.prod(shape))).uniform(low, high, shape)


def weights(shape):
    """Numbers of both signs that stand for an incoming gradient."""
    return (np.arange(np.prod(shape, dtype=int)) * 5 % 7 / 2 - 1.25).reshape(shape)


def tuple_of(outputs):
    return outputs if isinstance(outputs, tuple | list) else (outputs,)


def derivatives(m, function, arrays, order=2):
    """The outputs, the gradients of the inputs, and the gradients of these: zeros where nothing requires grad."""
    inputs = [m.tensor(a, requires_grad=True) for a in arrays]
    outputs = list(tuple_of(function(m, *inputs)))
    results = list(outputs)
    for i in range(order):
        outputs = [y for y in outputs if y.requires_grad]
        incoming = [m.tensor(weights(y.shape).astype(a.dtype)) for y in outputs for a in arrays[:1]]
        outputs = list(
            m.autograd.grad(outputs, inputs, incoming, create_graph=i + 1 < order, materialize_grads=True)
            if outputs
            else map(m.zeros_like, inputs)
        )
        results += outputs
    return [array_of(x) for x in results]


def array_of(tensor):
    """A copy of the numbers of a tensor of either library."""
    return np.array(tensor.detach().tolist(), str(tensor.dtype).split(".")[-1]).reshape(tuple(tensor.shape))


def assert_same(ours, theirs, relative=1e-10, absolute=1e-11):
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        assert a.shape == b.shape, f"result {i}"
        assert a.dtype == b.dtype, f"result {i}"
        np.testing.assert_allclose(a, b, relative, absolute * (1 + np.abs(b[np.isfinite(b)]).max(initial=0)), err_msg=f"result {i}")


def stored_results(file, name):
    """The arrays that a make script saved as name/0, name/1, ..."""
    return [file[f"{name}/{i}"] for i in range(sum(key.rpartition("/")[0] == name for key in file))]


def error_of(call, *args):
    """The exception that a call raises; RuntimeError for torch's NotImplementedError, which is one."""
    try:
        call(*args)
    except Exception as error:
        return RuntimeError if isinstance(error, NotImplementedError) else type(error)
    return None


def same_state(ours, theirs):
    """Assert that two modules have parameters and buffers of the same names, in the same order, with the same values."""
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(array_of(ours[name]), array_of(value), name)
