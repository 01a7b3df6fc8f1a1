"""Tracks and objects behind an error of one video, for pictures of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.metrics.errors import (
    REPAIRED,
    ROUNDING,
    missed_objects,
    of_video,
    repair_stages,
    repaired_ap,
)
from vis_bench.metrics.frame_matches import VideoTracks


@dataclass(frozen=True)
class Causes:
    """The changes of a repair in a video.

    Attributes:
        gains: track, by its place among the video's, -> AP that its repair alone gains, most first.
        missed: objects, by their place among the video's, that the repair adds.
    """

    gains: dict[int, float]
    missed: list[int]


def causes_of(truth: GroundTruth, results: Results, video: Video, kind: str) -> Causes:
    """Return the tracks of a video that one kind of error costs AP, or its missed objects.

    If no track gains AP alone, as where two need repair, all that the repair changes are returned.

    Args:
        kind: of `REPAIRED`.
    """
    own, tracks = of_video(truth, results, video)
    stages = repair_stages(own, tracks)
    place = REPAIRED.index(kind)
    [before], [after] = stages[place], stages[place + 1]
    if kind == "missed":
        return Causes({}, missed_objects(before))
    ap = repaired_ap([before]) or 0.0
    gains = {
        row: (repaired_ap([_repaired_alone(before, after, row)]) or 0.0) - ap
        for row in before.row_D.tolist()
        if _is_changed(before, after, row)
    }
    found = {row: gain for row, gain in gains.items() if gain > ROUNDING} or gains
    return Causes(dict(sorted(found.items(), key=lambda pair: -pair[1])), [])


def _is_changed(before: VideoTracks, after: VideoTracks, row: int) -> bool:
    old, new = (video.kept(video.row_D == row) for video in (before, after))
    return not (
        np.array_equal(old.category_D, new.category_D) and np.array_equal(old.iou_DG, new.iou_DG)
    )


def _repaired_alone(before: VideoTracks, after: VideoTracks, row: int) -> VideoTracks:
    """The tracks with one as it is after the repair, which may have dropped it."""
    parts = before.kept(before.row_D != row), after.kept(after.row_D == row)
    row_D, score_D, category_D, iou_DG = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row_D", "score_D", "category_D", "iou_DG")
    )
    mixed = replace(before, row_D=row_D, score_D=score_D, category_D=category_D, iou_DG=iou_DG)
    return mixed.kept(np.argsort(row_D))
