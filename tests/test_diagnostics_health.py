"""`health`: each finding on a network built to have it, none on healthy ones."""

import math

import pytest

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.diagnostics import Record, health, watch

CLASSES = 10


def build(activation=nn.Tanh, gain=5 / 3, depth=5, norm=False, width=50, last=0.5, bias=False):
    """A classifier of (N, 20) with Kaiming weights of this gain, its last layer scaled by `last`."""
    mg.manual_seed(1)
    layers, size = [], 20
    for _ in range(depth):
        layers += [nn.Linear(size, width, bias=bias), *[nn.BatchNorm1d(width)] * norm, activation()]
        layers[-2 - norm].weight.data = mg.randn(width, size) * (gain / math.sqrt(size))
        size = width
    layers = [nn.BatchNorm1d(width) if isinstance(layer, nn.BatchNorm1d) else layer for layer in layers]
    layers.append(nn.Linear(width, CLASSES, bias=False))
    layers[-1].weight.data = mg.randn(CLASSES, width) * (last / math.sqrt(width))
    return nn.Sequential(*layers)


def train(model, steps=12, lr=0.03, size=64, classes=CLASSES, optimizer=None, losses=True, **options):
    """The record of a short training on random points with a pattern in them."""
    optimizer = optimizer or mg.optim.SGD(model.parameters(), lr=lr)
    pattern = mg.randn(20, CLASSES)
    with watch(model, optimizer, every=1, classes=classes, **options) as record:
        for _ in range(steps):
            x = mg.randn(size, 20)
            loss = F.cross_entropy(model(x), (x @ pattern).argmax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            record.step(loss if losses else None)
    return record


def found(source, **options):
    return {finding.what: finding for finding in health(source, **options).findings}


# ------------------------------------------------------------------------------------------------- healthy ones

HEALTHY = {
    "tanh": {},
    "tanh with batch norm": {"norm": True},
    "relu": {"activation": nn.ReLU, "gain": math.sqrt(2)},
    "relu with batch norm": {"activation": nn.ReLU, "gain": math.sqrt(2), "norm": True},
    "gelu": {"activation": nn.GELU, "gain": math.sqrt(2), "depth": 3},
    "softsign": {"activation": nn.Softsign, "depth": 3},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_has_no_findings(name):
    model = build(**HEALTHY[name])
    report = health(model)
    assert not report.findings, str(report)
    report = health(train(model, steps=30, lr=0.1))
    assert not report.findings, str(report)
    assert "first loss" in report.checked and "updates" in report.checked and "gradients by depth" in report.checked
    assert str(report).startswith("nothing wrong found")


def test_a_healthy_convolutional_network_has_no_findings():
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1, bias=False),
        nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    assert not health(model).findings
    optimizer = mg.optim.SGD(model.parameters(), lr=0.05)
    x, y = mg.randn(64, 1, 16, 16), mg.randint(0, CLASSES, (64,))
    with watch(model, optimizer, every=1, classes=CLASSES) as record:
        for _ in range(20):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            record.step(loss)
    report = health(record)
    assert not report.findings, str(report)


# ---------------------------------------------------------------------------------- one fault, the finding for it


def test_first_loss():
    finding = found(train(build(last=20)))["first loss too high"]
    assert "2.3026" in finding.measure and "-ln(1/10)" in finding.measure
    assert "last layer" in finding.where and "smaller weights" in finding.advice


def test_first_loss_needs_classes():
    record = train(build(last=20), classes=None)
    report = health(record)
    assert "first loss" not in report.checked and "no classes=" in str(report)
    assert "first loss too high" in found(record, classes=CLASSES)


def test_loss_that_is_not_finite():
    model = build(activation=nn.ReLU, gain=math.sqrt(2), last=1)
    model[0].weight.data[0, 0] = math.nan
    findings = found(train(model))
    assert "step 0" in findings["loss is not finite"].measure
    assert findings["exploding activations"].where == "from 1 on"
    assert "0.weight" in found(model)["weights are not finite"].where


def test_saturation():
    finding = found(train(build(gain=6)))["saturated activations"]
    assert finding.where == "1, 3, 5, 7, 9" and "%" in finding.measure
    sigmoid = nn.Sequential(nn.Linear(20, 50), nn.Sigmoid(), nn.Linear(50, CLASSES))
    sigmoid[0].weight.data *= 100
    assert found(train(sigmoid))["saturated activations"].where == "1"


def test_dead_relu_units():
    model = build(activation=nn.ReLU, gain=math.sqrt(2), depth=2, bias=True)
    model[2].bias.data[:20] = -1000.0
    finding = found(train(model))["dead units"]
    assert finding.where == "3" and "40.00%" in finding.measure


def test_dead_tanh_units():
    model = build(depth=2, bias=True)
    model[0].bias.data[:25] = 1000.0
    finding = found(train(model))["dead units"]
    assert finding.where == "1" and "50.00%" in finding.measure


def test_dead_units_need_several_steps():
    report = health(train(build(), steps=2))
    assert "dead units" not in report.checked and "2 steps recorded" in str(report)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_vanishing_activations_and_where_they_start(activation):
    gain = 5 / 3 if activation is nn.Tanh else math.sqrt(2)
    model = build(activation, gain=gain, depth=6)
    model[6].weight.data *= 0.01
    findings = found(train(model))
    assert findings["vanishing activations"].where == "from 7 on"
    assert found(train(build(activation, gain=gain / 4, depth=6)))["vanishing activations"].where == "from 3 on"


def test_exploding_activations_and_where_they_start():
    model = build(nn.ReLU, gain=math.sqrt(2), depth=6)
    model[4].weight.data *= 30
    assert found(train(model, lr=1e-6))["exploding activations"].where == "from 5 on"
    linear = nn.Sequential(*[nn.Linear(20, 20, bias=False) for _ in range(5)], nn.Linear(20, CLASSES))
    for layer in linear[:5]:
        layer.weight.data = mg.randn(20, 20)  # each multiplies the std by the root of 20
    assert found(train(linear, lr=1e-6))["exploding activations"].where == "from 1 on"


def test_exploding_activations_that_grow_little():
    record = Record()
    stds = {"a": 80.0, "b": 110.0, "c": 170.0, "d": 9.0}
    record.append(0, 1.0, {name: {"kind": "ReLU", "edges": [0, 1], "std": std} for name, std in stds.items()})
    assert found(record)["exploding activations"].where == "from b on"


def test_nothing_is_said_of_what_was_not_seen():
    report = health(train(build(), losses=False))
    assert "finite loss" not in report.checked and "finite loss (no loss was given)" in str(report)
    record = Record()
    for step in range(6):
        record.append(step, 1.0, {"h": {"kind": "Tanh", "edges": [-1, 1], "saturated": 0.6 if step == 5 else math.nan}})
    assert "60.00% of the values of h at step 5" in found(record)["saturated activations"].measure
    report = health(record)
    assert "dead units (no finite values at the last step)" in str(report)


def test_values_that_are_not_finite_are_neither_dead_nor_saturated():
    model = build(nn.ReLU, gain=math.sqrt(2), depth=2)
    model[0].weight.data.fill_(math.nan)
    report = health(train(model))
    assert "dead units" not in {finding.what for finding in report.findings} and "dead units" not in report.checked


def test_vanishing_gradients_and_where_they_start():
    class Weaken(nn.Module):
        """The same values forward, a thousandth of the gradient backward."""

        def forward(self, x):
            return x * 1e-3 + (x * (1 - 1e-3)).detach()

    model = build(depth=6)
    model = nn.Sequential(*model[:6], Weaken(), *model[6:])
    findings = found(train(model))
    assert findings["vanishing gradients"].where == "from 5 on" and "vanishing activations" not in findings
    assert "0.weight" in findings["updates too small"].where


def test_exploding_gradients_and_where_they_start():
    class Amplify(nn.Module):
        """The same values forward, a hundred times the gradient backward."""

        def forward(self, x):
            return x * 100 + (x * -99).detach()

    model = build(depth=6)
    model = nn.Sequential(*model[:6], Amplify(), *model[6:])
    assert found(train(model, lr=1e-4))["exploding gradients"].where == "from 5 on"


def test_a_last_layer_that_begins_at_zero_is_no_fault():
    model = build(depth=3, last=0)
    assert not health(model).findings
    assert not {"vanishing gradients", "all weights equal"} & set(found(train(model)))


def test_updates_too_large_and_too_small():
    large = found(train(build(norm=True), lr=30.0))["updates too large"]
    assert "lower" in large.advice and "-3 would be good" in large.measure
    small = found(train(build(norm=True), lr=1e-5))["updates too small"]
    assert "higher" in small.advice and "only some" not in small.advice


def test_last_layer_faster():
    model = build(norm=True, last=1e-3)
    finding = found(train(model, steps=5))["last layer learns far faster"]
    assert finding.where == "15.weight"
    assert "last layer learns far faster" not in found(train(build(norm=True, last=1), steps=5))


def test_parameters_that_do_not_move():
    model = build()
    optimizer = mg.optim.SGD(model[2:].parameters(), lr=0.1)
    assert found(train(model, optimizer=optimizer))["parameters that do not move"].where == "0.weight"


def test_embeddings_of_which_few_rows_move_are_no_fault():
    model = nn.Sequential(nn.Embedding(100_000, 4), nn.Flatten(), nn.Linear(4, 20), nn.Tanh(), nn.Linear(20, CLASSES))
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=1) as record:
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(model(mg.randint(0, 100_000, (32, 1))), mg.randint(0, CLASSES, (32,))).backward()
            optimizer.step()
    assert record.parameters["0.weight"].update_data[0] < -4.2
    assert "updates too small" not in found(record)


