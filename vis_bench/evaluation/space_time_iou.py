"""Space-time IoU of predicted and annotated tubes, as the official evaluator computes it.

The IoU of two tubes is the sum of their intersections over the sum of their unions, frame by
frame up to the end of the shorter one. A frame in which both have a mask but of different size
counts in neither sum. All sums are exact integers; one division follows (youtubevos/cocoapi,
`YTVOSeval.computeIoU`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.masks.intersection import shared_pixels
from vis_bench.masks.rle import RLE
from vis_bench.masks.run_lengths import run_lengths
from vis_bench.masks.tubes import MaskTubes


def space_time_iou(
    detections: MaskTubes, rows_D: np.ndarray, objects: MaskTubes, columns_G: np.ndarray
) -> np.ndarray:
    """IoU of D detections, `rows_D` of `detections`, with G objects, as float64 (D, G)."""
    some, others = _Tubes.of(detections, rows_D), _Tubes.of(objects, columns_G)
    shorter_DG = np.minimum(some.lengths_N[:, None], others.lengths_N)
    union_DG = some.areas_before(shorter_DG) + others.areas_before(shorter_DG.T).T
    intersection_DG = np.zeros(union_DG.shape)
    for frame in range(min(some.areas_NT.shape[1], others.areas_NT.shape[1])):
        _add_intersections(intersection_DG, some, others, frame)
        if not some.size or some.size != others.size:
            _handle_exceptions(intersection_DG, union_DG, some, others, frame)
    union_DG = union_DG - intersection_DG
    return np.divide(intersection_DG, union_DG, out=np.zeros(union_DG.shape), where=union_DG > 0)


@dataclass(frozen=True)
class _Tubes:
    """N tubes side by side, padded with absent masks to T frames.

    `odd_NT` are masks whose encoding has empty runs. `size` is the coded size of all masks if it is
    the same and none is odd, else 0.
    """

    masks_S: Sequence[RLE | None]
    first_N: np.ndarray
    lengths_N: np.ndarray
    areas_NT: np.ndarray
    sizes_NT: np.ndarray
    odd_NT: np.ndarray
    size: int

    @cached_property
    def plain_T(self) -> list[np.ndarray]:
        """In each frame, which tubes have a mask that is not empty nor has empty runs."""
        return [np.flatnonzero(plain_N) for plain_N in (self.areas_NT > 0).T & ~self.odd_NT.T]

    @classmethod
    def of(cls, tubes: MaskTubes, chosen_N: np.ndarray) -> _Tubes:
        first_N, lengths_N = tubes.first_N1[chosen_N], tubes.lengths_N[chosen_N]
        frame_T = np.arange(lengths_N.max(initial=0))
        inside_NT = frame_T < lengths_N[:, None]
        place_NT = np.where(inside_NT, first_N[:, None] + frame_T, 0)
        columns = (tubes.areas_S, tubes.sizes_S, tubes.has_empty_runs_S)
        areas_NT, sizes_NT, odd_NT = (column[place_NT] * inside_NT for column in columns)
        size = int(sizes_NT.max(initial=0))
        if odd_NT.any() or ((sizes_NT != 0) & (sizes_NT != size)).any():
            size = 0
        return cls(tubes.masks_S, first_N, lengths_N, areas_NT, sizes_NT, odd_NT, size)

    def areas_before(self, frames_NM: np.ndarray) -> np.ndarray:
        """The area of each of N tubes summed over its first `frames_NM` frames, (N, M)."""
        ends_NT1 = np.pad(np.cumsum(self.areas_NT, 1), ((0, 0), (1, 0)))
        return np.take_along_axis(ends_NT1, frames_NM, 1)

    def masks(self, chosen: np.ndarray, frame: int) -> list[RLE | None]:
        return [self.masks_S[first + frame] for first in self.first_N[chosen].tolist()]


def _add_intersections(
    intersection_DG: np.ndarray, some: _Tubes, others: _Tubes, frame: int
) -> None:
    """Adds one frame's intersections, of all pairs without empty runs."""
    rows, columns = some.plain_T[frame], others.plain_T[frame]
    if rows.size and columns.size:
        intersection_DG[rows[:, None], columns] += shared_pixels(
            some.masks(rows, frame), some.areas_NT[rows, frame], others.masks(columns, frame)
        )


def _handle_exceptions(
    intersection_DG: np.ndarray,
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
        intersection_DG[row, column] += intersection
        total_DG[row, column] -= lost


def _lengths(tubes: _Tubes, row: int, frame: int) -> np.ndarray:
    (mask,) = tubes.masks(np.array([row]), frame)
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
