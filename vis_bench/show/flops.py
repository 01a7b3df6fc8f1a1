"""Multiply-adds of a cell by module, and of many cells by clip length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from tabulate import tabulate

from vis_bench.cost.flops.counter import CONVENTION, CONVENTION_TEXT, GIGA
from vis_bench.cost.flops.video import NominalCost, ShapeCounter, count_nominal
from vis_bench.data.nominal import NUM_FRAMES
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan
from vis_bench.progress import Advance, silent
from vis_bench.runs.config import Cell, DatasetConfig
from vis_bench.runs.jobs import BuildMethod, counting_flops, find_weights, method_on_meta
from vis_bench.runs.sources import config_categories
from vis_bench.show.tables import render
from vis_bench.show.tables.model import ABSENT, Table
from vis_bench.show.tables.to_markdown import escape_markdown
from vis_bench.text import one_line


@dataclass(frozen=True)
class FlopsReport:
    """Cost of one cell for the nominal video."""

    cell: Cell
    backbone: str
    reconstruction: bool
    cost: NominalCost

    @property
    def label(self) -> str:
        """The method's name, marked where the authors' own code was never published."""
        return self.cell.method + (" (reconstruction)" if self.reconstruction else "")

    def as_json(self) -> dict[str, Any]:
        """Plain types; counts in multiply-adds, in units of 1e9 where named so."""
        clip, video, tree = self.cost.clip, self.cost.video, self.cost.tree
        return {
            "method": self.cell.method, "options": self.cell.options, "backbone": self.backbone,
            "reconstruction": self.reconstruction,
            "height": self.cost.size_HW[0], "width": self.cost.size_HW[1],
            "clip_length": clip.num_frames, "clip_stride": self.cell.stride,
            "num_frames": video.num_frames, "num_clips": video.num_clips,
            "num_params": tree.num_params, "flop_convention": CONVENTION,
            "gflops_per_clip": clip.all.total / GIGA,
            "gflops_per_frame": video.per_frame / GIGA,
            "macs_by_operator": dict(sorted(video.all.by_op().items())),
            "uncounted_ops": sorted(video.all.zero_ops),
            "upper_bound_ops": sorted(video.all.assumed_ops),
            "excluded": ["tracker"],
            "tree_columns": ["encode_frames, per frame", "predict_clip, per clip",
                             "per source frame"],
            "tree": tree.as_json(),
        }  # fmt: skip

    def as_text(self, depth: int = 2) -> str:
        """A table of the modules down to `depth` levels, and totals."""
        headers = ["module", "params (M)", "encode_frames, per frame", "predict_clip, per clip",
                   "per source frame", "share"]  # fmt: skip
        table = tabulate(
            list(self._rows(depth)), headers, tablefmt="simple", disable_numparse=True,
            colalign=("left", *["right"] * 5), preserve_whitespace=True,
        )  # fmt: skip
        return f"{self._title()}\n\n{table}\n\n{self._totals()}"

    def _rows(self, depth: int) -> Iterable[list[str]]:
        tree = self.cost.tree
        for level, node in tree.walk(depth):
            share = node.macs[-1] / tree.macs[-1] if tree.macs[-1] else 0.0
            figures = [f"{node.num_params / 1e6:.2f}", *(f"{m / GIGA:.3f}" for m in node.macs)]
            if any(float(figure) for figure in figures):
                yield ["  " * level + node.name, *figures, f"{100 * share:.1f} %"]

    def _title(self) -> str:
        height, width = self.cost.size_HW
        length, stride = self.cost.clip.num_frames, self.cell.stride
        clips = f"clips of {length} frames" + ("" if stride is None else f" at stride {stride}")
        return (
            f"{self.label}, {self.backbone}: frames of {height}x{width}, {clips}, in a "
            f"video of {self.cost.video.num_frames} frames; in G = 1e9 multiply-adds"
        )

    def _totals(self) -> str:
        video = self.cost.video
        clip, frame = self.cost.clip.all.total / GIGA, video.per_frame / GIGA
        lines = [
            f"one clip by itself: {clip:.2f} GMACs = {2 * clip:.2f} GFLOPs (2 x MACs)",
            f"per source frame:   {frame:.2f} GMACs = {2 * frame:.2f} GFLOPs (2 x MACs); "
            f"{video.num_frames} frames encoded once, {video.num_clips} clips predicted",
            f"convention {CONVENTION}: {CONVENTION_TEXT}",
            "the tracker and the run-length coding are not counted",
            f"seen and counted 0: {', '.join(sorted(video.all.zero_ops)) or 'none'}",
        ]
        if video.all.assumed_ops:
            ops = ", ".join(sorted(video.all.assumed_ops))
            lines.append(f"upper bound: {ops} assumed to select everything they are asked about")
        return "\n".join(lines) + "\n"


def report_flops(
    build_method: BuildMethod, cells: Iterable[Cell], advance: Advance = silent
) -> Iterator[FlopsReport]:
    """Count each cell for the nominal video, without data or memory.

    The head has the classes of the cell's data set, which need not be on disk. Nor need the
    weights, but a config.json beside them decides the options that it states.
    """
    counters: dict[str, ShapeCounter] = {}
    settings = {"method", "options", "weights", "kernel_backend", "dataset"}
    for cell in cells:
        key = cell.model_dump_json(include=settings)
        if key not in counters:
            num_classes, weights = len(config_categories(cell.dataset)), None
            with suppress(InputError):
                weights = find_weights(cell, None)
            counters[key] = ShapeCounter(method_on_meta(build_method, cell, num_classes, weights))
        with counting_flops(cell.method):
            report = _report(cell, counters[key])
        yield report
        advance()


def _report(cell: Cell, counter: ShapeCounter) -> FlopsReport:
    plan = InferencePlan(cell.clip_length, cell.clip_stride, cell.resolution, torch.device("meta"))
    method, cost = counter.method, count_nominal(counter, plan, cell.method)
    return FlopsReport(cell, method.backbone_name, method.reconstruction, cost)


def overview(reports: Iterable[FlopsReport], command: str) -> str:
    """Tabulate G multiply-adds by clip length, of a clip by itself and per source frame.

    Markdown with a row per method, options, stride and size of frame; names `command` as its
    origin.
    """
    reports = list(reports)
    per_clip = _by_clip_length(reports, lambda report: report.cost.clip.all.total)
    per_frame = _by_clip_length(reports, lambda report: report.cost.video.per_frame)
    return "\n".join(
        [
            f"<!-- Generated by `{_in_comment(command)}`; edits are overwritten. -->\n",
            "# Multiply-adds of every method (G)\n",
            f"Convention {CONVENTION}: {CONVENTION_TEXT}. Twice these figures are FLOPs where a "
            "multiply-add counts two. The tracker and the run-length coding are not counted.\n",
            *_bound_note(reports),
            "## One clip of T frames by itself\n",
            render(per_clip),
            f"## Per source frame of a video of {NUM_FRAMES} frames\n",
            "Every frame is encoded once, and predicted as often as clips hold it.\n",
            render(per_frame),
        ]
    )


def _in_comment(text: str) -> str:
    """The text on one line, unable to end an HTML comment."""
    return one_line(text).replace(">", "&gt;")


def _bound_note(reports: list[FlopsReport]) -> list[str]:
    bounded = sorted({r.cell.method for r in reports if r.cost.video.all.assumed_ops})
    if not bounded:
        return []
    names = escape_markdown(", ".join(bounded))
    return [
        f"Upper bounds ({names}): how many queries a method keeps depends on the "
        "frames, so masks are counted for as many as it may keep.\n"
    ]


def _by_clip_length(reports: Iterable[FlopsReport], macs: Callable[[FlopsReport], float]) -> Table:
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for report in reports:
        (height, width), others = report.cost.size_HW, report.cell.options.items()
        named = ", ".join(f"{key}={value}" for key, value in sorted(others) if key != "backbone")
        labels = {
            "Method": report.label,
            "Backbone": report.backbone,
            "Params (M)": f"{report.cost.tree.num_params / 1e6:.2f}",
            "Frame": f"{height}x{width}",
            "Stride": str(report.cell.clip_stride),
        }
        row = rows.setdefault((*labels.values(), named), {**labels, "Options": named or ABSENT})
        row[f"T={report.cost.clip.num_frames}"] = f"{macs(report) / GIGA:.2f}"
    titles = dict.fromkeys(title for row in rows.values() for title in row)
    titles["Options"] = titles.pop("Options")
    return Table.from_dicts(
        {title: row.get(title, ABSENT) for title in titles} for row in rows.values()
    )


def count_module(
    build_method: BuildMethod,
    method: str,
    options: Mapping[str, Any],
    dataset: str,
    module: str,
    clips: Sequence[tuple[int, int, int]],
    advance: Advance,
) -> list[float]:
    """Count G multiply-adds of one module of a method, for one clip of each size.

    Args:
        dataset: the data set whose classes the head has.
        clips: frames, height and width.
    """
    config = DatasetConfig(name=dataset)
    cell = Cell(method=method, options=dict(options), dataset=config)
    counter = ShapeCounter(method_on_meta(build_method, cell, len(config_categories(config))))
    counts = []
    for length, height, width in clips:
        counts.append(counter.count_clip((height, width), length).all.within(module) / GIGA)
        advance()
    return counts
