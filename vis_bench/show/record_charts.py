"""Charts of records by name: AP against FPS, cost curves, a sweep, and one of each measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from vis_bench.charts import Chart, draw_each_inline, draw_inline
from vis_bench.errors import InputError
from vis_bench.measures.registry import MEASURES
from vis_bench.record.names import split_ablations
from vis_bench.record.schema import Record
from vis_bench.show.curves import cost_curves, curves_panels, has_curves
from vis_bench.show.speed_chart import SPEED_LAYOUT, speed_panels
from vis_bench.table.model import Page
from vis_bench.text import did_you_mean

if TYPE_CHECKING:  # it imports pandas
    from vis_bench.show.sweep import Sweep

LEADERBOARD, CURVES, SWEEP = "leaderboard", "curves", "sweep"
OF_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.panels is not None)
CHARTS = (LEADERBOARD, CURVES, SWEEP, *OF_MEASURES)
NAMED_SIZE = 4.1, 4.0  # inches of a panel: room for its names, and letters that a phone shows


def asked_sweep(
    name: str,
    records: Sequence[Record],
    rows: str | None,
    columns: str | None,
    value: str | None,
    where: Mapping[str, object] | None,
) -> Sweep | None:
    """Return the sweep that a table or chart of this name shows; None for another name.

    Raises:
        InputError: for fields with another name, and as `Sweep`.
    """
    fields = {"rows": rows, "columns": columns, "value": value}
    if name != SWEEP:
        for key, given in {**fields, "where": where}.items():
            if given:
                raise InputError(f"--{key} is an option of {SWEEP}; got {name}")
        return None
    if not isinstance(where, Mapping | None):
        raise InputError(f"--where is {where!r}; expected values by fields of records")
    from vis_bench.show.sweep import Sweep

    wanted = {key: str(own) for key, own in (where or {}).items()}
    return Sweep(records, rows or "", columns or "", value or "", wanted)


def charted_page(
    page: Page, name: str, records: Sequence[Record], sweep: Sweep | None = None
) -> Page:
    """Return the page of a measurement or sweep with its chart, if any, which HTML alone shows."""
    try:
        charted = sweep is not None or name in OF_MEASURES
        panels = record_chart(name, records, sweep=sweep).panels if charted else []
    except InputError:  # no values, or more lines than a chart holds
        panels = []
    if not panels:
        return page
    return page.with_charts(Markup("\n").join(draw_each_inline(panels, name, size=NAMED_SIZE)))


def inline_speed(records: Sequence[Record]) -> Markup | None:
    """Return AP against FPS of records, without published values, for HTML; None without both."""
    *panels, _ = speed_panels(split_ablations(records)[0])
    return draw_inline(panels, LEADERBOARD, columns=1, size=NAMED_SIZE) if panels else None


def record_chart(
    name: str, records: Sequence[Record], *, ablations: bool = False, sweep: Sweep | None = None
) -> Chart:
    """Return the chart of this name.

    Args:
        ablations: show trainings of an experiment in those of many methods, too.
        sweep: as `asked_sweep` returns.

    Raises:
        InputError: for another name, or records without such values.
    """
    if sweep is not None:
        from vis_bench.show.sweep_panels import sweep_panels

        return Chart(sweep_panels(sweep))
    if name in OF_MEASURES:
        panels = MEASURES[name].charted(records)
        if not panels:
            raise InputError(f"no record holds {name}, of {len(records)}")
        return Chart(panels)
    shown = records if ablations else split_ablations(records)[0]
    if name == LEADERBOARD:
        return Chart(speed_panels(shown), SPEED_LAYOUT)
    if name == CURVES:
        return _curves_chart(shown)
    meant = did_you_mean(str(name), CHARTS)
    raise InputError(f"{name!r} is not a chart{meant}; expected {', '.join(CHARTS)}")


def _curves_chart(records: Sequence[Record]) -> Chart:
    if not has_curves(records):
        raise InputError(
            f"{len(records)} records have cost at one clip length, stride and resolution; expected "
            "a sweep over one of them"
        )
    return Chart(curves_panels(cost_curves(records)))
