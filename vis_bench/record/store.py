"""Files of records: written atomically as soon as they are measured, and read with every check.

The files that a record names have a digest of their content in their names. They are in place
before the record is, and those of an earlier record of the cell go last: whatever ends a run leaves
a record beside its own files.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import ValidationError

from vis_bench.data.frames import is_file
from vis_bench.digests import file_sha256
from vis_bench.errors import InputError
from vis_bench.files import read_bytes, read_json, shown, temporary_name, write_atomically
from vis_bench.record.fields import BESIDE, Fields
from vis_bench.record.names import file_stem
from vis_bench.record.schema import SCHEMA_VERSION, Record

RESULTS_ENDING = ".results.json"
PACKED_ENDING = f"{RESULTS_ENDING}.gz"
# Beside a whole record: the failures of a later measurement, which did not replace it.
FAILED_ENDING = ".failed.json"
# Beside predictions: their matches, which intervals and ranks need.
MATCHES_ENDING = ".matches.npz"
TRACE_ENDING = ".trace.jsonl"
NO_RESULTS = (FAILED_ENDING, MATCHES_ENDING, TRACE_ENDING)
_BESIDE = (RESULTS_ENDING, PACKED_ENDING, *NO_RESULTS)
# The letters before a dot of a name; a config's checksum is among those of its cell's files.
_CELL = re.compile(r"(?=(.{10})\.)", re.DOTALL)
# Branches of a union in a problem's location, which no author wrote.
_BRANCHES = ("int", "float", "str", "constrained-int", "constrained-float")
# Folder beside the records for the shards of runs that have not ended; it holds no records.
SHARDS = "shards"


@dataclass(frozen=True)
class StoredRecords:
    """Records of a folder, a sentence for each file that is not one, and the records' files."""

    records: tuple[Record, ...]
    problems: tuple[str, ...]
    paths: tuple[Path, ...] = ()


