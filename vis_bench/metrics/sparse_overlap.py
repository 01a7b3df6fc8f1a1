"""What the many tracks of one video share with its objects, stored only where they share pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.frame_overlap import Overlaps, overlaps

# Overlaps are counted for so many frames at a time, of the tubes that have a mask there.
_FRAMES_AT_A_TIME = 64


@dataclass(frozen=True)
class SparseOverlaps:
    """As `Overlaps` of N tubes with M others over T frames; memory grows with their masks.

    Attributes:
        rows_N, columns_M: which tubes these are.
        num_frames: T.
        frame_Q, row_Q, area_Q: the masks of the N tubes that are not empty, in order of frames,
            then rows: their frame, their place in `rows_N` and their pixels.
        frame_R, column_R, area_R: the same of the M tubes.
        mask_L, other_L, column_L, shared_L: where masks share pixels, in order of frames, then
            columns, then rows: the places among the Q and the R masks, the place in `columns_M` and
            the shared pixels.
    """

    rows_N: np.ndarray
    columns_M: np.ndarray
    num_frames: int
    frame_Q: np.ndarray
    row_Q: np.ndarray
    area_Q: np.ndarray
    frame_R: np.ndarray
    column_R: np.ndarray
    area_R: np.ndarray
    mask_L: np.ndarray
    other_L: np.ndarray
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
        """The pixels of each of the N tubes over all frames."""
        area_N = np.bincount(self.row_Q, weights=self.area_Q, minlength=len(self.rows_N))
        return area_N.astype(np.int64)

    @cached_property
    def area_M(self) -> np.ndarray:
        """The pixels of each of the M tubes over all frames."""
        area_M = np.bincount(self.column_R, weights=self.area_R, minlength=len(self.columns_M))
        return area_M.astype(np.int64)

    def space_time_iou(self) -> np.ndarray:
        """Shared pixels of all frames over the pixels of either, (N, M); 0 where there are none."""
        union_NM = self.area_N[:, None] + self.area_M - self.shared_NM
        return np.divide(self.shared_NM, union_NM, out=np.zeros(union_NM.shape), where=union_NM > 0)

    def frame_iou_L(self) -> np.ndarray:
        """The IoU in its frame of each of the L pairs of masks."""
        either_L = self.area_Q[self.mask_L] + self.area_R[self.other_L] - self.shared_L
        return self.shared_L / either_L

    def others_present_TM(self) -> np.ndarray:
        """In which frames each of the M tubes has pixels, bool (T, M)."""
        present_TM = np.zeros((self.num_frames, len(self.columns_M)), bool)
        present_TM[self.frame_R, self.column_R] = True
        return present_TM

    @cached_property
    def masks_by_row(self) -> tuple[np.ndarray, np.ndarray]:
        """The Q masks in order of rows, then frames, and where those of each row begin."""
        first_N1 = np.searchsorted(np.sort(self.row_Q), np.arange(len(self.rows_N) + 1))
        return np.argsort(self.row_Q, kind="stable"), first_N1

    @cached_property
    def pairs_by_mask(self) -> tuple[np.ndarray, np.ndarray]:
        """The L pairs in order of masks, then columns, and where those of each mask begin."""
        first_Q1 = np.searchsorted(np.sort(self.mask_L), np.arange(len(self.frame_Q) + 1))
        return np.argsort(self.mask_L, kind="stable"), first_Q1

    @cached_property
    def _first_mask_T1(self) -> np.ndarray:
        return np.searchsorted(self.frame_Q, np.arange(self.num_frames + 1))

    def frames_of(self, row: int) -> np.ndarray:
        """The frames in which one of the N tubes has pixels, rising."""
        by_row, first_N1 = self.masks_by_row
        return self.frame_Q[by_row[first_N1[row] : first_N1[row + 1]]]

    def rows_in(self, frames_F: np.ndarray) -> np.ndarray:
        """Which of the N tubes have pixels in any of some frames, rising."""
        first_T1 = self._first_mask_T1
        masks = ranges(first_T1[frames_F], first_T1[frames_F + 1])
        return np.unique(self.row_Q[masks])

    def dense(self, rows_n: np.ndarray, frames_F: np.ndarray) -> Overlaps:
        """The overlaps of some of the N tubes in some frames; both rise, as do places in it."""
        by_row, first_N1 = self.masks_by_row
        mask_q = by_row[ranges(first_N1[rows_n], first_N1[rows_n + 1])]
        place_T = np.full(self.num_frames, -1)
        place_T[frames_F] = np.arange(len(frames_F))
        mask_q = mask_q[place_T[self.frame_Q[mask_q]] >= 0]
        row_q = np.searchsorted(rows_n, self.row_Q[mask_q])
        frame_q = place_T[self.frame_Q[mask_q]]
        shape = len(rows_n), len(self.columns_M), len(frames_F)
        area_nF, shared_nMF = np.zeros((shape[0], shape[2]), np.int64), np.zeros(shape, np.int64)
        area_nF[row_q, frame_q] = self.area_Q[mask_q]
        by_mask, first_Q1 = self.pairs_by_mask
        first_q, last_q = first_Q1[mask_q], first_Q1[mask_q + 1]
        pair_l = by_mask[ranges(first_q, last_q)]
        count_q = last_q - first_q
        places = np.repeat(row_q, count_q), self.column_L[pair_l], np.repeat(frame_q, count_q)
        shared_nMF[places] = self.shared_L[pair_l]
        area_MF = self._other_areas(frames_F)
        return Overlaps(self.rows_N[rows_n], self.columns_M, shared_nMF, area_nF, area_MF)

    def _other_areas(self, frames_F: np.ndarray) -> np.ndarray:
        """The pixels of the M tubes in some frames, (M, F)."""
        first_F, last_F = (np.searchsorted(self.frame_R, frames_F + end) for end in (0, 1))
        mask_r = ranges(first_F, last_F)
        area_MF = np.zeros((len(self.columns_M), len(frames_F)), np.int64)
        frame_r = np.repeat(np.arange(len(frames_F)), last_F - first_F)
        area_MF[self.column_R[mask_r], frame_r] = self.area_R[mask_r]
        return area_MF


def sparse_overlaps(
    some: MaskTubes, rows_N: np.ndarray, others: MaskTubes, columns_M: np.ndarray, num_frames: int
) -> SparseOverlaps:
    """The overlaps of N tubes with M others over a video's frames; arguments as `overlaps`."""
    frame_Q, row_Q, place_Q = _with_pixels(some, rows_N, num_frames)
    frame_R, column_R, place_R = _with_pixels(others, columns_M, num_frames)
    parts = []
    for start in range(0, num_frames, _FRAMES_AT_A_TIME):
        stop = min(num_frames, start + _FRAMES_AT_A_TIME)
        own_q, own_r = (
            np.arange(*np.searchsorted(frames, (start, stop))) for frames in (frame_Q, frame_R)
        )
        rows_n, columns_m = np.unique(row_Q[own_q]), np.unique(column_R[own_r])
        found = overlaps(some, rows_N[rows_n], others, columns_M[columns_m], stop, start)
        frame_l, column_l, row_l = found.shared_NMT.transpose(2, 1, 0).nonzero()
        place_nF, place_mF = (np.zeros(area.shape, int) for area in (found.area_NT, found.area_MT))
        place_nF[np.searchsorted(rows_n, row_Q[own_q]), frame_Q[own_q] - start] = own_q
        place_mF[np.searchsorted(columns_m, column_R[own_r]), frame_R[own_r] - start] = own_r
        shared_l = found.shared_NMT[row_l, column_l, frame_l]
        parts.append((place_nF[row_l, frame_l], place_mF[column_l, frame_l], shared_l))
    nothing = np.zeros(0, np.int64)
    mask_L, other_L, shared_L = (
        np.concatenate(column) for column in zip((nothing,) * 3, *parts, strict=True)
    )
    return SparseOverlaps(
        rows_N, columns_M, num_frames, frame_Q, row_Q, some.areas_P1[place_Q],
        frame_R, column_R, others.areas_P1[place_R], mask_L, other_L, column_R[other_L], shared_L,
    )  # fmt: skip


def _with_pixels(
    tubes: MaskTubes, rows_N: np.ndarray, num_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame, place in `rows_N` and place of the masks that are not empty, by frame, then row."""
    row_Q, place_Q = tubes.masks_of(rows_N)
    kept_Q = (tubes.areas_P1[place_Q] > 0) & (tubes.frame_P[place_Q] < num_frames)
    row_Q, place_Q = row_Q[kept_Q], place_Q[kept_Q]
    order_Q = np.argsort(tubes.frame_P[place_Q], kind="stable")
    row_Q, place_Q = row_Q[order_Q], place_Q[order_Q]
    return tubes.frame_P[place_Q], row_Q, place_Q


def ranges(first_N: np.ndarray, last_N: np.ndarray) -> np.ndarray:
    """The numbers from each first to below each last, one range after the other."""
    count_N = last_N - first_N
    ends_N = np.cumsum(count_N)
    total = int(ends_N[-1]) if ends_N.size else 0
    return np.arange(total) + np.repeat(first_N - ends_N + count_N, count_N)
