"""`table NAME`: a table of a paper, of an ablation, of every record, or of a sweep's records."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.arguments import RESULTS
from vis_bench.commands.options import Options
from vis_bench.commands.output import (
    deliver,
    json_text,
    report_skipped,
    say,
    say_if_empty,
)
from vis_bench.commands.values import pair, picture_file, records_path
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore, StoredRecords
from vis_bench.show.papers import MEASURED, is_counted, table_names, table_page
from vis_bench.show.record_charts import (
    OF_MEASURES,
    SWEEP,
    asked_sweep,
    charted_page,
    record_chart,
)
from vis_bench.table import FORMATS, fitted, render
from vis_bench.table.model import Page, page_json
from vis_bench.text import did_you_mean

if TYPE_CHECKING:
    from vis_bench.show.sweep import Sweep

CHARTED = (SWEEP, *OF_MEASURES)


def add_arguments(options: Options) -> None:
    names = ", ".join(table_names())
    options.argument(
        "name", "NAME", f"the YAML file of a paper's table, {SWEEP}, or one of: {names}", str
    )
    options.argument(
        "folder", "RECORDS", "folder of records, as --records", records_path, nargs="?"
    )
    options.records()
    sweep = f"of `{SWEEP}`: "
    options.value("--rows", "A,B", f"{sweep}fields of the rows, such as clip_length", str)
    options.value("--value", "A,B", f"{sweep}fields of the cells, such as ap,fps", str)
    options.value(
        "--where",
        "KEY=VALUE",
        f"{sweep}only records with this value; may be repeated",
        pair,
        unless_given="all",
        action="append",
    )
    charted = f"{', '.join(CHARTED[:-1])} or {CHARTED[-1]}"
    options.value("--picture", "FILE", f"chart of {charted} to write instead", picture_file)
    options.format(FORMATS)
    options.columns(f"; {sweep}fields of the columns")
    options.output_file()


def run(options: argparse.Namespace) -> int:
    """Print the table, or write it to a file; 1 if a record could not be read."""
    _check_name(options.name)
    folder = options.folder or options.records
    stored = read_records(folder)
    sweep = _sweep(stored, options)
    if options.picture:
        _save_picture(stored, options, sweep)
    if not options.picture or options.output:
        page = _page(stored, options.name, sweep)
        if sweep is None:
            say_if_empty(stored, folder)
            if stored.records and not any(table.rows for table in page.tables):
                say(f"no record in {folder} holds {options.name}")
        _deliver(page, stored, options, sweep)
    return 1 if stored.problems else 0


def _save_picture(stored: StoredRecords, options: argparse.Namespace, sweep: Sweep | None) -> None:
    if options.name not in CHARTED:
        raise InputError(
            f"table {options.name} has no chart for --picture; expected {', '.join(CHARTED)}"
        )
    record_chart(options.name, stored.records, sweep=sweep).save(options.picture)


def _deliver(
    page: Page, stored: StoredRecords, options: argparse.Namespace, sweep: Sweep | None
) -> None:
    columns = options.columns if sweep is None else None  # which a sweep has laid out
    if options.json:
        content = stored.records if options.name == MEASURED else page_json(page)
        deliver(json_text(content), options.output)
        return
    if options.format == "html":
        page = charted_page(page, options.name, stored.records, sweep)
    is_markdown = options.format == "markdown"
    on_terminal = [fitted(page, columns)] if is_markdown else ()
    deliver(render(page, options.format, columns), options.output, on_terminal)


def _check_name(name: str) -> None:
    known = (*table_names(), SWEEP)
    if name not in known and not name.endswith((".yaml", ".yml")):
        raise InputError(
            f"table is {name!r}{did_you_mean(name, known)}; expected a YAML file or one of: "
            + ", ".join(known)
        )


def _page(stored: StoredRecords, name: str, sweep: Sweep | None) -> Page:
    if sweep is not None:
        from vis_bench.show.sweep import sweep_page

        return sweep_page(sweep)
    from vis_bench.show.paired_ap import PairedAP

    return table_page(name, stored.records, method_builder(name), PairedAP(stored).samples)


def _sweep(stored: StoredRecords, options: argparse.Namespace) -> Sweep | None:
    """The sweep that was asked for; None with another table."""
    columns = ",".join(options.columns or ()) if options.name == SWEEP else None
    where = dict(options.where or ())
    return asked_sweep(options.name, stored.records, options.rows, columns, options.value, where)


def read_records(folder: Path) -> StoredRecords:
    """The records of a folder; the default folder may be missing, as nothing is measured yet.

    Files that are not records are named on standard error.
    """
    if folder == RESULTS and not folder.exists():
        return StoredRecords((), ())
    stored = RecordStore(folder).readable()
    report_skipped(stored.problems)
    return stored


def method_builder(name: str) -> Any:
    """Function that builds methods, for counted tables alone, since it imports torch."""
    if not is_counted(name):
        return None
    from methods import build_method

    return build_method
