"""Tables and pages in the four formats, and the numbers in them."""

import base64
import csv
import hashlib
import io
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from html_page import read_html
from paths import ROOT
from vis_bench.errors import InputError
from vis_bench.table import FORMATS, fitted, render
from vis_bench.table.fit import fit_page
from vis_bench.table.model import Column, Entry, Page, Table, marked, page_json
from vis_bench.table.number_format import mebibytes, number, percent, points, range_text
from vis_bench.text import single_line

# Everything that some format gives a meaning to.
AWKWARD = r"a_b & 50% {x} | <i> $5 #1 ~ ^ \cmd"

# Texts of a record that try to be more than text.
AWKWARDS = (
    AWKWARD, "a|b", "<script>alert(1)</script>", "<!-- -->", "[link](https://example.org)",
    "![picture](x.png)", "https://example.org", "www.example.org", "a@example.org", "__init__",
    "_x_", "**bold**", "`code`", "$x^2$ and $y$", "&lt;", "~~gone~~", "line\nbreak", "\x00\x1b[31m",
    "\u202eright to left", "=1+1", "+1", "-1", "@a", "\\", "\\|", "[a]: b", "# one", "- one",
    "+ one", "1. one", "12) one", "---", "===", "\x9b31m", "a\u2028b", "=cmd|' /C calc'!A0", "-2+3",
)  # fmt: skip

PAGE = Page(
    "A page",
    (
        Table(
            (Column("Method", numeric=False), Column("AP", "T=5"), Column("FPS", "T=5")),
            (
                (Entry("ifc", notes=("1",)), Entry("39.0", "best"), Entry("-")),
                (Entry("ifc", repeats=True), Entry("+0.4"), Entry("12.5", "second", ("a",))),
            ),
            "YouTube-VIS",
            1,
        ),
        Table(
            (Column("Method", numeric=False), Column("AP", "T=5")),
            ((Entry(AWKWARD), Entry("-1.0")),), "synthetic", 1,
        ),
    ),
    {"1": "a source", "a": f"measured on {AWKWARD}"},
    ("A remark.",),
)  # fmt: skip


def cells(page):
    """The text of each cell of an HTML page."""
    return ["".join(own.itertext()) for own in page.iter() if own.tag in ("td", "th")]


def split_row(line):
    """The cells of a Markdown row; an escaped bar is text."""
    return [cell.strip() for cell in line.replace(r"\|", "\0").strip("|").split("|")]


@pytest.mark.parametrize("text", AWKWARDS)
def test_a_text_shows_as_itself_in_every_format(text):
    expected = single_line(text)
    grid = Table.of([Column(text, numeric=False)], [[text]])
    page = Page(text, (replace(grid, data=text),), {"1": text}, (text,))
    assert markdown_texts(page) == [expected] * 6  # title, data, header, cell, note, remark
    shown = read_html(render(page, "html"))
    assert cells(shown) == [expected, expected]
    tags = [element.tag for element in shown.iter()]
    assert not {"a", "img"} & set(tags)
    assert tags.count("script") == 1
    head, row = csv.reader(io.StringIO(render(grid, "csv")))
    assert head == row
    assert row[0].removeprefix("'") == expected.removeprefix("'")


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(single_line))
@example("#")
@example("a ##")
@example("###")
def test_any_text_shows_as_itself_in_markdown(text):
    grid = Table.of([Column(text, numeric=False)], [[text]])
    page = Page(text, (replace(grid, data=text),), {"1": text}, (text,))
    assert markdown_texts(page) == [single_line(text)] * 6


@given(st.text() | st.builds("{}{}".format, st.sampled_from("=+-@\t\r\n"), st.text()))
@example("Notes")
def test_no_cell_of_csv_is_a_formula(text):
    """A spreadsheet computes cells that begin with one of four characters; numbers may."""
    grid = Table.of([Column(text, numeric=False)], [[text]])
    for [cell] in csv.reader(io.StringIO(render(grid, "csv"), newline="")):
        assert re.match(r"[^=+@-]|[+-][\d.,]+( %)?$|-?$", cell)
        assert cell.removeprefix("'") == single_line(text).removeprefix("'")


def test_figures_stay_figures_in_csv():
    figures = ["-", "+0.4", "-1.0", "-12.5 %", "1,234"]
    grid = Table.of([Column("T")], [[text] for text in figures])
    assert render(grid, "csv") == 'T\n-\n+0.4\n-1.0\n-12.5 %\n"1,234"\n'


def test_a_column_called_notes_stays_beside_footnotes():
    table = Table.of([Column("Notes")], [[Entry("own", notes=("1",))], ["other"]])
    page = Page("", (table,), {"1": "of the page"})
    assert render(page, "csv") == "Notes,Notes\nown,of the page\nother,\n"


