"""Each callback by itself: what it records, prints, changes and refuses."""

import io
import math
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from training import bytes_of, problem, recording

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.backend import to_numpy
from minigrad.train import (
    BatchTransform,
    Callback,
    CancelBatch,
    CancelEpoch,
    CancelFit,
    Checkpoint,
    EarlyStopping,
    GradientClip,
    Learner,
    LRFinder,
    Metrics,
    OneCycle,
    ParamScheduler,
    ProgressBar,
    Recorder,
    accuracy,
    linear,
)
from minigrad.train.series import Series
from minigrad.utils.data import DataLoader, IterableDataset


@pytest.fixture(autouse=True)
def no_window():
    with matplotlib.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def cancel(error, when=lambda learner: True):
    def reply(learner):
        if when(learner):
            raise error

    return reply


# --------------------------------------------------------------------------------------------------- series, metrics


def test_a_series_keeps_numbers_where_they_are_until_it_is_read():
    series = Series([1])
    x = mg.tensor([[2.0]])
    series.append(x)
    series.append(3)
    x.fill_(7.0)  # not copied yet: a view
    assert len(series) == 3 and len(series.waiting) == 2
    assert series.tolist() == [1.0, 7.0, 3.0] and not series.waiting
    assert all(type(value) is float for value in series.tolist())
    with pytest.raises(ValueError, match="expected a tensor of one number to record, got shape \\(2,\\)"):
        series.append(mg.ones(2))
    series = Series()
    for i in range(Series.capacity + 1):
        series.append(mg.tensor(float(i)))
    assert len(series.waiting) == 1 and series.tolist() == list(range(Series.capacity + 1))


def test_accuracy():
    prediction = mg.tensor([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]], requires_grad=True)
    result = accuracy(prediction, mg.tensor([1, 0, 1]))
    assert result.item() == pytest.approx(2 / 3) and result.dtype == mg.float32 and not result.requires_grad
    images = mg.zeros(2, 3, 4)
    images[:, 2] = 1.0
    assert accuracy(images, mg.full((2, 4), 2)).item() == 1
    assert accuracy(images.transpose(1, 2), mg.full((2, 4), 2), dim=-1).item() == 1
    with pytest.raises(ValueError, match="expected a target of shape \\(3,\\) for predictions of shape \\(3, 2\\)"):
        accuracy(prediction, mg.tensor([1, 0]))
    with pytest.raises(ValueError, match="expected classes along dim 1, got predictions of shape \\(3,\\)"):
        accuracy(mg.ones(3), mg.tensor([1, 0, 1]))


def test_metrics_weigh_every_batch_by_its_size():
    metrics = Metrics(accuracy, largest=lambda prediction, y: prediction.max(), train=True)
    learner = problem([metrics], samples=20)  # batches of 8, 8 and 4
    seen = []

    def keep(learner):
        shares = float((learner.prediction.argmax(1) == learner.y).float().mean())
        seen.append((learner.training, len(learner.y), learner.loss.item(), shares, learner.prediction.max().item()))

    learner.fit(1, [recording([], after_loss=keep)])
    expected = {}
    for part, training in (("train", True), ("validation", False)):
        rows = [row[1:] for row in seen if row[0] is training]
        assert [row[0] for row in rows] == [8, 8, 4]
        for i, name in enumerate(("loss", "accuracy", "largest")):
            expected[f"{part}_{name}"] = sum(row[0] * row[i + 1] for row in rows) / 20
    assert learner.metrics == pytest.approx(expected, rel=1e-6)
    assert list(learner.metrics) == list(expected)


def test_metrics_are_computed_in_training_only_where_asked_or_needed():
    for callback, validation, names in [
        (Metrics(accuracy), True, ["train_loss", "validation_loss", "validation_accuracy"]),
        (Metrics(accuracy), False, ["train_loss", "train_accuracy"]),
        (Metrics(), True, ["train_loss", "validation_loss"]),
    ]:
        learner = problem([callback], validation=validation)
        learner.fit(1)
        assert list(learner.metrics) == names


