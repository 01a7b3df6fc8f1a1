"""Other people's online code: the next frames of a video in, their tracks out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from methods.external_video.driver.steps import row_of_each
from methods.external_video.hosted import External
from vis_bench.hosted_method import HostedOnline
from vis_bench.method import ClipPrediction, FrameFeatures


class ExternalOnline(External, HostedOnline):
    """Runs an online model of the driver, which keeps the state of one video."""

    not_counted = "its state is in its own code, options.online"
    # Of the last frames, by stage.
    _seconds: Mapping[str, float] = MappingProxyType({})

    def prepare_for_inference(self) -> None:
        """Open the model and try it, before the first video."""
        super().prepare_for_inference()
        # The driver makes the model's input of them.
        self.input_format = replace(self.input_format, as_bytes=True)

    def take_seconds(self) -> Mapping[str, float]:
        """Values of the other process."""
        return self._seconds

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The frames themselves."""
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_step(
        self, features: FrameFeatures, size_HW: tuple[int, int], *, starts: bool
    ) -> ClipPrediction:
        """The tracks of the next frames; a score is the probability of its category."""
        frames_THW3 = features.maps["frames"].to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        seconds = Counter[str]()

        def mark(name: str, spent: float | None = None) -> None:
            if spent is not None:
                seconds[name] += spent

        tracks, masks_NTHW = self._running().step(frames_THW3.numpy(), *size_HW, starts, mark)
        self._seconds = seconds
        rows = row_of_each(number for number, _, _ in tracks)
        probs_NK = torch.zeros(len(rows), self._num_classes)
        for number, category, score in tracks:
            probs_NK[rows[number], category] = score
        return ClipPrediction(
            probs_NK, torch.from_numpy(masks_NTHW), track_ids_N=[*rows], binary=True
        )
