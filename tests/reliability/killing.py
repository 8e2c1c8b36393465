"""Processes that are killed at random moments."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback


def program(function, *arguments):
    """What a function of a module returns in a new process, which has no threads and so can fork."""
    code = "import json, sys; from {0} import {1}; print(json.dumps({1}(*json.loads(sys.argv[1]))))"
    code = code.format(function.__module__, function.__name__)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def started(work):
    """The number of a new process that does some work and ends."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def ended(child):
    """Wait for a process; whether it came to its end, as it must unless it was killed."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"a process ended with {status}"
    return status == 0


def lines_of_the_library(work, last=None):
    """Do some work and count the lines of minigrad that run, or be killed before the line of number `last`."""
    count = 0

    def watch(frame, event, argument):
        nonlocal count
        if f"minigrad{os.sep}" not in frame.f_code.co_filename:
            return None
        if event == "line":
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
        return watch

    sys.settrace(watch)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def killed(work, check, times):
    """Do some work in `times` processes and kill each, half of them at a random moment and half at a random line.

    Returns `times`, and in words how often `check` said what, or "finished" for more processes that were too fast. `check`
    raises AssertionError where something is lost.
    """
    work()  # what is imported and cached on the way, is
    check()
    lines = lines_of_the_library(work)
    check()
    start = time.perf_counter()
    assert ended(started(work))
    seconds = time.perf_counter() - start
    check()
    chance, found = random.Random(0), collections.Counter()
    while (kills := found.total() - found["finished"]) < times:
        if kills % 2:
            child = started(work)
            time.sleep(chance.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        else:
            last = chance.randrange(lines)
            child = started(lambda last=last: lines_of_the_library(work, last))
        finished, said = ended(child), check()
        found["finished" if finished else said] += 1
    return times, ", ".join(f"{count} {said}" for said, count in sorted(found.items()))
