"""VidEoMT's sizes by name, and the model put together from transformers' modules."""

from __future__ import annotations

from collections.abc import Mapping

from methods.layers.hugging_face import import_transformers
from methods.videomt.model import VidEoMT
from vis_bench.errors import InputError

# Options by name, over the defaults of `build`; the sizes of the released checkpoints (tue-mps/
# videomt, configs/ytvis19/videomt/dinov2).
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "small": {"hidden": 384, "layers": 12, "heads": 6, "query_layers": 3},
    "base": {"hidden": 768, "layers": 12, "heads": 12, "query_layers": 3},
    "large": {"hidden": 1024, "layers": 24, "heads": 16, "query_layers": 4},
}
BACKBONE_NAMES = {384: "vit_s", 768: "vit_b", 1024: "vit_l"}
INPUT_SHAPES = ("aspect", "square")


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

    Raises:
        InputError: where transformers is not installed or too old, or for sizes that do not fit
            each other.
    """
    if input_shape not in INPUT_SHAPES:
        raise InputError(
            f"input_shape is {input_shape!r}; expected one of: {', '.join(INPUT_SHAPES)}"
        )
    _check_sizes(hidden, layers, heads, query_layers, image_size, patch_size, pad_to)
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


def _check_sizes(
    hidden: int, layers: int, heads: int, query_layers: int,
    image_size: int, patch_size: int, pad_to: int,
) -> None:  # fmt: skip
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
