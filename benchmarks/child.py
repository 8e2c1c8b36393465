"""Python in a process of its own, for what only a new process can tell."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def last_line(code, *arguments, given=None):
    """The last line that some code prints; `arguments` are in its sys.argv, the bytes `given` on its standard input.

    RuntimeError with what it raised if it fails. Modules leave their bytecode, as those that are installed do.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, *arguments]
    finished = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, env=environment)
    if finished.returncode:  # a process that the system ended, for its memory say, leaves no line
        lines = finished.stderr.decode().strip().splitlines() or [f"exit status {finished.returncode}"]
        raise RuntimeError(next((line for line in lines if line.partition(":")[0].endswith("Error")), lines[-1]))
    return finished.stdout.decode().splitlines()[-1]
