"""Tables before they have a format: columns, entries, emphasis and footnotes."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from markupsafe import Markup

Emphasis = Literal["best", "second"]
ABSENT = "-"
_FEWEST_SECOND = 4  # numbers of which the second best is marked


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        group: a second header above neighboring columns that share it.
        has_interval: entries may have an interval, for which CSV and JSON have two columns.
        interval_title: of the interval's own column in Markdown and the terminal; empty for
            brackets behind the value.
        key: name of the column for `--columns`; made from the title unless given.
        context: template with `{}`, filled once above the table if all rows share the value.
        joined: what stands between this column and the one on its left where both share one.
        weight: where space is short, the column with the highest goes first; 0 stays.
        remarks: sentences that explain it, shown below the table with it.
        hint: explains the title in a report.
        merges: it goes into its left neighbor of the same group where all entries are the same.
        names_row: it tells rows apart, and stays, if joined, where no other such column does.
    """

    title: str
    group: str = ""
    numeric: bool = True
    has_interval: bool = False
    interval_title: str = "95 %"
    key: str = ""
    context: str = ""
    joined: str = ""
    weight: int = 0
    remarks: tuple[str, ...] = ()
    hint: str = ""
    names_row: bool = False
    merges: bool = False

    @property
    def name(self) -> str:
        """The key, or the title in lower case without punctuation."""
        return self.key or "_".join(re.findall(r"[a-z0-9]+", self.full_title.lower()))

    @property
    def full_title(self) -> str:
        """The title with its group, for formats with one header line."""
        return f"{self.group} {self.title}".strip()

    @property
    def value_titles(self) -> tuple[str, ...]:
        """The titles of `Entry.values`."""
        ends = ("low", "high") if self.has_interval else ()
        return (self.full_title, *(f"{self.full_title} {end}" for end in ends))


@dataclass(frozen=True)
class Entry:
    """One cell.

    Attributes:
        mark: emphasis of the best and the second best of a column.
        notes: keys of the page's footnotes.
        repeats: same text as the entry above; shown only by formats whose rows stand alone.
        interval: both ends as printed.
        link: an address that HTML links the text to.
        order: sorting key where the text is not; None for that of the text.
        detail: smaller text behind it, in place of an interval.
        shade: -1..1, colors the cell of a report; None for none.
        links: texts behind it, each with an address.
        words: the text with its unit where its column is joined to another; empty for the text.
    """

    text: str
    mark: Emphasis | None = None
    notes: tuple[str, ...] = ()
    repeats: bool = False
    interval: tuple[str, str] | None = None
    link: str = ""
    words: str = ""
    order: float | str | None = None
    detail: str = ""
    shade: float | None = None
    links: tuple[tuple[str, str], ...] = ()

    @property
    def interval_text(self) -> str:
        """The interval, with a hyphen at which no line breaks: `58.9-77.3`, or `-1.0 to +2.0`."""
        if self.interval is None:
            return ""
        signed = any(end.startswith(("+", "-")) for end in self.interval)
        return (" to " if signed else "\u2011").join(self.interval)

    @property
    def whole_text(self) -> str:
        """The text with its interval in brackets, where it has one."""
        return f"{self.text} ({self.interval_text})" if self.interval else self.text

    def values(self, column: Column) -> tuple[str, ...]:
        """The text, with both ends of the interval where the column has intervals."""
        ends = self.interval or (ABSENT, ABSENT)
        return (self.text, *ends) if column.has_interval else (self.text,)


