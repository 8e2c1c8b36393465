"""Every family of workloads, in the order in which they run and are shown; to import one registers it."""

# isort: off
from benchmarks import names_mlp, names_deep, mnist_mlp, images, lstm, transformer, chain  # noqa: F401  (imported for that)
