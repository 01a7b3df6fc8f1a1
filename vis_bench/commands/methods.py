"""`methods`: what is registered."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "list the registered methods and their options"


def add_arguments(options: Options) -> None:
    """None but --json."""


def run(options: argparse.Namespace) -> None:
    """Prints a row per method."""
    from methods import describe_methods
    from vis_bench.show.tables import render
    from vis_bench.show.tables.model import Table

    described = describe_methods()
    if options.json:
        print_json(described)
    else:
        print_text(render(Table.from_dicts(described)))
