"""What tracks and objects of one video cover together, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.masks.intersection import shared_pixels
from vis_bench.masks.tubes import MaskTubes


@dataclass(frozen=True)
class Overlaps:
    """Pixels of one video: `shared_NMT` of N and M tubes together, `area_NT`, `area_MT` alone.

    Tubes shorter than T frames are absent beyond their end. Masks of different size share nothing.
    """

    shared_NMT: np.ndarray
    area_NT: np.ndarray
    area_MT: np.ndarray

    @property
    def union_NMT(self) -> np.ndarray:
        """Pixels of either."""
        return self.area_NT[:, None] + self.area_MT - self.shared_NMT

    def space_time_iou(self) -> np.ndarray:
        """Shared pixels of all frames over the pixels of either, (N, M); 0 where there are none."""
        return _ratio(self.shared_NMT.sum(2), self.union_NMT.sum(2))

    def frame_iou(self) -> np.ndarray:
        """The same in each frame, (N, M, T)."""
        return _ratio(self.shared_NMT, self.union_NMT)


def overlaps(
    some: MaskTubes, rows_N: np.ndarray, others: MaskTubes, columns_M: np.ndarray, num_frames: int
) -> Overlaps:
    """The overlaps of N tubes with M others over a video's frames.

    Args:
        rows_N, columns_M: which tubes of `some` and `others`.
        num_frames: T, of the video; what lies beyond is left out.
    """
    area_NT = _areas(some, rows_N, num_frames)
    area_MT = _areas(others, columns_M, num_frames)
    shared_NMT = np.zeros((len(rows_N), len(columns_M), num_frames), np.int64)
    for frame in range(num_frames):
        present_N, present_M = np.flatnonzero(area_NT[:, frame]), np.flatnonzero(area_MT[:, frame])
        if present_N.size and present_M.size:
            shared_NMT[present_N[:, None], present_M, frame] = shared_pixels(
                [some.masks_S[some.first_N1[n] + frame] for n in rows_N[present_N]],
                area_NT[present_N, frame],
                [others.masks_S[others.first_N1[m] + frame] for m in columns_M[present_M]],
            )
    return Overlaps(shared_NMT, area_NT, area_MT)


def _areas(tubes: MaskTubes, chosen_N: np.ndarray, num_frames: int) -> np.ndarray:
    areas_NT = np.zeros((len(chosen_N), num_frames), np.int64)
    for row, tube in enumerate(chosen_N):
        own_T = tubes.areas_S[tubes.first_N1[tube] : tubes.first_N1[tube + 1]][:num_frames]
        areas_NT[row, : len(own_T)] = own_T
    return areas_NT


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
