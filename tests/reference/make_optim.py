"""Trains a few numbers with PyTorch's optimisers for `tests/test_optim.py` to compare with.

`python make_optim.py`, made with PyTorch 2.13.0, writes `optim.npz` next to this file.
Everything but `main` works with minigrad too.
"""

from pathlib import Path

import numpy as np

STEPS, EVERY = 50, 5
SHAPES = [(3, 4), (5,), ()]
CASES = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.05}),
    "sgd_nesterov": ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    "sgd_maximize": ("SGD", {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.05, "maximize": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum": ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1}),
    "rmsprop_centered": ("RMSprop", {"centered": True, "momentum": 0.5, "eps": 1e-4, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad_decay": (
        "Adagrad",
        {"lr": 0.2, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-6},
    ),
    "adagrad_maximize": ("Adagrad", {"maximize": True}),
    "adadelta": ("Adadelta", {}),
    "adadelta_decay": ("Adadelta", {"lr": 0.7, "rho": 0.8, "eps": 1e-5, "weight_decay": 0.1}),
    "adadelta_maximize": ("Adadelta", {"maximize": True}),
    "adam": ("Adam", {}),
    "adam_decay": ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    "adam_amsgrad": ("Adam", {"lr": 0.02, "amsgrad": True, "betas": (0.5, 0.9), "maximize": True}),
    "adam_decoupled": ("Adam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "betas": (0.5, 0.9), "amsgrad": True}),
}


def start(library, dtype="float32"):
    """Parameters that require grad."""
    generator = np.random.default_rng(1)
    return [library.tensor(generator.normal(size=s).astype(dtype)).requires_grad_() for s in SHAPES]


def set_gradients(library, params, step):
    """The gradient of a noisy bowl: it depends on where the parameters are, and on the step."""
    generator = np.random.default_rng(1000 + step)
    for p in params:
        x = np.asarray(p.detach().numpy())
        p.grad = library.tensor(np.asarray(0.3 * x + generator.normal(size=x.shape), x.dtype))


def train(library, optimizer, params, steps=range(STEPS)):
    """Every few steps all parameters as one vector: (steps / EVERY, numbers)."""
    trajectory = []
    for step in steps:
        set_gradients(library, params, step)
        optimizer.step()
        if step % EVERY == EVERY - 1:
            trajectory.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return np.array(trajectory)


def run(library, case):
    """The trajectory of a case, and its last state: {name: the numbers of all parameters as one vector}."""
    name, settings = CASES[case]
    params = start(library)
    optimizer = getattr(library.optim, name)(params, **settings)
    trajectory, state = train(library, optimizer, params), optimizer.state_dict()["state"]
    names = state[0] if state else ()
    return trajectory, {
        name: np.concatenate([state[i][name].numpy().ravel() for i in state]) for name in names
    }


def main():
    import torch

    stored = {}
    for case in CASES:
        stored[case], state = run(torch, case)
        stored |= {f"{case}.{name}": value for name, value in state.items()}
    np.savez_compressed(Path(__file__).with_name("optim.npz"), **stored)


if __name__ == "__main__":
    main()
