"""The summary of a model: numbers against counts by hand, by a counting number type, and by PyTorch's counter."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.backend import to_numpy
from minigrad.diagnostics import summary


def flops(layer, *shapes):
    """Of the layer alone, without those of its parts."""
    return summary(layer, list(shapes)).layers[0].flops


# ------------------------------------------------------------------------------------------------- FLOPs, counted by hand


@pytest.mark.parametrize(("layer", "shape", "count"), [
    (nn.Linear(10, 20), (4, 10), 4 * 20 * (2 * 10 + 1)),
    (nn.Linear(10, 20, bias=False), (4, 10), 4 * 20 * 2 * 10),
    (nn.Linear(10, 20), (4, 7, 10), 4 * 7 * 20 * (2 * 10 + 1)),
    (nn.Conv1d(3, 8, 5), (2, 3, 20), 2 * 8 * 16 * (2 * 3 * 5 + 1)),
    (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 6, 6), 2 * 8 * 36 * (2 * 3 * 9 + 1)),
    (nn.Conv2d(4, 8, (3, 2), stride=2, bias=False), (1, 4, 7, 6), 8 * 3 * 3 * 2 * 4 * 6),
    (nn.Conv2d(8, 16, 3, groups=4), (2, 8, 6, 6), 2 * 16 * 16 * (2 * 2 * 9 + 1)),
    (nn.Conv2d(8, 8, 3, groups=8, bias=False), (2, 8, 6, 6), 2 * 8 * 16 * 2 * 9),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 5), 2 * 4 * 25 * 2 * 6 * 9 + 2 * 6 * 121),
    (nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), (2, 4, 5, 5), 2 * 4 * 25 * 2 * 3 * 9),
    (nn.ConvTranspose1d(4, 6, 3), (2, 4, 5), 2 * 4 * 5 * 2 * 6 * 3 + 2 * 6 * 7),
    (nn.BatchNorm2d(3), (2, 3, 4, 4), 2 * 96),
    (nn.BatchNorm1d(3, track_running_stats=False), (4, 3), 7 * 12),
    (nn.InstanceNorm2d(3), (2, 3, 4, 4), 5 * 96),
    (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (2, 3, 4, 4), 2 * 96),
    (nn.RunningBatchNorm(3), (2, 3, 4, 4), 2 * 96),
    (nn.LayerNorm(8), (4, 8), 7 * 32),
    (nn.LayerNorm(8, bias=False), (4, 8), 6 * 32),
    (nn.GroupNorm(2, 4, affine=False), (2, 4, 3), 5 * 24),
    (nn.RMSNorm(8), (4, 8), 4 * 32),
    (nn.MaxPool2d(2), (2, 3, 6, 6), 2 * 3 * 9 * 4),
    (nn.MaxPool2d((3, 2), return_indices=True), (2, 3, 6, 6), 2 * 3 * 6 * 6),
    (nn.AvgPool1d(3), (2, 3, 9), 2 * 3 * 3 * 3),
    (nn.AvgPool2d(2), (2, 3, 6, 6), 2 * 3 * 9 * 4),
    (nn.AdaptiveAvgPool2d(1), (2, 3, 6, 6), 2 * 3 * 36),
    (nn.AdaptiveMaxPool1d(2), (2, 3, 6), 36),
    (nn.Dropout(0.5), (4, 8), 0),
    (nn.Flatten(), (4, 8, 2), 0),
    (nn.ZeroPad2d(1), (2, 3, 4, 4), 0),
    (nn.ReflectionPad1d(1), (2, 3, 4), 0),
    (nn.GeneralReLU(0.1, 0.4, 6.0), (4, 8), 4 * 32),
    (nn.GLU(), (4, 8), 4 * 16),
], ids=lambda value: str(value)[:50])  # fmt: skip
def test_layers(layer, shape, count):
    result = summary(layer, shape)
    assert result.flops == count
    assert result.uncounted == []


# ----------------------------------------------------------------------------------- FLOPs, by a number that counts its use


class Counted:
    """A number that counts what is done with any of its kind."""

    done = 0

    def __init__(self, value=1.0):
        self.value = value

    def operation(self, *_):
        Counted.done += 1
        return Counted(0.5)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = operation
    exp = tanh = erf = log = sqrt = maximum = absolute = minimum = operation

    def __neg__(self):
        return self


def counted(function, *args):
    Counted.done = 0
    function(*args)
    return Counted.done


def dot(a, b):
    total = Counted(0)
    for x, y in zip(a, b, strict=True):
        total = total + x * y
    return total


def numbers(*shape):
    return [numbers(*shape[1:]) for _ in range(shape[0])] if shape else Counted()


def sigmoid(x):
    return 1 / (1 + (-x).exp())


def softmax(xs):
    largest, total = Counted(), Counted()
    for x in xs:
        largest = largest.maximum(x)
    xs = [(x - largest).exp() for x in xs]
    for x in xs:
        total = total + x
    return [x / total for x in xs]


ACTIVATIONS = [
    (nn.ReLU(), lambda x: x.maximum(0)),
    (nn.LeakyReLU(0.1), lambda x: x.maximum(x * 0.1)),
    (nn.PReLU(), lambda x: x.maximum(x * 0.1)),
    (nn.ReLU6(), lambda x: x.maximum(0).minimum(6)),
    (nn.Hardtanh(), lambda x: x.maximum(-1).minimum(1)),
    (nn.Hardsigmoid(), lambda x: ((x + 3) / 6).maximum(0).minimum(1)),
    (nn.Hardswish(), lambda x: x * ((x + 3) / 6).maximum(0).minimum(1)),
    (nn.Tanh(), lambda x: x.tanh()),
    (nn.Tanhshrink(), lambda x: x - x.tanh()),
    (nn.Sigmoid(), sigmoid),
    (nn.LogSigmoid(), lambda x: -(1 + (-x).exp()).log()),
    (nn.SiLU(), lambda x: x * sigmoid(x)),
    (nn.Softsign(), lambda x: x / (1 + x.absolute())),
    (nn.Softplus(), lambda x: (1 + (x * 2).exp()).log() / 2),
    (nn.Mish(), lambda x: x * (1 + x.exp()).log().tanh()),
    (nn.ELU(), lambda x: x.maximum((x.exp() - 1) * 0.5)),
    (nn.CELU(), lambda x: x.maximum(((x / 2).exp() - 1) * 2)),
    (nn.SELU(), lambda x: x.maximum((x.exp() - 1) * 0.5) * 1.05),
    (nn.GELU(), lambda x: x * (1 + (x / 2).erf()) * 0.5),
    (nn.GELU("tanh"), lambda x: x * (1 + ((x + x * x * x * 0.04) * 0.8).tanh()) * 0.5),
    (nn.GeneralReLU(sub=0.4), lambda x: x.maximum(0) - 0.4),
]


@pytest.mark.parametrize(("layer", "formula"), ACTIVATIONS, ids=[str(layer) for layer, _ in ACTIVATIONS])
def test_activations(layer, formula):
    assert flops(layer, (4, 8)) == 32 * counted(formula, Counted())


@pytest.mark.parametrize("layer", [nn.Softmax(-1), nn.Softmin(-1)])
def test_softmax(layer):
    assert flops(layer, (4, 8)) == 4 * counted(softmax, numbers(8))


def products(weights, xs, biases):
    return [dot(row, xs) if b is None else dot(row, xs) + b for row, b in zip(weights, biases, strict=True)]


def step(kind, inputs, hidden, bias):
    """One step of a recurrent layer for one sample."""
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind] * hidden
    biases = numbers(gates) if bias else [None] * gates
    x = products(numbers(gates, inputs), numbers(inputs), biases)
    h = products(numbers(gates, hidden), numbers(hidden), biases)
    for u in range(hidden):
        if kind == "RNN":
            (x[u] + h[u]).tanh()
        elif kind == "LSTM":
            i, f, g, o = (x[u + k * hidden] + h[u + k * hidden] for k in range(4))
            c = sigmoid(f) * Counted() + sigmoid(i) * g.tanh()
            sigmoid(o) * c.tanh()
        else:
            r, z = (sigmoid(x[u + k * hidden] + h[u + k * hidden]) for k in range(2))
            (1 - z) * (x[u] + r * h[u]).tanh() + z * Counted()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers(kind, bias):
    first, later = counted(step, kind, 3, 5, bias), counted(step, kind, 10, 5, bias)
    layer = getattr(nn, kind)
    assert flops(layer(3, 5, bias=bias), (7, 2, 3)) == 14 * first
    assert flops(layer(3, 5, bias=bias, batch_first=True), (7, 2, 3)) == 14 * first
    assert flops(layer(3, 5, bias=bias), (7, 3)) == 7 * first
    assert flops(layer(3, 5, 2, bias=bias, bidirectional=True), (7, 2, 3)) == 14 * 2 * (first + later)
    cell = getattr(nn, f"{kind}Cell")(3, 5, bias=bias)
    assert flops(cell, (4, 3)) == 4 * first
    assert flops(cell, (3,)) == first


def attention(queries, keys, features, heads, kdim, vdim, bias, extra):
    """Of one sample, without the output's projection."""
    biases = numbers(features) if bias else [None] * features
    for count, width in ((queries, features), (keys, kdim), (keys, vdim)):
        for _ in range(count):
            products(numbers(features, width), numbers(width), biases)
    size, keys = features // heads, keys + extra
    for _ in range(heads * queries):
        q = [x * 0.5 for x in numbers(size)]
        weights = softmax([dot(q, key) for key in numbers(keys, size)])
        [dot(weights, values) for values in numbers(size, keys)]


