"""One command on a machine with a GPU: `python -m benchmarks.gpu`; see `__main__`."""
