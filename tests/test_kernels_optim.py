"""SGD and Adam over all parameters at once: to the bit what they compute one parameter after another."""

import numpy as np
import pytest
from plainly import without_kernels

import minigrad as mg
from minigrad import kernels, optim
from minigrad.backend import to_numpy, xp
from minigrad.optim import together

if not kernels.ENABLED:
    pytest.skip("kernels are in use on a GPU only, or on what stands in for one", allow_module_level=True)

SHAPES = [(3, 4), (5000,), (0,), (), (7, 3, 2), (2 * together.ITEMS,), (1,)]
CASES = {
    "sgd": (optim.SGD, {}),
    "sgd decay": (optim.SGD, {"weight_decay": 0.1, "maximize": True}),
    "sgd momentum": (optim.SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "sgd nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    "adam": (optim.Adam, {}),
    "adam decay": (optim.Adam, {"weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.99)}),
    "adam amsgrad": (optim.Adam, {"amsgrad": True, "eps": 1e-3}),
    "adamw": (optim.AdamW, {"weight_decay": 0.1}),
    "adamw amsgrad": (optim.AdamW, {"amsgrad": True, "maximize": True}),
}


def parameters(dtypes, rng):
    """Of every shape and dtype; some not contiguous."""
    params = []
    for i, dtype in enumerate(dtypes):
        params += [mg.tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True) for shape in SHAPES]
        params.append(mg.tensor(rng.standard_normal((4, 3 + i)), dtype=dtype).t().requires_grad_())
    return params


def trained(case, steps=10, dtypes=(mg.float32, mg.float64, mg.float16), present=0.8, groups=3):
    """The optimiser and its parameters after steps in several groups, where some parameters at times have no gradient."""
    cls, options = CASES[case]
    rng = np.random.default_rng(0)
    params = parameters(dtypes, rng)
    optimizer = cls([{"params": params[i::groups], "lr": 0.1 / (i + 1)} for i in range(groups)], **options)
    for step in range(steps):
        for p in params:
            g = mg.tensor(rng.standard_normal(p.shape), dtype=p.dtype)
            if p.ndim == 2 and step % 2:  # in another order of memory
                g = mg.tensor(rng.standard_normal(p.shape[::-1]), dtype=p.dtype).t()
            p.grad = g if rng.random() < present else None
        if step == 5:  # and once from a loaded state
            optimizer.load_state_dict(optimizer.state_dict())
        optimizer.step()
    return optimizer, params


def state_of(optimizer):
    return {(i, name): to_numpy(x.array) for i, s in optimizer.state_dict()["state"].items() for name, x in s.items()}


@pytest.mark.parametrize("case", CASES)
def test_ten_steps_are_those_without_kernels_to_the_bit(case):
    optimizer, params = trained(case)
    with without_kernels():
        plain, expected = trained(case)
    for p, q in zip(params, expected, strict=True):
        np.testing.assert_array_equal(to_numpy(p.array), to_numpy(q.array))
        assert p._version == q._version
    ours, theirs = state_of(optimizer), state_of(plain)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype
        np.testing.assert_array_equal(ours[name], values)


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_spreads_as_without_kernels(case):
    gradients = np.array([1.0, np.nan, np.inf, -np.inf, 1e30, 0.0, -0.0, 1e-40], "float32")

    def after_two_steps():
        p = mg.ones(8, requires_grad=True)
        optimizer = CASES[case][0]([p], lr=0.1, **CASES[case][1])
        for g in (gradients, gradients[::-1].copy()):
            p.grad = mg.tensor(g)
            optimizer.step()
        return p.detach().numpy(), state_of(optimizer)

    ours, state = after_two_steps()
    with without_kernels():
        expected, states = after_two_steps()
    np.testing.assert_array_equal(ours, expected)
    for name, values in states.items():
        np.testing.assert_array_equal(state[name], values)


def launches(optimizer):
    if not hasattr(xp, "counting"):
        pytest.skip("CuPy does not count launches")
    with xp.counting() as during:
        optimizer.step()
    return during


@pytest.mark.parametrize("case", CASES)
def test_one_launch_for_a_group_and_nothing_crosses_the_bus(case):
    optimizer, params = trained(case, dtypes=(mg.float32,), present=1.1, groups=1)
    rng = np.random.default_rng(1)
    params = params[:-1]  # which is not contiguous
    optimizer.param_groups[0]["params"] = params
    for p in params:
        p.grad = mg.tensor(rng.standard_normal(p.shape), dtype=p.dtype)
    assert launches(optimizer) == {"launches": 1}


@pytest.mark.parametrize("case", ["sgd", "adam amsgrad"])
def test_more_parameters_than_fit_in_one_launch(case):
    capacity = (together.SGD if case == "sgd" else together.ADAM).capacity

    def one_step(n):
        params = [mg.full((i % 5 + 1,), float(i), requires_grad=True) for i in range(n)]
        for p in params:
            p.grad = p.detach() + 1
        optimizer = CASES[case][0](params, lr=0.5, **CASES[case][1])
        optimizer.step()
        count = launches(optimizer)["launches"]
        return count, [p.tolist() for p in params]

    for n in (capacity, capacity + 2, 2 * capacity + 2):
        count, values = one_step(n)
        assert count == -(-n // capacity)
        with without_kernels():
            assert one_step(n)[1] == values


def test_the_addresses_fit_in_what_arguments_may_have():
    """CUDA gives 4096 bytes to all arguments of a kernel; numbers of up to 8 bytes come with the table."""
    for kernel, numbers in ((together.SGD, 7), (together.ADAM, 10)):
        assert 8 * (kernel.width * kernel.capacity + numbers) <= 4096


def test_steps_that_differ_within_a_group_are_counted_for_each_parameter():
    a, b = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True)
    optimizer = optim.Adam([a, b], lr=0.1)
    for step in range(4):
        a.grad, b.grad = mg.full((3,), 2.0), mg.full((3,), 2.0) if step % 2 else None
        optimizer.step()
    assert [optimizer.state[p]["step"] for p in (a, b)] == [4, 2]
    optimizer.zero_grad()
    a.grad = b.grad = mg.full((3,), 2.0)
    assert launches(optimizer)["launches"] == 2


@pytest.mark.parametrize("case", ["sgd momentum", "adam"])
def test_a_parameter_that_comes_twice_is_updated_twice(case):
    def one_step():
        p = mg.ones(3, requires_grad=True)
        with pytest.warns(UserWarning, match="duplicate"):
            optimizer = CASES[case][0]([p, p], lr=0.1, **CASES[case][1])
        for _ in range(3):
            p.grad = mg.full((3,), 2.0)
            optimizer.step()
        return p.tolist()

    ours = one_step()
    with without_kernels():
        assert one_step() == ours


def test_the_gradient_is_left_as_it_was():
    p = mg.ones(3, requires_grad=True)
    for case in CASES:
        p.grad = mg.tensor([1.0, 2.0, 3.0])
        CASES[case][0]([p], lr=0.1, **CASES[case][1]).step()
        assert p.grad.tolist() == [1, 2, 3]


def test_a_first_momentum_buffer_is_the_gradient_and_no_memory_of_it():
    p = mg.ones(3, requires_grad=True)
    p.grad = mg.tensor([1.0, 2.0, 3.0])
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    optimizer.step()
    buffer = optimizer.state[p]["momentum_buffer"]
    assert buffer.tolist() == [1, 2, 3] and not xp.shares_memory(buffer.array, p.grad.array)


@pytest.mark.parametrize("case", ["sgd momentum", "adam"])
def test_a_loaded_state_in_another_order_of_memory(case):
    def after():
        p = mg.ones(2, 3, requires_grad=True)
        optimizer = CASES[case][0]([p], lr=0.1, **CASES[case][1])
        for step in range(3):
            p.grad = mg.arange(6.0).reshape(2, 3) - step
            optimizer.step()
            state = optimizer.state_dict()
            for name, x in state["state"][0].items():
                if x.ndim == 2:
                    state["state"][0][name] = mg.tensor(x.t().tolist()).t()
            optimizer.load_state_dict(state)
        assert not all(x.is_contiguous() for x in optimizer.state_dict()["state"][0].values())
        return p.tolist()

    ours = after()
    with without_kernels():
        assert after() == ours
