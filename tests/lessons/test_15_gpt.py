"""Lesson 15 runs from any folder; its attention is the library's, and it learns from a text of the reader's."""

import re

import pytest
from running import check_cells, check_figures, check_published, needs_names, offline, published_data, run

NAME = "15_gpt"
KEEP = ["losses", "final", "differences", "names", "samples", "quoted", "without", "with_dropout", "ladder"]


def test_quick_run_with_the_stand_in_names(stand_in):
    assert stand_in.output.count("note: these are the stand-in names, so figures will differ") == 1
    assert stand_in.rows["names.split"].verdict == "other data"
    assert "DIFFERS" not in stand_in.output
    assert len(stand_in.kept["names"]) == 20 and len(stand_in.kept["ladder"]) == 8


def test_attention_by_hand_is_the_librarys(stand_in):
    assert max(stand_in.kept["differences"]) < 1e-5
    assert re.search(r"largest difference of the gradients: \d\.\de-0[5-9]", stand_in.output)


def test_no_place_sees_the_future(stand_in):
    assert "largest change of the logits at each place: 0.0 0.0 0.0 0.0 1" in stand_in.output


def test_layer_norm_forgives_a_bad_start(stand_in):
    losses = stand_in.kept["losses"]
    assert losses["weights * 3"][0] > 100 and losses["weights * 3, layer norm"][0] < 5


def test_samples_of_the_text_use_its_characters(stand_in):
    tale = re.search(r"(\d+) characters, (\d+) different ones", stand_in.output)
    assert int(tale[1]) > 2500
    for name, sample in stand_in.kept["samples"].items():
        assert len(sample) == 240 and stand_in.kept["quoted"][name] in sample


def test_figures_are_where_the_output_says(stand_in):
    check_figures(stand_in, count=4)


def test_a_text_of_the_readers_own(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich\n" * 20, encoding="utf-8")
    chosen = offline(tmp_path) | {"MINIGRAD_TEXT": str(path)}
    result = run(NAME, tmp_path, chosen, "--steps", "8", "--seed", "7", keep=KEEP)
    assert f"seed 7, text: {path}" in result.output and "1140 characters" in result.output
    assert set(result.kept["samples"]["no dropout"]) <= set(path.read_text(encoding="utf-8"))
    assert "DIFFERS" not in result.output


@needs_names
def test_quick_run_counts_the_symbols_as_published(real):
    assert check_published(real, ["names.split"]) == ["names.split"]
    assert "stand-in" not in real.output


@pytest.mark.slow
@needs_names
def test_full_run_shows_what_each_piece_is_worth(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=KEEP)
    dev = {name: loss for name, (_, loss) in result.kept["final"].items()}
    assert dev["letter alone"] == pytest.approx(2.45, abs=0.03)  # a bigram model
    assert dev["letter alone"] > dev["one head"] > dev["places"] > dev["four heads"] > dev["MLP"] > dev["skips"]
    assert dev["four blocks"] > dev["MLP"] + 0.1
    assert dev["the whole, wider"] < 2.03
    without, with_dropout = ([row[2] for row in result.kept[name]] for name in ("without", "with_dropout"))
    assert without[-1] > min(without) + 0.05  # learned by heart
    assert with_dropout[-1] < without[-1] - 0.05


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    assert "largest difference of the logits" in result.output
    check_figures(result, count=2)


def test_cells_are_short_and_show_something():
    check_cells(NAME)
    check_cells(f"answers/{NAME}")
