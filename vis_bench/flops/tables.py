"""Tables of multiply-adds: IFC's comparison of encoders, and methods over clip lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from vis_bench.config import Cell, DatasetConfig
from vis_bench.flops.counter import CONVENTION, CONVENTION_TEXT
from vis_bench.flops.report import GIGA, NOMINAL_FRAMES, FlopsReport, method_on_meta
from vis_bench.flops.video import ShapeCounter
from vis_bench.progress import Advance, silent
from vis_bench.subject import BuildMethod
from vis_bench.tables import Format, render, table_of

COMMUNICATIONS = ("none", "full", "decomposed", "ifc")
ENCODER_SIZES_HW = ((360, 640), (720, 1280))
ENCODER_CLIP_LENGTHS = (5, 36)


def count_ifc_encoders(
    build_method: BuildMethod, advance: Advance = silent
) -> dict[str, dict[str, float]]:
    """IFC's table of encoders (NeurIPS 2021): G multiply-adds of the encoder alone for one clip.

    Counted from the method built with each kind of communication, R50 and M = 8 memory tokens;
    projection, decoder and heads are left out. Rows by communication, columns "360x640 T=5" to
    "720x1280 T=36".
    """
    table: dict[str, dict[str, float]] = {}
    for communication in COMMUNICATIONS:
        options = {"backbone": "r50", "communication": communication, "memory_tokens": 8}
        cell = Cell(method="ifc", options=options, dataset=DatasetConfig(name="ytvis2019"))
        counter = ShapeCounter(method_on_meta(build_method, cell, num_classes=40))
        row = table.setdefault(communication, {})
        for height, width in ENCODER_SIZES_HW:
            for length in ENCODER_CLIP_LENGTHS:
                count = counter.count_clip((height, width), length).all
                row[f"{height}x{width} T={length}"] = count.within("encoder") / GIGA
                advance()
    return table


def overview(reports: Iterable[FlopsReport], form: Format = "markdown") -> str:
    """Methods against clip lengths: G multiply-adds of a clip by itself, and per source frame.

    One row per method, options, stride and size of frame; one column per clip length.
    """
    reports = list(reports)
    per_clip = _by_clip_length(reports, lambda report: report.clip.all.total)
    per_frame = _by_clip_length(reports, lambda report: report.video.per_frame)
    return "\n".join(
        [
            "# Multiply-adds (G)\n",
            f"Convention {CONVENTION}: {CONVENTION_TEXT}. Twice these figures are FLOPs where a "
            "multiply-add counts two. The tracker and the run-length coding are not counted.\n",
            *_bound_note(reports),
            "## One clip of T frames by itself\n",
            render(per_clip, form),
            f"## Per source frame of a video of {NOMINAL_FRAMES} frames\n",
            "Every frame is encoded once, and predicted as often as clips hold it.\n",
            render(per_frame, form),
        ]
    )


def _bound_note(reports: list[FlopsReport]) -> list[str]:
    bounded = sorted({r.cell.method for r in reports if r.video.all.assumed_ops})
    if not bounded:
        return []
    return [
        f"Upper bounds ({', '.join(bounded)}): how many queries a method keeps depends on the "
        "frames, so masks are counted for as many as it may keep.\n"
    ]


def _by_clip_length(
    reports: Iterable[FlopsReport], macs: Callable[[FlopsReport], float]
) -> pd.DataFrame:
    rows: dict[tuple, dict[str, str]] = {}
    for report in reports:
        labels = _labels(report)
        row = rows.setdefault(tuple(labels.values()), labels)
        row[f"T={report.clip.num_frames}"] = f"{macs(report) / GIGA:.2f}"
    return table_of(rows.values()).fillna("-")


def _labels(report: FlopsReport) -> dict[str, Any]:
    height, width = report.size_HW
    others = {key: value for key, value in report.cell.options.items() if key != "backbone"}
    return {
        "Method": report.cell.method,
        "Backbone": report.backbone,
        "Options": ", ".join(f"{key}={value}" for key, value in sorted(others.items())) or "-",
        "Params (M)": f"{report.tree.num_params / 1e6:.2f}",
        "Frame": f"{height}x{width}",
        "Stride": str(report.cell.clip_stride),
    }
