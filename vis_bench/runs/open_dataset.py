"""The data set that a config names."""

from __future__ import annotations

from pathlib import Path

from vis_bench.data.dataset import Dataset, load_dataset
from vis_bench.runs.config import DatasetConfig


def open_dataset(config: DatasetConfig, data_root: Path | None = None) -> Dataset:
    """Opens it.

    Args:
        data_root: the folder with the data sets, for files that the config does not name.

    Raises:
        InputError: as `load_dataset`.
    """
    return load_dataset(
        config.name, config.split, plain=config.plain,
        annotations=Path(config.annotations) if config.annotations else None,
        frames=Path(config.frames) if config.frames else None,
        data_root=data_root,
    )  # fmt: skip
