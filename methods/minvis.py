"""MinVIS: an image model frame by frame, whose queries are matched between neighboring frames.

Huang, Yu, Anandkumar, NeurIPS 2022, arXiv 2208.02245; written from the paper alone. The image model
is Mask2Former (arXiv 2112.01527) with a Swin transformer, as Hugging Face's transformers has it
(extra `[transformers]`), so weights are folders in that form. Its code checks values as it runs, so
that FLOPs cannot be counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers import hugging_face
from methods.layers.checkpoint import drop_on_load
from methods.layers.padding import pad_to_multiple, padding_of
from methods.layers.transformer import full_precision
from vis_bench.method import (
    ClipPrediction,
    FrameFeatures,
    InputFormat,
    OnlineMethod,
    State,
    TrackingRule,
)

PAD_TO = 32
# Swin's sizes (arXiv 2103.14030); the large one's weights were trained with 200 queries.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "swin_t": {"swin_width": 96, "swin_depths": (2, 2, 6, 2), "swin_heads": (3, 6, 12, 24)},
    "swin_l": {"swin_width": 192, "swin_depths": (2, 2, 18, 2), "swin_heads": (6, 12, 24, 48),
               "swin_window": 12, "num_queries": 200},
}  # fmt: skip
BACKBONE_NAMES = {96: "swin_t", 192: "swin_l"}
# Entries of config.json, and the options that set them; those that no option sets.
OPTIONS = {
    "num_queries": "num_queries", "hidden_dim": "width", "num_attention_heads": "heads",
    "encoder_layers": "encoder_layers", "encoder_feedforward_dim": "encoder_hidden",
    "decoder_layers": "decoder_layers", "dim_feedforward": "decoder_hidden",
}  # fmt: skip
FIXED = ("num_labels", "pre_norm", "activation_function", "feature_strides", "common_stride")
BACKBONE_OPTIONS = {"embed_dim": "swin_width", "depths": "swin_depths", "num_heads": "swin_heads",
                    "window_size": "swin_window"}  # fmt: skip
BACKBONE_FIXED = ("patch_size", "hidden_act", "qkv_bias", "layer_norm_eps", "out_features")

# Names of a Swin transformer's parts in files on the hub, and in memory in newer versions of
# transformers, which save under the old names.
SWIN_NAMES = (
    (r"(pixel_level_module\.encoder\.)(?=embeddings\.|encoder\.)", r"\1swin."),
    (r"\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".attention.\1_proj."),
    (r"\.attention\.self\.(?=relative_)", ".attention.relative_position_bias."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)
# A norm that newer versions have and never use; older ones, and files of theirs, lack it.
SWIN_UNUSED = r".*pixel_level_module\.encoder\.swin\.layernorm\.(weight|bias)"


class MinVIS(OnlineMethod):
    """The whole method, on a `Mask2FormerForUniversalSegmentation` of transformers."""

    input_format = InputFormat(long_side="round", max_long_side=1333)
    # The 10 best of all (query, class) pairs, no threshold.
    tracking_rule = TrackingRule(top_k=10)

    def __init__(self, model: nn.Module, backbone_name: str) -> None:
        super().__init__()
        self.config = model.config
        self.backbone_name = backbone_name
        self.model = model.model
        self.class_predictor = model.class_predictor
        drop_on_load(self, r"criterion\..*")
        _read_hub_names(self)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Image model: maps `embeddings` (T, Q, C), `class_logits` (T, Q, K + 1) and
        `mask_logits` (T, Q, H/4, W/4), each frame's queries in its own order.
        """
        output = self.model(pad_to_multiple(frames_T3HW, PAD_TO), output_hidden_states=True)
        # The last layer's queries behind the decoder's norm, as class and mask heads read them.
        embeddings_TQC = output.transformer_decoder_intermediate_states[-1].transpose(0, 1)
        maps = {
            "embeddings": embeddings_TQC,
            "class_logits": self.class_predictor(embeddings_TQC).float(),
            "mask_logits": output.masks_queries_logits[-1],
        }
        height, width = frames_T3HW.shape[-2:]
        return FrameFeatures(maps, (height, width))

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Match each frame's queries with the tracks; class logits are averaged over frames."""
        masks = []
        for t in range(len(features)):
            frame = {name: tensor[t] for name, tensor in features.maps.items()}
            if state is not None:
                order_Q = match_queries(state["embeddings"], frame["embeddings"])
                frame = {name: tensor[order_Q] for name, tensor in frame.items()}
            masks.append(frame.pop("mask_logits"))
            one = frame["class_logits"].new_ones(())
            state = {
                "embeddings": frame["embeddings"],
                "sum_QL": frame["class_logits"] + (0 if state is None else state["sum_QL"]),
                "num_frames": one + (0 if state is None else state["num_frames"]),
            }
        assert state is not None, "a clip has frames"
        probs_QK = (state["sum_QL"] / state["num_frames"]).softmax(-1)[:, :-1]
        prediction = ClipPrediction(
            probs_QK,
            torch.stack(masks, 1),
            track_ids_N=range(len(probs_QK)),
            padding=padding_of(features.frame_size_HW, PAD_TO),
        )
        return prediction, state

    def options_from_config(self, path: Path) -> Mapping[str, object]:
        """The sizes that a config.json in Hugging Face's form states."""
        own, part = self.config, "backbone_config"
        options = hugging_face.stated_options(path, own, OPTIONS, FIXED)
        return options | hugging_face.stated_options(
            path, own, BACKBONE_OPTIONS, BACKBONE_FIXED, part=part
        )


