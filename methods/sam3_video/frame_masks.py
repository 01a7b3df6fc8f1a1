"""Masks of a frame at the video's size, and the compact form in which they wait for their track."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def masks_of_frame(
    output: Any, removed: Collection[int], columns: Mapping[int, int], size_HW: tuple[int, int]
) -> dict[int, Tensor]:
    """Boolean masks (H, W) of the objects on show in a frame, by number.

    Logits are interpolated and cut at 0. Within a prompt a pixel belongs to one object, the one
    with the best tracker score of the frame, or the first of equal ones.

    Args:
        output: of transformers, for the frame.
        removed: objects that have been withdrawn by now.
        columns: prompt of each object.
    """
    hidden = {*removed, *(output.suppressed_obj_ids or ())}
    masks = {}
    for number, logits_1hw in sorted(output.obj_id_to_mask.items()):
        if number not in hidden:
            logits_11HW = F.interpolate(
                logits_1hw[None].float(), size=size_HW, mode="bilinear", align_corners=False
            )
            masks[number] = logits_11HW[0, 0] > 0
    if masks:
        filled = torch.stack([mask_HW.any() for mask_HW in masks.values()]).tolist()
        masks = {n: m for (n, m), is_filled in zip(masks.items(), filled, strict=True) if is_filled}
    scores, taken = output.obj_id_to_tracker_score, dict[int, Tensor]()
    for number in sorted(masks, key=lambda n: (-scores.get(n, 0.0), n)):
        mask_HW, column = masks[number], columns[number]
        if column in taken:
            masks[number] = mask_HW & ~taken[column]
            taken[column] = taken[column] | mask_HW
        else:
            taken[column] = mask_HW
    return masks


class PackedMasks(Sequence[np.ndarray | None]):
    """A track's masks over T frames, a bit per pixel; None where the track is absent."""

    def __init__(self, num_frames: int, size_HW: tuple[int, int]) -> None:
        self._num_frames = num_frames
        self._size_HW = size_HW
        self._packed: dict[int, np.ndarray] = {}

    def set(self, frame: int, mask_HW: Tensor) -> None:
        """Keep the mask of a frame."""
        self._packed[frame] = np.packbits(mask_HW.cpu().numpy())

    def __len__(self) -> int:
        return self._num_frames

    @overload
    def __getitem__(self, frame: int) -> np.ndarray | None: ...

    @overload
    def __getitem__(self, frame: slice) -> list[np.ndarray | None]: ...

    def __getitem__(self, frame: int | slice) -> np.ndarray | list[np.ndarray | None] | None:
        if isinstance(frame, slice):
            return [self[t] for t in range(self._num_frames)[frame]]
        packed = self._packed.get(range(self._num_frames)[frame])
        if packed is None:
            return None
        height, width = self._size_HW
        bits = np.unpackbits(packed, count=height * width)
        return bits.view(bool).reshape(height, width)
