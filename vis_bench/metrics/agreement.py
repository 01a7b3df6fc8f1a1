"""How far two sets of tracks of the same video say the same, track by track.

AP says whether a whole data set comes out the same; this says whether single answers do. Compared
are the best tracks that a method is sure of: those that it is not sure of change places, or vanish,
with the last bit of a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.metrics.tracking.protocol import SCORE_THRESHOLD
from vis_bench.metrics.tracking.solver import linear_sum_assignment

# The best tracks of a video that take part, where their score is above `SCORE_THRESHOLD`.
NUM_BEST = 10


@dataclass(frozen=True)
class TrackAgreement:
    """What became of one video's sure tracks.

    `same_classes`: whether each has a partner of its class among the best tracks of the other side.
    `ious_N`: space-time IoU of each with its partner, 0 without one.
    """

    same_classes: bool
    ious_N: np.ndarray


def agreement_of(reference: Sequence[Track], other: Sequence[Track]) -> TrackAgreement:
    """Compares the sure tracks of one side with the best of the other side.

    Partners are of the same class, and chosen so that their space-time IoU add up to the most.

    Args:
        reference: all tracks of a video; those among the `NUM_BEST` best whose score is above
            `SCORE_THRESHOLD` are compared.
        other: tracks of the same video, of which the `NUM_BEST` best take part.
    """
    sure = [track for track in _best(reference) if track.score > SCORE_THRESHOLD]
    others = _best(other)
    ious_NM = np.zeros((len(sure), len(others)))
    if sure and others:
        ious_NM = space_time_iou(
            Results.of(sure).tubes, np.arange(len(sure)),
            Results.of(others).tubes, np.arange(len(others)),
        )  # fmt: skip
    classes_N, classes_M = (np.array([t.category_id for t in own], int) for own in (sure, others))
    alike_NM = classes_N[:, None] == classes_M
    rows, columns = linear_sum_assignment(np.where(alike_NM, 1 + ious_NM, 0), maximize=True)
    kept = alike_NM[rows, columns]
    ious_N = np.zeros(len(sure))
    ious_N[rows[kept]] = ious_NM[rows[kept], columns[kept]]
    return TrackAgreement(int(kept.sum()) == len(sure), ious_N)


def _best(tracks: Sequence[Track]) -> list[Track]:
    return sorted(tracks, key=lambda track: -track.score)[:NUM_BEST]
