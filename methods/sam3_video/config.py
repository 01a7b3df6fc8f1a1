"""Sizes and thresholds of SAM 3 Video: entries of transformers' `Sam3VideoConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from methods.layers.hugging_face import import_transformers
from vis_bench.errors import InputError
from vis_bench.files import read_json, shown

METHOD = "sam3_video"
PATCH = 14
# Entries that say nothing about the model.
_ABOUT_THE_FILE = {"transformers_version", "architectures", "dtype", "_name_or_path", "model_type"}
_PARTS = {"detector_config", "tracker_config", "initializer_range", "low_res_mask_size"}

_WIDTH, _GRID = 128, 8
_VISION = {
    "fpn_hidden_size": _WIDTH,
    "backbone_feature_sizes": [[4 * _GRID] * 2, [2 * _GRID] * 2, [_GRID] * 2],
    "backbone_config": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": PATCH * _GRID, "window_size": 4,
        "global_attn_indexes": [1], "pretrain_image_size": 56,
    },
}  # fmt: skip
_LAYERS = {"hidden_size": _WIDTH, "num_layers": 1, "num_attention_heads": 4,
           "intermediate_size": 64}  # fmt: skip
# The least sizes that fit together, for tests. Its prompts are bytes.
MINI: Mapping[str, Any] = {
    "detector_config": {
        "vision_config": _VISION,
        "text_config": {
            "vocab_size": 514, "hidden_size": 32, "intermediate_size": 64, "projection_dim": 16,
            "num_hidden_layers": 2, "num_attention_heads": 2, "bos_token_id": 512,
            "eos_token_id": 513, "pad_token_id": 513,
        },
        "geometry_encoder_config": _LAYERS,
        "detr_encoder_config": _LAYERS,
        "detr_decoder_config": {**_LAYERS, "num_layers": 2, "num_queries": 6},
        "mask_decoder_config": {"hidden_size": _WIDTH, "num_attention_heads": 4},
    },
    "tracker_config": {
        "vision_config": _VISION,
        "prompt_encoder_config": {"hidden_size": _WIDTH, "image_size": PATCH * _GRID},
        "mask_decoder_config": {
            "hidden_size": _WIDTH, "mlp_dim": 64, "num_attention_heads": 4,
            "iou_head_hidden_dim": 32,
        },
        "image_size": PATCH * _GRID,
        "memory_attention_hidden_size": _WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_attention_rope_feat_sizes": [_GRID, _GRID],
        "memory_encoder_hidden_size": _WIDTH,
        "mask_downsampler_embed_dim": _WIDTH,
        "memory_fuser_embed_dim": _WIDTH,
        "memory_fuser_intermediate_dim": 64,
        "memory_fuser_num_layers": 1,
    },
    "low_res_mask_size": 4 * _GRID,
}  # fmt: skip


def model_config(
    config: Mapping[str, Any], rules: Mapping[str, Any], image_size: int | None = None
) -> Any:
    """A `Sam3VideoConfig`: published sizes, changed by `config`, and thresholds by `rules`.

    Raises:
        InputError: for entries that transformers does not have or take.
    """
    kind = _config_class()
    published = _entries(kind())
    known = sorted(published.keys() - _PARTS)
    for name in rules:
        if name not in known:
            raise InputError(f"rules has {name!r:.40}; expected one of: {', '.join(known)}")
    for name in config:
        if name not in published:
            listed = ", ".join(sorted(published))
            raise InputError(f"config has {name!r:.40}; expected one of: {listed}")
    merged = {**_merged(published, config), **rules}
    made = _checked(kind, merged, "options")
    if image_size is not None:
        if type(image_size) is not int or image_size < PATCH or image_size % PATCH:
            raise InputError(f"image_size is {image_size!r:.40}; expected a multiple of {PATCH}")
        made.image_size = image_size
    return made


def stated_config(path: Path) -> dict[str, Any]:
    """Entries of a config.json that differ from the published model's.

    Raises:
        InputError: for a config of another model.
    """
    content, kind = read_json(path), _config_class()
    model_type = content.get("model_type") if isinstance(content, dict) else content
    if not isinstance(content, dict) or model_type != kind.model_type:
        raise InputError(f"{path} has model_type {shown(model_type)}; expected {kind.model_type!r}")
    return _differing(_entries(_checked(kind, content, str(path))), _entries(kind()))


def thresholds(config: Any) -> dict[str, Any]:
    """The rules' entries of a config."""
    return {key: value for key, value in _entries(config).items() if key not in _PARTS}


def _config_class() -> Any:
    return import_transformers(METHOD, "Sam3VideoConfig", "Sam3VideoModel").Sam3VideoConfig


def _checked(kind: Any, entries: Mapping[str, Any], where: str) -> Any:
    try:
        made = kind.from_dict(dict(entries))
        made.validate_architecture()
        return made
    except Exception as error:  # transformers checks the values, each in its own way
        lines = str(error).splitlines() or [type(error).__name__]
        why = lines[-1].strip()
        raise InputError(f"{where} is not a config of {kind.model_type}: {why}") from None


def _entries(config: Any) -> dict[str, Any]:
    """The entries of the model's own config, without those that every config has."""
    own = {*type(config).__dataclass_fields__} - {*type(config).__base__.__dataclass_fields__}
    return {key: value for key, value in config.to_dict().items() if key in own}


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        known = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(known, value) if both else value
    return merged


def _differing(theirs: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in theirs.items():
        if key in _ABOUT_THE_FILE or (key in published and value == published[key]):
            continue
        known = published.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            value = _differing(value, known)
            if not value:
                continue
        found[key] = list(value) if isinstance(value, tuple) else value
    return found
