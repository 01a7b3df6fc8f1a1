"""Reads JSON strictly, and writes files atomically."""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import reprlib
import secrets
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import orjson

from vis_bench.errors import InputError
from vis_bench.operating_system import address_space_left

# Most bytes of an unpacked file: far more than any results file holds, and they fit in memory.
UNPACKED_LIMIT = 1 << 30
FILE_LIMIT = 4 << 30
# Most values of a JSON text, and most objects and lists beside one for so many bytes: text of
# brackets alone takes 60 times its size in memory.
VALUES_LIMIT = 1 << 26
_FEW_HOLDERS, _HOLDER_BYTES = 1 << 20, 12
# Bytes of memory that a byte of the text, and that values behind a sign, take at most while read.
_TEXT_COST, _COSTS = 14, {b"{": 200, b"[": 80, b",": 64}
_NAME_BYTES = 255  # of a file, at most
# Contents of pipes that one command or call has read; None outside of any.
_PIPES: ContextVar[dict[tuple[Path, int, int], bytes] | None] = ContextVar("pipes", default=None)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, which gzip may have packed."""
    return parse_json(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if gzip packed it, up to `UNPACKED_LIMIT`.

    Within `pipes_kept` a pipe (`/dev/stdin`, `<(...)`) gives the same bytes each time.
    """
    try:
        status = path.stat()
        pipes = _PIPES.get() if stat.S_ISFIFO(status.st_mode) else None
        key = path, status.st_dev, status.st_ino
        if pipes and key in pipes:
            content = pipes[key]
        elif stat.S_ISREG(status.st_mode):
            content = _read_bounded(path, FILE_LIMIT, status.st_size)
        else:
            content = _read_bounded(path, UNPACKED_LIMIT)
        if pipes is not None:
            pipes[key] = content
    except MemoryError:
        raise _too_large(path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}; expected a JSON file") from None
    is_packed = path.suffix == ".gz" or content.startswith(b"\x1f\x8b")
    return _unpacked(content, path) if is_packed else content


@contextmanager
def pipes_kept() -> Iterator[None]:
    """Read each pipe once until the end, also where it is asked for several times."""
    if _PIPES.get() is not None:  # a call within a command
        yield
        return
    token = _PIPES.set({})
    try:
        yield
    finally:
        _PIPES.reset(token)


def _read_bounded(path: Path, limit: int, size: int = 0) -> bytes:
    """Read a file that may never end, or that has a size."""
    if size <= limit:
        with path.open("rb") as file:
            content = file.read() if size else file.read(limit + 1)
        if len(content) <= limit:
            return content
    raise ValueError(f"it holds more than {limit >> 20} MiB")


def _too_large(name: object) -> InputError:
    return InputError(f"{name} does not fit into the free memory; expected a smaller file")


