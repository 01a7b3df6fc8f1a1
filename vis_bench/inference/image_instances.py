"""Instances of single images: every frame by itself, without tracking.

Selected as in IFC's code for COCO (sukjunhwang/IFC): one class per query, no threshold on the
score, the method's order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from torch import Tensor

from vis_bench.data.results_file import Track
from vis_bench.inference.clips import Clip
from vis_bench.inference.encode import encode_each, masks_at_once
from vis_bench.inference.preprocess import masks_to_image
from vis_bench.inference.tracker import Output, PublishedMasks
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import SparseTube
from vis_bench.method import ClipPrediction, ImageRule


@dataclass
class ImageInstances:
    """Takes the clips of one video, or of an image as a video of one frame, in order.

    Every instance of every frame becomes a track of that frame alone. Its use is `ClipTracker`'s.

    Args:
        rule: the most instances of an image.
        num_frames: the video's length; 1 for an image.
        size_HW: the original size in pixels, the size of the masks.
        input_size_HW: the size of the network's input in pixels.
    """

    rule: ImageRule
    num_frames: int
    size_HW: tuple[int, int]
    input_size_HW: tuple[int, int]
    _open: list[tuple[Clip, ClipPrediction]] = field(default_factory=list, init=False)
    # Frame, class column, score and mask of each instance.
    _instances: list[tuple[int, int, float, RLE]] = field(default_factory=list, init=False)

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Add the next clip."""
        self._open.append((clip, prediction))

    def close_frames(self, stop: int) -> None:
        """Turn the masks of all clips that end at `stop` or before into RLE."""
        for clip, prediction in [item for item in self._open if item[0].stop <= stop]:
            for frame in range(clip.start, clip.stop):
                self._close(frame, frame - clip.start, prediction)
        self._open = [item for item in self._open if item[0].stop > stop]

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All instances, frame by frame in the method's order, after closing every frame.

        Args:
            video_id: goes into each track; an image's id where it is one.
            category_ids: the category id of each column of the class probabilities.
        """
        self.close_frames(self.num_frames)
        return [
            Track(video_id, category_ids[column], score, SparseTube(self.num_frames, {frame: rle}))
            for frame, column, score, rle in self._instances
        ]

    def outputs(self) -> list[Output]:
        """Every instance of the closed frames, in the method's order."""
        return [
            Output(number, column, score)
            for number, (_, column, score, _) in enumerate(self._instances)
        ]

    def published(
        self, frames: range, chosen: Collection[int] | None = None
    ) -> Iterator[PublishedMasks]:
        """Masks of frames that are not closed; every instance is on show. See `Tracker`."""
        number = len(self._instances)
        for clip, prediction in self._open:
            for frame in range(clip.start, clip.stop):
                for classes, masks_MHW in self._selected(frame - clip.start, prediction):
                    if frame in frames:
                        yield [(number + n, frame) for n in range(len(classes))], masks_MHW.cpu()
                    number += len(classes)

    def _close(self, frame: int, place: int, prediction: ClipPrediction) -> None:
        """Encode the instances of one frame, the `place`-th of its clip."""
        for classes, masks_MHW in self._selected(place, prediction):
            for (column, score), rle in zip(classes, encode_each(masks_MHW), strict=True):
                self._instances.append((frame, column, score, rle))

    def _selected(
        self, place: int, prediction: ClipPrediction
    ) -> Iterator[tuple[list[tuple[int, float]], Tensor]]:
        """Class column and score of the instances of one frame, and their masks, some at a time."""
        scores_N, columns_N = prediction.class_probs_NK.float().cpu().max(1)
        pixels = max(prod(self.size_HW), prod(self.input_size_HW))
        step = masks_at_once(prediction.mask_logits_NTHW, pixels)
        remaining = self.rule.max_instances
        for first in range(0, len(prediction), step):
            logits_NHW = prediction.mask_logits_NTHW[first : first + step, place]
            masks_MHW, kept_M = masks_to_image(
                logits_NHW, self.input_size_HW, *self.size_HW, prediction.padding
            )
            rows = (first + kept_M).tolist()[:remaining]
            remaining -= len(rows)
            yield [(int(columns_N[n]), float(scores_N[n])) for n in rows], masks_MHW[: len(rows)]
