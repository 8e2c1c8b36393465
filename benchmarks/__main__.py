"""`python -m benchmarks`: training steps of minigrad, PyTorch and hand-written NumPy, side by side."""

import argparse
import os


def main():
    """Run the selected workloads, print a table for each, and write the JSON report if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="names of workloads, all by default")
    parser.add_argument("--rounds", type=int, default=200, help="turns that every way gets (200)")
    parser.add_argument("--quick", dest="rounds", action="store_const", const=20, help="for --rounds 20")
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS and of PyTorch (1)")
    parser.add_argument("--json", metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.threads < 1:
        parser.error("--rounds and --threads want a number of 1 or more")

    for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
        os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)
    from benchmarks import runner  # only now: NumPy's and PyTorch's thread pools read these at their import

    unknown = [name for name in arguments.workloads if name not in runner.WORKLOADS]
    if unknown:
        parser.error(f"no workload named {', '.join(unknown)}; there are {', '.join(runner.WORKLOADS)}")
    names = arguments.workloads or list(runner.WORKLOADS)
    runner.run(names, arguments.rounds, arguments.threads, arguments.json)


if __name__ == "__main__":
    main()
