"""Whether a method takes clips as long as a config wants them."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.clips import ClipLength


def check_clip_limit(
    name: str, max_clip_length: int | None, clip_length: ClipLength, videos: Sequence[Video]
) -> None:
    """Refuses clips that are longer than the method's queries or tables are made for.

    Args:
        name: of the method.
        max_clip_length: the method's; None for any length.
        clip_length: the config's.
        videos: that are to be cut into clips.

    Raises:
        InputError: for a clip length above the limit, or whole videos of which one is longer.
    """
    if max_clip_length is None:
        return
    if clip_length != "whole":
        if clip_length > max_clip_length:
            raise InputError(
                f"clip_length is {clip_length}, but {name} takes clips of at most "
                f"{max_clip_length} frames"
            )
        return
    longest = max(videos, key=lambda video: video.length)
    if longest.length > max_clip_length:
        raise InputError(
            f"clip_length is whole and video {longest.name} has {longest.length} frames, but "
            f"{name} takes clips of at most {max_clip_length}; expected clip_length "
            f"{max_clip_length} and a clip_stride below it"
        )
