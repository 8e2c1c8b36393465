"""`watch` and `Record`: values against a second computation, alignment, bounds on memory, and what is let go."""

import gc
import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.diagnostics import (
    Record,
    dashboard,
    dead,
    gini,
    grad_data_ratio,
    health,
    near_zero,
    saturated,
    update_data_ratio,
    watch,
)


def network():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))


def train(model, record, steps, optimizer=None, size=16):
    """Plain steps of gradient descent; the optimizer's, or by hand."""
    losses = []
    for _ in range(steps):
        x, y = mg.randn(size, 3), mg.randint(0, 4, (size,))
        loss = F.cross_entropy(model(x), y)
        model.zero_grad()
        loss.backward()
        if optimizer is None:
            for p in model.parameters():
                p.data -= 0.1 * p.grad
        else:
            optimizer.step()
        if record is not None:
            record.step(loss)
        losses.append(loss.item())
    return losses


def hooked(model):
    return sum(len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules())


# ------------------------------------------------------------------------------------------- values of one step


@pytest.fixture(scope="module")
def seen():
    """A record of one step, and what went on in it computed a second time."""
    mg.manual_seed(3)
    model, x, y = network().double(), mg.randn(50, 3).double(), mg.randint(0, 4, (50,))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    outputs, h = {}, x
    for name, layer in model.named_children():
        h = outputs[name] = layer(h)
        h.retain_grad()
    F.cross_entropy(h, y).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    with watch(model, classes=4) as record:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for p in model.parameters():
            p.data -= 0.2 * p.grad
        record.step(loss)
    return record, loss.item(), outputs, before, gradients


def test_layers_of_one_step(seen):
    record, loss, outputs, _, _ = seen
    assert record.steps == [0] and record.losses == [loss] and record.classes == 4
    assert list(record.layers) == ["0", "1", "2", "3", "4"]
    assert [layer.kind for layer in record.layers.values()] == ["Linear", "Tanh", "Linear", "ReLU", "Linear"]
    for name, layer in record.layers.items():
        h = outputs[name]
        assert layer.mean[0] == pytest.approx(h.mean().item())
        assert layer.std[0] == pytest.approx(h.std().item())
        assert layer.near_zero[0] == near_zero(h)
        assert layer.gini[0] == pytest.approx(gini(h))
        assert layer.gradient_mean[0] == pytest.approx(h.grad.mean().item(), abs=1e-12)
        assert layer.gradient_std[0] == pytest.approx(h.grad.std().item())
        assert layer.shape == h.shape and layer.examples == [50]
        assert np.array_equal(layer.activation, h.detach().numpy().ravel())
        assert np.allclose(layer.gradient, h.grad.numpy().ravel())
    assert record.layers["1"].saturated == [saturated(outputs["1"])]
    assert math.isnan(record.layers["3"].saturated[0])
    assert record.layers["3"].dead == [dead(outputs["3"])]
    assert record.layers["1"].dead == [dead(outputs["1"], threshold=0.97)]


def test_histograms_of_one_step(seen):
    record, _, outputs, _, _ = seen
    assert list(record.layers["1"].edges[[0, -1]]) == [-1, 1] and record.layers["3"].edges[0] == 0
    for name, layer in record.layers.items():
        # the largest value lies on an edge, which belongs to the bin above it
        expected, _ = np.histogram(outputs[name].detach().numpy(), layer.edges - 1e-12)
        assert np.array_equal(layer.histogram, [expected])
        assert layer.histogram.shape == (1, 40) and layer.histogram.sum() == outputs[name].numel()


def test_parameters_of_one_step(seen):
    record, _, _, before, gradients = seen
    assert list(record.parameters) == list(before)
    for name, p in record.parameters.items():
        data, grad = before[name], gradients[name]
        assert p.shape == data.shape
        assert p.mean[0] == pytest.approx(data.mean().item()) and p.std[0] == pytest.approx(data.std().item())
        assert p.gini[0] == pytest.approx(gini(data))
        assert p.gradient_mean[0] == pytest.approx(grad.mean().item(), abs=1e-12)
        assert p.grad_data[0] == pytest.approx(grad_data_ratio(grad, data))
        assert p.update_data[0] == pytest.approx(update_data_ratio(0.2 * grad, data))
        assert np.allclose(p.gradient, grad.numpy().ravel())


def test_a_record_prints_its_last_step(seen):
    text = str(seen[0])
    assert "step 0, loss" in text and "Tanh" in text and "0.weight" in text and "update:data" in text
    assert str(Record()) == "nothing recorded yet"


