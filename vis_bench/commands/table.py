"""`table NAME`: a table of a paper, published and measured, of an ablation, or of every record."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vis_bench.commands.options import RECORDS, Options
from vis_bench.commands.output import deliver, json_text, say
from vis_bench.progress import Bars
from vis_bench.records.store import RecordStore, StoredRecords
from vis_bench.show import ms_sts_ablation, published_fps
from vis_bench.show.measured import measured_table
from vis_bench.show.papers import PAPER_TABLES, paper_table
from vis_bench.show.tables import FORMATS, render
from vis_bench.show.tables.model import page_json

MEASURED, FPS, ENCODER = "measured", "fps", "ifc-encoder"
ABLATION = ms_sts_ablation.NAME
NAMES = (MEASURED, FPS, *PAPER_TABLES, ABLATION)


def table_titles() -> dict[str, str]:
    """The title of every table, by name."""
    return {
        MEASURED: "Every record",
        FPS: published_fps.TITLE,
        **{name: table().title for name, table in PAPER_TABLES.items()},
        ABLATION: ms_sts_ablation.TITLE,
    }


def add_arguments(options: Options) -> None:
    options.argument("name", "NAME", f"one of: {', '.join(NAMES)}", str, choices=NAMES)
    options.records()
    options.format(FORMATS)
    options.output_file()


def run(options: argparse.Namespace) -> int:
    """Prints the table, or writes it to a file; 1 if a record could not be read."""
    stored = read_records(options.records)
    records = stored.records
    values: Any
    if options.name == MEASURED:
        table, values = measured_table(records), records
    else:
        if options.name == ABLATION:
            table = ms_sts_ablation.ms_sts_ablation(records)
        elif options.name == FPS:
            table = published_fps.published_fps_page(records)
        else:
            counts = encoder_counts() if options.name == ENCODER else None
            table = paper_table(options.name, records, counts)
        values = page_json(table)
    text = json_text(values) if options.json else render(table, options.format)
    deliver(text, options.output)
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


def report_skipped(problems: Iterable[str]) -> None:
    """Names on standard error each file that is left out because it is not a record."""
    for problem in problems:
        say(f"skipped: {problem}")


def encoder_counts() -> Any:
    """Counts the multiply-adds of IFC's encoders, for which alone torch is imported."""
    from methods import build_method
    from vis_bench.show.papers.encoder_counts import count_ifc_encoders

    with Bars().bar(ENCODER, 16) as advance:
        return count_ifc_encoders(build_method, advance)
