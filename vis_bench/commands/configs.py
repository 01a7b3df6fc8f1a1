"""`configs`: what comes with vis-bench, by the name that every command takes."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "list the bundled configs"


def add_arguments(options: Options) -> None:
    """None but --json."""


def run(options: argparse.Namespace) -> None:
    """Prints a row per config: its name and its first comment."""
    from vis_bench.runs.bundled import bundled_configs, describe_config
    from vis_bench.show.tables import render
    from vis_bench.show.tables.model import Table

    rows = [
        {"Config": name, "Description": describe_config(path)}
        for name, path in bundled_configs().items()
    ]
    if options.json:
        print_json(rows)
    else:
        print_text(render(Table.from_dicts(rows)))
