"""Checkpoints: a fit that is resumed ends with the same bytes as one that never stopped."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from training import bytes_of, problem, recording

import minigrad as mg
import minigrad.nn as nn
from minigrad.train import (
    Callback,
    CancelBatch,
    CancelEpoch,
    CancelFit,
    Checkpoint,
    EarlyStopping,
    Learner,
    Metrics,
    OneCycle,
    ParamScheduler,
    ProgressBar,
    Recorder,
    accuracy,
    linear,
)  # fmt: skip
from minigrad.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset, WeightedRandomSampler

ROOT = Path(__file__).resolve().parent.parent


def momentum(parameters):
    return mg.optim.SGD(parameters, lr=0.1, momentum=0.9)


def adam(parameters):
    return mg.optim.Adam(parameters, lr=0.1)


def make(folder, optimizer=adam, **options):
    callbacks = [Recorder(), Metrics(accuracy, train=True), OneCycle(0.05), EarlyStopping(patience=9), Checkpoint(folder)]
    return problem(callbacks, optimizer=optimizer, **options)


def records(learner):
    recorder = next(callback for callback in learner.active if isinstance(callback, Recorder))
    return recorder.losses, recorder.lrs, recorder.metrics, learner.metrics


def stopping_at(event, when):
    def reply(learner):
        if when(learner):
            learner.interrupt()

    return recording([], **{event: reply})


STOPS = {
    "at the end of an epoch": ("after_epoch", lambda learner: learner.epoch == 1),
    "before an epoch": ("before_epoch", lambda learner: learner.epoch == 2),
    "in training": ("after_batch", lambda learner: learner.training and learner.epoch == 1 and learner.done == 2),
    "at the end of training": ("after_batch", lambda learner: learner.training and learner.epoch == 1 and learner.done == 4),
    "in validation": ("after_batch", lambda learner: not learner.training and learner.epoch == 1 and learner.done == 1),
    "at the end": ("after_epoch", lambda learner: learner.epoch == 3),
}


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("optimizer", [momentum, adam])
@pytest.mark.parametrize("own_generator", [False, True])
def test_a_resumed_fit_ends_with_the_same_bytes(tmp_path, stop, optimizer, own_generator):
    def generator():
        return mg.Generator().manual_seed(8) if own_generator else None

    straight = make(tmp_path / "straight", optimizer, generator=generator())
    mg.manual_seed(5)
    straight.fit(4)

    first = make(tmp_path / "first", optimizer, generator=generator())
    mg.manual_seed(5)
    first.fit(4, [stopping_at(*STOPS[stop])])
    assert first.epoch < 4 or stop == "at the end"

    second = make(tmp_path / "second", optimizer, generator=generator())
    mg.manual_seed(99)
    second.resume(tmp_path / "first" / "last.safetensors")
    assert bytes_of(second) == bytes_of(straight)
    assert records(second) == records(straight)
    assert (second.step, second.epoch) == (straight.step, straight.epoch)
    files = [tmp_path / name / "last.safetensors" for name in ("straight", "second")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_fit_that_is_cancelled_after_a_step_goes_on_with_the_same_bytes(tmp_path):
    def stop(learner):
        if learner.step == 7:
            raise CancelFit

    straight, first, second = (make(tmp_path / name) for name in "abc")
    mg.manual_seed(5)
    straight.fit(4)
    mg.manual_seed(5)
    first.fit(4, [recording([], after_step=stop)])
    assert all(parameter.grad is None for parameter in first.model.parameters())
    second.resume(tmp_path / "b" / "last.safetensors")
    assert bytes_of(second) == bytes_of(straight) and records(second) == records(straight)


def test_batches_that_threads_make_ahead_of_time_are_not_lost(tmp_path):
    def make(folder):
        learner = problem([Recorder(), Checkpoint(folder)], samples=80, validation=False)
        dataset = learner.data.train.dataset
        sampler = WeightedRandomSampler(mg.arange(1, 81).float(), 80, generator=mg.Generator().manual_seed(2))
        learner.data.train = DataLoader(dataset, 8, sampler=sampler, num_workers=2)
        return learner

    straight, first, second = make(tmp_path / "a"), make(tmp_path / "b"), make(tmp_path / "c")
    mg.manual_seed(5)
    straight.fit(2)
    mg.manual_seed(5)
    first.fit(2, [stopping_at("after_batch", lambda learner: learner.epoch == 1 and learner.done == 3)])
    assert first.step == 14
    second.resume(first.callbacks[-1].last_path)
    assert bytes_of(second) == bytes_of(straight) and records(second) == records(straight)


PROGRAM = """
    import os, signal, sys
    sys.path.insert(0, FOLDER)
    from test_train_checkpoint import make
    from training import bytes_of, recording
    import minigrad as mg

    def kill(learner):
        if learner.epoch == 2 and learner.done == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    folder, what = sys.argv[1:]
    learner = make(folder)
    mg.manual_seed(5)
    if what == "resume":
        learner.resume(folder + "/last.safetensors")
    else:
        learner.fit(4, [recording([], after_backward=kill)] if what == "kill" else [])
    print(sorted((name, value.hex()) for name, value in bytes_of(learner).items()))
