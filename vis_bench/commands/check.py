"""`check --baseline F --current F`: the regression gate."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import points
from vis_bench.commands.output import print_json, print_text, say

DESCRIPTION = "compare measurements with a baseline; exit 1 on a regression"


def add_arguments(options: Options) -> None:
    """What is compared, and how strictly."""
    for name in ("--baseline", "--current"):
        options.required(name, "PATH", "a record, a folder of records, or a baseline file")
    options.value(
        "--tolerance",
        "POINTS",
        "how far AP, AR and tracking may fall, in points",
        points,
        default=0.1,
    )
    options.flag("--require-speed", "fail where speed could not be compared")
    options.flag("--update", "write the current measurements as the baseline")


def run(options: argparse.Namespace) -> int:
    """Says which number moved; 1 if one got worse, or speed that is required is missing."""
    import os

    from vis_bench.files import never_an_input
    from vis_bench.show.gate.rules import Tolerances
    from vis_bench.show.gate.verdict import append_summary, check, update_baseline

    if options.update:
        never_an_input([options.baseline], [options.current])
        report = update_baseline(options.baseline, options.current)
    else:
        tolerances = Tolerances(points=options.tolerance)
        report = check(
            options.baseline, options.current, tolerances, require_speed=options.require_speed
        )
        problem = append_summary(report, os.environ)
        if problem is not None:
            say(f"warning: {problem}")
    if options.json:
        print_json(report.as_json())
    else:
        print_text(report.as_markdown())
    return 0 if report.passed else 1
