"""LSUV: what the layers give out afterwards, measured afresh, and that nothing else has changed."""

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from minigrad.backend import to_numpy
from minigrad.diagnostics import lsuv_
from minigrad.diagnostics.lsuv import Moments


def outputs(model, batch, modules):
    """What the modules give out, as NumPy arrays."""
    found = {}
    handles = [m.register_forward_hook(lambda m, _, y: found.update({m: np.array(y.numpy(force=True))})) for m in modules]
    with mg.no_grad():
        model(batch)
    for handle in handles:
        handle.remove()
    return [found[m] for m in modules]


def assert_unit(arrays, mean=False):
    for array in arrays:
        assert abs(array.std(ddof=1) - 1) < 1e-3
        assert not mean or abs(array.mean()) < 1e-3


def mlp(*widths, activation=nn.Tanh, **options):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b, **options), activation()]
    return nn.Sequential(*layers[:-1])


def linears(model):
    return [m for m in model.modules() if isinstance(m, nn.Linear)]


def state(model):
    return {name: np.array(to_numpy(tensor.array)) for name, tensor in model.state_dict().items()}


def assert_same_state(model, before):
    for name, array in state(model).items():
        np.testing.assert_array_equal(array, before[name], name)


@pytest.mark.parametrize("orthonormal", [True, False])
@pytest.mark.parametrize(("mean", "bias"), [(False, False), (False, True), (True, True)])
def test_every_layer_has_unit_variance(orthonormal, mean, bias):
    model, batch = mlp(30, 50, 50, 50, 10, bias=bias), mg.randn(64, 30) * 7 + 3
    result = lsuv_(model, batch, orthonormal=orthonormal, mean=mean)
    assert_unit(outputs(model, batch, linears(model)), mean)
    assert [s.name for s in result.layers] == ["0", "2", "4", "6"]


def test_the_weights_are_orthonormal_times_a_number():
    model = mlp(20, 30, 10)
    lsuv_(model, mg.randn(64, 20))
    for layer in linears(model):
        w = layer.weight.numpy(force=True)
        w = w if w.shape[0] < w.shape[1] else w.T
        product = w @ w.T
        np.testing.assert_allclose(product, np.eye(len(w)) * product[0, 0], atol=1e-5)
        assert not layer.bias.numpy(force=True).any()


def test_without_an_orthonormal_start_weights_only_change_by_a_factor():
    model, batch = mlp(20, 30, 10), mg.randn(64, 20)
    before = state(model)
    [first] = outputs(model, batch, [model[0]])
    lsuv_(model, batch, orthonormal=False)
    for name in ("0.weight", "0.bias"):
        np.testing.assert_allclose(state(model)[name], before[name] / first.std(ddof=1), rtol=1e-5)


def test_the_orthonormal_start_comes_from_the_random_stream():
    model = mlp(20, 30, 10)
    mg.manual_seed(5)
    lsuv_(model, mg.zeros(4, 20) + mg.arange(20).float())
    after = mg.rand(3)
    mg.manual_seed(5)
    for layer in linears(model):
        nn.init.orthogonal_(mg.empty(*layer.weight.shape))
    np.testing.assert_array_equal(mg.rand(3).numpy(), after.numpy())


def test_convolutions_of_all_kinds():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, groups=4), nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(8, 4, 3, stride=2), nn.ReLU(), nn.Flatten(2), nn.Conv1d(4, 6, 5),
    )  # fmt: skip
    batch = mg.randn(8, 3, 16, 16) * 0.01
    layers = [model[i] for i in (0, 2, 4, 7)]
    result = lsuv_(model, batch, mean=True)
    # the first activation works in place: what the hook sees of the convolution is from before it
    assert_unit(outputs(model, batch, layers), mean=True)
    assert [s.kind for s in result.layers] == ["Conv2d", "Conv2d", "ConvTranspose2d", "Conv1d"]


def test_pairs_measure_the_activation():
    model, batch = mlp(30, 50, 50, 10, activation=nn.ReLU), mg.randn(256, 30)
    result = lsuv_(model, batch, pairs=True)
    assert_unit(outputs(model, batch, [model[1], model[3], model[4]]))
    assert [s.measured for s in result.layers] == ["1", "3", "4"]


def test_pairs_with_means_converge_for_an_activation_that_has_both_signs():
    model = mlp(30, 50, 50, 10, activation=lambda: nn.GeneralReLU(0.1, 0.4))
    batch = mg.randn(256, 30)
    lsuv_(model, batch, pairs=True, mean=True, orthonormal=False)
    assert_unit(outputs(model, batch, [model[1], model[3], model[4]]), mean=True)


def test_pairs_can_be_named():
    model, batch = mlp(30, 50, 10, activation=nn.ReLU), mg.randn(256, 30)
    lsuv_(model, batch, pairs={model[0]: model[1]})
    assert_unit(outputs(model, batch, [model[1], model[2]]))
    with pytest.raises(ValueError, match="modules that the batch reaches"):
        lsuv_(model, batch, pairs={model[0]: nn.ReLU()})


