"""What a method's rule makes of its clips: tracks over a video, or the instances of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vis_bench.data.results_file import Track
from vis_bench.inference.image_instances import ImageInstances
from vis_bench.inference.method import ImageRule, TrackingRule
from vis_bench.inference.tracker import ClipTracker
from vis_bench.structures import Clip, ClipPrediction


class Tracker(Protocol):
    """Takes in the clips of one video in order, and hands out its tracks."""

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Takes in the next clip."""

    def close_frames(self, stop: int) -> None:
        """Turns the masks of all frames before `stop` into RLE; no later clip may hold them."""

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All tracks, after closing every frame."""


def open_tracker(
    rule: TrackingRule | ImageRule, num_frames: int, size_HW: tuple[int, int],
    input_size_HW: tuple[int, int],
) -> Tracker:  # fmt: skip
    """The tracker of one video.

    Args:
        rule: the method's.
        num_frames: the video's length.
        size_HW: the video's original size in pixels.
        input_size_HW: the size of the network's input in pixels.
    """
    if isinstance(rule, ImageRule):
        return ImageInstances(rule, num_frames, size_HW, input_size_HW)
    return ClipTracker(rule, num_frames, *size_HW)
