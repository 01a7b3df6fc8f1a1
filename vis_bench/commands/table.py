"""`table NAME`: a paper's table beside what was measured, an ablation, or everything measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vis_bench.commands.arguments import Options
from vis_bench.commands.output import deliver
from vis_bench.commands.output.paper_tables import paper_table_text, records_in
from vis_bench.commands.output.text import json_text

if TYPE_CHECKING:
    from vis_bench.records.schema import Record

DESCRIPTION = (
    "a paper's table, published and measured; `ms-sts-ablation`; published FPS; or every record"
)
MEASURED = "measured"
FPS = "fps"


def add_arguments(options: Options) -> None:
    """The table's name, and the records that fill it."""
    from vis_bench.show.ms_sts_ablation import NAME
    from vis_bench.show.papers import PAPER_TABLES

    names = (MEASURED, FPS, *PAPER_TABLES, NAME)
    options.argument("name", "NAME", f"one of: {', '.join(names)}", str, choices=names)
    options.records()
    options.format()
    options.output_file()


def run(options: argparse.Namespace) -> int:
    """Prints the table, or writes it to a file; 1 if a record could not be read."""
    from vis_bench.show.ms_sts_ablation import NAME

    stored = records_in(options.records)
    if options.name == MEASURED:
        text = _measured_text(stored.records, options)
    elif options.name == NAME:
        text = _ablation_text(stored.records, options)
    elif options.name == FPS:
        text = _fps_text(stored.records, options)
    else:
        text = paper_table_text(
            options.name, stored.records, as_json=options.json, form=options.format
        )
    deliver(text, options.output)
    return 1 if stored.problems else 0


def _ablation_text(records: Sequence[Record], options: argparse.Namespace) -> str:
    from vis_bench.show.ms_sts_ablation import ms_sts_ablation
    from vis_bench.show.tables import render
    from vis_bench.show.tables.model import page_json

    page = ms_sts_ablation(records)
    return json_text(page_json(page)) if options.json else render(page, options.format)


def _measured_text(records: Sequence[Record], options: argparse.Namespace) -> str:
    from vis_bench.show.measured import measured_table
    from vis_bench.show.tables import render

    return json_text(records) if options.json else render(measured_table(records), options.format)


def _fps_text(records: Sequence[Record], options: argparse.Namespace) -> str:
    from vis_bench.show.published_fps import published_fps_page
    from vis_bench.show.tables import render
    from vis_bench.show.tables.model import page_json

    page = published_fps_page(records)
    return json_text(page_json(page)) if options.json else render(page, options.format)
