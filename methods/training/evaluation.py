"""The evaluation of the trained weights: checked before training starts, run when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from methods import build_method
from methods.training.config import TrainConfig
from methods.training.trainable import build_trainable
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.build import build_cell_method, resolve_kernel_backend
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.sources import open_dataset

DEVICE = torch.device("cpu")
METRICS = ("ap", "ap50", "ap75", "ar1", "ar10")


def evaluation_cells(config: TrainConfig) -> list[Cell]:
    """Cells of the run config `evaluate`, which must take the weights that are trained."""
    if config.evaluate is None:
        return []
    cells = load_cells(find_config(config.evaluate), ["measure=accuracy"])
    with torch.device("meta"):
        trained = _shapes(build_trainable(config))
    for cell in cells:
        if cell.method != config.method:
            raise InputError(
                f"evaluate {config.evaluate} is for method {cell.method!r}, expected "
                f"{config.method!r}, which is trained"
            )
        num_classes = len(open_dataset(cell.dataset).category_ids)
        with torch.device("meta"):
            method = build_cell_method(build_method, cell, num_classes)
        resolve_kernel_backend(method, DEVICE)
        if difference := _difference(trained, _shapes(method)):
            raise InputError(
                f"evaluate {config.evaluate} does not take the trained weights ({difference}), "
                "expected the options and classes of the training config"
            )
    resolve_jobs(
        [cell.model_copy(update={"weights": None}) for cell in cells],
        RunSettings("train", DEVICE),
        build_method,
        lambda line: None,
    )
    return cells


def evaluate(
    cells: Sequence[Cell], weights: Path, records: Path, bars: Bars
) -> list[dict[str, Any]]:
    """Measure the accuracy of a weights file, and write records to a folder.

    Returns:
        For each cell its clip length and AP, AP50, AP75, AR1, AR10 in 0..1.
    """
    if not cells:
        return []
    settings = RunSettings("train", DEVICE, weights=weights)
    jobs = resolve_jobs(cells, settings, build_method, bars.say)
    store = RecordStore(records)
    store.prepare()
    measured = run_jobs(jobs, store, bars).records
    return [{key: getattr(record, key) for key in ("clip_length", *METRICS)} for record in measured]


def _shapes(method: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in method.state_dict().items()}


def _difference(
    trained: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> str | None:
    """Describe the first tensor that one side lacks or that has another shape there."""
    for name in [*trained, *expected]:
        if name not in expected:
            return f"{name} is trained and has no place there"
        if name not in trained:
            return f"{name} is needed there and not trained"
        if trained[name] != expected[name]:
            return f"{name} is trained with shape {trained[name]} and needed with {expected[name]}"
    return None
