"""VisTR from frames to a clip's instances (Wang et al., 2021, section 3).

backbone -> token projection -> encoder over all tokens of the clip -> decoder of instance queries
-> class head; attention maps, mask features and 3-D convolutions make the masks.

Shape letters beyond those of `vis_bench.method`: S locations of a frame's stride-32 map, Q
queries of a clip, C channels, M attention heads. The queries of a clip stand frame by frame, the
instances of each frame in the same order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.layers.checkpoint_entries import checkpoint_entries
from methods.layers.full_precision import full_precision
from methods.layers.mlp import MLP
from methods.layers.resnet import ResNet
from methods.layers.state_dict_names import rename_on_load
from methods.vistr.attention_maps import AttentionMaps
from methods.vistr.instance_masks import InstanceMasks
from methods.vistr.instances import vote
from methods.vistr.mask_features import MaskFeatures
from methods.vistr.position import clip_position_encoding
from methods.vistr.transformer import ClipDecoder, ClipEncoder
from vis_bench.errors import InputError
from vis_bench.method import ClipPrediction, FrameFeatures, TrackingRule, VISMethod

INSTANCES = 10
# The class head's columns beside those of the categories: an absent object (first), no object.
EXTRA_COLUMNS = 2
# The logit of a whole frame that an instance is absent from.
ABSENT_LOGIT = -20.0

CHECKPOINT_NAMES = [
    (r"vistr\.backbone\.0\.body\.", "backbone."),
    (r"vistr\.input_proj\.", "token_projection."),
    (r"vistr\.transformer\.encoder\.", "encoder."),
    (r"vistr\.transformer\.decoder\.", "decoder."),
    (r"vistr\.query_embed\.", "query_embedding."),
    (r"vistr\.class_embed\.", "class_head."),
    (r"vistr\.bbox_embed\.", "box_head."),
    (r"bbox_attention\.", "attention_maps."),
    (r"mask_head\.", "mask_features."),
    (r"insmask_head\.", "instance_masks."),
]
# Epiphqny/VisTR, README, section Models: "without data-loading and post-processing", 36 frames;
# `inference.py` passes one clip at a time and has neither autocast nor a compiler.
PAPER_PROTOCOL = {
    "clip_length": 36, "precision": "float32", "tf32": False, "compile": "none",
    "speed.regions": ["model"],
}  # fmt: skip


class VisTR(VISMethod):
    """The whole method, for clips of at most `num_frames` frames.

    The queries are made for exactly `num_frames` frames. A shorter clip repeats its frames from
    the start until there are that many, as in the authors' script; their features are computed
    once. A longer video is cut into clips that the tracker joins: the paper (section 4.2) says so,
    but its script does not do it.

    The authors' script leaves dropout on; here it is off. An instance whose winning column stands
    for an absent object has no category and is not emitted.

    Args:
        backbone: maps at strides 4, 8, 16 and 32.
        backbone_name: what records call it.
        encoder: of the clip's tokens.
        decoder: of the clip's queries.
        num_classes: K; the class head has two more columns.
        num_frames: the most frames of a clip.
        width: C.
        heads: M, of the attention maps.
    """

    tracking_rule = TrackingRule(match_threshold=0.05, min_score=0.0)
    paper_protocol = PAPER_PROTOCOL

    def __init__(
        self,
        *,
        backbone: ResNet,
        backbone_name: str,
        encoder: ClipEncoder,
        decoder: ClipDecoder,
        num_classes: int,
        num_frames: int,
        width: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone_name
        self.num_frames = num_frames
        self.max_clip_length = num_frames
        self.backbone = backbone
        stride_8, stride_16, stride_32 = backbone.channels
        self.token_projection = nn.Conv2d(stride_32, width, 1)
        self.encoder = encoder
        self.decoder = decoder
        self.query_embedding = nn.Embedding(INSTANCES * num_frames, width)
        self.class_head = nn.Linear(width, num_classes + EXTRA_COLUMNS)
        self.box_head = MLP(width, width, 4, 3)
        self.attention_maps = AttentionMaps(width, heads)
        laterals = stride_16, stride_8, backbone.stride_4_channels
        self.mask_features = MaskFeatures(width, heads, laterals)
        self.instance_masks = InstanceMasks(self.mask_features.channels)
        rename_on_load(self, CHECKPOINT_NAMES)
        self.num_checkpoint_entries = checkpoint_entries(self, not_kept=0)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and the 1x1 convolutions behind it.

        Maps: `tokens` (T, S, C), and `lateral_16`, `lateral_8` and `lateral_4`
        (T, C/2, C/4 or C/8, H/16, ...).
        """
        maps_4, maps_8, maps_16, maps_32 = self.backbone.stage_outputs(frames_T3HW)
        maps = {
            "tokens": self.token_projection(maps_32).flatten(2).transpose(1, 2),
            "lateral_16": self.mask_features.lateral_16(maps_16),
            "lateral_8": self.mask_features.lateral_8(maps_8),
            "lateral_4": self.mask_features.lateral_4(maps_4),
        }
        return FrameFeatures(maps, (frames_T3HW.shape[-2], frames_T3HW.shape[-1]))

    def predict_clip(self, features: FrameFeatures, *, boxes: bool = False) -> ClipPrediction:
        """The ten instances of the clip.

        Args:
            features: of exactly the clip's frames.
            boxes: whether the answer has `boxes_NT4`; nothing here needs them.

        Raises:
            InputError: for more frames than the queries are made for.
        """
        length = len(features)
        if length > self.num_frames:
            raise InputError(
                f"vistr was given a clip of {length} frames; expected at most {self.num_frames}, "
                "the frames that its queries are made for"
            )
        filled = self.fill(features)
        memory_TSC = self.encode_clip(filled)
        content_TNC = self.decode(memory_TSC, features.frame_size_HW)
        with full_precision(content_TNC.device):
            probs_TNC = self.class_head(content_TNC[:length]).softmax(-1)
            boxes_TN4 = self.box_head(content_TNC[:length]).sigmoid() if boxes else None
        classes = vote(probs_TNC[..., :-1])
        masks_NTHW = self.masks(content_TNC, memory_TSC, filled)[:, :length]
        masks_NTHW.masked_fill_(~classes.present_NT[..., None, None], ABSENT_LOGIT)
        boxes_NT4 = None if boxes_TN4 is None else boxes_TN4.transpose(0, 1)
        return ClipPrediction(classes.class_probs_NK, masks_NTHW, boxes_NT4)

    def fill(self, features: FrameFeatures) -> FrameFeatures:
        """The features of `num_frames` frames, the clip's own repeated from its start."""
        if len(features) == self.num_frames:
            return features
        order = [frame % len(features) for frame in range(self.num_frames)]
        maps = {name: maps[order] for name, maps in features.maps.items()}
        return FrameFeatures(maps, features.frame_size_HW)

    def encode_clip(self, filled: FrameFeatures) -> Tensor:
        """The encoded tokens (T, S, C) of all frames."""
        tokens_TSC = filled.maps["tokens"]
        position_TSC = self._position(tokens_TSC, filled.frame_size_HW)
        memory_XC = self.encoder(tokens_TSC.flatten(0, 1), position_TSC.flatten(0, 1))
        return memory_XC.view(tokens_TSC.shape)

    def decode(self, memory_TSC: Tensor, size_HW: tuple[int, int]) -> Tensor:
        """The queries' content (T, N, C) behind the decoder."""
        position_XC = self._position(memory_TSC, size_HW).flatten(0, 1)
        content_QC = self.decoder(
            self.query_embedding.weight, memory_TSC.flatten(0, 1), position_XC
        )
        return content_QC.unflatten(0, (self.num_frames, INSTANCES))

    def masks(self, content_TNC: Tensor, memory_TSC: Tensor, filled: FrameFeatures) -> Tensor:
        """Mask logits (N, T, H/4, W/4); one instance at a time, to bound the memory."""
        grid_HW = _stride_32(filled.frame_size_HW)
        attention_TNMS = self.attention_maps(content_TNC.to(memory_TSC.dtype), memory_TSC)
        attention_TNMHW = attention_TNMS.unflatten(-1, grid_HW)
        encoded_TCHW = memory_TSC.transpose(1, 2).unflatten(2, grid_HW)
        shared = self.mask_features.shared(encoded_TCHW)
        laterals = [filled.maps[f"lateral_{stride}"] for stride in (16, 8, 4)]
        return torch.stack(
            [
                self.instance_masks(self.mask_features(attention_TMHW, shared, *laterals))
                for attention_TMHW in attention_TNMHW.unbind(1)
            ]
        )

    def prepare_for_inference(self) -> None:
        """Folds the backbone's normalization and lays convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.mask_features.to(memory_format=torch.channels_last)

    def _position(self, tokens_TSC: Tensor, size_HW: tuple[int, int]) -> Tensor:
        num_frames, _, channels = tokens_TSC.shape
        grid_HW = _stride_32(size_HW)
        return clip_position_encoding(num_frames, *grid_HW, channels, like=tokens_TSC)


def _stride_32(size_HW: tuple[int, int]) -> tuple[int, int]:
    return -(-size_HW[0] // 32), -(-size_HW[1] // 32)
