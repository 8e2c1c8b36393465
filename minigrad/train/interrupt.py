"""Ctrl-C as a request."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def on_interrupt(function):
    """Within the block, the first Ctrl-C calls `function`; another one raises KeyboardInterrupt as usual.

    Nothing changes outside of the main thread, or where the program has a handler of its own.
    """
    usual = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return

    def handler(number, frame):
        signal.signal(signal.SIGINT, usual)
        function()

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
