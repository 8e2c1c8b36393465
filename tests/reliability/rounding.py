"""Rounding of functions on ordinary and extreme data, in ulps."""

from .. import test_numbers
from . import Row


def rows(full):
    cases = [case for case in test_numbers.CASES if case not in test_numbers.KNOWN]
    near, far, largest = 0, [], 0.0
    for case in cases:
        test_numbers.compare(case, theirs := test_numbers.stored()[case])
        error, _ = test_numbers.measured("minigrad", *case)
        if error <= 4:
            near, largest = near + 1, max(largest, error)
        else:
            far.append(error / theirs[0])
    known = len(test_numbers.KNOWN)
    return [
        Row("functions on data, within 4 ulp of exact", near, f"largest error {largest:.2f} ulp"),
        Row("functions on data, further off", len(far), f"at most {max(far, default=0):.2f} of PyTorch's own error"),
        Row("functions on data, where PyTorch does better", known, "; ".join(sorted(set(test_numbers.KNOWN.values())))),
    ]
