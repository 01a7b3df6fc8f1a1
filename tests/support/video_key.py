"""`color_key` as other people's code: a whole video in, tracks out."""

import torch

from methods.color_key import ColorKey
from vis_bench.inference.preprocess import to_input
from vis_bench.video_method import TrackPrediction, VideoMethod


class VideoKey(VideoMethod):
    """Masks at the input's size, so that a config's resolution is native."""

    def __init__(self, num_classes):
        super().__init__()
        self.inner = ColorKey(num_classes)

    def predict_video(self, frames, video, mark):
        mark("preprocess")
        frames_T3HW = to_input(list(frames), self.inner.input_format)
        mark("encode")
        features = self.inner.encode_frames(frames_T3HW)
        mark("predict")
        prediction = self.inner.predict_clip(features)
        for number, probs_K in enumerate(prediction.class_probs_NK):
            masks_THW = prediction.mask_logits_NTHW[number] > 0
            for category in torch.nonzero(probs_K > 0.01)[:, 0].tolist():
                masks = [mask_HW if mask_HW.any() else None for mask_HW in masks_THW]
                yield TrackPrediction(category, float(probs_K[category]), masks, number)


def build_key(name, *, num_classes):
    """`color_key`, or `video_key`: the same network behind the other interface."""
    return VideoKey(num_classes) if name == "video_key" else ColorKey(num_classes)
