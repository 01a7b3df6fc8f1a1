"""Tracks that repeat a better one, whatever their class: they are left out where classes are.

Few pairs of tracks are compared pixel by pixel, and in few frames. What each shares with the
objects is known, and decides most pairs: two tracks that fill the same object share most of it, and
two of which one is on an object and the other beside it share little. The others are counted frame
by frame until what is left cannot change the answer.
"""

from __future__ import annotations

import numpy as np

from vis_bench.data.results_file import Results
from vis_bench.evaluation.frame_overlap import Overlaps
from vis_bench.evaluation.space_time_iou import space_time_iou
from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.tubes import MaskTubes

# From this space-time IoU on, two tracks are taken for the same thing. `_repeats` counts on 1/2.
DUPLICATE_IOU = 0.5
# Numbers per array while bounds are computed.
_CHUNK = 1 << 20


def distinct_tracks(results: Results, with_objects: Overlaps) -> np.ndarray:
    """Whether each track overlaps no better one that stays by `DUPLICATE_IOU` or more, (D,).

    By falling score, ties in file order; the categories play no part.

    Args:
        with_objects: of the tracks and some objects of one video, over its frames.
    """
    tubes, rows_D = results.tubes, with_objects.rows_N
    score_D = np.array([float(results.tracks[row].score) for row in rows_D])
    comparable_D = _comparable(tubes, rows_D, with_objects)
    num_frames = with_objects.area_NT.shape[1]
    spans_DT2 = tubes.side_by_side(tubes.spans_S2, rows_D, num_frames)
    distinct_D = np.ones(len(rows_D), bool)
    left_D = np.argsort(-score_D, kind="stable")
    while left_D.size:
        best, left_D = left_D[0], left_D[1:]
        repeats_D = np.zeros(len(left_D), bool)
        usual_D = comparable_D[left_D] & comparable_D[best]
        repeats_D[usual_D] = _repeats(tubes, with_objects, spans_DT2, best, left_D[usual_D])
        if not usual_D.all():
            unusual, other = rows_D[left_D[~usual_D]], rows_D[[best]]
            iou_D1 = space_time_iou(tubes, unusual, tubes, other, only_from_half=True)
            repeats_D[~usual_D] = iou_D1[:, 0] >= DUPLICATE_IOU
        distinct_D[left_D[repeats_D]] = False
        left_D = left_D[~repeats_D]
    return distinct_D


def _repeats(
    tubes: MaskTubes, found: Overlaps, spans_DT2: np.ndarray, best: int, others_E: np.ndarray
) -> np.ndarray:
    """Whether the IoU of each of E tracks with one is 1/2 and more, (E,); all are `_comparable`.

    It is where three times what two masks share is no less than their areas.
    """
    area_ET, area_1T = found.area_NT[others_E], found.area_NT[[best]]
    most_ET = most_shared_pixels(area_ET, spans_DT2[others_E], area_1T, spans_DT2[[best]])[:, 0]
    # Tracks without any pixels have nothing in common.
    total_E = np.maximum(area_1T.sum() + area_ET.sum(1), 1)
    repeats_E = 3 * most_ET.sum(1) >= total_E
    all_near = repeats_E.nonzero()[0]
    step = max(1, _CHUNK // max(1, found.shared_NMT[best].size))
    for start in range(0, len(all_near), step):
        near = all_near[start : start + step]
        low_ET, high_ET = _shared_bounds(found, best, others_E[near], most_ET[near])
        repeats_E[near] = 3 * low_ET.sum(1) >= total_E[near]
        (unclear,) = ((3 * high_ET.sum(1) >= total_E[near]) & ~repeats_E[near]).nonzero()
        if unclear.size:
            rows = near[unclear]
            repeats_E[rows] = _count(
                tubes, found, best, others_E[rows], low_ET[unclear], high_ET[unclear], total_E[rows]
            )
    return repeats_E


def _count(
    tubes: MaskTubes,
    found: Overlaps,
    best: int,
    others_E: np.ndarray,
    low_ET: np.ndarray,
    high_ET: np.ndarray,
    total_E: np.ndarray,
) -> np.ndarray:
    """As `_repeats`, of pairs whose bounds leave it open.

    The bounds of a frame are replaced by its count until three times the bounds of all frames lie
    on one side of `total_E`. Frames come first that may change most.
    """
    low_E, high_E = 3 * low_ET.sum(1) - total_E, 3 * high_ET.sum(1) - total_E
    unknown_ET = high_ET - low_ET
    best_row = found.rows_N[[best]]
    for frame in np.argsort(-unknown_ET.sum(0)).tolist():
        (open_E,) = ((low_E < 0) & (high_E >= 0) & (unknown_ET[:, frame] > 0)).nonzero()
        if open_E.size:
            others = others_E[open_E]
            shared = shared_pixels(
                tubes.masks_at(found.rows_N[others], frame),
                found.area_NT[others, frame],
                tubes.masks_at(best_row, frame),
            )[:, 0]
            low_E[open_E] += 3 * (shared - low_ET[open_E, frame])
            high_E[open_E] += 3 * (shared - high_ET[open_E, frame])
    return low_E >= 0


def _shared_bounds(
    found: Overlaps, best: int, others_E: np.ndarray, most_ET: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that one track shares with E others in each frame at least and at most, (E, T).

    Args:
        most_ET: what they can share at most by other reasons.
    """
    inside_EGT, own_inside_GT = found.shared_NMT[others_E], found.shared_NMT[best]
    outside_EGT = found.area_NT[others_E][:, None] - inside_EGT
    both_EGT = np.minimum(inside_EGT, own_inside_GT)
    both_EGT += np.minimum(outside_EGT, found.area_NT[best] - own_inside_GT)
    low_ET = (inside_EGT + (own_inside_GT - found.area_MT)).max(1, initial=0)
    return low_ET, np.minimum(both_EGT.min(1, initial=np.iinfo(np.int64).max), most_ET)


def _comparable(tubes: MaskTubes, rows_D: np.ndarray, found: Overlaps) -> np.ndarray:
    """Which tracks have as many masks as the video has frames, usual and of the most usual size.

    Of others, `space_time_iou` leaves out frames.
    """
    num_frames = found.area_NT.shape[1]
    sizes_DT = tubes.side_by_side(tubes.sizes_S, rows_D, num_frames)
    odd_DT = tubes.side_by_side(tubes.has_empty_runs_S, rows_D, num_frames)
    size_D = sizes_DT.max(1, initial=0)
    one_size_D = ((sizes_DT == size_D[:, None]) | (sizes_DT == 0)).all(1)
    is_usual_D = (tubes.lengths_N[rows_D] == num_frames) & one_size_D & ~odd_DT.any(1)
    size_D = np.where(is_usual_D, size_D, 0)
    sizes, counts = np.unique(size_D, return_counts=True)
    return (size_D == sizes[counts.argmax()]) & (size_D > 0) if sizes.size else size_D > 0
