"""The leaderboard: measured methods, one section per data set and split, best AP first.

Ranks are intervals, from paired tests of all pairs on the predictions beside the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeAlias

from markupsafe import Markup

from vis_bench.data.categories import OF_IMAGES, dataset_title, unit
from vis_bench.grouping import grouped
from vis_bench.metrics.scores import Difference, with_holm
from vis_bench.record.metrics import AP, FPS, SHOWN, Metric
from vis_bench.record.names import is_ranked, measured_code, split_ablations, tie_break
from vis_bench.record.schema import Record
from vis_bench.runs.identity import identity_of
from vis_bench.table import Format, render
from vis_bench.table.labels import CLIP, cell_columns, cell_names
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table, marked
from vis_bench.table.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    bracketed,
    entry_of,
    figure,
    interval_remarks,
    metric_column,
    plain,
    points,
    range_text,
    speed_notes,
)
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import listed

# Fields that the title of a section names.
IN_TITLE = ("dataset", "split", "num_videos", "annotations_sha256")
# The paired difference of AP of two records; None where it cannot be computed.
PairedDifference: TypeAlias = Callable[[Record, Record], Difference | None]
# The best and the worst rank that a row can have; None where nothing is known.
Rank = tuple[int, int] | None

TITLE = "Leaderboard"
UNRANKED_NOTE = (
    "Not ranked: reconstructions, random weights, weights that were trained on the measured "
    "videos, runs limited to the first videos, and measurements with uncommitted changes."
)
NOTHING_NOTE = "No record holds an AP yet."
RANKS_NOTE = (
    "Ranks: the highest is 1 + the number of rows with significantly higher AP, the lowest leaves "
    "room for those with significantly lower AP (paired t tests of all pairs by half-samples of "
    "the videos, corrected by Holm at 5 %)."
)
NO_RANK_NOTE = (
    "Rows go by AP. No rank: predictions or annotations are missing, or AP has no interval."
)
IMAGES_NOTE = "Rows go by AP, without ranks: AP of single images has no interval here."


def best_cells(records: Sequence[Record]) -> list[Record]:
    """The best cell of each method, backbone and arithmetic in each section, in order.

    Ablations have none. A ranked cell goes before an unranked one. Results of other code and
    reconstructions are methods of their own.
    """
    return sorted((cells[0] for cells in _cells(records)), key=_order)


def choices(records: Sequence[Record]) -> dict[str, str]:
    """The choice behind each best cell that is one of several, by `tie_break`."""
    found = {}
    for best, *others in _cells(records):
        cells = [best, *(record for record in others if is_ranked(record) == is_ranked(best))]
        key, distinct = tie_break(best), {tie_break(record): record for record in cells}.values()
        if len(distinct) > 1:
            is_sweep = len({record.clip_length for record in distinct}) == len(distinct)
            what = "clip lengths" if is_sweep else "settings"
            found[key] = f"best of {len(distinct)} {what}, chosen by AP on these videos"
        elif len(cells) > 1:
            found[key] = f"{len(cells)} copies of one record"
    return found


def choice_texts(rows: Sequence[Record], chosen: Mapping[str, str]) -> list[str]:
    """The names of rows with how they were chosen: `IFC and SeqFormer: best of 5 clip lengths`.

    Args:
        chosen: as `choices`.
    """
    best = [row for row in rows if tie_break(row) in chosen]
    names = cell_names(best, marks=(), leave_out=(*IN_TITLE, *CLIP, "device"))
    groups = grouped(zip(names, best, strict=True), lambda named: chosen[tie_break(named[1])])
    return [f"{listed([name for name, _ in own])}: {text}" for text, own in groups.items()]


# Parts of a cell's identity that tell rows of one section apart.
_ROW = ("method", "backbone", "external", "reconstruction", "arithmetic")


def _cells(records: Sequence[Record]) -> list[list[Record]]:
    """The cells of each row of `best_cells`, best first."""
    groups: dict[tuple, list[Record]] = {}
    for place, (_, rows) in enumerate(leaderboard_sections(split_ablations(records)[0])):
        for record in sorted(rows, key=is_ranked, reverse=True):
            cell = identity_of(record).cell
            groups.setdefault((place, *(str(cell[key]) for key in _ROW)), []).append(record)
    return list(groups.values())


def leaderboard_text(
    records: Sequence[Record],
    form: Format = "markdown",
    difference: PairedDifference | None = None,
    columns: Sequence[str] | None = None,
    reports: Mapping[str, str] | None = None,
    chosen: Mapping[str, str] | None = None,
    charts: Markup | None = None,
) -> str:
    """The leaderboard in a format; CSV names the data in a column, the others above a table.

    Unranked rows keep their place by AP.

    Args:
        difference: of two rows; without it there are no ranks.
        columns: names of the columns to show.
        chosen: as `choices`.
        reports: addresses of reports by `tie_break` of their records, which HTML links to.
        charts: above the first table in HTML.
    """
    if form == "markdown":
        return pages_markdown(leaderboard_pages(records, difference, chosen), columns=columns)
    page = _page(leaderboard_sections(records), difference, reports=reports, chosen=chosen)
    if form == "html":
        page = page.with_charts(charts) if charts and page.tables else page
    elif form == "csv":
        page = replace(page, tables=tuple(map(_with_data_column, page.tables)))
        columns = None if columns is None else ["data", *columns]
    elif form == "latex":
        tables = (replace(_for_a_paper(t), data=f"AP on {t.data}") for t in page.tables)
        page = replace(page, title="", tables=tuple(tables))
    return render(page, form, columns)


def pages_markdown(pages: Sequence[Page], columns: Sequence[str] | None = None) -> str:
    """Pages of `leaderboard_pages` as Markdown, below a title."""
    parts = [f"# {TITLE}\n"]
    for page in pages:
        heading = f"## {escape_markdown(page.title)}\n\n" if page.title else ""
        parts.append(f"{heading}{render(replace(page, title=''), columns=columns)}")
    return "\n".join(parts)


def leaderboard_pages(
    records: Sequence[Record],
    difference: PairedDifference | None = None,
    chosen: Mapping[str, str] | None = None,
) -> list[Page]:
    """A page for each section; a sentence without any. Arguments as for `leaderboard_text`."""
    pages = [
        replace(_page([("", rows)], difference, chosen=chosen), title=title)
        for title, rows in leaderboard_sections(records)
    ]
    return pages or [Page("", (), {}, (NOTHING_NOTE,))]


def leaderboard_sections(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(title, records) of each data set and split, in the leaderboard's order.

    Records share a section only with the same number of videos and the same annotations.
    """
    measured = sorted((r for r in records if r.ap is not None), key=_order)
    groups = [(key, list(group)) for key, group in groupby(measured, key=_section)]
    titles = [_title(key) for key, _ in groups]
    return [
        (title if titles.count(title) == 1 else f"{title}, annotations {key[3][:8]}", rows)
        for title, (key, rows) in zip(titles, groups, strict=True)
    ]


