"""`--set KEY=VALUE`: one setting over what a config file says."""

from __future__ import annotations

from typing import Any

import yaml

from vis_bench.errors import InputError


def apply_override(settings: dict[str, Any], text: str) -> None:
    """Sets one key in place; mappings inside `settings` are copied before they change.

    Args:
        settings: a config's keys and values.
        text: `key=value`, the key dotted (`options.memory_tokens`), the value in YAML.

    Raises:
        InputError: for a text of another form, or a key inside a value that is not a mapping.
    """
    key, equals, value_text = text.partition("=")
    parts = key.split(".")
    if not equals or not all(parts):
        raise InputError(
            f"--set {text!r} is not of the form key=value, such as options.backbone=r101"
        )
    try:
        value = yaml.safe_load(value_text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise InputError(f"--set {text!r}: {value_text!r} is not valid YAML") from None
    target = settings
    for depth, part in enumerate(parts[:-1], 1):
        inner = target.get(part, {})
        if not isinstance(inner, dict):
            name = ".".join(parts[:depth])
            raise InputError(f"--set {text!r}: {name} is {inner!r}, which has no keys to set")
        target[part] = dict(inner)
        target = target[part]
    target[parts[-1]] = value
