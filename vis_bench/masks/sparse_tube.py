"""One object's masks over a video, stored only for the frames that have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from vis_bench.masks.rle import RLE

# A tube that has a mask in fewer of its frames is stored by its masks.
_MOST_FRAMES_PER_MASK = 4


class SparseTube(Sequence[RLE | None]):
    """Reads like a list with one RLE or None per frame; memory grows with the masks alone.

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
        """The number of frames that have a mask: what is stored."""
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
    """A file's list, without what most frames of a short tube in a long video hold: null.

    A list that grows with its masks alone, or that holds anything else than masks and null, stays.
    """
    num_frames, num_absent = len(segmentations), segmentations.count(None)
    if _MOST_FRAMES_PER_MASK * (num_frames - num_absent) >= num_frames:
        return segmentations
    frames = [frame for frame, mask in enumerate(segmentations) if mask]
    if len(frames) + num_absent != num_frames:
        return segmentations
    return SparseTube(num_frames, {frame: segmentations[frame] for frame in frames})
