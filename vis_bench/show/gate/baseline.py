"""Cells to compare, from a record, a folder of records, or a baseline file.

A baseline file holds the compared fields of many records in one JSON, small enough for review.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown, write_atomically
from vis_bench.grouping import grouped
from vis_bench.record.fields import kept_fields
from vis_bench.record.names import clip_name, named_options
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore, first_problem, parse_record, read_record
from vis_bench.runs.identity import Identity, identity_of
from vis_bench.table.labels import whole_name

BASELINE_KEY = "vis_bench_baseline"
BASELINE_VERSION = 1


# Fields of a baseline file: those that identify a cell, those that are compared, and the
# conditions under which they were measured, as pydantic's `include` has them.
BASELINE_FIELDS = kept_fields(Record)


@dataclass(frozen=True, eq=False)
class GatedCell:
    """A record to compare; of a baseline file, with the fields that are compared.

    Attributes:
        source: the place that it was read from, for messages.
        path: the record's own file, beside which its predictions lie.
    """

    record: Record
    source: str = ""
    path: Path | None = None

    @cached_property
    def identity(self) -> Identity:
        """Identity of the cell and of the measurement."""
        return identity_of(self.record)


C = TypeVar("C", bound=GatedCell)


def load_cells_to_gate(path: Path) -> list[GatedCell]:
    """The cells of a record file, a folder of records, or a baseline file."""
    cells = sorted(_read(path), key=_sort_key)
    if not cells:
        raise InputError(f"{path} holds no records; expected at least one to compare")
    return cells


def repeated_cells(cells: Sequence[GatedCell]) -> list[list[GatedCell]]:
    """Measurements of one cell on the same device and videos, where there are several."""
    groups = grouped(cells, lambda cell: cell.identity.measurement).values()
    return [group for group in groups if len(group) > 1]


def write_baseline(cells: Sequence[GatedCell], path: Path) -> None:
    """Write a baseline file; the same cells give the same bytes.

    A folder, or a file that is not a baseline, is refused and kept.
    """
    if path.is_dir() or (path.exists() and not _is_baseline(read_json(path))):
        raise InputError(f"{path} is not a baseline file; --update writes a new file or a baseline")
    for first, second, *_ in repeated_cells(cells):
        raise InputError(
            f"{first.source} and {second.source} measure the same cell, {full_name(first.record)}; "
            "expected one record of it, so remove the other"
        )
    written = [
        cell.record.model_dump(mode="json", include=BASELINE_FIELDS)
        for cell in sorted(cells, key=_sort_key)
    ]
    content = {BASELINE_KEY: BASELINE_VERSION, "cells": written}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def full_name(record: Record) -> str:
    """A cell's name by itself, as tables write it: `IFC, mini, synthetic set val, 192p T=5`."""
    options = dict(sorted(named_options(record).items()))
    if record.training is not None:
        options["training"] = record.training
    return whole_name(record, options.items())


def distinct_names(cells: Sequence[GatedCell]) -> dict[Hashable, str]:
    """Names by measurement: the full name, and where full names are equal what differs."""
    names = {}
    for name, group in grouped(cells, lambda cell: full_name(cell.record)).items():
        settings = [
            {
                **cell.identity.cell,
                "kernels": cell.record.kernel_backend,
                "device": cell.record.device,
                "videos": cell.record.num_videos,
                "annotations": (cell.record.annotations_sha256 or "")[:8],
            }
            for cell in group
        ]
        for cell, own in zip(group, settings, strict=True):
            words = [
                f"{setting}={_joined(value)}"
                for setting, value in own.items()
                if any(other.get(setting) != value for other in settings)
            ]
            names[cell.identity.measurement] = " ".join([name, *words])
    return names


def _joined(value: Any) -> str:
    return "+".join(map(str, value)) if value and isinstance(value, list) else shown(value)


