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


def distinct_tracks(results: Results, with_objects: Overlaps) -> np.ndarray:
    """Whether each track overlaps no better one that stays by `DUPLICATE_IOU` or more, (D,).

    By falling score, ties in file order; the categories play no part.

    Args:
        with_objects: of the tracks and some objects of one video, over its frames.
    """
    rows_D = with_objects.rows_N
    score_D = np.array([float(results.tracks[row].score) for row in rows_D])
    comparable_D = _comparable(results.tubes, rows_D, with_objects)
    distinct_D = np.ones(len(rows_D), bool)
    left_D = np.argsort(-score_D, kind="stable")
    while left_D.size:
        best, left_D = left_D[0], left_D[1:]
        repeats_D = np.zeros(len(left_D), bool)
        usual_D = comparable_D[left_D] & comparable_D[best]
        repeats_D[usual_D] = _repeats(results.tubes, with_objects, best, left_D[usual_D])
        if not usual_D.all():
            repeats_D[~usual_D] = DUPLICATE_IOU <= space_time_iou(
                results.tubes, rows_D[left_D[~usual_D]], results.tubes, rows_D[[best]],
                only_from_half=True,
            ).ravel()  # fmt: skip
        distinct_D[left_D[repeats_D]] = False
        left_D = left_D[~repeats_D]
    return distinct_D


def _repeats(tubes: MaskTubes, found: Overlaps, best: int, others_E: np.ndarray) -> np.ndarray:
    """Whether the IoU of each of E tracks with one is 1/2 and more; all are `_comparable`.

    It is where three times what two masks share is no less than their areas.
    """
    low_ET, high_ET = _shared_bounds(tubes, found, best, others_E)
    low_E, high_E = low_ET.sum(1), high_ET.sum(1)
    area_ET = found.area_NT[others_E]
    # Tracks without any pixels have nothing in common.
    total_E = np.maximum(found.area_NT[best].sum() + area_ET.sum(1), 1)
    for frame in np.argsort(-(high_ET - low_ET).sum(0)).tolist():
        open_E = (3 * low_E < total_E) & (3 * high_E >= total_E)
        if not open_E.any():
            break
        counted = np.flatnonzero(open_E & (low_ET[:, frame] < high_ET[:, frame]))
        if counted.size:
            shared = shared_pixels(
                tubes.masks_at(found.rows_N[others_E[counted]], frame),
                area_ET[counted, frame],
                tubes.masks_at(found.rows_N[[best]], frame),
            )[:, 0]
            low_E[counted] += shared - low_ET[counted, frame]
            high_E[counted] += shared - high_ET[counted, frame]
    return 3 * low_E >= total_E


def _shared_bounds(
    tubes: MaskTubes, found: Overlaps, best: int, others_E: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that one track shares with E others in each frame at least and at most, (E, T)."""
    area_ET, own_T = found.area_NT[others_E], found.area_NT[best]
    spans_ET2, own_T2 = (
        tubes.side_by_side(tubes.spans_S2, found.rows_N[rows], area_ET.shape[1])
        for rows in (others_E, [best])
    )
    high_ET = most_shared_pixels(area_ET, spans_ET2, own_T[None], own_T2)[:, 0]
    low_ET = np.zeros_like(high_ET)
    for inside_DT, object_T in zip(found.shared_NMT.transpose(1, 0, 2), found.area_MT, strict=True):
        inside_ET, own_inside_T = inside_DT[others_E], inside_DT[best]
        both_ET = np.minimum(inside_ET, own_inside_T)
        both_ET += np.minimum(area_ET - inside_ET, own_T - own_inside_T)
        np.minimum(high_ET, both_ET, out=high_ET)
        np.maximum(low_ET, inside_ET + (own_inside_T - object_T), out=low_ET)
    return low_ET, high_ET


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
