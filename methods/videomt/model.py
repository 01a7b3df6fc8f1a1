"""The whole of VidEoMT: tokens of a frame, queries that go on from frame to frame, masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.layers.hugging_face import import_transformers, stated_options
from methods.layers.option_checks import check_choice
from methods.layers.padding import pad_to_multiple, padded_size, padding_of
from methods.videomt.checkpoint import SIGNS, read_authors_files
from methods.videomt.heads import MaskHead, Upscale
from methods.videomt.positions import PerGrid, PositionTable, RotaryPositions
from methods.videomt.vit import Block, PatchTokens
from vis_bench.errors import InputError
from vis_bench.method import (
    ClipPrediction,
    FrameFeatures,
    InputFormat,
    OnlineMethod,
    State,
    TrackingRule,
)


class Encoder(NamedTuple):
    """In what the vision transformers of DINOv2 and DINOv3 differ."""

    rotary: bool  # positions rotate queries and keys in every block, or are added to the patches
    key_bias: bool
    epsilon: float  # of the norms


ENCODERS = {
    "dinov2": Encoder(rotary=False, key_bias=True, epsilon=1e-6),
    "dinov3": Encoder(rotary=True, key_bias=False, epsilon=1e-5),
}

# Options by name, over the defaults of `build`; the sizes of the released checkpoints (tue-mps/
# videomt, configs/ytvis19/videomt).
_LARGE = {"hidden": 1024, "layers": 24, "heads": 16, "query_layers": 4}
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "small": {"hidden": 384, "layers": 12, "heads": 6, "query_layers": 3},
    "base": {"hidden": 768, "layers": 12, "heads": 12, "query_layers": 3},
    "large": _LARGE,
    "dinov3_large": {**_LARGE, "encoder": "dinov3"},
}
BACKBONE_NAMES = {384: "vit_s", 768: "vit_b", 1024: "vit_l"}

# tue-mps/videomt, configs/ytvis19/videomt; 1333 is detectron2's MAX_SIZE_TEST.
INPUT = InputFormat(long_side="round", max_long_side=1333)
# Entries of config.json, and the options that set them; those that no option sets.
OPTIONS = {
    "hidden_size": "hidden", "num_hidden_layers": "layers", "num_attention_heads": "heads",
    "num_blocks": "query_layers", "num_queries": "num_queries", "image_size": "image_size",
    "patch_size": "patch_size", "num_register_tokens": "register_tokens",
    "num_upscale_blocks": "upscale_blocks",
}  # fmt: skip
FIXED = ("num_channels", "mlp_ratio", "hidden_act", "layer_norm_eps", "use_swiglu_ffn",
         "num_labels")  # fmt: skip
# tue-mps/videomt, `model_zoo/dinov2.md`, `dinov3.md` and `benchmark.py`: one H100, frame by frame
# from frames on the GPU, float16 under autocast, float32 products at "medium" precision.
PAPER_PROTOCOL = {
    "clip_length": 1, "precision": "float16", "tf32": True, "compile": "default",
    "speed.regions": ["model"],
}  # fmt: skip


class VidEoMT(OnlineMethod):
    """The whole method; see `build` for the arguments.

    Parameters have the names of transformers' `VideomtForUniversalSegmentation`.
    """

    # The 10 best of all (query, class) pairs, no threshold (tue-mps/videomt).
    tracking_rule = TrackingRule(top_k=10)
    paper_protocol = PAPER_PROTOCOL
    checkpoint_signs = SIGNS

    def __init__(
        self,
        num_classes: int,
        *,
        encoder: str,
        input_shape: str,
        hidden: int,
        layers: int,
        heads: int,
        query_layers: int,
        num_queries: int,
        image_size: int,
        patch_size: int,
        register_tokens: int,
        upscale_blocks: int,
        pad_to: int,
    ) -> None:
        super().__init__()
        rotary, key_bias, epsilon = ENCODERS[encoder]
        self.backbone_name = BACKBONE_NAMES.get(hidden, "vit") + ("_dinov3" if rotary else "")
        self.input_format = replace(INPUT, square=input_shape == "square")
        self.encoder = encoder
        self.num_classes = num_classes
        self.num_query_layers = query_layers
        self.patch_size = patch_size
        self.pad_to = pad_to
        table = None if rotary else PositionTable(image_size // patch_size, hidden)
        self.rotary = RotaryPositions(hidden // heads) if rotary else None
        self.embeddings = PatchTokens(hidden, patch_size, register_tokens, table)
        self.layers = nn.ModuleList(
            Block(hidden, heads, key_bias=key_bias, epsilon=epsilon) for _ in range(layers)
        )
        self.layernorm = nn.LayerNorm(hidden, eps=epsilon)
        self.query = nn.Embedding(num_queries, hidden)
        self.query_updater = nn.Linear(hidden, hidden)
        self.class_predictor = nn.Linear(hidden, num_classes + 1)
        self.mask_head = MaskHead(hidden)
        self.upscale_block = Upscale(hidden, upscale_blocks)
        read_authors_files(self, key_bias=key_bias)

    @property
    def encoder_layers(self) -> nn.ModuleList:
        """The blocks that see the tokens of one frame and no queries."""
        return self.layers[: -self.num_query_layers]

    @property
    def query_layers(self) -> nn.ModuleList:
        """The blocks that see queries and tokens together."""
        return self.layers[-self.num_query_layers :]

    def prepare_for_inference(self) -> None:
        """Compute positions once per size of the input instead of once per call."""
        super().prepare_for_inference()
        for module in self.modules():
            if isinstance(module, PerGrid):
                module.keep()

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Map `tokens` (T, S, C): class token, registers and patches after the first blocks."""
        height, width = frames_T3HW.shape[-2:]
        tokens_TSC = self.embeddings(pad_to_multiple(frames_T3HW, self.pad_to))
        rotation = self._rotation((height, width), frames_T3HW.device)
        for layer in self.encoder_layers:
            tokens_TSC = layer(tokens_TSC, rotation)
        return FrameFeatures({"tokens": tokens_TSC}, (height, width))

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Frame by frame; a query is a track, and its class logits are averaged over all frames."""
        masks = []
        for tokens_SC in features.maps["tokens"]:
            mask_logits_QHW, state = self._predict_frame(
                tokens_SC[None], state, features.frame_size_HW
            )
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
        self, tokens_1SC: Tensor, state: State | None, frame_HW: tuple[int, int]
    ) -> tuple[Tensor, State]:
        """Mask logits (Q, 4H/patch, 4W/patch) of one frame, and the state behind it."""
        queries_1QC = self.query.weight[None]
        num_queries = queries_1QC.shape[1]
        if state is not None:
            queries_1QC = self.query_updater(state["queries_1QC"]) + queries_1QC
        tokens_1SC = torch.cat([queries_1QC.to(tokens_1SC.dtype), tokens_1SC], 1)
        rotation = self._rotation(frame_HW, tokens_1SC.device)
        for layer in self.query_layers:
            tokens_1SC = layer(tokens_1SC, rotation)
        normed_1SC = self.layernorm(tokens_1SC)
        class_logits_QL = self.class_predictor(normed_1SC[0, :num_queries]).float()
        masks_QHW = self._masks(normed_1SC, num_queries, self._grid(frame_HW))
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
        return height // self.patch_size, width // self.patch_size

    def _rotation(
        self, frame_HW: tuple[int, int], device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        """The angles of the padded frame's patches, with DINOv3."""
        return None if self.rotary is None else self.rotary(*self._grid(frame_HW), device)

    def options_from_config(self, path: Path) -> Mapping[str, object]:
        """Sizes in a config.json of Hugging Face's form, which has DINOv2 alone."""
        subject = "videomt with a folder in Hugging Face's form"
        transformers = import_transformers(subject, "VideomtConfig")
        own = transformers.VideomtConfig(num_labels=self.num_classes)
        return {**stated_options(path, own, OPTIONS, FIXED), "encoder": "dinov2"}