def test_everything_kept_is_host_data(seen):
    record = seen[0]
    for part in (*record.layers.values(), *record.parameters.values()):
        for name in part.series:
            assert all(type(value) in (float, int) for value in getattr(part, name)), name
        assert type(part.gradient) is np.ndarray


# ------------------------------------------------------------------------------------------------ steps over time


def test_the_optimizer_ends_the_step_and_what_it_changes_is_measured():
    model = network()
    optimizer = mg.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, every=1) as record:
        losses = train(model, record, 3, optimizer)
    assert record.steps == [0, 1, 2] and record.losses == losses
    # Adam's first step moves every weight by lr
    update = mg.randn(1000).sign() * 0.01
    first = record.parameters["2.weight"]
    assert first.update_data[0] == pytest.approx(math.log10(update.std().item() / first.std[0]), abs=0.05)


def test_without_losses_there_is_nan():
    model = network()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=2) as record:
        train(model, None, 5, optimizer)
    assert record.steps == [0, 2, 4] and all(math.isnan(loss) for loss in record.losses)


def test_a_closure_gives_the_loss():
    model = network()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        model.zero_grad()
        loss = model(mg.ones(2, 3)).square().sum()
        loss.backward()
        return loss

    with watch(model, optimizer) as record:
        loss = optimizer.step(closure)
    assert record.losses == [loss.item()]


def test_every_second_step_is_forgotten_when_there_are_too_many():
    model = network()
    with watch(model, every=1, limit=10) as record:
        losses = train(model, record, 100)
    assert record.steps == list(range(0, 100, 16)) and record.every == 16
    assert record.losses == [losses[i] for i in record.steps]
    for part in (*record.layers.values(), *record.parameters.values()):
        assert all(len(getattr(part, name)) == len(record.steps) for name in part.series)
    assert record.layers["1"].histogram.shape == (len(record.steps), 40)


def test_the_newest_step_stays_with_an_odd_limit():
    model = network()
    with watch(model, every=1, limit=3) as record:
        for step in range(9):
            y = model(mg.randn(20, 3))
            record.step(math.nan if step == 8 else 1.0)
            if record.steps[-1] == step:
                assert record.layers["4"].mean[-1] == pytest.approx(y.mean().item(), abs=1e-6)
                assert record.layers["4"].activation.mean() == pytest.approx(y.mean().item(), abs=1e-6)
    assert record.steps == [0, 8] and record.failed == 8


class Still:
    """An optimizer that only counts."""

    steps = 0

    def step(self):
        self.steps += 1


def numbers_in(record):
    """How many numbers a record holds."""
    size = len(record.steps) + len(record.losses)
    for part in (*record.layers.values(), *record.parameters.values()):
        size += sum(len(getattr(part, name)) for name in part.series) + part.gradient.size
    return size + sum(layer.activation.size + layer.histogram.size for layer in record.layers.values())


def test_memory_is_bounded_over_200000_steps():
    model, optimizer, sizes = nn.Sequential(nn.Linear(2, 3), nn.Tanh()), Still(), []
    x = mg.ones(4, 2)
    with watch(model, optimizer, every=10, limit=100, bins=8) as record:
        for step in range(200_000):
            if step % record.every == 0:  # what happens in other steps is not looked at
                model(x).sum().backward()
            optimizer.step()
            record.step(0.5)
            if step in (20_000, 199_999):
                gc.collect()
                sizes.append((numbers_in(record), len(gc.get_objects())))
    assert optimizer.steps == 200_000 and 50 <= len(record.steps) <= 100
    assert set(np.diff(record.steps)) == {record.every} and record.steps[-1] + record.every >= 200_000
    layer = record.layers["1"]
    assert len(layer.mean) == len(layer.counts) == len(record.steps) and len(layer.activation) == 12
    most = 100 * (2 + 2 * (9 + 8) + 2 * 7) + 200  # numbers at each of 100 steps, and the last values of everything
    assert sizes[0][0] <= most and sizes[1][0] <= most
    assert sizes[1][1] < sizes[0][1] + 500  # Python objects


def test_no_hooks_between_recorded_steps():
    model = network()
    with watch(model, every=3) as record:
        counts = []
        for _ in range(7):
            counts.append(hooked(model))
            train(model, record, 1)
    assert counts == [5, 0, 0, 5, 0, 0, 5]


def test_a_record_goes_on_in_a_second_block():
    model = network()
    record = watch(model, every=1)
    for _ in range(2):
        with record:
            train(model, record, 2)
        train(model, None, 1)
    assert record.steps == [0, 1, 2, 3]


