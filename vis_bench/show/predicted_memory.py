"""Predicted memory of clips: a row for each method, size of frames and clip length of a config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.data.nominal import NUM_FRAMES, SIZE_HW
from vis_bench.inference.preprocess import input_size
from vis_bench.measures.flops.run import counting_flops
from vis_bench.measures.memory.predicted import RATIOS, MemoryPredictor, PredictedMemory
from vis_bench.progress import Advance, silent
from vis_bench.record.metrics import MIB
from vis_bench.record.names import backbone_title, method_title
from vis_bench.runs.build import BuildMethod, GuardedMethod, Recipe
from vis_bench.runs.config import Cell
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import mebibytes

# Memory of common GPUs, in GiB.
CARDS = (8, 24, 80)
TITLE = "Predicted memory of a clip in float32 (MiB)"
_REMARKS = (
    "Encode and predict: the most that live tensors take in either stage, with what the loop "
    "holds. Peak: weights and the greater of the two. Predicted from shapes: on a CPU, activations "
    f"of IFC, SeqFormer and MS-STS at small sizes are {RATIOS[0]:g} to {RATIOS[1]:g} times those "
    "that PyTorch's allocator handed out; on a GPU nothing was measured.",
    "Not counted: an allocator's rounding and gaps, buffers of cuDNN and cuBLAS, the CUDA context, "
    "the tracker, and frames that are decoded ahead. Attention is taken to keep no scores.",
    f"Longest: the most frames of a clip whose peak fits even if it is 1/{RATIOS[0]:g} of this.",
)


@dataclass(frozen=True)
class MemoryReport:
    """The predicted memory of one cell's clip, and the longest clips by GiB of a card.

    `most`: longer clips were not looked for; None where the method takes no more than were.
    """

    cell: Cell
    backbone: str
    size_HW: tuple[int, int]
    clip_length: int
    memory: PredictedMemory
    longest: dict[int, int]
    most: int | None

    def as_json(self) -> dict[str, Any]:
        """Plain types; bytes."""
        return {
            "method": self.cell.method,
            "options": self.cell.options,
            "backbone": self.backbone,
            "height": self.size_HW[0],
            "width": self.size_HW[1],
            "clip_length": self.clip_length,
            "precision": "float32",
            "predicted": True,
            "weight_bytes": self.memory.weights,
            "encode_bytes": self.memory.encode,
            "predict_bytes": self.memory.predict,
            "peak_bytes": self.memory.peak,
            "longest_looked_for": self.most,
            "longest_clip": {f"{gib} GiB": frames for gib, frames in self.longest.items()},
        }


def report_memory(
    build_method: BuildMethod, cells: Iterable[Cell], advance: Advance = silent
) -> Iterator[MemoryReport]:
    """Predict each cell's clip; cells that differ in neither network, size nor length are one.

    Raises:
        InputError: for a method that takes whole videos, or cannot run on shapes.
    """
    predictors: dict[tuple, tuple[GuardedMethod, MemoryPredictor, str]] = {}
    seen = set()
    for cell in cells:
        network = cell.model_dump_json(include={"method", "options", "weights", "dataset"})
        key = (network, cell.resolution)
        if key not in predictors:
            predictors[key] = _predictor(build_method, cell)
        loaded, predictor, backbone = predictors[key]
        length = NUM_FRAMES if cell.clip_length == "whole" else cell.clip_length
        length = length if predictor.takes_more else min(length, predictor.most)
        if (key, length) not in seen:
            seen.add((key, length))
            with loaded.calling(), counting_flops(cell.method):
                memory = predictor.clip(length)
                longest = {gib: predictor.longest(RATIOS[0] * gib * 1024 * MIB) for gib in CARDS}
            most = predictor.most if predictor.takes_more else None
            yield MemoryReport(cell, backbone, predictor.size_HW, length, memory, longest, most)
        advance()


def _predictor(build_method: BuildMethod, cell: Cell) -> tuple[GuardedMethod, MemoryPredictor, str]:
    loaded = Recipe.without_data(build_method, cell).on_meta()
    with loaded.calling() as method:
        size_HW = input_size(*SIZE_HW, cell.resolution, method.input_format)
        return loaded, MemoryPredictor(method, size_HW), method.backbone_name


def memory_parts(reports: Sequence[MemoryReport]) -> list[Page]:
    """One table with its remarks."""
    return [Page(TITLE, (Table.from_dicts(map(_row, reports)),), {}, _REMARKS)]


def _row(report: MemoryReport) -> dict[str, str]:
    memory = report.memory
    return {
        "Method": report.cell.label or method_title(report.cell.method),
        "Backbone": backbone_title(report.backbone),
        "Frames": "x".join(map(str, report.size_HW)),
        "Clip": str(report.clip_length),
        "Weights": mebibytes(memory.weights),
        "Encode": mebibytes(memory.encode),
        "Predict": mebibytes(memory.predict),
        "Peak": mebibytes(memory.peak),
        **{f"Longest in {gib} GiB": _frames(n, report.most) for gib, n in report.longest.items()},
    }


def _frames(number: int, most: int | None) -> str:
    return f"≥{number}" if number == most else str(number)
