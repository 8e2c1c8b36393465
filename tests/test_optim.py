"""Optimisers walk PyTorch's trajectories: stored ones always, PyTorch's own where it is installed."""

import copy
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_optim.py"))
CASES, run, start, train = (made_by[name] for name in ("CASES", "run", "start", "train"))
set_gradients = made_by["set_gradients"]
OPTIMIZERS = [optim.SGD, optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Adam, optim.AdamW, optim.Lamb]
RUNS = {**CASES, "lamb": ("Lamb", {"lr": 0.02, "weight_decay": 0.1})}


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "optim.npz") as file:
        return dict(file)


def assert_close(ours, theirs, units=4):
    """Equal within some units in the last place of the largest number."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    unit = np.spacing(np.abs(theirs).max()) if theirs.dtype.kind == "f" else 0
    assert np.abs(ours - theirs).max() <= units * unit


def make(case, params):
    name, options = RUNS[case]
    return getattr(optim, name)(params, **options)


def numbers(params):
    return [p.detach().numpy().copy() for p in params]


# ----------------------------------------------------------------------------------------------- trajectories


@pytest.mark.parametrize("case", CASES)
def test_stored_trajectory_and_state(case, stored):
    trajectory, state = run(mg, case)
    for ours, theirs in zip(trajectory, stored[case], strict=True):
        assert_close(ours, theirs)
    names = [name for name in stored if name.startswith(case + ".")]
    assert {f"{case}.{name}" for name in state} == set(names)
    for name in names:
        rounding = made_by["STEPS"] / 2  # half a unit at every step
        assert_close(state[name.removeprefix(case + ".")], stored[name], rounding)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_trajectory_equals_torch(case, dtype):
    torch = pytest.importorskip("torch")
    name, options = CASES[case]
    trajectories = []
    for library in (mg, torch):
        params = start(library, dtype)
        trajectories.append(train(library, getattr(library.optim, name)(params, **options), params))
    for ours, theirs in zip(*trajectories, strict=True):
        assert_close(ours, theirs)


def lamb_step(x, g, m, v, t, lr, beta1, beta2, eps, decay):
    """One step of algorithm 2 of the paper, on float64 arrays."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    u = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps) + decay * x
    ratio = np.linalg.norm(x) / np.linalg.norm(u) if np.linalg.norm(x) > 0 and np.linalg.norm(u) > 0 else 1.0
    return x - lr * ratio * u, m, v


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_is_the_algorithm_of_the_paper(decay, dtype):
    params = start(mg, dtype)
    params[1].data.zero_()  # the first step of a parameter that is zero is not scaled
    lr, betas, eps = 0.03, (0.8, 0.95), 1e-5
    optimizer = optim.Lamb(params, lr=lr, betas=betas, eps=eps, weight_decay=decay)
    expected = [(x.astype(np.float64), 0.0, 0.0) for x in numbers(params)]
    for step in range(30):
        set_gradients(mg, params, step)
        gradients = [p.grad.numpy().astype(np.float64) for p in params]
        optimizer.step()
        expected = [
            lamb_step(x, g, m, v, step + 1, lr, *betas, eps, decay)
            for (x, m, v), g in zip(expected, gradients, strict=True)
        ]
    tolerance = 1e-13 if dtype == "float64" else 2e-6
    for p, (x, _, _) in zip(params, expected, strict=True):
        assert p.dtype == dtype
        np.testing.assert_allclose(p.detach().numpy(), x, rtol=tolerance, atol=tolerance)


def test_lamb_leaves_what_has_no_direction():
    zeros = mg.zeros(3, requires_grad=True)
    zeros.grad = mg.zeros(3)
    optim.Lamb([zeros], lr=0.1).step()
    assert zeros.tolist() == [0, 0, 0]


def test_maximize_is_the_way_of_the_negated_gradient():
    up, down = start(mg), start(mg)
    climber = optim.Lamb(up, lr=0.1, maximize=True)
    other = optim.Lamb(down, lr=0.1)
    for step in range(5):
        set_gradients(mg, up, step)
        for p, q in zip(up, down, strict=True):
            q.grad = -p.grad
        climber.step()
        other.step()
    for x, y in zip(numbers(up), numbers(down), strict=True):
        np.testing.assert_array_equal(x, y)


# ----------------------------------------------------------------------------------------------------- a step


