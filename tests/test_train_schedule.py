"""Schedules against their formulas and against the library's and torch's own schedulers."""

import math

import pytest
from training import problem, recording

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.train import Learner, OneCycle, ParamScheduler, combine, cosine, exponential, linear, polynomial

PLACES = [0, 0.1, 0.25, 0.5, 0.9, 1]


@pytest.mark.parametrize("schedule, formula", [
    (linear(2, 5), lambda t: 2 + 3 * t),
    (cosine(2, 5), lambda t: 5 + (2 - 5) * (1 + math.cos(math.pi * t)) / 2),
    (exponential(2, 0.05), lambda t: 2 * math.exp(t * math.log(0.05 / 2))),
    (exponential(-2, -5), lambda t: -2 * 2.5**t),
    (polynomial(2, 5, 3), lambda t: 5 - 3 * (1 - t) ** 3),
    (polynomial(2, 0, 1), lambda t: 2 - 2 * t),
    (combine([0.25, 0.75], [linear(0, 1), linear(1, 0)]), lambda t: 4 * t if t < 0.25 else (1 - t) / 0.75),
])  # fmt: skip
def test_a_schedule_follows_its_formula_and_meets_both_ends(schedule, formula):
    assert [schedule(t) for t in PLACES] == pytest.approx([formula(t) for t in PLACES], rel=1e-14, abs=1e-15)
    assert (schedule(0), schedule(1)) == (formula(0), formula(1))


def test_schedules_in_a_row_each_take_their_share():
    schedule = combine([0.2, 0.3, 0.5], [linear(0, 1), cosine(10, 20), exponential(1, 4)])
    assert [schedule(t) for t in (0, 0.1, 0.2, 0.35, 0.5, 0.75, 1)] == pytest.approx([0, 0.5, 10, 15, 1, 2, 4], rel=1e-14)
    tenths = combine([0.1] * 10, [linear(i, i + 1) for i in range(10)])  # shares whose sum is 0.9999999999999999
    assert tenths(1) == 10 and tenths(0.95) == pytest.approx(9.5)


@pytest.mark.parametrize("make, error, message", [
    (lambda: linear("1", 2), TypeError, "linear: expected finite numbers, got '1'"),
    (lambda: cosine(1, math.nan), TypeError, "cosine: expected finite numbers, got nan"),
    (lambda: exponential(0, 1), ValueError, "exponential: expected two numbers of one sign, neither of them 0, got 0 and 1"),
    (lambda: exponential(-1, 1), ValueError, "exponential: expected two numbers of one sign"),
    (lambda: polynomial(1, 0, 0), ValueError, "polynomial: expected a positive power, got 0"),
    (lambda: polynomial(1, 0, True), TypeError, "polynomial: expected finite numbers, got True"),
    (lambda: combine([], []), ValueError, "combine: expected a share for each schedule, got 0 for 0"),
    (lambda: combine([0.5, 0.5], [linear(0, 1)]), ValueError, "combine: expected a share for each schedule, got 2 for 1"),
    (lambda: combine([0.5, 0.6], [linear(0, 1)] * 2), ValueError, "expected positive shares that sum to 1"),
    (lambda: combine([-1, 2], [linear(0, 1)] * 2), ValueError, "expected positive shares that sum to 1"),
    (lambda: combine([0.5, 0.5], [linear(0, 1), 3]), TypeError, "combine: expected schedules, functions of t, got int"),
    (lambda: ParamScheduler("lr", 0.1), TypeError, "ParamScheduler: expected a schedule, a function of t, got float"),
    (lambda: ParamScheduler("lr", [linear(0, 1), 2]), TypeError, "expected a schedule, a function of t, got int"),
    (lambda: OneCycle("1"), TypeError, "OneCycle: expected finite numbers, got '1'"),
    (lambda: OneCycle(1, pct_start=1.5), ValueError, "OneCycle: expected pct_start between 0 and 1, got 1.5"),
    (lambda: OneCycle(1, div_factor=0), ValueError, "OneCycle: expected positive factors, got div_factor=0"),
])  # fmt: skip
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def settings_of(callbacks, optimizer, epochs=2, names=("lr",)):
    """Each named setting of the first group at every training step of a fit of 5 batches an epoch."""
    seen = []

    def look(learner):
        seen.append([learner.optimizer.param_groups[0][name] for name in names])

    problem(callbacks, optimizer=optimizer).fit(epochs, [recording([], after_step=look)])
    return [list(column) for column in zip(*seen)]


def sgd(parameters):
    return mg.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def adam(parameters):
    return mg.optim.Adam(parameters, lr=0.1)


