"""Other people's online code: the next frames of a video in, their tracks out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from methods.external_video.hosted import External
from vis_bench.hosted_method import HostedOnline
from vis_bench.method import ClipPrediction, FrameFeatures
from vis_bench.video_method import TrackPrediction


class ExternalOnline(External, HostedOnline):
    """Runs an online model of the driver, which keeps the state of one video."""

    # Of the last frames, by stage.
    _seconds: Mapping[str, float] = MappingProxyType({})

    def prepare_for_inference(self) -> None:
        """Opens the model and tries it, before the first video."""
        super().prepare_for_inference()
        # Frames go to the driver as bytes of RGB; it makes the model's input of them.
        self.input_format = replace(
            self.input_format,
            channel_order="RGB",
            full_value=255.0,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )

    def take_seconds(self) -> Mapping[str, float]:
        """Those of the other process."""
        return self._seconds

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The frames themselves."""
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_step(
        self, features: FrameFeatures, size_HW: tuple[int, int], *, starts: bool
    ) -> ClipPrediction:
        """The tracks of the next frames; a score is the probability of its category."""
        bytes_T3HW = features.maps["frames"].to(torch.uint8).cpu()
        frames_THW3 = torch.empty(*bytes_T3HW[:, 0].shape, 3, dtype=torch.uint8)
        for channel in range(3):  # in half the time of a permuted copy
            frames_THW3[..., channel] = bytes_T3HW[:, channel]
        seconds = Counter[str]()

        def mark(name: str, spent: float | None = None) -> None:
            if spent is not None:
                seconds[name] += spent

        tracks = [*self._running().step(frames_THW3.numpy(), *size_HW, starts, mark)]
        self._seconds = seconds
        return self._prediction(tracks, len(features), size_HW)

    def _prediction(
        self, tracks: list[TrackPrediction], num_frames: int, size_HW: tuple[int, int]
    ) -> ClipPrediction:
        rows: dict[int, int] = {}
        for track in tracks:
            assert track.track_id is not None, "the driver checks it"
            rows.setdefault(track.track_id, len(rows))
        probs_NK = torch.zeros(len(rows), self._num_classes)
        masks_NTHW = np.zeros((len(rows), num_frames, *size_HW), bool)
        for track in tracks:
            row = rows[track.track_id]
            probs_NK[row, track.category] = track.score
            for t, mask in enumerate(track.masks):
                if mask is not None:
                    masks_NTHW[row, t] = mask
        return ClipPrediction(
            probs_NK, torch.from_numpy(masks_NTHW), track_ids_N=[*rows], binary=True
        )
