"""A forward pass that leaves no trace in the model, which is what measuring one takes."""

import contextlib

from .. import random
from ..autograd import no_grad


@contextlib.contextmanager
def traceless(model, tensors):
    """Record nothing inside; then put back the modes and buffers of `model`, what `tensors` hold, the random stream."""
    training = [(module, module.training) for module in model.modules()]
    registries = [(module, dict(module._buffers)) for module in model.modules()]
    kept = [(tensor, tensor.array, tensor.array.copy()) for tensor in [*tensors, *model.buffers()]]
    streams = [(stream, stream.get_state()) for stream in {random.default_generator, random.source}]
    try:
        with no_grad():
            yield
    finally:
        for module, mode in training:
            module.training = mode
        for module, buffers in registries:
            for name, buffer in buffers.items():
                if getattr(module, name) is not buffer:
                    setattr(module, name, buffer)
        for tensor, array, values in kept:
            tensor.array = array
            array[...] = values
        for stream, state in streams:
            stream.set_state(state)
