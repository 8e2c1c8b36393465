"""`Learner`: the training loop, in which callbacks take part."""

import contextlib
import copy
import itertools
import os
import sys
from types import SimpleNamespace

from .. import states
from ..autograd import Variable, no_grad
from ..nn.module import Module
from ..optim import Optimizer
from ..serialization import load, save
from .callback import BATCH, EPOCH, EVENTS, FIT, PASS, Callback, Cancel, CancelFit, widest
from .communicator import Communicator
from .interrupt import on_interrupt
from .metrics import length, size
from .parallel import DataParallel
from .streams import generators, get_states, set_states

FORMAT = "minigrad.train.Learner 1"
KINDS_OF_STATE = {  # what a checkpoint holds, beside its format
    "model": dict, "buffers": dict, "gradients": dict, "optimizer": dict, "streams": dict, "stage_streams": dict,
    "callbacks": dict, "stage": str, "step": int, "epoch": int, "epochs": int, "done": int,
}  # fmt: skip
STAGES = ("start", "train", "validate")  # of an epoch, at which a fit can go on


class Learner:
    """Fits a model to data: model, data, loss function, optimiser, and the callbacks that take part in every fit.

    `data` has loaders `.train` and `.validation`, or is a pair of them; the second may be None. A loader is iterated
    once an epoch; its batches are tuples or lists, whose last entry is the target and the others what the model takes.
    `loss(prediction, target)` returns a tensor of one number.

    In several processes the model is given as a DataParallel. Each then has its own part of every batch, in `x`, `y` and
    `prediction`; `loss`, metrics and all that is recorded are those of whole batches, the same everywhere, and the loss is
    taken to be a mean over the batch. Process 0 alone prints, and reads and writes files.

    While it fits: `epoch` (from 0) of `epochs`, `batch` (as it was loaded), `x`, `y`, `prediction`, `loss`, `training` (or
    validating), `done` (batches of this pass over a loader that are over), `step` (how often the optimiser has stepped
    in all fits), `metrics` (of this epoch; see Metrics), `cancelled` (in an `after_` event, the kind of cancellation that
    brought it, or None), `interrupted` (whether Ctrl-C has asked the fit to end).
    """

    def __init__(self, model, data, loss, optimizer, callbacks=()):
        if not isinstance(model, Module):
            raise TypeError(f"Learner: expected model to be an nn.Module, got {type(model).__name__}")
        if not callable(loss):
            raise TypeError(f"Learner: expected loss to be a function of (prediction, target), got {type(loss).__name__}")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Learner: expected optimizer to be an Optimizer, got {type(optimizer).__name__}")
        self.parallel = model if isinstance(model, DataParallel) else DataParallel(model, communicator=Communicator())
        self.model, self.data, self.loss_function = self.parallel.module, with_parts(data), loss
        self.optimizer = optimizer
        self.callbacks = checked(callbacks)
        self.active = self.callbacks  # those of the present or last fit, in order
        self.running = self.training = False
        self.epoch = self.epochs = self.step = self.done = 0
        self.stage = "start"  # of the epoch, then "train", "validate" and "end"
        self.batch = self.x = self.y = self.prediction = self.loss = self.cancelled = None
        self.metrics = {}
        self.pending = None  # a state whose place in the fit has not been reached again
        self.stage_streams = {}  # states of the generators before this pass over a loader

    # ------------------------------------------------------------------------------------------------- the loop

    def fit(self, epochs, callbacks=()):
        """Train for so many epochs, with more callbacks for this fit alone.

        Ctrl-C ends the fit after the batch in hand, as a CancelFit does; a second one raises KeyboardInterrupt at once.
        """
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
            raise ValueError(f"fit: expected a positive number of epochs, got {epochs!r}")
        active = self.ordered(callbacks)
        self.epoch, self.epochs, self.stage, self.done = 0, epochs, "start", 0
        self.run(active)

    def ordered(self, callbacks):
        """The learner's callbacks and others, with all that they require, in the order in which events reach them."""
        if self.running:
            raise RuntimeError("fit: this learner is fitting already")
        active = [*checked(self.callbacks), *checked(callbacks)]
        for callback in active:  # grows on the way
            active += [kind() for kind in callback.requires if not any(isinstance(c, kind) for c in active)]
        if any(callback.searches for callback in active):
            active = [callback for callback in active if not callback.rests_in_search]
        return sorted(active, key=lambda callback: callback.order)

    def run(self, active):
        self.active, self.metrics, self.cancelled = active, {}, None
        self.parallel.communicator.reset()
        self.handlers = {
            event: [getattr(callback, event) for callback in active if hasattr(callback, event)] for event in EVENTS
        }
        self.running = True
        try:
            with contextlib.ExitStack() as stack:
                for callback in active:
                    stack.callback(callback.close, self)
                stack.enter_context(on_interrupt(self.interrupt))
                self.optimizer.zero_grad()
                self.phase("fit", FIT, self.run_fit)
        finally:
            self.running, self.pending = False, None
        if self.parallel.communicator.lost is not None:
            raise self.parallel.communicator.lost
        if self.interrupted and self.epoch < self.epochs and self.parallel.rank == 0:
            where = f"after epoch {self.epoch} of {self.epochs}"
            if searching := [type(callback).__name__ for callback in active if callback.searches]:
                where = f"in the search of {searching[0]}"  # which has put everything back
            elif self.stage != "start":
                where = f"in epoch {self.epoch + 1} of {self.epochs}, after {self.done} batches of its {self.stage} pass"
            print(f"fit: interrupted {where}", file=sys.stderr)

    def interrupt(self):
        """End the fit after the batch in hand; of several processes, when all have heard of it."""
        self.parallel.communicator.interrupt()

    @property
    def interrupted(self):
        """Whether the fit has been asked to end."""
        return self.parallel.communicator.interrupted

    @property
    def cut_off(self):
        """Whether an `after_` event comes since a CancelFit ended this part before its time."""
        return self.cancelled is CancelFit

    def phase(self, name, width, body):
        """Run `body` between two events; a cancellation ends it, and goes on if it is meant for a wider part."""
        cancelled = None
        try:
            self.event("before_" + name)
            body()
        except Cancel as exception:
            cancelled = widest(None, exception)
        self.cancelled = cancelled
        if width == EPOCH and cancelled is not CancelFit:
            self.stage = "end"
        try:
            self.event("after_" + name)
        except Cancel as exception:
            cancelled = widest(cancelled, exception)
        self.cancelled = None
        if cancelled is None or cancelled.width == width:
            return
        if cancelled.width < width:
            raise RuntimeError(f"fit: {cancelled.__name__} raised in an event of the {name}, which is no part of it")
        raise cancelled

    def event(self, name):
        """Tell every callback; a cancellation takes effect when all have heard of the event."""
        cancelled = None
        for handler in self.handlers[name]:
            try:
                handler(self)
            except Cancel as exception:
                cancelled = widest(cancelled, exception)
            except Exception as error:
                error.add_note(f"raised in {name} of the callback {type(handler.__self__).__name__}")
                raise
        if cancelled is not None:
            raise cancelled

    def run_fit(self):
        if self.pending is not None and self.stage == "start":
            self.arrive()
        while self.epoch < self.epochs and not self.interrupted:
            self.phase("epoch", EPOCH, self.run_epoch)
            self.epoch, self.stage, self.done = self.epoch + 1, "start", 0

    def run_epoch(self):
        if self.stage != "validate":  # unless it goes on with a validation that was interrupted
            self.phase("train", PASS, self.train)
        if self.data.validation is not None:
            self.phase("validate", PASS, self.validate)

    def train(self):
        self.training = True
        self.model.train()
        self.run_batches("train", self.data.train)

    def validate(self):
        self.training = False
        self.model.eval()
        with no_grad():
            self.run_batches("validate", self.data.validation)

    def run_batches(self, stage, loader):
        if self.pending is not None:
            set_states(self.generators(), self.pending["stage_streams"])
        self.stage_streams = get_states(self.generators())
        batches = iter(self.parallel.shares(loader))
        if self.pending is None:
            self.stage, self.done = stage, 0
        else:
            for _ in itertools.islice(batches, self.done):
                pass
            self.arrive()
        for self.batch in batches:
            self.x, self.y = self.split(self.batch)
            try:
                self.phase("batch", BATCH, self.run_batch)
            finally:
                self.done += 1
            if self.interrupted:
                raise CancelFit
        if self.done == 0:
            once = "; an iterator can be read only once: give a DataLoader or a list" if hasattr(loader, "__next__") else ""
            raise ValueError(f"Learner: the loader to {stage} with gave no batch{once}")

    def run_batch(self):
        self.prediction = self.loss = None  # the graph of the last batch goes before that of this one is made
        self.prediction = self.predict()
        self.event("after_predict")
        self.loss = loss = self.loss_function(self.prediction, self.y)
        if not isinstance(loss, Variable) or loss.array.size != 1:
            raise TypeError(f"Learner: expected the loss function to return a tensor of one number, got {described(loss)}")
        self.loss = self.parallel.mean(loss)
        self.event("after_loss")
        if self.training:
            self.loss.backward()
            self.event("after_backward")
            self.optimizer.step()
            self.step += 1
            try:
                self.event("after_step")
            finally:  # what a step has used must not be added to the next, even where a callback cancels
                self.optimizer.zero_grad()

    def split(self, batch):
        """The input (several as a tuple) and the target of a batch."""
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise TypeError(f"Learner: expected batches of (input, target), got {described(batch)}")
        *inputs, target = batch
        return inputs[0] if len(inputs) == 1 else tuple(inputs), target

    def predict(self):
        """What the model makes of `x`."""
        model = self.model if self.parallel.size == 1 else self.parallel
        return model(*self.x) if isinstance(self.x, tuple) else model(self.x)

    @property
    def samples(self):
        """How many samples the batch has, in all processes together."""
        return size(self.y) if self.parallel.size == 1 else self.parallel.counts[1]

    @property
    def batches(self):
        """How many batches an epoch trains on; None where the loader does not know."""
        return length(self.data.train)

    @property
    def progress(self):
        """Where the fit stands: 0 at its first training batch, 1 at its last."""
        done = {"start": 0, "train": self.done}.get(self.stage, self.batches)
        return min(1.0, (self.epoch * self.batches + done) / max(1, self.epochs * self.batches - 1))

    # ------------------------------------------------------------------------------------------------ the state

    def generators(self):
        """{name: Generator} of all that a fit draws from."""
        return generators(self.model, self.data)

    def position(self):
        """(epoch, stage, batches done) at which a fit goes on from here."""
        if self.stage == "end":
            return self.epoch + 1, "start", 0
        return self.epoch, self.stage, self.done

    def state_dict(self):
        """Everything that a fit depends on: numbers, and tensors that share memory with the learner's.

        Model with all its buffers and gradients, optimiser, random streams, position in the fit, and the states of the
        callbacks.
        """
        epoch, stage, done = self.position()
        streams = get_states(self.generators())
        callbacks = {name: callback.state_dict() for name, callback in named(self.active)}
        model = self.model.state_dict()
        return {
            "format": FORMAT, "model": model,
            "buffers": {name: b.detach() for name, b in self.model.named_buffers() if name not in model},
            "gradients": {name: p.grad.detach() for name, p in self.model.named_parameters() if p.grad is not None},
            "optimizer": self.optimizer.state_dict(), "optimizer_class": type(self.optimizer).__name__, "step": self.step,
            "epoch": epoch, "epochs": self.epochs, "stage": stage, "done": done,
            "streams": streams, "stage_streams": streams if stage == "start" else self.stage_streams,
            "callbacks": {name: state for name, state in callbacks.items() if state},
        }  # fmt: skip

    def load_state_dict(self, state_dict):
        """Take over a copy of a `state_dict`, but for the states of callbacks; nothing changes where it does not fit."""
        check_parts(state_dict)
        position = {name: state_dict[name] for name in ("step", "epoch", "epochs", "done")}
        if not all(type(n) is int and n >= 0 for n in position.values()) or state_dict["stage"] not in STAGES:
            raise ValueError(f"it has the position {position} at {state_dict['stage']!r}, which no fit has")
        kind, saved = type(self.optimizer).__name__, state_dict.get("optimizer_class")  # older checkpoints do not tell
        if saved not in (None, kind):
            raise ValueError(f"it has the state of the optimizer {saved}, the learner has {kind}")
        own, buffers = self.generators(), dict(self.model.named_buffers())
        parameters = dict(self.model.named_parameters())
        for key, known in (("buffers", buffers), ("gradients", parameters)):
            for name, value in state_dict[key].items():
                if not isinstance(value, Variable) or name not in known or known[name].shape != value.shape:
                    raise ValueError(f"it has among {key} {name}, {states.shown(value)}; the model has none such")
        for streams in (state_dict["streams"], state_dict["stage_streams"] or state_dict["streams"]):
            if set(streams) != set(own):
                raise ValueError(f"it has the random streams {sorted(streams)}, the learner has {sorted(own)}")
            for name, stream in streams.items():
                states.tensor("a Learner", f"stream {name}", stream, (None,), "u")
        before = self.snapshot()
        try:
            self.put(state_dict)
        except Exception:
            self.put(before)
            raise

    def put(self, state):
        self.model.load_state_dict(state["model"])
        buffers = dict(self.model.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].detach().copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        for name, parameter in self.model.named_parameters():
            grad = state["gradients"].get(name)
            parameter.grad = None if grad is None else grad.clone()
        set_states(self.generators(), state["streams"])
        self.stage_streams = state["stage_streams"]
        for name in ("step", "epoch", "epochs", "stage", "done"):
            setattr(self, name, state[name])

    def snapshot(self):
        """A copy of the state, for `load_state_dict`."""
        return copy.deepcopy(self.state_dict())

    def save(self, path):
        """Write the state to a file, from which `load` and `resume` read; it is whole, or what it was before."""
        if self.parallel.rank == 0:
            save(self.state_dict(), path)

    def load(self, path):
        """Take over the state in a file, but for the states of callbacks; nothing changes where there is an error.

        Model, buffers, optimiser, random streams and the count of steps are then those of the learner that wrote it. The
        weights alone are `minigrad.load(path)["model"]`.
        """
        self.read(path)

    def read(self, path, active=None):
        if self.running:
            raise RuntimeError("load: this learner is fitting")
        state = load(path) if self.parallel.rank == 0 else None
        state = self.parallel.communicator.object(state)
        try:
            check_parts(state)
            if active is not None:
                match_callbacks(state, active)
                try_on(state["callbacks"], active)
            self.load_state_dict(state)
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            reason = error.args[0] if isinstance(error, KeyError) else error  # as text a KeyError is in quotes
            raise ValueError(f"load: cannot take over {os.fspath(path)}: {reason}") from error
        return state

    def resume(self, path, callbacks=()):
        """Go on with the fit that wrote a checkpoint, to its end, as if it had not stopped: bit for bit.

        The learner must be made as the one that wrote it, with the same callbacks; those without a state may differ, and
        at the end of an epoch there may be more. In the middle of one, batches that are done are loaded again, but not
        computed.
        """
        active = self.ordered(callbacks)
        self.pending = self.read(path, active)
        self.run(active)

    def arrive(self):
        """The events before the checkpoint have come again: put what they may have changed in place."""
        state, self.pending = self.pending, None
        set_states(self.generators(), state["streams"])
        for name, parameter in self.model.named_parameters():
            if name in state["gradients"]:
                parameter.grad = state["gradients"][name].clone()
        for name, callback in named(self.active):
            if name in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][name])


