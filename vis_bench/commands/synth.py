"""`synth DIR`: the synthetic data set as files."""

from __future__ import annotations

import argparse

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result
from vis_bench.commands.values import count, output_folder, seed
from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars
from vis_bench.text import one_line


def add_arguments(options: Options) -> None:
    options.argument("directory", "DIR", "folder to write; created if missing", output_folder)
    options.flag("--plain", "one color per class, no occlusion, no look-alikes")
    options.value("--seed", "N", "another seed gives other videos", seed, default=0)
    options.choice("--split", ("train", "val"), "write only this split", unless_given="both")
    options.value("--videos", "N", "videos per split", count, unless_given="200 train, 240 val")
    options.choice("--format", ("png", "jpg"), "format of the frames", default="png")


def run(options: argparse.Namespace) -> None:
    """Write frames and annotations, and print where."""
    splits = [options.split] if options.split else ["train", "val"]
    written = write_dataset(
        options.directory,
        Bars(),
        plain=options.plain,
        seed=options.seed,
        num_videos=dict.fromkeys(splits, options.videos),
        image_format=options.format,
    )
    lines = [one_line(f"{key}: {value}") for key, value in written.items()]
    print_result(options, written, "\n".join(lines))
