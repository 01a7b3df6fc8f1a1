"""Mode `video`: the whole video at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import torch
from torch import Tensor

from methods.sam3_video.frame_masks import PackedMasks
from methods.sam3_video.model import Sam3
from methods.sam3_video.session import FramesInOrder
from vis_bench.inference.preprocess import resize_frame, to_input
from vis_bench.video_method import Frames, Mark, TrackPrediction, VideoInfo, VideoMethod


class Sam3Video(Sam3, VideoMethod):
    """Objects that nothing confirms soon after their birth are withdrawn (`hotstart_delay`)."""

    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterator[TrackPrediction]:
        """Tracks in the order in which their objects were born, whole behind the last frame."""
        size_HW = video.height, video.width
        prompted = self.start(size_HW, video.asked)
        if prompted is None:
            return
        tracks: dict[int, PackedMasks] = {}
        with closing(self._outputs(frames, video, prompted.session)) as outputs:
            for output in outputs:
                mark("track")
                for number, mask_HW in prompted.masks(output).items():
                    if number not in tracks:
                        tracks[number] = PackedMasks(video.num_frames, size_HW)
                    tracks[number].set(output.frame_idx, mask_HW)
                mark("predict")
        for number in sorted(tracks):
            column, score = prompted.born[number]
            yield TrackPrediction(column, score, tracks.pop(number), number)

    def _outputs(self, frames: Frames, video: VideoInfo, session: Any) -> Iterator[Any]:
        """Each frame's output of transformers, when it comes."""
        pixels = self._pixels(frames, self.model.device)
        in_order = FramesInOrder(pixels, video.num_frames)
        session.processed_frames = in_order if self._prune else dict(enumerate(pixels))
        yield from self.model.propagate_in_video_iterator(session)

    def _pixels(self, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        """Normalized frames (3, S, S)."""
        for frame_HW3 in frames:
            resized = resize_frame(frame_HW3, (self._side, self._side), self.input_format.library)
            yield to_input([resized], self.input_format, device)[0]