def test_metrics_of_an_epoch_that_is_cancelled():
    learner = problem([Metrics()])
    learner.fit(1, [recording([], before_train=cancel(CancelEpoch))])
    assert learner.metrics == {}
    losses = []

    def stop(learner):
        losses.append(learner.loss.item())
        if len(losses) == 2:
            raise CancelEpoch

    learner.fit(1, [recording([], after_loss=stop)])
    assert learner.metrics == {"train_loss": pytest.approx(sum(losses) / 2)}


def test_several_metrics_fill_one_table():
    recorder = Recorder()
    learner = problem([Metrics(accuracy), Metrics(one=lambda prediction, y: 1.0, accuracy=accuracy), recorder])
    learner.fit(2)
    assert list(learner.metrics) == ["train_loss", "validation_loss", "validation_accuracy", "validation_one"]
    assert len(recorder.metrics) == 2 and recorder.metrics[-1].items() >= learner.metrics.items()


def test_metrics_refuse_what_they_would_lose():
    for call in (lambda: Metrics(lambda p, y: 1.0, lambda p, y: 2.0), lambda: Metrics(accuracy, accuracy=len)):
        with pytest.raises(ValueError, match="is the name of another metric; name it: Metrics"):
            call()
    with pytest.raises(ValueError, match="'loss' is the name of another metric"):
        Metrics(loss=F.mse_loss)
    with pytest.raises(ValueError, match="two of them have functions named <lambda>; name one otherwise"):
        problem([Metrics(lambda p, y: 1.0), Metrics(lambda p, y: 2.0)]).fit(1)
    with pytest.raises(TypeError, match="Metrics: expected f1\\(prediction, target\\) to return a number, got None"):
        problem([Metrics(f1=lambda prediction, y: None)]).fit(1)


def test_a_target_may_be_anything_with_a_length():
    class Flexible(nn.Linear):
        def forward(self, x):
            return super().forward(x).sum()

    model = Flexible(1, 1)
    data = [(mg.ones(2, 1), ["a", "b"]), (mg.ones(1, 1), mg.tensor(3))]
    learner = Learner(model, (data, None), lambda p, y: p, mg.optim.SGD(model.parameters(), lr=0.0), [Metrics()])
    learner.fit(1)
    value = model(mg.ones(1, 1)).item()
    assert learner.metrics["train_loss"] == pytest.approx((2 * 2 * value + value) / 3)
    with pytest.raises(TypeError, match="Metrics: expected functions of \\(prediction, target\\), got top=3"):
        Metrics(top=3)


# ----------------------------------------------------------------------------------------------------------- recorder


def test_the_recorder_has_every_step_and_every_epoch():
    recorder, losses = Recorder(), []
    learner = problem([recorder, OneCycle(0.3)])

    def keep(learner):
        if learner.training:
            losses.append((learner.loss.item(), learner.optimizer.param_groups[0]["lr"]))

    learner.fit(2, [recording([], after_loss=keep)])
    assert list(zip(recorder.losses, recorder.lrs)) == [(loss, (lr,)) for loss, lr in losses] and len(losses) == 10
    assert [(row["epoch"], row["steps"]) for row in recorder.metrics] == [(1, 5), (2, 10)]
    assert recorder.metrics[1] == {"epoch": 2, "steps": 10, **learner.metrics}
    learner.fit(1)
    assert len(recorder.losses) == 15 and recorder.metrics[-1]["epoch"] == 3


def test_an_epoch_that_was_cut_off_is_not_recorded_but_its_steps_are():
    recorder = Recorder()
    learner = problem([recorder])
    learner.fit(2, [recording([], before_batch=cancel(CancelFit, lambda learner: learner.epoch == 1 and learner.done == 2))])
    assert len(recorder.losses) == 7 and len(recorder.metrics) == 1


def curves(figure):
    return {line.get_label(): np.array(line.get_xydata()) for line in figure.axes[0].get_lines()}


