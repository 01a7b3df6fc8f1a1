"""The page of multiply-adds and its chart, counted from `configs/flops.yaml`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from chart_twins import Chart
from methods import build_method
from vis_bench.charts import Panel, Series
from vis_bench.data.nominal import NUM_FRAMES
from vis_bench.files import write_atomically
from vis_bench.measures.flops.counter import GIGA
from vis_bench.progress import Bars
from vis_bench.record.names import backbone_title
from vis_bench.runs.config import load_cells
from vis_bench.show.flops import FlopsReport, overview, report_flops

CONFIG = Path(__file__).parent.parent / "configs" / "flops.yaml"
COMMAND = "python results/refresh.py flops"
# Of the chart.
BACKBONE, SIZE_HW = "r50", (360, 640)
_WORDS = "Multiply-adds per frame by clip length"


def write_flops(folder: Path) -> list[str]:
    """Counts all cells and writes the page and its chart; returns a line per file."""
    cells = load_cells(CONFIG)
    with Bars().bar("flops", len(cells)) as advance:
        reports = list(report_flops(build_method, cells, advance))
    own = folder / "flops"
    own.mkdir(exist_ok=True)
    chart = Chart(own / "flops", [flops_panel(reports)], height=3.9)
    text = overview(reports, COMMAND, chart.markup(_WORDS, own))
    contents = {own / "README.md": text.encode(), **chart.drawn()}
    for path, content in contents.items():
        write_atomically(path, content)
    return [f"wrote {path}" for path in contents]


def flops_panel(reports: Sequence[FlopsReport]) -> Panel:
    """Multiply-adds per source frame of the methods with ResNet-50, by clip length."""
    shown: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for report in reports:
        if report.backbone == BACKBONE and report.cost.size_HW == SIZE_HW:
            name = report.label.replace(" (reconstruction)", "*")
            giga = report.cost.video.per_frame / GIGA
            shown[report.cell.method, name][report.cost.clip.num_frames] = giga
    lengths = sorted({length for costs in shown.values() for length in costs})
    series = tuple(
        Series.of(
            name,
            method,
            [float(lengths.index(length)) for length in costs],
            [(cost, None, None) for cost in costs.values()],
            is_hollow=name.endswith("*"),
        )
        for (method, name), costs in sorted(shown.items())
    )
    return Panel(
        _finding({name: costs for (_, name), costs in shown.items()}),
        "frames in a clip",
        "G multiply-adds per frame",
        series,
        ylim=(0.0, None),
        categories=tuple(map(str, lengths)),
        names="legend",
        remark=f"{backbone_title(BACKBONE)}, frames of {SIZE_HW[0]}x{SIZE_HW[1]}, a video of "
        f"{NUM_FRAMES} frames, clip stride 1: one clip of {NUM_FRAMES} overlaps none; "
        "*reconstruction.",
    )


def _finding(costs_by_name: dict[str, dict[int, float]]) -> str:
    """A sentence on the method that the most overlapping clips cost most."""
    times, name, length = max(
        (max(costs.values()) / costs[1], name, max(costs, key=costs.__getitem__))
        for name, costs in costs_by_name.items()
        if 1 in costs
    )
    return f"Clips of {length} cost {name} {times:.1f} times as much as single frames"
