"""`--set KEY=VALUE`: one setting over what a config file says."""

from __future__ import annotations

from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import MAX_DEPTH, parse_yaml, shown


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
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise InputError(
            f"--set {shown(text)} is not of the form key=value, such as options.backbone=r101"
        )
    value = parse_yaml(value_text, f"--set {shown(text)}")
    target = settings
    for depth, part in enumerate(parts[:-1], 1):
        inner = target.get(part, {})
        if not isinstance(inner, dict):
            name = ".".join(parts[:depth])
            raise InputError(
                f"--set {shown(text)}: {name} is {shown(inner)}, which has no keys to set"
            )
        target[part] = dict(inner)
        target = target[part]
    target[parts[-1]] = value
