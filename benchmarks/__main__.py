"""`python -m benchmarks`: training steps of minigrad, PyTorch, hand-written NumPy and others, side by side.

A bracket behind a ratio, as in 0.70 (<= 0.60), is what minigrad aims for.

`python -m benchmarks compare OLD NEW` shows what changed between two reports written with --json, and
`python -m benchmarks scaling` how steps grow with width, batch and depth. `python -m benchmarks profile` shows
where the time of a step goes.
"""

import argparse
import os
import sys

QUICK = 10  # rounds


def limit_threads(threads):
    """Have the libraries that are imported from now on use so many threads; they read these settings once."""
    for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ["NPROC"] = str(threads)  # of JAX's pool
    os.environ["NUM_CPU_THREADS"] = str(threads)  # of tinygrad
    if threads == 1:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()


def checked(parser, arguments):
    """The arguments, with the files to write known to have a place before hours of work."""
    if arguments.threads < 1 or getattr(arguments, "rounds", 1) < 1:
        parser.error("--rounds and --threads want a number of 1 or more")
    for path in filter(None, (arguments.json, arguments.plot)):
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            parser.error(f"there is no folder for {path}")
        if not os.access(folder, os.W_OK):
            parser.error(f"nothing can be written to the folder of {path}")
        if os.path.isdir(path):
            parser.error(f"{path} is a folder")
    if arguments.plot and not arguments.plot.lower().endswith(".png"):
        parser.error(f"--plot writes a PNG, got {arguments.plot}")
    return arguments


def add_shared(parser):
    """The options of everything that is timed."""
    parser.add_argument("--quick", dest="rounds", action="store_const", const=QUICK, help=f"{QUICK} rounds")
    parser.add_argument("--threads", type=int, default=1, help="threads of every library (1)")
    parser.add_argument("--json", metavar="FILE", help="also write the results to this file")
    parser.add_argument("--plot", metavar="FILE", help="also draw the results to this file, a PNG")


def known(parser, kind, names, choices):
    """The names given, none of which may be another than the choices."""
    unknown = [name for name in names if name not in choices]
    if unknown:
        parser.error(f"no {kind} named {', '.join(unknown)}; there are {', '.join(choices)}")
    return names


def run(argv):
    """Run the selected workloads, print a table for each, write the JSON report and the figure if asked to.

    None selected means all, but for a quick run not their memory, which takes a process for each way.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = "names of workloads, startup, memory; by default all, but no memory in a quick run"
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=what)
    parser.add_argument("--rounds", type=int, default=200, help="turns that every way gets (200)")
    add_shared(parser)
    arguments = checked(parser, parser.parse_args(argv))

    limit_threads(arguments.threads)
    from benchmarks import runner  # only now, so that every library reads the number of threads

    choices = [*runner.WORKLOADS, "startup", "memory"]
    names = known(parser, "workload", arguments.workloads, choices) or choices[: -1 if arguments.rounds <= QUICK else None]
    if arguments.plot and set(names) == {"memory"}:
        parser.error("--plot draws workloads and startup; memory has no picture")
    runner.run(names, arguments.rounds, arguments.threads, arguments.json, arguments.plot)


def compare(argv):
    """Print what changed between two reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=compare.__doc__)
    parser.add_argument("old", metavar="OLD.json")
    parser.add_argument("new", metavar="NEW.json")
    arguments = parser.parse_args(argv)
    from benchmarks.compare import compare as text_of
    from benchmarks.report import ReportError

    try:
        print(text_of(arguments.old, arguments.new))
    except ReportError as error:
        sys.exit(f"error: {error}")


def scaling(argv):
    """Time steps against width, batch and depth, and measure memory against depth; --quick takes every third point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=scaling.__doc__)
    parser.add_argument("curves", nargs="*", metavar="CURVE", help="width, batch, depth, memory; all by default")
    parser.add_argument("--rounds", type=int, default=40, help="turns that every way gets at every point (40)")
    add_shared(parser)
    arguments = checked(parser, parser.parse_args(argv))

    limit_threads(arguments.threads)
    from benchmarks import scaling as module

    names = known(parser, "curve", arguments.curves, module.CURVES) or list(module.CURVES)
    every = 3 if arguments.rounds <= QUICK else 1
    module.run(names, arguments.rounds, every, arguments.threads, arguments.json, arguments.plot)


def profile(argv):
    """Divide the time of minigrad's steps among array calls of several kinds and Python, and count bytecodes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks profile", description=profile.__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="names of workloads, by default all")
    parser.add_argument("--rounds", type=int, default=60, help="turns that every way gets (60)")
    add_shared(parser)
    arguments = checked(parser, parser.parse_args(argv))

    limit_threads(arguments.threads)
    from benchmarks import profile as module
    from minigrad.backend import on_gpu

    if on_gpu:
        parser.error("it times calls of NumPy, and MINIGRAD_BACKEND is cupy; python -m benchmarks.gpu counts kernels")
    names = known(parser, "workload", arguments.workloads, module.WORKLOADS) or list(module.WORKLOADS)
    module.run(names, arguments.rounds, arguments.threads, arguments.json, arguments.plot)


COMMANDS = {"compare": compare, "scaling": scaling, "profile": profile}


def main():
    """Run the command that the first argument names, or the workloads."""
    command, *rest = sys.argv[1:] or [None]
    if command in COMMANDS:
        COMMANDS[command](rest)
    else:
        run(sys.argv[1:])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
