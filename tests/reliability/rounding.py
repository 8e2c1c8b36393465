"""Rounding of functions on ordinary and extreme data, in ulps."""

from .. import test_numbers
from . import Row


def rows(full):
    near, far, largest = 0, [], 0.0
    for case in test_numbers.CASES:
        test_numbers.compare(case, theirs := test_numbers.stored()[case])
        error, _ = test_numbers.measured("minigrad", *case)
        if error <= 4:
            near, largest = near + 1, max(largest, error)
        else:
            far.append(1.0 if error == theirs[0] else error / theirs[0])  # both may be infinite
    return [
        Row("functions on data, within 4 ulp of exact", near, f"largest error {largest:.2f} ulp"),
        Row("functions on data, further off", len(far), f"at most {max(far, default=0):.2f} of PyTorch's own error"),
    ]
