"""Times training steps of minigrad beside PyTorch and hand-written NumPy: `python -m benchmarks --help`."""
