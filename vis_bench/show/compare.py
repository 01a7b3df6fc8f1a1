"""Comparison of two records or results files: paired intervals, and where AP is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.compare import Comparison, Difference, compare, difference_of
from vis_bench.metrics.errors import ErrorBreakdown
from vis_bench.metrics.half_samples import NUM_RESAMPLES
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import ACCURACY_TITLES, OBJECTS, TRACKING_TITLES
from vis_bench.runs.sources import Sources
from vis_bench.table import Format, render
from vis_bench.table.model import ABSENT, Column, Page, Table
from vis_bench.table.number_format import approximate, number, points, range_text
from vis_bench.text import count

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
            "error_differences": {k: asdict(row) for k, row in self._error_differences().items()},
        }

    def as_text(self, form: Format = "markdown") -> str:
        """The pages in a format."""
        return "\n".join(render(page, form) for page in self.pages())

    def pages(self) -> list[Page]:
        """The finding, then tables in points: all, tracking, hard objects, by category, changed
        videos, errors.
        """
        (first, second), comparison = self.names, self.comparison
        differences = (
            f"Differences are {second} minus {first}, in points. Intervals: 95 %, for the mean of "
            f"sets of as many videos, by {comparison.num_resamples} paired half-samples"
            f"{approximate(comparison.num_videos)}; p: two-sided t test of no difference."
        )
        parts = (
            "p: swap test of no difference (each video's two results exchanged at random), with "
            "Holm's correction over the rows; none where fewer than 3 videos hold an object."
        )
        tracking = (
            f"Of tracks with a score above {comparison.tracking_score_threshold:g}: HOTA, DetA, "
            "AssA, LocA and IDF1 over all detections, TETA averaged over the categories. The "
            "half-samples are those of AP."
        )
        by_range = {**comparison.by_level, **comparison.by_area}
        hard = {OBJECTS[name]: by_range[name] for name in OBJECTS if name in by_range}
        videos = f"AP of each video by itself; it differs in {len(comparison.videos)} videos."
        overall = {ACCURACY_TITLES[key]: row for key, row in comparison.overall.items()}
        tracked = {TRACKING_TITLES[key]: row for key, row in comparison.tracking.items()}
        pages = [
            Page(f"{first} against {second}", (self._full(overall),), {}, (differences,)),
            Page("Tracking", (self._full(tracked),), {}, (tracking,)),
            Page("Hard objects", (self._brief(hard, "Objects"),), {}, (parts,)),
            Page("By category", (self._brief(comparison.by_category, "Category"),), {}, (parts,)),
            Page("Videos that changed most", (self._videos(),), {}, (videos,)),
            Page(
                "Where AP is lost",
                (self._full(self._error_differences(), "Error"),),
                {},
                (_ERRORS_REMARK,),
            ),
        ]
        head = Page("", (), {}, (self.finding(), f"A: {first}", f"B: {second}"))
        return [head, *pages]

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
        ap = self.comparison.overall["ap"]
        if ap.difference is None or ap.low is None or ap.high is None:
            found = "no AP" if ap.difference is None else f"{_signed(ap.difference)} AP, B minus A"
            return f"No interval of the difference between A and B: {found}."
        if ap.is_noise:
            interval = range_text(ap.low, ap.high, signed=True)
            return (
                f"No measurable difference between A and B: B minus A is {_signed(ap.difference)} "
                f"AP, 95 %: {interval}."
            )
        word, sign = ("ahead of", 1) if ap.difference > 0 else ("behind", -1)
        low, high = sorted((sign * ap.low, sign * ap.high))
        return f"B is {points(sign * ap.difference)} AP {word} A, 95 %: {range_text(low, high)}."

    def _error_differences(self) -> dict[str, Difference]:
        """Differences of the AP that is lost to each kind of error."""
        first, second = self.errors
        return {
            kind: difference_of(
                first.samples[kind], second.samples[kind], self.comparison.num_videos
            )
            for kind in first.by_kind()
        }

    def _full(self, rows: Mapping[str, Difference], title: str = "Metric") -> Table:
        lines = [[name, *_cells(row, row.p_value)] for name, row in rows.items()]
        return Table.of(self._columns(title), lines)

    def _brief(self, parts: Mapping[str, Mapping[str, Difference]], title: str) -> Table:
        """A row per part that has objects: AP in full, of the others the difference."""
        others = [Column(f"{ACCURACY_TITLES[key]} diff") for key in _BRIEF]
        rows = [
            [
                name,
                *_cells(row["ap"], row["ap"].adjusted_p_value),
                *(_signed(row[key].difference) for key in _BRIEF),
            ]
            for name, row in parts.items()
            if row["ap"].first is not None
        ]
        return Table.of([*self._columns(title, "AP "), *others], rows)

    def _columns(self, title: str, prefix: str = "") -> list[Column]:
        titles = *(f"{prefix}{name}" for name in self.names), "Difference", "95 %", "p"
        return [Column(title, numeric=False), *map(Column, titles)]

    def _videos(self) -> Table:
        columns = map(Column, ("Id", *self.names, "Difference"))
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


_ERRORS_REMARK = (
    "Points of AP that repairing each kind of error gains, one after the other in this order; "
    "together all that is lost. identity: a track does not stay with one object, or not alone: "
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
                pair.truth,
                side.results,
                tracking_threshold=score_threshold,
                num_resamples=num_resamples,
                seed=seed,
                advance=advance,
            )
            for side in pair.sides
        )
    names = pair.sides[0].name, pair.sides[1].name
    return CompareReport(names, compare(first, second), (first.errors, second.errors))


def _cells(row: Difference, p_value: float | None) -> list[str]:
    interval = range_text(row.low, row.high, signed=True) or ABSENT
    sides = points(row.first), points(row.second)
    return [*sides, _signed(row.difference), interval, number(p_value, 3)]


def _one_digit(number: int) -> str:
    """A number of videos that is known by its first digit: 12,345 is 10,000."""
    return f"{int(float(f'{number:.0e}')):,}"


def _signed(fraction: float | None) -> str:
    return points(fraction, signed=True)
