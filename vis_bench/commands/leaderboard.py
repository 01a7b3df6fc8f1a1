"""`leaderboard`: the ranking of what was measured, and the generated pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_folder
from vis_bench.commands.output import deliver, print_json, print_line
from vis_bench.commands.output.paper_tables import encoder_counts, records_in, report_skipped
from vis_bench.commands.output.text import json_text
from vis_bench.errors import InputError

DESCRIPTION = "the leaderboard, or all generated pages"


def add_arguments(options: Options) -> None:
    """The records, and what is made of them."""
    options.records()
    options.flag(
        "--all", "show every cell, ablations too, instead of the best per method and backbone"
    )
    options.format()
    options.output_file()
    options.value(
        "--pages", "DIR", "write all generated pages from DIR/records, such as results, instead",
        output_folder, unless_given="only the leaderboard",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Prints the leaderboard or writes it to a file; with --pages writes those.

    Returns 1 if a record could not be read.
    """
    from vis_bench.reports.leaderboard import best_cells, leaderboard_text

    if options.pages:
        return _write_pages(options.pages, as_json=options.json)
    stored = records_in(options.records)
    records = stored.records if options.all else best_cells(stored.records)
    text = json_text(records) if options.json else leaderboard_text(records, options.format)
    deliver(text, options.output)
    return 1 if stored.problems else 0


def _write_pages(folder: Path, *, as_json: bool) -> int:
    from vis_bench.reports.pages import RECORDS_FOLDER, Pages, records_of

    if not (folder / RECORDS_FOLDER).is_dir():
        raise InputError(
            f"--pages {folder} has no folder {RECORDS_FOLDER}; expected one whose pages follow "
            f"from the records in {folder / RECORDS_FOLDER}, such as results"
        )
    stored = records_of(folder)
    report_skipped(stored.problems)
    changed = [str(p) for p in Pages.of(folder, stored.records, encoder_counts()).write()]
    if as_json:
        print_json({"written": changed})
    else:
        for line in [f"wrote {path}" for path in changed] or ["up to date"]:
            print_line(line)
    return 1 if stored.problems else 0