def test_plots_of_a_recorder_show_what_was_recorded():
    recorder = Recorder()
    learner = problem([recorder, ParamScheduler("lr", linear(0, 1))])
    learner.fit(3)
    figure = recorder.plot_loss()
    lines = curves(figure)
    assert isinstance(figure, matplotlib.figure.Figure) and set(lines) == {"training", "validation"}
    assert lines["training"].tolist() == [[i + 1, loss] for i, loss in enumerate(recorder.losses)]
    assert lines["validation"].tolist() == [[5 * i + 5, row["validation_loss"]] for i, row in enumerate(recorder.metrics)]

    lines = curves(recorder.plot_loss(skip=6, smooth=0.9))
    raw, mean = [line for name, line in lines.items() if name != "validation"]
    assert raw.tolist() == [[i + 1, loss] for i, loss in enumerate(recorder.losses)][6:]
    weights = 0.9 ** np.arange(14, -1, -1)
    assert mean[-1, 1] == pytest.approx(np.average(recorder.losses, weights=weights)) and mean[0, 0] == 7
    assert lines["validation"][:, 0].tolist() == [10, 15]

    own, (left, right) = plt.subplots(1, 2)
    assert recorder.plot_loss(ax=left) is own and recorder.plot_lr(ax=right, skip=1) is own
    (line,) = right.get_lines()
    assert line.get_ydata().tolist() == pytest.approx([i / 14 for i in range(1, 15)])


def test_plots_of_a_recorder_show_lone_points_and_nan():
    recorder = Recorder()
    recorder.load_state_dict({"losses": mg.tensor([2.0]), "lrs": mg.tensor([[0.5]]), "metrics": []})
    for plot in (recorder.plot_loss, recorder.plot_lr):
        ax = plot().axes[0]
        assert ax.lines[0].get_marker() == "o" and ax.lines[0].get_markevery() == [True]
        assert list(ax.get_xticks()) == [1] and ax.get_xlabel() == "step"
    row = {"epoch": 1, "steps": 3, "validation_loss": 1.0}
    recorder.load_state_dict({"losses": mg.full((3,), math.nan), "lrs": mg.ones(3, 1), "metrics": [row]})
    ax = recorder.plot_loss().axes[0]
    assert ax.get_xlabel() == "step (×: nan or infinite)"
    assert [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "x"] == [[1, 2, 3]]
    for plot in (recorder.plot_loss, recorder.plot_lr):
        (ax,) = plot().axes
        assert all(tick == int(tick) for tick in ax.get_xticks())
    recorder.load_state_dict({"losses": mg.tensor([2.0, math.inf, 1.0]), "lrs": mg.ones(3, 1), "metrics": []})
    for smooth in (0.0, 0.5):
        line = curves(recorder.plot_loss(smooth=smooth))["training"]
        assert line[2, 1] == pytest.approx(1.0 if smooth == 0 else (0.25 * 2 + 0.5 * 1) / 0.75)


def test_groups_with_rates_of_their_own_have_curves_of_their_own():
    recorder = Recorder()
    recorder.lrs = [(0.1, 0.2, 0.1), (0.2, 0.2, 0.2)]
    figure = recorder.plot_lr()
    assert list(curves(figure)) == ["groups 0, 2", "group 1"] and figure.axes[0].get_legend() is not None


def test_plots_refuse_what_they_cannot_show():
    recorder = Recorder()
    for plot in (recorder.plot_loss, recorder.plot_lr):
        with pytest.raises(ValueError, match="nothing has been recorded yet"):
            plot()
    problem([recorder], validation=False).fit(1)
    for plot in (recorder.plot_loss, recorder.plot_lr):
        for skip in (-1, 5):
            with pytest.raises(ValueError, match=f"expected to skip from 0 to 4 of 5 steps, got {skip}"):
                plot(skip=skip)
        with pytest.raises(TypeError, match="expected matplotlib Axes to draw in, got Figure"):
            plot(ax=plt.figure())
    with pytest.raises(ValueError, match="expected smooth to be in \\[0, 1\\), got 1"):
        recorder.plot_loss(smooth=1)
    assert len(curves(recorder.plot_loss())) == 1


# ----------------------------------------------------------------------------------------------------------- progress