def _unpacked(content: bytes, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            unpacked = packed.read(UNPACKED_LIMIT + 1)
    except MemoryError:
        raise _too_large(path) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot unpack {path}: {error}; expected a gzip file") from None
    if len(unpacked) > UNPACKED_LIMIT:
        raise InputError(
            f"{path} unpacks to more than {UNPACKED_LIMIT >> 20} MiB; expected a results file"
        )
    return unpacked


def parse_json(content: bytes, name: str) -> Any:
    """Return the value of a JSON text, which holds no NaN or Infinity, at most 1024 levels and
    `VALUES_LIMIT` values.

    Args:
        name: the text's name in messages.
    """
    if content[:4] == b"PK\3\4":
        raise InputError(f"{name} is a .zip archive; expected the JSON file that it holds")
    _check_values(content, name)
    try:
        return orjson.loads(content)
    except (MemoryError, SystemError):  # the parser has no memory, or no error for it
        raise _too_large(name) from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{name} is not JSON: {_defect(error)}") from None


def _check_values(content: bytes, name: str) -> None:
    """Refuse a text of more values than files of its size hold, and one that memory cannot hold."""
    if len(content) < _FEW_HOLDERS:
        return
    counts = {sign: content.count(sign) for sign in _COSTS}
    holders = counts[b"{"] + counts[b"["]
    if counts[b","] > VALUES_LIMIT or holders > _FEW_HOLDERS + len(content) // _HOLDER_BYTES:
        raise InputError(
            f"{name} holds {counts[b',']:,} values in {holders:,} objects and lists; expected at "
            f"most {VALUES_LIMIT:,} values, and fewer objects and lists for its size"
        )
    left = address_space_left()
    cost = _TEXT_COST * len(content) + sum(_COSTS[sign] * n for sign, n in counts.items())
    if left is not None and cost - _COSTS[b","] * content.count(b"null,") > left:
        raise _too_large(name)


def _defect(error: orjson.JSONDecodeError) -> str:
    around = error.doc[max(error.pos - 1, 0) : error.pos + 9]
    for word in ("NaN", "Infinity"):
        if word in around:
            return f"line {error.lineno} holds {word}, which JSON does not allow"
    return str(error)


def shown(value: object) -> str:
    """A JSON value, shortened for messages."""
    if type(value) is int and abs(value) < 1 << 63:
        return str(value)
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = 3
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = 40


def value_of(entry: Mapping[str, Any], key: str, where: str) -> Any:
    """`entry[key]`; an InputError where it is missing."""
    if key not in entry:
        raise InputError(f"{where} has no {key!r}; its keys are {shown(list(entry))}")
    return entry[key]


def integer_of(entry: Mapping[str, Any], key: str, where: str) -> int:
    """`entry[key]`, which has to be an integer."""
    value = value_of(entry, key, where)
    if type(value) is not int:
        raise InputError(f"{where} has {key} {shown(value)}; expected an integer")
    return value


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file in one step: no reader, and no killed process, leaves half of it.

    Makes missing folders. A new file gets the umask's mode, a replaced one keeps its mode. A link
    stays, and its target is written. Devices and pipes are written to directly.

    Args:
        data: the content, or its pieces, which need not be in memory together.
    """
    pieces = [data] if isinstance(data, bytes) else data
    try:
        target = _regular_target(path)
        if target is None:
            with path.open("ab") as file:
                file.writelines(pieces)
        else:
            _replace(target, pieces)
    except InputError:  # of the pieces
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}") from None


def overwrite_guard(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is the same regular file as an input, also through links."""
    inputs = list(inputs)
    for output in outputs:
        for path in inputs:
            if output and path and _are_one_regular_file(output, path):
                name = "an input" if output == path else f"the input {path}"
                raise InputError(f"cannot write {output}: it is {name}; expected another file")


def _are_one_regular_file(one: Path, other: Path) -> bool:
    try:
        return one.is_file() and one.samefile(other)
    except (OSError, ValueError):  # not the name of a file, or of none
        return False


def _regular_target(path: Path) -> Path | None:
    """The file that a write replaces, behind links; None for a device or pipe."""
    mode = _mode_of(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a folder; expected a file")
    target = _link_target(path)
    return target if mode is None or stat.S_ISREG(mode) else None


def _mode_of(path: Path) -> int | None:
    """Type and permissions of a file, behind links; None if it does not exist."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _link_target(path: Path) -> Path | None:
    """End of a chain of links; None for an open file of a process, such as `/dev/stdout`."""
    while path.is_symlink():
        if Path(os.path.realpath(path.parent)).is_relative_to("/proc"):
            return None
        path = path.parent / path.readlink()
    return path


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    old_mode = _mode_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = temporary_name(path)
    try:
        with temporary.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if old_mode is not None:
            temporary.chmod(stat.S_IMODE(old_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A new name beside a file, which begins with a dot and the file's, cut where it is long."""
    return path.with_name(f".{_beginning(path)}.{secrets.token_hex(8)}")


def _beginning(path: Path) -> str:
    """Beginning of a name that leaves room for what temporary names add, in whole letters."""
    return path.name.encode(errors="surrogateescape")[: _NAME_BYTES - 18].decode(errors="ignore")


_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{16}", re.DOTALL)
# Of each folder: its temporary files by the names of their files, and the writes until it is listed
# again, one for 16 of its files. So the time of many writes is linear in their number.
_listed: dict[Path, tuple[dict[str, list[Path]], int]] = {}


def _sweep(path: Path) -> None:
    """Remove temporary files of the same file that killed processes left over a day ago."""
    folder = path.parent.absolute()
    left, writes = _listed.get(folder, ({}, 0))
    if not writes:
        left, entries = {}, list(os.scandir(folder))
        writes = 1 + len(entries) // 16
        for entry in entries:
            if match := _TEMPORARY.fullmatch(entry.name):
                left.setdefault(match[1], []).append(Path(entry))
    _listed[folder] = left, writes - 1
    for temporary in left.pop(_beginning(path), []):
        with suppress(OSError):  # another user's, or removed meanwhile
            if temporary.stat().st_mtime < time.time() - 86400:
                temporary.unlink()


def check_writable(path: Path) -> None:
    """Check that `write_atomically` can write a file, before long work; make its folder."""
    try:
        target = _regular_target(path)
        if target is None:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}") from None
