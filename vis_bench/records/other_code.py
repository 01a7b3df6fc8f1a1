"""A results file of any other code as a record, so that it stands on the leaderboard."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from vis_bench.atomic_write import write_atomically
from vis_bench.data.categories import DATASETS, check_dataset_name, dataset_of
from vis_bench.errors import InputError
from vis_bench.evaluation.ytvis import Evaluation, evaluate_files
from vis_bench.json_file import parse_json, read_bytes
from vis_bench.records.cell_name import file_stem
from vis_bench.records.schema import AccuracyFields, Record
from vis_bench.records.source import package_version
from vis_bench.records.store import RESULTS_ENDING, RecordStore


def record_results(
    name: str,
    annotations: Path,
    predictions: Path,
    store: RecordStore,
    *,
    command: str,
    backbone: str | None = None,
    dataset: str | None = None,
    split: str | None = None,
    tracking_threshold: float | None = None,
) -> tuple[Evaluation, Path]:
    """Evaluates a results file, and writes its record with a copy of the predictions beside it.

    Args:
        name: of the method, as the leaderboard and the comparison show it ("VisTR").
        annotations: the ground truth; its checksum goes into the record.
        predictions: the results file.
        store: where the record goes.
        command: the command line.
        backbone: as the comparison calls it ("ResNet-50" or "r50").
        dataset: a data set's name; default: the one whose categories the annotations have.
        split: default: what `split` wrote into the file, or the file's name.
        tracking_threshold: as `evaluate`.

    Raises:
        InputError: for an empty name, an unknown data set, or what `evaluate_files` refuses.
    """
    if not name.strip():
        raise InputError("the name for --record is empty; give the method's name, such as VisTR")
    evaluation = evaluate_files(annotations, predictions, tracking_threshold=tracking_threshold)
    described = _describe_annotations(annotations, dataset, split)
    results = read_bytes(predictions)
    identity = [name.strip(), backbone, described, hashlib.sha256(results).hexdigest()]
    record = Record(
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        vis_bench_version=package_version(),
        method=name.strip(),
        backbone=backbone or "-",
        external=True,
        num_videos=len(evaluation.matches.videos),
        num_frames=sum(video.length for video in evaluation.matches.videos),
        config_sha256=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        **described,
    )
    copy = f"{file_stem(record)}{RESULTS_ENDING}"
    tracking = {} if evaluation.tracking is None else evaluation.tracking.headline()
    accuracy = AccuracyFields(predictions=copy, **evaluation.summary(), **tracking)
    record = Record.of(record, accuracy)
    write_atomically(store.folder / copy, results)
    return evaluation, store.write(record)


def _describe_annotations(path: Path, dataset: str | None, split: str | None) -> dict[str, Any]:
    """The record's dataset, split and annotations_sha256."""
    data = read_bytes(path)
    content = parse_json(data, str(path))
    if dataset is not None:
        check_dataset_name(dataset)
    info = content.get("info")
    written = info.get("split") if isinstance(info, dict) else None
    part = written.get("part") if isinstance(written, dict) else None
    return {
        "dataset": dataset or _recognized(content, path),
        "split": split or part or path.stem,
        "annotations_sha256": hashlib.sha256(data).hexdigest(),
    }


def _recognized(content: dict[str, Any], path: Path) -> str:
    names = {entry["id"]: str(entry.get("name")) for entry in content["categories"]}
    found = dataset_of(names)
    if found is None:
        known = ", ".join(DATASETS)
        raise InputError(
            f"{path} has the categories of no known data set; --dataset names one: {known}"
        )
    return found
