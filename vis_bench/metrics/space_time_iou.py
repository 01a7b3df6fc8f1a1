"""Space-time IoU of predicted and annotated tubes, as the official evaluator computes it.

The IoU of two tubes is the sum of their intersections over the sum of their unions, frame by
frame up to the end of the shorter one. A frame in which both have a mask but of different size
counts in neither sum. All sums are exact integers; one division follows (youtubevos/cocoapi,
`YTVOSeval.computeIoU`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.rle import RLE
from vis_bench.masks.run_lengths import run_lengths
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.sparse_overlap import SparseOverlaps, sparse_overlaps

# After so many frames, pairs that are too far below 1/2 are given up.
_FRAMES_AT_A_TIME = 4
# Tubes that together have a mask in fewer of their frames are not laid side by side.
_MOST_FRAMES_PER_MASK = 4


def space_time_iou(
    detections: MaskTubes,
    rows_D: np.ndarray,
    objects: MaskTubes,
    columns_G: np.ndarray,
    *,
    found: SparseOverlaps | None = None,
    only_from_half: bool = False,
) -> np.ndarray:
    """IoU of D detections, `rows_D` of `detections`, with G objects, as float64 (D, G).

    Args:
        found: what is known of their video, of some detections and all of these objects, each in
            rising order; it is not counted again.
        only_from_half: gives 0 for an IoU below 1/2, which spares most of the counting for pairs
            that are far below.
    """
    if _are_sparse(detections, rows_D, objects, columns_G):
        shared_DG, total_DG = _sparsely_shared(detections, rows_D, objects, columns_G, found)
    else:
        some, others = _Tubes.of(detections, rows_D), _Tubes.of(objects, columns_G)
        shorter_DG = np.minimum(some.lengths_N[:, None], others.lengths_N)
        total_DG = some.areas_before(shorter_DG) + others.areas_before(shorter_DG.T).T
        if some.size and some.size == others.size:
            common = _num_common_frames(some, others)
            known_D, shared_DG = _known(found, rows_D, columns_G, common)
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
    place_NT: np.ndarray
    areas_NT: np.ndarray
    sizes_NT: np.ndarray
    spans_NT2: np.ndarray
    odd_NT: np.ndarray
    size: int

    @classmethod
    def of(cls, tubes: MaskTubes, chosen_N: np.ndarray) -> _Tubes:
        lengths_N = tubes.lengths_N[chosen_N]
        place_NT = tubes.places(chosen_N, int(lengths_N.max(initial=0)))
        areas_NT, sizes_NT = tubes.areas_P1[place_NT], tubes.sizes_P1[place_NT]
        spans_NT2, odd_NT = tubes.spans_P12[place_NT], tubes.has_empty_runs_P1[place_NT]
        size = int(sizes_NT.max(initial=0))
        if odd_NT.any() or ((sizes_NT != 0) & (sizes_NT != size)).any():
            size = 0
        return cls(
            tubes, chosen_N, lengths_N, place_NT, areas_NT, sizes_NT, spans_NT2, odd_NT, size
        )

    def of_rows(self, rows_N: np.ndarray) -> _Tubes:
        """Some of these tubes; all of one size."""
        return _Tubes(
            self.tubes, self.chosen_N[rows_N], self.lengths_N[rows_N], self.place_NT[rows_N],
            self.areas_NT[rows_N], self.sizes_NT[rows_N], self.spans_NT2[rows_N],
            self.odd_NT[rows_N], self.size,
        )  # fmt: skip

    def areas_before(self, frames_NM: np.ndarray) -> np.ndarray:
        """The area of each of N tubes summed over its first `frames_NM` frames, (N, M)."""
        ends_NT1 = np.pad(np.cumsum(self.areas_NT, 1), ((0, 0), (1, 0)))
        return np.take_along_axis(ends_NT1, frames_NM, 1)

    def masks_at(self, rows_N: np.ndarray, frame: int) -> list[RLE]:
        """The masks of some of these tubes in a frame in which they are present."""
        return self.tubes.masks_at(self.place_NT[rows_N, frame])

    def plain(self, frame: int) -> np.ndarray:
        """Which tubes have a mask that is not empty nor has empty runs."""
        return np.flatnonzero((self.areas_NT[:, frame] > 0) & ~self.odd_NT[:, frame])


def _are_sparse(
    detections: MaskTubes, rows_D: np.ndarray, objects: MaskTubes, columns_G: np.ndarray
) -> bool:
    """Whether masks are few, usual and of one size, and all tubes are as long."""
    both = (detections, rows_D), (objects, columns_G)
    lengths_N = np.concatenate([tubes.lengths_N[chosen_N] for tubes, chosen_N in both])
    num_masks = sum(int(tubes.num_masks_of(chosen_N).sum()) for tubes, chosen_N in both)
    if _MOST_FRAMES_PER_MASK * num_masks >= lengths_N.sum() or (lengths_N != lengths_N[0]).any():
        return False
    sizes = set()
    for tubes, chosen_N in both:
        _, place_Q = tubes.masks_of(chosen_N)
        sizes |= set(np.unique(tubes.sizes_P1[place_Q]).tolist())
        if tubes.has_empty_runs_P1[place_Q].any():
            return False
    return len(sizes) <= 1


def _sparsely_shared(
    detections: MaskTubes,
    rows_D: np.ndarray,
    objects: MaskTubes,
    columns_G: np.ndarray,
    found: SparseOverlaps | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that tubes which `_are_sparse` share, and the areas of both together, (D, G)."""
    lengths = (detections.lengths_N[rows_D], objects.lengths_N[columns_G])
    num_frames = max(int(lengths_N.max(initial=0)) for lengths_N in lengths)
    known_D, shared_DG = _known(found, rows_D, columns_G, num_frames)
    counted = sparse_overlaps(detections, rows_D[~known_D], objects, columns_G, num_frames)
    shared_DG[~known_D] = counted.shared_NM
    return shared_DG, _areas(detections, rows_D)[:, None] + counted.area_M


def _areas(tubes: MaskTubes, chosen_N: np.ndarray) -> np.ndarray:
    """The pixels of each tube in all frames."""
    row_Q, place_Q = tubes.masks_of(chosen_N)
    areas_N = np.zeros(len(chosen_N), np.int64)
    np.add.at(areas_N, row_Q, tubes.areas_P1[place_Q])
    return areas_N


def _known(
    found: SparseOverlaps | None, rows_D: np.ndarray, columns_G: np.ndarray, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections `found` knows, (D,), and all pixels these share with each object, (D, G).

    Args:
        num_frames: in which both have masks.
    """
    shared_DG = np.zeros((len(rows_D), len(columns_G)), np.int64)
    if found is None or num_frames > found.num_frames:
        return np.zeros(len(rows_D), bool), shared_DG
    known_D = np.isin(rows_D, found.rows_N)
    rows = np.searchsorted(found.rows_N, rows_D[known_D])
    columns = np.searchsorted(found.columns_M, columns_G)
    shared_DG[known_D] = found.shared_NM[rows[:, None], columns]
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
                some.masks_at(rows, frame),
                some.areas_NT[rows, frame],
                others.masks_at(columns, frame),
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
                some.masks_at(rows, frame),
                some.areas_NT[rows, frame],
                others.masks_at(columns, frame),
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
    mask = tubes.tubes.masks_P[tubes.place_NT[row, frame]]
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
