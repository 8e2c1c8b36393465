"""A stand-in for what comes with CuPy."""
