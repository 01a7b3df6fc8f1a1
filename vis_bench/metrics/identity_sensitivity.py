"""Cost of a single identity switch: AP before and after, one track at a time.

A switch here is the mildest there is. From the middle of its masks on, a track goes on under a new
identity; every mask stays what and where it was, and the score too. Evaluators of tracking count
that as one identity switch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.errors import annotated_categories, repaired_ap
from vis_bench.metrics.frame_matches import FollowedVideo, VideoTracks, followed_videos


@dataclass(frozen=True)
class SwitchCosts:
    """AP, and the AP that each switch alone costs, as fractions.

    `costs_N` is in the order of videos and tracks, one for each track that finds an object and has
    masks in two frames or more. It can be negative: a track may be better off without its end.
    """

    ap: float
    costs_N: np.ndarray

    @property
    def mean(self) -> float | None:
        """The mean cost; None without a switch."""
        return float(self.costs_N.mean()) if self.costs_N.size else None

    @property
    def largest(self) -> float | None:
        """The largest cost; None without a switch."""
        return float(self.costs_N.max()) if self.costs_N.size else None


@dataclass(frozen=True)
class IdentitySensitivity:
    """Costs of switches in `predictions`, and in `perfect` tracks: the objects."""

    predictions: SwitchCosts
    perfect: SwitchCosts


def identity_sensitivity(
    ground_truth: GroundTruth, results: Results, advance: Callable[[], object] = lambda: None
) -> IdentitySensitivity | None:
    """Switches the identity of every track in turn, and evaluates the results with that one switch.

    Args:
        ground_truth: annotations.
        results: tracks of the annotated videos.
        advance: called after each video, of the results and of the perfect tracks.

    Returns:
        None where there is no object that is not a crowd.
    """
    followed = followed_videos(ground_truth, results)
    predictions = _switch_costs(followed, advance)
    perfect = _switch_costs([_perfect(each) for each in followed], advance)
    if predictions is None or perfect is None:
        return None
    return IdentitySensitivity(predictions, perfect)


def _perfect(followed: FollowedVideo) -> FollowedVideo:
    """The objects as tracks, all of score 1."""
    rows_D, masks = np.flatnonzero(~followed.video.crowd_G), followed.masks
    video = replace(
        followed.video,
        row_D=rows_D,
        excused={},
        score_D=np.ones(len(rows_D)),
        category_D=followed.video.category_G[rows_D],
        iou_DG=followed.video.iou_GG[rows_D],
    )
    object_R, frame_R = np.divmod(masks.key_R, max(1, masks.num_frames))
    kept_R = np.isin(object_R, rows_D)
    object_E, frame_E = object_R[kept_R], frame_R[kept_R]
    mask_E = masks.masks_of_objects(object_E, frame_E)
    return FollowedVideo.of(video, masks, np.searchsorted(rows_D, object_E), frame_E, mask_E)


def _switch_costs(
    followed: Sequence[FollowedVideo], advance: Callable[[], object]
) -> SwitchCosts | None:
    """A switch changes the matches of one video and the AP of one category; the others stay."""
    videos = [each.video for each in followed]
    found = {key: repaired_ap(videos, key) for key in annotated_categories(videos)}
    before = {key: ap for key, ap in found.items() if ap is not None}
    if not before:
        return None
    costs: list[float] = []
    for place, each in enumerate(followed):
        for track in np.flatnonzero(each.video.claims() >= 0):
            switched, key = _switched(each, int(track)), int(each.video.category_D[track])
            if switched is not None and key not in before:
                costs.append(0.0)  # the category has crowds alone, and no AP
            elif switched is not None:
                after = repaired_ap([*videos[:place], switched, *videos[place + 1 :]], key)
                costs.append((before[key] - (after or 0.0)) / len(before))
        advance()
    return SwitchCosts(float(np.mean(list(before.values()))), np.array(costs))


def _switched(followed: FollowedVideo, track: int) -> VideoTracks | None:
    """The video with a track in two parts: up to the middle of its masks, and from there on.

    None for a track of a single mask. Of an odd number of masks the first part has one more.
    """
    own = followed.entries_of(track)
    mask_E = followed.mask_E[own[followed.has_pixels_E[own]]]
    if len(mask_E) < 2:
        return None
    part_E = (np.arange(len(mask_E)) >= (len(mask_E) + 1) // 2).astype(np.int64)
    video = followed.video
    twice_D = np.insert(np.arange(len(video.score_D)), track, track)
    iou_DG = video.iou_DG[twice_D]
    iou_DG[track : track + 2] = followed.masks.space_time_iou(part_E, mask_E, 2)
    return replace(
        video,
        row_D=video.row_D[twice_D],
        score_D=video.score_D[twice_D],
        category_D=video.category_D[twice_D],
        iou_DG=iou_DG,
    )
