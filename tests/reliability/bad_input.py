"""Calls with wrong arguments, each of which is to end in one error that says what is wrong."""

from .. import test_bad_input
from . import Row


def rows(full):
    calls = [row.values for row in test_bad_input.rows()]
    for call in calls:
        test_bad_input.test_errors(*call)
    changes = test_bad_input.WHOLE.strip().splitlines()
    for line in changes:
        test_bad_input.test_an_error_leaves_things_as_they_were(line)
    return [
        Row("calls with wrong arguments", len(calls), f"one error each, in {len({group for group, *_ in calls})} groups"),
        Row("changes with wrong arguments", len(changes), "refused, and everything left as it was"),
    ]
