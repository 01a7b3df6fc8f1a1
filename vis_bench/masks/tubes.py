"""The masks of many objects over time, checked and measured together.

A tube is what one object covers in a video: one mask or nothing per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from vis_bench.errors import InputError
from vis_bench.json_file import shown
from vis_bench.masks.rle import PIXEL_LIMIT, RLE, check_rle, check_size
from vis_bench.masks.run_lengths import MalformedRLEError, measure

Place = Callable[[int, int], str]


@dataclass(frozen=True)
class MaskTubes:
    """N tubes. Tube n is `masks_S[first_N1[n] : first_N1[n + 1]]`, one entry per frame.

    `areas_S`: foreground pixels, 0 where absent. `sizes_S`: height * 2^32 + width, 0 where absent.
    `spans_S2`: where the foreground lies, counted down the columns, 0 to 0 where absent.
    `has_empty_runs_S`: masks of unusual encoding, see `run_lengths.Measured`.
    """

    masks_S: Sequence[RLE | None]
    first_N1: np.ndarray
    areas_S: np.ndarray
    sizes_S: np.ndarray
    spans_S2: np.ndarray
    has_empty_runs_S: np.ndarray

    def __len__(self) -> int:
        return len(self.first_N1) - 1

    @property
    def lengths_N(self) -> np.ndarray:
        """Number of frames of each tube."""
        return np.diff(self.first_N1)

    def sizes_of(self, tube: int) -> np.ndarray:
        """The sizes in each frame of one tube, coded as in `sizes_S`."""
        return self.sizes_S[self.first_N1[tube] : self.first_N1[tube + 1]]

    def side_by_side(
        self, column_S: np.ndarray, chosen_N: np.ndarray, num_frames: int
    ) -> np.ndarray:
        """What `column_S` holds of some tubes' first T frames, (N, T, ...); 0 beyond their end."""
        if not self.masks_S:
            return np.zeros((len(chosen_N), num_frames, *column_S.shape[1:]), column_S.dtype)
        first_N, frame_T = self.first_N1[chosen_N], np.arange(num_frames)
        inside_NT = frame_T < self.lengths_N[chosen_N][:, None]
        column_NT = column_S[np.where(inside_NT, first_N[:, None] + frame_T, 0)]
        column_NT[~inside_NT] = 0
        return column_NT

    def masks_at(self, chosen_N: np.ndarray, frame: int) -> list[RLE | None]:
        """The masks of some tubes in one frame, which is before the end of each."""
        return [self.masks_S[first + frame] for first in self.first_N1[chosen_N].tolist()]

    def average_areas_N(self) -> np.ndarray:
        """Mean area over the frames with a mask that is not empty; 0 where there is none."""
        tube_S = np.repeat(np.arange(len(self)), self.lengths_N)
        total_N = np.bincount(tube_S, weights=self.areas_S, minlength=len(self))
        frames_N = np.bincount(tube_S, weights=self.areas_S > 0, minlength=len(self))
        return total_N / np.maximum(frames_N, 1)


def measure_tubes(tubes: Sequence[Sequence[Any]], place: Place) -> MaskTubes:
    """Checks that every mask is a well-formed compressed RLE or absent, and measures it.

    None, an empty list and an empty object are absent masks.

    Args:
        tubes: per object, per frame: what a JSON file holds there.
        place: what messages call frame `t` of tube `n`, given (n, t).

    Raises:
        InputError: naming the first mask that is anything else, or so large that the pixels of
            its frame times the number of frames reach 2^32.
    """
    masks_S = list(chain.from_iterable(tubes))
    first_N1 = np.concatenate(([0], np.cumsum([len(tube) for tube in tubes], dtype=np.int64)))

    def place_of(index: int) -> str:
        tube = int(np.searchsorted(first_N1, index, "right")) - 1
        return place(tube, index - int(first_N1[tube]))

    present = np.flatnonzero(np.fromiter(map(bool, masks_S), bool, len(masks_S)))
    counts, heights_widths = _checked_parts(masks_S, place_of)
    sizes_S, areas_S, has_empty_runs_S = (np.zeros(len(masks_S), d) for d in (int, int, bool))
    spans_S2 = np.zeros((len(masks_S), 2), int)
    sizes_S[present] = heights_widths[:, 0] << 32 | heights_widths[:, 1]
    _refuse_large(sizes_S, first_N1, place_of)
    try:
        measured = measure(counts, heights_widths.prod(1))
    except MalformedRLEError as error:
        where = place_of(int(present[error.index]))
        raise InputError(f"{where} is a malformed RLE: {error.reason}") from None
    areas_S[present] = measured.areas_N
    spans_S2[present] = measured.spans_N2
    has_empty_runs_S[present] = measured.has_empty_runs_N
    return MaskTubes(masks_S, first_N1, areas_S, sizes_S, spans_S2, has_empty_runs_S)


