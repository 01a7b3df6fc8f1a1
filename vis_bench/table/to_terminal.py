"""Pages for a terminal: bold and underlined text, tables as wide as it is.

Tables lose columns of dashes; one that is still too wide is turned if it has few rows, or loses
columns, the heaviest first and then from the right, which a line below it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from vis_bench.table.fit import with_interval_columns
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.text import escaped, single_line

_STYLES = {None: "", "best": "bold", "second": "underline"}
_TURNED_ROWS = 4  # a table of at most so many rows may be turned
_LEAST_TEXT = 12  # characters to which texts may be broken, where whole words do not fit
_LEAST_WORDS, _LONGEST_WORD = 8, 18  # those of texts of whole words, and of a word that stays whole
_GAP = 1
_AS_IT_IS = "  "  # begins a line of a paragraph that is a command, to be copied whole
_PLAIN = {0x2011: "-", 0xA0: " "}  # lines break elsewhere


def print_parts(console: Console, parts: Iterable[Page | Table | str]) -> None:
    """Print pages, tables and paragraphs at the console's width, with an empty line between."""
    blocks = [block for part in parts for block in _blocks(part, console.width)]
    for place, block in enumerate(blocks):
        if place:
            console.print()
        for line in block:
            whole = isinstance(line, Text)  # lines that fit, and commands
            console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=whole)


def _blocks(part: Page | Table | str, width: int) -> Iterator[list[RenderableType]]:
    """Title, findings, tables, footnotes and remarks, each without the empty lines around it."""
    if isinstance(part, str):
        yield _paragraph(part, width)
        return
    page = Page("", (part,)) if isinstance(part, Table) else part
    above = _above(page, width)
    for table in page.tables:
        if table.data:
            above += _wrapped(_text(table.data, "bold"), width)
        if table.shared:
            above += _wrapped(_text(table.shared_text), width)
        yield [*above, *_fitted(_Grid.of(with_interval_columns(table)), width)]
        above = []
    if above:
        yield above
    if page.footnotes:
        notes = [f"- [{key}] {text}" for key, text in page.footnotes.items()]
        yield _lines(notes, width, indent="  ")
    if page.all_remarks:
        yield _lines(page.all_remarks, width)


def _paragraph(text: str, width: int) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for line in map(Text, map(escaped, text.strip("\n").splitlines())):
        lines += [line] if line.plain.startswith(_AS_IT_IS) else _wrapped(line, width)
    return lines


def _above(page: Page, width: int) -> list[RenderableType]:
    """Title and findings."""
    return _lines(filter(None, (page.title, *page.findings)), width, "bold")


def _lines(
    texts: Iterable[str], width: int, style: str = "", indent: str = ""
) -> list[RenderableType]:
    return [line for text in texts for line in _wrapped(_text(text, style), width, indent)]


def _text(text: str, style: str = "") -> Text:
    return Text(escaped(single_line(text)).translate(_PLAIN), style)


def _entry(entry: Entry) -> Text:
    if entry.repeats:
        return Text()
    text = Text().append_text(_text(entry.text, _STYLES[entry.mark]))
    return text.append("".join(f" [{key}]" for key in entry.notes))


def _wrapped(text: Text, width: int, indent: str = "") -> list[RenderableType]:
    first, *rest = text.wrap(Console(width=width), max(1, width - len(indent))) or [Text()]
    return [first, *(Text(indent).append_text(line) for line in rest)]


