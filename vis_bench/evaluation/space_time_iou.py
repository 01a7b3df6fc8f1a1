"""Space-time IoU of predicted and annotated tubes, as the official evaluator computes it.

The IoU of two tubes is the sum of their intersections over the sum of their unions, frame by
frame up to the end of the shorter one. A frame in which both have a mask but of different size
counts in neither sum. All sums are exact integers; one division follows (youtubevos/cocoapi,
`YTVOSeval.computeIoU`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.evaluation.frame_overlap import Overlaps
from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.run_lengths import run_lengths
from vis_bench.masks.tubes import MaskTubes

# After so many frames, pairs that are too far below 1/2 are given up.
_FRAMES_AT_A_TIME = 4


def space_time_iou(
    detections: MaskTubes,
    rows_D: np.ndarray,
    objects: MaskTubes,
    columns_G: np.ndarray,
    *,
    found: Overlaps | None = None,
    only_from_half: bool = False,
) -> np.ndarray:
    """IoU of D detections, `rows_D` of `detections`, with G objects, as float64 (D, G).

    Args:
        found: what is known of their video, of some detections and all of these objects, each in
            rising order; it is not counted again.
        only_from_half: gives 0 for an IoU below 1/2, which spares most of the counting for pairs
            that are far below.
    """
    some, others = _Tubes.of(detections, rows_D), _Tubes.of(objects, columns_G)
    shorter_DG = np.minimum(some.lengths_N[:, None], others.lengths_N)
    total_DG = some.areas_before(shorter_DG) + others.areas_before(shorter_DG.T).T
    if some.size and some.size == others.size:
        known_D, shared_DG = _known(found, some, others)
        counted = _shared(some.of_rows(~known_D), others, total_DG[~known_D], only_from_half)
        shared_DG[~known_D] = counted
    else:
        shared_DG = _shared_with_exceptions(some, others, total_DG)
    union_DG = total_DG - shared_DG
    iou_DG = np.divide(shared_DG, union_DG, out=np.zeros(union_DG.shape), where=union_DG > 0)
    if only_from_half:
        iou_DG[iou_DG < 0.5] = 0
    return iou_DG


@dataclass(frozen=True)
class _Tubes:
    """N tubes side by side, padded with absent masks to T frames.

    `odd_NT` are masks whose encoding has empty runs. `size` is the coded size of all masks if it is
    the same and none is odd, else 0.
    """

    tubes: MaskTubes
    chosen_N: np.ndarray
    lengths_N: np.ndarray
    areas_NT: np.ndarray
    sizes_NT: np.ndarray
    spans_NT2: np.ndarray
    odd_NT: np.ndarray
    size: int

    @classmethod
    def of(cls, tubes: MaskTubes, chosen_N: np.ndarray) -> _Tubes:
        lengths_N = tubes.lengths_N[chosen_N]
        areas_NT, sizes_NT, spans_NT2, odd_NT = (
            tubes.side_by_side(column_S, chosen_N, int(lengths_N.max(initial=0)))
            for column_S in (tubes.areas_S, tubes.sizes_S, tubes.spans_S2, tubes.has_empty_runs_S)
        )
        size = int(sizes_NT.max(initial=0))
        if odd_NT.any() or ((sizes_NT != 0) & (sizes_NT != size)).any():
            size = 0
        return cls(tubes, chosen_N, lengths_N, areas_NT, sizes_NT, spans_NT2, odd_NT, size)

    def of_rows(self, rows_N: np.ndarray) -> _Tubes:
        """Some of these tubes; all of one size."""
        return _Tubes(
            self.tubes, self.chosen_N[rows_N], self.lengths_N[rows_N], self.areas_NT[rows_N],
            self.sizes_NT[rows_N], self.spans_NT2[rows_N], self.odd_NT[rows_N], self.size,
        )  # fmt: skip

    def areas_before(self, frames_NM: np.ndarray) -> np.ndarray:
        """The area of each of N tubes summed over its first `frames_NM` frames, (N, M)."""
        ends_NT1 = np.pad(np.cumsum(self.areas_NT, 1), ((0, 0), (1, 0)))
        return np.take_along_axis(ends_NT1, frames_NM, 1)

    def plain(self, frame: int) -> np.ndarray:
        """Which tubes have a mask that is not empty nor has empty runs."""
        return np.flatnonzero((self.areas_NT[:, frame] > 0) & ~self.odd_NT[:, frame])


def _known(found: Overlaps | None, some: _Tubes, others: _Tubes) -> tuple[np.ndarray, np.ndarray]:
    """Which detections `found` knows, (D,), and all pixels these share with each object, (D, G)."""
    shared_DG = np.zeros((len(some.chosen_N), len(others.chosen_N)), np.int64)
    if found is None or _num_common_frames(some, others) > found.shared_NMT.shape[2]:
        return np.zeros(len(some.chosen_N), bool), shared_DG
    known_D = np.isin(some.chosen_N, found.rows_N)
    rows = np.searchsorted(found.rows_N, some.chosen_N[known_D])
    columns_G = np.searchsorted(found.columns_M, others.chosen_N)
    shared_DG[known_D] = found.shared_NMT[rows[:, None], columns_G].sum(2)
    return known_D, shared_DG


def _num_common_frames(some: _Tubes, others: _Tubes) -> int:
    return min(some.areas_NT.shape[1], others.areas_NT.shape[1])


def _shared(some: _Tubes, others: _Tubes, total_DG: np.ndarray, only_from_half: bool) -> np.ndarray:
    """The pixels that tubes of one size share in all frames, (D, G).

    An IoU is 1/2 and more where three times the shared pixels are no less than both areas. Of pairs
    that cannot get there any more, frames remain uncounted if `only_from_half`, and what they share
    at most is returned.

    Args:
        total_DG: both areas together.
    """
    frames = slice(_num_common_frames(some, others))
    most_DGT = most_shared_pixels(
        some.areas_NT[:, frames], some.spans_NT2[:, frames],
        others.areas_NT[:, frames], others.spans_NT2[:, frames],
    )  # fmt: skip
    most_DG = most_DGT.sum(2)
    most_TDG = np.ascontiguousarray(most_DGT.transpose(2, 0, 1))
    near_TD, near_TG = (np.any(most_TDG, axis=axis) for axis in (2, 1))
    open_D, open_G = (np.ones(number, bool) for number in most_DG.shape)
    for frame, most_now_DG in enumerate(most_TDG):
        if only_from_half and frame % _FRAMES_AT_A_TIME == 0:
            open_DG = 3 * most_DG >= total_DG
            open_D, open_G = open_DG.any(1), open_DG.any(0)
        rows = (near_TD[frame] & open_D).nonzero()[0]
        columns = (near_TG[frame] & open_G).nonzero()[0]
        if rows.size and columns.size:
            shared = shared_pixels(
                some.tubes.masks_at(some.chosen_N[rows], frame),
                some.areas_NT[rows, frame],
                others.tubes.masks_at(others.chosen_N[columns], frame),
            )
            pairs = rows[:, None], columns
            most_DG[pairs] += shared - most_now_DG[pairs]
    return most_DG


def _shared_with_exceptions(some: _Tubes, others: _Tubes, total_DG: np.ndarray) -> np.ndarray:
    """The same of tubes with masks of several sizes or with empty runs.

    Takes from `total_DG`, in place, what the official evaluator leaves out.
    """
    shared_DG = np.zeros(total_DG.shape, np.int64)
    for frame in range(_num_common_frames(some, others)):
        rows, columns = some.plain(frame), others.plain(frame)
        if rows.size and columns.size:
            shared_DG[rows[:, None], columns] += shared_pixels(
                some.tubes.masks_at(some.chosen_N[rows], frame),
                some.areas_NT[rows, frame],
                others.tubes.masks_at(others.chosen_N[columns], frame),
            )
        _handle_exceptions(shared_DG, total_DG, some, others, frame)
    return shared_DG


def _handle_exceptions(
    shared_DG: np.ndarray,
    total_DG: np.ndarray,
    some: _Tubes,
    others: _Tubes,
    frame: int,
) -> None:
    """Corrects, in place, the pairs of one frame that differ in size or have empty runs.

    `total_DG` are both areas together. Masks with empty runs have no intersection added yet.
    """
    sizes_D, sizes_G = some.sizes_NT[:, frame], others.sizes_NT[:, frame]
    both_DG = (sizes_D[:, None] > 0) & (sizes_G > 0)
    differ_DG = both_DG & (sizes_D[:, None] != sizes_G)
    areas_DG = some.areas_NT[:, frame, None] + others.areas_NT[:, frame]
    total_DG -= np.where(differ_DG, areas_DG, 0)
    odd_DG = some.odd_NT[:, frame, None] | others.odd_NT[:, frame]
    for row, column in np.argwhere(odd_DG & both_DG & ~differ_DG):
        lengths = _lengths(some, row, frame), _lengths(others, column, frame)
        intersection, lost = _overlap_with_empty_runs(*lengths)
        shared_DG[row, column] += intersection
        total_DG[row, column] -= lost


def _lengths(tubes: _Tubes, row: int, frame: int) -> np.ndarray:
    (mask,) = tubes.tubes.masks_at(tubes.chosen_N[[row]], frame)
    assert mask is not None
    return run_lengths(mask["counts"], mask["size"][0] * mask["size"][1])


def _overlap_with_empty_runs(some: np.ndarray, others: np.ndarray) -> tuple[int, int]:
    """Intersection of two masks, and the area of both that the official evaluator leaves out.

    Its merging stops at the first place where an empty run begins in both masks.
    """
    ends, other_ends = np.cumsum(some), np.cumsum(others)
    stops = np.intersect1d(ends[:-1][some[1:] == 0], other_ends[:-1][others[1:] == 0])
    stop = int(stops[0]) if stops.size else int(ends[-1])
    borders = np.unique(np.concatenate((ends, other_ends)))
    starts = np.concatenate(([0], borders[:-1]))
    inside = np.searchsorted(ends, starts, "right") % 2 == 1
    inside_other = np.searchsorted(other_ends, starts, "right") % 2 == 1
    kept = np.clip(stop - starts, 0, borders - starts)
    intersection = int(kept @ (inside & inside_other))
    lost = int((borders - starts - kept) @ (inside.astype(np.int64) + inside_other))
    return intersection, lost
