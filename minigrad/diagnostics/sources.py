"""What `plots` draws from: a `Record`, or plain values under names. Here both become NumPy arrays under names."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from .. import nn
from ..autograd import Variable
from ..backend import Array, to_numpy
from .record import Record

NO_VALUES = "no values"  # the detail of a layer for which there are none, finite or not


class NothingToDraw(ValueError):
    """The source holds none of what a plot shows."""


class Distribution(NamedTuple):
    """Values of one layer and what is known of them, for one curve."""

    values: np.ndarray  # flat, finite
    detail: str


def host(values):
    """The values of a tensor, an array of either library, a number, or any nesting of lists of these, as float64."""
    if isinstance(values, Variable):
        values = values.array
    if isinstance(values, Array):
        return to_numpy(values).astype(np.float64)
    if isinstance(values, (list, tuple)):
        return np.array([host(value) for value in values], np.float64)
    return np.asarray(values, np.float64)


def is_record(source):
    return isinstance(source, Record)


def is_plain(source):
    """Whether the source holds the values of one layer themselves."""
    return isinstance(source, (Variable, Array, np.ndarray, list, tuple))


def layers_of(operation, source, layers):
    """The chosen layers under the names that a figure calls them by: name -> LayerRecord or plain values.

    `layers`: patterns of names or kinds. By default the nonlinear layers of a record, or all where it has no such.
    """
    found = _entries(operation, source, "layers")
    if not is_record(source):
        return _chosen(operation, "layers", found, {name: (name,) for name in found}, layers)
    if layers is None:
        layers = [name for name, layer in found.items() if _is_nonlinear(layer.kind)] or "*"
    found = {f"{name} {layer.kind}": (name, layer) for name, layer in found.items()}
    words = {label: (label, name, layer.kind) for label, (name, layer) in found.items()}
    return {label: layer for label, (_, layer) in _chosen(operation, "layers", found, words, layers).items()}


def parameters_of(operation, source, parameters):
    """The chosen parameters: name -> ParameterRecord or plain values.

    `parameters`: patterns of names. By default those of a record with two dimensions or more, or all where it has none.
    """
    found = _entries(operation, source, "parameters")
    if parameters is None and is_record(source):
        parameters = [name for name, parameter in found.items() if len(parameter.shape) > 1] or "*"
    return _chosen(operation, "parameters", found, {name: (name,) for name in found}, parameters)


def _entries(operation, source, group):
    if is_record(source):
        found = getattr(source, group)
    elif isinstance(source, Mapping):
        found = {str(name): values for name, values in source.items()}
    elif is_plain(source):
        found = {"values": source}
    else:
        raise TypeError(f"{operation}: expected a Record, or values in a dict by name, got {type(source).__name__}")
    if not found:
        hint = "the dict is empty"
        if is_record(source):
            hint = source.missing if group == "layers" else "run a training step inside `watch`"
        raise NothingToDraw(f"{operation}: there are no {group} to draw: {hint}")
    return dict(found)


def _chosen(operation, group, found, words, patterns):
    if patterns is None:
        return found
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    fits = {name: any(word == pattern or fnmatchcase(word, pattern) for word in words[name] for pattern in patterns)
            for name in found}  # fmt: skip
    chosen = {name: entry for name, entry in found.items() if fits[name]}
    if not chosen:
        there = ", ".join(found)
        raise ValueError(f"{operation}: {group}={patterns} matches none of these: {there}")
    return chosen


def _is_nonlinear(kind):
    known = getattr(nn, kind, None)
    return known is None or known.__module__ == nn.Tanh.__module__  # a class of the user's own may be anything


def steps_of(operation, source, steps, length):
    """The training step of each of `length` points."""
    if is_record(source):
        if steps is not None:
            raise ValueError(f"{operation}: steps= is for plain values; a Record has its own")
        steps = source.steps
    steps = np.arange(length, dtype=np.float64) if steps is None else host(steps)
    if steps.shape != (length,):
        raise ValueError(f"{operation}: expected {length} steps, as many as there are values, got shape {steps.shape}")
    return steps


def curves(operation, source, entries, steps, attribute, needed=True):
    """(steps, name -> a number per step); of the entries of a Record it is their `attribute`, which may be needed."""
    values = {}
    for name, entry in entries.items():
        values[name] = y = host(getattr(entry, attribute) if is_record(source) else entry)
        if y.ndim != 1:
            raise ValueError(f"{operation}: expected one number per step for {name!r}, got values of shape {y.shape}")
        if len(y) != len(first := next(iter(values.values()))):
            raise ValueError(f"{operation}: {name!r} has {len(y)} values where the others have {len(first)}")
    if not len(y):
        raise NothingToDraw(f"{operation}: there are no steps to draw; run a training step inside `watch`")
    if needed and is_record(source) and all(np.isnan(y).all() for y in values.values()):
        raise NothingToDraw(f"{operation}: nothing was recorded under `{attribute}`; see `watch`")
    return steps_of(operation, source, steps, len(y)), values


def distribution(values, detail=""):
    """Flat and finite values, with a word on those that were left out and on those that are exactly zero."""
    values = host(values).ravel() if values is not None else np.empty(0)
    finite = values[np.isfinite(values)]
    words = [detail] if detail else []
    if finite.size and not finite.all():
        words.append(f"zero {100 * (finite == 0).mean():.1f} %")
    if finite.size < values.size:
        words.append(f"not finite {100 * (1 - finite.size / values.size):.1f} %")
    return Distribution(finite, ", ".join(words) if values.size else NO_VALUES)
