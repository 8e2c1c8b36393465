"""Convolutions: PyTorch's values, both derivatives, starting weights, text and errors, for any layout, block and thread."""

import runpy

import numpy as np
import pytest
from families import REFERENCE, Family
from gradients import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import array_of, assert_same, derivatives, numbers

import minigrad as mg
from minigrad import cpu
from minigrad.backend import on_gpu
from minigrad.nn import functional as F
from minigrad.ops import lowering

LAYERS = runpy.run_path(str(REFERENCE / "make_conv.py"))["LAYERS"]


class TestConv(Family):
    family = "conv"


# ----------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("name", LAYERS)
def test_text_and_names(name):
    make, text = LAYERS[name]
    layer = make(mg.nn)
    assert repr(layer) == text
    if "weight" in layer.state_dict():
        assert list(layer.state_dict()) == ["weight", "bias"][: 1 + (layer.bias is not None)]


@pytest.mark.parametrize("name", LAYERS)
def test_text_and_state_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    make, text = LAYERS[name]
    assert repr(make(torch.nn)) == text
    mg.manual_seed(3)
    torch.manual_seed(3)
    ours, theirs = make(mg.nn).state_dict(), make(torch.nn).state_dict()
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        np.testing.assert_array_equal(array_of(ours[key]), array_of(value))


def test_state_can_be_loaded():
    first, second = mg.nn.Conv2d(2, 3, 3), mg.nn.Conv2d(2, 3, 3)
    second.load_state_dict(first.state_dict())
    x = mg.randn(2, 2, 5, 5)
    np.testing.assert_array_equal(first(x).detach().numpy(), second(x).detach().numpy())


# ----------------------------------------------------------------------------------------------- any geometry


@st.composite
def geometries(draw):
    """(images, weights, bias, options of conv2d) of a convolution with at least one output."""
    whole = st.integers(1, 3)
    groups, n = draw(whole), draw(st.sampled_from([1, 2, 9, 130]))
    options, space = {"stride": [], "padding": [], "dilation": []}, []
    kernel = draw(whole), draw(whole)
    for k in kernel:
        stride, padding, dilation = draw(whole), draw(st.integers(0, 3)), draw(whole)
        reach = dilation * (k - 1) + 1
        space.append(draw(st.integers(max(1, reach - 2 * padding), reach + 5)))
        for name, value in zip(options, (stride, padding, dilation)):
            options[name].append(value)
    options = {name: tuple(values) for name, values in options.items()} | {"groups": groups}
    channels, outputs = draw(whole), groups * draw(whole)
    x, w = numbers(n, groups * channels, *space), numbers(outputs, channels, *kernel, seed=1)
    return x, w, numbers(outputs), options


@settings(max_examples=60)
@given(geometries())
def test_any_geometry_is_that_of_torch(geometry):
    torch = pytest.importorskip("torch")
    *arrays, options = geometry
    case = (lambda m, *tensors: m.nn.functional.conv2d(*tensors, **options)), arrays
    assert_same(derivatives(mg, *case), derivatives(torch, *case))


@settings(max_examples=60)
@given(geometries())
def test_a_transposed_convolution_is_the_transpose(geometry):
    """<conv(x), z> = <x, conv_transpose(z)> for every x and z, with the output padding that restores the size of x."""
    x, w, _, options = geometry
    y = F.conv2d(mg.tensor(x), mg.tensor(w), **options)
    z = mg.tensor(numbers(*y.shape, seed=5))
    space = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, s, p, d, k in zip(
            y.shape[2:], options["stride"], options["padding"], options["dilation"], w.shape[2:]
        )
    ]
    extra = [n - least for n, least in zip(x.shape[2:], space)]
    back = F.conv_transpose2d(z, mg.tensor(w), output_padding=extra, **options) if min(extra) >= 0 else None
    if back is not None and min(back.shape) > 0:
        assert back.shape == x.shape
        np.testing.assert_allclose((y * z).sum().item(), (back * mg.tensor(x)).sum().item(), 1e-10, 1e-9)


@settings(max_examples=8)
@given(geometries())
def test_any_geometry_has_the_derivatives_of_differences(geometry):
    x, w, b, options = geometry
    check_gradients(lambda x, w, b: F.conv2d(x, w, b, **options), x[:9], w, b)


# ----------------------------------------------------------------------------------------- how it is computed


