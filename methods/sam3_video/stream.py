"""Mode `stream`: frame by frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.sam3_video.model import Sam3
from methods.sam3_video.session import PromptedSession
from vis_bench.hosted_method import HostedOnline
from vis_bench.method import ClipPrediction, FrameFeatures


class Sam3Stream(Sam3, HostedOnline):
    """Nothing is withdrawn. The state of a video is the session of transformers."""

    _prompted: PromptedSession | None = None

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The frames themselves, at the size of the model's square input."""
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        square = (self._side, self._side)
        if size_HW != square:
            frames_T3HW = F.interpolate(
                frames_T3HW, square, mode="bilinear", align_corners=False, antialias=True
            )
        return FrameFeatures({"frames": frames_T3HW}, size_HW)

    def predict_step(
        self, features: FrameFeatures, size_HW: tuple[int, int], *, starts: bool
    ) -> ClipPrediction:
        """The objects on show in the next frames; a score is that of the birth."""
        if starts:
            self._prompted = self.start(size_HW, self._asked)
        prompted, masks_T = self._prompted, list[dict[int, Tensor]]()
        born: dict[int, tuple[int, float]] = {}
        if prompted is not None:
            born = prompted.born
            for frame_3SS in features.maps["frames"]:
                output = self.model(inference_session=prompted.session, frame=frame_3SS)
                masks_T.append(prompted.masks(output))
        numbers = list(dict.fromkeys(number for masks in masks_T for number in masks))
        masks_NTHW = torch.zeros(
            len(numbers), len(features), *size_HW, dtype=torch.bool, device=self.model.device
        )
        probs_NK = torch.zeros(len(numbers), len(self.prompts))
        for row, number in enumerate(numbers):
            column, score = born[number]
            probs_NK[row, column] = score
            for t, masks in enumerate(masks_T):
                if number in masks:
                    masks_NTHW[row, t] = masks[number]
        return ClipPrediction(probs_NK, masks_NTHW, track_ids_N=numbers, binary=True)
