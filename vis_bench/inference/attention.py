"""A whole video as one clip, with the attention that the method recorded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from vis_bench.attention import ClipAttention, RecordsAttention
from vis_bench.contract import check_clip, check_features, check_values
from vis_bench.data.results_file import Track
from vis_bench.data.video import Video
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import ENCODE_FRAMES, DecodedFrames, InferencePlan, tracker_for
from vis_bench.inference.prefetch import read_ahead
from vis_bench.inference.preprocess import input_size
from vis_bench.inference.stages import NO_STAGES
from vis_bench.method import ClipPrediction, FrameFeatures
from vis_bench.progress import Advance, silent


@dataclass(frozen=True)
class RecordedVideo:
    """A video's tracks, best first, and the attention behind them.

    `instances`: the instance of the prediction that each track is, a row of the decoder's
    attention; tracks of several classes may be one instance.
    """

    video: Video
    tracks: Sequence[Track]
    instances: Sequence[int]
    attention: ClipAttention

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, for a file: the attention in float32, and each track's instance."""
        decoder, memory = self.attention.decoder, self.attention.memory_weights_LTMBhw
        names = () if decoder is None else fields(decoder)
        tensors = {field.name: getattr(decoder, field.name) for field in names}
        if memory is not None:
            tensors["memory_weights_LTMBhw"] = memory
        arrays = {"video": np.array(self.video.name)}
        for name, tensor in tensors.items():
            arrays[name] = (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
        return arrays | {
            "track_instances_D": np.array(self.instances, int),
            "track_categories_D": np.array([track.category_id for track in self.tracks], int),
            "track_scores_D": np.array([track.score for track in self.tracks], np.float32),
        }


@torch.inference_mode()
def record_video(
    method: RecordsAttention,
    video: Video,
    plan: InferencePlan,
    category_ids: Sequence[int],
    advance: Advance = silent,
) -> RecordedVideo:
    """Predict a video as one clip and record the attention.

    Args:
        method: prepared for inference, on `plan.device`.
        plan: resolution, device and precision; the video is one clip whatever its clips are.
        category_ids: the category id of each column of the class probabilities.
        advance: is called with the number of frames that are encoded.

    Raises:
        InputError: for a frame that cannot be read, or a prediction that breaks the contract.
    """
    size_HW = input_size(video.height, video.width, plan.resolution, method.input_format)
    tracker = tracker_for(method, video, size_HW)
    with closing(read_ahead(video.frames)) as frames, plan.arithmetic():
        inputs = DecodedFrames(frames, size_HW, method.input_format, plan.device, NO_STAGES)
        features = _encode(method, inputs, video.length, advance)
        prediction, attention = method.predict_and_record(features)
        check_clip(method, prediction, video.length)
        prediction = check_values(method, prediction, len(category_ids))
        tracker.update(Clip(0, video.length), _with_own_columns(prediction))
    tracks, instances = [], []
    for track in tracker.tracks(video.id, range(prediction.class_probs_NK.numel())):
        instance, column = divmod(track.category_id, len(category_ids))
        tracks.append(replace(track, category_id=category_ids[column]))
        instances.append(instance)
    return RecordedVideo(video, tracks, instances, attention)


def _with_own_columns(prediction: ClipPrediction) -> ClipPrediction:
    """Give each instance K columns of its own, and zeros in those of the others.

    A track's column then identifies its instance. The selected tracks and their order stay the
    same: a probability of 0 is never selected.
    """
    probs_NK = prediction.class_probs_NK
    wide_NNK = probs_NK.new_zeros(len(probs_NK), *probs_NK.shape)
    places = torch.arange(len(probs_NK))
    wide_NNK[places, places] = probs_NK
    return replace(prediction, class_probs_NK=wide_NNK.flatten(1))


def _encode(
    method: RecordsAttention, inputs: DecodedFrames, num_frames: int, advance: Advance
) -> FrameFeatures:
    held: FrameFeatures | None = None
    for start in range(0, num_frames, ENCODE_FRAMES):
        frames_T3HW = inputs.take(min(ENCODE_FRAMES, num_frames - start))
        new = method.encode_and_record(frames_T3HW)
        check_features(method, new, len(frames_T3HW), held)
        held = new if held is None else held.followed_by(new)
        advance(len(new))
    assert held is not None, "a video has at least one frame"
    return held
