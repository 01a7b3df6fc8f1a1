"""Where the files are that a training config names."""

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


def find_run_config(name: str) -> Path:
    """The run config of `evaluate`: a path, or the name of a bundled config without its ending.

    Raises:
        InputError: neither exists.
    """
    bundled = SOURCE_ROOT / "configs"
    for path in (Path(name), SOURCE_ROOT / name, bundled / name, bundled / f"{name}.yaml"):
        if path.is_file():
            return path
    raise InputError(
        f"evaluate {name} does not exist, expected a run config's path or a bundled config's name"
    )
