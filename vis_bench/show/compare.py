"""Comparison of two records or results files: paired intervals, and where AP is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vis_bench.data.groups import read_groups
from vis_bench.metrics.compare import Comparison, Difference, compare, error_differences
from vis_bench.metrics.errors import ErrorBreakdown
from vis_bench.metrics.half_samples import NUM_RESAMPLES
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import OBJECTS, hard_objects, metric_titles
from vis_bench.runs.sources import Sources
from vis_bench.show.analyses import analyses, warnings_of
from vis_bench.show.groups import TESTED_REMARK, compared_rows
from vis_bench.table import Format, render, to_notebook
from vis_bench.table.model import ABSENT, Column, Page, Table
from vis_bench.table.number_format import approximate, bracketed, p_text, points, range_text
from vis_bench.text import count

NUM_VIDEOS_SHOWN = 3
_DIFFERENCE = "B - A"
_IN_NOTEBOOK = ("ap", "ap50", "ap75", "ar10", "hota", "idf1")
_PARTS_REMARK = (
    "p: swap test (each video's two results exchanged at random), Holm's correction over the "
    "kinds of objects and over the categories; none where fewer than 3 videos hold an object."
)


@dataclass(frozen=True, repr=False)
class CompareReport:
    """A comparison with each side's error breakdown; `limited_to` so many
    videos, if both were.
    """

    names: tuple[str, str]
    comparison: Comparison
    errors: tuple[ErrorBreakdown, ErrorBreakdown]
    limited_to: int | None = None
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_html_(self) -> str:
        """The finding and the main numbers, for a notebook."""
        numbers = self._numbers()
        rows = _by_title({key: numbers[key] for key in _IN_NOTEBOOK if key in numbers})
        return to_notebook.write(self.head().remarks, _table("", rows))

    def as_json(self) -> dict[str, Any]:
        """Everything, as fractions in plain types."""
        compared = asdict(self.comparison)
        if not compared["by_group"]:
            del compared["by_group"]
        return {
            "names": list(self.names),
            **compared,
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
            "error_differences": {k: asdict(row) for k, row in self._error_differences().items()},
            **({"warnings": list(self.warnings)} if self.warnings else {}),
        }

    def as_text(self, form: Format = "markdown") -> str:
        """The pages in a format."""
        return "\n".join(render(page, form) for page in self.pages())

    def pages(self) -> list[Page]:
        """The finding, then tables in points: all videos, objects and categories, changed videos,
        errors.
        """
        comparison = self.comparison
        by_range = _with_objects({**comparison.by_level, **comparison.by_area})
        hard = {OBJECTS[name]: by_range[name] for name in hard_objects(by_range)}
        objects, categories = (
            _table("Objects", {name: row["ap"] for name, row in rows.items()}, adjusted=True)
            for rows in (hard, _with_objects(comparison.by_category))
        )
        parts = replace(objects, rows=objects.rows + categories.rows)
        changed = f"{len(comparison.videos)} of {comparison.num_videos} differ"
        return [
            self.head(),
            self._overall_page(),
            *self._group_pages(),
            Page("AP of hard objects and by category", (parts,), {}, (_PARTS_REMARK,)),
            Page(f"Videos that changed most ({changed})", (self._videos(),)),
            Page(
                "Where AP is lost (docs/evaluate.md)", (_table("Error", self._error_differences()),)
            ),
        ]

    def head(self) -> Page:
        """The finding, and what A and B are."""
        first, second = self.names
        limited = self.limited_to and f" Both limited to {count(self.limited_to, 'video')}."
        return Page("", (), {}, (self.finding(), f"A: {first}. B: {second}.{limited or ''}"))

    def _numbers(self) -> dict[str, Difference]:
        """The numbers over all videos by field."""
        return {**self.comparison.overall, **self.comparison.tracking}

    def _overall_page(self) -> Page:
        comparison = self.comparison
        remark = (
            "B - A with its 95 % interval, for the mean of sets of as many videos, by "
            f"{comparison.num_resamples:,} paired half-samples{approximate(comparison.num_videos)};"
            " p: two-sided t test of no difference."
        )
        if comparison.tracking:
            remark += (
                " HOTA to IDF1 over all detections, TETA over categories; scores above "
                f"{comparison.tracking_score_threshold:g}."
            )
        title = f"{count(comparison.num_videos, 'video')}, in points"
        return Page(title, (_table("Metric", _by_title(self._numbers())),), {}, (remark,))

    def _group_pages(self) -> list[Page]:
        """A page with the groups that were asked for, or none."""
        if not (by_group := self.comparison.by_group):
            return []
        empty = [name for name, row in by_group.items() if row["ap"].first is None]
        remarks = [TESTED_REMARK, *(f"Group {name} has no object." for name in empty)]
        table = _table("Group", compared_rows(by_group), adjusted=True)
        return [Page("Groups of categories and videos", (table,), {}, tuple(remarks))]

    def power_text(self) -> str:
        """The power of the test of AP, as sentences."""
        power = self.comparison.power()
        if power is None:
            return "No power: the difference in AP does not vary over the videos."
        return (
            f"Power, of {count(power.num_videos, 'video')}: the difference in AP has a standard "
            f"deviation of {points(power.standard_deviation)} over such sets, and the smallest "
            "difference that a paired test at 5 % shows in 80 % of them is "
            f"{points(power.smallest_difference)} AP. To show 1 AP so takes some "
            f"{_one_digit(power.fewest_videos_for_one_point)} to "
            f"{_one_digit(power.most_videos_for_one_point)} videos like these."
        )

    def finding(self) -> str:
        """The difference in AP, with its interval, as a sentence."""
        return f"{finding_text(self.comparison.overall['ap'], self.names)}."

    def _error_differences(self) -> dict[str, Difference]:
        return error_differences(*self.errors, self.comparison.num_videos)

    def _videos(self) -> Table:
        columns = map(Column, ("Id", "A", "B", _DIFFERENCE))
        rows = [
            [
                video.name,
                str(video.id),
                points(video.first),
                points(video.second),
                _signed(video.difference),
            ]
            for video in self.comparison.videos[:NUM_VIDEOS_SHOWN]
        ]
        return Table.of([Column("Video", numeric=False), *columns], rows)


def finding_text(ap: Difference, names: Sequence[str]) -> str:
    """The difference in AP of two, with its interval, without a full stop."""
    first, second = names
    if ap.difference is None:
        return f"No AP of {first} and {second}"
    if ap.low is None or ap.high is None:
        moved = _signed(ap.difference)
        return f"No interval of the difference in AP between {first} and {second} (B - A: {moved})"
    if ap.is_noise:
        interval = bracketed(ap.low, ap.high, signed=True)
        return f"No measurable difference in AP between {first} and {second}{interval}"
    word = "ahead of" if ap.difference > 0 else "behind"
    interval = bracketed(*sorted((abs(ap.low), abs(ap.high))))
    return f"{second} is {points(abs(ap.difference))} AP {word} {first}{interval}"


def hold_boundary(sources: Sources) -> bool:
    """True for records that all hold boundary AP, which is then evaluated unasked."""
    return all(
        side.record is not None and side.record.boundary_ap is not None for side in sources.sides
    )


def compare_pair(
    pair: Sources,
    bars: Bars,
    *,
    score_threshold: float = SCORE_THRESHOLD,
    boundary: bool = False,
    groups: str | Path | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> CompareReport:
    """Analyses both sides and compares them.

    Args:
        score_threshold: tracks with a higher score take part in the tracking metrics.
        boundary: compares AP by masks and boundaries, too, as of records that all hold it.
        groups: as for `read_groups`.

    Raises:
        InputError: as `read_groups`, and for tracks that can only be a mistake, as `eval` refuses
            them.
    """
    chosen = () if groups is None else read_groups(groups, pair.truth)
    thresholds = [score_threshold] * 2
    first, second = analyses(
        pair,
        bars,
        thresholds,
        boundary=boundary or hold_boundary(pair),
        groups=chosen,
        num_resamples=num_resamples,
        seed=seed,
    )
    names = pair.sides[0].name, pair.sides[1].name
    errors = first.errors, second.errors
    found = warnings_of([first, second])
    return CompareReport(names, compare(first, second), errors, pair.limited_to, found)


def _by_title(numbers: Mapping[str, Difference]) -> dict[str, Difference]:
    return {title: numbers[key] for key, title in metric_titles(numbers).items()}


def _with_objects(
    parts: Mapping[str, Mapping[str, Difference]],
) -> dict[str, Mapping[str, Difference]]:
    return {name: row for name, row in parts.items() if row["ap"].first is not None}


def _table(title: str, rows: Mapping[str, Difference], *, adjusted: bool = False) -> Table:
    """A row per difference; `adjusted`: with the p-value that Holm's correction gives."""
    columns = [Column(title, numeric=False), *map(Column, ("A", "B", _DIFFERENCE, "95 %", "p"))]
    lines = [
        [name, *_cells(row, row.adjusted_p_value if adjusted else row.p_value)]
        for name, row in rows.items()
    ]
    return Table.of(columns, lines)


def _cells(row: Difference, p_value: float | None) -> list[str]:
    interval = range_text(row.low, row.high, signed=True) or ABSENT
    sides = points(row.first), points(row.second)
    return [*sides, _signed(row.difference), interval, p_text(p_value)]


def _one_digit(number: int) -> str:
    """A number of videos that is known by its first digit: 12,345 is 10,000."""
    return f"{int(float(f'{number:.0e}')):,}"


def _signed(fraction: float | None) -> str:
    return points(fraction, signed=True)
