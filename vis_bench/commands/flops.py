"""`flops CONFIG` and `flops --table NAME`: multiply-adds, counted on shapes."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import RECORDS, Options
from vis_bench.commands.arguments.options import CONFIG
from vis_bench.commands.arguments.values import count
from vis_bench.commands.output import deliver
from vis_bench.commands.output.paper_tables import ENCODER_TABLE, paper_table_text, records_in
from vis_bench.commands.output.text import json_text
from vis_bench.errors import InputError
from vis_bench.files import never_an_input

DESCRIPTION = "multiply-adds by module, per clip and per source frame"


def add_arguments(options: Options) -> None:
    """CONFIG or --table."""
    options.config(f"{CONFIG}, unless --table is given", nargs="?")
    options.choice(
        "--table", (ENCODER_TABLE,), f"count a paper's table, as `table {ENCODER_TABLE}`"
    )
    options.value("--depth", "N", "levels of modules to show", count, default=2)
    options.output_file()
    options.overrides()


def run(options: argparse.Namespace) -> int:
    """Counts; one cell by module, several as an overview. 1 if a record could not be read."""
    if (options.config is None) == (options.table is None):
        raise InputError(f"flops takes either a CONFIG or --table {ENCODER_TABLE}, and not both")
    if options.table:
        if options.output is not None:
            never_an_input([options.output], RECORDS.rglob("*.json"))
        stored = records_in(RECORDS)
        text = paper_table_text(options.table, stored.records, as_json=options.json)
        deliver(text, options.output)
        return 1 if stored.problems else 0
    deliver(_cells_text(options), options.output)
    return 0


def _cells_text(options: argparse.Namespace) -> str:
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.config import load_cells
    from vis_bench.show.flops import overview, report_flops

    config = find_config(options.config)
    never_an_input([] if options.output is None else [options.output], [config])
    cells = load_cells(config, options.overrides)
    with Bars().bar("flops", len(cells)) as advance:
        reports = list(report_flops(build_method, cells, advance))
    if options.json:
        return json_text([report.as_json() for report in reports])
    if len(reports) == 1:
        return reports[0].as_text(options.depth)
    python = "python " if options.command_line.startswith("run_bench.py") else ""
    return overview(reports, python + options.command_line)
