"""Tracks that repeat a better one, whatever their class: they are left out where classes are.

Few pairs of tracks are compared pixel by pixel. What each shares with the objects is known, and
decides most pairs: two tracks that fill the same object share most of it, and two of which one is
on an object and the other beside it share little.
"""

from __future__ import annotations

import numpy as np

from vis_bench.data.results_file import Results
from vis_bench.evaluation.frame_overlap import Overlaps
from vis_bench.evaluation.space_time_iou import space_time_iou
from vis_bench.masks.tubes import MaskTubes

# From this space-time IoU on, two tracks are taken for the same thing.
DUPLICATE_IOU = 0.5
# Numbers per array while bounds are computed.
_CHUNK = 1 << 18


def distinct_tracks(results: Results, rows_D: np.ndarray, with_objects: Overlaps) -> np.ndarray:
    """Whether each track overlaps no better one that stays by `DUPLICATE_IOU` or more, (D,).

    By falling score, ties in file order; the categories play no part.

    Args:
        rows_D: the tracks of one video.
        with_objects: of these tracks and some objects over the frames of the video.
    """
    score_D = np.array([float(results.tracks[row].score) for row in rows_D])
    order_D = np.argsort(-score_D, kind="stable")
    repeats_DD, differs_DD = (
        decided_DD[order_D[:, None], order_D]
        for decided_DD in _decided(with_objects, _comparable(results.tubes, rows_D, with_objects))
    )
    left_D = ~_surely_repeat(repeats_DD, differs_DD)
    open_DD = np.triu(left_D[:, None] & left_D & ~repeats_DD & ~differs_DD, 1)
    earlier, later = np.flatnonzero(open_DD.any(1)), np.flatnonzero(open_DD.any(0))
    if earlier.size:
        sorted_D = rows_D[order_D]
        iou = space_time_iou(results.tubes, sorted_D[earlier], results.tubes, sorted_D[later])
        repeats_DD[earlier[:, None], later] = iou >= DUPLICATE_IOU
    stays_D = np.zeros(len(rows_D), bool)
    for place in range(len(rows_D)):
        stays_D[place] = left_D[place] and not (stays_D & repeats_DD[:, place]).any()
    distinct_D = np.zeros(len(rows_D), bool)
    distinct_D[order_D] = stays_D
    return distinct_D


def _surely_repeat(repeats_DD: np.ndarray, differs_DD: np.ndarray) -> np.ndarray:
    """The tracks, best first, that repeat one which stays whatever the open pairs come to."""
    num_tracks = len(repeats_DD)
    stay_D, repeat_D = np.zeros(num_tracks, bool), np.zeros(num_tracks, bool)
    for place in range(num_tracks):
        repeat_D[place] = (stay_D & repeats_DD[:, place]).any()
        stay_D[place] = (repeat_D | differs_DD[:, place])[:place].all() and not repeat_D[place]
    return repeat_D


def _decided(found: Overlaps, comparable_D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs of tracks repeat each other for sure, and which surely do not, (D, D) each.

    An IoU is 1/2 and more where three times what two masks share is no less than their areas.
    """
    area_DT = found.area_NT
    total_D = area_DT.sum(1)
    repeats_DD, differs_DD = (np.zeros((len(area_DT),) * 2, bool) for _ in "rd")
    step = max(1, _CHUNK // max(1, area_DT.size))
    for start in range(0, len(area_DT), step):
        rows = slice(start, start + step)
        low_rDT, high_rDT = _shared_bounds(found, rows)
        total_rD = total_D[rows, None] + total_D
        repeats_DD[rows] = 3 * low_rDT.sum(2) >= np.maximum(total_rD, 1)
        differs_DD[rows] = 3 * high_rDT.sum(2) < total_rD
    comparable_DD = comparable_D[:, None] & comparable_D
    return repeats_DD & comparable_DD, differs_DD & comparable_DD


def _shared_bounds(found: Overlaps, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that some tracks share with all in each frame at least and at most, (r, D, T)."""
    area_DT = found.area_NT
    high_rDT = np.minimum(area_DT[rows, None], area_DT)
    low_rDT = np.zeros_like(high_rDT)
    for inside_DT, object_T in zip(found.shared_NMT.transpose(1, 0, 2), found.area_MT, strict=True):
        outside_DT = area_DT - inside_DT
        both_rDT = np.minimum(inside_DT[rows, None], inside_DT)
        both_rDT += np.minimum(outside_DT[rows, None], outside_DT)
        np.minimum(high_rDT, both_rDT, out=high_rDT)
        np.maximum(low_rDT, (inside_DT[rows] - object_T)[:, None] + inside_DT, out=low_rDT)
    return low_rDT, high_rDT


def _comparable(tubes: MaskTubes, rows_D: np.ndarray, found: Overlaps) -> np.ndarray:
    """Which tracks have as many masks as the video has frames, usual and of the most usual size.

    Of others, `space_time_iou` leaves out frames.
    """
    num_frames = found.area_NT.shape[1]
    size_D = np.zeros(len(rows_D), np.int64)
    for place, row in enumerate(rows_D):
        own = slice(tubes.first_N1[row], tubes.first_N1[row + 1])
        sizes = tubes.sizes_S[own]
        largest = sizes.max(initial=0)
        is_usual = len(sizes) == num_frames and not tubes.has_empty_runs_S[own].any()
        if is_usual and ((sizes == largest) | (sizes == 0)).all():
            size_D[place] = largest
    sizes, counts = np.unique(size_D, return_counts=True)
    return (size_D == sizes[counts.argmax()]) & (size_D > 0) if sizes.size else size_D > 0