"""


def test_a_killed_fit_goes_on_from_its_last_checkpoint(tmp_path):
    program = textwrap.dedent(PROGRAM).replace("FOLDER", repr(str(Path(__file__).parent)))

    def run(folder, what):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-c", program, str(folder), what]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    straight = run(tmp_path / "straight", "fit")
    assert straight.returncode == 0, straight.stderr
    assert run(tmp_path / "killed", "kill").returncode == -signal.SIGKILL
    resumed = run(tmp_path / "killed", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == straight.stdout != ""
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["best.safetensors", "last.safetensors"]


def test_gradients_that_wait_for_their_step_are_kept(tmp_path):
    def every_other(learner):
        if learner.done % 2 == 0:
            raise CancelBatch

    def accumulating(folder, *more):
        learner = make(folder)
        learner.callbacks += [recording([], after_backward=every_other), *more]
        return learner

    straight = accumulating(tmp_path / "a")
    straight.fit(2)
    first = accumulating(tmp_path / "b", stopping_at("after_batch", lambda learner: learner.training and learner.done == 2))
    first.fit(2)
    second = accumulating(tmp_path / "c")
    second.resume(tmp_path / "b" / "last.safetensors")
    assert bytes_of(second) == bytes_of(straight)


def test_buffers_that_a_state_dict_leaves_out_and_generators_of_modules_are_kept(tmp_path):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(mg.ones(4, 2))
            self.register_buffer("count", mg.zeros(()), persistent=False)
            self.generator = mg.Generator().manual_seed(1)

        def forward(self, x):
            self.count += 1
            return (x * self.count) @ self.weight + mg.rand(2, generator=self.generator)

    def learner():
        learner = problem(validation=False)
        model = Counting()
        return Learner(model, learner.data, learner.loss_function, mg.optim.SGD(model.parameters(), lr=0.01))

    straight, first, second = learner(), learner(), learner()
    mg.manual_seed(5)
    straight.fit(2)
    mg.manual_seed(5)
    first.fit(2, [stopping_at("after_batch", lambda learner: learner.done == 3)])
    first.save(tmp_path / "x")
    second.resume(tmp_path / "x")
    assert second.model.count.item() == straight.model.count.item() == 10
    assert bytes_of(second) == bytes_of(straight)
    other = problem(validation=False)
    with pytest.raises(ValueError, match="among buffers count, a Tensor of shape \\(\\) .*; the model has none such"):
        other.load(tmp_path / "x")


def test_generators_are_found_wherever_a_loader_holds_them():
    class Batches(BatchSampler):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.generator = mg.Generator()

    class Noisy(TensorDataset):
        generator = None

    shared, noise = mg.Generator(), Noisy(mg.ones(4, 4), mg.ones(4))
    noise.generator = mg.Generator()
    batches = Batches(RandomSampler(noise, generator=shared), 2, False)
    learner = problem()
    learner.data.train = DataLoader(noise, batch_sampler=batches, generator=shared)
    assert learner.generators() == {
        "default": mg.random.default_generator, "train.generator": shared,
        "train.batch_sampler.generator": batches.generator, "train.dataset.generator": noise.generator,
    }  # fmt: skip
    learner.data.train = DataLoader(noise, batch_sampler=batches)
    assert learner.generators()["train.batch_sampler.sampler.generator"] is shared


def test_a_position_after_a_cancelled_epoch_is_the_next(tmp_path):
    def cancel(error):
        def reply(learner):
            raise error

        return reply

    learner = problem([Checkpoint(tmp_path)])
    learner.fit(3, [recording([], before_batch=cancel(CancelEpoch), after_epoch=cancel(CancelFit))])
    state = mg.load(tmp_path / "last.safetensors")
    assert (state["epoch"], state["stage"], state["done"]) == (1, "start", 0)


def test_a_fit_that_was_stopped_early_stays_stopped(tmp_path):
    def make():
        return problem([EarlyStopping(patience=2, min_delta=100.0), Checkpoint(tmp_path)])

    learner = make()
    learner.fit(9)
    assert learner.epoch == 2  # the third epoch: only the first could be better by 100
    again = make()
    again.resume(tmp_path / "last.safetensors")
    assert again.step == learner.step == 15


def test_last_and_best(tmp_path):
    values = iter([3.0, 1.0, 2.0, float("nan"), 1.0])
    saved = []

    def change(learner):
        learner.metrics["score"] = next(values)

    class Watching(Callback):
        order = 99

        def after_epoch(self, learner):
            saved.append({path.name: mg.load(path)["epoch"] for path in tmp_path.iterdir()})

    metrics = recording([], after_epoch=change)
    learner = problem([metrics, Checkpoint(tmp_path / ".", monitor="score", every=2), Watching()])
    learner.fit(5)
    best = [state.get("best.safetensors") for state in saved]
    last = [state.get("last.safetensors") for state in saved]
    assert best == [1, 2, 2, 2, 2] and last == [None, 2, 2, 4, 4]
    assert mg.load(tmp_path / "last.safetensors")["epoch"] == 5  # written at the end of the fit
    assert mg.load(tmp_path / "best.safetensors")["callbacks"]["Checkpoint"] == {"best": 1.0}


def test_larger_may_be_better(tmp_path):
    values = iter([1.0, 3.0, 2.0])

    def change(learner):
        learner.metrics["score"] = next(values)

    checkpoint = Checkpoint(tmp_path, monitor="score", mode="max")
    problem([recording([], after_epoch=change), checkpoint]).fit(3)
    assert checkpoint.best == 3.0 and mg.load(checkpoint.best_path)["epoch"] == 2


def test_load_takes_over_weights_optimiser_and_streams(tmp_path):
    learner, other = make(tmp_path), problem(optimizer=adam)
    learner.fit(1)
    mg.manual_seed(0)
    other.load(tmp_path / "last.safetensors")
    assert bytes_of(other) == bytes_of(learner) and other.step == 5
    learner.fit(1, [ParamScheduler("lr", linear(0.1, 0.2))])
    assert bytes_of(other) != bytes_of(learner)  # a copy


# ----------------------------------------------------------------------------------------------------------- errors


def untouched(learner, action, error, message):
    before = bytes_of(learner), learner.snapshot()["callbacks"].keys(), learner.position(), learner.step
    with pytest.raises(error, match=message):
        action(learner)
    assert (bytes_of(learner), learner.snapshot()["callbacks"].keys(), learner.position(), learner.step) == before
    assert learner.pending is None


def test_a_damaged_or_foreign_file_changes_nothing(tmp_path):
    learner = make(tmp_path)
    learner.fit(1)
    whole = learner.callbacks[-1].last_path.read_bytes()
    path = tmp_path / "x.safetensors"
    for damaged, message in [
        (whole[: len(whole) // 2], "damaged"), (whole[:-1], "damaged"), (b"", "empty"), (whole[:100], "damaged"),
        (whole[:-9] + b"\1" + whole[-8:], "damaged"),
    ]:  # fmt: skip
        path.write_bytes(damaged)
        for action in (lambda learner: learner.load(path), lambda learner: learner.resume(path)):
            untouched(make(tmp_path), action, ValueError, f"cannot read .*x.safetensors: .*{message}")
    mg.save(learner.model.state_dict(), path)
    for action in (lambda learner: learner.load(path), lambda learner: learner.resume(path)):
        untouched(make(tmp_path), action, ValueError, "cannot take over .*x.safetensors: it is no checkpoint of a Learner")
    untouched(make(tmp_path), lambda learner: learner.resume(tmp_path / "none"), FileNotFoundError, "none")


def test_a_checkpoint_of_another_learner_changes_nothing(tmp_path):
    learner = make(tmp_path)
    learner.fit(1)
    path = tmp_path / "last.safetensors"

    def resume(learner):
        learner.resume(path)

    untouched(problem([Recorder()], optimizer=adam), resume, ValueError, "states of the callbacks .*'EarlyStopping'")
    learner.fit(1, [stopping_at("after_batch", lambda learner: learner.done == 2)])
    two = make(tmp_path)
    two.callbacks.append(Recorder())
    untouched(two, resume, ValueError, "the learner those of .*'Recorder 2'")
    other = make(tmp_path, generator=mg.Generator())
    untouched(other, resume, ValueError, "it has the random streams \\['default'\\], the learner has \\['default', 't")
    other = make(tmp_path)
    other.model.add_module("more", nn.Linear(2, 2))
    untouched(other, resume, ValueError, "Missing key")
    other = make(tmp_path)
    other.optimizer.add_param_group({"params": [mg.ones(1, requires_grad=True)]})  # found out when the model is loaded
    untouched(other, resume, ValueError, "groups of \\[8\\] parameters, optimizer of \\[6, 1\\]|groups of")
    state = mg.load(path)
    del state["optimizer"]
    mg.save(state, path)
    untouched(make(tmp_path), resume, ValueError, "cannot take over .*: .*expected 'optimizer'")
    for wrong in ({"epoch": "1"}, {"done": -1}, {"step": 0.5}, {"epochs": True}, {"stage": "end"}):
        mg.save(learner.snapshot() | wrong, path)
        message = "it has the position .*, which no fit has|expected (epoch|step) to be of type int, got"
        untouched(make(tmp_path), resume, ValueError, f"cannot take over .*: .*({message})")


def test_a_checkpoint_of_another_optimiser_changes_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    for epochs in (0, 1):  # before the first step their states are alike
        learner = problem(optimizer=adam)
        if epochs:
            learner.fit(epochs)
        learner.save(path)
        for other in (mg.optim.SGD, mg.optim.AdamW):
            message = f"it has the state of the optimizer Adam, the learner has {other.__name__}"
            for action in (lambda learner: learner.load(path), lambda learner: learner.resume(path)):
                untouched(problem(optimizer=other), action, ValueError, message)
    older = mg.load(path)
    del older["optimizer_class"]
    mg.save(older, path)
    learner = problem(optimizer=adam)
    learner.load(path)
    assert learner.step == 5


def test_callbacks_without_a_state_may_differ(tmp_path):
    learner = make(tmp_path)
    learner.fit(1)
    learner = make(tmp_path)
    learner.resume(tmp_path / "last.safetensors", [ProgressBar()])
    assert learner.step == 5
    more = Recorder()  # at the end of an epoch there may be one that begins there
    problem([Checkpoint(tmp_path)]).fit(1)
    state = mg.load(tmp_path / "last.safetensors")
    mg.save(state | {"epochs": 2}, tmp_path / "x")
    problem([Checkpoint(tmp_path), more]).resume(tmp_path / "x")
    assert len(more.losses) == 5


@pytest.mark.parametrize("call, error, message", [
    (lambda: Checkpoint("x", every=0), ValueError, "Checkpoint: expected every to be a positive number of epochs, got 0"),
    (lambda: Checkpoint("x", mode="least"), ValueError, "Checkpoint: expected mode 'min' or 'max', got 'least'"),
    (lambda: EarlyStopping(patience=0), ValueError, "expected a patience of at least 1 epoch, got 0"),
    (lambda: EarlyStopping(min_delta=-1), ValueError, "EarlyStopping: expected min_delta >= 0, got -1"),
])  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_metric_that_is_not_there(tmp_path):
    for callback in (EarlyStopping("speed"), Checkpoint(tmp_path, "speed")):
        with pytest.raises(ValueError, match="there is no metric 'speed', only \\['train_loss', 'validation_loss'\\]"):
            problem([callback]).fit(1)
