"""Models of Hugging Face's transformers, an extra that nothing else waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown

INSTALL = "pip install 'vis-bench[transformers]'"


def import_transformers(method: str, *names: str) -> ModuleType:
    """Import the package, which takes seconds.

    Args:
        method: for the message where it is not installed or too old.
        names: classes that the method uses; older versions lack some.
    """
    try:
        import transformers
    except ImportError:
        raise InputError(
            f"method {method} needs Hugging Face's transformers, which is not installed; "
            f"install it with: {INSTALL}"
        ) from None
    for name in names:
        if not hasattr(transformers, name):
            raise InputError(
                f"method {method} needs {name}, which transformers {transformers.__version__} "
                f"lacks; expected 5.4 or newer: {INSTALL}"
            )
    return transformers


def stated_options(
    path: Path, own: Any, options: Mapping[str, str], fixed: Sequence[str], *, part: str = ""
) -> dict[str, object]:
    """The options of a method that a config.json states.

    Args:
        path: the file, as transformers writes it beside weights.
        own: the method's own config, of transformers.
        options: entries of the config and the options of `build` that set them.
        fixed: entries that no option sets, which must be equal to `own`'s.
        part: the config inside the config that has them, such as "backbone_config".

    Raises:
        InputError: for a config of another model, and the first fixed entry that differs.
    """
    content = read_json(path)
    model_type = content.get("model_type") if isinstance(content, dict) else content
    if not isinstance(content, dict) or model_type != own.model_type:
        raise InputError(f"{path} has model_type {shown(model_type)}; expected {own.model_type!r}")
    try:
        theirs = type(own).from_dict(content)
    except Exception as error:  # transformers checks the values, each in its own way
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"{path} is not a config of {own.model_type}: {lines[0]}") from None
    if part:
        theirs, own = getattr(theirs, part, None), getattr(own, part)
    for name in fixed:
        value, expected = (_plain(getattr(config, name, None)) for config in (theirs, own))
        if value != expected:
            raise InputError(f"{path} has {name} {shown(value)}; expected {shown(expected)}")
    return {option: _plain(getattr(theirs, name, None)) for name, option in options.items()}


def _plain(value: Any) -> Any:
    """A value as JSON holds it: lists for tuples."""
    return list(value) if isinstance(value, tuple) else value
