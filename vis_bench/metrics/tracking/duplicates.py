"""Tracks that repeat a better one, whatever their class: they are left out where classes are.

Few pairs of tracks are compared pixel by pixel, and in few frames. What each shares with the
objects is known, and decides most pairs: two tracks that fill the same object share most of it, and
two of which one is on an object and the other beside it share little. The others are counted frame
by frame until what is left cannot change the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.data.results_file import Results
from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.frame_overlap import Overlaps
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.metrics.sparse_overlap import SparseOverlaps

# From this space-time IoU on, two tracks are taken for the same thing. `_repeats` counts on 1/2.
DUPLICATE_IOU = 0.5
# Numbers per array while bounds are computed.
_CHUNK = 1 << 20


def distinct_tracks(results: Results, found: SparseOverlaps) -> np.ndarray:
    """Whether each track overlaps no better one that stays by `DUPLICATE_IOU` or more, (D,).

    By falling score, ties in file order; the categories play no part.

    Args:
        found: of the tracks and some objects of one video, over its frames.
    """
    tubes, rows_D = results.tubes, found.rows_N
    score_D = np.array([float(results.tracks[row].score) for row in rows_D])
    comparable_D = _comparable(tubes, rows_D, found.num_frames)
    size = len(rows_D) * max(1, len(found.columns_M)) * found.num_frames
    whole = _Part.of(tubes, found) if size <= _CHUNK else None
    distinct_D = np.ones(len(rows_D), bool)
    left_D = np.argsort(-score_D, kind="stable")
    while left_D.size:
        best, left_D = left_D[0], left_D[1:]
        repeats_D = np.zeros(len(left_D), bool)
        usual_D = comparable_D[left_D] & comparable_D[best]
        if whole is not None:
            repeats_D[usual_D] = _repeats(whole, best, left_D[usual_D])
        elif usual_D.any():
            repeats_D[usual_D] = _repeats_in_part(tubes, found, best, left_D[usual_D])
        (unusual,) = (~usual_D).nonzero()
        step = max(1, _CHUNK // max(1, found.num_frames))
        for start in range(0, len(unusual), step):
            some = unusual[start : start + step]
            rows, other = rows_D[left_D[some]], rows_D[[best]]
            iou_D1 = space_time_iou(tubes, rows, tubes, other, only_from_half=True)
            repeats_D[some] = iou_D1[:, 0] >= DUPLICATE_IOU
        distinct_D[left_D[repeats_D]] = False
        left_D = left_D[~repeats_D]
    return distinct_D


@dataclass(frozen=True)
class _Part:
    """Some tracks of a video side by side, in some of its frames.

    `total_D`: the pixels of each track in all frames.
    """

    tubes: MaskTubes
    found: Overlaps
    place_DT: np.ndarray
    spans_DT2: np.ndarray
    total_D: np.ndarray

    @classmethod
    def of(
        cls,
        tubes: MaskTubes,
        video: SparseOverlaps,
        rows_D: np.ndarray | None = None,
        frames_T: np.ndarray | None = None,
    ) -> _Part:
        """All tracks in all frames unless others are given, which rise."""
        if rows_D is None or frames_T is None:
            rows_D, frames_T = np.arange(len(video.rows_N)), np.arange(video.num_frames)
        found = video.dense(rows_D, frames_T)
        first = int(frames_T.min(initial=video.num_frames))
        place_DT = tubes.places(found.rows_N, int(frames_T.max(initial=first - 1)) + 1, first)
        place_DT = place_DT[:, frames_T - first]
        return cls(tubes, found, place_DT, tubes.spans_P12[place_DT], video.area_N[rows_D])


def _repeats_in_part(
    tubes: MaskTubes, video: SparseOverlaps, best: int, others_E: np.ndarray
) -> np.ndarray:
    """As `_repeats`, from the frames in which the one has pixels and the others that have, too."""
    frames_T = video.frames_of(best)
    rows = np.union1d(np.intersect1d(video.rows_in(frames_T), others_E), best)
    near_E = np.isin(others_E, rows)
    part = _Part.of(tubes, video, rows, frames_T)
    repeats_E = np.zeros(len(others_E), bool)
    places = np.searchsorted(rows, others_E[near_E])
    repeats_E[near_E] = _repeats(part, int(np.searchsorted(rows, best)), places)
    return repeats_E


def _repeats(part: _Part, best: int, others_E: np.ndarray) -> np.ndarray:
    """Whether the IoU of each of E tracks with one is 1/2 and more, (E,); all are `_comparable`.

    It is where three times what two masks share is no less than their areas.
    """
    found, spans_DT2 = part.found, part.spans_DT2
    area_ET, area_1T = found.area_NT[others_E], found.area_NT[[best]]
    most_ET = most_shared_pixels(area_ET, spans_DT2[others_E], area_1T, spans_DT2[[best]])[:, 0]
    # Tracks without any pixels have nothing in common.
    total_E = np.maximum(part.total_D[best] + part.total_D[others_E], 1)
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
                part, best, others_E[rows], low_ET[unclear], high_ET[unclear], total_E[rows]
            )
    return repeats_E


def _count(
    part: _Part,
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
    unknown_T = unknown_ET.sum(0)
    for frame in np.argsort(-unknown_T)[: np.count_nonzero(unknown_T)].tolist():
        undecided_E = (low_E < 0) & (high_E >= 0)
        if not undecided_E.any():
            break
        (open_E,) = (undecided_E & (unknown_ET[:, frame] > 0)).nonzero()
        if open_E.size:
            others = others_E[open_E]
            shared = shared_pixels(
                part.tubes.masks_at(part.place_DT[others, frame]),
                part.found.area_NT[others, frame],
                part.tubes.masks_at(part.place_DT[[best], frame]),
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


def _comparable(tubes: MaskTubes, rows_D: np.ndarray, num_frames: int) -> np.ndarray:
    """Which tracks have as many masks as the video has frames, usual and of the most usual size.

    Of others, `space_time_iou` leaves out frames.
    """
    row_Q, place_Q = tubes.masks_of(rows_D)
    sizes_Q, size_D = tubes.sizes_P1[place_Q], np.zeros(len(rows_D), np.int64)
    size_D[row_Q] = sizes_Q
    is_usual_D = tubes.lengths_N[rows_D] == num_frames
    is_usual_D[row_Q[(sizes_Q != size_D[row_Q]) | tubes.has_empty_runs_P1[place_Q]]] = False
    size_D = np.where(is_usual_D, size_D, 0)
    sizes, counts = np.unique(size_D, return_counts=True)
    return (size_D == sizes[counts.argmax()]) & (size_D > 0) if sizes.size else size_D > 0
