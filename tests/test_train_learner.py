"""The Learner: which events come when, what cancels what, and that the loop computes what one by hand does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from training import bytes_of, problem, recording

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.train import (
    EVENTS,
    Callback,
    CancelBatch,
    CancelEpoch,
    CancelFit,
    DetectAnomaly,
    Learner,
    Metrics,
    Recorder,
)  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent
TRAINING_BATCH = ["before_batch", "after_predict", "after_loss", "after_backward", "after_step", "after_batch"]
VALIDATION_BATCH = ["before_batch", "after_predict", "after_loss", "after_batch"]


def raising(error, when=lambda learner: True):
    def reply(learner):
        if when(learner):
            raise error

    return reply


def events(epochs=1, **replies):
    """The events of a fit with two training batches and one of validation."""
    log = []
    learner = problem([recording(log, **replies)], samples=16)
    learner.data.validation = [(mg.randn(4, 4), mg.tensor([0, 1, 0, 1]))]
    learner.fit(epochs)
    return log


def epoch_of(*batches):
    train = ["before_train", *sum(batches, []), "after_train"]
    return ["before_epoch", *train, "before_validate", *VALIDATION_BATCH, "after_validate", "after_epoch"]


# ------------------------------------------------------------------------------------------------------------ order


def test_events_come_in_order():
    epoch = epoch_of(TRAINING_BATCH, TRAINING_BATCH)
    assert events(2) == ["before_fit", *epoch, *epoch, "after_fit"]
    assert set(events()) == set(EVENTS)


def test_without_validation_there_are_no_events_of_it():
    log = []
    problem([recording(log)], validation=False).fit(1)
    assert "before_validate" not in log and "after_epoch" in log


def test_callbacks_hear_of_an_event_by_order_then_as_given():
    heard = []

    def make(name, order):
        def before_fit(self, learner):
            heard.append(name)

        callback = type("Named", (Callback,), {"before_fit": before_fit})()
        callback.order = order
        return callback

    problem([make("late", 5), make("first", 0), make("second", 0)]).fit(1, [make("early", -1), make("third", 0)])
    assert heard == ["early", "first", "second", "third", "late"]


def test_callbacks_of_one_fit_are_gone_in_the_next():
    log = []
    learner = problem()
    learner.fit(1, [recording(log)])
    heard = len(log)
    learner.fit(1)
    assert len(log) == heard > 0


# ------------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("event", TRAINING_BATCH)
def test_a_cancelled_batch_ends_and_the_next_begins(event):
    first = TRAINING_BATCH[: TRAINING_BATCH.index(event) + 1]
    first += ["after_batch"] if event != "after_batch" else []
    reply = raising(CancelBatch, lambda learner: learner.training and learner.done == 0)
    assert events(**{event: reply}) == ["before_fit", *epoch_of(first, TRAINING_BATCH), "after_fit"]


@pytest.mark.parametrize("event", ["before_batch", "after_loss", "after_batch"])
def test_a_cancelled_epoch_skips_the_rest_of_it(event):
    first = TRAINING_BATCH[: TRAINING_BATCH.index(event) + 1]
    first += ["after_batch"] if event != "after_batch" else []
    reply = raising(CancelEpoch, lambda learner: learner.epoch == 0)
    cut = ["before_epoch", "before_train", *first, "after_train", "after_epoch"]
    assert events(2, **{event: reply}) == ["before_fit", *cut, *epoch_of(TRAINING_BATCH, TRAINING_BATCH), "after_fit"]


def test_an_epoch_can_be_cancelled_before_it_begins_and_in_validation():
    log = events(2, before_epoch=raising(CancelEpoch, lambda learner: learner.epoch == 0))
    assert log == ["before_fit", "before_epoch", "after_epoch", *epoch_of(TRAINING_BATCH, TRAINING_BATCH), "after_fit"]
    log = events(1, before_validate=raising(CancelEpoch))
    assert log[-4:] == ["before_validate", "after_validate", "after_epoch", "after_fit"]
    assert events(1, after_epoch=raising(CancelEpoch)) == events(1)


@pytest.mark.parametrize("event", ["before_fit", "before_epoch", "before_train", "before_batch", "after_backward"])
def test_a_cancelled_fit_closes_everything_that_has_begun(event):
    log = events(3, **{event: raising(CancelFit)})
    opened = [name.removeprefix("before_") for name in log if name.startswith("before_")]
    closed = [name.removeprefix("after_") for name in log if name in ("after_" + part for part in opened)]
    assert closed == opened[::-1]
    assert log.count("before_batch") == (event in ("before_batch", "after_backward"))
    assert event in log and "after_step" not in log


def test_a_fit_cancelled_at_the_end_of_an_epoch_or_of_itself():
    assert events(3, after_epoch=raising(CancelFit)) == events(1)
    assert events(1, after_fit=raising(CancelFit)) == events(1)


def test_every_callback_hears_of_an_event_and_the_widest_cancellation_counts():
    first, second, third = [], [], []
    learner = problem([
        recording(first, before_batch=raising(CancelBatch)),
        recording(second, before_batch=raising(CancelFit)),
        recording(third, before_batch=raising(CancelEpoch)),
    ])  # fmt: skip
    learner.fit(2)
    assert first == second == third
    assert first.count("before_batch") == first.count("before_epoch") == 1


def test_a_cancellation_may_be_of_a_class_of_the_users_own():
    class OutOfTime(CancelFit):
        def __init__(self, seconds):
            super().__init__(f"{seconds} s are over")

    assert events(3, after_epoch=raising(OutOfTime(5))) == events(1)


def test_a_cancellation_of_a_part_that_is_not_running_is_an_error():
    for event in ("before_train", "after_epoch", "before_fit"):
        with pytest.raises(RuntimeError, match="CancelBatch raised in an event of the"):
            events(**{event: raising(CancelBatch)})
    with pytest.raises(RuntimeError, match="CancelEpoch raised in an event of the fit"):
        events(before_fit=raising(CancelEpoch))


def test_callbacks_are_told_what_brought_an_after_event():
    told = {}

    class Watching(Callback):
        def after_batch(self, learner):
            told.setdefault("batch", []).append(learner.cancelled)

        def after_epoch(self, learner):
            told["epoch"] = learner.cancelled, learner.cut_off

    learner = problem([Watching()], validation=False)
    log = []
    learner.fit(1, [recording(log, before_batch=raising(CancelBatch, lambda learner: learner.done == 1))])
    assert told == {"batch": [None, CancelBatch, None, None, None], "epoch": (None, False)}
    learner.fit(1, [recording(log, after_loss=raising(CancelEpoch))])
    assert told["epoch"] == (CancelEpoch, False)
    learner.fit(1, [recording(log, after_loss=raising(CancelFit))])
    assert told["epoch"] == (CancelFit, True)


def test_gradients_accumulate_over_batches_that_are_cancelled_before_the_step():
    data = [(mg.ones(1, 1), mg.tensor([[2.0]])), (mg.ones(1, 1), mg.tensor([[4.0]]))]
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    learner = Learner(model, (data, None), F.mse_loss, mg.optim.SGD(model.parameters(), lr=0.25))
    learner.fit(1, [recording([], after_backward=raising(CancelBatch, lambda learner: learner.done == 0))])
    assert learner.step == 1
    assert model.weight.item() == 0.25 * (2 * 2 + 2 * 4)  # one step along both gradients of (w - y)^2 at w = 0


# ----------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("event", EVENTS)
def test_an_error_in_a_callback_comes_out_and_every_callback_is_closed(event):
    closed = []

    class Closing(Callback):
        def close(self, learner):
            closed.append(learner)

    learner = problem([recording([], **{event: raising(KeyError("lost"))}), Closing()])
    with pytest.raises(KeyError, match="lost") as caught:
        learner.fit(1)
    assert caught.value.__notes__ == [f"raised in {event} of the callback Recording"]
    assert closed == [learner] and not learner.running
    learner.callbacks = []
    learner.fit(1)  # the learner is not broken


def test_a_misspelt_event_is_an_error():
    with pytest.raises(TypeError, match="Typing.before_bacth: there is no such event, only before_fit"):
        type("Typing", (Callback,), {"before_bacth": lambda self, learner: None})


def test_bad_arguments():
    model, data = nn.Linear(4, 2), [(mg.ones(2, 4), mg.tensor([0, 1]))]
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)

    def make(**changed):
        given = {"model": model, "data": (data, None), "loss": F.cross_entropy, "optimizer": optimizer} | changed
        return Learner(**given)

    for changed, message in [
        ({"model": len}, "expected model to be an nn.Module, got builtin_function_or_method"),
        ({"loss": 3}, "expected loss to be a function of \\(prediction, target\\), got int"),
        ({"optimizer": model}, "expected optimizer to be an Optimizer, got Linear"),
        ({"data": data}, "expected data with .train and .validation, or a pair of loaders, got list of length 1"),
        ({"data": mg.ones(3)}, "got a Tensor of shape \\(3,\\)"),
        ({"data": (data, 3)}, "expected the validation loader to be iterable, got int"),
        ({"data": (None, data)}, "expected the train loader to be iterable, got NoneType"),
        ({"callbacks": Recorder()}, "expected a list of callbacks, got <minigrad"),
        ({"callbacks": 3}, "expected a list of callbacks, got 3"),
        ({"callbacks": [Recorder]}, "expected instances of Callback, got .*; make one: Recorder\\(\\)"),
        ({"callbacks": [print]}, "expected instances of Callback, got <built-in function print>"),
    ]:
        with pytest.raises(TypeError, match=message):
            make(**changed)
    for epochs in (0, -1, 2.0, True, "3"):
        with pytest.raises(ValueError, match="expected a positive number of epochs, got"):
            make().fit(epochs)
    with pytest.raises(ValueError, match="the loader to train with gave no batch$"):
        make(data=([], None)).fit(1)
    with pytest.raises(ValueError, match="gave no batch; an iterator can be read only once: give a DataLoader or a list"):
        make(data=((batch for batch in data), None)).fit(2)
    for loss, got in ((lambda p, y: p, "a Tensor of shape \\(2, 2\\)"), (lambda p, y: 1.0, "float")):
        with pytest.raises(TypeError, match=f"expected the loss function to return a tensor of one number, got {got}"):
            make(loss=loss).fit(1)
    for batch in (mg.ones(2, 4), [mg.ones(2, 4)], {"x": 1}):
        with pytest.raises(TypeError, match="expected batches of \\(input, target\\), got"):
            make(data=([batch], None)).fit(1)


def test_a_learner_does_not_fit_within_its_fit():
    learner = problem()
    for call in (lambda learner: learner.fit(1), lambda learner: learner.resume("x")):
        with pytest.raises(RuntimeError, match="fitting already"):
            learner.fit(1, [recording([], before_epoch=call)])
    with pytest.raises(RuntimeError, match="load: this learner is fitting"):
        learner.fit(1, [recording([], before_epoch=lambda learner: learner.load("x"))])


# ------------------------------------------------------------------------------------------------------- the values


def test_the_loop_computes_what_one_written_by_hand_does():
    def adam(parameters):
        return mg.optim.Adam(parameters, lr=0.01)

    learner, other = problem(optimizer=adam), problem(optimizer=adam)
    mg.manual_seed(5)
    learner.fit(3)

    mg.manual_seed(5)
    losses = []
    for _ in range(3):
        other.model.train()
        for x, y in other.data.train:
            loss = F.cross_entropy(other.model(x), y)
            other.optimizer.zero_grad()
            loss.backward()
            other.optimizer.step()
        other.model.eval()
        with mg.no_grad():
            losses = [F.cross_entropy(other.model(x), y).item() for x, y in other.data.validation]
    assert bytes_of(learner) == bytes_of(other)
    assert learner.loss.item() == losses[-1] and not learner.loss.requires_grad
    assert learner.step == 15 and learner.epoch == learner.epochs == 3


def test_a_callback_may_change_what_the_learner_uses():
    def change(learner):
        learner.x, learner.y = learner.x * 0, mg.zeros_like(learner.y)

    def double(learner):
        learner.loss = learner.loss * 2

    learner = problem()
    learner.fit(1, [recording([], before_batch=change, after_loss=double)])
    x, y = learner.batch[0] * 0, mg.zeros_like(learner.batch[1])
    assert learner.loss.item() == 2 * F.cross_entropy(learner.model(x), y).item()  # of validation, the last batch


def test_data_may_be_an_object_and_a_model_may_take_several_inputs():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(mg.ones(()))

        def forward(self, a, b):
            return self.weight * a * b

    model = Product()
    data = SimpleNamespace(train=[(mg.tensor([2.0]), mg.tensor([3.0]), mg.tensor([5.0]))], validation=None)
    learner = Learner(model, data, F.mse_loss, mg.optim.SGD(model.parameters(), lr=0.0))
    learner.fit(1)
    assert learner.data is data and learner.prediction.item() == 6 and learner.loss.item() == 1
    assert learner.x == (data.train[0][0], data.train[0][1])


def test_progress_goes_from_zero_to_one():
    seen = []
    learner = problem()
    learner.fit(2, [recording([], before_batch=lambda learner: seen.append((learner.training, learner.progress)))])
    assert [t for training, t in seen if training] == [i / 9 for i in range(10)]
    assert [t for training, t in seen if not training][0] == 5 / 9
    learner.data.train = iter(list(learner.data.train))
    assert learner.batches is None


def test_required_callbacks_are_added_once():
    learner = problem([Recorder()])
    learner.fit(1)
    assert [type(callback) for callback in learner.active] == [Metrics, Recorder]
    metrics = Metrics()
    learner.fit(1, [metrics])
    assert [callback for callback in learner.active if isinstance(callback, Metrics)] == [metrics]


# ----------------------------------------------------------------------------------------------------------- Ctrl-C

PROGRAM = """
    import sys, time
    import minigrad as mg, minigrad.nn as nn, minigrad.nn.functional as F
    from minigrad.train import *

    class Slow(Callback):
        def after_predict(self, learner):
            print("batch", learner.done, flush=True)
            if learner.done == 2:
                time.sleep(SECONDS)

    model = nn.Linear(2, 2)
    data = [(mg.ones(3, 2), mg.tensor([0, 1, 0]))] * 1000
    recorder = Recorder()
    learner = Learner(model, (data, None), F.cross_entropy, mg.optim.SGD(model.parameters(), lr=0.1), [recorder, Slow()])
    try:
        learner.fit(1, [Checkpoint(sys.argv[1])])
    except KeyboardInterrupt:
        print("at once", flush=True)
    print("done", learner.step, len(recorder.losses), learner.interrupted, recorder.metrics, flush=True)
    recorder.plot_loss()
