"""The page of multiply-adds and its chart, counted from `configs/flops.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from vis_bench.show.flops import FlopsReport, most_alike, overview, report_flops

CONFIG = Path(__file__).parent.parent / "configs" / "flops.yaml"
COMMAND = "python results/refresh.py flops"
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
    """G multiply-adds per source frame by clip length, of the methods that the page's sentences
    are about.
    """
    shown, first, (backbone, (height, width)) = most_alike(reports)
    methods = {report.label: report.cell.method for report in reports}
    lengths = sorted({length for costs in shown.values() for length in costs})
    series = tuple(
        Series.of(
            _short(label),
            methods[label],
            [float(lengths.index(length)) for length in costs],
            [(cost / GIGA, None, None) for cost in costs.values()],
            is_hollow=_short(label) != label,
        )
        for label, costs in sorted(shown.items(), key=lambda row: methods[row[0]])
    )
    return Panel(
        _finding(shown, first),
        "frames in a clip",
        "G multiply-adds per frame",
        series,
        ylim=(0.0, None),
        categories=tuple(map(str, lengths)),
        names="legend",
        remark=f"{backbone_title(backbone)}, frames of {height}x{width}, a video of "
        f"{NUM_FRAMES} frames, clip stride 1: one clip of {NUM_FRAMES} overlaps none; "
        "*reconstruction.",
    )


def _finding(costs_by_label: Mapping[str, Mapping[int, float]], first: int) -> str:
    """A sentence on the method that overlapping clips cost most, beside clips of `first` frames."""
    times, label, length = max(
        (max(costs.values()) / costs[first], label, max(costs, key=costs.__getitem__))
        for label, costs in costs_by_label.items()
    )
    frames = "single frames" if first == 1 else f"clips of {first}"
    return f"Clips of {length} cost {_short(label)} {times:.1f} times as much as {frames}"


def _short(label: str) -> str:
    return label.replace(" (reconstruction)", "*")
