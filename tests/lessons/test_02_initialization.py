"""Lesson 02 runs from any folder and prints the published figures; its answers run."""

import math
import re

import pytest
from running import check_cells, check_figures, check_published, needs_mnist, offline, published_data, run

NAME = "02_initialization"
PREFIXES = ["mnist.", "init.", "sqrt5."]
KEEP = ["exploding", "vanishing", "steady", "stacks", "results"]


def test_quick_run_with_drawn_digits(stand_in):
    assert stand_in.output.count("note: these are the stand-in digits, so figures will differ") == 1
    assert stand_in.rows["mnist.stats"].verdict == "other data"
    assert all(row.verdict != "DIFFERS" for row in stand_in.rows.values())
    check_figures(stand_in, count=7)


def test_a_hundred_products_explode_vanish_or_keep_their_scale(stand_in):
    exploding, vanishing, steady = (stand_in.kept[name] for name in KEEP[:3])
    assert len(exploding) == len(vanishing) == len(steady) == 100
    first = next(i for i, width in enumerate(exploding) if not math.isfinite(width))
    assert [float(first)] == stand_in.rows["init.explodes"].here
    assert exploding[1] / exploding[0] == pytest.approx(math.sqrt(512), rel=0.2)
    assert vanishing[10] == pytest.approx(exploding[10] * 0.01**11, rel=1e-4)  # the same random matrices
    assert vanishing[-1] == 0 and all(0.2 < width < 5 for width in steady)


def test_the_gain_of_relu_keeps_the_mean_square(stand_in):
    stacks = stand_in.kept["stacks"]
    assert [len(squares) for squares in stacks.values()] == [50, 50, 50]
    for name, factor in (("1", 0.5), ("√2", 1.0), ("2", 2.0)):
        assert (stacks[name][-1] / stacks[name][0]) ** (1 / 49) == pytest.approx(factor, rel=0.05)


def test_conv_net_under_each_gain(stand_in):
    results = stand_in.kept["results"]
    assert list(results) == ["as it comes", "gain 1/√3", "gain 1", "gain √2"]
    for column in (3, 4, 5):  # the last layer, the output, the gradient of the first layer
        values = [row[column] for row in results.values()]
        assert values[1] == pytest.approx(values[0], rel=0.6)  # the same gain, with and without biases
        assert max(values[:2]) < values[2] / 2 < values[3]
        assert values[3] > 1.5 * values[2]
    for name in results:  # and these are the numbers of the printed table
        printed = re.search(rf"^{re.escape(name)} +([\d. ]+)$", stand_in.output, re.M)[1]
        assert [float(word) for word in printed.split()] == pytest.approx(results[name], abs=6e-5)


@needs_mnist
@pytest.mark.parametrize("options", [["--quick"], pytest.param([], marks=pytest.mark.slow)])
def test_published_figures(tmp_path, options):
    result = run(NAME, tmp_path, published_data(), *options)
    assert len(check_published(result, PREFIXES)) == 7
    assert "stand-in" not in result.output


def test_another_seed_or_number_of_draws_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "40", "--seed", "7")
    assert "DIFFERS" not in result.output and "40 draws each, generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick", keep=["gains"])
    check_figures(result, count=3)
    assert result.kept["gains"]["ReLU"] == pytest.approx(math.sqrt(2), abs=0.01)


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name, shows=[r"\bstats\("])
