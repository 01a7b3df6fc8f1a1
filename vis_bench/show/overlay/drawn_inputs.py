"""What `draw` is given: results files, frames, and annotations where there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.data.annotation_files import as_videos
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.frames import is_file
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.files import read_json
from vis_bench.records.names import short_name
from vis_bench.records.schema import Record
from vis_bench.records.store import RESULTS_ENDING, read_record
from vis_bench.show.overlay.frame_files import (
    FrameFiles,
    annotated_videos,
    check_first_frame,
    videos_in,
)
from vis_bench.show.overlay.rows import NamedResults
from vis_bench.show.overlay.track_set import check_videos_known


@dataclass(frozen=True)
class DrawnInputs:
    """The videos to draw, in order, and what is drawn on them.

    `truth` is None without annotations, or with a file that lists only videos. `categories` names
    classes by id.
    """

    videos: Sequence[FrameFiles]
    sources: Sequence[NamedResults]
    truth: GroundTruth | None
    categories: Mapping[int, str]
    warnings: Sequence[str]


def read_inputs(
    results: Sequence[str],
    frames: Path,
    annotations: Path | None = None,
    chosen: Sequence[str] | None = None,
    dataset: str | None = None,
) -> DrawnInputs:
    """Reads and checks what is drawn.

    Args:
        results: paths of results files, or NAME=PATH.
        frames: the folder that the annotations' file names start from, or, without annotations,
            one video's frames or a folder per video.
        chosen: names or ids of videos; all if None.
        dataset: whose class names to use.

    Raises:
        InputError: for files that are wrong, a video that is not there, or results and frames of
            different videos.
    """
    found = [_source(text) for text in results]
    sources = [NamedResults(name, read_results(path)) for name, path, _ in found]
    content = None if annotations is None else annotations_to_draw(annotations)
    if content is None:
        truth, videos, source = None, videos_in(frames), f"--frames {frames}"
    else:
        truth = GroundTruth.of(content, str(annotations))
        videos, source = annotated_videos(content, truth, frames), truth.name
    for named in sources:
        check_videos_known(named.results, videos, source)
    videos = _chosen(videos, chosen, source)
    for video in videos:
        check_first_frame(video, frames)
    recorded = [record.dataset for _, _, record in found if record is not None]
    categories = _categories(truth, dataset, recorded)
    warnings = [] if truth is None else list(truth.warnings)
    if truth is not None and not truth.objects:
        truth = None
    return DrawnInputs(videos, sources, truth, categories, warnings)


def named_results(text: str) -> NamedResults:
    """The results of a path or NAME=PATH.

    Raises:
        InputError: for a file that is not a results file.
    """
    name, path, _ = _source(text)
    return NamedResults(name, read_results(path))


def annotations_to_draw(path: Path) -> dict:
    """The file's content; one that lists only videos, like the public valid.json, has no objects.

    `GroundTruth.of` refuses what else is wrong.
    """
    content = as_videos(read_json(path))
    if isinstance(content, dict) and isinstance(content.get("videos"), list):
        return {**content, "annotations": content.get("annotations") or []}
    return content


def _source(text: str) -> tuple[str, Path, Record | None]:
    """Name, path, and the record that lies beside a results file."""
    name, separator, rest = text.partition("=")
    if not separator or is_file(Path(text)):
        name, rest = "", text
    path = Path(rest)
    record_path = path.with_name(f"{path.name.removesuffix(RESULTS_ENDING)}.json")
    record = None
    if path.name.endswith(RESULTS_ENDING) and is_file(record_path):
        record = read_record(record_path)
    if not name:
        name = path.name.removesuffix(".json").removesuffix(".results")
        name = name if record is None else short_name(record)
    return name, path, record


def _chosen(
    videos: Sequence[FrameFiles], chosen: Sequence[str] | None, source: str
) -> list[FrameFiles]:
    if chosen is None:
        return list(videos)
    wanted = []
    for name in chosen:
        fitting = [video for video in videos if name in (video.name, str(video.id))]
        if not fitting:
            some = ", ".join(video.name for video in videos[:3])
            raise InputError(
                f"--videos names {name!r}, which {source} does not have; its videos are {some}"
                + (", ..." if len(videos) > 3 else "")
            )
        wanted += [video for video in fitting if video not in wanted]
    return wanted


def _categories(
    truth: GroundTruth | None, dataset: str | None, recorded: Sequence[str]
) -> Mapping[int, str]:
    if dataset is not None:
        return CATEGORIES[dataset]
    if truth is not None:
        return truth.categories
    for name in recorded:
        if name in CATEGORIES:
            return CATEGORIES[name]
    return {}
