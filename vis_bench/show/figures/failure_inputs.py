"""What the failure cases are drawn of: results, annotations and frames that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.datasets import load_dataset
from vis_bench.errors import InputError
from vis_bench.show.overlay.drawn_inputs import named_results, read_inputs
from vis_bench.show.overlay.frame_files import FrameFiles, video_frames
from vis_bench.show.overlay.rows import NamedResults
from vis_bench.show.overlay.track_set import check_videos_known, objects_of, tracks_of


@dataclass(frozen=True)
class FailureInputs:
    """`videos` by id, all of those in `truth`."""

    source: NamedResults
    truth: GroundTruth
    videos: Mapping[int, FrameFiles]
    warnings: Sequence[str]


def read_failure_inputs(
    results: str, frames: Path | None, annotations: Path | None
) -> FailureInputs:
    """Reads and checks them.

    Args:
        results: path of a results file, or NAME=PATH.
        frames, annotations: both, or neither for the synthetic validation videos.

    Raises:
        InputError: for one without the other, annotations without objects, and results, frames
            and annotations of different videos.
    """
    if (frames is None) != (annotations is None):
        given, other = ("--frames", "--annotations") if frames else ("--annotations", "--frames")
        raise InputError(f"{given} is given without {other}; expected both, or neither")
    if frames is None:
        source = named_results(results)
        dataset = load_dataset("synthetic", "val")
        truth = dataset.ground_truth()
        videos = [video_frames(video) for video in dataset.videos]
        check_videos_known(source.results, videos, f"{dataset.name} {dataset.split}")
        warnings: Sequence[str] = ()
    else:
        inputs = read_inputs([results], frames, annotations)
        if inputs.truth is None:
            raise InputError(f"{annotations} has no objects; expected annotations to compare with")
        [source] = inputs.sources
        truth, videos, warnings = inputs.truth, list(inputs.videos), inputs.warnings
    for video in videos:
        tracks_of(source.results, video, 0.0)
        objects_of(truth, video)
    if all(thing.is_crowd for thing in truth.objects):
        raise InputError(f"{truth.name} has crowds only; expected objects to find")
    return FailureInputs(source, truth, {video.id: video for video in videos}, warnings)
