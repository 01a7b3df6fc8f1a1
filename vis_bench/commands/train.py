"""`train CONFIG`: trains the bundled mini models from scratch."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result
from vis_bench.commands.values import output_folder, training_config_file
from vis_bench.progress import Bars


def add_arguments(options: Options) -> None:
    options.config(
        "a YAML file, or the name of a bundled config in the folder `train`", training_config_file
    )
    options.value(
        "--output",
        "DIR",
        "folder for the checkpoint, the weights and the final records",
        output_folder,
        unless_given="runs/<name of the config>",
    )
    options.overrides()
    options.flag("--resume", "continue from the checkpoint in the output folder")


def run(options: argparse.Namespace) -> None:
    """Train, write the weights, and print their metrics."""
    from methods.training.loop import summary_text, train

    output = options.output or Path("runs") / options.config.stem
    summary = train(options.config, options.overrides, output, resume=options.resume, bars=Bars())
    print_result(options, summary, summary_text(summary))
