"""`figure readme`: the pictures of the README, by the commands that stand beside them."""

from __future__ import annotations

import argparse
import io
import json
import shlex
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from vis_bench.commands.arguments import Options, Parser
from vis_bench.commands.arguments.values import count, output_folder
from vis_bench.commands.output import print_json

DESCRIPTION = "make the pictures of the README again"
FOLDER = Path("results")
# As the README shows them.
COMMANDS = (
    "vis-bench figure strip IFC=ifc_mini_synthetic SeqFormer=seqformer_mini_synthetic "
    "MS-STS=ms_sts_mini_synthetic --video val_00013 --output results/overlay.png",
    "vis-bench figure sampling-points seqformer_mini_synthetic --video val_00009 "
    "--output results/sampling_points.png",
    "vis-bench figure time-weights seqformer_mini_synthetic --video val_00009 "
    "--output results/time_weights.png",
)  # fmt: skip


def add_arguments(options: Options) -> None:
    """Where the pictures go, and how long to take for the numbers beside them."""
    options.value("--output", "DIR", "folder of pictures to write", output_folder, default=FOLDER)
    options.value(
        "--limit", "N", "as for time-weights, whose picture does not depend on it", count,
        unless_given="all",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Runs each command, with another folder."""
    from vis_bench.commands.figure import find_kinds

    kinds = find_kinds()
    said = []
    for command in COMMANDS:
        name, *arguments = shlex.split(command)[2:]
        parser = Parser(prog=f"vis-bench figure {name}")
        kinds[name].add_arguments(Options(parser))
        parsed = parser.parse_args(arguments)
        parsed.output = options.output / parsed.output.name
        parsed.json = options.json
        if "limit" in parsed:
            parsed.limit = options.limit
        printed = io.StringIO()
        with redirect_stdout(printed) if options.json else nullcontext():
            kinds[name].run(parsed)
        said.append(printed.getvalue())
    if options.json:
        print_json([json.loads(text) for text in said])
