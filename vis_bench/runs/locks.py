"""Locks on cells of a folder of records: one run measures a cell, or shards of it side by side.

A lock is a `flock` on a file beside the shards; the operating system releases it when its process
ends, however that happens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vis_bench.operating_system import lock
from vis_bench.progress import Bars
from vis_bench.record.store import SHARDS

# Processes that only pass shards on need not wait for torch, which jobs import.
if TYPE_CHECKING:
    from vis_bench.runs.jobs import Job


@contextmanager
def locked(
    jobs: Sequence[Job], records: Path, bars: Bars, *, shared: bool = False
) -> Iterator[None]:
    """Hold the locks of jobs in a folder of records, after waiting for other runs to end.

    Args:
        shared: beside others that share it; or else alone.
    """
    with ExitStack() as held:
        # In one order, so that no two runs wait for each other.
        for job in sorted(jobs, key=lambda job: job.digest):
            path = records / SHARDS / f"{job.digest[:16]}.lock"
            held.enter_context(_locked(path, f"{job.name} in {records}", bars, shared))
        yield


@contextmanager
def _locked(path: Path, name: str, bars: Bars, shared: bool) -> Iterator[None]:
    file = _acquire(path, name, bars, shared)
    try:
        yield
    finally:
        if file is not None:
            _release(path, file)


def _acquire(path: Path, name: str, bars: Bars, shared: bool) -> IO[str] | None:
    """The open and locked file; None where files cannot be locked."""
    waiting = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # the folder was removed by a run that ended just now
            continue
        try:
            lock(file, shared=shared, wait=waiting)
        except BlockingIOError:
            file.close()
            waiting = True
            bars.say(f"waiting for another run of {name}")
            continue
        except OSError as error:
            file.close()
            path.unlink(missing_ok=True)
            why = f"warning: files in {path.parent} cannot be locked ({error.strerror})"
            _say_once(bars, f"{why}; do not start a second run of the same cells there")
            return None
        if _is_open(path, file):
            return file
        file.close()  # removed by a run that ended just now


def _release(path: Path, file: IO[str]) -> None:
    """Unlock the file, and remove it unless others share it."""
    with file, suppress(OSError):
        lock(file, shared=False, wait=False)
        if _is_open(path, file):
            path.unlink()
    with suppress(OSError):  # shards of other runs
        path.parent.rmdir()


def _is_open(path: Path, file: IO[str]) -> bool:
    """True if a path still names the file that is open."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


@cache
def _say_once(bars: Bars, text: str) -> None:
    bars.say(text)
