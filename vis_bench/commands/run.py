"""`run CONFIG`: measures every cell of a config."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import LIMITED_RECORDS, RECORDS, Options
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "measure every cell of a config, write a record each, print a table"


def add_arguments(options: Options) -> None:
    """CONFIG and what all measuring takes."""
    options.config()
    options.measuring(RECORDS)


def run(options: argparse.Namespace) -> int:
    """Measures into the folder of records."""
    return measure(options, RECORDS)


def measure(options: argparse.Namespace, records_folder: Path) -> int:
    """Measures, prints the records, and writes the cost curves of a sweep.

    Args:
        options: what all measuring takes.
        records_folder: where records go unless --output or --limit says otherwise.
    """
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.machine import pick_device
    from vis_bench.records.store import RecordStore
    from vis_bench.reports.curve_files import write_curves
    from vis_bench.reports.curves import has_curves, printed_curves
    from vis_bench.reports.measured import measured_table
    from vis_bench.reports.speed import speed_table
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.jobs import RunSettings, resolve_jobs
    from vis_bench.runs.measure import measure_jobs
    from vis_bench.tables.text import render

    settings = RunSettings(
        options.command_line, pick_device(options.device), options.data_root, options.weights,
        options.limit,
    )  # fmt: skip
    cells = load_cells(find_config(options.config), options.overrides)
    bars = Bars()
    jobs = resolve_jobs(cells, settings, build_method, bars.say)
    folder = options.output or records_folder
    if options.output is None and any(job.is_limited for job in jobs):
        folder = LIMITED_RECORDS
        bars.say(f"--limit: records go to {folder}; --output names another folder")
    outcome = measure_jobs(jobs, RecordStore(folder), bars, resume=options.resume)
    records = outcome.records
    timed = speed_table(records)
    if options.json:
        print_json(records)
    else:
        texts = [render(measured_table(records))]
        texts += [] if timed.empty else [render(timed)]
        texts += [render(printed_curves(records))] if has_curves(records) else []
        print_text("\n".join(texts))
    if has_curves(records):
        for path in write_curves(records, folder):
            bars.say(f"cost curves: {path}")
    return 1 if outcome.failures else 0