def paired(
    baseline: Sequence[GatedCell], current: Sequence[GatedCell], *, retrained: bool = False
) -> tuple[list[tuple[GatedCell, GatedCell]], list[GatedCell], list[GatedCell]]:
    """Pair each cell with its counterpart; those of the baseline and of current without one follow.

    A cell that was not measured again as it was is paired with its measurement on another device
    or on other videos, which no other cell is paired with.

    Args:
        retrained: then also with other weights or another precision, where either side has one
            such cell without a counterpart.
    """
    now = {cell.identity.measurement: cell for cell in current}
    before = {cell.identity.measurement for cell in baseline}
    others = grouped(
        (cell for key, cell in now.items() if key not in before), lambda cell: cell.identity.key
    )
    pairs, gone = [], []
    for old in baseline:
        candidates = others.get(old.identity.key, [])
        new = now.get(old.identity.measurement) or most_alike(old, candidates)
        if new is None:
            gone.append(old)
            continue
        pairs.append((old, new))
        candidates[:] = [cell for cell in candidates if cell is not new]
    added = list(itertools.chain(*others.values()))
    if retrained:
        pairs += (again := _retrained(gone, added))
        found = set(itertools.chain(*again))
        gone, added = ([c for c in cells if c not in found] for cells in (gone, added))
    return pairs, gone, added


def _retrained(
    gone: Sequence[GatedCell], added: Sequence[GatedCell]
) -> list[tuple[GatedCell, GatedCell]]:
    """Pairs that are alike but for the weights and the arithmetic, the only ones on either side."""
    old, new = (grouped(cells, lambda c: c.identity.retrained_key) for cells in (gone, added))
    return [
        (cells[0], new[key][0])
        for key, cells in old.items()
        if len(cells) == 1 and len(new.get(key, ())) == 1
    ]


def most_alike(cell: GatedCell, others: Iterable[C]) -> C | None:
    """The measurement to compare a cell with, of equally good ones the first; None without any."""
    return max(filter(partial(_likeness, cell), others), key=partial(_likeness, cell), default=None)


def _likeness(cell: GatedCell, other: GatedCell) -> int:
    """Rank of a measurement as the one to compare with; 0 if it cannot be compared.

    On one device, other kernels are another measurement.
    """
    is_here = cell.record.device == other.record.device
    if is_here and cell.record.kernel_backend != other.record.kernel_backend:
        return 0
    own, its = cell.identity, other.identity
    machine = 2 * is_here + 4 * (own.machine == its.machine)
    return 1 + (own.data == its.data) + machine + 8 * (own.key == its.key)


def _read(path: Path) -> list[GatedCell]:
    if path.is_dir():
        return [GatedCell(read_record(file), str(file), file) for file in RecordStore(path).paths()]
    content = read_json(path)
    if _is_baseline(content):
        return _baseline_cells(content, path)
    return [GatedCell(parse_record(content, str(path)), str(path), path)]


def _is_baseline(content: object) -> bool:
    return isinstance(content, dict) and BASELINE_KEY in content


def _baseline_cells(content: dict[str, Any], path: Path) -> list[GatedCell]:
    version, cells = content[BASELINE_KEY], content.get("cells")
    if version != BASELINE_VERSION:
        raise InputError(
            f"{path} is baseline version {shown(version)}; expected {BASELINE_VERSION}"
        )
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise InputError(f"baseline {path}: cells is not a list of cells; write it with --update")
    try:
        return [
            GatedCell(Record(**{"config_sha256": "", **cell}), f"{path} cells[{index}]")
            for index, cell in enumerate(cells)
        ]
    except ValidationError as error:
        raise InputError(f"baseline {path} {first_problem(error)}") from None


def _sort_key(cell: GatedCell) -> tuple[str, ...]:
    record = cell.record
    data, clip = f"{record.dataset} {record.split}", clip_name(record)
    where = record.method, str(record.backbone), data, clip, str(record.resolution)
    return *where, str(record.device), repr(cell.identity.measurement)
