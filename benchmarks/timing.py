"""Clocks: ways of training that take turns in one process, and what is made of their times."""

import gc
import statistics
import time

import numpy as np

TURN_SECONDS = 0.01  # short, so that a disturbance spoils few turns and the median throws them out


def turn(trainer, steps):
    """Seconds per step over some steps, and those of each phase where the way has phases.

    A step before them is not timed: it pays for what the turn of another way left in the caches, and on the cores, where
    threads that have nothing to do keep looking for work for a while. Reading the last loss waits for a device that runs
    behind.
    """
    clock = time.perf_counter
    trainer.step(trainer.draw()).item()
    start = clock()
    if trainer.phases is None:
        for _ in range(steps):
            loss = trainer.step(trainer.draw())
        loss.item()
        return (clock() - start) / steps, None
    forward = backward = 0.0
    for _ in range(steps):
        begin = clock()
        phases = trainer.phases(trainer.draw())
        loss = next(phases)
        middle = clock()
        next(phases)
        end = clock()
        next(phases, None)
        forward, backward = forward + middle - begin, backward + end - middle
    loss.item()
    total = clock() - start
    return total / steps, (forward / steps, backward / steps, (total - forward - backward) / steps)


def device_turn(trainer_and_clock, steps):
    """Seconds per step over some steps: those between two events on the device, and those the host was busy with it.

    `trainer_and_clock`: beside the trainer, `mark()`, which gives an event of now, and `seconds(start, stop)`, which waits
    for both.
    """
    trainer, clock = trainer_and_clock
    start, begin = clock.mark(), time.perf_counter()
    for _ in range(steps):
        trainer.step(trainer.draw())
    host, stop = time.perf_counter() - begin, clock.mark()
    return clock.seconds(start, stop) / steps, host / steps


def measure(trainers, rounds, turn=turn):
    """What `turn` gives for every way in each of the quiet rounds; the ways take turns within a round.

    Other work on the machine only ever adds time, so the slower half of the rounds is left out: those in which the ways
    took more of their own medians.
    """
    gc.collect()
    gc.freeze()  # so that collections during one way's turn do not walk what another library imported
    steps = {}
    for label, trainer in trainers.items():
        once = turn(trainer, 1)[0]  # which also compiles, in libraries that do
        few = 20 if once < TURN_SECONDS else 1
        steps[label] = max(1, round(TURN_SECONDS / turn(trainer, few)[0]))
    measured = [[turn(trainer, steps[label]) for label, trainer in trainers.items()] for _ in range(rounds)]
    gc.unfreeze()
    usual = [statistics.median(total for total, _ in turns) for turns in zip(*measured, strict=True)]
    quiet = sorted(measured, key=lambda turns: sum(total / middle for (total, _), middle in zip(turns, usual, strict=True)))
    quiet = quiet[: (rounds + 1) // 2]
    return dict(zip(trainers, zip(*quiet, strict=True), strict=True))


def ratios(seconds, label, other):
    """One way's time to another's in the same round, for every round."""
    return [a / b for a, b in zip(seconds[label], seconds[other], strict=True)]


def ratio(seconds, label, other):
    """Median over the rounds of one way's time to another's in the same round; None where it did not run."""
    return statistics.median(ratios(seconds, label, other)) if other in seconds else None


def spread(values):
    """Half the range that the middle half of the values covers, relative to their median."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float((high - low) / (2 * middle))
