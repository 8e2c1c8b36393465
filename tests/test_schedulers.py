"""Schedules give PyTorch's learning rates: stored ones always, PyTorch's own where it is installed."""

import copy
import inspect
import math
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.optim import SGD, Adagrad, AdamW, Optimizer, lr_scheduler

REFERENCE = Path(__file__).parent / "reference"
made_by = runpy.run_path(str(REFERENCE / "make_schedulers.py"))
CASES, EPOCHS, make, follow = (made_by[name] for name in ("CASES", "EPOCHS", "make", "follow"))


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "schedulers.npz") as file:
        return dict(file)


def an_optimizer(cls=SGD, groups=1, lr=0.1):
    params = [{"params": [mg.zeros(1, requires_grad=True)]} for _ in range(groups)]
    return cls(params, lr=lr)


# ------------------------------------------------------------------------------------------------- the values


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize("case", CASES)
def test_stored_learning_rates_and_momentum(case, optimizer, stored):
    expected = stored[f"{case}.{optimizer}"]
    rows = follow(*make(mg, case, optimizer))
    np.testing.assert_allclose(rows, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("case", CASES)
def test_learning_rates_equal_torch_bit_for_bit(case):
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(follow(*make(mg, case)), follow(*make(torch, case)))


@pytest.mark.parametrize(
    "case", [case for case in CASES if "plateau" not in case and "sequential" not in case]
)
def test_going_on_at_an_epoch_equals_torch(case):
    """With last_epoch=4, where the groups have the settings that four epochs left."""
    torch = pytest.importorskip("torch")
    rates = []
    for library in (mg, torch):
        optimizer, scheduler = make(library, case)
        follow(optimizer, scheduler, range(4))

        class GoesOn:
            """The module with every schedule told to go on."""

            def __getattr__(self, name, module=library.optim.lr_scheduler):
                return lambda *args, **options: getattr(module, name)(*args, **options, last_epoch=4)

        rates.append(follow(optimizer, CASES[case](GoesOn(), optimizer), range(30)))
    np.testing.assert_array_equal(*rates)


def test_warm_restarts_between_epochs_equals_torch():
    torch = pytest.importorskip("torch")
    for multiple in (1, 3):
        rates = []
        for library in (mg, torch):
            optimizer = library.optim.SGD([library.zeros(1, requires_grad=True)], lr=0.3)
            scheduler = library.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, multiple, 0.01)
            epochs = [0, 0.25, 0.5, 3.75, 4.0, 9.5, 2, 16.0, 52.0, 60.5]
            rates.append([])
            for epoch in epochs:
                scheduler.step(epoch)
                rates[-1] += [*scheduler.get_last_lr(), scheduler.last_epoch, scheduler.T_cur, scheduler.T_i]
        np.testing.assert_allclose(*rates, rtol=1e-12)


@pytest.mark.parametrize("multiple", [1, 2])
@pytest.mark.parametrize("last_epoch", [2, 3, 6, 7, 20])
def test_warm_restarts_go_on_after_any_number_of_cycles(multiple, last_epoch):
    going_on, throughout = an_optimizer(), an_optimizer()
    going_on.param_groups[0]["initial_lr"] = 0.1
    late = lr_scheduler.CosineAnnealingWarmRestarts(going_on, 3, multiple, last_epoch=last_epoch)
    whole = lr_scheduler.CosineAnnealingWarmRestarts(throughout, 3, multiple)
    rates = follow(throughout, whole, range(last_epoch + 10))
    np.testing.assert_array_equal(follow(going_on, late, range(9)), rates[last_epoch + 1 :])


def test_some_values_by_hand():
    scheduler = lr_scheduler.StepLR(an_optimizer(lr=1.0), 2)
    rates = []
    for _ in range(5):
        rates += scheduler.get_last_lr()
        scheduler.optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01])
    optimizer = an_optimizer(lr=5.0)
    cycle = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.5)
    rows = follow(optimizer, cycle, range(10))
    expected = [[1 / 25, 0.95, 1 / 25], [1, 0.85, 1], [1 / 25 / 1e4, 0.95, 1 / 25 / 1e4]]
    np.testing.assert_allclose(rows[[0, 4, 9]], expected, rtol=1e-12)


