"""Random programs of views, changes in place, hooks and backward calls, beside PyTorch."""

from .. import test_stateful
from . import Row


def rows(full):
    class Counted(test_stateful.Programs):
        programs = steps = 0

        def teardown(self):
            Counted.programs += 1
            Counted.steps += len(self.steps)

    test_stateful.programs(10000 if full else 100, 12, Counted)
    return [
        Row("random programs", Counted.programs, "values, gradients and errors as PyTorch's after every step"),
        Row("steps of these", Counted.steps, "agree"),
    ]
