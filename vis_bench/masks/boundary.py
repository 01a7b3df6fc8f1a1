"""Boundaries of masks: the pixels within some distance of the outside.

Boundary IoU (Cheng et al., CVPR 2021) takes the inner band of a mask whose width is 2 % of the
frame's diagonal. The band is the mask without its erosion. k erosions by a 3x3 square, with zeros
outside the frame, are one by a square of 2k + 1 pixels. Down the columns it shortens each run of
pixels by k at both ends; along the rows it is the AND of 2k + 1 neighboring columns, doubled from
one window to the next.

Columns are bits of 64-bit words. The masks of one frame share a window, so that their words
correspond. Shape letters: Q masks, F frames that have one, R runs of pixels, each in one column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.masks import compiled
from vis_bench.masks.rle import RLE
from vis_bench.masks.run_lengths import foreground_runs

WIDTH = 0.02  # of the band, as a fraction of the frame's diagonal
_WORD = 64  # bits
# Characters and words of the masks that are packed together, which a core's cache holds.
_MOST_CHARACTERS, _MOST_WORDS = 1 << 16, 1 << 20


_BITS_OF_BYTE = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def _bit_count(words: np.ndarray) -> np.ndarray:
    """The number of set bits of each word."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.bitwise_count(words)
    bytes_8 = np.ascontiguousarray(words)[..., None].view(np.uint8)
    return _BITS_OF_BYTE[bytes_8].sum(-1, dtype=np.uint8)


def band_width(height: int, width: int) -> int:
    """Pixels of the band, at least 1; a half is rounded to the even number."""
    return max(1, round(WIDTH * math.sqrt(height**2 + width**2)))


@dataclass(frozen=True)
class Boundaries:
    """Boundaries of the masks of some frames.

    The bits of mask q are `words[first_Q1[q] : first_Q1[q + 1]]`. `areas_Q`: its pixels.
    """

    words: np.ndarray
    first_Q1: np.ndarray
    areas_Q: np.ndarray

    def shared_with_first(self, masks: slice) -> np.ndarray:
        """Pixels that the first of some masks of one frame shares with each of the others."""
        words = self.words[self.first_Q1[masks.start] : self.first_Q1[masks.stop]]
        words_ql = words.reshape(masks.stop - masks.start, -1)
        return _bit_count(words_ql[1:] & words_ql[0]).sum(1, dtype=np.int64)


@dataclass(frozen=True)
class MeasuredBoundaries:
    """As `Boundaries`, measured by the compiled library."""

    areas_Q: np.ndarray
    shared_Q: np.ndarray

    def shared_with_first(self, masks: slice) -> np.ndarray:
        """Pixels that the first mask of a frame shares with each of the others."""
        return self.shared_Q[masks][1:]


def boundaries(
    masks: Sequence[RLE], frame_Q: np.ndarray
) -> Iterator[tuple[slice, Boundaries | MeasuredBoundaries]]:
    """Boundaries of masks of one size, of as many frames at a time as fit into a cache.

    Args:
        frame_Q: the frame of each mask, rising.
    """
    if not masks:
        return
    height, width = masks[0]["size"]
    texts = [mask["counts"] for mask in masks]
    masks_F = np.unique(frame_Q, return_counts=True)[1]
    found = compiled.boundaries(texts, masks_F, height, width, band_width(height, width))
    if found is not None:
        yield slice(0, len(texts)), MeasuredBoundaries(*found)
        return
    cost_Q = np.fromiter(map(len, texts), np.int64, len(texts)) / _MOST_CHARACTERS
    cost_Q += width * math.ceil(height / _WORD) / _MOST_WORDS
    ends = [*np.flatnonzero(np.diff(frame_Q)) + 1, len(texts)]
    start = stop = 0
    for end in ends:
        if start < stop and cost_Q[start:end].sum() > 1:
            yield slice(start, stop), _pack(texts[start:stop], frame_Q[start:stop], height, width)
            start = stop
        stop = end
    yield slice(start, stop), _pack(texts[start:stop], frame_Q[start:stop], height, width)


