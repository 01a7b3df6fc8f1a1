"""The leaderboard: measured methods, one section per data set and split, best AP first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from vis_bench.data.categories import OF_IMAGES, dataset_title, unit
from vis_bench.records.metrics import FPS, SHOWN
from vis_bench.records.names import arithmetic_name, marked_labels
from vis_bench.records.ranking import is_ranked, split_ablations, tie_break
from vis_bench.records.schema import Record
from vis_bench.show.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    figure,
    interval_remarks,
    metric_column,
    plain,
    speed_notes,
)
from vis_bench.show.ranks import (
    ALONE_FOOTNOTE,
    ALONE_KEY,
    ALONE_NOTE,
    IMAGES_NOTE,
    SHARED_NOTE,
    PairedDifference,
    Rank,
    shared_ranks,
    unknown_difference,
)
from vis_bench.show.tables import Format, render
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table, rank_marks
from vis_bench.show.tables.to_markdown import escape_markdown

TITLE = "Leaderboard"
UNRANKED_NOTE = (
    "Not ranked: reconstructions, random weights, weights that were trained on the measured "
    "videos, runs limited to the first videos, and measurements with uncommitted changes."
)
NOTHING_NOTE = "No record holds an AP yet."
_LABELS = ("Rank", "Method", "Backbone", "Clip", "Stride")
_NUMBERS = ("Rank", "Clip", "Stride")
_ORIGIN = ("Device", "Date", "Source")


def best_cells(records: Sequence[Record]) -> list[Record]:
    """The best cell of each method, backbone and arithmetic in each section, in the leaderboard's
    order.

    Ablations have none. A cell that takes a rank goes before one that takes none. Results of other
    code and reconstructions are methods of their own.
    """
    methods, _ = split_ablations(records)
    best: dict[tuple, Record] = {}
    for place, (_, rows) in enumerate(leaderboard_sections(methods)):
        for record in rows:
            kind = record.external, record.reconstruction, arithmetic_name(record)
            best.setdefault((place, record.method, record.backbone, *kind), record)
    return list(best.values())


def leaderboard_text(
    records: Sequence[Record],
    form: Format = "markdown",
    difference: PairedDifference = unknown_difference,
) -> str:
    """These records as a leaderboard in any format; CSV names the data in a column, the others
    above a table. `difference` as in `leaderboard_markdown`.
    """
    if form == "markdown":
        return leaderboard_markdown(records, difference=difference)
    titled = leaderboard_sections(records)
    sections = _Section.on_one_page([rows for _, rows in titled], difference)
    grids = [
        replace(section.grid(), data=title)
        for (title, _), section in zip(titled, sections, strict=True)
    ]
    if form == "csv":
        grids = [_with_data_column(grid) for grid in grids]
    remarks = [text for section in sections for text in section.remarks()]
    notes = {key: text for section in sections for key, text in section.footnotes().items()}
    texts = tuple(dict.fromkeys(remarks)) if sections else (NOTHING_NOTE,)
    return render(Page(TITLE, tuple(grids), notes, texts), form)


def leaderboard_markdown(
    records: Sequence[Record],
    title: str = TITLE,
    introduction: str = "",
    among: Sequence[Record] = (),
    difference: PairedDifference = unknown_difference,
) -> str:
    """The leaderboard's text; rows without a rank stand below the ranked ones of their section.

    Args:
        records: what it shows.
        title: of the page.
        introduction: Markdown below the title.
        among: further records that labels tell these apart from.
        difference: the paired difference of AP, by which rows share ranks.
    """
    sections = leaderboard_sections(records)
    parts = [f"# {title}\n", *([f"{introduction}\n"] if introduction else [])]
    if not sections:
        return "\n".join([*parts, f"{NOTHING_NOTE}\n"])
    for heading, rows in sections:
        (section,) = _Section.on_one_page([rows], difference)
        page = Page("", (section.grid(among),), section.footnotes(), section.remarks())
        parts.append(f"## {escape_markdown(heading)}\n\n{render(page)}")
    return "\n".join(parts)


def leaderboard_sections(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(title, records) of each data set and split, in the leaderboard's order.

    Records share a section only where they were measured on the same videos: same number of
    videos, same annotations.
    """
    measured = sorted((r for r in records if r.ap is not None), key=_order)
    groups = [(key, list(group)) for key, group in groupby(measured, key=_section)]
    titles = [_title(key) for key, _ in groups]
    return [
        (title if titles.count(title) == 1 else f"{title}, annotations {key[3][:8]}", rows)
        for title, (key, rows) in zip(titles, groups, strict=True)
    ]


def leaderboard_grid(
    rows: Sequence[Record],
    among: Sequence[Record] = (),
    difference: PairedDifference = unknown_difference,
) -> Table:
    """One section, in the order given; best and second best among the ranked rows.

    Labels tell the rows from each other, and from the records `among` which they are. Ranked rows
    come first, by falling AP; `difference` as in `leaderboard_markdown`.
    """
    (section,) = _Section.on_one_page([rows], difference)
    return section.grid(among)