@pytest.mark.parametrize("case", RUNS)
def test_a_step_changes_the_parameter_in_place_and_nothing_else(case):
    params = start(mg)
    set_gradients(mg, params, 0)
    optimizer = make(case, params)
    arrays, before = [p.array for p in params], numbers(params)
    gradients = [(p.grad, p.grad.numpy().copy()) for p in params]
    for _ in range(3):
        optimizer.step()
    for p, array, x, (grad, g) in zip(params, arrays, before, gradients, strict=True):
        assert p.array is array and p.grad is grad
        assert (p.detach().numpy() != x).any()
        np.testing.assert_array_equal(grad.numpy(), g)


@pytest.mark.parametrize("cls", OPTIMIZERS)
def test_a_parameter_without_gradient_stays(cls):
    used, unused = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    optimizer = cls([used, unused])
    used.grad = mg.ones(2)
    optimizer.step()
    assert used.tolist() != [1, 1] and unused.tolist() == [1, 1]
    unused.grad = mg.zeros(2)
    optimizer.step()  # its state starts now
    assert optimizer.state_dict()["state"].get(1, {"step": mg.tensor(1.0)})["step"].item() == 1


@pytest.mark.parametrize("cls", OPTIMIZERS)
def test_a_step_counts_as_a_change_in_place(cls):
    w = mg.ones(2, requires_grad=True)
    w.grad = mg.ones(2)
    loss = (w * w).sum()
    version = w._version
    cls([w], lr=0.1).step()
    assert w._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_closure_computes_the_loss_with_recording_on():
    w = mg.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with mg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9
    np.testing.assert_allclose(w.detach().numpy(), [3 - 0.1 * 6], rtol=1e-6)
    assert optimizer.step() is None


def test_momentum_starts_as_a_copy_of_the_gradient():
    w = mg.zeros(2, requires_grad=True)
    w.grad = mg.ones(2)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5)
    optimizer.step()
    w.grad.zero_()
    assert optimizer.state[w]["momentum_buffer"].tolist() == [1, 1]


def test_float16_and_float64_stay():
    for dtype in (mg.float16, mg.float64):
        for case in RUNS:
            w = mg.ones(3, dtype=dtype, requires_grad=True)
            w.grad = mg.ones(3, dtype=dtype)
            optimizer = make(case, [w])
            optimizer.step()
            assert w.dtype == dtype
            state = optimizer.state_dict()["state"].get(0, {})
            assert all(
                value.dtype == (mg.float32 if name == "step" else dtype) for name, value in state.items()
            )


def test_learning_rate_as_a_tensor_is_followed():
    w, lr = mg.zeros(1, requires_grad=True), mg.tensor(0.5)
    optimizer = optim.SGD([w], lr=lr)
    w.grad = mg.ones(1)
    optimizer.step()
    lr.fill_(0.25)
    optimizer.step()
    assert w.item() == -0.75


@pytest.mark.parametrize("case", ["sgd", "adam", "lamb"])
def test_a_whole_model_learns(case):
    generator = mg.Generator().manual_seed(0)
    x = mg.randn(64, 3, generator=generator)
    y = x @ mg.tensor([[1.0], [-2.0], [0.5]])
    w = mg.zeros(3, 1, requires_grad=True)
    optimizer = {"sgd": optim.SGD, "adam": optim.Adam, "lamb": optim.Lamb}[case]([w], lr=0.05)
    first = last = None
    for _ in range(100):
        loss = ((x @ w - y) ** 2).mean()
        first, last = first or loss.item(), loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert last < 0.1 * first


# -------------------------------------------------------------------------------------- parameters and groups


