"""Where the weights are that a training config names."""

from __future__ import annotations

from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.records.environment import find_file


def find_weights_file(name: str) -> Path:
    """The weights file of `initial_weights`, relative to the working directory or to the source.

    Raises:
        InputError: neither exists.
    """
    path = find_file(Path(name))
    if path is None:
        raise InputError(
            f"initial_weights {name} does not exist, expected a .safetensors or .pth file relative "
            "to the working directory or to the source tree"
        )
    return path
