"""`submit R.json OUT.zip`: a zip as a challenge server takes it, where one is open."""

from __future__ import annotations

import argparse

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result, warn
from vis_bench.commands.values import output_file
from vis_bench.data.official import SERVERS_CLOSED
from vis_bench.data.submission import write_submission
from vis_bench.text import one_line


def add_arguments(options: Options) -> None:
    options.argument("results", "R.json", "YouTube-VIS results")
    options.argument("zip", "OUT.zip", "zip to write", output_file)
    options.value(
        "--annotations",
        "FILE",
        "the server's list of videos, such as its valid.json, to check "
        "ids, lengths and sizes against",
        unless_given="no such check",
    )


def run(options: argparse.Namespace) -> None:
    """Check, write, and say which servers are closed."""
    write_submission(options.results, options.zip, options.annotations)
    warn([SERVERS_CLOSED])
    print_result(options, {"zip": str(options.zip)}, one_line(f"wrote {options.zip}"))