@dataclass(frozen=True)
class _Grid:
    """Columns, and texts of the cells, titles first; numeric columns are right-aligned."""

    rows: Sequence[Sequence[Text]]
    columns: Sequence[Column]

    @classmethod
    def of(cls, table: Table) -> _Grid:
        """The titles and entries of a table."""
        titles = [_text(column.full_title) for column in table.columns]
        return cls([titles, *(list(map(_entry, row)) for row in table.rows)], table.columns)

    def picked(self, places: Sequence[int]) -> _Grid:
        """Copy with only these columns."""
        rows = [[row[place] for place in places] for row in self.rows]
        return _Grid(rows, [self.columns[place] for place in places])

    def used(self) -> _Grid:
        """Copy without columns that are empty in all rows, if there are rows; the first stays."""
        _, *columns = zip(*self.rows[1:], strict=True) if len(self.rows) > 1 else [()]
        empty = [
            place
            for place, cells in enumerate(columns, 1)
            if all(cell.plain in ("", "-") for cell in cells)
        ]
        return self.picked([n for n in range(len(self.columns)) if n not in empty])

    def turned(self) -> _Grid:
        """A line per column."""
        rows = [list(row) for row in zip(*self.rows, strict=True)]
        values = [Column("")] * (len(self.rows) - 1)
        return _Grid(rows, [Column("", numeric=False), *values])

    def least(self, *, whole_words: bool = False) -> list[int]:
        """The narrowest widths of the columns: numbers whole, texts and heads broken."""
        widths = []
        for place, column in enumerate(self.columns):
            head, *cells = (row[place] for row in self.rows)
            parts = (part for cell in cells for part in re.split(r" (?=\()", cell.plain))
            longest = max(map(cell_len, parts), default=1)
            word = _longest_word([head])
            least = min(longest, _LEAST_TEXT)
            if whole_words:
                own = min(_longest_word(cells), _LONGEST_WORD)
                least = max(own, min(longest, _LEAST_WORDS))
            widths.append(max(word, longest if column.numeric else least))
        return widths

    def widths(self, width: int) -> list[int] | None:
        """Widths that together fit; None where none do. Heads of a group are broken alike."""
        gaps = _GAP * (len(self.columns) - 1)
        least = self.least(whole_words=True)
        if sum(least) + gaps > width:
            least = self.least()
        spare = width - sum(least) - gaps
        if spare < 0:
            return None
        longest = [max(row[place].cell_len for row in self.rows) for place in range(len(least))]
        groups = groupby(range(len(least)), lambda place: self.columns[place].group or place)
        for places in (list(own) for _, own in groups):
            is_short = sum(longest[p] - least[p] for p in places) > spare
            most = spare // len(places) if is_short else spare
            for place in places:
                added = max(0, min(most, longest[place] - least[place]))
                least[place] += added
                spare -= added
        return least


def _longest_word(texts: Iterable[Text]) -> int:
    return max((cell_len(word) for text in texts for word in text.plain.split()), default=1)


def _fitted(grid: _Grid, width: int) -> list[RenderableType]:
    """The table at a width, and what was left out."""
    grid = grid.used()
    places = list(range(len(grid.columns)))
    if grid.widths(width) is None and len(grid.rows) <= _TURNED_ROWS + 1:
        turned = grid.turned()
        if turned.widths(width) is not None:
            return [_table(turned, width)]
    while len(places) > 1 and grid.picked(places).widths(width) is None:
        places.remove(max(places[1:], key=lambda place: _readiness(grid.columns[place], place)))
    heads = [title.plain for title in grid.rows[0]]
    left_out = [
        f"{head} of {heads[n - 1]}" if heads.count(head) > 1 else head
        for n, head in enumerate(heads)
        if n not in places
    ]
    note = Text(f"Left out at this width: {', '.join(left_out)}.", style="dim")
    shown = _table(grid.picked(places), width)
    return [shown, *(_wrapped(note, width) if left_out else [])]


def _readiness(column: Column, place: int) -> tuple[bool, int, int]:
    """Sort key for leaving columns out: those that name a row last, else by weight and place."""
    return not column.names_row, column.weight, place


def _table(grid: _Grid, width: int) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    widths = grid.widths(width) or grid.least()
    for head, column, wide in zip(grid.rows[0], grid.columns, widths, strict=True):
        table.add_column(
            head, justify="right" if column.numeric else "left", width=wide, overflow="fold"
        )
    for row in grid.rows[1:]:
        table.add_row(*row)
    return table