# ---------------------------------------------------------------------------------------------------- arguments


def with_parts(data):
    """An object with loaders `.train` and `.validation`."""
    if isinstance(data, (tuple, list)) and len(data) == 2:
        data = SimpleNamespace(train=data[0], validation=data[1])
    if not hasattr(data, "train") or not hasattr(data, "validation"):
        raise TypeError(f"Learner: expected data with .train and .validation, or a pair of loaders, got {described(data)}")
    for name, loader in (("train", data.train), ("validation", data.validation)):
        if not hasattr(loader, "__iter__") and (name == "train" or loader is not None):
            raise TypeError(f"Learner: expected the {name} loader to be iterable, got {type(loader).__name__}")
    return data


def described(value):
    if isinstance(value, Variable):
        return f"a Tensor of shape {tuple(value.shape)}"
    return f"{type(value).__name__} of length {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__


def checked(callbacks):
    """The callbacks as a list, every one an instance."""
    if isinstance(callbacks, Callback) or not hasattr(callbacks, "__iter__"):
        raise TypeError(f"callbacks: expected a list of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            hint = f"; make one: {callback.__name__}()" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks: expected instances of Callback, got {callback!r}{hint}")
    return callbacks


def named(callbacks):
    """(name, callback): the name of its class, with a number where there are several."""
    counts = {}
    for callback in callbacks:
        name = type(callback).__name__
        counts[name] = count = counts.get(name, 0) + 1
        yield name if count == 1 else f"{name} {count}", callback


def check_parts(state):
    """Refuse what is no state of a learner, or lacks a part of one."""
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError("it is no checkpoint of a Learner")
    for key, kind in KINDS_OF_STATE.items():
        value = states.entry("a Learner", state, key)
        states.expect("a Learner", key, value, isinstance(value, kind), f"of type {kind.__name__}")


def try_on(saved, active):
    """Load the states of callbacks, so that one that does not fit is known before anything changes, and put back theirs."""
    before = [(callback, copy.deepcopy(callback.state_dict())) for _, callback in named(active)]
    try:
        for name, callback in named(active):
            if name in saved:
                callback.load_state_dict(saved[name])
    finally:
        for callback, state in before:
            if state:
                callback.load_state_dict(state)


def match_callbacks(state, callbacks):
    """ValueError unless these callbacks take over all that a state keeps; in the middle of an epoch none may be without."""
    saved, own = set(state["callbacks"]), {name for name, callback in named(callbacks) if callback.state_dict()}
    if saved - own or own - saved and state["stage"] != "start":
        raise ValueError(f"it has states of the callbacks {sorted(saved)}, the learner those of {sorted(own)}")
