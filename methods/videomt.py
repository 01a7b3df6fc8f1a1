"""VidEoMT: a plain vision transformer that segments and tracks, as an online method.

arXiv 2602.17807; code: github.com/tue-mps/videomt; the modules are `transformers`'
`VideomtForUniversalSegmentation`, which needs the extra `[transformers]`. transformers' own
`forward` takes square frames of one size and starts a new video at every call; here the modules are
called one by one, at any size, and a frame's queries and class logits are the state.

| box of the paper's architecture | here |
|---|---|
| patch embedding, position embedding | `PatchTokens` |
| first blocks of the ViT, which see a frame's patches alone | `encoder_layers` of `VidEoMT` |
| last blocks, which see queries and patches together | `query_layers` |
| query propagation and fusion: a frame's queries with those of the frame before | `query_updater` |
| class and mask heads | `class_predictor`, `mask_head`, `upscale_block` |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import drop_on_load, rename_on_load
from methods.layers.hugging_face import import_transformers, stated_options
from methods.layers.option_checks import check_choice
from methods.layers.padding import pad_to_multiple, padded_size, padding_of
from vis_bench.errors import InputError
from vis_bench.method import (
    ClipPrediction,
    FrameFeatures,
    InputFormat,
    OnlineMethod,
    State,
    TrackingRule,
)

# Options by name, over the defaults of `build`; the sizes of the released checkpoints (tue-mps/
# videomt, configs/ytvis19/videomt/dinov2).
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "small": {"hidden": 384, "layers": 12, "heads": 6, "query_layers": 3},
    "base": {"hidden": 768, "layers": 12, "heads": 12, "query_layers": 3},
    "large": {"hidden": 1024, "layers": 24, "heads": 16, "query_layers": 4},
}
BACKBONE_NAMES = {384: "vit_s", 768: "vit_b", 1024: "vit_l"}

# tue-mps/videomt, configs/ytvis19/videomt; 1333 is detectron2's MAX_SIZE_TEST.
INPUT = InputFormat(long_side="round", max_long_side=1333)
SIGNS = {
    r"backbone\.encoder\.backbone\.": "a VidEoMT checkpoint of its authors",
    r"query_updater\.": "a VidEoMT checkpoint in Hugging Face's form",
}
# Entries of config.json, and the options that set them; those that no option sets.
OPTIONS = {
    "hidden_size": "hidden", "num_hidden_layers": "layers", "num_attention_heads": "heads",
    "num_blocks": "query_layers", "num_queries": "num_queries", "image_size": "image_size",
    "patch_size": "patch_size", "num_register_tokens": "register_tokens",
    "num_upscale_blocks": "upscale_blocks",
}  # fmt: skip
FIXED = ("num_channels", "mlp_ratio", "hidden_act", "layer_norm_eps", "use_swiglu_ffn",
         "num_labels")  # fmt: skip
# tue-mps/videomt, `model_zoo/dinov2.md` and `benchmark.py`: one H100, frame by frame from frames
# on the GPU, float16 under autocast, float32 products at "medium" precision.
PAPER_PROTOCOL = {
    "clip_length": 1, "precision": "float16", "tf32": True, "compile": "default",
    "speed.regions": ["model"],
}  # fmt: skip

# Names in the authors' files (`yt_2019_vit_small_52.8.pth` and others), which hold an attention's
# queries, keys and values in one tensor; names here are transformers'.
VIT = r"backbone\.encoder\.backbone\."
BLOCK = VIT + r"blocks\.(\d+)\."

AUTHORS_NAMES = [
    (VIT + r"cls_token$", "embeddings.cls_token"),
    (VIT + r"reg_token$", "embeddings.register_tokens"),
    (VIT + r"pos_embed$", "embeddings.position_embeddings.weight"),
    (VIT + r"patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (BLOCK + r"attn\.proj\.", r"layers.\1.attention.out_proj."),
    (BLOCK + r"attn\.", r"layers.\1.attention."),
    (BLOCK + r"ls([12])\.gamma$", r"layers.\1.layer_scale\2.lambda1"),
    (BLOCK, r"layers.\1."),
    (VIT + r"norm\.", "layernorm."),
    (r"backbone\.q\.", "query."),
    (r"backbone\.query_updater\.", "query_updater."),
    (r"backbone\.class_head\.", "class_predictor."),
    (r"backbone\.mask_head\.0\.", "mask_head.fc1."),
    (r"backbone\.mask_head\.2\.", "mask_head.fc2."),
    (r"backbone\.mask_head\.4\.", "mask_head.fc3."),
    (r"backbone\.upscale\.(\d+)\.norm\.", r"upscale_block.block.\1.layernorm2d."),
    (r"backbone\.upscale\.(\d+)\.", r"upscale_block.block.\1."),
    (r"backbone\.attn_mask_probs$", "attn_mask_probs"),
]
# A token of pretraining, the annealing of masked attention in training, and weights of the loss.
UNUSED = (r"embeddings\.mask_token", "attn_mask_probs", r"criterion\..*", "pixel_(mean|std)")

QKV = re.compile(r"(layers\.\d+\.attention\.)qkv\.(weight|bias)")
POSITIONS = "embeddings.position_embeddings.weight"


class PatchTokens(nn.Module):
    """Frames -> class token, register tokens, and a token for each patch with its position.

    Args:
        embeddings: transformers' `VideomtEmbeddings`; its parameters keep their names.
        table_size: rows and columns of patches that the table of positions is for.
    """

    def __init__(self, embeddings: nn.Module, table_size: int) -> None:
        super().__init__()
        self.cls_token = embeddings.cls_token
        self.register_tokens = embeddings.register_tokens
        self.patch_embeddings = embeddings.patch_embeddings
        self.position_embeddings = embeddings.position_embeddings
        self.num_prefix = 1 + embeddings.register_tokens.shape[1]
        self._table_size = table_size
        # Tables by grid, kept from `keep_tables` on, when weights do not change any more.
        self._tables: dict[tuple[Any, ...], Tensor] | None = None

    def keep_tables(self) -> None:
        """Interpolate the table of positions once per grid from now on."""
        self._tables = {}

    def forward(self, frames_T3HW: Tensor) -> Tensor:
        """Tokens (T, S, C); H and W are multiples of the patch size."""
        maps_TCHW = self.patch_embeddings.projection(frames_T3HW)
        patches_TPC = maps_TCHW.flatten(2).transpose(1, 2)
        patches_TPC = patches_TPC + self._positions(maps_TCHW.shape[-2], maps_TCHW.shape[-1])
        prefix_1RC = torch.cat([self.cls_token, self.register_tokens], 1)
        prefix_TRC = prefix_1RC.expand(len(frames_T3HW), -1, -1).to(patches_TPC.dtype)
        return torch.cat([prefix_TRC, patches_TPC], 1)

    def _positions(self, rows: int, columns: int) -> Tensor:
        table_PC = self.position_embeddings.weight
        if (rows, columns) == (self._table_size, self._table_size):
            return table_PC
        if table_PC.is_meta:  # a constant of the grid, which costs nothing per frame
            return table_PC.new_empty(rows * columns, table_PC.shape[1])
        if self._tables is None:
            return self._interpolated(rows, columns)
        key = (rows, columns, table_PC.device)
        if key not in self._tables:
            self._tables[key] = self._interpolated(rows, columns)
        return self._tables[key]

    def _interpolated(self, rows: int, columns: int) -> Tensor:
        """The table at another size, bicubic with antialiasing, as timm resamples it."""
        side = self._table_size
        table_1CHW = self.position_embeddings.weight.T.unflatten(1, (side, side))[None].float()
        resized_1CHW = F.interpolate(
            table_1CHW, size=(rows, columns), mode="bicubic", antialias=True, align_corners=False
        )
        return resized_1CHW[0].flatten(1).T


class VidEoMT(OnlineMethod):
    """The whole method.

    Args:
        model: transformers' `VideomtForUniversalSegmentation`, whose modules are taken over under
            their names.
        backbone_name: for records.
        pad_to: frames are padded to multiples of so many pixels.
        square: both sides of the input are the resolution.
    """

    # The 10 best of all (query, class) pairs, no threshold (tue-mps/videomt).
    tracking_rule = TrackingRule(top_k=10)
    paper_protocol = PAPER_PROTOCOL
    checkpoint_signs = SIGNS

    def __init__(
        self, model: nn.Module, backbone_name: str, *, pad_to: int = 32, square: bool = False
    ) -> None:
        super().__init__()
        config = model.config
        self.config = config
        self.backbone_name = backbone_name
        self.input_format = replace(INPUT, square=square)
        self.pad_to = pad_to
        self.embeddings = PatchTokens(model.embeddings, config.image_size // config.patch_size)
        self.layers = model.layers
        self.layernorm = model.layernorm
        self.query = model.query
        self.query_updater = model.query_updater
        self.class_predictor = model.class_predictor
        self.mask_head = model.mask_head
        self.upscale_block = model.upscale_block
        rename_on_load(self, AUTHORS_NAMES)
        drop_on_load(self, *UNUSED)
        self.register_load_state_dict_pre_hook(_reshape)

    @property
    def encoder_layers(self) -> nn.ModuleList:
        """The blocks that see the tokens of one frame and no queries."""
        return self.layers[: -self.config.num_blocks]

    @property
    def query_layers(self) -> nn.ModuleList:
        """The blocks that see queries and tokens together."""
        return self.layers[-self.config.num_blocks :]

    def prepare_for_inference(self) -> None:
        """Interpolate positions once per size of the input instead of once per call."""
        super().prepare_for_inference()
        self.embeddings.keep_tables()

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Map `tokens` (T, S, C): class token, registers and patches after the first blocks."""
        tokens_TSC = self.embeddings(pad_to_multiple(frames_T3HW, self.pad_to))
        for layer in self.encoder_layers:
            tokens_TSC = layer(tokens_TSC)
        height, width = frames_T3HW.shape[-2:]
        return FrameFeatures({"tokens": tokens_TSC}, (height, width))

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Frame by frame; a query is a track, and its class logits are averaged over all frames."""
        grid_HW = self._grid(features.frame_size_HW)
        masks = []
        for tokens_SC in features.maps["tokens"]:
            mask_logits_QHW, state = self._predict_frame(tokens_SC[None], state, grid_HW)
            masks.append(mask_logits_QHW)
        assert state is not None, "a clip has frames"
        mean_logits_QL = state["class_logits_sum_QL"] / state["num_frames"]
        prediction = ClipPrediction(
            mean_logits_QL.softmax(-1)[:, :-1],
            torch.stack(masks, 1),
            track_ids_N=range(len(mean_logits_QL)),
            padding=padding_of(features.frame_size_HW, self.pad_to),
        )
        return prediction, state

    def _predict_frame(
        self, tokens_1SC: Tensor, state: State | None, grid_HW: tuple[int, int]
    ) -> tuple[Tensor, State]:
        """Mask logits (Q, 4H/patch, 4W/patch) of one frame, and the state behind it."""
        queries_1QC = self.query.weight[None]
        num_queries = queries_1QC.shape[1]
        if state is not None:
            queries_1QC = self.query_updater(state["queries_1QC"]) + queries_1QC
        tokens_1SC = torch.cat([queries_1QC.to(tokens_1SC.dtype), tokens_1SC], 1)
        for layer in self.query_layers:
            tokens_1SC = layer(tokens_1SC)
        normed_1SC = self.layernorm(tokens_1SC)
        class_logits_QL = self.class_predictor(normed_1SC[0, :num_queries]).float()
        masks_QHW = self._masks(normed_1SC, num_queries, grid_HW)
        last = state or {"class_logits_sum_QL": 0, "num_frames": 0}
        sums = {
            "class_logits_sum_QL": last["class_logits_sum_QL"] + class_logits_QL,
            "num_frames": last["num_frames"] + class_logits_QL.new_ones(()),
        }
        # The next frame's queries start from these before the last norm.
        return masks_QHW, {**sums, "queries_1QC": tokens_1SC[:, :num_queries]}

    def _masks(self, normed_1SC: Tensor, num_queries: int, grid_HW: tuple[int, int]) -> Tensor:
        patches_1PC = normed_1SC[:, num_queries + self.embeddings.num_prefix :]
        patches_1CHW = patches_1PC.transpose(1, 2).unflatten(2, grid_HW)
        pixels_1CHW = self.upscale_block(patches_1CHW)
        masks_QC = self.mask_head(normed_1SC[0, :num_queries])
        return torch.einsum("qc,chw->qhw", masks_QC, pixels_1CHW[0])

    def _grid(self, frame_HW: tuple[int, int]) -> tuple[int, int]:
        height, width = padded_size(frame_HW, self.pad_to)
        return height // self.config.patch_size, width // self.config.patch_size

    def options_from_config(self, path: Path) -> Mapping[str, object]:
        """Sizes in a config.json of Hugging Face's form."""
        return stated_options(path, self.config, OPTIONS, FIXED)


