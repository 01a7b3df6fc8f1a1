"""The data set that a config names, or its categories alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vis_bench.data.categories import CATEGORIES
from vis_bench.data.datasets import Dataset, load_dataset, read_categories
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


def config_categories(config: DatasetConfig) -> Mapping[int, str]:
    """The categories of a config's data set, id -> name, in the order of their ids.

    A known data set need not be there; of any other the annotations are read.

    Raises:
        InputError: as `read_categories`.
    """
    if config.name in CATEGORIES:
        return dict(sorted(CATEGORIES[config.name].items()))
    assert config.annotations is not None, "DatasetConfig asks for them"
    return read_categories(Path(config.annotations))
