"""IFC from frames to a clip's instances (Hwang et al., 2021, section 3).

backbone -> token projection -> encoder (frames talk through memory tokens) -> decoder (a query is
an instance of the whole clip) -> class head and spatial decoder. Clips become videos through the
tracker, which follows the paper's section 3.3.

Shape letters beyond those of `vis_bench.method`: S locations of a frame's stride-32 map, M
memory tokens, Q queries, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.ifc.decoder import ClipDecoder
from methods.ifc.encoder import ClipEncoder, EncodedClip
from methods.ifc.spatial_decoder import SpatialDecoder
from methods.layers.checkpoint_entries import checkpoint_entries
from methods.layers.full_precision import full_precision
from methods.layers.mlp import MLP
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.resnet import ResNet
from methods.layers.state_dict_names import drop_on_load, rename_on_load
from vis_bench.inference.attention import (
    AttentionPart,
    ClipAttention,
    MemoryAttention,
    RecordsAttention,
)
from vis_bench.method import ClipPrediction, FrameFeatures, ImageRule, InputFormat, TrackingRule

CHECKPOINT_NAMES = [
    (r"detr\.backbone\.0\.backbone\.", "backbone."),
    (r"detr\.input_proj\.", "token_projection."),
    (r"detr\.transformer\.encoder\.", "encoder."),
    (r"detr\.transformer\.memory_", "encoder.memory_"),
    (r"detr\.transformer\.clip_decoder\.", "decoder."),
    (r"detr\.query_embed\.", "query_embedding."),
    (r"detr\.class_embed\.", "class_head."),
    (r"detr\.mask_head\.", "spatial_decoder."),
]


class IFC(RecordsAttention):
    """The whole method.

    Args:
        backbone: maps at strides 8, 16 and 32.
        backbone_name: what records call it.
        input_format: the input that the backbone's weights have learned from.
        encoder: of the stride-32 tokens.
        decoder: of the queries.
        spatial_decoder: mask features, and masks from them.
        num_classes: K; the class head has one more column, "no object".
        num_queries: Q.
        width: C.
        tracking_rule: how clips are joined; an `ImageRule` takes one image at a time.
    """

    def __init__(
        self,
        *,
        backbone: ResNet,
        backbone_name: str,
        input_format: InputFormat,
        encoder: ClipEncoder,
        decoder: ClipDecoder,
        spatial_decoder: SpatialDecoder,
        num_classes: int,
        num_queries: int,
        width: int,
        tracking_rule: TrackingRule | ImageRule,
    ) -> None:
        super().__init__()
        self.tracking_rule = tracking_rule
        self.max_clip_length = 1 if isinstance(tracking_rule, ImageRule) else None
        self.backbone_name = backbone_name
        self.input_format = input_format
        self.backbone = backbone
        self.token_projection = nn.Conv2d(backbone.channels[-1], width, 1)
        self.encoder = encoder
        self.decoder = decoder
        self.query_embedding = nn.Embedding(num_queries, width)
        self.class_head = MLP(width, width, num_classes + 1, 2)
        self.spatial_decoder = spatial_decoder
        # criterion.empty_weight holds the weights of the classes in the training loss.
        drop_on_load(self, r"criterion\.empty_weight")
        rename_on_load(self, CHECKPOINT_NAMES)
        self.num_checkpoint_entries = checkpoint_entries(self, not_kept=num_classes + 1)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone, lateral maps, and the encoder up to where frames first meet.

        Maps: `tokens` (T, S or S + M, C), `lateral_16` and `lateral_8` (T, C, H/16 or H/8, ...);
        where frames never meet, `mask_features` (T, C, H/8, W/8) instead of the laterals.
        """
        return self._encode_frames(frames_T3HW, None)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries whose most probable class is not "no object"."""
        return self._predict_clip(features, None)

    @property
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """What the memory tokens attend to, where the encoder has them."""
        layers = self.encoder.num_memory_layers
        return {"memory": layers} if layers else {}

    def encode_and_record(self, frames_T3HW: Tensor) -> FrameFeatures:
        """As `encode_frames`, with a map `memory_attention` (T, heads, M, S) of the first layer."""
        return self._encode_frames(frames_T3HW, [])

    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, and what the memory tokens attended to in each encoder layer."""
        record: list[Tensor] = []
        prediction = self._predict_clip(features, record)
        if not self.encoder.num_memory_layers:
            return prediction, ClipAttention()
        weights = torch.stack([features.maps["memory_attention"], *record])
        by_place = weights.unflatten(-1, _grid(features.frame_size_HW, 32))
        return prediction, ClipAttention(memory=MemoryAttention(by_place))

    def decode(
        self, features: FrameFeatures, record: list[Tensor] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Each decoder layer's queries (Q, C) and the clip's mask features (T, C, H/8, W/8).

        Training with auxiliary losses reads every layer; `class_head` and
        `spatial_decoder.masks` turn queries into predictions. `record` is for `encode_clip`.
        """
        clip = self.encode_clip(features, record)
        position_SC = self._position(_grid(features.frame_size_HW, 32), clip.tokens_TSC)
        outputs = self.decoder(self.query_embedding.weight, clip, position_SC)
        if self.encoder.frame_only:
            return outputs, features.maps["mask_features"]
        maps = features.maps
        return outputs, self._mask_features(clip.tokens_TSC, maps, features.frame_size_HW)

    def encode_clip(
        self, features: FrameFeatures, record: list[Tensor] | None = None
    ) -> EncodedClip:
        """The rest of the encoder, where the clip's frames meet.

        Args:
            record: gets what the memory tokens attend to, see `ClipEncoder`.
        """
        tokens_TNC = features.maps["tokens"]
        position_SC = self._position(_grid(features.frame_size_HW, 32), tokens_TNC)
        return self.encoder.encode_clip(tokens_TNC, position_SC, record)

    def prepare_for_inference(self) -> None:
        """Folds the backbone's normalization and lays convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.spatial_decoder.to(memory_format=torch.channels_last)

    def _encode_frames(self, frames_T3HW: Tensor, record: list[Tensor] | None) -> FrameFeatures:
        maps_8, maps_16, maps_32 = self.backbone(frames_T3HW)
        tokens_TSC = self.token_projection(maps_32).flatten(2).transpose(1, 2)
        position_SC = self._position(maps_32.shape[-2:], tokens_TSC)
        maps = {
            "tokens": self.encoder.encode_frames(tokens_TSC, position_SC, record),
            "lateral_16": self.spatial_decoder.lateral_16(maps_16),
            "lateral_8": self.spatial_decoder.lateral_8(maps_8),
        }
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        if self.encoder.frame_only:
            features = self._mask_features(maps["tokens"], maps, size_HW)
            maps = {"tokens": maps["tokens"], "mask_features": features}
        if record:
            maps["memory_attention"] = record[0]
        return FrameFeatures(maps, size_HW)

    def _predict_clip(self, features: FrameFeatures, record: list[Tensor] | None) -> ClipPrediction:
        outputs, mask_features_TCHW = self.decode(features, record)
        with full_precision(mask_features_TCHW.device):
            class_probs_QK = self.class_head(outputs[-1]).softmax(-1)
        no_object = class_probs_QK.shape[-1] - 1
        kept_N = (class_probs_QK.argmax(-1) != no_object).nonzero()[:, 0]
        masks_NTHW = self.spatial_decoder.masks(mask_features_TCHW, outputs[-1][kept_N])
        return ClipPrediction(class_probs_QK[kept_N, :no_object], masks_NTHW)

    def _mask_features(
        self, tokens_TSC: Tensor, maps: Mapping[str, Tensor], size_HW: tuple[int, int]
    ) -> Tensor:
        encoded_TCHW = tokens_TSC.transpose(1, 2).unflatten(2, _grid(size_HW, 32))
        return self.spatial_decoder(encoded_TCHW, maps["lateral_16"], maps["lateral_8"])

    def _position(self, grid_HW: tuple[int, int], tokens_TSC: Tensor) -> Tensor:
        height, width = grid_HW
        channels = tokens_TSC.shape[-1]
        return sine_position_encoding(height, width, channels, offset=0.0, like=tokens_TSC)


def _grid(size_HW: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size_HW[0] // stride), -(-size_HW[1] // stride)