def test_the_first_step_can_be_the_top_of_a_cycle():
    optimizer = an_optimizer()
    cycle = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.1)  # the way up has no steps
    assert cycle.get_last_lr() == [1.0]
    assert 0 < follow(optimizer, cycle, range(10))[5][0] < 1


def test_a_change_by_hand_lasts():
    optimizer = an_optimizer(lr=1.0)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [4.0] == [optimizer.param_groups[0]["lr"]]


def test_two_schedules_multiply():
    optimizer = an_optimizer(lr=1.0)
    schedules = [lr_scheduler.ExponentialLR(optimizer, 0.5), lr_scheduler.StepLR(optimizer, 2, gamma=0.1)]
    for _ in range(2):
        optimizer.step()
        for scheduler in schedules:
            scheduler.step()
    np.testing.assert_allclose(optimizer.param_groups[0]["lr"], 0.25 * 0.1)


def test_every_signature_is_torchs():
    torch = pytest.importorskip("torch")
    for name, cls in vars(lr_scheduler).items():
        if isinstance(cls, type) and issubclass(cls, lr_scheduler.LRScheduler):
            ours = inspect.signature(cls).parameters
            theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
            assert [(p.name, p.default) for p in ours.values()] == [
                (p.name, p.default) for p in theirs.values()
            ]


# ----------------------------------------------------------------------------------------- the order of calls


def test_a_schedule_that_steps_before_its_optimizer_warns():
    scheduler = lr_scheduler.StepLR(an_optimizer(), 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    scheduler.step()  # once is enough
    assert scheduler.last_epoch == 2


def test_the_right_order_does_not_warn():
    optimizer = an_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()


def test_an_optimizer_with_a_step_of_its_own_does_not_warn():
    class Own(Optimizer):
        def step(self):
            pass

    scheduler = lr_scheduler.StepLR(Own([mg.zeros(1)], {"lr": 0.1}), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


# ------------------------------------------------------------------------------------------------------ state


@pytest.mark.parametrize("case", CASES)
def test_a_schedule_goes_on_from_its_state(case):
    optimizer, scheduler = make(mg, case)
    follow(optimizer, scheduler, range(11))
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    expected = follow(optimizer, scheduler, range(11, EPOCHS))
    resumed, other = make(mg, case)
    other.load_state_dict(states[1])
    resumed.load_state_dict(states[0])
    np.testing.assert_array_equal(follow(resumed, other, range(11, EPOCHS)), expected)


@pytest.mark.parametrize("case", CASES)
def test_state_goes_both_ways_with_torch(case):
    torch = pytest.importorskip("torch")
    ours, theirs = make(mg, case), make(torch, case)
    follow(*ours, range(11))
    follow(*theirs, range(11))
    state, expected = ours[1].state_dict(), theirs[1].state_dict()
    private = {"_get_lr_called_within_step", "mode_worse", "_schedulers"}
    assert {k: v for k, v in state.items() if k not in private} == {
        k: v for k, v in expected.items() if k not in private
    }
    resumed = make(mg, case)
    resumed[1].load_state_dict(expected)
    resumed[0].load_state_dict(ours[0].state_dict())
    np.testing.assert_array_equal(follow(*resumed, range(11, 30)), follow(*ours, range(11, 30)))


def test_the_state_of_a_callable_object_is_saved():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    state = lr_scheduler.LambdaLR(an_optimizer(groups=2), [Decay(0.5), lambda epoch: 1.0]).state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}, None]
    other = lr_scheduler.LambdaLR(an_optimizer(groups=2), [Decay(0.9), lambda epoch: 1.0])
    other.load_state_dict(state)
    other.optimizer.step()
    other.step()
    np.testing.assert_allclose(other.get_last_lr(), [0.05, 0.1])


def test_a_group_added_later_has_its_least_learning_rate():
    optimizer = an_optimizer(lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.3)
    optimizer.add_param_group({"params": [mg.zeros(2, requires_grad=True)], "lr": 2.0})
    for _ in range(3):
        scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.3, 0.3]
    listed = lr_scheduler.ReduceLROnPlateau(an_optimizer(), patience=0, min_lr=[0.3])
    listed.optimizer.add_param_group({"params": [mg.zeros(2, requires_grad=True)]})
    listed.step(1.0)
    with pytest.raises(ValueError, match="min_lrs: expected a value for each of 2 parameter groups, got 1"):
        listed.step(1.0)