def test_a_norm_between_layer_and_activation_is_no_pair():
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 5))
    result = lsuv_(model, mg.randn(64, 10), pairs=True)
    assert [s.measured for s in result.layers] == ["0", "3"]


def test_layers_can_be_chosen():
    model, batch = mlp(30, 50, 10), mg.randn(64, 30)
    before = state(model)
    result = lsuv_(model, batch, layers=[model[2]])
    assert [s.name for s in result.layers] == ["2"]
    np.testing.assert_array_equal(state(model)["0.weight"], before["0.weight"])
    assert_unit(outputs(model, batch, [model[2]]))
    with pytest.raises(ValueError, match="Linear or convolutions of the model"):
        lsuv_(model, batch, layers=[model[1]])


class Backwards(nn.Module):
    """Its layers are called in the other order than they were assigned, and one of them three times."""

    def __init__(self):
        super().__init__()
        self.last, self.middle, self.first = nn.Linear(20, 5), nn.Linear(20, 20), nn.Linear(10, 20)

    def forward(self, x, scale=1.0):
        x = self.first(x) * scale
        for _ in range(3):
            x = self.middle(x)
        return self.last(x)


def test_the_order_is_that_of_the_forward_pass_and_repeated_calls_count_together():
    model, batch = Backwards(), mg.randn(64, 10)
    result = lsuv_(model, (batch, 0.5), tolerance=1e-4)
    assert [s.name for s in result.layers] == ["first", "middle", "last"]
    with mg.no_grad():
        x, every = model.first(batch) * 0.5, []
        for _ in range(3):
            x = model.middle(x)
            every.append(x.numpy())
    assert_unit([np.concatenate(every), model.last(x).numpy(force=True)])


def test_float64_and_exploding_starts():
    model, batch = mlp(*[100] * 5).double(), mg.randn(32, 100, dtype=mg.float64)
    lsuv_(model, batch)
    assert_unit(outputs(model, batch, linears(model)))
    model = mlp(*[100] * 30, activation=nn.Identity)
    for layer in linears(model):
        nn.init.normal_(layer.weight, std=10.0)
    batch = mg.randn(32, 100)
    result = lsuv_(model, batch)  # 100 ** 30 is no float32: the first measurement overflows, which must not matter
    assert not math.isfinite(result.layers[-1].std_before)
    assert_unit(outputs(model, batch, linears(model)))


