"""The statistics against closed forms and second computations."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnostics import dead, gini, grad_data_ratio, near_zero, saturated, update_data_ratio
from minigrad.diagnostics.statistics import moments, sample, std


def test_saturated_is_the_share_beyond_the_threshold():
    t = mg.tensor([[-1.0, -0.98, 0.0], [0.97, 0.5, 0.9701]])
    assert saturated(t) == 3 / 6
    assert saturated(t, threshold=0.99) == 1 / 6
    h = mg.randn(1000).tanh()
    assert saturated(h) == pytest.approx(((h.abs() > 0.97).float().mean() * 100).item() / 100)
    assert saturated([0.01, 0.014, 0.5, 0.99], low=0, high=1) == 3 / 4  # sigmoid(x) is (1 + tanh(x / 2)) / 2


def test_sigmoid_is_saturated_where_its_tanh_is():
    x = mg.randn(500) * 4
    assert saturated(x.sigmoid(), low=0.0, high=1.0) == saturated((x / 2).tanh())


def test_near_zero():
    assert near_zero([0, 0.005, -0.009, 0.01, 3]) == 3 / 5
    assert near_zero(mg.tensor([1.0, -2.0, 30.0]), threshold=5) == 2 / 3


def test_dead_counts_units_that_are_never_active():
    relu = mg.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, -1.0]])
    assert dead(relu) == 2 / 4
    assert dead(relu, dim=0) == 0
    tanh = mg.tensor([[0.99, 0.99, -1.0], [-0.98, 0.5, -1.0]])
    assert dead(tanh, threshold=0.97) == 2 / 3
    images = mg.zeros(2, 3, 4, 4)
    images[1, 2, 3, 3] = 0.1
    assert dead(images) == 2 / 3
    assert dead(images, dim=-1) == 3 / 4


def test_gini_closed_forms():
    assert gini([5.0, -5.0, 5.0]) == pytest.approx(0, abs=1e-7)
    assert gini([0, 0, 0, 1]) == pytest.approx(3 / 4)  # (n - 1) / n
    assert gini(mg.arange(1, 11)) == pytest.approx(9 / 30)  # of 1 .. n: (n - 1) / (3n)
    assert gini(mg.zeros(7)) == 0
    assert gini(mg.ones(5) * 1e38) == pytest.approx(0, abs=1e-6)
    x = np.random.randn(200)
    differences = np.abs(np.abs(x)[:, None] - np.abs(x)[None, :]).mean()  # half the relative mean difference
    assert gini(x) == pytest.approx(differences / (2 * np.abs(x).mean()))


def test_gini_leaves_its_input_alone():
    x = mg.tensor([3.0, -1.0, 2.0])
    gini(x)
    assert x.tolist() == [3, -1, 2]


def test_ratios_are_those_of_the_course():
    p, lr = mg.randn(30, 100) * 0.1, 0.1
    grad = mg.randn(30, 100) * 1e-3
    assert grad_data_ratio(grad, p) == pytest.approx((grad.std() / p.data.std()).item(), rel=1e-5)
    expected = ((lr * grad).std() / p.data.std()).log10().item()
    assert update_data_ratio(lr * grad, p) == pytest.approx(expected, rel=1e-5)
    assert grad_data_ratio(grad, mg.ones(30, 100)) == math.inf
    assert update_data_ratio(mg.zeros(5), mg.randn(5)) == -math.inf
    assert math.isnan(update_data_ratio(mg.zeros(5), mg.zeros(5)))


def test_std_is_unbiased_and_exact_far_from_zero():
    x = mg.randn(40, 25)
    assert std(x) == pytest.approx(x.std().item(), rel=1e-6)
    assert std([1e6, 1e6 + 1]) == pytest.approx(math.sqrt(0.5))
    assert math.isnan(std([3.0]))
    assert std(mg.tensor([3e4, -3e4, 3e4], dtype=mg.float16)) == pytest.approx(np.std([3e4, -3e4, 3e4], ddof=1), rel=1e-3)
    assert moments(mg.tensor([1.0, 2.0, 6.0]).array) == (3, 3.0, 14.0)


@pytest.mark.parametrize("function", [saturated, near_zero, gini, std])
def test_nothing_has_no_statistic(function):
    assert math.isnan(function(mg.zeros(0, 4)))


def test_values_that_are_not_finite_give_no_warning():
    x = mg.tensor([1.0, math.inf, math.nan])
    assert math.isnan(std(x)) and saturated(x) == 2 / 3 and near_zero(x) == 0
    gini(x)


@pytest.mark.parametrize("kind", ["tensor", "array", "list", "bool", "int"])
def test_every_kind_of_input(kind):
    x = {"tensor": mg.tensor([0.0, 1.0]), "array": mg.tensor([0.0, 1.0]).array, "list": [0, 1.0],
         "bool": mg.tensor([False, True]), "int": mg.tensor([0, 1])}[kind]  # fmt: skip
    assert saturated(x) == near_zero(x) == 0.5
    assert std(x) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("function", [saturated, near_zero, dead, gini])
def test_what_is_no_number_is_refused(function):
    for wrong in ("text", None, {"a": 1}):
        with pytest.raises(TypeError, match=f"{function.__name__}: expected a tensor"):
            function(wrong)


def test_bad_arguments():
    with pytest.raises(ValueError, match="dead: expected units in dimension 1, got shape"):
        dead([1.0, 2.0])
    with pytest.raises(ValueError, match="low should be less than high"):
        saturated([1.0], low=1, high=0)


def test_a_sample_is_bounded_and_shows_every_unit():
    x = mg.arange(100 * 200).reshape(100, 200).array
    part = sample(x, 1000)
    assert 800 <= part.size <= 1000
    assert len({int(value) % 200 for value in part}) == 200
    assert sample(x, 20000).size == 20000