def test_plateau_takes_a_loss_tensor_and_counts_nan_as_bad():
    scheduler = lr_scheduler.ReduceLROnPlateau(an_optimizer(lr=1.0), patience=1)
    scheduler.step(mg.tensor(1.0))
    for _ in range(2):
        scheduler.step(math.nan)
    assert scheduler.best == 1.0 and scheduler.get_last_lr() == [0.1]


# ----------------------------------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    "create, error, message",
    [
        (lambda s, o: s.StepLR("SGD", 2), TypeError, "str is not an Optimizer"),
        (lambda s, o: s.ReduceLROnPlateau("SGD"), TypeError, "str is not an Optimizer"),
        (lambda s, o: s.OneCycleLR("SGD", 0.1, total_steps=2), TypeError, "str is not an Optimizer"),
        (lambda s, o: s.LambdaLR("SGD", abs), TypeError, "str is not an Optimizer"),
        (lambda s, o: s.StepLR(o, 2, last_epoch=3), KeyError, "last_epoch=3 needs an 'initial_lr'"),
        (lambda s, o: s.LambdaLR(o, [abs, abs]), ValueError, "a value for each of 1 parameter groups, got 2"),
        (lambda s, o: s.ConstantLR(o, 1.5), ValueError, r"in \[0, 1\], got 1.5"),
        (lambda s, o: s.LinearLR(o, 0.0), ValueError, r"start_factor expected to be in \(0, 1\], got 0.0"),
        (lambda s, o: s.LinearLR(o, 0.5, 1.5), ValueError, r"end_factor expected to be in \[0, 1\], got 1.5"),
        (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0, but got 0"),
        (
            lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 1.5),
            ValueError,
            "positive integer T_mult, but got 1.5",
        ),
        (
            lambda s, o: s.CosineAnnealingWarmRestarts(o, 2).step(-1),
            ValueError,
            "non-negative epoch, but got -1",
        ),
        (
            lambda s, o: s.OneCycleLR(o, 0.1),
            ValueError,
            "either total_steps or both epochs and steps_per_epoch",
        ),
        (lambda s, o: s.OneCycleLR(o, 0.1, epochs=3), ValueError, "either total_steps or both"),
        (
            lambda s, o: s.OneCycleLR(o, 0.1, total_steps=-2),
            ValueError,
            "positive integer total_steps, but got -2",
        ),
        (
            lambda s, o: s.OneCycleLR(o, 0.1, epochs=2.0, steps_per_epoch=3),
            ValueError,
            "integer epochs, but got 2.0",
        ),
        (
            lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=1.5),
            ValueError,
            "between 0 and 1 pct_start, but got 1.5",
        ),
        (
            lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="x"),
            ValueError,
            "'cos' or 'linear', instead got 'x'",
        ),
        (lambda s, o: s.OneCycleLR(o, [0.1, 0.2], 10), ValueError, "max_lr: expected a value for each of 1"),
        (
            lambda s, o: s.OneCycleLR(an_optimizer(Adagrad), 0.1, 10),
            ValueError,
            "an optimizer with momentum or betas",
        ),
        (lambda s, o: s.SequentialLR(o, [], []), ValueError, "at least one schedule"),
        (
            lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
            ValueError,
            "got 1 schedules and 1 milestones",
        ),
        (
            lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
            ValueError,
            "not support ReduceLROnPlateau",
        ),
        (
            lambda s, o: s.SequentialLR(an_optimizer(), [s.StepLR(o, 1)], []),
            ValueError,
            "expects schedules of its optimizer, not so at 0",
        ),
        (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor should be < 1.0, got 1.0"),
        (
            lambda s, o: s.ReduceLROnPlateau(o, "best"),
            ValueError,
            "mode should be 'min' or 'max', got 'best'",
        ),
        (
            lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x"),
            ValueError,
            "should be 'rel' or 'abs', got 'x'",
        ),
        (
            lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0, 0]),
            ValueError,
            "min_lr: expected a value for each of 1",
        ),
    ],
)
def test_misuse(create, error, message):
    with pytest.raises(error, match=message):
        create(lr_scheduler, an_optimizer())


def test_a_cycle_has_an_end():
    optimizer = an_optimizer(AdamW)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
    follow(optimizer, scheduler, range(3))
    optimizer.step()
    with pytest.raises(ValueError, match="Tried to step 4 times, of 3 in total"):
        scheduler.step()