def test_batch_norm_on_tiny_batches():
    model = build(norm=True)
    finding = found(train(model, size=2))["batch norm on tiny batches"]
    assert finding.where.startswith("1, 4, 7") and finding.measure.startswith("2 examples")


def test_useless_bias():
    model = build(norm=True, bias=True)
    finding = found(model)["useless bias"]
    assert finding.where == "0.bias, 3.bias, 6.bias, 9.bias, 12.bias" and "bias=False" in finding.advice
    finding = found(train(model))["useless bias"]
    assert finding.where == "0.bias, 3.bias, 6.bias, 9.bias, 12.bias" and "gradient" in finding.measure


def test_useless_bias_in_other_modules():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.conv2 = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 1))
            self.norms = nn.Sequential(nn.GroupNorm(8, 8), nn.ReLU())

    assert found(Block())["useless bias"].where == "conv1.bias, conv2.1.bias"


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.Tanh(), nn.BatchNorm1d(9)])
def test_a_bias_that_is_not_useless(norm):
    model = nn.ModuleDict({"linear": nn.Linear(4, 8)})
    assert "useless bias" not in found(model)
    assert "useless bias" not in found(nn.Sequential(nn.Linear(4, 8), norm))


def test_a_bias_whose_gradients_say_that_it_is_used():
    class Apart(nn.Module):
        """The norm is defined after the linear layer, but not applied to it."""

        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(20, 20), nn.BatchNorm1d(20)

        def forward(self, x):
            return self.linear(self.norm(x))

    model = nn.Sequential(Apart(), nn.Tanh(), nn.Linear(20, CLASSES))
    assert "useless bias" not in found(train(model))