def _checked_parts(
    masks_S: Sequence[Any], place_of: Callable[[int], str]
) -> tuple[list[str], np.ndarray]:
    """The counts, not yet read, and the height and width of the masks that are not absent."""
    parts = _parts(masks_S)
    if parts is not None:
        return parts
    for index, mask in enumerate(masks_S):
        _refuse_other_forms(mask, place_of, index)
    raise AssertionError("a refused mask was found well-formed")


def _parts(masks_S: Sequence[Any]) -> tuple[list[str], np.ndarray] | None:
    """As `_checked_parts`; None unless each mask is absent or of a form that can be read.

    One pass, since each mask lies somewhere else in memory.
    """
    if not set(map(type, masks_S)) <= {dict, list, type(None)}:
        return None
    texts, sides = [], []
    for mask in filter(None, masks_S):
        if type(mask) is not dict:
            return None
        text, size = mask.get("counts"), mask.get("size")
        if type(text) is not str or type(size) is not list or len(size) != 2:
            return None
        texts.append(text)
        sides += size
    heights_widths = _heights_widths(sides)
    return None if heights_widths is None else (texts, heights_widths)


def _heights_widths(sides: list[Any]) -> np.ndarray | None:
    """Heights and widths in turn as an array (N, 2); None unless `check_size` accepts each."""
    if not set(map(type, sides)) <= {int}:
        return None
    try:
        heights_widths = np.fromiter(sides, np.int64, len(sides)).reshape(-1, 2)
    except OverflowError:
        return None
    pixels = heights_widths[:, 0].astype(float) * heights_widths[:, 1]
    if np.any(heights_widths < 1) or np.any(pixels >= PIXEL_LIMIT):
        return None
    return heights_widths


def _refuse_other_forms(mask: Any, place_of: Callable[[int], str], index: int) -> None:
    """Raises for a mask that is neither absent nor an object with a size and a string."""
    if mask is None or mask == [] or mask == {}:
        return
    where = place_of(index)
    if isinstance(mask, list):
        raise InputError(f"{where} is a list (polygons?); expected a compressed RLE or null")
    if isinstance(mask, dict) and isinstance(mask.get("counts"), list):
        raise InputError(f"{where} is an uncompressed RLE; expected a compressed one or null")
    if not isinstance(mask, dict):
        raise InputError(f"{where} is {shown(mask)}; expected a compressed RLE or null")
    if isinstance(mask.get("counts"), str) and "size" in mask:
        check_size(mask["size"], where)
    else:
        check_rle(mask, 1, 1, where)


def _refuse_large(
    sizes_S: np.ndarray, first_N1: np.ndarray, place_of: Callable[[int], str]
) -> None:
    frames_S = np.repeat(np.diff(first_N1), np.diff(first_N1))
    pixels_S = (sizes_S >> 32).astype(float) * (sizes_S & (PIXEL_LIMIT - 1)) * frames_S
    for index in np.flatnonzero(pixels_S >= PIXEL_LIMIT)[:1]:
        height, width = divmod(int(sizes_S[index]), PIXEL_LIMIT)
        raise InputError(
            f"{place_of(int(index))} has size {[height, width]}, which over {frames_S[index]} "
            "frames are 2^32 pixels or more; expected fewer"
        )
