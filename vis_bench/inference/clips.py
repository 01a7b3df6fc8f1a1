"""Clip windows: which frames a method sees together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from vis_bench.errors import InputError
from vis_bench.method import Clip

ClipLength = int | Literal["whole"]


def check_clip_plan(clip_length: ClipLength, clip_stride: int) -> None:
    """Refuses a clip length or stride that would lose frames.

    Raises:
        InputError: for a length or stride below 1, or a stride above the length.
    """
    if clip_stride < 1:
        raise InputError(f"clip_stride is {clip_stride}; expected a whole number from 1 up")
    if clip_length == "whole":
        return
    if clip_length < 1:
        raise InputError(
            f"clip_length is {clip_length}; expected 'whole' or a whole number from 1 up"
        )
    if clip_stride > clip_length:
        raise InputError(
            f"clip_stride {clip_stride} is above clip_length {clip_length}, so frames would be "
            f"lost; expected a clip_stride from 1 to {clip_length}"
        )


def clip_windows(num_frames: int, clip_length: ClipLength, clip_stride: int) -> list[Clip]:
    """The clips that cover a video, in order.

    Clips start every `clip_stride` frames; the last one is moved back so that it ends at the last
    frame (IFC, arXiv 2106.03299, section 3.3 and its released code). A video shorter than a clip
    is one clip, and so is any video when `clip_length` is "whole".

    Raises:
        InputError: see `check_clip_plan`.
    """
    check_clip_plan(clip_length, clip_stride)
    if clip_length == "whole" or num_frames <= clip_length:
        return [Clip(0, num_frames)]
    starts = list(range(0, num_frames - clip_length, clip_stride))
    return [Clip(start, start + clip_length) for start in (*starts, num_frames - clip_length)]


def without_overlap(clips: Iterable[Clip]) -> Iterator[Clip]:
    """The clips without the frames that earlier ones hold; each ends where it did.

    Args:
        clips: as `clip_windows` gives them.
    """
    stop = 0
    for clip in clips:
        yield Clip(max(clip.start, stop), clip.stop)
        stop = clip.stop
