"""What `compare` is given: two records with their predictions, or two results files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.dataset import Dataset
from vis_bench.data.results_file import Results, read_results
from vis_bench.errors import InputError
from vis_bench.json_file import parse_json, read_bytes
from vis_bench.records.cell_name import short_name
from vis_bench.records.labels import noted, with_marks
from vis_bench.records.predictions import predictions_path
from vis_bench.records.schema import Record
from vis_bench.records.store import first_problem, read_record
from vis_bench.runs.config import DatasetConfig
from vis_bench.runs.open_dataset import open_dataset


@dataclass(frozen=True)
class ComparedPair:
    """Two results for the same annotations, and what to call them."""

    names: tuple[str, str]
    results: tuple[Results, Results]
    ground_truth: GroundTruth


def load_pair(
    first: Path,
    second: Path,
    *,
    annotations: Path | None = None,
    data_root: Path | None = None,
) -> ComparedPair:
    """Reads what two paths name.

    Args:
        first, second: a record (its predictions lie beside it) or a results file, each.
        annotations: the ground truth; not needed where a record says which data set it is and
            that is at hand.
        data_root: where data sets lie.

    Raises:
        InputError: where annotations are missing or not those that a record was measured with, or
            two records were measured on different videos.
    """
    records = [_record_at(path) for path in (first, second)]
    results = [
        read_results(path if record is None else predictions_path(record, path))
        for path, record in zip((first, second), records, strict=True)
    ]
    known = [record for record in records if record is not None]
    _check_same_videos(known)
    truth = _ground_truth(known, annotations, data_root)
    one, two = _names(records, (first, second))
    return ComparedPair((one, two), (results[0], results[1]), truth)


def _record_at(path: Path) -> Record | None:
    """The record in a file, or None where it holds a results list."""
    content = parse_json(read_bytes(path), str(path))
    return None if isinstance(content, list) else read_record(path)


def _check_same_videos(records: list[Record]) -> None:
    for key in ("annotations_sha256", "num_videos"):
        values = {getattr(record, key) for record in records}
        if len(values) > 1:
            shown = " and ".join(str(getattr(record, key))[:12] for record in records)
            raise InputError(f"the records differ in {key}: {shown}; compare needs the same videos")


def _ground_truth(
    records: list[Record], annotations: Path | None, data_root: Path | None
) -> GroundTruth:
    if annotations is not None:
        _check_digest(records, hashlib.sha256(read_bytes(annotations)).hexdigest(), annotations)
        if not records or _lists(annotations, records[0].num_videos):
            return read_annotations(annotations)
    if not records:
        raise InputError("results files need --annotations; records know their data set")
    record = records[0]
    dataset = _dataset(record.config, annotations, data_root)
    _check_digest(records, dataset.annotations_sha256, dataset.annotations_path or dataset.name)
    return dataset.ground_truth(dataset.videos[: record.num_videos])


def _lists(annotations: Path, num_videos: int | None) -> bool:
    content = parse_json(read_bytes(annotations), str(annotations))
    return isinstance(content, dict) and len(content.get("videos", ())) == num_videos


def _check_digest(records: list[Record], digest: str, place: object) -> None:
    for record in records:
        if record.annotations_sha256 not in (None, digest):
            raise InputError(
                f"{place} has the checksum {digest[:12]}, but the record was measured with "
                f"{record.annotations_sha256[:12]}; give the same annotations"
            )


def _dataset(
    config: Mapping[str, Any] | None, annotations: Path | None, data_root: Path | None
) -> Dataset:
    described = (config or {}).get("dataset")
    if not described:
        raise InputError(
            "a record of other code does not say where its data lie: give --annotations"
        )
    try:
        chosen = DatasetConfig.model_validate(described)
    except ValidationError as error:
        raise InputError(f"the record's config.dataset {first_problem(error)}") from None
    if annotations is not None:
        chosen = chosen.model_copy(update={"annotations": str(annotations)})
    return open_dataset(chosen, data_root)


def _names(records: list[Record | None], paths: tuple[Path, Path]) -> tuple[str, str]:
    """What tells the two apart: method, clip and note, or else the file's name; then the marks."""
    named = [
        path.stem if record is None else short_name(record) + noted(record)
        for record, path in zip(records, paths, strict=True)
    ]
    if named[0] == named[1]:
        named = [path.stem for path in paths]
    if named[0] == named[1]:
        named = [str(path) for path in paths]
    one, two = (
        name if record is None else with_marks(name, record)
        for name, record in zip(named, records, strict=True)
    )
    return one, two
