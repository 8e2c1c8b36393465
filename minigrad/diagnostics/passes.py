"""A forward pass that leaves no trace in the model, which is what measuring one takes."""

import contextlib

from ..autograd import no_grad
from ..random import default_generator


@contextlib.contextmanager
def traceless(model, tensors):
    """Record nothing inside; then put back the modes and buffers of `model`, what `tensors` hold, the random stream."""
    training = [(module, module.training) for module in model.modules()]
    registries = [(module, dict(module._buffers)) for module in model.modules()]
    kept = [(tensor, tensor.array, tensor.array.copy()) for tensor in [*tensors, *model.buffers()]]
    state = default_generator.get_state()
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
        default_generator.set_state(state)
