"""`predict CONFIG --frames PATH --output FILE`: from frames alone to a results file."""

from __future__ import annotations

import argparse

from vis_bench.commands.options import FRAMES, Options
from vis_bench.commands.output import print_result, say, warn
from vis_bench.commands.values import frames_path, output_file, output_folder
from vis_bench.data.categories import CATEGORIES
from vis_bench.files import check_writable, overwrite_guard
from vis_bench.progress import Bars
from vis_bench.record.environment import pick_device
from vis_bench.runs.config import load_cell
from vis_bench.runs.sources import drawn_sources, listed_videos


def add_arguments(options: Options) -> None:
    options.config()
    options.required("--frames", "PATH", FRAMES, frames_path)
    options.required("--output", "FILE", "results JSON to write", output_file)
    options.value(
        "--annotations",
        "FILE",
        "a list of videos, such as a server's valid.json; --frames is then the base folder of "
        "its file names",
        unless_given="every video in --frames, with ids 1, 2, ...",
    )
    options.value(
        "--draw",
        "DIR",
        "also draw the tracks over the frames into this folder",
        output_folder,
        unless_given="no pictures",
    )
    options.limit("predict")
    options.random_weights("infer")
    options.method(without_weights="an error if it names none")
    options.traceback()


def run(options: argparse.Namespace) -> None:
    """Predict, write the results file, and print a summary."""
    from methods import build_method
    from vis_bench.runs.jobs import inference_plan
    from vis_bench.runs.predict import find_inputs, load_predictor, predict, summary_text
    from vis_bench.runs.weights import find_weights, weights_remarks
    from vis_bench.show.overlay.overlays import OverlayPlan, draw_overlays

    cell = load_cell(options.config, options.overrides, "predict")
    device, bars = pick_device(options.device), Bars()
    plan = inference_plan(cell, device)
    inputs = find_inputs(cell, options.frames, options.annotations, options.limit)
    warn(inputs.warnings)
    if options.draw is not None:
        check_writable(options.draw / "strip.png")
        if options.annotations is not None:
            listed_videos(options.annotations, options.frames)
    if weights := find_weights(cell, options.weights):
        overwrite_guard([options.output], [weights.path])
    names = list(inputs.categories.values())
    loaded = load_predictor(
        build_method,
        cell,
        names,
        device,
        weights=options.weights,
        random_weights=options.random_weights,
    )
    with loaded.calling() as method:
        for remark in weights_remarks(method, cell, names, options.weights):
            say(remark)
    summary = predict(loaded, inputs, plan, options.output, bars)
    if options.draw is not None:
        named = cell.dataset.name if cell.dataset.name in CATEGORIES else None
        predicted = None if options.limit is None else [str(video.id) for video in inputs.videos]
        sources = drawn_sources(
            [str(options.output)], options.frames, options.annotations, predicted, dataset=named
        )
        _, warnings = draw_overlays(
            sources.videos,
            sources.sides,
            None,
            sources.truth.categories,
            options.draw,
            OverlayPlan(),
            bars,
        )
        warn(warnings)
        say(f"pictures: {options.draw}")
    print_result(options, summary, summary_text(summary))
