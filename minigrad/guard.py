"""What the functions of the library say where they are given something else than a Tensor.

Inside, a function asks its arguments for their `.array` and checks nothing. That this fails for a list or a NumPy array
is noticed here, at the door, so that the functions stay short and what goes well costs no more than a call.
"""

import contextlib
import functools
import os
import sys
import types
import warnings

from .autograd import Variable
from .backend import kind_of

INSIDE = ("array", "current_node", "dtype")  # what the functions ask of a Tensor

FILES = os.path.dirname(__file__) + os.sep, contextlib.__file__  # of the library, and of what decorates its functions


def warn(text):
    """A UserWarning at the line that called the library, however many of its functions lie in between."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(FILES):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def explain(error, operation):
    """Raise torch's error for what went wrong in an operation, unless the error itself says it.

    No variable holds the new error: its traceback would hold that, and only the garbage collector could free the two and
    all arrays on the way.
    """
    if isinstance(error, MemoryError):
        raise RuntimeError(f"{operation}: not enough memory: {error}") from error
    if isinstance(error, OverflowError):
        raise RuntimeError(f"{operation}: a number is too large: {error}") from error
    if error.name in INSIDE and not isinstance(error.obj, Variable):
        raise TypeError(f"{operation}(): expected a Tensor, got {kind_of(error.obj)}") from error


def guarded(function):
    """The function, with the errors of `explain`."""

    @functools.wraps(function)
    def call(*args, **options):
        try:
            return function(*args, **options)
        except (AttributeError, MemoryError, OverflowError) as error:
            explain(error, function.__name__)
            raise

    return call


def guard(namespace, prefixes):
    """Put guarded functions in the place of those that a module exports from modules whose names begin with `prefixes`.

    Primitives check on their own. The functions say that they live in that module: so a pickle finds them there.
    """
    for name, function in list(namespace.items()):
        if isinstance(function, types.FunctionType) and not hasattr(function, "rule"):
            if function.__module__.startswith(prefixes):
                namespace[name] = guarded(function)
                namespace[name].__module__, namespace[name].__qualname__ = namespace["__name__"], name
