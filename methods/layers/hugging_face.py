"""Models of Hugging Face's transformers, an extra that nothing else waits for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown

INSTALL = "pip install 'vis-bench[transformers]'"


def import_transformers(method: str, *names: str) -> ModuleType:
    """The package; imported here and nowhere else, since that takes seconds.

    Args:
        method: what the message says needs it.
        names: classes that are used; older versions lack some.

    Raises:
        InputError: where it is not installed, or too old.
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


def check_same_model(
    path: Path, own: Any, names: Sequence[str], *, part: str | None = None
) -> None:
    """Refuses a config.json of another model than the one that a method was built as.

    Args:
        path: the file, as transformers writes it beside weights.
        own: the method's own config, of transformers.
        names: the entries that decide what is computed, which must be equal.
        part: the config inside the config that has them, such as "backbone_config".

    Raises:
        InputError: naming the first entry that differs.
    """
    content = read_json(path)
    found = content.get("model_type") if isinstance(content, dict) else content
    if not isinstance(content, dict) or found != own.model_type:
        raise InputError(f"{path} has model_type {shown(found)}; expected {own.model_type!r}")
    try:
        theirs = type(own).from_dict(content)
    except Exception as error:  # transformers checks the values, each in its own way
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"{path} is not a config of {own.model_type}: {lines[0]}") from None
    if part is not None:
        theirs, own = getattr(theirs, part), getattr(own, part)
    for name in names:
        if _plain(getattr(theirs, name, None)) != _plain(getattr(own, name)):
            raise InputError(
                f"{path} has {name} {shown(_plain(getattr(theirs, name, None)))}; expected "
                f"{shown(_plain(getattr(own, name)))}, which the method's options give"
            )


# What files on the hub call the parts of a Swin transformer, and what newer versions of
# transformers call them in memory. They save under the old names, so that files stay the same.
SWIN_NAMES = (
    (r"(pixel_level_module\.encoder\.)(?=embeddings\.|encoder\.)", r"\1swin."),
    (r"\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".attention.\1_proj."),
    (r"\.attention\.self\.(?=relative_)", ".attention.relative_position_bias."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)
# A norm that newer versions have and never use; older ones, and files of theirs, lack it.
SWIN_UNUSED = r".*pixel_level_module\.encoder\.swin\.layernorm\.(weight|bias)"


def read_hub_names(module: nn.Module, names: Sequence[tuple[str, str]], unused: str) -> None:
    """Makes `load_state_dict` take the names of files on the hub.

    A key is renamed only where the installed version of transformers has the new name and not the
    old one.

    Args:
        names: regular expressions and replacements, all of which are applied, in order.
        unused: matches keys that the file, or the installed version, may lack.
    """
    rules = [(re.compile(old), new) for old, new in names]

    def rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
        own = {prefix + key: value for key, value in module.state_dict().items()}
        for key in [key for key in state if key not in own]:
            renamed = key
            for pattern, replacement in rules:
                renamed = pattern.sub(replacement, renamed)
            if renamed in own:
                state[renamed] = state.pop(key)
        for key in [key for key in {*state, *own} if re.fullmatch(unused, key)]:
            if key not in own:
                del state[key]
            else:
                state.setdefault(key, own[key])

    module.register_load_state_dict_pre_hook(rename)


def _plain(value: Any) -> Any:
    """A value as JSON holds it: lists for tuples."""
    return list(value) if isinstance(value, tuple) else value
