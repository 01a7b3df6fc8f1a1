"""A results file of any other code as a record, so that it stands on the leaderboard."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.annotation_files import annotations_checksum, is_of_images, join_short_and_long
from vis_bench.data.categories import DATASETS, SHORT_AND_LONG, check_dataset_name, dataset_of
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, write_atomically
from vis_bench.metrics.bootstrap import ap_interval
from vis_bench.metrics.images import ImageEvaluation
from vis_bench.metrics.ytvis import Evaluation, evaluate_files
from vis_bench.records.environment import package_version
from vis_bench.records.schema import AccuracyFields, Record
from vis_bench.records.store import RecordStore


@dataclass(frozen=True)
class OtherCode:
    """What is known of results that other code made.

    Args:
        method: its name, as the leaderboard and the comparison show it ("VisTR").
        backbone: as the comparison calls it ("ResNet-50" or "r50").
        note: what tells these results from others of the method ("36 frames").
        url: where they come from.
        fps: source frames per second, which need the `device` they were measured on.
        device: "one V100".
        num_params: distinct learnable parameters.

    Raises:
        InputError: for an empty name or note, a URL of another kind, figures that are negative or
            not finite, or FPS and device without the other.
    """

    method: str
    backbone: str | None = None
    note: str | None = None
    url: str | None = None
    fps: float | None = None
    device: str | None = None
    num_params: int | None = None

    def __post_init__(self) -> None:
        if not self.method.strip():
            raise InputError(
                "the name for --record is empty; give the method's name, such as VisTR"
            )
        for key in ("method", "backbone", "note", "device"):
            text = getattr(self, key)
            if text is not None:
                if not text.strip() or not text.replace("\n", " ").isprintable():
                    raise InputError(f"{key} is {text!r}; expected a line of text")
                object.__setattr__(self, key, " ".join(text.split()))
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise InputError(f"url is {self.url!r}; expected one that starts with https://")
        if (self.fps is None) != (self.device is None):
            given, needed = ("fps", "device") if self.device is None else ("device", "fps")
            raise InputError(
                f"{given} is {getattr(self, given)!r} without {needed}; FPS mean something only "
                "together with the device they were measured on"
            )
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"fps is {self.fps}; expected a number above 0")
        if self.num_params is not None and self.num_params < 0:
            raise InputError(f"num_params is {self.num_params}; expected a number from 0 up")


def record_results(
    source: OtherCode,
    annotations: Path,
    predictions: Path,
    store: RecordStore,
    *,
    command: str,
    dataset: str | None = None,
    split: str | None = None,
    long_annotations: Path | None = None,
    tracking_threshold: float | None = None,
) -> tuple[Evaluation | ImageEvaluation, Path]:
    """Evaluates a results file, and writes its record with a copy of the predictions beside it.

    The same results of the same method under the same note make one record, written anew; other
    results, or another note, make another.

    Args:
        source: whose results they are.
        annotations: the ground truth; its checksum goes into the record.
        predictions: the results file.
        store: where the record goes.
        command: the command line.
        dataset: a data set's name; default: the one whose categories the annotations have.
        split: default: what `split` wrote into the file, or the file's name.
        long_annotations: as `evaluate_files`; the data set and split are then the 2022 validation
            videos of YouTube-VIS unless they are given.
        tracking_threshold: as `evaluate`.

    Raises:
        InputError: for an unknown data set, or what `evaluate_files` refuses.
    """
    evaluation = evaluate_files(
        annotations, predictions, long_annotations=long_annotations,
        tracking_threshold=tracking_threshold,
    )  # fmt: skip
    if long_annotations is None:
        described = _describe_annotations(annotations, dataset, split)
    else:
        described = _describe_both(annotations, long_annotations, dataset, split)
    results = read_bytes(predictions)
    identity = [source.method, source.backbone, described, hashlib.sha256(results).hexdigest()]
    identity += [] if source.note is None else [source.note]
    record = Record(
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        vis_bench_version=package_version(),
        method=source.method,
        backbone=source.backbone or "-",
        external=True,
        note=source.note,
        url=source.url,
        fps=source.fps,
        device=source.device,
        num_params=source.num_params,
        num_videos=len(evaluation.videos),
        num_frames=sum(video.length for video in evaluation.videos),
        config_sha256=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        **described,
    )
    copy = store.results_file(record)
    record = Record.of(record, AccuracyFields(predictions=copy.name, **_accuracy(evaluation)))
    write_atomically(copy, results)
    return evaluation, store.write(record)


def _accuracy(evaluation: Evaluation | ImageEvaluation) -> dict[str, Any]:
    """The record's metrics; of images the 12 numbers alone."""
    if isinstance(evaluation, ImageEvaluation):
        return dict(evaluation.summary())
    tracking = {} if evaluation.tracking is None else evaluation.tracking.headline()
    low, high = ap_interval(evaluation.matches) or (None, None)
    return {"ap_low": low, "ap_high": high, **evaluation.record_numbers(), **tracking}


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
        "annotations_sha256": annotations_checksum(data),
    }


def _describe_both(
    short: Path, long: Path, dataset: str | None, split: str | None
) -> dict[str, Any]:
    if dataset is not None:
        check_dataset_name(dataset)
    joined = orjson.dumps(join_short_and_long(short, long))
    return {
        "dataset": dataset or SHORT_AND_LONG,
        "split": split or "val",
        "annotations_sha256": annotations_checksum(joined),
    }


def _recognized(content: dict[str, Any], path: Path) -> str:
    names = {entry["id"]: str(entry.get("name")) for entry in content["categories"]}
    found = dataset_of(names, of_images=is_of_images(content))
    if found is None:
        known = ", ".join(DATASETS)
        raise InputError(
            f"{path} has the categories of no known data set; --dataset names one: {known}"
        )
    return found
