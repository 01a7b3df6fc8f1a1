"""Where the weights are that a training config names."""

from __future__ import annotations

from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.records.source import SOURCE_ROOT


def find_weights_file(name: str) -> Path:
    """The weights file of `initial_weights`, relative to the working directory or to the source.

    Raises:
        InputError: neither exists.
    """
    for path in (Path(name), SOURCE_ROOT / name):
        if path.is_file():
            return path
    raise InputError(
        f"initial_weights {name} does not exist, expected a .safetensors or .pth file relative to "
        "the working directory or to the source tree"
    )
