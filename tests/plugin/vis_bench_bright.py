"""An example plug-in: says that whatever is bright is one instance of the first class."""

import torch
from torch import Tensor

from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod


class Bright(VISMethod):
    """Thresholds the mean over the color channels."""

    def __init__(self, num_classes: int, threshold: float) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.threshold = threshold

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        return FrameFeatures({"mean": frames_T3HW.mean(1)}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        probs_1K = torch.zeros(1, self.num_classes)
        probs_1K[0, 0] = 1.0
        return ClipPrediction(probs_1K, features.maps["mean"][None] - self.threshold)


def build(*, num_classes: int, threshold: float = 1.0) -> VISMethod:
    return Bright(num_classes, threshold)
