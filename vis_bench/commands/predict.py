"""`predict CONFIG --frames DIR --output FILE`: from frames alone to a results file."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_file
from vis_bench.commands.output import print_json, print_text
from vis_bench.errors import InputError

DESCRIPTION = "segment a folder of frames, or of such folders, into a results JSON"


def add_arguments(options: Options) -> None:
    """CONFIG, frames, and the file to write."""
    options.config()
    options.required("--frames", "DIR", "one video's frames, or a folder per video")
    options.required("--output", "FILE", "results JSON to write", output_file)
    options.subject()


def run(options: argparse.Namespace) -> None:
    """Predicts, writes the results file, and says how much it holds."""
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.machine import pick_device
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.predict import predict_folder

    cells = load_cells(find_config(options.config), options.overrides)
    if len(cells) != 1:
        raise InputError(f"{options.config} has {len(cells)} cells; predict takes a config of one")
    summary = predict_folder(
        build_method, cells[0], options.frames, options.output, options.weights,
        pick_device(options.device), Bars(),
    )  # fmt: skip
    if options.json:
        print_json(summary)
        return
    print_text(
        f"{summary['num_tracks']} tracks in {summary['num_videos']} videos: {options.output}"
    )
