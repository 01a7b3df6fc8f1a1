"""`agreement`: whether faster arithmetic says what float32 says."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, names
from vis_bench.commands.output import print_json, print_text, say

DESCRIPTION = "bfloat16, TF32 and compiled methods against float32: AP and the best tracks"

CONFIGS = ["ifc_mini_synthetic", "seqformer_mini_synthetic", "ms_sts_mini_synthetic"]
# Clips are joined by matching, and a single match that turns out otherwise moves AP by more than
# the limit; with whole videos, what the network says is all that is compared.
WHOLE_VIDEOS = "clip_length=whole"


def add_arguments(options: Options) -> None:
    """What is compared, in which arithmetic, and where."""
    options.value(
        "--configs", "A,B",
        "configs to compare, by file or name; whole videos, unless --set clip_length=N", names,
        unless_given="the bundled mini models",
    )  # fmt: skip
    options.value(
        "--settings", "A,B",
        "bfloat16, float16, tf32, compile, cuda_graphs, or several with + between them", names,
        unless_given="bfloat16 on a CPU; tf32,bfloat16,compile,cuda_graphs,bfloat16+cuda_graphs on "
        "a GPU",
    )  # fmt: skip
    options.value("--limit", "N", "compare only the first N videos", count, unless_given="all")
    options.subject()
    options.data_root()


def run(options: argparse.Namespace) -> int:
    """Prints a row for each method and setting; 1 where a limit is exceeded."""
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.environment import pick_device
    from vis_bench.runs.agreement import check_agreement, default_settings
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.jobs import RunSettings
    from vis_bench.show.agreement import agreement_table, as_json
    from vis_bench.show.tables import render

    device = pick_device(options.device)
    settings = options.settings or default_settings(device)
    cells = [
        cell
        for config in options.configs or CONFIGS
        for cell in load_cells(find_config(config), [WHOLE_VIDEOS, *options.overrides])
    ]
    run_settings = RunSettings(
        options.command_line, device, options.data_root, options.weights, options.limit
    )
    found = list(check_agreement(cells, settings, run_settings, build_method, Bars()))
    if options.json:
        print_json([as_json(row) for row in found])
    else:
        print_text(render(agreement_table(found)))
    problems = [problem for row in found for problem in row.problems()]
    for problem in problems:
        say(problem)
    return 1 if problems else 0
