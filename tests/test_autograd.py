"""The engine: what is recorded, walked, kept and freed, and the API around it."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from gradients import check_gradients

import minigrad as mg
from minigrad import autograd
from minigrad.autograd import primitive, view
from minigrad.backend import xp


def leaf(m=mg):
    return m.tensor([1.0, 2.0, 3.0], requires_grad=True)


# -------------------------------------------------------------------------------- results that torch has as well


def repeated(function):
    """The gradient after two backwards through one graph; only what keeps values for backward forbids that."""

    def run(m):
        x = leaf(m)
        y = function(m, x).sum()
        y.backward()
        y.backward()
        return x.grad

    return run


def accumulated(m):
    x = leaf(m)
    for _ in range(3):
        (x * x).sum().backward()
    x.grad = None
    (x * 3).sum().backward()
    return x.grad


def retained(m):
    x = leaf(m)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert y.retains_grad
    assert not x.retains_grad
    return m.stack([x.grad, y.grad])


def hooked(m):
    x, seen = leaf(m), []
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g))
    removed = y.register_hook(lambda g: g * 1000)
    removed.remove()
    removed.remove()
    y.retain_grad()  # sees what the hooks made of it
    with x.register_hook(lambda g: g + 1):
        (y * y).sum().backward()
    (x * x).sum().backward()
    return m.stack([*seen, y.grad, x.grad])


def inputs_only(m):
    x, w = leaf(m), leaf(m)
    y = x * w
    y.sum().backward(inputs=[x, y], retain_graph=True)
    assert w.grad is None
    found = m.stack([x.grad, y.grad])
    y.sum().backward(inputs=w)
    assert w.grad.tolist() == [1, 2, 3]
    assert x.grad.tolist() == [1, 2, 3]
    return found


def buffers(m):
    x = leaf(m)
    x.sum().backward()
    x.requires_grad_(False)
    assert x.grad.tolist() == [1, 1, 1]
    x.requires_grad = True
    (x * x).sum().backward()
    return x.grad


def replaced_data(m):
    x = leaf(m)
    x.data = m.tensor([5.0, 6.0])
    (x * x).sum().backward()
    return x.grad


def switched(m):
    x, found = leaf(m), []
    with m.no_grad():
        found.append((x * x).requires_grad)
        with m.enable_grad():
            found.append((x * x).requires_grad)
        found.append(m.is_grad_enabled())
        found.append(m.ones(1, requires_grad=True).requires_grad)
    with m.inference_mode():
        found.append((x * x).requires_grad)
    with m.inference_mode(False):
        found.append((x * x).requires_grad)
    with m.set_grad_enabled(False):
        found.append((x * x).requires_grad)
    m.set_grad_enabled(False)
    found.append((x * x).requires_grad)
    m.set_grad_enabled(True)
    found.append((x * x).requires_grad)
    return m.tensor(found)


def decorated(m):
    x, found = leaf(m), []
    decorators = m.no_grad, m.inference_mode, m.no_grad(), m.enable_grad(), m.inference_mode(), m.set_grad_enabled
    for decorator in decorators:
        decorator = decorator(False) if decorator is m.set_grad_enabled else decorator
        function = decorator(lambda n: x * x if n == 0 else function(n - 1))  # noqa: B023
        found += [function(0).requires_grad, function(3).requires_grad, m.is_grad_enabled()]

    def failing():
        raise KeyError

    for make in (m.no_grad, lambda: m.set_grad_enabled(False)):
        with pytest.raises(KeyError):
            make()(failing)()
        again = make()
        for _ in range(2):
            with pytest.raises(KeyError), again:
                raise KeyError
        found.append(m.is_grad_enabled())
    return m.tensor(found)


def third(m):
    x = leaf(m)
    y = (x**4).sum()
    for _ in range(3):
        (g,) = m.autograd.grad(y, x, create_graph=True)
        y = g.sum()
    return g.detach()


def through_incoming(m):
    x, v = leaf(m), leaf(m)
    (g,) = m.autograd.grad(x * x, x, v, create_graph=True)
    return m.autograd.grad((g * g).sum(), v)[0]


def double_backward(m):
    x = leaf(m)
    (x**3).sum().backward(create_graph=True)
    x.grad.sum().backward()
    return x.grad.detach()


def diamond(m):
    x = y = leaf(m)
    for _ in range(3):
        y = y * 2 + y
    return m.autograd.grad((y * x + y).sum(), x)[0]


RESULTS = {
    "sum twice": (repeated(lambda m, x: x), [2, 2, 2]),
    "addition twice": (repeated(lambda m, x: x + x - -x), [6, 6, 6]),
    "views twice": (repeated(lambda m, x: x.reshape(3, 1).T[:, 1]), [0, 2, 0]),
    "accumulation": (accumulated, [3, 3, 3]),
    "retain_grad": (retained, [[16, 32, 48], [8, 16, 24]]),
    "hooks": (hooked, [[40, 80, 120], [40, 80, 120], [83, 165, 247]]),
    "backward with inputs": (inputs_only, [[1, 2, 3], [1, 1, 1]]),
    "requires_grad off and on": (buffers, [3, 5, 7]),
    "data replaced": (replaced_data, [10, 12]),
    "modes": (switched, [False, True, False, True, False, True, False, False, True]),
    "decorators": (
        decorated,
        [False, False, True] * 3 + [True, True, True] + [False, False, True] * 2 + [True, True],
    ),
    "third derivative": (third, [24, 48, 72]),
    "through the incoming gradient": (through_incoming, [8, 64, 216]),
    "double backward": (double_backward, [9, 24, 45]),
    "diamond": (diamond, [81, 135, 189]),
    "of an output": (lambda m: m.autograd.grad((y := (leaf(m) * 2).sum()), y)[0], 1),
    "of an inner value": (lambda m: m.autograd.grad(((y := leaf(m) * 2) * y).sum(), y)[0], [4, 8, 12]),
    "two outputs": (lambda m: m.autograd.grad([(x := leaf(m)) * x, x.sum()], x, [m.ones(3), None])[0], [3, 5, 7]),
    "one output twice": (lambda m: m.autograd.grad([y := ((x := leaf(m)) * x).sum(), y], x)[0], [4, 8, 12]),
    "an output and its parent": (
        lambda m: m.autograd.grad([(y := (x := leaf(m)) * x).sum(), y], x, [None, m.ones(3)])[0], [4, 8, 12]
    ),
    "unused, as zeros": (lambda m: m.autograd.grad(leaf(m).sum(), leaf(m), materialize_grads=True)[0], [0, 0, 0]),
    "gradient of another dtype": (lambda m: m.autograd.grad((x := leaf(m)) * 2, x, m.ones(3).double())[0], [2, 2, 2]),
    "leaves": (
        lambda m: m.tensor([x.is_leaf for x in (leaf(m), leaf(m) * 1, m.ones(1), (leaf(m) * 1).detach())]),
        [True, False, True, True],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_result(name):
    function, expected = RESULTS[name]
    assert function(mg).tolist() == expected


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")
def test_torch_gives_the_same_results():
    torch = pytest.importorskip("torch")
    for name, (function, expected) in RESULTS.items():
        assert function(torch).tolist() == expected, name


ERRORS = [
    (repeated(lambda m, x: x * x), RuntimeError, "Trying to backward through the graph a second time"),
    (repeated(lambda m, x: x.exp()), RuntimeError, "Trying to backward through the graph a second time"),
    (lambda m: (leaf(m) * 2).backward(), RuntimeError, "grad can be implicitly created only for scalar outputs"),
    (lambda m: m.autograd.grad(leaf(m) * 2, leaf(m)), RuntimeError, "grad can be implicitly created only for scalar"),
    (lambda m: m.ones(1).backward(), RuntimeError, "element 0 of tensors does not require grad"),
    (lambda m: (leaf(m) * 2).detach().sum().backward(), RuntimeError, "does not have a grad_fn"),
    (lambda m: (leaf(m) * 2).backward(m.ones(2)), RuntimeError, r"Mismatch in shape: grad_output\[0\]"),
    (lambda m: (leaf(m) * 2).backward(m.ones(1, 3)), RuntimeError, "Mismatch in shape"),
    (lambda m: m.autograd.grad(leaf(m) * 2, leaf(m), [2.0]), TypeError, "gradients can be either Tensors or None"),
    (lambda m: m.autograd.grad(leaf(m).sum(), leaf(m)), RuntimeError, "appears to not have been used in the graph"),
    (lambda m: m.autograd.grad(leaf(m).sum(), m.ones(3)), RuntimeError, "differentiated Tensors does not require grad"),
    (lambda m: m.autograd.grad(leaf(m).sum(), []), RuntimeError, r"`inputs` argument to `grad\(\)` cannot be empty"),
    (lambda m: leaf(m).sum().backward(inputs=[]), RuntimeError, r"argument to `backward\(\)` cannot be empty"),
    (lambda m: leaf(m).sum().backward(inputs=[m.ones(2)]), RuntimeError, "requires?_? ?grad"),
    (
        lambda m: m.autograd.grad(leaf(m).sum(), leaf(m), allow_unused=False, materialize_grads=True),
        ValueError, "xpected allow_unused",
    ),
    (lambda m: m.ones(2, dtype=m.int64).requires_grad_(), RuntimeError, "(?i)only tensors of floating point"),
    (lambda m: (leaf(m) * 2).requires_grad_(False), RuntimeError, "only change requires_grad flags of leaf"),
    (lambda m: m.ones(2).retain_grad(), RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"),
    (lambda m: m.ones(2).register_hook(print), RuntimeError, "cannot register a hook on a tensor that"),
    (lambda m: (leaf(m) * 2)[0].detach_(), RuntimeError, "Can't detach views in-place"),
    (lambda m: leaf(m).numpy(), RuntimeError, r"Can't call numpy\(\) on Tensor that requires grad"),
    (lambda m: setattr(leaf(m), "grad", m.ones(2)), RuntimeError, "assigned grad|assign(ing)? a gradient"),
    (lambda m: setattr(leaf(m), "grad", m.ones(3).double()), RuntimeError, "assigned grad|assign(ing)? a gradient"),
    (lambda m: setattr(leaf(m), "grad", 3), TypeError, "assigned grad expected to be a Tensor or None"),
]  # fmt: skip
for answer, error in (
    (lambda m: 3, TypeError), (lambda m: m.ones(2), RuntimeError), (lambda m: m.ones(3).double(), RuntimeError)
):  # fmt: skip

    def bad_hook(m, answer=answer):
        x = leaf(m)
        x.register_hook(lambda g: answer(m))
        x.sum().backward()

    ERRORS.append((bad_hook, error, "hook"))


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_misuse_is_refused(function, error, message):
    with pytest.raises(error, match=message):
        function(mg)


def test_torch_refuses_the_same():
    torch = pytest.importorskip("torch")
    for function, error, message in ERRORS:
        with pytest.raises(error, match=message):
            function(torch)


def test_an_unused_input_gets_none_if_allowed():
    x, y = leaf(), leaf()
    gx, gy = autograd.grad((x * 2).sum(), [x, y], allow_unused=True)
    assert gx.tolist() == [2, 2, 2]
    assert gy is None
    assert x.grad is None


def test_error_names_the_operation_and_the_remedy():
    x = leaf()
    y = x.exp()
    y.sum().backward()
    with pytest.raises(RuntimeError, match=r"what exp kept for it was freed.*retain_graph=True"):
        y.sum().backward()
    z = x.sin()
    x.detach().mul_(2)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*what sin kept.*version 1"):
        z.sum().backward()


# ------------------------------------------------------------------------------------------------- grad mode


def test_grad_mode_belongs_to_its_thread():
    seen = {}

    def work():
        seen["fresh"] = mg.is_grad_enabled()
        mg.set_grad_enabled(False)
        seen["set"] = mg.is_grad_enabled()

    with mg.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()
    assert seen == {"fresh": True, "set": False}


@pytest.mark.parametrize("leave", [mg.Tensor.detach_, lambda x: x.requires_grad_(False)])
def test_a_leaf_that_has_left_the_graph_keeps_its_gradient(leave):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = (x * 5).sum()
    leave(x)
    y.backward()
    assert x.grad.tolist() == [3, 3]
    (x.requires_grad_() * 2).sum().backward()
    assert x.grad.tolist() == [5, 5]


def test_threads_differentiate_at_once():
    results = {}

    def work(n):
        x = mg.tensor([float(n)], requires_grad=True)
        for _ in range(50):
            x.grad = None
            y = x
            for _ in range(20):
                y = y * 1 + 0
            (y * y).sum().backward()
        results[n] = x.grad.item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: 2.0 * n for n in range(4)}


def test_backward_records_only_under_create_graph_and_restores_the_mode():
    modes = []
    x = leaf()
    y = x * x
    y.register_hook(lambda g: modes.append((mg.is_grad_enabled(), g.requires_grad)))
    y.sum().backward(retain_graph=True)
    with mg.no_grad():
        (g,) = autograd.grad(y, x, mg.ones(3), retain_graph=True, create_graph=True)
        assert not mg.is_grad_enabled()
    assert modes == [(False, False), (True, False)]
    assert g.requires_grad

    def fail(g):
        raise KeyError

    y.register_hook(fail)
    with pytest.raises(KeyError):
        y.sum().backward()
    assert mg.is_grad_enabled()


# ------------------------------------------------------------------------------------------- memory and aliasing


def test_gradients_never_share_memory():
    x, y = leaf(), leaf()
    incoming = mg.ones(3)
    (x + y).backward(incoming)  # one array goes to both
    x.grad.zero_()
    incoming.zero_()
    assert y.grad.tolist() == [1, 1, 1]
    x.backward(incoming)  # a leaf as the root
    incoming.fill_(7)
    assert x.grad.tolist() == [0, 0, 0]
    z = x.reshape(3, 1).T.expand(2, 3)  # views of views
    z.sum().backward()
    x.grad.fill_(9)
    assert x.grad.tolist() == [9, 9, 9]
    first, second = autograd.grad((x + y).sum(), [x, y])
    first.zero_()
    assert second.tolist() == [1, 1, 1]
    product = x.grad * y
    (x * 2).sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()  # needs what the gradient was
    kept = mg.ones(3)
    x.grad = kept
    (x * 2).sum().backward()  # adds in place, as to any gradient that is there
    assert kept.tolist() == [3, 3, 3]


def test_hooks_and_retained_gradients_do_not_disturb_the_walk():
    x = leaf()
    y = x * 1
    y.retain_grad()
    (y + y).sum().backward(retain_graph=True)
    y.grad.zero_()
    assert x.grad.tolist() == [2, 2, 2]
    x.grad.zero_()
    seen = []
    x.register_hook(seen.append)
    y.sum().backward()
    x.grad.fill_(5)
    assert seen[0].tolist() == [1, 1, 1]


def traced(calls):
    """A product whose derivatives note that they were called."""

    @primitive
    def product(a, b):
        return a * b

    product.vjps(a=lambda g, b: calls.append("a") or g * b, b=lambda g, a: calls.append("b") or g * a)
    return product


def test_only_the_derivatives_that_are_needed_are_computed():
    calls = []
    product = traced(calls)
    x, y, constant = leaf(), leaf(), mg.ones(3)
    product(x, constant).sum().backward()
    product(constant, y).sum().backward()
    assert calls == ["a", "b"]
    calls.clear()
    autograd.grad(product(x, y).sum(), y)
    assert calls == ["b"]
    calls.clear()
    autograd.grad(product(product(x, constant), y).sum(), y)  # x is not asked for: nothing below the outer product
    assert calls == ["b"]
    calls.clear()
    product(x, y).sum().backward()
    assert sorted(calls) == ["a", "b"]
    calls.clear()
    assert isinstance(product(np.ones(3), np.ones(3)), np.ndarray)


def test_only_what_depends_on_a_leaf_requires_grad():
    x, constant = leaf(), mg.ones(3)
    for function in (lambda a: a[0], mg.exp, lambda a: a * 2, lambda a: mg.where(a > 0, a, 0), mg.sum):
        assert function(x).requires_grad
        assert not function(constant).requires_grad
        assert not function(x.detach()).requires_grad
        with mg.no_grad():
            assert not function(x).requires_grad
    for function in (mg.sign, mg.floor):
        assert function(x).requires_grad  # of gradient 0
    for function in (lambda a: a > 0, lambda a: a.long(), lambda a: a.argmax(), mg.isnan):
        assert not function(x).requires_grad


def test_only_what_a_derivative_names_is_kept_alive():
    def alive(function):
        """Which of (first input, second input, output) are there when only the graph refers to them."""
        x, w = mg.ones(3, requires_grad=True), mg.ones(3)
        a, b = x * 1, w * 1
        y = function(a, b)
        references = [weakref.ref(t.array) for t in (a, b, y)]
        end = y.sum()
        del a, b, y
        found = [reference() is not None for reference in references]
        end.backward()
        return found

    assert alive(lambda a, b: a + b) == [False, False, False]
    assert alive(lambda a, b: a * b) == [False, True, False]  # b wants no gradient, so a is not needed
    assert alive(lambda a, b: a.exp()) == [False, False, True]
    assert alive(lambda a, b: a.sin()) == [True, False, False]
    assert alive(lambda a, b: a / b) == [False, True, False]
    assert alive(lambda a, b: -a) == [False, False, False]
    assert alive(lambda a, b: a * 2) == [False, False, False]
    assert alive(lambda a, b: mg.where(b > 0, a, b)) == [False, False, False]


def test_values_are_freed_by_backward_and_the_graph_with_its_last_tensor():
    gc.disable()
    try:
        x = mg.ones(3, requires_grad=True)
        y = (x * 1).exp()
        value, node = weakref.ref(y.array), weakref.ref(y.grad_fn)
        loss = y.sum()
        del y
        assert value() is not None
        loss.backward()
        assert value() is None
        assert node() is not None
        del loss
        assert node() is None
        y = x * x
        tensor, z = weakref.ref(y), y.sum()
        del y  # the graph refers to arrays and nodes, never to the tensor
        assert tensor() is None
        z.backward()
    finally:
        gc.enable()


def assert_long_chain_works(step, start, length=100_000):
    """Forward, backward and freeing of a long chain: in time, without recursion and without the collector."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        leaf_, references = mg.ones(2, requires_grad=True), []
        x = start(leaf_)
        for i in range(length):
            x = step(x)
            if i % 1000 == 0:
                references += [weakref.ref(x), weakref.ref(x.grad_fn)]
        x.sum().backward()
        assert leaf_.grad.tolist() == [1, 1]
        del x
        assert not any(reference() for reference in references)
        assert time.process_time() - began < 20
    finally:
        gc.enable()


