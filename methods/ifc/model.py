"""IFC from frames to a clip's instances (Hwang et al., 2021, section 3).

backbone -> token projection -> encoder (frames talk through memory tokens) -> decoder (a query is
an instance of the whole clip) -> class head and spatial decoder. Clips become videos through the
tracker, which follows the paper's section 3.3.

Shape letters beyond those of `vis_bench.method`: S locations of a frame's stride-32 map, M
memory tokens, N = S + M, K = T * N tokens of a clip, Q queries, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.ifc.encoder import (
    ClipEncoder,
    DecomposedCommunication,
    EncodedClip,
    EncoderWithoutMemory,
    FullCommunication,
    InterFrameCommunication,
    NoCommunication,
    Notes,
)
from methods.layers.checkpoint import checkpoint_entries, drop_on_load, rename_on_load
from methods.layers.maps import add_upsampled, grid_of, sine_position_encoding
from methods.layers.option_checks import MAX_LAYERS, check_choice, check_sizes
from methods.layers.resnet import RESNETS, ResNet
from methods.layers.transformer import (
    MLP,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    full_precision,
)
from vis_bench.attention import AttentionPart, ClipAttention, RecordsAttention
from vis_bench.method import ClipPrediction, FrameFeatures, ImageRule, InputFormat, TrackingRule

# Options by name, over the defaults of `build`, which are those of the published model.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
    "x101": {"backbone": "x101"},
    "mini": {
        "backbone": "mini", "width": 64, "heads": 4, "hidden": 256, "encoder_layers": 2,
        "decoder_layers": 3, "num_queries": 20,
    },
}  # fmt: skip

COMMUNICATIONS = ("none", "full", "decomposed", "ifc")
MEMORIES = ("decomposed", "unified")
MAX_MEMORY_TOKENS = 16

# Outputs of sukjunhwang/IFC's video and image configurations.
MODES: Mapping[str, TrackingRule | ImageRule] = {
    "video": TrackingRule(match_threshold=0.05, min_score=0.01),
    "image": ImageRule(max_instances=100),
}

# sukjunhwang/IFC, projects/IFC/configs/base_ytvis.yaml; 1333 is detectron2's MAX_SIZE_TEST. The
# authors have no ResNeXt; here it takes this input, too, as torchvision's weights do.
INPUT = InputFormat(long_side="round", max_long_side=1333)
# sukjunhwang/IFC, projects/IFC/configs/R101_ytvis.yaml, for the original (MSRA's) ResNet-101.
R101_INPUT = replace(
    INPUT,
    channel_order="BGR",
    full_value=255.0,
    mean=(103.530, 116.280, 123.675),
    std=(1.0, 1.0, 1.0),
)

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
# sukjunhwang/IFC, issue 4: total execution time until the results of all videos are final, identity
# matching included, over the frames of the test set. Arithmetic is not stated.
PAPER_PROTOCOL = {"speed.regions": ["end_to_end"]}
SIGNS = {
    r"detr\.transformer\.memory_bus$": "an IFC checkpoint",
    r"encoder\.gather_communicate_layers\.": "an IFC checkpoint of this project",
}


class ClipDecoder(nn.Module):
    """Transformer decoder: queries attend to all frame and memory tokens of a clip at once."""

    def __init__(self, layers: Sequence[TransformerDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries_QC: Tensor, clip: EncodedClip, position_SC: Tensor) -> list[Tensor]:
        """Content (Q, C) of the queries after each layer, normalized; the last is the result.

        Runs in the weights' precision also under autocast: a hundred queries cost little.

        Args:
            queries_QC: the queries' learned positions; their content starts at zero.
            clip: the encoded clip.
            position_SC: the frame tokens' position, the same in every frame.
        """
        values_KC, keys_KC = _clip_memory(clip, position_SC)
        values_KC, keys_KC = values_KC.to(queries_QC.dtype), keys_KC.to(queries_QC.dtype)
        content_QC = torch.zeros_like(queries_QC)
        outputs = []
        with full_precision(queries_QC.device):
            for layer in self.layers:
                content_QC = layer(content_QC, queries_QC, keys_KC, values_KC)
                outputs.append(self.norm(content_QC))
        return outputs


def _clip_memory(clip: EncodedClip, position_SC: Tensor) -> tuple[Tensor, Tensor]:
    """All tokens of a clip in one row, without and with their positions."""
    values_TNC = torch.cat([clip.tokens_TSC, clip.memory_TMC], 1)
    position_NC = torch.cat([position_SC, clip.memory_position_MC.to(position_SC.dtype)])
    return values_TNC.flatten(0, 1), (values_TNC + position_NC).flatten(0, 1)


GROUPS = 32


class SpatialDecoder(nn.Module):
    """Features per frame at stride 8, and masks from them.

    The encoded stride-32 tokens meet the backbone's finer maps, and a mask is the product of their
    features with a vector made from the instance's query.

    Args:
        width: channels throughout.
        stride_8_channels, stride_16_channels: of the backbone's maps.
    """

    def __init__(self, width: int, stride_8_channels: int, stride_16_channels: int) -> None:
        super().__init__()
        self.conv_32 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_32 = nn.GroupNorm(GROUPS, width)
        self.lateral_16 = nn.Conv2d(stride_16_channels, width, 1)
        self.conv_16 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_16 = nn.GroupNorm(GROUPS, width)
        self.lateral_8 = nn.Conv2d(stride_8_channels, width, 1)
        self.conv_8 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_8 = nn.GroupNorm(GROUPS, width)
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)
        self.mask_weights = MLP(width, width, width, 3)
        rename_on_load(
            self,
            [
                (r"lay1\.", "conv_32."),
                (r"gn1\.", "norm_32."),
                (r"adapter1\.", "lateral_16."),
                (r"lay2\.", "conv_16."),
                (r"gn2\.", "norm_16."),
                (r"adapter2\.", "lateral_8."),
                (r"lay3\.", "conv_8."),
                (r"gn3\.", "norm_8."),
                (r"out_lay\.", ""),
                (r"convert_to_weight\.", "mask_weights."),
            ],
        )

    def forward(self, encoded_TCHW: Tensor, lateral_16: Tensor, lateral_8: Tensor) -> Tensor:
        """Mask features (T, C, H/8, W/8) of encoded stride-32 maps.

        Args:
            lateral_16, lateral_8: the backbone's maps behind `self.lateral_16` and
                `self.lateral_8`; they depend on single frames only.
        """
        maps = self.norm_32(self.conv_32(encoded_TCHW))
        maps = self.norm_16(self.conv_16(add_upsampled(lateral_16, maps)))
        maps = self.norm_8(self.conv_8(add_upsampled(lateral_8, maps)))
        maps = F.relu(self.depthwise(F.relu(maps, inplace=True)), inplace=True)
        return F.relu(self.pointwise(maps), inplace=True)

    def masks(self, features_TCHW: Tensor, queries_NC: Tensor) -> Tensor:
        """Mask logits (N, T, H/8, W/8) of N instances in every frame."""
        weights_NC = self.mask_weights(queries_NC)
        return torch.einsum("nc,tchw->nthw", weights_NC, features_TCHW)


class IFC(RecordsAttention):
    """The whole method.

    Args:
        backbone: maps at strides 8, 16 and 32.
        backbone_name: for records.
        input_format: the input that the backbone's weights have learned from.
        encoder: of the stride-32 tokens.
        decoder: of the queries.
        spatial_decoder: mask features, and masks from them.
        num_classes: K; the class head has one more column, "no object".
        num_queries: Q.
        width: C.
        tracking_rule: how clips are joined; an `ImageRule` takes one image at a time.
    """

    paper_protocol = PAPER_PROTOCOL
    checkpoint_signs = SIGNS

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
        """Predict the queries whose most probable class is not "no object"."""
        return self._predict_clip(features, None)

    @property
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """Attention of the memory tokens, where the encoder has them."""
        layers = self.encoder.num_memory_layers
        return {"memory": layers} if layers else {}

    def encode_and_record(self, frames_T3HW: Tensor) -> FrameFeatures:
        """As `encode_frames`, with a map `memory_attention` (T, heads, M, S) of the first layer."""
        return self._encode_frames(frames_T3HW, [])

    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, with the memory tokens' attention in each encoder layer."""
        record: list[Tensor] = []
        prediction = self._predict_clip(features, record)
        if not self.encoder.num_memory_layers:
            return prediction, ClipAttention()
        weights = torch.stack([features.maps["memory_attention"], *record])
        by_place = weights.unflatten(-1, grid_of(features.frame_size_HW, 32))
        return prediction, ClipAttention(memory_weights_LTMBhw=by_place)

    def decode(self, features: FrameFeatures, record: Notes = None) -> tuple[list[Tensor], Tensor]:
        """Each decoder layer's queries (Q, C) and the clip's mask features (T, C, H/8, W/8).

        `class_head` and `spatial_decoder.masks` turn queries into predictions; training does so
        for every layer. `record` is for `encode_clip`.
        """
        clip = self.encode_clip(features, record)
        position_SC = self._position(features.frame_size_HW, clip.tokens_TSC)
        outputs = self.decoder(self.query_embedding.weight, clip, position_SC)
        if self.encoder.frame_only:
            return outputs, features.maps["mask_features"]
        maps = features.maps
        return outputs, self._mask_features(clip.tokens_TSC, maps, features.frame_size_HW)

    def encode_clip(self, features: FrameFeatures, record: Notes = None) -> EncodedClip:
        """Rest of the encoder, where the clip's frames meet; `record` as in `ClipEncoder`."""
        tokens_TNC = features.maps["tokens"]
        position_SC = self._position(features.frame_size_HW, tokens_TNC)
        return self.encoder.encode_clip(tokens_TNC, position_SC, record)

    def prepare_for_inference(self) -> None:
        """Fold the backbone's normalization and lay convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.spatial_decoder.to(memory_format=torch.channels_last)

    def _encode_frames(self, frames_T3HW: Tensor, record: Notes) -> FrameFeatures:
        maps_8, maps_16, maps_32 = self.backbone(frames_T3HW)
        tokens_TSC = self.token_projection(maps_32).flatten(2).transpose(1, 2)
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        position_SC = self._position(size_HW, tokens_TSC)
        maps = {
            "tokens": self.encoder.encode_frames(tokens_TSC, position_SC, record),
            "lateral_16": self.spatial_decoder.lateral_16(maps_16),
            "lateral_8": self.spatial_decoder.lateral_8(maps_8),
        }
        if self.encoder.frame_only:
            features = self._mask_features(maps["tokens"], maps, size_HW)
            maps = {"tokens": maps["tokens"], "mask_features": features}
        if record:
            maps["memory_attention"] = record[0]
        return FrameFeatures(maps, size_HW)

    def _predict_clip(self, features: FrameFeatures, record: Notes) -> ClipPrediction:
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
        encoded_TCHW = tokens_TSC.transpose(1, 2).unflatten(2, grid_of(size_HW, 32))
        return self.spatial_decoder(encoded_TCHW, maps["lateral_16"], maps["lateral_8"])

    def _position(self, size_HW: tuple[int, int], tokens_TSC: Tensor) -> Tensor:
        grid_HW, channels = grid_of(size_HW, 32), tokens_TSC.shape[-1]
        return sine_position_encoding(grid_HW, channels, offset=0.0, like=tokens_TSC).flatten(0, 1)


def build(
    *,
    num_classes: int,
    backbone: str = "r50",
    communication: str = "ifc",
    memory_tokens: int = 8,
    memory: str = "decomposed",
    width: int = 256,
    heads: int = 8,
    hidden: int = 2048,
    encoder_layers: int = 3,
    decoder_layers: int = 3,
    num_queries: int = 100,
    mode: str = "video",
) -> IFC:
    """IFC with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has one more column, "no object".
        backbone: `r50`, `r101`, `x101` or `mini`.
        communication: between a clip's frames in the encoder; `none`, `full`, `decomposed` or
            `ifc`.
        memory_tokens: 0..16 tokens per frame through which frames talk; for `ifc` only. With 0
            every frame is by itself, as with `none`.
        memory: a memory token talks to those of its own index (`decomposed`) or to all
            (`unified`); for `ifc` only.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q, the most instances that a clip can have.
        mode: `video` joins clips into tracks; `image` takes single images, as the authors'
            configurations for COCO do.
    """
    check_choice("backbone", backbone, RESNETS)
    check_choice("communication", communication, COMMUNICATIONS)
    check_choice("memory", memory, MEMORIES)
    check_choice("mode", mode, MODES)
    check_sizes(MAX_MEMORY_TOKENS, least=0, memory_tokens=memory_tokens)
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, hidden=hidden, num_queries=num_queries)

    def encoders(count: int) -> list[TransformerEncoderLayer]:
        return [TransformerEncoderLayer(width, heads, hidden) for _ in range(count)]

    # The original ResNet-101 has its strides in 1x1 convolutions.
    resnet = ResNet(**RESNETS[backbone], stride_in_1x1=backbone == "r101")
    encoder: ClipEncoder
    if communication == "none":
        encoder = NoCommunication(encoders(encoder_layers))
    elif communication == "full":
        encoder = FullCommunication(encoders(encoder_layers))
    elif communication == "decomposed":
        encoder = DecomposedCommunication(encoders(encoder_layers), encoders(encoder_layers - 1))
    elif memory_tokens == 0:
        encoder = EncoderWithoutMemory(encoders(encoder_layers))
    else:
        encoder = InterFrameCommunication(
            encoders(encoder_layers),
            encoders(encoder_layers),
            memory_tokens=memory_tokens,
            channels=width,
            unified=memory == "unified",
        )
    decoder = [TransformerDecoderLayer(width, heads, hidden) for _ in range(decoder_layers)]
    return IFC(
        backbone=resnet,
        backbone_name=backbone,
        input_format=R101_INPUT if backbone == "r101" else INPUT,
        encoder=encoder,
        decoder=ClipDecoder(decoder, width),
        spatial_decoder=SpatialDecoder(width, *resnet.channels[:2]),
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        tracking_rule=MODES[mode],
    )