def _reshape(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Split fused queries, keys and values; drop the batch dimension of the positions' table."""
    for key in list(state):
        fused = QKV.fullmatch(key.removeprefix(prefix))
        if fused:
            start, end = fused.groups()
            for name, part in zip("qkv", state.pop(key).chunk(3), strict=True):
                state[f"{prefix}{start}{name}_proj.{end}"] = part
    table = state.get(prefix + POSITIONS)
    if table is not None and table.ndim == 3 and len(table) == 1:
        state[prefix + POSITIONS] = table[0]


def build(
    *,
    num_classes: int,
    input_shape: str = "aspect",
    hidden: int = 384,
    layers: int = 12,
    heads: int = 6,
    query_layers: int = 3,
    num_queries: int = 200,
    image_size: int = 640,
    patch_size: int = 16,
    register_tokens: int = 4,
    upscale_blocks: int = 2,
    pad_to: int = 32,
) -> VidEoMT:
    """VidEoMT with random weights; the defaults are the small one.

    Args:
        num_classes: K; the class head has one more column, "no object".
        input_shape: `aspect` resizes the short side and keeps the aspect ratio, as the authors
            test; `square` makes both sides the resolution, as transformers' own processor does.
        hidden: channels of all tokens; a multiple of `heads`.
        layers: blocks of the vision transformer.
        heads: of every attention.
        query_layers: how many of the blocks, the last ones, see the queries.
        num_queries: Q, which is also the number of tracks.
        image_size: sides in pixels of the square that the table of positions is for; other
            sizes interpolate it.
        patch_size: sides in pixels of a patch.
        register_tokens: extra tokens beside the class token.
        upscale_blocks: of the mask head, each of which doubles the sides of the masks.
        pad_to: frames are padded to multiples of so many pixels; itself a multiple of patch_size.
    """
    check_choice("input_shape", input_shape, ("aspect", "square"))
    if heads < 1 or hidden < 1 or hidden % heads:
        raise InputError(f"hidden is {hidden}; expected a multiple of heads, which is {heads}")
    if not 1 <= query_layers < layers:
        raise InputError(
            f"query_layers is {query_layers}; expected 1 or more, and fewer than layers ({layers})"
        )
    for name, value in (("image_size", image_size), ("pad_to", pad_to)):
        if patch_size < 1 or value < 1 or value % patch_size:
            raise InputError(
                f"{name} is {value}; expected a multiple of patch_size, which is {patch_size}"
            )
    transformers = import_transformers(
        "videomt", "VideomtConfig", "VideomtForUniversalSegmentation"
    )
    config = transformers.VideomtConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_blocks=query_layers,
        num_queries=num_queries,
        image_size=image_size,
        patch_size=patch_size,
        num_register_tokens=register_tokens,
        num_upscale_blocks=upscale_blocks,
        num_labels=num_classes,
    )
    model = transformers.VideomtForUniversalSegmentation(config)
    backbone_name = BACKBONE_NAMES.get(hidden, "vit")
    return VidEoMT(model, backbone_name, pad_to=pad_to, square=input_shape == "square")
