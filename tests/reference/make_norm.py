"""Computes with PyTorch what `tests/test_norm.py` compares with: `python make_norm.py`.

Made with PyTorch 2.13.0 on an x86 processor; writes `norm.npz` next to this file.
"""

import sys
from pathlib import Path

sys.path[:0] = map(str, Path(__file__).parents[1:3])
from families import store  # noqa: E402  (found on the path of the line above)
from parity import numbers  # noqa: E402

ROWS, SEQUENCE, IMAGE = numbers(5, 4), numbers(3, 4, 5), numbers(2, 4, 3, 2)
SCALE, SHIFT = numbers(4, seed=1), numbers(4, seed=2)

# ---------------------------------------------------------------------------------- functions and derivatives


def by(name, *args, **options):
    """A call of a function of nn.functional with tensors, then other arguments."""
    return lambda m, *tensors: getattr(m.nn.functional, name)(*tensors, *args, **options)


def batch_norm(**options):
    return lambda m, x, w=None, b=None: m.nn.functional.batch_norm(x, None, None, w, b, True, **options)


def evaluation(name, **options):
    """Normalised by running statistics, which are constants."""

    def function(m, x, *affine):
        mean, var = m.tensor(SHIFT / 2, dtype=x.dtype), m.tensor(SCALE**2 + 0.5, dtype=x.dtype)
        return getattr(m.nn.functional, name)(x, mean, var, *affine, **options)

    return function


DERIVATIVES = {
    "batch_norm of rows": (batch_norm(), (ROWS, SCALE, SHIFT)),
    "batch_norm of sequences": (batch_norm(), (SEQUENCE, SCALE, SHIFT)),
    "batch_norm of images": (batch_norm(eps=0.1), (IMAGE, SCALE, SHIFT)),
    "batch_norm of one image": (batch_norm(), (IMAGE[:1], SCALE, SHIFT)),
    "batch_norm without bias": (batch_norm(), (IMAGE, SCALE)),
    "batch_norm without parameters": (batch_norm(), (IMAGE,)),
    "batch_norm of one pixel": (batch_norm(), (IMAGE[..., :1, :1], SCALE, SHIFT)),
    "batch_norm evaluation": (evaluation("batch_norm", eps=0.1), (IMAGE, SCALE, SHIFT)),
    "batch_norm evaluation of rows": (evaluation("batch_norm"), (ROWS, SCALE)),
    "batch_norm evaluation without parameters": (evaluation("batch_norm"), (SEQUENCE,)),
    "instance_norm": (by("instance_norm"), (IMAGE,)),
    "instance_norm of sequences": (
        lambda m, x, w, b: m.nn.functional.instance_norm(x, weight=w, bias=b, eps=0.1),
        (SEQUENCE, SCALE, SHIFT),
    ),
    "instance_norm evaluation": (
        evaluation("instance_norm", use_input_stats=False), (IMAGE, SCALE, SHIFT)
    ),
    "group_norm": (lambda m, x, w, b: m.nn.functional.group_norm(x, 2, w, b), (IMAGE, SCALE, SHIFT)),
    "group_norm of rows": (lambda m, x, w, b: m.nn.functional.group_norm(x, 2, w, b), (ROWS, SCALE, SHIFT)),
    "group_norm in one group": (by("group_norm", 1, eps=0.1), (SEQUENCE,)),
    "group_norm of channels": (lambda m, x, w: m.nn.functional.group_norm(x, 4, w), (SEQUENCE, SCALE)),
    "rms_norm": (lambda m, x, w: m.nn.functional.rms_norm(x, (4,), w), (ROWS, SCALE)),
    "rms_norm of two dimensions": (by("rms_norm", [3, 2], eps=0.1), (IMAGE,)),
}  # fmt: skip


def module(make, train=True):
    """A layer called with one batch after the other: its results, then in evaluation, then its buffers."""

    def run(m, *batches):
        layer = make(m.nn).double().train(train)
        for parameter, values in zip(layer.parameters(), (SCALE, SHIFT)):
            parameter.data.copy_(m.tensor(values[: parameter.numel()]).reshape(parameter.shape))
        results = [layer(x) for x in batches]
        layer.eval()
        return [*results, layer(batches[0]), *layer.buffers()]

    return run


ONE, TWO = IMAGE, numbers(3, 4, 2, 2)
SHORT = numbers(2, 4, 3)
MODULES = {
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(4), (ONE, TWO)),
    "BatchNorm2d average": (lambda nn: nn.BatchNorm2d(4, momentum=None), (ONE, TWO, ONE)),
    "BatchNorm2d momentum": (lambda nn: nn.BatchNorm2d(4, 0.1, 0.9, affine=False), (ONE, TWO)),
    "BatchNorm2d without tracking": (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), (ONE, TWO)),
    "BatchNorm2d without bias": (lambda nn: nn.BatchNorm2d(4, bias=False), (ONE, TWO)),
    "BatchNorm1d of sequences": (lambda nn: nn.BatchNorm1d(4, momentum=None), (SEQUENCE, SHORT)),
    "BatchNorm1d of both": (lambda nn: nn.BatchNorm1d(4), (ROWS, SEQUENCE)),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(4), (ONE, TWO)),
    "InstanceNorm2d tracking": (
        lambda nn: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), (ONE, TWO)
    ),
    "InstanceNorm2d momentum None": (
        lambda nn: nn.InstanceNorm2d(4, momentum=None, track_running_stats=True), (ONE, TWO)
    ),
    "InstanceNorm2d of one image": (lambda nn: nn.InstanceNorm2d(4, 0.1, affine=True), (ONE[0],)),
    "InstanceNorm1d": (lambda nn: nn.InstanceNorm1d(4, affine=True, bias=False), (SEQUENCE, SHORT)),
    "InstanceNorm1d of one sequence": (
        lambda nn: nn.InstanceNorm1d(4, track_running_stats=True), (SEQUENCE[0], SHORT)
    ),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), (ONE, SEQUENCE, ROWS)),
    "GroupNorm options": (lambda nn: nn.GroupNorm(4, 4, 0.1, affine=False), (ONE,)),
    "GroupNorm without bias": (lambda nn: nn.GroupNorm(1, 4, bias=False), (ONE,)),
    "RMSNorm": (lambda nn: nn.RMSNorm(4), (ROWS,)),
    "RMSNorm options": (lambda nn: nn.RMSNorm((4, 5), eps=0.1, elementwise_affine=False), (SEQUENCE,)),
}  # fmt: skip
for name, (make, batches) in MODULES.items():
    DERIVATIVES[name] = module(make), batches
