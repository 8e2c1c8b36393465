"""Steps through PyTorch's schedules for `tests/test_schedulers.py` to compare with.

`python make_schedulers.py`, made with PyTorch 2.13.0, writes `schedulers.npz` next to this file.
Everything but `main` works with minigrad too.
"""

import math
from pathlib import Path

import numpy as np

EPOCHS = 45
CASES = {  # each makes a schedule of an optimiser with two groups
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]),
    "step": lambda s, o: s.StepLR(o, 7, 0.3),
    "multi_step": lambda s, o: s.MultiStepLR(o, [3, 3, 10, 22], gamma=0.4),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
    "constant": lambda s, o: s.ConstantLR(o, 0.3, 7),
    "constant_default": lambda s, o: s.ConstantLR(o),
    "linear": lambda s, o: s.LinearLR(o, 0.2, 0.9, 11),
    "linear_default": lambda s, o: s.LinearLR(o),
    "polynomial": lambda s, o: s.PolynomialLR(o, 20, 1.7),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 13, 0.001),
    "cosine_warm": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 0.01),
    "cosine_warm_equal": lambda s, o: s.CosineAnnealingWarmRestarts(o, 8),
    "one_cycle": lambda s, o: s.OneCycleLR(o, [0.4, 1.0], total_steps=EPOCHS),
    "one_cycle_linear": lambda s, o: s.OneCycleLR(
        o,
        0.4,
        epochs=5,
        steps_per_epoch=9,
        anneal_strategy="linear",
        pct_start=0.25,
        div_factor=10,
        final_div_factor=50,
    ),
    "one_cycle_three": lambda s, o: s.OneCycleLR(
        o, 0.4, total_steps=EPOCHS, three_phase=True, base_momentum=[0.7, 0.8], max_momentum=0.9
    ),
    "one_cycle_lr_only": lambda s, o: s.OneCycleLR(o, 0.4, total_steps=EPOCHS + 9, cycle_momentum=False),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=3, min_lr=[0.001, 0.01]),
    "plateau_max": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.5, 1, 0.1, "rel"),
    "plateau_max_abs": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.5, 1, 0.1, "abs", min_lr=0.02),
    "plateau_min_abs": lambda s, o: s.ReduceLROnPlateau(o, "min", 0.5, 1, 0.1, "abs", eps=0.01),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.9)], [5, 30]
    ),
    "sequential_cycle": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 5), s.OneCycleLR(o, 0.3, total_steps=60)], [4]
    ),
    "sequential_many": lambda s, o: s.SequentialLR(
        o,
        [s.ConstantLR(o, 0.1), s.StepLR(o, 3), s.CosineAnnealingWarmRestarts(o, 4), s.MultiStepLR(o, [0, 2])],
        [0, 9, 20],
    ),
}


def make(library, case, optimizer="SGD"):
    """An optimiser of two groups with learning rates 0.1 and 0.5, and its schedule."""
    params = [library.zeros(2, requires_grad=True), library.zeros(3, requires_grad=True)]
    made = getattr(library.optim, optimizer)(
        [{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1
    )
    return made, CASES[case](library.optim.lr_scheduler, made)


def follow(optimizer, scheduler, epochs=range(EPOCHS)):
    """Per epoch the learning rate of each group, its momentum or first beta, and what `get_last_lr` says."""
    rows = []
    for epoch in epochs:
        groups = optimizer.param_groups
        momentum = [group["betas"][0] if "betas" in group else group["momentum"] for group in groups]
        rows.append([group["lr"] for group in groups] + momentum + list(scheduler.get_last_lr()))
        optimizer.step()
        if hasattr(scheduler, "num_bad_epochs"):
            scheduler.step(math.cos(epoch / 5) * (1 + 1 / (epoch + 1)))
        else:
            scheduler.step()
    return np.array(rows, np.float64)


def main():
    import torch

    stored = {}
    for case in CASES:
        for optimizer in ("SGD", "AdamW"):
            stored[f"{case}.{optimizer}"] = follow(*make(torch, case, optimizer))
    np.savez_compressed(Path(__file__).with_name("schedulers.npz"), **stored)


if __name__ == "__main__":
    main()
