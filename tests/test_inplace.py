"""Changes in place: values, histories and errors of random programs are NumPy's, PyTorch's and central differences'."""

import numpy as np
import pytest

import minigrad as mg

# ------------------------------------------------------------------------------------------------ random programs
#
# A program is a list of steps (name, position, others) over a growing list of tensors. The same steps run on minigrad,
# PyTorch and NumPy, which all have views; NumPy's values at shifted inputs give the derivatives.

INDICES = [(0, ...), (slice(1, None), ...), (slice(None, None, 2), ...), (..., -1), (..., slice(0, 2)), ([1, 0], ...)]


def transposed(x):
    if x.ndim != 2:
        raise IndexError("not a matrix")
    return x.T


NEW = {  # of tensors and arrays alike; the first four are views, at most
    "select": lambda x, index: x[index],
    "transpose": transposed,
    "flat": lambda x: x.reshape(-1),
    "row": lambda x: x.reshape((1, *x.shape)),
    "mul": lambda x, other: x * other,
    "sub": lambda x, other: x - other,
    "double": lambda x: x + x,
    "power": lambda x: x**2,
}
CHANGES = {  # name: (of a tensor, of an array)
    "add_": (lambda x, other: x.add_(other), lambda x, other: np.add(x, other, out=x)),
    "sub_": (lambda x, other: x.sub_(other, alpha=0.5), lambda x, other: np.subtract(x, 0.5 * other, out=x)),
    "mul_": (lambda x, other: x.mul_(other), lambda x, other: np.multiply(x, other, out=x)),
    "div_": (lambda x, other: x.div_(other**2 + 1), lambda x, other: np.divide(x, other**2 + 1, out=x)),
    "copy_": (lambda x, other: x.copy_(other), lambda x, other: np.copyto(x, other)),
    "lerp_": (lambda x, other: x.lerp_(other * 2, 0.25), lambda x, other: np.copyto(x, 0.75 * x + 0.5 * other)),
    "addcmul_": (lambda x, other: x.addcmul_(other, other), lambda x, other: np.add(x, other * other, out=x)),
    "sin_": (lambda x: x.sin_(), lambda x: np.sin(x, out=x)),
    "tanh_": (lambda x: x.tanh_(), lambda x: np.tanh(x, out=x)),
    "square_": (lambda x: x.square_(), lambda x: np.square(x, out=x)),
    "zero_": (lambda x: x.zero_(), lambda x: np.copyto(x, 0)),
    "fill_": (lambda x, other: x.fill_(other.sum()), lambda x, other: np.copyto(x, other.sum())),
    "set": (lambda x, index, other: x.__setitem__(index, other),) * 2,
    "augment": (
        lambda x, index: x.__setitem__(index, x[index].mul_(2)),
        lambda x, index: x.__setitem__(index, x[index] * 2),
    ),
}


def start(library):
    """Leaves that require grad, and four tensors: two computed from the leaves (one in Fortran order), two buffers."""
    values = [np.linspace(-1, 1.2, 6).reshape(3, 2).T, np.array([0.3, -0.7, 0.9]), np.full((2, 3), 0.4), np.array(-0.6)]
    if library is np:
        return values[:2], values
    leaves = [library.from_numpy(v).requires_grad_() for v in values[:2]]
    return leaves, [*(x * 1 for x in leaves), *map(library.from_numpy, values[2:])]


def step(tensors, name, position, others, arrays=False):
    others = [tensors[other] if isinstance(other, int) else other for other in others]
    if name in NEW:
        tensors.append(NEW[name](tensors[position], *others))
        if arrays:
            tensors[-1] = np.asarray(tensors[-1])
    else:
        CHANGES[name][arrays](tensors[position], *others)


def random_program(seed):
    """Steps that NumPy takes without error, and the tensors in the end."""
    generator = np.random.default_rng(seed)
    tensors, program = [a.copy("K") for a in start(np)[1]], []
    while len(program) < 8:
        name = str(generator.choice([*NEW, *CHANGES]))
        position, other = map(int, generator.integers(len(tensors), size=2))
        function = NEW.get(name) or CHANGES[name][0]
        names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        others = [other if n == "other" else INDICES[generator.integers(len(INDICES))] for n in names]
        if name in CHANGES and np.shares_memory(tensors[position], tensors[other]):
            continue  # what overlaps, PyTorch refuses
        try:
            if name.endswith("_") and name != "fill_":
                np.broadcast_to(tensors[other], tensors[position].shape)
            step(tensors, name, position, others, arrays=True)
        except (IndexError, ValueError):
            continue
        program.append((name, position, others))
    return program


def loss_of(tensors):
    return sum((x * x * (i + 1)).sum() for i, x in enumerate(tensors))


def differences(program, h=1e-4):
    """The derivative of the loss with respect to each leaf, by central differences of fourth order."""

    def loss(i, index, shift):
        tensors = [a.copy("K") for a in start(np)[1]]
        tensors[i][index] += shift
        for name, position, others in program:
            step(tensors, name, position, others, arrays=True)
        return loss_of(tensors)

    for i, leaf in enumerate(start(np)[0]):
        yield np.array([
            (8 * (loss(i, k, h) - loss(i, k, -h)) - (loss(i, k, 2 * h) - loss(i, k, -2 * h))) / (12 * h)
            for k in np.ndindex(leaf.shape)
        ]).reshape(leaf.shape)  # fmt: skip


def run(library, program):
    """The tensors, the first and the second derivatives, or the error of backward."""
    leaves, tensors = start(library)
    for name, position, others in program:
        step(tensors, name, position, others)
    try:
        first = library.autograd.grad(loss_of(tensors), leaves, create_graph=True, materialize_grads=True)
        total = sum((g * g).sum() for g in first) + sum((x * 0).sum() for x in leaves)
        return tensors, [*first, *library.autograd.grad(total, leaves)], None
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
        return tensors, [], error


PROGRAMS = [random_program(seed) for seed in range(100)]


def test_random_programs_by_differences():
    refused = 0
    for program in PROGRAMS:
        tensors, gradients, error = run(mg, program)
        arrays = [a.copy("K") for a in start(np)[1]]
        for name, position, others in program:
            step(arrays, name, position, others, arrays=True)
        for x, expected in zip(tensors, arrays, strict=True):
            np.testing.assert_allclose(x.detach().numpy(), expected, 1e-12, 1e-12, err_msg=str(program))
        refused += error is not None
        if error is None:
            for g, expected in zip(gradients[:2], differences(program)):
                scale = 1 + np.abs(expected).max()
                np.testing.assert_allclose(g.detach().numpy(), expected, 1e-6, 1e-8 * scale, err_msg=str(program))
    assert refused < len(PROGRAMS) / 4


def test_random_programs_as_torch():
    torch = pytest.importorskip("torch")
    for program in PROGRAMS:
        tensors, gradients, error = run(mg, program)
        theirs, expected, refused = run(torch, program)
        for x, y in zip(tensors, theirs, strict=True):
            assert x._version == y._version, program
            assert x.requires_grad == y.requires_grad, program
            assert x.is_leaf == y.is_leaf, program
        assert error is None or refused is not None, program  # what PyTorch refuses may work here, not the reverse
        if refused is None:
            for g, b in zip(gradients, expected, strict=True):
                b = b.detach().numpy()
                np.testing.assert_allclose(g.detach().numpy(), b, 1e-9, 1e-9 * (1 + np.abs(b).max()), err_msg=str(program))
