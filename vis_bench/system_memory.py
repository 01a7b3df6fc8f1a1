"""Memory of the machine, within the limit of the container or job that this process runs in.

Linux states the machine's in /proc/meminfo and limits groups of processes by cgroups, of version 2
(https://docs.kernel.org/admin-guide/cgroup-v2.html, "memory") or 1, which Docker, Kubernetes and
Slurm use. A limit holds for a group and all groups below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MEMORY_INFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# Taken to be there where the system does not tell.
_UNKNOWN_BYTES = 4 * 10**9


def total_memory() -> int:
    """Bytes that this process may use at most: the machine's, or its least limit."""
    return min([_meminfo("MemTotal"), *(limit for limit, _ in _limits())])


def available_memory() -> int:
    """Bytes that this process may still use: the machine's, or what is left of a limit."""
    return max(0, min([_meminfo("MemAvailable"), *(limit - used for limit, used in _limits())]))


def _meminfo(name: str) -> int:
    """A line of the machine's memory in bytes; on macOS all of it, whatever the line."""
    with suppress(OSError):
        for line in _MEMORY_INFO.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    if not hasattr(os, "sysconf"):  # Windows
        return _UNKNOWN_BYTES
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Version:
    """Names of a cgroup version's files; `cache` is a key of memory.stat."""

    root: str
    limit: str
    used: str
    cache: str


_V2 = _Version("", "memory.max", "memory.current", "inactive_file")
_V1 = _Version("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _limits() -> Iterator[tuple[int, int]]:
    """The limit of each group around this process, and what is used of it.

    Pages of files that were not read lately count as unused: they make room before the limit.
    """
    for version, group in _own_groups():
        root = _GROUPS / version.root
        folder = root.joinpath(*(part for part in group.split("/") if part not in ("", "..")))
        # In a container the folders above its own group are missing, and the root is that group.
        for place in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # no such group, or no limit: `max`
                limit = int((place / version.limit).read_text())
                used = int((place / version.used).read_text())
                yield limit, used - _statistic(place, version.cache)
            if place == root:
                break


def _own_groups() -> Iterator[tuple[_Version, str]]:
    """The versions that limit memory, and this process's group of each."""
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text().splitlines():
            hierarchy, controllers, group = line.split(":", 2)
            if hierarchy == "0":
                yield _V2, group
            elif "memory" in controllers.split(","):
                yield _V1, group


def _statistic(group: Path, name: str) -> int:
    lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return int(lines.get(name, 0))
