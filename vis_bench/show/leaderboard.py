"""The leaderboard: measured methods, one section per data set and split, best AP first.

Rows share a rank where the difference of their AP is noise, which the predictions beside the
records tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import OF_IMAGES, dataset_title, unit
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.bootstrap import NUM_RESAMPLES
from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.record.metrics import FPS, SHOWN, Metric, same_ap
from vis_bench.record.names import (
    arithmetic_name,
    backbone_title,
    display_names,
    is_ranked,
    split_ablations,
    tie_break,
)
from vis_bench.record.schema import Record
from vis_bench.record.store import StoredRecords, predictions_path
from vis_bench.runs.sources import find_annotations
from vis_bench.show.measured import key_remarks
from vis_bench.show.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    figure,
    interval_remarks,
    metric_column,
    plain,
    speed_notes,
    stride_text,
)
from vis_bench.show.tables import Format, render
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table, marked
from vis_bench.show.tables.to_markdown import escape_markdown

# The paired difference of AP of two records; None where it cannot be computed.
PairedDifference = Callable[[Record, Record], Difference | None]
# A rank from 1 up, and whether it goes by AP alone, as the row could not be compared.
Rank = tuple[int, bool]

TITLE = "Leaderboard"
UNRANKED_NOTE = (
    "Not ranked: reconstructions, random weights, weights that were trained on the measured "
    "videos, runs limited to the first videos, and measurements with uncommitted changes."
)
NOTHING_NOTE = "No record holds an AP yet."
SHARED_NOTE = (
    "Rows share a rank where their AP differs from that of the first row of the rank by no more "
    "than noise: the 95 % interval of the difference (paired bootstrap over videos, "
    f"{NUM_RESAMPLES:,} resamples) holds 0. Rows are compared with the first row of the rank above "
    "only, so that neighbors of different ranks can be within noise of each other."
)
ALONE_NOTE = (
    "Ranks go by AP alone, noise or not: the predictions or annotations that tell are not at hand."
)
IMAGES_NOTE = "Ranks go by AP alone, noise or not: AP of single images has no interval here."
ALONE_KEY = "a"
ALONE_FOOTNOTE = (
    "rank by AP alone: the predictions or annotations that tell whether this row differs from the "
    "first row of the rank above are not at hand"
)


def best_cells(records: Sequence[Record]) -> list[Record]:
    """The best cell of each method, backbone and arithmetic in each section, in order.

    Ablations have none. A ranked cell goes before an unranked one. Results of other code and
    reconstructions are methods of their own.
    """
    best: dict[tuple, Record] = {}
    for place, (_, rows) in enumerate(leaderboard_sections(split_ablations(records)[0])):
        for record in sorted(rows, key=is_ranked, reverse=True):
            kind = record.external, record.reconstruction, arithmetic_name(record)
            best.setdefault((place, record.method, record.backbone, *kind), record)
    return sorted(best.values(), key=_order)


def leaderboard_text(
    records: Sequence[Record],
    form: Format = "markdown",
    difference: PairedDifference | None = None,
    columns: Sequence[str] | None = None,
    reports: Mapping[str, str] | None = None,
) -> str:
    """The leaderboard in a format; CSV names the data in a column, the others above a table.

    Args:
        columns: names of the columns to show.
        reports: addresses of reports by `tie_break` of their records, which HTML links to.
    """
    if form == "markdown":
        return leaderboard_markdown(records, difference=difference, columns=columns)
    page = _page(leaderboard_sections(records), difference, reports=reports or {})
    if form == "csv":
        page = replace(page, tables=tuple(map(_with_data_column, page.tables)))
        columns = None if columns is None else ["data", *columns]
    if form == "latex":
        tables = (replace(_for_a_paper(t), data=f"AP on {t.data}") for t in page.tables)
        page = replace(page, title="", tables=tuple(tables))
    return render(page, form, columns)


def leaderboard_markdown(
    records: Sequence[Record],
    title: str = TITLE,
    introduction: str = "",
    among: Sequence[Record] = (),
    difference: PairedDifference | None = None,
    columns: Sequence[str] | None = None,
) -> str:
    """The leaderboard as Markdown; unranked rows keep their place by AP.

    Args:
        introduction: Markdown below the title.
        columns: names of the columns to show.
        among: further records from which labels tell these apart.
        difference: finds rows that share a rank; without it ranks go by AP alone.
    """
    parts = [f"# {title}\n", *([f"{introduction}\n"] if introduction else [])]
    sections = leaderboard_sections(records)
    for heading, rows in sections:
        page = replace(_page([("", rows)], difference, among), title="")
        parts.append(f"## {escape_markdown(heading)}\n\n{render(page, columns=columns)}")
    return "\n".join(parts if sections else [*parts, f"{NOTHING_NOTE}\n"])


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


def shared_ranks(
    records: Sequence[Record], difference: PairedDifference | None = None
) -> list[Rank]:
    """The rank of each record, best AP first.

    A record takes the rank above if its paired difference to the record that opened that rank is
    noise; otherwise it opens a rank of its own, which is its place. So every rank holds records
    within noise of its first, however many small steps lie between.
    """
    ranks: list[Rank] = []
    opener = 0
    for place, record in enumerate(records):
        found = difference(records[opener], record) if place and difference else None
        is_noise = None if found is None else found.is_noise
        if not is_noise:
            opener = place
        ranks.append((opener + 1, place > 0 and is_noise is None))
    return ranks


def leaderboard_table(
    rows: Sequence[Record],
    ranks: Sequence[Rank] | None = None,
    among: Sequence[Record] = (),
    *,
    note_alone: bool = False,
    data: str = "",
    reports: Mapping[str, str] | None = None,
) -> Table:
    """One section in the order given; best and second best are marked among the ranked rows.

    Args:
        ranks: of the ranked rows; by AP alone unless given.
        among: further records from which labels tell these apart.
        note_alone: adds a footnote to ranks that go by AP alone.
        data: the section's title.
        reports: addresses of reports by `tie_break` of their records.
    """
    given = iter(shared_ranks(list(filter(is_ranked, rows))) if ranks is None else ranks)
    numbers = []
    for row in rows:
        number, alone = next(given) if is_ranked(row) else (ABSENT, False)
        numbers.append(Entry(str(number), notes=(ALONE_KEY,) if alone and note_alone else ()))
    names = display_names([*rows, *among])[: len(rows)]
    described = [
        (Column("Method", numeric=False), names),
        (_text("Backbone", "backbone {}", joined=", "), [backbone_title(r.backbone) for r in rows]),
        (_text("Device", "{}", joined=", "), [plain(row.device) for row in rows]),
        (Column("Clip"), [plain(row.clip_length) for row in rows]),
        (Column("Stride", joined="/"), list(map(stride_text, rows))),
        (_text("Date", "{}", weight=11), [plain(row.created_at)[:10] for row in rows]),
        (_text("Source", "source {}", weight=12), [_source(row) for row in rows]),
    ]
    labels = [(column, list(map(Entry, texts))) for column, texts in described]
    if reports:
        links = [reports.get(tie_break(row), "") for row in rows]
        column, cells = labels[0]
        labels[0] = column, [replace(e, link=x) for e, x in zip(cells, links, strict=True)]
    values = [(metric_column(metric), _values(metric, rows)) for metric in SHOWN]
    pairs = [(Column("Rank"), numbers), *labels[:5], *values, *labels[5:]]
    columns, entries = zip(*pairs, strict=True)
    return Table(columns, tuple(zip(*entries, strict=True)), data)


def _text(title: str, context: str, *, joined: str = "", weight: int = 0) -> Column:
    return Column(title, numeric=False, context=context, joined=joined, weight=weight)


def _values(metric: Metric, rows: Sequence[Record]) -> list[Entry]:
    """A metric of each row; FPS have a best only where all ranked rows computed alike."""
    ways = {(row.device, arithmetic_name(row)) for row in rows if is_ranked(row)}
    has_best = metric.higher_is_better is not None and (metric is not FPS or len(ways) < 2)
    entries = [
        replace(entry_of(row, metric), notes=speed_notes(row) if metric is FPS else ())
        for row in rows
    ]
    ranked = [figure(row, metric) if has_best and is_ranked(row) else None for row in rows]
    return marked(entries, ranked, higher=metric.higher_is_better is True)


class PairedAP:
    """Paired differences of AP of a folder's records, each evaluated once.

    `problems` has a sentence for each record whose predictions are not those that it was measured
    with.

    Args:
        stored: the records and their files.
        annotations: ground truth of records whose data set is not at hand; used for those that were
            measured with this very file.
        data_root: where data sets lie.
    """

    def __init__(
        self, stored: StoredRecords, annotations: Path | None = None, data_root: Path | None = None
    ) -> None:
        self.problems: list[str] = []
        self._stored = stored
        self._annotations = annotations
        self._data_root = data_root
        paths = zip(stored.records, stored.paths, strict=True)
        self._path_of = {tie_break(record): path for record, path in paths}
        self._ap_of: dict[str, np.ndarray | None] = {}
        self._truth_of: dict[tuple[str | None, int | None], GroundTruth | None] = {}

    def __call__(self, first: Record, second: Record) -> Difference | None:
        """AP of the second minus AP of the first, with its interval.

        None for records of different videos, or without predictions or annotations at hand.
        """
        if _videos(first) != _videos(second):
            return None
        one, two = self._ap(first), self._ap(second)
        return None if one is None or two is None else difference_of(one, two)

    def _ap(self, record: Record) -> np.ndarray | None:
        """AP as observed, then in each resample, (1 + B,)."""
        key = tie_break(record)
        if key not in self._ap_of:
            try:
                self._ap_of[key] = self._resampled(record)
            except InputError:
                self._ap_of[key] = None
        return self._ap_of[key]

    def _resampled(self, record: Record) -> np.ndarray | None:
        path, videos = self._path_of.get(tie_break(record)), _videos(record)
        if videos not in self._truth_of:
            self._truth_of[videos] = self._find_truth(record)
        truth = self._truth_of[videos]
        if path is None or truth is None or record.ap is None:
            return None
        ap_B = analyse(truth, read_results(predictions_path(record, path))).overall["ap"]
        if same_ap(record.ap, float(ap_B[0])):
            return ap_B
        self.problems.append(
            f"record {path} holds AP {100 * record.ap:.2f}, but the predictions beside it have "
            f"{100 * ap_B[0]:.2f}; expected those that it was measured with"
        )
        return None

    def _find_truth(self, record: Record) -> GroundTruth | None:
        """The annotations, from any record of the same videos that states where they are."""
        if record.annotations_sha256 is None:
            return None
        tried = []
        for other in self._stored.records:
            dataset = other.config.get("dataset")
            if _videos(other) == _videos(record) and dataset not in tried:
                tried.append(dataset)
                for annotations in dict.fromkeys((self._annotations, None)):
                    try:
                        return find_annotations([other], annotations, self._data_root)[0]
                    except InputError:
                        continue
        return None


def _page(
    sections: Iterable[tuple[str, Sequence[Record]]],
    difference: PairedDifference | None,
    among: Sequence[Record] = (),
    reports: Mapping[str, str] | None = None,
) -> Page:
    """Sections that share footnotes and remarks."""
    ranked = [
        (title, rows, shared_ranks(list(filter(is_ranked, rows)), difference))
        for title, rows in sections
    ]
    is_compared = any(not alone for _, _, ranks in ranked for _, alone in ranks[1:])
    tables, notes, remarks = [], dict[str, str](), list[str]()
    for title, rows, ranks in ranked:
        of_images = any(row.dataset in OF_IMAGES for row in rows)
        note_alone = is_compared and not of_images
        table = leaderboard_table(
            rows, ranks, among, note_alone=note_alone, data=title, reports=reports
        )
        tables.append(table)
        if note_alone and any(alone for _, alone in ranks):
            notes[ALONE_KEY] = ALONE_FOOTNOTE
        if any(map(speed_notes, rows)):
            notes[UNKNOWN_KEY] = SPREAD_UNKNOWN
        remarks += interval_remarks(rows)
        if len(ranks) > 1:
            remarks.append(IMAGES_NOTE if of_images else SHARED_NOTE if is_compared else ALONE_NOTE)
        remarks += [] if all(map(is_ranked, rows)) else [UNRANKED_NOTE]
    remarks += key_remarks([row for _, rows, _ in ranked for row in rows], among)
    texts = tuple(dict.fromkeys(remarks)) if tables else (NOTHING_NOTE,)
    return Page(TITLE, tuple(tables), notes, texts)


def _with_data_column(table: Table) -> Table:
    columns = (Column("Data", numeric=False), *table.columns)
    return Table(columns, tuple((Entry(table.data), *row) for row in table.rows))


def _for_a_paper(table: Table) -> Table:
    """The table without date and source of the measurements."""
    places = [n for n, c in enumerate(table.columns) if c.name not in ("date", "source")]
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in places), rows=rows)


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
    """The commit, or the version of an installed package."""
    if record.git_commit is not None:
        return record.git_commit[:8] + (" (dirty)" if record.git_dirty else "")
    version = record.vis_bench_version
    return ABSENT if version is None or record.external else f"v{version}"


def _videos(record: Record) -> tuple[str | None, int | None]:
    return record.annotations_sha256, record.num_videos