def test_dead_units_need_a_window():
    class Gate(nn.Module):
        """Four units: never on, always on, on in the first step, on in every third."""

        def forward(self, x, step):
            return x * mg.tensor([0.0, 1.0, float(step == 0), float(step % 3 == 0)])

    model = Gate()
    with watch(model, every=1, window=3, training_only=False) as record:
        for step in range(6):
            model(mg.ones(2, 4), step)
            record.step()
    assert record.layers["Gate"].dead == [1 / 4, 1 / 4, 1 / 4, 2 / 4, 2 / 4, 2 / 4]


def test_units_of_images_and_of_sequences():
    x = mg.ones(2, 3, 4, 4)
    x[:, 1] = -1
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    model[0].weight.data, model[0].bias.data = mg.eye(3).reshape(3, 3, 1, 1), mg.zeros(3)
    with watch(model) as record:
        model(x)
        record.step()
    assert record.layers["1"].dead == [1 / 3]
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU())
    model[0].weight.data = mg.eye(4)
    x = mg.ones(2, 3, 4)
    x[..., :2] = -1
    with watch(model) as record:
        model(x)
        record.step()
    assert record.layers["1"].dead == [2 / 4]


# -------------------------------------------------------------------------------------- what comes out of modules


def test_a_module_used_twice_counts_as_one():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.act = nn.Linear(3, 3), nn.Tanh()

        def forward(self, x):
            return self.act(self.linear(self.act(self.linear(x) + 5) - 1))

    model, x, kept = Twice(), mg.randn(20, 3), []
    handle = model.act.register_forward_hook(lambda module, args, output: kept.append(output))
    with watch(model) as record:
        y = model(x)
        for output in kept:
            output.retain_grad()
        y.square().sum().backward()
        record.step()
    handle.remove()
    outputs, gradients = mg.cat(kept).detach(), mg.cat([output.grad for output in kept])
    layer = record.layers["act"]
    assert layer.mean == [pytest.approx(outputs.mean().item(), rel=1e-5)]
    assert layer.std == [pytest.approx(outputs.std().item(), rel=1e-5)]
    assert layer.saturated == [saturated(outputs)] and layer.examples == [40]
    assert layer.gradient_std == [pytest.approx(gradients.std().item(), rel=1e-5)]
    assert layer.histogram.sum() == 120 == len(layer.activation) == len(layer.gradient)


def test_modules_that_return_tuples():
    model = nn.LSTM(3, 5)
    with watch(model) as record:
        y, _ = model(mg.randn(7, 2, 3))
        y.sum().backward()
        record.step()
    layer = record.layers["LSTM"]
    assert layer.mean == [pytest.approx(y.mean().item(), rel=1e-5)] and layer.shape == (7, 2, 5)
    assert layer.gradient_mean == [pytest.approx(1.0)]


class Returning(nn.Module):
    """A layer that puts out what it is given."""

    def forward(self, value):
        return value


@pytest.mark.parametrize("value, mean", [
    (mg.tensor([1, 2, 3]), 2.0),
    (mg.tensor([[True, False]]), 0.5),
    ({"a": None, "b": [mg.tensor([4.0, 6.0]), mg.tensor([1.0])]}, 5.0),
    (mg.tensor(3.0), 3.0),
])  # fmt: skip
def test_other_outputs(value, mean):
    model = Returning()
    with watch(model, training_only=False) as record:
        model(value)
        record.step()
    layer = record.layers["Returning"]
    assert layer.mean == [mean] and math.isnan(layer.gradient_std[0]) and len(layer.gradient) == 0
    assert layer.histogram.sum() == len(layer.activation)


@pytest.mark.parametrize("value", [mg.zeros(0, 3), None, "text", ()])
def test_outputs_without_values_leave_a_gap(value):
    model = Returning()
    with watch(model, every=1, training_only=False) as record:
        for output in (mg.ones(2, 3), value, mg.ones(2, 3)):
            model(output)
            record.step(1.0)
    layer = record.layers["Returning"]
    assert layer.mean[::2] == [1, 1] and math.isnan(layer.mean[1])
    assert layer.histogram.sum(1).tolist() == [6, 0, 6]


def test_a_layer_first_called_later_is_aligned():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.deep = nn.Linear(2, 2), nn.Linear(2, 2), False

        def forward(self, x):
            x = self.first(x)
            return self.second(x) if self.deep else x

    model = Late()
    with watch(model, every=1) as record:
        for model.deep in (False, False, True):
            model(mg.ones(1, 2)).sum().backward()
            record.step()
    layer = record.layers["second"]
    assert [math.isnan(value) for value in layer.mean] == [True, True, False]
    assert layer.histogram.sum(1).tolist() == [0, 0, 2]


