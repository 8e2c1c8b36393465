"""A small problem for the tests of `minigrad.train`, the same at every call."""

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.train import EVENTS, Callback, Learner
from minigrad.utils.data import DataLoader, TensorDataset


def problem(callbacks=(), optimizer=None, samples=40, batch_size=8, validation=True, loss=F.cross_entropy, generator=None):
    """A Learner whose model has everything that must survive a checkpoint: batch norm, dropout, shuffled data."""
    mg.manual_seed(3)
    x = mg.randn(samples, 4)
    y = (x[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
    train = DataLoader(TensorDataset(x, y), batch_size, shuffle=True, generator=generator)
    held_out = DataLoader(TensorDataset(x[:20], y[:20]), 8) if validation else None
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1) if optimizer is None else optimizer(model.parameters())
    return Learner(model, (train, held_out), loss, optimizer, callbacks)


def bytes_of(learner):
    """All numbers of a learner's model and optimiser, as bytes."""
    state = learner.model.state_dict()
    found = {name: tensor.numpy().tobytes() for name, tensor in state.items()}
    for i, values in learner.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            found[f"{i}.{name}"] = value.numpy().tobytes()
    found["stream"] = mg.get_rng_state().tobytes()
    return found


def recording(log, **replies):
    """A callback that writes down every event, and calls the reply to one with the learner."""

    def handler(event):
        def method(self, learner):
            log.append(event)
            if event in replies:
                replies[event](learner)

        return method

    return type("Recording", (Callback,), {event: handler(event) for event in EVENTS})()