def test_a_chain_of_100000_operations():
    assert_long_chain_works(lambda x: x + 0, lambda x: x)
    assert_long_chain_works(lambda x: x * 1.0, lambda x: x * x / x, length=10_000)


def test_a_chain_of_100000_views():
    assert_long_chain_works(lambda x: x.reshape(1, 2) if x.ndim == 1 else x[0], lambda x: x * 1)


def test_a_chain_of_views_follows_a_change_in_place():
    x = mg.ones(2, requires_grad=True) * 1
    last = x
    for _ in range(10_000):
        last = last.reshape(1, 2)[0]
    x.mul_(3)  # every view in between is taken anew
    assert last.tolist() == [3, 3]
    assert autograd.grad(last.sum(), x)[0].tolist() == [1, 1]
    last.mul_(2)
    assert x.tolist() == [6, 6]


def test_a_wide_graph_shares_its_nodes():
    x = mg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y  # 2 ** 60 paths
    y.backward()
    assert x.grad.item() == 2.0**60


def test_nodes_name_themselves_and_lead_to_their_parents():
    x, w = leaf(), leaf()
    y = (x * w).sum()
    assert y.grad_fn.name() == "SumBackward0"
    assert repr(y.grad_fn).startswith("<SumBackward0 object at 0x")
    product = y.grad_fn.next_functions[0][0]
    assert product.name() == "MulBackward0"
    assert [parent.name() for parent, _ in product.next_functions] == ["AccumulateGrad"] * 2
    assert x.grad_fn is None