def test_values_that_explode_are_recorded_without_warning():
    model = Returning()
    with watch(model, every=1, training_only=False) as record:
        for value in (mg.tensor([math.nan, 1.0]), mg.tensor([math.inf, -math.inf]), mg.tensor([1e30, 1e-30])):
            model(value)
            record.step(float("nan"))
    assert record.failed == 0 and math.isnan(record.layers["Returning"].mean[0])
    assert record.layers["Returning"].histogram.sum(1).tolist() == [1, 2, 2]


def test_shares_of_values_that_are_not_finite_are_unknown():
    records = {}
    for kind in (nn.Tanh, nn.ReLU):
        with watch(model := nn.Sequential(kind()), every=1, training_only=False, window=1) as record:
            for value in (1.0, math.nan, math.inf, 1.0, 3e38):  # the sum of the last overflows, but no value is infinite
                model(mg.full((4, 2), value))
                record.step()
        records[kind] = record.layers["0"]
    tanh, relu = records[nn.Tanh], records[nn.ReLU]
    for shares in (tanh.saturated, tanh.near_zero, tanh.dead):
        assert [math.isnan(value) for value in shares] == [False, True, False, False, False]
    for shares in (relu.near_zero, relu.dead):
        assert [math.isnan(value) for value in shares] == [False, True, True, False, False]
    assert tanh.saturated[2] == tanh.dead[4] == 1 and relu.dead[3] == relu.dead[4] == 0


def test_in_place_activations_do_not_change_what_was_seen():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True))
    with watch(model) as record:
        model(mg.randn(30, 3)).sum().backward()
        record.step()
    assert record.layers["0"].activation.min() < 0 <= record.layers["1"].activation.min()


# ---------------------------------------------------------------------------------------------- training or not


def test_evaluation_is_not_training():
    model = network()
    with watch(model, every=1) as record:
        for _ in range(2):
            losses = train(model, None, 1)
            model.eval()
            model(mg.ones(500, 3) * 100)
            model.train()
            with mg.no_grad():
                model(mg.ones(500, 3) * 100)
            record.step(losses[0])
    assert record.layers["0"].examples == [16, 16]
    with watch(model, every=1, training_only=False) as record, mg.no_grad():
        model.eval()
        model(mg.ones(5, 3))
        record.step()
    assert record.layers["0"].examples == [5] and math.isnan(record.layers["0"].gradient_std[0])


def test_what_was_not_seen_in_evaluation_is_said():
    model = network().eval()
    with watch(model) as record:
        train(model, record, 1)
    advice = "they ran in eval mode or under no_grad: call model.train(), or watch with training_only=False"
    assert record.passed_over and f"activations by depth (no layers: {advice})" in str(health(record))
    with pytest.raises(ValueError, match="dashboard: there are no layers to draw: they ran in eval mode"):
        dashboard(record)
    with watch(model) as record:
        record.step()
    assert not record.passed_over
    with pytest.raises(ValueError, match="there are no layers to draw: run a training step inside `watch`"):
        dashboard(record)


def test_a_gradient_that_comes_after_its_step_is_not_counted():
    model = network()
    with watch(model, every=1) as record:
        y = model(mg.ones(2, 3))
        record.step()
        model(mg.ones(2, 3))
        y.sum().backward()
        record.step()
        y = model(mg.ones(2, 3))
    y.sum().backward()
    assert record.steps == [0, 1] and all(math.isnan(std) for std in record.layers["0"].gradient_std)


def test_frozen_parameters_are_left_out_and_gradientless_ones_have_nan():
    model = network()
    model[0].requires_grad_(False)
    optimizer = mg.optim.SGD(model[4].parameters(), lr=0.1)
    with watch(model, optimizer) as record:
        train(model, record, 1, optimizer)
    assert list(record.parameters) == ["2.weight", "2.bias", "4.weight", "4.bias"]
    assert record.parameters["2.weight"].update_data == [-math.inf]


def test_training_is_the_same_when_watched():
    results = []
    for watched in (False, True):
        mg.manual_seed(5)
        model = network()
        optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
        if watched:
            with watch(model, optimizer, every=1) as record:
                results.append(train(model, record, 10, optimizer))
        else:
            results.append(train(model, None, 10, optimizer))
    assert results[0] == results[1]


