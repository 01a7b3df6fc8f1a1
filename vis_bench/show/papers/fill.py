"""Pages of papers' tables: published, measured and difference of every row.

Values measured on the synthetic set stand in a table of their own below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from vis_bench.data.categories import dataset_title
from vis_bench.grouping import grouped
from vis_bench.record.schema import Record
from vis_bench.runs.bundled import bundled_configs, run_command
from vis_bench.show.papers.lookup import Measurement, left_out, measurement
from vis_bench.show.papers.table import PaperColumn, PaperRow, PaperTable, Where, source_text
from vis_bench.table.model import ABSENT, Column, Entry, Footnotes, Page, Table, marked
from vis_bench.table.number_format import interval_notes, metric_column
from vis_bench.text import count

SYNTHETIC_REMARK = (
    "The synthetic set is another data set and the mini models are other models: compare their "
    "figures with each other, not with those above. Each was trained once: the table "
    "ifc-communication tells how far two trainings of one model lie apart."
)
RESERVED_REMARK = (
    "Figures of other videos than the published ones, of random weights, or of videos that the "
    "weights were trained on have no difference and do not count as measured."
)
DIFFERENCE_REMARK = (
    "Difference: measured minus published, with the interval of the measured value; the published "
    "one counts as exact, since papers state none."
)
# How labels other than the first stand behind the one before them where both share a column.
_JOINED = {"Clip": ", T=", "Stride": "/"}
# Names of the lines of a row.
_FIGURES, PUBLISHED, _DIFFERENCE = "Figures", "published", "difference"
_EQUAL = "published, measured equal"
_FEWEST_MARKED = 4  # different labels of rows of which the best is marked
# Counts the values of a row, one per column.
CountRow = Callable[[PaperRow], list[float]]


def paper_page(
    table: PaperTable, records: Sequence[Record], count_row: CountRow | None = None, name: str = ""
) -> Page:
    """Fill a table in the paper's layout.

    A measured row takes three lines: published, measured, and measured minus published, all as
    printed; where all are equal, one. The conditions of each measurement are a footnote; one that
    is not comparable has no difference.

    Args:
        count_row: counts the values of a table that is counted instead of measured.
        name: of a bundled table, whose configs tell how to measure it.
    """
    notes = Footnotes()
    rows = [_row(table, row, records, table.dataset, {}, count_row) for row in table.rows]
    tables = [_table(table, _paper_lines(table, rows, notes), table.data_title)]
    mini = [row for row in _mini_rows(table, records) if any(row.measured)]
    agreement = Agreement.of(rows, table)
    findings = [agreement.text()]
    remarks = [*_remarks(rows, mini, tables[0]), *table.remarks]
    if agreement.measured < agreement.rows:
        remarks += left_out(records, table.cells)
    if not agreement.measured:
        remarks += _ways_to_measure(name, table)
    if mini and table.mini is not None:
        data = dataset_title(table.mini.dataset)
        total = count(len(table.mini_rows), "row")
        findings.append(f"Mini models on the {data}: {len(mini)} of {total} measured.")
        measured = _measured_lines(table, mini, notes, single_trainings=True)
        lines = [[*map(Entry, row.labels), *line] for row, line in zip(mini, measured, strict=True)]
        tables.append(_table(table, lines, f"{data}, mini models"))
        remarks.append(SYNTHETIC_REMARK)
    return Page(table.title, tuple(tables), notes.texts, tuple(remarks), tuple(findings))


def _ways_to_measure(name: str, table: PaperTable) -> list[str]:
    """The command that measures the rows of a bundled table, and what it needs."""
    config = bundled_configs().get(f"tables/{name}")
    command = config and run_command(config)
    if not command:
        return []
    needs = f"DATA with {dataset_title(table.dataset)} and the weights that the config names"
    return [f"To measure these rows: {command}. This needs {needs} (docs/reproduce.md)."]


def _remarks(rows: Sequence[_Filled], mini: Sequence[_Filled], table: Table) -> list[str]:
    """Remarks on values without a difference, on intervals, and on differences that have one."""
    remarks = [RESERVED_REMARK] if any(row.comparable != row.texts for row in rows) else []
    shown = [value for row in (*rows, *mini) for value in row.measured if value and value.interval]
    remarks += interval_notes(value.num_videos for value in shown)
    differences = [line for line in table.rows if Entry(_DIFFERENCE) in line]
    if any(entry.interval for line in differences for entry in line):
        remarks.append(DIFFERENCE_REMARK)
    return remarks


@dataclass(frozen=True)
class Agreement:
    """Measured rows of a paper's table beside its published ones.

    Attributes:
        measured: rows of which a value is comparable with a published one.
        differences: of these values, as printed.
    """

    rows: int
    measured: int
    differences: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[_Filled], table: PaperTable) -> Agreement:
        """Agreement of the rows of a table."""
        found = [[e.text for e in _differences(row, table) if e.text != ABSENT] for row in rows]
        return cls(len(rows), sum(map(bool, found)), [text for texts in found for text in texts])

    @property
    def num_equal(self) -> int:
        """Values that equal the published ones as printed."""
        return sum(not Decimal(difference) for difference in self.differences)

    def text(self) -> str:
        """The agreement as a sentence."""
        if not self.measured:
            return f"Published only: none of {count(self.rows, 'row')} is measured."
        values, equal = len(self.differences), self.num_equal
        verb = "is" if self.measured == 1 else "are"
        text = f"{self.measured} of {count(self.rows, 'row')} {verb} measured"
        if equal == values:
            return f"{text}: {count(values, 'value')}, equal to the published ones as printed."
        farthest = max(self.differences, key=lambda difference: abs(Decimal(difference)))
        return (
            f"{text}: {equal} of {count(values, 'value')} equal to the published ones as printed, "
            f"the largest difference {farthest}."
        )


@dataclass(frozen=True)
class _Filled:
    """Labels and source of a row, and what is published and measured per column."""

    labels: Sequence[str]
    source: Sequence[str]
    published: Sequence[str | None]
    measured: Sequence[Measurement | None]

    @property
    def texts(self) -> list[str | None]:
        return [None if value is None else value.text for value in self.measured]

    @property
    def comparable(self) -> list[str | None]:
        return [value.text if value and value.comparable else None for value in self.measured]


def _row(
    table: PaperTable,
    row: PaperRow,
    records: Sequence[Record],
    dataset: str,
    extra: Where,
    count_row: CountRow | None,
) -> _Filled:
    published = [
        None if value is None else _as_published(value, column)
        for column, value in zip(table.columns, row.values, strict=False)
    ]
    measured: list[Measurement | None]
    if table.count is not None:
        measured = [None] * len(table.columns)
        if count_row is not None:
            counted = zip(table.columns, count_row(row), strict=True)
            texts = [column.metric.text(value) for column, value in counted]
            measured = [Measurement(text, table.count.conditions) for text in texts]
    else:
        cells = zip(table.cells_of(row, extra, dataset), table.columns, strict=True)
        measured = [measurement(records, where, own.metric, table) for where, own in cells]
    return _Filled(list(table.row_labels(row).values()), row.source, published, measured)


def _as_published(value: float, column: PaperColumn) -> str:
    """A whole number as it is, another one with the digits of its column."""
    return str(value) if isinstance(value, int) else f"{value:.{column.metric.digits}f}"


def _mini_rows(table: PaperTable, records: Sequence[Record]) -> list[_Filled]:
    if table.mini is None:
        return []
    extra, data = table.mini.where, table.mini.dataset
    return [_row(table, row, records, data, extra, None) for row in table.mini_rows]


def _paper_lines(table: PaperTable, rows: Sequence[_Filled], notes: Footnotes) -> list[list[Entry]]:
    figures = [row.published for row in rows]
    measured = iter(_measured_lines(table, [row for row in rows if any(row.measured)], notes))
    lines: list[list[Entry]] = []
    for row, entries in zip(rows, _marked(table, rows, figures, figures), strict=True):
        source = tuple(key for name in row.source for key in notes.numbered(source_text(name)))
        lines.append([*map(Entry, row.labels), Entry(PUBLISHED, notes=source), *entries])
        if any(row.measured):
            labels = [Entry(label, repeats=True) for label in row.labels]
            head, *values = next(measured)
            differences = _differences(row, table)
            if row.texts == [*row.published]:
                both = Entry(_EQUAL, notes=(*source, *head.notes))
                lines[-1] = [*map(Entry, row.labels), both, *entries]
                continue
            lines.append([*labels, head, *values])
            lines.append([*labels, Entry(_DIFFERENCE), *differences])
    return lines


def _differences(row: _Filled, table: PaperTable) -> list[Entry]:
    return list(map(_difference, row.published, row.measured, table.columns))


def _measured_lines(
    table: PaperTable, rows: Sequence[_Filled], notes: Footnotes, *, single_trainings: bool = False
) -> list[list[Entry]]:
    """Lines with the best and second best comparable values marked.

    The head of the line has the footnote on most values' conditions, others have their own.

    Args:
        single_trainings: marks no value that weights learn, as another training would change it.
    """
    lines = []
    unmarked = [single_trainings and column.metric.learned for column in table.columns]
    ranked = [
        [None if bare else text for bare, text in zip(unmarked, row.comparable, strict=True)]
        for row in rows
    ]
    entries = _marked(table, rows, [row.texts for row in rows], ranked)
    for row, line in zip(rows, entries, strict=True):
        [(most, _)] = Counter(value.conditions for value in row.measured if value).most_common(1)
        head = Entry("measured", notes=notes.lettered(most))
        values = [
            entry
            if value is None
            else replace(
                entry,
                interval=value.interval,
                notes=() if value.conditions == most else notes.lettered(value.conditions),
            )
            for entry, value in zip(line, row.measured, strict=True)
        ]
        lines.append([head, *values])
    return lines


def _marked(
    table: PaperTable,
    rows: Sequence[_Filled],
    lines: Sequence[Sequence[str | None]],
    ranked: Sequence[Sequence[str | None]],
) -> list[list[Entry]]:
    """Lines as entries, with the best of each backbone marked where the table names backbones.

    Args:
        ranked: lacks the values that must not be marked.
    """
    entries = [[Entry(text or ABSENT) for text in line] for line in lines]
    if len({tuple(row.labels) for row in table.rows}) < _FEWEST_MARKED:
        return entries
    fields = list(table.labels.values())
    place = fields.index("backbone") if "backbone" in fields else None
    alike = grouped(range(len(rows)), lambda n: place is not None and rows[n].labels[place])
    for number, column in enumerate(table.columns):
        better = column.metric.higher_is_better
        for places in alike.values() if better is not None else ():
            own = [entries[n][number] for n in places]
            texts = [ranked[n][number] for n in places]
            for n, entry in zip(places, marked(own, texts, higher=better is True), strict=True):
                entries[n][number] = entry
    return entries


def _difference(published: str | None, measured: Measurement | None, column: PaperColumn) -> Entry:
    """Measured minus published as printed, with its interval where the videos' sampling has one."""
    if published is None or measured is None or not measured.comparable:
        return Entry(ABSENT)
    moved = _minus(measured.text, published)
    if measured.interval is None or not column.metric.learned:
        return Entry(moved)
    low, high = measured.interval
    return Entry(moved, interval=(_minus(low, published), _minus(high, published)))


def _minus(measured: str, published: str) -> str:
    difference = Decimal(measured) - Decimal(published)
    return f"{difference:+}" if difference else f"{abs(difference)}"


def _table(table: PaperTable, lines: Sequence[Sequence[Entry]], data: str) -> Table:
    labels = [
        Column(title, numeric=False, joined=_JOINED.get(title, ", ") if place else "")
        for place, title in enumerate(table.labels)
    ]
    labels.append(Column(_FIGURES, numeric=False, context="{}"))
    columns = [
        replace(
            metric_column(column.metric),
            title=column.title,
            group=column.group,
            remarks=table.remarks_on(column, data),
        )
        for column in table.columns
    ]
    if any(column.group for column in columns):
        columns = [replace(column, key="", weight=0) for column in columns]
    return Table.of([*labels, *columns], lines, data, len(labels))
