"""`submit R.json OUT.zip`: what a challenge server takes."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_file
from vis_bench.commands.output import print_json, print_line

DESCRIPTION = "check a results file and zip it for a server"


def add_arguments(options: Options) -> None:
    """The results file and the zip."""
    options.argument("results", "R.json", "YouTube-VIS results")
    options.argument("zip", "OUT.zip", "zip to write", output_file)
    options.value(
        "--annotations", "FILE", "the server's list of videos, such as its valid.json, to check "
        "ids, lengths and sizes against", unless_given="no such check",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Checks and writes."""
    from vis_bench.data.submission import write_submission

    write_submission(options.results, options.zip, options.annotations)
    if options.json:
        print_json({"zip": str(options.zip)})
    else:
        print_line(f"wrote {options.zip}")
