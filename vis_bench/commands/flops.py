"""`flops CONFIG`: multiply-adds, counted on shapes, or the memory that a clip would take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from vis_bench.commands.options import Options
from vis_bench.commands.output import deliver, json_text
from vis_bench.commands.values import count
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells
from vis_bench.table import Part, as_markdown


def add_arguments(options: Options) -> None:
    options.config()
    options.value("--depth", "N", "levels of modules to show", count, default=2)
    options.flag("--memory", "predict the memory of a clip, and the longest clip on common GPUs")
    options.output_file()
    options.overrides()
    options.traceback()


def run(options: argparse.Namespace) -> None:
    """Count; one cell by module, several as an overview."""
    if options.memory:
        _predict(options)
    else:
        _count(options)


def _predict(options: argparse.Namespace) -> None:
    from methods import build_method
    from vis_bench.show.predicted_memory import memory_parts, report_memory

    cells = load_cells(options.config, options.overrides)
    with Bars().bar("clips", len(cells)) as advance:
        reports = list(report_memory(build_method, cells, advance))
    parts = memory_parts(reports)
    if options.json:
        deliver(json_text([report.as_json() for report in reports]), options.output)
    else:
        deliver(as_markdown(parts), options.output, parts)


def _count(options: argparse.Namespace) -> None:
    from methods import build_method
    from vis_bench.show.flops import overview, overview_parts, report_flops

    cells = load_cells(options.config, options.overrides)
    with Bars().bar("flops", len(cells)) as advance:
        reports = list(report_flops(build_method, cells, advance))
    parts: Sequence[Part] = ()
    if options.json:
        text = json_text([report.as_json() for report in reports])
    elif len(reports) == 1:
        text, parts = reports[0].as_text(options.depth), reports[0].parts(options.depth)
    else:
        python = "python " if options.command_line.startswith("run_bench.py") else ""
        text, parts = overview(reports, python + options.command_line), overview_parts(reports)
    deliver(text, options.output, parts)
