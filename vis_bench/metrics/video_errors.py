"""Where each video loses AP by itself, and the worst videos of each kind of error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.metrics.error_breakdown import break_down


@dataclass(frozen=True)
class VideoErrors:
    """A video as a data set of its own: its AP, and what repairing each kind of error adds.

    Both are fractions. Only the categories that the video has count.
    """

    video: Video
    ap: float
    gains: Mapping[str, float]


def break_down_videos(
    ground_truth: GroundTruth, results: Results, advance: Callable[[], object] = lambda: None
) -> list[VideoErrors]:
    """Every video by itself, without those that have no object, or only crowds.

    Args:
        advance: called after each video.
    """
    found = []
    for video in ground_truth.videos:
        own = _of_video(ground_truth, video)
        if not all(thing.is_crowd for thing in own.objects):
            tracks = [track for track in results.tracks if track.video_id == video.id]
            errors = break_down(own, Results.of(tracks, results.name))
            found.append(VideoErrors(video, errors.ap, errors.gains))
        advance()
    return found


def worst_videos(
    videos: Sequence[VideoErrors], kinds: Sequence[str], count: int
) -> dict[str, list[VideoErrors]]:
    """The videos that lose most AP to each kind of error, most first; none that lose nothing."""
    return {
        kind: [
            video
            for video in sorted(videos, key=lambda video: (-video.gains[kind], video.video.id))
            if video.gains[kind] > _ROUNDING
        ][:count]
        for kind in kinds
    }


_ROUNDING = 1e-9


def _of_video(truth: GroundTruth, video: Video) -> GroundTruth:
    rows = [row for row, thing in enumerate(truth.objects) if thing.video_id == video.id]
    return replace(
        truth,
        videos=[video],
        objects=[truth.objects[row] for row in rows],
        tubes=truth.tubes.chosen(rows),
    )