# ------------------------------------------------------------------------------------------------ primitives


def test_raw_arrays_stay_raw():
    a = xp.ones(3, "float32")
    for result in (mg.exp(a), mg.mul(a, a), mg.where(mg.tensor(a) > 0, mg.tensor(a), 2).array, mg.tanh(a)):
        assert isinstance(result, xp.ndarray)
        assert result.dtype == "float32"


def test_a_primitive_of_ones_own():
    @primitive(extras=("square",))
    def cube(x, scale):
        square = x * x
        return square * x * scale, square

    @cube.vjp
    def cube_vjp(g, x, scale, square):
        return g * 3 * scale * (x * x if square is None else square)

    check_gradients(lambda x: cube(x, 2.0), np.array([0.3, -0.7]))

    @primitive
    def squares(a, b):
        return a * a + b * b

    @squares.vjp
    def both(g, a, b, needs):
        return [g * 2 * a if needs[0] else None, g * 2 * b if needs[1] else None]

    check_gradients(squares, np.array([0.3, -0.7]), np.array([0.5, 0.2]))

    @primitive(extras=("difference",))
    def distance(a, b):
        difference = a - b
        return (difference * difference).sum(axis=0), difference

    def distance_vjp(g, a, b, shape, difference):
        assert shape == (3, 2)
        return g * 2 * (a - b if difference is None else difference)

    distance.vjps(a=distance_vjp, b=lambda g, a, b, shape, difference: -distance_vjp(g, a, b, shape, difference))
    check_gradients(distance, np.array([[0.3, -0.7]] * 3), np.array([[0.5, 0.2]] * 3))


