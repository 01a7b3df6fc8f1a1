"""Digests of the files that a run reads, taken of the bytes that it reads.

A run hashes its files when it begins and reads them later, more than once. Whatever reads one of
them again has to find the same bytes, or else refuses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.files import read_bytes


class ChangedFileError(InputError):
    """A file that is another one than at the beginning of the run."""


class PinnedFile:
    """A file that has to have the same bytes whenever it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha256: str | None = None

    def read(self) -> bytes:
        """Return the file's bytes, unpacked if gzip packed it."""
        content = read_bytes(self.path)
        found = hashlib.sha256(content).hexdigest()
        check_sha256(self.path, found, self._sha256)
        self._sha256 = found
        return content


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(path: Path, found: str, expected: str | None) -> None:
    """Refuse a file of another digest than the expected one, if any is."""
    if expected not in (None, found):
        raise ChangedFileError(
            f"{path} has changed since the run began: its sha256 is {found}; expected {expected}"
        )


@contextmanager
def reading(path: Path, sha256: str | None) -> Iterator[None]:
    """Refuse a file that has another digest than `sha256` while the block reads it by its path.

    The file is hashed after the block, and must have stayed the same file with the same times of
    change meanwhile: a rename changes the inode, a write the modification time. An error of the
    block gives way to that of a replaced file. Without `sha256` nothing is checked.
    """
    if sha256 is None:
        yield
        return
    before = _state(path)
    try:
        yield
    except Exception:
        with suppress(OSError):
            check_sha256(path, file_sha256(path), sha256)
        raise
    try:
        found = file_sha256(path)
    except OSError as error:
        raise ChangedFileError(f"{path} is gone while it was read: {error.strerror}") from None
    check_sha256(path, found, sha256)
    if _state(path) != before:
        raise ChangedFileError(f"{path} was written to while it was read; expected sha256 {sha256}")


def _state(path: Path) -> tuple[int, ...] | None:
    """Identity, size and times of change of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
