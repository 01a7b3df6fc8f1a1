"""The annotations that a record was measured with, found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vis_bench.data.annotation_files import annotations_checksum, as_videos
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.datasets import Dataset
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes
from vis_bench.records.schema import Record
from vis_bench.records.store import first_problem
from vis_bench.runs.config import DatasetConfig
from vis_bench.runs.open_dataset import open_dataset


def ground_truth_of(
    records: Sequence[Record], annotations: Path | None = None, data_root: Path | None = None
) -> GroundTruth:
    """The annotations that records were measured with; see `find_annotations`."""
    return find_annotations(records, annotations, data_root)[0]


def find_annotations(
    records: Sequence[Record], annotations: Path | None = None, data_root: Path | None = None
) -> tuple[GroundTruth, Dataset | None]:
    """The annotations that records were measured with, those of their videos alone, and the data
    set that they were found in; None where a file was given and is enough.

    Args:
        records: of the same videos; none, where there are only results files.
        annotations: the ground truth; not needed where a record says which data set it is and
            that is at hand.
        data_root: where data sets lie.

    Raises:
        InputError: where they are not at hand, or not those that a record was measured with.
    """
    if annotations is not None:
        _check_digest(records, annotations_checksum(read_bytes(annotations)), annotations)
        if not records or _lists(annotations, records[0].num_videos):
            return read_annotations(annotations), None
    if not records:
        raise InputError("results files need --annotations; records know their data set")
    record = records[0]
    dataset = _dataset(record.config, annotations, data_root)
    _check_digest(records, dataset.annotations_sha256, dataset.annotations_path or dataset.name)
    return dataset.ground_truth(dataset.videos[: record.num_videos]), dataset


def _lists(annotations: Path, num_videos: int | None) -> bool:
    content = as_videos(parse_json(read_bytes(annotations), str(annotations)))
    return isinstance(content, dict) and len(content.get("videos", ())) == num_videos


def _check_digest(records: Sequence[Record], digest: str, place: object) -> None:
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
