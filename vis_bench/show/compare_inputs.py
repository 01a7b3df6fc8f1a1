"""What `compare` and `report` are given: records with their predictions, or results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.datasets import Dataset
from vis_bench.data.results_file import Results, read_results
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes
from vis_bench.records.names import noted, short_name, with_marks
from vis_bench.records.schema import Record
from vis_bench.records.store import predictions_path, read_record
from vis_bench.runs.record_annotations import find_annotations


@dataclass(frozen=True)
class ComparedPair:
    """Two results for the same annotations, and what to call them."""

    names: tuple[str, str]
    results: tuple[Results, Results]
    ground_truth: GroundTruth


@dataclass(frozen=True)
class Subjects:
    """One or two results for the same annotations, and where they come from.

    `records` holds None for a results file. `dataset` is the data set that the annotations were
    found by, None where they are a file that was given.
    """

    names: Sequence[str]
    records: Sequence[Record | None]
    results: Sequence[Results]
    ground_truth: GroundTruth
    dataset: Dataset | None


def load_pair(
    first: Path,
    second: Path,
    *,
    annotations: Path | None = None,
    data_root: Path | None = None,
) -> ComparedPair:
    """Reads what two paths name; see `load_subjects`."""
    subjects = load_subjects([first, second], annotations=annotations, data_root=data_root)
    one, two = subjects.names
    return ComparedPair((one, two), (subjects.results[0], subjects.results[1]),
                        subjects.ground_truth)  # fmt: skip


def load_subjects(
    paths: Sequence[Path], *, annotations: Path | None = None, data_root: Path | None = None
) -> Subjects:
    """Reads what one or two paths name.

    Args:
        paths: a record (its predictions lie beside it) or a results file, each.
        annotations: the ground truth; not needed where a record says which data set it is and
            that is at hand.
        data_root: where data sets lie.

    Raises:
        InputError: where annotations are missing or not those that a record was measured with, or
            two records were measured on different videos.
    """
    records = [_record_at(path) for path in paths]
    results = [
        read_results(path if record is None else predictions_path(record, path))
        for path, record in zip(paths, records, strict=True)
    ]
    known = [record for record in records if record is not None]
    _check_same_videos(known)
    truth, dataset = find_annotations(known, annotations, data_root)
    return Subjects(_names(records, paths), records, results, truth, dataset)


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


def _names(records: Sequence[Record | None], paths: Sequence[Path]) -> list[str]:
    """What tells them apart: method, clip and note, or else the file's name; then the marks."""
    named = [
        path.stem if record is None else short_name(record) + noted(record)
        for record, path in zip(records, paths, strict=True)
    ]
    if len(set(named)) < len(named):
        named = [path.stem for path in paths]
    if len(set(named)) < len(named):
        named = [str(path) for path in paths]
    return [
        name if record is None else with_marks(name, record)
        for name, record in zip(named, records, strict=True)
    ]