"""


def interrupted(folder, seconds, signals):
    program = textwrap.dedent(PROGRAM).replace("SECONDS", str(seconds))
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )  # fmt: skip
    for line in process.stdout:
        if line == "batch 2\n":
            break
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def test_ctrl_c_ends_the_fit_after_the_batch_in_hand(tmp_path):
    out, err = interrupted(tmp_path, 3, 1)
    assert out == "done 3 3 True []\n"
    assert err == "fit: interrupted in epoch 1 of 1, after 3 batches of its train pass\n"
    state = mg.load(tmp_path / "last.safetensors")
    assert (state["epoch"], state["stage"], state["done"], state["step"]) == (0, "train", 3, 3)


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    begun = time.perf_counter()
    out, err = interrupted(tmp_path, 30, 2)
    assert out.startswith("at once\ndone 2 2 True") and time.perf_counter() - begun < 30
    assert not (tmp_path / "last.safetensors").exists()


def test_the_handler_of_the_program_comes_back_and_one_of_its_own_is_left_alone():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        seen = []
        learner = problem()

        def ask(learner):
            seen.append(signal.getsignal(signal.SIGINT))

        learner.fit(1, [recording([], before_epoch=ask)])
        assert seen[0] is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        learner.fit(1, [recording([], before_epoch=ask)])
        assert seen[1] is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_first_signal_asks_and_the_second_interrupts():
    before, learner = signal.getsignal(signal.SIGINT), problem()

    def twice(learner):
        signal.raise_signal(signal.SIGINT)
        assert learner.interrupted
        signal.raise_signal(signal.SIGINT)

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            learner.fit(1, [recording([], after_loss=twice)])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not learner.running and learner.step == 0


def test_a_fit_runs_in_another_thread():
    learner = problem()
    thread = threading.Thread(target=learner.fit, args=(1,))
    thread.start()
    thread.join()
    assert learner.step == 5


@pytest.mark.parametrize("event, epoch, step", [("before_epoch", 0, 1), ("after_epoch", 1, 5), ("before_validate", 0, 5)])
def test_an_interruption_is_heeded_between_batches_too(event, epoch, step, capsys):
    learner = problem()
    learner.fit(3, [recording([], **{event: Learner.interrupt})])
    assert (learner.epoch, learner.step, learner.interrupted) == (epoch, step, True)
    where = {
        "before_epoch": "in epoch 1 of 3, after 1 batches of its train pass", "after_epoch": "after epoch 1 of 3",
        "before_validate": "in epoch 1 of 3, after 1 batches of its validate pass",
    }  # fmt: skip
    assert capsys.readouterr().err == f"fit: interrupted {where[event]}\n"


def test_detect_anomaly_gives_the_profile_function_back_after_an_error():
    learner = problem([DetectAnomaly()])
    with pytest.raises(KeyError):
        learner.fit(1, [recording([], after_predict=raising(KeyError()))])
    assert sys.getprofile() is None
