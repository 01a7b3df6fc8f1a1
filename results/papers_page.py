"""PAPERS.md: the papers' tables, those with measured rows first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from page_text import GENERATED, bold, fold_of, folded, heading_anchor, section
from vis_bench.grouping import grouped
from vis_bench.record.schema import Record
from vis_bench.runs.build import BuildMethod
from vis_bench.show.papers import FPS, paper_tables, table_page
from vis_bench.show.papers.fill import PUBLISHED, Agreement
from vis_bench.show.papers.fps import fits_fps_page
from vis_bench.show.papers.table import PaperTable, load_table
from vis_bench.table.fit import join
from vis_bench.table.model import ABSENT, Entry, Page, Table
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count

_TEXT = "What is published, with its source, and what this bench has [measured](README.md).\n"
_APS = "AP", "AP long"
_PLAIN = "Method", "Backbone", "Training"  # labels that need no title
_FEW = 2  # values of a row that stand beside those of another source
_LEAST_FILLED = 0.25  # of the rows of a column that is shown


def papers_text(records: Sequence[Record], build: BuildMethod | None) -> tuple[str, str]:
    """The page, and the sentence that it opens with.

    Args:
        build: builds methods, for the table that is counted.
    """
    papers = {name: table_page(name, records, build) for name in paper_tables()}
    found = {name: Agreement.of(page.tables[0]) for name, page in papers.items()}
    opening = summary(found)
    order = sorted(papers, key=lambda name: -found[name].measured)
    asked = {
        name: f"- {load_table(name).question} {bold([answer(load_table(name), found[name])])} "
        f"[{page.title}](#{heading_anchor(page.title)}), {count(found[name].rows, 'row')}\n"
        for name, page in papers.items()
    }
    measured = [asked[name] for name in order if found[name].measured]
    others = [asked[name] for name in order if not found[name].measured]
    parts = [GENERATED, "# The papers' tables\n", f"{bold([opening])}\n", _TEXT]
    parts += ["".join(measured)] if measured else []
    parts += ["Published only:\n", "".join(others)] if others else []
    parts.append(papers_markdown(papers[name] for name in order))
    if fits_fps_page(records):
        parts.append(section(table_page(FPS, records), level=3))
    return "\n".join(parts), opening


def answer(table: PaperTable, found: Agreement) -> str:
    """How well the measured rows agree; without any, where the highest published AP is."""
    columns = {n: c for n, c in enumerate(table.columns) if c.metric.title in _APS}
    if found.measured or not columns:
        return found.text()
    cells = [(row.values[n] or 0.0, row, c) for row in table.rows for n, c in columns.items()]
    value, row, column = max(cells, key=lambda cell: cell[0])
    words = [
        text if title in _PLAIN else f"{title.lower()} {text}"
        for title, text in table.row_labels(row).items()
        if text != ABSENT
    ]
    words += [part for part in (column.group, column.title) if part.startswith("T=")]
    return f"Highest AP of these rows, {value:.{column.metric.digits}f}: {', '.join(words)}."


def summary(found: Mapping[str, Agreement]) -> str:
    """A sentence on all tables: rows that are measured, how well they agree, and the others."""
    rows = sum(one.rows for one in found.values())
    measured = sum(one.measured for one in found.values())
    values = sum(len(one.differences) for one in found.values())
    equal = sum(one.num_equal for one in found.values())
    if not measured:
        return f"Published only: none of {count(rows, 'row')} of the papers is measured."
    agree = "all" if equal == values else f"{equal} of {count(values, 'value')}"
    return (
        f"{measured} of {count(rows, 'row')} of the papers {'is' if measured == 1 else 'are'} "
        f"measured, and {agree} agree with the published values to the printed digit; the other "
        f"{count(rows - measured, 'row')} are published only."
    )


def papers_markdown(papers: Iterable[Page]) -> str:
    """The tables below each other; one that stands in an earlier page is a link to it.

    Long tables, and all notes, are folded.
    """
    shown: dict[tuple, str] = {}
    texts = []
    for page in papers:
        own = tuple(table for table in page.tables if _content(table) not in shown)
        texts.append(_section(replace(page, tables=own)))
        for table in page.tables:
            if title := shown.get(_content(table)):
                data = escape_markdown(table.data or "this table")
                anchor = f"[{escape_markdown(title)}](#{heading_anchor(title)})"
                texts.append(f"{data[:1].upper()}{data[1:]}: as under {anchor}.\n")
        shown |= {_content(table): page.title for table in own}
    return "\n".join(texts)


def _section(page: Page) -> str:
    """Title and finding, a table each, and the notes that the tables use."""
    used = {key for t in page.tables for row in t.rows for entry in row for key in entry.notes}
    notes = {key: text for key, text in page.footnotes.items() if key in used}
    title = replace(page, tables=(), footnotes={}, remarks=())
    parts = [section(title, level=3).rstrip() + "\n"]
    remarks = list[str]()
    for table in page.tables:
        own, left_out = compact(table)
        remarks += Page("", (own,)).all_remarks
        bare = replace(own, columns=tuple(replace(c, remarks=()) for c in own.columns))
        remark = f"Left out, as few rows have values, but in CSV and JSON: {', '.join(left_out)}."
        one = Page("", (bare,), remarks=(remark,) if left_out else ())
        parts.append(section(one, fold=fold_of(one)))
    listed = [f"- [{key}] {escape_markdown(text)}\n" for key, text in notes.items()]
    texts = dict.fromkeys((*remarks, *page.remarks))
    listed += [f"- {escape_markdown(text)}\n" for text in texts]
    if listed:
        parts.append(folded("Sources and notes", "".join(listed)))
    return "\n".join(parts)


def compact(table: Table) -> tuple[Table, list[str]]:
    """The table with one column of labels, with few values of further sources beside those of a
    model's first row, and without columns that few rows fill; the titles of the latter.
    """
    place = table.num_labels
    models = grouped(table.rows, lambda row: tuple(entry.text for entry in row[: place - 1]))
    rows = tuple(row for own in models.values() for row in _merged(own, place))
    filled = [sum(entry.text != ABSENT for entry in column) for column in zip(*rows, strict=True)]
    kept = [n for n, own in enumerate(filled) if n < place or own >= _LEAST_FILLED * len(rows)]
    titles = [c.title for n, c in enumerate(table.columns) if n not in kept and filled[n]]
    shown = replace(table, rows=rows).picked(kept)
    while place and shown.columns[1].joined:
        shown = join(shown, 1)
    return shown, titles


def _merged(rows: Sequence[tuple[Entry, ...]], place: int) -> list[tuple[Entry, ...]]:
    """The published rows of a model, those with few values merged into the one with most.

    Args:
        place: of the first value; the entry before it names what the row holds, and its source.
    """
    if any(row[place - 1].text != PUBLISHED for row in rows):
        return list(rows)

    def num_values(row: tuple[Entry, ...]) -> int:
        return sum(entry.text != ABSENT for entry in row[place:])

    most, *others = sorted(rows, key=num_values, reverse=True)
    for row in others:
        if num_values(row) <= _FEW:
            source = "".join(f" [{key}]" for key in row[place - 1].notes)
            values = (
                _beside(*pair, source) for pair in zip(most[place:], row[place:], strict=True)
            )
            most = (*most[:place], *values)
    return [most, *(row for row in others if num_values(row) > _FEW)]


def _beside(one: Entry, other: Entry, source: str) -> Entry:
    if other.text == ABSENT:
        return one
    texts = [text for text in (one.text, other.text + source) if text != ABSENT]
    return replace(one, text=", ".join(texts))


def _content(table: Table) -> tuple:
    """The table without the keys of its page's footnotes."""
    rows = tuple(tuple(entry.text for entry in row) for row in table.rows)
    return table.data, table.columns, rows
