"""What the many tracks of one video share with its objects, stored only where they share pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.evaluation.frame_overlap import Overlaps, overlaps
from vis_bench.masks.tubes import MaskTubes

# Overlaps are counted for so many frames at a time, of the tubes that have a mask there.
_FRAMES_AT_A_TIME = 64


@dataclass(frozen=True)
class SparseOverlaps:
    """As `Overlaps` of N tubes with M others over T frames; memory grows with the masks of the N.

    Attributes:
        rows_N, columns_M: which tubes these are.
        num_frames: T.
        frame_Q, row_Q, area_Q: the masks of the N tubes that are not empty, in order of frames,
            then rows: their frame, their place in `rows_N` and their pixels.
        area_MT: pixels of the M tubes.
        mask_L, column_L, shared_L: where masks share pixels, in order of frames, then columns, then
            rows: the place among the Q masks, the place in `columns_M` and the shared pixels.
    """

    rows_N: np.ndarray
    columns_M: np.ndarray
    num_frames: int
    frame_Q: np.ndarray
    row_Q: np.ndarray
    area_Q: np.ndarray
    area_MT: np.ndarray
    mask_L: np.ndarray
    column_L: np.ndarray
    shared_L: np.ndarray

    @cached_property
    def shared_NM(self) -> np.ndarray:
        """The pixels that tubes share over all frames."""
        shape = len(self.rows_N), len(self.columns_M)
        place_L = self.row_Q[self.mask_L] * shape[1] + self.column_L
        # Sums of doubles are exact here: a tube has less than 2^32 pixels.
        shared = np.bincount(place_L, weights=self.shared_L, minlength=shape[0] * shape[1])
        return shared.astype(np.int64).reshape(shape)

    @cached_property
    def area_N(self) -> np.ndarray:
        """The pixels of each tube over all frames."""
        area_N = np.bincount(self.row_Q, weights=self.area_Q, minlength=len(self.rows_N))
        return area_N.astype(np.int64)

    def frame_iou_L(self) -> np.ndarray:
        """The IoU in its frame of each of the L pairs of masks."""
        object_area_L = self.area_MT[self.column_L, self.frame_Q[self.mask_L]]
        return self.shared_L / (self.area_Q[self.mask_L] + object_area_L - self.shared_L)

    @cached_property
    def _masks_by_row(self) -> tuple[np.ndarray, np.ndarray]:
        """The Q masks in order of rows, then frames, and where those of each row begin."""
        first_N1 = np.searchsorted(np.sort(self.row_Q), np.arange(len(self.rows_N) + 1))
        return np.argsort(self.row_Q, kind="stable"), first_N1

    @cached_property
    def _first_Q1(self) -> np.ndarray:
        """Where the pairs of each of the masks begin in `_pairs_by_mask`."""
        return np.searchsorted(np.sort(self.mask_L), np.arange(len(self.frame_Q) + 1))

    @cached_property
    def _pairs_by_mask(self) -> np.ndarray:
        return np.argsort(self.mask_L, kind="stable")

    @cached_property
    def _first_mask_T1(self) -> np.ndarray:
        return np.searchsorted(self.frame_Q, np.arange(self.num_frames + 1))

    def frames_of(self, row: int) -> np.ndarray:
        """The frames in which one of the N tubes has pixels, rising."""
        by_row, first_N1 = self._masks_by_row
        return self.frame_Q[by_row[first_N1[row] : first_N1[row + 1]]]

    def rows_in(self, frames_F: np.ndarray) -> np.ndarray:
        """Which of the N tubes have pixels in any of some frames, rising."""
        first_T1 = self._first_mask_T1
        masks = _ranges(first_T1[frames_F], first_T1[frames_F + 1])
        return np.unique(self.row_Q[masks])

    def dense(self, rows_n: np.ndarray, frames_F: np.ndarray) -> Overlaps:
        """The overlaps of some of the N tubes in some frames; both rise, as do places in it."""
        by_row, first_N1 = self._masks_by_row
        mask_q = by_row[_ranges(first_N1[rows_n], first_N1[rows_n + 1])]
        place_T = np.full(self.num_frames, -1)
        place_T[frames_F] = np.arange(len(frames_F))
        mask_q = mask_q[place_T[self.frame_Q[mask_q]] >= 0]
        row_q = np.searchsorted(rows_n, self.row_Q[mask_q])
        frame_q = place_T[self.frame_Q[mask_q]]
        shape = len(rows_n), len(self.columns_M), len(frames_F)
        area_nF, shared_nMF = np.zeros((shape[0], shape[2]), np.int64), np.zeros(shape, np.int64)
        area_nF[row_q, frame_q] = self.area_Q[mask_q]
        first_q, last_q = self._first_Q1[mask_q], self._first_Q1[mask_q + 1]
        pair_l = self._pairs_by_mask[_ranges(first_q, last_q)]
        count_q = last_q - first_q
        places = np.repeat(row_q, count_q), self.column_L[pair_l], np.repeat(frame_q, count_q)
        shared_nMF[places] = self.shared_L[pair_l]
        return Overlaps(
            self.rows_N[rows_n], self.columns_M, shared_nMF, area_nF, self.area_MT[:, frames_F]
        )


def sparse_overlaps(
    some: MaskTubes, rows_N: np.ndarray, others: MaskTubes, columns_M: np.ndarray, num_frames: int
) -> SparseOverlaps:
    """The overlaps of N tubes with M others over a video's frames; arguments as `overlaps`."""
    row_Q, place_Q = some.masks_of(rows_N)
    kept_Q = (some.areas_P1[place_Q] > 0) & (some.frame_P[place_Q] < num_frames)
    row_Q, place_Q = row_Q[kept_Q], place_Q[kept_Q]
    order_Q = np.argsort(some.frame_P[place_Q], kind="stable")
    row_Q, place_Q = row_Q[order_Q], place_Q[order_Q]
    frame_Q = some.frame_P[place_Q]
    parts = []
    for start in range(0, num_frames, _FRAMES_AT_A_TIME):
        stop = min(num_frames, start + _FRAMES_AT_A_TIME)
        first, last = np.searchsorted(frame_Q, (start, stop))
        rows_n = np.unique(row_Q[first:last])
        found = overlaps(some, rows_N[rows_n], others, columns_M, stop, start)
        frame_l, column_l, row_l = found.shared_NMT.transpose(2, 1, 0).nonzero()
        place_nF = np.zeros(found.area_NT.shape, np.int64)
        place_nF[np.searchsorted(rows_n, row_Q[first:last]), frame_Q[first:last] - start] = (
            np.arange(first, last)
        )
        shared_l = found.shared_NMT[row_l, column_l, frame_l]
        parts.append((place_nF[row_l, frame_l], column_l, shared_l))
    nothing = np.zeros(0, np.int64)
    mask_L, column_L, shared_L = (
        np.concatenate(column) for column in zip((nothing,) * 3, *parts, strict=True)
    )
    return SparseOverlaps(
        rows_N, columns_M, num_frames, frame_Q, row_Q, some.areas_P1[place_Q],
        others.areas_P1[others.places(columns_M, num_frames)], mask_L, column_L, shared_L,
    )  # fmt: skip


def _ranges(first_N: np.ndarray, last_N: np.ndarray) -> np.ndarray:
    """The numbers from each first to below each last, one range after the other."""
    count_N = last_N - first_N
    ends_N = np.cumsum(count_N)
    total = int(ends_N[-1]) if ends_N.size else 0
    return np.arange(total) + np.repeat(first_N - ends_N + count_N, count_N)
