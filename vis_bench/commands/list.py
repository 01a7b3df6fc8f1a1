"""`list`: the methods, configs, data sets, tables and figures that commands take by name."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from vis_bench.commands.figure import FIGURES
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.data.categories import DATASETS, TITLES
from vis_bench.runs.bundled import bundled_configs, describe_config
from vis_bench.show.papers import tables
from vis_bench.table import Part
from vis_bench.table.model import Table

FOLDERS = {"tables": "cells of the tables below", "train": "trainings of the mini models"}
MORE = (
    "`vis-bench list methods` lists the options of methods, `vis-bench list configs` every config."
)


def _methods() -> list[dict[str, str]]:
    from methods import describe_methods

    return describe_methods()


def _configs() -> list[dict[str, str]]:
    return [
        {"Config": name, "Description": describe_config(path)}
        for name, path in bundled_configs().items()
    ]


KINDS = {
    "methods": _methods,
    "configs": _configs,
    "datasets": lambda: [{"Data set": name, "Title": TITLES[name]} for name in DATASETS],
    "tables": lambda: [{"Table": name, "Title": title} for name, title in tables().items()],
    "figures": lambda: [{"Figure": name, "Shows": line} for name, (line, *_) in FIGURES.items()],
}


def add_arguments(options: Options) -> None:
    options.argument(
        "kind", "KIND", f"list only these: {', '.join(KINDS)}", str, nargs="?", choices=KINDS
    )


def run(options: argparse.Namespace) -> None:
    """Print a table for each kind of name."""
    kinds = [options.kind] if options.kind else list(KINDS)
    rows = {kind: KINDS[kind]() for kind in kinds}
    shown = rows if options.kind else {**rows, **_overview(**rows)}
    parts: list[Part] = [Table.from_dicts(shown[kind]) for kind in kinds]
    if not options.kind:
        parts[kinds.index("datasets")] = f"Data sets: {', '.join(DATASETS)}."
        parts.append(MORE)
    print_parts(options, rows, parts)


def _overview(
    methods: Sequence[Mapping[str, str]],
    configs: Sequence[Mapping[str, str]],
    figures: Sequence[Mapping[str, str]],
    **_: object,
) -> dict[str, list[dict[str, str]]]:
    """A line each: methods and folders with the number of their configs, the configs that are left
    with the number of their variants (`gpu_720` is one of `gpu`), and figures.
    """
    names = [row["Method"] for row in methods]
    of_method = {row["Config"]: _longest_start(row["Config"], names) for row in configs}
    counts = Counter(of_method.values())
    folders = Counter(name.rpartition("/")[0] for name in of_method if "/" in name)
    return {
        "methods": [
            {
                **{key: row[key] for key in ("Method", "Origin", "Problem") if key in row},
                "Configs": str(counts[row["Method"]]),
            }
            for row in methods
        ],
        "configs": [
            *_with_variants([row for row in configs if not of_method[row["Config"]]]),
            *(
                {"Config": f"{folder}/ ({number})", "Description": FOLDERS.get(folder, "")}
                for folder, number in folders.items()
            ),
        ],
        "figures": [{**row, "Shows": _first_words(row["Shows"])} for row in figures],
    }


def _with_variants(configs: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Configs outside of folders, each with the number of those that its name begins."""
    texts = {row["Config"]: row["Description"] for row in configs if "/" not in row["Config"]}
    variants = Counter(_longest_start(name, [*texts]) for name in texts)
    return [
        {
            "Config": f"{name} (+{number})" if (number := variants[name]) else name,
            "Description": _first_words(text),
        }
        for name, text in texts.items()
        if not _longest_start(name, [*texts])
    ]


def _first_words(text: str) -> str:
    return re.split("[:(,]|[.](?: |$)", text)[0].strip()


def _longest_start(config: str, names: Sequence[str]) -> str:
    """The name, such as a method's, that a config's name begins with; empty for none."""
    return max((name for name in names if config.startswith(f"{name}_")), key=len, default="")
