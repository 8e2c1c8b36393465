"""Computing by the forms that NumPy has, also where kernels are in use: what tests compare the kernels with."""

import contextlib
import sys


@contextlib.contextmanager
def without_kernels():
    """Inside, no operation is computed by a kernel."""
    using = [m for name, m in list(sys.modules.items()) if name.startswith("minigrad.") and vars(m).get("ENABLED")]
    for module in using:
        module.ENABLED = False
    try:
        yield
    finally:
        for module in using:
            module.ENABLED = True
