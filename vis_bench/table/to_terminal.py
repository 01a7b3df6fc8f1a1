"""Markdown of this project for a terminal: bold and underlined text, tables as wide as it is.

Tables lose columns of dashes; one that is still too wide is turned if it has few rows, or loses
columns from the right, which a line below it names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

_MARK = re.compile(
    r"\\(?P<escaped>[^a-zA-Z0-9\s])|\*\*(?P<bold>(?:\\.|[^\\*])+)\*\*|<ins>(?P<ins>.*?)</ins>"
    r"|\[(?P<link>(?:\\.|[^\\\]])+)\]\([^)]*\)|`(?P<code>[^`]+)`"
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")
_TURNED_ROWS = 4  # a table of at most so many rows may be turned
_LEAST_TEXT = 12  # characters to which texts may be broken
_GAP = 1
_PLAIN = {0x2011: "-", 0xA0: " "}  # lines break elsewhere


def print_markdown(console: Console, markdown: str) -> None:
    """Print paragraphs, lists and tables at the console's width."""
    blocks = re.split(r"\n{2,}", _COMMENT.sub("", markdown).strip("\n"))
    for place, block in enumerate(filter(str.strip, blocks)):
        if place:
            console.print()
        for part in _rendered(block, console.width):
            console.print(part, highlight=False, markup=False, emoji=False)


def styled(text: str) -> Text:
    """A line of Markdown without its marks."""
    shown, end = Text(), 0
    for match in _MARK.finditer(text):
        shown.append(text[end : match.start()])
        style = {"bold": "bold", "ins": "underline"}.get(match.lastgroup or "", "")
        inside = match[match.lastgroup or 0]
        is_plain = match.lastgroup in ("escaped", "code")
        part = Text(inside) if is_plain else styled(inside)
        part.stylize(style)
        shown.append_text(part)
        end = match.end()
    shown.append(text[end:])
    return shown


def _rendered(block: str, width: int) -> list[RenderableType]:
    lines = block.splitlines()
    if len(lines) > 1 and all(line.startswith("|") for line in lines):
        return _fitted(_Grid.parse(lines), width)
    parts: list[RenderableType] = []
    for line in lines:
        if heading := re.match(r"#+ ", line):
            parts.append(Text("", style="bold").append_text(styled(line[heading.end() :])))
        else:
            parts += _wrapped(styled(line), width, "  " if line.startswith("- ") else "")
    return parts


def _wrapped(text: Text, width: int, indent: str) -> list[Text]:
    first, *rest = text.wrap(Console(width=width), max(1, width - len(indent))) or [Text()]
    return [first, *(Text(indent).append_text(line) for line in rest)]


@dataclass(frozen=True)
class _Grid:
    """Cells of a table, heads first; `numeric` columns are right-aligned."""

    rows: Sequence[Sequence[Text]]
    numeric: Sequence[bool]

    @classmethod
    def parse(cls, lines: Sequence[str]) -> _Grid:
        """Read the lines of a Markdown table."""
        head, rule, *body = ([cell.strip() for cell in _CELL.split(s)[1:-1]] for s in lines)
        rows = [[styled(cell.translate(_PLAIN)) for cell in row] for row in (head, *body)]
        return cls(rows, [cell.endswith(":") for cell in rule])

    def picked(self, places: Sequence[int]) -> _Grid:
        """Only these columns."""
        rows = [[row[place] for place in places] for row in self.rows]
        return _Grid(rows, [self.numeric[place] for place in places])

    def turned(self) -> _Grid:
        """A line per column."""
        rows = [list(row) for row in zip(*self.rows, strict=True)]
        return _Grid(rows, [False, *[True] * (len(self.rows) - 1)])

    def least(self) -> list[int]:
        """The narrowest widths of the columns: numbers whole, texts and heads broken."""
        widths = []
        for place, is_number in enumerate(self.numeric):
            head, *cells = (row[place] for row in self.rows)
            parts = (part for cell in cells for part in re.split(r" (?=\()", cell.plain))
            longest = max(map(cell_len, parts), default=1)
            word = max((len(word) for word in head.plain.split()), default=1)
            widths.append(max(word, longest if is_number else min(longest, _LEAST_TEXT)))
        return widths

    def widths(self, width: int) -> list[int] | None:
        """Widths that together fit; None where none do."""
        least = self.least()
        spare = width - sum(least) - _GAP * (len(least) - 1)
        if spare < 0:
            return None
        for place, narrow in enumerate(least):
            added = min(spare, max(row[place].cell_len for row in self.rows) - narrow)
            least[place] += max(0, added)
            spare -= max(0, added)
        return least


def _fitted(grid: _Grid, width: int) -> list[RenderableType]:
    """The table at a width, and what was left out."""
    if len(grid.rows) > 1:
        used = [
            place for place in range(len(grid.numeric))
            if not place or any(row[place].plain not in ("", "-") for row in grid.rows[1:])
        ]  # fmt: skip
        grid = grid.picked(used)
    places = list(range(len(grid.numeric)))
    if grid.widths(width) is None and len(grid.rows) <= _TURNED_ROWS + 1:
        turned = grid.turned()
        if turned.widths(width) is not None:
            return [_table(turned, width)]
    while len(places) > 1 and grid.picked(places).widths(width) is None:
        places.pop()
    left_out = [head.plain for head in grid.rows[0][len(places) :]]
    note = f"Left out at this width: {', '.join(left_out)}."
    shown = _table(grid.picked(places), width)
    return [shown, *(_wrapped(Text(note, style="dim"), width, "") if left_out else [])]


def _table(grid: _Grid, width: int) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    widths = grid.widths(width) or grid.least()
    for head, is_number, wide in zip(grid.rows[0], grid.numeric, widths, strict=True):
        table.add_column(
            head, justify="right" if is_number else "left", width=wide, overflow="fold"
        )
    for row in grid.rows[1:]:
        table.add_row(*row)
    return table
