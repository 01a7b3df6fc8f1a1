"""Records of results files that other code made, so that they join the leaderboard."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson

from vis_bench.data.annotation_files import (
    annotations_checksum,
    category_names,
    cut_of,
    join_short_and_long,
    videos_checksum,
)
from vis_bench.data.categories import DATASETS, SHORT_AND_LONG, contradiction
from vis_bench.data.doubts import MOST_TRACKS
from vis_bench.data.official import check_max_tracks, recognize
from vis_bench.digests import PinnedFile
from vis_bench.errors import InputError
from vis_bench.files import parse_json, write_atomically
from vis_bench.metrics.ap import Evaluation, evaluate_files
from vis_bench.metrics.coco import ImageEvaluation
from vis_bench.metrics.scores import DEFAULTS, Asked
from vis_bench.record.environment import package_version
from vis_bench.record.names import file_stem
from vis_bench.record.schema import AccuracyFields, Record
from vis_bench.record.store import RESULTS_ENDING, RecordStore, content_name


def _line_of_text(key: str, text: str | None) -> str | None:
    """The text in single spaces; refuses one that is none, or more than a line."""
    if text is None:
        return None
    if not text.strip() or not text.replace("\n", " ").isprintable():
        raise InputError(f"{key} is {text!r}; expected a line of text")
    return " ".join(text.split())


@dataclass(frozen=True)
class OtherCode:
    """Facts about results that other code made, checked.

    Args:
        method: name for the leaderboard and the comparison ("VisTR").
        backbone: name for the comparison ("ResNet-50" or "r50").
        note: distinguishes these results from others of the method ("36 frames").
        url: source of the results.
        fps: source frames per second; needs the `device` that it was measured on.
        device: such as "one V100".
        num_params: distinct learnable parameters.
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
            object.__setattr__(self, key, _line_of_text(key, getattr(self, key)))
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise InputError(f"url is {self.url!r}; expected one that starts with https://")
        self._check_numbers()

    def _check_numbers(self) -> None:
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
    asked: Asked = DEFAULTS,
    *,
    command: str,
    dataset: str | None = None,
    split: str | None = None,
    long_annotations: Path | None = None,
) -> tuple[Evaluation | ImageEvaluation, Path]:
    """Evaluate a results file, and write its record with a copy of the predictions beside it.

    A record is replaced by another one of the same method, note and results.

    Args:
        source: facts about the method.
        annotations: the ground truth; its checksum goes into the record.
        predictions: the results file.
        store: the folder of the record.
        asked: as for `evaluate`; a record is another one with other groups.
        command: the command line.
        dataset: any name, of a known data set only with its categories; default: the data set
            whose categories the annotations have.
        split: default: the one that `split` wrote into the file, the official one of as many
            videos, or the file's name.
        long_annotations: as for `evaluate_files`; data set and split are then the 2022 validation
            videos of YouTube-VIS by default.
    """
    files = [PinnedFile(path) for path in (annotations, long_annotations) if path]
    for file in files:
        file.read()
    pinned_results = PinnedFile(predictions)
    results = pinned_results.read()
    evaluation = evaluate_files(annotations, predictions, asked, long_annotations=long_annotations)
    described = _describe(files, dataset, split)
    check_max_tracks(asked.max_tracks or MOST_TRACKS, described["dataset"])
    pinned_results.read()
    digest = hashlib.sha256(results).hexdigest()
    record = Record(
        created_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
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
        videos_sha256=videos_checksum(video.id for video in evaluation.videos),
        config_sha256=_identity(source, described, digest, evaluation),
        **described,
    )
    copy = content_name(file_stem(record), digest, RESULTS_ENDING)
    record = Record.of(record, AccuracyFields(predictions=copy, **evaluation.record_numbers()))
    write_atomically(store.path_of(record).with_name(copy), results)
    return evaluation, store.write(record)


def _identity(
    source: OtherCode,
    described: Mapping[str, Any],
    digest: str,
    evaluation: Evaluation | ImageEvaluation,
) -> str:
    """The digest of what tells a record of other code from others."""
    parts: list[Any] = [source.method, source.backbone, described, digest]
    parts += [] if source.note is None else [source.note]
    if isinstance(evaluation, Evaluation) and evaluation.per_group:
        parts.append([own.group.as_json() for own in evaluation.per_group.values()])
    if isinstance(evaluation, Evaluation) and evaluation.asked.max_tracks:
        parts.append({"max_tracks": evaluation.asked.max_tracks})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _describe(
    annotations: Sequence[PinnedFile], dataset: str | None, split: str | None
) -> dict[str, Any]:
    """The record's dataset, split and annotations_sha256."""
    name = " and ".join(str(file.path) for file in annotations)
    if len(annotations) > 1:
        content = join_short_and_long(*annotations)
        data, cut = orjson.dumps(content), None
        dataset, split = dataset or SHORT_AND_LONG, split or "val"
    else:
        [file] = annotations
        data = file.read()
        content = parse_json(data, name)
        cut = cut_of(content)
        known, official = recognize(content, file.path)
        dataset = dataset or known or _refuse_unknown(file.path)
        official = official if dataset == known else None
        split = split or (cut.part if cut else official or file.path.stem)
    _check_name(dataset, content, name)
    return {
        "dataset": dataset,
        "split": split,
        "annotations_sha256": annotations_checksum(data),
        "split_protocol": cut.protocol if cut else None,
    }


def _check_name(dataset: str, content: dict[str, Any], name: str) -> None:
    """Refuse a name that is no line of text, and a known one of other categories."""
    if not dataset.strip() or not dataset.isprintable():
        raise InputError(f"--dataset is {dataset!r}; expected a line of text")
    if dataset not in DATASETS:
        return
    if problem := contradiction(dataset, category_names(content, name)):
        raise InputError(
            f"these are no results on {dataset}: in {name} {problem}; expected another name, "
            "such as --dataset mine"
        )


def _refuse_unknown(path: Path) -> NoReturn:
    raise InputError(
        f"{path} has the categories of no known data set; expected --dataset with a name of your "
        "own, such as mine"
    )