def ranks_of(records: Sequence[Record], difference: PairedDifference | None = None) -> list[Rank]:
    """The rank of each record among those of which the difference from others is known."""
    if difference is None:
        return [None] * len(records)
    known = [n for n, record in enumerate(records) if difference(record, record) is not None]
    found = {
        (i, j): difference(records[known[i]], records[known[j]])
        for j in range(len(known))
        for i in range(j)
    }
    pairs = {pair: row for pair, row in found.items() if row is not None}
    ranks = dict(zip(known, rank_intervals(len(known), pairs), strict=True))
    return [ranks.get(n) for n in range(len(records))]


def rank_intervals(
    num_rows: int, differences: Mapping[tuple[int, int], Difference]
) -> Sequence[tuple[int, int]]:
    """Return the best and worst rank of each row, from the tests of all pairs.

    A row's best rank is 1 + the number of rows significantly better, its worst the number of rows
    not significantly worse (Mogstad, Romano, Shaikh, Wilhelm, Review of Economic Studies 91, 2024),
    over all pairs.

    Args:
        differences: second minus first, by the places of both rows.
    """
    better, worse = Counter[int](), Counter[int]()
    for pair, row in with_holm(differences).items():
        if row.is_significant:
            first, second = pair if (row.difference or 0) < 0 else pair[::-1]
            better[second] += 1
            worse[first] += 1
    return [(1 + better[row], num_rows - worse[row]) for row in range(num_rows)]


def finding(
    rows: Sequence[Record], ranks: Sequence[Rank], difference: PairedDifference | None
) -> str:
    """A sentence on the best ranked row: whether it leads, and by how much; empty without rows.

    Args:
        rows: ranked ones, best first.
        ranks: their ranks, which are corrected for the number of pairs.
    """
    if not rows:
        return ""
    best, *others = rows
    names = cell_names(rows[:2], leave_out=(*IN_TITLE, *CLIP, "device"))
    value = AP.text(best.ap or 0.0)
    interval = bracketed(best.ap_low, best.ap_high)
    gap = difference(best, others[0]) if difference and others else None
    if gap is None or gap.difference is None:
        return f"{names[0]} has the highest AP: {value}{interval}."
    ahead = f"{points(-gap.difference)} ahead of {names[1]}"
    if gap.interval:
        low, high = gap.interval
        ahead += f" ({range_text(-high, -low)})"
    if ranks[0] == (1, 1):
        return f"{names[0]} leads with {value} AP{interval}, {ahead}."
    return (
        f"No method leads: {names[0]} has {value} AP{interval}, {ahead}, which is no significant "
        "difference."
    )


def _rank_text(rank: Rank) -> str:
    if rank is None:
        return ABSENT
    return str(rank[0]) if rank[0] == rank[1] else f"{rank[0]} to {rank[1]}"


