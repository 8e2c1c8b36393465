"""Random programs step by step on minigrad and on PyTorch: tensors, gradients and errors agree after each step.

A program makes tensors, views them, changes them in place, switches recording off, registers hooks, runs backward once
or several times over one graph, detaches, clears gradients. `test_inplace.py` has the same for in-place changes alone,
with central differences to judge by; here PyTorch judges, and what it refuses is to be refused.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import minigrad as mg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of torch: that `.grad` of a non-leaf was asked for

PICK = st.integers(0, 30)
UNARY = ["tanh", "sin", "exp", "sigmoid", "relu", "neg", "square", "abs", "clone", "detach"]
BINARY = ["add", "sub", "mul", "maximum", "matmul"]
VIEWS = {
    "transpose": lambda x: x.transpose(0, -1),
    "flat": lambda x: x.view(-1),
    "reshape": lambda x: x.reshape(-1),
    "first": lambda x: x[0],
    "last of each": lambda x: x[..., -1],
    "tail": lambda x: x[1:],
    "every other": lambda x: x[..., ::2],
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.squeeze(0),
    "expand": lambda x: x.expand(2, *x.shape),
    "diagonal": lambda x: x.diagonal(),
}
COPIES = {
    "rows": lambda x, index: x[index([0, -1])],
    "sum": lambda x, index: x.sum(-1),
    "mean": lambda x, index: x.mean(),
    "max": lambda x, index: x.max(),
    "softmax": lambda x, index: x.softmax(-1),
    "flip": lambda x, index: x.flip(0),
    "gather": lambda x, index: x.gather(0, index([0])),
    "cumsum": lambda x, index: x.cumsum(0),
    "std": lambda x, index: x.std(-1, correction=0),
}
IN_PLACE = ["add_", "sub_", "mul_", "copy_"]
IN_PLACE_ALONE = ["tanh_", "sin_", "relu_", "zero_", "neg_", "detach_"]
PLACES = [0, (..., 0), slice(1, None), (slice(None), 1), ...]
ALONE = {  # what one side may refuse alone; a new program then begins
    torch: (
        "backward through the graph a second time",  # an operation need not keep the same on both sides
        "modified by an inplace operation",  # tanh_() keeps what it wrote here, not the memory that it wrote to
        "not have been used in the graph",  # a change under no_grad gives the views of a memory new nodes, there
    ),
    mg: ("Can't detach views",),  # the product with a vector is a view here
}
HOOKS = [lambda g: g * 2, lambda g: None, lambda g: g + g.sum()]


class Programs(RuleBasedStateMachine):
    """The two lists of tensors hold the same at every moment; a step that PyTorch refuses is refused by minigrad."""

    def __init__(self):
        super().__init__()
        self.steps = []

    @initialize(seed=st.integers(0, 99))
    def begin(self, seed):
        self.ours, self.theirs = [], []
        random = np.random.RandomState(seed)
        for shape, wanted in (((2, 3), True), ((3,), True), ((3, 3), False), ((), True)):
            values = random.uniform(-1, 1, shape)
            for library, tensors in self.sides():
                tensors.append(library.tensor(values, dtype=library.float64, requires_grad=wanted))

    def sides(self):
        return (torch, self.theirs), (mg, self.ours)

    def both(self, step, what):
        """Run a step on either side; a Tensor that it returns joins the list."""
        self.steps.append(what)
        results, may_differ = [], False
        for library, tensors in self.sides():
            try:
                results.append(step(library, tensors))
            except (RuntimeError, IndexError, ValueError, TypeError) as error:
                results.append(error)
                may_differ |= any(message in str(error) for message in ALONE[library])
        theirs, ours = results
        if may_differ and isinstance(theirs, Exception) != isinstance(ours, Exception):
            return self.begin(seed=len(self.steps))
        assert isinstance(theirs, Exception) == isinstance(ours, Exception), (self.steps, theirs, ours)
        if isinstance(theirs, Exception):
            kinds = [RuntimeError if isinstance(error, RuntimeError) else type(error) for error in results]
            assert kinds[0] is kinds[1], (self.steps, theirs, ours)
        elif isinstance(ours, mg.Tensor):
            small = ours.numel() <= 64 and bool(torch.isfinite(theirs).all()) and float(theirs.abs().sum()) < 1e6
            if small and len(self.ours) < 16:
                self.theirs.append(theirs)
                self.ours.append(ours)

    def pick(self, tensors, i):
        return tensors[i % len(tensors)]

    @rule(i=PICK, name=st.sampled_from(UNARY))
    def unary(self, i, name):
        self.both(lambda m, t: getattr(self.pick(t, i), name)(), (name, i))

    @rule(i=PICK, j=PICK, name=st.sampled_from(BINARY))
    def binary(self, i, j, name):
        self.both(lambda m, t: getattr(m, name)(self.pick(t, i), self.pick(t, j)), (name, i, j))

    @rule(i=PICK, name=st.sampled_from(list(VIEWS)))
    def view(self, i, name):
        self.both(lambda m, t: VIEWS[name](self.pick(t, i)), (name, i))

    @rule(i=PICK, name=st.sampled_from(list(COPIES)))
    def copy(self, i, name):
        self.both(lambda m, t: COPIES[name](self.pick(t, i), m.tensor), (name, i))

    @rule(i=PICK, name=st.sampled_from([name for name in UNARY if name != "detach"]))
    def without_recording(self, i, name):  # not views: PyTorch forbids to change those later, minigrad lets them be
        def step(m, t):
            with m.no_grad():
                return getattr(self.pick(t, i), name)()

        self.both(step, ("no_grad", name, i))

    @rule(i=PICK, j=PICK, name=st.sampled_from(IN_PLACE), recording=st.sampled_from([True, True, False]))
    def change(self, i, j, name, recording):
        def step(m, t):
            with m.set_grad_enabled(recording):
                getattr(self.pick(t, i), name)(self.pick(t, j))

        if not self.overlap(i, j) and (recording or not self.hooked(i)):
            self.both(step, (name, i, j, recording))

    @rule(i=PICK, name=st.sampled_from(IN_PLACE_ALONE), recording=st.sampled_from([True, True, False]))
    def change_alone(self, i, name, recording):
        def step(m, t):
            with m.set_grad_enabled(recording):
                getattr(self.pick(t, i), name)()

        if not (self.viewed(i) if name == "detach_" else not recording and self.hooked(i)):
            self.both(step, (name, i, recording))

    @rule(i=PICK, j=PICK, place=st.sampled_from(PLACES))
    def put(self, i, j, place):
        def step(m, t):
            self.pick(t, i)[place] = self.pick(t, j)

        if not self.overlap(i, j):
            self.both(step, ("setitem", i, j, place))

    def overlap(self, i, j):
        """Whether two tensors share memory, which PyTorch refuses for some overlaps and not for others."""
        return np.shares_memory(self.pick(self.ours, i).array, self.pick(self.ours, j).array)

    def viewed(self, i):
        """Whether other tensors share the memory of this one; in PyTorch they go on as views of what it was."""
        return sum(np.shares_memory(self.pick(self.ours, i).array, x.array) for x in self.ours) > 1

    def hooked(self, i):
        """Whether a hook waits for the gradient of this memory, which a change under no_grad takes from views in PyTorch."""
        array = self.pick(self.ours, i).array
        return any(x.node is not None and x.node.hooks and np.shares_memory(array, x.array) for x in self.ours)

    @rule(i=PICK, which=st.integers(0, len(HOOKS) - 1))
    def hook(self, i, which):
        def step(m, t):
            self.pick(t, i).register_hook(HOOKS[which])

        self.both(step, ("hook", i, which))

    @rule(i=PICK)
    def retain(self, i):
        def step(m, t):
            self.pick(t, i).retain_grad()

        self.both(step, ("retain_grad", i))

    @rule(i=PICK, keep=st.booleans())
    def backward(self, i, keep):
        def step(m, t):
            try:
                self.pick(t, i).sum().backward(retain_graph=keep)
            except RuntimeError:  # how far it came, is another matter
                for x in t:
                    if x.is_leaf or x.retains_grad:
                        x.grad = None
                raise

        self.both(step, ("backward", i, keep))

    @rule(i=PICK, j=PICK)
    def gradient_with_a_graph(self, i, j):
        def step(m, t):
            x = self.pick(t, j)
            (g,) = m.autograd.grad(self.pick(t, i).square().sum(), x, create_graph=True)
            return g.detach()  # a gradient of zero may depend on its inputs here and not there

        self.both(step, ("grad", i, j))

    @rule(i=PICK)
    def forget(self, i):
        def step(m, t):
            self.pick(t, i).grad = None

        self.both(step, ("forget", i))

    @invariant()
    def agree(self):
        for i, (x, y) in enumerate(zip(self.ours, self.theirs)):
            assert tuple(x.shape) == tuple(y.shape), (self.steps, i)
            assert (x.requires_grad, x.is_leaf) == (y.requires_grad, y.is_leaf), (self.steps, i)
            self.same(x, y, i)
            if y.is_leaf or y.retains_grad:
                assert (x.grad is None) == (y.grad is None), (self.steps, i)
                if y.grad is not None:
                    self.same(x.grad, y.grad, i)

    def same(self, x, y, i):
        a, b = x.detach().numpy(), y.detach().numpy()
        scale = np.abs(b[np.isfinite(b)]).max(initial=1.0)
        np.testing.assert_allclose(a, b, 1e-9, 1e-11 * scale, err_msg=f"tensor {i} after {self.steps}")


def programs(count, steps, machine=Programs):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )


def test_programs_as_torch():
    programs(100, 20)


@pytest.mark.slow
def test_many_programs_as_torch():
    programs(10_000, 12)
