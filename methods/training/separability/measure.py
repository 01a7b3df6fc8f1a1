"""The probes of a method, from a run config and its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from methods import build_method
from methods.seqformer.model import SeqFormer
from methods.training.separability.areas import held_out_pairs
from methods.training.separability.cells import Cells, cells_of
from vis_bench.data.synthetic import CLASSES, VideoKey
from vis_bench.errors import InputError
from vis_bench.metrics.area_under_roc import OrderedPairs
from vis_bench.progress import Bars
from vis_bench.runs.config import Cell
from vis_bench.runs.load_method import find_weights, load_method


def measure(
    cell: Cell, weights: Path | None, *, videos: int, held_out: int, frames: int,
    background_below: float, bars: Bars,
) -> tuple[list[OrderedPairs | None], Cells]:  # fmt: skip
    """A method's ordered pairs on held-out videos, and the cells there.

    Args:
        cell: names the method, its options, its weights and the resolution.
        weights: a file in place of the cell's.
        videos: of the synthetic training split, for the probes.
        held_out: of the synthetic validation split, for the areas.
        frames: of each video.
        background_below: see `cells_of`.

    Raises:
        InputError: for a method without SeqFormer's encoder, and weights that are missing or do not
            fit.
    """
    file = find_weights(cell, weights)
    method = load_method(build_method, cell, len(CLASSES), file, torch.device("cpu"))
    if not isinstance(method, SeqFormer):
        raise InputError(
            f"method {cell.method} has no deformable encoder; expected seqformer or ms_sts"
        )
    found = []
    for split, number in (("train", videos), ("val", held_out)):
        keys = [VideoKey(split, index) for index in range(number)]
        with bars.bar(f"encoding {split} videos", number) as advance:
            found.append(cells_of(method, cell.resolution, keys, frames, background_below, advance))
    return held_out_pairs(*found, held_out), found[1]