def leaderboard_table(
    rows: Sequence[Record],
    ranks: Sequence[Rank] | None = None,
    *,
    data: str = "",
    reports: Mapping[str, str] | None = None,
) -> Table:
    """One section in the order given; best and second best are marked among the ranked rows.

    Args:
        ranks: of the ranked rows.
        data: the section's title.
        reports: addresses of reports by `tie_break` of their records.
    """
    given = iter(ranks or [None] * len(rows))
    numbers = [Entry(_rank_text(next(given) if is_ranked(row) else None)) for row in rows]
    (method, names), *labels = cell_columns(rows, leave_out=IN_TITLE)
    keys = list(map(tie_break, rows))
    names = [
        replace(name, link=(reports or {}).get(key, ""))
        for name, key in zip(names, keys, strict=True)
    ]
    return Table.of_columns(
        [
            (Column("Rank"), numbers),
            (method, names),
            *labels,
            *((metric_column(metric, rows), _values(metric, rows)) for metric in SHOWN),
            (
                Column("Date", numeric=False, context="{}", weight=11),
                [Entry(plain(row.created_at)[:10]) for row in rows],
            ),
            (
                Column("Source", numeric=False, context="source {}", weight=12),
                [Entry(_source(row)) for row in rows],
            ),
        ],
        data,
    )


def _values(metric: Metric, rows: Sequence[Record]) -> list[Entry]:
    """A metric of each row, the best of the ranked rows marked."""
    has_best = metric.higher_is_better is not None
    entries = [
        replace(entry_of(row, metric), notes=speed_notes(row) if metric is FPS else ())
        for row in rows
    ]
    ranked = [figure(row, metric) if has_best and is_ranked(row) else None for row in rows]
    return marked(entries, ranked, higher=metric.higher_is_better is True)


def _page(
    sections: Sequence[tuple[str, Sequence[Record]]],
    difference: PairedDifference | None,
    reports: Mapping[str, str] | None = None,
    chosen: Mapping[str, str] | None = None,
) -> Page:
    """Sections that share footnotes and remarks."""
    tables, notes, remarks, findings = [], dict[str, str](), list[str](), list[str]()
    for title, rows in sections:
        ranked = list(filter(is_ranked, rows))
        ranks = ranks_of(ranked, difference)
        if found := finding(ranked, ranks, difference):
            findings.append(f"{title}: {found}" if len(sections) > 1 else found)
        table = leaderboard_table(rows, ranks, data=title, reports=reports)
        tables.append(table)
        if any(map(speed_notes, rows)):
            notes[UNKNOWN_KEY] = SPREAD_UNKNOWN
        remarks += [f"{text}." for text in choice_texts(rows, chosen or {})]
        remarks += [*interval_remarks(rows), *_rank_notes(rows, ranked, ranks, table)]
    texts = tuple(dict.fromkeys(remarks)) if tables else (NOTHING_NOTE,)
    return Page(TITLE, tuple(tables), notes, texts, tuple(findings))


def _rank_notes(
    rows: Sequence[Record], ranked: Sequence[Record], ranks: Sequence[Rank], table: Table
) -> list[str]:
    """Notes on ranks and marks, and on rows without a rank."""
    has_second = any(entry.mark == "second" for row in table.rows for entry in row)
    marks = f"Bold: the highest of the ranked rows{'; underlined: the second' * has_second}."
    without = [row for row, rank in zip(ranked, ranks, strict=True) if rank is None]
    return [
        *([RANKS_NOTE, marks] if any(ranks) else []),
        *_no_rank_notes(without),
        *([UNRANKED_NOTE] if len(ranked) < len(rows) else []),
    ]


def _no_rank_notes(rows: Sequence[Record]) -> list[str]:
    """Reasons for rows that could be ranked and are not, and the cure for those of other code."""
    if any(row.dataset in OF_IMAGES for row in rows):
        return [IMAGES_NOTE]
    other = cell_names([row for row in rows if row.external], marks=())
    cure = (
        f"Results of other code name no annotations; give those of {', '.join(other)} with "
        "--annotations."
    )
    return [NO_RANK_NOTE, *([cure] if other else [])] if rows else []


def _with_data_column(table: Table) -> Table:
    columns = (Column("Data", numeric=False), *table.columns)
    return Table(columns, tuple((Entry(table.data), *row) for row in table.rows))


def _for_a_paper(table: Table) -> Table:
    """The table without date and source of the measurements."""
    places = [n for n, c in enumerate(table.columns) if c.name not in ("date", "source")]
    return table.picked(places)


def _order(record: Record) -> tuple:
    return _section(record), -(record.ap or 0.0), not is_ranked(record), tie_break(record)


def _section(record: Record) -> tuple[str, str, int, str]:
    annotations = record.annotations_sha256 or ""
    return record.dataset, record.split, record.num_videos or 0, annotations


def _title(section: tuple[str, str, int, str]) -> str:
    dataset, split, num_videos, _ = section
    count = f"{num_videos or 'unknown number of'} {unit(dataset)}{'' if num_videos == 1 else 's'}"
    return f"{dataset_title(dataset)} {split} ({count})"


def _source(record: Record) -> str:
    """The commit of the measured code, or the version of an installed package."""
    code = measured_code(record)
    if code.name is not None:
        return code.label
    version = record.vis_bench_version
    return ABSENT if version is None or record.external else f"v{version}"