def test_the_result_is_what_was_measured_and_prints_as_a_table():
    model, batch = mlp(30, 50, 10), mg.randn(64, 30)
    before = outputs(model, batch, linears(model))
    result = lsuv_(model, batch)
    after = outputs(model, batch, linears(model))
    for s, a, b in zip(result.layers, before, after):
        np.testing.assert_allclose([s.mean_before, s.std_before], [a.mean(), a.std(ddof=1)], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose([s.mean, s.std], [b.mean(), b.std(ddof=1)], rtol=1e-4, atol=1e-6)
    header, line, *rows = str(result).split("\n")
    assert "mean before" in header and "std after" in header and set(line) == {"-"}
    assert [row.split()[0] for row in rows] == ["0", "2"]
    assert f"{result.layers[1].std_before:.4g}" in rows[1] and "1.0000" in rows[1]
    assert len({len(row) for row in (line, *rows)}) <= 2  # the last column is aligned to the right


def test_moments_of_several_calls_are_those_of_all_values():
    parts = [np.random.randn(7, 3) * 2 + 5, np.random.randn(4), np.full((2, 2), 100.0)]
    moments = Moments()
    for part in parts:
        moments.add(mg.tensor(part).array)
    every = np.concatenate([part.ravel() for part in parts])
    assert (moments.calls, moments.count) == (3, every.size)
    np.testing.assert_allclose([moments.mean, moments.std], [every.mean(), every.std(ddof=1)], rtol=1e-12)


# ------------------------------------------------------------------------------------------------ nothing else changes


class Counting(nn.Module):
    """Has a buffer that every call replaces."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", mg.tensor(0))

    def forward(self, x):
        self.calls = self.calls + 1
        return x


def noisy():
    return nn.Sequential(
        nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, 20), nn.RunningBatchNorm(20),
        Counting(), nn.Linear(20, 5),
    )  # fmt: skip


def buffers(model):
    return {name: np.array(to_numpy(b.array)) for name, b in model.named_buffers()}


@pytest.mark.parametrize("training", [True, False])
def test_buffers_modes_hooks_gradients_and_the_random_stream_stay(training):
    model, batch = noisy().train(training), mg.randn(64, 10)
    model[1].eval()
    modes = [m.training for m in model.modules()]
    model[0].weight.grad = mg.ones(20, 10)
    handle = model[4].register_forward_hook(lambda *_: None)
    before, stream = buffers(model), mg.get_rng_state()
    objects = dict(model.named_buffers())
    lsuv_(model, batch, orthonormal=False)
    np.testing.assert_array_equal(mg.get_rng_state(), stream)
    assert all(b is objects[name] for name, b in model.named_buffers())
    for name, array in buffers(model).items():
        np.testing.assert_array_equal(array, before[name], name)
    assert [m.training for m in model.modules()] == modes
    assert [len(m._forward_hooks) for m in model.modules()] == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert model[0].weight.requires_grad and model[0].weight.grad.sum().item() == 200
    assert mg.is_grad_enabled()
    handle.remove()


def test_measured_as_in_training_but_without_dropout():
    """Batch norm by the batch, whatever the mode: what the next Linear gets is normalised."""
    model, batch = noisy()[:5].eval(), mg.randn(64, 10)
    lsuv_(model, batch)
    model[1].train()
    assert_unit(outputs(model, batch, [model[0], model[4]]))


def test_random_numbers_of_a_forward_are_the_same_in_every_pass():
    class Noise(nn.Module):
        def forward(self, x):
            return x + mg.randn(*x.shape)

    model = nn.Sequential(nn.Linear(10, 10), Noise(), nn.Linear(10, 5))
    batch = mg.randn(64, 10)
    lsuv_(model, batch)
    assert_unit(outputs(model, batch, [model[0]]))


class Failing(nn.Module):
    """Raises at its call of number `at`."""

    def __init__(self, at):
        super().__init__()
        self.at, self.count = at, 0

    def forward(self, x):
        self.count += 1
        if self.count == self.at:
            raise KeyError("on purpose")
        return x


@pytest.mark.parametrize("at", [1, 2, 4])
def test_after_an_exception_everything_is_as_before(at):
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), Failing(at), nn.Linear(20, 5)).eval()
    before = state(model)
    with pytest.raises(KeyError, match="on purpose"):
        lsuv_(model, mg.randn(64, 10))
    assert_same_state(model, before)
    assert not any(m.training or m._forward_hooks for m in model.modules())
    assert mg.is_grad_enabled()


# -------------------------------------------------------------------------------------------------------------- errors


def assert_refused(model, batch, error, text, **options):
    before = state(model)
    with pytest.raises(error, match=text):
        lsuv_(model, batch, **options)
    assert_same_state(model, before)
    assert not any(m._forward_hooks for m in model.modules())


def test_no_layers():
    assert_refused(nn.Sequential(nn.Tanh()), mg.randn(4, 3), ValueError, "no layer to scale")
    with pytest.raises(TypeError, match="expected model to be a Module, got function"):
        lsuv_(mg.tanh, mg.randn(4, 3))


def test_a_layer_without_bias_cannot_be_shifted():
    assert_refused(mlp(10, 20, 5, bias=False), mg.randn(4, 10), ValueError, "there is none in '0', '2'", mean=True)


def test_a_layer_that_the_batch_does_not_reach():
    model = mlp(10, 20, 5)
    model[0].spare = nn.Linear(3, 3)
    assert_refused(model, mg.randn(8, 10), ValueError, "does not reach '0.spare'")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_batch_that_is_not_finite(value):
    batch = mg.randn(8, 10)
    batch[3, 4] = value
    assert_refused(mlp(10, 20, 5), batch, RuntimeError, r"output of '0' \(Linear\) has NaN or infinite values")


def test_dead_units():
    model = mlp(10, 20, 5, activation=nn.ReLU)
    with mg.no_grad():
        model[0].weight.zero_()
        model[0].bias.fill_(-1)
    message = r"output of '1' \(ReLU\) is 0 everywhere.*dead"
    assert_refused(model, mg.randn(8, 10), RuntimeError, message, pairs=True, orthonormal=False)
    message = r"output of '0' \(Linear\) is -1 everywhere"
    assert_refused(model, mg.randn(8, 10), RuntimeError, message, orthonormal=False)
    assert_refused(mlp(10, 20, 5), mg.zeros(8, 10), RuntimeError, "is 0 everywhere")


def test_a_single_number_has_no_deviation():
    assert_refused(mlp(10, 20, 1), mg.randn(1, 10), RuntimeError, r"output of '2' \(Linear\) is a single number")


def test_a_bounded_activation_cannot_be_scaled_to_one():
    model = nn.Sequential(nn.Linear(10, 20), nn.Sigmoid())
    assert_refused(model, mg.randn(64, 10), RuntimeError, "after 7 rescalings of '0'.*bounded", pairs=True, limit=7)


class Tied(nn.Module):
    """Two layers, and maybe an embedding, with one weight."""

    def __init__(self, embedding):
        super().__init__()
        self.first = nn.Embedding(10, 10) if embedding else nn.Linear(10, 10, bias=False)
        self.inner, self.norm, self.last = nn.Linear(10, 10), nn.LayerNorm(10), nn.Linear(10, 10, bias=False)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(self.norm(self.inner(self.first(x))))


def test_layers_that_share_weights():
    model, batch = Tied(embedding=False), mg.randn(64, 10)
    assert_refused(model, batch, ValueError, "'first' and 'last' share their weights")
    lsuv_(model, batch, layers=[model.first, model.inner])
    assert_unit(outputs(model, batch, [model.first, model.inner]))
    batch = mg.randint(0, 10, (64,))
    assert_refused(Tied(embedding=True), batch, RuntimeError, "output of 'inner'.*had come near.*share weights with earlier")
