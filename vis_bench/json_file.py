"""Reading a JSON file that a user gave, and single values out of it, with errors that name them."""

from __future__ import annotations

import gc
import gzip
import io
import reprlib
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from vis_bench.errors import InputError

# What a packed file may unpack to, in bytes: far more than any results file, and it fits memory.
UNPACKED_LIMIT = 1 << 30


def read_json(path: Path) -> Any:
    """The content of a JSON file, which may be packed as .gz.

    Raises:
        InputError: as `read_bytes` and `parse_json`.
    """
    return parse_json(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; of a .gz file those that are packed in it.

    A pipe (`/dev/stdin`, `<(...)`) is read once and gives the same bytes each time.

    Raises:
        InputError: where it cannot be read, or unpacks to more than `UNPACKED_LIMIT` bytes.
    """
    try:
        there = path.stat()
        if stat.S_ISREG(there.st_mode):
            content = path.read_bytes()
        elif stat.S_ISFIFO(there.st_mode):
            content = _read_pipe(path, there.st_dev, there.st_ino)
        else:
            content = _read_bounded(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}; expected a JSON file") from None
    return _unpacked(content, path) if path.suffix == ".gz" else content


@lru_cache(maxsize=8)
def _read_pipe(path: Path, device: int, inode: int) -> bytes:
    """What a pipe holds, which can be read once only, for all who ask for it."""
    return _read_bounded(path)


def _read_bounded(path: Path) -> bytes:
    """What is not a regular file may never end."""
    with path.open("rb") as file:
        content = file.read(UNPACKED_LIMIT + 1)
    if len(content) > UNPACKED_LIMIT:
        raise ValueError(f"it holds more than {UNPACKED_LIMIT >> 20} MiB")
    return content


def _unpacked(content: bytes, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            unpacked = packed.read(UNPACKED_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot unpack {path}: {error}; expected a gzip file") from None
    if len(unpacked) > UNPACKED_LIMIT:
        raise InputError(
            f"{path} unpacks to more than {UNPACKED_LIMIT >> 20} MiB; expected a results file"
        )
    return unpacked


def parse_json(content: bytes, name: str) -> Any:
    """The value that a JSON text holds; `name` is what messages call it.

    Raises:
        InputError: for what is not JSON, which has no NaN or Infinity; no more than 1024 levels
            are read.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{name} is not JSON: {_defect(content, error)}") from None


@contextmanager
def collection_paused() -> Iterator[None]:
    """Spares the garbage collector from walking the values of a large file again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _defect(content: bytes, error: orjson.JSONDecodeError) -> str:
    around = content[max(error.pos - 1, 0) : error.pos + 9]
    for word in (b"NaN", b"Infinity"):
        if word in around:
            return f"line {error.lineno} holds {word.decode()}, which JSON does not allow"
    return str(error)


def shown(value: object) -> str:
    """A short form of any JSON value, for messages."""
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


def objects_of(content: Mapping[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    """`content[key]`, which has to be a list of JSON objects."""
    entries = value_of(content, key, name)
    if not isinstance(entries, list):
        raise InputError(f"{name} has {key} {shown(entries)}; expected a list of objects")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{name} has {key}[{index}] {shown(entry)}; expected an object")
    return entries
