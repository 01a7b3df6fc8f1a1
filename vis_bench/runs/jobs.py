"""Jobs: cells with everything that they name found, checked and hashed, once.

Nothing behind a job looks a file up again. A job pickles, and can be cut by videos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import REST, share_videos
from vis_bench.data.datasets import Dataset
from vis_bench.data.frames import ImageFiles
from vis_bench.data.groups import Group, read_groups
from vis_bench.data.official import check_max_tracks
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile
from vis_bench.inference.clips import check_clip_limit
from vis_bench.inference.compiled import check_compile, check_tf32
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.whole_video import check_whole_video
from vis_bench.measures.measure import Measure, Need
from vis_bench.measures.registry import MEASURES, with_need
from vis_bench.measures.streaming.trace import Trace, check_trace, read_trace
from vis_bench.method import VISMethod
from vis_bench.plugins import sources_sha256
from vis_bench.progress import Bars
from vis_bench.record.names import clip_name
from vis_bench.runs.build import BuildMethod, CheckedMethod, GuardedMethod, Recipe
from vis_bench.runs.config import Cell, DatasetConfig, cell_digest, load_cells
from vis_bench.runs.overrides import Overrides
from vis_bench.runs.sources import open_dataset
from vis_bench.runs.weights import find_weights, weights_remarks


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run's command line beside its config.

    `trace`: the recorded times of clips that take the place of this machine's.
    """

    command: str
    device: torch.device
    data_root: Path | None = None
    weights: Path | None = None
    limit: int | None = None
    verify_frames: bool = False
    trace: Path | None = None


@dataclass(frozen=True)
class Job:
    """A cell with everything that it names.

    `videos` are those to measure, `ground_truth` their annotations if AP is measured. `digest`
    identifies the measurement: config, annotations, weights, kind of device, limit, and the
    config.json beside weights in Hugging Face's form. `sources_sha256` is the digest of the code,
    and `frames` has a fingerprint of each video's files, both no part of the identity. `limited`:
    only the first videos are measured; `trace` has the clip times of streaming, if not this
    machine's; `groups` are evaluated alone, too. `digest_of` is the digest with another cell.
    """

    cell: Cell
    settings: RunSettings
    build_method: BuildMethod
    dataset: Dataset
    videos: Sequence[Video]
    ground_truth: GroundTruth | None
    weights: WeightsFile | None
    plan: InferencePlan
    digest: str
    sources_sha256: str
    data_sha256: str | None
    frames: Mapping[int, str]
    name: str
    limited: bool
    measures_training_videos: bool
    trace: Trace | None
    groups: Sequence[Group] = ()
    digest_of: Callable[..., str] = cell_digest

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the weights file."""
        return None if self.weights is None else self.weights.sha256

    def sources_of(self, method: VISMethod) -> str:
        """Digest of the code and of the method's own weights, as it was loaded."""
        if (source := method.method_source) is None or source.data_sha256 == self.data_sha256:
            return self.sources_sha256
        return sources_sha256(source)

    def frames_sha256(self, video_ids: Iterable[int]) -> str | None:
        """Fingerprint of the frames of some videos; None for videos that are drawn in memory."""
        found = [self.frames[video_id] for video_id in video_ids if video_id in self.frames]
        if not found:
            return None
        total = hashlib.sha256(" ".join(found).encode()).hexdigest()
        return f"contents:{total}" if self.settings.verify_frames else total

    def difference(
        self, sources: str | None, frames: str | None, video_ids: Iterable[int]
    ) -> str | None:
        """Other sources or frames that a measurement of some videos has, or None."""
        pairs = {
            "sources": (sources, self.sources_sha256),
            "frames": (frames, self.frames_sha256(video_ids)),
        }
        for what, (before, now) in pairs.items():
            if before != now:
                return f"{what} {_short(before)}; expected {_short(now)}"
        return None

    @property
    def measures(self) -> list[Measure]:
        """The measurements to make, in their order."""
        return measures_of(self.cell)

    @property
    def needs(self) -> frozenset[Need]:
        """Needs of these measurements."""
        return needs_of(self.cell)

    @property
    def recipe(self) -> Recipe:
        """All that the method is built from."""
        categories = list(self.dataset.categories.values())
        return Recipe(self.build_method, self.cell, categories, self.weights)

    def load_method(self) -> GuardedMethod:
        """Load the method, ready for inference; if compiled, at its first calls."""
        loaded = self.recipe.load(self.plan.device)
        with loaded.calling() as method:
            source = method.method_source
        # Its own weights may change until they are loaded: the record has those that were there.
        here = sources_sha256(source and replace(source, data_sha256=self.data_sha256))
        if here != self.sources_sha256:
            raise InputError(
                f"this machine's code has sources {_short(here)}; expected "
                f"{_short(self.sources_sha256)}, those of the process that began the run"
            )
        return loaded


