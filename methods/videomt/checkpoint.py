"""Names and forms of tensors in the authors' files; names here are transformers'.

Their files with DINOv2 (`yt_2019_vit_small_52.8.pth` and others) hold an attention's queries, keys
and values in one tensor, and so do files with DINOv3 that were saved after their option
`FUSED_QKV`, with zeros for the bias that keys do not have.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from methods.layers.checkpoint import drop_on_load, rename_on_load

SIGNS = {
    r"backbone\.encoder\.backbone\.(patch_embed\.cls_token|blocks\.\d+\.attention\.)": (
        "a VidEoMT checkpoint of its authors with DINOv3 (options.encoder: dinov3)"
    ),
    r"backbone\.encoder\.backbone\.": (
        "a VidEoMT checkpoint of its authors with DINOv2 (options.encoder: dinov2)"
    ),
    r"query_updater\.": "a VidEoMT checkpoint in Hugging Face's form",
}

VIT = r"backbone\.encoder\.backbone\."
BLOCK = VIT + r"blocks\.(\d+)\."
NAMES = [
    # DINOv2, as timm names it
    (VIT + r"cls_token$", "embeddings.cls_token"),
    (VIT + r"reg_token$", "embeddings.register_tokens"),
    (VIT + r"pos_embed$", "embeddings.position_embeddings.weight"),
    (VIT + r"patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (BLOCK + r"attn\.proj\.", r"layers.\1.attention.out_proj."),
    (BLOCK + r"attn\.", r"layers.\1.attention."),
    (BLOCK + r"ls([12])\.gamma$", r"layers.\1.layer_scale\2.lambda1"),
    # DINOv3
    (VIT + r"patch_embed\.patch_embeddings\.", "embeddings.patch_embeddings.projection."),
    (VIT + r"patch_embed\.", "embeddings."),
    (BLOCK + r"attention\.o_proj\.", r"layers.\1.attention.out_proj."),
    (BLOCK + r"attention\.qkv_proj\.", r"layers.\1.attention.qkv."),
    (BLOCK + r"mlp\.up_proj\.", r"layers.\1.mlp.fc1."),
    (BLOCK + r"mlp\.down_proj\.", r"layers.\1.mlp.fc2."),
    # both
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
KEY_BIAS = r"layers\.\d+\.attention\.k_proj\.bias"
POSITIONS = "embeddings.position_embeddings.weight"


def read_authors_files(method: nn.Module, *, key_bias: bool) -> None:
    """Make `load_state_dict` take the authors' files as they are.

    Args:
        key_bias: whether the method's keys have a bias; where they have none, zeros are dropped.
    """
    rename_on_load(method, NAMES)
    drop_on_load(method, *UNUSED)
    method.register_load_state_dict_pre_hook(_reshape)
    if not key_bias:
        drop_on_load(method, KEY_BIAS, when=lambda bias: not bias.any())


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
