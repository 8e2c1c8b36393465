"""The random generators that a fit draws from, and their states."""

from .. import random
from ..autograd import wrap
from ..backend import asarray, to_numpy


def generators(model, data):
    """{name: generator}: the default ones, and those held by the model's modules, the loaders and what these read from."""
    found = {"default": random.default_generator}
    if random.source is not random.default_generator:
        found["cuda"] = random.source
    holders = [(f"model.{name}", module) for name, module in model.named_modules()]
    for part in ("train", "validation"):
        loader = getattr(data, part)
        batches = getattr(loader, "batch_sampler", None)
        holders += [
            (part, loader), (f"{part}.sampler", getattr(loader, "sampler", None)),
            (f"{part}.batch_sampler", batches), (f"{part}.batch_sampler.sampler", getattr(batches, "sampler", None)),
            (f"{part}.dataset", getattr(loader, "dataset", None)),
        ]  # fmt: skip
    for place, holder in holders:
        for name, value in getattr(holder, "__dict__", {}).items():
            if isinstance(value, random.Generator) and all(value is not known for known in found.values()):
                found[f"{place}.{name}"] = value
    return found


def get_states(generators):
    """The state of each generator as a tensor of uint8."""
    return {name: wrap(asarray(generator.get_state())) for name, generator in generators.items()}


def set_states(generators, states):
    """Put every generator back to where it was; `states` has the names of `generators`."""
    for name, generator in generators.items():
        generator.set_state(to_numpy(states[name].array))
