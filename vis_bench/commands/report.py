"""`report A [B] --output report.html`: one page about one record, or about two."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.options import SIDE, Options, asked_of
from vis_bench.commands.output import print_result, warn
from vis_bench.commands.values import count, named_file, output_file, whole_number
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.runs.sources import compared_sources
from vis_bench.text import count as count_of
from vis_bench.text import one_line

# WebP holds no longer side.
LONGEST_SIDE = 16383


def add_arguments(options: Options) -> None:
    options.argument("first", "A", SIDE, named_file)
    options.argument("second", "B", "the same, compared with A", named_file, nargs="*", default=[])
    options.value(
        "--output", "FILE", "HTML file to write", output_file, default=Path("report.html")
    )
    options.value(
        "--annotations",
        "GT.json",
        "annotations, needed for results files",
        unless_given="those of the record's data set",
    )
    options.annotated_frames("that of the record's data set; with --annotations, masks on gray")
    options.data_root()
    options.value("--videos", "N", "number of videos that can be opened", count, unless_given="all")
    options.value(
        "--side",
        "PIXELS",
        "longest side of a frame; frames are never enlarged",
        whole_number(1, LONGEST_SIDE),
        default=360,
    )
    options.min_score()
    options.metrics()
    options.value("--max-size", "MB", "leave out videos beyond this size", count, default=15)
    options.resampling()


def run(options: argparse.Namespace) -> None:
    """Write the page, and print its size."""
    from vis_bench.show.report.page import MEGABYTE, ReportPlan, write_report

    plan = ReportPlan(
        options.videos,
        options.side,
        options.min_score,
        options.max_size,
        asked_of(options, None),
    )
    inputs = compared_sources(
        [options.first, *options.second],
        annotations=options.annotations,
        frames=options.frames,
        data_root=options.data_root,
    )
    if (given := len(inputs.sides)) > 2:
        raise InputError(f"report is given {given} runs; expected one or two, or use compare")
    report = write_report(inputs, plan, Bars(options.json), options.command_line, options.output)
    warn(report.warnings)
    if report.left_out:
        left_out = f"{count_of(len(report.left_out), 'video')}, {report.left_out[0]} first"
        warn([f"left out beyond --max-size {options.max_size} MB: {left_out}"])
    size = f"{len(report.page) / MEGABYTE:.1f} MB"
    print_result(
        options,
        {
            "output": str(options.output),
            "bytes": len(report.page),
            "videos": list(report.shown),
            "left_out": list(report.left_out),
            "warnings": list(report.warnings),
        },
        one_line(f"report: {options.output}, videos to open: {len(report.shown)}, {size}"),
    )