# ------------------------------------------------------------------------------------------------- letting go


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_several_watches_of_one_optimizer_may_end_in_any_order(order):
    model, calls = network(), []
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    for own in (None, lambda: calls.append(1)):
        if own is not None:
            optimizer.step = own
        watches = [watch(model, optimizer, every=1).__enter__() for _ in range(3)]
        train(model, None, 1, optimizer)
        for i in order:
            watches[i].__exit__()
            train(model, None, 1, optimizer)
        assert vars(optimizer).get("step") is own
        assert [watches[i].steps for i in order] == [list(range(n)) for n in (1, 2, 3)]
    assert len(calls) == 4


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_nothing_is_left_after_an_exception(steps):
    model = network()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    before = optimizer.step
    with pytest.raises(ZeroDivisionError), watch(model, optimizer, every=2) as record:
        assert optimizer.step != before
        train(model, record, steps, optimizer)
        raise ZeroDivisionError
    assert hooked(model) == 0 and optimizer.step == before and not record.before
    train(model, None, 2, optimizer)
    assert len(record.steps) == (steps + 1) // 2


def test_two_records_of_one_optimizer():
    model = network()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    before = optimizer.step
    with watch(model, optimizer, every=1) as outer, watch(model, optimizer, every=1) as inner:
        train(model, None, 2, optimizer)
    assert outer.steps == inner.steps == [0, 1] and optimizer.step == before
    assert outer.layers["1"].std == inner.layers["1"].std


def test_layers_are_chosen_like_those_of_hooks():
    model = network()
    for layers, names in ((nn.Tanh, ["1"]), ("[02]", ["0", "2"]), (lambda m: isinstance(m, nn.ReLU), ["3"])):
        with watch(model, layers=layers) as record:
            train(model, record, 1)
        assert list(record.layers) == names


def test_default_layers_compute():
    class Own(nn.Module):
        def forward(self, x):
            return x

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(), nn.Flatten(), Own(), nn.Identity())
    with watch(model) as record:
        model(mg.randn(4, 1, 5, 5)).sum().backward()
        record.step()
    assert [layer.kind for layer in record.layers.values()] == ["Conv2d", "BatchNorm2d", "ReLU", "Own"]


def test_samples_and_span_are_bounds():
    model = nn.Sequential(nn.Linear(10, 100), nn.Tanh())
    with watch(model, samples=500, bins=4, span=(0, 0.5)) as record:
        y = model(mg.randn(70, 10))
        y.sum().backward()
        record.step()
    layer = record.layers["1"]
    assert 250 <= len(layer.activation) == layer.histogram.sum() <= 500
    assert layer.mean == [pytest.approx(y.mean().item(), abs=1e-6)]
    assert layer.edges.tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert layer.histogram[0, 0] == (layer.activation < 0.125).sum()
    assert len(record.parameters["0.weight"].gradient) <= 500


# --------------------------------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"every": 0}, ValueError, "every should be a whole number of at least 1, got 0"),
        ({"every": 1.5}, ValueError, "every should be"),
        ({"limit": 1}, ValueError, "limit should be a whole number of at least 2"),
        ({"classes": 1}, ValueError, "classes should be"),
        ({"bins": 0}, ValueError, "bins should be"),
        ({"samples": True}, ValueError, "samples should be"),
        ({"window": -1}, ValueError, "window should be"),
        ({"span": (1, 0)}, ValueError, "span should be two numbers"),
        ({"span": 3}, ValueError, "span should be two numbers"),
        ({"layers": nn.LSTM}, ValueError, "watch: .* chooses none"),
        ({"layers": 3}, TypeError, "watch: layers should be"),
        ({"optimizer": 3}, TypeError, "expected an optimizer"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        watch(network(), **options)


def test_calls_at_the_wrong_time():
    with pytest.raises(TypeError, match="watch: expected a Module, got list"):
        watch([network()])
    model = network()
    record = watch(model)
    with pytest.raises(RuntimeError, match="inside the `with` block"):
        record.step(1.0)
    with record:
        with pytest.raises(RuntimeError, match="being written already"):
            record.__enter__()
        with pytest.raises(TypeError, match="expected a loss of one number, got str"):
            record.step("1.0")
    with watch(model, mg.optim.SGD(model.parameters())) as record:
        with pytest.raises(RuntimeError, match="after optimizer.step"):
            record.step(1.0)
    with pytest.raises(ValueError, match="steps should come in order, got 3 after 3"):
        record = Record()
        record.append(3)
        record.append(3)
