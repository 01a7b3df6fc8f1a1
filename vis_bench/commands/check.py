"""`check --baseline F --current F`: the regression gate, also against a history."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from vis_bench.arguments import RealRange
from vis_bench.commands.options import Options
from vis_bench.commands.output import (
    deliver,
    json_text,
    print_colored,
    print_text,
    report_skipped,
    warn,
)
from vis_bench.commands.values import number, records_path
from vis_bench.errors import InputError
from vis_bench.files import overwrite_guard
from vis_bench.measures.comparison import POINTS
from vis_bench.record.store import failures_beside
from vis_bench.runs.sources import split_name
from vis_bench.show.gate.check import GateReport, Rules, append_summary, check, update_baseline


def add_arguments(options: Options) -> None:
    what = "a record, a folder of records, or a baseline file, or NAME=PATH to call it NAME"
    options.value("--baseline", "PATH", what, unless_given="--history")
    options.value(
        "--history",
        "DIR",
        "compare with the last records of the same cells and machines in DIR, not with a baseline",
        records_path,
        unless_given="--baseline",
    )
    options.required("--current", "PATH", what)
    tolerance(options)
    options.flag(
        "--significant",
        "fail if AP falls significantly (its paired interval lies below 0), or another figure "
        "by more than its interval or 3 points; also compare a cell with its retraining",
    )
    options.value(
        "--annotations",
        "GT.json",
        "annotations for the paired difference of records that name none",
        unless_given="those of the records' data sets",
    )
    options.data_root()
    options.flag("--require-speed", "fail if speed could not be compared")
    options.flag("--require-comparison", "fail if no cell could be compared")
    options.value(
        "--accept",
        "TEXT",
        "pass despite losses; TEXT (who meant them, why) is kept with the current records",
        str,
    )
    options.flag("--update", "write the current measurements as the baseline")


def tolerance(options: Options) -> None:
    """--tolerance of AP, AR and the tracking metrics."""
    options.value(
        "--tolerance",
        "POINTS",
        "largest allowed fall of AP, AR and tracking, in points",
        number(RealRange("a number of points from 0 to 100", 0, 100)),
        default=POINTS,
    )


def run(options: argparse.Namespace) -> int:
    """Print the numbers that moved; 1 if one got worse, or what is required was not compared."""
    if (options.baseline is None) == (options.history is None):
        raise InputError("check needs either --baseline PATH or --history DIR")
    if options.update and options.history is not None:
        raise InputError("--update writes a baseline, so it needs --baseline PATH, not --history")
    sides = _split_names(options)
    if options.accept is not None and not (options.history and options.current.is_dir()):
        raise InputError("--accept TEXT needs --history DIR, and as --current a folder for TEXT")
    report = replace(_report(options), sides=sides)
    warn(failures_beside(options.current))
    if options.json:
        print_text(json_text(report.as_json()))
        return 0 if report.passed else 1
    print_colored(report.verdict, "green" if report.passed else "red")
    print_text("")
    deliver(report.details(), None, report.parts())
    return 0 if report.passed else 1


def _split_names(options: argparse.Namespace) -> tuple[str, str]:
    """Names of both sides; a name stands before a path that exists."""
    names = {"baseline": "Baseline", "current": "Current"}
    for side in names:
        given = getattr(options, side)
        name, path = split_name(str(given))
        if name and not given.exists() and path.exists():
            names[side] = name
            setattr(options, side, path)
    return names["baseline"], names["current"]


def _report(options: argparse.Namespace) -> GateReport:
    """The comparison that the options ask for; a new baseline is written."""
    if options.update:
        overwrite_guard([options.baseline], [options.current])
        return update_baseline(options.baseline, options.current)
    rules = Rules(options.tolerance, options.significant, options.annotations, options.data_root)
    if options.history is None:
        report = check(options.baseline, options.current, rules)
    else:
        from vis_bench.show.gate.history import check_history

        report, problems = check_history(options.history, options.current, rules)
        report_skipped(problems)
    report = replace(
        report,
        require_speed=options.require_speed,
        require_comparison=options.require_comparison,
    )
    report = report.accept(options.accept, options.current) if options.accept else report
    problem = append_summary(report, os.environ)
    warn([] if problem is None else [problem])
    return report
