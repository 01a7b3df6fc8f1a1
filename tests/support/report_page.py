"""`report_page(annotations, A[, B])`: the HTML report of the command, as its reader sees it."""

from contextlib import suppress
from dataclasses import dataclass, field

from hostile_calls import call
from html_page import read_html, text_of


def report_page(annotations, *sides, options=()):
    """Run `report` on records or results files; `sides` are their paths."""
    output = annotations.parent / "report.html"
    given = ["--annotations", annotations, "--resamples", "40", "--output", output]
    code, _, err = call("report", *sides, *given, *options)
    assert code == 0, err
    return ReportPage(output.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `order` sorts it, and `shade` is negative for a fall."""

    text: str
    detail: str = ""
    order: float | str | None = None
    shade: float | None = None
    links: tuple[tuple[str, str], ...] = field(default=())


class ReportPage:
    """Title, verdict, sections, tables, charts and videos of a page."""

    def __init__(self, html):
        self.html = html
        self.root = read_html(html)
        [self.title] = self.texts(".//h1")
        self.verdict = {
            text_of(line.find("dt")): text_of(line.find("dd"))
            for line in self.section("verdict").find("dl")
        }

    def texts(self, path, within=None):
        """The texts of the elements at a path."""
        return [text_of(e) for e in (self.root if within is None else within).iterfind(path)]

    def section(self, name):
        """The section below a heading, or that of the verdict; None for none."""
        kind = "class" if name == "verdict" else "aria-labelledby"
        return self.root.find(f".//section[@{kind}='{name}']")

    @property
    def measured(self):
        """Names of the measurements that have a section."""
        start = "measured-"
        names = [own.get("aria-labelledby", "") for own in self.root.iter("section")]
        return [name.removeprefix(start) for name in names if name.startswith(start)]

    def tables(self, section):
        """The sortable tables of a section."""
        return [Table(own) for own in self.section(section).iterfind(".//table[@class='sortable']")]

    def table(self, section):
        """The only sortable table of a section."""
        [table] = self.tables(section)
        return table

    def charts(self, section):
        """What charts of a section say to a reader who does not see them."""
        figures = self.section(section).iter("figure")
        return [svg.get("aria-label") for figure in figures for svg in figure.iter("svg")]

    def marks(self, shape):
        """Name -> (words, link, attributes of the shape) of each video in a chart of all."""
        found = {}
        for own in self.root.iterfind(".//div[@class='map']/svg/*[title]"):
            for drawn in own.iterfind(shape):
                name, _, words = own.find("title").text.partition(": ")
                found[name] = words, own.get("href"), drawn.attrib
        return found

    def videos(self):
        """Name -> article of each video that can be opened."""
        return {own.find(".//h3").text: own for own in self.root.iter("article")}


class Table:
    """Headings, and rows by the text in their first column."""

    def __init__(self, element):
        self.caption = text_of(element.find("caption"))
        self.titles = [text_of(own) for own in element.iterfind("thead//th")]
        self.rows = [list(map(_cell, row)) for row in element.iterfind("tbody/tr")]
        self.texts = [[cell.text for cell in row] for row in self.rows]

    def __getitem__(self, title):
        """The cells of the first row with a text in its first column, by heading."""
        row = next(row for row in self.rows if row[0].text == title)
        return dict(zip(self.titles, row, strict=True))

    def column(self, title):
        """Text in the first column -> cell of another one."""
        place = self.titles.index(title)
        return {row[0].text: row[place] for row in self.rows}


def _cell(element):
    small = element.find("small")
    links = tuple((text_of(a), a.get("href")) for a in element.iterfind("a"))
    own = (element.text or "").strip() or (links[0][0] if links else "")
    order = element.get("data-order")
    with suppress(ValueError):
        order = order and float(order)
    return Cell(own, "" if small is None else text_of(small), order, _shade(element), links)


def _shade(element):
    if "data-shade" not in element.attrib:
        return None
    sign = -1 if element.get("data-shade") == "down" else 1
    return sign * float(element.get("style").removeprefix("--shade: "))
