"""What the gate compares: cells from a record, a folder of records, or a baseline file.

A baseline file holds the gated fields of many records in one JSON, small enough to be committed
and reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.atomic_write import write_atomically
from vis_bench.errors import InputError
from vis_bench.json_file import read_json
from vis_bench.records.record import METRICS, Record, RecordStore, read_record

BASELINE_KEY = "vis_bench_baseline"
BASELINE_VERSION = 1

# A record's fields as far as the gate reads them; those of IDENTITY say what was measured.
IDENTITY = (
    "method", "options", "backbone", "dataset", "split", "clip_length", "clip_stride",
    "resolution", "precision", "training",
)  # fmt: skip
COSTS = ("num_params", "gflops_per_clip", "gflops_per_frame")
SPEED = ("fps", "speed_spread", "peak_memory_bytes")
_KEPT = (
    *IDENTITY, "num_videos", "annotations_sha256", *METRICS, *COSTS, "flop_convention",
    "timed_region", *SPEED, "load_average", "num_cpus", "device", "num_threads", "created_at",
    "git_commit", "git_dirty",
)  # fmt: skip

# A record reduced to those fields.
GatedCell = dict[str, Any]


def load_cells_to_gate(path: Path) -> list[GatedCell]:
    """The cells of a record file, a folder of records, or a baseline file.

    Of several measurements of the same cell on the same device the latest counts.

    Raises:
        InputError: for a path that holds none of the three, or no cell at all.
    """
    cells = _latest(_read(path))
    if not cells:
        raise InputError(f"{path} holds no record; need at least one to compare")
    return cells


def write_baseline(cells: Sequence[GatedCell], path: Path) -> None:
    """Writes a baseline file; the same cells give the same bytes.

    Raises:
        InputError: where `path` is a folder or a file that is no baseline: neither is overwritten.
    """
    if path.is_dir() or (path.exists() and not _is_baseline(read_json(path))):
        raise InputError(f"{path} is no baseline file; --update writes a new file or a baseline")
    content = {BASELINE_KEY: BASELINE_VERSION, "cells": sorted(cells, key=_sort_key)}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def cell_key(cell: Mapping[str, Any]) -> str:
    """What makes two measurements comparable, as one string."""
    return json.dumps([cell.get(key) for key in IDENTITY], sort_keys=True)


def cell_name(cell: Mapping[str, Any]) -> str:
    """The cell for a reader: method, backbone, data, clip, resolution and options."""
    stride = cell.get("clip_stride")
    options = {k: v for k, v in (cell.get("options") or {}).items() if k != "backbone"}
    parts = [
        cell["method"], cell.get("backbone"), f"{cell.get('dataset')} {cell.get('split')}",
        f"T={cell.get('clip_length')}", None if stride is None else f"S={stride}",
        cell.get("resolution"),
        None if cell.get("precision") in (None, "float32") else cell["precision"],
        *(f"{key}={value}" for key, value in sorted(options.items())),
    ]  # fmt: skip
    return " ".join(str(part) for part in parts if part is not None)


def _read(path: Path) -> list[GatedCell]:
    if path.is_dir():
        return [gated_cell(record) for record in RecordStore(path)]
    content = read_json(path)
    if _is_baseline(content):
        return _baseline_cells(content, path)
    return [gated_cell(read_record(path))]


def _is_baseline(content: object) -> bool:
    return isinstance(content, dict) and BASELINE_KEY in content


def _baseline_cells(content: dict[str, Any], path: Path) -> list[GatedCell]:
    version, cells = content[BASELINE_KEY], content.get("cells")
    if version != BASELINE_VERSION:
        raise InputError(f"{path} is baseline version {version!r}; this reads {BASELINE_VERSION}")
    if not isinstance(cells, list) or not all(
        isinstance(cell, dict) and "method" in cell for cell in cells
    ):  # fmt: skip
        raise InputError(f"baseline {path}: cells is no list of cells; write it with --update")
    return cells


def gated_cell(record: Record) -> GatedCell:
    """A record reduced to the fields that the gate reads."""
    cell = {key: record.get(key) for key in _KEPT}
    regions = record.get("regions") or {}
    cell["regions"] = {
        name: {key: fields.get(key) for key in SPEED} for name, fields in sorted(regions.items())
    }
    return cell


def _latest(cells: Iterable[GatedCell]) -> list[GatedCell]:
    chosen: dict[tuple[str, Any], GatedCell] = {}
    for cell in sorted(cells, key=lambda cell: cell.get("created_at") or ""):
        chosen[cell_key(cell), cell.get("device")] = cell
    return sorted(chosen.values(), key=_sort_key)


def _sort_key(cell: GatedCell) -> tuple[str, str]:
    return cell_name(cell), str(cell.get("device"))
