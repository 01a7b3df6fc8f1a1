"""Cells to compare, from a record, a folder of records, or a baseline file.

A baseline file holds the compared fields of many records in one JSON, small enough for review.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, StrictBool, StrictStr, ValidationError

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown, write_atomically
from vis_bench.records.names import arithmetic_words, clip_name, named_options
from vis_bench.records.schema import (
    Count,
    Fields,
    IdentityFields,
    MetricFields,
    NotNegative,
    Positive,
    Record,
    Size,
    SizeFields,
)
from vis_bench.records.store import RecordStore, first_problem, parse_record

BASELINE_KEY = "vis_bench_baseline"
BASELINE_VERSION = 1


class GatedSpeed(Fields):
    """Compared fields of one timed region."""

    fps: Positive | None = None
    speed_spread: NotNegative | None = None
    peak_memory_bytes: Count | None = None


class GatedCell(GatedSpeed, SizeFields, MetricFields, IdentityFields):
    """Compared fields of a record."""

    precision: StrictStr | None = None
    tf32: StrictBool | None = None
    compile: StrictStr | None = None
    gflops_per_clip: NotNegative | None = None
    gflops_per_frame: NotNegative | None = None
    flop_convention: StrictStr | None = None
    timed_region: StrictStr | None = None
    speed_protocol: StrictStr | None = None
    regions: dict[StrictStr, GatedSpeed] = Field(default_factory=dict)
    load_average: NotNegative | None = None
    num_cpus: Size | None = None
    device: StrictStr | None = None
    num_threads: Size | None = None
    created_at: StrictStr | None = None
    git_commit: StrictStr | None = None
    git_dirty: StrictBool | None = None

    @classmethod
    def of(cls, record: Record) -> GatedCell:
        """Take the compared fields of a record."""
        return cls(**record.model_dump(include=set(cls.model_fields)))

    def timed_regions(self) -> Mapping[str, GatedSpeed]:
        """The timed regions by name; the cell's own figures where it names no regions."""
        if self.regions or self.fps is None:
            return self.regions
        return {str(self.timed_region): self}


# Fields that identify a cell, beside TF32, compilation and the protocol of speed.
IDENTITY = (
    "method", "options", "backbone", "dataset", "split", "clip_length", "clip_stride",
    "resolution", "precision", "training",
)  # fmt: skip
COSTS = ("num_params", "gflops_per_clip", "gflops_per_frame")


def load_cells_to_gate(path: Path) -> list[GatedCell]:
    """The cells of a record file, a folder of records, or a baseline file.

    Of several measurements of a cell on the same device the latest counts.
    """
    cells = _latest(_read(path))
    if not cells:
        raise InputError(f"{path} holds no records; expected at least one to compare")
    return cells


def write_baseline(cells: Sequence[GatedCell], path: Path) -> None:
    """Write a baseline file; the same cells give the same bytes.

    A folder, or a file that is not a baseline, is refused and kept.
    """
    if path.is_dir() or (path.exists() and not _is_baseline(read_json(path))):
        raise InputError(f"{path} is not a baseline file; --update writes a new file or a baseline")
    written = [cell.model_dump(mode="json") for cell in sorted(cells, key=_sort_key)]
    content = {BASELINE_KEY: BASELINE_VERSION, "cells": written}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def full_name(cell: GatedCell) -> str:
    """All settings that distinguish a cell."""
    parts = [
        cell.method, cell.backbone, f"{cell.dataset} {cell.split}", clip_name(cell) or None,
        cell.resolution,
        ", ".join(arithmetic_words(cell)) or None,
        *(f"{key}={value}" for key, value in sorted(named_options(cell).items())),
        None if cell.training is None else f"({cell.training})",
    ]  # fmt: skip
    return " ".join(str(part) for part in parts if part is not None)


def cell_key(cell: GatedCell) -> str:
    """Identity of a cell as one string; measurements of equal keys are comparable."""
    named = [getattr(cell, key) for key in IDENTITY]
    protocol = [] if cell.speed_protocol in (None, "bench") else [cell.speed_protocol]
    return json.dumps([*named, *arithmetic_words(cell), *protocol], sort_keys=True)


def _read(path: Path) -> list[GatedCell]:
    if path.is_dir():
        return [GatedCell.of(record) for record in RecordStore(path)]
    content = read_json(path)
    if _is_baseline(content):
        return _baseline_cells(content, path)
    return [GatedCell.of(parse_record(content, str(path)))]


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
        return [GatedCell(**cell) for cell in cells]
    except ValidationError as error:
        raise InputError(f"baseline {path} {first_problem(error)}") from None


def _latest(cells: Iterable[GatedCell]) -> list[GatedCell]:
    chosen: dict[tuple[str, str | None], GatedCell] = {}
    for cell in sorted(cells, key=lambda cell: cell.created_at or ""):
        chosen[cell_key(cell), cell.device] = cell
    return sorted(chosen.values(), key=_sort_key)


def _sort_key(cell: GatedCell) -> tuple[str, str, str]:
    return full_name(cell), str(cell.device), cell_key(cell)
