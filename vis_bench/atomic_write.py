"""Files that appear whole or not at all, and never in the place of an input."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vis_bench.errors import InputError


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Writes a file so that a reader, or a killed run, never sees half of it.

    Makes the folder where it is missing. A new file gets the mode that the umask leaves it, and a
    file that is replaced keeps its mode. A link stays, and the file that it points to is written.
    What is not a regular file (`/dev/stdout`, `/dev/null`, a pipe) is written to directly.

    Args:
        data: the content, or its pieces, which need not be in memory together.

    Raises:
        InputError: for a folder, or when the file or its folder cannot be made or written to.
    """
    pieces = [data] if isinstance(data, bytes) else data
    try:
        mode = _mode_of(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder; expected a file")
        target = _link_target(path)
        if target is None or (mode is not None and not stat.S_ISREG(mode)):
            with path.open("ab") as file:
                file.writelines(pieces)
        else:
            _replace(target, pieces, mode)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}") from None


def never_an_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuses to write where something is read, also through links; devices and pipes may be both.

    Raises:
        InputError: for an output that is the same file as an input.
    """
    inputs = list(inputs)
    for output in filter(_is_regular, outputs):
        for path in inputs:
            if _are_one_file(output, path):
                name = "an input" if output == path else f"the input {path}"
                raise InputError(f"cannot write {output}: it is {name}; expected another file")


def _is_regular(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # not a name that a file can have
        return False


def _are_one_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # the other is not there
        return False


def _mode_of(path: Path) -> int | None:
    """The type and permissions of what is there, behind any links; None where nothing is."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _link_target(path: Path) -> Path | None:
    """Where the links end; None for an open file of a process, such as `/dev/stdout`."""
    while path.is_symlink():
        if Path(os.path.realpath(path.parent)).is_relative_to("/proc"):
            return None
        path = path.parent / path.readlink()
    return path


def _replace(path: Path, pieces: Iterable[bytes], old_mode: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.parent / f"{_prefix(path)}{os.getpid()}.{secrets.token_hex(4)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if old_mode is not None:
            temporary.chmod(stat.S_IMODE(old_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    """How the names of the file's temporary files begin on this machine; a process id follows."""
    return f".{path.name}.{zlib.crc32(socket.gethostname().encode()):08x}."


def _sweep(path: Path) -> None:
    """Removes what processes of this machine that have ended left of the same file."""
    pattern = re.compile(re.escape(_prefix(path)) + r"(\d+)\.[0-9a-f]{8}")
    for entry in list(os.scandir(path.parent)):
        left = pattern.fullmatch(entry.name)
        if left and not _is_running(int(left[1])):
            with suppress(OSError):  # another user's, or swept at the same time
                Path(entry).unlink()


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # elsewhere signal 0 is not a question
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def check_writable(path: Path) -> None:
    """Finds out whether `write_atomically` could write a file, before long work that ends in it.

    Makes the folder where it is missing.

    Raises:
        InputError: where it could not.
    """
    try:
        mode = _mode_of(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder; expected a file")
        target = _link_target(path)
        if target is None or (mode is not None and not stat.S_ISREG(mode)):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}") from None
