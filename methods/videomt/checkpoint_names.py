"""What the weights are called in the authors' files and in Hugging Face's.

Names here are those of `transformers`' `VideomtForUniversalSegmentation`. The authors' files
(github.com/tue-mps/videomt, `yt_2019_vit_small_52.8.pth` and others) hold the same numbers, with
queries, keys and values of an attention in one tensor.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from methods.layers.checkpoint import drop_on_load, rename_on_load

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


def read_both_kinds_of_files(method: nn.Module) -> None:
    """Makes `load_state_dict` take the authors' names as well as transformers'."""
    rename_on_load(method, AUTHORS_NAMES)
    drop_on_load(method, *UNUSED)
    method.register_load_state_dict_pre_hook(_reshape)


def _reshape(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Splits what is one tensor in the authors' files; drops their table's batch dimension."""
    for key in list(state):
        fused = QKV.fullmatch(key.removeprefix(prefix))
        if fused:
            start, end = fused.groups()
            for name, part in zip("qkv", state.pop(key).chunk(3), strict=True):
                state[f"{prefix}{start}{name}_proj.{end}"] = part
    table = state.get(prefix + POSITIONS)
    if table is not None and table.ndim == 3 and len(table) == 1:
        state[prefix + POSITIONS] = table[0]
