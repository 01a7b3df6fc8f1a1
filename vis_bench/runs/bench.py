"""Measures cells: config in, one record per cell out, written the moment it is measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vis_bench.cost.flops.record_fields import measure_flops
from vis_bench.cost.flops.report import method_on_meta
from vis_bench.cost.speed.measure import measure_speed
from vis_bench.cost.speed.regions import Workload
from vis_bench.data.dataset import Dataset, load_dataset
from vis_bench.data.results_file import Track, write_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.evaluation.ytvis import evaluate_tracks
from vis_bench.inference.checkpoint import file_sha256
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.records.environment import describe_environment, describe_source
from vis_bench.records.record import Record, RecordStore, make_record, record_name
from vis_bench.reports.measured import METRIC_COLUMNS, format_metric
from vis_bench.runs.config import Cell, DatasetConfig, cell_digest
from vis_bench.runs.subject import (
    BuildMethod,
    build_subject,
    find_weights,
    kernel_backend,
    load_subject,
)
from vis_bench.tables.grid import ABSENT


@dataclass(frozen=True)
class RunSettings:
    """What a run's command line says beside its config."""

    command: str
    device: torch.device
    data_root: Path | None = None
    weights: Path | None = None
    limit: int | None = None


class Bench:
    """Measures cells into a store.

    Args:
        build_method: `methods.build_method`, or another registry's.
        store: where records go.
        settings: see `RunSettings`.
        bars: shows progress.
    """

    def __init__(
        self, build_method: BuildMethod, store: RecordStore, settings: RunSettings, bars: Bars
    ) -> None:
        self._build_method = build_method
        self._store = store
        self._settings = settings
        self._bars = bars
        self._datasets: dict[DatasetConfig, Dataset] = {}
        self._weights_sha256: dict[Path, str] = {}

    def check(self, cells: Sequence[Cell]) -> None:
        """Finds what is wrong with any cell before the first is measured.

        Raises:
            InputError: for a missing data set or weights file, an unknown method or option.
        """
        for cell in cells:
            find_weights(cell, self._settings.weights)
            with torch.device("meta"):
                method = build_subject(
                    self._build_method, cell, len(self._dataset(cell).category_ids)
                )
            kernel_backend(method, self._settings.device)

    def run(self, cells: Sequence[Cell], *, resume: bool = False) -> list[Record]:
        """Measures every cell in order; with `resume`, takes those measured before as they are."""
        cells = self._with_weights(cells)
        self.check(cells)
        records = []
        for number, cell in enumerate(cells, 1):
            title = f"[{number}/{len(cells)}] {describe_cell(cell)}"
            digest = self.digest(cell)
            record = self._store.find(digest) if resume else None
            if record is None:
                record = self._measure(cell, digest, title)
                self._store.write(record)
                self._bars.say(f"{title}: {_outcome(record)}")
            else:
                self._bars.say(f"{title}: measured before")
            records.append(record)
        return records

    def _with_weights(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells without those that ask to be left out where their weights are missing."""
        kept = []
        for cell in cells:
            try:
                find_weights(cell, self._settings.weights)
            except InputError as error:
                if not cell.skip_without_weights:
                    raise
                self._bars.say(f"{describe_cell(cell)}: left out, {error}")
            else:
                kept.append(cell)
        if not kept:
            raise InputError(f"none of the {len(cells)} cells has its weights file")
        return kept

    def digest(self, cell: Cell) -> str:
        """What identifies the cell's measurement: config, data, weights, device kind, limit."""
        return cell_digest(
            cell,
            annotations=self._dataset(cell).annotations_sha256,
            weights_file=self._weights_digest(cell),
            device=self._settings.device.type,
            limit=self._settings.limit,
        )

    def _measure(self, cell: Cell, digest: str, title: str) -> Record:
        dataset = self._dataset(cell)
        videos = dataset.videos[: self._settings.limit]
        if any(len(clips) > 1 for clips in map(self._plan(cell).clips, _lengths(videos))):
            self._warn_of_gaps(cell, title)
        method = load_subject(
            self._build_method, cell, len(dataset.category_ids),
            find_weights(cell, self._settings.weights), self._settings.device,
        )  # fmt: skip
        values = self._describe(cell, method, videos, digest)
        if "accuracy" in cell.measure:
            values.update(self._accuracy(cell, method, videos, title, record_name(values)))
        if "flops" in cell.measure:
            shapes = method_on_meta(self._build_method, cell, len(dataset.category_ids))
            values.update(measure_flops(shapes, videos, self._plan(cell)))
        if "speed" in cell.measure:
            work = Workload(method, self._plan(cell), dataset.category_ids)
            timed = videos[: cell.speed.videos]
            values.update(measure_speed(work, timed, cell.speed, self._bars, f"{title}, speed"))
        return make_record(values)

    def _warn_of_gaps(self, cell: Cell, title: str) -> None:
        if cell.clip_stride == cell.clip_length:
            self._bars.say(
                f"{title}: clips share no frames at stride {cell.clip_stride}, so that every "
                "clip starts new tracks; a smaller clip_stride joins them"
            )

    def _describe(
        self, cell: Cell, method: VISMethod, videos: Sequence[Video], digest: str
    ) -> dict[str, Any]:
        """Every field that says what is measured, where, and from which source."""
        num_params = sum(parameter.numel() for parameter in method.parameters())
        weights = find_weights(cell, self._settings.weights)
        return {
            "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": self._settings.command,
            "method": cell.method, "options": cell.options, "backbone": method.backbone_name,
            "reconstruction": method.reconstruction,
            "dataset": cell.dataset.name + ("_plain" if cell.dataset.plain else ""),
            "split": cell.dataset.split,
            "num_videos": len(videos), "num_frames": sum(video.length for video in videos),
            "clip_length": cell.clip_length, "clip_stride": cell.stride,
            "resolution": cell.resolution,
            "config": cell.model_dump(mode="json"), "config_sha256": digest,
            "weights_source": weights.name if weights else ("random" if num_params else "none"),
            "weights_sha256": self._weights_digest(cell), "training": cell.training,
            "annotations_sha256": self._dataset(cell).annotations_sha256,
            "num_params": num_params, "precision": cell.precision, "seed": cell.seed,
            "kernel_backend": kernel_backend(method, self._settings.device),
            **describe_environment(self._settings.device), **describe_source(),
        }  # fmt: skip

    def _accuracy(
        self, cell: Cell, method: VISMethod, videos: Sequence[Video], title: str, name: str
    ) -> dict[str, Any]:
        """Infers all videos, stores the results file beside the record, and evaluates it."""
        dataset = self._dataset(cell)
        tracks: list[Track] = []
        with self._bars.bar(title, sum(video.length for video in videos)) as advance:
            for video in videos:
                tracks += track_video(method, video, self._plan(cell), dataset.category_ids)
                advance(video.length)
        file_name = f"{name}.results.json"
        write_results(tracks, self._store.folder / file_name)
        if not dataset.has_annotations:
            self._bars.say(f"{title}: no annotations, so AP is not measured; see {file_name}")
            return {"predictions": file_name}
        numbers = evaluate_tracks(dataset.ground_truth(videos), tracks)
        return {"predictions": file_name, **numbers}

    def _plan(self, cell: Cell) -> InferencePlan:
        device = self._settings.device
        return InferencePlan(
            cell.clip_length, cell.clip_stride, cell.resolution, device, cell.precision
        )

    def _weights_digest(self, cell: Cell) -> str | None:
        path = find_weights(cell, self._settings.weights)
        if path is None:
            return None
        if path not in self._weights_sha256:
            self._weights_sha256[path] = file_sha256(path)
        return self._weights_sha256[path]

    def _dataset(self, cell: Cell) -> Dataset:
        config = cell.dataset
        if config not in self._datasets:
            self._datasets[config] = load_dataset(
                config.name, config.split, plain=config.plain,
                annotations=Path(config.annotations) if config.annotations else None,
                frames=Path(config.frames) if config.frames else None,
                data_root=self._settings.data_root,
            )  # fmt: skip
        return self._datasets[config]


def _lengths(videos: Sequence[Video]) -> list[int]:
    return [video.length for video in videos]


def describe_cell(cell: Cell) -> str:
    """The cell in a few words, for progress bars and messages."""
    stride = "" if cell.stride is None else f" S={cell.stride}"
    return f"{cell.method} on {cell.dataset.name} T={cell.clip_length}{stride} {cell.resolution}"


def _outcome(record: Record) -> str:
    figures = (f"{title} {format_metric(record, title)}" for title in METRIC_COLUMNS)
    return ", ".join(figure for figure in figures if not figure.endswith(f" {ABSENT}"))
