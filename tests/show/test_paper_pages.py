"""The papers' tables on one page: each table once."""

from dataclasses import replace

from vis_bench.show.paper_pages import heading_anchor, pages_markdown
from vis_bench.show.tables import render
from vis_bench.show.tables.model import Column, Entry, Page, Table


def grid(text, key, data="synthetic set"):
    return Table((Column("AP"),), ((Entry(text, notes=(key,)),),), data)


def test_the_same_table_under_another_title_is_a_link():
    first = Page("First (24 videos)", (grid("1.0", "1"), grid("2.0", "a")), {"1": "p", "a": "m"})
    second = Page("Second", (grid("3.0", "1"), grid("2.0", "b")), {"1": "q", "b": "m"}, ("Done.",))
    text = pages_markdown([first, second])
    assert text.startswith(render(first))
    alone = replace(second, tables=second.tables[:1], footnotes={"1": "q"})
    assert text == "\n".join([
        render(first), render(alone),
        "Synthetic set: as under [First (24 videos)](#first-24-videos).\n",
    ])  # fmt: skip


def test_tables_that_differ_in_a_figure_or_their_data_stand_both():
    pages = [
        Page("A", (grid("1.0", "1"),), {"1": "p"}),
        Page("B", (grid("1.1", "1"),), {"1": "p"}),
        Page("C", (grid("1.0", "1", "another set"),), {"1": "p"}),
    ]
    assert pages_markdown(pages) == "\n".join(map(render, pages))


def test_anchors_are_those_of_github():
    assert heading_anchor("IFC's encoders, by clip-length (T)") == "ifcs-encoders-by-clip-length-t"
