"""`table NAME`: a table of a paper, published and measured, of an ablation, or of every record."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vis_bench import RECORDS
from vis_bench.commands.options import Options
from vis_bench.commands.output import deliver, json_text, say
from vis_bench.record.store import RecordStore, StoredRecords
from vis_bench.show.papers import MEASURED, is_counted, table_page, tables
from vis_bench.show.tables import FORMATS, render
from vis_bench.show.tables.model import page_json


def add_arguments(options: Options) -> None:
    names = ", ".join(tables())
    options.argument("name", "NAME", f"the YAML file of a paper's table, or one of: {names}", str)
    options.records()
    options.format(FORMATS)
    options.columns()
    options.output_file()


def run(options: argparse.Namespace) -> int:
    """Prints the table, or writes it to a file; 1 if a record could not be read."""
    stored = read_records(options.records)
    page = table_page(options.name, stored.records, method_builder(options.name))
    say_if_empty(stored, options.records)
    if options.json:
        text = json_text(stored.records if options.name == MEASURED else page_json(page))
    else:
        text = render(page, options.format, options.columns)
    is_markdown = options.format == "markdown" and not options.json
    deliver(text, options.output, markdown=is_markdown)
    return 1 if stored.problems else 0


def read_records(folder: Path) -> StoredRecords:
    """The records of a folder; the default folder may be missing, as nothing is measured yet.

    Files that are not records are named on standard error.
    """
    if folder == RECORDS and not folder.exists():
        return StoredRecords((), ())
    stored = RecordStore(folder).readable()
    report_skipped(stored.problems)
    return stored


def say_if_empty(stored: StoredRecords, folder: Path) -> None:
    """Names the folder on standard error if it holds no record."""
    if not stored.records:
        say(f"no record in {folder}; --records names another folder")


def report_skipped(problems: Iterable[str]) -> None:
    """Names on standard error each file that is left out because it is not a record."""
    for problem in problems:
        say(f"skipped: {problem}")


def method_builder(name: str) -> Any:
    """The function that builds methods, for tables that are counted; only these import torch."""
    if not is_counted(name):
        return None
    from methods import build_method

    return build_method