def markdown_texts(page):
    """The texts of headings, cells, notes and remarks; a link, code, emphasis or HTML fails."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    texts = []
    for token in parser.parse(render(page, "markdown")):
        assert token.type not in ("html_block", "code_block", "fence")
        parts = [part for part in token.children or [] if not part.type.startswith("strong_")]
        assert {part.type for part in parts} <= {"text", "text_special"}
        text = "".join(part.content for part in parts)
        texts += [re.sub(r"^\[1\] ", "", text)] if token.type == "inline" else []
    return texts


@given(st.lists(st.one_of(st.none(), st.integers(0, 9).map(str)), max_size=9), st.booleans())
def test_marks_agree_with_counting(texts, higher):
    """Best: nothing beats it. Second, of four or more: exactly one distinct number beats it."""
    entries = marked([Entry(str(text)) for text in texts], texts, higher=higher)
    marks = [entry.mark for entry in entries]
    numbers = [float(text) for text in texts if text is not None]
    for text, mark in zip(texts, marks, strict=True):
        if text is None or len(set(numbers)) < 2:
            assert mark is None
            continue
        better = {n for n in numbers if (n > float(text) if higher else n < float(text))}
        second = "second" if len(set(numbers)) >= 4 else None
        assert mark == {0: "best", 1: second}.get(len(better))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_the_same_bytes_each_time_and_ends_with_one_newline(form):
    text = render(PAGE, form)
    assert text == render(PAGE, form)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(ord(character) < 128 for character in text)


def test_markdown_rows_have_the_columns_marks_and_notes():
    text = render(PAGE, "markdown")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(split_row(line)) for line in table] == [3, 3, 3, 3, 2, 2, 2]
    assert split_row(table[0]) == ["Method", "T=5 AP", "T=5 FPS"]
    assert split_row(table[2]) == ["ifc [1]", "**39.0**", "-"]
    assert split_row(table[3]) == ["", "+0.4", "<ins>12.5</ins> [a]"]
    assert "- [1] a source\n- [a] measured on" in text


def test_csv_rows_stand_alone_and_data_sets_share_no_column():
    rows = list(csv.DictReader(io.StringIO(render(PAGE, "csv"))))
    assert list(rows[0]) == [
        "Method",
        "T=5 AP (YouTube-VIS)",
        "T=5 FPS (YouTube-VIS)",
        "T=5 AP (synthetic)",
        "Notes",
    ]
    assert rows[1]["Method"] == "ifc"
    assert rows[1]["T=5 FPS (YouTube-VIS)"] == "12.5"
    assert rows[2]["Method"] == AWKWARD
    assert (rows[2]["T=5 AP (YouTube-VIS)"], rows[2]["T=5 AP (synthetic)"]) == ("", "-1.0")
    assert rows[0]["Notes"] == "a source"


def test_html_is_balanced_and_escapes():
    shown = cells(read_html(render(PAGE, "html")))
    assert AWKWARD in shown
    assert shown[:5] == ["", "T=5", "Method", "AP", "FPS"]


def test_latex_is_balanced_booktabs():
    text = render(PAGE, "latex")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert rows[0] == r" & \multicolumn{2}{c}{T=5} \\"
    assert r"\cmidrule(lr){2-3}" in text
    assert rows[2] == r"ifc\textsuperscript{1} & \textbf{39.0} & -- \\"
    assert rows[3] == r" & $+0.4$ & \underline{12.5}\textsuperscript{a} \\"
    for rule in ("toprule", "midrule", "bottomrule", "begin{tabular}", "end{tabular}"):
        assert text.count(f"\\{rule}") == 2
    assert r"a\_b \& 50\% \{x\} \textbar{} \textless{}i\textgreater{} \$5 \#1" in text


def test_long_latex_titles_are_broken_into_lines():
    columns = [Column("GFLOPs/frame"), Column("Params (M)"), Column("Sub-title", numeric=False)]
    text = render(Table.of(columns, []), "latex")
    titles = r"\shortstack[r]{GFLOPs/ \\ frame} & \shortstack[r]{Params \\ (M)} & Sub-title \\"
    assert titles in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_a_wide_and_long_latex_table_fits_pages_of_two_columns(tmp_path):
    columns = [
        Column("Method", numeric=False),
        Column("AP", has_interval=True),
        *(Column(f"GFLOPs/frame {n}", weight=n) for n in range(1, 14)),
    ]
    value = Entry("1234.5", "best", interval=("1000.0", "2000.0"))
    rows = [
        [f"method_{n} with options={n} and yet more words", value, *["1234.5"] * 13]
        for n in range(120)
    ]
    grid = Table.of(columns, rows)
    text = render(Page("Wide and long", (grid,), {"1": "a note"}), "latex")
    assert text.count(r"\begin{table*}") == text.count(r"\toprule") == 5
    assert text.count("(continued)") == 4
    assert text.count("a note") == 1
    assert r"$\mathbf{1234.5}_{1000.0}^{2000.0}$" in text
    assert "resizebox" not in text
    assert "Overfull" not in compile_latex(Page("Wide and long", (grid,), {}), tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_sets_every_text(tmp_path):
    texts = [
        *AWKWARDS,
        "[b]",
        "*",
        "".join(map(chr, range(0x20, 0x180))),
        "\u4e2d\u6587 \U0001f600",
    ]
    rows = [[text, text] for text in texts]
    compile_latex(Page("$_&", (Table.of([Column("#%"), Column("^", "~")], rows),), {}), tmp_path)


def compile_latex(page, folder):
    """The log of pdflatex on a page in a document of two columns."""
    head = r"\documentclass[twocolumn]{article}\usepackage{booktabs}\begin{document}"
    (folder / "t.tex").write_text(head + "\n" + render(page, "latex") + r"\end{document}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def test_a_table_without_rows_renders_in_every_format():
    for form in FORMATS:
        assert "AP" in render(Table.of([Column("AP")], []), form)


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="2 entries for 1 columns"):
        Table.of([Column("AP")], [["1", "2"]])


def test_a_page_in_plain_types():
    plain = page_json(PAGE)
    assert plain["tables"][0]["rows"][1] == {
        "Method": "ifc",
        "T=5 AP": "+0.4",
        "T=5 FPS": "12.5",
        "notes": ["a"],
    }
    assert plain["footnotes"]["1"] == "a source"


def test_html_is_a_document_that_stands_alone():
    text = render(PAGE, "html")
    assert text.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert "<title>A page</title>" in text
    assert "prefers-color-scheme: dark" in text
    assert '<td class="number"><b>39.0</b></td>' in text
    assert "<caption>YouTube-VIS</caption>" in text
    assert text.count("<main>") == text.count("</main>") == 1
    assert "></th>" not in text
    assert "<dt>1</dt><dd>a source</dd>" in text
    assert not any(word in text for word in ("http:", "src=", "href=", "@import", "url("))
    script = re.search("<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_html_has_a_bar_for_each_interval_and_a_link_for_each_report():
    rows = (
        (Entry("1"), Entry("IFC", link="r/a%20b.html"), Entry("66.5", interval=("58.9", "77.3"))),
        (Entry("-"), Entry("other"), Entry("40.0")),
    )
    columns = Column("Rank"), Column("Method", numeric=False), Column("AP", has_interval=True)
    text = render(Page("", (Table(columns, rows),), {}, ("one", "two", "three")), "html")
    assert '<a href="r/a%20b.html">IFC</a>' in text
    assert re.findall(r'class="range" x="([\d.]+)"', text) == ["58.9"]
    assert text.count('class="unranked"') == text.count("<details>") == 1
    signed = Entry("-1.0", interval=("-2.0", "+3.0"))
    assert "<svg" not in render(Table(columns[1:], ((Entry("IFC"), signed),)), "html")


def test_an_interval_stands_behind_its_figure_and_csv_and_json_give_it_columns():
    columns = (Column("Method", numeric=False), Column("AP", has_interval=True), Column("FPS"))
    rows = (
        (Entry("ifc"), Entry("59.5", "best", ("a",), interval=("50.1", "66.2")), Entry("2.0")),
        (Entry("other"), Entry("40.0"), Entry("1.0")),
    )
    page = Page("", (Table(columns, rows),), {"a": "a note"})
    assert "| **59.5** [a] | 50.1\u201166.2 |" in render(page)
    assert r"$\mathbf{59.5}_{50.1}^{66.2}$\textsuperscript{a}" in render(page, "latex")
    assert render(page, "csv") == (
        "Method,AP,AP low,AP high,FPS,Notes\nifc,59.5,50.1,66.2,2.0,a note\nother,40.0,-,-,1.0,\n"
    )
    (table,) = page_json(page)["tables"]
    assert [row["AP low"] for row in table["rows"]] == ["50.1", "-"]


@pytest.mark.parametrize(
    ("fraction", "signed", "text"),
    [
        (0.1234, False, "12.3"), (0.1234, True, "+12.3"), (-0.1, False, "-10.0"),
        (-0.0001, False, "0.0"), (0.0, True, "0.0"), (-0.0001, True, "0.0"),
        (None, True, "-"), (float("nan"), False, "-"),
    ],
)  # fmt: skip
def test_points_of_100_without_a_sign_of_zero(fraction, signed, text):
    assert points(fraction, signed=signed) == text


def test_ranges_and_numbers():
    assert range_text(0.1, 0.2) == "10.0 to 20.0"
    assert range_text(-0.1, 0.2, signed=True) == "-10.0 to +20.0"
    assert range_text(None, 0.2) == ""
    assert number(2_500_000, 1, 1e6) == "2.5"
    assert number(None, 1) == "-"


WIDE = Table.of(
    [
        Column("Method", numeric=False),
        Column("Backbone", numeric=False, joined=", "),
        Column("Videos", context="{} videos"),
        Column("Clip"),
        Column("Stride", joined="/"),
        *(Column(f"M{n}", weight=n) for n in range(8)),
    ],
    [
        ["IFC", "r50", "24", "5", "3", *map(str, range(8))],
        ["color key", "", "24", "whole", "", *map(str, range(8))],
    ],
    "synthetic",
)


def test_a_wide_table_keeps_eight_columns_and_names_the_others():
    (table,) = fit_page(Page("", (WIDE,))).tables
    assert [column.title for column in table.columns] == [
        "Method",
        "Clip/stride",
        "M0",
        "M1",
        "M2",
        "M3",
        "M4",
        "M5",
    ]
    assert [[entry.text for entry in row[:2]] for row in table.rows] == [
        ["IFC, r50", "5/3"],
        ["color key", "whole"],
    ]
    assert table.shared == ("24 videos",)
    text = render(WIDE)
    assert "M6, M7" in text
    assert "24 videos" in text
    assert "M7 (synthetic)" in render(WIDE, "csv")


def test_clip_and_stride_are_one_column_unless_columns_are_chosen():
    narrow = WIDE.picked([0, 3, 4])
    (table,) = fit_page(Page("", (narrow,))).tables
    assert [column.title for column in table.columns] == ["Method", "Clip/stride"]
    assert [row[1].text for row in table.rows] == ["5/3", "whole"]
    (chosen,) = fitted(WIDE, ["method", "stride", "clip"]).tables
    assert [column.title for column in chosen.columns] == ["Method", "Stride", "Clip"]


def test_columns_without_a_weight_all_stay():
    table = Table.of([Column(f"M{n}") for n in range(13)], [["1"] * 13])
    assert fit_page(Page("", (table,))).tables == (table,)


def test_mebibytes_and_percent_have_one_format():
    assert (mebibytes(2**30), mebibytes(3 << 19, 2), mebibytes(None)) == ("1024", "1.50", "-")
    assert (percent(0.256), percent(0.256, 1), percent(-0.5, signed=True)) == (
        "26 %",
        "25.6 %",
        "-50 %",
    )
    own = re.compile(r"f\} ?(?:%|MiB)")
    writers = {
        path.name
        for path in (ROOT / "vis_bench").rglob("*.py")
        if own.search(path.read_text(encoding="utf-8"))
    }
    assert writers == {"number_format.py"}


def test_groups_of_columns_that_are_too_wide_become_tables():
    columns = [Column("Method"), *(Column(m, f"T={t}") for t in (5, 10, 15) for m in "abc")]
    tables = fit_page(Page("", (Table.of(columns, [["1"] * 10]),))).tables
    assert [[c.group for c in table.columns[1:]] for table in tables] == [
        ["T=5"] * 3 + ["T=10"] * 3,
        ["T=15"] * 3,
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_chosen_columns_stand_in_the_order_of_their_names(form):
    text = render(WIDE, form, ["m7", "method"])
    assert "M6" not in text
    assert text.index("M7") < text.index("Method")
    with pytest.raises(InputError, match=r"'speed'; expected some of: method, backbone"):
        render(WIDE, form, ["speed"])


@pytest.mark.parametrize(
    ("interval", "text"),
    [(("1.0", "2.0"), "1.0\u20112.0"), (("-1.0", "+2.0"), "-1.0 to +2.0"), (None, "")],
)
def test_no_line_breaks_inside_an_interval(interval, text):
    assert Entry("1.5", interval=interval).interval_text == text
    rows = [[Entry("1.5 (spread 12 %)", interval=interval)]]
    cells = split_row(render(Table.of([Column("AP", has_interval=True)], rows)).splitlines()[2])
    assert cells[0] == "1.5 (spread\u00a012\u00a0%)"
    assert cells[1:] == ([text.replace(" ", "\u00a0")] if interval else [])
