"""What `flops CONFIG` says: the cost of a cell by module, per clip and per source frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from tabulate import tabulate

from vis_bench.cost.flops.counter import CONVENTION, CONVENTION_TEXT
from vis_bench.cost.flops.tree import ModuleNode, module_tree
from vis_bench.cost.flops.video import ShapeCounter, VideoCount
from vis_bench.data.categories import CATEGORIES
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.method import VISMethod
from vis_bench.inference.preprocess import input_size
from vis_bench.progress import Advance, silent
from vis_bench.runs.config import Cell
from vis_bench.runs.subject import BuildMethod, build_subject

# The video that is counted where no data set says otherwise: YouTube-VIS' longest, 16:9.
NOMINAL_FRAMES = 36
NOMINAL_HEIGHT, NOMINAL_WIDTH = 720, 1280

GIGA = 1e9


@dataclass(frozen=True)
class FlopsReport:
    """One cell's cost for a video of `video.num_frames` frames.

    `clip` is the cost of one clip by itself, `video` that of the whole video with its clip plan,
    and `tree` holds three columns of multiply-adds: `encode_frames` per frame, `predict_clip` per
    clip (their mean), and both per source frame of the video.
    """

    cell: Cell
    backbone: str
    reconstruction: bool
    size_HW: tuple[int, int]
    clip: VideoCount
    video: VideoCount
    tree: ModuleNode

    @property
    def label(self) -> str:
        """The method's name, marked where the authors' own code was never published."""
        return self.cell.method + (" (reconstruction)" if self.reconstruction else "")

    def as_json(self) -> dict[str, Any]:
        """Everything in plain types; figures in multiply-adds and, where named so, in G."""
        counted = self.video.all
        return {
            "method": self.cell.method, "options": self.cell.options, "backbone": self.backbone,
            "reconstruction": self.reconstruction,
            "height": self.size_HW[0], "width": self.size_HW[1],
            "clip_length": self.clip.num_frames, "clip_stride": self.cell.stride,
            "num_frames": self.video.num_frames, "num_clips": self.video.num_clips,
            "num_params": self.tree.num_params, "flop_convention": CONVENTION,
            "gflops_per_clip": self.clip.all.total / GIGA,
            "gflops_per_frame": self.video.per_frame / GIGA,
            "macs_by_operator": dict(sorted(counted.by_op().items())),
            "uncounted_ops": sorted(counted.zero_ops),
            "upper_bound_ops": sorted(counted.assumed_ops),
            "excluded": ["tracker"],
            "tree_columns": ["encode_frames, per frame", "predict_clip, per clip",
                             "per source frame"],
            "tree": self.tree.as_json(),
        }  # fmt: skip

    def as_text(self, depth: int = 2) -> str:
        """A table of the modules down to `depth` levels, and the totals below it."""
        headers = ["module", "params (M)", "encode_frames, per frame", "predict_clip, per clip",
                   "per source frame", "share"]  # fmt: skip
        table = tabulate(
            list(self._rows(depth)), headers, tablefmt="simple", disable_numparse=True,
            colalign=("left", *["right"] * 5), preserve_whitespace=True,
        )  # fmt: skip
        return f"{self._title()}\n\n{table}\n\n{self._totals()}"

    def _rows(self, depth: int) -> Iterable[list[str]]:
        for level, node in self.tree.walk(depth):
            share = node.macs[-1] / self.tree.macs[-1] if self.tree.macs[-1] else 0.0
            figures = [f"{node.num_params / 1e6:.2f}", *(f"{m / GIGA:.3f}" for m in node.macs)]
            if any(float(figure) for figure in figures):
                yield ["  " * level + node.name, *figures, f"{100 * share:.1f} %"]

    def _title(self) -> str:
        height, width = self.size_HW
        length, stride = self.clip.num_frames, self.cell.stride
        clips = f"clips of {length} frames" + ("" if stride is None else f" at stride {stride}")
        return (
            f"{self.label}, {self.backbone}: frames of {height}x{width}, {clips}, in a "
            f"video of {self.video.num_frames} frames; in G = 1e9 multiply-adds"
        )

    def _totals(self) -> str:
        clip, frame = self.clip.all.total / GIGA, self.video.per_frame / GIGA
        counted = self.video.all
        lines = [
            f"one clip by itself: {clip:.2f} GMACs = {2 * clip:.2f} GFLOPs (2 x MACs)",
            f"per source frame:   {frame:.2f} GMACs = {2 * frame:.2f} GFLOPs (2 x MACs); "
            f"{self.video.num_frames} frames encoded once, {self.video.num_clips} clips predicted",
            f"convention {CONVENTION}: {CONVENTION_TEXT}",
            "the tracker and the run-length coding are not counted",
            f"seen and counted 0: {', '.join(sorted(counted.zero_ops)) or 'none'}",
        ]
        if counted.assumed_ops:
            ops = ", ".join(sorted(counted.assumed_ops))
            lines.append(f"upper bound: {ops} taken to select everything they are asked about")
        return "\n".join(lines) + "\n"


def report_flops(
    build_method: BuildMethod, cells: Iterable[Cell], advance: Advance = silent
) -> Iterator[FlopsReport]:
    """Counts each cell for a video of 36 frames of 16:9, without weights, data or memory.

    The head has the classes of the cell's data set, which itself need not be there.

    Raises:
        InputError: for a method or option that is not allowed, or an operator without a rule.
    """
    counters: dict[str, ShapeCounter] = {}
    for cell in cells:
        key = cell.model_dump_json(include={"method", "options", "kernel_backend", "dataset"})
        if key not in counters:
            counters[key] = ShapeCounter(
                method_on_meta(build_method, cell, len(CATEGORIES[cell.dataset.name]))
            )
        yield _report(cell, counters[key])
        advance()


def method_on_meta(build_method: BuildMethod, cell: Cell, num_classes: int) -> VISMethod:
    """The cell's method, prepared for inference, with shapes but without values."""
    with torch.device("meta"):
        method = build_subject(build_method, cell, num_classes)
        method.to("meta")
        method.prepare_for_inference()
    return method


def _report(cell: Cell, counter: ShapeCounter) -> FlopsReport:
    method = counter.method
    plan = InferencePlan(cell.clip_length, cell.clip_stride, cell.resolution, torch.device("meta"))
    size_HW = input_size(NOMINAL_HEIGHT, NOMINAL_WIDTH, plan.resolution, method.input_format)
    clips = plan.clips(NOMINAL_FRAMES)
    video = counter.count_video(size_HW, clips)
    tree = module_tree(
        method,
        (video.encode, video.predict, video.all),
        (video.num_frames, video.num_clips, video.num_frames),
        name=cell.method,
    )
    clip = counter.count_clip(size_HW, len(clips[0]))
    return FlopsReport(
        cell, method.backbone_name, method.reconstruction, size_HW, clip, video, tree
    )
