"""Calls that only POSIX systems have, and what takes their place elsewhere.

Whole features that need such a system ask `require_posix` before they begin. `cuda_ops`, which
imports nothing of this package, has a check of its own in `build`.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from vis_bench.errors import InputError

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def require_posix(feature: str) -> None:
    """Refuse a feature whose processes and signals Windows does not have."""
    if fcntl is None:
        raise InputError(f"{feature} is not supported on {sys.platform}; expected Linux or macOS")


def lock(file: IO[str], *, shared: bool, wait: bool) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is False.
        OSError: the system or the file system has no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no flock")
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def append_always(file: IO[bytes]) -> None:
    """Writes of every process that has this file go to its end."""
    fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)


def kill_group(process: subprocess.Popen) -> None:
    """Kill a process that leads a group, and the group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def reset_process_peak() -> bool:
    """Start a new peak of resident memory; False where the system cannot."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def address_space_left() -> int | None:
    """Bytes of memory that a limit of this process (`ulimit -v`) leaves; None without one."""
    limit = -1 if resource is None else resource.getrlimit(resource.RLIMIT_AS)[0]
    if resource is None or limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmSize:"):
                return max(0, limit - int(line.split()[1]) * 1024)
    return limit


def process_peak() -> int | None:
    """Peak of resident memory in bytes since the last reset, or since the process started.

    None where the system does not count it.
    """
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