def build(
    *,
    num_classes: int,
    encoder: str = "dinov2",
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
        encoder: `dinov2` or `dinov3`, whose vision transformer it is.
        input_shape: `aspect` resizes the short side and keeps the aspect ratio, as the authors
            test; `square` makes both sides the resolution, as transformers' own processor does.
        hidden: channels of all tokens; a multiple of `heads`.
        layers: blocks of the vision transformer.
        heads: of every attention.
        query_layers: how many of the blocks, the last ones, see the queries.
        num_queries: Q, which is also the number of tracks.
        image_size: sides in pixels of the square that DINOv2's table of positions is for; other
            sizes interpolate it.
        patch_size: sides in pixels of a patch.
        register_tokens: extra tokens beside the class token.
        upscale_blocks: of the mask head, each of which doubles the sides of the masks.
        pad_to: frames are padded to multiples of so many pixels; itself a multiple of patch_size.
    """
    check_choice("encoder", encoder, tuple(ENCODERS))
    check_choice("input_shape", input_shape, ("aspect", "square"))
    if heads < 1 or hidden < 1 or hidden % heads:
        raise InputError(f"hidden is {hidden}; expected a multiple of heads, which is {heads}")
    if ENCODERS[encoder].rotary and hidden // heads % 4:
        raise InputError(
            f"hidden is {hidden}; expected a multiple of 4 times heads ({heads}) with {encoder}"
        )
    if not 1 <= query_layers < layers:
        raise InputError(
            f"query_layers is {query_layers}; expected 1 or more, and fewer than layers ({layers})"
        )
    for name, value in (("image_size", image_size), ("pad_to", pad_to)):
        if patch_size < 1 or value < 1 or value % patch_size:
            raise InputError(
                f"{name} is {value}; expected a multiple of patch_size, which is {patch_size}"
            )
    return VidEoMT(
        num_classes,
        encoder=encoder,
        input_shape=input_shape,
        hidden=hidden,
        layers=layers,
        heads=heads,
        query_layers=query_layers,
        num_queries=num_queries,
        image_size=image_size,
        patch_size=patch_size,
        register_tokens=register_tokens,
        upscale_blocks=upscale_blocks,
        pad_to=pad_to,
    )
