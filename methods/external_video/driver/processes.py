"""The processes that a project has started, known by a variable of their environment."""

import contextlib
import os
import signal
from pathlib import Path

# Its value tells the driver's process from others; a process inherits it, also in a session of its
# own and when the one that started it has ended.
VARIABLE = "VIS_BENCH_DRIVER"


def kill_marked(value):
    """Kill every process but this one in whose environment `VARIABLE` has this value.

    It looks for them in /proc, so that nothing happens where there is none.
    """
    killed, found = set(), {os.getpid()}
    while not found <= killed:  # some may have started others meanwhile
        for process in found - killed - {os.getpid()}:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        killed |= found
        found = _marked(value)


def _marked(value):
    entry = f"{VARIABLE}={value}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if entry in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found
