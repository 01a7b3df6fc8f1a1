"""Ends a piece of code at its n-th change of a folder, as a kill or a full disk does.

An audit hook sees every file that is opened for writing, renamed or removed, by whatever function.
"""

import errno
import os
import sys
from contextlib import contextmanager

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link",
            "os.symlink", "os.chmod"}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_cut = None


class Killed(BaseException):
    """Stands for a kill: nothing that follows changes the folder any more."""


class Cut:
    """Counts changes below a folder, and refuses those from number `at` on.

    `full_disk`: only what needs room is refused, by an OSError.
    """

    def __init__(self, folder, at=None, full_disk=False):
        self.folder, self.at, self.full_disk, self.seen = str(folder), at, full_disk, 0

    def change(self, event, arguments):
        path = arguments[0] if arguments else None
        if not isinstance(path, str | os.PathLike) or self.folder not in os.fspath(path):
            return
        needs_room = event == "open" or event == "os.mkdir"
        if event == "open" and not (arguments[2] or 0) & _WRITES:
            return
        self.seen += 1
        if self.at is None or self.seen <= self.at or (self.full_disk and not needs_room):
            return
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if self.full_disk else Killed


@contextmanager
def cutting(folder, at=None, full_disk=False):
    """Refuses the changes below a folder but for the first `at` of them; yields the `Cut`."""
    global _cut
    _cut = Cut(folder, at, full_disk)
    try:
        yield _cut
    finally:
        _cut = None


def _watch(event, arguments):
    if _cut is not None and (event == "open" or event in _CHANGES):
        _cut.change(event, arguments)


sys.addaudithook(_watch)
