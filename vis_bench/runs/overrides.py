"""Overrides of a config's keys: `key=value` texts of --set, or a mapping from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.yaml_text import MAX_DEPTH, parse_yaml

# Texts, one text, or values by key. Keys are dotted: `options.memory_tokens`.
Overrides = Sequence[str] | Mapping[str, Any]
_EXPECTED = "expected key=value, such as options.backbone=r101"


def apply_overrides(settings: dict[str, Any], overrides: Overrides) -> None:
    """Set keys in place, in order; mappings inside `settings` are copied before they change.

    Args:
        settings: a config's keys and values.
        overrides: values in texts are YAML.
    """
    for key, value in _pairs(overrides):
        _set_key(settings, key, value)


def _pairs(overrides: Overrides) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    if isinstance(overrides, str):
        return [_parsed(overrides)]
    if not isinstance(overrides, Sequence) or isinstance(overrides, bytes):
        raise InputError(f"settings are {shown(overrides)}; {_EXPECTED}, or a mapping")
    return list(map(_parsed, overrides))


def _parsed(text: str) -> tuple[str, Any]:
    if not isinstance(text, str) or "=" not in text:
        raise InputError(f"setting {shown(text)} has no value; {_EXPECTED}")
    key, _, value = text.partition("=")
    return key, parse_yaml(value, f"setting {shown(text)}")


def _set_key(settings: dict[str, Any], key: str, value: Any) -> None:
    parts = key.split(".") if isinstance(key, str) else []
    if not all(parts) or not 0 < len(parts) <= MAX_DEPTH:
        raise InputError(f"setting {shown(key)} is not a key; {_EXPECTED}")
    target = settings
    for depth, part in enumerate(parts[:-1], 1):
        inner = target.get(part, {})
        if not isinstance(inner, dict):
            name = ".".join(parts[:depth])
            raise InputError(
                f"setting {shown(key)}: {name} is {shown(inner)}, which has no keys to set"
            )
        target[part] = dict(inner)
        target = target[part]
    target[parts[-1]] = value