def test_a_plain_table_where_the_output_is_no_terminal(capsys):
    learner = problem([ProgressBar(), Metrics(accuracy)])
    learner.fit(2)
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    names = [name for name in re.split("  +", header) if name]
    assert names == ["epoch", "train loss", "validation loss", "validation accuracy", "time"] and err == ""
    assert [row.split()[0] for row in rows] == ["1", "2"] and len({len(line) for line in out.splitlines()}) == 1
    shown = [f"{learner.metrics[name]:.4f}" for name in ("train_loss", "validation_loss", "validation_accuracy")]
    assert rows[1].split()[1:4] == shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_with_the_live_loss_on_a_terminal():
    file, bars = Terminal(), []
    progress = ProgressBar(file)
    progress.interval = 0.0

    class Watching(Callback):
        order = 99

        def after_batch(self, learner):
            bars.append((progress.bar.n, progress.bar.total, progress.bar.postfix, f"loss {learner.loss.item():.4f}"))

    learner = problem([progress, Watching()])
    learner.fit(2)
    text = file.getvalue()
    assert "epoch 1/2 train" in text and "epoch 2/2 validate" in text and "train loss" in text
    assert [bar[:2] for bar in bars[:8]] == [(i + 1, 5) for i in range(5)] + [(i + 1, 3) for i in range(3)]
    assert all(shown == expected for _, _, shown, expected in bars)
    assert progress.bar is None


def test_a_bar_of_a_pass_that_is_resumed_begins_in_the_middle(tmp_path):
    first, second, seen = problem([Metrics()]), problem(), []
    first.fit(1, [recording([], after_batch=lambda learner: learner.done == 2 and learner.interrupt())])
    first.save(tmp_path / "x")
    progress = ProgressBar(Terminal())
    log = recording([], after_batch=lambda learner: seen.append(progress.bar.n))
    log.order = 99
    second.resume(tmp_path / "x", [log, progress])
    assert seen == [4, 5, 1, 2, 3]


def test_a_bar_of_unknown_length_that_an_error_leaves():
    file = Terminal()
    progress = ProgressBar(file)
    learner = problem([progress])
    learner.data.train = iter(list(learner.data.train))
    with pytest.raises(KeyError):
        learner.fit(1, [recording([], after_batch=cancel(KeyError()))])
    assert progress.bar is None and "epoch 1/1 train: " in file.getvalue()


def test_a_bar_over_a_data_set_of_unknown_length():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(mg.ones(4), mg.tensor(1))] * 6)

    file = Terminal()
    learner = problem([ProgressBar(file)], validation=False)
    learner.data.train = DataLoader(Stream(), 2)  # it has a __len__, which raises
    learner.fit(1)
    assert learner.batches is None and learner.step == 3 and "epoch 1/1 train: " in file.getvalue()


def test_the_table_follows_the_metrics_and_leaves_out_an_epoch_that_was_cut_off(capsys):
    def more(learner):
        if learner.epoch == 1:
            learner.metrics["extra"] = 1.0

    stop = recording([], after_step=cancel(CancelFit, lambda learner: learner.epoch == 2), after_epoch=more)
    skip = recording([], before_batch=cancel(CancelBatch))
    problem([ProgressBar()], validation=False).fit(4, [stop])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "epoch", "2"] and "extra" in lines[2]
    file = Terminal()
    problem([ProgressBar(file)]).fit(1, [skip])  # no loss to show
    assert "loss" not in file.getvalue()
    with pytest.raises(TypeError, match="ProgressBar: expected a file to write to, got int"):
        ProgressBar(3)


# ------------------------------------------------------------------------------------------------ batches, gradients


def test_a_batch_transform_changes_what_the_model_sees():
    seen = []
    transform = BatchTransform(lambda x, y: (x * 0, 1 - y), validate=False)

    def look(learner):
        seen.append((learner.training, bool((learner.x == 0).all()), bool((learner.y == learner.batch[1]).all())))

    problem([recording([], before_batch=look), transform]).fit(1)  # before other callbacks see the batch
    assert set(seen) == {(True, True, False), (False, False, True)}
    seen.clear()
    problem([transform]).fit(1, [recording([], after_predict=look)])
    assert set(seen) == {(True, True, False), (False, False, True)}
    seen.clear()
    problem([BatchTransform(lambda x, y: [x * 0, y], train=False)]).fit(1, [recording([], after_predict=look)])
    assert set(seen) == {(True, False, True), (False, True, True)}


