"""The page of published values: its tables, links, notes and the count of measured rows."""

import re

import page_text
import papers_page
from record_example import example_record
from vis_bench.show.papers.fill import Agreement
from vis_bench.table.model import Column, Entry, Page, Table


def one(text, key, data="synthetic set"):
    return Table((Column("AP"),), ((Entry(text, notes=(key,)),),), data)


def test_the_same_table_under_another_title_is_a_link():
    first = Page(
        "First (24 videos)",
        (one("1.0", "1"), one("2.0", "a")),
        {"1": "p", "a": "m"},
    )
    second = Page(
        "Second",
        (one("3.0", "1"), one("2.0", "b")),
        {"1": "q", "b": "m"},
        ("Done.",),
    )
    text = papers_page.papers_markdown([first, second])
    assert text.count("2.0") == 1
    assert text.endswith("Synthetic set: as under [First (24 videos)](#first-24-videos).\n")
    _, alone = text.split("### Second")
    assert "- [1] q" in alone
    assert "[b]" not in alone


def test_tables_that_differ_in_a_figure_or_their_data_stand_both():
    papers = [
        Page("A", (one("1.0", "1"),), {"1": "p"}),
        Page("B", (one("1.1", "1"),), {"1": "p"}),
        Page("C", (one("1.0", "1", "another set"),), {"1": "p"}),
    ]
    text = papers_page.papers_markdown(papers)
    assert [text.count(shown) for shown in ("1.0", "1.1", "as under")] == [2, 1, 0]


def test_anchors_are_those_of_github():
    assert (
        page_text.heading_anchor("IFC's encoders, by clip-length (T)")
        == "ifcs-encoders-by-clip-length-t"
    )


def test_long_tables_and_notes_are_folded():
    rows = tuple((Entry(str(n)),) for n in range(40))
    long = Table((Column("AP"),), rows)
    text = papers_page.papers_markdown([Page("Long", (long, one("1.0", "1")), {"1": "p"})])
    assert re.findall(r"<summary>(.*)</summary>", text) == ["All 40 rows", "Sources and notes"]
    assert text.count("<details>") == text.count("</details>") == 2


def test_a_paper_with_measured_rows_comes_first_and_is_counted():
    none = Agreement(3, 0, [])
    assert papers_page.summary({"a": none}).startswith("Published only: none of 3 rows")
    found = {"a": none, "b": Agreement(2, 1, ["0.0", "+0.3"])}
    text = papers_page.summary(found)
    assert text.startswith("1 of 5 rows of the papers is measured, and 1 of 2 values agree")
    assert text.endswith("the other 4 rows are published only.")
    assert "and all agree" in papers_page.summary({"b": Agreement(2, 1, ["0.0"])})
    record = example_record(
        dataset="ytvis2019", num_videos=302, clip_length=5, clip_stride=3, ap=0.39
    )
    text, opening = papers_page.papers_text([record], None)
    assert re.match(r"3 of \d+ rows of the papers are measured, and 1 of 12 values", opening)
    measured, others = text.split("\nPublished only:\n")
    assert re.search(r"^- .*2 of \d+ rows are measured: 1 of 10 values", measured, re.MULTILINE)
    assert "on OVIS? **Highest published AP, 52.5: VidEoMT, ViT-L.** [" in others
    assert "**Highest published AP, 40.4: memory tokens 8, T=20.** [" in others


def test_few_values_of_a_further_source_stand_beside_those_of_the_first():
    columns = [Column("Method"), Column("Backbone", joined=", "), Column("Figures", context="{}")]
    columns += map(Column, ("Params", "AP", "AP50", "AP75", "AR1"))

    def row(method, source, *values, figures="published"):
        head = map(Entry, (method, "R50")), [Entry(figures, notes=(source,))], map(Entry, values)
        return [entry for part in head for entry in part]

    one = ["30.0", "50.0", "31.0", "29.0"]
    rows = [
        row("A", "1", "-", "29.0", "-", "-", "-"),
        row("A", "2", "-", *one),
        row("A", "3", "-", *one),
        row("B", "1", "9.0", *one),
        row("B", "2", "-", "29.0", "-", "-", "-"),
        row("B", "2", "-", "28.0", "-", "-", "-", figures="measured"),
    ]
    shown, left_out = papers_page.compact(Table.of(columns, rows, num_labels=3))
    assert left_out == ["Params"]
    assert [column.title for column in shown.columns] == ["Method", "Figures", *TITLES]
    texts = [[entry.text for entry in own] for own in shown.rows]
    assert texts[0] == ["A, R50", "published", "30.0, 29.0 [1]", *one[1:]]
    assert texts[1] == ["A, R50", "published", *one]
    assert [own[0] for own in texts[2:]] == ["B, R50"] * 3, "a measured row keeps its sources apart"


TITLES = "AP", "AP50", "AP75", "AR1"
