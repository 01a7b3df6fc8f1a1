"""`synth DIR`: the synthetic data set as files."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, output_folder, seed
from vis_bench.commands.output import print_json, print_line

DESCRIPTION = "write the synthetic data set to disk in YouTube-VIS form"


def add_arguments(options: Options) -> None:
    """Where, and which videos."""
    options.argument("directory", "DIR", "folder to write; made if it is missing", output_folder)
    options.flag("--plain", "one color per class, no occlusion, no look-alikes")
    options.value("--seed", "N", "another seed gives other videos", seed, default=0)
    options.choice("--split", ("train", "val"), "write only this split", unless_given="both")
    options.value("--videos", "N", "videos per split", count, unless_given="200 train, 24 val")
    options.choice("--format", ("png", "jpg"), "format of the frames", default="png")


def run(options: argparse.Namespace) -> None:
    """Writes frames and annotations, and says where."""
    from vis_bench.data.synthetic import write_dataset
    from vis_bench.progress import Bars

    splits = [options.split] if options.split else ["train", "val"]
    written = write_dataset(
        options.directory, Bars(), plain=options.plain, seed=options.seed,
        num_videos=dict.fromkeys(splits, options.videos), image_format=options.format,
    )  # fmt: skip
    if options.json:
        print_json(written)
    else:
        for key, value in written.items():
            print_line(f"{key}: {value}")
