"""Recurrent layers: RNN, LSTM and GRU over whole sequences, and their cells for one step."""

import math

from ..autograd import wrap
from ..backend import xp
from ..creation import empty
from ..guard import warn
from ..ops.join import cat, stack
from ..ops.shape import transpose, unsqueeze
from . import functional as F
from . import init
from .functional.recurrent import gru_, lstm_, rnn_
from .module import Module, Parameter


class Recurrent(Module):
    """What layers and cells share: weights and starting states; a subclass takes its `scan` from below."""

    gates = 1  # rows of weights for each hidden unit
    states = ("hidden",)
    dims = (2, 3)  # that the input may have

    def __init__(self, input_size, hidden_size, bias):
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero, got {size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def add_weights(self, width, suffix, device, dtype):
        """Weights and biases for an input of `width` features, in torch's order and under torch's names."""
        rows = self.gates * self.hidden_size
        columns = {"weight_ih": (width,), "weight_hh": (self.hidden_size,), "bias_ih": (), "bias_hh": ()}
        for name, size in columns.items():
            wanted = size or self.bias
            parameter = Parameter(empty(rows, *size, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name + suffix, parameter)

    def weights(self, suffix):
        return [getattr(self, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def reset_parameters(self):
        """Draw the starting values anew: uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def checked(self, input):
        """The shape of the input, without a batch or with one."""
        name, x, w = type(self).__name__, input.array, next(self.parameters()).array
        if x.ndim not in self.dims:
            raise ValueError(f"{name}: Expected input to be {self.dims[0]}D or {self.dims[1]}D, got {x.ndim}D instead")
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{x.shape[-1]}"
            )
        if x.dtype != w.dtype:
            raise ValueError(f"{name}: input dtype ({x.dtype}) does not match weight dtype ({w.dtype})")
        return x.shape

    def starting(self, hx, size, input):
        """The starting states as a list of Tensors of `size`: zeros where `hx` is None."""
        if hx is None:
            return [wrap(xp.zeros(size, input.array.dtype)) for _ in self.states]
        hx = list(hx) if len(self.states) > 1 else [hx]
        if len(hx) != len(self.states):
            raise RuntimeError(f"{type(self).__name__}: expected {len(self.states)} states, got {len(hx)}")
        for name, state in zip(self.states, hx):
            if state.shape != size:
                raise RuntimeError(f"{type(self).__name__}: Expected {name} size {size}, got {list(state.shape)}")
            if state.dtype != input.dtype:
                raise RuntimeError(
                    f"{type(self).__name__}: {name} and input must have the same dtype, but got {state.dtype} and "
                    f"{input.dtype}"
                )
        return hx


# ---------- one layer, one direction: x (T, N, features) -> outputs (T, N, hidden_size), list of last states


def scan_rnn(self, x, states, w_ih, w_hh, b_ih, b_hh, reverse):
    products = F.linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    y = rnn_(products, *states, w_hh, self.nonlinearity, reverse)
    return y, [y[0 if reverse else -1]]


def scan_lstm(self, x, states, w_ih, w_hh, b_ih, b_hh, reverse):
    products = F.linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    y = lstm_(products, *states, w_hh, reverse)
    return y[:-1], [y[0 if reverse else -2], y[-1]]


def scan_gru(self, x, states, w_ih, w_hh, b_ih, b_hh, reverse):
    y = gru_(F.linear(x, w_ih, b_ih), *states, w_hh, b_hh, reverse)
    return y, [y[0 if reverse else -1]]


def known(nonlinearity):
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
    return nonlinearity


# ----------------------------------------------------------------------------------------------------- layers


class Sequence(Recurrent):
    """What RNN, LSTM and GRU share: layers on top of each other, each in one direction or in both.

    Input (T, N, input_size), or (N, T, input_size) where `batch_first`, or (T, input_size) without a batch.
    Returns the outputs of the last layer at every step, (T, N, directions * hidden_size), and the states
    after the last step, of every layer and direction: (layers * directions, N, hidden_size). `dropout` acts
    in training between layers.
    """

    def __init__(
        self, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
    ):
        super().__init__(input_size, hidden_size, bias)
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], got {dropout}")
        if dropout and num_layers == 1:
            warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}"
            )
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        for layer in range(num_layers):
            width = hidden_size * len(self.directions) if layer else input_size
            for suffix in self.directions:
                self.add_weights(width, f"_l{layer}{suffix}", device, dtype)
        self.reset_parameters()

    @property
    def directions(self):
        return ("", "_reverse") if self.bidirectional else ("",)

    def forward(self, input, hx=None):
        shape = self.checked(input)
        batched = len(shape) == 3
        x = input if batched else unsqueeze(input, 1)
        if batched and self.batch_first:
            x = transpose(x, 0, 1)
        length, batch, _ = x.shape
        if length == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        count = self.num_layers * len(self.directions)
        hx = self.starting(hx, (count, batch, self.hidden_size) if batched else (count, self.hidden_size), input)
        hx = hx if batched else [unsqueeze(state, 1) for state in hx]
        last = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self.directions:
                states = [state[len(last)] for state in hx]
                y, states = self.scan(x, states, *self.weights(f"_l{layer}{suffix}"), suffix == "_reverse")
                outputs.append(y)
                last.append(states)
            x = cat(outputs, 2) if self.bidirectional else y
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        hx = tuple(stack(states) for states in zip(*last))
        if not batched:
            x, hx = x[:, 0], tuple(state[:, 0] for state in hx)
        elif self.batch_first:
            x = transpose(x, 0, 1)
        return x, hx if len(hx) > 1 else hx[0]

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        for name, default in defaults.items():
            text += f", {name}={getattr(self, name)}" if getattr(self, name) != default else ""
        return text


class RNN(Sequence):
    """h' = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh), or relu in place of tanh.

    Source: Elman, 1990.
    """

    scan = scan_rnn

    def __init__(
        self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
        dropout=0.0, bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity = known(nonlinearity)


class LSTM(Sequence):
    """Long short-term memory; the states are (hidden, cell). Source: Hochreiter and Schmidhuber, 1997."""

    gates, states, scan = 4, ("hidden[0]", "hidden[1]"), scan_lstm

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)


class GRU(Sequence):
    """Gated recurrent unit. Source: Cho et al., 2014."""

    gates, scan = 3, scan_gru

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)


# ------------------------------------------------------------------------------------------------------ cells


class Cell(Recurrent):
    """One step: input (N, input_size) and states (N, hidden_size), or all without N, -> new states."""

    dims = (1, 2)

    def __init__(self, input_size, hidden_size, bias, device, dtype):
        super().__init__(input_size, hidden_size, bias)
        self.add_weights(input_size, "", device, dtype)
        self.reset_parameters()

    def forward(self, input, hx=None):
        shape = self.checked(input)
        states = self.starting(hx, (*shape[:-1], self.hidden_size), input)
        if len(shape) == 1:
            input, states = unsqueeze(input, 0), [unsqueeze(state, 0) for state in states]
        _, states = self.scan(unsqueeze(input, 0), states, *self.weights(""), False)
        states = tuple(state[0] for state in states) if len(shape) == 1 else tuple(states)
        return states if len(states) > 1 else states[0]

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")


class RNNCell(Cell):
    """One step of an RNN."""

    scan = scan_rnn

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = known(nonlinearity)

    def extra_repr(self):
        nonlinearity = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + nonlinearity


class LSTMCell(Cell):
    """One step of an LSTM; the states are a tuple (hidden, cell)."""

    gates, states, scan = 4, ("hidden[0]", "hidden[1]"), scan_lstm

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, device, dtype)


class GRUCell(Cell):
    """One step of a GRU."""

    gates, scan = 3, scan_gru

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, device, dtype)