def test_groups_have_their_own_settings():
    a, b, c = (mg.zeros(1, requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=1.0)
    optimizer.add_param_group({"params": [c], "lr": 0.25, "maximize": True})
    for p in (a, b, c):
        p.grad = mg.ones(1)
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [-1.0, -0.5, 0.25]
    assert [group["momentum"] for group in optimizer.param_groups] == [0, 0, 0]
    optimizer.param_groups[0]["lr"] = 3.0
    optimizer.step()
    assert a.item() == -4


def test_groups_do_not_change_the_dicts_they_were_made_of():
    group = {"params": [mg.zeros(1, requires_grad=True)]}
    optim.SGD([group], lr=0.3)
    assert list(group) == ["params"]


def test_adagrad_gives_every_group_its_sums():
    a, b = mg.zeros(1, requires_grad=True), mg.zeros(2, requires_grad=True)
    optimizer = optim.Adagrad([a], initial_accumulator_value=0.5)
    optimizer.add_param_group({"params": [b], "initial_accumulator_value": 2.0})
    assert optimizer.state[a]["sum"].tolist() == [0.5]
    assert optimizer.state[b]["sum"].tolist() == [2, 2]


def test_named_parameters():
    module = mg.nn.Linear(2, 3)
    optimizer = optim.Adam(module.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is module.weight
    other = optim.Adam(mg.nn.Linear(2, 3).named_parameters())
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="should all have names or none"):
        optimizer.add_param_group({"params": [mg.zeros(1)]})
    with pytest.raises(ValueError, match="should all have names or none"):
        optim.SGD([("a", mg.zeros(1)), mg.zeros(2)])


@pytest.mark.parametrize(
    "params, error, message",
    [
        (mg.zeros(2), TypeError, "iterable of Tensors or dicts, got a Tensor of shape"),
        ([], ValueError, "empty parameter list"),
        ([{"params": {mg.zeros(1)}}], TypeError, "got a set|a set has not"),
        ([1.0], TypeError, "can only optimize Tensors, but got a float"),
        ([mg.ones(1, requires_grad=True) * 2], ValueError, "can't optimize a non-leaf Tensor"),
    ],
)
def test_parameters_that_are_refused(params, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(params)


def test_parameters_that_come_twice():
    a, b = mg.zeros(1), mg.zeros(1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [a]}, {"params": [b, a]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([a, a])
    optimizer = optim.SGD([a])
    with pytest.raises(TypeError, match="must be a dict, but got list"):
        optimizer.add_param_group([b])
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("option", ["foreach", "fused", "capturable", "differentiable"])
@pytest.mark.parametrize("cls", OPTIMIZERS)
def test_options_that_are_not_supported_are_refused(cls, option):
    with pytest.raises(TypeError, match=option):
        cls([mg.zeros(1)], **{option: True})


@pytest.mark.parametrize(
    "cls, options, message",
    [(cls, {"lr": -1.0}, "Invalid learning rate: -1.0") for cls in OPTIMIZERS]
    + [(cls, {"lr": float("nan")}, "Invalid learning rate: nan") for cls in OPTIMIZERS]
    + [(cls, {"weight_decay": -0.1}, "Invalid weight_decay value: -0.1") for cls in OPTIMIZERS]
    + [(cls, {"eps": -1e-8}, "Invalid epsilon value") for cls in OPTIMIZERS[1:]]
    + [(cls, {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0") for cls in OPTIMIZERS[4:]]
    + [(cls, {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1") for cls in OPTIMIZERS[4:]]
    + [
        (optim.SGD, {"momentum": -0.5}, "Invalid momentum value"),
        (optim.SGD, {"nesterov": True}, "Nesterov momentum requires"),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "Nesterov momentum requires"),
        (optim.RMSprop, {"momentum": -0.5}, "Invalid momentum value"),
        (optim.RMSprop, {"alpha": -0.5}, "Invalid alpha value"),
        (optim.Adagrad, {"lr_decay": -0.5}, "Invalid lr_decay value"),
        (optim.Adagrad, {"initial_accumulator_value": -0.5}, "Invalid initial_accumulator_value value"),
        (optim.Adadelta, {"rho": -0.5}, "Invalid rho value"),
        (optim.Adadelta, {"rho": 1.5}, "Invalid rho value"),
    ],
)
def test_settings_that_are_refused(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls([mg.zeros(1)], **options)


def test_settings_that_are_no_numbers():
    with pytest.raises(TypeError, match=r"weight_decay value: expected a number, got a Tensor of shape \(\)"):
        optim.SGD([mg.zeros(1)], weight_decay=mg.tensor(0.1))
    with pytest.raises(ValueError, match=r"learning rate: expected a number, got a Tensor of shape \(2,\)"):
        optim.SGD([mg.zeros(1)], lr=mg.zeros(2))


@pytest.mark.parametrize("cls", OPTIMIZERS[:-1])
def test_order_of_parameters_and_defaults_are_torchs(cls):
    """Up to the first option that minigrad has not, options may be given by position."""
    torch = pytest.importorskip("torch")
    import inspect

    absent = {"foreach", "fused", "capturable", "differentiable"}
    theirs = inspect.signature(getattr(torch.optim, cls.__name__)).parameters
    ours = inspect.signature(cls).parameters
    assert {n: p.default for n, p in ours.items()} == {
        n: p.default for n, p in theirs.items() if n not in absent
    }
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]


def test_zero_grad():
    w = mg.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    (w * w).sum().backward(create_graph=True)
    assert w.grad.requires_grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0] and not w.grad.requires_grad
    grad = w.grad
    (w * w).sum().backward()
    assert w.grad.tolist() == [2, 2]
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is grad and grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert w.grad is None
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is None


def test_text_is_torchs():
    torch = pytest.importorskip("torch")
    for cls in OPTIMIZERS[:-1]:
        theirs = repr(getattr(torch.optim, cls.__name__)([torch.zeros(1)]))
        absent = ("foreach", "fused", "capturable", "differentiable")
        expected = "\n".join(line for line in theirs.split("\n") if not line.strip().startswith(absent))
        assert repr(cls([mg.zeros(1)])) == expected


def test_a_subclass_defines_update():
    class Sign(optim.Optimizer):
        def update(self, group):
            for _, x, g in self.gradients(group, group["weight_decay"]):
                x -= group["lr"] * np.sign(g)

    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.grad = mg.tensor([0.1, -5.0])
    Sign([w], {"lr": 0.5, "weight_decay": 0, "maximize": False}).step()
    assert w.tolist() == [0.5, 2.5]
    with pytest.raises(NotImplementedError, match=r"update\(group\)"):
        optim.Optimizer([w], {}).step()


# ----------------------------------------------------------------------------------------- saving and loading


@pytest.mark.parametrize("case", RUNS)
def test_training_goes_on_from_a_state_dict(case):
    params = start(mg)
    optimizer = make(case, params)
    train(mg, optimizer, params, range(7))
    state, others = (
        copy.deepcopy(optimizer.state_dict()),
        [mg.tensor(x).requires_grad_() for x in numbers(params)],
    )
    resumed = make(case, others)
    resumed.param_groups[0]["lr"] = 123.0  # comes from the state
    resumed.load_state_dict(state)
    train(mg, optimizer, params, range(7, 20))
    train(mg, resumed, others, range(7, 20))
    for x, y in zip(numbers(params), numbers(others), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_loaded_state_is_a_copy_of_the_parameters_dtype():
    params = start(mg)
    optimizer = make("adam", params)
    train(mg, optimizer, params, range(3))
    state = optimizer.state_dict()
    others = start(mg, "float64")
    resumed = make("adam", others)
    resumed.load_state_dict(state)
    assert resumed.state[others[0]]["exp_avg"].dtype == mg.float64
    before = state["state"][0]["exp_avg"].numpy().copy()
    train(mg, resumed, others, range(3, 5))
    np.testing.assert_array_equal(state["state"][0]["exp_avg"].numpy(), before)
    assert state["param_groups"][0]["params"] == [0, 1, 2]


@pytest.mark.parametrize("case", CASES)
def test_state_dict_has_torchs_layout_and_goes_both_ways(case):
    torch = pytest.importorskip("torch")
    name, options = CASES[case]
    ours, theirs = start(mg), start(torch)
    optimizer, original = make(case, ours), getattr(torch.optim, name)(theirs, **options)
    train(mg, optimizer, ours, range(4))
    train(torch, original, theirs, range(4))
    state, expected = optimizer.state_dict(), original.state_dict()

    def layout(value):
        if isinstance(value, dict):
            return {key: layout(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [layout(entry) for entry in value]
        return (str(value.dtype).split(".")[-1], list(value.shape)) if hasattr(value, "shape") else value

    absent = ("foreach", "fused", "capturable", "differentiable")
    known = layout(expected)
    known["param_groups"] = [
        {key: value for key, value in group.items() if key not in absent} for group in known["param_groups"]
    ]
    assert layout(state) == known

    def translated(state, tensor):
        states = {
            i: {k: tensor(v.numpy()) for k, v in values.items()} for i, values in state["state"].items()
        }
        return {"state": states, "param_groups": state["param_groups"]}

    optimizer.load_state_dict(translated(expected, mg.tensor))
    original.load_state_dict(translated(state, torch.tensor))
    for p, q in zip(ours, theirs, strict=True):
        p.data, q.data = mg.tensor(q.detach().numpy()), torch.tensor(p.detach().numpy())
    expected = train(torch, original, theirs, range(4, 20))
    for x, y in zip(train(mg, optimizer, ours, range(4, 20)), expected, strict=True):
        assert_close(x, y)


def test_states_that_do_not_fit_change_nothing():
    params = start(mg)
    optimizer = make("adam", params)
    train(mg, optimizer, params, range(2))
    state = copy.deepcopy(optimizer.state_dict())
    short = make("adam", start(mg)[:2])
    with pytest.raises(ValueError, match=r"groups of \[3\] parameters, optimizer of \[2\]"):
        short.load_state_dict(state)
    assert not short.state
    other = make("adam", [mg.zeros(3, 4), mg.zeros(6), mg.zeros(())])
    settings_before = copy.deepcopy(other.param_groups[0]["lr"])
    with pytest.raises(ValueError, match=r"exp_avg of shape \(5,\) for a parameter of \(6,\)"):
        other.load_state_dict(state)
    assert not other.state and other.param_groups[0]["lr"] == settings_before
    state["state"][7] = {}
    with pytest.raises(ValueError, match="a state of parameter 7"):
        optimizer.load_state_dict(state)
    assert optimizer.state[params[0]]["step"] == 2


def test_an_optimizer_can_be_copied_with_its_parameters():
    params = start(mg)
    optimizer = make("adam", params)
    train(mg, optimizer, params, range(3))
    others, twin = copy.deepcopy((params, optimizer))
    train(mg, optimizer, params, range(3, 6))
    train(mg, twin, others, range(3, 6))
    for x, y in zip(numbers(params), numbers(others), strict=True):
        np.testing.assert_array_equal(x, y)


# -------------------------------------------------------------------------------------- gradients cut to size


def with_gradients(library):
    params = start(library)
    set_gradients(library, params, 0)
    return params


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, "inf", float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(max_norm, norm_type):
    params = with_gradients(mg)
    before = [p.grad.numpy().astype(np.float64) for p in params]
    grad, version = params[0].grad, params[0].grad._version
    total = clip_grad_norm_(params, max_norm, norm_type)
    expected = np.linalg.norm(np.concatenate([g.ravel() for g in before]), float(norm_type))
    assert total.dtype == mg.float32 and total.shape == ()
    np.testing.assert_allclose(total.item(), expected, rtol=1e-6)
    for p, g in zip(params, before, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g * min(max_norm / expected, 1), rtol=1e-5)
    assert params[0].grad is grad and grad._version == version + 1


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.5, "inf"])
def test_clip_grad_norm_equals_torch(norm_type):
    torch = pytest.importorskip("torch")
    ours, theirs = with_gradients(mg), with_gradients(torch)
    total = clip_grad_norm_(iter(ours), 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.5, norm_type)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=3e-7)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=3e-7)


def test_clip_grad_norm_of_what_is_not_finite_and_of_nothing():
    w = mg.ones(2, requires_grad=True)
    assert clip_grad_norm_([w], 1.0).item() == 0
    w.grad = mg.tensor([1.0, float("inf")])
    with pytest.raises(RuntimeError, match="total norm of order 2.0 .* is non-finite"):
        clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
    assert w.grad.tolist() == [1.0, float("inf")]


def test_clip_grad_norm_of_halves_whose_squares_leave_their_range():
    params = [mg.zeros(8, dtype=mg.float16, requires_grad=True) for _ in range(2)]
    for p, value in zip(params, (300, 400)):
        p.grad = mg.full((8,), value, dtype=mg.float16)
    total = clip_grad_norm_(params, 1.0)
    assert total.dtype == params[0].grad.dtype == mg.float16
    expected = 500 * 8**0.5
    np.testing.assert_allclose([total.item(), params[0].grad[0].item()], [expected, 300 / expected], rtol=1e-3)
    p.grad = mg.full((8,), 6e4, dtype=mg.float16)
    with np.errstate(over="ignore"):
        assert clip_grad_norm_(p, 1.0).item() == float("inf")
    np.testing.assert_allclose(p.grad.tolist(), 8**-0.5, rtol=1e-3)  # clipped although a half cannot hold the norm


def test_clip_grad_value():
    w = mg.zeros(4, requires_grad=True)
    w.grad = mg.tensor([-3.0, -0.5, 0.5, 3.0])
    clip_grad_value_([w, mg.zeros(1, requires_grad=True)], 1)
    assert w.grad.tolist() == [-1, -0.5, 0.5, 1]


@given(st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_parameters_as_a_vector_and_back(shapes):
    params = [mg.randn(shape).requires_grad_() for shape in shapes]
    vector = parameters_to_vector(params)
    np.testing.assert_array_equal(
        vector.detach().numpy(), np.concatenate([x.ravel() for x in numbers(params)])
    )
    (vector * vector).sum().backward()
    for p in params:
        np.testing.assert_array_equal(p.grad.numpy(), 2 * p.detach().numpy())
    values = mg.arange(vector.numel(), dtype=mg.float32)
    vector_to_parameters(values, params)
    np.testing.assert_array_equal(parameters_to_vector(params).detach().numpy(), values.numpy())
    assert [p.shape for p in params] == [tuple(shape) for shape in shapes]
    with pytest.raises(ValueError, match="vector_to_parameters: expected shape"):
        vector_to_parameters(mg.zeros(vector.numel() + 1), params)
    with pytest.raises(TypeError, match="expected a Tensor, but got: list"):
        vector_to_parameters([1.0], params)