@pytest.mark.parametrize("options", [
    {}, {"bias": False}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 5, "vdim": 3},
])  # fmt: skip
def test_attention(options):
    layer = nn.MultiheadAttention(8, 2, **options)
    bias, extra = options.get("bias", True), 2 if "add_zero_attn" in options else 0
    expected = counted(attention, 4, 6, 8, 2, layer.kdim, layer.vdim, bias, extra)
    result = summary(layer, [(4, 3, 8), (6, 3, layer.kdim), (6, 3, layer.vdim)])
    assert result.layers[0].flops == 3 * expected
    assert result.layers[1].name == "out_proj" and result.layers[1].flops == 4 * 3 * 8 * (16 + bias)


def test_attention_with_the_batch_first_or_without_one():
    counts = [flops(nn.MultiheadAttention(8, 2), *[(n, 3, 8) for n in (4, 6, 6)]),
              flops(nn.MultiheadAttention(8, 2, batch_first=True), *[(3, n, 8) for n in (4, 6, 6)]),
              3 * flops(nn.MultiheadAttention(8, 2), *[(n, 8) for n in (4, 6, 6)])]  # fmt: skip
    assert counts[0] == counts[1] == counts[2]


def test_arguments_by_keyword_count_as_well():
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            return self.attention(query=x, value=x, key=x)[0]

    assert summary(Looks(), (4, 3, 8)).flops == summary(nn.MultiheadAttention(8, 2), [(4, 3, 8)] * 3).flops