class RecordStore:
    """The records of a folder, one JSON file each.

    Iteration follows the order of paths and stops at the first invalid file; `readable` goes on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # When each folder changed, also when last by this store's hand; the files in them by
        # their cells, and the store's own writes until it lists them again.
        self._times: dict[str, int] = {}
        self._own_times: dict[str, int] = {}
        self._files: dict[str, set[Path]] = {}
        self._writes_left = 0

    def prepare(self) -> None:
        """Make the folder, or refuse one that cannot be written to."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise InputError(
                f"cannot write to the folder of records {self.folder}: {error.strerror}"
            ) from None

    def path_of(self, record: Record) -> Path:
        """The record's file: in the folder below that holds one of its cell, else in this one."""
        name = f"{file_stem(record)}.json"
        if is_file(self.folder / name):
            return self.folder / name
        same = (path for path in self._of_cell(name) if path.name == name)
        return next(same, self.folder / name)

    def _of_cell(self, name: str) -> list[Path]:
        """Files of a cell by its record's name, without shards; the folder's own come first.

        The folders are listed again once another process has changed one of them, or may have
        within one tick of its clock, and after one own write for 16 files.
        """
        if not self._times or self._times != {path: _changed(path) for path in self._times}:
            trusted = time.time_ns() - 2 * 10**9
            self._times, self._files, self._writes_left = {}, {}, 1
            for folder, folders, names in os.walk(self.folder):
                folders[:] = [name for name in folders if name != SHARDS]
                changed = _changed(folder)
                known = changed < trusted or changed == self._own_times.get(folder)
                self._times[folder] = changed if known else -1
                self._writes_left += len(names) // 16
                self._add(Path(folder), names)
        found = self._files.get(name[-15:-5], ())
        return sorted(found, key=lambda path: (len(path.parts), path))

    def _add(self, folder: Path, names: Iterable[str]) -> None:
        for name in names:
            for cell in _CELL.findall(name):
                self._files.setdefault(cell, set()).add(folder / name)

    def _replaced(self, record: Record, path: Path, gone: Iterable[Path]) -> Path:
        """Remove files of an earlier record, and note what this store has written."""
        for file in gone:
            with suppress(OSError):  # another process reads it, on Windows
                file.unlink(missing_ok=True)
        self._add(path.parent, [path.name, *files_of(record)])
        folder = str(path.parent)
        self._own_times[folder] = _changed(folder)
        if self._times.get(folder, -1) != -1 and self._writes_left:
            self._writes_left -= 1
            self._times[folder] = self._own_times[folder]
        return path

    def write(self, record: Record, results: Path | None = None) -> Path:
        """Write one record atomically and return its path; an earlier one's files are removed.

        Where the write fails, the earlier record has all of its files.

        Args:
            results: the folder in which the files that it names were written first, to be moved
                beside the record.
        """
        path, named = self.path_of(record), files_of(record)
        matches = matches_file(record, path)  # of equal predictions, perhaps with other annotations
        aside = {matches: temporary_name(matches)} if is_file(matches) else {}
        beside = [
            other
            for other in self._of_cell(path.name)
            if other.parent == path.parent
            and other.name.startswith(f"{path.stem}.")
            and other.name.endswith(_BESIDE)
        ]
        _put(record, path, results, aside)
        return self._replaced(record, path, [file for file in beside if file.name not in named])

    def update(self, record: Record, before: Record, results: Path) -> Path:
        """Write a record in place of `before`, whose files stay where both name them.

        Args:
            results: the folder of the files that are new.
        """
        path, new = self.path_of(record), files_of(record)
        _put(record, path, results, {})
        gone = [path.with_name(name) for name in files_of(before) if name not in new]
        return self._replaced(record, path, gone)

    def write_failures(self, record: Record, failures: Mapping[str, str], command: str) -> Path:
        """Write the failures of a later measurement beside the record, which is kept."""
        path = self.path_of(record)
        content: dict[str, Any] = {"record": path.name, "created_at": record.created_at}
        content |= {"command": command, "failures": failures}
        write_atomically(failed_file(path), json.dumps(content, indent=1).encode() + b"\n")
        return failed_file(path)

    def lost_predictions(self, record: Record) -> str | None:
        """The record's predictions in words, if neither they nor their matches are beside it."""
        path, name = self.path_of(record), record.predictions
        if not name or is_file(path.with_name(name)) or is_file(matches_file(record, path)):
            return None
        return f"predictions {name}, which are not beside it"

    @cached_property
    def stored_once(self) -> list[tuple[Record, Path]]:
        """The valid records and their files, as they were when they were first asked for."""
        stored = self.readable()
        return list(zip(stored.records, stored.paths, strict=True))

    def has_failed(self, record: Record) -> bool:
        """True if the last measurement of a record that is kept failed."""
        return _has_failed(record, self.path_of(record))

    def find(self, config_sha256: str) -> Record | None:
        """The record of a cell measured before, or None."""
        end = f"_{config_sha256[:10]}.json"
        for path in self._of_cell(end):
            if not path.name.endswith(end):
                continue
            try:
                record = read_record(path)
            except InputError as error:
                way_out = "run without --resume and --again to write it again"
                raise InputError(f"{error}; {way_out}") from None
            if record.config_sha256 == config_sha256:
                return record
        return None

    def paths(self) -> list[Path]:
        """The files of records, sorted; every folder must be readable."""
        found, problems = self._listed()
        if problems:
            raise InputError(problems[0])
        return found

    def _listed(self) -> tuple[list[Path], list[str]]:
        """Files of records, and a sentence for each folder that cannot be read."""
        if not self.folder.is_dir():
            raise InputError(f"folder of records {self.folder} does not exist")
        problems: list[str] = []

        def note(error: OSError) -> None:
            problems.append(f"folder {error.filename} cannot be read: {error.strerror}")
            if Path(error.filename) == self.folder:
                raise InputError(problems[0])

        found = []
        for folder, folders, files in os.walk(self.folder, onerror=note):
            folders[:] = [name for name in folders if name != SHARDS]
            found += [
                Path(folder, name)
                for name in (*folders, *files)
                if name.endswith(".json") and not name.endswith((RESULTS_ENDING, FAILED_ENDING))
            ]
        return sorted(found), problems

    def __iter__(self) -> Iterator[Record]:
        return map(read_record, self.paths())

    def readable(self) -> StoredRecords:
        """The valid records, and the problems of all other files."""
        records, read = [], []
        found, problems = self._listed()
        for path in found:
            try:
                records.append(read_record(path))
                read.append(path)
            except InputError as error:
                problems.append(str(error))
        return StoredRecords(tuple(records), tuple(problems), tuple(read))


