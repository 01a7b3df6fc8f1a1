"""Comparison of records or results files: of two where AP is lost, of several a row each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

from vis_bench.data.doubts import limit_remarks
from vis_bench.errors import InputError
from vis_bench.metrics.compare import (
    Analysis,
    Comparison,
    analyse,
    compare,
    error_differences,
    warnings_of,
)
from vis_bench.metrics.errors import ErrorBreakdown
from vis_bench.metrics.scores import (
    BRIEF,
    IN_POINTS,
    SHOWN,
    TESTED,
    Asked,
    Difference,
    Score,
    by_part,
    with_holm,
)
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.metrics import OBJECTS, hard_objects, metric_titles, title_of
from vis_bench.record.names import shared_max_tracks
from vis_bench.runs.sources import Sources
from vis_bench.table import Format, render, to_notebook
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import (
    approximate,
    bracketed,
    p_text,
    points,
    points_entry,
    range_text,
)
from vis_bench.text import count

COMPARED = Asked(tracking_threshold=SCORE_THRESHOLD)
# What narrow tables leave out first.
_WEIGHTS = {"ap50": 5, "ap75": 3, "ar10": 4, "boundary_ap": 1, "hota": 1}
_AHEAD, _BEHIND, _NO_DIFFERENCE = "Ahead of", "Behind", "No measurable difference from"
NUM_VIDEOS_COMPARED = 3
_DIFFERENCE = "B - A"
_IN_NOTEBOOK = ("ap", "ap50", "ap75", "ar10", "hota", "idf1")
_PARTS_REMARK = (
    "p: swap test (each video's two results exchanged at random), Holm's correction over the "
    "kinds of objects and over the categories; none where fewer than 3 videos hold an object."
)
_TRACKED_REMARK = " HOTA to IDF1 over all detections, TETA over categories; scores above"
_GROUPS_REMARK = "p: two-sided t test of no difference, Holm's correction over the groups."


@dataclass(frozen=True, repr=False)
class CompareReport:
    """A comparison with each side's error breakdown, and differences of what is `lost` to each
    kind; `limited_to` so many videos, if both were.
    """

    names: tuple[str, str]
    comparison: Comparison
    errors: tuple[ErrorBreakdown, ErrorBreakdown]
    lost: Mapping[str, Difference]
    limited_to: int | None = None
    warnings: Sequence[str] = ()
    max_tracks: int | None = None

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
        return {
            "names": list(self.names),
            **{key: value for key, value in compared.items() if value or key != "by_group"},
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
            "error_differences": {kind: asdict(row) for kind, row in self.lost.items()},
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            **({"max_tracks": self.max_tracks} if self.max_tracks else {}),
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
        return [
            self.head(),
            self._overall_page(),
            *self._group_pages(),
            Page("AP of hard objects and by category", (parts,), {}, (_PARTS_REMARK,)),
            self._videos_page(),
            Page("Where AP is lost (docs/evaluate.md)", (_table("Error", self.lost),)),
        ]

    def head(self) -> Page:
        """The finding, and what A and B are."""
        first, second = self.names
        limited = self.limited_to and f" Both limited to {count(self.limited_to, 'video')}."
        sides = f"A: {first}. B: {second}.{limited or ''}"
        return Page("", (), {}, (self.finding(), sides, *limit_remarks(self.max_tracks)))

    def _numbers(self) -> dict[str, Difference]:
        """The numbers over all videos by field."""
        rows = {**self.comparison.overall, **self.comparison.tracking}
        return {key: row.scaled(IN_POINTS.get(key, 1.0)) for key, row in rows.items()}

    def _overall_page(self) -> Page:
        comparison = self.comparison
        remark = (
            "B - A with its 95 % interval, for the mean of sets of as many videos, by "
            f"{comparison.num_resamples:,} paired half-samples{approximate(comparison.num_videos)};"
            " p: two-sided t test of no difference."
        )
        if comparison.tracking:
            remark += f"{_TRACKED_REMARK} {comparison.tracking_score_threshold:g}."
        title = f"{count(comparison.num_videos, 'video')}, in points"
        return Page(title, (_table("Metric", _by_title(self._numbers())),), {}, (remark,))

    def _group_pages(self) -> list[Page]:
        """A page with the groups that were asked for, or none."""
        if not (by_group := self.comparison.by_group):
            return []
        empty = [name for name, row in by_group.items() if row["ap"].first is None]
        rows = {
            f"{name}, {title_of(key)}": row[key]
            for name, row in by_group.items()
            for key in BRIEF
            if name not in empty
        }
        table = _table("Group", rows, adjusted=True)
        remarks = (_GROUPS_REMARK, *_empty_remarks(empty))
        return [Page("Groups of categories and videos", (table,), {}, remarks)]

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

    def _videos_page(self) -> Page:
        """The videos that lost most, then those that gained most."""
        changed = self.comparison.videos
        sides = [v for v in changed if v.difference < 0], [v for v in changed if v.difference > 0]
        title = f"Videos whose own AP changed most ({len(changed)} of {self.comparison.num_videos})"
        columns = Column("Video", numeric=False), *map(Column, ("Id", "A", "B", _DIFFERENCE))
        rows = [
            [v.name, str(v.id), points(v.first), points(v.second), _signed(v.difference)]
            for side in sides
            for v in side[:NUM_VIDEOS_COMPARED]
        ]
        return Page(title, (Table.of(columns, rows),))


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


@dataclass(frozen=True)
class SideRow:
    """Numbers of one side by metric, and differences from the first side, where it is another.

    Attributes:
        groups: the same of each group of categories or videos.
    """

    name: str
    scores: Mapping[str, Score]
    against_first: Mapping[str, Difference]
    groups: Mapping[str, SideRow] = field(default_factory=dict)

    def entries(self, key: str) -> list[Entry]:
        """The cells of one number."""
        cells = [Entry(ABSENT)]
        factor = IN_POINTS.get(key, 1.0)
        if (score := self.scores.get(key)) is not None:
            score = score.scaled(factor)
            cells = [points_entry(score.value, score.interval)]
        if key in TESTED:
            moved = self.against_first.get(key, Difference()).scaled(factor)
            cells.append(points_entry(moved.difference, moved.interval, signed=True))
            cells.append(Entry(p_text(moved.adjusted_p_value)))
        return cells

    def as_json(self) -> dict[str, Any]:
        """Everything, as fractions in plain types."""
        groups = {name: own.as_json() for name, own in self.groups.items()}
        return {
            "name": self.name,
            "values": {key: score.value for key, score in self.scores.items()},
            "intervals": {key: score.interval for key, score in self.scores.items()},
            "against_first": {key: asdict(moved) for key, moved in self.against_first.items()},
            **({"groups": groups} if groups else {}),
        }


@dataclass(frozen=True, repr=False)
class AgainstFirst:
    """The ablation table of a paper: rows, the first of which the others are compared with."""

    rows: Sequence[SideRow]
    num_videos: int
    num_resamples: int
    tracking_score_threshold: float
    limited_to: int | None = None
    warnings: Sequence[str] = ()
    max_tracks: int | None = None

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_html_(self) -> str:
        """The finding and the table, for a notebook."""
        return to_notebook.write([self.finding()], self.page().tables[0])

    def as_text(self, form: Format = "markdown") -> str:
        """The finding and the table in a format; the table alone in CSV."""
        return render(self.page(), form)

    def as_json(self) -> dict[str, Any]:
        """Everything, as fractions in plain types."""
        optional = "warnings", "max_tracks"
        content = {key: own for key, own in vars(self).items() if own or key not in optional}
        return {**content, "rows": [row.as_json() for row in self.rows]}

    def finding(self) -> str:
        """The rows ahead of the first in AP, behind it, and neither, by Holm's correction."""
        first, *others = self.rows
        corrected = "corrected " * (len(others) > 1)
        groups: dict[str, list[str]] = {word: [] for word in (_AHEAD, _BEHIND, _NO_DIFFERENCE)}
        for row in others:
            moved = row.against_first["ap"]
            ahead = _AHEAD if (moved.difference or 0.0) > 0 else _BEHIND
            named = f"{row.name} ({_signed(moved.difference)}"
            if ends := range_text(moved.low, moved.high, signed=True):
                named += f", 95 %: {ends}, {corrected}p {p_text(moved.adjusted_p_value)}"
            groups[ahead if moved.is_significant else _NO_DIFFERENCE].append(f"{named})")
        found = {word: ", ".join(names) for word, names in groups.items() if names}
        return " ".join(f"{word} {first.name} in AP: {names}." for word, names in found.items())

    def page(self) -> Page:
        """The table in points."""
        first, keys = self.rows[0], list(self.rows[0].scores)
        columns = [Column("Name", numeric=False)]
        columns += [Column("Group", numeric=False)] * bool(first.groups)
        for key in keys:
            title, weight = title_of(key), _WEIGHTS.get(key, 0)
            columns.append(Column(title, has_interval=key in TESTED, key=key, weight=weight))
            if key in TESTED:
                gain = Column(f"{title} gain", has_interval=True, key=f"{key}_gain", weight=weight)
                p_value = Column(f"{title} p", key=f"{key}_p", weight=weight and weight + 1)
                columns += [gain, p_value]
        groups = {"all": self.rows} if first.groups else {"": self.rows}
        groups |= {name: [row.groups[name] for row in self.rows] for name in first.groups}
        cells = [
            [Entry(row.name), *[Entry(group)] * bool(group), *chain(*map(row.entries, keys))]
            for group, rows in groups.items()
            for row in rows
        ]
        limited = self.limited_to and f" All limited to {count(self.limited_to, 'video')}."
        remarks = (
            f"Gain: minus {self.rows[0].name}, in points. 95 %: interval for the mean of sets of "
            f"as many videos, by {self.num_resamples:,} half-samples (paired for gains)"
            f"{approximate(self.num_videos)}. p: two-sided t test of no gain, Holm's correction "
            f"over the rows{' of each group' * bool(first.groups)}.",
            f"{count(self.num_videos, 'video')}; HOTA of scores above "
            f"{self.tracking_score_threshold:g}.{limited or ''}",
            *limit_remarks(self.max_tracks),
            *_empty_remarks(
                n for n, own in first.groups.items() if not own.scores["ap"].num_objects
            ),
        )
        return Page("", (Table.of(columns, cells),), {}, remarks, (self.finding(),))


