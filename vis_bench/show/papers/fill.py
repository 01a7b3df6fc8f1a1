"""A paper's table with what has been measured: published, measured and difference.

Figures measured on the synthetic set stand in a table of their own below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from vis_bench.data.categories import dataset_title
from vis_bench.show.number_format import INTERVAL_NOTE
from vis_bench.show.papers.footnotes import Footnotes
from vis_bench.show.papers.spec import Lookup, Measurement, PaperRow, PaperTable
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table, rank_marks

FIGURES_COLUMN = "Figures"
SYNTHETIC_REMARK = (
    "The synthetic set is another data set and the mini models are other models: compare their "
    "figures with each other, not with those above."
)
RESERVED_REMARK = (
    "Figures of other videos than the published ones, of random weights, or of videos that the "
    "weights were trained on have no difference and do not count as measured."
)


def fill_table(table: PaperTable, look_up: Lookup, look_up_mini: Lookup) -> Page:
    """The table in the paper's layout.

    A row that has been measured takes three lines: published, measured, and measured minus
    published, all as printed. What each measurement was made on is a footnote. One that is not
    comparable has no difference.

    Args:
        look_up: what has been measured on the paper's data set.
        look_up_mini: what the mini models' rows have on the synthetic set.
    """
    footnotes = Footnotes()
    measured = [_Row.of(table, row, look_up) for row in table.rows]
    grids = [_grid(table, _paper_lines(table, measured, footnotes), table.data)]
    mini = [_Row.of(table, row, look_up_mini) for row in table.mini_rows]
    mini_lines = _measured_lines(table, [row for row in mini if any(row.measured)], footnotes)
    done = sum(row.is_compared for row in measured)
    remarks = [f"Measured: {done} of {len(measured)} rows; a row of one line is published only."]
    remarks += [RESERVED_REMARK] if any(row.has_reservations for row in measured) else []
    has_interval = any(f and f.interval for row in (*measured, *mini) for f in row.measured)
    remarks += [INTERVAL_NOTE] if has_interval else []
    remarks += table.remarks
    if mini_lines:
        lines = [(*map(Entry, row.labels), *line) for row, line in mini_lines]
        grids.append(_grid(table, lines, f"{dataset_title(table.mini_dataset)}, mini models"))
        remarks.append(SYNTHETIC_REMARK)
    return Page(table.title, tuple(grids), footnotes.texts, tuple(remarks))


@dataclass(frozen=True)
class _Row:
    """A row's labels and source, and what is published and measured per column."""

    labels: tuple[str, ...]
    source: str | None
    published: tuple[str | None, ...]
    measured: tuple[Measurement | None, ...]

    @classmethod
    def of(cls, table: PaperTable, row: PaperRow, look_up: Lookup) -> _Row:
        digits = [column.metric.digits for column in table.columns]
        published = zip(row.published, digits, strict=bool(row.published))
        texts = (None if value is None else f"{value:.{places}f}" for value, places in published)
        measured = (look_up(row, column) for column in table.columns)
        return cls(row.labels, row.source, tuple(texts), tuple(measured))

    @property
    def measured_texts(self) -> list[str | None]:
        return [None if figure is None else figure.text for figure in self.measured]

    @property
    def comparable_texts(self) -> list[str | None]:
        return [figure.text if figure and figure.comparable else None for figure in self.measured]

    @property
    def is_compared(self) -> bool:
        return any(text is not None for text in self.comparable_texts)

    @property
    def has_reservations(self) -> bool:
        return self.comparable_texts != self.measured_texts


def _paper_lines(
    table: PaperTable, rows: Sequence[_Row], footnotes: Footnotes
) -> list[tuple[Entry, ...]]:
    figures = [row.published for row in rows]
    published = _marked(table, figures, figures)
    measured = dict(_measured_lines(table, [row for row in rows if any(row.measured)], footnotes))
    lines: list[tuple[Entry, ...]] = []
    for row, entries in zip(rows, published, strict=True):
        source = Entry("published", notes=footnotes.source(row.source))
        lines.append((*map(Entry, row.labels), source, *entries))
        if row in measured:
            labels = [Entry(label, repeats=True) for label in row.labels]
            differences = map(_difference, row.published, row.comparable_texts)
            lines.append((*labels, *measured[row]))
            lines.append((*labels, Entry("difference"), *map(Entry, differences)))
    return lines


def _measured_lines(
    table: PaperTable, rows: Sequence[_Row], footnotes: Footnotes
) -> list[tuple[_Row, list[Entry]]]:
    """The rows' measured lines, best and second marked among the comparable figures."""
    marked = _marked(
        table, [row.measured_texts for row in rows], [row.comparable_texts for row in rows]
    )
    return [
        (row, _with_conditions(row.measured, _with_intervals(row.measured, line), footnotes))
        for row, line in zip(rows, marked, strict=True)
    ]


def _with_intervals(
    figures: Sequence[Measurement | None], line: Sequence[Entry]
) -> Sequence[Entry]:
    return [
        entry if figure is None else replace(entry, interval=figure.interval)
        for figure, entry in zip(figures, line, strict=True)
    ]


def _with_conditions(
    figures: Sequence[Measurement | None], line: Sequence[Entry], footnotes: Footnotes
) -> list[Entry]:
    """The measured line: one footnote for all figures where they share their conditions."""
    conditions = [None if figure is None else figure.conditions for figure in figures]
    shared = {text for text in conditions if text is not None}
    if len(shared) == 1:
        return [Entry("measured", notes=footnotes.conditions(shared.pop())), *line]
    noted = [
        replace(entry, notes=footnotes.conditions(text))
        for entry, text in zip(line, conditions, strict=True)
    ]
    return [Entry("measured"), *noted]


def _marked(
    table: PaperTable,
    lines: Sequence[Sequence[str | None]],
    ranked: Sequence[Sequence[str | None]],
) -> list[list[Entry]]:
    """The lines as entries; of each column the best and second best are marked, as found in
    `ranked`, which lacks the figures that are not to be marked.
    """
    entries = [[Entry(text or ABSENT) for text in line] for line in lines]
    for place, column in enumerate(table.columns):
        better = column.metric.higher_is_better
        if better is not None:
            marks = rank_marks([line[place] for line in ranked], higher_is_better=better)
            for line, mark in zip(entries, marks, strict=True):
                line[place] = Entry(line[place].text, mark)
    return entries


def _difference(published: str | None, measured: str | None) -> str:
    if published is None or measured is None:
        return ABSENT
    difference = Decimal(measured) - Decimal(published)
    return f"{difference:+}" if difference else f"{abs(difference)}"


def _grid(table: PaperTable, lines: Sequence[tuple[Entry, ...]], data: str) -> Table:
    labels = [Column(title, numeric=False) for title in (*table.label_titles, FIGURES_COLUMN)]
    figures = [
        Column(column.title, column.group, has_interval=column.metric.ends is not None)
        for column in table.columns
    ]
    return Table((*labels, *figures), tuple(lines), data, len(labels))
