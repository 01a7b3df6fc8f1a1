"""`leaderboard`: the ranking of what was measured, and the generated pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_folder
from vis_bench.commands.output import deliver, print_json, print_text
from vis_bench.commands.output.paper_tables import encoder_counts, records_in
from vis_bench.commands.output.text import json_text

DESCRIPTION = "the leaderboard, or all generated pages"


def add_arguments(options: Options) -> None:
    """The records, and what is made of them."""
    options.records()
    options.format()
    options.output_file()
    options.value(
        "--pages", "DIR", "write all generated pages from DIR/records, such as results, instead",
        output_folder, unless_given="only the leaderboard",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Prints the leaderboard or writes it to a file; with --pages writes those."""
    from vis_bench.reports.leaderboard import leaderboard_text

    if options.pages:
        _write_pages(options.pages, as_json=options.json)
        return
    records = records_in(options.records)
    text = json_text(records) if options.json else leaderboard_text(records, options.format)
    deliver(text, options.output)


def _write_pages(folder: Path, *, as_json: bool) -> None:
    from vis_bench.reports.pages import write_pages

    changed = [str(path) for path in write_pages(folder, encoder_counts())]
    if as_json:
        print_json({"written": changed})
    else:
        print_text("\n".join(f"wrote {path}" for path in changed) or "up to date")
