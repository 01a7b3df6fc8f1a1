"""Charts of records by name: AP against FPS, cost curves, and one of each measurement."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.charts import Chart
from vis_bench.errors import InputError
from vis_bench.measures.registry import MEASURES
from vis_bench.record.names import split_ablations
from vis_bench.record.schema import Record
from vis_bench.show.curves import cost_curves, curves_panels, has_curves
from vis_bench.show.speed_chart import SPEED_LAYOUT, speed_panels
from vis_bench.text import did_you_mean

LEADERBOARD, CURVES = "leaderboard", "curves"
OF_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.panels is not None)
CHARTS = (LEADERBOARD, CURVES, *OF_MEASURES)


def record_chart(name: str, records: Sequence[Record], *, ablations: bool = False) -> Chart:
    """Return the chart of this name.

    Args:
        ablations: show trainings of an experiment in those of many methods, too.

    Raises:
        InputError: for another name, or records without such values.
    """
    if name in OF_MEASURES:
        panels = MEASURES[name].charted(records)
        if not panels:
            raise InputError(f"no record holds {name}, of {len(records)}")
        return Chart(panels)
    shown = records if ablations else split_ablations(records)[0]
    if name == LEADERBOARD:
        return Chart(speed_panels(shown), SPEED_LAYOUT)
    if name != CURVES:
        meant = did_you_mean(str(name), CHARTS)
        raise InputError(f"{name!r} is not a chart{meant}; expected {', '.join(CHARTS)}")
    if not has_curves(shown):
        raise InputError(
            f"{len(shown)} records have cost at one clip length, stride and resolution; expected a "
            "sweep over one of them"
        )
    return Chart(curves_panels(cost_curves(shown)))
