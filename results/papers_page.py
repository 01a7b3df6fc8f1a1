"""PAPERS.md: the papers' tables, those with measured rows first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from page_text import GENERATED, bold, fold_of, folded, heading_anchor, section
from vis_bench.record.schema import Record
from vis_bench.runs.build import BuildMethod
from vis_bench.show.papers import FPS, paper_tables, table_page
from vis_bench.show.papers.fill import Agreement
from vis_bench.show.papers.fps import fits_fps_page
from vis_bench.show.papers.table import load_table
from vis_bench.table.model import Page, Table
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count

_TEXT = "What is published, with its source, and what this bench has [measured](README.md).\n"


def papers_text(records: Sequence[Record], build: BuildMethod | None) -> tuple[str, str]:
    """The page, and the sentence that it opens with.

    Args:
        build: builds methods, for the table that is counted.
    """
    papers = {name: table_page(name, records, build) for name in paper_tables()}
    found = {name: Agreement.of(page.tables[0]) for name, page in papers.items()}
    opening = summary(found)
    order = sorted(papers, key=lambda name: -found[name].measured)
    questions = [
        f"- {load_table(name).question} {found[name].text()} "
        f"[{papers[name].title}](#{heading_anchor(papers[name].title)})\n"
        for name in order
    ]
    parts = [GENERATED, "# The papers' tables\n", f"{bold([opening])}\n", _TEXT]
    parts += ["".join(questions), papers_markdown(papers[name] for name in order)]
    if fits_fps_page(records):
        parts.append(section(table_page(FPS, records), level=3))
    return "\n".join(parts), opening


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
    bare = [section(replace(page, tables=(), footnotes={}, remarks=()), level=3).rstrip() + "\n"]
    for table in page.tables:
        one = Page("", (table,))
        bare.append(section(one, fold=fold_of(one)))
    if notes or page.all_remarks:
        rest = section(Page("", (), notes, page.all_remarks))
        bare.append(folded("Sources and notes", rest))
    return "\n".join(bare)


def _content(table: Table) -> tuple:
    """The table without the keys of its page's footnotes."""
    rows = tuple(tuple(entry.text for entry in row) for row in table.rows)
    return table.data, table.columns, rows
