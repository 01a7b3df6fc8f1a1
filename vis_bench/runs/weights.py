"""The weights file that a cell or the command line names."""

from __future__ import annotations

from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import FOLDER_WEIGHTS, WeightsFile
from vis_bench.record.environment import SOURCE_ROOT
from vis_bench.runs.config import Cell


def find_file(named: Path) -> Path | None:
    """A file that a config names, relative to the working directory or else to `SOURCE_ROOT`."""
    return next((path for path in (named, SOURCE_ROOT / named) if path.is_file()), None)


def find_weights(cell: Cell, override: Path | None) -> WeightsFile | None:
    """Find the weights file: --weights, or the config's, relative to here or to the source tree.

    A folder means the `model.safetensors` in it, as Hugging Face's transformers saves models.
    """
    named = override or (Path(cell.weights) if cell.weights else None)
    if named is None:
        return None
    path = find_file(named) or find_file(named / FOLDER_WEIGHTS)
    if path is None:
        problem = "is not a regular file" if named.exists() else "does not exist"
        problem = f"is a folder without {FOLDER_WEIGHTS}" if named.is_dir() else problem
        if cell.trained_by and override is None:
            raise InputError(
                f"weights file {named} {problem}; it is made by the commands at the top of the "
                f"training config {cell.trained_by}"
            )
        raise InputError(
            f"weights file {named} {problem}; --weights takes a .pth or .safetensors, or a folder "
            f"with {FOLDER_WEIGHTS}"
        )
    return WeightsFile.at(path)