def analyses(sources: Sources, bars: Bars, *asked: Asked) -> Iterator[Analysis]:
    """Yield the analysis of each side, below one progress bar.

    Args:
        asked: of all sides, or of each. Boundaries are evaluated unasked, too, for records that all
            hold boundary AP.

    Raises:
        InputError: as `read_groups`, and for tracks that can only be a mistake, as `eval` refuses
            them.
    """
    records = [side.record for side in sources.sides]
    recorded = all(r is not None and r.boundary_ap is not None for r in records)
    held = {thing.category_id for thing in sources.truth.objects if not thing.is_crowd}
    most = asked[0].max_tracks or shared_max_tracks([r for r in records if r is not None])
    groups = asked[0].chosen(sources.truth)
    with bars.bar("resampling", len(records) * len(held)) as advance:
        for place, side in enumerate(sources.sides):
            own = asked[place % len(asked)]
            own = replace(own, groups=groups, boundary=own.boundary or recorded, max_tracks=most)
            yield analyse(sources.truth, side.results, own, advance)


def compare_sides(
    sources: Sources, bars: Bars, asked: Asked = COMPARED, *, in_one_table: bool = False
) -> CompareReport | AgainstFirst:
    """Compare two in all detail; more, or two `in_one_table`, with a row each. One is refused."""
    if len(sources.sides) < 2:
        raise InputError("all files belong to one run; expected two or more runs to compare")
    as_rows = in_one_table or len(sources.sides) > 2
    return (compare_with_first if as_rows else compare_pair)(sources, bars, asked)


