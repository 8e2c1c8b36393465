"""Lesson 11 runs from any folder, prints the published tables, and its diagnoses are those of the illness given."""

import re

import pytest
from running import check_cells, check_figures, check_published, needs_names, offline, published_data, run

NAME = "11_diagnostics"
PREFIXES = ["deep.", "stats.linear"]
FROM_FULL_RUNS = ["deep.bn.gain5/3.act"]
KEEP = ["lines", "names", "final"]
SETTINGS = {  # title: kind of the layers in its tables
    "tanh, gain 5/3": "Tanh",
    "tanh, gain 1": "Tanh",
    "tanh, gain 3": "Tanh",
    "tanh, gain 0.5": "Tanh",
    "linear, gain 5/3": "Linear",
    "linear, gain 0.5": "Linear",
    "linear, gain 1": "Linear",
    "tanh, learning rate 0.001": "Tanh",
    "tanh, no fan-in": "Tanh",
    "batch norm, gain 5/3": "Tanh",
    "batch norm, gain 0.2": "Tanh",
    "batch norm, gain 5": "Tanh",
    "batch norm, no fan-in": "Tanh",
    "batch norm, learning rate 1": "Tanh",
    "batch norm, no biases": "Tanh",
}


def section(output, title):
    """What was printed about one network, from its first line to the end of the verdict."""
    found = re.search(rf"^{re.escape(title)}: first loss .*?^judged: [^\n]*", output, re.M | re.S)
    assert found, f"nothing is printed about {title}"
    return found[0]


def assert_tables(output):
    """Three tables and a verdict for every network."""
    number = r"[-+]?(?:\d+\.\d+|nan|inf)(?:e[-+]\d+)?"
    for title, kind in SETTINGS.items():
        text = section(output, title)
        layer = rf"^layer \d+ \({kind:>10}\): mean {number}, std {number}"
        assert len(re.findall(rf"{layer}, saturated: {number}%$", text, re.M)) == 5, title
        assert len(re.findall(rf"{layer}$", text, re.M)) == 5, title
        weight = rf"^weight +\(\d+, \d+\) \| mean {number} \| std {number} \| grad:data ratio {number}$"
        assert len(re.findall(weight, text, re.M)) == 7, title
        assert re.search(r"^(nothing wrong found|\d+ findings?)$", text, re.M), title


def verdict(output, title):
    """The headlines of the findings on one network."""
    return re.findall(r"^\d+\. (.+)$", section(output, title), re.M)


def assert_diagnoses(output):
    assert "saturated activations" in verdict(output, "tanh, gain 3")
    assert {"vanishing activations", "vanishing gradients"} <= set(verdict(output, "tanh, gain 0.5"))
    assert "loss is not finite" in verdict(output, "linear, gain 5/3")
    assert "vanishing gradients" in verdict(output, "linear, gain 0.5")
    assert "updates too small" in verdict(output, "tanh, learning rate 0.001")
    assert {"exploding gradients", "saturated activations"} <= set(verdict(output, "tanh, no fan-in"))
    assert "updates too large" in verdict(output, "batch norm, gain 0.2")
    assert "updates too small" in verdict(output, "batch norm, no fan-in")
    for title in ("tanh, gain 5/3", "batch norm, gain 5/3", "batch norm, no biases"):
        grave = ("saturated", "vanishing", "exploding", "dead", "loss", "small")
        assert not [found for found in verdict(output, title) if any(word in found for word in grave)], title


def assert_batch_norm_forgives(lines):
    """Width, saturation and growth of the gradient do not depend on the gain; updates do."""
    rows = [line for title, line in lines.items() if "batch norm" in title]
    for column in (0, 1, 2):
        values = [row[column] for row in rows]
        assert max(values) == pytest.approx(min(values), rel=0.02)
    updates = {title: line[3] for title, line in lines.items()}
    assert updates["batch norm, gain 0.2"] > updates["batch norm, gain 5/3"] > updates["batch norm, gain 5"]


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in names, so figures will differ") == 1
    assert stand_in.rows["deep.tanh.gain5/3.act"].verdict == "other data"
    assert stand_in.rows["stats.linear"].verdict == "within 2e-05"  # random numbers only
    assert stand_in.rows["deep.bn.gain5/3.act"].verdict == "needs the full run"
    assert "DIFFERS" not in stand_in.output
    assert list(stand_in.kept["lines"]) == list(SETTINGS)
    assert len(stand_in.kept["names"]) == 20
    assert "evaluation mode: a, b, c" in stand_in.output and "nan nan nan" in stand_in.output


def test_every_network_has_its_tables_and_its_verdict(stand_in):
    assert_tables(stand_in.output)
    assert_diagnoses(stand_in.output)
    assert_batch_norm_forgives(stand_in.kept["lines"])


def test_figures_are_where_the_output_says(stand_in):
    check_figures(stand_in, count=18)


@needs_names
def test_quick_run_prints_the_published_tables(real):
    checked = check_published(real, PREFIXES, unfinished=FROM_FULL_RUNS)
    assert len(checked) == 11
    assert "stand-in" not in real.output
    assert_tables(real.output)
    assert_diagnoses(real.output)


@pytest.mark.slow
@needs_names
def test_full_run_reproduces_every_published_figure(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    check_published(result, PREFIXES)
    check_figures(result, count=18)
    assert_diagnoses(result.output)
    assert_batch_norm_forgives(result.kept["lines"])
    losses = {title: line[4] for title, line in result.kept["lines"].items()}
    assert losses["tanh, gain 5/3"] == min(loss for loss in losses.values() if loss == loss)
    assert result.kept["final"][1] < 2.2


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "30", "--seed", "7", keep=KEEP)
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    check_figures(result, count=3)
    widths = re.findall(r"^gain ([\d.]+): width last/first +([\d.]+), gradient first/last +([\d.]+)", result.output, re.M)
    widths = {float(gain): (float(width), float(growth)) for gain, width, growth in widths}
    assert max(widths[0.5]) < 0.1 < 0.5 < min(widths[1.41]) <= max(widths[1.41]) < 2 < 5 < min(widths[2.5])
    assert "update:data of the first step: -3.00 -3.00 -3.00" in result.output


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name, shows=[r"study\("])