def _changed(folder: str) -> int:
    """Time in nanoseconds at which a folder's list of files changed; 0 for none."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _put(record: Record, path: Path, results: Path | None, aside: Mapping[Path, Path]) -> None:
    """Write a record after the files that it names, and take all back if that fails.

    Args:
        results: the folder of those of the files that are new.
        aside: files that are not the record's, and names that hold them until it is written.
    """
    content, placed = record_json(record), list[Path]()
    new = [] if results is None else [results / name for name in files_of(record)]
    try:
        for source in filter(is_file, new):
            target = path.with_name(source.name)
            placed += [] if is_file(target) else [target]
            source.replace(target)
        for file, other in aside.items():
            file.replace(other)
        write_atomically(path, content)
    except BaseException:
        if not is_file(path) or path.read_bytes() != content:
            for file in placed:
                file.unlink(missing_ok=True)
            for file, other in aside.items():
                other.replace(file)
        raise
    finally:
        for other in aside.values():
            other.unlink(missing_ok=True)


def files_of(record: Record) -> list[str]:
    """The files that a record names, beside it: the values of the fields marked with `BESIDE`."""
    return [*dict.fromkeys(name for name in _files_in(record) if name)]


def _files_in(fields: Fields) -> Iterator[str | None]:
    for name, field in type(fields).model_fields.items():
        value = getattr(fields, name)
        if BESIDE in field.metadata:
            yield value
        elif isinstance(value, tuple):
            for inner in value:
                yield from _files_in(inner) if isinstance(inner, Fields) else ()


def failed_file(record_path: Path) -> Path:
    """The file beside a record with the failures of a later measurement."""
    return record_path.with_name(record_path.name.removesuffix(".json") + FAILED_ENDING)


def matches_file(record: Record, record_path: Path) -> Path:
    """The file beside a record for the matches of its predictions, whose name it shares."""
    name = Path(record.predictions or record_path.name).name.removesuffix(".gz")
    stem = name.removesuffix(RESULTS_ENDING).removesuffix(".json")
    return record_path.with_name(stem + MATCHES_ENDING)


def content_name(stem: str, content_sha256: str, ending: str) -> str:
    """Name of a file that a record names, with the digest of its content."""
    return f"{stem}.{content_sha256[:10]}{ending}"


def name_by_content(path: Path, ending: str) -> Path:
    """Rename a file to its `content_name`, and return its path."""
    name = content_name(path.name.removesuffix(ending), file_sha256(path), ending)
    return path.replace(path.with_name(name))


def record_beside(results_file: Path) -> Record | None:
    """The record that names a results file and lies beside it."""
    plain = results_file.name.removesuffix(".gz")
    if not plain.endswith(RESULTS_ENDING):
        return None
    stem = re.sub(r"\.[0-9a-f]{10}$", "", plain.removesuffix(RESULTS_ENDING))
    path = results_file.with_name(f"{stem}.json")
    record = read_record(path) if is_file(path) else None
    named = record is not None and (record.predictions or "").removesuffix(".gz") == plain
    return record if named else None


def failures_beside(path: Path) -> list[str]:
    """A sentence for each record of a folder or file whose last measurement failed."""
    paths = RecordStore(path).paths() if path.is_dir() else [path]
    return [
        f"record {record} is of an earlier run; the last one failed, see {failed_file(record)}"
        for record in paths
        if is_file(failed_file(record)) and _has_failed(read_record(record), record)
    ]


def _has_failed(record: Record, path: Path) -> bool:
    """True if failures stand beside a record, and not beside one before it that they name."""
    failed = failed_file(path)
    if not is_file(failed):
        return False
    content = read_json(failed)
    return not isinstance(content, dict) or content.get("created_at") in (None, record.created_at)


def record_json(record: Record) -> bytes:
    """The content of a record's file."""
    values = record.model_dump(mode="json")
    return json.dumps(values, indent=1, allow_nan=False).encode() + b"\n"