def test_gradients_are_clipped_before_the_step():
    clip, norms = GradientClip(0.01), []

    def look(learner):
        squares = sum(float((p.grad * p.grad).sum()) for p in learner.model.parameters())
        norms.append((math.sqrt(squares), clip.last_norm))

    problem([clip]).fit(1, [recording([], after_step=look)])
    assert [norm for norm, _ in norms] == pytest.approx([0.01] * 5, rel=1e-3)
    assert all(before.item() > 0.01 for _, before in norms)
    largest = []

    def look_again(learner):
        largest.append(max(p.grad.abs().max().item() for p in learner.model.parameters()))

    problem([GradientClip(value=0.001)]).fit(1, [recording([], after_step=look_again)])
    assert largest == pytest.approx([0.001] * 5)
    clip = GradientClip(0.5, norm_type=math.inf)
    problem([clip]).fit(1, [recording([], after_step=look_again)])
    assert max(largest) <= 0.5


@pytest.mark.parametrize("call, error, message", [
    (lambda: BatchTransform(3), TypeError, "BatchTransform: expected a function of \\(x, y\\), got int"),
    (lambda: BatchTransform(len, False, False), ValueError, "expected train=True or validate=True, or it would never act"),
    (lambda: problem([BatchTransform(lambda x, y: x)]).fit(1), TypeError, "expected the function to return \\(x, y\\)"),
    (lambda: GradientClip(), ValueError, "GradientClip: expected either norm or value, got norm=None and value=None"),
    (lambda: GradientClip(1, value=1), ValueError, "GradientClip: expected either norm or value, got norm=1 and value=1"),
    (lambda: GradientClip(0), ValueError, "GradientClip: expected a positive limit, got 0"),
    (lambda: GradientClip(value=math.inf), ValueError, "GradientClip: expected a positive limit, got inf"),
    (lambda: GradientClip(math.nan), ValueError, "GradientClip: expected a positive limit, got nan"),
])  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ------------------------------------------------------------------------------------------------------ early stopping


@pytest.mark.parametrize("values, options, epochs, best", [
    ([5, 4, 3, 3, 3], {"patience": 2}, 5, 3),
    ([5, 4, 4.5, 3.9, 4, 4, 4, 4], {"patience": 3}, 7, 3.9),
    ([5, 4.95, 4.9, 4.85], {"patience": 2, "min_delta": 0.1}, 3, 5),
    ([1, 2, 3, 2, 3], {"patience": 2, "mode": "max"}, 5, 3),
    ([math.nan, math.nan, 1], {"patience": 2}, 2, None),
    ([3, 2, 1], {"patience": 1}, None, 1),
])  # fmt: skip
def test_early_stopping(values, options, epochs, best):
    stopping, taken = EarlyStopping("score", **options), []

    def score(learner):
        taken.append(learner.epoch)
        learner.metrics["score"] = float(values[learner.epoch])

    learner = problem([recording([], after_epoch=score), stopping], samples=8)
    learner.fit(len(values))
    assert len(taken) == (epochs or len(values))
    assert stopping.best == best
    taken.clear()
    learner.fit(len(values))  # begins anew
    assert len(taken) == (epochs or len(values))


def test_early_stopping_watches_a_loss_by_itself_and_outlives_a_cancelled_epoch():
    stopping = EarlyStopping(patience=9)
    learner = problem([stopping], validation=False)
    learner.fit(1)
    assert stopping.best == learner.metrics["train_loss"]
    learner = problem([stopping])
    learner.fit(2, [recording([], before_validate=cancel(CancelEpoch, lambda learner: learner.epoch == 1))])
    assert stopping.waited == 1 and stopping.best is not None


# ------------------------------------------------------------------------------------------------- learning-rate finder


