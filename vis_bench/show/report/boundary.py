"""AP by masks against AP by masks and their boundaries, as a chart and in words."""

from __future__ import annotations

from vis_bench.charts import Panel, Series
from vis_bench.metrics.compare import Analysis
from vis_bench.metrics.scores import Difference, Score, difference_of
from vis_bench.record.metrics import AP, AP50, AP75, BOUNDARY_AP
from vis_bench.show.report.sides import LETTERS, Numbers, Sides
from vis_bench.table.number_format import points, range_text

_SHOWN = (AP, AP50, AP75)


def boundary_panel(sides: Sides) -> Panel | None:
    """Boundary AP over AP, over all IoU thresholds and at 0.5 and 0.75, in points; None where one
    was not measured.
    """
    if not _measured(sides):
        return None
    series = [_series(letter, own) for letter, own in zip(LETTERS, sides.samples, strict=False)]
    equal = Series("as good as masks", "", (0.0, 100.0), (0.0, 100.0), kind="dotted")
    texts = [f"{points(b.value)} of AP {points(a.value)}" for a, b in map(_both, sides.samples)]
    return Panel(
        "",
        AP.title,
        BOUNDARY_AP.title,
        (*series, equal),
        xticks=tuple(map(float, range(0, 101, 20))),
        xlim=(0.0, 102.0),
        ylim=(0.0, 102.0),
        names="legend" if sides.is_pair else "none",
        alt=f"Boundary AP over AP: {' and '.join(texts)}.",
    )


def boundary_findings(sides: Sides) -> list[str]:
    """Sentences on what boundaries cost each side, and whether they cost one of two more; none
    where one was not measured.
    """
    if not _measured(sides):
        return []
    both = [_both(own) for own in sides.samples]
    costs = [narrow.minus(ap) for ap, narrow in both]
    found = [
        f"AP{letter and f' of {letter}'} is {points(cost.first)} by masks and "
        f"{points(cost.second)} by boundaries, {_in_words(cost, 'lower', 'higher')}."
        for letter, cost in zip(sides.letters, costs, strict=True)
    ]
    if sides.is_pair:
        first, second = ((ap.samples_S, narrow.samples_S) for ap, narrow in both)
        moved = difference_of(first[0] - first[1], second[0] - second[1], sides.num_videos)
        found.append(_contrast_text(moved))
    return found


def _both(own: Analysis) -> tuple[Score, Score]:
    return own.overall[AP.field], own.overall[BOUNDARY_AP.field]


def _measured(sides: Sides) -> bool:
    """True where every side has both values."""
    overall = [own.overall for own in sides.samples]
    keys = AP.field, BOUNDARY_AP.field
    return all(key in own and own[key].value is not None for own in overall for key in keys)


def _series(letter: str, own: Analysis) -> Series:
    """The points of one side, with the intervals of boundary AP."""
    overall = own.overall
    return Series.of(
        letter,
        letter,
        [100 * (overall[metric.field].value or 0.0) for metric in _SHOWN],
        [Numbers("", [overall[f"boundary_{metric.field}"]]).drawn for metric in _SHOWN],
        kind="points",
        labels=tuple(metric.title for metric in _SHOWN),
    )


def _contrast_text(moved: Difference) -> str:
    found = _in_words(moved, "less", "more")
    return f"What boundaries cost B, compared with what they cost A: {found}."


def _in_words(moved: Difference, fall: str, rise: str) -> str:
    """A difference with its interval, and its direction where the interval has one."""
    if moved.interval is None:
        return f"a difference of {points(moved.difference, signed=True)} points without an interval"
    low, high = moved.interval
    ends = f"95 %: {range_text(low, high, signed=True)}"
    if low <= 0 <= high:
        size = points(moved.difference, signed=True)
        return f"no measurable difference ({size} points, {ends})"
    return f"{points(abs(moved.difference or 0.0))} points {rise if low > 0 else fall} ({ends})"
