"""What a method is given and what it returns: clips, features, predictions.

Shape letters used in names: T frames, H and W rows and columns, N instances or queries, K
foreground classes, 3 RGB, 4 box coordinates (cx, cy, w, h, as fractions of the frame).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """Frames [start, stop) of a video that a method sees at once."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"clip [{self.start}, {self.stop}) is empty or starts below 0")

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class FrameFeatures:
    """What a method computes once per frame and overlapping clips share.

    Every tensor of `maps` has the T frames as its first dimension. `frame_size_HW` is the size of
    the network's input in pixels.
    """

    maps: Mapping[str, Tensor]
    frame_size_HW: tuple[int, int]

    def __post_init__(self) -> None:
        lengths = {name: tensor.shape[0] for name, tensor in self.maps.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"feature maps disagree on the number of frames: {lengths}")

    def __len__(self) -> int:
        return next(iter(self.maps.values())).shape[0]

    def frames(self, start: int, stop: int) -> FrameFeatures:
        """The features of frames [start, stop), counted from this object's first frame."""
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"frames [{start}, {stop}) are not within the {len(self)} held here")
        maps = {name: tensor[start:stop] for name, tensor in self.maps.items()}
        return FrameFeatures(maps, self.frame_size_HW)

    def followed_by(self, later: FrameFeatures) -> FrameFeatures:
        """These frames and then the frames of `later`."""
        maps = {name: torch.cat([tensor, later.maps[name]]) for name, tensor in self.maps.items()}
        return FrameFeatures(maps, self.frame_size_HW)


@dataclass(frozen=True)
class Padding:
    """A frame inside a larger input: the frame is at the top left, padding right of and below it.

    `frame_HW` is the resized frame's size, `padded_HW` the size that the network saw; in pixels.
    """

    frame_HW: tuple[int, int]
    padded_HW: tuple[int, int]

    def __post_init__(self) -> None:
        (height, width), (padded_height, padded_width) = self.frame_HW, self.padded_HW
        if not (1 <= height <= padded_height and 1 <= width <= padded_width):
            raise ValueError(f"a frame of {self.frame_HW} does not fit a padded {self.padded_HW}")


@dataclass(frozen=True)
class ClipPrediction:
    """What a method says about one clip, for the N instances worth tracking.

    `class_probs_NK`: probabilities of the K foreground classes, 0..1, in the order of the
    data set's categories. `mask_logits_NTHW`: 0 is the threshold; the grid may be coarser than
    the input, and spans exactly the frame. `boxes_NT4`: cx, cy, w, h in 0..1, or None.

    `track_ids_N`: the method's own number of each instance's track; online methods alone give it.
    `class_probs_NK` are then the track's over all frames so far, and what is said last stands.
    `padding`: where the grid spans a padded input instead of the frame.
    """

    class_probs_NK: Tensor
    mask_logits_NTHW: Tensor
    boxes_NT4: Tensor | None = None
    track_ids_N: Sequence[int] | None = None
    padding: Padding | None = None

    def __post_init__(self) -> None:
        probs, masks, boxes = self.class_probs_NK, self.mask_logits_NTHW, self.boxes_NT4
        if probs.ndim != 2 or masks.ndim != 4 or probs.shape[0] != masks.shape[0]:
            raise ValueError(
                f"class_probs_NK {tuple(probs.shape)} and mask_logits_NTHW {tuple(masks.shape)} "
                "do not describe the same N instances"
            )
        if boxes is not None and boxes.shape != (*masks.shape[:2], 4):
            raise ValueError(
                f"boxes_NT4 {tuple(boxes.shape)} does not fit masks {tuple(masks.shape)}"
            )
        ids = self.track_ids_N
        if ids is not None and (len(ids) != len(probs) or len({*ids}) != len(ids)):
            raise ValueError(
                f"track_ids_N {list(ids)} does not name {len(probs)} instances by a number each"
            )

    def __len__(self) -> int:
        return self.class_probs_NK.shape[0]
