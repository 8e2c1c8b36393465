"""Layers as modules equal PyTorch's in initial values, results, names, text, errors, hooks, state and copies."""

import copy
import gc
import importlib.util
import pickle
import runpy
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from gradients import check_gradients
from hypothesis import given
from hypothesis import strategies as st
from parity import error_of, numbers, same_state

import minigrad as mg
from minigrad import nn

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_modules.py"))
MODULES, CONTAINERS, made, run, text = (
    made_by[name] for name in ("MODULES", "CONTAINERS", "made", "run", "text")
)
has_torch = importlib.util.find_spec("torch") is not None


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "modules.npz") as file:
        return dict(file)


def assert_near(ours, theirs, what):
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, 2e-5, 2e-6, err_msg=what)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_those_stored_from_torch(name, stored):
    make, arrays = MODULES[name]
    fresh = made(mg, make)
    assert list(fresh.state_dict()) == stored[f"{name}/keys"].tolist()
    for i, tensor in enumerate(fresh.state_dict().values()):
        np.testing.assert_array_equal(tensor.numpy(), stored[f"{name}/state {i}"])
    module, results = run(mg, make, arrays)
    assert text(module) == str(stored[f"{name}/text"])
    assert sum(key.startswith(f"{name}/") and key.split("/")[1].isdigit() for key in stored) == len(results)
    for i, array in enumerate(results):
        assert_near(array, stored[f"{name}/{i}"], f"result {i}")


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_are_those_stored_from_torch(name, stored):
    module = made(mg, CONTAINERS[name])
    assert text(module) == str(stored[f"{name}/text"])
    assert list(module.state_dict()) == stored[f"{name}/keys"].tolist()


def test_modules_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name, (make, arrays) in MODULES.items():
        same_state(made(mg, make), made(torch, make))
        arrays = [a if a.dtype.kind == "i" else a * 0.9 for a in arrays]
        ours, theirs = run(mg, make, arrays), run(torch, make, arrays)
        assert text(ours[0]) == text(theirs[0])
        assert len(ours[1]) == len(theirs[1])
        for i, (a, b) in enumerate(zip(ours[1], theirs[1])):
            assert_near(a, b, f"{name}, result {i}")


