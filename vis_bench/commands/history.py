"""`history DIR`: figures over commits, and the commits at which each moved."""

from __future__ import annotations

import argparse

from vis_bench.commands.check import tolerance
from vis_bench.commands.options import Options
from vis_bench.commands.output import deliver, json_text, report_skipped, say_if_empty
from vis_bench.commands.values import records_path
from vis_bench.table import FORMATS, fitted, render


def add_arguments(options: Options) -> None:
    options.argument(
        "folder", "DIR", "folder of records, such as DIR/COMMIT/NAME.json", records_path
    )
    tolerance(options)
    options.format(FORMATS)
    options.columns()
    options.output_file()


def run(options: argparse.Namespace) -> int:
    """Print the moves and a table for each cell; 1 if a record could not be read.

    HTML has charts, too.
    """
    from vis_bench.show.gate.history import history_of, read_points
    from vis_bench.show.gate.history_page import flat_page, history_json, history_page

    points, stored = read_points(options.folder)
    report_skipped(stored.problems)
    say_if_empty(stored, options.folder, hint="")
    histories = history_of(points, options.tolerance)
    if options.json:
        text = json_text(history_json(histories))
    elif options.format == "csv":
        text = render(flat_page(histories), "csv", options.columns)
    else:
        page = history_page(histories, charts=options.format == "html")
        text = render(page, options.format, options.columns)
    is_markdown = options.format == "markdown" and not options.json
    deliver(text, options.output, [fitted(page, options.columns)] if is_markdown else ())
    return 1 if stored.problems else 0