def _read_hub_names(module: nn.Module) -> None:
    """Make `load_state_dict` take the names of files on the hub.

    A key is renamed only where the installed version of transformers has the new name and not the
    old one; `SWIN_UNUSED` may be missing in the file or in the installed version.
    """
    rules = [(re.compile(old), new) for old, new in SWIN_NAMES]

    def rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
        own = {prefix + key: value for key, value in module.state_dict().items()}
        for key in [key for key in state if key not in own]:
            renamed = key
            for pattern, replacement in rules:
                renamed = pattern.sub(replacement, renamed)
            if renamed in own:
                state[renamed] = state.pop(key)
        for key in [key for key in {*state, *own} if re.fullmatch(SWIN_UNUSED, key)]:
            if key not in own:
                del state[key]
            else:
                state.setdefault(key, own[key])

    module.register_load_state_dict_pre_hook(rename)


def match_queries(tracks_QC: Tensor, queries_QC: Tensor) -> Tensor:
    """Query that continues each track: bipartite matching of embeddings by their cosine."""
    with full_precision(queries_QC.device):
        tracks_QC, queries_QC = (F.normalize(x.float(), dim=-1) for x in (tracks_QC, queries_QC))
        similarity_QQ = tracks_QC @ queries_QC.T
    _, columns = linear_sum_assignment(similarity_QQ.cpu().numpy(), maximize=True)
    return torch.as_tensor(columns, device=queries_QC.device)


def build(
    *,
    num_classes: int,
    num_queries: int = 100,
    width: int = 256,
    heads: int = 8,
    encoder_layers: int = 6,
    encoder_hidden: int = 1024,
    decoder_layers: int = 10,
    decoder_hidden: int = 2048,
    swin_width: int = 96,
    swin_depths: Sequence[int] = (2, 2, 6, 2),
    swin_heads: Sequence[int] = (3, 6, 12, 24),
    swin_window: int = 7,
) -> MinVIS:
    """MinVIS on Mask2Former with random weights; the defaults have a Swin-T.

    Args:
        num_classes: K; `num_queries`: Q, which is also the number of tracks.
        width: channels of queries and of the pixel decoder; `heads`: of their attention.
        encoder_layers, encoder_hidden: of the pixel decoder, the latter in feed-forward parts.
        decoder_layers, decoder_hidden: of the query decoder; its first prediction is a layer.
        swin_width, swin_depths, swin_heads, swin_window: Swin's channels in its first stage,
            layers and heads per stage, and sides of its windows in tokens.
    """
    transformers = hugging_face.import_transformers("minvis", "Mask2FormerForUniversalSegmentation")
    swin = transformers.SwinConfig(
        embed_dim=swin_width,
        depths=list(swin_depths),
        num_heads=list(swin_heads),
        window_size=swin_window,
        out_features=[f"stage{n + 1}" for n in range(len(swin_depths))],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        num_labels=num_classes,
        num_queries=num_queries,
        hidden_dim=width,
        feature_size=width,
        mask_feature_size=width,
        num_attention_heads=heads,
        encoder_layers=encoder_layers,
        encoder_feedforward_dim=encoder_hidden,
        decoder_layers=decoder_layers,
        dim_feedforward=decoder_hidden,
    )
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    return MinVIS(model, BACKBONE_NAMES.get(swin_width, "swin"))