def test_state_goes_both_ways():
    torch = pytest.importorskip("torch")
    for make, _ in MODULES.values():
        mg.manual_seed(1)
        torch.manual_seed(2)
        ours, theirs = make(nn, mg), make(torch.nn, torch)
        ours.load_state_dict({name: mg.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
        same_state(ours, theirs)
        mg.manual_seed(3)
        ours = make(nn, mg)
        theirs.load_state_dict(
            {name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()}
        )
        same_state(ours, theirs)


RANDOM = [name for name in MODULES if name.startswith("Dropout")] + ["Sequential nested"]
CUT = ["Embedding padded", "Embedding options"]  # gradients that are not meant to be derivatives


@pytest.mark.parametrize("name", [name for name in MODULES if name not in RANDOM + CUT])
def test_derivatives_are_those_of_differences(name):
    make, arrays = MODULES[name]
    module = made(mg, make)
    names = [key for key, _ in module.named_parameters()]
    floats = [a for a in arrays if a.dtype.kind == "f"]
    rest = [mg.tensor(a) for a in arrays if a.dtype.kind != "f"]

    def function(*tensors):
        module.to(tensors[0].dtype)
        for key, tensor in zip(names, tensors[len(floats) :]):
            owner, _, attribute = key.rpartition(".")
            vars(module.get_submodule(owner))[attribute] = tensor  # a tensor in the place of the parameter
        return module(*tensors[: len(floats)], *rest)

    # second derivatives of losses with weights would need the weights in the arguments: they are constants here
    check_gradients(
        function, *floats, *[p.detach().numpy() for p in module.parameters()], float32="float64" not in name
    )


# ----------------------------------------------------------------------------------------------- registration


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(mg.ones(2))
        self.register_buffer("offset", mg.zeros(2))
        self.register_buffer("scratch", mg.zeros(1), persistent=False)
        self.linear = nn.Linear(3, 2)
        self.again = self.linear
        self.register_parameter("absent", None)
        self.nothing = None
        self.plain = 3
        self.blocks = nn.ModuleList([nn.Tanh(), nn.Linear(2, 2, bias=False)])

    def forward(self, x, flip=False):
        y = self.linear(x) * self.scale + self.offset
        for block in self.blocks:
            y = block(y)
        return -y if flip else y


def test_registration_and_names():
    net = Net()
    names = ["scale", "linear.weight", "linear.bias", "blocks.1.weight"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_parameters("net")] == [f"net.{name}" for name in names]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert every == ["scale", "linear.weight", "linear.bias", "again.weight", "again.bias", "blocks.1.weight"]
    assert [name for name, _ in net.named_buffers()] == ["offset", "scratch"]
    assert list(net.state_dict()) == ["scale", "offset", *every[1:]]
    assert [name for name, _ in net.named_children()] == ["linear", "blocks"]
    assert [name for name, _ in net.named_modules()] == ["", "linear", "blocks", "blocks.0", "blocks.1"]
    assert len(list(net.modules())) == 5 and len(list(net.children())) == 2
    assert len(list(net.parameters())) == 4 and len(list(net.buffers())) == 2
    assert net.get_submodule("blocks.1") is net.blocks[1] and net.get_submodule("") is net
    assert net.get_parameter("blocks.1.weight") is net.blocks[1].weight
    assert net.get_buffer("offset") is net.offset
    assert "linear" in dir(net) and "scale" in dir(net)


def test_assignment_moves_between_the_registries():
    net = Net()
    parameter = nn.Parameter(mg.zeros(2))
    net.plain = parameter
    assert net.plain is parameter and "plain" in net._parameters
    net.linear = parameter  # a Parameter takes the place of a module
    assert "linear" in net._parameters and "linear" not in net._modules
    net.scale = None
    assert net.scale is None and "scale" in net._parameters
    with pytest.raises(TypeError, match="nn.Parameter or None"):
        net.plain = mg.zeros(2)
    with pytest.raises(TypeError, match="nn.Parameter or None"):
        net.plain = nn.Tanh()
    with pytest.raises(TypeError, match="child module"):
        net.blocks = mg.zeros(2)
    with pytest.raises(TypeError, match="buffer"):
        net.offset = 3
    assert isinstance(net.offset, mg.Tensor)
    net.offset = mg.ones(2)
    assert net.get_buffer("offset") is net.offset
    net.offset = nn.Tanh()
    assert "offset" not in net._buffers and net._modules["offset"] is net.offset
    del net.plain, net.blocks
    assert not hasattr(net, "plain") and not hasattr(net, "blocks")
    assert "blocks" not in net._modules
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'blocks'"):
        net.blocks  # noqa: B018 (an attribute that must not be there)
    net.scratch = mg.ones(1)
    assert "scratch" not in net.state_dict()
    del net.scratch
    net.register_buffer("scratch", mg.ones(1))
    assert "scratch" in net.state_dict()


def test_registration_errors():
    net = nn.Module()
    for name, error in (
        ("a.b", KeyError),
        ("", KeyError),
        (3, TypeError),
        ("training", KeyError),
        ("forward", KeyError),
    ):
        for register, value in (
            (net.register_parameter, nn.Parameter(mg.zeros(1))), (net.register_buffer, mg.zeros(1)),
            (net.add_module, nn.Tanh()),
        ):  # fmt: skip
            with pytest.raises(error):
                register(name, value)
    with pytest.raises(TypeError):
        net.register_parameter("x", mg.zeros(1))
    with pytest.raises(TypeError):
        net.register_buffer("x", 3)
    with pytest.raises(TypeError):
        net.add_module("x", mg.zeros(1))
    for path in ("y", "y.z"):
        for get in (net.get_submodule, net.get_parameter, net.get_buffer):
            with pytest.raises(AttributeError, match="no attribute `y`"):
                get(path)
    net.y = mg.zeros(1)
    for get in (net.get_submodule, net.get_parameter, net.get_buffer):
        with pytest.raises(AttributeError, match="is not a"):
            get("y")
    with pytest.raises(NotImplementedError, match='missing the required "forward"'):
        net()

    class Forgetful(nn.Module):
        def __init__(self, value):
            self.plain = 3
            self.part = value

    for value in (nn.Parameter(mg.zeros(1)), nn.Tanh()):
        with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
            Forgetful(value)


def test_an_error_in_a_property_is_its_own():
    class Broken(nn.Module):
        @property
        def value(self):
            return self.missing

    with pytest.raises(AttributeError, match="missing"):
        Broken().value  # noqa: B018 (the access is the test)


def test_train_eval_apply_and_zero_grad():
    net, seen = Net(), []
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert net.train() is net and all(module.training for module in net.modules())
    with pytest.raises(ValueError):
        net.train("yes")
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "Tanh", "Linear", "ModuleList", "Net"]
    net(mg.ones(4, 3)).sum().backward()
    gradient = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert (net.scale.grad == 0).all() and (gradient == 0).all()
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.requires_grad_(False) is net and not any(
        parameter.requires_grad for parameter in net.parameters()
    )


def test_train_calls_the_train_of_the_parts():
    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    net = nn.Sequential(Frozen(3), nn.Tanh()).train()
    assert not net[0].training and net[1].training


def test_dtypes():
    net = Net()
    net.register_buffer("count", mg.tensor(3))
    weight = net.linear.weight
    net(mg.ones(1, 3)).sum().backward()
    for convert, dtype in (
        (net.double, mg.float64), (net.half, mg.float16), (net.float, mg.float32),
        (lambda: net.to(mg.float64), mg.float64), (lambda: net.to(weight.device, mg.float32), mg.float32),
        (lambda: net.to(mg.zeros(1, dtype=mg.float64)), mg.float64), (lambda: net.to(dtype=mg.float32), mg.float32),
    ):  # fmt: skip
        assert convert() is net
        assert net.linear.weight is weight and weight.is_leaf and weight.requires_grad
        assert {t.dtype for t in (weight, weight.grad, net.offset)} == {dtype}
        assert net.count.dtype == mg.int64
    assert net.cpu() is net
    with pytest.raises(TypeError, match="floating"):
        net.to(mg.int64)
    net.double()(mg.ones(2, 3, dtype=mg.float64)).sum().backward()
    assert net.scale.grad.dtype == mg.float64
    net.requires_grad_(False).zero_grad()
    assert net.type(mg.float16).count.dtype == mg.float16
    with pytest.raises(RuntimeError):
        net.to("abacus")


# ------------------------------------------------------------------------------------------------------ state


def test_state_dict_shares_memory_and_load_copies():
    net, other = Net(), Net()
    state = net.state_dict(prefix="a.")
    assert state["a.scale"].array is net.scale.array and not state["a.scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert repr(other.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), net.state_dict()[name].numpy())
    net.scale.detach().zero_()
    assert (other.scale == 1).all()
    other.load_state_dict({name: value.double() for name, value in net.state_dict().items()})
    assert other.scale.dtype == mg.float32


class Counting(nn.Linear):
    """A layer whose state is more than tensors."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]


def test_extra_state_is_saved_and_loaded(tmp_path):
    net = nn.Sequential(Counting(2, 2, bias=False), nn.ReLU(), nn.Sequential(Counting(2, 2)))
    net(mg.ones(1, 2))
    state = net.state_dict()
    assert list(state) == ["0.weight", "0._extra_state", "2.0.weight", "2.0.bias", "2.0._extra_state"]
    mg.save(state, tmp_path / "state.pt")
    other = copy.deepcopy(net)
    other[0].calls = other[2][0].calls = 7
    assert repr(other.load_state_dict(mg.load(tmp_path / "state.pt"))) == "<All keys matched successfully>"
    assert (other[0].calls, other[2][0].calls) == (1, 1)
    assert net[0].state_dict(prefix="p.", keep_vars=True)["p._extra_state"] == {"calls": 1}
    for change, message in (
        (lambda s: s.pop("2.0._extra_state"), "Missing key.* \"2.0._extra_state\""),
        (lambda s: s.update({"1._extra_state": 3}), "Unexpected key.* \"1._extra_state\""),
    ):
        wrong = dict(state, **{"0._extra_state": {"calls": 9}})
        change(wrong)
        with pytest.raises(RuntimeError, match=message):
            other.load_state_dict(wrong)
        assert other[0].calls == 1
    other.load_state_dict(wrong, strict=False)
    assert other[0].calls == 9


def test_load_state_dict_refuses_what_does_not_fit():
    net = Net()
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    state = net.state_dict()
    state = {name: value + 1 for name, value in state.items()}
    del state["offset"]
    state["extra"] = mg.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    expected = (
        'for Net:\n\tMissing key(s) in state_dict: "offset". \n\tUnexpected key(s) in state_dict: "extra". '
    )
    assert str(caught.value).endswith(expected)
    result = net.load_state_dict({**net.state_dict(), "extra": mg.zeros(1)}, strict=False)
    assert result.missing_keys == [] and result.unexpected_keys == ["extra"]
    state["scale"] = mg.zeros(3)
    with pytest.raises(RuntimeError, match="size mismatch for scale: copying a param with shape"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(RuntimeError, match='While copying the parameter named "scale"'):
        net.load_state_dict({**net.state_dict(), "scale": 3})
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([("scale", mg.zeros(2))])
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


@pytest.mark.skipif(not has_torch, reason="compares with torch's own words")
def test_load_state_dict_fails_in_torchs_words():
    import torch

    messages = []
    for m in (mg, torch):
        net = m.nn.Sequential(m.nn.Linear(3, 2), m.nn.BatchNorm1d(2))
        state = dict(net.state_dict())
        del state["0.bias"], state["1.running_var"]
        state |= {"x": m.zeros(1), "0.weight": m.zeros(4, 2)}
        with pytest.raises(RuntimeError) as caught:
            net.load_state_dict(state)
        messages.append(str(caught.value).replace("torch.Size", "minigrad.Size"))
    assert messages[0] == messages[1]


# ------------------------------------------------------------------------------------------------------ hooks


def test_forward_hooks():
    net, calls = Net(), []
    x = mg.ones(4, 3)
    plain = net(x)
    handles = [
        net.register_forward_pre_hook(
            lambda module, args: calls.append(("pre", module is net, args[0] is x))
        ),
        net.register_forward_hook(
            lambda module, args, y: calls.append(("post", args[0] is x, y.shape == (4, 2)))
        ),
    ]
    np.testing.assert_array_equal(net(x).detach().numpy(), plain.detach().numpy())
    assert calls == [("pre", True, True), ("post", True, True)]
    with (
        net.register_forward_pre_hook(lambda module, args: args[0] * 2),
        net.register_forward_hook(lambda m, a, y: y + 1),
    ):
        np.testing.assert_array_equal(net(x).detach().numpy(), net.forward(x * 2).detach().numpy() + 1)
    for handle in handles:
        handle.remove()
    np.testing.assert_array_equal(net(x).detach().numpy(), plain.detach().numpy())
    assert len(calls) == 4


def test_forward_hooks_with_keywords_and_order():
    net, x, order = Net(), mg.ones(4, 3), []
    net.register_forward_pre_hook(lambda m, args, kwargs: (args, {"flip": True}), with_kwargs=True)
    net.register_forward_hook(lambda m, args, kwargs, y: order.append(kwargs["flip"]), with_kwargs=True)
    net.register_forward_hook(lambda m, args, y: order.append("last"))
    net.register_forward_hook(lambda m, args, y: order.append("first"), prepend=True)
    np.testing.assert_array_equal(net(x).detach().numpy(), -net.forward(x).detach().numpy())
    assert order == ["first", True, "last"]
    net.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        net(x)


class Pair(nn.Module):
    def forward(self, a, b, text=None, c=None):
        return a * b, (a + b).exp(), 3


def backward_trace(m):
    """What the backward hooks of a module with several inputs and outputs see and change, in either library."""
    seen = []

    class Pair(m.nn.Module):
        def forward(self, a, b, text):
            return a * b, (a + b).exp(), text

    def note(name, *gradients):
        seen.append((name, [[None if g is None else g.tolist() for g in group] for group in gradients]))

    pair = Pair()
    pair.register_full_backward_pre_hook(lambda module, outputs: note("pre", outputs))
    pair.register_full_backward_pre_hook(
        lambda module, outputs: tuple(None if g is None else g * 2 for g in outputs)
    )
    pair.register_full_backward_hook(lambda module, inputs, outputs: note("hook", inputs, outputs))
    pair.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0], inputs[1] + 1, None))
    pair.register_full_backward_hook(
        lambda module, inputs, outputs: note("first", inputs, outputs), prepend=True
    )
    a, b = m.tensor([0.5, 1.0], requires_grad=True), m.tensor([0.25, -1.0], requires_grad=True)
    for loss in (lambda x, y: (x * 3).sum() + y.sum(), lambda x, y: y.sum(), lambda x, y: x.prod()):
        x, y, _ = pair(a * 2, b * 3, "text")
        loss(x, y).backward()
        seen.append(("gradients", [a.grad.tolist(), b.grad.tolist()]))
    x, _, _ = pair(a.detach(), b, None)
    x.sum().backward()
    seen.append(("gradients", [a.grad.tolist(), b.grad.tolist()]))
    return seen


def test_backward_hooks():
    a, b = mg.tensor([0.5, 1.0], requires_grad=True), mg.tensor([0.25, -1.0], requires_grad=True)
    seen = []
    linear = nn.Linear(2, 2)
    linear.register_full_backward_hook(lambda module, inputs, outputs: seen.append((inputs, outputs)))
    (linear(a * 1) * b).sum().backward()
    ((grad_input,), (grad_output,)) = seen[0]
    np.testing.assert_allclose(grad_output.numpy(), b.detach().numpy())
    np.testing.assert_allclose(grad_input.numpy(), (b.detach() @ linear.weight.detach()).numpy(), 1e-6)
    np.testing.assert_array_equal(a.grad.numpy(), grad_input.numpy())
    np.testing.assert_allclose(linear.bias.grad.numpy(), b.detach().numpy())


def test_backward_hooks_are_those_of_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = backward_trace(mg), backward_trace(torch)
    assert len(ours) == len(theirs) > 12

    def compare(a, b):
        if isinstance(a, (list, tuple)):
            assert len(a) == len(b)
            for x, y in zip(a, b):
                compare(x, y)
        else:
            assert a == (pytest.approx(b, rel=1e-5) if isinstance(b, float) else b)

    compare(ours, theirs)


def test_backward_hooks_without_a_gradient_for_inputs():
    linear, seen = nn.Linear(2, 2), []
    linear.register_full_backward_hook(
        lambda module, inputs, outputs: seen.append((inputs, outputs[0].shape))
    )
    linear(mg.ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 2))]
    with mg.no_grad():
        linear(mg.ones(3, 2))
    assert len(seen) == 1


def second_order(m):
    """The input, output and weight of a hooked Linear, and both derivatives of the sum of its squared outputs."""
    m.manual_seed(0)
    linear = m.nn.Linear(2, 2).double()
    linear.register_full_backward_pre_hook(lambda module, outputs: (outputs[0] * 3,))
    linear.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 2,))
    x = m.tensor(numbers(3, 2), requires_grad=True)
    (gradient,) = m.autograd.grad((linear(x) ** 2).sum(), x, create_graph=True)
    (second,) = m.autograd.grad((gradient**2).sum(), x)
    return [t.detach().numpy() for t in (linear(x), linear.weight, gradient, second)]


def test_backward_hooks_under_create_graph():
    y, w, gradient, second = second_order(mg)
    np.testing.assert_allclose(gradient, 2 * (3 * 2 * y) @ w, 1e-12)
    np.testing.assert_allclose(
        second, 2 * (3 * 12 * (2 * gradient @ w.T)) @ w, 1e-12
    )  # through the module once more
    torch = pytest.importorskip("torch")
    for ours, theirs in zip((y, w, gradient, second), second_order(torch)):
        np.testing.assert_allclose(ours, theirs, 1e-6)


def test_backward_hook_errors_and_warnings():
    pair = Pair()
    a, b = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    handle = pair.register_full_backward_hook(lambda module, inputs, outputs: inputs[:1])
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 1, but expected 2"):
        pair(a, b)[0].sum().backward()
    handle.remove()
    handle = pair.register_full_backward_pre_hook(lambda module, outputs: outputs[0])
    with pytest.raises(RuntimeError, match="invalid number of grad_output, got 1, but expected 3"):
        pair(a, b)[0].sum().backward()
    handle.remove()

    class Dictionary(nn.Module):
        def forward(self, x):
            return {"x": x}

    module = Dictionary()
    module.register_full_backward_hook(lambda module, inputs, outputs: None)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple"):
        module(a)


def test_inputs_changed_in_place_under_a_hook_are_noticed():
    class Square(nn.Module):
        def forward(self, x):
            return x * x

    square = Square()
    square.register_full_backward_hook(lambda module, inputs, outputs: None)
    x = mg.ones(2, requires_grad=True) * 1
    y = square(x)
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# --------------------------------------------------------------------------------------------- copies, memory


def test_deepcopy_keeps_sharing_and_hooks():
    net, calls = Net(), []
    net.linear.register_forward_hook(lambda module, args, y: calls.append(module))
    net(mg.ones(1, 3)).sum().backward()
    twin = copy.deepcopy(net)
    assert twin.again is twin.linear and twin.linear is not net.linear
    assert twin.linear.weight is twin._modules["linear"]._parameters["weight"]
    assert twin.linear.weight.array is not net.linear.weight.array
    assert net.scale.grad is not None and twin.scale.grad is None  # as in torch
    twin.linear.weight.detach().zero_()
    assert (net.linear.weight != 0).any()
    twin(mg.ones(1, 3))
    assert calls[-1] is twin.linear
    assert isinstance(twin.scale, nn.Parameter) and twin.scale.requires_grad


def test_a_copy_has_registries_of_its_own():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    calls = []
    net[0].register_forward_hook(lambda *_: calls.append("both"))
    before, weight = dict(net[0].named_parameters()), net[0].weight
    twin, layer = copy.copy(net), copy.copy(net[0])
    assert type(layer) is nn.Linear and layer.weight is weight and list(layer.state_dict()) == ["weight", "bias"]
    layer.weight, twin[1] = nn.Parameter(mg.zeros(3, 2)), nn.ReLU()
    del layer.bias
    layer.register_forward_hook(lambda *_: calls.append("copy"))
    layer.register_buffer("mask", mg.ones(3), persistent=False)
    assert dict(net[0].named_parameters()) == before and net[0].weight is net[0]._parameters["weight"] is weight
    assert layer._parameters == {"weight": layer.weight} and not list(net[0].buffers())
    assert isinstance(net[1], nn.BatchNorm1d) and isinstance(twin[1], nn.ReLU) and twin[0] is net[0]
    net[0](mg.ones(1, 2))
    assert calls == ["both"]


class ByRegistries(nn.Module):
    """A model that writes into its registries."""

    def __init__(self, *blocks):
        super().__init__()
        for i, block in enumerate(blocks):
            self._modules[f"block{i}"] = block
        self._parameters.update(scale=nn.Parameter(mg.full((1,), 2.0)))
        self._buffers["shift"] = mg.ones(1)

    def forward(self, x):
        return self.block1(self.block0(x)) * self.scale + self.shift


@pytest.mark.parametrize("through", [lambda m: m, copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_what_is_written_into_a_registry_is_an_attribute(through):
    net = through(ByRegistries(nn.Linear(2, 2, bias=False), nn.ReLU()))
    assert list(net.state_dict()) == ["scale", "shift", "block0.weight"]
    weight = nn.Parameter(mg.eye(2))
    net.block0._parameters["weight"] = weight
    assert net.block0.weight is net.get_parameter("block0.weight") is weight
    assert net(mg.tensor([[3.0, -1.0]])).tolist() == [[7, 1]]
    net._modules["block1"] = nn.Identity()
    assert net.get_submodule("block1") is net.block1 and net(mg.tensor([[3.0, -1.0]])).tolist() == [[7, -1]]
    del net._modules["block1"]
    assert net._parameters.pop("scale").item() == 2 and not hasattr(net, "scale") and not hasattr(net, "block1")
    net.block1, net.scale = nn.ReLU(), 3
    assert net(mg.tensor([[3.0, -1.0]])).tolist() == [[10, 1]] and list(net._modules) == ["block0", "block1"]


def test_modules_can_be_pickled():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    same_state(pickle.loads(pickle.dumps(model)), model)


def test_modules_are_freed_at_once():
    gc.disable()
    try:
        model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
        model.register_full_backward_hook(lambda module, inputs, outputs: None)
        model(mg.ones(2, 3, requires_grad=True)).sum().backward()
        watched = weakref.ref(model), weakref.ref(model[0].weight)
        del model
        assert watched[0]() is None and watched[1]() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------- containers


def test_sequential_as_a_list():
    a, b, c, d = nn.Tanh(), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2)
    model = nn.Sequential(a, b)
    assert model.append(c) is model and model.insert(1, d) is model
    assert list(model) == [a, d, b, c] and list(model._modules) == ["0", "1", "2", "3"] and len(model) == 4
    assert model[-1] is c and list(model[1:3]) == [d, b] and list(model[1:3]._modules) == ["1", "2"]
    assert model.pop(1) is d and list(model) == [a, b, c] and model.get_submodule("1") is b
    assert not hasattr(model, "3")
    model[0] = d
    assert model[0] is d and model.get_submodule("0") is d
    del model[:2]
    assert list(model) == [c] and list(model._modules) == ["0"]
    assert model.extend([a, b]) is model and list(model) == [c, a, b]
    assert list(nn.Sequential(a) + nn.Sequential(b, c)) == [a, b, c]
    model += nn.Sequential(d)
    assert list(model) == [c, a, b, d]
    assert list(nn.Sequential(a, b) * 2) == list(2 * nn.Sequential(a, b)) == [a, b, a, b]
    for wrong, error in (
        (lambda: model[4], IndexError), (lambda: model[-5], IndexError), (lambda: model.insert(9, a), IndexError),
        (lambda: model + [a], ValueError), (lambda: model * 0, ValueError), (lambda: model * 1.5, TypeError),
        (lambda: nn.Sequential(3), TypeError), (lambda: model.extend(3), TypeError), (lambda: model["0"], TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            wrong()


@given(
    st.lists(
        st.tuples(st.sampled_from("append insert pop set delete".split()), st.integers(-4, 4)), max_size=8
    )
)
def test_module_list_is_a_list(changes):
    ours, expected = nn.ModuleList(), []
    for change, i in changes:
        module = nn.Tanh()
        inside = -len(expected) <= i < len(expected)
        if change == "append":
            ours.append(module)
            expected.append(module)
        elif change == "insert":
            ours.insert(i, module)
            expected.insert(i, module)
        elif change == "pop" and inside:
            assert ours.pop(i) is expected.pop(i)
        elif change == "set" and inside:
            ours[i] = expected[i] = module
        elif change == "delete":
            del ours[i:], expected[i:]
        assert list(ours) == expected and len(ours) == len(expected)
        assert list(ours._modules) == [str(k) for k in range(len(expected))]
        assert all(getattr(ours, str(k)) is part for k, part in enumerate(expected))
        assert list(ours[::2]) == expected[::2] and list(ours + expected) == expected * 2


def test_module_dict_is_a_dict():
    a, b = nn.Tanh(), nn.Linear(2, 2)
    parts = nn.ModuleDict({"a": a})
    parts["b"] = b
    assert (
        list(parts) == ["a", "b"] == list(parts.keys()) and list(parts.values()) == [a, b] and len(parts) == 2
    )
    assert "a" in parts and parts.get("c") is None and dict(parts.items()) == {"a": a, "b": b}
    assert parts.pop("a") is a and "a" not in parts and not hasattr(parts, "a")
    parts.update([("c", a), ("b", a)])
    assert list(parts) == ["b", "c"] and parts["b"] is a
    parts.clear()
    assert len(parts) == 0 and len({parts, nn.ModuleDict()}) == 2
    for wrong, error in (
        (lambda: parts["x"], KeyError), (lambda: parts.pop("x"), KeyError),
        (lambda: parts.update({"keys": a}), KeyError),
        (lambda: parts.update({"a": 3}), TypeError), (lambda: parts.update({1: a}), TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            wrong()
    with pytest.raises(KeyError):
        del parts["training"]


def test_parameter_containers():
    a, b, c = (nn.Parameter(mg.full((2,), float(i))) for i in range(3))
    values = nn.ParameterList([a, mg.ones(3)])
    assert values[0] is a and isinstance(values[1], nn.Parameter) and len(values) == 2
    assert values.append(b) is values and values[-1] is b
    values[1] = c
    values += [a]
    assert [v is w for v, w in zip(values, [a, c, b, a])] == [True] * 4
    assert list(values.state_dict()) == ["0", "1", "2", "3"] and len(list(values.parameters())) == 3
    assert len(values[1:]) == 3 and isinstance(values[1:], nn.ParameterList)
    named = nn.ParameterDict({"z": a, "y": mg.ones(1)})
    assert list(named) == ["y", "z"] and named["z"] is a and isinstance(named["y"], nn.Parameter)
    assert list(nn.ParameterDict(OrderedDict(z=a, y=b))) == ["z", "y"]
    named["x"] = b
    assert named.pop("y").shape == (1,) and list(named.state_dict()) == ["z", "x"]
    assert named.setdefault("z", c) is a and isinstance(named.setdefault("u", mg.ones(1)), nn.Parameter)
    for wrong, error in (
        (lambda: values[4], IndexError), (lambda: values.extend(mg.ones(2)), TypeError),
        (lambda: values.append(3), TypeError),
        (lambda: named["w"], KeyError), (lambda: values(), RuntimeError), (lambda: named(), RuntimeError),
    ):  # fmt: skip
        with pytest.raises(error):
            wrong()


def as_a_dict(m):
    """Names, in their order, after all that a dict of parameters can do, and whether parameters are shared."""
    a, b, c, d = (m.nn.Parameter(m.ones(1)) for _ in range(4))
    named = m.nn.ParameterDict()
    named.update({"z": a, "y": b})
    seen = [list(named), list(reversed(named))]
    named.update([("x", c), ("a", d)])
    named.update(m.nn.ParameterDict(OrderedDict(w=a, v=b)))
    twin = named.copy()
    seen += [list(twin), twin["a"] is d, named.popitem()[0], list(named), list(twin)]
    joined = named | {"s": a, "r": b}
    named |= {"q": a, "p": b}
    seen += [type(joined) is m.nn.ParameterDict, list(joined), list(named), list({"o": a} | named), list(named | twin)]
    new = named.fromkeys(["n", "m"], c)
    seen += [list(new), new["n"] is new["m"] is c]
    new.clear()
    return [*seen, len(new), error_of(new.popitem)]


def test_a_parameter_dict_is_a_dict():
    known = ["y", "z", "x", "a", "w"]
    expected = [["y", "z"], ["z", "y"], [*known, "v"], True, "v", known, [*known, "v"]]
    expected += [True, [*known, "r", "s"], [*known, "p", "q"], ["o", *known, "p", "q"], [*known, "p", "q", "v"]]
    assert as_a_dict(mg) == [*expected, ["n", "m"], True, 0, KeyError]


@pytest.mark.skipif(not has_torch, reason="torch is not installed")
def test_a_parameter_dict_is_that_of_torch():
    import torch

    assert as_a_dict(mg) == as_a_dict(torch)


# ----------------------------------------------------------------------------------------------------- layers


def test_padding_starts_as_zeros_and_gets_no_gradient():
    layer = nn.Embedding(4, 3, padding_idx=1)
    assert (layer.weight[1] == 0).all() and (layer.weight[0] != 0).all()
    layer(mg.tensor([1, 2])).sum().backward()
    assert layer.weight.grad.sum(1).tolist() == [0, 0, 3, 0]


def test_pretrained_embeddings():
    table = mg.arange(6.0).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad and layer(mg.tensor([2])).tolist() == [[4, 5]]
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(AssertionError):
        nn.Embedding.from_pretrained(mg.arange(6.0))


def test_parameters_share_the_memory_of_their_tensor():
    x = mg.zeros(2)
    parameter = nn.Parameter(x)
    x += 1
    assert parameter.tolist() == [1, 1] and parameter.requires_grad and parameter.is_leaf
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    assert repr(parameter).startswith("Parameter containing:\n")
    with pytest.raises(RuntimeError):
        nn.Parameter(mg.tensor([1]))


def test_running_statistics_can_be_reset():
    layer = nn.BatchNorm1d(2)
    layer(mg.randn(4, 2))
    layer.weight.detach().fill_(3)
    layer.reset_parameters()
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked == 0 and layer.weight.tolist() == [1, 1]


ERRORS = {
    "Dropout p": lambda m: m.nn.Dropout(1.5),
    "Hardtanh bounds": lambda m: m.nn.Hardtanh(1.0, -1.0),
    "Embedding padding": lambda m: m.nn.Embedding(3, 2, padding_idx=3),
    "BatchNorm1d dimensions": lambda m: m.nn.BatchNorm1d(3)(m.zeros(2, 3, 4, 5)),
    "BatchNorm1d one value": lambda m: m.nn.BatchNorm1d(3)(m.zeros(1, 3)),
    "BatchNorm1d features": lambda m: m.nn.BatchNorm1d(3)(m.zeros(2, 4)),
    "Linear features": lambda m: m.nn.Linear(3, 2)(m.zeros(2, 4)),
    "Unflatten size": lambda m: m.nn.Unflatten(1, (2, 2))(m.zeros(3, 6)),
    "Unflatten type": lambda m: m.nn.Unflatten(1, (2.0, 3)),
    "LayerNorm shape": lambda m: m.nn.LayerNorm(3)(m.zeros(2, 4)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_torchs_types(name):
    with pytest.raises(Exception) as caught:
        ERRORS[name](mg)
    if has_torch:
        import torch

        assert caught.type is error_of(ERRORS[name], torch)
