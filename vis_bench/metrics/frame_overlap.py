"""What tracks and objects of one video cover together, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.tubes import MaskTubes


@dataclass(frozen=True)
class Overlaps:
    """Pixels of one video: `shared_NMT` of N and M tubes together, `area_NT`, `area_MT` alone.

    Tubes shorter than T frames are absent beyond their end. Masks of different size share nothing.
    `rows_N` and `columns_M` say which tubes these are.
    """

    rows_N: np.ndarray
    columns_M: np.ndarray
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
    some: MaskTubes,
    rows_N: np.ndarray,
    others: MaskTubes,
    columns_M: np.ndarray,
    stop: int,
    start: int = 0,
) -> Overlaps:
    """The overlaps of N tubes with M others over the T frames [start, stop) of a video.

    Args:
        rows_N, columns_M: which tubes of `some` and `others`.
        start, stop: the whole video, or part of it; what lies beyond is left out.
    """
    place_NT = some.places(rows_N, stop, start)
    place_MT = others.places(columns_M, stop, start)
    area_NT, area_MT = some.areas_P1[place_NT], others.areas_P1[place_MT]
    spans_NT2, spans_MT2 = some.spans_P12[place_NT], others.spans_P12[place_MT]
    near_NMT = most_shared_pixels(area_NT, spans_NT2, area_MT, spans_MT2) > 0
    shared_NMT = np.zeros(near_NMT.shape, np.int64)
    for frame in range(stop - start):
        near_NM = near_NMT[..., frame]
        near_N, near_M = np.flatnonzero(near_NM.any(1)), np.flatnonzero(near_NM.any(0))
        if near_N.size:
            shared_NMT[near_N[:, None], near_M, frame] = shared_pixels(
                some.masks_at(place_NT[near_N, frame]),
                area_NT[near_N, frame],
                others.masks_at(place_MT[near_M, frame]),
            )
    return Overlaps(rows_N, columns_M, shared_NMT, area_NT, area_MT)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
