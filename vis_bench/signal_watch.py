"""Ends a process that has been told to end, while it is inside a C function.

Python's own handlers run between two of its instructions, so a process inside a C function notes a
signal and goes on. A small process beside it, made before anything is imported, waits for the note
that the C level of Python writes, and for the answer of the handler. Without an answer it sends the
signal again, which has its default by then.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress

# A command ends within two seconds of the signal.
_SECONDS, _LAST_SECONDS = 1.0, 0.3
_NOTICED = b"\0"


def watch_signals() -> Callable[[], None] | None:
    """Start the process that watches this one's signals, in the main thread.

    Returns:
        The function that a handler calls first; None where the system has no such process.
    """
    if not hasattr(os, "fork"):
        return None
    read, write = os.pipe()
    os.set_blocking(write, False)
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:  # no more processes are allowed
        os.close(read)
        os.close(write)
        return None
    if child == 0:
        try:
            _watch(read, parent)
        finally:
            os._exit(0)
    os.close(read)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: _leave(write))

    def noticed() -> None:
        with suppress(OSError):
            os.write(write, _NOTICED)

    return noticed


def default_after_first(numbers: Collection[int]) -> None:
    """Give signals that have a handler their default back when they come, also inside C code."""
    with suppress(AttributeError, OSError):  # a C library without System V's signals
        library = ctypes.CDLL(None)
        for function in (library.signal, library.sysv_signal):
            function.argtypes, function.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        for number in numbers:
            library.sysv_signal(number, library.signal(number, None))


def _leave(write: int) -> None:
    """Stop watching in a forked process, whose signals are not those of the watched one."""
    with suppress(OSError, ValueError):
        signal.set_wakeup_fd(-1)
        os.close(write)


def _watch(read: int, parent: int) -> None:
    """Wait for signals of the parent until it ends, and end it if it does not notice one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # No pipe of the parent stays open for this process.
    os.closerange(0, read)
    os.closerange(read + 1, os.sysconf("SC_OPEN_MAX"))
    while came := os.read(read, 1):
        if came[0] not in (signal.SIGINT, signal.SIGTERM):
            continue
        if not select.select([read], [], [], _SECONDS)[0]:
            for last in (came[0], signal.SIGKILL):
                os.kill(parent, last)
                time.sleep(_LAST_SECONDS)
                if os.getppid() != parent:
                    return