def test_a_wrong_primitive_is_refused():
    @primitive
    def half(x):
        return x / 2

    with pytest.raises(TypeError, match=r"half: a vjp takes g, then any of .*got \['z'\]"):
        half.vjp(lambda g, z: g)
    half.vjp(lambda g: g[:1])
    with pytest.raises(RuntimeError, match=r"half: a vjp returned a gradient of shape \(1,\), expected \(3,\)"):
        half(leaf()).sum().backward()
    with pytest.raises(TypeError, match="sum_of_two: y, shape and the extras cannot name a parameter"):

        @primitive
        def sum_of_two(x, y):
            return x + y


def test_check_gradients_finds_mistakes():
    """The helper of the whole suite: each kind of mistake makes it fail."""

    def with_vjp(forward, vjp):
        made = primitive(forward)
        made.vjp(vjp)
        return made

    point = np.array([[0.3, -0.7, 1.1]])
    check_gradients(with_vjp(lambda x: np.sin(x), lambda g, x: g * mg.cos(x)), point)
    mistakes = {
        "slope": with_vjp(lambda x: np.sin(x), lambda g, x: g * mg.cos(x) * (1 + 1e-5)),
        "second order": with_vjp(lambda x: np.sin(x), lambda g, x: g * np.cos(getattr(x, "array", x))),
        "through g": with_vjp(lambda x: np.sin(x), lambda g, x: mg.cos(x) * getattr(g, "array", g)),
        "dtype": with_vjp(lambda x: np.sin(x), lambda g, x: g * mg.cos(x) * np.float64(1)),
        "memory order": with_vjp(lambda x: x * 2, lambda g, x: g * 2 if x.strides[-1] == x.itemsize else g * 3),
        "change of g": with_vjp(lambda x: x * 2, lambda g: np.multiply(g, 2, out=getattr(g, "array", g))),
        "change of the input": with_vjp(lambda x: np.multiply(x, 2, out=x), lambda g: g * 2),
        "dtype of the output": with_vjp(lambda x: x * np.float64(2), lambda g: g * 2),
    }
    for name, function in mistakes.items():
        with pytest.raises((AssertionError, AttributeError, TypeError)):
            check_gradients(function, point)
            pytest.fail(f"not found: {name}", pytrace=False)