@dataclass(frozen=True)
class _Section:
    """The rows of one section, and the ranks of those that take one.

    `page_is_compared`: some rank on the page does not go by AP alone.
    """

    rows: Sequence[Record]
    ranks: Sequence[Rank]
    page_is_compared: bool

    @classmethod
    def on_one_page(
        cls, sections: Sequence[Sequence[Record]], difference: PairedDifference
    ) -> list[_Section]:
        """Sections that share remarks and footnotes."""
        ranks = [shared_ranks(list(filter(is_ranked, rows)), difference) for rows in sections]
        is_compared = any(not rank.by_ap_alone for own in ranks for rank in own[1:])
        return [cls(rows, own, is_compared) for rows, own in zip(sections, ranks, strict=True)]

    def grid(self, among: Sequence[Record] = ()) -> Table:
        labels = marked_labels([*self.rows, *among])
        ranks = iter(map(self._rank_entry, self.ranks))
        lines = [
            [
                next(ranks) if is_ranked(record) else ABSENT,
                *_labels(label, record),
                *(figure(record, metric) for metric in SHOWN),
                plain(record.device),
                plain(record.created_at)[:10],
                _source(record),
            ]
            for label, record in zip(labels, self.rows, strict=False)
        ]
        columns = [
            *(Column(title, numeric=title in _NUMBERS) for title in _LABELS),
            *map(metric_column, SHOWN),
            *(Column(title, numeric=False) for title in _ORIGIN),
        ]
        return _marked(Table.of(columns, lines), self.rows)

    def footnotes(self) -> dict[str, str]:
        notes = {UNKNOWN_KEY: SPREAD_UNKNOWN} if any(map(speed_notes, self.rows)) else {}
        alone = any(map(self._is_noted, self.ranks))
        return {ALONE_KEY: ALONE_FOOTNOTE, **notes} if alone else notes

    def remarks(self) -> tuple[str, ...]:
        remarks = [] if all(map(is_ranked, self.rows)) else [UNRANKED_NOTE]
        if len(self.ranks) > 1:
            remarks.insert(0, self._ranks_note())
        return (*interval_remarks(self.rows), *remarks)

    def _rank_entry(self, rank: Rank) -> Entry:
        return Entry(str(rank.number), notes=(ALONE_KEY,) if self._is_noted(rank) else ())

    def _ranks_note(self) -> str:
        if self._is_of_images:
            return IMAGES_NOTE
        return SHARED_NOTE if self.page_is_compared else ALONE_NOTE

    def _is_noted(self, rank: Rank) -> bool:
        return rank.by_ap_alone and self.page_is_compared and not self._is_of_images

    @property
    def _is_of_images(self) -> bool:
        return any(record.dataset in OF_IMAGES for record in self.rows)


def _with_data_column(grid: Table) -> Table:
    columns = (Column("Data", numeric=False), *grid.columns)
    return Table(columns, tuple((Entry(grid.data), *row) for row in grid.rows))


def _marked(grid: Table, records: Sequence[Record]) -> Table:
    """Marks the best figures; FPS only where every ranked row computed alike on one device."""
    ranked = [place for place, record in enumerate(records) if is_ranked(record)]
    ways = {(records[place].device, arithmetic_name(records[place])) for place in ranked}
    rows = [list(row) for row in grid.rows]
    for index, metric in enumerate(SHOWN, len(_LABELS)):
        texts = [rows[place][index].text for place in ranked]
        marks = rank_marks(
            [None if text == ABSENT else text for text in texts],
            higher_is_better=metric.higher_is_better is True,
        )
        if metric.higher_is_better is None or (metric is FPS and len(ways) > 1):
            marks = [None] * len(ranked)
        mark_of = dict(zip(ranked, marks, strict=True))
        for place, record in enumerate(records):
            notes = speed_notes(record) if metric is FPS else ()
            rows[place][index] = replace(
                entry_of(record, metric), mark=mark_of.get(place), notes=notes
            )
    return replace(grid, rows=tuple(map(tuple, rows)))


def _order(record: Record) -> tuple:
    return _section(record), not is_ranked(record), -(record.ap or 0.0), tie_break(record)


def _section(record: Record) -> tuple[str, str, int, str]:
    annotations = record.annotations_sha256 or ""
    return record.dataset, record.split, record.num_videos or 0, annotations


def _title(section: tuple[str, str, int, str]) -> str:
    dataset, split, num_videos, _ = section
    count = f"{num_videos or 'unknown number of'} {unit(dataset)}{'' if num_videos == 1 else 's'}"
    return f"{dataset_title(dataset)} {split} ({count})"


def _labels(subject: str, record: Record) -> list[str]:
    values = record.backbone, record.clip_length, record.clip_stride
    return [subject, *map(plain, values)]


def _source(record: Record) -> str:
    """The commit, or the version of an installed package."""
    if record.git_commit is not None:
        return record.git_commit[:8] + (" (dirty)" if record.git_dirty else "")
    version = record.vis_bench_version
    return ABSENT if version is None or record.external else f"v{version}"
