"""The chart of a sweep: a panel for each value, or AssA over DetA with curves of equal HOTA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vis_bench.charts import MOST_SERIES, Panel, Series
from vis_bench.errors import InputError
from vis_bench.record.metrics import ASSA, DETA, Metric
from vis_bench.record.schema import Record
from vis_bench.show.sweep import Lines, Sweep, Texts, field_title, is_number, order_of_texts
from vis_bench.table.model import ABSENT
from vis_bench.text import listed


def _value_title(sweep: Sweep, metric: Metric) -> str:
    """The metric, with what its bars are where any record has one."""
    title = metric.long_title or metric.title
    has_bars = metric.ends and any(map(metric.interval, sweep.records))
    return f"{title}, bars: {metric.ends_title}" if has_bars else title


def sweep_panels(sweep: Sweep) -> list[Panel]:
    """The grid as a chart, a panel for each value: a series per column, with intervals.

    Rows that are numbers go from left to right, joined; others stand below each other. Columns of
    one method have its color. DetA and AssA, where nothing else is shown, share a panel.

    Raises:
        InputError: if the grid has more columns than a chart can show.
    """
    axis, fields = sweep.axis
    lines = sweep.grid(axis, fields)
    if len(lines) > MOST_SERIES:
        named = listed([*map(field_title, fields)])
        raise InputError(
            f"{len(lines)} series, one for each {named}; expected at most {MOST_SERIES} in a "
            f"chart; narrow them with --where, e.g. {sweep.narrower}"
        )
    if {*sweep.values} == {DETA, ASSA}:
        return [_found_and_followed(sweep, lines)]
    rows = sorted(set().union(*lines.values()), key=order_of_texts)
    return [_panel(sweep, metric, lines, rows) for metric in sweep.values]


def _panel(sweep: Sweep, metric: Metric, lines: Lines, rows: Sequence[Texts]) -> Panel:
    are_numbers = any(is_number(text) for row in rows for text in row)
    kind = "line" if are_numbers else "points"
    series = []
    for texts, line in lines.items():
        at, values = [float(rows.index(row)) for row in line], map(metric.scaled, line.values())
        series.append(Series.of(x=at, values=values, kind=kind, **_look(sweep, texts, line)))
    best = _best_rows(sweep, metric, lines) if are_numbers else ""
    return Panel(
        best or sweep.title(metric),
        _row_title(sweep),
        _value_title(sweep, metric),
        tuple(series),
        categories=tuple(map(_row_text, rows)),
        is_sideways=not are_numbers,
        names="ends" if are_numbers else "legend",
    )


def _look(sweep: Sweep, texts: Texts, line: Mapping[Texts, Record]) -> dict[str, Any]:
    """Name and look of a line's series."""
    methods = {record.method for record in line.values()}
    return {
        "name": sweep.words(sweep.axis[1], texts),
        "method": methods.pop() if len(methods) == 1 else "",
        "is_hollow": all(record.reconstruction for record in line.values()),
    }


def _row_title(sweep: Sweep) -> str:
    return " / ".join(map(field_title, sweep.axis[0]))


def _row_text(row: Texts) -> str:
    return "/".join(text for text in row if text != ABSENT) or ABSENT


_MOST_NAMED = 4  # lines in a title


def _best_rows(sweep: Sweep, metric: Metric, lines: Lines) -> str:
    """The best row of each line; empty where lines are many, or no value is better than another."""
    if metric.higher_is_better is None or len(lines) > _MOST_NAMED:
        return ""
    choose, word = (max, "Highest") if metric.higher_is_better else (min, "Lowest")
    parts = []
    for texts, line in lines.items():
        row, record = choose(line.items(), key=lambda cell: metric.of(cell[1]) or 0.0)
        ends = metric.interval(record)
        value = metric.text(metric.of(record) or 0.0) + (f" ({' to '.join(ends)})" if ends else "")
        parts.append(f"{sweep.words(sweep.axis[1], texts)} {value} at {_row_text(row)}")
    what = metric.long_title or metric.title
    return f"{word} {what} by {_row_title(sweep)}: {', '.join(parts)}"


_STEPS, _APART = 24, 5  # points of a curve of equal HOTA, and from one such curve to the next


def _found_and_followed(sweep: Sweep, lines: Lines) -> Panel:
    """AssA over DetA with curves of equal HOTA, which is the root of their product at every
    threshold; of their means, so approximate.
    """
    series = []
    for texts, line in lines.items():
        known = {row: r for row, r in line.items() if None not in (DETA.of(r), ASSA.of(r))}
        at = [100 * (record.deta or 0.0) for record in known.values()]
        values, labels = map(ASSA.scaled, known.values()), tuple(map(_row_text, known))
        series.append(Series.of(x=at, values=values, labels=labels, **_look(sweep, texts, line)))
    at, heights = ([v for s in series for v in getattr(s, side)] for side in ("x", "y"))
    (left, right), (low, high) = _with_room(at), _with_room(heights)
    curves = []
    for hota in range(_APART, 100, _APART):
        start, end = max(left, hota**2 / high), min(right, hota**2 / low)
        if start < end:
            found = tuple(np.linspace(start, end, _STEPS).tolist())
            kept, labels = tuple(hota**2 / x for x in found), (str(hota), *[""] * (_STEPS - 1))
            curves.append(Series("HOTA", "", found, kept, labels=labels, kind="dotted"))
    above = {r.tracking_score_threshold for r in sweep.records}
    counted = f", score above {above.pop():g}" if len(above) == 1 and None not in above else ""
    return Panel(
        _changes(sweep, series) or sweep.title(DETA, ASSA),
        f"DetA: objects found{counted}",
        "AssA: identities kept",
        (*series, *curves),
        xlim=(left, right),
        ylim=(low, high),
        remark="dotted: equal HOTA, by means, so approximate",
    )


def _with_room(values: Sequence[float]) -> tuple[float, float]:
    least, most = min(values), max(values)
    room = max(1.0, 0.12 * (most - least))
    return max(1.0, least - room), most + room


def _changes(sweep: Sweep, series: Sequence[Series]) -> str:
    """What the last row changes against the first; empty where lines differ in those."""
    ends = {(own.labels[0], own.labels[-1]) for own in series if own.labels}
    if len(ends) != 1 or len({*next(iter(ends))}) < 2 or len(series) > _MOST_NAMED:
        return ""
    parts = []
    for own in series:
        found, kept = own.x[-1] - own.x[0], own.y[-1] - own.y[0]
        changes = [(found, "finds {} objects", "DetA"), (kept, "keeps {} identities", "AssA")]
        changes.sort(key=lambda change: -abs(change[0]))
        (most, words, _), *_ = changes
        figures = ", ".join(f"{name} {change:+.1f}" for change, _, name in changes)
        parts.append(f"{own.name} {words.format('more' if most > 0 else 'fewer')} ({figures})")
    return f"From {_row_title(sweep)} {' to '.join(*ends)}, {', '.join(parts)}"