def test_a_view_is_a_view_only_where_memory_is_shared():
    @view
    def evens(x):
        return x[::2]

    evens.vjp(lambda g: (mg if isinstance(g, mg.Tensor) else xp).stack([g, g * 0], 1).reshape(-1))
    x = mg.arange(4.0)
    evens(x).zero_()
    assert x.tolist() == [0, 1, 0, 3]
    w = mg.arange(4.0, requires_grad=True)
    (evens(w) * evens(w)).sum().backward()
    assert w.grad.tolist() == [0, 0, 4, 0]


# ------------------------------------------------------------------------------------------- where gradients lie


def test_a_retained_gradient_is_counted_once_and_stays_what_it_was():
    a = mg.ones(2, requires_grad=True)
    b = a * 2
    b.retain_grad()
    loss = (b * b).sum()
    loss.backward(retain_graph=True, inputs=[b])
    first = b.grad
    assert first.tolist() == [4, 4]
    loss.backward()
    assert first.tolist() == [4, 4] and b.grad.tolist() == [8, 8]


def test_gradients_of_leaves_lie_in_the_order_of_their_indices():
    w = mg.randn(4, 3, requires_grad=True)
    for y in (mg.ones(2, 3) @ w.t(), w.sum(0) * mg.ones(3), mg.einsum("bi,oi->bo", mg.ones(2, 3), w)):
        w.grad = None
        y.sum().backward()
        assert w.grad.is_contiguous() and mg.autograd.grad((w.t() * 2).sum(), w)[0].is_contiguous()