ORDERS = {
    "images first": lambda x: np.array(x, order="C"),
    "images last": lambda x: np.moveaxis(np.array(np.moveaxis(x, 0, -1), order="C"), -1, 0),
    "channels last": lambda x: np.moveaxis(np.array(np.moveaxis(x, 1, -1), order="C"), -1, 1),
    "reversed": lambda x: np.array(x[..., ::-1, ::-1], order="C")[..., ::-1, ::-1],
    "every second": lambda x: np.repeat(x, 2, 0)[::2],
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("n", [3, 40, 130])
def test_any_order_of_memory(name, n):
    x, w = numbers(n, 4, 6, 5), numbers(6, 2, 3, 2)

    def results(order):
        a = mg.from_numpy(ORDERS[order](x)).requires_grad_()
        b = mg.tensor(w, requires_grad=True)
        y = F.conv2d(a, b, stride=(2, 1), padding=1, groups=2)
        g = mg.from_numpy(ORDERS[order](numbers(*y.shape)))
        return [t.detach().numpy() for t in (y, *mg.autograd.grad(y, [a, b], [g]))]

    before = x.copy()
    for ours, theirs in zip(results(name), results("images first")):
        np.testing.assert_allclose(ours, theirs, 1e-12, 1e-12)
    np.testing.assert_array_equal(x, before)


def test_an_image_that_is_repeated_without_memory():
    x, w = numbers(1, 4, 6, 5), mg.tensor(numbers(6, 4, 3, 2))
    for n in (3, 40, 130):
        y = F.conv2d(mg.tensor(x).expand(n, 4, 6, 5), w)
        np.testing.assert_allclose(y.numpy(), np.repeat(F.conv2d(mg.tensor(x), w).numpy(), n, 0), 1e-12, 1e-12)


def step(n, groups=1):
    """The output and gradients of a convolution and of a transposed one."""
    x, w = (
        mg.tensor(numbers(n, 4, 9, 8), requires_grad=True),
        mg.tensor(numbers(4, 4 // groups, 3, 3), requires_grad=True),
    )
    y = F.conv2d(x, w, stride=2, padding=1, groups=groups)
    z = F.conv_transpose2d(y, w, stride=2, groups=groups)
    return [t.detach().numpy() for t in (y, z, *mg.autograd.grad([z], [x, w], [z.detach()]))]


@pytest.mark.parametrize("n", [5, 40, 150])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 5000, 1 << 24])
def test_blocks_and_threads_change_no_result(n, threads, size, monkeypatch):
    expected = step(n, 2)
    before = mg.get_num_threads()
    monkeypatch.setattr(lowering, "BLOCK_BYTES", size)
    lowering.blocks_of.cache_clear()
    mg.set_num_threads(threads)
    try:
        assert mg.get_num_threads() == threads
        for ours, theirs in zip(step(n, 2), expected):
            np.testing.assert_allclose(ours, theirs, 1e-12, 1e-12)
    finally:
        mg.set_num_threads(before)
        lowering.blocks_of.cache_clear()


@pytest.mark.parametrize("n", [9, 40, 300])
def test_an_image_is_convolved_alike_alone_and_among_many(n):
    x, w = mg.tensor(numbers(n, 3, 7, 6)), mg.tensor(numbers(2, 3, 3, 2))
    for function, weights in ((F.conv2d, w), (F.conv_transpose2d, w.swapaxes(0, 1))):
        together = function(x, weights, stride=2, padding=1).numpy()
        for i in (0, n // 2, n - 1):
            np.testing.assert_allclose(function(x[i], weights, stride=2, padding=1).numpy(), together[i], 1e-12, 1e-12)


def test_an_error_in_another_thread_is_raised():
    def work(items):
        if "bad" in items:
            raise ValueError("from a thread")
        return len(items)

    before = mg.get_num_threads()
    mg.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="from a thread"):
            cpu.in_parallel(work, ["good", "bad"])
        assert cpu.in_parallel(work, ["a", "b", "c"]) == [1, 2]
    finally:
        mg.set_num_threads(before)


@pytest.mark.parametrize(
    "n, error", [(0, RuntimeError), (-1, RuntimeError), (1.5, TypeError), (True, TypeError)]
)
def test_numbers_of_threads_that_are_refused(n, error):
    with pytest.raises(error):
        mg.set_num_threads(n)


def test_float32_stays_float32_and_near_float64():
    x, w, b = numbers(20, 3, 12, 12), numbers(8, 3, 5, 5), numbers(8)
    exact = F.conv2d(*map(mg.tensor, (x, w, b)), stride=2, padding=2)
    y = F.conv2d(*(mg.tensor(a, dtype=mg.float32) for a in (x, w, b)), stride=2, padding=2)
    assert y.dtype == mg.float32
    np.testing.assert_allclose(y.numpy(), exact.numpy(), 1e-5, 1e-4)


@pytest.mark.skipif(on_gpu, reason="CuPy's elementwise results are in C order")
def test_every_result_keeps_the_images_last_where_they_are_many():
    """An activation or a sum keeps the order of memory, so that a network rearranges its images once."""
    x = mg.randn(32, 3, 8, 8)
    y = mg.nn.Conv2d(3, 4, 3, padding=1)(x)
    results = {
        "conv": y, "relu": y.relu(), "add": y + 1, "add two": y + y.relu(), "mul": y * y, "tanh": y.tanh(),
        "max_pool2d": F.max_pool2d(y, 2), "avg_pool2d": F.avg_pool2d(y, 2), "pad": F.pad(y, (1, 1, 1, 1)),
        "reflect": F.pad(y, (1, 1, 1, 1), mode="reflect"), "bilinear": F.interpolate(y, size=5, mode="bilinear"),
        "nearest": F.interpolate(y, size=5), "gradient": mg.autograd.grad(y.relu().sum(), [y])[0],
        "gradient of pooling": mg.autograd.grad(F.adaptive_avg_pool2d(y.relu(), 1).sum(), [y])[0],
    }  # fmt: skip
    for name, tensor in results.items():
        assert tensor.detach().numpy().strides[0] == 4, name


@pytest.mark.parametrize("n", [2, 40])
def test_results_can_be_viewed_and_changed_like_any_tensor(n):
    x, w = mg.randn(n, 1, 6, 6), mg.randn(2, 1, 3, 3)
    y = F.conv2d(x, w)
    expected = y.numpy().reshape(n, -1)
    np.testing.assert_array_equal(y.view(n, -1).numpy(), expected)
    np.testing.assert_array_equal(y.flatten(1).numpy(), expected)
    flat = y.view(-1)
    np.testing.assert_array_equal(flat.numpy(), expected.reshape(-1))
    flat.zero_()
    assert (y == 0).all()


@pytest.mark.parametrize("n", [2, 40])
def test_gradients_come_back_through_a_view(n):
    x, w = mg.randn(n, 1, 6, 6).requires_grad_(), mg.randn(2, 1, 3, 3).requires_grad_()
    weights = mg.randn(n * 32)
    gradients = []
    for shape in ((n, -1), (-1,)):
        y = F.conv2d(x, w).relu()
        loss = (y.view(*shape).reshape(-1) * weights).sum()
        gradients.append([g.numpy() for g in mg.autograd.grad(loss, [x, w])])
    for first, second in zip(*gradients):
        np.testing.assert_allclose(first, second, 1e-5, 1e-5)


def test_dropout_draws_the_same_zeros_for_any_order_of_memory():
    y = F.conv2d(mg.randn(40, 1, 6, 6), mg.randn(2, 1, 3, 3))
    mg.manual_seed(1)
    ours = F.dropout(y, 0.5)
    mg.manual_seed(1)
    np.testing.assert_array_equal(ours.numpy(), F.dropout(y.contiguous(), 0.5).numpy())
    if not on_gpu:  # CuPy's results are in C order
        assert ours.numpy().strides == y.numpy().strides


@pytest.mark.parametrize("n", [2, 20])
def test_without_channels_only_the_bias_is_left(n):
    x, w = mg.zeros(n, 0, 5, 6, requires_grad=True), mg.zeros(3, 0, 3, 2, requires_grad=True)
    y = F.conv2d(x, w, mg.tensor([1.0, 2.0, 3.0]))
    assert y.shape == (n, 3, 3, 5)
    np.testing.assert_array_equal(
        y.detach().numpy(), np.broadcast_to(np.array([1, 2, 3]).reshape(3, 1, 1), y.shape)
    )
    y.sum().backward()
    assert x.grad.shape == x.shape and w.grad.shape == w.shape


def test_a_change_of_the_weights_in_place_is_noticed():
    x, w = mg.randn(2, 1, 4, 4).requires_grad_(), mg.randn(1, 1, 2, 2).requires_grad_()
    y = F.conv2d(x, w)
    with mg.no_grad():
        w.zero_()
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


def test_a_network_learns_to_tell_stripes():
    generator = np.random.default_rng(0)
    images = generator.standard_normal((64, 1, 8, 8)).astype("float32") * 0.3
    labels = np.arange(64) % 2
    images[labels == 0, :, ::2] += 1
    images[labels == 1, :, :, ::2] += 1
    x, y = mg.tensor(images), mg.tensor(labels)
    nn = mg.nn
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    optimizer = mg.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(60):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert (model(x).argmax(1) == y).all()