DERIVATIVES["BatchNorm2d never trained"] = module(lambda nn: nn.BatchNorm2d(4), train=False), (ONE,)

# ---------------------------------------------------------------------------------------------- empty batches


def empty(make, *shape):
    """An empty batch in training and evaluation: results, gradients, buffers."""

    def run(m):
        layer, x = make(m.nn), m.zeros(*shape, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        z = layer.eval()(x)
        return [y, z, x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]

    return run


VALUES = {
    "BatchNorm1d of no rows": empty(lambda nn: nn.BatchNorm1d(3), 0, 3),
    "BatchNorm1d of empty sequences": empty(lambda nn: nn.BatchNorm1d(3), 2, 3, 0),
    "BatchNorm2d of no images": empty(lambda nn: nn.BatchNorm2d(3), 0, 3, 4, 4),
    "BatchNorm2d of empty images": empty(lambda nn: nn.BatchNorm2d(3, affine=False), 2, 3, 0, 4),
    "InstanceNorm1d of empty sequences": empty(lambda nn: nn.InstanceNorm1d(3), 2, 3, 0),
    "GroupNorm of no images": empty(lambda nn: nn.GroupNorm(2, 4), 0, 4, 3, 3),
    "RMSNorm of no rows": empty(lambda nn: nn.RMSNorm(3), 0, 3),
}

# ----------------------------------------------------------------------------------------------------- errors


def refused(make, *shape):
    return lambda m: make(m.nn)(m.zeros(*shape))


def refused_by(name, *args, **options):
    return lambda m: getattr(m.nn.functional, name)(
        *(m.ones(*a) if isinstance(a, tuple) else a for a in args),
        **{key: m.ones(*a) if isinstance(a, tuple) else a for key, a in options.items()},
    )


ERRORS = {
    "BatchNorm2d of rows": refused(lambda nn: nn.BatchNorm2d(3), 2, 3),
    "BatchNorm2d of one image": refused(lambda nn: nn.BatchNorm2d(3), 3, 4, 4),
    "BatchNorm2d channels": refused(lambda nn: nn.BatchNorm2d(3), 2, 4, 4, 4),
    "BatchNorm2d one value": refused(lambda nn: nn.BatchNorm2d(3), 1, 3, 1, 1),
    "BatchNorm1d of images": refused(lambda nn: nn.BatchNorm1d(3), 2, 3, 4, 4),
    "InstanceNorm2d of rows": refused(lambda nn: nn.InstanceNorm2d(3), 2, 3),
    "InstanceNorm2d channels": refused(lambda nn: nn.InstanceNorm2d(3, affine=True), 2, 4, 4, 4),
    "InstanceNorm2d one pixel": refused(lambda nn: nn.InstanceNorm2d(3), 2, 3, 1, 1),
    "InstanceNorm1d of one number": refused(lambda nn: nn.InstanceNorm1d(3), 3),
    "InstanceNorm1d one pixel": refused(lambda nn: nn.InstanceNorm1d(3), 2, 3, 1),
    "GroupNorm does not divide": lambda m: m.nn.GroupNorm(4, 6),
    "GroupNorm channels": refused(lambda nn: nn.GroupNorm(2, 6), 2, 5),
    "GroupNorm one value": refused(lambda nn: nn.GroupNorm(6, 6), 1, 6),
    "GroupNorm one dimension": refused(lambda nn: nn.GroupNorm(2, 6), 6),
    "RMSNorm shape": refused(lambda nn: nn.RMSNorm((3, 4)), 2, 4, 3),
    "rms_norm weight": refused_by("rms_norm", (2, 4), [4], weight=(3,)),
    "rms_norm no shape": refused_by("rms_norm", (2, 4), []),
    "rms_norm integers": lambda m: m.nn.functional.rms_norm(m.arange(4).reshape(2, 2), (2,)),
    "group_norm weight": refused_by("group_norm", (2, 4, 2), 2, (3,)),
    "group_norm integers": lambda m: m.nn.functional.group_norm(m.arange(8).reshape(2, 4), 2),
    "instance_norm one value": refused_by("instance_norm", (2, 4)),
    "instance_norm no statistics": refused_by("instance_norm", (2, 4, 3), use_input_stats=False),
    "instance_norm one statistic": refused_by("instance_norm", (2, 4, 3), (4,)),
    "instance_norm mean": refused_by("instance_norm", (2, 4, 3), (3,), (4,)),
    "instance_norm weight": refused_by("instance_norm", (2, 4, 3), weight=(3,)),
    "instance_norm integers": lambda m: m.nn.functional.instance_norm(m.arange(8).reshape(2, 2, 2)),
    "batch_norm no statistics": refused_by("batch_norm", (2, 4, 3), None, None),
}

if __name__ == "__main__":
    store("norm", DERIVATIVES, VALUES, ERRORS)
