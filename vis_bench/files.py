"""Reads JSON and YAML strictly, and writes files atomically."""

from __future__ import annotations

import errno
import gc
import gzip
import io
import os
import re
import reprlib
import secrets
import socket
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import yaml

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


MAX_BYTES = 1 << 20
MAX_DEPTH = 100
# How many values the aliases of a file may stand for, all together.
MAX_ALIASED = 10_000


def read_yaml(path: Path) -> Any:
    """The value that a config file holds.

    Raises:
        InputError: for a file that is missing, cannot be read, or as `parse_yaml`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        nearby = sorted(str(p) for p in path.parent.glob("*.yaml"))[:20]
        there = f"; in {path.parent} there are: {', '.join(nearby)}" if nearby else ""
        raise InputError(f"config {path} does not exist{there}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"config {path} cannot be read: {reason}") from None
    return parse_yaml(content, f"config {path}")


def parse_yaml(text: str | bytes, name: str) -> Any:
    """The value that a YAML text holds: mappings, lists, text, numbers, true, false and null.

    Keys are text or whole numbers.

    Args:
        text: bytes are UTF-8.
        name: what messages call it.

    Raises:
        InputError: for what is not YAML, or what this project does not read.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES} bytes; expected a small YAML text")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return _read(decoded.removeprefix("\ufeff"))
    except _Refused as error:
        raise InputError(f"{name}{_line(error)}: {error.problem}") from None
    except yaml.MarkedYAMLError as error:
        reason = " ".join(
            ", ".join(part for part in (error.context, error.problem) if part).split()
        )
        raise InputError(f"{name} is not valid YAML{_line(error)}: {reason}") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is not valid YAML: {reason}") from None


def _read(text: str) -> Any:
    loader = _Loader(io.StringIO(text))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _line(error: yaml.MarkedYAMLError) -> str:
    """Where it is, unless that is the first line, which may be the only one."""
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}" if mark and mark.line else ""


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid and yet not read here."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses more."""

    def __init__(self, stream: io.StringIO) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0  # so far, those that aliases stand for included
        self._aliased = 0
        self._sizes: dict[str, int | None] = {}  # values of an anchor, None before its end

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._count_alias(event)
            return super().compose_node(parent, index)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Refused(f"the tag {tag[:40]} is not read; expected a value without", _at(event))
        if self._depth >= MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", _at(event))
        before = self._values
        self._values += 1
        if event.anchor is not None:
            self._sizes[event.anchor] = None
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._values - before
        return node

    def _count_alias(self, event: yaml.AliasEvent) -> None:
        anchor = str(event.anchor)
        size = self._sizes.get(anchor, 0)
        if size is None:
            raise _Refused(f"*{anchor[:40]} stands inside of itself", _at(event))
        self._values += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _Refused(f"aliases stand for more than {MAX_ALIASED} values", _at(event))

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key_node, _ in node.value:
            key = _MERGE if key_node.tag == _MERGE else self._key(key_node)
            if key in seen:
                shown = "<<" if key is _MERGE else key
                raise _Refused(f"the key {str(shown)[:40]} is given twice", key_node.start_mark)
            seen.add(key)
        return node

    def _key(self, node: yaml.Node) -> str | int:
        key = self.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            what = node.value[:40] if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            raise _Refused(f"a key is {what or 'empty'}; expected text", node.start_mark)
        return key

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """A whole number; refuses those that are not what they look like."""
        text = node.value.replace("_", "").lstrip("+-")
        start = node.start_mark
        self._refuse_base_60(node)
        if len(text) > 1 and text[0] == "0" and text[1].isdigit():
            raise _Refused(
                f"{node.value[:40]} is an octal number in YAML; expected one without a leading 0, "
                "or quotes around text", start,
            )  # fmt: skip
        number = None if len(text) > 66 else self.construct_yaml_int(node)
        if number is None or not -(1 << 63) <= number < 1 << 64:
            raise _Refused(f"{node.value[:40]} needs more than 64 bits", start)
        return number

    def construct_float(self, node: yaml.ScalarNode) -> float:
        """A number with a fraction or exponent, infinity, or NaN."""
        self._refuse_base_60(node)
        return self.construct_yaml_float(node)

    def _refuse_base_60(self, node: yaml.ScalarNode) -> None:
        if ":" in node.value:
            problem = f"{node.value[:40]} is a number to base 60 in YAML; quote it to mean text"
            raise _Refused(problem, node.start_mark)


def _at(event: yaml.Event) -> Any:
    return event.start_mark


_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


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


def overwrite_guard(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuses an output that is the same regular file as an input, also through links."""
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
