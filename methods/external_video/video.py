"""Other people's code that takes whole videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from methods.external_video.hosted import External
from vis_bench.video_method import Frames, Mark, TrackPrediction, VideoInfo, VideoMethod


class ExternalVideo(External, VideoMethod):
    """Runs a model of the driver that takes whole videos."""

    def count_elsewhere(self, frames: Frames, video: VideoInfo) -> Mapping[str, Any]:
        """Count in the model's process, which needs vis-bench."""
        return self._running().count(frames, video)

    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterator[TrackPrediction]:
        """The tracks of the model, received one at a time."""
        yield from self._running().run(frames, video, mark)
