"""`report A [B] --output report.html`: one page about one record, or about two."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, finite, output_file, whole_number
from vis_bench.commands.output import print_json, print_line, say

DESCRIPTION = "one HTML page about a record, or about two, with pictures of the videos"


# WebP holds no longer side.
LONGEST_SIDE = 16383


def add_arguments(options: Options) -> None:
    """A and B, where their data are, and how much the page shows."""
    options.argument("first", "A", "a record with its predictions beside it, or a results file")
    options.argument("second", "B", "what A is compared with", nargs="?")
    options.value(
        "--output", "FILE", "HTML file to write", output_file, default=Path("report.html")
    )
    options.value(
        "--annotations", "GT.json", "annotations, needed for results files",
        unless_given="those of the record's data set",
    )  # fmt: skip
    options.value(
        "--frames", "DIR", "folder that the annotations' file names start from",
        unless_given="those of the record's data set; with --annotations masks on gray",
    )  # fmt: skip
    options.data_root()
    options.value("--videos", "N", "how many videos have pictures", count, default=8)
    options.value(
        "--side", "PIXELS", "long side of a picture", whole_number(1, LONGEST_SIDE), default=360
    )
    options.value("--min-score", "S", "leave out tracks with a lower score", finite, default=0.3)
    options.value("--max-size", "MB", "leave out videos beyond this size", count, default=20)
    options.resampling()


def run(options: argparse.Namespace) -> None:
    """Writes the page, and says what it shows."""
    from vis_bench.files import check_writable, write_atomically
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import check_any_frame, check_has_objects, compared_sources
    from vis_bench.show.report.page import MEGABYTE, ReportPlan, make_report

    plan = ReportPlan(
        options.videos, options.side, options.min_score, options.resamples, options.seed,
        options.max_size,
    )  # fmt: skip
    inputs = compared_sources(
        [path for path in (options.first, options.second) if path is not None],
        annotations=options.annotations, frames=options.frames, data_root=options.data_root,
    )  # fmt: skip
    check_has_objects(inputs.truth)
    check_any_frame(inputs.videos)
    check_writable(options.output)
    report = make_report(inputs, plan, Bars(options.json), options.command_line)
    write_atomically(options.output, report.page)
    for warning in report.warnings:
        say(f"warning: {warning}")
    if report.left_out:
        names = ", ".join(report.left_out)
        say(f"warning: left out beyond {options.max_size} MB: {names}")
    if options.json:
        print_json(
            {"output": str(options.output), "bytes": len(report.page), "videos": list(report.shown),
             "left_out": list(report.left_out), "warnings": list(report.warnings)}
        )  # fmt: skip
    else:
        size = f"{len(report.page) / MEGABYTE:.1f} MB"
        print_line(f"report: {options.output}, videos with pictures: {len(report.shown)}, {size}")
