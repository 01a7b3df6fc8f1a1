"""All charts of the house, drawn: one color and one marker per method, and no point moved far."""

import re
from importlib import import_module

import numpy as np
import pytest
from matplotlib.colors import to_hex

from paths import ROOT
from record_example import example_record, memory_fields, streaming_fields
from vis_bench.charts import PAPER, draw, look_of
from vis_bench.measures.registry import MEASURES
from vis_bench.show.curves import cost_curves, curves_panels
from vis_bench.show.gate.history_charts import Dot, history_panel
from vis_bench.show.speed_chart import speed_panels
from vis_bench.show.sweep import Sweep
from vis_bench.show.sweep_panels import sweep_panels

METHODS = "ifc", "seqformer", "ms_sts", "a plug-in"
LENGTHS = 5, 10, "whole"


def records(methods=METHODS):
    return [
        example_record(
            method=method,
            clip_length=length,
            clip_stride=None if length == "whole" else 1,
            fps=5.0 + n + place,
            ap=0.5 + 0.1 * n,
            ap_low=0.4,
            ap_high=0.9,
            config_sha256=f"{n}{place}" * 32,
            timed_region="model+tracker",
            **memory_fields(slope=1.0 + n + place),
            **streaming_fields(),
        )
        for n, method in enumerate(methods)
        for place, length in enumerate(LENGTHS)
    ]


def history_panels(method):
    dots = [Dot(n, 1.0 + n, 0.5, 5.0, f"m{n % 2}", f"c{n}", "") for n in range(4)]
    return [history_panel("AP", method, dots, [dot.machine for dot in dots])]


# The module of each chart that has methods' series, and what it draws.
CHARTS = {
    "measures.memory.table": lambda: MEASURES["memory"].charted(records()),
    "measures.streaming.table": lambda: MEASURES["streaming"].charted(records()),
    "show.curves": lambda: curves_panels(cost_curves(records())),
    "show.gate.history_charts": lambda: [p for m in METHODS for p in history_panels(m)],
    "show.speed_chart": lambda: speed_panels(records()),
    "show.sweep_panels": lambda: [
        panel
        for fields in (("clip_length", "method"), ("method", "clip_length"))
        for panel in sweep_panels(Sweep(records(), *fields, "ap", {}))
    ],
}
# A report has the looks of its sides, see test_report_charts; stages and differences over seeds
# have no method.
OTHERS = {"show.report.boundary", "show.report.plots", "measures.speed.table"}


@pytest.fixture
def figures(monkeypatch):
    """Figures that `draw` has drawn, in place of their bytes."""
    drawn = []
    monkeypatch.setattr(
        import_module("vis_bench.charts.draw"),
        "encode_figure",
        lambda figure, *_: drawn.append(figure) or b"",
    )
    return drawn


def test_every_module_that_makes_panels_is_here():
    folders = (ROOT / "vis_bench", ROOT / "results")
    found = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for folder in folders
        for path in folder.rglob("*.py")
        if re.search(r"\bSeries(\.of)?\(", path.read_text(encoding="utf-8"))
    }
    assert {name for name in found if not name.startswith("charts.")} == CHARTS.keys() | OTHERS


@pytest.mark.parametrize("name", CHARTS)
def test_a_method_has_its_color_and_marker_and_points_stay_at_their_category(name, figures):
    panels = CHARTS[name]()
    draw(panels, "svg")
    [figure] = figures
    seen = set()
    for panel, axis in zip(panels, figure.axes, strict=False):
        for series, line in zip(panel.series, axis.lines, strict=False):
            if series.kind == "dotted" or not series.method:
                continue
            look = look_of(series.method)
            seen.add(look)
            assert to_hex(line.get_color()) == PAPER.colors[look.color]
            assert line.get_marker() == look.marker
            at = line.get_ydata() if panel.is_sideways else line.get_xdata()
            moved = np.abs(np.asarray(at, float) - series.x)
            assert (moved <= (0.2 + 1e-9 if panel.categories else 0)).all()
    assert {look_of(method) for method in METHODS} <= seen
