"""Space-time IoU of predicted and annotated tubes, as the official evaluator computes it.

The IoU of two tubes is the sum of their intersections over the sum of their unions, frame by
frame up to the end of the shorter one. A frame in which both have a mask but of different size
counts in neither sum. All sums are exact integers; one division follows (youtubevos/cocoapi,
`YTVOSeval.computeIoU`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.mask_tubes import MaskTubes
from vis_bench.run_lengths import run_lengths

PIXEL_BITS = 32


def space_time_iou(
    detections: MaskTubes, rows_D: np.ndarray, objects: MaskTubes, columns_G: np.ndarray
) -> np.ndarray:
    """IoU of D detections, `rows_D` of `detections`, with G objects, as float64 (D, G)."""
    some = _FrameTable.of(detections, rows_D)
    others = _FrameTable.of(objects, columns_G)
    num_frames = min(some.areas_NT.shape[1], others.areas_NT.shape[1])
    intersection_DG, lost_DG = (np.zeros((len(rows_D), len(columns_G)), np.int64) for _ in "il")
    for frame in range(num_frames):
        _add_intersections(intersection_DG, some, others, frame)
        _add_exceptions(intersection_DG, lost_DG, some, others, frame)
    shorter_DG = np.minimum(some.lengths_N[:, None], others.lengths_N)
    total_DG = some.areas_before(shorter_DG) + others.areas_before(shorter_DG.T).T
    union_DG = total_DG - lost_DG - intersection_DG
    return np.divide(intersection_DG, union_DG, out=np.zeros(union_DG.shape), where=union_DG > 0)


@dataclass(frozen=True)
class _FrameTable:
    """N tubes side by side, padded with absent masks to T frames."""

    tubes: MaskTubes
    first_N: np.ndarray
    lengths_N: np.ndarray
    areas_NT: np.ndarray
    sizes_NT: np.ndarray
    has_empty_runs_NT: np.ndarray

    @classmethod
    def of(cls, tubes: MaskTubes, chosen_N: np.ndarray) -> _FrameTable:
        first_N, lengths_N = tubes.first_N1[chosen_N], tubes.lengths_N[chosen_N]
        frame_T = np.arange(lengths_N.max(initial=0))
        inside_NT = frame_T < lengths_N[:, None]
        place_NT = np.where(inside_NT, first_N[:, None] + frame_T, 0)
        columns = (tubes.areas_S, tubes.sizes_S, tubes.has_empty_runs_S)
        return cls(tubes, first_N, lengths_N, *(c[place_NT] * inside_NT for c in columns))

    def areas_before(self, frames_NM: np.ndarray) -> np.ndarray:
        """The area of each of N tubes summed over its first `frames_NM` frames, (N, M)."""
        ends_NT1 = np.pad(np.cumsum(self.areas_NT, 1), ((0, 0), (1, 0)))
        return np.take_along_axis(ends_NT1, frames_NM, 1)

    def masks(self, chosen: np.ndarray, frame: int) -> list:
        return [self.tubes.masks_S[place + frame] for place in self.first_N[chosen].tolist()]


def _add_intersections(
    intersection_DG: np.ndarray, some: _FrameTable, others: _FrameTable, frame: int
) -> None:
    """Adds one frame's intersections, of all pairs that need no exception.

    Against a crowd, pycocotools divides the intersection by the detection's area, so that a
    multiplication gives it back; the result is within half a pixel of the integer.
    """
    rows, columns = (
        np.flatnonzero((t.areas_NT[:, frame] > 0) & ~t.has_empty_runs_NT[:, frame])
        for t in (some, others)
    )
    if rows.size and columns.size:
        covered = coco_mask.iou(
            some.masks(rows, frame), others.masks(columns, frame), [True] * columns.size
        )
        pixels = np.rint(np.maximum(covered, 0) * some.areas_NT[rows, frame, None])
        intersection_DG[np.ix_(rows, columns)] += pixels.astype(np.int64)


def _add_exceptions(
    intersection_DG: np.ndarray,
    lost_DG: np.ndarray,
    some: _FrameTable,
    others: _FrameTable,
    frame: int,
) -> None:
    """Handles the pairs of one frame that differ in size or whose encoding has empty runs."""
    sizes_D, sizes_G = some.sizes_NT[:, frame], others.sizes_NT[:, frame]
    both_DG = (sizes_D[:, None] > 0) & (sizes_G > 0)
    differ_DG = both_DG & (sizes_D[:, None] != sizes_G)
    if differ_DG.any():
        areas_DG = some.areas_NT[:, frame, None] + others.areas_NT[:, frame]
        lost_DG += np.where(differ_DG, areas_DG, 0)
    odd_DG = some.has_empty_runs_NT[:, frame, None] | others.has_empty_runs_NT[:, frame]
    for row, column in np.argwhere(odd_DG & both_DG & ~differ_DG):
        pixels = int(sizes_G[column] >> PIXEL_BITS) * int(sizes_G[column] % (1 << PIXEL_BITS))
        intersection, lost = _overlap_with_empty_runs(
            _lengths(some, row, frame, pixels), _lengths(others, column, frame, pixels)
        )
        intersection_DG[row, column] += intersection
        lost_DG[row, column] += lost


def _lengths(table: _FrameTable, row: int, frame: int, pixels: int) -> np.ndarray:
    (mask,) = table.masks(np.array([row]), frame)
    return run_lengths(mask["counts"], pixels)


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
