"""Pages on a terminal: no marks, tables as wide as the terminal, paragraphs wrapped."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from paths import ROOT
from vis_bench.table import fitted
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.to_terminal import print_parts


def shown(part, width=80, **options):
    file = io.StringIO()
    part = part if isinstance(part, str) else fitted(part)
    print_parts(Console(file=file, width=width, **options), [part])
    return file.getvalue()


def table(num_rows, num_columns):
    columns = [Column("Method", numeric=False), *(Column(f"M{n}") for n in range(num_columns))]
    rows = [[f"method_{k}", *(f"{n}0.{k}" for n in range(num_columns))] for k in range(num_rows)]
    return Table.of(columns, rows)


@pytest.mark.parametrize("text", ["a_b & 50% {x} | <i> $5 #1 ~ ^ \\cmd", "**b**", "__x__", "a|b"])
def test_a_text_shows_as_itself(text):
    page = Page(text, (Table.of([Column("T", numeric=False)], [[text]]),), {"1": text}, (text,))
    lines = [line.strip() for line in shown(page).splitlines()]
    assert lines.count(text) == 3  # title, cell, remark
    assert f"- [1] {text}" in lines


@pytest.mark.parametrize(("width", "first"), [(80, ["Name", "Time (ms) p50", "Time (ms) p90"]),
                                              (32, ["Time", "(ms)", "Time", "(ms)"])])  # fmt: skip
def test_heads_of_a_group_are_broken_alike(width, first):
    columns = [
        Column("Name", numeric=False),
        *(Column(p, group="Time (ms)") for p in ("p50", "p90")),
    ]
    text = shown(Table.of(columns, [["a method", "1.0", "2.0"]] * 5), width)
    head, *_ = text.splitlines()
    assert head.split() == " ".join(first).split()


def test_marks_become_styles():
    marked = Table.of([Column("A")], [[Entry("1.0", "best")], [Entry("2.0", "second")]])
    text = shown(marked, force_terminal=True, color_system="standard")
    assert "\x1b[1m1.0" in text
    assert "\x1b[4m2.0" in text
    assert not re.search(r"\*\*|<ins>|\|", text)


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("size", [(1, 20), (3, 12), (20, 20), (5, 3)])
def test_every_line_fits_the_width(width, size):
    text = shown(table(*size), width)
    assert max(map(len, text.splitlines())) <= width
    assert "method_0" in text


def test_few_rows_are_turned_and_of_many_the_last_columns_are_named():
    assert len(re.findall(r"^M\d+ ", shown(table(1, 20)), re.MULTILINE)) == 20
    text = shown(table(9, 20))
    assert "Left out at this width" in text
    assert text.rstrip().endswith("M19.")
    assert "M19" not in text.splitlines()[0]


def test_texts_break_between_words_where_another_text_can_be_narrower():
    columns = [Column("Method", numeric=False), Column("Measured", numeric=False), Column("AP")]
    row = ["MS-STS (reconstruction), mini", "16, 32, 48, 64", "52.8"]
    lines = [line.split() for line in shown(Table.of(columns, [row] * 5), 32).splitlines()]
    assert "(reconstruction)," in [words[0] for words in lines if words]
    assert {"16,", "48,"} <= {word for words in lines for word in words}


def test_a_column_that_is_left_out_is_told_from_others_of_its_name():
    columns = [Column("A", has_interval=True), Column("B", has_interval=True, weight=1)]
    rows = [[Entry("1.0", interval=("0.0", "2.0")), Entry("3.0", interval=("2.0", "4.0"))]] * 5
    text = shown(Table.of(columns, rows), 16)
    assert " ".join(text.split()).endswith("Left out at this width: 95 % of B.")


def test_columns_of_dashes_are_left_out():
    grid = Table.of([Column("A"), Column("B"), Column("C")], [["1", "-", "2"], ["3", "-", ""]])
    text = shown(grid)
    assert text.split()[:2] == ["A", "C"]


def test_paragraphs_wrap_between_words():
    text = shown("word " * 40, 30)
    assert set(text.split()) == {"word"}
    assert max(map(len, text.splitlines())) <= 30


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_command_prints_markdown_only_into_a_pipe(is_terminal, tmp_path):
    command = [sys.executable, str(ROOT / "run_bench.py"), "table", "ifc-encoder-comparison"]
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            command,
            stdout=follower if is_terminal else subprocess.PIPE,
            check=True,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "60"},
        )
        text = (os.read(leader, 1 << 16) if is_terminal else done.stdout).decode()
    finally:
        os.close(leader)
        os.close(follower)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert ("|" in plain, "**" in plain, "###" in plain) == (not is_terminal,) * 3
    assert not is_terminal or max(map(len, plain.splitlines())) <= 60


def test_a_command_in_a_paragraph_is_not_broken():
    command = "  vis-bench compare " + "a" * 90 + ".json"
    assert command in shown(f"Next:\n{command}\n").splitlines()
    assert max(map(len, shown(f"Next: {command.strip()}").splitlines())) <= 80


def test_a_title_stands_on_its_table_and_remarks_on_each_other():
    page = Page("A title", (table(2, 2),), {}, ("One remark.", "Another."))
    lines = [line.rstrip() for line in shown(page).splitlines()]
    assert lines[:1] == ["A title"]
    assert lines[1].startswith("Method")
    assert lines[-2:] == ["One remark.", "Another."]
