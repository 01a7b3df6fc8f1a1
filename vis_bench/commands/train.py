"""`train CONFIG`: the bundled mini models from nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_folder
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "train a mini model on the synthetic videos"


def add_arguments(options: Options) -> None:
    """A training config, and where its results go."""
    options.config("a YAML file, or the name of a bundled config in the folder `train`")
    options.value(
        "--output", "DIR", "folder for the checkpoint, the weights and the records of the end",
        output_folder, unless_given="runs/<name of the config>",
    )  # fmt: skip
    options.overrides()
    options.flag("--resume", "go on from the checkpoint in the output folder")


def run(options: argparse.Namespace) -> None:
    """Trains, writes the weights, and says how good they are."""
    from methods.training.loop import train
    from methods.training.summary import summary_text
    from vis_bench.progress import Bars
    from vis_bench.runs.bundled import find_config

    config = find_config(options.config, folder="train")
    output = options.output or Path("runs") / config.stem
    summary = train(config, options.overrides, output, resume=options.resume, bars=Bars())
    if options.json:
        print_json(summary)
    else:
        print_text(summary_text(summary))
