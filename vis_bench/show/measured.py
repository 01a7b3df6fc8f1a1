"""The table of all records."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from vis_bench.grouping import grouped
from vis_bench.record.metrics import SHOWN
from vis_bench.record.names import COST_MARKS, method_title
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_columns, cell_names, measured_order
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import entry_of, interval_remarks, metric_column


def measured_page(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=measured_order)
    values = [
        (metric_column(metric, rows), [entry_of(row, metric) for row in rows]) for metric in SHOWN
    ]
    table = Table.of_columns([*cell_columns(rows), *values])
    remarks = (*order_remarks(rows), *interval_remarks(rows))
    return Page("", (table,), {}, remarks)


def cell_page(record: Record, pages: Sequence[Page]) -> Page:
    """The pages of one record as one: its figures below each other, then tables of several rows."""
    tables = [table for page in pages for table in page.tables]
    cells = list(_single_cells(tables))
    own = [(column, entry) for column, entry in cells if not (column.context or column.names_row)]
    columns = Column("Figure", numeric=False), Column("Value", numeric=False)
    words = dict.fromkeys(c.context.format(entry.text) for c, entry in cells if c.context)
    subject = ", ".join([*cell_names([record], marks=COST_MARKS), *words])
    first = Table.of(columns, _figure_rows(own), subject)
    remarks = [remark for column, _ in own for remark in column.remarks]
    remarks += [remark for page in pages for remark in page.remarks]
    footnotes = {key: text for page in pages for key, text in page.footnotes.items()}
    found = tuple(text for page in pages for text in page.findings)
    others = (table for table in tables if len(table.rows) > 1)
    return Page("", (first, *others), footnotes, tuple(dict.fromkeys(remarks)), found)


def _single_cells(tables: Iterable[Table]) -> Iterator[tuple[Column, Entry]]:
    """The columns and entries of the tables of one row."""
    for table in tables:
        if len(table.rows) == 1:
            pairs = zip(table.columns, table.rows[0], strict=True)
            yield from (pair for pair in pairs if pair[1].text not in ("", ABSENT))


def _figure_rows(cells: Iterable[tuple[Column, Entry]]) -> Iterator[list[str]]:
    """A row per kind of figures: its name, and each figure with its title where that is another."""
    figures: dict[str, dict[str, str]] = defaultdict(dict)
    for column, entry in cells:
        kind = column.group or re.split(r"\d|/", column.title)[0]
        notes = "".join(f" [{key}]" for key in entry.notes)
        figures[kind][column.title] = entry.whole_text + notes
    for kind, texts in figures.items():
        head = min(texts) if len(texts) == 1 and min(texts).startswith(kind) else kind
        parts = (f"{title} {text}".removeprefix(f"{head} ") for title, text in texts.items())
        yield [head, ", ".join(parts)]


def order_remarks(records: Iterable[Record]) -> tuple[str, ...]:
    """Name the methods of which the clips of highest HOTA have a lower AP than the best, with
    intervals that lie apart.
    """
    names = sorted(set(_disagreeing(records)))
    if not names:
        return ()
    return (
        "AP and HOTA differ on the best clips, with AP's intervals apart, for "
        f"{' and '.join(names)}: docs/evaluate.md has the reason, under AP and HOTA.",
    )


def _disagreeing(records: Iterable[Record]) -> Iterator[str]:
    """Titles of the methods, once for each model whose best clips differ in the two metrics."""

    def model_of(record: Record) -> tuple:
        weights, data = record.weights_sha256, record.annotations_sha256
        return record.method, weights, data, record.num_videos, record.resolution

    known = [record for record in records if record.ap is not None and record.hota is not None]
    for group in grouped(known, model_of).values():
        by_ap = max(group, key=lambda record: record.ap or 0.0)
        by_hota = max(group, key=lambda record: record.hota or 0.0)
        if (by_hota.ap_high or 1.0) < (by_ap.ap_low or 0.0):
            yield method_title(by_ap.method)