def compare_pair(pair: Sources, bars: Bars, asked: Asked = COMPARED) -> CompareReport:
    """Analyse both sides on the same half-samples, and compare them in all detail."""
    first, second = analyses(pair, bars, asked)
    names = pair.sides[0].name, pair.sides[1].name
    errors, lost = (first.errors, second.errors), error_differences(first, second)
    found = warnings_of([first, second])
    most, limit = first.evaluation.asked.max_tracks, pair.limited_to
    return CompareReport(names, compare(first, second), errors, lost, limit, found, most)


def compare_with_first(sources: Sources, bars: Bars, asked: Asked = COMPARED) -> AgainstFirst:
    """Analyse all sides on the same half-samples, and compare each with the first."""
    names = [side.name for side in sources.sides]
    analysed = list(analyses(sources, bars, asked))
    parts = [by_part(own.scores, "group") for own in analysed]
    keys = (*SHOWN, *asked.plain)
    groups = {name: _rows(names, [own[name] for own in parts], keys) for name in parts[0]}
    rows = [
        replace(row, groups={name: own[place] for name, own in groups.items()})
        for place, row in enumerate(_rows(names, [own.overall for own in analysed], keys))
    ]
    common = len(sources.truth.videos), asked.num_resamples, asked.tracking_threshold or 0.0
    found, most = warnings_of(analysed), analysed[0].evaluation.asked.max_tracks
    return AgainstFirst(rows, *common, sources.limited_to, found, most)


def _rows(
    names: Sequence[str], sides: Sequence[Mapping[str, Score]], keys: Sequence[str]
) -> list[SideRow]:
    """Rows of those numbers that there are, with Holm's correction over the rows."""
    first, *others = sides
    shown = [key for key in keys if key in first]
    gains = {
        key: with_holm({n: own[key].minus(first[key]) for n, own in enumerate(others, 1)})
        for key in shown
        if key in TESTED
    }
    scores = [{key: own[key] for key in shown} for own in sides]
    moves = [{key: of[place] for key, of in gains.items() if place} for place in range(len(sides))]
    return list(map(SideRow, names, scores, moves))


def _empty_remarks(names: Iterable[str]) -> list[str]:
    return [f"Group {name} has no object." for name in names]


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
