"""The masks of many objects over time, checked and measured together.

A tube is what one object covers in a video: one mask or nothing per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, count
from typing import Any, overload

import numpy as np

from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.rle import PIXEL_LIMIT, RLE, check_rle, check_size
from vis_bench.masks.run_lengths import MalformedRLEError, measure

# A tube that has a mask in fewer of its frames is stored by its masks.
_MOST_FRAMES_PER_MASK = 4


class SparseTube(Sequence[RLE | None]):
    """A sequence of one RLE or None per frame, stored by its masks alone.

    Args:
        num_frames: the video's length.
        masks: frame (from 0) -> mask.

    Raises:
        ValueError: for a mask of a frame that the video does not have.
    """

    __slots__ = ("_masks", "_num_frames")

    def __init__(self, num_frames: int, masks: Mapping[int, RLE]) -> None:
        outside = [frame for frame in masks if not 0 <= frame < num_frames]
        if outside:
            raise ValueError(f"a mask of frame {outside[0]} in a video of {num_frames} frames")
        self._num_frames = num_frames
        self._masks = dict(masks)

    @property
    def num_masks(self) -> int:
        """Number of frames that have a mask."""
        return len(self._masks)

    @property
    def frames(self) -> list[int]:
        """The frames that have a mask, rising."""
        return sorted(self._masks)

    @property
    def masks(self) -> list[RLE]:
        """The masks of `frames`."""
        return [self._masks[frame] for frame in self.frames]

    def __len__(self) -> int:
        return self._num_frames

    @overload
    def __getitem__(self, frame: int) -> RLE | None: ...

    @overload
    def __getitem__(self, frame: slice) -> list[RLE | None]: ...

    def __getitem__(self, frame: int | slice) -> RLE | list[RLE | None] | None:
        places = range(self._num_frames)[frame]
        if isinstance(places, range):
            return [self._masks.get(place) for place in places]
        return self._masks.get(places)

    def __iter__(self) -> Iterator[RLE | None]:
        return map(self._masks.get, range(self._num_frames))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SparseTube):
            return self._num_frames == other._num_frames and self._masks == other._masks
        if isinstance(other, (list, tuple)):
            return len(self) == len(other) and all(
                mask == wanted for mask, wanted in zip(self, other, strict=True)
            )
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SparseTube({self._num_frames}, {self._masks!r})"


def without_absent(segmentations: list[Any]) -> Sequence[Any]:
    """Store a short tube of a long video by its masks.

    Other lists, and those that hold anything else than masks and null, stay as they are.
    """
    num_frames, num_absent = len(segmentations), segmentations.count(None)
    if _MOST_FRAMES_PER_MASK * (num_frames - num_absent) >= num_frames:
        return segmentations
    frames = [frame for frame, mask in enumerate(segmentations) if mask]
    if len(frames) + num_absent != num_frames:
        return segmentations
    return SparseTube(num_frames, {frame: segmentations[frame] for frame in frames})


Place = Callable[[int, int], str]


@dataclass(frozen=True)
class MaskTubes:
    """N tubes, stored as the P masks that they have.

    Tube n has `lengths_N[n]` frames. Its masks are `masks_P[first_N1[n] : first_N1[n + 1]]`, those
    of the frames `frame_P`, which rise.

    `areas_P`: foreground pixels. `sizes_P`: height * 2^32 + width.
    `has_empty_runs_P`: masks of unusual encoding, see `run_lengths.measure`.
    """

    masks_P: Sequence[RLE]
    frame_P: np.ndarray
    first_N1: np.ndarray
    lengths_N: np.ndarray
    areas_P: np.ndarray
    sizes_P: np.ndarray
    has_empty_runs_P: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths_N)

    @property
    def tube_P(self) -> np.ndarray:
        """The tube that each mask belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_N1))

    def tube(self, index: int) -> SparseTube:
        """One tube, which reads like a list with one mask or None per frame."""
        own = slice(self.first_N1[index], self.first_N1[index + 1])
        masks = dict(zip(self.frame_P[own].tolist(), self.masks_P[own], strict=True))
        return SparseTube(int(self.lengths_N[index]), masks)

    def sizes_of(self, tube: int) -> list[tuple[int, int]]:
        """The different heights and widths of one tube's masks, the smallest first."""
        own = np.unique(self.sizes_P[self.first_N1[tube] : self.first_N1[tube + 1]])
        return [divmod(size, PIXEL_LIMIT) for size in own.tolist()]

    def has_pixels(self, tube: int, num_frames: int) -> np.ndarray:
        """The first T frames in which a tube has a mask that is not empty, bool (T,)."""
        own = slice(self.first_N1[tube], self.first_N1[tube + 1])
        frames = self.frame_P[own][self.areas_P[own] > 0]
        found_T = np.zeros(num_frames, bool)
        found_T[frames[frames < num_frames]] = True
        return found_T

    def masks_of(self, chosen_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place of the tube in `chosen_N` and own place of each mask of some tubes."""
        first_N = self.first_N1[chosen_N]
        count_N = self.first_N1[chosen_N + 1] - first_N
        ends_N = np.cumsum(count_N)
        place_Q = np.arange(ends_N[-1] if ends_N.size else 0)
        place_Q += np.repeat(first_N - ends_N + count_N, count_N)
        return np.repeat(np.arange(len(chosen_N)), count_N), place_Q

    def masks_at(self, place_N: np.ndarray) -> list[RLE]:
        """The masks at some places."""
        return [self.masks_P[place] for place in place_N.tolist()]

    def chosen(self, rows: Sequence[int]) -> MaskTubes:
        """Copy with only some of the tubes."""
        rows_N = np.asarray(rows, np.int64)
        row_Q, place_Q = self.masks_of(rows_N)
        count_N = np.bincount(row_Q, minlength=len(rows_N))
        return MaskTubes(
            self.masks_at(place_Q),
            self.frame_P[place_Q],
            np.concatenate(([0], np.cumsum(count_N))),
            self.lengths_N[rows_N],
            self.areas_P[place_Q],
            self.sizes_P[place_Q],
            self.has_empty_runs_P[place_Q],
        )

    def average_areas_N(self) -> np.ndarray:
        """Mean area over the frames with a mask that is not empty; 0 where there is none."""
        tube_P, areas_P = self.tube_P, self.areas_P
        total_N = np.bincount(tube_P, weights=areas_P, minlength=len(self))
        frames_N = np.bincount(tube_P, weights=areas_P > 0, minlength=len(self))
        return total_N / np.maximum(frames_N, 1)


def measure_tubes(tubes: Sequence[Sequence[Any]], place: Place) -> MaskTubes:
    """Check that every mask is a well-formed compressed RLE or absent, and measure it.

    None, an empty list and an empty object are absent masks.

    Args:
        tubes: per object, per frame: the entry of the JSON file.
        place: name of frame `t` of tube `n` in messages, given (n, t).

    Raises:
        InputError: naming the first mask that is anything else, or so large that the pixels of
            its frame times the number of frames reach 2^32.
    """
    stored = [_stored(tube) for tube in tubes]
    masks_P = list(chain.from_iterable(masks for _, masks in stored))
    frame_P = np.fromiter(chain.from_iterable(frames for frames, _ in stored), np.int64)
    counts_N = np.array([len(masks) for _, masks in stored], np.int64)
    first_N1 = np.concatenate(([0], np.cumsum(counts_N)))
    lengths_N = np.array([len(tube) for tube in tubes], np.int64)

    def place_of(index: int) -> str:
        return place(int(np.searchsorted(first_N1, index, "right")) - 1, int(frame_P[index]))

    counts, heights_widths = _checked_parts(masks_P, place_of)
    sizes_P = heights_widths[:, 0] << 32 | heights_widths[:, 1]
    _refuse_large(sizes_P, np.repeat(lengths_N, counts_N), place_of)
    try:
        areas_P, has_empty_runs_P = measure(counts, heights_widths.prod(1))
    except MalformedRLEError as error:
        raise InputError(f"{place_of(error.index)} is a malformed RLE: {error.reason}") from None
    return MaskTubes(masks_P, frame_P, first_N1, lengths_N, areas_P, sizes_P, has_empty_runs_P)


def _stored(tube: Sequence[Any]) -> tuple[Iterable[int], Sequence[Any]]:
    """The frames of a tube that are not absent, and their entries."""
    if isinstance(tube, SparseTube):
        return tube.frames, tube.masks
    masks = [*filter(None, tube)]
    if len(masks) + tube.count(None) == len(tube):
        return compress(count(), tube), masks
    absent = [not mask and (mask is None or type(mask) in (list, dict)) for mask in tube]
    present = [not gone for gone in absent]
    return [*compress(count(), present)], [*compress(tube, present)]


def _checked_parts(
    masks_P: Sequence[Any], place_of: Callable[[int], str]
) -> tuple[list[str], np.ndarray]:
    """The counts, not yet read, and the height and width of the masks."""
    parts = _parts(masks_P)
    if parts is not None:
        return parts
    for index, mask in enumerate(masks_P):
        _refuse_other_forms(mask, place_of, index)
    raise AssertionError("a refused mask was found well-formed")


def _parts(masks_P: Sequence[Any]) -> tuple[list[str], np.ndarray] | None:
    """As `_checked_parts`; None unless each mask is of a form that can be read.

    One pass, since each mask lies somewhere else in memory.
    """
    texts, sides = [], []
    for mask in masks_P:
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
    """Raise for a mask that is not an object with a size and a string."""
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
    sizes_P: np.ndarray, lengths_P: np.ndarray, place_of: Callable[[int], str]
) -> None:
    pixels_P = (sizes_P >> 32).astype(float) * (sizes_P & (PIXEL_LIMIT - 1)) * lengths_P
    for index in np.flatnonzero(pixels_P >= PIXEL_LIMIT)[:1]:
        height, width = divmod(int(sizes_P[index]), PIXEL_LIMIT)
        raise InputError(
            f"{place_of(int(index))} has size {[height, width]}, which over {lengths_P[index]} "
            "frames are 2^32 pixels or more; expected fewer"
        )