def test_the_finder_leaves_everything_as_it_was(tmp_path):
    def adam(parameters):
        return mg.optim.Adam(parameters, lr=0.01)

    recorder = Recorder()
    learner = problem([recorder, ProgressBar(), OneCycle(0.1), EarlyStopping(), Checkpoint(tmp_path)], optimizer=adam)
    learner.fit(1)
    learner.model[0].eval()
    learner.model[0].weight.grad = mg.ones(8, 4)
    before, modes = bytes_of(learner), [module.training for module in learner.model.modules()]
    settings = {name: value for name, value in learner.optimizer.param_groups[0].items() if name != "params"}
    position, metrics = (learner.epoch, learner.epochs, learner.step, learner.position()), learner.metrics
    file = (tmp_path / "last.safetensors").stat().st_mtime_ns

    finder = LRFinder(steps=30)
    assert finder.find(learner) == finder.suggestion
    assert len(finder.losses) > 5 and bytes_of(learner) == before
    assert [module.training for module in learner.model.modules()] == modes
    assert settings == {name: value for name, value in learner.optimizer.param_groups[0].items() if name != "params"}
    assert (learner.epoch, learner.epochs, learner.step, learner.position()) == position
    assert learner.metrics is metrics and len(recorder.losses) == 5
    assert learner.model[0].weight.grad.tolist() == mg.ones(8, 4).tolist()
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == file

    log = []
    with pytest.raises(KeyError):  # also where an error ends the search
        LRFinder().find(problem([recording(log, after_step=cancel(KeyError(), lambda learner: learner.step == 8))]))
    before, learner.callbacks = bytes_of(learner), [recording([], after_step=cancel(KeyError()))]
    with pytest.raises(KeyError):
        finder.find(learner)
    assert bytes_of(learner) == before


