"""`list`: the methods, configs, data sets, tables and figures that commands take by name."""

from __future__ import annotations

import argparse

from vis_bench.commands.figure import FIGURES
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.data.categories import DATASETS, TITLES
from vis_bench.runs.bundled import bundled_configs, describe_config
from vis_bench.show.papers import tables
from vis_bench.table.model import Table


def _methods() -> list[dict[str, str]]:
    from methods import describe_methods

    return describe_methods()


KINDS = {
    "methods": _methods,
    "configs": lambda: [
        {"Config": name, "Description": describe_config(path)}
        for name, path in bundled_configs().items()
    ],
    "datasets": lambda: [{"Data set": name, "Title": TITLES[name]} for name in DATASETS],
    "tables": lambda: [{"Table": name, "Title": title} for name, title in tables().items()],
    "figures": lambda: [{"Figure": name, "Shows": line} for name, (line, *_) in FIGURES.items()],
}


def add_arguments(options: Options) -> None:
    options.argument(
        "kind", "KIND", f"list only these: {', '.join(KINDS)}", str, nargs="?", choices=KINDS
    )


def run(options: argparse.Namespace) -> None:
    """Prints a table for each kind of name."""
    kinds = [options.kind] if options.kind else list(KINDS)
    rows = {kind: KINDS[kind]() for kind in kinds}
    print_parts(options, rows, [Table.from_dicts(rows[kind]) for kind in kinds])
