"""`Hook` and `Hooks`: what they call, on which modules, and that they always let go."""

import pytest

import minigrad as mg
import minigrad.nn as nn
from minigrad.diagnostics import Hook, Hooks


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2))


def hooked(model):
    """How many hooks there are on a model and its parts."""
    return sum(len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules())


def keep_mean(hook, module, input, output):
    hook.stats["mean"].append(output.mean().item())
    hook.stats["shape"].append(tuple(input[0].shape))


def test_hook_stores_what_its_function_finds():
    layer, x = nn.Linear(3, 4), mg.randn(5, 3)
    with Hook(layer, keep_mean) as hook:
        y = layer(x)
        layer(x * 2)
    layer(x)
    assert hook.stats["mean"] == [y.mean().item(), layer(x * 2).mean().item()]
    assert hook.stats["shape"] == [(5, 3), (5, 3)]
    assert "mean" in repr(hook) and "Linear" in repr(hook)


def test_hook_only_looks_on():
    layer, x, seen = nn.Linear(3, 4), mg.randn(5, 3), []

    def function(hook, module, input, output):
        seen.append((output * 2).requires_grad)
        return output * 0

    with Hook(layer, function):
        y = layer(x)
    assert seen == [False] and y.requires_grad
    assert mg.equal(y, layer(x))


def test_training_only_unless_asked():
    for training_only, calls in ((True, 1), (False, 2)):
        layer = nn.Linear(3, 4)
        with Hook(layer, keep_mean, training_only=training_only) as hook:
            layer(mg.randn(5, 3))
            layer.eval()
            layer(mg.randn(5, 3))
        assert len(hook.stats["mean"]) == calls


def test_backward_gives_the_gradients():
    layer, x = nn.Linear(3, 4), mg.randn(5, 3).requires_grad_()
    with Hook(layer, lambda hook, *args: hook.stats["gradients"].append(args), backward=True) as hook:
        layer(x).sum().backward()
    ((module, grad_input, grad_output),) = hook.stats["gradients"]
    assert module is layer and mg.equal(grad_output[0], mg.ones(5, 4)) and mg.allclose(grad_input[0], x.grad)


def test_hooks_of_children_are_indexed_by_number_slice_and_name():
    model = network()
    with Hooks(model, keep_mean) as hooks:
        y = model(mg.randn(5, 3))
        assert len(hooks) == 4 == len(list(hooks)) == hooked(model)
    assert hooks[-1].stats["mean"] == [y.mean().item()] == hooks["3"].stats["mean"]
    assert [hook.name for hook in hooks[1:3]] == ["1", "2"]
    assert repr(hooks).count("Hook(") == 4
    assert hooked(model) == 0
    with pytest.raises(KeyError, match="no hook on 'x', only on 0, 1, 2, 3"):
        hooks["x"]


@pytest.mark.parametrize(
    "layers, names",
    [
        (nn.Linear, ["0", "2.0", "3"]),
        ((nn.Tanh, nn.ReLU), ["1", "2.1"]),
        ([nn.Tanh], ["1"]),
        ("2.*", ["2.0", "2.1"]),
        (["?", "*.1"], ["0", "1", "2", "2.1", "3"]),
        (lambda module: getattr(module, "out_features", 0) == 4, ["0", "2.0"]),
    ],
)
def test_choice_of_modules(layers, names):
    model = network()
    with Hooks(model, keep_mean, layers) as hooks:
        model(mg.randn(5, 3))
    assert [hook.name for hook in hooks] == names
    assert all(len(hook.stats["mean"]) == 1 for hook in hooks)


def test_choice_by_the_modules_themselves():
    model = network()
    with Hooks([model[3], model[0]], keep_mean) as hooks:
        assert [hook.module for hook in hooks] == [model[3], model[0]]
    with Hooks(model, keep_mean, [model[3], model[0]]) as hooks:
        assert [hook.name for hook in hooks] == ["0", "3"]


@pytest.mark.parametrize("backward", [False, True])
def test_hooks_let_go_after_an_exception(backward):
    model = network()

    def fail(hook, *args):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Hooks(model, fail, nn.Module, backward=backward):
        assert hooked(model) == 7
        model(mg.randn(5, 3)).sum().backward()
    assert hooked(model) == 0
    model(mg.randn(5, 3)).sum().backward()


def test_removing_twice_and_outside_of_a_block():
    model = network()
    hooks = Hooks(model, keep_mean)
    hooks.remove()
    hooks.remove()
    assert hooked(model) == 0


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda m: Hook("layer", keep_mean), TypeError, "expected a Module, got str"),
        (lambda m: Hook(m, 3), TypeError, "expected a function"),
        (lambda m: Hooks(m, None), TypeError, "expected a function"),
        (lambda m: Hooks(5, keep_mean), TypeError, "expected a Module or a list"),
        (lambda m: Hooks([m, 1], keep_mean), TypeError, "expected a Module or a list"),
        (lambda m: Hooks([m], keep_mean, nn.Tanh), TypeError, "taken as it is"),
        (lambda m: Hooks(m, keep_mean, nn.LSTM), ValueError, "chooses none of the model's parts: 0 Linear, 1 Tanh"),
        (lambda m: Hooks(m, keep_mean, "conv*"), ValueError, "chooses none"),
        (lambda m: Hooks(m, keep_mean, 3), TypeError, "layers should be"),
        (lambda m: Hooks(m, keep_mean, ["0", nn.Tanh]), TypeError, "layers should be"),
    ],
)
def test_bad_arguments_are_refused_and_leave_no_hook(make, error, message):
    model = network()
    with pytest.raises(error, match=message):
        make(model)
    assert hooked(model) == 0
