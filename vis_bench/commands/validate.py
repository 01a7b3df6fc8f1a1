"""`validate ANNOTATIONS`: everything that is wrong with a data set."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "check an annotations file, and its frames if given; exit 1 if something is wrong"


def add_arguments(options: Options) -> None:
    """The annotations, and what else is checked."""
    from vis_bench.data.categories import CATEGORIES

    options.argument(
        "annotations", "ANNOTATIONS", "annotations in YouTube-VIS form, or of images in COCO's"
    )
    options.value(
        "--frames", "DIR", "folder that file names start from",
        unless_given="frames are not checked",
    )  # fmt: skip
    options.choice(
        "--name", tuple(CATEGORIES), "data set whose categories the file should have",
        unless_given="any",
    )  # fmt: skip
    options.flag("--all", "print a line for every problem instead of groups of equal ones")


def run(options: argparse.Namespace) -> int:
    """Prints the problems, grouped unless all are wanted; 1 if there is one."""
    from dataclasses import asdict

    from vis_bench.data.validate import problems_text, validate
    from vis_bench.progress import Bars

    problems = validate(options.annotations, options.frames, options.name, Bars())
    if options.json:
        print_json([asdict(problem) for problem in problems])
    else:
        print_text(problems_text(problems, show_all=options.all))
    return 1 if problems else 0