def _pack(texts: Sequence[str], frame_Q: np.ndarray, height: int, width: int) -> Boundaries:
    radius = band_width(height, width)
    column_R, top_R, bottom_R = _in_columns(*foreground_runs(texts, height * width), height)
    mask_R, x_R = np.divmod(column_R, width)
    _, frame_Q = np.unique(frame_Q, return_inverse=True)
    left_F, right_F = _range_of(frame_Q[mask_R], x_R, x_R + 1, frame_Q[-1] + 1)
    above_F, below_F = _range_of(
        frame_Q[mask_R], top_R // _WORD, -(-bottom_R // _WORD), frame_Q[-1] + 1
    )
    words_per_column = int((below_F - above_F).max())
    # Zeros between two masks keep the erosion of one from reaching the other.
    words_F = (right_F - left_F + radius) * words_per_column
    first_Q1 = np.concatenate(([0], np.cumsum(words_F[frame_Q])))
    frame_R = frame_Q[mask_R]
    word_R = first_Q1[mask_R] + (x_R - left_F[frame_R]) * words_per_column
    bit_R = (word_R - above_F[frame_R]) * _WORD
    words = _filled(bit_R + top_R, bit_R + bottom_R, first_Q1[-1])
    tall = np.flatnonzero(bottom_R - top_R > 2 * radius)
    inside = _filled(
        bit_R[tall] + top_R[tall] + radius, bit_R[tall] + bottom_R[tall] - radius, first_Q1[-1]
    )
    covered, size = 1, 2 * radius + 1
    while covered < size:
        shift = min(covered, size - covered)
        inside = inside[: -shift * words_per_column] & inside[shift * words_per_column :]
        covered += shift
    center = radius * words_per_column
    words[center : center + len(inside)] &= ~inside
    areas_Q = np.add.reduceat(_bit_count(words), first_Q1[:-1], dtype=np.int64)
    return Boundaries(words, first_Q1, areas_Q)


def _in_columns(
    start_N: np.ndarray, stop_N: np.ndarray, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs cut at columns: the column of each, its first row and the one behind its last."""
    first_N = start_N // height
    columns_N = (stop_N - 1) // height - first_N + 1
    run_R = np.repeat(np.arange(len(start_N)), columns_N)
    column_R = np.arange(len(run_R)) - np.repeat(np.cumsum(columns_N) - columns_N, columns_N)
    column_R += first_N[run_R]
    pixel_R = column_R * height
    top_R = np.maximum(start_N[run_R] - pixel_R, 0)
    return column_R, top_R, np.minimum(stop_N[run_R] - pixel_R, height)


def _range_of(
    frame_R: np.ndarray, low_R: np.ndarray, high_R: np.ndarray, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest `low_R` and the largest `high_R` of each frame; 0 and 1 where it has none."""
    low_F, high_F = np.full(num_frames, np.iinfo(np.int64).max), np.full(num_frames, 1)
    np.minimum.at(low_F, frame_R, low_R)
    np.maximum.at(high_F, frame_R, high_R)
    return np.where(low_F > high_F, 0, low_F), high_F


def _filled(start_R: np.ndarray, stop_R: np.ndarray, num_words: int) -> np.ndarray:
    """Words whose bits are set from each `start_R` up to `stop_R`, uint64.

    Runs do not overlap. They are a difference of numbers, 2^stop - 2^start, whose borrow is the
    runs that are open where a word begins.
    """
    words = np.zeros(num_words + 1, np.uint64)
    open_before = np.zeros(num_words + 2, np.int64)
    for sign, change, place_R in ((1, np.subtract, start_R), (-1, np.add, stop_R)):
        word_R = place_R // _WORD
        change.at(words, word_R, np.left_shift(np.uint64(1), (place_R % _WORD).astype(np.uint64)))
        open_before[1:] += sign * np.bincount(word_R, minlength=num_words + 1)
    words -= np.cumsum(open_before[:-1]).astype(np.uint64)
    return words[:-1]
