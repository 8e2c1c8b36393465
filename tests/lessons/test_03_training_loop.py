"""Lesson 03 runs from any folder, takes PyTorch's steps and reads digits; its answers run."""

import math

import pytest
from running import check_cells, check_figures, check_published, needs_mnist, offline, published_data, run

import minigrad as mg
from minigrad import datasets

NAME = "03_training_loop"
KEEP = ["before", "after", "history", "measured", "predicted", "mean_losses", "speeds"]


def test_quick_run_with_drawn_digits(stand_in):
    assert stand_in.output.count("note: these are the stand-in digits, so figures will differ") == 1
    assert stand_in.rows["mnist.stats"].verdict == "other data"
    assert "200 training steps" in stand_in.output
    check_figures(stand_in, count=7)


def test_training_lowers_the_losses(stand_in):
    kept = stand_in.kept
    (first_loss, first_accuracy), (loss, accuracy) = kept["before"], kept["after"]
    assert abs(first_loss - math.log(10)) < 0.8 and first_accuracy < 0.2
    assert loss < 0.5 and accuracy > 0.8
    training, validation = [row[0] for row in kept["history"]], [row[2] for row in kept["history"]]
    assert len(training) == 8 and training == sorted(training, reverse=True)
    assert validation[-1] < validation[0] and kept["history"][-1][3] > 0.93
    assert kept["mean_losses"][-1] < 0.6 * kept["mean_losses"][0]


def test_noise_of_minibatches_falls_with_the_root_of_their_size(stand_in):
    measured, predicted = stand_in.kept["measured"], stand_in.kept["predicted"]
    assert len(measured) == 6 and measured == pytest.approx(predicted, rel=0.2)
    assert measured[0] / measured[-1] == pytest.approx(32, rel=0.25)


def test_the_loop_takes_the_steps_of_pytorch(stand_in):
    torch = pytest.importorskip("torch")
    digits = datasets.digits(dtype=mg.float32, normalize=True)
    (x, y), (x_valid, y_valid) = (
        (torch.from_numpy(part.images[:count].view(-1, 784).numpy()), torch.from_numpy(part.labels[:count].numpy()))
        for part, count in ((digits.train, 200 * 64), (digits.validation, 10_000))
    )
    g = torch.Generator().manual_seed(2147483647)
    w1 = torch.randn((784, 50), generator=g) * math.sqrt(2 / 784)
    w2 = torch.randn((50, 10), generator=g) / math.sqrt(50)
    parameters = [p.requires_grad_() for p in (w1, torch.zeros(50), w2, torch.zeros(10))]

    def loss_of(x, y):
        hidden = torch.relu(x @ parameters[0] + parameters[1])
        return torch.nn.functional.cross_entropy(hidden @ parameters[2] + parameters[3], y)

    losses = [loss_of(x_valid, y_valid).item()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for images, labels in zip(x.split(64), y.split(64), strict=True):
        loss_of(images, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    losses.append(loss_of(x_valid, y_valid).item())
    assert [stand_in.kept["before"][0], stand_in.kept["after"][0]] == pytest.approx(losses, abs=1e-4)


@needs_mnist
def test_published_figures(tmp_path):
    result = run(NAME, tmp_path, published_data(), "--quick")
    check_published(result, ["mnist."])
    assert "stand-in" not in result.output


@pytest.mark.slow
@needs_mnist
def test_full_run_is_right_more_than_95_times_in_a_hundred(tmp_path):
    result = run(NAME, tmp_path, published_data(), keep=["final_accuracy", "after"])
    check_published(result, ["mnist."])
    assert result.kept["final_accuracy"] > 0.95
    assert result.kept["after"][1] > 0.94


def test_another_seed_or_number_of_steps_is_no_failure(tmp_path):
    result = run(NAME, tmp_path, offline(tmp_path), "--steps", "5", "--seed", "7", keep=["steps"])
    assert result.kept["steps"] == 5
    assert "DIFFERS" not in result.output and "generator seed 7" in result.output


def test_answers_run(tmp_path):
    result = run(f"answers/{NAME}", tmp_path, offline(tmp_path), "--quick")
    check_figures(result, count=2)
    assert "largest difference between our weights and the library's" in result.output


@pytest.mark.parametrize("name", [NAME, f"answers/{NAME}"])
def test_cells_are_short_and_show_something(name):
    check_cells(name)
