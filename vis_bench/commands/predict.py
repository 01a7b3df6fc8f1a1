"""`predict CONFIG --frames PATH --output FILE`: from frames alone to a results file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_file, output_folder
from vis_bench.commands.output import print_json, print_text
from vis_bench.errors import InputError

if TYPE_CHECKING:
    from vis_bench.progress import Bars

DESCRIPTION = "segment frames, a video file, or the videos of a valid.json into a results JSON"


def add_arguments(options: Options) -> None:
    """CONFIG, frames, and the file to write."""
    options.config()
    options.required(
        "--frames", "PATH", "a folder of frames, a folder of such folders, or a video file"
    )
    options.required("--output", "FILE", "results JSON to write", output_file)
    options.value(
        "--annotations", "FILE",
        "a list of videos, such as a server's valid.json; --frames is then the folder that its "
        "file names start from",
        unless_given="every video in --frames, with ids 1, 2, ...",
    )  # fmt: skip
    options.value(
        "--draw", "DIR", "also draw the tracks over the frames into this folder", output_folder,
        unless_given="no pictures",
    )  # fmt: skip
    options.flag("--random-weights", "infer with random weights, for a dry run")
    options.subject(without_weights="an error where it names none")


def run(options: argparse.Namespace) -> None:
    """Predicts, writes the results file, and says what it holds."""
    from methods import build_method
    from vis_bench.files import never_an_input
    from vis_bench.progress import Bars
    from vis_bench.records.environment import pick_device
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.jobs import inference_plan
    from vis_bench.runs.load_method import find_weights
    from vis_bench.runs.predict import find_inputs, load_predictor, predict, summary_text

    config = find_config(options.config)
    never_an_input([options.output], [config])
    cells = load_cells(config, options.overrides)
    if len(cells) != 1:
        raise InputError(f"{options.config} has {len(cells)} cells; predict takes a config of one")
    cell, device, bars = cells[0], pick_device(options.device), Bars()
    plan = inference_plan(cell, device)
    inputs = find_inputs(cell, options.frames, options.annotations)
    for warning in inputs.warnings:
        bars.say(f"warning: {warning}")
    if options.draw is not None:
        _check_can_draw(options)
    if not options.random_weights and (weights := find_weights(cell, options.weights)):
        never_an_input([options.output], [weights])
    method = load_predictor(
        build_method, cell, len(inputs.categories), device,
        weights=options.weights, random_weights=options.random_weights,
    )  # fmt: skip
    summary = predict(method, inputs, plan, options.output, bars)
    if options.draw is not None:
        _draw(options, cell.dataset.name, bars)
    if options.json:
        print_json(summary)
    else:
        print_text(summary_text(summary))


def _check_can_draw(options: argparse.Namespace) -> None:
    from vis_bench.files import check_writable
    from vis_bench.runs.sources import listed_videos

    check_writable(options.draw / "strip.png")
    if options.annotations is not None:
        listed_videos(options.annotations, options.frames)


def _draw(options: argparse.Namespace, dataset: str, bars: Bars) -> None:
    from vis_bench.data.categories import DATASETS
    from vis_bench.runs.sources import drawn_sources
    from vis_bench.show.overlay.overlays import OverlayPlan, draw_overlays

    named = dataset if dataset in DATASETS else None
    inputs = drawn_sources(
        [str(options.output)], options.frames, options.annotations, dataset=named
    )
    drawn = draw_overlays(
        inputs.videos, inputs.sides, None, inputs.truth.categories, options.draw, OverlayPlan(),
        bars,
    )  # fmt: skip
    for warning in drawn.warnings:
        bars.say(f"warning: {warning}")
    bars.say(f"pictures: {options.draw}")
