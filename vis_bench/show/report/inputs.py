"""What a report is about: results, annotations, and the frames of the videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.datasets import Dataset, ImageFiles
from vis_bench.data.frames import is_file
from vis_bench.errors import InputError
from vis_bench.files import read_json
from vis_bench.records.schema import Record
from vis_bench.show.compare_inputs import Subjects, load_subjects
from vis_bench.show.overlay.frame_files import FrameFiles, annotated_videos, check_first_frame
from vis_bench.show.overlay.frame_source import BlankFrames, FrameSource, MadeFrames
from vis_bench.show.overlay.rows import NamedResults


@dataclass(frozen=True)
class ReportInputs:
    """One or two subjects, the annotations that both are measured with, and the frames.

    Attributes:
        sources: names and results.
        records: in the same order; None for a results file.
        videos: by id, those of the annotations.
        has_frames: False where masks are drawn on gray, because frames are not at hand.
    """

    sources: Sequence[NamedResults]
    records: Sequence[Record | None]
    truth: GroundTruth
    videos: Mapping[int, FrameSource]
    has_frames: bool

    @property
    def is_pair(self) -> bool:
        """Whether two subjects are compared."""
        return len(self.sources) == 2


def read_report_inputs(
    paths: Sequence[Path],
    *,
    annotations: Path | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
) -> ReportInputs:
    """Reads and checks everything but the frames themselves.

    Args:
        paths: one or two, each a record (its predictions lie beside it) or a results file.
        annotations: the ground truth; not needed where a record says which data set it is and
            that is at hand.
        frames: the folder that the annotations' file names start from; not needed where the data
            set is found without `annotations`.
        data_root: where data sets lie.

    Raises:
        InputError: as `load_subjects`; for annotations without objects; for a video that has no
            frames in the folder.
    """
    subjects = load_subjects(paths, annotations=annotations, data_root=data_root)
    truth = subjects.ground_truth
    if all(thing.is_crowd for thing in truth.objects):
        raise InputError(
            f"{truth.name} has no object to find; expected at least one that is not a crowd"
        )
    videos = _videos(subjects, annotations, frames)
    sources = [NamedResults(*pair) for pair in zip(subjects.names, subjects.results, strict=True)]
    has_frames = frames is not None or subjects.dataset is not None
    return ReportInputs(sources, subjects.records, truth, videos, has_frames)


def _videos(
    subjects: Subjects, annotations: Path | None, folder: Path | None
) -> dict[int, FrameSource]:
    truth, dataset = subjects.ground_truth, subjects.dataset
    found: Sequence[FrameSource]
    if folder is not None:
        listed = _content(dataset, annotations)
        files = annotated_videos(listed, truth, folder)
        for video in files:
            check_first_frame(video, folder)
        found = files
    elif dataset is not None:
        found = _of_dataset(dataset, truth)
    else:
        found = [BlankFrames(v.id, v.name, v.height, v.width, v.length) for v in truth.videos]
    return {video.id: video for video in found}


def _content(dataset: Dataset | None, annotations: Path | None) -> dict[str, Any]:
    """What lists the file names: one of the two is there, or there would be no ground truth."""
    if dataset is not None:
        return dataset.content()
    assert annotations is not None
    return read_json(annotations)


def _of_dataset(dataset: Dataset, truth: GroundTruth) -> list[FrameSource]:
    opened = {video.id: video for video in dataset.videos}
    found: list[FrameSource] = []
    for video in truth.videos:
        frames = opened[video.id].frames
        size = video.height, video.width
        if not isinstance(frames, ImageFiles):
            found.append(MadeFrames(video.id, video.name, *size, frames))
            continue
        if not any(map(is_file, frames.files)):
            raise InputError(
                f"{dataset.name} {dataset.split} has no frames of video {video.name} (id "
                f"{video.id}): there is no file {frames.files[0]}"
            )
        found.append(FrameFiles(video.id, video.name, *size, frames.files))
    return found