def load_jobs(
    config: Path, overrides: Overrides, settings: RunSettings, build: BuildMethod, bars: Bars
) -> list[Job]:
    """Resolve every cell of a config; bars show warnings."""
    return resolve_jobs(load_cells(config, overrides), settings, build, bars.say)


def resolve_jobs(
    cells: Sequence[Cell],
    settings: RunSettings,
    build_method: BuildMethod,
    say: Callable[[str], None],
) -> list[Job]:
    """Resolve all cells to jobs, in order, and check everything before anything is measured.

    Args:
        say: is called with a sentence for each cell that is left out because its weights are
            missing, and for weights that were trained on videos whose accuracy is measured.

    Raises:
        InputError: for the first cell that cannot be measured, or if no cell is left.
    """
    resolver = _Resolver(settings, build_method, say)
    jobs = []
    for cell in cells:
        try:
            weights = find_weights(cell, settings.weights)
        except InputError as error:
            if not cell.skip_without_weights:
                raise
            say(f"{cell.method} {clip_name(cell)}: left out, {error}")
        else:
            jobs.append(resolver.resolve(cell, weights))
    if not jobs:
        raise InputError(f"none of the {len(cells)} cells has its weights file")
    _check_distinct(jobs)
    for warning in dict.fromkeys(map(_warning, jobs)):
        if warning:
            say(warning)
    return jobs


def _check_distinct(jobs: Sequence[Job]) -> None:
    """Refuse two cells that differ only in where something lies: they would have one record."""
    by_digest: dict[str, Cell] = {}
    for job in jobs:
        other = by_digest.setdefault(job.digest, job.cell)
        if other == job.cell:
            continue
        one, two = other.options, job.cell.options
        keys = [f"options.{key}" for key in one | two if one.get(key) != two.get(key)]
        raise InputError(
            f"two cells of {job.cell.method} differ only in {', '.join(keys) or 'weights'}, which "
            "says where something lies, and would have the same record; expected one of them, "
            "another option such as options.name, or a config and an --output for each"
        )


def _warning(job: Job) -> str | None:
    """Warning that a job's weights were trained on its videos; None for any other job."""
    if job.weights is None or not job.measures_training_videos:
        return None
    splits, dataset = ", ".join(job.cell.weights_trained_on), job.dataset
    return (
        f"WARNING: the weights were trained on {splits}, which has videos of {dataset.full_name}: "
        "AP says nothing about new videos, and the records are marked as contaminated; if they "
        "were trained without these videos, say on what: "
        f"--set weights_trained_on='[{dataset.name}/{REST}]'"
    )


