"""`leaderboard`: the ranking of the records, or its charts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from vis_bench.commands.options import Options
from vis_bench.commands.output import (
    deliver,
    json_text,
    print_result,
    report_skipped,
    say_if_empty,
)
from vis_bench.commands.table import read_records
from vis_bench.commands.values import picture_file
from vis_bench.record.names import tie_break
from vis_bench.record.schema import Record
from vis_bench.record.store import StoredRecords
from vis_bench.show.record_charts import CURVES, LEADERBOARD, inline_speed, record_chart
from vis_bench.table import FORMATS, fitted
from vis_bench.table.model import Page
from vis_bench.text import one_line


def add_arguments(options: Options) -> None:
    options.records()
    options.flag(
        "--all", "show every cell, including ablations, instead of the best per method and backbone"
    )
    options.value(
        "--annotations",
        "GT.json",
        "annotations of records that name none",
        unless_given="those of the records' data sets",
    )
    options.data_root()
    options.format(FORMATS)
    options.columns()
    options.output_file()
    for name, text in (("--picture", "AP against FPS"), ("--curves", "cost over clip length")):
        options.value(
            name,
            "FILE",
            f"write a chart of {text} to a .png, .svg or .pdf file instead",
            picture_file,
            unless_given="only the leaderboard",
        )


def run(options: argparse.Namespace) -> int:
    """Print the leaderboard, or write it or its charts; 1 if a record could not be read."""
    stored = read_records(options.records)
    say_if_empty(stored, options.records)
    if options.picture or options.curves:
        _write_charts(stored.records, options)
        if options.output is None:
            return 1 if stored.problems else 0
    _deliver_ranking(stored, options)
    return 1 if stored.problems else 0


def _deliver_ranking(stored: StoredRecords, options: argparse.Namespace) -> None:
    from vis_bench.show.leaderboard import (
        TITLE,
        best_cells,
        choices,
        leaderboard_pages,
        leaderboard_text,
        pages_markdown,
    )
    from vis_bench.show.paired_ap import PairedAP

    records = stored.records if options.all else best_cells(stored.records)
    if options.json:
        deliver(json_text(records), options.output)
        return
    difference = PairedAP(stored, options.annotations, options.data_root)
    reports = _reports(stored, options.output)
    chosen = {} if options.all else choices(stored.records)
    if options.format == "markdown":
        pages = leaderboard_pages(records, difference, chosen=chosen)
        parts = [Page(TITLE, ()), *(fitted(page, options.columns) for page in pages)]
        text = pages_markdown(pages, columns=options.columns)
    else:
        parts = []
        charts = inline_speed(stored.records) if options.format == "html" else None
        text = leaderboard_text(
            records, options.format, difference, options.columns, reports, chosen, charts
        )
    deliver(text, options.output, parts)
    report_skipped(difference.problems)


def _reports(stored: StoredRecords, output: Path | None) -> dict[str, str]:
    """Relative addresses of the reports beside records: NAME.html beside NAME.json."""
    folder = Path() if output is None else output.parent
    pages = {
        tie_break(record): path.with_suffix(".html")
        for record, path in zip(stored.records, stored.paths, strict=True)
    }
    return {
        key: quote(Path(os.path.relpath(page, folder)).as_posix())
        for key, page in pages.items()
        if page.is_file()
    }


def _write_charts(records: Sequence[Record], options: argparse.Namespace) -> None:
    wanted = {LEADERBOARD: options.picture, CURVES: options.curves}
    charts = {
        path: record_chart(name, records, ablations=options.all)
        for name, path in wanted.items()
        if path
    }
    written = [str(chart.save(path)) for path, chart in charts.items()]
    lines = [one_line(f"wrote {path}") for path in written]
    print_result(options, {"written": written}, "\n".join(lines))