def test_any_setting_of_the_optimiser_can_be_scheduled():
    schedulers = [ParamScheduler("lr", cosine(1, 0)), ParamScheduler("weight_decay", linear(0, 0.9))]
    lrs, decays = settings_of(schedulers, sgd, names=("lr", "weight_decay"))
    assert lrs == pytest.approx([(1 + math.cos(math.pi * i / 9)) / 2 for i in range(10)], abs=1e-15)
    assert decays == pytest.approx([i / 10 for i in range(10)])
    assert settings_of([ParamScheduler("momentum", linear(0, 0.9))], sgd, names=("momentum",))[0][-1] == 0.9
    (betas,) = settings_of([ParamScheduler("momentum", linear(0, 0.9))], adam, names=("betas",))
    assert betas[0] == (0, 0.999) and betas[-1] == (0.9, 0.999)


def test_a_schedule_can_differ_between_groups_and_rests_in_validation():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = mg.optim.SGD([{"params": layer.parameters()} for layer in model], lr=0.1)
    batch = mg.ones(3, 2), mg.tensor([0, 1, 0])
    learner = Learner(model, ([batch] * 3, [batch]), F.cross_entropy, optimizer)
    seen = []

    def look(learner):
        seen.append(tuple(group["lr"] for group in optimizer.param_groups))

    learner.fit(2, [ParamScheduler("lr", [linear(0, 5), linear(10, 5)]), recording([], after_predict=look)])
    training = [(0, 10), (1, 9), (2, 8), (3, 7), (4, 6), (5, 5)]
    assert seen == [*training[:3], (2, 8), *training[3:], (5, 5)]  # the fourth and the last of them in validation
    with pytest.raises(ValueError, match="ParamScheduler: got 3 schedules for 2 parameter groups"):
        learner.fit(1, [ParamScheduler("lr", [linear(0, 1)] * 3)])
    with pytest.raises(ValueError, match="got 3 schedules for 2 parameter groups"):
        learner.fit(1, [OneCycle([0.1, 0.2, 0.3])])


def test_a_setting_that_is_not_there_and_data_of_unknown_length_are_errors():
    with pytest.raises(ValueError, match="ParamScheduler: Adam has no setting 'dampening', only amsgrad, betas"):
        settings_of([ParamScheduler("dampening", linear(0, 1))], adam)
    learner = problem()
    learner.data.train = iter(list(learner.data.train))
    for callback in (ParamScheduler("lr", linear(0, 1)), OneCycle(0.1)):
        with pytest.raises(TypeError, match="has to know how long the fit is, but the training list_iterator has no length"):
            learner.fit(1, [callback])


@pytest.mark.parametrize("optimizer, name", [(sgd, "momentum"), (adam, "betas")])
@pytest.mark.parametrize("options", [{}, {"pct_start": 0.6, "div_factor": 10, "final_div_factor": 100, "max_momentum": 0.9}])
def test_one_cycle_is_that_of_the_library(optimizer, name, options):
    seen = settings_of([OneCycle(0.7, **options)], optimizer, epochs=4, names=("lr", name))
    own = optimizer([mg.ones(1, requires_grad=True)])
    scheduler = mg.optim.lr_scheduler.OneCycleLR(own, 0.7, total_steps=20, **options)
    for i in range(20):
        assert seen[0][i] == pytest.approx(own.param_groups[0]["lr"], rel=1e-12)
        assert seen[1][i] == pytest.approx(own.param_groups[0][name], rel=1e-12)
        own.step()
        if i < 19:
            scheduler.step()


def test_one_cycle_without_a_rise_and_without_a_fall():
    (lrs,) = settings_of([OneCycle(1.0, pct_start=0.0)], sgd)
    assert lrs[0] == 1 and lrs == sorted(lrs, reverse=True) and lrs[-1] == pytest.approx(1 / 25e4)
    (lrs,) = settings_of([OneCycle(1.0, pct_start=1.0)], sgd)
    assert lrs[0] == 1 / 25 and lrs == sorted(lrs) and lrs[-1] == 1
    (momenta,) = settings_of([OneCycle(1.0, cycle_momentum=False)], sgd, names=("momentum",))
    assert momenta == [0.9] * 10


def test_schedules_are_torchs():
    torch = pytest.importorskip("torch")

    def theirs(scheduler, steps=10):
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5, momentum=0.9)
        schedule, lrs = scheduler(optimizer), []
        for i in range(steps):
            lrs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if i < steps - 1:
                schedule.step()
        return lrs

    kinds = torch.optim.lr_scheduler
    for callback, scheduler in [
        (ParamScheduler("lr", cosine(0.5, 0.1)), lambda o: kinds.CosineAnnealingLR(o, 9, eta_min=0.1)),
        (ParamScheduler("lr", linear(0.1, 0.5)), lambda o: kinds.LinearLR(o, 0.2, 1.0, total_iters=9)),
        (ParamScheduler("lr", exponential(0.5, 0.5 * 0.8**9)), lambda o: kinds.ExponentialLR(o, 0.8)),
        (ParamScheduler("lr", polynomial(0.5, 0, 2)), lambda o: kinds.PolynomialLR(o, 9, power=2)),
        (OneCycle(0.5), lambda o: kinds.OneCycleLR(o, 0.5, total_steps=10)),
    ]:
        assert settings_of([callback], sgd)[0] == pytest.approx(theirs(scheduler), rel=1e-9, abs=1e-12)