class _Resolver:
    """Resolves cells, reading each data set and each weights file once for all of them."""

    def __init__(
        self, settings: RunSettings, build_method: BuildMethod, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._say = say
        self._build_method = build_method
        self._dataset = cache(partial(open_dataset, data_root=settings.data_root))
        self._ground_truth = cache(self._load_ground_truth)
        self._check_frames = cache(self._check_frame_files)
        self._videos = cache(self._pinned_videos)
        self._weights = cache(WeightsFile.hashed)
        self._trace = cache(read_trace)
        self._checked: dict[tuple[str, tuple[str, ...], WeightsFile | None], CheckedMethod] = {}

    def resolve(self, cell: Cell, found: WeightsFile | None) -> Job:
        settings, dataset = self._settings, self._dataset(cell.dataset)
        weights = None if found is None else self._weights(found)
        plan = inference_plan(cell, settings.device)
        method = self._check_method(cell, tuple(dataset.categories.values()), weights)
        videos = dataset.videos[: settings.limit]
        check_clip_limit(method.registered_name, method.max_clip_length, cell.clip_length, videos)
        if method.whole_video:
            check_whole_video(method.registered_name, cell.clip_length, cell.compile)
        needs = needs_of(cell)
        self._check_measures(cell, dataset, method, needs)
        trace = self._recorded_times(cell, plan, videos)
        if "frames" in needs:
            videos = self._videos(cell.dataset)
        truth = None
        if "annotations" in needs:
            truth = self._ground_truth(cell.dataset, cell.accuracy.counted(cell.measure))
        groups = _cell_groups(cell.groups, dataset, truth)
        referred: dict[str, Any] = {
            "place_options": method.place_options,
            "annotations": dataset.annotations_sha256,
            "weights_file": weights and weights.sha256,
            "device": settings.device.type,
            "limit": settings.limit,
            **_if_any(
                weights_config=weights and weights.config_sha256,
                weights_part=weights and weights.part,
                groups=[own.as_json() for own in groups],
                method_values=dict(method.digested),
            ),
        }
        digest_of: Callable[..., str] = partial(cell_digest, **referred)
        return Job(
            cell=cell,
            settings=settings,
            build_method=self._build_method,
            dataset=dataset,
            videos=videos,
            ground_truth=truth,
            weights=weights,
            plan=plan,
            digest=digest_of(cell, **_if_any(trace=trace and trace.sha256)),
            sources_sha256=sources_sha256(method.method_source),
            data_sha256=method.method_source.data_sha256 if method.method_source else None,
            frames=_fingerprints(videos),
            name=f"{cell.label or method.registered_name} {cell.dataset.name} {clip_name(cell)} "
            f"{cell.resolution}",
            limited=len(videos) < len(dataset.videos),
            measures_training_videos="annotations" in needs
            and any(share_videos(split, dataset.full_name) for split in cell.weights_trained_on),
            trace=trace,
            groups=groups,
            digest_of=digest_of,
        )

    def _check_measures(
        self, cell: Cell, dataset: Dataset, method: CheckedMethod, needs: Set[Need]
    ) -> None:
        """Refuse measurements of the cell that lack what they need."""
        for measure in measures_of(cell):
            if "videos" in measure.needs and dataset.of_images:
                raise InputError(
                    f"measure has {measure.name}, but {dataset.full_name} holds single images; "
                    "expected videos"
                )
            measure.run.check(cell, dataset, method)
        if "annotations" in needs and not dataset.has_annotations:
            raise InputError(_without_annotations(dataset))
        if "frames" in needs:
            self._check_frames(cell.dataset)

    def _recorded_times(
        self, cell: Cell, plan: InferencePlan, videos: Sequence[Video]
    ) -> Trace | None:
        """The trace of --trace; None without."""
        path = self._settings.trace
        if path is None:
            return None
        trace = self._trace(path)
        if "clip times" not in needs_of(cell):
            known = ", ".join(with_need("clip times"))
            raise InputError(f"--trace {path} schedules {known}; expected measure: [{known}]")
        clips = {video.id: plan.clips(video.length) for video in videos}
        check_trace(trace, path, cell.method, videos, clips)
        return trace

    def _check_method(
        self, cell: Cell, categories: tuple[str, ...], weights: WeightsFile | None
    ) -> CheckedMethod:
        """Build the method and load its weights, keeping neither, once for cells that share it."""
        options = cell.model_dump_json(include={"method", "options", "kernel_backend"})
        key = options, categories, weights
        if key not in self._checked:
            settings = self._settings
            remarks_of = partial(
                weights_remarks, cell=cell, categories=categories, override=settings.weights
            )
            recipe = Recipe(self._build_method, cell, categories, weights)
            method, remarks = recipe.check(settings.device, remarks_of)
            for remark in remarks:
                self._say(remark)
            if (source := method.method_source) and source.left_out:
                self._say(
                    f"warning: {cell.method}: {source.left_out} holds too many files to be "
                    "searched; code and weights in it are not in the record's digests"
                )
            self._checked[key] = method
        return self._checked[key]

    def _load_ground_truth(self, config: DatasetConfig, max_tracks: int) -> GroundTruth:
        dataset = self._dataset(config)
        check_max_tracks(max_tracks, dataset.name)
        truth = dataset.ground_truth(dataset.videos[: self._settings.limit]).counting(max_tracks)
        for warning in truth.warnings:
            self._say(f"warning: {warning}")
        return truth

    def _check_frame_files(self, config: DatasetConfig) -> None:
        dataset = self._dataset(config)
        for warning in dataset.check_frames(dataset.videos[: self._settings.limit]):
            self._say(f"warning: {warning}")

    def _pinned_videos(self, config: DatasetConfig) -> list[Video]:
        videos = self._dataset(config).videos[: self._settings.limit]
        return [video.pinned(contents=self._settings.verify_frames) for video in videos]


def measures_of(cell: Cell) -> list[Measure]:
    """The measurements that a cell asks for, in the order in which they are made."""
    return [measure for name, measure in MEASURES.items() if name in cell.measure]


def needs_of(cell: Cell) -> frozenset[Need]:
    """Needs of a cell's measurements."""
    return frozenset[Need]().union(*(measure.needs for measure in measures_of(cell)))


def _if_any(**values: object) -> dict[str, object]:
    """The values that there are: cells without them keep the digests of earlier versions."""
    return {key: value for key, value in values.items() if value}


def _fingerprints(videos: Iterable[Video]) -> dict[int, str]:
    """Fingerprints of the frames of pinned videos, by id."""
    files = {video.id: video.frames for video in videos if isinstance(video.frames, ImageFiles)}
    return {key: frames.fingerprint for key, frames in files.items() if frames.fingerprint}


def _short(digest: str | None) -> str:
    kind, colon, digits = (digest or "unknown").rpartition(":")
    return f"{kind}{colon}{digits[:12]}"


def _without_annotations(dataset: Dataset) -> str:
    return (
        f"{dataset.annotations_path or dataset.full_name} has no annotations, so accuracy cannot "
        f"be measured on {dataset.full_name}; take public validation annotations "
        "(docs/reproduce.md), or cut a held-out part from the training split with `vis-bench "
        "split` and run a config *_heldout, or leave accuracy out with --set "
        "measure='[speed, flops]', or only write a results file with `vis-bench predict`"
    )


def inference_plan(cell: Cell, device: torch.device) -> InferencePlan:
    """Plan a cell's inference; TF32 and compilation must exist on the device."""
    if cell.tf32:
        check_tf32(device)
    check_compile(cell.compile, device)
    return InferencePlan(
        cell.clip_length, cell.clip_stride, cell.resolution, device, cell.precision, cell.tf32
    )


def _cell_groups(
    source: str | None, dataset: Dataset, truth: GroundTruth | None
) -> tuple[Group, ...]:
    """The groups that a cell asks for, with videos beyond those that are measured; none without
    annotations.
    """
    if source is None or truth is None:
        return ()
    if dataset.of_images:
        raise InputError(f"groups is {source}, but {dataset.full_name} has images; expected videos")
    return read_groups(source, truth, dataset.videos)
