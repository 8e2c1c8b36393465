"""Tensors print as PyTorch printed them and, where it is installed, as it prints what hypothesis finds."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.make_printing import CASES, OPTIONS, leaf, printed, single

import minigrad as mg
from minigrad.printing import get_printoptions, printoptions

STORED = json.loads((Path(__file__).parent / "reference" / "printing.json").read_text())


@pytest.fixture(autouse=True)
def default_options():
    yield
    mg.set_printoptions(profile="default")


# -------------------------------------------------------------------------------------------- against PyTorch


@pytest.mark.parametrize("name", [*CASES, *OPTIONS])
def test_prints_what_torch_printed(name):
    assert printed(mg, name).replace(f"device={mg.zeros(1).device}", "device=cpu").split("\n") == STORED[name]


FLOATS = {dtype: hnp.from_dtype(np.dtype(dtype)) for dtype in ("float16", "float32", "float64")}
MODEST = st.floats(-1000, 1000, width=32)  # most tensors that people look at
KINDS = [*FLOATS, "int8", "int16", "int32", "int64", "uint8", "bool"]


@st.composite
def arrays(draw):
    """Arrays of any dtype, size and magnitude, mostly alike: one odd number decides on the format of all."""
    dtype = np.dtype(draw(st.sampled_from(KINDS)))
    small = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9)
    shape = draw(st.one_of(small, st.tuples(st.integers(900, 1200))))
    elements = None
    if dtype.kind == "f":
        scale = 10.0 ** draw(st.integers(-6, 1))
        modest = MODEST.map(lambda x: dtype.type(x * scale))
        elements = draw(st.sampled_from([modest, modest.map(np.round), FLOATS[dtype.name]]))
    return draw(hnp.arrays(dtype, shape, elements=elements))


CHANGES = st.fixed_dictionaries({}, optional={
    "precision": st.integers(0, 8), "threshold": st.sampled_from([0, 5, 100, math.inf]),
    "edgeitems": st.integers(0, 5), "linewidth": st.integers(1, 200),
    "sci_mode": st.sampled_from([None, True, False]),
    "profile": st.sampled_from(["default", "short", "full"]),
})  # fmt: skip


@given(arrays(), CHANGES, st.sampled_from(["constant", "leaf", "result"]))
@settings(max_examples=120)
def test_prints_as_torch(array, changes, role):
    torch = pytest.importorskip("torch")
    texts = []
    for library in (torch, mg):
        library.set_printoptions(profile="default")
        library.set_printoptions(**changes)
        tensor = library.from_numpy(array.copy())
        if role != "constant" and array.dtype.kind == "f":
            tensor.requires_grad_()
            tensor = tensor * 1 if role == "result" else tensor
        texts.append(repr(tensor).replace("torch.", "minigrad."))
        library.set_printoptions(profile="default")
    if "dtype=" in texts[0]:  # that name is longer here, what follows may go to the next line
        texts = [re.sub(r",\s+(?=size|dtype|grad_fn|requires_grad)", ", ", text) for text in texts]
    assert texts[1] == texts[0]


NAMES = (
    "x + x; x - x; x * x; x / 2; -x; x**2; x**0.5; x**x; x.abs(); x.exp(); x.log(); x.tanh(); x.sigmoid(); "
    "x.relu(); x.sqrt(); x.square(); x.sin(); x.clamp(0, 1); x.clone(); x.T.contiguous(); x.double(); "
    "x.sum(); x.sum(1); x.mean(); x.mean(0, keepdim=True); x.std(); x.var(0); x.max(); x.min(); x.amax(1); "
    "x.logsumexp(1); x.softmax(1); x.log_softmax(1); x @ w; x.mm(w); x[0]; x[0, 1]; x[:, 0]; x[0:1]; x[:]; "
    "x[...]; x[1:, 0]; x[0, 1:]; x[None]; x[:, None]; x[i]; x[i, i]; x[:, i]; x[x > 2]; x.view(-1); "
    "x.reshape(3, 2); x.flatten(); x.T; cube.transpose(1, 2); cube.permute(1, 2, 0); x.expand(2, 2, 3); "
    "m.cat([x, x]); m.stack([x, x]); x.split(1)[0]; x.unbind()[0]; x.tril(); x.cumsum(0); x.flip(0); "
    "m.where(x > 1, x, 0); m.maximum(x, x); m.nn.functional.linear(x, w.T, v); "
    "m.nn.functional.linear(x, w.T); m.nn.functional.cross_entropy(x, i); m.nn.functional.gelu(x); "
    "m.nn.functional.layer_norm(x, (3,)); m.nn.functional.leaky_relu(x); m.nn.functional.dropout(x); "
    "x.norm(); x.clone().add_(1); x.clone().mul_(2)"
).split(";")  # fmt: skip


def name_of(m, expression):
    x = leaf(m, 2, 3) + 2
    return eval(expression, {
        "m": m, "x": x, "w": leaf(m, 3, 3), "v": leaf(m, 3), "cube": leaf(m, 2, 3, 2), "i": m.tensor([0, 1]),
    }).grad_fn.name()  # fmt: skip


@pytest.mark.parametrize("expression", [expression.strip() for expression in NAMES])
def test_grad_fn_has_the_name_that_torch_gives(expression):
    torch = pytest.importorskip("torch")
    assert name_of(mg, expression) == name_of(torch, expression)


# -------------------------------------------------------------------------------------------- without PyTorch


def test_the_parts_of_a_text():
    x = mg.tensor([[1.0, 0.25], [3.0, 4.5]], requires_grad=True)
    assert repr(x * 1) == "tensor([[1.0000, 0.2500],\n        [3.0000, 4.5000]], grad_fn=<MulBackward0>)"
    assert repr(x.detach().int()) == "tensor([[1, 0],\n        [3, 4]], dtype=minigrad.int32)"
    assert (
        repr(mg.nn.Parameter(x[0].detach()))
        == "Parameter containing:\ntensor([1.0000, 0.2500], requires_grad=True)"
    )
    assert repr(x.shape) == "minigrad.Size([2, 2])"


def test_grad_fn_prints_its_name():
    x = mg.ones(3, requires_grad=True)
    assert re.fullmatch(r"<MulBackward0 object at 0x[0-9a-f]+>", repr((x * 2).grad_fn))
    assert (x * 2).grad_fn.next_functions[0][0].name() == "AccumulateGrad"


def test_a_name_survives_backward():
    x = mg.ones(2, 3, requires_grad=True)
    y = x[0].sum()
    y.backward()
    assert repr(y) == "tensor(3., grad_fn=<SumBackward0>)"


def test_a_subclass_prints_its_own_name():
    class Image(mg.Tensor):
        pass

    assert repr(Image([0.5, 1.0])) == "Image([0.5000, 1.0000])"


def test_a_number_formats_as_a_python_number():
    x = mg.tensor(3.14159, requires_grad=True)
    assert (f"{x:.2f}", f"{x:>8.3f}", f"{mg.tensor(7):03d}") == ("3.14", "   3.142", "007")
    assert (f"{mg.tensor(2.5)}", f"{mg.tensor(True)}", f"{mg.tensor([2.5])}") == (
        "2.5",
        "True",
        "tensor([2.5000])",
    )
    assert f"{mg.nn.Parameter(mg.tensor(2.5))}" == "Parameter containing:\ntensor(2.5000, requires_grad=True)"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{mg.tensor([1.0]):.2f}"


def test_printing_changes_nothing():
    x = leaf(mg, 2, 3)
    y = x * 2
    repr(y), repr(x)
    assert x._version == 0 and x.grad is None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2)


def test_a_large_tensor_is_not_converted_as_a_whole():
    x = mg.zeros(1).expand(10**12)  # there would be no memory for that
    assert repr(x) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"


def test_the_default_dtype_is_not_shown():
    x = mg.tensor([0.5], dtype=mg.float64)
    try:
        mg.set_default_dtype(mg.float64)
        assert repr(x) == "tensor([0.5000])"
        assert repr(x.float()) == "tensor([0.5000], dtype=minigrad.float32)"
    finally:
        mg.set_default_dtype(mg.float32)
    assert repr(x) == "tensor([0.5000], dtype=minigrad.float64)"


# ---------------------------------------------------------------------------------------------------- options


def test_printoptions_last_for_a_block():
    x, before = single(mg, 3), get_printoptions()
    with pytest.raises(ZeroDivisionError), printoptions(precision=1, sci_mode=True):
        assert get_printoptions() == before | {"precision": 1, "sci_mode": True}
        assert "e" in repr(x).removeprefix("tensor")
        raise ZeroDivisionError
    assert get_printoptions() == before


def test_sci_mode_is_automatic_again_with_the_next_options():
    mg.set_printoptions(sci_mode=True)
    mg.set_printoptions(precision=2)
    assert repr(mg.tensor([0.5])) == "tensor([0.50])"


def test_an_unknown_profile_is_an_error():
    with pytest.raises(
        ValueError, match="set_printoptions: expected a profile of.*'default', 'short', 'full'.*got 'tall'"
    ):
        mg.set_printoptions(profile="tall")