def read_record(path: Path) -> Record:
    """Read and check one record."""
    return parse_record(read_json(path), f"record {path}")


def parse_record(content: Any, name: str) -> Record:
    """Check a JSON value and return its record; messages begin with `name`."""
    if not isinstance(content, dict) or "schema_version" not in content:
        raise InputError(f"{name} is not a record (no schema_version), nor a list of results")
    version = content["schema_version"]
    if version != SCHEMA_VERSION or isinstance(version, bool):
        writer = content.get("vis_bench_version")
        of = f" of vis-bench {shown(writer)}" if writer else ""
        raise InputError(f"{name} has schema {shown(version)}{of}; expected {SCHEMA_VERSION}")
    try:
        return Record(**content)
    except ValidationError as error:
        raise InputError(f"{name} {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, as the end of a sentence."""
    problem = error.errors(include_url=False, include_context=False)[0]
    parts = (str(part) for part in problem["loc"])
    key = ".".join(part for part in parts if part not in _BRANCHES and "[" not in part)
    if problem["type"] == "missing":
        return f"lacks the field {key!r}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if message.startswith("expected") else f"expected {message}"
    return f"has {key} {shown(problem['input'])}; {expected}"


def predictions_path(record: Record, record_path: Path) -> Path:
    """The record's results file.

    Raises:
        InputError: for a record without predictions, predictions outside its folder, through a link
            too, or a missing file; it names the command that writes it.
    """
    name = record.predictions
    if not name:
        raise InputError(f"record {record_path} has no predictions: its accuracy was not measured")
    if not _stays_inside(name):
        raise InputError(
            f"record {record_path} has predictions {name!r}; expected a file in the record's folder"
        )
    path = record_path.parent / name
    if not is_file(path):
        # With --resume the record at hand would stand for the measurement.
        command = (record.command or "").replace(" --resume", "")
        again = f" with: {command}" if command else ""
        raise InputError(
            f"record {record_path} names predictions that are not next to it ({name}); not every "
            f"record is shipped with them, so measure again{again}"
        )
    target = path.resolve()
    if not target.is_relative_to(record_path.parent.resolve()):
        raise InputError(
            f"record {record_path} has predictions {name!r}, a link to {target}; expected a file "
            "in the record's folder"
        )
    return path


def pack_predictions(record_path: Path) -> Path | None:
    """Replace a record's results file by a .gz, and rename it in the record.

    Returns:
        The packed file; None for a record without predictions or with packed ones.
    """
    record = read_record(record_path)
    if not record.predictions or record.predictions.endswith(PACKED_ENDING):
        return None
    plain = predictions_path(record, record_path)
    if not plain.name.endswith(RESULTS_ENDING):
        raise InputError(
            f"record {record_path} has predictions {record.predictions!r}; expected a name that "
            f"ends with {RESULTS_ENDING}"
        )
    packed = plain.with_name(f"{plain.name}.gz")
    # Without a time in its header the file is the same each time.
    write_atomically(packed, gzip.compress(read_bytes(plain), compresslevel=9, mtime=0))
    renamed = record.model_copy(update={"predictions": f"{record.predictions}.gz"})
    write_atomically(record_path, record_json(renamed))
    plain.unlink()
    return packed


def _stays_inside(name: str) -> bool:
    """True if a path stays in its folder on any system."""
    kinds = (PurePosixPath(name), PureWindowsPath(name))
    outside = any(path.anchor or ".." in path.parts for path in kinds)
    return not outside and "\0" not in name
