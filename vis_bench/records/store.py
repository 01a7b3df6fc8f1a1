"""Records in files: written atomically as soon as they are measured, and read with every check."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown, write_atomically
from vis_bench.records.cell_name import file_stem
from vis_bench.records.schema import SCHEMA_VERSION, Record

RESULTS_ENDING = ".results.json"


@dataclass(frozen=True)
class StoredRecords:
    """What a folder of records gives: the records, a sentence for each file that is not one, and
    the records' files.
    """

    records: tuple[Record, ...]
    problems: tuple[str, ...]
    paths: tuple[Path, ...] = ()


class RecordStore:
    """The records of a folder, one JSON file each.

    Iterating gives them in the order of their paths, and refuses the first file that is not a
    record; `readable` goes on after it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folder, and finds out whether files can be written to it.

        Raises:
            InputError: where it cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(
                f"cannot write to the folder of records {self.folder}: {error.strerror}"
            ) from None

    def write(self, record: Record) -> Path:
        """Writes one record atomically and returns its path."""
        path = self.folder / f"{file_stem(record)}.json"
        write_atomically(path, record_json(record))
        return path

    def find(self, config_sha256: str) -> Record | None:
        """The record of a cell measured before, or None."""
        for path in self.folder.glob(f"*_{config_sha256[:10]}.json"):
            record = read_record(path)
            if record.config_sha256 == config_sha256:
                return record
        return None

    def paths(self) -> list[Path]:
        """The files of records, sorted.

        Raises:
            InputError: where the folder does not exist, or a folder in it cannot be read.
        """
        found, problems = self._listed()
        if problems:
            raise InputError(problems[0])
        return found

    def _listed(self) -> tuple[list[Path], list[str]]:
        """The files of records, and a sentence for each folder that cannot be read."""
        if not self.folder.is_dir():
            raise InputError(f"folder of records {self.folder} does not exist")
        problems: list[str] = []

        def note(error: OSError) -> None:
            problems.append(f"folder {error.filename} cannot be read: {error.strerror}")
            if Path(error.filename) == self.folder:
                raise InputError(problems[0])

        found = [
            Path(folder, name)
            for folder, folders, files in os.walk(self.folder, onerror=note)
            for name in (*folders, *files)
            if name.endswith(".json") and not name.endswith(RESULTS_ENDING)
        ]
        return sorted(found), problems

    def __iter__(self) -> Iterator[Record]:
        return map(read_record, self.paths())

    def readable(self) -> StoredRecords:
        """The records that can be read, and what is wrong with the other files.

        Raises:
            InputError: where the folder does not exist.
        """
        records, read = [], []
        found, problems = self._listed()
        for path in found:
            try:
                records.append(read_record(path))
                read.append(path)
            except InputError as error:
                problems.append(str(error))
        return StoredRecords(tuple(records), tuple(problems), tuple(read))


def record_json(record: Record) -> bytes:
    """The record as it stands in a file."""
    values = record.model_dump(mode="json")
    return json.dumps(values, indent=1, allow_nan=False).encode() + b"\n"


def read_record(path: Path) -> Record:
    """Reads one record.

    Raises:
        InputError: for a file that cannot be read, is not JSON, or is not a record of this schema;
            it names the field and what is expected.
    """
    return parse_record(read_json(path), f"record {path}")


def parse_record(content: Any, name: str) -> Record:
    """The record that a JSON value holds; `name` is what messages call it.

    Raises:
        InputError: as `read_record`.
    """
    if not isinstance(content, dict) or "schema_version" not in content:
        raise InputError(f"{name} is not a record: it has no schema_version")
    version = content["schema_version"]
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise InputError(f"{name} has schema {shown(version)}; expected {SCHEMA_VERSION}")
    try:
        return Record(**content)
    except ValidationError as error:
        raise InputError(f"{name} {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as the end of a sentence."""
    problem = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in problem["loc"] if part in _names(problem["loc"]))
    if problem["type"] == "missing":
        return f"lacks the field {key!r}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if message.startswith("expected") else f"expected {message}"
    return f"has {key} {shown(problem['input'])}; {expected}"


def _names(location: tuple[int | str, ...]) -> set[int | str]:
    """The parts of a location that its author wrote, without the branches of a union."""
    branches = ("int", "float", "str", "constrained-int", "constrained-float")
    return {part for part in location if part not in branches and "[" not in str(part)}