def quadratic(start=4.0, lr=0.1):
    """One weight w with the loss w^2 / 2 + 1: a step of rate r multiplies w by 1 - r, so above 2 it diverges."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(start)
    batch = mg.ones(1, 1), mg.zeros(1, 1)
    optimizer = mg.optim.SGD(model.parameters(), lr=lr)
    return Learner(model, ([batch] * 3, [batch]), lambda p, y: (p - y).pow(2).sum() / 2 + 1, optimizer)


def test_the_finder_grows_the_rate_and_stops_when_the_loss_diverges():
    finder, learner = LRFinder(start=1e-4, end=50.0, steps=31, smooth=0.0), quadratic()
    finder.find(learner)
    assert finder.rates == pytest.approx([1e-4 * 5e5 ** (i / 30) for i in range(len(finder.rates))])
    w, losses = 4.0, []
    for rate in finder.rates:
        losses.append(w * w / 2 + 1)
        w *= 1 - rate
    assert finder.losses == pytest.approx(losses, rel=1e-3)
    assert finder.losses[-1] > 4 * min(finder.losses) and finder.losses[-2] <= 4 * min(finder.losses[:-1])
    reach = len(losses) // 10
    middles = range(reach, len(losses) - reach)
    windows = [slice(i - reach, i + reach + 1) for i in middles]
    slopes = [np.polyfit(np.log(finder.rates[window]), losses[window], 1)[0] for window in windows]
    assert finder.suggestion == finder.rates[middles[int(np.argmin(slopes))]]
    assert reach > 1 and 0.05 < finder.suggestion < 2 < finder.rates[-1] < 50

    finder = LRFinder(start=1e-3, end=1.0, steps=20)
    finder.find(learner)
    assert len(finder.rates) == 20 and finder.rates[-1] == pytest.approx(1.0)


def test_the_suggestion_lies_before_the_lowest_loss():
    """What diverges may fall back more steeply than it ever learned."""
    finder = LRFinder(smooth=0.0)
    finder.losses = [3.0 - 0.1 * i for i in range(20)] + [4.0, 6.0, 6.0, 3.0, 2.0, 3.0, 8.0]
    finder.rates = [0.001 * 1.3**i for i in range(len(finder.losses))]
    assert finder.rates[2] <= finder.suggestion <= finder.rates[19]
    assert finder.plot().axes[0].get_ylim()[1] < 6



@pytest.mark.parametrize("seed", range(4))
def test_the_suggestion_withstands_noise(seed):
    learner = problem(samples=600, batch_size=32, validation=False)
    mg.manual_seed(seed)
    assert 0.05 < LRFinder().find(learner) < 1


def test_the_finder_stops_at_a_loss_that_is_not_finite():
    learner, losses = quadratic(), iter([4.0, 3.0, 2.0, 1.0, math.inf])

    def overflow(learner):
        learner.loss = learner.loss * 0 + next(losses)

    class Overflow(Callback):
        def after_loss(self, learner):
            overflow(learner)

    finder = LRFinder()
    finder.find(Learner(learner.model, learner.data, learner.loss_function, learner.optimizer, [Overflow()]))
    assert finder.losses == [4.0, 3.0, 2.0, 1.0, math.inf]
    assert finder.suggestion in finder.rates[:4]
    assert np.isfinite(curves(finder.plot())["smoothed loss"]).all()


def test_the_finder_says_what_ended_it(capsys):
    finder, learner = LRFinder(start=1e-5), quadratic()
    with pytest.raises(ValueError, match="nothing has been found yet; call find\\(learner\\) first"):
        finder.plot()
    learner.loss_function = lambda p, y: p.sum() * math.nan
    finder.find(learner)
    with pytest.raises(ValueError, match="ended at its first step: the loss was nan, at the learning rate 1e-05"):
        finder.plot()
    learner = quadratic()
    learner.callbacks = [recording([], after_step=Learner.interrupt)]
    finder.find(learner)
    assert capsys.readouterr().err == "fit: interrupted in the search of LRFinder\n"


def test_the_finder_has_nothing_to_suggest_where_the_loss_never_falls():
    learner = quadratic()
    learner.loss_function = lambda p, y: p.sum() * 0 + 1.0
    finder = LRFinder(steps=10)
    assert finder.suggestion is None
    assert finder.find(learner) is None and len(finder.losses) == 10
    assert len(finder.plot().axes[0].get_lines()) == 2  # no line for a suggestion


def test_the_finder_as_a_callback_of_a_fit():
    finder, learner = LRFinder(steps=50), quadratic()
    before = bytes_of(learner)
    learner.fit(1, [finder])
    assert len(finder.losses) == 3 and bytes_of(learner) == before
    with pytest.raises(KeyError):  # before the search has begun
        learner.fit(1, [recording([], before_fit=cancel(KeyError())), finder])
    assert len(finder.losses) == 3


def test_the_plot_of_the_finder():
    finder = LRFinder()
    with pytest.raises(ValueError, match="LRFinder.plot: nothing has been found yet"):
        finder.plot()
    finder.find(problem())
    figure, ax = plt.subplots()
    assert finder.plot(ax=ax) is figure and ax.get_xscale() == "log"
    lines = curves(figure)
    assert lines["smoothed loss"][:, 0].tolist() == finder.rates[: len(lines["smoothed loss"])]
    assert lines[f"suggestion {finder.suggestion:.2g}"][:, 0].tolist() == [finder.suggestion] * 2


@pytest.mark.parametrize("options, message", [
    ({"start": 0}, "LRFinder: expected 0 < start < end, got 0 and 10.0"),
    ({"start": 2, "end": 1}, "LRFinder: expected 0 < start < end, got 2 and 1"),
    ({"steps": 2}, "LRFinder: expected at least 3 steps, got 2"),
    ({"divergence": 1}, "LRFinder: expected divergence > 1 and smooth in \\[0, 1\\), got divergence=1 and smooth=0.9"),
    ({"smooth": 1}, "LRFinder: expected divergence > 1 and smooth in"),
])  # fmt: skip
def test_bad_arguments_of_the_finder(options, message):
    with pytest.raises(ValueError, match=message):
        LRFinder(**options)


def test_recording_costs_no_conversion_per_step(monkeypatch):
    """What is recorded stays an array until it is read: on a GPU nothing waits for the device at every step."""
    asked = []
    monkeypatch.setattr("minigrad.train.series.to_numpy", lambda array: asked.append(len(array)) or to_numpy(array))
    recorder = Recorder()
    problem([recorder, Metrics(accuracy)]).fit(2)
    assert asked == [5, 3, 3, 5, 3, 3]  # the metrics of each pass; the recorder not at all
    assert len(recorder.losses) == 10 and asked[-1] == 10


def test_losses_that_are_recorded_hold_no_graph():
    recorder = Recorder()
    learner = problem([recorder])
    learner.fit(1)
    assert all(not isinstance(value, mg.Tensor) for value in recorder.series.waiting)
    assert F.cross_entropy(learner.prediction, learner.y).item() == learner.loss.item()