def test_transformer_layers():
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu")
    result = summary(layer, (4, 3, 8))
    assert result.layers[0].flops == 2 * 4 * 3 * 8 + 5 * 4 * 3 * 16
    parts = {row.name: row.flops for row in result.layers}
    assert parts["linear1"] == 12 * 16 * 17 and parts["norm2"] == 7 * 96
    decoder = summary(nn.TransformerDecoderLayer(8, 2, 16), [(4, 3, 8), (6, 3, 8)])
    assert decoder.layers[0].flops == 3 * 4 * 3 * 8 + 4 * 3 * 16


def test_products_are_those_that_pytorch_counts():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    def model(nn):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 3, stride=2, groups=4, bias=False),
            nn.ConvTranspose2d(8, 4, 3, stride=2, bias=False), nn.Flatten(2), nn.Conv1d(4, 2, 5, dilation=2, bias=False),
            nn.Flatten(), nn.Linear(2 * 217, 10, bias=False),
        )  # fmt: skip

    theirs = model(torch.nn)
    x = torch.ones(2, 3, 16, 16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        theirs(x)
    assert summary(model(nn), (2, 3, 16, 16)).flops == counter.get_total_flops()


# --------------------------------------------------------------------------------------- shapes, parameters, memory, text


class Residual(nn.Module):
    """Has a part in a list, a shared weight, a frozen one, a buffer, and a sum of its own."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2)])
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 30, bias=False)
        self.head.weight = self.embedding.weight
        self.scale = nn.Parameter(mg.ones(8), requires_grad=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.norm(x) * self.scale)


def test_names_shapes_and_parameters():
    result = summary(Residual(), (5,), dtype=mg.int64)
    rows = {row.name: row for row in result.layers}
    assert list(rows) == ["(model)", "embedding", "blocks", "blocks.0", "blocks.0.0", "blocks.0.1", "blocks.1", "blocks.1.0",
                          "blocks.1.1", "norm", "head"]  # fmt: skip
    assert rows["blocks.0.0"].output == (5, 8) and rows["(model)"].output == (5, 30) and rows["blocks"].output is None
    assert [rows[name].kind for name in ("blocks", "norm")] == ["ModuleList", "BatchNorm1d"]
    assert (rows["(model)"].parameters, rows["(model)"].trainable) == (8, 0)
    assert (rows["embedding"].parameters, rows["head"].parameters) == (240, 0)  # the shared one counts once
    model = Residual()
    assert result.parameters == sum(p.numel() for p in model.parameters()) == 240 + 8 + 2 * 72 + 16
    assert result.trainable == result.parameters - 8
    assert result.flops == 2 * (5 * 8 * 17 + 40) + 2 * 40 + 5 * 30 * 16


def test_memory():
    result = summary(Residual(), mg.zeros(5, dtype=mg.int64))
    assert result.parameter_bytes == 4 * (240 + 8 + 144 + 16)
    assert result.buffer_bytes == 4 * 16 + 8
    assert result.input_bytes == 5 * 8
    # embedding, two times Linear and Tanh, norm, head; sums between the layers are not seen
    assert result.activation_bytes == 4 * 5 * (8 + 4 * 8 + 8 + 30)
    assert result.bytes == result.parameter_bytes + result.buffer_bytes + result.input_bytes + result.activation_bytes
    double = summary(Residual().double(), mg.zeros(5, dtype=mg.int64))
    assert double.activation_bytes == 2 * result.activation_bytes


def test_memory_that_layers_share_counts_once():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Unflatten(1, (2, 4)), nn.Identity(), nn.Dropout(0.5))
    assert [row.activation_bytes for row in summary(model, (3, 6)).layers] == [0, 96, 0, 0, 0, 0]

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(6, 6)

        def forward(self, x):
            return x + self.part(x)

    assert [row.activation_bytes for row in summary(Sum(), (3, 6)).layers] == [72, 72]


def test_several_outputs_and_repeated_calls():
    result = summary(nn.LSTM(3, 5), (7, 2, 3))
    assert result.layers[0].output == ((7, 2, 5), (1, 2, 5), (1, 2, 5))
    assert "(7, 2, 5), ..." in str(result)
    tanh = nn.Tanh()
    result = summary(nn.Sequential(nn.Linear(4, 4), tanh, nn.Linear(4, 4), tanh), (2, 4))
    assert [(row.name, row.calls, row.flops) for row in result.layers[1:]] == [("0", 1, 72), ("1", 2, 16), ("2", 1, 72)]
    assert "(2, 4) x 2" in str(result)


def test_depth_folds_what_is_deeper():
    full = summary(Residual(), (5,), dtype=mg.int64)
    for depth, names in ((0, ["(model)"]), (1, ["(model)", "embedding", "blocks", "norm", "head"])):
        short = summary(Residual(), (5,), dtype=mg.int64, depth=depth)
        assert [row.name for row in short.layers] == names
        for count in ("parameters", "trainable", "flops", "activation_bytes", "bytes"):
            assert getattr(short, count) == getattr(full, count)
    assert short.layers[2].parameters == 144
    with pytest.raises(ValueError, match="depth of 0 or more, got -1"):
        summary(Residual(), (5,), dtype=mg.int64, depth=-1)


def test_the_table_is_aligned_and_has_the_numbers():
    result = summary(Residual(), (5,), dtype=mg.int64)
    lines = str(result).split("\n")
    header, line, *rows, second, total, memory = lines
    assert line == second and set(line) == {"-"}
    assert header.split() == ["layer", "kind", "output", "parameters", "trainable", "FLOPs", "activations"]
    assert len({len(row) for row in (line, total, *rows)}) == 1
    for name in ("parameters", "trainable", "FLOPs"):
        end = header.index(name) + len(name)
        assert all(row[end - 1].isdigit() and row[end : end + 1] == " " for row in (*rows, total))
    assert f"{result.parameters:,}" in total and f"{result.flops:,}" in total
    assert memory.startswith("memory: ") and "1.6 KiB parameters" in memory and "72 B buffers" in memory


def test_large_numbers_are_readable():
    result = summary(nn.Linear(2000, 1500, bias=False), (1000, 2000))
    assert "3,000,000" in str(result) and "6,000,000,000" in str(result) and "5.7 MiB activations" in str(result)


def test_leaves_of_unknown_kinds_are_named_and_can_be_counted():
    class Scale(nn.Module):
        def forward(self, x):
            return x * 2

    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    model = nn.Sequential(nn.Linear(4, 4), Scale(), Doubled(4, 4))
    result = summary(model, (2, 4))
    assert result.uncounted == ["1 (Scale)", "2 (Doubled)"]
    assert str(result).endswith("FLOPs not counted: 1 (Scale), 2 (Doubled)")
    result = summary(model, (2, 4), flops={Scale: lambda layer, inputs, y: inputs[0].numel(), Doubled: lambda *_: 100})
    assert result.uncounted == [] and [row.flops for row in result.layers] == [0, 72, 8, 100]


def test_inputs():
    two = nn.CosineSimilarity()
    assert summary(two, [(3, 4), (3, 4)]).layers[0].output == (3,)
    assert summary(two, (mg.ones(3, 4), (3, 4))).input_bytes == 2 * 48
    assert summary(nn.Linear(4, 2).double(), (3, 4)).input_bytes == 96  # a shape takes the dtype of the parameters
    assert summary(nn.Tanh(), mg.zeros(3)).layers[0].output == (3,)
    for wrong in (None, (), "ab", [(3, 4), None], (-1, 4)):
        with pytest.raises(TypeError, match="summary: expected"):
            summary(two, wrong)
    with pytest.raises(TypeError, match="expected model to be a Module"):
        summary(F.relu, (3, 4))


# ------------------------------------------------------------------------------------------------ nothing else changes


def state(model):
    return {name: np.array(to_numpy(tensor.array)) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_random_stream_stay(training):
    model = nn.Sequential(
        nn.Embedding(10, 4, max_norm=0.1), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.RunningBatchNorm(4)
    ).train(training)
    model[2].eval()
    model[1].weight.grad = mg.ones(4, 4)
    before, modes, stream = state(model), [m.training for m in model.modules()], mg.get_rng_state()
    summary(model, mg.randint(0, 10, (6,), generator=mg.Generator()))
    np.testing.assert_array_equal(mg.get_rng_state(), stream)
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks for m in model.modules())
    for name, array in state(model).items():
        np.testing.assert_array_equal(array, before[name], name)
    assert model[1].weight.grad.sum().item() == 16 and model[1].weight.requires_grad


def test_after_an_exception_the_hooks_are_gone():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(5, 3))
    before = state(model)
    with pytest.raises(RuntimeError, match="linear"):
        summary(model, (2, 4))
    assert all(m.training and not m._forward_hooks for m in model.modules()) and mg.is_grad_enabled()
    for name, array in state(model).items():
        np.testing.assert_array_equal(array, before[name])
