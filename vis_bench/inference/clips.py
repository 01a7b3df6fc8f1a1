"""Clips: the windows of frames that a method sees together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vis_bench.data.video import Video
from vis_bench.errors import InputError

ClipLength = int | Literal["whole"]


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


def check_clip_plan(clip_length: ClipLength, clip_stride: int) -> None:
    """Refuse a length or stride below 1, and a stride above the length, which would lose frames."""
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
    """
    check_clip_plan(clip_length, clip_stride)
    if clip_length == "whole" or num_frames <= clip_length:
        return [Clip(0, num_frames)]
    starts = list(range(0, num_frames - clip_length, clip_stride))
    return [Clip(start, start + clip_length) for start in (*starts, num_frames - clip_length)]


def without_overlap(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Cut the frames that earlier clips hold from the start of each clip.

    Args:
        clips: as `clip_windows` gives them.
    """
    stop = 0
    for clip in clips:
        yield Clip(max(clip.start, stop), clip.stop)
        stop = clip.stop


def check_clip_limit(
    name: str, max_clip_length: int | None, clip_length: ClipLength, videos: Sequence[Video]
) -> None:
    """Refuse clips longer than the method's queries or tables.

    Args:
        name: of the method.
        max_clip_length: the method's; None for any length.
        clip_length: the config's.
        videos: that are to be cut into clips.
    """
    if max_clip_length is None:
        return
    most = f"{name} takes clips of at most {max_clip_length}"
    if clip_length == "whole":
        longest = max(videos, key=lambda video: video.length)
        if longest.length > max_clip_length:
            raise InputError(
                f"clip_length is whole and video {longest.name} has {longest.length} frames, but "
                f"{most}; expected clip_length {max_clip_length} and a clip_stride below it"
            )
    elif clip_length > max_clip_length:
        raise InputError(f"clip_length is {clip_length}, but {most} frames")