def test_a_gradient_added_to_one_that_is_expanded():
    x = mg.ones(3, requires_grad=True)
    x.grad = mg.zeros(1).expand(3)
    (x * mg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1, 2, 3]


def test_relu_lets_no_infinite_gradient_through_where_it_is_zero():
    x = mg.tensor([-1.0, 4.0], requires_grad=True)
    mg.relu(x).backward(mg.tensor([float("inf"), 3.0]))
    assert x.grad.tolist() == [0, 3]
    zero = mg.tensor(-1.0, requires_grad=True)
    mg.relu(zero).backward(mg.tensor(float("inf")))
    assert zero.grad.item() == 0
    (g,) = mg.autograd.grad(mg.relu(x).sum(), x, create_graph=True)
    assert mg.autograd.grad(g.sum(), x)[0].tolist() == [0, 0]


def test_a_generator_runs_its_steps_in_its_mode_and_leaves_the_mode_between_them():
    x = mg.ones(2, requires_grad=True)

    @mg.no_grad()
    def generate():
        received = []
        try:
            while True:
                received.append((yield (x * 2).requires_grad))
        except ValueError:
            yield (x * 2).requires_grad
            return received
        finally:
            ended.append((x * 2).requires_grad)

    ended, steps = [], generate()
    assert next(steps) is False and (x * 2).requires_grad
    assert steps.send("sent") is False and steps.throw(ValueError) is False and (x * 2).requires_grad
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == ["sent"] and ended == [False]
    steps = generate()
    next(steps)
    steps.close()
    assert ended == [False, False] and (x * 2).requires_grad and generate.__name__ == "generate"
