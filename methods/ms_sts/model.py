"""MS-STS from frames to a clip's instances; a reconstruction, see the package.

backbone -> level projection -> encoder over the whole clip -> decoder -> heads as in SeqFormer.
The encoder looks across frames, so overlapping clips share the backbone and the projection only.

Shape letters beyond those of `vis_bench.method`: S positions of all feature levels of a frame,
C channels.
"""

from __future__ import annotations

from torch import Tensor

from methods.seqformer.model import SeqFormer
from vis_bench.method import FrameFeatures


class MSSTS(SeqFormer):
    """SeqFormer whose encoder, too, works on a clip.

    All parameters that SeqFormer has too carry the names that they have there, so SeqFormer's
    weights start this method; the rest starts such that the encoder's output stays SeqFormer's.
    """

    reconstruction = True

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and level projection; map `tokens` (T, S, C)."""
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return FrameFeatures({"tokens": self.tokens(frames_T3HW)}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        return self.encode_tokens(features.maps["tokens"], features.frame_size_HW)