def test_weights_that_are_all_equal():
    model = build()
    model[4].weight.data = mg.zeros(50, 50)
    assert found(model)["all weights equal"].where == "4.weight"
    assert found(train(model, steps=1))["vanishing activations"].where == "from 5 on"
    for p in model.parameters():
        p.data = p.data * 0
    findings = found(train(model))
    assert findings["all weights equal"].where == "0.weight, 2.weight, 4.weight, 6.weight, 8.weight"
    assert "vanishing gradients" in findings


def test_scale_of_weights_seen_without_a_record():
    model = build()
    model[2].weight.data, model[4].weight.data = mg.randn(50, 50), mg.randn(50, 50) * 0.01
    findings = found(model)
    assert findings["weights too large for their fan-in"].where == "2.weight"
    assert findings["weights too small for their fan-in"].where == "4.weight"
    convolution = nn.Sequential(nn.ConvTranspose2d(64, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    convolution[0].weight.data = mg.randn(64, 4, 3, 3)
    assert "24" in found(convolution)["weights too large for their fan-in"].measure  # the root of 64 * 9
    normed = build(norm=True, gain=10)
    assert "weights too large for their fan-in" not in found(normed)


def test_torch_defaults_of_a_small_network_are_fine():
    assert not health(nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))).findings
    assert not health(nn.LSTM(3, 4)).findings


# --------------------------------------------------------------------------------------------------- the report


def test_a_report_reads_as_words():
    text = str(health(train(build(gain=6, last=20))))
    assert text.splitlines()[0].endswith("findings")
    for word in ("1. first loss too high", "where: ", "measured: ", "try: ", "judged: finite loss"):
        assert word in text


def test_an_empty_record_and_a_bare_one():
    report = health(watch(build()))
    assert not report.findings and "no step was recorded" in str(report)
    assert not health(Record()).findings
    record = Record(classes=27)
    record.append(0, 27.88, {"h": {"kind": "Tanh", "edges": [-1, 1], "saturated": 0.6}})
    assert list(found(record)) == ["first loss too high", "saturated activations"]


def test_gaps_in_a_record_are_no_fault():
    class Late(nn.Module):
        """Its last hidden layer joins at the second step, the first forward is without a backward."""

        def __init__(self):
            super().__init__()
            self.layers, self.deep = build(depth=3), False

        def forward(self, x):
            for i, layer in enumerate(self.layers):
                x = layer(x) if self.deep or i not in (2, 3) else x
            return x

    model = Late()
    with watch(model, every=1) as record:
        for step in range(6):
            model.deep = step > 0
            y = model(mg.randn(64, 20))
            if step:
                F.cross_entropy(y, mg.randint(0, CLASSES, (64,))).backward()
            for p in model.parameters():
                p.data -= 1e-3 * p.detach()
            record.step()
    report = health(record)
    assert not report.findings, str(report)


def test_bad_arguments():
    with pytest.raises(TypeError, match="health: expected a Module or a Record, got int"):
        health(3)
    with pytest.raises(ValueError, match="health: classes= is for the first loss of a Record"):
        health(build(), classes=3)