@dataclass(frozen=True)
class Table:
    """Columns and rows.

    Attributes:
        data: the data set of all values, shown above the table.
        num_labels: leading columns that describe a row; the others hold values.
        shared: what all rows have in common, shown above the table.
        charts: HTML that HTML alone shows above the table.
        fold: HTML shows the table when this line is clicked; empty for always.
        is_grid: values are compared along rows, too, so that more columns stay beside each other,
            without bars in HTML.
        parted_by: titles of columns; HTML has a table for each of their values, under a heading
            that opens it.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    data: str = ""
    num_labels: int = 0
    shared: tuple[str, ...] = ()
    charts: Markup | None = None
    fold: str = ""
    is_grid: bool = False
    parted_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} entries for {len(self.columns)} columns")

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        rows: Iterable[Sequence[str | Entry]],
        data: str = "",
        num_labels: int = 0,
    ) -> Table:
        """Build a table whose entries may be bare text."""
        entries = (tuple(Entry(e) if isinstance(e, str) else e for e in row) for row in rows)
        return cls(tuple(columns), tuple(entries), data, num_labels)

    @classmethod
    def of_columns(
        cls, columns: Iterable[tuple[Column, Sequence[str | Entry]]], data: str = ""
    ) -> Table:
        """Build a table from its columns with their entries."""
        heads, entries = zip(*columns, strict=True)
        return cls.of(heads, zip(*entries, strict=True), data)

    @classmethod
    def from_dicts(cls, rows: Iterable[Mapping[str, object]]) -> Table:
        """Build a table with a row per mapping; absent keys give `ABSENT`.

        Columns keep the order of the keys and are numeric where any entry starts with a number.
        """
        rows = list(rows)
        titles = list(dict.fromkeys(title for row in rows for title in row))
        texts = [[str(row.get(title, ABSENT)) for title in titles] for row in rows]
        columns = [
            Column(title, numeric=any(_starts_with_number(row[place]) for row in texts))
            for place, title in enumerate(titles)
        ]
        return cls.of(columns, texts)

    def picked(self, places: Sequence[int]) -> Table:
        """The table with only these columns, in this order."""
        columns = tuple(self.columns[place] for place in places)
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, columns=columns, rows=rows)

    @property
    def shared_text(self) -> str:
        """Values that all rows share, as a sentence; empty without any."""
        return f"All rows: {', '.join(self.shared)}." if self.shared else ""

    def as_dicts(self) -> list[dict[str, str]]:
        """The rows by full column titles, ends of intervals included."""
        return [
            {
                title: text
                for column, entry in zip(self.columns, row, strict=True)
                for title, text in zip(column.value_titles, entry.values(column), strict=True)
            }
            for row in self.rows
        ]


@dataclass(frozen=True)
class Page:
    """Tables under one title, with footnotes by key and remarks below them.

    Attributes:
        findings: sentences on what the tables show, between title and tables.
    """

    title: str
    tables: tuple[Table, ...]
    footnotes: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def with_charts(self, charts: Markup) -> Page:
        """The page with charts above its first table, which HTML alone shows."""
        first, *others = self.tables
        return replace(self, tables=(replace(first, charts=charts), *others))

    @property
    def all_remarks(self) -> tuple[str, ...]:
        """The remarks of the columns of tables with rows, then those of the page."""
        columns = [column for table in self.tables if table.rows for column in table.columns]
        of_columns = [remark for column in columns for remark in column.remarks]
        return tuple(dict.fromkeys((*of_columns, *self.remarks)))


class Footnotes:
    """Keys of footnotes in order of first use: numbers for sources, letters for conditions."""

    def __init__(self) -> None:
        self._numbers = map(str, itertools.count(1))
        self._letters = itertools.chain.from_iterable(
            map("".join, itertools.product(string.ascii_lowercase, repeat=length))
            for length in itertools.count(1)
        )
        self._keys: dict[str, str] = {}

    def numbered(self, text: str) -> tuple[str, ...]:
        """The key of a source."""
        return self._key(text, self._numbers)

    def lettered(self, text: str) -> tuple[str, ...]:
        """The key of the conditions of a measurement."""
        return self._key(text, self._letters)

    def _key(self, text: str, unused: Iterator[str]) -> tuple[str, ...]:
        if text not in self._keys:
            self._keys[text] = next(unused)
        return (self._keys[text],)

    @property
    def texts(self) -> dict[str, str]:
        """Texts by key, numbers before letters."""
        by_key = sorted(self._keys.items(), key=lambda item: not item[1].isdigit())
        return {key: text for text, key in by_key}


def marked(column: Sequence[Entry], ranked: Sequence[str | None], *, higher: bool) -> list[Entry]:
    """The entries of a column with the best number marked, and of four or more the second best.

    Equal numbers share a mark. A column with one distinct number has no marks.

    Args:
        ranked: the texts that compete, else None.
        higher: the highest number is the best.
    """
    numbers = [None if text in (None, ABSENT) else float(str(text)) for text in ranked]
    distinct = sorted({n for n in numbers if n is not None}, reverse=higher)
    marks: dict[float | None, Emphasis] = {}
    if len(distinct) > 1:
        marks = {distinct[0]: "best"}
    if len(distinct) >= _FEWEST_SECOND:
        marks[distinct[1]] = "second"
    return [replace(e, mark=marks.get(n)) for e, n in zip(column, numbers, strict=True)]


def page_json(page: Page) -> dict[str, object]:
    """The page in plain types; rows map full column titles to texts."""
    return {
        "title": page.title,
        "findings": list(page.findings),
        "tables": [
            {
                "data": table.data,
                "rows": [
                    {**texts, "notes": list(dict.fromkeys(k for entry in row for k in entry.notes))}
                    for texts, row in zip(table.as_dicts(), table.rows, strict=True)
                ],
            }
            for table in page.tables
        ],
        "footnotes": dict(page.footnotes),
        "remarks": list(page.all_remarks),
    }


def _starts_with_number(text: str) -> bool:
    """True for `12.5`, `12.5 (spread 11 %)` and `1..3`."""
    try:
        float(text.split(" ")[0].split("..")[0])
    except ValueError:
        return False
    return True
