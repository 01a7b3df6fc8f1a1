"""What `compare` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.bootstrap import NUM_RESAMPLES
from vis_bench.metrics.compare import Comparison, Difference, compare
from vis_bench.metrics.error_breakdown import ERRORS, IDENTITY_ERRORS, ErrorBreakdown
from vis_bench.metrics.tracking.protocol import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.records.metrics import ACCURACY_TITLES, TRACKING_TITLES
from vis_bench.runs.sources import Sources
from vis_bench.show.tables import Format, render
from vis_bench.show.tables.model import ABSENT, Column, Page, Table

NUM_VIDEOS_SHOWN = 10
_BRIEF = ("ap50", "ap75", "ar100")


@dataclass(frozen=True)
class CompareReport:
    """A comparison with each side's error breakdown."""

    names: tuple[str, str]
    comparison: Comparison
    errors: tuple[ErrorBreakdown, ErrorBreakdown]

    def as_json(self) -> dict[str, Any]:
        """Everything, as fractions in plain types."""
        return {
            "names": list(self.names),
            **asdict(self.comparison),
            "errors": [
                {
                    "ap": side.ap,
                    "gains": side.gains,
                    "shares": side.shares(),
                    "identity_gains": side.identity_gains,
                    "identity_shares": side.identity_shares(),
                }
                for side in self.errors
            ],
        }

    def as_text(self, form: Format = "markdown") -> str:
        """Tables in points: all, tracking, by area, by category, changed videos, errors."""
        first, second = self.names
        remark = (
            f"Differences are {second} minus {first}, in points. Intervals: 95 %, paired bootstrap "
            f"over videos, {self.comparison.num_resamples} resamples; p: two-sided, of no "
            "difference. Of 20 categories without any difference one shows p below 0.05."
        )
        pages = [
            Page(f"{first} against {second}", (_full(self),), {}, (remark,)),
            Page("Tracking", (_tracking(self),), {}, (_tracking_remark(self),)),
            Page("By area", (_brief(self, self.comparison.by_area, "Area"),), {}),
            Page("By category", (_brief(self, self.comparison.by_category, "Category"),), {}),
            Page("Videos that changed most", (_videos(self),), {}, (_videos_remark(self),)),
            Page("Where AP is lost", (_errors(self),), {}, (_ERRORS_REMARK,)),
        ]
        return "\n".join(render(page, form) for page in pages)


_ERRORS_REMARK = (
    "Points of AP that repairing each kind of error gains, one after the other in this order, and "
    "its share of all that is lost. identity: a track does not stay with one object, or not alone: "
    "it follows several objects over time (switch), other tracks follow its object in other frames "
    "(fragment), or its mask leaves its object for nothing (drift). class: the object is found "
    "under another category. mask quality: the object is found, at less than full overlap. "
    "duplicate: another track has found the object. background: no object is there. missed: no "
    "track finds the object."
)


def compare_pair(
    pair: Sources,
    bars: Bars,
    *,
    score_threshold: float = SCORE_THRESHOLD,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> CompareReport:
    """Analyses both sides and compares them.

    Args:
        score_threshold: tracks with a higher score take part in the tracking metrics.

    Raises:
        InputError: for tracks that can only be a mistake, as `eval` refuses them.
    """
    with bars.bar("resampling", 2 * len(pair.truth.categories)) as advance:
        first, second = (
            analyse(
                pair.truth, side.results, tracking_threshold=score_threshold,
                num_resamples=num_resamples, seed=seed, advance=advance,
            )
            for side in pair.sides
        )  # fmt: skip
    names = pair.sides[0].name, pair.sides[1].name
    return CompareReport(names, compare(first, second), (first.errors, second.errors))


def _full(report: CompareReport) -> Table:
    rows = [[ACCURACY_TITLES[key], *_cells(row)] for key, row in report.comparison.overall.items()]
    return Table.of(_columns(report, "Metric"), rows)


def _tracking(report: CompareReport) -> Table:
    rows = [[TRACKING_TITLES[key], *_cells(row)] for key, row in report.comparison.tracking.items()]
    return Table.of(_columns(report, "Metric"), rows)


def _tracking_remark(report: CompareReport) -> str:
    threshold = report.comparison.tracking_score_threshold
    return (
        f"Of tracks with a score above {threshold:g}: HOTA, DetA, AssA, LocA and IDF1 over all "
        "detections, TETA averaged over the categories. The resamples are those of AP."
    )


def _brief(
    report: CompareReport, parts: Mapping[str, Mapping[str, Difference]], title: str
) -> Table:
    """A row per part that has objects: AP in full, of the others the difference."""
    columns = [
        *_columns(report, title, "AP "),
        *(Column(f"{ACCURACY_TITLES[key]} diff") for key in _BRIEF),
    ]
    rows = [
        [name, *_cells(row["ap"]), *(_signed(row[key].difference) for key in _BRIEF)]
        for name, row in parts.items()
        if row["ap"].first is not None
    ]
    return Table.of(columns, rows)


def _columns(report: CompareReport, title: str, prefix: str = "") -> list[Column]:
    sides = (Column(f"{prefix}{name}") for name in report.names)
    return [Column(title, numeric=False), *sides, Column("Difference"), Column("95 %"), Column("p")]


def _cells(row: Difference) -> list[str]:
    interval = ABSENT if row.low is None else f"{_signed(row.low)} to {_signed(row.high)}"
    p_value = ABSENT if row.p_value is None else f"{row.p_value:.3f}"
    return [_points(row.first), _points(row.second), _signed(row.difference), interval, p_value]


def _videos(report: CompareReport) -> Table:
    columns = [Column("Video", numeric=False), Column("Id"), *map(Column, report.names)]
    rows = [
        [video.name, str(video.id), _points(video.first), _points(video.second),
         _signed(video.difference)]
        for video in report.comparison.videos[:NUM_VIDEOS_SHOWN]
    ]  # fmt: skip
    return Table.of([*columns, Column("Difference")], rows)


def _videos_remark(report: CompareReport) -> str:
    return f"AP of each video by itself; it differs in {len(report.comparison.videos)} videos."


def _errors(report: CompareReport) -> Table:
    columns = [Column("Error", numeric=False)]
    for name in report.names:
        columns += [Column(f"{name} points"), Column(f"{name} share")]
    rows = []
    for kind in ERRORS:
        rows.append([kind, *_gain_cells([(e.gains, e.shares()) for e in report.errors], kind)])
        for part in IDENTITY_ERRORS if kind == "identity" else ():
            sides = [(e.identity_gains, e.identity_shares()) for e in report.errors]
            rows.append([f"{kind}: {part}", *_gain_cells(sides, part)])
    return Table.of(columns, rows)


def _gain_cells(
    sides: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], kind: str
) -> list[str]:
    """Gain and share of one kind of error on each side."""
    return [
        text
        for gains, shares in sides
        for text in (f"{100 * gains[kind] + 0.0:.1f}", f"{100 * shares[kind]:.0f} %")
    ]


def _points(fraction: float | None) -> str:
    return ABSENT if fraction is None else f"{100 * fraction:.1f}"


def _signed(fraction: float | None) -> str:
    return ABSENT if fraction is None else f"{100 * fraction:+.1f}"
